//! Commands of the consortium's operator: deploying the contracts, admitting institutions.
//!
//! The operator's phrase is read from a file, never from the command line.

use std::path::{Path, PathBuf};

use casewise_chain::{
    Chain, ChainError, ChainParams, DeployOptions, DeployStep, GasPrice, Manifest, Msg, NewInstitution,
    Prefix, SubmitOptions, WasmdClient, account_from_bech32, account_to_bech32, deploy, institutions,
    key_from_mnemonic, submit_and_wait,
};
use casewise_ledger::{Hash, account::AccountKey};
use casewise_protocol::convert::InstitutionKind;
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use crate::context::{Context, secret_file};
use crate::exit::Failure;
use crate::output::table;

/// What an operator does.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Deploy the three contracts and write the network's manifest
    Deploy(DeployArgs),
    /// Admit institutions, list them
    #[command(subcommand)]
    Institution(InstitutionCommand),
}

/// Institutions.
#[derive(Debug, Subcommand)]
pub enum InstitutionCommand {
    /// Admit an institution and give its account coins for fees
    Add(AddArgs),
    /// List the institutions
    List,
}

/// `admin deploy`
#[derive(Debug, Args)]
pub struct DeployArgs {
    /// RPC URL of a node; repeat it for more nodes of the same chain
    #[arg(long = "node", value_name = "URL", required = true)]
    nodes: Vec<String>,
    /// Id of the chain
    #[arg(long, value_name = "ID")]
    chain_id: String,
    /// File with the operator's phrase (account m/44'/118'/0'/0/0)
    #[arg(long, value_name = "FILE")]
    mnemonic_file: PathBuf,
    /// Directory with the contracts' wasm and checksums.txt
    #[arg(long, value_name = "DIR")]
    artifacts: PathBuf,
    /// Account that admits institutions, such as a group's; default: the operator
    #[arg(long, value_name = "ACCOUNT")]
    authority: Option<String>,
    /// Price of gas
    #[arg(long, value_name = "PRICE", default_value = "0.001stake")]
    gas_price: String,
    /// Prefix of the chain's addresses
    #[arg(long, value_name = "PREFIX", default_value = casewise_chain::DEFAULT_PREFIX)]
    prefix: String,
}

/// `admin institution add`
#[derive(Debug, Args)]
pub struct AddArgs {
    /// File with the authority's phrase (account m/44'/118'/0'/0/0)
    #[arg(long, value_name = "FILE")]
    mnemonic_file: PathBuf,
    /// Public name, 1 to 64 bytes
    #[arg(long)]
    name: String,
    /// Public URL of the agent: https, host and port, no path
    #[arg(long, value_name = "URL")]
    endpoint: String,
    /// The agent's account, which is the institution's main account
    #[arg(long, value_name = "ACCOUNT")]
    account: String,
    /// SHA-256 of the agent's X-Wing public key, hexadecimal
    #[arg(long, value_name = "HASH")]
    kem: String,
    /// Another operator account; may be repeated
    #[arg(long = "operator", value_name = "ACCOUNT")]
    operators: Vec<String>,
    /// What it is
    #[arg(long, value_enum, default_value_t = Kind::Provider)]
    kind: Kind,
    /// Coins its account has at least afterwards, for fees; 0 sends none
    #[arg(long, value_name = "AMOUNT", default_value_t = 1_000_000_000)]
    fund: u128,
}

/// What an institution is.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Gives care
    Provider,
    /// Does research
    Research,
    /// Watches over the others
    Oversight,
}

impl From<Kind> for InstitutionKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Provider => Self::Provider,
            Kind::Research => Self::Research,
            Kind::Oversight => Self::Oversight,
        }
    }
}

/// Runs a command.
pub async fn run(context: &Context, command: &AdminCommand) -> Result<(), Failure> {
    match command {
        AdminCommand::Deploy(args) => deploy_contracts(context, args).await,
        AdminCommand::Institution(InstitutionCommand::Add(args)) => add(context, args).await,
        AdminCommand::Institution(InstitutionCommand::List) => list(context).await,
    }
}

async fn deploy_contracts(context: &Context, args: &DeployArgs) -> Result<(), Failure> {
    let path = context.manifest_path()?;
    let params = ChainParams {
        chain_id: args.chain_id.clone(),
        prefix: args.prefix.parse::<Prefix>()?,
        gas_price: args.gas_price.parse::<GasPrice>()?,
    };
    let key = operator_key(&args.mnemonic_file)?;
    let chain = WasmdClient::new(&args.nodes, &params.chain_id, params.prefix.clone())?;
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
        endpoints: args.nodes.clone(),
        authority: args.authority.clone(),
        recovery_delay: None,
        previous,
        submit: SubmitOptions::default(),
        progress: Some(&tell),
    };
    let manifest = deploy(&chain, &key, &params, &args.artifacts, &options).await?;
    manifest.save(path)?;
    bar.finish_and_clear();
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

