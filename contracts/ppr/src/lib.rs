//! Who may: policies of cases, relationships, grants, delegates, emergency accesses, and the counter
//! of revocations.
//!
//! Responsible for: the holder's word on who takes part in a case and who may read of it. Must never
//! learn to whom a grant is made, or of what: it sees commitments and days.
//!
//! Invariants, each with a test:
//! - a relationship comes into force only by the holder, and never again once ended;
//! - a delegate does nothing that the holder did not give it, and names no delegates;
//! - nothing stops a revocation or the end of an emergency access: no recovery, no suspension;
//! - an emergency access lasts a day at most, and who leaves a review overdue opens no other;
//! - a grant that is revoked or expired never lives again;
//! - an emergency access is not reviewed before its end;
//! - `rev` never falls, and goes up by one with each message that ended a live grant, or by which
//!   the holder's side or the authority ended a running emergency access, and with each new holder;
//! - an acknowledgement never falls and never runs ahead of `rev`.

pub mod contract;
mod error;
mod execute;
mod query;
pub mod state;

pub use error::ContractError;
