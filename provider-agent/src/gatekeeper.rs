//! The gatekeeper: who may read which sealed bytes, now.
//!
//! Responsible for: judging how fresh the agent's view of the chain is, and turning the facts of
//! one height into a [`Permit`], without which no sealed byte leaves the agent. Must never decide a
//! third party's read on a stale view, nor let a caller tell an absent thing from a forbidden one:
//! a [`Refusal`] says why only to the log and to tests.
//!
//! Pure: no clock, no database, no network. The caller brings times and facts.

use std::collections::BTreeMap;

use casewise_api::limits::{MAX_RELEASE_ENTRIES, MAX_RELEASE_ITEMS};
use casewise_ledger::records::{GrantRecord, IdentityRecord, InstitutionStatus, RelationshipStatus};
use casewise_ledger::{
    Address, CaseId, Class, Commitment, Hash, Head, LaneHeader, LaneId, Opening, Party, ReleaseItem,
};
use casewise_protocol::rules;

use crate::store::EntryRow;

/// How many blocks the agent may be behind the node's tip and still decide.
pub const MAX_LAG: u64 = 1;
/// How far the last applied block's time may lie behind the agent's clock, ms.
pub const MAX_BLOCK_AGE_MS: u64 = 10_000;
/// How long ago the last block may have been applied, on the monotonic clock, ms; exclusive.
pub const MAX_VIEW_AGE_MS: u64 = 10_000;

/// The last block that the agent applied in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Its height.
    pub height: u64,
    /// Its time, Unix ms.
    pub time: u64,
    /// When it was applied, on the monotonic clock, ms.
    pub applied: u64,
}

/// The node's newest block, as the node said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its height.
    pub height: u64,
    /// When the node was asked, on the monotonic clock, ms: before the question, not after the answer.
    pub asked: u64,
}

/// Both clocks, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Unix ms.
    pub wall: u64,
    /// Time that never goes back, ms.
    pub monotonic: u64,
}

/// Why the agent does not know the present state of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Stale {
    /// No block was applied since the process began.
    #[error("no block was applied yet")]
    NoBlock,
    /// The node does not say what its newest block is.
    #[error("the node does not answer")]
    NoTip,
    /// The node was asked longer ago than a block takes.
    #[error("the node was last asked longer ago than one block interval")]
    OldTip,
    /// Blocks are waiting to be applied.
    #[error("the agent is {0} blocks behind the node")]
    Behind(u64),
    /// The newest block is old: the node itself may be cut off.
    #[error("the last block's time is {0} ms behind this clock")]
    OldBlock(u64),
    /// Nothing was applied for too long, whatever the clocks of day say.
    #[error("the last block was applied {0} ms ago")]
    OldView(u64),
}

/// A view that was fresh when it was judged. Only [`freshness`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fresh {
    height: u64,
}

impl Fresh {
    /// Height of the view that was judged; facts of a lower height are not covered.
    pub fn height(&self) -> u64 {
        self.height
    }
}

/// Judges the agent's view: applied height ≥ tip − [`MAX_LAG`], the tip asked for within the last
/// `block_interval` ms, the last block's time ≥ own clock − [`MAX_BLOCK_AGE_MS`], and less than
/// [`MAX_VIEW_AGE_MS`] since it was applied.
pub fn freshness(
    view: Option<&View>,
    tip: Option<&Tip>,
    now: &Now,
    block_interval: u64,
) -> Result<Fresh, Stale> {
    let view = view.ok_or(Stale::NoBlock)?;
    let tip = tip.ok_or(Stale::NoTip)?;
    if now.monotonic.saturating_sub(tip.asked) > block_interval {
        return Err(Stale::OldTip);
    }
    let behind = tip.height.saturating_sub(view.height);
    if behind > MAX_LAG {
        return Err(Stale::Behind(behind));
    }
    let block_age = now.wall.saturating_sub(view.time);
    if block_age > MAX_BLOCK_AGE_MS {
        return Err(Stale::OldBlock(block_age));
    }
    let view_age = now.monotonic.saturating_sub(view.applied);
    if view_age >= MAX_VIEW_AGE_MS {
        return Err(Stale::OldView(view_age));
    }
    Ok(Fresh { height: view.height })
}

