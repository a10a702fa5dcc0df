//! The unconscious patient: a case whose holder's keys the agent makes, from its enrolment to its
//! claim, on the real contracts.

use std::collections::BTreeMap;

use casewise_agent::custody::{self, Custodian, PATIENCE_BLOCKS};
use casewise_agent::store::{CaseState, EndReason, LaneState};
use casewise_api::{
    Problem, ProblemKind,
    body::PolicyBody,
    custody::{CustodialLink, NewCustodialCase},
};
use casewise_chain::ChainExt;
use casewise_keytree::KeySet;
use casewise_ledger::{
    Address, CaseId, ClaimRequest, LaneId, RotateCard, RotateOffer, V1,
    account::AccountKey,
    case::kem_hash,
    records::{IdentityRecord, RelationshipStatus},
    sha256,
};
use casewise_protocol::{registrar, registrar::MAX_CLAIM_MS};
use casewise_seal::{KemSecret, Letter, LetterKind};
use casewise_testkit::contracts::PREFIX;

use crate::{
    forgetting::occurs,
    world::{Agent, world},
};

const DAY_MS: u64 = 86_400_000;

fn new_case(link: Option<&str>) -> NewCustodialCase {
    let policy = PolicyBody { cadence: 86_400, lateness: 3_600, grace: 600, completion: 3_600 };
    let link = link.map(|value| CustodialLink { system: "urn:mrn".into(), value: value.into() });
    NewCustodialCase { policy, link }
}

/// The patient, once awake: keys for one claim.
struct Claimant {
    key: AccountKey,
    kem: KemSecret,
}

impl Claimant {
    fn new(name: &str) -> Self {
        let kem = KemSecret::from_bytes(&sha256(&[b"claim kem ", name.as_bytes()]));
        Self { key: casewise_testkit::contracts::key(name), kem }
    }

    fn request(&self, case: CaseId, epoch: u32, expires: u64) -> ClaimRequest {
        let kem_key = *self.kem.public().as_bytes();
        let holder = self.key.address();
        let card = RotateCard { version: V1, case, epoch, holder, kem: kem_hash(&kem_key) };
        let signature = self.key.sign_message(&card.message());
        let offer = RotateOffer { version: V1, card, kem_key, key: self.key.public().0, signature };
        self.sign(ClaimRequest { version: V1, offer, recovery: None, expires, signature: [0; 64] })
    }

    /// With the signature that fits.
    fn sign(&self, mut request: ClaimRequest) -> ClaimRequest {
        request.signature = self.key.sign_message(&request.message());
        request
    }

    /// Accepts on chain, with the keys of the request.
    async fn accept(&self, agent: &Agent, request: &ClaimRequest) {
        let accept = registrar::ExecuteMsg::accept_claim(PREFIX, &request.offer, None).unwrap();
        agent.chain.act(&self.key.address(), agent.chain.contracts().registrar, &accept);
        agent.block().await;
    }

    /// Roots of all letters to this claimant, by lane, with the kinds of the letters.
    async fn roots(&self, agent: &Agent, case: &CaseId) -> (BTreeMap<LaneId, KeySet>, Vec<LetterKind>) {
        let to = self.kem.public().hash();
        let (mut roots, mut kinds) = (BTreeMap::new(), Vec::new());
        for row in agent.app().store.letters(case, &to, 0, 1000).await.unwrap() {
            let letter = Letter::decode(&row.bytes).unwrap();
            kinds.push(letter.kind);
            for keys in letter.open(&self.kem).unwrap().keys {
                roots.insert(keys.lane, keys.nodes);
            }
        }
        (roots, kinds)
    }
}

/// Lets the custodial holder act until nothing is due any more.
async fn act(agent: &mut Agent, custodian: &mut Custodian) {
    for _ in 0..3 {
        custodian.step(agent.app()).await.unwrap();
        agent.settle().await;
    }
}

/// A custodial case that is open and accepted.
async fn custodial(agent: &mut Agent, custodian: &mut Custodian) -> CaseId {
    let (new, opened) = custody::enrol(agent.app(), &new_case(None), Some("first")).await.unwrap();
    assert!(new && opened.lanes.len() == 2);
    agent.settle().await;
    act(agent, custodian).await;
    opened.case
}

async fn identity(agent: &Agent, case: &CaseId) -> IdentityRecord {
    agent.app().store.identity(case).await.unwrap().unwrap().record
}

