//! The holder's own reads.

use std::sync::Arc;

use casewise_api::body::{
    CaseKem, ConsistencyProof, ConsistencyQuery, EntriesQuery, EntryPage, InclusionProof, InclusionQuery,
    LaneListing, path_hashes,
};
use casewise_api::{ProblemKind, route};
use casewise_ledger::account::AccountKey;
use casewise_ledger::records::RelationshipStatus;
use casewise_ledger::{AnchoredHead, Data, LaneId, merkle};
use casewise_seal::{ListedEntry, open_entry};
use http::{Method, StatusCode};

use crate::world::{
    Agent, Network, Patient, Site, TestChain, TestClock, json, kind, manifest, problem, roots,
};

struct Setting {
    agent: Agent,
    patient: Patient,
    content: LaneId,
    access: LaneId,
    _dir: tempfile::TempDir,
}

async fn setting(records: &[&str]) -> Setting {
    let dir = tempfile::tempdir().unwrap();
    let (chain, clock, net) = (TestChain::new(), TestClock::new(), Arc::new(Network::default()));
    let agent = Agent::start(Site::new(1), dir.path(), &chain, &clock, &net).await;
    agent.block(Agent::institutions(&[&Site::new(1), &Site::new(2)])).await;
    let patient = Patient::new(1, manifest().net(), 1);
    let (content, access) = agent.case(&patient).await;
    agent.records(&patient.case(), records).await;
    agent.anchor(&[content]).await;
    Setting { agent, patient, content, access, _dir: dir }
}

fn page(lane: &LaneId, first: u32, limit: Option<u32>) -> casewise_api::Target {
    route::entries(lane, EntriesQuery { first, limit })
}

#[tokio::test]
async fn everything_that_is_anchored_is_listed_fetched_proven_and_opened() {
    let Setting { agent, patient, content, access, _dir } = setting(&["one", "two", "three"]).await;
    agent.records(&patient.case(), &["not anchored"]).await;
    let key = &patient.key;
    let lanes: Vec<LaneListing> = agent.get_json(key, &route::lanes(&patient.case())).await;
    assert_eq!(lanes.len(), 2);
    assert!(lanes.iter().all(|lane| lane.header.0.id() == lane.lane && lane.successor.is_none()));
    let listed = lanes.iter().find(|lane| lane.lane == content).unwrap();
    let list: EntryPage = agent.get_json(key, &page(&content, 0, None)).await;
    assert_eq!(list.head.verify().unwrap(), agent.site.operator.address());
    assert_eq!((list.head.size, list.entries.len()), (3, 3));
    let roots = roots(&agent, &patient).await;
    let root = &roots.iter().find(|root| root.lane == content).unwrap().nodes;
    let head = AnchoredHead { lane: content, size: 3, root: listed.anchored.root.0 };
    for (index, text) in ["one", "two", "three"].into_iter().enumerate() {
        let index = index as u32;
        let query = InclusionQuery { index, size: 3 };
        let proof: InclusionProof = agent.get_json(key, &route::inclusion(&content, query)).await;
        let body = agent.get(key, &route::body(&content, index)).await.into_body();
        let entry = &list.entries[index as usize];
        let listed_entry = ListedEntry {
            header: entry.header.0.clone(),
            commitment: entry.commitment.0,
            body_length: entry.body_length,
            body_sha256: entry.body_sha256.0,
        };
        let one_time = root.derive(index).unwrap();
        let path = path_hashes(&proof.path);
        let data =
            open_entry(&listed.header.0, &head, index, &listed_entry, &path, &one_time, &body).unwrap();
        assert_eq!(data, Data::Content { media_type: "text/plain".into(), content: text.into() });
    }
    let empty: EntryPage = agent.get_json(key, &page(&access, 0, None)).await;
    assert_eq!((empty.head.size, empty.entries.len()), (0, 0));
}