/// What the projection says of one case, signer and grant, all at one height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The height.
    pub height: u64,
    /// Time of its block, Unix ms.
    pub time: u64,
    /// This institution.
    pub server: u32,
    /// Its status at the registrar.
    pub server_status: Option<InstitutionStatus>,
    /// Its relationship with the case.
    pub relationship: Option<RelationshipStatus>,
    /// The case's virtual identity.
    pub identity: Option<IdentityRecord>,
    /// The case's count of revocations.
    pub rev: u32,
    /// The grant named by the request.
    pub grant: Option<GrantRecord>,
    /// The institution that the signer operates, and its status.
    pub reader: Option<(u32, InstitutionStatus)>,
    /// The lanes asked for, as far as they are known here.
    pub lanes: BTreeMap<LaneId, LaneFacts>,
}

/// What is known of a lane that is written here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneFacts {
    /// Its header: case, author, class.
    pub header: LaneHeader,
    /// What is anchored of it at the height of the facts.
    pub head: Head,
    /// The lanes it goes on from, nearest first.
    pub ancestors: Vec<LaneId>,
}

/// Why a read was refused. For the log and for tests: outside, all of them look alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The facts are older than the view that was judged fresh.
    #[error("the facts are older than the view")]
    OlderFacts,
    /// No virtual identity is known for the case.
    #[error("the case is not known on chain")]
    UnknownCase,
    /// The signer is not the case's holder.
    #[error("the signer is not the holder")]
    NotHolder,
    /// The signer does not operate an institution that has to do with the case.
    #[error("the signer's institution has no relationship with the case")]
    NoRelationship,
    /// No opening is held for the grant.
    #[error("no opening is held")]
    NoOpening,
    /// The opening does not hash to the grant's id.
    #[error("the opening is not the one of the commitment")]
    Commitment,
    /// The opening is about another author's lanes.
    #[error("the opening names another author")]
    Author,
    /// There is no such grant on chain.
    #[error("no such grant on chain")]
    NoGrant,
    /// The grant on chain belongs to another case than the opening.
    #[error("the grant belongs to another case")]
    Case,
    /// Revoked, expired, or outside the UTC days on chain.
    #[error("the grant is not live on chain")]
    NotLive,
    /// Outside the opening's own times.
    #[error("outside the opening's times")]
    Times,
    /// The relationship is not active.
    #[error("the relationship is not active")]
    Relationship,
    /// This institution is not active.
    #[error("this institution is not active")]
    Server,
    /// The signer is not an operator of the grantee, or the grantee is not active.
    #[error("the signer does not operate the grantee, or the grantee is not active")]
    Reader,
    /// The grant names another person.
    #[error("the grant names another practitioner")]
    Practitioner,
    /// No range, too many, one that ends before it begins, out of order or overlapping.
    #[error("the ranges are not well-formed")]
    Ranges,
    /// More entries than a release covers.
    #[error("too many entries")]
    TooMany,
    /// A lane that is not written here for this case.
    #[error("the lane is not known")]
    Lane,
    /// A lane that holds no content.
    #[error("the lane is not a content lane")]
    NotContent,
    /// A range that is not granted.
    #[error("the range is not granted")]
    NotGranted,
    /// A range that is not anchored.
    #[error("the range is not anchored")]
    NotAnchored,
}

/// Why a permit was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The holder reads the own case.
    Holder,
    /// A third party reads under a grant.
    Grant(Commitment),
}

/// Leave to read ranges of a case's lanes. Only a decision of this module makes one; it is not
/// `Clone`, and what it opens is what it names.
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    case: CaseId,
    items: Vec<ReleaseItem>,
    height: u64,
    rev: u32,
    why: Why,
}

impl Permit {
    /// The case.
    pub fn case(&self) -> &CaseId {
        &self.case
    }

    /// The ranges, as they were asked for.
    pub fn items(&self) -> &[ReleaseItem] {
        &self.items
    }

    /// Height of the decision.
    pub fn height(&self) -> u64 {
        self.height
    }

    /// The case's `rev` at that height.
    pub fn rev(&self) -> u32 {
        self.rev
    }

    /// Why.
    pub fn why(&self) -> &Why {
        &self.why
    }

    /// Whether it covers an entry.
    pub fn allows(&self, lane: &LaneId, index: u32) -> bool {
        self.items.iter().any(|item| item.lane == *lane && item.first <= index && index <= item.last)
    }

    /// `length` bytes from `offset` of an entry's body, if it covers the entry.
    pub fn part(&self, entry: &EntryRow, offset: u64, length: usize) -> Result<Part, Refusal> {
        if self.allows(&entry.header.lane, entry.header.index) {
            Ok(Part { name: entry.body_sha256, offset, length })
        } else {
            Err(Refusal::NotGranted)
        }
    }
}

/// Part of a sealed body that may be read. Only [`Permit::part`] makes one, and the blob store reads
/// nothing else.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    name: Hash,
    offset: u64,
    length: usize,
}

