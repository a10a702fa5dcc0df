//! One file per action: guard, load, check, save, event.

pub mod accept;
pub mod ack;
pub mod end;
pub mod expire;
pub mod grant;
pub mod propose;
pub mod revoke;
pub mod set_summary;

use casewise_ledger::{
    records::{relationship_id, RelationshipRecord},
    CaseId,
};
use casewise_protocol::{record, Event};
use cosmwasm_std::{Response, Storage};

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
