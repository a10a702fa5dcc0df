//! The mailbox: what it takes, and whom it gives it to.

use std::sync::Arc;

use casewise_api::body::{LetterAccepted, LetterListing, LettersQuery};
use casewise_api::header::OCTET_STREAM;
use casewise_api::limits::MAX_LETTER;
use casewise_api::{ProblemKind, Target, route};
use casewise_keytree::KeySet;
use casewise_ledger::account::AccountKey;
use casewise_ledger::records::GrantStatus;
use casewise_ledger::{LaneId, Opening, Party, encode};
use casewise_seal::{LaneKeys, Letter, LetterKind, Payload};
use http::{Method, Response, StatusCode};

use crate::world::{
    Agent, Network, Patient, Site, TestChain, TestClock, grant, item, json, kind, manifest, opening, problem,
};

const LANE: LaneId = LaneId([40; 32]);

struct Setting {
    agent: Agent,
    patient: Patient,
    opening: Opening,
    _dir: tempfile::TempDir,
}

/// Hospital 2 has nothing to do with the case but a grant to it.
async fn setting() -> Setting {
    let dir = tempfile::tempdir().unwrap();
    let (chain, clock, net) = (TestChain::new(), TestClock::new(), Arc::new(Network::default()));
    let agent = Agent::start(Site::new(2), dir.path(), &chain, &clock, &net).await;
    let mut changes = Agent::institutions(&[&Site::new(1), &Site::new(2)]);
    let patient = Patient::new(1, manifest().net(), 1);
    let opening = opening(&patient.case(), 1, 2, vec![item(LANE, 0, 9, false)]);
    chain.register(&patient);
    changes.push(grant(&opening, GrantStatus::Live));
    agent.block(changes).await;
    Setting { agent, patient, opening, _dir: dir }
}

fn keys(lane: LaneId, seed: u8) -> LaneKeys {
    LaneKeys { lane, nodes: KeySet::root(&[seed; 32]) }
}

fn letter(opening: &Opening, to: &Site, keys: Vec<LaneKeys>) -> Letter {
    let payload = Payload { opening: Some(opening.clone()), ..Payload::of_keys(keys) };
    let subject = opening.commitment().0;
    Letter::seal(LetterKind::Grant, opening.case, subject, &to.kem().public(), &payload).unwrap()
}

impl Agent {
    async fn deliver(&self, key: &AccountKey, bytes: &[u8]) -> Response<Vec<u8>> {
        let target = Target::from(route::public::LETTERS);
        self.call(key, Method::POST, &target, OCTET_STREAM, bytes).await
    }
}

fn refused(answer: &Response<Vec<u8>>, field: &str) {
    assert_eq!(kind(answer), ProblemKind::LetterRefused);
    assert_eq!(problem(answer).field.as_deref(), Some(field));
}

#[tokio::test]
async fn one_letter_for_each_set_of_lanes_and_the_same_bytes_as_often_as_sent() {
    let Setting { agent, patient, opening, _dir } = setting().await;
    let first = letter(&opening, &agent.site, vec![keys(LANE, 1)]).encode();
    for _ in 0..3 {
        let answer = agent.deliver(&patient.key, &first).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        assert_eq!(json::<LetterAccepted>(answer).seq, 1);
    }
    let same_lanes = letter(&opening, &agent.site, vec![keys(LANE, 2)]).encode();
    refused(&agent.deliver(&patient.key, &same_lanes).await, "body");
    let more = letter(&opening, &agent.site, vec![keys(LANE, 1), keys(LaneId([41; 32]), 2)]).encode();
    assert_eq!(json::<LetterAccepted>(agent.deliver(&patient.key, &more).await).seq, 2);
    let target = route::letters(&patient.case(), LettersQuery { after: 0, limit: None });
    let here: Vec<LetterListing> = json(agent.get(&agent.site.operator, &target).await);
    assert_eq!(here.iter().map(|letter| letter.letter.0.clone()).collect::<Vec<_>>(), [first, more]);
}

