//! Answers.

use casewise_ledger::{
    records::{IdentityRecord, InstitutionRecord},
    CaseId,
};
use casewise_protocol::{
    convert, page, record,
    registrar::{
        BucketItem, BucketResponse, ConfigResponse, IdentityInfo, InstitutionInfo, InstitutionsResponse,
        QueryMsg,
    },
};
use cosmwasm_std::{to_json_binary, Binary, CanonicalAddr, Deps, Env, HexBinary};

use crate::{execute::enrol::this_net, state, ContractError};

/// Answers a question.
pub fn answer(deps: Deps, env: Env, msg: QueryMsg) -> Result<Binary, ContractError> {
    let answer = match msg {
        QueryMsg::Config {} => to_json_binary(&config(deps, &env)?),
        QueryMsg::Institution { number } => to_json_binary(&institution(deps, number)?),
        QueryMsg::Institutions { start_after, limit } => {
            to_json_binary(&institutions(deps, start_after, limit)?)
        }
        QueryMsg::Operator { account } => to_json_binary(&operator(deps, &account)?),
        QueryMsg::Identity { case } => to_json_binary(&identity(deps, &case)?),
        QueryMsg::Bucket { prefix, start_after, limit } => {
            to_json_binary(&bucket(deps, prefix, start_after.as_ref(), limit)?)
        }
        _ => return Err(ContractError::Host("not in this version".to_string())),
    };
    Ok(answer?)
}

fn config(deps: Deps, env: &Env) -> Result<ConfigResponse, ContractError> {
    let authority = CanonicalAddr::from(record::AUTHORITY.load(deps.storage, &[])?);
    Ok(ConfigResponse {
        authority: deps.api.addr_humanize(&authority)?.into_string(),
        net: convert::hex(&this_net(deps, env)?),
        institutions: state::count(deps.storage)?,
        proposed: None,
        ppr: None,
        paused: false,
        recovery_delay: casewise_protocol::registrar::DEFAULT_RECOVERY_DELAY,
    })
}

fn institution(deps: Deps, number: u32) -> Result<Option<InstitutionInfo>, ContractError> {
    let record = record::INSTITUTION.may_load(deps.storage, &number.to_be_bytes())?;
    record.map(|record| institution_info(deps, number, record)).transpose()
}

fn institution_info(
    deps: Deps,
    number: u32,
    record: InstitutionRecord,
) -> Result<InstitutionInfo, ContractError> {
    let details = state::DETAILS.load(deps.storage, &number.to_be_bytes())?;
    Ok(InstitutionInfo {
        number,
        status: record.status.into(),
        kind: record.kind.into(),
        account: convert::humanize(deps.api, &record.account)?,
        kem: convert::hex(&record.kem),
        kem_epoch: record.kem_epoch,
        since: record.since.into(),
        name: record.name,
        endpoint: details.endpoint,
        operators: details.operators,
    })
}

fn institutions(
    deps: Deps,
    start_after: Option<u32>,
    limit: Option<u32>,
) -> Result<InstitutionsResponse, ContractError> {
    // numbers have no gaps
    let first = start_after.map_or(1, |after| after.saturating_add(1)).max(1);
    let last = state::count(deps.storage)?;
    let institutions = (first..=last)
        .take(page::limit(limit))
        .map(|number| institution_info(deps, number, state::institution(deps.storage, number)?))
        .collect::<Result<_, ContractError>>()?;
    Ok(InstitutionsResponse { institutions })
}

fn operator(deps: Deps, account: &str) -> Result<Option<u32>, ContractError> {
    let account = convert::any_account(deps.api, "account", account)?;
    Ok(state::operates(deps.storage, account.as_slice())?)
}

fn identity(deps: Deps, case: &HexBinary) -> Result<Option<IdentityInfo>, ContractError> {
    let case = convert::case_id(case)?;
    let record = record::IDENTITY.may_load(deps.storage, &case.0)?;
    record.map(|record| identity_info(deps, &case, &record)).transpose()
}

fn identity_info(deps: Deps, case: &CaseId, record: &IdentityRecord) -> Result<IdentityInfo, ContractError> {
    let recovery = state::RECOVERY.may_load(deps.storage, &case.0)?;
    Ok(IdentityInfo {
        case: convert::hex(&case.0),
        holder: convert::humanize(deps.api, &record.holder)?,
        kem: convert::hex(&record.kem),
        epoch: record.epoch,
        institution: record.institution,
        custodial: record.custodial,
        since: record.since.into(),
        recovery: recovery.map(|account| convert::humanize(deps.api, &account)).transpose()?,
    })
}

fn bucket(
    deps: Deps,
    prefix: u8,
    start_after: Option<&HexBinary>,
    limit: Option<u32>,
) -> Result<BucketResponse, ContractError> {
    let after: Option<[u8; 32]> =
        start_after.map(|after| convert::fixed("start_after", after)).transpose()?;
    if after.is_some_and(|after| after[0] != prefix) {
        return Err(ContractError::OtherBucket);
    }
    let rest = after.as_ref().map(|after| &after[1..]);
    let page = record::HOLDER.page(deps.storage, &[prefix], rest, page::limit(limit))?;
    let item = |(rest, case): (Vec<u8>, CaseId)| {
        let holder = HexBinary::from([&[prefix][..], &rest].concat());
        BucketItem { holder, case: convert::hex(&case.0) }
    };
    Ok(BucketResponse { cases: page.into_iter().map(item).collect() })
}
