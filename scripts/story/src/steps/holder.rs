//! A story of its own: a case changes its holder. The patient rotates it; whoever found the second
//! phrase starts a recovery and is stopped once; a recovery that nobody may stop any more is finished.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use casewise_api::route;
use casewise_client::Phrase;
use casewise_ledger::{
    CaseId, LaneId, RotateCard, RotateOffer, V1, account::AccountKey, encode, records::LaneStatus, sha256,
};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    command,
    http::{Answer, Caller},
    people::Patient,
    steps::{
        claim,
        ingest::{anchored, onboard_with, post},
    },
    world::World,
};

/// How long the chain may take for one thing.
const WITHIN: Duration = Duration::from_secs(60);
/// Between two looks at a condition.
const GLANCE: Duration = Duration::from_millis(200);
/// How long a recovery waits here, seconds.
const DELAY: u32 = 8;
/// What the hospital writes, in order.
const CONTENTS: [&str; 4] =
    ["first visit", "second visit", "written after the rotation", "written after the recovery"];

/// The network, a hospital, a patient whose case can be recovered with a second phrase.
pub async fn found(world: &mut World) -> Result<()> {
    world.network.recovery_delay = Some(DELAY);
    claim::found(world).await?;
    let patient = Patient::born(world.dir.join("patient"), &world.casewise, &world.network).await?;
    let second = Patient::born(world.dir.join("second"), &world.casewise, &world.network).await?;
    std::fs::write(second_file(world), &second.phrase)?;
    let file = second_file(world).to_string_lossy().into_owned();
    let options = ["--recovery-phrase-file", file.as_str()];
    let (patient, _) = onboard_with(patient, &world.hospitals[0], &options).await?;
    let case = patient.case()?;
    world.patient = Some(patient);
    for content in &CONTENTS[..2] {
        post(&world.hospitals[0], &case, content).await?;
    }
    anchored(&world.hospitals[0], WITHIN).await?;
    world.patient()?.says(&["case", "accept"]).await?;
    reads(world.patient()?, &CONTENTS[..2]).await?;
    println!("   case {case}: two records, accepted and read");
    Ok(())
}

fn second_file(world: &World) -> PathBuf {
    world.dir.join("second.phrase")
}

/// rotate → the old account is refused, the new one reads old and new, lanes go on, A acknowledges.
pub async fn rotate(world: &mut World) -> Result<()> {
    let case = world.patient()?.case.context("no case")?;
    let before = lanes_on_chain(world, &case).await?;
    let phrase = Phrase::parse(&world.patient()?.phrase)?;
    let old = caller(world, phrase.account(0)?)?;
    ensure!(ask_lanes(&old, &case).await?.status == 200, "the holder is refused before the rotation");
    let rotated = world.patient()?.says(&["case", "rotate"]).await?;
    ensure!(rotated["epoch"] == 1 && rotated["waiting"] == serde_json::json!([]), "{rotated}");
    println!("   rotated in block {}; A has the new key", rotated["height"]);
    let key = u32::try_from(rotated["key"].as_u64().context("no key number")?)?;
    let refused = ask_lanes(&old, &case).await?;
    ensure!(refused.status == 404, "the former holder is answered {}", refused.status);
    let new = caller(world, phrase.account(key)?)?;
    ensure!(ask_lanes(&new, &case).await?.status == 200, "the new holder is refused");
    println!("   the former account is refused, the new one is served");
    acknowledged(world, &case).await?;
    for (lane, _) in &before {
        let (_, status) =
            *lanes_on_chain(world, &case).await?.iter().find(|(l, _)| l == lane).context("gone")?;
        ensure!(status == LaneStatus::Closed, "lane {lane} goes on");
    }
    let (lane, index) = post(&world.hospitals[0], &case.to_string(), CONTENTS[2]).await?;
    ensure!(index == 0 && before.iter().all(|(known, _)| *known != lane), "A goes on in the old lane");
    anchored(&world.hospitals[0], WITHIN).await?;
    let patient = world.patient()?;
    patient.says(&["case", "accept"]).await?;
    reads(patient, &CONTENTS[..3]).await?;
    println!("   A goes on in new lanes and has acknowledged; the patient reads old and new");
    let list = patient.says(&["case", "list"]).await?;
    ensure!(list[0]["epoch"] == 1 && list[0]["key"] == key, "case list: {list}");
    let again = patient.says(&["case", "rotate"]).await?;
    ensure!(again["epoch"] == 2, "a second rotation: {again}");
    acknowledged(world, &case).await?;
    reads(world.patient()?, &CONTENTS[..3]).await?;
    println!("   rotated once more: a rotation is nothing special");
    Ok(())
}

