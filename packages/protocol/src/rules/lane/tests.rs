use super::*;
use casewise_ledger::{
    CaseId, DeviceSignature, Hash, LaneId,
    merkle::{self, ProofPlan},
};
use proptest::prelude::*;

const CASE: CaseId = CaseId([1; 32]);

fn some_header() -> LaneHeader {
    LaneHeader {
        version: V1,
        case: CASE,
        author: Party::Institution(7),
        class: Class::Content,
        minimum: MINIMUM,
        epoch: 2,
        root: [3; 32],
        signer: None,
        predecessor: None,
        nonce: [4; 16],
    }
}

fn institution(status: InstitutionStatus) -> InstitutionRecord {
    InstitutionRecord {
        version: V1,
        status,
        kind: casewise_ledger::records::InstitutionKind::Provider,
        account: casewise_ledger::Address([7; 20]),
        kem: [0; 32],
        kem_epoch: 0,
        since: 1_000,
        name: "A".to_string(),
    }
}

fn identity(institution: u32, epoch: u32) -> IdentityRecord {
    IdentityRecord {
        version: V1,
        holder: casewise_ledger::Address([8; 20]),
        kem: [0; 32],
        epoch,
        institution,
        custodial: false,
        since: 0,
    }
}

fn relationship(status: RelationshipStatus) -> RelationshipRecord {
    RelationshipRecord { version: V1, status, since: 0 }
}

fn case(status: CaseStatus) -> CaseRecord {
    CaseRecord { status, ..empty(1) }
}

fn policy(grace: u32) -> Policy {
    Policy { cadence: 0, lateness: 0, grace, completion: 0, amends: None }
}

const BLOCK: Block = Block { height: 50, time: 5_000 };

fn fresh() -> LaneRecord {
    new_lane(&some_header(), None, Block { height: 1, time: 1 }).0
}

fn leaves(count: u32) -> Vec<Hash> {
    (0..count).map(|index| casewise_ledger::sha256(&[&index.to_be_bytes()])).collect()
}

/// The step from `from` to `to` entries of the lane whose leaves are given.
fn item(leaves: &[Hash], from: u32, to: u32) -> AnchorItem {
    let plan = ProofPlan::consistency(from, to).unwrap();
    let subtree = |id: merkle::NodeId| {
        let start = (id.index as usize) << id.level;
        leaves.get(start..start + (1 << id.level)).map(merkle::root)
    };
    let root = merkle::root(&leaves[..to as usize]);
    AnchorItem { lane: LaneId([9; 32]), size: to, root, proof: plan.assemble(subtree).unwrap(), device: None }
}

fn never(_: &[u8; 32], _: &[u8], _: &[u8; 64]) -> bool {
    panic!("no signature to verify")
}

fn at(size: u32) -> LaneRecord {
    let all = leaves(size);
    let item = item(&all, 0, size);
    anchor(&fresh(), &item, Terms::default(), Block { height: 2, time: 2 }, never).unwrap().changed().unwrap()
}

#[test]
fn headers_are_checked_by_themselves() {
    assert_eq!(header(&some_header()), Ok(()));
    let with = |change: &dyn Fn(&mut LaneHeader)| {
        let mut changed = some_header();
        change(&mut changed);
        header(&changed)
    };
    assert_eq!(with(&|h| h.author = Party::Account(Default::default())), Ok(()));
    for minimum in [0, 64, 1023, 1025] {
        assert_eq!(with(&|h| h.minimum = minimum), Err(Refusal::Minimum));
    }
    assert_eq!(with(&|h| h.signer = Some([1; 32])), Err(Refusal::Minimum));
    assert_eq!(with(&|h| (h.signer, h.minimum) = (Some([1; 32]), 64)), Ok(()));
    assert_eq!(with(&|h| h.predecessor = Some(LaneId([1; 32]))), Err(Refusal::Predecessor));
}

