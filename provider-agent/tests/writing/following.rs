//! Following the chain: in order, nothing skipped, and stopping where it cannot go on.

use std::sync::Arc;

use casewise_agent::{app::Gate, status};
use casewise_ledger::records::GrantStatus;
use casewise_protocol::{ppr, registrar};

use crate::{
    devchain::DevChain,
    world::{Agent, world},
};

#[tokio::test]
async fn the_view_is_the_contracts_state() {
    let mut agent = world().await;
    let other = Agent::new(agent.chain.clone(), 2).await;
    agent.follow().await;
    let patient = agent.onboard("ada").await;
    let elsewhere = {
        let mut other = other;
        other.follow().await;
        other.onboard("ben").await
    };
    agent.accept(&patient).await;
    for n in 0..7 {
        agent.ingest(&patient.case(), &format!("{n}")).await;
    }
    agent.settle().await;
    let (case, contracts) = (patient.case(), agent.chain.contracts());
    let day = (agent.chain.now() / 86_400_000) as u32;
    let [live, over] = ["live", "over"].map(casewise_testkit::contracts::commitment);
    let made = [live, over].map(|grant| ppr::NewGrant::new(&grant, (day, day + 1)));
    let holder = patient.key.address();
    agent.chain.act(&holder, contracts.ppr, &ppr::ExecuteMsg::grant(&case, made.to_vec()));
    agent.chain.block();
    agent.chain.act(&holder, contracts.ppr, &ppr::ExecuteMsg::revoke(&case, &[over]));
    agent.chain.govern(contracts.registrar, &registrar::ExecuteMsg::SuspendInstitution { institution: 2 });
    agent.chain.block();
    agent.follow().await;
    agent.settle().await;
    let store = &agent.app().store;
    assert_eq!(store.grant(&live).await.unwrap().unwrap().record.status, GrantStatus::Live);
    let revoked = store.grant(&over).await.unwrap().unwrap();
    assert_eq!(revoked.record.status, GrantStatus::Revoked);
    assert_eq!(store.rev(&case).await.unwrap().changed, revoked.changed);
    let suspended = store.institution(2).await.unwrap().unwrap();
    assert_eq!(suspended.endpoint, "https://a.example");
    assert!(store.identity(&elsewhere.case()).await.unwrap().is_none(), "cases of others are not read");
    agent.verify().await;
}

#[tokio::test]
async fn another_history_stops_the_agent() {
    let mut agent = world().await;
    agent.onboard("ada").await;
    agent.chain.rewrite_last_block();
    agent.chain.block();
    let error = agent.try_follow().await;
    // the block itself is known; the next one follows another
    assert!(error.is_err_and(|error| error.to_string().contains("does not follow")));
}

#[tokio::test]
async fn a_database_of_another_institution_is_refused() {
    let chain = Arc::new(DevChain::new());
    let mut agent = Agent::new(chain.clone(), 1).await;
    agent.kill().await;
    agent.number = 2;
    let error = agent.try_start().await.unwrap_err().to_string();
    assert!(error.contains("belongs to institution 1"), "{error}");
}

#[tokio::test]
async fn an_event_that_is_not_understood_stops_the_view_and_nothing_is_skipped() {
    for kind in ["wasm-lane_opened", "wasm-something_new"] {
        let mut agent = world().await;
        let patient = agent.onboard("ada").await;
        let before = agent.app().store.cursor().await.unwrap();
        agent.chain.strange(kind);
        agent.chain.block();
        agent.chain.block();
        for _ in 0..3 {
            assert!(agent.try_follow().await.is_err(), "{kind}");
        }
        assert_eq!(agent.app().store.cursor().await.unwrap(), before, "{kind}: the block is not passed over");
        // the running task says so
        let app = agent.app().clone();
        let watching = tokio::spawn(async move { casewise_agent::watcher::run(&app).await });
        let app = agent.app().clone();
        while app.health().stalled.is_none() {
            tokio::task::yield_now().await;
        }
        assert!(!status::ready(&app));
        watching.abort();
        // what was taken in stays acknowledged
        agent.ingest(&patient.case(), "x").await;
    }
}

#[tokio::test]
async fn nothing_is_taken_in_before_the_agent_has_caught_up() {
    let mut agent = world().await;
    let patient = agent.onboard("ada").await;
    agent.kill().await;
    agent.start().await;
    assert_eq!(agent.gate(), Gate::Starting);
    let problem = agent.try_ingest(&patient.case(), "x", None).await.unwrap_err();
    assert_eq!(problem.status, 503);
    agent.chain.cut_off(true);
    assert!(agent.try_follow().await.is_err());
    assert_eq!(
        agent.gate(),
        Gate::Starting,
        "an old database cannot be told from a new one without the chain"
    );
    agent.chain.cut_off(false);
    agent.follow().await;
    agent.ingest(&patient.case(), "x").await;
}

#[tokio::test]
async fn hundreds_of_blocks_at_once() {
    let mut agent = world().await;
    let patient = agent.onboard("ada").await;
    agent.ingest(&patient.case(), "x").await;
    agent.post().await.unwrap();
    agent.kill().await;
    for _ in 0..600 {
        agent.chain.block();
    }
    agent.start().await;
    agent.follow().await;
    assert_eq!(agent.app().store.cursor().await.unwrap().unwrap().height, agent.chain.height());
    assert_eq!(agent.contents(&patient).await, ["x"]);
}
