//! Who takes part: institutions with their operators and practitioners, and the virtual identities
//! of patients.
//!
//! Responsible for: admitting and suspending institutions on the authority's word, practitioners on
//! their institution's, and deciding who is the holder of each case: by enrolment, rotation, claim
//! and recovery. Must never learn or store anything by which the cases of one patient, or a patient
//! in the real world, could be found.
//!
//! Invariants, each with a test:
//! - an account operates at most one institution; numbers are given once, from 1, without gaps;
//! - an account is a practitioner of at most one institution, and then operates none; what the
//!   authority barred no institution lifts;
//! - a case has one identity, and a holder's account holds one case;
//! - nobody becomes holder without a valid low-S signature of the new key, over a card of this
//!   case and the next epoch or over an unexpired offer naming the enrolling institution;
//! - a holder's key neither changes the recovery account nor stops a recovery twice;
//! - ppr learns of each new holder in the same transaction.

pub mod contract;
mod error;
mod execute;
mod query;
mod signature;
pub mod state;

pub use error::ContractError;
