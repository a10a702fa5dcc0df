//! A story of its own: the unconscious patient. The hospital makes and keeps the keys of a case, takes
//! records in, and hands the case over when the patient, awake, claims it. Nothing of the custodial
//! keys is left.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use casewise_agent::{
    config::{Config, Settings},
    custody::{self, CustodyKeys},
};
use casewise_client::Phrase;
use casewise_ledger::{CaseId, ClaimRequest, RotateCard, RotateOffer, V1, encode, sha256};
use casewise_testkit::canary::Searcher;
use serde_json::{Value, json};

use crate::{
    http::now_ms,
    people::{Hospital, Patient},
    steps::ingest::{anchored, post},
    world::World,
};

/// How long the chain may take for one thing.
const WITHIN: Duration = Duration::from_secs(60);
/// Between two looks at a condition.
const GLANCE: Duration = Duration::from_millis(100);
/// A day, ms.
const DAY_MS: u64 = 86_400_000;
/// What the hospital calls the patient it does not know.
const LINK: (&str, &str) = ("urn:hospital-a:emergency", "bed-9");

/// The network with one hospital.
pub async fn found(world: &mut World) -> Result<()> {
    println!("   network: {}", world.network.up().await?);
    let (dir, port) = (world.dir.join("a"), world.base_port + 100);
    let programs = (world.casewise.as_path(), world.agent.as_path());
    let hospital = Hospital::found("Hospital A", dir, (port, port + 1), programs, &world.network).await?;
    println!("   Hospital A is institution {}", hospital.number);
    world.hospitals.push(hospital);
    Ok(())
}

/// The hospital enrols a case for a patient who cannot act, and writes to it.
pub async fn enrol(world: &mut World) -> Result<()> {
    let a = &world.hospitals[0];
    let opened = ask_to_enrol(a, "admission-1", Some(LINK)).await?;
    let case = text(&opened, "case")?;
    ensure!(text(&ask_to_enrol(a, "admission-1", Some(LINK)).await?, "case")? == case, "not idempotent");
    world.custodial = Some(case.parse()?);
    println!("   A has made the keys of case {case} and enrolled it");
    accepted(world).await?;
    println!("   the custodial holder has accepted A: the case works as any other");
    for content in ["blood group: 0 negative", "found unconscious at 03:12"] {
        let identifier = format!("{}%7C{}", LINK.0.replace(':', "%3A"), LINK.1);
        take_in(a, &format!("/v1/entries?identifier={identifier}"), content).await?;
        world.records.push(content.into());
    }
    anchored(a, WITHIN).await?;
    println!("   2 records are anchored");
    Ok(())
}

/// The patient wakes up: the request, and every request that must not be taken.
pub async fn request(world: &mut World) -> Result<()> {
    let case = world.custodial.context("there is no custodial case")?;
    let patient = Patient::born(world.dir.join("patient"), &world.casewise, &world.network).await?;
    let file = patient.home.join("claim");
    let (id, out) = (case.to_string(), file.to_string_lossy().into_owned());
    let made = patient.says(&["case", "claim", "offer-request", "--case-id", &id, "--out", &out]).await?;
    ensure!(made["case"] == id.as_str(), "the request is for another case");
    let n = made["n"].as_u64().context("claim offer-request printed no number")? as u32;
    let early = patient.tries(&["case", "show"]).await?;
    ensure!(early.code != 0 && early.err.contains("claim accept"), "a case not yet claimed: {}", early.err);
    refuse_what_does_not_fit(world, &patient, n).await?;
    let a = &world.hospitals[0];
    let request = std::fs::read(&file)?;
    let (status, taken) = put_claim(a, &case, &request).await?;
    ensure!(status == 200 && taken["held"] == true, "A answered {status}: {taken}");
    println!("   A has taken the patient's request and offers the case to {}", text(&taken, "holder")?);
    world.patient = Some(patient);
    Ok(())
}

