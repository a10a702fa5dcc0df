//! Operator accounts of an institution.

use casewise_protocol::{
    convert,
    record::{self, Be32},
    registrar::MAX_OPERATORS,
    Event,
};
use cosmwasm_std::{DepsMut, MessageInfo, Response};

use crate::{state, ContractError};

/// Adds an operator that operates no other institution.
pub fn add(deps: DepsMut, info: MessageInfo, number: u32, account: &str) -> Result<Response, ContractError> {
    state::require_authority_or_operator(deps.as_ref(), &info.sender, number)?;
    let account = convert::account(deps.api, "account", account)?;
    match state::operates(deps.storage, &account.0)? {
        Some(same) if same == number => return Ok(Response::new()),
        Some(number) => return Err(ContractError::OperatesAnother { number }),
        None => state::require_no_practitioner(deps.storage, &account)?,
    }
    let id = number.to_be_bytes();
    let mut details = state::DETAILS.load(deps.storage, &id)?;
    if details.operators as usize >= MAX_OPERATORS {
        return Err(ContractError::TooManyOperators);
    }
    details.operators += 1;
    state::DETAILS.save(deps.storage, &id, &details);
    record::OPERATOR.save(deps.storage, &account.0, &Be32(number));
    Ok(Response::new().add_event(Event::OperatorAdded { institution: number, account }.into_cosmwasm()))
}

/// Removes an operator; the main account stays.
pub fn remove(
    deps: DepsMut,
    info: MessageInfo,
    number: u32,
    account: &str,
) -> Result<Response, ContractError> {
    let institution = state::require_authority_or_operator(deps.as_ref(), &info.sender, number)?;
    let account = convert::account(deps.api, "account", account)?;
    if account == institution.account {
        return Err(ContractError::MainAccount);
    }
    match state::operates(deps.storage, &account.0)? {
        None => return Ok(Response::new()),
        Some(other) if other != number => return Err(ContractError::NotItsOperator),
        Some(_) => {}
    }
    let id = number.to_be_bytes();
    let mut details = state::DETAILS.load(deps.storage, &id)?;
    details.operators = details.operators.saturating_sub(1);
    state::DETAILS.save(deps.storage, &id, &details);
    record::OPERATOR.remove(deps.storage, &account.0);
    Ok(Response::new().add_event(Event::OperatorRemoved { institution: number, account }.into_cosmwasm()))
}
