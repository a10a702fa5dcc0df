//! What is said of this institution and of a case's lanes.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use casewise_api::body::{CaseKem, Head, Info, LaneListing};
use casewise_api::{Base64, Hex, Packed, Problem, ProblemKind};
use casewise_ledger::CaseId;
use casewise_ledger::records::RelationshipStatus;

use super::answer::Reply;
use super::call::Call;
use crate::AgentError;
use crate::gatekeeper::{self, Refusal};
use crate::holders;
use crate::serving::{About, Serving};

/// `GET /v1/info`
pub async fn info(State(serving): State<Arc<Serving>>) -> Response {
    let reply = match describe(&serving).await {
        Ok(info) => Reply::json(&info),
        Err(error) => Err(error),
    };
    reply.unwrap_or_else(|error| Reply::problem(&error.problem())).into_response(&serving.app, None)
}

async fn describe(serving: &Serving) -> Result<Info, AgentError> {
    let app = &serving.app;
    let listed = app.store.institution(app.config.institution).await?.ok_or_else(|| {
        Problem::new(ProblemKind::NotReady, "The agent has not yet seen its institution at the registrar.")
    })?;
    let public = serving.kem_public(&listed.record.kem).ok_or_else(|| {
        Problem::new(
            ProblemKind::NotReady,
            "The registrar lists a key that this agent's key file does not hold.",
        )
    })?;
    Ok(Info {
        institution: app.config.institution,
        net: Hex(app.net),
        name: listed.record.name,
        version: env!("CARGO_PKG_VERSION").into(),
        kem_key: Base64(public.as_bytes().to_vec()),
        kem_epoch: listed.record.kem_epoch,
    })
}

/// `GET /v1/cases/{case}/lanes`
pub async fn lanes(call: Arc<Call>) -> Result<Reply, AgentError> {
    let case: CaseId = call.param("case")?;
    let serving = &call.serving;
    let about = About { case: &case, signer: &call.who.account, grant: None };
    // only a case that is known here is worth waiting for
    let expected = serving.app.store.case(&case).await?.is_some();
    let facts = serving.facts_when(&about, |facts| !expected || facts.identity.is_some()).await?;
    gatekeeper::check_holder(&facts, &call.who.account).map_err(|refusal| serving.refused(refusal))?;
    let views = serving.app.store.lane_views(&case).await?;
    let listings: Vec<LaneListing> = views
        .iter()
        .map(|view| LaneListing {
            lane: view.lane,
            header: Packed(view.header.clone()),
            anchored: Head::from(view.record.head()),
            successor: views
                .iter()
                .find(|next| next.header.predecessor == Some(view.lane))
                .map(|next| next.lane),
        })
        .collect();
    Reply::json(&listings)
}

/// `GET /v1/cases/{case}/kem`
pub async fn kem(call: Arc<Call>) -> Result<Reply, AgentError> {
    let case: CaseId = call.param("case")?;
    let (serving, store) = (&call.serving, &call.serving.app.store);
    serving.fresh().await.map_err(|stale| serving.stale(stale))?;
    let facts = serving.facts(&About { case: &case, signer: &call.who.account, grant: None }).await?;
    let refused = |refusal: Refusal| AgentError::from(serving.refused(refusal));
    let (reader, _) = facts.reader.ok_or_else(|| refused(Refusal::NoRelationship))?;
    let relationship = store.relationship(&case, reader).await?;
    if relationship.is_none_or(|known| known.record.status == RelationshipStatus::Ended) {
        return Err(refused(Refusal::NoRelationship));
    }
    let identity = facts.identity.ok_or_else(|| refused(Refusal::UnknownCase))?;
    let shown = store.case(&case).await?.ok_or_else(|| refused(Refusal::UnknownCase))?;
    let known = holders::key(&serving.app, &shown).await?.filter(|(key, _)| key.hash() == identity.kem);
    let (key, epoch) = known.ok_or_else(|| refused(Refusal::UnknownCase))?;
    Reply::json(&CaseKem { epoch, kem_key: Base64(key.as_bytes().to_vec()) })
}
