//! The network: sending, waiting, looking at everything that contracts have stored.
//!
//! Responsible for one transaction at a time of each key, and for what it cost. Must never report
//! the cost of a transaction that did not take effect.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use casewise_chain::{
    Allowance, Block, Chain, ChainError, ChainExt, ChainParams, ContractAddress, Gas, Included, Manifest,
    Msg, PeriodicLimit, SubmitOptions, TxDraft, WasmdClient, account_of, account_to_bech32,
    key_from_mnemonic, send_and_wait, submit_and_wait,
};
use casewise_ledger::{Address, account::AccountKey};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{sync::Mutex, time::Instant};

/// Gas limit in percent of the simulated use.
const GAS_PERCENT: u32 = 130;
/// Blocks for which a transaction is valid.
const TIMEOUT_BLOCKS: u64 = 60;
/// Gas limit of a transaction that is meant to fail in its block.
const GAS_TO_FAIL: u64 = 3_000_000;
/// Coins of an actor: far more than its fees.
const FUNDS: u128 = 1_000_000;
/// Between two looks at a condition.
const GLANCE: Duration = Duration::from_millis(50);
/// Longest wait for the chain's time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything that a contract has stored.
pub type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// A network with the key that may upload.
pub struct Net {
    /// The client of its node.
    pub client: WasmdClient,
    /// Chain id, prefix, gas price.
    pub params: ChainParams,
    /// What `scripts/localnet` deployed and pinned.
    pub manifest: Manifest,
    operator: AccountKey,
    operating: Mutex<()>,
}

/// What a transaction cost.
pub struct Cost {
    /// Gas it used in its block, without what its fee took.
    pub gas: u64,
    /// Gas that its fee took.
    pub fee_gas: u64,
    /// Its bytes.
    pub bytes: usize,
    /// Its bytes beyond those of a call with an empty message.
    pub beyond: usize,
}

impl Net {
    /// The network that `scripts/localnet` keeps in `dir`.
    pub fn open(dir: &Path) -> Result<Self> {
        let manifest = Manifest::load(&dir.join("manifest.json"))?;
        let phrase = std::fs::read_to_string(dir.join("operator.mnemonic"))
            .with_context(|| format!("{} has no operator.mnemonic", dir.display()))?;
        Ok(Self {
            client: manifest.client()?,
            params: manifest.params.clone(),
            manifest,
            operator: key_from_mnemonic(&phrase, 0)?,
            operating: Mutex::new(()),
        })
    }

    /// The operator's key, for a network that nobody else uses.
    pub fn operator_key(&self) -> &AccountKey {
        &self.operator
    }

    /// The operator's account.
    pub fn operator(&self) -> Address {
        self.operator.address()
    }

    /// An account as messages name it.
    pub fn text(&self, account: &Address) -> String {
        account_to_bech32(account, &self.params.prefix)
    }

    /// A contract as messages name it.
    pub fn address(&self, contract: &ContractAddress) -> String {
        contract.to_bech32(&self.params.prefix)
    }

    /// Messages of the operator.
    pub async fn operate(&self, msgs: Vec<Msg>) -> Result<Included> {
        let _one_at_a_time = self.operating.lock().await;
        self.send(&self.operator, msgs).await
    }

    /// Messages of the operator that must fail in their block, with these words.
    pub async fn operate_in_vain(&self, msg: Msg, words: &str) -> Result<()> {
        let _one_at_a_time = self.operating.lock().await;
        self.fail(&self.operator, msg, words).await
    }

    /// Messages in one transaction.
    pub async fn send(&self, key: &AccountKey, msgs: Vec<Msg>) -> Result<Included> {
        let options = SubmitOptions {
            gas_percent: GAS_PERCENT,
            timeout_blocks: TIMEOUT_BLOCKS,
            ..SubmitOptions::default()
        };
        Ok(submit_and_wait(&self.client, key, msgs, &self.params, &options).await?)
    }

