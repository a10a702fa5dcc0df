//! The epoch file on this machine: two slots written in turn, each with a checksum.
//!
//! The file is written in place and never renamed, so that its place on the disk is part of its
//! identity: a file that was copied back has another one. Whole-disk images keep the place; against
//! those only the chain helps.
#![allow(clippy::disallowed_methods)] // blocks on the file

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
    sync::{Arc, Mutex},
    time::UNIX_EPOCH,
};

use async_trait::async_trait;
use borsh::{BorshDeserialize, BorshSerialize};
use casewise_ledger::{Hash, sha256};
use zeroize::{Zeroize, Zeroizing};

use super::blobs::sync_directory;
use crate::ports::{EpochError, EpochFile, EpochRecord};

/// Distance of the two slots, bytes: no disk writes them as one sector.
const STRIDE: u64 = 4096;
/// Bytes of a slot: longer than any record.
const SLOT: usize = 512;
const MAGIC: [u8; 16] = *b"casewise/epoch/1";

/// One record as it is written.
#[derive(BorshSerialize, BorshDeserialize)]
struct Slot {
    magic: [u8; 16],
    /// Rises with each write: the larger of two whole slots is the newer.
    write: u64,
    /// Where the file lies.
    place: Hash,
    counter: u64,
    epoch: u32,
    since: u64,
    key: [u8; 32],
    next: Option<[u8; 32]>,
    life: [u8; 16],
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.key.zeroize();
        self.next.zeroize();
    }
}

impl Slot {
    fn new(write: u64, place: Hash, record: &EpochRecord) -> Self {
        let EpochRecord { epoch, since, key, next, counter, life } = record;
        let (key, next) = (**key, next.as_ref().map(|key| **key));
        let (counter, epoch, since, life) = (*counter, *epoch, *since, *life);
        Self { magic: MAGIC, write, place, counter, epoch, since, key, next, life }
    }

    fn record(&self) -> EpochRecord {
        EpochRecord {
            epoch: self.epoch,
            since: self.since,
            key: Zeroizing::new(self.key),
            next: self.next.map(Zeroizing::new),
            counter: self.counter,
            life: self.life,
        }
    }

    /// `borsh ‖ zeros ‖ sha256`, [`SLOT`] bytes.
    fn encode(&self) -> Zeroizing<[u8; SLOT]> {
        let mut out = Zeroizing::new([0; SLOT]);
        let mut room = &mut out[..SLOT - 32];
        self.serialize(&mut room).expect("a record is shorter than a slot");
        let checksum = sha256(&[&out[..SLOT - 32]]);
        out[SLOT - 32..].copy_from_slice(&checksum);
        out
    }

    fn decode(bytes: &[u8; SLOT]) -> Option<Self> {
        let (mut body, checksum) = bytes.split_at(SLOT - 32);
        if sha256(&[body]) != checksum {
            return None;
        }
        Self::deserialize(&mut body).ok().filter(|slot| slot.magic == MAGIC)
    }
}

struct Inner {
    file: File,
    place: Hash,
    /// Number of the newest write; it stands in slot `write % 2`.
    write: u64,
}

/// An epoch file.
#[derive(Clone)]
pub struct DiskEpochFile(Arc<Mutex<Inner>>);

impl DiskEpochFile {
    /// Makes a new file with its first record. Refuses to replace one.
    pub fn create(path: &Path, record: &EpochRecord) -> Result<Self, EpochError> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(path)?;
        file.set_len(STRIDE + SLOT as u64)?;
        let place = place(&file)?;
        let mut inner = Inner { file, place, write: 0 };
        inner.put(record)?;
        inner.put(record)?;
        inner.file.sync_all()?;
        sync_directory(
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")),
        )?;
        Ok(Self(Arc::new(Mutex::new(inner))))
    }

    /// Opens a file. Refuses one that others than its owner can read, and one without a whole slot.
    pub fn open(path: &Path) -> Result<Self, EpochError> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let mode = file.metadata()?.permissions().mode();
        if mode & 0o077 != 0 {
            let reason = format!("others can read it (mode {:o}); run chmod 600", mode & 0o777);
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason).into());
        }
        let place = place(&file)?;
        let mut inner = Inner { file, place, write: 0 };
        inner.write = inner.newest()?.write;
        Ok(Self(Arc::new(Mutex::new(inner))))
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Inner) -> Result<T, EpochError> + Send + 'static,
    ) -> Result<T, EpochError> {
        let inner = self.0.clone();
        let done = tokio::task::spawn_blocking(move || {
            let mut inner = inner.lock().map_err(|_| io::Error::other("an earlier write failed"))?;
            work(&mut inner)
        });
        done.await.map_err(io::Error::other)?
    }
}

impl Inner {
    fn newest(&self) -> Result<Slot, EpochError> {
        let slots = [self.slot(0)?, self.slot(1)?];
        slots.into_iter().flatten().max_by_key(|slot| slot.write).ok_or(EpochError::Damaged)
    }

