//! The four header fields of a signed message, written and read in one spelling only.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use casewise_ledger::Hash;
use casewise_ledger::account::PublicKey;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{ALGORITHM, LABEL, SignatureError, TAG};
use crate::Hex;
use crate::header::{CONTENT_DIGEST, NET, SIGNATURE, SIGNATURE_INPUT};
use crate::limits::MAX_SIGNATURE_FIELD;

/// Digits of the largest integer of a structured field (RFC 9651 3.3.1).
const INTEGER_DIGITS: usize = 15;

/// The header fields that a signature adds to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHeaders {
    /// `content-digest`
    pub content_digest: String,
    /// `casewise-net`
    pub casewise_net: String,
    /// `signature-input`
    pub signature_input: String,
    /// `signature`
    pub signature: String,
}

impl SignedHeaders {
    /// Names and values.
    pub fn fields(&self) -> [(&'static str, &str); 4] {
        [
            (CONTENT_DIGEST, &self.content_digest),
            (NET, &self.casewise_net),
            (SIGNATURE_INPUT, &self.signature_input),
            (SIGNATURE, &self.signature),
        ]
    }

    /// Sets the fields of a message, replacing any of the same names.
    pub fn insert_into(&self, headers: &mut HeaderMap) {
        for (name, value) in self.fields() {
            let value = HeaderValue::from_str(value).expect("written here, in visible ASCII");
            headers.insert(HeaderName::from_static(name), value);
        }
    }

    /// Takes the fields from a message; each must be there exactly once.
    pub fn from_map(headers: &HeaderMap) -> Result<Self, SignatureError> {
        Ok(Self {
            content_digest: only(headers, CONTENT_DIGEST)?,
            casewise_net: only(headers, NET)?,
            signature_input: only(headers, SIGNATURE_INPUT)?,
            signature: only(headers, SIGNATURE)?,
        })
    }

    /// The signature's bytes, which a response's signature covers.
    pub fn signature_bytes(&self) -> Result<[u8; 64], SignatureError> {
        let text = self.signature.strip_prefix(LABEL).and_then(|rest| rest.strip_prefix("=:"));
        decode(text.and_then(|rest| rest.strip_suffix(':')), SIGNATURE)
    }

    /// Refuses a network other than `net`.
    pub(super) fn check_net(&self, net: &Hash) -> Result<(), SignatureError> {
        let given: Hex<32> = self.casewise_net.parse().map_err(|_| SignatureError::Malformed(NET))?;
        if given.0 == *net { Ok(()) } else { Err(SignatureError::Net) }
    }

    /// Refuses a digest other than `sha256`.
    pub(super) fn check_digest(&self, sha256: &Hash) -> Result<(), SignatureError> {
        let text = self.content_digest.strip_prefix("sha-256=:").and_then(|rest| rest.strip_suffix(':'));
        let given: [u8; 32] = decode(text, CONTENT_DIGEST)?;
        if given == *sha256 { Ok(()) } else { Err(SignatureError::Digest) }
    }
}

fn only(headers: &HeaderMap, name: &'static str) -> Result<String, SignatureError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(SignatureError::Missing(name))?;
    if values.next().is_some() {
        return Err(SignatureError::Repeated(name));
    }
    match value.to_str() {
        Ok(text) if text.len() <= MAX_SIGNATURE_FIELD => Ok(text.into()),
        _ => Err(SignatureError::Malformed(name)),
    }
}

fn decode<const N: usize>(text: Option<&str>, name: &'static str) -> Result<[u8; N], SignatureError> {
    text.and_then(|text| STANDARD.decode(text).ok())
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(SignatureError::Malformed(name))
}

/// Value of `content-digest`.
pub(super) fn digest_field(sha256: &Hash) -> String {
    format!("sha-256=:{}:", STANDARD.encode(sha256))
}

/// Value of `signature`.
pub(super) fn signature_field(signature: &[u8; 64]) -> String {
    format!("{LABEL}={}", byte_sequence(signature))
}

/// A byte sequence of structured fields.
pub(super) fn byte_sequence(bytes: &[u8]) -> String {
    format!(":{}:", STANDARD.encode(bytes))
}

/// Expiry and nonce: a request has both, a response neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Once {
    /// Unix seconds.
    pub expires: u64,
    /// Random.
    pub nonce: [u8; 16],
}

/// The parameters of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Params {
    /// Unix seconds.
    pub created: u64,
    /// Of a request.
    pub once: Option<Once>,
    /// The signer.
    pub key: PublicKey,
}

impl Params {
    /// Value of `@signature-params`: the components and the parameters in their only order.
    pub fn write(&self, components: &str) -> String {
        let mut out = format!("({components});created={}", self.created);
        if let Some(once) = &self.once {
            let nonce = URL_SAFE_NO_PAD.encode(once.nonce);
            out.push_str(&format!(";expires={};nonce=\"{nonce}\"", once.expires));
        }
        let key = Hex(self.key.0);
        out.push_str(&format!(";keyid=\"{key}\";alg=\"{ALGORITHM}\";tag=\"{TAG}\""));
        out
    }

