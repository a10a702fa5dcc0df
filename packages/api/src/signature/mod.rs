//! Signatures over requests and responses: one strict profile of RFC 9421, one way to write it.
//!
//! Responsible for: building the signature base, signing it, and refusing everything that is not
//! exactly the profile: other components, other parameters or another order, a second signature,
//! other spellings of the same value. Must never read a clock or keep a nonce: the caller passes
//! the time, and stores (key, nonce) until `expires` + [`CLOCK_SKEW`].

mod error;
mod field;
mod request;
mod response;

pub use error::SignatureError;
pub use field::SignedHeaders;
pub use request::{Authentic, RequestParts, check_request, sign_request};
pub use response::{AuthenticResponse, ResponseParts, check_response, sign_response};

use casewise_ledger::account::PublicKey;

use crate::limits::CLOCK_SKEW;

/// Label of the only signature.
pub const LABEL: &str = "casewise";
/// Name of the algorithm: ECDSA over secp256k1, SHA-256 of the signature base, low s, `r ‖ s`.
pub const ALGORITHM: &str = "ecdsa-secp256k1-sha256";
/// Tag of the profile.
pub const TAG: &str = "casewise-v1";

/// Refuses a message made later than the checker's clock allows.
fn check_created(created: u64, now_ms: u64) -> Result<(), SignatureError> {
    if created * 1000 <= now_ms.saturating_add(CLOCK_SKEW * 1000) {
        Ok(())
    } else {
        Err(SignatureError::Future)
    }
}

fn verify(base: &str, key: &PublicKey, signature: &[u8; 64]) -> Result<(), SignatureError> {
    key.verify_message(base.as_bytes(), signature).map_err(|error| match error {
        casewise_ledger::LedgerError::Key => SignatureError::Parameter("keyid"),
        _ => SignatureError::Signature,
    })
}
