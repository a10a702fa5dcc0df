//! A store as the chain keeps it: an IAVL tree of records under the simple Merkle tree of stores,
//! with existence proofs of both.

use casewise_evidence::pack_proof;
use casewise_ledger::sha256;
use ics23::commitment_proof::Proof;
use ics23::{CommitmentProof, ExistenceProof, HashOp, InnerOp, LeafOp, LengthOp};
use prost::Message as _;

/// Names of the stores beside `wasm`.
const STORES: [&str; 6] = ["acc", "authz", "bank", "group", "staking", "upgrade"];
/// Version of every node of the IAVL tree.
const VERSION: i64 = 33;

/// The records of all contracts, and the stores around them.
pub struct Store {
    tree: Node,
}

enum Node {
    Leaf { key: Vec<u8>, value: Vec<u8> },
    Inner { left: Box<Node>, right: Box<Node>, size: i64, height: i64 },
}

impl Store {
    pub fn new(mut records: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        records.sort();
        records.dedup_by(|a, b| a.0 == b.0);
        Self { tree: build(&records) }
    }

    /// What the header of the next height commits to.
    pub fn app_hash(&self) -> [u8; 32] {
        simple_root(&self.stores())
    }

    /// Proof of a record under the root of `wasm`.
    pub fn prove(&self, key: &[u8]) -> Vec<u8> {
        let mut path = Vec::new();
        let (key, value) = find(&self.tree, key, &mut path);
        path.reverse();
        let prefix = [varint(0), varint(1), varint(VERSION)].concat();
        pack(exist(key.clone(), value.clone(), prefix, path))
    }

    /// Proof of the root of `wasm` under the app hash.
    pub fn prove_store(&self) -> Vec<u8> {
        let mut path = Vec::new();
        let stores = self.stores();
        let at = stores.iter().position(|(name, _)| name == b"wasm").unwrap();
        simple_path(&stores, at, &mut path);
        pack(exist(b"wasm".to_vec(), hash(&self.tree).to_vec(), vec![0], path))
    }

    /// Names and roots, ascending.
    fn stores(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut stores: Vec<(Vec<u8>, Vec<u8>)> = STORES
            .iter()
            .map(|name| (name.as_bytes().to_vec(), sha256(&[name.as_bytes()]).to_vec()))
            .collect();
        stores.push((b"wasm".to_vec(), hash(&self.tree).to_vec()));
        stores.sort();
        stores
    }
}

fn exist(key: Vec<u8>, value: Vec<u8>, prefix: Vec<u8>, path: Vec<InnerOp>) -> ExistenceProof {
    let leaf = LeafOp {
        hash: HashOp::Sha256.into(),
        prehash_key: HashOp::NoHash.into(),
        prehash_value: HashOp::Sha256.into(),
        length: LengthOp::VarProto.into(),
        prefix,
    };
    ExistenceProof { key, value, leaf: Some(leaf), path }
}

fn pack(proof: ExistenceProof) -> Vec<u8> {
    pack_proof(&CommitmentProof { proof: Some(Proof::Exist(proof)) }.encode_to_vec()).unwrap()
}

/// A zigzag varint, as IAVL writes its numbers.
fn varint(number: i64) -> Vec<u8> {
    let mut rest = (number << 1) as u64;
    let mut out = Vec::new();
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out
}

fn length(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::encode_varint(bytes.len() as u64, &mut out);
    out
}

fn leaf_hash(prefix: &[u8], key: &[u8], value: &[u8]) -> [u8; 32] {
    sha256(&[prefix, &length(key), key, &[32], &sha256(&[value])])
}

fn build(records: &[(Vec<u8>, Vec<u8>)]) -> Node {
    if let [(key, value)] = records {
        return Node::Leaf { key: key.clone(), value: value.clone() };
    }
    let (left, right) = records.split_at(records.len().div_ceil(2));
    let (left, right) = (build(left), build(right));
    let height = 1 + depth(&left).max(depth(&right));
    Node::Inner { left: Box::new(left), right: Box::new(right), size: records.len() as i64, height }
}

fn depth(node: &Node) -> i64 {
    match node {
        Node::Leaf { .. } => 0,
        Node::Inner { height, .. } => *height,
    }
}

fn hash(node: &Node) -> [u8; 32] {
    match node {
        Node::Leaf { key, value } => leaf_hash(&[varint(0), varint(1), varint(VERSION)].concat(), key, value),
        Node::Inner { left, right, size, height } => {
            let prefix = [varint(*height), varint(*size), varint(VERSION)].concat();
            sha256(&[&prefix, &[32], &hash(left), &[32], &hash(right)])
        }
    }
}

/// The record, and its path from the root down.
fn find<'a>(node: &'a Node, key: &[u8], path: &mut Vec<InnerOp>) -> (&'a Vec<u8>, &'a Vec<u8>) {
    match node {
        Node::Leaf { key: found, value } => {
            assert_eq!(found, key, "the record is in the tree");
            (found, value)
        }
        Node::Inner { left, right, size, height } => {
            let prefix = [varint(*height), varint(*size), varint(VERSION)].concat();
            let below = if *key < *first_key(right) {
                let suffix = [&[32], hash(right).as_slice()].concat();
                path.push(InnerOp {
                    hash: HashOp::Sha256.into(),
                    prefix: [prefix, vec![32]].concat(),
                    suffix,
                });
                left
            } else {
                let prefix = [prefix, vec![32], hash(left).to_vec(), vec![32]].concat();
                path.push(InnerOp { hash: HashOp::Sha256.into(), prefix, suffix: Vec::new() });
                right
            };
            find(below, key, path)
        }
    }
}

fn first_key(node: &Node) -> &[u8] {
    match node {
        Node::Leaf { key, .. } => key,
        Node::Inner { left, .. } => first_key(left),
    }
}

fn split(count: usize) -> usize {
    count.next_power_of_two() / 2
}

fn simple_root(stores: &[(Vec<u8>, Vec<u8>)]) -> [u8; 32] {
    match stores {
        [(name, root)] => leaf_hash(&[0], name, root),
        _ => {
            let (left, right) = stores.split_at(split(stores.len()));
            sha256(&[&[1], &simple_root(left), &simple_root(right)])
        }
    }
}

/// The path of a store, from the leaf up.
fn simple_path(stores: &[(Vec<u8>, Vec<u8>)], at: usize, path: &mut Vec<InnerOp>) {
    if stores.len() == 1 {
        return;
    }
    let middle = split(stores.len());
    let (left, right) = stores.split_at(middle);
    let hash = HashOp::Sha256.into();
    if at < middle {
        simple_path(left, at, path);
        path.push(InnerOp { hash, prefix: vec![1], suffix: simple_root(right).to_vec() });
    } else {
        simple_path(right, at - middle, path);
        path.push(InnerOp {
            hash,
            prefix: [&[1], simple_root(left).as_slice()].concat(),
            suffix: Vec::new(),
        });
    }
}
