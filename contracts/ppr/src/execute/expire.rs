//! The holder or an author makes known that a grant's last day is over.

use casewise_ledger::{
    records::{relationship_id, GrantStatus},
    CaseId,
};
use casewise_protocol::{
    block_ms, convert, record,
    rules::{self, Change, Refusal},
    Event,
};
use cosmwasm_std::{Deps, DepsMut, Env, HexBinary, MessageInfo, Response};

use crate::{state, ContractError};

/// `rev` goes up by one if the grant was live.
pub fn expire(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    commitment: &HexBinary,
) -> Result<Response, ContractError> {
    let commitment = convert::commitment(commitment)?;
    let stored = record::GRANT.may_load(deps.storage, &commitment.0)?.ok_or(Refusal::NoGrant)?;
    let case = stored.case;
    require_holder_or_author(deps.as_ref(), &info, &case)?;
    let Change::To(grant) = rules::expire(&stored, block_ms(&env.block))? else {
        return Ok(Response::new());
    };
    record::GRANT.save(deps.storage, &commitment.0, &grant);
    let rev = state::raise_rev(deps.storage, &case, env.block.height)?;
    let event = Event::GrantEnded { case, commitment, status: GrantStatus::Expired, rev };
    Ok(Response::new().add_event(event.into_cosmwasm()))
}

fn require_holder_or_author(deps: Deps, info: &MessageInfo, case: &CaseId) -> Result<(), ContractError> {
    let identity = state::identity(deps, case)?;
    if rules::holder(&identity, state::sender(deps, &info.sender)?.as_slice()).is_ok() {
        return Ok(());
    }
    let number = state::require_operator(deps, &info.sender)?;
    if record::RELATIONSHIP.has(deps.storage, &relationship_id(case, number)) {
        Ok(())
    } else {
        Err(Refusal::NoRelationship.into())
    }
}
