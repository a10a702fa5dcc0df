//! Bodies of the private routes for a patient who cannot act: a case whose holder's key the
//! institution makes and keeps, and its claim by the patient.

use std::fmt;

use casewise_ledger::{CaseId, ClaimRequest};
use serde::{Deserialize, Serialize};

use crate::body::{Identifier, PolicyBody};
use crate::{ApiError, Packed};

/// `POST /v1/cases/custodial` (private), with the header `idempotency-key`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewCustodialCase {
    /// What the case asks of its authors.
    pub policy: PolicyBody,
    /// An identifier of this institution that shall name the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<CustodialLink>,
}

/// An identifier of this institution, as `PUT /v1/links` takes it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustodialLink {
    /// Who gives out the identifier, such as a URI of the institution's record numbers.
    pub system: String,
    /// The identifier.
    pub value: String,
}

impl CustodialLink {
    /// The identifier, with the refusals of [`crate::body::Link::identifier`].
    pub fn identifier(&self) -> Result<Identifier, ApiError> {
        Identifier::new(&self.system, &self.value)
    }
}

/// Shows no identifier: it is a person's.
impl fmt::Debug for CustodialLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustodialLink(..)")
    }
}

/// `PUT /v1/cases/{case}/claim` (private).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimBody {
    /// What the patient showed.
    pub request: Packed<ClaimRequest>,
}

/// `GET /v1/cases/{case}/claim` (private), and the answer of PUT: where a custodial case stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Custody {
    /// The case.
    pub case: CaseId,
    /// Whether this institution holds the holder's keys. They are destroyed when the patient's claim
    /// is in a block.
    pub held: bool,
    /// Bech32 account to which the case is, or is to be, offered; after the claim, the last one it was
    /// offered to.
    pub holder: Option<String>,
    /// End of that offer, Unix ms, exclusive.
    pub until: Option<u64>,
    /// Bech32 account that pays the new holder's fees.
    pub fee_granter: String,
}
