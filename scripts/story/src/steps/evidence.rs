//! Step 6: evidence for one record, verified with the network stopped. Bytes changed and links
//! made false are refused, each with its own reason.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    network::Network,
    people::{Hospital, Patient},
    steps::ingest,
    world::{CHAIN_ID, World},
};

/// Bytes of the file that are changed, one at a time, spread over it.
const FLIPS: usize = 200;

/// Runs the step.
pub async fn run(world: &mut World) -> Result<()> {
    let shared = world.shared.clone().context("step 4 left no lane")?;
    let patient = world.patient()?;
    let lane = shared.successor.context("step 5 left no lane")?.to_string();
    let good = export(patient, &lane, "1", world.dir.join("evidence.json")).await?;
    let older = export(patient, &lane, "0", world.dir.join("evidence-older.json")).await?;
    let (old, last) = (shared.lane.to_string(), shared.index.to_string());
    let other = export(patient, &old, &last, world.dir.join("evidence-other-lane.json")).await?;
    let trust = trust_anchor(patient, world.dir.join("trust.json")).await?;
    let foreign = foreign_file(world).await?;

    for hospital in &mut world.hospitals {
        hospital.stop().await;
    }
    world.network.down().await?;
    println!("   the network and all agents are stopped");
    let verdict = verify(world, &good, &trust).await?;
    ensure!(verdict.is_ok(), "the evidence was refused: {}", verdict.err().unwrap_or_default());
    println!("   evidence verify accepts the file ({} bytes)", std::fs::metadata(&good)?.len());
    flipped(world, &good, &trust).await?;
    false_links(world, [&good, &older, &other], &foreign, &trust).await?;

    world.network.up().await?;
    for hospital in &mut world.hospitals {
        hospital.start().await?;
    }
    println!("   the network and the agents run again");
    Ok(())
}

async fn export(patient: &Patient, lane: &str, index: &str, out: PathBuf) -> Result<PathBuf> {
    let (entry, file) = (format!("{lane}:{index}"), out.to_string_lossy());
    patient.says(&["evidence", "export", &entry, "--out", &file]).await?;
    Ok(out)
}

/// What a verifier would have from a source of its own.
async fn trust_anchor(patient: &Patient, out: PathBuf) -> Result<PathBuf> {
    let anchor = patient.says(&["evidence", "anchor"]).await?;
    std::fs::write(&out, serde_json::to_vec(&anchor)?)?;
    Ok(out)
}

/// The verdict, or the reason code of the refusal.
async fn verify(world: &World, file: &Path, trust: &Path) -> Result<Result<(), String>> {
    let said = world
        .patient()?
        .tries(&["evidence", "verify", &file.to_string_lossy(), "--trust", &trust.to_string_lossy()])
        .await?;
    if said.code == 0 {
        return Ok(Ok(()));
    }
    ensure!(said.code == 7, "evidence verify ended with {}: {}{}", said.code, said.out, said.err);
    let refusal: Value = serde_json::from_str(&said.out).context("a refusal that is not JSON")?;
    Ok(Err(refusal["refusal"]["reason"].as_str().context("a refusal without reason")?.to_string()))
}

/// One byte changed, at many places. Done in this process, by the library the command line uses.
async fn flipped(world: &World, good: &Path, trust: &Path) -> Result<()> {
    let bytes = std::fs::read(good)?;
    let anchor = serde_json::from_slice(&std::fs::read(trust)?)?;
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let step = (bytes.len() / FLIPS).max(1);
    let start = rand::random_range(0..step);
    let mut changed = 0;
    for at in (start..bytes.len()).step_by(step) {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        let refusal = casewise_evidence::verify_bytes(&altered, &anchor).err();
        let refusal = refusal.with_context(|| format!("byte {at} was changed and the file was accepted"))?;
        *reasons.entry(refusal.code.to_string()).or_default() += 1;
        changed += 1;
    }
    let altered = world.dir.join("evidence-altered.json");
    let mut one = bytes;
    let middle = one.len() / 2;
    one[middle] ^= 1;
    std::fs::write(&altered, one)?;
    ensure!(verify(world, &altered, trust).await?.is_err(), "a changed byte was accepted");
    println!("   {changed} single changed bytes: all refused ({} different reasons)", reasons.len());
    Ok(())
}

