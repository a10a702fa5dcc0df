//! Revoke.

use casewise_ledger::records::{ns, record_key, GrantStatus};
use casewise_protocol::{
    convert,
    ppr::{ExecuteMsg, MAX_GRANTS},
    Event,
};
use casewise_testkit::contracts::{commitment, Suite};

use crate::{grant_status, grants, rev};

#[test]
fn one_message_raises_rev_by_one() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.onboard(&a, "p");
    let case = patient.case();
    let share = grants(&suite, &case, &["x", "y", "z"], 3);
    suite.ppr(&patient.addr(), &share).unwrap();
    let done =
        suite.ppr(&patient.addr(), &ExecuteMsg::revoke(&case, &[commitment("x"), commitment("y")])).unwrap();
    let ended =
        |name| Event::GrantEnded { case, commitment: commitment(name), status: GrantStatus::Revoked, rev: 1 };
    assert_eq!(done.events(), [ended("x"), ended("y")]);
    assert_eq!(suite.raw(&suite.ppr, record_key(ns::REV, &case.0)), Some(vec![0, 0, 0, 1]));
    assert_eq!(grant_status(&suite, &commitment("z")), Some(convert::GrantStatus::Live));

    // nothing live in it: no change
    let before = suite.dump(&suite.ppr);
    let again =
        suite.ppr(&patient.addr(), &ExecuteMsg::revoke(&case, &[commitment("y"), commitment("x")])).unwrap();
    assert_eq!(again.events(), []);
    assert_eq!(suite.dump(&suite.ppr), before);
    // one of three is live, named twice: once
    let names = [commitment("x"), commitment("z"), commitment("z")];
    let done = suite.ppr(&patient.addr(), &ExecuteMsg::revoke(&case, &names)).unwrap();
    let ended = Event::GrantEnded { case, commitment: commitment("z"), status: GrantStatus::Revoked, rev: 2 };
    assert_eq!(done.events(), [ended]);
    assert_eq!(rev(&suite, &case), 2);
}

#[test]
fn only_grants_of_the_case_and_all_or_none() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let (p, q) = (suite.onboard(&a, "p"), suite.onboard(&a, "q"));
    let (mine, theirs) = (grants(&suite, &p.case(), &["x"], 3), grants(&suite, &q.case(), &["y"], 3));
    suite.ppr(&p.addr(), &mine).unwrap();
    suite.ppr(&q.addr(), &theirs).unwrap();
    let before = suite.dump(&suite.ppr);
    for other in ["y", "unknown"] {
        let revoke = ExecuteMsg::revoke(&p.case(), &[commitment("x"), commitment(other)]);
        assert_eq!(
            suite.ppr(&p.addr(), &revoke).unwrap_err(),
            "commitment: no such grant in this case; check the id"
        );
    }
    assert_eq!(suite.dump(&suite.ppr), before);
}

#[test]
fn limits_hold_at_the_limit_and_one_past_it() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.onboard(&a, "p");
    let case = patient.case();
    let share = grants(&suite, &case, &["x"], 3);
    suite.ppr(&patient.addr(), &share).unwrap();
    let revoke = |count: usize| ExecuteMsg::revoke(&case, &vec![commitment("x"); count]);
    assert_eq!(
        suite.ppr(&patient.addr(), &revoke(MAX_GRANTS + 1)).unwrap_err(),
        "commitments: 65 items, at most 64 are allowed; split the message"
    );
    assert_eq!(
        suite.ppr(&patient.addr(), &revoke(0)).unwrap_err(),
        "commitments: no items; send at least one"
    );
    assert_eq!(rev(&suite, &case), 0);
    suite.ppr(&patient.addr(), &revoke(MAX_GRANTS)).unwrap();
    assert_eq!(rev(&suite, &case), 1);
}
