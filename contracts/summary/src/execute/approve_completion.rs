//! The holder's side approves a proposed completion.

use casewise_protocol::{
    convert,
    ppr::Power,
    rules::{self, Block},
    Event,
};
use cosmwasm_std::{DepsMut, Env, HexBinary, MessageInfo, Response};

use crate::{chain::Chain, state, ContractError};

/// The case is completed, for good. The same approval again changes nothing.
pub fn approve_completion(
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
    chain.acts_for_holder(&info.sender, &case, Power::Completion, block.time)?;
    let stored = state::known_case(deps.storage, &case)?;
    let change = rules::approve_completion(&stored, &digest, block.height)?;
    Ok(state::settle_proposal(deps.storage, &case, change, Event::CaseCompleted { case, digest }))
}
