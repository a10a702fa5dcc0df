//! The error of this crate. It names positions and counts, never a key.

use crate::{MAX_INDEX, MAX_NODES};

/// Why a key was not derived, or a set of nodes not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyTreeError {
    /// No node of the set leads to this index: it was spent, cut off or never given.
    #[error("the key of index {index} is not in this key set")]
    NotCovered {
        /// The index asked for.
        index: u32,
    },
    /// The last leaf of the tree, which is not used.
    #[error("index {index} is past the last usable index {MAX_INDEX}")]
    Index {
        /// The index asked for.
        index: u32,
    },
    /// A range that ends before it starts.
    #[error("the range {first}..{last} ends before it starts")]
    Range {
        /// First index.
        first: u32,
        /// Last index, inclusive.
        last: u32,
    },
    /// Every usable key has been spent.
    #[error("the key set has no key left; go on in a new lane")]
    Exhausted,
    /// More than [`MAX_NODES`] nodes.
    #[error("{count} nodes are more than the {MAX_NODES} a key set may have; use several smaller ranges")]
    TooManyNodes {
        /// Nodes there are or would be.
        count: usize,
    },
    /// Bytes that end early, or go on after the last node.
    #[error("malformed key set: truncated, or bytes after its end")]
    Malformed,
    /// A node deeper than [`DEPTH`](crate::DEPTH).
    #[error("key set not canonical: node {node} is deeper than 32")]
    Depth {
        /// Position of the node in the set, from 0.
        node: usize,
    },
    /// A node whose start is not a multiple of its width.
    #[error("key set not canonical: the start of node {node} does not fit its depth")]
    Alignment {
        /// Position of the node in the set, from 0.
        node: usize,
    },
    /// A node that does not start after the one before it.
    #[error("key set not canonical: node {node} does not start after the one before it")]
    Order {
        /// Position of the node in the set, from 0.
        node: usize,
    },
    /// A node that starts inside the one before it.
    #[error("key set not canonical: node {node} overlaps the one before it")]
    Overlap {
        /// Position of the node in the set, from 0.
        node: usize,
    },
}
