//! Signed requests and responses: known answers made by `schema/verify/requests.py`, limits at
//! their edge, and properties.

use casewise_api::limits::{CLOCK_SKEW, MAX_SIGNATURE_FIELD, MAX_SIGNATURE_LIFE};
use casewise_api::{
    Authentic, Hex, Problem, ProblemKind, RequestParts, ResponseParts, SignatureError, check_request,
    check_response, sign_request, sign_response,
};
use casewise_ledger::account::AccountKey;
use casewise_ledger::sha256;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    net: Hex<32>,
    authorities: Vec<String>,
    requests: Vec<Request>,
    responses: Vec<Response>,
    refused_requests: Vec<Request>,
    refused_responses: Vec<Response>,
}

#[derive(Deserialize)]
struct Request {
    name: String,
    method: String,
    authority: String,
    path: String,
    query: Option<String>,
    body: String,
    now: String,
    headers: Vec<(String, String)>,
    secret: Option<Hex<32>>,
    nonce: Option<Hex<16>>,
    expires: Option<String>,
    code: Option<String>,
}

#[derive(Deserialize)]
struct Response {
    name: String,
    request: String,
    status: u16,
    body: String,
    now: String,
    headers: Vec<(String, String)>,
    secret: Option<Hex<32>>,
    created: Option<String>,
    code: Option<String>,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../schema/vectors/requests.json")).unwrap()
}

fn header_map(fields: &[(String, String)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    }
    map
}

impl Request {
    fn check(&self, vectors: &Vectors) -> Result<Authentic, SignatureError> {
        let body = hex::decode(&self.body).unwrap();
        let authorities: Vec<&str> = vectors.authorities.iter().map(String::as_str).collect();
        check_request(
            &self.parts(&body),
            &header_map(&self.headers),
            &authorities,
            &vectors.net.0,
            self.now.parse().unwrap(),
        )
    }

    fn parts<'a>(&'a self, body: &'a [u8]) -> RequestParts<'a> {
        let Self { method, authority, path, query, .. } = self;
        RequestParts { method, authority, path, query: query.as_deref(), body }
    }
}

impl Response {
    fn parts<'a>(&self, request_signature: &'a [u8; 64]) -> ResponseParts<'a> {
        let body_sha256 = sha256(&[&hex::decode(&self.body).unwrap()]);
        ResponseParts { status: self.status, body_sha256, request_signature }
    }
}

fn request_signature(vectors: &Vectors, name: &str) -> [u8; 64] {
    let request = vectors.requests.iter().find(|request| request.name == name).unwrap();
    request.check(vectors).unwrap().signature
}

#[test]
fn known_requests_are_accepted() {
    let vectors = vectors();
    for request in &vectors.requests {
        let authentic = request.check(&vectors).unwrap_or_else(|e| panic!("{}: {e}", request.name));
        let key = AccountKey::from_bytes(&request.secret.unwrap().0).unwrap();
        assert_eq!(authentic.key, key.public(), "{}", request.name);
        assert_eq!(authentic.account, key.address());
        assert_eq!(authentic.nonce, request.nonce.unwrap().0);
        assert_eq!(authentic.expires.to_string(), *request.expires.as_ref().unwrap());
    }
}

#[test]
fn known_requests_are_made_byte_for_byte() {
    let vectors = vectors();
    for request in &vectors.requests {
        let body = hex::decode(&request.body).unwrap();
        let key = AccountKey::from_bytes(&request.secret.unwrap().0).unwrap();
        let made = request.expires.as_ref().unwrap().parse::<u64>().unwrap() - MAX_SIGNATURE_LIFE * 1000;
        let nonce = request.nonce.unwrap().0;
        let signed = sign_request(&request.parts(&body), &vectors.net.0, &key, made, nonce).unwrap();
        let mut map = HeaderMap::new();
        signed.insert_into(&mut map);
        assert_eq!(map, header_map(&request.headers), "{}", request.name);
    }
}

#[test]
fn known_responses_are_accepted_and_made() {
    let vectors = vectors();
    for response in &vectors.responses {
        let signature = request_signature(&vectors, &response.request);
        let parts = response.parts(&signature);
        let now = response.now.parse().unwrap();
        let headers = header_map(&response.headers);
        let key = AccountKey::from_bytes(&response.secret.unwrap().0).unwrap();
        let authentic = check_response(&parts, &headers, &vectors.net.0, now).unwrap();
        assert_eq!(authentic.account, key.address(), "{}", response.name);
        assert_eq!(authentic.created.to_string(), *response.created.as_ref().unwrap());
        let mut map = HeaderMap::new();
        sign_response(&parts, &vectors.net.0, &key, now).unwrap().insert_into(&mut map);
        assert_eq!(map, headers, "{}", response.name);
    }
}

