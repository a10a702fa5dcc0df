//! ProposeCompletion.

use casewise_ledger::{
    encode,
    records::{ns, record_key, CaseRecord, CaseStatus},
    V1,
};
use casewise_protocol::{ppr::Power, rules::DEFAULT_COMPLETION, summary::ExecuteMsg, Event};
use casewise_testkit::contracts::{Lane, Suite, POLICY};
use cosmwasm_std::HexBinary;

use crate::{
    closed_case, delegate, idle, onboarded, open_as, own_lane, proposed_case, refused, send_close,
    start_recovery, stranger, with_lane, words,
};

const COMPLETION_MS: u64 = POLICY.completion as u64 * 1000;

#[test]
fn a_closed_case_is_proposed_with_a_deadline() {
    let (mut suite, a, patient, _, digest) = closed_case();
    let case = patient.case();
    let done = suite.summary(&a.addr(), &ExecuteMsg::propose_completion(&case, &digest)).unwrap();
    let deadline = suite.now() + COMPLETION_MS;
    assert_eq!(done.events(), [Event::CompletionProposed { case, digest, deadline }]);
    let expected =
        CaseRecord { version: V1, status: CaseStatus::Proposed, open: 0, digest, height: suite.height() };
    assert_eq!(suite.raw(&suite.summary, record_key(ns::CASE, &case.0)), Some(encode(&expected)));
    let due = Some(deadline.to_be_bytes().to_vec());
    assert_eq!(suite.raw(&suite.summary, record_key(ns::DUE, &case.0)), due);
    assert_eq!(suite.case(&case).due.unwrap().u64(), deadline);
    // the same again, by whomever, does not move the deadline
    for sender in [a.addr(), patient.addr()] {
        idle(&mut suite, &sender, &ExecuteMsg::propose_completion(&case, &digest));
    }
}

#[test]
fn only_when_it_is_closing_and_every_content_lane_is_closed() {
    let (mut suite, a, patient, lane) = with_lane(2);
    let (case, holder) = (patient.case(), patient.addr());
    suite.open(&a, &Lane::content(&case, &a, "second"));
    let propose = |digest: [u8; 32]| ExecuteMsg::propose_completion(&case, &digest);
    refused(&mut suite, &holder, &propose([0; 32]), "case: is not closing; wind it up first");
    suite.summary(&holder, &ExecuteMsg::wind_up(&case)).unwrap();
    let open = |open: u32| format!("case: {open} of its content lanes are not closed; close them first");
    refused(&mut suite, &holder, &propose([0; 32]), &open(2));
    send_close(&mut suite, &a, vec![lane.item(2, 2)]).unwrap();
    let digest = crate::digest(&suite, &case);
    refused(&mut suite, &holder, &propose(digest), &open(1));
    suite.advance(u64::from(POLICY.grace) * 1000);
    let second = Lane::content(&case, &a, "second").id();
    suite.summary(&stranger(), &ExecuteMsg::close_overdue(&[second])).unwrap();
    refused(&mut suite, &holder, &propose(digest), words::DIGEST);
    let digest = crate::digest(&suite, &case);
    suite.summary(&holder, &propose(digest)).unwrap();
}

#[test]
fn the_digest_is_the_cases() {
    let (mut suite, a, patient, _, digest) = closed_case();
    let case = patient.case();
    let mut flipped = digest;
    flipped[31] ^= 1;
    for wrong in [[0; 32], flipped] {
        refused(&mut suite, &a.addr(), &ExecuteMsg::propose_completion(&case, &wrong), words::DIGEST);
    }
    for length in [0, 31, 33] {
        let msg = ExecuteMsg::ProposeCompletion {
            case: casewise_protocol::convert::hex(&case.0),
            digest: HexBinary::from(vec![0; length]),
        };
        let words = format!("digest: expected 32 bytes, got {length}; send the whole value in hexadecimal");
        refused(&mut suite, &a.addr(), &msg, &words);
    }
    suite.summary(&a.addr(), &ExecuteMsg::propose_completion(&case, &digest)).unwrap();
    refused(&mut suite, &a.addr(), &ExecuteMsg::propose_completion(&case, &flipped), words::DIGEST);
}

#[test]
fn who_may() {
    let (mut suite, a, patient, _, digest) = closed_case();
    let case = patient.case();
    let msg = ExecuteMsg::propose_completion(&case, &digest);
    let b = suite.admit("B");
    let weak = delegate(&mut suite, &patient, "weak", &[Power::Disputes]);
    let proxy = delegate(&mut suite, &patient, "proxy", &[Power::Completion]);
    refused(&mut suite, &b.addr(), &msg, &words::not_in_force(2));
    refused(&mut suite, &stranger(), &msg, words::NOT_INVOLVED);
    refused(&mut suite, &weak, &msg, &words::power("completion"));
    crate::suspend(&mut suite, 1);
    refused(&mut suite, &a.addr(), &msg, &words::suspended(1));
    crate::resume(&mut suite, 1);
    start_recovery(&mut suite, &case);
    for sender in [patient.addr(), proxy] {
        refused(&mut suite, &sender, &msg, words::RECOVERING);
    }
    suite.summary(&a.addr(), &msg).unwrap();
    // each of the holder's side too
    for who in ["holder", "proxy"] {
        let (mut suite, _, patient, _, digest) = closed_case();
        let sender = match who {
            "holder" => patient.addr(),
            _ => delegate(&mut suite, &patient, "proxy", &[Power::Completion]),
        };
        suite.summary(&sender, &ExecuteMsg::propose_completion(&patient.case(), &digest)).unwrap();
    }
}

#[test]
fn a_completed_case_is_proposed_no_more_and_a_repetition_is_no_fault() {
    let (mut suite, a, patient, _, digest) = proposed_case();
    let case = patient.case();
    suite.summary(&patient.addr(), &ExecuteMsg::approve_completion(&case, &digest)).unwrap();
    idle(&mut suite, &a.addr(), &ExecuteMsg::propose_completion(&case, &digest));
    refused(&mut suite, &a.addr(), &ExecuteMsg::propose_completion(&case, &[0; 32]), words::DIGEST);
}

#[test]
fn without_lanes_there_is_nothing_to_complete() {
    let (mut suite, _, patient) = onboarded();
    let msg = ExecuteMsg::propose_completion(&patient.case(), &[0; 32]);
    refused(&mut suite, &patient.addr(), &msg, words::NO_LANES);
}

#[test]
fn without_a_policy_a_week_is_left() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.enrol(&a, "p");
    let (case, me) = (patient.case(), patient.addr());
    let own = own_lane(&case, &patient.key.address(), "own");
    open_as(&mut suite, &me, &[&own]).unwrap();
    suite.summary(&me, &ExecuteMsg::wind_up(&case)).unwrap();
    let close = ExecuteMsg::close(&casewise_testkit::contracts::anchors(vec![own.item(0, 0)]));
    suite.summary(&me, &close).unwrap();
    let digest = crate::digest(&suite, &case);
    suite.summary(&me, &ExecuteMsg::propose_completion(&case, &digest)).unwrap();
    let due = suite.case(&case).due.unwrap().u64();
    assert_eq!(due, suite.now() + u64::from(DEFAULT_COMPLETION) * 1000);
}
