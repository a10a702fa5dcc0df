//! ObjectCompletion.

use casewise_ledger::{
    encode,
    records::{close_digest, ns, record_key, CaseRecord, CaseStatus},
    V1,
};
use casewise_protocol::{ppr::Power, summary::ExecuteMsg, Event};
use casewise_testkit::contracts::Lane;

use crate::{
    case_status, closed_case, delegate, idle, onboarded, proposed_case, refused, start_recovery, stranger,
    words,
};

#[test]
fn the_case_is_open_again_and_its_digest_goes_on() {
    let (mut suite, a, patient, _, digest) = proposed_case();
    let (case, holder) = (patient.case(), patient.addr());
    let msg = ExecuteMsg::object_completion(&case, &digest);
    let done = suite.summary(&holder, &msg).unwrap();
    assert_eq!(done.events(), [Event::CaseReopened { case, digest }]);
    let expected =
        CaseRecord { version: V1, status: CaseStatus::Open, open: 0, digest, height: suite.height() };
    assert_eq!(suite.raw(&suite.summary, record_key(ns::CASE, &case.0)), Some(encode(&expected)));
    assert_eq!(suite.raw(&suite.summary, record_key(ns::DUE, &case.0)), None);
    assert_eq!(suite.case(&case).due, None);
    idle(&mut suite, &holder, &msg);
    idle(&mut suite, &a.addr(), &msg);
    // new lanes, and everything once more
    let lane = Lane::content(&case, &a, "more");
    suite.open(&a, &lane);
    let later = crate::wind_up_and_close(&mut suite, &a, &patient, &lane);
    assert_eq!(later, close_digest(&digest, &lane.id(), &lane.head(0)));
    refused(&mut suite, &a.addr(), &ExecuteMsg::propose_completion(&case, &digest), words::DIGEST);
    suite.summary(&a.addr(), &ExecuteMsg::propose_completion(&case, &later)).unwrap();
    // an objection to the first proposal is none to the second
    refused(&mut suite, &holder, &msg, words::DIGEST);
    suite.summary(&holder, &ExecuteMsg::approve_completion(&case, &later)).unwrap();
    assert_eq!(case_status(&suite, &case), CaseStatus::Completed);
}

#[test]
fn until_it_is_completed_and_not_after() {
    let (mut suite, a, patient, _, digest) = proposed_case();
    let case = patient.case();
    let msg = ExecuteMsg::object_completion(&case, &digest);
    // the deadline alone completes nothing
    suite.advance(365 * 86_400_000);
    suite.summary(&a.addr(), &msg).unwrap();
    let (mut suite, a, patient, _, digest) = proposed_case();
    let case = patient.case();
    suite.summary(&patient.addr(), &ExecuteMsg::approve_completion(&case, &digest)).unwrap();
    let completed = "case: is completed; corrections go to a new case that amends it";
    for sender in [a.addr(), patient.addr()] {
        refused(&mut suite, &sender, &ExecuteMsg::object_completion(&case, &digest), completed);
    }
}

#[test]
fn only_what_is_proposed() {
    let (mut suite, a, patient, _, digest) = closed_case();
    let case = patient.case();
    let object = |digest| ExecuteMsg::object_completion(&case, &digest);
    refused(&mut suite, &a.addr(), &object(digest), words::NO_PROPOSAL);
    suite.summary(&a.addr(), &ExecuteMsg::propose_completion(&case, &digest)).unwrap();
    refused(&mut suite, &a.addr(), &object([0; 32]), words::DIGEST);
    suite.summary(&a.addr(), &object(digest)).unwrap();
    refused(&mut suite, &a.addr(), &object([0; 32]), words::NO_PROPOSAL);
    let (mut suite, _, patient) = onboarded();
    let msg = ExecuteMsg::object_completion(&patient.case(), &[0; 32]);
    refused(&mut suite, &patient.addr(), &msg, words::NO_LANES);
}

#[test]
fn who_may() {
    let (mut suite, a, patient, _, digest) = proposed_case();
    let case = patient.case();
    let msg = ExecuteMsg::object_completion(&case, &digest);
    let b = suite.admit("B");
    let weak = delegate(&mut suite, &patient, "weak", &[Power::Grants]);
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
    let (mut suite, _, patient, _, digest) = proposed_case();
    let proxy = delegate(&mut suite, &patient, "proxy", &[Power::Completion]);
    suite.summary(&proxy, &ExecuteMsg::object_completion(&patient.case(), &digest)).unwrap();
}
