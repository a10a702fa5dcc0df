//! The patient's claim request: checked, stored, and left to the custodial holder to be offered.
//!
//! Must never take a request for another case or epoch, one that is over, or one that its new holder
//! did not sign. Who the patient is, people must see: a request proves only that whoever made it has
//! its keys.

use casewise_api::{Problem, ProblemKind, custody::Custody};
use casewise_chain::{ChainExt, account_to_bech32};
use casewise_ledger::{
    CaseId, ClaimRequest, LedgerError,
    records::{IdentityRecord, ns},
};
use casewise_protocol::{
    registrar::{MAX_CLAIM_MS, holder_hash},
    rules,
};
use casewise_seal::KemPublic;

use crate::{
    AgentError, App,
    committer::CommitError,
    sponsor,
    store::{Batch, CustodyRow, CustodyWrite, SponsorRow, Write},
};

/// Takes a patient's request; it replaces an earlier one. The same again changes nothing.
pub async fn take(app: &App, case: &CaseId, request: &ClaimRequest) -> Result<Custody, AgentError> {
    app.writing()?;
    let row = known(app, case).await?;
    if row.sealed.is_none() {
        return Err(not_custodial().into());
    }
    let identity = app.store.identity(case).await?.map(|view| view.record);
    let identity = identity.ok_or_else(|| {
        Problem::new(ProblemKind::NotReady, "The case is not enrolled yet: its block is still to come.")
    })?;
    check(app, case, &identity, request)?;
    if row.claim.as_ref() != Some(request) {
        check_free(app, request).await?;
        store(app, case, request).await?;
        app.work.notify_one();
    }
    let row = known(app, case).await?;
    Ok(custody(app, &row))
}

/// Stores a request, together with the fee allowance that its account shall get.
async fn store(app: &App, case: &CaseId, request: &ClaimRequest) -> Result<(), AgentError> {
    let (account, now) = (request.offer.card.holder, app.clock.now());
    let mut batch: Batch =
        vec![Write::Custody(CustodyWrite::Claim { case: *case, request: Box::new(request.clone()) })];
    match app.store.sponsored(&account).await? {
        Some(known) if known.case != *case => {
            let why = "The new holder's account was given a fee allowance for another case.";
            return Err(refuse("request.offer.card.holder", why).into());
        }
        Some(_) => {}
        None => {
            let row = SponsorRow { account, case: *case, time: now, given: false };
            batch.push(sponsor::begin(row));
        }
    }
    match app.committer.commit(batch).await {
        Ok(()) => Ok(()),
        Err(CommitError::Refused(refusal)) => {
            let limit = sponsor::limit(refusal, "request.offer.card.holder");
            Err(limit.unwrap_or_else(not_custodial).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Where a custodial case stands.
pub async fn show(app: &App, case: &CaseId) -> Result<Custody, AgentError> {
    let row = known(app, case).await?;
    Ok(custody(app, &row))
}

fn custody(app: &App, row: &CustodyRow) -> Custody {
    let bech32 = |account| account_to_bech32(account, &app.params.prefix);
    Custody {
        case: row.case,
        held: row.sealed.is_some(),
        holder: row.claim.as_ref().map(|claim| bech32(&claim.offer.card.holder)),
        until: row.claim.as_ref().map(|claim| claim.expires),
        fee_granter: bech32(&app.keys.operator.address()),
    }
}

fn not_custodial() -> Problem {
    Problem::from(ProblemKind::NotCustodial).field("case")
}

async fn known(app: &App, case: &CaseId) -> Result<CustodyRow, AgentError> {
    if let Some(row) = app.store.custody(case).await? {
        return Ok(row);
    }
    match app.store.case(case).await? {
        Some(_) => Err(not_custodial().into()),
        None => Err(Problem::from(ProblemKind::UnknownCase).field("case").into()),
    }
}

fn refuse(field: &str, happened: &str) -> Problem {
    Problem::new(ProblemKind::ClaimRefused, happened).field(field)
}

/// What the request says, against the case as it stands.
fn check(app: &App, case: &CaseId, identity: &IdentityRecord, request: &ClaimRequest) -> Result<(), Problem> {
    let (card, now) = (&request.offer.card, app.clock.now());
    request.check().map_err(|error| match error {
        LedgerError::Key => refuse("request.offer.key", "A key of the request is not the one of its card."),
        _ => refuse("request.signature", "The request is not signed by its new holder, card and whole."),
    })?;
    if KemPublic::from_bytes(&request.offer.kem_key).is_err() {
        return Err(refuse("request.offer.kem_key", "The request's encryption key is no X-Wing key."));
    }
    if card.case != *case {
        return Err(refuse("request.offer.card.case", "The request is for another case."));
    }
    if Some(card.epoch) != identity.epoch.checked_add(1) {
        let happened =
            format!("The request is for key epoch {}, the case's is {}.", card.epoch, identity.epoch);
        return Err(refuse("request.offer.card.epoch", &happened));
    }
    if request.expires <= now {
        return Err(refuse("request.expires", "The request has expired."));
    }
    if request.expires > now.saturating_add(MAX_CLAIM_MS) {
        let days = MAX_CLAIM_MS / 86_400_000;
        return Err(refuse("request.expires", &format!("The request is valid for more than {days} days.")));
    }
    if card.holder == identity.holder {
        return Err(refuse("request.offer.card.holder", "The new holder is the present one."));
    }
    if request.recovery.is_some_and(|recovery| !rules::recovery(&card.holder, &recovery)) {
        return Err(refuse("request.recovery", "The recovery account is the new holder's own."));
    }
    Ok(())
}

/// A holder has one case: an account that holds one could not accept.
async fn check_free(app: &App, request: &ClaimRequest) -> Result<(), AgentError> {
    let holder = holder_hash(&request.offer.card.holder);
    let held: Option<CaseId> = app.chain.record(&app.contracts.registrar, ns::HOLDER, &holder, None).await?;
    match held {
        None => Ok(()),
        Some(_) => {
            Err(refuse("request.offer.card.holder", "The new holder's account holds a case already.").into())
        }
    }
}
