//! An author anchors heads of its lanes.

use casewise_ledger::{records::LaneRecord, AnchorBatch, AnchorItem, AnchoredHead};
use casewise_protocol::{
    convert, record,
    rules::{self, Block, Change, LaneFault},
    Event,
};
use cosmwasm_std::{Binary, Deps, DepsMut, Env, MessageInfo, Response};

use super::batch::{self, Outcome};
use crate::{
    chain::{Author, Chain},
    ContractError,
};

/// Each lane by itself; one event with the heads that changed.
pub fn anchor(deps: DepsMut, env: Env, info: MessageInfo, blob: &Binary) -> Result<Response, ContractError> {
    let batch: AnchorBatch = convert::object("blob", blob)?;
    batch.check().map_err(ContractError::Batch)?;
    let chain = Chain::new(deps.storage, deps.api, deps.querier)?;
    let (lanes, author) = batch::load(deps.storage, &chain, &info.sender, batch::lanes(&batch.items))?;
    let block = Block::of(&env.block);
    let mut outcome = Outcome::default();
    let mut heads = Vec::with_capacity(batch.items.len());
    for (position, (item, lane)) in batch.items.iter().zip(&lanes).enumerate() {
        let next = check(deps.as_ref(), &chain, author.as_ref(), item, lane.as_ref(), block)?;
        if let Ok(Change::To(next)) = &next {
            record::LANE.save(deps.storage, &item.lane.0, next);
            heads.push(AnchoredHead { lane: item.lane, size: item.size, root: item.root });
        }
        outcome.take(position, next.map(|_| None));
    }
    outcome.respond((!heads.is_empty()).then_some(Event::Anchored { heads }))
}

fn check(
    deps: Deps,
    chain: &Chain<'_>,
    author: Option<&Author>,
    item: &AnchorItem,
    lane: Option<&LaneRecord>,
    block: Block,
) -> Result<Result<Change<LaneRecord>, LaneFault>, ContractError> {
    let Some(lane) = lane else {
        return Ok(Err(LaneFault::Unknown));
    };
    let terms = batch::terms(deps.storage, chain, author, &item.lane, lane)?;
    Ok(rules::anchor(lane, item, terms, block, batch::ed25519(deps.api)))
}
