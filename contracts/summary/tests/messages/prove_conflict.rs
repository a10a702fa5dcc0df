//! ProveConflict.

use casewise_ledger::{
    account::AccountKey,
    conflict::MAX_PATH,
    encode,
    merkle::{self, NodeId, ProofPlan},
    records::{ns, record_key, ConflictRecord},
    sha256, ConflictProof, ConflictSide, Hash, Head, HeadGiven, LaneId, V1,
};
use casewise_protocol::{
    convert::PartyInfo,
    registrar,
    summary::{ConflictsResponse, ExecuteMsg, MarksResponse, QueryMsg},
    Event,
};
use casewise_testkit::contracts::{addr, high_s, key, Lane, Suite, PREFIX};
use cosmwasm_std::Binary;
use ed25519_zebra::SigningKey;

use crate::{
    device, end, idle, of_device, open_as, own_lane, refused, send_anchor, send_close, sign, stranger,
    suspend, with_lane, words,
};

const TIME: u64 = 1_735_689_600_000;
const NOT_ANCHORED: &str =
    "proof.sides: a head is not the one that is anchored now; give the author's signature over it";
const KEY: &str = "proof.sides.key: neither of a present operator of the author nor the author's own; give a head that one of them signed";
const SIGNATURE: &str = "proof.sides.sig: does not verify over this head, or has a high s; give the signature of the lane's author, 64 bytes with low s";
const REST: &str =
    "send two heads of the lane with different leaves at one index, each with its inclusion path";

fn path(leaves: &[Hash], index: u32, size: u32) -> Vec<Hash> {
    let subtree = |id: NodeId| {
        let start = (id.index as usize) << id.level;
        leaves.get(start..start + (1 << id.level)).map(merkle::root)
    };
    ProofPlan::inclusion(index, size).unwrap().assemble(subtree).unwrap()
}

/// What the first `size` leaves have at `index`, as anchored.
fn side(leaves: &[Hash], index: u32, size: u32) -> ConflictSide {
    ConflictSide {
        size,
        root: merkle::root(&leaves[..size as usize]),
        leaf: leaves[index as usize],
        path: path(leaves, index, size),
        given: HeadGiven::Anchored,
    }
}

/// The side with an account's signature over its head.
fn signed(mut side: ConflictSide, lane: &LaneId, key: &AccountKey) -> ConflictSide {
    let sig = key.sign(&side.head().operator_digest(lane, TIME));
    side.given = HeadGiven::Account { time: TIME, key: key.public().0, sig };
    side
}

/// The side with a device's signature over its head.
fn of_pen(mut side: ConflictSide, lane: &LaneId, pen: &SigningKey) -> ConflictSide {
    let sig = pen.sign(&side.head().message(lane, TIME)).into();
    side.given = HeadGiven::Device { time: TIME, sig };
    side
}

fn proof(lane: &LaneId, index: u32, one: ConflictSide, other: ConflictSide) -> ConflictProof {
    ConflictProof { version: V1, lane: *lane, index, sides: [one, other] }
}

/// The same lane written anew from entry `from` on.
fn fork(lane: &Lane, from: usize) -> Vec<Hash> {
    let mut leaves = lane.leaves[..from].to_vec();
    leaves.extend(lane.leaves[from..].iter().map(|leaf| sha256(&[b"forked", leaf])));
    leaves
}

fn marks(suite: &Suite, lane: &LaneId) -> MarksResponse {
    suite.ask_summary(&QueryMsg::marks(lane)).unwrap()
}

fn conflicts(suite: &Suite, author: PartyInfo) -> Vec<LaneId> {
    let page: ConflictsResponse = suite.ask_summary(&QueryMsg::conflicts(author, None, None)).unwrap();
    page.lanes.iter().map(|lane| LaneId::try_from(lane.as_slice()).unwrap()).collect()
}

