//! Bad input, one by one, on the real program: the answer names the field and the remedy, and the store
//! is as it was before.
//!
//! Elsewhere: ciphertexts that open under two keys, bodies that are not their leaf's, indexes that are
//! not their position (`packages/seal/tests`, `packages/client`), evidence files (`packages/evidence`).
#![allow(clippy::disallowed_methods)] // tests start tasks and wait

mod harness;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use casewise_api::{
    Problem, ProblemKind,
    body::{EntryAccepted, LaneListing},
    limits::{MAX_IDEMPOTENCY_KEY, MAX_JSON, MAX_LETTER},
};
use casewise_chain::Manifest;
use casewise_ledger::{CaseId, Hash, account::AccountKey, encode};
use casewise_testkit::contracts::high_s;
use harness::{
    agent::Agent,
    files,
    http::{Answer, Request},
    network::Net,
    now_ms,
    patient::Patient,
    wait_for,
};
use serde_json::json;

/// Planted in everything that is refused; must be in no answer and no log.
const CANARY: &str = "canary-7f3a91c2-thrombozyten";
/// Longest content of one entry, bytes, as OPERATIONS.md states it.
const MAX_CONTENT: usize = 64 << 20;
const FHIR: &str = "application/fhir+json";
const POSTED_WITHIN: Duration = Duration::from_secs(60);

/// A case with one entry, at an agent that has nothing left to do.
struct Desk {
    net: Net,
    agent: Agent,
    patient: Patient,
}

/// Everything the agent holds by its own work.
type Store = (BTreeMap<String, Vec<String>>, BTreeMap<PathBuf, (u64, Hash)>);

impl Desk {
    async fn new() -> Self {
        let net = Net::open();
        let agent = Agent::found(&net).await;
        let patient = Patient::new(&net, agent.number);
        agent.open(&net, &patient.offer).await;
        let desk = Self { net, agent, patient };
        let link = json!({ "system": "urn:test:mrn", "value": "4711", "case": desk.case() });
        let linked = Answer::of(desk.agent.request("PUT", "/v1/links").json(&link)).await;
        assert!((200..300).contains(&linked.status), "{}", linked.text());
        let entry: EntryAccepted =
            desk.post(&desk.by_case(), Some("text/plain"), Some("first"), "a record").await.json();
        let lane = entry.lane;
        wait_for("the first entry's anchor", POSTED_WITHIN, async || {
            desk.net.lane(&lane, None).await.filter(|record| record.size == 1)
        })
        .await;
        desk.agent.settled(POSTED_WITHIN).await;
        desk
    }

    fn case(&self) -> CaseId {
        self.patient.case()
    }

    fn by_case(&self) -> String {
        format!("case={}", self.case())
    }

    async fn post(
        &self,
        query: &str,
        media_type: Option<&str>,
        key: Option<&str>,
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let mut request = self.agent.request("POST", &format!("/v1/entries?{query}"));
        if let Some(media_type) = media_type {
            request = request.header("content-type", media_type);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        Answer::of(request.body(body)).await
    }

    async fn store(&self) -> Store {
        let mut store = (files::dump(&self.agent.data()).await, files::listing(&self.agent.data()));
        store.0.retain(|_, rows| !rows.is_empty());
        store
    }

    /// Does something that must leave no trace in the store.
    async fn untouched(&self, what: &str, act: impl AsyncFnOnce() -> Answer) -> Answer {
        self.agent.settled(POSTED_WITHIN).await;
        let before = self.store().await;
        assert!(before.0.contains_key("entries") && !before.1.is_empty(), "the dump sees what is stored");
        let answer = act().await;
        let after = self.store().await;
        assert_eq!(before, after, "{what} left a trace");
        assert!(!answer.text().contains(CANARY), "{what}: the answer quotes the content: {}", answer.text());
        answer
    }

    /// What was refused is in no log, and the agent goes on.
    async fn goes_on(&self) {
        assert!(!self.agent.log().contains(CANARY), "the log quotes what was refused");
        let answer = self.post(&self.by_case(), Some("text/plain"), None, "after all that").await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }

    /// A correct request of the holder.
    fn lanes(&self) -> Request {
        let path = format!("/v1/cases/{}/lanes", self.case());
        Request::get(&self.agent.authority(), self.net.manifest.net(), &path)
    }

    async fn send(&self, request: &Request) -> Answer {
        request.send(self.agent.public, &request.sign(&self.patient.key)).await
    }
}

/// What is wrong with the refusals of one test, all told at its end.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    /// Checks a refusal. The field is exactly this, or begins with it when it ends in `*`.
    fn check(&mut self, what: &str, answer: &Answer, kind: ProblemKind, field: &str) {
        if let Err(fault) = Self::fault(answer, kind, field) {
            self.0.push(format!("{what}: {fault}: {} {}", answer.status, answer.text()));
        }
    }

