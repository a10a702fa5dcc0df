//! The queries: lanes with their pages, and the one word of a case and an institution.

use casewise_ledger::{records::DisputeCode, LaneId};
use casewise_protocol::{
    convert::PartyInfo,
    page::{DEFAULT_LIMIT, MAX_LIMIT},
    ppr,
    rules::CareStatus,
    summary::{
        CaseInfo, DisputesResponse, EntryKey, ExecuteMsg, LaneInfo, LanesResponse, MarksResponse, QueryMsg,
    },
};
use casewise_testkit::contracts::{rotations, Lane, Suite};
use cosmwasm_std::HexBinary;

use crate::{onboarded, resume, send_close, status, suspend, with_lane};

#[test]
fn what_is_absent_is_none() {
    let (suite, _, patient) = onboarded();
    let lane = casewise_ledger::LaneId([1; 32]);
    assert_eq!(suite.ask_summary::<Option<LaneInfo>>(&QueryMsg::lane(&lane)), Ok(None));
    assert_eq!(suite.ask_summary::<Option<CaseInfo>>(&QueryMsg::case(&patient.case())), Ok(None));
    let page: LanesResponse = suite.ask_summary(&QueryMsg::lanes(&patient.case(), None, None)).unwrap();
    assert!(page.lanes.is_empty());
    let msg = QueryMsg::disputes(&patient.case(), None, None);
    assert!(suite.ask_summary::<DisputesResponse>(&msg).unwrap().disputes.is_empty());
    let marks = MarksResponse { compromised: None, conflict: None };
    assert_eq!(suite.ask_summary(&QueryMsg::marks(&lane)), Ok(marks));
}

#[test]
fn malformed_questions_name_the_field() {
    let suite = Suite::new();
    let short = || HexBinary::from([1; 31]);
    let case = HexBinary::from([1; 32]);
    for (msg, field) in [
        (QueryMsg::Lane { lane: short() }, "lane"),
        (QueryMsg::Case { case: short() }, "case"),
        (QueryMsg::Lanes { case: short(), start_after: None, limit: None }, "case"),
        (QueryMsg::Lanes { case, start_after: Some(short()), limit: None }, "start_after"),
        (QueryMsg::Status { case: short(), institution: 1 }, "case"),
        (QueryMsg::Cadence { case: short(), author: PartyInfo::Institution(1) }, "case"),
        (QueryMsg::Disputes { case: short(), start_after: None, limit: None }, "case"),
        (
            QueryMsg::Disputes {
                case: HexBinary::from([1; 32]),
                start_after: Some(EntryKey { lane: short(), index: 0 }),
                limit: None,
            },
            "start_after",
        ),
        (QueryMsg::Marks { lane: short() }, "lane"),
        (
            QueryMsg::Conflicts {
                author: PartyInfo::Institution(1),
                start_after: Some(short()),
                limit: None,
            },
            "start_after",
        ),
    ] {
        let error = suite.ask_summary::<serde_json::Value>(&msg).unwrap_err();
        assert!(error.contains(&format!("{field}: expected 32 bytes, got 31")), "{error}");
    }
}

#[test]
fn lanes_are_paged_in_ascending_id_closed_ones_included() {
    let (mut suite, a, patient, mut lane) = with_lane(0);
    let case = patient.case();
    let total = MAX_LIMIT as usize + 2;
    let mut ids = vec![lane.id()];
    while ids.len() < total {
        let next = lane.successor(&format!("lane {}", ids.len()));
        let rotation = lane.rotation(&next);
        assert_eq!(suite.summary(&a.addr(), &rotations(vec![rotation])).unwrap().failed(), []);
        ids.push(next.id());
        lane = next;
    }
    // a neighbour whose lanes must not show up
    let other = suite.onboard(&a, "q");
    suite.open(&a, &Lane::content(&other.case(), &a, "x"));
    ids.sort();
    let ask = |after: Option<usize>, limit| -> Vec<_> {
        let after = after.map(|at: usize| ids[at]);
        let page: LanesResponse = suite.ask_summary(&QueryMsg::lanes(&case, after.as_ref(), limit)).unwrap();
        page.lanes.iter().map(|lane| lane.record().unwrap().0).collect()
    };
    assert_eq!(ask(None, None), ids[..DEFAULT_LIMIT as usize]);
    assert_eq!(ask(None, Some(MAX_LIMIT + 1)), ids[..MAX_LIMIT as usize]);
    assert_eq!(ask(Some(MAX_LIMIT as usize - 1), None), ids[MAX_LIMIT as usize..]);
    assert!(ask(Some(total - 1), None).is_empty());
}

