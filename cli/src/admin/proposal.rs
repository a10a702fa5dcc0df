//! `casewise admin proposal`: what the group is to decide.

use casewise_chain::{
    GroupAddress, Proposal, ProposalState, SubmitOptions, Vote, account_to_bech32, execute_proposal,
    find_group, find_proposal, proposals, vote,
};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use super::acting::{Outcome, Told, explain, phrase_key};
use super::authority::config;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{clean, table, time};

/// Proposals.
#[derive(Debug, Subcommand)]
pub enum ProposalCommand {
    /// List the proposals that are not carried out
    List(ListArgs),
    /// Show what a proposal does, message by message
    Show(ShowArgs),
    /// Vote on a proposal; it is carried out when that decides it
    Vote(VoteArgs),
    /// Carry out a proposal that is accepted and was not carried out
    Execute(ExecuteArgs),
}

/// `admin proposal list`
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Account of the group; default: the authority
    #[arg(long, value_name = "ACCOUNT")]
    group: Option<String>,
}

/// `admin proposal show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The proposal's number
    #[arg(value_name = "PROPOSAL")]
    id: u64,
}

/// `admin proposal vote`
#[derive(Debug, Args)]
pub struct VoteArgs {
    /// The proposal's number
    #[arg(value_name = "PROPOSAL")]
    id: u64,
    /// What you say
    #[arg(value_enum)]
    word: Word,
    /// File with the member's phrase (account m/44'/118'/0'/0/0)
    #[arg(long, value_name = "FILE")]
    mnemonic_file: std::path::PathBuf,
}

/// `admin proposal execute`
#[derive(Debug, Args)]
pub struct ExecuteArgs {
    /// The proposal's number
    #[arg(value_name = "PROPOSAL")]
    id: u64,
    /// File with the phrase of who pays (account m/44'/118'/0'/0/0)
    #[arg(long, value_name = "FILE")]
    mnemonic_file: std::path::PathBuf,
}

/// A vote.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Word {
    /// For it
    Yes,
    /// Against it
    No,
    /// Neither
    Abstain,
}

impl From<Word> for Vote {
    fn from(word: Word) -> Self {
        match word {
            Word::Yes => Self::Yes,
            Word::No => Self::No,
            Word::Abstain => Self::Abstain,
        }
    }
}

/// Runs a command.
pub async fn run(context: &Context, command: &ProposalCommand) -> Result<(), Failure> {
    match command {
        ProposalCommand::List(args) => list(context, args).await,
        ProposalCommand::Show(args) => {
            let chain = context.manifest()?.client()?;
            let proposal = found(find_proposal(&chain, args.id).await?, args.id)?;
            context.output.answer(&proposal, || shown(&proposal))
        }
        ProposalCommand::Vote(args) => cast(context, args).await,
        ProposalCommand::Execute(args) => execute(context, args).await,
    }
}

fn found(proposal: Option<Proposal>, id: u64) -> Result<Proposal, Failure> {
    proposal.ok_or_else(|| {
        Failure::not_found(
            format!("there is no proposal {id}; the chain forgets those that were carried out"),
            "See those that are open with: casewise admin proposal list",
        )
    })
}

async fn list(context: &Context, args: &ListArgs) -> Result<(), Failure> {
    let manifest = context.manifest()?;
    let chain = manifest.client()?;
    let account = match &args.group {
        Some(account) => account.clone(),
        None => config(&chain, &manifest).await?.authority,
    };
    let group = GroupAddress::from_bech32(&account, &manifest.params.prefix)?;
    let all = proposals(&chain, &group, &manifest.params.prefix).await?;
    context.output.answer(&all, || {
        let mut rows = table(["proposal", "state", "yes", "no", "until", "what"]);
        for proposal in &all {
            rows.add_row([
                proposal.id.to_string(),
                word(proposal.state).into(),
                clean(&proposal.yes),
                clean(&proposal.no),
                time(proposal.voting_ends_ms),
                clean(&proposal.title),
            ]);
        }
        rows.to_string()
    })
}

fn word(state: ProposalState) -> &'static str {
    match state {
        ProposalState::Open => "open",
        ProposalState::Accepted => "accepted",
        ProposalState::Failed => "accepted, failed",
        ProposalState::Rejected => "rejected",
        ProposalState::Void => "void",
    }
}

fn shown(proposal: &Proposal) -> String {
    format!(
        "{}State    {}, {} yes, {} no, votes until {}\n{}",
        heading(proposal.id, &proposal.title, proposal.group(), &proposal.proposers),
        word(proposal.state),
        clean(&proposal.yes),
        clean(&proposal.no),
        time(proposal.voting_ends_ms),
        steps(&proposal.messages),
    )
}

