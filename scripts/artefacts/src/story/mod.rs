//! The story that sends every message of the contracts, with real keys, signatures and proofs, and
//! notes what each cost.
//!
//! Responsible for an instance of each contract of its own. Must never count a message that did
//! not do what it is for.

mod anchors;
mod care;
mod completion;
mod identity;
mod institutions;
mod lanes;
mod opening;

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use casewise_chain::{ContractAddress, Contracts, Included, Msg};
use casewise_ledger::{Commitment, account::AccountKey, case::net as network};
use casewise_protocol::{Event, events, ppr, registrar, summary};

use crate::{
    kinds::{self, Contract, Message},
    measure::{Figures, Snapshot},
    net::{Net, State},
    people::Cast,
};

/// Delay of a recovery on the story's registrar, seconds.
const RECOVERY_DELAY: u32 = 1;

/// The story as far as it is told.
pub struct Story<'a> {
    net: &'a Net,
    contracts: Contracts,
    cast: Cast,
    /// Block of the last message.
    height: u64,
    /// What the contracts had stored then, if that was looked at.
    states: Option<Vec<State>>,
    sent: BTreeSet<String>,
    found: Snapshot,
}

/// Tells all of it on fresh instances of the manifest's codes.
pub async fn tell(net: &Net) -> Result<(Snapshot, BTreeSet<String>)> {
    let mut story = Story::begin(net).await?;
    institutions::run(&mut story).await.context("institutions")?;
    opening::run(&mut story).await.context("opening a case")?;
    care::run(&mut story).await.context("relationships and grants")?;
    lanes::run(&mut story).await.context("lanes")?;
    completion::run(&mut story).await.context("completion")?;
    identity::run(&mut story).await.context("claim and recovery")?;
    anchors::run(&mut story).await.context("anchors")?;
    Ok((story.found, story.sent))
}

/// The one message that needs a grant whose last day is over, on a network that has one of its
/// operator.
pub async fn expire(net: &Net, commitment: &Commitment) -> Result<(Snapshot, BTreeSet<String>)> {
    let mut story = Story::on(net, net.manifest.contracts, Cast::new()).await?;
    story.measure(net.operator_key(), &ppr::ExecuteMsg::expire(commitment)).await?;
    Ok((story.found, story.sent))
}

impl<'a> Story<'a> {
    async fn begin(net: &'a Net) -> Result<Self> {
        let cast = Cast::new();
        net.fund(&cast.keys()).await.context("coins for the cast")?;
        let codes = net.manifest.codes;
        let message = registrar::InstantiateMsg {
            authority: net.text(&cast.authority.address()),
            recovery_delay: Some(RECOVERY_DELAY),
        };
        let registrar = net.instantiate(codes.registrar.id, "registrar", true, &message).await?;
        let message = ppr::InstantiateMsg { registrar: net.address(&registrar) };
        let ppr = net.instantiate(codes.ppr.id, "ppr", true, &message).await?;
        let message = summary::InstantiateMsg { registrar: net.address(&registrar), ppr: net.address(&ppr) };
        let summary = net.instantiate(codes.summary.id, "summary", false, &message).await?;
        Self::on(net, Contracts { registrar, ppr, summary }, cast).await
    }

    async fn on(net: &'a Net, contracts: Contracts, mut cast: Cast) -> Result<Self> {
        cast.join_network(network(&net.params.chain_id, &contracts.registrar.0));
        let height = net.height().await?;
        Ok(Self {
            net,
            contracts,
            cast,
            height,
            states: None,
            sent: BTreeSet::new(),
            found: Snapshot::default(),
        })
    }

    fn address(&self, contract: Contract) -> ContractAddress {
        match contract {
            Contract::Registrar => self.contracts.registrar,
            Contract::Ppr => self.contracts.ppr,
            Contract::Summary => self.contracts.summary,
        }
    }

