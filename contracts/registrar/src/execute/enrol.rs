//! An operator enrols a case's virtual identity with the holder's signature.

use casewise_ledger::{records::IdentityRecord, Address, CaseCard, CaseId, V1};
use casewise_protocol::{
    block_ms, convert, record,
    registrar::holder_hash,
    rules::{self, Refusal},
    Event,
};
use cosmwasm_std::{Binary, Deps, DepsMut, Env, HexBinary, MessageInfo, Response, Storage, Uint64};

use crate::{
    signature::{check_key, verify},
    state, ContractError,
};

/// The fields of the message.
pub struct Enrolment {
    pub card: Binary,
    pub recovery: Option<String>,
    pub key: HexBinary,
    pub expires: Uint64,
    pub signature: HexBinary,
    /// The institution made the holder's key.
    pub custodial: bool,
}

/// Enrols the case. The same enrolment again changes nothing.
pub fn enrol(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    enrolment: Enrolment,
) -> Result<Response, ContractError> {
    let (institution, _) = state::require_operator(deps.as_ref(), &info.sender)?;
    state::require_registrations(deps.storage)?;
    let (card, recovery) = checked(deps.as_ref(), &env, institution, &enrolment)?;

    let case = card.id();
    let now = block_ms(&env.block);
    let identity = IdentityRecord {
        version: V1,
        holder: card.holder,
        kem: card.kem,
        epoch: 0,
        institution,
        custodial: enrolment.custodial,
        since: now,
    };
    if let Some(stored) = record::IDENTITY.may_load(deps.storage, &case.0)? {
        return repeated(deps.storage, &case, &stored, &identity, recovery);
    }
    if now >= enrolment.expires.u64() {
        return Err(ContractError::Expired);
    }
    if state::holds_case(deps.storage, &card.holder) {
        return Err(Refusal::HolderUsed.into());
    }
    record::IDENTITY.save(deps.storage, &case.0, &identity);
    record::HOLDER.save(deps.storage, &holder_hash(&card.holder), &case);
    if let Some(recovery) = recovery {
        record::RECOVERY.save(deps.storage, &case.0, &recovery);
    }
    Ok(Response::new().add_event(Event::IdentityEnrolled { case, institution }.into_cosmwasm()))
}

/// The card is of this network, the key its holder's, and the signature of that key over all of it.
fn checked(
    deps: Deps,
    env: &Env,
    institution: u32,
    enrolment: &Enrolment,
) -> Result<(CaseCard, Option<Address>), ContractError> {
    let card: CaseCard = convert::object("card", &enrolment.card)?;
    let recovery = recovery(deps, &card.holder, enrolment.recovery.as_deref())?;
    if card.net != state::this_net(deps, env)? {
        return Err(ContractError::Net);
    }
    check_key(&card.holder, &enrolment.key)?;
    let message = card.open_message(recovery, institution, enrolment.expires.u64());
    if verify(deps.api, &message, &enrolment.key, &enrolment.signature)? {
        Ok((card, recovery))
    } else {
        Err(ContractError::Signature)
    }
}

/// An enrolment of a case that has an identity already.
fn repeated(
    storage: &dyn Storage,
    case: &CaseId,
    stored: &IdentityRecord,
    wanted: &IdentityRecord,
    recovery: Option<Address>,
) -> Result<Response, ContractError> {
    let same = record::RECOVERY.may_load(storage, &case.0)? == recovery;
    if !same || stored.institution != wanted.institution {
        Err(ContractError::AlreadyEnrolled)
    } else if stored.custodial != wanted.custodial {
        Err(ContractError::EnrolledOtherwise)
    } else {
        Ok(Response::new())
    }
}

/// The recovery account of a message, which is not the holder's own.
pub fn recovery(deps: Deps, holder: &Address, text: Option<&str>) -> Result<Option<Address>, ContractError> {
    let Some(text) = text else { return Ok(None) };
    let recovery = convert::account(deps.api, "recovery", text)?;
    if rules::recovery(holder, &recovery) {
        Ok(Some(recovery))
    } else {
        Err(ContractError::Recovery)
    }
}
