//! Sharing, reading, the log of reads and revocation, against hospitals that behave or do not.

mod common;

use casewise_client::book::CaseState;
use casewise_client::log::ReadEvent;
use casewise_client::reader::{HeldLetter, open_letter};
use casewise_client::share::{Pick, ShareRequest, ShareView};
use casewise_client::{Category, ClientError, Network, Reader};
use casewise_ledger::entry::MAX_INDEX;
use casewise_ledger::grant::DAY_MS;
use casewise_ledger::records::GrantStatus;
use casewise_ledger::{Class, Data, LaneId, ReleaseItem};
use common::chain::Weather;
use common::hospital::{Fault, Hospital};
use common::{Scene, killed};

fn request(scene: &Scene, reader: u32, picks: Vec<Pick>) -> ShareRequest {
    use casewise_client::ports::Clock as _;
    let now = scene.clock.now_ms();
    ShareRequest {
        reader,
        practitioner: None,
        purpose: "TREAT".into(),
        labels: vec!["knee".into()],
        not_before: now,
        not_after: now + 30 * DAY_MS,
        erase_by: 0,
        picks,
    }
}

async fn share(
    scene: &Scene,
    case: &CaseState,
    request: &ShareRequest,
) -> Result<Vec<ShareView>, ClientError> {
    scene
        .patient(async |patient| {
            let followed = patient.follow(case.n).await?;
            let plan = patient.plan_share(&followed, request).await?;
            patient.share(case, &plan).await.map(|(_, views)| views)
        })
        .await
}

async fn log(scene: &Scene, case: &CaseState) -> (Vec<ReadEvent>, Vec<ClientError>) {
    scene
        .patient(async |patient| {
            patient.follow(case.n).await?;
            patient.reads(case).await
        })
        .await
        .unwrap()
}

/// Reads as hospital `by`, with the letter that arrived there.
async fn read(scene: &Scene, by: &Hospital, items: &[ReleaseItem]) -> Result<Vec<String>, ClientError> {
    let network = Network::new(&*scene.chain, scene.chain.manifest());
    let reader = Reader::new(scene.world(&network), by.number, &by.key);
    let HeldLetter { opening, keys, .. } = open_letter(by.inbox().last().unwrap(), by.kem()).unwrap();
    let (_, opened) = reader.read(&opening.unwrap(), None, items, &keys).await?;
    let text = |data| match data {
        Data::Content { content, .. } => String::from_utf8(content).unwrap(),
        other => panic!("{other:?}"),
    };
    Ok(opened.into_iter().map(|entry| text(entry.data)).collect())
}

fn items(lane: LaneId, first: u32, last: u32) -> [ReleaseItem; 1] {
    [ReleaseItem { lane, first, last }]
}

/// A case with three records, entries 1 and 2 shared with B.
async fn shared() -> (Scene, CaseState, LaneId, ShareView) {
    let scene = Scene::new().await;
    let case = scene.case_with(&["zero", "one", "two"]).await;
    let lane = scene.a.lane(case.case, Class::Content);
    let picks = vec![Pick { lane, range: Some((1, 2)) }];
    let views = share(&scene, &case, &request(&scene, scene.b.number, picks)).await.unwrap();
    let [view] = <[ShareView; 1]>::try_from(views).unwrap();
    (scene, case, lane, view)
}

