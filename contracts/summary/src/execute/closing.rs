//! A relationship is suspended or over: the institution's content lanes get a deadline. ppr tells of it
//! as it happens; anyone may later, for ppr tells one summary only and lanes live on in older ones.

use casewise_ledger::Party;
use casewise_protocol::{
    convert,
    rules::{self, Block},
};
use cosmwasm_std::{DepsMut, Env, HexBinary, MessageInfo, Response};

use super::batch;
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
    let case = convert::case_id(case)?;
    if info.sender != chain.ppr && !rules::writing_is_over(chain.relationship(&case, institution)?.as_ref()) {
        return Err(ContractError::NotPpr);
    }
    let deadline = rules::deadline(Block::of(&env.block).time, chain.policy(&case)?.as_ref());
    let lanes = state::open_lanes(deps.storage, &case, &Party::Institution(institution))?.content;
    let events = batch::start_closing(deps.storage, lanes, deadline)?;
    Ok(Response::new().add_events(events))
}
