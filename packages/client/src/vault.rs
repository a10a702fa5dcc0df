//! The phrase on disk: one small JSON file, sealed under a passphrase with Argon2id and
//! AES-256-GCM-SIV.
//!
//! Must never overwrite a phrase, write one in the clear, or say whether the passphrase or the file
//! is wrong.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use aes_gcm_siv::aead::{Aead, KeyInit as _, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{ClientError, Phrase, random};

/// Name of the file in the wallet's directory.
pub const PHRASE_FILE: &str = "phrase.json";
/// Shortest passphrase, bytes.
pub const MIN_PASSPHRASE: usize = 8;
/// Most memory a phrase file may ask for, KiB.
pub const MAX_MEMORY: u32 = 1 << 20;
/// Most passes a phrase file may ask for.
pub const MAX_PASSES: u32 = 32;

const AAD: &[u8] = b"casewise/phrase/v1";

/// What deriving the file's key costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Memory, KiB.
    pub memory: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Default for Cost {
    /// 64 MiB and three passes: the second recommendation of RFC 9106, on one lane.
    fn default() -> Self {
        Self { memory: 64 * 1024, passes: 3 }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PhraseFile {
    v: u8,
    kdf: String,
    cost: Cost,
    salt: String,
    nonce: String,
    sealed: String,
}

/// Seals `phrase` into the directory `home`, which is made when absent.
/// Errors: [`ClientError::WalletExists`], [`ClientError::Input`] for a short passphrase,
/// [`ClientError::File`].
pub fn create(home: &Path, phrase: &Phrase, passphrase: &str, cost: Cost) -> Result<(), ClientError> {
    check_passphrase(passphrase)?;
    let (salt, nonce) = (random::bytes::<16>()?, random::bytes::<12>()?);
    let key = derive(passphrase, &salt, cost).ok_or_else(|| unusable(home, "its cost cannot be used"))?;
    let words = phrase.expose_words();
    let sealed = Aes256GcmSiv::new((&*key).into())
        .encrypt(&Nonce::from(nonce), Payload { msg: words.as_bytes(), aad: AAD })
        .map_err(|_| unusable(home, "the phrase cannot be sealed"))?;
    let file = PhraseFile {
        v: 1,
        kdf: "argon2id".into(),
        cost,
        salt: STANDARD.encode(salt),
        nonce: STANDARD.encode(nonce),
        sealed: STANDARD.encode(sealed),
    };
    let text = serde_json::to_vec_pretty(&file).expect("strings and numbers are JSON");
    write_new(home, &text)
}

/// Refuses a passphrase shorter than [`MIN_PASSPHRASE`].
pub fn check_passphrase(passphrase: &str) -> Result<(), ClientError> {
    if passphrase.len() < MIN_PASSPHRASE {
        return Err(ClientError::input(
            "passphrase",
            format!("it has {} bytes; at least {MIN_PASSPHRASE} are needed", passphrase.len()),
        ));
    }
    Ok(())
}

/// Opens the phrase in `home`.
/// Errors: [`ClientError::WalletAbsent`], [`ClientError::Passphrase`], [`ClientError::File`].
pub fn open(home: &Path, passphrase: &str) -> Result<Phrase, ClientError> {
    let text = match fs::read(home.join(PHRASE_FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(ClientError::WalletAbsent { path: home.into() });
        }
        Err(error) => return Err(unusable(home, &error.to_string())),
    };
    let file: PhraseFile = serde_json::from_slice(&text)
        .map_err(|error| unusable(home, &format!("not a phrase file (line {})", error.line())))?;
    if file.v != 1 || file.kdf != "argon2id" {
        return Err(unusable(home, "made by another version of this program"));
    }
    if file.cost.memory > MAX_MEMORY || file.cost.passes > MAX_PASSES {
        return Err(unusable(home, "it asks for more memory or passes than this program allows"));
    }
    let part = |name: &str, text: &str| {
        STANDARD.decode(text).map_err(|_| unusable(home, &format!("its field {name} is not base64")))
    };
    let (salt, nonce, sealed) =
        (part("salt", &file.salt)?, part("nonce", &file.nonce)?, part("sealed", &file.sealed)?);
    let nonce: [u8; 12] =
        nonce.try_into().map_err(|_| unusable(home, "its field nonce has another length"))?;
    let key =
        derive(passphrase, &salt, file.cost).ok_or_else(|| unusable(home, "its cost cannot be used"))?;
    let words = Aes256GcmSiv::new((&*key).into())
        .decrypt(&Nonce::from(nonce), Payload { msg: &sealed, aad: AAD })
        .map(Zeroizing::new)
        .map_err(|_| ClientError::Passphrase { path: home.into() })?;
    let words = core::str::from_utf8(&words).map_err(|_| unusable(home, "what it holds is not a phrase"))?;
    Phrase::parse(words)
}

fn derive(passphrase: &str, salt: &[u8], cost: Cost) -> Option<Zeroizing<[u8; 32]>> {
    let params = Params::new(cost.memory, cost.passes, 1, Some(32)).ok()?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, key.as_mut())
        .ok()?;
    Some(key)
}

fn unusable(home: &Path, reason: &str) -> ClientError {
    ClientError::File { path: home.join(PHRASE_FILE), reason: reason.into() }
}

/// Makes the directory and the file, readable by their owner only; durable when it returns. The
/// file appears whole or not at all.
fn write_new(home: &Path, text: &[u8]) -> Result<(), ClientError> {
    let path = home.join(PHRASE_FILE);
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => ClientError::WalletExists { path: home.into() },
        _ => ClientError::File { path: path.clone(), reason: error.to_string() },
    };
    make_directory(home).map_err(failed)?;
    let draft = home.join(format!("{PHRASE_FILE}.{}", std::process::id()));
    let written = write_private(&draft, text).and_then(|()| fs::hard_link(&draft, &path));
    let removed = fs::remove_file(&draft);
    written.map_err(failed)?;
    removed.map_err(failed)?;
    File::open(home).and_then(|directory| directory.sync_all()).map_err(failed)
}

