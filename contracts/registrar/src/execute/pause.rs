//! Stopping new registrations.

use casewise_protocol::Event;
use cosmwasm_std::{DepsMut, MessageInfo, Response};

use crate::{state, ContractError};

/// What is registered goes on, and so do rotation, claim and recovery: a patient must be able to
/// leave a stolen key at any time.
pub fn pause(deps: DepsMut, info: MessageInfo, paused: bool) -> Result<Response, ContractError> {
    state::require_authority(deps.as_ref(), &info.sender)?;
    let mut settings = state::settings(deps.storage)?;
    if settings.paused == paused {
        return Ok(Response::new());
    }
    settings.paused = paused;
    state::SETTINGS.save(deps.storage, &[], &settings);
    Ok(Response::new().add_event(Event::RegistrationsPaused { paused }.into_cosmwasm()))
}
