//! The holder, or a delegate, takes grants back. Nothing stops that: neither a recovery nor a
//! suspension.

use casewise_ledger::records::GrantStatus;
use casewise_protocol::{
    block_ms, convert,
    ppr::{Power, MAX_GRANTS},
    record,
    rules::{self, Change},
    Event,
};
use cosmwasm_std::{DepsMut, Env, HexBinary, MessageInfo, Response};

use crate::{state, ContractError};

/// All of them or none; `rev` goes up once if any was live.
pub fn revoke(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
    commitments: &[HexBinary],
) -> Result<Response, ContractError> {
    let case = convert::case_id(case)?;
    convert::bounded("commitments", commitments, MAX_GRANTS)?;
    let now = block_ms(&env.block);
    state::require_acting(deps.as_ref(), now, &info.sender, &case, Power::Revocations)?;
    let mut revoked = Vec::new();
    for commitment in commitments {
        let commitment = convert::commitment(commitment)?;
        let stored = record::GRANT.may_load(deps.storage, &commitment.0)?;
        if let Change::To(grant) = rules::revoke(stored.as_ref(), &case)? {
            record::GRANT.save(deps.storage, &commitment.0, &grant);
            revoked.push(commitment);
        }
    }
    if revoked.is_empty() {
        return Ok(Response::new());
    }
    let rev = state::raise_rev(deps.storage, &case, env.block.height)?;
    let event = |commitment| Event::GrantEnded { case, commitment, status: GrantStatus::Revoked, rev };
    Ok(Response::new().add_events(revoked.into_iter().map(|commitment| event(commitment).into_cosmwasm())))
}
