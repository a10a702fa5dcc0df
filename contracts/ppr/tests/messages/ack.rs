//! Ack.

use casewise_protocol::{
    ppr::{AckInfo, ExecuteMsg},
    registrar, Event,
};
use casewise_testkit::contracts::{commitment, Institution, Patient, Suite};

use crate::{acks, grants};

/// A case with A in force and `count` revocations.
fn revoked(count: usize) -> (Suite, Institution, Patient) {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.onboard(&a, "p");
    for n in 0..count {
        revoke(&mut suite, &patient, &format!("g{n}"));
    }
    (suite, a, patient)
}

fn revoke(suite: &mut Suite, patient: &Patient, name: &str) {
    let case = patient.case();
    let share = grants(suite, &case, &[name], 3);
    suite.ppr(&patient.addr(), &share).unwrap();
    suite.ppr(&patient.addr(), &ExecuteMsg::revoke(&case, &[commitment(name)])).unwrap();
}

#[test]
fn it_never_falls_and_never_runs_ahead() {
    let (mut suite, a, patient) = revoked(3);
    let case = patient.case();
    let mut ack = |rev| suite.ppr(&a.addr(), &ExecuteMsg::ack(&case, rev)).map(|done| done.events());
    let acked = |rev| Ok(vec![Event::Acked { case, institution: 1, rev }]);
    assert_eq!(ack(0), Ok(vec![]));
    assert_eq!(ack(2), acked(2));
    assert_eq!(ack(2), Ok(vec![]));
    assert_eq!(ack(1), Ok(vec![]));
    assert_eq!(ack(4), Err("rev: higher than the case's 3; acknowledge what the case has".to_string()));
    assert_eq!(ack(3), acked(3));
    assert_eq!(acks(&suite, &case), [AckInfo { institution: 1, acked: 3, overdue: false }]);
}

#[test]
fn overdue_after_more_than_two_blocks_since_it_fell_behind() {
    let (mut suite, a, patient) = revoked(1);
    let case = patient.case();
    let overdue = |suite: &Suite| acks(suite, &case)[0].overdue;
    // the revocation is in the block of now
    for late in [false, false, false, true] {
        assert_eq!(overdue(&suite), late);
        suite.advance(500);
    }
    suite.ppr(&a.addr(), &ExecuteMsg::ack(&case, 1)).unwrap();
    assert!(!overdue(&suite));
    // revocations one after the other do not renew the time
    for name in ["x", "y", "z"] {
        revoke(&mut suite, &patient, name);
    }
    assert!(overdue(&suite));
    suite.ppr(&a.addr(), &ExecuteMsg::ack(&case, 3)).unwrap();
    assert!(!overdue(&suite), "behind by the last one only, which is fresh");
    suite.advance(500);
    suite.advance(500);
    assert!(overdue(&suite));
}

#[test]
fn a_newcomer_starts_where_the_case_is() {
    let (mut suite, a, patient) = revoked(2);
    let case = patient.case();
    let b = suite.admit("B");
    suite.ppr(&b.addr(), &ExecuteMsg::propose(&case, None)).unwrap();
    for _ in 0..4 {
        suite.advance(500);
    }
    let late = |institution, acked, overdue| AckInfo { institution, acked, overdue };
    // who is only proposed serves nobody yet
    assert_eq!(acks(&suite, &case), [late(1, 0, true), late(2, 0, false)]);
    suite.ppr(&patient.addr(), &ExecuteMsg::accept(&case, 2)).unwrap();
    assert_eq!(acks(&suite, &case), [late(1, 0, true), late(2, 2, false)]);
    // who has ended may still serve
    suite.ppr(&patient.addr(), &ExecuteMsg::end(&case, 1)).unwrap();
    assert_eq!(acks(&suite, &case)[0], late(1, 0, true));
    suite.ppr(&a.addr(), &ExecuteMsg::ack(&case, 2)).unwrap();
    assert_eq!(acks(&suite, &case)[0], late(1, 2, false));
}

#[test]
fn only_institutions_of_the_case_also_suspended_ones() {
    let (mut suite, a, patient) = revoked(1);
    let case = patient.case();
    let b = suite.admit("B");
    assert_eq!(
        suite.ppr(&b.addr(), &ExecuteMsg::ack(&case, 1)).unwrap_err(),
        "institution: has no relationship with this case; it must propose one first"
    );
    let authority = suite.authority.clone();
    suite.registrar(&authority, &registrar::ExecuteMsg::SuspendInstitution { institution: 1 }).unwrap();
    suite.ppr(&a.addr(), &ExecuteMsg::ack(&case, 1)).unwrap();
}
