//! An operator anchors heads of its institution's lanes.

use casewise_ledger::{
    records::{InstitutionRecord, LaneRecord},
    AnchorBatch, AnchorItem, AnchoredHead,
};
use casewise_protocol::{
    convert, record,
    rules::{self, Block, Change, LaneFault, Terms},
    Event,
};
use cosmwasm_std::{Binary, Deps, DepsMut, Env, MessageInfo, Response};

use super::batch::{self, Outcome};
use crate::{chain::Chain, state, ContractError};

/// Each lane by itself; one event with the heads that changed.
pub fn anchor(deps: DepsMut, env: Env, info: MessageInfo, blob: &Binary) -> Result<Response, ContractError> {
    let batch: AnchorBatch = convert::object("blob", blob)?;
    batch.check().map_err(ContractError::Batch)?;
    let chain = Chain::new(deps.storage, deps.api, deps.querier)?;
    let (lanes, institution) = batch::load(deps.storage, &chain, &info.sender, batch::lanes(&batch.items))?;
    let block = Block::of(&env.block);
    let mut outcome = Outcome::default();
    let mut heads = Vec::with_capacity(batch.items.len());
    for (position, (item, lane)) in batch.items.iter().zip(&lanes).enumerate() {
        let next = check(deps.as_ref(), &chain, item, lane.as_ref().zip(institution.as_ref()), block)?;
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
    item: &AnchorItem,
    lane: Option<(&LaneRecord, &InstitutionRecord)>,
    block: Block,
) -> Result<Result<Change<LaneRecord>, LaneFault>, ContractError> {
    let Some((lane, institution)) = lane else {
        return Ok(Err(LaneFault::Unknown));
    };
    let until = chain.until(institution, &lane.case)?;
    let terms = Terms { due: state::due(deps.storage, &item.lane, lane)?, until };
    Ok(rules::anchor(lane, item, terms, block, batch::ed25519(deps.api)))
}
