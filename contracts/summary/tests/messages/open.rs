//! Open.

use casewise_ledger::{
    encode,
    records::{ns, record_key, CaseRecord, CaseStatus, LaneRecord, LaneStatus},
    Class, Head, LaneHeader, LaneId, Party, V1,
};
use casewise_protocol::{
    ppr,
    rules::MAX_OPEN_LANES,
    summary::{ExecuteMsg, MAX_OPEN},
    Event,
};
use casewise_testkit::contracts::{Lane, Suite};
use cosmwasm_std::Binary;

use crate::{end, onboarded, send_close, suspend};

fn open(lanes: &[&Lane]) -> ExecuteMsg {
    ExecuteMsg::open(&lanes.iter().map(|lane| lane.header.clone()).collect::<Vec<_>>())
}

#[test]
fn content_and_access_lane_with_the_frozen_records() {
    let (mut suite, a, patient) = onboarded();
    let case = patient.case();
    let (content, access) = (Lane::content(&case, &a, "c"), Lane::access(&case, &a, "a"));
    let done = suite.summary(&a.addr(), &open(&[&content, &access])).unwrap();
    let opened = |lane: &Lane| Event::LaneOpened { header: lane.header.clone() };
    assert_eq!(done.events(), [opened(&content), opened(&access)]);

    let Head { size, root } = Head::empty();
    for (lane, class) in [(&content, Class::Content), (&access, Class::Access)] {
        let expected = LaneRecord {
            version: V1,
            status: LaneStatus::Open,
            class,
            case,
            author: Party::Institution(1),
            signer: None,
            size,
            root,
            height: suite.height(),
            time: suite.now(),
            seen: 0,
        };
        let raw = suite.raw(&suite.summary, record_key(ns::LANE, &lane.id().0));
        assert_eq!(raw, Some(encode(&expected)));
        assert_eq!(suite.lane(&lane.id()).record().unwrap(), (lane.id(), expected));
    }
    let expected = CaseRecord {
        version: V1,
        status: CaseStatus::Open,
        open: 1,
        digest: [0; 32],
        height: suite.height(),
    };
    assert_eq!(suite.raw(&suite.summary, record_key(ns::CASE, &case.0)), Some(encode(&expected)));
}

#[test]
fn the_same_again_changes_nothing() {
    let (mut suite, a, patient) = onboarded();
    let case = patient.case();
    let (content, access) = (Lane::content(&case, &a, "c"), Lane::access(&case, &a, "a"));
    suite.summary(&a.addr(), &open(&[&content, &access])).unwrap();
    let before = suite.dump(&suite.summary);
    for lanes in [vec![&content, &access], vec![&access], vec![&content, &content]] {
        assert_eq!(suite.summary(&a.addr(), &open(&lanes)).unwrap().events(), []);
    }
    // also when no new lane could be opened any more
    end(&mut suite, &patient);
    assert_eq!(suite.summary(&a.addr(), &open(&[&access])).unwrap().events(), []);
    let count = |state: &[(Vec<u8>, Vec<u8>)]| state.len();
    assert_eq!(count(&suite.dump(&suite.summary)), count(&before) + 1, "only the deadline is new");
}

#[test]
fn the_enrolling_institution_writes_while_it_is_proposed_and_no_other_does() {
    let mut suite = Suite::new();
    let (a, b) = (suite.admit("A"), suite.admit("B"));
    let patient = suite.propose(&a, "p");
    let case = patient.case();
    let (of_a, of_b) = (Lane::content(&case, &a, "c"), Lane::content(&case, &b, "c"));
    let not_in_force =
        "case: the relationship with institution 2 is not in force; the holder must accept it first";
    assert_eq!(suite.summary(&b.addr(), &open(&[&of_b])).unwrap_err(), not_in_force);
    suite.ppr(&b.addr(), &ppr::ExecuteMsg::propose(&case, None)).unwrap();
    assert_eq!(suite.summary(&b.addr(), &open(&[&of_b])).unwrap_err(), not_in_force);
    suite.summary(&a.addr(), &open(&[&of_a])).unwrap();
    suite.ppr(&patient.addr(), &ppr::ExecuteMsg::accept(&case, 2)).unwrap();
    suite.summary(&b.addr(), &open(&[&of_b])).unwrap();
    assert_eq!(suite.case(&case).open, 2);
}

