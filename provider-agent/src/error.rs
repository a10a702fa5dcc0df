//! The errors of the agent's logic. What a caller over HTTP sees is a [`Problem`].

use casewise_api::{Problem, ProblemKind};

use crate::{
    ports::{BlobError, RandomError},
    store::StoreError,
};

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The request is refused, with the words its sender gets.
    #[error(transparent)]
    Refused(#[from] Problem),
    /// The database failed or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The blob store failed.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The chain did not answer, or refused.
    #[error(transparent)]
    Chain(#[from] casewise_chain::ChainError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// Key tree, sealing or encoding failed where it cannot in undamaged state.
    #[error("{0}")]
    Broken(String),
    /// The agent stops: a second process, a foreign chain, a lost file.
    #[error("{0}")]
    Halted(String),
}

impl AgentError {
    /// A fault that undamaged state cannot show.
    pub fn broken(what: impl std::fmt::Display) -> Self {
        Self::Broken(what.to_string())
    }

    /// What the sender of a request is told. Faults of the agent are named by kind only.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Refused(problem) => problem.clone(),
            Self::Chain(_) => Problem::from(ProblemKind::StaleView),
            Self::Halted(_) => Problem::from(ProblemKind::NotReady),
            _ => Problem::from(ProblemKind::Internal),
        }
    }
}
