//! The error of everything here but signatures: a field that is not what it should be.

/// Why a value of the interface was refused. The text names what is expected and never repeats
/// the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// Not standard, padded base64 of the right length.
    #[error("expected standard base64 with padding")]
    Base64,
    /// Not lower-case hexadecimal of the right length.
    #[error("expected {0} bytes as {n} digits of lower-case hexadecimal", n = 2 * .0)]
    Hex(usize),
    /// Base64 of bytes that are not the canonical encoding of the object.
    #[error("the base64 does not hold the canonical encoding of this object")]
    Packed,
    /// Longer than the named limit.
    #[error("longer than the limit of {0} bytes")]
    TooLong(usize),
    /// Not `lane:index`.
    #[error("expected lane:index, a lane id of 64 hexadecimal digits and a decimal number")]
    EntryName,
    /// Not `system|value`.
    #[error("expected system|value, both not empty, at most {max} bytes", max = crate::limits::MAX_IDENTIFIER)]
    Identifier,
    /// Not a usable idempotency key.
    #[error("expected 1 to {max} visible ASCII characters", max = crate::limits::MAX_IDEMPOTENCY_KEY)]
    IdempotencyKey,
    /// Not a practitioner's account or id.
    #[error(
        "expected an account of 40 hexadecimal digits or an id of 1 to {max} visible ASCII characters",
        max = crate::limits::MAX_PRACTITIONER
    )]
    Practitioner,
    /// Not a purpose-of-use code.
    #[error("expected a code of HL7 PurposeOfUse such as TREAT")]
    Purpose,
    /// Not a single byte range this interface answers.
    #[error("expected one range bytes=FIRST-LAST or bytes=FIRST-")]
    Range,
    /// A signature that does not verify with the key beside it.
    #[error("the signature does not verify")]
    Signature,
}