async fn status(agent: &Agent, case: &CaseId) -> RelationshipStatus {
    agent.app().store.relationship(case, agent.number).await.unwrap().unwrap().record.status
}

fn in_files(agent: &Agent, needle: &[u8]) -> bool {
    occurs(&agent.data(), needle)
}

fn refusal<T: std::fmt::Debug>(result: Result<T, casewise_agent::AgentError>) -> Problem {
    result.unwrap_err().problem()
}

#[tokio::test]
async fn enrolled_accepted_written_and_claimed() {
    let mut agent = world().await;
    let mut custodian = Custodian::default();
    let case = custodial(&mut agent, &mut custodian).await;
    let before = identity(&agent, &case).await;
    assert!(before.custodial && before.epoch == 0 && before.institution == agent.number);
    assert_eq!(status(&agent, &case).await, RelationshipStatus::Active, "the custodial holder accepts");
    for content in ["one", "two"] {
        agent.ingest(&case, content).await;
    }
    agent.settle().await;
    let old_lanes = agent.app().store.lanes_of(&case).await.unwrap();

    let patient = Claimant::new("ada");
    let request = patient.request(case, 1, agent.chain.now() + 7 * DAY_MS);
    let taken = custody::take(agent.app(), &case, &request).await.unwrap();
    assert!(taken.held && taken.until == Some(request.expires));
    act(&mut agent, &mut custodian).await;
    assert_eq!(patient.roots(&agent, &case).await.1, [], "no letter before the claim is in a block");
    patient.accept(&agent, &request).await;

    let after = identity(&agent, &case).await;
    assert_eq!((after.holder, after.epoch, after.custodial), (patient.key.address(), 1, false));
    let row = agent.app().store.custody(&case).await.unwrap().unwrap();
    assert_eq!(row.sealed, None, "the custodial keys are destroyed");
    assert!(!custody::show(agent.app(), &case).await.unwrap().held);
    let left = agent.app().store.letters(&case, &before.kem, 0, 10).await.unwrap();
    assert_eq!(left, [], "and so are the letters that only they open");
    // everything written before is in the claim letter, everything after in letters of its own
    agent.settle().await;
    agent.ingest(&case, "three").await;
    agent.settle().await;
    let (roots, kinds) = patient.roots(&agent, &case).await;
    assert_eq!(kinds[0], LetterKind::Claim);
    assert!(kinds[1..].iter().all(|kind| *kind == LetterKind::Root) && kinds.len() == 3, "{kinds:?}");
    assert_eq!(agent.open_with(&case, &roots).await.into_values().collect::<Vec<_>>().len(), 3);
    let mut contents: Vec<_> = agent.open_with(&case, &roots).await.into_values().collect();
    contents.sort();
    assert_eq!(contents, ["one", "three", "two"]);
    // what was written after the claim is in lanes that the custodial key never saw
    for lane in old_lanes {
        let lane = agent.app().store.lane(&lane.lane).await.unwrap().unwrap();
        assert_eq!((lane.state, lane.reason), (LaneState::Closed, Some(EndReason::Holder)));
    }
    assert_eq!(custody::finish(agent.app()).await.unwrap(), 0, "nothing is handed over twice");
    agent.verify().await;
}

