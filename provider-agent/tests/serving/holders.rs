//! A case's new holder over HTTP: its key, its allowances, and the former holder.

use std::sync::Arc;

use casewise_agent::store::{Change, IdentityView, LaneState};
use casewise_api::body::{CaseKem, LetterListing, LettersQuery, SponsorRequest, Sponsored};
use casewise_api::header::OCTET_STREAM;
use casewise_api::limits::MAX_HOLDER;
use casewise_api::{ProblemKind, route};
use casewise_ledger::account::AccountKey;
use casewise_ledger::records::{IdentityRecord, RelationshipRecord, RelationshipStatus, ns, record_key};
use casewise_ledger::{Address, CaseId, RotateCard, RotateOffer, V1, encode};
use casewise_seal::{KemSecret, Letter};
use http::{Method, Response, StatusCode};

use crate::world::{Agent, Network, Patient, Site, TestChain, TestClock, json, kind, manifest, problem};

struct Setting {
    agent: Agent,
    patient: Patient,
    _dir: tempfile::TempDir,
}

async fn setting() -> Setting {
    let dir = tempfile::tempdir().unwrap();
    let (chain, clock, net) = (TestChain::new(), TestClock::new(), Arc::new(Network::default()));
    let agent = Agent::start(Site::new(1), dir.path(), &chain, &clock, &net).await;
    agent.block(Agent::institutions(&[&Site::new(1), &Site::new(2)])).await;
    let patient = Patient::new(1, manifest().net(), 1);
    let (content, _) = agent.case(&patient).await;
    agent.records(&patient.case(), &["one"]).await;
    agent.anchor(&[content]).await;
    Setting { agent, patient, _dir: dir }
}

fn heir(seed: u8, case: CaseId, epoch: u32) -> (AccountKey, RotateOffer) {
    let (key, kem) = (AccountKey::from_bytes(&[seed; 32]).unwrap(), kem(seed).public());
    let card = RotateCard { version: V1, case, epoch, holder: key.address(), kem: kem.hash() };
    let signature = key.sign_message(&card.message());
    let offer = RotateOffer { version: V1, card, kem_key: *kem.as_bytes(), key: key.public().0, signature };
    (key, offer)
}

fn kem(seed: u8) -> KemSecret {
    KemSecret::from_bytes(&[seed; 32])
}

/// What a block that holds the change says.
fn change(patient: &Patient, offer: &RotateOffer) -> Vec<Change> {
    let (before, card) = (patient.identity().record, &offer.card);
    let record = IdentityRecord { holder: card.holder, kem: card.kem, epoch: card.epoch, since: 9, ..before };
    let case = patient.case();
    vec![
        Change::Identity(IdentityView { case, record, changed: 9 }),
        Change::Rev { case, rev: card.epoch, height: 9 },
    ]
}

async fn put(agent: &Agent, key: &AccountKey, case: &CaseId, body: &[u8]) -> Response<Vec<u8>> {
    agent.call(key, Method::PUT, &route::holder(case), OCTET_STREAM, body).await
}

#[tokio::test]
async fn the_new_holder_is_served_and_the_former_refused_from_the_block_on() {
    let Setting { agent, patient, _dir } = setting().await;
    let case = patient.case();
    let (key, offer) = heir(7, case, 1);
    let early = put(&agent, &key, &case, &encode(&offer)).await;
    assert_eq!(kind(&early), ProblemKind::Absent, "not yet in a block");
    assert!(agent.get(&patient.key, &route::lanes(&case)).await.status().is_success());
    agent.block(change(&patient, &offer)).await;
    assert_eq!(kind(&agent.get(&patient.key, &route::lanes(&case)).await), ProblemKind::Absent);
    assert!(agent.get(&key, &route::lanes(&case)).await.status().is_success());
    for _ in 0..2 {
        let taken = put(&agent, &key, &case, &encode(&offer)).await;
        assert_eq!((taken.status(), taken.body().len()), (StatusCode::NO_CONTENT, 0));
    }
    assert_eq!(kind(&put(&agent, &patient.key, &case, &encode(&offer)).await), ProblemKind::Absent);
    let lanes = agent.app.store.lanes_of(&case).await.unwrap();
    let waiting: Vec<_> = lanes.iter().filter(|lane| lane.state == LaneState::Opening).collect();
    assert_eq!(waiting.len(), 2, "content and access lane go on");
    assert!(waiting.iter().all(|lane| lane.header.epoch == 1 && lane.header.predecessor.is_some()));
    // letters to the key of before are the new holder's too
    let query = LettersQuery { after: 0, limit: None };
    let letters: Vec<LetterListing> = agent.get_json(&key, &route::letters(&case, query)).await;
    let to = |letter: &LetterListing| Letter::decode(&letter.letter.0).unwrap().to;
    let count = |hash| letters.iter().filter(|letter| to(letter) == hash).count();
    assert_eq!((count(patient.offer.card.kem), count(offer.card.kem)), (2, 2));
    let refused = agent.get(&patient.key, &route::letters(&case, query)).await;
    assert_eq!(kind(&refused), ProblemKind::Absent);
}

