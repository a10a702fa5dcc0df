//! The contracts in process behind the `Chain` port, with every earlier state at hand.

use std::collections::BTreeMap;
use std::sync::mpsc;

use async_trait::async_trait;
use casewise_chain::{
    Account, Allowance, Block, Broadcast, Chain, ChainError, ChainParams, Code, CodeInfo, Codes,
    ContractAddress, ContractInfo, Contracts, Manifest, Prefix, SignedTx, StateProof, Tip, Trust, Tx,
    TxStatus, account_from_bech32,
};
use casewise_ledger::{Address, Hash};
use casewise_testkit::contracts::Suite;
use cosmrs::proto::cosmos::tx::v1beta1::{AuthInfo, TxBody, TxRaw};
use cosmrs::proto::cosmwasm::wasm::v1::MsgExecuteContract;
use cosmrs::proto::prost::Message as _;
use cosmwasm_std::{Addr, Binary, CosmosMsg, WasmMsg};

type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// What the next broadcast meets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weather {
    /// It gets into the next block.
    #[default]
    Fair,
    /// It gets into the next block, and the node's answer is lost with every block after it.
    LostAnswer,
    /// It never arrives, and the node's answer is lost.
    LostTx,
}

struct Inner {
    suite: Suite,
    blocks: BTreeMap<u64, (u64, Vec<Tx>)>,
    states: BTreeMap<u64, BTreeMap<[u8; 32], State>>,
    accounts: BTreeMap<Address, u64>,
    allowances: Vec<(Address, Address)>,
    weather: Weather,
    cut_off: bool,
    broadcasts: Vec<Hash>,
}

type Job = Box<dyn FnOnce(&mut Inner) + Send>;

/// The chain. It lives on a thread of its own, because its contracts cannot change threads.
pub struct DevChain {
    jobs: mpsc::Sender<Job>,
    manifest: Manifest,
}

impl DevChain {
    pub fn new() -> Self {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let mut inner = Inner::new();
            tell.send(inner.manifest()).unwrap();
            for job in inbox {
                job(&mut inner);
            }
        });
        Self { jobs, manifest: told.recv().unwrap() }
    }

    fn run<T: Send + 'static>(&self, job: impl FnOnce(&mut Inner) -> T + Send + 'static) -> T {
        let (tell, told) = mpsc::channel();
        self.jobs.send(Box::new(move |inner| drop(tell.send(job(inner))))).unwrap();
        told.recv().expect("the chain's thread runs")
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Changes the contracts' state; the state after it can be asked for.
    pub fn with<T: Send + 'static>(&self, change: impl FnOnce(&mut Suite) -> T + Send + 'static) -> T {
        self.run(move |inner| {
            let out = change(&mut inner.suite);
            inner.note();
            out
        })
    }

    /// Lets blocks pass.
    pub fn pass(&self, blocks: u64) {
        for _ in 0..blocks {
            self.with(|suite| suite.advance(500));
        }
    }

    /// Creates the holder's account, and has `granter` pay its fees.
    pub fn allow(&self, granter: Address, holder: Address) {
        self.run(move |inner| {
            inner.accounts.insert(holder, 0);
            inner.allowances.push((granter, holder));
        });
    }

    pub fn set_weather(&self, weather: Weather) {
        self.run(move |inner| inner.weather = weather);
    }

    /// Whether the node answers nothing.
    pub fn cut_off(&self, cut_off: bool) {
        self.run(move |inner| inner.cut_off = cut_off);
    }

    /// Every transaction handed over, by hash.
    pub fn broadcasts(&self) -> Vec<Hash> {
        self.run(|inner| inner.broadcasts.clone())
    }

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Inner) -> Result<T, ChainError> + Send + 'static,
    ) -> Result<T, ChainError> {
        self.run(move |inner| if inner.cut_off { Err(unreachable()) } else { question(inner) })
    }
}

impl Inner {
    fn new() -> Self {
        let mut inner = Self {
            suite: Suite::new(),
            blocks: BTreeMap::new(),
            states: BTreeMap::new(),
            accounts: BTreeMap::new(),
            allowances: Vec::new(),
            weather: Weather::Fair,
            cut_off: false,
            broadcasts: Vec::new(),
        };
        inner.note();
        inner
    }

