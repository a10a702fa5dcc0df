//! The end of lanes that are closing on chain: a close entry while the lane still takes one, then
//! the close itself.
//!
//! Responsible for: every lane of ours that gets a deadline (the relationship is over or suspended,
//! the case is wound up) ends with an entry that says so, anchored before the deadline. Must never
//! write a close entry into a lane that may still be rotated, nor anything after it.

use casewise_chain::ChainExt;
use casewise_ledger::{Class, Data, Kind, LaneId, records::ns};
use casewise_protocol::record::Be64;

use crate::{
    AgentError, App,
    append::{Append, append_to},
    input::Input,
    store::{EndReason, LaneRow, LaneState, LaneView, Write},
};

/// Lanes looked at in one query.
const PAGE: u32 = 256;

/// After each block: writes the close entry of every lane of ours that is closing and is still
/// written. A device's lane is ended by its device.
pub async fn close_due(app: &App) -> Result<(), AgentError> {
    for (row, _) in closing(app).await? {
        if row.state == LaneState::Live && row.header.signer.is_none() && row.header.class == Class::Content {
            close_entry(app, &row).await?;
        }
    }
    Ok(())
}

/// Every lane of ours that is closing on chain.
async fn closing(app: &App) -> Result<Vec<(LaneRow, LaneView)>, AgentError> {
    let (mut all, mut after): (Vec<(LaneRow, LaneView)>, Option<LaneId>) = (Vec::new(), None);
    loop {
        let page = app.store.closing(after.as_ref(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(all) };
        after = Some(last.lane);
        all.extend(page);
    }
}

/// The lane's last entry; the lane ends in the same transaction.
async fn close_entry(app: &App, row: &LaneRow) -> Result<(), AgentError> {
    let data = Data::Close(None).encode().map_err(AgentError::broken)?;
    let (prefix, content) = data.split_at(1);
    let mut what = Append {
        case: row.header.case,
        class: row.header.class,
        kind: Kind::Close,
        prev: None,
        prefix: prefix.to_vec(),
        content: &mut Input::memory(content.to_vec()),
        idempotency: None,
    };
    let end = Write::EndLane { lane: row.lane, reason: EndReason::Closing, successor: None };
    match append_to(app, row.lane, &mut what, vec![end]).await? {
        Ok(done) => tracing::info!(lane = %row.lane, size = done.head.size, "the lane has its close entry"),
        // an entry came in between, or the lane was ended: look again at the next block
        Err(refusal) => tracing::debug!(lane = %row.lane, %refusal, "the close entry waits"),
    }
    Ok(())
}

/// What is to be closed on chain: lanes at their final head, and lanes whose deadline is over, which
/// are closed at what is anchored.
#[derive(Debug, Default)]
pub struct ToClose {
    /// With what we hold of them.
    pub lanes: Vec<(LaneRow, LaneView)>,
    /// Their deadline is over.
    pub overdue: Vec<LaneId>,
}

/// The lanes of ours that can be closed on chain now, at most `limit` of each kind.
pub async fn to_close(app: &App, limit: usize) -> Result<ToClose, AgentError> {
    let mut found = ToClose::default();
    let Some(now) = app.store.cursor().await?.map(|cursor| cursor.time) else { return Ok(found) };
    for (row, view) in closing(app).await? {
        if row.header.class != Class::Content || (row.state == LaneState::Live && row.header.signer.is_none())
        {
            continue;
        }
        let summary = &app.contracts.summary;
        let due: Option<Be64> = app.chain.record(summary, ns::DUE, &row.lane.0, None).await?;
        match due {
            Some(Be64(due)) if due <= now && found.overdue.len() < limit => found.overdue.push(row.lane),
            // of a device's lane no more than what is anchored is known to be final
            Some(Be64(due)) if due > now && row.state == LaneState::Ended && found.lanes.len() < limit => {
                found.lanes.push((row, view));
            }
            _ => {}
        }
    }
    Ok(found)
}
