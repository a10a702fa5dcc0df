//! Last step of the story of the unconscious patient: a practitioner opens the case in an emergency,
//! the patient sees and ends it, an operator reviews it; whoever may not is refused.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use casewise_chain::{account_to_bech32, key_from_mnemonic};
use serde_json::Value;

use crate::{command, people::Patient, world::World};

/// Somebody with a phrase in a file.
struct Person {
    account: String,
    phrase: PathBuf,
}

/// Runs the step.
pub async fn run(world: &World) -> Result<()> {
    let case = world.custodial.context("there is no case")?.to_string();
    let (operator, doctor) = (person(world, "operator").await?, person(world, "doctor").await?);
    let number = admit(world, &operator).await?;
    let by_operator = ["--mnemonic-file", text(&operator.phrase)];
    let stranger = says(
        world,
        &["practitioner", "add", "--account", &doctor.account, "--role", "doctor"],
        &["--mnemonic-file", text(&doctor.phrase)],
    )
    .await;
    ensure!(stranger.is_err(), "somebody without an institution registered a practitioner");
    let add = ["practitioner", "add", "--account", &doctor.account, "--role", "doctor"];
    let added = says(world, &add, &by_operator).await?;
    ensure!(added["institution"] == number, "registered elsewhere: {added}");
    let listed = says(world, &["practitioner", "list", "--institution", &number.to_string()], &[]).await?;
    ensure!(listed[0]["account"] == doctor.account.as_str() && listed[0]["status"] == "active", "{listed}");
    println!("   institution {number} has registered a doctor and pays the fees");

    let open = ["emergency", "open", "--case", &case, "--reason", "treatment", "--hours", "2"];
    let by_doctor = ["--mnemonic-file", text(&doctor.phrase), "--paid-by", &operator.account];
    let change = |word| ["practitioner", word, "--account", doctor.account.as_str()];
    says(world, &change("suspend"), &by_operator).await?;
    ensure!(says(world, &open, &by_doctor).await.is_err(), "a suspended practitioner opened a case");
    says(world, &change("resume"), &by_operator).await?;
    let opened = says(world, &open, &by_doctor).await?;
    ensure!(opened["number"] == 1, "the first access has another number: {opened}");
    println!("   suspended, the doctor is refused; resumed, the doctor opens the case");

    let patient = world.patient()?;
    let seen = patient.says(&["emergency", "list", "--case", &case]).await?;
    ensure!(seen[0]["practitioner"] == doctor.account.as_str() && seen[0]["review"].is_null(), "{seen}");
    let review = |outcome| ["emergency", "review", "1", "--case", case.as_str(), "--outcome", outcome];
    let early = says(world, &review("justified"), &by_operator).await;
    ensure!(early.is_err(), "reviewed while it is running");
    patient.says(&["emergency", "end", "1", "--case", "0"]).await?;
    says(world, &review("justified"), &by_operator).await?;
    ensure!(says(world, &review("unjustified"), &by_operator).await.is_err(), "reviewed twice");
    let seen = patient.says(&["emergency", "list", "--case", &case]).await?;
    ensure!(seen[0]["review"]["outcome"] == "justified", "the review is not seen: {seen}");
    println!("   the patient sees it and ends it; only then it is reviewed, once");
    Ok(())
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().unwrap_or_default()
}

/// A fresh phrase in a file of its own.
async fn person(world: &World, name: &str) -> Result<Person> {
    let born = Patient::born(world.dir.join(name), &world.casewise, &world.network).await?;
    let phrase = born.home.join("words");
    std::fs::write(&phrase, &born.phrase)?;
    let prefix = &world.network.manifest()?.params.prefix;
    let account = account_to_bech32(&key_from_mnemonic(&born.phrase, 0)?.address(), prefix);
    Ok(Person { account, phrase })
}

/// An institution without an agent, with coins for fees.
async fn admit(world: &World, operator: &Person) -> Result<u64> {
    let mnemonic = world.network.operator_mnemonic();
    let kem = "00".repeat(32);
    let add = [
        "admin",
        "institution",
        "add",
        "--name",
        "Ambulance service",
        "--endpoint",
        "http://127.0.0.1:1",
        "--account",
        &operator.account,
        "--kem",
        &kem,
    ];
    let added = says(world, &add, &["--mnemonic-file", text(&mnemonic)]).await?;
    added["number"].as_u64().context("institution add printed no number")
}

async fn says(world: &World, args: &[&str], more: &[&str]) -> Result<Value> {
    let manifest = world.network.manifest_file();
    let mut words = vec!["--json", "--yes", "--manifest", text(&manifest)];
    words.extend(args);
    words.extend(more);
    command::json(&world.casewise, &words).await
}
