//! WindUp.

use casewise_ledger::{
    encode,
    records::{ns, record_key, CaseRecord, CaseStatus, LaneStatus},
    V1,
};
use casewise_protocol::{
    page::MAX_LIMIT,
    ppr::{self, Power},
    rules::{LaneFault, DEFAULT_GRACE},
    summary::ExecuteMsg,
    Event,
};
use casewise_testkit::contracts::{addr, key, rotations, Lane, Suite, POLICY};

use crate::{
    case_status, delegate, failure, idle, join, onboarded, open_as, own_lane, proposed_case, recoverable,
    refused, resume, send_anchor, send_close, start_recovery, stranger, suspend, until, with_lane, words,
};

const GRACE_MS: u64 = POLICY.grace as u64 * 1000;

#[test]
fn every_open_content_lane_of_every_author_gets_a_deadline() {
    let (mut suite, a, patient) = onboarded();
    let case = patient.case();
    let (b, c) = (join(&mut suite, &patient, "B"), join(&mut suite, &patient, "C"));
    let (open, closed) = (Lane::content(&case, &a, "open"), Lane::content(&case, &a, "closed"));
    let (access, theirs) = (Lane::access(&case, &a, "access"), Lane::content(&case, &b, "b"));
    let early = Lane::content(&case, &c, "c");
    let own = own_lane(&case, &patient.key.address(), "own");
    for (author, lane) in [(&a, &open), (&a, &closed), (&a, &access), (&b, &theirs), (&c, &early)] {
        suite.open(author, lane);
    }
    open_as(&mut suite, &patient.addr(), &[&own]).unwrap();
    send_close(&mut suite, &a, vec![closed.item(0, 0)]).unwrap();
    suite.ppr(&patient.addr(), &ppr::ExecuteMsg::end(&case, c.number)).unwrap();
    let earlier = suite.lane(&early.id()).due.unwrap().u64();

    let done = suite.summary(&patient.addr(), &ExecuteMsg::wind_up(&case)).unwrap();
    let deadline = suite.now() + GRACE_MS;
    let closing = |lane: &Lane| Event::LaneClosing { lane: lane.id(), deadline };
    assert_eq!(
        done.events(),
        [Event::CaseClosing { case, deadline }, closing(&open), closing(&theirs), closing(&own)],
        "institutions first, then accounts"
    );
    let expected = CaseRecord {
        version: V1,
        status: CaseStatus::Closing,
        open: 4,
        digest: crate::digest(&suite, &case),
        height: suite.height(),
    };
    assert_eq!(suite.raw(&suite.summary, record_key(ns::CASE, &case.0)), Some(encode(&expected)));
    let due = Some(deadline.to_be_bytes().to_vec());
    assert_eq!(suite.raw(&suite.summary, record_key(ns::DUE, &case.0)), due);
    assert_eq!(suite.case(&case).due.unwrap().u64(), deadline);
    for lane in [&open, &theirs, &own] {
        let info = suite.lane(&lane.id());
        assert_eq!(info.record().unwrap().1.status, LaneStatus::Closing);
        assert_eq!(info.due.unwrap().u64(), deadline);
    }
    assert_eq!(suite.lane(&early.id()).due.unwrap().u64(), earlier, "it keeps its earlier one");
    assert_eq!(suite.lane(&access.id()).record().unwrap().1.status, LaneStatus::Open);
    assert_eq!(suite.lane(&closed.id()).record().unwrap().1.status, LaneStatus::Closed);
}

#[test]
fn content_ends_at_the_deadline_and_reads_go_on() {
    let (mut suite, a, patient, mut lane) = with_lane(3);
    let case = patient.case();
    let mut access = Lane::access(&case, &a, "access");
    suite.open(&a, &access);
    suite.summary(&a.addr(), &ExecuteMsg::wind_up(&case)).unwrap();
    let deadline = suite.case(&case).due.unwrap().u64();
    lane.append(3);
    let next = lane.successor("next");
    let rotated = suite.summary(&a.addr(), &rotations(vec![lane.clone().rotation(&next)])).unwrap();
    assert_eq!(rotated.failed(), [failure(0, LaneFault::Closing)]);
    until(&mut suite, deadline - 1);
    assert_eq!(send_anchor(&mut suite, &a, vec![lane.item(3, 5)]).unwrap().failed(), []);
    let late = send_anchor(&mut suite, &a, vec![lane.item(5, 6)]).unwrap();
    assert_eq!(late.failed(), [failure(0, LaneFault::Overdue)]);
    let later = access.successor("later");
    assert_eq!(suite.summary(&a.addr(), &rotations(vec![access.rotation(&later)])).unwrap().failed(), []);
    let done = suite.summary(&stranger(), &ExecuteMsg::close_overdue(&[lane.id()])).unwrap();
    assert_eq!(done.failed(), []);
    assert_eq!((suite.lane(&lane.id()).size, suite.case(&case).open), (5, 0));
}

