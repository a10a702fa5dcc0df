//! VetoRecovery.

use casewise_ledger::CaseId;
use casewise_protocol::{registrar::ExecuteMsg, Event};
use casewise_testkit::contracts::Suite;
use cosmwasm_std::HexBinary;

use crate::{
    account, advance_to, recoverable, recovery, refused, start_recovery, DELAY_MS, NOT_HOLDER, NO_IDENTITY,
    NO_RECOVERY,
};

const USED: &str = "case: the holder's one veto is used; only the recovery account stops this recovery";

#[test]
fn once_and_not_again_by_whoever_holds_the_case_since() {
    let mut suite = Suite::new();
    let (_, patient) = recoverable(&mut suite);
    let case = patient.case();
    let msg = ExecuteMsg::veto_recovery(&case);
    start_recovery(&mut suite, &case, "p2");
    let done = suite.registrar(&patient.addr(), &msg).unwrap();
    assert_eq!(done.events(), [Event::RecoveryStopped { case, vetoed: true }]);
    assert_eq!(recovery(&suite, &case), None);
    refused(&mut suite, &patient.addr(), &msg, NO_RECOVERY);
    // a rotation does not give it back
    suite.rotate(&case, "thief");
    start_recovery(&mut suite, &case, "p2");
    assert!(recovery(&suite, &case).unwrap().vetoed);
    refused(&mut suite, &account("thief"), &msg, USED);
    suite.advance(DELAY_MS);
    suite.registrar(&account("p2"), &ExecuteMsg::finish_recovery(&case)).unwrap();
    // a holder found by recovery has its own
    start_recovery(&mut suite, &case, "p3");
    assert!(!recovery(&suite, &case).unwrap().vetoed);
    suite.registrar(&account("p2"), &msg).unwrap();
}

#[test]
fn until_it_lapses() {
    for (early, accepted) in [(1, true), (0, false)] {
        let mut suite = Suite::new();
        let (_, patient) = recoverable(&mut suite);
        let case = patient.case();
        start_recovery(&mut suite, &case, "p2");
        let lapses = recovery(&suite, &case).unwrap().lapses.u64();
        advance_to(&mut suite, lapses - early);
        let msg = ExecuteMsg::veto_recovery(&case);
        if accepted {
            suite.registrar(&patient.addr(), &msg).unwrap();
        } else {
            refused(&mut suite, &patient.addr(), &msg, NO_RECOVERY);
        }
    }
}

#[test]
fn only_the_holder() {
    let mut suite = Suite::new();
    let (a, patient) = recoverable(&mut suite);
    let case = patient.case();
    start_recovery(&mut suite, &case, "p2");
    let authority = suite.authority.clone();
    for sender in [authority, a.addr(), account("recovery"), account("p2"), account("stranger")] {
        refused(&mut suite, &sender, &ExecuteMsg::veto_recovery(&case), NOT_HOLDER);
    }
    let unknown = ExecuteMsg::veto_recovery(&CaseId([7; 32]));
    refused(&mut suite, &patient.addr(), &unknown, NO_IDENTITY);
    let short = ExecuteMsg::VetoRecovery { case: HexBinary::from([1; 31]) };
    let words = "case: expected 32 bytes, got 31; send the whole value in hexadecimal";
    refused(&mut suite, &patient.addr(), &short, words);
}
