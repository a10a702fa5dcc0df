//! Rotate.

use casewise_ledger::{
    encode,
    records::{ns, record_key, IdentityRecord},
};
use casewise_protocol::{
    events::RotationCause,
    registrar::{holder_hash, ClaimInfo, ExecuteMsg, QueryMsg},
    Event,
};
use casewise_testkit::contracts::{key, rotation, Suite, PREFIX};

use crate::{
    account, advance_to, nothing, recoverable, recovery, refused, start_recovery, state, wrong_cards,
    NOT_HOLDER, NO_PPR,
};

const RECOVERING: &str =
    "case: a recovery is running, until it ends only revocations are taken; veto it, or wait";

#[test]
fn the_holder_puts_a_fresh_account_in_its_place() {
    let mut suite = Suite::new();
    let (_, patient) = recoverable(&mut suite);
    let case = patient.case();
    let offer = suite.rotation(&case, "p2");
    let done = suite.registrar(&patient.addr(), &ExecuteMsg::rotate(&offer)).unwrap();
    // ppr is told in the same transaction
    let rotated = Event::IdentityRotated { case, epoch: 1, cause: RotationCause::Rotation };
    let raised = Event::RevRaised { case, rev: 1 };
    assert_eq!(done.events, [(suite.registrar.clone(), rotated), (suite.ppr.clone(), raised)]);

    let expected = IdentityRecord {
        version: casewise_ledger::V1,
        holder: key("p2").address(),
        kem: offer.card.kem,
        epoch: 1,
        institution: 1,
        custodial: false,
        since: suite.now(),
    };
    let raw = |ns, id: &[u8]| suite.raw(&suite.registrar, record_key(ns, id));
    assert_eq!(raw(ns::IDENTITY, &case.0), Some(encode(&expected)));
    // who held it holds no case any more
    assert_eq!(raw(ns::HOLDER, &holder_hash(&patient.key.address())), None);
    assert_eq!(raw(ns::HOLDER, &holder_hash(&expected.holder)), Some(case.0.to_vec()));
    let info = suite.identity(&case);
    assert_eq!(info.record().unwrap(), (case, expected));
    assert_eq!(info.recovery, Some(account("recovery").into_string()));
}

#[test]
fn the_same_again_changes_nothing_whoever_sends_it() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.enrol(&a, "p");
    let first = ExecuteMsg::rotate(&suite.rotation(&patient.case(), "p2"));
    suite.registrar(&patient.addr(), &first).unwrap();
    for sender in [patient.addr(), account("p2")] {
        nothing(&mut suite, &sender, &first);
    }
    // the former holder is a stranger, and the card of an epoch before is old
    let second = suite.rotation(&patient.case(), "p3");
    refused(&mut suite, &patient.addr(), &ExecuteMsg::rotate(&second), NOT_HOLDER);
    suite.registrar(&account("p2"), &ExecuteMsg::rotate(&second)).unwrap();
    let words = "card.epoch: must be one more than the case's 2; make the card anew";
    refused(&mut suite, &account("p3"), &first, words);
    // whoever held a case and left it may hold another
    suite.rotate(&patient.case(), "p");
    assert_eq!(suite.identity(&patient.case()).epoch, 3);
}

#[test]
fn the_enrolment_sent_again_does_not_bring_the_first_holder_back() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.enrol(&a, "p");
    suite.rotate(&patient.case(), "p2");
    nothing(&mut suite, &a.addr(), &ExecuteMsg::enrol(PREFIX, &patient.offer).unwrap());
    assert_eq!(suite.identity(&patient.case()).holder, account("p2").as_str());
}

#[test]
fn every_part_of_the_card_is_checked() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.enrol(&a, "p");
    let good = suite.rotation(&patient.case(), "p2");
    for (msg, words) in wrong_cards(&good, "p2", &ExecuteMsg::rotate) {
        refused(&mut suite, &patient.addr(), &msg, words);
    }
    for epoch in [0, 2, u32::MAX] {
        let msg = ExecuteMsg::rotate(&rotation(&patient.case(), epoch, "p2"));
        let words = "card.epoch: must be one more than the case's 0; make the card anew";
        refused(&mut suite, &patient.addr(), &msg, words);
    }
    suite.registrar(&patient.addr(), &ExecuteMsg::rotate(&good)).unwrap();
}

