//! Anyone completes a case when the time for objections is over.

use casewise_protocol::{
    convert,
    rules::{self, Block, Change},
    Event,
};
use cosmwasm_std::{DepsMut, Env, HexBinary, Response};

use crate::{chain::Chain, state, ContractError};

/// The case is completed, for good. Not while a recovery of the case is running: its patient cannot
/// object then. A holder who came after the proposal has the whole time for objections. The same
/// again changes nothing.
pub fn finish_completion(
    deps: DepsMut,
    env: Env,
    case: &HexBinary,
    digest: &HexBinary,
) -> Result<Response, ContractError> {
    let case = convert::case_id(case)?;
    let digest = convert::fixed("digest", digest)?;
    let block = Block::of(&env.block);
    let stored = state::known_case(deps.storage, &case)?;
    let due = state::case_due(deps.storage, &case)?;
    let change = rules::finish_completion(&stored, &digest, due, block)?;
    if change != Change::Same {
        let chain = Chain::new(deps.storage, deps.api, deps.querier)?;
        rules::not_recovering(chain.recovery(&case)?.as_ref(), block.time)?;
        let since = chain.identity(&case)?.since;
        rules::objections_over(since, chain.policy(&case)?.as_ref(), block.time)?;
    }
    Ok(state::settle_proposal(deps.storage, &case, change, Event::CaseCompleted { case, digest }))
}
