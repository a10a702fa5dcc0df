//! The holder's side takes a dispute back.

use casewise_ledger::records::dispute_id;
use casewise_protocol::{block_ms, ppr::Power, record, Event};
use cosmwasm_std::{DepsMut, Env, HexBinary, MessageInfo, Response};

use crate::{chain::Chain, state, ContractError};

/// What is not disputed stays so.
pub fn withdraw_dispute(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    lane: &HexBinary,
    index: u32,
) -> Result<Response, ContractError> {
    let (lane, stored) = state::known_lane(deps.storage, lane)?;
    let case = stored.case;
    let chain = Chain::new(deps.storage, deps.api, deps.querier)?;
    chain.acts_for_holder(&info.sender, &case, Power::Disputes, block_ms(&env.block))?;
    let id = dispute_id(&case, &lane, index);
    if !record::DISPUTE.has(deps.storage, &id) {
        return Ok(Response::new());
    }
    record::DISPUTE.remove(deps.storage, &id);
    Ok(Response::new().add_event(Event::DisputeWithdrawn { case, lane, index }.into_cosmwasm()))
}
