//! `casewise emergency`: opening a case in an emergency, ending that, listing, reviewing.
//!
//! What is written here is the right on chain and its trace. Must say that no record is shown by it:
//! an agent does not serve reads under an emergency access yet.

use std::path::PathBuf;

use casewise_chain::{
    Chain, Included, Manifest, Msg, SubmitOptions, account_from_bech32, account_to_bech32, key_from_mnemonic,
    submit_and_wait,
};
use casewise_client::Network;
use casewise_ledger::{Address, CaseId, account::AccountKey};
use casewise_protocol::convert::{EmergencyReason, ReviewOutcome};
use casewise_protocol::{ppr, registrar};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::admin::acting::{Signer, Told};
use crate::context::{Context, secret_file};
use crate::exit::Failure;
use crate::output::{table, time};
use crate::practitioner::{find_practitioner, practitioner};

/// Longest emergency access, hours.
const MAX_HOURS: u64 = ppr::MAX_EMERGENCY_MS / 3_600_000;
/// What an emergency access does not do yet.
const NO_READS: &str =
    "The access is on chain and the patient sees it. Agents do not serve reads under it yet.";

/// What can be done in an emergency.
#[derive(Debug, Subcommand)]
pub enum EmergencyCommand {
    /// As a practitioner: open a case without a grant, for hours; it is recorded and reviewed. No record
    /// is shown by it yet
    Open(OpenArgs),
    /// End an emergency access before its time: as the practitioner, an operator of its institution or
    /// the consortium, or as the holder of the case
    End(EndArgs),
    /// List the emergency accesses of a case
    List(ListArgs),
    /// As an operator: say what the review of an emergency access found, once it is over
    Review(ReviewArgs),
}

/// A practitioner's account.
#[derive(Debug, Args)]
struct PractitionerArgs {
    /// Account that pays the fees under an allowance; default: the institution's main account if it
    /// gave one, else the practitioner
    #[arg(long, value_name = "ACCOUNT")]
    paid_by: Option<String>,
}

/// `emergency open`
#[derive(Debug, Args)]
pub struct OpenArgs {
    /// The case, 64 hexadecimal digits
    #[arg(long = "case", value_name = "CASE")]
    case: CaseId,
    /// Why: treatment, break_the_glass or disaster
    #[arg(long, value_parser = reason)]
    reason: EmergencyReason,
    /// For how many hours
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=MAX_HOURS))]
    hours: u64,
    /// File with the practitioner's phrase (account m/44'/118'/0'/0/0)
    #[arg(long, value_name = "FILE")]
    mnemonic_file: PathBuf,
    #[command(flatten)]
    practitioner: PractitionerArgs,
}

/// `emergency end`
#[derive(Debug, Args)]
pub struct EndArgs {
    /// The case: 64 hexadecimal digits, or as its holder also its number in the wallet
    #[arg(long = "case", value_name = "CASE")]
    case: String,
    /// Number of the access in the case
    number: u32,
    /// File with the phrase of the practitioner, of an operator, or of the consortium's account or a
    /// member of its group; without it the wallet's holder ends the access
    #[arg(long, value_name = "FILE")]
    mnemonic_file: Option<PathBuf>,
    /// Account of the group that acts; what it decides is done when enough members agree
    #[arg(long, value_name = "ACCOUNT", requires = "mnemonic_file", conflicts_with = "paid_by")]
    group: Option<String>,
    #[command(flatten)]
    practitioner: PractitionerArgs,
}

/// `emergency list`
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The case: 64 hexadecimal digits, or its number in the wallet
    #[arg(long = "case", value_name = "CASE")]
    case: String,
}

/// `emergency review`
#[derive(Debug, Args)]
pub struct ReviewArgs {
    /// The case, 64 hexadecimal digits
    #[arg(long = "case", value_name = "CASE")]
    case: CaseId,
    /// Number of the access in the case
    number: u32,
    /// What the review found: justified or unjustified
    #[arg(long, value_parser = outcome)]
    outcome: ReviewOutcome,
    #[command(flatten)]
    signer: Signer,
}

