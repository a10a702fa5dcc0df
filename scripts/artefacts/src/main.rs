//! The contracts as built, on a real network: what every message costs, and what a migration from
//! the previous version keeps.
//!
//! Run it with `scripts/gas`, which builds what it needs and gives it a network. Must never write
//! figures that were not measured in this run.

mod command;
mod demands;
mod kinds;
mod measure;
mod migration;
mod net;
mod past;
mod people;
mod report;
mod story;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use casewise_ledger::sha256;
use clap::Parser;

use crate::{kinds::Contract, measure::Snapshot, net::Net};

/// The version whose contracts are migrated.
const PREVIOUS: &str = "0.1.0";

/// Gas and bytes of every message, and migration, on a real network.
#[derive(Parser)]
struct Args {
    /// Folder of a running network of scripts/localnet with the contracts of this source.
    #[arg(long, value_name = "DIR")]
    network: PathBuf,
    /// An empty folder for a network of its own; the caller removes it.
    #[arg(long, value_name = "DIR")]
    scratch: PathBuf,
    /// First TCP port of that network.
    #[arg(long)]
    base_port: u16,
    /// Write the snapshot and docs/GAS.md instead of comparing.
    #[arg(long)]
    update: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return failed(&anyhow::anyhow!("a TLS provider is installed already"));
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    match runtime.block_on(run(&args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("\nscripts/gas failed: {error:#}");
    ExitCode::FAILURE
}

async fn run(args: &Args) -> Result<()> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let artifacts = repository.join("artifacts");
    let net = Net::open(&args.network)?;
    let wasm = wasm(&net, &artifacts)?;
    let previous = repository.join("scripts/artefacts/previous").join(PREVIOUS);
    let began = Instant::now();
    let ((mut snapshot, mut sent), (expired, expiry), ()) = tokio::try_join!(
        async { story::tell(&net).await.context("the messages") },
        async {
            let past = past::make(&repository, &args.scratch, args.base_port).await;
            let past = past.context("a network with a grant that is over")?;
            story::expire(&past.net, &past.grant).await.context("a grant that is over")
        },
        async { migration::run(&net, &previous).await.context("migration") },
    )?;
    snapshot.messages.extend(expired.messages);
    sent.extend(expiry);
    snapshot.wasm = wasm;
    every_message(&sent)?;
    println!("   {} rows in {:.0} s", snapshot.messages.len(), began.elapsed().as_secs_f64());
    conclude(&repository, &snapshot, args.update)
}

/// Sizes of the contracts, if the network runs them.
fn wasm(net: &Net, artifacts: &Path) -> Result<BTreeMap<String, u64>> {
    let codes = net.manifest.codes;
    let deployed = [codes.registrar, codes.ppr, codes.summary];
    let mut sizes = BTreeMap::new();
    for (contract, code) in Contract::ALL.into_iter().zip(deployed) {
        let file = artifacts.join(format!("casewise_{}.wasm", contract.name()));
        let wasm = std::fs::read(&file)
            .with_context(|| format!("{}: build it with scripts/contracts", file.display()))?;
        ensure!(
            sha256(&[&wasm]) == code.checksum,
            "the network runs another {}; start one with scripts/localnet",
            contract.name()
        );
        sizes.insert(contract.name().to_owned(), wasm.len() as u64);
    }
    Ok(sizes)
}

fn every_message(sent: &BTreeSet<String>) -> Result<()> {
    let missing: Vec<String> = kinds::all().into_iter().filter(|name| !sent.contains(name)).collect();
    ensure!(missing.is_empty(), "never sent: {}", missing.join(", "));
    Ok(())
}

/// Compares with, or writes, the snapshot and the document.
fn conclude(repository: &Path, found: &Snapshot, update: bool) -> Result<()> {
    let snapshot_file = repository.join("scripts/artefacts/snapshot.json");
    let document_file = repository.join("docs/GAS.md");
    let mut faults = Vec::new();
    for demand in demands::demands(found)? {
        println!("   {}: {} of {}", demand.what, demand.found, demand.most);
        if !demand.reached() {
            faults.push(format!("{}: {}, at most {}", demand.what, demand.found, demand.most));
        }
    }
    if update {
        found.save(&snapshot_file)?;
        std::fs::write(&document_file, report::document(found)?)?;
        println!("   written: scripts/artefacts/snapshot.json and docs/GAS.md");
    } else {
        let snapshot = Snapshot::load(&snapshot_file)?;
        faults.extend(snapshot.changes(found));
        if std::fs::read_to_string(&document_file).unwrap_or_default() != report::document(&snapshot)? {
            faults.push("docs/GAS.md is not the one of the snapshot".to_owned());
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    bail!("{}\nif that is meant: scripts/gas --update, and say why in the commit", faults.join("\n"))
}
