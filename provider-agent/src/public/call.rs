//! A request to the public listener, read whole and authenticated.
//!
//! Responsible for: the order in which a request is believed: size, signature over the bytes
//! received, signer, nonce durable; only then does a handler see it. Must never let a request take
//! effect twice, nor act on one that is not signed for this host and network.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::http::HeaderName;
use axum::http::header::{CONTENT_TYPE, HOST, RANGE};
use axum::http::request::Parts;
use casewise_api::header::ByteRange;
use casewise_api::limits::CLOCK_SKEW;
use casewise_api::{Authentic, Problem, ProblemKind, RequestParts, check_request};
use serde::de::DeserializeOwned;
use std::str::FromStr;

use super::answer::Reply;
use crate::AgentError;
use crate::parse;
use crate::serving::Serving;
use crate::store::{NonceRow, ReadingWrite, Refusal, Write};

/// An authenticated request.
pub struct Call {
    /// What serves it.
    pub serving: Arc<Serving>,
    /// Who signed it.
    pub who: Authentic,
    /// Its body.
    pub body: Bytes,
    parts: Parts,
    params: Vec<(String, String)>,
}

impl Call {
    /// Reads and authenticates a request with a body of at most `limit` bytes.
    pub async fn receive(serving: Arc<Serving>, request: Request, limit: usize) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, limit).await.map_err(|_| {
            let why = format!("The body is longer than {limit} bytes, or broke off.");
            Problem::new(ProblemKind::TooLarge, &why).field("body")
        })?;
        let who = authenticate(&serving, &parts, &body)?;
        remember(&serving, &who).await.map_err(|error| error.problem())?;
        let params = RawPathParams::from_request_parts(&mut parts, &())
            .await
            .map_err(|_| Problem::new(ProblemKind::Malformed, "The path does not decode."))?;
        let params = params.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Ok(Self { serving, who, body, parts, params })
    }

    /// A parameter of the path.
    pub fn param<T: FromStr>(&self, name: &str) -> Result<T, Problem> {
        let found = self.params.iter().find(|(param, _)| param == name);
        found.and_then(|(_, value)| value.parse().ok()).ok_or_else(|| {
            Problem::new(ProblemKind::Malformed, "A parameter of the path is not of its form.").field(name)
        })
    }

    /// The query. Unknown parameters are refused.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        parse::query(&self.parts.uri)
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        self.media_type("application/json")?;
        parse::json(&self.body)
    }

    /// Refuses a body of another media type.
    pub fn media_type(&self, expected: &str) -> Result<(), Problem> {
        let given = self.header(&CONTENT_TYPE)?.unwrap_or_default();
        let essence = given.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case(expected) {
            return Ok(());
        }
        let happened = format!("The body's media type is not {expected}.");
        Err(Problem::new(ProblemKind::MediaType, &happened).field("content-type"))
    }

    /// The part of a body that is asked for.
    pub fn range(&self) -> Result<Option<ByteRange>, Problem> {
        let Some(text) = self.header(&RANGE)? else { return Ok(None) };
        let range = text
            .parse()
            .map_err(|error| Problem::new(ProblemKind::Malformed, &format!("{error}.")).field("range"))?;
        Ok(Some(range))
    }

    fn header(&self, name: &HeaderName) -> Result<Option<&str>, Problem> {
        let mut values = self.parts.headers.get_all(name).iter();
        let Some(value) = values.next() else { return Ok(None) };
        match value.to_str() {
            Ok(text) if values.next().is_none() => Ok(Some(text)),
            _ => Err(Problem::new(ProblemKind::Malformed, "A header is not text, or given twice.")
                .field(name.as_str())),
        }
    }
}

fn authenticate(serving: &Serving, parts: &Parts, body: &[u8]) -> Result<Authentic, Problem> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().unwrap_or_default(),
        _ => parts.uri.authority().map(|authority| authority.as_str()).unwrap_or_default(),
    };
    let request = RequestParts {
        method: parts.method.as_str(),
        authority: host,
        path: parts.uri.path(),
        query: parts.uri.query(),
        body,
    };
    let app = &serving.app;
    let name = app.config.public_name.as_str();
    check_request(&request, &parts.headers, &[name], &app.net, app.clock.now()).map_err(Problem::from)
}

/// Stores the nonce, or refuses a request that came before. Signers who are neither operators nor
/// holders share one small allowance, because a nonce costs a write.
async fn remember(serving: &Serving, who: &Authentic) -> Result<(), AgentError> {
    let store = &serving.app.store;
    let known =
        store.operator(&who.account).await?.is_some() || store.case_of_holder(&who.account).await?.is_some();
    if !known {
        serving.limit_strangers()?;
    }
    let row =
        NonceRow { key: who.key.0, nonce: who.nonce, until: who.expires.saturating_add(CLOCK_SKEW * 1000) };
    match serving.try_write(vec![Write::Reading(ReadingWrite::Nonce(row))]).await? {
        Ok(()) => Ok(()),
        Err(Refusal::Exists) => Err(Problem::from(ProblemKind::ReplayedNonce).field("nonce").into()),
        Err(other) => Err(AgentError::broken(other)),
    }
}

/// Runs a handler for an authenticated request, and signs whatever it answers.
pub async fn answer<F>(
    serving: Arc<Serving>,
    request: Request,
    limit: usize,
    handler: impl FnOnce(Arc<Call>) -> F,
) -> axum::response::Response
where
    F: Future<Output = Result<Reply, AgentError>>,
{
    let call = match Call::receive(Arc::clone(&serving), request, limit).await {
        Ok(call) => Arc::new(call),
        Err(problem) => return Reply::problem(&problem).into_response(&serving.app, None),
    };
    let id = casewise_api::Hex(call.who.nonce).to_string();
    let signature = call.who.signature;
    let reply = match handler(Arc::clone(&call)).await {
        Ok(reply) => reply,
        Err(error) => {
            let problem = error.problem();
            if problem.problem_kind() == Some(ProblemKind::Internal) {
                tracing::error!(request = %id, %error, "a request failed");
            }
            Reply::problem(&problem.instance(id))
        }
    };
    reply.into_response(&serving.app, Some(&signature))
}
