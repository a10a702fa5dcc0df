//! What happened: lanes, their anchored heads, and what the holder has seen of them.
//!
//! Responsible for: fixing one content per position of every lane, by checking that each head extends
//! the one before. Must never let a head be replaced, a closed lane be written, or anyone but the
//! author write; and must never learn what an entry holds. It has no admin and no migration.
//!
//! Invariants, each with a test:
//! - the heads of a lane form one chain of consistent Merkle trees;
//! - a lane goes open → closing → closed and never back;
//! - `seen` never falls and never passes the size;
//! - a case goes open → closing → proposed → completed, back to open only from proposed, and a
//!   completed one takes no content any more;
//! - a mark or a dispute changes no head;
//! - a case's `open` is the number of its content lanes that are not closed, and its digest the chain
//!   of the closed ones in the order of closing.

mod chain;
pub mod contract;
mod error;
mod execute;
mod query;
pub mod state;

pub use error::ContractError;
