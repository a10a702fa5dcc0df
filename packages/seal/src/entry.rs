//! Acceptance: what everybody who takes an entry checks, in one fixed order.

use alloc::{string::String, vec::Vec};

use casewise_keytree::OneTimeKey;
use casewise_ledger::{
    AnchoredHead, Data, EntryHeader, Hash, LaneHeader, LedgerError, data::check_media_type, encode, merkle,
    sha256,
};
use subtle::ConstantTimeEq;

use crate::{
    Reason, SealError,
    body::address,
    cipher::SealingKey,
    open::{Opener, WHOLE_CHUNK},
};

/// An entry as lists show it: everything but the body, all of it bound by the leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedEntry {
    /// The header.
    pub header: EntryHeader,
    /// Commitment to the sealing key: okm[32..64].
    pub commitment: Hash,
    /// Bytes of the body.
    pub body_length: u64,
    /// SHA-256 of the body.
    pub body_sha256: Hash,
}

impl ListedEntry {
    /// The entry's leaf hash.
    pub fn leaf(&self) -> Hash {
        self.header.leaf(&self.commitment, self.body_length, &self.body_sha256)
    }

    /// Whether the entry was sealed with this key; needs no body. So a reader checks key nodes it was
    /// given against one anchored entry under each. Rejects with [`Reason::Commitment`].
    pub fn check_key(&self, key: &OneTimeKey) -> Result<(), SealError> {
        self.sealing_key(key).map(|_| ())
    }

    fn sealing_key(&self, key: &OneTimeKey) -> Result<SealingKey, SealError> {
        let key =
            SealingKey::new(key, self.header.suite, &encode(&self.header)).map_err(|_| Reason::Header)?;
        let same = key.commitment.ct_eq(&self.commitment);
        if bool::from(same) { Ok(key) } else { Err(Reason::Commitment.into()) }
    }
}

/// An entry that is known to stand at its position in an anchored lane. Only its body is open.
#[derive(Clone, Debug)]
pub struct AcceptedEntry {
    entry: ListedEntry,
    minimum: u32,
    leaf: Hash,
}

/// Accepts an entry without its body: the lane header is the anchored lane's, the entry names that
/// lane and its own position, its kind is allowed there, and its leaf is in `head`. `head` must come
/// from the chain, `position` from where the entry was asked for.
/// Every refusal is a [`SealError::Rejected`].
pub fn accept_entry(
    lane: &LaneHeader,
    head: &AnchoredHead,
    position: u32,
    entry: &ListedEntry,
    proof: &[Hash],
) -> Result<AcceptedEntry, SealError> {
    let id = lane.id();
    require(id == head.lane, Reason::Lane)?;
    require(entry.header.lane == id, Reason::EntryLane)?;
    require(entry.header.index == position, Reason::Position)?;
    require(entry.header.check().is_ok(), Reason::Header)?;
    require(entry.header.kind.allowed_in(lane.class), Reason::Kind)?;
    let leaf = entry.leaf();
    let included = merkle::verify_inclusion(&leaf, position, head.size, proof, &head.root);
    require(included.is_ok(), Reason::Inclusion)?;
    Ok(AcceptedEntry { entry: entry.clone(), minimum: lane.minimum, leaf })
}

/// [`accept_entry`] and [`AcceptedEntry::open`] in one: the whole list of checks.
pub fn open_entry(
    lane: &LaneHeader,
    head: &AnchoredHead,
    position: u32,
    entry: &ListedEntry,
    proof: &[Hash],
    key: &OneTimeKey,
    body: &[u8],
) -> Result<Data, SealError> {
    accept_entry(lane, head, position, entry, proof)?.open(key, body)
}

impl AcceptedEntry {
    /// The header.
    pub fn header(&self) -> &EntryHeader {
        &self.entry.header
    }

    /// The entry as it was listed.
    pub fn entry(&self) -> &ListedEntry {
        &self.entry
    }

    /// The leaf hash, as it is in the lane.
    pub fn leaf(&self) -> Hash {
        self.leaf
    }

