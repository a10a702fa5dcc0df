//! Telling that the database is an older copy, and going on safely.
//!
//! See `docs/adr/0001-restored-database.md`. Three things tell it: the epoch file (number, life,
//! place), the chain's heads of our lanes, and the account's sequence. Once told, no existing lane is
//! ever written again: all are ended in one commit. After every transaction that the lost time may
//! have signed is certainly dead, each lane that is open on chain gets a successor, closed at the
//! larger of the chain's head and ours: the copy is a prefix of what really happened, so that head
//! disagrees with nothing that was ever signed.

use casewise_api::body::{ClosedLane, EntryRange, RestoreReport};
use casewise_chain::ChainError;
use casewise_ledger::{Hash, Head, LaneId, merkle::Frontier};

use crate::{
    AgentError, App,
    app::Gate,
    store::{EndReason, LaneRow, LaneView, RestoreState, TxRow, TxState, Write},
    submitter::TX_TIMEOUT_BLOCKS,
};

/// How what we hold of a lane stands to what the chain says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// We hold all that is anchored, and it is what is anchored.
    Whole,
    /// More is anchored than we hold.
    Behind,
    /// Something else is anchored than we hold.
    Differs,
}

/// The root of the first `size` entries we hold of a lane.
pub async fn root_at(app: &App, lane: &LaneId, size: u32) -> Result<Hash, AgentError> {
    let peaks = app.store.nodes(lane, &Frontier::peak_ids(size)).await?;
    let peaks = peaks.into_iter().collect::<Option<Vec<Hash>>>();
    let peaks = peaks.ok_or_else(|| AgentError::broken("a lane misses a subtree hash"))?;
    Ok(Frontier::from_peaks(size, peaks).map_err(AgentError::broken)?.root())
}

/// Compares a lane with an anchored head of it.
pub async fn standing(app: &App, row: &LaneRow, anchored: &Head) -> Result<Standing, AgentError> {
    if anchored.size > row.head.size {
        return Ok(Standing::Behind);
    }
    let ours = root_at(app, &row.lane, anchored.size).await?;
    Ok(if ours == anchored.root { Standing::Whole } else { Standing::Differs })
}

/// Whether the stored transactions explain the account's sequence. A sequence below what they
/// explain is a node that is behind; that is for the caller to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// They do.
    Explained,
    /// The account has sent what this database does not know.
    Unknown,
    /// The node has not seen all that is settled here.
    Behind,
}

/// The rule. `baseline`: the sequence when the database was made or restored.
pub fn explain(baseline: u64, last: Option<&TxRow>, actual: u64) -> Sequence {
    let (least, most) = match last {
        None => (baseline, baseline),
        Some(tx) if tx.sequence < baseline => (baseline, baseline),
        Some(tx) => match tx.state {
            TxState::Included => (tx.sequence + 1, tx.sequence + 1),
            TxState::Expired => (tx.sequence, tx.sequence),
            // a transaction that failed in a block may have failed before it took its sequence
            TxState::Sent | TxState::Failed => (tx.sequence, tx.sequence + 1),
        },
    };
    if actual > most {
        Sequence::Unknown
    } else if actual < least {
        Sequence::Behind
    } else {
        Sequence::Explained
    }
}

/// The operator account's sequence now; 0 while the account does not exist.
pub async fn sequence(app: &App) -> Result<u64, ChainError> {
    let account = app.chain.account(&app.keys.operator.address()).await?;
    Ok(account.map_or(0, |account| account.sequence))
}

/// The epoch file says that the database is a copy: ends all lanes, begins a new life, and takes the
/// epoch file over. Before anything else runs.
pub async fn retire(app: &App, reason: &str) -> Result<(), AgentError> {
    tracing::warn!(%reason, "the database is an older copy: no existing lane will be written again");
    let mut life = [0; 16];
    app.random.fill(&mut life)?;
    let number = app.store.commit(&[vec![Write::EndAllLanes, Write::Life(life)]]).await?.number;
    Ok(app.epoch.adopt(life, number).await?)
}

