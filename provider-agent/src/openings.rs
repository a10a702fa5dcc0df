//! Openings of grants at rest: sealed under a key derived from the key file.
//!
//! Responsible for: what a grant says (who reads what of whom, and why) is never in the database in
//! clear. AES-256-GCM-SIV, random nonce, the commitment as associated data. Must never hand out an
//! opening that is not the one its commitment names.

use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use casewise_ledger::{Opening, decode, encode};
use zeroize::Zeroizing;

use crate::AgentError;
use crate::keys::{Keys, Use};
use crate::ports::Random;
use crate::store::OpeningRow;

/// Bytes of the nonce in front of the ciphertext.
const NONCE: usize = 12;

/// Seals and opens openings.
pub struct Openings(Aes256GcmSiv);

impl Openings {
    /// With the key of this agent's key file.
    pub fn new(keys: &Keys) -> Self {
        let key = Zeroizing::new(keys.hash(Use::OpeningKey, b""));
        Self(Aes256GcmSiv::new((&*key).into()))
    }

    /// Seals an opening for the store.
    pub fn seal(&self, opening: &Opening, random: &dyn Random) -> Result<OpeningRow, AgentError> {
        let commitment = opening.commitment();
        let mut sealed = vec![0; NONCE];
        random.fill(&mut sealed)?;
        let nonce = Nonce::try_from(sealed.as_slice()).map_err(AgentError::broken)?;
        let plain = Zeroizing::new(encode(opening));
        let payload = Payload { msg: &plain, aad: &commitment.0 };
        let ciphertext = self
            .0
            .encrypt(&nonce, payload)
            .map_err(|_| AgentError::broken("an opening could not be sealed"))?;
        sealed.extend_from_slice(&ciphertext);
        Ok(OpeningRow { commitment, case: opening.case, sealed })
    }

    /// Opens what the store holds.
    pub fn open(&self, row: &OpeningRow) -> Result<Opening, AgentError> {
        let damaged = || AgentError::broken("a stored opening does not open with this agent's key file");
        let (nonce, ciphertext) = row.sealed.split_at_checked(NONCE).ok_or_else(damaged)?;
        let nonce = Nonce::try_from(nonce).map_err(|_| damaged())?;
        let payload = Payload { msg: ciphertext, aad: &row.commitment.0 };
        let plain = Zeroizing::new(self.0.decrypt(&nonce, payload).map_err(|_| damaged())?);
        let opening: Opening = decode(&plain).map_err(|_| damaged())?;
        if opening.commitment() == row.commitment { Ok(opening) } else { Err(damaged()) }
    }
}

impl std::fmt::Debug for Openings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Openings(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::RandomError;
    use casewise_ledger::account::AccountKey;
    use casewise_ledger::{CaseId, Commitment, LaneId, OpeningItem, Party, V1};

    struct Counting;

    impl Random for Counting {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
            bytes.fill(7);
            Ok(())
        }
    }

    fn openings(identifier: u8) -> Openings {
        let operator = AccountKey::from_bytes(&[1; 32]).unwrap();
        Openings::new(&Keys::new(operator, Vec::new(), Zeroizing::new([identifier; 32])))
    }

    fn opening() -> Opening {
        Opening {
            version: V1,
            case: CaseId([1; 32]),
            grantee: Party::Institution(2),
            practitioner: None,
            author: Party::Institution(1),
            purpose: "TREAT".into(),
            labels: vec!["the labels are words for people".into()],
            items: vec![OpeningItem { lane: LaneId([3; 32]), first: 0, last: 4, follow: true }],
            not_before: 1,
            not_after: 2,
            erase_by: 0,
            salt: [5; 32],
        }
    }

    #[test]
    fn sealed_and_opened() {
        let row = openings(1).seal(&opening(), &Counting).unwrap();
        assert_eq!((row.commitment, row.case), (opening().commitment(), CaseId([1; 32])));
        assert!(!row.sealed.windows(6).any(|window| window == b"labels"));
        assert_eq!(openings(1).open(&row).unwrap(), opening());
    }

    #[test]
    fn every_change_of_the_row_and_another_key_file_are_refused() {
        let row = openings(1).seal(&opening(), &Counting).unwrap();
        assert!(openings(2).open(&row).is_err());
        for at in 0..row.sealed.len() {
            let mut changed = row.clone();
            changed.sealed[at] ^= 1;
            assert!(openings(1).open(&changed).is_err(), "byte {at}");
            assert!(
                openings(1).open(&OpeningRow { sealed: row.sealed[..at].into(), ..row.clone() }).is_err()
            );
        }
        assert!(openings(1).open(&OpeningRow { commitment: Commitment([9; 32]), ..row }).is_err());
    }
}
