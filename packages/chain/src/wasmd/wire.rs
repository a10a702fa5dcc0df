//! The JSON of a CometBFT node, as far as it is read. Unknown fields are ignored; a missing one
//! is an error, never a default (`null` lists apart: Go writes empty ones so).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use casewise_ledger::Hash;
use serde::{Deserialize, Deserializer, de::Error as _};
use tendermint::Time;

use crate::{ChainError, Event, Tx, error::shorten};

#[derive(Deserialize)]
pub struct Envelope<T> {
    pub result: Option<T>,
    pub error: Option<RpcError>,
}

#[derive(Debug, Deserialize)]
pub struct RpcError {
    pub code: i64,
    #[serde(default)]
    pub message: String,
    #[serde(default)]
    pub data: String,
}

#[derive(Deserialize)]
pub struct Status {
    pub node_info: NodeInfo,
    pub sync_info: SyncInfo,
}

#[derive(Deserialize)]
pub struct NodeInfo {
    pub network: String,
}

#[derive(Deserialize)]
pub struct SyncInfo {
    #[serde(deserialize_with = "hash")]
    pub latest_block_hash: Hash,
    #[serde(deserialize_with = "number")]
    pub latest_block_height: u64,
    pub latest_block_time: Time,
    #[serde(deserialize_with = "number")]
    pub earliest_block_height: u64,
}

#[derive(Deserialize)]
pub struct AbciInfo {
    pub response: AbciInfoResponse,
}

#[derive(Deserialize)]
pub struct AbciInfoResponse {
    // Go leaves the field out at 0.
    #[serde(default, deserialize_with = "number")]
    pub last_block_height: u64,
}

#[derive(Deserialize)]
pub struct BlockAnswer {
    pub block_id: BlockId,
    pub block: BlockBody,
}

#[derive(Deserialize)]
pub struct BlockId {
    #[serde(deserialize_with = "hash")]
    pub hash: Hash,
}

#[derive(Deserialize)]
pub struct BlockBody {
    pub header: Header,
    pub data: BlockData,
}

#[derive(Deserialize)]
pub struct Header {
    pub chain_id: String,
    #[serde(deserialize_with = "number")]
    pub height: u64,
    pub time: Time,
    pub last_block_id: BlockId,
}

#[derive(Deserialize)]
pub struct BlockData {
    #[serde(deserialize_with = "nullable")]
    pub txs: Vec<String>,
}

#[derive(Deserialize)]
pub struct BlockResults {
    #[serde(deserialize_with = "number")]
    pub height: u64,
    #[serde(deserialize_with = "nullable")]
    pub txs_results: Vec<TxResult>,
    #[serde(deserialize_with = "nullable")]
    pub finalize_block_events: Vec<WireEvent>,
}

#[derive(Deserialize)]
pub struct TxResult {
    pub code: u32,
    #[serde(default)]
    pub codespace: String,
    #[serde(default)]
    pub log: String,
    #[serde(deserialize_with = "number")]
    pub gas_wanted: u64,
    #[serde(deserialize_with = "number")]
    pub gas_used: u64,
    #[serde(deserialize_with = "nullable")]
    pub events: Vec<WireEvent>,
}

impl TxResult {
    pub fn into_tx(self, hash: Hash) -> Tx {
        Tx {
            hash,
            code: self.code,
            codespace: shorten(&self.codespace),
            log: shorten(&self.log),
            gas_wanted: self.gas_wanted,
            gas_used: self.gas_used,
            events: self.events.into_iter().map(WireEvent::into_event).collect(),
        }
    }
}

#[derive(Deserialize)]
pub struct WireEvent {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(deserialize_with = "nullable")]
    pub attributes: Vec<WireAttribute>,
}

#[derive(Deserialize)]
pub struct WireAttribute {
    pub key: String,
    #[serde(deserialize_with = "nullable")]
    pub value: String,
}

impl WireEvent {
    pub fn into_event(self) -> Event {
        Event { kind: self.kind, attributes: self.attributes.into_iter().map(|a| (a.key, a.value)).collect() }
    }
}

#[derive(Deserialize)]
pub struct AbciQuery {
    pub response: AbciResponse,
}

#[derive(Deserialize)]
pub struct AbciResponse {
    pub code: u32,
    #[serde(default)]
    pub codespace: String,
    #[serde(default)]
    pub log: String,
    #[serde(deserialize_with = "bytes")]
    pub value: Vec<u8>,
    #[serde(deserialize_with = "bytes")]
    pub key: Vec<u8>,
    #[serde(deserialize_with = "number")]
    pub height: u64,
    #[serde(rename = "proofOps")]
    pub proof_ops: Option<ProofOps>,
}

#[derive(Deserialize)]
pub struct ProofOps {
    #[serde(deserialize_with = "nullable")]
    pub ops: Vec<ProofOp>,
}

#[derive(Deserialize)]
pub struct ProofOp {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(deserialize_with = "bytes")]
    pub key: Vec<u8>,
    #[serde(deserialize_with = "bytes")]
    pub data: Vec<u8>,
}

#[derive(Deserialize)]
pub struct BroadcastAnswer {
    pub code: u32,
    #[serde(default)]
    pub codespace: String,
    #[serde(default)]
    pub log: String,
}

#[derive(Deserialize)]
pub struct TxAnswer {
    #[serde(deserialize_with = "number")]
    pub height: u64,
    pub tx_result: TxOutcome,
}

#[derive(Deserialize)]
pub struct TxOutcome {
    pub code: u32,
    #[serde(default)]
    pub log: String,
}

#[derive(Deserialize)]
pub struct CommitAnswer {
    pub signed_header: tendermint::block::signed_header::SignedHeader,
}

#[derive(Deserialize)]
pub struct ValidatorsAnswer {
    #[serde(deserialize_with = "number")]
    pub block_height: u64,
    #[serde(deserialize_with = "nullable")]
    pub validators: Vec<tendermint::validator::Info>,
    #[serde(deserialize_with = "number")]
    pub total: u64,
}

#[derive(Deserialize)]
pub struct Simulation {
    pub gas_info: GasInfo,
    pub result: Option<SimulationResult>,
}

#[derive(Deserialize)]
pub struct SimulationResult {
    #[serde(deserialize_with = "nullable")]
    pub events: Vec<WireEvent>,
}

#[derive(Deserialize)]
pub struct GasInfo {
    #[serde(deserialize_with = "number")]
    pub gas_used: u64,
}

/// Unix ms of a time, floored; before 1970 is malformed.
pub fn millis(time: Time) -> Result<u64, ChainError> {
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000)
        .map_err(|_| ChainError::malformed("a time before 1970"))
}

/// Base64 as Go writes it.
pub fn base64(text: &str) -> Result<Vec<u8>, ChainError> {
    STANDARD.decode(text).map_err(|_| ChainError::malformed("base64"))
}

/// Numbers of 64 bits come as strings.
fn number<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    let text = String::deserialize(d)?;
    text.parse().map_err(|_| D::Error::custom("not a number"))
}

/// Hexadecimal hash; empty before the first block.
fn hash<'de, D: Deserializer<'de>>(d: D) -> Result<Hash, D::Error> {
    let text = String::deserialize(d)?;
    let mut out = [0; 32];
    if !text.is_empty() {
        hex::decode_to_slice(&text, &mut out).map_err(|_| D::Error::custom("not a hash"))?;
    }
    Ok(out)
}

fn bytes<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
    let text: Option<String> = Option::deserialize(d)?;
    STANDARD.decode(text.unwrap_or_default()).map_err(|_| D::Error::custom("not base64"))
}

fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(d)?.unwrap_or_default())
}