/// The process has caught up with the chain for the first time: opens the gate, or begins the wait
/// after which a restore may go on.
pub async fn caught_up(app: &App, tip: u64) -> Result<(), AgentError> {
    let mut state = app.store.restore_state().await?;
    if state == RestoreState::None && unknown_sequence(app).await? {
        tracing::warn!(
            "the account has sent transactions that this database does not know: it is an older copy"
        );
        app.committer.commit(vec![Write::EndAllLanes]).await?;
        state = RestoreState::Pending;
    }
    if state == RestoreState::Pending {
        state = RestoreState::Until(tip + TX_TIMEOUT_BLOCKS);
        app.committer.commit(vec![Write::Restore(state)]).await?;
    }
    let gate = if state == RestoreState::None { Gate::Open } else { Gate::Restoring };
    app.gate.send_if_modified(|present| {
        let starting = *present == Gate::Starting;
        if starting {
            *present = gate;
        }
        starting
    });
    Ok(())
}

async fn unknown_sequence(app: &App) -> Result<bool, AgentError> {
    let baseline = app.store.owner().await?.map_or(0, |owner| owner.baseline);
    let last = app.store.last_tx().await?;
    Ok(explain(baseline, last.as_ref(), sequence(app).await?) == Sequence::Unknown)
}

/// A block was applied while restoring: ends the wait when every transaction of the lost time is
/// certainly dead.
pub async fn go_on(app: &App, height: u64) -> Result<(), AgentError> {
    let RestoreState::Until(until) = app.store.restore_state().await? else { return Ok(()) };
    if height < until || app.store.tx_in_flight().await?.is_some() {
        return Ok(());
    }
    let baseline = sequence(app).await?;
    app.committer.commit(vec![Write::Baseline(baseline), Write::Restore(RestoreState::None)]).await?;
    tracing::info!("the restore goes on: lanes get their successors");
    app.gate.send_if_modified(|gate| {
        let restoring = *gate == Gate::Restoring;
        if restoring {
            *gate = Gate::Open;
        }
        restoring
    });
    Ok(())
}

/// What a restore gave up and what it misses.
pub async fn report(app: &App) -> Result<RestoreReport, AgentError> {
    let restored = app.store.restore_state().await? != RestoreState::None;
    let mut report = RestoreReport { restored, ..RestoreReport::default() };
    for (row, view) in app.store.restored().await? {
        let Some(view) = view else { continue };
        report.restored = true;
        report.closed.push(ClosedLane { lane: row.lane, successor: row.successor });
        report.missing.extend(missing(&row, &view));
    }
    Ok(report)
}

/// Anchored entries of a lane that we do not hold.
fn missing(row: &LaneRow, view: &LaneView) -> Option<EntryRange> {
    let last = view.record.size.checked_sub(1)?;
    (row.reason == Some(EndReason::Restored) && row.head.size <= last).then_some(EntryRange {
        lane: row.lane,
        first: row.head.size,
        last,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tx(sequence: u64, state: TxState) -> TxRow {
        TxRow {
            hash: [0; 32],
            sequence,
            bytes: vec![],
            timeout_height: 9,
            state,
            height: None,
            error: None,
            actions: vec![],
        }
    }

    #[test]
    fn what_the_stored_transactions_explain() {
        use Sequence::{Behind, Explained, Unknown};
        for (last, actual, expected) in [
            (None, 5, Explained),
            (None, 6, Unknown),
            (None, 4, Behind),
            (Some(tx(7, TxState::Included)), 8, Explained),
            (Some(tx(7, TxState::Included)), 9, Unknown),
            (Some(tx(7, TxState::Included)), 7, Behind),
            (Some(tx(7, TxState::Sent)), 7, Explained),
            (Some(tx(7, TxState::Sent)), 8, Explained),
            (Some(tx(7, TxState::Sent)), 9, Unknown),
            (Some(tx(7, TxState::Failed)), 7, Explained),
            (Some(tx(7, TxState::Failed)), 8, Explained),
            (Some(tx(7, TxState::Expired)), 7, Explained),
            // its sequence was spent by somebody else
            (Some(tx(7, TxState::Expired)), 8, Unknown),
            // transactions from before a restore explain nothing any more
            (Some(tx(3, TxState::Included)), 5, Explained),
            (Some(tx(3, TxState::Included)), 6, Unknown),
        ] {
            assert_eq!(explain(5, last.as_ref(), actual), expected, "{last:?} {actual}");
        }
    }
}
