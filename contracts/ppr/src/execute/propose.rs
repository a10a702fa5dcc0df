//! An operator proposes its institution's relationship with a case. Invited by the holder, it is in
//! force at once.

use casewise_ledger::{
    records::{relationship_id, IdentityRecord, Policy},
    CaseId,
};
use casewise_protocol::{
    block_ms, convert,
    ppr::PolicyMsg,
    record,
    remote::Registrar,
    rules::{self, Change, Refusal},
};
use cosmwasm_std::{Deps, DepsMut, Env, HexBinary, MessageInfo, Response};

use super::{save_relationship, start_acks};
use crate::{
    state::{self, INVITED},
    ContractError,
};

/// The first proposal, by the institution that enrolled the case, brings the policy.
pub fn propose(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
    policy: Option<PolicyMsg>,
) -> Result<Response, ContractError> {
    let case = convert::case_id(case)?;
    let number = active_operator(deps.as_ref(), &info)?;
    let identity = state::identity(deps.as_ref(), &case)?;
    let given = policy.as_ref().map(PolicyMsg::policy).transpose()?;
    let stored = record::POLICY.may_load(deps.storage, &case.0)?;
    let policy = rules::policy(identity.institution == number, stored.as_ref(), given.as_ref())?;
    let id = relationship_id(&case, number);
    let now = block_ms(&env.block);
    let stored = record::RELATIONSHIP.may_load(deps.storage, &id)?;
    let invited = stored.is_none() && invited(deps.as_ref(), now, &case, number, &identity)?;
    let relationship = rules::propose(stored.as_ref(), invited, now)?;
    if let Change::To(policy) = &policy {
        check_amends(deps.as_ref(), &case.0, policy)?;
        record::POLICY.save(deps.storage, &case.0, policy);
    }
    let Change::To(relationship) = relationship else {
        return Ok(Response::new());
    };
    // used up, whether it counted or not
    INVITED.remove(deps.storage, &id);
    if invited {
        start_acks(deps.storage, &case, number)?;
    }
    Ok(save_relationship(deps.storage, case, number, &relationship))
}

/// Whether an invitation lets the proposal come into force at once.
fn invited(
    deps: Deps,
    now: u64,
    case: &CaseId,
    number: u32,
    identity: &IdentityRecord,
) -> Result<bool, ContractError> {
    let Some(epoch) = state::invited(deps.storage, case, number)? else {
        return Ok(false);
    };
    let registrar = state::registrar(deps.storage)?;
    let recovery = Registrar::new(deps.querier, &registrar).recovery(case)?;
    let recovering = rules::recovering(recovery.as_ref(), now);
    Ok(rules::invitation_counts(Some(epoch), identity, recovering))
}

/// The sender's institution, which must be active.
fn active_operator(deps: Deps, info: &MessageInfo) -> Result<u32, ContractError> {
    let number = state::require_operator(deps, &info.sender)?;
    let registrar = state::registrar(deps.storage)?;
    let institution =
        Registrar::new(deps.querier, &registrar).institution(number)?.ok_or(Refusal::NoOperator)?;
    rules::active(number, &institution)?;
    Ok(number)
}

/// A case amends another case of this network.
fn check_amends(deps: Deps, case: &[u8; 32], policy: &Policy) -> Result<(), ContractError> {
    match &policy.amends {
        None => Ok(()),
        Some(amends) if amends.0 == *case => Err(ContractError::Amends),
        Some(amends) => state::identity(deps, amends).map(|_| ()).map_err(|error| match error {
            ContractError::Refused(Refusal::NoIdentity) => ContractError::Amends,
            other => other,
        }),
    }
}
