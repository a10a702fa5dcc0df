//! Answers.

use borsh::{BorshDeserialize, BorshSerialize};
use casewise_ledger::{
    records::{relationship_id, DelegateRecord, EmergencyRecord, RelationshipRecord, RelationshipStatus},
    CaseId,
};
use casewise_protocol::{
    block_ms, convert, page,
    ppr::{
        AckInfo, AcksResponse, ConfigResponse, DelegateInfo, DelegatesResponse, EmergenciesResponse,
        EmergencyInfo, GrantInfo, PolicyMsg, Power, QueryMsg, RelationshipInfo, RelationshipsResponse,
        RevResponse, ReviewInfo, UnreviewedInfo, UnreviewedResponse,
    },
    record,
    remote::Registrar,
    rules::{self, Waiting},
    ProtocolError, Record,
};
use cosmwasm_std::{to_json_binary, Binary, Deps, Env, HexBinary, Storage};

use crate::{state, ContractError};

/// Answers a question.
pub fn answer(deps: Deps, env: Env, msg: QueryMsg) -> Result<Binary, ContractError> {
    let storage = deps.storage;
    let now = block_ms(&env.block);
    let answer = match msg {
        QueryMsg::Config {} => to_json_binary(&config(storage)?),
        QueryMsg::Policy { case } => to_json_binary(&policy(storage, &case)?),
        QueryMsg::Relationship { case, institution } => {
            to_json_binary(&relationship(deps, &case, institution)?)
        }
        QueryMsg::Relationships { case, start_after, limit } => {
            to_json_binary(&relationships(deps, &convert::case_id(&case)?, start_after, limit)?)
        }
        QueryMsg::Invited { case, institution } => {
            to_json_binary(&invited(deps, now, &convert::case_id(&case)?, institution)?)
        }
        QueryMsg::Delegates { case, start_after, limit } => {
            let case = convert::case_id(&case)?;
            to_json_binary(&delegates(deps, now, &case, start_after.as_deref(), limit)?)
        }
        QueryMsg::Emergencies { case, start_after, limit } => {
            to_json_binary(&emergencies(deps, now, &convert::case_id(&case)?, start_after, limit)?)
        }
        QueryMsg::Unreviewed { practitioner } => to_json_binary(&unreviewed(deps, now, &practitioner)?),
        QueryMsg::Grant { commitment } => to_json_binary(&grant(storage, &commitment)?),
        QueryMsg::Rev { case } => {
            to_json_binary(&RevResponse { rev: state::rev(storage, &convert::case_id(&case)?)? })
        }
        QueryMsg::Acks { case, start_after, limit } => {
            to_json_binary(&acks(storage, env.block.height, &convert::case_id(&case)?, start_after, limit)?)
        }
    };
    Ok(answer?)
}

fn config(storage: &dyn Storage) -> Result<ConfigResponse, ProtocolError> {
    let config = state::config(storage)?;
    Ok(ConfigResponse { registrar: config.registrar, summary: config.summary })
}

fn policy(storage: &dyn Storage, case: &HexBinary) -> Result<Option<PolicyMsg>, ProtocolError> {
    let policy = record::POLICY.may_load(storage, &convert::case_id(case)?.0)?;
    Ok(policy.as_ref().map(PolicyMsg::from))
}

fn relationship(
    deps: Deps,
    case: &HexBinary,
    institution: u32,
) -> Result<Option<RelationshipInfo>, ProtocolError> {
    let id = relationship_id(&convert::case_id(case)?, institution);
    let record = record::RELATIONSHIP.may_load(deps.storage, &id)?;
    record.map(|record| relationship_info(deps, institution, &record)).transpose()
}

fn relationships(
    deps: Deps,
    case: &CaseId,
    start_after: Option<u32>,
    limit: Option<u32>,
) -> Result<RelationshipsResponse, ProtocolError> {
    let page = page_of(deps.storage, case, start_after, limit)?;
    let info = |(number, record): &(u32, RelationshipRecord)| relationship_info(deps, *number, record);
    Ok(RelationshipsResponse { relationships: page.iter().map(info).collect::<Result<_, _>>()? })
}

fn relationship_info(
    deps: Deps,
    number: u32,
    record: &RelationshipRecord,
) -> Result<RelationshipInfo, ProtocolError> {
    // the others are not in force whatever their institution is
    let effective = record.status == RelationshipStatus::Active && {
        let registrar = state::registrar(deps.storage)?;
        let institution = Registrar::new(deps.querier, &registrar).institution(number)?;
        rules::in_force(record, institution.as_ref())
    };
    Ok(RelationshipInfo::new(number, record, effective))
}

fn invited(deps: Deps, now: u64, case: &CaseId, institution: u32) -> Result<bool, ProtocolError> {
    let Some(epoch) = state::invited(deps.storage, case, institution)? else {
        return Ok(false);
    };
    let registrar = state::registrar(deps.storage)?;
    let registrar = Registrar::new(deps.querier, &registrar);
    let recovering = rules::recovering(registrar.recovery(case)?.as_ref(), now);
    let identity = registrar.identity(case)?;
    Ok(identity.is_some_and(|identity| rules::invitation_counts(Some(epoch), &identity, recovering)))
}

