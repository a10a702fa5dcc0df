//! Openings: who may tell them, and what becomes of them.

use std::sync::Arc;

use casewise_api::body::GrantBody;
use casewise_api::{Packed, ProblemKind, route};
use casewise_ledger::records::GrantStatus;
use casewise_ledger::{LaneId, Opening, Party};
use http::StatusCode;

use crate::world::{
    Agent, Network, Patient, START, Site, TestChain, TestClock, grant, item, kind, manifest, opening, problem,
};

struct Setting {
    agent: Agent,
    patient: Patient,
    content: LaneId,
    access: LaneId,
    dir: tempfile::TempDir,
}

async fn setting() -> Setting {
    let dir = tempfile::tempdir().unwrap();
    let (chain, clock, net) = (TestChain::new(), TestClock::new(), Arc::new(Network::default()));
    let agent = Agent::start(Site::new(1), dir.path(), &chain, &clock, &net).await;
    agent.block(Agent::institutions(&[&Site::new(1), &Site::new(2)])).await;
    let patient = Patient::new(1, manifest().net(), 1);
    let (content, access) = agent.case(&patient).await;
    Setting { agent, patient, content, access, dir }
}

fn body(opening: &Opening) -> GrantBody {
    GrantBody { opening: Packed(opening.clone()) }
}

#[tokio::test]
async fn the_holder_s_opening_of_a_live_grant_is_kept_sealed() {
    let Setting { agent, patient, content, dir, .. } = setting().await;
    let opening = opening(&patient.case(), 1, 2, vec![item(content, 0, 9, false)]);
    let target = route::grant(&opening.commitment());
    agent.block(vec![grant(&opening, GrantStatus::Live)]).await;
    for _ in 0..2 {
        let answer = agent.put(&patient.key, &target, &body(&opening)).await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    }
    let row = agent.app.store.opening(&opening.commitment()).await.unwrap().unwrap();
    assert_eq!(agent.serving.openings.open(&row).unwrap(), opening);
    let word = opening.labels[0].as_bytes();
    let mut looked_at = 0;
    for file in std::fs::read_dir(dir.path().join("data")).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(path).unwrap();
            looked_at += bytes.len();
            assert!(!bytes.windows(word.len()).any(|window| window == word));
        }
    }
    assert!(looked_at > 10_000, "the database was looked at");
}

#[tokio::test]
async fn whatever_is_not_the_grant_on_chain_is_refused_and_leaves_no_trace() {
    let Setting { agent, patient, content, access, dir: _dir } = setting().await;
    let good = opening(&patient.case(), 1, 2, vec![item(content, 0, 9, false)]);
    agent.block(vec![grant(&good, GrantStatus::Live)]).await;
    type Change = fn(&mut Opening);
    // changed after the commitment: any field
    let changes: [Change; 13] = [
        |o| o.case.0[0] ^= 1,
        |o| o.grantee = Party::Institution(3),
        |o| o.practitioner = Some(casewise_ledger::Address([1; 20])),
        |o| o.author = Party::Institution(2),
        |o| o.purpose = "HRESCH".into(),
        |o| o.labels.clear(),
        |o| o.items[0].lane.0[0] ^= 1,
        |o| o.items[0].last += 1,
        |o| o.items[0].follow = true,
        |o| o.not_before -= 1,
        |o| o.not_after += 1,
        |o| o.erase_by += 1,
        |o| o.salt[0] ^= 1,
    ];
    let target = route::grant(&good.commitment());
    for (position, change) in changes.into_iter().enumerate() {
        let mut changed = good.clone();
        change(&mut changed);
        let answer = agent.put(&patient.key, &target, &body(&changed)).await;
        assert_eq!(kind(&answer), ProblemKind::GrantRefused, "{position}");
        assert_eq!(problem(&answer).field.as_deref(), Some("commitment"), "{position}");
    }
    // committed to, and wrong in itself or on chain
    let refused = async |wrong: Opening, field: &str| {
        agent.block(vec![grant(&wrong, GrantStatus::Live)]).await;
        let target = route::grant(&wrong.commitment());
        let answer = agent.put(&patient.key, &target, &body(&wrong)).await;
        assert_eq!(kind(&answer), ProblemKind::GrantRefused);
        assert_eq!(problem(&answer).field.as_deref(), Some(field));
        assert!(agent.app.store.opening(&wrong.commitment()).await.unwrap().is_none());
    };
    refused(Opening { author: Party::Institution(2), ..good.clone() }, "opening.author").await;
    refused(Opening { purpose: "WHATEVER".into(), ..good.clone() }, "opening.purpose").await;
    refused(Opening { items: vec![item(access, 0, 1, false)], ..good.clone() }, "opening.items").await;
    refused(Opening { items: vec![item(LaneId([9; 32]), 0, 1, false)], ..good.clone() }, "opening.items")
        .await;
    // on chain for fewer days than the opening says
    let long = Opening { not_after: START + 3 * 86_400_000, ..good.clone() };
    let casewise_agent::store::Change::Grant(mut view) = grant(&long, GrantStatus::Live) else { panic!() };
    view.record.last = view.record.first;
    agent.block(vec![casewise_agent::store::Change::Grant(view)]).await;
    let answer = agent.put(&patient.key, &route::grant(&long.commitment()), &body(&long)).await;
    assert_eq!(problem(&answer).field.as_deref(), Some("opening.not_before"));
    // not in a block, or over
    let later = Opening { salt: [77; 32], ..good.clone() };
    let answer = agent.put(&patient.key, &route::grant(&later.commitment()), &body(&later)).await;
    assert_eq!(kind(&answer), ProblemKind::GrantRefused);
    agent.block(vec![grant(&good, GrantStatus::Revoked)]).await;
    let answer = agent.put(&patient.key, &target, &body(&good)).await;
    assert_eq!(kind(&answer), ProblemKind::GrantRefused);
    assert!(agent.app.store.openings_of(&patient.case()).await.unwrap().is_empty());
}

