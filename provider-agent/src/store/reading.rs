//! Reads and writes of everything that serves: nonces, openings, releases, the mailbox, letters
//! still to be made, and who read here what others granted.

use async_trait::async_trait;
use casewise_ledger::{CaseId, Commitment, EntryRef, Hash, LaneId, Receipt, Release, case::KEM_KEY_LEN};

use super::{LetterRow, StoreError};

/// Reads of the serving half.
#[async_trait]
pub trait ReadingStore: Send + Sync {
    /// The sealed opening of a grant.
    async fn opening(&self, commitment: &Commitment) -> Result<Option<OpeningRow>, StoreError>;
    /// Sealed openings of a case, ascending by commitment.
    async fn openings_of(&self, case: &CaseId) -> Result<Vec<OpeningRow>, StoreError>;
    /// A release.
    async fn release(&self, nonce: &[u8; 16]) -> Result<Option<ReleaseRow>, StoreError>;
    /// A delivered letter's mark.
    async fn delivery(&self, id: &Hash) -> Result<Option<DeliveryRow>, StoreError>;
    /// Letters about one subject to one recipient, in order of arrival.
    async fn letters_about(&self, subject: &Hash, to: &Hash) -> Result<Vec<LetterRow>, StoreError>;
    /// An institution's X-Wing public key, by its hash.
    async fn kem_key(&self, hash: &Hash) -> Result<Option<Box<[u8; KEM_KEY_LEN]>>, StoreError>;
    /// Letters still to be made, oldest first.
    async fn waiting_letters(&self, limit: u32) -> Result<Vec<WaitingLetterRow>, StoreError>;
    /// The newest reads of this house, newest first.
    async fn shared_reads(&self, case: &CaseId, limit: u32) -> Result<Vec<SharedReadRow>, StoreError>;
}

/// A write of the serving half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadingWrite {
    /// A signed request's nonce; refused when it is there.
    Nonce(NonceRow),
    /// Drops nonces and releases that no longer matter at this time, Unix ms.
    Sweep(u64),
    /// A grant's opening. The same grant is stored once.
    Opening(OpeningRow),
    /// A release, not yet countersigned; refused when its nonce is there.
    Release(Box<ReleaseRow>),
    /// The reader's signature and the access entry; refused unless the release is there and not
    /// yet countersigned.
    Countersigned {
        /// The release.
        nonce: [u8; 16],
        /// Both.
        half: ReaderHalf,
    },
    /// Marks a letter as delivered; refused when the mark is there.
    Delivery(DeliveryRow),
    /// An institution's X-Wing public key; its name is its hash.
    KemKey(Box<[u8; KEM_KEY_LEN]>),
    /// A letter to be made as soon as the reader's key is known.
    WaitingLetter(WaitingLetterRow),
    /// The letter was made, or is not to be made any more.
    LetterDone {
        /// The lane it is about.
        lane: LaneId,
        /// The grant.
        grant: Commitment,
    },
    /// Somebody here read what was granted here.
    SharedRead(SharedReadRow),
}

/// The nonce of a signed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonceRow {
    /// The signer's key.
    pub key: [u8; 33],
    /// The nonce.
    pub nonce: [u8; 16],
    /// Until when it is kept, Unix ms.
    pub until: u64,
}

/// What a grant says, sealed under a key of the key file: it names people's choices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpeningRow {
    /// The grant.
    pub commitment: Commitment,
    /// The case.
    pub case: CaseId,
    /// nonce ‖ ciphertext ‖ tag.
    pub sealed: Vec<u8>,
}

/// A release as it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseRow {
    /// What will be handed over.
    pub release: Release,
    /// Our key.
    pub server_key: [u8; 33],
    /// Our signature.
    pub server_sig: [u8; 64],
    /// The reader's half, once it came.
    pub reader: Option<ReaderHalf>,
}

impl ReleaseRow {
    /// The release signed by both, with a reader's signature.
    pub fn receipt(&self, reader_key: [u8; 33], reader_sig: [u8; 64]) -> Receipt {
        let (server_key, server_sig) = (self.server_key, self.server_sig);
        Receipt { release: self.release.clone(), server_key, server_sig, reader_key, reader_sig }
    }
}

/// The reader's signature and where the receipt was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaderHalf {
    /// The reader's key.
    pub key: [u8; 33],
    /// Its signature.
    pub sig: [u8; 64],
    /// The access entry.
    pub access: EntryRef,
}

/// One letter for each sender, grant and set of lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Hash of sender, grant and lanes.
    pub id: Hash,
    /// SHA-256 of the letter's bytes.
    pub letter: Hash,
}

/// A successor's root for a reader whose key was not known when the lane was made. It is wrapped
/// under the epoch key of that moment and never under another: when that key is destroyed, the
/// root is gone here, and the patient, who has it, can share it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingLetterRow {
    /// The lane.
    pub lane: LaneId,
    /// Its case.
    pub case: CaseId,
    /// The grant.
    pub grant: Commitment,
    /// The institution that reads.
    pub reader: u32,
    /// Which epoch key.
    pub epoch: u32,
    /// nonce ‖ ciphertext ‖ tag.
    pub wrapped: Vec<u8>,
}

/// Somebody here read an entry that was granted here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedReadRow {
    /// When, Unix ms.
    pub time: u64,
    /// The case.
    pub case: CaseId,
    /// The grant.
    pub grant: Commitment,
    /// The entry; `None` for the list.
    pub entry: Option<EntryRef>,
    /// Who, as the institution names them.
    pub practitioner: String,
    /// Why, as a code of HL7 PurposeOfUse.
    pub purpose: String,
}
