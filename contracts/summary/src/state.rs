//! What the contract stores beside the frozen records of [`casewise_protocol::record`], and the two
//! ways in which lanes come and go.

use borsh::{BorshDeserialize, BorshSerialize};
use casewise_ledger::{
    encode,
    records::{CaseRecord, LaneRecord, LaneStatus},
    Address, CaseId, Class, LaneHeader, LaneId, Party,
};
use casewise_protocol::{
    convert, page,
    record::{self, Be64},
    rules::{self, Block, Change, OpenLanes, Refusal},
    Event, ProtocolError, Record,
};
use cosmwasm_std::{HexBinary, Response, Storage};

use crate::ContractError;

/// Settings, no id.
pub const CONFIG: Record<Config> = Record::new("config");
/// An author's lanes in a case, id case ‖ borsh(author).
pub const OPEN_LANES: Record<OpenLanes> = Record::new("open");
/// First byte of a borsh [`Party`] that is an institution.
const INSTITUTION_TAG: u8 = 0;
/// All lanes of a case, id case ‖ lane. The value says nothing.
pub const CASE_LANES: Record<bool> = Record::new("caselane");
/// An author's lanes with two histories, id borsh(author) ‖ lane. The value says nothing.
pub const AUTHOR_CONFLICTS: Record<bool> = Record::new("authorconflict");

/// Settings.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Config {
    /// The registrar's address.
    pub registrar: String,
    /// The ppr contract's address.
    pub ppr: String,
}

fn author_id(case: &CaseId, author: &Party) -> Vec<u8> {
    [case.0.as_slice(), &encode(author)].concat()
}

/// An author's lanes in a case.
pub fn open_lanes(storage: &dyn Storage, case: &CaseId, author: &Party) -> Result<OpenLanes, ProtocolError> {
    Ok(OPEN_LANES.may_load(storage, &author_id(case, author))?.unwrap_or_default())
}

/// Stores an author's lanes in a case.
pub fn save_open_lanes(storage: &mut dyn Storage, case: &CaseId, author: &Party, lanes: &OpenLanes) {
    OPEN_LANES.save(storage, &author_id(case, author), lanes);
}

/// A case's record, if it has had a lane.
pub fn case(storage: &dyn Storage, case: &CaseId) -> Result<Option<CaseRecord>, ProtocolError> {
    record::CASE.may_load(storage, &case.0)
}

/// A case's record, which must exist.
pub fn known_case(storage: &dyn Storage, id: &CaseId) -> Result<CaseRecord, ContractError> {
    Ok(case(storage, id)?.ok_or(Refusal::NoLanes)?)
}

/// The deadline of a closing case or of a proposed completion.
pub fn case_due(storage: &dyn Storage, case: &CaseId) -> Result<Option<u64>, ProtocolError> {
    Ok(record::DUE.may_load(storage, &case.0)?.map(|Be64(due)| due))
}

/// Stores what became of a proposed completion, lets go of its deadline and tells of it.
pub fn settle_proposal(
    storage: &mut dyn Storage,
    case: &CaseId,
    change: Change<CaseRecord>,
    event: Event,
) -> Response {
    let Change::To(settled) = change else {
        return Response::new();
    };
    record::CASE.save(storage, &case.0, &settled);
    record::DUE.remove(storage, &case.0);
    Response::new().add_event(event.into_cosmwasm())
}

/// A lane out of a message, which must exist.
pub fn known_lane(storage: &dyn Storage, lane: &HexBinary) -> Result<(LaneId, LaneRecord), ContractError> {
    let id = convert::lane_id(lane)?;
    let lane = record::LANE.may_load(storage, &id.0)?.ok_or(Refusal::NoLane)?;
    Ok((id, lane))
}

/// The content lanes of a case that are not closed: those of the holder and of all institutions;
/// `count`: how many the case has. Reads no institution after the last of them. Lanes of former
/// holders are left out: nobody may write them, anyone may close them, and who has a stolen key could
/// make their number large.
pub fn case_open_lanes(
    storage: &dyn Storage,
    case: &CaseId,
    holder: &Address,
    count: u32,
) -> Result<Vec<LaneId>, ProtocolError> {
    let own = open_lanes(storage, case, &Party::Account(*holder))?.content;
    let mut lanes: Vec<LaneId> = Vec::new();
    let institutions = [case.0.as_slice(), &[INSTITUTION_TAG]].concat();
    let mut after: Option<Vec<u8>> = None;
    while ((lanes.len() + own.len()) as u64) < u64::from(count) {
        let page = OPEN_LANES.page(storage, &institutions, after.as_deref(), page::MAX_LIMIT as usize)?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        lanes.extend(page.into_iter().flat_map(|(_, open)| open.content));
    }
    lanes.extend(own);
    Ok(lanes)
}

/// The deadline of a closing lane.
pub fn due(storage: &dyn Storage, lane: &LaneId, record: &LaneRecord) -> Result<Option<u64>, ProtocolError> {
    if record.status != LaneStatus::Closing {
        return Ok(None);
    }
    Ok(record::DUE.may_load(storage, &lane.0)?.map(|Be64(due)| due))
}

/// Stores a new lane in all its places.
pub fn add_lane(storage: &mut dyn Storage, header: &LaneHeader, block: Block) -> Result<(), ContractError> {
    let id = header.id();
    let mut lanes = open_lanes(storage, &header.case, &header.author)?;
    lanes.add(header.class, id)?;
    save_open_lanes(storage, &header.case, &header.author, &lanes);
    let before = case(storage, &header.case)?;
    let (lane, after) = rules::new_lane(header, before.as_ref(), block);
    record::LANE.save(storage, &id.0, &lane);
    if before.as_ref() != Some(&after) {
        record::CASE.save(storage, &header.case.0, &after);
    }
    CASE_LANES.save(storage, &[header.case.0, id.0].concat(), &true);
    Ok(())
}

/// Stores a lane that has just been closed, and takes it out of the places of the others.
pub fn close_lane(
    storage: &mut dyn Storage,
    id: &LaneId,
    closed: &LaneRecord,
    block: Block,
) -> Result<(), ContractError> {
    record::LANE.save(storage, &id.0, closed);
    record::DUE.remove(storage, &id.0);
    let mut lanes = open_lanes(storage, &closed.case, &closed.author)?;
    lanes.remove(closed.class, id, closed.seen < closed.size);
    save_open_lanes(storage, &closed.case, &closed.author, &lanes);
    if closed.class == Class::Content {
        let before = record::CASE.load(storage, &closed.case.0)?;
        let after = rules::close_in_case(&before, id, &closed.head(), block.height);
        record::CASE.save(storage, &closed.case.0, &after);
    }
    Ok(())
}
