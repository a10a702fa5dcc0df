//! The private routes of custodial cases, and who gets the claim letter.

use std::sync::Arc;

use axum::Router;
use casewise_agent::store::{Change, IdentityView};
use casewise_agent::{custody, private};
use casewise_api::body::{CaseOpened, LetterListing, LettersQuery};
use casewise_api::custody::Custody;
use casewise_api::{Packed, ProblemKind, Target, route};
use casewise_ledger::account::AccountKey;
use casewise_ledger::records::IdentityRecord;
use casewise_ledger::{CaseId, ClaimRequest, RotateCard, RotateOffer, V1};
use casewise_seal::{KemSecret, Letter, LetterKind};
use http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::world::{Agent, Network, START, Site, TestChain, TestClock, json as body, kind, problem, send};

const TOKEN: &str = "sixteen or more characters";

struct Setting {
    agent: Agent,
    private: Router,
    _dir: tempfile::TempDir,
}

async fn setting() -> Setting {
    let dir = tempfile::tempdir().unwrap();
    let (chain, clock, net) = (TestChain::new(), TestClock::new(), Arc::new(Network::default()));
    let agent = Agent::start(Site::new(1), dir.path(), &chain, &clock, &net).await;
    agent.block(Agent::institutions(&[&Site::new(1)])).await;
    let private = private::router(agent.app.clone(), Zeroizing::new(TOKEN.replace(' ', "-")), Router::new());
    Setting { agent, private, _dir: dir }
}

impl Setting {
    async fn ask(
        &self,
        method: Method,
        target: &Target,
        key: Option<&str>,
        body: &Value,
    ) -> Response<Vec<u8>> {
        let mut request = Request::builder()
            .method(method)
            .uri(target.to_string())
            .header("authorization", format!("Bearer {}", TOKEN.replace(' ', "-")));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(body).unwrap() };
        send(self.private.clone(), "127.0.0.1", request.body(body).unwrap()).await
    }

    async fn enrol(&self, key: Option<&str>, body: &Value) -> Response<Vec<u8>> {
        self.ask(Method::POST, &route::private::CUSTODIAL.into(), key, body).await
    }

    async fn claim(&self, case: &CaseId, request: &ClaimRequest) -> Response<Vec<u8>> {
        let body = json!({"request": Packed(request.clone())});
        self.ask(Method::PUT, &route::claim(case), None, &body).await
    }

    /// A block in which the case has this holder.
    async fn holder(&self, case: &CaseId, record: IdentityRecord) {
        self.agent.block(vec![Change::Identity(IdentityView { case: *case, record, changed: 2 })]).await;
    }

    /// What the registrar says of a custodial case that was just enrolled.
    async fn enrolled(&self, case: &CaseId) -> IdentityRecord {
        let card = self.agent.app.store.case(case).await.unwrap().unwrap().offer.card;
        IdentityRecord {
            version: V1,
            holder: card.holder,
            kem: card.kem,
            epoch: 0,
            institution: 1,
            custodial: true,
            since: 0,
        }
    }
}

fn policy() -> Value {
    json!({"cadence": 0, "lateness": 0, "grace": 60, "completion": 60})
}

fn request(case: &CaseId, key: &AccountKey, kem: &KemSecret) -> ClaimRequest {
    let kem_key = *kem.public().as_bytes();
    let card =
        RotateCard { version: V1, case: *case, epoch: 1, holder: key.address(), kem: kem.public().hash() };
    let signature = key.sign_message(&card.message());
    let offer = RotateOffer { version: V1, card, kem_key, key: key.public().0, signature };
    let expires = START + 86_400_000;
    let mut request = ClaimRequest { version: V1, offer, recovery: None, expires, signature: [0; 64] };
    request.signature = key.sign_message(&request.message());
    request
}

fn letters(case: &CaseId) -> Target {
    route::letters(case, LettersQuery { after: 0, limit: None })
}

#[tokio::test]
async fn the_routes_need_the_token_and_whole_requests() {
    let setting = setting().await;
    for (method, target) in [
        (Method::POST, Target::from(route::private::CUSTODIAL)),
        (Method::PUT, route::claim(&CaseId([1; 32]))),
        (Method::GET, route::claim(&CaseId([1; 32]))),
    ] {
        let bare = Request::builder().method(method).uri(target.to_string()).body(Vec::new()).unwrap();
        let answer = send(setting.private.clone(), "127.0.0.1", bare).await;
        assert_eq!(kind(&answer), ProblemKind::Token);
    }
    for (key, asked, field) in [
        (None, json!({"policy": policy()}), "Idempotency-Key"),
        (Some("a b"), json!({"policy": policy()}), "Idempotency-Key"),
        (Some("a"), json!({}), "policy"),
        (Some("a"), json!({"policy": policy(), "name": "x"}), "name"),
        (Some("a"), json!({"policy": policy(), "link": {"system": "s"}}), "link.value"),
        (Some("a"), json!({"policy": policy(), "link": {"system": "", "value": "v"}}), "link.system"),
    ] {
        let answer = setting.enrol(key, &asked).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{asked}");
        assert_eq!(problem(&answer).field.as_deref(), Some(field), "{asked}");
    }
    let target = Target::from("/v1/cases/xyz/claim");
    let answer = setting.ask(Method::GET, &target, None, &Value::Null).await;
    assert_eq!(problem(&answer).field.as_deref(), Some("case"));
    let answer = setting.ask(Method::GET, &route::claim(&CaseId([1; 32])), None, &Value::Null).await;
    assert_eq!(kind(&answer), ProblemKind::UnknownCase);
    let body = json!({"request": "AAAA"});
    let answer = setting.ask(Method::PUT, &route::claim(&CaseId([1; 32])), None, &body).await;
    assert_eq!(problem(&answer).field.as_deref(), Some("request"));
    assert_eq!(setting.agent.app.store.custodies(None, 10).await.unwrap(), [], "nothing was stored");
}