#[test]
fn the_anchored_head_and_another_that_an_operator_signed() {
    let (mut suite, a, patient, mut lane) = with_lane(5);
    let forked = fork(&lane, 3);
    let id = lane.id();
    let good = proof(&id, 3, side(&lane.leaves, 3, 5), signed(side(&forked, 3, 5), &id, &a.key));
    let msg = ExecuteMsg::prove_conflict(&good);
    let done = suite.summary(&stranger(), &msg).unwrap();
    assert_eq!(done.events(), [Event::ConflictProven { lane: id, index: 3 }]);
    let expected = ConflictRecord { version: V1, index: 3, height: suite.height(), time: suite.now() };
    let raw = suite.raw(&suite.summary, record_key(ns::CONFLICT, &id.0));
    assert_eq!(raw, Some(encode(&expected)));
    let found = marks(&suite, &id);
    assert_eq!((found.conflict.unwrap().conflict(), found.compromised), (expected, None));
    assert_eq!(conflicts(&suite, PartyInfo::Institution(1)), [id]);
    assert!(conflicts(&suite, PartyInfo::Institution(2)).is_empty());
    // again, by anyone, the sides swapped, at another index: the first mark stays
    let swapped = proof(&id, 3, good.sides[1].clone(), good.sides[0].clone());
    let other = proof(&id, 4, side(&lane.leaves, 4, 5), signed(side(&forked, 4, 5), &id, &a.key));
    for again in [&good, &swapped, &other] {
        idle(&mut suite, &patient.addr(), &ExecuteMsg::prove_conflict(again));
    }
    // the lane is marked, not stopped
    lane.append(1);
    assert_eq!(suite.anchor(&a, &mut [&mut lane]).unwrap().failed(), []);
    // and what is no proof is none of a marked lane either
    let stale = ExecuteMsg::prove_conflict(&good);
    refused(&mut suite, &stranger(), &stale, NOT_ANCHORED);
}

#[test]
fn two_signed_heads_of_any_sizes_whatever_is_anchored() {
    for (one, other, index) in [(1, 1, 0), (4, 9, 3), (9, 4, 0), (7, 8, 6), (9, 9, 8)] {
        let (mut suite, a, _, mut lane) = with_lane(0);
        lane.append(9);
        let (id, forked) = (lane.id(), fork(&lane, index as usize));
        let good = proof(
            &id,
            index,
            signed(side(&lane.leaves, index, one), &id, &a.key),
            signed(side(&forked, index, other), &id, &a.key),
        );
        suite.summary(&stranger(), &ExecuteMsg::prove_conflict(&good)).unwrap();
        assert_eq!(marks(&suite, &id).conflict.unwrap().index, index);
    }
}

#[test]
fn a_device_that_signed_two_histories() {
    let (mut suite, a, patient, _) = with_lane(0);
    let pen = device(7);
    let mut lane = of_device(Lane::content(&patient.case(), &a, "device"), &pen);
    suite.open(&a, &lane);
    lane.append(4);
    let (id, forked) = (lane.id(), fork(&lane, 2));
    let anchored = sign(lane.item(0, 4), &pen, 9);
    assert_eq!(send_anchor(&mut suite, &a, vec![anchored]).unwrap().failed(), []);
    let (one, other) = (side(&lane.leaves, 2, 4), side(&forked, 2, 3));
    let send = |other: ConflictSide| ExecuteMsg::prove_conflict(&proof(&id, 2, one.clone(), other));
    refused(&mut suite, &stranger(), &send(of_pen(other.clone(), &id, &device(8))), SIGNATURE);
    let mut flipped = of_pen(other.clone(), &id, &pen);
    let HeadGiven::Device { sig, .. } = &mut flipped.given else { unreachable!() };
    sig[0] ^= 1;
    refused(&mut suite, &stranger(), &send(flipped), SIGNATURE);
    let mut later = of_pen(other.clone(), &id, &pen);
    let HeadGiven::Device { time, .. } = &mut later.given else { unreachable!() };
    *time += 1;
    refused(&mut suite, &stranger(), &send(later), SIGNATURE);
    suite.summary(&stranger(), &send(of_pen(other.clone(), &id, &pen))).unwrap();
    // a device's key may be in other hands: the lane is marked, not yet its author
    assert!(marks(&suite, &id).conflict.is_some());
    assert!(conflicts(&suite, PartyInfo::Institution(1)).is_empty());
    // the operator's signature over the other history tells of the author
    let own = send(signed(other.clone(), &id, &a.key));
    suite.summary(&stranger(), &own).unwrap();
    assert_eq!(conflicts(&suite, PartyInfo::Institution(1)), [id]);
    idle(&mut suite, &stranger(), &own);
}

