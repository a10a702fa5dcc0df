//! A network whose first block is of two days ago, and in it a grant of that day alone: the only
//! way to a grant whose last day is over without waiting for midnight.
//!
//! The first block of a chain bears the time of its genesis, and a validator waits `timeout_commit`
//! before it makes it. Everything the grant needs is in one transaction that is sent in this time.
//! Must never let the chain that others use have another time.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use casewise_chain::{
    Account, Chain, ChainParams, Code, Codes, ContractAddress, Contracts, Gas, Manifest, Msg, TxDraft,
    WasmdClient, account_of, account_to_bech32, key_from_mnemonic, trust_anchor,
};
use casewise_ledger::{Commitment, account::AccountKey, case::net as network, grant::DAY_MS, sha256};
use casewise_protocol::{convert::InstitutionKind, ppr, registrar, summary};
use casewise_testkit::contracts::commitment;
use flate2::{Compression, write::GzEncoder};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    command,
    kinds::Contract,
    net::Net,
    people::{Case, POLICY, admission},
};

/// Its id.
const CHAIN_ID: &str = "casewise-past-1";
/// How long ago its first block is, ms.
const AGO_MS: u64 = 2 * DAY_MS;
/// Pause before the first block, for its transaction to arrive.
const PAUSE: &str = "6s";
/// Pause between blocks that `scripts/localnet` sets.
const USUAL_PAUSE: &str = "500ms";
/// Gas limit of the transaction: three codes and their instances.
const GAS: u64 = 30_000_000;
/// Longest wait for the node.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const GLANCE: Duration = Duration::from_millis(50);

/// The network, with its grant, as `scripts/localnet` runs it from now on.
pub struct Past {
    /// Open, with the contracts pinned.
    pub net: Net,
    /// The grant whose last day is over; its holder is the operator.
    pub grant: Commitment,
}

/// Where everything is.
struct Place<'a> {
    repository: &'a Path,
    artifacts: &'a Path,
    dir: PathBuf,
    base_port: u16,
}

/// Makes the network in `scratch`. Its caller resets it.
pub async fn make(repository: &Path, artifacts: &Path, scratch: &Path, base_port: u16) -> Result<Past> {
    let place = Place { repository, artifacts, dir: scratch.join("past"), base_port };
    // Once as it is: only a chain with a block tells the number of an account.
    place.localnet(&["up", "--no-deploy"]).await?;
    let phrase = std::fs::read_to_string(place.dir.join("operator.mnemonic"))?;
    let key = key_from_mnemonic(&phrase, 0)?;
    let client = place.client()?;
    let account = account_of(&client, &key.address()).await?;
    place.localnet(&["down"]).await?;
    let begin = now_ms()?.saturating_sub(AGO_MS);
    place.begin_again(begin).await?;
    let grant = commitment("a grant of one day");
    let (tx, codes, contracts) = place.transaction(&key, account, begin, &grant)?;
    // Not "up", which would wait for the second block.
    place.localnet(&["start-validator", "0"]).await?;
    place.send(&tx).await?;
    place.check(&client, begin).await?;
    let trust = trust_anchor(&client, 1).await?;
    let manifest = Manifest { params: params()?, endpoints: vec![place.url()], codes, contracts, trust };
    place.localnet(&["down"]).await?;
    place.configure(PAUSE, USUAL_PAUSE)?;
    manifest.save(&place.dir.join("manifest.json"))?;
    // Pins them.
    place.localnet(&["up"]).await?;
    Ok(Past { net: Net::open(&place.dir)?, grant })
}

