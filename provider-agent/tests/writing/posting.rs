//! Posting: whatever a node does, one transaction is on its way at a time, nothing is posted twice,
//! and everything gets there.

use std::collections::{BTreeMap, BTreeSet};

use casewise_agent::{
    app::Gate,
    onboard,
    store::{CaseState, TxState},
    submitter::{BENCH_BLOCKS, TX_TIMEOUT_BLOCKS},
};
use casewise_ledger::records::{LaneStatus, RelationshipStatus};
use casewise_protocol::ppr;

use crate::{
    devchain::Fault,
    world::{Agent, Patient, world},
};

/// For each sequence at most one transaction was ever in a block, and none was signed while another
/// of the same sequence could still get into one.
fn assert_one_at_a_time(agent: &Agent) {
    let mut by_sequence: BTreeMap<u64, Vec<_>> = BTreeMap::new();
    for tx in agent.chain.sent() {
        by_sequence.entry(tx.sequence()).or_default().push(tx);
    }
    for (sequence, txs) in by_sequence {
        let included = txs.iter().filter(|tx| agent.chain.included(&tx.hash()).is_some()).count();
        assert!(included <= 1, "sequence {sequence} is in {included} blocks");
        for pair in txs.windows(2) {
            let apart = pair[1].timeout_height() > pair[0].timeout_height() + TX_TIMEOUT_BLOCKS - 1;
            assert!(apart, "sequence {sequence} was signed again while the first could still get in");
        }
    }
}

#[tokio::test]
async fn a_case_is_enrolled_and_its_records_are_anchored() {
    let mut agent = world().await;
    let patient = agent.onboard("ada").await;
    let app = agent.app().clone();
    let case = patient.case();
    assert_eq!(app.store.case(&case).await.unwrap().unwrap().state, CaseState::Enrolled);
    let relationship = app.store.relationship(&case, 1).await.unwrap().unwrap();
    assert_eq!(relationship.record.status, RelationshipStatus::Proposed);
    assert_eq!(app.store.case_of_holder(&patient.key.address()).await.unwrap(), Some(case));
    assert_eq!(app.store.policy(&case).await.unwrap().unwrap().grace, 600);
    // while proposed, the enrolling institution takes in and anchors
    for n in 0..5 {
        let entry = agent.ingest(&case, &format!("record {n}")).await;
        assert_eq!(entry.index, n);
        assert_eq!(entry.head.verify().unwrap(), agent.operator.address());
        assert_eq!(entry.head.size, n + 1);
    }
    agent.settle().await;
    assert_eq!(agent.contents(&patient).await, (0..5).map(|n| format!("record {n}")).collect::<Vec<_>>());
    drop(app);
    agent.verify().await;
    assert_one_at_a_time(&agent);
    // a repeated offer changes nothing
    let sent = agent.chain.sent().len();
    let (new, opened) = onboard::register(agent.app(), &patient.request()).await.unwrap();
    assert!(!new && opened.lanes.len() == 2);
    agent.settle().await;
    assert_eq!(agent.chain.sent().len(), sent);
}

#[tokio::test]
async fn a_lost_answer_and_a_lost_transaction() {
    for fault in [Fault::Silent, Fault::Lost, Fault::WrongSequence] {
        let mut agent = world().await;
        let patient = agent.onboard("ada").await;
        agent.ingest(&patient.case(), "one").await;
        let before = agent.chain.sent().len();
        agent.chain.fault(fault);
        agent.settle().await;
        assert_eq!(agent.contents(&patient).await, ["one"], "{fault:?}");
        let sent = agent.chain.sent();
        assert_eq!(sent.len(), before + 1, "{fault:?}: only the same bytes are sent again");
        if fault != Fault::Silent {
            assert!(agent.chain.times_sent(&sent[before].hash()) > 1, "{fault:?}");
        }
        assert_one_at_a_time(&agent);
    }
}

