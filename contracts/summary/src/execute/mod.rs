//! One file per action: guard, load, check, save, event.

pub mod anchor;
pub mod approve_completion;
pub mod close;
pub mod close_overdue;
pub mod closing;
pub mod compromised;
pub mod dispute;
pub mod finish_completion;
pub mod object_completion;
pub mod open;
pub mod propose_completion;
pub mod prove_conflict;
pub mod rotate;
pub mod seen;
pub mod wind_up;
pub mod withdraw_dispute;

mod batch;
