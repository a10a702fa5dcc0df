//! The private listener: what the institution's own systems ask of this agent.
//!
//! Responsible for: its routes, behind one bearer token. A request body is taken in piece by piece
//! and refused as soon as it is wrong. Must never answer without the token, or log what was sent.

use std::sync::Arc;

use axum::{
    Router,
    body::to_bytes,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::{self, Next},
    response::Response,
    routing::{get, post, put},
};
use casewise_api::{
    Problem, ProblemKind,
    body::{IngestQuery, Link, NewCase},
    custody::{ClaimBody, NewCustodialCase},
    header::{IDEMPOTENCY_KEY, bearer_matches},
    limits::MAX_JSON,
    route::private,
};
use casewise_ledger::CaseId;
use futures::StreamExt;
use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use crate::{AgentError, App, custody, epoch, ingest, onboard, parse, public::answer::Reply, status};

/// Replaces the epoch key at once. POST.
pub const EPOCH: &str = "/v1/epoch";

struct Private {
    app: Arc<App>,
    token: Zeroizing<String>,
}

/// The routes, and more of them behind the same token.
pub fn router(app: Arc<App>, token: Zeroizing<String>, more: Router) -> Router {
    let state = Arc::new(Private { app, token });
    Router::new()
        .route(private::CASES, post(cases))
        .route(private::CUSTODIAL, post(custodial))
        .route(private::CLAIM, put(claim).get(show_claim))
        .route(private::LINKS, put(links))
        .route(private::ENTRIES, post(entries))
        .route(private::STATUS, get(show_status))
        .route(EPOCH, post(replace_epoch))
        .method_not_allowed_fallback(no_method)
        .fallback(no_route)
        .with_state(state.clone())
        .merge(more)
        .layer(middleware::from_fn_with_state(state.clone(), with_token))
        .merge(health(state))
}

/// The two health checks need no token.
fn health(state: Arc<Private>) -> Router {
    Router::new()
        .route(casewise_api::route::public::HEALTHZ, get(|| async { "ok\n" }))
        .route(casewise_api::route::public::READYZ, get(readyz))
        .with_state(state)
}

async fn with_token(State(state): State<Arc<Private>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes());
    if bearer_matches(given.unwrap_or_default(), &state.token) {
        return next.run(request).await;
    }
    let missing = Problem::from(ProblemKind::Token).field(header::AUTHORIZATION.as_str());
    problem(&state.app, &missing)
}

fn problem(app: &App, problem: &Problem) -> Response {
    Reply::problem(problem).into_response(app, None)
}

/// The answer to a request; faults of the agent are logged here, once.
fn answer(app: &App, result: Result<Response, AgentError>) -> Response {
    result.unwrap_or_else(|error| {
        if !matches!(error, AgentError::Refused(_)) {
            tracing::error!(%error, "a request failed");
        }
        problem(app, &error.problem())
    })
}

fn json(app: &App, created: bool, value: &impl Serialize) -> Result<Response, AgentError> {
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(Reply::json(value)?.status(status).into_response(app, None))
}

async fn body<T: DeserializeOwned>(request: Request) -> Result<T, AgentError> {
    let too_large = || {
        let why = format!("The body is longer than {MAX_JSON} bytes, or broke off.");
        Problem::new(ProblemKind::TooLarge, &why).field("body")
    };
    let bytes = to_bytes(request.into_body(), MAX_JSON).await.map_err(|_| too_large())?;
    Ok(parse::json(&bytes)?)
}

async fn cases(State(state): State<Arc<Private>>, request: Request) -> Response {
    let result = async {
        let request: NewCase = body(request).await?;
        let (created, case) = onboard::register(&state.app, &request).await?;
        json(&state.app, created, &case)
    };
    answer(&state.app, result.await)
}

async fn custodial(State(state): State<Arc<Private>>, request: Request) -> Response {
    let result = async {
        let key = text(request.headers(), IDEMPOTENCY_KEY)?;
        let request: NewCustodialCase = body(request).await?;
        let (created, case) = custody::enrol(&state.app, &request, key.as_deref()).await?;
        json(&state.app, created, &case)
    };
    answer(&state.app, result.await)
}

