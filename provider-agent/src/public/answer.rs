//! Answers: what a handler gives back, and how it is put on the wire and signed.
//!
//! Responsible for: every answer to an authenticated request, problems included, carries an
//! operator's signature over its status, its bytes and the request it answers. Must never sign a
//! digest of other bytes than those sent.

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use casewise_api::header::{OCTET_STREAM, PROBLEM_JSON};
use casewise_api::{Problem, ResponseParts, sign_response};
use casewise_ledger::{Hash, sha256};
use futures::stream::BoxStream;
use serde::Serialize;

use crate::app::App;

/// What a handler gives back.
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: ReplyBody,
}

enum ReplyBody {
    Bytes(Vec<u8>),
    /// Bytes too many to hold, with the digest that their leaf names.
    Stream {
        sha256: Hash,
        stream: BoxStream<'static, std::io::Result<Bytes>>,
    },
}

impl Reply {
    /// 200 with JSON.
    pub fn json(value: &impl Serialize) -> Result<Self, crate::AgentError> {
        let body = serde_json::to_vec(value).map_err(crate::AgentError::broken)?;
        Ok(Self::bytes(StatusCode::OK, "application/json", body))
    }

    /// Bytes of a media type.
    pub fn bytes(status: StatusCode, media_type: &'static str, body: Vec<u8>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        Self { status, headers, body: ReplyBody::Bytes(body) }
    }

    /// 204.
    pub fn empty() -> Self {
        Self { status: StatusCode::NO_CONTENT, headers: HeaderMap::new(), body: ReplyBody::Bytes(Vec::new()) }
    }

    /// 200 with a whole sealed body, in pieces.
    pub fn stream(sha256: Hash, length: u64, stream: BoxStream<'static, std::io::Result<Bytes>>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(OCTET_STREAM));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        Self { status: StatusCode::OK, headers, body: ReplyBody::Stream { sha256, stream } }
    }

    /// A problem.
    pub fn problem(problem: &Problem) -> Self {
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // a problem is text and numbers: it always has a JSON form
        let body = serde_json::to_vec(problem).unwrap_or_default();
        let mut reply = Self::bytes(status, PROBLEM_JSON, body);
        if let Some(seconds) = problem.problem_kind().and_then(|kind| kind.retry_after()) {
            reply.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        reply
    }

    /// With another status.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// With one header more.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// On the wire, signed as the answer to the request with this signature, or unsigned when the
    /// request was not authenticated.
    pub fn into_response(self, app: &App, request_signature: Option<&[u8; 64]>) -> Response {
        let Self { status, mut headers, body } = self;
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let (body_sha256, body) = match body {
            ReplyBody::Bytes(bytes) => (sha256(&[&bytes]), Body::from(bytes)),
            ReplyBody::Stream { sha256, stream } => (sha256, Body::from_stream(stream)),
        };
        if let Some(request_signature) = request_signature {
            let parts = ResponseParts { status: status.as_u16(), body_sha256, request_signature };
            match sign_response(&parts, &app.net, &app.keys.operator, app.clock.now()) {
                Ok(signed) => signed.insert_into(&mut headers),
                Err(error) => tracing::error!(%error, "an answer could not be signed"),
            }
        }
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}