    fn manifest(&self) -> Manifest {
        let prefix = Prefix::default();
        let address = |contract: &Addr| ContractAddress::from_bech32(contract.as_str(), &prefix).unwrap();
        let code = |id| Code { id, checksum: [id as u8; 32] };
        Manifest {
            contracts: Contracts {
                registrar: address(&self.suite.registrar),
                ppr: address(&self.suite.ppr),
                summary: address(&self.suite.summary),
            },
            params: ChainParams {
                chain_id: self.suite.app.block_info().chain_id,
                prefix,
                gas_price: "0.001stake".parse().unwrap(),
            },
            endpoints: vec!["http://127.0.0.1:1".into()],
            codes: Codes { registrar: code(1), ppr: code(2), summary: code(3) },
            trust: Trust { height: 1, header_hash: [1; 32], validators_hash: [2; 32] },
        }
    }

    fn note(&mut self) {
        let (height, time) = (self.suite.height(), self.suite.now());
        self.blocks.entry(height).or_insert((time, Vec::new()));
        let mut states = BTreeMap::new();
        for contract in [&self.suite.registrar, &self.suite.ppr, &self.suite.summary] {
            let address = ContractAddress::from_bech32(contract.as_str(), &Prefix::default()).unwrap();
            states.insert(address.0, self.suite.dump(contract).into_iter().collect());
        }
        self.states.insert(height, states);
    }

    /// Puts a transaction into a new block.
    fn include(&mut self, tx: &SignedTx) -> u32 {
        let raw = TxRaw::decode(tx.bytes()).unwrap();
        let body = TxBody::decode(raw.body_bytes.as_slice()).unwrap();
        let auth = AuthInfo::decode(raw.auth_info_bytes.as_slice()).unwrap();
        let fee = auth.fee.unwrap();
        let mut sender = String::new();
        let msgs: Vec<CosmosMsg> = body
            .messages
            .iter()
            .map(|any| {
                let msg = MsgExecuteContract::decode(any.value.as_slice()).unwrap();
                sender = msg.sender;
                let (contract_addr, msg) = (msg.contract, Binary::from(msg.msg));
                WasmMsg::Execute { contract_addr, msg, funds: Vec::new() }.into()
            })
            .collect();
        let account = account_from_bech32(&sender, &Prefix::default()).unwrap();
        let granter = account_from_bech32(&fee.granter, &Prefix::default()).unwrap();
        assert!(self.allowances.contains(&(granter, account)), "the fee is paid under an allowance");
        assert_eq!(self.accounts[&account], tx.sequence(), "in sequence");
        self.suite.advance(500);
        let done = self.suite.app.execute_multi(Addr::unchecked(sender), msgs);
        *self.accounts.get_mut(&account).unwrap() += 1;
        let (code, log) = match done {
            Ok(_) => (0, String::new()),
            Err(error) => (5, error.to_string()),
        };
        self.note();
        let height = self.suite.height();
        let tx = Tx {
            hash: tx.hash(),
            code,
            codespace: "wasm".into(),
            log,
            gas_wanted: fee.gas_limit,
            gas_used: 1,
            events: Vec::new(),
        };
        self.blocks.get_mut(&height).unwrap().1.push(tx);
        code
    }
}

fn unreachable() -> ChainError {
    ChainError::Unreachable { endpoint: "devchain".into(), reason: "cut off".into() }
}

fn pruned(height: u64) -> ChainError {
    ChainError::Pruned { height, earliest: u64::MAX }
}

#[async_trait]
impl Chain for DevChain {
    fn chain_id(&self) -> &str {
        &self.manifest.params.chain_id
    }

    fn prefix(&self) -> &Prefix {
        &self.manifest.params.prefix
    }

    async fn tip(&self) -> Result<Tip, ChainError> {
        self.ask(move |inner| {
            Ok(Tip { height: inner.suite.height(), time_ms: inner.suite.now(), hash: [0; 32] })
        })
    }

    async fn earliest_height(&self) -> Result<u64, ChainError> {
        Ok(1)
    }