    /// A message that gets into a block and must fail there, with these words.
    pub async fn fail(&self, key: &AccountKey, msg: Msg, words: &str) -> Result<()> {
        let tip = self.client.tip().await?.height;
        let account = account_of(&self.client, &key.address()).await?;
        let gas = Gas { limit: GAS_TO_FAIL, fee: self.params.gas_price.fee(GAS_TO_FAIL) };
        let draft = TxDraft::new(vec![msg], tip + TIMEOUT_BLOCKS);
        let tx = draft.sign(key, account, gas, &self.params)?;
        match send_and_wait(&self.client, &tx, tip, &SubmitOptions::default()).await {
            Err(ChainError::Failed { log, .. }) if log.contains(words) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("it should fail with {words:?}")),
            Ok(_) => bail!("it took effect and should fail with {words:?}"),
        }
    }

    /// One call of a contract, and what it cost.
    pub async fn cost(
        &self,
        key: &AccountKey,
        contract: ContractAddress,
        msg: &impl Serialize,
    ) -> Result<(Included, Cost)> {
        let tip = self.client.tip().await?.height;
        let account = account_of(&self.client, &key.address()).await?;
        let draft = TxDraft::new(vec![Msg::execute(contract, msg)?], tip + TIMEOUT_BLOCKS);
        // The same transaction without a fee: the difference is what the fee takes.
        let free = ChainParams { gas_price: format!("0{}", self.denom()).parse()?, ..self.params.clone() };
        let estimate = async |params| draft.estimate(&self.client, &key.public(), account, params, 100).await;
        let (with_fee, without) = (estimate(&self.params).await?.limit, estimate(&free).await?.limit);
        let fee_gas = with_fee.checked_sub(without).context("a fee that gives gas back")?;
        let limit = with_fee * u64::from(GAS_PERCENT) / 100;
        let gas = Gas { limit, fee: self.params.gas_price.fee(limit) };
        let tx = draft.sign(key, account, gas, &self.params)?;
        let empty = TxDraft { msgs: vec![Msg::Execute { contract, msg: Vec::new() }], ..draft.clone() };
        let envelope = empty.sign(key, account, gas, &self.params)?.bytes().len();
        let bytes = tx.bytes().len();
        let included = send_and_wait(&self.client, &tx, tip, &SubmitOptions::default()).await?;
        let gas = included.tx.gas_used.checked_sub(fee_gas).context("less gas than its fee takes")?;
        Ok((included, Cost { gas, fee_gas, bytes, beyond: bytes - envelope }))
    }

    /// Gas that the fee of a call takes when an allowance of `granter` pays it.
    pub async fn allowance_gas(
        &self,
        key: &AccountKey,
        contract: ContractAddress,
        msg: &impl Serialize,
        granter: Address,
    ) -> Result<u64> {
        let tip = self.client.tip().await?.height;
        let account = account_of(&self.client, &key.address()).await?;
        let free = ChainParams { gas_price: format!("0{}", self.denom()).parse()?, ..self.params.clone() };
        let own = TxDraft::new(vec![Msg::execute(contract, msg)?], tip + TIMEOUT_BLOCKS);
        let granted = TxDraft { fee_granter: Some(granter), ..own.clone() };
        let paid = granted.estimate(&self.client, &key.public(), account, &self.params, 100).await?.limit;
        let without = own.estimate(&self.client, &key.public(), account, &free, 100).await?.limit;
        paid.checked_sub(without).context("an allowance that gives gas back")
    }

    /// An allowance for fees of contract messages, as institutions give it.
    pub fn allow(&self, grantee: Address) -> Msg {
        let limit = PeriodicLimit { period_s: 3600, limit: FUNDS, expires_ms: None };
        Msg::GrantAllowance { grantee, limit, denom: self.denom().to_owned() }
    }

    /// The allowance between two accounts.
    pub async fn allowance(&self, granter: &Address, grantee: &Address) -> Result<Option<Allowance>> {
        Ok(self.client.allowance(granter, grantee).await?)
    }

    /// Coins for actors, and a first transaction of each: an account's first one costs more.
    pub async fn fund(&self, keys: &[AccountKey]) -> Result<()> {
        let coins = |to, amount| Msg::BankSend { to, amount, denom: self.denom().to_owned() };
        self.operate(keys.iter().map(|key| coins(key.address(), FUNDS)).collect()).await?;
        let back = keys.iter().map(|key| self.send(key, vec![coins(self.operator(), 1)]));
        futures::future::try_join_all(back).await.map(drop)
    }

    /// The coin of fees.
    pub fn denom(&self) -> &str {
        self.params.gas_price.denom()
    }

    /// Makes an instance whose admin is the operator, or nobody.
    pub async fn instantiate(
        &self,
        code_id: u64,
        name: &str,
        migratable: bool,
        msg: &impl Serialize,
    ) -> Result<ContractAddress> {
        let msg = Msg::Instantiate {
            code_id,
            label: format!("casewise {name} of the artefact test"),
            admin: migratable.then(|| self.operator()),
            msg: serde_json::to_vec(msg)?,
        };
        let included = self.operate(vec![msg]).await?;
        let address = attribute(&included, "instantiate", "_contract_address")?;
        Ok(ContractAddress::from_bech32(&address, &self.params.prefix)?)
    }

    /// Everything that a contract has stored, after a block.
    pub async fn state(&self, contract: &ContractAddress, height: u64) -> Result<State> {
        Ok(self.client.state(contract, Some(height)).await?.into_iter().collect())
    }

    /// A contract's answer.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        contract: &ContractAddress,
        query: &(impl Serialize + Sync),
    ) -> Result<T> {
        Ok(self.client.query(contract, query, None).await?)
    }

    /// The last height whose state can be read. What was waited for before is in it.
    pub async fn height(&self) -> Result<u64> {
        Ok(self.committed().await?.height)
    }

    async fn committed(&self) -> Result<Block> {
        let deadline = Instant::now() + PATIENCE;
        let tip = self.client.tip().await?.height;
        // A block is known a moment before its state.
        loop {
            if let Some(block) = self.client.block(tip).await? {
                return Ok(block);
            }
            ensure!(Instant::now() < deadline, "the state of block {tip} is not there");
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Time of the last block, Unix ms: what a simulation takes for now.
    pub async fn now(&self) -> Result<u64> {
        Ok(self.committed().await?.time_ms)
    }

    /// Waits until the chain's time is `ms` or later.
    pub async fn reach(&self, ms: u64) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.now().await? < ms {
            ensure!(Instant::now() < deadline, "the chain's time does not reach {ms}");
            tokio::time::sleep(GLANCE).await;
        }
        Ok(())
    }
}

/// An attribute of the first event of a kind.
pub fn attribute(included: &Included, kind: &str, key: &str) -> Result<String> {
    let event = included.tx.events.iter().find(|event| event.kind == kind);
    let value = event.and_then(|event| event.attribute(key));
    value.map(str::to_owned).with_context(|| format!("no event {kind} with {key}"))
}
