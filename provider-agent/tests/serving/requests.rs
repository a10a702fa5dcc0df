//! What is believed of a request before anybody looks at what it asks for.

use std::sync::Arc;

use casewise_api::body::LettersQuery;
use casewise_api::header::{NET, SIGNATURE, SIGNATURE_INPUT};
use casewise_api::limits::CLOCK_SKEW;
use casewise_api::{ProblemKind, Target, route};
use casewise_ledger::account::AccountKey;
use http::{Method, Request};

use crate::world::{
    Agent, Network, Patient, START, Site, TestChain, TestClock, json, kind, manifest, problem,
};

async fn start(directory: &std::path::Path) -> (Agent, Patient) {
    let (chain, clock, net) = (TestChain::new(), TestClock::new(), Arc::new(Network::default()));
    let agent = Agent::start(Site::new(1), directory, &chain, &clock, &net).await;
    agent.block(Agent::institutions(&[&Site::new(1)])).await;
    let patient = Patient::new(1, manifest().net(), 1);
    agent.case(&patient).await;
    (agent, patient)
}

#[tokio::test]
async fn only_requests_signed_as_required_are_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let (agent, patient) = start(dir.path()).await;
    let target = route::lanes(&patient.case());
    let signed = || agent.request(&patient.key, Method::GET, &target, b"");
    assert!(agent.send(signed()).await.status().is_success());

    let refuse = async |request: Request<Vec<u8>>, expected: ProblemKind, field: &str| {
        let answer = agent.send(request).await;
        assert_eq!(kind(&answer), expected);
        assert_eq!(problem(&answer).field.as_deref(), Some(field));
    };
    for name in [SIGNATURE, SIGNATURE_INPUT, NET] {
        let mut request = signed();
        request.headers_mut().remove(name);
        refuse(request, ProblemKind::SignatureMalformed, name).await;
    }
    let mut request = signed();
    *request.body_mut() = b"x".to_vec();
    assert_eq!(kind(&agent.send(request).await), ProblemKind::TooLarge);
    let mut request = signed();
    *request.uri_mut() = route::kem(&patient.case()).to_string().parse().unwrap();
    refuse(request, ProblemKind::SignatureInvalid, SIGNATURE).await;
    let mut request = signed();
    request.headers_mut().insert(http::header::HOST, "127.0.0.1:9002".parse().unwrap());
    refuse(request, ProblemKind::WrongAuthority, "@authority").await;
    let mut request = signed();
    request.headers_mut().insert(NET, "00".repeat(32).parse().unwrap());
    refuse(request, ProblemKind::WrongNetwork, NET).await;

    let request = signed();
    agent.clock.pass(299_999);
    assert!(agent.send(request).await.status().is_success());
    let request = signed();
    agent.clock.pass(300_000);
    refuse(request, ProblemKind::Stale, "expires").await;
    let request = signed();
    agent.clock.set(agent.app.clock.now() - 32_000);
    refuse(request, ProblemKind::Timestamp, "created").await;
}

#[tokio::test]
async fn a_nonce_serves_once_also_after_a_restart_and_is_forgotten_when_it_cannot_be_used() {
    let dir = tempfile::tempdir().unwrap();
    let (agent, patient) = start(dir.path()).await;
    let target = route::lanes(&patient.case());
    let request = agent.request(&patient.key, Method::GET, &target, b"");
    let again = || clone(&request);
    assert!(agent.send(again()).await.status().is_success());
    assert_eq!(kind(&agent.send(again()).await), ProblemKind::ReplayedNonce);

    let (chain, clock) = (agent.chain.clone(), agent.clock.clone());
    let net = Arc::new(Network::default());
    let site = agent.kill().await;
    let agent = Agent::start(site, dir.path(), &chain, &clock, &net).await;
    assert_eq!(kind(&agent.send(again()).await), ProblemKind::ReplayedNonce);

    // kept until no clock within the skew could accept it any more
    let sweep = |now| {
        use casewise_agent::store::{ReadingWrite, Write};
        agent.serving.write(vec![Write::Reading(ReadingWrite::Sweep(now))])
    };
    let until = START / 1000 * 1000 + 300_000 + CLOCK_SKEW * 1000;
    sweep(until).await.unwrap();
    assert_eq!(kind(&agent.send(again()).await), ProblemKind::ReplayedNonce);
    sweep(until + 1).await.unwrap();
    assert!(agent.send(again()).await.status().is_success(), "only time keeps it out now");
}