impl Place<'_> {
    async fn localnet(&self, options: &[&str]) -> Result<()> {
        let (dir, port) = (self.dir.to_string_lossy(), self.base_port.to_string());
        let place = ["--dir", &dir, "--base-port", &port, "--chain-id", CHAIN_ID];
        let script = self.repository.join("scripts/localnet");
        command::succeed(&script, &[options, &place].concat()).await.map(drop)
    }

    fn home(&self) -> PathBuf {
        self.dir.join("node0")
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.base_port)
    }

    fn client(&self) -> Result<WasmdClient> {
        Ok(WasmdClient::new(&[self.url()], CHAIN_ID, params()?.prefix)?)
    }

    /// No block, another genesis time, time before the first block.
    async fn begin_again(&self, begin: u64) -> Result<()> {
        let wasmd =
            std::env::var_os("CASEWISE_WASMD").context("CASEWISE_WASMD is not set; use scripts/gas")?;
        let home = self.home();
        let reset = ["comet".as_ref(), "unsafe-reset-all".as_ref(), "--home".as_ref(), home.as_os_str()];
        command::succeed(Path::new(&wasmd), &reset).await?;
        let file = home.join("config/genesis.json");
        let mut genesis: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
        genesis["genesis_time"] = json!(rfc3339(begin));
        std::fs::write(&file, serde_json::to_vec(&genesis)?)?;
        self.configure(USUAL_PAUSE, PAUSE)
    }

    fn configure(&self, from: &str, to: &str) -> Result<()> {
        let file = self.home().join("config/config.toml");
        let text = std::fs::read_to_string(&file)?;
        let line = |pause: &str| format!("timeout_commit = \"{pause}\"");
        ensure!(text.contains(&line(from)), "{} has no {}", file.display(), line(from));
        std::fs::write(&file, text.replace(&line(from), &line(to)))?;
        Ok(())
    }

    /// Codes, instances, one institution that is operator and holder as well, one case, one grant.
    fn transaction(
        &self,
        key: &AccountKey,
        account: Account,
        begin: u64,
        grant: &Commitment,
    ) -> Result<(Vec<u8>, Codes, Contracts)> {
        let params = params()?;
        let [registrar, ppr, summary] = [1, 2, 3].map(|number| instance(number, number));
        let contracts = Contracts { registrar, ppr, summary };
        let mut msgs = Vec::new();
        let mut codes = Vec::new();
        for (contract, id) in Contract::ALL.into_iter().zip(1..) {
            let wasm = self.artifacts.join(format!("casewise_{}.wasm", contract.name()));
            let wasm = std::fs::read(&wasm).with_context(|| wasm.display().to_string())?;
            codes.push(Code { id, checksum: sha256(&[&wasm]) });
            let mut packed = GzEncoder::new(Vec::new(), Compression::best());
            packed.write_all(&wasm)?;
            msgs.push(Msg::StoreCode { wasm: packed.finish()?, instantiate_by: vec![key.address()] });
        }
        let codes: [Code; 3] = codes.try_into().ok().context("three codes")?;
        let me = account_to_bech32(&key.address(), &params.prefix);
        msgs.extend(instances(&me, contracts, &params)?);
        let case = Case::of(network(CHAIN_ID, &registrar.0), "past", key.clone());
        let day = (begin / DAY_MS) as u32;
        let grants = vec![ppr::NewGrant::new(grant, (day, day))];
        msgs.extend([
            Msg::execute(registrar, &admission("past", InstitutionKind::Provider, me))?,
            Msg::execute(registrar, &case.enrol(1, None, begin))?,
            Msg::execute(ppr, &case.propose(&POLICY))?,
            Msg::execute(ppr, &ppr::ExecuteMsg::accept(&case.id(), 1))?,
            Msg::execute(ppr, &ppr::ExecuteMsg::grant(&case.id(), grants))?,
        ]);
        let gas = Gas { limit: GAS, fee: params.gas_price.fee(GAS) };
        let tx = TxDraft::new(msgs, 1).sign(key, Account { sequence: 0, ..account }, gas, &params)?;
        let [registrar, ppr, summary] = codes;
        Ok((tx.bytes().to_vec(), Codes { registrar, ppr, summary }, contracts))
    }

    /// Hands the transaction over as soon as the node listens. The client would ask for the last
    /// block first, and there is none.
    async fn send(&self, tx: &[u8]) -> Result<()> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let request = json!({
            "jsonrpc": "2.0", "id": 1, "method": "broadcast_tx_sync", "params": {"tx": STANDARD.encode(tx)},
        });
        let body = request.to_string();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let request = http.post(self.url()).header("content-type", "application/json");
            match request.body(body.clone()).send().await {
                Ok(answer) => {
                    let answer: Value = answer.json().await?;
                    ensure!(answer["result"]["code"] == 0, "the transaction was refused: {answer}");
                    return Ok(());
                }
                Err(error) => ensure!(Instant::now() < deadline, "the node does not listen: {error}"),
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// It took effect, in the first block, and that is of then.
    async fn check(&self, client: &WasmdClient, begin: u64) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let block = loop {
            // Before there is a block, the node does not even tell its height.
            if let Ok(Some(block)) = client.block(1).await {
                break block;
            }
            ensure!(Instant::now() < deadline, "there is no first block");
            tokio::time::sleep(GLANCE).await;
        };
        ensure!(block.time_ms == begin, "the first block is of {} and not of {begin}", block.time_ms);
        let [tx] = block.txs.as_slice() else {
            anyhow::bail!("the first block has {} transactions", block.txs.len());
        };
        ensure!(tx.is_ok(), "the transaction of the first block failed: {}", tx.log);
        Ok(())
    }
}

