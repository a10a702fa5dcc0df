//! An operator enrols a case's virtual identity with the holder's signature.

use casewise_ledger::{case::net, records::IdentityRecord, sha256, Address, CaseCard, Hash, V1};
use casewise_protocol::{block_ms, convert, record, registrar::holder_hash, rules, Event};
use cosmwasm_std::{Api, Binary, Deps, DepsMut, Env, HexBinary, MessageInfo, Response, Uint64};

use crate::{state, ContractError};

/// Half the order of secp256k1, big-endian: the largest low s.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d,
    0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

/// The fields of the message.
pub struct Enrolment {
    pub card: Binary,
    pub recovery: Option<String>,
    pub key: HexBinary,
    pub expires: Uint64,
    pub signature: HexBinary,
}

/// Enrols the case. The same enrolment again changes nothing.
pub fn enrol(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    enrolment: Enrolment,
) -> Result<Response, ContractError> {
    let (institution, _) = state::require_operator(deps.as_ref(), &info.sender)?;
    let card: CaseCard = convert::object("card", &enrolment.card)?;
    let recovery = recovery(deps.as_ref(), &card, enrolment.recovery.as_deref())?;
    check_card(deps.as_ref(), &env, &card, &enrolment.key)?;
    let message = card.open_message(recovery, institution, enrolment.expires.u64());
    verify(deps.api, &message, &enrolment)?;

    let case = card.id();
    if let Some(stored) = record::IDENTITY.may_load(deps.storage, &case.0)? {
        let same =
            stored.institution == institution && state::RECOVERY.may_load(deps.storage, &case.0)? == recovery;
        return if same { Ok(Response::new()) } else { Err(ContractError::AlreadyEnrolled) };
    }
    let now = block_ms(&env.block);
    if now >= enrolment.expires.u64() {
        return Err(ContractError::Expired);
    }
    let holder = holder_hash(&card.holder);
    if record::HOLDER.has(deps.storage, &holder) {
        return Err(ContractError::HolderUsed);
    }
    let identity = IdentityRecord {
        version: V1,
        holder: card.holder,
        kem: card.kem,
        epoch: 0,
        institution,
        custodial: false,
        since: now,
    };
    record::IDENTITY.save(deps.storage, &case.0, &identity);
    record::HOLDER.save(deps.storage, &holder, &case);
    if let Some(recovery) = recovery {
        state::RECOVERY.save(deps.storage, &case.0, &recovery);
    }
    Ok(Response::new().add_event(Event::IdentityEnrolled { case, institution }.into_cosmwasm()))
}

fn recovery(deps: Deps, card: &CaseCard, text: Option<&str>) -> Result<Option<Address>, ContractError> {
    let Some(text) = text else { return Ok(None) };
    let recovery = convert::account(deps.api, "recovery", text)?;
    if rules::recovery(&card.holder, &recovery) {
        Ok(Some(recovery))
    } else {
        Err(ContractError::Recovery)
    }
}

/// The card is of this network and the key is its holder's.
fn check_card(deps: Deps, env: &Env, card: &CaseCard, key: &HexBinary) -> Result<(), ContractError> {
    if card.net != this_net(deps, env)? {
        return Err(ContractError::Net);
    }
    if Address::of_key(&convert::fixed("key", key)?) != card.holder {
        return Err(ContractError::HolderKey);
    }
    Ok(())
}

/// The id of this network.
pub fn this_net(deps: Deps, env: &Env) -> Result<Hash, ContractError> {
    let address = deps.api.addr_canonicalize(env.contract.address.as_str())?;
    let address = <[u8; 32]>::try_from(address.as_slice())
        .map_err(|_| ContractError::Host("the contract's own address has not 32 bytes".to_string()))?;
    Ok(net(&env.block.chain_id, &address))
}

/// The host takes high-S signatures; we do not, so that a signature has one form.
fn verify(api: &dyn Api, message: &[u8], enrolment: &Enrolment) -> Result<(), ContractError> {
    let signature: [u8; 64] = convert::fixed("signature", &enrolment.signature)?;
    let digest = sha256(&[message]);
    let low = signature[32..] <= HALF_ORDER[..];
    match api.secp256k1_verify(&digest, &signature, enrolment.key.as_slice()) {
        Ok(true) if low => Ok(()),
        _ => Err(ContractError::Signature),
    }
}
