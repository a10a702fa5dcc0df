//! The errors of this crate.

/// Why a message, an answer or a stored record was not accepted. Each names the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A field of fixed length has another.
    #[error("{field}: expected {expected} bytes, got {got}; send the whole value in hexadecimal")]
    Length {
        /// The field.
        field: &'static str,
        /// Bytes expected.
        expected: usize,
        /// Bytes found.
        got: usize,
    },
    /// A field whose bytes are not the canonical encoding of its object.
    #[error("{field}: not the canonical borsh encoding; send the bytes exactly as FORMAT.md gives them")]
    Malformed {
        /// The field.
        field: &'static str,
    },
    /// A field that is not an account of this network.
    #[error("{field}: not an account of this network; send it in lower-case bech32 with 20 bytes")]
    Account {
        /// The field.
        field: &'static str,
    },
    /// A field that is not a contract of this network.
    #[error("{field}: not a contract of this network; send its lower-case bech32 address")]
    Contract {
        /// The field.
        field: &'static str,
    },
    /// A list with more items than allowed.
    #[error("{field}: {got} items, at most {max} are allowed; split the message")]
    TooMany {
        /// The field.
        field: &'static str,
        /// Items allowed.
        max: usize,
        /// Items found.
        got: usize,
    },
    /// A list without items.
    #[error("{field}: no items; send at least one")]
    Empty {
        /// The field.
        field: &'static str,
    },
    /// Coins sent with a message that takes none.
    #[error("funds: this message takes no coins; send it without")]
    Funds,
    /// A stored record that does not decode.
    #[error(
        "record {namespace}: stored value does not decode; the contract's state is damaged or of another version"
    )]
    Record {
        /// Namespace of the record.
        namespace: &'static str,
    },
    /// A raw query that failed.
    #[error("record {namespace}: the contract that holds it does not answer; check the configured address")]
    Query {
        /// Namespace of the record.
        namespace: &'static str,
    },
}
