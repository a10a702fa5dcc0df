//! What the batches have in common: whose lanes they are, which items fail alone, and the answer.

use casewise_ledger::{records::LaneRecord, AnchorItem, LaneId, Party};
use casewise_protocol::{
    record::{self, Be64},
    rules::{self, Block, Change, LaneFault, Refusal, Terms},
    summary::{BatchResponse, Failure},
    Event,
};
use cosmwasm_std::{to_json_binary, Addr, Api, Response, Storage};

use crate::{
    chain::{Author, Chain},
    state, ContractError,
};

/// The lanes of a batch as stored, and their author. The sender must be the one author of all of
/// them, or an operator of it; an unknown lane has none and fails later, alone.
pub fn load(
    storage: &dyn Storage,
    chain: &Chain<'_>,
    sender: &Addr,
    ids: impl Iterator<Item = LaneId>,
) -> Result<(Vec<Option<LaneRecord>>, Option<Author>), ContractError> {
    let lanes = ids.map(|id| record::LANE.may_load(storage, &id.0)).collect::<Result<Vec<_>, _>>()?;
    let mut author = None;
    for lane in lanes.iter().flatten() {
        if *author.get_or_insert(lane.author) != lane.author {
            return Err(not_author(&lane.author).into());
        }
    }
    let author = match author {
        Some(author) => Some(chain.author(sender, &author)?),
        None => {
            chain.operator(sender)?;
            None
        }
    };
    Ok((lanes, author))
}

fn not_author(author: &Party) -> Refusal {
    match author {
        Party::Institution(number) => Refusal::NotOperator { institution: *number },
        Party::Account(_) => Refusal::NotAuthor,
    }
}

/// Ends of a lane's writing. Whether it is compromised is read only of a device's lane.
pub fn terms(
    storage: &dyn Storage,
    chain: &Chain<'_>,
    author: Option<&Author>,
    id: &LaneId,
    lane: &LaneRecord,
) -> Result<Terms, ContractError> {
    let until = author.map(|author| chain.until(author, &lane.case)).transpose()?.flatten();
    Ok(Terms {
        due: state::due(storage, id, lane)?,
        until,
        compromised: lane.signer.is_some() && record::COMPROMISE.has(storage, &id.0),
    })
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

/// Gives open content lanes a deadline (Unix ms) and tells of each. A lane that is closing already
/// keeps its own.
pub fn start_closing(
    storage: &mut dyn Storage,
    lanes: Vec<LaneId>,
    deadline: u64,
) -> Result<Vec<cosmwasm_std::Event>, ContractError> {
    let mut events = Vec::new();
    for lane in lanes {
        let stored = record::LANE.load(storage, &lane.0)?;
        if let Change::To(closing) = rules::start_closing(&stored) {
            record::LANE.save(storage, &lane.0, &closing);
            record::DUE.save(storage, &lane.0, &Be64(deadline));
            events.push(Event::LaneClosing { lane, deadline }.into_cosmwasm());
        }
    }
    Ok(events)
}

/// The lanes of items.
pub fn lanes(items: &[AnchorItem]) -> impl Iterator<Item = LaneId> + '_ {
    items.iter().map(|item| item.lane)
}
