//! `casewise`: the command line of patients and operators.
//!
//! Responsible for words, tables and exit codes; what is done is in `casewise-client`. Must never
//! take a secret as an argument, nor write one anywhere but where the person asked for it.

mod admin;
mod case;
mod claim;
mod context;
mod emergency;
mod evidence;
mod exit;
mod holder;
mod init;
mod log;
mod output;
mod practitioner;
mod record;
mod share;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::context::{Common, Context};
use crate::exit::{EXIT_CODES, Failure};

/// Your medical cases: read them, see who read them, share, revoke, carry away a proof.
#[derive(Debug, Parser)]
#[command(name = "casewise", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make your phrase: 24 words from which all your keys follow
    Init(init::InitArgs),
    /// Your cases: offer, list, show, accept, watch
    #[command(subcommand)]
    Case(case::CaseCommand),
    /// Your records: list, open
    #[command(subcommand)]
    Record(record::RecordCommand),
    /// Let an institution read, for a time
    Share(share::ShareCommand),
    /// End grants
    Revoke(share::RevokeArgs),
    /// Who read what, when, why
    Log(case::CaseArg),
    /// Carry a proof away; check one
    #[command(subcommand)]
    Evidence(evidence::EvidenceCommand),
    /// An institution's people who may open a case in an emergency
    #[command(subcommand)]
    Practitioner(practitioner::PractitionerCommand),
    /// Open a case in an emergency; end, list and review that
    #[command(subcommand)]
    Emergency(emergency::EmergencyCommand),
    /// Operate a network: deploy, upgrade, institutions, the consortium's group, validators
    #[command(subcommand)]
    Admin(admin::AdminCommand),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.common.json;
    match start(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(json),
    }
}

fn start(cli: Cli) -> Result<(), Failure> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| Failure::other("a TLS provider is installed already", ""))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::other(format!("no runtime: {error}"), "Try again."))?;
    runtime.block_on(run(Context::new(cli.common), cli.command))
}

async fn run(context: Context, command: Command) -> Result<(), Failure> {
    match &command {
        Command::Init(args) => init::run(&context, args).await,
        Command::Case(command) => case::run(&context, command).await,
        Command::Record(command) => record::run(&context, command).await,
        Command::Share(command) => share::run(&context, command).await,
        Command::Revoke(args) => share::revoke(&context, args).await,
        Command::Log(args) => log::run(&context, args).await,
        Command::Evidence(command) => evidence::run(&context, command).await,
        Command::Practitioner(command) => practitioner::run(&context, command).await,
        Command::Emergency(command) => emergency::run(&context, command).await,
        Command::Admin(command) => admin::run(&context, command).await,
    }
}
