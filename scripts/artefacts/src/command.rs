//! Running the project's scripts and the network's node to their end.

use std::{ffi::OsStr, path::Path, process::Stdio};

use anyhow::{Context, Result, bail};

/// Runs a program that must succeed, and returns its standard output.
pub async fn succeed<S: AsRef<OsStr>>(program: &Path, args: &[S]) -> Result<String> {
    let output = tokio::process::Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .await
        .with_context(|| format!("starting {}", program.display()))?;
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let words: Vec<_> = args.iter().map(|arg| arg.as_ref().to_string_lossy().into_owned()).collect();
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("{} {} ended with {}:\n{out}{error}", program.display(), words.join(" "), output.status);
    }
    Ok(out)
}
