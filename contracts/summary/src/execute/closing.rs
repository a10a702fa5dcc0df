//! ppr tells that a relationship is over: the institution's content lanes get a deadline.

use casewise_ledger::Party;
use casewise_protocol::{
    convert,
    record::{self, Be64},
    rules::{self, Block, Change},
    Event,
};
use cosmwasm_std::{DepsMut, Env, HexBinary, MessageInfo, Response};

use crate::{chain::Chain, state, ContractError};

/// At most as many lanes as an author may have open; access lanes go on.
pub fn closing(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
    institution: u32,
) -> Result<Response, ContractError> {
    let chain = Chain::new(deps.storage, deps.api, deps.querier)?;
    if info.sender != chain.ppr {
        return Err(ContractError::NotPpr);
    }
    let case = convert::case_id(case)?;
    let deadline = rules::deadline(Block::of(&env.block).time, chain.policy(&case)?.as_ref());
    let mut response = Response::new();
    for lane in state::open_lanes(deps.storage, &case, &Party::Institution(institution))?.content {
        let stored = record::LANE.load(deps.storage, &lane.0)?;
        if let Change::To(closing) = rules::start_closing(&stored) {
            record::LANE.save(deps.storage, &lane.0, &closing);
            record::DUE.save(deps.storage, &lane.0, &Be64(deadline));
            response = response.add_event(Event::LaneClosing { lane, deadline }.into_cosmwasm());
        }
    }
    Ok(response)
}
