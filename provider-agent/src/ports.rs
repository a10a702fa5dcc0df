//! What the logic needs of the world: chain, blobs, clock, chance. The store has its own module,
//! peers are in `peers`.
//!
//! Responsible for: the narrow traits that adapters implement and the simulator replaces. Nothing
//! here may name SQLite, a file or a socket.

use async_trait::async_trait;
use casewise_ledger::Hash;
use zeroize::Zeroizing;

pub use crate::gatekeeper::Part;
pub use casewise_chain::Chain;

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
    /// Reads part of a staged or published blob: bytes that are handed out, hence only what a permit
    /// covers.
    async fn read(&self, part: &Part) -> Result<Vec<u8>, BlobError>;
    /// The SHA-256 of a blob's bytes as they are now, for those who compare.
    async fn sha256(&self, name: &Hash) -> Result<Hash, BlobError>;
}

/// A blob being written. Dropping it unfinished leaves nothing that is ever read.
#[async_trait]
pub trait StagedBlob: Send {
    /// Appends bytes.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError>;
    /// Reads bytes written before.
    async fn read(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, BlobError>;
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

/// What the epoch file holds: the key under which key sets are wrapped, and how many commits the
/// database has made.
pub struct EpochRecord {
    /// Number of the present epoch, from 1.
    pub epoch: u32,
    /// When it began, Unix ms.
    pub since: u64,
    /// Its key.
    pub key: Zeroizing<[u8; 32]>,
    /// The key that is replacing it; its epoch is the next number.
    pub next: Option<Zeroizing<[u8; 32]>>,
    /// Number of the last commit whose requests may have been answered.
    pub counter: u64,
    /// Random, drawn anew at each restore: the database names the same one.
    pub life: [u8; 16],
}

/// Shows numbers only.
impl std::fmt::Debug for EpochRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EpochRecord(epoch {}, counter {}, ..)", self.epoch, self.counter)
    }
}

impl Clone for EpochRecord {
    fn clone(&self) -> Self {
        let Self { epoch, since, key, next, counter, life } = self;
        let (key, next) = (key.clone(), next.clone());
        Self { epoch: *epoch, since: *since, key, next, counter: *counter, life: *life }
    }
}

/// Why the epoch file is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EpochError {
    /// The file system failed.
    #[error("epoch file: {0}; check that its path is right and writable")]
    Io(#[from] std::io::Error),
    /// No slot of the file is whole.
    #[error("epoch file: not an epoch file, or damaged; see OPERATIONS.md, \"lost epoch file\"")]
    Damaged,
}

/// The epoch file: small, outside the database and outside every backup.
#[async_trait]
pub trait EpochFile: Send + Sync {
    /// The newest whole record.
    async fn read(&self) -> Result<EpochRecord, EpochError>;
    /// Whether the file lies elsewhere than where it was written: it was copied back.
    async fn moved(&self) -> Result<bool, EpochError>;
    /// Makes a record the newest, durably, and leaves the one before in place until the next write.
    async fn write(&self, record: &EpochRecord) -> Result<(), EpochError>;
    /// Makes a record the only one: every earlier one is overwritten, durably.
    async fn settle(&self, record: &EpochRecord) -> Result<(), EpochError>;
}