/// What the proposer wrote stays on its line.
fn heading(id: u64, title: &str, group: &str, proposers: &[String]) -> String {
    format!(
        "Proposal {id}: {}\nGroup    {}\nMade by  {}\n",
        clean(title),
        clean(group),
        clean(&proposers.join(", "))
    )
}

/// One message after the other, each on two lines.
fn steps(messages: &[Value]) -> String {
    let mut text = String::new();
    for (at, message) in messages.iter().enumerate() {
        let kind = clean(message["type"].as_str().unwrap_or_default());
        text += &format!("{}. {kind}\n   {}\n", at + 1, clean(&message["content"].to_string()));
    }
    text
}

/// What a vote was about.
#[derive(Serialize)]
struct Voted {
    title: String,
    vote: &'static str,
}

async fn cast(context: &Context, args: &VoteArgs) -> Result<(), Failure> {
    let manifest = context.manifest()?;
    let chain = manifest.client()?;
    let key = phrase_key("--mnemonic-file", &args.mnemonic_file)?;
    let proposal = found(find_proposal(&chain, args.id).await?, args.id)?;
    let own = account_to_bech32(&key.address(), &manifest.params.prefix);
    let members = find_group(&chain, proposal.group()).await?.map(|group| group.members).unwrap_or_default();
    if !members.iter().any(|member| member.account == own) {
        return Err(Failure::refused(
            format!("{own} is not a member of {}", proposal.group()),
            "Use a member's phrase. See the members with: casewise admin group show",
        ));
    }
    context.output.say(shown(&proposal));
    let said = match args.word {
        Word::Yes => "yes",
        Word::No => "no",
        Word::Abstain => "abstain",
    };
    context.confirm(&format!("Vote {said}?"))?;
    let bar = context.output.progress(None, "voting");
    let submit = SubmitOptions::default();
    let decision = vote(&chain, &key, args.id, args.word.into(), &manifest.params, &submit);
    let decision = decision.await;
    bar.finish_and_clear();
    let outcome = Outcome::from(decision.map_err(|error| match error.to_string() {
        text if text.contains("unique constraint") => Failure::refused(
            format!("{own} has voted on proposal {} already", args.id),
            "A vote cannot be changed; the others' are missing.",
        ),
        _ => explain(error),
    })?);
    let told = Told { what: Voted { title: proposal.title, vote: said }, outcome };
    context.output.answer(&told, || {
        if told.outcome.done {
            format!("Your vote decided it: {}.", clean(&told.what.title))
        } else {
            format!("Your vote counts. Where it stands: casewise admin proposal show {}", args.id)
        }
    })
}

async fn execute(context: &Context, args: &ExecuteArgs) -> Result<(), Failure> {
    let manifest = context.manifest()?;
    let chain = manifest.client()?;
    let key = phrase_key("--mnemonic-file", &args.mnemonic_file)?;
    let proposal = found(find_proposal(&chain, args.id).await?, args.id)?;
    context.output.say(shown(&proposal));
    context.confirm("Carry it out?")?;
    let bar = context.output.progress(None, "carrying it out");
    let submit = SubmitOptions::default();
    let decision = execute_proposal(&chain, &key, args.id, &manifest.params, &submit);
    let outcome = Outcome::from(decision.await.map_err(explain)?);
    bar.finish_and_clear();
    context.output.answer(&outcome, || outcome.text("It was carried out."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FORGED: &str = "Raise\u{1b}[1A\r\n1. MsgExecuteContract\u{9b}2K\u{202e}";

    #[test]
    fn a_title_cannot_pass_for_lines_of_the_program() {
        let text = heading(7, FORGED, FORGED, &[FORGED.to_owned(), "wasm1b".to_owned()]);
        assert_eq!(text.lines().count(), 3, "{text:?}");
        assert!(
            text.starts_with("Proposal 7: Raise\\u{1b}[1A\\r\\n1. MsgExecuteContract\\u{9b}2K"),
            "{text:?}"
        );
        assert_eq!(text, crate::output::clean_lines(&text));
    }

    #[test]
    fn a_message_cannot_pass_for_another() {
        let text = steps(&[
            json!({"type": FORGED, "content": {FORGED: FORGED}}),
            json!({"type": "MsgSend", "content": {"to": "wasm1to"}}),
        ]);
        assert_eq!(text.lines().count(), 4, "{text:?}");
        assert_eq!(text, crate::output::clean_lines(&text));
        assert!(text.ends_with("\n2. MsgSend\n   {\"to\":\"wasm1to\"}\n"), "{text:?}");
    }
}
