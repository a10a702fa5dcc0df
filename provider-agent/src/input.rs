//! Content being taken in: in memory up to [`IN_MEMORY`], above that in a spool on disk, sealed under
//! a random key that is held only in memory.
//!
//! Must never leave content on disk that anybody can open after the process is gone.

use aes_gcm_siv::{
    Aes256GcmSiv, Nonce,
    aead::{Aead, KeyInit},
};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    AgentError,
    ports::{Blobs, Random, StagedBlob},
};

/// Most bytes of one input held in memory.
pub const IN_MEMORY: usize = 8 << 20;
/// Most bytes of one entry's content.
pub const MAX_BODY: u64 = 64 << 20;
/// Plaintext bytes of a chunk of the spool.
const CHUNK: usize = 64 << 10;
const TAG: usize = 16;

/// Content that is whole.
pub enum Input {
    /// Small enough for memory.
    Memory(Zeroizing<Vec<u8>>),
    /// In a sealed spool.
    Spooled(Box<Spool>),
}

impl Input {
    /// Nothing, or what a caller has in memory.
    pub fn memory(bytes: Vec<u8>) -> Self {
        Self::Memory(Zeroizing::new(bytes))
    }

    /// Bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Spooled(spool) => spool.length,
        }
    }

    /// Up to `most` bytes from `offset`; at least one before the end.
    pub async fn read(&mut self, offset: u64, most: usize) -> Result<Zeroizing<Vec<u8>>, AgentError> {
        match self {
            Self::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let end = start.saturating_add(most).min(bytes.len());
                Ok(Zeroizing::new(bytes[start..end].to_vec()))
            }
            Self::Spooled(spool) => spool.read(offset, most).await,
        }
    }
}

/// Content arriving.
#[derive(Default)]
pub struct Intake {
    memory: Zeroizing<Vec<u8>>,
    spool: Option<Spool>,
}

/// More than [`MAX_BODY`] bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge;

impl Intake {
    /// Takes more bytes.
    pub async fn push(
        &mut self,
        blobs: &dyn Blobs,
        random: &dyn Random,
        bytes: &[u8],
    ) -> Result<Result<(), TooLarge>, AgentError> {
        let spooled = self.spool.as_ref().map_or(0, |spool| spool.length);
        let length = spooled + self.memory.len() as u64 + bytes.len() as u64;
        if length > MAX_BODY {
            return Ok(Err(TooLarge));
        }
        self.memory.extend_from_slice(bytes);
        if self.spool.is_none() && self.memory.len() > IN_MEMORY {
            self.spool = Some(Spool::new(blobs, random).await?);
        }
        if let Some(spool) = &mut self.spool {
            let whole = self.memory.len() / CHUNK * CHUNK;
            spool.append(&self.memory[..whole]).await?;
            let rest = Zeroizing::new(self.memory[whole..].to_vec());
            self.memory = rest;
        }
        Ok(Ok(()))
    }

    /// The whole.
    pub async fn finish(mut self) -> Result<Input, AgentError> {
        match self.spool.take() {
            None => Ok(Input::Memory(std::mem::take(&mut self.memory))),
            Some(mut spool) => {
                spool.append(&self.memory).await?;
                Ok(Input::Spooled(Box::new(spool)))
            }
        }
    }
}

/// A file of sealed chunks. It goes when it is dropped, and at start.
pub struct Spool {
    cipher: Aes256GcmSiv,
    file: Box<dyn StagedBlob>,
    length: u64,
}

impl Spool {
    async fn new(blobs: &dyn Blobs, random: &dyn Random) -> Result<Self, AgentError> {
        let mut key = Zeroizing::new([0; 32]);
        random.fill(&mut *key)?;
        Ok(Self { cipher: Aes256GcmSiv::new((&*key).into()), file: blobs.stage().await?, length: 0 })
    }

