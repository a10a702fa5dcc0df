//! The chain as a trait: the only way the rest of Casewise sees a ledger.
//!
//! Responsible for the questions and their exact meaning, so that a node, an in-process chain and
//! a faulty chain in tests are interchangeable. Must never answer a question about one height with
//! the state of another, nor "absent" for "not known".

use async_trait::async_trait;
use borsh::BorshDeserialize;
use casewise_ledger::{Address, Hash, records};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Account, Allowance, Block, Broadcast, ChainError, CodeInfo, ContractAddress, ContractInfo, Prefix,
    StateProof, Tip, TxStatus,
};

/// A chain. `height: None` means the last committed state; `Some(h)` exactly that of `h`, or
/// [`ChainError::NotYet`] or [`ChainError::Pruned`].
#[async_trait]
pub trait Chain: Send + Sync {
    /// The chain's id. Every answer belongs to this chain or is [`ChainError::WrongChain`].
    fn chain_id(&self) -> &str;

    /// The prefix of its addresses.
    fn prefix(&self) -> &Prefix;

    /// The last block, asked now.
    async fn tip(&self) -> Result<Tip, ChainError>;

    /// The first block that can still be read. State may begin later.
    async fn earliest_height(&self) -> Result<u64, ChainError>;

    /// A block with its results; `None` = not there yet. Once given, the state of that height and
    /// the accounts after it can be asked for.
    async fn block(&self, height: u64) -> Result<Option<Block>, ChainError>;

    /// A contract's raw value. `key` is the key inside the contract
    /// ([`casewise_ledger::records::record_key`]).
    async fn raw(
        &self,
        contract: &ContractAddress,
        key: &[u8],
        height: Option<u64>,
    ) -> Result<Option<Vec<u8>>, ChainError>;

    /// A contract's answer to a JSON query, JSON bytes.
    async fn smart(
        &self,
        contract: &ContractAddress,
        query: &[u8],
        height: Option<u64>,
    ) -> Result<Vec<u8>, ChainError>;

    /// An account; `None` = does not exist.
    async fn account(&self, address: &Address) -> Result<Option<Account>, ChainError>;

    /// The fee allowance between two accounts.
    async fn allowance(&self, granter: &Address, grantee: &Address) -> Result<Option<Allowance>, ChainError>;

    /// How much of a coin an account has.
    async fn balance(&self, address: &Address, denom: &str) -> Result<u128, ChainError>;

    /// Gas a transaction would use now. Its signature is not checked, its sequence is.
    async fn simulate(&self, tx: &[u8]) -> Result<u64, ChainError>;

    /// Hands over a signed transaction; answers after the node's own check, not after a block.
    /// [`ChainError::Unreachable`] leaves its fate open.
    async fn broadcast(&self, tx: &[u8]) -> Result<Broadcast, ChainError>;

    /// A transaction by the node's index, for people looking something up. Not for waiting:
    /// polling it starves a node; watch [`Chain::block`].
    async fn tx(&self, hash: &Hash) -> Result<Option<TxStatus>, ChainError>;

    /// Proof of a contract's record at `height`, verifiable with the header of `height + 1`.
    async fn proof(
        &self,
        contract: &ContractAddress,
        key: &[u8],
        height: u64,
    ) -> Result<StateProof, ChainError>;

    /// The header of `height` with the signatures of its validators: `SignedHeader`, protobuf.
    async fn signed_header(&self, height: u64) -> Result<Vec<u8>, ChainError>;

    /// All validators of `height`: `ValidatorSet`, protobuf, in the chain's order.
    async fn validators(&self, height: u64) -> Result<Vec<u8>, ChainError>;

    /// A stored code.
    async fn code(&self, code_id: u64) -> Result<Option<CodeInfo>, ChainError>;

    /// An instance.
    async fn contract(&self, contract: &ContractAddress) -> Result<Option<ContractInfo>, ChainError>;
}

/// Typed questions on top of [`Chain`].
#[async_trait]
pub trait ChainExt: Chain {
    /// A Borsh record of a contract: namespace and id as in FORMATS.
    async fn record<T: BorshDeserialize>(
        &self,
        contract: &ContractAddress,
        namespace: &str,
        id: &[u8],
        height: Option<u64>,
    ) -> Result<Option<T>, ChainError> {
        let key = records::record_key(namespace, id);
        let Some(value) = self.raw(contract, &key, height).await? else { return Ok(None) };
        casewise_ledger::decode(&value)
            .map(Some)
            .map_err(|_| ChainError::malformed(format!("record {namespace} of contract {contract}")))
    }

    /// A contract's typed answer to a typed query.
    async fn query<Q: Serialize + Sync, R: DeserializeOwned>(
        &self,
        contract: &ContractAddress,
        query: &Q,
        height: Option<u64>,
    ) -> Result<R, ChainError> {
        let json = serde_json::to_vec(query).map_err(|e| ChainError::invalid("query", e))?;
        let answer = self.smart(contract, &json, height).await?;
        serde_json::from_slice(&answer)
            .map_err(|e| ChainError::malformed(format!("answer of contract {contract}: {e}")))
    }
}

impl<C: Chain + ?Sized> ChainExt for C {}
