//! `wasm-gate [--top N] FILE…`: prints one line per contract and fails if the chain would refuse one.
//!
//! The rules are in the library; this file only reads arguments and files and prints.

use std::borrow::Cow;
use std::path::Path;
use std::process::ExitCode;

use wasm_gate::{MAX_LOCALS, Report, WARN_LOCALS, inspect};

const HELP: &str = "\
Usage: wasm-gate [--top N] FILE…

Checks contract wasm against what the chain accepts (CosmWasm VM 3.0) and our own margins.
  --top N   judge nothing; list the N functions with the most locals of each file (by name, if the file
            has names)

Exit code: 0 all files pass, 1 one does not, 2 wrong use or a file that cannot be read.";

struct Arguments {
    /// Only list this many functions.
    top: Option<usize>,
    files: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("wasm-gate: {message}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let mut passed = true;
    for file in &arguments.files {
        let report = match read(file) {
            Ok(report) => report,
            Err(message) => {
                eprintln!("wasm-gate: {file}: {message}");
                return ExitCode::from(2);
            }
        };
        match arguments.top {
            Some(top) => print_functions(file, &report, top),
            None => {
                print_verdict(file, &report);
                passed &= report.violations.is_empty();
            }
        }
    }
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// `None` asks for the help text.
fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let mut arguments = Arguments { top: None, files: Vec::new() };
    while let Some(word) = words.next() {
        match word.as_str() {
            "-h" | "--help" => return Ok(None),
            "--top" => {
                let value = words.next().ok_or("--top needs a number")?;
                let number = value.parse().map_err(|_| format!("--top: `{value}` is not a number"))?;
                arguments.top = Some(number);
            }
            option if option.starts_with('-') => return Err(format!("unknown option `{option}`")),
            _ => arguments.files.push(word),
        }
    }
    if arguments.files.is_empty() {
        return Err("name at least one wasm file".into());
    }
    Ok(Some(arguments))
}

fn read(file: &str) -> Result<Report, String> {
    let wasm = std::fs::read(file).map_err(|error| error.to_string())?;
    inspect(&wasm).map_err(|error| error.to_string())
}

fn name(file: &str) -> Cow<'_, str> {
    Path::new(file).file_name().map_or(Cow::Borrowed(file), |name| name.to_string_lossy())
}

fn print_verdict(file: &str, report: &Report) {
    println!(
        "  {}: {} bytes, {} functions, most locals {} of {MAX_LOCALS}: {}",
        name(file),
        report.bytes,
        report.functions.len(),
        report.most_locals(),
        if report.violations.is_empty() { "accepted" } else { "REFUSED" }
    );
    for function in report.near_limit() {
        println!("    warning: {function} has {} locals (from {WARN_LOCALS} on: split it)", function.locals);
    }
    for violation in &report.violations {
        println!("    refused: {violation}");
    }
}

fn print_functions(file: &str, report: &Report, top: usize) {
    println!("  {}:", name(file));
    for function in report.functions.iter().take(top) {
        println!("    {:>4} locals {:>6} bytes  {function}", function.locals, function.bytes);
    }
}
