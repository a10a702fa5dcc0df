//! The byte formats of Casewise: ids, entry and lane headers, leaves, heads, inclusion and
//! consistency proofs, cards, grants, receipts and the records the contracts store.
//!
//! Responsible for: one encoding and one hash of every object that is hashed or signed, and the
//! rules that need nothing but bytes. Every struct is Borsh; decoders refuse trailing bytes, other
//! versions and unknown tags. Must never do I/O, read a clock or hold a content key.
#![cfg_attr(not(any(test, feature = "serde")), no_std)]

extern crate alloc;

#[cfg(feature = "account")]
pub mod account;
pub mod anchor;
pub mod block;
pub mod case;
pub mod claim;
pub mod conflict;
pub mod data;
pub mod entry;
mod error;
pub mod grant;
pub mod head;
mod id;
pub mod lane;
pub mod merkle;
pub mod records;

pub use anchor::{AnchorBatch, AnchorItem, AnchoredHead, DeviceSignature, RotateBatch, RotateItem};
pub use block::CaseBlock;
pub use case::{CaseCard, CaseOffer, Net, RotateCard, RotateOffer};
pub use claim::ClaimRequest;
pub use conflict::{ConflictProof, ConflictSide, HeadGiven};
pub use data::Data;
pub use entry::{Beacon, EntryHeader, EntryRef, Kind};
pub use error::LedgerError;
pub use grant::{Opening, OpeningItem, Receipt, Release, ReleaseItem};
pub use head::Head;
pub use id::{Address, CaseId, Commitment, Hash, LaneId, Party, V1};
pub use lane::{Class, LaneHeader};

use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest, Sha256};

/// SHA-256 over the parts, joined.
pub fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Borsh bytes of a value. Encoding into memory cannot fail for the types of this crate.
pub fn encode<T: BorshSerialize>(value: &T) -> Vec<u8> {
    borsh::to_vec(value).expect("borsh encoding into memory")
}

/// Decodes a value and refuses trailing bytes, unknown tags and other versions.
pub fn decode<T: BorshDeserialize>(bytes: &[u8]) -> Result<T, LedgerError> {
    T::try_from_slice(bytes).map_err(|_| LedgerError::Malformed)
}

/// `H(domain ‖ borsh(value))`, the digest of every hashed or signed object.
pub(crate) fn digest<T: BorshSerialize>(domain: &str, value: &T) -> Hash {
    sha256(&[domain.as_bytes(), &encode(value)])
}
