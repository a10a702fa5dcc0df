//! Signing and checking requests.

use casewise_ledger::account::{AccountKey, PublicKey};
use casewise_ledger::{Address, Hash, sha256};
use http::HeaderMap;

use super::field::{Once, Params, digest_field, signature_field};
use super::{LABEL, SignatureError, SignedHeaders, check_created, verify};
use crate::Hex;
use crate::limits::MAX_SIGNATURE_LIFE;

/// Components of a request's signature, in their only order.
const COMPONENTS: &str = r#""@method" "@authority" "@path" "@query" "content-digest" "casewise-net""#;

/// What of a request is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestParts<'a> {
    /// Upper case.
    pub method: &'a str,
    /// Host, with the port unless it is the scheme's own, as in the `Host` field.
    pub authority: &'a str,
    /// As sent, before any decoding; begins with `/`.
    pub path: &'a str,
    /// As sent, without the `?`.
    pub query: Option<&'a str>,
    /// The bytes sent or received.
    pub body: &'a [u8],
}

impl RequestParts<'_> {
    /// Characters that cannot stand in HTTP could move the borders between the lines of the base.
    fn check(&self) -> Result<(), SignatureError> {
        let visible = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
        if self.method.is_empty() || !self.method.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(SignatureError::Part("@method"));
        }
        if self.authority.is_empty() || !visible(self.authority) {
            return Err(SignatureError::Part("@authority"));
        }
        if !self.path.starts_with('/') || !visible(self.path) || self.path.contains(['?', '#']) {
            return Err(SignatureError::Part("@path"));
        }
        if self.query.is_some_and(|query| !visible(query) || query.contains('#')) {
            return Err(SignatureError::Part("@query"));
        }
        Ok(())
    }

    /// The signature base (RFC 9421 2.5).
    fn base(&self, digest: &str, net: &str, params: &Params) -> String {
        format!(
            "\"@method\": {}\n\"@authority\": {}\n\"@path\": {}\n\"@query\": ?{}\n\
             \"content-digest\": {digest}\n\"casewise-net\": {net}\n\"@signature-params\": {}",
            self.method,
            self.authority.to_ascii_lowercase(),
            self.path,
            self.query.unwrap_or_default(),
            params.write(COMPONENTS),
        )
    }
}

/// Signs a request. It is valid from `now_ms` (Unix ms, floored to a second) for
/// [`MAX_SIGNATURE_LIFE`] seconds. The nonce must be random and new.
///
/// # Errors
/// Parts that cannot stand in an HTTP request.
pub fn sign_request(
    parts: &RequestParts<'_>,
    net: &Hash,
    key: &AccountKey,
    now_ms: u64,
    nonce: [u8; 16],
) -> Result<SignedHeaders, SignatureError> {
    let created = now_ms / 1000;
    let once = Once { expires: created + MAX_SIGNATURE_LIFE, nonce };
    sign(parts, net, key, Params { created, once: Some(once), key: key.public() })
}

fn sign(
    parts: &RequestParts<'_>,
    net: &Hash,
    key: &AccountKey,
    params: Params,
) -> Result<SignedHeaders, SignatureError> {
    parts.check()?;
    let content_digest = digest_field(&sha256(&[parts.body]));
    let casewise_net = Hex(*net).to_string();
    let base = parts.base(&content_digest, &casewise_net, &params);
    Ok(SignedHeaders {
        content_digest,
        casewise_net,
        signature_input: format!("{LABEL}={}", params.write(COMPONENTS)),
        signature: signature_field(&key.sign_message(base.as_bytes())),
    })
}

/// Who signed a request. Holding one means that the signature verified; it says nothing of what
/// the signer may do, and the nonce has not been looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentic {
    /// The signer's key.
    pub key: PublicKey,
    /// Its account.
    pub account: Address,
    /// To be stored with the key until `expires` + [`crate::limits::CLOCK_SKEW`].
    pub nonce: [u8; 16],
    /// Unix ms.
    pub created: u64,
    /// Unix ms.
    pub expires: u64,
    /// The signature, which the response's signature covers.
    pub signature: [u8; 64],
}

/// Checks a request against the public names of this service, its network and its clock.
/// `parts` are as received; `authorities` in lower case.
///
/// # Errors
/// The first rule of the profile that the request breaks.
pub fn check_request(
    parts: &RequestParts<'_>,
    headers: &HeaderMap,
    authorities: &[&str],
    net: &Hash,
    now_ms: u64,
) -> Result<Authentic, SignatureError> {
    parts.check()?;
    let fields = SignedHeaders::from_map(headers)?;
    let params = Params::read(&fields.signature_input, COMPONENTS, true)?;
    let once = params.once.ok_or(SignatureError::Parameter("nonce"))?;
    let signature = fields.signature_bytes()?;
    if !authorities.contains(&parts.authority.to_ascii_lowercase().as_str()) {
        return Err(SignatureError::Authority);
    }
    fields.check_net(net)?;
    fields.check_digest(&sha256(&[parts.body]))?;
    check_times(params.created, once.expires, now_ms)?;
    verify(&parts.base(&fields.content_digest, &fields.casewise_net, &params), &params.key, &signature)?;
    Ok(Authentic {
        key: params.key,
        account: params.key.address(),
        nonce: once.nonce,
        created: params.created * 1000,
        expires: once.expires * 1000,
        signature,
    })
}

fn check_times(created: u64, expires: u64, now_ms: u64) -> Result<(), SignatureError> {
    if expires <= created || expires - created > MAX_SIGNATURE_LIFE {
        return Err(SignatureError::Life);
    }
    check_created(created, now_ms)?;
    if now_ms < expires * 1000 { Ok(()) } else { Err(SignatureError::Expired) }
}
