//! Answers.

use casewise_ledger::{
    records::{InstitutionStatus, LaneRecord},
    CaseId, LaneId, Party,
};
use casewise_protocol::{
    convert::{self, PartyInfo},
    page, record, rules,
    summary::{CaseInfo, ConfigResponse, LaneInfo, LaneSeen, LanesResponse, QueryMsg, StatusResponse},
    ProtocolError,
};
use cosmwasm_std::{to_json_binary, Binary, Deps, HexBinary};

use crate::{
    chain::Chain,
    state::{self, CASE_LANES, CONFIG},
    ContractError,
};

/// Answers a question.
pub fn answer(deps: Deps, msg: QueryMsg) -> Result<Binary, ContractError> {
    let answer = match msg {
        QueryMsg::Config {} => to_json_binary(&config(deps)?),
        QueryMsg::Lane { lane } => to_json_binary(&lane_by_id(deps, &lane)?),
        QueryMsg::Lanes { case, start_after, limit } => {
            to_json_binary(&lanes(deps, &convert::case_id(&case)?, start_after.as_ref(), limit)?)
        }
        QueryMsg::Case { case } => {
            let record = state::case(deps.storage, &convert::case_id(&case)?)?;
            to_json_binary(&record.as_ref().map(|record| CaseInfo::new(record, None)))
        }
        QueryMsg::Status { case, institution } => {
            to_json_binary(&status(deps, &convert::case_id(&case)?, institution)?)
        }
        _ => return Err(ContractError::Host("not in this version".to_string())),
    };
    Ok(answer?)
}

fn config(deps: Deps) -> Result<ConfigResponse, ProtocolError> {
    let config = CONFIG.load(deps.storage, &[])?;
    Ok(ConfigResponse { registrar: config.registrar, ppr: config.ppr })
}

fn lane_by_id(deps: Deps, lane: &HexBinary) -> Result<Option<LaneInfo>, ProtocolError> {
    let lane = convert::lane_id(lane)?;
    let record = record::LANE.may_load(deps.storage, &lane.0)?;
    record.map(|record| lane_info(deps, &lane, &record)).transpose()
}

fn lane_info(deps: Deps, id: &LaneId, record: &LaneRecord) -> Result<LaneInfo, ProtocolError> {
    Ok(LaneInfo {
        lane: convert::hex(&id.0),
        status: record.status.into(),
        class: record.class.into(),
        case: convert::hex(&record.case.0),
        author: PartyInfo::from_party(deps.api, &record.author)?,
        signer: record.signer.as_ref().map(convert::hex),
        size: record.size,
        root: convert::hex(&record.root),
        height: record.height.into(),
        time: record.time.into(),
        seen: record.seen,
        due: state::due(deps.storage, id, record)?.map(Into::into),
    })
}

fn lanes(
    deps: Deps,
    case: &CaseId,
    start_after: Option<&HexBinary>,
    limit: Option<u32>,
) -> Result<LanesResponse, ProtocolError> {
    let after: Option<[u8; 32]> =
        start_after.map(|after| convert::fixed("start_after", after)).transpose()?;
    let after = after.as_ref().map(|after| after.as_slice());
    let info = |(rest, _): (Vec<u8>, bool)| {
        let id =
            LaneId::try_from(rest.as_slice()).map_err(|_| ProtocolError::Record { namespace: "caselane" })?;
        lane_info(deps, &id, &record::LANE.load(deps.storage, &id.0)?)
    };
    let page = CASE_LANES.page(deps.storage, &case.0, after, page::limit(limit))?;
    Ok(LanesResponse { lanes: page.into_iter().map(info).collect::<Result<_, _>>()? })
}

fn status(deps: Deps, case: &CaseId, institution: u32) -> Result<StatusResponse, ContractError> {
    let chain = Chain::new(deps.storage, deps.api, deps.querier)?;
    let relationship = chain.relationship(case, institution)?.map(|relationship| relationship.status);
    let active =
        chain.institution(institution)?.is_some_and(|found| found.status == InstitutionStatus::Active);
    let open = state::open_lanes(deps.storage, case, &Party::Institution(institution))?;
    let seen = |id: &LaneId| {
        let lane = record::LANE.load(deps.storage, &id.0)?;
        Ok(LaneSeen { lane: convert::hex(&id.0), size: lane.size, seen: lane.seen })
    };
    let lanes: Vec<LaneSeen> = open.content.iter().map(seen).collect::<Result<_, ProtocolError>>()?;
    let unseen = open.unseen > 0 || lanes.iter().any(|lane| lane.seen < lane.size);
    Ok(StatusResponse {
        status: rules::care_status(relationship, active, unseen),
        lanes,
        closed_unseen: open.unseen,
    })
}
