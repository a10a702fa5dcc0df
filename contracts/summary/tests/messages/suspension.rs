//! What a suspended institution may still do, and until when.

use casewise_protocol::{convert::LaneStatus, rules::LaneFault, summary::ExecuteMsg};
use casewise_testkit::contracts::{BLOCK_MS, POLICY};

use crate::{failure, resume, send_anchor, send_close, suspend, with_lane};

const GRACE_MS: u64 = POLICY.grace as u64 * 1000;

#[test]
fn it_anchors_until_the_grace_is_over_and_then_anyone_closes() {
    let (mut suite, a, patient, mut lane) = with_lane(3);
    suspend(&mut suite, 1);
    let until = suite.now() + GRACE_MS;
    lane.append(5);
    let close = ExecuteMsg::close_overdue(&[lane.id()]);
    suite.advance(until - 1 - 2 * BLOCK_MS - suite.now());
    let early = suite.summary(&patient.addr(), &close).unwrap();
    assert_eq!(early.failed(), [failure(0, LaneFault::NotDue)]);
    assert_eq!(send_anchor(&mut suite, &a, vec![lane.item(3, 5)]).unwrap().failed(), []);
    assert_eq!(suite.now(), until - 1);
    for sent in [
        send_anchor(&mut suite, &a, vec![lane.item(5, 6)]),
        send_close(&mut suite, &a, vec![lane.item(5, 5)]),
    ] {
        assert_eq!(sent.unwrap().failed(), [failure(0, LaneFault::Suspended)]);
    }
    assert_eq!(suite.summary(&patient.addr(), &close).unwrap().failed(), []);
    let info = suite.lane(&lane.id());
    assert_eq!((info.status, info.size), (LaneStatus::Closed, 5));
}

#[test]
fn within_the_grace_it_may_close() {
    let (mut suite, a, _, lane) = with_lane(3);
    suspend(&mut suite, 1);
    assert_eq!(send_close(&mut suite, &a, vec![lane.item(3, 3)]).unwrap().failed(), []);
}

#[test]
fn resumed_it_goes_on() {
    let (mut suite, a, patient, mut lane) = with_lane(3);
    suspend(&mut suite, 1);
    suite.advance(2 * GRACE_MS);
    lane.append(1);
    assert_eq!(
        send_anchor(&mut suite, &a, vec![lane.item(3, 4)]).unwrap().failed(),
        [failure(0, LaneFault::Suspended)]
    );
    resume(&mut suite, 1);
    assert_eq!(send_anchor(&mut suite, &a, vec![lane.item(3, 4)]).unwrap().failed(), []);
    let done = suite.summary(&patient.addr(), &ExecuteMsg::close_overdue(&[lane.id()])).unwrap();
    assert_eq!(done.failed(), [failure(0, LaneFault::NotDue)]);
}
