//! The life of our lanes: new ones, ending, successors, acknowledging a `rev`.
//!
//! A new lane's keys and the letters that carry its root are in the same transaction as the lane. A
//! lane is written only while it is `Live`: open on chain, never ended. Ending drops its keys; there
//! is no way back.

use casewise_keytree::KeySet;
use casewise_ledger::{
    CaseId, Class, Head, LaneHeader, LaneId, V1,
    lane::{MINIMUM, root_commitment},
    records::LaneStatus,
};
use casewise_seal::{KemPublic, LaneKeys, Letter, LetterKind, Payload};
use zeroize::Zeroizing;

use crate::{
    AgentError, App,
    committer::CommitError,
    epoch::Lease,
    holders,
    store::{Batch, CaseRow, EndReason, LaneRow, LaneState, LetterRow, RevView, Write},
    successors,
};

/// Most lanes given successors in one commit.
pub const MAX_SUCCESSORS: u32 = 64;
/// Cases with a higher `rev` read at once, and the most whose lanes are succeeded after one look.
pub const MAX_UNACKED: u32 = 256;

/// Who the holder of a case is now, as far as letters to them are concerned.
struct Holder {
    kem: KemPublic,
    epoch: u32,
    rev: u32,
}

/// The holder's key and the case's counter. `None`: the chain names another key than the one we were
/// shown, so no letter can be written and no lane opened until the new one arrives.
async fn holder(app: &App, row: &CaseRow) -> Result<Option<Holder>, AgentError> {
    let Some((kem, epoch)) = holders::key(app, row).await? else { return Ok(None) };
    Ok(Some(Holder { kem, epoch, rev: app.store.rev(&row.case).await?.rev }))
}

/// A new lane: its id, its header, its root, and the writes that make it.
struct NewLane {
    lane: LaneId,
    header: LaneHeader,
    root: KeySet,
    writes: Batch,
}

fn new_lane(
    app: &App,
    lease: &Lease<'_>,
    case: CaseId,
    class: Class,
    holder: &Holder,
    predecessor: Option<LaneId>,
) -> Result<NewLane, AgentError> {
    let mut key = Zeroizing::new([0; 32]);
    let mut nonce = [0; 16];
    app.random.fill(&mut *key)?;
    app.random.fill(&mut nonce)?;
    let header = LaneHeader {
        version: V1,
        case,
        author: app.party(),
        class,
        minimum: MINIMUM,
        epoch: holder.epoch,
        root: root_commitment(&key),
        signer: None,
        predecessor,
        nonce,
    };
    let (lane, root) = (header.id(), KeySet::root(&key));
    let row = LaneRow {
        lane,
        header: header.clone(),
        state: LaneState::Opening,
        reason: None,
        head: Head::empty(),
        rev: holder.rev,
        successor: None,
    };
    let keys = lease.wrap(&*app.random, lane, &root)?;
    let letter = root_letter(&header, &root, &holder.kem)?;
    Ok(NewLane { lane, header, root, writes: vec![Write::NewLane { row, keys }, Write::Letter(letter)] })
}

/// The letter that carries a lane's root to the patient.
fn root_letter(header: &LaneHeader, root: &KeySet, to: &KemPublic) -> Result<LetterRow, AgentError> {
    let lane = header.id();
    let payload = Payload::of_keys(vec![LaneKeys { lane, nodes: root.duplicate() }]);
    let letter =
        Letter::seal(LetterKind::Root, header.case, lane.0, to, &payload).map_err(AgentError::broken)?;
    Ok(letter_row(&letter))
}

/// A letter as it is stored.
pub fn letter_row(letter: &Letter) -> LetterRow {
    LetterRow {
        seq: 0,
        case: letter.case,
        kind: letter.kind as u8,
        subject: letter.subject,
        to: letter.to,
        bytes: letter.encode(),
    }
}

/// The writes that make a case's first lanes, content and access, and the lanes' ids.
pub async fn first_lanes(
    app: &App,
    lease: &Lease<'_>,
    row: &CaseRow,
) -> Result<(Vec<LaneId>, Batch), AgentError> {
    let holder = holder(app, row).await?.ok_or_else(|| AgentError::broken("the case has another key"))?;
    let (mut lanes, mut writes) = (Vec::new(), Batch::new());
    for class in [Class::Content, Class::Access] {
        let new = new_lane(app, lease, row.case, class, &holder, None)?;
        lanes.push(new.lane);
        writes.extend(new.writes);
    }
    Ok((lanes, writes))
}

/// The writes that make one more content lane of a case. `None`: the holder's key is not known yet.
pub async fn content_lane(app: &App, lease: &Lease<'_>, row: &CaseRow) -> Result<Option<Batch>, AgentError> {
    let Some(holder) = holder(app, row).await? else { return Ok(None) };
    Ok(Some(new_lane(app, lease, row.case, Class::Content, &holder, None)?.writes))
}

