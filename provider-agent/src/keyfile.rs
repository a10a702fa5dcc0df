//! The key file: the agent's long-term secrets, encrypted under a passphrase.
//!
//! JSON: parameters and salt of Argon2id, a nonce, and AES-256-GCM-SIV over the Borsh of the secrets
//! with the parameters as associated data. Must never be written readable for others, replaced, or
//! opened with parameters that a changed file could make useless.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use aes_gcm_siv::{
    Aes256GcmSiv, Nonce,
    aead::{Aead, KeyInit, Payload},
};
use argon2::{Algorithm, Argon2, Params, Version};
use borsh::{BorshDeserialize, BorshSerialize};
use casewise_ledger::account::AccountKey;
use casewise_seal::KemSecret;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    keys::{EpochKem, Keys},
    ports::Random,
};

/// Memory of Argon2id for new files, KiB.
pub const MEMORY_KIB: u32 = 64 << 10;
/// Passes of Argon2id for new files.
pub const PASSES: u32 = 3;
/// Most memory a file may ask for, KiB.
pub const MAX_MEMORY_KIB: u32 = 1 << 20;
/// Most passes a file may ask for.
pub const MAX_PASSES: u32 = 16;
/// Shortest passphrase, bytes.
pub const MIN_PASSPHRASE: usize = 12;
/// Largest key or passphrase file read, bytes.
pub const MAX_FILE: u64 = 64 << 10;

/// Why a key file cannot be made or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file system failed.
    #[error("{path}: {error}")]
    Io {
        /// Which file.
        path: String,
        /// What happened.
        error: std::io::Error,
    },
    /// Others can read it.
    #[error("{path}: others can read it (mode {mode:o}); run chmod 600")]
    Readable {
        /// Which file.
        path: String,
        /// Its mode.
        mode: u32,
    },
    /// Too short or empty.
    #[error("passphrase: shorter than {MIN_PASSPHRASE} bytes; choose a longer one")]
    Passphrase,
    /// Not a key file of this version.
    #[error("{path}: not a key file of this version: {reason}")]
    Malformed {
        /// Which file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The passphrase is wrong, or the file was changed.
    #[error("{path}: does not open; the passphrase is wrong or the file was changed")]
    Wrong {
        /// Which file.
        path: String,
    },
    /// No random bytes.
    #[error("the system gives no random bytes; no key was made")]
    Random,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u8,
    kdf: String,
    memory_kib: u32,
    passes: u32,
    #[serde(with = "hex::serde")]
    salt: [u8; 16],
    #[serde(with = "hex::serde")]
    nonce: [u8; 12],
    #[serde(with = "hex::serde")]
    secrets: Vec<u8>,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct Secrets {
    operator: [u8; 32],
    kem: Vec<(u32, [u8; 32])>,
    identifier: [u8; 32],
}

impl Drop for Secrets {
    fn drop(&mut self) {
        self.operator.zeroize();
        self.kem.iter_mut().for_each(|(_, secret)| secret.zeroize());
        self.identifier.zeroize();
    }
}

const KDF: &str = "argon2id";
const DOMAIN: &[u8] = b"casewise/agent/keyfile/v1";

impl File {
    fn aad(&self) -> Vec<u8> {
        let numbers = [self.memory_kib.to_be_bytes(), self.passes.to_be_bytes()].concat();
        [DOMAIN, &[self.version], &numbers, &self.salt].concat()
    }

    fn cipher(&self, passphrase: &[u8]) -> Option<Aes256GcmSiv> {
        let params = Params::new(self.memory_kib, self.passes, 1, Some(32)).ok()?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase, &self.salt, &mut *key)
            .ok()?;
        Some(Aes256GcmSiv::new((&*key).into()))
    }
}

/// Fresh secrets: operator key, first KEM secret, identifier key.
pub fn generate(random: &dyn Random) -> Result<Keys, KeyFileError> {
    let draw = || {
        let mut bytes = Zeroizing::new([0; 32]);
        random.fill(&mut *bytes).map(|()| bytes).map_err(|_| KeyFileError::Random)
    };
    let operator = loop {
        // all but a 2^-128 part of all values are keys
        if let Ok(key) = AccountKey::from_bytes(&*draw()?) {
            break key;
        }
    };
    let kem = vec![EpochKem { epoch: 0, secret: KemSecret::from_bytes(&*draw()?) }];
    Ok(Keys::new(operator, kem, draw()?))
}

/// Reads a passphrase from a file: its bytes without line ends at the end.
pub fn read_passphrase(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let mut bytes = read(path)?;
    while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        bytes.pop();
    }
    if bytes.len() < MIN_PASSPHRASE { Err(KeyFileError::Passphrase) } else { Ok(bytes) }
}

/// Writes a new key file, mode 600. Refuses to replace one.
pub fn write(path: &Path, keys: &Keys, passphrase: &[u8], random: &dyn Random) -> Result<(), KeyFileError> {
    let io = |error: std::io::Error| KeyFileError::Io { path: path.display().to_string(), error };
    let (mut salt, mut nonce) = ([0; 16], [0; 12]);
    random.fill(&mut salt).and_then(|()| random.fill(&mut nonce)).map_err(|_| KeyFileError::Random)?;
    let (memory_kib, passes) = (MEMORY_KIB, PASSES);
    let mut file = File { version: 1, kdf: KDF.into(), memory_kib, passes, salt, nonce, secrets: Vec::new() };
    let secrets = Secrets {
        operator: *keys.operator.expose_secret(),
        kem: keys.kem.iter().map(|kem| (kem.epoch, *kem.secret.expose_secret())).collect(),
        identifier: *keys.expose_identifier(),
    };
    // room for all, so that no copy stays behind in memory
    let mut plain = Zeroizing::new(Vec::with_capacity(128 + 36 * keys.kem.len()));
    secrets.serialize(&mut *plain).expect("borsh encoding into memory");
    let cipher = file.cipher(passphrase).ok_or(KeyFileError::Random)?;
    let payload = Payload { msg: &plain, aad: &file.aad() };
    file.secrets = cipher.encrypt(&Nonce::from(nonce), payload).map_err(|_| KeyFileError::Random)?;
    let mut text = serde_json::to_vec_pretty(&file).map_err(|error| io(error.into()))?;
    text.push(b'\n');
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
    out.write_all(&text).and_then(|()| out.sync_all()).map_err(io)
}