#[tokio::test]
async fn a_request_that_does_not_fit_is_refused_and_nothing_is_stored() {
    let mut agent = world().await;
    let mut custodian = Custodian::default();
    let case = custodial(&mut agent, &mut custodian).await;
    let (patient, other) = (Claimant::new("ada"), Claimant::new("ben"));
    let now = agent.chain.now();
    let good = patient.request(case, 1, now + DAY_MS);
    let change = |change: &dyn Fn(&mut ClaimRequest)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    let held = identity(&agent, &case).await.holder;
    for (request, field) in [
        (patient.request(CaseId([9; 32]), 1, now + DAY_MS), "request.offer.card.case"),
        (patient.request(case, 0, now + DAY_MS), "request.offer.card.epoch"),
        (patient.request(case, 2, now + DAY_MS), "request.offer.card.epoch"),
        (patient.request(case, 1, now), "request.expires"),
        (patient.request(case, 1, now + MAX_CLAIM_MS + 1), "request.expires"),
        (change(&|r| r.signature[5] ^= 1), "request.signature"),
        (change(&|r| r.offer.signature[5] ^= 1), "request.signature"),
        (change(&|r| r.expires += 1), "request.signature"),
        (change(&|r| r.recovery = Some(Address([4; 20]))), "request.signature"),
        (other.sign(good.clone()), "request.signature"),
        (change(&|r| r.offer.kem_key[7] ^= 1), "request.offer.key"),
        (change(&|r| r.offer.key = other.key.public().0), "request.offer.key"),
        (patient.sign(change(&|r| r.recovery = Some(patient.key.address()))), "request.recovery"),
    ] {
        let problem = refusal(custody::take(agent.app(), &case, &request).await);
        assert_eq!(problem.problem_kind(), Some(ProblemKind::ClaimRefused), "{field}");
        assert_eq!(problem.field.as_deref(), Some(field));
    }
    assert_eq!(agent.app().store.custody(&case).await.unwrap().unwrap().claim, None);
    assert_eq!(agent.app().store.sponsored(&patient.key.address()).await.unwrap(), None);
    // the last moment, and the longest life
    for expires in [agent.chain.now() + 1, agent.chain.now() + MAX_CLAIM_MS] {
        custody::take(agent.app(), &case, &patient.request(case, 1, expires)).await.unwrap();
    }
    // a case of another kind, and one that is not known
    let plain = agent.onboard("cleo").await;
    let problem = refusal(custody::take(agent.app(), &plain.case(), &good).await);
    assert_eq!(problem.problem_kind(), Some(ProblemKind::NotCustodial));
    let problem = refusal(custody::take(agent.app(), &CaseId([9; 32]), &good).await);
    assert_eq!(problem.problem_kind(), Some(ProblemKind::UnknownCase));
    // an account that holds a case cannot take another
    let holder = Claimant { key: plain.key.clone(), kem: KemSecret::from_bytes(&[8; 32]) };
    let problem = refusal(custody::take(agent.app(), &case, &holder.request(case, 1, now + DAY_MS)).await);
    assert_eq!(problem.field.as_deref(), Some("request.offer.card.holder"));
    assert_eq!(identity(&agent, &case).await.holder, held);
}

#[tokio::test]
async fn the_same_request_makes_one_case_and_another_body_is_refused() {
    let mut agent = world().await;
    let enrol = |link: Option<&'static str>, key: Option<&'static str>| {
        let app = agent.app().clone();
        async move { custody::enrol(&app, &new_case(link), key).await }
    };
    let (new, first) = enrol(Some("4711"), Some("a")).await.unwrap();
    let (again, second) = enrol(Some("4711"), Some("a")).await.unwrap();
    assert!(new && !again && first == second);
    let problem = refusal(enrol(Some("4712"), Some("a")).await);
    assert_eq!(problem.problem_kind(), Some(ProblemKind::IdempotencyConflict));
    let problem = refusal(enrol(None, None).await);
    assert_eq!(problem.field.as_deref(), Some("Idempotency-Key"));
    let (new, other) = enrol(Some("4713"), Some("b")).await.unwrap();
    assert!(new && other.case != first.case, "each case has keys of its own");
    let mut broken = new_case(Some(""));
    let problem = refusal(custody::enrol(agent.app(), &broken, Some("c")).await);
    assert_eq!(problem.field.as_deref(), Some("link.value"));
    broken.link = Some(CustodialLink { system: "a|b".into(), value: "c".into() });
    let problem = refusal(custody::enrol(agent.app(), &broken, Some("c")).await);
    assert_eq!(problem.field.as_deref(), Some("link.system"));
    agent.settle().await;
    // the identifier names the case
    let query = casewise_api::body::IngestQuery {
        case: None,
        identifier: Some("urn:mrn|4711".parse().unwrap()),
        kind: Default::default(),
        prev: None,
    };
    let mut reception =
        casewise_agent::ingest::receive(agent.app(), &query, Some("text/plain"), None).await.unwrap();
    reception.push(b"x").await.unwrap();
    assert_eq!(reception.finish().await.unwrap().1.case, first.case);
}

