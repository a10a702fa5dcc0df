//! Wrong contracts: the real code with something around it that does the wrong thing.
//!
//! Responsible for: one bug for each invariant, outside the contracts. Must never be used but to
//! show that the invariant of that name notices.

use casewise_ledger::{
    AnchorBatch, Class, decode,
    grant::DAY_MS,
    records::{CaseStatus, GrantStatus, LaneStatus},
};
use casewise_ppr::ContractError as PprError;
use casewise_protocol::{
    convert, ppr,
    record::{self, Be32},
    registrar, summary,
};
use casewise_registrar::ContractError as RegistrarError;
use casewise_summary::ContractError as SummaryError;
use cosmwasm_std::{Binary, Deps, DepsMut, Env, MessageInfo, Response, from_json, to_json_binary};

use super::Invariant;
use crate::contracts::Code;

/// The code with the bug that breaks an invariant.
pub fn code(invariant: Invariant) -> Code {
    let real = Code::default();
    match invariant {
        Invariant::LaneGrows => Code { summary: shrinking, ..real },
        Invariant::IndexOnce => Code { summary: rewriting, ..real },
        Invariant::CompletedStays => Code { summary: growing_on, ..real },
        Invariant::GraceAnchors => Code { summary: without_grace, ..real },
        Invariant::ForceNeedsActive => Code { ppr_query: always_effective, ..real },
        Invariant::RevokedStays => Code { ppr: reviving, ..real },
        Invariant::RevRises => Code { ppr: falling, ..real },
        Invariant::DelegateBound => Code { ppr: delegates_as_holder, ..real },
        Invariant::RecoveryWins => Code { registrar: rotating_in_recovery, ..real },
        Invariant::TimeBounds => Code { ppr: a_day_ahead, ..real },
        Invariant::PagesAreState => Code { summary_query: short_pages, ..real },
        Invariant::EventsAreState => Code { ppr: silent, ..real },
        Invariant::ReferenceAgrees => Code { registrar: never_paused, ..real },
    }
}

fn summary_real(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    msg: summary::ExecuteMsg,
) -> Result<Response, SummaryError> {
    casewise_summary::contract::execute(deps, env, info, msg)
}

fn ppr_real(deps: DepsMut, env: Env, info: MessageInfo, msg: ppr::ExecuteMsg) -> Result<Response, PprError> {
    casewise_ppr::contract::execute(deps, env, info, msg)
}

fn anchors(msg: &summary::ExecuteMsg) -> Option<AnchorBatch> {
    match msg {
        summary::ExecuteMsg::Anchor { blob } => decode(blob.as_slice()).ok(),
        _ => None,
    }
}

/// A head that is smaller than the anchored one is taken.
fn shrinking(
    mut deps: DepsMut,
    env: Env,
    info: MessageInfo,
    msg: summary::ExecuteMsg,
) -> Result<Response, SummaryError> {
    let batch = anchors(&msg);
    let done = summary_real(deps.branch(), env, info, msg)?;
    for item in batch.into_iter().flat_map(|batch| batch.items) {
        let Some(mut lane) = record::LANE.may_load(deps.storage, &item.lane.0)? else { continue };
        if item.size < lane.size {
            (lane.size, lane.root) = (item.size, item.root);
            lane.seen = lane.seen.min(lane.size);
            record::LANE.save(deps.storage, &item.lane.0, &lane);
        }
    }
    Ok(done)
}

/// A head of another history is taken without a proof.
fn rewriting(
    mut deps: DepsMut,
    env: Env,
    info: MessageInfo,
    msg: summary::ExecuteMsg,
) -> Result<Response, SummaryError> {
    let batch = anchors(&msg);
    let done = summary_real(deps.branch(), env, info, msg)?;
    for item in batch.into_iter().flat_map(|batch| batch.items) {
        let Some(mut lane) = record::LANE.may_load(deps.storage, &item.lane.0)? else { continue };
        if item.size >= lane.size {
            (lane.size, lane.root) = (item.size, item.root);
            record::LANE.save(deps.storage, &item.lane.0, &lane);
        }
    }
    Ok(done)
}

/// Lanes of a completed case go on.
fn growing_on(
    mut deps: DepsMut,
    env: Env,
    info: MessageInfo,
    msg: summary::ExecuteMsg,
) -> Result<Response, SummaryError> {
    let batch = anchors(&msg);
    let done = summary_real(deps.branch(), env, info, msg)?;
    for item in batch.into_iter().flat_map(|batch| batch.items) {
        let Some(mut lane) = record::LANE.may_load(deps.storage, &item.lane.0)? else { continue };
        let completed = record::CASE
            .may_load(deps.storage, &lane.case.0)?
            .is_some_and(|case| case.status == CaseStatus::Completed);
        if completed && lane.class == Class::Content && item.size > lane.size {
            (lane.size, lane.root) = (item.size, item.root);
            record::LANE.save(deps.storage, &item.lane.0, &lane);
        }
    }
    Ok(done)
}

/// Closing lanes take no anchors any more.
fn without_grace(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    msg: summary::ExecuteMsg,
) -> Result<Response, SummaryError> {
    for item in anchors(&msg).into_iter().flat_map(|batch| batch.items) {
        let lane = record::LANE.may_load(deps.storage, &item.lane.0)?;
        if lane.is_some_and(|lane| lane.status == LaneStatus::Closing) {
            return Err(SummaryError::Host("planted".to_string()));
        }
    }
    summary_real(deps, env, info, msg)
}

