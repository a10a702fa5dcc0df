//! RFC 6962 Merkle trees over leaf hashes: verifying proofs (2.1.1, 2.1.2), growing a tree, and
//! making proofs from stored subtree hashes.
//!
//! A leaf is already `H(0x00 ‖ …)`; nothing here hashes leaves again.

use alloc::vec::Vec;

use crate::{Hash, LedgerError, sha256};

/// `H("")`, the root of an empty tree.
pub fn empty_root() -> Hash {
    sha256(&[])
}

/// `H(0x01 ‖ left ‖ right)`.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// Number of hashes of an inclusion proof: RFC 6962 2.1.1.
pub fn inclusion_length(index: u32, size: u32) -> usize {
    let inner = inner_length(index, size);
    inner + ((index as u64) >> inner).count_ones() as usize
}

/// Bits in which the paths of `index` and of the last leaf still differ.
fn inner_length(index: u32, size: u32) -> usize {
    (u64::BITS - (index as u64 ^ (size as u64 - 1)).leading_zeros()) as usize
}

/// Checks that `leaf` stands at `index` of the tree with `size` leaves and this root.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u32,
    size: u32,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), LedgerError> {
    if index >= size {
        return Err(LedgerError::Index);
    }
    if proof.len() != inclusion_length(index, size) {
        return Err(LedgerError::ProofLength);
    }
    let inner = inner_length(index, size);
    let mut hash = *leaf;
    for (level, sibling) in proof.iter().enumerate() {
        let right_child = level >= inner || (index as u64 >> level) & 1 == 1;
        hash = if right_child { node(sibling, &hash) } else { node(&hash, sibling) };
    }
    if hash == *root { Ok(()) } else { Err(LedgerError::Proof) }
}

/// Checks that the tree (`to`, `to_root`) extends the tree (`from`, `from_root`).
/// From size 0 the proof is empty and nothing is checked; at equal size only the same root passes.
pub fn verify_consistency(
    from: u32,
    from_root: &Hash,
    to: u32,
    to_root: &Hash,
    proof: &[Hash],
) -> Result<(), LedgerError> {
    if to < from {
        return Err(LedgerError::Shrinks);
    }
    if from == 0 || from == to {
        if !proof.is_empty() {
            return Err(LedgerError::ProofLength);
        }
        let extends = if from == to { from_root == to_root } else { true };
        return if extends { Ok(()) } else { Err(LedgerError::Proof) };
    }
    // The largest complete subtree that ends at `from` starts the walk: a proof leaves its hash out
    // when it is the whole old tree.
    let shift = from.trailing_zeros() as usize;
    let index = (from as u64 - 1) >> shift;
    let last = (to as u64 - 1) >> shift;
    let inner = (u64::BITS - (index ^ last).leading_zeros()) as usize;
    let border = (index >> inner).count_ones() as usize;
    let whole = from.is_power_of_two();
    if proof.len() != inner + border + usize::from(!whole) {
        return Err(LedgerError::ProofLength);
    }
    let (seed, path) = if whole { (*from_root, proof) } else { (proof[0], &proof[1..]) };
    let (mut old, mut new) = (seed, seed);
    for (level, sibling) in path.iter().enumerate() {
        if level >= inner || (index >> level) & 1 == 1 {
            old = node(sibling, &old);
            new = node(sibling, &new);
        } else {
            new = node(&new, sibling);
        }
    }
    if old == *from_root && new == *to_root { Ok(()) } else { Err(LedgerError::Proof) }
}

/// A complete subtree: `2^level` leaves from `index · 2^level` on. Level 0 is a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// Height above the leaves.
    pub level: u8,
    /// Position among the subtrees of this height.
    pub index: u32,
}

