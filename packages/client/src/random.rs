//! Randomness from the system, and nothing else: no generator of our own, no fallback.

use crate::ClientError;

/// Fills `bytes` with random bytes.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), ClientError> {
    getrandom::fill(bytes).map_err(|error| ClientError::Randomness { reason: error.to_string() })
}

/// `N` random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], ClientError> {
    let mut bytes = [0; N];
    fill(&mut bytes)?;
    Ok(bytes)
}
