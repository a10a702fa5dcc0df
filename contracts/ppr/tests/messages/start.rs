//! Instantiation, SetSummary, migration, coins and unknown fields.

use casewise_ppr::contract;
use casewise_protocol::ppr::{ConfigResponse, ExecuteMsg, InstantiateMsg, MigrateMsg, QueryMsg};
use casewise_testkit::contracts::{addr, key, Suite};
use cosmwasm_std::{
    coins,
    testing::{message_info, mock_dependencies, mock_env, MockApi},
    MigrateInfo,
};
use serde_json::json;

#[test]
fn the_registrar_must_be_a_contract() {
    let mut deps = mock_dependencies();
    let sender = MockApi::default().addr_make("anyone");
    let account = addr(&key("x").address());
    for wrong in ["", "registrar", account.as_str(), &sender.as_str().to_uppercase()] {
        let msg = InstantiateMsg { registrar: wrong.to_string() };
        let error =
            contract::instantiate(deps.as_mut(), mock_env(), message_info(&sender, &[]), msg).unwrap_err();
        assert_eq!(
            error.to_string(),
            "registrar: not a contract of this network; send its lower-case bech32 address"
        );
    }
}

#[test]
fn the_authority_sets_the_summary_and_may_replace_it() {
    let mut suite = Suite::new();
    let (authority, first, registrar) =
        (suite.authority.clone(), suite.summary.clone(), suite.registrar.clone());
    let config = |suite: &Suite| suite.ask_ppr::<ConfigResponse>(&QueryMsg::Config {}).unwrap();
    let set = config(&suite);
    assert_eq!((set.registrar.as_str(), set.summary), (registrar.as_str(), Some(first.to_string())));
    let replace = ExecuteMsg::SetSummary { summary: registrar.to_string() };
    suite.ppr(&authority, &replace).unwrap();
    assert_eq!(config(&suite).summary, Some(registrar.to_string()));
    let wrong = ExecuteMsg::SetSummary { summary: authority.to_string() };
    assert_eq!(
        suite.ppr(&authority, &wrong).unwrap_err(),
        "summary: not a contract of this network; send its lower-case bech32 address"
    );
}

#[test]
fn coins_are_refused() {
    let mut deps = mock_dependencies();
    let sender = MockApi::default().addr_make("anyone");
    let info = message_info(&sender, &coins(1, "stake"));
    let msg = InstantiateMsg { registrar: sender.to_string() };
    let words = "funds: this message takes no coins; send it without";
    assert_eq!(
        contract::instantiate(deps.as_mut(), mock_env(), info.clone(), msg).unwrap_err().to_string(),
        words
    );
    let msg = ExecuteMsg::SetSummary { summary: sender.to_string() };
    assert_eq!(contract::execute(deps.as_mut(), mock_env(), info, msg).unwrap_err().to_string(), words);
}

#[test]
fn migration_keeps_to_this_contract_and_does_not_fall() {
    let mut deps = mock_dependencies();
    let sender = MockApi::default().addr_make("anyone");
    let msg = InstantiateMsg { registrar: sender.to_string() };
    contract::instantiate(deps.as_mut(), mock_env(), message_info(&sender, &[]), msg).unwrap();
    let migrate = |deps: &mut cosmwasm_std::OwnedDeps<_, _, _>| {
        let info = MigrateInfo { sender: sender.clone(), old_migrate_version: None };
        contract::migrate(deps.as_mut(), mock_env(), MigrateMsg {}, info)
    };
    migrate(&mut deps).unwrap();
    for (name, version) in [("casewise-registrar", "0.0.1"), ("casewise-ppr", "99.0.0")] {
        cw2::set_contract_version(&mut deps.storage, name, version).unwrap();
        let error = migrate(&mut deps).unwrap_err();
        assert!(error.to_string().starts_with("migrate: the stored contract is another one or newer"));
    }
}

#[test]
fn unknown_fields_and_messages_are_refused() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let case = suite.propose(&a, "p").case().to_hex();
    let (sender, ppr) = (a.addr(), suite.ppr.clone());
    for wrong in [
        json!({"ack": {"case": case, "rev": 0, "force": true}}),
        json!({"ack": {"case": case}}),
        json!({"ack": {"case": case, "rev": -1}}),
        json!({"ack": {"case": case, "rev": 4_294_967_296u64}}),
        json!({"ack": {"case": "zz", "rev": 0}}),
        json!({"propose": {"case": case, "policy": {"cadence": 1, "lateness": 1, "grace": 1, "completion": 1,
            "amends": null, "note": "x"}}}),
        json!({"forget": {"case": case}}),
        json!({"suspend": {"case": case, "institution": 1, "until": "1"}}),
        json!({"invite": {"case": case, "institution": "1"}}),
        json!({"set_delegate": {"case": case, "account": "x", "powers": ["everything"]}}),
        json!({"set_delegate": {"case": case, "account": "x", "powers": "grants"}}),
        json!({"set_delegate": {"case": case, "account": "x", "powers": ["grants"], "until": 5}}),
        json!({"remove_delegate": {"case": case}}),
        json!({"open_emergency": {"case": case, "reason": "curiosity", "until": "5"}}),
        json!({"open_emergency": {"case": case, "reason": "treatment", "until": "18446744073709551616"}}),
        json!({"open_emergency": {"case": case, "reason": "treatment"}}),
        json!({"end_emergency": {"case": case, "number": 4_294_967_296u64}}),
        json!({"review_emergency": {"case": case, "number": 1, "outcome": "unclear"}}),
        json!({"review_emergency": {"case": case, "number": 1, "outcome": "justified", "note": "x"}}),
        json!({"holder_changed": {"case": case, "holder": "x"}}),
    ] {
        let error = suite.send(&sender, &ppr, &wrong).expect_err("not a message");
        assert!(!error.starts_with("sender:"), "{wrong} was read as a message: {error}");
    }
    suite.send(&sender, &ppr, &json!({"ack": {"case": case, "rev": 0}})).unwrap();
}
