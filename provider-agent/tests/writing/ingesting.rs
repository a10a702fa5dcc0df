//! Taking in: once for each idempotency key, through kills, and nothing of what is refused.

use casewise_agent::{ingest, input::IN_MEMORY, onboard};
use casewise_api::{
    ProblemKind,
    body::{IngestKind, IngestQuery},
};
use casewise_ledger::{EntryRef, Kind};

use crate::world::{Agent, Patient, world};

fn files(agent: &Agent) -> usize {
    let bodies = agent.data().join("bodies");
    let count = |path: std::path::PathBuf| std::fs::read_dir(path).unwrap().count();
    let published: usize = std::fs::read_dir(bodies.join("bodies"))
        .unwrap()
        .map(|directory| count(directory.unwrap().path()))
        .sum();
    published + count(bodies.join("staged"))
}

#[tokio::test]
async fn a_request_is_carried_out_once_through_restarts() {
    let mut agent = world().await;
    let patient = agent.onboard("ada").await;
    let case = patient.case();
    let (new, first) = agent.try_ingest(&case, "x", Some("key-1")).await.unwrap();
    assert!(new);
    let (new, again) = agent.try_ingest(&case, "x", Some("key-1")).await.unwrap();
    assert!(!new);
    assert_eq!((again.lane, again.index, again.leaf), (first.lane, first.index, first.leaf));
    agent.restart().await;
    let (new, after) = agent.try_ingest(&case, "x", Some("key-1")).await.unwrap();
    assert!(!new && after.index == first.index);
    let conflict = agent.try_ingest(&case, "y", Some("key-1")).await.unwrap_err();
    assert_eq!(conflict.problem_kind(), Some(ProblemKind::IdempotencyConflict));
    // without a key each request is its own
    assert_ne!(agent.ingest(&case, "x").await.index, agent.ingest(&case, "x").await.index);
    agent.settle().await;
    assert_eq!(agent.contents(&patient).await, ["x", "x", "x"]);
}

#[tokio::test]
async fn the_same_request_at_once_makes_one_entry() {
    let mut agent = world().await;
    let patient = agent.onboard("ada").await;
    let case = patient.case();
    let requests = (0..8).map(|_| agent.try_ingest(&case, "x", Some("key")));
    let answers = futures::future::join_all(requests).await;
    let news = answers.iter().filter(|answer| answer.as_ref().unwrap().0).count();
    assert_eq!(news, 1);
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().1.index == 0));
    assert_eq!(files(&agent), 1, "the bodies of the others are gone");
    agent.settle().await;
    assert_eq!(agent.contents(&patient).await, ["x"]);
}

#[tokio::test]
async fn many_at_once_into_many_lanes() {
    let mut agent = world().await;
    let mut patients = Vec::new();
    for name in ["ada", "ben", "cy", "dot"] {
        patients.push(agent.onboard(name).await);
    }
    let agent_ref = &agent;
    let requests = patients.iter().flat_map(|patient| {
        (0..16).map(move |n| async move { agent_ref.ingest(&patient.case(), &format!("{n}")).await })
    });
    let answers = futures::future::join_all(requests).await;
    assert_eq!(answers.len(), 64);
    agent.settle().await;
    for patient in &patients {
        let mut expected: Vec<_> = (0..16).map(|n| format!("{n}")).collect();
        expected.sort();
        assert_eq!(agent.contents(patient).await, expected);
    }
    agent.verify().await;
}

async fn refused(
    agent: &Agent,
    patient: &Patient,
    change: impl FnOnce(&mut IngestQuery),
    media_type: Option<&str>,
    content: &[u8],
) -> (ProblemKind, String) {
    let mut query =
        IngestQuery { case: Some(patient.case()), identifier: None, kind: IngestKind::Record, prev: None };
    change(&mut query);
    let result = async {
        let mut reception = ingest::receive(agent.app(), &query, media_type, None).await?;
        reception.push(content).await?;
        reception.finish().await
    };
    let problem = result.await.unwrap_err().problem();
    (problem.problem_kind().unwrap(), problem.field.unwrap_or_default())
}

