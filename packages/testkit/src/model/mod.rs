//! The three contracts against a plain reference: random messages, named invariants, and bugs
//! planted around the contracts to show that each invariant bites.
//!
//! Responsible for: saying in a second way what the contracts must do. Must never use the
//! contracts' code or the rules of `protocol` to say it.

mod cast;
mod events;
mod generator;
mod invariants;
pub mod planted;
mod reference;
mod run;
mod state;

pub use invariants::Invariant;
pub use run::{Broken, Config, Tally, run};
