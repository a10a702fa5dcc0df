//! Limits on what is read.

/// Longest file, bytes.
pub const MAX_FILE: usize = 64 << 20;
/// Most entries in a file.
pub const MAX_ENTRIES: usize = 64;
/// Most changes of validators between the trust anchor and the header.
pub const MAX_LINKS: usize = 256;
/// Most validators of a header.
pub const MAX_VALIDATORS: usize = 256;
/// Longest signed header or validator set, bytes.
pub const MAX_HEADER: usize = 64 << 10;
/// Longest ICS23 proof, bytes.
pub const MAX_PROOF: usize = 16 << 10;
