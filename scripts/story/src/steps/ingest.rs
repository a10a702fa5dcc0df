//! Step 2: a phrase, a case offer, a link, and the records of an export, each sealed under its own
//! key, stored and anchored.

use std::{
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use casewise_api::body::EntryAccepted;
use casewise_ledger::LaneId;
use casewise_testkit::fhir;
use serde_json::{Value, json};

use crate::{
    command,
    people::{Hospital, Patient},
    world::World,
};

/// Records made when none are given.
const INVENTED: usize = 6;
/// What the patient's number at A is called.
const MRN_SYSTEM: &str = "urn:hospital-a:mrn";
/// The number.
const MRN: &str = "4711";
/// Planted in a record of every run; the end of the story looks for it everywhere.
pub const CANARY: &str = "CANARY-\"pénicilline\"-7f3a91c2";
/// How long the chain may take to hold everything.
const ANCHORED_WITHIN: Duration = Duration::from_secs(60);

/// Runs the step.
pub async fn run(world: &mut World, given: &[PathBuf]) -> Result<()> {
    let folder = world.dir.join("export");
    let records = export(&folder, given)?;
    let bytes: u64 = records.iter().map(|r| r.len() as u64).sum();
    let patient = Patient::born(world.dir.join("patient"), &world.casewise, &world.network).await?;
    println!("   the patient has written down 24 words");
    let a = &world.hospitals[0];
    let (patient, lanes) = onboard(patient, a).await?;
    println!("   A has enrolled the case {} and opened {lanes} lanes", patient.case()?);
    refuse_unknown_identifier(a).await?;
    link(a, &patient).await?;
    println!("   A has linked it to {MRN_SYSTEM}|{MRN}");
    let taken = take_in(world, a, &folder).await?;
    ensure!(taken == records.len(), "{taken} of {} records were acknowledged", records.len());
    println!("   {taken} records, {bytes} bytes, acknowledged; each sealed under a key of its own");
    anchored(a, ANCHORED_WITHIN).await?;
    println!("   and anchored");
    world.facts.records += taken as u64;
    world.facts.bytes += bytes;
    world.records = records;
    world.patient = Some(patient);
    Ok(())
}

/// The offer, and what A answers. Returns the patient with the case, and the number of lanes.
pub async fn onboard(patient: Patient, hospital: &Hospital) -> Result<(Patient, usize)> {
    onboard_with(patient, hospital, &[]).await
}

/// The same, with more options of `case offer`.
pub async fn onboard_with(
    mut patient: Patient,
    hospital: &Hospital,
    options: &[&str],
) -> Result<(Patient, usize)> {
    let offer_file = patient.home.join("offer");
    let (number, file) = (hospital.number.to_string(), offer_file.to_string_lossy().into_owned());
    let words = [&["case", "offer", "--to", &number, "--out", &file], options].concat();
    let made = patient.says(&words).await?;
    let case = made["case"].as_str().context("case offer printed no case")?;
    patient.case = Some(case.parse()?);
    let offer = STANDARD.encode(std::fs::read(&offer_file)?);
    let policy = json!({ "cadence": 86_400, "lateness": 3_600, "grace": 3_600, "completion": 86_400 });
    let body = json!({ "offer": offer, "policy": policy });
    let answer = reqwest::Client::new()
        .post(hospital.private_url("/v1/cases"))
        .bearer_auth(&hospital.token)
        .json(&body)
        .send()
        .await?;
    let status = answer.status();
    let text = answer.text().await?;
    ensure!(status.is_success(), "{} answered {status} to the offer: {text}", hospital.name);
    let opened: Value = serde_json::from_str(&text)?;
    ensure!(opened["case"] == case, "the case opened is not the case offered");
    Ok((patient, opened["lanes"].as_array().map_or(0, Vec::len)))
}

async fn link(a: &Hospital, patient: &Patient) -> Result<()> {
    let answer = reqwest::Client::new()
        .put(a.private_url("/v1/links"))
        .bearer_auth(&a.token)
        .json(&json!({ "system": MRN_SYSTEM, "value": MRN, "case": patient.case()? }))
        .send()
        .await?;
    ensure!(answer.status().is_success(), "the link was answered {}", answer.status());
    Ok(())
}

async fn refuse_unknown_identifier(a: &Hospital) -> Result<()> {
    let answer = reqwest::Client::new()
        .post(a.private_url("/v1/entries?identifier=urn%3Ahospital-a%3Amrn%7C9999"))
        .bearer_auth(&a.token)
        .header("idempotency-key", "unknown-identifier")
        .header("content-type", "application/fhir+json")
        .body(r#"{"resourceType":"Observation"}"#)
        .send()
        .await?;
    ensure!(answer.status() == 404, "an unknown identifier was answered {}", answer.status());
    println!("   a record for an unknown identifier is refused, with the remedy");
    Ok(())
}

async fn take_in(world: &World, a: &Hospital, folder: &Path) -> Result<usize> {
    let identifier = format!("{MRN_SYSTEM}|{MRN}");
    let (url, token) = (a.private_url(""), a.dir.join("token"));
    let args: [&std::ffi::OsStr; 9] = [
        "ingest".as_ref(),
        folder.as_os_str(),
        "--url".as_ref(),
        url.as_ref(),
        "--token-file".as_ref(),
        token.as_os_str(),
        "--identifier".as_ref(),
        identifier.as_ref(),
        "--json".as_ref(),
    ];
    let said = command::json(&world.agent, &args).await?;
    said["added"].as_u64().map(|n| n as usize).context("ingest printed no count")
}

/// Posts one record of plain text and returns where it was written.
pub async fn post(hospital: &Hospital, case: &str, content: &str) -> Result<(LaneId, u32)> {
    let answer = reqwest::Client::new()
        .post(hospital.private_url(&format!("/v1/entries?case={case}")))
        .bearer_auth(&hospital.token)
        .header("idempotency-key", format!("{:032x}", rand::random::<u128>()))
        .header("content-type", "text/plain")
        .body(content.to_string())
        .send()
        .await?;
    ensure!(answer.status().is_success(), "{} answered {} to a record", hospital.name, answer.status());
    let accepted: EntryAccepted = answer.json().await?;
    Ok((accepted.lane, accepted.index))
}

/// Waits until A has nothing left to post.
pub async fn anchored(hospital: &Hospital, within: Duration) -> Result<()> {
    let deadline = tokio::time::Instant::now() + within;
    loop {
        let status = hospital.ask("/v1/status", &[]).await?;
        let open = |state: &str| status["outbox"][state].as_u64().unwrap_or(u64::MAX);
        if open("queued") == 0 && open("sent") == 0 {
            ensure!(open("failed") == 0, "{} has refused messages: {status}", hospital.name);
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            bail!("{} has not anchored everything: {status}", hospital.name);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Writes the export: the given files unpacked, or invented bundles; in both, one bundle with the
/// canary. Returns what each record is.
fn export(folder: &Path, given: &[PathBuf]) -> Result<Vec<Vec<u8>>> {
    std::fs::create_dir_all(folder)?;
    let mut records: Vec<Vec<u8>> = Vec::new();
    for file in given {
        records.push(unpacked(file).with_context(|| format!("reading {}", file.display()))?);
    }
    if given.is_empty() {
        for bundle in fhir::bundles(rand::random(), INVENTED) {
            records.push(serde_json::to_vec(&bundle)?);
        }
    }
    let mut canary = fhir::bundle(rand::random(), 10_000);
    canary["entry"][0]["resource"]["text"] = json!({ "status": "generated", "div": CANARY });
    records.push(serde_json::to_vec(&canary)?);
    for (i, record) in records.iter().enumerate() {
        std::fs::write(folder.join(format!("{i:04}.json")), record)?;
    }
    Ok(records)
}

fn unpacked(file: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(file)?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain)?;
    Ok(plain)
}
