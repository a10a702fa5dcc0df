//! What every handler and task shares.
//!
//! Responsible for: holding the ports, the secrets and what is known in memory of the chain's
//! progress. Holds no rule.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use casewise_api::{Problem, ProblemKind};
use casewise_chain::{ChainParams, Contracts, Manifest};
use casewise_ledger::{Beacon, Hash, LaneId, Party};
use tokio::sync::{Notify, OwnedMutexGuard, watch};

use crate::{
    committer::Committer,
    config::Config,
    epoch::Epoch,
    keys::Keys,
    ports::{Blobs, Chain, Clock, Random},
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

/// What goes wrong at present, for the status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Why no further block is applied.
    pub stalled: Option<String>,
    /// What the chain refused lately: subject and the chain's words.
    pub refused: BTreeMap<String, String>,
}

/// The parts an [`App`] is made of.
pub struct Parts {
    /// The configuration.
    pub config: Config,
    /// The network.
    pub manifest: Manifest,
    /// The secrets.
    pub keys: Keys,
    /// The database.
    pub store: Arc<dyn Store>,
    /// Sealed bodies.
    pub blobs: Arc<dyn Blobs>,
    /// The chain.
    pub chain: Arc<dyn Chain>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// Epoch keys.
    pub epoch: Arc<Epoch>,
    /// Where writes go.
    pub committer: Committer,
}

/// The agent.
pub struct App {
    /// The configuration.
    pub config: Config,
    /// The network's id.
    pub net: Hash,
    /// The contracts.
    pub contracts: Contracts,
    /// What every transaction needs.
    pub params: ChainParams,
    /// The secrets.
    pub keys: Keys,
    /// The database, for reading. Writes go through the committer.
    pub store: Arc<dyn Store>,
    /// Sealed bodies.
    pub blobs: Arc<dyn Blobs>,
    /// The chain.
    pub chain: Arc<dyn Chain>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// Epoch keys.
    pub epoch: Arc<Epoch>,
    /// Where writes go.
    pub committer: Committer,
    /// The last block applied; `None` before the first.
    pub applied: watch::Sender<Option<Applied>>,
    /// Whether the agent writes.
    pub gate: watch::Sender<Gate>,
    /// Wakes the submitter: there may be something to post.
    pub work: Notify,
    /// What goes wrong at present.
    pub health: Mutex<Health>,
    /// Whether replaced or deleted secrets may still lie in the database's log.
    pub unscrubbed: AtomicBool,
    locks: Mutex<BTreeMap<LaneId, Arc<tokio::sync::Mutex<()>>>>,
    stamped: AtomicU64,
}

impl App {
    /// Puts the parts together. The gate is [`Gate::Starting`].
    pub fn new(parts: Parts) -> Self {
        let Parts { config, manifest, keys, store, blobs, chain, clock, random, epoch, committer } = parts;
        Self {
            config,
            net: manifest.net(),
            contracts: manifest.contracts,
            params: manifest.params,
            keys,
            store,
            blobs,
            chain,
            clock,
            random,
            epoch,
            committer,
            applied: watch::Sender::new(None),
            gate: watch::Sender::new(Gate::Starting),
            work: Notify::new(),
            health: Mutex::default(),
            // a process before this one may have stopped in between
            unscrubbed: AtomicBool::new(true),
            locks: Mutex::default(),
            stamped: AtomicU64::new(0),
        }
    }

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

    /// Stops all writing for good. The first reason stays.
    pub fn halt(&self, reason: String) {
        tracing::error!(%reason, "the agent stops writing");
        self.gate.send_if_modified(|gate| {
            let first = !matches!(gate, Gate::Halted(_));
            if first {
                *gate = Gate::Halted(reason);
            }
            first
        });
    }

    /// One writer of a lane at a time.
    pub async fn lock(&self, lane: &LaneId) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            // Locks nobody holds or waits for are forgotten.
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            locks.entry(*lane).or_default().clone()
        };
        lock.lock_owned().await
    }

    /// The time to claim for a new entry, Unix ms: the clock, but never the same twice, so that no
    /// two headers of this process are equal.
    pub fn stamp(&self) -> u64 {
        let now = self.clock.now();
        let step = |last: u64| Some(now.max(last.saturating_add(1)));
        let last = self.stamped.fetch_update(Ordering::SeqCst, Ordering::SeqCst, step).unwrap_or(now);
        now.max(last.saturating_add(1))
    }

    /// The newest block known: an entry that names it was not made before it.
    pub fn beacon(&self) -> Beacon {
        let applied = self.applied.borrow();
        applied.map_or_else(Beacon::default, |applied| Beacon {
            height: applied.cursor.height,
            hash: applied.cursor.block,
        })
    }

    /// Changes what the status says.
    pub fn note(&self, change: impl FnOnce(&mut Health)) {
        change(&mut self.health.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What goes wrong at present.
    pub fn health(&self) -> Health {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
