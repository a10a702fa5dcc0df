//! `casewise practitioner`: the people of an institution who may open a case in an emergency.
//!
//! The institution's agent signs with a key of its own, which is in no phrase. Here an operator
//! account with a phrase acts, one that was named when the institution was admitted.

use casewise_chain::{Chain, ChainExt, Manifest, Msg, PeriodicLimit, account_from_bech32};
use casewise_protocol::convert::PractitionerRole;
use casewise_protocol::{page, registrar};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::admin::acting::{Acting, Signer, Told};
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{table, time};

/// Period of a practitioner's fee allowance, seconds.
const ALLOWANCE_PERIOD_S: u64 = 24 * 60 * 60;
/// Gas a practitioner may spend in a period: some dozens of messages.
const ALLOWANCE_GAS: u64 = 10_000_000;

/// What can be done with practitioners.
#[derive(Debug, Subcommand)]
pub enum PractitionerCommand {
    /// Register a practitioner of your institution, and pay its fees
    Add(AddArgs),
    /// Take the right to open cases in an emergency away for now
    Suspend(ChangeArgs),
    /// Give that right back
    Resume(ChangeArgs),
    /// List the practitioners of an institution
    List(ListArgs),
}

/// `practitioner add`
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The practitioner's account
    #[arg(long, value_name = "ACCOUNT")]
    account: String,
    /// What the practitioner is: doctor, nurse, midwife, dentist, pharmacist, paramedic, therapist,
    /// researcher or auditor
    #[arg(long, value_parser = role)]
    role: PractitionerRole,
    #[command(flatten)]
    signer: Signer,
}

/// `practitioner suspend` and `practitioner resume`
#[derive(Debug, Args)]
pub struct ChangeArgs {
    /// The practitioner's account
    #[arg(long, value_name = "ACCOUNT")]
    account: String,
    #[command(flatten)]
    signer: Signer,
}

/// `practitioner list`
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Number of the institution
    #[arg(long, value_name = "INSTITUTION")]
    institution: u32,
}

fn role(word: &str) -> Result<PractitionerRole, String> {
    PractitionerRole::from_word(word).ok_or_else(|| {
        let words: Vec<&str> = PractitionerRole::ALL.iter().map(|role| role.as_str()).collect();
        format!("expected one of {}", words.join(", "))
    })
}

/// Runs a command.
pub async fn run(context: &Context, command: &PractitionerCommand) -> Result<(), Failure> {
    match command {
        PractitionerCommand::Add(args) => add(context, args).await,
        PractitionerCommand::Suspend(args) => change(context, args, true).await,
        PractitionerCommand::Resume(args) => change(context, args, false).await,
        PractitionerCommand::List(args) => list(context, args).await,
    }
}

async fn add(context: &Context, args: &AddArgs) -> Result<(), Failure> {
    let manifest = context.manifest()?;
    let (chain, params) = (manifest.client()?, &manifest.params);
    let acting = args.signer.open(&chain, params).await?;
    let institution = institution_of(&chain, &manifest, &acting).await?;
    let account = account_from_bech32(&args.account, &params.prefix)?;
    let register =
        registrar::ExecuteMsg::RegisterPractitioner { account: args.account.clone(), role: args.role };
    let mut msgs = vec![Msg::execute(manifest.contracts.registrar, &register)?];
    let payer = account_from_bech32(&acting.account, &params.prefix)?;
    if chain.allowance(&payer, &account).await?.is_none() {
        let limit = PeriodicLimit {
            period_s: ALLOWANCE_PERIOD_S,
            limit: params.gas_price.fee(ALLOWANCE_GAS).max(1),
            expires_ms: None,
        };
        let denom = params.gas_price.denom().to_owned();
        msgs.push(Msg::GrantAllowance { grantee: account, limit, denom });
    }
    let title = format!(
        "register {} as {} of institution {institution} and pay its fees",
        args.account,
        args.role.as_str()
    );
    let outcome = acting.send(context, msgs, &title).await?;
    let what = json!({
        "account": args.account,
        "institution": institution,
        "role": args.role,
        "fee_granter": acting.account,
    });
    let text = outcome.text(&format!(
        "Practitioner {} is registered at institution {institution}. It acts with: casewise emergency open \
         --paid-by {}",
        args.account, acting.account
    ));
    context.output.answer(&Told { what, outcome }, || text)
}