fn delegates(
    deps: Deps,
    now: u64,
    case: &CaseId,
    start_after: Option<&str>,
    limit: Option<u32>,
) -> Result<DelegatesResponse, ProtocolError> {
    let registrar = state::registrar(deps.storage)?;
    let Some(identity) = Registrar::new(deps.querier, &registrar).identity(case)? else {
        return Ok(DelegatesResponse { delegates: Vec::new() });
    };
    let after = start_after.map(|text| convert::account(deps.api, "start_after", text)).transpose()?;
    let after = after.as_ref().map(|account| account.0.as_slice());
    let page = record::DELEGATE.page(deps.storage, &case.0, after, page::limit(limit))?;
    let info = |(rest, record): (Vec<u8>, DelegateRecord)| {
        Ok(DelegateInfo {
            account: convert::humanize(deps.api, &state::delegate_account(&rest)?)?,
            powers: Power::of_bits(record.powers),
            until: (record.until != 0).then(|| record.until.into()),
            live: rules::delegate_live(&record, &identity, now),
        })
    };
    Ok(DelegatesResponse { delegates: page.into_iter().map(info).collect::<Result<_, ProtocolError>>()? })
}

fn emergencies(
    deps: Deps,
    now: u64,
    case: &CaseId,
    start_after: Option<u32>,
    limit: Option<u32>,
) -> Result<EmergenciesResponse, ProtocolError> {
    let info = |(number, record): (u32, EmergencyRecord)| {
        Ok(EmergencyInfo {
            number,
            practitioner: convert::humanize(deps.api, &record.practitioner)?,
            institution: record.institution,
            reason: record.reason.into(),
            since: record.since.into(),
            until: record.until.into(),
            overdue: record.review.is_none() && rules::review_overdue(record.until, now),
            review: record.review.as_ref().map(ReviewInfo::new),
        })
    };
    let page = numbered(&record::EMERGENCY, "emergency", deps.storage, case, start_after, limit)?;
    Ok(EmergenciesResponse { emergencies: page.into_iter().map(info).collect::<Result<_, ProtocolError>>()? })
}

fn unreviewed(deps: Deps, now: u64, practitioner: &str) -> Result<UnreviewedResponse, ProtocolError> {
    let practitioner = convert::account(deps.api, "practitioner", practitioner)?;
    let unreviewed = state::unreviewed(deps.storage, &practitioner)?;
    let info = |waiting: &Waiting| UnreviewedInfo {
        case: convert::hex(&waiting.case.0),
        number: waiting.number,
        due: rules::review_due(waiting.until).into(),
    };
    Ok(UnreviewedResponse {
        accesses: unreviewed.0.iter().map(info).collect(),
        blocked: unreviewed.blocked(now),
    })
}

fn page_of(
    storage: &dyn Storage,
    case: &CaseId,
    start_after: Option<u32>,
    limit: Option<u32>,
) -> Result<Vec<(u32, RelationshipRecord)>, ProtocolError> {
    numbered(&record::RELATIONSHIP, "rel", storage, case, start_after, limit)
}

/// A page of a case's records whose ids end in a number.
fn numbered<T: BorshSerialize + BorshDeserialize>(
    records: &Record<T>,
    namespace: &'static str,
    storage: &dyn Storage,
    case: &CaseId,
    start_after: Option<u32>,
    limit: Option<u32>,
) -> Result<Vec<(u32, T)>, ProtocolError> {
    let after = start_after.map(u32::to_be_bytes);
    let after = after.as_ref().map(|bytes| bytes.as_slice());
    let page = records.page(storage, &case.0, after, page::limit(limit))?;
    let number = |(rest, record): (Vec<u8>, T)| {
        let number = rest.try_into().map_err(|_| ProtocolError::Record { namespace })?;
        Ok((u32::from_be_bytes(number), record))
    };
    page.into_iter().map(number).collect()
}

fn grant(storage: &dyn Storage, commitment: &HexBinary) -> Result<Option<GrantInfo>, ProtocolError> {
    let commitment = convert::commitment(commitment)?;
    let record = record::GRANT.may_load(storage, &commitment.0)?;
    Ok(record.map(|record| GrantInfo::new(&commitment, &record)))
}

fn acks(
    storage: &dyn Storage,
    height: u64,
    case: &CaseId,
    start_after: Option<u32>,
    limit: Option<u32>,
) -> Result<AcksResponse, ProtocolError> {
    let ack = |(institution, relationship): (u32, RelationshipRecord)| {
        let acked = state::acked(storage, case, institution)?;
        // who is only proposed serves no third party; who has ended may still serve
        let serves = relationship.status != RelationshipStatus::Proposed;
        let behind = state::behind_since(storage, case, acked)?;
        Ok(AckInfo { institution, acked, overdue: serves && rules::overdue(behind, height) })
    };
    let acks = page_of(storage, case, start_after, limit)?
        .into_iter()
        .map(ack)
        .collect::<Result<_, ProtocolError>>()?;
    Ok(AcksResponse { rev: state::rev(storage, case)?, acks })
}
