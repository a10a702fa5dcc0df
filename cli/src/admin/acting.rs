//! Who acts for the consortium: an account alone, or a group by one of its members.
//!
//! Responsible for one way of sending what only the consortium may send. Must never sign as somebody
//! the contract or the chain would refuse without saying whom it wants, nor keep a phrase longer
//! than it takes to derive the key.

use std::path::{Path, PathBuf};

use casewise_chain::{
    ChainError, ChainParams, Decision, GroupAddress, Msg, SubmitOptions, WasmdClient, account_to_bech32,
    key_from_mnemonic, member_of, propose, submit_and_wait,
};
use casewise_ledger::account::AccountKey;
use clap::Args;
use serde::Serialize;

use crate::context::{Context, secret_file};
use crate::exit::Failure;
use crate::output::clean;

/// Who signs.
#[derive(Debug, Args)]
pub struct Signer {
    /// File with the phrase of the account that acts, or of a member of the group
    /// (account m/44'/118'/0'/0/0)
    #[arg(long, value_name = "FILE")]
    pub mnemonic_file: PathBuf,
    /// Account of the group that acts; what it decides is done when enough members agree
    #[arg(long, value_name = "ACCOUNT")]
    pub group: Option<String>,
}

/// Who acts.
pub struct Acting<'a> {
    /// Signs and pays.
    pub key: AccountKey,
    /// The account that the contracts see, bech32.
    pub account: String,
    group: Option<GroupAddress>,
    chain: &'a WasmdClient,
    params: &'a ChainParams,
}

/// What became of what was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// It took effect.
    pub done: bool,
    /// The group's proposal with it.
    pub proposal: Option<u64>,
    /// The block in which it took effect.
    pub height: Option<u64>,
}

/// An answer with what became of it.
#[derive(Debug, Serialize)]
pub struct Told<T> {
    /// What was asked for.
    #[serde(flatten)]
    pub what: T,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Outcome {
    /// Nothing was to be done.
    pub fn already() -> Self {
        Self { done: true, proposal: None, height: None }
    }

    /// For people: `done`, or what it waits for.
    pub fn text(&self, done: &str) -> String {
        match (self.done, self.proposal) {
            (true, _) => done.to_owned(),
            (false, Some(proposal)) => format!(
                "Proposal {proposal} waits for votes. Another member says yes with:\n  \
                 casewise admin proposal vote {proposal} yes --mnemonic-file FILE"
            ),
            (false, None) => "It was not done.".to_owned(),
        }
    }
}

impl Signer {
    /// Reads the phrase and checks membership.
    pub async fn open<'a>(
        &self,
        chain: &'a WasmdClient,
        params: &'a ChainParams,
    ) -> Result<Acting<'a>, Failure> {
        let key = phrase_key("--mnemonic-file", &self.mnemonic_file)?;
        let group = match &self.group {
            Some(text) => Some(GroupAddress::from_bech32(text, &params.prefix)?),
            None => None,
        };
        if let Some(group) = &group {
            member_of(chain, &key, group, &params.prefix).await?;
        }
        let account = match &group {
            Some(group) => group.to_bech32(&params.prefix),
            None => account_to_bech32(&key.address(), &params.prefix),
        };
        Ok(Acting { key, account, group, chain, params })
    }
}

impl Acting<'_> {
    /// The group, for what only a group can do.
    pub fn require_group(&self) -> Result<GroupAddress, Failure> {
        self.group.ok_or_else(|| {
            Failure::usage("--group: this is the group's to decide", "Name the group's account with --group.")
        })
    }

    /// Refuses when `wanted` (bech32) is somebody else; `what` says what it is.
    pub fn must_be(&self, what: &str, wanted: &str) -> Result<(), Failure> {
        if self.account == wanted {
            return Ok(());
        }
        Err(Failure::refused(
            format!("{what} is {wanted}, not {}", self.account),
            "Use that account's phrase, or name it with --group if it is a group's.",
        ))
    }

    /// Shows what will be sent, asks, and sends it.
    pub async fn send(&self, context: &Context, msgs: Vec<Msg>, title: &str) -> Result<Outcome, Failure> {
        let how = if self.group.is_some() { "proposes to the group" } else { "sends" };
        context.output.say(format!(
            "{} {how}: {}",
            account_to_bech32(&self.key.address(), &self.params.prefix),
            clean(title)
        ));
        context.confirm("Agree?")?;
        let bar = context.output.progress(None, title);
        let sent = self.send_now(msgs, title).await;
        bar.finish_and_clear();
        sent
    }

    /// Sends without asking.
    pub async fn send_now(&self, msgs: Vec<Msg>, title: &str) -> Result<Outcome, Failure> {
        let options = SubmitOptions::default();
        let Some(group) = &self.group else {
            let included = submit_and_wait(self.chain, &self.key, msgs, self.params, &options).await;
            let included = included.map_err(explain)?;
            return Ok(Outcome { done: true, proposal: None, height: Some(included.height) });
        };
        let decision = propose(self.chain, &self.key, group, &msgs, title, self.params, &options).await;
        Ok(decision.map_err(explain)?.into())
    }
}

impl From<Decision> for Outcome {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Done { proposal, included } => {
                Self { done: true, proposal: Some(proposal), height: Some(included.height) }
            }
            Decision::Waiting { proposal } => Self { done: false, proposal: Some(proposal), height: None },
        }
    }
}

/// What the chain refused, with an operator's advice.
pub fn explain(error: ChainError) -> Failure {
    match &error {
        ChainError::Refused { .. } | ChainError::Failed { .. } => Failure::other(
            error.to_string(),
            "It has no effect. Who governs: casewise admin authority show; what waits for votes: casewise admin \
             proposal list",
        ),
        _ => error.into(),
    }
}

/// The key of the phrase in a file.
pub fn phrase_key(option: &str, path: &Path) -> Result<AccountKey, Failure> {
    Ok(key_from_mnemonic(&secret_file(option, path)?, 0)?)
}
