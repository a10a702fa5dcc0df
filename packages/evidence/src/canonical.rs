//! Protobuf in one spelling: decoding that refuses every other encoding of the same object, and
//! packing for whoever writes a file.
//!
//! Fields that no signature or hash covers would be free to change: they must be empty.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casewise_ledger::{Hash, LedgerError, decode, encode};
use ics23::commitment_proof::Proof;
use ics23::{CommitmentProof, ExistenceProof};
use prost::Message as _;
use tendermint::block::CommitSig;
use tendermint::block::signed_header::SignedHeader;
use tendermint::validator::{ProposerPriority, Set};
use tendermint_proto::Protobuf;
use tendermint_proto::v0_38::types as pb;

use crate::limits::{MAX_HEADER, MAX_PROOF, MAX_VALIDATORS};
use crate::reason::{ReasonCode, Refusal, require};

/// What a signed header says, for whoever looks for the links of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderFacts {
    /// The chain.
    pub chain_id: String,
    /// Its height.
    pub height: u64,
    /// Its time, Unix ms.
    pub time_ms: u64,
    /// Its hash.
    pub hash: Hash,
    /// Hash of the validators that sign it.
    pub validators_hash: Hash,
    /// Hash of the validators that sign the next. A link stands where the two differ.
    pub next_validators_hash: Hash,
}

/// Reads a signed header (protobuf, from a node).
pub fn header_facts(header: &[u8]) -> Result<HeaderFacts, Refusal> {
    let header = read_header(header, "header")?.header;
    Ok(HeaderFacts {
        chain_id: header.chain_id.to_string(),
        height: header.height.value(),
        time_ms: millis(header.time, "header")?,
        hash: hash_bytes(header.hash()),
        validators_hash: hash_bytes(header.validators_hash),
        next_validators_hash: hash_bytes(header.next_validators_hash),
    })
}

/// Brings a node's `SignedHeader` into the form files hold: a validator that voted for no block is
/// shown as absent, because its vote says nothing about this one.
pub fn pack_header(header: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut signed = read_header(header, "header")?;
    for vote in &mut signed.commit.signatures {
        if vote.is_nil() {
            *vote = CommitSig::BlockIdFlagAbsent;
        }
    }
    Ok(Protobuf::<pb::SignedHeader>::encode_vec(signed))
}

/// Brings a node's `ValidatorSet` into the form files hold: no proposer and no priorities, which
/// no hash covers.
pub fn pack_validators(validators: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut set = read_validators(validators, "validators")?;
    set.proposer = None;
    for validator in &mut set.validators {
        validator.proposer_priority = ProposerPriority::default();
    }
    Ok(Protobuf::<pb::ValidatorSet>::encode_vec(set))
}

/// Brings a node's ICS23 `CommitmentProof` of existence into the form files hold.
pub fn pack_proof(proof: &[u8]) -> Result<Vec<u8>, Refusal> {
    read_proof(proof, "proof").map(|proof| proof.encode_to_vec())
}

/// Marks all signatures of a file's header (base64) absent: what a header looks like that nobody
/// signed. For tests and demonstrations of refusals.
pub fn strip_signatures(header: &str) -> Result<String, Refusal> {
    let bytes = STANDARD.decode(header).map_err(|_| encoding("header", "not base64"))?;
    let mut signed = read_header(&bytes, "header")?;
    signed.commit.signatures.fill(CommitSig::BlockIdFlagAbsent);
    Ok(STANDARD.encode(Protobuf::<pb::SignedHeader>::encode_vec(signed)))
}

/// A file's signed header: canonical, each validator's vote for this block or absent.
pub(crate) fn header(bytes: &[u8], field: &str) -> Result<SignedHeader, Refusal> {
    let signed = read_header(bytes, field)?;
    only_spelling(bytes, &Protobuf::<pb::SignedHeader>::encode_vec(signed.clone()), field)?;
    if signed.commit.signatures.iter().any(CommitSig::is_nil) {
        return Err(encoding(field, "holds a vote for no block"));
    }
    Ok(signed)
}

