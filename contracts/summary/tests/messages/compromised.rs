//! Compromised.

use casewise_ledger::{
    encode,
    records::{ns, record_key, CompromiseRecord, LaneStatus},
    AnchorItem, LaneId, V1,
};
use casewise_protocol::{
    registrar,
    rules::LaneFault,
    summary::{ExecuteMsg, MarksResponse, QueryMsg},
    Event,
};
use casewise_testkit::contracts::{addr, key, rotations, Institution, Lane, Patient, Suite};
use ed25519_zebra::SigningKey;

use crate::{
    device, end, failure, idle, of_device, open_as, own_lane, refused, send_anchor, send_close, sign,
    stranger, suspend, with_lane, words,
};

/// A device lane with five entries of eight anchored.
fn device_lane() -> (Suite, Institution, Patient, Lane, SigningKey) {
    let (mut suite, a, patient, _) = with_lane(0);
    let pen = device(7);
    let mut lane = of_device(Lane::content(&patient.case(), &a, "device"), &pen);
    suite.open(&a, &lane);
    lane.append(8);
    let item = sign(lane.item(0, 5), &pen, 1_000);
    assert_eq!(send_anchor(&mut suite, &a, vec![item]).unwrap().failed(), []);
    lane.anchored = 5;
    (suite, a, patient, lane, pen)
}

fn marks(suite: &Suite, lane: &LaneId) -> MarksResponse {
    suite.ask_summary(&QueryMsg::marks(lane)).unwrap()
}

#[test]
fn the_lane_is_marked_and_takes_no_larger_head() {
    let (mut suite, a, _, mut lane, pen) = device_lane();
    let done = suite.summary(&a.addr(), &ExecuteMsg::compromised(&lane.id(), 3)).unwrap();
    assert_eq!(done.events(), [Event::LaneCompromised { lane: lane.id(), index: 3 }]);
    let expected = CompromiseRecord { version: V1, index: 3, height: suite.height(), time: suite.now() };
    let key = record_key(ns::COMPROMISE, &lane.id().0);
    assert_eq!(suite.raw(&suite.summary, key), Some(encode(&expected)));
    let found = marks(&suite, &lane.id());
    assert_eq!((found.compromised.unwrap().compromise(), found.conflict), (expected, None));

    let larger = sign(lane.item(5, 8), &pen, 2_000);
    let next = lane.successor("next");
    let mut rotation = lane.clone().rotation(&next);
    rotation.last = larger.clone();
    let before = suite.dump(&suite.summary);
    for done in [
        send_anchor(&mut suite, &a, vec![larger.clone()]),
        send_close(&mut suite, &a, vec![larger]),
        suite.summary(&a.addr(), &rotations(vec![rotation])),
    ] {
        assert_eq!(done.unwrap().failed(), [failure(0, LaneFault::Compromised)]);
    }
    assert_eq!(suite.dump(&suite.summary), before);
    // the anchored head again is no fault
    let again = sign(lane.item(0, 5), &pen, 1_000);
    assert_eq!(send_anchor(&mut suite, &a, vec![again]).unwrap().failed(), []);
    // it goes on as another lane, at the anchored head
    lane.leaves.truncate(5);
    assert_eq!(suite.summary(&a.addr(), &rotations(vec![lane.rotation(&next)])).unwrap().failed(), []);
    let record = suite.lane(&lane.id()).record().unwrap().1;
    assert_eq!((record.status, record.size), (LaneStatus::Closed, 5));
    assert!(marks(&suite, &next.id()).compromised.is_none());
}

#[test]
fn it_closes_at_the_anchored_head_and_by_anyone_when_overdue() {
    let (mut suite, a, _, lane, _) = device_lane();
    suite.summary(&a.addr(), &ExecuteMsg::compromised(&lane.id(), 5)).unwrap();
    assert_eq!(send_close(&mut suite, &a, vec![lane.item(5, 5)]).unwrap().failed(), []);
    let (mut suite, a, patient, lane, _) = device_lane();
    suite.summary(&a.addr(), &ExecuteMsg::compromised(&lane.id(), 5)).unwrap();
    end(&mut suite, &patient);
    suite.advance(86_400_000);
    let done = suite.summary(&stranger(), &ExecuteMsg::close_overdue(&[lane.id()])).unwrap();
    assert_eq!((done.failed(), done.events().len()), (vec![], 1));
}

