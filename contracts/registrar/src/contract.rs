//! Entry points: each message goes to its file in `execute/`.

use casewise_protocol::{
    convert, may_migrate, nonpayable, record,
    registrar::{
        ExecuteMsg, InstantiateMsg, MigrateMsg, QueryMsg, DEFAULT_RECOVERY_DELAY, MAX_RECOVERY_DELAY,
        MIN_RECOVERY_DELAY,
    },
};
#[cfg(not(feature = "library"))]
use cosmwasm_std::entry_point;
use cosmwasm_std::{Binary, Deps, DepsMut, Env, MessageInfo, MigrateInfo, Response};

use crate::{
    execute, query,
    signature::SignedCard,
    state::{self, Settings},
    ContractError,
};

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
    state::SETTINGS.save(deps.storage, &[], &settings(msg.recovery_delay)?);
    cw2::set_contract_version(deps.storage, NAME, VERSION)?;
    Ok(Response::new())
}

/// The settings of a registrar that knows no ppr yet.
fn settings(recovery_delay: Option<u32>) -> Result<Settings, ContractError> {
    let recovery_delay = check_delay(recovery_delay.unwrap_or(DEFAULT_RECOVERY_DELAY))?;
    Ok(Settings { proposed: None, ppr: None, paused: false, recovery_delay })
}

fn check_delay(delay: u32) -> Result<u32, ContractError> {
    if (MIN_RECOVERY_DELAY..=MAX_RECOVERY_DELAY).contains(&delay) {
        Ok(delay)
    } else {
        Err(ContractError::RecoveryDelay)
    }
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
        ExecuteMsg::ProposeAuthority { account } => {
            execute::authority::propose(deps, info, account.as_deref())
        }
        ExecuteMsg::AcceptAuthority {} => execute::authority::accept(deps, info),
        ExecuteMsg::SetPpr { ppr } => execute::set_ppr::set_ppr(deps, info, &ppr),
        ExecuteMsg::PauseRegistrations { paused } => execute::pause::pause(deps, info, paused),
        ExecuteMsg::RegisterPractitioner { account, role } => {
            execute::practitioner::register(deps, env, info, &account, role)
        }
        ExecuteMsg::SuspendPractitioner { account } => {
            execute::practitioner::suspend(deps, env, info, &account)
        }
        ExecuteMsg::ResumePractitioner { account } => {
            execute::practitioner::resume(deps, env, info, &account)
        }
        ExecuteMsg::Enrol { card, recovery, key, expires, signature } => {
            let custodial = false;
            let enrolment = execute::enrol::Enrolment { card, recovery, key, expires, signature, custodial };
            execute::enrol::enrol(deps, env, info, enrolment)
        }
        ExecuteMsg::EnrolCustodial { card, key, expires, signature } => {
            let (recovery, custodial) = (None, true);
            let enrolment = execute::enrol::Enrolment { card, recovery, key, expires, signature, custodial };
            execute::enrol::enrol(deps, env, info, enrolment)
        }
        ExecuteMsg::OfferClaim { case, holder, until } => {
            execute::claim::offer(deps, env, info, &case, &holder, until)
        }
        ExecuteMsg::WithdrawClaim { case } => execute::claim::withdraw(deps, info, &case),
        ExecuteMsg::AcceptClaim { card, recovery, key, signature } => {
            let signed = SignedCard { card, key, signature };
            execute::claim::accept(deps, env, info, signed, recovery.as_deref())
        }
        ExecuteMsg::Rotate { card, key, signature } => {
            execute::rotate::rotate(deps, env, info, SignedCard { card, key, signature })
        }
        ExecuteMsg::StartRecovery { card, key, signature } => {
            execute::recovery::start(deps, env, info, SignedCard { card, key, signature })
        }
        ExecuteMsg::AttestRecovery { case } => execute::recovery::attest(deps, env, info, &case),
        ExecuteMsg::VetoRecovery { case } => execute::recovery::veto(deps, env, info, &case),
        ExecuteMsg::CancelRecovery { case } => execute::recovery::cancel(deps, env, info, &case),
        ExecuteMsg::FinishRecovery { case } => execute::recovery::finish(deps, env, info, &case),
    }
}

/// Answers a question.
#[cfg_attr(not(feature = "library"), entry_point)]
pub fn query(deps: Deps, env: Env, msg: QueryMsg) -> Result<Binary, ContractError> {
    query::answer(deps, env, msg)
}

/// Takes over the state of an older version of this contract. Its records stay as they are; 0.1.0
/// had no settings beside the authority.
#[cfg_attr(not(feature = "library"), entry_point)]
pub fn migrate(
    deps: DepsMut,
    _env: Env,
    msg: MigrateMsg,
    _info: MigrateInfo,
) -> Result<Response, ContractError> {
    let stored = cw2::get_contract_version(deps.storage).map_err(|_| ContractError::Migration)?;
    if stored.contract != NAME || !may_migrate(&stored.version, VERSION) {
        return Err(ContractError::Migration);
    }
    let settings = match state::SETTINGS.may_load(deps.storage, &[])? {
        None => settings(msg.recovery_delay)?,
        Some(older) => {
            let recovery_delay = check_delay(msg.recovery_delay.unwrap_or(older.recovery_delay))?;
            Settings { recovery_delay, ..older }
        }
    };
    state::SETTINGS.save(deps.storage, &[], &settings);
    cw2::set_contract_version(deps.storage, NAME, VERSION)?;
    Ok(Response::new())
}
