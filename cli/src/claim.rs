//! `casewise case claim`: taking over a case that an institution holds for its patient.

use std::path::PathBuf;

use casewise_client::claim;
use casewise_ledger::{CaseId, Party};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::case::{CaseArg, base64, trouble};
use crate::context::{Context, read_phrase};
use crate::exit::Failure;
use crate::output::{short, time};

/// What can be done to take over a case.
#[derive(Debug, Subcommand)]
pub enum ClaimCommand {
    /// Make the claim request for a case that an institution holds for you, to be shown to it
    OfferRequest(RequestArgs),
    /// Take the case over once the institution offers it, and fetch its keys
    Accept(CaseArg),
}

/// `case claim offer-request`
#[derive(Debug, Args)]
pub struct RequestArgs {
    /// The case, 64 hexadecimal digits, as the institution names it
    #[arg(long, value_name = "CASE")]
    case_id: CaseId,
    /// Days the request is valid
    #[arg(long, default_value_t = claim::CLAIM_LIFE / 86_400)]
    days: u64,
    /// File with the 24 words of a second phrase, whose account may recover the case afterwards
    #[arg(long, value_name = "FILE")]
    recovery_phrase_file: Option<PathBuf>,
    /// File to write; default: case-NUMBER.claim
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs a command.
pub async fn run(context: &Context, command: &ClaimCommand) -> Result<(), Failure> {
    match command {
        ClaimCommand::OfferRequest(args) => request(context, args).await,
        ClaimCommand::Accept(args) => accept(context, args).await,
    }
}

async fn request(context: &Context, args: &RequestArgs) -> Result<(), Failure> {
    let recovery = args.recovery_phrase_file.as_deref();
    let recovery = recovery.map(|path| read_phrase(Some(path), "Recovery phrase")).transpose()?;
    let life = args.days.saturating_mul(86_400);
    let (case, made) = context
        .with_patient(async |patient| {
            Ok(patient.request_claim(&args.case_id, life, recovery.as_ref()).await?)
        })
        .await?;
    let bytes = claim::write(&made);
    let path = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("case-{}.claim", case.n)));
    std::fs::write(&path, &bytes).map_err(|error| {
        Failure::other(
            format!("--out {}: {error}", path.display()),
            "Make the request again with --out; it has the same keys.",
        )
    })?;
    let answer = json!({
        "n": case.n,
        "case": case.case,
        "institution": case.institution,
        "expires": made.expires,
        "file": path,
        "request": base64(&bytes),
    });
    context.output.answer(&answer, || {
        format!(
            "Case {} ({}), held by institution {}\n\
             Show it the file {} before {}, and who you are.\n\
             When it has taken the file in: casewise case claim accept --case {}",
            case.n,
            short(case.case),
            case.institution,
            path.display(),
            time(made.expires),
            case.n,
        )
    })
}

async fn accept(context: &Context, args: &CaseArg) -> Result<(), Failure> {
    let claimed = context
        .with_patient(async |patient| {
            let case = patient.choose(args.case.as_deref()).await?;
            context.output.say(format!(
                "You become the holder of case {} ({}), which institution {} held for you.\n\
                 It could read everything until now; its keys of this case end.",
                case.n,
                short(case.case),
                case.institution
            ));
            context.confirm("Sign this?")?;
            Ok(patient.accept_claim(case.n).await?)
        })
        .await?;
    let followed = &claimed.followed;
    let institution = Party::Institution(followed.case.institution);
    let lanes = followed.lanes.iter().filter(|lane| lane.record.author == institution && lane.readable);
    let answer = json!({
        "n": followed.case.n,
        "case": followed.case.case,
        "height": claimed.accepted.as_ref().map(|sent| sent.height),
        "tx": claimed.accepted.as_ref().map(|sent| hex::encode(sent.tx.hash)),
        "readable_lanes": lanes.clone().count(),
        "entries": followed.lanes.iter().map(|lane| u64::from(lane.verified)).sum::<u64>(),
    });
    context.output.answer(&answer, || {
        format!(
            "Case {} is yours. Entries verified: {}. See them with: casewise record list --case {}",
            followed.case.n, answer["entries"], followed.case.n
        )
    })?;
    trouble(followed)
}
