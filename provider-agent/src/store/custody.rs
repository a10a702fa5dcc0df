//! Reads and writes of custodial cases: those whose holder's keys this institution made for a patient
//! who could not.

use async_trait::async_trait;
use casewise_ledger::{CaseId, ClaimRequest, Hash};

use super::StoreError;

/// Reads of custodial cases.
#[async_trait]
pub trait CustodyStore: Send + Sync {
    /// A custodial case; also one that its patient has claimed.
    async fn custody(&self, case: &CaseId) -> Result<Option<CustodyRow>, StoreError>;
    /// The custodial case that a request made, by the keyed hash of its idempotency key.
    async fn custody_of_request(&self, key: &Hash) -> Result<Option<CustodyRow>, StoreError>;
    /// Cases whose keys are held, ascending by id after `after`. Their ids only: a row that does not
    /// decode must not hide the others.
    async fn custodies(&self, after: Option<&CaseId>, limit: u32) -> Result<Vec<CaseId>, StoreError>;
}

/// A write of custodial cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustodyWrite {
    /// A new one; refused when its case or its request is there.
    New(Box<CustodyRow>),
    /// The patient's claim request; replaces an earlier one. Refused when the keys are not held.
    Claim {
        /// The case.
        case: CaseId,
        /// The request.
        request: Box<ClaimRequest>,
    },
    /// Destroys the keys, and the letters that only they open; refused when the keys are not held.
    Destroyed {
        /// The case.
        case: CaseId,
        /// H(the custodial X-Wing key).
        kem: Hash,
    },
}

/// A custodial case.
#[derive(Clone, PartialEq, Eq)]
pub struct CustodyRow {
    /// The case.
    pub case: CaseId,
    /// Keyed hash of the idempotency key of the request that made it.
    pub request_key: Hash,
    /// Keyed hash of what that request said.
    pub request: Hash,
    /// nonce ‖ ciphertext ‖ tag of the holder's keys; `None` once they are destroyed.
    pub sealed: Option<Vec<u8>>,
    /// The claim request last taken.
    pub claim: Option<ClaimRequest>,
}

/// Shows no bytes that were ever a key's.
impl std::fmt::Debug for CustodyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CustodyRow({}, held {}, ..)", self.case, self.sealed.is_some())
    }
}
