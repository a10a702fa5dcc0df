//! `casewise-agent`: the provider agent's command line. Holds no rule: everything is in the library.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use casewise_agent::{
    adapters::SystemRandom,
    config::{Config, Settings},
    folder, keyfile, serve, verify,
};
use casewise_api::body::{Identifier, IngestKind, IngestQuery, Status};
use casewise_chain::{Prefix, account_to_bech32};
use casewise_ledger::CaseId;
use clap::{Args, Parser, Subcommand};

/// The service beside a hospital's systems.
#[derive(Parser)]
#[command(name = "casewise-agent", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the agent.
    Serve(Configured),
    /// Makes and shows keys.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Makes the data directory and the epoch file.
    Init {
        #[command(flatten)]
        configured: Configured,
        /// The database was put back from a backup, or the epoch file is lost.
        #[arg(long)]
        restored: bool,
    },
    /// Checks configuration, keys, token and node, and changes nothing.
    Check(Configured),
    /// Posts every file of a directory to a running agent.
    Ingest(Ingest),
    /// Compares the database with the chain and the bodies; the agent must be stopped.
    Verify {
        #[command(flatten)]
        configured: Configured,
        /// Also reads and hashes every body.
        #[arg(long)]
        bodies: bool,
    },
    /// Shows what a running agent says of itself.
    Status(Running),
}

