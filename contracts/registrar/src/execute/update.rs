//! A new name or endpoint of an institution.

use casewise_protocol::{record, Event};
use cosmwasm_std::{DepsMut, MessageInfo, Response};

use super::register::{check_endpoint, check_name};
use crate::{state, ContractError};

/// The name is the authority's to change; the endpoint also an operator's.
pub fn update(
    deps: DepsMut,
    info: MessageInfo,
    number: u32,
    name: Option<String>,
    endpoint: Option<String>,
) -> Result<Response, ContractError> {
    let mut institution = state::require_authority_or_operator(deps.as_ref(), &info.sender, number)?;
    if name.is_some() {
        state::require_authority(deps.as_ref(), &info.sender)?;
    }
    if name.is_none() && endpoint.is_none() {
        return Err(ContractError::NothingToUpdate);
    }
    let id = number.to_be_bytes();
    let mut details = state::DETAILS.load(deps.storage, &id)?;
    let before = (institution.clone(), details.clone());
    if let Some(name) = name {
        check_name(&name)?;
        institution.name = name;
    }
    if let Some(endpoint) = endpoint {
        check_endpoint(&endpoint)?;
        details.endpoint = endpoint;
    }
    if before == (institution.clone(), details.clone()) {
        return Ok(Response::new());
    }
    record::INSTITUTION.save(deps.storage, &id, &institution);
    state::DETAILS.save(deps.storage, &id, &details);
    Ok(Response::new().add_event(Event::InstitutionUpdated { number }.into_cosmwasm()))
}
