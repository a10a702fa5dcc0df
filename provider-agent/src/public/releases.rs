//! Reads by third parties, in two steps: the release, then the countersignature, then bytes.
//!
//! Responsible for: no byte of a body leaves for a third party before the receipt signed by both
//! and its access entry are durable, and every answer is decided afresh. Must never answer one who
//! may not read differently from one who asks for nothing.

use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue};
use casewise_api::body::{
    Countersignature, Head, ReceiptAnswer, ReleaseAnswer, ReleaseEntries, ReleaseInclusionQuery, ReleaseLane,
    ReleaseRequest,
};
use casewise_api::header::DECISION_HEIGHT;
use casewise_api::limits::MAX_RELEASE_ITEMS;
use casewise_api::{Hex, Packed, Problem, ProblemKind};
use casewise_ledger::account::PublicKey;
use casewise_ledger::grant::MAX_RELEASE_MS;
use casewise_ledger::{Address, CaseId, Commitment, LaneId, Opening, Release, ReleaseItem, V1, sha256};

use super::answer::Reply;
use super::call::Call;
use super::lane;
use crate::AgentError;
use crate::gatekeeper::{Ask, Facts, Permit, Refusal};
use crate::serving::{About, Serving};
use crate::store::{ReaderHalf, ReadingWrite, ReleaseRow, Write};

/// `POST /v1/releases`
pub async fn ask(call: Arc<Call>) -> Result<Reply, AgentError> {
    let request: ReleaseRequest = call.json()?;
    if request.items.is_empty() || request.items.len() > MAX_RELEASE_ITEMS {
        let happened = format!("There are {} ranges, not 1 to {MAX_RELEASE_ITEMS}.", request.items.len());
        return Err(Problem::new(ProblemKind::Malformed, &happened).field("items").into());
    }
    let serving = &call.serving;
    let opening = opening(serving, &request.grant).await?;
    let wish = Wish { opening: &opening, practitioner: request.practitioner.as_ref(), items: &request.items };
    let (permit, facts) = decide(serving, &call.who.account, &wish).await?;
    serving.limit_grant(&request.grant)?;
    let (lanes, items, leaves) = contents(serving, &permit, &facts).await?;
    let app = &serving.app;
    let mut nonce = [0; 16];
    app.random.fill(&mut nonce)?;
    let release = Release {
        version: V1,
        case: opening.case,
        grant: request.grant,
        server: app.party(),
        reader: opening.grantee,
        practitioner: request.practitioner,
        rev: permit.rev(),
        height: permit.height(),
        items: permit.items().to_vec(),
        leaves: sha256(&[&leaves]),
        nonce,
        expires: app.clock.now().saturating_add(MAX_RELEASE_MS).min(opening.not_after),
    };
    let server_sig = app.keys.operator.sign_message(&release.message());
    let server_key = app.keys.operator.public().0;
    let row = ReleaseRow { release: release.clone(), server_key, server_sig, reader: None };
    serving.write(vec![Write::Reading(ReadingWrite::Release(Box::new(row)))]).await?;
    let answer = ReleaseAnswer {
        release: Packed(release),
        server_key: Hex(server_key),
        server_sig: Hex(server_sig),
        lanes,
        items,
    };
    decided(Reply::json(&answer)?, &permit)
}

/// `POST /v1/releases/{nonce}`
pub async fn countersign(call: Arc<Call>) -> Result<Reply, AgentError> {
    let signature: Countersignature = call.json()?;
    let serving = &call.serving;
    let row = release(&call).await?;
    let opening = opening(serving, &row.release.grant).await?;
    let (permit, _) = decide(serving, &call.who.account, &Wish::of(&opening, &row.release)).await?;
    serving.limit_grant(&row.release.grant)?;
    check_reader(serving, &row.release, &signature).await?;
    let half = match row.reader {
        Some(half) => half,
        None => write_receipt(serving, &row, &signature).await?,
    };
    if (half.key, half.sig) != (signature.reader_key.0, signature.reader_sig.0) {
        return Err(
            refuse("reader_sig", "The release was countersigned before, with another signature.").into()
        );
    }
    let receipt = row.receipt(half.key, half.sig);
    decided(Reply::json(&ReceiptAnswer { receipt: Packed(receipt), access: half.access })?, &permit)
}

