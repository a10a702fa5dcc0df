//! Instantiation, coins and unknown fields.

use casewise_ledger::CaseId;
use casewise_protocol::{
    convert::PractitionerRole,
    registrar::{
        ConfigResponse, ExecuteMsg, InstantiateMsg, QueryMsg, DEFAULT_RECOVERY_DELAY, MAX_RECOVERY_DELAY,
        MIN_RECOVERY_DELAY,
    },
};
use casewise_registrar::{contract, state};
use casewise_testkit::contracts::{addr, key, rotation, Suite, CHAIN_ID, PREFIX};
use cosmwasm_std::{
    coins,
    testing::{message_info, mock_dependencies, mock_env, MockApi},
};
use serde_json::json;

#[test]
fn settings_name_the_authority_and_the_net() {
    let suite = Suite::new();
    let config: ConfigResponse = suite.ask_registrar(&QueryMsg::Config {}).unwrap();
    assert_eq!(config.authority, suite.authority.as_str());
    assert_eq!((config.institutions, config.proposed, config.paused), (0, None, false));
    assert_eq!((config.ppr, config.recovery_delay), (Some(suite.ppr.to_string()), DEFAULT_RECOVERY_DELAY));
    let fresh: ConfigResponse = Suite::without_ppr().ask_registrar(&QueryMsg::Config {}).unwrap();
    assert_eq!(fresh.ppr, None);
    assert_eq!(suite.net(), suite.net_apart(), "chain {CHAIN_ID}");
}

#[test]
fn an_authority_that_is_no_account_is_refused() {
    let mut deps = mock_dependencies();
    let sender = MockApi::default().addr_make("anyone");
    for wrong in ["", "consortium", &sender.as_str().to_uppercase()] {
        let msg = InstantiateMsg { authority: wrong.to_string(), recovery_delay: None };
        let error =
            contract::instantiate(deps.as_mut(), mock_env(), message_info(&sender, &[]), msg).unwrap_err();
        assert_eq!(
            error.to_string(),
            "authority: not an account of this network; send it in lower-case bech32 with 20 bytes"
        );
    }
}

#[test]
fn coins_are_refused() {
    let mut deps = mock_dependencies();
    let sender = MockApi::default().addr_make("anyone");
    let msg = InstantiateMsg { authority: sender.to_string(), recovery_delay: None };
    let info = message_info(&sender, &coins(1, "stake"));
    let error = contract::instantiate(deps.as_mut(), mock_env(), info.clone(), msg).unwrap_err();
    assert_eq!(error.to_string(), "funds: this message takes no coins; send it without");
    let (case, account) = (CaseId([1; 32]), key("x").address());
    let card = rotation(&case, 1, "x");
    for msg in [
        Suite::admission("A"),
        ExecuteMsg::ProposeAuthority { account: None },
        ExecuteMsg::AcceptAuthority {},
        ExecuteMsg::SetPpr { ppr: sender.to_string() },
        ExecuteMsg::PauseRegistrations { paused: true },
        ExecuteMsg::RegisterPractitioner { account: sender.to_string(), role: PractitionerRole::Nurse },
        ExecuteMsg::SuspendPractitioner { account: sender.to_string() },
        ExecuteMsg::ResumePractitioner { account: sender.to_string() },
        ExecuteMsg::enrol_custodial(&Suite::new().offer("x", 1, None).offer),
        ExecuteMsg::offer_claim(PREFIX, &case, &account, 1).unwrap(),
        ExecuteMsg::withdraw_claim(&case),
        ExecuteMsg::accept_claim(PREFIX, &card, None).unwrap(),
        ExecuteMsg::rotate(&card),
        ExecuteMsg::start_recovery(&card),
        ExecuteMsg::attest_recovery(&case),
        ExecuteMsg::veto_recovery(&case),
        ExecuteMsg::cancel_recovery(&case),
        ExecuteMsg::finish_recovery(&case),
    ] {
        let error = contract::execute(deps.as_mut(), mock_env(), info.clone(), msg).unwrap_err();
        assert_eq!(error.to_string(), "funds: this message takes no coins; send it without");
    }
}

#[test]
fn the_delay_of_recoveries_is_a_second_to_thirty_days() {
    let sender = MockApi::default().addr_make("anyone");
    let start = |recovery_delay| {
        let mut deps = mock_dependencies();
        let msg = InstantiateMsg { authority: sender.to_string(), recovery_delay };
        contract::instantiate(deps.as_mut(), mock_env(), message_info(&sender, &[]), msg)
            .map(|_| state::settings(&deps.storage).unwrap().recovery_delay)
    };
    assert_eq!(start(None).unwrap(), DEFAULT_RECOVERY_DELAY);
    for delay in [MIN_RECOVERY_DELAY, MAX_RECOVERY_DELAY] {
        assert_eq!(start(Some(delay)).unwrap(), delay);
    }
    for delay in [MIN_RECOVERY_DELAY - 1, MAX_RECOVERY_DELAY + 1, u32::MAX] {
        let words = "recovery_delay: must be 1 to 2592000 seconds; choose another";
        assert_eq!(start(Some(delay)).unwrap_err().to_string(), words);
    }
}

#[test]
fn unknown_fields_and_messages_are_refused() {
    let mut suite = Suite::new();
    suite.admit("A");
    let (authority, registrar) = (suite.authority.clone(), suite.registrar.clone());
    for wrong in [
        json!({"suspend_institution": {"institution": 1, "until": 5}}),
        json!({"suspend_institution": {}}),
        json!({"suspend_institution": {"institution": 1}, "resume_institution": {"institution": 1}}),
        json!({"delete_institution": {"institution": 1}}),
        json!({"add_operator": {"institution": "1", "account": addr(&key("x").address())}}),
        json!({"add_operator": {"institution": -1, "account": addr(&key("x").address())}}),
        json!({"propose_authority": {"account": null, "now": true}}),
        json!({"accept_authority": {"account": addr(&key("x").address())}}),
        json!({"set_ppr": {"ppr": suite.ppr, "summary": suite.summary}}),
        json!({"pause_registrations": {}}),
        json!({"pause_registrations": {"paused": "true"}}),
        json!({"register_practitioner": {"account": addr(&key("x").address()), "role": "wizard"}}),
        json!({"register_practitioner": {"account": addr(&key("x").address()), "role": "nurse", "name": "N"}}),
        json!({"suspend_practitioner": {"account": addr(&key("x").address()), "until": 5}}),
        json!({"resume_practitioner": {}}),
        json!({"withdraw_claim": {"case": "00", "force": true}}),
        json!({"finish_recovery": {"case": "zz"}}),
        json!({"start_recovery": {"card": "AA==", "key": "", "signature": "", "delay": 1}}),
    ] {
        suite.send(&authority, &registrar, &wrong).expect_err("not a message");
    }
    let error: Result<serde_json::Value, _> =
        suite.app.wrap().query_wasm_smart(&registrar, &json!({"config": {"verbose": true}}));
    error.expect_err("not a question");
}
