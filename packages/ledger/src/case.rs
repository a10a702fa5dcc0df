//! A network's id, and the card, offer and rotation of a case's virtual identity.

use alloc::{string::String, vec::Vec};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Address, CaseId, Hash, LedgerError, V1, digest, encode, sha256};

/// Length of an X-Wing public key, bytes.
pub const KEM_KEY_LEN: usize = 1216;

/// The network a card belongs to: `H("casewise/net/v1" ‖ borsh(chain id) ‖ registrar address)`.
pub type Net = Hash;

/// Computes the id of a network. `registrar` is the contract's canonical 32-byte address.
pub fn net(chain_id: &str, registrar: &[u8; 32]) -> Net {
    sha256(&[b"casewise/net/v1", &encode(&String::from(chain_id)), registrar])
}

/// `H(X-Wing public key)`, the only form in which the key stands in a card.
pub fn kem_hash(key: &[u8; KEM_KEY_LEN]) -> Hash {
    sha256(&[key])
}

/// What a case is made from; its hash is the case id.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CaseCard {
    /// Format version.
    pub version: V1,
    /// The network.
    pub net: Net,
    /// The holder's account.
    pub holder: Address,
    /// Hash of the holder's X-Wing public key.
    pub kem: Hash,
    /// Random.
    pub salt: Hash,
}

impl CaseCard {
    /// The case id.
    pub fn id(&self) -> CaseId {
        CaseId(digest("casewise/case/v1", self))
    }

    /// What the holder signs to be enrolled by `institution` before `expires` (Unix ms).
    pub fn open_message(&self, recovery: Option<Address>, institution: u32, expires: u64) -> Vec<u8> {
        let mut message = b"casewise/open/v1".to_vec();
        message.extend_from_slice(&encode(self));
        message.extend_from_slice(&encode(&recovery));
        message.extend_from_slice(&institution.to_be_bytes());
        message.extend_from_slice(&expires.to_be_bytes());
        message
    }
}

/// What the patient shows an institution: the card, the full key and the holder's signature.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CaseOffer {
    /// Format version.
    pub version: V1,
    /// The card.
    pub card: CaseCard,
    /// The X-Wing public key whose hash is in the card.
    pub kem_key: [u8; KEM_KEY_LEN],
    /// Account that may recover the case after a delay.
    pub recovery: Option<Address>,
    /// The institution that may enrol.
    pub institution: u32,
    /// Last moment of enrolment, Unix ms, exclusive.
    pub expires: u64,
    /// The holder's compressed secp256k1 key.
    pub key: [u8; 33],
    /// Over `H(open message)`.
    pub signature: [u8; 64],
}

impl CaseOffer {
    /// The message under the signature.
    pub fn message(&self) -> Vec<u8> {
        self.card.open_message(self.recovery, self.institution, self.expires)
    }

    /// Refuses an offer whose key is not the one of its card.
    pub fn check_kem(&self) -> Result<(), LedgerError> {
        if kem_hash(&self.kem_key) == self.card.kem { Ok(()) } else { Err(LedgerError::Key) }
    }
}

/// A new holder or key of a case.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RotateCard {
    /// Format version.
    pub version: V1,
    /// The case.
    pub case: CaseId,
    /// The epoch before + 1.
    pub epoch: u32,
    /// The new holder.
    pub holder: Address,
    /// Hash of the new X-Wing public key.
    pub kem: Hash,
}

impl RotateCard {
    /// What the new holder signs.
    pub fn message(&self) -> Vec<u8> {
        let mut message = b"casewise/rotate/v1".to_vec();
        message.extend_from_slice(&encode(self));
        message
    }
}

/// What the holder sends every author after a rotation.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RotateOffer {
    /// Format version.
    pub version: V1,
    /// The card.
    pub card: RotateCard,
    /// The X-Wing public key whose hash is in the card.
    pub kem_key: [u8; KEM_KEY_LEN],
    /// The new holder's key.
    pub key: [u8; 33],
    /// Over `H(rotate message)`.
    pub signature: [u8; 64],
}
