//! A network made by hand: validators, headers, commits, a store with proofs, a lane with sealed
//! entries. Everything is made from a seed, so that each link can be broken one at a time.
#![allow(dead_code)]

pub mod merkle;
pub mod mutants;
pub mod network;
pub mod vectors;

use casewise_evidence::{DisclosedKey, Entry, Evidence, Inclusion, Link, StateProof, Summary, TrustAnchor};
use casewise_keytree::{KeySet, OneTimeKey};
use casewise_ledger::records::{
    IdentityRecord, InstitutionKind, InstitutionRecord, InstitutionStatus, LaneRecord, LaneStatus, ns,
    store_key,
};
use casewise_ledger::{
    Address, Beacon, CaseId, Class, Data, EntryHeader, Kind, LaneHeader, Party, V1, encode, lane,
    merkle as ledger, sha256,
};
use casewise_seal::{Sealed, seal};
use network::{Signers, Spec, Validators};
use zeroize::Zeroizing;

/// The chain's id in every story.
pub const CHAIN_ID: &str = "casewise-vectors-1";
/// Height of the trust anchor.
pub const ANCHOR: u64 = 10;
/// Last height of the first validators.
pub const CHANGE: u64 = 20;
/// Height of the beacon.
pub const BEACON: u64 = 25;
/// Height of the state.
pub const STATE: u64 = 40;
/// Entries in the lane.
pub const SIZE: u32 = 5;
/// What the disclosed entry says.
pub const CONTENT: &[u8] = b"BP 120/80";

/// Everything that evidence is made from. Change a field before [`Story::evidence`] to tell a
/// story that is consistent in itself and differs there.
#[derive(Clone)]
pub struct Story {
    pub seed: u64,
    pub first: Validators,
    pub second: Validators,
    pub registrar: [u8; 32],
    pub summary: [u8; 32],
    pub checksum: [u8; 32],
    pub lane: LaneHeader,
    pub record: LaneRecord,
    pub entries: Vec<Sealed>,
    pub author_key: Vec<u8>,
    pub author_value: Vec<u8>,
    /// More records in the store.
    pub others: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Bytes made from a seed and a name.
pub fn bytes(seed: u64, name: &str) -> [u8; 32] {
    sha256(&[b"casewise/vectors/evidence/", &seed.to_be_bytes(), name.as_bytes()])
}

impl Story {
    pub fn new(seed: u64) -> Self {
        let first = Validators::new(seed, "first", &[10, 10, 10, 10]);
        let second = Validators::new(seed, "second", &[20, 10, 10, 5]);
        let (lane, keys) = lane_header(seed, "lane", Party::Institution(7));
        let beacon = header(&first, &second, BEACON, bytes(seed, "beacon app hash"));
        let entries = seal_entries(seed, &lane, keys, &beacon);
        let leaves: Vec<_> = entries.iter().map(|sealed| sealed.entry.leaf()).collect();
        let record = lane_record(&lane, SIZE, ledger::root(&leaves));
        let registrar = bytes(seed, "registrar");
        let institution = InstitutionRecord {
            version: V1,
            status: InstitutionStatus::Active,
            kind: InstitutionKind::Provider,
            account: Address([7; 20]),
            kem: bytes(seed, "kem"),
            kem_epoch: 3,
            since: 1_767_225_000_000,
            name: "Hospital A".into(),
        };
        Self {
            seed,
            first,
            second,
            registrar,
            summary: bytes(seed, "summary"),
            checksum: bytes(seed, "checksum"),
            lane,
            record,
            entries,
            author_key: store_key(&registrar, ns::INSTITUTION, &7u32.to_be_bytes()),
            author_value: encode(&institution),
            others: Vec::new(),
        }
    }

    /// The same lane, written by the holder of the case.
    pub fn of_holder(seed: u64) -> Self {
        let mut story = Self::new(seed);
        let holder = Address([9; 20]);
        let (lane, keys) = lane_header(seed, "lane", Party::Account(holder));
        story.entries =
            seal_entries(seed, &lane, keys, &header(&story.first, &story.second, BEACON, [0; 32]));
        story.record = lane_record(&lane, SIZE, ledger::root(&story.leaves()));
        story.author_key = store_key(&story.registrar, ns::IDENTITY, &lane.case.0);
        story.author_value = encode(&IdentityRecord {
            version: V1,
            holder,
            kem: [1; 32],
            epoch: 0,
            institution: 7,
            custodial: false,
            since: 1,
        });
        story.lane = lane;
        story
    }

    pub fn leaves(&self) -> Vec<[u8; 32]> {
        self.entries.iter().map(|sealed| sealed.entry.leaf()).collect()
    }

    /// The key of the lane's record.
    pub fn lane_key(&self) -> Vec<u8> {
        store_key(&self.summary, ns::LANE, &self.lane.id().0)
    }

    pub fn records(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut records = vec![
            (self.lane_key(), encode(&self.record)),
            (self.author_key.clone(), self.author_value.clone()),
        ];
        records.extend((0u8..5).map(|n| (bytes(n.into(), "another key").to_vec(), vec![n; 40])));
        records.extend(self.others.clone());
        records
    }

    pub fn store(&self) -> merkle::Store {
        merkle::Store::new(self.records())
    }

    pub fn header(&self) -> Spec {
        let mut spec = header(&self.first, &self.second, STATE + 1, self.store().app_hash());
        spec.proposer = 1;
        spec
    }

    pub fn change(&self) -> Spec {
        header(&self.first, &self.second, CHANGE, bytes(self.seed, "app hash at the change"))
    }