/// A file's validators: canonical, without proposer and priorities.
pub(crate) fn validators(bytes: &[u8], field: &str) -> Result<Set, Refusal> {
    let set = read_validators(bytes, field)?;
    only_spelling(bytes, &Protobuf::<pb::ValidatorSet>::encode_vec(set.clone()), field)?;
    let plain = set.validators.iter().all(|validator| validator.proposer_priority.value() == 0);
    if set.proposer.is_some() || !plain {
        return Err(encoding(field, "holds a proposer or priorities"));
    }
    Ok(set)
}

/// A file's proof of existence: canonical, not compressed, not a batch.
pub(crate) fn proof(bytes: &[u8], field: &str) -> Result<CommitmentProof, Refusal> {
    let proof = read_proof(bytes, field)?;
    only_spelling(bytes, &proof.encode_to_vec(), field)?;
    Ok(proof)
}

/// The one existence proof in it.
pub(crate) fn existence<'a>(proof: &'a CommitmentProof, field: &str) -> Result<&'a ExistenceProof, Refusal> {
    match &proof.proof {
        Some(Proof::Exist(exist)) => Ok(exist),
        _ => Err(encoding(field, "not a proof of existence")),
    }
}

/// A Borsh object in its one spelling.
pub(crate) fn borsh<T>(bytes: &[u8]) -> Result<T, LedgerError>
where
    T: borsh::BorshSerialize + borsh::BorshDeserialize,
{
    let value: T = decode(bytes)?;
    if encode(&value) == bytes { Ok(value) } else { Err(LedgerError::Malformed) }
}

pub(crate) fn encoding(field: &str, what: &str) -> Refusal {
    Refusal::new(ReasonCode::Encoding, format!("{field}: {what}"))
}

/// Unix ms of a block's time.
pub(crate) fn millis(time: tendermint::Time, field: &str) -> Result<u64, Refusal> {
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000).map_err(|_| encoding(field, "a time before 1970"))
}

pub(crate) fn hash_bytes(hash: tendermint::Hash) -> Hash {
    hash.as_bytes().try_into().unwrap_or_default()
}

fn limit(bytes: &[u8], max: usize, field: &str) -> Result<(), Refusal> {
    require(bytes.len() <= max, ReasonCode::TooLarge, || {
        format!("{field} has {} bytes, at most {max} are read", bytes.len())
    })
}

fn only_spelling(bytes: &[u8], canonical: &[u8], field: &str) -> Result<(), Refusal> {
    if bytes == canonical { Ok(()) } else { Err(encoding(field, "not in its canonical encoding")) }
}

fn read_header(bytes: &[u8], field: &str) -> Result<SignedHeader, Refusal> {
    limit(bytes, MAX_HEADER, field)?;
    let signed = <SignedHeader as Protobuf<pb::SignedHeader>>::decode_vec(bytes)
        .map_err(|_| encoding(field, "not a signed header"))?;
    count(signed.commit.signatures.len(), field)?;
    Ok(signed)
}

fn read_validators(bytes: &[u8], field: &str) -> Result<Set, Refusal> {
    limit(bytes, MAX_HEADER, field)?;
    let set = <Set as Protobuf<pb::ValidatorSet>>::decode_vec(bytes)
        .map_err(|_| encoding(field, "not a validator set"))?;
    count(set.validators.len(), field)?;
    Ok(set)
}

fn count(validators: usize, field: &str) -> Result<(), Refusal> {
    require(validators <= MAX_VALIDATORS, ReasonCode::TooLarge, || {
        format!("{field} has {validators} validators, at most {MAX_VALIDATORS} are read")
    })
}

fn read_proof(bytes: &[u8], field: &str) -> Result<CommitmentProof, Refusal> {
    limit(bytes, MAX_PROOF, field)?;
    let proof = CommitmentProof::decode(bytes).map_err(|_| encoding(field, "not an ICS23 proof"))?;
    existence(&proof, field)?;
    Ok(proof)
}
