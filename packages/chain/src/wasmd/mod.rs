//! The client of a wasmd node: [`Chain`] over CometBFT's JSON-RPC.
//!
//! Responsible for turning a node's answers into exact ones: "not yet", "pruned" and "absent" are
//! told apart, every answer belongs to the height asked for, every block to the chain. It trusts
//! its node for content; evidence and the light client verify. Must never poll a transaction by
//! hash to wait for it.

mod rpc;
mod wire;

use std::fmt;

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use casewise_ledger::{Address, Hash, sha256};
use cosmrs::proto::{
    cosmos::{
        auth::v1beta1::{QueryAccountInfoRequest, QueryAccountInfoResponse},
        bank::v1beta1::{QueryBalanceRequest, QueryBalanceResponse},
        base::query::v1beta1::PageRequest,
        feegrant::v1beta1::Grant,
    },
    cosmwasm::wasm::v1::{
        self as pb_wasm, QueryAllContractStateRequest, QueryAllContractStateResponse,
        QuerySmartContractStateRequest, QuerySmartContractStateResponse,
    },
    prost::Message,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tendermint_proto::{Protobuf, v0_38::types as pb};

use self::{
    rpc::{CallError, Rpc},
    wire::{
        AbciInfo, AbciQuery, AbciResponse, BlockAnswer, BlockResults, BroadcastAnswer, CommitAnswer, Status,
        TxAnswer, ValidatorsAnswer,
    },
};
use crate::{
    Account, Allowance, Block, Broadcast, Chain, ChainError, CodeInfo, ContractAddress, ContractInfo, Event,
    Prefix, StateProof, Tip, TxStatus,
    address::{account_from_bech32, account_to_bech32},
    allowance, code,
    error::shorten,
    types::store_key,
};

pub(crate) use self::rpc::check_endpoints;
pub use self::rpc::{ANSWER_TIMEOUT, CONNECT_TIMEOUT, MAX_ANSWER, MAX_ENDPOINTS};

/// Validators per page; the node's own limit.
const PER_PAGE: u64 = 100;

/// Most validators read.
pub const MAX_VALIDATORS: u64 = 10_000;

/// Prefixes of keys: codes and contracts in store `wasm`, allowances in store `feegrant`.
const CODE: &[u8] = &[1];
const CONTRACT: &[u8] = &[2];
const FEE_ALLOWANCE: &[u8] = &[0];

/// The SDK's code for "no such thing".
const NOT_FOUND: u32 = 22;

/// A client of one chain through one or more of its nodes. Cheap calls share a connection pool;
/// give it around by reference or in an `Arc`.
pub struct WasmdClient {
    rpc: Rpc,
    prefix: Prefix,
}

impl fmt::Debug for WasmdClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasmdClient")
            .field("chain_id", &self.rpc.chain_id())
            .field("endpoints", &self.rpc.names())
            .finish_non_exhaustive()
    }
}

impl WasmdClient {
    /// A client; asks nothing yet. Endpoints are RPC URLs: plain http only to this machine, https
    /// elsewhere (feature `tls`). The first is used until it cannot be reached.
    pub fn new(endpoints: &[String], chain_id: &str, prefix: Prefix) -> Result<Self, ChainError> {
        Ok(Self { rpc: Rpc::new(endpoints, chain_id)?, prefix })
    }