/// The institution's status is not looked at.
fn always_effective(deps: Deps, env: Env, msg: ppr::QueryMsg) -> Result<Binary, PprError> {
    let single = matches!(msg, ppr::QueryMsg::Relationship { .. });
    let answer = casewise_ppr::contract::query(deps, env, msg)?;
    if !single {
        return Ok(answer);
    }
    let mut found: Option<ppr::RelationshipInfo> = from_json(&answer)?;
    if let Some(found) = &mut found {
        found.effective = found.status == convert::RelationshipStatus::Active;
    }
    Ok(to_json_binary(&found)?)
}

/// A grant that was revoked can be made again.
fn reviving(
    mut deps: DepsMut,
    env: Env,
    info: MessageInfo,
    msg: ppr::ExecuteMsg,
) -> Result<Response, PprError> {
    if let ppr::ExecuteMsg::Grant { grants, .. } = &msg {
        for grant in grants {
            let id = convert::commitment(&grant.commitment)?;
            let stored = record::GRANT.may_load(deps.storage, &id.0)?;
            if stored.is_some_and(|stored| stored.status == GrantStatus::Revoked) {
                record::GRANT.remove(deps.storage, &id.0);
            }
        }
    }
    ppr_real(deps.branch(), env, info, msg)
}

/// An acknowledgement takes one off `rev`.
fn falling(
    mut deps: DepsMut,
    env: Env,
    info: MessageInfo,
    msg: ppr::ExecuteMsg,
) -> Result<Response, PprError> {
    let acked = match &msg {
        ppr::ExecuteMsg::Ack { case, .. } => Some(convert::case_id(case)?),
        _ => None,
    };
    let done = ppr_real(deps.branch(), env, info, msg)?;
    let Some(case) = acked else { return Ok(done) };
    if let Some(Be32(rev)) = record::REV.may_load(deps.storage, &case.0)?.filter(|Be32(rev)| *rev > 0) {
        record::REV.save(deps.storage, &case.0, &Be32(rev - 1));
    }
    Ok(done)
}

/// A delegate grants whatever its powers.
fn delegates_as_holder(
    deps: DepsMut,
    env: Env,
    mut info: MessageInfo,
    msg: ppr::ExecuteMsg,
) -> Result<Response, PprError> {
    if let ppr::ExecuteMsg::Grant { case, .. } = &msg {
        let case = convert::case_id(case)?;
        let sender = deps.api.addr_canonicalize(info.sender.as_str())?;
        let id = [case.0.as_slice(), sender.as_slice()].concat();
        if record::DELEGATE.has(deps.storage, &id) {
            let registrar = casewise_ppr::state::registrar(deps.storage)?;
            let identity =
                casewise_protocol::remote::Registrar::new(deps.querier, &registrar).identity(&case)?;
            if let Some(identity) = identity {
                let holder = convert::humanize(deps.api, &identity.holder)?;
                info.sender = deps.api.addr_validate(&holder)?;
            }
        }
    }
    ppr_real(deps, env, info, msg)
}

/// A rotation by the holder ends a recovery that is running.
fn rotating_in_recovery(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    msg: registrar::ExecuteMsg,
) -> Result<Response, RegistrarError> {
    if let registrar::ExecuteMsg::Rotate { card, .. } = &msg {
        let card: casewise_ledger::RotateCard = convert::object("card", card)?;
        record::RECOVERING.remove(deps.storage, &card.case.0);
    }
    casewise_registrar::contract::execute(deps, env, info, msg)
}

/// A grant is taken for over a day before it is.
fn a_day_ahead(
    deps: DepsMut,
    mut env: Env,
    info: MessageInfo,
    msg: ppr::ExecuteMsg,
) -> Result<Response, PprError> {
    if matches!(msg, ppr::ExecuteMsg::Expire { .. }) {
        env.block.time = env.block.time.plus_nanos(DAY_MS * 1_000_000);
    }
    ppr_real(deps, env, info, msg)
}

/// A page leaves out its last lane unless that is the only one.
fn short_pages(deps: Deps, env: Env, msg: summary::QueryMsg) -> Result<Binary, SummaryError> {
    let lanes = matches!(msg, summary::QueryMsg::Lanes { start_after: Some(_), .. });
    let answer = casewise_summary::contract::query(deps, env, msg)?;
    if !lanes {
        return Ok(answer);
    }
    let mut page: summary::LanesResponse = from_json(&answer)?;
    if !page.lanes.is_empty() {
        page.lanes.remove(0);
    }
    Ok(to_json_binary(&page)?)
}

/// A revocation is not told.
fn silent(deps: DepsMut, env: Env, info: MessageInfo, msg: ppr::ExecuteMsg) -> Result<Response, PprError> {
    let revokes = matches!(msg, ppr::ExecuteMsg::Revoke { .. });
    let mut done = ppr_real(deps, env, info, msg)?;
    if revokes {
        done.events.clear();
    }
    Ok(done)
}

/// Practitioners are registered although registrations are paused.
fn never_paused(
    mut deps: DepsMut,
    env: Env,
    info: MessageInfo,
    msg: registrar::ExecuteMsg,
) -> Result<Response, RegistrarError> {
    let registers = matches!(msg, registrar::ExecuteMsg::RegisterPractitioner { .. });
    if !registers {
        return casewise_registrar::contract::execute(deps, env, info, msg);
    }
    let settings = casewise_registrar::state::SETTINGS;
    let was = settings.load(deps.storage, &[])?;
    settings.save(deps.storage, &[], &casewise_registrar::state::Settings { paused: false, ..was.clone() });
    let done = casewise_registrar::contract::execute(deps.branch(), env, info, msg);
    settings.save(deps.storage, &[], &was);
    done
}
