//! The account key of a recovery phrase.
//!
//! Responsible for BIP-39 and the path `m/44'/118'/n'/0/0`. Must never put a word, a seed or a key
//! into an error, a log or `Debug`.

use bip39::{Language, Mnemonic};
use casewise_ledger::account::AccountKey;
use cosmrs::bip32::{DerivationPath, XPrv};
use zeroize::Zeroizing;

use crate::ChainError;

/// Hardened indices end here.
pub const MAX_ACCOUNT: u32 = (1 << 31) - 1;

/// The key of account `n` of a phrase: BIP-39 English, empty passphrase, BIP-32
/// `m/44'/118'/n'/0/0`.
pub fn key_from_mnemonic(phrase: &str, account: u32) -> Result<AccountKey, ChainError> {
    key_from_seed(&*seed_from_mnemonic(phrase)?, account)
}

/// The key of account `n` of a BIP-39 seed: BIP-32 `m/44'/118'/n'/0/0`.
pub fn key_from_seed(seed: &[u8; 64], account: u32) -> Result<AccountKey, ChainError> {
    if account > MAX_ACCOUNT {
        return Err(ChainError::invalid("account", format!("index {account} is above {MAX_ACCOUNT}")));
    }
    let path: DerivationPath =
        format!("m/44'/118'/{account}'/0/0").parse().map_err(|_| ChainError::invalid("account", "index"))?;
    // Invalid derivations have a chance of 2^-127; the remedy is the next index.
    let derived = XPrv::derive_from_path(seed, &path).map_err(|_| {
        ChainError::invalid("account", format!("index {account} gives no key, take the next"))
    })?;
    let secret = Zeroizing::new(<[u8; 32]>::from(derived.private_key().to_bytes()));
    AccountKey::from_bytes(&secret)
        .map_err(|_| ChainError::invalid("account", "index gives no key, take the next"))
}

/// The 64-byte BIP-39 seed of a phrase, empty passphrase.
pub fn seed_from_mnemonic(phrase: &str) -> Result<Zeroizing<[u8; 64]>, ChainError> {
    let words = Zeroizing::new(phrase.split_whitespace().collect::<Vec<_>>().join(" "));
    let mnemonic = Mnemonic::parse_in_normalized(Language::English, &words).map_err(|error| {
        // Positions and counts only: the words are the secret.
        ChainError::invalid(
            "recovery phrase",
            match error {
                bip39::Error::BadWordCount(count) => format!("{count} words; it has 12, 15, 18, 21 or 24"),
                bip39::Error::UnknownWord(at) => {
                    format!("word {} is not in the English list; check its spelling", at + 1)
                }
                _ => "a word is wrong or in the wrong place; compare it with the paper".to_owned(),
            },
        )
    })?;
    let mnemonic = Zeroizing::new(mnemonic);
    Ok(Zeroizing::new(mnemonic.to_seed_normalized("")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{Prefix, account_to_bech32};

    // A published BIP-39 test phrase; never an operator's.
    const PHRASE: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
                          abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
                          abandon abandon abandon art";

    #[test]
    fn known_addresses() {
        // From `wasmd keys add --recover` with the same phrase and `--account`.
        for (account, expected) in [
            (0, "wasm1r5v5srda7xfth3hn2s26txvrcrntldju3hkw75"),
            (7, "wasm13q65jzc3qulx2tn0e3lfy9w45fwmvwapqrwn38"),
        ] {
            let key = key_from_mnemonic(PHRASE, account).unwrap();
            assert_eq!(account_to_bech32(&key.address(), &Prefix::default()), expected);
        }
    }

    #[test]
    fn spaces_do_not_matter_and_errors_show_no_word() {
        let spaced = format!("  {}\n", PHRASE.replace(' ', "  \t"));
        assert_eq!(
            key_from_mnemonic(&spaced, 0).unwrap().address(),
            key_from_mnemonic(PHRASE, 0).unwrap().address()
        );
        for bad in ["", "abandon", &PHRASE.replace("art", "zoo"), &PHRASE.replace("art", "secretx")] {
            let error = key_from_mnemonic(bad, 0).unwrap_err().to_string();
            assert!(error.starts_with("recovery phrase: "), "{error}");
            for word in ["abandon", "zoo", "secretx"] {
                assert!(!error.contains(word), "{error}");
            }
        }
    }

    #[test]
    fn the_last_account_and_one_past_it() {
        assert!(key_from_mnemonic(PHRASE, MAX_ACCOUNT).is_ok());
        assert!(key_from_mnemonic(PHRASE, MAX_ACCOUNT + 1).is_err());
    }
}
