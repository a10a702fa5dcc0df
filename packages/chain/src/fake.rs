//! A chain of scripted answers for this crate's own tests.

use std::{collections::VecDeque, sync::Mutex};

use async_trait::async_trait;
use casewise_ledger::{Address, Hash, sha256};

use crate::{
    Account, Allowance, Block, Broadcast, Chain, ChainError, CodeInfo, ContractAddress, ContractInfo, Event,
    Prefix, StateProof, Tip, Tx, TxStatus,
};

#[derive(Default)]
pub struct FakeChain {
    pub prefix: Prefix,
    pub no_account: bool,
    /// Blocks after the tip until what was sent is in one.
    pub include_at: Option<u64>,
    /// With this code.
    pub code: u32,
    /// Blocks exist up to here.
    pub tip_moves_to: u64,
    pub answers: Mutex<VecDeque<Result<Broadcast, ChainError>>>,
    pub sent: Mutex<Vec<Vec<u8>>>,
    pub last_block_asked: Mutex<u64>,
}

impl FakeChain {
    pub const TIP: u64 = 100;
    pub const GAS: u64 = 100_000;

    /// Answers the broadcasts so, later ones with `Accepted`.
    pub fn answering<const N: usize>(answers: [Result<Broadcast, ChainError>; N]) -> Self {
        Self { answers: Mutex::new(answers.into()), ..Self::default() }
    }

    pub fn sent(&self) -> Vec<Vec<u8>> {
        self.sent.lock().unwrap().clone()
    }

    pub fn last_block_asked(&self) -> u64 {
        *self.last_block_asked.lock().unwrap()
    }

    fn included(&self) -> Tx {
        let sent = self.sent.lock().unwrap();
        Tx {
            hash: sha256(&[&sent[0]]),
            code: self.code,
            codespace: "sdk".to_owned(),
            log: "what failed".to_owned(),
            gas_wanted: Self::GAS,
            gas_used: Self::GAS,
            events: vec![Event { kind: "done".to_owned(), attributes: Vec::new() }],
        }
    }
}

fn not_scripted<T>() -> Result<T, ChainError> {
    Err(ChainError::malformed("not part of the script"))
}

#[async_trait]
impl Chain for FakeChain {
    fn chain_id(&self) -> &str {
        "fake"
    }

    fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    async fn tip(&self) -> Result<Tip, ChainError> {
        Ok(Tip { height: Self::TIP, time_ms: 0, hash: [0; 32] })
    }

    async fn earliest_height(&self) -> Result<u64, ChainError> {
        Ok(1)
    }

    async fn block(&self, height: u64) -> Result<Option<Block>, ChainError> {
        *self.last_block_asked.lock().unwrap() = height;
        let with_it = self.include_at.map(|after| Self::TIP + after);
        if height > with_it.unwrap_or(self.tip_moves_to) {
            return Ok(None);
        }
        Ok(Some(Block {
            height,
            time_ms: height * 500,
            chain_id: "fake".to_owned(),
            hash: [height as u8; 32],
            last_block_hash: [height as u8 - 1; 32],
            txs: if with_it == Some(height) { vec![self.included()] } else { Vec::new() },
            events: Vec::new(),
        }))
    }

    async fn raw(
        &self,
        _: &ContractAddress,
        _: &[u8],
        _: Option<u64>,
    ) -> Result<Option<Vec<u8>>, ChainError> {
        not_scripted()
    }

    async fn smart(&self, _: &ContractAddress, _: &[u8], _: Option<u64>) -> Result<Vec<u8>, ChainError> {
        not_scripted()
    }

    async fn account(&self, _: &Address) -> Result<Option<Account>, ChainError> {
        Ok((!self.no_account).then_some(Account { number: 3, sequence: 4 }))
    }

    async fn allowance(&self, _: &Address, _: &Address) -> Result<Option<Allowance>, ChainError> {
        not_scripted()
    }

    async fn balance(&self, _: &Address, _: &str) -> Result<u128, ChainError> {
        not_scripted()
    }

    async fn simulate(&self, _: &[u8]) -> Result<u64, ChainError> {
        Ok(Self::GAS)
    }

    async fn broadcast(&self, tx: &[u8]) -> Result<Broadcast, ChainError> {
        self.sent.lock().unwrap().push(tx.to_vec());
        self.answers.lock().unwrap().pop_front().unwrap_or(Ok(Broadcast::Accepted))
    }

    async fn tx(&self, _: &Hash) -> Result<Option<TxStatus>, ChainError> {
        not_scripted()
    }

    async fn proof(&self, _: &ContractAddress, _: &[u8], _: u64) -> Result<StateProof, ChainError> {
        not_scripted()
    }

    async fn signed_header(&self, _: u64) -> Result<Vec<u8>, ChainError> {
        not_scripted()
    }

    async fn validators(&self, _: u64) -> Result<Vec<u8>, ChainError> {
        not_scripted()
    }

    async fn code(&self, _: u64) -> Result<Option<CodeInfo>, ChainError> {
        not_scripted()
    }

    async fn contract(&self, _: &ContractAddress) -> Result<Option<ContractInfo>, ChainError> {
        not_scripted()
    }
}