#[test]
fn a_device_in_other_hands_marks_nothing() {
    let (mut suite, a, patient, _) = with_lane(0);
    let pen = device(7);
    let lane = of_device(Lane::content(&patient.case(), &a, "device"), &pen);
    suite.open(&a, &lane);
    let id = lane.id();
    suite.summary(&a.addr(), &ExecuteMsg::compromised(&id, 0)).unwrap();
    let mut thief = lane.clone();
    thief.append(1);
    let forked = fork(&thief, 0);
    let sides = [side(&thief.leaves, 0, 1), side(&forked, 0, 1)].map(|side| of_pen(side, &id, &pen));
    let [one, other] = sides;
    let msg = ExecuteMsg::prove_conflict(&proof(&id, 0, one, other));
    refused(&mut suite, &stranger(), &msg, "proof.sides: the device's key was in other hands from entry 0 on; give heads that the author itself gave");
}

#[test]
fn a_lane_without_a_device_has_no_devices_heads() {
    let (mut suite, _, _, lane) = with_lane(3);
    let (id, forked) = (lane.id(), fork(&lane, 1));
    let bad = proof(&id, 1, side(&lane.leaves, 1, 3), of_pen(side(&forked, 1, 3), &id, &device(7)));
    let words = "lane: has no device that signs; name a device lane";
    refused(&mut suite, &stranger(), &ExecuteMsg::prove_conflict(&bad), words);
}

#[test]
fn an_account_that_wrote_two_histories_of_its_own_lane() {
    let (mut suite, a, patient, _) = with_lane(0);
    let mut lane = own_lane(&patient.case(), &patient.key.address(), "own");
    open_as(&mut suite, &patient.addr(), &[&lane]).unwrap();
    lane.append(3);
    let (id, forked) = (lane.id(), fork(&lane, 0));
    let send = |key: &AccountKey| {
        let one = signed(side(&lane.leaves, 0, 3), &id, key);
        ExecuteMsg::prove_conflict(&proof(&id, 0, one, signed(side(&forked, 0, 2), &id, key)))
    };
    for foreign in [a.key.clone(), key("stranger")] {
        refused(&mut suite, &stranger(), &send(&foreign), KEY);
    }
    suite.summary(&stranger(), &send(&patient.key)).unwrap();
    let author = PartyInfo::new(PREFIX, &lane.header.author).unwrap();
    assert_eq!(conflicts(&suite, author), [id]);
    assert!(conflicts(&suite, PartyInfo::Institution(0)).is_empty());
}

#[test]
fn the_key_of_a_former_holder_marks_nothing() {
    let (mut suite, _, patient, _) = with_lane(0);
    let mut lane = own_lane(&patient.case(), &patient.key.address(), "own");
    open_as(&mut suite, &patient.addr(), &[&lane]).unwrap();
    lane.append(1);
    let (id, forked) = (lane.id(), fork(&lane, 0));
    suite.rotate(&patient.case(), "p2");
    for key in [&patient.key, &key("p2")] {
        let sides = [side(&lane.leaves, 0, 1), side(&forked, 0, 1)].map(|side| signed(side, &id, key));
        let [one, other] = sides;
        refused(&mut suite, &stranger(), &ExecuteMsg::prove_conflict(&proof(&id, 0, one, other)), KEY);
    }
}

#[test]
fn present_operators_speak_for_an_institution_suspended_or_not() {
    let (mut suite, a, patient, lane) = with_lane(3);
    let (b, second) = (suite.admit("B"), key("second"));
    let (id, forked) = (lane.id(), fork(&lane, 1));
    let send = |key: &AccountKey| {
        let other = signed(side(&forked, 1, 3), &id, key);
        ExecuteMsg::prove_conflict(&proof(&id, 1, side(&lane.leaves, 1, 3), other))
    };
    for foreign in [&b.key, &second, &patient.key, &key("stranger")] {
        refused(&mut suite, &stranger(), &send(foreign), KEY);
    }
    let account = addr(&second.address()).to_string();
    let add = registrar::ExecuteMsg::AddOperator { institution: 1, account: account.clone() };
    suite.registrar(&a.addr(), &add).unwrap();
    let remove = registrar::ExecuteMsg::RemoveOperator { institution: 1, account };
    suite.registrar(&a.addr(), &remove).unwrap();
    refused(&mut suite, &stranger(), &send(&second), KEY);
    suite.registrar(&a.addr(), &add).unwrap();
    // a closed lane, an ended relationship and a suspension hide nothing
    send_close(&mut suite, &a, vec![lane.item(3, 3)]).unwrap();
    end(&mut suite, &patient);
    suspend(&mut suite, 1);
    suite.summary(&stranger(), &send(&second)).unwrap();
}

