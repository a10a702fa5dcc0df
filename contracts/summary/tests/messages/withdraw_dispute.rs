//! WithdrawDispute.

use casewise_ledger::{
    records::{dispute_id, ns, record_key, DisputeCode},
    LaneId,
};
use casewise_protocol::{ppr::Power, summary::ExecuteMsg, Event};
use casewise_testkit::contracts::Lane;

use crate::{delegate, idle, recoverable, refused, start_recovery, stranger, with_lane, words};

#[test]
fn a_dispute_is_taken_back() {
    let (mut suite, _, patient, lane) = with_lane(3);
    let (case, holder) = (patient.case(), patient.addr());
    let before = suite.dump(&suite.summary);
    for index in [0, 1] {
        let msg = ExecuteMsg::dispute(&lane.id(), index, DisputeCode::Incorrect);
        suite.summary(&holder, &msg).unwrap();
    }
    let msg = ExecuteMsg::withdraw_dispute(&lane.id(), 1);
    let done = suite.summary(&holder, &msg).unwrap();
    assert_eq!(done.events(), [Event::DisputeWithdrawn { case, lane: lane.id(), index: 1 }]);
    let left = |index| record_key(ns::DISPUTE, &dispute_id(&case, &lane.id(), index));
    assert_eq!(suite.raw(&suite.summary, left(1)), None);
    assert!(suite.raw(&suite.summary, left(0)).is_some());
    idle(&mut suite, &holder, &msg);
    idle(&mut suite, &holder, &ExecuteMsg::withdraw_dispute(&lane.id(), u32::MAX));
    suite.summary(&holder, &ExecuteMsg::withdraw_dispute(&lane.id(), 0)).unwrap();
    assert_eq!(suite.dump(&suite.summary), before);
}

#[test]
fn who_may() {
    let (mut suite, a, patient) = recoverable();
    let mut lane = Lane::content(&patient.case(), &a, "c");
    suite.open(&a, &lane);
    lane.append(2);
    suite.anchor(&a, &mut [&mut lane]).unwrap();
    let other = suite.onboard(&a, "q");
    let weak = delegate(&mut suite, &patient, "weak", &[Power::Revocations]);
    let proxy = delegate(&mut suite, &patient, "proxy", &[Power::Disputes]);
    let dispute = ExecuteMsg::dispute(&lane.id(), 0, DisputeCode::Incorrect);
    suite.summary(&patient.addr(), &dispute).unwrap();
    let msg = ExecuteMsg::withdraw_dispute(&lane.id(), 0);
    for sender in [a.addr(), other.addr(), stranger()] {
        refused(&mut suite, &sender, &msg, words::NOT_HOLDER);
    }
    refused(&mut suite, &weak, &msg, &words::power("disputes"));
    refused(&mut suite, &patient.addr(), &ExecuteMsg::withdraw_dispute(&LaneId([1; 32]), 0), words::NO_LANE);
    start_recovery(&mut suite, &patient.case());
    for sender in [patient.addr(), proxy.clone()] {
        refused(&mut suite, &sender, &msg, words::RECOVERING);
    }
    let veto = casewise_protocol::registrar::ExecuteMsg::veto_recovery(&patient.case());
    suite.registrar(&patient.addr(), &veto).unwrap();
    suite.summary(&proxy, &msg).unwrap();
}
