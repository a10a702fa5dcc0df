//! Step 3: the patient's client follows the chain: new, update pending, accepted; it verifies
//! every leaf against the anchored head, opens the records, and prints timeline and case chain.

use anyhow::{Context, Result, ensure};
use casewise_ledger::sha256;
use serde_json::Value;

use crate::{people::Patient, world::World};

/// Runs the step.
pub async fn run(world: &mut World) -> Result<()> {
    let patient = world.patient()?;
    expect_status(patient, "new").await?;
    patient.says(&["case", "accept", "--relationship-only"]).await?;
    expect_status(patient, "update_pending").await?;
    patient.says(&["case", "accept"]).await?;
    expect_status(patient, "accepted").await?;
    let opened = patient.says(&["record", "list", "--open"]).await?;
    let mut found = digests(&opened)?;
    let mut expected: Vec<String> = world.records.iter().map(|r| hex::encode(sha256(&[r]))).collect();
    found.sort();
    expected.sort();
    ensure!(found == expected, "what the patient opened is not what the hospital took in");
    println!("   {} records opened, each the same to the byte as the hospital's", found.len());
    println!("   the timeline:");
    patient.shows(&["record", "list", "--open"]).await?;
    println!("   the case chain:");
    patient.shows(&["case", "chain"]).await
}

/// SHA-256 of the contents that `record list --open` opened.
fn digests(list: &Value) -> Result<Vec<String>> {
    let digest = |record: &Value| record["content"]["sha256"].as_str().map(str::to_string);
    list.as_array()
        .context("record list printed no list")?
        .iter()
        .map(|r| digest(r).context("not opened"))
        .collect()
}

async fn expect_status(patient: &Patient, word: &str) -> Result<()> {
    let shown = patient.says(&["case", "show"]).await?;
    let found: Vec<&str> = shown["institutions"]
        .as_array()
        .context("case show printed no institutions")?
        .iter()
        .filter_map(|r| r["status"].as_str())
        .collect();
    ensure!(found == [word], "the case is {found:?}, not {word}");
    println!("   status: {}", word.replace('_', " "));
    Ok(())
}
