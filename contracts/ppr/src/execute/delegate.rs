//! The holder names who acts for it, and ends that; a delegate may leave by itself.

use casewise_ledger::{
    records::{delegate_id, DelegateRecord},
    Address, CaseId,
};
use casewise_protocol::{
    block_ms, convert,
    ppr::{Power, MAX_DELEGATES},
    record,
    remote::Registrar,
    rules::{self, Change, Refusal},
    Event, ProtocolError,
};
use cosmwasm_std::{Deps, DepsMut, Env, HexBinary, MessageInfo, Response, Storage, Uint64};

use crate::{state, ContractError};

/// By the holder itself only. Delegates that are over leave when their room is needed.
pub fn set(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
    account: &str,
    powers: &[Power],
    until: Option<Uint64>,
) -> Result<Response, ContractError> {
    let case = convert::case_id(case)?;
    let now = block_ms(&env.block);
    let identity = state::require_holder(deps.as_ref(), &info.sender, &case)?;
    state::not_recovering(deps.as_ref(), now, &case)?;
    let account = convert::account(deps.api, "account", account)?;
    if powers.is_empty() {
        return Err(ProtocolError::Empty { field: "powers" }.into());
    }
    if account == identity.holder {
        return Err(Refusal::DelegateIsHolder.into());
    }
    let id = delegate_id(&case, &account);
    let stored = record::DELEGATE.may_load(deps.storage, &id)?;
    let until = until.map(|until| until.u64());
    let Change::To(delegate) = rules::set_delegate(stored.as_ref(), powers, until, &identity, now)? else {
        return Ok(Response::new());
    };
    check_person(deps.as_ref(), &account)?;
    let mut response = Response::new();
    if stored.is_none() {
        let others = delegates(deps.storage, &case)?;
        for leaving in rules::make_room(&others, &identity, now)? {
            record::DELEGATE.remove(deps.storage, &delegate_id(&case, leaving));
            response = response.add_event(removed(case, *leaving).into_cosmwasm());
        }
    }
    record::DELEGATE.save(deps.storage, &id, &delegate);
    let DelegateRecord { powers, until, .. } = delegate;
    Ok(response.add_event(Event::DelegateChanged { case, account, powers, until }.into_cosmwasm()))
}

/// By the holder or the delegate itself, whatever is running or over; without one nothing changes.
pub fn remove(
    deps: DepsMut,
    info: MessageInfo,
    case: &HexBinary,
    account: &str,
) -> Result<Response, ContractError> {
    let case = convert::case_id(case)?;
    let account = convert::account(deps.api, "account", account)?;
    let identity = state::identity(deps.as_ref(), &case)?;
    let sender = state::sender(deps.as_ref(), &info.sender)?;
    if sender.as_slice() != account.0 && rules::holder(&identity, sender.as_slice()).is_err() {
        return Err(Refusal::NotDelegate.into());
    }
    let id = delegate_id(&case, &account);
    if !record::DELEGATE.has(deps.storage, &id) {
        return Ok(Response::new());
    }
    record::DELEGATE.remove(deps.storage, &id);
    Ok(Response::new().add_event(removed(case, account).into_cosmwasm()))
}

/// An institution must not act for the patient whom it treats.
fn check_person(deps: Deps, account: &Address) -> Result<(), ContractError> {
    let registrar = state::registrar(deps.storage)?;
    match Registrar::new(deps.querier, &registrar).operator(&account.0)? {
        None => Ok(()),
        Some(_) => Err(Refusal::DelegateIsOperator.into()),
    }
}

/// All of a case's delegates: never more than [`MAX_DELEGATES`].
fn delegates(storage: &dyn Storage, case: &CaseId) -> Result<Vec<(Address, DelegateRecord)>, ProtocolError> {
    let page = record::DELEGATE.page(storage, &case.0, None, MAX_DELEGATES)?;
    page.into_iter().map(|(rest, delegate)| Ok((state::delegate_account(&rest)?, delegate))).collect()
}

fn removed(case: CaseId, account: Address) -> Event {
    Event::DelegateChanged { case, account, powers: 0, until: 0 }
}
