//! CancelRecovery.

use casewise_ledger::CaseId;
use casewise_protocol::{registrar::ExecuteMsg, Event};
use casewise_testkit::contracts::Suite;
use cosmwasm_std::HexBinary;

use crate::{
    account, advance_to, nothing, recoverable, recovery, refused, relate, start_recovery, NOT_RECOVERY,
    NO_IDENTITY,
};

#[test]
fn the_recovery_account_stops_its_own_recovery() {
    let mut suite = Suite::new();
    let (a, patient) = recoverable(&mut suite);
    let (case, from) = (patient.case(), account("recovery"));
    relate(&mut suite, &a, &patient.addr(), &case);
    let msg = ExecuteMsg::cancel_recovery(&case);
    nothing(&mut suite, &from, &msg);
    start_recovery(&mut suite, &case, "p2");
    // attested or not
    suite.registrar(&a.addr(), &ExecuteMsg::attest_recovery(&case)).unwrap();
    let done = suite.registrar(&from, &msg).unwrap();
    assert_eq!(done.events(), [Event::RecoveryStopped { case, vetoed: false }]);
    assert_eq!(recovery(&suite, &case), None);
    nothing(&mut suite, &from, &msg);
    // the holder acts again, its veto unused; and another recovery may start, unattested
    suite.rotate(&case, "p3");
    start_recovery(&mut suite, &case, "p2");
    let info = recovery(&suite, &case).unwrap();
    assert_eq!((info.attested, info.vetoed), (None, false));
    let lapses = info.lapses.u64();
    advance_to(&mut suite, lapses);
    nothing(&mut suite, &from, &msg);
}

#[test]
fn only_the_recovery_account() {
    let mut suite = Suite::new();
    let (a, patient) = recoverable(&mut suite);
    let case = patient.case();
    start_recovery(&mut suite, &case, "p2");
    let authority = suite.authority.clone();
    for sender in [authority, a.addr(), patient.addr(), account("p2"), account("stranger")] {
        refused(&mut suite, &sender, &ExecuteMsg::cancel_recovery(&case), NOT_RECOVERY);
    }
    let unknown = ExecuteMsg::cancel_recovery(&CaseId([7; 32]));
    refused(&mut suite, &account("recovery"), &unknown, NO_IDENTITY);
    let short = ExecuteMsg::CancelRecovery { case: HexBinary::from([1; 31]) };
    let words = "case: expected 32 bytes, got 31; send the whole value in hexadecimal";
    refused(&mut suite, &account("recovery"), &short, words);
}
