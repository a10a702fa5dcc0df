//! The demo: a record's whole path, from an export of a hospital's system to a patient's screen
//! and a proof. Each step does the real thing on a real network and checks what it says.
//!
//! Run it with `scripts/demo`, which builds what it needs. Must never report a step that it did
//! not check.

mod command;
mod http;
mod network;
mod people;
mod steps;
mod table;
mod world;

use std::{path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Context, Result};
use clap::Parser;

use crate::{table::Summary, world::World};

/// The demo: from an EHR export to a patient's screen and a proof.
#[derive(Parser)]
struct Args {
    /// FHIR bundles to take in, plain or gzipped; invented ones when none are given.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    records: Vec<PathBuf>,
    /// Keep everything in this folder (it must not exist, or be empty).
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Kills of the last step.
    #[arg(long, default_value_t = 20)]
    kills: u32,
    /// Tell another story: the patient who is enrolled unconscious and claims the case later.
    #[arg(long)]
    claim: bool,
    /// Tell another story: a case that is rotated, and recovered with its second phrase.
    #[arg(long, conflicts_with = "claim")]
    holder: bool,
    /// First TCP port of the network and the agents.
    #[arg(long, default_value_t = 27600)]
    base_port: u16,
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
    match runtime.block_on(tell(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("\nthe demo failed: {error:#}");
    ExitCode::FAILURE
}

async fn tell(args: Args) -> Result<()> {
    let mut world = World::new(args.keep, args.base_port).context("preparing the demo's folder")?;
    let told = match (args.claim, args.holder) {
        (true, _) => claim(&mut world).await,
        (_, true) => holder(&mut world).await,
        _ => steps_in_order(&mut world, &args.records, args.kills).await,
    };
    if told.is_err() {
        world.show_logs();
    }
    world.shut_down().await;
    told
}

/// Runs a step, says how long it took, and adds it to the last table.
macro_rules! step {
    ($summary:ident, $number:literal, $title:literal, $run:expr) => {{
        println!("\n{}. {}", $number, $title);
        let began = Instant::now();
        $run.await.with_context(|| format!("step {}", $number))?;
        let took = began.elapsed();
        println!("   done in {:.1} s", took.as_secs_f64());
        $summary.time($title, took);
    }};
}

async fn claim(world: &mut World) -> Result<()> {
    let mut summary = Summary::default();
    step!(summary, 1, "The network and a hospital", steps::claim::found(world));
    step!(summary, 2, "A patient comes in unconscious", steps::claim::enrol(world));
    step!(summary, 3, "Awake, the patient asks for the case", steps::claim::request(world));
    step!(summary, 4, "The patient takes it over", steps::claim::accept(world));
    step!(summary, 5, "A case is opened in an emergency", steps::emergency::run(world));
    Ok(())
}

async fn holder(world: &mut World) -> Result<()> {
    let mut summary = Summary::default();
    step!(summary, 1, "The network, a hospital, a case with a second phrase", steps::holder::found(world));
    step!(summary, 2, "The patient rotates the case", steps::holder::rotate(world));
    step!(summary, 3, "Offers that do not fit are refused", steps::holder::refused(world));
    step!(summary, 4, "A recovery is vetoed", steps::holder::veto(world));
    step!(summary, 5, "A recovery is finished", steps::holder::recover(world));
    Ok(())
}

async fn steps_in_order(world: &mut World, records: &[PathBuf], kills: u32) -> Result<()> {
    let mut summary = Summary::default();
    step!(summary, 1, "The network and three hospitals", steps::network::run(world));
    step!(summary, 2, "Hospital A takes in the patient's records", steps::ingest::run(world, records));
    step!(summary, 3, "The patient follows, verifies and opens", steps::follow::run(world));
    step!(summary, 4, "The patient shares; a doctor at B reads", steps::share::run(world));
    step!(summary, 5, "The patient revokes; B is refused", steps::revoke::run(world));
    step!(summary, 6, "Evidence is verified with the network stopped", steps::evidence::run(world));
    step!(summary, 7, "A is killed while records arrive", steps::kill::run(world, kills));
    step!(summary, 8, "What is left at rest", steps::at_rest::run(world));
    summary.print(world);
    Ok(())
}
