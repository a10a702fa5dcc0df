//! A case's change of holder, by its holder and by its second phrase.

mod common;

use casewise_client::sqlite::SqliteStore;
use casewise_client::{Category, ClientError, Phrase, RecoveryStand};
use casewise_ledger::{Class, Data};
use casewise_protocol::registrar::DEFAULT_RECOVERY_DELAY;
use common::chain::Weather;
use common::hospital::Fault;
use common::{Scene, killed};

/// What this wallet opens of a case, in the order of time.
async fn contents(scene: &Scene, n: u32) -> Vec<String> {
    let opened = scene.patient(async |patient| {
        let followed = patient.follow(n).await?;
        assert_eq!(followed.trouble(), None);
        let mut out = Vec::new();
        for item in patient.timeline(&followed.case, Some(Class::Content)).await? {
            match patient.open(&followed.case, &item.lane, item.index).await?.1 {
                Data::Content { content, .. } => out.push(String::from_utf8(content).unwrap()),
                other => panic!("{other:?}"),
            }
        }
        out.sort();
        Ok(out)
    });
    opened.await.unwrap()
}

fn write(scene: &Scene, case: casewise_ledger::CaseId, text: &str) {
    let now = scene.chain.with(|suite| suite.now());
    scene.a.record(case, now, text);
    scene.a.anchor();
}

async fn rotate(scene: &Scene, n: u32) -> Result<casewise_client::book::HolderChange, ClientError> {
    let done = scene.patient(async |patient| {
        let (case, change) = patient.plan_rotation(n).await?;
        patient.rotate(&case, &change).await
    });
    done.await.map(|(_, change)| change)
}

