//! A plain HTTP client that signs requests: no cache, no policy, no good manners.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use casewise_api::signature::{RequestParts, sign_request};
use casewise_api::{
    body::{Countersignature, ReceiptAnswer, ReleaseAnswer, ReleaseRequest},
    header,
    route::{self, Target, public},
};
use casewise_ledger::{Commitment, LaneId, ReleaseItem, account::AccountKey};

/// Somebody with a key who asks an agent.
pub struct Caller {
    /// The key requests are signed with.
    pub key: AccountKey,
    /// The network's id.
    pub net: [u8; 32],
    /// The agent's public host and port.
    pub authority: String,
    client: reqwest::Client,
}

/// An answer.
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Body.
    pub body: Vec<u8>,
    /// Height of the decision, when the server says it.
    pub decided_at: Option<u64>,
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|d| d.as_millis() as u64).unwrap_or_default()
}

impl Caller {
    /// A caller of one agent.
    pub fn new(key: AccountKey, net: [u8; 32], port: u16) -> Self {
        Self { key, net, authority: format!("127.0.0.1:{port}"), client: reqwest::Client::new() }
    }

    /// Sends a freshly signed request.
    pub async fn send(&self, method: &str, target: &Target, body: Vec<u8>) -> Result<Answer> {
        self.send_as(method, target, "application/json", body).await
    }

    /// The same with a body of another media type.
    pub async fn send_as(
        &self,
        method: &str,
        target: &Target,
        media_type: &str,
        body: Vec<u8>,
    ) -> Result<Answer> {
        let parts = RequestParts {
            method,
            authority: &self.authority,
            path: &target.path,
            query: target.query.as_deref(),
            body: &body,
        };
        let signed = sign_request(&parts, &self.net, &self.key, now_ms(), rand::random())?;
        let url = format!("http://{}{target}", self.authority);
        let mut request = self.client.request(method.parse()?, url);
        for (name, value) in signed.fields() {
            request = request.header(name, value);
        }
        if !body.is_empty() {
            request = request.header("content-type", media_type);
        }
        let answer = request.body(body).send().await.context("the agent did not answer")?;
        let decided_at =
            answer.headers().get(header::DECISION_HEIGHT).and_then(|value| value.to_str().ok()?.parse().ok());
        Ok(Answer { status: answer.status().as_u16(), decided_at, body: answer.bytes().await?.to_vec() })
    }

    /// Reads one entry under a grant, all three requests, with fresh signatures: the last answer,
    /// or the first that was not a success.
    pub async fn read_granted(&self, grant: Commitment, lane: LaneId, index: u32) -> Result<Answer> {
        let asked = ReleaseRequest {
            grant,
            practitioner: None,
            items: vec![ReleaseItem { lane, first: index, last: index }],
        };
        let answer = self.send("POST", &public::RELEASES.into(), serde_json::to_vec(&asked)?).await?;
        if answer.status != 200 && answer.status != 201 {
            return Ok(answer);
        }
        let offered: ReleaseAnswer = serde_json::from_slice(&answer.body)?;
        let release = offered.release.into_inner();
        let signed = Countersignature {
            reader_key: casewise_api::Hex(self.key.public().0),
            reader_sig: casewise_api::Hex(self.key.sign_message(&release.message())),
        };
        let answer = self.send("POST", &route::release(&release.nonce), serde_json::to_vec(&signed)?).await?;
        if answer.status != 200 && answer.status != 201 {
            return Ok(answer);
        }
        let _: ReceiptAnswer = serde_json::from_slice(&answer.body)?;
        self.send("GET", &route::release_body(&release.nonce, &lane, index), Vec::new()).await
    }
}

/// The slug of a problem answer, for people.
pub fn problem(answer: &Answer) -> String {
    match serde_json::from_slice::<casewise_api::Problem>(&answer.body) {
        Ok(problem) => format!("{} {}", answer.status, problem.title),
        Err(_) => answer.status.to_string(),
    }
}
