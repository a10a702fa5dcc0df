//! Anyone proves that a lane's author gave two histories of it.

use casewise_ledger::{encode, records::LaneRecord, Address, ConflictProof, ConflictSide, HeadGiven, LaneId};
use casewise_protocol::{
    convert, record,
    rules::{self, Block, Change, Refusal},
    signature, Event,
};
use cosmwasm_std::{Api, Binary, DepsMut, Env, Response};

use super::batch;
use crate::{
    chain::Chain,
    state::{self, AUTHOR_CONFLICTS},
    ContractError,
};

/// Marks the lane, and with it its author. A lane is marked once.
pub fn prove_conflict(deps: DepsMut, env: Env, proof: &Binary) -> Result<Response, ContractError> {
    let proof: ConflictProof = convert::object("proof", proof)?;
    let lane = proof.lane;
    let (_, stored) = state::known_lane(deps.storage, &convert::hex(&lane.0))?;
    proof.check().map_err(ContractError::Conflict)?;
    let chain = Chain::new(deps.storage, deps.api, deps.querier)?;
    for side in &proof.sides {
        given(deps.api, &chain, &lane, &stored, side)?;
    }
    let existing = record::CONFLICT.may_load(deps.storage, &lane.0)?;
    let Change::To(mark) = rules::conflict(existing.as_ref(), proof.index, Block::of(&env.block)) else {
        return Ok(Response::new());
    };
    record::CONFLICT.save(deps.storage, &lane.0, &mark);
    AUTHOR_CONFLICTS.save(deps.storage, &[encode(&stored.author).as_slice(), &lane.0].concat(), &true);
    Ok(Response::new().add_event(Event::ConflictProven { lane, index: proof.index }.into_cosmwasm()))
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
            if !chain.speaks_for(&Address::of_key(key), &stored.author)? {
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