impl Part {
    /// SHA-256 of the whole body.
    pub fn name(&self) -> &Hash {
        &self.name
    }

    /// First byte.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Number of bytes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// For tests of blob stores only.
    #[cfg(test)]
    pub(crate) fn unchecked(name: Hash, offset: u64, length: usize) -> Self {
        Self { name, offset, length }
    }
}

/// A third party's wish to read.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Who signed the request.
    pub signer: &'a Address,
    /// The grant.
    pub grant: &'a Commitment,
    /// What is held here as the grant's opening.
    pub opening: Option<&'a Opening>,
    /// The person who reads.
    pub practitioner: Option<&'a Address>,
    /// What is to be read.
    pub items: &'a [ReleaseItem],
}

/// Decides a read by a third party under a grant. All of every range must be granted; the permit
/// names the part of it that is anchored.
pub fn decide(fresh: &Fresh, facts: &Facts, ask: &Ask<'_>) -> Result<Permit, Refusal> {
    if facts.height < fresh.height {
        return Err(Refusal::OlderFacts);
    }
    let opening = ask.opening.ok_or(Refusal::NoOpening)?;
    check_grant(facts, ask.grant, opening)?;
    check_parties(facts, opening, ask.signer, ask.practitioner)?;
    check_order(ask.items)?;
    let mut items = Vec::with_capacity(ask.items.len());
    for item in ask.items {
        let lane = lane_of(facts, &opening.case, &item.lane)?;
        if lane.header.class != Class::Content {
            return Err(Refusal::NotContent);
        }
        if !granted(opening, lane, item) {
            return Err(Refusal::NotGranted);
        }
        items.extend(anchored_part(lane, item));
    }
    if items.is_empty() {
        return Err(Refusal::NotAnchored);
    }
    check_count(&items)?;
    Ok(Permit {
        case: opening.case,
        items,
        height: facts.height,
        rev: facts.rev,
        why: Why::Grant(*ask.grant),
    })
}

/// Decides a read by the case's holder: always the own lanes, content and access, as far as they
/// are anchored. It needs no fresh view.
pub fn decide_holder(
    facts: &Facts,
    case: &CaseId,
    signer: &Address,
    items: &[ReleaseItem],
) -> Result<Permit, Refusal> {
    check_holder(facts, signer)?;
    check_order(items)?;
    check_count(items)?;
    for item in items {
        let lane = lane_of(facts, case, &item.lane)?;
        if item.last >= lane.head.size {
            return Err(Refusal::NotAnchored);
        }
    }
    Ok(Permit { case: *case, items: items.to_vec(), height: facts.height, rev: facts.rev, why: Why::Holder })
}

/// Refuses everybody but the case's present holder.
pub fn check_holder(facts: &Facts, signer: &Address) -> Result<(), Refusal> {
    let identity = facts.identity.as_ref().ok_or(Refusal::UnknownCase)?;
    if identity.holder == *signer { Ok(()) } else { Err(Refusal::NotHolder) }
}

/// Whether this grant is in force here: the opening is the one committed to, about our lanes, of
/// the case on chain, live, within its days and times, and we may serve it.
pub fn check_grant(facts: &Facts, commitment: &Commitment, opening: &Opening) -> Result<(), Refusal> {
    if opening.check().is_err() || opening.commitment() != *commitment {
        return Err(Refusal::Commitment);
    }
    if opening.author != Party::Institution(facts.server) {
        return Err(Refusal::Author);
    }
    let grant = facts.grant.as_ref().ok_or(Refusal::NoGrant)?;
    if grant.case != opening.case {
        return Err(Refusal::Case);
    }
    if !rules::grant_live(grant, facts.time) {
        return Err(Refusal::NotLive);
    }
    if !opening.in_force(facts.time) {
        return Err(Refusal::Times);
    }
    if facts.server_status != Some(InstitutionStatus::Active) {
        return Err(Refusal::Server);
    }
    if facts.relationship != Some(RelationshipStatus::Active) {
        return Err(Refusal::Relationship);
    }
    Ok(())
}

/// The signer operates the active grantee, and the person is the one named, if one is named.
fn check_parties(
    facts: &Facts,
    opening: &Opening,
    signer: &Address,
    practitioner: Option<&Address>,
) -> Result<(), Refusal> {
    let reads = match (&opening.grantee, facts.reader) {
        (Party::Institution(grantee), Some((number, InstitutionStatus::Active))) => *grantee == number,
        (Party::Account(grantee), _) => grantee == signer,
        _ => false,
    };
    if !reads {
        return Err(Refusal::Reader);
    }
    match &opening.practitioner {
        Some(named) if practitioner != Some(named) => Err(Refusal::Practitioner),
        _ => Ok(()),
    }
}

