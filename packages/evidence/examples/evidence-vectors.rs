//! Writes `schema/vectors/evidence.json`: the vectors of a seed.
//!
//! `cargo run -p casewise-evidence --example evidence-vectors -- SEED FILE`

#[path = "../tests/common/mod.rs"]
mod common;

fn main() {
    let mut args = std::env::args().skip(1);
    let (Some(seed), Some(file), None) = (args.next(), args.next(), args.next()) else {
        eprintln!("usage: evidence-vectors SEED FILE");
        std::process::exit(2);
    };
    let Ok(seed) = seed.parse() else {
        eprintln!("{seed} is not a whole number");
        std::process::exit(2);
    };
    if let Err(error) = std::fs::write(&file, common::vectors::make(seed)) {
        eprintln!("{file}: {error}");
        std::process::exit(1);
    }
}
