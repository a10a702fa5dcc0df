//! The errors of this contract. Each text names the field and the remedy; the texts are stable.

use casewise_ledger::LedgerError;
use casewise_protocol::{rules::Refusal, ProtocolError};
use cosmwasm_std::StdError;

/// Why a message or query was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContractError {
    /// A field is not well-formed, or a record does not read.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// A rule refuses it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The host failed.
    #[error("{0}")]
    Host(String),
    /// The batch breaks its own rules.
    #[error("blob: {0}; send 1 to 1024 items, lanes strictly ascending, at most 64 hashes each, successors naming their lane")]
    Batch(LedgerError),
    /// The proof of two histories does not hold.
    #[error("proof: {0}; send two heads of the lane with different leaves at one index, each with its inclusion path")]
    Conflict(LedgerError),
    /// Only ppr sends this.
    #[error("sender: not the ppr contract, and the relationship is neither suspended nor ended; suspend, decline or end it there")]
    NotPpr,
}

impl From<StdError> for ContractError {
    fn from(error: StdError) -> Self {
        Self::Host(error.to_string())
    }
}