/// Ranges are ascending by (lane, first) and disjoint, as in an opening, and not too many.
pub fn check_order(items: &[ReleaseItem]) -> Result<(), Refusal> {
    let ordered = items.windows(2).all(|pair| {
        pair[0].lane < pair[1].lane || (pair[0].lane == pair[1].lane && pair[0].last < pair[1].first)
    });
    let whole = items.iter().all(|item| item.first <= item.last);
    if ordered && whole && !items.is_empty() && items.len() <= MAX_RELEASE_ITEMS {
        Ok(())
    } else {
        Err(Refusal::Ranges)
    }
}

fn check_count(items: &[ReleaseItem]) -> Result<(), Refusal> {
    let entries: u64 = items.iter().map(|item| u64::from(item.last) - u64::from(item.first) + 1).sum();
    if entries > MAX_RELEASE_ENTRIES { Err(Refusal::TooMany) } else { Ok(()) }
}

/// The lane, if this institution writes it for this case.
fn lane_of<'a>(facts: &'a Facts, case: &CaseId, lane: &LaneId) -> Result<&'a LaneFacts, Refusal> {
    let found = facts.lanes.get(lane).ok_or(Refusal::Lane)?;
    let ours = found.header.case == *case && found.header.author == Party::Institution(facts.server);
    if ours { Ok(found) } else { Err(Refusal::Lane) }
}

/// The part of a range that is anchored, if any of it is.
fn anchored_part(lane: &LaneFacts, item: &ReleaseItem) -> Option<ReleaseItem> {
    let last = item.last.min(lane.head.size.checked_sub(1)?);
    (item.first <= last).then_some(ReleaseItem { last, ..*item })
}

/// Whether the opening covers the whole range: by items that name the lane, put end to end, or by
/// one that follows into it from a lane it goes on from.
fn granted(opening: &Opening, lane: &LaneFacts, item: &ReleaseItem) -> bool {
    if followed(opening, &lane.ancestors) {
        return true;
    }
    let mut next = u64::from(item.first);
    for granted in opening.items.iter().filter(|granted| granted.lane == item.lane) {
        if u64::from(granted.first) <= next {
            next = next.max(u64::from(granted.last) + 1);
        }
    }
    next > u64::from(item.last)
}

/// Whether an item of the opening follows from one of these lanes into what goes on from it.
pub fn followed(opening: &Opening, ancestors: &[LaneId]) -> bool {
    opening.items.iter().any(|item| item.follow && ancestors.contains(&item.lane))
}

#[cfg(test)]
mod tests {
    use super::*;
    use casewise_ledger::grant::DAY_MS;
    use casewise_ledger::records::GrantStatus;
    use casewise_ledger::{Beacon, EntryHeader, Kind, OpeningItem, V1};
    use proptest::prelude::*;

    const CASE: CaseId = CaseId([1; 32]);
    const OTHER_CASE: CaseId = CaseId([2; 32]);
    const LANE: LaneId = LaneId([10; 32]);
    const NEXT: LaneId = LaneId([11; 32]);
    const ACCESS: LaneId = LaneId([12; 32]);
    const HOLDER: Address = Address([20; 20]);
    const OPERATOR: Address = Address([21; 20]);
    const DOCTOR: Address = Address([22; 20]);
    const US: u32 = 1;
    const READER: u32 = 2;
    const DAY: u32 = 20_000;
    const NOON: u64 = DAY as u64 * DAY_MS + DAY_MS / 2;
    const INTERVAL: u64 = 500;

    fn opening() -> Opening {
        Opening {
            version: V1,
            case: CASE,
            grantee: Party::Institution(READER),
            practitioner: None,
            author: Party::Institution(US),
            purpose: "TREAT".into(),
            labels: vec![],
            items: vec![
                OpeningItem { lane: LANE, first: 2, last: 5, follow: true },
                OpeningItem { lane: LANE, first: 6, last: 9, follow: false },
            ],
            not_before: NOON - 1000,
            not_after: NOON + 1000,
            erase_by: 0,
            salt: [9; 32],
        }
    }

    fn lane(size: u32, ancestors: &[LaneId]) -> LaneFacts {
        let header = LaneHeader {
            version: V1,
            case: CASE,
            author: Party::Institution(US),
            class: Class::Content,
            minimum: 1024,
            epoch: 0,
            root: [0; 32],
            signer: None,
            predecessor: ancestors.first().copied(),
            nonce: [0; 16],
        };
        LaneFacts { header, head: Head { size, root: [size as u8; 32] }, ancestors: ancestors.to_vec() }
    }

