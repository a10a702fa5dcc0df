//! The proof that an author gave two histories of one lane: two heads of its own, and in each an
//! inclusion proof of another leaf at the same position.

use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Hash, Head, LaneId, LedgerError, V1, anchor::MAX_INCLUSION, merkle::verify_inclusion};

/// Most hashes of an inclusion path: no tree of 2^32 − 1 leaves has a longer one, so that a path is
/// of the one right length or refused.
pub const MAX_PATH: usize = MAX_INCLUSION;

/// Two contents of one position.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ConflictProof {
    /// Format version.
    pub version: V1,
    /// The lane.
    pub lane: LaneId,
    /// The position.
    pub index: u32,
    /// The two histories.
    pub sides: [ConflictSide; 2],
}

/// One history: a head that the author gave, and what it has at the position.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ConflictSide {
    /// Entries of the head.
    pub size: u32,
    /// Root of the head.
    pub root: Hash,
    /// Leaf at the position.
    pub leaf: Hash,
    /// Inclusion path of the leaf.
    pub path: Vec<Hash>,
    /// Why the head is the author's.
    pub given: HeadGiven,
}

/// How an author gave a head.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum HeadGiven {
    /// It is the one that is anchored now.
    Anchored,
    /// An operator of the author, or the author's own account, signed it: over `H(head message)`.
    Account {
        /// Claimed time, Unix ms.
        time: u64,
        /// Compressed secp256k1 key.
        key: [u8; 33],
        /// The signature.
        sig: [u8; 64],
    },
    /// The device of the lane signed it: over the head message, Ed25519.
    Device {
        /// Claimed time, Unix ms.
        time: u64,
        /// The signature.
        sig: [u8; 64],
    },
}

impl ConflictSide {
    /// The head.
    pub fn head(&self) -> Head {
        Head { size: self.size, root: self.root }
    }
}

