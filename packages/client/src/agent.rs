//! Requests to one institution's agent, signed, and its answers, checked.
//!
//! Responsible for: every request but the public ones is signed for the host it goes to, and every
//! answer used is signed by an operator of the institution that was asked. Must never use an answer
//! that is not, follow a redirect, or send a request to another host than it was signed for.

use casewise_api::body::{
    Countersignature, EntriesQuery, EntryPage, GrantBody, InclusionProof, InclusionQuery, Info, LaneListing,
    LetterAccepted, LetterListing, LettersQuery, ReceiptAnswer, ReleaseAnswer, ReleaseInclusionQuery,
    ReleaseRequest, SponsorRequest, Sponsored,
};
use casewise_api::signature::{RequestParts, ResponseParts, SignedHeaders, check_response, sign_request};
use casewise_api::{Packed, Problem, Target, header, route};
use casewise_ledger::account::AccountKey;
use casewise_ledger::{Address, CaseId, Commitment, LaneId, Net, Opening, RotateOffer, sha256};
use http::{Method, Response, StatusCode, header::CONTENT_TYPE};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Mutex;

use crate::ports::{Clock, Directory, Http, Institution, Random};
use crate::{ClientError, ClientError::AgentUnreachable};

/// Longest answer in JSON that is taken, bytes.
pub const MAX_ANSWER: u64 = 16 * 1024 * 1024;
/// Longest problem that is taken, bytes.
const MAX_PROBLEM: u64 = 64 * 1024;
/// How often a request is repeated that the agent refuses for the moment.
const RETRIES: u32 = 10;

/// Scheme, host and port of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    scheme: &'static str,
    authority: String,
}

impl Endpoint {
    /// Reads `https://host[:port]`, or `http://host[:port]` of this machine. Refuses user names,
    /// paths and queries.
    pub fn parse(url: &str) -> Result<Self, ClientError> {
        let refuse = || {
            ClientError::input(
                "endpoint",
                format!(
                    "the registrar lists {url:?}, which is not http(s)://host[:port]; tell the institution"
                ),
            )
        };
        let uri: http::Uri = url.parse().map_err(|_| refuse())?;
        let (scheme, own) = match uri.scheme_str() {
            Some("https") => ("https", ":443"),
            Some("http") => ("http", ":80"),
            _ => return Err(refuse()),
        };
        let authority = uri.authority().ok_or_else(refuse)?.as_str().to_ascii_lowercase();
        if authority.contains('@') || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(refuse());
        }
        if scheme == "http" && !is_loopback(uri.host().unwrap_or_default()) {
            return Err(ClientError::input(
                "endpoint",
                format!(
                    "the registrar lists {url:?}; plain http is used on this machine only, elsewhere https"
                ),
            ));
        }
        let authority = authority.strip_suffix(own).map(str::to_owned).unwrap_or(authority);
        Ok(Self { scheme, authority })
    }

    /// Host, with the port unless it is the scheme's own.
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

/// The world as a request needs it.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// HTTP.
    pub http: &'a dyn Http,
    /// Time.
    pub clock: &'a dyn Clock,
    /// Randomness.
    pub random: &'a dyn Random,
    /// Facts on chain.
    pub directory: &'a dyn Directory,
    /// The network.
    pub net: Net,
}

impl World<'_> {
    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N], ClientError> {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes)?;
        Ok(bytes)
    }
}

/// One institution's agent, spoken to with one key.
pub struct Agent<'a> {
    world: World<'a>,
    key: &'a AccountKey,
    institution: Institution,
    endpoint: Endpoint,
    /// Accounts known to be operators of the institution.
    operators: Mutex<Vec<casewise_ledger::Address>>,
}

impl<'a> Agent<'a> {
    /// The agent of an institution, requests signed with `key`.
    pub fn new(world: World<'a>, institution: Institution, key: &'a AccountKey) -> Result<Self, ClientError> {
        let endpoint = Endpoint::parse(&institution.endpoint)?;
        Ok(Self { world, key, institution, endpoint, operators: Mutex::default() })
    }

