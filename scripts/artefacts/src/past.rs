//! A network that has a grant whose last day is over, without waiting for midnight: its state is
//! exported, the grant's days are put back, and it goes on from there.
//!
//! Everything else of that state the contracts made themselves. Must never touch a network that
//! others use.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use casewise_chain::Msg;
use casewise_ledger::{
    Commitment,
    case::net as network,
    decode, encode,
    grant::DAY_MS,
    records::{GrantRecord, GrantStatus, ns, record_key},
};
use casewise_protocol::{convert::InstitutionKind, ppr};
use casewise_testkit::contracts::commitment;
use serde_json::{Value, json};

use crate::{
    command,
    net::Net,
    people::{Case, POLICY, admission},
};

/// Its id.
const CHAIN_ID: &str = "casewise-past-1";
/// How far the grant's days are put back.
const DAYS: u32 = 2;

/// The network, with its grant, as `scripts/localnet` runs it.
pub struct Past {
    /// Open, with the contracts pinned.
    pub net: Net,
    /// The grant whose last day is over; its holder is the operator.
    pub grant: Commitment,
}

/// Where everything is.
struct Place<'a> {
    repository: &'a Path,
    dir: PathBuf,
    base_port: u16,
}

/// Makes the network in `scratch`. Its caller resets it.
pub async fn make(repository: &Path, scratch: &Path, base_port: u16) -> Result<Past> {
    let place = Place { repository, dir: scratch.join("past"), base_port };
    place.localnet("up").await?;
    let net = Net::open(&place.dir)?;
    let grant = commitment("a grant of one day");
    give(&net, &grant).await.context("a grant of today")?;
    place.localnet("down").await?;
    place.put_back(&net.address(&net.manifest.contracts.ppr), &grant).await?;
    place.localnet("up").await?;
    Ok(Past { net: Net::open(&place.dir)?, grant })
}

/// One institution whose main account is the holder as well, one case, one grant of today.
async fn give(net: &Net, grant: &Commitment) -> Result<()> {
    let contracts = net.manifest.contracts;
    let id = network(&net.params.chain_id, &contracts.registrar.0);
    let case = Case::of(id, "past", net.operator_key().clone());
    let now = net.now().await?;
    let day = (now / DAY_MS) as u32;
    let grants = vec![ppr::NewGrant::new(grant, (day, day))];
    let admission = admission("past", InstitutionKind::Provider, net.text(&net.operator()));
    let msgs = vec![
        Msg::execute(contracts.registrar, &admission)?,
        Msg::execute(contracts.registrar, &case.enrol(1, None, now))?,
        Msg::execute(contracts.ppr, &case.propose(&POLICY))?,
        Msg::execute(contracts.ppr, &ppr::ExecuteMsg::accept(&case.id(), 1))?,
        Msg::execute(contracts.ppr, &ppr::ExecuteMsg::grant(&case.id(), grants))?,
    ];
    net.operate(msgs).await.map(drop)
}

impl Place<'_> {
    async fn localnet(&self, command: &str) -> Result<()> {
        let (dir, port) = (self.dir.to_string_lossy(), self.base_port.to_string());
        let script = self.repository.join("scripts/localnet");
        let args = [command, "--dir", &dir, "--base-port", &port, "--chain-id", CHAIN_ID];
        command::succeed(&script, &args).await.map(drop)
    }

    /// The state that the node exports becomes the genesis of the same network, but for the days
    /// of the grant.
    async fn put_back(&self, ppr: &str, grant: &Commitment) -> Result<()> {
        let wasmd =
            std::env::var_os("CASEWISE_WASMD").context("CASEWISE_WASMD is not set; use scripts/gas")?;
        let (wasmd, home) = (Path::new(&wasmd), self.dir.join("node0"));
        let at_home = ["--home".as_ref(), home.as_os_str()];
        let state = command::succeed(wasmd, &[&["export".as_ref()], at_home.as_slice()].concat()).await?;
        let mut genesis: Value = serde_json::from_str(&state).context("the exported state")?;
        age(&mut genesis, ppr, grant)?;
        let reset = ["comet".as_ref(), "unsafe-reset-all".as_ref()];
        command::succeed(wasmd, &[reset.as_slice(), &at_home].concat()).await?;
        Ok(std::fs::write(home.join("config/genesis.json"), serde_json::to_vec(&genesis)?)?)
    }
}

/// Puts the days of a grant back by [`DAYS`].
fn age(genesis: &mut Value, ppr: &str, grant: &Commitment) -> Result<()> {
    let contracts = genesis["app_state"]["wasm"]["contracts"].as_array_mut();
    let mut contracts = contracts.context("the state has no contracts")?.iter_mut();
    let contract = contracts.find(|contract| contract["contract_address"] == ppr);
    let state = contract.and_then(|contract| contract["contract_state"].as_array_mut());
    let key = hex::encode_upper(record_key(ns::GRANT, &grant.0));
    let mut models = state.context("the state has no ppr")?.iter_mut();
    let model = models.find(|model| model["key"] == key.as_str()).context("the state has no such grant")?;
    let value = STANDARD.decode(model["value"].as_str().context("a grant without value")?)?;
    let mut record: GrantRecord = decode(&value)?;
    ensure!(record.status == GrantStatus::Live, "the grant is not live");
    record.first = record.first.checked_sub(DAYS).context("a first day before 1970")?;
    record.last = record.last.checked_sub(DAYS).context("a last day before 1970")?;
    model["value"] = json!(STANDARD.encode(encode(&record)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use casewise_ledger::{CaseId, V1};

    fn record(first: u32, last: u32) -> GrantRecord {
        GrantRecord { version: V1, case: CaseId([1; 32]), status: GrantStatus::Live, first, last }
    }

    #[test]
    fn only_the_days_of_the_grant_change() {
        let grant = commitment("x");
        let key = hex::encode_upper(record_key(ns::GRANT, &grant.0));
        let genesis = |record: &GrantRecord| {
            let state = json!([
                {"key": "00", "value": "AA=="},
                {"key": key, "value": STANDARD.encode(encode(record))},
            ]);
            json!({"app_state": {"wasm": {"contracts": [
                {"contract_address": "other", "contract_state": []},
                {"contract_address": "ppr", "contract_state": state},
            ]}}})
        };
        let mut aged = genesis(&record(10, 11));
        age(&mut aged, "ppr", &grant).unwrap();
        assert_eq!(aged, genesis(&record(8, 9)));
        assert!(age(&mut aged, "ppr", &commitment("y")).is_err(), "another grant");
        assert!(age(&mut aged, "registrar", &grant).is_err(), "another contract");
        assert!(age(&mut genesis(&record(1, 1)), "ppr", &grant).is_err(), "before 1970");
    }
}
