//! `casewise admin group`: the consortium's group account.

use casewise_chain::{
    CreateGroup, DECISION_WINDOW, Group, SubmitOptions, account_from_bech32, account_to_bech32, create_group,
    find_group, send_coins, submit_and_wait,
};
use clap::{Args, Subcommand};

use super::acting::phrase_key;
use super::network::NetworkArgs;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::table;

/// The group.
#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// Make a group that decides by votes of its members; it administers itself
    Create(CreateArgs),
    /// Show a group's members and how it decides
    Show(ShowArgs),
}

/// `admin group create`
#[derive(Debug, Args)]
pub struct CreateArgs {
    #[command(flatten)]
    network: NetworkArgs,
    /// File with the phrase of who makes it and pays (account m/44'/118'/0'/0/0); not a member by that
    #[arg(long, value_name = "FILE")]
    mnemonic_file: std::path::PathBuf,
    /// Account of a member, with one vote; repeat it
    #[arg(long = "member", value_name = "ACCOUNT", required = true)]
    members: Vec<String>,
    /// Votes that decide: more than half is usual
    #[arg(long, value_name = "VOTES")]
    threshold: u32,
    /// How long a proposal can be voted on, hours
    #[arg(long, value_name = "HOURS", default_value_t = DECISION_WINDOW / 3600)]
    voting_hours: u64,
    /// Coins its account gets: the stake of the validators
    #[arg(long, value_name = "AMOUNT", default_value_t = 0)]
    fund: u128,
}

/// `admin group show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The group's account
    #[arg(value_name = "ACCOUNT")]
    account: String,
}

/// Runs a command.
pub async fn run(context: &Context, command: &GroupCommand) -> Result<(), Failure> {
    match command {
        GroupCommand::Create(args) => create(context, args).await,
        GroupCommand::Show(args) => show(context, args).await,
    }
}

async fn create(context: &Context, args: &CreateArgs) -> Result<(), Failure> {
    let (params, chain) = args.network.open()?;
    let key = phrase_key("--mnemonic-file", &args.mnemonic_file)?;
    for member in &args.members {
        account_from_bech32(member, &params.prefix)?;
    }
    let new = CreateGroup {
        members: args.members.clone(),
        threshold: args.threshold,
        voting_s: args.voting_hours.saturating_mul(3600),
    };
    let bar = context.output.progress(None, "making the group");
    let submit = SubmitOptions::default();
    let address = create_group(&chain, &key, &new, &params, &submit).await?;
    let account = address.to_bech32(&params.prefix);
    if args.fund > 0 {
        bar.set_message("sending its coins");
        let from = account_to_bech32(&key.address(), &params.prefix);
        let coins = send_coins(&from, &account, args.fund, params.gas_price.denom());
        submit_and_wait(&chain, &key, vec![coins], &params, &submit).await?;
    }
    let group = find_group(&chain, &account).await?;
    bar.finish_and_clear();
    let group = group.ok_or_else(|| {
        Failure::integrity("the chain does not show the group it made", "Ask another node.")
    })?;
    context.output.answer(&group, || shown(&group))
}

async fn show(context: &Context, args: &ShowArgs) -> Result<(), Failure> {
    let chain = context.manifest()?.client()?;
    let group = find_group(&chain, &args.account).await?.ok_or_else(|| {
        Failure::not_found(
            format!("{} is not the account of a group", args.account),
            "See who governs with: casewise admin authority show",
        )
    })?;
    context.output.answer(&group, || shown(&group))
}

fn shown(group: &Group) -> String {
    let mut rows = table(["member", "votes"]);
    for member in &group.members {
        rows.add_row([member.account.clone(), member.weight.clone()]);
    }
    let rule = match &group.threshold {
        Some(threshold) => {
            format!("{threshold} votes decide, within {} hours", group.voting_s / 3600)
        }
        None => "it decides by another rule than a number of votes".to_owned(),
    };
    format!("Group {}: {rule}\n{rows}", group.account)
}
