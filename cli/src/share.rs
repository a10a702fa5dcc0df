//! `casewise share` and `casewise revoke`: who may read what, and no longer.

use casewise_client::book::CaseState;
use casewise_client::follow::Followed;
use casewise_client::ports::Clock;
use casewise_client::share::{Pick, SharePlan, ShareRequest, ShareView};
use casewise_client::{ClientError, Patient};
use casewise_ledger::entry::MAX_INDEX;
use casewise_ledger::grant::DAY_MS;
use casewise_ledger::records::GrantStatus;
use casewise_ledger::{Address, Commitment, Opening, Party};
use casewise_protocol::ppr::AckInfo;
use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

use crate::case::{CaseArg, party};
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{clean, date, parse_date, short, table, time};

/// Pause between two looks at the acknowledgements, ms.
const POLL_MS: u64 = 250;

/// `share`: with its options it shares; `share status` shows what was shared.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ShareCommand {
    #[command(subcommand)]
    sub: Option<ShareSub>,
    #[command(flatten)]
    new: NewShare,
}

/// Under `share`.
#[derive(Debug, Subcommand)]
enum ShareSub {
    /// Show what is shared, whether it was delivered, and who has not acted on a revocation
    Status(CaseArg),
}

/// What to share.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").args(["all", "entries"]).multiple(false)))]
struct NewShare {
    /// Number of the institution that may read
    #[arg(long, value_name = "INSTITUTION", required = true)]
    to: Option<u32>,
    /// Last day, YYYY-MM-DD (UTC)
    #[arg(long, value_name = "DATE", required = true)]
    until: Option<String>,
    /// First day, YYYY-MM-DD (UTC); default: now
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// Why, as a code of HL7 PurposeOfUse
    #[arg(long, value_name = "CODE", default_value = "TREAT")]
    purpose: String,
    /// Words for people, such as "knee operation"; may be repeated
    #[arg(long = "label", value_name = "TEXT")]
    labels: Vec<String>,
    /// Only this practitioner's account (40 hexadecimal digits)
    #[arg(long, value_name = "ACCOUNT")]
    practitioner: Option<String>,
    /// Day by which the reader must have erased its copy, YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    erase_by: Option<String>,
    /// Everything in the case, of all authors, and what they will write
    #[arg(long)]
    all: bool,
    /// LANE for a whole lane and what follows it, LANE:INDEX, or LANE:FIRST-LAST; may be repeated
    #[arg(long = "entry", value_name = "ENTRY")]
    entries: Vec<String>,
    #[command(flatten)]
    case: CaseArg,
}

/// `revoke`
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").args(["grants", "to", "all"]).required(true).multiple(false)))]
pub struct RevokeArgs {
    /// Grants as `share status` lists them; the beginning of the id is enough
    #[arg(value_name = "GRANT")]
    grants: Vec<String>,
    /// Every grant to this institution
    #[arg(long, value_name = "INSTITUTION")]
    to: Option<u32>,
    /// Every grant of the case
    #[arg(long)]
    all: bool,
    /// Wait until every author has acknowledged, at most this many seconds
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
    #[command(flatten)]
    case: CaseArg,
}

/// Runs `share`.
pub async fn run(context: &Context, command: &ShareCommand) -> Result<(), Failure> {
    match &command.sub {
        Some(ShareSub::Status(args)) => status(context, args).await,
        None => share(context, &command.new).await,
    }
}

async fn share(context: &Context, args: &NewShare) -> Result<(), Failure> {
    if !args.all && args.entries.is_empty() {
        return Err(Failure::usage(
            "nothing is named that is to be shared",
            "Name it with --entry, or say --all.",
        ));
    }
    let (plan, views, height) = context
        .with_patient(async |patient| {
            let case = patient.choose(args.case.case.as_deref()).await?;
            let followed = patient.follow(case.n).await?;
            let request = request(&patient, &case, args).await?;
            let plan = patient.plan_share(&followed, &request).await?;
            context.output.say(preview(&followed, &plan));
            context.confirm("Share this?")?;
            let (included, views) = patient.share(&case, &plan).await?;
            Ok((plan, views, included.height))
        })
        .await?;
    let answer = json!({
        "height": height,
        "grants": views.iter().map(view_value).collect::<Vec<_>>(),
    });
    context.output.answer(&answer, || shared(&plan, &views, height))
}

