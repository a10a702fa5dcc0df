//! The real contracts behind the trait `Chain`, block by block, with the faults of a node.
//!
//! Transactions are the real signed bytes: sequence, last height and atomicity are a chain's. Keeps
//! every transaction that was ever handed over, so that a test can say what must never have been.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, mpsc},
};

use async_trait::async_trait;
use casewise_chain::{
    Account, Allowance, Block, Broadcast, Chain, ChainError, CodeInfo, ContractAddress, ContractInfo,
    Contracts, Event, Prefix, SignedTx, StateProof, Tip, Tx, TxStatus, account_from_bech32, code,
};
use casewise_ledger::{Address, Hash, sha256};
use casewise_testkit::contracts::{CHAIN_ID, PREFIX, Suite, addr};
use cosmrs::proto::{
    cosmos::{
        feegrant::v1beta1::MsgGrantAllowance,
        tx::v1beta1::{TxBody, TxRaw},
    },
    cosmwasm::wasm::v1::MsgExecuteContract,
    prost::Message,
};
use cosmwasm_std::{Addr, BankMsg, Binary, CosmosMsg, WasmMsg, coins};
use serde_json::Value;

/// The contracts live in a thread of their own: they cannot be sent between threads.
struct Engine(Mutex<mpsc::Sender<Work>>);

type Work = Box<dyn FnOnce(&mut Suite) + Send>;

impl Engine {
    fn start() -> Self {
        let (sender, receiver) = mpsc::channel::<Work>();
        std::thread::spawn(move || {
            let mut suite = Suite::new();
            while let Ok(work) = receiver.recv() {
                work(&mut suite);
            }
        });
        Self(Mutex::new(sender))
    }

    fn call<T: Send + 'static>(&self, work: impl FnOnce(&mut Suite) -> T + Send + 'static) -> T {
        let (reply, answer) = mpsc::channel();
        let work: Work = Box::new(move |suite| drop(reply.send(work(suite))));
        self.0.lock().unwrap().send(work).unwrap();
        answer.recv().expect("the contracts did not panic")
    }
}

/// What a node does wrong with the next transactions handed to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Takes it and does not answer.
    Silent,
    /// Loses it and does not answer.
    Lost,
    /// Says that the sequence is wrong, and loses it.
    WrongSequence,
}

#[derive(Default)]
struct State {
    blocks: Vec<Block>,
    accounts: BTreeMap<Address, Account>,
    allowances: BTreeSet<(String, String)>,
    mempool: Vec<SignedTx>,
    /// Messages of others for the next block.
    others: Vec<(Addr, Addr, Value)>,
    /// Events that no version of ours has made.
    strange: Vec<Event>,
    faults: Vec<Fault>,
    /// Broadcasts, in order.
    sent: Vec<SignedTx>,
    included: BTreeMap<Hash, u64>,
    refusing: Option<String>,
    failing: bool,
    cut_off: bool,
}

/// The chain.
pub struct DevChain {
    engine: Engine,
    prefix: Prefix,
    chain_id: String,
    contracts: Contracts,
    state: Mutex<State>,
}

