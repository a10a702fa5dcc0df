//! The life of a lane: open → closing → closed, never back, and never a head that does not extend
//! the one before.

use casewise_ledger::{
    Address, AnchorItem, Class, Head, LaneHeader, Party, V1,
    lane::{DEVICE_MINIMUM, MINIMUM},
    merkle::verify_consistency,
    records::{
        CaseRecord, CaseStatus, IdentityRecord, InstitutionRecord, InstitutionStatus, LaneRecord, LaneStatus,
        Policy, RecoveryRecord, RelationshipRecord, RelationshipStatus,
    },
};
use cosmwasm_schema::cw_serde;

use super::{Change, Refusal, active, case::empty, holder, not_recovering};
use crate::summary::MAX_CASE_LANES;

/// Most content lanes of an author in a case that are not closed.
pub const MAX_OPEN_LANES: usize = 16;
/// Closing grace of a case without a policy, seconds.
pub const DEFAULT_GRACE: u32 = 86_400;
const MS_PER_SECOND: u64 = 1000;

/// Why one lane of a batch failed alone.
#[cw_serde]
#[derive(Copy, Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub enum LaneFault {
    /// There is no such lane.
    Unknown,
    /// The head is smaller than the anchored one.
    Stale,
    /// The lane is closed.
    Closed,
    /// The lane is closing and takes no successor.
    Closing,
    /// The lane's deadline is over.
    Overdue,
    /// The consistency proof does not lead from the anchored head to this one.
    Proof,
    /// The device's signature is missing, not wanted, or does not verify.
    Device,
    /// The institution has been suspended for longer than the grace.
    Suspended,
    /// The successor is not made for the case's current key.
    Epoch,
    /// The case is closing or completed and takes no successor.
    CaseClosed,
    /// The lane has no deadline that is over, or is an access lane.
    NotDue,
    /// The author is an account that is the case's holder no more.
    NotHolder,
    /// The device's key was in other hands: the lane takes no larger head.
    Compromised,
}

/// The block in which a message is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Height.
    pub height: u64,
    /// Time, Unix ms.
    pub time: u64,
}

impl Block {
    /// Of the environment of a contract.
    pub fn of(block: &cosmwasm_std::BlockInfo) -> Self {
        Self { height: block.height, time: crate::block_ms(block) }
    }
}

/// Ends of a lane's writing that are not in its record, Unix ms, exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The deadline of a closing lane.
    pub due: Option<u64>,
    /// The end of the author's own time: see [`anchors_until`] and [`holds_until`].
    pub until: Option<u64>,
    /// The key of the lane's device was in other hands.
    pub compromised: bool,
}

fn grace_ms(policy: Option<&Policy>) -> u64 {
    u64::from(policy.map_or(DEFAULT_GRACE, |policy| policy.grace)) * MS_PER_SECOND
}

/// Until when (Unix ms, exclusive) an institution may anchor in a case; `None`: no end.
pub fn anchors_until(institution: &InstitutionRecord, policy: Option<&Policy>) -> Option<u64> {
    match institution.status {
        InstitutionStatus::Active => None,
        InstitutionStatus::Suspended => Some(institution.since.saturating_add(grace_ms(policy))),
    }
}

/// Until when (Unix ms, exclusive) an account may write lanes of its own in a case: no end while it
/// is the holder; once another account is, the moment in which that one became holder.
pub fn holds_until(account: &Address, identity: &IdentityRecord) -> Option<u64> {
    (identity.holder != *account).then_some(identity.since)
}

/// Whether a relationship is suspended or over: its content lanes are to close.
pub fn writing_is_over(relationship: Option<&RelationshipRecord>) -> bool {
    use RelationshipStatus::{Ended, Suspended};
    relationship.is_some_and(|relationship| matches!(relationship.status, Suspended | Ended))
}

/// The deadline (Unix ms) of a lane that starts closing at `now`.
pub fn deadline(now: u64, policy: Option<&Policy>) -> u64 {
    now.saturating_add(grace_ms(policy))
}

/// What a header must be by itself: the minimum of its kind of lane.
fn shape(header: &LaneHeader) -> Result<(), Refusal> {
    let minimum = if header.signer.is_some() { DEVICE_MINIMUM } else { MINIMUM };
    if header.minimum == minimum { Ok(()) } else { Err(Refusal::Minimum) }
}

