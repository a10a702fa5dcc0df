//! What the client keeps on this machine, as named records: the port, and changes that take effect
//! together.
//!
//! Must never be the only place of anything that the phrase, the chain and the agents cannot give
//! again, except openings and letters still to be delivered.

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::ClientError;

/// Changes that take effect together.
#[derive(Default)]
pub struct Batch(Vec<Change>);

/// One change.
pub struct Change {
    /// The space.
    pub space: String,
    /// The record's id in it.
    pub id: Vec<u8>,
    /// Its new value; `None` removes it.
    pub value: Option<Zeroizing<Vec<u8>>>,
}

impl Batch {
    /// No change yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stores a value.
    pub fn put(&mut self, space: &str, id: &[u8], value: Vec<u8>) -> &mut Self {
        self.0.push(Change { space: space.into(), id: id.into(), value: Some(Zeroizing::new(value)) });
        self
    }

    /// Removes a value.
    pub fn delete(&mut self, space: &str, id: &[u8]) -> &mut Self {
        self.0.push(Change { space: space.into(), id: id.into(), value: None });
        self
    }

    /// The changes, in order.
    pub fn changes(&self) -> &[Change] {
        &self.0
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Named records in named spaces. A browser keeps them elsewhere; the rest of the client knows only
/// this.
#[async_trait]
pub trait Store: Send + Sync {
    /// A record.
    async fn get(&self, space: &str, id: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, ClientError>;

    /// Every record of a space with its id, in ascending id.
    async fn scan(&self, space: &str) -> Result<Vec<(Vec<u8>, Zeroizing<Vec<u8>>)>, ClientError>;

    /// Makes all changes or none; durable when it returns.
    async fn commit(&self, batch: Batch) -> Result<(), ClientError>;
}
