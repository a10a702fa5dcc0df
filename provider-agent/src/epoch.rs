//! Epoch keys: what a lane's keys are wrapped under while they lie in the database.
//!
//! Responsible for: wrapping, replacing the epoch key and destroying the old one, counting commits,
//! and judging whether database and epoch file belong together. Must never wrap under a key that is
//! being destroyed, nor destroy one under which something still lies.

use std::sync::{Arc, RwLock, RwLockReadGuard};

use aes_gcm_siv::{
    Aes256GcmSiv, Nonce,
    aead::{Aead, KeyInit, Payload},
};
use casewise_keytree::KeySet;
use casewise_ledger::LaneId;
use zeroize::Zeroizing;

use crate::{
    AgentError,
    ports::{EpochError, EpochFile, EpochRecord, Random},
    store::{Store, WrappedKeys},
};

/// Longest life of an epoch key, ms: one day.
pub const MAX_AGE_MS: u64 = 24 * 60 * 60 * 1000;
const NONCE: usize = 12;
const KEYS_DOMAIN: &[u8] = b"casewise/agent/keys/v1";

/// The epoch keys of a running agent.
pub struct Epoch {
    file: Arc<dyn EpochFile>,
    record: RwLock<EpochRecord>,
    /// Held for reading from wrapping to commit, for writing when an old key is given up.
    leases: tokio::sync::RwLock<()>,
    /// One write of the file at a time, in the order of the records.
    writing: tokio::sync::Mutex<()>,
}

/// The right to wrap under the present epoch key. Kept until what was wrapped is committed, so that
/// the key cannot be destroyed in between.
pub struct Lease<'a> {
    epoch: &'a Epoch,
    _held: tokio::sync::RwLockReadGuard<'a, ()>,
}

impl Epoch {
    /// Reads the file.
    pub async fn open(file: Arc<dyn EpochFile>) -> Result<Self, EpochError> {
        let record = RwLock::new(file.read().await?);
        Ok(Self {
            file,
            record,
            leases: tokio::sync::RwLock::default(),
            writing: tokio::sync::Mutex::default(),
        })
    }

    fn record(&self) -> RwLockReadGuard<'_, EpochRecord> {
        self.record.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// When the present epoch key is due to be replaced, Unix ms.
    pub fn due(&self) -> u64 {
        let record = self.record();
        if record.next.is_some() { 0 } else { record.since.saturating_add(MAX_AGE_MS) }
    }

    /// The epoch under which new keys are wrapped.
    pub fn current(&self) -> u32 {
        let record = self.record();
        record.epoch + u32::from(record.next.is_some())
    }

    /// Takes the right to wrap.
    pub async fn lease(&self) -> Lease<'_> {
        Lease { epoch: self, _held: self.leases.read().await }
    }

    /// Opens what a lease wrapped. `None`: its epoch key is destroyed, or the bytes are not its.
    pub fn open_bytes(&self, epoch: u32, aad: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let key = self.key(epoch)?;
        let (nonce, ciphertext) = wrapped.split_at_checked(NONCE)?;
        let nonce = Nonce::try_from(nonce).ok()?;
        let aad = bind(aad, epoch);
        let payload = Payload { msg: ciphertext, aad: &aad };
        Aes256GcmSiv::new((&*key).into()).decrypt(&nonce, payload).ok().map(Zeroizing::new)
    }

    /// A lane's keys.
    pub fn unwrap(&self, keys: &WrappedKeys) -> Result<KeySet, AgentError> {
        let plain = self
            .open_bytes(keys.epoch, &keys_aad(&keys.lane), &keys.wrapped)
            .ok_or_else(|| AgentError::broken("a lane's keys do not open with the present epoch key"))?;
        KeySet::decode(&plain).map_err(AgentError::broken)
    }

    fn key(&self, epoch: u32) -> Option<Zeroizing<[u8; 32]>> {
        let record = self.record();
        match epoch.checked_sub(record.epoch)? {
            0 => Some(record.key.clone()),
            1 => record.next.clone(),
            _ => None,
        }
    }

    /// Notes durably that the database has made commit `number`.
    pub async fn count(&self, number: u64) -> Result<(), EpochError> {
        self.change(|record| EpochRecord { counter: number, ..record }, false).await
    }

    /// Takes the file over after a restore: new life, new count, at home where it lies.
    pub async fn adopt(&self, life: [u8; 16], number: u64) -> Result<(), EpochError> {
        self.change(|record| EpochRecord { counter: number, life, ..record }, true).await
    }

    /// Draws the next epoch's key; from now on everything is wrapped under it. When this returns,
    /// nothing that was wrapped under the old key is still to be committed. No effect while a
    /// replacement is under way.
    pub async fn begin(&self, random: &dyn Random) -> Result<(), AgentError> {
        if self.record().next.is_none() {
            let mut key = Zeroizing::new([0; 32]);
            random.fill(&mut *key)?;
            self.change(|record| EpochRecord { next: Some(key), ..record }, false).await?;
        }
        drop(self.leases.write().await);
        Ok(())
    }

    /// Destroys the old key at `now` (Unix ms). Only when nothing that is needed lies under it any
    /// more.
    pub async fn finish(&self, now: u64) -> Result<(), EpochError> {
        let change = |mut record: EpochRecord| match record.next.take() {
            Some(key) => EpochRecord { epoch: record.epoch + 1, since: now, key, ..record },
            None => record,
        };
        self.change(change, true).await
    }

    /// File first, then memory. `settle`: no earlier record stays in the file.
    async fn change(
        &self,
        change: impl FnOnce(EpochRecord) -> EpochRecord,
        settle: bool,
    ) -> Result<(), EpochError> {
        let _writing = self.writing.lock().await;
        let record = change(self.record().clone());
        if settle {
            self.file.settle(&record).await?
        } else {
            self.file.write(&record).await?
        }
        *self.record.write().unwrap_or_else(std::sync::PoisonError::into_inner) = record;
        Ok(())
    }

    /// Whether database and epoch file belong together.
    pub async fn judge(&self, store: &dyn Store) -> Result<Judgement, AgentError> {
        let (number, life) = (store.commit_number().await?, store.life().await?);
        let moved = self.file.moved().await.map_err(AgentError::from)?;
        let record = self.record();
        Ok(judge(number, life, record.counter, record.life, moved))
    }
}