    fn facts() -> Facts {
        let mut access = lane(100, &[]);
        access.header.class = Class::Access;
        Facts {
            height: 50,
            time: NOON,
            server: US,
            server_status: Some(InstitutionStatus::Active),
            relationship: Some(RelationshipStatus::Active),
            identity: Some(IdentityRecord {
                version: V1,
                holder: HOLDER,
                kem: [3; 32],
                epoch: 0,
                institution: US,
                custodial: false,
                since: 0,
            }),
            rev: 4,
            grant: Some(GrantRecord {
                version: V1,
                case: CASE,
                status: GrantStatus::Live,
                first: DAY,
                last: DAY,
            }),
            reader: Some((READER, InstitutionStatus::Active)),
            lanes: [(LANE, lane(100, &[])), (NEXT, lane(8, &[LANE])), (ACCESS, access)].into(),
        }
    }

    fn entry(lane: LaneId, index: u32) -> EntryRow {
        let header = EntryHeader {
            version: V1,
            suite: 1,
            lane,
            index,
            kind: Kind::Record,
            time: 0,
            beacon: Beacon::default(),
            prev: None,
        };
        EntryRow {
            header,
            leaf: [0; 32],
            commitment: [0; 32],
            body_length: 12,
            body_sha256: [index as u8; 32],
        }
    }

    fn item(lane: LaneId, first: u32, last: u32) -> ReleaseItem {
        ReleaseItem { lane, first, last }
    }

    fn fresh(height: u64) -> Fresh {
        Fresh { height }
    }

    /// Decides with the opening's own commitment.
    fn ask(facts: &Facts, opening: &Opening, items: &[ReleaseItem]) -> Result<Permit, Refusal> {
        let grant = opening.commitment();
        let ask = Ask { signer: &OPERATOR, grant: &grant, opening: Some(opening), practitioner: None, items };
        decide(&fresh(50), facts, &ask)
    }

    #[test]
    fn a_permit_names_what_was_asked_for_and_no_more() {
        let permit = ask(&facts(), &opening(), &[item(LANE, 3, 7)]).unwrap();
        assert_eq!((permit.case(), permit.height(), permit.rev()), (&CASE, 50, 4));
        assert_eq!(permit.why(), &Why::Grant(opening().commitment()));
        assert_eq!(permit.items(), &[item(LANE, 3, 7)]);
        for (lane, index, allowed) in
            [(LANE, 2, false), (LANE, 3, true), (LANE, 7, true), (LANE, 8, false), (NEXT, 3, false)]
        {
            assert_eq!(permit.allows(&lane, index), allowed, "{index}");
            let part = permit.part(&entry(lane, index), 5, 7);
            let expected = Part::unchecked([index as u8; 32], 5, 7);
            assert_eq!(part, if allowed { Ok(expected) } else { Err(Refusal::NotGranted) });
        }
    }

    #[test]
    fn a_view_is_fresh_at_every_limit_and_stale_one_past_it() {
        let view = View { height: 99, time: 1_000_000, applied: 100_000 };
        let tip = Tip { height: 100, asked: 109_499 };
        let at = Now { wall: 1_010_000, monotonic: 109_999 };
        assert_eq!(freshness(Some(&view), Some(&tip), &at, INTERVAL), Ok(fresh(99)));

        let judge = |view: View, tip: Tip, now: Now| freshness(Some(&view), Some(&tip), &now, INTERVAL);
        assert_eq!(judge(view, Tip { height: 101, ..tip }, at), Err(Stale::Behind(2)));
        assert_eq!(judge(view, tip, Now { wall: 1_010_001, ..at }), Err(Stale::OldBlock(10_001)));
        let asked = 109_498;
        assert_eq!(judge(view, Tip { asked, ..tip }, at), Err(Stale::OldTip));
        let later = Now { monotonic: 110_000, ..at };
        let asked = later.monotonic;
        assert_eq!(judge(view, Tip { asked, ..tip }, later), Err(Stale::OldView(MAX_VIEW_AGE_MS)));
        assert_eq!(freshness(None, Some(&tip), &at, INTERVAL), Err(Stale::NoBlock));
        assert_eq!(freshness(Some(&view), None, &at, INTERVAL), Err(Stale::NoTip));
    }

    #[test]
    fn a_node_that_is_behind_the_agent_or_a_clock_behind_the_block_is_no_fault() {
        let view = View { height: 99, time: 1_000_000, applied: 100_000 };
        let tip = Tip { height: 90, asked: 100_000 };
        let now = Now { wall: 999_000, monotonic: 100_000 };
        assert_eq!(freshness(Some(&view), Some(&tip), &now, INTERVAL), Ok(fresh(99)));
    }

