//! The header fields of the interface: their names, and the values that are more than text.

use std::fmt;
use std::str::FromStr;

use casewise_ledger::Address;
use subtle::ConstantTimeEq;

use crate::ApiError;
use crate::limits::{MAX_IDEMPOTENCY_KEY, MAX_PRACTITIONER};

/// Digest of the body (RFC 9530), covered by the signature.
pub const CONTENT_DIGEST: &str = "content-digest";
/// The network, hex, covered by the signature.
pub const NET: &str = "casewise-net";
/// Components and parameters of the signature (RFC 9421).
pub const SIGNATURE_INPUT: &str = "signature-input";
/// The signature (RFC 9421).
pub const SIGNATURE: &str = "signature";
/// Names one upload, so that repeating it has no second effect.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Height of the chain at which a third party's read was decided.
pub const DECISION_HEIGHT: &str = "casewise-decision-height";
/// Who reads at this institution.
pub const PRACTITIONER: &str = "casewise-practitioner";
/// Why, as a code of HL7 PurposeOfUse.
pub const PURPOSE: &str = "casewise-purpose";
/// Media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// Media type of sealed bodies and letters.
pub const OCTET_STREAM: &str = "application/octet-stream";

/// Codes of HL7 v3 PurposeOfUse (value set 2.16.840.1.113883.1.11.20448).
pub const PURPOSES: [&str; 59] = [
    "BIORCH",
    "BTG",
    "CAREMGT",
    "CLINTRCH",
    "CLINTRCHNPC",
    "CLINTRCHPC",
    "CLINTRL",
    "CLMATTCH",
    "COC",
    "COVAUTH",
    "COVERAGE",
    "DISASTER",
    "DONAT",
    "DSRCH",
    "ELIGDTRM",
    "ELIGVER",
    "ENROLLM",
    "ERTREAT",
    "ETREAT",
    "FAMRQT",
    "FRAUD",
    "GOV",
    "HACCRED",
    "HCOMPL",
    "HDECD",
    "HDIRECT",
    "HDM",
    "HLEGAL",
    "HMARKT",
    "HOPERAT",
    "HOUTCOMS",
    "HPAYMT",
    "HPRGRP",
    "HQUALIMP",
    "HRESCH",
    "HSYSADMIN",
    "HTEST",
    "LABELING",
    "MEMADMIN",
    "METAMGT",
    "MILCDM",
    "MILDCRG",
    "PATADMIN",
    "PATRQT",
    "PATSFTY",
    "PERFMSR",
    "POARCH",
    "POPHLTH",
    "PRECLINTRCH",
    "PUBHLTH",
    "PWATRNY",
    "RECORDMGT",
    "REMITADV",
    "SUPNWK",
    "SYSDEV",
    "THREAT",
    "TRAIN",
    "TRANSRCH",
    "TREAT",
];

/// Refuses a purpose that is not in [`PURPOSES`].
pub fn check_purpose(code: &str) -> Result<(), ApiError> {
    PURPOSES.binary_search(&code).map(|_| ()).map_err(|_| ApiError::Purpose)
}

/// Whether the value of an `Authorization` field is `Bearer` and this token, in constant time for
/// a given length.
pub fn bearer_matches(value: &[u8], token: &str) -> bool {
    let given = value.strip_prefix(b"Bearer ").unwrap_or_default();
    !token.is_empty() && bool::from(given.ct_eq(token.as_bytes()))
}

/// Refuses an idempotency key that is empty, longer than [`MAX_IDEMPOTENCY_KEY`] or not visible
/// ASCII.
pub fn check_idempotency_key(key: &str) -> Result<(), ApiError> {
    if visible(key, MAX_IDEMPOTENCY_KEY) { Ok(()) } else { Err(ApiError::IdempotencyKey) }
}

fn visible(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// A person who reads here, as the institution names them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Practitioner {
    /// An account known to the registrar: 40 hexadecimal digits.
    Account(Address),
    /// The institution's own id: 1 to 64 visible ASCII characters.
    Local(String),
}

impl FromStr for Practitioner {
    type Err = ApiError;
    fn from_str(text: &str) -> Result<Self, ApiError> {
        match text.parse() {
            Ok(account) => Ok(Self::Account(account)),
            Err(_) if visible(text, MAX_PRACTITIONER) => Ok(Self::Local(text.into())),
            Err(_) => Err(ApiError::Practitioner),
        }
    }
}

impl fmt::Display for Practitioner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => account.fmt(f),
            Self::Local(id) => f.write_str(id),
        }
    }
}

/// One range of a body as asked for by `Range`: `first..=last`, `last` open when absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// First byte.
    pub first: u64,
    /// Last byte, inclusive.
    pub last: Option<u64>,
}

impl ByteRange {
    /// The bytes `first..=last` of a body of `length` bytes; `None` when the range lies outside
    /// (416).
    pub fn of(&self, length: u64) -> Option<(u64, u64)> {
        let end = length.checked_sub(1)?;
        let last = self.last.map_or(end, |last| last.min(end));
        (self.first <= last).then_some((self.first, last))
    }
}

impl FromStr for ByteRange {
    type Err = ApiError;
    /// Takes `bytes=FIRST-LAST` and `bytes=FIRST-` (RFC 9110 14.1.2), one range only.
    fn from_str(text: &str) -> Result<Self, ApiError> {
        let (first, last) =
            text.strip_prefix("bytes=").and_then(|r| r.split_once('-')).ok_or(ApiError::Range)?;
        let first = decimal(first)?;
        let last = if last.is_empty() { None } else { Some(decimal(last)?) };
        if last.is_some_and(|last| last < first) {
            return Err(ApiError::Range);
        }
        Ok(Self { first, last })
    }
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes={}-", self.first)?;
        self.last.map_or(Ok(()), |last| last.fmt(f))
    }
}

/// A number written in digits only (`u64::from_str` also takes a plus sign).
fn decimal(text: &str) -> Result<u64, ApiError> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().map_err(|_| ApiError::Range)
    } else {
        Err(ApiError::Range)
    }
}