async fn request(patient: &Patient<'_>, case: &CaseState, args: &NewShare) -> Result<ShareRequest, Failure> {
    let now = patient.now().await?;
    let (Some(reader), Some(until)) = (args.to, args.until.as_deref()) else {
        return Err(Failure::usage("--to and --until are needed", "Say who may read, and until when."));
    };
    let mut picks = Vec::new();
    for entry in &args.entries {
        picks.push(pick(patient, case, entry).await?);
    }
    Ok(ShareRequest {
        reader,
        practitioner: args.practitioner.as_deref().map(practitioner).transpose()?,
        purpose: args.purpose.clone(),
        labels: args.labels.clone(),
        not_before: args
            .from
            .as_deref()
            .map(|text| day("--from", text))
            .transpose()?
            .map_or(now, |day| day * DAY_MS),
        not_after: (day("--until", until)? + 1) * DAY_MS,
        erase_by: args
            .erase_by
            .as_deref()
            .map(|text| day("--erase-by", text))
            .transpose()?
            .map_or(0, |day| (day + 1) * DAY_MS),
        picks,
    })
}

fn day(option: &str, text: &str) -> Result<u64, Failure> {
    parse_date(text)
        .ok_or_else(|| Failure::usage(format!("{option}: {text:?} is not a day"), "Write it as YYYY-MM-DD."))
}

fn practitioner(text: &str) -> Result<Address, Failure> {
    text.parse().map_err(|_| {
        Failure::usage(
            "--practitioner: not 40 hexadecimal digits",
            "Ask the practitioner's institution for the account.",
        )
    })
}

async fn pick(patient: &Patient<'_>, case: &CaseState, text: &str) -> Result<Pick, Failure> {
    let (lane, range) = match text.split_once(':') {
        None => (text, None),
        Some((lane, range)) => (lane, Some(parse_range(text, range)?)),
    };
    Ok(Pick { lane: patient.choose_lane(case, lane).await?, range })
}

/// INDEX or FIRST-LAST.
fn parse_range(whole: &str, range: &str) -> Result<(u32, u32), Failure> {
    let wrong = || {
        Failure::usage(
            format!("--entry: {whole:?} is not LANE, LANE:INDEX or LANE:FIRST-LAST"),
            "Take lanes and indices from `casewise record list`.",
        )
    };
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let index = |text: &str| text.parse::<u32>().ok().filter(|index| *index <= MAX_INDEX);
    match (index(first), index(last)) {
        (Some(first), Some(last)) if first <= last => Ok((first, last)),
        _ => Err(wrong()),
    }
}

/// The grants in words, before anything is signed.
fn preview(followed: &Followed, plan: &SharePlan) -> String {
    let mut out = format!(
        "Institution {} ({}) may read from case {}:\n",
        plan.reader.number,
        clean(&plan.reader.name),
        followed.case.n
    );
    for opening in &plan.openings {
        out.push_str(&opening_words(followed, opening));
    }
    out.push_str("You can end it at any time. What was read or copied until then cannot be taken back.\n");
    out
}

fn opening_words(followed: &Followed, opening: &Opening) -> String {
    let author = match opening.author {
        Party::Institution(number) => {
            let view = followed.institutions.iter().find(|view| view.number == number);
            format!("institution {number} ({})", view.map_or("?".into(), |view| clean(&view.name)))
        }
        Party::Account(_) => opening.author.to_string(),
    };
    let mut out = format!("  written by {author}:\n");
    for item in &opening.items {
        let what = match (item.first, item.last, item.follow) {
            (0, MAX_INDEX, true) => "everything, and what will be written".to_owned(),
            (first, last, _) if first == last => format!("entry {first}"),
            (first, last, _) => format!("entries {first} to {last}"),
        };
        out.push_str(&format!("    lane {}: {what}\n", short(item.lane)));
    }
    let who = match opening.practitioner {
        Some(account) => format!("only practitioner {account}"),
        None => "whoever acts for it".into(),
    };
    out.push_str(&format!(
        "    {who}, for {}, from {} until {}\n",
        opening.purpose,
        time(opening.not_before),
        time(opening.not_after)
    ));
    if opening.erase_by != 0 {
        out.push_str(&format!("    copies to be erased by {}\n", time(opening.erase_by)));
    }
    out
}

fn shared(plan: &SharePlan, views: &[ShareView], height: u64) -> String {
    let mut out = format!("Shared with institution {} in block {height}:\n", plan.reader.number);
    for view in views {
        out.push_str(&format!("  grant {}  {}\n", view.grant, delivery(view)));
    }
    if views.iter().any(|view| !view.share.delivered()) {
        out.push_str(
            "What is not delivered is sent again by every later command, such as: casewise share status\n",
        );
    }
    out
}

