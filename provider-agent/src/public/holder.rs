//! A case's new holder: its key, and fee allowances for the accounts of the case.

use std::sync::Arc;

use axum::http::StatusCode;
use casewise_api::body::SponsorRequest;
use casewise_api::header::OCTET_STREAM;
use casewise_api::{Problem, ProblemKind};
use casewise_ledger::{CaseId, RotateOffer, decode};

use super::answer::Reply;
use super::call::Call;
use crate::gatekeeper::{self, Refusal};
use crate::serving::About;
use crate::{AgentError, holders, sponsor};

/// `PUT /v1/cases/{case}/holder`
///
/// Taken only from the case's present holder, once the change is in a block; durable when it answers
/// 204. The same offer again is answered alike.
pub async fn put(call: Arc<Call>) -> Result<Reply, AgentError> {
    let case: CaseId = call.param("case")?;
    call.media_type(OCTET_STREAM)?;
    let (serving, signer) = (&call.serving, &call.who.account);
    let about = About { case: &case, signer, grant: None };
    let known = serving.app.store.identity(&case).await?.is_some();
    let present = |facts: &gatekeeper::Facts| {
        !known || facts.identity.as_ref().is_some_and(|identity| identity.holder == *signer)
    };
    let facts = serving.facts_when(&about, present).await?;
    gatekeeper::check_holder(&facts, signer).map_err(|refusal| serving.refused(refusal))?;
    let offer: RotateOffer = decode(&call.body).map_err(|_| {
        let why = "The body is not the canonical encoding of a new holder's offer.";
        Problem::new(ProblemKind::HolderRefused, why).field("body")
    })?;
    let identity = serving.app.store.identity(&case).await?;
    let identity = identity.ok_or_else(|| serving.refused(Refusal::UnknownCase))?;
    holders::take(&serving.app, &identity, &offer).await?;
    Ok(Reply::empty())
}

/// `POST /v1/cases/{case}/sponsor`
///
/// Taken only from the case's holder or its recovery account; durable when it answers 202.
pub async fn sponsor(call: Arc<Call>) -> Result<Reply, AgentError> {
    let case: CaseId = call.param("case")?;
    let request: SponsorRequest = call.json()?;
    let sponsored = sponsor::ask(&call.serving, &case, &call.who.account, &request.account).await?;
    Ok(Reply::json(&sponsored)?.status(StatusCode::ACCEPTED))
}
