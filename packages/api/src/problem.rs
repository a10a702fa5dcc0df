//! Problems (RFC 9457): every way a request can fail, with a stable name, a status and a remedy.
//!
//! Must never hold a secret, an identifier of a person or content: a problem goes into logs.

use std::borrow::Cow;

use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::limits::{RETRY_AFTER, RETRY_AFTER_DAY, RETRY_AFTER_LIMIT};

/// What `type` begins with; the kind's slug follows.
pub const TYPE_PREFIX: &str = "urn:casewise:problem:";

/// Body of an answer with media type `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{title}: {detail}")]
pub struct Problem {
    /// `urn:casewise:problem:` and the slug: stable, for programs.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// The kind in words.
    pub title: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
    /// What happened here, and what to do.
    pub detail: String,
    /// Id of the request, as in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The field, header, parameter or element that is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl Problem {
    /// A problem: `happened` is a sentence; the kind's remedy is added to it.
    pub fn new(kind: ProblemKind, happened: &str) -> Self {
        Self {
            kind: Cow::Owned(kind.uri()),
            title: Cow::Borrowed(kind.title()),
            status: kind.status().as_u16(),
            detail: format!("{} {}", happened.trim_end(), kind.remedy()),
            instance: None,
            field: None,
        }
    }

    /// Names what is wrong.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Names the request.
    #[must_use]
    pub fn instance(mut self, id: impl Into<String>) -> Self {
        self.instance = Some(id.into());
        self
    }

    /// The kind, `None` when this version does not know it.
    pub fn problem_kind(&self) -> Option<ProblemKind> {
        let slug = self.kind.strip_prefix(TYPE_PREFIX)?;
        ProblemKind::ALL.iter().copied().find(|kind| kind.slug() == slug)
    }
}

impl From<ProblemKind> for Problem {
    /// A problem that needs no more words than its kind.
    fn from(kind: ProblemKind) -> Self {
        Self::new(kind, &format!("{}.", kind.title()))
    }
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident, $slug:literal, $status:ident, $title:literal, $remedy:literal;)*) => {
        /// Every kind of problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ProblemKind {
            $(
                $(#[$doc])*
                $name,
            )*
        }

        impl ProblemKind {
            /// All kinds, in the order of this page.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable name.
            pub fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug),* }
            }

            /// The HTTP status.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status),* }
            }

            /// What it is, in words.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }

            /// What to do about it.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy),* }
            }
        }
    };
}

