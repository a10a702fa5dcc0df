//! The query Cadence.

use casewise_ledger::Party;
use casewise_protocol::{
    convert::{self, PartyInfo},
    ppr,
    summary::{CadenceResponse, QueryMsg, MAX_BLOCK_INTERVAL_MS},
};
use casewise_testkit::contracts::{Lane, Suite, POLICY, PREFIX};

use crate::{end, onboarded, open_as, own_lane, send_close, with_lane};

fn cadence(suite: &Suite, lane: &Lane) -> CadenceResponse {
    let author = PartyInfo::new(PREFIX, &lane.header.author).unwrap();
    suite.ask_summary(&QueryMsg::cadence(&lane.header.case, author)).unwrap()
}

fn silence(suite: &Suite, lane: &Lane) -> (u64, bool) {
    let found = cadence(suite, lane).lanes;
    let found = found.iter().find(|found| found.lane == convert::hex(&lane.id().0)).unwrap();
    (found.silence.u64(), found.late)
}

#[test]
fn blocks_count_and_a_network_that_stands_still_does_not() {
    let (mut suite, a, _, mut lane) = with_lane(1);
    let found = cadence(&suite, &lane);
    assert_eq!((found.cadence, found.lateness, found.lanes.len()), (POLICY.cadence, POLICY.lateness, 1));
    assert_eq!(silence(&suite, &lane), (0, false));
    suite.advance(400);
    suite.advance(700);
    assert_eq!(silence(&suite, &lane), (1_100, false));
    // one block after a year: at most one interval for each block
    suite.advance(365 * 86_400_000);
    assert_eq!(silence(&suite, &lane), (3 * MAX_BLOCK_INTERVAL_MS, false));
    // a head that changes the size ends the silence
    lane.append(1);
    suite.anchor(&a, &mut [&mut lane]).unwrap();
    assert_eq!(silence(&suite, &lane), (0, false));
}

#[test]
fn late_from_one_past_the_cadence_on() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.enrol(&a, "p");
    let policy = casewise_ledger::records::Policy { cadence: 20, ..POLICY };
    suite.ppr(&a.addr(), &ppr::ExecuteMsg::propose(&patient.case(), Some(&policy))).unwrap();
    let lane = Lane::content(&patient.case(), &a, "c");
    suite.open(&a, &lane);
    suite.advance(10_000);
    suite.advance(10_000);
    assert_eq!(silence(&suite, &lane), (20_000, false));
    suite.advance(1);
    assert_eq!(silence(&suite, &lane), (20_001, true));
}

#[test]
fn open_content_lanes_of_that_author_only() {
    let (mut suite, a, patient, lane) = with_lane(1);
    let case = patient.case();
    let (access, closed) = (Lane::access(&case, &a, "a"), Lane::content(&case, &a, "closed"));
    let own = own_lane(&case, &patient.key.address(), "own");
    suite.open(&a, &access);
    suite.open(&a, &closed);
    open_as(&mut suite, &patient.addr(), &[&own]).unwrap();
    send_close(&mut suite, &a, vec![closed.item(0, 0)]).unwrap();
    let ids = |suite: &Suite, lane: &Lane| -> Vec<_> {
        cadence(suite, lane).lanes.into_iter().map(|found| found.lane).collect()
    };
    assert_eq!(ids(&suite, &lane), [convert::hex(&lane.id().0)]);
    assert_eq!(ids(&suite, &own), [convert::hex(&own.id().0)]);
    end(&mut suite, &patient);
    assert_eq!(ids(&suite, &lane), [convert::hex(&lane.id().0)], "a closing lane is not closed");
}

#[test]
fn without_a_policy_nobody_is_late() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.enrol(&a, "p");
    let own = own_lane(&patient.case(), &patient.key.address(), "own");
    open_as(&mut suite, &patient.addr(), &[&own]).unwrap();
    suite.app.update_block(|block| block.height += 1_000_000_000);
    suite.advance(365 * 86_400_000);
    let found = cadence(&suite, &own);
    assert_eq!((found.cadence, found.lateness), (0, 0));
    assert_eq!(silence(&suite, &own), (365 * 86_400_000, false));
}

#[test]
fn absent_and_malformed() {
    let (suite, _, patient) = onboarded();
    let ask = |author| suite.ask_summary::<CadenceResponse>(&QueryMsg::cadence(&patient.case(), author));
    assert!(ask(PartyInfo::Institution(9)).unwrap().lanes.is_empty());
    let own = PartyInfo::new(PREFIX, &Party::Account(patient.key.address())).unwrap();
    assert!(ask(own).unwrap().lanes.is_empty());
    for text in ["", "x", suite.summary.as_str(), &patient.addr().as_str().to_uppercase()] {
        let error = ask(PartyInfo::Account(text.to_string())).unwrap_err();
        assert!(error.contains("author: not an account of this network"), "{error}");
    }
}