#[tokio::test]
async fn what_never_gets_in_is_signed_again_only_after_its_last_height() {
    let mut agent = world().await;
    let patient = agent.onboard("ada").await;
    agent.ingest(&patient.case(), "one").await;
    let before = agent.chain.sent().len();
    // every sending of these bytes is lost
    for _ in 0..TX_TIMEOUT_BLOCKS {
        agent.chain.fault(Fault::Lost);
    }
    agent.post().await.unwrap();
    let first = agent.app().store.tx_in_flight().await.unwrap().unwrap();
    while agent.chain.height() < first.timeout_height {
        agent.post().await.unwrap();
        assert_eq!(agent.chain.sent().len(), before + 1, "height {}", agent.chain.height());
        agent.block().await;
    }
    assert_eq!(agent.app().store.last_tx().await.unwrap().unwrap().state, TxState::Expired);
    agent.chain.heal();
    agent.settle().await;
    let sent = agent.chain.sent();
    assert_eq!(sent.len(), before + 2);
    assert_eq!(sent[before].sequence(), sent[before + 1].sequence(), "its sequence was never used");
    assert_eq!(agent.contents(&patient).await, ["one"]);
    assert_one_at_a_time(&agent);
}

#[tokio::test]
async fn a_kill_between_storing_and_sending_and_one_before_the_block_is_seen() {
    let mut agent = world().await;
    let patient = agent.onboard("ada").await;
    agent.ingest(&patient.case(), "one").await;
    let before = agent.chain.sent().len();
    // stored and never sent
    agent.chain.fault(Fault::Lost);
    agent.post().await.unwrap();
    let stored = agent.app().store.tx_in_flight().await.unwrap().unwrap();
    agent.restart().await;
    agent.post().await.unwrap();
    let sent = agent.chain.sent();
    assert_eq!(sent.last().unwrap().hash(), stored.hash, "the stored bytes, not new ones");
    // in a block that the agent does not see before it is killed
    agent.chain.block();
    assert!(agent.chain.included(&stored.hash).is_some());
    agent.restart().await;
    assert!(agent.app().store.tx_in_flight().await.unwrap().is_none(), "settled from the block");
    agent.settle().await;
    assert_eq!(agent.chain.sent().len(), before + 1);
    assert_eq!(agent.contents(&patient).await, ["one"]);
}

#[tokio::test]
async fn a_refused_case_does_not_stop_the_others() {
    let mut agent = world().await;
    let patients: Vec<_> =
        ["ada", "ben", "cy"].iter().map(|name| Patient::new(&agent.chain, 1, name)).collect();
    for patient in &patients {
        onboard::register(agent.app(), &patient.request()).await.unwrap();
    }
    // allowances first
    agent.post().await.unwrap();
    agent.block().await;
    let bad = &patients[1];
    let card = casewise_protocol::convert::blob(&bad.offer.card).to_base64();
    agent.chain.refuse(Some(&card));
    agent.settle().await;
    let state = async |patient: &Patient| agent.app().store.case(&patient.case()).await.unwrap().unwrap();
    assert_eq!(state(&patients[0]).await.state, CaseState::Enrolled);
    assert_eq!(state(&patients[2]).await.state, CaseState::Enrolled);
    let refused = state(bad).await;
    assert_eq!(refused.state, CaseState::Refused);
    assert!(refused.error.unwrap().contains("refused"), "the chain's words are kept");
    let status = casewise_agent::status::status(agent.app()).await.unwrap();
    assert!(status.stalled.unwrap().contains(&bad.case().to_string()), "and shown");
    // nothing was taken in for it, and the offer may be shown again
    let problem = agent.try_ingest(&bad.case(), "x", None).await.unwrap_err();
    assert_eq!(problem.status, 503);
    agent.chain.refuse(None);
    onboard::register(agent.app(), &bad.request()).await.unwrap();
    for _ in 0..BENCH_BLOCKS {
        agent.block().await;
    }
    agent.settle().await;
    agent.ingest(&bad.case(), "now").await;
    agent.settle().await;
    assert_eq!(agent.contents(bad).await, ["now"]);
}

