//! An operator opens lanes of its institution.

use casewise_ledger::{
    records::{IdentityRecord, InstitutionRecord, RelationshipRecord},
    CaseId, LaneHeader,
};
use casewise_protocol::{
    convert, record,
    rules::{self, Block, Refusal},
    summary::MAX_OPEN,
    Event, ProtocolError,
};
use cosmwasm_std::{Binary, DepsMut, Env, MessageInfo, Response, Storage};

use crate::{chain::Chain, state, ContractError};

/// What the other contracts say of a case and the author.
struct Standing {
    case: CaseId,
    identity: IdentityRecord,
    relationship: Option<RelationshipRecord>,
}

/// All of them or none; a lane that exists is left alone.
pub fn open(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    headers: &[Binary],
) -> Result<Response, ContractError> {
    convert::bounded("headers", headers, MAX_OPEN)?;
    let headers: Vec<LaneHeader> = headers
        .iter()
        .map(|header| convert::object("headers", header))
        .collect::<Result<_, ProtocolError>>()?;
    let number = one_author(&headers)?;
    let chain = Chain::new(deps.storage, deps.api, deps.querier)?;
    let institution = chain.operator_of(&info.sender, number)?;
    let block = Block::of(&env.block);
    let mut response = Response::new();
    let mut standing: Option<Standing> = None;
    for header in headers {
        if record::LANE.has(deps.storage, &header.id().0) {
            continue;
        }
        // a case's content and access lane come together
        let known = standing.take().filter(|standing| standing.case == header.case);
        let known = known.map_or_else(|| load(&chain, header.case, number), Ok)?;
        open_one(deps.storage, &header, (number, &institution), &known, block)?;
        standing = Some(known);
        response = response.add_event(Event::LaneOpened { header }.into_cosmwasm());
    }
    Ok(response)
}

/// Checks each header by itself and that one institution is the author of all.
fn one_author(headers: &[LaneHeader]) -> Result<u32, ContractError> {
    let mut author = None;
    for header in headers {
        let number = rules::header(header)?;
        if *author.get_or_insert(number) != number {
            return Err(Refusal::AuthorsDiffer.into());
        }
    }
    Ok(author.ok_or(ProtocolError::Empty { field: "headers" })?)
}

fn load(chain: &Chain<'_>, case: CaseId, number: u32) -> Result<Standing, ContractError> {
    Ok(Standing { case, identity: chain.identity(&case)?, relationship: chain.relationship(&case, number)? })
}

fn open_one(
    storage: &mut dyn Storage,
    header: &LaneHeader,
    author: (u32, &InstitutionRecord),
    standing: &Standing,
    block: Block,
) -> Result<(), ContractError> {
    let case = state::case(storage, &header.case)?;
    rules::may_open(header, author, standing.relationship.as_ref(), &standing.identity, case.as_ref())?;
    state::add_lane(storage, header, block)
}
