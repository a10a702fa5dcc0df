//! What the contract stores beside the frozen records of [`casewise_protocol::record`], and its
//! guards.

use borsh::{BorshDeserialize, BorshSerialize};
use casewise_ledger::{
    case::net,
    records::{InstitutionRecord, InstitutionStatus, PractitionerRecord},
    Address, CaseId, Hash,
};
use casewise_protocol::{
    record::{self, Be32},
    registrar::holder_hash,
    rules::{self, Identity, Refusal},
    ProtocolError, Record,
};
use cosmwasm_std::{Addr, CanonicalAddr, Deps, Env, Storage};

use crate::ContractError;

/// Institutions admitted so far, no id.
pub const COUNT: Record<Be32> = Record::new("count");
/// What an institution has beside its frozen record, id u32be number.
pub const DETAILS: Record<Details> = Record::new("details");
/// Settings, no id. Not in the state of 0.1.0.
pub const SETTINGS: Record<Settings> = Record::new("settings");
/// Practitioners of an institution, id u32be number ‖ account; always true.
pub const STAFF: Record<bool> = Record::new("staff");
/// Cases whose holder has used its veto, id case; always true.
pub const VETOED: Record<bool> = Record::new("vetoed");

/// Settings beside the authority, which has its own frozen record.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Settings {
    /// Canonical bytes of the account that may take over the authority.
    pub proposed: Option<Vec<u8>>,
    /// The ppr contract's address, once set.
    pub ppr: Option<String>,
    /// No new registrations.
    pub paused: bool,
    /// How long a recovery waits, seconds.
    pub recovery_delay: u32,
}

/// What an institution has beside its frozen record.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Details {
    /// Public URL of its agent.
    pub endpoint: String,
    /// Operator accounts, the main one included.
    pub operators: u32,
}

/// Institutions admitted so far.
pub fn count(storage: &dyn Storage) -> Result<u32, ProtocolError> {
    Ok(COUNT.may_load(storage, &[])?.map_or(0, |Be32(count)| count))
}

/// An institution that must exist.
pub fn institution(storage: &dyn Storage, number: u32) -> Result<InstitutionRecord, ContractError> {
    let found = record::INSTITUTION.may_load(storage, &number.to_be_bytes())?;
    found.ok_or(ContractError::NoInstitution { number })
}

/// The institution that an account operates.
pub fn operates(storage: &dyn Storage, account: &[u8]) -> Result<Option<u32>, ProtocolError> {
    Ok(record::OPERATOR.may_load(storage, account)?.map(|Be32(number)| number))
}

/// The id of an institution's practitioner in [`STAFF`].
pub fn staff_id(institution: u32, account: &Address) -> Vec<u8> {
    [&institution.to_be_bytes()[..], &account.0].concat()
}

/// The account of such an id's rest.
pub fn staff_account(rest: &[u8]) -> Result<Address, ProtocolError> {
    Address::try_from(rest).map_err(|_| ProtocolError::Record { namespace: "staff" })
}

/// Settings.
pub fn settings(storage: &dyn Storage) -> Result<Settings, ProtocolError> {
    SETTINGS.load(storage, &[])
}

/// The ppr contract's address, which must be set.
pub fn ppr(storage: &dyn Storage) -> Result<Addr, ContractError> {
    settings(storage)?.ppr.map(Addr::unchecked).ok_or(ContractError::NoPpr)
}

/// Refuses while new registrations are stopped.
pub fn require_registrations(storage: &dyn Storage) -> Result<(), ContractError> {
    if settings(storage)?.paused {
        Err(ContractError::Paused)
    } else {
        Ok(())
    }
}

/// A practitioner that must be registered.
pub fn practitioner(storage: &dyn Storage, account: &Address) -> Result<PractitionerRecord, ContractError> {
    record::PRACTITIONER.may_load(storage, &account.0)?.ok_or(ContractError::NoPractitioner)
}

/// Refuses a practitioner's account for an operator.
pub fn require_no_practitioner(storage: &dyn Storage, account: &Address) -> Result<(), ContractError> {
    match record::PRACTITIONER.may_load(storage, &account.0)? {
        None => Ok(()),
        Some(PractitionerRecord { institution: number, .. }) => Err(ContractError::IsPractitioner { number }),
    }
}