    fn nonce(chunk: u64) -> Nonce {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&chunk.to_be_bytes());
        nonce.into()
    }

    /// Appends chunks; only the last call may end in a chunk that is not full.
    async fn append(&mut self, bytes: &[u8]) -> Result<(), AgentError> {
        for plain in bytes.chunks(CHUNK) {
            let nonce = Self::nonce(self.length / CHUNK as u64);
            let sealed = self.cipher.encrypt(&nonce, plain).map_err(|_| AgentError::broken("spool"))?;
            self.file.write(&sealed).await?;
            self.length += plain.len() as u64;
        }
        Ok(())
    }

    async fn read(&mut self, offset: u64, most: usize) -> Result<Zeroizing<Vec<u8>>, AgentError> {
        let mut out = Zeroizing::new(Vec::new());
        let end = offset.saturating_add(most as u64).min(self.length);
        let mut at = offset;
        while at < end {
            let chunk = at / CHUNK as u64;
            let start = chunk * CHUNK as u64;
            let size =
                usize::try_from((self.length - start).min(CHUNK as u64)).map_err(AgentError::broken)?;
            let sealed = self.file.read(chunk * (CHUNK + TAG) as u64, size + TAG).await?;
            let mut plain = self
                .cipher
                .decrypt(&Self::nonce(chunk), sealed.as_slice())
                .map_err(|_| AgentError::broken("the spool was changed on disk"))?;
            let (from, to) = ((at - start) as usize, (end - start).min(size as u64) as usize);
            out.extend_from_slice(&plain[from..to]);
            plain.zeroize();
            at = start + to as u64;
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::{SystemRandom, blobs::FileBlobs};

    async fn take(blobs: &FileBlobs, content: &[u8], piece: usize) -> Input {
        let mut intake = Intake::default();
        for bytes in content.chunks(piece) {
            intake.push(blobs, &SystemRandom, bytes).await.unwrap().unwrap();
        }
        intake.finish().await.unwrap()
    }

    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i * 31 % 251) as u8).collect()
    }

    fn files(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
        std::fs::read_dir(directory.join("staged")).unwrap().map(|file| file.unwrap().path()).collect()
    }

    #[tokio::test]
    async fn memory_up_to_the_limit_and_a_sealed_spool_above() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = FileBlobs::open(dir.path()).unwrap();
        let content = pattern(IN_MEMORY + 1);
        let at = take(&blobs, &content[..IN_MEMORY], 300_000).await;
        assert!(matches!(at, Input::Memory(_)));
        let mut above = take(&blobs, &content, 300_000).await;
        assert!(matches!(above, Input::Spooled(_)));
        assert_eq!(above.length(), content.len() as u64);
        let spool = std::fs::read(&files(dir.path())[0]).unwrap();
        assert!(!spool.windows(64).any(|window| window == &content[1000..1064]), "sealed");
        let mut back = Vec::new();
        while (back.len() as u64) < above.length() {
            back.extend_from_slice(&above.read(back.len() as u64, 777_777).await.unwrap());
        }
        assert!(back == content);
        drop(above);
        assert!(files(dir.path()).is_empty(), "gone with its input");
    }

    #[tokio::test]
    async fn a_changed_spool_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = FileBlobs::open(dir.path()).unwrap();
        let mut input = take(&blobs, &pattern(IN_MEMORY + 1), 1 << 20).await;
        let path = &files(dir.path())[0];
        let mut bytes = std::fs::read(path).unwrap();
        bytes[100] ^= 1;
        std::fs::write(path, bytes).unwrap();
        assert!(input.read(0, 1000).await.is_err());
        assert!(input.read(CHUNK as u64, 1000).await.is_ok());
    }

    #[tokio::test]
    async fn the_largest_body_and_one_byte_more() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = FileBlobs::open(dir.path()).unwrap();
        let mut intake = Intake::default();
        let piece = vec![1; 8 << 20];
        for _ in 0..MAX_BODY / piece.len() as u64 {
            intake.push(&blobs, &SystemRandom, &piece).await.unwrap().unwrap();
        }
        assert_eq!(intake.push(&blobs, &SystemRandom, &[1]).await.unwrap(), Err(TooLarge));
    }
}