#[tokio::test]
async fn pages_and_proofs_at_their_limits_and_one_past() {
    let Setting { agent, patient, content, _dir, .. } = setting(&["a", "b", "c", "d", "e"]).await;
    let key = &patient.key;
    let indices = async |first, limit| {
        let list: EntryPage = agent.get_json(key, &page(&content, first, limit)).await;
        list.entries.iter().map(|entry| entry.index).collect::<Vec<_>>()
    };
    assert_eq!(indices(0, Some(2)).await, [0, 1]);
    assert_eq!(indices(4, None).await, [4]);
    assert_eq!(indices(5, None).await, Vec::<u32>::new());
    assert_eq!(indices(u32::MAX, Some(256)).await, Vec::<u32>::new());
    for limit in [0, 257] {
        assert_eq!(kind(&agent.get(key, &page(&content, 0, Some(limit))).await), ProblemKind::Malformed);
    }
    let inclusion = |index, size| route::inclusion(&content, InclusionQuery { index, size });
    let list: EntryPage = agent.get_json(key, &page(&content, 0, None)).await;
    let leaves: Vec<_> = list.entries.iter().map(|entry| entry.leaf()).collect();
    for size in 1..=5u32 {
        let root = merkle::root(&leaves[..size as usize]);
        for index in 0..size {
            let proof: InclusionProof = agent.get_json(key, &inclusion(index, size)).await;
            let path = path_hashes(&proof.path);
            merkle::verify_inclusion(&leaves[index as usize], index, size, &path, &root).unwrap();
        }
        for from in 0..=size {
            let target = route::consistency(&content, ConsistencyQuery { from, to: size });
            let proof: ConsistencyProof = agent.get_json(key, &target).await;
            let (old, path) = (merkle::root(&leaves[..from as usize]), path_hashes(&proof.path));
            merkle::verify_consistency(from, &old, size, &root, &path).unwrap();
        }
    }
    for (target, field) in [
        (inclusion(0, 6), "size"),
        (inclusion(5, 5), "index"),
        (inclusion(0, 0), "index"),
        (route::consistency(&content, ConsistencyQuery { from: 0, to: 6 }), "to"),
        (route::consistency(&content, ConsistencyQuery { from: 4, to: 3 }), "from"),
    ] {
        let answer = agent.get(key, &target).await;
        assert_eq!(kind(&answer), ProblemKind::Malformed, "{target}");
        assert_eq!(problem(&answer).field.as_deref(), Some(field), "{target}");
    }
    assert_eq!(kind(&agent.get(key, &route::body(&content, 5)).await), ProblemKind::Absent);
}

#[tokio::test]
async fn one_range_of_a_body_with_the_digest_of_the_part() {
    let Setting { agent, patient, content, _dir, .. } = setting(&["one"]).await;
    let target = route::body(&content, 0);
    let whole = agent.get(&patient.key, &target).await;
    assert_eq!(whole.headers()["accept-ranges"], "bytes");
    let whole = whole.into_body();
    let part = async |range: &str| {
        let mut request = agent.request(&patient.key, Method::GET, &target, b"");
        request.headers_mut().insert("range", range.parse().unwrap());
        agent.send(request).await
    };
    let last = whole.len() - 1;
    let answer = part("bytes=10-19").await;
    assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(answer.headers()["content-range"], format!("bytes 10-19/{}", whole.len()));
    assert_eq!(answer.body(), &whole[10..20]);
    assert_eq!(part(&format!("bytes={last}-")).await.body(), &whole[last..]);
    assert_eq!(part(&format!("bytes=0-{}", u64::MAX)).await.body(), &whole);
    let outside = part(&format!("bytes={}-", whole.len())).await;
    assert_eq!((outside.status(), kind(&outside)), (StatusCode::RANGE_NOT_SATISFIABLE, ProblemKind::Range));
    for malformed in ["bytes=5-4", "bytes=-5", "bytes=0-1,3-4", "lines=1-2"] {
        assert_eq!(kind(&part(malformed).await), ProblemKind::Malformed, "{malformed}");
    }
}

#[tokio::test]
async fn a_long_body_goes_in_pieces_and_a_long_range_is_cut() {
    let Setting { agent, patient, content, _dir, .. } = setting(&[]).await;
    // with its prefix and padding, the first body is just under the part, the second just over it
    let most = 8 << 20;
    let long = "x".repeat(most - 200_000);
    let longer = "y".repeat(most);
    agent.records(&patient.case(), &[&long, &longer]).await;
    agent.anchor(&[content]).await;
    let list: EntryPage = agent.get_json(&patient.key, &page(&content, 0, None)).await;
    assert!(list.entries[0].body_length <= most as u64 && list.entries[1].body_length > most as u64);
    for entry in &list.entries {
        let target = route::body(&content, entry.index);
        // `get` checks that the signature covers exactly these bytes
        let whole = agent.get(&patient.key, &target).await;
        assert_eq!(whole.body().len() as u64, entry.body_length);
        assert_eq!(casewise_ledger::sha256(&[whole.body()]), entry.body_sha256.0);
        let mut request = agent.request(&patient.key, Method::GET, &target, b"");
        request.headers_mut().insert("range", "bytes=0-".parse().unwrap());
        let part = agent.send(request).await;
        assert_eq!(part.body().len() as u64, entry.body_length.min(most as u64));
        assert_eq!(part.body(), &whole.body()[..part.body().len()]);
    }
}

