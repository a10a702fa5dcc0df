//! The queries, with their pages.

use casewise_protocol::{
    page::{DEFAULT_LIMIT, MAX_LIMIT},
    ppr::{
        AcksResponse, ExecuteMsg, GrantInfo, PolicyMsg, QueryMsg, RelationshipInfo, RelationshipsResponse,
    },
};
use casewise_testkit::contracts::{commitment, Suite};
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
}

#[test]
fn malformed_questions_name_the_field() {
    let suite = Suite::new();
    let short = || HexBinary::from([1; 31]);
    for (msg, field) in [
        (QueryMsg::Policy { case: short() }, "case"),
        (QueryMsg::Relationship { case: short(), institution: 1 }, "case"),
        (QueryMsg::Relationships { case: short(), start_after: None, limit: None }, "case"),
        (QueryMsg::Grant { commitment: short() }, "commitment"),
        (QueryMsg::Rev { case: short() }, "case"),
        (QueryMsg::Acks { case: short(), start_after: None, limit: None }, "case"),
    ] {
        let error = suite.ask_ppr::<serde_json::Value>(&msg).unwrap_err();
        assert!(error.contains(&format!("{field}: expected 32 bytes, got 31")), "{error}");
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