/// Offers of another case, epoch or key, replayed ones, and former holders.
pub async fn refused(world: &mut World) -> Result<()> {
    let case = world.patient()?.case.context("no case")?;
    let phrase = Phrase::parse(&world.patient()?.phrase)?;
    let list = world.patient()?.says(&["case", "list"]).await?;
    let key = u32::try_from(list[0]["key"].as_u64().context("no key number")?)?;
    let holder = caller(world, phrase.account(key)?)?;
    let former = caller(world, phrase.account(0)?)?;
    let offer = |case: CaseId, epoch: u32, key: u32| make_offer(&phrase, case, epoch, key);
    let mut wrong_key = offer(case, 2, key)?;
    wrong_key.kem_key = *phrase.kem_secret(0)?.public().as_bytes();
    let mut signed_by_former = offer(case, 2, key)?;
    signed_by_former.signature = phrase.account(0)?.sign_message(&signed_by_former.card.message());
    for (what, caller, offer, status) in [
        ("another case", &holder, offer(CaseId([7; 32]), 2, key)?, 422),
        ("a later epoch", &holder, offer(case, 3, key)?, 422),
        ("the offer of the rotation before", &holder, offer(case, 1, key)?, 422),
        ("another encryption key", &holder, wrong_key, 422),
        ("a signature of the former holder", &holder, signed_by_former, 422),
        ("a request of the former holder", &former, offer(case, 2, key)?, 404),
        ("the former holder's own offer", &former, offer(case, 1, 0)?, 404),
        ("the same offer again", &holder, offer(case, 2, key)?, 204),
    ] {
        let answer = put(caller, &case, encode(&offer)).await?;
        ensure!(answer.status == status, "{what}: answered {}, not {status}", answer.status);
    }
    let broken = put(&holder, &case, vec![1, 2, 3]).await?;
    ensure!(broken.status == 422, "bytes that are no offer: {}", broken.status);
    println!("   another case, epoch, key or signer is refused; the same offer again changes nothing");
    Ok(())
}

/// Whoever has the second phrase starts a recovery from a wallet of its own; the holder stops it.
pub async fn veto(world: &mut World) -> Result<()> {
    let case = world.patient()?.case()?;
    let finder = Patient::born(world.dir.join("finder"), &world.casewise, &world.network).await?;
    start(world, &finder, &case).await?;
    let early = finder.tries(&["case", "recover", "finish", "--case", &case]).await?;
    ensure!(early.code == 3, "a recovery was finished before its time: {}", early.err);
    let shown = world.patient()?.says(&["case", "show"]).await?;
    ensure!(shown["recovery"]["ready"].as_u64().is_some(), "case show hides the recovery: {shown}");
    let rotating = world.patient()?.tries(&["case", "rotate"]).await?;
    ensure!(
        rotating.code == 3 && rotating.err.contains("recovery"),
        "rotated during a recovery: {}",
        rotating.err
    );
    println!("   a recovery is started with the second phrase; the holder sees it and cannot rotate");
    world.patient()?.says(&["case", "recover", "veto"]).await?;
    let status = world.patient()?.says(&["case", "recover", "status"]).await?;
    ensure!(status["state"] == "none", "the veto stopped nothing: {status}");
    start(world, &finder, &case).await?;
    let second = file(world);
    let words = ["case", "recover", "cancel", "--case", &case, "--recovery-phrase-file", &second];
    finder.says(&words).await?;
    let status = finder.says(&["case", "recover", "status", "--case", &case]).await?;
    ensure!(status["state"] == "none", "the recovery was not taken back: {status}");
    println!("   the holder stops it; a second one is taken back by the second phrase itself");
    let wrong = world.dir.join("wrong.phrase");
    std::fs::write(&wrong, &finder.phrase)?;
    let wrong = wrong.to_string_lossy().into_owned();
    let other = ["case", "recover", "start", "--case", &case, "--recovery-phrase-file", &wrong];
    let refused = finder.tries(&other).await?;
    ensure!(refused.code == 3 && refused.err.contains("second phrase"), "another phrase: {}", refused.err);
    println!("   another phrase cannot recover the case");
    Ok(())
}