#[test]
fn who_may_open() {
    use RelationshipStatus::{Active, Ended, Proposed, Suspended};
    let in_force = Err(Refusal::NotInForce { institution: 7 });
    for (relation, enrolled_by, expected) in [
        (None, 7, in_force),
        (Some(Proposed), 7, Ok(())),
        (Some(Proposed), 8, in_force),
        (Some(Active), 8, Ok(())),
        (Some(Suspended), 7, in_force),
        (Some(Ended), 7, in_force),
    ] {
        let relation = relation.map(relationship);
        let author = institution(InstitutionStatus::Active);
        let open = may_open(&some_header(), (7, &author), relation.as_ref(), &identity(enrolled_by, 2), None);
        assert_eq!(open, expected, "{relation:?}, enrolled by {enrolled_by}");
    }
    let (author, active) = (institution(InstitutionStatus::Active), relationship(Active));
    let open = |author: &InstitutionRecord, epoch, status: CaseStatus| {
        may_open(&some_header(), (7, author), Some(&active), &identity(7, epoch), Some(&case(status)))
    };
    assert_eq!(open(&author, 2, CaseStatus::Open), Ok(()));
    assert_eq!(open(&author, 3, CaseStatus::Open), Err(Refusal::Epoch { epoch: 3 }));
    for status in CLOSED {
        assert_eq!(open(&author, 2, status), Err(Refusal::CaseClosed));
    }
    let suspended = institution(InstitutionStatus::Suspended);
    assert_eq!(open(&suspended, 2, CaseStatus::Open), Err(Refusal::Suspended { institution: 7 }));
}

/// States of a case that take no content lane.
const CLOSED: [CaseStatus; 3] = [CaseStatus::Closing, CaseStatus::Proposed, CaseStatus::Completed];

#[test]
fn the_holder_opens_lanes_of_its_own() {
    let (me, other) = (casewise_ledger::Address([8; 20]), casewise_ledger::Address([9; 20]));
    let own = LaneHeader { author: Party::Account(me), ..some_header() };
    let open = |account, epoch, recovery: Option<&RecoveryRecord>, status: CaseStatus, now| {
        may_open_own(&own, account, &identity(7, epoch), recovery, Some(&case(status)), now)
    };
    let recovery =
        RecoveryRecord { version: V1, holder: other, kem: [0; 32], ready: 5, lapses: 9, attested: None };
    assert_eq!(open(&me, 2, None, CaseStatus::Open, 0), Ok(()));
    assert_eq!(open(&other, 2, None, CaseStatus::Open, 0), Err(Refusal::NotHolder));
    assert_eq!(open(&me, 3, None, CaseStatus::Open, 0), Err(Refusal::Epoch { epoch: 3 }));
    assert_eq!(open(&me, 2, Some(&recovery), CaseStatus::Open, 8), Err(Refusal::Recovering));
    assert_eq!(open(&me, 2, Some(&recovery), CaseStatus::Open, 9), Ok(()), "lapsed");
    for status in CLOSED {
        assert_eq!(open(&me, 2, None, status, 0), Err(Refusal::CaseClosed));
    }
}

#[test]
fn a_case_takes_so_many_content_lanes_and_access_lanes_always() {
    let access = LaneHeader { class: Class::Access, ..some_header() };
    let at = |header: &LaneHeader, open, status| {
        takes_lane(header, &identity(7, 2), Some(&CaseRecord { open, ..case(status) }))
    };
    assert_eq!(at(&some_header(), MAX_CASE_LANES - 1, CaseStatus::Open), Ok(()));
    assert_eq!(at(&some_header(), MAX_CASE_LANES, CaseStatus::Open), Err(Refusal::CaseFull));
    assert!(Refusal::CaseFull.to_string().contains(&MAX_CASE_LANES.to_string()));
    assert_eq!(at(&access, MAX_CASE_LANES, CaseStatus::Open), Ok(()));
    for status in CLOSED {
        assert_eq!(at(&access, 0, status), Ok(()));
    }
    let later = LaneHeader { epoch: 3, ..access };
    assert_eq!(at(&later, 0, CaseStatus::Open), Err(Refusal::Epoch { epoch: 2 }));
}

#[test]
fn a_new_lane_is_empty_and_counted_when_it_is_content() {
    let (lane, after) = new_lane(&some_header(), None, BLOCK);
    assert_eq!(lane.head(), Head::empty());
    assert_eq!((lane.height, lane.time, lane.seen), (50, 5_000, 0));
    assert_eq!((after.open, after.height, after.digest), (1, 50, [0; 32]));
    let access = LaneHeader { class: Class::Access, ..some_header() };
    let (_, same) = new_lane(&access, Some(&after), Block { height: 51, time: 0 });
    assert_eq!(same, after);
    let (_, more) = new_lane(&some_header(), Some(&after), Block { height: 51, time: 0 });
    assert_eq!((more.open, more.height), (2, 51));
}

