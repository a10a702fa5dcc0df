//! Anyone proves that a lane's author gave two histories of it.

use casewise_ledger::{
    encode, records::LaneRecord, Address, ConflictProof, ConflictSide, HeadGiven, LaneId, Party,
};
use casewise_protocol::{
    convert, record,
    rules::{self, Block, Refusal},
    signature, Event,
};
use cosmwasm_std::{Api, Binary, DepsMut, Env, Response, Storage};

use super::batch;
use crate::{
    chain::Chain,
    state::{self, AUTHOR_CONFLICTS},
    ContractError,
};

/// Marks the lane; a proof at an earlier entry takes the place of a later one. Unless a device gave
/// one of the heads, whose key may be in other hands, the author is marked too.
pub fn prove_conflict(deps: DepsMut, env: Env, proof: &Binary) -> Result<Response, ContractError> {
    let proof: ConflictProof = convert::object("proof", proof)?;
    let lane = proof.lane;
    let (_, stored) = state::known_lane(deps.storage, &convert::hex(&lane.0))?;
    proof.check().map_err(ContractError::Conflict)?;
    let chain = Chain::new(deps.storage, deps.api, deps.querier)?;
    for side in &proof.sides {
        given(deps.api, &chain, &lane, &stored, side)?;
    }
    let device = proof.sides.iter().any(|side| matches!(side.given, HeadGiven::Device { .. }));
    let changed = if device {
        let doubt = record::COMPROMISE.may_load(deps.storage, &lane.0)?;
        rules::device_speaks(doubt.as_ref(), proof.index)?;
        false
    } else {
        blame(deps.storage, &stored.author, &lane)
    };
    let existing = record::CONFLICT.may_load(deps.storage, &lane.0)?;
    let mark = rules::conflict(existing.as_ref(), proof.index, Block::of(&env.block)).changed();
    if let Some(mark) = &mark {
        record::CONFLICT.save(deps.storage, &lane.0, mark);
    }
    let event = Event::ConflictProven { lane, index: proof.index }.into_cosmwasm();
    Ok(Response::new().add_events((changed || mark.is_some()).then_some(event)))
}

/// Marks an author; whether it was not yet.
fn blame(storage: &mut dyn Storage, author: &Party, lane: &LaneId) -> bool {
    let id = [encode(author).as_slice(), &lane.0].concat();
    let new = !AUTHOR_CONFLICTS.has(storage, &id);
    if new {
        AUTHOR_CONFLICTS.save(storage, &id, &true);
    }
    new
}

/// The head of a side was given by the lane's author.
fn given(
    api: &dyn Api,
    chain: &Chain<'_>,
    lane: &LaneId,
    stored: &LaneRecord,
    side: &ConflictSide,
) -> Result<(), ContractError> {
    let head = side.head();
    let signed = match &side.given {
        HeadGiven::Anchored if head == stored.head() => return Ok(()),
        HeadGiven::Anchored => return Err(Refusal::HeadNotAnchored.into()),
        HeadGiven::Account { time, key, sig } => {
            if !chain.speaks_for(&Address::of_key(key), stored)? {
                return Err(Refusal::HeadKey.into());
            }
            signature::secp256k1(api, &head.operator_digest(lane, *time), key, sig)
        }
        HeadGiven::Device { time, sig } => {
            let key = stored.signer.as_ref().ok_or(Refusal::NoSigner)?;
            batch::ed25519(api)(key, &head.message(lane, *time), sig)
        }
    };
    if signed {
        Ok(())
    } else {
        Err(Refusal::HeadSignature.into())
    }
}
