//! The recovery account puts another account in the holder's place, after a delay.

use casewise_ledger::CaseId;
use casewise_protocol::{
    block_ms, convert,
    events::RotationCause,
    remote::Ppr,
    rules::{self, Change, Identity},
    Event,
};
use cosmwasm_std::{CanonicalAddr, DepsMut, Env, HexBinary, MessageInfo, Response};

use super::rotate::succeed;
use crate::{signature::SignedCard, state, ContractError};

/// From now on the holder only revokes, until the recovery is finished, stopped or lapsed.
pub fn start(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    signed: SignedCard,
) -> Result<Response, ContractError> {
    let card = signed.check(deps.api)?;
    let identity = state::identity(deps.storage, &card.case)?;
    let sender = state::sender(deps.as_ref(), &info.sender)?;
    let taken = state::holds_case(deps.storage, &card.holder);
    let delay = state::settings(deps.storage)?.recovery_delay;
    let now = block_ms(&env.block);
    let change = rules::start_recovery(&identity, &card, sender.as_slice(), taken, delay, now)?;
    let Some(next) = change.changed() else { return Ok(Response::new()) };
    state::save_identity(deps.storage, &card.case, &identity, &next);
    let ready = next.recovering.map_or(now, |recovery| recovery.ready);
    Ok(Response::new().add_event(Event::RecoveryStarted { case: card.case, ready }.into_cosmwasm()))
}

/// An operator of an institution with an active relationship attests it.
pub fn attest(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
) -> Result<Response, ContractError> {
    let (institution, _) = state::require_operator(deps.as_ref(), &info.sender)?;
    let case = convert::case_id(case)?;
    let identity = state::identity(deps.storage, &case)?;
    let ppr = state::ppr(deps.storage)?;
    let relationship = Ppr::new(deps.querier, &ppr).relationship(&case, institution)?;
    let now = block_ms(&env.block);
    match rules::attest_recovery(&identity, institution, relationship.as_ref(), now)? {
        Change::Same => Ok(Response::new()),
        Change::To(next) => {
            state::save_identity(deps.storage, &case, &identity, &next);
            Ok(Response::new().add_event(Event::RecoveryAttested { case, institution }.into_cosmwasm()))
        }
    }
}

/// The holder stops it: once.
pub fn veto(deps: DepsMut, env: Env, info: MessageInfo, case: &HexBinary) -> Result<Response, ContractError> {
    let (case, identity, sender) = load(&deps, &info, case)?;
    let next = rules::veto_recovery(&identity, sender.as_slice(), block_ms(&env.block))?;
    stop(deps, case, &identity, &next, true)
}

/// The recovery account stops it.
pub fn cancel(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
) -> Result<Response, ContractError> {
    let (case, identity, sender) = load(&deps, &info, case)?;
    match rules::cancel_recovery(&identity, sender.as_slice(), block_ms(&env.block))? {
        Change::Same => Ok(Response::new()),
        Change::To(next) => stop(deps, case, &identity, &next, false),
    }
}

/// The recovery account or the holder to be finishes it.
pub fn finish(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
) -> Result<Response, ContractError> {
    let (case, identity, sender) = load(&deps, &info, case)?;
    // it may have come to hold a case since the start
    let holder = identity.recovering.as_ref().map(|recovery| recovery.holder);
    let taken = holder.is_some_and(|holder| state::holds_case(deps.storage, &holder));
    let next = rules::finish_recovery(&identity, sender.as_slice(), taken, block_ms(&env.block))?;
    succeed(deps, &case, &identity, &next, RotationCause::Recovery)
}

fn load(
    deps: &DepsMut,
    info: &MessageInfo,
    case: &HexBinary,
) -> Result<(CaseId, Identity, CanonicalAddr), ContractError> {
    let case = convert::case_id(case)?;
    let identity = state::identity(deps.storage, &case)?;
    Ok((case, identity, state::sender(deps.as_ref(), &info.sender)?))
}

fn stop(
    deps: DepsMut,
    case: CaseId,
    before: &Identity,
    after: &Identity,
    vetoed: bool,
) -> Result<Response, ContractError> {
    state::save_identity(deps.storage, &case, before, after);
    Ok(Response::new().add_event(Event::RecoveryStopped { case, vetoed }.into_cosmwasm()))
}
