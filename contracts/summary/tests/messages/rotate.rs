//! Rotate.

use casewise_ledger::{
    records::{close_digest, LaneStatus},
    AnchoredHead, Class, LaneId, RotateBatch, RotateItem, V1,
};
use casewise_protocol::{rules::LaneFault, summary::ExecuteMsg, Event};
use casewise_testkit::contracts::{rotations, Lane, POLICY};

use crate::{end, failure, send_anchor, send_close, suspend, with_lane};

#[test]
fn the_old_lane_closes_and_the_new_one_opens_in_one_step() {
    let (mut suite, a, patient, mut lane) = with_lane(3);
    let case = patient.case();
    lane.append(2);
    let mut next = lane.successor("next");
    let rotation = lane.rotation(&next);
    let done = suite.summary(&a.addr(), &rotations(vec![rotation.clone()])).unwrap();
    let head = lane.head(5);
    let last = AnchoredHead { lane: lane.id(), size: 5, root: head.root };
    assert_eq!(done.events(), [Event::LaneRotated { last, next: next.header.clone() }]);
    assert_eq!(done.failed(), []);
    assert_eq!(suite.lane(&lane.id()).record().unwrap().1.status, LaneStatus::Closed);
    let opened = suite.lane(&next.id()).record().unwrap().1;
    assert_eq!((opened.status, opened.size, opened.height), (LaneStatus::Open, 0, suite.height()));
    let record = suite.case(&case).record().unwrap();
    assert_eq!((record.open, record.digest), (1, close_digest(&[0; 32], &lane.id(), &head)));

    // the same again changes nothing, also when the new lane has gone on
    next.append(2);
    suite.anchor(&a, &mut [&mut next]).unwrap();
    let before = suite.dump(&suite.summary);
    let again = suite.summary(&a.addr(), &rotations(vec![rotation])).unwrap();
    assert_eq!((again.events(), again.failed()), (vec![], vec![]));
    assert_eq!(suite.dump(&suite.summary), before);
}

#[test]
fn at_the_anchored_size_and_at_the_limit_of_lanes() {
    let (mut suite, a, patient, mut lane) = with_lane(3);
    for n in 1..casewise_protocol::rules::MAX_OPEN_LANES {
        suite.open(&a, &Lane::content(&patient.case(), &a, &format!("more {n}")));
    }
    let next = lane.successor("next");
    let rotation = lane.rotation(&next);
    assert_eq!(rotation.last.size, 3);
    assert_eq!(suite.summary(&a.addr(), &rotations(vec![rotation])).unwrap().failed(), []);
    assert_eq!(suite.case(&patient.case()).open, 16);
}

#[test]
fn an_access_lane_rotates_also_after_the_end() {
    let (mut suite, a, patient, _) = with_lane(0);
    let mut access = Lane::access(&patient.case(), &a, "a");
    suite.open(&a, &access);
    end(&mut suite, &patient);
    let before = suite.case(&patient.case());
    let next = access.successor("b");
    let rotation = access.rotation(&next);
    assert_eq!(suite.summary(&a.addr(), &rotations(vec![rotation])).unwrap().failed(), []);
    assert_eq!(suite.lane(&next.id()).record().unwrap().1.class, Class::Access);
    assert_eq!(suite.case(&patient.case()), before);
}

#[test]
fn several_at_once_and_one_that_fails_fails_alone() {
    let (mut suite, a, patient, mut one) = with_lane(2);
    let mut two = Lane::content(&patient.case(), &a, "two");
    let mut three = Lane::content(&patient.case(), &a, "three");
    for lane in [&mut two, &mut three] {
        suite.open(&a, lane);
        lane.append(3);
    }
    let nexts = [one.successor("n1"), two.successor("n2"), three.successor("n3")];
    let mut bad = two.rotation(&nexts[1]);
    bad.last.root = [9; 32];
    bad.last.proof = vec![[1; 32]];
    let mut items = vec![one.rotation(&nexts[0]), bad, three.rotation(&nexts[2])];
    let mut unknown = items[0].clone();
    unknown.last.lane = LaneId([0; 32]);
    unknown.next.predecessor = Some(LaneId([0; 32]));
    items.push(unknown);
    items.sort_by_key(|item| item.last.lane);
    let at = items.iter().position(|item| item.last.lane == two.id()).unwrap() as u32;
    let done = suite.summary(&a.addr(), &rotations(items)).unwrap();
    assert_eq!(done.failed(), [failure(0, LaneFault::Unknown), failure(at, LaneFault::Proof)]);
    assert_eq!(done.events().len(), 2);
    assert_eq!(suite.lane(&two.id()).size, 0);
    let missing: Option<casewise_protocol::summary::LaneInfo> =
        suite.ask_summary(&casewise_protocol::summary::QueryMsg::lane(&nexts[1].id())).unwrap();
    assert_eq!(missing, None, "whole or not at all");
    assert_eq!(suite.case(&patient.case()).open, 3);
}

