//! Entry points: each message goes to its file in `execute/`.

use casewise_protocol::{
    convert, may_migrate, nonpayable,
    ppr::{ExecuteMsg, InstantiateMsg, MigrateMsg, QueryMsg},
};
#[cfg(not(feature = "library"))]
use cosmwasm_std::entry_point;
use cosmwasm_std::{Binary, Deps, DepsMut, Env, MessageInfo, MigrateInfo, Response};

use crate::{
    execute, query,
    state::{Config, CONFIG},
    ContractError,
};

const NAME: &str = "casewise-ppr";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Starts the contract beside a registrar.
#[cfg_attr(not(feature = "library"), entry_point)]
pub fn instantiate(
    deps: DepsMut,
    _env: Env,
    info: MessageInfo,
    msg: InstantiateMsg,
) -> Result<Response, ContractError> {
    nonpayable(&info)?;
    let registrar = convert::contract(deps.api, "registrar", &msg.registrar)?;
    let config = Config { registrar: registrar.into_string(), summary: None };
    CONFIG.save(deps.storage, &[], &config);
    cw2::set_contract_version(deps.storage, NAME, VERSION)?;
    Ok(Response::new())
}

/// Does what a message says.
#[cfg_attr(not(feature = "library"), entry_point)]
pub fn execute(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    msg: ExecuteMsg,
) -> Result<Response, ContractError> {
    nonpayable(&info)?;
    match msg {
        ExecuteMsg::SetSummary { summary } => execute::set_summary::set_summary(deps, info, &summary),
        ExecuteMsg::Propose { case, policy } => execute::propose::propose(deps, env, info, &case, policy),
        ExecuteMsg::Accept { case, institution } => {
            execute::accept::accept(deps, env, info, &case, institution)
        }
        ExecuteMsg::Decline { case, institution } => {
            execute::end::decline(deps, env, info, &case, institution)
        }
        ExecuteMsg::End { case, institution } => execute::end::end(deps, env, info, &case, institution),
        ExecuteMsg::Grant { case, grants } => execute::grant::grant(deps, env, info, &case, &grants),
        ExecuteMsg::Revoke { case, commitments } => {
            execute::revoke::revoke(deps, env, info, &case, &commitments)
        }
        ExecuteMsg::Expire { commitment } => execute::expire::expire(deps, env, info, &commitment),
        ExecuteMsg::Suspend { case, institution } => {
            execute::suspend::suspend(deps, env, info, &case, institution)
        }
        ExecuteMsg::Resume { case, institution } => {
            execute::suspend::resume(deps, env, info, &case, institution)
        }
        ExecuteMsg::Invite { case, institution } => {
            execute::invite::invite(deps, env, info, &case, institution)
        }
        ExecuteMsg::WithdrawInvitation { case, institution } => {
            execute::invite::withdraw(deps, env, info, &case, institution)
        }
        ExecuteMsg::SetDelegate { case, account, powers, until } => {
            execute::delegate::set(deps, env, info, &case, &account, &powers, until)
        }
        ExecuteMsg::RemoveDelegate { case, account } => {
            execute::delegate::remove(deps, info, &case, &account)
        }
        ExecuteMsg::OpenEmergency { case, reason, until } => {
            execute::emergency::open(deps, env, info, &case, reason, until)
        }
        ExecuteMsg::EndEmergency { case, number } => execute::emergency::end(deps, env, info, &case, number),
        ExecuteMsg::ReviewEmergency { case, number, outcome } => {
            execute::emergency::review(deps, env, info, &case, number, outcome)
        }
        ExecuteMsg::HolderChanged { case } => execute::holder_changed::holder_changed(deps, env, info, &case),
        ExecuteMsg::Ack { case, rev } => execute::ack::ack(deps, info, &case, rev),
    }
}

/// Answers a question.
#[cfg_attr(not(feature = "library"), entry_point)]
pub fn query(deps: Deps, env: Env, msg: QueryMsg) -> Result<Binary, ContractError> {
    query::answer(deps, env, msg)
}

/// Takes over the state of an older version of this contract.
#[cfg_attr(not(feature = "library"), entry_point)]
pub fn migrate(
    deps: DepsMut,
    _env: Env,
    _msg: MigrateMsg,
    _info: MigrateInfo,
) -> Result<Response, ContractError> {
    let stored = cw2::get_contract_version(deps.storage)?;
    if stored.contract != NAME || !may_migrate(&stored.version, VERSION) {
        return Err(ContractError::Migration);
    }
    cw2::set_contract_version(deps.storage, NAME, VERSION)?;
    Ok(Response::new())
}
