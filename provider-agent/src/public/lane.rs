//! What the holder reads of a lane: entries, sealed bodies, proofs.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::header::{ACCEPT_RANGES, CONTENT_RANGE};
use axum::http::{HeaderValue, StatusCode};
use casewise_api::body::{
    ConsistencyProof, ConsistencyQuery, EntriesQuery, EntryListing, EntryPage, InclusionProof,
    InclusionQuery, SignedHead, hex_path,
};
use casewise_api::header::OCTET_STREAM;
use casewise_api::limits::MAX_ENTRIES;
use casewise_api::{Hex, Packed, Problem, ProblemKind};
use casewise_ledger::merkle::{NodeId, ProofPlan};
use casewise_ledger::{CaseId, Hash, LaneId, ReleaseItem};
use futures::StreamExt;

use super::answer::Reply;
use super::call::Call;
use crate::AgentError;
use crate::gatekeeper::{self, Facts, Permit, Refusal};
use crate::serving::{About, Serving};
use crate::store::{EntryRow, LaneView};

/// Most bytes of a body that are held in memory at once; a range is cut to it.
pub const MAX_PART: u64 = 8 * 1024 * 1024;
/// Bytes read at once when a longer body is sent whole.
const PIECE: u64 = 256 * 1024;

/// `GET /v1/lanes/{lane}/entries`
pub async fn entries(call: Arc<Call>) -> Result<Reply, AgentError> {
    let query: EntriesQuery = call.query()?;
    let limit = query.limit.unwrap_or(MAX_ENTRIES);
    if !(1..=MAX_ENTRIES).contains(&limit) {
        let happened = format!("The limit is not between 1 and {MAX_ENTRIES}.");
        return Err(Problem::new(ProblemKind::Malformed, &happened).field("limit").into());
    }
    let (view, _) = own_lane(&call, 0).await?;
    let app = &call.serving.app;
    let head = view.record.head();
    let wanted = head.size.saturating_sub(query.first).min(limit);
    let rows = match wanted {
        0 => Vec::new(),
        _ => app.store.entries(&view.lane, query.first, wanted).await?,
    };
    let entries = rows.iter().map(listing).collect();
    let head = SignedHead::sign(view.lane, &head, app.clock.now(), &app.keys.operator);
    Reply::json(&EntryPage { head, entries })
}

/// `GET /v1/lanes/{lane}/entries/{index}/body`
pub async fn body(call: Arc<Call>) -> Result<Reply, AgentError> {
    let (lane, index): (LaneId, u32) = (call.param("lane")?, call.param("index")?);
    let (_, case) = own_lane(&call, index.saturating_add(1)).await?;
    let item = ReleaseItem { lane, first: index, last: index };
    let permit = call.serving.decide_holder(&case, &call.who.account, item).await?;
    let entry = entry(&call.serving, &lane, index).await?;
    sealed(&call, permit, &entry).await
}

/// `GET /v1/lanes/{lane}/proofs/inclusion`
pub async fn inclusion(call: Arc<Call>) -> Result<Reply, AgentError> {
    let query: InclusionQuery = call.query()?;
    let (view, _) = own_lane(&call, query.size).await?;
    Reply::json(&inclusion_proof(&call.serving, &view, query.index, query.size).await?)
}

/// `GET /v1/lanes/{lane}/proofs/consistency`
pub async fn consistency(call: Arc<Call>) -> Result<Reply, AgentError> {
    let query: ConsistencyQuery = call.query()?;
    let (view, _) = own_lane(&call, query.to).await?;
    within(&view, "to", query.to)?;
    let plan = ProofPlan::consistency(query.from, query.to).map_err(|error| {
        Problem::new(ProblemKind::Malformed, &format!("From {} to {}: {error}.", query.from, query.to))
            .field("from")
    })?;
    let path = hex_path(&assemble(&call.serving, &view.lane, &plan).await?);
    Reply::json(&ConsistencyProof { from: query.from, to: query.to, path })
}

/// The lane of the path, if the signer holds its case, once `size` entries of it are anchored in
/// the view: the client may have seen a newer block. Not waited for longer than that takes.
async fn own_lane(call: &Call, size: u32) -> Result<(LaneView, CaseId), AgentError> {
    let lane: LaneId = call.param("lane")?;
    let (serving, signer) = (&call.serving, &call.who.account);
    let refused = |refusal: Refusal| AgentError::from(serving.refused(refusal));
    let view = serving.app.store.lane_view(&lane).await?.ok_or_else(|| refused(Refusal::Lane))?;
    let case = view.record.case;
    let enough = |facts: &Facts| {
        gatekeeper::check_holder(facts, signer).is_err()
            || facts.lanes.get(&lane).is_none_or(|known| known.head.size >= size)
    };
    let facts = serving.facts_when(&About { case: &case, signer, grant: None }, enough).await?;
    gatekeeper::check_holder(&facts, signer).map_err(refused)?;
    let view = serving.app.store.lane_view(&lane).await?.ok_or_else(|| refused(Refusal::Lane))?;
    Ok((view, case))
}

