//! A new X-Wing key of an institution.

use casewise_protocol::{convert, record, Event};
use cosmwasm_std::{DepsMut, HexBinary, MessageInfo, Response};

use crate::{state, ContractError};

/// The epoch goes up by one; the key in force again changes nothing.
pub fn rotate_kem(deps: DepsMut, info: MessageInfo, kem: HexBinary) -> Result<Response, ContractError> {
    let (number, mut institution) = state::require_operator(deps.as_ref(), &info.sender)?;
    let kem = convert::fixed("kem", &kem)?;
    if institution.kem == kem {
        return Ok(Response::new());
    }
    institution.kem = kem;
    institution.kem_epoch = institution.kem_epoch.saturating_add(1);
    record::INSTITUTION.save(deps.storage, &number.to_be_bytes(), &institution);
    Ok(Response::new().add_event(Event::InstitutionUpdated { number }.into_cosmwasm()))
}
