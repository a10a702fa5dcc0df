//! Every limit of the interface, in one place.

/// Most entries in one answer.
pub const MAX_ENTRIES: u32 = 256;
/// Most letters in one answer.
pub const MAX_LETTERS: u32 = 64;
/// Longest letter, bytes.
pub const MAX_LETTER: usize = 64 * 1024;
/// Longest JSON body of a request, bytes.
pub const MAX_JSON: usize = 256 * 1024;
/// Longest offer of a new holder, bytes: borsh `RotateOffer`.
pub const MAX_HOLDER: usize = 2048;
/// Most ranges in a release.
pub const MAX_RELEASE_ITEMS: usize = 256;
/// Most entries covered by a release.
pub const MAX_RELEASE_ENTRIES: u64 = 256;
/// Longest idempotency key, ASCII characters.
pub const MAX_IDEMPOTENCY_KEY: usize = 128;
/// Longest `system|value`, bytes.
pub const MAX_IDENTIFIER: usize = 512;
/// Longest id of a practitioner that is not an account, ASCII characters.
pub const MAX_PRACTITIONER: usize = 64;
/// Longest life of a signed request, seconds.
pub const MAX_SIGNATURE_LIFE: u64 = 300;
/// How far ahead of the checker's clock a message may have been made, seconds. A nonce is kept
/// this long after its request has expired.
pub const CLOCK_SKEW: u64 = 30;
/// Longest value of a `signature-input`, `signature` or `content-digest` field, bytes.
pub const MAX_SIGNATURE_FIELD: usize = 1024;
/// Seconds after which a request refused as not ready or stale may be tried again.
pub const RETRY_AFTER: u32 = 1;
/// Seconds after which a request refused by a rate limit may be tried again.
pub const RETRY_AFTER_LIMIT: u32 = 10;
/// Seconds after which a request refused by a limit of the last 24 hours may be tried again: any hour
/// may end a day.
pub const RETRY_AFTER_DAY: u32 = 3_600;