#[derive(Args)]
struct Configured {
    /// The configuration file (TOML).
    #[arg(long, value_name = "FILE", env = "CASEWISE_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Subcommand)]
enum KeysCommand {
    /// Makes a key file.
    New {
        /// The file to make; an existing one is never replaced.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        passphrase: Passphrase,
        /// Prefix of the network's addresses.
        #[arg(long, default_value = "wasm")]
        prefix: Prefix,
    },
    /// Shows the public part of a key file.
    Show {
        /// The file.
        #[arg(long, value_name = "FILE")]
        key_file: PathBuf,
        #[command(flatten)]
        passphrase: Passphrase,
        /// Prefix of the network's addresses.
        #[arg(long, default_value = "wasm")]
        prefix: Prefix,
    },
}

#[derive(Args)]
struct Passphrase {
    /// File with the passphrase.
    #[arg(long, value_name = "FILE", env = "CASEWISE_AGENT_PASSPHRASE_FILE")]
    passphrase_file: PathBuf,
}

#[derive(Args)]
struct Running {
    /// Address of the agent's private listener.
    #[arg(long, value_name = "URL", env = "CASEWISE_AGENT_URL")]
    url: String,
    /// File with its bearer token.
    #[arg(long, value_name = "FILE", env = "CASEWISE_AGENT_TOKEN_FILE")]
    token_file: PathBuf,
    /// Machine-readable output.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Ingest {
    /// The directory.
    directory: PathBuf,
    #[command(flatten)]
    running: Running,
    /// The case, 64 hexadecimal digits.
    #[arg(long, required_unless_present = "identifier", conflicts_with = "identifier")]
    case: Option<CaseId>,
    /// A linked identifier, system|value.
    #[arg(long)]
    identifier: Option<Identifier>,
}

impl Configured {
    fn load(self) -> Result<Config> {
        Ok(Config::load(self.config.as_deref(), std::env::vars(), self.settings)?)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("CASEWISE_LOG").unwrap_or_else(|_| "info".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("casewise-agent: a TLS provider is installed already");
        return ExitCode::FAILURE;
    }
    match run(Cli::parse().command).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("casewise-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Serve(configured) => serve::serve(configured.load()?).await?,
        Command::Keys(KeysCommand::New { out, passphrase, prefix }) => new_keys(&out, &passphrase, &prefix)?,
        Command::Keys(KeysCommand::Show { key_file, passphrase, prefix }) => {
            show_keys(&key_file, &passphrase, &prefix)?;
        }
        Command::Init { configured, restored } => {
            let config = configured.load()?;
            serve::init(&config, restored).await?;
            println!("made {} and {}", config.data_dir.display(), config.epoch_file.display());
        }
        Command::Check(configured) => check(configured.load()?).await?,
        Command::Ingest(ingest) => return ingest_folder(ingest).await,
        Command::Verify { configured, bodies } => return run_verify(configured.load()?, bodies).await,
        Command::Status(running) => status(&running).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn new_keys(out: &Path, passphrase: &Passphrase, prefix: &Prefix) -> Result<()> {
    let secret = keyfile::read_passphrase(&passphrase.passphrase_file)?;
    let keys = keyfile::generate(&SystemRandom)?;
    keyfile::write(out, &keys, &secret, &SystemRandom)?;
    // read back: a file that does not open is no key file
    show_keys(out, passphrase, prefix)
}

fn show_keys(path: &Path, passphrase: &Passphrase, prefix: &Prefix) -> Result<()> {
    let secret = keyfile::read_passphrase(&passphrase.passphrase_file)?;
    let keys = keyfile::open(path, &secret)?;
    println!("account  {}", account_to_bech32(&keys.operator.address(), prefix));
    for kem in &keys.kem {
        let public = kem.secret.public();
        println!("kem      {}  (epoch {}, hash of the public key)", hex::encode(public.hash()), kem.epoch);
    }
    Ok(())
}

async fn check(config: Config) -> Result<()> {
    serve::read_token(&config.token_file)?;
    let manifest = casewise_chain::Manifest::load(&config.manifest)?;
    let secret = keyfile::read_passphrase(&config.passphrase_file)?;
    let keys = keyfile::open(&config.key_file, &secret)?;
    let client = manifest.client()?;
    let tip = casewise_chain::Chain::tip(&client).await?;
    let account = account_to_bech32(&keys.operator.address(), &manifest.params.prefix);
    let known = casewise_chain::Chain::account(&client, &keys.operator.address()).await?;
    println!("chain    {} at height {}", manifest.params.chain_id, tip.height);
    println!(
        "account  {account}{}",
        if known.is_some() { "" } else { "  (not on the chain yet: send it coins)" }
    );
    println!("configuration is in order");
    Ok(())
}

async fn ingest_folder(ingest: Ingest) -> Result<ExitCode> {
    let drop = folder::Drop {
        url: ingest.running.url,
        token: serve::read_token(&ingest.running.token_file)?,
        query: IngestQuery {
            case: ingest.case,
            identifier: ingest.identifier,
            kind: IngestKind::Record,
            prev: None,
        },
    };
    let summary = drop.run(&ingest.directory).await?;
    if ingest.running.json {
        let refused: Vec<_> = summary
            .refused
            .iter()
            .map(|(path, why)| serde_json::json!({"file": path.display().to_string(), "why": why}))
            .collect();
        let (added, repeated, bytes) = (summary.added, summary.repeated, summary.bytes);
        let json =
            serde_json::json!({"added": added, "repeated": repeated, "bytes": bytes, "refused": refused});
        println!("{json}");
    } else {
        println!("{} added, {} there before, {} bytes", summary.added, summary.repeated, summary.bytes);
        for (path, why) in &summary.refused {
            eprintln!("{}: {why}", path.display());
        }
    }
    Ok(if summary.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn run_verify(config: Config, bodies: bool) -> Result<ExitCode> {
    let opened = serve::open(config, false).await?;
    let findings = verify::verify(&opened.app, bodies).await?;
    println!(
        "height {}: {} records, {} lanes, {} entries compared",
        findings.height, findings.records, findings.lanes, findings.bodies
    );
    for fault in &findings.faults {
        println!("{fault}");
    }
    Ok(if findings.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn status(running: &Running) -> Result<()> {
    let token = serve::read_token(&running.token_file)?;
    let url = format!("{}{}", running.url.trim_end_matches('/'), casewise_api::route::private::STATUS);
    let response = reqwest::Client::new().get(url).bearer_auth(&*token).send().await;
    let response = response.context("the agent does not answer; is it running?")?.error_for_status()?;
    let status: Status = response.json().await.context("the agent's answer is not understood")?;
    if running.json {
        println!("{}", serde_json::to_string(&status)?);
        return Ok(());
    }
    let number = |value: Option<u64>| value.map_or("unknown".into(), |value| value.to_string());
    println!("block     {} of {} (behind: {})", status.cursor, number(status.tip), number(status.lag));
    let outbox = status.outbox;
    println!(
        "outbox    {} waiting, {} sent, {} settled, {} failed",
        outbox.queued, outbox.sent, outbox.settled, outbox.failed
    );
    if let Some(why) = status.stalled {
        println!("attention {why}");
    }
    if status.restore.restored {
        println!("restored  {} lanes given up", status.restore.closed.len());
        for range in status.restore.missing {
            println!("missing   lane {} entries {} to {}", range.lane, range.first, range.last);
        }
    }
    Ok(())
}
