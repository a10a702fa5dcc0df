//! Reads by third parties: the decision, the two steps, and what is durable before the first byte.

use std::sync::Arc;

use casewise_agent::store::Change;
use casewise_api::body::{
    Countersignature, EntriesQuery, EntryPage, InclusionProof, ReceiptAnswer, ReleaseAnswer,
    ReleaseInclusionQuery, ReleaseRequest, path_hashes,
};
use casewise_api::header::DECISION_HEIGHT;
use casewise_api::{Hex, ProblemKind, Target, route};
use casewise_ledger::account::AccountKey;
use casewise_ledger::grant::MAX_RELEASE_MS;
use casewise_ledger::records::{GrantStatus, InstitutionStatus};
use casewise_ledger::{Address, Data, LaneId, Opening, Release, ReleaseItem, merkle, sha256};
use casewise_seal::ListedEntry;
use http::{Method, Response, StatusCode};

use crate::world::{
    Agent, Network, Patient, START, Site, TestChain, TestClock, grant, header, item, json, kind, manifest,
    opening, problem, roots,
};

struct Setting {
    agent: Agent,
    reader: Site,
    patient: Patient,
    content: LaneId,
    access: LaneId,
    opening: Opening,
    dir: tempfile::TempDir,
}

/// Hospital 1 holds ten records of a case and the opening of a grant of 2..=6 to hospital 2.
async fn setting() -> Setting {
    setting_with(|_| {}).await
}

async fn setting_with(change: impl FnOnce(&mut Opening)) -> Setting {
    let dir = tempfile::tempdir().unwrap();
    let (chain, clock, net) = (TestChain::new(), TestClock::new(), Arc::new(Network::default()));
    let agent = Agent::start(Site::new(1), dir.path(), &chain, &clock, &net).await;
    agent.block(Agent::institutions(&[&Site::new(1), &Site::new(2), &Site::new(3)])).await;
    let patient = Patient::new(1, manifest().net(), 1);
    let (content, access) = agent.case(&patient).await;
    agent.records(&patient.case(), &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]).await;
    agent.anchor(&[content]).await;
    let mut opening = opening(&patient.case(), 1, 2, vec![item(content, 2, 6, false)]);
    change(&mut opening);
    agent.block(vec![grant(&opening, GrantStatus::Live)]).await;
    agent.hold(&opening).await;
    Setting { agent, reader: Site::new(2), patient, content, access, opening, dir }
}

impl Agent {
    /// Puts an opening into the store as if the holder had told it.
    async fn hold(&self, opening: &Opening) {
        use casewise_agent::store::{ReadingWrite, Write};
        let row = self.serving.openings.seal(opening, &*self.app.random).unwrap();
        self.serving.write(vec![Write::Reading(ReadingWrite::Opening(row))]).await.unwrap();
    }

    async fn ask(&self, key: &AccountKey, opening: &Opening, items: Vec<ReleaseItem>) -> Response<Vec<u8>> {
        self.ask_as(key, opening, None, items).await
    }

    async fn ask_as(
        &self,
        key: &AccountKey,
        opening: &Opening,
        practitioner: Option<Address>,
        items: Vec<ReleaseItem>,
    ) -> Response<Vec<u8>> {
        let request = ReleaseRequest { grant: opening.commitment(), practitioner, items };
        self.post(key, &Target::from(route::public::RELEASES), &request).await
    }

    async fn countersign(
        &self,
        key: &AccountKey,
        signer: &AccountKey,
        release: &Release,
    ) -> Response<Vec<u8>> {
        let reader_sig = Hex(signer.sign_message(&release.message()));
        let signature = Countersignature { reader_key: Hex(signer.public().0), reader_sig };
        self.post(key, &route::release(&release.nonce), &signature).await
    }

    /// Both steps.
    async fn released(&self, reader: &Site, opening: &Opening, items: Vec<ReleaseItem>) -> Release {
        let answer: ReleaseAnswer = json(self.ask(&reader.operator, opening, items).await);
        let release = answer.release.0;
        let _: ReceiptAnswer = json(self.countersign(&reader.operator, &reader.operator, &release).await);
        release
    }