fn make_directory(home: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(home)
}

fn write_private(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost { memory: 64, passes: 1 };
    const PASS: &str = "correct horse";

    fn vault() -> (tempfile::TempDir, Phrase) {
        let dir = tempfile::tempdir().unwrap();
        let phrase = Phrase::generate().unwrap();
        create(dir.path(), &phrase, PASS, CHEAP).unwrap();
        (dir, phrase)
    }

    #[test]
    fn the_phrase_comes_back_and_is_not_in_the_file() {
        let (dir, phrase) = vault();
        assert_eq!(*open(dir.path(), PASS).unwrap().expose_words(), *phrase.expose_words());
        let text = fs::read_to_string(dir.path().join(PHRASE_FILE)).unwrap();
        for word in phrase.expose_words().split(' ').filter(|word| word.len() > 5) {
            assert!(!text.contains(word));
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left behind");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(dir.path().join(PHRASE_FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_wrong_passphrase_and_a_changed_file_are_refused() {
        let (dir, _) = vault();
        assert!(matches!(open(dir.path(), "correct hors"), Err(ClientError::Passphrase { .. })));
        let path = dir.path().join(PHRASE_FILE);
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            assert!(open(dir.path(), PASS).is_err(), "cut at {cut}");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, &changed).unwrap();
            assert!(open(dir.path(), PASS).is_err(), "byte {at} changed");
        }
    }

    #[test]
    fn a_phrase_is_never_overwritten() {
        let (dir, phrase) = vault();
        let other = Phrase::generate().unwrap();
        assert!(matches!(create(dir.path(), &other, PASS, CHEAP), Err(ClientError::WalletExists { .. })));
        assert_eq!(*open(dir.path(), PASS).unwrap().expose_words(), *phrase.expose_words());
    }

    #[test]
    fn limits() {
        let dir = tempfile::tempdir().unwrap();
        let phrase = Phrase::generate().unwrap();
        assert!(matches!(create(dir.path(), &phrase, "1234567", CHEAP), Err(ClientError::Input { .. })));
        assert!(matches!(open(dir.path(), PASS), Err(ClientError::WalletAbsent { .. })));
        create(dir.path(), &phrase, "12345678", CHEAP).unwrap();

        let path = dir.path().join(PHRASE_FILE);
        let mut file: PhraseFile = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for (memory, passes) in [(MAX_MEMORY + 1, 1), (64, MAX_PASSES + 1)] {
            file.cost = Cost { memory, passes };
            fs::write(&path, serde_json::to_vec(&file).unwrap()).unwrap();
            let error = open(dir.path(), "12345678").unwrap_err();
            assert!(error.to_string().contains("more memory or passes"), "{error}");
        }
    }

    /// RFC 9106 recommends it; a change here must be a decision.
    #[test]
    fn the_usual_cost_is_pinned() {
        assert_eq!(Cost::default(), Cost { memory: 65_536, passes: 3 });
    }
}
