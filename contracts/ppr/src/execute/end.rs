//! A relationship is declined or ended: for good, and summary sets its lanes a deadline.

use casewise_ledger::{
    records::{relationship_id, RelationshipRecord},
    CaseId,
};
use casewise_protocol::{
    block_ms, convert, record,
    rules::{self, Change, Refusal},
    summary,
};
use cosmwasm_std::{DepsMut, Env, HexBinary, MessageInfo, Response, WasmMsg};

use super::save_relationship;
use crate::{state, ContractError};

/// The holder declines what is proposed.
pub fn decline(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
    institution: u32,
) -> Result<Response, ContractError> {
    let case = convert::case_id(case)?;
    state::require_holder(deps.as_ref(), &info.sender, &case)?;
    let stored = record::RELATIONSHIP.may_load(deps.storage, &relationship_id(&case, institution))?;
    leave(deps, case, institution, rules::decline(stored.as_ref(), block_ms(&env.block))?)
}

/// The holder or the institution ends the relationship.
pub fn end(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
    institution: u32,
) -> Result<Response, ContractError> {
    let case = convert::case_id(case)?;
    let identity = state::identity(deps.as_ref(), &case)?;
    let sender = state::sender(deps.as_ref(), &info.sender)?;
    if rules::holder(&identity, sender.as_slice()).is_err() {
        match state::require_operator(deps.as_ref(), &info.sender) {
            Ok(number) if number == institution => {}
            Ok(_) | Err(ContractError::Refused(_)) => return Err(Refusal::NotParty { institution }.into()),
            Err(other) => return Err(other),
        }
    }
    let stored = record::RELATIONSHIP.may_load(deps.storage, &relationship_id(&case, institution))?;
    leave(deps, case, institution, rules::end(stored.as_ref(), block_ms(&env.block))?)
}

fn leave(
    deps: DepsMut,
    case: CaseId,
    institution: u32,
    change: Change<RelationshipRecord>,
) -> Result<Response, ContractError> {
    let Change::To(relationship) = change else {
        return Ok(Response::new());
    };
    let response = save_relationship(deps.storage, case, institution, &relationship);
    Ok(match state::config(deps.storage)?.summary {
        None => response,
        Some(summary) => {
            let closing = summary::ExecuteMsg::closing(&case, institution);
            response.add_message(WasmMsg::Execute {
                contract_addr: summary,
                msg: cosmwasm_std::to_json_binary(&closing)?,
                funds: Vec::new(),
            })
        }
    })
}