    async fn access_entries(&self, access: &LaneId) -> u32 {
        self.app.store.lane(access).await.unwrap().unwrap().head.size
    }
}

fn range(lane: LaneId, first: u32, last: u32) -> ReleaseItem {
    ReleaseItem { lane, first, last }
}

fn height(answer: &Response<Vec<u8>>) -> Option<u64> {
    header(answer.headers(), DECISION_HEIGHT).map(|text| text.parse().unwrap())
}

#[tokio::test]
async fn release_countersignature_proof_and_body() {
    let Setting { agent, reader, patient, content, access, opening, dir: _dir } = setting().await;
    let key = &reader.operator;
    let answer = agent.ask(key, &opening, vec![range(content, 2, 6)]).await;
    let now = agent.app.store.cursor().await.unwrap().unwrap().height;
    assert_eq!(height(&answer), Some(now));
    let answer: ReleaseAnswer = json(answer);
    let release = answer.release.0;
    assert_eq!((release.height, release.rev), (now, 0));
    assert_eq!(release.expires, START + MAX_RELEASE_MS);
    let server = casewise_ledger::account::PublicKey(answer.server_key.0);
    server.verify_message(&release.message(), &answer.server_sig.0).unwrap();
    assert_eq!(server.address(), agent.site.operator.address());
    let entries = &answer.items[0].entries;
    assert_eq!(entries.iter().map(|entry| entry.index).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    let leaves: Vec<u8> = entries.iter().flat_map(|entry| entry.leaf()).collect();
    assert_eq!(release.leaves, sha256(&[&leaves]));

    let body = |index| route::release_body(&release.nonce, &content, index);
    assert_eq!(kind(&agent.get(key, &body(2)).await), ProblemKind::Absent, "not before the receipt");
    assert_eq!(agent.access_entries(&access).await, 0);
    let receipt = agent.countersign(key, key, &release).await;
    assert_eq!(height(&receipt), Some(now));
    let receipt: ReceiptAnswer = json(receipt);
    assert_eq!(receipt.access.lane, access);
    assert_eq!(agent.access_entries(&access).await, 1);

    // the patient opens the access entry and finds the same receipt
    agent.anchor(&[access]).await;
    let page = route::entries(&access, EntriesQuery { first: 0, limit: None });
    let page: EntryPage = agent.get_json(&patient.key, &page).await;
    let sealed = agent.get(&patient.key, &route::body(&access, 0)).await.into_body();
    let roots = roots(&agent, &patient).await;
    let root = &roots.iter().find(|root| root.lane == access).unwrap().nodes;
    let listed = ListedEntry {
        header: page.entries[0].header.0.clone(),
        commitment: page.entries[0].commitment.0,
        body_length: page.entries[0].body_length,
        body_sha256: page.entries[0].body_sha256.0,
    };
    let lane = agent.app.store.lane(&access).await.unwrap().unwrap().header;
    let head = casewise_ledger::AnchoredHead { lane: access, size: 1, root: page.head.root.0 };
    let opened =
        casewise_seal::open_entry(&lane, &head, 0, &listed, &[], &root.derive(0).unwrap(), &sealed).unwrap();
    assert_eq!(opened, Data::Access(Box::new(receipt.receipt.0)));

    // bytes and proofs, as often as wanted until it expires
    let anchored = &answer.lanes[0].anchored;
    for index in 2..=6 {
        let answer = agent.get(key, &body(index)).await;
        assert_eq!(height(&answer), Some(now + 1));
        assert_eq!(sha256(&[answer.body()]), entries[index as usize - 2].body_sha256.0);
        let query = ReleaseInclusionQuery { lane: content, index, size: anchored.size };
        let proof: InclusionProof =
            agent.get_json(key, &route::release_inclusion(&release.nonce, query)).await;
        let (leaf, path) = (entries[index as usize - 2].leaf(), path_hashes(&proof.path));
        merkle::verify_inclusion(&leaf, index, anchored.size, &path, &anchored.root.0).unwrap();
    }
    let mut ranged = agent.request(key, Method::GET, &body(2), b"");
    ranged.headers_mut().insert("range", "bytes=0-9".parse().unwrap());
    let ranged = agent.send(ranged).await;
    assert_eq!((ranged.status(), ranged.body().len()), (StatusCode::PARTIAL_CONTENT, 10));
    assert_eq!(height(&ranged), Some(now + 1));
    for outside in [body(1), body(7), route::release_body(&release.nonce, &access, 0)] {
        assert_eq!(kind(&agent.get(key, &outside).await), ProblemKind::Absent);
    }
    assert_eq!(agent.access_entries(&access).await, 1, "one access entry for one release");
    agent.clock.pass(MAX_RELEASE_MS - 1);
    agent.block(vec![]).await;
    assert!(agent.get(key, &body(2)).await.status().is_success());
    agent.clock.pass(1);
    assert_eq!(kind(&agent.get(key, &body(2)).await), ProblemKind::Absent, "expired");
    assert_eq!(kind(&agent.countersign(key, key, &release).await), ProblemKind::Absent);
}

#[tokio::test]
async fn every_refusal_is_the_answer_to_what_does_not_exist() {
    let Setting { agent, reader, patient, content, access, opening: good, dir: _dir } = setting().await;
    let other = Patient::new(2, manifest().net(), 1);
    let (other_lane, _) = agent.case(&other).await;
    agent.records(&other.case(), &["another case"]).await;
    agent.anchor(&[other_lane]).await;
    let key = &reader.operator;
    let blank = |answer: Response<Vec<u8>>| {
        assert_eq!(height(&answer), None);
        let mut problem = problem(&answer);
        problem.instance = None;
        (answer.status(), problem)
    };
    let unknown = Opening { salt: [99; 32], ..good.clone() };
    let absent = blank(agent.ask(key, &unknown, vec![range(content, 2, 2)]).await);
    assert_eq!(absent.0, StatusCode::NOT_FOUND);
    for items in [
        vec![range(content, 1, 2)],
        vec![range(content, 6, 7)],
        vec![range(content, 0, 9)],
        vec![range(content, 2, 3), range(content, 3, 4)],
        vec![range(content, 3, 2)],
        vec![range(access, 2, 3)],
        vec![range(other_lane, 0, 0)],
        vec![range(LaneId([5; 32]), 2, 2)],
        vec![range(content, 2, 2), range(LaneId([255; 32]), 2, 2)],
    ] {
        assert_eq!(blank(agent.ask(key, &good, items.clone()).await), absent, "{items:?}");
    }
    let stranger = AccountKey::from_bytes(&[9; 32]).unwrap();
    for signer in [&Site::new(3).operator, &patient.key, &agent.site.operator, &stranger] {
        assert_eq!(blank(agent.ask(signer, &good, vec![range(content, 2, 2)]).await), absent);
    }
    // a grant with an opening that is not its own
    let lie = Opening { items: vec![item(content, 0, 9, false)], ..good.clone() };
    agent.hold(&lie).await;
    assert_eq!(blank(agent.ask(key, &lie, vec![range(content, 0, 9)]).await), absent);
    // the answer to wrong releases is the same one too
    let release = agent.released(&reader, &good, vec![range(content, 2, 2)]).await;
    let body = |nonce: &[u8; 16], index| route::release_body(nonce, &content, index);
    assert_eq!(blank(agent.get(key, &body(&[0; 16], 2)).await), absent);
    assert_eq!(blank(agent.get(key, &body(&release.nonce, 3)).await), absent);
    assert_eq!(blank(agent.get(&Site::new(3).operator, &body(&release.nonce, 2)).await), absent);
    assert_eq!(blank(agent.get(&patient.key, &body(&release.nonce, 2)).await), absent);
    // what is malformed is so for everybody
    for items in [vec![], vec![range(content, 2, 2); 257]] {
        assert_eq!(kind(&agent.ask(key, &good, items.clone()).await), ProblemKind::Malformed);
        assert_eq!(kind(&agent.ask(&stranger, &good, items).await), ProblemKind::Malformed);
    }
}

#[tokio::test]
async fn a_changed_fact_ends_reading_at_once() {
    let Setting { agent, reader, content, opening, dir: _dir, .. } = setting().await;
    let key = &reader.operator;
    let release = agent.released(&reader, &opening, vec![range(content, 2, 6)]).await;
    let body = route::release_body(&release.nonce, &content, 2);
    let query = ReleaseInclusionQuery { lane: content, index: 2, size: 10 };
    let reads = [body.clone(), route::release_inclusion(&release.nonce, query)];
    let check = async |allowed: bool| {
        for target in &reads {
            let answer = agent.get(key, target).await;
            assert_eq!(answer.status().is_success(), allowed, "{target}");
            assert_eq!(height(&answer).is_some(), allowed);
        }
        let asked = agent.ask(key, &opening, vec![range(content, 2, 2)]).await;
        assert_eq!(asked.status().is_success(), allowed);
    };
    check(true).await;
    let suspended = |number: u32, status| {
        let mut view = Site::new(number).view();
        view.record.status = status;
        Change::Institution(view)
    };
    for number in [1, 2] {
        agent.block(vec![suspended(number, InstitutionStatus::Suspended)]).await;
        check(false).await;
        agent.block(vec![suspended(number, InstitutionStatus::Active)]).await;
        check(true).await;
    }
    let operator = |institution| Change::Operator { account: key.address(), institution };
    agent.block(vec![operator(None)]).await;
    check(false).await;
    agent.block(vec![operator(Some(3))]).await;
    check(false).await;
    agent.block(vec![operator(Some(2))]).await;
    check(true).await;
    agent.block(vec![grant(&opening, GrantStatus::Revoked)]).await;
    check(false).await;
    assert_eq!(kind(&agent.countersign(key, key, &release).await), ProblemKind::Absent);
}

#[tokio::test]
async fn a_grant_ends_at_its_own_time_by_the_block_s_clock() {
    let Setting { agent, reader, content, opening, dir: _dir, .. } = setting().await;
    let key = &reader.operator;
    agent.clock.set(opening.not_after - 1);
    agent.block(vec![]).await;
    let answer: ReleaseAnswer = json(agent.ask(key, &opening, vec![range(content, 2, 2)]).await);
    assert_eq!(answer.release.expires, opening.not_after, "a release does not outlive its grant");
    let _: ReceiptAnswer = json(agent.countersign(key, key, &answer.release).await);
    agent.clock.set(opening.not_after);
    agent.block(vec![]).await;
    assert_eq!(kind(&agent.ask(key, &opening, vec![range(content, 2, 2)]).await), ProblemKind::Absent);
    let body = route::release_body(&answer.release.nonce, &content, 2);
    assert_eq!(kind(&agent.get(key, &body).await), ProblemKind::Absent);
}

#[tokio::test]
async fn no_third_party_is_answered_on_a_stale_view() {
    let Setting { agent, reader, content, opening, dir: _dir, .. } = setting().await;
    let key = &reader.operator;
    let release = agent.released(&reader, &opening, vec![range(content, 2, 2)]).await;
    let body = route::release_body(&release.nonce, &content, 2);
    let tip = agent.app.store.cursor().await.unwrap().unwrap().height;
    let stale = async |expected: bool| {
        let unknown = Opening { salt: [99; 32], ..opening.clone() };
        let answers = [
            agent.get(key, &body).await,
            agent.ask(key, &opening, vec![range(content, 2, 2)]).await,
            agent.ask(key, &unknown, vec![range(content, 2, 2)]).await,
            agent.get(key, &route::release_body(&[0; 16], &content, 2)).await,
        ];
        for (position, answer) in answers.into_iter().enumerate() {
            let refused = answer.status() == StatusCode::SERVICE_UNAVAILABLE;
            assert_eq!(refused, expected, "{position}");
            if expected {
                assert_eq!(kind(&answer), ProblemKind::StaleView);
                assert_eq!(answer.headers()["retry-after"], "1");
            }
        }
    };
    let reach = |height: Option<u64>| {
        *agent.chain.tip.lock().unwrap() = height;
        agent.clock.pass(401);
    };
    reach(Some(tip + 1));
    stale(false).await;
    reach(Some(tip + 2));
    stale(true).await;
    reach(None);
    stale(true).await;
    reach(Some(tip));
    stale(false).await;
    // the view grows old while the node does not move
    let wall = agent.app.clock.now();
    agent.block(vec![]).await;
    agent.clock.set(wall + 10_000);
    stale(false).await;
    agent.clock.set(wall + 10_001);
    stale(true).await;
    agent.clock.set(wall);
    stale(false).await;
    agent.clock.pass(9_999);
    agent.clock.set(wall);
    stale(false).await;
    agent.clock.pass(1);
    agent.clock.set(wall);
    stale(true).await;
    agent.block(vec![]).await;
    stale(false).await;
}

#[tokio::test]
async fn only_an_operator_of_the_reader_countersigns_exactly_this_release() {
    let Setting { agent, reader, patient, content, access, opening, dir: _dir } = setting().await;
    let key = &reader.operator;
    let answer: ReleaseAnswer = json(agent.ask(key, &opening, vec![range(content, 2, 2)]).await);
    let release = answer.release.0;
    let refused = async |signer: &AccountKey, signed: &Release, field: &str| {
        let reader_sig = Hex(signer.sign_message(&signed.message()));
        let signature = Countersignature { reader_key: Hex(signer.public().0), reader_sig };
        let answer = agent.post(key, &route::release(&release.nonce), &signature).await;
        assert_eq!(kind(&answer), ProblemKind::ReceiptRefused);
        assert_eq!(problem(&answer).field.as_deref(), Some(field));
    };
    let stranger = AccountKey::from_bytes(&[9; 32]).unwrap();
    refused(&stranger, &release, "reader_key").await;
    refused(&patient.key, &release, "reader_key").await;
    refused(&Site::new(3).operator, &release, "reader_key").await;
    refused(&agent.site.operator, &release, "reader_key").await;
    type Change = fn(&mut Release);
    let changes: [Change; 5] = [
        |r| r.items[0].last += 1,
        |r| r.height += 1,
        |r| r.expires += 1,
        |r| r.nonce[0] ^= 1,
        |r| r.leaves[0] ^= 1,
    ];
    for change in changes {
        let mut changed = release.clone();
        change(&mut changed);
        refused(key, &changed, "reader_sig").await;
    }
    // a good signature brought by somebody else
    let brought = agent.countersign(&Site::new(3).operator, key, &release).await;
    assert_eq!(kind(&brought), ProblemKind::Absent);
    assert_eq!(agent.access_entries(&access).await, 0, "nothing was receipted");
    let _: ReceiptAnswer = json(agent.countersign(key, key, &release).await);
}

#[tokio::test]
async fn a_crash_before_the_receipt_s_answer_leaves_a_trace_and_one_entry() {
    let Setting { agent, reader, content, access, opening, dir, .. } = setting().await;
    let key = &reader.operator;
    let answer: ReleaseAnswer = json(agent.ask(key, &opening, vec![range(content, 2, 2)]).await);
    let release = answer.release.0;
    // the access entry is durable, the agent dies before anything else
    let receipt = casewise_ledger::Receipt {
        server_key: answer.server_key.0,
        server_sig: answer.server_sig.0,
        reader_key: key.public().0,
        reader_sig: key.sign_message(&release.message()),
        release: release.clone(),
    };
    let place = agent.serving.append_access(&receipt).await.unwrap();
    let (chain, clock) = (agent.chain.clone(), agent.clock.clone());
    let site = agent.kill().await;
    let agent = Agent::start(site, dir.path(), &chain, &clock, &Arc::new(Network::default())).await;
    assert_eq!(agent.access_entries(&access).await, 1, "the trace is there");
    agent.block(vec![]).await;
    let body = route::release_body(&release.nonce, &content, 2);
    assert_eq!(kind(&agent.get(key, &body).await), ProblemKind::Absent, "no byte without the receipt");
    // the reader tries again, more than once
    for _ in 0..2 {
        let again: ReceiptAnswer = json(agent.countersign(key, key, &release).await);
        assert_eq!((again.access, again.receipt.0.clone()), (place, receipt.clone()));
    }
    assert_eq!(agent.access_entries(&access).await, 1);
    assert!(agent.get(key, &body).await.status().is_success());
}

#[tokio::test]
async fn the_practitioner_is_part_of_the_decision_and_of_the_release() {
    let doctor = Address([5; 20]);
    let setting = setting_with(|opening| opening.practitioner = Some(doctor)).await;
    let Setting { agent, reader, content, opening, dir: _dir, .. } = setting;
    let key = &reader.operator;
    let items = || vec![range(content, 2, 2)];
    assert_eq!(kind(&agent.ask(key, &opening, items()).await), ProblemKind::Absent);
    let other = agent.ask_as(key, &opening, Some(Address([6; 20])), items()).await;
    assert_eq!(kind(&other), ProblemKind::Absent);
    let answer: ReleaseAnswer = json(agent.ask_as(key, &opening, Some(doctor), items()).await);
    assert_eq!(answer.release.practitioner, Some(doctor));
    let _: ReceiptAnswer = json(agent.countersign(key, key, &answer.release).await);
    let body = route::release_body(&answer.release.nonce, &content, 2);
    assert!(agent.get(key, &body).await.status().is_success());
}

#[tokio::test]
async fn what_is_granted_ahead_is_released_as_far_as_it_is_anchored() {
    let setting = setting_with(|opening| opening.items[0].last = u32::MAX - 1).await;
    let Setting { agent, reader, patient, content, opening, dir: _dir, .. } = setting;
    let ask =
        async |first| agent.ask(&reader.operator, &opening, vec![range(content, first, u32::MAX - 1)]).await;
    let answer: ReleaseAnswer = json(ask(2).await);
    assert_eq!(answer.release.items, [range(content, 2, 9)]);
    assert_eq!(kind(&ask(10).await), ProblemKind::Absent);
    agent.records(&patient.case(), &["10"]).await;
    assert_eq!(kind(&ask(10).await), ProblemKind::Absent, "stored is not anchored");
    agent.anchor(&[content]).await;
    let answer: ReleaseAnswer = json(ask(10).await);
    assert_eq!(answer.release.items, [range(content, 10, 10)]);
}

#[tokio::test]
async fn one_grant_s_requests_are_limited_and_others_are_not() {
    let Setting { agent, reader, patient, content, opening, dir: _dir, .. } = setting().await;
    let second = crate::world::opening(&patient.case(), 1, 3, vec![item(content, 0, 1, false)]);
    agent.block(vec![grant(&second, GrantStatus::Live)]).await;
    agent.hold(&second).await;
    let burst = casewise_agent::public::limit::GRANT_RATE.burst;
    for _ in 1..burst {
        agent.serving.limit_grant(&opening.commitment()).unwrap();
    }
    let ask = async || agent.ask(&reader.operator, &opening, vec![range(content, 2, 2)]).await;
    assert!(ask().await.status().is_success());
    let answer = ask().await;
    assert_eq!(kind(&answer), ProblemKind::RateLimited);
    assert_eq!(answer.headers()["retry-after"], "10");
    let other = agent.ask(&Site::new(3).operator, &second, vec![range(content, 0, 0)]).await;
    assert!(other.status().is_success());
    agent.clock.pass(1000);
    agent.block(vec![]).await;
    assert!(ask().await.status().is_success());
}
