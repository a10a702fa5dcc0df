//! How long a lane has been silent, against what the case's policy allows.
//!
//! Must never count time in which the network made no blocks: nobody could have anchored then.

use casewise_ledger::records::LaneRecord;

use super::Block;
use crate::summary::MAX_BLOCK_INTERVAL_MS;

/// How long (ms) a lane has been silent at `block`: since its last head, or since it was opened; at
/// most [`MAX_BLOCK_INTERVAL_MS`] for each block made since.
pub fn silence(lane: &LaneRecord, block: Block) -> u64 {
    let blocks = block.height.saturating_sub(lane.height);
    block.time.saturating_sub(lane.time).min(blocks.saturating_mul(MAX_BLOCK_INTERVAL_MS))
}

/// Whether a silence (ms) is longer than the policy's cadence (seconds; 0: none is too long).
pub fn late(silence: u64, cadence: u32) -> bool {
    cadence != 0 && silence > u64::from(cadence) * 1_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use casewise_ledger::{
        CaseId, Class, Party, V1,
        records::{LaneRecord, LaneStatus},
    };
    use proptest::prelude::*;

    fn lane(height: u64, time: u64) -> LaneRecord {
        LaneRecord {
            version: V1,
            status: LaneStatus::Open,
            class: Class::Content,
            case: CaseId([1; 32]),
            author: Party::Institution(1),
            signer: None,
            size: 1,
            root: [0; 32],
            height,
            time,
            seen: 0,
        }
    }

    #[test]
    fn a_network_that_stood_still_makes_nobody_late() {
        let lane = lane(10, 1_000);
        let at = |height, time| silence(&lane, Block { height, time });
        assert_eq!(at(10, 1_000), 0);
        assert_eq!(at(11, 1_000 + MAX_BLOCK_INTERVAL_MS), MAX_BLOCK_INTERVAL_MS);
        assert_eq!(at(11, 1_001 + MAX_BLOCK_INTERVAL_MS), MAX_BLOCK_INTERVAL_MS);
        assert_eq!(at(11, u64::MAX), MAX_BLOCK_INTERVAL_MS, "one block after years");
        assert_eq!(at(20, 6_000), 5_000, "blocks faster than that count as they came");
    }

    #[test]
    fn late_from_one_past_the_cadence_on() {
        assert!(!late(3_000, 3));
        assert!(late(3_001, 3));
        assert!(!late(u64::MAX, 0));
        assert!(!late(u64::from(u32::MAX) * 1_000, u32::MAX));
    }

    proptest! {
        #[test]
        fn never_longer_than_the_clock_or_the_blocks_say(
            from in (any::<u32>(), any::<u32>()), height in any::<u64>(), time in any::<u64>(),
        ) {
            let lane = lane(from.0.into(), from.1.into());
            let silent = silence(&lane, Block { height, time });
            prop_assert!(silent <= time.saturating_sub(lane.time));
            prop_assert!(u128::from(silent)
                <= u128::from(height.saturating_sub(lane.height)) * u128::from(MAX_BLOCK_INTERVAL_MS));
        }
    }
}
