//! The queries, with their pages.

use casewise_protocol::{
    page::{DEFAULT_LIMIT, MAX_LIMIT},
    registrar::{holder_hash, BucketResponse, IdentityInfo, InstitutionInfo, InstitutionsResponse, QueryMsg},
};
use casewise_testkit::contracts::{key, Suite};
use cosmwasm_std::HexBinary;

#[test]
fn what_is_absent_is_none() {
    let suite = Suite::new();
    for number in [0, 1, u32::MAX] {
        let found: Option<InstitutionInfo> = suite.ask_registrar(&QueryMsg::Institution { number }).unwrap();
        assert_eq!(found, None);
    }
    let found: Option<u32> =
        suite.ask_registrar(&QueryMsg::Operator { account: suite.authority.to_string() }).unwrap();
    assert_eq!(found, None);
    let case = HexBinary::from([1; 32]);
    let found: Option<IdentityInfo> = suite.ask_registrar(&QueryMsg::Identity { case }).unwrap();
    assert_eq!(found, None);
}

#[test]
fn malformed_questions_name_the_field() {
    let suite = Suite::new();
    let ask = |msg: QueryMsg| suite.ask_registrar::<serde_json::Value>(&msg).unwrap_err();
    let short = || HexBinary::from([1; 31]);
    assert!(ask(QueryMsg::Identity { case: short() }).contains("case: expected 32 bytes, got 31"));
    assert!(ask(QueryMsg::Operator { account: "x".to_string() }).contains("account: not an account"));
    let bucket = |start_after| QueryMsg::Bucket { prefix: 2, start_after: Some(start_after), limit: None };
    assert!(ask(bucket(short())).contains("start_after: expected 32 bytes, got 31"));
    assert!(ask(bucket(HexBinary::from([1; 32])))
        .contains("start_after: does not begin with the bucket's byte; page within one bucket"));
}

#[test]
fn institutions_are_paged() {
    let mut suite = Suite::new();
    let total = MAX_LIMIT + 2;
    for n in 1..=total {
        suite.admit(&format!("I{n}"));
    }
    let ask = |start_after, limit| -> Vec<u32> {
        let page: InstitutionsResponse =
            suite.ask_registrar(&QueryMsg::Institutions { start_after, limit }).unwrap();
        page.institutions.iter().map(|institution| institution.number).collect()
    };
    assert_eq!(ask(None, None), (1..=DEFAULT_LIMIT).collect::<Vec<_>>());
    assert_eq!(ask(None, Some(MAX_LIMIT + 1)), (1..=MAX_LIMIT).collect::<Vec<_>>());
    assert_eq!(ask(Some(MAX_LIMIT), None), [MAX_LIMIT + 1, MAX_LIMIT + 2]);
    assert_eq!(ask(Some(0), Some(1)), [1]);
    assert!(ask(Some(total), None).is_empty() && ask(Some(u32::MAX), None).is_empty());
    assert!(ask(None, Some(0)).is_empty());
}

#[test]
fn a_bucket_holds_the_cases_whose_holders_hash_to_it() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let mut cases: Vec<_> = (0..40)
        .map(|n| {
            let name = format!("p{n}");
            let patient = suite.enrol(&a, &name);
            (holder_hash(&key(&name).address()), patient.case())
        })
        .collect();
    cases.sort();
    let mut found = Vec::new();
    for prefix in 0..=u8::MAX {
        let mut after = None;
        loop {
            let page: BucketResponse =
                suite.ask_registrar(&QueryMsg::bucket(prefix, after.as_ref(), Some(1))).unwrap();
            let Some(item) = page.cases.first() else { break };
            let (holder, case) = item.ids().unwrap();
            assert_eq!(holder[0], prefix);
            after = Some(holder);
            found.push((holder, case));
        }
    }
    assert_eq!(found, cases);
}
