//! The world: SQLite, files, clock, chance. Only adapters block, read the time or draw numbers.

pub mod blobs;
pub mod epoch;
pub mod sqlite;
mod system;

pub use system::{SystemClock, SystemRandom};