/// The right edge of a growing tree: enough to append and to know the root.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u32,
    /// Roots of the complete subtrees of `size`, largest first.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The frontier of a tree of `size` leaves, from its [`Frontier::peaks`] in that order.
    /// Refuses a wrong number of peaks.
    pub fn from_peaks(size: u32, peaks: Vec<Hash>) -> Result<Self, LedgerError> {
        if peaks.len() == size.count_ones() as usize {
            Ok(Self { size, peaks })
        } else {
            Err(LedgerError::ProofLength)
        }
    }

    /// Where the peaks of a tree of `size` leaves stand, largest first.
    pub fn peak_ids(size: u32) -> Vec<NodeId> {
        range_nodes(0, size)
    }

    /// Number of leaves.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Roots of the complete subtrees, largest first, as [`Frontier::from_peaks`] takes them.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Appends a leaf. Returns every complete subtree it finished, the leaf itself first.
    /// Refuses to grow past 2^32 − 1 leaves.
    pub fn push(&mut self, leaf: Hash) -> Result<Vec<(NodeId, Hash)>, LedgerError> {
        let index = self.size;
        let size = self.size.checked_add(1).ok_or(LedgerError::Index)?;
        let mut made = Vec::with_capacity(1 + index.trailing_ones() as usize);
        let mut hash = leaf;
        made.push((NodeId { level: 0, index }, hash));
        for level in 1..=index.trailing_ones() as u8 {
            let left = self.peaks.pop().ok_or(LedgerError::ProofLength)?;
            hash = node(&left, &hash);
            made.push((NodeId { level, index: index >> level }, hash));
        }
        self.peaks.push(hash);
        self.size = size;
        Ok(made)
    }

    /// The root.
    pub fn root(&self) -> Hash {
        fold_right(&self.peaks)
    }
}

/// Root over a run of subtree roots, largest first.
fn fold_right(peaks: &[Hash]) -> Hash {
    match peaks.split_last() {
        None => empty_root(),
        Some((last, rest)) => rest.iter().rev().fold(*last, |right, left| node(left, &right)),
    }
}

/// RFC 6962 root over leaf hashes.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    for leaf in leaves {
        frontier.push(*leaf).expect("fewer than 2^32 leaves in memory");
    }
    frontier.root()
}

/// The complete subtrees that make up the leaves `start..end` where `start` is aligned to the
/// range, largest first.
fn range_nodes(start: u32, end: u32) -> Vec<NodeId> {
    let (mut at, end) = (start as u64, end as u64);
    let mut nodes = Vec::new();
    while at < end {
        let level = (63 - (end - at).leading_zeros()) as u8;
        nodes.push(NodeId { level, index: (at >> level) as u32 });
        at += 1 << level;
    }
    nodes
}

/// A proof as a plan: each hash of the proof is the root over one run of complete subtrees.
/// Fetch the hashes of [`ProofPlan::nodes`], then [`ProofPlan::assemble`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofPlan(Vec<Vec<NodeId>>);

impl ProofPlan {
    /// Plan of the inclusion proof of `index` in the tree of `size` leaves.
    pub fn inclusion(index: u32, size: u32) -> Result<Self, LedgerError> {
        if index >= size {
            return Err(LedgerError::Index);
        }
        let mut runs = Vec::new();
        let (mut start, mut end) = (0u64, size as u64);
        while end - start > 1 {
            let middle = start + split(end - start);
            if (index as u64) < middle {
                runs.push(range_nodes(middle as u32, end as u32));
                end = middle;
            } else {
                runs.push(range_nodes(start as u32, middle as u32));
                start = middle;
            }
        }
        runs.reverse();
        Ok(Self(runs))
    }

    /// Plan of the consistency proof from size `from` to size `to`.
    pub fn consistency(from: u32, to: u32) -> Result<Self, LedgerError> {
        if to < from {
            return Err(LedgerError::Shrinks);
        }
        let mut runs = Vec::new();
        if from == 0 || from == to {
            return Ok(Self(runs));
        }
        let (mut start, mut end, target) = (0u64, to as u64, from as u64);
        let mut whole = true;
        while end != target {
            let middle = start + split(end - start);
            if target <= middle {
                runs.push(range_nodes(middle as u32, end as u32));
                end = middle;
            } else {
                runs.push(range_nodes(start as u32, middle as u32));
                start = middle;
                whole = false;
            }
        }
        if !whole {
            runs.push(range_nodes(start as u32, end as u32));
        }
        runs.reverse();
        Ok(Self(runs))
    }

    /// Every subtree the proof needs.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.0.iter().flatten().copied()
    }

    /// The proof, from a lookup of subtree hashes. `None` when one is missing.
    pub fn assemble(&self, mut lookup: impl FnMut(NodeId) -> Option<Hash>) -> Option<Vec<Hash>> {
        self.0
            .iter()
            .map(|run| {
                let hashes: Option<Vec<Hash>> = run.iter().map(|id| lookup(*id)).collect();
                hashes.map(|hashes| fold_right(&hashes))
            })
            .collect()
    }
}

/// The largest power of two smaller than `n`, for n ≥ 2.
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}
