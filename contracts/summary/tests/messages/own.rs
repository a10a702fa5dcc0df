//! Lanes that an account writes itself: Open, Anchor, Rotate, Close and CloseOverdue by the holder.

use casewise_ledger::{records::LaneStatus, AnchorItem, LaneId, Party};
use casewise_protocol::{registrar, rules::LaneFault, summary::ExecuteMsg, Event};
use casewise_testkit::contracts::{addr, anchors, key, rotations, Lane, Suite};

use crate::{
    device, failure, of_device, open_as, own_access, own_lane, recoverable, refused, sign, start_recovery,
    stranger, with_lane, words,
};

fn anchor(items: Vec<AnchorItem>) -> ExecuteMsg {
    ExecuteMsg::anchor(&anchors(items))
}

fn close(items: Vec<AnchorItem>) -> ExecuteMsg {
    ExecuteMsg::close(&anchors(items))
}

#[test]
fn the_holder_writes_without_any_relationship() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.enrol(&a, "p");
    let (case, me, my) = (patient.case(), patient.addr(), patient.key.address());
    let (mut content, access) = (own_lane(&case, &my, "c"), own_access(&case, &my, "a"));
    let done = open_as(&mut suite, &me, &[&content, &access]).unwrap();
    let opened = |lane: &Lane| Event::LaneOpened { header: lane.header.clone() };
    assert_eq!(done.events(), [opened(&content), opened(&access)]);
    let record = suite.lane(&content.id()).record().unwrap().1;
    assert_eq!((record.author, record.status), (Party::Account(my), LaneStatus::Open));
    assert_eq!(suite.case(&case).open, 1);

    content.append(3);
    assert_eq!(suite.summary(&me, &anchor(vec![content.anchor()])).unwrap().failed(), []);
    let mut next = content.successor("next");
    let rotation = content.rotation(&next);
    assert_eq!(suite.summary(&me, &rotations(vec![rotation])).unwrap().failed(), []);
    next.append(2);
    assert_eq!(suite.summary(&me, &close(vec![next.anchor()])).unwrap().failed(), []);
    let record = suite.lane(&next.id()).record().unwrap().1;
    assert_eq!((record.status, record.size), (LaneStatus::Closed, 2));
    assert_eq!(suite.case(&case).open, 0);
}

#[test]
fn the_holders_device_signs() {
    let (mut suite, _, patient, _) = with_lane(0);
    let (me, pen) = (patient.addr(), device(7));
    let mut lane = of_device(own_lane(&patient.case(), &patient.key.address(), "pen"), &pen);
    open_as(&mut suite, &me, &[&lane]).unwrap();
    lane.append(2);
    let done = suite.summary(&me, &anchor(vec![lane.item(0, 2)])).unwrap();
    assert_eq!(done.failed(), [failure(0, LaneFault::Device)]);
    let done = suite.summary(&me, &anchor(vec![sign(lane.item(0, 2), &pen, 5)])).unwrap();
    assert_eq!(done.failed(), []);
}

#[test]
fn nobody_else_writes_them() {
    let (mut suite, a, patient, _) = with_lane(0);
    let other = suite.onboard(&a, "q");
    let case = patient.case();
    let mut lane = own_lane(&case, &patient.key.address(), "c");
    let mut open = |sender: &cosmwasm_std::Addr, lane: &Lane, words: &str| {
        refused(&mut suite, sender, &ExecuteMsg::open(std::slice::from_ref(&lane.header)), words);
    };
    for sender in [a.addr(), other.addr(), stranger()] {
        open(&sender, &lane, words::NOT_AUTHOR);
    }
    // another case's holder, in its own name
    open(&other.addr(), &own_lane(&case, &other.key.address(), "x"), words::NOT_HOLDER);
    open(&stranger(), &own_lane(&case, &key("stranger").address(), "x"), words::NOT_HOLDER);
    let unknown = casewise_ledger::CaseId([9; 32]);
    open(&other.addr(), &own_lane(&unknown, &other.key.address(), "x"), words::NO_IDENTITY);
    let mut early = own_lane(&case, &patient.key.address(), "x");
    early.header.epoch = 1;
    open(&patient.addr(), &early, "headers.epoch: the case's key has epoch 0; make the header for that key");

    open_as(&mut suite, &patient.addr(), &[&lane]).unwrap();
    lane.append(2);
    let next = lane.successor("next");
    for sender in [a.addr(), other.addr(), stranger()] {
        for msg in [
            ExecuteMsg::open(std::slice::from_ref(&lane.header)),
            anchor(vec![lane.item(0, 2)]),
            close(vec![lane.item(0, 2)]),
            rotations(vec![lane.clone().rotation(&next)]),
        ] {
            refused(&mut suite, &sender, &msg, words::NOT_AUTHOR);
        }
    }
    // a successor by another author
    let mut foreign = lane.successor("foreign");
    foreign.header.author = Party::Institution(1);
    refused(
        &mut suite,
        &patient.addr(),
        &rotations(vec![lane.clone().rotation(&foreign)]),
        "items.next: case, author and class must be those of the lane it goes on from",
    );
}