#[tokio::test]
async fn only_the_holder_tells() {
    let Setting { agent, patient, content, dir: _dir, .. } = setting().await;
    let other = Patient::new(2, manifest().net(), 1);
    agent.case(&other).await;
    let opening = opening(&patient.case(), 1, 2, vec![item(content, 0, 9, false)]);
    agent.block(vec![grant(&opening, GrantStatus::Live)]).await;
    let target = route::grant(&opening.commitment());
    for key in [&other.key, &Site::new(2).operator, &Site::new(1).operator] {
        assert_eq!(kind(&agent.put(key, &target, &body(&opening)).await), ProblemKind::Absent);
    }
    assert!(agent.app.store.opening(&opening.commitment()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_grant_that_the_client_saw_a_block_earlier_is_waited_for() {
    let Setting { agent, patient, content, dir: _dir, .. } = setting().await;
    let opening = opening(&patient.case(), 1, 2, vec![item(content, 0, 9, false)]);
    let target = route::grant(&opening.commitment());
    let message = body(&opening);
    let told = agent.put(&patient.key, &target, &message);
    let block = async {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        agent.block(vec![grant(&opening, GrantStatus::Live)]).await;
    };
    let (answer, ()) = tokio::join!(told, block);
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn bodies_that_are_not_json_of_this_form_are_named() {
    let Setting { agent, patient, content, dir: _dir, .. } = setting().await;
    let opening = opening(&patient.case(), 1, 2, vec![item(content, 0, 9, false)]);
    let target = route::grant(&opening.commitment());
    let put = async |media_type: &str, body: &[u8]| {
        agent.call(&patient.key, http::Method::PUT, &target, media_type, body).await
    };
    let good = serde_json::to_vec(&body(&opening)).unwrap();
    assert_eq!(kind(&put("text/plain", &good).await), ProblemKind::MediaType);
    for (bad, field) in [
        (&b""[..], "body"),
        (b"{}", "opening"),
        (b"{\"opening\": \"AAAA\"}", "opening"),
        (b"{\"more\": 2}", "more"),
    ] {
        let answer = put("application/json", bad).await;
        assert_eq!(kind(&answer), ProblemKind::Malformed);
        assert_eq!(problem(&answer).field.as_deref(), Some(field));
    }
    let most = casewise_api::limits::MAX_JSON;
    let answer = put("application/json", &vec![b' '; most]).await;
    assert_eq!(kind(&answer), ProblemKind::Malformed);
    let mut request = agent.request(&patient.key, http::Method::PUT, &target, &vec![b' '; most + 1]);
    request.headers_mut().insert("content-type", "application/json".parse().unwrap());
    assert_eq!(kind(&agent.send(request).await), ProblemKind::TooLarge);
}
