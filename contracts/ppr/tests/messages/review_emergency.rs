//! ReviewEmergency.

use casewise_ledger::records;
use casewise_protocol::{
    convert::{
        EmergencyReason, InstitutionKind,
        ReviewOutcome::{Justified, Unjustified},
    },
    ppr::{ExecuteMsg, ReviewInfo, REVIEW_MS},
    Event,
};
use casewise_testkit::contracts::{key, Institution, Patient, Suite, BLOCK_MS};
use cosmwasm_std::Addr;

use crate::{admit_as, emergencies, person, suspend, unreviewed};

/// A case of A's with an access, number 1, of B's doctor, which is over; B, its doctor, an oversight
/// institution.
fn over() -> (Suite, Patient, Institution, Addr, Institution) {
    let (mut suite, patient, b, doctor, watch) = opened();
    suite.ppr(&doctor, &ExecuteMsg::end_emergency(&patient.case(), 1)).unwrap();
    (suite, patient, b, doctor, watch)
}

/// The same while it is running.
fn opened() -> (Suite, Patient, Institution, Addr, Institution) {
    let mut suite = Suite::new();
    let (a, b) = (suite.admit("A"), suite.admit("B"));
    let patient = suite.onboard(&a, "p");
    let doctor = suite.practitioner(&b, "doctor");
    let watch = admit_as(&mut suite, InstitutionKind::Oversight, "Watch");
    let until = suite.now() + 60_000;
    let open = ExecuteMsg::open_emergency(&patient.case(), EmergencyReason::Disaster, until);
    suite.ppr(&doctor, &open).unwrap();
    (suite, patient, b, doctor, watch)
}

#[test]
fn by_the_practitioners_institution_once() {
    let (mut suite, patient, b, doctor, watch) = over();
    let case = patient.case();
    let review = ExecuteMsg::review_emergency(&case, 1, Justified);
    let done = suite.ppr(&b.addr(), &review).unwrap();
    let outcome = records::ReviewOutcome::Justified;
    assert_eq!(done.events(), [Event::EmergencyReviewed { case, number: 1, outcome }]);
    let expected = ReviewInfo { outcome: Justified, institution: 2, time: suite.now().into() };
    assert_eq!(emergencies(&suite, &case)[0].review, Some(expected));
    assert_eq!(unreviewed(&suite, &doctor).accesses, []);
    let before = suite.dump(&suite.ppr);
    assert_eq!(suite.ppr(&b.addr(), &review).unwrap().events(), []);
    let reviewed =
        "outcome: this access was reviewed by another institution or otherwise, for good; nothing is to be done";
    for (sender, outcome) in [(&b, Unjustified), (&watch, Justified), (&watch, Unjustified)] {
        let other = ExecuteMsg::review_emergency(&case, 1, outcome);
        assert_eq!(suite.ppr(&sender.addr(), &other).unwrap_err(), reviewed);
    }
    assert_eq!(suite.dump(&suite.ppr), before);
    // ended once more: the review stays, and nothing waits again
    assert_eq!(suite.ppr(&patient.addr(), &ExecuteMsg::end_emergency(&case, 1)).unwrap().events(), []);
    assert_eq!(suite.dump(&suite.ppr), before);
}

#[test]
fn not_while_it_is_running() {
    let running = "number: this emergency access is still running; wait for its end, or have it ended first";
    for early in [1, 0] {
        for oversight in [false, true] {
            let (mut suite, patient, b, doctor, watch) = opened();
            let case = patient.case();
            let at = emergencies(&suite, &case)[0].until.u64() - early;
            suite.advance(at - BLOCK_MS - suite.now());
            let before = suite.dump(&suite.ppr);
            let sender = if oversight { watch.addr() } else { b.addr() };
            let sent = suite.ppr(&sender, &ExecuteMsg::review_emergency(&case, 1, Justified));
            assert_eq!(suite.now(), at);
            if early == 0 {
                sent.unwrap();
            } else {
                assert_eq!(sent.unwrap_err(), running);
                assert_eq!(suite.dump(&suite.ppr), before);
            }
            assert_eq!(unreviewed(&suite, &doctor).accesses.len(), early as usize);
        }
    }
}

#[test]
fn nor_does_a_running_one_escape_the_overdue_block() {
    let (mut suite, patient, b, doctor, _) = opened();
    let case = patient.case();
    suite.ppr(&b.addr(), &ExecuteMsg::review_emergency(&case, 1, Justified)).unwrap_err();
    suite.advance(60_000 + REVIEW_MS);
    assert!(unreviewed(&suite, &doctor).blocked);
}

#[test]
fn an_operator_ends_it_and_reviews_it() {
    let (mut suite, patient, b, doctor, _) = opened();
    let case = patient.case();
    suite.ppr(&b.addr(), &ExecuteMsg::end_emergency(&case, 1)).unwrap();
    suite.ppr(&b.addr(), &ExecuteMsg::review_emergency(&case, 1, Unjustified)).unwrap();
    assert_eq!(unreviewed(&suite, &doctor).accesses, []);
}

#[test]
fn by_an_oversight_institution() {
    let (mut suite, patient, _, _, watch) = over();
    let case = patient.case();
    let review = ExecuteMsg::review_emergency(&case, 1, Unjustified);
    suite.ppr(&watch.addr(), &review).unwrap();
    let found = emergencies(&suite, &case).remove(0).review.unwrap();
    assert_eq!((found.outcome, found.institution), (Unjustified, 3));
}

#[test]
fn by_nobody_else_and_only_active_institutions() {
    let (mut suite, patient, b, doctor, watch) = over();
    let case = patient.case();
    let a = Institution { number: 1, key: key("A") };
    let review = ExecuteMsg::review_emergency(&case, 1, Justified);
    let before = suite.dump(&suite.ppr);
    let operator = "sender: operates no institution; have an institution add the account as operator";
    for sender in [patient.addr(), doctor.clone(), person("stranger"), suite.authority.clone()] {
        assert_eq!(suite.ppr(&sender, &review).unwrap_err(), operator);
    }
    assert_eq!(
        suite.ppr(&a.addr(), &review).unwrap_err(),
        "sender: operates neither institution 2 nor an oversight institution; send this from an operator \
         of one of them"
    );
    for (case, number) in [(case, 0), (case, 2), (suite.enrol(&a, "q").case(), 1)] {
        assert_eq!(
            suite.ppr(&b.addr(), &ExecuteMsg::review_emergency(&case, number, Justified)).unwrap_err(),
            "number: no such emergency access in this case; check the number"
        );
    }
    for institution in [&b, &watch] {
        suspend(&mut suite, institution.number);
        assert_eq!(
            suite.ppr(&institution.addr(), &review).unwrap_err(),
            format!(
                "sender: institution {} is suspended; ask the consortium to resume it",
                institution.number
            )
        );
    }
    assert_eq!(suite.dump(&suite.ppr), before);
}