#[tokio::test]
async fn what_is_refused_leaves_nothing() {
    let mut agent = world().await;
    let patient = agent.onboard("ada").await;
    let entry = agent.ingest(&patient.case(), "there").await;
    agent.settle().await;
    let (before, number) = (files(&agent), agent.app().store.commit_number().await.unwrap());
    let own = EntryRef { lane: entry.lane, index: 0 };
    let ahead = EntryRef { lane: entry.lane, index: 1 };
    let name = casewise_api::body::EntryName;
    let fhir = Some("application/fhir+json");
    let text = Some("text/plain");
    let same = |_: &mut IngestQuery| {};
    for (got, kind, field) in [
        (refused(&agent, &patient, same, None, b"x").await, ProblemKind::MediaType, "Content-Type"),
        (
            refused(&agent, &patient, same, Some("Text/Plain"), b"x").await,
            ProblemKind::MediaType,
            "Content-Type",
        ),
        (refused(&agent, &patient, same, fhir, b"{}").await, ProblemKind::Content, "resourceType"),
        (
            refused(&agent, &patient, same, fhir, b"{\"resourceType\":\"Pat").await,
            ProblemKind::Content,
            "byte 20",
        ),
        (
            refused(&agent, &patient, |q| q.case = Some(casewise_ledger::CaseId([9; 32])), text, b"x").await,
            ProblemKind::UnknownCase,
            "case",
        ),
        (refused(&agent, &patient, |q| q.case = None, text, b"x").await, ProblemKind::Malformed, "case"),
        (
            refused(
                &agent,
                &patient,
                |q| (q.case, q.identifier) = (None, Some("urn:mrn|1".parse().unwrap())),
                text,
                b"x",
            )
            .await,
            ProblemKind::UnknownIdentifier,
            "identifier",
        ),
        (
            refused(&agent, &patient, |q| q.kind = IngestKind::Amendment, text, b"x").await,
            ProblemKind::Malformed,
            "prev",
        ),
        (
            refused(&agent, &patient, |q| q.prev = Some(name(ahead)), text, b"x").await,
            ProblemKind::Malformed,
            "prev",
        ),
        (
            refused(&agent, &patient, |q| (q.kind, q.prev) = (IngestKind::Beat, Some(name(own))), None, b"")
                .await,
            ProblemKind::Malformed,
            "prev",
        ),
        (
            refused(&agent, &patient, |q| q.kind = IngestKind::Beat, None, b"x").await,
            ProblemKind::Malformed,
            "body",
        ),
    ] {
        assert_eq!((got.0, got.1.as_str()), (kind, field));
    }
    assert_eq!(files(&agent), before, "no file");
    assert_eq!(agent.app().store.commit_number().await.unwrap(), number, "no commit");
}

#[tokio::test]
async fn amendments_beats_and_a_body_that_goes_through_the_spool() {
    let mut agent = world().await;
    let patient = agent.onboard("ada").await;
    let first = agent.ingest(&patient.case(), "wrong").await;
    let prev = Some(casewise_api::body::EntryName(EntryRef { lane: first.lane, index: first.index }));
    let send = async |kind, prev, media_type: Option<&str>, content: &[u8]| {
        let query = IngestQuery { case: Some(patient.case()), identifier: None, kind, prev };
        let mut reception = ingest::receive(agent.app(), &query, media_type, None).await.unwrap();
        for piece in content.chunks(1 << 20) {
            reception.push(piece).await.unwrap();
        }
        reception.finish().await.unwrap().1
    };
    send(IngestKind::Amendment, prev, Some("text/plain"), b"right").await;
    send(IngestKind::Beat, None, None, b"").await;
    let large = "x".repeat(IN_MEMORY + 1);
    send(IngestKind::Record, prev, Some("text/plain"), large.as_bytes()).await;
    agent.settle().await;
    let contents = agent.contents(&patient).await;
    assert_eq!(contents.len(), 3);
    assert!(contents.contains(&large) && contents.contains(&"right".to_owned()));
    let entries = agent.app().store.entries(&first.lane, 0, 10).await.unwrap();
    let kinds: Vec<_> =
        entries.iter().map(|entry| (entry.header.kind, entry.header.prev.is_some())).collect();
    assert_eq!(
        kinds,
        [(Kind::Record, false), (Kind::Amendment, true), (Kind::Beat, false), (Kind::Record, true)]
    );
    // each names a block that was there, and a time of its own
    let times: std::collections::BTreeSet<_> = entries.iter().map(|entry| entry.header.time).collect();
    assert_eq!(times.len(), 4);
    assert!(entries.iter().all(|entry| entry.header.beacon.height > 0));
    assert_eq!(files(&agent), 4, "the spool is gone");
}