/// Requests that A refuses: another case, another epoch, expired, for too long, not signed.
async fn refuse_what_does_not_fit(world: &World, patient: &Patient, n: u32) -> Result<()> {
    let a = &world.hospitals[0];
    let case = world.custodial.context("there is no custodial case")?;
    let other: CaseId = text(&ask_to_enrol(a, "admission-2", None).await?, "case")?.parse()?;
    let phrase = Phrase::parse(&patient.phrase)?;
    let now = now_ms();
    let make = |case: CaseId, epoch: u32, expires: u64| -> Result<ClaimRequest> {
        let (key, kem) = (phrase.account(n)?, phrase.kem_secret(n)?.public());
        let card = RotateCard { version: V1, case, epoch, holder: key.address(), kem: kem.hash() };
        let signature = key.sign_message(&card.message());
        let offer =
            RotateOffer { version: V1, card, kem_key: *kem.as_bytes(), key: key.public().0, signature };
        let mut request = ClaimRequest { version: V1, offer, recovery: None, expires, signature: [0; 64] };
        request.signature = key.sign_message(&request.message());
        Ok(request)
    };
    let mut forged = make(case, 1, now + DAY_MS)?;
    forged.signature[9] ^= 1;
    let mut stretched = make(case, 1, now + DAY_MS)?;
    stretched.expires += DAY_MS;
    for (what, request, field) in [
        ("another case", make(other, 1, now + DAY_MS)?, "request.offer.card.case"),
        ("the present epoch", make(case, 0, now + DAY_MS)?, "request.offer.card.epoch"),
        ("a later epoch", make(case, 2, now + DAY_MS)?, "request.offer.card.epoch"),
        ("a time that is over", make(case, 1, now - 1)?, "request.expires"),
        ("more than the longest time", make(case, 1, now + 31 * DAY_MS)?, "request.expires"),
        ("a signature of nobody", forged, "request.signature"),
        ("another time than was signed", stretched, "request.signature"),
    ] {
        let (status, problem) = put_claim(a, &case, &encode(&request)).await?;
        ensure!(status == 422 && problem["field"] == field, "{what}: A answered {status}: {problem}");
    }
    let state = a.ask(&format!("/v1/cases/{case}/claim"), &[]).await?;
    ensure!(state["holder"].is_null(), "a refused request was stored");
    println!("   requests for another case, epoch or time, or not signed, are refused");
    Ok(())
}

/// The patient takes the case over and reads what was written before, and after.
pub async fn accept(world: &mut World) -> Result<()> {
    let case = world.custodial.context("there is no custodial case")?;
    let sealed = custodial_keys(world).await?;
    let patient = world.patient()?;
    let accepted = patient.says(&["case", "claim", "accept"]).await?;
    ensure!(accepted["height"].as_u64().is_some(), "the acceptance is in no block: {accepted}");
    reads(world, 2).await?;
    println!("   the patient is the holder and reads both records, the same to the byte");
    let again = patient.tries(&["case", "claim", "accept"]).await?;
    ensure!(again.code != 0, "a case cannot be claimed twice");
    let state = world.hospitals[0].ask(&format!("/v1/cases/{case}/claim"), &[]).await?;
    ensure!(state["held"] == false, "A still holds keys: {state}");

    let late = "awake, oriented, asks for coffee";
    post(&world.hospitals[0], &case.to_string(), late).await?;
    world.records.push(late.into());
    anchored(&world.hospitals[0], WITHIN).await?;
    reads(world, 3).await?;
    world.patient()?.shows(&["record", "list", "--open"]).await?;
    println!("   a third record arrives, and the patient reads it");
    nothing_is_left(world, &sealed).await
}

/// What A holds of the case, read from its stopped agent.
struct Custodial {
    sealed: Vec<u8>,
    keys: CustodyKeys,
}

async fn custodial_keys(world: &mut World) -> Result<Custodial> {
    let case = world.custodial.context("there is no custodial case")?;
    world.hospitals[0].stop().await;
    let config = Config::load(Some(&world.hospitals[0].config_file()), Vec::new(), Settings::default())?;
    let agent = casewise_agent::serve::open(config, false).await?.app;
    let row = agent.store.custody(&case).await?.context("A knows nothing of the case")?;
    let sealed = row.sealed.context("A holds no keys before the claim")?;
    let keys = custody::open(&agent.keys, &case, &sealed)?;
    drop(agent);
    world.hospitals[0].start().await?;
    Ok(Custodial { sealed, keys })
}

