//! OpenEmergency.

use casewise_ledger::{
    encode,
    records::{self, ns, record_key, relationship_id, EmergencyRecord},
    V1,
};
use casewise_protocol::{
    convert::{EmergencyReason, InstitutionKind, ReviewOutcome},
    ppr::{EmergencyInfo, ExecuteMsg, MAX_EMERGENCY_MS, MAX_UNREVIEWED, REVIEW_MS},
    registrar, Event,
};
use casewise_testkit::contracts::{key, Institution, Patient, Suite, BLOCK_MS};
use cosmwasm_std::{Addr, HexBinary};

use crate::{admit_as, emergencies, person, rev, suspend, unreviewed};

const TREATMENT: EmergencyReason = EmergencyReason::Treatment;

/// An institution with a doctor, and a case that another institution enrolled.
fn ward() -> (Suite, Institution, Addr, Patient) {
    let mut suite = Suite::new();
    let (home, ward) = (suite.admit("Home"), suite.admit("Ward"));
    let patient = suite.onboard(&home, "p");
    let doctor = suite.practitioner(&ward, "doctor");
    (suite, ward, doctor, patient)
}

/// The message, for the next block: ending `ahead` ms after it.
fn open(suite: &Suite, patient: &Patient, ahead: u64) -> ExecuteMsg {
    ExecuteMsg::open_emergency(&patient.case(), TREATMENT, suite.now() + BLOCK_MS + ahead)
}

#[test]
fn any_case_without_a_word_of_its_holder() {
    let (mut suite, ward, doctor, patient) = ward();
    let case = patient.case();
    let msg = open(&suite, &patient, MAX_EMERGENCY_MS);
    let done = suite.ppr(&doctor, &msg).unwrap();
    let (since, until) = (suite.now(), suite.now() + MAX_EMERGENCY_MS);
    let practitioner = key("doctor").address();
    let event = Event::EmergencyOpened {
        case,
        number: 1,
        practitioner,
        institution: ward.number,
        reason: records::EmergencyReason::Treatment,
        until,
    };
    assert_eq!(done.events(), [event]);
    let record = EmergencyRecord {
        version: V1,
        practitioner,
        institution: ward.number,
        reason: records::EmergencyReason::Treatment,
        since,
        until,
        review: None,
    };
    let raw = suite.raw(&suite.ppr, record_key(ns::EMERGENCY, &relationship_id(&case, 1)));
    assert_eq!(raw, Some(encode(&record)));
    let info = EmergencyInfo {
        number: 1,
        practitioner: doctor.to_string(),
        institution: ward.number,
        reason: TREATMENT,
        since: since.into(),
        until: until.into(),
        review: None,
        overdue: false,
    };
    assert_eq!(info.record(), Ok((1, record)));
    assert_eq!(emergencies(&suite, &case), [info]);
    assert_eq!(rev(&suite, &case), 0, "nothing was taken back");
    let waiting = unreviewed(&suite, &doctor);
    assert_eq!((waiting.accesses.len(), waiting.blocked), (1, false));
    assert_eq!(waiting.accesses[0].due.u64(), until + REVIEW_MS);
    // a case without any relationship too
    let home = Institution { number: 1, key: key("Home") };
    let bare = suite.enrol(&home, "bare");
    let msg = open(&suite, &bare, 1);
    suite.ppr(&doctor, &msg).unwrap();
}

#[test]
fn the_end_at_the_limits_and_one_past_them() {
    let (mut suite, _, doctor, patient) = ward();
    let before = suite.dump(&suite.ppr);
    let over = "until: that time is over; choose a later one";
    let far = "until: more than 24 hours ahead; choose an earlier time";
    for (ahead, words) in [(0, over), (MAX_EMERGENCY_MS + 1, far)] {
        let msg = open(&suite, &patient, ahead);
        assert_eq!(suite.ppr(&doctor, &msg).unwrap_err(), words);
    }
    for (until, words) in [(0, over), (u64::MAX, far)] {
        let msg = ExecuteMsg::open_emergency(&patient.case(), TREATMENT, until);
        assert_eq!(suite.ppr(&doctor, &msg).unwrap_err(), words);
    }
    assert_eq!(suite.dump(&suite.ppr), before);
    for ahead in [1, MAX_EMERGENCY_MS] {
        let msg = open(&suite, &patient, ahead);
        suite.ppr(&doctor, &msg).unwrap();
    }
}

