//! The holder, or a delegate, accepts a proposed relationship.

use casewise_ledger::records::relationship_id;
use casewise_protocol::{
    block_ms, convert,
    ppr::Power,
    record,
    rules::{self, Change},
};
use cosmwasm_std::{DepsMut, Env, HexBinary, MessageInfo, Response};

use super::{save_relationship, start_acks};
use crate::{state, ContractError};

/// From then on the institution serves what the holder granted.
pub fn accept(
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
    let stored = record::RELATIONSHIP.may_load(deps.storage, &id)?;
    let Change::To(relationship) = rules::accept(stored.as_ref(), now)? else {
        return Ok(Response::new());
    };
    start_acks(deps.storage, &case, institution)?;
    Ok(save_relationship(deps.storage, case, institution, &relationship))
}
