//! Entry headers, kinds and leaves.

use borsh::{BorshDeserialize, BorshSerialize, io};

use crate::{Class, Hash, LaneId, LedgerError, V1, encode, sha256};

/// The largest index an entry may have: 2^32 − 2.
pub const MAX_INDEX: u32 = u32::MAX - 1;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Kind {
    /// A record.
    Record,
    /// A read by a third party; content is a receipt.
    Access,
    /// "Nothing to report".
    Beat,
    /// Corrects an earlier entry, named by `prev`.
    Amendment,
    /// Names entries whose content is gone.
    Erasure,
    /// Readings of a device.
    DeviceBatch,
    /// The last entry of its lane.
    Close,
}

impl Kind {
    /// Whether a lane of this class takes the kind.
    pub fn allowed_in(self, class: Class) -> bool {
        match class {
            Class::Content => self != Self::Access,
            Class::Access => matches!(self, Self::Access | Self::Beat | Self::Erasure | Self::Close),
        }
    }

    /// Whether the content carries a media type (kinds 0, 3 and 5).
    pub fn has_media_type(self) -> bool {
        matches!(self, Self::Record | Self::Amendment | Self::DeviceBatch)
    }
}

/// An entry by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EntryRef {
    /// The lane.
    pub lane: LaneId,
    /// The index.
    pub index: u32,
}

/// A recent block: the entry was not made before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct Beacon {
    /// Height, 0 when there is none.
    pub height: u64,
    /// Header hash, zeros when there is none.
    pub hash: Hash,
}

/// The header of an entry: bound into its sealing key and its leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryHeader {
    /// Format version.
    pub version: V1,
    /// Sealing suite: 1 AES-256-GCM-SIV, 2 Ascon-AEAD128.
    pub suite: u8,
    /// The lane.
    pub lane: LaneId,
    /// Position in the lane, which is also the key's index.
    pub index: u32,
    /// What it is.
    pub kind: Kind,
    /// Claimed time, Unix ms.
    pub time: u64,
    /// A recent block.
    pub beacon: Beacon,
    /// The entry amended or continued.
    pub prev: Option<EntryRef>,
}

/// Suite byte of AES-256-GCM-SIV.
pub const SUITE_GCM_SIV: u8 = 1;
/// Suite byte of Ascon-AEAD128.
pub const SUITE_ASCON: u8 = 2;

impl BorshSerialize for EntryHeader {
    fn serialize<W: io::Write>(&self, w: &mut W) -> io::Result<()> {
        self.version.serialize(w)?;
        self.suite.serialize(w)?;
        self.lane.serialize(w)?;
        self.index.serialize(w)?;
        self.kind.serialize(w)?;
        self.time.serialize(w)?;
        self.beacon.serialize(w)?;
        self.prev.serialize(w)
    }
}

impl BorshDeserialize for EntryHeader {
    fn deserialize_reader<R: io::Read>(r: &mut R) -> io::Result<Self> {
        let header = Self {
            version: V1::deserialize_reader(r)?,
            suite: u8::deserialize_reader(r)?,
            lane: LaneId::deserialize_reader(r)?,
            index: u32::deserialize_reader(r)?,
            kind: Kind::deserialize_reader(r)?,
            time: u64::deserialize_reader(r)?,
            beacon: Beacon::deserialize_reader(r)?,
            prev: Option::deserialize_reader(r)?,
        };
        header.check().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "entry header"))?;
        Ok(header)
    }
}

impl EntryHeader {
    /// The rules a header obeys by itself: known suite, index in range, `prev` only where the kind
    /// takes one, a beacon that is whole or absent.
    pub fn check(&self) -> Result<(), LedgerError> {
        if !matches!(self.suite, SUITE_GCM_SIV | SUITE_ASCON) {
            return Err(LedgerError::Malformed);
        }
        if self.index > MAX_INDEX {
            return Err(LedgerError::Index);
        }
        let prev_fits = match self.kind {
            Kind::Amendment => self.prev.is_some(),
            Kind::Record => true,
            _ => self.prev.is_none(),
        };
        let beacon_fits = self.beacon.height != 0 || self.beacon.hash == [0; 32];
        if prev_fits && beacon_fits { Ok(()) } else { Err(LedgerError::Malformed) }
    }

    /// The RFC 6962 leaf hash of the entry.
    /// `commitment` is okm[32..64] of the sealing key, `body_length` bytes of ciphertext.
    pub fn leaf(&self, commitment: &Hash, body_length: u64, body_sha256: &Hash) -> Hash {
        leaf(&encode(self), commitment, body_length, body_sha256)
    }
}

/// [`EntryHeader::leaf`] from the header's encoded bytes.
pub fn leaf(header: &[u8], commitment: &Hash, body_length: u64, body_sha256: &Hash) -> Hash {
    sha256(&[&[0], header, commitment, &body_length.to_be_bytes(), body_sha256])
}
