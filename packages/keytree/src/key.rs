//! Keys, and the one function that makes a key from another.

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const DOMAIN: &[u8] = b"casewise/keytree/v1";

/// The key of one entry, 32 bytes. Wiped when dropped; compared in constant time; not `Clone`,
/// because a key is used once.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct OneTimeKey([u8; 32]);

impl OneTimeKey {
    /// Takes a key that somebody handed over, for instance in an evidence file.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(*bytes)
    }

    /// The secret itself, for key derivation and for an export that the holder asked for.
    pub fn expose_secret(&self) -> &[u8; 32] {
        &self.0
    }
}

impl ConstantTimeEq for OneTimeKey {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl PartialEq for OneTimeKey {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for OneTimeKey {}

impl fmt::Debug for OneTimeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeKey(..)")
    }
}

/// `HMAC-SHA256(key, domain ‖ u8 bit)`: the key of the left (`false`) or right child.
pub(crate) fn child(key: &[u8; 32], right: bool) -> Zeroizing<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(DOMAIN);
    mac.update(&[u8::from(right)]);
    let mut code = mac.finalize().into_bytes();
    let mut out = Zeroizing::new([0; 32]);
    out.copy_from_slice(&code);
    code.as_mut_slice().zeroize();
    out
}
