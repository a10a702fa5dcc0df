//! What really happened: the leaves that each lane ever had, every head that was signed or anchored,
//! every record that was acknowledged. All of it must fit together.

use std::collections::{BTreeMap, BTreeSet};

use casewise_api::body::SignedHead;
use casewise_ledger::{Address, CaseId, Hash, Head, Kind, LaneId, merkle::Frontier};

use super::{
    agent::Agent,
    files,
    load::{Acknowledged, Outcome},
    network::Net,
    patient::{Lane, is_content},
};

/// The truth about the lanes of one author in some cases.
pub struct Truth {
    /// The author's only operator.
    operator: Address,
    /// The cases.
    pub cases: Vec<CaseId>,
    /// The leaves each lane ever had, in order.
    pub leaves: BTreeMap<LaneId, Vec<Hash>>,
    /// Records acknowledged, and not lost by a restore.
    pub acknowledged: Vec<Acknowledged>,
    /// Acknowledged records that a restore took away: anchored, and the agent cannot serve them.
    pub missing: Vec<Acknowledged>,
    heads: BTreeMap<LaneId, BTreeMap<u32, Hash>>,
}

impl Truth {
    /// Nothing happened yet.
    pub fn new(agent: &Agent, cases: &[CaseId]) -> Self {
        Self {
            operator: agent.account,
            cases: cases.to_vec(),
            leaves: BTreeMap::new(),
            acknowledged: Vec::new(),
            missing: Vec::new(),
            heads: BTreeMap::new(),
        }
    }

    /// Takes a list of acknowledgements. Panics if a place is taken twice, or a content is there twice.
    pub fn add(&mut self, outcome: Outcome) {
        for head in &outcome.heads {
            self.add_signed(head);
        }
        self.acknowledged.extend(outcome.acknowledged);
        let all = self.acknowledged.iter().chain(&self.missing);
        let places: BTreeSet<_> = all.clone().map(|a| (a.lane, a.index)).collect();
        assert_eq!(places.len(), all.clone().count(), "a place was acknowledged twice");
        let contents: BTreeSet<_> = self.acknowledged.iter().map(|a| (a.case, a.sha256)).collect();
        assert_eq!(contents.len(), self.acknowledged.len(), "a content was acknowledged at two places");
    }

    /// Takes a head that the agent signed.
    pub fn add_signed(&mut self, head: &SignedHead) {
        assert_eq!(head.verify(), Ok(self.operator), "a head signed by another key");
        self.add_head(head.lane, head.head());
    }

    /// Takes a head that was signed or anchored. Panics when another of the same size was.
    pub fn add_head(&mut self, lane: LaneId, head: Head) {
        let before = self.heads.entry(lane).or_default().insert(head.size, head.root);
        assert!(
            before.is_none_or(|root| root == head.root),
            "two heads of size {} of lane {lane}",
            head.size
        );
    }

    /// Takes what a database of a dead agent holds. Panics when it contradicts what was known: one of
    /// the two has another entry at the same place.
    pub async fn learn(&mut self, data: &std::path::Path) {
        for (lane, leaves) in files::leaves(data, &self.cases).await {
            let known = self.leaves.entry(lane).or_default();
            let common = known.len().min(leaves.len());
            let differs = known.iter().zip(&leaves).position(|(a, b)| a != b);
            assert_eq!(differs, None, "lane {lane} has two entries at one index");
            known.extend(&leaves[common..]);
        }
    }

    /// Takes every head that the lanes of the cases ever had on chain, and checks every head there ever
    /// was against the leaves: they are all of one history. Returns how many heads were checked.
    pub async fn check_heads(&mut self, net: &Net) -> usize {
        for case in self.cases.clone() {
            for (lane, _) in net.lanes(&case).await {
                for head in net.anchored_heads(&lane).await {
                    self.add_head(lane, head);
                }
            }
        }
        let mut checked = 0;
        for (lane, heads) in &self.heads {
            let leaves = self.leaves.get(lane).map_or(&[][..], Vec::as_slice);
            let mut tree = Frontier::default();
            for (size, root) in heads {
                assert!(
                    *size as usize <= leaves.len(),
                    "a head of lane {lane} covers entries that never were"
                );
                for leaf in &leaves[tree.size() as usize..*size as usize] {
                    tree.push(*leaf).expect("room");
                }
                assert_eq!(
                    tree.root(),
                    *root,
                    "the head of size {size} of lane {lane} conflicts with its entries"
                );
                checked += 1;
            }
        }
        checked
    }

    /// Checks that every acknowledgement named the leaf that is at its place.
    pub fn check_leaves(&self) {
        for record in self.acknowledged.iter().chain(&self.missing) {
            let leaves =
                self.leaves.get(&record.lane).unwrap_or_else(|| panic!("lane {} is gone", record.lane));
            let leaf = leaves.get(record.index as usize);
            assert_eq!(leaf, Some(&record.leaf), "{} at {}:{}", record.key, record.lane, record.index);
        }
    }

    /// Compares what the patient could open with the list of acknowledgements: each is there with its
    /// content, at its place, no content is there twice, and nothing else is there.
    pub fn compare(&self, case: &CaseId, lanes: &BTreeMap<LaneId, Lane>) {
        let mut contents: BTreeMap<Hash, u32> = BTreeMap::new();
        let mut found: BTreeMap<(LaneId, u32), (&str, Hash)> = BTreeMap::new();
        for (id, lane) in lanes.iter().filter(|(_, lane)| is_content(lane)) {
            for (index, entry) in (0..).zip(&lane.entries) {
                if let (Kind::Record, Some((media_type, content))) = (entry.kind, &entry.content) {
                    found.insert((*id, index), (media_type, *content));
                    *contents.entry(*content).or_default() += 1;
                }
            }
        }
        let mine = self.acknowledged.iter().filter(|record| record.case == *case);
        for record in mine.clone() {
            let opened = found.get(&(record.lane, record.index));
            let wanted = (record.media_type, record.sha256);
            assert_eq!(
                opened,
                Some(&wanted),
                "{} was acknowledged at {}:{}",
                record.key,
                record.lane,
                record.index
            );
        }
        let twice = contents.values().filter(|count| **count > 1).count();
        assert_eq!(twice, 0, "contents that are there twice");
        assert_eq!(found.len(), mine.count(), "entries that nobody acknowledged");
    }
}
