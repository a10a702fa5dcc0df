//! The holder's side or an institution winds a case up: no content lane is opened or rotated any
//! more, and all open ones get a deadline.

use casewise_protocol::{
    convert,
    ppr::Power,
    record::{self, Be64},
    rules::{self, Block, Change},
    Event,
};
use cosmwasm_std::{DepsMut, Env, HexBinary, MessageInfo, Response};

use super::batch;
use crate::{chain::Chain, state, ContractError};

/// Work is bounded by the content lanes that a case may have open and the institutions that ever wrote
/// in it. Access lanes go on.
pub fn wind_up(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
) -> Result<Response, ContractError> {
    let case = convert::case_id(case)?;
    let block = Block::of(&env.block);
    let chain = Chain::new(deps.storage, deps.api, deps.querier)?;
    chain.involved(&info.sender, &case, Power::Completion, block.time)?;
    let stored = state::known_case(deps.storage, &case)?;
    let Change::To(closing) = rules::wind_up(&stored, block.height) else {
        return Ok(Response::new());
    };
    let deadline = rules::deadline(block.time, chain.policy(&case)?.as_ref());
    record::CASE.save(deps.storage, &case.0, &closing);
    record::DUE.save(deps.storage, &case.0, &Be64(deadline));
    let holder = chain.identity(&case)?.holder;
    let lanes = state::case_open_lanes(deps.storage, &case, &holder, closing.open)?;
    let events = batch::start_closing(deps.storage, lanes, deadline)?;
    let told = Event::CaseClosing { case, deadline }.into_cosmwasm();
    Ok(Response::new().add_event(told).add_events(events))
}