    /// Messages in one transaction that belong to the story but are not measured here.
    async fn send<M: Message>(&mut self, key: &AccountKey, messages: &[M]) -> Result<Included> {
        let contract = self.address(M::CONTRACT);
        let msgs = messages.iter().map(|message| Msg::execute(contract, message));
        let included = self.net.send(key, msgs.collect::<Result<_, _>>()?).await;
        let names = || messages.iter().map(Message::name).collect::<Vec<_>>().join(", ");
        let included = included.with_context(|| format!("{} {}", M::CONTRACT.name(), names()))?;
        self.height = included.height;
        self.states = None;
        Ok(included)
    }

    /// Sends a message and notes what it cost, under its name.
    async fn measure<M: Message>(&mut self, key: &AccountKey, message: &M) -> Result<Included> {
        self.measure_as("", key, message).await
    }

    /// The same under its name and a circumstance.
    async fn measure_as<M: Message>(
        &mut self,
        circumstance: &str,
        key: &AccountKey,
        message: &M,
    ) -> Result<Included> {
        let name = kinds::row::<M>(message.name());
        let row = if circumstance.is_empty() { name.clone() } else { format!("{name}: {circumstance}") };
        let before = match self.states.take() {
            Some(states) => states,
            None => self.look().await?,
        };
        let contract = self.address(M::CONTRACT);
        let (included, cost) = self.net.cost(key, contract, message).await.with_context(|| row.clone())?;
        self.height = included.height;
        let after = self.look().await?;
        let (bytes, records) = (size(&after).0 - size(&before).0, size(&after).1 - size(&before).1);
        self.states = Some(after);
        let figures = Figures {
            gas: cost.gas,
            transaction: cost.bytes as u64,
            beyond: cost.beyond as u64,
            state: bytes,
            records,
        };
        self.found.fee = self.found.fee.max(cost.fee_gas);
        self.note_inside(&row, M::CONTRACT, &included);
        self.sent.insert(name);
        let twice = self.found.messages.insert(row.clone(), figures);
        ensure!(twice.is_none(), "{row} is measured twice");
        println!("   {row}: {} gas", cost.gas);
        Ok(included)
    }

    async fn look(&self) -> Result<Vec<State>> {
        let of =
            |contract: Contract| async move { self.net.state(&self.address(contract), self.height).await };
        futures::future::try_join_all(Contract::ALL.map(of)).await
    }

    /// Notes what one contract told another in this transaction: messages that no account can send.
    fn note_inside(&mut self, row: &str, sender: Contract, included: &Included) {
        let told = |contract: Contract| {
            let address = self.net.address(&self.address(contract));
            included.tx.events.iter().any(|event| {
                event.kind == "execute" && event.attribute("_contract_address") == Some(&address)
            })
        };
        let name = match sender {
            Contract::Registrar if told(Contract::Ppr) => "ppr.holder_changed",
            Contract::Ppr if told(Contract::Summary) => "summary.closing",
            _ => return,
        };
        self.sent.insert(name.to_owned());
        self.found.inside.entry(name.to_owned()).or_default().push(row.to_owned());
    }

    /// Our events of a transaction.
    fn events(&self, included: &Included) -> Result<Vec<Event>> {
        let ours = |address: &str| {
            Contract::ALL.map(|c| self.net.address(&self.address(c))).contains(&address.to_owned())
        };
        let mut found = Vec::new();
        for event in &included.tx.events {
            if events::contract(&event.attributes).is_some_and(ours) {
                found.extend(Event::parse(&event.kind, &event.attributes)?);
            }
        }
        Ok(found)
    }

    async fn registrar<T: serde::de::DeserializeOwned>(&self, query: &registrar::QueryMsg) -> Result<T> {
        self.net.ask(&self.contracts.registrar, query).await
    }

    async fn ppr<T: serde::de::DeserializeOwned>(&self, query: &ppr::QueryMsg) -> Result<T> {
        self.net.ask(&self.contracts.ppr, query).await
    }

    async fn summary<T: serde::de::DeserializeOwned>(&self, query: &summary::QueryMsg) -> Result<T> {
        self.net.ask(&self.contracts.summary, query).await
    }
}

/// Bytes of keys and values, and how many.
fn size(states: &[State]) -> (i64, i64) {
    let bytes: usize = states.iter().flatten().map(|(key, value)| key.len() + value.len()).sum();
    let records: usize = states.iter().map(State::len).sum();
    (bytes as i64, records as i64)
}
