//! What the contract stores beside the frozen records of [`casewise_protocol::record`], and its
//! guards.

use borsh::{BorshDeserialize, BorshSerialize};
use casewise_ledger::{
    records::{delegate_id, relationship_id, DelegateRecord, EmergencyRecord, IdentityRecord},
    Address, CaseId,
};
use casewise_protocol::{
    ppr::Power,
    record::{self, Be32, Be64},
    remote::Registrar,
    rules::{self, Refusal, Unreviewed},
    ProtocolError, Record,
};
use cosmwasm_std::{Addr, CanonicalAddr, Deps, Storage};

use crate::ContractError;

/// Settings, no id.
pub const CONFIG: Record<Config> = Record::new("config");
/// The highest `rev` an institution acknowledged, id case ‖ u32be institution.
pub const ACK: Record<Be32> = Record::new("ack");
/// Height at which a case reached a `rev`, id case ‖ u32be rev.
pub const REV_HEIGHT: Record<Be64> = Record::new("revheight");

/// Epoch of the identity whose holder invited, id case ‖ u32be institution.
pub const INVITED: Record<Be32> = Record::new("invited");
/// Emergency accesses of a case so far, id case.
pub const EMERGENCIES: Record<Be32> = Record::new("emergencies");
/// A practitioner's last emergency access to a case, id case ‖ account.
pub const LATEST: Record<Be32> = Record::new("latest");
/// A practitioner's emergency accesses that wait for their review, id account.
pub const UNREVIEWED: Record<Unreviewed> = Record::new("unreviewed");

/// Settings.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Config {
    /// The registrar's address.
    pub registrar: String,
    /// The summary contract's address, once set.
    pub summary: Option<String>,
}

/// Settings.
pub fn config(storage: &dyn Storage) -> Result<Config, ProtocolError> {
    CONFIG.load(storage, &[])
}

/// The registrar's address.
pub fn registrar(storage: &dyn Storage) -> Result<Addr, ProtocolError> {
    Ok(Addr::unchecked(config(storage)?.registrar))
}

/// Canonical bytes of the sender.
pub fn sender(deps: Deps, sender: &Addr) -> Result<CanonicalAddr, ContractError> {
    Ok(deps.api.addr_canonicalize(sender.as_str())?)
}

/// The case's identity, which must exist.
pub fn identity(deps: Deps, case: &CaseId) -> Result<IdentityRecord, ContractError> {
    let registrar = registrar(deps.storage)?;
    let identity = Registrar::new(deps.querier, &registrar).identity(case)?;
    Ok(identity.ok_or(Refusal::NoIdentity)?)
}

/// The case's identity, for its holder only.
pub fn require_holder(deps: Deps, from: &Addr, case: &CaseId) -> Result<IdentityRecord, ContractError> {
    let identity = identity(deps, case)?;
    rules::holder(&identity, sender(deps, from)?.as_slice())?;
    Ok(identity)
}

/// The case's identity, for its holder and the live delegates with this power, at `now` (Unix ms).
/// Enough for what takes rights away: nothing stops a revocation.
pub fn require_acting(
    deps: Deps,
    now: u64,
    from: &Addr,
    case: &CaseId,
    power: Power,
) -> Result<IdentityRecord, ContractError> {
    let identity = identity(deps, case)?;
    check_acting(deps, now, from, case, power, &identity)?;
    Ok(identity)
}

/// As [`require_acting`], and no recovery of the case is running.
pub fn require_deciding(
    deps: Deps,
    now: u64,
    from: &Addr,
    case: &CaseId,
    power: Power,
) -> Result<IdentityRecord, ContractError> {
    let registrar = registrar(deps.storage)?;
    let registrar = Registrar::new(deps.querier, &registrar);
    let identity = registrar.identity(case)?.ok_or(Refusal::NoIdentity)?;
    check_acting(deps, now, from, case, power, &identity)?;
    rules::not_recovering(registrar.recovery(case)?.as_ref(), now)?;
    Ok(identity)
}

fn check_acting(
    deps: Deps,
    now: u64,
    from: &Addr,
    case: &CaseId,
    power: Power,
    identity: &IdentityRecord,
) -> Result<(), ContractError> {
    let sender = sender(deps, from)?;
    // the holder is most senders: only others cost the read of a delegate
    let delegate = match rules::holder(identity, sender.as_slice()) {
        Ok(()) => None,
        Err(_) => delegate(deps.storage, case, sender.as_slice())?,
    };
    Ok(rules::acts_for_holder(identity, delegate.as_ref(), sender.as_slice(), power, now)?)
}

