//! An operator proposes its institution's relationship with a case.

use casewise_ledger::records::{relationship_id, Policy};
use casewise_protocol::{
    block_ms, convert,
    ppr::PolicyMsg,
    record,
    remote::Registrar,
    rules::{self, Change, Refusal},
};
use cosmwasm_std::{Deps, DepsMut, Env, HexBinary, MessageInfo, Response};

use super::save_relationship;
use crate::{state, ContractError};

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
    let relationship =
        rules::propose(record::RELATIONSHIP.may_load(deps.storage, &id)?.as_ref(), block_ms(&env.block))?;
    if let Change::To(policy) = &policy {
        check_amends(deps.as_ref(), &case.0, policy)?;
        record::POLICY.save(deps.storage, &case.0, policy);
    }
    Ok(match relationship {
        Change::Same => Response::new(),
        Change::To(relationship) => save_relationship(deps.storage, case, number, &relationship),
    })
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
