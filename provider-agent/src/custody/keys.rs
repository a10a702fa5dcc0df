//! The keys of a custodial holder, in memory and at rest.
//!
//! AES-256-GCM-SIV under a key derived from the key file, random nonce, the case as associated data:
//! keys open as their own case's or not at all.

use std::fmt;

use aes_gcm_siv::{
    Aes256GcmSiv, Nonce,
    aead::{Aead, KeyInit, Payload},
};
use casewise_ledger::{CaseId, account::AccountKey};
use casewise_seal::KemSecret;
use zeroize::Zeroizing;

use crate::{
    AgentError,
    keys::{Keys, Use},
    ports::Random,
};

const DOMAIN: &[u8] = b"casewise/agent/custody/v1";
/// Bytes of the nonce in front of the ciphertext.
const NONCE: usize = 12;
/// Bytes of each of the two secrets.
const SECRET: usize = 32;

/// The keys of the holder of one case.
pub struct CustodyKeys {
    /// Signs the case's card, its transactions and its offer to the patient.
    pub holder: AccountKey,
    /// Opens the letters with the roots of the case's lanes.
    pub kem: KemSecret,
}

/// Shows the account only.
impl fmt::Debug for CustodyKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustodyKeys({})", self.holder.address())
    }
}

impl CustodyKeys {
    /// Fresh keys.
    pub fn draw(random: &dyn Random) -> Result<Self, AgentError> {
        let draw = || {
            let mut bytes = Zeroizing::new([0; SECRET]);
            random.fill(&mut *bytes).map(|()| bytes)
        };
        let holder = loop {
            // all but a 2^-128 part of all values are keys
            if let Ok(key) = AccountKey::from_bytes(&*draw()?) {
                break key;
            }
        };
        Ok(Self { holder, kem: KemSecret::from_bytes(&*draw()?) })
    }
}

fn cipher(keys: &Keys) -> Aes256GcmSiv {
    let key = Zeroizing::new(keys.hash(Use::CustodyKey, b""));
    Aes256GcmSiv::new((&*key).into())
}

fn aad(case: &CaseId) -> Vec<u8> {
    [DOMAIN, &case.0].concat()
}

/// Seals a case's keys for the store: nonce ‖ ciphertext ‖ tag.
pub fn seal(
    keys: &Keys,
    case: &CaseId,
    custody: &CustodyKeys,
    random: &dyn Random,
) -> Result<Vec<u8>, AgentError> {
    let mut sealed = vec![0; NONCE];
    random.fill(&mut sealed)?;
    let nonce = Nonce::try_from(sealed.as_slice()).map_err(AgentError::broken)?;
    let mut plain = Zeroizing::new([0; 2 * SECRET]);
    plain[..SECRET].copy_from_slice(&*custody.holder.expose_secret());
    plain[SECRET..].copy_from_slice(custody.kem.expose_secret());
    let payload = Payload { msg: &*plain, aad: &aad(case) };
    let ciphertext = cipher(keys)
        .encrypt(&nonce, payload)
        .map_err(|_| AgentError::broken("a custodial holder's keys could not be sealed"))?;
    sealed.extend_from_slice(&ciphertext);
    Ok(sealed)
}

/// Opens what the store holds of a case.
pub fn open(keys: &Keys, case: &CaseId, sealed: &[u8]) -> Result<CustodyKeys, AgentError> {
    let damaged =
        || AgentError::broken(format!("the holder's keys of case {case} do not open with this key file"));
    let (nonce, ciphertext) = sealed.split_at_checked(NONCE).ok_or_else(damaged)?;
    let nonce = Nonce::try_from(nonce).map_err(|_| damaged())?;
    let payload = Payload { msg: ciphertext, aad: &aad(case) };
    let plain = Zeroizing::new(cipher(keys).decrypt(&nonce, payload).map_err(|_| damaged())?);
    let (holder, kem) = plain.split_first_chunk::<SECRET>().ok_or_else(damaged)?;
    let kem: &[u8; SECRET] = kem.try_into().map_err(|_| damaged())?;
    let holder = AccountKey::from_bytes(holder).map_err(|_| damaged())?;
    Ok(CustodyKeys { holder, kem: KemSecret::from_bytes(kem) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::SystemRandom;

    fn key_file(seed: u8) -> Keys {
        Keys::new(AccountKey::from_bytes(&[1; 32]).unwrap(), Vec::new(), Zeroizing::new([seed; 32]))
    }

    fn holds(sealed: &[u8], secret: &[u8]) -> bool {
        sealed.windows(secret.len()).any(|window| window == secret)
    }

    #[test]
    fn sealed_and_opened() {
        let (file, case) = (key_file(1), CaseId([9; 32]));
        let keys = CustodyKeys::draw(&SystemRandom).unwrap();
        let sealed = seal(&file, &case, &keys, &SystemRandom).unwrap();
        assert!(!holds(&sealed, &*keys.holder.expose_secret()));
        assert!(!holds(&sealed, keys.kem.expose_secret()));
        assert_ne!(sealed, seal(&file, &case, &keys, &SystemRandom).unwrap(), "a fresh nonce each time");
        let back = open(&file, &case, &sealed).unwrap();
        assert_eq!(back.holder.address(), keys.holder.address());
        assert!(back.kem == keys.kem);
        let shown = format!("{keys:?}");
        assert!(!shown.contains(&hex::encode(*keys.holder.expose_secret())));
    }

    #[test]
    fn every_change_another_case_and_another_key_file_are_refused() {
        let (file, case) = (key_file(1), CaseId([9; 32]));
        let keys = CustodyKeys::draw(&SystemRandom).unwrap();
        let sealed = seal(&file, &case, &keys, &SystemRandom).unwrap();
        assert!(open(&file, &CaseId([8; 32]), &sealed).is_err());
        assert!(open(&key_file(2), &case, &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(&file, &case, &changed).is_err(), "byte {at}");
            assert!(open(&file, &case, &sealed[..at]).is_err(), "length {at}");
        }
    }
}
