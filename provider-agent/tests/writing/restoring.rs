//! A database that was put back: told by each witness, and never two heads that disagree.

use std::{collections::BTreeMap, path::Path};

use casewise_agent::{
    app::Gate,
    onboard,
    store::{EndReason, LaneState, RestoreState},
    submitter::TX_TIMEOUT_BLOCKS,
};
use casewise_api::body::{EntryAccepted, EntryRange};
use casewise_ledger::{Hash, LaneId, merkle, records::LaneStatus};

use crate::{
    devchain::Fault,
    world::{Agent, Patient, copy, put_back, world},
};

/// Every leaf that was ever acknowledged, and every head that was ever signed or anchored.
#[derive(Default)]
struct Truth {
    leaves: BTreeMap<(LaneId, u32), Hash>,
    heads: Vec<(LaneId, u32, Hash)>,
}

impl Truth {
    async fn ingest(&mut self, agent: &Agent, patient: &Patient, content: &str) -> EntryAccepted {
        let entry = agent.ingest(&patient.case(), content).await;
        let before = self.leaves.insert((entry.lane, entry.index), entry.leaf.0);
        assert!(before.is_none(), "lane {} index {} was used twice", entry.lane, entry.index);
        self.heads.push((entry.lane, entry.head.size, entry.head.root.0));
        entry
    }

    /// Every head is a prefix of the one history of its lane.
    async fn check(&self, agent: &Agent, patient: &Patient) {
        let mut heads = self.heads.clone();
        for view in agent.app().store.lane_views(&patient.case()).await.unwrap() {
            heads.push((view.lane, view.record.size, view.record.root));
        }
        for (lane, size, root) in heads {
            let leaves: Option<Vec<Hash>> =
                (0..size).map(|index| self.leaves.get(&(lane, index)).copied()).collect();
            let leaves = leaves.unwrap_or_else(|| panic!("lane {lane} has an entry nobody was told of"));
            assert_eq!(merkle::root(&leaves), root, "two heads of lane {lane} disagree at size {size}");
        }
    }
}

/// Blocks until the wait of a restore is over, and everything that follows.
async fn wait_out(agent: &mut Agent) {
    assert_eq!(agent.gate(), Gate::Restoring);
    for _ in 0..=TX_TIMEOUT_BLOCKS {
        assert_eq!(agent.gate(), Gate::Restoring);
        agent.post().await.unwrap();
        agent.block().await;
        if agent.gate() == Gate::Open {
            break;
        }
    }
    assert_eq!(agent.gate(), Gate::Open);
    agent.settle().await;
}

/// An agent with one case, two anchored entries, one acknowledged and not anchored, and a copy of its
/// data; then two more entries, anchored.
async fn with_copy(to: &Path) -> (Agent, Patient, Truth, LaneId) {
    let mut agent = world().await;
    let patient = agent.onboard("ada").await;
    let mut truth = Truth::default();
    truth.ingest(&agent, &patient, "0").await;
    let lane = truth.ingest(&agent, &patient, "1").await.lane;
    agent.settle().await;
    truth.ingest(&agent, &patient, "2").await;
    agent.kill().await;
    copy(&agent.data(), &to.join("data"));
    std::fs::copy(agent.epoch_file(), to.join("epoch")).unwrap();
    agent.start().await;
    agent.follow().await;
    truth.ingest(&agent, &patient, "3").await;
    truth.ingest(&agent, &patient, "4").await;
    agent.settle().await;
    (agent, patient, truth, lane)
}

