//! The queries, with their pages.

use casewise_ledger::Address;
use casewise_protocol::{
    page::{DEFAULT_LIMIT, MAX_LIMIT},
    registrar::{
        holder_hash, BucketResponse, ClaimInfo, IdentityInfo, InstitutionInfo, InstitutionsResponse,
        PractitionerInfo, PractitionersResponse, QueryMsg, RecoveryInfo,
    },
};
use casewise_testkit::contracts::{addr, key, Suite};
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
    let found: Option<IdentityInfo> =
        suite.ask_registrar(&QueryMsg::Identity { case: case.clone() }).unwrap();
    assert_eq!(found, None);
    let account = suite.authority.to_string();
    let found: Option<PractitionerInfo> = suite.ask_registrar(&QueryMsg::Practitioner { account }).unwrap();
    assert_eq!(found, None);
    let found: Option<RecoveryInfo> =
        suite.ask_registrar(&QueryMsg::Recovery { case: case.clone() }).unwrap();
    assert_eq!(found, None);
    let found: Option<ClaimInfo> = suite.ask_registrar(&QueryMsg::Claim { case }).unwrap();
    assert_eq!(found, None);
}

#[test]
fn malformed_questions_name_the_field() {
    let suite = Suite::new();
    let ask = |msg: QueryMsg| suite.ask_registrar::<serde_json::Value>(&msg).unwrap_err();
    let short = || HexBinary::from([1; 31]);
    assert!(ask(QueryMsg::Identity { case: short() }).contains("case: expected 32 bytes, got 31"));
    assert!(ask(QueryMsg::Operator { account: "x".to_string() }).contains("account: not an account"));
    let case = "case: expected 32 bytes, got 31; send the whole value in hexadecimal";
    assert!(ask(QueryMsg::Recovery { case: short() }).contains(case));
    assert!(ask(QueryMsg::Claim { case: short() }).contains(case));
    let account = suite.ppr.to_string();
    assert!(ask(QueryMsg::Practitioner { account: account.clone() }).contains("account: not an account"));
    let page = QueryMsg::Practitioners { institution: 1, start_after: Some(account), limit: None };
    assert!(ask(page).contains("start_after: not an account"));
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
fn practitioners_are_paged_by_institution() {
    let mut suite = Suite::new();
    let (a, b) = (suite.admit("A"), suite.admit("B"));
    let total = MAX_LIMIT + 2;
    let mut staff: Vec<_> = (0..total)
        .map(|n| {
            suite.practitioner(&a, &format!("a{n}"));
            key(&format!("a{n}")).address()
        })
        .collect();
    staff.sort();
    let other = suite.practitioner(&b, "b");
    let ask = |institution, start_after: Option<String>, limit| -> Vec<PractitionerInfo> {
        let msg = QueryMsg::Practitioners { institution, start_after, limit };
        suite.ask_registrar::<PractitionersResponse>(&msg).unwrap().practitioners
    };
    for limit in [1, 7, MAX_LIMIT] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = ask(1, after, Some(limit));
            let Some(last) = page.last() else { break };
            after = Some(last.account.clone());
            for info in page {
                // each as it is asked for alone
                let alone = QueryMsg::Practitioner { account: info.account.clone() };
                assert_eq!(
                    suite.ask_registrar::<Option<PractitionerInfo>>(&alone).unwrap(),
                    Some(info.clone())
                );
                found.push(info.record().unwrap().0);
            }
        }
        assert_eq!(found, staff, "in pages of {limit}");
    }
    assert_eq!(ask(1, None, None).len() as u32, DEFAULT_LIMIT);
    assert_eq!(ask(1, None, Some(MAX_LIMIT + 1)).len() as u32, MAX_LIMIT);
    assert!(ask(1, None, Some(0)).is_empty() && ask(3, None, None).is_empty());
    let of_b = ask(2, None, None);
    assert_eq!((of_b.len(), of_b[0].account.as_str(), of_b[0].institution), (1, other.as_str(), 2));
    // after an account of another institution, or of nobody
    assert_eq!(ask(2, Some(addr(&Address([0; 20])).into_string()), None).len(), 1);
}

#[test]
fn a_bucket_follows_its_holders() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.enrol(&a, "p");
    let found = |suite: &Suite, name: &str| {
        let holder = holder_hash(&key(name).address());
        let page: BucketResponse = suite.ask_registrar(&QueryMsg::bucket(holder[0], None, None)).unwrap();
        page.cases.iter().any(|item| item.ids().unwrap() == (holder, patient.case()))
    };
    assert!(found(&suite, "p"));
    suite.rotate(&patient.case(), "p2");
    assert!(!found(&suite, "p") && found(&suite, "p2"));
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
