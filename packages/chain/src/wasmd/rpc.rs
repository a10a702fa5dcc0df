//! JSON-RPC over HTTP POST to the first node that answers.
//!
//! Responsible for endpoints: sticking to one, moving on when it cannot be reached, and asking
//! every newly chosen one for its chain id first. Must never take an answer of another chain,
//! follow a redirect, read an answer without bound, or show credentials of an endpoint.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use reqwest::{Client, Url, redirect};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::wire::{Envelope, RpcError, Status};
use crate::{ChainError, error::shorten};

/// Most nodes one client takes.
pub const MAX_ENDPOINTS: usize = 16;

/// Largest answer read, bytes: a full block of 21 MB with its results fits.
pub const MAX_ANSWER: usize = 64 << 20;

/// Time for a connection to stand.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Time for an answer to be complete.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// One node.
struct Endpoint {
    url: Url,
    /// Host and port, for people.
    name: String,
    /// Its chain id was right, and it has answered since.
    verified: AtomicBool,
    /// Highest height it is known to have committed.
    committed: AtomicU64,
}

/// The nodes, and which one is in use.
pub struct Rpc {
    http: Client,
    chain_id: String,
    endpoints: Vec<Endpoint>,
    current: AtomicUsize,
}

/// Why one node gave no result.
pub enum CallError {
    /// The node could not be reached or did not answer as a node: another may. `sent` = the
    /// request may have been taken.
    Transport { error: ChainError, sent: bool },
    /// The node says no.
    Rpc(RpcError),
    /// Anything else; final.
    Other(ChainError),
}

impl From<CallError> for ChainError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Transport { error, .. } | CallError::Other(error) => error,
            CallError::Rpc(e) => {
                ChainError::refused(0, "rpc", &format!("{} {} (code {})", e.message, e.data, e.code))
            }
        }
    }
}

impl Rpc {
    pub fn new(endpoints: &[String], chain_id: &str) -> Result<Self, ChainError> {
        let endpoints = parse_endpoints(endpoints, chain_id)?;
        provider_is_installed()?;
        let mut http = Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .tcp_nodelay(true);
        if endpoints.iter().all(Endpoint::is_loopback) {
            // A proxy of the environment is not asked for this machine's own node.
            http = http.no_proxy();
        }
        let http = http.build().map_err(|e| ChainError::invalid("endpoints", e))?;
        Ok(Self { http, chain_id: chain_id.to_owned(), endpoints, current: AtomicUsize::new(0) })
    }

    pub fn chain_id(&self) -> &str {
        &self.chain_id
    }

    /// Host and port of the nodes, for people.
    pub fn names(&self) -> Vec<&str> {
        self.endpoints.iter().map(|e| e.name.as_str()).collect()
    }

    /// Host and port of the node in use.
    pub fn name(&self) -> &str {
        &self.endpoints[self.current.load(Ordering::Relaxed)].name
    }

    /// Highest height the node in use is known to have committed.
    pub fn committed(&self) -> u64 {
        self.endpoints[self.current.load(Ordering::Relaxed)].committed.load(Ordering::Relaxed)
    }

    pub fn note_committed(&self, height: u64) {
        self.endpoints[self.current.load(Ordering::Relaxed)].committed.fetch_max(height, Ordering::Relaxed);
    }

    /// Asks the node in use; when it cannot be reached, the others in turn.
    pub async fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, CallError> {
        self.call_with(method, params, |_| true).await
    }

    /// The same for a request that may be sent only once: moves on only while it was not sent.
    pub async fn call_once<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, CallError> {
        self.call_with(method, params, |sent| !sent).await
    }

