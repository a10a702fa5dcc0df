//! Opening: a body in pieces, chunk by chunk, with every check that needs its plaintext.

use alloc::vec::Vec;

use crate::{
    CHUNK, Reason, TAG,
    cipher::{Chunks, SealingKey},
    pad::{LENGTH_LEN, check_total, check_zeros, total_of},
};

/// Opens the chunks of a body. Knows nothing of leaves and anchors.
pub(crate) struct Opener {
    chunks: Chunks,
    /// Ciphertext of the chunk being filled.
    pending: Vec<u8>,
    total: u64,
    minimum: u32,
    /// Data bytes still to come; unknown before the first chunk.
    data_left: Option<u64>,
    failed: Option<Reason>,
}

impl Opener {
    /// `key` must already have been checked against the commitment.
    pub(crate) fn new(key: SealingKey, minimum: u32, body_length: u64, hashed: bool) -> Result<Self, Reason> {
        let total = total_of(body_length).ok_or(Reason::BodyLength)?;
        let chunks = Chunks::new(key, total, hashed);
        Ok(Self { chunks, pending: Vec::new(), total, minimum, data_left: None, failed: None })
    }

    /// Takes the next piece of the body and appends the data of every complete chunk to `out`.
    /// After an error every further call fails with the same.
    pub(crate) fn write(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Reason> {
        if let Some(reason) = self.failed {
            return Err(reason);
        }
        self.take(body, out).inspect_err(|reason| self.failed = Some(*reason))
    }

    /// Refuses a body that ended early. Returns its hash when one was kept.
    pub(crate) fn finish(self) -> Result<Option<[u8; 32]>, Reason> {
        match self.failed {
            Some(reason) => Err(reason),
            None if self.chunks.next_len() > 0 => Err(Reason::BodyLength),
            None => Ok(self.chunks.hash()),
        }
    }

    fn take(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Reason> {
        let mut rest = body;
        while !rest.is_empty() {
            let wanted = match self.chunks.next_len() {
                0 => return Err(Reason::BodyLength),
                data => data + TAG,
            };
            let (now, later) = rest.split_at(rest.len().min(wanted - self.pending.len()));
            rest = later;
            if now.len() == wanted {
                self.open(now, out)?; // a whole chunk needs no copy of its own
                continue;
            }
            self.pending.extend_from_slice(now);
            if self.pending.len() == wanted {
                let chunk = core::mem::take(&mut self.pending);
                self.open(&chunk, out)?;
                self.pending = chunk;
                self.pending.clear();
            }
        }
        Ok(())
    }

    /// Opens one chunk at the end of `out` and leaves only its data there.
    fn open(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Reason> {
        let start = out.len();
        out.extend_from_slice(chunk);
        let data = match self.chunks.open(&mut out[start..]) {
            Ok(()) => self.data_range(&out[start..out.len() - TAG]),
            Err(()) => Err(Reason::Chunk),
        };
        match data {
            Ok((from, to)) => {
                out.truncate(start + to);
                out.drain(start..start + from);
                Ok(())
            }
            Err(reason) => {
                out[start..].fill(0);
                out.truncate(start);
                Err(reason)
            }
        }
    }

    /// Where the data stands in an opened chunk. Reads the length from the first one and checks that
    /// everything after the data is zero.
    fn data_range(&mut self, plain: &[u8]) -> Result<(usize, usize), Reason> {
        let (from, left) = match self.data_left {
            Some(left) => (0, left),
            None => {
                let length = plain.first_chunk::<LENGTH_LEN>().ok_or(Reason::BodyLength)?;
                let length = u64::from_be_bytes(*length);
                check_total(length, self.total, self.minimum)?;
                (LENGTH_LEN, length)
            }
        };
        let here = left.min((plain.len() - from) as u64);
        self.data_left = Some(left - here);
        let to = from + here as usize;
        check_zeros(&plain[to..])?;
        Ok((from, to))
    }
}

/// The largest piece that [`Opener::write`] opens without a further copy.
pub(crate) const WHOLE_CHUNK: usize = CHUNK + TAG;

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use casewise_keytree::{KeySet, OneTimeKey};
    use casewise_ledger::entry::{SUITE_ASCON, SUITE_GCM_SIV};

    use super::*;
    use crate::{body::seal_raw, body_length};

    const LENGTHS: [usize; 9] = [0, 1, 16_375, 16_376, 16_377, 32_760, 32_768, 100_000, 1_000_000];

    fn key() -> OneTimeKey {
        KeySet::root(&[6; 32]).derive(1).unwrap()
    }

    fn sealed(suite: u8, data: &[u8], minimum: u32) -> Vec<u8> {
        let mut body = vec![0; body_length(data.len() as u64, minimum).unwrap() as usize];
        seal_raw(&key(), suite, b"header", minimum, data, &mut body).unwrap();
        body
    }

    fn opener(suite: u8, minimum: u32, body_length: usize) -> Result<Opener, Reason> {
        let key = SealingKey::new(&key(), suite, b"header").unwrap();
        Opener::new(key, minimum, body_length as u64, true)
    }

    #[test]
    fn every_length_opens_to_what_was_sealed() {
        for suite in [SUITE_GCM_SIV, SUITE_ASCON] {
            for length in LENGTHS {
                for minimum in [64, 1024] {
                    let data: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
                    let body = sealed(suite, &data, minimum);
                    let mut opener = opener(suite, minimum, body.len()).unwrap();
                    let mut out = vec![9];
                    opener.write(&body, &mut out).unwrap();
                    assert_eq!(out[0], 9, "what was in the buffer stays");
                    assert!(out[1..] == data, "suite {suite}, length {length}");
                    let hash = opener.finish().unwrap().unwrap();
                    assert_eq!(hash, casewise_ledger::sha256(&[&body]));
                }
            }
        }
    }

    #[test]
    fn a_body_has_a_length_that_some_total_gives() {
        for length in [0, 1, 16, 17, 23, 16_384 + 16 + 1, 16_384 + 32, 16_384 + 16 + 16] {
            assert!(matches!(opener(SUITE_GCM_SIV, 0, length), Err(Reason::BodyLength)), "{length}");
        }
        for length in [24, 16_400, 16_417] {
            assert!(opener(SUITE_GCM_SIV, 0, length).is_ok(), "{length}");
        }
    }

    #[test]
    fn a_failed_opener_stays_failed_and_leaves_nothing_in_the_buffer() {
        let mut body = sealed(SUITE_ASCON, &[1; 40_000], 64);
        body[20_000] ^= 1;
        let mut opener = opener(SUITE_ASCON, 64, body.len()).unwrap();
        let mut out = Vec::new();
        assert_eq!(opener.write(&body, &mut out), Err(Reason::Chunk));
        assert_eq!(out.len(), 16_376, "the first chunk was authentic");
        assert_eq!(opener.write(&[], &mut out), Err(Reason::Chunk));
        assert_eq!(opener.finish(), Err(Reason::Chunk));
    }

    #[test]
    fn more_or_less_than_the_body_is_refused() {
        let body = sealed(SUITE_GCM_SIV, &[1; 20_000], 64);
        let mut out = Vec::new();
        let mut short = opener(SUITE_GCM_SIV, 64, body.len()).unwrap();
        short.write(&body[..body.len() - 1], &mut out).unwrap();
        assert_eq!(short.finish(), Err(Reason::BodyLength));
        let mut long = opener(SUITE_GCM_SIV, 64, body.len()).unwrap();
        long.write(&body, &mut out).unwrap();
        assert_eq!(long.write(&[0], &mut out), Err(Reason::BodyLength));
    }
}
