//! StartRecovery.

use casewise_ledger::{
    decode,
    records::{self, ns, record_key},
};
use casewise_protocol::{
    registrar::{ExecuteMsg, MAX_EPOCHS_AHEAD, RECOVERY_WINDOW_MS},
    Event,
};
use casewise_testkit::contracts::{rotation, Suite};

use crate::{
    account, advance_to, nothing, recoverable, recovery, refused, wrong_cards, DELAY_MS, NOT_RECOVERY,
};

#[test]
fn it_waits_for_the_delay() {
    let mut suite = Suite::new();
    let (_, patient) = recoverable(&mut suite);
    let case = patient.case();
    let offer = suite.rotation(&case, "p2");
    let msg = ExecuteMsg::start_recovery(&offer);
    let done = suite.registrar(&account("recovery"), &msg).unwrap();
    let ready = suite.now() + DELAY_MS;
    assert_eq!(done.events(), [Event::RecoveryStarted { case, ready }]);
    let info = recovery(&suite, &case).unwrap();
    assert_eq!(info.holder, account("p2").as_str());
    assert_eq!((info.ready.u64(), info.lapses.u64()), (ready, ready + RECOVERY_WINDOW_MS));
    assert_eq!((info.attested, info.vetoed), (None, false));
    let raw = suite.raw(&suite.registrar, record_key(ns::RECOVERING, &case.0)).unwrap();
    assert_eq!(info.record().unwrap(), decode::<records::RecoveryRecord>(&raw).unwrap());
    // the holder is not another one yet
    assert_eq!(suite.identity(&case).holder, patient.addr().as_str());
    nothing(&mut suite, &account("recovery"), &msg);
}

#[test]
fn one_at_a_time() {
    let mut suite = Suite::new();
    let (_, patient) = recoverable(&mut suite);
    let case = patient.case();
    let first = ExecuteMsg::start_recovery(&suite.rotation(&case, "p2"));
    suite.registrar(&account("recovery"), &first).unwrap();
    let words = "card: another recovery of this case is running; cancel it first";
    let other = ExecuteMsg::start_recovery(&suite.rotation(&case, "p3"));
    refused(&mut suite, &account("recovery"), &other, words);
    // the same holder to be, by a card for a later epoch
    let later = ExecuteMsg::start_recovery(&rotation(&case, 2, "p2"));
    nothing(&mut suite, &account("recovery"), &later);
    // from the moment it lapses another one starts, or the same anew
    let lapses = recovery(&suite, &case).unwrap().lapses.u64();
    advance_to(&mut suite, lapses - 1);
    refused(&mut suite, &account("recovery"), &other, words);
    suite.registrar(&account("recovery"), &first).unwrap();
    assert_eq!(recovery(&suite, &case).unwrap().ready.u64(), suite.now() + DELAY_MS);
}

#[test]
fn only_by_the_case_s_recovery_account() {
    let mut suite = Suite::new();
    let (a, patient) = recoverable(&mut suite);
    let msg = ExecuteMsg::start_recovery(&suite.rotation(&patient.case(), "p2"));
    let authority = suite.authority.clone();
    for sender in [authority, a.addr(), patient.addr(), account("p2"), account("stranger")] {
        refused(&mut suite, &sender, &msg, NOT_RECOVERY);
    }
    // of another case, and of a case without one
    suite.enrol_recoverable(&a, "q", "elsewhere");
    refused(&mut suite, &account("elsewhere"), &msg, NOT_RECOVERY);
    for name in ["r", "c"] {
        let patient = if name == "r" { suite.enrol(&a, name) } else { suite.enrol_custodial(&a, name) };
        let msg = ExecuteMsg::start_recovery(&suite.rotation(&patient.case(), "p2"));
        refused(&mut suite, &account("recovery"), &msg, NOT_RECOVERY);
    }
}

#[test]
fn every_part_of_the_card_is_checked() {
    let mut suite = Suite::new();
    let (a, patient) = recoverable(&mut suite);
    suite.enrol(&a, "q");
    let good = suite.rotation(&patient.case(), "p2");
    let from = account("recovery");
    for (msg, words) in wrong_cards(&good, "p2", &ExecuteMsg::start_recovery) {
        refused(&mut suite, &from, &msg, words);
    }
    for epoch in [0, 2 + MAX_EPOCHS_AHEAD, u32::MAX] {
        let msg = ExecuteMsg::start_recovery(&rotation(&patient.case(), epoch, "p2"));
        let words = "card.epoch: must be 1 to 1025 more than the case's 0; make the card anew";
        refused(&mut suite, &from, &msg, words);
    }
    for (name, words) in [
        ("p", "card.holder: is the case's holder already; derive a fresh account"),
        ("recovery", "card.holder: is the case's recovery account; derive a fresh account"),
        ("q", "card.holder: this account holds another case; derive a fresh account for each case"),
    ] {
        let msg = ExecuteMsg::start_recovery(&suite.rotation(&patient.case(), name));
        refused(&mut suite, &from, &msg, words);
    }
    suite.registrar(&from, &ExecuteMsg::start_recovery(&good)).unwrap();
}

#[test]
fn who_rotated_the_case_away_did_not_rotate_its_recovery_account_away() {
    let mut suite = Suite::new();
    let (_, patient) = recoverable(&mut suite);
    suite.rotate(&patient.case(), "thief");
    suite.rotate(&patient.case(), "thief again");
    let msg = ExecuteMsg::start_recovery(&suite.rotation(&patient.case(), "p2"));
    suite.registrar(&account("recovery"), &msg).unwrap();
}

#[test]
fn a_thief_who_rotates_first_does_not_stop_it() {
    let mut suite = Suite::new();
    let (_, patient) = recoverable(&mut suite);
    let case = patient.case();
    let msg = ExecuteMsg::start_recovery(&rotation(&case, 1 + MAX_EPOCHS_AHEAD, "p2"));
    let mut thief = patient.addr();
    for name in ["t1", "t2", "t3"] {
        let rotate = ExecuteMsg::rotate(&suite.rotation(&case, name));
        suite.registrar(&thief, &rotate).unwrap();
        thief = account(name);
    }
    suite.registrar(&account("recovery"), &msg).unwrap();
    let ready = recovery(&suite, &case).unwrap().ready.u64();
    advance_to(&mut suite, ready);
    suite.registrar(&account("recovery"), &ExecuteMsg::finish_recovery(&case)).unwrap();
    let identity = suite.identity(&case);
    assert_eq!((identity.holder.as_str(), identity.epoch), (account("p2").as_str(), 4));
}
