//! What the batches have in common: whose lanes they are, which items fail alone, and the answer.

use casewise_ledger::{
    records::{InstitutionRecord, LaneRecord},
    AnchorItem, LaneId,
};
use casewise_protocol::{
    record,
    rules::{Block, Change, LaneFault, Refusal},
    summary::{BatchResponse, Failure},
    Event,
};
use cosmwasm_std::{to_json_binary, Addr, Api, Response, Storage};

use crate::{chain::Chain, state, ContractError};

/// The lanes of a batch as stored, and their author. The sender must be an operator of the one
/// author of all of them; an unknown lane has none and fails later, alone.
pub fn load(
    storage: &dyn Storage,
    chain: &Chain<'_>,
    sender: &Addr,
    ids: impl Iterator<Item = LaneId>,
) -> Result<(Vec<Option<LaneRecord>>, Option<InstitutionRecord>), ContractError> {
    let lanes = ids.map(|id| record::LANE.may_load(storage, &id.0)).collect::<Result<Vec<_>, _>>()?;
    let mut author = None;
    for lane in lanes.iter().flatten() {
        let number = state::institution_of(&lane.author)?;
        match author {
            None => author = Some(number),
            Some(known) if known == number => {}
            Some(_) => return Err(Refusal::NotOperator { institution: number }.into()),
        }
    }
    let institution = match author {
        Some(number) => Some(chain.operator_of(sender, number)?),
        None => {
            chain.operator(sender)?;
            None
        }
    };
    Ok((lanes, institution))
}

/// Ed25519 by the ZIP-215 rules, as the host has it; a malformed key or signature does not verify.
pub fn ed25519(api: &dyn Api) -> impl Fn(&[u8; 32], &[u8], &[u8; 64]) -> bool + '_ {
    |key, message, signature| api.ed25519_verify(message, signature, key).unwrap_or(false)
}

/// What became of the items so far.
#[derive(Default)]
pub struct Outcome {
    failed: Vec<Failure>,
    events: Vec<Event>,
}

impl Outcome {
    /// Takes up what became of the item at `position`.
    pub fn take(&mut self, position: usize, done: Result<Option<Event>, LaneFault>) {
        match done {
            Ok(event) => self.events.extend(event),
            Err(code) => self.failed.push(Failure { position: position as u32, code }),
        }
    }

    /// The answer, with one more event if there is one.
    pub fn respond(self, last: Option<Event>) -> Result<Response, ContractError> {
        let events = self.events.into_iter().chain(last).map(Event::into_cosmwasm);
        let data = to_json_binary(&BatchResponse { failed: self.failed })?;
        Ok(Response::new().add_events(events).set_data(data))
    }
}

/// Stores a lane that closed without a successor, and tells of it.
pub fn save_closed(
    storage: &mut dyn Storage,
    lane: LaneId,
    closed: Result<Change<LaneRecord>, LaneFault>,
    block: Block,
) -> Result<Result<Option<Event>, LaneFault>, ContractError> {
    match closed {
        Err(fault) => Ok(Err(fault)),
        Ok(Change::Same) => Ok(Ok(None)),
        Ok(Change::To(closed)) => {
            state::close_lane(storage, &lane, &closed, block)?;
            Ok(Ok(Some(Event::LaneClosed { lane, case: closed.case, head: closed.head() })))
        }
    }
}

/// The lanes of items.
pub fn lanes(items: &[AnchorItem]) -> impl Iterator<Item = LaneId> + '_ {
    items.iter().map(|item| item.lane)
}
