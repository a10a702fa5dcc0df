//! A doctor at one hospital reads what was granted there of another hospital's lanes: two whole
//! agents, the interface between them, real letters.

use std::sync::Arc;

use casewise_agent::lanes;
use casewise_agent::store::{Change, Write};
use casewise_api::body::{GrantBody, SharedEntry};
use casewise_api::header::{OCTET_STREAM, PRACTITIONER, PURPOSE};
use casewise_api::{Packed, ProblemKind, Target, route};
use casewise_ledger::records::GrantStatus;
use casewise_ledger::{Address, LaneId, Opening};
use http::{Method, Response, StatusCode};

use crate::world::{
    Agent, Network, Patient, Site, TestChain, TestClock, grant, grant_letter, item, json, kind, manifest,
    opening, problem, roots,
};

struct Setting {
    author: Agent,
    reader: Agent,
    net: Arc<Network>,
    patient: Patient,
    content: LaneId,
    access: LaneId,
    _dirs: [tempfile::TempDir; 2],
}

const DOCTOR: [(&str, &str); 2] = [(PRACTITIONER, "dr-7"), (PURPOSE, "TREAT")];

async fn setting() -> Setting {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (chain, clock, net) = (TestChain::new(), TestClock::new(), Arc::new(Network::default()));
    let author = Agent::start(Site::new(1), dirs[0].path(), &chain, &clock, &net).await;
    // the reader's own node: it says the same of lanes
    let reader = Agent::start(Site::new(2), dirs[1].path(), &chain.twin(), &clock, &net).await;
    let patient = Patient::new(1, manifest().net(), 1);
    let institutions = Agent::institutions(&[&Site::new(1), &Site::new(2)]);
    author.block(institutions.clone()).await;
    reader.block(institutions).await;
    let (content, access) = author.case(&patient).await;
    chain.register(&patient);
    author.records(&patient.case(), &["zero", "one", "two", "three"]).await;
    author.anchor(&[content]).await;
    Setting { author, reader, net, patient, content, access, _dirs: dirs }
}

impl Setting {
    /// Both agents apply a block with the same changes.
    async fn block(&self, changes: Vec<Change>) {
        self.reader.block(changes.clone()).await;
        self.author.block(changes).await;
    }

    /// Grant on chain, opening at the author, letter at the reader.
    async fn share(&self, opening: &Opening) {
        self.block(vec![grant(opening, GrantStatus::Live)]).await;
        let body = GrantBody { opening: Packed(opening.clone()) };
        let told = self.author.put(&self.patient.key, &route::grant(&opening.commitment()), &body).await;
        assert_eq!(told.status(), StatusCode::NO_CONTENT);
        let roots = roots(&self.author, &self.patient).await;
        let letter = grant_letter(&self.patient, opening, &roots, &self.reader.site).encode();
        let target = Target::from(route::public::LETTERS);
        let posted = self.reader.call(&self.patient.key, Method::POST, &target, OCTET_STREAM, &letter).await;
        assert_eq!(posted.status(), StatusCode::ACCEPTED);
    }

    fn granted(&self, last: u32, follow: bool) -> Opening {
        opening(&self.patient.case(), 1, 2, vec![item(self.content, 1, last, follow)])
    }

    async fn list(&self, headers: &[(&str, &str)]) -> Response<Vec<u8>> {
        self.reader.ask_private(&route::shared(&self.patient.case()), headers).await
    }

    async fn open(&self, lane: &LaneId, index: u32, headers: &[(&str, &str)]) -> Response<Vec<u8>> {
        self.reader.ask_private(&route::shared_entry(&self.patient.case(), lane, index), headers).await
    }

    async fn accesses(&self) -> u32 {
        self.author.app.store.lane(&self.access).await.unwrap().unwrap().head.size
    }
}

#[tokio::test]
async fn granted_entries_are_listed_opened_noted_and_receipted() {
    let setting = setting().await;
    let opening = setting.granted(2, false);
    setting.share(&opening).await;
    let listed: Vec<SharedEntry> = json(setting.list(&DOCTOR).await);
    assert_eq!(listed.iter().map(|entry| entry.index).collect::<Vec<_>>(), [1, 2]);
    assert!(listed.iter().all(|entry| entry.grant == opening.commitment() && entry.lane == setting.content));
    assert_eq!(setting.accesses().await, 0, "a list releases nothing");
    for (index, text) in [(1, "one"), (2, "two")] {
        let answer = setting.open(&setting.content, index, &DOCTOR).await;
        assert_eq!(answer.headers()["content-type"], "text/plain");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert_eq!(answer.body(), text.as_bytes());
    }
    assert_eq!(setting.accesses().await, 2);
    for outside in [0, 3, 4] {
        let answer = setting.open(&setting.content, outside, &DOCTOR).await;
        assert_eq!(kind(&answer), ProblemKind::Absent, "{outside}");
    }
    assert_eq!(kind(&setting.open(&setting.access, 0, &DOCTOR).await), ProblemKind::Absent);
    let noted = setting.reader.app.store.shared_reads(&setting.patient.case(), 10).await.unwrap();
    assert_eq!(noted.len(), 3);
    assert!(noted.iter().all(|read| read.practitioner == "dr-7" && read.purpose == "TREAT"));
    assert_eq!(noted[0].entry.unwrap().index, 2);
}

