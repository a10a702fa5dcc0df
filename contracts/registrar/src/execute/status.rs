//! Suspending and resuming an institution.

use casewise_ledger::records::InstitutionStatus;
use casewise_protocol::{block_ms, record, Event};
use cosmwasm_std::{DepsMut, Env, MessageInfo, Response};

use crate::{state, ContractError};

/// From now on the institution may only anchor, and that until the grace is over.
pub fn suspend(deps: DepsMut, env: Env, info: MessageInfo, number: u32) -> Result<Response, ContractError> {
    set(deps, env, info, number, InstitutionStatus::Suspended)
}

/// The institution may act again.
pub fn resume(deps: DepsMut, env: Env, info: MessageInfo, number: u32) -> Result<Response, ContractError> {
    set(deps, env, info, number, InstitutionStatus::Active)
}

fn set(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    number: u32,
    status: InstitutionStatus,
) -> Result<Response, ContractError> {
    state::require_authority(deps.as_ref(), &info.sender)?;
    let mut institution = state::institution(deps.storage, number)?;
    // `since` must not move when the message is repeated: the grace counts from it
    if institution.status == status {
        return Ok(Response::new());
    }
    institution.status = status;
    institution.since = block_ms(&env.block);
    record::INSTITUTION.save(deps.storage, &number.to_be_bytes(), &institution);
    Ok(Response::new().add_event(Event::InstitutionStatus { number, status }.into_cosmwasm()))
}
