//! The case chain: a case's anchors in height order as blocks.

use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::{AnchoredHead, CaseId, Hash, V1, digest, encode, records::Policy, sha256};

/// One height at which a head of the case changed.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CaseBlock {
    /// Format version.
    pub version: V1,
    /// The case.
    pub case: CaseId,
    /// Hash of the block before, or [`genesis`].
    pub prev: Hash,
    /// Height on the network's chain.
    pub height: u64,
    /// That block's time, Unix ms.
    pub time: u64,
    /// The heads that changed, lanes ascending.
    pub heads: Vec<AnchoredHead>,
}

impl CaseBlock {
    /// The hash the next block names.
    pub fn hash(&self) -> Hash {
        digest("casewise/block/v1", self)
    }
}

/// `prev` of the first block.
pub fn genesis(case: &CaseId, policy: &Policy) -> Hash {
    sha256(&[b"casewise/genesis/v1", &case.0, &encode(policy)])
}
