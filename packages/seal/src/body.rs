//! Sealing: data in, body and its facts out, whole or piece by piece.

use alloc::{vec, vec::Vec};

use casewise_keytree::OneTimeKey;
use casewise_ledger::{EntryHeader, Hash, encode};

use crate::{
    CHUNK, ListedEntry, SealError, TAG,
    cipher::{Chunks, SealingKey},
    pad::{body_length, padded_length, with_tags},
};

/// A sealed entry and its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// What goes into the list and the leaf.
    pub entry: ListedEntry,
    /// The ciphertext, `entry.body_length` bytes.
    pub body: Vec<u8>,
}

/// Seals `data` (as [`Data::encode`](casewise_ledger::Data::encode) gives it) for a lane whose
/// entries are at least `minimum` bytes. The key must not have sealed anything else that was kept.
/// Errors: [`SealError::Header`], [`SealError::TooLong`].
pub fn seal(key: &OneTimeKey, header: &EntryHeader, minimum: u32, data: &[u8]) -> Result<Sealed, SealError> {
    let length = address(body_length(data.len() as u64, minimum)?)?;
    let mut body = vec![0; length];
    let entry = seal_into(key, header, minimum, data, &mut body)?;
    Ok(Sealed { entry, body })
}

/// [`seal`] into a buffer of exactly [`body_length`] bytes, without a heap for the body.
/// Errors: those of [`seal`], and [`SealError::Buffer`].
pub fn seal_into(
    key: &OneTimeKey,
    header: &EntryHeader,
    minimum: u32,
    data: &[u8],
    body: &mut [u8],
) -> Result<ListedEntry, SealError> {
    header.check().map_err(SealError::Header)?;
    let (commitment, body_sha256) = seal_raw(key, header.suite, &encode(header), minimum, data, body)?;
    Ok(ListedEntry { header: header.clone(), commitment, body_length: body.len() as u64, body_sha256 })
}

/// [`seal_into`] under the encoded bytes of a header; returns the commitment and the body's hash.
pub(crate) fn seal_raw(
    key: &OneTimeKey,
    suite: u8,
    header: &[u8],
    minimum: u32,
    data: &[u8],
    body: &mut [u8],
) -> Result<(Hash, Hash), SealError> {
    let length = data.len() as u64;
    let total = padded_length(length, minimum)?;
    if body.len() as u64 != with_tags(total) {
        return Err(SealError::Buffer { needed: with_tags(total) });
    }
    let mut chunks = Chunks::new(SealingKey::new(key, suite, header)?, total, true);
    let (mut prefix, mut data) = (&length.to_be_bytes()[..], data);
    for chunk in body.chunks_mut(CHUNK + TAG) {
        let mut room = &mut chunk[..chunks.next_len()];
        room = fill(room, &mut prefix);
        room = fill(room, &mut data);
        room.fill(0);
        chunks.seal(chunk);
    }
    let commitment = *chunks.commitment();
    Ok((commitment, chunks.hash().expect("hashed")))
}

/// Moves as much of `from` as fits to the front of `room`; returns the room that is left.
fn fill<'a>(room: &'a mut [u8], from: &mut &[u8]) -> &'a mut [u8] {
    let (now, later) = from.split_at(from.len().min(room.len()));
    *from = later;
    let (filled, room) = room.split_at_mut(now.len());
    filled.copy_from_slice(now);
    room
}

