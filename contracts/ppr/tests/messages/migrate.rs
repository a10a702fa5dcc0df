//! Migration, from the state that version 0.1.0 stored, written here byte by byte.

use casewise_ledger::{CaseId, Commitment};
use casewise_protocol::{
    convert::{GrantStatus, RelationshipStatus},
    ppr::{AckInfo, ConfigResponse, ExecuteMsg, PolicyMsg, Power, QueryMsg},
};
use casewise_testkit::contracts::{commitment, Institution, Patient, Suite, POLICY};

use crate::{acks, delegates, grant_status, grants, person, relationship, rev};

type State = Vec<(Vec<u8>, Vec<u8>)>;

fn entry(namespace: &str, id: &[u8], value: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
    let length = [0, namespace.len() as u8];
    ([&length, namespace.as_bytes(), id].concat(), value.concat())
}

fn text(value: &str) -> Vec<u8> {
    [&(value.len() as u32).to_le_bytes(), value.as_bytes()].concat()
}

fn numbered(case: &CaseId, number: u8) -> Vec<u8> {
    [case.0.as_slice(), &[0, 0, 0, number]].concat()
}

fn grant(case: &CaseId, id: &Commitment, status: u8, first: u32, last: u32) -> (Vec<u8>, Vec<u8>) {
    entry("grant", &id.0, &[&[1], &case.0, &[status], &first.to_le_bytes(), &last.to_le_bytes()])
}

/// What 0.1.0 keeps of a case with four institutions and three grants.
fn state_of_0_1_0(suite: &Suite, case: &CaseId) -> State {
    let (registrar, summary) = (text(suite.registrar.as_str()), text(suite.summary.as_str()));
    let today = crate::today(suite);
    let since = |ms: u64| ms.to_le_bytes();
    let [cadence, lateness, grace, completion] =
        [POLICY.cadence, POLICY.lateness, POLICY.grace, POLICY.completion].map(u32::to_le_bytes);
    let info: &[u8] = br#"{"contract":"casewise-ppr","version":"0.1.0"}"#;
    let mut state = vec![
        (b"contract_info".to_vec(), info.to_vec()),
        entry("config", &[], &[&registrar, &[1], &summary]),
        entry("policy", &case.0, &[&cadence, &lateness, &grace, &completion, &[0]]),
        entry("rel", &numbered(case, 1), &[&[1, 1], &since(1_000)]),
        entry("rel", &numbered(case, 2), &[&[1, 0], &since(2_000)]),
        entry("rel", &numbered(case, 3), &[&[1, 3], &since(3_000)]),
        grant(case, &commitment("live"), 0, today, today + 1),
        grant(case, &commitment("revoked"), 1, today, today + 1),
        grant(case, &commitment("expired"), 2, today - 2, today - 1),
        entry("rev", &case.0, &[&[0, 0, 0, 2]]),
        entry("revheight", &numbered(case, 1), &[&[0, 0, 0, 0, 0, 0, 0, 1]]),
        entry("revheight", &numbered(case, 2), &[&[0, 0, 0, 0, 0, 0, 0, 1]]),
        entry("ack", &numbered(case, 1), &[&[0, 0, 0, 1]]),
    ];
    state.sort();
    state
}

/// A chain whose ppr has that state, with A to D and the case's patient.
fn chain_of_0_1_0() -> (Suite, Vec<Institution>, Patient) {
    let mut suite = Suite::new();
    let institutions: Vec<_> = ["A", "B", "C", "D"].iter().map(|name| suite.admit(name)).collect();
    let patient = suite.enrol(&institutions[0], "p");
    let state = state_of_0_1_0(&suite, &patient.case());
    let ppr = suite.ppr.clone();
    let old = suite.dump(&ppr);
    let mut storage = suite.app.contract_storage_mut(&ppr);
    old.iter().for_each(|(key, _)| storage.remove(key));
    state.iter().for_each(|(key, value)| storage.set(key, value));
    drop(storage);
    assert_eq!(suite.dump(&ppr), state);
    (suite, institutions, patient)
}

