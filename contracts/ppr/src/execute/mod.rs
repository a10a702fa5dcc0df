//! One file per action: guard, load, check, save, event.

pub mod accept;
pub mod ack;
pub mod end;
pub mod expire;
pub mod grant;
pub mod holder_changed;
pub mod propose;
pub mod revoke;
pub mod set_summary;

use casewise_ledger::{
    records::{relationship_id, RelationshipRecord},
    CaseId,
};
use casewise_protocol::{
    record::{self, Be32},
    Event, ProtocolError,
};
use cosmwasm_std::{Response, Storage};

use crate::state::{self, ACK};

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
