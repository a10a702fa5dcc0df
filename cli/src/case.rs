//! `casewise case`: offers, states, acceptance, the case chain.

use std::path::PathBuf;

use casewise_client::book::CaseState;
use casewise_client::follow::{Followed, InstitutionView, LaneView, unseen};
use casewise_client::ports::Clock as _;
use casewise_client::{Acceptance, ClientError, Patient, offer};
use casewise_ledger::{CaseBlock, Party, encode};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::{Value, json};

use crate::claim;
use crate::context::{Context, read_phrase};
use crate::exit::Failure;
use crate::holder::{self, RecoverArgs};
use crate::output::{clean, short, table, time};

/// How often `case watch` looks, ms.
const WATCH_MS: u64 = 500;

/// What can be done with cases.
#[derive(Debug, Subcommand)]
pub enum CaseCommand {
    /// Make the offer of a new case, to be shown to an institution
    Offer(OfferArgs),
    /// List the cases in the wallet
    List,
    /// Show where a case stands: fetch and verify what is new
    Show(CaseArg),
    /// Accept institutions and acknowledge the entries verified
    Accept(AcceptArgs),
    /// Follow a case and say what changes, until interrupted
    Watch(WatchArgs),
    /// Print the case chain: the case's anchors as blocks
    Chain(CaseArg),
    /// Take over a case that an institution holds for you
    #[command(subcommand)]
    Claim(claim::ClaimCommand),
    /// Put a fresh account and key of this wallet in the holder's place
    Rotate(CaseArg),
    /// Look on chain for the cases of this phrase; or take a case over with its second phrase
    Recover(RecoverArgs),
}

/// Which case.
#[derive(Debug, Args)]
pub struct CaseArg {
    /// Number of the case, or the beginning of its id; not needed when there is one case
    #[arg(long = "case", value_name = "CASE")]
    pub case: Option<String>,
}

/// `case offer`
#[derive(Debug, Args)]
pub struct OfferArgs {
    /// Number of the institution that enrols the case
    #[arg(long, value_name = "INSTITUTION")]
    to: u32,
    /// Days the offer is valid
    #[arg(long, default_value_t = offer::OFFER_LIFE / 86_400)]
    days: u64,
    /// File with the 24 words of a second phrase, whose account may recover the case
    #[arg(long, value_name = "FILE")]
    recovery_phrase_file: Option<PathBuf>,
    /// File to write; default: case-NUMBER.offer
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// `case accept`
#[derive(Debug, Args)]
pub struct AcceptArgs {
    #[command(flatten)]
    case: CaseArg,
    /// Only this institution
    #[arg(long, value_name = "INSTITUTION")]
    institution: Option<u32>,
    /// Accept institutions only; acknowledge no entries yet
    #[arg(long)]
    relationship_only: bool,
}

/// `case watch`
#[derive(Debug, Args)]
pub struct WatchArgs {
    #[command(flatten)]
    case: CaseArg,
    /// Accept institutions and acknowledge entries as they come
    #[arg(long)]
    accept: bool,
    /// End when every institution of the case has this status
    #[arg(long, value_enum)]
    until: Option<Until>,
    /// End as failed after this many seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

/// A status to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Until {
    /// Proposed, waits for the holder
    New,
    /// In force, with entries that are not acknowledged
    UpdatePending,
    /// In force, everything acknowledged
    Accepted,
}

/// Runs a command.
pub async fn run(context: &Context, command: &CaseCommand) -> Result<(), Failure> {
    match command {
        CaseCommand::Offer(args) => make_offer(context, args).await,
        CaseCommand::List => list(context).await,
        CaseCommand::Show(args) => show(context, args).await,
        CaseCommand::Accept(args) => accept(context, args).await,
        CaseCommand::Watch(args) => watch(context, args).await,
        CaseCommand::Chain(args) => chain(context, args).await,
        CaseCommand::Claim(command) => claim::run(context, command).await,
        CaseCommand::Rotate(args) => holder::rotate(context, args).await,
        CaseCommand::Recover(args) => holder::recover(context, args).await,
    }
}

async fn make_offer(context: &Context, args: &OfferArgs) -> Result<(), Failure> {
    let recovery = args.recovery_phrase_file.as_deref();
    let recovery = recovery.map(|path| read_phrase(Some(path), "Recovery phrase")).transpose()?;
    let life = args.days.saturating_mul(86_400);
    let (case, name) = context
        .with_patient(async |patient| {
            let case = patient.offer(args.to, life, recovery.as_ref()).await?;
            let institution = patient.world.directory.institution(args.to).await?;
            Ok((case, institution.map(|institution| institution.name).unwrap_or_default()))
        })
        .await?;
    let made = case.offer.as_ref().expect("an offer was just made");
    let bytes = offer::write(made);
    let path = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("case-{}.offer", case.n)));
    std::fs::write(&path, &bytes).map_err(|error| {
        Failure::other(
            format!("--out {}: {error}", path.display()),
            format!("The case is kept as number {}; make another offer with --out.", case.n),
        )
    })?;
    let answer = json!({
        "n": case.n,
        "case": case.case,
        "institution": args.to,
        "expires": made.expires,
        "file": path,
        "offer": base64(&bytes),
    });
    context.output.answer(&answer, || {
        let name = clean(&name);
        format!(
            "Case {} ({}), offered to institution {}: {name}\n\
             Show it the file {} before {}.\n\
             With it the institution may enrol this case and write to it; nothing else of yours is in it.",
            case.n,
            short(case.case),
            args.to,
            path.display(),
            time(made.expires),
        )
    })
}

