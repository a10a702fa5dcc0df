//! X-Wing keys: 32 secret bytes used directly as the decapsulation key, 1,216 public ones.

use core::fmt;

use casewise_ledger::{
    Hash,
    case::{KEM_KEY_LEN, kem_hash},
};
use hpke::{Deserializable, Kem, Serializable, kem::XWing};
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::SealError;

pub(crate) type Secret = <XWing as Kem>::PrivateKey;
pub(crate) type Public = <XWing as Kem>::PublicKey;

/// An X-Wing decapsulation key, 32 bytes. Wiped when dropped; compared in constant time.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct KemSecret([u8; 32]);

impl KemSecret {
    /// Takes 32 bytes as the decapsulation key itself, as the patient's phrase gives them.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(*bytes)
    }

    /// Draws a fresh key from the operating system. Errors: [`SealError::Random`].
    pub fn generate() -> Result<Self, SealError> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(|_| SealError::Random)?;
        Ok(Self(*bytes))
    }

    /// The secret itself, to be stored encrypted.
    pub fn expose_secret(&self) -> &[u8; 32] {
        &self.0
    }

    /// The public key.
    pub fn public(&self) -> KemPublic {
        let mut bytes = [0; KEM_KEY_LEN];
        XWing::sk_to_pk(&self.key()).write_exact(&mut bytes);
        KemPublic(bytes)
    }

    pub(crate) fn key(&self) -> Secret {
        Secret::from_bytes(&self.0).expect("32 bytes are a decapsulation key")
    }
}

impl ConstantTimeEq for KemSecret {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl PartialEq for KemSecret {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for KemSecret {}

impl fmt::Debug for KemSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KemSecret(..)")
    }
}

/// An X-Wing public key, 1,216 bytes, known to be well-formed.
#[derive(Clone, PartialEq, Eq)]
pub struct KemPublic([u8; KEM_KEY_LEN]);

impl KemPublic {
    /// Checks and takes a key. Errors: [`SealError::KemKey`].
    pub fn from_bytes(bytes: &[u8; KEM_KEY_LEN]) -> Result<Self, SealError> {
        Public::from_bytes(bytes).map_err(|_| SealError::KemKey)?;
        Ok(Self(*bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; KEM_KEY_LEN] {
        &self.0
    }

    /// The key's hash, as cards and letters name it.
    pub fn hash(&self) -> Hash {
        kem_hash(&self.0)
    }

    pub(crate) fn key(&self) -> Public {
        Public::from_bytes(&self.0).expect("checked when it was taken")
    }
}

impl fmt::Debug for KemPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KemPublic(")?;
        for byte in self.hash() {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}