#[tokio::test]
async fn what_the_chain_refused_is_tried_again_with_the_same_keys() {
    let mut agent = world().await;
    agent.chain.refuse(Some("enrol_custodial"));
    let (_, opened) = custody::enrol(agent.app(), &new_case(None), Some("a")).await.unwrap();
    agent.settle().await;
    let state = |row: Option<casewise_agent::store::CaseRow>| row.unwrap().state;
    assert_eq!(state(agent.app().store.case(&opened.case).await.unwrap()), CaseState::Refused);
    agent.chain.refuse(None);
    let (new, again) = custody::enrol(agent.app(), &new_case(None), Some("a")).await.unwrap();
    assert!(!new && again.case == opened.case);
    for _ in 0..25 {
        agent.settle().await;
    }
    assert_eq!(state(agent.app().store.case(&opened.case).await.unwrap()), CaseState::Enrolled);
    assert!(identity(&agent, &opened.case).await.custodial);
}

#[tokio::test]
async fn a_crash_at_any_point_of_the_hand_over_loses_nothing() {
    let mut agent = world().await;
    let mut custodian = Custodian::default();
    let case = custodial(&mut agent, &mut custodian).await;
    agent.ingest(&case, "one").await;
    agent.settle().await;
    let patient = Claimant::new("ada");
    let request = patient.request(case, 1, agent.chain.now() + DAY_MS);
    custody::take(agent.app(), &case, &request).await.unwrap();
    // between the request and the offer
    agent.restart().await;
    let mut custodian = Custodian::default();
    act(&mut agent, &mut custodian).await;
    // between the acceptance and the hand-over
    agent.kill().await;
    let accept = registrar::ExecuteMsg::accept_claim(PREFIX, &request.offer, None).unwrap();
    agent.chain.act(&patient.key.address(), agent.chain.contracts().registrar, &accept);
    agent.chain.block();
    agent.start().await;
    assert!(agent.app().store.custody(&case).await.unwrap().unwrap().sealed.is_some());
    agent.follow().await;
    agent.block().await;
    assert!(agent.app().store.custody(&case).await.unwrap().unwrap().sealed.is_none());
    agent.restart().await;
    agent.settle().await;
    let (roots, _) = patient.roots(&agent, &case).await;
    let contents: Vec<_> = agent.open_with(&case, &roots).await.into_values().collect();
    assert_eq!(contents, ["one"]);
}

#[tokio::test]
async fn a_later_request_replaces_the_earlier_one_and_only_its_account_can_accept() {
    let mut agent = world().await;
    let mut custodian = Custodian::default();
    let case = custodial(&mut agent, &mut custodian).await;
    let (wrong, right) = (Claimant::new("wrong"), Claimant::new("right"));
    let by_mistake = wrong.request(case, 1, agent.chain.now() + DAY_MS);
    custody::take(agent.app(), &case, &by_mistake).await.unwrap();
    act(&mut agent, &mut custodian).await;
    let request = right.request(case, 1, agent.chain.now() + DAY_MS);
    custody::take(agent.app(), &case, &request).await.unwrap();
    for _ in 0..PATIENCE_BLOCKS {
        agent.block().await;
    }
    act(&mut agent, &mut custodian).await;
    let query = registrar::QueryMsg::claim(&case);
    let registrar = agent.chain.contracts().registrar;
    let claim: Option<registrar::ClaimInfo> = agent.chain.query(&registrar, &query, None).await.unwrap();
    let claim = claim.unwrap();
    assert_eq!(claim.until.u64(), request.expires);
    assert_eq!(wrong.roots(&agent, &case).await.1, [], "nothing was ever sealed to the wrong one");
    right.accept(&agent, &request).await;
    assert_eq!(identity(&agent, &case).await.holder, right.key.address());
}

#[tokio::test]
async fn nothing_of_the_custodial_keys_lies_in_the_database_in_clear_or_after_the_claim() {
    let mut agent = world().await;
    let mut custodian = Custodian::default();
    let case = custodial(&mut agent, &mut custodian).await;
    let row = agent.app().store.custody(&case).await.unwrap().unwrap();
    let sealed = row.sealed.unwrap();
    let keys = custody::open(&agent.app().keys, &case, &sealed).unwrap();
    let (holder, kem) = (keys.holder.expose_secret(), *keys.kem.expose_secret());
    assert!(in_files(&agent, &sealed), "the search finds what is there");
    assert!(!in_files(&agent, &*holder) && !in_files(&agent, &kem));
    let patient = Claimant::new("ada");
    let request = patient.request(case, 1, agent.chain.now() + DAY_MS);
    custody::take(agent.app(), &case, &request).await.unwrap();
    act(&mut agent, &mut custodian).await;
    patient.accept(&agent, &request).await;
    assert!(!in_files(&agent, &sealed), "not even sealed");
    assert!(!in_files(&agent, &*holder) && !in_files(&agent, &kem));
}

