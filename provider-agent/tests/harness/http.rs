//! A plain HTTP client that signs requests by hand, with whatever the test wants to be wrong.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use casewise_api::{Problem, ProblemKind, header::PROBLEM_JSON};
use casewise_ledger::{Hash, account::AccountKey, sha256};
use reqwest::{Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;

use super::now_ms;

/// A signed request before it is sent. Every part can be changed; the signature is made of the parts.
#[derive(Clone)]
pub struct Request {
    /// The method sent and signed.
    pub method: &'static str,
    /// The path sent and signed.
    pub path: String,
    /// The query sent and signed, without `?`.
    pub query: String,
    /// The body sent.
    pub body: Vec<u8>,
    /// The bytes digested; the body's when `None`.
    pub digested: Option<Vec<u8>>,
    /// The authority signed.
    pub authority: String,
    /// The network signed.
    pub net: Hash,
    /// Unix seconds.
    pub created: u64,
    /// Unix seconds.
    pub expires: u64,
    /// 16 bytes.
    pub nonce: [u8; 16],
}

impl Request {
    /// A GET, correct in every part.
    pub fn get(authority: &str, net: Hash, path: &str) -> Self {
        let now = now_ms() / 1000;
        Self {
            method: "GET",
            path: path.into(),
            query: String::new(),
            body: Vec::new(),
            digested: None,
            authority: authority.into(),
            net,
            created: now,
            expires: now + 300,
            nonce: rand::random(),
        }
    }

    /// The fields that sign it: written out here from the text of the profile, by no code of the
    /// project but the curve.
    pub fn sign(&self, key: &AccountKey) -> Vec<(&'static str, String)> {
        let digested = self.digested.as_ref().unwrap_or(&self.body);
        let digest = format!("sha-256=:{}:", STANDARD.encode(sha256(&[digested])));
        let net = hex::encode(self.net);
        let params = format!(
            "(\"@method\" \"@authority\" \"@path\" \"@query\" \"content-digest\" \"casewise-net\");created={};\
             expires={};nonce=\"{}\";keyid=\"{}\";alg=\"ecdsa-secp256k1-sha256\";tag=\"casewise-v1\"",
            self.created,
            self.expires,
            URL_SAFE_NO_PAD.encode(self.nonce),
            hex::encode(key.public().0),
        );
        let base = format!(
            "\"@method\": {}\n\"@authority\": {}\n\"@path\": {}\n\"@query\": ?{}\n\"content-digest\": {digest}\n\
             \"casewise-net\": {net}\n\"@signature-params\": {params}",
            self.method, self.authority, self.path, self.query,
        );
        let signature = STANDARD.encode(key.sign(&sha256(&[base.as_bytes()])));
        vec![
            ("content-digest", digest),
            ("casewise-net", net),
            ("signature-input", format!("casewise={params}")),
            ("signature", format!("casewise=:{signature}:")),
        ]
    }

    /// Sends it with these fields to a listener of this machine.
    pub async fn send(&self, port: u16, fields: &[(&'static str, String)]) -> Answer {
        let query = if self.query.is_empty() { String::new() } else { format!("?{}", self.query) };
        let url = format!("http://127.0.0.1:{port}{}{query}", self.path);
        let method = Method::from_bytes(self.method.as_bytes()).expect("a method");
        let mut request = reqwest::Client::new().request(method, url);
        for (name, value) in fields {
            request = request.header(*name, value);
        }
        Answer::of(request.body(self.body.clone())).await
    }
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Value of Content-Type.
    pub media_type: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Sends a request and reads its answer.
    pub async fn of(request: RequestBuilder) -> Self {
        Self::of_response(request.send().await.expect("an answer")).await
    }

    /// Reads an answer.
    pub async fn of_response(answer: Response) -> Self {
        let status = answer.status().as_u16();
        let media_type =
            answer.headers().get("content-type").map(|value| value.to_str().expect("ASCII").to_owned());
        let body = answer.bytes().await.expect("a whole answer").to_vec();
        Self { status, media_type: media_type.unwrap_or_default(), body }
    }

    /// The body as text, for messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body of a successful answer.
    pub fn json<T: DeserializeOwned>(&self) -> T {
        assert!((200..300).contains(&self.status), "answered {}: {}", self.status, self.text());
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The problem, which must be of this kind, name this field, and end in what to do.
    #[track_caller]
    pub fn refused(&self, kind: ProblemKind, field: Option<&str>) -> Problem {
        let text = self.text();
        assert_eq!(self.status, kind.status().as_u16(), "{text}");
        assert_eq!(self.media_type, PROBLEM_JSON, "{text}");
        let problem: Problem = serde_json::from_slice(&self.body).expect("a problem");
        assert_eq!(problem.problem_kind(), Some(kind), "{text}");
        assert_eq!(problem.status, self.status, "{text}");
        assert_eq!(problem.field.as_deref(), field, "{text}");
        assert!(problem.detail.ends_with(kind.remedy()), "no remedy: {text}");
        assert!(problem.detail.len() > kind.remedy().len() + 8, "does not say what happened: {text}");
        problem
    }
}
