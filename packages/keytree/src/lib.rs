//! The one-time keys of a lane: a binary tree of depth 32 whose leaf *i* is the key of entry *i*.
//!
//! Responsible for: deriving a key by its index, handing out keys in order and forgetting them,
//! cutting out exactly the nodes that open a range, and the one canonical encoding of a set of nodes.
//! Must never know a lane, an entry or a cipher, keep a copy of a key it has given up, or show a key
//! in `Debug`, in an error, or by any accessor whose name does not say so.
//!
//! `child(k, b) = HMAC-SHA256(k, "casewise/keytree/v1" ‖ u8 b)`; the key of index `i` is the node of
//! depth 32 that the bits of `i` lead to, most significant first. Indices run from 0 to
//! [`MAX_INDEX`]; the last leaf is never used.
//!
//! ```
//! use casewise_keytree::KeySet;
//!
//! // An author starts from the root and spends keys in order.
//! let root = [7; 32];
//! let mut author = KeySet::root(&root);
//! let (index, spent) = author.advance()?;
//! assert_eq!(index, 0);
//! assert!(author.derive(0).is_err(), "a spent key is gone");
//!
//! // The patient keeps the root, and can give a reader entries 5 to 8 and nothing else.
//! let patient = KeySet::root(&root);
//! assert!(patient.derive(0)? == spent);
//! let reader = patient.restrict(5, 8)?;
//! assert_eq!(reader.len(), 3);
//! assert!(reader.derive(6)? == patient.derive(6)?);
//! assert!(reader.derive(9).is_err());
//! # Ok::<(), casewise_keytree::KeyTreeError>(())
//! ```
#![no_std]

extern crate alloc;

mod encoding;
mod error;
mod key;
mod node;
mod set;

pub use error::KeyTreeError;
pub use key::OneTimeKey;
pub use node::Node;
pub use set::KeySet;

/// Depth of the leaves.
pub const DEPTH: u8 = 32;
/// The largest index a key may have: 2^32 − 2.
pub const MAX_INDEX: u32 = u32::MAX - 1;
/// Most nodes in a [`KeySet`].
pub const MAX_NODES: usize = 1024;