/// Standard base64, as the agent's interface takes offers.
pub fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

async fn list(context: &Context) -> Result<(), Failure> {
    let (_, store) = context.wallet().await?;
    let cases = casewise_client::book::Book::new(&store).cases().await?;
    store.close().await;
    let answer: Vec<Value> = cases.iter().map(case_value).collect();
    context.output.answer(&answer, || {
        let mut rows = table(["case", "id", "institution", "made here", "epoch", "recovery"]);
        for case in &cases {
            rows.add_row([
                case.n.to_string(),
                short(case.case),
                case.institution.to_string(),
                time(case.made),
                case.epoch.to_string(),
                case.recovering
                    .map_or_else(String::new, |seen| format!("running, ready {}", time(seen.ready))),
            ]);
        }
        rows.to_string()
    })
}

/// A case of the wallet, for programs.
pub fn case_value(case: &CaseState) -> Value {
    json!({
        "n": case.n,
        "case": case.case,
        "institution": case.institution,
        "made": case.made,
        "recovered": case.offer.is_none(),
        "epoch": case.epoch,
        "key": case.key,
        "recovery": case.recovering.map(|seen| json!({
            "ready": seen.ready,
            "lapses": seen.lapses,
            "attested": seen.attested,
        })),
    })
}

async fn show(context: &Context, args: &CaseArg) -> Result<(), Failure> {
    let followed = context
        .with_patient(async |patient| {
            let case = patient.choose(args.case.as_deref()).await?;
            Ok(patient.follow(case.n).await?)
        })
        .await?;
    context.output.answer(&Shown::new(&followed), || shown(&followed))?;
    trouble(&followed)
}

/// A case that was shown but does not fit ends the program with the matching exit code.
pub fn trouble(followed: &Followed) -> Result<(), Failure> {
    if let Some(lane) = followed.lanes.iter().find(|lane| lane.trouble.is_some()) {
        let why = lane.trouble.clone().unwrap_or_default();
        return Err(ClientError::integrity(format!("lane {}", short(lane.lane)), why).into());
    }
    match followed.institutions.iter().find(|institution| institution.trouble.is_some()) {
        Some(institution) => {
            let what = format!("institution {}", institution.number);
            let reason = institution.trouble.clone().unwrap_or_default();
            Err(match institution.forged {
                true => ClientError::integrity(what, reason).into(),
                false => ClientError::AgentUnreachable { endpoint: what, reason }.into(),
            })
        }
        None => Ok(()),
    }
}

