//! Anyone closes content lanes that nobody may write any more, at their stored size.

use casewise_ledger::LaneId;
use casewise_protocol::{
    convert, record,
    rules::{self, Block, LaneFault},
    summary::MAX_CLOSE_OVERDUE,
    Event, ProtocolError,
};
use cosmwasm_std::{DepsMut, Env, HexBinary, Response, Storage};

use super::batch::{self, Outcome};
use crate::{chain::Chain, ContractError};

/// Each lane by itself.
pub fn close_overdue(deps: DepsMut, env: Env, lanes: &[HexBinary]) -> Result<Response, ContractError> {
    convert::bounded("lanes", lanes, MAX_CLOSE_OVERDUE)?;
    let lanes = lanes.iter().map(convert::lane_id).collect::<Result<Vec<_>, ProtocolError>>()?;
    let block = Block::of(&env.block);
    let chain = Chain::new(deps.storage, deps.api, deps.querier)?;
    let mut outcome = Outcome::default();
    for (position, lane) in lanes.into_iter().enumerate() {
        outcome.take(position, close_one(deps.storage, &chain, lane, block)?);
    }
    outcome.respond(None)
}

fn close_one(
    storage: &mut dyn Storage,
    chain: &Chain<'_>,
    id: LaneId,
    block: Block,
) -> Result<Result<Option<Event>, LaneFault>, ContractError> {
    let Some(lane) = record::LANE.may_load(storage, &id.0)? else {
        return Ok(Err(LaneFault::Unknown));
    };
    let author = chain.known_author(&lane.author)?;
    let terms = batch::terms(storage, chain, author.as_ref(), &id, &lane)?;
    let closed = rules::close_overdue(&lane, terms, block.time);
    batch::save_closed(storage, id, closed, block)
}
