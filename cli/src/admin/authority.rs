//! `casewise admin authority`, `pause`, `unpause`: who governs the network.
//!
//! The registrar's authority is handed over in two steps, so that it cannot be given to an account
//! that cannot act. The contracts' admin follows it, and goes to nobody else.

use casewise_chain::{
    Chain, ChainError, ChainExt, ContractAddress, Manifest, Msg, WasmdClient, update_admin,
};
use casewise_protocol::registrar::{ConfigResponse, ExecuteMsg, QueryMsg};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::acting::{Acting, Outcome, Signer, Told};
use crate::context::Context;
use crate::exit::Failure;

/// The authority.
#[derive(Debug, Subcommand)]
pub enum AuthorityCommand {
    /// Show the authority, who is proposed, the contracts' admins, and whether registration is open
    Show,
    /// As the authority: name the account that is to follow
    Propose(ProposeArgs),
    /// As the account that is proposed: become the authority
    Accept(Signer),
    /// As the admin of registrar and ppr: make the authority their admin
    Admins(Signer),
}

/// `admin authority propose`
#[derive(Debug, Args)]
pub struct ProposeArgs {
    /// The account that is to follow; it may be a group's
    #[arg(long, value_name = "ACCOUNT", required_unless_present = "withdraw")]
    to: Option<String>,
    /// Take the proposal back
    #[arg(long, conflicts_with = "to")]
    withdraw: bool,
    #[command(flatten)]
    signer: Signer,
}

/// Who governs.
#[derive(Debug, Serialize)]
struct Governing {
    authority: String,
    proposed: Option<String>,
    paused: bool,
    registrar_admin: Option<String>,
    ppr_admin: Option<String>,
    summary_admin: Option<String>,
}

/// The registrar's settings.
pub async fn config(chain: &dyn Chain, manifest: &Manifest) -> Result<ConfigResponse, ChainError> {
    chain.query(&manifest.contracts.registrar, &QueryMsg::Config {}, None).await
}

/// Who may migrate a contract.
pub async fn admin_of(chain: &dyn Chain, contract: &ContractAddress) -> Result<Option<String>, Failure> {
    let info = chain.contract(contract).await?.ok_or_else(|| {
        Failure::not_found(
            format!("the chain has no contract {}", contract.to_bech32(chain.prefix())),
            "Take the manifest of this network from its operator anew.",
        )
    })?;
    Ok(info.admin)
}

async fn governing(chain: &WasmdClient, manifest: &Manifest) -> Result<Governing, Failure> {
    let (config, contracts) = (config(chain, manifest).await?, &manifest.contracts);
    Ok(Governing {
        authority: config.authority,
        proposed: config.proposed,
        paused: config.paused,
        registrar_admin: admin_of(chain, &contracts.registrar).await?,
        ppr_admin: admin_of(chain, &contracts.ppr).await?,
        summary_admin: admin_of(chain, &contracts.summary).await?,
    })
}

/// Runs a command.
pub async fn run(context: &Context, command: &AuthorityCommand) -> Result<(), Failure> {
    let manifest = context.manifest()?;
    let chain = manifest.client()?;
    if let AuthorityCommand::Show = command {
        let now = governing(&chain, &manifest).await?;
        return context.output.answer(&now, || shown(&now));
    }
    let (AuthorityCommand::Propose(ProposeArgs { signer, .. })
    | AuthorityCommand::Accept(signer)
    | AuthorityCommand::Admins(signer)) = command
    else {
        unreachable!("answered above")
    };
    let acting = signer.open(&chain, &manifest.params).await?;
    let now = governing(&chain, &manifest).await?;
    let outcome = match command {
        AuthorityCommand::Propose(args) => propose(context, &manifest, &acting, args, &now).await?,
        AuthorityCommand::Accept(_) => accept(context, &manifest, &acting, &now).await?,
        _ => admins(context, &manifest, &acting, &now).await?,
    };
    let what = if outcome.height.is_some() { governing(&chain, &manifest).await? } else { now };
    let told = Told { what, outcome };
    context.output.answer(&told, || told.outcome.text(&shown(&told.what)))
}

