//! A relationship is declined or ended: for good, and summary sets its lanes a deadline.

use casewise_ledger::{records::relationship_id, CaseId};
use casewise_protocol::{
    block_ms, convert,
    ppr::Power,
    record,
    rules::{self, Refusal},
};
use cosmwasm_std::{Deps, DepsMut, Env, HexBinary, MessageInfo, Response};

use super::leave;
use crate::{state, ContractError};

/// The holder, or a delegate, declines what is proposed.
pub fn decline(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
    institution: u32,
) -> Result<Response, ContractError> {
    let case = convert::case_id(case)?;
    let now = block_ms(&env.block);
    state::require_deciding(deps.as_ref(), now, &info.sender, &case, Power::Relationships)?;
    let stored = record::RELATIONSHIP.may_load(deps.storage, &relationship_id(&case, institution))?;
    leave(deps, case, institution, rules::decline(stored.as_ref(), now)?)
}

/// The holder, a delegate or the institution ends the relationship.
pub fn end(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
    institution: u32,
) -> Result<Response, ContractError> {
    let case = convert::case_id(case)?;
    let now = block_ms(&env.block);
    require_party(deps.as_ref(), now, &info, &case, institution)?;
    let stored = record::RELATIONSHIP.may_load(deps.storage, &relationship_id(&case, institution))?;
    leave(deps, case, institution, rules::end(stored.as_ref(), now)?)
}

/// A recovery holds up the holder's side only: an institution may always leave.
fn require_party(
    deps: Deps,
    now: u64,
    info: &MessageInfo,
    case: &CaseId,
    institution: u32,
) -> Result<(), ContractError> {
    let refusal = match state::require_deciding(deps, now, &info.sender, case, Power::Relationships) {
        Err(ContractError::Refused(Refusal::NotHolder)) => Refusal::NotParty { institution },
        Err(ContractError::Refused(refusal @ Refusal::PowerMissing { .. })) => refusal,
        decided => return decided.map(|_| ()),
    };
    match state::require_operator(deps, &info.sender) {
        Ok(number) if number == institution => Ok(()),
        Ok(_) | Err(ContractError::Refused(_)) => Err(refusal.into()),
        Err(other) => Err(other),
    }
}
