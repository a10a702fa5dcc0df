//! The authority passes to another account in two steps, so that it cannot go to an account that
//! nobody uses.

use casewise_protocol::{convert, record, Event};
use cosmwasm_std::{DepsMut, MessageInfo, Response};

use crate::{state, ContractError};

/// Names the account that may take over; none takes the proposal back.
pub fn propose(deps: DepsMut, info: MessageInfo, account: Option<&str>) -> Result<Response, ContractError> {
    state::require_authority(deps.as_ref(), &info.sender)?;
    let proposed = account.map(|text| convert::any_account(deps.api, "account", text)).transpose()?;
    let proposed = proposed.map(|account| account.to_vec());
    if proposed.as_ref() == Some(&record::AUTHORITY.load(deps.storage, &[])?) {
        return Err(ContractError::AlreadyAuthority);
    }
    let mut settings = state::settings(deps.storage)?;
    if settings.proposed == proposed {
        return Ok(Response::new());
    }
    settings.proposed = proposed;
    state::SETTINGS.save(deps.storage, &[], &settings);
    Ok(Response::new().add_event(Event::AuthorityProposed.into_cosmwasm()))
}

/// The proposed account takes over. Sent again by the new authority it changes nothing.
pub fn accept(deps: DepsMut, info: MessageInfo) -> Result<Response, ContractError> {
    let sender = state::sender(deps.as_ref(), &info.sender)?.to_vec();
    let mut settings = state::settings(deps.storage)?;
    if settings.proposed.is_none() && record::AUTHORITY.load(deps.storage, &[])? == sender {
        return Ok(Response::new());
    }
    if settings.proposed.as_ref() != Some(&sender) {
        return Err(ContractError::NotProposed);
    }
    settings.proposed = None;
    state::SETTINGS.save(deps.storage, &[], &settings);
    record::AUTHORITY.save(deps.storage, &[], &sender);
    Ok(Response::new().add_event(Event::AuthorityChanged.into_cosmwasm()))
}
