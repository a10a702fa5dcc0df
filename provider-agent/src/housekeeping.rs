//! What serving needs done from time to time.
//!
//! Responsible for: dropping nonces and releases that have expired, making letters that wait, and
//! fetching readers' keys before they are needed. Must never be needed for a decision: everything
//! it drops is already ineffective.

use std::collections::BTreeSet;

use crate::AgentError;
use crate::peers::Peers;
use crate::serving::Serving;
use crate::store::{ReadingWrite, Write};
use crate::successors::make_waiting;

/// Time between two rounds, ms.
pub const ROUND_MS: u64 = 2_000;
/// Rounds between two sweeps.
const SWEEP_EVERY: u64 = 30;

/// Keeps house for ever. Faults are logged and tried again in the next round.
pub async fn run(serving: &Serving, peers: &Peers) {
    let mut missing = BTreeSet::new();
    for number in 0u64.. {
        if let Err(error) = round(serving, peers, &mut missing, number % SWEEP_EVERY == 0).await {
            tracing::warn!(%error, "a round of housekeeping failed");
        }
        serving.app.clock.sleep(ROUND_MS).await;
    }
}

/// One round. `missing` are readers whose keys are still to be fetched.
pub async fn round(
    serving: &Serving,
    peers: &Peers,
    missing: &mut BTreeSet<u32>,
    sweep: bool,
) -> Result<(), AgentError> {
    if sweep {
        let now = serving.app.clock.now();
        serving.write(vec![Write::Reading(ReadingWrite::Sweep(now))]).await?;
    }
    missing.append(&mut serving.take_readers());
    let mut left = BTreeSet::new();
    for reader in std::mem::take(missing) {
        if let Err(error) = peers.kem_key(reader).await {
            tracing::info!(reader, %error, "a reader's key could not be fetched yet");
            left.insert(reader);
        }
    }
    *missing = left;
    make_waiting(&serving.app, peers).await.map(|_| ())
}