/// An entry that is held here.
pub async fn entry(serving: &Serving, lane: &LaneId, index: u32) -> Result<EntryRow, AgentError> {
    let rows = serving.app.store.entries(lane, index, 1).await?;
    let found = rows.into_iter().find(|row| row.header.index == index);
    found.ok_or_else(|| serving.refused(Refusal::Lane).into())
}

/// An entry as lists show it.
pub fn listing(row: &EntryRow) -> EntryListing {
    EntryListing {
        index: row.header.index,
        header: Packed(row.header.clone()),
        commitment: Hex(row.commitment),
        body_length: row.body_length,
        body_sha256: Hex(row.body_sha256),
    }
}

/// A proof under an anchored size.
pub async fn inclusion_proof(
    serving: &Serving,
    view: &LaneView,
    index: u32,
    size: u32,
) -> Result<InclusionProof, AgentError> {
    within(view, "size", size)?;
    let plan = ProofPlan::inclusion(index, size).map_err(|_| {
        Problem::new(ProblemKind::Malformed, &format!("A tree of {size} entries has no index {index}."))
            .field("index")
    })?;
    let path = hex_path(&assemble(serving, &view.lane, &plan).await?);
    Ok(InclusionProof { size, path })
}

fn within(view: &LaneView, field: &'static str, size: u32) -> Result<(), Problem> {
    if size <= view.record.size {
        return Ok(());
    }
    let happened = format!("Only {} entries are anchored.", view.record.size);
    Err(Problem::new(ProblemKind::Malformed, &happened).field(field))
}

async fn assemble(serving: &Serving, lane: &LaneId, plan: &ProofPlan) -> Result<Vec<Hash>, AgentError> {
    let ids: Vec<NodeId> = plan.nodes().collect();
    let hashes = serving.app.store.nodes(lane, &ids).await?;
    let lookup = |id: NodeId| ids.iter().position(|known| *known == id).and_then(|at| hashes[at]);
    // nodes are missing only where entries are, after a restore
    plan.assemble(lookup).ok_or_else(|| serving.refused(Refusal::Lane).into())
}

/// A sealed body, or the part of it that is asked for, with the bytes' digest in the signature.
pub async fn sealed(call: &Call, permit: Permit, entry: &EntryRow) -> Result<Reply, AgentError> {
    let length = entry.body_length;
    let ranges = HeaderValue::from_static("bytes");
    let Some(range) = call.range()? else {
        if length > MAX_PART {
            return Ok(streamed(call, permit, entry)?.header(ACCEPT_RANGES, ranges));
        }
        let bytes = call.serving.read(&permit, entry, 0, length as usize).await?;
        return Ok(Reply::bytes(StatusCode::OK, OCTET_STREAM, bytes).header(ACCEPT_RANGES, ranges));
    };
    let (first, last) = range.of(length).ok_or_else(|| {
        Problem::new(ProblemKind::Range, &format!("The body has {length} bytes.")).field("range")
    })?;
    let last = last.min(first + MAX_PART - 1);
    let bytes = call.serving.read(&permit, entry, first, (last - first + 1) as usize).await?;
    let part =
        HeaderValue::from_str(&format!("bytes {first}-{last}/{length}")).map_err(AgentError::broken)?;
    Ok(Reply::bytes(StatusCode::PARTIAL_CONTENT, OCTET_STREAM, bytes).header(CONTENT_RANGE, part))
}

/// A body too long for memory. Its digest is the one in its leaf; if the bytes on disk are others,
/// the receiver's check fails.
fn streamed(call: &Call, permit: Permit, entry: &EntryRow) -> Result<Reply, AgentError> {
    let (serving, entry) = (Arc::clone(&call.serving), entry.clone());
    let (sha256, length) = (entry.body_sha256, entry.body_length);
    let source = (serving, permit, entry, 0u64);
    let stream = futures::stream::try_unfold(source, |(serving, permit, entry, offset)| async move {
        let left = entry.body_length - offset;
        if left == 0 {
            return Ok(None);
        }
        let piece = left.min(PIECE);
        let bytes = serving
            .read(&permit, &entry, offset, piece as usize)
            .await
            .map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(Some((Bytes::from(bytes), (serving, permit, entry, offset + piece))))
    });
    Ok(Reply::stream(sha256, length, stream.boxed()))
}
