//! Fee allowances for the accounts of a case besides its first holder: the holder to be, the
//! recovery account, a delegate.
//!
//! Responsible for: an allowance is given only on the word of the case's holder or of its recovery
//! account, as a fresh view of the chain names them, by an institution that has to do with the case,
//! and no more than [`MAX_A_DAY`] in a day and [`MAX_A_CASE`] in the case's life. Must never pay for a
//! stranger, nor for a former holder.

use casewise_api::{Problem, ProblemKind, body::Sponsored};
use casewise_chain::{ChainExt, account_to_bech32};
use casewise_ledger::{
    Address, CaseId,
    records::{IdentityRecord, InstitutionStatus, RelationshipStatus, ns},
};

use crate::{
    AgentError, App,
    committer::CommitError,
    gatekeeper::Refusal as ReadRefusal,
    serving::Serving,
    store::{HolderWrite, Refusal, SponsorRow, Write},
};

/// Most allowances of a case that are begun within [`DAY_MS`].
pub const MAX_A_DAY: u32 = 8;
/// Most allowances of a case at all: each is paid every day from then on.
pub const MAX_A_CASE: u32 = 32;
/// The time in which those of a day are counted, ms.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Asks an allowance for `account`, durably; the submitter gives it. Asking again for the same
/// account of the same case is answered alike.
pub async fn ask(
    serving: &Serving,
    case: &CaseId,
    signer: &Address,
    account: &Address,
) -> Result<Sponsored, AgentError> {
    let app = &serving.app;
    // on a view that stands still, a former holder would be heard for ever
    serving.fresh().await.map_err(|stale| serving.stale(stale))?;
    let identity = app.store.identity(case).await?.map(|view| view.record);
    let identity = identity.ok_or_else(|| serving.refused(ReadRefusal::UnknownCase))?;
    if !speaks(app, case, &identity, signer).await? {
        return Err(serving.refused(ReadRefusal::NotHolder).into());
    }
    app.writing()?;
    check(app, case, account).await?;
    let sponsored = Sponsored {
        account: *account,
        fee_granter: account_to_bech32(&app.keys.operator.address(), &app.params.prefix),
    };
    if let Some(known) = app.store.sponsored(account).await? {
        return if known.case == *case { Ok(sponsored) } else { Err(other_case().into()) };
    }
    let now = app.clock.now();
    let row = SponsorRow { account: *account, case: *case, time: now, given: false };
    match app.committer.commit(vec![begin(row)]).await {
        Ok(()) => {}
        Err(CommitError::Refused(refusal)) => {
            if let Some(problem) = limit(refusal, "account") {
                return Err(problem.into());
            }
            // the same request came twice at once
        }
        Err(error) => return Err(error.into()),
    }
    app.work.notify_one();
    Ok(sponsored)
}

/// The write that begins an allowance, within both limits.
pub(crate) fn begin(row: SponsorRow) -> Write {
    let after = row.time.saturating_sub(DAY_MS);
    Write::Holder(HolderWrite::Sponsor { row, after, most: MAX_A_DAY, ever: MAX_A_CASE })
}

/// What the sender is told when [`begin`] was refused by a limit.
pub(crate) fn limit(refusal: Refusal, field: &str) -> Option<Problem> {
    match refusal {
        Refusal::Limit => Some(Problem::from(ProblemKind::SponsorLimit).field(field)),
        Refusal::Spent => {
            let why = format!("The case was given {MAX_A_CASE} fee allowances, the most in its life.");
            Some(Problem::new(ProblemKind::SponsorLimit, &why).field(field))
        }
        _ => None,
    }
}

/// Whether the signer is the case's holder or the account that may recover it. The latter is not in
/// the view, so the node is asked.
async fn speaks(
    app: &App,
    case: &CaseId,
    identity: &IdentityRecord,
    signer: &Address,
) -> Result<bool, AgentError> {
    if identity.holder == *signer {
        return Ok(true);
    }
    let recovery: Option<Address> =
        app.chain.record(&app.contracts.registrar, ns::RECOVERY, &case.0, None).await?;
    Ok(recovery == Some(*signer))
}

fn refuse(why: &str) -> Problem {
    Problem::new(ProblemKind::SponsorRefused, why).field("account")
}

fn other_case() -> Problem {
    refuse("The account was given an allowance for another case; an account serves one case.")
}

/// The institution has to do with the case and may act, and the account is nobody else's.
async fn check(app: &App, case: &CaseId, account: &Address) -> Result<(), AgentError> {
    let store = &app.store;
    let ours = store.institution(app.config.institution).await?;
    if ours.is_none_or(|view| view.record.status != InstitutionStatus::Active) {
        return Err(Problem::new(ProblemKind::SponsorRefused, "This institution is suspended.").into());
    }
    let relationship = store.relationship(case, app.config.institution).await?;
    if relationship.is_none_or(|view| view.record.status == RelationshipStatus::Ended) {
        let why = "This institution has no relationship with the case any more.";
        return Err(Problem::new(ProblemKind::SponsorRefused, why).into());
    }
    if store.operator(account).await?.is_some() {
        return Err(refuse("The account operates an institution, which pays its own fees.").into());
    }
    match store.case_of_holder(account).await? {
        Some(held) if held != *case => Err(refuse("The account holds another case.").into()),
        _ => Ok(()),
    }
}