    async fn call_with<T: DeserializeOwned>(
        &self,
        method: &str,
        params: Value,
        may_repeat: impl Fn(bool) -> bool,
    ) -> Result<T, CallError> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let first = self.current.load(Ordering::Relaxed);
        let mut last = None;
        for step in 0..self.endpoints.len() {
            let at = (first + step) % self.endpoints.len();
            match self.call_at(&self.endpoints[at], method, &body).await {
                Err(CallError::Transport { error, sent }) => {
                    self.endpoints[at].verified.store(false, Ordering::Relaxed);
                    self.endpoints[at].committed.store(0, Ordering::Relaxed);
                    let repeat = may_repeat(sent);
                    last = Some(CallError::Transport { error, sent });
                    if !repeat {
                        self.current.store((at + 1) % self.endpoints.len(), Ordering::Relaxed);
                        break;
                    }
                }
                answer => {
                    if at != first {
                        self.current.store(at, Ordering::Relaxed);
                    }
                    return answer;
                }
            }
        }
        Err(last.expect("at least one endpoint was asked"))
    }

    async fn call_at<T: DeserializeOwned>(
        &self,
        endpoint: &Endpoint,
        method: &str,
        body: &str,
    ) -> Result<T, CallError> {
        if !endpoint.verified.load(Ordering::Relaxed) {
            // The verification is another request: if it fails, this one was not sent.
            let question = json!({"jsonrpc": "2.0", "id": 0, "method": "status", "params": {}}).to_string();
            let status: Status = self.post(endpoint, "status", &question).await.map_err(not_sent)?;
            if status.node_info.network != self.chain_id {
                return Err(CallError::Other(ChainError::WrongChain {
                    expected: self.chain_id.clone(),
                    found: shorten(&status.node_info.network),
                }));
            }
            endpoint.verified.store(true, Ordering::Relaxed);
        }
        self.post(endpoint, method, body).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        endpoint: &Endpoint,
        method: &str,
        body: &str,
    ) -> Result<T, CallError> {
        let transport = |reason: String, sent: bool| CallError::Transport {
            error: ChainError::Unreachable { endpoint: endpoint.name.clone(), reason: shorten(&reason) },
            sent,
        };
        let request = self.http.post(endpoint.url.clone()).header("content-type", "application/json");
        let mut response =
            request.body(body.to_owned()).send().await.map_err(|e| transport(reason(&e), !e.is_connect()))?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| transport(reason(&e), true))? {
            if bytes.len() + chunk.len() > MAX_ANSWER {
                return Err(CallError::Other(ChainError::malformed(format!(
                    "answer to {method} above {MAX_ANSWER} bytes"
                ))));
            }
            bytes.extend_from_slice(&chunk);
        }
        // Error logs can hold raw bytes: decode lossily.
        let text = String::from_utf8_lossy(&bytes);
        let envelope: Envelope<T> = match serde_json::from_str(&text) {
            Ok(envelope) => envelope,
            // A proxy's error page is no answer of the node.
            Err(_) if !status.is_success() => return Err(transport(format!("HTTP status {status}"), true)),
            Err(e) => return Err(CallError::Other(ChainError::malformed(format!("{method}: {e}")))),
        };
        match envelope {
            Envelope { error: Some(error), .. } => Err(CallError::Rpc(error)),
            Envelope { result: Some(result), .. } => Ok(result),
            _ => Err(CallError::Other(ChainError::malformed(format!("{method}: neither result nor error")))),
        }
    }
}

/// Refuses what a client could not use, without making one.
pub fn check_endpoints(endpoints: &[String], chain_id: &str) -> Result<(), ChainError> {
    parse_endpoints(endpoints, chain_id).map(drop)
}

fn parse_endpoints(endpoints: &[String], chain_id: &str) -> Result<Vec<Endpoint>, ChainError> {
    if chain_id.is_empty() {
        return Err(ChainError::invalid("chain_id", "empty"));
    }
    if endpoints.is_empty() || endpoints.len() > MAX_ENDPOINTS {
        return Err(ChainError::invalid("endpoints", format!("give 1 to {MAX_ENDPOINTS} URLs")));
    }
    endpoints.iter().map(|text| Endpoint::parse(text)).collect()
}

/// The HTTP library panics without one.
fn provider_is_installed() -> Result<(), ChainError> {
    #[cfg(feature = "tls")]
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err(ChainError::invalid(
            "tls",
            "the program installed no rustls provider before it made a client",
        ));
    }
    Ok(())
}

fn not_sent(error: CallError) -> CallError {
    match error {
        CallError::Transport { error, .. } => CallError::Transport { error, sent: false },
        other => other,
    }
}

/// The innermost cause tells most.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    if error.is_timeout() { format!("no answer in time ({cause})") } else { cause.to_string() }
}

impl Endpoint {
    fn parse(text: &str) -> Result<Self, ChainError> {
        let wrong = |why: String| ChainError::invalid("endpoints", why);
        let url: Url =
            text.parse().map_err(|_| wrong("not a URL such as http://127.0.0.1:26657".to_owned()))?;
        let host = url.host_str().ok_or_else(|| wrong("a URL without host".to_owned()))?;
        let name = match url.port_or_known_default() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let endpoint = Self { url, name, verified: AtomicBool::new(false), committed: AtomicU64::new(0) };
        match endpoint.url.scheme() {
            "http" if endpoint.is_loopback() => Ok(endpoint),
            "http" => Err(wrong(format!(
                "{} is not this machine: use https or a tunnel to 127.0.0.1",
                endpoint.name
            ))),
            "https" if cfg!(feature = "tls") => Ok(endpoint),
            "https" => Err(wrong(format!("{}: this program was built without https", endpoint.name))),
            other => Err(wrong(format!("{}: scheme {other:?} is not http or https", endpoint.name))),
        }
    }

    fn is_loopback(&self) -> bool {
        match self.url.host_str() {
            Some("localhost") => true,
            Some(host) => {
                let host = host.trim_start_matches('[').trim_end_matches(']');
                host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }
            None => false,
        }
    }
}
