//! Anchor.

use casewise_ledger::{
    encode,
    records::{ns, record_key},
    AnchorBatch, AnchorItem, AnchoredHead, LaneId, V1,
};
use casewise_protocol::{rules::LaneFault, summary::ExecuteMsg, Event};
use casewise_testkit::contracts::{anchors, Lane, Suite};
use cosmwasm_std::Binary;

use crate::{failure, onboarded, send_anchor, with_lane};

fn head(item: &AnchorItem) -> AnchoredHead {
    AnchoredHead { lane: item.lane, size: item.size, root: item.root }
}

#[test]
fn heads_grow_and_the_record_follows() {
    let (mut suite, a, _, mut lane) = with_lane(0);
    for count in [1, 2, 5, 1] {
        lane.append(count);
        let item = lane.anchor();
        let done = send_anchor(&mut suite, &a, vec![item.clone()]).unwrap();
        assert_eq!(done.events(), [Event::Anchored { heads: vec![head(&item)] }]);
        assert_eq!(done.failed(), []);
        let info = suite.lane(&lane.id());
        assert_eq!((info.size, info.root.as_slice()), (item.size, &item.root[..]));
        assert_eq!((info.height.u64(), info.time.u64()), (suite.height(), suite.now()));
    }
}

#[test]
fn many_lanes_in_one_message_and_one_event() {
    let (mut suite, a, _) = onboarded();
    let mut lanes: Vec<Lane> = Vec::new();
    for n in 0..5u32 {
        let name = format!("p{n}");
        let mut lane = Lane::content(&suite.onboard(&a, &name).case(), &a, &name);
        suite.open(&a, &lane);
        lane.append(n + 1);
        lanes.push(lane);
    }
    let batch = anchors(lanes.iter_mut().map(Lane::anchor).collect());
    let done = suite.summary(&a.addr(), &ExecuteMsg::anchor(&batch)).unwrap();
    let heads: Vec<AnchoredHead> = batch.items.iter().map(head).collect();
    assert_eq!(done.events(), [Event::Anchored { heads }]);
}

#[test]
fn a_lane_that_fails_fails_alone() {
    let (mut suite, a, patient) = onboarded();
    let case = patient.case();
    let mut lanes: Vec<Lane> = (0..5).map(|n| Lane::content(&case, &a, &format!("c{n}"))).collect();
    lanes.sort_by_key(Lane::id);
    for lane in &mut lanes {
        lane.append(4);
        suite.open(&a, lane);
    }
    for lane in &mut lanes {
        suite.anchor(&a, &mut [lane]).unwrap();
        lane.append(4);
    }
    crate::send_close(&mut suite, &a, vec![lanes[3].item(4, 4)]).unwrap();
    let good = lanes[0].item(4, 8);
    let stale = lanes[1].item(2, 3);
    let proof = AnchorItem { root: [7; 32], ..lanes[2].item(4, 8) };
    let closed = lanes[3].item(4, 8);
    let repeated = lanes[4].item(2, 4);
    let unknown = AnchorItem { lane: LaneId([255; 32]), ..good.clone() };
    let items = vec![good.clone(), stale, proof, closed, repeated, unknown];
    let done = send_anchor(&mut suite, &a, items).unwrap();
    assert_eq!(
        done.failed(),
        [
            failure(1, LaneFault::Stale),
            failure(2, LaneFault::Proof),
            failure(3, LaneFault::Closed),
            failure(5, LaneFault::Unknown),
        ]
    );
    assert_eq!(done.events(), [Event::Anchored { heads: vec![head(&good)] }]);
    let sizes: Vec<u32> = lanes.iter().map(|lane| suite.lane(&lane.id()).size).collect();
    assert_eq!(sizes, [8, 4, 4, 4, 4]);
}

#[test]
fn the_same_again_changes_nothing_and_has_no_event() {
    let (mut suite, a, _, mut lane) = with_lane(3);
    lane.append(2);
    let item = lane.anchor();
    send_anchor(&mut suite, &a, vec![item.clone()]).unwrap();
    let before = suite.dump(&suite.summary);
    let done = send_anchor(&mut suite, &a, vec![item]).unwrap();
    assert_eq!((done.events(), done.failed()), (vec![], vec![]));
    assert_eq!(suite.dump(&suite.summary), before);
}

#[test]
fn a_fork_is_never_anchored() {
    let (mut suite, a, _, lane) = with_lane(5);
    // the same lane written anew after a restore: other leaves from index 3 on
    let mut fork = lane.clone();
    fork.leaves.truncate(3);
    for n in 0..6u8 {
        fork.leaves.push([n; 32]);
    }
    for (from, to) in [(5, 5), (5, 9), (4, 9), (3, 9), (0, 9), (0, 5)] {
        let done = send_anchor(&mut suite, &a, vec![fork.item(from, to)]).unwrap();
        assert_eq!(done.failed(), [failure(0, LaneFault::Proof)], "from {from} to {to}");
    }
    let head = lane.head(5);
    assert_eq!(suite.lane(&lane.id()).root.as_slice(), head.root);
}

