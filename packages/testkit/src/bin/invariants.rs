//! Random messages to the three contracts, each invariant checked after each of them.

use std::{process::ExitCode, time::Instant};

use casewise_testkit::{
    contracts::Code,
    model::{Config, Tally, run},
};
use clap::Parser;

/// Checks the invariants of the three contracts with random messages.
#[derive(Parser)]
struct Args {
    /// Messages.
    #[arg(long, default_value_t = 100_000)]
    steps: u64,
    /// The same seed gives the same messages.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Steps between two lines of progress.
const PROGRESS: u64 = 5_000;

fn main() -> ExitCode {
    let args = Args::parse();
    let began = Instant::now();
    let progress = |tally: &Tally| {
        if tally.steps.is_multiple_of(PROGRESS) && tally.steps < args.steps {
            println!("  … {} steps, {} s", tally.steps, began.elapsed().as_secs());
        }
    };
    let config = Config { steps: args.steps, seed: args.seed, code: Code::default(), only: None };
    let tally = match run(config, progress) {
        Ok(tally) => tally,
        Err(broken) => {
            eprintln!("step {}: broken: {}", broken.step, broken.invariant.words());
            eprintln!("  {}\n  {}", broken.words, broken.message);
            eprintln!("again: scripts/invariants --steps {} --seed {}", broken.step, args.seed);
            return ExitCode::FAILURE;
        }
    };
    let missing = tally.missing();
    if !missing.is_empty() {
        eprintln!("these kinds of message were not tried enough: {}", missing.join(", "));
        eprintln!("run more steps: scripts/invariants --steps {} --seed {}", args.steps * 2, args.seed);
        return ExitCode::FAILURE;
    }
    println!("{}", summary(&tally, args.seed));
    ExitCode::SUCCESS
}

fn summary(tally: &Tally, seed: u64) -> String {
    let kind = |(name, (accepted, refused)): (&&str, &(u64, u64))| format!("{name} {accepted}/{refused}");
    let kinds: Vec<_> = tally.kinds.iter().map(kind).collect();
    let faults: Vec<_> = tally.faults.iter().map(|(name, count)| format!("{name} {count}")).collect();
    format!(
        "invariants: {} steps, seed {seed}, nothing broken; accepted/refused: {}; lanes that failed alone: {}",
        tally.steps,
        kinds.join(", "),
        faults.join(", ")
    )
}
