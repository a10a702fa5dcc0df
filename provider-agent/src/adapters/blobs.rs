//! Sealed bodies as files of one directory on this machine.
//!
//! `staged/<sha256>` holds what is durable but perhaps not committed, `staged/<random>.part` what is
//! being written, `bodies/<first byte>/<sha256>` what is published. A file gets its name only after
//! its content is synced; [`Blobs::sync`] then makes the names durable. A rename keeps a file under
//! one of its two names whatever happens, and both are looked at.
#![allow(clippy::disallowed_methods)] // blocks on files, and names unfinished ones at random

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use casewise_ledger::Hash;
use sha2::{Digest, Sha256};

use crate::ports::{BlobError, Blobs, Part, StagedBlob};

const STAGED: &str = "staged";
const BODIES: &str = "bodies";
const PART: &str = "part";
/// Bytes hashed at once.
const PIECE: usize = 256 << 10;

/// A directory of bodies.
#[derive(Clone, Debug)]
pub struct FileBlobs {
    root: PathBuf,
}

impl FileBlobs {
    /// Opens or makes the directory, and removes what was being written when the process died.
    pub fn open(root: &Path) -> io::Result<Self> {
        let blobs = Self { root: root.to_owned() };
        for directory in [root.to_owned(), blobs.staged_dir(), root.join(BODIES)] {
            fs::create_dir_all(directory)?;
        }
        for file in fs::read_dir(blobs.staged_dir())? {
            let path = file?.path();
            if path.extension().is_some_and(|extension| extension == PART) {
                fs::remove_file(path)?;
            }
        }
        sync_directory(root)?;
        Ok(blobs)
    }

    fn staged_dir(&self) -> PathBuf {
        self.root.join(STAGED)
    }

    fn staged_path(&self, name: &Hash) -> PathBuf {
        self.staged_dir().join(hex::encode(name))
    }

    fn published_path(&self, name: &Hash) -> PathBuf {
        self.root.join(BODIES).join(hex::encode(&name[..1])).join(hex::encode(name))
    }

    fn open_file(&self, name: &Hash) -> Result<File, BlobError> {
        // It may be published between the two looks, never the other way: look once more.
        for path in [self.published_path(name), self.staged_path(name), self.published_path(name)] {
            match File::open(path) {
                Ok(file) => return Ok(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(BlobError::Missing(*name))
    }
}

/// Makes the names in a directory durable.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Runs blocking work off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(io::Error::other(error).into()),
    }
}

#[async_trait]
impl Blobs for FileBlobs {
    async fn stage(&self) -> Result<Box<dyn StagedBlob>, BlobError> {
        let directory = self.staged_dir();
        blocking(move || {
            let mut random = [0; 16];
            getrandom::fill(&mut random).map_err(|_| io::Error::other("no random bytes"))?;
            let path = directory.join(format!("{}.{PART}", hex::encode(random)));
            let file = OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(&path)?;
            Ok(Box::new(StagedFile { directory, path, file: Some(file) }) as Box<dyn StagedBlob>)
        })
        .await
    }

    async fn sync(&self) -> Result<(), BlobError> {
        let directory = self.staged_dir();
        blocking(move || Ok(sync_directory(&directory)?)).await
    }

    async fn publish(&self, name: &Hash) -> Result<(), BlobError> {
        let (from, to) = (self.staged_path(name), self.published_path(name));
        blocking(move || {
            if let Some(directory) = to.parent() {
                fs::create_dir_all(directory)?;
            }
            match fs::rename(from, &to) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && to.exists() => Ok(()),
                result => Ok(result?),
            }
        })
        .await
    }

    async fn staged(&self) -> Result<Vec<Hash>, BlobError> {
        let directory = self.staged_dir();
        blocking(move || {
            let mut names = Vec::new();
            for file in fs::read_dir(directory)? {
                let mut name = Hash::default();
                if hex::decode_to_slice(file?.file_name().as_encoded_bytes(), &mut name).is_ok() {
                    names.push(name);
                }
            }
            names.sort_unstable();
            Ok(names)
        })
        .await
    }

    async fn discard(&self, name: &Hash) -> Result<(), BlobError> {
        let path = self.staged_path(name);
        blocking(move || match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => Ok(result?),
        })
        .await
    }

    async fn has(&self, name: &Hash) -> Result<bool, BlobError> {
        let (this, name) = (self.clone(), *name);
        blocking(move || match this.open_file(&name) {
            Ok(_) => Ok(true),
            Err(BlobError::Missing(_)) => Ok(false),
            Err(error) => Err(error),
        })
        .await
    }

    async fn length(&self, name: &Hash) -> Result<u64, BlobError> {
        let (this, name) = (self.clone(), *name);
        blocking(move || Ok(this.open_file(&name)?.metadata()?.len())).await
    }

    async fn read(&self, part: &Part) -> Result<Vec<u8>, BlobError> {
        let (this, name, offset, length) = (self.clone(), *part.name(), part.offset(), part.length());
        blocking(move || {
            let mut file = this.open_file(&name)?;
            let size = file.metadata()?.len();
            if offset.checked_add(length as u64).is_none_or(|end| end > size) {
                return Err(BlobError::Range);
            }
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = vec![0; length];
            file.read_exact(&mut bytes)?;
            Ok(bytes)
        })
        .await
    }

    async fn sha256(&self, name: &Hash) -> Result<Hash, BlobError> {
        let (this, name) = (self.clone(), *name);
        blocking(move || {
            let (mut file, mut hasher) = (this.open_file(&name)?, Sha256::new());
            let mut piece = vec![0; PIECE];
            loop {
                match file.read(&mut piece)? {
                    0 => return Ok(hasher.finalize().into()),
                    read => hasher.update(&piece[..read]),
                }
            }
        })
        .await
    }
}

