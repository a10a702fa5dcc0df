//! The contracts in process, generators and faults, for tests.

pub mod contracts;
