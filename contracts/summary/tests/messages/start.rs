//! Instantiation, coins and unknown fields.

use casewise_protocol::summary::{ConfigResponse, ExecuteMsg, InstantiateMsg, QueryMsg};
use casewise_summary::contract;
use casewise_testkit::contracts::Suite;
use cosmwasm_std::{
    coins,
    testing::{message_info, mock_dependencies, mock_env, MockApi},
    Binary, HexBinary,
};
use serde_json::json;

#[test]
fn settings_name_the_other_contracts() {
    let suite = Suite::new();
    let config: ConfigResponse = suite.ask_summary(&QueryMsg::Config {}).unwrap();
    assert_eq!(
        (config.registrar.as_str(), config.ppr.as_str()),
        (suite.registrar.as_str(), suite.ppr.as_str())
    );
    let info = suite.app.wrap().query_wasm_contract_info(&suite.summary).unwrap();
    assert_eq!(info.admin, None, "nobody may change it");
}

#[test]
fn both_must_be_contracts() {
    let mut deps = mock_dependencies();
    let good = MockApi::default().addr_make("contract");
    for (registrar, ppr, field) in [("x", good.as_str(), "registrar"), (good.as_str(), "", "ppr")] {
        let msg = InstantiateMsg { registrar: registrar.to_string(), ppr: ppr.to_string() };
        let error =
            contract::instantiate(deps.as_mut(), mock_env(), message_info(&good, &[]), msg).unwrap_err();
        let words = format!("{field}: not a contract of this network; send its lower-case bech32 address");
        assert_eq!(error.to_string(), words);
    }
}

#[test]
fn coins_are_refused() {
    let mut deps = mock_dependencies();
    let sender = MockApi::default().addr_make("anyone");
    let info = message_info(&sender, &coins(1, "stake"));
    let words = "funds: this message takes no coins; send it without";
    let msg = InstantiateMsg { registrar: sender.to_string(), ppr: sender.to_string() };
    assert_eq!(
        contract::instantiate(deps.as_mut(), mock_env(), info.clone(), msg).unwrap_err().to_string(),
        words
    );
    let msg = ExecuteMsg::Anchor { blob: Binary::default() };
    assert_eq!(contract::execute(deps.as_mut(), mock_env(), info, msg).unwrap_err().to_string(), words);
}

#[test]
fn unknown_fields_and_messages_are_refused() {
    let (mut suite, a, patient) = crate::onboarded();
    let (sender, summary) = (a.addr(), suite.summary.clone());
    let lanes = vec![HexBinary::from([1; 32])];
    for wrong in [
        json!({"close_overdue": {"lanes": lanes, "now": true}}),
        json!({"close_overdue": {}}),
        json!({"anchor": {"blob": "***"}}),
        json!({"seen": {"case": patient.case().to_hex(), "items": [{"lane": lanes[0], "size": 1, "x": 1}]}}),
        json!({"wipe": {}}),
        json!({"wind_up": {"case": patient.case().to_hex(), "grace": 0}}),
        json!({"compromised": {"lane": lanes[0], "index": -1}}),
        json!({"compromised": {"lane": lanes[0], "index": 4_294_967_296u64}}),
        json!({"prove_conflict": {}}),
    ] {
        suite.send(&sender, &summary, &wrong).expect_err("not a message");
    }
    suite.send(&sender, &summary, &json!({"close_overdue": {"lanes": lanes}})).unwrap();
}