#[test]
fn who_may() {
    // each of these may, in a case of its own
    for who in ["holder", "delegate", "operator"] {
        let (mut suite, a, patient, _) = with_lane(1);
        let sender = match who {
            "holder" => patient.addr(),
            "delegate" => delegate(&mut suite, &patient, "d", &[Power::Completion]),
            _ => a.addr(),
        };
        suite.summary(&sender, &ExecuteMsg::wind_up(&patient.case())).unwrap();
        assert_eq!(case_status(&suite, &patient.case()), CaseStatus::Closing, "{who}");
    }
    let (mut suite, a, patient, _) = with_lane(1);
    let case = patient.case();
    let msg = ExecuteMsg::wind_up(&case);
    let b = suite.admit("B");
    refused(&mut suite, &b.addr(), &msg, &words::not_in_force(2));
    suite.ppr(&b.addr(), &ppr::ExecuteMsg::propose(&case, None)).unwrap();
    refused(&mut suite, &b.addr(), &msg, &words::not_in_force(2));
    suite.ppr(&patient.addr(), &ppr::ExecuteMsg::accept(&case, 2)).unwrap();
    suite.ppr(&patient.addr(), &ppr::ExecuteMsg::suspend(&case, 2)).unwrap();
    refused(&mut suite, &b.addr(), &msg, &words::not_in_force(2));
    suite.ppr(&patient.addr(), &ppr::ExecuteMsg::resume(&case, 2)).unwrap();
    suspend(&mut suite, 2);
    refused(&mut suite, &b.addr(), &msg, &words::suspended(2));
    resume(&mut suite, 2);
    suite.ppr(&patient.addr(), &ppr::ExecuteMsg::end(&case, 2)).unwrap();
    refused(&mut suite, &b.addr(), &msg, &words::not_in_force(2));
    let every_other =
        [Power::Relationships, Power::Grants, Power::Revocations, Power::Acknowledgements, Power::Disputes];
    let weak = delegate(&mut suite, &patient, "weak", &every_other);
    refused(&mut suite, &weak, &msg, &words::power("completion"));
    let other = suite.onboard(&a, "q");
    for sender in [stranger(), other.addr(), suite.authority.clone(), suite.ppr.clone()] {
        refused(&mut suite, &sender, &msg, words::NOT_INVOLVED);
    }
}

#[test]
fn a_delegate_of_the_former_holder_may_not() {
    let (mut suite, _, patient, _) = with_lane(1);
    let former = delegate(&mut suite, &patient, "d", &[Power::Completion]);
    suite.rotate(&patient.case(), "p2");
    let msg = ExecuteMsg::wind_up(&patient.case());
    refused(&mut suite, &former, &msg, words::NOT_INVOLVED);
    refused(&mut suite, &patient.addr(), &msg, words::NOT_INVOLVED);
}

#[test]
fn an_operator_with_a_relationship_needs_no_power() {
    let (mut suite, _, patient, _) = with_lane(1);
    let account = delegate(&mut suite, &patient, "both", &[Power::Grants]);
    let add = casewise_protocol::registrar::ExecuteMsg::AddOperator {
        institution: 1,
        account: account.to_string(),
    };
    let authority = suite.authority.clone();
    suite.registrar(&authority, &add).unwrap();
    suite.summary(&account, &ExecuteMsg::wind_up(&patient.case())).unwrap();
}

#[test]
fn while_a_recovery_runs_only_institutions_may() {
    let (mut suite, a, patient) = recoverable();
    let case = patient.case();
    suite.open(&a, &Lane::content(&case, &a, "c"));
    let proxy = delegate(&mut suite, &patient, "d", &[Power::Completion]);
    start_recovery(&mut suite, &case);
    for sender in [patient.addr(), proxy] {
        refused(&mut suite, &sender, &ExecuteMsg::wind_up(&case), words::RECOVERING);
    }
    suite.summary(&a.addr(), &ExecuteMsg::wind_up(&case)).unwrap();
}