fn delivery(view: &ShareView) -> String {
    let share = &view.share;
    match (&view.record, share.delivered(), &share.trouble) {
        (None, ..) => "not on chain".into(),
        (_, true, _) => "delivered".into(),
        (_, false, Some(trouble)) => format!("not delivered after {} attempts: {trouble}", share.attempts),
        (_, false, None) => "not delivered yet".into(),
    }
}

fn state(view: &ShareView, now: u64) -> &'static str {
    match &view.record {
        None => "not on chain",
        Some(record) => match record.status {
            GrantStatus::Live if now < view.share.opening.not_before => "not begun",
            GrantStatus::Live if now < view.share.opening.not_after => "live",
            GrantStatus::Live | GrantStatus::Expired => "over",
            GrantStatus::Revoked => "revoked",
        },
    }
}

fn view_value(view: &ShareView) -> Value {
    let opening = &view.share.opening;
    json!({
        "grant": view.grant,
        "status": view.record.as_ref().map(|record| record.status),
        "reader": opening.grantee,
        "author": opening.author,
        "practitioner": opening.practitioner,
        "purpose": opening.purpose,
        "labels": opening.labels,
        "items": opening.items,
        "not_before": opening.not_before,
        "not_after": opening.not_after,
        "erase_by": opening.erase_by,
        "made": view.share.made,
        "letter_delivered": view.share.letter_delivered,
        "opening_delivered": view.share.opening_delivered,
        "attempts": view.share.attempts,
        "trouble": view.share.trouble,
    })
}

async fn status(context: &Context, args: &CaseArg) -> Result<(), Failure> {
    let (views, rev, acks, now) = context
        .with_patient(async |patient| {
            let case = patient.choose(args.case.as_deref()).await?;
            // following delivers what waits for delivery
            patient.follow(case.n).await?;
            let (rev, acks) = patient.network.acks(&case.case).await?;
            Ok((patient.shares(&case).await?, rev, acks, patient.world.clock.now_ms()))
        })
        .await?;
    let answer = json!({
        "rev": rev,
        "acks": acks.iter().map(ack_value).collect::<Vec<_>>(),
        "grants": views.iter().map(view_value).collect::<Vec<_>>(),
    });
    context.output.answer(&answer, || {
        let mut rows = table(["grant", "reader", "author", "until", "purpose", "state", "delivery"]);
        for view in &views {
            let opening = &view.share.opening;
            rows.add_row([
                short(view.grant),
                party(&opening.grantee),
                party(&opening.author),
                date((opening.not_after / DAY_MS).saturating_sub(1)),
                opening.purpose.clone(),
                state(view, now).into(),
                delivery(view),
            ]);
        }
        format!("{rows}\n{}", acks_words(rev, &acks))
    })
}

fn ack_value(ack: &AckInfo) -> Value {
    json!({"institution": ack.institution, "acked": ack.acked, "overdue": ack.overdue})
}

fn acks_words(rev: u32, acks: &[AckInfo]) -> String {
    if rev == 0 {
        return "Nothing was revoked in this case.".into();
    }
    let mut out = format!("Revocations so far: {rev}.");
    for ack in acks.iter().filter(|ack| ack.acked < rev) {
        let how = if ack.overdue { "OVERDUE" } else { "has not acknowledged yet" };
        out.push_str(&format!("\n  institution {}: acted on {}, {how}", ack.institution, ack.acked));
    }
    if acks.iter().all(|ack| ack.acked >= rev) {
        out.push_str(" Every author acts on them.");
    }
    out
}

/// Runs `revoke`.
pub async fn revoke(context: &Context, args: &RevokeArgs) -> Result<(), Failure> {
    let (grants, height, rev, acks) = context
        .with_patient(async |patient| {
            let case = patient.choose(args.case.case.as_deref()).await?;
            let views = patient.shares(&case).await?;
            let grants = choose_grants(&views, args)?;
            context.output.say(revoke_words(&views, &grants));
            context.confirm("End this?")?;
            let included = patient.revoke(&case, &grants).await?;
            let (rev, acks) = wait_for_acks(&patient, &case, args.wait).await?;
            Ok((grants, included.height, rev, acks))
        })
        .await?;
    let answer = json!({
        "height": height,
        "grants": grants,
        "rev": rev,
        "acks": acks.iter().map(ack_value).collect::<Vec<_>>(),
    });
    context.output.answer(&answer, || {
        format!(
            "Ended in block {height}. Authors refuse from the block after it.\n{}\n\
             What was read or copied until then cannot be taken back; see it with: casewise log",
            acks_words(rev, &acks)
        )
    })?;
    match (args.wait, acks.iter().find(|ack| ack.acked < rev)) {
        (Some(seconds), Some(ack)) => {
            let what = format!("the acknowledgement of institution {}", ack.institution);
            Err(ClientError::Waited { what, seconds }.into())
        }
        _ => Ok(()),
    }
}