fn clone(request: &Request<Vec<u8>>) -> Request<Vec<u8>> {
    let mut copy = Request::new(request.body().clone());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

#[tokio::test]
async fn strangers_share_one_small_allowance() {
    let dir = tempfile::tempdir().unwrap();
    let (agent, patient) = start(dir.path()).await;
    let target = route::lanes(&patient.case());
    let burst = casewise_agent::public::limit::STRANGER_RATE.burst;
    for number in 1..=burst {
        let mut seed = [7; 32];
        seed[..4].copy_from_slice(&number.to_be_bytes());
        let stranger = AccountKey::from_bytes(&seed).unwrap();
        let answer = agent.get(&stranger, &target).await;
        assert_eq!(kind(&answer), ProblemKind::Absent);
    }
    let stranger = AccountKey::from_bytes(&[8; 32]).unwrap();
    let answer = agent.send(agent.request(&stranger, Method::GET, &target, b"")).await;
    assert_eq!(kind(&answer), ProblemKind::RateLimited);
    assert_eq!(answer.headers()["retry-after"], "10");
    assert!(agent.get(&patient.key, &target).await.status().is_success(), "the known are not among them");
}

#[tokio::test]
async fn malformed_paths_queries_and_unknown_routes_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (agent, patient) = start(dir.path()).await;
    let case = patient.case();
    let field = async |target: &str, expected: &str| {
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let target = Target { path: path.into(), query: query.map(String::from) };
        let answer = agent.get(&patient.key, &target).await;
        assert_eq!(kind(&answer), ProblemKind::Malformed, "{target}");
        assert_eq!(problem(&answer).field.as_deref(), Some(expected), "{target}");
    };
    field("/v1/cases/12/lanes", "case").await;
    field(&format!("/v1/cases/{case}/letters?after=x"), "after").await;
    field(&format!("/v1/cases/{case}/letters?before=1"), "before").await;
    field(&format!("/v1/cases/{case}/letters?limit=0"), "limit").await;
    field(&format!("/v1/cases/{case}/letters?limit=65"), "limit").await;
    let most = route::letters(&case, LettersQuery { after: 0, limit: Some(64) });
    let letters: Vec<casewise_api::body::LetterListing> = json(agent.get(&patient.key, &most).await);
    assert_eq!(letters.len(), 2);

    let unsigned = async |method: Method, path: &str| {
        agent.send(Request::builder().method(method).uri(path).body(Vec::new()).unwrap()).await
    };
    assert_eq!(kind(&unsigned(Method::GET, "/v1/nothing").await), ProblemKind::NoRoute);
    assert_eq!(kind(&unsigned(Method::DELETE, "/v1/info").await), ProblemKind::Method);
    assert!(unsigned(Method::GET, "/healthz").await.status().is_success());
    assert!(unsigned(Method::GET, "/readyz").await.status().is_success());
    *agent.chain.tip.lock().unwrap() = None;
    agent.clock.pass(1000);
    assert_eq!(kind(&unsigned(Method::GET, "/readyz").await), ProblemKind::NotReady);
    let info: casewise_api::body::Info = json(unsigned(Method::GET, "/v1/info").await);
    assert_eq!((info.institution, info.kem_key.0.len()), (1, 1216));
    assert_eq!(casewise_ledger::sha256(&[&info.kem_key.0]), agent.site.record().kem);
}