#[test]
fn the_same_again_changes_nothing() {
    let (mut suite, a, patient, lane) = with_lane(1);
    let case = patient.case();
    let msg = ExecuteMsg::wind_up(&case);
    suite.summary(&patient.addr(), &msg).unwrap();
    idle(&mut suite, &patient.addr(), &msg);
    idle(&mut suite, &a.addr(), &msg);
    send_close(&mut suite, &a, vec![lane.item(1, 1)]).unwrap();
    idle(&mut suite, &a.addr(), &msg);
    let (mut suite, _, patient, _, digest) = proposed_case();
    let (case, holder) = (patient.case(), patient.addr());
    idle(&mut suite, &holder, &ExecuteMsg::wind_up(&case));
    suite.summary(&holder, &ExecuteMsg::approve_completion(&case, &digest)).unwrap();
    idle(&mut suite, &holder, &ExecuteMsg::wind_up(&case));
}

#[test]
fn a_case_without_lanes_or_identity() {
    let (mut suite, a, patient) = onboarded();
    refused(&mut suite, &patient.addr(), &ExecuteMsg::wind_up(&patient.case()), words::NO_LANES);
    let unknown = casewise_ledger::CaseId([9; 32]);
    refused(&mut suite, &patient.addr(), &ExecuteMsg::wind_up(&unknown), words::NO_IDENTITY);
    let short = ExecuteMsg::WindUp { case: cosmwasm_std::HexBinary::from([1; 31]) };
    let words = "case: expected 32 bytes, got 31; send the whole value in hexadecimal";
    refused(&mut suite, &patient.addr(), &short, words);
    // an access lane is a lane
    suite.open(&a, &Lane::access(&patient.case(), &a, "a"));
    let done = suite.summary(&patient.addr(), &ExecuteMsg::wind_up(&patient.case())).unwrap();
    assert_eq!(done.events().len(), 1);
}

#[test]
fn without_a_policy_a_day_is_left() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.enrol(&a, "p");
    let own = own_lane(&patient.case(), &patient.key.address(), "own");
    open_as(&mut suite, &patient.addr(), &[&own]).unwrap();
    suite.summary(&patient.addr(), &ExecuteMsg::wind_up(&patient.case())).unwrap();
    let due = suite.lane(&own.id()).due.unwrap().u64();
    assert_eq!(due, suite.now() + u64::from(DEFAULT_GRACE) * 1000);
}

#[test]
fn the_last_of_more_authors_than_a_page_is_reached() {
    let (mut suite, a, patient) = onboarded();
    let case = patient.case();
    let mut authors = vec![a];
    while authors.len() <= MAX_LIMIT as usize {
        authors.push(join(&mut suite, &patient, &format!("I{}", authors.len())));
    }
    for author in &authors {
        suite.open(author, &Lane::access(&case, author, &format!("a{}", author.number)));
    }
    let own = own_lane(&case, &patient.key.address(), "own");
    open_as(&mut suite, &patient.addr(), &[&own]).unwrap();
    suite.summary(&patient.addr(), &ExecuteMsg::wind_up(&case)).unwrap();
    assert!(suite.lane(&own.id()).due.is_some());
}

#[test]
fn lanes_of_former_holders_need_no_deadline_and_make_it_no_dearer() {
    let (mut suite, _, patient, lane) = with_lane(1);
    let case = patient.case();
    let own = own_lane(&case, &patient.key.address(), "own");
    open_as(&mut suite, &patient.addr(), &[&own]).unwrap();
    suite.rotate(&case, "p2");
    let now = addr(&key("p2").address());
    let mut present = own_lane(&case, &key("p2").address(), "present");
    present.header.epoch = 1;
    open_as(&mut suite, &now, &[&present]).unwrap();
    suite.summary(&now, &ExecuteMsg::wind_up(&case)).unwrap();
    for (id, status) in
        [(lane.id(), LaneStatus::Closing), (present.id(), LaneStatus::Closing), (own.id(), LaneStatus::Open)]
    {
        assert_eq!(LaneStatus::from(suite.lane(&id).status), status);
    }
    // anyone closes what a former holder left
    let done = suite.summary(&stranger(), &ExecuteMsg::close_overdue(&[own.id()])).unwrap();
    assert_eq!(done.failed(), []);
    assert_eq!(LaneStatus::from(suite.lane(&own.id()).status), LaneStatus::Closed);
}
