//! registrar tells that a case has another holder: what the authors hold about the one before is old.

use casewise_protocol::{convert, Event};
use cosmwasm_std::{DepsMut, Env, HexBinary, MessageInfo, Response};

use crate::{state, ContractError};

/// `rev` goes up, so that every author looks again and acknowledges it.
pub fn holder_changed(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
) -> Result<Response, ContractError> {
    if info.sender != state::registrar(deps.storage)? {
        return Err(ContractError::NotRegistrar);
    }
    let case = convert::case_id(case)?;
    let rev = state::raise_rev(deps.storage, &case, env.block.height)?;
    Ok(Response::new().add_event(Event::RevRaised { case, rev }.into_cosmwasm()))
}
