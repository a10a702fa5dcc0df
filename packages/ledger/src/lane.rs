//! The header of a lane; its hash is the lane id.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{CaseId, Hash, LaneId, Party, V1, digest, sha256};

/// Smallest padded size of an entry in an ordinary lane, bytes.
pub const MINIMUM: u32 = 1024;
/// Smallest padded size of an entry in a device lane, bytes.
pub const DEVICE_MINIMUM: u32 = 64;

/// What a lane holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Class {
    /// Records, amendments, beats.
    Content,
    /// Reads by third parties.
    Access,
}

/// What a lane is made from.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LaneHeader {
    /// Format version.
    pub version: V1,
    /// The case.
    pub case: CaseId,
    /// Who writes.
    pub author: Party,
    /// Content or access.
    pub class: Class,
    /// Smallest padded size: [`MINIMUM`] or [`DEVICE_MINIMUM`].
    pub minimum: u32,
    /// Epoch of the case's KEM key.
    pub epoch: u32,
    /// [`root_commitment`] of the key tree's root.
    pub root: Hash,
    /// Ed25519 key of a device lane.
    pub signer: Option<[u8; 32]>,
    /// The lane this one goes on from.
    pub predecessor: Option<LaneId>,
    /// Random.
    pub nonce: [u8; 16],
}

impl LaneHeader {
    /// The lane id.
    pub fn id(&self) -> LaneId {
        LaneId(digest("casewise/lane/v1", self))
    }
}

/// `H("casewise/root/v1" ‖ root key)`: what a lane header says of its key tree.
pub fn root_commitment(root_key: &[u8; 32]) -> Hash {
    sha256(&[b"casewise/root/v1", root_key])
}
