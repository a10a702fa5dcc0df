//! `casewise record`: the timeline of a case and the content of its entries.

use std::path::PathBuf;

use casewise_client::book::CaseState;
use casewise_client::records::TimelineItem;
use casewise_client::{ClientError, Patient};
use casewise_ledger::{Class, Data, Kind, LaneId, sha256};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::case::{CaseArg, base64, party, trouble};
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{clean, short, table, time};

/// What can be done with records.
#[derive(Debug, Subcommand)]
pub enum RecordCommand {
    /// List the entries of a case by time
    List(ListArgs),
    /// Fetch, verify and open one entry
    Get(GetArgs),
}

/// `record list`
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    case: CaseArg,
    /// Only this lane; the beginning of its id is enough
    #[arg(long)]
    lane: Option<String>,
    /// Also list the lanes that hold reads
    #[arg(long)]
    access: bool,
    /// Fetch and open every entry, and say what it holds
    #[arg(long)]
    open: bool,
}

/// `record get`
#[derive(Debug, Args)]
pub struct GetArgs {
    /// LANE:INDEX; the beginning of the lane's id is enough
    entry: String,
    #[command(flatten)]
    case: CaseArg,
    /// File to write the content to; default: standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs a command.
pub async fn run(context: &Context, command: &RecordCommand) -> Result<(), Failure> {
    match command {
        RecordCommand::List(args) => list(context, args).await,
        RecordCommand::Get(args) => get(context, args).await,
    }
}

/// What was found when an entry was opened.
struct Content {
    media_type: String,
    length: usize,
    sha256: Option<[u8; 32]>,
    what: String,
}

async fn list(context: &Context, args: &ListArgs) -> Result<(), Failure> {
    let (items, contents, failed, followed) = context
        .with_patient(async |patient| {
            let case = patient.choose(args.case.case.as_deref()).await?;
            let followed = patient.follow(case.n).await?;
            let lane = match &args.lane {
                Some(lane) => Some(patient.choose_lane(&case, lane).await?),
                None => None,
            };
            let class = (!args.access).then_some(Class::Content);
            let mut items = patient.timeline(&case, class.filter(|_| lane.is_none())).await?;
            items.retain(|item| lane.is_none_or(|lane| lane == item.lane));
            let (contents, failed) = match args.open {
                true => open_all(&patient, &case, &items).await?,
                false => (Vec::new(), None),
            };
            Ok((items, contents, failed, followed))
        })
        .await?;
    let content = |item: &TimelineItem| {
        contents.iter().find(|(lane, index, _)| *lane == item.lane && *index == item.index).map(|(.., c)| c)
    };
    let answer: Vec<Value> = items.iter().map(|item| item_value(item, content(item))).collect();
    context.output.answer(&answer, || {
        let mut rows = table(["time", "author", "kind", "entry", "anchored", "bytes", "content"]);
        for item in &items {
            rows.add_row([
                time(item.time),
                party(&item.author),
                kind(item.kind).into(),
                format!("{}:{}", short(item.lane), item.index),
                item.anchored.map_or_else(|| "?".into(), |(height, at)| format!("{} ({height})", time(at))),
                item.body_length.to_string(),
                content(item).map(|content| clean(&content.what)).unwrap_or_default(),
            ]);
        }
        format!("{rows}\nEntries: {}, each verified against its anchored head", items.len())
    })?;
    failed.map_or_else(|| trouble(&followed), |error| Err(error.into()))
}

fn not_opened(error: &ClientError) -> Content {
    let what = format!("NOT OPENED: {error}");
    Content { media_type: String::new(), length: 0, sha256: None, what }
}

/// What the recovery of a case does not bring back.
fn of_before() -> Content {
    let what = "sealed to a key of before that this wallet does not have: a wallet of that phrase opens it";
    Content { media_type: String::new(), length: 0, sha256: None, what: what.into() }
}

/// Whether a lane was made for a former key of the case, and no letter here opens it.
async fn sealed_to_another(
    patient: &Patient<'_>,
    case: &CaseState,
    lane: &LaneId,
) -> Result<bool, ClientError> {
    let state = patient.book.lane(case.n, lane).await?;
    let of_before = state.is_some_and(|state| state.header.epoch < case.epoch);
    Ok(of_before && patient.book.root(case.n, lane).await?.is_none())
}

/// Opens the entries listed, lane by lane. What cannot be opened is listed with the reason; the first
/// such reason is returned besides.
async fn open_all(
    patient: &Patient<'_>,
    case: &CaseState,
    items: &[TimelineItem],
) -> Result<(Vec<(LaneId, u32, Content)>, Option<ClientError>), Failure> {
    let mut lanes: Vec<LaneId> = items.iter().map(|item| item.lane).collect();
    lanes.sort_unstable();
    lanes.dedup();
    let (mut out, mut failed) = (Vec::with_capacity(items.len()), None);
    for lane in lanes {
        let indices: Vec<u32> =
            items.iter().filter(|item| item.lane == lane).map(|item| item.index).collect();
        if sealed_to_another(patient, case, &lane).await? {
            out.extend(indices.iter().map(|index| (lane, *index, of_before())));
            continue;
        }
        let take = &mut |index, entry: Result<_, _>| match entry {
            Ok((_, data)) => out.push((lane, index, summarise(&data))),
            Err(error) => {
                out.push((lane, index, not_opened(&error)));
                failed.get_or_insert(error);
            }
        };
        patient.open_entries(case, &lane, &indices, take).await?;
    }
    Ok((out, failed))
}

fn summarise(data: &Data) -> Content {
    let plain = |what: String| Content { media_type: String::new(), length: 0, sha256: None, what };
    match data {
        Data::Content { media_type, content } => Content {
            media_type: media_type.clone(),
            length: content.len(),
            sha256: Some(sha256(&[content])),
            what: describe(media_type, content),
        },
        Data::Access(receipt) => plain(format!("read by {}", receipt.release.reader)),
        Data::Beat => plain("nothing to report".into()),
        Data::Erasure(entries) => plain(format!("{} entries erased", entries.len())),
        Data::Close(Some(lane)) => plain(format!("goes on in lane {}", short(lane))),
        Data::Close(None) => plain("ends here".into()),
    }
}

/// A few words about content. FHIR resources are named by their type.
fn describe(media_type: &str, content: &[u8]) -> String {
    let size = format!("{media_type}, {} bytes", content.len());
    let resource: Option<Value> =
        media_type.contains("json").then(|| serde_json::from_slice(content).ok()).flatten();
    let Some(resource) = resource else { return size };
    let Some(kind) = resource["resourceType"].as_str().filter(|kind| kind.len() <= 64) else { return size };
    match resource["entry"].as_array() {
        Some(entries) => format!("FHIR {kind} of {} resources, {} bytes", entries.len(), content.len()),
        None => format!("FHIR {kind}, {} bytes", content.len()),
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Record => "record",
        Kind::Access => "access",
        Kind::Beat => "beat",
        Kind::Amendment => "amendment",
        Kind::Erasure => "erasure",
        Kind::DeviceBatch => "device batch",
        Kind::Close => "close",
    }
}

fn item_value(item: &TimelineItem, content: Option<&Content>) -> Value {
    let mut value = json!({
        "lane": item.lane,
        "index": item.index,
        "class": item.class,
        "author": item.author,
        "kind": item.kind,
        "time": item.time,
        "anchored_height": item.anchored.map(|(height, _)| height),
        "anchored_time": item.anchored.map(|(_, time)| time),
        "body_length": item.body_length,
    });
    if let Some(content) = content {
        value["content"] = json!({
            "media_type": content.media_type,
            "length": content.length,
            "sha256": content.sha256.map(hex::encode),
            "what": content.what,
        });
    }
    value
}

/// LANE and INDEX of an entry's name.
pub fn entry_name(text: &str) -> Result<(&str, u32), Failure> {
    let wrong = || {
        Failure::usage(
            format!("ENTRY: {text:?} is not LANE:INDEX"),
            "Take it from `casewise record list`, such as 3fa94c0d12e8:7.",
        )
    };
    let (lane, index) = text.rsplit_once(':').ok_or_else(wrong)?;
    Ok((lane, index.parse().map_err(|_| wrong())?))
}

async fn get(context: &Context, args: &GetArgs) -> Result<(), Failure> {
    let (lane, index) = entry_name(&args.entry)?;
    let (lane, entry, data) = context
        .with_patient(async |patient| {
            let case = patient.choose(args.case.case.as_deref()).await?;
            let followed = patient.follow(case.n).await?;
            let lane = patient.choose_lane(&case, lane).await?;
            // only this lane matters here: what is wrong elsewhere does not stop it
            if let Some(view) = followed.lanes.iter().find(|view| view.lane == lane && view.verified <= index)
            {
                let what = format!("entry {index} of lane {} ({} are verified)", short(lane), view.verified);
                return Err(ClientError::not_found(what).into());
            }
            let (entry, data) = patient.open(&case, &lane, index).await?;
            Ok((lane, entry, data))
        })
        .await?;
    let summary = summarise(&data);
    let bytes = match &data {
        Data::Content { content, .. } => content.clone(),
        _ => format!("{}\n", summary.what).into_bytes(),
    };
    if let Some(path) = &args.out {
        std::fs::write(path, &bytes).map_err(|error| {
            Failure::other(format!("--out {}: {error}", path.display()), "Name a file that can be written.")
        })?;
    }
    let mut value = json!({
        "lane": lane,
        "index": index,
        "kind": entry.header.kind,
        "time": entry.header.time,
        "media_type": summary.media_type,
        "length": summary.length,
        "sha256": summary.sha256.map(hex::encode),
        "what": summary.what,
    });
    if context.output.json {
        if args.out.is_none() {
            value["content"] = json!(base64(&bytes));
        }
        return context.output.answer(&value, String::new);
    }
    context.output.say(format!(
        "{}:{index}  {}  {}",
        short(lane),
        time(entry.header.time),
        clean(&summary.what)
    ));
    match args.out {
        Some(_) => Ok(()),
        None => context.output.bytes(&bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_named_by_lane_and_index() {
        assert_eq!(entry_name("3fa9:7").unwrap(), ("3fa9", 7));
        for text in ["", "3fa9", "3fa9:", "3fa9:x", "3fa9:-1", "3fa9:4294967296"] {
            assert!(entry_name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn content_in_a_few_words() {
        let bundle = br#"{"resourceType":"Bundle","entry":[{},{}]}"#;
        assert_eq!(describe("application/fhir+json", bundle), "FHIR Bundle of 2 resources, 41 bytes");
        assert_eq!(
            describe("application/fhir+json", br#"{"resourceType":"Patient"}"#),
            "FHIR Patient, 26 bytes"
        );
        assert_eq!(describe("application/json", b"{}"), "application/json, 2 bytes");
        assert_eq!(describe("text/plain", b"{\"resourceType\":\"Bundle\"}"), "text/plain, 25 bytes");
        assert_eq!(describe("application/json", b"not json"), "application/json, 8 bytes");
    }
}
