//! What the logic needs of the world: chain, blobs, clock, chance. The store has its own module,
//! peers are in `peers`.
//!
//! Responsible for: the narrow traits that adapters implement and the simulator replaces. Nothing
//! here may name SQLite, a file or a socket.

use async_trait::async_trait;
use casewise_ledger::Hash;

/// Why a blob could not be stored or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// No blob of this name.
    #[error("body {} is not in the store; fetch it back from the patient or a replica", hex::encode(.0))]
    Missing(Hash),
    /// The range lies outside the blob.
    #[error("range outside the body")]
    Range,
    /// The directory or service failed.
    #[error("blob store: {0}; check the disk and its free space")]
    Io(#[from] std::io::Error),
}

/// Sealed bodies. A blob's name is the SHA-256 of its bytes; blobs never change.
///
/// Life of a blob: staged (durable under a temporary name) → entry committed → published. A staged
/// blob without an entry is an orphan of a crash and is removed at start.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Begins a new blob.
    async fn stage(&self) -> Result<Box<dyn StagedBlob>, BlobError>;
    /// Makes the names of all blobs staged so far durable. Called once for each group commit.
    async fn sync(&self) -> Result<(), BlobError>;
    /// Gives a staged blob its final name. Repeating it is a no-op.
    async fn publish(&self, name: &Hash) -> Result<(), BlobError>;
    /// Names of the staged blobs, ascending.
    async fn staged(&self) -> Result<Vec<Hash>, BlobError>;
    /// Removes a staged blob that no entry names, and whatever else a crash left half written.
    async fn discard(&self, name: &Hash) -> Result<(), BlobError>;
    /// Whether the blob is there, staged or published.
    async fn has(&self, name: &Hash) -> Result<bool, BlobError>;
    /// Length of a blob in bytes.
    async fn length(&self, name: &Hash) -> Result<u64, BlobError>;
    /// Reads `length` bytes from `offset`, of a staged or published blob.
    async fn read(&self, name: &Hash, offset: u64, length: usize) -> Result<Vec<u8>, BlobError>;
}

/// A blob being written. Dropping it unfinished leaves nothing that is ever read.
#[async_trait]
pub trait StagedBlob: Send {
    /// Appends bytes.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError>;
    /// Makes the content durable under `name`, the SHA-256 of all bytes written.
    async fn finish(self: Box<Self>, name: &Hash) -> Result<(), BlobError>;
}

/// Time.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Wall time, Unix ms.
    fn now(&self) -> u64;
    /// Time since some fixed moment that never goes back, ms.
    fn monotonic(&self) -> u64;
    /// Waits.
    async fn sleep(&self, ms: u64);
}

/// Chance, fit for keys.
pub trait Random: Send + Sync {
    /// Fills the buffer or fails; never weak bytes.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError>;
}

/// The system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes; nothing is sealed without them")]
pub struct RandomError;
