//! Entry points: each message goes to its file in `execute/`.

use casewise_protocol::{
    convert, nonpayable,
    summary::{ExecuteMsg, InstantiateMsg, QueryMsg},
};
#[cfg(not(feature = "library"))]
use cosmwasm_std::entry_point;
use cosmwasm_std::{Binary, Deps, DepsMut, Env, MessageInfo, Response};

use crate::{
    execute, query,
    state::{Config, CONFIG},
    ContractError,
};

const NAME: &str = "casewise-summary";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Starts the contract beside a registrar and a ppr.
#[cfg_attr(not(feature = "library"), entry_point)]
pub fn instantiate(
    deps: DepsMut,
    _env: Env,
    info: MessageInfo,
    msg: InstantiateMsg,
) -> Result<Response, ContractError> {
    nonpayable(&info)?;
    let registrar = convert::contract(deps.api, "registrar", &msg.registrar)?.into_string();
    let ppr = convert::contract(deps.api, "ppr", &msg.ppr)?.into_string();
    CONFIG.save(deps.storage, &[], &Config { registrar, ppr });
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
        ExecuteMsg::Open { headers } => execute::open::open(deps, env, info, &headers),
        ExecuteMsg::Anchor { blob } => execute::anchor::anchor(deps, env, info, &blob),
        ExecuteMsg::Rotate { blob } => execute::rotate::rotate(deps, env, info, &blob),
        ExecuteMsg::Close { blob } => execute::close::close(deps, env, info, &blob),
        ExecuteMsg::Closing { case, institution } => {
            execute::closing::closing(deps, env, info, &case, institution)
        }
        ExecuteMsg::CloseOverdue { lanes } => execute::close_overdue::close_overdue(deps, env, &lanes),
        ExecuteMsg::WindUp { case } => execute::wind_up::wind_up(deps, env, info, &case),
        ExecuteMsg::ProposeCompletion { case, digest } => {
            execute::propose_completion::propose_completion(deps, env, info, &case, &digest)
        }
        ExecuteMsg::ApproveCompletion { case, digest } => {
            execute::approve_completion::approve_completion(deps, env, info, &case, &digest)
        }
        ExecuteMsg::ObjectCompletion { case, digest } => {
            execute::object_completion::object_completion(deps, env, info, &case, &digest)
        }
        ExecuteMsg::FinishCompletion { case, digest } => {
            execute::finish_completion::finish_completion(deps, env, &case, &digest)
        }
        ExecuteMsg::Compromised { lane, index } => {
            execute::compromised::compromised(deps, env, info, &lane, index)
        }
        ExecuteMsg::Dispute { lane, index, code } => {
            execute::dispute::dispute(deps, env, info, &lane, index, code.into())
        }
        ExecuteMsg::WithdrawDispute { lane, index } => {
            execute::withdraw_dispute::withdraw_dispute(deps, env, info, &lane, index)
        }
        ExecuteMsg::ProveConflict { proof } => execute::prove_conflict::prove_conflict(deps, env, &proof),
        ExecuteMsg::Seen { case, items } => execute::seen::seen(deps, env, info, &case, &items),
    }
}

/// Answers a question.
#[cfg_attr(not(feature = "library"), entry_point)]
pub fn query(deps: Deps, env: Env, msg: QueryMsg) -> Result<Binary, ContractError> {
    query::answer(deps, &env, msg)
}
