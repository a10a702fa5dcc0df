//! What the client needs from outside: HTTP, a clock, randomness, and the public facts on chain.
//!
//! The logic of this crate sees the world only through these traits, so that it runs in a terminal,
//! inside an agent and in a browser. Must never hold logic of its own.

use async_trait::async_trait;
use casewise_ledger::{Address, Hash, LaneId, records::LaneRecord};

use crate::ClientError;

/// Why an exchange over HTTP gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct HttpError(pub String);

/// One exchange over HTTP.
#[async_trait]
pub trait Http: Send + Sync {
    /// Sends the request as it is, follows no redirect, and returns the answer with its whole body.
    /// A body longer than `limit` bytes is an error.
    async fn exchange(
        &self,
        request: http::Request<Vec<u8>>,
        limit: u64,
    ) -> Result<http::Response<Vec<u8>>, HttpError>;
}

/// Time.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Unix ms.
    fn now_ms(&self) -> u64;

    /// Waits.
    async fn sleep_ms(&self, ms: u64);
}

/// Randomness fit for keys.
pub trait Random: Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), ClientError>;
}

/// [`Random`] from the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), ClientError> {
        crate::random::fill(bytes)
    }
}

/// An institution as the registrar lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Institution {
    /// Its number.
    pub number: u32,
    /// Its public name.
    pub name: String,
    /// Public URL of its agent.
    pub endpoint: String,
    /// Hash of its X-Wing public key.
    pub kem: Hash,
    /// Epoch of that key.
    pub kem_epoch: u32,
    /// Whether it may act.
    pub active: bool,
}

/// Public facts on chain that a reader checks answers against.
#[async_trait]
pub trait Directory: Send + Sync {
    /// An institution, `None` when the registrar lists none with this number.
    async fn institution(&self, number: u32) -> Result<Option<Institution>, ClientError>;

    /// Which institution an account operates.
    async fn operator(&self, account: &Address) -> Result<Option<u32>, ClientError>;

    /// A lane's record at the end of block `height`, or of the newest block.
    async fn lane(&self, lane: &LaneId, height: Option<u64>) -> Result<Option<LaneRecord>, ClientError>;
}
