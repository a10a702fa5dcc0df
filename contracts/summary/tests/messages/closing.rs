//! Closing: the message of ppr.

use casewise_ledger::{
    encode,
    records::{ns, record_key, relationship_id, RelationshipRecord, RelationshipStatus},
    V1,
};
use casewise_protocol::{convert::LaneStatus, ppr, rules::LaneFault, summary::ExecuteMsg, Event};
use casewise_testkit::contracts::{Lane, Suite, BLOCK_MS, POLICY};

use crate::{end, failure, idle, onboarded, refused, send_anchor, send_close, stranger, with_lane};

const GRACE_MS: u64 = POLICY.grace as u64 * 1000;

#[test]
fn every_open_content_lane_of_that_author_gets_a_deadline() {
    let mut suite = Suite::new();
    let (a, b) = (suite.admit("A"), suite.admit("B"));
    let patient = suite.onboard(&a, "p");
    let case = patient.case();
    suite.ppr(&b.addr(), &ppr::ExecuteMsg::propose(&case, None)).unwrap();
    suite.ppr(&patient.addr(), &ppr::ExecuteMsg::accept(&case, 2)).unwrap();
    let mine: Vec<Lane> = (0..16).map(|n| Lane::content(&case, &a, &format!("c{n}"))).collect();
    for lane in &mine {
        suite.open(&a, lane);
    }
    let (access, closed, theirs) =
        (Lane::access(&case, &a, "a"), mine[3].clone(), Lane::content(&case, &b, "x"));
    suite.open(&a, &access);
    suite.open(&b, &theirs);
    send_close(&mut suite, &a, vec![closed.item(0, 0)]).unwrap();
    let done = suite.ppr(&patient.addr(), &ppr::ExecuteMsg::end(&case, 1)).unwrap();
    let deadline = suite.now() + GRACE_MS;
    let closing: Vec<Event> = mine
        .iter()
        .filter(|lane| lane.id() != closed.id())
        .map(|lane| Event::LaneClosing { lane: lane.id(), deadline })
        .collect();
    assert_eq!(done.events()[1..], closing);
    let due = record_key(ns::DUE, &mine[0].id().0);
    assert_eq!(suite.raw(&suite.summary, due), Some(deadline.to_be_bytes().to_vec()));
    for lane in mine.iter().filter(|lane| lane.id() != closed.id()) {
        assert_eq!(suite.lane(&lane.id()).status, LaneStatus::Closing);
    }
    for lane in [&access, &theirs] {
        assert_eq!(suite.lane(&lane.id()).status, LaneStatus::Open);
    }
    assert_eq!(suite.case(&case).open, 16, "15 closing of A and one of B");
}

#[test]
fn only_the_author_writes_before_the_deadline_and_nobody_from_it_on() {
    let (mut suite, a, patient, mut lane) = with_lane(3);
    end(&mut suite, &patient);
    let deadline = suite.lane(&lane.id()).due.unwrap().u64();
    lane.append(4);
    assert_eq!(send_anchor(&mut suite, &a, vec![lane.item(3, 5)]).unwrap().failed(), []);
    // the last moment before it
    suite.advance(deadline - 1 - BLOCK_MS - suite.now());
    assert_eq!(send_anchor(&mut suite, &a, vec![lane.item(5, 6)]).unwrap().failed(), []);
    assert_eq!(suite.now(), deadline - 1);
    suite.app.update_block(|block| block.time = block.time.minus_nanos((BLOCK_MS - 1) * 1_000_000));
    let late = send_anchor(&mut suite, &a, vec![lane.item(6, 7)]).unwrap();
    assert_eq!((suite.now(), late.failed()), (deadline, vec![failure(0, LaneFault::Overdue)]));
    let late = send_close(&mut suite, &a, vec![lane.item(6, 6)]).unwrap();
    assert_eq!(late.failed(), [failure(0, LaneFault::Overdue)]);
    assert_eq!(suite.lane(&lane.id()).size, 6);
}

#[test]
fn the_author_closes_in_time_and_the_deadline_goes() {
    let (mut suite, a, patient, mut lane) = with_lane(3);
    end(&mut suite, &patient);
    lane.append(1);
    assert_eq!(send_close(&mut suite, &a, vec![lane.item(3, 4)]).unwrap().failed(), []);
    let info = suite.lane(&lane.id());
    assert_eq!((info.status, info.due), (LaneStatus::Closed, None));
    assert_eq!(suite.raw(&suite.summary, record_key(ns::DUE, &lane.id().0)), None);
}

#[test]
fn the_policy_of_the_case_gives_the_grace() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.enrol(&a, "p");
    let case = patient.case();
    let policy = casewise_ledger::records::Policy { grace: 0, ..POLICY };
    suite.ppr(&a.addr(), &ppr::ExecuteMsg::propose(&case, Some(&policy))).unwrap();
    let lane = Lane::content(&case, &a, "c");
    suite.open(&a, &lane);
    end(&mut suite, &patient);
    assert_eq!(suite.lane(&lane.id()).due.unwrap().u64(), suite.now());
    let done = suite.summary(&patient.addr(), &ExecuteMsg::close_overdue(&[lane.id()])).unwrap();
    assert_eq!(done.failed(), []);
}

#[test]
fn an_author_without_lanes_is_no_error() {
    let (mut suite, _, patient) = onboarded();
    let done = suite.ppr(&patient.addr(), &ppr::ExecuteMsg::end(&patient.case(), 1)).unwrap();
    assert_eq!(done.events().len(), 1);
}

#[test]
fn an_older_summary_is_told_by_anyone_once_the_relationship_is_over() {
    let (mut suite, a, patient, lane) = with_lane(1);
    let case = patient.case();
    let msg = ExecuteMsg::closing(&case, a.number);
    let words = "sender: not the ppr contract, and the relationship is neither suspended nor ended; suspend, decline or end it there";
    refused(&mut suite, &stranger(), &msg, words);
    // it ends while ppr knows a newer summary only
    let ppr = suite.ppr.clone();
    let ended = RelationshipRecord { version: V1, status: RelationshipStatus::Ended, since: suite.now() };
    let raw = record_key(ns::RELATIONSHIP, &relationship_id(&case, a.number));
    suite.app.contract_storage_mut(&ppr).set(&raw, &encode(&ended));
    assert_eq!(suite.lane(&lane.id()).status, LaneStatus::Open);
    suite.summary(&stranger(), &msg).unwrap();
    let due = suite.now() + u64::from(POLICY.grace) * 1000;
    let info = suite.lane(&lane.id());
    assert_eq!((info.status, info.due.unwrap().u64()), (LaneStatus::Closing, due));
    // a second word moves no deadline
    idle(&mut suite, &stranger(), &msg);
}
