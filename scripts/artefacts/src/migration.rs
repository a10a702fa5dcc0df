//! registrar and ppr of the previous version, with data, migrated to the contracts as built.
//!
//! Responsible for what a network in service goes through: everything stored stays as it was, new
//! messages work on it, and there is no way back. Must never start from state that the previous
//! version did not make itself.

use std::{collections::BTreeMap, io::Read, path::Path};

use anyhow::{Context, Result, bail, ensure};
use casewise_chain::{ContractAddress, Contracts, Msg};
use casewise_ledger::{account::AccountKey, case::net as network, grant::DAY_MS, sha256};
use casewise_protocol::{
    convert::{InstitutionKind, LaneStatus, RelationshipStatus},
    ppr, registrar, summary,
};
use casewise_testkit::contracts::{Institution, Lane, anchors, commitment};
use cosmrs::proto::{cosmwasm::wasm::v1::MsgMigrateContract, prost::Message as _};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    kinds::{Contract, Message},
    net::{Net, State},
    people::{Case, POLICY, admission, person},
};

/// Delay of a recovery that the migration sets, seconds.
const RECOVERY_DELAY: u32 = 1;
/// Where a contract keeps its name and version.
const VERSION_KEY: &[u8] = b"contract_info";
/// What a contract answers that refuses another one's state, or newer state.
const NOT_MINE: &str = "another one or newer";
/// What the chain answers to who is not the admin.
const NOT_ADMIN: &str = "unauthorized";

/// Everything, on instances of its own. `previous`: the folder of the version before.
pub async fn run(net: &Net, previous: &Path) -> Result<()> {
    let mut old = Old::deploy(net, previous).await.context("deploying the previous version")?;
    old.fill().await.context("data of the previous version")?;
    let before = old.look().await?;
    old.migrate().await.context("migrating")?;
    unchanged(&before, &old.look().await?)?;
    versions(&old).await?;
    println!("   registrar and ppr are migrated; every record of before reads as before");
    old.go_on().await.context("new messages on old data")?;
    println!("   new messages work on old data");
    old.no_way_back().await.context("what must be refused")?;
    println!("   a downgrade, a foreign contract's code and strangers are refused; summary stays what it is");
    Ok(())
}

/// The previous version's contracts and who uses them.
struct Old<'a> {
    net: &'a Net,
    codes: [u64; 3],
    contracts: Contracts,
    authority: AccountKey,
    one: Institution,
    two: Institution,
    recovery: AccountKey,
    ada: Case,
    ben: Case,
    lane: Lane,
    today: u32,
}

/// What is stored, and what is answered to each question.
struct View {
    states: Vec<State>,
    answers: BTreeMap<String, Value>,
}

impl<'a> Old<'a> {
    async fn deploy(net: &'a Net, previous: &Path) -> Result<Self> {
        let codes = store(net, previous).await?;
        let authority = person("old authority");
        let [one, two] =
            [(1, "old one"), (2, "old two")].map(|(number, name)| Institution { number, key: person(name) });
        let recovery = person("old recovery");
        let holders = ["old ada", "old ada again", "old ben", "old ben again"].map(person);
        let keys = [&authority, &one.key, &two.key, &recovery].map(AccountKey::clone);
        net.fund(&[keys.as_slice(), &holders].concat()).await?;
        let message = json!({"authority": net.text(&authority.address())});
        let registrar = net.instantiate(codes[0], "old registrar", true, &message).await?;
        let message = json!({"registrar": net.address(&registrar)});
        let ppr = net.instantiate(codes[1], "old ppr", true, &message).await?;
        let message = json!({"registrar": net.address(&registrar), "ppr": net.address(&ppr)});
        let summary = net.instantiate(codes[2], "old summary", false, &message).await?;
        let id = network(&net.params.chain_id, &registrar.0);
        let (ada, ben) = (Case::new(id, "old ada"), Case::new(id, "old ben"));
        let lane = Lane::content(&ada.id(), &one, "old lane");
        let today = (net.now().await? / DAY_MS) as u32;
        let contracts = Contracts { registrar, ppr, summary };
        Ok(Self { net, codes, contracts, authority, one, two, recovery, ada, ben, lane, today })
    }

    fn address(&self, contract: Contract) -> ContractAddress {
        match contract {
            Contract::Registrar => self.contracts.registrar,
            Contract::Ppr => self.contracts.ppr,
            Contract::Summary => self.contracts.summary,
        }
    }

