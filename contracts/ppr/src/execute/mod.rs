//! One file per action: guard, load, check, save, event.

pub mod accept;
pub mod ack;
pub mod delegate;
pub mod emergency;
pub mod end;
pub mod expire;
pub mod grant;
pub mod holder_changed;
pub mod invite;
pub mod propose;
pub mod revoke;
pub mod set_summary;
pub mod suspend;

use casewise_ledger::{
    records::{relationship_id, RelationshipRecord},
    CaseId,
};
use casewise_protocol::{
    record::{self, Be32},
    rules::Change,
    summary, Event, ProtocolError,
};
use cosmwasm_std::{DepsMut, Response, Storage, WasmMsg};

use crate::{
    state::{self, ACK},
    ContractError,
};

/// Stores a relationship that changed and tells of it.
fn save_relationship(
    storage: &mut dyn Storage,
    case: CaseId,
    institution: u32,
    relationship: &RelationshipRecord,
) -> Response {
    record::RELATIONSHIP.save(storage, &relationship_id(&case, institution), relationship);
    let event = Event::RelationshipChanged { case, institution, status: relationship.status };
    Response::new().add_event(event.into_cosmwasm())
}

/// What was revoked before concerns a newcomer no more: it starts at the case's `rev`.
fn start_acks(storage: &mut dyn Storage, case: &CaseId, institution: u32) -> Result<(), ProtocolError> {
    let rev = state::rev(storage, case)?;
    if rev > state::acked(storage, case, institution)? {
        ACK.save(storage, &relationship_id(case, institution), &Be32(rev));
    }
    Ok(())
}

/// Stores a relationship that is not in force any more, and has summary close its lanes.
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