fn instances(me: &str, contracts: Contracts, params: &ChainParams) -> Result<Vec<Msg>> {
    let text = |contract: ContractAddress| contract.to_bech32(&params.prefix);
    let [registrar, ppr, summary] = [contracts.registrar, contracts.ppr, contracts.summary].map(text);
    Ok(vec![
        instantiate(1, &registrar::InstantiateMsg { authority: me.to_owned(), recovery_delay: None })?,
        instantiate(2, &ppr::InstantiateMsg { registrar: registrar.clone() })?,
        instantiate(3, &summary::InstantiateMsg { registrar, ppr })?,
        Msg::execute(contracts.ppr, &ppr::ExecuteMsg::SetSummary { summary })?,
    ])
}

fn instantiate(code_id: u64, msg: &impl Serialize) -> Result<Msg> {
    let label = "casewise of the past".to_owned();
    Ok(Msg::Instantiate { code_id, label, admin: None, msg: serde_json::to_vec(msg)? })
}

/// The address that the chain gives to an instance: `H(H("module") ‖ "wasm" ‖ 0 ‖ code ‖ instance)`.
fn instance(code: u64, instance: u64) -> ContractAddress {
    let kind = sha256(&[b"module"]);
    ContractAddress(sha256(&[&kind, b"wasm", &[0], &code.to_be_bytes(), &instance.to_be_bytes()]))
}

fn params() -> Result<ChainParams> {
    let gas_price = "0.001stake".parse()?;
    Ok(ChainParams { chain_id: CHAIN_ID.to_owned(), prefix: Default::default(), gas_price })
}

fn now_ms() -> Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}

/// Unix ms as a genesis has it.
fn rfc3339(ms: u64) -> String {
    let (days, rest) = (ms / DAY_MS, ms % DAY_MS);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", rest % 1000)
}

/// Year, month and day of a day since 1970 (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_a_genesis_has_them() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_827_696_789), "2000-02-29T12:34:56.789Z");
        assert_eq!(rfc3339(1_735_689_599_999), "2024-12-31T23:59:59.999Z");
    }

    #[test]
    fn the_address_of_a_chains_first_instance() {
        let address = instance(1, 1).to_bech32(&Default::default());
        assert_eq!(address, "wasm14hj2tavq8fpesdwxxcu44rty3hh90vhujrvcmstl4zr3txmfvw9s0phg4d");
    }
}
