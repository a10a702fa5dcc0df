//! Step 4: the patient shares a range with B and another with C. B's agent receives the letter,
//! signs the release, reads from A and opens; a doctor at B sees the record; the patient's log
//! shows who read what, when and why.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use casewise_ledger::{Commitment, LaneId};
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
    let lane = content_lane(&patient.says(&["record", "list"]).await?)?;
    let last = world.records.len() - 1;
    let (to_b, to_c) = ((0, last), (last / 2, last));
    let b = share(world, &lane, &world.hospitals[1], to_b).await?;
    let c = share(world, &lane, &world.hospitals[2], to_c).await?;
    println!("   shared entries {}–{} with B and {}–{} with C", to_b.0, to_b.1, to_c.0, to_c.1);
    let seen = doctor_reads(world, &world.hospitals[1], &case, &lane.to_string(), last).await?;
    println!("   a doctor at B reads entry {last}: {seen} bytes, the same as at A");
    doctor_reads(world, &world.hospitals[2], &case, &lane.to_string(), last).await?;
    outside_the_range(world, &case, &lane.to_string()).await?;
    logged(world).await?;
    world.shared = Some(Shared { b, c, lane, index: last as u32 });
    Ok(())
}

fn content_lane(list: &Value) -> Result<LaneId> {
    let first = list.as_array().and_then(|r| r.first()).context("there are no records")?;
    Ok(first["lane"].as_str().context("a record without lane")?.parse()?)
}

async fn share(world: &World, lane: &LaneId, reader: &Hospital, range: (usize, usize)) -> Result<Commitment> {
    let (to, entry) = (reader.number.to_string(), format!("{lane}:{}-{}", range.0, range.1));
    let shared = world
        .patient()?
        .says(&["share", "--to", &to, "--entry", &entry, "--until", UNTIL, "--purpose", PURPOSE])
        .await?;
    let grant = shared["grants"].as_array().and_then(|g| g.first()).context("share printed no grant")?;
    Ok(grant["grant"].as_str().context("a grant without id")?.parse()?)
}

/// A doctor reads through the hospital's own agent. The bytes must be A's.
async fn doctor_reads(world: &World, at: &Hospital, case: &str, lane: &str, index: usize) -> Result<usize> {
    let target = format!("/v1/shared/{case}/entries/{lane}/{index}");
    let deadline = Instant::now() + WITHIN;
    loop {
        let answer = reqwest::Client::new()
            .get(at.private_url(&target))
            .bearer_auth(&at.token)
            .header("casewise-practitioner", DOCTOR)
            .header("casewise-purpose", PURPOSE)
            .send()
            .await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        if status.is_success() {
            ensure!(world.records[index] == body, "{} sees another record than A took in", at.name);
            return Ok(body.len());
        }
        // The letter may still be on its way, the projection a block behind.
        if Instant::now() > deadline {
            bail!("{} answers its doctor {status}: {}", at.name, String::from_utf8_lossy(&body));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// C was not given entry 0.
async fn outside_the_range(world: &World, case: &str, lane: &str) -> Result<()> {
    let c = &world.hospitals[2];
    let answer = reqwest::Client::new()
        .get(c.private_url(&format!("/v1/shared/{case}/entries/{lane}/0")))
        .bearer_auth(&c.token)
        .header("casewise-practitioner", DOCTOR)
        .header("casewise-purpose", PURPOSE)
        .send()
        .await?;
    ensure!(answer.status() == 404, "C was answered {} for an entry it was not given", answer.status());
    println!("   C is refused what it was not given");
    Ok(())
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
