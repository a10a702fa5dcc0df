//! What a letter says, and what it may say by its kind.

use alloc::vec::Vec;
use core::fmt;

use borsh::{BorshDeserialize, BorshSerialize, io};
use casewise_keytree::KeySet;
use casewise_ledger::{CaseId, Hash, LaneHeader, LaneId, Opening, lane::root_commitment};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::LetterKind;
use crate::{LetterReason, SealError};

/// Keys of one lane.
#[derive(Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LaneKeys {
    /// The lane.
    pub lane: LaneId,
    /// What opens its entries.
    pub nodes: KeySet,
}

impl LaneKeys {
    /// Checks that these keys are the whole tree that the lane's header commits to.
    /// Errors: [`SealError::Letter`] with [`LetterReason::Subject`].
    pub fn check_root(&self, header: &LaneHeader) -> Result<(), SealError> {
        let same = self.lane == header.id()
            && self.nodes.expose_root().is_some_and(|root| root_commitment(root) == header.root);
        if same { Ok(()) } else { Err(SealError::Letter(LetterReason::Subject)) }
    }
}

/// A secret that is no key set: a share, or what a claim or a keep carries. Wiped when dropped.
#[derive(Default, Zeroize, ZeroizeOnDrop)]
pub struct Share(Vec<u8>);

impl Share {
    /// Takes the bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The secret itself.
    pub fn expose_secret(&self) -> &[u8] {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialEq for Share {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Share {}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Share({} bytes)", self.0.len())
    }
}

impl BorshSerialize for Share {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        self.0.serialize(writer)
    }
}

impl BorshDeserialize for Share {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        Vec::deserialize_reader(reader).map(Self)
    }
}

/// The content of a letter.
#[derive(Debug, Default, PartialEq, Eq, BorshSerialize)]
pub struct Payload {
    /// Keys, strictly ascending by lane.
    pub keys: Vec<LaneKeys>,
    /// What the grant says.
    pub opening: Option<Opening>,
    /// Any other secret.
    pub share: Share,
}

impl BorshDeserialize for Payload {
    /// Refuses lanes out of order, and everything a [`KeySet`] and an [`Opening`] refuse.
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let payload = Self {
            keys: Vec::deserialize_reader(reader)?,
            opening: Option::deserialize_reader(reader)?,
            share: Share::deserialize_reader(reader)?,
        };
        if payload.is_canonical() { Ok(payload) } else { Err(io::ErrorKind::InvalidData.into()) }
    }
}

impl Payload {
    /// Keys of the lanes given, in any order; a lane may be named once.
    pub fn of_keys(mut keys: Vec<LaneKeys>) -> Self {
        keys.sort_by_key(|keys| keys.lane);
        Self { keys, ..Self::default() }
    }

    /// The keys of a lane.
    pub fn keys_of(&self, lane: &LaneId) -> Option<&KeySet> {
        self.keys.iter().find(|keys| keys.lane == *lane).map(|keys| &keys.nodes)
    }

    /// The encoding, in memory of exactly its size, so that no copy stays behind; wiped when dropped.
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let length = borsh::object_length(self).expect("borsh encoding into memory");
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        self.serialize(&mut *bytes).expect("borsh encoding into memory");
        bytes
    }

    /// The rules of the kind: a root letter holds the whole tree of the lane it is about and nothing
    /// else; a grant's opening is the one its commitment names, in this case, and it has no share.
    pub(crate) fn check(&self, kind: LetterKind, case: &CaseId, subject: &Hash) -> Result<(), LetterReason> {
        if !self.is_canonical() {
            return Err(LetterReason::Payload);
        }
        let fits = match kind {
            LetterKind::Root => self.is_root_of(subject),
            LetterKind::Grant => self.is_grant(case, subject),
            LetterKind::Claim | LetterKind::Emergency | LetterKind::Keep => true,
        };
        if fits { Ok(()) } else { Err(LetterReason::Subject) }
    }

    fn is_canonical(&self) -> bool {
        self.keys.windows(2).all(|pair| pair[0].lane < pair[1].lane)
            && self.opening.as_ref().is_none_or(|opening| opening.check().is_ok())
    }

    fn is_root_of(&self, lane: &Hash) -> bool {
        match self.keys.as_slice() {
            [keys] => {
                keys.lane.0 == *lane
                    && keys.nodes.expose_root().is_some()
                    && self.opening.is_none()
                    && self.share.is_empty()
            }
            _ => false,
        }
    }

    fn is_grant(&self, case: &CaseId, commitment: &Hash) -> bool {
        let named = |opening: &Opening| opening.case == *case && opening.commitment().0 == *commitment;
        self.opening.as_ref().is_none_or(named) && self.share.is_empty()
    }
}