/// The writes that give `old` a successor: the new lane, the patient's letter, the letters of readers
/// whose openings follow.
async fn succeed(
    app: &App,
    lease: &Lease<'_>,
    old: &LaneRow,
    reason: EndReason,
    holder: &Holder,
) -> Result<Batch, AgentError> {
    let new = new_lane(app, lease, old.header.case, old.header.class, holder, Some(old.lane))?;
    let mut writes = vec![Write::EndLane { lane: old.lane, reason, successor: Some(new.lane) }];
    writes.extend(new.writes);
    if old.header.class == Class::Content {
        writes.extend(successors::letters(app, lease, old, &new.header, &new.root).await?);
    }
    Ok(writes)
}

/// Ends all live content lanes of a case whose keys we hold, and, when its holder changed, the access
/// lane too; gives each a successor, in one transaction. Returns whether there was anything to do and
/// it was done. Lanes of devices are succeeded at the device's next contact; lanes that are closing
/// get no successor.
pub async fn rotate_all(app: &App, case: &CaseId) -> Result<bool, AgentError> {
    let Some(row) = app.store.case(case).await? else { return Ok(false) };
    let Some(holder) = holder(app, &row).await? else { return Ok(false) };
    let lease = app.epoch.lease().await;
    let mut batch = Batch::new();
    for lane in app.store.lanes_of(case).await? {
        if lane.state != LaneState::Live || lane.header.signer.is_some() || !is_open(app, &lane.lane).await? {
            continue;
        }
        let reason = match lane.header.class {
            _ if lane.header.epoch < holder.epoch => EndReason::Holder,
            Class::Content if lane.rev < holder.rev => EndReason::Revoked,
            _ => continue,
        };
        batch.extend(succeed(app, &lease, &lane, reason, &holder).await?);
    }
    if batch.is_empty() {
        return Ok(false);
    }
    match app.committer.commit(batch).await {
        Ok(()) => Ok(true),
        // A lane was closed or ended meanwhile: look again at the next block.
        Err(CommitError::Refused(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether a lane of ours is open on chain, and not closing.
async fn is_open(app: &App, lane: &LaneId) -> Result<bool, AgentError> {
    let view = app.store.lane_view(lane).await?;
    Ok(view.is_some_and(|view| view.record.status == LaneStatus::Open))
}

/// After each block: rotates the lanes of every case whose `rev` went up, [`MAX_UNACKED`] of them.
/// Cases that wait for a key or a device stay in the list and are passed over, however many they are.
pub async fn rotate_due(app: &App) -> Result<(), AgentError> {
    let (mut after, mut rotated) = (None, 0);
    while rotated < MAX_UNACKED {
        let page = app.store.unacked(app.config.institution, after.as_ref(), MAX_UNACKED).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        for (case, rev) in page {
            if rotate_all(app, &case).await? {
                tracing::info!(%case, rev = rev.rev, "the case's counter went up: its lanes are succeeded");
                app.work.notify_one();
                rotated += 1;
            }
        }
    }
    Ok(())
}

/// Whether the case's counter may be acknowledged: no content lane that we may write, and none whose
/// successor is still to be opened, was made before it went up, and no lane was made for the key of a
/// former holder. What a restore gave up, or what is closing, takes nothing more.
pub async fn may_ack(app: &App, case: &CaseId, rev: &RevView) -> Result<bool, AgentError> {
    let epoch = app.store.identity(case).await?.map_or(0, |identity| identity.record.epoch);
    for lane in app.store.lanes_of(case).await? {
        if lane.state == LaneState::Closed || lane.reason == Some(EndReason::Restored) {
            continue;
        }
        let of_before = lane.header.signer.is_none() && lane.header.epoch < epoch;
        let behind = lane.header.class == Class::Content && lane.rev < rev.rev;
        if (behind || of_before) && !is_closing(app, &lane).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a lane is closing on chain: it takes its close entry and nothing more.
async fn is_closing(app: &App, lane: &LaneRow) -> Result<bool, AgentError> {
    let view = app.store.lane_view(&lane.lane).await?;
    Ok(view.is_some_and(|view| view.record.status == LaneStatus::Closing))
}

/// Gives successors to lanes that were ended by a restore, [`MAX_SUCCESSORS`] in one commit. Returns
/// how many got one. Lanes of cases we were not shown again wait for the offer.
pub async fn succeed_restored(app: &App) -> Result<usize, AgentError> {
    let (mut after, mut done) = (None, 0);
    loop {
        let lanes = app.store.heirless(after.as_ref(), MAX_SUCCESSORS).await?;
        let Some(last) = lanes.last() else { return Ok(done) };
        after = Some(last.lane);
        let lease = app.epoch.lease().await;
        let mut batch = Batch::new();
        let mut count = 0;
        for lane in &lanes {
            let Some(row) = app.store.case(&lane.header.case).await? else { continue };
            let Some(holder) = holder(app, &row).await? else { continue };
            batch.extend(succeed(app, &lease, lane, EndReason::Restored, &holder).await?);
            count += 1;
        }
        if !batch.is_empty() {
            app.committer.commit(batch).await?;
            done += count;
            app.work.notify_one();
        }
    }
}
