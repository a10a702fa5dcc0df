//! Step 4: the patient shares a range with B and another with C. B's agent receives the letter,
//! signs the release, reads from A and opens; a doctor at B sees the record; the patient's log
//! shows who read what, when and why.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use casewise_ledger::{Commitment, LaneId, sha256};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    people::Hospital,
    world::{Shared, World},
};

/// The doctor at B.
const DOCTOR: &str = "dr-b-17";
/// The last day of the grants; far enough for a clock that is a little wrong.
const UNTIL: &str = "2099-12-31";
/// Why.
const PURPOSE: &str = "TREAT";
/// How long letters, anchors and the like may take.
const WITHIN: Duration = Duration::from_secs(30);

/// Runs the step.
pub async fn run(world: &mut World) -> Result<()> {
    let patient = world.patient()?;
    let case = patient.case()?;
    let list = patient.says(&["record", "list", "--open"]).await?;
    let lane = content_lane(&list)?;
    let last = world.records.len() - 1;
    let first = last.div_ceil(2).max(1);
    let b = share(world, &world.hospitals[1], &format!("{lane}:{first}-{last}")).await?;
    let c = share(world, &world.hospitals[2], &lane.to_string()).await?;
    println!("   shared entries {first} to {last} with B, the whole lane and what follows it with C");
    let expected = digest_of(&list, last)?;
    let entry = format!("/v1/shared/{case}/entries/{lane}/{last}");
    let seen = doctor_reads(&world.hospitals[1], &entry, &expected).await?;
    println!("   a doctor at B reads entry {last}: {seen} bytes, the same as the patient's");
    doctor_reads(&world.hospitals[2], &entry, &expected).await?;
    outside_the_range(&world.hospitals[1], &case, &lane).await?;
    logged(world).await?;
    world.shared = Some(Shared { b, c, lane, index: last as u32, successor: None });
    Ok(())
}

fn content_lane(list: &Value) -> Result<LaneId> {
    let first = list.as_array().and_then(|r| r.first()).context("there are no records")?;
    Ok(first["lane"].as_str().context("a record without lane")?.parse()?)
}

async fn share(world: &World, reader: &Hospital, entries: &str) -> Result<Commitment> {
    let to = reader.number.to_string();
    let shared = world
        .patient()?
        .says(&["share", "--to", &to, "--entry", entries, "--until", UNTIL, "--purpose", PURPOSE])
        .await?;
    let grant = shared["grants"].as_array().and_then(|g| g.first()).context("share printed no grant")?;
    Ok(grant["grant"].as_str().context("a grant without id")?.parse()?)
}

/// SHA-256 of an entry's content, as the patient opened it.
fn digest_of(list: &Value, index: usize) -> Result<String> {
    let entries = list.as_array().context("record list printed no list")?;
    let entry = entries.iter().find(|e| e["index"] == index).context("there is no such entry")?;
    Ok(entry["content"]["sha256"].as_str().context("the entry is not open")?.to_string())
}

/// A doctor reads through the hospital's own agent. The content must be the patient's.
pub async fn doctor_reads(at: &Hospital, target: &str, expected: &str) -> Result<usize> {
    let deadline = Instant::now() + WITHIN;
    loop {
        let answer = doctor_asks(at, target).await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        if status.is_success() {
            ensure!(
                hex::encode(sha256(&[&body])) == expected,
                "{} sees another record than the patient",
                at.name
            );
            return Ok(body.len());
        }
        // The letter may still be on its way, the projection a block behind.
        if Instant::now() > deadline {
            bail!("{} answers its doctor {status}: {}", at.name, String::from_utf8_lossy(&body));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// B was not given entry 0.
async fn outside_the_range(b: &Hospital, case: &str, lane: &LaneId) -> Result<()> {
    let answer = doctor_asks(b, &format!("/v1/shared/{case}/entries/{lane}/0")).await?;
    ensure!(answer.status() == 404, "B was answered {} for an entry it was not given", answer.status());
    println!("   B is refused what it was not given");
    Ok(())
}

async fn doctor_asks(at: &Hospital, target: &str) -> Result<reqwest::Response> {
    let request = reqwest::Client::new()
        .get(at.private_url(target))
        .bearer_auth(&at.token)
        .header("casewise-practitioner", DOCTOR)
        .header("casewise-purpose", PURPOSE);
    Ok(request.send().await?)
}

/// The patient's log names both readers, once the access entries are anchored.
async fn logged(world: &World) -> Result<()> {
    let patient = world.patient()?;
    let wanted = [world.hospitals[1].number, world.hospitals[2].number].map(u64::from);
    let deadline = Instant::now() + WITHIN;
    loop {
        let log = patient.says(&["log"]).await?;
        let readers: Vec<u64> = log["reads"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|read| read["reader"]["institution"].as_u64())
            .collect();
        if wanted.iter().all(|number| readers.contains(number)) {
            break;
        }
        if Instant::now() > deadline {
            bail!("the log does not show both readers: {log}");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("   who read what:");
    patient.shows(&["log"]).await
}
