//! What is said against a lane or an entry of it: the holder's disputes, the author's word that a
//! device's key was in other hands, and the proof of two histories.
//!
//! Must never change a head: a mark stands beside what was anchored.

use casewise_ledger::{
    V1,
    records::{CompromiseRecord, ConflictRecord, DisputeCode, DisputeRecord, LaneRecord},
};

use super::{Block, Change, Refusal};

/// The holder's dispute of entry `index` at `now` (Unix ms).
pub fn dispute(
    lane: &LaneRecord,
    existing: Option<&DisputeRecord>,
    index: u32,
    code: DisputeCode,
    now: u64,
) -> Result<Change<DisputeRecord>, Refusal> {
    if index >= lane.size {
        return Err(Refusal::DisputeAhead { size: lane.size });
    }
    match existing {
        None => Ok(Change::To(DisputeRecord { version: V1, code, since: now })),
        Some(existing) if existing.code == code => Ok(Change::Same),
        Some(_) => Err(Refusal::DisputeConflict),
    }
}

/// The author's word that from entry `index` on the device's key was in other hands. An earlier
/// entry takes the place of a later one, never the other way round.
pub fn compromised(
    lane: &LaneRecord,
    existing: Option<&CompromiseRecord>,
    index: u32,
    block: Block,
) -> Result<Change<CompromiseRecord>, Refusal> {
    if lane.signer.is_none() {
        return Err(Refusal::NoSigner);
    }
    if index > lane.size {
        return Err(Refusal::DoubtAhead { size: lane.size });
    }
    match existing {
        None => {
            Ok(Change::To(CompromiseRecord { version: V1, index, height: block.height, time: block.time }))
        }
        Some(existing) if existing.index == index => Ok(Change::Same),
        Some(existing) if existing.index < index => Err(Refusal::NotEarlier { index: existing.index }),
        Some(existing) => Ok(Change::To(CompromiseRecord { index, ..existing.clone() })),
    }
}

/// Refuses what a device's signature proves from the entry on at which its key was in other hands.
pub fn device_speaks(doubt: Option<&CompromiseRecord>, index: u32) -> Result<(), Refusal> {
    match doubt {
        Some(doubt) if doubt.index <= index => Err(Refusal::DeviceInDoubt { index: doubt.index }),
        _ => Ok(()),
    }
}

/// A proof of two contents at `index`. It marks the lane for good; an earlier entry takes the place
/// of a later one, so that who forked does not choose where the fork seems to begin.
pub fn conflict(existing: Option<&ConflictRecord>, index: u32, block: Block) -> Change<ConflictRecord> {
    match existing {
        Some(existing) if existing.index <= index => Change::Same,
        Some(existing) => Change::To(ConflictRecord { index, ..existing.clone() }),
        None => Change::To(ConflictRecord { version: V1, index, height: block.height, time: block.time }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use casewise_ledger::{CaseId, Class, Party, records::LaneStatus};
    use proptest::prelude::*;

    const BLOCK: Block = Block { height: 9, time: 90 };

    fn lane(size: u32, signer: Option<[u8; 32]>) -> LaneRecord {
        LaneRecord {
            version: V1,
            status: LaneStatus::Closed,
            class: Class::Content,
            case: CaseId([1; 32]),
            author: Party::Institution(1),
            signer,
            size,
            root: [0; 32],
            height: 1,
            time: 1,
            seen: 0,
        }
    }

    #[test]
    fn only_anchored_entries_are_disputed() {
        let go = |size, index| dispute(&lane(size, None), None, index, DisputeCode::Incorrect, 7);
        let made = DisputeRecord { version: V1, code: DisputeCode::Incorrect, since: 7 };
        assert_eq!(go(0, 0), Err(Refusal::DisputeAhead { size: 0 }));
        assert_eq!(go(3, 3), Err(Refusal::DisputeAhead { size: 3 }));
        assert_eq!(go(3, u32::MAX), Err(Refusal::DisputeAhead { size: 3 }));
        assert_eq!(go(3, 2), Ok(Change::To(made)));
        assert!(matches!(go(u32::MAX, u32::MAX - 1), Ok(Change::To(_))));
    }

    #[test]
    fn one_code_at_a_time() {
        let made = DisputeRecord { version: V1, code: DisputeCode::Untimely, since: 7 };
        let again = |code| dispute(&lane(3, None), Some(&made), 0, code, 8);
        assert_eq!(again(DisputeCode::Untimely), Ok(Change::Same));
        assert_eq!(again(DisputeCode::Unreadable), Err(Refusal::DisputeConflict));
    }

    #[test]
    fn doubt_is_of_device_lanes_and_within_them() {
        let go = |lane: &LaneRecord, index| compromised(lane, None, index, BLOCK);
        assert_eq!(go(&lane(3, None), 0), Err(Refusal::NoSigner));
        let device = lane(3, Some([2; 32]));
        assert_eq!(go(&device, 4), Err(Refusal::DoubtAhead { size: 3 }));
        for index in 0..=3 {
            let made = CompromiseRecord { version: V1, index, height: 9, time: 90 };
            assert_eq!(go(&device, index), Ok(Change::To(made)));
        }
    }

    #[test]
    fn a_conflict_is_marked_once() {
        let first = conflict(None, 5, BLOCK).changed().unwrap();
        assert_eq!(first, ConflictRecord { version: V1, index: 5, height: 9, time: 90 });
        let later = Block { height: 10, time: 100 };
        assert_eq!(conflict(Some(&first), 5, later), Change::Same);
        assert_eq!(conflict(Some(&first), 6, later), Change::Same);
        let earlier = ConflictRecord { index: 4, ..first.clone() };
        assert_eq!(conflict(Some(&first), 4, later), Change::To(earlier));
    }

    #[test]
    fn a_device_in_doubt_proves_nothing_from_there_on() {
        let doubt = CompromiseRecord { version: V1, index: 3, height: 1, time: 1 };
        assert_eq!(device_speaks(None, 0), Ok(()));
        assert_eq!(device_speaks(Some(&doubt), 2), Ok(()));
        assert_eq!(device_speaks(Some(&doubt), 3), Err(Refusal::DeviceInDoubt { index: 3 }));
        assert_eq!(device_speaks(Some(&doubt), u32::MAX), Err(Refusal::DeviceInDoubt { index: 3 }));
    }

    proptest! {
        /// Doubt only moves to earlier entries, and keeps the block in which it was first said.
        #[test]
        fn doubt_never_moves_to_a_later_entry(indices in proptest::collection::vec(0u32..12, 1..20)) {
            let device = lane(10, Some([2; 32]));
            let mut record: Option<CompromiseRecord> = None;
            for (at, index) in indices.iter().enumerate() {
                let block = Block { height: at as u64, time: at as u64 };
                let before = record.clone();
                if let Ok(Change::To(next)) = compromised(&device, record.as_ref(), *index, block) {
                    record = Some(next);
                }
                let lowest = indices[..=at].iter().filter(|index| **index <= 10).min();
                prop_assert_eq!(record.as_ref().map(|record| &record.index), lowest);
                if let (Some(before), Some(after)) = (before, &record) {
                    prop_assert_eq!((before.height, before.time), (after.height, after.time));
                }
            }
        }
    }
}