    fn fault(answer: &Answer, kind: ProblemKind, field: &str) -> Result<(), String> {
        let problem: Problem = serde_json::from_slice(&answer.body).map_err(|_| "no problem".to_owned())?;
        if problem.problem_kind() != Some(kind) {
            return Err(format!("not of the kind {}", kind.slug()));
        }
        let named = problem.field.ok_or_else(|| format!("names no field, not even {field}"))?;
        let fits = match field.strip_suffix('*') {
            Some(start) => named.starts_with(start),
            None => named.eq_ignore_ascii_case(field),
        };
        if !fits {
            return Err(format!("names {named}, not {field}"));
        }
        answer.refused(kind, Some(&named));
        Ok(())
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.0.is_empty(), "{} wrong refusals:\n{}", self.0.len(), self.0.join("\n"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_malformed_record_is_refused_by_element() {
    let desk = Desk::new().await;
    let mut faults = Faults::default();
    let deep = "[".repeat(200) + &"]".repeat(200);
    let bundle = |entry: &str| {
        format!(
            r#"{{"resourceType":"Bundle","entry":[{{"resource":{{"resourceType":"Patient"}}}},{entry}]}}"#
        )
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", Vec::new(), "byte *"),
        ("not JSON", format!("<{CANARY}>").into(), "resource"),
        ("cut off", format!(r#"{{"resourceType":"Observation","note":"{CANARY}"#).into(), "byte *"),
        ("something after it", format!(r#"{{"resourceType":"Observation"}} "{CANARY}""#).into(), "byte *"),
        (
            "not UTF-8",
            [br#"{"resourceType":"Observation","note":""#, &[0xff][..], br#""}"#].concat(),
            "byte *",
        ),
        ("too deep", format!(r#"{{"resourceType":"Observation","note":{deep}}}"#).into(), "byte *"),
        ("no object", format!(r#"["{CANARY}"]"#).into(), "resource"),
        ("no resourceType", format!(r#"{{"note":"{CANARY}"}}"#).into(), "resourceType"),
        ("resourceType is a number", br#"{"resourceType":7}"#.to_vec(), "resourceType"),
        ("resourceType is empty", br#"{"resourceType":""}"#.to_vec(), "resourceType"),
        ("resourceType twice", br#"{"resourceType":"A","resourceType":"B"}"#.to_vec(), "*"),
        ("entries that are no array", br#"{"resourceType":"Bundle","entry":{}}"#.to_vec(), "entry"),
        ("an entry that is no object", bundle(&format!("\"{CANARY}\"")).into(), "entry[1]"),
        ("an entry without a resource", bundle(r#"{"fullUrl":"urn:x"}"#).into(), "entry[1].resource"),
        ("a resource that is no object", bundle(r#"{"resource":[]}"#).into(), "entry[1].resource"),
        (
            "a resource without a type",
            bundle(r#"{"resource":{"id":"x"}}"#).into(),
            "entry[1].resource.resourceType",
        ),
        (
            "entries before the type",
            br#"{"entry":[{"resource":{}}],"resourceType":"Bundle"}"#.to_vec(),
            "entry[0].resource.resourceType",
        ),
    ];
    for (what, body, field) in cases {
        for media_type in [FHIR, "application/fhir+json; charset=utf-8"] {
            let answer = desk
                .untouched(what, async || {
                    desk.post(&desk.by_case(), Some(media_type), Some("bad"), body.clone()).await
                })
                .await;
            faults.check(what, &answer, ProblemKind::Content, field);
        }
    }
    // The key of what was refused is still free.
    let good = desk.post(&desk.by_case(), Some(FHIR), Some("bad"), r#"{"resourceType":"Observation"}"#).await;
    assert_eq!(good.status, 201, "{}", good.text());
    desk.goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_for_nobody_or_without_what_it_needs_is_refused() {
    let desk = Desk::new().await;
    let mut faults = Faults::default();
    use ProblemKind::{Malformed, MediaType, UnknownCase, UnknownIdentifier, UnsupportedKind};
    let case = desk.by_case();
    let unknown = CaseId(rand::random());
    let text = Some("text/plain");
    let long = "k".repeat(MAX_IDEMPOTENCY_KEY + 1);
    let other_lane = "07".repeat(32);
    type Case<'a> = (&'a str, String, Option<&'a str>, Option<&'a str>, ProblemKind, &'a str);
    let queries: Vec<Case<'_>> = vec![
        ("an unknown case", format!("case={unknown}"), text, None, UnknownCase, "case"),
        ("a case that is no id", format!("case={CANARY}"), text, None, Malformed, "case"),
        ("a case in capitals", case.to_uppercase().replace("CASE", "case"), text, None, Malformed, "case"),
        (
            "an unknown identifier",
            format!("identifier=urn%3Atest%3Amrn%7C{CANARY}"),
            text,
            None,
            UnknownIdentifier,
            "identifier",
        ),
        ("an identifier without a bar", format!("identifier={CANARY}"), text, None, Malformed, "identifier"),
        ("neither case nor identifier", String::new(), text, None, Malformed, "case"),
        (
            "both case and identifier",
            format!("{case}&identifier=urn%3Atest%3Amrn%7C4711"),
            text,
            None,
            Malformed,
            "case",
        ),
        ("a parameter nobody knows", format!("{case}&urgent={CANARY}"), text, None, Malformed, "urgent"),
        ("a case twice", format!("{case}&{case}"), text, None, Malformed, "case"),
        ("an amendment of nothing", format!("{case}&kind=amendment"), text, None, Malformed, "prev"),
        (
            "an amendment of an unknown entry",
            format!("{case}&kind=amendment&prev={other_lane}%3A0"),
            text,
            None,
            Malformed,
            "prev",
        ),
        (
            "a prev that is no entry",
            format!("{case}&kind=amendment&prev={CANARY}"),
            text,
            None,
            Malformed,
            "prev",
        ),
        ("a kind not taken here", format!("{case}&kind=erasure"), text, None, UnsupportedKind, "kind"),
        ("a kind that is none", format!("{case}&kind={CANARY}"), text, None, UnsupportedKind, "kind"),
        ("a beat with content", format!("{case}&kind=beat"), text, None, Malformed, "body"),
        ("no media type", case.clone(), None, None, MediaType, "content-type"),
        ("a media type without subtype", case.clone(), Some("text"), None, MediaType, "content-type"),
        ("a media type in capitals", case.clone(), Some("Text/Plain"), None, MediaType, "content-type"),
        ("an empty key", case.clone(), text, Some(""), Malformed, "idempotency-key"),
        ("a key with a space", case.clone(), text, Some("a b"), Malformed, "idempotency-key"),
        ("a key one too long", case.clone(), text, Some(&long), Malformed, "idempotency-key"),
    ];
    for (what, query, media_type, key, kind, field) in queries {
        let answer =
            desk.untouched(what, async || desk.post(&query, media_type, key, CANARY.as_bytes()).await).await;
        faults.check(what, &answer, kind, field);
    }
    let longest = &long[..MAX_IDEMPOTENCY_KEY];
    assert_eq!(desk.post(&case, text, Some(longest), "the longest key").await.status, 201);
    let linked = desk.post("identifier=urn%3Atest%3Amrn%7C4711", text, None, "by its identifier").await;
    assert_eq!(linked.json::<EntryAccepted>().case, desk.case());
    desk.goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_used_for_something_else_and_a_wrong_token_are_refused() {
    let desk = Desk::new().await;
    let mut faults = Faults::default();
    let case = desk.by_case();
    let other = Patient::new(&desk.net, desk.agent.number);
    desk.agent.open(&desk.net, &other.offer).await;
    let first: EntryAccepted = desk.post(&case, Some("text/plain"), Some("key"), "content").await.json();
    for (what, query, media_type, body) in [
        ("another content", case.clone(), "text/plain", CANARY),
        ("another media type", case.clone(), "text/csv", "content"),
        ("another case", format!("case={}", other.case()), "text/plain", "content"),
        ("another kind", format!("{case}&prev={}%3A{}", first.lane, first.index), "text/plain", "content"),
    ] {
        let answer = desk
            .untouched(what, async || {
                desk.post(&query, Some(media_type), Some("key"), body.as_bytes().to_vec()).await
            })
            .await;
        faults.check(what, &answer, ProblemKind::IdempotencyConflict, "idempotency-key");
    }
    let repeated = desk.untouched("a repetition", async || {
        desk.post(&case, Some("text/plain"), Some("key"), "content").await
    });
    let repeated = repeated.await;
    assert_eq!(repeated.status, 200);
    let again: EntryAccepted = repeated.json();
    assert_eq!((again.lane, again.index, again.leaf), (first.lane, first.index, first.leaf));

    let client = reqwest::Client::new();
    let wrong = format!("{:032x}", rand::random::<u128>());
    for (method, target) in [
        ("POST", format!("/v1/entries?{case}")),
        ("POST", "/v1/cases".into()),
        ("PUT", "/v1/links".into()),
        ("GET", "/v1/status".into()),
        ("GET", format!("/v1/shared/{}/entries", desk.case())),
    ] {
        for token in [None, Some(wrong.as_str()), Some(&desk.agent.token[1..]), Some("")] {
            let answer = desk.untouched(&target, async || {
                let mut request = client.request(method.parse().unwrap(), desk.agent.url(&target));
                if let Some(token) = token {
                    request = request.bearer_auth(token);
                }
                Answer::of(request.header("content-type", "text/plain").body("x")).await
            });
            faults.check(&target, &answer.await, ProblemKind::Token, "authorization");
        }
    }
    desk.goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_content_is_taken_and_one_byte_more_is_not() {
    let desk = Desk::new().await;
    let mut faults = Faults::default();
    let (case, media_type) = (desk.by_case(), Some("application/octet-stream"));
    let whole: Vec<u8> = CANARY.bytes().cycle().take(MAX_CONTENT + 1).collect();
    let began = Instant::now();
    let answer = desk
        .untouched("one byte too many", async || {
            desk.post(&case, media_type, Some("big"), whole.clone()).await
        })
        .await;
    faults.check("one byte too many", &answer, ProblemKind::TooLarge, "body");
    assert!(answer.text().contains(&MAX_CONTENT.to_string()), "the limit is named: {}", answer.text());
    // Its length not announced.
    let (content, rest) = (whole.clone(), MAX_CONTENT + 1);
    let pieces = (0..rest)
        .step_by(1 << 20)
        .map(move |at| Ok::<_, std::io::Error>(content[at..(at + (1 << 20)).min(rest)].to_vec()));
    let streamed = desk.untouched("one byte too many in pieces", async || {
        let body = reqwest::Body::wrap_stream(futures::stream::iter(pieces));
        desk.post(&case, media_type, Some("big"), body).await
    });
    faults.check("one byte too many in pieces", &streamed.await, ProblemKind::TooLarge, "body");
    let taken = desk.post(&case, media_type, Some("big"), whole[..MAX_CONTENT].to_vec()).await;
    let accepted: EntryAccepted = taken.json();
    assert!(accepted.body_length as usize > MAX_CONTENT);
    println!("{MAX_CONTENT} bytes refused twice and taken once in {} ms", began.elapsed().as_millis());

    // JSON bodies and letters have limits of their own.
    let padded = |length: usize| {
        let (offer, policy) = (
            STANDARD.encode(encode(&desk.patient.offer)),
            json!(
            { "cadence": 86_400, "lateness": 3_600, "grace": 3_600, "completion": 86_400 }),
        );
        let mut body = json!({ "offer": offer, "policy": policy }).to_string().into_bytes();
        body.resize(length, b' ');
        body
    };
    let register = async |length: usize| {
        let request = desk.agent.request("POST", "/v1/cases").header("content-type", "application/json");
        Answer::of(request.body(padded(length))).await
    };
    assert_eq!(register(MAX_JSON).await.status, 200, "the offer that is there already");
    let answer = desk.untouched("an offer one byte too long", async || register(MAX_JSON + 1).await).await;
    faults.check("an offer one byte too long", &answer, ProblemKind::TooLarge, "body");
    for (length, kind) in [(MAX_LETTER, ProblemKind::LetterRefused), (MAX_LETTER + 1, ProblemKind::TooLarge)]
    {
        let mut request = desk.lanes();
        (request.method, request.path) = ("POST", "/v1/letters".into());
        request.body = vec![7; length];
        let answer = desk.untouched("a letter of nobody", async || {
            let mut fields = request.sign(&desk.patient.key);
            fields.push(("content-type", "application/octet-stream".into()));
            request.send(desk.agent.public, &fields).await
        });
        let problem: Problem = serde_json::from_slice(&answer.await.body).expect("a problem");
        assert_eq!(problem.problem_kind(), Some(kind), "{length} bytes");
    }
    desk.goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_not_signed_as_it_must_be_is_refused() {
    let desk = Desk::new().await;
    let mut faults = Faults::default();
    use ProblemKind::{
        DigestMismatch, SignatureInvalid, SignatureMalformed, Stale, Timestamp, WrongAuthority, WrongNetwork,
    };
    let good = desk.lanes();
    assert_eq!(desk.send(&good).await.json::<Vec<LaneListing>>().len(), 2, "the request itself is right");
    let now = now_ms() / 1000;
    type Change = fn(&mut Request, u64);
    let changes: [(&str, Change, ProblemKind, &str); 9] = [
        ("expired", |r, now| (r.created, r.expires) = (now - 301, now - 1), Stale, "expires"),
        ("made in the future", |r, now| (r.created, r.expires) = (now + 60, now + 120), Timestamp, "created"),
        ("good for too long", |r, _| r.expires = r.created + 301, Timestamp, "expires"),
        ("good for no time", |r, _| r.expires = r.created, Timestamp, "expires"),
        ("another network", |r, _| r.net[0] ^= 1, WrongNetwork, "casewise-net"),
        ("another host", |r, _| r.authority = "other.example".into(), SignatureInvalid, "signature"),
        ("another method", |r, _| r.method = "POST", ProblemKind::Method, ""),
        ("another body", |r, _| r.digested = Some(b"x".to_vec()), DigestMismatch, "content-digest"),
        ("a body where none is", |r, _| r.body = vec![1], ProblemKind::TooLarge, "body"),
    ];
    for (what, change, kind, field) in changes {
        let mut request = desk.lanes();
        change(&mut request, now);
        let answer = desk.untouched(what, async || desk.send(&request).await).await;
        match field {
            "" => assert_eq!(answer.status, kind.status().as_u16(), "{what}: {}", answer.text()),
            field => faults.check(what, &answer, kind, field),
        }
    }

    // Sent to a host that is not this one, and signed for it.
    let mut request = desk.lanes();
    request.authority = "other.example".into();
    let mut fields = request.sign(&desk.patient.key);
    fields.push(("host", "other.example".into()));
    let answer =
        desk.untouched("for another host", async || request.send(desk.agent.public, &fields).await).await;
    faults.check("for another host", &answer, WrongAuthority, "@authority");

    // The fields themselves.
    type Tamper = fn(&mut Vec<(&'static str, String)>);
    let tampers: [(&str, Tamper, ProblemKind, &str); 9] = [
        ("no signature", |f| f.retain(|(name, _)| *name != "signature"), SignatureMalformed, "signature"),
        ("nothing", |f| f.clear(), SignatureMalformed, "*"),
        ("a changed signature", |f| flip(&mut f[3].1, 30), SignatureInvalid, "signature"),
        ("a signature with a high s", |f| f[3].1 = with_high_s(&f[3].1), SignatureInvalid, "signature"),
        ("two signatures", |f| f.push(f[3].clone()), SignatureMalformed, "signature"),
        (
            "fewer components",
            |f| f[2].1 = f[2].1.replace("\"@query\" ", ""),
            SignatureMalformed,
            "signature-input",
        ),
        (
            "another algorithm",
            |f| f[2].1 = f[2].1.replace("ecdsa-secp256k1", "rsa-v1_5"),
            SignatureMalformed,
            "alg",
        ),
        ("another tag", |f| f[2].1 = f[2].1.replace("casewise-v1", "casewise-v2"), SignatureMalformed, "tag"),
        (
            "no digest",
            |f| f.retain(|(name, _)| *name != "content-digest"),
            SignatureMalformed,
            "content-digest",
        ),
    ];
    for (what, tamper, kind, field) in tampers {
        let request = desk.lanes();
        let mut fields = request.sign(&desk.patient.key);
        tamper(&mut fields);
        let answer = desk.untouched(what, async || request.send(desk.agent.public, &fields).await).await;
        faults.check(what, &answer, kind, field);
    }

    // Another key's signature under the holder's name.
    let request = desk.lanes();
    let stranger = AccountKey::from_bytes(&rand::random()).unwrap();
    let mut fields = request.sign(&stranger);
    let (holder, own) = (hex::encode(desk.patient.key.public().0), hex::encode(stranger.public().0));
    fields[2].1 = fields[2].1.replace(&own, &holder);
    let answer = desk.untouched("another key", async || request.send(desk.agent.public, &fields).await).await;
    faults.check("another key", &answer, SignatureInvalid, "signature");

    // A stranger with a good signature learns nothing: what is not theirs is as what is not there.
    let mut nothing = desk.lanes();
    nothing.path = format!("/v1/cases/{}/lanes", CaseId(rand::random()));
    let mut answers = Vec::new();
    for request in [desk.lanes(), nothing] {
        let answer = desk.untouched("a stranger", async || {
            request.send(desk.agent.public, &request.sign(&stranger)).await
        });
        let mut problem = answer.await.refused(ProblemKind::Absent, None);
        problem.instance = None;
        answers.push(problem);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(desk.send(&desk.lanes()).await.status, 200);
    desk.goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_taken_once_whatever_happens_to_the_agent() {
    let desk = Desk::new().await;
    let mut faults = Faults::default();
    let request = desk.lanes();
    let fields = request.sign(&desk.patient.key);
    let taken = request.send(desk.agent.public, &fields).await;
    assert_eq!(taken.status, 200, "{}", taken.text());
    // The process dies the moment its answer is there.
    desk.agent.kill().await;
    desk.agent.start().await;
    for _ in 0..2 {
        let answer =
            desk.untouched("a replay", async || request.send(desk.agent.public, &fields).await).await;
        faults.check("a replay", &answer, ProblemKind::ReplayedNonce, "nonce");
    }
    // Not by the same nonce with another signature either …
    let mut other = desk.lanes();
    other.nonce = request.nonce;
    let answer = desk.untouched("a nonce again", async || desk.send(&other).await).await;
    faults.check("a nonce again", &answer, ProblemKind::ReplayedNonce, "nonce");
    // … but another key has nonces of its own.
    let stranger = AccountKey::from_bytes(&rand::random()).unwrap();
    let answer = other.send(desk.agent.public, &other.sign(&stranger)).await;
    answer.refused(ProblemKind::Absent, None);
    // Many at once: one is taken.
    let request = desk.lanes();
    let fields = request.sign(&desk.patient.key);
    let all = (0..16).map(|_| request.send(desk.agent.public, &fields));
    let answers = futures::future::join_all(all).await;
    let taken = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(taken, 1, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_that_is_not_for_here_is_refused() {
    let desk = Desk::new().await;
    let mut faults = Faults::default();
    use ProblemKind::{
        Malformed, OfferConflict, OfferExpired, OfferInstitution, OfferKey, OfferNetwork, OfferSignature,
    };
    type Change = fn(&mut Patient);
    let changes: [(&str, Change, ProblemKind, &str); 9] = [
        (
            "another network",
            |p| {
                p.offer.card.net[0] ^= 1;
                p.sign()
            },
            OfferNetwork,
            "offer.card.net",
        ),
        (
            "another institution",
            |p| {
                p.offer.institution += 1;
                p.sign()
            },
            OfferInstitution,
            "offer.institution",
        ),
        (
            "expired",
            |p| {
                p.offer.expires = now_ms() - 1;
                p.sign()
            },
            OfferExpired,
            "offer.expires",
        ),
        (
            "another encryption key",
            |p| {
                p.offer.kem_key[7] ^= 1;
                p.sign()
            },
            OfferKey,
            "offer.kem_key",
        ),
        (
            "not its holder's key",
            |p| {
                p.offer.card.holder.0[0] ^= 1;
                p.sign()
            },
            OfferSignature,
            "offer.signature",
        ),
        ("a changed signature", |p| p.offer.signature[40] ^= 1, OfferSignature, "offer.signature"),
        ("a high s", |p| p.offer.signature = high_s(&p.offer.signature), OfferSignature, "offer.signature"),
        ("changed after signing", |p| p.offer.expires += 1, OfferSignature, "offer.signature"),
        (
            "its holder as recovery",
            |p| {
                p.offer.recovery = Some(p.offer.card.holder);
                p.sign()
            },
            Malformed,
            "offer.recovery",
        ),
    ];
    for (what, change, kind, field) in changes {
        let mut patient = Patient::new(&desk.net, desk.agent.number);
        change(&mut patient);
        let answer = desk.untouched(what, async || desk.agent.show(&patient.offer).await).await;
        faults.check(what, &answer, kind, field);
    }
    let patient = Patient::new(&desk.net, desk.agent.number);
    let whole = encode(&patient.offer);
    for (what, bytes) in [
        ("cut off", whole[..whole.len() - 1].to_vec()),
        ("longer", [&whole[..], &[0]].concat()),
        ("another version", [&[2], &whole[1..]].concat()),
        ("nothing", Vec::new()),
    ] {
        let answer = desk.untouched(what, async || desk.agent.show_bytes(&bytes).await).await;
        faults.check(what, &answer, Malformed, "offer");
    }
    for (what, body, field) in [
        ("not JSON", CANARY.to_owned(), "body"),
        ("no offer", json!({ "policy": {} }).to_string(), "*"),
        (
            "something nobody knows",
            json!({ "offer": STANDARD.encode(&whole), "policy": {}, "name": CANARY }).to_string(),
            "*",
        ),
    ] {
        let request = || desk.agent.request("POST", "/v1/cases").header("content-type", "application/json");
        let answer = desk.untouched(what, async || Answer::of(request().body(body.clone())).await).await;
        faults.check(what, &answer, Malformed, field);
    }
    // The case that is there: the same offer changes nothing, other terms are refused.
    let again = desk.untouched("the same offer", async || desk.agent.show(&desk.patient.offer).await).await;
    assert_eq!(again.status, 200, "{}", again.text());
    let (offer, policy) = (
        STANDARD.encode(encode(&desk.patient.offer)),
        json!(
        { "cadence": 1, "lateness": 3_600, "grace": 3_600, "completion": 86_400 }),
    );
    let answer = desk.untouched("another policy", async || {
        Answer::of(desk.agent.request("POST", "/v1/cases").json(&json!({ "offer": offer, "policy": policy })))
            .await
    });
    faults.check("another policy", &answer.await, OfferConflict, "*");
    desk.goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_says_nothing_is_refused() {
    let desk = Desk::new().await;
    let mut faults = Faults::default();
    for (what, link, kind, field) in [
        (
            "an unknown case",
            json!({ "system": "urn:a", "value": CANARY, "case": CaseId(rand::random()) }),
            ProblemKind::UnknownCase,
            "case",
        ),
        (
            "an empty value",
            json!({ "system": "urn:a", "value": "", "case": desk.case() }),
            ProblemKind::Malformed,
            "value",
        ),
        (
            "an empty system",
            json!({ "system": "", "value": CANARY, "case": desk.case() }),
            ProblemKind::Malformed,
            "system",
        ),
        (
            "a bar in the system",
            json!({ "system": "urn:a|b", "value": CANARY, "case": desk.case() }),
            ProblemKind::Malformed,
            "system",
        ),
        (
            "a field nobody knows",
            json!({ "system": "urn:a", "value": CANARY, "case": desk.case(), "x": 1 }),
            ProblemKind::Malformed,
            "*",
        ),
    ] {
        let answer = desk
            .untouched(what, async || Answer::of(desk.agent.request("PUT", "/v1/links").json(&link)).await)
            .await;
        faults.check(what, &answer, kind, field);
    }
    desk.goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_does_not_start_on_another_chain_or_network() {
    let mut desk = Desk::new().await;
    desk.agent.settled(POSTED_WITHIN).await;
    desk.agent.kill().await;
    let before = desk.store().await;
    let own = desk.net.manifest_file();
    let text = std::fs::read_to_string(&own).unwrap();
    let id = desk.net.manifest.params.chain_id.clone();
    let file = desk.agent.place("manifest.json");

    // One whose parts do not fit together.
    std::fs::write(&file, text.replace(&format!("\"{id}\""), "\"another-1\"")).unwrap();
    desk.agent.use_manifest(file.clone());
    let said = desk.agent.refuses_to_start().await;
    assert!(said.contains("net") && said.contains("manifest"), "{said}");

    // One that fits together, of a chain with another id.
    let mut other: Manifest = desk.net.manifest.clone();
    other.params.chain_id = "another-1".into();
    other.save(&file).unwrap();
    let said = desk.agent.refuses_to_start().await;
    assert!(said.contains("another-1") && said.contains(&id), "it names both: {said}");
    assert!(said.contains("manifest") || said.contains("endpoint"), "it names the remedy: {said}");

    // The same to an agent whose database is new: the node tells.
    let mut fresh = Agent::admitted(&desk.net).await;
    fresh.use_manifest(file.clone());
    let said = fresh.refuses_to_start().await;
    assert!(said.contains("another-1") && said.contains(&id), "it names both: {said}");
    assert!(said.contains("manifest"), "it names the remedy: {said}");
    assert!(files::dump(&fresh.data()).await.values().all(Vec::is_empty), "it left a trace");

    // The same chain, other contracts: another network, to which this database does not belong.
    let mut other: Manifest = desk.net.manifest.clone();
    (other.contracts.registrar, other.contracts.ppr) = (other.contracts.ppr, other.contracts.registrar);
    other.save(&file).unwrap();
    let said = desk.agent.refuses_to_start().await;
    assert!(said.contains("data_dir") && said.contains("manifest"), "it names the remedy: {said}");
    assert!(said.contains(&hex::encode(other.net())), "it names the network: {said}");

    // No manifest, or one with something unknown in it.
    std::fs::write(&file, text.replacen('{', "{\"surprise\": 1,", 1)).unwrap();
    let said = desk.agent.refuses_to_start().await;
    assert!(said.contains("surprise"), "{said}");
    desk.agent.use_manifest(desk.agent.place("none.json"));
    assert!(desk.agent.refuses_to_start().await.contains("none.json"));

    assert_eq!(desk.store().await, before, "the refusals left a trace");
    desk.agent.use_manifest(own);
    desk.agent.start().await;
    desk.goes_on().await;
}

/// Flips a bit of a character so that the text stays base64.
fn flip(text: &mut String, at: usize) {
    let mut bytes = std::mem::take(text).into_bytes();
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    *text = String::from_utf8(bytes).expect("ASCII");
}

fn with_high_s(field: &str) -> String {
    let text = field.strip_prefix("casewise=:").and_then(|rest| rest.strip_suffix(':')).expect("a signature");
    let signature: [u8; 64] = STANDARD.decode(text).unwrap().try_into().unwrap();
    format!("casewise=:{}:", STANDARD.encode(high_s(&signature)))
}