/// Checks the header of a lane to be opened by itself.
pub fn header(header: &LaneHeader) -> Result<(), Refusal> {
    shape(header)?;
    if header.predecessor.is_some() { Err(Refusal::Predecessor) } else { Ok(()) }
}

/// Whether institution `number` may open a lane with this header now.
pub fn may_open(
    header: &LaneHeader,
    (number, institution): (u32, &InstitutionRecord),
    relationship: Option<&RelationshipRecord>,
    identity: &IdentityRecord,
    case: Option<&CaseRecord>,
) -> Result<(), Refusal> {
    active(number, institution)?;
    let in_force = match relationship.map(|relationship| relationship.status) {
        Some(RelationshipStatus::Active) => true,
        // the signed offer is the consent to write of the institution it names
        Some(RelationshipStatus::Proposed) => identity.institution == number,
        _ => false,
    };
    if !in_force {
        return Err(Refusal::NotInForce { institution: number });
    }
    takes_lane(header, identity, case)
}

/// Whether an account may open a lane of its own with this header at `now` (Unix ms): it is the
/// case's holder, and no recovery of the case is running.
pub fn may_open_own(
    header: &LaneHeader,
    account: &Address,
    identity: &IdentityRecord,
    recovery: Option<&RecoveryRecord>,
    case: Option<&CaseRecord>,
    now: u64,
) -> Result<(), Refusal> {
    holder(identity, &account.0)?;
    not_recovering(recovery, now)?;
    takes_lane(header, identity, case)
}

/// Whether a case takes a new lane with this header. Access lanes are opened in every state of it:
/// reads go on.
fn takes_lane(
    header: &LaneHeader,
    identity: &IdentityRecord,
    case: Option<&CaseRecord>,
) -> Result<(), Refusal> {
    if header.epoch != identity.epoch {
        return Err(Refusal::Epoch { epoch: identity.epoch });
    }
    let Some(case) = case.filter(|_| header.class == Class::Content) else {
        return Ok(());
    };
    if case.status != CaseStatus::Open {
        return Err(Refusal::CaseClosed);
    }
    if case.open >= MAX_CASE_LANES { Err(Refusal::CaseFull) } else { Ok(()) }
}

/// The records of a new lane and of its case.
pub fn new_lane(header: &LaneHeader, case: Option<&CaseRecord>, block: Block) -> (LaneRecord, CaseRecord) {
    let Head { size, root } = Head::empty();
    let lane = LaneRecord {
        version: V1,
        status: LaneStatus::Open,
        class: header.class,
        case: header.case,
        author: header.author,
        signer: header.signer,
        size,
        root,
        height: block.height,
        time: block.time,
        seen: 0,
    };
    let case = case.cloned().unwrap_or_else(|| empty(block.height));
    let case = match header.class {
        Class::Content => CaseRecord { open: case.open.saturating_add(1), height: block.height, ..case },
        Class::Access => case,
    };
    (lane, case)
}

/// Whether `next` may go on from a lane: a header of the same case, author and class. A header that
/// fails is no race but a fault of its maker: the message is refused.
pub fn successor(lane: &LaneRecord, next: &LaneHeader) -> Result<(), Refusal> {
    shape(next)?;
    let same = (next.case, next.author, next.class) == (lane.case, lane.author, lane.class);
    if same { Ok(()) } else { Err(Refusal::NotSuccessor) }
}

/// Whether a lane may get a successor made for key epoch `epoch` now.
pub fn rotation_case(
    lane: &LaneRecord,
    epoch: u32,
    identity: &IdentityRecord,
    case: Option<&CaseRecord>,
) -> Result<(), LaneFault> {
    if lane.class == Class::Content {
        if lane.status == LaneStatus::Closing {
            return Err(LaneFault::Closing);
        }
        if case.is_none_or(|case| case.status != CaseStatus::Open) {
            return Err(LaneFault::CaseClosed);
        }
    }
    if epoch == identity.epoch { Ok(()) } else { Err(LaneFault::Epoch) }
}

