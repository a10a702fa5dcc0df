//! Who takes part: institutions and the virtual identities of patients
