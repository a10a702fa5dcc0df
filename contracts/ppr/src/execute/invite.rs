//! The holder, or a delegate, invites an institution, or takes an invitation back.

use casewise_ledger::{records::relationship_id, CaseId};
use casewise_protocol::{
    block_ms, convert,
    ppr::Power,
    record::{self, Be32},
    remote::Registrar,
    rules::{self, Change},
    Event,
};
use cosmwasm_std::{Deps, DepsMut, Env, HexBinary, MessageInfo, Response};

use crate::{
    state::{self, INVITED},
    ContractError,
};

/// It counts for the holder of now only: another one invites anew.
pub fn invite(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
    institution: u32,
) -> Result<Response, ContractError> {
    let case = convert::case_id(case)?;
    let now = block_ms(&env.block);
    let identity = state::require_deciding(deps.as_ref(), now, &info.sender, &case, Power::Relationships)?;
    let id = relationship_id(&case, institution);
    let existing = record::RELATIONSHIP.may_load(deps.storage, &id)?;
    let invited = state::invited(deps.storage, &case, institution)?;
    let Change::To(epoch) = rules::invite(existing.as_ref(), invited, &identity)? else {
        return Ok(Response::new());
    };
    check_institution(deps.as_ref(), institution)?;
    INVITED.save(deps.storage, &id, &Be32(epoch));
    Ok(changed(case, institution, true))
}

/// Takes an invitation back that was not followed; without one nothing changes.
pub fn withdraw(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
    institution: u32,
) -> Result<Response, ContractError> {
    let case = convert::case_id(case)?;
    let now = block_ms(&env.block);
    state::require_deciding(deps.as_ref(), now, &info.sender, &case, Power::Relationships)?;
    let id = relationship_id(&case, institution);
    if !INVITED.has(deps.storage, &id) {
        return Ok(Response::new());
    }
    INVITED.remove(deps.storage, &id);
    Ok(changed(case, institution, false))
}

fn check_institution(deps: Deps, number: u32) -> Result<(), ContractError> {
    let registrar = state::registrar(deps.storage)?;
    let institution = Registrar::new(deps.querier, &registrar).institution(number)?;
    Ok(rules::nameable(number, institution.as_ref())?)
}

fn changed(case: CaseId, institution: u32, invited: bool) -> Response {
    Response::new().add_event(Event::InvitationChanged { case, institution, invited }.into_cosmwasm())
}
