//! `casewise case rotate` and `casewise case recover …`: another holder for a case.
//!
//! Must say before anything is signed what it does, and afterwards what cannot be undone and who does
//! not know it yet.

use std::path::{Path, PathBuf};

use casewise_client::book::{CaseState, HolderChange};
use casewise_client::{Patient, Phrase, Recovery, RecoveryStand};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::case::{CaseArg, case_value};
use crate::context::{Context, read_phrase};
use crate::exit::Failure;
use crate::output::{short, time};

/// `case recover`: without a subcommand it looks for the cases of the wallet's phrase.
#[derive(Debug, Args)]
pub struct RecoverArgs {
    #[command(subcommand)]
    command: Option<RecoverCommand>,
}

/// Recovery with a second phrase.
#[derive(Debug, Subcommand)]
enum RecoverCommand {
    /// Begin to take a case over with its second phrase; this wallet's phrase will hold it
    Start(WithPhrase),
    /// Show whether a recovery is running, and who may do what until when
    Status(AnyCase),
    /// Take the case over, once the wait for a veto is over
    Finish(AnyCase),
    /// Take a recovery back with the second phrase
    Cancel(WithPhrase),
    /// Stop a recovery as the holder of the case
    Veto(CaseArg),
}

/// A case of this wallet or any other.
#[derive(Debug, Args)]
struct AnyCase {
    /// Number of the case, or the beginning of its id; the whole id of a case that is not in this wallet
    #[arg(long = "case", value_name = "CASE")]
    case: Option<String>,
}

/// A case and its second phrase.
#[derive(Debug, Args)]
struct WithPhrase {
    #[command(flatten)]
    case: AnyCase,
    /// File with the 24 words of the second phrase; else the program asks
    #[arg(long, value_name = "FILE")]
    recovery_phrase_file: Option<PathBuf>,
}

/// Runs `case recover`.
pub async fn recover(context: &Context, args: &RecoverArgs) -> Result<(), Failure> {
    match &args.command {
        None => find(context).await,
        Some(RecoverCommand::Start(args)) => start(context, args).await,
        Some(RecoverCommand::Status(args)) => status(context, args).await,
        Some(RecoverCommand::Finish(args)) => finish(context, args).await,
        Some(RecoverCommand::Cancel(args)) => cancel(context, args).await,
        Some(RecoverCommand::Veto(args)) => veto(context, args).await,
    }
}

async fn find(context: &Context) -> Result<(), Failure> {
    let found = context.with_patient(async |patient| Ok(patient.recover().await?)).await?;
    let answer: Vec<Value> = found.iter().map(case_value).collect();
    context.output.answer(&answer, || match found.len() {
        0 => "No case was found that is not in the wallet.".into(),
        count => format!("Cases found: {count}. See them with: casewise case list"),
    })
}

/// Runs `case rotate`.
pub async fn rotate(context: &Context, args: &CaseArg) -> Result<(), Failure> {
    let answer = context
        .with_patient(async |patient| {
            let n = patient.choose(args.case.as_deref()).await?.n;
            let (case, change) = patient.plan_rotation(n).await?;
            context.output.say(rotation_words(&case, &change));
            context.confirm("Sign this?")?;
            let (included, change) = patient.rotate(&case, &change).await?;
            let height = Some(included.height);
            changed(&patient, case.n, &change, height, hex::encode(included.tx.hash)).await
        })
        .await?;
    context.output.answer(&answer, || changed_words(&answer))
}

fn rotation_words(case: &CaseState, change: &HolderChange) -> String {
    format!(
        "In case {} you say:\n\
         \x20 from now on a fresh account and key of this wallet's phrase (number {}) hold this case\n\
         \x20 the account that held it until now can do nothing more in it\n\
         \x20 whoever had the key of before reads nothing that is written from then on\n\
         What is shared stays shared; the institutions go on in new lanes. The recovery account stays.\n",
        case.n, change.key
    )
}

