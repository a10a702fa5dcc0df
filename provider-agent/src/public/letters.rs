//! The mailbox: letters to this institution, and letters that wait here for their readers.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::StatusCode;
use casewise_api::body::{LetterAccepted, LetterListing, LettersQuery};
use casewise_api::header::OCTET_STREAM;
use casewise_api::limits::MAX_LETTERS;
use casewise_api::{Base64, Problem, ProblemKind};
use casewise_chain::ChainExt;
use casewise_ledger::records::{GrantRecord, GrantStatus, IdentityRecord, InstitutionStatus, ns};
use casewise_ledger::{CaseId, Commitment, Hash, encode, sha256};
use casewise_protocol::rules;
use casewise_seal::{Letter, LetterKind};

use super::answer::Reply;
use super::call::Call;
use crate::AgentError;
use crate::gatekeeper::Refusal;
use crate::serving::{About, Serving};
use crate::store::{DeliveryRow, LetterRow, ReadingWrite, Write};

/// Most letters about one grant that a mailbox holds.
pub const MAX_LETTERS_OF_GRANT: usize = 64;

/// `GET /v1/cases/{case}/letters`: the holder's, or those to the signer's institution about grants
/// that are live.
pub async fn of_case(call: Arc<Call>) -> Result<Reply, AgentError> {
    let case: CaseId = call.param("case")?;
    let query: LettersQuery = call.query()?;
    let limit = query.limit.unwrap_or(MAX_LETTERS);
    if !(1..=MAX_LETTERS).contains(&limit) {
        let happened = format!("The limit is not between 1 and {MAX_LETTERS}.");
        return Err(Problem::new(ProblemKind::Malformed, &happened).field("limit").into());
    }
    let (serving, signer) = (&call.serving, &call.who.account);
    let facts = serving.facts(&About { case: &case, signer, grant: None }).await?;
    let rows = match (&facts.identity, facts.reader) {
        (Some(identity), _) if identity.holder == *signer => {
            serving.app.store.holder_letters(&case, &identity.kem, query.after, limit).await?
        }
        (_, Some((reader, InstitutionStatus::Active))) => {
            serving.fresh().await.map_err(|stale| serving.stale(stale))?;
            live_letters(serving, &case, reader, query.after, limit).await?
        }
        _ => return Err(serving.refused(Refusal::NotHolder).into()),
    };
    let listings: Vec<LetterListing> =
        rows.into_iter().map(|row| LetterListing { seq: row.seq, letter: Base64(row.bytes) }).collect();
    Reply::json(&listings)
}

/// Letters to an institution about grants that the chain lets it use now.
async fn live_letters(
    serving: &Serving,
    case: &CaseId,
    reader: u32,
    after: u64,
    limit: u32,
) -> Result<Vec<LetterRow>, AgentError> {
    let store = &serving.app.store;
    let Some(institution) = store.institution(reader).await? else { return Ok(Vec::new()) };
    let Some(now) = store.cursor().await? else { return Ok(Vec::new()) };
    let (mut out, mut after) = (Vec::new(), after);
    loop {
        let rows = store.letters(case, &institution.record.kem, after, limit).await?;
        let Some(last) = rows.last() else { return Ok(out) };
        after = last.seq;
        for row in rows {
            let grant = store.grant(&Commitment(row.subject)).await?;
            let live = grant.is_some_and(|grant| rules::grant_live(&grant.record, now.time));
            if live && out.len() < limit as usize {
                out.push(row);
            }
        }
        if out.len() == limit as usize {
            return Ok(out);
        }
    }
}

