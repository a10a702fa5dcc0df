//! The holder puts another account and key of its own in its place.

use casewise_ledger::CaseId;
use casewise_protocol::{
    block_ms, convert,
    events::RotationCause,
    ppr,
    rules::{self, Change, Identity},
    Event,
};
use cosmwasm_std::{DepsMut, Env, MessageInfo, Response, WasmMsg};

use crate::{signature::SignedCard, state, ContractError};

/// The same rotation again changes nothing, whoever sends it.
pub fn rotate(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    signed: SignedCard,
) -> Result<Response, ContractError> {
    let card = signed.check(deps.api)?;
    let identity = state::identity(deps.storage, &card.case)?;
    let sender = state::sender(deps.as_ref(), &info.sender)?;
    let taken = state::holds_case(deps.storage, &card.holder);
    match rules::rotate(&identity, &card, sender.as_slice(), taken, block_ms(&env.block))? {
        Change::Same => Ok(Response::new()),
        Change::To(next) => succeed(deps, &card.case, &identity, &next, RotationCause::Rotation),
    }
}

/// Stores an identity with another holder, and tells ppr in the same transaction: what the authors
/// keep for the former holder is out of date.
pub fn succeed(
    deps: DepsMut,
    case: &CaseId,
    before: &Identity,
    after: &Identity,
    cause: RotationCause,
) -> Result<Response, ContractError> {
    let changed = ppr::ExecuteMsg::HolderChanged { case: convert::hex(&case.0) };
    let tell = WasmMsg::Execute {
        contract_addr: state::ppr(deps.storage)?.into_string(),
        msg: cosmwasm_std::to_json_binary(&changed)?,
        funds: Vec::new(),
    };
    state::save_identity(deps.storage, case, before, after);
    let event = Event::IdentityRotated { case: *case, epoch: after.record.epoch, cause };
    Ok(Response::new().add_event(event.into_cosmwasm()).add_message(tell))
}
