//! The letter itself: HPKE base mode, X-Wing, HKDF-SHA256, AES-256-GCM, one seal per encapsulation.

use alloc::vec::Vec;
use core::convert::Infallible;

use borsh::{BorshDeserialize, BorshSerialize, io};
use casewise_ledger::{CaseId, Hash, LedgerError, V1};
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable,
    aead::AesGcm256,
    kdf::HkdfSha256,
    kem::XWing,
    rand_core::{TryCryptoRng, TryRng},
};
use zeroize::Zeroizing;

use super::{KemPublic, KemSecret, Payload};
use crate::{
    LetterReason, SealError, TAG,
    pad::{pad, unpad},
};

/// Bytes of an X-Wing encapsulation.
pub const ENC_LEN: usize = 1120;
/// Smallest padded size of a payload, bytes.
pub const LETTER_MINIMUM: u32 = 1024;
/// Most bytes of a letter's ciphertext: a padded payload of 4 MiB and its tag.
pub const MAX_LETTER: usize = (4 << 20) + TAG;

/// Bytes of randomness in an encapsulation.
const ENTROPY: usize = 64;
const DOMAIN: &[u8] = b"casewise/letter/v1";

/// What a letter is for, and between whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub enum LetterKind {
    /// Author to patient: the root of a lane. Subject: the lane.
    Root,
    /// Patient to reader, or author to reader for a successor lane. Subject: the grant's commitment.
    Grant,
    /// Custodian to patient. Subject: the case.
    Claim,
    /// A share for emergency access. Subject: a commitment.
    Emergency,
    /// Patient to their own recovery key. Subject: the case.
    Keep,
}

/// A sealed letter.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct Letter {
    /// Format version.
    pub version: V1,
    /// What it is for.
    pub kind: LetterKind,
    /// The case.
    pub case: CaseId,
    /// What it is about; see [`LetterKind`].
    pub subject: Hash,
    /// Hash of the recipient's X-Wing key.
    pub to: Hash,
    /// The encapsulated key.
    pub enc: [u8; ENC_LEN],
    /// The sealed payload.
    pub ct: Vec<u8>,
}

impl BorshDeserialize for Letter {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let letter = Self {
            version: V1::deserialize_reader(reader)?,
            kind: LetterKind::deserialize_reader(reader)?,
            case: CaseId::deserialize_reader(reader)?,
            subject: Hash::deserialize_reader(reader)?,
            to: Hash::deserialize_reader(reader)?,
            enc: <[u8; ENC_LEN]>::deserialize_reader(reader)?,
            ct: Vec::deserialize_reader(reader)?,
        };
        if letter.ct.len() > MAX_LETTER { Err(io::ErrorKind::InvalidData.into()) } else { Ok(letter) }
    }
}

impl Letter {
    /// Seals a payload to `to`, with randomness of the operating system.
    /// Errors: [`SealError::Payload`] when the payload does not fit kind and subject or is longer than
    /// [`MAX_LETTER`]; [`SealError::Random`].
    pub fn seal(
        kind: LetterKind,
        case: CaseId,
        subject: Hash,
        to: &KemPublic,
        payload: &Payload,
    ) -> Result<Self, SealError> {
        let mut entropy = Zeroizing::new([0; ENTROPY]);
        getrandom::fill(&mut *entropy).map_err(|_| SealError::Random)?;
        Self::seal_from(kind, case, subject, to, payload, entropy)
    }

    /// [`Letter::seal`] with given randomness, for test vectors: two letters from the same 64 bytes
    /// to one recipient have the same key.
    #[cfg(feature = "vectors")]
    pub fn seal_with(
        kind: LetterKind,
        case: CaseId,
        subject: Hash,
        to: &KemPublic,
        payload: &Payload,
        entropy: &[u8; ENTROPY],
    ) -> Result<Self, SealError> {
        Self::seal_from(kind, case, subject, to, payload, Zeroizing::new(*entropy))
    }

    /// Opens a letter: checks that it is for this key, its padding, and that the payload is canonical
    /// and what kind and subject announce. Who wrote it remains unknown; the payload's keys are still
    /// to be checked against lane header, chain and anchored entries.
    /// Errors: [`SealError::Letter`].
    pub fn open(&self, secret: &KemSecret) -> Result<Payload, SealError> {
        self.open_payload(secret).map_err(SealError::Letter)
    }

    /// Reads a letter. Errors: [`LedgerError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, LedgerError> {
        casewise_ledger::decode(bytes)
    }

    /// The letter's bytes.
    pub fn encode(&self) -> Vec<u8> {
        casewise_ledger::encode(self)
    }

    fn seal_from(
        kind: LetterKind,
        case: CaseId,
        subject: Hash,
        to: &KemPublic,
        payload: &Payload,
        entropy: Zeroizing<[u8; ENTROPY]>,
    ) -> Result<Self, SealError> {
        payload.check(kind, &case, &subject).map_err(SealError::Payload)?;
        let plaintext = pad(&payload.encode(), LETTER_MINIMUM)?;
        if plaintext.len() + TAG > MAX_LETTER {
            return Err(SealError::Payload(LetterReason::Length));
        }
        let mut letter =
            Self { version: V1, kind, case, subject, to: to.hash(), enc: [0; ENC_LEN], ct: Vec::new() };
        let (enc, ct) = hpke::single_shot_seal_with_rng::<AesGcm256, HkdfSha256, XWing>(
            &OpModeS::Base,
            &to.key(),
            &letter.info(),
            &plaintext,
            b"",
            &mut Entropy(Some(entropy)),
        )
        .map_err(|_| SealError::KemKey)?;
        enc.write_exact(&mut letter.enc);
        letter.ct = ct;
        Ok(letter)
    }

    fn open_payload(&self, secret: &KemSecret) -> Result<Payload, LetterReason> {
        if self.to != secret.public().hash() {
            return Err(LetterReason::Recipient);
        }
        if self.ct.len() > MAX_LETTER {
            return Err(LetterReason::Length);
        }
        let enc = <XWing as Kem>::EncappedKey::from_bytes(&self.enc).map_err(|_| LetterReason::Cipher)?;
        let plaintext = hpke::single_shot_open::<AesGcm256, HkdfSha256, XWing>(
            &OpModeR::Base,
            &secret.key(),
            &enc,
            &self.info(),
            &self.ct,
            b"",
        )
        .map(Zeroizing::new)
        .map_err(|_| LetterReason::Cipher)?;
        let data = unpad(&plaintext, LETTER_MINIMUM).map_err(|_| LetterReason::Padding)?;
        let payload = Payload::try_from_slice(data).map_err(|_| LetterReason::Payload)?;
        payload.check(self.kind, &self.case, &self.subject)?;
        Ok(payload)
    }

    /// `"casewise/letter/v1" ‖ u8 kind ‖ case ‖ subject ‖ to`.
    fn info(&self) -> Vec<u8> {
        [DOMAIN, &[self.kind as u8], &self.case.0, &self.subject, &self.to].concat()
    }
}

/// Hands out its 64 bytes once, in the one draw that an X-Wing encapsulation makes.
struct Entropy(Option<Zeroizing<[u8; ENTROPY]>>);

impl TryRng for Entropy {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("an encapsulation draws bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("an encapsulation draws bytes")
    }

    /// Panics on any other draw: repeated or short randomness must never reach a key.
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        let entropy = self.0.take().expect("an encapsulation draws once");
        out.copy_from_slice(&*entropy);
        Ok(())
    }
}

impl TryCryptoRng for Entropy {}
