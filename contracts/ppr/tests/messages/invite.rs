//! Invite, WithdrawInvitation, and the proposal that follows an invitation.

use casewise_ledger::records;
use casewise_protocol::{
    convert::RelationshipStatus::{Active, Proposed},
    ppr::{AckInfo, ExecuteMsg},
    Event,
};
use casewise_testkit::contracts::{commitment, Suite, POLICY};

use crate::{acks, grants, invited, onboard_recoverable, relationship, start_recovery, suspend};

#[test]
fn the_proposal_of_an_invited_institution_is_in_force_at_once() {
    let mut suite = Suite::new();
    let (a, b) = (suite.admit("A"), suite.admit("B"));
    let patient = suite.onboard(&a, "p");
    let case = patient.case();
    let share = grants(&suite, &case, &["x"], 1);
    suite.ppr(&patient.addr(), &share).unwrap();
    suite.ppr(&patient.addr(), &ExecuteMsg::revoke(&case, &[commitment("x")])).unwrap();

    let done = suite.ppr(&patient.addr(), &ExecuteMsg::invite(&case, 2)).unwrap();
    assert_eq!(done.events(), [Event::InvitationChanged { case, institution: 2, invited: true }]);
    assert!(invited(&suite, &case, 2) && !invited(&suite, &case, 1));
    assert_eq!(relationship(&suite, &case, 2), None);
    let before = suite.dump(&suite.ppr);
    assert_eq!(suite.ppr(&patient.addr(), &ExecuteMsg::invite(&case, 2)).unwrap().events(), []);
    assert_eq!(suite.dump(&suite.ppr), before);

    let done = suite.ppr(&b.addr(), &ExecuteMsg::propose(&case, None)).unwrap();
    let status = records::RelationshipStatus::Active;
    assert_eq!(done.events(), [Event::RelationshipChanged { case, institution: 2, status }]);
    assert_eq!(relationship(&suite, &case, 2), Some(Active));
    // it starts at the case's rev, as after an acceptance, and the invitation is used up
    assert_eq!(acks(&suite, &case)[1], AckInfo { institution: 2, acked: 1, overdue: false });
    assert!(!invited(&suite, &case, 2));
    assert_eq!(suite.ppr(&b.addr(), &ExecuteMsg::propose(&case, None)).unwrap().events(), []);
    assert_eq!(
        suite.ppr(&patient.addr(), &ExecuteMsg::invite(&case, 2)).unwrap_err(),
        "institution: the relationship is in force already; there is nothing to invite it to"
    );
}

#[test]
fn the_enrolling_institution_may_be_invited_to_its_first_proposal() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.enrol(&a, "p");
    let case = patient.case();
    suite.ppr(&patient.addr(), &ExecuteMsg::invite(&case, 1)).unwrap();
    suite.ppr(&a.addr(), &ExecuteMsg::propose(&case, None)).unwrap_err();
    assert!(invited(&suite, &case, 1), "a refused proposal uses nothing up");
    suite.ppr(&a.addr(), &ExecuteMsg::propose(&case, Some(&POLICY))).unwrap();
    assert_eq!(relationship(&suite, &case, 1), Some(Active));
}

#[test]
fn withdrawn_before_it_was_followed() {
    let mut suite = Suite::new();
    let (a, b) = (suite.admit("A"), suite.admit("B"));
    let patient = suite.onboard(&a, "p");
    let case = patient.case();
    suite.ppr(&patient.addr(), &ExecuteMsg::invite(&case, 2)).unwrap();
    let withdraw = ExecuteMsg::withdraw_invitation(&case, 2);
    let done = suite.ppr(&patient.addr(), &withdraw).unwrap();
    assert_eq!(done.events(), [Event::InvitationChanged { case, institution: 2, invited: false }]);
    assert!(!invited(&suite, &case, 2));
    assert_eq!(suite.ppr(&patient.addr(), &withdraw).unwrap().events(), []);
    suite.ppr(&b.addr(), &ExecuteMsg::propose(&case, None)).unwrap();
    assert_eq!(relationship(&suite, &case, 2), Some(Proposed));
}

#[test]
fn only_active_institutions_without_a_relationship() {
    let mut suite = Suite::new();
    let (a, b, c) = (suite.admit("A"), suite.admit("B"), suite.admit("C"));
    let patient = suite.onboard(&a, "p");
    let case = patient.case();
    suite.ppr(&b.addr(), &ExecuteMsg::propose(&case, None)).unwrap();
    suspend(&mut suite, c.number);
    let before = suite.dump(&suite.ppr);
    let mut refused = |number| suite.ppr(&patient.addr(), &ExecuteMsg::invite(&case, number)).unwrap_err();
    assert_eq!(refused(2), "institution: the relationship is only proposed; accept or decline it instead");
    assert_eq!(refused(3), "institution: 3 is suspended; wait until the consortium resumes it");
    for unknown in [0, 4, u32::MAX] {
        assert_eq!(
            refused(unknown),
            format!("institution: {unknown} is no institution of this network; check the number")
        );
    }
    assert_eq!(suite.dump(&suite.ppr), before);
    suite.ppr(&patient.addr(), &ExecuteMsg::suspend(&case, 1)).unwrap();
    suite.ppr(&patient.addr(), &ExecuteMsg::decline(&case, 2)).unwrap();
    let mut refused = |number| suite.ppr(&patient.addr(), &ExecuteMsg::invite(&case, number)).unwrap_err();
    assert_eq!(refused(1), "institution: the relationship is suspended; resume it first");
    assert_eq!(
        refused(2),
        "institution: the relationship with this case has ended for good; open a new case"
    );
}

#[test]
fn it_counts_for_the_holder_who_made_it() {
    let mut suite = Suite::new();
    let (a, b, c) = (suite.admit("A"), suite.admit("B"), suite.admit("C"));
    let patient = suite.onboard(&a, "p");
    let case = patient.case();
    for number in [2, 3] {
        suite.ppr(&patient.addr(), &ExecuteMsg::invite(&case, number)).unwrap();
    }
    let next = crate::addr(&suite.rotate(&case, "p2").address());
    assert!(!invited(&suite, &case, 2));
    suite.ppr(&b.addr(), &ExecuteMsg::propose(&case, None)).unwrap();
    assert_eq!(relationship(&suite, &case, 2), Some(Proposed));
    // the new holder's own
    let done = suite.ppr(&next, &ExecuteMsg::invite(&case, 3)).unwrap();
    assert_eq!(done.events(), [Event::InvitationChanged { case, institution: 3, invited: true }]);
    suite.ppr(&c.addr(), &ExecuteMsg::propose(&case, None)).unwrap();
    assert_eq!(relationship(&suite, &case, 3), Some(Active));
}

#[test]
fn it_does_not_count_while_a_recovery_is_running() {
    let mut suite = Suite::new();
    let (a, b) = (suite.admit("A"), suite.admit("B"));
    let patient = onboard_recoverable(&mut suite, &a, "recovery");
    let case = patient.case();
    suite.ppr(&patient.addr(), &ExecuteMsg::invite(&case, 2)).unwrap();
    start_recovery(&mut suite, &case, "recovery", "next");
    assert!(!invited(&suite, &case, 2));
    suite.ppr(&b.addr(), &ExecuteMsg::propose(&case, None)).unwrap();
    assert_eq!(relationship(&suite, &case, 2), Some(Proposed));
}
