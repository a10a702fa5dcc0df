//! An operator closes lanes of its institution at a final head.

use casewise_ledger::AnchorBatch;
use casewise_protocol::{
    convert,
    rules::{self, Block, LaneFault, Terms},
};
use cosmwasm_std::{Binary, DepsMut, Env, MessageInfo, Response};

use super::batch::{self, Outcome};
use crate::{chain::Chain, state, ContractError};

/// Each lane by itself.
pub fn close(deps: DepsMut, env: Env, info: MessageInfo, blob: &Binary) -> Result<Response, ContractError> {
    let batch: AnchorBatch = convert::object("blob", blob)?;
    batch.check().map_err(ContractError::Batch)?;
    let block = Block::of(&env.block);
    let chain = Chain::new(deps.storage, deps.api, deps.querier)?;
    let (lanes, institution) = batch::load(deps.storage, &chain, &info.sender, batch::lanes(&batch.items))?;
    let mut outcome = Outcome::default();
    for (position, (item, lane)) in batch.items.iter().zip(&lanes).enumerate() {
        let done = match lane.as_ref().zip(institution.as_ref()) {
            None => Err(LaneFault::Unknown),
            Some((lane, institution)) => {
                let terms = Terms {
                    due: state::due(deps.storage, &item.lane, lane)?,
                    until: chain.until(institution, &lane.case)?,
                };
                let closed = rules::close(lane, item, terms, block, batch::ed25519(deps.api));
                batch::save_closed(deps.storage, item.lane, closed, block)?
            }
        };
        outcome.take(position, done);
    }
    outcome.respond(None)
}