#[test]
fn not_after_the_end_not_suspended_not_unknown() {
    let (mut suite, a, patient) = onboarded();
    let lane = Lane::content(&patient.case(), &a, "c");
    suspend(&mut suite, 1);
    assert_eq!(
        suite.summary(&a.addr(), &open(&[&lane])).unwrap_err(),
        "sender: institution 1 is suspended; ask the consortium to resume it"
    );
    crate::resume(&mut suite, 1);
    end(&mut suite, &patient);
    assert_eq!(
        suite.summary(&a.addr(), &open(&[&lane])).unwrap_err(),
        "case: the relationship with institution 1 is not in force; the holder must accept it first"
    );
    let unknown = Lane::content(&casewise_ledger::CaseId([9; 32]), &a, "c");
    assert_eq!(
        suite.summary(&a.addr(), &open(&[&unknown])).unwrap_err(),
        "case: no identity is enrolled for it; enrol the case at the registrar first"
    );
}

#[test]
fn one_case_in_force_opens_no_other() {
    let (mut suite, a, patient) = onboarded();
    let b = suite.admit("B");
    let theirs = suite.onboard(&b, "q");
    let (mine, foreign) = (Lane::content(&patient.case(), &a, "c"), Lane::content(&theirs.case(), &a, "d"));
    let before = suite.dump(&suite.summary);
    for lanes in [[&mine, &foreign], [&foreign, &mine]] {
        assert_eq!(
            suite.summary(&a.addr(), &open(&lanes)).unwrap_err(),
            "case: the relationship with institution 1 is not in force; the holder must accept it first"
        );
    }
    assert_eq!(suite.dump(&suite.summary), before);
}

#[test]
fn a_case_that_is_not_open_takes_access_lanes_only() {
    let (mut suite, a, patient, lane) = crate::with_lane(1);
    let case = patient.case();
    let digest = crate::wind_up_and_close(&mut suite, &a, &patient, &lane);
    let propose = ExecuteMsg::propose_completion(&case, &digest);
    let approve = ExecuteMsg::approve_completion(&case, &digest);
    let mut access = Lane::access(&case, &a, "access");
    suite.open(&a, &access);
    for (status, next) in [
        (CaseStatus::Closing, Some(propose)),
        (CaseStatus::Proposed, Some(approve)),
        (CaseStatus::Completed, None),
    ] {
        assert_eq!(crate::case_status(&suite, &case), status);
        crate::refused(
            &mut suite,
            &a.addr(),
            &open(&[&Lane::content(&case, &a, "d")]),
            "case: is closing or completed and takes no new lanes; corrections go to a new case that amends it",
        );
        // reads go on: the access lane is rotated, closed and opened anew
        let mut later = access.successor(&format!("{status:?}"));
        let rotation = access.rotation(&later);
        let rotated = suite.summary(&a.addr(), &casewise_testkit::contracts::rotations(vec![rotation]));
        assert_eq!(rotated.unwrap().failed(), []);
        later.append(1);
        assert_eq!(suite.anchor(&a, &mut [&mut later]).unwrap().failed(), []);
        assert_eq!(send_close(&mut suite, &a, vec![later.item(1, 1)]).unwrap().failed(), []);
        access = Lane::access(&case, &a, &format!("after {status:?}"));
        suite.open(&a, &access);
        if let Some(next) = next {
            suite.summary(&patient.addr(), &next).unwrap();
        }
    }
    assert_eq!(crate::digest(&suite, &case), digest, "access lanes are no part of it");
}

#[test]
fn headers_are_checked_and_it_is_all_or_none() {
    let (mut suite, a, patient) = onboarded();
    let b = suite.admit("B");
    let case = patient.case();
    let good = Lane::content(&case, &a, "good").header;
    let with = |change: &dyn Fn(&mut LaneHeader)| {
        let mut changed = good.clone();
        changed.nonce = [1; 16];
        change(&mut changed);
        changed
    };
    let before = suite.dump(&suite.summary);
    for (header, words) in [
        (
            with(&|h| h.author = Party::Account(patient.key.address())),
            "headers.author: differs from the other headers of the message; send one message per author",
        ),
        (
            with(&|h| h.author = Party::Institution(b.number)),
            "headers.author: differs from the other headers of the message; send one message per author",
        ),
        (with(&|h| h.minimum = 64), "headers.minimum: must be 1024, or 64 with a signer"),
        (with(&|h| h.minimum = 1025), "headers.minimum: must be 1024, or 64 with a signer"),
        (with(&|h| h.signer = Some([1; 32])), "headers.minimum: must be 1024, or 64 with a signer"),
        (with(&|h| h.epoch = 1), "headers.epoch: the case's key has epoch 0; make the header for that key"),
        (
            with(&|h| h.predecessor = Some(LaneId([1; 32]))),
            "headers.predecessor: a lane that goes on from another is opened by rotate; leave it out",
        ),
    ] {
        let msg = ExecuteMsg::open(&[good.clone(), header]);
        assert_eq!(suite.summary(&a.addr(), &msg).unwrap_err(), words);
    }
    let bytes = encode(&good);
    for wrong in [vec![], bytes[1..].to_vec(), [&bytes[..], &[0]].concat(), [&[2], &bytes[1..]].concat()] {
        let msg = ExecuteMsg::Open { headers: vec![Binary::from(wrong)] };
        assert_eq!(
            suite.summary(&a.addr(), &msg).unwrap_err(),
            "headers: not the canonical borsh encoding; send the bytes exactly as FORMAT.md gives them"
        );
    }
    assert_eq!(suite.dump(&suite.summary), before);
}

