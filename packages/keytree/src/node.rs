//! One node of the tree: what it covers, its children, and the split around one leaf.

use alloc::vec::Vec;
use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{DEPTH, OneTimeKey, key::child};

/// A node: the key from which the keys of `start ..= last` follow. Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Node {
    pub(crate) start: u32,
    pub(crate) depth: u8,
    pub(crate) key: [u8; 32],
}

/// What a split leaves of a node: everything but one leaf, in ascending order, and that leaf's key.
pub(crate) struct Split {
    pub(crate) left: Vec<Node>,
    pub(crate) key: OneTimeKey,
    pub(crate) right: Vec<Node>,
}

impl Node {
    /// First index covered.
    pub fn start(&self) -> u32 {
        self.start
    }

    /// Depth in the tree: 0 for the root, 32 for a leaf.
    pub fn depth(&self) -> u8 {
        self.depth
    }

    /// Last index covered. The root and the rightmost nodes include 2^32 − 1, which is not used.
    pub fn last(&self) -> u32 {
        (self.end() - 1) as u32
    }

    /// The secret itself: it opens every entry this node covers.
    pub fn expose_secret(&self) -> &[u8; 32] {
        &self.key
    }

    /// One past the last index covered; 2^32 for the rightmost nodes, hence u64.
    pub(crate) fn end(&self) -> u64 {
        u64::from(self.start) + width(self.depth)
    }

    pub(crate) fn covers(&self, index: u32) -> bool {
        self.start <= index && u64::from(index) < self.end()
    }

    /// The key of `index`, which the node must cover.
    pub(crate) fn derive(&self, index: u32) -> OneTimeKey {
        let mut key = zeroize::Zeroizing::new(self.key);
        for depth in self.depth..DEPTH {
            key = child(&key, goes_right(index, depth));
        }
        OneTimeKey::from_bytes(&key)
    }

    /// Adds to `out` the fewest nodes under this one that cover `first ..= last`, ascending.
    /// `out` gets at most 62 nodes more.
    pub(crate) fn cover(&self, first: u32, last: u32, out: &mut Vec<Self>) {
        if self.last() < first || last < self.start {
            return;
        }
        if first <= self.start && self.last() <= last {
            out.push(self.duplicate());
            return;
        }
        let middle = self.start + (width(self.depth) / 2) as u32;
        if first < middle {
            self.child(false).cover(first, last, out);
        }
        if last >= middle {
            self.child(true).cover(first, last, out);
        }
    }

    /// Takes out the leaf `index`, which the node must cover.
    pub(crate) fn split(&self, index: u32) -> Split {
        let (mut left, mut right) = (Vec::with_capacity(32), Vec::with_capacity(32));
        let mut path = self.duplicate();
        while path.depth < DEPTH {
            let turn = goes_right(index, path.depth);
            let sibling = path.child(!turn);
            if turn {
                left.push(sibling)
            } else {
                right.push(sibling)
            }
            path = path.child(turn);
        }
        right.reverse();
        Split { left, key: OneTimeKey::from_bytes(&path.key), right }
    }

    /// A copy. Not `Clone`: every copy of a key is made on purpose.
    pub(crate) fn duplicate(&self) -> Self {
        Self { start: self.start, depth: self.depth, key: self.key }
    }

    fn child(&self, right: bool) -> Self {
        let depth = self.depth + 1;
        let start = if right { self.start + width(depth) as u32 } else { self.start };
        Self { start, depth, key: *child(&self.key, right) }
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.start == other.start && self.depth == other.depth && bool::from(self.key.ct_eq(&other.key))
    }
}

impl Eq for Node {}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("start", &self.start).field("depth", &self.depth).finish_non_exhaustive()
    }
}

/// Number of leaves under a node of this depth.
pub(crate) fn width(depth: u8) -> u64 {
    1 << (DEPTH - depth)
}

/// Whether the path to `index` goes right below a node of this depth.
fn goes_right(index: u32, depth: u8) -> bool {
    index >> (DEPTH - 1 - depth) & 1 == 1
}