/// `POST /v1/letters`
///
/// Taken only from the holder of the case, about a grant of it that is live on chain, sealed to a
/// key of this institution, and openable; one for each sender, grant and set of lanes. The same
/// bytes again give the same answer.
pub async fn deliver(call: Arc<Call>) -> Result<Reply, AgentError> {
    call.media_type(OCTET_STREAM)?;
    let letter = Letter::decode(&call.body)
        .map_err(|_| refuse("body", "The body is not the canonical encoding of a letter."))?;
    if letter.kind != LetterKind::Grant {
        return Err(refuse("kind", "Only letters about a grant are delivered here.").into());
    }
    let (serving, grant) = (&call.serving, Commitment(letter.subject));
    check_grant(&call, &letter.case, &grant).await?;
    let delivery = open(&call, &letter, &grant)?;
    if let Some(known) = serving.app.store.delivery(&delivery.id).await? {
        return repeated(serving, &letter, &known, &delivery).await;
    }
    if serving.app.store.letters_about(&letter.subject, &letter.to).await?.len() >= MAX_LETTERS_OF_GRANT {
        return Err(
            refuse("subject", "The mailbox holds as many letters about this grant as it takes.").into()
        );
    }
    let row = LetterRow {
        seq: 0,
        case: letter.case,
        kind: letter.kind as u8,
        subject: letter.subject,
        to: letter.to,
        bytes: call.body.to_vec(),
    };
    let writes = vec![Write::Reading(ReadingWrite::Delivery(delivery)), Write::Letter(row)];
    match serving.try_write(writes).await? {
        Ok(()) => accepted(serving, &letter).await,
        // the same letter came twice at once
        Err(_) => match serving.app.store.delivery(&delivery.id).await? {
            Some(known) => repeated(serving, &letter, &known, &delivery).await,
            None => Err(AgentError::broken("a letter could not be stored")),
        },
    }
}

fn refuse(field: &'static str, happened: &str) -> Problem {
    Problem::new(ProblemKind::LetterRefused, happened).field(field)
}

/// The grant is live, on a fresh view, and the signer is the holder of its case.
async fn check_grant(call: &Call, case: &CaseId, grant: &Commitment) -> Result<(), AgentError> {
    let (serving, signer) = (&call.serving, &call.who.account);
    serving.fresh().await.map_err(|stale| serving.stale(stale))?;
    let about = About { case, signer, grant: Some(grant) };
    let facts = serving.facts_when(&about, |facts| facts.grant.is_some()).await?;
    let identity = match facts.identity {
        Some(identity) => Some(identity),
        None => registered(serving, case).await?,
    };
    if identity.is_none_or(|identity| identity.holder != *signer) {
        return Err(serving.refused(Refusal::NotHolder).into());
    }
    let of_case = facts.grant.as_ref().filter(|grant| grant.case == *case);
    let live =
        |grant: &GrantRecord| grant.status == GrantStatus::Live && !rules::grant_over(grant, facts.time);
    if of_case.is_some_and(live) {
        return Ok(());
    }
    Err(refuse("subject", "The grant is in no block of this case, was revoked, or is over.").into())
}

/// The identity of a case that has nothing to do with this institution but a grant: it is not in
/// the view, so the node is asked.
async fn registered(serving: &Serving, case: &CaseId) -> Result<Option<IdentityRecord>, AgentError> {
    let app = &serving.app;
    Ok(app.chain.record(&app.contracts.registrar, ns::IDENTITY, &case.0, None).await?)
}

/// Opens the letter to see that it can be used, and what it is the only one of.
fn open(call: &Call, letter: &Letter, grant: &Commitment) -> Result<DeliveryRow, Problem> {
    let serving = &call.serving;
    let secret = serving
        .kem_secret(&letter.to)
        .ok_or_else(|| refuse("to", "The letter is sealed to a key that is not this institution's."))?;
    let payload = letter.open(secret).map_err(|error| refuse("body", &format!("{error}.")))?;
    if let Some(opening) = &payload.opening
        && opening.grantee != serving.app.party()
    {
        return Err(refuse("opening.grantee", "The grant is for somebody else."));
    }
    let lanes: BTreeSet<Hash> = payload.keys.iter().map(|keys| keys.lane.0).collect();
    let lanes: Vec<Hash> = lanes.into_iter().collect();
    let id = sha256(&[b"casewise/agent/delivery/v1", &call.who.key.0, &grant.0, &encode(&lanes)]);
    Ok(DeliveryRow { id, letter: sha256(&[&call.body]) })
}

async fn repeated(
    serving: &Serving,
    letter: &Letter,
    known: &DeliveryRow,
    now: &DeliveryRow,
) -> Result<Reply, AgentError> {
    if known.letter == now.letter {
        return accepted(serving, letter).await;
    }
    Err(refuse("body", "Another letter about this grant and these lanes was delivered before.").into())
}

async fn accepted(serving: &Serving, letter: &Letter) -> Result<Reply, AgentError> {
    let bytes = letter.encode();
    let rows = serving.app.store.letters_about(&letter.subject, &letter.to).await?;
    let found = rows.iter().find(|row| row.bytes == bytes);
    let row = found.ok_or_else(|| AgentError::broken("a stored letter is not found"))?;
    Ok(Reply::json(&LetterAccepted { seq: row.seq })?.status(StatusCode::ACCEPTED))
}
