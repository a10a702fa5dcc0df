//! `casewise admin validator`: who makes the blocks.
//!
//! Power is the group's stake. A node's operator offers it, the group adds it and can remove it at
//! any time; nobody can give himself power. How and why: ADR 4.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use casewise_chain::{
    Chain, ConsensusKey, GroupAddress, Manifest, NewValidator, POWER_REDUCTION, StakingState, SubmitOptions,
    Validator, ValidatorStatus, WasmdClient, account_from_bech32, account_to_bech32, add_validator,
    back_validator, balance_of, has_offered, leave_validators, offer_validator, release_validator,
    staking_state, submit_and_wait,
};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::acting::{Acting, Outcome, Signer, Told, phrase_key};
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{clean, table};

/// Pause between two looks at the validators.
const LOOK: Duration = Duration::from_millis(200);

/// How long an offer stands, at most, days.
const MAX_OFFER_DAYS: u64 = 90;

/// Validators.
#[derive(Debug, Subcommand)]
pub enum ValidatorCommand {
    /// List the validators, their power and whose stake it is
    List(ListArgs),
    /// As a node's operator: let the group make the node a validator
    Offer(OfferArgs),
    /// As the group: make a node a validator, or put stake behind one
    Add(AddArgs),
    /// As the group: take its stake, and so the power, from a validator
    Remove(RemoveArgs),
    /// As a validator's operator: take back the operator's own stake
    Leave(LeaveArgs),
}

/// `admin validator list`
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Account of the group whose stake is shown
    #[arg(long, value_name = "ACCOUNT")]
    group: Option<String>,
}

/// `admin validator offer`
#[derive(Debug, Args)]
pub struct OfferArgs {
    /// The group's account
    #[arg(long, value_name = "ACCOUNT")]
    group: String,
    /// File with the operator's phrase (account m/44'/118'/0'/0/0)
    #[arg(long, value_name = "FILE")]
    mnemonic_file: PathBuf,
    /// How long the offer stands, days, 1 to 90
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    days: u64,
}

/// `admin validator add`
#[derive(Debug, Args)]
pub struct AddArgs {
    /// Account of the node's operator
    #[arg(long, value_name = "ACCOUNT")]
    account: String,
    /// The node's consensus key, as `wasmd comet show-validator` says it, or only its base64
    #[arg(long, value_name = "KEY", requires = "name")]
    consensus_key: Option<String>,
    /// Name of the validator, 1 to 70 bytes
    #[arg(long, value_name = "NAME", requires = "consensus_key")]
    name: Option<String>,
    /// Power it gets; default: as much as the weakest validator has
    #[arg(long, value_name = "POWER")]
    power: Option<u64>,
    #[command(flatten)]
    signer: Signer,
    /// Wait up to this many seconds until it signs
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
}

/// `admin validator remove`
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// Account of the validator's operator
    #[arg(long, value_name = "ACCOUNT")]
    account: String,
    #[command(flatten)]
    signer: Signer,
    /// Wait up to this many seconds until it does not sign any more
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
}

/// `admin validator leave`
#[derive(Debug, Args)]
pub struct LeaveArgs {
    /// File with the operator's phrase (account m/44'/118'/0'/0/0)
    #[arg(long, value_name = "FILE")]
    mnemonic_file: PathBuf,
}

/// Runs a command.
pub async fn run(context: &Context, command: &ValidatorCommand) -> Result<(), Failure> {
    let manifest = context.manifest()?;
    let chain = manifest.client()?;
    match command {
        ValidatorCommand::List(args) => list(context, &manifest, &chain, args).await,
        ValidatorCommand::Offer(args) => offer(context, &manifest, &chain, args).await,
        ValidatorCommand::Add(args) => add(context, &manifest, &chain, args).await,
        ValidatorCommand::Remove(args) => remove(context, &manifest, &chain, args).await,
        ValidatorCommand::Leave(args) => leave(context, &manifest, &chain, args).await,
    }
}

async fn list(
    context: &Context,
    manifest: &Manifest,
    chain: &WasmdClient,
    args: &ListArgs,
) -> Result<(), Failure> {
    let prefix = &manifest.params.prefix;
    let group = args.group.as_ref().map(|text| GroupAddress::from_bech32(text, prefix)).transpose()?;
    let bar = context.output.progress(None, "reading the validators");
    let state = staking_state(chain, group.as_ref(), prefix).await?;
    bar.finish_and_clear();
    context.output.answer(&state, || listed(&state))
}