async fn claim(State(state): State<Arc<Private>>, Path(case): Path<String>, request: Request) -> Response {
    let result = async {
        let case = case_id(&case)?;
        let body: ClaimBody = body(request).await?;
        json(&state.app, false, &custody::take(&state.app, &case, &body.request).await?)
    };
    answer(&state.app, result.await)
}

async fn show_claim(State(state): State<Arc<Private>>, Path(case): Path<String>) -> Response {
    let result = async {
        let case = case_id(&case)?;
        json(&state.app, false, &custody::show(&state.app, &case).await?)
    };
    answer(&state.app, result.await)
}

/// A case in a path.
fn case_id(text: &str) -> Result<CaseId, Problem> {
    text.parse().map_err(|error| Problem::new(ProblemKind::Malformed, &format!("{error}.")).field("case"))
}

async fn links(State(state): State<Arc<Private>>, request: Request) -> Response {
    let result = async {
        let request: Link = body(request).await?;
        onboard::link(&state.app, &request).await?;
        Ok(Reply::empty().into_response(&state.app, None))
    };
    answer(&state.app, result.await)
}

async fn entries(State(state): State<Arc<Private>>, request: Request) -> Response {
    let result = async {
        let query = ingest_query(request.uri())?;
        let media_type = text(request.headers(), header::CONTENT_TYPE.as_str())?;
        let key = text(request.headers(), IDEMPOTENCY_KEY)?;
        let mut reception =
            ingest::receive(&state.app, &query, media_type.as_deref(), key.as_deref()).await?;
        let mut stream = request.into_body().into_data_stream();
        while let Some(piece) = stream.next().await {
            let broken = |_| Problem::new(ProblemKind::Malformed, "The body broke off.").field("body");
            reception.push(&piece.map_err(broken)?).await?;
        }
        let (created, entry) = reception.finish().await?;
        json(&state.app, created, &entry)
    };
    answer(&state.app, result.await)
}

/// The query of an upload. A kind that is not taken in is said to be that.
fn ingest_query(uri: &Uri) -> Result<IngestQuery, Problem> {
    parse::query(uri).map_err(|problem: Problem| match problem.field.as_deref() {
        Some("kind") if !problem.detail.contains("twice") => {
            Problem::from(ProblemKind::UnsupportedKind).field("kind")
        }
        _ => problem,
    })
}

/// A header's value; none when it is absent, refused when it stands twice or is not ASCII.
fn text(headers: &HeaderMap, name: &str) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match (value.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text.to_owned())),
        _ => {
            let why = format!("The header {name} must stand once, in visible ASCII.");
            Err(Problem::new(ProblemKind::Malformed, &why).field(name))
        }
    }
}

async fn show_status(State(state): State<Arc<Private>>) -> Response {
    let result = async { json(&state.app, false, &status::status(&state.app).await?) };
    answer(&state.app, result.await)
}

/// Number of the epoch whose key is in use now.
#[derive(Serialize)]
struct Epoch {
    epoch: u32,
}

async fn replace_epoch(State(state): State<Arc<Private>>) -> Response {
    let result = async {
        state.app.writing()?;
        let epoch = epoch::replace(&state.app).await?;
        json(&state.app, false, &Epoch { epoch })
    };
    answer(&state.app, result.await)
}

async fn readyz(State(state): State<Arc<Private>>) -> Response {
    if status::ready(&state.app) {
        return Reply::bytes(StatusCode::OK, "text/plain", b"ready\n".to_vec())
            .into_response(&state.app, None);
    }
    problem(&state.app, &ProblemKind::NotReady.into())
}

async fn no_route(State(state): State<Arc<Private>>) -> Response {
    problem(&state.app, &ProblemKind::NoRoute.into())
}

async fn no_method(State(state): State<Arc<Private>>) -> Response {
    problem(&state.app, &ProblemKind::Method.into())
}
