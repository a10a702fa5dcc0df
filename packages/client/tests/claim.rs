//! Claiming a case that an institution holds: only what was asked for is accepted, and once.

mod common;

use casewise_client::claim::{self, CLAIM_WAIT, MAX_CLAIM_LIFE};
use casewise_client::{Category, ClientError};
use casewise_ledger::case::kem_hash;
use casewise_ledger::records::IdentityRecord;
use casewise_ledger::{Address, CaseCard, CaseId, CaseOffer, ClaimRequest, RotateCard, RotateOffer, V1};
use casewise_protocol::registrar::ExecuteMsg;
use casewise_seal::{KemPublic, KemSecret};
use casewise_testkit::contracts::{PREFIX, addr, key};

use common::chain::Weather;
use common::{Scene, killed};

const DAY: u64 = 86_400;

/// A case that hospital Alpha holds for a patient, with lanes of its own.
fn custodial(scene: &Scene) -> CaseId {
    let (holder, kem) = (key("custodian"), KemSecret::generate().unwrap().public());
    let net = scene.chain.manifest().net();
    let card = CaseCard { version: V1, net, holder: holder.address(), kem: kem.hash(), salt: [6; 32] };
    let expires = scene.chain.with(|suite| suite.now()) + 1000 * DAY;
    let signature = holder.sign_message(&card.open_message(None, scene.a.number, expires));
    scene.a.take_in_custodial(&CaseOffer {
        version: V1,
        card,
        kem_key: *kem.as_bytes(),
        recovery: None,
        institution: scene.a.number,
        expires,
        key: holder.public().0,
        signature,
    })
}

/// Alpha offers the case to an account.
fn offer(scene: &Scene, case: CaseId, holder: Address, until: u64) {
    scene.chain.with(move |suite| {
        let offer = ExecuteMsg::offer_claim(PREFIX, &case, &holder, until).unwrap();
        suite.registrar(&addr(&key("custodian").address()), &offer).unwrap();
    });
}

async fn identity(scene: &Scene, case: CaseId) -> IdentityRecord {
    scene.patient(async |patient| patient.network.identity(&case).await).await.unwrap().unwrap()
}

async fn request(scene: &Scene, case: CaseId) -> (u32, ClaimRequest) {
    let made = scene.patient(async |patient| patient.request_claim(&case, DAY, None).await).await.unwrap();
    (made.0.n, made.1)
}

async fn accept(scene: &Scene, n: u32) -> Result<claim::Claimed, ClientError> {
    scene.patient(async |patient| patient.accept_claim(n).await).await
}

/// Lets the new account's fees be paid, as the agent does when it takes the request in.
fn pay(scene: &Scene, request: &ClaimRequest) {
    scene.chain.allow(key("Alpha").address(), request.offer.card.holder);
}

#[tokio::test]
async fn a_request_has_keys_of_a_fresh_number_and_the_same_again() {
    let scene = Scene::new().await;
    let case = custodial(&scene);
    let number = scene.a.number;
    scene.patient(async |patient| patient.offer(number, DAY, None).await).await.unwrap();
    let (n, made) = request(&scene, case).await;
    assert_eq!(n, 1, "the number of no other case");
    made.check().unwrap();
    let card = &made.offer.card;
    assert_eq!((card.case, card.epoch, card.holder), (case, 1, scene.phrase.account(n).unwrap().address()));
    let (again, second) = request(&scene, case).await;
    assert_eq!((again, &second.offer), (n, &made.offer));
    let third = scene.patient(async |patient| patient.offer(number, DAY, None).await).await.unwrap();
    assert_eq!(third.n, 2, "its number is taken");
    let life =
        async |life| scene.patient(async |patient| patient.request_claim(&case, life, None).await).await;
    life(MAX_CLAIM_LIFE).await.unwrap();
    for wrong in [0, MAX_CLAIM_LIFE + 1] {
        assert_eq!(life(wrong).await.unwrap_err().category(), Category::Usage);
    }
}