/// The authority's own words on what was done.
#[derive(Serialize)]
struct Added {
    number: u32,
    name: String,
    account: String,
    endpoint: String,
    registered: bool,
    funded: u128,
}

async fn add(context: &Context, args: &AddArgs) -> Result<(), Failure> {
    let manifest = context.manifest()?;
    let (params, chain) = (&manifest.params, manifest.client()?);
    let new = new_institution(args, &params.prefix)?;
    let key = operator_key(&args.mnemonic_file)?;
    let bar = context.output.progress(None, "looking the institution up");
    let text = account_to_bech32(&new.account, &params.prefix);
    let mut known = find(&chain, &manifest, &text).await?;
    let registered = known.is_none();
    let submit = SubmitOptions::default();
    if registered {
        bar.set_message("admitting");
        let msg = new.register(manifest.contracts.registrar, &params.prefix)?;
        submit_and_wait(&chain, &key, vec![msg], params, &submit).await?;
        known = find(&chain, &manifest, &text).await?;
    }
    let (number, name, endpoint) = known.ok_or_else(|| {
        Failure::from(ChainError::Malformed("the registrar does not list the institution it admitted".into()))
    })?;
    bar.set_message("sending coins for fees");
    let denom = params.gas_price.denom().to_owned();
    let missing = args.fund.saturating_sub(chain.balance(&new.account, &denom).await?);
    if missing > 0 {
        let msg = Msg::BankSend { to: new.account, amount: missing, denom };
        submit_and_wait(&chain, &key, vec![msg], params, &submit).await?;
    }
    bar.finish_and_clear();
    if !registered && (name != args.name || endpoint != args.endpoint) {
        context
            .output
            .say("It was admitted before, with the name and endpoint shown; they were not changed.");
    }
    let added = Added { number, name, account: text, endpoint, registered, funded: missing };
    context.output.answer(&added, || {
        let verb = if added.registered { "admitted" } else { "already known" };
        format!("Institution {}: {} ({verb}), agent {}", added.number, added.name, added.endpoint)
    })
}

fn new_institution(args: &AddArgs, prefix: &Prefix) -> Result<NewInstitution, Failure> {
    casewise_client::Endpoint::parse(&args.endpoint).map_err(|_| {
        Failure::usage(
            format!("--endpoint: {:?} is not https://host[:port], or http:// of this machine", args.endpoint),
            "Give the public address of the institution's agent, without a path.",
        )
    })?;
    let kem: Hash = hex::decode(&args.kem).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| {
        Failure::usage("--kem: not 64 hexadecimal digits", "Take the hash from the institution's agent.")
    })?;
    Ok(NewInstitution {
        kind: args.kind.into(),
        account: account_from_bech32(&args.account, prefix)?,
        name: args.name.clone(),
        endpoint: args.endpoint.clone(),
        kem,
        operators: args
            .operators
            .iter()
            .map(|text| account_from_bech32(text, prefix))
            .collect::<Result<_, _>>()?,
    })
}

/// Number, name and endpoint of the institution with this main account.
async fn find(
    chain: &dyn Chain,
    manifest: &Manifest,
    account: &str,
) -> Result<Option<(u32, String, String)>, ChainError> {
    let all = institutions(chain, &manifest.contracts.registrar, None).await?;
    let found = all.into_iter().find(|institution| institution.account == account);
    Ok(found.map(|institution| (institution.number, institution.name, institution.endpoint)))
}

async fn list(context: &Context) -> Result<(), Failure> {
    let manifest = context.manifest()?;
    let chain = manifest.client()?;
    let bar = context.output.progress(None, "reading the registrar");
    let all = institutions(&chain, &manifest.contracts.registrar, None).await?;
    bar.finish_and_clear();
    context.output.answer(&all, || {
        let mut rows = table(["number", "name", "kind", "status", "agent", "account"]);
        for institution in &all {
            rows.add_row([
                institution.number.to_string(),
                institution.name.clone(),
                institution.kind.as_str().into(),
                institution.status.as_str().into(),
                institution.endpoint.clone(),
                institution.account.clone(),
            ]);
        }
        rows.to_string()
    })
}

/// The key of the phrase in a file.
fn operator_key(path: &Path) -> Result<AccountKey, Failure> {
    Ok(key_from_mnemonic(&secret_file("--mnemonic-file", path)?, 0)?)
}
