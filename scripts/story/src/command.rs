//! Running the project's own programs as a person would, and reading what they print.

use std::{ffi::OsStr, path::Path, process::Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::process::Command;

/// What a finished command said.
pub struct Said {
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs a program to its end.
pub async fn run<S: AsRef<OsStr>>(program: &Path, args: &[S]) -> Result<Said> {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .await
        .with_context(|| format!("starting {}", program.display()))?;
    Ok(Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs a program that must succeed, and returns its standard output.
pub async fn succeed<S: AsRef<OsStr>>(program: &Path, args: &[S]) -> Result<String> {
    let said = run(program, args).await?;
    if said.code != 0 {
        let words: Vec<_> = args.iter().map(|a| a.as_ref().to_string_lossy().into_owned()).collect();
        bail!(
            "{} {} ended with {}:\n{}{}",
            program.display(),
            words.join(" "),
            said.code,
            said.out,
            said.err
        );
    }
    Ok(said.out)
}

/// Runs a program that must succeed and print JSON.
pub async fn json<S: AsRef<OsStr>>(program: &Path, args: &[S]) -> Result<Value> {
    let out = succeed(program, args).await?;
    serde_json::from_str(&out).with_context(|| format!("{} did not print JSON: {out}", program.display()))
}
