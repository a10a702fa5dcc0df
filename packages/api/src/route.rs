//! The routes: the template a server mounts, and the target a client asks for.
//!
//! Templates name their parameters in braces. Every target is built here, so that both sides sign
//! and check the same path and query.

use std::fmt;

use casewise_ledger::{CaseId, Commitment, LaneId};

use crate::Hex;
use crate::body::{
    ConsistencyQuery, EntriesQuery, Identifier, InclusionQuery, IngestKind, IngestQuery, LettersQuery,
    ReleaseInclusionQuery,
};

/// Templates of the public listener.
pub mod public {
    /// GET, unsigned.
    pub const INFO: &str = "/v1/info";
    /// GET, holder.
    pub const LANES: &str = "/v1/cases/{case}/lanes";
    /// GET, operator of an institution with a relationship.
    pub const KEM: &str = "/v1/cases/{case}/kem";
    /// GET, holder or operator: letters addressed to the signer.
    pub const LETTERS_OF_CASE: &str = "/v1/cases/{case}/letters";
    /// PUT, the new holder, at every author: borsh `RotateOffer`.
    pub const HOLDER: &str = "/v1/cases/{case}/holder";
    /// POST, holder or recovery account, at an institution of the case.
    pub const SPONSOR: &str = "/v1/cases/{case}/sponsor";
    /// GET, holder.
    pub const ENTRIES: &str = "/v1/lanes/{lane}/entries";
    /// GET, holder; one range.
    pub const BODY: &str = "/v1/lanes/{lane}/entries/{index}/body";
    /// GET, holder.
    pub const INCLUSION: &str = "/v1/lanes/{lane}/proofs/inclusion";
    /// GET, holder.
    pub const CONSISTENCY: &str = "/v1/lanes/{lane}/proofs/consistency";
    /// POST, the letter's bytes.
    pub const LETTERS: &str = "/v1/letters";
    /// PUT, holder, at the author.
    pub const GRANT: &str = "/v1/grants/{commitment}";
    /// POST, operator of the reader.
    pub const RELEASES: &str = "/v1/releases";
    /// POST, operator of the reader: the countersignature.
    pub const RELEASE: &str = "/v1/releases/{nonce}";
    /// GET, operator of the reader; one range.
    pub const RELEASE_BODY: &str = "/v1/releases/{nonce}/entries/{lane}/{index}/body";
    /// GET, operator of the reader.
    pub const RELEASE_INCLUSION: &str = "/v1/releases/{nonce}/proofs/inclusion";
    /// GET, unsigned: the process runs.
    pub const HEALTHZ: &str = "/healthz";
    /// GET, unsigned: the process serves.
    pub const READYZ: &str = "/readyz";
}

/// Templates of the private listener, bearer token.
pub mod private {
    /// POST.
    pub const CASES: &str = "/v1/cases";
    /// POST: a case whose holder's key this institution makes.
    pub const CUSTODIAL: &str = "/v1/cases/custodial";
    /// PUT and GET: such a case's claim by its patient.
    pub const CLAIM: &str = "/v1/cases/{case}/claim";
    /// PUT.
    pub const LINKS: &str = "/v1/links";
    /// POST, the content's bytes.
    pub const ENTRIES: &str = "/v1/entries";
    /// GET, practitioner and purpose.
    pub const SHARED: &str = "/v1/shared/{case}/entries";
    /// GET, practitioner and purpose.
    pub const SHARED_ENTRY: &str = "/v1/shared/{case}/entries/{lane}/{index}";
    /// GET.
    pub const STATUS: &str = "/v1/status";
}

/// Path and query of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Begins with `/`.
    pub path: String,
    /// Without the `?`.
    pub query: Option<String>,
}

impl Target {
    fn path(path: String) -> Self {
        Self { path, query: None }
    }

    fn query(path: String, pairs: &[(&str, Option<String>)]) -> Self {
        let given: Vec<String> = pairs
            .iter()
            .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}={}", escape(value))))
            .collect();
        Self { path, query: (!given.is_empty()).then(|| given.join("&")) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        self.query.as_ref().map_or(Ok(()), |query| write!(f, "?{query}"))
    }
}

