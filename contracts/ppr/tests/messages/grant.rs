//! Grant.

use casewise_ledger::{
    encode,
    grant::DAY_MS,
    records::{delegate_id, ns, record_key, GrantRecord, GrantStatus},
    V1,
};
use casewise_protocol::{
    convert,
    ppr::{ExecuteMsg, GrantInfo, NewGrant, QueryMsg, MAX_GRANTS},
    Event,
};
use casewise_testkit::contracts::{commitment, opening, share, Lane, Suite};
use cosmwasm_std::HexBinary;

use crate::{grant_status, grants, rev, today};

#[test]
fn a_share_is_several_grants_in_one_message() {
    let mut suite = Suite::new();
    let (a, b) = (suite.admit("A"), suite.admit("B"));
    let patient = suite.onboard(&a, "p");
    let case = patient.case();
    let lane = Lane::content(&case, &a, "c");
    let openings = [opening(&lane, &b, (0, 4), suite.now(), 2), opening(&lane, &b, (7, 9), suite.now(), 3)];
    let done = suite.ppr(&patient.addr(), &share(&openings)).unwrap();
    let made = |at: usize| {
        let (first, last) = openings[at].days();
        Event::GrantMade { case, commitment: openings[at].commitment(), first, last }
    };
    assert_eq!(done.events(), [made(0), made(1)]);
    let id = openings[0].commitment();
    let (first, last) = openings[0].days();
    let record = GrantRecord { version: V1, case, status: GrantStatus::Live, first, last };
    assert_eq!(suite.raw(&suite.ppr, record_key(ns::GRANT, &id.0)), Some(encode(&record)));
    let info: Option<GrantInfo> = suite.ask_ppr(&QueryMsg::grant(&id)).unwrap();
    assert_eq!(info.unwrap().record().unwrap(), (id, record));
    assert_eq!(rev(&suite, &case), 0, "a new grant asks nobody to act");
}

#[test]
fn the_same_again_changes_nothing_and_other_facts_are_refused() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let (p, q) = (suite.onboard(&a, "p"), suite.onboard(&a, "q"));
    let share = grants(&suite, &p.case(), &["x"], 3);
    suite.ppr(&p.addr(), &share).unwrap();
    let before = suite.dump(&suite.ppr);
    assert_eq!(suite.ppr(&p.addr(), &share).unwrap().events(), []);
    let conflict =
        "grants.commitment: in use with another case or other days; make a new opening with a fresh salt";
    let longer = grants(&suite, &p.case(), &["x"], 4);
    assert_eq!(suite.ppr(&p.addr(), &longer).unwrap_err(), conflict);
    let theirs = grants(&suite, &q.case(), &["x"], 3);
    assert_eq!(suite.ppr(&q.addr(), &theirs).unwrap_err(), conflict);
    // all or none
    let mixed = grants(&suite, &q.case(), &["new", "x"], 3);
    assert_eq!(suite.ppr(&q.addr(), &mixed).unwrap_err(), conflict);
    assert_eq!(suite.dump(&suite.ppr), before);
}

#[test]
fn days_are_checked() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.onboard(&a, "p");
    let case = patient.case();
    let day = today(&suite);
    let mut send = |days| {
        suite.ppr(&patient.addr(), &ExecuteMsg::grant(&case, vec![NewGrant::new(&commitment("x"), days)]))
    };
    assert_eq!(send((day + 1, day)).unwrap_err(), "grants.last: before the first day; swap them");
    assert_eq!(send((day - 2, day - 1)).unwrap_err(), "grants.last: that day is over; choose a later one");
    send((day, day)).unwrap();
    // until the last moment of the day, and for ever
    suite.advance(DAY_MS - 1 - suite.now() % DAY_MS - casewise_testkit::contracts::BLOCK_MS);
    let last = NewGrant::new(&commitment("y"), (day, day));
    let endless = NewGrant::new(&commitment("z"), (0, u32::MAX));
    suite.ppr(&patient.addr(), &ExecuteMsg::grant(&case, vec![last, endless])).unwrap();
    assert_eq!(suite.now() % DAY_MS, DAY_MS - 1);
    let late = ExecuteMsg::grant(&case, vec![NewGrant::new(&commitment("late"), (day, day))]);
    assert_eq!(
        suite.ppr(&patient.addr(), &late).unwrap_err(),
        "grants.last: that day is over; choose a later one"
    );
}

#[test]
fn what_is_over_never_lives_again() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.onboard(&a, "p");
    let case = patient.case();
    let share = grants(&suite, &case, &["x"], 3);
    suite.ppr(&patient.addr(), &share).unwrap();
    suite.ppr(&patient.addr(), &ExecuteMsg::revoke(&case, &[commitment("x")])).unwrap();
    let words =
        "grants.commitment: was revoked or has expired, for good; make a new opening with a fresh salt";
    assert_eq!(suite.ppr(&patient.addr(), &share).unwrap_err(), words);
    assert_eq!(grant_status(&suite, &commitment("x")), Some(convert::GrantStatus::Revoked));
}

#[test]
fn limits_hold_at_the_limit_and_one_past_it() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.onboard(&a, "p");
    let case = patient.case();
    let names: Vec<String> = (0..=MAX_GRANTS).map(|n| format!("g{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let over = grants(&suite, &case, &names, 1);
    assert_eq!(
        suite.ppr(&patient.addr(), &over).unwrap_err(),
        "grants: 65 items, at most 64 are allowed; split the message"
    );
    let most = grants(&suite, &case, &names[..MAX_GRANTS], 1);
    assert_eq!(suite.ppr(&patient.addr(), &most).unwrap().events().len(), MAX_GRANTS);
    assert_eq!(
        suite.ppr(&patient.addr(), &ExecuteMsg::grant(&case, Vec::new())).unwrap_err(),
        "grants: no items; send at least one"
    );
    let short = NewGrant { commitment: HexBinary::from([1; 5]), first: 0, last: u32::MAX };
    assert_eq!(
        suite.ppr(&patient.addr(), &ExecuteMsg::grant(&case, vec![short])).unwrap_err(),
        "commitment: expected 32 bytes, got 5; send the whole value in hexadecimal"
    );
}

#[test]
fn a_holders_own_grant_reads_no_delegate() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.onboard(&a, "p");
    let (case, holder) = (patient.case(), patient.key.address());
    // a record that does not decode: whoever reads it fails
    let key = record_key(ns::DELEGATE, &delegate_id(&case, &holder));
    let other = record_key(ns::DELEGATE, &delegate_id(&case, &a.key.address()));
    let ppr = suite.ppr.clone();
    for key in [key, other] {
        suite.app.contract_storage_mut(&ppr).set(&key, b"damaged");
    }
    let share = grants(&suite, &case, &["x"], 1);
    assert!(suite.ppr(&a.addr(), &share).unwrap_err().starts_with("record delegate:"));
    suite.ppr(&patient.addr(), &share).unwrap();
}
