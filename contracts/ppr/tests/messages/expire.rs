//! Expire.

use casewise_ledger::{grant::DAY_MS, records::GrantStatus};
use casewise_protocol::{convert, ppr::ExecuteMsg, Event};
use casewise_testkit::contracts::{commitment, Suite, BLOCK_MS};

use crate::{grant_status, grants, rev};

#[test]
fn from_the_moment_after_the_last_day() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.onboard(&a, "p");
    let case = patient.case();
    let share = grants(&suite, &case, &["x"], 1);
    suite.ppr(&patient.addr(), &share).unwrap();
    let end = (u64::from(crate::today(&suite)) + 2) * DAY_MS;
    let expire = ExecuteMsg::expire(&commitment("x"));
    suite.advance(end - 1 - BLOCK_MS - suite.now());
    let early = "commitment: its last day is not over; the holder can revoke it instead";
    assert_eq!(suite.ppr(&patient.addr(), &expire).unwrap_err(), early);
    assert_eq!(suite.now(), end - 1);
    suite.advance(0);
    suite.app.update_block(|block| block.time = block.time.minus_nanos((BLOCK_MS - 1) * 1_000_000));
    let done = suite.ppr(&a.addr(), &expire).unwrap();
    assert_eq!(suite.now(), end);
    let status = GrantStatus::Expired;
    assert_eq!(done.events(), [Event::GrantEnded { case, commitment: commitment("x"), status, rev: 1 }]);
    assert_eq!(grant_status(&suite, &commitment("x")), Some(convert::GrantStatus::Expired));
    // again, by anyone who may: no change; nor can it be revoked or made anew
    assert_eq!(suite.ppr(&patient.addr(), &expire).unwrap().events(), []);
    let revoke = ExecuteMsg::revoke(&case, &[commitment("x")]);
    assert_eq!(suite.ppr(&patient.addr(), &revoke).unwrap().events(), []);
    assert_eq!(rev(&suite, &case), 1);
    suite.ppr(&patient.addr(), &share).unwrap_err();
}

#[test]
fn by_every_author_of_the_case_and_nobody_else() {
    let mut suite = Suite::new();
    let (a, b) = (suite.admit("A"), suite.admit("B"));
    let patient = suite.propose(&a, "p");
    let case = patient.case();
    let share = grants(&suite, &case, &["x", "y"], 0);
    suite.ppr(&patient.addr(), &share).unwrap();
    suite.advance(2 * DAY_MS);
    assert_eq!(
        suite.ppr(&b.addr(), &ExecuteMsg::expire(&commitment("x"))).unwrap_err(),
        "institution: has no relationship with this case; it must propose one first"
    );
    suite.ppr(&a.addr(), &ExecuteMsg::expire(&commitment("x"))).unwrap();
    suite.ppr(&b.addr(), &ExecuteMsg::propose(&case, None)).unwrap();
    suite.ppr(&b.addr(), &ExecuteMsg::end(&case, 2)).unwrap();
    // who has ended may still serve, and so must be able to say it
    suite.ppr(&b.addr(), &ExecuteMsg::expire(&commitment("y"))).unwrap();
    assert_eq!(rev(&suite, &case), 2);
    assert_eq!(
        suite.ppr(&a.addr(), &ExecuteMsg::expire(&commitment("unknown"))).unwrap_err(),
        "commitment: no such grant in this case; check the id"
    );
}
