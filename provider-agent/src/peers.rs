//! Other institutions' agents, as this agent speaks to them.
//!
//! Responsible for: the world that `casewise-client` reads through, made of this agent's ports:
//! HTTP, clocks, chance, and the public facts of the projection. Requests are signed with the
//! operator key. Must never take a fact about another institution from that institution.

use std::sync::Arc;

use async_trait::async_trait;
use casewise_chain::ChainExt;
use casewise_client::ports::{self, Directory, Http, Institution};
use casewise_client::{Agent, ClientError, Reader, World};
use casewise_ledger::case::kem_hash;
use casewise_ledger::records::{InstitutionStatus, LaneRecord, ns};
use casewise_ledger::{Address, LaneId};
use casewise_seal::KemPublic;

use crate::AgentError;
use crate::app::App;
use crate::store::{ReadingWrite, StoreError, Write};

/// The way to other agents.
pub struct Peers {
    app: Arc<App>,
    http: Arc<dyn Http>,
}

impl Peers {
    /// Over this HTTP.
    pub fn new(app: Arc<App>, http: Arc<dyn Http>) -> Self {
        Self { app, http }
    }

    fn world(&self) -> World<'_> {
        World { http: &*self.http, clock: self, random: self, directory: self, net: self.app.net }
    }

    /// This institution as a reader at others.
    pub fn reader(&self) -> Reader<'_> {
        Reader::new(self.world(), self.app.config.institution, &self.app.keys.operator)
    }

    /// The agent of an institution.
    pub async fn agent(&self, institution: u32) -> Result<Agent<'_>, ClientError> {
        Agent::find(self.world(), institution, &self.app.keys.operator).await
    }

    /// The present X-Wing key of an institution: the one kept, or else fetched from its agent,
    /// checked against the registrar and kept.
    pub async fn kem_key(&self, institution: u32) -> Result<KemPublic, AgentError> {
        if let Some(key) = kept_kem_key(&self.app, institution).await? {
            return Ok(key);
        }
        let fetched = async { self.agent(institution).await?.info().await };
        let info = fetched.await.map_err(AgentError::broken)?;
        let bytes = info.kem_key.to_array().map_err(AgentError::broken)?;
        let key = KemPublic::from_bytes(&bytes).map_err(AgentError::broken)?;
        self.app.committer.commit(vec![Write::Reading(ReadingWrite::KemKey(Box::new(bytes)))]).await?;
        Ok(key)
    }
}

/// The present X-Wing key of an institution, if it is kept here.
pub async fn kept_kem_key(app: &App, institution: u32) -> Result<Option<KemPublic>, AgentError> {
    let Some(listed) = app.store.institution(institution).await? else { return Ok(None) };
    let Some(bytes) = app.store.kem_key(&listed.record.kem).await? else { return Ok(None) };
    if kem_hash(&bytes) != listed.record.kem {
        return Err(AgentError::broken("a kept institution key does not have the hash it is kept under"));
    }
    KemPublic::from_bytes(&bytes).map(Some).map_err(AgentError::broken)
}

fn store_error(error: StoreError) -> ClientError {
    ClientError::Store { reason: error.to_string() }
}

#[async_trait]
impl Directory for Peers {
    async fn institution(&self, number: u32) -> Result<Option<Institution>, ClientError> {
        let found = self.app.store.institution(number).await.map_err(store_error)?;
        Ok(found.map(|view| Institution {
            number,
            name: view.record.name,
            endpoint: view.endpoint,
            kem: view.record.kem,
            kem_epoch: view.record.kem_epoch,
            active: view.record.status == InstitutionStatus::Active,
        }))
    }

    async fn operator(&self, account: &Address) -> Result<Option<u32>, ClientError> {
        self.app.store.operator(account).await.map_err(store_error)
    }

    async fn lane(&self, lane: &LaneId, height: Option<u64>) -> Result<Option<LaneRecord>, ClientError> {
        Ok(self.app.chain.record(&self.app.contracts.summary, ns::LANE, &lane.0, height).await?)
    }
}

#[async_trait]
impl ports::Clock for Peers {
    fn now_ms(&self) -> u64 {
        self.app.clock.now()
    }

    async fn sleep_ms(&self, ms: u64) {
        self.app.clock.sleep(ms).await;
    }
}

impl ports::Random for Peers {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), ClientError> {
        self.app.random.fill(bytes).map_err(|error| ClientError::Randomness { reason: error.to_string() })
    }
}
