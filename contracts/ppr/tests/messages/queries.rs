//! The queries, with their pages.

use casewise_protocol::{
    convert::EmergencyReason,
    page::{DEFAULT_LIMIT, MAX_LIMIT},
    ppr::{
        AcksResponse, DelegatesResponse, EmergenciesResponse, ExecuteMsg, GrantInfo, PolicyMsg, Power,
        QueryMsg, RelationshipInfo, RelationshipsResponse, UnreviewedResponse, MAX_DELEGATES,
    },
};
use casewise_testkit::contracts::{addr, commitment, key, Suite};
use cosmwasm_std::HexBinary;

#[test]
fn what_is_absent_is_none_or_zero() {
    let suite = Suite::new();
    let case = casewise_ledger::CaseId([1; 32]);
    assert_eq!(suite.ask_ppr::<Option<PolicyMsg>>(&QueryMsg::policy(&case)), Ok(None));
    assert_eq!(suite.ask_ppr::<Option<RelationshipInfo>>(&QueryMsg::relationship(&case, 1)), Ok(None));
    assert_eq!(suite.ask_ppr::<Option<GrantInfo>>(&QueryMsg::grant(&commitment("x"))), Ok(None));
    assert_eq!(crate::rev(&suite, &case), 0);
    assert!(crate::acks(&suite, &case).is_empty());
    assert!(!crate::invited(&suite, &case, 1));
    assert!(crate::delegates(&suite, &case).is_empty() && crate::emergencies(&suite, &case).is_empty());
    let none = UnreviewedResponse { accesses: Vec::new(), blocked: false };
    assert_eq!(crate::unreviewed(&suite, &crate::person("nobody")), none);
}

#[test]
fn malformed_questions_name_the_field() {
    let suite = Suite::new();
    let short = || HexBinary::from([1; 31]);
    for (msg, field) in [
        (QueryMsg::Policy { case: short() }, "case"),
        (QueryMsg::Relationship { case: short(), institution: 1 }, "case"),
        (QueryMsg::Relationships { case: short(), start_after: None, limit: None }, "case"),
        (QueryMsg::Invited { case: short(), institution: 1 }, "case"),
        (QueryMsg::Delegates { case: short(), start_after: None, limit: None }, "case"),
        (QueryMsg::Emergencies { case: short(), start_after: None, limit: None }, "case"),
        (QueryMsg::Grant { commitment: short() }, "commitment"),
        (QueryMsg::Rev { case: short() }, "case"),
        (QueryMsg::Acks { case: short(), start_after: None, limit: None }, "case"),
    ] {
        let error = suite.ask_ppr::<serde_json::Value>(&msg).unwrap_err();
        assert!(error.contains(&format!("{field}: expected 32 bytes, got 31")), "{error}");
    }
    let mut suite = suite;
    let a = suite.admit("A");
    let case = suite.enrol(&a, "p").case();
    for (msg, field) in [
        (QueryMsg::delegates(&case, Some("x".to_string()), None), "start_after"),
        (QueryMsg::unreviewed("x"), "practitioner"),
        (QueryMsg::unreviewed(suite.summary.as_str()), "practitioner"),
    ] {
        let error = suite.ask_ppr::<serde_json::Value>(&msg).unwrap_err();
        assert!(error.contains(&format!("{field}: not an account of this network")), "{error}");
    }
}

#[test]
fn relationships_and_acks_are_paged() {
    let mut suite = Suite::new();
    let first = suite.admit("I1");
    let case = suite.propose(&first, "p").case();
    // a neighbour whose relationships must not show up
    suite.propose(&first, "q");
    let total = MAX_LIMIT + 2;
    for n in 2..=total {
        let next = suite.admit(&format!("I{n}"));
        suite.ppr(&next.addr(), &ExecuteMsg::propose(&case, None)).unwrap();
    }
    let ask = |start_after, limit| -> Vec<u32> {
        let page: RelationshipsResponse =
            suite.ask_ppr(&QueryMsg::relationships(&case, start_after, limit)).unwrap();
        let numbers: Vec<u32> = page.relationships.iter().map(|found| found.institution).collect();
        let acks: AcksResponse = suite.ask_ppr(&QueryMsg::acks(&case, start_after, limit)).unwrap();
        assert_eq!(numbers, acks.acks.iter().map(|found| found.institution).collect::<Vec<_>>());
        numbers
    };
    assert_eq!(ask(None, None), (1..=DEFAULT_LIMIT).collect::<Vec<_>>());
    assert_eq!(ask(None, Some(MAX_LIMIT + 1)), (1..=MAX_LIMIT).collect::<Vec<_>>());
    assert_eq!(ask(Some(MAX_LIMIT), None), [MAX_LIMIT + 1, MAX_LIMIT + 2]);
    assert!(ask(Some(total), None).is_empty() && ask(Some(u32::MAX), None).is_empty());
}

#[test]
fn delegates_are_paged_in_ascending_account() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let (patient, neighbour) = (suite.onboard(&a, "p"), suite.onboard(&a, "q"));
    let mut accounts = Vec::new();
    for n in 0..MAX_DELEGATES {
        let name = format!("d{n}");
        accounts.push(key(&name).address());
        for of in [&patient, &neighbour] {
            let set = ExecuteMsg::set_delegate(&of.case(), crate::person(&name), &[Power::Grants], None);
            suite.ppr(&of.addr(), &set).unwrap();
        }
    }
    accounts.sort();
    let ask = |start_after: Option<String>, limit| -> Vec<String> {
        let msg = QueryMsg::delegates(&patient.case(), start_after, limit);
        let page: DelegatesResponse = suite.ask_ppr(&msg).unwrap();
        page.delegates.into_iter().map(|found| found.account).collect()
    };
    let all: Vec<String> = accounts.iter().map(|account| addr(account).to_string()).collect();
    assert_eq!(ask(None, None), all);
    for limit in 1..=3 {
        let mut walked: Vec<String> = Vec::new();
        loop {
            let page = ask(walked.last().cloned(), Some(limit));
            if page.is_empty() {
                break;
            }
            assert!(page.len() <= limit as usize);
            walked.extend(page);
        }
        assert_eq!(walked, all);
    }
    assert!(ask(None, Some(0)).is_empty());
}

#[test]
fn emergencies_are_paged_in_ascending_number() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let (patient, neighbour) = (suite.onboard(&a, "p"), suite.onboard(&a, "q"));
    let total = MAX_LIMIT + 2;
    // no practitioner has so many: every one has its own
    for n in 0..total {
        let doctor = suite.practitioner(&a, &format!("doctor {n}"));
        for case in [patient.case(), neighbour.case()] {
            let until = suite.now() + 60_000;
            suite.ppr(&doctor, &ExecuteMsg::open_emergency(&case, EmergencyReason::Disaster, until)).unwrap();
        }
    }
    let ask = |start_after, limit| -> Vec<u32> {
        let page: EmergenciesResponse =
            suite.ask_ppr(&QueryMsg::emergencies(&patient.case(), start_after, limit)).unwrap();
        page.emergencies.iter().map(|found| found.number).collect()
    };
    assert_eq!(ask(None, None), (1..=DEFAULT_LIMIT).collect::<Vec<_>>());
    assert_eq!(ask(None, Some(MAX_LIMIT + 1)), (1..=MAX_LIMIT).collect::<Vec<_>>());
    assert_eq!(ask(Some(MAX_LIMIT), None), [MAX_LIMIT + 1, MAX_LIMIT + 2]);
    assert!(ask(Some(total), None).is_empty() && ask(Some(u32::MAX), None).is_empty());
}