    async fn send<M: Message>(&self, key: &AccountKey, messages: &[M]) -> Result<()> {
        let contract = self.address(M::CONTRACT);
        let msgs = messages.iter().map(|message| Msg::execute(contract, message));
        let names = || messages.iter().map(Message::name).collect::<Vec<_>>().join(", ");
        let sent = self.net.send(key, msgs.collect::<Result<_, _>>()?).await;
        sent.map(drop).with_context(|| format!("{} {}", M::CONTRACT.name(), names()))
    }

    /// Institutions, cases, relationships in three states, lanes with heads, grants.
    async fn fill(&mut self) -> Result<()> {
        use ppr::ExecuteMsg as Ppr;
        let net = self.net;
        let text = |key: &AccountKey| net.text(&key.address());
        let set = Ppr::SetSummary { summary: net.address(&self.contracts.summary) };
        self.send(&self.authority, &[set]).await?;
        let admissions = [("one", &self.one.key), ("two", &self.two.key), ("three", &person("old three"))]
            .map(|(name, key)| admission(name, InstitutionKind::Provider, text(key)));
        self.send(&self.authority, &admissions).await?;
        let suspend = registrar::ExecuteMsg::SuspendInstitution { institution: 3 };
        self.send(&self.authority, &[suspend]).await?;
        let now = net.now().await?;
        let recovery = Some((self.recovery.address(), text(&self.recovery)));
        let enrol = [self.ada.enrol(1, recovery, now), self.ben.enrol(1, None, now)];
        self.send(&self.one.key, &enrol).await?;
        self.send(&self.one.key, &[self.ada.propose(&POLICY), self.ben.propose(&POLICY)]).await?;
        let (ada, ben) = (self.ada.id(), self.ben.id());
        self.send(&self.two.key, &[Ppr::propose(&ada, None), Ppr::propose(&ben, None)]).await?;
        let days = (self.today, self.today + 30);
        let grant = |name: &str| ppr::NewGrant::new(&commitment(name), days);
        let of_ada = [
            Ppr::accept(&ada, 1),
            Ppr::grant(&ada, vec![grant("old a"), grant("old b")]),
            Ppr::revoke(&ada, &[commitment("old b")]),
        ];
        self.send(&self.ada.key, &of_ada).await?;
        self.send(&self.ben.key, &[Ppr::accept(&ben, 1), Ppr::decline(&ben, 2)]).await?;
        self.send(&self.one.key, &[Ppr::ack(&ada, 1)]).await?;
        self.write().await
    }

    async fn write(&mut self) -> Result<()> {
        let access = Lane::access(&self.ada.id(), &self.one, "old reads");
        let open = summary::ExecuteMsg::open(&[self.lane.header.clone(), access.header]);
        self.lane.append(5);
        let anchor = summary::ExecuteMsg::anchor(&anchors(vec![self.lane.anchor()]));
        self.send(&self.one.key, &[open, anchor]).await?;
        let seen = summary::ExecuteMsg::seen(&self.ada.id(), &[(self.lane.id(), 4)]);
        self.send(&self.ada.key, &[seen]).await
    }

    /// Everything stored and answered now.
    async fn look(&self) -> Result<View> {
        let height = self.net.height().await?;
        let mut states = Vec::new();
        for contract in Contract::ALL {
            states.push(self.net.state(&self.address(contract), height).await?);
        }
        let mut answers = BTreeMap::new();
        for (contract, question) in self.questions()? {
            let answer = self.net.ask(&self.address(contract), &question).await;
            let name = format!("{} {question}", contract.name());
            answers.insert(name.clone(), answer.context(name)?);
        }
        Ok(View { states, answers })
    }

    /// Every question that the previous version knew.
    fn questions(&self) -> Result<Vec<(Contract, Value)>> {
        let mut all = Vec::new();
        self.questions_to_registrar(&mut all)?;
        for case in [self.ada.id(), self.ben.id()] {
            for query in [
                ppr::QueryMsg::policy(&case),
                ppr::QueryMsg::relationship(&case, 1),
                ppr::QueryMsg::relationship(&case, 2),
                ppr::QueryMsg::relationship(&case, 3),
                ppr::QueryMsg::relationships(&case, None, None),
                ppr::QueryMsg::rev(&case),
                ppr::QueryMsg::acks(&case, None, None),
            ] {
                all.push((Contract::Ppr, serde_json::to_value(query)?));
            }
            for query in [
                summary::QueryMsg::lanes(&case, None, None),
                summary::QueryMsg::case(&case),
                summary::QueryMsg::status(&case, 1),
                summary::QueryMsg::status(&case, 2),
            ] {
                all.push((Contract::Summary, serde_json::to_value(query)?));
            }
        }
        for name in ["old a", "old b", "old c"] {
            all.push((Contract::Ppr, serde_json::to_value(ppr::QueryMsg::grant(&commitment(name)))?));
        }
        all.push((Contract::Ppr, serde_json::to_value(ppr::QueryMsg::Config {})?));
        all.push((Contract::Summary, serde_json::to_value(summary::QueryMsg::Config {})?));
        all.push((Contract::Summary, serde_json::to_value(summary::QueryMsg::lane(&self.lane.id()))?));
        Ok(all)
    }