/// Refuses while a recovery of the case is running at `now` (Unix ms).
pub fn not_recovering(deps: Deps, now: u64, case: &CaseId) -> Result<(), ContractError> {
    let registrar = registrar(deps.storage)?;
    let recovery = Registrar::new(deps.querier, &registrar).recovery(case)?;
    Ok(rules::not_recovering(recovery.as_ref(), now)?)
}

/// An account's record as delegate; none for accounts of another length, which are groups or
/// contracts.
fn delegate(
    storage: &dyn Storage,
    case: &CaseId,
    account: &[u8],
) -> Result<Option<DelegateRecord>, ProtocolError> {
    match Address::try_from(account) {
        Ok(account) => record::DELEGATE.may_load(storage, &delegate_id(case, &account)),
        Err(_) => Ok(None),
    }
}

/// The institution that the sender operates, active or not.
pub fn require_operator(deps: Deps, from: &Addr) -> Result<u32, ContractError> {
    let registrar = registrar(deps.storage)?;
    let number = Registrar::new(deps.querier, &registrar).operator(sender(deps, from)?.as_slice())?;
    Ok(number.ok_or(Refusal::NoOperator)?)
}

/// A case's counter of revocations.
pub fn rev(storage: &dyn Storage, case: &CaseId) -> Result<u32, ProtocolError> {
    Ok(record::REV.may_load(storage, &case.0)?.map_or(0, |Be32(rev)| rev))
}

/// Adds 1 to a case's counter at `height` and returns it.
pub fn raise_rev(storage: &mut dyn Storage, case: &CaseId, height: u64) -> Result<u32, ProtocolError> {
    let next = rev(storage, case)?.saturating_add(1);
    record::REV.save(storage, &case.0, &Be32(next));
    REV_HEIGHT.save(storage, &relationship_id(case, next), &Be64(height));
    Ok(next)
}

/// The highest `rev` an institution acknowledged.
pub fn acked(storage: &dyn Storage, case: &CaseId, institution: u32) -> Result<u32, ProtocolError> {
    Ok(ACK.may_load(storage, &relationship_id(case, institution))?.map_or(0, |Be32(rev)| rev))
}

/// Height at which a case's counter first passed what was acknowledged; `None` if it has not.
pub fn behind_since(storage: &dyn Storage, case: &CaseId, acked: u32) -> Result<Option<u64>, ProtocolError> {
    let Some(next) = acked.checked_add(1) else { return Ok(None) };
    Ok(REV_HEIGHT.may_load(storage, &relationship_id(case, next))?.map(|Be64(height)| height))
}

/// Epoch of the identity whose holder invited an institution.
pub fn invited(storage: &dyn Storage, case: &CaseId, institution: u32) -> Result<Option<u32>, ProtocolError> {
    Ok(INVITED.may_load(storage, &relationship_id(case, institution))?.map(|Be32(epoch)| epoch))
}

/// The account in the rest of a delegate's id after its case.
pub fn delegate_account(rest: &[u8]) -> Result<Address, ProtocolError> {
    Address::try_from(rest).map_err(|_| ProtocolError::Record { namespace: "delegate" })
}

/// An emergency access, which must exist.
pub fn emergency(
    storage: &dyn Storage,
    case: &CaseId,
    number: u32,
) -> Result<EmergencyRecord, ContractError> {
    let access = record::EMERGENCY.may_load(storage, &relationship_id(case, number))?;
    Ok(access.ok_or(Refusal::NoEmergency)?)
}

/// A practitioner's last emergency access to a case.
pub fn latest_emergency(
    storage: &dyn Storage,
    case: &CaseId,
    practitioner: &Address,
) -> Result<Option<EmergencyRecord>, ProtocolError> {
    match LATEST.may_load(storage, &delegate_id(case, practitioner))? {
        None => Ok(None),
        Some(Be32(number)) => record::EMERGENCY.load(storage, &relationship_id(case, number)).map(Some),
    }
}

/// A practitioner's emergency accesses that wait for their review.
pub fn unreviewed(storage: &dyn Storage, practitioner: &Address) -> Result<Unreviewed, ProtocolError> {
    Ok(UNREVIEWED.may_load(storage, &practitioner.0)?.unwrap_or_default())
}