/// Whether a database is the newest one that was ever written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is, as far as this machine knows.
    Newest,
    /// It is; the process died between a commit and its note in the epoch file.
    OneAhead,
    /// It is not, or the epoch file is not: the text says what was seen.
    Restored(&'static str),
}

/// The rule. The file is written after each commit, so the database is at the file's number or one
/// ahead of it; everything else is a copy put back.
fn judge(number: u64, life: Option<[u8; 16]>, counter: u64, file_life: [u8; 16], moved: bool) -> Judgement {
    if life != Some(file_life) {
        Judgement::Restored("the database is of another life than the epoch file")
    } else if moved {
        Judgement::Restored("the epoch file was copied back")
    } else if number < counter {
        Judgement::Restored("the database is behind the epoch file")
    } else if number > counter + 1 {
        Judgement::Restored("the epoch file is behind the database")
    } else if number == counter {
        Judgement::Newest
    } else {
        Judgement::OneAhead
    }
}

fn keys_aad(lane: &LaneId) -> Vec<u8> {
    [KEYS_DOMAIN, &lane.0].concat()
}

fn bind(aad: &[u8], epoch: u32) -> Vec<u8> {
    [aad, &epoch.to_be_bytes()].concat()
}

impl Lease<'_> {
    /// Wraps bytes under the present epoch key, bound to `aad` and the epoch's number, which is
    /// returned with them: nonce ‖ ciphertext ‖ tag.
    pub fn wrap_bytes(
        &self,
        random: &dyn Random,
        aad: &[u8],
        plain: &[u8],
    ) -> Result<(u32, Vec<u8>), AgentError> {
        let epoch = self.epoch.current();
        let key = self.epoch.key(epoch).ok_or_else(|| AgentError::broken("the epoch has no key"))?;
        let mut out = vec![0; NONCE];
        random.fill(&mut out)?;
        let nonce = Nonce::try_from(out.as_slice()).map_err(AgentError::broken)?;
        let aad = bind(aad, epoch);
        let ciphertext = Aes256GcmSiv::new((&*key).into())
            .encrypt(&nonce, Payload { msg: plain, aad: &aad })
            .map_err(|_| AgentError::broken("keys could not be wrapped"))?;
        out.extend_from_slice(&ciphertext);
        Ok((epoch, out))
    }

    /// Wraps a lane's keys.
    pub fn wrap(&self, random: &dyn Random, lane: LaneId, keys: &KeySet) -> Result<WrappedKeys, AgentError> {
        let (epoch, wrapped) = self.wrap_bytes(random, &keys_aad(&lane), &keys.encode())?;
        Ok(WrappedKeys { lane, epoch, wrapped })
    }
}

/// Makes the first record of a new agent, or of one whose epoch file is lost.
pub fn first_record(random: &dyn Random, life: [u8; 16], now: u64) -> Result<EpochRecord, AgentError> {
    let mut key = Zeroizing::new([0; 32]);
    random.fill(&mut *key)?;
    Ok(EpochRecord { epoch: 1, since: now, key, next: None, counter: 0, life })
}

impl From<EpochError> for AgentError {
    fn from(error: EpochError) -> Self {
        Self::Halted(error.to_string())
    }
}

/// Most key sets re-wrapped in one commit.
pub const MAX_REWRAP: u32 = 256;

/// Replaces the epoch key: draws the next, re-wraps all keys under it, overwrites what lay under the
/// old one, destroys the old one. Takes up a replacement that a crash interrupted.
pub async fn replace(app: &crate::App) -> Result<u32, AgentError> {
    app.epoch.begin(&*app.random).await?;
    let current = app.epoch.current();
    loop {
        let old = app.store.keys_not_under(current, MAX_REWRAP).await?;
        if old.is_empty() {
            break;
        }
        for before in old {
            rewrap(app, before).await?;
        }
    }
    crate::scrub::now(app).await?;
    app.epoch.finish(app.clock.now()).await?;
    Ok(current)
}