#[tokio::test]
async fn what_fails_in_its_block_is_tried_less_and_less_often() {
    let mut agent = world().await;
    let patient = agent.onboard("ada").await;
    agent.ingest(&patient.case(), "one").await;
    agent.chain.fail(true);
    let before = agent.chain.sent().len();
    for _ in 0..40 {
        agent.post().await.unwrap();
        agent.block().await;
    }
    let spent = agent.chain.sent().len() - before;
    assert!((2..=7).contains(&spent), "{spent} fees for nothing");
    agent.chain.fail(false);
    agent.settle().await;
    assert_eq!(agent.contents(&patient).await, ["one"]);
    assert_one_at_a_time(&agent);
}

#[tokio::test]
async fn a_node_that_is_cut_off_delays_posting_and_nothing_else() {
    let mut agent = world().await;
    let patient = agent.onboard("ada").await;
    agent.chain.cut_off(true);
    for n in 0..3 {
        agent.ingest(&patient.case(), &format!("record {n}")).await;
    }
    assert!(agent.post().await.is_err());
    agent.chain.cut_off(false);
    agent.settle().await;
    assert_eq!(agent.contents(&patient).await.len(), 3);
}

#[tokio::test]
async fn somebody_else_with_the_same_key_stops_the_agent() {
    let mut agent = world().await;
    let patient = agent.onboard("ada").await;
    agent.ingest(&patient.case(), "one").await;
    agent.settle().await;
    let account = agent.operator.address();
    agent.chain.fund(account, 99);
    agent.ingest(&patient.case(), "two").await;
    let error = agent.post().await.unwrap_err();
    assert!(error.to_string().contains("another process signs"), "{error}");
}

#[tokio::test]
async fn a_revocation_rotates_and_is_acknowledged() {
    let mut agent = world().await;
    let patient = agent.onboard("ada").await;
    agent.accept(&patient).await;
    let case = patient.case();
    let old = agent.ingest(&case, "before").await.lane;
    agent.settle().await;
    agent.ingest(&case, "not anchored yet").await;
    // the holder grants and revokes
    let grant = casewise_testkit::contracts::commitment("any");
    let day = (agent.chain.now() / 86_400_000) as u32;
    let ppr = agent.chain.contracts().ppr;
    let made = ppr::NewGrant::new(&grant, (day, day + 1));
    agent.chain.act(&patient.key.address(), ppr, &ppr::ExecuteMsg::grant(&case, vec![made]));
    agent.block().await;
    agent.chain.act(&patient.key.address(), ppr, &ppr::ExecuteMsg::revoke(&case, &[grant]));
    agent.chain.block();
    agent.follow().await;
    // at once: the old lane takes nothing more, its keys are gone
    let problem = agent.try_ingest(&case, "too early", None).await.unwrap_err();
    assert_eq!(problem.status, 503, "the new lane is not open yet");
    assert!(agent.app().store.keys(&old).await.unwrap().is_none());
    assert_eq!(agent.app().store.rev(&case).await.unwrap().acked, 0, "not before the rotation is in a block");
    agent.settle().await;
    let view = agent.app().store.lane_view(&old).await.unwrap().unwrap();
    assert_eq!(
        (view.record.status, view.record.size),
        (LaneStatus::Closed, 2),
        "closed with all its entries"
    );
    assert_eq!(agent.app().store.rev(&case).await.unwrap().acked, 1);
    let new = agent.ingest(&case, "after").await;
    assert_ne!(new.lane, old);
    assert_eq!(new.index, 0);
    agent.settle().await;
    assert_eq!(agent.contents(&patient).await, ["after", "before", "not anchored yet"]);
    let header = agent.app().store.lane(&new.lane).await.unwrap().unwrap().header;
    assert_eq!(header.predecessor, Some(old));
    // the access lane goes on
    let open = agent.app().store.lane_views(&case).await.unwrap();
    let open: BTreeSet<_> = open
        .iter()
        .filter(|view| view.record.status == LaneStatus::Open)
        .map(|view| view.record.class)
        .collect();
    assert_eq!(open.len(), 2);
    agent.verify().await;
    assert_eq!(agent.gate(), Gate::Open);
}
