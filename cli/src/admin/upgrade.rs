//! `casewise admin upgrade`: another version under registrar or ppr.
//!
//! Repeating it is safe at every point: a code that is stored is not stored again, a proposal that
//! waits is not made again, and the manifest is written when the contract runs the new code.

use std::path::PathBuf;

use casewise_chain::{
    Chain, Code, ContractAddress, Manifest, SubmitOptions, WasmdClient, find_code, migrate, pinned_codes,
    read_wasm, store_code,
};
use casewise_ledger::{Hash, sha256};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::acting::{Acting, Outcome, Signer, Told, phrase_key};
use super::authority::admin_of;
use crate::context::Context;
use crate::exit::Failure;

/// `admin upgrade`
#[derive(Debug, Args)]
pub struct UpgradeArgs {
    /// Which contract
    #[arg(value_enum)]
    contract: Contract,
    /// Directory with the new wasm and checksums.txt
    #[arg(long, value_name = "DIR")]
    artifacts: PathBuf,
    #[command(flatten)]
    signer: Signer,
    /// File with the phrase of the account that may upload, if it is another
    #[arg(long, value_name = "FILE")]
    uploader: Option<PathBuf>,
}

/// A contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Contract {
    /// Who takes part
    Registrar,
    /// Who may
    Ppr,
    /// What happened: refused, it has no admin
    Summary,
}

/// What runs.
#[derive(Serialize)]
struct Upgraded {
    contract: &'static str,
    address: String,
    /// The new code.
    code: u64,
    #[serde(with = "hex::serde")]
    checksum: Hash,
    /// The validators have pinned it.
    pinned: bool,
}

/// `admin upgrade`
pub async fn run(context: &Context, args: &UpgradeArgs) -> Result<(), Failure> {
    let name = match args.contract {
        Contract::Registrar => "registrar",
        Contract::Ppr => "ppr",
        Contract::Summary => {
            return Err(Failure::usage(
                "summary cannot be upgraded: it has no admin, so that nobody can change what happened",
                "A new version of it is a new instance: deploy one; lanes of the old one stay readable.",
            ));
        }
    };
    let path = context.manifest_path()?;
    let mut manifest = context.manifest()?;
    let chain = manifest.client()?;
    let wasm = read_wasm(&args.artifacts, name)?;
    let checksum = sha256(&[&wasm]);
    let (address, slot) = place(&mut manifest, name);
    let previous = *slot;
    let acting = args.signer.open(&chain, &manifest.params).await?;
    let (code, outcome) = match running(&chain, &address).await? {
        code if code.checksum == checksum => (code, Outcome::already()),
        _ => {
            let admin = admin_of(&chain, &address).await?;
            acting.must_be(&format!("the admin of {name}"), admin.as_deref().unwrap_or("nobody"))?;
            let code = stored(context, args, &chain, &manifest, &acting, &wasm).await?;
            let title = format!("Upgrade {name} to code {}, SHA-256 {}", code.id, hex::encode(checksum));
            (code, acting.send(context, vec![migrate(name, address, &code)?], &title).await?)
        }
    };
    if outcome.done && code != previous {
        *place(&mut manifest, name).1 = code;
        manifest.save(path)?;
    }
    let pinned = pinned_codes(&chain).await?.contains(&code.id);
    let text = address.to_bech32(&manifest.params.prefix);
    let told =
        Told { what: Upgraded { contract: name, address: text, code: code.id, checksum, pinned }, outcome };
    context.output.answer(&told, || upgraded(&told))
}

fn upgraded(told: &Told<Upgraded>) -> String {
    let what = &told.what;
    if !told.outcome.done {
        let again = "When it is accepted, run this command again: it writes the manifest.";
        return format!("{}\n{again}", told.outcome.text(""));
    }
    let done = format!("{} runs code {}, SHA-256 {}.", what.contract, what.code, hex::encode(what.checksum));
    if what.pinned {
        return done;
    }
    format!(
        "{done}\nThe code is not pinned: each call costs about 58,000 gas more. Let the validators pin it by a \
         proposal of the chain's governance with /cosmwasm.wasm.v1.MsgPinCodes and code {}.",
        what.code
    )
}

fn place<'a>(manifest: &'a mut Manifest, name: &str) -> (ContractAddress, &'a mut Code) {
    if name == "registrar" {
        (manifest.contracts.registrar, &mut manifest.codes.registrar)
    } else {
        (manifest.contracts.ppr, &mut manifest.codes.ppr)
    }
}

/// The code a contract runs.
async fn running(chain: &WasmdClient, address: &ContractAddress) -> Result<Code, Failure> {
    let unknown = || {
        Failure::not_found(
            "the chain does not know the contract or its code",
            "Take the manifest of this network from its operator anew.",
        )
    };
    let id = chain.contract(address).await?.ok_or_else(unknown)?.code_id;
    let checksum = chain.code(id).await?.ok_or_else(unknown)?.checksum;
    Ok(Code { id, checksum })
}

/// The code on chain that only the admin may use, stored if it is not there.
async fn stored(
    context: &Context,
    args: &UpgradeArgs,
    chain: &WasmdClient,
    manifest: &Manifest,
    acting: &Acting<'_>,
    wasm: &[u8],
) -> Result<Code, Failure> {
    if let Some(code) = find_code(chain, &sha256(&[wasm]), &acting.account).await? {
        context.output.say(format!("  stored already as code {}", code.id));
        return Ok(code);
    }
    let key = match &args.uploader {
        Some(path) => phrase_key("--uploader", path)?,
        None => acting.key.clone(),
    };
    let bar = context.output.progress(None, "storing the code");
    let stored =
        store_code(chain, &key, wasm, &acting.account, &manifest.params, &SubmitOptions::default()).await;
    bar.finish_and_clear();
    let code = stored.map_err(|error| match error.to_string() {
        text if text.contains("can not create code") => Failure::refused(
            "this account may not upload code on this chain",
            "Name the phrase of one that may with --uploader FILE.",
        ),
        _ => error.into(),
    })?;
    context.output.say(format!("  stored as code {}", code.id));
    Ok(code)
}
