//! Answers.

use casewise_ledger::{
    records::{relationship_id, RelationshipRecord, RelationshipStatus},
    CaseId,
};
use casewise_protocol::{
    convert, page,
    ppr::{
        AckInfo, AcksResponse, ConfigResponse, GrantInfo, PolicyMsg, QueryMsg, RelationshipInfo,
        RelationshipsResponse, RevResponse,
    },
    record, rules, ProtocolError,
};
use cosmwasm_std::{to_json_binary, Binary, Deps, Env, HexBinary, Storage};

use crate::{state, ContractError};

/// Answers a question.
pub fn answer(deps: Deps, env: Env, msg: QueryMsg) -> Result<Binary, ContractError> {
    let storage = deps.storage;
    let answer = match msg {
        QueryMsg::Config {} => to_json_binary(&config(storage)?),
        QueryMsg::Policy { case } => to_json_binary(&policy(storage, &case)?),
        QueryMsg::Relationship { case, institution } => {
            to_json_binary(&relationship(storage, &case, institution)?)
        }
        QueryMsg::Relationships { case, start_after, limit } => {
            let relationships = page_of(storage, &convert::case_id(&case)?, start_after, limit)?;
            let info = |(number, record): &(u32, RelationshipRecord)| RelationshipInfo::new(*number, record);
            to_json_binary(&RelationshipsResponse { relationships: relationships.iter().map(info).collect() })
        }
        QueryMsg::Grant { commitment } => to_json_binary(&grant(storage, &commitment)?),
        QueryMsg::Rev { case } => {
            to_json_binary(&RevResponse { rev: state::rev(storage, &convert::case_id(&case)?)? })
        }
        QueryMsg::Acks { case, start_after, limit } => {
            to_json_binary(&acks(storage, env.block.height, &convert::case_id(&case)?, start_after, limit)?)
        }
        _ => return Err(ContractError::Host("not in this version".to_string())),
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
    storage: &dyn Storage,
    case: &HexBinary,
    institution: u32,
) -> Result<Option<RelationshipInfo>, ProtocolError> {
    let id = relationship_id(&convert::case_id(case)?, institution);
    let record = record::RELATIONSHIP.may_load(storage, &id)?;
    Ok(record.map(|record| RelationshipInfo::new(institution, &record)))
}

fn page_of(
    storage: &dyn Storage,
    case: &CaseId,
    start_after: Option<u32>,
    limit: Option<u32>,
) -> Result<Vec<(u32, RelationshipRecord)>, ProtocolError> {
    let after = start_after.map(u32::to_be_bytes);
    let after = after.as_ref().map(|bytes| bytes.as_slice());
    let page = record::RELATIONSHIP.page(storage, &case.0, after, page::limit(limit))?;
    let numbered = |(rest, record): (Vec<u8>, RelationshipRecord)| {
        let number = rest.try_into().map_err(|_| ProtocolError::Record { namespace: "rel" })?;
        Ok((u32::from_be_bytes(number), record))
    };
    page.into_iter().map(numbered).collect()
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