    fn questions_to_registrar(&self, all: &mut Vec<(Contract, Value)>) -> Result<()> {
        use registrar::QueryMsg;
        let mut queries =
            vec![QueryMsg::Config {}, QueryMsg::Institutions { start_after: None, limit: None }];
        queries.extend((1..=4).map(|number| QueryMsg::Institution { number }));
        for key in [&self.one.key, &self.two.key, &self.ada.key] {
            queries.push(QueryMsg::Operator { account: self.net.text(&key.address()) });
        }
        for case in [&self.ada, &self.ben] {
            queries.push(QueryMsg::identity(&case.id()));
            let [prefix, ..] = registrar::holder_hash(&case.key.address());
            queries.push(QueryMsg::bucket(prefix, None, None));
        }
        for query in queries {
            all.push((Contract::Registrar, serde_json::to_value(query)?));
        }
        Ok(())
    }

    async fn migrate(&self) -> Result<()> {
        let codes = self.net.manifest.codes;
        let registrar = registrar::MigrateMsg { recovery_delay: Some(RECOVERY_DELAY) };
        let sender = self.net.operator();
        let both = vec![
            self.migration(sender, Contract::Registrar, codes.registrar.id, &registrar)?,
            self.migration(sender, Contract::Ppr, codes.ppr.id, &ppr::MigrateMsg {})?,
        ];
        self.net.operate(both).await.map(drop)
    }

    fn migration(
        &self,
        sender: casewise_ledger::Address,
        contract: Contract,
        code_id: u64,
        message: &impl Serialize,
    ) -> Result<Msg> {
        let message = MsgMigrateContract {
            sender: self.net.text(&sender),
            contract: self.net.address(&self.address(contract)),
            code_id,
            msg: serde_json::to_vec(message)?,
        };
        let type_url = "/cosmwasm.wasm.v1.MsgMigrateContract".to_owned();
        Ok(Msg::Raw { type_url, value: message.encode_to_vec() })
    }

    /// The new contracts with the data of the old ones.
    async fn go_on(&mut self) -> Result<()> {
        let config: registrar::ConfigResponse =
            self.net.ask(&self.contracts.registrar, &registrar::QueryMsg::Config {}).await?;
        ensure!(
            config.recovery_delay == RECOVERY_DELAY && config.ppr.is_none() && !config.paused,
            "the migrated registrar starts with {config:?}"
        );
        let ppr = self.net.address(&self.contracts.ppr);
        self.send(&self.authority, &[registrar::ExecuteMsg::SetPpr { ppr }]).await?;
        self.rotate().await?;
        let holder = self.recover().await?;
        self.end_with_old_summary(&holder).await?;
        self.new_summary().await
    }

    async fn rotate(&self) -> Result<()> {
        let (card, key, signature) = self.ben.handover(1, &person("old ben again"));
        let rotate = registrar::ExecuteMsg::Rotate { card, key, signature };
        self.send(&self.ben.key, &[rotate]).await?;
        self.rev(&self.ben, 1).await
    }

    async fn rev(&self, case: &Case, expected: u32) -> Result<()> {
        let found: ppr::RevResponse =
            self.net.ask(&self.contracts.ppr, &ppr::QueryMsg::rev(&case.id())).await?;
        ensure!(found.rev == expected, "rev is {} and not {expected}", found.rev);
        Ok(())
    }

    /// The recovery account that the previous version stored puts another holder in.
    async fn recover(&self) -> Result<AccountKey> {
        use registrar::ExecuteMsg;
        let holder = person("old ada again");
        let (card, key, signature) = self.ada.handover(1, &holder);
        self.send(&self.recovery, &[ExecuteMsg::StartRecovery { card, key, signature }]).await?;
        self.send(&self.one.key, &[ExecuteMsg::AttestRecovery { case: self.ada.hex() }]).await?;
        let query = registrar::QueryMsg::Recovery { case: self.ada.hex() };
        let running: Option<registrar::RecoveryInfo> =
            self.net.ask(&self.contracts.registrar, &query).await?;
        self.net.reach(running.context("the recovery does not run")?.ready.u64()).await?;
        self.send(&holder, &[ExecuteMsg::FinishRecovery { case: self.ada.hex() }]).await?;
        self.rev(&self.ada, 2).await?;
        Ok(holder)
    }

