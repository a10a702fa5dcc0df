//! Letters about successor lanes: what a reader needs to follow a lane that was rotated.
//!
//! Responsible for: one letter with the new root for every live reader whose opening follows into
//! the lane, and none for any other. Must never store a root in clear, nor carry one over into a
//! later epoch: a root whose reader's key cannot be had now waits wrapped under the present epoch
//! key, and is gone with it. Then the patient, who has the root, shares again.

use std::collections::BTreeMap;

use casewise_keytree::KeySet;
use casewise_ledger::records::GrantStatus;
use casewise_ledger::{CaseId, Commitment, LaneHeader, LaneId, Opening, Party};
use casewise_protocol::rules;
use casewise_seal::{KemPublic, LaneKeys, Letter, LetterKind, Payload};

use crate::AgentError;
use crate::app::App;
use crate::epoch::Lease;
use crate::gatekeeper::followed;
use crate::lanes::letter_row;
use crate::openings::Openings;
use crate::peers::{Peers, kept_kem_key};
use crate::serving::ancestors;
use crate::store::{Batch, LaneRow, LetterRow, ReadingWrite, WaitingLetterRow, Write};

/// How many waiting letters are tried at once.
pub const WAITING_AT_ONCE: u32 = 64;
const WAITING_DOMAIN: &[u8] = b"casewise/agent/waiting-letter/v1";

/// The letters about the lane `next`, which goes on from `old`, for the same database transaction
/// as the lane itself. `lease` is the one under which the lane's own keys are wrapped.
pub async fn letters(
    app: &App,
    lease: &Lease<'_>,
    old: &LaneRow,
    next: &LaneHeader,
    root: &KeySet,
) -> Result<Batch, AgentError> {
    let lineage = lineage(app, &next.case, &old.lane).await?;
    let mut writes = Batch::new();
    for (grant, opening) in live_followers(app, &next.case, &lineage).await? {
        // accounts have no agent that could fetch a letter; their patient shares again
        let Party::Institution(reader) = opening.grantee else { continue };
        writes.push(match kept_kem_key(app, reader).await? {
            Some(key) => Write::Letter(letter(&next.case, &grant, &next.id(), root.duplicate(), &key)?),
            None => waiting(app, lease, &grant, reader, next, root)?,
        });
    }
    Ok(writes)
}

/// `old` and the lanes it goes on from, nearest first.
async fn lineage(app: &App, case: &CaseId, old: &LaneId) -> Result<Vec<LaneId>, AgentError> {
    let lanes = app.store.lanes_of(case).await?;
    let before: BTreeMap<LaneId, Option<LaneId>> =
        lanes.iter().map(|lane| (lane.lane, lane.header.predecessor)).collect();
    Ok(ancestors(&before, Some(*old)))
}

/// Openings of a case that follow from one of these lanes, with a grant that is live and not over.
async fn live_followers(
    app: &App,
    case: &CaseId,
    lineage: &[LaneId],
) -> Result<Vec<(Commitment, Opening)>, AgentError> {
    let openings = Openings::new(&app.keys);
    let mut out = Vec::new();
    for row in app.store.openings_of(case).await? {
        let opening = openings.open(&row)?;
        if followed(&opening, lineage) && is_live(app, &row.commitment, Some(&opening)).await? {
            out.push((row.commitment, opening));
        }
    }
    Ok(out)
}

/// Whether a grant is live on chain and neither its days nor the opening's times are over.
async fn is_live(app: &App, grant: &Commitment, opening: Option<&Opening>) -> Result<bool, AgentError> {
    let Some(now) = app.store.cursor().await? else { return Ok(false) };
    let Some(grant) = app.store.grant(grant).await? else { return Ok(false) };
    let over = rules::grant_over(&grant.record, now.time);
    let past = opening.is_some_and(|opening| now.time >= opening.not_after);
    Ok(grant.record.status == GrantStatus::Live && !over && !past)
}

fn letter(
    case: &CaseId,
    grant: &Commitment,
    lane: &LaneId,
    nodes: KeySet,
    to: &KemPublic,
) -> Result<LetterRow, AgentError> {
    let payload = Payload::of_keys(vec![LaneKeys { lane: *lane, nodes }]);
    let letter = Letter::seal(LetterKind::Grant, *case, grant.0, to, &payload).map_err(AgentError::broken)?;
    Ok(letter_row(&letter))
}

fn waiting_aad(lane: &LaneId, grant: &Commitment) -> Vec<u8> {
    [WAITING_DOMAIN, &lane.0, &grant.0].concat()
}

fn waiting(
    app: &App,
    lease: &Lease<'_>,
    grant: &Commitment,
    reader: u32,
    next: &LaneHeader,
    root: &KeySet,
) -> Result<Write, AgentError> {
    let lane = next.id();
    let (epoch, wrapped) = lease.wrap_bytes(&*app.random, &waiting_aad(&lane, grant), &root.encode())?;
    let row = WaitingLetterRow { lane, case: next.case, grant: *grant, reader, epoch, wrapped };
    Ok(Write::Reading(ReadingWrite::WaitingLetter(row)))
}

/// Makes the letters that wait, as far as their readers' keys can be had; drops those whose grant
/// is over or whose epoch key is destroyed. Returns how many still wait.
pub async fn make_waiting(app: &App, peers: &Peers) -> Result<usize, AgentError> {
    let mut left = 0;
    for row in app.store.waiting_letters(WAITING_AT_ONCE).await? {
        match make_one(app, peers, &row).await {
            Ok(Some(writes)) => app.committer.commit(writes).await?,
            Ok(None) => left += 1,
            Err(error) => {
                tracing::warn!(reader = row.reader, %error, "a letter still waits for its reader's key");
                left += 1;
            }
        }
    }
    Ok(left)
}

async fn make_one(app: &App, peers: &Peers, row: &WaitingLetterRow) -> Result<Option<Batch>, AgentError> {
    let WaitingLetterRow { lane, grant, .. } = row;
    let done = Write::Reading(ReadingWrite::LetterDone { lane: *lane, grant: *grant });
    if !is_live(app, grant, None).await? {
        return Ok(Some(vec![done]));
    }
    let Some(root) = open_root(app, row) else {
        tracing::warn!(%lane, %grant, "a reader's key came too late for this lane: the patient must share it again");
        return Ok(Some(vec![done]));
    };
    let key = peers.kem_key(row.reader).await?;
    Ok(Some(vec![Write::Letter(letter(&row.case, grant, lane, root, &key)?), done]))
}

fn open_root(app: &App, row: &WaitingLetterRow) -> Option<KeySet> {
    let plain = app.epoch.open_bytes(row.epoch, &waiting_aad(&row.lane, &row.grant), &row.wrapped)?;
    KeySet::decode(&plain).ok()
}