#[test]
fn heads_extend_or_fail_alone() {
    let all = leaves(20);
    let lane = at(5);
    let go = |item: &AnchorItem| anchor(&lane, item, Terms::default(), BLOCK, never);
    let next = go(&item(&all, 5, 8)).unwrap().changed().unwrap();
    assert_eq!((next.size, next.root, next.height, next.time), (8, merkle::root(&all[..8]), 50, 5_000));
    // the same head again, with or without the proof that brought it
    assert_eq!(go(&item(&all, 5, 5)), Ok(Change::Same));
    assert_eq!(go(&item(&all, 3, 5)), Ok(Change::Same));
    // older, smaller or rewritten
    assert_eq!(go(&item(&all, 3, 4)), Err(LaneFault::Stale));
    assert_eq!(go(&item(&all, 0, 0)), Err(LaneFault::Stale));
    assert_eq!(go(&AnchorItem { root: [9; 32], ..item(&all, 5, 5) }), Err(LaneFault::Proof));
    assert_eq!(go(&AnchorItem { root: [9; 32], ..item(&all, 5, 8) }), Err(LaneFault::Proof));
    // the right head, the proof from another size
    assert_eq!(go(&item(&all, 4, 8)), Err(LaneFault::Proof));
    assert_eq!(go(&AnchorItem { proof: Vec::new(), ..item(&all, 5, 8) }), Err(LaneFault::Proof));
    let first = fresh();
    assert_eq!(
        anchor(&first, &item(&all, 5, 8), Terms::default(), BLOCK, never),
        Err(LaneFault::Proof),
        "from nothing the proof is empty"
    );
}

#[test]
fn a_device_lane_wants_the_device_and_no_other_does() {
    let all = leaves(3);
    let signature = DeviceSignature { time: 77, sig: [6; 64] };
    let signed = AnchorItem { device: Some(signature), ..item(&all, 0, 3) };
    let device = LaneRecord { signer: Some([5; 32]), ..fresh() };
    let go = |lane: &LaneRecord, item: &AnchorItem, good: bool| {
        anchor(lane, item, Terms::default(), BLOCK, |key, message, sig| {
            assert_eq!((key, sig), (&[5; 32], &[6; 64]));
            assert_eq!(message, item.head().message(&item.lane, 77));
            good
        })
        .map(|change| change.changed().map(|lane| lane.size))
    };
    assert_eq!(go(&device, &signed, true), Ok(Some(3)));
    assert_eq!(go(&device, &signed, false), Err(LaneFault::Device));
    assert_eq!(go(&device, &item(&all, 0, 3), true), Err(LaneFault::Device));
    assert_eq!(go(&fresh(), &signed, true), Err(LaneFault::Device));
}

#[test]
fn writing_ends_at_the_deadline_and_with_the_grace() {
    let all = leaves(9);
    let closing = start_closing(&at(5)).changed().unwrap();
    let step = item(&all, 5, 8);
    let now = |time| Block { height: 60, time };
    let due = Terms { due: Some(5_000), ..Terms::default() };
    let until = Terms { until: Some(5_000), ..Terms::default() };
    let own = LaneRecord { author: Party::Account(casewise_ledger::Address([8; 20])), ..closing.clone() };
    for (closing, terms, fault) in [
        (&closing, due, LaneFault::Overdue),
        (&closing, until, LaneFault::Suspended),
        (&own, until, LaneFault::NotHolder),
    ] {
        assert!(matches!(anchor(closing, &step, terms, now(4_999), never), Ok(Change::To(_))));
        assert!(matches!(close(closing, &step, terms, now(4_999), never), Ok(Change::To(_))));
        assert_eq!(close_overdue(closing, terms, 4_999), Err(LaneFault::NotDue));
        assert_eq!(anchor(closing, &step, terms, now(5_000), never), Err(fault));
        assert_eq!(close(closing, &step, terms, now(5_000), never), Err(fault));
        assert_eq!(close(closing, &item(&all, 5, 5), terms, now(5_000), never), Err(fault));
        // the head that is anchored already is still no fault
        assert_eq!(anchor(closing, &item(&all, 3, 5), terms, now(5_000), never), Ok(Change::Same));
        let closed = close_overdue(closing, terms, 5_000).unwrap().changed().unwrap();
        assert_eq!((closed.status, closed.head()), (LaneStatus::Closed, closing.head()));
        assert_eq!(close_overdue(&closed, terms, 5_000), Ok(Change::Same));
    }
}