async fn check_restored(agent: &mut Agent, patient: &Patient, truth: &mut Truth, lane: LaneId) {
    wait_out(agent).await;
    let report = casewise_agent::restore::report(agent.app()).await.unwrap();
    assert!(report.restored);
    assert_eq!(report.missing, [EntryRange { lane, first: 3, last: 4 }]);
    let closed = report.closed.iter().find(|closed| closed.lane == lane).unwrap();
    assert_eq!(report.closed.len(), 2, "content and access lane");
    let row = agent.app().store.lane(&lane).await.unwrap().unwrap();
    assert_eq!((row.state, row.reason, row.head.size), (LaneState::Closed, Some(EndReason::Restored), 3));
    assert!(agent.app().store.keys(&lane).await.unwrap().is_none());
    let view = agent.app().store.lane_view(&lane).await.unwrap().unwrap();
    assert_eq!((view.record.status, view.record.size), (LaneStatus::Closed, 5));
    let entry = truth.ingest(agent, patient, "5").await;
    assert_eq!(Some(entry.lane), closed.successor);
    assert_eq!(entry.index, 0);
    agent.settle().await;
    truth.check(agent, patient).await;
    assert_eq!(agent.contents(patient).await, ["5"], "the patient opens the successor");
    // a further restart finds nothing wrong
    agent.restart().await;
    assert_eq!(agent.gate(), Gate::Open);
    truth.ingest(agent, patient, "6").await;
    agent.settle().await;
    truth.check(agent, patient).await;
}

#[tokio::test]
async fn told_by_the_number_in_the_epoch_file() {
    let kept = tempfile::tempdir().unwrap();
    let (mut agent, patient, mut truth, lane) = with_copy(kept.path()).await;
    agent.kill().await;
    put_back(&kept.path().join("data"), &agent.data());
    agent.start().await;
    // before the chain is even looked at
    let row = agent.app().store.lane(&lane).await.unwrap().unwrap();
    assert_eq!(row.state, LaneState::Ended);
    assert_eq!(agent.app().store.restore_state().await.unwrap(), RestoreState::Pending);
    assert_eq!(agent.gate(), Gate::Starting);
    assert!(agent.try_ingest(&patient.case(), "x", None).await.is_err());
    agent.follow().await;
    check_restored(&mut agent, &patient, &mut truth, lane).await;
}

#[tokio::test]
async fn told_by_the_place_of_an_epoch_file_that_was_copied_back() {
    let kept = tempfile::tempdir().unwrap();
    let (mut agent, patient, mut truth, lane) = with_copy(kept.path()).await;
    agent.kill().await;
    put_back(&kept.path().join("data"), &agent.data());
    // a new file that keeps the old one's mode
    let place = agent.epoch_file();
    std::fs::copy(kept.path().join("epoch"), place.with_extension("new")).unwrap();
    std::fs::rename(place.with_extension("new"), &place).unwrap();
    agent.start().await;
    assert_eq!(agent.app().store.restore_state().await.unwrap(), RestoreState::Pending);
    agent.follow().await;
    check_restored(&mut agent, &patient, &mut truth, lane).await;
}

/// Puts data and epoch file back as an image of the whole machine would: same place, same numbers.
async fn put_back_image(agent: &mut Agent, kept: &Path) {
    agent.kill().await;
    put_back(&kept.join("data"), &agent.data());
    std::fs::write(agent.epoch_file(), std::fs::read(kept.join("epoch")).unwrap()).unwrap();
    agent.start().await;
    assert_eq!(
        agent.app().store.restore_state().await.unwrap(),
        RestoreState::None,
        "the file knows nothing"
    );
}

#[tokio::test]
async fn told_by_the_chain_s_heads() {
    let kept = tempfile::tempdir().unwrap();
    let (mut agent, patient, mut truth, lane) = with_copy(kept.path()).await;
    put_back_image(&mut agent, kept.path()).await;
    agent.follow().await;
    check_restored(&mut agent, &patient, &mut truth, lane).await;
}