#[tokio::test]
async fn a_case_that_is_not_held_cannot_be_asked_for() {
    let scene = Scene::new().await;
    let ask = async |case| scene.patient(async |patient| patient.request_claim(&case, DAY, None).await).await;
    assert_eq!(ask(CaseId([9; 32])).await.unwrap_err().category(), Category::NotFound);
    let number = scene.a.number;
    let own = scene.chain.with(move |suite| {
        let patient = suite.offer("ada", number, None);
        let enrol = ExecuteMsg::enrol(PREFIX, &patient.offer).unwrap();
        suite.registrar(&addr(&key("Alpha").address()), &enrol).unwrap();
        patient.case()
    });
    assert!(matches!(ask(own).await.unwrap_err(), ClientError::Refused { .. }));
    let cases = scene.patient(async |patient| patient.book.cases().await).await.unwrap();
    assert_eq!(cases, [], "nothing is kept of a refused request");
}

#[tokio::test]
async fn only_an_offer_to_this_account_is_accepted() {
    let scene = Scene::new().await;
    let case = custodial(&scene);
    let held = identity(&scene, case).await;
    let (n, made) = request(&scene, case).await;
    pay(&scene, &made);
    let nothing = |error: ClientError| {
        assert!(matches!(error, ClientError::Waited { seconds, .. } if seconds == CLAIM_WAIT))
    };
    nothing(accept(&scene, n).await.unwrap_err());
    offer(&scene, case, Address([5; 20]), made.expires);
    nothing(accept(&scene, n).await.unwrap_err());
    assert_eq!(scene.chain.broadcasts(), [] as [[u8; 32]; 0], "nothing was signed");
    assert_eq!(identity(&scene, case).await, held);
    let shown = scene.patient(async |patient| patient.follow(n).await).await.unwrap_err();
    assert!(shown.to_string().contains("claim accept"), "{shown}");
    assert_eq!(accept(&scene, 7).await.unwrap_err().category(), Category::NotFound);
}

#[tokio::test]
async fn a_case_that_moved_on_and_a_request_that_is_over_are_refused() {
    let scene = Scene::new().await;
    let case = custodial(&scene);
    let (n, made) = request(&scene, case).await;
    scene.chain.with(move |suite| suite.advance((DAY + 1) * 1000));
    let error = accept(&scene, n).await.unwrap_err();
    assert!(error.to_string().contains("expired"), "{error}");
    // the custodial holder takes another key
    scene.chain.with(move |suite| {
        let (heir, kem_key) = (key("heir"), [3; 1216]);
        let card =
            RotateCard { version: V1, case, epoch: 1, holder: heir.address(), kem: kem_hash(&kem_key) };
        let signature = heir.sign_message(&card.message());
        let offer = RotateOffer { version: V1, card, kem_key, key: heir.public().0, signature };
        suite.registrar(&addr(&key("custodian").address()), &ExecuteMsg::rotate(&offer)).unwrap();
    });
    assert!(identity(&scene, case).await.custodial);
    let error = accept(&scene, n).await.unwrap_err();
    assert!(matches!(error, ClientError::Refused { .. }), "{error}");
    let (again, second) = request(&scene, case).await;
    assert_eq!((again, second.offer.card.epoch), (n, made.offer.card.epoch + 1), "made anew, it fits");
}

#[tokio::test]
async fn accepted_once_also_when_the_answer_is_lost() {
    for weather in [Weather::Fair, Weather::LostAnswer, Weather::LostTx] {
        let scene = Scene::new().await;
        let case = custodial(&scene);
        let (n, made) = request(&scene, case).await;
        pay(&scene, &made);
        offer(&scene, case, made.offer.card.holder, made.expires);
        scene.a.hand_over(case, &KemPublic::from_bytes(&made.offer.kem_key).unwrap());
        scene.chain.set_weather(weather);
        if weather == Weather::Fair {
            accept(&scene, n).await.unwrap();
        } else {
            assert!(killed(accept(&scene, n)).await, "{weather:?}: it waits for a block");
            scene.chain.cut_off(false);
            accept(&scene, n).await.unwrap();
        }
        let now = identity(&scene, case).await;
        let card = &made.offer.card;
        assert_eq!((now.holder, now.kem, now.epoch, now.custodial), (card.holder, card.kem, 1, false));
        let mut sent = scene.chain.broadcasts();
        sent.dedup();
        assert_eq!(sent.len(), 1, "{weather:?}: only the same bytes are sent again");
        let error = accept(&scene, n).await.unwrap_err();
        assert_eq!(error.category(), Category::NotFound, "there is no request any more");
        let followed = scene.patient(async |patient| patient.follow(n).await).await.unwrap();
        assert!(followed.lanes.len() >= 2 && followed.lanes.iter().all(|lane| lane.readable));
    }
}
