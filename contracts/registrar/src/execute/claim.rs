//! A custodial case passes to the patient.

use casewise_ledger::{records::ClaimRecord, V1};
use casewise_protocol::{
    block_ms, convert,
    events::RotationCause,
    rules::{self, Change},
    Event,
};
use cosmwasm_std::{DepsMut, Env, HexBinary, MessageInfo, Response, Uint64};

use super::{enrol::recovery, rotate::succeed};
use crate::{signature::SignedCard, state, ContractError};

/// Offers the case to an account; a new offer takes the place of an older one.
pub fn offer(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
    holder: &str,
    until: Uint64,
) -> Result<Response, ContractError> {
    let case = convert::case_id(case)?;
    let claim = ClaimRecord {
        version: V1,
        holder: convert::account(deps.api, "holder", holder)?,
        until: until.u64(),
    };
    let identity = state::identity(deps.storage, &case)?;
    let sender = state::sender(deps.as_ref(), &info.sender)?;
    let taken = state::holds_case(deps.storage, &claim.holder);
    match rules::offer_claim(&identity, claim, sender.as_slice(), taken, block_ms(&env.block))? {
        Change::Same => Ok(Response::new()),
        Change::To(next) => {
            state::save_identity(deps.storage, &case, &identity, &next);
            Ok(Response::new().add_event(Event::ClaimOffered { case, until: until.u64() }.into_cosmwasm()))
        }
    }
}

/// Takes the offer back.
pub fn withdraw(deps: DepsMut, info: MessageInfo, case: &HexBinary) -> Result<Response, ContractError> {
    let case = convert::case_id(case)?;
    let identity = state::identity(deps.storage, &case)?;
    let sender = state::sender(deps.as_ref(), &info.sender)?;
    match rules::withdraw_claim(&identity, sender.as_slice())? {
        Change::Same => Ok(Response::new()),
        Change::To(next) => {
            state::save_identity(deps.storage, &case, &identity, &next);
            Ok(Response::new().add_event(Event::ClaimWithdrawn { case }.into_cosmwasm()))
        }
    }
}

/// The patient's account becomes the holder and names its recovery account. The same again changes
/// nothing.
pub fn accept(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    signed: SignedCard,
    recovers: Option<&str>,
) -> Result<Response, ContractError> {
    let card = signed.check(deps.api)?;
    let recovers = recovery(deps.as_ref(), &card.holder, recovers)?;
    let identity = state::identity(deps.storage, &card.case)?;
    let sender = state::sender(deps.as_ref(), &info.sender)?;
    let taken = state::holds_case(deps.storage, &card.holder);
    let now = block_ms(&env.block);
    match rules::accept_claim(&identity, &card, recovers, sender.as_slice(), taken, now)? {
        Change::Same => Ok(Response::new()),
        Change::To(next) => succeed(deps, &card.case, &identity, &next, RotationCause::Claim),
    }
}
