//! Entry points: each message goes to its file in `execute/`.

use casewise_protocol::{
    convert, may_migrate, nonpayable, record,
    registrar::{ExecuteMsg, InstantiateMsg, MigrateMsg, QueryMsg},
};
#[cfg(not(feature = "library"))]
use cosmwasm_std::entry_point;
use cosmwasm_std::{Binary, Deps, DepsMut, Env, MessageInfo, MigrateInfo, Response};

use crate::{execute, query, ContractError};

const NAME: &str = "casewise-registrar";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Starts the contract with its authority.
#[cfg_attr(not(feature = "library"), entry_point)]
pub fn instantiate(
    deps: DepsMut,
    _env: Env,
    info: MessageInfo,
    msg: InstantiateMsg,
) -> Result<Response, ContractError> {
    nonpayable(&info)?;
    let authority = convert::any_account(deps.api, "authority", &msg.authority)?;
    record::AUTHORITY.save(deps.storage, &[], &authority.to_vec());
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
        ExecuteMsg::RegisterInstitution { kind, account, name, endpoint, kem, operators } => {
            let admission = execute::register::Admission { kind, account, name, endpoint, kem, operators };
            execute::register::register(deps, env, info, admission)
        }
        ExecuteMsg::UpdateInstitution { institution, name, endpoint } => {
            execute::update::update(deps, info, institution, name, endpoint)
        }
        ExecuteMsg::RotateKem { kem } => execute::rotate_kem::rotate_kem(deps, info, kem),
        ExecuteMsg::AddOperator { institution, account } => {
            execute::operator::add(deps, info, institution, &account)
        }
        ExecuteMsg::RemoveOperator { institution, account } => {
            execute::operator::remove(deps, info, institution, &account)
        }
        ExecuteMsg::SuspendInstitution { institution } => {
            execute::status::suspend(deps, env, info, institution)
        }
        ExecuteMsg::ResumeInstitution { institution } => {
            execute::status::resume(deps, env, info, institution)
        }
        ExecuteMsg::Enrol { card, recovery, key, expires, signature } => {
            let enrolment = execute::enrol::Enrolment { card, recovery, key, expires, signature };
            execute::enrol::enrol(deps, env, info, enrolment)
        }
        _ => Err(ContractError::Host("not in this version".to_string())),
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