fn choose_grants(views: &[ShareView], args: &RevokeArgs) -> Result<Vec<Commitment>, Failure> {
    let live =
        |view: &&ShareView| view.record.as_ref().is_some_and(|record| record.status == GrantStatus::Live);
    let mut chosen: Vec<Commitment> = Vec::new();
    for wanted in &args.grants {
        chosen.push(choose_grant(views, wanted)?);
    }
    if args.all || args.to.is_some() {
        let to = args.to.map(Party::Institution);
        let fits = |view: &&ShareView| to.is_none_or(|to| view.share.opening.grantee == to);
        chosen.extend(views.iter().filter(live).filter(fits).map(|view| view.grant));
    }
    chosen.sort_unstable();
    chosen.dedup();
    if chosen.is_empty() {
        return Err(Failure::not_found(
            "no live grant was found",
            "See what is shared with `casewise share status`.",
        ));
    }
    Ok(chosen)
}

/// A grant of this wallet by the beginning of its id, or any grant by its whole id.
fn choose_grant(views: &[ShareView], wanted: &str) -> Result<Commitment, Failure> {
    if let Ok(whole) = wanted.parse() {
        return Ok(whole);
    }
    let mut found = views
        .iter()
        .map(|view| view.grant)
        .filter(|grant| wanted.len() >= 4 && grant.to_hex().starts_with(wanted));
    match (found.next(), found.next()) {
        (Some(grant), None) => Ok(grant),
        (Some(_), Some(_)) => {
            Err(Failure::usage(format!("several grants begin with {wanted}"), "Give more digits."))
        }
        _ => Err(Failure::not_found(
            format!("grant {wanted} was not found"),
            "Take it from `casewise share status`; at least four digits are needed.",
        )),
    }
}

fn revoke_words(views: &[ShareView], grants: &[Commitment]) -> String {
    let mut out = String::from("These grants end now and for good:\n");
    for grant in grants {
        let view = views.iter().find(|view| view.grant == *grant);
        let what = view.map(|view| {
            let opening = &view.share.opening;
            format!("{} reads what {} wrote, for {}", opening.grantee, opening.author, opening.purpose)
        });
        out.push_str(&format!(
            "  {}  {}\n",
            short(grant),
            what.unwrap_or_else(|| "not made with this wallet".into())
        ));
    }
    out.push_str("What was read or copied until now cannot be taken back.");
    out
}

/// The acknowledgements, once every author has acknowledged or the time is over.
async fn wait_for_acks(
    patient: &Patient<'_>,
    case: &CaseState,
    seconds: Option<u64>,
) -> Result<(u32, Vec<AckInfo>), Failure> {
    let clock: &dyn Clock = patient.world.clock;
    let deadline = clock.now_ms() + seconds.unwrap_or(0).saturating_mul(1000);
    loop {
        let (rev, acks) = patient.network.acks(&case.case).await?;
        let missing = acks.iter().filter(|ack| ack.acked < rev).count() as u64;
        if missing == 0 || clock.now_ms() >= deadline {
            return Ok((rev, acks));
        }
        let all = acks.len() as u64;
        (patient.progress)(all - missing, Some(all), "waiting for the authors");
        clock.sleep_ms(POLL_MS).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (text, expected) in
            [("7", (7, 7)), ("0-0", (0, 0)), ("3-9", (3, 9)), ("0-4294967294", (0, 4_294_967_294))]
        {
            assert_eq!(parse_range(text, text).unwrap(), expected);
        }
        for text in ["", "-", "3-", "-3", "9-3", "a", "4294967295", "0-4294967295", "1-2-3"] {
            assert!(parse_range(text, text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_said_of_acknowledgements() {
        let ack = |institution, acked, overdue| AckInfo { institution, acked, overdue };
        assert_eq!(acks_words(0, &[]), "Nothing was revoked in this case.");
        assert_eq!(acks_words(2, &[ack(1, 2, false)]), "Revocations so far: 2. Every author acts on them.");
        let text = acks_words(2, &[ack(1, 2, false), ack(3, 1, true), ack(4, 1, false)]);
        assert!(text.contains("institution 3: acted on 1, OVERDUE"), "{text}");
        assert!(text.contains("institution 4: acted on 1, has not"), "{text}");
        assert!(!text.contains("institution 1") && !text.contains("Every author"), "{text}");
    }
}
