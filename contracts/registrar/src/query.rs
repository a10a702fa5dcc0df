//! Answers.

use casewise_ledger::{
    records::{ClaimRecord, IdentityRecord, InstitutionRecord, PractitionerRecord, RecoveryRecord},
    Address, CaseId,
};
use casewise_protocol::{
    block_ms, convert, page, record,
    registrar::{
        BucketItem, BucketResponse, ClaimInfo, ConfigResponse, IdentityInfo, InstitutionInfo,
        InstitutionsResponse, PractitionerInfo, PractitionersResponse, QueryMsg, RecoveryInfo,
    },
    rules,
};
use cosmwasm_std::{to_json_binary, Binary, CanonicalAddr, Deps, Env, HexBinary};

use crate::{state, ContractError};

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
        QueryMsg::Practitioner { account } => to_json_binary(&practitioner(deps, &account)?),
        QueryMsg::Practitioners { institution, start_after, limit } => {
            to_json_binary(&practitioners(deps, institution, start_after.as_deref(), limit)?)
        }
        QueryMsg::Recovery { case } => to_json_binary(&recovery(deps, &env, &case)?),
        QueryMsg::Claim { case } => to_json_binary(&claim(deps, &env, &case)?),
    };
    Ok(answer?)
}

fn config(deps: Deps, env: &Env) -> Result<ConfigResponse, ContractError> {
    let settings = state::settings(deps.storage)?;
    let humanize = |account: Vec<u8>| deps.api.addr_humanize(&CanonicalAddr::from(account));
    Ok(ConfigResponse {
        authority: humanize(record::AUTHORITY.load(deps.storage, &[])?)?.into_string(),
        net: convert::hex(&state::this_net(deps, env)?),
        institutions: state::count(deps.storage)?,
        proposed: settings.proposed.map(humanize).transpose()?.map(Into::into),
        ppr: settings.ppr,
        paused: settings.paused,
        recovery_delay: settings.recovery_delay,
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

fn practitioner(deps: Deps, account: &str) -> Result<Option<PractitionerInfo>, ContractError> {
    let account = convert::account(deps.api, "account", account)?;
    let record = record::PRACTITIONER.may_load(deps.storage, &account.0)?;
    record.map(|record| practitioner_info(deps, &account, &record)).transpose()
}

fn practitioner_info(
    deps: Deps,
    account: &Address,
    record: &PractitionerRecord,
) -> Result<PractitionerInfo, ContractError> {
    Ok(PractitionerInfo {
        account: convert::humanize(deps.api, account)?,
        status: record.status.into(),
        role: record.role.into(),
        institution: record.institution,
        since: record.since.into(),
    })
}

fn practitioners(
    deps: Deps,
    institution: u32,
    start_after: Option<&str>,
    limit: Option<u32>,
) -> Result<PractitionersResponse, ContractError> {
    let after = start_after.map(|text| convert::account(deps.api, "start_after", text)).transpose()?;
    let rest = after.as_ref().map(|account| &account.0[..]);
    let page = state::STAFF.page(deps.storage, &institution.to_be_bytes(), rest, page::limit(limit))?;
    let info = |(account, _): (Vec<u8>, bool)| {
        let account = state::staff_account(&account)?;
        practitioner_info(deps, &account, &state::practitioner(deps.storage, &account)?)
    };
    Ok(PractitionersResponse { practitioners: page.into_iter().map(info).collect::<Result<_, _>>()? })
}

/// One that has lapsed is not running any more.
fn recovery(deps: Deps, env: &Env, case: &HexBinary) -> Result<Option<RecoveryInfo>, ContractError> {
    let case = convert::case_id(case)?;
    let record = record::RECOVERING.may_load(deps.storage, &case.0)?;
    let running = record.filter(|record| rules::recovering(Some(record), block_ms(&env.block)));
    let info = |record: RecoveryRecord| -> Result<RecoveryInfo, ContractError> {
        Ok(RecoveryInfo {
            holder: convert::humanize(deps.api, &record.holder)?,
            kem: convert::hex(&record.kem),
            ready: record.ready.into(),
            lapses: record.lapses.into(),
            attested: record.attested,
            vetoed: state::VETOED.has(deps.storage, &case.0),
        })
    };
    running.map(info).transpose()
}

/// One whose end is reached is not offered any more.
fn claim(deps: Deps, env: &Env, case: &HexBinary) -> Result<Option<ClaimInfo>, ContractError> {
    let case = convert::case_id(case)?;
    let record = record::CLAIM.may_load(deps.storage, &case.0)?;
    let offered = record.filter(|record| block_ms(&env.block) < record.until);
    let info = |record: ClaimRecord| -> Result<ClaimInfo, ContractError> {
        Ok(ClaimInfo { holder: convert::humanize(deps.api, &record.holder)?, until: record.until.into() })
    };
    offered.map(info).transpose()
}

fn identity(deps: Deps, case: &HexBinary) -> Result<Option<IdentityInfo>, ContractError> {
    let case = convert::case_id(case)?;
    let record = record::IDENTITY.may_load(deps.storage, &case.0)?;
    record.map(|record| identity_info(deps, &case, &record)).transpose()
}

fn identity_info(deps: Deps, case: &CaseId, record: &IdentityRecord) -> Result<IdentityInfo, ContractError> {
    let recovery = record::RECOVERY.may_load(deps.storage, &case.0)?;
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