fn listed(state: &StakingState) -> String {
    let mut rows = table(["name", "status", "power", "signs", "group's stake", "own stake", "operator"]);
    for validator in &state.validators {
        rows.add_row([
            clean(&validator.name),
            if validator.jailed { "jailed".into() } else { word(validator.status).to_owned() },
            validator.power.to_string(),
            if validator.signed { "yes" } else { "no" }.into(),
            validator.consortium.to_string(),
            validator.own.to_string(),
            validator.account.clone(),
        ]);
    }
    let closed = if state.is_closed() {
        "Nobody can give himself power."
    } else {
        "Not closed: whoever has coins can give himself or another power. Close the staking messages (ADR 4)."
    };
    format!("{rows}\nAs of block {}. {closed}", state.height)
}

fn word(status: ValidatorStatus) -> &'static str {
    match status {
        ValidatorStatus::Active => "active",
        ValidatorStatus::Leaving => "leaving",
        ValidatorStatus::Inactive => "inactive",
    }
}

/// What an operator has let the group do.
#[derive(Serialize)]
struct Offered {
    account: String,
    group: String,
    until: u64,
}

async fn offer(
    context: &Context,
    manifest: &Manifest,
    chain: &WasmdClient,
    args: &OfferArgs,
) -> Result<(), Failure> {
    if !(1..=MAX_OFFER_DAYS).contains(&args.days) {
        return Err(Failure::usage(
            format!("--days: {} is not 1 to {MAX_OFFER_DAYS}", args.days),
            "An offer that stands long can be forgotten.",
        ));
    }
    let params = &manifest.params;
    let group = GroupAddress::from_bech32(&args.group, &params.prefix)?;
    let key = phrase_key("--mnemonic-file", &args.mnemonic_file)?;
    let account = account_to_bech32(&key.address(), &params.prefix);
    let until = chain.tip().await?.time_ms + args.days * 86_400_000;
    context
        .output
        .say(format!("{account} lets {} make its node a validator, for {} days", args.group, args.days));
    context.confirm("Agree?")?;
    let bar = context.output.progress(None, "offering");
    let msg = offer_validator(&account, &group, until, &params.prefix);
    submit_and_wait(chain, &key, vec![msg], params, &SubmitOptions::default()).await?;
    bar.finish_and_clear();
    let offered = Offered { account, group: args.group.clone(), until };
    context.output.answer(&offered, || {
        format!(
            "Offered. The group adds the node with:\n  casewise admin validator add --account {} \
             --consensus-key \"$(wasmd comet show-validator)\" --name NAME --group {} --mnemonic-file FILE",
            offered.account, offered.group
        )
    })
}

/// A change of the validators.
#[derive(Serialize)]
struct Changed {
    account: String,
    power: u64,
    /// Seen in the blocks.
    signs: Option<bool>,
}

async fn add(
    context: &Context,
    manifest: &Manifest,
    chain: &WasmdClient,
    args: &AddArgs,
) -> Result<(), Failure> {
    let prefix = &manifest.params.prefix;
    account_from_bech32(&args.account, prefix)?;
    let acting = args.signer.open(chain, &manifest.params).await?;
    let group = acting.require_group()?;
    let state = staking_state(chain, Some(&group), prefix).await?;
    let weakest = || state.validators.iter().filter(|v| v.power > 0).map(|v| v.power).min();
    let power =
        args.power.or_else(weakest).filter(|power| *power > 0).ok_or_else(|| {
            Failure::usage("--power: a validator without power is none", "Give at least 1.")
        })?;
    let stake = u128::from(power) * POWER_REDUCTION;
    let known = state.of(&args.account);
    let missing = stake.saturating_sub(known.map_or(0, |validator| validator.consortium));
    let outcome = if missing == 0 {
        Outcome::already()
    } else {
        check_coins(chain, &acting, &state, missing).await?;
        let msgs = match known {
            Some(validator) => back_validator(validator, &group, missing, &state, prefix),
            None => {
                let new = new_validator(args)?;
                if !has_offered(chain, &args.account, &group, prefix).await? {
                    return Err(Failure::refused(
                        format!("{} has not offered its node to the group", args.account),
                        "Its operator does so with: casewise admin validator offer",
                    ));
                }
                add_validator(&new, &group, missing, &state, prefix)?
            }
        };
        let title = format!("Give the validator of {} the power {power}", args.account);
        acting.send(context, msgs, &title).await?
    };
    let signs = match args.wait {
        Some(seconds) if outcome.done => {
            let done = |v: &Validator| v.status == ValidatorStatus::Active && v.signed;
            wait(context, chain, manifest, &args.account, seconds, "it signs", done).await?;
            Some(true)
        }
        _ => None,
    };
    let told = Told { what: Changed { account: args.account.clone(), power, signs }, outcome };
    context.output.answer(&told, || {
        let text = format!("{} has the power {power} from the group.", args.account);
        told.outcome.text(&if signs.is_some() { text + " It signs." } else { text })
    })
}

