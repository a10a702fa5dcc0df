//! Why a signed message was refused.

use crate::header::{CONTENT_DIGEST, NET, SIGNATURE, SIGNATURE_INPUT};
use crate::limits::{CLOCK_SKEW, MAX_SIGNATURE_LIFE};
use crate::problem::{Problem, ProblemKind};

/// Why a signed message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// A header field is not there.
    #[error("the header {0} is missing")]
    Missing(&'static str),
    /// A header field is there more than once.
    #[error("the header {0} is given more than once")]
    Repeated(&'static str),
    /// A header field is not text of the expected shape, or too long.
    #[error("the header {0} is malformed, or holds more than one signature or digest")]
    Malformed(&'static str),
    /// Not exactly the components of the profile, in their order.
    #[error("the signature does not cover exactly the components of the profile, in their order")]
    Components,
    /// A parameter is missing, malformed, out of order or of another value than the profile's.
    #[error("the signature parameter {0} is missing, malformed or out of order")]
    Parameter(&'static str),
    /// A part of the message holds characters that HTTP does not allow there.
    #[error("the {0} holds characters that are not allowed there")]
    Part(&'static str),
    /// Made later than the clock here allows.
    #[error(
        "the message was made in the future: created is more than {CLOCK_SKEW} s ahead of the clock here"
    )]
    Future,
    /// Valid for too long, or for no time at all.
    #[error("expires must be later than created by at most {MAX_SIGNATURE_LIFE} s")]
    Life,
    /// No longer valid.
    #[error("the message has expired")]
    Expired,
    /// Addressed to another host.
    #[error("the message is addressed to another host")]
    Authority,
    /// Made for another network.
    #[error("the message was made for another network")]
    Net,
    /// The digest is not that of the body.
    #[error("the digest is not that of the body received")]
    Digest,
    /// The signature does not verify, or has a high s.
    #[error("the signature does not verify over what was received")]
    Signature,
}

impl SignatureError {
    /// The problem that answers it.
    pub fn kind(&self) -> ProblemKind {
        match self {
            Self::Missing(_) | Self::Repeated(_) | Self::Malformed(_) => ProblemKind::SignatureMalformed,
            Self::Components | Self::Parameter(_) | Self::Part(_) => ProblemKind::SignatureMalformed,
            Self::Future | Self::Life => ProblemKind::Timestamp,
            Self::Expired => ProblemKind::Stale,
            Self::Authority => ProblemKind::WrongAuthority,
            Self::Net => ProblemKind::WrongNetwork,
            Self::Digest => ProblemKind::DigestMismatch,
            Self::Signature => ProblemKind::SignatureInvalid,
        }
    }

    /// The header, parameter or part at fault.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Missing(field) | Self::Repeated(field) | Self::Malformed(field) => field,
            Self::Parameter(field) | Self::Part(field) => field,
            Self::Components => SIGNATURE_INPUT,
            Self::Future => "created",
            Self::Life | Self::Expired => "expires",
            Self::Authority => "@authority",
            Self::Net => NET,
            Self::Digest => CONTENT_DIGEST,
            Self::Signature => SIGNATURE,
        }
    }

    /// Stable name, as in the test vectors.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing",
            Self::Repeated(_) => "repeated",
            Self::Malformed(_) => "malformed",
            Self::Components => "components",
            Self::Parameter(_) => "parameter",
            Self::Part(_) => "part",
            Self::Future => "future",
            Self::Life => "life",
            Self::Expired => "expired",
            Self::Authority => "authority",
            Self::Net => "net",
            Self::Digest => "digest",
            Self::Signature => "signature",
        }
    }
}

impl From<SignatureError> for Problem {
    fn from(error: SignatureError) -> Self {
        let text = error.to_string();
        let mut chars = text.chars();
        let first = chars.next().map(|c| c.to_ascii_uppercase());
        let sentence: String = first.into_iter().chain(chars).chain(['.']).collect();
        Problem::new(error.kind(), &sentence).field(error.field())
    }
}
