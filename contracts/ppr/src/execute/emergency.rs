//! A practitioner opens a case in an emergency; it is ended, and reviewed.

use casewise_ledger::{
    records::{delegate_id, relationship_id, EmergencyRecord, PractitionerRecord, Review},
    Address, CaseId, V1,
};
use casewise_protocol::{
    block_ms,
    convert::{self, EmergencyReason, ReviewOutcome},
    ppr::Power,
    record::{self, Be32},
    remote::Registrar,
    rules::{self, Change, EndedBy, Refusal},
    Event, ProtocolError,
};
use cosmwasm_std::{Deps, DepsMut, Env, HexBinary, MessageInfo, Response, Storage, Uint64};

use crate::{
    state::{self, EMERGENCIES, LATEST, UNREVIEWED},
    ContractError,
};

/// Any case, without a word of its holder. The same again, while it is running, changes nothing.
pub fn open(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
    reason: EmergencyReason,
    until: Uint64,
) -> Result<Response, ContractError> {
    let case = convert::case_id(case)?;
    let (practitioner, PractitionerRecord { institution, .. }) = require_practitioner(deps.as_ref(), &info)?;
    state::identity(deps.as_ref(), &case)?;
    let wanted = EmergencyRecord {
        version: V1,
        practitioner,
        institution,
        reason: reason.into(),
        since: block_ms(&env.block),
        until: until.u64(),
        review: None,
    };
    let latest = state::latest_emergency(deps.storage, &case, &practitioner)?;
    let mut unreviewed = state::unreviewed(deps.storage, &practitioner)?;
    let Change::To(opened) = rules::open_emergency(latest.as_ref(), &unreviewed, wanted)? else {
        return Ok(Response::new());
    };
    let number = save_new(deps.storage, &case, &opened)?;
    unreviewed.add(case, number, opened.until);
    save_unreviewed(deps.storage, &practitioner, &unreviewed);
    let EmergencyRecord { reason, until, .. } = opened;
    let event = Event::EmergencyOpened { case, number, practitioner, institution, reason, until };
    Ok(Response::new().add_event(event.into_cosmwasm()))
}

/// The sender, as an active practitioner of an active provider.
fn require_practitioner(
    deps: Deps,
    info: &MessageInfo,
) -> Result<(Address, PractitionerRecord), ContractError> {
    let registrar = state::registrar(deps.storage)?;
    let registrar = Registrar::new(deps.querier, &registrar);
    let sender = state::sender(deps, &info.sender)?;
    let account = Address::try_from(sender.as_slice()).map_err(|_| Refusal::NotPractitioner)?;
    let practitioner = registrar.practitioner(&account.0)?.ok_or(Refusal::NotPractitioner)?;
    let institution = registrar.institution(practitioner.institution)?;
    rules::emergency_practitioner(Some(&practitioner), institution.as_ref())?;
    Ok((account, practitioner))
}

fn save_new(
    storage: &mut dyn Storage,
    case: &CaseId,
    opened: &EmergencyRecord,
) -> Result<u32, ProtocolError> {
    let last = EMERGENCIES.may_load(storage, &case.0)?.map_or(0, |Be32(last)| last);
    // numbers never come twice
    let number = last.checked_add(1).ok_or(ProtocolError::Record { namespace: "emergencies" })?;
    EMERGENCIES.save(storage, &case.0, &Be32(number));
    record::EMERGENCY.save(storage, &relationship_id(case, number), opened);
    LATEST.save(storage, &delegate_id(case, &opened.practitioner), &Be32(number));
    Ok(number)
}

/// By the holder's side, the practitioner, its institution or the authority, whoever of them is
/// suspended: it only takes away.
pub fn end(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
    number: u32,
) -> Result<Response, ContractError> {
    let case = convert::case_id(case)?;
    let now = block_ms(&env.block);
    let access = state::emergency(deps.storage, &case, number)?;
    let by = require_concerned(deps.as_ref(), now, &info, &case, &access)?;
    let Change::To(ended) = rules::end_emergency(&access, now) else {
        return Ok(Response::new());
    };
    record::EMERGENCY.save(deps.storage, &relationship_id(&case, number), &ended);
    let mut unreviewed = state::unreviewed(deps.storage, &ended.practitioner)?;
    unreviewed.end(&case, number, ended.until);
    save_unreviewed(deps.storage, &ended.practitioner, &unreviewed);
    let rev = if by.raises_rev() {
        state::raise_rev(deps.storage, &case, env.block.height)?
    } else {
        state::rev(deps.storage, &case)?
    };
    Ok(Response::new().add_event(Event::EmergencyEnded { case, number, rev }.into_cosmwasm()))
}

fn require_concerned(
    deps: Deps,
    now: u64,
    info: &MessageInfo,
    case: &CaseId,
    access: &EmergencyRecord,
) -> Result<EndedBy, ContractError> {
    let holder_side = match state::require_acting(deps, now, &info.sender, case, Power::Revocations) {
        Ok(_) => Ok(()),
        Err(ContractError::Refused(refusal)) => Err(refusal),
        Err(other) => return Err(other),
    };
    let registrar = state::registrar(deps.storage)?;
    let registrar = Registrar::new(deps.querier, &registrar);
    let (sender, authority) = (state::sender(deps, &info.sender)?, registrar.authority()?);
    let operates = registrar.operator(sender.as_slice())?;
    Ok(rules::emergency_ender(access, sender.as_slice(), holder_side, &authority, operates)?)
}

/// By an operator of the practitioner's institution or of an oversight institution, once the access
/// is over. It frees the practitioner, whatever was found: to suspend it is registrar's part.
pub fn review(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    case: &HexBinary,
    number: u32,
    outcome: ReviewOutcome,
) -> Result<Response, ContractError> {
    let case = convert::case_id(case)?;
    let institution = state::require_operator(deps.as_ref(), &info.sender)?;
    let access = state::emergency(deps.storage, &case, number)?;
    let registrar = state::registrar(deps.storage)?;
    let reviewer =
        Registrar::new(deps.querier, &registrar).institution(institution)?.ok_or(Refusal::NoOperator)?;
    let given = Review { outcome: outcome.into(), institution, time: block_ms(&env.block) };
    let sender = state::sender(deps.as_ref(), &info.sender)?;
    let Change::To(reviewed) = rules::review_emergency(&access, &reviewer, sender.as_slice(), given)? else {
        return Ok(Response::new());
    };
    record::EMERGENCY.save(deps.storage, &relationship_id(&case, number), &reviewed);
    let mut unreviewed = state::unreviewed(deps.storage, &reviewed.practitioner)?;
    unreviewed.remove(&case, number);
    save_unreviewed(deps.storage, &reviewed.practitioner, &unreviewed);
    let event = Event::EmergencyReviewed { case, number, outcome: outcome.into() };
    Ok(Response::new().add_event(event.into_cosmwasm()))
}

fn save_unreviewed(storage: &mut dyn Storage, practitioner: &Address, unreviewed: &rules::Unreviewed) {
    if unreviewed.0.is_empty() {
        UNREVIEWED.remove(storage, &practitioner.0);
    } else {
        UNREVIEWED.save(storage, &practitioner.0, unreviewed);
    }
}
