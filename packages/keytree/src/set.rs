//! A set of nodes: what an author has still ahead, and what a reader was given.

use alloc::{vec, vec::Vec};

use zeroize::ZeroizeOnDrop;

use crate::{KeyTreeError, MAX_INDEX, MAX_NODES, Node, OneTimeKey, node::Split};

/// Nodes in their canonical form: ascending, disjoint, at most [`MAX_NODES`]. Wiped when dropped.
///
/// The nodes are never edited in place: every change builds a new list of exact size and wipes the
/// old one, so that no spent key stays behind in spare capacity.
#[derive(Debug, PartialEq, Eq)]
pub struct KeySet {
    pub(crate) nodes: Vec<Node>,
}

impl ZeroizeOnDrop for KeySet {}

impl KeySet {
    /// The whole tree of a root key.
    pub fn root(key: &[u8; 32]) -> Self {
        Self { nodes: vec![Node { start: 0, depth: 0, key: *key }] }
    }

    /// The root key, when this set is the whole tree; `None` for any other set.
    pub fn expose_root(&self) -> Option<&[u8; 32]> {
        match self.nodes.as_slice() {
            [node] if node.depth == 0 => Some(&node.key),
            _ => None,
        }
    }

    /// The nodes, ascending. A key is only behind [`Node::expose_secret`].
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether the set has no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether the key of `index` can be derived.
    pub fn covers(&self, index: u32) -> bool {
        index <= MAX_INDEX && self.find(index).is_some()
    }

    /// The first index whose key can be derived.
    pub fn first_index(&self) -> Option<u32> {
        self.nodes.first().map(Node::start).filter(|start| *start <= MAX_INDEX)
    }

    /// The key of `index`. Errors: [`KeyTreeError::Index`], [`KeyTreeError::NotCovered`].
    pub fn derive(&self, index: u32) -> Result<OneTimeKey, KeyTreeError> {
        let position = self.position(index)?;
        Ok(self.nodes[position].derive(index))
    }

    /// The fewest nodes that open exactly what this set opens of `first ..= last`, node by node;
    /// siblings are never merged. Empty when they have nothing in common.
    /// Errors: [`KeyTreeError::Range`], [`KeyTreeError::TooManyNodes`].
    pub fn restrict(&self, first: u32, last: u32) -> Result<Self, KeyTreeError> {
        if first > last {
            return Err(KeyTreeError::Range { first, last });
        }
        // only the nodes at the two ends are cut: room for their parts means the list never moves
        let mut nodes = Vec::with_capacity(self.nodes.len() + 64);
        for node in &self.nodes {
            node.cover(first, last, &mut nodes);
        }
        Self::limited(nodes)
    }

    /// Takes out the first key and returns it with its index.
    /// Whoever seals with it makes the advanced set durable before the entry is acknowledged.
    /// Errors leave the set as it was: [`KeyTreeError::Exhausted`], [`KeyTreeError::TooManyNodes`].
    pub fn advance(&mut self) -> Result<(u32, OneTimeKey), KeyTreeError> {
        let index = self.first_index().ok_or(KeyTreeError::Exhausted)?;
        Ok((index, self.take(0, index)?))
    }

    /// Takes out the key of `index` and returns it; keys before and after it stay.
    /// Errors leave the set as it was: [`KeyTreeError::Index`], [`KeyTreeError::NotCovered`],
    /// [`KeyTreeError::TooManyNodes`].
    pub fn puncture(&mut self, index: u32) -> Result<OneTimeKey, KeyTreeError> {
        let position = self.position(index)?;
        self.take(position, index)
    }

    /// A second copy of the keys, to be made only where both are really needed. Not `Clone`, so that
    /// none is made unseen.
    pub fn duplicate(&self) -> Self {
        Self { nodes: self.nodes.iter().map(Node::duplicate).collect() }
    }

    /// Replaces the node at `position` by what a split at `index` leaves of it.
    fn take(&mut self, position: usize, index: u32) -> Result<OneTimeKey, KeyTreeError> {
        let Split { left, key, right } = self.nodes[position].split(index);
        let mut nodes = Vec::with_capacity(self.nodes.len() + left.len() + right.len());
        let (before, after) = (&self.nodes[..position], &self.nodes[position + 1..]);
        for part in [before, &left, &right, after] {
            nodes.extend(part.iter().map(Node::duplicate));
        }
        *self = Self::limited(nodes)?;
        Ok(key)
    }

    fn limited(nodes: Vec<Node>) -> Result<Self, KeyTreeError> {
        let count = nodes.len();
        if count > MAX_NODES { Err(KeyTreeError::TooManyNodes { count }) } else { Ok(Self { nodes }) }
    }

    fn position(&self, index: u32) -> Result<usize, KeyTreeError> {
        if index > MAX_INDEX {
            return Err(KeyTreeError::Index { index });
        }
        self.find(index).ok_or(KeyTreeError::NotCovered { index })
    }

    fn find(&self, index: u32) -> Option<usize> {
        let after = self.nodes.partition_point(|node| node.start <= index);
        let position = after.checked_sub(1)?;
        self.nodes[position].covers(index).then_some(position)
    }
}