/// `GET /v1/releases/{nonce}/entries/{lane}/{index}/body`
pub async fn body(call: Arc<Call>) -> Result<Reply, AgentError> {
    let (lane_id, index): (LaneId, u32) = (call.param("lane")?, call.param("index")?);
    let serving = &call.serving;
    let row = release(&call).await?;
    let opening = opening(serving, &row.release.grant).await?;
    let items = released(serving, &row, &lane_id, index)?;
    let wish = Wish { items: &items, ..Wish::of(&opening, &row.release) };
    let (permit, _) = decide(serving, &call.who.account, &wish).await?;
    serving.limit_grant(&row.release.grant)?;
    let entry = lane::entry(serving, &lane_id, index).await?;
    let reply = lane::sealed(&call, permit, &entry).await?;
    // reading took time: what counts is the decision just before the first byte
    let (permit, _) = decide(serving, &call.who.account, &wish).await?;
    decided(reply, &permit)
}

/// `GET /v1/releases/{nonce}/proofs/inclusion`
pub async fn inclusion(call: Arc<Call>) -> Result<Reply, AgentError> {
    let query: ReleaseInclusionQuery = call.query()?;
    let serving = &call.serving;
    let row = release(&call).await?;
    let opening = opening(serving, &row.release.grant).await?;
    let items = released(serving, &row, &query.lane, query.index)?;
    let wish = Wish { items: &items, ..Wish::of(&opening, &row.release) };
    let (permit, _) = decide(serving, &call.who.account, &wish).await?;
    serving.limit_grant(&row.release.grant)?;
    let view = serving.app.store.lane_view(&query.lane).await?;
    let view = view.ok_or_else(|| serving.refused(Refusal::Lane))?;
    let proof = lane::inclusion_proof(serving, &view, query.index, query.size).await?;
    decided(Reply::json(&proof)?, &permit)
}

/// What a third party wants to read.
#[derive(Clone, Copy)]
struct Wish<'a> {
    opening: &'a Opening,
    practitioner: Option<&'a Address>,
    items: &'a [ReleaseItem],
}

impl<'a> Wish<'a> {
    /// All of a release.
    fn of(opening: &'a Opening, release: &'a Release) -> Self {
        Self { opening, practitioner: release.practitioner.as_ref(), items: &release.items }
    }
}

async fn decide(serving: &Serving, signer: &Address, wish: &Wish<'_>) -> Result<(Permit, Facts), AgentError> {
    let grant = wish.opening.commitment();
    let case: &CaseId = &wish.opening.case;
    let Wish { opening, practitioner, items } = *wish;
    let ask = Ask { signer, grant: &grant, opening: Some(opening), practitioner, items };
    serving.decide(&About { case, signer, grant: Some(&grant) }, &ask).await
}

fn decided(reply: Reply, permit: &Permit) -> Result<Reply, AgentError> {
    Ok(reply.header(HeaderName::from_static(DECISION_HEIGHT), HeaderValue::from(permit.height())))
}

/// The opening of a grant that is held here. On a stale view nobody learns whether there is one.
async fn opening(serving: &Serving, grant: &Commitment) -> Result<Opening, AgentError> {
    match serving.app.store.opening(grant).await? {
        Some(row) => serving.openings.open(&row),
        None => {
            serving.fresh().await.map_err(|stale| serving.stale(stale))?;
            Err(serving.refused(Refusal::NoOpening).into())
        }
    }
}

/// The release of the path, until it expires.
async fn release(call: &Call) -> Result<ReleaseRow, AgentError> {
    let Hex(nonce): Hex<16> = call.param("nonce")?;
    let serving = &call.serving;
    let row = serving.app.store.release(&nonce).await?;
    match row.filter(|row| serving.app.clock.now() < row.release.expires) {
        Some(row) => Ok(row),
        None => {
            serving.fresh().await.map_err(|stale| serving.stale(stale))?;
            Err(serving.refused(Refusal::NoOpening).into())
        }
    }
}