    /// Reads the value of `signature-input` of a request (`once`) or a response. What is returned
    /// is what was written: [`Params::write`] gives the same text back.
    pub fn read(field: &str, components: &str, once: bool) -> Result<Self, SignatureError> {
        let rest = field.strip_prefix(LABEL).and_then(|rest| rest.strip_prefix('='));
        let rest = rest.ok_or(SignatureError::Malformed(SIGNATURE_INPUT))?;
        let rest = rest.strip_prefix('(').and_then(|rest| rest.strip_prefix(components));
        let rest = rest.and_then(|rest| rest.strip_prefix(')')).ok_or(SignatureError::Components)?;
        let mut reader = Reader(rest);
        let params = Self {
            created: reader.integer("created")?,
            once: if once { Some(reader.once()?) } else { None },
            key: reader.key()?,
        };
        reader.constant("alg", ALGORITHM)?;
        reader.constant("tag", TAG)?;
        if reader.0.is_empty() { Ok(params) } else { Err(SignatureError::Malformed(SIGNATURE_INPUT)) }
    }
}

/// What is left of the parameters.
struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    /// Takes `;name=` and what follows up to the next `;`, `,` or the end.
    fn value(&mut self, name: &'static str) -> Result<&'a str, SignatureError> {
        let rest = self.0.strip_prefix(';').and_then(|rest| rest.strip_prefix(name));
        let rest = rest.and_then(|rest| rest.strip_prefix('=')).ok_or(SignatureError::Parameter(name))?;
        let end = rest.find([';', ',']).unwrap_or(rest.len());
        let (value, rest) = rest.split_at(end);
        self.0 = rest;
        Ok(value)
    }

    fn string(&mut self, name: &'static str) -> Result<&'a str, SignatureError> {
        let value = self.value(name)?;
        let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        inner.ok_or(SignatureError::Parameter(name))
    }

    /// A whole number without sign and leading zeros.
    fn integer(&mut self, name: &'static str) -> Result<u64, SignatureError> {
        let value = self.value(name)?;
        let canonical = !value.starts_with('0') && value.bytes().all(|b| b.is_ascii_digit());
        if !canonical || value.len() > INTEGER_DIGITS {
            return Err(SignatureError::Parameter(name));
        }
        value.parse().map_err(|_| SignatureError::Parameter(name))
    }

    fn once(&mut self) -> Result<Once, SignatureError> {
        let expires = self.integer("expires")?;
        let nonce = URL_SAFE_NO_PAD.decode(self.string("nonce")?).ok();
        let nonce = nonce.and_then(|bytes| bytes.try_into().ok());
        Ok(Once { expires, nonce: nonce.ok_or(SignatureError::Parameter("nonce"))? })
    }

    fn key(&mut self) -> Result<PublicKey, SignatureError> {
        let key: Hex<33> = self.string("keyid")?.parse().map_err(|_| SignatureError::Parameter("keyid"))?;
        Ok(PublicKey(key.0))
    }

    fn constant(&mut self, name: &'static str, expected: &str) -> Result<(), SignatureError> {
        if self.string(name)? == expected { Ok(()) } else { Err(SignatureError::Parameter(name)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COMPONENTS: &str = "\"a\" \"b\"";

    fn params(once: bool) -> Params {
        let once = once.then_some(Once { expires: 1_700_000_300, nonce: [7; 16] });
        Params { created: 1_700_000_000, once, key: PublicKey([2; 33]) }
    }

    #[test]
    fn what_is_written_is_read() {
        for once in [false, true] {
            let text = format!("{LABEL}={}", params(once).write(COMPONENTS));
            assert_eq!(Params::read(&text, COMPONENTS, once), Ok(params(once)));
            assert!(Params::read(&text, COMPONENTS, !once).is_err());
        }
    }

    #[test]
    fn every_shortened_field_is_refused() {
        let text = format!("{LABEL}={}", params(true).write(COMPONENTS));
        for end in 0..text.len() {
            assert!(Params::read(&text[..end], COMPONENTS, true).is_err(), "{}", &text[..end]);
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "\\PC*") {
            let _ = Params::read(&text, COMPONENTS, true);
        }

        /// One spelling: whatever is accepted is exactly what would be written.
        #[test]
        fn only_one_spelling_is_read(
            at in 0usize..400, replacement in "[ -~]{0,3}", cut in 0usize..3, once: bool,
        ) {
            let text = format!("{LABEL}={}", params(once).write(COMPONENTS));
            let start = at % text.len();
            let end = (start + cut).min(text.len());
            let changed = format!("{}{replacement}{}", &text[..start], &text[end..]);
            if let Ok(read) = Params::read(&changed, COMPONENTS, once) {
                prop_assert_eq!(format!("{LABEL}={}", read.write(COMPONENTS)), changed);
            }
        }
    }
}
