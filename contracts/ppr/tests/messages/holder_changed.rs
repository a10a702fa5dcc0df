//! HolderChanged.

use casewise_protocol::{
    ppr::{AckInfo, ExecuteMsg},
    Event,
};
use casewise_testkit::contracts::Suite;
use cosmwasm_std::HexBinary;

use crate::{acks, rev};

#[test]
fn rev_goes_up_each_time_and_every_author_acknowledges_it() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.onboard(&a, "p");
    let case = patient.case();
    let other = suite.onboard(&a, "q").case();
    let registrar = suite.registrar.clone();
    for expected in [1, 2] {
        let done = suite.ppr(&registrar, &ExecuteMsg::holder_changed(&case)).unwrap();
        assert_eq!(done.events(), [Event::RevRaised { case, rev: expected }]);
        assert_eq!((rev(&suite, &case), rev(&suite, &other)), (expected, 0));
    }
    suite.advance(500);
    suite.advance(500);
    assert_eq!(acks(&suite, &case), [AckInfo { institution: 1, acked: 0, overdue: true }]);
    suite.ppr(&a.addr(), &ExecuteMsg::ack(&case, 2)).unwrap();
    assert_eq!(acks(&suite, &case), [AckInfo { institution: 1, acked: 2, overdue: false }]);
}

#[test]
fn only_registrar_tells_it_and_names_a_case() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.onboard(&a, "p");
    let before = suite.dump(&suite.ppr);
    for sender in
        [patient.addr(), a.addr(), suite.authority.clone(), suite.summary.clone(), suite.ppr.clone()]
    {
        assert_eq!(
            suite.ppr(&sender, &ExecuteMsg::holder_changed(&patient.case())).unwrap_err(),
            "sender: not the registrar contract; it sends this itself when a case has another holder"
        );
    }
    let short = ExecuteMsg::HolderChanged { case: HexBinary::from([1; 31]) };
    assert_eq!(
        suite.ppr(&suite.registrar.clone(), &short).unwrap_err(),
        "case: expected 32 bytes, got 31; send the whole value in hexadecimal"
    );
    assert_eq!(suite.dump(&suite.ppr), before);
}