/// A case for programs.
#[derive(Serialize)]
struct Shown {
    n: u32,
    case: String,
    enrolled: bool,
    epoch: u32,
    recovery: Option<Value>,
    waiting: Vec<u32>,
    new_entries: u64,
    institutions: Vec<Value>,
    lanes: Vec<Value>,
}

impl Shown {
    fn new(followed: &Followed) -> Self {
        Self {
            n: followed.case.n,
            case: followed.case.case.to_string(),
            enrolled: followed.identity.is_some(),
            epoch: followed.case.epoch,
            recovery: Some(case_value(&followed.case)["recovery"].clone()).filter(|seen| !seen.is_null()),
            waiting: followed.untold(),
            new_entries: followed.new_entries,
            institutions: followed.institutions.iter().map(institution_value).collect(),
            lanes: followed.lanes.iter().map(lane_value).collect(),
        }
    }
}

fn institution_value(view: &InstitutionView) -> Value {
    json!({
        "number": view.number,
        "name": view.name,
        "status": view.status,
        "relationship": view.relationship,
        "trouble": view.trouble,
    })
}

fn lane_value(lane: &LaneView) -> Value {
    json!({
        "lane": lane.lane,
        "author": lane.record.author,
        "class": lane.record.class,
        "status": lane.record.status,
        "cut": lane.cut,
        "anchored": lane.record.size,
        "verified": lane.verified,
        "seen": lane.record.seen,
        "height": lane.record.height,
        "time": lane.record.time,
        "root": hex::encode(lane.record.root),
        "predecessor": lane.header.as_ref().and_then(|header| header.predecessor),
        "readable": lane.readable,
        "trouble": lane.trouble,
    })
}

/// The word of a status, as people read it.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word.replace('_', " "),
        _ => "?".into(),
    }
}

/// An author for people.
pub fn party(party: &Party) -> String {
    match party {
        Party::Institution(number) => number.to_string(),
        Party::Account(account) => short(account),
    }
}

fn shown(followed: &Followed) -> String {
    let mut out = format!("Case {}  {}\n", followed.case.n, followed.case.case);
    if followed.identity.is_none() {
        let institution = followed.case.institution;
        out.push_str(&format!("Not enrolled yet: institution {institution} has not taken the offer in.\n"));
        return out;
    }
    let mut rows = table(["institution", "name", "status"]);
    for view in &followed.institutions {
        rows.add_row([view.number.to_string(), clean(&view.name), word(&view.status)]);
    }
    out.push_str(&format!("{rows}\n"));
    let mut rows = table(["lane", "author", "holds", "state", "anchored", "verified", "seen"]);
    for lane in &followed.lanes {
        rows.add_row([
            short(lane.lane),
            party(&lane.record.author),
            word(&lane.record.class),
            if lane.cut { "cut".into() } else { word(&lane.record.status) },
            lane.record.size.to_string(),
            lane.verified.to_string(),
            lane.record.seen.to_string(),
        ]);
    }
    out.push_str(&format!("{rows}\n"));
    if followed.case.epoch > 0 {
        out.push_str(&format!(
            "Its holder has changed {} times; the key has that epoch.\n",
            followed.case.epoch
        ));
    }
    if let Some(seen) = followed.case.recovering {
        out.push_str(&format!(
            "A RECOVERY IS RUNNING and can be finished from {}: casewise case recover status\n",
            time(seen.ready)
        ));
    }
    for number in followed.untold() {
        out.push_str(&format!("Institution {number} does not have the new key yet; it is told again.\n"));
    }
    let lost = followed.lanes.iter().filter(|lane| !lane.readable && lane.trouble.is_none()).count();
    if lost > 0 {
        out.push_str(&format!("Lanes whose keys are not in this wallet: {lost}.\n"));
    }
    if followed.lanes.iter().any(unseen) {
        out.push_str("There are entries you have not acknowledged: casewise case accept\n");
    }
    out
}

