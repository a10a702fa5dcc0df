//! Validators, headers and commits.

use casewise_evidence::{pack_header, pack_validators};
use ed25519_consensus::SigningKey;
use tendermint::account::Id;
use tendermint::block::header::{Header, Version};
use tendermint::block::parts::Header as PartSetHeader;
use tendermint::block::signed_header::SignedHeader;
use tendermint::block::{Commit, CommitSig, Id as BlockId, Round};
use tendermint::validator::{Info, Set};
use tendermint::vote::{SignedVote, Type, ValidatorIndex, Vote};
use tendermint::{AppHash, Hash, PublicKey, Signature, Time};
use tendermint_proto::Protobuf;
use tendermint_proto::v0_38::types as pb;

/// Unix seconds at height 0; a block each second.
pub const START: u64 = 1_767_225_600;

/// Validators with their keys, in the chain's order.
#[derive(Clone)]
pub struct Validators {
    keys: Vec<SigningKey>,
    pub set: Set,
}

/// Who signs.
#[derive(Clone, Copy)]
pub enum Signers {
    All,
    /// The first so many, in the chain's order.
    First(usize),
    /// All; the signature of this one is of something else.
    Forged(usize),
    /// All; this one voted for no block.
    Nil(usize),
}

impl Validators {
    pub fn new(seed: u64, name: &str, powers: &[u64]) -> Self {
        let mut all: Vec<(SigningKey, Info)> = powers
            .iter()
            .enumerate()
            .map(|(number, power)| {
                let key = SigningKey::from(super::bytes(seed, &format!("{name} validator {number}")));
                let public = PublicKey::from_ed25519_consensus(key.verification_key());
                (key, Info::new(public, (*power).try_into().unwrap()))
            })
            .collect();
        all.sort_by_key(|(_, info)| (std::cmp::Reverse(info.power), info.address));
        let (keys, infos): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        Self { keys, set: Set::without_proposer(infos) }
    }

    pub fn hash(&self) -> [u8; 32] {
        self.set.hash().as_bytes().try_into().unwrap()
    }

    /// As a node gives them: with a proposer and priorities.
    pub fn raw(&self) -> Vec<u8> {
        let mut set = self.set.clone();
        for (number, validator) in set.validators.iter_mut().enumerate() {
            validator.proposer_priority = (number as i64 - 1).into();
        }
        set.proposer = set.validators.first().cloned();
        Protobuf::<pb::ValidatorSet>::encode_vec(set)
    }

    pub fn packed(&self) -> Vec<u8> {
        pack_validators(&self.raw()).unwrap()
    }
}

/// What of a header the stories choose.
#[derive(Clone)]
pub struct Spec {
    pub chain_id: String,
    pub height: u64,
    pub validators_hash: [u8; 32],
    pub next_validators_hash: [u8; 32],
    pub app_hash: Vec<u8>,
    /// Makes otherwise equal headers differ.
    pub proposer: u8,
}

impl Spec {
    pub fn header(&self) -> Header {
        let hash = |name: &str| Some(Hash::Sha256(super::bytes(self.height, name)));
        Header {
            version: Version { block: 11, app: 0 },
            chain_id: self.chain_id.parse().unwrap(),
            height: self.height.try_into().unwrap(),
            time: time(self.height, 123_456_789),
            last_block_id: Some(block_id(super::bytes(self.height, "last block"))),
            last_commit_hash: hash("last commit"),
            data_hash: hash("data"),
            validators_hash: Hash::Sha256(self.validators_hash),
            next_validators_hash: Hash::Sha256(self.next_validators_hash),
            consensus_hash: Hash::Sha256(super::bytes(0, "consensus")),
            app_hash: AppHash::try_from(self.app_hash.clone()).unwrap(),
            last_results_hash: hash("results"),
            evidence_hash: hash("evidence"),
            proposer_address: Id::new([self.proposer; 20]),
        }
    }

    pub fn hash(&self) -> [u8; 32] {
        self.header().hash().as_bytes().try_into().unwrap()
    }

    /// The signed header as files hold it.
    pub fn signed(&self, validators: &Validators, signers: Signers) -> Vec<u8> {
        pack_header(&self.raw(validators, signers)).unwrap()
    }

    /// The signed header as a node gives it.
    pub fn raw(&self, validators: &Validators, signers: Signers) -> Vec<u8> {
        let header = self.header();
        let commit = commit(&header, self.hash(), validators, signers);
        Protobuf::<pb::SignedHeader>::encode_vec(SignedHeader::new(header, commit).unwrap())
    }

    /// This header with a commit for another.
    pub fn committed_as(&self, hash: [u8; 32], validators: &Validators) -> Vec<u8> {
        let header = self.header();
        let commit = commit(&header, hash, validators, Signers::All);
        Protobuf::<pb::SignedHeader>::encode_vec(SignedHeader::new(header, commit).unwrap())
    }
}

/// A signed header whose votes were changed after signing.
pub fn with_votes(signed: &[u8], change: impl FnOnce(&mut Vec<CommitSig>)) -> Vec<u8> {
    let mut signed = <SignedHeader as Protobuf<pb::SignedHeader>>::decode_vec(signed).unwrap();
    change(&mut signed.commit.signatures);
    Protobuf::<pb::SignedHeader>::encode_vec(signed)
}

fn time(height: u64, nanos: u32) -> Time {
    Time::from_unix_timestamp((START + height) as i64, nanos).unwrap()
}

fn block_id(hash: [u8; 32]) -> BlockId {
    let parts = PartSetHeader::new(1, Hash::Sha256(super::bytes(hash[0].into(), "parts"))).unwrap();
    BlockId { hash: Hash::Sha256(hash), part_set_header: parts }
}

fn commit(header: &Header, hash: [u8; 32], validators: &Validators, signers: Signers) -> Commit {
    let signatures = validators.set.validators().iter().zip(&validators.keys).enumerate();
    let signatures = signatures
        .map(|(number, (info, key))| vote(header, hash, number, info.address, key, signers))
        .collect();
    Commit { height: header.height, round: Round::from(1u8), block_id: block_id(hash), signatures }
}

fn vote(
    header: &Header,
    hash: [u8; 32],
    number: usize,
    address: Id,
    key: &SigningKey,
    signers: Signers,
) -> CommitSig {
    let timestamp = time(header.height.value() + 1, number as u32);
    let nil = matches!(signers, Signers::Nil(at) if at == number);
    let mut vote = Vote {
        vote_type: Type::Precommit,
        height: header.height,
        round: Round::from(1u8),
        block_id: (!nil).then(|| block_id(hash)),
        timestamp: Some(timestamp),
        validator_address: address,
        validator_index: ValidatorIndex::try_from(number).unwrap(),
        signature: Signature::new([1; 64]).unwrap(),
        extension: Vec::new(),
        extension_signature: None,
    };
    if matches!(signers, Signers::Forged(at) if at == number) {
        vote.round = Round::from(2u8);
    }
    let message = SignedVote::from_vote(vote, header.chain_id.clone()).unwrap().sign_bytes();
    let signature = Signature::new(key.sign(&message).to_bytes()).unwrap();
    match signers {
        Signers::First(count) if number >= count => CommitSig::BlockIdFlagAbsent,
        _ if nil => CommitSig::BlockIdFlagNil { validator_address: address, timestamp, signature },
        _ => CommitSig::BlockIdFlagCommit { validator_address: address, timestamp, signature },
    }
}