impl ConflictProof {
    /// Both paths lead from their leaf at the position to their root, and the leaves differ. Who
    /// gave the heads is not looked at.
    pub fn check(&self) -> Result<(), LedgerError> {
        for side in &self.sides {
            verify_inclusion(&side.leaf, self.index, side.size, &side.path, &side.root)?;
        }
        if self.sides[0].leaf == self.sides[1].leaf { Err(LedgerError::Proof) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decode, encode,
        merkle::{self, NodeId, ProofPlan, inclusion_length},
        sha256,
    };
    use alloc::{vec, vec::Vec};

    /// Leaves of two histories that part at `from`.
    fn histories(size: u32, from: u32) -> [Vec<Hash>; 2] {
        let leaf = |history: u8, index: u32| {
            let history = if index < from { 0 } else { history };
            sha256(&[&[history], &index.to_be_bytes()])
        };
        [1, 2].map(|history| (0..size).map(|index| leaf(history, index)).collect())
    }

    fn side(leaves: &[Hash], index: u32, size: u32) -> ConflictSide {
        let subtree = |id: NodeId| {
            let start = (id.index as usize) << id.level;
            leaves.get(start..start + (1 << id.level)).map(merkle::root)
        };
        let path = ProofPlan::inclusion(index, size).unwrap().assemble(subtree).unwrap();
        let root = merkle::root(&leaves[..size as usize]);
        ConflictSide { size, root, leaf: leaves[index as usize], path, given: HeadGiven::Anchored }
    }

    fn proof(index: u32, sides: [ConflictSide; 2]) -> ConflictProof {
        ConflictProof { version: V1, lane: LaneId([7; 32]), index, sides }
    }

    #[test]
    fn every_index_of_every_pair_of_small_trees() {
        for from in 0..7 {
            let [one, other] = histories(9, from);
            for (a, b) in (1..=9).flat_map(|a| (1..=9).map(move |b| (a, b))) {
                for index in 0..a.min(b) {
                    let made = proof(index, [side(&one, index, a), side(&other, index, b)]);
                    let expected = if index < from { Err(LedgerError::Proof) } else { Ok(()) };
                    assert_eq!(made.check(), expected, "{index} of {a} and {b}, parting at {from}");
                }
            }
        }
    }

    #[test]
    fn each_side_is_checked() {
        let [one, other] = histories(6, 2);
        let good = proof(4, [side(&one, 4, 6), side(&other, 4, 5)]);
        assert_eq!(good.check(), Ok(()));
        for at in [0, 1] {
            let with = |change: &dyn Fn(&mut ConflictSide)| {
                let mut changed = good.clone();
                change(&mut changed.sides[at]);
                changed.check()
            };
            assert_eq!(with(&|side| side.path.truncate(side.path.len() - 1)), Err(LedgerError::ProofLength));
            assert_eq!(with(&|side| side.path.push([0; 32])), Err(LedgerError::ProofLength));
            assert_eq!(with(&|side| side.leaf[0] ^= 1), Err(LedgerError::Proof));
            assert_eq!(with(&|side| side.root[31] ^= 1), Err(LedgerError::Proof));
            assert_eq!(with(&|side| side.path[0][0] ^= 1), Err(LedgerError::Proof));
            assert_eq!(with(&|side| side.size = 4), Err(LedgerError::Index), "index = size");
            assert_eq!(with(&|side| side.size = 0), Err(LedgerError::Index));
        }
        let same = proof(4, [side(&one, 4, 6), side(&one, 4, 5)]);
        assert_eq!(same.check(), Err(LedgerError::Proof), "the same leaf on both sides");
    }

    #[test]
    fn the_longest_path_and_one_hash_more() {
        let side = |leaf: Hash, hashes: usize| {
            let path = vec![[3; 32]; hashes];
            let root = path.iter().fold(leaf, |hash, sibling| merkle::node(&hash, sibling));
            ConflictSide { size: u32::MAX, root, leaf, path, given: HeadGiven::Anchored }
        };
        let with = |hashes| proof(0, [side([1; 32], hashes), side([2; 32], hashes)]).check();
        assert_eq!(with(MAX_PATH), Ok(()));
        assert_eq!(with(MAX_PATH + 1), Err(LedgerError::ProofLength));
        assert_eq!(with(MAX_PATH - 1), Err(LedgerError::ProofLength));
    }

    #[test]
    fn one_encoding() {
        let [one, other] = histories(3, 1);
        let mut made = proof(2, [side(&one, 2, 3), side(&other, 2, 3)]);
        made.sides[0].given = HeadGiven::Account { time: 5, key: [2; 33], sig: [6; 64] };
        made.sides[1].given = HeadGiven::Device { time: 5, sig: [6; 64] };
        let bytes = encode(&made);
        // version, lane, index; then size, root, leaf, path of one hash, given
        assert_eq!(bytes.len(), 37 + 2 * (4 + 32 + 32 + 4 + 32) + (1 + 8 + 33 + 64) + (1 + 8 + 64));
        assert_eq!(decode::<ConflictProof>(&bytes), Ok(made));
        let wrong = [&[2], &bytes[1..]].concat();
        for wrong in [&wrong[..], &bytes[..bytes.len() - 1], &[&bytes[..], &[0]].concat()] {
            assert_eq!(decode::<ConflictProof>(wrong), Err(LedgerError::Malformed));
        }
        let tag = 37 + 4 + 32 + 32 + 4 + 32;
        let mut unknown = bytes;
        assert_eq!(unknown[tag], 1);
        unknown[tag] = 3;
        assert_eq!(decode::<ConflictProof>(&unknown), Err(LedgerError::Malformed));
    }

    #[test]
    fn no_path_is_longer() {
        for size in (0..32).flat_map(|bit| [1 << bit, (1u32 << bit).wrapping_mul(2).wrapping_sub(1)]) {
            for index in [0, size / 3, size / 2, size - 1] {
                assert!(inclusion_length(index, size) <= MAX_PATH, "{index} of {size}");
            }
        }
        assert_eq!(inclusion_length(0, u32::MAX), MAX_PATH);
    }

    /// An author with one history cannot be marked: no two heads of one log make a proof, at any
    /// index, with any leaf, also with the paths exchanged.
    #[test]
    fn an_honest_log_gives_no_proof() {
        let [log, _] = histories(11, 0);
        let all: Vec<(u32, ConflictSide)> = (1..=11)
            .flat_map(|size| (0..size).map(move |index| (index, size)))
            .map(|(index, size)| (index, side(&log, index, size)))
            .collect();
        for (index, one) in &all {
            for (_, other) in &all {
                let exchanged = [
                    ConflictSide { path: other.path.clone(), ..one.clone() },
                    ConflictSide { path: one.path.clone(), ..other.clone() },
                ];
                for sides in [[one.clone(), other.clone()], exchanged] {
                    assert!(proof(*index, sides).check().is_err());
                }
            }
        }
    }
}