/// A change of holder for programs.
async fn changed(
    patient: &Patient<'_>,
    n: u32,
    change: &HolderChange,
    height: Option<u64>,
    tx: String,
) -> Result<Value, Failure> {
    let related = patient.network.relationships(&change.offer.card.case).await?;
    let waiting = related.iter().map(|related| related.institution);
    let waiting: Vec<u32> = waiting.filter(|number| !change.told.contains(number)).collect();
    Ok(json!({
        "n": n,
        "case": change.offer.card.case,
        "epoch": change.offer.card.epoch,
        "key": change.key,
        "height": height,
        "tx": tx,
        "told": change.told,
        "waiting": waiting,
        "trouble": change.trouble,
    }))
}

fn changed_words(answer: &Value) -> String {
    let mut out = match answer["height"].as_u64() {
        Some(height) => format!(
            "Done in block {height}. The key of case {} has epoch {}.\n",
            answer["n"], answer["epoch"]
        ),
        None => format!("Case {} is in this wallet. Its key has epoch {}.\n", answer["n"], answer["epoch"]),
    };
    let waiting: Vec<String> =
        answer["waiting"].as_array().into_iter().flatten().map(Value::to_string).collect();
    if waiting.is_empty() {
        out.push_str("Every institution of the case has the new key.\n");
    } else {
        out.push_str(&format!(
            "Not told yet: institution {}. Each later command tells them again; until then they open no new lane.\n",
            waiting.join(", ")
        ));
        if let Some(trouble) = answer["trouble"].as_str() {
            out.push_str(&format!("The last reason: {trouble}\n"));
        }
    }
    out
}

fn second_phrase(file: Option<&Path>) -> Result<Phrase, Failure> {
    read_phrase(file, "Second phrase")
}

async fn start(context: &Context, args: &WithPhrase) -> Result<(), Failure> {
    let second = second_phrase(args.recovery_phrase_file.as_deref())?;
    let answer = context
        .with_patient(async |patient| {
            let case = patient.choose_id(args.case.case.as_deref()).await?;
            let recovery = patient.recovery(&case).await?;
            patient.recovery_key(&recovery, &second)?;
            let change = patient.plan_recovery(&recovery).await?;
            context.output.say(start_words(&recovery, &change));
            context.confirm("Sign this?")?;
            let included = patient.start_recovery(&recovery, &second, &change).await?;
            let mut answer = recovery_value(&patient.recovery(&case).await?);
            answer["height"] = json!(included.height);
            answer["tx"] = json!(hex::encode(included.tx.hash));
            Ok(answer)
        })
        .await?;
    context
        .output
        .answer(&answer, || format!("Started in block {}.\n{}", answer["height"], stand_words(&answer)))
}

fn start_words(recovery: &Recovery, change: &HolderChange) -> String {
    format!(
        "For case {} you say, with its second phrase:\n\
         \x20 a fresh account and key of this wallet's phrase (number {}) shall hold this case\n\
         The present holder is asked to object; until the recovery ends it can only revoke.\n\
         {}",
        short(recovery.case),
        change.key,
        KEYS
    )
}

/// What a recovery does not bring back.
const KEYS: &str = "After it you read what is written from then on. What was sealed to the key that was lost is \
                    readable only with\nthe first phrase: a wallet of that phrase opens it.\n";

async fn status(context: &Context, args: &AnyCase) -> Result<(), Failure> {
    let answer = context
        .with_patient(async |patient| {
            let case = patient.choose_id(args.case.as_deref()).await?;
            Ok(recovery_value(&patient.recovery(&case).await?))
        })
        .await?;
    context.output.answer(&answer, || stand_words(&answer))
}

/// A recovery for programs.
fn recovery_value(recovery: &Recovery) -> Value {
    let state = match recovery.stand() {
        None => "none",
        Some(RecoveryStand::Waiting) => "waiting",
        Some(RecoveryStand::Ready) => "ready",
        Some(RecoveryStand::Lapsed) => "lapsed",
    };
    let running = recovery.running.as_ref();
    json!({
        "case": recovery.case,
        "epoch": recovery.identity.epoch,
        "recoverable": recovery.account.is_some(),
        "state": state,
        "ready": running.map(|running| running.ready),
        "lapses": running.map(|running| running.lapses),
        "attested": running.and_then(|running| running.attested),
        "now": recovery.now,
    })
}

