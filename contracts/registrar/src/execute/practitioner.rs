//! Practitioners of institutions.

use casewise_ledger::{
    records::{PractitionerRecord, PractitionerStatus},
    Address, V1,
};
use casewise_protocol::{
    block_ms,
    convert::{self, PractitionerRole},
    record,
    rules::{self, Change, Superior},
    Event,
};
use cosmwasm_std::{DepsMut, Env, MessageInfo, Response};

use crate::{
    state::{self, staff_id},
    ContractError,
};

/// Registers an account that operates no institution as practitioner of the sender's.
pub fn register(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    account: &str,
    role: PractitionerRole,
) -> Result<Response, ContractError> {
    let (institution, _) = state::require_operator(deps.as_ref(), &info.sender)?;
    state::require_registrations(deps.storage)?;
    let account = convert::account(deps.api, "account", account)?;
    if let Some(number) = state::operates(deps.storage, &account.0)? {
        return Err(ContractError::IsOperator { number });
    }
    let wanted = PractitionerRecord {
        version: V1,
        status: PractitionerStatus::Active,
        role: role.into(),
        institution,
        since: block_ms(&env.block),
    };
    let existing = record::PRACTITIONER.may_load(deps.storage, &account.0)?;
    let change = rules::register_practitioner(existing.as_ref(), wanted)?;
    if change != Change::Same {
        state::STAFF.save(deps.storage, &staff_id(institution, &account), &true);
    }
    save(deps, account, change)
}

/// The institution suspends, the authority bars.
pub fn suspend(deps: DepsMut, env: Env, info: MessageInfo, account: &str) -> Result<Response, ContractError> {
    let (account, existing, by) = load(&deps, &info, account)?;
    let change = rules::suspend_practitioner(&existing, by, block_ms(&env.block));
    save(deps, account, change)
}

/// The practitioner may act again; only the authority lifts its own word.
pub fn resume(deps: DepsMut, env: Env, info: MessageInfo, account: &str) -> Result<Response, ContractError> {
    let (account, existing, by) = load(&deps, &info, account)?;
    let change = rules::resume_practitioner(&existing, by, block_ms(&env.block))?;
    save(deps, account, change)
}

/// The practitioner, for the authority and the active operators of its institution.
fn load(
    deps: &DepsMut,
    info: &MessageInfo,
    account: &str,
) -> Result<(Address, PractitionerRecord, Superior), ContractError> {
    let account = convert::account(deps.api, "account", account)?;
    let existing = state::practitioner(deps.storage, &account)?;
    let by = if state::require_authority(deps.as_ref(), &info.sender).is_ok() {
        Superior::Authority
    } else {
        state::require_authority_or_operator(deps.as_ref(), &info.sender, existing.institution)?;
        Superior::Institution
    };
    Ok((account, existing, by))
}

fn save(
    deps: DepsMut,
    account: Address,
    change: Change<PractitionerRecord>,
) -> Result<Response, ContractError> {
    let Some(next) = change.changed() else { return Ok(Response::new()) };
    record::PRACTITIONER.save(deps.storage, &account.0, &next);
    let PractitionerRecord { institution, status, .. } = next;
    Ok(Response::new().add_event(Event::PractitionerChanged { account, institution, status }.into_cosmwasm()))
}
