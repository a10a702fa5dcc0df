//! The authority names the summary contract that is told of closings.

use casewise_protocol::{convert, remote::Registrar, rules};
use cosmwasm_std::{DepsMut, MessageInfo, Response};

use crate::{
    state::{self, CONFIG},
    ContractError,
};

/// A new summary may take the place of an old one, which stays readable.
pub fn set_summary(deps: DepsMut, info: MessageInfo, summary: &str) -> Result<Response, ContractError> {
    let mut config = state::config(deps.storage)?;
    let registrar = state::registrar(deps.storage)?;
    let authority = Registrar::new(deps.querier, &registrar).authority()?;
    rules::authority(&authority, state::sender(deps.as_ref(), &info.sender)?.as_slice())?;
    let summary = convert::contract(deps.api, "summary", summary)?;
    config.summary = Some(summary.into_string());
    CONFIG.save(deps.storage, &[], &config);
    Ok(Response::new())
}
