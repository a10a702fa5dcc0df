//! An author closes its lanes at a final head.

use casewise_ledger::AnchorBatch;
use casewise_protocol::{
    convert,
    rules::{self, Block, LaneFault},
};
use cosmwasm_std::{Binary, DepsMut, Env, MessageInfo, Response};

use super::batch::{self, Outcome};
use crate::{chain::Chain, ContractError};

/// Each lane by itself.
pub fn close(deps: DepsMut, env: Env, info: MessageInfo, blob: &Binary) -> Result<Response, ContractError> {
    let batch: AnchorBatch = convert::object("blob", blob)?;
    batch.check().map_err(ContractError::Batch)?;
    let block = Block::of(&env.block);
    let chain = Chain::new(deps.storage, deps.api, deps.querier)?;
    let (lanes, author) = batch::load(deps.storage, &chain, &info.sender, batch::lanes(&batch.items))?;
    let mut outcome = Outcome::default();
    for (position, (item, lane)) in batch.items.iter().zip(&lanes).enumerate() {
        let done = match lane {
            None => Err(LaneFault::Unknown),
            Some(lane) => {
                let terms = batch::terms(deps.storage, &chain, author.as_ref(), &item.lane, lane)?;
                let closed = rules::close(lane, item, terms, block, batch::ed25519(deps.api));
                batch::save_closed(deps.storage, item.lane, closed, block)?
            }
        };
        outcome.take(position, done);
    }
    outcome.respond(None)
}