#[test]
fn a_compromised_lane_ends_at_its_anchored_head() {
    let all = leaves(9);
    let lane = at(5);
    let terms = Terms { compromised: true, ..Terms::default() };
    let larger = item(&all, 5, 8);
    assert_eq!(anchor(&lane, &larger, terms, BLOCK, never), Err(LaneFault::Compromised));
    assert_eq!(close(&lane, &larger, terms, BLOCK, never), Err(LaneFault::Compromised));
    assert_eq!(anchor(&lane, &item(&all, 5, 5), terms, BLOCK, never), Ok(Change::Same));
    let closed = close(&lane, &item(&all, 5, 5), terms, BLOCK, never).unwrap().changed().unwrap();
    assert_eq!((closed.status, closed.head()), (LaneStatus::Closed, lane.head()));
}

#[test]
fn closing_is_for_good() {
    let all = leaves(9);
    let open = at(5);
    let closed = close(&open, &item(&all, 5, 8), Terms::default(), BLOCK, never).unwrap().changed().unwrap();
    assert_eq!((closed.status, closed.size, closed.height), (LaneStatus::Closed, 8, 50));
    assert_eq!(close(&closed, &item(&all, 5, 8), Terms::default(), BLOCK, never), Ok(Change::Same));
    assert_eq!(close(&closed, &item(&all, 8, 9), Terms::default(), BLOCK, never), Err(LaneFault::Closed));
    assert_eq!(anchor(&closed, &item(&all, 8, 9), Terms::default(), BLOCK, never), Err(LaneFault::Closed));
    assert_eq!(start_closing(&closed), Change::Same);
    // at the anchored size: height and time of the head stay
    let at_rest = close(&open, &item(&all, 5, 5), Terms::default(), BLOCK, never).unwrap().changed().unwrap();
    assert_eq!((at_rest.height, at_rest.time, at_rest.head()), (2, 2, open.head()));
}

#[test]
fn an_access_lane_is_its_authors() {
    let access = LaneRecord { class: Class::Access, ..at(5) };
    assert_eq!(start_closing(&access), Change::Same);
    let over = Terms { due: Some(0), until: Some(0), ..Terms::default() };
    assert_eq!(close_overdue(&access, over, 9), Err(LaneFault::NotDue));
    let closed = LaneRecord { status: LaneStatus::Closed, ..access };
    assert_eq!(close_overdue(&closed, over, 9), Err(LaneFault::NotDue));
}

#[test]
fn what_may_follow_a_lane() {
    let lane = at(5);
    let next = LaneHeader { predecessor: Some(LaneId([9; 32])), ..some_header() };
    assert_eq!(successor(&lane, &next), Ok(()));
    for wrong in [
        LaneHeader { case: CaseId([2; 32]), ..next.clone() },
        LaneHeader { author: Party::Institution(8), ..next.clone() },
        LaneHeader { class: Class::Access, ..next.clone() },
    ] {
        assert_eq!(successor(&lane, &wrong), Err(Refusal::NotSuccessor));
    }
    assert_eq!(successor(&lane, &LaneHeader { minimum: 64, ..next.clone() }), Err(Refusal::Minimum));
    // the next lane may be a device's, or the author's again
    let device = LaneHeader { signer: Some([1; 32]), minimum: 64, ..next };
    assert_eq!(successor(&lane, &device), Ok(()));
}

#[test]
fn when_a_lane_may_be_followed() {
    let open = at(5);
    let closing = start_closing(&open).changed().unwrap();
    let access = LaneRecord { class: Class::Access, ..open.clone() };
    let go = |lane: &LaneRecord, epoch, status: Option<CaseStatus>| {
        rotation_case(lane, epoch, &identity(7, 2), status.map(case).as_ref())
    };
    assert_eq!(go(&open, 2, Some(CaseStatus::Open)), Ok(()));
    assert_eq!(go(&open, 1, Some(CaseStatus::Open)), Err(LaneFault::Epoch));
    assert_eq!(go(&closing, 2, Some(CaseStatus::Open)), Err(LaneFault::Closing));
    for status in [None, Some(CaseStatus::Closing), Some(CaseStatus::Proposed), Some(CaseStatus::Completed)] {
        assert_eq!(go(&open, 2, status), Err(LaneFault::CaseClosed));
        assert_eq!(go(&access, 2, status), Ok(()), "reads go on");
    }
    assert_eq!(go(&access, 3, None), Err(LaneFault::Epoch));
}

