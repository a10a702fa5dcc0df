//! What the contracts and everybody who talks to them agree on: messages, queries, answers, typed
//! events with their parser, the keys of the records read across contracts, and the pure rules of
//! who may do what when.
//!
//! Responsible for: being the only place where a message, an event or such a rule is written down;
//! the contracts, the tests and the agent's projection use the same code. Must never do I/O, read
//! a clock, or hold a key or a patient's data.

pub mod account;
pub mod convert;
mod error;
pub mod events;
pub mod page;
pub mod ppr;
pub mod record;
pub mod registrar;
pub mod remote;
pub mod rules;
pub mod summary;

pub use error::ProtocolError;
pub use events::{Event, EventError};
pub use record::Record;

/// Nanoseconds of a millisecond.
const NANOS_PER_MS: u64 = 1_000_000;

/// Block time in Unix milliseconds, floored: the only clock of the contracts.
pub fn block_ms(block: &cosmwasm_std::BlockInfo) -> u64 {
    block.time.nanos() / NANOS_PER_MS
}
