//! Answers.

use casewise_ledger::{
    encode,
    records::{ns, DisputeRecord, InstitutionStatus, LaneRecord},
    CaseId, LaneId, Party,
};
use casewise_protocol::{
    convert::{self, PartyInfo},
    page, record,
    rules::{self, Block},
    summary::{
        CadenceResponse, CaseInfo, ConfigResponse, ConflictsResponse, DisputeInfo, DisputesResponse,
        EntryKey, LaneCadence, LaneInfo, LaneSeen, LanesResponse, MarkInfo, MarksResponse, QueryMsg,
        StatusResponse,
    },
    ProtocolError,
};
use cosmwasm_std::{to_json_binary, Binary, Deps, Env, HexBinary};

use crate::{
    chain::Chain,
    state::{self, AUTHOR_CONFLICTS, CASE_LANES, CONFIG},
    ContractError,
};

/// Answers a question.
pub fn answer(deps: Deps, env: &Env, msg: QueryMsg) -> Result<Binary, ContractError> {
    let answer = match msg {
        QueryMsg::Config {} => to_json_binary(&config(deps)?),
        QueryMsg::Lane { lane } => to_json_binary(&lane_by_id(deps, &lane)?),
        QueryMsg::Lanes { case, start_after, limit } => {
            to_json_binary(&lanes(deps, &convert::case_id(&case)?, start_after.as_ref(), limit)?)
        }
        QueryMsg::Case { case } => to_json_binary(&case_by_id(deps, &convert::case_id(&case)?)?),
        QueryMsg::Status { case, institution } => {
            to_json_binary(&status(deps, &convert::case_id(&case)?, institution)?)
        }
        QueryMsg::Cadence { case, author } => {
            let author = author.into_party(deps.api, "author")?;
            to_json_binary(&cadence(deps, &convert::case_id(&case)?, &author, Block::of(&env.block))?)
        }
        QueryMsg::Disputes { case, start_after, limit } => {
            to_json_binary(&disputes(deps, &convert::case_id(&case)?, start_after.as_ref(), limit)?)
        }
        QueryMsg::Marks { lane } => to_json_binary(&marks(deps, &convert::lane_id(&lane)?)?),
        QueryMsg::Conflicts { author, start_after, limit } => {
            let author = author.into_party(deps.api, "author")?;
            to_json_binary(&conflicts(deps, &author, start_after.as_ref(), limit)?)
        }
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

fn case_by_id(deps: Deps, case: &CaseId) -> Result<Option<CaseInfo>, ProtocolError> {
    let due = state::case_due(deps.storage, case)?;
    Ok(state::case(deps.storage, case)?.map(|record| CaseInfo::new(&record, due)))
}

fn cadence(
    deps: Deps,
    case: &CaseId,
    author: &Party,
    block: Block,
) -> Result<CadenceResponse, ContractError> {
    let policy = Chain::new(deps.storage, deps.api, deps.querier)?.policy(case)?;
    let (cadence, lateness) = policy.map_or((0, 0), |policy| (policy.cadence, policy.lateness));
    let lane = |id: &LaneId| {
        let silence = rules::silence(&record::LANE.load(deps.storage, &id.0)?, block);
        let late = rules::late(silence, cadence);
        Ok(LaneCadence { lane: convert::hex(&id.0), silence: silence.into(), late })
    };
    let open = state::open_lanes(deps.storage, case, author)?.content;
    let lanes = open.iter().map(lane).collect::<Result<_, ProtocolError>>()?;
    Ok(CadenceResponse { cadence, lateness, lanes })
}

fn disputes(
    deps: Deps,
    case: &CaseId,
    start_after: Option<&EntryKey>,
    limit: Option<u32>,
) -> Result<DisputesResponse, ProtocolError> {
    let after = |key: &EntryKey| {
        let lane: [u8; 32] = convert::fixed("start_after", &key.lane)?;
        Ok([lane.as_slice(), &key.index.to_be_bytes()].concat())
    };
    let after = start_after.map(after).transpose()?;
    let info = |(rest, record): (Vec<u8>, DisputeRecord)| {
        let damaged = || ProtocolError::Record { namespace: ns::DISPUTE };
        let (lane, index) = rest.split_at_checked(32).ok_or_else(damaged)?;
        let lane = LaneId::try_from(lane).map_err(|_| damaged())?;
        let index = index.try_into().map(u32::from_be_bytes).map_err(|_| damaged())?;
        Ok(DisputeInfo::new(&lane, index, &record))
    };
    let page = record::DISPUTE.page(deps.storage, &case.0, after.as_deref(), page::limit(limit))?;
    Ok(DisputesResponse { disputes: page.into_iter().map(info).collect::<Result<_, _>>()? })
}

fn marks(deps: Deps, lane: &LaneId) -> Result<MarksResponse, ProtocolError> {
    let compromised = record::COMPROMISE.may_load(deps.storage, &lane.0)?;
    let conflict = record::CONFLICT.may_load(deps.storage, &lane.0)?;
    Ok(MarksResponse {
        compromised: compromised.as_ref().map(MarkInfo::from),
        conflict: conflict.as_ref().map(MarkInfo::from),
    })
}

fn conflicts(
    deps: Deps,
    author: &Party,
    start_after: Option<&HexBinary>,
    limit: Option<u32>,
) -> Result<ConflictsResponse, ProtocolError> {
    let after: Option<[u8; 32]> =
        start_after.map(|after| convert::fixed("start_after", after)).transpose()?;
    let after = after.as_ref().map(|after| after.as_slice());
    let page = AUTHOR_CONFLICTS.page(deps.storage, &encode(author), after, page::limit(limit))?;
    Ok(ConflictsResponse { lanes: page.into_iter().map(|(lane, _)| HexBinary::from(lane)).collect() })
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