#[tokio::test]
async fn only_letters_about_a_live_grant_sealed_to_us_from_the_holder() {
    let Setting { agent, patient, opening, _dir } = setting().await;
    let good = letter(&opening, &agent.site, vec![keys(LANE, 1)]);
    let send = async |letter: &Letter| agent.deliver(&patient.key, &letter.encode()).await;
    let mut trailing = good.encode();
    trailing.push(0);
    for bytes in [&b""[..], b"letter", &trailing] {
        refused(&agent.deliver(&patient.key, bytes).await, "body");
    }
    for kind in [LetterKind::Root, LetterKind::Claim, LetterKind::Emergency, LetterKind::Keep] {
        refused(&send(&Letter { kind, ..good.clone() }).await, "kind");
    }
    refused(&send(&letter(&opening, &Site::new(1), vec![keys(LANE, 1)])).await, "to");
    let mut damaged = good.clone();
    *damaged.ct.last_mut().unwrap() ^= 1;
    refused(&send(&damaged).await, "body");
    let elsewhere = Opening { grantee: Party::Institution(1), ..opening.clone() };
    agent.block(vec![grant(&elsewhere, GrantStatus::Live)]).await;
    refused(&send(&letter(&elsewhere, &agent.site, vec![keys(LANE, 1)])).await, "opening.grantee");
    let unknown = Opening { salt: [1; 32], ..opening.clone() };
    refused(&send(&letter(&unknown, &agent.site, vec![keys(LANE, 1)])).await, "subject");

    let other = Patient::new(2, manifest().net(), 1);
    agent.chain.register(&other);
    for key in [&other.key, &agent.site.operator, &Site::new(1).operator] {
        assert_eq!(kind(&agent.deliver(key, &good.encode()).await), ProblemKind::Absent);
    }
    // another case's holder, about a grant of the first case
    let stolen = Letter { case: other.case(), ..good.clone() };
    refused(&agent.deliver(&other.key, &stolen.encode()).await, "subject");
    let text = agent
        .call(&patient.key, Method::POST, &Target::from(route::public::LETTERS), "text/plain", &good.encode())
        .await;
    assert_eq!(kind(&text), ProblemKind::MediaType);

    *agent.chain.tip.lock().unwrap() = None;
    agent.clock.pass(1000);
    assert_eq!(kind(&send(&good).await), ProblemKind::StaleView);
    agent.block(vec![grant(&opening, GrantStatus::Revoked)]).await;
    refused(&send(&good).await, "subject");
    assert!(agent.app.store.letters_about(&good.subject, &good.to).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_letter_at_the_limit_is_read_and_one_byte_more_is_not() {
    let Setting { agent, patient, opening, _dir } = setting().await;
    let mut letter = letter(&opening, &agent.site, vec![keys(LANE, 1)]);
    let envelope = encode(&letter).len() - letter.ct.len();
    letter.ct.resize(MAX_LETTER - envelope, 0);
    refused(&agent.deliver(&patient.key, &letter.encode()).await, "body");
    letter.ct.push(0);
    let mut request =
        agent.request(&patient.key, Method::POST, &Target::from(route::public::LETTERS), &letter.encode());
    request.headers_mut().insert("content-type", OCTET_STREAM.parse().unwrap());
    assert_eq!(kind(&agent.send(request).await), ProblemKind::TooLarge);
}

#[tokio::test]
async fn a_mailbox_holds_so_many_letters_about_one_grant() {
    let Setting { agent, patient, opening, _dir } = setting().await;
    let send = async |number: u8| {
        let letter = letter(&opening, &agent.site, vec![keys(LaneId([number; 32]), 1)]);
        agent.deliver(&patient.key, &letter.encode()).await
    };
    for number in 0..64 {
        assert_eq!(send(number).await.status(), StatusCode::ACCEPTED, "{number}");
    }
    refused(&send(64).await, "subject");
}

#[tokio::test]
async fn letters_wait_for_the_institution_they_are_for_while_their_grant_lives() {
    let Setting { agent, patient, opening, _dir } = setting().await;
    let second = Opening { salt: [1; 32], ..opening.clone() };
    agent.block(vec![grant(&second, GrantStatus::Live)]).await;
    for opening in [&opening, &second] {
        let letter = letter(opening, &agent.site, vec![keys(LANE, 1)]).encode();
        assert_eq!(agent.deliver(&patient.key, &letter).await.status(), StatusCode::ACCEPTED);
    }
    let list = async |key: &AccountKey, after: u64, limit: Option<u32>| {
        agent.get(key, &route::letters(&patient.case(), LettersQuery { after, limit })).await
    };
    let seqs = async |after, limit| {
        let letters: Vec<LetterListing> = json(list(&agent.site.operator, after, limit).await);
        letters.iter().map(|letter| letter.seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(0, None).await, [1, 2]);
    assert_eq!(seqs(0, Some(1)).await, [1]);
    assert_eq!(seqs(1, None).await, [2]);
    // not for others: another institution, nor the holder, whose letters they are not
    assert_eq!(json::<Vec<LetterListing>>(list(&Site::new(1).operator, 0, None).await), []);
    assert_eq!(kind(&list(&patient.key, 0, None).await), ProblemKind::Absent);
    agent.block(vec![casewise_agent::store::Change::Identity(patient.identity())]).await;
    assert_eq!(json::<Vec<LetterListing>>(list(&patient.key, 0, None).await), []);
    let stranger = AccountKey::from_bytes(&[9; 32]).unwrap();
    assert_eq!(kind(&list(&stranger, 0, None).await), ProblemKind::Absent);
    agent.block(vec![grant(&opening, GrantStatus::Revoked)]).await;
    assert_eq!(seqs(0, Some(1)).await, [2]);
    agent.block(vec![grant(&second, GrantStatus::Expired)]).await;
    assert_eq!(seqs(0, None).await, Vec::<u64>::new());
    *agent.chain.tip.lock().unwrap() = None;
    agent.clock.pass(1000);
    assert_eq!(kind(&list(&agent.site.operator, 0, None).await), ProblemKind::StaleView);
}
