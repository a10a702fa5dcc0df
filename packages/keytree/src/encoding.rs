//! The one encoding of a [`KeySet`]: Borsh `Vec<{start u32, depth u8, key [32]}>`, refused when it
//! is not canonical.

use alloc::vec::Vec;

use borsh::{BorshDeserialize, BorshSerialize, io};
use zeroize::Zeroizing;

use crate::{DEPTH, KeySet, KeyTreeError, MAX_NODES, Node, node::width};

/// Bytes of one encoded node.
const NODE_LEN: usize = 4 + 1 + 32;

impl KeySet {
    /// The canonical encoding, wiped when dropped: 4 bytes, and 37 for each node.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(4 + NODE_LEN * self.len()));
        self.serialize(&mut *out).expect("borsh encoding into memory");
        out
    }

    /// Reads a canonical encoding.
    /// Errors: [`KeyTreeError::Malformed`], [`KeyTreeError::TooManyNodes`], and one error for each
    /// canonical rule: `Depth`, `Alignment`, `Order`, `Overlap`.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyTreeError> {
        let mut rest = bytes;
        let set = read(&mut rest).map_err(|refusal| match refusal {
            Refusal::Rule(error) => error,
            Refusal::Io(_) => KeyTreeError::Malformed,
        })?;
        if rest.is_empty() { Ok(set) } else { Err(KeyTreeError::Malformed) }
    }
}

impl BorshSerialize for KeySet {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        (self.nodes.len() as u32).serialize(writer)?;
        for node in &self.nodes {
            node.start.serialize(writer)?;
            node.depth.serialize(writer)?;
            writer.write_all(&node.key)?;
        }
        Ok(())
    }
}

impl BorshDeserialize for KeySet {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        read(reader).map_err(|refusal| match refusal {
            Refusal::Rule(_) => io::Error::new(io::ErrorKind::InvalidData, "key set"),
            Refusal::Io(error) => error,
        })
    }
}

enum Refusal {
    Rule(KeyTreeError),
    Io(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<KeyTreeError> for Refusal {
    fn from(error: KeyTreeError) -> Self {
        Self::Rule(error)
    }
}

fn read<R: io::Read>(reader: &mut R) -> Result<KeySet, Refusal> {
    let count = u32::deserialize_reader(reader)? as usize;
    if count > MAX_NODES {
        return Err(KeyTreeError::TooManyNodes { count }.into());
    }
    let mut nodes: Vec<Node> = Vec::with_capacity(count);
    for position in 0..count {
        let start = u32::deserialize_reader(reader)?;
        let depth = u8::deserialize_reader(reader)?;
        let mut node = Node { start, depth, key: [0; 32] };
        reader.read_exact(&mut node.key)?;
        check(nodes.last(), &node, position)?;
        nodes.push(node);
    }
    Ok(KeySet { nodes })
}

/// The canonical rules for a node and the one before it.
fn check(before: Option<&Node>, node: &Node, position: usize) -> Result<(), KeyTreeError> {
    if node.depth > DEPTH {
        return Err(KeyTreeError::Depth { node: position });
    }
    if u64::from(node.start) % width(node.depth) != 0 {
        return Err(KeyTreeError::Alignment { node: position });
    }
    let Some(before) = before else { return Ok(()) };
    if node.start <= before.start {
        return Err(KeyTreeError::Order { node: position });
    }
    if before.end() > u64::from(node.start) {
        return Err(KeyTreeError::Overlap { node: position });
    }
    Ok(())
}
