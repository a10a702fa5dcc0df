//! ppr's messages and queries on a chain in process: one file per message.

mod ack;
mod authority;
mod delegate;
mod end_emergency;
mod expire;
mod grant;
mod holder_changed;
mod invite;
mod migrate;
mod model;
mod open_emergency;
mod propose;
mod queries;
mod recovery;
mod relationship;
mod review_emergency;
mod revoke;
mod start;
mod suspend;

use casewise_ledger::{CaseId, Commitment};
use casewise_protocol::{
    convert::{GrantStatus, InstitutionKind, RelationshipStatus},
    ppr::{
        AckInfo, AcksResponse, DelegateInfo, DelegatesResponse, EmergenciesResponse, EmergencyInfo,
        ExecuteMsg, GrantInfo, NewGrant, QueryMsg, RelationshipInfo, RevResponse, UnreviewedResponse,
    },
    registrar, Event,
};
use casewise_testkit::contracts::{addr, commitment, key, Institution, Patient, Suite, POLICY};
use cosmwasm_std::Addr;

fn relationship(suite: &Suite, case: &CaseId, institution: u32) -> Option<RelationshipStatus> {
    let found: Option<RelationshipInfo> = suite.ask_ppr(&QueryMsg::relationship(case, institution)).unwrap();
    found.map(|found| found.status)
}

fn grant_status(suite: &Suite, id: &Commitment) -> Option<GrantStatus> {
    let found: Option<GrantInfo> = suite.ask_ppr(&QueryMsg::grant(id)).unwrap();
    found.map(|found| found.status)
}

fn rev(suite: &Suite, case: &CaseId) -> u32 {
    suite.ask_ppr::<RevResponse>(&QueryMsg::rev(case)).unwrap().rev
}

fn acks(suite: &Suite, case: &CaseId) -> Vec<AckInfo> {
    suite.ask_ppr::<AcksResponse>(&QueryMsg::acks(case, None, None)).unwrap().acks
}

/// Today's UTC day on the chain.
fn today(suite: &Suite) -> u32 {
    (suite.now() / casewise_ledger::grant::DAY_MS) as u32
}

/// The message that makes grants of these names, from today for `days` more days.
fn grants(suite: &Suite, case: &CaseId, names: &[&str], days: u32) -> ExecuteMsg {
    let today = today(suite);
    let grant = |name: &&str| NewGrant::new(&commitment(name), (today, today + days));
    ExecuteMsg::grant(case, names.iter().map(grant).collect())
}

fn delegates(suite: &Suite, case: &CaseId) -> Vec<DelegateInfo> {
    suite.ask_ppr::<DelegatesResponse>(&QueryMsg::delegates(case, None, None)).unwrap().delegates
}

fn invited(suite: &Suite, case: &CaseId, institution: u32) -> bool {
    suite.ask_ppr(&QueryMsg::invited(case, institution)).unwrap()
}

fn emergencies(suite: &Suite, case: &CaseId) -> Vec<EmergencyInfo> {
    suite.ask_ppr::<EmergenciesResponse>(&QueryMsg::emergencies(case, None, None)).unwrap().emergencies
}

fn unreviewed(suite: &Suite, practitioner: &Addr) -> UnreviewedResponse {
    suite.ask_ppr(&QueryMsg::unreviewed(practitioner.as_str())).unwrap()
}

/// The account of a key made from a name.
fn person(name: &str) -> Addr {
    addr(&key(name).address())
}

/// A case whose relationship with the institution is in force and that the account of the key
/// `recovery` may recover.
fn onboard_recoverable(suite: &mut Suite, institution: &Institution, recovery: &str) -> Patient {
    let patient = suite.enrol_recoverable(institution, "recoverable", recovery);
    let case = patient.case();
    suite.ppr(&institution.addr(), &ExecuteMsg::propose(&case, Some(&POLICY))).unwrap();
    suite.ppr(&patient.addr(), &ExecuteMsg::accept(&case, institution.number)).unwrap();
    patient
}

/// Starts a recovery of such a case, to the account of the key `next`.
fn start_recovery(suite: &mut Suite, case: &CaseId, recovery: &str, next: &str) {
    let start = registrar::ExecuteMsg::start_recovery(&suite.rotation(case, next));
    suite.registrar(&person(recovery), &start).unwrap();
}

/// Admits an institution of a kind.
fn admit_as(suite: &mut Suite, kind: InstitutionKind, name: &str) -> Institution {
    let mut msg = Suite::admission(name);
    if let registrar::ExecuteMsg::RegisterInstitution { kind: of, .. } = &mut msg {
        *of = kind;
    }
    let done = suite.registrar(&suite.authority.clone(), &msg).unwrap();
    match done.events().as_slice() {
        [Event::InstitutionRegistered { number, .. }] => Institution { number: *number, key: key(name) },
        other => panic!("admission gave {other:?}"),
    }
}

/// Suspends an institution.
fn suspend(suite: &mut Suite, institution: u32) {
    let authority = suite.authority.clone();
    suite.registrar(&authority, &registrar::ExecuteMsg::SuspendInstitution { institution }).unwrap();
}
