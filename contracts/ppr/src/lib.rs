//! Who may: policies of cases, relationships, grants, and the counter of revocations.
//!
//! Responsible for: the holder's word on who takes part in a case and who may read of it. Must never
//! learn to whom a grant is made, or of what: it sees commitments and days.
//!
//! Invariants, each with a test:
//! - a relationship comes into force only by the holder, and never again once ended;
//! - a grant that is revoked or expired never lives again;
//! - `rev` never falls, and goes up by one with each message that ended a live grant;
//! - an acknowledgement never falls and never runs ahead of `rev`.

pub mod contract;
mod error;
mod execute;
mod query;
pub mod state;

pub use error::ContractError;
