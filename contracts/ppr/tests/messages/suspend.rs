//! Suspend and Resume.

use casewise_ledger::records;
use casewise_protocol::{
    convert::RelationshipStatus::{Active, Proposed, Suspended},
    ppr::{AckInfo, ExecuteMsg, QueryMsg, RelationshipInfo},
    registrar, Event,
};
use casewise_testkit::contracts::{commitment, Lane, Suite, POLICY};

use crate::{acks, grants, relationship, suspend};

const ENDED: &str = "institution: the relationship with this case has ended for good; open a new case";
const NONE: &str = "institution: has no relationship with this case; it must propose one first";
const ONLY: &str = "institution: the relationship is only proposed; accept or decline it instead";

#[test]
fn suspended_its_lanes_get_a_deadline_and_resumed_it_writes_again() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.onboard(&a, "p");
    let case = patient.case();
    let (content, access) = (Lane::content(&case, &a, "c"), Lane::access(&case, &a, "a"));
    suite.open(&a, &content);
    suite.open(&a, &access);
    let (pause, resume) = (ExecuteMsg::suspend(&case, 1), ExecuteMsg::resume(&case, 1));

    let done = suite.ppr(&patient.addr(), &pause).unwrap();
    let deadline = suite.now() + u64::from(POLICY.grace) * 1000;
    let status = records::RelationshipStatus::Suspended;
    assert_eq!(
        done.events,
        [
            (suite.ppr.clone(), Event::RelationshipChanged { case, institution: 1, status }),
            (suite.summary.clone(), Event::LaneClosing { lane: content.id(), deadline }),
        ]
    );
    assert_eq!(relationship(&suite, &case, 1), Some(Suspended));
    assert_eq!(suite.lane(&access.id()).due, None);
    let before = (suite.dump(&suite.ppr), suite.dump(&suite.summary));
    assert_eq!(suite.ppr(&patient.addr(), &pause).unwrap().events, []);
    assert_eq!((suite.dump(&suite.ppr), suite.dump(&suite.summary)), before);
    assert_eq!(
        suite.ppr(&patient.addr(), &ExecuteMsg::accept(&case, 1)).unwrap_err(),
        "institution: the relationship is suspended; resume it first"
    );
    assert_eq!(
        suite.ppr(&patient.addr(), &ExecuteMsg::decline(&case, 1)).unwrap_err(),
        "institution: the relationship is in force; use end instead of decline"
    );

    let done = suite.ppr(&patient.addr(), &resume).unwrap();
    let status = records::RelationshipStatus::Active;
    assert_eq!(done.events(), [Event::RelationshipChanged { case, institution: 1, status }]);
    assert_eq!(relationship(&suite, &case, 1), Some(Active));
    assert_eq!(suite.ppr(&patient.addr(), &resume).unwrap().events(), []);
    assert_eq!(suite.lane(&content.id()).due.map(|due| due.u64()), Some(deadline));
    suite.open(&a, &Lane::content(&case, &a, "again"));
}

#[test]
fn only_what_is_in_force_or_suspended() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.propose(&a, "p");
    let case = patient.case();
    let pair = |number| [ExecuteMsg::suspend(&case, number), ExecuteMsg::resume(&case, number)];
    for msg in pair(1) {
        assert_eq!(suite.ppr(&patient.addr(), &msg).unwrap_err(), ONLY);
    }
    assert_eq!(relationship(&suite, &case, 1), Some(Proposed));
    suite.ppr(&patient.addr(), &ExecuteMsg::accept(&case, 1)).unwrap();
    suite.ppr(&patient.addr(), &ExecuteMsg::suspend(&case, 1)).unwrap();
    // suspended as it is, either side ends it
    suite.ppr(&a.addr(), &ExecuteMsg::end(&case, 1)).unwrap();
    for (number, words) in [(1, ENDED), (2, NONE)] {
        for msg in pair(number) {
            assert_eq!(suite.ppr(&patient.addr(), &msg).unwrap_err(), words);
        }
    }
}

#[test]
fn grants_are_revoked_and_acknowledged_in_the_meantime() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.onboard(&a, "p");
    let case = patient.case();
    let share = grants(&suite, &case, &["x"], 1);
    suite.ppr(&patient.addr(), &share).unwrap();
    suite.ppr(&patient.addr(), &ExecuteMsg::suspend(&case, 1)).unwrap();
    suspend(&mut suite, 1);
    suite.ppr(&patient.addr(), &ExecuteMsg::revoke(&case, &[commitment("x")])).unwrap();
    // what it has acknowledged stays: resumed, it is as far behind as before
    for _ in 0..3 {
        suite.advance(500);
    }
    suite.ppr(&patient.addr(), &ExecuteMsg::resume(&case, 1)).unwrap();
    assert_eq!(acks(&suite, &case), [AckInfo { institution: 1, acked: 0, overdue: true }]);
    suite.ppr(&a.addr(), &ExecuteMsg::ack(&case, 1)).unwrap();
    assert_eq!(acks(&suite, &case), [AckInfo { institution: 1, acked: 1, overdue: false }]);
}

#[test]
fn in_force_only_while_the_institution_is_active_too() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.propose(&a, "p");
    let case = patient.case();
    let effective = |suite: &Suite| {
        let found: Option<RelationshipInfo> = suite.ask_ppr(&QueryMsg::relationship(&case, 1)).unwrap();
        found.unwrap().effective
    };
    assert!(!effective(&suite));
    suite.ppr(&patient.addr(), &ExecuteMsg::accept(&case, 1)).unwrap();
    assert!(effective(&suite));
    suspend(&mut suite, 1);
    assert!(!effective(&suite));
    assert_eq!(relationship(&suite, &case, 1), Some(Active));
    let authority = suite.authority.clone();
    suite.registrar(&authority, &registrar::ExecuteMsg::ResumeInstitution { institution: 1 }).unwrap();
    assert!(effective(&suite));
    suite.ppr(&patient.addr(), &ExecuteMsg::suspend(&case, 1)).unwrap();
    assert!(!effective(&suite));
}
