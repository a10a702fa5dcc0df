//! Close.

use casewise_ledger::{
    records::{close_digest, LaneStatus},
    Head,
};
use casewise_protocol::{convert, rules::LaneFault, Event};
use casewise_testkit::contracts::Lane;

use crate::{failure, send_anchor, send_close, with_lane};

#[test]
fn at_a_final_head_with_the_close_digest() {
    let (mut suite, a, patient, mut lane) = with_lane(3);
    let case = patient.case();
    lane.append(2);
    let last = lane.anchor();
    let done = send_close(&mut suite, &a, vec![last.clone()]).unwrap();
    let head = Head { size: 5, root: last.root };
    assert_eq!(done.events(), [Event::LaneClosed { lane: lane.id(), case, head }]);
    assert_eq!(done.failed(), []);
    let (_, record) = suite.lane(&lane.id()).record().unwrap();
    assert_eq!((record.status, record.head()), (LaneStatus::Closed, head));
    assert_eq!((record.height, record.time), (suite.height(), suite.now()));
    let closed = suite.case(&case).record().unwrap();
    assert_eq!((closed.open, closed.height), (0, suite.height()));
    assert_eq!(closed.digest, close_digest(&[0; 32], &lane.id(), &head));
}

#[test]
fn at_the_anchored_head_too_and_then_its_time_stays() {
    let (mut suite, a, patient, lane) = with_lane(3);
    let anchored = suite.lane(&lane.id());
    let done = send_close(&mut suite, &a, vec![lane.item(3, 3)]).unwrap();
    let head = lane.head(3);
    assert_eq!(done.events(), [Event::LaneClosed { lane: lane.id(), case: patient.case(), head }]);
    let closed = suite.lane(&lane.id());
    assert_eq!((closed.height, closed.time, closed.size), (anchored.height, anchored.time, 3));
    // and an empty lane
    let empty = Lane::content(&patient.case(), &a, "empty");
    suite.open(&a, &empty);
    assert_eq!(send_close(&mut suite, &a, vec![empty.item(0, 0)]).unwrap().failed(), []);
    assert_eq!(suite.case(&patient.case()).open, 0);
}

#[test]
fn the_digest_chains_lanes_in_the_order_of_closing() {
    let (mut suite, a, patient, first) = with_lane(1);
    let case = patient.case();
    let mut second = Lane::content(&case, &a, "d");
    suite.open(&a, &second);
    second.append(4);
    send_close(&mut suite, &a, vec![second.item(0, 4)]).unwrap();
    send_close(&mut suite, &a, vec![first.item(1, 1)]).unwrap();
    let digest = close_digest(&[0; 32], &second.id(), &second.head(4));
    let digest = close_digest(&digest, &first.id(), &first.head(1));
    assert_eq!(suite.case(&case).digest.as_slice(), digest);
}

#[test]
fn an_access_lane_closes_without_a_trace_in_the_digest() {
    let (mut suite, a, patient, _) = with_lane(0);
    let access = Lane::access(&patient.case(), &a, "a");
    suite.open(&a, &access);
    let before = suite.case(&patient.case());
    send_close(&mut suite, &a, vec![access.item(0, 0)]).unwrap();
    assert_eq!(suite.case(&patient.case()), before);
    // and makes room for another
    suite.open(&a, &Lane::access(&patient.case(), &a, "b"));
}

#[test]
fn closed_is_closed() {
    let (mut suite, a, _, mut lane) = with_lane(3);
    lane.append(2);
    let last = lane.item(3, 5);
    send_close(&mut suite, &a, vec![last.clone()]).unwrap();
    let before = suite.dump(&suite.summary);
    // the same again changes nothing
    let done = send_close(&mut suite, &a, vec![last]).unwrap();
    assert_eq!((done.events(), done.failed()), (vec![], vec![]));
    lane.append(1);
    for sent in [
        send_close(&mut suite, &a, vec![lane.item(5, 6)]),
        send_anchor(&mut suite, &a, vec![lane.item(5, 6)]),
        send_close(&mut suite, &a, vec![lane.item(3, 3)]),
    ] {
        assert_eq!(sent.unwrap().failed(), [failure(0, LaneFault::Closed)]);
    }
    assert_eq!(suite.dump(&suite.summary), before);
    assert_eq!(suite.lane(&lane.id()).status, convert::LaneStatus::Closed);
}

#[test]
fn a_lane_that_fails_fails_alone() {
    let (mut suite, a, patient, good) = with_lane(3);
    let mut bad = Lane::content(&patient.case(), &a, "d");
    suite.open(&a, &bad);
    bad.append(4);
    let wrong = casewise_ledger::AnchorItem { proof: vec![[1; 32]], ..bad.item(0, 4) };
    let position = u32::from(good.id() < bad.id());
    let done = send_close(&mut suite, &a, vec![good.item(3, 3), wrong]).unwrap();
    assert_eq!(done.failed(), [failure(position, LaneFault::Proof)]);
    assert_eq!(suite.case(&patient.case()).open, 1);
}
