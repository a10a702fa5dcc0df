//! One file per action: guard, load, check, save, event.

pub mod anchor;
pub mod close;
pub mod close_overdue;
pub mod closing;
pub mod open;
pub mod rotate;
pub mod seen;

mod batch;
