//! Why evidence is refused: one stable code for each check.

use std::fmt;

use serde::{Serialize, Serializer};

/// A refused file: which check failed, and the particulars.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{detail}. {}", .code.meaning())]
pub struct Refusal {
    /// The check that failed.
    #[serde(rename = "reason")]
    pub code: ReasonCode,
    /// What exactly, without key or content.
    pub detail: String,
}

impl Refusal {
    pub(crate) fn new(code: ReasonCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

/// Refuses with `code` and `detail` unless the check holds.
pub(crate) fn require(holds: bool, code: ReasonCode, detail: impl FnOnce() -> String) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(Refusal::new(code, detail())) }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident, $code:literal, $meaning:literal;)*) => {
        /// The checks, in their order. The codes never change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum ReasonCode {
            $(
                $(#[$doc])*
                $name,
            )*
            /// One of the acceptance rules for entries.
            Entry(casewise_seal::Reason),
        }

        impl ReasonCode {
            /// Every check before the acceptance rules.
            pub const CHAIN: &'static [Self] = &[$(Self::$name),*];

            /// What a failure of this check means, and what to do.
            pub fn meaning(&self) -> &'static str {
                match self {
                    $(Self::$name => $meaning,)*
                    Self::Entry(_) => "The entry is not what the lane holds at this position; ask for a new export.",
                }
            }
        }

        impl fmt::Display for ReasonCode {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name => f.write_str($code),)*
                    Self::Entry(reason) => write!(f, "entry_{}", reason.code()),
                }
            }
        }
    };
}

reasons! {
    /// Longer than a limit.
    TooLarge, "too_large", "Export fewer entries, or leave the bodies out.";
    /// Not evidence in its one spelling.
    Format, "format", "The file is cut off, changed or reformatted; use it as it was exported.";
    /// Another version of the format.
    Version, "version", "Use a verifier that knows this version.";
    /// Bytes that are not what the field holds.
    Encoding, "encoding", "The field is damaged; use the file as it was exported.";
    /// Evidence of another chain.
    ChainId, "chain_id", "The file is of another network than your trust anchor.";
    /// Not a continuation of the trust anchor.
    Anchor, "anchor", "The file does not go on from your trust anchor: it is of another network, or older than the anchor.";
    /// A link out of order, or one that links nothing.
    Link, "link", "The chain of validators from the trust anchor to the header is broken.";
    /// Validators that the header does not name.
    Validators, "validators", "The validators in the file are not those of the header.";
    /// A commit that is not for the header.
    Commit, "commit", "The signatures are not for this header.";
    /// Signed by too few.
    Power, "power", "More than two thirds of the voting power must have signed the header.";
    /// A signature that does not verify.
    Signature, "signature", "A validator's signature is false.";
    /// Heights that do not belong together.
    Height, "height", "The header must be the one right after the height of the records.";
    /// The store's root is not under the app hash.
    AppHash, "app_hash", "The store is not the one that the validators signed.";
    /// The lane's record is not in the store.
    Store, "store", "The record is not in the state that the validators signed.";
    /// A contract that the trust anchor does not name.
    Contract, "contract", "The record is of a contract that your trust anchor does not name.";
    /// Other code than the trust anchor names.
    CodeChecksum, "code_checksum", "The contract's code is not the one your trust anchor names.";
    /// A record of something else.
    StateKey, "state_key", "The record proven is of another lane.";
    /// A value that is no lane record.
    StateValue, "state_value", "The contract's record cannot be read.";
    /// The record is of another case.
    Case, "case", "The lane belongs to another case than its header says.";
    /// The record names other properties of the lane.
    Lane, "lane", "The lane's record and its header differ.";
    /// The record names another author.
    Author, "author", "The lane belongs to another author than its header says.";
    /// The author's record is not in the state.
    AuthorProof, "author_proof", "The author's record is not in the state that the validators signed.";
    /// The record is of another author.
    AuthorKey, "author_key", "The registrar's record proven is of somebody else.";
    /// A value that is no record of the registrar.
    AuthorValue, "author_value", "The registrar's record of the author cannot be read.";
    /// Entries and their inclusion proofs do not pair up.
    Entries, "entries", "Each entry needs one inclusion proof, in ascending order.";
    /// An inclusion proof for another head.
    Head, "head", "The inclusion proof is for another head than the one proven.";
    /// A beacon header that is not of the chain, or of no entry.
    Beacon, "beacon", "The block that an entry names as its beacon is not proven; export without it.";
}

impl Serialize for ReasonCode {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
