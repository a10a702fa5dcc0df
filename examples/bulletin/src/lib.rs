//! A contract beside Casewise: institutions publish hashes of notices (a guideline, a recall), and
//! anyone can ask who published what.
//!
//! Shows how a contract of one's own asks the registrar who may act: one raw read of a frozen
//! record for the sender, one for its institution, and the rule that `casewise-protocol` has
//! already. Must never keep a copy of what the registrar knows: it would grow old.

use casewise_protocol::{
    convert, nonpayable, page,
    remote::Registrar,
    rules::{self, Refusal},
    ProtocolError,
};
use cosmwasm_schema::{cw_serde, QueryResponses};
use cosmwasm_std::{
    entry_point, to_json_binary, Addr, Binary, Deps, DepsMut, Env, Event, HexBinary, MessageInfo, Order,
    Response, StdError,
};
use cw_storage_plus::{Bound, Item, Map};

const NAME: &str = "casewise-example-bulletin";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The registrar's address.
const REGISTRAR: Item<Addr> = Item::new("registrar");
/// Who published a hash.
const NOTICES: Map<&[u8], u32> = Map::new("notices");

/// What the contract starts with.
#[cw_serde]
pub struct InstantiateMsg {
    /// The registrar's address.
    pub registrar: String,
}

/// What can be done.
#[cw_serde]
pub enum ExecuteMsg {
    /// An operator of an active institution publishes the hash of a notice.
    Publish {
        /// SHA-256 of the notice, 32 bytes.
        hash: HexBinary,
    },
}

/// What can be asked.
#[cw_serde]
#[derive(QueryResponses)]
pub enum QueryMsg {
    /// Notices in ascending hash.
    #[returns(Vec<Notice>)]
    Notices {
        /// Hash after which to start, 32 bytes.
        start_after: Option<HexBinary>,
        /// Items of the page.
        limit: Option<u32>,
    },
}

/// A notice.
#[cw_serde]
pub struct Notice {
    /// SHA-256 of it, 32 bytes.
    pub hash: HexBinary,
    /// Who published it.
    pub institution: u32,
}

/// Why a message or query was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    /// A field is not well-formed, or the registrar does not answer.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The registrar's rules refuse it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Another institution was first.
    #[error("hash: published by institution {institution}; nothing to add")]
    Published {
        /// That institution.
        institution: u32,
    },
    /// The host failed.
    #[error("{0}")]
    Host(#[from] StdError),
}

/// Starts the contract beside a registrar.
#[entry_point]
pub fn instantiate(
    deps: DepsMut,
    _env: Env,
    info: MessageInfo,
    msg: InstantiateMsg,
) -> Result<Response, ContractError> {
    nonpayable(&info)?;
    REGISTRAR.save(deps.storage, &convert::contract(deps.api, "registrar", &msg.registrar)?)?;
    cw2::set_contract_version(deps.storage, NAME, VERSION)?;
    Ok(Response::new())
}

/// Does what a message says.
#[entry_point]
pub fn execute(
    deps: DepsMut,
    _env: Env,
    info: MessageInfo,
    msg: ExecuteMsg,
) -> Result<Response, ContractError> {
    nonpayable(&info)?;
    let ExecuteMsg::Publish { hash } = msg;
    let hash: [u8; 32] = convert::fixed("hash", &hash)?;
    let institution = speaker(deps.as_ref(), &info.sender)?;
    match NOTICES.may_load(deps.storage, &hash)? {
        Some(first) if first == institution => return Ok(Response::new()),
        Some(institution) => return Err(ContractError::Published { institution }),
        None => NOTICES.save(deps.storage, &hash, &institution)?,
    }
    let event = Event::new("notice_published")
        .add_attribute("hash", convert::hex(&hash).to_hex())
        .add_attribute("institution", institution.to_string());
    Ok(Response::new().add_event(event))
}

/// The active institution that the sender operates.
fn speaker(deps: Deps, sender: &Addr) -> Result<u32, ContractError> {
    let address = REGISTRAR.load(deps.storage)?;
    let registrar = Registrar::new(deps.querier, &address);
    let account = deps.api.addr_canonicalize(sender.as_str())?;
    let number = registrar.operator(account.as_slice())?.ok_or(Refusal::NoOperator)?;
    let institution = registrar.institution(number)?.ok_or(Refusal::NoOperator)?;
    rules::active(number, &institution)?;
    Ok(number)
}

/// Answers a question.
#[entry_point]
pub fn query(deps: Deps, _env: Env, msg: QueryMsg) -> Result<Binary, ContractError> {
    let QueryMsg::Notices { start_after, limit } = msg;
    let start = start_after.as_ref().map(|hash| convert::fixed::<32>("start_after", hash)).transpose()?;
    let start = start.as_ref().map(|hash| Bound::exclusive(hash.as_slice()));
    let notices = NOTICES
        .range(deps.storage, start, None, Order::Ascending)
        .take(page::limit(limit))
        .map(|item| item.map(|(hash, institution)| Notice { hash: hash.into(), institution }))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(to_json_binary(&notices)?)
}