    /// The new holder accepts what was proposed before, and suspends who wrote: the summary of the
    /// previous version still hears ppr, and takes anchors within the grace.
    async fn end_with_old_summary(&mut self, holder: &AccountKey) -> Result<()> {
        use ppr::ExecuteMsg as Ppr;
        let case = self.ada.hex();
        let messages = [
            Ppr::accept(&self.ada.id(), 2),
            Ppr::Suspend { case, institution: 1 },
            Ppr::revoke(&self.ada.id(), &[commitment("old a")]),
        ];
        self.send(holder, &messages).await?;
        for (number, expected) in [(1, RelationshipStatus::Suspended), (2, RelationshipStatus::Active)] {
            let query = ppr::QueryMsg::relationship(&self.ada.id(), number);
            let found: Option<Value> = self.net.ask(&self.contracts.ppr, &query).await?;
            let status = found.context("no relationship")?["status"].clone();
            ensure!(status == expected.as_str(), "relationship with {number} is {status}");
        }
        ensure!(self.old_lane().await?.status == LaneStatus::Closing, "the lane does not close");
        self.lane.append(2);
        let anchor = summary::ExecuteMsg::anchor(&anchors(vec![self.lane.anchor()]));
        self.send(&self.one.key, &[anchor]).await?;
        ensure!(self.old_lane().await?.size == self.lane.anchored, "the closing lane takes no anchor");
        Ok(())
    }

    async fn old_lane(&self) -> Result<summary::LaneInfo> {
        let lane: Option<summary::LaneInfo> =
            self.net.ask(&self.contracts.summary, &summary::QueryMsg::lane(&self.lane.id())).await?;
        lane.context("the lane of the previous version")
    }

    /// A new version of summary is a new instance beside the old one.
    async fn new_summary(&mut self) -> Result<()> {
        let message = summary::InstantiateMsg {
            registrar: self.net.address(&self.contracts.registrar),
            ppr: self.net.address(&self.contracts.ppr),
        };
        let code = self.net.manifest.codes.summary.id;
        let new = self.net.instantiate(code, "new summary", false, &message).await?;
        let set = ppr::ExecuteMsg::SetSummary { summary: self.net.address(&new) };
        self.send(&self.authority, &[set]).await?;
        let old = std::mem::replace(&mut self.contracts.summary, new);
        let mut lane = Lane::content(&self.ada.id(), &self.two, "after the migration");
        lane.header.epoch = 1;
        self.send(&self.two.key, &[summary::ExecuteMsg::open(&[lane.header])]).await?;
        self.contracts.summary = old;
        Ok(())
    }

    /// What must fail, in blocks, and leave everything as it is.
    async fn no_way_back(&self) -> Result<()> {
        let before = self.look().await?;
        let codes = self.net.manifest.codes;
        let [old_registrar, old_ppr, old_summary] = self.codes;
        let (empty, delay) = (json!({}), json!({"recovery_delay": null}));
        let operator = self.net.operator();
        for (contract, code, message, words) in [
            (Contract::Registrar, old_registrar, &empty, NOT_MINE),
            (Contract::Ppr, old_ppr, &empty, NOT_MINE),
            (Contract::Registrar, codes.ppr.id, &empty, NOT_MINE),
            (Contract::Ppr, codes.registrar.id, &delay, NOT_MINE),
            (Contract::Summary, codes.summary.id, &empty, NOT_ADMIN),
            (Contract::Summary, old_summary, &empty, NOT_ADMIN),
        ] {
            let msg = self.migration(operator, contract, code, message)?;
            let what = || format!("{} to code {code}", contract.name());
            self.net.operate_in_vain(msg, words).await.with_context(what)?;
        }
        let stranger = &self.authority;
        let msg = self.migration(stranger.address(), Contract::Ppr, codes.ppr.id, &empty)?;
        self.net.fail(stranger, msg, NOT_ADMIN).await.context("a stranger's migration")?;
        let after = self.look().await?;
        ensure!(before.states == after.states, "a refused migration changed what is stored");
        for (contract, code) in [
            (Contract::Registrar, codes.registrar.id),
            (Contract::Ppr, codes.ppr.id),
            (Contract::Summary, old_summary),
        ] {
            let info = casewise_chain::Chain::contract(&self.net.client, &self.address(contract)).await?;
            ensure!(info.is_some_and(|info| info.code_id == code), "{} runs other code", contract.name());
        }
        Ok(())
    }
}

