//! The authority names the ppr contract that is told of new holders.

use casewise_protocol::convert;
use cosmwasm_std::{DepsMut, MessageInfo, Response};

use crate::{state, ContractError};

/// A new ppr may take the place of an old one.
pub fn set_ppr(deps: DepsMut, info: MessageInfo, ppr: &str) -> Result<Response, ContractError> {
    state::require_authority(deps.as_ref(), &info.sender)?;
    let ppr = convert::contract(deps.api, "ppr", ppr)?;
    let mut settings = state::settings(deps.storage)?;
    settings.ppr = Some(ppr.into_string());
    state::SETTINGS.save(deps.storage, &[], &settings);
    Ok(Response::new())
}
