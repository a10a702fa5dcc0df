//! What the tests of this crate share: vector files, and a small lane of sealed entries.
#![allow(dead_code)] // each test binary uses its part

use casewise_keytree::{KeySet, OneTimeKey};
use casewise_ledger::{
    AnchoredHead, Beacon, CaseId, Class, EntryHeader, EntryRef, Hash, Kind, LaneHeader, Party, V1,
    entry::SUITE_GCM_SIV, lane::root_commitment, merkle, merkle::ProofPlan,
};
use casewise_seal::{ListedEntry, Sealed, seal};
use serde_json::Value;

pub const ROOT: [u8; 32] = [0x42; 32];

/// A file of `schema/vectors`.
pub fn vectors(file: &str) -> Value {
    let path = format!("{}/../../schema/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

pub fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

pub fn key(index: u32) -> OneTimeKey {
    KeySet::root(&ROOT).derive(index).unwrap()
}

/// Bytes that differ from chunk to chunk.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 7 + i / 251) as u8).collect()
}

pub fn lane_header(class: Class, minimum: u32) -> LaneHeader {
    LaneHeader {
        version: V1,
        case: CaseId([1; 32]),
        author: Party::Institution(7),
        class,
        minimum,
        epoch: 0,
        root: root_commitment(&ROOT),
        signer: None,
        predecessor: None,
        nonce: [3; 16],
    }
}

/// A header of every field set: kind 3, with beacon and prev.
pub fn entry_header(lane: &LaneHeader, index: u32) -> EntryHeader {
    EntryHeader {
        version: V1,
        suite: SUITE_GCM_SIV,
        lane: lane.id(),
        index,
        kind: Kind::Amendment,
        time: 1_767_225_600_000,
        beacon: Beacon { height: 42, hash: [5; 32] },
        prev: Some(EntryRef { lane: lane.id(), index: 0 }),
    }
}

/// An anchored lane in which one entry is whole and the others are only leaves.
pub struct Anchored {
    pub lane: LaneHeader,
    pub position: u32,
    pub entry: ListedEntry,
    pub body: Vec<u8>,
    pub key: OneTimeKey,
    pub head: AnchoredHead,
    pub proof: Vec<Hash>,
}

/// `sealed` at its position of a lane of `size` entries.
pub fn anchor(lane: &LaneHeader, sealed: Sealed, size: u32) -> Anchored {
    let (entry, body) = (sealed.entry, sealed.body);
    anchor_entry(lane, entry, body, size)
}

/// [`anchor`] for an entry that was not sealed by the book.
pub fn anchor_entry(lane: &LaneHeader, entry: ListedEntry, body: Vec<u8>, size: u32) -> Anchored {
    let position = entry.header.index;
    let leaves: Vec<Hash> =
        (0..size).map(|i| if i == position { entry.leaf() } else { [i as u8; 32] }).collect();
    let (head, proof) = tree(lane, &leaves, position);
    Anchored { lane: lane.clone(), position, entry, body, key: key(position), head, proof }
}

pub fn tree(lane: &LaneHeader, leaves: &[Hash], position: u32) -> (AnchoredHead, Vec<Hash>) {
    let size = leaves.len() as u32;
    let proof =
        ProofPlan::inclusion(position, size).unwrap().assemble(|node| Some(subtree(leaves, node))).unwrap();
    (AnchoredHead { lane: lane.id(), size, root: merkle::root(leaves) }, proof)
}

fn subtree(leaves: &[Hash], node: merkle::NodeId) -> Hash {
    let first = (node.index as usize) << node.level;
    merkle::root(&leaves[first..first + (1 << node.level)])
}

/// An ordinary anchored entry with `content` of type text/plain, at position 5 of 9.
pub fn anchored(content: &[u8]) -> Anchored {
    let lane = lane_header(Class::Content, 1024);
    let header = entry_header(&lane, 5);
    let data = casewise_ledger::data::join("text/plain", content).unwrap();
    let sealed = seal(&key(5), &header, lane.minimum, &data).unwrap();
    anchor(&lane, sealed, 9)
}

/// AES-256-GCM-SIV over any padded plaintext, written again from FORMATS so that tests can seal what
/// the crate would refuse to seal.
pub fn forge(key: &OneTimeKey, header: &EntryHeader, padded: &[u8]) -> (ListedEntry, Vec<u8>) {
    use aes_gcm_siv::{AeadInOut, Aes256GcmSiv, KeyInit};
    let okm = okm(key, header);
    let cipher = Aes256GcmSiv::new_from_slice(&okm[..32]).unwrap();
    let mut body = Vec::new();
    let count = padded.chunks(16_384).count();
    for (number, chunk) in padded.chunks(16_384).enumerate() {
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&(number as u64).to_be_bytes());
        nonce[11] = u8::from(number + 1 == count);
        let mut sealed = chunk.to_vec();
        let tag = cipher.encrypt_inout_detached(&nonce.into(), b"", sealed.as_mut_slice().into()).unwrap();
        body.extend_from_slice(&sealed);
        body.extend_from_slice(&tag);
    }
    let entry = ListedEntry {
        header: header.clone(),
        commitment: okm[32..].try_into().unwrap(),
        body_length: body.len() as u64,
        body_sha256: casewise_ledger::sha256(&[&body]),
    };
    (entry, body)
}

/// `HKDF-Expand(key, "casewise/seal/v1" ‖ u8 suite ‖ header, 64)`.
pub fn okm(key: &OneTimeKey, header: &EntryHeader) -> [u8; 64] {
    let mut info = b"casewise/seal/v1".to_vec();
    info.push(header.suite);
    info.extend_from_slice(&casewise_ledger::encode(header));
    let mut okm = [0; 64];
    hkdf::Hkdf::<sha2::Sha256>::from_prk(key.expose_secret()).unwrap().expand(&info, &mut okm).unwrap();
    okm
}