fn reason(word: &str) -> Result<EmergencyReason, String> {
    EmergencyReason::from_word(word)
        .ok_or_else(|| "expected treatment, break_the_glass or disaster".to_owned())
}

fn outcome(word: &str) -> Result<ReviewOutcome, String> {
    ReviewOutcome::from_word(word).ok_or_else(|| "expected justified or unjustified".to_owned())
}

/// Runs a command.
pub async fn run(context: &Context, command: &EmergencyCommand) -> Result<(), Failure> {
    match command {
        EmergencyCommand::Open(args) => open(context, args).await,
        EmergencyCommand::End(args) => end(context, args).await,
        EmergencyCommand::List(args) => list(context, args).await,
        EmergencyCommand::Review(args) => review(context, args).await,
    }
}

async fn open(context: &Context, args: &OpenArgs) -> Result<(), Failure> {
    let manifest = context.manifest()?;
    let chain = manifest.client()?;
    let key = key_from_mnemonic(&secret_file("--mnemonic-file", &args.mnemonic_file)?, 0)?;
    let account = account_to_bech32(&key.address(), &manifest.params.prefix);
    let known = practitioner(&chain, &manifest, &account).await?;
    let until = chain.tip().await?.time_ms + args.hours * 3_600_000;
    context.output.say(format!(
        "You, {account} of institution {}, open case {} for {} hours without a grant ({}).\n\
         The patient sees it, and it is reviewed.",
        known.institution,
        args.case,
        args.hours,
        args.reason.as_str()
    ));
    context.confirm("Sign this?")?;
    let message = ppr::ExecuteMsg::open_emergency(&args.case, args.reason, until);
    let sent = send(&chain, &manifest, &key, Some(&known), &args.practitioner, &message).await?;
    let found = Network::new(&chain, &manifest).emergencies(&args.case).await?;
    let opened = found.iter().rev().find(|access| access.practitioner == account);
    let number = opened.map(|access| access.number).ok_or_else(|| {
        Failure::integrity("the chain does not show the access", "See: casewise emergency list")
    })?;
    let answer = json!({
        "case": args.case, "number": number, "until": until, "height": sent.height,
        "tx": hex::encode(sent.tx.hash), "reads": "not served yet",
    });
    context.output.answer(&answer, || {
        format!("Emergency access {number} is in block {}, until {}.\n{NO_READS}", sent.height, time(until))
    })
}

/// Sends a message of a practitioner, or of another account if `known` is none; the practitioner's
/// institution pays where it has given an allowance.
async fn send(
    chain: &dyn Chain,
    manifest: &Manifest,
    key: &AccountKey,
    known: Option<&registrar::PractitionerInfo>,
    args: &PractitionerArgs,
    message: &ppr::ExecuteMsg,
) -> Result<Included, Failure> {
    let fee_granter = match (&args.paid_by, known) {
        (Some(text), _) => Some(account_from_bech32(text, &manifest.params.prefix)?),
        (None, Some(known)) => main_account_paying(chain, manifest, known, &key.address()).await?,
        (None, None) => None,
    };
    let options = SubmitOptions { fee_granter, ..SubmitOptions::default() };
    let msgs = vec![Msg::execute(manifest.contracts.ppr, message)?];
    Ok(submit_and_wait(chain, key, msgs, &manifest.params, &options).await?)
}

async fn main_account_paying(
    chain: &dyn Chain,
    manifest: &Manifest,
    known: &registrar::PractitionerInfo,
    account: &Address,
) -> Result<Option<Address>, Failure> {
    let main = Network::new(chain, manifest).institution_account(known.institution).await?;
    let Some(main) = main else { return Ok(None) };
    Ok(chain.allowance(&main, account).await?.map(|_| main))
}

