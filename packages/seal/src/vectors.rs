//! Deterministic sealing under arbitrary header bytes, for making and checking test vectors. Nothing
//! that holds a real record may use it.

use alloc::{vec, vec::Vec};

use casewise_keytree::OneTimeKey;
use casewise_ledger::Hash;

use crate::{
    SealError,
    body::{address, seal_raw},
    body_length,
};

/// What [`seal_bytes`] makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawBody {
    /// okm[32..64].
    pub commitment: Hash,
    /// The ciphertext.
    pub body: Vec<u8>,
    /// SHA-256 of the ciphertext.
    pub body_sha256: Hash,
}

/// Seals `data` under header bytes that need not be a header.
/// Errors: [`SealError::Header`] for an unknown suite, [`SealError::TooLong`].
pub fn seal_bytes(
    key: &OneTimeKey,
    suite: u8,
    header: &[u8],
    minimum: u32,
    data: &[u8],
) -> Result<RawBody, SealError> {
    let mut body = vec![0; address(body_length(data.len() as u64, minimum)?)?];
    let (commitment, body_sha256) = seal_raw(key, suite, header, minimum, data, &mut body)?;
    Ok(RawBody { commitment, body, body_sha256 })
}
