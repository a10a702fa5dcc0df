//! The errors of this crate.

/// Why bytes were not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// Bytes that are not the canonical encoding of the expected object.
    #[error("malformed or non-canonical encoding")]
    Malformed,
    /// A hexadecimal string of the wrong length or alphabet.
    #[error("expected {expected} bytes of lower-case hexadecimal")]
    Hex {
        /// Bytes expected.
        expected: usize,
    },
    /// A Merkle proof that does not lead to the root.
    #[error("the proof does not lead to the root")]
    Proof,
    /// A proof longer or shorter than RFC 6962 gives for these sizes.
    #[error("the proof has the wrong number of hashes")]
    ProofLength,
    /// A head that is smaller than the one before it.
    #[error("the head is older than the one it should extend")]
    Shrinks,
    /// An index outside the tree, or the last one, which is not used.
    #[error("index out of range")]
    Index,
    /// An entry kind that its lane's class does not take.
    #[error("this kind of entry is not allowed in this class of lane")]
    Kind,
    /// A media type that is empty, too long or not lower-case ASCII `type/subtype`.
    #[error("malformed media type")]
    MediaType,
    /// A signature that does not verify, or has a high s.
    #[error("the signature does not verify")]
    Signature,
    /// A public or private key that is not one.
    #[error("malformed key")]
    Key,
}
