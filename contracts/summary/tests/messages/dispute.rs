//! Dispute.

use casewise_ledger::{
    encode,
    records::{dispute_id, ns, record_key, DisputeCode, DisputeRecord},
    LaneId, V1,
};
use casewise_protocol::{
    ppr::Power,
    summary::{DisputesResponse, ExecuteMsg, QueryMsg},
    Event,
};
use casewise_testkit::contracts::Lane;

use crate::{
    delegate, idle, proposed_case, recoverable, refused, start_recovery, stranger, with_lane, words,
};

const CODES: [DisputeCode; 6] = [
    DisputeCode::Unreadable,
    DisputeCode::WrongPatient,
    DisputeCode::Incorrect,
    DisputeCode::Incomplete,
    DisputeCode::Untimely,
    DisputeCode::Unauthorised,
];

#[test]
fn an_entry_is_disputed_with_a_code() {
    let (mut suite, _, patient, lane) = with_lane(CODES.len() as u32);
    let case = patient.case();
    let head = suite.lane(&lane.id());
    for (index, code) in (0u32..).zip(CODES) {
        let msg = ExecuteMsg::dispute(&lane.id(), index, code);
        let done = suite.summary(&patient.addr(), &msg).unwrap();
        assert_eq!(done.events(), [Event::EntryDisputed { case, lane: lane.id(), index, code }]);
        let expected = DisputeRecord { version: V1, code, since: suite.now() };
        let id = record_key(ns::DISPUTE, &dispute_id(&case, &lane.id(), index));
        assert_eq!(suite.raw(&suite.summary, id), Some(encode(&expected)));
        let page: DisputesResponse = suite.ask_summary(&QueryMsg::disputes(&case, None, None)).unwrap();
        let last = page.disputes.last().unwrap().record().unwrap();
        assert_eq!(last, ((lane.id(), index), expected));
        idle(&mut suite, &patient.addr(), &msg);
    }
    assert_eq!(suite.lane(&lane.id()), head, "what was anchored stays");
}

#[test]
fn another_code_needs_a_withdrawal_first() {
    let (mut suite, _, patient, lane) = with_lane(2);
    let dispute = |code| ExecuteMsg::dispute(&lane.id(), 1, code);
    suite.summary(&patient.addr(), &dispute(DisputeCode::Incorrect)).unwrap();
    refused(
        &mut suite,
        &patient.addr(),
        &dispute(DisputeCode::Untimely),
        "code: the entry is disputed with another code; withdraw that dispute first",
    );
    suite.summary(&patient.addr(), &ExecuteMsg::withdraw_dispute(&lane.id(), 1)).unwrap();
    suite.summary(&patient.addr(), &dispute(DisputeCode::Untimely)).unwrap();
}

#[test]
fn only_anchored_entries_of_lanes_that_exist() {
    let (mut suite, a, patient, lane) = with_lane(2);
    let holder = patient.addr();
    let dispute = |lane: &LaneId, index| ExecuteMsg::dispute(lane, index, DisputeCode::Incorrect);
    for index in [2, u32::MAX] {
        let words = "index: the lane has 2 anchored entries; dispute one of them, from 0";
        refused(&mut suite, &holder, &dispute(&lane.id(), index), words);
    }
    suite.summary(&holder, &dispute(&lane.id(), 1)).unwrap();
    let empty = Lane::content(&patient.case(), &a, "empty");
    suite.open(&a, &empty);
    let words = "index: the lane has 0 anchored entries; dispute one of them, from 0";
    refused(&mut suite, &holder, &dispute(&empty.id(), 0), words);
    refused(&mut suite, &holder, &dispute(&LaneId([1; 32]), 0), words::NO_LANE);
    let short = ExecuteMsg::Dispute {
        lane: cosmwasm_std::HexBinary::from([]),
        index: 0,
        code: DisputeCode::Incorrect.into(),
    };
    let words = "lane: expected 32 bytes, got 0; send the whole value in hexadecimal";
    refused(&mut suite, &holder, &short, words);
    let (sender, summary) = (holder, suite.summary.clone());
    let unknown = serde_json::json!({"dispute": {"lane": lane.id().to_hex(), "index": 0, "code": "rude"}});
    suite.send(&sender, &summary, &unknown).expect_err("no such code");
}

#[test]
fn also_of_reads_and_in_a_completed_case() {
    let (mut suite, a, patient, lane, digest) = proposed_case();
    let case = patient.case();
    let mut access = Lane::access(&case, &a, "access");
    suite.open(&a, &access);
    access.append(1);
    suite.anchor(&a, &mut [&mut access]).unwrap();
    suite.summary(&patient.addr(), &ExecuteMsg::approve_completion(&case, &digest)).unwrap();
    for lane in [&lane, &access] {
        let msg = ExecuteMsg::dispute(&lane.id(), 0, DisputeCode::Unauthorised);
        suite.summary(&patient.addr(), &msg).unwrap();
    }
}

#[test]
fn who_may() {
    let (mut suite, a, patient) = recoverable();
    let mut lane = Lane::content(&patient.case(), &a, "c");
    suite.open(&a, &lane);
    lane.append(2);
    suite.anchor(&a, &mut [&mut lane]).unwrap();
    let other = suite.onboard(&a, "q");
    let weak = delegate(&mut suite, &patient, "weak", &[Power::Completion, Power::Acknowledgements]);
    let proxy = delegate(&mut suite, &patient, "proxy", &[Power::Disputes]);
    let msg = ExecuteMsg::dispute(&lane.id(), 0, DisputeCode::Incorrect);
    for sender in [a.addr(), other.addr(), stranger(), suite.ppr.clone()] {
        refused(&mut suite, &sender, &msg, words::NOT_HOLDER);
    }
    refused(&mut suite, &weak, &msg, &words::power("disputes"));
    start_recovery(&mut suite, &patient.case());
    for sender in [patient.addr(), proxy.clone()] {
        refused(&mut suite, &sender, &msg, words::RECOVERING);
    }
    let veto = casewise_protocol::registrar::ExecuteMsg::veto_recovery(&patient.case());
    suite.registrar(&patient.addr(), &veto).unwrap();
    suite.summary(&proxy, &msg).unwrap();
}
