//! Padding: `u64be length ‖ data ‖ zeros`, with a total that hides all but the order of the length.
//!
//! Padmé: Nikitin, Barman, Lueks, Underwood, Hubaux, Ford: "Reducing Metadata Leakage from Encrypted
//! Files and Communication with PURBs", section 4.

#[cfg(feature = "letters")]
use {crate::body::address, alloc::vec::Vec, zeroize::Zeroizing};

use crate::{CHUNK, Reason, SealError, TAG};

/// Most bytes of data in one entry: 2^40.
pub const MAX_LENGTH: u64 = 1 << 40;
/// Bytes of the length in front of the data.
pub(crate) const LENGTH_LEN: usize = 8;

/// Rounds up to a multiple of 2^(E − S), where E = floor(log2 n) and S = floor(log2 E) + 1: at most
/// 12 % more. Below 2 there is nothing to round; past 2^64 the result saturates.
pub fn padme(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let e = n.ilog2();
    let s = e.ilog2() + 1;
    n.checked_next_multiple_of(1 << (e - s)).unwrap_or(u64::MAX)
}

/// Bytes of `length` bytes of data once padded: `max(minimum, Padmé(8 + length))`.
/// Errors: [`SealError::TooLong`] above [`MAX_LENGTH`].
pub fn padded_length(length: u64, minimum: u32) -> Result<u64, SealError> {
    if length > MAX_LENGTH {
        return Err(SealError::TooLong { length });
    }
    Ok(padme(LENGTH_LEN as u64 + length).max(u64::from(minimum)))
}

/// Bytes of the sealed body of `length` bytes of data.
/// Errors: [`SealError::TooLong`] above [`MAX_LENGTH`].
pub fn body_length(length: u64, minimum: u32) -> Result<u64, SealError> {
    padded_length(length, minimum).map(with_tags)
}

/// Bytes of the body of a padded total: `total + 16 · ceil(total / 16,384)`.
pub(crate) fn with_tags(total: u64) -> u64 {
    total + TAG as u64 * total.div_ceil(CHUNK as u64)
}

/// The padded total of a body, or nothing when no total gives this length or a total too short for
/// its own length field.
pub(crate) fn total_of(body_length: u64) -> Option<u64> {
    let chunks = body_length.div_ceil((CHUNK + TAG) as u64);
    let total = body_length.checked_sub(TAG as u64 * chunks)?;
    (total >= LENGTH_LEN as u64 && with_tags(total) == body_length).then_some(total)
}

/// Checks the length found in a body against its total.
pub(crate) fn check_total(length: u64, total: u64, minimum: u32) -> Result<(), Reason> {
    if length > total - LENGTH_LEN as u64 {
        return Err(Reason::DataLength);
    }
    match padded_length(length, minimum) {
        Ok(expected) if expected == total => Ok(()),
        _ => Err(Reason::Total),
    }
}

/// `u64be length ‖ data ‖ zeros`, in memory; wiped when dropped, because it carries keys.
/// Errors: [`SealError::TooLong`].
#[cfg(feature = "letters")]
pub(crate) fn pad(data: &[u8], minimum: u32) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let length = data.len() as u64;
    let total = address(padded_length(length, minimum)?)?;
    let mut padded = Zeroizing::new(Vec::with_capacity(total));
    padded.extend_from_slice(&length.to_be_bytes());
    padded.extend_from_slice(data);
    padded.resize(total, 0);
    Ok(padded)
}

/// The data in padded bytes; refuses any padding that [`pad`] would not have made.
#[cfg(feature = "letters")]
pub(crate) fn unpad(padded: &[u8], minimum: u32) -> Result<&[u8], Reason> {
    let (length, rest) = padded.split_first_chunk::<LENGTH_LEN>().ok_or(Reason::DataLength)?;
    let length = u64::from_be_bytes(*length);
    check_total(length, padded.len() as u64, minimum)?;
    let (data, zeros) = rest.split_at(length as usize);
    check_zeros(zeros)?;
    Ok(data)
}

/// Checks that padding is zero.
pub(crate) fn check_zeros(padding: &[u8]) -> Result<(), Reason> {
    if padding.iter().all(|byte| *byte == 0) { Ok(()) } else { Err(Reason::Padding) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padme_rounds_as_published() {
        for (n, rounded) in [
            (0, 0),
            (1, 1),
            (2, 2),
            (8, 8),
            (9, 10),
            (100, 104),
            (1000, 1024),
            (1_000_000, 1_015_808),
            (500_000_000, 503_316_480),
            (u64::MAX, u64::MAX),
        ] {
            assert_eq!(padme(n), rounded, "{n}");
        }
        for n in 2..100_000u64 {
            assert!(padme(n) >= n && padme(padme(n)) == padme(n) && padme(n) - n <= n * 12 / 100, "{n}");
        }
    }

    #[test]
    fn the_longest_data_is_2_to_the_40() {
        assert_eq!(padded_length(MAX_LENGTH, 64), Ok(padme(MAX_LENGTH + 8)));
        let length = MAX_LENGTH + 1;
        assert_eq!(padded_length(length, 64), Err(SealError::TooLong { length }));
        assert_eq!(padded_length(u64::MAX, 64), Err(SealError::TooLong { length: u64::MAX }));
        assert_eq!(check_total(length, padme(length + 8), 64), Err(Reason::Total));
    }

    #[test]
    fn totals_and_body_lengths_belong_together() {
        for total in (8..40_000).chain([1 << 20, (1 << 20) + 1, 1 << 40]) {
            assert_eq!(total_of(with_tags(total)), Some(total));
        }
        assert_eq!(body_length(0, 64), Ok(80));
        assert_eq!(body_length(56, 64), Ok(80));
        assert_eq!(body_length(57, 64), Ok(72 + 16));
        assert_eq!(body_length(0, 0), Ok(24));
    }
}