#[tokio::test]
async fn a_share_is_read_and_logged_and_revoked() {
    let (scene, case, lane, view) = shared().await;
    assert!(view.share.delivered());
    assert_eq!(view.record.as_ref().unwrap().status, GrantStatus::Live);
    assert_eq!(scene.a.openings(), [view.grant]);
    assert_eq!(read(&scene, &scene.b, &items(lane, 1, 2)).await.unwrap(), ["one", "two"]);

    scene.a.anchor();
    let (events, failed) = log(&scene, &case).await;
    assert!(failed.is_empty());
    let [event] = <[ReadEvent; 1]>::try_from(events).unwrap();
    assert_eq!(event.faults, [] as [String; 0]);
    assert_eq!((event.server, event.reader), (scene.a.party(), scene.b.party()));
    assert_eq!(event.items, items(lane, 1, 2));
    assert_eq!(
        (event.purpose.as_deref(), event.labels.as_slice()),
        (Some("TREAT"), &["knee".to_owned()][..])
    );
    assert_eq!(event.grant, view.grant);
    assert!(event.anchored.is_some());

    scene.patient(async |patient| patient.revoke(&case, &[view.grant]).await).await.unwrap();
    let views = scene.patient(async |patient| patient.shares(&case).await).await.unwrap();
    assert_eq!(views[0].record.as_ref().unwrap().status, GrantStatus::Revoked);
    let (rev, acks) = scene.patient(async |patient| patient.network.acks(&case.case).await).await.unwrap();
    assert_eq!((rev, acks.len(), acks[0].acked), (1, 1, 0));
    scene.a.ack(case.case, 1);
    let (_, acks) = scene.patient(async |patient| patient.network.acks(&case.case).await).await.unwrap();
    assert_eq!(acks[0].acked, 1);
    // revoked again: nothing changes
    scene.patient(async |patient| patient.revoke(&case, &[view.grant]).await).await.unwrap();
    let (rev, _) = scene.patient(async |patient| patient.network.acks(&case.case).await).await.unwrap();
    assert_eq!(rev, 1);
}

#[tokio::test]
async fn the_letter_opens_exactly_what_was_granted() {
    let (scene, _, lane, _) = shared().await;
    let held = open_letter(scene.b.inbox().last().unwrap(), scene.b.kem()).unwrap();
    let keys = &held.keys[0];
    assert_eq!(keys.lane, lane);
    for index in 0..8 {
        assert_eq!(keys.nodes.covers(index), (1..=2).contains(&index), "{index}");
    }
    assert!(open_letter(scene.b.inbox().last().unwrap(), scene.a.kem()).is_err(), "only to its recipient");
    // not granted: no key, and the author would be asked in vain
    assert_eq!(read(&scene, &scene.b, &items(lane, 0, 0)).await.unwrap_err().category(), Category::NotFound);
}

#[tokio::test]
async fn everything_means_all_authors_and_what_follows() {
    let scene = Scene::new().await;
    let case = scene.case_with(&["one"]).await;
    let (old, new) = scene.a.rotate(case.case);
    scene.b.join(case.offer.as_ref().unwrap());
    scene.accept(case.n).await;
    let theirs = scene.b.open(case.case, Class::Content);
    scene.b.open(case.case, Class::Access);
    let c = Hospital::admit(&scene.chain, "Gamma");
    let mut scene = scene;
    scene.web.hospitals.push(c.clone());
    scene.b.write(theirs, casewise_ledger::Kind::Beat, 1, &Data::Beat);
    scene.b.anchor();
    scene.accept(case.n).await;

    let views = share(&scene, &case, &request(&scene, c.number, Vec::new())).await.unwrap();
    assert_eq!(views.len(), 2, "one grant for each author");
    let of = |party| views.iter().find(|view| view.share.opening.author == party).unwrap();
    let mut from_a = of(scene.a.party()).share.opening.items.clone();
    from_a.sort_by_key(|item| item.last);
    assert_eq!((from_a[0].lane, from_a[0].first, from_a[0].last, from_a[0].follow), (old, 0, 0, false));
    assert_eq!((from_a[1].lane, from_a[1].last, from_a[1].follow), (new, MAX_INDEX, true));
    let from_b = &of(scene.b.party()).share.opening.items;
    assert_eq!((from_b.len(), from_b[0].lane), (1, theirs), "access lanes are not shared");
    assert_eq!(c.inbox().len(), 2);

    // a reader's own lanes are not shared with it
    let views = share(&scene, &case, &request(&scene, scene.b.number, Vec::new())).await.unwrap();
    assert_eq!(views.len(), 1);
    assert_eq!(views[0].share.opening.author, scene.a.party());
}