    async fn block(&self, height: u64) -> Result<Option<Block>, ChainError> {
        let chain_id = self.chain_id().to_owned();
        self.ask(move |inner| {
            // a chain goes on by itself: whoever waits for a block gets one
            while inner.suite.height() < height && height <= inner.suite.height() + 1 {
                inner.suite.advance(500);
                inner.note();
            }
            if height > inner.suite.height() {
                return Ok(None);
            }
            let (time_ms, txs) = inner.blocks.get(&height).cloned().unwrap_or_default();
            Ok(Some(Block {
                height,
                time_ms,
                chain_id,
                hash: [0; 32],
                last_block_hash: [0; 32],
                txs,
                events: Vec::new(),
            }))
        })
    }

    async fn raw(
        &self,
        contract: &ContractAddress,
        key: &[u8],
        height: Option<u64>,
    ) -> Result<Option<Vec<u8>>, ChainError> {
        let (contract, key) = (*contract, key.to_vec());
        self.ask(move |inner| {
            let height = height.unwrap_or(inner.suite.height());
            if height > inner.suite.height() {
                return Err(ChainError::NotYet { height, tip: inner.suite.height() });
            }
            let states = inner.states.range(..=height).next_back();
            Ok(states.and_then(|(_, states)| states.get(&contract.0)?.get(&key).cloned()))
        })
    }

    async fn smart(
        &self,
        contract: &ContractAddress,
        query: &[u8],
        height: Option<u64>,
    ) -> Result<Vec<u8>, ChainError> {
        let (contract, query) = (contract.to_bech32(self.prefix()), query.to_vec());
        self.ask(move |inner| {
            assert!(
                height.is_none_or(|height| height == inner.suite.height()),
                "only the present is asked for"
            );
            let query: serde_json::Value = serde_json::from_slice(&query).unwrap();
            let answer: Result<serde_json::Value, _> =
                inner.suite.app.wrap().query_wasm_smart(contract, &query);
            match answer {
                Ok(answer) => Ok(serde_json::to_vec(&answer).unwrap()),
                Err(error) => {
                    Err(ChainError::Refused { code: 9, codespace: "wasm".into(), log: error.to_string() })
                }
            }
        })
    }

    async fn account(&self, address: &Address) -> Result<Option<Account>, ChainError> {
        let address = *address;
        self.ask(move |inner| {
            Ok(inner.accounts.get(&address).map(|sequence| Account { number: 1, sequence: *sequence }))
        })
    }

    async fn allowance(&self, granter: &Address, grantee: &Address) -> Result<Option<Allowance>, ChainError> {
        let pair = (*granter, *grantee);
        self.ask(move |inner| {
            let known = inner.allowances.contains(&pair);
            Ok(known.then_some(Allowance { messages: Vec::new(), left: None, expires_ms: None }))
        })
    }

    async fn balance(&self, _: &Address, _: &str) -> Result<u128, ChainError> {
        Ok(0)
    }

    async fn simulate(&self, _: &[u8]) -> Result<u64, ChainError> {
        Ok(100_000)
    }

    async fn broadcast(&self, tx: &[u8]) -> Result<Broadcast, ChainError> {
        let tx = SignedTx::from_bytes(tx.to_vec()).unwrap();
        self.ask(move |inner| {
            inner.broadcasts.push(tx.hash());
            if inner.blocks.values().any(|(_, txs)| txs.iter().any(|known| known.hash == tx.hash())) {
                return Ok(Broadcast::AlreadyKnown);
            }
            let weather = std::mem::take(&mut inner.weather);
            if weather != Weather::LostTx {
                inner.include(&tx);
            }
            if weather == Weather::Fair {
                return Ok(Broadcast::Accepted);
            }
            inner.cut_off = true;
            Err(unreachable())
        })
    }

    async fn tx(&self, _: &Hash) -> Result<Option<TxStatus>, ChainError> {
        panic!("nobody waits for a transaction by its hash")
    }

    async fn proof(&self, _: &ContractAddress, _: &[u8], height: u64) -> Result<StateProof, ChainError> {
        Err(pruned(height))
    }

    async fn signed_header(&self, height: u64) -> Result<Vec<u8>, ChainError> {
        Err(pruned(height))
    }

    async fn validators(&self, height: u64) -> Result<Vec<u8>, ChainError> {
        Err(pruned(height))
    }

    async fn code(&self, _: u64) -> Result<Option<CodeInfo>, ChainError> {
        Ok(None)
    }

    async fn contract(&self, _: &ContractAddress) -> Result<Option<ContractInfo>, ChainError> {
        Ok(None)
    }
}
