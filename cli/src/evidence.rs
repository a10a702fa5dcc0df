//! `casewise evidence`: carrying a proof away, and checking one that somebody else brings.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use casewise_chain::Manifest;
use casewise_client::evidence::{Disclosure, Export, trust_anchor};
use casewise_evidence::{Author, BeaconState, BodyState, MAX_FILE, TrustAnchor, Verdict, verify_bytes};
use casewise_ledger::Data;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use crate::case::CaseArg;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{short, time};
use crate::record::entry_name;

/// Largest trust anchor read, bytes.
const MAX_ANCHOR: u64 = 64 * 1024;

/// What can be done with evidence.
#[derive(Debug, Subcommand)]
pub enum EvidenceCommand {
    /// Write a file that proves entries of one lane to somebody who trusts nobody
    Export(ExportArgs),
    /// Check an evidence file, offline
    Verify(VerifyArgs),
    /// Print the trust anchor of the manifest's network, for verifiers who trust this manifest
    Anchor,
}

/// `evidence export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// LANE:INDEX; several must be of one lane
    #[arg(required = true, value_name = "ENTRY")]
    entries: Vec<String>,
    #[command(flatten)]
    case: CaseArg,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How much of the entries the file shows
    #[arg(long, value_enum, default_value_t = Show::Content)]
    show: Show,
}

/// How much a file shows.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Show {
    /// That the entries were there, not what they say
    Existence,
    /// Also their sealed bodies
    Sealed,
    /// Bodies and their keys: whoever has the file reads these entries and no others
    Content,
}

/// `evidence verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The evidence file
    file: PathBuf,
    /// What you trust: a trust anchor, or a network's manifest, from a source of your own; default:
    /// the manifest named with --manifest
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Directory to write opened content to
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs a command.
pub async fn run(context: &Context, command: &EvidenceCommand) -> Result<(), Failure> {
    match command {
        EvidenceCommand::Export(args) => export(context, args).await,
        EvidenceCommand::Verify(args) => verify(context, args),
        EvidenceCommand::Anchor => {
            let anchor = trust_anchor(&context.manifest()?);
            let text =
                serde_json::to_string_pretty(&anchor).map_err(|e| Failure::other(e.to_string(), ""))?;
            context.output.bytes(format!("{text}\n").as_bytes())
        }
    }
}

async fn export(context: &Context, args: &ExportArgs) -> Result<(), Failure> {
    let (lane, indices) = one_lane(&args.entries)?;
    if matches!(args.show, Show::Content) {
        context.output.say("Whoever has the file can read these entries.");
    }
    let exported = context
        .with_patient(async |patient| {
            let case = patient.choose(args.case.case.as_deref()).await?;
            patient.follow(case.n).await?;
            let lane = patient.choose_lane(&case, lane).await?;
            let disclosure = match args.show {
                Show::Existence => Disclosure::Existence,
                Show::Sealed => Disclosure::Sealed,
                Show::Content => Disclosure::Content,
            };
            Ok(patient.export(&case, &Export { lane, indices, disclosure }).await?)
        })
        .await?;
    write_private(&args.out, &exported.file)?;
    let late = exported.first_covered.is_none_or(|first| first < exported.verdict.anchored_height);
    if late {
        context.output.say(
            "The first head that covers these entries can no longer be proven; the file proves a later one.",
        );
    }
    let answer = json!({
        "file": args.out,
        "bytes": exported.file.len(),
        "height": exported.verdict.height,
        "first_covered": exported.first_covered,
        "verdict": exported.verdict,
    });
    context.output.answer(&answer, || {
        format!("{}: {} bytes\n{}", args.out.display(), exported.file.len(), words(&exported.verdict))
    })
}

/// Entries of one lane, indices ascending.
fn one_lane(entries: &[String]) -> Result<(&str, Vec<u32>), Failure> {
    let named = entries.iter().map(|text| entry_name(text)).collect::<Result<Vec<_>, _>>()?;
    let lane = named.first().map(|(lane, _)| *lane).unwrap_or_default();
    if named.iter().any(|(other, _)| *other != lane) {
        return Err(Failure::usage(
            "ENTRY: the entries are of several lanes",
            "Export one file for each lane.",
        ));
    }
    let mut indices: Vec<u32> = named.into_iter().map(|(_, index)| index).collect();
    indices.sort_unstable();
    indices.dedup();
    Ok((lane, indices))
}

fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    use std::io::Write as _;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).and_then(|mut file| file.write_all(bytes)).map_err(|error| {
        Failure::other(format!("--out {}: {error}", path.display()), "Name a file that can be written.")
    })
}