#[test]
fn the_grace_counts_from_the_suspension() {
    let (active, suspended) =
        (institution(InstitutionStatus::Active), institution(InstitutionStatus::Suspended));
    assert_eq!(anchors_until(&active, Some(&policy(5))), None);
    assert_eq!(anchors_until(&suspended, Some(&policy(5))), Some(6_000));
    assert_eq!(anchors_until(&suspended, None), Some(1_000 + 86_400_000));
    assert_eq!(deadline(7, Some(&policy(0))), 7);
    assert_eq!(deadline(7, Some(&policy(u32::MAX))), 7 + u64::from(u32::MAX) * 1_000);
    assert_eq!(deadline(7, None), 7 + 86_400_000);
}

#[test]
fn an_account_holds_until_another_does() {
    let holder = identity(7, 2);
    assert_eq!(holds_until(&holder.holder, &holder), None);
    let next = IdentityRecord { holder: casewise_ledger::Address([9; 20]), since: 77, ..holder.clone() };
    assert_eq!(holds_until(&holder.holder, &next), Some(77));
}

#[test]
fn what_is_seen_never_falls_and_never_passes_the_size() {
    let lane = at(5);
    assert_eq!(seen(&lane, 6), Err(Refusal::SeenAhead { size: 5 }));
    let three = seen(&lane, 3).unwrap().changed().unwrap();
    assert_eq!(three, LaneRecord { seen: 3, ..lane });
    assert_eq!(seen(&three, 2), Ok(Change::Same));
    assert_eq!(seen(&three, 3), Ok(Change::Same));
    assert_eq!(seen(&three, 5).unwrap().changed().unwrap().seen, 5);
}

#[derive(Clone, Debug)]
enum Step {
    Anchor { to: u32, fork: bool },
    Close { to: u32 },
    Overdue,
    StartClosing,
    Seen(u32),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u32..40, prop::bool::weighted(0.2)).prop_map(|(to, fork)| Step::Anchor { to, fork }),
        1 => (0u32..40).prop_map(|to| Step::Close { to }),
        1 => Just(Step::Overdue),
        1 => Just(Step::StartClosing),
        3 => (0u32..40).prop_map(Step::Seen),
        2 => (0u64..2_000).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever is tried, a lane is a prefix of the one log its author wrote, its status only goes
    /// forward, `seen` only goes up, and after its deadline nothing is added.
    #[test]
    fn a_lane_is_a_prefix_of_one_log(steps in proptest::collection::vec(step(), 0..60)) {
        let honest = leaves(40);
        let forked: Vec<Hash> = leaves(40).into_iter().map(|leaf| casewise_ledger::sha256(&[&leaf])).collect();
        let (mut lane, mut now, mut due) = (fresh(), 0u64, None::<u64>);
        for step in steps {
            let terms = Terms { due, ..Terms::default() };
            let block = Block { height: now, time: now };
            let before = lane.clone();
            let changed = match step {
                Step::Wait(ms) => { now += ms; None }
                Step::Anchor { to, fork } => {
                    let log = if fork && before.size > 0 { &forked } else { &honest };
                    let made = item(log, before.size.min(to), to);
                    anchor(&lane, &made, terms, block, never).ok().and_then(Change::changed)
                }
                Step::Close { to } => {
                    close(&lane, &item(&honest, before.size.min(to), to), terms, block, never)
                        .ok().and_then(Change::changed)
                }
                Step::Overdue => close_overdue(&lane, terms, now).ok().and_then(Change::changed),
                Step::StartClosing => {
                    let next = start_closing(&lane).changed();
                    if next.is_some() { due = Some(now + 1_000); }
                    next
                }
                Step::Seen(size) => seen(&lane, size).ok().and_then(Change::changed),
            };
            lane = changed.unwrap_or(lane);
            prop_assert_eq!(lane.root, merkle::root(&honest[..lane.size as usize]));
            prop_assert!(lane.size >= before.size && lane.seen >= before.seen && lane.seen <= lane.size);
            prop_assert!(lane.status as u8 >= before.status as u8);
            if before.status == LaneStatus::Closed || due.is_some_and(|due| due <= now) {
                prop_assert_eq!(lane.head(), before.head());
            }
            if lane.size != before.size {
                prop_assert_eq!(lane.height, block.height);
            } else {
                prop_assert_eq!((lane.height, lane.time), (before.height, before.time));
            }
        }
    }
}
