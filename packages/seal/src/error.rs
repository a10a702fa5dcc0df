//! The errors of this crate. None of them carries a key or a byte of content.

use casewise_ledger::LedgerError;

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// An entry header that breaks its own rules.
    #[error("entry header: {0}")]
    Header(LedgerError),
    /// More data than an entry may hold, or than this machine can address.
    #[error("{length} bytes do not fit in one entry; split the data over several")]
    TooLong {
        /// Bytes of data.
        length: u64,
    },
    /// A [`Sealer`](crate::Sealer) got more or fewer bytes than it was made for.
    #[error(
        "the sealer was made for {declared} bytes of data and got {given}; give exactly what was declared"
    )]
    Length {
        /// Bytes declared.
        declared: u64,
        /// Bytes given so far.
        given: u64,
    },
    /// A buffer of the wrong size for the sealed body.
    #[error("the buffer for the sealed body must have exactly {needed} bytes")]
    Buffer {
        /// Bytes of the body.
        needed: u64,
    },
    /// An entry that must not be accepted. Outsiders learn nothing but this.
    #[error("the entry is rejected")]
    Rejected(Reason),
    /// A letter that cannot be opened or says what it must not.
    #[cfg(feature = "letters")]
    #[error("the letter is rejected")]
    Letter(LetterReason),
    /// A payload that may not be sealed as a letter of this kind.
    #[cfg(feature = "letters")]
    #[error("the payload does not fit this kind of letter: {}", .0.code())]
    Payload(LetterReason),
    /// Bytes that are no X-Wing public key.
    #[cfg(feature = "letters")]
    #[error("malformed X-Wing public key; ask its owner for the key again")]
    KemKey,
    /// The operating system gave no randomness.
    #[cfg(feature = "letters")]
    #[error("the operating system gave no randomness; nothing was sealed")]
    Random,
}

impl SealError {
    /// The stable code of a refusal, for evidence, disputes and tests; `None` for other errors.
    /// Not for the answer to whoever sent the entry.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Rejected(reason) => Some(reason.code()),
            #[cfg(feature = "letters")]
            Self::Letter(reason) | Self::Payload(reason) => Some(reason.code()),
            _ => None,
        }
    }
}

impl From<Reason> for SealError {
    fn from(reason: Reason) -> Self {
        Self::Rejected(reason)
    }
}

macro_rules! reasons {
    ($(#[$outer:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            /// Every reason, in the order of the checks.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The reason's stable code.
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)*
                }
            }
        }
    };
}

reasons!(
    /// Why an entry was rejected, in the order of the checks.
    Reason {
        /// The lane header is not the one of the anchored lane.
        Lane = "lane",
        /// The entry header names another lane.
        EntryLane = "entry_lane",
        /// The index in the header is not the entry's position.
        Position = "position",
        /// The entry header breaks its own rules.
        Header = "header",
        /// The kind is not allowed in the lane's class.
        Kind = "kind",
        /// The leaf is not in the anchored head.
        Inclusion = "inclusion",
        /// The body is not as long as the list says, or no body has that length.
        BodyLength = "body_length",
        /// The body's hash is not the one in the list.
        BodyHash = "body_hash",
        /// The key is not the one the entry was sealed with.
        Commitment = "commitment",
        /// A chunk does not open.
        Chunk = "chunk",
        /// The data would be longer than the body.
        DataLength = "data_length",
        /// The padded length is not the one that this data gives.
        Total = "total",
        /// Padding that is not zero.
        Padding = "padding",
        /// A malformed media type, or one where the kind has none.
        MediaType = "media_type",
        /// Content that is not what the kind holds.
        Content = "content",
    }
);

#[cfg(feature = "letters")]
reasons!(
    /// Why a letter was rejected, in the order of the checks.
    LetterReason {
        /// Sealed to another key.
        Recipient = "recipient",
        /// Longer than a letter may be.
        Length = "length",
        /// Not sealed to this key, or changed on the way.
        Cipher = "cipher",
        /// Padding that is not exactly what it must be.
        Padding = "padding",
        /// A payload that is not canonical.
        Payload = "payload",
        /// A payload that is not what the kind and subject announce.
        Subject = "subject",
    }
);
