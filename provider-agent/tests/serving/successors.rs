//! Rotation: who gets a letter about the lane that goes on.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use casewise_agent::store::{Change, ReadingWrite, Write};
use casewise_agent::{epoch, housekeeping, lanes};
use casewise_ledger::records::GrantStatus;
use casewise_ledger::{LaneId, Opening};
use casewise_seal::{KemSecret, Letter};

use crate::world::{Agent, Network, Patient, Site, TestChain, TestClock, grant, item, manifest, opening};

struct Setting {
    /// Hospital 1, the author.
    agent: Agent,
    net: Arc<Network>,
    patient: Patient,
    content: LaneId,
    _dir: tempfile::TempDir,
}

async fn setting() -> Setting {
    let dir = tempfile::tempdir().unwrap();
    let (chain, clock, net) = (TestChain::new(), TestClock::new(), Arc::new(Network::default()));
    let agent = Agent::start(Site::new(1), dir.path(), &chain, &clock, &net).await;
    let sites: Vec<Site> = (1..=5).map(Site::new).collect();
    agent.block(Agent::institutions(&sites.iter().collect::<Vec<_>>())).await;
    let patient = Patient::new(1, manifest().net(), 1);
    let (content, _) = agent.case(&patient).await;
    Setting { agent, net, patient, content, _dir: dir }
}

impl Setting {
    /// A grant to a hospital, its opening held, the hospital's key kept or not.
    async fn share(&self, reader: u32, follow: bool, known: bool) -> Opening {
        let opening = opening(&self.patient.case(), 1, reader, vec![item(self.content, 0, 9, follow)]);
        self.agent.block(vec![grant(&opening, GrantStatus::Live)]).await;
        let row = self.agent.serving.openings.seal(&opening, &*self.agent.app.random).unwrap();
        let mut writes = vec![Write::Reading(ReadingWrite::Opening(row))];
        if known {
            let key = Box::new(*Site::new(reader).kem().public().as_bytes());
            writes.push(Write::Reading(ReadingWrite::KemKey(key)));
        }
        self.agent.serving.write(writes).await.unwrap();
        opening
    }

    /// The case's counter goes up, and the agent rotates. The new lane.
    async fn rotate(&self, rev: u32) -> LaneId {
        let case = self.patient.case();
        let height = self.agent.app.store.cursor().await.unwrap().unwrap().height + 1;
        self.agent.block(vec![Change::Rev { case, rev, height }]).await;
        assert!(lanes::rotate_all(&self.agent.app, &case).await.unwrap());
        let rows = self.agent.app.store.lanes_of(&case).await.unwrap();
        let newest = rows.iter().filter(|row| row.rev == rev && row.header.predecessor.is_some());
        newest.map(|row| row.lane).next().unwrap()
    }

    /// Lanes of the letters to a hospital about a grant.
    async fn letters(&self, opening: &Opening, reader: u32) -> Vec<LaneId> {
        let secret: KemSecret = Site::new(reader).kem();
        let subject = opening.commitment().0;
        let rows = self.agent.app.store.letters_about(&subject, &secret.public().hash()).await.unwrap();
        let mut lanes = Vec::new();
        for row in rows {
            let payload = Letter::decode(&row.bytes).unwrap().open(&secret).unwrap();
            assert!(payload.opening.is_none());
            for keys in payload.keys {
                let header = self.agent.app.store.lane(&keys.lane).await.unwrap().unwrap().header;
                keys.check_root(&header).unwrap();
                lanes.push(keys.lane);
            }
        }
        lanes
    }

    async fn waiting(&self) -> usize {
        self.agent.app.store.waiting_letters(100).await.unwrap().len()
    }
}

#[tokio::test]
async fn live_readers_who_follow_get_the_new_root_and_nobody_else() {
    let setting = setting().await;
    let (revoked, follows) = (setting.share(2, true, true).await, setting.share(3, true, true).await);
    let (still, expired) = (setting.share(4, false, true).await, setting.share(5, true, true).await);
    setting.agent.block(vec![grant(&revoked, GrantStatus::Revoked)]).await;
    setting.agent.clock.set(expired.not_after - 1);
    let late = Opening { not_after: expired.not_after - 1, ..expired.clone() };
    setting.agent.block(vec![grant(&expired, GrantStatus::Expired), grant(&late, GrantStatus::Live)]).await;
    let row = setting.agent.serving.openings.seal(&late, &*setting.agent.app.random).unwrap();
    setting.agent.serving.write(vec![Write::Reading(ReadingWrite::Opening(row))]).await.unwrap();
    let next = setting.rotate(1).await;
    assert_eq!(setting.letters(&follows, 3).await, [next]);
    for (opening, reader) in [(&revoked, 2), (&still, 4), (&expired, 5), (&late, 5)] {
        assert_eq!(setting.letters(opening, reader).await, []);
    }
    assert_eq!(setting.waiting().await, 0);
}

