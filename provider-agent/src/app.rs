//! What every handler and task shares.
//!
//! Responsible for: holding the ports, the secrets and what is known in memory of the chain's
//! progress. Holds no rule.

use std::sync::Arc;

use casewise_api::{Problem, ProblemKind};
use casewise_ledger::{Hash, Party};
use tokio::sync::watch;

use crate::{
    config::Config,
    keys::Keys,
    ports::{Blobs, Clock, Random},
    store::{Cursor, Store},
};

/// How far the view of the chain is, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The block.
    pub cursor: Cursor,
    /// The monotonic clock when it was applied, ms.
    pub at: u64,
}

/// Whether the agent writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Not yet caught up with the chain since the process started: it cannot know yet whether its
    /// database is an old one.
    Starting,
    /// The database is an old one; lost transactions may still get into a block.
    Restoring,
    /// It writes.
    Open,
    /// It must not go on: the text says why and what to do.
    Halted(String),
}

/// The agent.
pub struct App {
    /// The configuration.
    pub config: Config,
    /// The network's id.
    pub net: Hash,
    /// The secrets.
    pub keys: Keys,
    /// The database, for reading. Writes go through the committer.
    pub store: Arc<dyn Store>,
    /// Sealed bodies.
    pub blobs: Arc<dyn Blobs>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// The last block applied; `None` before the first.
    pub applied: watch::Sender<Option<Applied>>,
    /// Whether the agent writes.
    pub gate: watch::Sender<Gate>,
}

impl App {
    /// This institution as an author, server or reader.
    pub fn party(&self) -> Party {
        Party::Institution(self.config.institution)
    }

    /// Refuses with the reason unless the agent writes.
    pub fn writing(&self) -> Result<(), Problem> {
        let why = match &*self.gate.borrow() {
            Gate::Open => return Ok(()),
            Gate::Starting => "The agent has not caught up with the chain since it started.",
            Gate::Restoring => "The database is an older copy; new lanes are being prepared.",
            Gate::Halted(_) => "The agent has stopped writing; its operator finds the reason in the status.",
        };
        Err(Problem::new(ProblemKind::NotReady, why))
    }
}
