//! The patient's keys: a BIP-39 phrase, and from it one account and one X-Wing secret per case.
//!
//! Responsible for derivation only. Must never print, log or compare a secret, nor keep one longer
//! than its caller does: every secret here is wiped when dropped.

use bip32::{ChildNumber, XPrv};
use bip39::{Language, Mnemonic};
use casewise_ledger::account::AccountKey;
use casewise_seal::KemSecret;
use core::fmt;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;
use zeroize::Zeroizing;

use crate::ClientError;

/// Words of a phrase.
pub const PHRASE_WORDS: usize = 24;
/// Entropy of a phrase, bytes.
const ENTROPY: usize = 32;
/// Length of an X-Wing secret, bytes.
pub const KEM_SECRET: usize = 32;
/// Case numbers are hardened BIP-32 indices: below 2^31.
pub const MAX_CASE_NUMBER: u32 = casewise_chain::MAX_ACCOUNT;

/// A BIP-39 phrase of 24 English words with an empty passphrase, and its seed.
pub struct Phrase {
    mnemonic: Mnemonic,
    seed: Zeroizing<[u8; 64]>,
}

impl Phrase {
    /// A fresh phrase from the system's randomness.
    pub fn generate() -> Result<Self, ClientError> {
        let mut entropy = Zeroizing::new([0u8; ENTROPY]);
        crate::random::fill(entropy.as_mut())?;
        let mnemonic = Mnemonic::from_entropy_in(Language::English, entropy.as_ref())
            .map_err(|_| ClientError::PhraseWords { reason: "the generator gave unusable entropy".into() })?;
        Ok(Self::new(mnemonic))
    }

    /// Reads 24 words, separated by white space, in any case. The error names the place of the
    /// wrong word, never the word.
    pub fn parse(words: &str) -> Result<Self, ClientError> {
        let fail = |reason: String| ClientError::PhraseWords { reason };
        let mut plain = Zeroizing::new(String::with_capacity(words.len()));
        let mut count = 0;
        for word in words.split_whitespace() {
            if count > 0 {
                plain.push(' ');
            }
            plain.extend(word.chars().map(|letter| letter.to_ascii_lowercase()));
            count += 1;
        }
        if count != PHRASE_WORDS {
            return Err(fail(format!("it has {count} words")));
        }
        let mnemonic =
            Mnemonic::parse_in_normalized(Language::English, &plain).map_err(|error| match error {
                bip39::Error::UnknownWord(place) => {
                    fail(format!("word {} is not in the English list of BIP-39", place + 1))
                }
                _ => fail("its last word does not fit the others, so at least one word is wrong".into()),
            })?;
        Ok(Self::new(mnemonic))
    }

    fn new(mnemonic: Mnemonic) -> Self {
        let seed = Zeroizing::new(mnemonic.to_seed_normalized(""));
        Self { mnemonic, seed }
    }

    /// The words, to be shown once or sealed into the phrase file.
    pub fn expose_words(&self) -> Zeroizing<String> {
        let mut words = Zeroizing::new(String::with_capacity(PHRASE_WORDS * 9));
        for (place, word) in self.mnemonic.words().enumerate() {
            if place > 0 {
                words.push(' ');
            }
            words.push_str(word);
        }
        words
    }

    /// The account of case `n`: m/44'/118'/n'/0/0.
    pub fn account(&self, n: u32) -> Result<AccountKey, ClientError> {
        if n > MAX_CASE_NUMBER {
            return Err(ClientError::CaseNumber { n });
        }
        Ok(casewise_chain::key_from_seed(&self.seed, n)?)
    }

    /// The X-Wing decapsulation key of case `n`: BIP-85 HEX, m/83696968'/128169'/32'/n', used as
    /// it is.
    pub fn kem_secret(&self, n: u32) -> Result<KemSecret, ClientError> {
        let mut path = bip85_hex(KEM_SECRET as u32)?;
        path.push(hardened(n)?);
        let entropy = bip85_entropy(&*self.derive(&path)?);
        let mut secret = Zeroizing::new([0; KEM_SECRET]);
        secret.copy_from_slice(&entropy[..KEM_SECRET]);
        Ok(KemSecret::from_bytes(&secret))
    }

    /// A key bound to this phrase and to `purpose`, for what the client keeps on this machine.
    pub fn local_key(&self, purpose: &[u8]) -> Zeroizing<[u8; 64]> {
        let mut mac = Hmac::<Sha512>::new_from_slice(b"casewise/wallet/v1").expect("any length is a key");
        mac.update(&*self.seed);
        mac.update(purpose);
        Zeroizing::new(mac.finalize().into_bytes().into())
    }

    fn derive(&self, path: &[ChildNumber]) -> Result<Zeroizing<[u8; 32]>, ClientError> {
        let failed = |_| ClientError::PhraseWords { reason: "its seed gives no key at this path".into() };
        let mut key = XPrv::new(*self.seed).map_err(failed)?;
        for step in path {
            key = key.derive_child(*step).map_err(failed)?;
        }
        Ok(Zeroizing::new(key.private_key().to_bytes().into()))
    }
}