    #[test]
    fn facts_older_than_the_view_decide_nothing() {
        let opening = opening();
        let grant = opening.commitment();
        let items = [item(LANE, 3, 3)];
        let ask = Ask {
            signer: &OPERATOR,
            grant: &grant,
            opening: Some(&opening),
            practitioner: None,
            items: &items,
        };
        assert!(decide(&fresh(49), &facts(), &ask).is_ok());
        assert!(decide(&fresh(50), &facts(), &ask).is_ok());
        assert_eq!(decide(&fresh(51), &facts(), &ask), Err(Refusal::OlderFacts));
        assert_eq!(decide(&fresh(50), &facts(), &Ask { opening: None, ..ask }), Err(Refusal::NoOpening));
    }

    #[test]
    fn every_fact_that_is_not_so_refuses() {
        type Change = fn(&mut Facts);
        let table: [(Change, Refusal); 15] = [
            (|f| f.grant = None, Refusal::NoGrant),
            (|f| f.grant.as_mut().unwrap().case = OTHER_CASE, Refusal::Case),
            (|f| f.grant.as_mut().unwrap().status = GrantStatus::Revoked, Refusal::NotLive),
            (|f| f.grant.as_mut().unwrap().status = GrantStatus::Expired, Refusal::NotLive),
            (|f| f.grant.as_mut().unwrap().first = DAY + 1, Refusal::NotLive),
            (|f| f.grant.as_mut().unwrap().last = DAY - 1, Refusal::NotLive),
            (|f| f.server_status = None, Refusal::Server),
            (|f| f.server_status = Some(InstitutionStatus::Suspended), Refusal::Server),
            (|f| f.relationship = None, Refusal::Relationship),
            (|f| f.relationship = Some(RelationshipStatus::Proposed), Refusal::Relationship),
            (|f| f.relationship = Some(RelationshipStatus::Suspended), Refusal::Relationship),
            (|f| f.relationship = Some(RelationshipStatus::Ended), Refusal::Relationship),
            (|f| f.reader = None, Refusal::Reader),
            (|f| f.reader = Some((READER + 1, InstitutionStatus::Active)), Refusal::Reader),
            (|f| f.reader = Some((READER, InstitutionStatus::Suspended)), Refusal::Reader),
        ];
        let items = [item(LANE, 3, 3)];
        assert!(ask(&facts(), &opening(), &items).is_ok());
        for (change, refusal) in table {
            let mut facts = facts();
            change(&mut facts);
            assert_eq!(ask(&facts, &opening(), &items), Err(refusal));
        }
    }

    #[test]
    fn times_are_the_block_s_with_an_open_end() {
        let items = [item(LANE, 3, 3)];
        let at = |time: u64| ask(&Facts { time, ..facts() }, &opening(), &items).map(|_| ());
        assert_eq!(at(NOON - 1000), Ok(()));
        assert_eq!(at(NOON - 1001), Err(Refusal::Times));
        assert_eq!(at(NOON + 999), Ok(()));
        assert_eq!(at(NOON + 1000), Err(Refusal::Times));
        let whole = Opening { not_before: 0, not_after: u64::MAX, ..opening() };
        let at = |time: u64| ask(&Facts { time, ..facts() }, &whole, &items).map(|_| ());
        let (start, end) = (u64::from(DAY) * DAY_MS, (u64::from(DAY) + 1) * DAY_MS);
        assert_eq!(at(start), Ok(()));
        assert_eq!(at(start - 1), Err(Refusal::NotLive));
        assert_eq!(at(end - 1), Ok(()));
        assert_eq!(at(end), Err(Refusal::NotLive));
    }

    #[test]
    fn an_opening_changed_in_any_field_is_not_the_one_committed_to() {
        type Change = fn(&mut Opening);
        let table: [Change; 15] = [
            |o| o.case = OTHER_CASE,
            |o| o.grantee = Party::Institution(READER + 1),
            |o| o.grantee = Party::Account(OPERATOR),
            |o| o.practitioner = Some(DOCTOR),
            |o| o.author = Party::Institution(US + 1),
            |o| o.purpose = "ETREAT".into(),
            |o| o.labels.push("all".into()),
            |o| o.items[0].lane = LaneId([9; 32]),
            |o| o.items[0].first = 0,
            |o| o.items[1].last = 10,
            |o| o.items[1].follow = true,
            |o| o.not_before -= 1,
            |o| o.not_after += 1,
            |o| o.erase_by = 1,
            |o| o.salt[31] ^= 1,
        ];
        let grant = opening().commitment();
        let items = [item(LANE, 3, 3)];
        for (position, change) in table.into_iter().enumerate() {
            let mut changed = opening();
            change(&mut changed);
            let ask = Ask {
                signer: &OPERATOR,
                grant: &grant,
                opening: Some(&changed),
                practitioner: None,
                items: &items,
            };
            assert_eq!(decide(&fresh(50), &facts(), &ask), Err(Refusal::Commitment), "{position}");
        }
    }