impl From<&str> for Target {
    /// A template without parameters.
    fn from(template: &str) -> Self {
        Self::path(template.into())
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986 2.3.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// [`public::LANES`]
pub fn lanes(case: &CaseId) -> Target {
    Target::path(format!("/v1/cases/{case}/lanes"))
}

/// [`public::KEM`]
pub fn kem(case: &CaseId) -> Target {
    Target::path(format!("/v1/cases/{case}/kem"))
}

/// [`public::LETTERS_OF_CASE`]
pub fn letters(case: &CaseId, query: LettersQuery) -> Target {
    Target::query(
        format!("/v1/cases/{case}/letters"),
        &[("after", Some(query.after.to_string())), ("limit", query.limit.map(|n| n.to_string()))],
    )
}

/// [`public::HOLDER`]
pub fn holder(case: &CaseId) -> Target {
    Target::path(format!("/v1/cases/{case}/holder"))
}

/// [`public::SPONSOR`]
pub fn sponsor(case: &CaseId) -> Target {
    Target::path(format!("/v1/cases/{case}/sponsor"))
}

/// [`public::ENTRIES`]
pub fn entries(lane: &LaneId, query: EntriesQuery) -> Target {
    Target::query(
        format!("/v1/lanes/{lane}/entries"),
        &[("first", Some(query.first.to_string())), ("limit", query.limit.map(|n| n.to_string()))],
    )
}

/// [`public::BODY`]
pub fn body(lane: &LaneId, index: u32) -> Target {
    Target::path(format!("/v1/lanes/{lane}/entries/{index}/body"))
}

/// [`public::INCLUSION`]
pub fn inclusion(lane: &LaneId, query: InclusionQuery) -> Target {
    Target::query(
        format!("/v1/lanes/{lane}/proofs/inclusion"),
        &[("index", Some(query.index.to_string())), ("size", Some(query.size.to_string()))],
    )
}

/// [`public::CONSISTENCY`]
pub fn consistency(lane: &LaneId, query: ConsistencyQuery) -> Target {
    Target::query(
        format!("/v1/lanes/{lane}/proofs/consistency"),
        &[("from", Some(query.from.to_string())), ("to", Some(query.to.to_string()))],
    )
}

/// [`public::GRANT`]
pub fn grant(commitment: &Commitment) -> Target {
    Target::path(format!("/v1/grants/{commitment}"))
}

/// [`public::RELEASE`]
pub fn release(nonce: &[u8; 16]) -> Target {
    Target::path(format!("/v1/releases/{}", Hex(*nonce)))
}

/// [`public::RELEASE_BODY`]
pub fn release_body(nonce: &[u8; 16], lane: &LaneId, index: u32) -> Target {
    Target::path(format!("/v1/releases/{}/entries/{lane}/{index}/body", Hex(*nonce)))
}

/// [`public::RELEASE_INCLUSION`]
pub fn release_inclusion(nonce: &[u8; 16], query: ReleaseInclusionQuery) -> Target {
    Target::query(
        format!("/v1/releases/{}/proofs/inclusion", Hex(*nonce)),
        &[
            ("lane", Some(query.lane.to_string())),
            ("index", Some(query.index.to_string())),
            ("size", Some(query.size.to_string())),
        ],
    )
}

/// [`private::CLAIM`]
pub fn claim(case: &CaseId) -> Target {
    Target::path(format!("/v1/cases/{case}/claim"))
}

/// [`private::ENTRIES`]
pub fn ingest(query: &IngestQuery) -> Target {
    let kind = match query.kind {
        IngestKind::Record => None,
        IngestKind::Amendment => Some("amendment".into()),
        IngestKind::Beat => Some("beat".into()),
    };
    Target::query(
        private::ENTRIES.into(),
        &[
            ("case", query.case.map(|case| case.to_string())),
            ("identifier", query.identifier.as_ref().map(Identifier::as_str).map(String::from)),
            ("kind", kind),
            ("prev", query.prev.map(|prev| prev.to_string())),
        ],
    )
}

/// [`private::SHARED`]
pub fn shared(case: &CaseId) -> Target {
    Target::path(format!("/v1/shared/{case}/entries"))
}

/// [`private::SHARED_ENTRY`]
pub fn shared_entry(case: &CaseId, lane: &LaneId, index: u32) -> Target {
    Target::path(format!("/v1/shared/{case}/entries/{lane}/{index}"))
}
