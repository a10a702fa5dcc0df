//! Propose.

use casewise_ledger::{
    encode,
    records::{ns, record_key, relationship_id, Policy, RelationshipRecord, RelationshipStatus},
    V1,
};
use casewise_protocol::{
    convert,
    ppr::{ExecuteMsg, PolicyMsg, QueryMsg, MAX_COMPLETION, MAX_GRACE},
    registrar, Event,
};
use casewise_testkit::contracts::{Suite, POLICY};
use cosmwasm_std::HexBinary;

use crate::relationship;

#[test]
fn the_first_proposal_brings_the_policy() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let case = suite.enrol(&a, "p").case();
    let missing =
        "policy: missing; the first proposal, by the institution that enrolled the case, carries it";
    assert_eq!(suite.ppr(&a.addr(), &ExecuteMsg::propose(&case, None)).unwrap_err(), missing);

    let done = suite.ppr(&a.addr(), &ExecuteMsg::propose(&case, Some(&POLICY))).unwrap();
    let status = RelationshipStatus::Proposed;
    assert_eq!(done.events(), [Event::RelationshipChanged { case, institution: 1, status }]);
    let raw = |ns, id: &[u8]| suite.raw(&suite.ppr, record_key(ns, id));
    assert_eq!(raw(ns::POLICY, &case.0), Some(encode(&POLICY)));
    let expected = RelationshipRecord { version: V1, status, since: suite.now() };
    assert_eq!(raw(ns::RELATIONSHIP, &relationship_id(&case, 1)), Some(encode(&expected)));
    let answer: Option<PolicyMsg> = suite.ask_ppr(&QueryMsg::policy(&case)).unwrap();
    assert_eq!(answer.unwrap().policy().unwrap(), POLICY);
}

#[test]
fn the_same_again_changes_nothing_and_another_policy_is_refused() {
    let mut suite = Suite::new();
    let (a, b) = (suite.admit("A"), suite.admit("B"));
    let case = suite.propose(&a, "p").case();
    let before = suite.dump(&suite.ppr);
    for policy in [Some(&POLICY), None] {
        assert_eq!(suite.ppr(&a.addr(), &ExecuteMsg::propose(&case, policy)).unwrap().events(), []);
    }
    let other = Policy { grace: 1, ..POLICY };
    assert_eq!(
        suite.ppr(&a.addr(), &ExecuteMsg::propose(&case, Some(&other))).unwrap_err(),
        "policy: differs from the one this case has; repeat that one or leave it out"
    );
    assert_eq!(
        suite.ppr(&b.addr(), &ExecuteMsg::propose(&case, Some(&POLICY))).unwrap_err(),
        "policy: only the institution that enrolled the case sets it; leave it out"
    );
    assert_eq!(suite.dump(&suite.ppr), before);
    suite.ppr(&b.addr(), &ExecuteMsg::propose(&case, None)).unwrap();
    assert_eq!(relationship(&suite, &case, 2), Some(convert::RelationshipStatus::Proposed));
}

#[test]
fn others_wait_for_the_policy_and_a_case_must_be_enrolled() {
    let mut suite = Suite::new();
    let (a, b) = (suite.admit("A"), suite.admit("B"));
    let case = suite.enrol(&a, "p").case();
    assert_eq!(
        suite.ppr(&b.addr(), &ExecuteMsg::propose(&case, None)).unwrap_err(),
        "case: has no policy yet; the institution that enrolled it proposes first"
    );
    let unknown = suite.offer("q", 1, None).case();
    assert_eq!(
        suite.ppr(&a.addr(), &ExecuteMsg::propose(&unknown, Some(&POLICY))).unwrap_err(),
        "case: no identity is enrolled for it; enrol the case at the registrar first"
    );
    let short = ExecuteMsg::Propose { case: HexBinary::from([1; 31]), policy: None };
    assert_eq!(
        suite.ppr(&a.addr(), &short).unwrap_err(),
        "case: expected 32 bytes, got 31; send the whole value in hexadecimal"
    );
}

#[test]
fn a_suspended_institution_proposes_nothing() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let case = suite.enrol(&a, "p").case();
    let authority = suite.authority.clone();
    suite.registrar(&authority, &registrar::ExecuteMsg::SuspendInstitution { institution: 1 }).unwrap();
    assert_eq!(
        suite.ppr(&a.addr(), &ExecuteMsg::propose(&case, Some(&POLICY))).unwrap_err(),
        "sender: institution 1 is suspended; ask the consortium to resume it"
    );
}

#[test]
fn policy_limits_at_the_limit_and_one_past_it() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let case = suite.enrol(&a, "p").case();
    let most = Policy {
        cadence: u32::MAX,
        lateness: u32::MAX,
        grace: MAX_GRACE,
        completion: MAX_COMPLETION,
        amends: None,
    };
    for (policy, words) in [
        (Policy { grace: MAX_GRACE + 1, ..most.clone() }, "policy.grace: longer than 2592000 seconds"),
        (
            Policy { completion: MAX_COMPLETION + 1, ..most.clone() },
            "policy.completion: longer than 7776000 seconds",
        ),
    ] {
        let error = suite.ppr(&a.addr(), &ExecuteMsg::propose(&case, Some(&policy))).unwrap_err();
        assert_eq!(error, format!("{words}; choose a shorter one"));
    }
    suite.ppr(&a.addr(), &ExecuteMsg::propose(&case, Some(&most))).unwrap();
}

#[test]
fn a_case_amends_another_case_of_this_network() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let (old, new) = (suite.propose(&a, "p").case(), suite.enrol(&a, "q").case());
    let unknown = suite.offer("r", 1, None).case();
    for amends in [new, unknown] {
        let policy = Policy { amends: Some(amends), ..POLICY };
        assert_eq!(
            suite.ppr(&a.addr(), &ExecuteMsg::propose(&new, Some(&policy))).unwrap_err(),
            "policy.amends: no other case of this network has this id; leave it out or correct it"
        );
    }
    let mut short = PolicyMsg::from(&POLICY);
    short.amends = Some(HexBinary::from([1; 33]));
    let msg = ExecuteMsg::Propose { case: convert::hex(&new.0), policy: Some(short) };
    assert_eq!(
        suite.ppr(&a.addr(), &msg).unwrap_err(),
        "policy.amends: expected 32 bytes, got 33; send the whole value in hexadecimal"
    );
    let policy = Policy { amends: Some(old), ..POLICY };
    suite.ppr(&a.addr(), &ExecuteMsg::propose(&new, Some(&policy))).unwrap();
    let answer: Option<PolicyMsg> = suite.ask_ppr(&QueryMsg::policy(&new)).unwrap();
    assert_eq!(answer.unwrap().policy().unwrap().amends, Some(old));
}