/// Whether the author may still write a lane that is not closed.
fn writable(lane: &LaneRecord, terms: Terms, now: u64) -> Result<(), LaneFault> {
    if lane.status == LaneStatus::Closed {
        return Err(LaneFault::Closed);
    }
    if terms.due.is_some_and(|due| due <= now) {
        return Err(LaneFault::Overdue);
    }
    match (terms.until, lane.author) {
        (Some(until), Party::Institution(_)) if until <= now => Err(LaneFault::Suspended),
        (Some(until), Party::Account(_)) if until <= now => Err(LaneFault::NotHolder),
        _ => Ok(()),
    }
}

/// The lane at a larger head. `verify`: Ed25519 by the ZIP-215 rules, of (key, message, signature).
fn extend(
    lane: &LaneRecord,
    item: &AnchorItem,
    terms: Terms,
    block: Block,
    verify: impl FnOnce(&[u8; 32], &[u8], &[u8; 64]) -> bool,
) -> Result<LaneRecord, LaneFault> {
    if terms.compromised {
        return Err(LaneFault::Compromised);
    }
    if item.size < lane.size {
        return Err(LaneFault::Stale);
    }
    // equal size with another root is a rewritten lane
    verify_consistency(lane.size, &lane.root, item.size, &item.root, &item.proof)
        .map_err(|_| LaneFault::Proof)?;
    if item.size == lane.size {
        return Err(LaneFault::Proof);
    }
    let signed = match (&lane.signer, &item.device) {
        (None, None) => true,
        (Some(key), Some(device)) => verify(key, &item.head().message(&item.lane, device.time), &device.sig),
        _ => false,
    };
    if !signed {
        return Err(LaneFault::Device);
    }
    Ok(LaneRecord {
        size: item.size,
        root: item.root,
        height: block.height,
        time: block.time,
        ..lane.clone()
    })
}

/// Anchoring a head. The same head again changes nothing, whatever became of the lane since.
pub fn anchor(
    lane: &LaneRecord,
    item: &AnchorItem,
    terms: Terms,
    block: Block,
    verify: impl FnOnce(&[u8; 32], &[u8], &[u8; 64]) -> bool,
) -> Result<Change<LaneRecord>, LaneFault> {
    if lane.head() == item.head() {
        return Ok(Change::Same);
    }
    writable(lane, terms, block.time)?;
    extend(lane, item, terms, block, verify).map(Change::To)
}

/// Closing at a final head, which may be the anchored one.
pub fn close(
    lane: &LaneRecord,
    item: &AnchorItem,
    terms: Terms,
    block: Block,
    verify: impl FnOnce(&[u8; 32], &[u8], &[u8; 64]) -> bool,
) -> Result<Change<LaneRecord>, LaneFault> {
    let same = lane.head() == item.head();
    if lane.status == LaneStatus::Closed && same {
        return Ok(Change::Same);
    }
    writable(lane, terms, block.time)?;
    let last = if same { lane.clone() } else { extend(lane, item, terms, block, verify)? };
    Ok(Change::To(LaneRecord { status: LaneStatus::Closed, ..last }))
}

/// Anyone's closing at the stored size. Only content lanes: an access lane is its author's.
pub fn close_overdue(lane: &LaneRecord, terms: Terms, now: u64) -> Result<Change<LaneRecord>, LaneFault> {
    if lane.class != Class::Content {
        return Err(LaneFault::NotDue);
    }
    match writable(lane, terms, now) {
        Err(LaneFault::Closed) => Ok(Change::Same),
        Err(_) => Ok(Change::To(LaneRecord { status: LaneStatus::Closed, ..lane.clone() })),
        Ok(()) => Err(LaneFault::NotDue),
    }
}

/// The end of a relationship, for one lane: an open content lane starts closing.
pub fn start_closing(lane: &LaneRecord) -> Change<LaneRecord> {
    if lane.class == Class::Content && lane.status == LaneStatus::Open {
        Change::To(LaneRecord { status: LaneStatus::Closing, ..lane.clone() })
    } else {
        Change::Same
    }
}

/// The holder's acknowledgement of the first `size` entries. It never falls.
pub fn seen(lane: &LaneRecord, size: u32) -> Result<Change<LaneRecord>, Refusal> {
    if size > lane.size {
        return Err(Refusal::SeenAhead { size: lane.size });
    }
    Ok(if size > lane.seen { Change::To(LaneRecord { seen: size, ..lane.clone() }) } else { Change::Same })
}

#[cfg(test)]
mod tests;