#[tokio::test]
async fn told_by_the_account_s_sequence_alone() {
    let kept = tempfile::tempdir().unwrap();
    let mut agent = world().await;
    let patient = agent.onboard("ada").await;
    let mut truth = Truth::default();
    truth.ingest(&agent, &patient, "0").await;
    agent.settle().await;
    agent.kill().await;
    copy(&agent.data(), &kept.path().join("data"));
    std::fs::copy(agent.epoch_file(), kept.path().join("epoch")).unwrap();
    agent.start().await;
    agent.follow().await;
    // the lost time: an entry is acknowledged; its anchor is in a block and fails there
    truth.ingest(&agent, &patient, "1").await;
    agent.chain.fail(true);
    agent.post().await.unwrap();
    agent.block().await;
    agent.chain.fail(false);
    put_back_image(&mut agent, kept.path()).await;
    agent.follow().await;
    wait_out(&mut agent).await;
    truth.ingest(&agent, &patient, "2").await;
    agent.settle().await;
    truth.check(&agent, &patient).await;
}

#[tokio::test]
async fn a_transaction_of_the_lost_time_that_gets_in_late_does_no_harm() {
    let kept = tempfile::tempdir().unwrap();
    let (mut agent, patient, mut truth, lane) = with_copy(kept.path()).await;
    // the last thing the lost time did: an anchor on its way
    truth.ingest(&agent, &patient, "late").await;
    agent.chain.fault(Fault::Silent);
    agent.post().await.unwrap();
    agent.kill().await;
    put_back(&kept.path().join("data"), &agent.data());
    agent.start().await;
    agent.follow().await;
    assert_eq!(agent.gate(), Gate::Restoring);
    agent.block().await;
    assert_eq!(agent.chain.lane(lane).size, 6, "it got in");
    wait_out(&mut agent).await;
    let report = casewise_agent::restore::report(agent.app()).await.unwrap();
    assert_eq!(report.missing, [EntryRange { lane, first: 3, last: 5 }]);
    truth.ingest(&agent, &patient, "after").await;
    agent.settle().await;
    truth.check(&agent, &patient).await;
}

#[tokio::test]
async fn entries_of_the_copy_that_were_never_anchored_are_anchored_now() {
    let kept = tempfile::tempdir().unwrap();
    let mut agent = world().await;
    let patient = agent.onboard("ada").await;
    let mut truth = Truth::default();
    truth.ingest(&agent, &patient, "0").await;
    agent.settle().await;
    let lane = truth.ingest(&agent, &patient, "1").await.lane;
    agent.kill().await;
    copy(&agent.data(), &kept.path().join("data"));
    agent.start().await;
    agent.follow().await;
    // acknowledged after the copy and lost with it: never anchored
    truth.ingest(&agent, &patient, "2").await;
    agent.kill().await;
    put_back(&kept.path().join("data"), &agent.data());
    agent.start().await;
    agent.follow().await;
    wait_out(&mut agent).await;
    assert_eq!(agent.chain.lane(lane).size, 2, "closed at what the copy holds");
    truth.ingest(&agent, &patient, "3").await;
    agent.settle().await;
    truth.check(&agent, &patient).await;
    assert_eq!(agent.contents(&patient).await, ["0", "1", "3"]);
    assert!(casewise_agent::restore::report(agent.app()).await.unwrap().missing.is_empty());
}

#[tokio::test]
async fn a_case_the_copy_does_not_know_waits_for_the_offer() {
    let kept = tempfile::tempdir().unwrap();
    let mut agent = world().await;
    agent.kill().await;
    copy(&agent.data(), &kept.path().join("data"));
    agent.start().await;
    agent.follow().await;
    let patient = agent.onboard("ada").await;
    let mut truth = Truth::default();
    let lane = truth.ingest(&agent, &patient, "0").await.lane;
    agent.settle().await;
    agent.kill().await;
    put_back(&kept.path().join("data"), &agent.data());
    agent.start().await;
    agent.follow().await;
    wait_out(&mut agent).await;
    let problem = agent.try_ingest(&patient.case(), "x", None).await.unwrap_err();
    assert!(problem.detail.contains("POST /v1/cases"), "{problem}");
    let report = casewise_agent::restore::report(agent.app()).await.unwrap();
    assert_eq!(report.missing, [EntryRange { lane, first: 0, last: 0 }]);
    // long after the offer has expired: the case is enrolled, the patient only shows the key again
    let mut request = patient.request();
    request.offer.0.expires = patient.offer.expires;
    let (new, _) = onboard::register(agent.app(), &request).await.unwrap();
    assert!(new);
    agent.block().await;
    agent.settle().await;
    let entry = truth.ingest(&agent, &patient, "1").await;
    assert_ne!(entry.lane, lane);
    agent.settle().await;
    truth.check(&agent, &patient).await;
    assert_eq!(agent.contents(&patient).await, ["1"]);
}