#[tokio::test]
async fn what_is_no_offer_of_the_holder_is_refused_with_its_field() {
    let Setting { agent, patient, _dir } = setting().await;
    let case = patient.case();
    let (key, offer) = heir(7, case, 1);
    agent.block(change(&patient, &offer)).await;
    let (thief, stolen) = heir(8, case, 1);
    assert_eq!(kind(&put(&agent, &thief, &case, &encode(&stolen)).await), ProblemKind::Absent);
    let mut other_key = offer.clone();
    other_key.kem_key = *kem(8).public().as_bytes();
    for (body, field) in [
        (vec![], "body"),
        ([encode(&offer), vec![0]].concat(), "body"),
        (encode(&offer)[..100].to_vec(), "body"),
        (encode(&heir(7, CaseId([5; 32]), 1).1), "card.case"),
        (encode(&heir(7, case, 0).1), "card.epoch"),
        (encode(&heir(7, case, 2).1), "card.epoch"),
        (encode(&stolen), "card.holder"),
        (encode(&other_key), "kem_key"),
    ] {
        let answer = put(&agent, &key, &case, &body).await;
        assert_eq!(
            (answer.status(), kind(&answer)),
            (StatusCode::UNPROCESSABLE_ENTITY, ProblemKind::HolderRefused)
        );
        assert_eq!(problem(&answer).field.as_deref(), Some(field));
    }
    let wrong_type =
        agent.call(&key, Method::PUT, &route::holder(&case), "application/json", &encode(&offer)).await;
    assert_eq!(kind(&wrong_type), ProblemKind::MediaType);
    let target = route::holder(&case);
    let long = vec![0; MAX_HOLDER + 1];
    let answer = agent.send(agent.request(&key, Method::PUT, &target, &long)).await;
    assert_eq!(kind(&answer), ProblemKind::TooLarge);
    assert_eq!(kind(&put(&agent, &key, &case, &long[1..]).await), ProblemKind::HolderRefused, "at the limit");
    let elsewhere = put(&agent, &key, &CaseId([5; 32]), &encode(&offer)).await;
    assert_eq!(kind(&elsewhere), ProblemKind::Absent);
    assert!(agent.app.store.holder_offer(&case, 1).await.unwrap().is_none(), "nothing is stored");
}

#[tokio::test]
async fn the_key_for_institutions_is_the_new_one_once_it_is_here() {
    let Setting { agent, patient, _dir } = setting().await;
    let case = patient.case();
    let (key, offer) = heir(7, case, 1);
    let record = RelationshipRecord { version: V1, status: RelationshipStatus::Active, since: 0 };
    let mut changes = change(&patient, &offer);
    changes.push(Change::Relationship(casewise_agent::store::RelationshipView {
        case,
        institution: 2,
        record,
        changed: 9,
    }));
    agent.block(changes).await;
    let operator = Site::new(2).operator;
    assert_eq!(kind(&agent.get(&operator, &route::kem(&case)).await), ProblemKind::Absent);
    put(&agent, &key, &case, &encode(&offer)).await;
    let shown: CaseKem = agent.get_json(&operator, &route::kem(&case)).await;
    assert_eq!((shown.epoch, shown.kem_key.0), (1, offer.kem_key.to_vec()));
}

#[tokio::test]
async fn allowances_for_the_holder_and_the_recovery_account_only() {
    let Setting { agent, patient, _dir } = setting().await;
    let case = patient.case();
    let target = route::sponsor(&case);
    let (key, account) = (AccountKey::from_bytes(&[9; 32]).unwrap(), Address([4; 20]));
    let request = SponsorRequest { account };
    assert_eq!(kind(&agent.post(&key, &target, &request).await), ProblemKind::Absent, "a stranger");
    let recovery = record_key(ns::RECOVERY, &case.0);
    agent.chain.raw.lock().unwrap().insert(recovery, encode(&key.address()));
    for signer in [&key, &patient.key] {
        let answer = agent.post(signer, &target, &request).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        let sponsored: Sponsored = json(answer);
        assert_eq!(sponsored.account, account);
        assert!(sponsored.fee_granter.starts_with("wasm1"));
    }
    assert_eq!(agent.app.store.to_sponsor(9).await.unwrap().len(), 1, "asked twice, given once");
    let unknown = route::sponsor(&CaseId([5; 32]));
    assert_eq!(kind(&agent.post(&patient.key, &unknown, &request).await), ProblemKind::Absent);
    let body = serde_json::json!({"account": account, "coins": 5});
    assert_eq!(kind(&agent.post(&patient.key, &target, &body).await), ProblemKind::Malformed);
    let operator = SponsorRequest { account: Site::new(2).operator.address() };
    assert_eq!(kind(&agent.post(&patient.key, &target, &operator).await), ProblemKind::SponsorRefused);
}

#[tokio::test]
async fn nobody_is_heard_about_allowances_on_a_view_that_stands_still() {
    let Setting { agent, patient, _dir } = setting().await;
    let target = route::sponsor(&patient.case());
    let request = SponsorRequest { account: Address([4; 20]) };
    // the node is gone: who holds the case now is not known
    agent.clock.pass(600_000);
    *agent.chain.tip.lock().unwrap() = None;
    let answer = agent.post(&patient.key, &target, &request).await;
    assert_eq!(kind(&answer), ProblemKind::StaleView);
    assert!(agent.app.store.to_sponsor(9).await.unwrap().is_empty(), "nothing is stored");
    agent.block(vec![]).await;
    assert_eq!(agent.post(&patient.key, &target, &request).await.status(), StatusCode::ACCEPTED);
}