fn shown(now: &Governing) -> String {
    let nobody = || "nobody".to_owned();
    let admin = |admin: &Option<String>| admin.clone().unwrap_or_else(nobody);
    format!(
        "Authority        {}\nProposed         {}\nAdmin, registrar {}\nAdmin, ppr       {}\n\
         Admin, summary   {}\nRegistration     {}",
        now.authority,
        now.proposed.clone().unwrap_or_else(nobody),
        admin(&now.registrar_admin),
        admin(&now.ppr_admin),
        admin(&now.summary_admin),
        if now.paused { "paused" } else { "open" },
    )
}

async fn propose(
    context: &Context,
    manifest: &Manifest,
    acting: &Acting<'_>,
    args: &ProposeArgs,
    now: &Governing,
) -> Result<Outcome, Failure> {
    acting.must_be("the authority", &now.authority)?;
    if now.proposed == args.to {
        return Ok(Outcome::already());
    }
    let title = match &args.to {
        Some(account) => format!("Propose {account} as authority"),
        None => "Take back the proposed authority".to_owned(),
    };
    let msg = ExecuteMsg::ProposeAuthority { account: args.to.clone() };
    acting.send(context, vec![Msg::execute(manifest.contracts.registrar, &msg)?], &title).await
}

async fn accept(
    context: &Context,
    manifest: &Manifest,
    acting: &Acting<'_>,
    now: &Governing,
) -> Result<Outcome, Failure> {
    if now.authority == acting.account {
        return Ok(Outcome::already());
    }
    let Some(proposed) = &now.proposed else {
        return Err(Failure::refused(
            "no account is proposed as authority",
            "The authority proposes one first: casewise admin authority propose --to ACCOUNT",
        ));
    };
    acting.must_be("the account proposed", proposed)?;
    let msg = Msg::execute(manifest.contracts.registrar, &ExecuteMsg::AcceptAuthority {})?;
    acting.send(context, vec![msg], "Become the authority").await
}

async fn admins(
    context: &Context,
    manifest: &Manifest,
    acting: &Acting<'_>,
    now: &Governing,
) -> Result<Outcome, Failure> {
    let contracts = &manifest.contracts;
    let pairs =
        [("registrar", contracts.registrar, &now.registrar_admin), ("ppr", contracts.ppr, &now.ppr_admin)];
    let mut msgs = Vec::new();
    for (name, contract, admin) in pairs {
        if admin.as_ref() == Some(&now.authority) {
            continue;
        }
        let admin = admin.as_deref().unwrap_or("nobody");
        acting.must_be(&format!("the admin of {name}"), admin)?;
        msgs.push(update_admin(&acting.account, &contract, &now.authority, &manifest.params.prefix));
    }
    if msgs.is_empty() {
        return Ok(Outcome::already());
    }
    acting.send(context, msgs, &format!("Make {} admin of registrar and ppr", now.authority)).await
}

/// Whether registration is open.
#[derive(Serialize)]
struct Registration {
    paused: bool,
}

/// `admin pause`, `admin unpause`
pub async fn pause(context: &Context, signer: &Signer, paused: bool) -> Result<(), Failure> {
    let manifest = context.manifest()?;
    let chain = manifest.client()?;
    let acting = signer.open(&chain, &manifest.params).await?;
    let now = config(&chain, &manifest).await?;
    let outcome = if now.paused == paused {
        Outcome::already()
    } else {
        acting.must_be("the authority", &now.authority)?;
        let title = if paused { "Stop new registrations" } else { "Allow new registrations again" };
        let msg = Msg::execute(manifest.contracts.registrar, &ExecuteMsg::PauseRegistrations { paused })?;
        acting.send(context, vec![msg], title).await?
    };
    let told =
        Told { what: Registration { paused: if outcome.done { paused } else { now.paused } }, outcome };
    let done = if paused { "No new registrations for now." } else { "Registration is open." };
    context.output.answer(&told, || told.outcome.text(done))
}