#[test]
fn one_at_a_time_in_a_case_and_numbered_from_one() {
    let (mut suite, ward, doctor, patient) = ward();
    let case = patient.case();
    let msg = open(&suite, &patient, 60 * BLOCK_MS);
    suite.ppr(&doctor, &msg).unwrap();
    let before = suite.dump(&suite.ppr);
    assert_eq!(suite.ppr(&doctor, &msg).unwrap().events(), []);
    let running = "case: another emergency access of this practitioner is running; end it first";
    let ExecuteMsg::OpenEmergency { until, .. } = msg.clone() else { unreachable!() };
    let longer = ExecuteMsg::open_emergency(&case, TREATMENT, until.u64() + 1);
    let disaster = ExecuteMsg::open_emergency(&case, EmergencyReason::Disaster, until.u64());
    for other in [longer, disaster] {
        assert_eq!(suite.ppr(&doctor, &other).unwrap_err(), running);
    }
    assert_eq!(suite.dump(&suite.ppr), before);
    // another practitioner, another case
    let nurse = suite.practitioner(&ward, "nurse");
    let again = open(&suite, &patient, 60 * BLOCK_MS);
    suite.ppr(&nurse, &again).unwrap();
    let home = Institution { number: 1, key: key("Home") };
    let other = suite.onboard(&home, "q");
    let elsewhere = open(&suite, &other, 60 * BLOCK_MS);
    suite.ppr(&doctor, &elsewhere).unwrap();
    // a review waits for its end and makes no room for a second one
    suite.ppr(&ward.addr(), &ExecuteMsg::review_emergency(&case, 1, ReviewOutcome::Justified)).unwrap_err();
    let second = open(&suite, &patient, 60 * BLOCK_MS);
    assert_eq!(suite.ppr(&doctor, &second).unwrap_err(), running);
    suite.advance(60 * BLOCK_MS);
    let next = open(&suite, &patient, 1);
    suite.ppr(&doctor, &next).unwrap();
    let numbers = |case| emergencies(&suite, case).iter().map(|access| access.number).collect::<Vec<_>>();
    assert_eq!((numbers(&case), numbers(&other.case())), (vec![1, 2, 3], vec![1]));
}

#[test]
fn active_practitioners_of_active_providers_only() {
    let (mut suite, ward, doctor, patient) = ward();
    let authority = suite.authority.clone();
    let account = doctor.to_string();
    let set = |suite: &mut Suite, sender: &Addr, resume: bool| {
        let account = account.clone();
        let msg = if resume {
            registrar::ExecuteMsg::ResumePractitioner { account }
        } else {
            registrar::ExecuteMsg::SuspendPractitioner { account }
        };
        suite.registrar(sender, &msg).unwrap();
    };
    let refused = |suite: &mut Suite, sender: &Addr, words: &str| {
        let msg = open(suite, &patient, 1);
        let before = suite.dump(&suite.ppr);
        assert_eq!(suite.ppr(sender, &msg).unwrap_err(), words);
        assert_eq!(suite.dump(&suite.ppr), before);
    };
    let nobody = "sender: not a practitioner; have an institution register the account";
    let summary = suite.summary.clone();
    for sender in [person("stranger"), ward.addr(), patient.addr(), authority.clone(), summary] {
        refused(&mut suite, &sender, nobody);
    }
    set(&mut suite, &ward.addr(), false);
    refused(&mut suite, &doctor, "sender: this practitioner is suspended; ask its institution to resume it");
    set(&mut suite, &authority, false);
    refused(&mut suite, &doctor, "sender: this practitioner is barred; ask the consortium to resume it");
    set(&mut suite, &authority, true);
    suspend(&mut suite, ward.number);
    refused(&mut suite, &doctor, "sender: institution 2 is suspended; ask the consortium to resume it");

    for kind in [InstitutionKind::Research, InstitutionKind::Oversight] {
        let institution = admit_as(&mut suite, kind, kind.as_str());
        let number = institution.number;
        let someone = suite.practitioner(&institution, &format!("someone of {number}"));
        let words = format!(
            "sender: institution {number} is not a provider; only practitioners of providers open cases in an emergency"
        );
        refused(&mut suite, &someone, &words);
    }
}