    /// Checks length and hash of a body: all that can be checked without the key.
    pub fn check_body(&self, body: &[u8]) -> Result<(), SealError> {
        require(body.len() as u64 == self.entry.body_length, Reason::BodyLength)?;
        require(sha256(&[body]) == self.entry.body_sha256, Reason::BodyHash)
    }

    /// Opens a whole body. Nothing of it is returned unless every check passes.
    pub fn open(&self, key: &OneTimeKey, body: &[u8]) -> Result<Data, SealError> {
        self.check_body(body)?;
        let mut opener = self.start(key, false)?;
        let mut content = Vec::with_capacity(address(self.entry.body_length)?);
        opener.write(body, &mut content)?;
        let media_type = opener.finish()?;
        let kind = self.entry.header.kind;
        if kind.has_media_type() {
            return Ok(Data::Content { media_type, content });
        }
        content.insert(0, 0);
        Data::decode(kind, &content).map_err(|_| Reason::Content.into())
    }

    /// Starts opening a body that arrives in pieces. The key is checked here.
    pub fn opener(&self, key: &OneTimeKey) -> Result<EntryOpener, SealError> {
        self.start(key, true)
    }

    fn start(&self, key: &OneTimeKey, hashed: bool) -> Result<EntryOpener, SealError> {
        let key = self.entry.sealing_key(key)?;
        Ok(EntryOpener {
            opener: Opener::new(key, self.minimum, self.entry.body_length, hashed)?,
            media_type: MediaType { expected: self.entry.header.kind.has_media_type(), bytes: Vec::new() },
            body_sha256: hashed.then_some(self.entry.body_sha256),
        })
    }
}

/// Opens a body in pieces. What [`EntryOpener::write`] gives out is authentic, but it is the whole
/// entry only once [`EntryOpener::finish`] has said so: keep it apart until then. Of several faults,
/// the first that the stream meets is the one reported.
pub struct EntryOpener {
    opener: Opener,
    media_type: MediaType,
    body_sha256: Option<Hash>,
}

impl EntryOpener {
    /// Takes the next piece of the body and appends the content that it completes to `out`.
    pub fn write(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        let mut rest = body;
        // chunk by chunk until the media type is off, so that its removal moves one chunk at most
        while !rest.is_empty() && self.media_type.missing() > 0 {
            let (now, later) = rest.split_at(rest.len().min(WHOLE_CHUNK));
            rest = later;
            let start = out.len();
            self.opener.write(now, out)?;
            self.media_type.take(start, out);
        }
        Ok(self.opener.write(rest, out)?)
    }

    /// Checks the end, the hash and the media type. Returns the media type; it is empty for a kind
    /// that has none, and then the content is still to be decoded as what the kind holds.
    pub fn finish(self) -> Result<String, SealError> {
        let hash = self.opener.finish()?;
        require(hash == self.body_sha256, Reason::BodyHash)?;
        self.media_type.finish().map_err(|_| Reason::MediaType.into())
    }
}

/// Collects `u8 n ‖ media type` from the front of the data.
struct MediaType {
    expected: bool,
    bytes: Vec<u8>,
}

impl MediaType {
    /// Bytes that are known to be missing.
    fn missing(&self) -> usize {
        match self.bytes.first() {
            None => 1,
            Some(length) => 1 + usize::from(*length) - self.bytes.len(),
        }
    }

    /// Moves what belongs to it from `out[start..]`.
    fn take(&mut self, start: usize, out: &mut Vec<u8>) {
        while self.missing() > 0 && out.len() > start {
            let end = out.len().min(start + self.missing());
            self.bytes.extend(out.drain(start..end));
        }
    }

    fn finish(mut self) -> Result<String, LedgerError> {
        if self.missing() > 0 || (self.bytes.len() > 1) != self.expected {
            return Err(LedgerError::MediaType);
        }
        self.bytes.remove(0);
        let text = String::from_utf8(self.bytes).map_err(|_| LedgerError::MediaType)?;
        if self.expected {
            check_media_type(&text)?;
        }
        Ok(text)
    }
}

fn require(holds: bool, reason: Reason) -> Result<(), SealError> {
    if holds { Ok(()) } else { Err(reason.into()) }
}