#[test]
fn known_forgeries_are_refused_for_their_reason() {
    let vectors = vectors();
    assert!(vectors.refused_requests.len() > 50);
    for request in &vectors.refused_requests {
        let error = request.check(&vectors).expect_err(&request.name);
        assert_eq!(Some(error.code()), request.code.as_deref(), "{}", request.name);
        assert_ne!(Problem::from(error).status, 200);
    }
    for response in &vectors.refused_responses {
        let signature = request_signature(&vectors, &response.request);
        let headers = header_map(&response.headers);
        let now = response.now.parse().unwrap();
        let error = check_response(&response.parts(&signature), &headers, &vectors.net.0, now)
            .expect_err(&response.name);
        assert_eq!(Some(error.code()), response.code.as_deref(), "{}", response.name);
    }
}

const NET: [u8; 32] = [9; 32];
const NOW: u64 = 1_767_225_600_000;
const PARTS: RequestParts<'static> = RequestParts {
    method: "POST",
    authority: "agent.example",
    path: "/v1/letters",
    query: Some("a=b"),
    body: b"letter",
};

fn key() -> AccountKey {
    AccountKey::from_bytes(&[3; 32]).unwrap()
}

fn signed(parts: &RequestParts<'_>) -> HeaderMap {
    let mut map = HeaderMap::new();
    sign_request(parts, &NET, &key(), NOW, [5; 16]).unwrap().insert_into(&mut map);
    map
}

fn check_at(now: u64) -> Result<Authentic, SignatureError> {
    check_request(&PARTS, &signed(&PARTS), &["agent.example"], &NET, now)
}

#[test]
fn the_window_of_time_has_exact_ends() {
    let end = NOW + MAX_SIGNATURE_LIFE * 1000;
    assert!(check_at(end - 1).is_ok());
    assert_eq!(check_at(end), Err(SignatureError::Expired));
    assert!(check_at(NOW - CLOCK_SKEW * 1000).is_ok());
    assert_eq!(check_at(NOW - CLOCK_SKEW * 1000 - 1), Err(SignatureError::Future));
    assert_eq!(check_at(u64::MAX), Err(SignatureError::Expired));
    assert_eq!(check_at(0), Err(SignatureError::Future));
}

#[test]
fn no_authority_is_not_any_authority() {
    let headers = signed(&PARTS);
    assert_eq!(check_request(&PARTS, &headers, &[], &NET, NOW), Err(SignatureError::Authority));
}

#[test]
fn parts_that_could_move_a_line_are_refused() {
    let bad = [
        (RequestParts { method: "GET\n", ..PARTS }, "@method"),
        (RequestParts { method: "get", ..PARTS }, "@method"),
        (RequestParts { method: "", ..PARTS }, "@method"),
        (RequestParts { authority: "", ..PARTS }, "@authority"),
        (RequestParts { authority: "a b", ..PARTS }, "@authority"),
        (RequestParts { path: "", ..PARTS }, "@path"),
        (RequestParts { path: "v1", ..PARTS }, "@path"),
        (RequestParts { path: "/v1\n\"@query\": ?", ..PARTS }, "@path"),
        (RequestParts { path: "/v1?a=b", ..PARTS }, "@path"),
        (RequestParts { query: Some("a\r\nb"), ..PARTS }, "@query"),
        (RequestParts { query: Some("é"), ..PARTS }, "@query"),
    ];
    for (parts, part) in bad {
        let error = Err(SignatureError::Part(part));
        assert_eq!(sign_request(&parts, &NET, &key(), NOW, [0; 16]).map(|_| ()), error);
        assert_eq!(check_request(&parts, &signed(&PARTS), &["agent.example"], &NET, NOW).map(|_| ()), error);
    }
}

