//! The database port: rows, reads, and writes as values.
//!
//! Responsible for: what is durable and in which shape. All writing goes through one place, the
//! [`committer`](crate::committer): callers hand over [`Batch`]es, each applied whole or refused
//! whole; many batches share one transaction, one commit number and one sync of the epoch file.
//! Must never be written to from anywhere else, or hold a transaction across network or blob I/O.

mod core;
mod custody;
mod holders;
mod reading;
mod rows;
mod view;

pub use self::core::{CoreStore, Write};
pub use custody::*;
pub use holders::*;
pub use reading::*;
pub use rows::*;
pub use view::*;

use async_trait::async_trait;

/// Everything the agent asks of a database.
#[async_trait]
pub trait Store: CoreStore + ReadingStore + HolderStore + CustodyStore {
    /// Applies the batches in order in one transaction. A batch whose [`Write`] meets a state it
    /// does not expect is undone alone and answered with its [`Refusal`]; the others are kept.
    /// Durable when it returns. The commit number goes up by one; the answer holds the new one.
    async fn commit(&self, batches: &[Batch]) -> Result<Committed, StoreError>;
    /// Overwrites what earlier commits replaced or deleted, wherever the engine keeps it. `false`: a
    /// read that was going on prevented it, and it must be asked again.
    async fn scrub(&self) -> Result<bool, StoreError>;
}

/// Writes that belong together.
pub type Batch = Vec<Write>;

/// What became of a group of batches.
#[derive(Debug, PartialEq, Eq)]
pub struct Committed {
    /// Number of this commit, from 1.
    pub number: u64,
    /// For each batch, in order, why it was not applied.
    pub refused: Vec<Option<Refusal>>,
}

/// A batch met a state it did not expect, and nothing of it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The lane does not take this entry: not live, or already longer.
    #[error("the lane was ended or went on meanwhile")]
    Lane,
    /// This idempotency key is used.
    #[error("the idempotency key is used")]
    Idempotency,
    /// The row is there already.
    #[error("the row is there already")]
    Exists,
    /// The row to be changed is not there, or not in the state expected.
    #[error("the row is not in the state expected")]
    Missing,
    /// As many as there may be.
    #[error("there are as many as there may be")]
    Limit,
    /// As many as there may ever be.
    #[error("there are as many as there may ever be")]
    Spent,
    /// The cursor is not where this block begins.
    #[error("the cursor is elsewhere")]
    Cursor,
}

/// The database failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The engine reports an error.
    #[error("database: {0}; check the disk and its free space, then restart")]
    Engine(String),
    /// A row does not decode.
    #[error("database: {table} holds a row that does not decode; restore it from a backup")]
    Damaged {
        /// The table.
        table: &'static str,
    },
    /// The file was made by a newer version, or for another institution or network.
    #[error("database: {0}")]
    Foreign(String),
}
