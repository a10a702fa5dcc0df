//! The sealing key of one entry and its chunks: HKDF, the two suites, nonces.
//!
//! Neither cipher commits to its key, so the commitment comes from the same expansion as the key and
//! is compared before a chunk is opened.

use aes_gcm_siv::{AeadInOut, Aes256GcmSiv, KeyInit};
use ascon_aead::AsconAead128;
use casewise_keytree::OneTimeKey;
use casewise_ledger::{
    Hash, LedgerError,
    entry::{SUITE_ASCON, SUITE_GCM_SIV},
};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::SealError;

/// Plaintext bytes of a chunk; the last may be shorter.
pub const CHUNK: usize = 16_384;
/// Bytes of the tag after each chunk.
pub const TAG: usize = 16;

const DOMAIN: &[u8] = b"casewise/seal/v1";

/// What a one-time key gives for one header.
pub(crate) struct SealingKey {
    cipher: Cipher,
    /// okm[32..64]: stands in the leaf, and lets nobody claim another key for these bytes.
    pub(crate) commitment: Hash,
}

// one lives for one body, on the stack: a device has no heap to box the larger variant on
#[allow(clippy::large_enum_variant)]
enum Cipher {
    GcmSiv(Aes256GcmSiv),
    Ascon(AsconAead128, Zeroizing<[u8; 16]>),
}

impl SealingKey {
    /// `HKDF-Expand(key, "casewise/seal/v1" ‖ u8 suite ‖ header, 64)`.
    pub(crate) fn new(key: &OneTimeKey, suite: u8, header: &[u8]) -> Result<Self, SealError> {
        let mut okm = Zeroizing::new([0; 64]);
        Hkdf::<Sha256>::from_prk(key.expose_secret())
            .expect("a PRK of 32 bytes")
            .expand_multi_info(&[DOMAIN, &[suite], header], &mut *okm)
            .expect("64 bytes of HKDF output");
        let mut commitment = [0; 32];
        commitment.copy_from_slice(&okm[32..]);
        let cipher = match suite {
            SUITE_GCM_SIV => {
                Cipher::GcmSiv(Aes256GcmSiv::new_from_slice(&okm[..32]).expect("a key of 32 bytes"))
            }
            SUITE_ASCON => {
                let mut base = Zeroizing::new([0; 16]);
                base.copy_from_slice(&okm[16..32]);
                Cipher::Ascon(AsconAead128::new_from_slice(&okm[..16]).expect("a key of 16 bytes"), base)
            }
            _ => return Err(SealError::Header(LedgerError::Malformed)),
        };
        Ok(Self { cipher, commitment })
    }

    fn seal(&self, chunk: u64, last: bool, data: &mut [u8]) -> [u8; TAG] {
        let sealed = match &self.cipher {
            Cipher::GcmSiv(cipher) => cipher
                .encrypt_inout_detached(&gcm_siv_nonce(chunk, last).into(), b"", data.into())
                .map(Into::into),
            Cipher::Ascon(cipher, base) => cipher
                .encrypt_inout_detached(&ascon_nonce(base, chunk, last).into(), b"", data.into())
                .map(Into::into),
        };
        sealed.expect("a chunk is far below the ciphers' limits")
    }

    /// On failure the chunk is wiped: no unauthenticated plaintext survives.
    fn open(&self, chunk: u64, last: bool, data: &mut [u8], tag: &[u8; TAG]) -> Result<(), ()> {
        let opened = match &self.cipher {
            Cipher::GcmSiv(cipher) => cipher.decrypt_inout_detached(
                &gcm_siv_nonce(chunk, last).into(),
                b"",
                (&mut *data).into(),
                tag.into(),
            ),
            Cipher::Ascon(cipher, base) => cipher.decrypt_inout_detached(
                &ascon_nonce(base, chunk, last).into(),
                b"",
                (&mut *data).into(),
                tag.into(),
            ),
        };
        opened.map_err(|_| data.zeroize())
    }
}

/// `u88be chunk ‖ u8 last`.
fn gcm_siv_nonce(chunk: u64, last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&chunk.to_be_bytes());
    nonce[11] = u8::from(last);
    nonce
}

/// `base XOR (u120be chunk ‖ u8 last)`.
fn ascon_nonce(base: &[u8; 16], chunk: u64, last: bool) -> [u8; 16] {
    let mut nonce = [0; 16];
    nonce[7..15].copy_from_slice(&chunk.to_be_bytes());
    nonce[15] = u8::from(last);
    for (byte, base) in nonce.iter_mut().zip(base) {
        *byte ^= base;
    }
    nonce
}

/// The chunks of one body, in order: how long the next one is, its number, whether it is the last,
/// and the hash over all of them.
pub(crate) struct Chunks {
    key: SealingKey,
    next: u64,
    /// Plaintext bytes still to come.
    left: u64,
    hash: Option<Sha256>,
}

impl Chunks {
    /// Chunks of `total` padded bytes. The hash over the body is kept when `hashed`.
    pub(crate) fn new(key: SealingKey, total: u64, hashed: bool) -> Self {
        Self { key, next: 0, left: total, hash: hashed.then(Sha256::new) }
    }

    pub(crate) fn commitment(&self) -> &Hash {
        &self.key.commitment
    }

    /// Plaintext bytes of the next chunk, 0 when there is none.
    pub(crate) fn next_len(&self) -> usize {
        self.left.min(CHUNK as u64) as usize
    }

    /// Seals the next chunk in place: [`Self::next_len`] bytes of plaintext and room for the tag.
    pub(crate) fn seal(&mut self, chunk: &mut [u8]) {
        let (data, tag) = chunk.split_at_mut(self.next_len());
        let (number, last) = self.step();
        tag.copy_from_slice(&self.key.seal(number, last, data));
        self.update(chunk);
    }

    /// Opens the next chunk in place: [`Self::next_len`] bytes and the tag.
    pub(crate) fn open(&mut self, chunk: &mut [u8]) -> Result<(), ()> {
        self.update(chunk);
        let (data, tag) = chunk.split_at_mut(self.next_len());
        let tag: &[u8; TAG] = (&*tag).try_into().map_err(|_| ())?;
        let (number, last) = self.step();
        self.key.open(number, last, data, tag)
    }

    /// The hash over the chunks so far. Only of hashed chunks.
    pub(crate) fn hash(self) -> Option<Hash> {
        self.hash.map(|hash| hash.finalize().into())
    }

    fn step(&mut self) -> (u64, bool) {
        let number = self.next;
        self.next += 1;
        self.left -= self.next_len() as u64;
        (number, self.left == 0)
    }

    fn update(&mut self, chunk: &[u8]) {
        if let Some(hash) = &mut self.hash {
            hash.update(chunk);
        }
    }
}
