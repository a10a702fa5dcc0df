//! The contracts in process, generators and faults, for tests.

pub mod canary;
pub mod contracts;
pub mod fhir;
pub mod messages;
pub mod model;