fn verify(context: &Context, args: &VerifyArgs) -> Result<(), Failure> {
    let anchor = match &args.trust {
        Some(path) => read_anchor(path)?,
        None => trust_anchor(&context.manifest()?),
    };
    let file = read_bounded(&args.file, MAX_FILE as u64)?;
    let verdict = match verify_bytes(&file, &anchor) {
        Ok(verdict) => verdict,
        Err(refusal) => {
            if context.output.json {
                context.output.answer(&json!({"accepted": false, "refusal": refusal}), String::new)?;
            }
            return Err(Failure::integrity(
                format!("{} is REFUSED ({}): {refusal}", args.file.display(), refusal.code),
                "Nothing of the file may be relied on.",
            ));
        }
    };
    if let Some(directory) = &args.out {
        write_contents(directory, &verdict)?;
    }
    context
        .output
        .answer(&json!({"accepted": true, "verdict": verdict}), || format!("ACCEPTED\n{}", words(&verdict)))
}

/// A trust anchor, or the one in a manifest.
fn read_anchor(path: &Path) -> Result<TrustAnchor, Failure> {
    let text = read_bounded(path, MAX_ANCHOR)?;
    match serde_json::from_slice(&text) {
        Ok(anchor) => Ok(anchor),
        Err(as_anchor) => match serde_json::from_slice::<Manifest>(&text) {
            Ok(manifest) => Ok(trust_anchor(&manifest)),
            Err(as_manifest) => Err(Failure::usage(
                format!(
                    "--trust {}: neither a trust anchor ({as_anchor}) nor a manifest ({as_manifest})",
                    path.display()
                ),
                "Take it from the network's operator or from a node you trust: casewise evidence anchor",
            )),
        },
    }
}

/// A file of at most `limit` bytes; one byte more is read so that the check sees it is too long.
fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
    read.map_err(|error| {
        Failure::not_found(format!("{}: {error}", path.display()), "Name a file that can be read.")
    })?;
    Ok(bytes)
}

fn write_contents(directory: &Path, verdict: &Verdict) -> Result<(), Failure> {
    let failed = |path: &Path, error: std::io::Error| {
        Failure::other(format!("--out {}: {error}", path.display()), "Name a directory that can be written.")
    };
    fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    for entry in &verdict.entries {
        if let Some(Data::Content { content, .. }) = &entry.content {
            let path = directory.join(format!("{}-{}", short(verdict.lane), entry.index));
            write_private(&path, content)?;
        }
    }
    Ok(())
}

/// What the file shows, in words.
fn words(verdict: &Verdict) -> String {
    let author = match &verdict.author {
        Author::Institution { number, name, .. } => format!("institution {number}, {name}"),
        Author::Holder { account } => format!("the case's holder, account {account}"),
    };
    let mut out = format!(
        "Chain    {}, header {} of height {}, signed by {} of {} of the voting power\n\
         Case     {}\n\
         Lane     {}, {} entries, anchored {} in block {}\n\
         Author   {author}\n",
        verdict.chain_id,
        short(&verdict.header_hash),
        verdict.height + 1,
        verdict.signed_power,
        verdict.total_power,
        verdict.case,
        verdict.lane,
        verdict.size,
        time(verdict.anchored_time),
        verdict.anchored_height,
    );
    for entry in &verdict.entries {
        let body = match entry.body {
            BodyState::Absent => "content not in the file".into(),
            BodyState::Sealed => "sealed body is the one anchored".into(),
            BodyState::KeyOnly => "key is the entry's".into(),
            BodyState::Opened => format!(
                "content opened: {}, {} bytes",
                entry.media_type.as_deref().unwrap_or("no media type"),
                entry.content_length.unwrap_or(0)
            ),
        };
        let after = match entry.beacon {
            BeaconState::Proven { time: at, height } => {
                format!("not made before {} (block {height})", time(at))
            }
            BeaconState::Claimed { height } => format!("says it was made after block {height}"),
            BeaconState::None => "no lower limit of time".into(),
        };
        out.push_str(&format!(
            "Entry    {}, claimed time {}, {after}, existed before {}; {body}\n",
            entry.index,
            time(entry.time),
            time(verdict.anchored_time)
        ));
    }
    out.push_str("Not checked:\n");
    for line in &verdict.not_checked {
        out.push_str(&format!("  {line}\n"));
    }
    out.push_str("Assumed:\n");
    for line in verdict.assumptions {
        out.push_str(&format!("  {line}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_one_lane_in_order() {
        let names = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(one_lane(&names(&["ab12:7", "ab12:3", "ab12:7"])).unwrap(), ("ab12", vec![3, 7]));
        assert!(one_lane(&names(&["ab12:7", "cd34:3"])).is_err());
    }
}