async fn end(context: &Context, args: &EndArgs) -> Result<(), Failure> {
    let (case, sent) = match (&args.mnemonic_file, &args.group) {
        (Some(path), Some(group)) => {
            let signer = Signer { mnemonic_file: path.clone(), group: Some(group.clone()) };
            return end_by_group(context, args, &signer).await;
        }
        (Some(path), None) => {
            let manifest = context.manifest()?;
            let chain = manifest.client()?;
            let case = whole_id(&args.case)?;
            let key = key_from_mnemonic(&secret_file("--mnemonic-file", path)?, 0)?;
            let account = account_to_bech32(&key.address(), &manifest.params.prefix);
            let known = find_practitioner(&chain, &manifest, &account).await?;
            context.confirm(&format!("End emergency access {} of case {case}?", args.number))?;
            let message = ppr::ExecuteMsg::end_emergency(&case, args.number);
            (case, send(&chain, &manifest, &key, known.as_ref(), &args.practitioner, &message).await?)
        }
        (None, _) => {
            context
                .with_patient(async |patient| {
                    let case = patient.choose(Some(&args.case)).await?;
                    context.confirm(&format!("End emergency access {} of case {}?", args.number, case.n))?;
                    Ok((case.case, patient.end_emergency(&case, args.number).await?))
                })
                .await?
        }
    };
    let answer = json!({
        "case": case, "number": args.number, "height": sent.height, "tx": hex::encode(sent.tx.hash),
    });
    context.output.answer(&answer, || {
        format!("Emergency access {} is over since block {} at the latest.", args.number, sent.height)
    })
}

/// The consortium's group ends an access.
async fn end_by_group(context: &Context, args: &EndArgs, signer: &Signer) -> Result<(), Failure> {
    let manifest = context.manifest()?;
    let chain = manifest.client()?;
    let case = whole_id(&args.case)?;
    let acting = signer.open(&chain, &manifest.params).await?;
    let message = ppr::ExecuteMsg::end_emergency(&case, args.number);
    let title = format!("end emergency access {} of case {case}", args.number);
    let sent = acting.send(context, vec![Msg::execute(manifest.contracts.ppr, &message)?], &title).await?;
    let text = sent.text(&format!("Emergency access {} is over.", args.number));
    let what = json!({"case": case, "number": args.number});
    context.output.answer(&Told { what, outcome: sent }, || text)
}

fn whole_id(text: &str) -> Result<CaseId, Failure> {
    text.parse().map_err(|_| {
        Failure::usage(
            "--case: not 64 hexadecimal digits",
            "Only its holder names a case by a number; give its whole id.",
        )
    })
}

async fn list(context: &Context, args: &ListArgs) -> Result<(), Failure> {
    let found = match args.case.parse::<CaseId>() {
        Ok(case) => {
            let manifest = context.manifest()?;
            let chain = manifest.client()?;
            Network::new(&chain, &manifest).emergencies(&case).await?
        }
        Err(_) => {
            context
                .with_patient(async |patient| {
                    let case = patient.choose(Some(&args.case)).await?;
                    Ok(patient.network.emergencies(&case.case).await?)
                })
                .await?
        }
    };
    let answer: Vec<Value> = found.iter().map(|access| json!(access)).collect();
    context.output.answer(&answer, || {
        let mut rows = table(["number", "practitioner", "institution", "why", "from", "until", "review"]);
        for access in &found {
            let review = match (&access.review, access.overdue) {
                (Some(review), _) => review.outcome.as_str().to_owned(),
                (None, true) => "overdue".into(),
                (None, false) => "to come".into(),
            };
            rows.add_row([
                access.number.to_string(),
                access.practitioner.clone(),
                access.institution.to_string(),
                access.reason.as_str().into(),
                time(access.since.u64()),
                time(access.until.u64()),
                review,
            ]);
        }
        rows.to_string()
    })
}

async fn review(context: &Context, args: &ReviewArgs) -> Result<(), Failure> {
    let manifest = context.manifest()?;
    let chain = manifest.client()?;
    let acting = args.signer.open(&chain, &manifest.params).await?;
    let message = ppr::ExecuteMsg::review_emergency(&args.case, args.number, args.outcome);
    let title =
        format!("review emergency access {} of case {}: {}", args.number, args.case, args.outcome.as_str());
    let sent = acting.send(context, vec![Msg::execute(manifest.contracts.ppr, &message)?], &title).await?;
    let text = sent.text(&format!("Emergency access {} is {}.", args.number, args.outcome.as_str()));
    let what = json!({"case": args.case, "number": args.number, "outcome": args.outcome});
    context.output.answer(&Told { what, outcome: sent }, || text)
}
