//! The holder, or a delegate, pauses a relationship and lets it go on.

use casewise_ledger::records::relationship_id;
use casewise_protocol::{
    block_ms, convert,
    ppr::Power,
    record,
    rules::{self, Change},
};
use cosmwasm_std::{DepsMut, Env, HexBinary, MessageInfo, Response};

use super::{leave, save_relationship};
use crate::{state, ContractError};

/// The institution's content lanes get a deadline, as at the end of a relationship.
pub fn suspend(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
    institution: u32,
) -> Result<Response, ContractError> {
    let case = convert::case_id(case)?;
    let now = block_ms(&env.block);
    state::require_deciding(deps.as_ref(), now, &info.sender, &case, Power::Relationships)?;
    let stored = record::RELATIONSHIP.may_load(deps.storage, &relationship_id(&case, institution))?;
    leave(deps, case, institution, rules::suspend(stored.as_ref(), now)?)
}

/// What the institution acknowledged stays: it went on serving the holder. Lanes that got a deadline
/// keep it; the institution opens new ones.
pub fn resume(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
    institution: u32,
) -> Result<Response, ContractError> {
    let case = convert::case_id(case)?;
    let now = block_ms(&env.block);
    state::require_deciding(deps.as_ref(), now, &info.sender, &case, Power::Relationships)?;
    let stored = record::RELATIONSHIP.may_load(deps.storage, &relationship_id(&case, institution))?;
    Ok(match rules::resume(stored.as_ref(), now)? {
        Change::Same => Response::new(),
        Change::To(relationship) => save_relationship(deps.storage, case, institution, &relationship),
    })
}