#[test]
fn the_state_of_0_1_0_stays_byte_for_byte() {
    let (mut suite, _, patient) = chain_of_0_1_0();
    suite.migrate_ppr().unwrap();
    let version = format!(r#"{{"contract":"casewise-ppr","version":"{}"}}"#, env!("CARGO_PKG_VERSION"));
    let mut expected = state_of_0_1_0(&suite, &patient.case());
    for (key, value) in &mut expected {
        if key == b"contract_info" {
            *value = version.clone().into_bytes();
        }
    }
    assert_eq!(suite.dump(&suite.ppr), expected);
    // once more changes nothing
    suite.migrate_ppr().unwrap();
    assert_eq!(suite.dump(&suite.ppr), expected);
}

#[test]
fn it_is_read_as_it_was_meant() {
    let (mut suite, _, patient) = chain_of_0_1_0();
    let case = patient.case();
    suite.migrate_ppr().unwrap();
    let config: ConfigResponse = suite.ask_ppr(&QueryMsg::Config {}).unwrap();
    assert_eq!(
        (config.registrar, config.summary),
        (suite.registrar.to_string(), Some(suite.summary.to_string()))
    );
    let policy: Option<PolicyMsg> = suite.ask_ppr(&QueryMsg::policy(&case)).unwrap();
    assert_eq!(policy.unwrap().policy(), Ok(POLICY));
    for (number, status) in [
        (1, Some(RelationshipStatus::Active)),
        (2, Some(RelationshipStatus::Proposed)),
        (3, Some(RelationshipStatus::Ended)),
        (4, None),
    ] {
        assert_eq!(relationship(&suite, &case, number), status);
    }
    for (name, status) in
        [("live", GrantStatus::Live), ("revoked", GrantStatus::Revoked), ("expired", GrantStatus::Expired)]
    {
        assert_eq!(grant_status(&suite, &commitment(name)), Some(status));
    }
    assert_eq!(rev(&suite, &case), 2);
    let ack = |institution, acked, overdue| AckInfo { institution, acked, overdue };
    assert_eq!(acks(&suite, &case), [ack(1, 1, true), ack(2, 0, false), ack(3, 0, true)]);
    assert_eq!(delegates(&suite, &case), []);
}

#[test]
fn old_and_new_messages_go_on_from_there() {
    let (mut suite, institutions, patient) = chain_of_0_1_0();
    let (holder, case) = (patient.addr(), patient.case());
    suite.migrate_ppr().unwrap();
    suite.ppr(&holder, &ExecuteMsg::revoke(&case, &[commitment("live")])).unwrap();
    assert_eq!(rev(&suite, &case), 3);
    for over in ["live", "revoked", "expired"] {
        let again = grants(&suite, &case, &[over], 1);
        suite.ppr(&holder, &again).unwrap_err();
    }
    suite.ppr(&institutions[0].addr(), &ExecuteMsg::ack(&case, 3)).unwrap();
    suite.ppr(&holder, &ExecuteMsg::accept(&case, 2)).unwrap();
    suite.ppr(&holder, &ExecuteMsg::suspend(&case, 1)).unwrap();
    suite.ppr(&institutions[2].addr(), &ExecuteMsg::propose(&case, None)).unwrap_err();
    suite.ppr(&holder, &ExecuteMsg::invite(&case, 4)).unwrap();
    suite.ppr(&institutions[3].addr(), &ExecuteMsg::propose(&case, None)).unwrap();
    assert_eq!(relationship(&suite, &case, 4), Some(RelationshipStatus::Active));
    suite.ppr(&holder, &ExecuteMsg::set_delegate(&case, person("mother"), &Power::ALL, None)).unwrap();
    suite.ppr(&person("mother"), &ExecuteMsg::resume(&case, 1)).unwrap();
    suite.rotate(&case, "p2");
    assert_eq!(rev(&suite, &case), 4);
}

#[test]
fn another_contract_and_a_newer_one_are_refused() {
    let (mut suite, _, _) = chain_of_0_1_0();
    let ppr = suite.ppr.clone();
    let version = env!("CARGO_PKG_VERSION");
    for (name, version) in [
        ("casewise-registrar", "0.1.0"),
        ("casewise-ppr-2", "0.1.0"),
        ("casewise-ppr", "99.0.0"),
        ("casewise-ppr", &format!("{version}.1")),
        ("casewise-ppr", "one"),
    ] {
        let info = format!(r#"{{"contract":"{name}","version":"{version}"}}"#);
        suite.app.contract_storage_mut(&ppr).set(b"contract_info", info.as_bytes());
        let before = suite.dump(&ppr);
        assert_eq!(
            suite.migrate_ppr().unwrap_err(),
            "migrate: the stored contract is another one or newer; migrate with a later version of this contract"
        );
        assert_eq!(suite.dump(&ppr), before);
    }
}
