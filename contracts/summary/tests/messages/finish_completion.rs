//! FinishCompletion.

use casewise_ledger::records::{ns, record_key, CaseStatus};
use casewise_protocol::{ppr, registrar, summary::ExecuteMsg, Event};
use casewise_testkit::contracts::{addr, key, Lane, Suite, POLICY};

use crate::{
    case_status, closed_case, idle, onboarded, proposed_case, refused, start_recovery, stranger, until, words,
};

#[test]
fn anyone_from_the_deadline_on() {
    let (mut suite, _, patient, _, digest) = proposed_case();
    let case = patient.case();
    let due = suite.case(&case).due.unwrap().u64();
    let msg = ExecuteMsg::finish_completion(&case, &digest);
    until(&mut suite, due - 1);
    let early =
        format!("case: objections are taken until {due}; finish it then, or have the holder approve it");
    refused(&mut suite, &stranger(), &msg, &early);
    assert_eq!(suite.now(), due - 1);
    suite.app.update_block(|block| block.time = block.time.minus_nanos(499 * 1_000_000));
    refused(&mut suite, &stranger(), &ExecuteMsg::finish_completion(&case, &[0; 32]), words::DIGEST);
    suite.app.update_block(|block| block.time = block.time.minus_nanos(500 * 1_000_000));
    let done = suite.summary(&stranger(), &msg).unwrap();
    assert_eq!(suite.now(), due);
    assert_eq!(done.events(), [Event::CaseCompleted { case, digest }]);
    assert_eq!(case_status(&suite, &case), CaseStatus::Completed);
    assert_eq!(suite.raw(&suite.summary, record_key(ns::DUE, &case.0)), None);
    idle(&mut suite, &stranger(), &msg);
    idle(&mut suite, &patient.addr(), &ExecuteMsg::approve_completion(&case, &digest));
    refused(&mut suite, &stranger(), &ExecuteMsg::finish_completion(&case, &[0; 32]), words::DIGEST);
}

#[test]
fn only_what_is_proposed_and_not_objected_to() {
    let (mut suite, a, patient, _, digest) = closed_case();
    let case = patient.case();
    let msg = ExecuteMsg::finish_completion(&case, &digest);
    // the deadline of closing is none of completion
    suite.advance(365 * 86_400_000);
    refused(&mut suite, &stranger(), &msg, words::NO_PROPOSAL);
    suite.summary(&a.addr(), &ExecuteMsg::propose_completion(&case, &digest)).unwrap();
    suite.summary(&patient.addr(), &ExecuteMsg::object_completion(&case, &digest)).unwrap();
    suite.advance(365 * 86_400_000);
    refused(&mut suite, &stranger(), &msg, words::NO_PROPOSAL);
    let (mut suite, _, patient) = onboarded();
    let msg = ExecuteMsg::finish_completion(&patient.case(), &[0; 32]);
    refused(&mut suite, &stranger(), &msg, words::NO_LANES);
}

#[test]
fn at_once_where_the_policy_gives_no_time() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.enrol(&a, "p");
    let case = patient.case();
    let policy = casewise_ledger::records::Policy { completion: 0, ..POLICY };
    suite.ppr(&a.addr(), &ppr::ExecuteMsg::propose(&case, Some(&policy))).unwrap();
    suite.ppr(&patient.addr(), &ppr::ExecuteMsg::accept(&case, 1)).unwrap();
    let lane = Lane::content(&case, &a, "c");
    suite.open(&a, &lane);
    let digest = crate::wind_up_and_close(&mut suite, &a, &patient, &lane);
    suite.summary(&a.addr(), &ExecuteMsg::propose_completion(&case, &digest)).unwrap();
    assert_eq!(suite.case(&case).due.unwrap().u64(), suite.now());
    suite.summary(&stranger(), &ExecuteMsg::finish_completion(&case, &digest)).unwrap();
}

#[test]
fn not_while_the_patient_cannot_object() {
    let (mut suite, _, patient, _, digest) = proposed_case();
    let case = patient.case();
    let msg = ExecuteMsg::finish_completion(&case, &digest);
    start_recovery(&mut suite, &case);
    let delay = u64::from(registrar::DEFAULT_RECOVERY_DELAY) * 1000;
    suite.advance(delay);
    refused(&mut suite, &stranger(), &msg, words::RECOVERING);
    // who is found by the recovery objects
    let saved = addr(&key("saved").address());
    suite.registrar(&saved, &registrar::ExecuteMsg::finish_recovery(&case)).unwrap();
    suite.summary(&saved, &ExecuteMsg::object_completion(&case, &digest)).unwrap();
    assert_eq!(case_status(&suite, &case), CaseStatus::Open);
}

#[test]
fn a_recovery_that_lapsed_hinders_nobody() {
    let (mut suite, _, patient, _, digest) = proposed_case();
    let case = patient.case();
    start_recovery(&mut suite, &case);
    suite.advance(u64::from(registrar::DEFAULT_RECOVERY_DELAY) * 1000 + registrar::RECOVERY_WINDOW_MS);
    suite.summary(&stranger(), &ExecuteMsg::finish_completion(&case, &digest)).unwrap();
}

#[test]
fn a_holder_who_came_after_the_proposal_has_the_whole_time_for_objections() {
    let (mut suite, _, patient, _, digest) = proposed_case();
    let case = patient.case();
    let msg = ExecuteMsg::finish_completion(&case, &digest);
    start_recovery(&mut suite, &case);
    suite.advance(u64::from(registrar::DEFAULT_RECOVERY_DELAY) * 1000);
    let saved = addr(&key("saved").address());
    suite.registrar(&saved, &registrar::ExecuteMsg::finish_recovery(&case)).unwrap();
    let due = suite.now() + u64::from(POLICY.completion) * 1000;
    let early =
        format!("case: objections are taken until {due}; finish it then, or have the holder approve it");
    refused(&mut suite, &stranger(), &msg, &early);
    until(&mut suite, due - 1);
    refused(&mut suite, &stranger(), &msg, &early);
    suite.app.update_block(|block| block.time = block.time.minus_nanos(499 * 1_000_000));
    suite.summary(&stranger(), &msg).unwrap();
}
