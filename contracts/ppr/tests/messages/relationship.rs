//! Accept, Decline and End.

use casewise_ledger::records;
use casewise_protocol::{
    convert::RelationshipStatus::{Active, Ended, Proposed},
    ppr::ExecuteMsg,
    Event,
};
use casewise_testkit::contracts::{Lane, Suite, POLICY};

use crate::relationship;

const ENDED: &str = "institution: the relationship with this case has ended for good; open a new case";
const NONE: &str = "institution: has no relationship with this case; it must propose one first";

#[test]
fn accepted_by_the_holder() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.propose(&a, "p");
    let case = patient.case();
    assert_eq!(relationship(&suite, &case, 1), Some(Proposed));
    let done = suite.ppr(&patient.addr(), &ExecuteMsg::accept(&case, 1)).unwrap();
    let status = records::RelationshipStatus::Active;
    assert_eq!(done.events(), [Event::RelationshipChanged { case, institution: 1, status }]);
    assert_eq!(relationship(&suite, &case, 1), Some(Active));
    assert_eq!(suite.ppr(&patient.addr(), &ExecuteMsg::accept(&case, 1)).unwrap().events(), []);
    for msg in [ExecuteMsg::accept(&case, 2), ExecuteMsg::decline(&case, 2), ExecuteMsg::end(&case, 2)] {
        assert_eq!(suite.ppr(&patient.addr(), &msg).unwrap_err(), NONE);
    }
    assert_eq!(
        suite.ppr(&patient.addr(), &ExecuteMsg::decline(&case, 1)).unwrap_err(),
        "institution: the relationship is in force; use end instead of decline"
    );
}

#[test]
fn declined_for_good_and_its_lanes_get_a_deadline() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.propose(&a, "p");
    let case = patient.case();
    let (content, access) = (Lane::content(&case, &a, "c"), Lane::access(&case, &a, "a"));
    suite.open(&a, &content);
    suite.open(&a, &access);
    let done = suite.ppr(&patient.addr(), &ExecuteMsg::decline(&case, 1)).unwrap();
    let deadline = suite.now() + u64::from(POLICY.grace) * 1000;
    let status = records::RelationshipStatus::Ended;
    assert_eq!(
        done.events,
        [
            (suite.ppr.clone(), Event::RelationshipChanged { case, institution: 1, status }),
            (suite.summary.clone(), Event::LaneClosing { lane: content.id(), deadline }),
        ]
    );
    assert_eq!(suite.lane(&content.id()).due.map(|due| due.u64()), Some(deadline));
    assert_eq!(suite.lane(&access.id()).due, None);
    // repeated, nobody tells summary again
    assert_eq!(suite.ppr(&patient.addr(), &ExecuteMsg::decline(&case, 1)).unwrap().events, []);
    for msg in [ExecuteMsg::propose(&case, None), ExecuteMsg::propose(&case, Some(&POLICY))] {
        assert_eq!(suite.ppr(&a.addr(), &msg).unwrap_err(), ENDED);
    }
    assert_eq!(suite.ppr(&patient.addr(), &ExecuteMsg::accept(&case, 1)).unwrap_err(), ENDED);
}

#[test]
fn ended_by_either_side_from_any_status() {
    for (by_holder, accepted) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut suite = Suite::new();
        let a = suite.admit("A");
        let patient = if accepted { suite.onboard(&a, "p") } else { suite.propose(&a, "p") };
        let case = patient.case();
        let content = Lane::content(&case, &a, "c");
        suite.open(&a, &content);
        let sender = if by_holder { patient.addr() } else { a.addr() };
        let done = suite.ppr(&sender, &ExecuteMsg::end(&case, 1)).unwrap();
        assert_eq!(done.events.len(), 2, "the relationship and its one lane");
        assert_eq!(relationship(&suite, &case, 1), Some(Ended));
        assert_eq!(suite.ppr(&sender, &ExecuteMsg::end(&case, 1)).unwrap().events, []);
        assert_eq!(suite.ppr(&patient.addr(), &ExecuteMsg::accept(&case, 1)).unwrap_err(), ENDED);
    }
}

#[test]
fn without_a_summary_the_end_still_counts() {
    // a ppr of its own that was never told of a summary
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.enrol(&a, "p");
    let case = patient.case();
    suite.replace_ppr();
    suite.ppr(&a.addr(), &ExecuteMsg::propose(&case, Some(&POLICY))).unwrap();
    let done = suite.ppr(&patient.addr(), &ExecuteMsg::decline(&case, 1)).unwrap();
    assert_eq!(done.events.len(), 1);
    assert_eq!(relationship(&suite, &case, 1), Some(Ended));
}