#[test]
fn what_proves_nothing() {
    let (mut suite, a, patient, lane) = with_lane(5);
    let mut other_lane = Lane::content(&patient.case(), &a, "other");
    suite.open(&a, &other_lane);
    other_lane.append(5);
    let (id, forked) = (lane.id(), fork(&lane, 3));
    let good = proof(&id, 3, side(&lane.leaves, 3, 5), signed(side(&forked, 3, 5), &id, &a.key));
    let with = |change: &dyn Fn(&mut ConflictProof)| {
        let mut changed = good.clone();
        change(&mut changed);
        changed
    };
    let resign = |side: ConflictSide| signed(side, &id, &a.key);
    let sig = |proof: &mut ConflictProof, change: &dyn Fn(&mut [u8; 64])| {
        let HeadGiven::Account { sig, .. } = &mut proof.sides[1].given else { unreachable!() };
        change(sig);
    };
    let length = format!("proof: the proof has the wrong number of hashes; {REST}");
    let wrong = format!("proof: the proof does not lead to the root; {REST}");
    let range = format!("proof: index out of range; {REST}");
    let cases: Vec<(&str, ConflictProof, &str)> = vec![
        ("too short", with(&|p| p.sides[0].path.truncate(1)), &length),
        ("too long", with(&|p| p.sides[0].path.push([0; 32])), &length),
        ("no path", with(&|p| p.sides[1].path.clear()), &length),
        ("far too long", with(&|p| p.sides[0].path = vec![[0; 32]; MAX_PATH + 1]), &length),
        ("out of order", with(&|p| p.sides[0].path.reverse()), &wrong),
        ("another leaf", with(&|p| p.sides[0].leaf = [9; 32]), &wrong),
        ("another root", with(&|p| p.sides[0].root = [9; 32]), &wrong),
        ("another index", with(&|p| p.index = 2), &wrong),
        ("index at the size", with(&|p| p.index = 5), &range),
        ("index far off", with(&|p| p.index = u32::MAX), &range),
        ("size zero", with(&|p| p.sides[0].size = 0), &range),
        ("the same head twice", with(&|p| p.sides[1] = p.sides[0].clone()), &wrong),
        (
            "swapped leaves",
            with(&|p| {
                let leaf = p.sides[0].leaf;
                p.sides[0].leaf = p.sides[1].leaf;
                p.sides[1].leaf = leaf;
            }),
            &wrong,
        ),
        // an honest author's two heads have the same leaf at every common index
        ("one history", with(&|p| p.sides[1] = resign(side(&lane.leaves, 3, 4))), &wrong),
        (
            "the common part of two",
            proof(&id, 2, side(&lane.leaves, 2, 5), resign(side(&forked, 2, 5))),
            &wrong,
        ),
        ("a head not anchored", with(&|p| p.sides[1].given = HeadGiven::Anchored), NOT_ANCHORED),
        ("an older head", with(&|p| p.sides[0] = side(&lane.leaves, 3, 4)), NOT_ANCHORED),
        ("high s", with(&|p| sig(p, &|sig| *sig = high_s(sig))), SIGNATURE),
        ("flipped", with(&|p| sig(p, &|sig| sig[5] ^= 1)), SIGNATURE),
        ("zeros", with(&|p| sig(p, &|sig| *sig = [0; 64])), SIGNATURE),
        (
            "of another head",
            with(&|p| {
                p.sides[1].given = resign(side(&lane.leaves, 3, 4)).given;
            }),
            SIGNATURE,
        ),
        (
            "of another lane",
            with(&|p| {
                p.sides[1] = signed(side(&forked, 3, 5), &other_lane.id(), &a.key);
            }),
            SIGNATURE,
        ),
        (
            "of another time",
            with(&|p| {
                let HeadGiven::Account { time, .. } = &mut p.sides[1].given else { unreachable!() };
                *time -= 1;
            }),
            SIGNATURE,
        ),
        (
            "no key",
            with(&|p| {
                let HeadGiven::Account { key, .. } = &mut p.sides[1].given else { unreachable!() };
                *key = [0; 33];
            }),
            KEY,
        ),
        ("a stranger's head", with(&|p| p.sides[1] = signed(side(&forked, 3, 5), &id, &key("x"))), KEY),
        ("another lane", with(&|p| p.lane = other_lane.id()), NOT_ANCHORED),
        ("no lane", with(&|p| p.lane = LaneId([1; 32])), words::NO_LANE),
    ];
    for (name, bad, words) in &cases {
        assert_ne!(bad, &good, "{name}");
        let before = suite.dump(&suite.summary);
        let error = suite.summary(&stranger(), &ExecuteMsg::prove_conflict(bad)).unwrap_err();
        assert_eq!(&error, words, "{name}");
        assert_eq!(suite.dump(&suite.summary), before, "{name}");
    }
    let bytes = encode(&good);
    for wrong in [vec![], bytes[1..].to_vec(), [&bytes[..], &[0]].concat(), [&[2], &bytes[1..]].concat()] {
        let msg = ExecuteMsg::ProveConflict { proof: Binary::from(wrong) };
        let words = "proof: not the canonical borsh encoding; send the bytes exactly as FORMAT.md gives them";
        refused(&mut suite, &stranger(), &msg, words);
    }
    suite.summary(&stranger(), &ExecuteMsg::prove_conflict(&good)).unwrap();
}

