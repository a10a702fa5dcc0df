//! The command line of patients and operators