/// Who may do what, until when.
fn stand_words(answer: &Value) -> String {
    let at = |field: &str| time(answer[field].as_u64().unwrap_or_default());
    let attested = answer["attested"].as_u64();
    let mut out = format!(
        "Case {}, epoch {} of its key.\n",
        short(answer["case"].as_str().unwrap_or("?")),
        answer["epoch"]
    );
    out.push_str(&match answer["state"].as_str() {
        Some("waiting") => {
            let objection = match attested {
                Some(number) => format!("Institution {number} attests that the patient wants it: it cannot be vetoed.\n"),
                None => format!(
                    "Until {} the holder may stop it, once: casewise case recover veto\n",
                    at("ready")
                ),
            };
            format!(
                "A recovery is running. The holder and its delegates only revoke.\n{objection}\
                 From {} until {} it can be finished: casewise case recover finish\n\
                 Until then the second phrase may take it back: casewise case recover cancel\n",
                at("ready"),
                at("lapses")
            )
        }
        Some("ready") => format!(
            "A recovery can be finished until {}: casewise case recover finish\n\
             The holder{} and the second phrase may still stop it. The holder and its delegates only revoke.\n",
            at("lapses"),
            if attested.is_some() { " may not veto it any more: it is attested;" } else { " (veto)" },
        ),
        Some("lapsed") => format!("A recovery was not finished before {} and counts no more.\n", at("lapses")),
        _ => "No recovery is running.\n".into(),
    });
    if answer["recoverable"] == json!(false) {
        out.push_str("No recovery account was named: only the holder's phrase holds this case.\n");
    }
    out
}

async fn finish(context: &Context, args: &AnyCase) -> Result<(), Failure> {
    let answer = context
        .with_patient(async |patient| {
            let case = patient.choose_id(args.case.as_deref()).await?;
            let recovery = patient.recovery(&case).await?;
            context.output.say(format!(
                "For case {} you say: an account of this wallet's phrase holds it from now on.\n{KEYS}",
                short(case)
            ));
            context.confirm("Sign this?")?;
            let (included, case, change) = patient.finish_recovery(&recovery).await?;
            let tx = included.as_ref().map(|included| hex::encode(included.tx.hash)).unwrap_or_default();
            changed(&patient, case.n, &change, included.map(|included| included.height), tx).await
        })
        .await?;
    context.output.answer(&answer, || format!("{}{KEYS}", changed_words(&answer)))
}

async fn cancel(context: &Context, args: &WithPhrase) -> Result<(), Failure> {
    let second = second_phrase(args.recovery_phrase_file.as_deref())?;
    let answer = context
        .with_patient(async |patient| {
            let case = patient.choose_id(args.case.case.as_deref()).await?;
            let recovery = patient.recovery(&case).await?;
            context.output.say(format!("For case {} you say: the recovery is taken back.", short(case)));
            context.confirm("Sign this?")?;
            let included = patient.cancel_recovery(&recovery, &second).await?;
            Ok(json!({"case": case, "height": included.height, "tx": hex::encode(included.tx.hash)}))
        })
        .await?;
    context.output.answer(&answer, || format!("Taken back in block {}.", answer["height"]))
}

async fn veto(context: &Context, args: &CaseArg) -> Result<(), Failure> {
    let answer = context
        .with_patient(async |patient| {
            let case = patient.choose(args.case.as_deref()).await?;
            context.output.say(format!(
                "In case {} you say: the recovery that is running is not mine and stops.\n\
                 You can say this once; a second recovery can only be left to run, or be prevented by an institution.\n\
                 If somebody has your second phrase, open a new case with another one.",
                case.n
            ));
            context.confirm("Sign this?")?;
            let included = patient.veto_recovery(&case).await?;
            let tx = hex::encode(included.tx.hash);
            Ok(json!({"n": case.n, "case": case.case, "height": included.height, "tx": tx}))
        })
        .await?;
    context.output.answer(&answer, || format!("Stopped in block {}.", answer["height"]))
}