async fn rewrap(app: &crate::App, before: WrappedKeys) -> Result<(), AgentError> {
    let lease = app.epoch.lease().await;
    let keys = app.epoch.unwrap(&before)?;
    let after = lease.wrap(&*app.random, before.lane, &keys)?;
    let write = crate::store::Write::Rewrap { before: before.wrapped, after };
    match app.committer.commit(vec![write]).await {
        // An entry was appended meanwhile: its keys are wrapped under the new key already.
        Ok(()) | Err(crate::committer::CommitError::Refused(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::{SystemRandom, epoch::DiskEpochFile};

    async fn epoch(directory: &std::path::Path) -> Epoch {
        let record = first_record(&SystemRandom, [1; 16], 1).unwrap();
        let file = DiskEpochFile::create(&directory.join("epoch"), &record).unwrap();
        Epoch::open(Arc::new(file)).await.unwrap()
    }

    #[test]
    fn only_the_same_number_or_one_ahead_of_the_same_life_is_the_newest() {
        let life = [1; 16];
        assert_eq!(judge(7, Some(life), 7, life, false), Judgement::Newest);
        assert_eq!(judge(8, Some(life), 7, life, false), Judgement::OneAhead);
        for (number, db_life, moved) in [
            (6, Some(life), false),
            (9, Some(life), false),
            (7, Some(life), true),
            (7, None, false),
            (7, Some([2; 16]), false),
        ] {
            let judgement = judge(number, db_life, 7, life, moved);
            assert!(matches!(judgement, Judgement::Restored(_)), "{number} {db_life:?} {moved}");
        }
    }

    #[tokio::test]
    async fn keys_open_only_as_their_lanes_and_of_their_epoch() {
        let dir = tempfile::tempdir().unwrap();
        let epoch = epoch(dir.path()).await;
        let (lane, keys) = (LaneId([3; 32]), KeySet::root(&[5; 32]));
        let wrapped = epoch.lease().await.wrap(&SystemRandom, lane, &keys).unwrap();
        assert_eq!(wrapped.epoch, 1);
        assert_eq!(epoch.unwrap(&wrapped).unwrap(), keys);
        assert!(!wrapped.wrapped.windows(32).any(|window| window == [5; 32]));
        assert!(epoch.unwrap(&WrappedKeys { lane: LaneId([4; 32]), ..wrapped.clone() }).is_err());
        assert!(epoch.unwrap(&WrappedKeys { epoch: 2, ..wrapped.clone() }).is_err());
        assert!(epoch.unwrap(&WrappedKeys { epoch: 0, ..wrapped.clone() }).is_err());
        let mut flipped = wrapped;
        flipped.wrapped[20] ^= 1;
        assert!(epoch.unwrap(&flipped).is_err());
    }

    #[tokio::test]
    async fn a_replacement_is_taken_up_after_a_crash_at_each_step() {
        let dir = tempfile::tempdir().unwrap();
        let first = epoch(dir.path()).await;
        let (lane, keys) = (LaneId([3; 32]), KeySet::root(&[5; 32]));
        let old = first.lease().await.wrap(&SystemRandom, lane, &keys).unwrap();
        first.begin(&SystemRandom).await.unwrap();
        drop(first); // crash after the next key was drawn
        let reopen = || async {
            let file = DiskEpochFile::open(&dir.path().join("epoch")).unwrap();
            Epoch::open(Arc::new(file)).await.unwrap()
        };
        let second = reopen().await;
        assert_eq!(second.current(), 2);
        second.begin(&SystemRandom).await.unwrap();
        assert_eq!(second.current(), 2, "the key drawn before is used");
        assert_eq!(second.unwrap(&old).unwrap(), keys, "what lies under the old key still opens");
        let new = second.lease().await.wrap(&SystemRandom, lane, &keys).unwrap();
        assert_eq!(new.epoch, 2);
        second.finish(9).await.unwrap();
        second.finish(9).await.unwrap();
        let third = reopen().await;
        assert_eq!(third.current(), 2);
        assert!(third.unwrap(&old).is_err(), "the old key is gone");
        assert_eq!(third.unwrap(&new).unwrap(), keys);
    }

    #[tokio::test]
    async fn nothing_wrapped_under_the_old_key_is_still_to_be_committed() {
        let dir = tempfile::tempdir().unwrap();
        let epoch = epoch(dir.path()).await;
        let lease = epoch.lease().await;
        let begin = epoch.begin(&SystemRandom);
        futures::pin_mut!(begin);
        assert!(futures::poll!(&mut begin).is_pending() || epoch.current() == 2);
        // it stays pending as long as the lease is held
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(futures::poll!(&mut begin).is_pending());
        drop(lease);
        begin.await.unwrap();
    }
}