    /// Everything a contract has stored, in ascending key: keys as inside the contract. For audits
    /// and tests; it is as large as the state.
    pub async fn state(
        &self,
        contract: &ContractAddress,
        height: Option<u64>,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, ChainError> {
        let address = contract.to_bech32(&self.prefix);
        let mut models = Vec::new();
        let mut key = Vec::new();
        loop {
            let page = PageRequest { key: std::mem::take(&mut key), ..Default::default() };
            let query = QueryAllContractStateRequest { address: address.clone(), pagination: Some(page) };
            let answer: QueryAllContractStateResponse =
                self.grpc("/cosmwasm.wasm.v1.Query/AllContractState", &query, height).await?;
            models.extend(answer.models.into_iter().map(|model| (model.key, model.value)));
            match answer.pagination {
                Some(page) if !page.next_key.is_empty() => key = page.next_key,
                _ => return Ok(models),
            }
        }
    }

    /// Last height the node's application has committed, asked now.
    async fn committed(&self) -> Result<u64, ChainError> {
        let info: AbciInfo = self.rpc.call("abci_info", json!({})).await?;
        self.rpc.note_committed(info.response.last_block_height);
        Ok(info.response.last_block_height)
    }

    async fn status(&self) -> Result<Status, ChainError> {
        Ok(self.rpc.call("status", json!({})).await?)
    }

    /// A call about one height: a refusal becomes `NotYet` or `Pruned` by asking what the node has.
    async fn at_height<T: DeserializeOwned>(
        &self,
        method: &str,
        params: Value,
        height: u64,
    ) -> Result<T, ChainError> {
        check_height(height)?;
        match self.rpc.call(method, params).await {
            Ok(answer) => Ok(answer),
            Err(CallError::Rpc(error)) => {
                let tip = self.committed().await?;
                if height > tip {
                    return Err(ChainError::NotYet { height, tip });
                }
                let earliest = self.earliest_height().await?;
                // A node that keeps blocks but discards their results refuses only those.
                if height < earliest || method == "block_results" {
                    return Err(ChainError::Pruned { height, earliest });
                }
                Err(CallError::Rpc(error).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn abci(
        &self,
        path: &str,
        data: &[u8],
        height: Option<u64>,
        prove: bool,
    ) -> Result<AbciResponse, ChainError> {
        if let Some(height) = height {
            check_height(height)?;
        }
        let params = json!({
            "path": path,
            "data": hex::encode(data),
            "height": height.unwrap_or(0).to_string(),
            "prove": prove,
        });
        let answer: AbciQuery = self.rpc.call("abci_query", params).await?;
        let response = answer.response;
        // The store answers "version does not exist" with code 0 and no value: never "absent".
        let no_version = ["version does not exist", "failed to load state", "has not been pruned"]
            .iter()
            .any(|text| response.log.contains(text));
        if response.code == 0 && !no_version {
            return Ok(response);
        }
        let refused = ChainError::refused(response.code, &response.codespace, &response.log);
        let Some(height) = height else { return Err(refused) };
        let tip = self.committed().await?;
        if height > tip {
            return Err(ChainError::NotYet { height, tip });
        }
        if no_version {
            return Err(ChainError::Pruned { height, earliest: self.earliest_height().await? });
        }
        Err(refused)
    }

    /// The application's own simulation: every node has it, and a refusal keeps its code.
    async fn simulation(&self, tx: &[u8]) -> Result<wire::Simulation, ChainError> {
        let response = self.abci("/app/simulate", tx, None, false).await?;
        serde_json::from_slice(&response.value).map_err(|e| ChainError::malformed(format!("simulation: {e}")))
    }

    /// The events a transaction would have now.
    pub(crate) async fn simulated_events(&self, tx: &[u8]) -> Result<Vec<Event>, ChainError> {
        let result = self.simulation(tx).await?.result;
        let result = result.ok_or_else(|| ChainError::malformed("a simulation without result"))?;
        Ok(result.events.into_iter().map(wire::WireEvent::into_event).collect())
    }

    /// As `grpc`; `None` when the module says that there is no such thing.
    pub(crate) async fn lookup<Q: Message, R: Message + Default>(
        &self,
        path: &str,
        query: &Q,
    ) -> Result<Option<R>, ChainError> {
        match self.grpc(path, query, None).await {
            Ok(answer) => Ok(Some(answer)),
            Err(ChainError::Refused { log, .. }) if log.contains("not found") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A query of one of the SDK's gRPC services.
    pub(crate) async fn grpc<Q: Message, R: Message + Default>(
        &self,
        path: &str,
        query: &Q,
        height: Option<u64>,
    ) -> Result<R, ChainError> {
        let response = self.abci(path, &query.encode_to_vec(), height, false).await?;
        R::decode(response.value.as_slice()).map_err(|e| ChainError::malformed(format!("{path}: {e}")))
    }

    /// A value of one of the application's stores; empty = absent.
    async fn store(
        &self,
        store: &str,
        key: &[u8],
        height: Option<u64>,
        prove: bool,
    ) -> Result<AbciResponse, ChainError> {
        let response = self.abci(&format!("/store/{store}/key"), key, height, prove).await?;
        if response.key != key || height.is_some_and(|h| h != response.height) {
            return Err(ChainError::malformed("answer about another key or height of the store"));
        }
        Ok(response)
    }

    /// A protobuf object of a store. Read there and not by the query services, because those tell
    /// "absent" only in words.
    async fn object<M: Message + Default>(&self, store: &str, key: &[u8]) -> Result<Option<M>, ChainError> {
        let value = self.store(store, key, None, false).await?.value;
        if value.is_empty() {
            return Ok(None);
        }
        M::decode(value.as_slice())
            .map(Some)
            .map_err(|e| ChainError::malformed(format!("store {store}: {e}")))
    }

    async fn validator_infos(&self, height: u64) -> Result<Vec<tendermint::validator::Info>, ChainError> {
        let mut all = Vec::new();
        for page in 1..=MAX_VALIDATORS / PER_PAGE {
            let params = json!({"height": height.to_string(), "page": page.to_string(), "per_page": PER_PAGE.to_string()});
            let answer: ValidatorsAnswer = self.at_height("validators", params, height).await?;
            if answer.block_height != height || answer.validators.is_empty() {
                return Err(ChainError::malformed("validators of another height, or none"));
            }
            all.extend(answer.validators);
            if all.len() as u64 >= answer.total {
                return Ok(all);
            }
        }
        Err(ChainError::malformed(format!("more than {MAX_VALIDATORS} validators")))
    }
}

#[async_trait]
impl Chain for WasmdClient {
    fn chain_id(&self) -> &str {
        self.rpc.chain_id()
    }

    fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    async fn tip(&self) -> Result<Tip, ChainError> {
        let sync = self.status().await?.sync_info;
        Ok(Tip {
            height: sync.latest_block_height,
            time_ms: wire::millis(sync.latest_block_time)?,
            hash: sync.latest_block_hash,
        })
    }

    async fn earliest_height(&self) -> Result<u64, ChainError> {
        Ok(self.status().await?.sync_info.earliest_block_height)
    }

    async fn block(&self, height: u64) -> Result<Option<Block>, ChainError> {
        check_height(height)?;
        // Results are stored before the state is committed: a block is given out only after both.
        if height > self.rpc.committed() && height > self.committed().await? {
            return Ok(None);
        }
        let params = json!({"height": height.to_string()});
        let answers = tokio::try_join!(
            self.at_height::<BlockAnswer>("block", params.clone(), height),
            self.at_height::<BlockResults>("block_results", params.clone(), height),
        );
        match answers {
            Ok((block, results)) => join(self.chain_id(), height, block, results).map(Some),
            // The node changed in between, to one that lags.
            Err(ChainError::NotYet { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn raw(
        &self,
        contract: &ContractAddress,
        key: &[u8],
        height: Option<u64>,
    ) -> Result<Option<Vec<u8>>, ChainError> {
        let response = self.store("wasm", &store_key(contract, key), height, false).await?;
        Ok(Some(response.value).filter(|value| !value.is_empty()))
    }

    async fn smart(
        &self,
        contract: &ContractAddress,
        query: &[u8],
        height: Option<u64>,
    ) -> Result<Vec<u8>, ChainError> {
        let query = QuerySmartContractStateRequest {
            address: contract.to_bech32(&self.prefix),
            query_data: query.to_vec(),
        };
        let answer: QuerySmartContractStateResponse =
            self.grpc("/cosmwasm.wasm.v1.Query/SmartContractState", &query, height).await?;
        Ok(answer.data)
    }

    async fn account(&self, address: &Address) -> Result<Option<Account>, ChainError> {
        let query = QueryAccountInfoRequest { address: account_to_bech32(address, &self.prefix) };
        let path = "/cosmos.auth.v1beta1.Query/AccountInfo";
        let answer: QueryAccountInfoResponse = match self.grpc(path, &query, None).await {
            Err(ChainError::Refused { code: NOT_FOUND, codespace, .. }) if codespace == code::SDK => {
                return Ok(None);
            }
            answer => answer?,
        };
        let info = answer.info.ok_or_else(|| ChainError::malformed("an account without content"))?;
        Ok(Some(Account { number: info.account_number, sequence: info.sequence }))
    }

    async fn allowance(&self, granter: &Address, grantee: &Address) -> Result<Option<Allowance>, ChainError> {
        let key = [FEE_ALLOWANCE, &[20], &grantee.0, &[20], &granter.0].concat();
        let Some(grant) = self.object::<Grant>("feegrant", &key).await? else { return Ok(None) };
        let content = grant.allowance.ok_or_else(|| ChainError::malformed("an allowance without content"))?;
        allowance::decode(content).map(Some)
    }

    async fn balance(&self, address: &Address, denom: &str) -> Result<u128, ChainError> {
        crate::gas::check_denom(denom)?;
        let query = QueryBalanceRequest {
            address: account_to_bech32(address, &self.prefix),
            denom: denom.to_owned(),
        };
        let answer: QueryBalanceResponse =
            self.grpc("/cosmos.bank.v1beta1.Query/Balance", &query, None).await?;
        let Some(coin) = answer.balance else { return Ok(0) };
        coin.amount.parse().map_err(|_| ChainError::malformed("a balance that is no number"))
    }

    async fn simulate(&self, tx: &[u8]) -> Result<u64, ChainError> {
        Ok(self.simulation(tx).await?.gas_info.gas_used)
    }

    async fn broadcast(&self, tx: &[u8]) -> Result<Broadcast, ChainError> {
        let params = json!({"tx": STANDARD.encode(tx)});
        match self.rpc.call_once::<BroadcastAnswer>("broadcast_tx_sync", params).await {
            Ok(BroadcastAnswer { code: 0, .. }) => Ok(Broadcast::Accepted),
            Ok(answer) => Ok(rejected(answer.code, &answer.codespace, &answer.log)),
            Err(CallError::Rpc(error)) => mempool_error(self.rpc.name(), &error.data),
            Err(error) => Err(error.into()),
        }
    }

    async fn tx(&self, hash: &Hash) -> Result<Option<TxStatus>, ChainError> {
        let params = json!({"hash": STANDARD.encode(hash), "prove": false});
        match self.rpc.call::<TxAnswer>("tx", params).await {
            Ok(answer) => Ok(Some(TxStatus {
                height: answer.height,
                code: answer.tx_result.code,
                log: shorten(&answer.tx_result.log),
            })),
            Err(CallError::Rpc(error)) if error.data.ends_with("not found") => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn proof(
        &self,
        contract: &ContractAddress,
        key: &[u8],
        height: u64,
    ) -> Result<StateProof, ChainError> {
        let response = self.store("wasm", &store_key(contract, key), Some(height), true).await?;
        let ops = response.proof_ops.map(|proof| proof.ops).unwrap_or_default();
        let [iavl, store] = <[wire::ProofOp; 2]>::try_from(ops)
            .map_err(|_| ChainError::malformed("a store proof that has not two steps"))?;
        if iavl.kind != "ics23:iavl"
            || iavl.key != response.key
            || store.kind != "ics23:simple"
            || store.key != b"wasm"
        {
            return Err(ChainError::malformed("a store proof of another kind or key"));
        }
        Ok(StateProof {
            key: response.key,
            value: Some(response.value).filter(|value| !value.is_empty()),
            height,
            iavl: iavl.data,
            store: store.data,
        })
    }

    async fn signed_header(&self, height: u64) -> Result<Vec<u8>, ChainError> {
        let answer: CommitAnswer =
            self.at_height("commit", json!({"height": height.to_string()}), height).await?;
        let signed = answer.signed_header;
        if signed.header.height.value() != height || signed.commit.height.value() != height {
            return Err(ChainError::malformed("a header of another height"));
        }
        if signed.header.chain_id.as_str() != self.chain_id() {
            return Err(wrong_chain(self.chain_id(), signed.header.chain_id.as_str()));
        }
        Ok(Protobuf::<pb::SignedHeader>::encode_vec(signed))
    }

    async fn validators(&self, height: u64) -> Result<Vec<u8>, ChainError> {
        check_height(height)?;
        let validators: Vec<pb::Validator> =
            self.validator_infos(height).await?.into_iter().map(without_priority).map(Into::into).collect();
        let raw = pb::ValidatorSet { validators, proposer: None, total_voting_power: 0 };
        // Through the checked type: it sums the power and puts the validators in the chain's order.
        let set = tendermint::validator::Set::try_from(raw).map_err(ChainError::malformed)?;
        Ok(Protobuf::<pb::ValidatorSet>::encode_vec(set))
    }

    async fn code(&self, code_id: u64) -> Result<Option<CodeInfo>, ChainError> {
        let key = [CODE, &code_id.to_be_bytes()].concat();
        let Some(info) = self.object::<pb_wasm::CodeInfo>("wasm", &key).await? else { return Ok(None) };
        let checksum =
            info.code_hash.try_into().map_err(|_| ChainError::malformed("a checksum of another length"))?;
        Ok(Some(CodeInfo { creator: account_from_bech32(&info.creator, &self.prefix)?, checksum }))
    }

    async fn contract(&self, contract: &ContractAddress) -> Result<Option<ContractInfo>, ChainError> {
        let key = [CONTRACT, &contract.0].concat();
        let Some(info) = self.object::<pb_wasm::ContractInfo>("wasm", &key).await? else { return Ok(None) };
        Ok(Some(ContractInfo {
            code_id: info.code_id,
            admin: Some(info.admin).filter(|admin| !admin.is_empty()),
        }))
    }
}

/// Puts a block and its results together; they must be of the same height and length.
fn join(
    chain_id: &str,
    height: u64,
    answer: BlockAnswer,
    results: BlockResults,
) -> Result<Block, ChainError> {
    let header = answer.block.header;
    if header.chain_id != chain_id {
        return Err(wrong_chain(chain_id, &header.chain_id));
    }
    if header.height != height || results.height != height {
        return Err(ChainError::malformed("a block of another height"));
    }
    if answer.block.data.txs.len() != results.txs_results.len() {
        return Err(ChainError::malformed("a block whose results are not one for each transaction"));
    }
    let txs = answer.block.data.txs.iter().zip(results.txs_results);
    let txs = txs.map(|(tx, result)| Ok(result.into_tx(sha256(&[&wire::base64(tx)?]))));
    Ok(Block {
        height,
        time_ms: wire::millis(header.time)?,
        chain_id: header.chain_id,
        hash: answer.block_id.hash,
        last_block_hash: header.last_block_id.hash,
        txs: txs.collect::<Result<_, ChainError>>()?,
        events: results.finalize_block_events.into_iter().map(wire::WireEvent::into_event).collect(),
    })
}

fn check_height(height: u64) -> Result<(), ChainError> {
    // The node reads 0 as "latest": that is never meant here.
    if height == 0 || i64::try_from(height).is_err() {
        return Err(ChainError::invalid("height", format!("{height}; heights begin with 1")));
    }
    Ok(())
}

fn wrong_chain(expected: &str, found: &str) -> ChainError {
    ChainError::WrongChain { expected: expected.to_owned(), found: shorten(found) }
}

fn rejected(code: u32, codespace: &str, log: &str) -> Broadcast {
    Broadcast::Rejected { code, codespace: shorten(codespace), log: shorten(log) }
}

/// CometBFT's own refusals come as text; they get the codes the SDK's clients give them.
fn mempool_error(node: &str, text: &str) -> Result<Broadcast, ChainError> {
    let lower = text.to_lowercase();
    if lower.contains("tx already exists in cache") {
        Ok(Broadcast::AlreadyKnown)
    } else if lower.contains("mempool is full") {
        Ok(rejected(code::MEMPOOL_FULL, code::SDK, text))
    } else if lower.contains("tx too large") {
        Ok(rejected(code::TX_TOO_LARGE, code::SDK, text))
    } else {
        // Whether it was taken is not known.
        Err(ChainError::Unreachable { endpoint: node.to_owned(), reason: shorten(text) })
    }
}

/// A proposer priority is the node's bookkeeping: not hashed, and different at each node.
fn without_priority(mut info: tendermint::validator::Info) -> tendermint::validator::Info {
    info.proposer_priority = 0.into();
    info
}
