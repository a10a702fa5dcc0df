//! Forgetting: what lies on disk opens no entry that was made before the present epoch.

use std::path::Path;

use casewise_agent::epoch;

use crate::world::{Agent, world};

/// Whether bytes occur in any file under a directory.
pub fn occurs(directory: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return occurs(&path, needle);
        }
        std::fs::read(&path).unwrap().windows(needle.len()).any(|window| window == needle)
    })
}

async fn wrapped(agent: &Agent) -> Vec<Vec<u8>> {
    let keys = agent.app().store.keys_not_under(0, 1000).await.unwrap();
    keys.into_iter().map(|keys| keys.wrapped).collect()
}

#[tokio::test]
async fn replaced_key_sets_and_the_old_epoch_key_are_nowhere() {
    let mut agent = world().await;
    let patient = agent.onboard("ada").await;
    let mut old = wrapped(&agent).await;
    for n in 0..20 {
        agent.ingest(&patient.case(), &format!("{n}")).await;
        old.extend(wrapped(&agent).await);
    }
    agent.settle().await;
    let epoch_before = std::fs::read(agent.epoch_file()).unwrap();
    assert!(old.iter().any(|bytes| occurs(&agent.data(), bytes)), "the search finds what is there");
    let number = epoch::replace(agent.app()).await.unwrap();
    assert_eq!(number, 2);
    for bytes in &old {
        assert!(!occurs(&agent.data(), bytes), "a key set under the old epoch key is still on disk");
    }
    // no key of the old file is in the new one
    let after = std::fs::read(agent.epoch_file()).unwrap();
    let key = &epoch_before[52..84];
    assert!(epoch_before.windows(32).any(|window| window == key) && key.iter().any(|byte| *byte != 0));
    assert!(!after.windows(32).any(|window| window == key), "the old epoch key is still in its file");
    // and the agent goes on, also after a restart
    agent.ingest(&patient.case(), "under the new key").await;
    agent.restart().await;
    agent.ingest(&patient.case(), "after a restart").await;
    agent.settle().await;
    assert_eq!(agent.contents(&patient).await.len(), 22);
}

#[tokio::test]
async fn entries_go_on_while_the_epoch_key_is_replaced() {
    let mut agent = world().await;
    let mut patients = Vec::new();
    for name in ["ada", "ben", "cy"] {
        patients.push(agent.onboard(name).await);
    }
    for round in 0..5 {
        let writes = patients.iter().map(|patient| {
            let agent = &agent;
            async move {
                for n in 0..6 {
                    agent.ingest(&patient.case(), &format!("{round} {n}")).await;
                }
            }
        });
        let (_, replaced) =
            futures::future::join(futures::future::join_all(writes), epoch::replace(agent.app())).await;
        assert_eq!(replaced.unwrap(), round + 2);
    }
    agent.settle().await;
    for patient in &patients {
        assert_eq!(agent.contents(patient).await.len(), 30);
    }
}

#[tokio::test]
async fn a_replacement_cut_off_by_a_kill_is_finished_at_the_next() {
    let mut agent = world().await;
    let patient = agent.onboard("ada").await;
    agent.ingest(&patient.case(), "a").await;
    let app = agent.app().clone();
    app.epoch.begin(&*app.random).await.unwrap();
    drop(app);
    // an entry under the next key, the other lane still under the old one
    agent.ingest(&patient.case(), "b").await;
    agent.restart().await;
    assert_eq!(agent.app().epoch.due(), 0, "it is due at once");
    agent.ingest(&patient.case(), "c").await;
    assert_eq!(epoch::replace(agent.app()).await.unwrap(), 2);
    assert!(agent.app().store.keys_not_under(2, 10).await.unwrap().is_empty());
    agent.ingest(&patient.case(), "d").await;
    agent.settle().await;
    assert_eq!(agent.contents(&patient).await, ["a", "b", "c", "d"]);
}