#[test]
fn only_cases_that_are_enrolled() {
    let (mut suite, _, doctor, _) = ward();
    let unknown = suite.offer("q", 1, None);
    let msg = open(&suite, &unknown, 1);
    assert_eq!(
        suite.ppr(&doctor, &msg).unwrap_err(),
        "case: no identity is enrolled for it; enrol the case at the registrar first"
    );
    let short = ExecuteMsg::OpenEmergency {
        case: HexBinary::from([1; 31]),
        reason: TREATMENT,
        until: suite.now().into(),
    };
    assert_eq!(
        suite.ppr(&doctor, &short).unwrap_err(),
        "case: expected 32 bytes, got 31; send the whole value in hexadecimal"
    );
}

#[test]
fn an_overdue_review_stops_the_next_access() {
    let (mut suite, ward, doctor, patient) = ward();
    let case = patient.case();
    let msg = open(&suite, &patient, 1);
    suite.ppr(&doctor, &msg).unwrap();
    let due = suite.now() + 1 + REVIEW_MS;
    suite.advance(due - 1 - BLOCK_MS - suite.now());
    let msg = open(&suite, &patient, 1);
    suite.ppr(&doctor, &msg).unwrap();
    assert_eq!(suite.now(), due - 1);
    assert!(!unreviewed(&suite, &doctor).blocked && !emergencies(&suite, &case)[0].overdue);
    suite.advance(1);
    assert!(unreviewed(&suite, &doctor).blocked && emergencies(&suite, &case)[0].overdue);
    let overdue =
        "sender: the review of an emergency access of this practitioner is overdue; have it reviewed first";
    let msg = open(&suite, &patient, 1);
    assert_eq!(suite.ppr(&doctor, &msg).unwrap_err(), overdue);
    // found unjustified, it is reviewed all the same
    suite.ppr(&ward.addr(), &ExecuteMsg::review_emergency(&case, 1, ReviewOutcome::Unjustified)).unwrap();
    let msg = open(&suite, &patient, 1);
    suite.ppr(&doctor, &msg).unwrap();
}

#[test]
fn sixteen_may_wait_for_their_review() {
    let (mut suite, ward, doctor, patient) = ward();
    for _ in 0..MAX_UNREVIEWED {
        let msg = open(&suite, &patient, 1);
        suite.ppr(&doctor, &msg).unwrap();
    }
    assert_eq!(unreviewed(&suite, &doctor).accesses.len(), MAX_UNREVIEWED);
    assert!(!unreviewed(&suite, &doctor).blocked);
    let msg = open(&suite, &patient, 1);
    assert_eq!(
        suite.ppr(&doctor, &msg).unwrap_err(),
        "sender: 16 emergency accesses of this practitioner wait for their review; have one reviewed first"
    );
    let review = ExecuteMsg::review_emergency(&patient.case(), 7, ReviewOutcome::Justified);
    suite.ppr(&ward.addr(), &review).unwrap();
    let msg = open(&suite, &patient, 1);
    suite.ppr(&doctor, &msg).unwrap();
}