struct StagedFile {
    directory: PathBuf,
    path: PathBuf,
    /// `None` while a blocking thread has it.
    file: Option<File>,
}

impl StagedFile {
    fn take(&mut self) -> Result<File, BlobError> {
        self.file.take().ok_or_else(|| io::Error::other("an earlier write failed").into())
    }
}

#[async_trait]
impl StagedBlob for StagedFile {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        let (mut file, bytes) = (self.take()?, bytes.to_owned());
        self.file = Some(blocking(move || file.write_all(&bytes).map(|()| file).map_err(Into::into)).await?);
        Ok(())
    }

    async fn read(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, BlobError> {
        let file = self.take()?;
        let (file, bytes) = blocking(move || {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, offset).map_err(|_| BlobError::Range)?;
            Ok((file, bytes))
        })
        .await?;
        self.file = Some(file);
        Ok(bytes)
    }

    async fn finish(mut self: Box<Self>, name: &Hash) -> Result<(), BlobError> {
        let (file, from, to) = (self.take()?, self.path.clone(), self.directory.join(hex::encode(name)));
        blocking(move || {
            file.sync_all()?;
            Ok(fs::rename(from, to)?)
        })
        .await
    }
}

impl Drop for StagedFile {
    /// An abandoned file is removed; after `finish` it has another name.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use casewise_ledger::sha256;

    async fn stage(blobs: &FileBlobs, bytes: &[u8]) -> Hash {
        let name = sha256(&[bytes]);
        let mut staged = blobs.stage().await.unwrap();
        let (a, b) = bytes.split_at(bytes.len() / 2);
        staged.write(a).await.unwrap();
        staged.write(b).await.unwrap();
        assert_eq!(staged.read(0, bytes.len()).await.unwrap(), bytes);
        assert!(matches!(staged.read(1, bytes.len()).await, Err(BlobError::Range) | Err(BlobError::Io(_))));
        let mut staged = blobs.stage().await.unwrap();
        staged.write(bytes).await.unwrap();
        staged.finish(&name).await.unwrap();
        blobs.sync().await.unwrap();
        name
    }

    #[tokio::test]
    async fn staged_published_and_read_under_either_name() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = FileBlobs::open(dir.path()).unwrap();
        let name = stage(&blobs, b"sealed body").await;
        assert_eq!(blobs.staged().await.unwrap(), [name]);
        assert_eq!(blobs.read(&Part::unchecked(name, 7, 4)).await.unwrap(), b"body");
        blobs.publish(&name).await.unwrap();
        blobs.publish(&name).await.unwrap();
        assert!(blobs.staged().await.unwrap().is_empty());
        assert_eq!(blobs.read(&Part::unchecked(name, 0, 11)).await.unwrap(), b"sealed body");
        assert_eq!(blobs.length(&name).await.unwrap(), 11);
        assert_eq!(blobs.sha256(&name).await.unwrap(), name);
        // discarding touches staged files only
        blobs.discard(&name).await.unwrap();
        assert!(blobs.has(&name).await.unwrap());
    }

    #[tokio::test]
    async fn missing_and_out_of_range() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = FileBlobs::open(dir.path()).unwrap();
        assert!(matches!(blobs.read(&Part::unchecked([1; 32], 0, 1)).await, Err(BlobError::Missing(_))));
        assert!(blobs.publish(&[1; 32]).await.is_err());
        let name = stage(&blobs, b"body").await;
        assert!(blobs.read(&Part::unchecked(name, 0, 4)).await.is_ok());
        assert!(matches!(blobs.read(&Part::unchecked(name, 0, 5)).await, Err(BlobError::Range)));
        assert!(matches!(blobs.read(&Part::unchecked(name, u64::MAX, 1)).await, Err(BlobError::Range)));
    }

    #[tokio::test]
    async fn a_blob_that_was_being_written_is_gone_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = FileBlobs::open(dir.path()).unwrap();
        let mut staged = blobs.stage().await.unwrap();
        staged.write(b"half").await.unwrap();
        std::mem::forget(staged); // as a kill would
        let files = || fs::read_dir(dir.path().join(STAGED)).unwrap().count();
        assert_eq!(files(), 1);
        FileBlobs::open(dir.path()).unwrap();
        assert_eq!(files(), 0);
        // and one that is given up goes by itself
        drop(blobs.stage().await.unwrap());
        assert_eq!(files(), 0);
    }
}
