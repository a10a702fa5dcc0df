//! `casewise admin institution`: admitting, listing, suspending.

use casewise_chain::{
    Chain, ChainError, ChainExt, Manifest, Msg, NewInstitution, Prefix, SubmitOptions, account_from_bech32,
    account_to_bech32, institutions, submit_and_wait,
};
use casewise_ledger::Hash;
use casewise_protocol::convert::{InstitutionKind, InstitutionStatus};
use casewise_protocol::registrar::{ExecuteMsg, InstitutionInfo, QueryMsg};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::acting::{Outcome, Signer, Told};
use super::authority::config;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{clean, table};

/// Institutions.
#[derive(Debug, Subcommand)]
pub enum InstitutionCommand {
    /// Admit an institution and give its account coins for fees
    Add(AddArgs),
    /// List the institutions
    List,
    /// Suspend an institution: it writes nothing new, and nobody else reads at it
    Suspend(StatusArgs),
    /// Lift an institution's suspension
    Resume(StatusArgs),
}

/// `admin institution suspend`, `admin institution resume`
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The institution's number
    #[arg(value_name = "NUMBER")]
    number: u32,
    #[command(flatten)]
    signer: Signer,
}

/// `admin institution add`
#[derive(Debug, Args)]
pub struct AddArgs {
    #[command(flatten)]
    signer: Signer,
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
pub async fn run(context: &Context, command: &InstitutionCommand) -> Result<(), Failure> {
    match command {
        InstitutionCommand::Add(args) => add(context, args).await,
        InstitutionCommand::List => list(context).await,
        InstitutionCommand::Suspend(args) => set_status(context, args, InstitutionStatus::Suspended).await,
        InstitutionCommand::Resume(args) => set_status(context, args, InstitutionStatus::Active).await,
    }
}

/// An institution's status.
#[derive(Serialize)]
struct Status {
    institution: u32,
    name: String,
    status: &'static str,
}

async fn set_status(context: &Context, args: &StatusArgs, wanted: InstitutionStatus) -> Result<(), Failure> {
    let manifest = context.manifest()?;
    let (params, chain) = (&manifest.params, manifest.client()?);
    let acting = args.signer.open(&chain, params).await?;
    let (registrar, number) = (manifest.contracts.registrar, args.number);
    let query = QueryMsg::Institution { number };
    let known: Option<InstitutionInfo> = chain.query(&registrar, &query, None).await?;
    let known = known.ok_or_else(|| {
        Failure::not_found(
            format!("there is no institution {number}"),
            "See the numbers with: casewise admin institution list",
        )
    })?;
    let suspend = wanted == InstitutionStatus::Suspended;
    let outcome = if known.status == wanted {
        Outcome::already()
    } else {
        acting.must_be("the authority", &config(&chain, &manifest).await?.authority)?;
        let (verb, msg) = if suspend {
            ("Suspend", ExecuteMsg::SuspendInstitution { institution: number })
        } else {
            ("Resume", ExecuteMsg::ResumeInstitution { institution: number })
        };
        let title = title(verb, &format!("institution {number}, {}", known.name));
        acting.send(context, vec![Msg::execute(registrar, &msg)?], &title).await?
    };
    let status = if outcome.done { wanted } else { known.status };
    let what = Status { institution: number, name: known.name, status: status.as_str() };
    let told = Told { what, outcome };
    context.output.answer(&told, || {
        let verb = if suspend { "suspended" } else { "active" };
        told.outcome.text(&format!("Institution {number} ({}) is {verb}.", clean(&told.what.name)))
    })
}

/// Title of a proposal; long names are cut.
fn title(verb: &str, name: &str) -> String {
    let mut title = format!("{verb} {name}");
    while title.len() > casewise_chain::MAX_TITLE {
        title.pop();
    }
    title
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
    let acting = args.signer.open(&chain, params).await?;
    let bar = context.output.progress(None, "looking the institution up");
    let text = account_to_bech32(&new.account, &params.prefix);
    let mut known = find(&chain, &manifest, &text).await?;
    let registered = known.is_none();
    let submit = SubmitOptions::default();
    if registered {
        bar.set_message("admitting");
        acting.must_be("the authority", &config(&chain, &manifest).await?.authority)?;
        let msg = new.register(manifest.contracts.registrar, &params.prefix)?;
        let outcome = acting.send_now(vec![msg], &title("Admit", &args.name)).await?;
        if !outcome.done {
            bar.finish_and_clear();
            let again = "When it is admitted, run this command again: it sends the coins for fees.";
            return context.output.answer(&outcome, || format!("{}\n{again}", outcome.text("")));
        }
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
        submit_and_wait(&chain, &acting.key, vec![msg], params, &submit).await?;
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
        let (name, agent) = (clean(&added.name), clean(&added.endpoint));
        format!("Institution {}: {name} ({verb}), agent {agent}", added.number)
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
    context.output.answer(&all, || listed(&all))
}

fn listed(all: &[InstitutionInfo]) -> String {
    let mut rows = table(["number", "name", "kind", "status", "agent", "account"]);
    for institution in all {
        rows.add_row([
            institution.number.to_string(),
            clean(&institution.name),
            institution.kind.as_str().into(),
            institution.status.as_str().into(),
            clean(&institution.endpoint),
            clean(&institution.account),
        ]);
    }
    rows.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn institution(name: &str) -> InstitutionInfo {
        let json = serde_json::json!({
            "number": 1, "status": "active", "kind": "provider", "account": "wasm1a", "kem": "00",
            "kem_epoch": 0, "since": "0", "name": name, "endpoint": "https://a.example", "operators": 0,
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_name_is_no_line_of_its_own() {
        let text = listed(&[institution("a\u{1b}[2J\nb")]);
        assert!(text.contains("a\\u{1b}[2J\\nb"), "{text:?}");
        assert_eq!(text.lines().count(), listed(&[institution("ab")]).lines().count());
    }
}
