//! The error of this crate: what happened and why; [`ClientError::advice`] says what to do.
//!
//! No variant may hold a secret or content.

use std::path::PathBuf;

use casewise_api::{Problem, ProblemKind};
use casewise_chain::ChainError;
use casewise_protocol::ProtocolError;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// A phrase that is not 24 words of BIP-39.
    #[error("this is not a usable phrase: {reason}")]
    PhraseWords {
        /// What is wrong, without quoting a word.
        reason: String,
    },
    /// A case number past 2^31 − 1.
    #[error("case number {n} is past the last one, 2147483647")]
    CaseNumber {
        /// The number.
        n: u32,
    },
    /// The system gives no randomness.
    #[error("the system gives no randomness: {reason}")]
    Randomness {
        /// What the system says.
        reason: String,
    },
    /// There is a wallet here already.
    #[error("there is a wallet at {path} already")]
    WalletExists {
        /// The directory.
        path: PathBuf,
    },
    /// There is no wallet here.
    #[error("there is no wallet at {path}")]
    WalletAbsent {
        /// The directory.
        path: PathBuf,
    },
    /// The passphrase does not open the wallet, or the wallet's file was changed.
    #[error("the passphrase does not open the wallet at {path}, or its phrase file was changed")]
    Passphrase {
        /// The directory.
        path: PathBuf,
    },
    /// A file of the wallet that cannot be read or written.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The wallet's database fails.
    #[error("the wallet's database fails: {reason}")]
    Store {
        /// What the database says.
        reason: String,
    },
    /// Something given by the user that cannot be used.
    #[error("{field}: {reason}")]
    Input {
        /// Which option or field.
        field: String,
        /// Why, and what is expected.
        reason: String,
    },
    /// Something that is not there.
    #[error("not found: {what}")]
    NotFound {
        /// What.
        what: String,
    },
    /// Something that may not be done, or not yet.
    #[error("{what}")]
    Refused {
        /// What, and why.
        what: String,
    },
    /// A limit of time passed while waiting.
    #[error("{what} did not happen within {seconds} s")]
    Waited {
        /// What was waited for.
        what: String,
        /// For how long.
        seconds: u64,
    },
    /// The chain does not answer, or refuses.
    #[error("{0}")]
    Chain(#[from] ChainError),
    /// An agent does not answer.
    #[error("the agent at {endpoint} cannot be reached: {reason}")]
    AgentUnreachable {
        /// Its address.
        endpoint: String,
        /// What failed.
        reason: String,
    },
    /// An agent refuses a request.
    #[error("the agent at {endpoint} refuses ({status}): {problem}", status = problem.status)]
    AgentRefused {
        /// Its address.
        endpoint: String,
        /// Its answer.
        problem: Box<Problem>,
    },
    /// Something that was served does not fit what is anchored, signed or committed to.
    #[error("{what} does not pass its check: {why}")]
    Integrity {
        /// What.
        what: String,
        /// Which check.
        why: String,
    },
}

/// What kind of failure it is; the command line's exit codes follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Anything else.
    Failure,
    /// What was given cannot be used.
    Usage,
    /// Not allowed.
    NotAuthorised,
    /// Not there.
    NotFound,
    /// No node answers.
    ChainUnreachable,
    /// An agent does not answer.
    AgentUnreachable,
    /// A check failed: something is forged, changed or broken.
    Integrity,
}

impl ClientError {
    /// An option or field that cannot be used.
    pub fn input(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Input { field: field.into(), reason: reason.into() }
    }

    /// A failed check.
    pub fn integrity(what: impl Into<String>, why: impl ToString) -> Self {
        Self::Integrity { what: what.into(), why: why.to_string() }
    }

    /// Something missing.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into() }
    }

    /// A value on chain, or of the chain's interface, that this program cannot read.
    pub(crate) fn protocol(error: ProtocolError) -> Self {
        Self::integrity("an answer of the contracts", error)
    }

    /// What kind of failure it is.
    pub fn category(&self) -> Category {
        match self {
            Self::PhraseWords { .. } | Self::CaseNumber { .. } | Self::Input { .. } => Category::Usage,
            Self::Randomness { .. } | Self::File { .. } | Self::Store { .. } => Category::Failure,
            Self::WalletExists { .. } | Self::Waited { .. } => Category::Failure,
            Self::WalletAbsent { .. } | Self::NotFound { .. } => Category::NotFound,
            Self::Passphrase { .. } | Self::Refused { .. } => Category::NotAuthorised,
            Self::Chain(error) => match error {
                ChainError::Unreachable { .. } | ChainError::Undecided { .. } => Category::ChainUnreachable,
                ChainError::Malformed(_) | ChainError::WrongChain { .. } => Category::Integrity,
                ChainError::Invalid { .. } => Category::Usage,
                ChainError::NoAccount { .. } => Category::NotFound,
                _ => Category::Failure,
            },
            Self::AgentUnreachable { .. } => Category::AgentUnreachable,
            Self::AgentRefused { problem, .. } => match problem.status {
                401 | 403 => Category::NotAuthorised,
                404 => Category::NotFound,
                502..=504 => Category::AgentUnreachable,
                _ => Category::Failure,
            },
            Self::Integrity { .. } => Category::Integrity,
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::PhraseWords { .. } => {
                "Enter the 24 words as they were shown, in order, separated by spaces."
            }
            Self::CaseNumber { .. } => "Use a smaller case number.",
            Self::Randomness { .. } => "Start again when the system has finished booting.",
            Self::WalletExists { .. } => "Use it, or name another directory with --home.",
            Self::WalletAbsent { .. } => {
                "Make one with `casewise init`, or name its directory with --home or CASEWISE_HOME."
            }
            Self::Passphrase { .. } => {
                "Try the passphrase again. If it is lost, recover with the 24 words: `casewise init --recover`."
            }
            Self::File { .. } => "Correct the file or its permissions and try again.",
            Self::Store { .. } => {
                "Check the disk. The wallet can be made again from the 24 words: `casewise init --recover`."
            }
            Self::Input { .. } => "Correct it and try again; --help shows what is expected.",
            Self::NotFound { .. } => "Check the name or number; `casewise case list` shows what is known.",
            Self::Refused { .. } => "Nothing was changed.",
            Self::Waited { .. } => "Run the same command again: it goes on where it stopped.",
            Self::Chain(error) => match error {
                ChainError::Unreachable { .. } => {
                    "Check the node's address in the manifest and that the node runs; nothing was lost."
                }
                ChainError::Refused { .. } | ChainError::Failed { .. } => {
                    "Look at the present state with `casewise case show`; what the chain refused has no effect."
                }
                ChainError::WrongChain { .. } => "Take the manifest of this network from its operator anew.",
                ChainError::Invalid { .. } => "Correct it and try again; --help shows what is expected.",
                _ => "Run the same command again: what already took effect is not done twice.",
            },
            Self::AgentUnreachable { .. } => {
                "Run the same command later: what has to be delivered is kept and sent again."
            }
            Self::AgentRefused { problem, .. } => match problem.problem_kind() {
                Some(kind) if kind != ProblemKind::Internal => "What the agent advises stands in its answer.",
                _ => "Try again later; if it stays, tell the institution that runs the agent.",
            },
            Self::Integrity { .. } => {
                "Do not rely on it. Keep this message: an author who serves something else than was anchored can be held to it."
            }
        }
    }
}
