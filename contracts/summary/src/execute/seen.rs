//! The holder, or a delegate, acknowledges what was seen.

use casewise_ledger::{
    records::{LaneRecord, LaneStatus},
    CaseId, Class,
};
use casewise_protocol::{
    block_ms, convert,
    ppr::Power,
    record,
    rules::{self, Change, Refusal},
    summary::{SeenItem, MAX_SEEN},
    Event,
};
use cosmwasm_std::{DepsMut, Env, HexBinary, MessageInfo, Response, Storage};

use crate::{chain::Chain, state, ContractError};

/// All of them or none; what was acknowledged before is left alone.
pub fn seen(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
    items: &[SeenItem],
) -> Result<Response, ContractError> {
    let case = convert::case_id(case)?;
    convert::bounded("items", items, MAX_SEEN)?;
    let chain = Chain::new(deps.storage, deps.api, deps.querier)?;
    chain.acts_for_holder(&info.sender, &case, Power::Acknowledgements, block_ms(&env.block))?;
    let mut response = Response::new();
    for item in items {
        if let Some(event) = see(deps.storage, case, item)? {
            response = response.add_event(event.into_cosmwasm());
        }
    }
    Ok(response)
}

fn see(storage: &mut dyn Storage, case: CaseId, item: &SeenItem) -> Result<Option<Event>, ContractError> {
    let lane = convert::lane_id(&item.lane)?;
    let stored = record::LANE.may_load(storage, &lane.0)?.filter(|lane| lane.case == case);
    let stored = stored.ok_or(Refusal::NotInCase)?;
    let Change::To(next) = rules::seen(&stored, item.size)? else {
        return Ok(None);
    };
    record::LANE.save(storage, &lane.0, &next);
    settle(storage, &next)?;
    Ok(Some(Event::Seen { case, lane, size: next.seen }))
}

/// A closed content lane seen to its end is one fewer to see.
fn settle(storage: &mut dyn Storage, lane: &LaneRecord) -> Result<(), ContractError> {
    if lane.status == LaneStatus::Closed && lane.class == Class::Content && lane.seen == lane.size {
        let mut lanes = state::open_lanes(storage, &lane.case, &lane.author)?;
        lanes.unseen = lanes.unseen.saturating_sub(1);
        state::save_open_lanes(storage, &lane.case, &lane.author, &lanes);
    }
    Ok(())
}