#[tokio::test]
async fn killed_at_any_moment_of_a_restore_it_goes_on() {
    let kept = tempfile::tempdir().unwrap();
    let (mut agent, patient, mut truth, lane) = with_copy(kept.path()).await;
    agent.kill().await;
    put_back(&kept.path().join("data"), &agent.data());
    agent.start().await;
    agent.kill().await;
    agent.start().await;
    agent.follow().await;
    for _ in 0..3 {
        agent.block().await;
        agent.restart().await;
        assert_eq!(agent.gate(), Gate::Restoring);
    }
    let RestoreState::Until(until) = agent.app().store.restore_state().await.unwrap() else { panic!() };
    while agent.chain.height() < until {
        agent.block().await;
    }
    assert_eq!(agent.gate(), Gate::Open);
    agent.restart().await;
    // the rotation is stored and lost
    agent.chain.fault(Fault::Lost);
    agent.post().await.unwrap();
    agent.restart().await;
    agent.settle().await;
    assert_eq!(agent.chain.lane(lane).size, 5);
    truth.ingest(&agent, &patient, "5").await;
    agent.settle().await;
    truth.check(&agent, &patient).await;
    assert_eq!(agent.chain.lane(lane).status, casewise_protocol::convert::LaneStatus::Closed);
}

#[tokio::test]
async fn a_copy_of_the_time_that_was_lost_is_known_too() {
    let kept = tempfile::tempdir().unwrap();
    let (mut agent, patient, mut truth, lane) = with_copy(kept.path()).await;
    // the newest copy there is, of a time that the first restore will cut off
    let lost = tempfile::tempdir().unwrap();
    agent.kill().await;
    copy(&agent.data(), &lost.path().join("data"));
    put_back(&kept.path().join("data"), &agent.data());
    agent.start().await;
    agent.follow().await;
    check_restored(&mut agent, &patient, &mut truth, lane).await;
    agent.kill().await;
    put_back(&lost.path().join("data"), &agent.data());
    agent.start().await;
    assert_eq!(agent.app().store.restore_state().await.unwrap(), RestoreState::Pending, "of another life");
    agent.follow().await;
    wait_out(&mut agent).await;
    truth.ingest(&agent, &patient, "7").await;
    agent.settle().await;
    truth.check(&agent, &patient).await;
}

#[tokio::test]
async fn a_database_replaced_under_a_running_agent_stops_it() {
    let kept = tempfile::tempdir().unwrap();
    let (agent, patient, mut truth, _) = with_copy(kept.path()).await;
    // a second process with the older copy, the same key, and an epoch file that tells it nothing
    let mut twin = Agent::twin(&agent, kept.path()).await;
    twin.follow().await;
    assert_eq!(twin.gate(), Gate::Restoring);
    wait_out(&mut twin).await;
    // the first one sees a lane that it did not make
    agent.follow().await;
    assert!(matches!(agent.gate(), Gate::Halted(_)), "{:?}", agent.gate());
    assert!(agent.try_ingest(&patient.case(), "x", None).await.is_err());
    truth.ingest(&twin, &patient, "twin").await;
    twin.settle().await;
    truth.check(&twin, &patient).await;
}
