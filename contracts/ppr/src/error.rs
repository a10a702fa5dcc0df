//! The errors of this contract. Each text names the field and the remedy; the texts are stable.

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
    /// The case amended is not one.
    #[error("policy.amends: no other case of this network has this id; leave it out or correct it")]
    Amends,
    /// Only registrar sends this.
    #[error("sender: not the registrar contract; it sends this itself when a case has another holder")]
    NotRegistrar,
    /// The stored contract is another or newer.
    #[error(
        "migrate: the stored contract is another one or newer; migrate with a later version of this contract"
    )]
    Migration,
}

impl From<StdError> for ContractError {
    fn from(error: StdError) -> Self {
        Self::Host(error.to_string())
    }
}
