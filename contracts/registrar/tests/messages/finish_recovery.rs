//! FinishRecovery.

use casewise_ledger::{
    records::{ns, record_key},
    CaseId,
};
use casewise_protocol::{
    events::RotationCause,
    registrar::{holder_hash, ExecuteMsg},
    Event,
};
use casewise_testkit::contracts::{Suite, PREFIX};
use cosmwasm_std::HexBinary;

use crate::{
    account, advance_to, nothing, recoverable, recovery, refused, start_recovery, DELAY_MS, NOT_HOLDER,
    NO_IDENTITY, NO_PPR, NO_RECOVERY,
};

#[test]
fn the_case_has_another_holder() {
    let mut suite = Suite::new();
    let (_, patient) = recoverable(&mut suite);
    let case = patient.case();
    let offer = suite.rotation(&case, "p2");
    start_recovery(&mut suite, &case, "p2");
    suite.advance(DELAY_MS);
    let msg = ExecuteMsg::finish_recovery(&case);
    let done = suite.registrar(&account("recovery"), &msg).unwrap();
    let rotated = Event::IdentityRotated { case, epoch: 1, cause: RotationCause::Recovery };
    let raised = Event::RevRaised { case, rev: 1 };
    assert_eq!(done.events, [(suite.registrar.clone(), rotated), (suite.ppr.clone(), raised)]);
    let info = suite.identity(&case);
    assert_eq!((info.holder.as_str(), info.epoch), (account("p2").as_str(), 1));
    assert_eq!((info.since.u64(), info.kem.as_slice()), (suite.now(), &offer.card.kem[..]));
    // the same account may recover it again
    assert_eq!(info.recovery.as_deref(), Some(account("recovery").as_str()));
    assert_eq!(recovery(&suite, &case), None);
    let former = record_key(ns::HOLDER, &holder_hash(&patient.key.address()));
    assert_eq!(suite.raw(&suite.registrar, former), None);
    refused(&mut suite, &account("p2"), &msg, NO_RECOVERY);
    // the start, and the rotation by the same card, took effect
    nothing(&mut suite, &account("recovery"), &ExecuteMsg::start_recovery(&offer));
    nothing(&mut suite, &account("p2"), &ExecuteMsg::rotate(&offer));
    let back = ExecuteMsg::rotate(&suite.rotation(&case, "thief"));
    refused(&mut suite, &patient.addr(), &back, NOT_HOLDER);
}

#[test]
fn from_ready_on_and_before_it_lapses() {
    let early =
        |ready: u64| format!("case: the recovery can be finished from {ready} on, Unix ms; wait until then");
    let lapsed = |_| "case: the recovery has lapsed; start it anew".to_string();
    type Words = dyn Fn(u64) -> String;
    let table: [(bool, u64, Option<&Words>); 4] =
        [(true, 1, Some(&early)), (true, 0, None), (false, 1, None), (false, 0, Some(&lapsed))];
    for (at_start, before, words) in table {
        for sender in ["recovery", "p2"] {
            let mut suite = Suite::new();
            let (_, patient) = recoverable(&mut suite);
            let case = patient.case();
            start_recovery(&mut suite, &case, "p2");
            let info = recovery(&suite, &case).unwrap();
            let (ready, lapses) = (info.ready.u64(), info.lapses.u64());
            advance_to(&mut suite, if at_start { ready } else { lapses } - before);
            let msg = ExecuteMsg::finish_recovery(&case);
            match words {
                Some(words) => refused(&mut suite, &account(sender), &msg, &words(ready)),
                None => assert!(suite.registrar(&account(sender), &msg).is_ok()),
            }
        }
    }
}

#[test]
fn only_by_the_recovery_account_or_the_holder_to_be() {
    let mut suite = Suite::new();
    let (a, patient) = recoverable(&mut suite);
    let case = patient.case();
    let msg = ExecuteMsg::finish_recovery(&case);
    for sender in [account("recovery"), patient.addr()] {
        refused(&mut suite, &sender, &msg, NO_RECOVERY);
    }
    start_recovery(&mut suite, &case, "p2");
    suite.advance(DELAY_MS);
    let words = "sender: neither the recovery account nor the holder to be; send this from one of them";
    let authority = suite.authority.clone();
    for sender in [authority, a.addr(), patient.addr(), account("stranger")] {
        refused(&mut suite, &sender, &msg, words);
    }
    let unknown = ExecuteMsg::finish_recovery(&CaseId([7; 32]));
    refused(&mut suite, &account("recovery"), &unknown, NO_IDENTITY);
    let short = ExecuteMsg::FinishRecovery { case: HexBinary::from([1; 31]) };
    let words = "case: expected 32 bytes, got 31; send the whole value in hexadecimal";
    refused(&mut suite, &account("recovery"), &short, words);
}

#[test]
fn a_holder_to_be_that_came_to_hold_a_case_takes_no_second_one() {
    let mut suite = Suite::new();
    let (a, patient) = recoverable(&mut suite);
    let case = patient.case();
    start_recovery(&mut suite, &case, "p2");
    let own = suite.offer("p2", a.number, None);
    suite.registrar(&a.addr(), &ExecuteMsg::enrol(PREFIX, &own.offer).unwrap()).unwrap();
    suite.advance(DELAY_MS);
    let msg = ExecuteMsg::finish_recovery(&case);
    let words = "card.holder: this account holds another case; derive a fresh account for each case";
    refused(&mut suite, &account("recovery"), &msg, words);
    // it leaves that case, and takes this one
    suite.rotate(&own.case(), "q");
    suite.registrar(&account("recovery"), &msg).unwrap();
}

#[test]
fn nothing_is_recovered_that_ppr_does_not_learn_of() {
    let mut suite = Suite::without_ppr();
    let (_, patient) = recoverable(&mut suite);
    start_recovery(&mut suite, &patient.case(), "p2");
    suite.advance(DELAY_MS);
    refused(&mut suite, &account("p2"), &ExecuteMsg::finish_recovery(&patient.case()), NO_PPR);
}