#[test]
fn new_update_pending_accepted_and_the_rest() {
    let mut suite = Suite::new();
    let (a, b) = (suite.admit("A"), suite.admit("B"));
    let patient = suite.enrol(&a, "p");
    let case = patient.case();
    let word = |suite: &Suite| status(suite, &case, 1).status;
    assert_eq!(word(&suite), CareStatus::None);
    suite
        .ppr(&a.addr(), &ppr::ExecuteMsg::propose(&case, Some(&casewise_testkit::contracts::POLICY)))
        .unwrap();
    assert_eq!(word(&suite), CareStatus::New);
    let mut lane = Lane::content(&case, &a, "c");
    suite.open(&a, &lane);
    lane.append(3);
    suite.anchor(&a, &mut [&mut lane]).unwrap();
    assert_eq!(word(&suite), CareStatus::New);
    suite.ppr(&patient.addr(), &ppr::ExecuteMsg::accept(&case, 1)).unwrap();
    assert_eq!(word(&suite), CareStatus::UpdatePending);
    suite.summary(&patient.addr(), &ExecuteMsg::seen(&case, &[(lane.id(), 2)])).unwrap();
    let now = status(&suite, &case, 1);
    assert_eq!(now.status, CareStatus::UpdatePending);
    assert_eq!((now.lanes[0].lane_id().unwrap(), now.lanes[0].size, now.lanes[0].seen), (lane.id(), 3, 2));
    suite.summary(&patient.addr(), &ExecuteMsg::seen(&case, &[(lane.id(), 3)])).unwrap();
    assert_eq!(word(&suite), CareStatus::Accepted);
    // entries of the access lane are no update
    let mut access = Lane::access(&case, &a, "a");
    suite.open(&a, &access);
    access.append(2);
    suite.anchor(&a, &mut [&mut access]).unwrap();
    assert_eq!(word(&suite), CareStatus::Accepted);
    suspend(&mut suite, 1);
    assert_eq!(word(&suite), CareStatus::Suspended);
    resume(&mut suite, 1);
    assert_eq!(word(&suite), CareStatus::Accepted);
    assert_eq!(status(&suite, &case, b.number).status, CareStatus::None);
    suite.ppr(&patient.addr(), &ppr::ExecuteMsg::end(&case, 1)).unwrap();
    assert_eq!(word(&suite), CareStatus::Ended);
}

#[test]
fn a_closed_lane_stays_pending_until_all_of_it_is_seen() {
    let (mut suite, a, patient, mut first) = with_lane(3);
    let case = patient.case();
    let mut second = first.successor("second");
    let rotation = first.rotation(&second);
    suite.summary(&a.addr(), &rotations(vec![rotation])).unwrap();
    let now = status(&suite, &case, 1);
    assert_eq!((now.status, now.closed_unseen), (CareStatus::UpdatePending, 1));
    second.append(1);
    suite.anchor(&a, &mut [&mut second]).unwrap();
    suite.summary(&patient.addr(), &ExecuteMsg::seen(&case, &[(second.id(), 1)])).unwrap();
    // seen to its end before it closes: never counted
    send_close(&mut suite, &a, vec![second.item(1, 1)]).unwrap();
    let now = status(&suite, &case, 1);
    assert_eq!((now.status, now.closed_unseen, now.lanes.len()), (CareStatus::UpdatePending, 1, 0));
    suite.summary(&patient.addr(), &ExecuteMsg::seen(&case, &[(first.id(), 2)])).unwrap();
    assert_eq!(status(&suite, &case, 1).closed_unseen, 1);
    for _ in 0..2 {
        suite.summary(&patient.addr(), &ExecuteMsg::seen(&case, &[(first.id(), 3)])).unwrap();
    }
    let now = status(&suite, &case, 1);
    assert_eq!((now.status, now.closed_unseen), (CareStatus::Accepted, 0));
}

#[test]
fn disputes_are_paged_in_ascending_lane_and_index() {
    let (mut suite, a, patient, first) = with_lane(300);
    let case = patient.case();
    let mut second = Lane::content(&case, &a, "second");
    suite.open(&a, &second);
    second.append(300);
    suite.anchor(&a, &mut [&mut second]).unwrap();
    // a neighbour whose disputes must not show up
    let other = suite.onboard(&a, "q");
    let mut theirs = Lane::content(&other.case(), &a, "x");
    suite.open(&a, &theirs);
    theirs.append(1);
    suite.anchor(&a, &mut [&mut theirs]).unwrap();
    let dispute = |lane: &LaneId, index| ExecuteMsg::dispute(lane, index, DisputeCode::Incomplete);
    suite.summary(&other.addr(), &dispute(&theirs.id(), 0)).unwrap();
    let mut entries = Vec::new();
    // 255 and 256 stand in that order only when the index is big-endian
    for index in (0..14).chain([255, 256]) {
        for lane in [first.id(), second.id()] {
            suite.summary(&patient.addr(), &dispute(&lane, index)).unwrap();
            entries.push((lane, index));
        }
    }
    entries.sort();
    assert!(entries.len() > MAX_LIMIT as usize);
    let ask = |after: Option<usize>, limit| -> Vec<_> {
        let after = after.map(|at: usize| (&entries[at].0, entries[at].1));
        let page: DisputesResponse = suite.ask_summary(&QueryMsg::disputes(&case, after, limit)).unwrap();
        page.disputes.iter().map(|dispute| dispute.record().unwrap().0).collect()
    };
    assert_eq!(ask(None, None), entries[..DEFAULT_LIMIT as usize]);
    assert_eq!(ask(None, Some(MAX_LIMIT + 1)), entries[..MAX_LIMIT as usize]);
    assert_eq!(ask(Some(MAX_LIMIT as usize - 1), None), entries[MAX_LIMIT as usize..]);
    assert_eq!(ask(Some(7), Some(2)), entries[8..10]);
    assert!(ask(Some(entries.len() - 1), None).is_empty());
}