#[tokio::test]
async fn person_and_purpose_are_needed_and_must_be_the_grant_s() {
    let setting = setting().await;
    let doctor = Address([5; 20]);
    let opening = Opening { practitioner: Some(doctor), ..setting.granted(2, false) };
    setting.share(&opening).await;
    let named = doctor.to_hex();
    let good = [(PRACTITIONER, named.as_str()), (PURPOSE, "TREAT")];
    assert_eq!(json::<Vec<SharedEntry>>(setting.list(&good).await).len(), 2);
    assert!(setting.open(&setting.content, 1, &good).await.status().is_success());
    for (headers, field) in [
        (vec![(PURPOSE, "TREAT")], PRACTITIONER),
        (vec![(PRACTITIONER, "dr-7")], PURPOSE),
        (vec![(PRACTITIONER, "dr 7"), (PURPOSE, "TREAT")], PRACTITIONER),
        (vec![(PRACTITIONER, "dr-7"), (PURPOSE, "curiosity")], PURPOSE),
    ] {
        for answer in [setting.list(&headers).await, setting.open(&setting.content, 1, &headers).await] {
            assert_eq!(kind(&answer), ProblemKind::Malformed);
            assert_eq!(problem(&answer).field.as_deref(), Some(field));
        }
    }
    let other = Address([6; 20]).to_hex();
    for headers in [
        [(PRACTITIONER, "dr-7"), (PURPOSE, "TREAT")],
        [(PRACTITIONER, other.as_str()), (PURPOSE, "TREAT")],
        [(PRACTITIONER, named.as_str()), (PURPOSE, "ETREAT")],
    ] {
        assert_eq!(kind(&setting.list(&headers).await), ProblemKind::Absent);
        assert_eq!(kind(&setting.open(&setting.content, 1, &headers).await), ProblemKind::Absent);
    }
    assert_eq!(setting.accesses().await, 1);
}

#[tokio::test]
async fn a_revoked_grant_reads_nothing_and_another_goes_on_into_the_next_lane() {
    let setting = setting().await;
    let (first, second) = (setting.granted(2, false), setting.granted(3, true));
    let second = Opening { purpose: "ETREAT".into(), ..second };
    setting.share(&first).await;
    setting.share(&second).await;
    let etreat = [(PRACTITIONER, "dr-7"), (PURPOSE, "ETREAT")];
    assert!(setting.open(&setting.content, 1, &DOCTOR).await.status().is_success());
    let case = setting.patient.case();
    let height = setting.author.app.store.cursor().await.unwrap().unwrap().height + 1;
    setting.block(vec![grant(&first, GrantStatus::Revoked), Change::Rev { case, rev: 1, height }]).await;
    assert_eq!(kind(&setting.open(&setting.content, 1, &DOCTOR).await), ProblemKind::Absent);
    assert_eq!(kind(&setting.list(&DOCTOR).await), ProblemKind::Absent);

    // the author could not know the reader's key before: it asks for it, then tells of the new lane
    let author = &setting.author;
    assert!(lanes::rotate_all(&author.app, &case).await.unwrap());
    let rows = author.app.store.lanes_of(&case).await.unwrap();
    let next = rows.iter().find(|row| row.header.predecessor == Some(setting.content)).unwrap().lane;
    author.serving.write(vec![Write::LaneOpened(next)]).await.unwrap();
    author.anchor(&[next]).await;
    author.records(&case, &["after the rotation"]).await;
    author.anchor(&[next]).await;
    let mut missing = Default::default();
    casewise_agent::housekeeping::round(&author.serving, &author.peers, &mut missing, false).await.unwrap();
    let listed: Vec<SharedEntry> = json(setting.list(&etreat).await);
    let places: Vec<_> = listed.iter().map(|entry| (entry.lane, entry.index)).collect();
    assert_eq!(places.len(), 4);
    assert!(places.contains(&(next, 0)));
    assert_eq!(setting.open(&next, 0, &etreat).await.body(), b"after the rotation");
    assert_eq!(kind(&setting.open(&next, 0, &DOCTOR).await), ProblemKind::Absent);
    assert!(setting.open(&setting.content, 3, &etreat).await.status().is_success());
    // fetched once and kept: the author's mailbox is not needed again
    setting.net.detach("127.0.0.1:9001");
    let away = setting.open(&next, 0, &etreat).await;
    assert_eq!(kind(&away), ProblemKind::NotReady);
}

#[tokio::test]
async fn what_the_author_changes_is_not_shown() {
    let setting = setting().await;
    setting.share(&setting.granted(2, false)).await;
    // the body on the author's disk is another one than was anchored
    let entry = setting.author.app.store.entries(&setting.content, 1, 1).await.unwrap().remove(0);
    let name = hex::encode(entry.body_sha256);
    let path = setting._dirs[0].path().join("data/blobs/bodies").join(&name[..2]).join(&name);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let answer = setting.open(&setting.content, 1, &DOCTOR).await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(problem(&answer).detail.contains("does not pass its checks"));
    // a head that is not the one on chain
    let record = casewise_ledger::records::record_key(casewise_ledger::records::ns::LANE, &setting.content.0);
    let raw = &setting.author.chain.raw;
    let good = raw.lock().unwrap().get(&record).unwrap().clone();
    let mut other: casewise_ledger::records::LaneRecord = casewise_ledger::decode(&good).unwrap();
    other.root[0] ^= 1;
    raw.lock().unwrap().insert(record.clone(), casewise_ledger::encode(&other));
    let before = setting.accesses().await;
    let answer = setting.open(&setting.content, 2, &DOCTOR).await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(setting.accesses().await, before, "nothing was countersigned");
    raw.lock().unwrap().insert(record, good);
    assert!(setting.open(&setting.content, 2, &DOCTOR).await.status().is_success());
}
