//! `casewise admin deploy`, `casewise admin connect`.

use std::path::{Path, PathBuf};

use casewise_chain::{Chain, DeployOptions, DeployStep, Manifest, SubmitOptions, connection, deploy};
use clap::Args;
use serde::Serialize;

use super::acting::{Acting, Outcome, Signer, Told};
use super::network::NetworkArgs;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::table;

/// `admin deploy`
#[derive(Debug, Args)]
pub struct DeployArgs {
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    signer: Signer,
    /// Directory with the contracts' wasm and checksums.txt
    #[arg(long, value_name = "DIR")]
    artifacts: PathBuf,
    /// Account that admits institutions and may upgrade, if it is neither the operator nor the
    /// group; it connects the contracts with `admin connect`
    #[arg(long, value_name = "ACCOUNT", conflicts_with = "group")]
    authority: Option<String>,
    /// How long a recovery waits for a veto, seconds; short only on networks made for tests
    /// [default: three days]
    #[arg(long, value_name = "SECONDS")]
    recovery_delay: Option<u32>,
}

/// `admin deploy`
pub async fn run(context: &Context, args: &DeployArgs) -> Result<(), Failure> {
    let path = context.manifest_path()?;
    let (params, chain) = args.network.open()?;
    let acting = args.signer.open(&chain, &params).await?;
    // An existing manifest that cannot be read is not overwritten.
    let previous = path.exists().then(|| Manifest::load(path)).transpose()?;
    let bar = context.output.progress(None, "deploying");
    let output = context.output;
    let tell = |step: DeployStep| {
        let text = match step {
            DeployStep::Store(name) => format!("storing {name}"),
            DeployStep::Keep(name) => format!("{name} is stored already"),
            DeployStep::Instantiate(name) => format!("making an instance of {name}"),
            DeployStep::Connect => "connecting the contracts".into(),
            DeployStep::Anchor => "reading the header to trust".into(),
        };
        bar.set_message(text.clone());
        bar.suspend(|| output.say(format!("  {text}")));
    };
    let options = DeployOptions {
        endpoints: args.network.nodes.clone(),
        authority: args
            .authority
            .clone()
            .or_else(|| args.signer.group.as_ref().map(|_| acting.account.clone())),
        recovery_delay: args.recovery_delay,
        previous,
        submit: SubmitOptions::default(),
        progress: Some(&tell),
    };
    let manifest = deploy(&chain, &acting.key, &params, &args.artifacts, &options).await?;
    manifest.save(path)?;
    bar.finish_and_clear();
    if args.authority.is_some() {
        output.say("The authority must still connect the contracts: casewise admin connect");
    } else if let Some(outcome) = connect_with(&chain, &manifest, &acting).await?
        && !outcome.done
    {
        output.say(outcome.text(""));
    }
    context.output.answer(&manifest, || deployed(&manifest, path))
}

fn deployed(manifest: &Manifest, path: &Path) -> String {
    let mut rows = table(["contract", "code", "address", "SHA-256"]);
    let (codes, contracts) = (&manifest.codes, &manifest.contracts);
    for (name, code, address) in [
        ("registrar", codes.registrar, contracts.registrar),
        ("ppr", codes.ppr, contracts.ppr),
        ("summary", codes.summary, contracts.summary),
    ] {
        rows.add_row([
            name.to_owned(),
            code.id.to_string(),
            address.to_bech32(&manifest.params.prefix),
            hex::encode(code.checksum),
        ]);
    }
    format!("{rows}\nNetwork  {}\nManifest {}", hex::encode(manifest.net()), path.display())
}

/// Sends what the contracts still miss of each other; `None`: nothing.
async fn connect_with(
    chain: &dyn Chain,
    manifest: &Manifest,
    acting: &Acting<'_>,
) -> Result<Option<Outcome>, Failure> {
    let messages = connection(chain, &manifest.contracts).await?;
    if messages.is_empty() {
        return Ok(None);
    }
    acting.send_now(messages, "Connect the contracts").await.map(Some)
}

#[derive(Serialize)]
struct Connected {
    connected: bool,
}

/// `admin connect`
pub async fn connect(context: &Context, signer: &Signer) -> Result<(), Failure> {
    let manifest = context.manifest()?;
    let chain = manifest.client()?;
    let acting = signer.open(&chain, &manifest.params).await?;
    let bar = context.output.progress(None, "connecting the contracts");
    let outcome = connect_with(&chain, &manifest, &acting).await?.unwrap_or_else(Outcome::already);
    bar.finish_and_clear();
    let told = Told { what: Connected { connected: outcome.done }, outcome };
    context.output.answer(&told, || told.outcome.text("The contracts know each other."))
}