async fn accept(context: &Context, args: &AcceptArgs) -> Result<(), Failure> {
    let (followed, answer) = context
        .with_patient(async |patient| {
            let case = patient.choose(args.case.case.as_deref()).await?;
            let followed = patient.follow(case.n).await?;
            let mut acceptance = Acceptance::of(&followed, args.institution);
            if args.relationship_only {
                acceptance.seen.clear();
            }
            if acceptance.is_empty() {
                return Ok((followed, json!({"accepted": [], "seen": [], "height": null, "tx": null})));
            }
            context.output.say(acceptance_words(&followed, &acceptance));
            context.confirm("Sign this?")?;
            let sent = patient.accept(&followed, &acceptance).await?;
            let answer = json!({
                "accepted": acceptance.institutions,
                "seen": acceptance.seen.iter().map(|(lane, size)| json!({"lane": lane, "size": size})).collect::<Vec<_>>(),
                "height": sent.as_ref().map(|sent| sent.height),
                "tx": sent.as_ref().map(|sent| hex::encode(sent.tx.hash)),
            });
            Ok((followed, answer))
        })
        .await?;
    context.output.answer(&answer, || match answer["height"].as_u64() {
        Some(height) => {
            format!("Done in block {height}, transaction {}.", answer["tx"].as_str().unwrap_or("?"))
        }
        None => "There is nothing to accept.".into(),
    })?;
    trouble(&followed)
}

fn acceptance_words(followed: &Followed, acceptance: &Acceptance) -> String {
    let mut out = format!("In case {} you say:\n", followed.case.n);
    for number in &acceptance.institutions {
        let name =
            followed.institutions.iter().find(|view| view.number == *number).map(|view| clean(&view.name));
        out.push_str(&format!(
            "  institution {number} ({}) may write to this case\n",
            name.unwrap_or_else(|| "?".into())
        ));
    }
    for (lane, size) in &acceptance.seen {
        out.push_str(&format!("  {size} entries of lane {} have reached you\n", short(lane)));
    }
    out
}

async fn watch(context: &Context, args: &WatchArgs) -> Result<(), Failure> {
    if args.accept {
        context.confirm(
            "Accept every institution that the case offer or others propose, and sign for every entry?",
        )?;
    }
    context
        .with_patient(async |patient| {
            let n = patient.choose(args.case.case.as_deref()).await?.n;
            let watching = watch_case(context, args, &patient, n);
            tokio::select! {
                done = watching => done,
                _ = tokio::signal::ctrl_c() => Ok(()),
            }
        })
        .await
}