    pub fn beacon(&self) -> Spec {
        header(&self.first, &self.second, BEACON, bytes(self.seed, "beacon app hash"))
    }

    /// The header of the trust anchor.
    pub fn origin(&self) -> Spec {
        header(&self.first, &self.second, ANCHOR, bytes(self.seed, "app hash at the anchor"))
    }

    pub fn anchor(&self) -> TrustAnchor {
        TrustAnchor {
            chain_id: CHAIN_ID.into(),
            height: ANCHOR,
            header_hash: self.origin().hash(),
            validators_hash: self.first.hash(),
            registrar: self.registrar,
            summary: vec![Summary { address: self.summary, code_checksum: self.checksum }],
        }
    }

    pub fn state(&self, key: &[u8]) -> StateProof {
        let store = self.store();
        let records = self.records();
        let value = records.iter().find(|(k, _)| k == key).unwrap().1.clone();
        StateProof {
            height: STATE,
            iavl: store.prove(key),
            key: key.into(),
            store: store.prove_store(),
            value,
        }
    }

    pub fn one_time_key(&self, index: u32) -> OneTimeKey {
        KeySet::root(&bytes(self.seed, "lane")).derive(index).unwrap()
    }

    /// An entry of the file: with key and body, or without.
    pub fn entry(&self, index: u32, disclosed: bool) -> Entry {
        let sealed = &self.entries[index as usize];
        let key = disclosed.then(|| self.one_time_key(index));
        Entry {
            body: disclosed.then(|| sealed.body.clone()),
            body_length: sealed.entry.body_length,
            body_sha256: sealed.entry.body_sha256,
            commitment: sealed.entry.commitment,
            header: encode(&sealed.entry.header),
            one_time_key: key.map(|key| DisclosedKey(Zeroizing::new(*key.expose_secret()))),
        }
    }

    pub fn inclusion(&self, index: u32) -> Inclusion {
        inclusion(&self.leaves(), index)
    }

    /// The whole file: one change of validators, two entries, one of them disclosed, one with a
    /// beacon that is proven.
    pub fn evidence(&self) -> Evidence {
        Evidence {
            author: self.state(&self.author_key),
            beacon_header: Some(self.beacon().signed(&self.second, Signers::All)),
            chain_id: CHAIN_ID.into(),
            code_checksum: self.checksum,
            contract: self.summary,
            entries: vec![self.entry(2, true), self.entry(3, false)],
            header: self.header().signed(&self.second, Signers::All),
            inclusion: vec![self.inclusion(2), self.inclusion(3)],
            lane_header: encode(&self.lane),
            links: vec![Link {
                header: self.change().signed(&self.first, Signers::All),
                validators: self.first.packed(),
            }],
            state: self.state(&self.lane_key()),
            v: Evidence::VERSION,
            validators: self.second.packed(),
        }
    }
}

/// A header between anchor and state; the validators change after [`CHANGE`].
pub fn header(first: &Validators, second: &Validators, height: u64, app_hash: [u8; 32]) -> Spec {
    let of = |height: u64| if height <= CHANGE { first.hash() } else { second.hash() };
    Spec {
        chain_id: CHAIN_ID.into(),
        height,
        validators_hash: of(height),
        next_validators_hash: of(height + 1),
        app_hash: app_hash.to_vec(),
        proposer: 0,
    }
}

pub fn inclusion(leaves: &[[u8; 32]], index: u32) -> Inclusion {
    let size = leaves.len() as u32;
    let plan = ledger::ProofPlan::inclusion(index, size).unwrap();
    let subtree = |node: ledger::NodeId| {
        let start = (node.index as usize) << node.level;
        leaves.get(start..start + (1 << node.level)).map(ledger::root)
    };
    Inclusion { index, path: plan.assemble(subtree).unwrap().concat(), size }
}

pub fn lane_header(seed: u64, name: &str, author: Party) -> (LaneHeader, KeySet) {
    let root = bytes(seed, name);
    let header = LaneHeader {
        version: V1,
        case: CaseId(bytes(seed, "case")),
        author,
        class: Class::Content,
        minimum: lane::MINIMUM,
        epoch: 0,
        root: lane::root_commitment(&root),
        signer: None,
        predecessor: None,
        nonce: bytes(seed, "nonce")[..16].try_into().unwrap(),
    };
    (header, KeySet::root(&root))
}

pub fn lane_record(lane: &LaneHeader, size: u32, root: [u8; 32]) -> LaneRecord {
    LaneRecord {
        version: V1,
        status: LaneStatus::Open,
        class: lane.class,
        case: lane.case,
        author: lane.author,
        signer: lane.signer,
        size,
        root,
        height: STATE - 2,
        time: (network::START + STATE - 2) * 1000,
        seen: 1,
    }
}

fn seal_entries(seed: u64, lane: &LaneHeader, mut keys: KeySet, beacon: &Spec) -> Vec<Sealed> {
    let data = Data::Content { media_type: "text/plain".into(), content: CONTENT.into() }.encode().unwrap();
    (0..SIZE)
        .map(|index| {
            let (at, key) = keys.advance().unwrap();
            assert_eq!(at, index);
            let beacon =
                if index == 3 { Beacon { height: BEACON, hash: beacon.hash() } } else { Beacon::default() };
            let header = EntryHeader {
                version: V1,
                suite: 1,
                lane: lane.id(),
                index,
                kind: Kind::Record,
                time: 1_767_225_600_000 + seed % 1_000_000 + u64::from(index),
                beacon,
                prev: None,
            };
            seal(&key, &header, lane.minimum, &data).unwrap()
        })
        .collect()
}
