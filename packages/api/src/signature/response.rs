//! Signing and checking responses. A response's signature covers the request's, so that an answer
//! cannot be moved to another question.

use casewise_ledger::account::{AccountKey, PublicKey};
use casewise_ledger::{Address, Hash};
use http::HeaderMap;

use super::field::{Params, byte_sequence, digest_field, signature_field};
use super::{LABEL, SignatureError, SignedHeaders, check_created, verify};
use crate::Hex;

/// Components of a response's signature, in their only order.
const COMPONENTS: &str = r#""@status" "content-digest" "casewise-net" "signature";req;key="casewise""#;

/// What of a response is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseParts<'a> {
    /// The status code.
    pub status: u16,
    /// SHA-256 of the bytes sent (of the part, for a range). Who checks computes it over the
    /// bytes received.
    pub body_sha256: Hash,
    /// Signature of the request that is answered.
    pub request_signature: &'a [u8; 64],
}

impl ResponseParts<'_> {
    fn base(&self, digest: &str, net: &str, params: &Params) -> String {
        format!(
            "\"@status\": {}\n\"content-digest\": {digest}\n\"casewise-net\": {net}\n\
             \"signature\";req;key=\"casewise\": {}\n\"@signature-params\": {}",
            self.status,
            byte_sequence(self.request_signature),
            params.write(COMPONENTS),
        )
    }

    fn check(&self) -> Result<(), SignatureError> {
        if (100..=599).contains(&self.status) { Ok(()) } else { Err(SignatureError::Part("@status")) }
    }
}

/// Signs a response with an operator key of the institution. `now_ms` is Unix ms.
///
/// # Errors
/// A status that HTTP does not have.
pub fn sign_response(
    parts: &ResponseParts<'_>,
    net: &Hash,
    key: &AccountKey,
    now_ms: u64,
) -> Result<SignedHeaders, SignatureError> {
    parts.check()?;
    let params = Params { created: now_ms / 1000, once: None, key: key.public() };
    let content_digest = digest_field(&parts.body_sha256);
    let casewise_net = Hex(*net).to_string();
    let base = parts.base(&content_digest, &casewise_net, &params);
    Ok(SignedHeaders {
        content_digest,
        casewise_net,
        signature_input: format!("{LABEL}={}", params.write(COMPONENTS)),
        signature: signature_field(&key.sign_message(base.as_bytes())),
    })
}

/// Who signed a response. That the account is an operator of the institution asked is for the
/// caller to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticResponse {
    /// The signer's key.
    pub key: PublicKey,
    /// Its account.
    pub account: Address,
    /// Unix ms.
    pub created: u64,
}

/// Checks a response to the request whose signature is in `parts`.
///
/// # Errors
/// The first rule of the profile that the response breaks.
pub fn check_response(
    parts: &ResponseParts<'_>,
    headers: &HeaderMap,
    net: &Hash,
    now_ms: u64,
) -> Result<AuthenticResponse, SignatureError> {
    parts.check()?;
    let fields = SignedHeaders::from_map(headers)?;
    let params = Params::read(&fields.signature_input, COMPONENTS, false)?;
    let signature = fields.signature_bytes()?;
    fields.check_net(net)?;
    fields.check_digest(&parts.body_sha256)?;
    check_created(params.created, now_ms)?;
    verify(&parts.base(&fields.content_digest, &fields.casewise_net, &params), &params.key, &signature)?;
    Ok(AuthenticResponse { key: params.key, account: params.key.address(), created: params.created * 1000 })
}