#[tokio::test]
async fn a_grant_follows_through_every_rotation() {
    let setting = setting().await;
    let opening = setting.share(2, true, true).await;
    let first = setting.rotate(1).await;
    setting.agent.serving.write(vec![Write::LaneOpened(first)]).await.unwrap();
    setting.agent.anchor(&[first]).await;
    let second = setting.rotate(2).await;
    assert_ne!(first, second);
    assert_eq!(setting.letters(&opening, 2).await, [first, second]);
}

#[tokio::test]
async fn a_root_waits_wrapped_for_its_reader_s_key() {
    let setting = setting().await;
    let opening = setting.share(2, true, false).await;
    let next = setting.rotate(1).await;
    assert_eq!((setting.letters(&opening, 2).await.len(), setting.waiting().await), (0, 1));
    let root = setting.agent.app.store.waiting_letters(1).await.unwrap().remove(0);
    assert!(root.wrapped.len() > 12 + 16 + 32 && root.epoch == setting.agent.app.epoch.current());
    let round = async || {
        let mut missing = BTreeSet::new();
        let Agent { serving, peers, .. } = &setting.agent;
        housekeeping::round(serving, peers, &mut missing, false).await.unwrap();
    };
    round().await;
    assert_eq!(setting.waiting().await, 1, "nobody answers for hospital 2");
    let other = tempfile::tempdir().unwrap();
    let reader = attach(Site::new(2), other.path(), &setting).await;
    round().await;
    assert_eq!(setting.letters(&opening, 2).await, [next]);
    assert_eq!(setting.waiting().await, 0);
    reader.kill().await;
}

/// Another agent on the same network, with the same view.
async fn attach(site: Site, directory: &Path, setting: &Setting) -> Agent {
    let agent = Agent::start(site, directory, &TestChain::new(), &setting.agent.clock, &setting.net).await;
    agent.block(Agent::institutions(&[&Site::new(1), &Site::new(2)])).await;
    agent
}

#[tokio::test]
async fn a_key_that_is_not_the_registrar_s_is_not_used() {
    let setting = setting().await;
    let opening = setting.share(2, true, false).await;
    setting.rotate(1).await;
    let other = tempfile::tempdir().unwrap();
    let mut liar = Site::new(2);
    liar.kem = [66; 32];
    let liar = Agent::start(liar, other.path(), &TestChain::new(), &setting.agent.clock, &setting.net).await;
    let mut record = Site::new(2).view();
    record.record.kem = liar.site.kem().public().hash();
    liar.block(vec![Change::Institution(record)]).await;
    let mut missing = BTreeSet::new();
    let Agent { serving, peers, .. } = &setting.agent;
    housekeeping::round(serving, peers, &mut missing, false).await.unwrap();
    assert_eq!((setting.letters(&opening, 2).await.len(), setting.waiting().await), (0, 1));
}

#[tokio::test]
async fn a_waiting_root_does_not_outlive_its_epoch_nor_its_grant() {
    let setting = setting().await;
    let (one, two) = (setting.share(2, true, false).await, setting.share(3, true, false).await);
    setting.rotate(1).await;
    assert_eq!(setting.waiting().await, 2);
    setting.agent.block(vec![grant(&one, GrantStatus::Revoked)]).await;
    let round = async || {
        let mut missing = BTreeSet::new();
        let Agent { serving, peers, .. } = &setting.agent;
        housekeeping::round(serving, peers, &mut missing, false).await.unwrap();
    };
    round().await;
    assert_eq!(setting.waiting().await, 1, "the revoked reader's is dropped");
    epoch::replace(&setting.agent.app).await.unwrap();
    let other = tempfile::tempdir().unwrap();
    let reader = attach(Site::new(3), other.path(), &setting).await;
    reader.block(Agent::institutions(&[&Site::new(3)])).await;
    round().await;
    assert_eq!(setting.waiting().await, 0, "its key is destroyed");
    assert_eq!(setting.letters(&two, 3).await, []);
    assert_eq!(setting.letters(&one, 2).await, []);
}

#[tokio::test]
async fn a_reader_s_key_is_fetched_when_its_opening_comes() {
    let setting = setting().await;
    let other = tempfile::tempdir().unwrap();
    let _reader = attach(Site::new(2), other.path(), &setting).await;
    let opening = opening(&setting.patient.case(), 1, 2, vec![item(setting.content, 0, 9, true)]);
    setting.agent.block(vec![grant(&opening, GrantStatus::Live)]).await;
    let body = casewise_api::body::GrantBody { opening: casewise_api::Packed(opening.clone()) };
    let target = casewise_api::route::grant(&opening.commitment());
    assert!(setting.agent.put(&setting.patient.key, &target, &body).await.status().is_success());
    let mut missing = BTreeSet::new();
    let Agent { serving, peers, app, .. } = &setting.agent;
    let hash = Site::new(2).record().kem;
    assert!(app.store.kem_key(&hash).await.unwrap().is_none());
    housekeeping::round(serving, peers, &mut missing, true).await.unwrap();
    assert!(app.store.kem_key(&hash).await.unwrap().is_some());
    assert!(missing.is_empty());
    setting.net.detach("127.0.0.1:9002");
    let next = setting.rotate(1).await;
    assert_eq!(setting.letters(&opening, 2).await, [next]);
}
