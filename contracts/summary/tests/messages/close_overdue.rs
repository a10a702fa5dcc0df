//! CloseOverdue.

use casewise_ledger::{records::close_digest, LaneId};
use casewise_protocol::{
    convert::LaneStatus,
    rules::LaneFault,
    summary::{ExecuteMsg, MAX_CLOSE_OVERDUE},
    Event,
};
use casewise_testkit::contracts::{addr, key, Lane, BLOCK_MS};
use cosmwasm_std::HexBinary;

use crate::{end, failure, with_lane};

#[test]
fn anyone_from_the_deadline_on_at_the_stored_size() {
    let (mut suite, _, patient, lane) = with_lane(3);
    let case = patient.case();
    let anyone = addr(&key("anyone").address());
    let close = ExecuteMsg::close_overdue(&[lane.id()]);
    let done = suite.summary(&anyone, &close).unwrap();
    assert_eq!(done.failed(), [failure(0, LaneFault::NotDue)], "open");
    end(&mut suite, &patient);
    let deadline = suite.lane(&lane.id()).due.unwrap().u64();
    suite.advance(deadline - 1 - BLOCK_MS - suite.now());
    let done = suite.summary(&anyone, &close).unwrap();
    assert_eq!((suite.now(), done.failed()), (deadline - 1, vec![failure(0, LaneFault::NotDue)]));
    let done = suite.summary(&anyone, &close).unwrap();
    let head = lane.head(3);
    assert_eq!(done.events(), [Event::LaneClosed { lane: lane.id(), case, head }]);
    assert_eq!(suite.lane(&lane.id()).status, LaneStatus::Closed);
    let record = suite.case(&case).record().unwrap();
    assert_eq!((record.open, record.digest), (0, close_digest(&[0; 32], &lane.id(), &head)));
    // again: no change
    let again = suite.summary(&anyone, &close).unwrap();
    assert_eq!((again.events(), again.failed()), (vec![], vec![]));
}

#[test]
fn access_and_unknown_lanes_fail_alone() {
    let (mut suite, a, patient, lane) = with_lane(1);
    let access = Lane::access(&patient.case(), &a, "a");
    suite.open(&a, &access);
    end(&mut suite, &patient);
    suite.advance(3_600_000);
    let msg = ExecuteMsg::close_overdue(&[access.id(), lane.id(), LaneId([1; 32]), lane.id()]);
    let done = suite.summary(&patient.addr(), &msg).unwrap();
    assert_eq!(done.failed(), [failure(0, LaneFault::NotDue), failure(2, LaneFault::Unknown)]);
    assert_eq!(done.events().len(), 1);
}

#[test]
fn limits_hold_at_the_limit_and_one_past_it() {
    let (mut suite, _, patient, lane) = with_lane(1);
    let send = |count: usize| ExecuteMsg::close_overdue(&vec![lane.id(); count]);
    assert_eq!(
        suite.summary(&patient.addr(), &send(MAX_CLOSE_OVERDUE + 1)).unwrap_err(),
        "lanes: 65 items, at most 64 are allowed; split the message"
    );
    assert_eq!(suite.summary(&patient.addr(), &send(0)).unwrap_err(), "lanes: no items; send at least one");
    let done = suite.summary(&patient.addr(), &send(MAX_CLOSE_OVERDUE)).unwrap();
    assert_eq!(done.failed().len(), MAX_CLOSE_OVERDUE);
    let short = ExecuteMsg::CloseOverdue { lanes: vec![HexBinary::from([1; 31])] };
    assert_eq!(
        suite.summary(&patient.addr(), &short).unwrap_err(),
        "lane: expected 32 bytes, got 31; send the whole value in hexadecimal"
    );
}
