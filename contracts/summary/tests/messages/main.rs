//! summary's messages and queries on a chain in process: one file per message.

mod anchor;
mod authority;
mod close;
mod close_overdue;
mod closing;
mod device;
mod model;
mod open;
mod queries;
mod rotate;
mod seen;
mod start;
mod suspension;

use casewise_ledger::{AnchorItem, CaseId};
use casewise_protocol::{
    ppr, registrar,
    rules::LaneFault,
    summary::{ExecuteMsg, Failure, QueryMsg, StatusResponse},
};
use casewise_testkit::contracts::{anchors, Institution, Lane, Outcome, Patient, Suite};

/// A case of A in force.
fn onboarded() -> (Suite, Institution, Patient) {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.onboard(&a, "p");
    (suite, a, patient)
}

/// The same with an open content lane of `anchored` entries.
fn with_lane(anchored: u32) -> (Suite, Institution, Patient, Lane) {
    let (mut suite, a, patient) = onboarded();
    let mut lane = Lane::content(&patient.case(), &a, "c");
    suite.open(&a, &lane);
    if anchored > 0 {
        lane.append(anchored);
        assert_eq!(suite.anchor(&a, &mut [&mut lane]).unwrap().failed(), []);
    }
    (suite, a, patient, lane)
}

fn send_anchor(suite: &mut Suite, from: &Institution, items: Vec<AnchorItem>) -> Outcome {
    suite.summary(&from.addr(), &ExecuteMsg::anchor(&anchors(items)))
}

fn send_close(suite: &mut Suite, from: &Institution, items: Vec<AnchorItem>) -> Outcome {
    suite.summary(&from.addr(), &ExecuteMsg::close(&anchors(items)))
}

fn failure(position: u32, code: LaneFault) -> Failure {
    Failure { position, code }
}

fn suspend(suite: &mut Suite, institution: u32) {
    let authority = suite.authority.clone();
    suite.registrar(&authority, &registrar::ExecuteMsg::SuspendInstitution { institution }).unwrap();
}

fn resume(suite: &mut Suite, institution: u32) {
    let authority = suite.authority.clone();
    suite.registrar(&authority, &registrar::ExecuteMsg::ResumeInstitution { institution }).unwrap();
}

/// The holder ends the relationship with A.
fn end(suite: &mut Suite, patient: &Patient) {
    suite.ppr(&patient.addr(), &ppr::ExecuteMsg::end(&patient.case(), 1)).unwrap();
}

fn status(suite: &Suite, case: &CaseId, institution: u32) -> StatusResponse {
    suite.ask_summary(&QueryMsg::status(case, institution)).unwrap()
}
