//! AttestRecovery.

use casewise_ledger::CaseId;
use casewise_protocol::{ppr, registrar::ExecuteMsg, Event};
use casewise_testkit::contracts::Suite;
use cosmwasm_std::HexBinary;

use crate::{
    account, advance_to, nothing, recoverable, recovery, refused, relate, start_recovery, NO_IDENTITY,
    NO_OPERATOR, NO_PPR, NO_RECOVERY, SUSPENDED,
};

const NOT_IN_FORCE: &str =
    "case: the relationship with institution 1 is not in force; the holder must accept it first";

#[test]
fn an_institution_that_cares_for_the_patient_attests() {
    let mut suite = Suite::new();
    let (a, patient) = recoverable(&mut suite);
    let case = patient.case();
    relate(&mut suite, &a, &patient.addr(), &case);
    start_recovery(&mut suite, &case, "p2");
    let msg = ExecuteMsg::attest_recovery(&case);
    let done = suite.registrar(&a.addr(), &msg).unwrap();
    assert_eq!(done.events(), [Event::RecoveryAttested { case, institution: 1 }]);
    assert_eq!(recovery(&suite, &case).unwrap().attested, Some(1));
    nothing(&mut suite, &a.addr(), &msg);
    let words = "case: institution 1 attests the recovery, it cannot be vetoed; turn to that institution";
    refused(&mut suite, &patient.addr(), &ExecuteMsg::veto_recovery(&case), words);
    // the first is the one that is named
    let b = suite.admit("B");
    refused(
        &mut suite,
        &b.addr(),
        &msg,
        "case: the relationship with institution 2 is not in force; the holder must accept it first",
    );
    assert_eq!(recovery(&suite, &case).unwrap().attested, Some(1));
}

#[test]
fn only_while_its_relationship_is_in_force() {
    let mut suite = Suite::new();
    let (a, patient) = recoverable(&mut suite);
    let case = patient.case();
    let msg = ExecuteMsg::attest_recovery(&case);
    start_recovery(&mut suite, &case, "p2");
    refused(&mut suite, &a.addr(), &msg, NOT_IN_FORCE);
    let cancel = ExecuteMsg::cancel_recovery(&case);
    suite.registrar(&account("recovery"), &cancel).unwrap();
    let policy = casewise_testkit::contracts::POLICY;
    suite.ppr(&a.addr(), &ppr::ExecuteMsg::propose(&case, Some(&policy))).unwrap();
    start_recovery(&mut suite, &case, "p2");
    refused(&mut suite, &a.addr(), &msg, NOT_IN_FORCE);
    suite.registrar(&account("recovery"), &cancel).unwrap();
    suite.ppr(&patient.addr(), &ppr::ExecuteMsg::accept(&case, 1)).unwrap();
    let suspend = ppr::ExecuteMsg::suspend(&case, 1);
    suite.ppr(&patient.addr(), &suspend).unwrap();
    start_recovery(&mut suite, &case, "p2");
    refused(&mut suite, &a.addr(), &msg, NOT_IN_FORCE);
    suite.registrar(&account("recovery"), &cancel).unwrap();
    suite.ppr(&patient.addr(), &ppr::ExecuteMsg::end(&case, 1)).unwrap();
    start_recovery(&mut suite, &case, "p2");
    refused(&mut suite, &a.addr(), &msg, NOT_IN_FORCE);
}

#[test]
fn only_a_recovery_that_is_running() {
    let mut suite = Suite::new();
    let (a, patient) = recoverable(&mut suite);
    let case = patient.case();
    relate(&mut suite, &a, &patient.addr(), &case);
    let msg = ExecuteMsg::attest_recovery(&case);
    refused(&mut suite, &a.addr(), &msg, NO_RECOVERY);
    start_recovery(&mut suite, &case, "p2");
    let lapses = recovery(&suite, &case).unwrap().lapses.u64();
    advance_to(&mut suite, lapses);
    refused(&mut suite, &a.addr(), &msg, NO_RECOVERY);
    start_recovery(&mut suite, &case, "p2");
    let lapses = recovery(&suite, &case).unwrap().lapses.u64();
    advance_to(&mut suite, lapses - 1);
    suite.registrar(&a.addr(), &msg).unwrap();
}

#[test]
fn only_operators_of_active_institutions() {
    let mut suite = Suite::new();
    let (a, patient) = recoverable(&mut suite);
    let (case, authority) = (patient.case(), suite.authority.clone());
    relate(&mut suite, &a, &patient.addr(), &case);
    start_recovery(&mut suite, &case, "p2");
    let msg = ExecuteMsg::attest_recovery(&case);
    let doctor = suite.practitioner(&a, "doctor");
    for sender in [authority.clone(), patient.addr(), account("recovery"), account("p2"), doctor] {
        refused(&mut suite, &sender, &msg, NO_OPERATOR);
    }
    refused(&mut suite, &a.addr(), &ExecuteMsg::attest_recovery(&CaseId([7; 32])), NO_IDENTITY);
    let short = ExecuteMsg::AttestRecovery { case: HexBinary::from([1; 31]) };
    let words = "case: expected 32 bytes, got 31; send the whole value in hexadecimal";
    refused(&mut suite, &a.addr(), &short, words);
    suite.registrar(&authority, &ExecuteMsg::SuspendInstitution { institution: 1 }).unwrap();
    refused(&mut suite, &a.addr(), &msg, SUSPENDED);
}

#[test]
fn relationships_are_read_in_ppr() {
    let mut suite = Suite::without_ppr();
    let (a, patient) = recoverable(&mut suite);
    start_recovery(&mut suite, &patient.case(), "p2");
    refused(&mut suite, &a.addr(), &ExecuteMsg::attest_recovery(&patient.case()), NO_PPR);
}
