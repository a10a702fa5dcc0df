//! What a command works with: options common to all, the manifest, the wallet.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};

use casewise_chain::Manifest;
use casewise_client::book::Book;
use casewise_client::http::{ReqwestHttp, SystemClock};
use casewise_client::ports::SystemRandom;
use casewise_client::sqlite::SqliteStore;
use casewise_client::{ClientError, Network, Patient, Phrase, World, vault};
use clap::Args;
use zeroize::Zeroizing;

use crate::exit::Failure;
use crate::output::{Output, clean};

/// Largest passphrase or phrase file read, bytes.
const MAX_SECRET_FILE: u64 = 4096;

/// Where `--help` lists them.
const HEADING: &str = "Options of every command";

/// Options of every command.
#[derive(Debug, Args)]
pub struct Common {
    /// The network's manifest [env: CASEWISE_MANIFEST]
    #[arg(long, global = true, help_heading = HEADING, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Directory of the wallet [env: CASEWISE_HOME] [default: ~/.casewise]
    #[arg(long, global = true, help_heading = HEADING, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// File with the wallet's passphrase, else the program asks [env: CASEWISE_PASSPHRASE_FILE]
    #[arg(long, global = true, help_heading = HEADING, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Write one JSON value to standard output, errors as JSON to standard error
    #[arg(long, global = true, help_heading = HEADING)]
    pub json: bool,
    /// Do not ask before signing
    #[arg(long, global = true, help_heading = HEADING)]
    pub yes: bool,
}

/// The options, and what they lead to.
pub struct Context {
    common: Common,
    /// Where to write.
    pub output: Output,
}

impl Context {
    /// From the command line, and from the environment where it says nothing.
    pub fn new(mut common: Common) -> Self {
        for (option, name) in [
            (&mut common.manifest, "CASEWISE_MANIFEST"),
            (&mut common.home, "CASEWISE_HOME"),
            (&mut common.passphrase_file, "CASEWISE_PASSPHRASE_FILE"),
        ] {
            let given = || std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
            *option = option.take().or_else(given);
        }
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

    /// Directory of the wallet.
    pub fn home(&self) -> Result<PathBuf, Failure> {
        if let Some(home) = &self.common.home {
            return Ok(home.clone());
        }
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
        home.map(|home| PathBuf::from(home).join(".casewise")).ok_or_else(|| {
            Failure::usage(
                "no wallet is named and HOME is not set",
                "Name the wallet's directory with --home DIR or CASEWISE_HOME.",
            )
        })
    }

    /// The passphrase, from its file or from the person. A new one is asked for twice.
    pub fn passphrase(&self, new: bool) -> Result<Zeroizing<String>, Failure> {
        if let Some(path) = &self.common.passphrase_file {
            let text = secret_file("--passphrase-file", path)?;
            return Ok(Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_owned()));
        }
        if !std::io::stdin().is_terminal() {
            return Err(Failure::usage(
                "there is nobody to ask for the passphrase",
                "Name a file with it: --passphrase-file FILE or CASEWISE_PASSPHRASE_FILE.",
            ));
        }
        let passphrase = ask_hidden("Passphrase of the wallet: ")?;
        if new {
            vault::check_passphrase(&passphrase)?;
            if *ask_hidden("The same again: ")? != *passphrase {
                return Err(Failure::usage("the two passphrases differ", "Try again."));
            }
        }
        Ok(passphrase)
    }

    /// Opens the phrase and the wallet's records.
    pub async fn wallet(&self) -> Result<(Phrase, SqliteStore), Failure> {
        let home = self.home()?;
        if !home.join(vault::PHRASE_FILE).exists() {
            return Err(ClientError::WalletAbsent { path: home }.into());
        }
        let phrase = vault::open(&home, &self.passphrase(false)?)?;
        let store = SqliteStore::open(&home, &phrase).await?;
        Ok((phrase, store))
    }

    /// Does something as the patient: wallet open, network named.
    pub async fn with_patient<T>(
        &self,
        work: impl AsyncFnOnce(Patient<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let manifest = self.manifest()?;
        let (phrase, store) = self.wallet().await?;
        let chain = manifest.client()?;
        let network = Network::new(&chain, &manifest);
        let http = ReqwestHttp::new().map_err(|error| {
            Failure::other(format!("no HTTP client: {error}"), "Check the system's certificates.")
        })?;
        let world = World {
            http: &http,
            clock: &SystemClock,
            random: &SystemRandom,
            directory: &network,
            net: manifest.net(),
        };
        let bar = self.output.progress(None, "working");
        let progress = |done: u64, all: Option<u64>, what: &str| {
            if let Some(all) = all {
                bar.set_length(all);
            }
            bar.set_position(done);
            bar.set_message(what.to_owned());
        };
        let patient = Patient {
            phrase: &phrase,
            book: Book::new(&store),
            network: &network,
            world,
            progress: &progress,
        };
        let done = work(patient).await;
        bar.finish_and_clear();
        store.close().await;
        done
    }

    /// Asks the person to agree to what stands above. `--yes` agrees beforehand.
    pub fn confirm(&self, question: &str) -> Result<(), Failure> {
        if self.common.yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            return Err(Failure::usage("there is nobody to ask", "Agree beforehand with --yes."));
        }
        let failed = |error: std::io::Error| Failure::other(format!("the terminal: {error}"), "Try again.");
        eprint!("{} [y/N] ", clean(question));
        std::io::stderr().flush().map_err(failed)?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer).map_err(failed)?;
        if matches!(answer.trim(), "y" | "Y" | "yes") {
            return Ok(());
        }
        Err(Failure::refused("not agreed to", "Nothing was signed or sent."))
    }
}

/// A phrase from a file, or typed in, or piped in.
pub fn read_phrase(file: Option<&Path>, what: &str) -> Result<Phrase, Failure> {
    let words = match file {
        Some(path) => secret_file("the phrase's file", path)?,
        None if std::io::stdin().is_terminal() => ask_hidden(&format!("{what} (24 words, not shown): "))?,
        None => {
            let mut text = Zeroizing::new(String::with_capacity(MAX_SECRET_FILE as usize + 1));
            let read = std::io::stdin().lock().take(MAX_SECRET_FILE).read_to_string(&mut text);
            read.map_err(|error| {
                Failure::usage(format!("standard input: {error}"), "Pipe the 24 words in.")
            })?;
            text
        }
    };
    Ok(Phrase::parse(&words)?)
}

/// The text of a small file that holds a secret.
pub fn secret_file(option: &str, path: &Path) -> Result<Zeroizing<String>, Failure> {
    let wrong = |why: String| {
        Failure::usage(
            format!("{option} {}: {why}", path.display()),
            "Name a small text file with nothing else.",
        )
    };
    let size = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
    if size > MAX_SECRET_FILE {
        return Err(wrong(format!("{size} bytes are too many")));
    }
    std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| wrong(error.to_string()))
}

fn ask_hidden(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    rpassword::prompt_password(prompt)
        .map(Zeroizing::new)
        .map_err(|error| Failure::other(format!("the terminal: {error}"), "Try again, or name a file."))
}