#[test]
fn heads_of_the_largest_size() {
    let (mut suite, a, _, lane) = with_lane(0);
    let id = lane.id();
    // a tree too large to build: its root from the leaf and a path that the author made up
    let side = |leaf: Hash| {
        let path = vec![[4; 32]; MAX_PATH];
        let root = path.iter().fold(leaf, |hash, sibling| merkle::node(&hash, sibling));
        let (size, given) = (u32::MAX, HeadGiven::Anchored);
        let side = ConflictSide { size, root, leaf, path, given };
        assert_eq!(side.head(), Head { size, root });
        signed(side, &id, &a.key)
    };
    let good = proof(&id, 0, side([1; 32]), side([2; 32]));
    suite.summary(&stranger(), &ExecuteMsg::prove_conflict(&good)).unwrap();
}

#[test]
fn conflicts_are_paged() {
    use casewise_protocol::page::{DEFAULT_LIMIT, MAX_LIMIT};
    let (mut suite, a, patient) = crate::onboarded();
    let cases = [patient.case(), suite.onboard(&a, "q").case(), suite.onboard(&a, "r").case()];
    let mut ids = Vec::new();
    for n in 0..MAX_LIMIT as usize + 2 {
        let mut lane = Lane::content(&cases[n / 16], &a, &format!("c{n}"));
        suite.open(&a, &lane);
        lane.append(1);
        let (id, forked) = (lane.id(), fork(&lane, 0));
        let one = signed(side(&lane.leaves, 0, 1), &id, &a.key);
        let other = signed(side(&forked, 0, 1), &id, &a.key);
        suite.summary(&stranger(), &ExecuteMsg::prove_conflict(&proof(&id, 0, one, other))).unwrap();
        ids.push(id);
    }
    ids.sort();
    let ask = |after: Option<usize>, limit| -> Vec<LaneId> {
        let after = after.map(|at: usize| ids[at]);
        let msg = QueryMsg::conflicts(PartyInfo::Institution(1), after.as_ref(), limit);
        let page: ConflictsResponse = suite.ask_summary(&msg).unwrap();
        page.lanes.iter().map(|lane| LaneId::try_from(lane.as_slice()).unwrap()).collect()
    };
    assert_eq!(ask(None, None), ids[..DEFAULT_LIMIT as usize]);
    assert_eq!(ask(None, Some(MAX_LIMIT + 1)), ids[..MAX_LIMIT as usize]);
    assert_eq!(ask(Some(MAX_LIMIT as usize - 1), None), ids[MAX_LIMIT as usize..]);
    assert!(ask(Some(ids.len() - 1), None).is_empty());
}

#[test]
fn who_forked_does_not_choose_where_the_fork_seems_to_begin() {
    let (mut suite, a, _, lane) = with_lane(5);
    let forked = fork(&lane, 1);
    let id = lane.id();
    let at =
        |index| proof(&id, index, side(&lane.leaves, index, 5), signed(side(&forked, index, 5), &id, &a.key));
    suite.summary(&stranger(), &ExecuteMsg::prove_conflict(&at(4))).unwrap();
    let first = marks(&suite, &id).conflict.unwrap();
    let done = suite.summary(&stranger(), &ExecuteMsg::prove_conflict(&at(1))).unwrap();
    assert_eq!(done.events(), [Event::ConflictProven { lane: id, index: 1 }]);
    let now = marks(&suite, &id).conflict.unwrap();
    assert_eq!((now.index, now.height, now.time), (1, first.height, first.time));
    idle(&mut suite, &stranger(), &ExecuteMsg::prove_conflict(&at(4)));
}