#[test]
fn who_may_send_it() {
    let mut suite = Suite::new();
    let (a, patient) = recoverable(&mut suite);
    let other = suite.enrol(&a, "q");
    let msg = ExecuteMsg::rotate(&suite.rotation(&patient.case(), "p2"));
    let (authority, ppr) = (suite.authority.clone(), suite.ppr.clone());
    for sender in [authority, ppr, a.addr(), other.addr(), account("recovery"), account("p2")] {
        refused(&mut suite, &sender, &msg, NOT_HOLDER);
    }
    suite.registrar(&patient.addr(), &msg).unwrap();
}

#[test]
fn who_cannot_be_the_next_holder() {
    let mut suite = Suite::new();
    let (a, patient) = recoverable(&mut suite);
    suite.enrol(&a, "q");
    for (name, words) in [
        ("p", "card.holder: is the case's holder already; derive a fresh account"),
        ("recovery", "card.holder: is the case's recovery account; derive a fresh account"),
        ("q", "card.holder: this account holds another case; derive a fresh account for each case"),
    ] {
        let msg = ExecuteMsg::rotate(&suite.rotation(&patient.case(), name));
        refused(&mut suite, &patient.addr(), &msg, words);
    }
}

#[test]
fn not_while_a_recovery_runs() {
    let mut suite = Suite::new();
    let (_, patient) = recoverable(&mut suite);
    let case = patient.case();
    start_recovery(&mut suite, &case, "p3");
    let lapses = recovery(&suite, &case).unwrap().lapses.u64();
    let msg = ExecuteMsg::rotate(&suite.rotation(&case, "p2"));
    refused(&mut suite, &patient.addr(), &msg, RECOVERING);
    advance_to(&mut suite, lapses - 1);
    refused(&mut suite, &patient.addr(), &msg, RECOVERING);
    // the block after `lapses − 1` is half a second later
    suite.registrar(&patient.addr(), &msg).unwrap();
    // what had lapsed is cleared away
    assert_eq!(suite.raw(&suite.registrar, record_key(ns::RECOVERING, &case.0)), None);
}

#[test]
fn a_custodial_case_stays_custodial_and_its_claim_is_offered_no_more() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.enrol_custodial(&a, "c");
    let case = patient.case();
    let until = suite.now() + 60_000;
    let offer = ExecuteMsg::offer_claim(PREFIX, &case, &key("patient").address(), until).unwrap();
    suite.registrar(&patient.addr(), &offer).unwrap();
    suite.rotate(&case, "c2");
    assert!(suite.identity(&case).custodial);
    let claim: Option<ClaimInfo> = suite.ask_registrar(&QueryMsg::claim(&case)).unwrap();
    assert_eq!(claim, None);
    let accept = ExecuteMsg::accept_claim(PREFIX, &suite.rotation(&case, "patient"), None).unwrap();
    let words = "sender: the case is not offered to this account; have the custodian offer it";
    refused(&mut suite, &account("patient"), &accept, words);
}

#[test]
fn nothing_is_rotated_that_ppr_does_not_learn_of() {
    let mut suite = Suite::without_ppr();
    let a = suite.admit("A");
    let patient = suite.enrol(&a, "p");
    let msg = ExecuteMsg::rotate(&suite.rotation(&patient.case(), "p2"));
    refused(&mut suite, &patient.addr(), &msg, NO_PPR);
    // a contract that is no ppr does not take the message
    let (authority, summary) = (suite.authority.clone(), suite.summary.to_string());
    suite.registrar(&authority, &ExecuteMsg::SetPpr { ppr: summary }).unwrap();
    let before = state(&suite);
    suite.registrar(&patient.addr(), &msg).unwrap_err();
    assert_eq!(state(&suite), before);
    let ppr = suite.ppr.to_string();
    suite.registrar(&authority, &ExecuteMsg::SetPpr { ppr }).unwrap();
    suite.registrar(&patient.addr(), &msg).unwrap();
}
