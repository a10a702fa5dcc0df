//! What a command works with: options common to all, the manifest, the wallet.

use std::path::{Path, PathBuf};

use casewise_chain::Manifest;
use clap::Args;

use crate::exit::Failure;
use crate::output::Output;

/// Options of every command.
#[derive(Debug, Args)]
pub struct Common {
    /// The network's manifest
    #[arg(long, global = true, value_name = "FILE", env = "CASEWISE_MANIFEST")]
    pub manifest: Option<PathBuf>,
    /// Directory of the wallet; default: ~/.casewise
    #[arg(long, global = true, value_name = "DIR", env = "CASEWISE_HOME")]
    pub home: Option<PathBuf>,
    /// File with the wallet's passphrase; without it the program asks
    #[arg(long, global = true, value_name = "FILE", env = "CASEWISE_PASSPHRASE_FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Write one JSON value to standard output, errors as JSON to standard error
    #[arg(long, global = true)]
    pub json: bool,
    /// Do not ask before signing
    #[arg(long, global = true)]
    pub yes: bool,
}

/// The options, and what they lead to.
pub struct Context {
    common: Common,
    /// Where to write.
    pub output: Output,
}

impl Context {
    /// From the command line.
    pub fn new(common: Common) -> Self {
        let output = Output { json: common.json };
        Self { common, output }
    }

    /// Path of the manifest.
    pub fn manifest_path(&self) -> Result<&Path, Failure> {
        self.common.manifest.as_deref().ok_or_else(|| {
            Failure::usage(
                "no manifest is named",
                "Name the network's manifest with --manifest FILE or CASEWISE_MANIFEST.",
            )
        })
    }

    /// The manifest.
    pub fn manifest(&self) -> Result<Manifest, Failure> {
        Ok(Manifest::load(self.manifest_path()?)?)
    }
}
