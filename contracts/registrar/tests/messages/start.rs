//! Instantiation, migration, coins and unknown fields.

use casewise_protocol::registrar::{ConfigResponse, InstantiateMsg, MigrateMsg, QueryMsg};
use casewise_registrar::contract;
use casewise_testkit::contracts::{addr, key, Suite, CHAIN_ID};
use cosmwasm_std::{
    coins,
    testing::{message_info, mock_dependencies, mock_env, MockApi},
    MigrateInfo,
};
use serde_json::json;

#[test]
fn settings_name_the_authority_and_the_net() {
    let suite = Suite::new();
    let config: ConfigResponse = suite.ask_registrar(&QueryMsg::Config {}).unwrap();
    assert_eq!(config.authority, suite.authority.as_str());
    assert_eq!(config.institutions, 0);
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
    let msg = Suite::admission("A");
    let error = contract::execute(deps.as_mut(), mock_env(), info, msg).unwrap_err();
    assert_eq!(error.to_string(), "funds: this message takes no coins; send it without");
}

#[test]
fn migration_keeps_to_this_contract_and_does_not_fall() {
    let mut deps = mock_dependencies();
    let sender = MockApi::default().addr_make("anyone");
    let msg = InstantiateMsg { authority: sender.to_string(), recovery_delay: None };
    contract::instantiate(deps.as_mut(), mock_env(), message_info(&sender, &[]), msg).unwrap();
    let migrate = |deps: &mut cosmwasm_std::OwnedDeps<_, _, _>| {
        let info = MigrateInfo { sender: sender.clone(), old_migrate_version: None };
        contract::migrate(deps.as_mut(), mock_env(), MigrateMsg { recovery_delay: None }, info)
    };
    migrate(&mut deps).unwrap();
    for (name, version) in [("casewise-ppr", "0.0.1"), ("casewise-registrar", "99.0.0")] {
        cw2::set_contract_version(&mut deps.storage, name, version).unwrap();
        let error = migrate(&mut deps).unwrap_err();
        assert!(error.to_string().starts_with("migrate: the stored contract is another one or newer"));
    }
    cw2::set_contract_version(&mut deps.storage, "casewise-registrar", "0.0.1").unwrap();
    migrate(&mut deps).unwrap();
    let stored = cw2::get_contract_version(&deps.storage).unwrap();
    assert_eq!(stored.version, env!("CARGO_PKG_VERSION"));
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
    ] {
        suite.send(&authority, &registrar, &wrong).expect_err("not a message");
    }
    let error: Result<serde_json::Value, _> =
        suite.app.wrap().query_wasm_smart(&registrar, &json!({"config": {"verbose": true}}));
    error.expect_err("not a question");
}
