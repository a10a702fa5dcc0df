//! The head of a lane: its size and root.

use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Hash, LaneId, merkle, sha256};

/// How far a lane has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Head {
    /// Number of entries.
    pub size: u32,
    /// RFC 6962 root over their leaves.
    pub root: Hash,
}

impl Head {
    /// The head of an empty lane.
    pub fn empty() -> Self {
        Self { size: 0, root: merkle::empty_root() }
    }

    /// What a device signs with Ed25519; an operator signs its SHA-256. `time` is Unix ms.
    pub fn message(&self, lane: &LaneId, time: u64) -> Vec<u8> {
        let mut message = b"casewise/head/v1".to_vec();
        message.extend_from_slice(&lane.0);
        message.extend_from_slice(&self.size.to_be_bytes());
        message.extend_from_slice(&self.root);
        message.extend_from_slice(&time.to_be_bytes());
        message
    }

    /// SHA-256 of [`Head::message`]: the digest an operator signs.
    pub fn operator_digest(&self, lane: &LaneId, time: u64) -> Hash {
        sha256(&[&self.message(lane, time)])
    }
}