/// Stores the three codes of a folder, each checked against `checksums.txt`.
async fn store(net: &Net, previous: &Path) -> Result<[u64; 3]> {
    let sums = std::fs::read_to_string(previous.join("checksums.txt"))
        .with_context(|| format!("{} holds no previous version", previous.display()))?;
    let mut msgs = Vec::new();
    let mut expected = Vec::new();
    for contract in Contract::ALL {
        let name = format!("casewise_{}.wasm", contract.name());
        let packed = std::fs::read(previous.join(format!("{name}.gz"))).with_context(|| name.clone())?;
        let mut wasm = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut wasm)?;
        let sum = hex::encode(sha256(&[&wasm]));
        ensure!(
            sums.lines().any(|line| line == format!("{sum}  {name}")),
            "{name} is not what checksums.txt names"
        );
        expected.push(sum);
        msgs.push(Msg::StoreCode { wasm: packed, instantiate_by: vec![net.operator()] });
    }
    let included = net.operate(msgs).await?;
    let stored = included.tx.events.iter().filter(|event| event.kind == "store_code");
    let mut codes = Vec::new();
    for (event, sum) in stored.zip(&expected) {
        ensure!(event.attribute("code_checksum") == Some(sum), "the chain stored another code");
        codes.push(event.attribute("code_id").context("no code id")?.parse()?);
    }
    codes.try_into().ok().context("not three codes were stored")
}

/// Everything of before is still there and says the same. More may be there.
fn unchanged(before: &View, after: &View) -> Result<()> {
    for (contract, (old, new)) in Contract::ALL.into_iter().zip(before.states.iter().zip(&after.states)) {
        for (key, value) in old.iter().filter(|(key, _)| *key != VERSION_KEY) {
            let same = new.get(key) == Some(value);
            ensure!(same, "{}: record {} was changed", contract.name(), String::from_utf8_lossy(key));
        }
    }
    for (question, old) in &before.answers {
        let new = after.answers.get(question).context("a question was not asked again")?;
        if let Err(place) = says(old, new) {
            bail!("{question}: {place} is answered otherwise");
        }
    }
    Ok(())
}

/// Whether `new` says all that `old` says; else where it does not.
fn says(old: &Value, new: &Value) -> Result<(), String> {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => old.iter().try_for_each(|(key, value)| {
            let new = new.get(key).ok_or_else(|| key.clone())?;
            says(value, new).map_err(|place| format!("{key}.{place}"))
        }),
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => old
            .iter()
            .zip(new)
            .enumerate()
            .try_for_each(|(i, (old, new))| says(old, new).map_err(|place| format!("{i}.{place}"))),
        _ if old == new => Ok(()),
        _ => Err(format!("{old} → {new}")),
    }
}

/// The migrated contracts have the version as built, summary the one it was made with.
async fn versions(old: &Old<'_>) -> Result<()> {
    let built = env!("CARGO_PKG_VERSION");
    let states = old.look().await?.states;
    for (contract, state) in Contract::ALL.into_iter().zip(&states) {
        let stored: Value = serde_json::from_slice(state.get(VERSION_KEY).context("no version")?)?;
        let name = format!("casewise-{}", contract.name());
        ensure!(stored["contract"] == name.as_str(), "{name} is stored as {stored}");
        let migrated = contract != Contract::Summary;
        ensure!((stored["version"] == built) == migrated, "{name} has version {}", stored["version"]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_may_be_said_and_nothing_less_or_else() {
        let old = json!({"a": 1, "list": [{"b": null}]});
        for new in
            [json!({"a": 1, "list": [{"b": null}]}), json!({"a": 1, "list": [{"b": null, "c": 2}], "d": 3})]
        {
            assert_eq!(says(&old, &new), Ok(()));
        }
        for (new, place) in [
            (json!({"a": 2, "list": [{"b": null}]}), "a.1 → 2"),
            (json!({"list": [{"b": null}]}), "a"),
            (json!({"a": 1, "list": []}), "list.[{\"b\":null}] → []"),
            (json!({"a": 1, "list": [{"b": 0}]}), "list.0.b.null → 0"),
        ] {
            assert_eq!(says(&old, &new), Err(place.to_owned()));
        }
    }
}
