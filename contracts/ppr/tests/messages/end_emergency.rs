//! EndEmergency.

use casewise_protocol::{
    convert::EmergencyReason,
    ppr::{ExecuteMsg, Power, REVIEW_MS},
    registrar, Event,
};
use casewise_testkit::contracts::{Patient, Suite, BLOCK_MS};
use cosmwasm_std::Addr;

use crate::{emergencies, onboard_recoverable, person, rev, start_recovery, suspend, unreviewed};

/// A case with a running access, number 1, of a doctor, until an hour from now.
fn opened() -> (Suite, Addr, Patient) {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = onboard_recoverable(&mut suite, &a, "recovery");
    let doctor = suite.practitioner(&a, "doctor");
    open(&mut suite, &doctor, &patient);
    (suite, doctor, patient)
}

fn open(suite: &mut Suite, doctor: &Addr, patient: &Patient) {
    let until = suite.now() + 3_600_000;
    let msg = ExecuteMsg::open_emergency(&patient.case(), EmergencyReason::BreakTheGlass, until);
    suite.ppr(doctor, &msg).unwrap();
}

#[test]
fn by_the_practitioner_the_holder_or_a_delegate() {
    let (mut suite, doctor, patient) = opened();
    let case = patient.case();
    let mother = person("mother");
    let set = ExecuteMsg::set_delegate(&case, mother.as_str(), &[Power::Revocations], None);
    suite.ppr(&patient.addr(), &set).unwrap();
    for (number, sender) in [(1, doctor.clone()), (2, patient.addr()), (3, mother)] {
        let end = ExecuteMsg::end_emergency(&case, number);
        let done = suite.ppr(&sender, &end).unwrap();
        let now = suite.now();
        assert_eq!(done.events(), [Event::EmergencyEnded { case, number, rev: number }]);
        let access = emergencies(&suite, &case).pop().unwrap();
        assert_eq!((access.number, access.until.u64()), (number, now));
        // its review is due earlier now
        let waiting = unreviewed(&suite, &doctor).accesses.pop().unwrap();
        assert_eq!((waiting.number, waiting.due.u64()), (number, now + REVIEW_MS));
        let before = suite.dump(&suite.ppr);
        assert_eq!(suite.ppr(&sender, &end).unwrap().events(), []);
        assert_eq!(suite.dump(&suite.ppr), before);
        open(&mut suite, &doctor, &patient);
    }
    assert_eq!(rev(&suite, &case), 3);
}

#[test]
fn over_by_itself_it_raises_nothing() {
    let (mut suite, doctor, patient) = opened();
    let case = patient.case();
    let until = emergencies(&suite, &case)[0].until.u64();
    suite.advance(until - BLOCK_MS - suite.now());
    assert_eq!(suite.ppr(&doctor, &ExecuteMsg::end_emergency(&case, 1)).unwrap().events(), []);
    assert_eq!((suite.now(), rev(&suite, &case)), (until, 0));
    assert_eq!(emergencies(&suite, &case)[0].until.u64(), until);
}

#[test]
fn whatever_is_suspended_and_while_a_recovery_is_running() {
    let (mut suite, doctor, patient) = opened();
    let case = patient.case();
    let authority = suite.authority.clone();
    let bar = registrar::ExecuteMsg::SuspendPractitioner { account: doctor.to_string() };
    suite.registrar(&authority, &bar).unwrap();
    suspend(&mut suite, 1);
    start_recovery(&mut suite, &case, "recovery", "next");
    let before = rev(&suite, &case);
    suite.ppr(&doctor, &ExecuteMsg::end_emergency(&case, 1)).unwrap();
    assert_eq!(rev(&suite, &case), before + 1);
}

#[test]
fn the_holder_ends_it_while_a_recovery_is_running() {
    let (mut suite, _, patient) = opened();
    let case = patient.case();
    start_recovery(&mut suite, &case, "recovery", "next");
    let done = suite.ppr(&patient.addr(), &ExecuteMsg::end_emergency(&case, 1)).unwrap();
    assert_eq!(done.events(), [Event::EmergencyEnded { case, number: 1, rev: 1 }]);
}

#[test]
fn nobody_else_and_no_other() {
    let (mut suite, doctor, patient) = opened();
    let case = patient.case();
    let a = suite.admit("B");
    let other = suite.onboard(&a, "q");
    let nurse = suite.practitioner(&a, "nurse");
    let before = suite.dump(&suite.ppr);
    let end = ExecuteMsg::end_emergency(&case, 1);
    for sender in [other.addr(), nurse, a.addr(), person("stranger"), suite.authority.clone()] {
        assert_eq!(
            suite.ppr(&sender, &end).unwrap_err(),
            "sender: neither the holder nor the practitioner of this access; send this from one of them"
        );
    }
    for (case, number) in [(case, 0), (case, 2), (other.case(), 1)] {
        assert_eq!(
            suite.ppr(&doctor, &ExecuteMsg::end_emergency(&case, number)).unwrap_err(),
            "number: no such emergency access in this case; check the number"
        );
    }
    assert_eq!(suite.dump(&suite.ppr), before);
}
