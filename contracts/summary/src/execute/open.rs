//! An author opens lanes.

use casewise_ledger::{
    records::{IdentityRecord, RecoveryRecord, RelationshipRecord},
    CaseId, LaneHeader, Party,
};
use casewise_protocol::{
    convert, record,
    rules::{self, Block, Refusal},
    summary::MAX_OPEN,
    Event, ProtocolError,
};
use cosmwasm_std::{Binary, DepsMut, Env, MessageInfo, Response, Storage};

use crate::{
    chain::{Author, Chain},
    state, ContractError,
};

/// What the other contracts say of a case and the author.
struct Standing {
    case: CaseId,
    identity: IdentityRecord,
    /// Of an institution.
    relationship: Option<RelationshipRecord>,
    /// Looked at for an account.
    recovery: Option<RecoveryRecord>,
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
    let author = one_author(&headers)?;
    let chain = Chain::new(deps.storage, deps.api, deps.querier)?;
    let author = chain.author(&info.sender, &author)?;
    let block = Block::of(&env.block);
    let mut response = Response::new();
    let mut standing: Option<Standing> = None;
    for header in headers {
        if record::LANE.has(deps.storage, &header.id().0) {
            continue;
        }
        // a case's content and access lane come together
        let known = standing.take().filter(|standing| standing.case == header.case);
        let known = known.map_or_else(|| load(&chain, header.case, &author), Ok)?;
        open_one(deps.storage, &header, &author, &known, block)?;
        standing = Some(known);
        response = response.add_event(Event::LaneOpened { header }.into_cosmwasm());
    }
    Ok(response)
}

/// Checks each header by itself and that all have one author.
fn one_author(headers: &[LaneHeader]) -> Result<Party, ContractError> {
    let mut author = None;
    for header in headers {
        rules::header(header)?;
        if *author.get_or_insert(header.author) != header.author {
            return Err(Refusal::AuthorsDiffer.into());
        }
    }
    Ok(author.ok_or(ProtocolError::Empty { field: "headers" })?)
}

fn load(chain: &Chain<'_>, case: CaseId, author: &Author) -> Result<Standing, ContractError> {
    let identity = chain.identity(&case)?;
    let (relationship, recovery) = match author {
        Author::Institution(number, _) => (chain.relationship(&case, *number)?, None),
        Author::Account(_) => (None, chain.recovery(&case)?),
    };
    Ok(Standing { case, identity, relationship, recovery })
}

fn open_one(
    storage: &mut dyn Storage,
    header: &LaneHeader,
    author: &Author,
    standing: &Standing,
    block: Block,
) -> Result<(), ContractError> {
    let case = state::case(storage, &header.case)?;
    let (identity, case) = (&standing.identity, case.as_ref());
    match author {
        Author::Institution(number, institution) => {
            let relationship = standing.relationship.as_ref();
            rules::may_open(header, (*number, institution), relationship, identity, case)?;
        }
        Author::Account(account) => {
            let recovery = standing.recovery.as_ref();
            rules::may_open_own(header, account, identity, recovery, case, block.time)?;
        }
    }
    state::add_lane(storage, header, block)
}