async fn watch_case(
    context: &Context,
    args: &WatchArgs,
    patient: &Patient<'_>,
    n: u32,
) -> Result<(), Failure> {
    let clock = patient.world.clock;
    let begin = clock.now_ms();
    let mut before: Option<Value> = None;
    loop {
        let followed = match patient.follow(n).await {
            Ok(followed) => Some(followed),
            // a node that is away for a moment ends no watch
            Err(error @ ClientError::Chain(casewise_chain::ChainError::Unreachable { .. })) => {
                context.output.say(format!("{error}"));
                None
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(followed) = &followed {
            report(context, followed, &mut before)?;
            if args.accept && accept_news(context, patient, followed).await? {
                continue;
            }
            if args.until.is_some_and(|until| reached(followed, until)) {
                return trouble(followed);
            }
        }
        let waited = (clock.now_ms() - begin) / 1000;
        if args.timeout.is_some_and(|timeout| waited >= timeout) {
            let what = "the status waited for".into();
            return Err(ClientError::Waited { what, seconds: waited }.into());
        }
        clock.sleep_ms(WATCH_MS).await;
    }
}

/// Signs what there is to accept. Whether there was anything.
async fn accept_news(context: &Context, patient: &Patient<'_>, followed: &Followed) -> Result<bool, Failure> {
    let acceptance = Acceptance::of(followed, None);
    let sent = patient.accept(followed, &acceptance).await?;
    if let Some(sent) = &sent {
        context.output.say(format!(
            "{}  in block {}",
            acceptance_words(followed, &acceptance).trim_end(),
            sent.height
        ));
    }
    Ok(sent.is_some())
}

/// One line, or one JSON value, for each change.
fn report(context: &Context, followed: &Followed, before: &mut Option<Value>) -> Result<(), Failure> {
    let mut now =
        serde_json::to_value(Shown::new(followed)).map_err(|error| Failure::other(error.to_string(), ""))?;
    now["new_entries"] = json!(0);
    if before.as_ref() == Some(&now) {
        return Ok(());
    }
    *before = Some(now.clone());
    if context.output.json {
        return context.output.bytes(format!("{now}\n").as_bytes());
    }
    let mut line = time(casewise_client::http::SystemClock.now_ms());
    if followed.identity.is_none() {
        line.push_str("  not enrolled yet");
    }
    for view in &followed.institutions {
        line.push_str(&format!("  {} {}", view.number, word(&view.status)));
    }
    let verified: u64 = followed.lanes.iter().map(|lane| u64::from(lane.verified)).sum();
    let anchored: u64 = followed.lanes.iter().map(|lane| u64::from(lane.record.size)).sum();
    line.push_str(&format!("  entries {verified} of {anchored} verified"));
    if let Some(trouble) = followed.trouble() {
        line.push_str(&format!("  TROUBLE: {trouble}"));
    }
    context.output.bytes(format!("{line}\n").as_bytes())
}

fn reached(followed: &Followed, until: Until) -> bool {
    use casewise_protocol::rules::CareStatus;
    let wanted = match until {
        Until::New => CareStatus::New,
        Until::UpdatePending => CareStatus::UpdatePending,
        Until::Accepted => CareStatus::Accepted,
    };
    !followed.institutions.is_empty() && followed.institutions.iter().all(|view| view.status == wanted)
}

async fn chain(context: &Context, args: &CaseArg) -> Result<(), Failure> {
    let blocks = context
        .with_patient(async |patient| {
            let case = patient.choose(args.case.as_deref()).await?;
            Ok(patient.case_chain(&case).await?)
        })
        .await?;
    let answer: Vec<Value> = blocks.iter().map(block_value).collect();
    context.output.answer(&answer, || {
        let mut rows = table(["height", "time", "lanes: entries", "block", "previous"]);
        for block in &blocks {
            let heads: Vec<String> =
                block.heads.iter().map(|head| format!("{}: {}", short(head.lane), head.size)).collect();
            rows.add_row([
                block.height.to_string(),
                time(block.time),
                heads.join("\n"),
                short(hex::encode(block.hash())),
                short(hex::encode(block.prev)),
            ]);
        }
        let tip = blocks.last().map(|block| hex::encode(block.hash()));
        format!("{rows}\nBlocks: {}. The newest is {}", blocks.len(), tip.unwrap_or_else(|| "none".into()))
    })
}

fn block_value(block: &CaseBlock) -> Value {
    let heads = block
        .heads
        .iter()
        .map(|head| json!({"lane": head.lane, "size": head.size, "root": hex::encode(head.root)}));
    json!({
        "height": block.height,
        "time": block.time,
        "prev": hex::encode(block.prev),
        "hash": hex::encode(block.hash()),
        "heads": heads.collect::<Vec<_>>(),
        "bytes": hex::encode(encode(block)),
    })
}
