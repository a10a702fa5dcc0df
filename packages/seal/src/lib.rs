//! What keeps content closed: sealed bodies, their acceptance, and (feature `letters`) the letters
//! that carry keys to people.
//!
//! Responsible for: sealing data under a one-time key so that the key, the header and every byte are
//! committed to; the whole list of checks that makes an entry acceptable, in its fixed order; letters
//! to an X-Wing key. Must never do I/O, choose a one-time key, read a clock, or tell an outsider more
//! of a refusal than that it was one.
//!
//! A body of any size goes through [`Sealer`] and [`EntryOpener`] in pieces; [`seal`] and
//! [`AcceptedEntry::open`] take it whole.
//!
//! ```
//! use casewise_keytree::KeySet;
//! use casewise_ledger::{
//!     AnchoredHead, Beacon, CaseId, Class, Data, EntryHeader, Kind, LaneHeader, Party, V1,
//!     entry::SUITE_GCM_SIV, lane::{MINIMUM, root_commitment}, merkle,
//! };
//! use casewise_seal::{accept_entry, seal};
//!
//! let root = [7; 32];
//! let lane = LaneHeader {
//!     version: V1, case: CaseId([1; 32]), author: Party::Institution(7), class: Class::Content,
//!     minimum: MINIMUM, epoch: 0, root: root_commitment(&root), signer: None, predecessor: None,
//!     nonce: [2; 16],
//! };
//! let mut keys = KeySet::root(&root);
//! let (index, key) = keys.advance()?;
//! let header = EntryHeader {
//!     version: V1, suite: SUITE_GCM_SIV, lane: lane.id(), index, kind: Kind::Record,
//!     time: 1_767_225_600_000, beacon: Beacon::default(), prev: None,
//! };
//! let data = Data::Content { media_type: "text/plain".into(), content: b"BP 120/80".to_vec() };
//! let sealed = seal(&key, &header, lane.minimum, &data.encode()?)?;
//!
//! // Later, somebody who knows the anchored head and was given the key:
//! let leaf = sealed.entry.leaf();
//! let head = AnchoredHead { lane: lane.id(), size: 1, root: merkle::root(&[leaf]) };
//! let accepted = accept_entry(&lane, &head, 0, &sealed.entry, &[])?;
//! assert_eq!(accepted.open(&key, &sealed.body)?, data);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]

extern crate alloc;

mod body;
mod cipher;
mod entry;
mod error;
#[cfg(feature = "letters")]
mod letters;
mod open;
mod pad;
#[cfg(feature = "vectors")]
pub mod vectors;

pub use body::{Sealed, Sealer, seal, seal_into};
pub use cipher::{CHUNK, TAG};
pub use entry::{AcceptedEntry, EntryOpener, ListedEntry, accept_entry, open_entry};
#[cfg(feature = "letters")]
pub use error::LetterReason;
pub use error::{Reason, SealError};
#[cfg(feature = "letters")]
pub use letters::{
    ENC_LEN, KemPublic, KemSecret, LETTER_MINIMUM, LaneKeys, Letter, LetterKind, MAX_LETTER, Payload, Share,
};
pub use pad::{MAX_LENGTH, body_length, padded_length, padme};
