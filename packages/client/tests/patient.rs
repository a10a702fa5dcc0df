//! What a patient does, against the contracts in process and hospitals that behave or do not.

mod common;

use casewise_client::follow::Followed;
use casewise_client::{Category, ClientError};
use casewise_ledger::block::genesis;
use casewise_ledger::records::RelationshipStatus;
use casewise_ledger::{Class, Data, Kind};
use casewise_protocol::rules::CareStatus;
use casewise_testkit::contracts::POLICY;
use common::chain::Weather;
use common::hospital::Fault;
use common::{Scene, killed};

async fn follow(scene: &Scene, n: u32) -> Followed {
    scene.patient(async |patient| patient.follow(n).await).await.unwrap()
}

fn text(data: Data) -> String {
    match data {
        Data::Content { content, .. } => String::from_utf8(content).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn new_then_pending_then_accepted() {
    let scene = Scene::new().await;
    let case = scene.patient(async |patient| patient.offer(1, 3600, None).await).await.unwrap();
    assert!(follow(&scene, case.n).await.identity.is_none(), "not enrolled yet");

    let id = scene.a.take_in(case.offer.as_ref().unwrap());
    assert_eq!(id, case.case);
    let followed = follow(&scene, case.n).await;
    assert_eq!(followed.institutions[0].status, CareStatus::New);
    assert_eq!(followed.institutions[0].relationship, RelationshipStatus::Proposed);
    assert_eq!(followed.lanes.len(), 2);
    assert!(followed.lanes.iter().all(|lane| lane.readable && lane.trouble.is_none()));
    scene.accept(case.n).await;
    assert_eq!(follow(&scene, case.n).await.institutions[0].status, CareStatus::Accepted);

    for n in 0..7 {
        scene.a.record(id, 1000 - n, &format!("record {n}"));
    }
    let before = follow(&scene, case.n).await;
    assert_eq!(before.new_entries, 0, "what is not anchored is not there");
    scene.a.anchor();
    let followed = follow(&scene, case.n).await;
    assert_eq!(followed.institutions[0].status, CareStatus::UpdatePending);
    assert_eq!(followed.new_entries, 7);
    scene.accept(case.n).await;
    let followed = follow(&scene, case.n).await;
    assert_eq!(followed.institutions[0].status, CareStatus::Accepted);
    assert!(followed.lanes.iter().any(|lane| lane.record.seen == 7));

    let timeline = scene.patient(async |patient| patient.timeline(&case, None).await).await.unwrap();
    let indices: Vec<u32> = timeline.iter().map(|item| item.index).collect();
    assert_eq!(indices, [6, 5, 4, 3, 2, 1, 0], "by claimed time");
    assert!(timeline.iter().all(|item| item.anchored.is_some()));
    for item in timeline {
        let (_, data) =
            scene.patient(async |patient| patient.open(&case, &item.lane, item.index).await).await.unwrap();
        assert_eq!(text(data), format!("record {}", item.index));
    }
}

#[tokio::test]
async fn an_agent_is_asked_only_when_there_is_news() {
    let scene = Scene::new().await;
    let case = scene.case_with(&["one", "two"]).await;
    follow(&scene, case.n).await;
    scene.a.take_requests();
    follow(&scene, case.n).await;
    assert_eq!(scene.a.take_requests(), [] as [String; 0]);
}

#[tokio::test]
async fn what_does_not_fit_is_trouble_and_never_kept() {
    for fault in [
        Fault::ChangedEntry,
        Fault::MovedEntry,
        Fault::OtherHeader,
        Fault::StrangersKey,
        Fault::Unsigned,
        Fault::ShortList,
        Fault::Down,
    ] {
        let scene = Scene::new().await;
        let case = scene.patient(async |patient| patient.offer(1, 3600, None).await).await.unwrap();
        let id = scene.a.take_in(case.offer.as_ref().unwrap());
        for n in 0..5 {
            scene.a.record(id, n, "text");
        }
        scene.a.anchor();
        scene.a.set_fault(fault);
        let followed = follow(&scene, case.n).await;
        assert!(followed.trouble().is_some(), "{fault:?}");
        let away = matches!(fault, Fault::Down | Fault::ShortList);
        let forged =
            followed.institutions[0].forged || followed.lanes.iter().any(|lane| lane.trouble.is_some());
        assert_eq!(forged, !away, "{fault:?}");
        assert!(followed.lanes.iter().all(|lane| lane.verified == 0), "{fault:?}");
        let acceptance = casewise_client::Acceptance::of(&followed, None);
        assert!(acceptance.seen.is_empty(), "{fault:?}: nothing is acknowledged that does not fit");
        let kept = scene.patient(async |patient| patient.timeline(&case, None).await).await.unwrap();
        assert!(kept.is_empty(), "{fault:?}");

        scene.a.heal();
        let followed = follow(&scene, case.n).await;
        assert_eq!((followed.trouble(), followed.new_entries), (None, 5), "{fault:?}");
    }
}

#[tokio::test]
async fn trouble_is_remembered_until_it_fits_again() {
    let scene = Scene::new().await;
    let case = scene.case_with(&["one"]).await;
    scene.a.record(case.case, 1, "two");
    scene.a.anchor();
    scene.a.set_fault(Fault::ChangedEntry);
    assert!(follow(&scene, case.n).await.trouble().unwrap().contains("not those that are anchored"));
    scene.a.set_fault(Fault::Down);
    assert!(follow(&scene, case.n).await.trouble().unwrap().contains("not those that are anchored"));
    scene.a.heal();
    assert_eq!(follow(&scene, case.n).await.trouble(), None);
}

#[tokio::test]
async fn a_root_that_is_not_the_lanes_opens_nothing() {
    let scene = Scene::new().await;
    let case = scene.patient(async |patient| patient.offer(1, 3600, None).await).await.unwrap();
    scene.a.set_fault(Fault::WrongRoot);
    let id = scene.a.take_in(case.offer.as_ref().unwrap());
    scene.a.heal();
    scene.a.record(id, 1, "text");
    scene.a.anchor();
    let followed = follow(&scene, case.n).await;
    assert!(followed.lanes.iter().all(|lane| !lane.readable));
    let lane = scene.a.lane(id, Class::Content);
    let opened = scene.patient(async |patient| patient.open(&case, &lane, 0).await).await;
    assert_eq!(opened.unwrap_err().category(), Category::NotFound);
}

#[tokio::test]
async fn a_swapped_body_is_refused() {
    let scene = Scene::new().await;
    let case = scene.case_with(&["one", "two"]).await;
    let lane = scene.a.lane(case.case, Class::Content);
    scene.a.set_fault(Fault::SwappedBody);
    let opened = scene.patient(async |patient| patient.open(&case, &lane, 0).await).await;
    let error = opened.unwrap_err();
    assert!(error.to_string().contains("body_hash"), "{error}");
    assert_eq!(error.category(), Category::Integrity);
    scene.a.heal();
    let (_, data) = scene.patient(async |patient| patient.open(&case, &lane, 1).await).await.unwrap();
    assert_eq!(text(data), "two");
}

#[tokio::test]
async fn rotated_lanes_go_on() {
    let scene = Scene::new().await;
    let case = scene.case_with(&["one"]).await;
    let (old, new) = scene.a.rotate(case.case);
    scene.a.record(case.case, 5, "two");
    scene.a.anchor();
    let followed = follow(&scene, case.n).await;
    assert_eq!(followed.trouble(), None);
    let view = followed.lanes.iter().find(|lane| lane.lane == new).unwrap();
    assert_eq!(view.header.as_ref().unwrap().predecessor, Some(old));
    let (_, data) = scene.patient(async |patient| patient.open(&case, &new, 0).await).await.unwrap();
    assert_eq!(text(data), "two");
}

#[tokio::test]
async fn the_case_chain_is_the_same_for_whoever_computes_it() {
    let mut scene = Scene::new().await;
    let case = scene.case_with(&["one", "two"]).await;
    scene.a.rotate(case.case);
    scene.a.record(case.case, 5, "three");
    let access = scene.a.lane(case.case, Class::Access);
    scene.a.write(access, Kind::Beat, 6, &Data::Beat);
    scene.chain.pass(5);
    scene.a.anchor();

    let blocks = scene.patient(async |patient| patient.case_chain(&case).await).await.unwrap();
    assert_eq!(blocks.len(), 3, "a rotation at the same size is no block");
    assert_eq!(blocks[0].prev, genesis(&case.case, &POLICY));
    assert!(blocks.windows(2).all(|pair| pair[1].prev == pair[0].hash() && pair[0].height < pair[1].height));
    let sizes: Vec<Vec<u32>> =
        blocks.iter().map(|block| block.heads.iter().map(|head| head.size).collect()).collect();
    assert_eq!(sizes, [vec![1], vec![2], vec![1, 1]]);
    assert!(blocks[2].heads[0].lane < blocks[2].heads[1].lane);

    // another machine, nothing but the phrase
    scene.new_machine().await;
    let found = scene.patient(async |patient| patient.recover().await).await.unwrap();
    assert_eq!(found.iter().map(|case| case.case).collect::<Vec<_>>(), [case.case]);
    let again = scene.patient(async |patient| patient.case_chain(&found[0]).await).await.unwrap();
    assert_eq!(again, blocks);
    let followed = follow(&scene, found[0].n).await;
    assert_eq!((followed.new_entries, followed.trouble()), (4, None));
}

#[tokio::test]
async fn an_offer_after_recovery_takes_a_fresh_number() {
    let mut scene = Scene::new().await;
    let first = scene.case_with(&[]).await;
    let second = scene.case_with(&[]).await;
    assert_eq!((first.n, second.n), (0, 1));
    assert_ne!(
        first.offer.as_ref().unwrap().card.holder,
        second.offer.as_ref().unwrap().card.holder,
        "two cases share nothing"
    );
    scene.new_machine().await;
    let found = scene.patient(async |patient| patient.recover().await).await.unwrap();
    assert_eq!(found.len(), 2);
    let third = scene.patient(async |patient| patient.offer(2, 3600, None).await).await.unwrap();
    assert_eq!(third.n, 2);
}

#[tokio::test]
async fn offers_are_refused_by_name_of_the_option() {
    let scene = Scene::new().await;
    let offer =
        async |to: u32, life: u64| scene.patient(async |patient| patient.offer(to, life, None).await).await;
    assert!(matches!(offer(9, 10).await, Err(ClientError::NotFound { .. })));
    for life in [0, casewise_client::offer::MAX_OFFER_LIFE + 1] {
        assert!(matches!(offer(1, life).await, Err(ClientError::Input { field, .. }) if field == "--days"));
    }
    assert!(offer(1, casewise_client::offer::MAX_OFFER_LIFE).await.is_ok());
}

#[tokio::test]
async fn a_transaction_of_open_fate_is_settled_and_never_doubled() {
    let mut scene = Scene::new().await;
    let case = scene.patient(async |patient| patient.offer(1, 3600, None).await).await.unwrap();
    scene.a.take_in(case.offer.as_ref().unwrap());
    let accept = async |scene: &Scene| {
        scene
            .patient(async |patient| {
                let followed = patient.follow(case.n).await?;
                patient.accept(&followed, &casewise_client::Acceptance::of(&followed, None)).await
            })
            .await
    };
    scene.chain.set_weather(Weather::LostAnswer);
    assert!(killed(accept(&scene)).await, "it waits for a block that the node does not show");
    scene.restart().await;
    scene.chain.cut_off(false);
    assert!(accept(&scene).await.unwrap().is_none(), "it had taken effect: nothing is left to accept");
    assert_eq!(scene.chain.broadcasts().len(), 1, "signed and sent once");
    assert_eq!(follow(&scene, case.n).await.institutions[0].status, CareStatus::Accepted);

    scene.a.record(case.case, 1, "text");
    scene.a.anchor();
    scene.chain.set_weather(Weather::LostTx);
    assert!(killed(accept(&scene)).await);
    scene.restart().await;
    scene.chain.cut_off(false);
    accept(&scene).await.unwrap();
    let sent = scene.chain.broadcasts();
    assert_eq!(sent.len(), 3);
    assert_eq!(sent[1], sent[2], "the same bytes, while they can still be included");
    assert_eq!(follow(&scene, case.n).await.institutions[0].status, CareStatus::Accepted);
}

#[tokio::test]
async fn a_holder_without_allowance_waits_and_says_so() {
    let scene = Scene::new().await;
    let case = scene.patient(async |patient| patient.offer(1, 3600, None).await).await.unwrap();
    let id = scene.a.take_in(case.offer.as_ref().unwrap());
    assert_eq!(id, case.case);
    let other = scene.patient(async |patient| patient.offer(2, 3600, None).await).await.unwrap();
    // the second hospital enrols and pays nothing
    let offer = other.offer.as_ref().unwrap();
    let sender = casewise_testkit::contracts::addr(&scene.b.key.address());
    let enrol = casewise_protocol::registrar::ExecuteMsg::enrol("wasm", offer).unwrap();
    scene.chain.with(move |suite| {
        suite.registrar(&sender, &enrol).unwrap();
        let propose = casewise_protocol::ppr::ExecuteMsg::propose(&other.case, Some(&POLICY));
        suite.ppr(&sender, &propose).unwrap();
    });
    let sent = scene
        .patient(async |patient| {
            let followed = patient.follow(other.n).await?;
            patient.accept(&followed, &casewise_client::Acceptance::of(&followed, None)).await
        })
        .await;
    let error = sent.unwrap_err();
    assert!(error.to_string().contains("fee allowance"), "{error}");
    assert!(scene.chain.broadcasts().is_empty(), "nothing is sent that the holder would have to pay");
}

#[tokio::test]
async fn another_phrase_or_network_is_told_apart() {
    let mut scene = Scene::new().await;
    let case = scene.case_with(&["one"]).await;
    scene.phrase = casewise_client::Phrase::generate().unwrap();
    scene.restart().await;
    let found = scene.patient(async |patient| patient.choose(None).await).await;
    assert!(matches!(found, Err(ClientError::NotFound { .. })), "another phrase finds no record");
    drop(case);
}