impl fmt::Debug for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phrase(24 words)")
    }
}

fn hardened(index: u32) -> Result<ChildNumber, ClientError> {
    ChildNumber::new(index, true).map_err(|_| ClientError::CaseNumber { n: index })
}

/// m/83696968'/128169'/length' of BIP-85's application HEX.
fn bip85_hex(length: u32) -> Result<Vec<ChildNumber>, ClientError> {
    Ok(vec![hardened(83_696_968)?, hardened(128_169)?, hardened(length)?])
}

/// BIP-85: HMAC-SHA512 of a derived private key under "bip-entropy-from-k".
fn bip85_entropy(key: &[u8; 32]) -> Zeroizing<[u8; 64]> {
    let mut mac = Hmac::<Sha512>::new_from_slice(b"bip-entropy-from-k").expect("any length is a key");
    mac.update(key);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    const ART: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
        abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art";

    /// The master key of the test vectors in BIP-85.
    const BIP85_MASTER: &str = "xprv9s21ZrQH143K2LBWUUQRFXhucrQqBpKdRRxNVq2zBqsx8HVqFk2uYo8kmbaLLHRdqtQpUm98uKfu3vca1\
        LqdGhUtyoFnCNkfmXRyPXLjbKb";

    fn bip85_of(length: u32, index: u32) -> Zeroizing<[u8; 64]> {
        let mut key = XPrv::from_str(BIP85_MASTER).unwrap();
        let mut path = bip85_hex(length).unwrap();
        path.push(hardened(index).unwrap());
        for step in path {
            key = key.derive_child(step).unwrap();
        }
        bip85_entropy(&key.private_key().to_bytes().into())
    }

    #[test]
    fn bip85_hex_known_answers() {
        assert_eq!(
            hex::encode(*bip85_of(64, 0)),
            "492db4698cf3b73a5a24998aa3e9d7fa96275d85724a91e71aa2d645442f8785\
             55d078fd1f1f67e368976f04137b1f7a0d19232136ca50c44614af72b5582a5c"
        );
        assert_eq!(
            hex::encode(&bip85_of(32, 0)[..32]),
            "ea3ceb0b02ee8e587779c63f4b7b3a21e950a213f1ec53cab608d13e8796e6dc"
        );
    }

    #[test]
    fn the_account_of_case_0_is_the_usual_cosmos_account() {
        let key = Phrase::parse(ART).unwrap().account(0).unwrap();
        assert_eq!(
            hex::encode(*key.expose_secret()),
            "8088c2ed2149c34f6d6533b774da4e1692eb5cb426fdbaef6898eeda489630b7"
        );
        assert_eq!(
            hex::encode(key.public().0),
            "02ba66a84cf7839af172a13e7fc9f5e7008cb8bca1585f8f3bafb3039eda3c1fdd"
        );
    }

    #[test]
    fn cases_share_no_key() {
        let phrase = Phrase::parse(ART).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for n in [0, 1, 2, MAX_CASE_NUMBER] {
            assert!(seen.insert(*phrase.account(n).unwrap().expose_secret()));
            assert!(seen.insert(*phrase.kem_secret(n).unwrap().expose_secret()));
        }
        assert!(matches!(
            phrase.account(MAX_CASE_NUMBER + 1),
            Err(ClientError::CaseNumber { n }) if n == MAX_CASE_NUMBER + 1
        ));
        assert!(matches!(phrase.kem_secret(MAX_CASE_NUMBER + 1), Err(ClientError::CaseNumber { .. })));
    }

    #[test]
    fn words_come_back_whatever_their_case_and_spacing() {
        let phrase = Phrase::generate().unwrap();
        let words = phrase.expose_words();
        assert_eq!(words.split(' ').count(), PHRASE_WORDS);
        let spread = words.to_uppercase().replace(' ', "\n  ");
        let again = Phrase::parse(&spread).unwrap();
        assert_eq!(*again.expose_words(), *words);
        assert_eq!(*again.seed, *phrase.seed);
    }

    #[test]
    fn wrong_phrases_are_refused_without_quoting_them() {
        let twelve = "abandon ".repeat(11) + "about";
        let unknown = ART.replacen("abandon", "xyzzyplugh", 1);
        let checksum = ART.replace("art", "abandon");
        for (words, part) in
            [(twelve.as_str(), "12 words"), (unknown.as_str(), "word 1 is"), (checksum.as_str(), "last word")]
        {
            let text = Phrase::parse(words).unwrap_err().to_string();
            assert!(text.contains(part), "{text}");
            assert!(!text.contains("xyzzyplugh") && !text.contains("abandon"), "{text}");
        }
        assert_eq!(format!("{:?}", Phrase::parse(ART).unwrap()), "Phrase(24 words)");
    }
}