#[test]
fn the_index_only_goes_down() {
    let (mut suite, a, _, lane, _) = device_lane();
    let msg = |index| ExecuteMsg::compromised(&lane.id(), index);
    let ahead = "index: past the 5 entries anchored; name one of them, or 5 if none is in doubt";
    for index in [6, u32::MAX] {
        refused(&mut suite, &a.addr(), &msg(index), ahead);
    }
    suite.summary(&a.addr(), &msg(5)).unwrap();
    let first = marks(&suite, &lane.id()).compromised.unwrap();
    idle(&mut suite, &a.addr(), &msg(5));
    suite.summary(&a.addr(), &msg(2)).unwrap();
    let lower = marks(&suite, &lane.id()).compromised.unwrap();
    assert_eq!((lower.index, lower.height, lower.time), (2, first.height, first.time));
    let later = "index: the lane is in doubt from entry 2 on; only an earlier one can be named";
    for index in [3, 5] {
        refused(&mut suite, &a.addr(), &msg(index), later);
    }
    refused(&mut suite, &a.addr(), &msg(6), ahead);
    suite.summary(&a.addr(), &msg(0)).unwrap();
    idle(&mut suite, &a.addr(), &msg(0));
}

#[test]
fn only_device_lanes_that_exist() {
    let (mut suite, a, _, lane) = with_lane(2);
    let no_device = "lane: has no device that signs; name a device lane";
    refused(&mut suite, &a.addr(), &ExecuteMsg::compromised(&lane.id(), 0), no_device);
    refused(&mut suite, &a.addr(), &ExecuteMsg::compromised(&LaneId([1; 32]), 0), words::NO_LANE);
    let short = ExecuteMsg::Compromised { lane: cosmwasm_std::HexBinary::from([1; 33]), index: 0 };
    let words = "lane: expected 32 bytes, got 33; send the whole value in hexadecimal";
    refused(&mut suite, &a.addr(), &short, words);
}

#[test]
fn only_its_author_says_so() {
    let (mut suite, a, patient, lane, _) = device_lane();
    let b = suite.admit("B");
    let msg = ExecuteMsg::compromised(&lane.id(), 1);
    for sender in [b.addr(), patient.addr(), stranger(), suite.authority.clone()] {
        refused(&mut suite, &sender, &msg, words::NOT_OPERATOR);
    }
    // any of its operators, suspended or not, whatever became of lane and relationship
    let second = addr(&key("second").address());
    let add = registrar::ExecuteMsg::AddOperator { institution: 1, account: second.to_string() };
    suite.registrar(&a.addr(), &add).unwrap();
    send_close(&mut suite, &a, vec![lane.item(5, 5)]).unwrap();
    end(&mut suite, &patient);
    suspend(&mut suite, 1);
    suite.summary(&second, &msg).unwrap();
    suite.summary(&a.addr(), &ExecuteMsg::compromised(&lane.id(), 0)).unwrap();
}

#[test]
fn the_holders_own_device() {
    let (mut suite, a, patient, _) = with_lane(0);
    let (me, pen) = (patient.addr(), device(9));
    let mut lane = of_device(own_lane(&patient.case(), &patient.key.address(), "pen"), &pen);
    open_as(&mut suite, &me, &[&lane]).unwrap();
    lane.append(2);
    let msg = ExecuteMsg::compromised(&lane.id(), 0);
    for sender in [a.addr(), stranger()] {
        refused(&mut suite, &sender, &msg, words::NOT_AUTHOR);
    }
    // before anything was anchored
    suite.summary(&me, &msg).unwrap();
    let first: AnchorItem = sign(lane.item(0, 2), &pen, 5);
    let done = suite.summary(&me, &ExecuteMsg::anchor(&casewise_testkit::contracts::anchors(vec![first])));
    assert_eq!(done.unwrap().failed(), [failure(0, LaneFault::Compromised)]);
}

#[test]
fn a_neighbour_in_the_batch_is_not_touched() {
    let (mut suite, a, patient, lane, pen) = device_lane();
    let other_pen = device(8);
    let mut other = of_device(Lane::content(&patient.case(), &a, "other"), &other_pen);
    suite.open(&a, &other);
    other.append(1);
    suite.summary(&a.addr(), &ExecuteMsg::compromised(&lane.id(), 0)).unwrap();
    let items = vec![sign(lane.item(5, 8), &pen, 2), sign(other.item(0, 1), &other_pen, 2)];
    let position = u32::from(other.id() < lane.id());
    let done = send_anchor(&mut suite, &a, items).unwrap();
    assert_eq!(done.failed(), [failure(position, LaneFault::Compromised)]);
    assert_eq!(suite.lane(&other.id()).size, 1);
}