problems! {
    /// A body, parameter or header that is not what it should be; `field` names it.
    Malformed, "malformed", BAD_REQUEST, "The request is malformed",
        "Correct the named field and send the request again.";
    /// No such route.
    NoRoute, "no-route", NOT_FOUND, "There is nothing at this address",
        "Compare the path with the interface description.";
    /// The route takes another method.
    Method, "method", METHOD_NOT_ALLOWED, "This method is not used here",
        "Use a method named in the Allow header.";
    /// The private listener's token is missing or wrong.
    Token, "token", UNAUTHORIZED, "The bearer token is missing or wrong",
        "Send Authorization: Bearer with the token from the agent's token file.";
    /// Ingest for a case that this agent does not serve.
    UnknownCase, "unknown-case", NOT_FOUND, "This case is not known here",
        "Register it first with POST /v1/cases and the patient's case offer; nothing was stored.";
    /// Ingest by an identifier that is not linked.
    UnknownIdentifier, "unknown-identifier", NOT_FOUND, "No case is linked to this identifier",
        "Link it with PUT /v1/links, or name the case with ?case=; nothing was stored.";
    /// The case takes no entries from this institution.
    CaseClosed, "case-closed", CONFLICT, "This case takes no more entries from this institution",
        "Corrections belong to a new case that amends this one; nothing was stored.";
    /// Not there, or not for this signer: the same answer.
    Absent, "absent", NOT_FOUND, "Nothing is readable here with this key",
        "Check the id, that the grant is in a block and in force, and that the right key signed.";
    /// A signed request without a whole, well-formed signature.
    SignatureMalformed, "signature-malformed", UNAUTHORIZED, "The request is not signed as required",
        "Sign it with exactly the components and parameters of the casewise-v1 profile.";
    /// The signature does not verify.
    SignatureInvalid, "signature-invalid", UNAUTHORIZED, "The signature does not verify",
        "Sign the request as it is sent, and change nothing afterwards.";
    /// The request has expired.
    Stale, "stale", UNAUTHORIZED, "The request has expired",
        "Sign it afresh; if it was just signed, set the clock.";
    /// The nonce was used before.
    ReplayedNonce, "replayed-nonce", UNAUTHORIZED, "This request was already received",
        "Sign it afresh with a new nonce.";
    /// Made in the future, or for too long.
    Timestamp, "timestamp", UNAUTHORIZED, "The request's times are not acceptable",
        "Set the clock, and let expires be at most 300 seconds after created.";
    /// Signed for another host.
    WrongAuthority, "wrong-authority", MISDIRECTED_REQUEST, "The request was signed for another host",
        "Sign it for the public name of this agent as the registrar lists it.";
    /// Signed for another network.
    WrongNetwork, "wrong-network", MISDIRECTED_REQUEST, "The request was signed for another network",
        "Use the network id of GET /v1/info after checking it against your manifest.";
    /// The body is not the one signed.
    DigestMismatch, "digest-mismatch", BAD_REQUEST, "The body is not the one that was signed",
        "Send the bytes that were digested; a proxy must not change them.";
    /// Over a limit.
    TooLarge, "too-large", PAYLOAD_TOO_LARGE, "The request is larger than this agent takes",
        "Send less at once; the limit is in the detail.";
    /// A media type that cannot be stored.
    MediaType, "media-type", UNSUPPORTED_MEDIA_TYPE, "The media type is missing or malformed",
        "Send Content-Type as type/subtype in lower case.";
    /// Content that its media type promises to be something else.
    Content, "content", UNPROCESSABLE_ENTITY, "The content is not what its media type says",
        "Correct the named element, or send it as application/octet-stream; nothing was stored.";
    /// An entry kind not taken in here.
    UnsupportedKind, "unsupported-kind", UNPROCESSABLE_ENTITY, "This kind of entry is not taken here",
        "Use record, amendment (with prev) or beat.";
    /// The idempotency key was used with another body.
    IdempotencyConflict, "idempotency-conflict", CONFLICT, "This idempotency key was used for another body",
        "Use a new key for new content; nothing was stored.";
    /// A range outside the body.
    Range, "range", RANGE_NOT_SATISFIABLE, "The range lies outside the body",
        "Ask for bytes below the body's length.";
    /// Still starting, or shutting down.
    NotReady, "not-ready", SERVICE_UNAVAILABLE, "The agent is not ready",
        "Try again after the time in Retry-After.";
    /// The agent does not know the present state of the chain.
    StaleView, "stale-view", SERVICE_UNAVAILABLE, "The agent has no fresh view of the chain",
        "Try again after the time in Retry-After; nothing is shown on an old decision.";
    /// The opening is not the one of the grant.
    GrantRefused, "grant-refused", UNPROCESSABLE_ENTITY, "The opening was not accepted",
        "Send the opening whose commitment stands on chain, signed by the case's holder.";
    /// The countersignature does not verify.
    ReceiptRefused, "receipt-refused", UNPROCESSABLE_ENTITY, "The countersignature was not accepted",
        "Sign the release as it was answered, with an operator key of the reader, before it expires.";
    /// The letter is not for this agent, or not a letter.
    LetterRefused, "letter-refused", UNPROCESSABLE_ENTITY, "The letter was not accepted",
        "Seal it to the present key of this institution (GET /v1/info) and send its bytes unchanged.";
    /// The offer has expired.
    OfferExpired, "offer-expired", UNPROCESSABLE_ENTITY, "The case offer has expired",
        "Ask the patient for a new offer.";
    /// The offer's signature or key is wrong.
    OfferSignature, "offer-signature", UNPROCESSABLE_ENTITY, "The case offer is not signed by its holder",
        "Ask the patient for a new offer, and take it over unchanged.";
    /// The offer is for another network.
    OfferNetwork, "offer-network", UNPROCESSABLE_ENTITY, "The case offer is for another network",
        "Ask the patient for an offer made for this network.";
    /// The offer is for another institution.
    OfferInstitution, "offer-institution", UNPROCESSABLE_ENTITY, "The case offer names another institution",
        "Ask the patient for an offer made for this institution.";
    /// The offer's KEM key is not the one of its card.
    OfferKey, "offer-key", UNPROCESSABLE_ENTITY, "The case offer's encryption key is not the one of its card",
        "Ask the patient for a new offer, and take it over unchanged.";
    /// The case exists with other terms.
    OfferConflict, "offer-conflict", CONFLICT, "The case exists with another offer or policy",
        "Go on with the case as it is, or ask the patient for an offer of a new case.";
    /// A claim request that is not the patient's for this case, or not any more.
    ClaimRefused, "claim-refused", UNPROCESSABLE_ENTITY, "The claim request was not accepted",
        "Ask the patient for a new claim request for this case, and take it over unchanged.";
    /// The institution holds no key of this case.
    NotCustodial, "not-custodial", CONFLICT, "This institution holds no holder's key of this case",
        "The case was claimed, or its patient has held it from the start: go on with it as it is.";
    /// The offer of a new holder is not the one that the chain knows.
    HolderRefused, "holder-refused", UNPROCESSABLE_ENTITY, "The new holder's key was not accepted",
        "Send the offer that the rotation, claim or recovery on chain was made with, unchanged; nothing was stored.";
    /// An account that no allowance is given to here.
    SponsorRefused, "sponsor-refused", UNPROCESSABLE_ENTITY, "No fee allowance was given",
        "Ask another institution of the case; nothing was stored.";
    /// The day's allowances of a case are used up.
    SponsorLimit, "sponsor-limit", TOO_MANY_REQUESTS, "This case was given as many fee allowances as a day allows",
        "Try again after the time in Retry-After, or ask another institution of the case.";
    /// Too many requests.
    RateLimited, "rate-limited", TOO_MANY_REQUESTS, "Too many requests",
        "Try again after the time in Retry-After.";
    /// A fault of the agent.
    Internal, "internal", INTERNAL_SERVER_ERROR, "The agent failed",
        "Try again later; if it stays, give the agent's operator the request id.";
}

impl ProblemKind {
    /// The `type` of the problem.
    pub fn uri(self) -> String {
        format!("{TYPE_PREFIX}{}", self.slug())
    }

    /// Seconds of the Retry-After header, for kinds that pass by themselves.
    pub fn retry_after(self) -> Option<u32> {
        match self {
            Self::NotReady | Self::StaleView => Some(RETRY_AFTER),
            Self::RateLimited => Some(RETRY_AFTER_LIMIT),
            Self::SponsorLimit => Some(RETRY_AFTER_DAY),
            _ => None,
        }
    }
}
