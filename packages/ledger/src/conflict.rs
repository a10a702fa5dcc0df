//! The proof that an author gave two histories of one lane: two heads of its own, and in each an
//! inclusion proof of another leaf at the same position.

use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Hash, Head, LaneId, LedgerError, V1, merkle::verify_inclusion};

/// Most hashes of an inclusion path.
pub const MAX_PATH: usize = 32;

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
            if side.path.len() > MAX_PATH {
                return Err(LedgerError::Proof);
            }
            verify_inclusion(&side.leaf, self.index, side.size, &side.path, &side.root)?;
        }
        if self.sides[0].leaf == self.sides[1].leaf { Err(LedgerError::Proof) } else { Ok(()) }
    }
}
