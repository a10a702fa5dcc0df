//! The holder accepts a proposed relationship.

use casewise_ledger::records::relationship_id;
use casewise_protocol::{
    block_ms, convert,
    record::{self, Be32},
    rules::{self, Change},
};
use cosmwasm_std::{DepsMut, Env, HexBinary, MessageInfo, Response};

use super::save_relationship;
use crate::{
    state::{self, ACK},
    ContractError,
};

/// What was revoked before concerns the newcomer no more: it starts at the case's `rev`.
pub fn accept(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
    institution: u32,
) -> Result<Response, ContractError> {
    let case = convert::case_id(case)?;
    state::require_holder(deps.as_ref(), &info.sender, &case)?;
    let id = relationship_id(&case, institution);
    let stored = record::RELATIONSHIP.may_load(deps.storage, &id)?;
    let Change::To(relationship) = rules::accept(stored.as_ref(), block_ms(&env.block))? else {
        return Ok(Response::new());
    };
    let rev = state::rev(deps.storage, &case)?;
    if rev > state::acked(deps.storage, &case, institution)? {
        ACK.save(deps.storage, &id, &Be32(rev));
    }
    Ok(save_relationship(deps.storage, case, institution, &relationship))
}
