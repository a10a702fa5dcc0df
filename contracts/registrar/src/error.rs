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
    /// There is no such institution.
    #[error("institution: no institution has number {number}; ask for the list")]
    NoInstitution {
        /// The number asked for.
        number: u32,
    },
    /// The account is registered with other facts.
    #[error("account: operates institution {number}, registered with other facts; use another account or update that one")]
    AlreadyRegistered {
        /// The institution.
        number: u32,
    },
    /// The account operates another institution.
    #[error("operators: an account operates institution {number}; an account operates one institution only")]
    OperatesAnother {
        /// That institution.
        number: u32,
    },
    /// Too many operators.
    #[error("operators: an institution has at most 64; remove one first")]
    TooManyOperators,
    /// The account is a practitioner's.
    #[error("operators: an account is a practitioner's of institution {number}; an operator has an account of its own")]
    IsPractitioner {
        /// Where the practitioner works.
        number: u32,
    },
    /// The account is an operator's.
    #[error("account: operates institution {number}; a practitioner has an account of its own")]
    IsOperator {
        /// That institution.
        number: u32,
    },
    /// There is no such practitioner.
    #[error("account: no practitioner is registered with it; register it first")]
    NoPractitioner,
    /// The main account cannot be removed.
    #[error("account: the main account of an institution stays its operator; name another")]
    MainAccount,
    /// The account operates another institution or none.
    #[error("account: not an operator of this institution; nothing to remove")]
    NotItsOperator,
    /// A name that is empty, too long or has control characters.
    #[error("name: must have 1 to 64 bytes, no control characters, no space at either end")]
    Name,
    /// An endpoint that is not a plain URL.
    #[error("endpoint: must be an http or https URL of at most 256 bytes without user, query or fragment")]
    Endpoint,
    /// Nothing to update.
    #[error("name, endpoint: both are missing; give at least one")]
    NothingToUpdate,
    /// The card is of another network.
    #[error("card.net: made for another network; make the case offer anew with this network's id")]
    Net,
    /// The key is not the holder's.
    #[error("key: its account is not the card's holder; send the holder's compressed key")]
    HolderKey,
    /// The recovery account is the holder's.
    #[error("recovery: is the holder's own account; take one of another phrase")]
    Recovery,
    /// The offer is over.
    #[error("expires: the offer is over; make the case offer anew")]
    Expired,
    /// The new holder's signature does not verify.
    #[error("signature: not the new holder's over this card with low s; sign anew")]
    CardSignature,
    /// The holder's signature does not verify.
    #[error(
        "signature: not the holder's over this card, recovery, institution and expiry with low s; sign anew"
    )]
    Signature,
    /// The case is enrolled otherwise.
    #[error("card: this case is enrolled by another institution or with another recovery account; make a new case")]
    AlreadyEnrolled,
    /// The case is enrolled with the other kind of key.
    #[error("card: this case is enrolled the other way, as custodial or by the patient's own offer; make a new case")]
    EnrolledOtherwise,
    /// New registrations are stopped.
    #[error("registrations: the consortium has paused them; try again when it allows them")]
    Paused,
    /// The account is the authority.
    #[error(
        "account: is the consortium's authority already; propose another, or none to take a proposal back"
    )]
    AlreadyAuthority,
    /// The sender is not proposed as authority.
    #[error("sender: not the account proposed as authority; have the authority propose it")]
    NotProposed,
    /// ppr is not set.
    #[error("ppr: not set; the consortium must send set_ppr first")]
    NoPpr,
    /// The delay of recoveries is out of range.
    #[error("recovery_delay: must be 1 to 2592000 seconds; choose another")]
    RecoveryDelay,
    /// The bucket's start is of another bucket.
    #[error("start_after: does not begin with the bucket's byte; page within one bucket")]
    OtherBucket,
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