#[tokio::test]
async fn absent_and_forbidden_are_answered_alike() {
    let Setting { agent, patient, content, _dir, .. } = setting(&["one"]).await;
    let other = Patient::new(2, manifest().net(), 1);
    agent.case(&other).await;
    let stranger = AccountKey::from_bytes(&[9; 32]).unwrap();
    let operator = &Site::new(2).operator;
    let nowhere = LaneId([7; 32]);
    let nobody = casewise_ledger::CaseId([7; 32]);
    let blank = |answer: http::Response<Vec<u8>>| {
        let mut problem = problem(&answer);
        problem.instance = None;
        (answer.status(), problem)
    };
    let absent = blank(agent.get(&patient.key, &route::body(&nowhere, 0)).await);
    assert_eq!(absent.0, StatusCode::NOT_FOUND);
    for key in [&other.key, &stranger, operator] {
        for target in [
            route::lanes(&patient.case()),
            route::body(&content, 0),
            route::body(&content, 9),
            page(&content, 0, None),
            route::inclusion(&content, InclusionQuery { index: 0, size: 1 }),
            route::consistency(&content, ConsistencyQuery { from: 0, to: 1 }),
        ] {
            assert_eq!(blank(agent.get(key, &target).await), absent, "{target}");
        }
    }
    assert_eq!(blank(agent.get(&patient.key, &route::lanes(&nobody)).await), absent);
    assert_eq!(blank(agent.get(&patient.key, &page(&nowhere, 0, None)).await), absent);
}

#[tokio::test]
async fn the_holder_reads_on_whatever_the_view_and_the_relationship() {
    let Setting { agent, patient, content, _dir, .. } = setting(&["one"]).await;
    *agent.chain.tip.lock().unwrap() = None;
    agent.clock.pass(3_600_000);
    let list: EntryPage = agent.get_json(&patient.key, &page(&content, 0, None)).await;
    assert_eq!(list.entries.len(), 1);
    assert!(agent.get(&patient.key, &route::body(&content, 0)).await.status().is_success());
    let letters = route::letters(&patient.case(), casewise_api::body::LettersQuery { after: 0, limit: None });
    assert!(agent.get(&patient.key, &letters).await.status().is_success());
    agent.block(vec![relationship(&patient, 1, RelationshipStatus::Suspended)]).await;
    assert!(agent.get(&patient.key, &route::body(&content, 0)).await.status().is_success());
}

fn relationship(
    patient: &Patient,
    institution: u32,
    status: RelationshipStatus,
) -> casewise_agent::store::Change {
    use casewise_ledger::{V1, records::RelationshipRecord};
    let record = RelationshipRecord { version: V1, status, since: 0 };
    casewise_agent::store::Change::Relationship(casewise_agent::store::RelationshipView {
        case: patient.case(),
        institution,
        record,
        changed: 1,
    })
}

#[tokio::test]
async fn the_holder_s_key_is_for_institutions_with_a_relationship() {
    let Setting { agent, patient, _dir, .. } = setting(&[]).await;
    let target = route::kem(&patient.case());
    let operator = Site::new(2).operator;
    assert_eq!(kind(&agent.get(&operator, &target).await), ProblemKind::Absent);
    agent.block(vec![relationship(&patient, 2, RelationshipStatus::Proposed)]).await;
    let kem: CaseKem = json(agent.get(&operator, &target).await);
    assert_eq!(kem.kem_key.0, patient.kem.public().as_bytes());
    assert_eq!(kind(&agent.get(&patient.key, &target).await), ProblemKind::Absent);
    agent.block(vec![relationship(&patient, 2, RelationshipStatus::Ended)]).await;
    assert_eq!(kind(&agent.get(&operator, &target).await), ProblemKind::Absent);
    *agent.chain.tip.lock().unwrap() = None;
    agent.clock.pass(1000);
    assert_eq!(kind(&agent.get(&operator, &target).await), ProblemKind::StaleView);
}
