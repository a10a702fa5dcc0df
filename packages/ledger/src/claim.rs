//! What a patient shows the institution that holds a case for it, to become its holder.

use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Address, RotateOffer, V1, encode};

/// What the patient's client makes and the custodian takes: the new holder and key, and until when
/// the case may be offered to it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ClaimRequest {
    /// Format version.
    pub version: V1,
    /// The new holder and key, signed by the new holder.
    pub offer: RotateOffer,
    /// Account that is to be able to recover the case afterwards.
    pub recovery: Option<Address>,
    /// Last moment of the claim, Unix ms, exclusive.
    pub expires: u64,
    /// By the new holder, over `H(claim message)`.
    pub signature: [u8; 64],
}

impl ClaimRequest {
    /// What the new holder signs beside the card: without it nobody can give a request a later end
    /// or another recovery account.
    pub fn message(&self) -> Vec<u8> {
        let mut message = b"casewise/claim/v1".to_vec();
        message.extend_from_slice(&encode(&self.offer.card));
        message.extend_from_slice(&encode(&self.recovery));
        message.extend_from_slice(&self.expires.to_be_bytes());
        message
    }
}

#[cfg(feature = "account")]
mod check {
    use super::ClaimRequest;
    use crate::{LedgerError, account::PublicKey, case::kem_hash};

    impl ClaimRequest {
        /// Refuses a request whose encryption key is not the one of its card, and one that the new
        /// holder did not sign, card and whole. Case, epoch and time are for the reader to see.
        /// Errors: [`LedgerError::Key`], [`LedgerError::Signature`].
        pub fn check(&self) -> Result<(), LedgerError> {
            let key = PublicKey(self.offer.key);
            if kem_hash(&self.offer.kem_key) != self.offer.card.kem || key.address() != self.offer.card.holder
            {
                return Err(LedgerError::Key);
            }
            key.verify_message(&self.offer.card.message(), &self.offer.signature)?;
            key.verify_message(&self.message(), &self.signature)
        }
    }
}

#[cfg(all(test, feature = "account"))]
mod tests {
    use super::*;
    use crate::{
        CaseId, LedgerError, RotateCard,
        account::AccountKey,
        case::{KEM_KEY_LEN, kem_hash},
        decode, sha256,
    };

    fn request(key: &AccountKey) -> ClaimRequest {
        let kem_key = [5; KEM_KEY_LEN];
        let card = RotateCard {
            version: V1,
            case: CaseId([1; 32]),
            epoch: 1,
            holder: key.address(),
            kem: kem_hash(&kem_key),
        };
        let signature = key.sign_message(&card.message());
        let offer = RotateOffer { version: V1, card, kem_key, key: key.public().0, signature };
        let recovery = Some(Address([7; 20]));
        let mut request = ClaimRequest { version: V1, offer, recovery, expires: 9, signature: [0; 64] };
        request.signature = key.sign_message(&request.message());
        request
    }

    fn key(seed: u8) -> AccountKey {
        AccountKey::from_bytes(&sha256(&[&[seed]])).unwrap()
    }

    #[test]
    fn every_changed_byte_is_refused() {
        let whole = encode(&request(&key(1)));
        decode::<ClaimRequest>(&whole).unwrap().check().unwrap();
        // the encryption key is long and covered by one hash: its ends stand for it
        let kem = 1 + (1 + 1 + 32 + 4 + 20 + 32)..1 + (1 + 1 + 32 + 4 + 20 + 32) + KEM_KEY_LEN;
        for at in (0..whole.len()).filter(|at| !(kem.start + 2..kem.end - 2).contains(at)) {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            let refused = decode::<ClaimRequest>(&changed).is_ok_and(|request| request.check().is_ok());
            assert!(!refused, "byte {at}");
        }
    }

    #[test]
    fn nobody_signs_for_another_holder_or_key() {
        let mut other = request(&key(1));
        other.offer.key = key(2).public().0;
        assert_eq!(other.check(), Err(LedgerError::Key));
        let mut other = request(&key(1));
        other.offer.kem_key = [6; KEM_KEY_LEN];
        assert_eq!(other.check(), Err(LedgerError::Key));
        let mut other = request(&key(1));
        other.expires += 1;
        assert_eq!(other.check(), Err(LedgerError::Signature));
        other.signature = key(2).sign_message(&other.message());
        assert_eq!(other.check(), Err(LedgerError::Signature));
        let mut other = request(&key(1));
        other.recovery = None;
        assert_eq!(other.check(), Err(LedgerError::Signature));
    }
}
