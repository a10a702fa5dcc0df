//! A localnet, driven by `scripts/localnet`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use casewise_chain::{Chain, Manifest, WasmdClient};

use crate::command;

/// One network of this machine.
pub struct Network {
    /// Its folder.
    pub dir: PathBuf,
    script: PathBuf,
    base_port: u16,
    chain_id: String,
    manifest: Option<Manifest>,
}

impl Network {
    /// A network that is not up yet.
    pub fn new(repository: &Path, dir: PathBuf, base_port: u16, chain_id: &str) -> Self {
        let script = repository.join("scripts/localnet");
        Self { dir, script, base_port, chain_id: chain_id.into(), manifest: None }
    }

    /// Starts it, or starts it again.
    pub async fn up(&mut self) -> Result<String> {
        let port = self.base_port.to_string();
        let dir = self.dir.to_string_lossy().into_owned();
        let args = ["up", "--dir", &dir, "--base-port", &port, "--chain-id", &self.chain_id];
        let said = command::succeed(&self.script, &args).await?;
        self.manifest = Some(Manifest::load(&self.manifest_file())?);
        let line = said.lines().find(|line| line.contains("block time")).unwrap_or_default();
        Ok(line.trim().to_string())
    }

    /// Stops its processes; its data stays.
    pub async fn down(&self) -> Result<()> {
        command::succeed(&self.script, &["down", "--dir", &self.dir.to_string_lossy()]).await.map(drop)
    }

    /// The manifest that agents and the command line read.
    pub fn manifest_file(&self) -> PathBuf {
        self.dir.join("manifest.json")
    }

    /// The manifest.
    pub fn manifest(&self) -> Result<&Manifest> {
        self.manifest.as_ref().context("the network is not up")
    }

    /// The consortium's key.
    pub fn operator_mnemonic(&self) -> PathBuf {
        self.dir.join("operator.mnemonic")
    }

    /// A client of its node.
    pub fn client(&self) -> Result<WasmdClient> {
        Ok(self.manifest()?.client()?)
    }

    /// Height of the newest block.
    pub async fn height(&self) -> Result<u64> {
        Ok(self.client()?.tip().await?.height)
    }

    /// Transactions in all blocks, and the gas they used.
    pub async fn totals(&self) -> Result<(u64, u64)> {
        let client = self.client()?;
        let (mut transactions, mut gas) = (0, 0);
        for height in client.earliest_height().await?..=client.tip().await?.height {
            let Some(block) = client.block(height).await? else { break };
            transactions += block.txs.len() as u64;
            gas += block.txs.iter().map(|tx| tx.gas_used).sum::<u64>();
        }
        Ok((transactions, gas))
    }
}
