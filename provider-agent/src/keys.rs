//! The agent's long-term secrets: operator key, KEM secrets, identifier key.
//!
//! Responsible for: holding them in memory, wiped when dropped, and the keyed hashes made with
//! them. Must never show a secret in `Debug`, an error or a log.

use std::fmt;

use casewise_ledger::{Hash, account::AccountKey};
use casewise_seal::KemSecret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// An X-Wing decapsulation key of the institution.
#[derive(Debug)]
pub struct EpochKem {
    /// Its epoch at the registrar.
    pub epoch: u32,
    /// The secret.
    pub secret: KemSecret,
}

/// Everything in the key file.
pub struct Keys {
    /// Signs transactions, heads, releases and requests.
    pub operator: AccountKey,
    /// KEM secrets, ascending by epoch; the last is the present one.
    pub kem: Vec<EpochKem>,
    identifier: Zeroizing<[u8; 32]>,
}

/// Shows the account only.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.operator.address())
    }
}

/// What a keyed hash is for: equal bytes of two uses give unrelated hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// `system|value` of a link.
    Identifier,
    /// A client's idempotency key.
    IdempotencyKey,
    /// Everything an ingest request says, content included.
    Request,
    /// The key under which openings lie in the database.
    OpeningKey,
    /// The key under which the keys of custodial holders lie in the database.
    CustodyKey,
}

impl Use {
    fn domain(self) -> &'static [u8] {
        match self {
            Self::Identifier => b"casewise/agent/identifier/v1",
            Self::IdempotencyKey => b"casewise/agent/idempotency/v1",
            Self::Request => b"casewise/agent/request/v1",
            Self::OpeningKey => b"casewise/agent/opening-key/v1",
            Self::CustodyKey => b"casewise/agent/custody-key/v1",
        }
    }
}

/// A keyed hash being fed. Parts are length-prefixed by the caller where they could run together.
pub struct KeyedHash(Hmac<Sha256>);

impl KeyedHash {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Adds bytes with their length in front.
    pub fn field(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    /// The hash.
    pub fn finish(self) -> Hash {
        self.0.finalize().into_bytes().into()
    }
}

impl Keys {
    /// From parts. `kem` must not be empty and ascends by epoch.
    pub fn new(operator: AccountKey, kem: Vec<EpochKem>, identifier: Zeroizing<[u8; 32]>) -> Self {
        Self { operator, kem, identifier }
    }

    /// The identifier key, for the encrypted key file and nothing else.
    pub fn expose_identifier(&self) -> &[u8; 32] {
        &self.identifier
    }

    /// Begins a keyed hash.
    pub fn hasher(&self, purpose: Use) -> KeyedHash {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&*self.identifier).expect("HMAC takes a key of any length");
        mac.update(purpose.domain());
        KeyedHash(mac)
    }

    /// A keyed hash of bytes.
    pub fn hash(&self, purpose: Use, bytes: &[u8]) -> Hash {
        let mut hasher = self.hasher(purpose);
        hasher.update(bytes);
        hasher.finish()
    }
}