/// Well-formed files with one link false.
async fn false_links(world: &World, files: [&Path; 3], foreign: &Path, trust: &Path) -> Result<()> {
    let read = |file: &Path| -> Result<Value> { Ok(serde_json::from_slice(&std::fs::read(file)?)?) };
    let [good, older, other] = [read(files[0])?, read(files[1])?, read(files[2])?];
    let mut half = good.clone();
    half["header"] = Value::String(without_signatures(good["header"].as_str().context("no header")?)?);
    let mut other_entry = good.clone();
    other_entry["entries"] = older["entries"].clone();
    let cases = [
        ("a valid proof of another lane", Some(proven_by(&good, &other))),
        ("a valid proof of an older head", Some(proven_by(&good, &older))),
        ("another entry of the lane", Some(other_entry)),
        ("a header that too few validators signed", Some(half)),
        ("a whole file of another network with the same chain id", None),
    ];
    for (what, file) in cases {
        let path = match file {
            Some(value) => {
                let path = world.dir.join("evidence-false.json");
                std::fs::write(&path, serde_json::to_vec(&value)?)?;
                path
            }
            None => foreign.to_path_buf(),
        };
        let reason =
            verify(world, &path, trust).await?.err().with_context(|| format!("{what} was accepted"))?;
        println!("   {what}: refused, {reason}");
    }
    Ok(())
}

/// The entry of one file with the chain's statements of another, each of which is true.
fn proven_by(entry: &Value, chain: &Value) -> Value {
    let mut file = entry.clone();
    for part in ["state", "author", "header", "validators", "links"] {
        file[part] = chain[part].clone();
    }
    file
}

/// The same signed header with its signatures marked absent.
fn without_signatures(header: &str) -> Result<String> {
    casewise_evidence::strip_signatures(header).context("the header cannot be read")
}

/// A file that is right in itself, of a second network with the same chain id.
async fn foreign_file(world: &World) -> Result<PathBuf> {
    let dir = world.dir.join("other");
    let mut network = Network::new(&world.repository, dir.join("network"), world.base_port + 50, CHAIN_ID);
    network.up().await?;
    let ports = (world.base_port + 150, world.base_port + 151);
    let programs = (world.casewise.as_path(), world.agent.as_path());
    let mut hospital =
        Hospital::found("Hospital A elsewhere", dir.join("a"), ports, programs, &network).await?;
    let made = record_elsewhere(world, &network, &hospital, &dir).await;
    hospital.stop().await;
    network.down().await?;
    println!("   a second network with the same chain id made a file of its own");
    made
}

async fn record_elsewhere(
    world: &World,
    network: &Network,
    hospital: &Hospital,
    dir: &Path,
) -> Result<PathBuf> {
    let patient = Patient::born(dir.join("patient"), &world.casewise, network).await?;
    let (patient, _) = ingest::onboard(patient, hospital).await?;
    let case = patient.case()?;
    let (lane, _) = ingest::post(hospital, &case, "a record elsewhere").await?;
    ingest::anchored(hospital, std::time::Duration::from_secs(60)).await?;
    patient.says(&["case", "accept"]).await?;
    let file = export(&patient, &lane.to_string(), "0", dir.join("evidence.json")).await?;
    let trust = trust_anchor(&patient, dir.join("trust.json")).await?;
    let said = patient
        .tries(&["evidence", "verify", &file.to_string_lossy(), "--trust", &trust.to_string_lossy()])
        .await?;
    ensure!(said.code == 0, "the other network's own file is not right in itself: {}", said.err);
    Ok(file)
}