impl DevChain {
    pub fn new() -> Self {
        let engine = Engine::start();
        let prefix: Prefix = PREFIX.parse().unwrap();
        let [registrar, ppr, summary] = engine
            .call(|suite| [suite.registrar.to_string(), suite.ppr.to_string(), suite.summary.to_string()])
            .map(|text| ContractAddress::from_bech32(&text, &prefix).unwrap());
        let contracts = Contracts { registrar, ppr, summary };
        let chain = Self { engine, prefix, chain_id: CHAIN_ID.into(), contracts, state: Mutex::default() };
        chain.block();
        chain
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn contracts(&self) -> Contracts {
        self.contracts
    }

    /// Time of the newest block, Unix ms.
    pub fn now(&self) -> u64 {
        self.state().blocks.last().unwrap().time_ms
    }

    pub fn height(&self) -> u64 {
        self.state().blocks.last().unwrap().height
    }

    pub fn net(&self) -> Hash {
        self.engine.call(|suite| suite.net())
    }

    /// An account with coins.
    pub fn fund(&self, account: Address, sequence: u64) {
        let mut state = self.state();
        let number = state.accounts.len() as u64;
        state.accounts.insert(account, Account { number, sequence });
    }

    /// Somebody else's message, in the next block.
    pub fn act<M: serde::Serialize>(&self, sender: &Address, contract: ContractAddress, msg: &M) {
        let contract = Addr::unchecked(contract.to_bech32(&self.prefix));
        self.state().others.push((addr(sender), contract, serde_json::to_value(msg).unwrap()));
    }

    /// The consortium's message, in the next block.
    pub fn govern<M: serde::Serialize>(&self, contract: ContractAddress, msg: &M) {
        let authority = self.engine.call(|suite| suite.authority.clone());
        let authority = account_from_bech32(authority.as_str(), &self.prefix).unwrap();
        self.act(&authority, contract, msg);
    }

    /// What the node does with the next transactions, in order.
    pub fn fault(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// From now on the node does nothing wrong.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// Refuses, in simulation and block, every transaction whose message holds these words.
    pub fn refuse(&self, words: Option<&str>) {
        self.state().refusing = words.map(Into::into);
    }

    /// Fails every transaction in its block, though simulation passes.
    pub fn fail(&self, failing: bool) {
        self.state().failing = failing;
    }

    /// Nobody answers.
    pub fn cut_off(&self, cut_off: bool) {
        self.state().cut_off = cut_off;
    }

    /// An event in the next block that looks like ours.
    pub fn strange(&self, kind: &str) {
        let attributes = vec![("_contract_address".into(), self.contracts.summary.to_bech32(&self.prefix))];
        self.state().strange.push(Event { kind: kind.into(), attributes });
    }

    /// Another account's history takes the place of the newest block.
    pub fn rewrite_last_block(&self) {
        self.state().blocks.last_mut().unwrap().hash = [9; 32];
    }

    /// Every transaction that was ever handed over, each once, in order.
    pub fn sent(&self) -> Vec<SignedTx> {
        let mut seen = BTreeSet::new();
        self.state().sent.iter().filter(|tx| seen.insert(tx.hash())).cloned().collect()
    }

    /// How often these bytes were handed over.
    pub fn times_sent(&self, hash: &Hash) -> usize {
        self.state().sent.iter().filter(|tx| tx.hash() == *hash).count()
    }

    /// In which block a transaction is.
    pub fn included(&self, hash: &Hash) -> Option<u64> {
        self.state().included.get(hash).copied()
    }

    /// Asks summary.
    pub fn lane(&self, lane: casewise_ledger::LaneId) -> casewise_protocol::summary::LaneInfo {
        self.engine.call(move |suite| suite.lane(&lane))
    }

    /// Lets time pass until the next block.
    pub fn pass(&self, ms: u64) {
        self.engine.call(move |suite| suite.advance(ms));
        // the height that was passed over is one more block, which holds nothing
        let (height, time_ms) = self.engine.call(|suite| (suite.height(), suite.now()));
        let mut state = self.state();
        let last_block_hash = state.blocks.last().map_or([0; 32], |block| block.hash);
        let hash = sha256(&[b"block", &height.to_be_bytes(), &last_block_hash]);
        let chain_id = self.chain_id.clone();
        let (txs, events) = (Vec::new(), Vec::new());
        state.blocks.push(Block { height, time_ms, chain_id, hash, last_block_hash, txs, events });
    }

    /// Makes a block of what is waiting.
    pub fn block(&self) {
        let (mempool, others) = {
            let mut state = self.state();
            (std::mem::take(&mut state.mempool), std::mem::take(&mut state.others))
        };
        let (height, time_ms) = self.engine.call(|suite| {
            suite.advance(500);
            (suite.height(), suite.now())
        });
        let mut txs = Vec::new();
        for (number, (sender, contract, msg)) in others.into_iter().enumerate() {
            let outcome = self.execute(&sender, vec![execute(&contract, &msg)]);
            let events = outcome.unwrap_or_else(|error| panic!("{msg} by {sender}: {error}"));
            txs.push(tx(sha256(&[&height.to_be_bytes(), &[number as u8]]), Ok(events)));
        }
        for signed in mempool {
            if signed.timeout_height() >= height && self.take_sequence(&signed) {
                let outcome = self.deliver(&signed);
                txs.push(tx(signed.hash(), outcome));
                self.state().included.insert(signed.hash(), height);
            }
        }
        let mut state = self.state();
        let events = std::mem::take(&mut state.strange);
        let last_block_hash = state.blocks.last().map_or([0; 32], |block| block.hash);
        let hash = sha256(&[b"block", &height.to_be_bytes(), &last_block_hash]);
        let chain_id = self.chain_id.clone();
        state.blocks.push(Block { height, time_ms, chain_id, hash, last_block_hash, txs, events });
    }

    fn take_sequence(&self, signed: &SignedTx) -> bool {
        let mut state = self.state();
        let account = state.accounts.get_mut(&signer(signed)).expect("a known account");
        let right = account.sequence == signed.sequence();
        account.sequence += u64::from(right);
        right
    }

    fn deliver(&self, signed: &SignedTx) -> Result<Vec<Event>, String> {
        if self.state().failing {
            return Err("out of luck".into());
        }
        match messages(signed.bytes()) {
            Messages::Contracts(sender, msgs) => self.execute(&sender, msgs),
            Messages::Allowances(pairs) => {
                let mut state = self.state();
                if pairs.iter().any(|pair| state.allowances.contains(pair)) {
                    return Err("fee allowance already exists".into());
                }
                // an account that did not exist is made with its allowance
                for (_, grantee) in &pairs {
                    let account = account_from_bech32(grantee, &self.prefix).unwrap();
                    let number = state.accounts.len() as u64;
                    state.accounts.entry(account).or_insert(Account { number, sequence: 0 });
                }
                state.allowances.extend(pairs);
                Ok(Vec::new())
            }
        }
    }

    /// All or nothing.
    fn execute(&self, sender: &Addr, msgs: Vec<CosmosMsg>) -> Result<Vec<Event>, String> {
        let holds = |msg: &CosmosMsg, words: &str| match msg {
            CosmosMsg::Wasm(WasmMsg::Execute { msg, .. }) => String::from_utf8_lossy(msg).contains(words),
            _ => false,
        };
        if let Some(words) = &self.state().refusing
            && msgs.iter().any(|msg| holds(msg, words))
        {
            return Err(format!("refused: {words}"));
        }
        let sender = sender.clone();
        let done =
            self.engine.call(move |suite| suite.app.execute_multi(sender, msgs).map_err(|e| e.to_string()));
        let events = done?.into_iter().flat_map(|response| response.events).map(|event| Event {
            kind: event.ty,
            attributes: event.attributes.into_iter().map(|a| (a.key, a.value)).collect(),
        });
        Ok(events.collect())
    }

    /// What execution would say, with everything undone.
    fn try_out(&self, signed: &SignedTx) -> Result<(), String> {
        let never = || -> CosmosMsg {
            BankMsg::Send { to_address: addr(&Address([1; 20])).into_string(), amount: coins(1, "nothing") }
                .into()
        };
        match messages(signed.bytes()) {
            Messages::Allowances(pairs) => {
                let state = self.state();
                let there = pairs.iter().any(|pair| state.allowances.contains(pair));
                if there { Err("fee allowance already exists".into()) } else { Ok(()) }
            }
            Messages::Contracts(sender, mut msgs) => {
                let expected = self.execute(&sender, vec![never()]).unwrap_err();
                msgs.push(never());
                let said = self.execute(&sender, msgs).unwrap_err();
                if said == expected { Ok(()) } else { Err(said) }
            }
        }
    }

    fn unreachable(&self) -> Result<(), ChainError> {
        if self.state().cut_off { Err(silent()) } else { Ok(()) }
    }

    /// The state of the newest block is the only one there is.
    fn only_newest(&self, height: Option<u64>) -> Result<(), ChainError> {
        let newest = self.height();
        match height {
            Some(height) if height != newest => Err(ChainError::Pruned { height, earliest: newest }),
            _ => Ok(()),
        }
    }

    fn sequence_of(&self, account: &Address) -> u64 {
        self.state().accounts.get(account).map_or(0, |account| account.sequence)
    }
}

fn silent() -> ChainError {
    ChainError::Unreachable { endpoint: "test".into(), reason: "cut off".into() }
}

fn tx(hash: Hash, outcome: Result<Vec<Event>, String>) -> Tx {
    let (code, codespace, log, events) = match outcome {
        Ok(events) => (0, String::new(), String::new(), events),
        Err(log) => (5, "wasm".into(), log, Vec::new()),
    };
    Tx { hash, code, codespace, log, gas_wanted: 1, gas_used: 1, events }
}

fn execute(contract: &Addr, msg: &Value) -> CosmosMsg {
    let msg = Binary::from(serde_json::to_vec(msg).unwrap());
    WasmMsg::Execute { contract_addr: contract.to_string(), msg, funds: vec![] }.into()
}

enum Messages {
    Contracts(Addr, Vec<CosmosMsg>),
    Allowances(Vec<(String, String)>),
}

fn body(bytes: &[u8]) -> TxBody {
    TxBody::decode(TxRaw::decode(bytes).unwrap().body_bytes.as_slice()).unwrap()
}

fn messages(bytes: &[u8]) -> Messages {
    let (mut contracts, mut allowances, mut sender) = (Vec::new(), Vec::new(), None);
    for any in body(bytes).messages {
        if any.type_url.ends_with("MsgGrantAllowance") {
            let grant = MsgGrantAllowance::decode(any.value.as_slice()).unwrap();
            allowances.push((grant.granter, grant.grantee));
        } else {
            let call = MsgExecuteContract::decode(any.value.as_slice()).unwrap();
            let (contract_addr, msg) = (call.contract, Binary::from(call.msg));
            sender = Some(Addr::unchecked(call.sender));
            contracts.push(WasmMsg::Execute { contract_addr, msg, funds: vec![] }.into());
        }
    }
    match sender {
        Some(sender) => {
            assert!(allowances.is_empty(), "allowances go apart from contract messages");
            Messages::Contracts(sender, contracts)
        }
        None => Messages::Allowances(allowances),
    }
}

fn signer(signed: &SignedTx) -> Address {
    let text = match messages(signed.bytes()) {
        Messages::Contracts(sender, _) => sender.into_string(),
        Messages::Allowances(pairs) => pairs[0].0.clone(),
    };
    account_from_bech32(&text, &PREFIX.parse().unwrap()).unwrap()
}

#[async_trait]
impl Chain for DevChain {
    fn chain_id(&self) -> &str {
        &self.chain_id
    }

    fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    async fn tip(&self) -> Result<Tip, ChainError> {
        self.unreachable()?;
        let state = self.state();
        let last = state.blocks.last().unwrap();
        Ok(Tip { height: last.height, time_ms: last.time_ms, hash: last.hash })
    }

    async fn earliest_height(&self) -> Result<u64, ChainError> {
        self.unreachable()?;
        Ok(self.state().blocks[0].height)
    }

    async fn block(&self, height: u64) -> Result<Option<Block>, ChainError> {
        self.unreachable()?;
        let state = self.state();
        let first = state.blocks[0].height;
        Ok(height.checked_sub(first).and_then(|at| state.blocks.get(at as usize)).cloned())
    }

    async fn raw(
        &self,
        contract: &ContractAddress,
        key: &[u8],
        height: Option<u64>,
    ) -> Result<Option<Vec<u8>>, ChainError> {
        self.unreachable()?;
        self.only_newest(height)?;
        let (contract, key) = (Addr::unchecked(contract.to_bech32(&self.prefix)), key.to_vec());
        Ok(self.engine.call(move |suite| suite.raw(&contract, key)))
    }

    async fn smart(
        &self,
        contract: &ContractAddress,
        query: &[u8],
        height: Option<u64>,
    ) -> Result<Vec<u8>, ChainError> {
        self.unreachable()?;
        self.only_newest(height)?;
        let contract = Addr::unchecked(contract.to_bech32(&self.prefix));
        let query: Value = serde_json::from_slice(query).unwrap();
        let answer: Value =
            self.engine.call(move |suite| suite.app.wrap().query_wasm_smart(contract, &query).unwrap());
        Ok(serde_json::to_vec(&answer).unwrap())
    }

    async fn account(&self, address: &Address) -> Result<Option<Account>, ChainError> {
        self.unreachable()?;
        Ok(self.state().accounts.get(address).copied())
    }

    async fn allowance(&self, granter: &Address, grantee: &Address) -> Result<Option<Allowance>, ChainError> {
        self.unreachable()?;
        let pair = (addr(granter).into_string(), addr(grantee).into_string());
        let there = self.state().allowances.contains(&pair);
        Ok(there.then(|| Allowance { messages: vec![], left: None, expires_ms: None }))
    }

    async fn balance(&self, _: &Address, _: &str) -> Result<u128, ChainError> {
        panic!("the agent asks for no balance")
    }

    async fn simulate(&self, tx: &[u8]) -> Result<u64, ChainError> {
        self.unreachable()?;
        let signed = SignedTx::from_bytes(tx.to_vec()).unwrap();
        if signed.sequence() != self.sequence_of(&signer(&signed)) {
            let (code, codespace) = (code::WRONG_SEQUENCE, code::SDK.into());
            return Err(ChainError::Refused { code, codespace, log: "account sequence mismatch".into() });
        }
        let refused = |log| ChainError::Refused { code: 5, codespace: "wasm".into(), log };
        self.try_out(&signed).map_err(refused)?;
        Ok(100_000)
    }

    async fn broadcast(&self, tx: &[u8]) -> Result<Broadcast, ChainError> {
        self.unreachable()?;
        let signed = SignedTx::from_bytes(tx.to_vec()).unwrap();
        let mut state = self.state();
        state.sent.push(signed.clone());
        let fault = if state.faults.is_empty() { None } else { Some(state.faults.remove(0)) };
        let known = state.mempool.iter().any(|tx| tx.hash() == signed.hash());
        match fault {
            Some(Fault::Lost) => return Err(silent()),
            Some(Fault::WrongSequence) => return Ok(wrong_sequence()),
            Some(Fault::Silent) => {
                state.mempool.push(signed);
                return Err(silent());
            }
            None if known => return Ok(Broadcast::AlreadyKnown),
            None => {}
        }
        let sender = signer(&signed);
        let account = state.accounts[&sender];
        let waiting = state.mempool.iter().filter(|tx| signer(tx) == sender).count() as u64;
        if signed.sequence() != account.sequence + waiting {
            return Ok(wrong_sequence());
        }
        state.mempool.push(signed);
        Ok(Broadcast::Accepted)
    }

    async fn tx(&self, _: &Hash) -> Result<Option<TxStatus>, ChainError> {
        panic!("the agent never polls for a transaction")
    }

    async fn proof(&self, _: &ContractAddress, _: &[u8], _: u64) -> Result<StateProof, ChainError> {
        panic!("the agent makes no evidence")
    }

    async fn signed_header(&self, _: u64) -> Result<Vec<u8>, ChainError> {
        panic!("the agent makes no evidence")
    }

    async fn validators(&self, _: u64) -> Result<Vec<u8>, ChainError> {
        panic!("the agent makes no evidence")
    }

    async fn code(&self, _: u64) -> Result<Option<CodeInfo>, ChainError> {
        panic!("the agent deploys nothing")
    }

    async fn contract(&self, _: &ContractAddress) -> Result<Option<ContractInfo>, ChainError> {
        panic!("the agent deploys nothing")
    }
}

fn wrong_sequence() -> Broadcast {
    Broadcast::Rejected {
        code: code::WRONG_SEQUENCE,
        codespace: code::SDK.into(),
        log: "account sequence mismatch".into(),
    }
}