#[test]
fn a_closed_or_closing_lane_has_no_successor() {
    let (mut suite, a, patient, mut lane) = with_lane(3);
    let other = Lane::content(&patient.case(), &a, "d");
    suite.open(&a, &other);
    send_close(&mut suite, &a, vec![other.item(0, 0)]).unwrap();
    let mut closed = other.clone();
    let next = closed.successor("x");
    let rotation = closed.rotation(&next);
    assert_eq!(
        suite.summary(&a.addr(), &rotations(vec![rotation])).unwrap().failed(),
        [failure(0, LaneFault::Closed)]
    );
    end(&mut suite, &patient);
    let next = lane.successor("next");
    let rotation = lane.rotation(&next);
    assert_eq!(
        suite.summary(&a.addr(), &rotations(vec![rotation])).unwrap().failed(),
        [failure(0, LaneFault::Closing)]
    );
}

#[test]
fn once_rotated_another_successor_is_refused() {
    let (mut suite, a, _, mut lane) = with_lane(3);
    let (first, second) = (lane.successor("one"), lane.successor("two"));
    let rotation = lane.rotation(&first);
    suite.summary(&a.addr(), &rotations(vec![rotation])).unwrap();
    let again = lane.rotation(&second);
    assert_eq!(
        suite.summary(&a.addr(), &rotations(vec![again])).unwrap().failed(),
        [failure(0, LaneFault::Closed)]
    );
}

#[test]
fn a_successor_for_an_old_key_fails_alone() {
    let (mut suite, a, _, mut lane) = with_lane(3);
    let mut next = lane.successor("next");
    next.header.epoch = 1;
    let rotation = lane.rotation(&next);
    assert_eq!(
        suite.summary(&a.addr(), &rotations(vec![rotation])).unwrap().failed(),
        [failure(0, LaneFault::Epoch)]
    );
}

#[test]
fn a_header_that_cannot_follow_refuses_the_message() {
    let (mut suite, a, _, mut lane) = with_lane(3);
    let b = suite.admit("B");
    let q = suite.onboard(&a, "q");
    let good = lane.successor("next");
    let item = lane.rotation(&good);
    let with = |change: &dyn Fn(&mut RotateItem)| {
        let mut changed = item.clone();
        change(&mut changed);
        rotations(vec![changed])
    };
    let successor = "items.next: case, author and class must be those of the lane it goes on from";
    let blob = "blob: malformed or non-canonical encoding; send 1 to 1024 items, lanes strictly ascending, at most 64 \
                hashes each, successors naming their lane";
    let before = suite.dump(&suite.summary);
    for (msg, words) in [
        (with(&|i| i.next.case = q.case()), successor),
        (with(&|i| i.next.author = casewise_ledger::Party::Institution(b.number)), successor),
        (with(&|i| i.next.class = Class::Access), successor),
        (with(&|i| i.next.minimum = 64), "headers.minimum: must be 1024, or 64 with a signer"),
        (with(&|i| i.next.predecessor = None), blob),
        (with(&|i| i.next.predecessor = Some(LaneId([1; 32]))), blob),
        (ExecuteMsg::rotate(&RotateBatch { version: V1, items: vec![] }), blob),
        (ExecuteMsg::rotate(&RotateBatch { version: V1, items: vec![item.clone(), item.clone()] }), blob),
        (
            ExecuteMsg::Rotate { blob: cosmwasm_std::Binary::from([1, 0]) },
            "blob: not the canonical borsh encoding; send the bytes exactly as FORMAT.md gives them",
        ),
    ] {
        assert_eq!(suite.summary(&a.addr(), &msg).unwrap_err(), words);
    }
    assert_eq!(suite.dump(&suite.summary), before);
}

#[test]
fn a_suspended_institution_rotates_nothing() {
    let (mut suite, a, _, mut lane) = with_lane(3);
    suspend(&mut suite, 1);
    let next = lane.successor("next");
    let rotation = lane.rotation(&next);
    assert_eq!(
        suite.summary(&a.addr(), &rotations(vec![rotation])).unwrap_err(),
        "sender: institution 1 is suspended; ask the consortium to resume it"
    );
    // but it still anchors
    lane.append(1);
    assert_eq!(send_anchor(&mut suite, &a, vec![lane.item(3, 4)]).unwrap().failed(), []);
    assert_ne!(POLICY.grace, 0);
}