#[tokio::test]
async fn a_successor_of_a_shared_lane_is_no_fault_in_the_log() {
    let scene = Scene::new().await;
    let case = scene.case_with(&["one"]).await;
    share(&scene, &case, &request(&scene, scene.b.number, Vec::new())).await.unwrap();
    let (_, new) = scene.a.rotate(case.case);
    scene.a.record(case.case, 9, "two");
    scene.a.anchor();
    let network = Network::new(&*scene.chain, scene.chain.manifest());
    let reader = Reader::new(scene.world(&network), scene.b.number, &scene.b.key);
    let held = open_letter(scene.b.inbox().last().unwrap(), scene.b.kem()).unwrap();
    // a bogus key of the same lane, as anybody could send, does no harm
    let keys = [
        casewise_seal::LaneKeys { lane: new, nodes: casewise_keytree::KeySet::root(&[5; 32]) },
        casewise_seal::LaneKeys { lane: new, nodes: scene.a.root(new) },
    ];
    let (_, opened) = reader.read(&held.opening.unwrap(), None, &items(new, 0, 0), &keys).await.unwrap();
    assert_eq!(opened.len(), 1);
    scene.a.anchor();
    let (events, _) = log(&scene, &case).await;
    assert_eq!(events[0].faults, [] as [String; 0]);
}

#[tokio::test]
async fn nothing_false_is_countersigned() {
    for fault in [
        Fault::OtherCase,
        Fault::OtherReader,
        Fault::LongRelease,
        Fault::MoreThanAsked,
        Fault::ForgedHead,
        Fault::StrangersRelease,
        Fault::Unsigned,
        Fault::StrangersKey,
    ] {
        let (scene, _, lane, _) = shared().await;
        scene.a.take_requests();
        scene.a.set_fault(fault);
        let error = read(&scene, &scene.b, &items(lane, 1, 1)).await.unwrap_err();
        assert_eq!(error.category(), Category::Integrity, "{fault:?}: {error}");
        let requests = scene.a.take_requests();
        assert_eq!(requests, ["POST /v1/releases"], "{fault:?}: no countersignature left the house");
    }
    for fault in [Fault::OtherReceipt, Fault::SwappedBody] {
        let (scene, _, lane, _) = shared().await;
        scene.a.set_fault(fault);
        let error = read(&scene, &scene.b, &items(lane, 1, 1)).await.unwrap_err();
        assert_eq!(error.category(), Category::Integrity, "{fault:?}: {error}");
    }
}

#[tokio::test]
async fn false_receipts_are_shown_with_their_faults() {
    for (fault, words) in [
        (Fault::GreedyReceipt, "more was released than the grant covers"),
        (Fault::UnsignedReceipt, "the reader's signature does not verify"),
    ] {
        let (scene, case, lane, _) = shared().await;
        scene.a.set_fault(fault);
        let _ = read(&scene, &scene.b, &items(lane, 1, 1)).await;
        scene.a.heal();
        scene.a.anchor();
        let (events, failed) = log(&scene, &case).await;
        assert!(failed.is_empty());
        assert_eq!(events.len(), 1, "it is shown");
        assert!(events[0].faults.iter().any(|fault| fault.contains(words)), "{:?}", events[0].faults);
    }
}

#[tokio::test]
async fn a_read_after_the_revocation_is_a_fault() {
    let (scene, case, lane, view) = shared().await;
    scene.patient(async |patient| patient.revoke(&case, &[view.grant]).await).await.unwrap();
    // an author that does not look at the chain
    read(&scene, &scene.b, &items(lane, 1, 1)).await.unwrap();
    scene.a.anchor();
    let (events, _) = log(&scene, &case).await;
    assert!(
        events[0].faults.iter().any(|fault| fault.contains("the grant was over")),
        "{:?}",
        events[0].faults
    );
}

