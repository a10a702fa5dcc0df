//! Who takes part: institutions with their operators, and the virtual identities of patients.
//!
//! Responsible for: admitting and suspending institutions on the authority's word, and enrolling
//! each case's identity on its holder's signature. Must never learn or store anything by which the
//! cases of one patient, or a patient in the real world, could be found.
//!
//! Invariants, each with a test:
//! - an account operates at most one institution; numbers are given once, from 1, without gaps;
//! - a case has one identity, and a holder's account holds one case;
//! - an identity is never enrolled without its holder's valid, unexpired, low-S signature naming the
//!   enrolling institution.

pub mod contract;
mod error;
mod execute;
mod query;
pub mod state;

pub use error::ContractError;
