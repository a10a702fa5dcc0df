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
        ExecuteMsg::Seen { case, items } => execute::seen::seen(deps, info, &case, &items),
        _ => Err(ContractError::Host("not in this version".to_string())),
    }
}

/// Answers a question.
#[cfg_attr(not(feature = "library"), entry_point)]
pub fn query(deps: Deps, _env: Env, msg: QueryMsg) -> Result<Binary, ContractError> {
    query::answer(deps, msg)
}