#[test]
fn a_field_at_its_limit_is_read_and_one_past_it_is_not() {
    let read = |length: usize| {
        let mut headers = signed(&PARTS);
        let input = headers["signature-input"].to_str().unwrap().to_owned();
        let padded = format!("{input};{}", "x".repeat(length - input.len() - 1));
        headers.insert("signature-input", HeaderValue::from_str(&padded).unwrap());
        casewise_api::SignedHeaders::from_map(&headers).map(|_| ())
    };
    assert_eq!(read(MAX_SIGNATURE_FIELD), Ok(()));
    assert_eq!(read(MAX_SIGNATURE_FIELD + 1), Err(SignatureError::Malformed("signature-input")));
}

#[test]
fn a_status_that_is_none_is_refused() {
    let signature = [1; 64];
    for status in [0, 99, 600] {
        let parts = ResponseParts { status, body_sha256: [0; 32], request_signature: &signature };
        assert_eq!(sign_response(&parts, &NET, &key(), NOW), Err(SignatureError::Part("@status")));
        let checked = check_response(&parts, &HeaderMap::new(), &NET, NOW);
        assert_eq!(checked, Err(SignatureError::Part("@status")));
    }
}

#[test]
fn every_refusal_has_a_problem_with_a_remedy() {
    let problem = Problem::from(SignatureError::Expired);
    assert_eq!(problem.problem_kind(), Some(ProblemKind::Stale));
    assert_eq!(problem.field.as_deref(), Some("expires"));
    assert!(problem.detail.starts_with("The message has expired. Sign it afresh"), "{}", problem.detail);
}

/// The defect of the original MedRec: a time in the future passed until it was ten seconds old, and
/// the signature covered the time only.
#[test]
fn a_signature_is_of_one_request_only() {
    let headers = signed(&PARTS);
    for parts in [
        RequestParts { method: "PUT", ..PARTS },
        RequestParts { path: "/v1/other", ..PARTS },
        RequestParts { query: None, ..PARTS },
    ] {
        let checked = check_request(&parts, &headers, &["agent.example"], &NET, NOW);
        assert_eq!(checked, Err(SignatureError::Signature));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_signed_is_accepted(
        path in "/[!-\"$->@-~]{0,40}", query in proptest::option::of("[!-\"$-~]{0,40}"),
        body in proptest::collection::vec(any::<u8>(), 0..200), secret in 1u8.., nonce: [u8; 16],
        now in 1_000u64..900_000_000_000_000,
    ) {
        let parts = RequestParts { path: &path, query: query.as_deref(), body: &body, ..PARTS };
        let key = AccountKey::from_bytes(&[secret; 32]).unwrap_or_else(|_| self::key());
        let mut headers = HeaderMap::new();
        sign_request(&parts, &NET, &key, now, nonce).unwrap().insert_into(&mut headers);
        let authentic = check_request(&parts, &headers, &["agent.example"], &NET, now).unwrap();
        prop_assert_eq!(authentic.account, key.address());
        prop_assert_eq!(authentic.nonce, nonce);

        let response = ResponseParts {
            status: 200, body_sha256: sha256(&[&body]), request_signature: &authentic.signature,
        };
        let mut headers = HeaderMap::new();
        sign_response(&response, &NET, &key, now).unwrap().insert_into(&mut headers);
        prop_assert_eq!(check_response(&response, &headers, &NET, now).unwrap().key, key.public());
    }

    /// Whatever stands in the four fields, checking answers with an error and never panics.
    #[test]
    fn any_fields_are_refused(
        digest in "[ -~]{0,80}", net in "[ -~]{0,80}", input in "[ -~]{0,300}", signature in "[ -~]{0,120}",
    ) {
        let mut headers = HeaderMap::new();
        let names = ["content-digest", "casewise-net", "signature-input", "signature"];
        for (name, value) in names.into_iter().zip([digest, net, input, signature]) {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap());
        }
        prop_assert!(check_request(&PARTS, &headers, &["agent.example"], &NET, NOW).is_err());
    }

    /// One changed character in any of the four fields is refused.
    #[test]
    fn one_changed_character_is_refused(field in 0usize..4, at in 0usize..400, to in b' '..=b'~') {
        let good = signed(&PARTS);
        let name = ["content-digest", "casewise-net", "signature-input", "signature"][field];
        let mut value = good[name].as_bytes().to_vec();
        let at = at % value.len();
        prop_assume!(value[at] != to);
        value[at] = to;
        let mut headers = good.clone();
        headers.insert(name, HeaderValue::from_bytes(&value).unwrap());
        prop_assert!(check_request(&PARTS, &headers, &["agent.example"], &NET, NOW).is_err());
    }
}