#[tokio::test]
async fn an_identifier_is_stored_as_a_keyed_hash_only() {
    let mut agent = world().await;
    let patient = agent.onboard("ada").await;
    let link =
        casewise_api::body::Link { system: "urn:mrn".into(), value: "MRN-4711".into(), case: patient.case() };
    onboard::link(agent.app(), &link).await.unwrap();
    let query = IngestQuery {
        case: None,
        identifier: Some("urn:mrn|MRN-4711".parse().unwrap()),
        kind: IngestKind::Record,
        prev: None,
    };
    let reception = ingest::receive(agent.app(), &query, Some("text/plain"), None).await.unwrap();
    let (_, entry) = reception.finish().await.unwrap();
    assert_eq!(entry.case, patient.case());
    for file in std::fs::read_dir(agent.data()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(8).any(|window| window == b"MRN-4711"), "{}", path.display());
        }
    }
    let unknown = casewise_api::body::Link { case: casewise_ledger::CaseId([9; 32]), ..link };
    assert!(onboard::link(agent.app(), &unknown).await.is_err());
}

#[tokio::test]
async fn offers_that_are_not_for_here() {
    let agent = world().await;
    let good = Patient::new(&agent.chain, 1, "ada").request();
    let elsewhere = Patient::new(&agent.chain, 2, "ada").request();
    let mut net = good.clone();
    net.offer.0.card.net = [9; 32];
    let mut key = good.clone();
    key.offer.0.kem_key[0] ^= 1;
    let mut signature = good.clone();
    signature.offer.0.signature[40] ^= 1;
    let mut expired = good.clone();
    expired.offer.0.expires = agent.chain.now();
    let holder = casewise_testkit::contracts::key("ada");
    let message = expired.offer.0.card.open_message(None, 1, expired.offer.0.expires);
    expired.offer.0.signature = holder.sign_message(&message);
    let mut policy = good.clone();
    policy.policy.grace = casewise_protocol::ppr::MAX_GRACE + 1;
    let mut prolonged = good.clone();
    prolonged.offer.0.expires += 1;
    for (request, kind, field) in [
        (net, ProblemKind::OfferNetwork, "offer.card.net"),
        (elsewhere, ProblemKind::OfferInstitution, "offer.institution"),
        (key, ProblemKind::OfferKey, "offer.kem_key"),
        (signature, ProblemKind::OfferSignature, "offer.signature"),
        (prolonged, ProblemKind::OfferSignature, "offer.signature"),
        (expired, ProblemKind::OfferExpired, "offer.expires"),
        (policy, ProblemKind::Malformed, "policy"),
    ] {
        let problem = onboard::register(agent.app(), &request).await.unwrap_err().problem();
        assert_eq!((problem.problem_kind(), problem.field.as_deref()), (Some(kind), Some(field)));
    }
    let case = good.offer.0.card.id();
    assert!(agent.app().store.case(&case).await.unwrap().is_none());
    // once it is there, another policy is another case
    onboard::register(agent.app(), &good).await.unwrap();
    let mut other = good.clone();
    other.policy.cadence += 1;
    let problem = onboard::register(agent.app(), &other).await.unwrap_err().problem();
    assert_eq!(problem.problem_kind(), Some(ProblemKind::OfferConflict));
}