    #[test]
    fn an_opening_that_breaks_its_own_rules_is_refused_even_when_committed_to() {
        let mut overlapping = opening();
        overlapping.items[1].first = 5;
        assert_eq!(ask(&facts(), &overlapping, &[item(LANE, 3, 3)]), Err(Refusal::Commitment));
        let others = Opening { author: Party::Institution(US + 1), ..opening() };
        assert_eq!(ask(&facts(), &others, &[item(LANE, 3, 3)]), Err(Refusal::Author));
    }

    #[test]
    fn only_the_practitioner_that_is_named() {
        let named = Opening { practitioner: Some(DOCTOR), ..opening() };
        let grant = named.commitment();
        let items = [item(LANE, 3, 3)];
        let with = |opening: &Opening, practitioner: Option<&Address>| {
            let ask = Ask {
                signer: &OPERATOR,
                grant: &opening.commitment(),
                opening: Some(opening),
                practitioner,
                items: &items,
            };
            decide(&fresh(50), &facts(), &ask).map(|permit| *permit.why())
        };
        assert_eq!(with(&named, Some(&DOCTOR)), Ok(Why::Grant(grant)));
        assert_eq!(with(&named, Some(&OPERATOR)), Err(Refusal::Practitioner));
        assert_eq!(with(&named, None), Err(Refusal::Practitioner));
        assert!(with(&opening(), Some(&DOCTOR)).is_ok());
    }

    #[test]
    fn a_grant_to_an_account_is_for_that_account_alone() {
        let items = [item(LANE, 3, 3)];
        let own = Opening { grantee: Party::Account(OPERATOR), ..opening() };
        let nobody = Facts { reader: None, ..facts() };
        assert!(ask(&nobody, &own, &items).is_ok());
        let others = Opening { grantee: Party::Account(DOCTOR), ..opening() };
        assert_eq!(ask(&facts(), &others, &items), Err(Refusal::Reader));
    }

    #[test]
    fn ranges_within_the_opening_only() {
        let table: [(ReleaseItem, Result<(), Refusal>); 13] = [
            (item(LANE, 2, 9), Ok(())),
            (item(LANE, 2, 5), Ok(())),
            (item(LANE, 6, 9), Ok(())),
            (item(LANE, 1, 9), Err(Refusal::NotGranted)),
            (item(LANE, 2, 10), Err(Refusal::NotGranted)),
            (item(LANE, 0, 0), Err(Refusal::NotGranted)),
            (item(LANE, 50, 60), Err(Refusal::NotGranted)),
            (item(NEXT, 0, 7), Ok(())),
            (item(NEXT, 8, 9), Err(Refusal::NotAnchored)),
            (item(ACCESS, 2, 3), Err(Refusal::NotContent)),
            (item(LaneId([77; 32]), 2, 3), Err(Refusal::Lane)),
            (item(LANE, 4, 3), Err(Refusal::Ranges)),
            (item(LANE, 0, u32::MAX), Err(Refusal::NotGranted)),
        ];
        for (item, expected) in table {
            assert_eq!(
                ask(&facts(), &opening(), std::slice::from_ref(&item)).map(|_| ()),
                expected,
                "{item:?}"
            );
        }
    }

    #[test]
    fn successors_only_of_items_that_follow() {
        let mut still = opening();
        still.items[0].follow = false;
        assert_eq!(ask(&facts(), &still, &[item(NEXT, 0, 0)]), Err(Refusal::NotGranted));
        let mut facts = facts();
        facts.lanes.insert(NEXT, lane(8, &[LaneId([40; 32]), LANE]));
        assert!(ask(&facts, &opening(), &[item(NEXT, 0, 0)]).is_ok());
        facts.lanes.insert(NEXT, lane(8, &[LaneId([40; 32])]));
        assert_eq!(ask(&facts, &opening(), &[item(NEXT, 0, 0)]), Err(Refusal::NotGranted));
    }

    #[test]
    fn a_gap_between_two_items_is_not_granted() {
        let mut gap = opening();
        gap.items[1].first = 7;
        assert_eq!(ask(&facts(), &gap, &[item(LANE, 2, 9)]), Err(Refusal::NotGranted));
        assert!(ask(&facts(), &gap, &[item(LANE, 2, 5), item(LANE, 7, 9)]).is_ok());
    }