/// The one entry asked for, if it is part of a release whose receipt is durable.
fn released(
    serving: &Serving,
    row: &ReleaseRow,
    lane: &LaneId,
    index: u32,
) -> Result<[ReleaseItem; 1], AgentError> {
    let part = |item: &ReleaseItem| item.lane == *lane && item.first <= index && index <= item.last;
    if row.reader.is_some() && row.release.items.iter().any(part) {
        return Ok([ReleaseItem { lane: *lane, first: index, last: index }]);
    }
    Err(serving.refused(Refusal::NotGranted).into())
}

type Contents = (Vec<ReleaseLane>, Vec<ReleaseEntries>, Vec<u8>);

/// Lanes, entries and leaves of everything a permit names.
async fn contents(serving: &Serving, permit: &Permit, facts: &Facts) -> Result<Contents, AgentError> {
    let store = &serving.app.store;
    let (mut lanes, mut items, mut leaves) = (Vec::<ReleaseLane>::new(), Vec::new(), Vec::new());
    for item in permit.items() {
        let count = item.last - item.first + 1;
        let rows = store.entries(&item.lane, item.first, count).await?;
        if rows.len() != count as usize {
            // lost in a restore, and not fetched back
            return Err(serving.refused(Refusal::Lane).into());
        }
        rows.iter().for_each(|row| leaves.extend_from_slice(&row.leaf));
        items.push(ReleaseEntries { lane: item.lane, entries: rows.iter().map(lane::listing).collect() });
        if lanes.iter().all(|known| known.lane != item.lane) {
            // the head of the decision's height, which is what the reader finds on chain
            let known = facts.lanes.get(&item.lane).ok_or_else(|| serving.refused(Refusal::Lane))?;
            let (header, anchored) = (Packed(known.header.clone()), Head::from(known.head));
            lanes.push(ReleaseLane { lane: item.lane, header, anchored });
        }
    }
    Ok((lanes, items, leaves))
}

fn refuse(field: &'static str, happened: &str) -> Problem {
    Problem::new(ProblemKind::ReceiptRefused, happened).field(field)
}

/// The countersignature is over this release, by an operator of the reader (or by the reader).
async fn check_reader(
    serving: &Serving,
    release: &Release,
    signature: &Countersignature,
) -> Result<(), AgentError> {
    let key = PublicKey(signature.reader_key.0);
    if key.verify_message(&release.message(), &signature.reader_sig.0).is_err() {
        return Err(refuse("reader_sig", "The signature does not verify over the release.").into());
    }
    let account = key.address();
    let reads = match release.reader {
        casewise_ledger::Party::Account(reader) => reader == account,
        casewise_ledger::Party::Institution(reader) => {
            serving.app.store.operator(&account).await? == Some(reader)
        }
    };
    if reads { Ok(()) } else { Err(refuse("reader_key", "The key is not an operator of the reader.").into()) }
}

/// Writes the access entry, then the reader's half. A crash in between leaves an access entry, and
/// the next try finds it again by the release's nonce: never a read without a trace.
async fn write_receipt(
    serving: &Serving,
    row: &ReleaseRow,
    signature: &Countersignature,
) -> Result<ReaderHalf, AgentError> {
    let (key, sig) = (signature.reader_key.0, signature.reader_sig.0);
    let access = serving.append_access(&row.receipt(key, sig)).await?;
    let nonce = row.release.nonce;
    let half = ReaderHalf { key, sig, access };
    match serving.try_write(vec![Write::Reading(ReadingWrite::Countersigned { nonce, half })]).await? {
        Ok(()) => Ok(half),
        // the same countersignature came twice at once
        Err(_) => match serving.app.store.release(&nonce).await?.and_then(|row| row.reader) {
            Some(half) => Ok(half),
            None => Err(AgentError::broken("a receipt could not be stored")),
        },
    }
}
