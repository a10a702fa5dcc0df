//! What the contract stores beside the frozen records of [`casewise_protocol::record`].

use borsh::{BorshDeserialize, BorshSerialize};
use casewise_ledger::{
    records::{InstitutionRecord, InstitutionStatus},
    Address,
};
use casewise_protocol::{
    record::{self, Be32},
    rules::{self, Refusal},
    ProtocolError, Record,
};
use cosmwasm_std::{Addr, CanonicalAddr, Deps, Storage};

use crate::ContractError;

/// Institutions admitted so far, no id.
pub const COUNT: Record<Be32> = Record::new("count");
/// What an institution has beside its frozen record, id u32be number.
pub const DETAILS: Record<Details> = Record::new("details");
/// Recovery account of a case, id case.
pub const RECOVERY: Record<Address> = Record::new("recovery");

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
