//! The holder, or a delegate, makes grants.

use casewise_ledger::{
    records::{GrantRecord, GrantStatus},
    CaseId, V1,
};
use casewise_protocol::{
    block_ms, convert,
    ppr::{NewGrant, Power, MAX_GRANTS},
    record,
    rules::{self, Change},
    Event,
};
use cosmwasm_std::{DepsMut, Env, HexBinary, MessageInfo, Response, Storage};

use crate::{state, ContractError};

/// All of them or none.
pub fn grant(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
    grants: &[NewGrant],
) -> Result<Response, ContractError> {
    let case = convert::case_id(case)?;
    convert::bounded("grants", grants, MAX_GRANTS)?;
    let now = block_ms(&env.block);
    state::require_deciding(deps.as_ref(), now, &info.sender, &case, Power::Grants)?;
    let mut response = Response::new();
    for grant in grants {
        if let Some(event) = make(deps.storage, case, grant, now)? {
            response = response.add_event(event.into_cosmwasm());
        }
    }
    Ok(response)
}

fn make(
    storage: &mut dyn Storage,
    case: CaseId,
    grant: &NewGrant,
    now: u64,
) -> Result<Option<Event>, ContractError> {
    let commitment = convert::commitment(&grant.commitment)?;
    let NewGrant { first, last, .. } = *grant;
    let wanted = GrantRecord { version: V1, case, status: GrantStatus::Live, first, last };
    let stored = record::GRANT.may_load(storage, &commitment.0)?;
    let Change::To(made) = rules::grant(stored.as_ref(), wanted, now)? else {
        return Ok(None);
    };
    record::GRANT.save(storage, &commitment.0, &made);
    Ok(Some(Event::GrantMade { case, commitment, first, last }))
}