/// The patient has lost the phrase: a new wallet takes the case over with the second one.
pub async fn recover(world: &mut World) -> Result<()> {
    let case = world.patient()?.case()?;
    let id = world.patient()?.case.context("no case")?;
    let mut heir = Patient::born(world.dir.join("heir"), &world.casewise, &world.network).await?;
    start(world, &heir, &case).await?;
    let again = world.patient()?.tries(&["case", "recover", "veto"]).await?;
    ensure!(again.code != 0, "a second veto was taken");
    println!("   a third recovery runs; the holder's one veto is used");
    let deadline = Instant::now() + WITHIN;
    while heir.says(&["case", "recover", "status", "--case", &case]).await?["state"] != "ready" {
        ensure!(Instant::now() < deadline, "the recovery is never ready");
        tokio::time::sleep(GLANCE).await;
    }
    let done = heir.says(&["case", "recover", "finish", "--case", &case]).await?;
    ensure!(done["epoch"] == 3 && done["waiting"] == serde_json::json!([]), "{done}");
    println!("   finished in block {}; A has the new key", done["height"]);
    heir.case = Some(id);
    acknowledged(world, &id).await?;
    let lost = world.patient()?.tries(&["case", "show"]).await?;
    ensure!(lost.code == 3 && lost.err.contains("another holder"), "the former wallet: {}", lost.err);
    post(&world.hospitals[0], &case, CONTENTS[3]).await?;
    anchored(&world.hospitals[0], WITHIN).await?;
    heir.says(&["case", "accept"]).await?;
    let list = heir.says(&["record", "list", "--open"]).await?;
    let list = list.as_array().context("record list printed no list")?;
    ensure!(list.len() == 4, "the new holder verifies {} entries, not 4", list.len());
    ensure!(opened(list) == [digest(CONTENTS[3])], "the new holder opens {list:?}");
    println!("   the new holder verifies all four records and opens what was written since");
    heir.shows(&["record", "list", "--open"]).await?;
    let repeated = heir.says(&["case", "recover", "finish", "--case", &case]).await;
    ensure!(repeated.is_err(), "a recovery is finished twice");
    world.patient = Some(heir);
    verified(world).await
}

/// A's own comparison of its database with the chain and the disk.
async fn verified(world: &mut World) -> Result<()> {
    world.hospitals[0].stop().await;
    let config = world.hospitals[0].config_file();
    let words = ["verify".as_ref(), "--config".as_ref(), config.as_os_str(), "--bodies".as_ref()];
    command::succeed(&world.agent, &words).await?;
    println!("   casewise-agent verify: the view is the contracts' state");
    Ok(())
}

fn file(world: &World) -> String {
    second_file(world).to_string_lossy().into_owned()
}

async fn start(world: &World, wallet: &Patient, case: &str) -> Result<()> {
    let second = file(world);
    let words = ["case", "recover", "start", "--case", case, "--recovery-phrase-file", &second];
    let started = wallet.says(&words).await?;
    ensure!(started["state"] == "waiting", "the recovery: {started}");
    Ok(())
}

fn make_offer(phrase: &Phrase, case: CaseId, epoch: u32, key: u32) -> Result<RotateOffer> {
    let (account, kem) = (phrase.account(key)?, phrase.kem_secret(key)?.public());
    let card = RotateCard { version: V1, case, epoch, holder: account.address(), kem: kem.hash() };
    let signature = account.sign_message(&card.message());
    Ok(RotateOffer { version: V1, card, kem_key: *kem.as_bytes(), key: account.public().0, signature })
}

fn caller(world: &World, key: AccountKey) -> Result<Caller> {
    Ok(Caller::new(key, world.network.manifest()?.net(), world.hospitals[0].public))
}

async fn ask_lanes(caller: &Caller, case: &CaseId) -> Result<Answer> {
    caller.send("GET", &route::lanes(case), Vec::new()).await
}

async fn put(caller: &Caller, case: &CaseId, body: Vec<u8>) -> Result<Answer> {
    caller.send_as("PUT", &route::holder(case), "application/octet-stream", body).await
}

async fn lanes_on_chain(world: &World, case: &CaseId) -> Result<Vec<(LaneId, LaneStatus)>> {
    let client = world.network.client()?;
    let network = casewise_client::Network::new(&client, world.network.manifest()?);
    let lanes = network.lanes(case).await?;
    Ok(lanes.into_iter().map(|(lane, record)| (lane, record.status)).collect())
}

/// A has acknowledged the case's counter.
async fn acknowledged(world: &World, case: &CaseId) -> Result<()> {
    let client = world.network.client()?;
    let network = casewise_client::Network::new(&client, world.network.manifest()?);
    let deadline = Instant::now() + WITHIN;
    loop {
        let (rev, acks) = network.acks(case).await?;
        if rev > 0 && acks.iter().all(|ack| ack.acked == rev) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "A has not acknowledged {rev}: {acks:?}");
        tokio::time::sleep(GLANCE).await;
    }
}

/// The patient opens exactly these records.
async fn reads(patient: &Patient, contents: &[&str]) -> Result<()> {
    let list = patient.says(&["record", "list", "--open"]).await?;
    let mut expected: Vec<String> = contents.iter().map(|content| digest(content)).collect();
    let mut found = opened(list.as_array().context("record list printed no list")?);
    expected.sort();
    found.sort();
    ensure!(found == expected, "the patient opens {found:?}, not {expected:?}");
    Ok(())
}

fn opened(list: &[Value]) -> Vec<String> {
    list.iter().filter_map(|record| record["content"]["sha256"].as_str().map(str::to_owned)).collect()
}

fn digest(content: &str) -> String {
    hex::encode(sha256(&[content.as_bytes()]))
}