/// The group's account must have the coins that are to be staked.
async fn check_coins(
    chain: &WasmdClient,
    acting: &Acting<'_>,
    state: &StakingState,
    needed: u128,
) -> Result<(), Failure> {
    let has = balance_of(chain, &acting.account, &state.denom).await?;
    if has >= needed {
        return Ok(());
    }
    Err(Failure::refused(
        format!("the group has {has}{denom}, and {needed}{denom} are to be staked", denom = state.denom),
        "Send its account what is missing, or give less power with --power.",
    ))
}

fn new_validator(args: &AddArgs) -> Result<NewValidator, Failure> {
    let (Some(key), Some(name)) = (&args.consensus_key, &args.name) else {
        return Err(Failure::usage(
            format!("{} is not the operator of a validator yet", args.account),
            "Give its node's key and a name with --consensus-key and --name.",
        ));
    };
    Ok(NewValidator { account: args.account.clone(), key: consensus_key(key)?, name: name.clone() })
}

/// A key as a node says it, or its base64 alone.
fn consensus_key(text: &str) -> Result<ConsensusKey, Failure> {
    let wrong = || {
        Failure::usage(
            "--consensus-key: not an ed25519 key in base64",
            "Give what `wasmd comet show-validator` says on the node.",
        )
    };
    let json: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let key = match &json {
        Some(json) => {
            if json["@type"] != "/cosmos.crypto.ed25519.PubKey" {
                return Err(wrong());
            }
            json["key"].as_str().ok_or_else(wrong)?
        }
        None => text,
    };
    let bytes = STANDARD.decode(key.trim()).map_err(|_| wrong())?;
    Ok(ConsensusKey(bytes.try_into().map_err(|_| wrong())?))
}

async fn remove(
    context: &Context,
    manifest: &Manifest,
    chain: &WasmdClient,
    args: &RemoveArgs,
) -> Result<(), Failure> {
    let prefix = &manifest.params.prefix;
    let acting = args.signer.open(chain, &manifest.params).await?;
    let group = acting.require_group()?;
    let state = staking_state(chain, Some(&group), prefix).await?;
    let validator = state.of(&args.account).ok_or_else(|| not_a_validator(&args.account))?;
    let outcome = if validator.consortium == 0 && validator.power == 0 {
        Outcome::already()
    } else {
        check_removable(validator, &state)?;
        let msgs = vec![release_validator(validator, &group, &state, prefix)];
        acting.send(context, msgs, &format!("Take the power from the validator of {}", args.account)).await?
    };
    let signs = match args.wait {
        Some(seconds) if outcome.done => {
            let done = |v: &Validator| v.status != ValidatorStatus::Active && !v.signed;
            wait(context, chain, manifest, &args.account, seconds, "it does not sign any more", done).await?;
            Some(false)
        }
        _ => None,
    };
    let told = Told { what: Changed { account: args.account.clone(), power: 0, signs }, outcome };
    context.output.answer(&told, || {
        let days = state.unbonding_s / 86_400;
        told.outcome.text(&format!(
            "The validator of {} has no power any more. The group's coins are free after {days} days.",
            args.account
        ))
    })
}

fn not_a_validator(account: &str) -> Failure {
    Failure::not_found(
        format!("{account} is not the operator of a validator"),
        "See the operators with: casewise admin validator list",
    )
}

/// Taking the group's stake must take all power, and leave the network somebody.
fn check_removable(validator: &Validator, state: &StakingState) -> Result<(), Failure> {
    if validator.own / POWER_REDUCTION > 0 {
        return Err(Failure::refused(
            format!("{} of its power are its operator's own stake", validator.own / POWER_REDUCTION),
            "Only the operator can take that back: casewise admin validator leave",
        ));
    }
    let others = state.validators.iter().filter(|v| v.power > 0 && v.account != validator.account);
    if others.count() == 0 {
        return Err(Failure::refused(
            "it is the last validator: without it there are no blocks",
            "Add another one first: casewise admin validator add",
        ));
    }
    Ok(())
}