#[test]
fn limits_of_the_message() {
    let (mut suite, a, _) = onboarded();
    let names: Vec<String> = (0..=MAX_OPEN).map(|n| format!("p{n}")).collect();
    let lanes: Vec<Lane> =
        names.iter().map(|name| Lane::content(&suite.onboard(&a, name).case(), &a, name)).collect();
    let lanes: Vec<&Lane> = lanes.iter().collect();
    assert_eq!(
        suite.summary(&a.addr(), &open(&lanes)).unwrap_err(),
        "headers: 65 items, at most 64 are allowed; split the message"
    );
    assert_eq!(suite.summary(&a.addr(), &open(&lanes[..MAX_OPEN])).unwrap().events().len(), MAX_OPEN);
    assert_eq!(suite.summary(&a.addr(), &open(&[])).unwrap_err(), "headers: no items; send at least one");
}

#[test]
fn sixteen_content_lanes_and_one_access_lane() {
    let (mut suite, a, patient) = onboarded();
    let case = patient.case();
    let lanes: Vec<Lane> = (0..=MAX_OPEN_LANES).map(|n| Lane::content(&case, &a, &format!("c{n}"))).collect();
    for lane in &lanes[..MAX_OPEN_LANES] {
        suite.open(&a, lane);
    }
    let one_more = open(&[&lanes[MAX_OPEN_LANES]]);
    assert_eq!(
        suite.summary(&a.addr(), &one_more).unwrap_err(),
        "headers: at most 16 content lanes of an author in a case are open at once; close one first"
    );
    suite.open(&a, &Lane::access(&case, &a, "a"));
    assert_eq!(
        suite.summary(&a.addr(), &open(&[&Lane::access(&case, &a, "b")])).unwrap_err(),
        "headers: the author has an open access lane in this case; rotate it instead"
    );
    send_close(&mut suite, &a, vec![lanes[0].item(0, 0)]).unwrap();
    suite.summary(&a.addr(), &one_more).unwrap();
    assert_eq!(suite.case(&case).open as usize, MAX_OPEN_LANES);
    // another case has its own count
    let other = suite.onboard(&a, "q").case();
    suite.open(&a, &Lane::content(&other, &a, "x"));
}

#[test]
fn so_many_content_lanes_of_a_case_whoever_writes_them() {
    use casewise_protocol::summary::MAX_CASE_LANES;
    let (mut suite, a, patient) = onboarded();
    let case = patient.case();
    let mut authors = vec![a];
    while authors.len() * MAX_OPEN_LANES < MAX_CASE_LANES as usize {
        authors.push(crate::join(&mut suite, &patient, &format!("I{}", authors.len())));
    }
    let mut lanes = Vec::new();
    for author in &authors {
        let of: Vec<Lane> = (0..MAX_OPEN_LANES)
            .map(|n| Lane::content(&case, author, &format!("{}-{n}", author.number)))
            .collect();
        suite.summary(&author.addr(), &open(&of.iter().collect::<Vec<_>>())).unwrap();
        lanes.extend(of);
    }
    assert_eq!(suite.case(&case).open, MAX_CASE_LANES);
    let full = "headers: at most 256 content lanes of a case are open at once; close one first";
    let own = crate::own_lane(&case, &patient.key.address(), "own");
    let last = crate::join(&mut suite, &patient, "last");
    let theirs = Lane::content(&case, &last, "x");
    crate::refused(&mut suite, &patient.addr(), &open(&[&own]), full);
    crate::refused(&mut suite, &last.addr(), &open(&[&theirs]), full);
    // access lanes are not counted, and a rotation takes no more room
    suite.open(&last, &Lane::access(&case, &last, "access"));
    let next = lanes[0].successor("next");
    let rotation = lanes[0].rotation(&next);
    let rotated = suite.summary(&authors[0].addr(), &casewise_testkit::contracts::rotations(vec![rotation]));
    assert_eq!(rotated.unwrap().failed(), []);
    // one that closes makes room for one
    send_close(&mut suite, &authors[0], vec![next.item(0, 0)]).unwrap();
    suite.summary(&patient.addr(), &open(&[&own])).unwrap();
    crate::refused(&mut suite, &last.addr(), &open(&[&theirs]), full);
    // winding up reaches every one of them
    let done = suite.summary(&patient.addr(), &ExecuteMsg::wind_up(&case)).unwrap();
    assert_eq!(done.events().len(), 1 + MAX_CASE_LANES as usize);
}