/// All that is kept of a case's identity, which must exist.
pub fn identity(storage: &dyn Storage, case: &CaseId) -> Result<Identity, ContractError> {
    let id = &case.0;
    Ok(Identity {
        record: record::IDENTITY.may_load(storage, id)?.ok_or(Refusal::NoIdentity)?,
        recovery: record::RECOVERY.may_load(storage, id)?,
        recovering: record::RECOVERING.may_load(storage, id)?,
        claim: record::CLAIM.may_load(storage, id)?,
        vetoed: VETOED.has(storage, id),
    })
}

/// Writes what differs of a case's identity. Nothing but this puts another holder in place.
pub fn save_identity(storage: &mut dyn Storage, case: &CaseId, before: &Identity, after: &Identity) {
    let id = &case.0;
    if before.record.holder != after.record.holder {
        record::HOLDER.remove(storage, &holder_hash(&before.record.holder));
        record::HOLDER.save(storage, &holder_hash(&after.record.holder), case);
    }
    if before.record != after.record {
        record::IDENTITY.save(storage, id, &after.record);
    }
    save_option(storage, &record::RECOVERY, id, &before.recovery, &after.recovery);
    save_option(storage, &record::RECOVERING, id, &before.recovering, &after.recovering);
    save_option(storage, &record::CLAIM, id, &before.claim, &after.claim);
    let flag = |vetoed: bool| vetoed.then_some(true);
    save_option(storage, &VETOED, id, &flag(before.vetoed), &flag(after.vetoed));
}

fn save_option<T: BorshSerialize + BorshDeserialize + PartialEq>(
    storage: &mut dyn Storage,
    record: &Record<T>,
    id: &[u8],
    before: &Option<T>,
    after: &Option<T>,
) {
    match after {
        _ if before == after => {}
        Some(value) => record.save(storage, id, value),
        None => record.remove(storage, id),
    }
}

/// Whether an account holds a case.
pub fn holds_case(storage: &dyn Storage, account: &Address) -> bool {
    record::HOLDER.has(storage, &holder_hash(account))
}

/// The id of this network.
pub fn this_net(deps: Deps, env: &Env) -> Result<Hash, ContractError> {
    let address = deps.api.addr_canonicalize(env.contract.address.as_str())?;
    let address = <[u8; 32]>::try_from(address.as_slice())
        .map_err(|_| ContractError::Host("the contract's own address has not 32 bytes".to_string()))?;
    Ok(net(&env.block.chain_id, &address))
}

/// Canonical bytes of the sender.
pub fn sender(deps: Deps, sender: &Addr) -> Result<CanonicalAddr, ContractError> {
    Ok(deps.api.addr_canonicalize(sender.as_str())?)
}

/// Refuses everybody but the authority.
pub fn require_authority(deps: Deps, from: &Addr) -> Result<(), ContractError> {
    let authority = record::AUTHORITY.load(deps.storage, &[])?;
    Ok(rules::authority(&authority, sender(deps, from)?.as_slice())?)
}

/// The active institution that the sender operates.
pub fn require_operator(deps: Deps, from: &Addr) -> Result<(u32, InstitutionRecord), ContractError> {
    let number = operates(deps.storage, sender(deps, from)?.as_slice())?.ok_or(Refusal::NoOperator)?;
    let institution = institution(deps.storage, number)?;
    rules::active(number, &institution)?;
    Ok((number, institution))
}

/// The institution, for its active operators and the authority.
pub fn require_authority_or_operator(
    deps: Deps,
    from: &Addr,
    number: u32,
) -> Result<InstitutionRecord, ContractError> {
    let institution = institution(deps.storage, number)?;
    if require_authority(deps, from).is_ok() {
        return Ok(institution);
    }
    if operates(deps.storage, sender(deps, from)?.as_slice())? != Some(number) {
        return Err(Refusal::NotOperator { institution: number }.into());
    }
    match institution.status {
        InstitutionStatus::Active => Ok(institution),
        InstitutionStatus::Suspended => Err(Refusal::Suspended { institution: number }.into()),
    }
}
