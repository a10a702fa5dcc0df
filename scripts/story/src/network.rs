//! A localnet, driven by `scripts/localnet`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use casewise_chain::{Chain, Manifest, WasmdClient};
use serde_json::Value;

use crate::command;

/// One network of this machine.
pub struct Network {
    /// Its folder.
    pub dir: PathBuf,
    script: PathBuf,
    base_port: u16,
    chain_id: String,
    manifest: Option<Manifest>,
    /// How long a recovery waits, seconds; the contract's own time when there is none.
    pub recovery_delay: Option<u32>,
}

impl Network {
    /// A network that is not up yet.
    pub fn new(repository: &Path, dir: PathBuf, base_port: u16, chain_id: &str) -> Self {
        let script = repository.join("scripts/localnet");
        Self { dir, script, base_port, chain_id: chain_id.into(), manifest: None, recovery_delay: None }
    }

    /// Starts it, or starts it again.
    pub async fn up(&mut self) -> Result<String> {
        let port = self.base_port.to_string();
        let dir = self.dir.to_string_lossy().into_owned();
        let mut args = vec!["up", "--dir", &dir, "--base-port", &port, "--chain-id", &self.chain_id];
        let delay = self.recovery_delay.map(|seconds| seconds.to_string());
        args.extend(delay.iter().flat_map(|seconds| ["--recovery-delay", seconds.as_str()]));
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

    /// Writes every transaction's bytes, one file for each block.
    pub async fn dump_transactions(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        let node = self.manifest()?.endpoints.first().context("the manifest names no node")?;
        for height in 1..=self.height().await? {
            let block: Value = reqwest::get(format!("{node}/block?height={height}")).await?.json().await?;
            let txs = block["result"]["block"]["data"]["txs"].as_array();
            let txs = txs.with_context(|| format!("the node gives no block {height}"))?;
            let mut bytes = Vec::new();
            for tx in txs {
                bytes.extend(STANDARD.decode(tx.as_str().context("a transaction that is not text")?)?);
            }
            if !bytes.is_empty() {
                std::fs::write(folder.join(format!("block-{height}")), bytes)?;
            }
        }
        Ok(())
    }

    /// Writes the whole state as the node exports it. The network must be down.
    pub async fn dump_state(&self, folder: &Path) -> Result<()> {
        let wasmd =
            std::env::var_os("CASEWISE_WASMD").context("CASEWISE_WASMD is not set; use scripts/demo")?;
        let home = self.dir.join("node0");
        let args = ["export".as_ref(), "--home".as_ref(), home.as_os_str()];
        let state = command::succeed(Path::new(&wasmd), &args).await?;
        anyhow::ensure!(state.contains("\"wasm\""), "the export holds no contracts");
        std::fs::write(folder.join("state.json"), state)?;
        Ok(())
    }
}