#[tokio::test]
async fn the_claim_letter_goes_to_the_patient_alone_and_the_custodian_holds_nothing_more() {
    let setting = setting().await;
    let agent = &setting.agent;
    let asked = json!({"policy": policy(), "link": {"system": "urn:mrn", "value": "7"}});
    let answer = setting.enrol(Some("a"), &asked).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let opened: CaseOpened = body(answer);
    assert_eq!(setting.enrol(Some("a"), &asked).await.status(), StatusCode::OK, "the same again");
    let case = opened.case;
    let (key, kem) = (AccountKey::from_bytes(&[7; 32]).unwrap(), KemSecret::from_bytes(&[8; 32]));
    let claim = request(&case, &key, &kem);
    let answer = setting.claim(&case, &claim).await;
    assert_eq!(kind(&answer), ProblemKind::NotReady, "its block is still to come");
    let before = setting.enrolled(&case).await;
    setting.holder(&case, before.clone()).await;

    let taken: Custody = body(setting.claim(&case, &claim).await);
    assert!(taken.held && taken.case == case && taken.until == Some(claim.expires));
    assert_eq!(custody::finish(&agent.app).await.unwrap(), 0, "not claimed yet");
    let custodial = custody::open(
        &agent.app.keys,
        &case,
        &agent.app.store.custody(&case).await.unwrap().unwrap().sealed.unwrap(),
    )
    .unwrap();
    let served: Vec<LetterListing> = agent.get_json(&custodial.holder, &letters(&case)).await;
    assert_eq!(served.len(), 2, "the custodial holder is served like any holder");
    assert_eq!(kind(&agent.get(&key, &letters(&case)).await), ProblemKind::Absent);

    let card = &claim.offer.card;
    let after = IdentityRecord { holder: card.holder, kem: card.kem, epoch: 1, custodial: false, ..before };
    setting.holder(&case, after).await;
    assert_eq!(custody::finish(&agent.app).await.unwrap(), 1);
    let served: Vec<LetterListing> = agent.get_json(&key, &letters(&case)).await;
    let [letter] = served.as_slice() else { panic!("{} letters", served.len()) };
    let letter = Letter::decode(&letter.letter.0).unwrap();
    assert_eq!((letter.kind, letter.subject), (LetterKind::Claim, case.0));
    let payload = letter.open(&kem).unwrap();
    for keys in &payload.keys {
        let lane = agent.app.store.lane(&keys.lane).await.unwrap().unwrap();
        keys.check_root(&lane.header).unwrap();
    }
    let mut lanes: Vec<_> = payload.keys.iter().map(|keys| keys.lane).collect();
    let mut expected = opened.lanes.clone();
    lanes.sort();
    expected.sort();
    assert_eq!(lanes, expected, "the root of every lane");
    // nobody else, and the former keys do nothing any more
    assert_eq!(kind(&agent.get(&custodial.holder, &letters(&case)).await), ProblemKind::Absent);
    let state: Custody = body(setting.ask(Method::GET, &route::claim(&case), None, &Value::Null).await);
    assert!(!state.held);
    assert_eq!(kind(&setting.claim(&case, &claim).await), ProblemKind::NotCustodial);
    // the offer that the claim was made with is the new holder's: letters are sealed to its key
    let offer = agent.app.store.holder_offer(&case, 1).await.unwrap().unwrap();
    assert_eq!(offer, claim.offer);
}

#[tokio::test]
async fn a_claim_with_a_key_that_was_not_shown_waits_for_it_and_keeps_the_roots_until_then() {
    let setting = setting().await;
    let agent = &setting.agent;
    let case = body::<CaseOpened>(setting.enrol(Some("a"), &json!({"policy": policy()})).await).case;
    let before = setting.enrolled(&case).await;
    setting.holder(&case, before.clone()).await;
    let key = AccountKey::from_bytes(&[7; 32]).unwrap();
    let (shown, used) = (KemSecret::from_bytes(&[8; 32]), KemSecret::from_bytes(&[9; 32]));
    let _: Custody = body(setting.claim(&case, &request(&case, &key, &shown)).await);
    let accepted = request(&case, &key, &used).offer;
    let card = &accepted.card;
    let after = IdentityRecord { holder: card.holder, kem: card.kem, epoch: 1, custodial: false, ..before };
    setting.holder(&case, after).await;
    assert_eq!(custody::finish(&agent.app).await.unwrap(), 0);
    let state: Custody = body(setting.ask(Method::GET, &route::claim(&case), None, &Value::Null).await);
    assert!(state.held, "what the patient needs is not destroyed");
    assert!(agent.app.health().refused.keys().any(|what| what.contains("claim of case")));
    let media = casewise_api::header::OCTET_STREAM;
    let bytes = casewise_ledger::encode(&accepted);
    let answer = agent.call(&key, Method::PUT, &route::holder(&case), media, &bytes).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(custody::finish(&agent.app).await.unwrap(), 1);
    assert!(agent.app.health().refused.is_empty());
    let served: Vec<LetterListing> = agent.get_json(&key, &letters(&case)).await;
    let claim = served.iter().map(|row| Letter::decode(&row.letter.0).unwrap());
    let claim = claim.into_iter().find(|letter| letter.kind == LetterKind::Claim).unwrap();
    assert_eq!(claim.open(&used).unwrap().keys.len(), 2);
}