    #[test]
    fn lanes_of_other_cases_and_authors_are_not_known() {
        let items = [item(LANE, 3, 3)];
        let mut changed = facts();
        changed.lanes.get_mut(&LANE).unwrap().header.case = OTHER_CASE;
        assert_eq!(ask(&changed, &opening(), &items), Err(Refusal::Lane));
        assert_eq!(decide_holder(&changed, &CASE, &HOLDER, &items), Err(Refusal::Lane));
        let mut changed = facts();
        changed.lanes.get_mut(&LANE).unwrap().header.author = Party::Institution(READER);
        assert_eq!(ask(&changed, &opening(), &items), Err(Refusal::Lane));
    }

    #[test]
    fn the_number_of_ranges_and_entries_is_bounded() {
        let wide = |n: usize| (0..n as u32).map(|i| item(LANE, 2 * i, 2 * i)).collect::<Vec<_>>();
        assert_eq!(check_order(&wide(MAX_RELEASE_ITEMS)), Ok(()));
        assert_eq!(check_order(&wide(MAX_RELEASE_ITEMS + 1)), Err(Refusal::Ranges));
        assert_eq!(check_order(&[]), Err(Refusal::Ranges));
        assert_eq!(check_order(&[item(LANE, 1, 2), item(LANE, 2, 3)]), Err(Refusal::Ranges));
        assert_eq!(check_order(&[item(NEXT, 1, 2), item(LANE, 1, 2)]), Err(Refusal::Ranges));
        let most = MAX_RELEASE_ENTRIES as u32;
        assert_eq!(check_count(&[item(LANE, 1, most)]), Ok(()));
        assert_eq!(check_count(&[item(LANE, 1, most + 1)]), Err(Refusal::TooMany));
    }

    #[test]
    fn what_is_granted_and_not_yet_anchored_is_left_out() {
        let mut facts = facts();
        facts.lanes.insert(NEXT, lane(300, &[LANE]));
        let most = MAX_RELEASE_ENTRIES as u32;
        assert_eq!(ask(&facts, &opening(), &[item(NEXT, 0, most)]), Err(Refusal::TooMany));
        facts.lanes.insert(NEXT, lane(8, &[LANE]));
        let permit = ask(&facts, &opening(), &[item(LANE, 2, 9), item(NEXT, 0, u32::MAX - 1)]).unwrap();
        assert_eq!(permit.items(), &[item(LANE, 2, 9), item(NEXT, 0, 7)]);
        facts.lanes.insert(NEXT, lane(0, &[LANE]));
        assert_eq!(ask(&facts, &opening(), &[item(NEXT, 0, 9)]), Err(Refusal::NotAnchored));
    }

    #[test]
    fn the_holder_reads_everything_anchored_whatever_the_relationship() {
        let mut facts = facts();
        facts.relationship = Some(RelationshipStatus::Suspended);
        facts.server_status = Some(InstitutionStatus::Suspended);
        let permit = decide_holder(&facts, &CASE, &HOLDER, &[item(LANE, 0, 99), item(ACCESS, 0, 9)]).unwrap();
        assert_eq!(permit.why(), &Why::Holder);
        let read = |signer: &Address, item: ReleaseItem| decide_holder(&facts, &CASE, signer, &[item]);
        assert_eq!(read(&HOLDER, item(LANE, 0, 100)), Err(Refusal::NotAnchored));
        assert_eq!(read(&OPERATOR, item(LANE, 0, 1)), Err(Refusal::NotHolder));
        facts.identity = None;
        assert_eq!(decide_holder(&facts, &CASE, &HOLDER, &[item(LANE, 0, 1)]), Err(Refusal::UnknownCase));
    }

    proptest! {
        /// Every entry of a granted range is granted by itself, and no other.
        #[test]
        fn a_range_is_granted_exactly_when_each_of_its_entries_is(
            bounds in proptest::collection::btree_set(0u32..60, 2..8),
            first in 0u32..60,
            length in 0u32..20,
        ) {
            let bounds: Vec<u32> = bounds.into_iter().collect();
            let mut opening = opening();
            opening.items = bounds
                .chunks_exact(2)
                .map(|pair| OpeningItem { lane: LANE, first: pair[0], last: pair[1], follow: false })
                .collect();
            let range = item(LANE, first, first + length);
            let each = (range.first..=range.last).all(|index| opening.covers(&LANE, index));
            prop_assert_eq!(granted(&opening, &lane(100, &[]), &range), each);
        }
    }
}
