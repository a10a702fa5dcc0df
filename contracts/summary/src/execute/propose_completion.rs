//! The holder's side or an institution proposes that a case is complete.

use casewise_protocol::{
    convert,
    ppr::Power,
    record::{self, Be64},
    rules::{self, Block, Change},
    Event,
};
use cosmwasm_std::{DepsMut, Env, HexBinary, MessageInfo, Response};

use crate::{chain::Chain, state, ContractError};

/// Starts the time for objections. The same proposal again changes nothing.
pub fn propose_completion(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
    digest: &HexBinary,
) -> Result<Response, ContractError> {
    let case = convert::case_id(case)?;
    let digest = convert::fixed("digest", digest)?;
    let block = Block::of(&env.block);
    let chain = Chain::new(deps.storage, deps.api, deps.querier)?;
    chain.involved(&info.sender, &case, Power::Completion, block.time)?;
    let stored = state::known_case(deps.storage, &case)?;
    let Change::To(proposed) = rules::propose_completion(&stored, &digest, block.height)? else {
        return Ok(Response::new());
    };
    let deadline = rules::completion_deadline(block.time, chain.policy(&case)?.as_ref());
    record::CASE.save(deps.storage, &case.0, &proposed);
    record::DUE.save(deps.storage, &case.0, &Be64(deadline));
    Ok(Response::new().add_event(Event::CompletionProposed { case, digest, deadline }.into_cosmwasm()))
}
