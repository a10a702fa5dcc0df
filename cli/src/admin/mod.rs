//! Commands of the consortium's operators: deploying and upgrading the contracts, admitting
//! institutions, the authority, the group's proposals, the validators.
//!
//! Responsible for saying who must act and what it waits for. A phrase is read from a file, never
//! from the command line.

pub mod acting;
mod authority;
mod deploy;
mod group;
mod institution;
mod network;
mod proposal;
mod upgrade;
mod validator;

use clap::Subcommand;

use crate::context::Context;
use crate::exit::Failure;
use acting::Signer;

/// What an operator does.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Deploy the three contracts and write the network's manifest
    Deploy(deploy::DeployArgs),
    /// Tell the contracts of each other, where a deployment could not
    Connect(Signer),
    /// Put a new version under registrar or ppr
    Upgrade(upgrade::UpgradeArgs),
    /// Admit institutions, list, suspend and resume them
    #[command(subcommand)]
    Institution(institution::InstitutionCommand),
    /// Who governs the network, and handing that over in two steps
    #[command(subcommand)]
    Authority(authority::AuthorityCommand),
    /// Stop new registrations; what is registered goes on
    Pause(Signer),
    /// Allow new registrations again
    Unpause(Signer),
    /// The consortium's group: make it, show it
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// What the group is to decide: list, show, vote
    #[command(subcommand)]
    Proposal(proposal::ProposalCommand),
    /// The validators: list, add, remove
    #[command(subcommand)]
    Validator(validator::ValidatorCommand),
}

/// Runs a command.
pub async fn run(context: &Context, command: &AdminCommand) -> Result<(), Failure> {
    match command {
        AdminCommand::Deploy(args) => deploy::run(context, args).await,
        AdminCommand::Connect(signer) => deploy::connect(context, signer).await,
        AdminCommand::Upgrade(args) => upgrade::run(context, args).await,
        AdminCommand::Institution(command) => institution::run(context, command).await,
        AdminCommand::Authority(command) => authority::run(context, command).await,
        AdminCommand::Pause(signer) => authority::pause(context, signer, true).await,
        AdminCommand::Unpause(signer) => authority::pause(context, signer, false).await,
        AdminCommand::Group(command) => group::run(context, command).await,
        AdminCommand::Proposal(command) => proposal::run(context, command).await,
        AdminCommand::Validator(command) => validator::run(context, command).await,
    }
}
