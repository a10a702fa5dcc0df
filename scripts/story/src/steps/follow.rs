//! Step 3: the patient's client follows the chain: new, update pending, accepted; it verifies
//! every leaf against the anchored head, opens the records, and prints timeline and case chain.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{people::Patient, world::World};

/// Runs the step.
pub async fn run(world: &mut World) -> Result<()> {
    let patient = world.patient()?;
    let case = patient.case()?;
    expect_status(patient, &case, "new").await?;
    patient.says(&["case", "accept", &case]).await?;
    expect_status(patient, &case, "update_pending").await?;
    patient.says(&["case", "watch", &case, "--once"]).await?;
    expect_status(patient, &case, "accepted").await?;
    let folder = world.dir.join("opened-first");
    let opened = patient
        .says(&["record", "get", &case, "--all", "--out", &folder.to_string_lossy()])
        .await?;
    let mut contents: Vec<Vec<u8>> = Vec::new();
    for record in opened["records"].as_array().context("record get printed no records")? {
        contents.push(std::fs::read(record["file"].as_str().context("a record without a file")?)?);
    }
    let mut expected = world.records.clone();
    contents.sort();
    expected.sort();
    ensure!(contents == expected, "what the patient opened is not what the hospital took in");
    println!("   {} records opened, each the same to the byte as the hospital's", contents.len());
    println!("   the timeline:");
    patient.shows(&["record", "list", &case]).await?;
    println!("   the case chain:");
    patient.shows(&["case", "chain", &case]).await?;
    let chain = patient.says(&["case", "chain", &case]).await?;
    let blocks = chain["blocks"].as_array().context("case chain printed no blocks")?;
    ensure!(!blocks.is_empty(), "the case chain is empty");
    world.facts.anchored = anchored(&chain);
    Ok(())
}

async fn expect_status(patient: &Patient, case: &str, word: &str) -> Result<()> {
    let shown = patient.says(&["case", "show", case]).await?;
    let found: Vec<&str> = shown["relationships"]
        .as_array()
        .context("case show printed no relationships")?
        .iter()
        .filter_map(|r| r["status"].as_str())
        .collect();
    ensure!(found == [word], "the case is {found:?}, not {word}");
    println!("   status: {}", word.replace('_', " "));
    Ok(())
}

/// Entries in the newest heads of the case chain.
pub fn anchored(chain: &Value) -> u64 {
    let mut sizes = std::collections::BTreeMap::new();
    for block in chain["blocks"].as_array().into_iter().flatten() {
        for head in block["heads"].as_array().into_iter().flatten() {
            sizes.insert(head["lane"].to_string(), head["size"].as_u64().unwrap_or(0));
        }
    }
    sizes.values().sum()
}