/// Seals data that arrives in pieces. Sealed chunks are appended to the caller's buffer, which the
/// caller may write away and clear between calls.
///
/// ```
/// # use casewise_keytree::KeySet;
/// # use casewise_ledger::{Beacon, EntryHeader, Kind, LaneId, V1, entry::SUITE_GCM_SIV};
/// # use casewise_seal::{Sealer, seal};
/// # let key = KeySet::root(&[7; 32]).derive(0)?;
/// # let header = EntryHeader {
/// #     version: V1, suite: SUITE_GCM_SIV, lane: LaneId([1; 32]), index: 0, kind: Kind::Record,
/// #     time: 0, beacon: Beacon::default(), prev: None,
/// # };
/// let data = vec![5; 100_000];
/// let mut sealer = Sealer::new(&key, &header, 1024, data.len() as u64)?;
/// let (mut body, mut buffer) = (Vec::new(), Vec::new());
/// for piece in data.chunks(4096) {
///     sealer.write(piece, &mut buffer)?;
///     body.append(&mut buffer); // here a file would be written
/// }
/// let entry = sealer.finish(&mut body)?;
/// assert_eq!(entry.body_length, body.len() as u64);
/// assert_eq!(seal(&key, &header, 1024, &data)?.body, body);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Sealer {
    header: EntryHeader,
    chunks: Chunks,
    /// Plaintext of the chunk being filled.
    pending: Vec<u8>,
    declared: u64,
    given: u64,
    body_length: u64,
}

impl Sealer {
    /// A sealer for exactly `length` bytes of data.
    /// Errors: [`SealError::Header`], [`SealError::TooLong`].
    pub fn new(key: &OneTimeKey, header: &EntryHeader, minimum: u32, length: u64) -> Result<Self, SealError> {
        header.check().map_err(SealError::Header)?;
        let total = padded_length(length, minimum)?;
        let key = SealingKey::new(key, header.suite, &encode(header))?;
        let mut pending = Vec::with_capacity(CHUNK);
        pending.extend_from_slice(&length.to_be_bytes());
        Ok(Self {
            header: header.clone(),
            chunks: Chunks::new(key, total, true),
            pending,
            declared: length,
            given: 0,
            body_length: with_tags(total),
        })
    }

    /// Bytes the whole body will have.
    pub fn body_length(&self) -> u64 {
        self.body_length
    }

    /// Takes the next piece of data and appends every chunk that is full to `out`.
    /// Errors: [`SealError::Length`] when more comes than was declared; nothing is taken then.
    pub fn write(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        let given = self.given.saturating_add(data.len() as u64);
        if given > self.declared {
            return Err(SealError::Length { declared: self.declared, given });
        }
        self.given = given;
        let mut rest = data;
        while !rest.is_empty() {
            let room = self.chunks.next_len() - self.pending.len();
            let (now, later) = rest.split_at(rest.len().min(room));
            rest = later;
            if now.len() == self.chunks.next_len() {
                self.append(now, out); // a whole chunk goes straight to its place
            } else {
                self.pending.extend_from_slice(now);
                self.flush(out);
            }
        }
        Ok(())
    }

    /// Pads, appends the last chunks to `out` and returns the entry.
    /// Errors: [`SealError::Length`] when less came than was declared.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<ListedEntry, SealError> {
        if self.given != self.declared {
            return Err(SealError::Length { declared: self.declared, given: self.given });
        }
        while self.chunks.next_len() > 0 {
            self.pending.resize(self.chunks.next_len(), 0);
            self.flush(out);
        }
        let Self { header, chunks, body_length, .. } = self;
        let commitment = *chunks.commitment();
        let body_sha256 = chunks.hash().expect("hashed");
        Ok(ListedEntry { header, commitment, body_length, body_sha256 })
    }

    /// Seals the pending chunk once it is full.
    fn flush(&mut self, out: &mut Vec<u8>) {
        if self.pending.len() == self.chunks.next_len() {
            let full = core::mem::take(&mut self.pending);
            self.append(&full, out);
            self.pending = full;
            self.pending.clear();
        }
    }

    fn append(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.reserve(chunk.len() + TAG);
        out.extend_from_slice(chunk);
        out.extend_from_slice(&[0; TAG]);
        self.chunks.seal(&mut out[start..]);
    }
}

/// A body's length as a size in memory.
pub(crate) fn address(length: u64) -> Result<usize, SealError> {
    usize::try_from(length).map_err(|_| SealError::TooLong { length })
}
