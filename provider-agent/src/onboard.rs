//! A patient's offer becomes a case: checked, stored with its first lanes and their letters, and left
//! to the submitter. Also the links from this institution's identifiers to cases.
//!
//! Must never take an offer that its holder did not sign for this institution and network, nor store
//! an identifier in clear.

use casewise_api::{
    Problem, ProblemKind,
    body::{CaseOpened, Link, NewCase},
};
use casewise_chain::account_to_bech32;
use casewise_ledger::{CaseId, CaseOffer, account::PublicKey, records::Policy};
use casewise_protocol::rules;
use casewise_seal::KemPublic;

use crate::{
    AgentError, App,
    committer::CommitError,
    keys::Use,
    lanes,
    store::{Batch, CaseRow, CaseState, LaneState, Write},
};

/// Registers a case. The flag says whether it is new here; repeating an offer changes nothing.
pub async fn register(app: &App, request: &NewCase) -> Result<(bool, CaseOpened), AgentError> {
    app.writing()?;
    let (offer, policy) = (&request.offer.0, Policy::from(request.policy));
    let case = offer.card.id();
    check_offer(app, offer)?;
    rules::policy_limits(&policy)
        .map_err(|refusal| Problem::new(ProblemKind::Malformed, &format!("{refusal}.")).field("policy"))?;
    let enrolled = match app.store.identity(&case).await? {
        Some(identity) if identity.record.institution != app.config.institution => {
            return Err(Problem::from(ProblemKind::OfferConflict).field("offer").into());
        }
        identity => identity.is_some(),
    };
    let known = app.store.case(&case).await?;
    if let Some(row) = &known {
        if row.offer.card != offer.card || row.policy != policy {
            return Err(Problem::from(ProblemKind::OfferConflict).field("offer").into());
        }
        if row.state != CaseState::Refused {
            return Ok((false, opened(app, &case).await?));
        }
    }
    if !enrolled && offer.expires <= app.clock.now() {
        return Err(Problem::from(ProblemKind::OfferExpired).field("offer.expires").into());
    }
    // A case that this database has lost is known to the chain: its lanes wait for their successors.
    let state = if enrolled { CaseState::Enrolled } else { CaseState::Offered };
    let row = CaseRow { case, offer: offer.clone(), policy, state, error: None };
    store(app, row, known.is_some(), Batch::new()).await?;
    app.work.notify_one();
    Ok((known.is_none(), opened(app, &case).await?))
}

/// Stores a case with its first lanes, their letters and `more`, together. `again`: the chain refused
/// it before.
pub(crate) async fn store(app: &App, row: CaseRow, again: bool, more: Batch) -> Result<(), AgentError> {
    let lease = app.epoch.lease().await;
    let has_lanes = app.store.lanes_of(&row.case).await?.iter().any(|lane| lane.state == LaneState::Opening);
    let lanes = if row.state == CaseState::Enrolled || has_lanes {
        Vec::new()
    } else {
        lanes::first_lanes(app, &lease, &row).await?.1
    };
    let mut batch = vec![if again { Write::Reoffer(row) } else { Write::NewCase(row) }];
    batch.extend(lanes);
    batch.extend(more);
    match app.committer.commit(batch).await {
        // Somebody else was first with the same case; what they stored is answered.
        Ok(()) | Err(CommitError::Refused(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn check_offer(app: &App, offer: &CaseOffer) -> Result<(), Problem> {
    let refuse = |kind: ProblemKind, field: &str| Err(Problem::from(kind).field(field));
    if offer.card.net != app.net {
        return refuse(ProblemKind::OfferNetwork, "offer.card.net");
    }
    if offer.institution != app.config.institution {
        return refuse(ProblemKind::OfferInstitution, "offer.institution");
    }
    if offer.check_kem().is_err() || KemPublic::from_bytes(&offer.kem_key).is_err() {
        return refuse(ProblemKind::OfferKey, "offer.kem_key");
    }
    let key = PublicKey(offer.key);
    let signed =
        key.address() == offer.card.holder && key.verify_message(&offer.message(), &offer.signature).is_ok();
    if !signed {
        return refuse(ProblemKind::OfferSignature, "offer.signature");
    }
    if offer.recovery.is_some_and(|recovery| !rules::recovery(&offer.card.holder, &recovery)) {
        let why = "The recovery account is the holder's own.";
        return Err(Problem::new(ProblemKind::Malformed, why).field("offer.recovery"));
    }
    Ok(())
}

/// What is answered about a case that is registered here.
pub(crate) async fn opened(app: &App, case: &CaseId) -> Result<CaseOpened, AgentError> {
    let lanes = app.store.lanes_of(case).await?;
    let in_use = |state| matches!(state, LaneState::Opening | LaneState::Live);
    Ok(CaseOpened {
        case: *case,
        fee_granter: account_to_bech32(&app.keys.operator.address(), &app.params.prefix),
        lanes: lanes.into_iter().filter(|lane| in_use(lane.state)).map(|lane| lane.lane).collect(),
    })
}

/// Links an identifier of this institution to a case.
pub async fn link(app: &App, link: &Link) -> Result<(), AgentError> {
    app.writing()?;
    let identifier = link.identifier().map_err(|error| {
        let field = if link.system.is_empty() || link.system.contains('|') { "system" } else { "value" };
        Problem::new(ProblemKind::Malformed, &format!("{error}.")).field(field)
    })?;
    if app.store.case(&link.case).await?.is_none() {
        return Err(Problem::from(ProblemKind::UnknownCase).field("case").into());
    }
    let identifier = app.keys.hash(Use::Identifier, identifier.as_str().as_bytes());
    Ok(app.committer.commit(vec![Write::Link { identifier, case: link.case }]).await?)
}
