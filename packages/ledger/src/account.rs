//! secp256k1 account keys: deriving addresses, signing and verifying outside the chain.
//!
//! Signatures are 64 bytes `r ‖ s` over SHA-256 of the message, `s` in the lower half of the
//! order. Must never show a secret key in `Debug`, errors or logs.

use core::fmt;

use k256::ecdsa::signature::hazmat::PrehashSigner;
use k256::ecdsa::{Signature, SigningKey, VerifyingKey, signature::hazmat::PrehashVerifier};
use zeroize::Zeroizing;

use crate::{Address, Hash, LedgerError, sha256};

/// A compressed secp256k1 public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 33]);

impl PublicKey {
    /// The account of this key.
    pub fn address(&self) -> Address {
        Address::of_key(&self.0)
    }

    /// Verifies a signature over a digest. High-S signatures are refused.
    pub fn verify(&self, digest: &Hash, signature: &[u8; 64]) -> Result<(), LedgerError> {
        let key = VerifyingKey::from_sec1_bytes(&self.0).map_err(|_| LedgerError::Key)?;
        let signature = Signature::from_slice(signature).map_err(|_| LedgerError::Signature)?;
        if signature.normalize_s().is_some() {
            return Err(LedgerError::Signature);
        }
        key.verify_prehash(digest, &signature).map_err(|_| LedgerError::Signature)
    }

    /// Verifies a signature over SHA-256 of a message.
    pub fn verify_message(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), LedgerError> {
        self.verify(&sha256(&[message]), signature)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// An account's secret key. Wiped when dropped.
#[derive(Clone)]
pub struct AccountKey(SigningKey);

impl AccountKey {
    /// From 32 secret bytes. Refuses zero and values outside the curve's order.
    pub fn from_bytes(secret: &[u8; 32]) -> Result<Self, LedgerError> {
        SigningKey::from_slice(secret).map(Self).map_err(|_| LedgerError::Key)
    }

    /// The secret bytes, for an encrypted key file and nothing else.
    pub fn expose_secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes().into())
    }

    /// The compressed public key.
    pub fn public(&self) -> PublicKey {
        let point = self.0.verifying_key().to_encoded_point(true);
        PublicKey(point.as_bytes().try_into().expect("a compressed point has 33 bytes"))
    }

    /// The account.
    pub fn address(&self) -> Address {
        self.public().address()
    }

    /// Signs a digest (deterministic, RFC 6979; low s).
    pub fn sign(&self, digest: &Hash) -> [u8; 64] {
        let signature: Signature = self.0.sign_prehash(digest).expect("a 32-byte digest is signable");
        signature.normalize_s().unwrap_or(signature).to_bytes().into()
    }

    /// Signs SHA-256 of a message.
    pub fn sign_message(&self, message: &[u8]) -> [u8; 64] {
        self.sign(&sha256(&[message]))
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountKey({})", self.address())
    }
}
