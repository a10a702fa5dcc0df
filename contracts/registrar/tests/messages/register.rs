//! RegisterInstitution.

use casewise_ledger::records::{self, ns, record_key};
use casewise_protocol::{
    convert::{InstitutionKind, InstitutionStatus},
    registrar::{ExecuteMsg, QueryMsg, MAX_ENDPOINT, MAX_NAME, MAX_OPERATORS},
    Event,
};
use casewise_testkit::contracts::{addr, key, Suite};
use cosmwasm_std::HexBinary;

use crate::institution;

/// The admission of `name`, changed by `change`.
fn admission(name: &str, change: impl FnOnce(&mut Fields<'_>)) -> ExecuteMsg {
    let mut msg = Suite::admission(name);
    if let ExecuteMsg::RegisterInstitution { kind, account, name, endpoint, kem, operators } = &mut msg {
        change(&mut Fields { kind, account, name, endpoint, kem, operators });
    }
    msg
}

struct Fields<'a> {
    kind: &'a mut InstitutionKind,
    account: &'a mut String,
    name: &'a mut String,
    endpoint: &'a mut String,
    kem: &'a mut HexBinary,
    operators: &'a mut Vec<String>,
}

fn accounts(count: usize) -> Vec<String> {
    (0..count).map(|n| addr(&key(&format!("operator {n}")).address()).into_string()).collect()
}

#[test]
fn numbers_are_given_from_one_and_the_record_is_the_frozen_one() {
    let mut suite = Suite::new();
    let authority = suite.authority.clone();
    let done = suite.registrar(&authority, &Suite::admission("Hospital A")).unwrap();
    let account = key("Hospital A").address();
    assert_eq!(done.events(), [Event::InstitutionRegistered { number: 1, account }]);
    let since = suite.now();
    assert_eq!(suite.admit("Hospital B").number, 2);

    let a = institution(&suite, 1);
    assert_eq!((a.status, a.kind), (InstitutionStatus::Active, InstitutionKind::Provider));
    assert_eq!((a.name.as_str(), a.endpoint.as_str()), ("Hospital A", "https://hospital-a.example"));
    assert_eq!((a.kem_epoch, a.since.u64(), a.operators), (0, since, 1));
    let raw = suite.raw(&suite.registrar, record_key(ns::INSTITUTION, &1u32.to_be_bytes())).unwrap();
    let record: records::InstitutionRecord = casewise_ledger::decode(&raw).unwrap();
    assert_eq!(record, a.record().unwrap());
    let operator = suite.raw(&suite.registrar, record_key(ns::OPERATOR, &account.0)).unwrap();
    assert_eq!(operator, [0, 0, 0, 1]);
}

#[test]
fn operators_are_registered_with_it() {
    let mut suite = Suite::new();
    let authority = suite.authority.clone();
    let listed = accounts(2);
    // the main account and a repeated one count once
    let msg = admission("A", |f| {
        *f.operators = vec![listed[0].clone(), listed[1].clone(), listed[0].clone(), f.account.clone()];
    });
    // each is told: who follows the events knows every operator
    let done = suite.registrar(&authority, &msg).unwrap();
    let added = done.events().into_iter().filter_map(|event| match event {
        Event::OperatorAdded { institution: 1, account } => Some(addr(&account).into_string()),
        _ => None,
    });
    assert_eq!(added.collect::<Vec<_>>(), listed);
    assert_eq!(institution(&suite, 1).operators, 3);
    for account in &listed {
        let number: Option<u32> =
            suite.ask_registrar(&QueryMsg::Operator { account: account.clone() }).unwrap();
        assert_eq!(number, Some(1));
    }
}

#[test]
fn the_same_again_changes_nothing_and_other_facts_are_refused() {
    let mut suite = Suite::new();
    let authority = suite.authority.clone();
    let listed = accounts(1);
    let msg = admission("A", |f| *f.operators = listed.clone());
    suite.registrar(&authority, &msg).unwrap();
    let before = suite.dump(&suite.registrar);
    assert_eq!(suite.registrar(&authority, &msg).unwrap().events(), []);
    assert_eq!(suite.dump(&suite.registrar), before);

    let conflict =
        "account: operates institution 1, registered with other facts; use another account or update \
                    that one";
    for msg in [
        admission("A", |f| *f.kind = InstitutionKind::Research),
        admission("A", |f| *f.name = "B".to_string()),
        admission("A", |f| *f.endpoint = "https://b.example".to_string()),
        admission("A", |f| *f.kem = HexBinary::from([7; 32])),
        admission("A", |f| *f.operators = accounts(2)),
        // an operator of it is not its main account
        admission("A", |f| *f.account = listed[0].clone()),
    ] {
        assert_eq!(suite.registrar(&authority, &msg).unwrap_err(), conflict);
    }
    let error = suite.registrar(&authority, &admission("B", |f| *f.operators = listed.clone())).unwrap_err();
    assert_eq!(
        error,
        "operators: an account operates institution 1; an account operates one institution only"
    );
    assert_eq!(suite.dump(&suite.registrar), before);
}

#[test]
fn limits_hold_at_the_limit_and_one_past_it() {
    let mut suite = Suite::new();
    let authority = suite.authority.clone();
    let endpoint = |length: usize| format!("https://{}", "x".repeat(length - 8));
    let mut refused = |change: &dyn Fn(&mut Fields<'_>)| {
        suite.registrar(&authority, &admission("A", |f| change(f))).unwrap_err()
    };
    assert!(refused(&|f| *f.name = "x".repeat(MAX_NAME + 1)).starts_with("name: "));
    assert!(refused(&|f| f.name.clear()).starts_with("name: "));
    assert!(refused(&|f| *f.endpoint = endpoint(MAX_ENDPOINT + 1)).starts_with("endpoint: "));
    assert!(refused(&|f| *f.endpoint = "a.example".to_string()).starts_with("endpoint: "));
    assert!(refused(&|f| *f.operators = accounts(MAX_OPERATORS)).starts_with("operators: an institution has"));
    assert!(refused(&|f| *f.account = "A".to_string()).starts_with("account: not an account"));
    assert!(
        refused(&|f| *f.operators = vec![f.account.to_uppercase()]).starts_with("operators: not an account")
    );
    assert_eq!(
        refused(&|f| *f.kem = HexBinary::from([7; 31])),
        "kem: expected 32 bytes, got 31; send the whole value in hexadecimal"
    );
    // a contract's address has 32 bytes: it cannot be an institution's account
    let contract = suite.ppr.to_string();
    let error = suite.registrar(&authority, &admission("A", |f| *f.account = contract.clone())).unwrap_err();
    assert!(error.starts_with("account: not an account"), "{error}");

    let msg = admission("A", |f| {
        *f.name = "x".repeat(MAX_NAME);
        *f.endpoint = endpoint(MAX_ENDPOINT);
        *f.operators = accounts(MAX_OPERATORS - 1);
    });
    suite.registrar(&authority, &msg).unwrap();
    assert_eq!(institution(&suite, 1).operators as usize, MAX_OPERATORS);
}
