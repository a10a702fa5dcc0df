//! What the holder and its delegates may do while a recovery of the case is running: revoke, end
//! and leave, nothing else.

use casewise_protocol::{
    convert::EmergencyReason,
    ppr::{ExecuteMsg, Power},
    registrar,
};
use casewise_testkit::contracts::{commitment, Suite};

use crate::{grants, onboard_recoverable, person, relationship, start_recovery};

const RUNNING: &str =
    "case: a recovery is running, until it ends only revocations are taken; veto it, or wait";

#[test]
fn only_revocations() {
    let mut suite = Suite::new();
    let (a, b, c) = (suite.admit("A"), suite.admit("B"), suite.admit("C"));
    let d = suite.admit("D").number;
    let patient = onboard_recoverable(&mut suite, &a, "recovery");
    let case = patient.case();
    let mother = person("mother");
    let doctor = suite.practitioner(&a, "doctor");
    for institution in [&b, &c] {
        suite.ppr(&institution.addr(), &ExecuteMsg::propose(&case, None)).unwrap();
    }
    let share = grants(&suite, &case, &["x", "y", "z"], 0);
    let set = ExecuteMsg::set_delegate(&case, mother.as_str(), &Power::ALL, None);
    let until = suite.now() + 1_000_000;
    let open = ExecuteMsg::open_emergency(&case, EmergencyReason::Treatment, until);
    suite.ppr(&patient.addr(), &share).unwrap();
    suite.ppr(&patient.addr(), &set).unwrap();
    suite.ppr(&doctor, &open).unwrap();
    start_recovery(&mut suite, &case, "recovery", "next");

    let decisions = [
        ExecuteMsg::accept(&case, 2),
        ExecuteMsg::decline(&case, 2),
        ExecuteMsg::invite(&case, d),
        ExecuteMsg::withdraw_invitation(&case, d),
        ExecuteMsg::suspend(&case, 1),
        ExecuteMsg::resume(&case, 1),
        ExecuteMsg::end(&case, 1),
        grants(&suite, &case, &["new"], 1),
    ];
    let before = suite.dump(&suite.ppr);
    for msg in &decisions {
        for sender in [patient.addr(), mother.clone()] {
            assert_eq!(suite.ppr(&sender, msg).unwrap_err(), RUNNING, "{msg:?}");
        }
    }
    let name = ExecuteMsg::set_delegate(&case, person("father"), &[Power::Grants], None);
    assert_eq!(suite.ppr(&patient.addr(), &name).unwrap_err(), RUNNING);
    assert_eq!(suite.dump(&suite.ppr), before);

    // what takes rights away goes on
    suite.ppr(&patient.addr(), &ExecuteMsg::revoke(&case, &[commitment("x")])).unwrap();
    suite.ppr(&mother, &ExecuteMsg::revoke(&case, &[commitment("y")])).unwrap();
    suite.ppr(&patient.addr(), &ExecuteMsg::end_emergency(&case, 1)).unwrap();
    suite.ppr(&mother, &ExecuteMsg::remove_delegate(&case, mother.as_str())).unwrap();
    suite.ppr(&c.addr(), &ExecuteMsg::end(&case, 3)).unwrap();
    suite.ppr(&a.addr(), &ExecuteMsg::ack(&case, 3)).unwrap();

    // vetoed, everything goes on
    suite.registrar(&patient.addr(), &registrar::ExecuteMsg::veto_recovery(&case)).unwrap();
    suite.ppr(&patient.addr(), &ExecuteMsg::accept(&case, 2)).unwrap();
    assert!(relationship(&suite, &case, 2).is_some());
}