#[tokio::test]
async fn letters_and_openings_survive_the_end_of_the_program() {
    let mut scene = Scene::new().await;
    let case = scene.case_with(&["one"]).await;
    scene.b.set_fault(Fault::OtherKemKey);
    let error = share(&scene, &case, &request(&scene, scene.b.number, Vec::new())).await.unwrap_err();
    assert!(error.to_string().contains("not the one of the registrar"), "{error}");
    scene.b.heal();

    // the reader's key is known, then both agents go away
    let views = scene
        .patient(async |patient| {
            let followed = patient.follow(case.n).await?;
            let plan = patient.plan_share(&followed, &request(&scene, scene.b.number, Vec::new())).await?;
            scene.a.set_fault(Fault::Down);
            patient.share(&case, &plan).await.map(|(_, views)| views)
        })
        .await
        .unwrap();
    assert!(views[0].share.letter_delivered && !views[0].share.opening_delivered);
    assert_eq!(views[0].share.attempts, 1);
    assert!(views[0].share.trouble.as_ref().unwrap().contains("cannot be reached"));
    assert!(scene.a.openings().is_empty());

    scene.restart().await;
    scene.patient(async |patient| patient.follow(case.n).await).await.unwrap();
    let views = scene.patient(async |patient| patient.shares(&case).await).await.unwrap();
    assert_eq!((views[0].share.delivered(), views[0].share.attempts), (false, 2));

    scene.a.heal();
    scene.restart().await;
    scene.patient(async |patient| patient.follow(case.n).await).await.unwrap();
    let views = scene.patient(async |patient| patient.shares(&case).await).await.unwrap();
    assert!(views[0].share.delivered() && views[0].share.trouble.is_none());
    assert_eq!(scene.a.openings(), [views[0].grant]);
    assert_eq!(scene.b.inbox().len(), 1, "what was delivered is not sent again");
}

#[tokio::test]
async fn nothing_is_delivered_before_its_grant_is_in_a_block() {
    let mut scene = Scene::new().await;
    let case = scene.case_with(&["one"]).await;
    scene.chain.set_weather(Weather::LostTx);
    let wanted = request(&scene, scene.b.number, Vec::new());
    assert!(killed(share(&scene, &case, &wanted)).await, "it waits for a block that the node does not show");
    scene.restart().await;
    scene.chain.cut_off(false);
    let views = scene.patient(async |patient| patient.shares(&case).await).await.unwrap();
    assert_eq!(views.len(), 1, "kept: its transaction may still be included");
    assert!(views[0].record.is_none());
    assert!(scene.b.inbox().is_empty() && scene.a.openings().is_empty());

    scene.restart().await;
    scene.patient(async |patient| patient.follow(case.n).await).await.unwrap();
    let views = scene.patient(async |patient| patient.shares(&case).await).await.unwrap();
    assert_eq!(views[0].record.as_ref().unwrap().status, GrantStatus::Live, "sent again, the same bytes");
    assert!(views[0].share.delivered());
    let sent = scene.chain.broadcasts();
    assert_eq!(sent[sent.len() - 1], sent[sent.len() - 2]);
}

#[tokio::test]
async fn what_cannot_be_shared_is_refused_by_name() {
    let scene = Scene::new().await;
    let case = scene.case_with(&["one"]).await;
    let lane = scene.a.lane(case.case, Class::Content);
    let access = scene.a.lane(case.case, Class::Access);
    let try_share = async |change: &dyn Fn(&mut ShareRequest)| {
        let mut request = request(&scene, scene.b.number, vec![Pick { lane, range: Some((0, 0)) }]);
        change(&mut request);
        share(&scene, &case, &request).await.unwrap_err().to_string()
    };
    for (error, part) in [
        (try_share(&|r| r.reader = 99).await, "not found: institution 99"),
        (try_share(&|r| r.picks[0].lane = access).await, "--entry: lane"),
        (try_share(&|r| r.picks[0].lane = LaneId([1; 32])).await, "not found: lane"),
        (try_share(&|r| r.reader = 1).await, "the reader's own"),
        (try_share(&|r| r.picks[0].range = Some((2, 1))).await, "not a range"),
        (try_share(&|r| r.picks[0].range = Some((0, MAX_INDEX + 1))).await, "not a range"),
        (
            try_share(&|r| r.picks.push(Pick { lane: r.picks[0].lane, range: Some((0, 3)) })).await,
            "two ranges of one lane overlap",
        ),
        (try_share(&|r| r.purpose = "NOSY".into()).await, "--purpose"),
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert!(scene.chain.broadcasts().len() == 1, "only the acceptance was ever signed");
}
