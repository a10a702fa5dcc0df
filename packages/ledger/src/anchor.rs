//! Packed anchors: what an author posts, and what the contract says it accepted.

use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Hash, Head, LaneHeader, LaneId, LedgerError, V1};

/// Most lanes in one batch.
pub const MAX_BATCH: usize = 1024;
/// Most hashes of a consistency proof.
pub const MAX_CONSISTENCY: usize = 64;
/// Most hashes of an inclusion proof.
pub const MAX_INCLUSION: usize = 32;

/// A device's signature over a head.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DeviceSignature {
    /// Time in the signed message, Unix ms.
    pub time: u64,
    /// Ed25519 signature over the head message.
    pub sig: [u8; 64],
}

/// A new head of one lane, with the proof that it extends the anchored one.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AnchorItem {
    /// The lane.
    pub lane: LaneId,
    /// New size.
    pub size: u32,
    /// New root.
    pub root: Hash,
    /// RFC 6962 consistency proof from the anchored head.
    pub proof: Vec<Hash>,
    /// Required for a lane with a device signer.
    pub device: Option<DeviceSignature>,
}

impl AnchorItem {
    /// The new head.
    pub fn head(&self) -> Head {
        Head { size: self.size, root: self.root }
    }
}

/// Heads of several lanes, lanes strictly ascending.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AnchorBatch {
    /// Format version.
    pub version: V1,
    /// The heads.
    pub items: Vec<AnchorItem>,
}

impl AnchorBatch {
    /// Refuses an empty or oversized batch, lanes out of order, and overlong proofs.
    pub fn check(&self) -> Result<(), LedgerError> {
        check_order(self.items.iter(), self.items.len())
    }
}

/// The final head of a lane and the lane that goes on from it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RotateItem {
    /// Final head of the old lane; an equal size is allowed.
    pub last: AnchorItem,
    /// Header of the successor, whose predecessor is `last.lane`.
    pub next: LaneHeader,
}

/// Several rotations at once, old lanes strictly ascending.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RotateBatch {
    /// Format version.
    pub version: V1,
    /// The rotations.
    pub items: Vec<RotateItem>,
}

impl RotateBatch {
    /// As [`AnchorBatch::check`], and every successor names its predecessor.
    pub fn check(&self) -> Result<(), LedgerError> {
        check_order(self.items.iter().map(|item| &item.last), self.items.len())?;
        if self.items.iter().all(|item| item.next.predecessor == Some(item.last.lane)) {
            Ok(())
        } else {
            Err(LedgerError::Malformed)
        }
    }
}

fn check_order<'a>(items: impl Iterator<Item = &'a AnchorItem>, count: usize) -> Result<(), LedgerError> {
    if count == 0 || count > MAX_BATCH {
        return Err(LedgerError::Malformed);
    }
    let mut before: Option<LaneId> = None;
    for item in items {
        if before.is_some_and(|lane| lane >= item.lane) {
            return Err(LedgerError::Malformed);
        }
        if item.proof.len() > MAX_CONSISTENCY {
            return Err(LedgerError::ProofLength);
        }
        before = Some(item.lane);
    }
    Ok(())
}

/// A head that the contract accepted: one element of the event attribute `heads`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AnchoredHead {
    /// The lane.
    pub lane: LaneId,
    /// Its size.
    pub size: u32,
    /// Its root.
    pub root: Hash,
}
