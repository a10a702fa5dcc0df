//! The author of a device lane says that from an entry on the device's key was in other hands.

use casewise_protocol::{
    record,
    rules::{self, Block, Change},
    Event,
};
use cosmwasm_std::{DepsMut, Env, HexBinary, MessageInfo, Response};

use crate::{chain::Chain, state, ContractError};

/// Marks the lane; heads stay as they are. A suspended institution may say it too.
pub fn compromised(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    lane: &HexBinary,
    index: u32,
) -> Result<Response, ContractError> {
    let (lane, stored) = state::known_lane(deps.storage, lane)?;
    Chain::new(deps.storage, deps.api, deps.querier)?.author(&info.sender, &stored.author)?;
    let existing = record::COMPROMISE.may_load(deps.storage, &lane.0)?;
    let change = rules::compromised(&stored, existing.as_ref(), index, Block::of(&env.block))?;
    let Change::To(mark) = change else {
        return Ok(Response::new());
    };
    record::COMPROMISE.save(deps.storage, &lane.0, &mark);
    Ok(Response::new().add_event(Event::LaneCompromised { lane, index }.into_cosmwasm()))
}