/// The custodial keys are nowhere any more, neither sealed nor in the clear.
async fn nothing_is_left(world: &mut World, custodial: &Custodial) -> Result<()> {
    world.hospitals[0].stop().await;
    let (holder, kem) = (custodial.keys.holder.expose_secret(), custodial.keys.kem.expose_secret());
    let needles: [(&str, &[u8]); 3] = [
        ("the custodial account's key", &*holder),
        ("the custodial encryption key", kem),
        ("the sealed custodial keys", &custodial.sealed),
    ];
    let searcher = Searcher::new(needles);
    for (name, needle) in needles {
        let plant = tempfile::NamedTempFile::new()?;
        std::fs::write(plant.path(), needle)?;
        let (found, _) = searcher.search_files(&[plant.path()])?;
        ensure!(!found.is_empty(), "the searcher did not find {name} planted");
    }
    let places: Vec<PathBuf> = world.hospitals[0].at_rest();
    let (found, read) = searcher.search_files(&places)?;
    ensure!(found.is_empty(), "left at A: {:?}", &found[..found.len().min(3)]);
    println!("   the custodial keys are gone: not in {} kB of database, bodies and logs", read / 1000);
    Ok(())
}

/// The patient lists and opens exactly what A took in.
async fn reads(world: &World, count: usize) -> Result<()> {
    let list = world.patient()?.says(&["record", "list", "--open"]).await?;
    let list = list.as_array().context("record list printed no list")?;
    let mut found: Vec<&str> = list.iter().filter_map(|r| r["content"]["sha256"].as_str()).collect();
    let digests: Vec<String> = world.records.iter().map(|r| hex::encode(sha256(&[r]))).collect();
    let mut expected: Vec<&str> = digests.iter().map(String::as_str).collect();
    found.sort_unstable();
    expected.sort_unstable();
    ensure!(found == expected && found.len() == count, "the patient reads {found:?}, not {expected:?}");
    Ok(())
}

/// Waits until the relationship with A is in force.
async fn accepted(world: &World) -> Result<()> {
    let case = world.custodial.context("there is no custodial case")?;
    let client = world.network.client()?;
    let network = casewise_client::Network::new(&client, world.network.manifest()?);
    let deadline = tokio::time::Instant::now() + WITHIN;
    loop {
        let known = network.relationships(&case).await?;
        let active = casewise_ledger::records::RelationshipStatus::Active;
        if known.iter().any(|known| active == known.status.into()) {
            return Ok(());
        }
        ensure!(tokio::time::Instant::now() < deadline, "the relationship is not accepted: {known:?}");
        tokio::time::sleep(GLANCE).await;
    }
}

async fn ask_to_enrol(a: &Hospital, key: &str, link: Option<(&str, &str)>) -> Result<Value> {
    let policy = json!({ "cadence": 86_400, "lateness": 3_600, "grace": 3_600, "completion": 86_400 });
    let mut body = json!({ "policy": policy });
    if let Some((system, value)) = link {
        body["link"] = json!({ "system": system, "value": value });
    }
    let answer = reqwest::Client::new()
        .post(a.private_url("/v1/cases/custodial"))
        .bearer_auth(&a.token)
        .header("idempotency-key", key)
        .json(&body)
        .send()
        .await?;
    let status = answer.status();
    let text = answer.text().await?;
    ensure!(status.is_success(), "A answered {status} to a custodial case: {text}");
    Ok(serde_json::from_str(&text)?)
}

/// Waits, if A has not seen the case's block yet.
async fn put_claim(a: &Hospital, case: &CaseId, request: &[u8]) -> Result<(u16, Value)> {
    let deadline = tokio::time::Instant::now() + WITHIN;
    loop {
        let answer = reqwest::Client::new()
            .put(a.private_url(&format!("/v1/cases/{case}/claim")))
            .bearer_auth(&a.token)
            .json(&json!({ "request": STANDARD.encode(request) }))
            .send()
            .await?;
        let status = answer.status().as_u16();
        if status != 503 || tokio::time::Instant::now() > deadline {
            return Ok((status, answer.json().await?));
        }
        tokio::time::sleep(GLANCE).await;
    }
}

async fn take_in(a: &Hospital, target: &str, content: &str) -> Result<()> {
    let answer = reqwest::Client::new()
        .post(a.private_url(target))
        .bearer_auth(&a.token)
        .header("idempotency-key", format!("{:032x}", rand::random::<u128>()))
        .header("content-type", "text/plain")
        .body(content.to_string())
        .send()
        .await?;
    ensure!(answer.status().is_success(), "A answered {} to a record", answer.status());
    Ok(())
}

fn text(value: &Value, field: &str) -> Result<String> {
    value[field].as_str().map(str::to_string).with_context(|| format!("no {field} in {value}"))
}