/// Opens a key file.
pub fn open(path: &Path, passphrase: &[u8]) -> Result<Keys, KeyFileError> {
    let name = || path.display().to_string();
    let malformed = |reason: &str| KeyFileError::Malformed { path: name(), reason: reason.into() };
    let text = read(path)?;
    let file: File = serde_json::from_slice(&text).map_err(|error| malformed(&error.to_string()))?;
    if file.version != 1 || file.kdf != KDF {
        return Err(malformed("version or kdf is unknown"));
    }
    if file.memory_kib > MAX_MEMORY_KIB || file.passes > MAX_PASSES {
        return Err(malformed("memory_kib or passes is above the limit"));
    }
    let cipher = file.cipher(passphrase).ok_or_else(|| malformed("memory_kib or passes is too low"))?;
    let payload = Payload { msg: &file.secrets, aad: &file.aad() };
    let plain = cipher
        .decrypt(&Nonce::from(file.nonce), payload)
        .map(Zeroizing::new)
        .map_err(|_| KeyFileError::Wrong { path: name() })?;
    let secrets = Secrets::try_from_slice(&plain).map_err(|_| malformed("its secrets do not decode"))?;
    let operator = AccountKey::from_bytes(&secrets.operator).map_err(|_| malformed("no operator key"))?;
    let kem = secrets
        .kem
        .iter()
        .map(|(epoch, secret)| EpochKem { epoch: *epoch, secret: KemSecret::from_bytes(secret) })
        .collect::<Vec<_>>();
    let ascending = kem.windows(2).all(|pair| pair[0].epoch < pair[1].epoch);
    if kem.is_empty() || !ascending {
        return Err(malformed("KEM secrets are missing or out of order"));
    }
    Ok(Keys::new(operator, kem, Zeroizing::new(secrets.identifier)))
}

/// A small file that only its owner can read.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let io = |error| KeyFileError::Io { path: path.display().to_string(), error };
    let metadata = fs::metadata(path).map_err(io)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Readable { path: path.display().to_string(), mode });
    }
    if metadata.len() > MAX_FILE {
        return Err(KeyFileError::Malformed { path: path.display().to_string(), reason: "too large".into() });
    }
    fs::read(path).map(Zeroizing::new).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::SystemRandom;

    const PASSPHRASE: &[u8] = b"correct horse battery";

    #[test]
    fn written_and_opened_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.json");
        let keys = generate(&SystemRandom).unwrap();
        write(&path, &keys, PASSPHRASE, &SystemRandom).unwrap();
        let back = open(&path, PASSPHRASE).unwrap();
        assert_eq!(back.operator.address(), keys.operator.address());
        assert!(back.kem[0].secret == keys.kem[0].secret);
        assert_eq!(back.expose_identifier(), keys.expose_identifier());
        assert!(matches!(write(&path, &keys, PASSPHRASE, &SystemRandom), Err(KeyFileError::Io { .. })));
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&hex::encode(*keys.operator.expose_secret())));
        assert!(!format!("{keys:?}").contains(&hex::encode(*keys.operator.expose_secret())));
    }

    #[test]
    fn refused_with_another_passphrase_or_any_changed_field() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.json");
        write(&path, &generate(&SystemRandom).unwrap(), PASSPHRASE, &SystemRandom).unwrap();
        assert!(matches!(open(&path, b"correct horse batterx"), Err(KeyFileError::Wrong { .. })));
        let good: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let flip = |text: &str| {
            let first = if text.starts_with('0') { "1" } else { "0" };
            serde_json::Value::from(format!("{first}{}", &text[1..]))
        };
        for (field, value) in [
            ("salt", flip(good["salt"].as_str().unwrap())),
            ("nonce", flip(good["nonce"].as_str().unwrap())),
            ("secrets", flip(good["secrets"].as_str().unwrap())),
            ("passes", 2.into()),
            ("version", 2.into()),
            ("kdf", "scrypt".into()),
            ("passes", (MAX_PASSES + 1).into()),
            ("memory_kib", (MAX_MEMORY_KIB + 1).into()),
            ("extra", 1.into()),
        ] {
            let mut bad = good.clone();
            bad[field] = value;
            fs::write(&path, serde_json::to_vec(&bad).unwrap()).unwrap();
            assert!(open(&path, PASSPHRASE).is_err(), "{field}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(open(&path, PASSPHRASE), Err(KeyFileError::Readable { .. })));
    }

    #[test]
    fn a_passphrase_has_a_least_length() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passphrase");
        let put = |text: &str| {
            let _ = fs::remove_file(&path);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            read_passphrase(&path)
        };
        assert_eq!(put(&format!("{}\n", "x".repeat(MIN_PASSPHRASE))).unwrap().len(), MIN_PASSPHRASE);
        assert!(matches!(
            put(&format!("{}\n", "x".repeat(MIN_PASSPHRASE - 1))),
            Err(KeyFileError::Passphrase)
        ));
    }
}
