//! ApproveCompletion.

use casewise_ledger::{
    encode,
    records::{ns, record_key, CaseRecord, CaseStatus},
    V1,
};
use casewise_protocol::{ppr::Power, summary::ExecuteMsg, Event};
use casewise_testkit::contracts::Lane;

use crate::{
    case_status, closed_case, delegate, idle, onboarded, open_as, own_lane, proposed_case, refused,
    start_recovery, stranger, with_lane, words,
};

#[test]
fn the_holder_completes_the_case() {
    let (mut suite, a, patient, lane, digest) = proposed_case();
    let (case, holder) = (patient.case(), patient.addr());
    let done = suite.summary(&holder, &ExecuteMsg::approve_completion(&case, &digest)).unwrap();
    assert_eq!(done.events(), [Event::CaseCompleted { case, digest }]);
    let expected =
        CaseRecord { version: V1, status: CaseStatus::Completed, open: 0, digest, height: suite.height() };
    assert_eq!(suite.raw(&suite.summary, record_key(ns::CASE, &case.0)), Some(encode(&expected)));
    assert_eq!(suite.raw(&suite.summary, record_key(ns::DUE, &case.0)), None);
    assert_eq!(suite.case(&case).due, None);
    idle(&mut suite, &holder, &ExecuteMsg::approve_completion(&case, &digest));
    refused(&mut suite, &holder, &ExecuteMsg::approve_completion(&case, &[0; 32]), words::DIGEST);
    // for good: no content any more, of anyone
    let closed =
        "case: is closing or completed and takes no new lanes; corrections go to a new case that amends it";
    let own = own_lane(&case, &patient.key.address(), "own");
    assert_eq!(open_as(&mut suite, &a.addr(), &[&Lane::content(&case, &a, "x")]).unwrap_err(), closed);
    assert_eq!(open_as(&mut suite, &holder, &[&own]).unwrap_err(), closed);
    // what was written before is acknowledged and disputed still
    suite.summary(&holder, &ExecuteMsg::seen(&case, &[(lane.id(), 3)])).unwrap();
}

#[test]
fn also_when_the_time_for_objections_is_over() {
    let (mut suite, _, patient, _, digest) = proposed_case();
    suite.advance(365 * 86_400_000);
    suite.summary(&patient.addr(), &ExecuteMsg::approve_completion(&patient.case(), &digest)).unwrap();
}

#[test]
fn only_what_is_proposed() {
    let (mut suite, _, patient, _) = with_lane(0);
    let (case, holder) = (patient.case(), patient.addr());
    let approve = |digest| ExecuteMsg::approve_completion(&case, &digest);
    refused(&mut suite, &holder, &approve([0; 32]), words::NO_PROPOSAL);
    let (mut suite, _, patient, _, digest) = closed_case();
    let approve = |digest| ExecuteMsg::approve_completion(&patient.case(), &digest);
    refused(&mut suite, &patient.addr(), &approve(digest), words::NO_PROPOSAL);
    suite.summary(&patient.addr(), &ExecuteMsg::propose_completion(&patient.case(), &digest)).unwrap();
    refused(&mut suite, &patient.addr(), &approve([0; 32]), words::DIGEST);
    suite.summary(&patient.addr(), &approve(digest)).unwrap();
    let (mut suite, _, patient) = onboarded();
    let msg = ExecuteMsg::approve_completion(&patient.case(), &[0; 32]);
    refused(&mut suite, &patient.addr(), &msg, words::NO_LANES);
}

#[test]
fn only_the_holders_side() {
    let (mut suite, a, patient, _, digest) = proposed_case();
    let case = patient.case();
    let msg = ExecuteMsg::approve_completion(&case, &digest);
    let weak = delegate(&mut suite, &patient, "weak", &[Power::Relationships]);
    let proxy = delegate(&mut suite, &patient, "proxy", &[Power::Completion]);
    for sender in [a.addr(), stranger(), suite.authority.clone()] {
        refused(&mut suite, &sender, &msg, words::NOT_HOLDER);
    }
    refused(&mut suite, &weak, &msg, &words::power("completion"));
    start_recovery(&mut suite, &case);
    for sender in [patient.addr(), proxy.clone()] {
        refused(&mut suite, &sender, &msg, words::RECOVERING);
    }
    let veto = casewise_protocol::registrar::ExecuteMsg::veto_recovery(&case);
    suite.registrar(&patient.addr(), &veto).unwrap();
    suite.summary(&proxy, &msg).unwrap();
    assert_eq!(case_status(&suite, &case), CaseStatus::Completed);
}
