//! The holder's side disputes an anchored entry.

use casewise_ledger::records::{dispute_id, DisputeCode};
use casewise_protocol::{
    block_ms,
    ppr::Power,
    record,
    rules::{self, Change},
    Event,
};
use cosmwasm_std::{DepsMut, Env, HexBinary, MessageInfo, Response};

use crate::{chain::Chain, state, ContractError};

/// In every state of lane and case. The same dispute again changes nothing.
pub fn dispute(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    lane: &HexBinary,
    index: u32,
    code: DisputeCode,
) -> Result<Response, ContractError> {
    let (lane, stored) = state::known_lane(deps.storage, lane)?;
    let (case, now) = (stored.case, block_ms(&env.block));
    let chain = Chain::new(deps.storage, deps.api, deps.querier)?;
    chain.acts_for_holder(&info.sender, &case, Power::Disputes, now)?;
    let id = dispute_id(&case, &lane, index);
    let existing = record::DISPUTE.may_load(deps.storage, &id)?;
    let Change::To(dispute) = rules::dispute(&stored, existing.as_ref(), index, code, now)? else {
        return Ok(Response::new());
    };
    record::DISPUTE.save(deps.storage, &id, &dispute);
    Ok(Response::new().add_event(Event::EntryDisputed { case, lane, index, code }.into_cosmwasm()))
}