/// Another connection to the agent's database.
async fn beside(agent: &Agent) -> sqlx::SqliteConnection {
    let path = casewise_agent::adapters::sqlite::SqliteStore::path(&agent.data());
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap()
}

#[tokio::test]
async fn custodial_cases_that_do_not_open_stop_no_other_case() {
    let mut agent = world().await;
    let mut custodian = Custodian::default();
    let plain = agent.onboard("cleo").await;
    agent.accept(&plain).await;
    let mut claims = Vec::new();
    for name in ["keys", "row", "good"] {
        let (_, opened) = custody::enrol(agent.app(), &new_case(None), Some(name)).await.unwrap();
        agent.settle().await;
        act(&mut agent, &mut custodian).await;
        let patient = Claimant::new(name);
        let request = patient.request(opened.case, 1, agent.chain.now() + DAY_MS);
        custody::take(agent.app(), &opened.case, &request).await.unwrap();
        act(&mut agent, &mut custodian).await;
        claims.push((patient, request, opened.case));
    }
    let mut other = beside(&agent).await;
    for (damage, (_, _, case)) in ["sealed = x'00'", "claim = x'00'"].iter().zip(&claims) {
        let sql = format!("UPDATE custody SET {damage} WHERE case_id = x'{}'", hex::encode(case.0));
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut other).await.unwrap();
    }
    for (patient, request, _) in &claims {
        let accept = registrar::ExecuteMsg::accept_claim(PREFIX, &request.offer, None).unwrap();
        agent.chain.act(&patient.key.address(), agent.chain.contracts().registrar, &accept);
    }
    // the lanes of all cases are looked at after the hand-over
    let ppr = agent.chain.contracts().ppr;
    let end = casewise_protocol::ppr::ExecuteMsg::end(&plain.case(), agent.number);
    agent.chain.act(&plain.key.address(), ppr, &end);
    agent.block().await;
    custodian.step(agent.app()).await.unwrap();

    let refused = agent.app().health().refused;
    for (_, _, case) in &claims[..2] {
        assert!(refused.contains_key(&format!("claim of case {case}")), "{refused:?}");
        assert!(custody::finish(agent.app()).await.is_ok());
    }
    let (patient, _, good) = &claims[2];
    assert!(!refused.keys().any(|name| name.contains(&good.to_string())), "{refused:?}");
    assert!(agent.app().store.custody(good).await.unwrap().unwrap().sealed.is_none());
    assert_eq!(patient.roots(&agent, good).await.1[0], LetterKind::Claim);
    let ended = agent.app().store.lanes_of(&plain.case()).await.unwrap();
    assert!(ended.iter().any(|lane| lane.reason == Some(EndReason::Closing)), "lane work goes on");
    // nothing of what does not open was given up
    let (_, _, keys) = &claims[0];
    assert_eq!(agent.app().store.custody(keys).await.unwrap().unwrap().sealed, Some(vec![0]));
}

#[tokio::test]
async fn what_a_read_kept_from_being_overwritten_is_overwritten_after_it() {
    let mut agent = world().await;
    let mut custodian = Custodian::default();
    let case = custodial(&mut agent, &mut custodian).await;
    let sealed = agent.app().store.custody(&case).await.unwrap().unwrap().sealed.unwrap();
    let patient = Claimant::new("ada");
    let request = patient.request(case, 1, agent.chain.now() + DAY_MS);
    custody::take(agent.app(), &case, &request).await.unwrap();
    act(&mut agent, &mut custodian).await;
    let mut reader = beside(&agent).await;
    sqlx::query("BEGIN").execute(&mut reader).await.unwrap();
    sqlx::query("SELECT * FROM custody").fetch_all(&mut reader).await.unwrap();
    patient.accept(&agent, &request).await;
    assert!(agent.app().store.custody(&case).await.unwrap().unwrap().sealed.is_none());
    assert!(in_files(&agent, &sealed), "the read still needs it");
    sqlx::query("COMMIT").execute(&mut reader).await.unwrap();
    agent.block().await;
    assert!(!in_files(&agent, &sealed));
}