async fn leave(
    context: &Context,
    manifest: &Manifest,
    chain: &WasmdClient,
    args: &LeaveArgs,
) -> Result<(), Failure> {
    let params = &manifest.params;
    let key = phrase_key("--mnemonic-file", &args.mnemonic_file)?;
    let account = account_to_bech32(&key.address(), &params.prefix);
    let state = staking_state(chain, None, &params.prefix).await?;
    let validator = state.of(&account).ok_or_else(|| not_a_validator(&account))?;
    let outcome = match leave_validators(validator, &state) {
        None => Outcome::already(),
        Some(msg) => {
            check_left(validator, &state)?;
            context.output.say(format!("{account} takes back its own stake"));
            context.confirm("Agree?")?;
            let bar = context.output.progress(None, "taking the stake back");
            let sent = submit_and_wait(chain, &key, vec![msg], params, &SubmitOptions::default()).await;
            bar.finish_and_clear();
            Outcome { done: true, proposal: None, height: Some(sent?.height) }
        }
    };
    let own = u64::try_from(validator.own / POWER_REDUCTION).unwrap_or(u64::MAX);
    let power = validator.power.saturating_sub(own);
    let told = Told { what: Changed { account, power, signs: None }, outcome };
    context
        .output
        .answer(&told, || format!("{} keeps only the group's stake: the power {power}.", told.what.account))
}

/// Somebody must have power afterwards.
fn check_left(validator: &Validator, state: &StakingState) -> Result<(), Failure> {
    let others = state.validators.iter().any(|v| v.power > 0 && v.account != validator.account);
    let backed = u128::from(validator.power) * POWER_REDUCTION > validator.own + POWER_REDUCTION;
    if others || backed {
        return Ok(());
    }
    Err(Failure::refused(
        "it is the last validator: without it there are no blocks",
        "Let the group put its stake behind it first: casewise admin validator add",
    ))
}

/// Waits until the blocks show it.
async fn wait(
    context: &Context,
    chain: &WasmdClient,
    manifest: &Manifest,
    account: &str,
    seconds: u64,
    what: &str,
    done: impl Fn(&Validator) -> bool,
) -> Result<(), Failure> {
    let bar = context.output.progress(None, &format!("waiting until {what}"));
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        let state = staking_state(chain, None, &manifest.params.prefix).await?;
        if state.of(account).is_some_and(&done) {
            bar.finish_and_clear();
            return Ok(());
        }
        if Instant::now() >= deadline {
            bar.finish_and_clear();
            return Err(Failure::other(
                format!("not within {seconds} s: {what}"),
                "It took effect on the chain; look at the node's log and at: casewise admin validator list",
            ));
        }
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validator(account: &str, power: u64, own: u128) -> Validator {
        Validator {
            account: account.to_owned(),
            address: String::new(),
            name: String::new(),
            consensus: String::new(),
            status: ValidatorStatus::Active,
            jailed: false,
            power,
            own,
            consortium: u128::from(power) * POWER_REDUCTION,
            signed: true,
        }
    }

    fn state(validators: Vec<Validator>) -> StakingState {
        StakingState { height: 1, validators, closed: Vec::new(), denom: "stake".to_owned(), unbonding_s: 1 }
    }

    #[test]
    fn a_key_as_the_node_says_it() {
        let key = STANDARD.encode([7; 32]);
        let json = format!(r#"{{"@type":"/cosmos.crypto.ed25519.PubKey","key":"{key}"}}"#);
        assert_eq!(consensus_key(&key).unwrap(), ConsensusKey([7; 32]));
        assert_eq!(consensus_key(&json).unwrap(), ConsensusKey([7; 32]));
        let other = json.replace("ed25519", "secp256k1");
        for bad in ["", "x", &STANDARD.encode([7; 31]), &STANDARD.encode([7; 33]), &other, "{}"] {
            assert!(consensus_key(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn own_stake_of_one_power_cannot_be_removed_and_less_can() {
        let others = |own| state(vec![validator("a", 5, own), validator("b", 5, 1)]);
        for (own, good) in [(1, true), (POWER_REDUCTION - 1, true), (POWER_REDUCTION, false)] {
            let state = others(own);
            assert_eq!(check_removable(&state.validators[0], &state).is_ok(), good, "{own}");
        }
    }

    #[test]
    fn a_validators_name_is_no_line_of_its_own() {
        let forged = Validator { name: "a\u{1b}[2J\nb".to_owned(), ..validator("a", 5, 1) };
        let honest = Validator { name: "ab".to_owned(), ..validator("a", 5, 1) };
        let text = listed(&state(vec![forged]));
        assert!(text.contains("a\\u{1b}[2J\\nb"), "{text:?}");
        assert_eq!(text.lines().count(), listed(&state(vec![honest])).lines().count());
    }

    #[test]
    fn the_last_validator_stays() {
        let alone = state(vec![validator("a", 5, 1), validator("b", 0, 1)]);
        assert!(check_removable(&alone.validators[0], &alone).is_err());
        let unbacked = Validator { consortium: 0, ..validator("a", 5, 5 * POWER_REDUCTION) };
        let alone = state(vec![unbacked]);
        assert!(check_left(&alone.validators[0], &alone).is_err());
        let backed = state(vec![validator("a", 10, 5 * POWER_REDUCTION)]);
        check_left(&backed.validators[0], &backed).unwrap();
    }
}
