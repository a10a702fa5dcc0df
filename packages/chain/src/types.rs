//! What a chain tells: tip, blocks, transactions, events, accounts, proofs.

use casewise_ledger::{Address, Hash};

/// The last block a node knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its height. Its results and state can still be a moment away ([`crate::ChainError::NotYet`]).
    pub height: u64,
    /// Its time, Unix ms.
    pub time_ms: u64,
    /// Its header's hash.
    pub hash: Hash,
}

/// A committed block with what its transactions did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Height, from 1.
    pub height: u64,
    /// Block time, Unix ms (nanoseconds / 10^6, floored).
    pub time_ms: u64,
    /// The chain it belongs to.
    pub chain_id: String,
    /// Its header's hash.
    pub hash: Hash,
    /// The header hash of the block before; zeros at the first.
    pub last_block_hash: Hash,
    /// Its transactions, in order.
    pub txs: Vec<Tx>,
    /// Events of the block itself, outside transactions (governance, scheduled calls), in order.
    pub events: Vec<Event>,
}

/// A transaction in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tx {
    /// SHA-256 of its bytes.
    pub hash: Hash,
    /// 0: it took effect. Anything else: it failed and left no effect but its fee and sequence.
    pub code: u32,
    /// Whose code it is.
    pub codespace: String,
    /// The chain's words, shortened and decoded lossily.
    pub log: String,
    /// The limit it asked for.
    pub gas_wanted: u64,
    /// What it used.
    pub gas_used: u64,
    /// Its events, in order.
    pub events: Vec<Event>,
}

impl Tx {
    /// Did it take effect?
    pub fn is_ok(&self) -> bool {
        self.code == 0
    }
}

/// An event. Keys can repeat and their order counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its type; a contract's own begin with `wasm-`.
    pub kind: String,
    /// Keys and values, in order.
    pub attributes: Vec<(String, String)>,
}

impl Event {
    /// The first value of a key.
    pub fn attribute(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }
}

/// An account's place in the order of its transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Number given by the chain.
    pub number: u64,
    /// Sequence of its next transaction.
    pub sequence: u64,
}

/// A fee allowance as the chain holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Message types it pays for; empty = all.
    pub messages: Vec<String>,
    /// What is left, in this period or altogether; `None` = no limit in the fee coin.
    pub left: Option<u128>,
    /// When it ends, Unix ms.
    pub expires_ms: Option<u64>,
}

/// What a node said to a transaction. Only a block tells what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broadcast {
    /// It is in the node's mempool.
    Accepted,
    /// The node has seen these bytes before.
    AlreadyKnown,
    /// This node does not take it; bytes sent to another node before can still be included.
    Rejected {
        /// ABCI code.
        code: u32,
        /// Whose code it is.
        codespace: String,
        /// The chain's words, shortened.
        log: String,
    },
}

/// ABCI codes of codespace `sdk` that callers act on.
pub mod code {
    /// The codespace these belong to.
    pub const SDK: &str = "sdk";
    /// Out of gas.
    pub const OUT_OF_GAS: u32 = 11;
    /// The fee is too low.
    pub const INSUFFICIENT_FEE: u32 = 13;
    /// The node's mempool is full: send the same bytes later.
    pub const MEMPOOL_FULL: u32 = 20;
    /// The transaction is larger than the node takes.
    pub const TX_TOO_LARGE: u32 = 21;
    /// The last height of the transaction has passed.
    pub const TIMEOUT_HEIGHT: u32 = 30;
    /// The sequence is not the account's next.
    pub const WRONG_SEQUENCE: u32 = 32;
}

/// Where a transaction ended, by the node's index. A node can have none: prefer blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxStatus {
    /// Its block.
    pub height: u64,
    /// 0: it took effect.
    pub code: u32,
    /// The chain's words, shortened.
    pub log: String,
}

/// Proof that a contract's record had a value, or none, at a height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateProof {
    /// Key in the store `wasm`.
    pub key: Vec<u8>,
    /// The value; `None` is proven absent.
    pub value: Option<Vec<u8>>,
    /// Height H of the state. The app hash that commits to it is in the header of H + 1.
    pub height: u64,
    /// ICS23 `CommitmentProof` (protobuf) of key and value under the store's root.
    pub iavl: Vec<u8>,
    /// ICS23 `CommitmentProof` (protobuf) of the store's root under the app hash.
    pub store: Vec<u8>,
}

/// A stored code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeInfo {
    /// Who stored it.
    pub creator: Address,
    /// SHA-256 of the wasm.
    pub checksum: Hash,
}

/// An instance of a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractInfo {
    /// Its code.
    pub code_id: u64,
    /// Who may migrate it; `None` = nobody. Bech32: it can be a contract or a module.
    pub admin: Option<String>,
}

/// Key of a contract's value in the store `wasm`; `key` is the key inside the contract.
pub fn store_key(contract: &crate::ContractAddress, key: &[u8]) -> Vec<u8> {
    [&[3], contract.0.as_slice(), key].concat()
}