    /// Looks the institution up at the registrar.
    pub async fn find(world: World<'a>, number: u32, key: &'a AccountKey) -> Result<Self, ClientError> {
        let institution = world.directory.institution(number).await?;
        let institution =
            institution.ok_or_else(|| ClientError::not_found(format!("institution {number}")))?;
        Self::new(world, institution, key)
    }

    /// The institution.
    pub fn institution(&self) -> &Institution {
        &self.institution
    }

    /// Its address.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The world it is spoken to through.
    pub fn world(&self) -> &World<'a> {
        &self.world
    }

    /// Who serves here, with the institution's X-Wing key: checked against the registrar.
    pub async fn info(&self) -> Result<Info, ClientError> {
        let target = Target::from(route::public::INFO);
        let request = self.request(Method::GET, &target, Vec::new())?;
        let answer = self.send(request, MAX_ANSWER).await?;
        let info: Info = self.json(&self.success(answer)?)?;
        let what = format!("the key that {} serves", self.endpoint);
        if info.net.0 != self.world.net {
            return Err(ClientError::integrity(what, "the agent is on another network"));
        }
        if info.institution != self.institution.number {
            return Err(ClientError::integrity(what, "the agent is another institution's"));
        }
        if sha256(&[&info.kem_key.0]) != self.institution.kem {
            return Err(ClientError::integrity(what, "it is not the one of the registrar"));
        }
        Ok(info)
    }

    /// The author's lanes in a case.
    pub async fn lanes(&self, case: &CaseId) -> Result<Vec<LaneListing>, ClientError> {
        self.get_json(&route::lanes(case)).await
    }

    /// Letters addressed to the signer after place `after`.
    pub async fn letters(&self, case: &CaseId, after: u64) -> Result<Vec<LetterListing>, ClientError> {
        self.get_json(&route::letters(case, LettersQuery { after, limit: None })).await
    }

    /// Anchored entries of a lane from `first` on, as many as the agent gives at once.
    pub async fn entries(&self, lane: &LaneId, first: u32) -> Result<EntryPage, ClientError> {
        self.get_json(&route::entries(lane, EntriesQuery { first, limit: None })).await
    }

    /// The sealed body of an entry, exactly `length` bytes.
    pub async fn body(&self, lane: &LaneId, index: u32, length: u64) -> Result<Vec<u8>, ClientError> {
        self.bytes(&route::body(lane, index), length).await
    }

    /// An inclusion proof.
    pub async fn inclusion(
        &self,
        lane: &LaneId,
        index: u32,
        size: u32,
    ) -> Result<InclusionProof, ClientError> {
        self.get_json(&route::inclusion(lane, InclusionQuery { index, size })).await
    }

    /// Delivers a letter.
    pub async fn deliver(&self, letter: &[u8]) -> Result<LetterAccepted, ClientError> {
        let target = Target::from(route::public::LETTERS);
        let answer =
            self.signed(Method::POST, &target, header::OCTET_STREAM, letter.to_vec(), MAX_ANSWER).await?;
        self.json(&answer)
    }

    /// Tells the author what a grant says.
    pub async fn put_opening(&self, commitment: &Commitment, opening: &Opening) -> Result<(), ClientError> {
        let body = encode(&GrantBody { opening: Packed(opening.clone()) });
        self.signed(Method::PUT, &route::grant(commitment), JSON, body, MAX_ANSWER).await.map(|_| ())
    }

    /// Shows the author the key of a case's new holder. The request is signed by that holder.
    pub async fn put_holder(&self, offer: &RotateOffer) -> Result<(), ClientError> {
        let (target, body) = (route::holder(&offer.card.case), casewise_ledger::encode(offer));
        self.signed(Method::PUT, &target, header::OCTET_STREAM, body, MAX_ANSWER).await.map(|_| ())
    }

    /// Asks the institution to pay the fees of another account of a case.
    pub async fn sponsor(&self, case: &CaseId, account: Address) -> Result<Sponsored, ClientError> {
        self.send_json(Method::POST, &route::sponsor(case), &SponsorRequest { account }).await
    }

    /// Asks for a release.
    pub async fn release(&self, request: &ReleaseRequest) -> Result<ReleaseAnswer, ClientError> {
        self.send_json(Method::POST, &Target::from(route::public::RELEASES), request).await
    }

    /// Countersigns a release.
    pub async fn countersign(
        &self,
        nonce: &[u8; 16],
        signature: &Countersignature,
    ) -> Result<ReceiptAnswer, ClientError> {
        self.send_json(Method::POST, &route::release(nonce), signature).await
    }

    /// The sealed body of a released entry, exactly `length` bytes.
    pub async fn release_body(
        &self,
        nonce: &[u8; 16],
        lane: &LaneId,
        index: u32,
        length: u64,
    ) -> Result<Vec<u8>, ClientError> {
        self.bytes(&route::release_body(nonce, lane, index), length).await
    }

    /// An inclusion proof of a released entry.
    pub async fn release_inclusion(
        &self,
        nonce: &[u8; 16],
        lane: &LaneId,
        index: u32,
        size: u32,
    ) -> Result<InclusionProof, ClientError> {
        let query = ReleaseInclusionQuery { lane: *lane, index, size };
        self.get_json(&route::release_inclusion(nonce, query)).await
    }

    async fn get_json<T: DeserializeOwned>(&self, target: &Target) -> Result<T, ClientError> {
        let answer = self.signed(Method::GET, target, "", Vec::new(), MAX_ANSWER).await?;
        self.json(&answer)
    }

    async fn send_json<T: DeserializeOwned>(
        &self,
        method: Method,
        target: &Target,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let answer = self.signed(method, target, JSON, encode(body), MAX_ANSWER).await?;
        self.json(&answer)
    }

    async fn bytes(&self, target: &Target, length: u64) -> Result<Vec<u8>, ClientError> {
        let bytes = self.signed(Method::GET, target, "", Vec::new(), length.max(MAX_PROBLEM)).await?;
        if bytes.len() as u64 == length {
            return Ok(bytes);
        }
        let why = format!("it has {} bytes, its leaf says {length}", bytes.len());
        Err(ClientError::integrity(format!("the body served by {}", self.endpoint), why))
    }

    /// Sends a signed request, again when the agent asks for a moment, and returns the body of its
    /// signed answer.
    async fn signed(
        &self,
        method: Method,
        target: &Target,
        media_type: &str,
        body: Vec<u8>,
        limit: u64,
    ) -> Result<Vec<u8>, ClientError> {
        let mut attempt = 0;
        loop {
            match self.signed_once(method.clone(), target, media_type, body.clone(), limit).await {
                Err(ClientError::AgentRefused { problem, .. }) if attempt < RETRIES && passes(&problem) => {
                    attempt += 1;
                    let seconds = problem.problem_kind().and_then(|kind| kind.retry_after()).unwrap_or(1);
                    self.world.clock.sleep_ms(u64::from(seconds) * 1000).await;
                }
                other => return other,
            }
        }
    }

    async fn signed_once(
        &self,
        method: Method,
        target: &Target,
        media_type: &str,
        body: Vec<u8>,
        limit: u64,
    ) -> Result<Vec<u8>, ClientError> {
        let parts = RequestParts {
            method: method.as_str(),
            authority: &self.endpoint.authority,
            path: &target.path,
            query: target.query.as_deref(),
            body: &body,
        };
        let (now, nonce) = (self.world.clock.now_ms(), self.world.random()?);
        let signed = sign_request(&parts, &self.world.net, self.key, now, nonce)
            .map_err(|error| ClientError::input("endpoint", error.to_string()))?;
        let mut request = self.request(method, target, body)?;
        signed.insert_into(request.headers_mut());
        if !media_type.is_empty() {
            let value = http::HeaderValue::from_str(media_type)
                .map_err(|_| ClientError::input("media type", "not visible ASCII"))?;
            request.headers_mut().insert(CONTENT_TYPE, value);
        }
        let answer = self.send(request, limit).await?;
        self.authentic(&answer, &signed).await?;
        self.success(answer)
    }

    fn request(
        &self,
        method: Method,
        target: &Target,
        body: Vec<u8>,
    ) -> Result<http::Request<Vec<u8>>, ClientError> {
        http::Request::builder()
            .method(method)
            .uri(format!("{}{target}", self.endpoint))
            .body(body)
            .map_err(|_| ClientError::input("endpoint", "the request's address is not a URL"))
    }

    async fn send(
        &self,
        request: http::Request<Vec<u8>>,
        limit: u64,
    ) -> Result<Response<Vec<u8>>, ClientError> {
        let answer = self.world.http.exchange(request, limit).await;
        answer.map_err(|error| self.unreachable(error.to_string()))
    }

    /// A successful answer must be signed by an operator of this institution. Problems need not be:
    /// nothing is believed on their word.
    async fn authentic(
        &self,
        answer: &Response<Vec<u8>>,
        request: &SignedHeaders,
    ) -> Result<(), ClientError> {
        if !answer.status().is_success() {
            return Ok(());
        }
        let refuse = |why: String| ClientError::integrity(format!("the answer of {}", self.endpoint), why);
        let request_signature = request.signature_bytes().map_err(|error| refuse(error.to_string()))?;
        let parts = ResponseParts {
            status: answer.status().as_u16(),
            body_sha256: sha256(&[answer.body()]),
            request_signature: &request_signature,
        };
        let signer = check_response(&parts, answer.headers(), &self.world.net, self.world.clock.now_ms())
            .map_err(|error| refuse(error.to_string()))?;
        if self.is_operator(&signer.account).await? {
            return Ok(());
        }
        Err(refuse(format!(
            "it is signed by a key that institution {} does not list",
            self.institution.number
        )))
    }

    /// Whether an account is an operator of this institution.
    pub async fn is_operator(&self, account: &casewise_ledger::Address) -> Result<bool, ClientError> {
        let known = |list: &Mutex<Vec<_>>| list.lock().map(|list| list.contains(account)).unwrap_or(false);
        if known(&self.operators) {
            return Ok(true);
        }
        let institution = self.world.directory.operator(account).await?;
        let operates = institution == Some(self.institution.number);
        if operates && let Ok(mut list) = self.operators.lock() {
            list.push(*account);
        }
        Ok(operates)
    }

    fn success(&self, answer: Response<Vec<u8>>) -> Result<Vec<u8>, ClientError> {
        if answer.status().is_success() {
            return Ok(answer.into_body());
        }
        if answer.status().is_redirection() {
            return Err(self.unreachable("it answers with a redirect, which is not followed".into()));
        }
        let endpoint = self.endpoint.to_string();
        Err(match serde_json::from_slice::<Problem>(answer.body()) {
            Ok(problem) if problem.status == answer.status().as_u16() => {
                ClientError::AgentRefused { endpoint, problem: Box::new(problem) }
            }
            _ if answer.status() == StatusCode::NOT_FOUND => {
                self.unreachable("nothing known is at this address".into())
            }
            _ => self.unreachable(format!("it answers {} without a reason", answer.status())),
        })
    }

    fn json<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(body)
            .map_err(|error| ClientError::integrity(format!("the answer of {}", self.endpoint), error))
    }

    fn unreachable(&self, reason: String) -> ClientError {
        AgentUnreachable { endpoint: self.endpoint.to_string(), reason }
    }
}

const JSON: &str = "application/json";

fn encode(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("the interface's bodies are JSON")
}

fn passes(problem: &Problem) -> bool {
    problem.problem_kind().is_some_and(|kind| kind.retry_after().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_host_is_the_one_spoken_to() {
        for (url, authority, text) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("https://Agent.Example:443/", "agent.example", "https://agent.example"),
            ("http://localhost:80", "localhost", "http://localhost"),
            ("http://[::1]:8080", "[::1]:8080", "http://[::1]:8080"),
            ("https://agent.example:80", "agent.example:80", "https://agent.example:80"),
        ] {
            let endpoint = Endpoint::parse(url).unwrap();
            assert_eq!((endpoint.authority(), endpoint.to_string().as_str()), (authority, text));
        }
        for url in [
            "",
            "agent.example",
            "ftp://a",
            "http://a/b",
            "http://a?b",
            "http://u@a",
            "http://u:p@a",
            "http:///",
        ] {
            assert!(Endpoint::parse(url).is_err(), "{url}");
        }
    }
}