    fn slot(&self, number: u64) -> Result<Option<Slot>, EpochError> {
        let mut bytes = Zeroizing::new([0; SLOT]);
        match self.file.read_exact_at(&mut *bytes, number * STRIDE) {
            Ok(()) => Ok(Slot::decode(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes into the slot that does not hold the newest record.
    fn put(&mut self, record: &EpochRecord) -> Result<(), EpochError> {
        let write = self.write + 1;
        let bytes = Slot::new(write, self.place, record).encode();
        self.file.write_all_at(&*bytes, (write % 2) * STRIDE)?;
        self.file.sync_data()?;
        self.write = write;
        Ok(())
    }
}

/// Inode and time of birth, hashed: what a copy does not take along.
fn place(file: &File) -> io::Result<Hash> {
    let metadata = file.metadata()?;
    let born = metadata.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    Ok(sha256(&[&metadata.ino().to_be_bytes(), &born.as_nanos().to_be_bytes()]))
}

#[async_trait]
impl EpochFile for DiskEpochFile {
    async fn read(&self) -> Result<EpochRecord, EpochError> {
        self.with(|inner| Ok(inner.newest()?.record())).await
    }

    async fn moved(&self) -> Result<bool, EpochError> {
        self.with(|inner| Ok(inner.newest()?.place != inner.place)).await
    }

    async fn write(&self, record: &EpochRecord) -> Result<(), EpochError> {
        let record = record.clone();
        self.with(move |inner| inner.put(&record)).await
    }

    async fn settle(&self, record: &EpochRecord) -> Result<(), EpochError> {
        let record = record.clone();
        self.with(move |inner| inner.put(&record).and_then(|()| inner.put(&record))).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: u32, counter: u64) -> EpochRecord {
        EpochRecord {
            epoch,
            since: 5,
            key: Zeroizing::new([epoch as u8; 32]),
            next: None,
            counter,
            life: [9; 16],
        }
    }

    fn contains(path: &Path, key: &[u8; 32]) -> bool {
        std::fs::read(path).unwrap().windows(32).any(|window| window == key)
    }

    #[tokio::test]
    async fn the_newest_whole_slot_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("epoch");
        let file = DiskEpochFile::create(&path, &record(1, 0)).unwrap();
        assert!(DiskEpochFile::create(&path, &record(1, 0)).is_err(), "never replaced");
        for counter in 1..=5 {
            file.write(&record(1, counter)).await.unwrap();
        }
        drop(file);
        let file = DiskEpochFile::open(&path).unwrap();
        assert_eq!(file.read().await.unwrap().counter, 5);
        // a write torn at any byte leaves the record before it
        let whole = std::fs::read(&path).unwrap();
        let newest = if whole[16] > whole[STRIDE as usize + 16] { 0 } else { STRIDE as usize };
        for at in [0, 16, 60, SLOT - 1] {
            let mut torn = whole.clone();
            torn[newest + at] ^= 1;
            std::fs::write(&path, &torn).unwrap();
            assert_eq!(DiskEpochFile::open(&path).unwrap().read().await.unwrap().counter, 4, "byte {at}");
        }
        // after that the next write takes the damaged slot
        let file = DiskEpochFile::open(&path).unwrap();
        file.write(&record(1, 6)).await.unwrap();
        assert_eq!(DiskEpochFile::open(&path).unwrap().read().await.unwrap().counter, 6);
    }

    #[tokio::test]
    async fn settling_leaves_no_earlier_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("epoch");
        let file = DiskEpochFile::create(&path, &record(1, 0)).unwrap();
        let both = EpochRecord { next: Some(Zeroizing::new([2; 32])), ..record(1, 1) };
        file.write(&both).await.unwrap();
        assert!(contains(&path, &[1; 32]) && contains(&path, &[2; 32]));
        assert!(file.read().await.unwrap().next.is_some());
        file.settle(&record(2, 1)).await.unwrap();
        assert!(!contains(&path, &[1; 32]) && contains(&path, &[2; 32]));
    }

    #[tokio::test]
    async fn a_copy_is_known_as_one() {
        let dir = tempfile::tempdir().unwrap();
        let (path, backup) = (dir.path().join("epoch"), dir.path().join("backup"));
        let file = DiskEpochFile::create(&path, &record(1, 0)).unwrap();
        assert!(!file.moved().await.unwrap());
        std::fs::copy(&path, &backup).unwrap();
        let copied = DiskEpochFile::open(&backup).unwrap();
        assert!(copied.moved().await.unwrap());
        // once taken over it is at home
        copied.settle(&record(1, 1)).await.unwrap();
        assert!(!DiskEpochFile::open(&backup).unwrap().moved().await.unwrap());
    }

    #[tokio::test]
    async fn refused_when_damaged_readable_by_others_or_absent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("epoch");
        assert!(matches!(DiskEpochFile::open(&path), Err(EpochError::Io(_))));
        DiskEpochFile::create(&path, &record(1, 0)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(DiskEpochFile::open(&path).err().unwrap().to_string().contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, [0; 5000]).unwrap();
        assert!(matches!(DiskEpochFile::open(&path), Err(EpochError::Damaged)));
        std::fs::write(&path, b"short").unwrap();
        assert!(matches!(DiskEpochFile::open(&path), Err(EpochError::Damaged)));
    }
}
