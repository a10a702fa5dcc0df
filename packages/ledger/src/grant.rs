//! Grants, and the countersigned reads they allow.

use alloc::{string::String, vec::Vec};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Address, CaseId, Commitment, Hash, LaneId, LedgerError, Party, V1, digest, encode};

/// One day, ms.
pub const DAY_MS: u64 = 86_400_000;
/// Longest life of a release, ms.
pub const MAX_RELEASE_MS: u64 = 10 * 60 * 1000;

/// A granted range of a lane, both ends inclusive.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct OpeningItem {
    /// The lane.
    pub lane: LaneId,
    /// First index.
    pub first: u32,
    /// Last index.
    pub last: u32,
    /// Also every index of every successor lane.
    pub follow: bool,
}

/// What a grant says. Only its hash is on chain.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Opening {
    /// Format version.
    pub version: V1,
    /// The case.
    pub case: CaseId,
    /// Who may read.
    pub grantee: Party,
    /// One practitioner of the grantee, or all.
    pub practitioner: Option<Address>,
    /// Whose lanes.
    pub author: Party,
    /// HL7 PurposeOfUse code.
    pub purpose: String,
    /// Words for people.
    pub labels: Vec<String>,
    /// Ascending by (lane, first), disjoint, content lanes of `author`.
    pub items: Vec<OpeningItem>,
    /// First moment, Unix ms, inclusive.
    pub not_before: u64,
    /// Last moment, Unix ms, exclusive.
    pub not_after: u64,
    /// When the reader must have erased its copy, Unix ms; 0 none.
    pub erase_by: u64,
    /// Random.
    pub salt: Hash,
}

impl Opening {
    /// The grant's id.
    pub fn commitment(&self) -> Commitment {
        Commitment(digest("casewise/grant/v1", self))
    }

    /// First and last UTC day of the grant as they stand on chain, both inclusive.
    pub fn days(&self) -> (u32, u32) {
        let last = self.not_after.div_ceil(DAY_MS).saturating_sub(1);
        ((self.not_before / DAY_MS) as u32, last as u32)
    }

    /// The rules an opening obeys by itself: a time range that is not empty, at least one item,
    /// items ascending by (lane, first) and disjoint.
    pub fn check(&self) -> Result<(), LedgerError> {
        let ordered = self.items.windows(2).all(|pair| {
            pair[0].lane < pair[1].lane || (pair[0].lane == pair[1].lane && pair[0].last < pair[1].first)
        });
        let ranges = self.items.iter().all(|item| item.first <= item.last);
        if ordered && ranges && !self.items.is_empty() && self.not_before < self.not_after {
            Ok(())
        } else {
            Err(LedgerError::Malformed)
        }
    }

    /// Whether the grant is in force at `time` (block time, Unix ms).
    pub fn in_force(&self, time: u64) -> bool {
        self.not_before <= time && time < self.not_after
    }

    /// Whether index `index` of `lane` is granted by an item that names the lane. Successor lanes
    /// of `follow` items are resolved by the caller, who knows the lanes' predecessors.
    pub fn covers(&self, lane: &LaneId, index: u32) -> bool {
        self.items.iter().any(|item| item.lane == *lane && item.first <= index && index <= item.last)
    }
}

/// A range of a lane that a release hands over, both ends inclusive.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ReleaseItem {
    /// The lane.
    pub lane: LaneId,
    /// First index.
    pub first: u32,
    /// Last index.
    pub last: u32,
}

/// What a server says it is about to hand over to a third party, and on which decision.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Release {
    /// Format version.
    pub version: V1,
    /// The case.
    pub case: CaseId,
    /// The grant.
    pub grant: Commitment,
    /// Who serves.
    pub server: Party,
    /// Who reads.
    pub reader: Party,
    /// The person who reads.
    pub practitioner: Option<Address>,
    /// The case's `rev` at the decision.
    pub rev: u32,
    /// Height of the decision.
    pub height: u64,
    /// What is handed over.
    pub items: Vec<ReleaseItem>,
    /// H(all leaves, in the order of the items).
    pub leaves: Hash,
    /// Random; names the release.
    pub nonce: [u8; 16],
    /// Unix ms, at most [`MAX_RELEASE_MS`] ahead.
    pub expires: u64,
}

impl Release {
    /// The message that both sign (its SHA-256 is the digest).
    pub fn message(&self) -> Vec<u8> {
        let mut message = b"casewise/release/v1".to_vec();
        message.extend_from_slice(&encode(self));
        message
    }
}

/// A release signed by both sides: the content of an access entry.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Receipt {
    /// What was handed over.
    pub release: Release,
    /// The server's key.
    pub server_key: [u8; 33],
    /// The server's signature.
    pub server_sig: [u8; 64],
    /// The reader's key.
    pub reader_key: [u8; 33],
    /// The reader's signature.
    pub reader_sig: [u8; 64],
}