/// The institution that the acting account operates.
async fn institution_of(chain: &dyn Chain, manifest: &Manifest, acting: &Acting<'_>) -> Result<u32, Failure> {
    let query = registrar::QueryMsg::Operator { account: acting.account.clone() };
    let number: Option<u32> = chain.query(&manifest.contracts.registrar, &query, None).await?;
    number.ok_or_else(|| {
        Failure::refused(
            format!("{} operates no institution", acting.account),
            "Use the phrase of an operator account that the registrar lists for your institution.",
        )
    })
}

async fn change(context: &Context, args: &ChangeArgs, suspend: bool) -> Result<(), Failure> {
    let manifest = context.manifest()?;
    let chain = manifest.client()?;
    let known = practitioner(&chain, &manifest, &args.account).await?;
    let acting = args.signer.open(&chain, &manifest.params).await?;
    let account = args.account.clone();
    let (word, message) = match suspend {
        true => ("suspend", registrar::ExecuteMsg::SuspendPractitioner { account }),
        false => ("resume", registrar::ExecuteMsg::ResumePractitioner { account }),
    };
    let title = format!("{word} practitioner {} of institution {}", args.account, known.institution);
    let msgs = vec![Msg::execute(manifest.contracts.registrar, &message)?];
    let outcome = acting.send(context, msgs, &title).await?;
    let now = practitioner(&chain, &manifest, &args.account).await?;
    let text = outcome.text(&format!("Practitioner {} is {}.", args.account, now.status.as_str()));
    let what = json!({"account": now.account, "institution": now.institution, "status": now.status});
    context.output.answer(&Told { what, outcome }, || text)
}

/// What the registrar says of a practitioner.
pub async fn practitioner(
    chain: &dyn Chain,
    manifest: &Manifest,
    account: &str,
) -> Result<registrar::PractitionerInfo, Failure> {
    find_practitioner(chain, manifest, account).await?.ok_or_else(|| {
        Failure::not_found(
            format!("{account} is not registered as a practitioner"),
            "Its institution registers it with: casewise practitioner add",
        )
    })
}

/// What the registrar says of a practitioner, if the account is one.
pub async fn find_practitioner(
    chain: &dyn Chain,
    manifest: &Manifest,
    account: &str,
) -> Result<Option<registrar::PractitionerInfo>, Failure> {
    account_from_bech32(account, &manifest.params.prefix)?;
    let query = registrar::QueryMsg::Practitioner { account: account.into() };
    Ok(chain.query(&manifest.contracts.registrar, &query, None).await?)
}

async fn list(context: &Context, args: &ListArgs) -> Result<(), Failure> {
    let manifest = context.manifest()?;
    let chain = manifest.client()?;
    let mut all: Vec<registrar::PractitionerInfo> = Vec::new();
    loop {
        let query = registrar::QueryMsg::Practitioners {
            institution: args.institution,
            start_after: all.last().map(|last| last.account.clone()),
            limit: Some(page::MAX_LIMIT),
        };
        let page: registrar::PractitionersResponse =
            chain.query(&manifest.contracts.registrar, &query, None).await?;
        let whole = page.practitioners.len() == page::MAX_LIMIT as usize;
        all.extend(page.practitioners);
        if !whole {
            break;
        }
    }
    context.output.answer(&all, || {
        let mut rows = table(["account", "role", "status", "since"]);
        for known in &all {
            let (role, status) = (known.role.as_str(), known.status.as_str());
            rows.add_row([known.account.clone(), role.into(), status.into(), time(known.since.u64())]);
        }
        rows.to_string()
    })
}
