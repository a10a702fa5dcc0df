//! An author closes lanes at a final head and opens the lanes that go on from them.

use casewise_ledger::{
    records::{LaneRecord, LaneStatus},
    AnchoredHead, RotateBatch, RotateItem,
};
use casewise_protocol::{
    convert, record,
    rules::{self, Block, Change, LaneFault},
    Event,
};
use cosmwasm_std::{Binary, Deps, DepsMut, Env, MessageInfo, Response};

use super::batch::{self, Outcome};
use crate::{
    chain::{Author, Chain},
    state, ContractError,
};

/// Each rotation by itself, whole or not at all. A suspended institution rotates nothing, nor does a
/// holder while a recovery is running, and a header that cannot follow its lane is a fault of the
/// maker: all these refuse the message.
pub fn rotate(
    mut deps: DepsMut,
    env: Env,
    info: MessageInfo,
    blob: &Binary,
) -> Result<Response, ContractError> {
    let batch: RotateBatch = convert::object("blob", blob)?;
    batch.check().map_err(ContractError::Batch)?;
    let block = Block::of(&env.block);
    let chain = Chain::new(deps.storage, deps.api, deps.querier)?;
    let ids = batch.items.iter().map(|item| item.last.lane);
    let (lanes, author) = batch::load(deps.storage, &chain, &info.sender, ids)?;
    check_headers(&chain, &batch, &lanes, author.as_ref(), block.time)?;
    let mut outcome = Outcome::default();
    for (position, (item, lane)) in batch.items.iter().zip(&lanes).enumerate() {
        let done = match lane {
            None => Err(LaneFault::Unknown),
            Some(lane) => rotate_one(deps.branch(), &chain, author.as_ref(), (item, lane), block)?,
        };
        outcome.take(position, done);
    }
    outcome.respond(None)
}

fn check_headers(
    chain: &Chain<'_>,
    batch: &RotateBatch,
    lanes: &[Option<LaneRecord>],
    author: Option<&Author>,
    now: u64,
) -> Result<(), ContractError> {
    for (item, lane) in batch.items.iter().zip(lanes) {
        if let (Some(lane), Some(author)) = (lane, author) {
            match author {
                Author::Institution(number, institution) => rules::active(*number, institution)?,
                Author::Account(_) => rules::not_recovering(chain.recovery(&lane.case)?.as_ref(), now)?,
            }
            rules::successor(lane, &item.next)?;
        }
    }
    Ok(())
}

fn rotate_one(
    deps: DepsMut,
    chain: &Chain<'_>,
    author: Option<&Author>,
    (item, lane): (&RotateItem, &LaneRecord),
    block: Block,
) -> Result<Result<Option<Event>, LaneFault>, ContractError> {
    let closed = match check(deps.as_ref(), chain, author, (item, lane), block)? {
        Err(fault) => return Ok(Err(fault)),
        Ok(Change::Same) => return Ok(Ok(None)),
        Ok(Change::To(closed)) => closed,
    };
    let id = item.last.lane;
    state::close_lane(deps.storage, &id, &closed, block)?;
    state::add_lane(deps.storage, &item.next, block)?;
    let last = AnchoredHead { lane: id, size: closed.size, root: closed.root };
    Ok(Ok(Some(Event::LaneRotated { last, next: item.next.clone() })))
}

fn check(
    deps: Deps,
    chain: &Chain<'_>,
    author: Option<&Author>,
    (item, lane): (&RotateItem, &LaneRecord),
    block: Block,
) -> Result<Result<Change<LaneRecord>, LaneFault>, ContractError> {
    if lane.status == LaneStatus::Closed {
        let done = lane.head() == item.last.head() && record::LANE.has(deps.storage, &item.next.id().0);
        return Ok(if done { Ok(Change::Same) } else { Err(LaneFault::Closed) });
    }
    let identity = chain.identity(&lane.case)?;
    let case = state::case(deps.storage, &lane.case)?;
    if let Err(fault) = rules::rotation_case(lane, item.next.epoch, &identity, case.as_ref()) {
        return Ok(Err(fault));
    }
    let terms = batch::terms(deps.storage, chain, author, &item.last.lane, lane)?;
    Ok(rules::close(lane, &item.last, terms, block, batch::ed25519(deps.api)))
}