#[tokio::test]
async fn a_rotated_case_reads_old_and_new_and_every_author_knows() {
    let scene = Scene::new().await;
    let case = scene.case_with(&["a", "b"]).await;
    let change = rotate(&scene, case.n).await.unwrap();
    assert_eq!((change.told.as_slice(), change.offer.card.epoch), ([scene.a.number].as_slice(), 1));
    let kept = scene.patient(async |patient| patient.book.case(case.n).await).await.unwrap().unwrap();
    assert_eq!((kept.n, kept.key, kept.earlier.as_slice(), kept.epoch), (0, 1, [0].as_slice(), 1));
    let begun = scene.patient(async |patient| patient.book.holder_changes().await).await.unwrap();
    assert!(begun.is_empty(), "nothing is left to tell");
    write(&scene, case.case, "c");
    assert_eq!(contents(&scene, case.n).await, ["a", "b", "c"]);
    scene.accept(case.n).await;
    let next = scene.patient(async |patient| patient.offer(1, 3600, None).await).await.unwrap();
    assert_eq!(next.n, 2, "no number is used twice");
    rotate(&scene, case.n).await.unwrap();
    write(&scene, case.case, "d");
    assert_eq!(contents(&scene, case.n).await, ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn letters_to_earlier_keys_open_on_a_new_machine() {
    let mut scene = Scene::new().await;
    let case = scene.case_with(&["a"]).await;
    rotate(&scene, case.n).await.unwrap();
    write(&scene, case.case, "b");
    scene.new_machine().await;
    let found = scene.patient(async |patient| patient.recover().await).await.unwrap();
    let [found] = found.as_slice() else { panic!("one case") };
    assert_eq!((found.n, found.key, found.epoch), (1, 1, 1));
    assert_eq!(contents(&scene, found.n).await, ["a", "b"]);
}

#[tokio::test]
async fn who_could_not_be_told_is_told_later() {
    let mut scene = Scene::new().await;
    let case = scene.case_with(&["a"]).await;
    scene.b.join(case.offer.as_ref().unwrap());
    scene.accept(case.n).await;
    scene.b.open(case.case, Class::Content);
    scene.b.open(case.case, Class::Access);
    scene.b.set_fault(Fault::Down);
    let change = rotate(&scene, case.n).await.unwrap();
    assert_eq!(change.told, [scene.a.number]);
    assert!(change.trouble.unwrap().contains(&format!("institution {}", scene.b.number)));
    scene.restart().await;
    let followed = scene.patient(async |patient| patient.follow(case.n).await).await.unwrap();
    assert_eq!(followed.untold(), [scene.b.number]);
    scene.b.heal();
    let followed = scene.patient(async |patient| patient.follow(case.n).await).await.unwrap();
    assert_eq!(followed.untold(), [] as [u32; 0]);
    let left = scene.patient(async |patient| patient.book.holder_changes().await).await.unwrap();
    assert!(left.is_empty());
}

#[tokio::test]
async fn a_lost_answer_to_the_rotation_is_found_out() {
    let mut scene = Scene::new().await;
    let case = scene.case_with(&["a"]).await;
    scene.chain.set_weather(Weather::LostAnswer);
    assert!(killed(rotate(&scene, case.n)).await, "it still waits for the block");
    scene.restart().await;
    scene.chain.cut_off(false);
    let followed = scene.patient(async |patient| patient.follow(case.n).await).await.unwrap();
    assert_eq!((followed.case.key, followed.case.epoch), (1, 1));
    assert_eq!(followed.untold(), [] as [u32; 0]);
    write(&scene, case.case, "b");
    assert_eq!(contents(&scene, case.n).await, ["a", "b"]);
}

#[tokio::test]
async fn without_an_allowance_for_the_new_account_nothing_is_changed() {
    let scene = Scene::new().await;
    let case = scene.case_with(&["a"]).await;
    scene.a.set_fault(Fault::NoAllowance);
    let sent = scene.chain.broadcasts().len();
    let refused = rotate(&scene, case.n).await.unwrap_err();
    assert_eq!(refused.category(), Category::NotAuthorised);
    assert!(refused.to_string().contains("nothing was changed"), "{refused}");
    assert_eq!(scene.chain.broadcasts().len(), sent);
    scene.a.heal();
    let change = rotate(&scene, case.n).await.unwrap();
    assert_eq!(change.key, 1, "the number that was begun with");
    assert_eq!(contents(&scene, case.n).await, ["a"]);
}

/// A case that a second phrase can recover.
async fn recoverable() -> (Scene, casewise_client::book::CaseState, Phrase) {
    let scene = Scene::new().await;
    let second = Phrase::generate().unwrap();
    let case = scene.patient(async |patient| patient.offer(1, 3600, Some(&second)).await).await.unwrap();
    let id = scene.a.take_in(case.offer.as_ref().unwrap());
    assert_eq!(id, case.case);
    write(&scene, id, "before");
    scene.accept(case.n).await;
    (scene, case, second)
}

#[tokio::test]
async fn a_new_wallet_recovers_with_the_second_phrase() {
    let (scene, case, second) = recoverable().await;
    let (home, phrase) = (tempfile::tempdir().unwrap(), Phrase::generate().unwrap());
    let store = SqliteStore::open(home.path(), &phrase).await.unwrap();
    let started = scene.with(&phrase, &store, async |heir| {
        let recovery = heir.recovery(&case.case).await?;
        assert_eq!(recovery.stand(), None);
        let wrong = heir.recovery_key(&recovery, &phrase).unwrap_err();
        assert_eq!(wrong.category(), Category::NotAuthorised);
        let change = heir.plan_recovery(&recovery).await?;
        heir.start_recovery(&recovery, &second, &change).await?;
        let recovery = heir.recovery(&case.case).await?;
        assert_eq!(recovery.stand(), Some(RecoveryStand::Waiting));
        assert!(heir.finish_recovery(&recovery).await.is_err(), "before its time");
        Ok(())
    });
    started.await.unwrap();
    let followed = scene.patient(async |patient| patient.follow(case.n).await).await.unwrap();
    assert!(followed.case.recovering.is_some(), "the holder sees it");
    let refused = rotate(&scene, case.n).await.unwrap_err();
    assert!(refused.to_string().contains("recovery"), "{refused}");

    scene.chain.with(|suite| suite.advance(u64::from(DEFAULT_RECOVERY_DELAY) * 1000));
    let finished = scene.with(&phrase, &store, async |heir| {
        let recovery = heir.recovery(&case.case).await?;
        assert_eq!(recovery.stand(), Some(RecoveryStand::Ready));
        let (included, taken, change) = heir.finish_recovery(&recovery).await?;
        assert!(included.is_some());
        assert_eq!(
            (taken.case, taken.epoch, change.told.as_slice()),
            (case.case, 1, [scene.a.number].as_slice())
        );
        Ok(taken)
    });
    let taken = finished.await.unwrap();
    write(&scene, case.case, "after");
    let read = scene.with(&phrase, &store, async |heir| {
        let followed = heir.follow(taken.n).await?;
        assert_eq!(followed.trouble(), None);
        let readable: Vec<bool> = followed.lanes.iter().map(|lane| lane.readable).collect();
        assert_eq!(readable.iter().filter(|readable| **readable).count(), 2, "the new lanes");
        let items = heir.timeline(&taken, Some(Class::Content)).await?;
        assert_eq!(items.len(), 2, "both are verified");
        let mut opened = Vec::new();
        for item in items {
            if let Ok((_, Data::Content { content, .. })) = heir.open(&taken, &item.lane, item.index).await {
                opened.push(content);
            }
        }
        assert_eq!(opened, [b"after"], "what was sealed to the lost key stays closed");
        Ok(())
    });
    read.await.unwrap();
    let lost = scene.patient(async |patient| patient.follow(case.n).await).await.unwrap_err();
    assert!(lost.to_string().contains("another holder"), "{lost}");
}

#[tokio::test]
async fn the_wallet_of_the_first_phrase_recovers_and_reads_everything() {
    let (scene, case, second) = recoverable().await;
    let done = scene.patient(async |patient| {
        let recovery = patient.recovery(&case.case).await?;
        let change = patient.plan_recovery(&recovery).await?;
        assert_eq!((change.n, change.key), (case.n, 1), "the case keeps its number");
        patient.start_recovery(&recovery, &second, &change).await?;
        scene.chain.with(|suite| suite.advance(u64::from(DEFAULT_RECOVERY_DELAY) * 1000));
        patient.finish_recovery(&patient.recovery(&case.case).await?).await
    });
    done.await.unwrap();
    write(&scene, case.case, "after");
    assert_eq!(contents(&scene, case.n).await, ["after", "before"]);
}

#[tokio::test]
async fn one_veto_and_no_more_and_the_second_phrase_takes_back() {
    let (scene, case, second) = recoverable().await;
    let (home, phrase) = (tempfile::tempdir().unwrap(), Phrase::generate().unwrap());
    let store = SqliteStore::open(home.path(), &phrase).await.unwrap();
    let start = async || {
        let begun = scene.with(&phrase, &store, async |finder| {
            let recovery = finder.recovery(&case.case).await?;
            let change = finder.plan_recovery(&recovery).await?;
            finder.start_recovery(&recovery, &second, &change).await
        });
        begun.await.unwrap();
    };
    let veto = async || {
        scene
            .patient(async |patient| {
                let case = patient.choose(None).await?;
                patient.veto_recovery(&case).await
            })
            .await
    };
    assert!(matches!(veto().await, Err(ClientError::NotFound { .. })), "there is none");
    start().await;
    veto().await.unwrap();
    start().await;
    assert!(veto().await.is_err(), "the veto is used");
    let taken_back = scene.with(&phrase, &store, async |finder| {
        let recovery = finder.recovery(&case.case).await?;
        finder.cancel_recovery(&recovery, &second).await?;
        let recovery = finder.recovery(&case.case).await?;
        assert_eq!(recovery.stand(), None);
        assert!(finder.cancel_recovery(&recovery, &second).await.is_err());
        Ok(())
    });
    taken_back.await.unwrap();
    // nothing came of it: the holder goes on
    rotate(&scene, case.n).await.unwrap();
    write(&scene, case.case, "after");
    assert_eq!(contents(&scene, case.n).await, ["after", "before"]);
}
