//! EndEmergency.

use casewise_protocol::{
    convert::{EmergencyReason, ReviewOutcome},
    ppr::{ExecuteMsg, Power, REVIEW_MS},
    registrar, Event,
};
use casewise_testkit::contracts::{key, Institution, Patient, Suite, BLOCK_MS};
use cosmwasm_std::Addr;

use crate::{emergencies, onboard_recoverable, person, rev, start_recovery, suspend, unreviewed};

/// A case of A's with a running access, number 1, of A's doctor, until an hour from now.
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
fn by_whom_and_who_of_them_raises_rev() {
    let (mut suite, doctor, patient) = opened();
    let case = patient.case();
    let (a, authority) = (Institution { number: 1, key: key("A") }, suite.authority.clone());
    let mother = person("mother");
    let set = ExecuteMsg::set_delegate(&case, mother.as_str(), &[Power::Revocations], None);
    suite.ppr(&patient.addr(), &set).unwrap();
    let senders = [
        (doctor.clone(), 0),
        (patient.addr(), 1),
        (a.addr(), 1),
        (mother, 2),
        (doctor.clone(), 2),
        (authority, 3),
        (a.addr(), 3),
    ];
    for (number, (sender, after)) in (1..).zip(senders) {
        let end = ExecuteMsg::end_emergency(&case, number);
        let done = suite.ppr(&sender, &end).unwrap();
        let now = suite.now();
        assert_eq!(done.events(), [Event::EmergencyEnded { case, number, rev: after }]);
        assert_eq!(rev(&suite, &case), after);
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
}

#[test]
fn a_provider_that_opens_and_ends_again_makes_nobody_rotate() {
    let mut suite = Suite::new();
    let (home, rogue) = (suite.admit("Home"), suite.admit("Rogue"));
    let patient = suite.onboard(&home, "p");
    let case = patient.case();
    let doctor = suite.practitioner(&rogue, "doctor");
    for (number, sender) in (1..=20).zip([doctor.clone(), rogue.addr()].iter().cycle()) {
        open(&mut suite, &doctor, &patient);
        suite.ppr(sender, &ExecuteMsg::end_emergency(&case, number)).unwrap();
        let review = ExecuteMsg::review_emergency(&case, number, ReviewOutcome::Justified);
        suite.ppr(&rogue.addr(), &review).unwrap();
    }
    assert_eq!(rev(&suite, &case), 0);
}

#[test]
fn the_strongest_right_of_the_sender_counts() {
    // the doctor is the holder too: its end is the holder's word
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.onboard(&a, "doctor");
    let doctor = suite.practitioner(&a, "doctor");
    assert_eq!(patient.addr(), doctor);
    open(&mut suite, &doctor, &patient);
    suite.ppr(&doctor, &ExecuteMsg::end_emergency(&patient.case(), 1)).unwrap();
    assert_eq!(rev(&suite, &patient.case()), 1);
    // a delegate without the power may still end its own access
    let other = suite.onboard(&a, "q");
    let set = ExecuteMsg::set_delegate(&other.case(), doctor.as_str(), &[Power::Grants], None);
    suite.ppr(&other.addr(), &set).unwrap();
    open(&mut suite, &doctor, &other);
    suite.ppr(&doctor, &ExecuteMsg::end_emergency(&other.case(), 1)).unwrap();
    assert_eq!(rev(&suite, &other.case()), 0);
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
    for who in 0..4 {
        let (mut suite, doctor, patient) = opened();
        let (case, authority) = (patient.case(), suite.authority.clone());
        let a = Institution { number: 1, key: key("A") };
        let bar = registrar::ExecuteMsg::SuspendPractitioner { account: doctor.to_string() };
        suite.registrar(&authority, &bar).unwrap();
        suspend(&mut suite, 1);
        start_recovery(&mut suite, &case, "recovery", "next");
        let sender = [doctor, a.addr(), authority, patient.addr()][who].clone();
        suite.ppr(&sender, &ExecuteMsg::end_emergency(&case, 1)).unwrap();
        assert_eq!(emergencies(&suite, &case)[0].until.u64(), suite.now());
        assert_eq!(rev(&suite, &case), u32::from(who >= 2));
    }
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
    for sender in [other.addr(), nurse, a.addr(), person("stranger"), suite.registrar.clone()] {
        assert_eq!(
            suite.ppr(&sender, &end).unwrap_err(),
            "sender: neither the holder's side, the practitioner, an operator of institution 1 nor the \
             consortium; send this from one of them"
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