#[test]
fn the_message_is_refused_when_it_is_not_well_formed() {
    let (mut suite, a, patient, lane) = with_lane(0);
    let mut other = Lane::content(&patient.case(), &a, "d");
    suite.open(&a, &other);
    let (mut one, mut two) = (lane.clone(), {
        other.append(1);
        other
    });
    one.append(1);
    let mut items = vec![one.anchor(), two.anchor()];
    items.sort_by_key(|item| item.lane);
    let good = AnchorBatch { version: V1, items };
    let swapped = AnchorBatch { version: V1, items: good.items.iter().rev().cloned().collect() };
    let twice = AnchorBatch { version: V1, items: vec![good.items[0].clone(), good.items[0].clone()] };
    let empty = AnchorBatch { version: V1, items: Vec::new() };
    let mut long = good.clone();
    long.items[1].proof = vec![[0; 32]; 65];
    let before = suite.dump(&suite.summary);
    let rest = "send 1 to 1024 items, lanes strictly ascending, at most 64 hashes each, successors naming their lane";
    for (batch, why) in [
        (swapped, "malformed or non-canonical encoding"),
        (twice, "malformed or non-canonical encoding"),
        (empty, "malformed or non-canonical encoding"),
        (long, "the proof has the wrong number of hashes"),
    ] {
        let error = suite.summary(&a.addr(), &ExecuteMsg::anchor(&batch)).unwrap_err();
        assert_eq!(error, format!("blob: {why}; {rest}"));
    }
    let bytes = encode(&good);
    for wrong in [vec![], bytes[1..].to_vec(), [&bytes[..], &[0]].concat(), [&[2], &bytes[1..]].concat()] {
        let error = suite.summary(&a.addr(), &ExecuteMsg::Anchor { blob: Binary::from(wrong) }).unwrap_err();
        assert_eq!(
            error,
            "blob: not the canonical borsh encoding; send the bytes exactly as FORMAT.md gives them"
        );
    }
    assert_eq!(suite.dump(&suite.summary), before);
    suite.summary(&a.addr(), &ExecuteMsg::anchor(&good)).unwrap();
}

#[test]
fn the_batch_holds_to_its_limit() {
    let (mut suite, a, _, lane) = with_lane(1);
    let item = |n: u32| {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&n.to_be_bytes());
        AnchorItem { lane: LaneId(id), ..lane.item(0, 1) }
    };
    let most = casewise_ledger::anchor::MAX_BATCH as u32;
    let over = send_anchor(&mut suite, &a, (0..=most).map(item).collect()).unwrap_err();
    assert!(over.starts_with("blob: malformed"), "{over}");
    let done = send_anchor(&mut suite, &a, (0..most).map(item).collect()).unwrap();
    assert_eq!(done.failed().len(), most as usize);
    assert!(done.failed().iter().all(|failed| failed.code == LaneFault::Unknown));
}

#[test]
fn a_batch_with_another_authors_lane_is_refused_whole() {
    let mut suite = Suite::new();
    let (a, b) = (suite.admit("A"), suite.admit("B"));
    let (p, q) = (suite.onboard(&a, "p"), suite.onboard(&b, "q"));
    let (mut of_a, mut of_b) = (Lane::content(&p.case(), &a, "c"), Lane::content(&q.case(), &b, "d"));
    suite.open(&a, &of_a);
    suite.open(&b, &of_b);
    of_a.append(1);
    of_b.append(1);
    let items = vec![of_a.anchor(), of_b.anchor()];
    for from in [&a, &b] {
        let error = send_anchor(&mut suite, from, items.clone()).unwrap_err();
        assert!(error.starts_with("sender: not an operator of institution "), "{error}");
    }
    assert_eq!((suite.lane(&of_a.id()).size, suite.lane(&of_b.id()).size), (0, 0));
}

#[test]
fn every_operator_of_the_author_may_anchor() {
    let (mut suite, a, _, mut lane) = with_lane(0);
    let second = casewise_testkit::contracts::key("second operator");
    let operator = casewise_testkit::contracts::addr(&second.address());
    lane.append(1);
    let msg = ExecuteMsg::anchor(&anchors(vec![lane.anchor()]));
    suite.summary(&operator, &msg).unwrap_err();
    let add = casewise_protocol::registrar::ExecuteMsg::AddOperator {
        institution: 1,
        account: operator.to_string(),
    };
    suite.registrar(&a.addr(), &add).unwrap();
    suite.summary(&operator, &msg).unwrap();
    assert_eq!(suite.lane(&lane.id()).size, 1);
}

#[test]
fn the_case_record_is_left_alone() {
    let (mut suite, a, patient, mut lane) = with_lane(0);
    let key = record_key(ns::CASE, &patient.case().0);
    let before = suite.raw(&suite.summary, key.clone());
    lane.append(3);
    suite.anchor(&a, &mut [&mut lane]).unwrap();
    assert_eq!(suite.raw(&suite.summary, key), before);
}