#[test]
fn one_author_per_batch() {
    let (mut suite, a, patient, mut theirs) = with_lane(0);
    let mut mine = own_lane(&patient.case(), &patient.key.address(), "c");
    open_as(&mut suite, &patient.addr(), &[&mine]).unwrap();
    mine.append(1);
    theirs.append(1);
    let msg = anchor(vec![mine.item(0, 1), theirs.item(0, 1)]);
    // the one of the two that comes second is the odd one
    let words = if mine.id() < theirs.id() { words::NOT_OPERATOR } else { words::NOT_AUTHOR };
    for sender in [a.addr(), patient.addr()] {
        refused(&mut suite, &sender, &msg, words);
    }
    // an unknown lane beside one's own fails alone
    let unknown = AnchorItem { lane: LaneId([255; 32]), ..mine.item(0, 1) };
    let done = suite.summary(&patient.addr(), &anchor(vec![mine.item(0, 1), unknown])).unwrap();
    assert_eq!(done.failed(), [failure(1, LaneFault::Unknown)]);
}

#[test]
fn while_a_recovery_runs_the_holder_opens_and_rotates_nothing() {
    let (mut suite, _, patient) = recoverable();
    let (case, me, my) = (patient.case(), patient.addr(), patient.key.address());
    let mut lane = own_lane(&case, &my, "c");
    open_as(&mut suite, &me, &[&lane]).unwrap();
    lane.append(3);
    start_recovery(&mut suite, &case);
    let next = lane.successor("next");
    let open = |lane: &Lane| ExecuteMsg::open(std::slice::from_ref(&lane.header));
    refused(&mut suite, &me, &open(&own_lane(&case, &my, "d")), words::RECOVERING);
    refused(&mut suite, &me, &open(&own_access(&case, &my, "a")), words::RECOVERING);
    refused(&mut suite, &me, &rotations(vec![lane.clone().rotation(&next)]), words::RECOVERING);
    // what was written is still anchored
    assert_eq!(suite.summary(&me, &anchor(vec![lane.item(0, 2)])).unwrap().failed(), []);
    suite.registrar(&me, &registrar::ExecuteMsg::veto_recovery(&case)).unwrap();
    lane.anchored = 2;
    assert_eq!(suite.summary(&me, &rotations(vec![lane.rotation(&next)])).unwrap().failed(), []);
}

#[test]
fn what_the_former_holder_wrote_ends_with_it() {
    let (mut suite, a, patient, _) = with_lane(0);
    let (case, me, my) = (patient.case(), patient.addr(), patient.key.address());
    let (mut lane, mut access) = (own_lane(&case, &my, "c"), own_access(&case, &my, "a"));
    open_as(&mut suite, &me, &[&lane, &access]).unwrap();
    lane.append(5);
    access.append(1);
    assert_eq!(suite.summary(&me, &anchor(vec![lane.item(0, 3)])).unwrap().failed(), []);
    lane.anchored = 3;
    let early = suite.summary(&stranger(), &ExecuteMsg::close_overdue(&[lane.id()])).unwrap();
    assert_eq!(early.failed(), [failure(0, LaneFault::NotDue)]);

    let new = suite.rotate(&case, "p2");
    let mut next = lane.successor("next");
    next.header.epoch = 1;
    for (msg, fault) in [
        (anchor(vec![lane.item(3, 5)]), LaneFault::NotHolder),
        (close(vec![lane.item(3, 5)]), LaneFault::NotHolder),
        (close(vec![lane.item(3, 3)]), LaneFault::NotHolder),
        (anchor(vec![access.item(0, 1)]), LaneFault::NotHolder),
        (rotations(vec![lane.clone().rotation(&next)]), LaneFault::NotHolder),
        (rotations(vec![lane.clone().rotation(&lane.successor("old key"))]), LaneFault::Epoch),
    ] {
        let before = suite.dump(&suite.summary);
        assert_eq!(suite.summary(&me, &msg).unwrap().failed(), [failure(0, fault)], "{msg:?}");
        assert_eq!(suite.dump(&suite.summary), before);
    }
    // what is anchored already is no fault
    assert_eq!(suite.summary(&me, &anchor(vec![lane.item(0, 3)])).unwrap().failed(), []);
    let mut fresh = own_lane(&case, &my, "fresh");
    fresh.header.epoch = 1;
    let open = |lane: &Lane| ExecuteMsg::open(std::slice::from_ref(&lane.header));
    refused(&mut suite, &me, &open(&fresh), words::NOT_HOLDER);
    // the new holder writes lanes of its own, not the former one's
    let new = (addr(&new.address()), new.address());
    refused(&mut suite, &new.0, &anchor(vec![lane.item(3, 5)]), words::NOT_AUTHOR);
    let mut own = own_lane(&case, &new.1, "own");
    own.header.epoch = 1;
    open_as(&mut suite, &new.0, &[&own]).unwrap();
    // anyone closes what the former one left, except its access lane
    let msg = ExecuteMsg::close_overdue(&[lane.id(), access.id(), own.id()]);
    let done = suite.summary(&a.addr(), &msg).unwrap();
    assert_eq!(done.failed(), [failure(1, LaneFault::NotDue), failure(2, LaneFault::NotDue)]);
    let record = suite.lane(&lane.id()).record().unwrap().1;
    assert_eq!((record.status, record.size), (LaneStatus::Closed, 3));
    assert_eq!(suite.case(&case).open, 2, "A's and the new holder's");
}

#[test]
fn an_account_that_becomes_holder_again_goes_on() {
    let (mut suite, _, patient, _) = with_lane(0);
    let (case, me) = (patient.case(), patient.addr());
    let mut lane = own_lane(&case, &patient.key.address(), "c");
    open_as(&mut suite, &me, &[&lane]).unwrap();
    lane.append(1);
    suite.rotate(&case, "p2");
    suite.rotate(&case, "p");
    assert_eq!(suite.summary(&me, &anchor(vec![lane.item(0, 1)])).unwrap().failed(), []);
}
