//! The public listener: what patients and other institutions ask of this agent.
//!
//! Responsible for: its routes. Every route but `info` and the two health checks takes a signed
//! request and signs its answer. Must never say more to one who may not read than to one who asks
//! for what does not exist.

pub mod answer;
mod call;
mod case;
mod grants;
mod holder;
mod lane;
mod letters;
pub mod limit;
mod releases;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, get, on};
use casewise_api::limits::{MAX_HOLDER, MAX_JSON, MAX_LETTER};
use casewise_api::{ProblemKind, route::public};

use crate::AgentError;
use crate::serving::Serving;
use answer::Reply;
use call::Call;

/// Longest body of a request that takes none, bytes.
const NO_BODY: usize = 0;

/// The public listener's routes.
pub fn router(serving: Arc<Serving>) -> Router {
    let (read, put, post) = (MethodFilter::GET, MethodFilter::PUT, MethodFilter::POST);
    Router::new()
        .route(public::INFO, get(case::info))
        .route(public::HEALTHZ, get(healthz))
        .route(public::READYZ, get(readyz))
        .route(public::LANES, signed(read, NO_BODY, case::lanes))
        .route(public::KEM, signed(read, NO_BODY, case::kem))
        .route(public::HOLDER, signed(put, MAX_HOLDER, holder::put))
        .route(public::SPONSOR, signed(post, MAX_JSON, holder::sponsor))
        .route(public::LETTERS_OF_CASE, signed(read, NO_BODY, letters::of_case))
        .route(public::ENTRIES, signed(read, NO_BODY, lane::entries))
        .route(public::BODY, signed(read, NO_BODY, lane::body))
        .route(public::INCLUSION, signed(read, NO_BODY, lane::inclusion))
        .route(public::CONSISTENCY, signed(read, NO_BODY, lane::consistency))
        .route(public::LETTERS, signed(post, MAX_LETTER, letters::deliver))
        .route(public::GRANT, signed(put, MAX_JSON, grants::put))
        .route(public::RELEASES, signed(post, MAX_JSON, releases::ask))
        .route(public::RELEASE, signed(post, MAX_JSON, releases::countersign))
        .route(public::RELEASE_BODY, signed(read, NO_BODY, releases::body))
        .route(public::RELEASE_INCLUSION, signed(read, NO_BODY, releases::inclusion))
        .method_not_allowed_fallback(no_method)
        .fallback(no_route)
        .with_state(serving)
}

/// A route whose requests are signed.
fn signed<H, F>(method: MethodFilter, limit: usize, handler: H) -> MethodRouter<Arc<Serving>>
where
    H: FnOnce(Arc<Call>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Reply, AgentError>> + Send,
{
    on(method, move |State(serving): State<Arc<Serving>>, request: Request| async move {
        call::answer(serving, request, limit, handler).await
    })
}

/// The process runs.
async fn healthz() -> &'static str {
    "ok\n"
}

/// The process serves third parties: its view of the chain is fresh.
async fn readyz(State(serving): State<Arc<Serving>>) -> Response {
    match serving.fresh().await {
        Ok(_) => Reply::bytes(axum::http::StatusCode::OK, "text/plain", b"ready\n".to_vec()),
        Err(_) => Reply::problem(&ProblemKind::NotReady.into()),
    }
    .into_response(&serving.app, None)
}

async fn no_route(State(serving): State<Arc<Serving>>) -> Response {
    Reply::problem(&ProblemKind::NoRoute.into()).into_response(&serving.app, None)
}

async fn no_method(State(serving): State<Arc<Serving>>) -> Response {
    Reply::problem(&ProblemKind::Method.into()).into_response(&serving.app, None)
}
