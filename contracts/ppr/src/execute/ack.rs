//! An operator acknowledges that its institution acts on a `rev`.

use casewise_ledger::records::relationship_id;
use casewise_protocol::{
    convert,
    record::{self, Be32},
    rules::{self, Change, Refusal},
    Event,
};
use cosmwasm_std::{DepsMut, HexBinary, MessageInfo, Response};

use crate::{
    state::{self, ACK},
    ContractError,
};

/// Also for a suspended institution or an ended relationship: it may still serve.
pub fn ack(
    deps: DepsMut,
    info: MessageInfo,
    case: &HexBinary,
    wanted: u32,
) -> Result<Response, ContractError> {
    let case = convert::case_id(case)?;
    let institution = state::require_operator(deps.as_ref(), &info.sender)?;
    let id = relationship_id(&case, institution);
    if !record::RELATIONSHIP.has(deps.storage, &id) {
        return Err(Refusal::NoRelationship.into());
    }
    let acked = state::acked(deps.storage, &case, institution)?;
    let Change::To(rev) = rules::ack(acked, wanted, state::rev(deps.storage, &case)?)? else {
        return Ok(Response::new());
    };
    ACK.save(deps.storage, &id, &Be32(rev));
    Ok(Response::new().add_event(Event::Acked { case, institution, rev }.into_cosmwasm()))
}
