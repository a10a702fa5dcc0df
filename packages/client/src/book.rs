//! The client's records, typed: cases, lanes, entries, heads with their proofs, shares still to be
//! delivered, transactions of open fate.
//!
//! Responsible for their names and encodings. What is together in one [`Batch`] is true together.

use borsh::{BorshDeserialize, BorshSerialize};
use casewise_ledger::{
    CaseId, CaseOffer, ClaimRequest, Commitment, EntryHeader, Hash, Head, LaneHeader, LaneId, LedgerError,
    Net, Opening, RotateOffer, V1, decode, encode, merkle::Frontier,
};
use casewise_seal::ListedEntry;
use zeroize::Zeroizing;

use crate::ClientError;
use crate::store::{Batch, Store};

/// Entries kept in one record.
pub const PAGE: u32 = 256;

const META: &str = "meta";
const CASES: &str = "case";
const TXS: &str = "tx";
const CLAIMS: &str = "claim";
const HOLDERS: &str = "holder";
const HEIRS: &str = "heir";

/// A case of this patient.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CaseState {
    /// Format version.
    pub version: V1,
    /// Its number: where its keys are in the phrase.
    pub n: u32,
    /// Its id.
    pub case: CaseId,
    /// The network it was made for.
    pub net: Net,
    /// Who enrols or enrolled it.
    pub institution: u32,
    /// When it was made or found here, Unix ms.
    pub made: u64,
    /// What was shown to the institution; `None` for a case recovered from the phrase.
    pub offer: Option<CaseOffer>,
    /// How far each institution's letters have been read.
    pub mail: Vec<Mailbox>,
    /// Where its present keys are in the phrase: the number it was made with, until the holder
    /// rotates it or finds it again by its recovery account.
    pub key: u32,
    /// Where its keys of before are, the newest last.
    pub earlier: Vec<u32>,
    /// Epoch of its key, as last seen on chain.
    pub epoch: u32,
    /// A recovery that was running when the chain was last asked.
    pub recovering: Option<SeenRecovery>,
}

impl CaseState {
    /// A case whose keys are where its number says.
    pub fn new(
        n: u32,
        case: CaseId,
        net: Net,
        institution: u32,
        made: u64,
        offer: Option<CaseOffer>,
    ) -> Self {
        let (mail, earlier) = (Vec::new(), Vec::new());
        let (version, epoch, recovering) = (V1, 0, None);
        Self { version, n, case, net, institution, made, offer, mail, key: n, earlier, epoch, recovering }
    }
}

/// A recovery of a case, as it was last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SeenRecovery {
    /// From when on it can be finished, Unix ms.
    pub ready: u64,
    /// From when on it counts no more, Unix ms.
    pub lapses: u64,
    /// The institution that attests it.
    pub attested: Option<u32>,
}

/// A case as versions of this program up to 0.1 kept it.
#[derive(BorshDeserialize)]
struct FirstCaseState {
    _version: V1,
    n: u32,
    case: CaseId,
    net: Net,
    institution: u32,
    made: u64,
    offer: Option<CaseOffer>,
    mail: Vec<Mailbox>,
}

fn read_case(bytes: &[u8]) -> Result<CaseState, ClientError> {
    if let Ok(case) = decode(bytes) {
        return Ok(case);
    }
    let FirstCaseState { n, case, net, institution, made, offer, mail, .. } =
        decode(bytes).map_err(|_| damaged())?;
    Ok(CaseState { mail, ..CaseState::new(n, case, net, institution, made, offer) })
}

/// A change of a case's holder that was begun here, kept until every author has the new key.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct HolderChange {
    /// Format version.
    pub version: V1,
    /// Number of the case in this wallet, or the one it will have.
    pub n: u32,
    /// Where the new holder's keys are in the phrase.
    pub key: u32,
    /// What the new holder shows: to the registrar, then to every author.
    pub offer: RotateOffer,
    /// When it was begun, Unix ms.
    pub made: u64,
    /// Whether the registrar names the new holder.
    pub done: bool,
    /// Institutions that have taken the offer.
    pub told: Vec<u32>,
    /// Why the last of the others has not.
    pub trouble: Option<String>,
}

/// How far an institution's letters have been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Mailbox {
    /// The institution.
    pub institution: u32,
    /// Place of the last letter read.
    pub after: u64,
}

/// What was verified of a lane.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LaneState {
    /// Format version.
    pub version: V1,
    /// Its header.
    pub header: LaneHeader,
    /// Entries verified and kept.
    pub size: u32,
    /// Right edge of the tree over them.
    pub peaks: Vec<Hash>,
    /// Of these, how many were checked against their one-time keys.
    pub checked: u32,
    /// The first entry that is not sealed with its one-time key.
    pub unreadable: Option<u32>,
    /// Why the lane cannot be followed further, when it cannot.
    pub trouble: Option<String>,
}

impl LaneState {
    /// A lane of which nothing is known but its header.
    pub fn new(header: LaneHeader) -> Self {
        Self { version: V1, header, size: 0, peaks: Vec::new(), checked: 0, unreadable: None, trouble: None }
    }

    /// What does not fit, in words.
    pub fn trouble(&self) -> Option<String> {
        let unreadable = |index| format!("entry {index} is not sealed with its one-time key");
        self.trouble.clone().or_else(|| self.unreadable.map(unreadable))
    }

    /// The tree over the entries kept.
    pub fn frontier(&self) -> Result<Frontier, LedgerError> {
        Frontier::from_peaks(self.size, self.peaks.clone())
    }
}

/// An entry without its body, as it was verified.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct KeptEntry {
    /// Its header.
    pub header: EntryHeader,
    /// Commitment to its sealing key.
    pub commitment: Hash,
    /// Bytes of its body.
    pub body_length: u64,
    /// SHA-256 of its body.
    pub body_sha256: Hash,
}

impl From<&ListedEntry> for KeptEntry {
    fn from(entry: &ListedEntry) -> Self {
        Self {
            header: entry.header.clone(),
            commitment: entry.commitment,
            body_length: entry.body_length,
            body_sha256: entry.body_sha256,
        }
    }
}

impl From<&KeptEntry> for ListedEntry {
    fn from(entry: &KeptEntry) -> Self {
        Self {
            header: entry.header.clone(),
            commitment: entry.commitment,
            body_length: entry.body_length,
            body_sha256: entry.body_sha256,
        }
    }
}

/// A head as the contract recorded it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct KeptHead {
    /// Height of its block.
    pub height: u64,
    /// Time of that block, Unix ms.
    pub time: u64,
    /// Entries.
    pub size: u32,
    /// Root.
    pub root: Hash,
    /// The head before it is not known here yet.
    pub gap: bool,
}

impl KeptHead {
    /// Size and root.
    pub fn head(&self) -> Head {
        Head { size: self.size, root: self.root }
    }
}

/// What proves a head to somebody who trusts nobody: taken when the head was first seen.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct KeptProof {
    /// summary's record of the lane.
    pub lane: KeptRecord,
    /// registrar's record of the author, at the same height.
    pub author: KeptRecord,
    /// Signed header of the height after, protobuf.
    pub header: Vec<u8>,
    /// Its validators, protobuf.
    pub validators: Vec<u8>,
}

/// A contract's record with its proof.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct KeptRecord {
    /// Key in the store `wasm`.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
    /// ICS23 proof under the store's root.
    pub iavl: Vec<u8>,
    /// ICS23 proof of the store's root under the app hash.
    pub store: Vec<u8>,
}

/// A grant made here, with what has to reach reader and author.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ShareState {
    /// Format version.
    pub version: V1,
    /// What it says.
    pub opening: Opening,
    /// When it was made, Unix ms.
    pub made: u64,
    /// The letter to the reader.
    pub letter: Vec<u8>,
    /// Whether the reader's agent has taken the letter.
    pub letter_delivered: bool,
    /// Whether the author's agent has taken the opening.
    pub opening_delivered: bool,
    /// Attempts that failed.
    pub attempts: u32,
    /// Why the last one failed.
    pub trouble: Option<String>,
}

impl ShareState {
    /// Whether everything has been delivered.
    pub fn delivered(&self) -> bool {
        self.letter_delivered && self.opening_delivered
    }
}

/// A transaction whose fate is not known.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PendingTx {
    /// Its signed bytes.
    pub bytes: Vec<u8>,
    /// A height at which it was in no block.
    pub from: u64,
}

/// The client's records.
#[derive(Clone, Copy)]
pub struct Book<'a>(&'a dyn Store);

impl<'a> Book<'a> {
    /// Over a store.
    pub fn new(store: &'a dyn Store) -> Self {
        Self(store)
    }

    /// Makes the changes of a batch, or none.
    pub async fn commit(&self, batch: Batch) -> Result<(), ClientError> {
        self.0.commit(batch).await
    }

    /// Whether the phrase was entered anew and its cases have not been looked for.
    pub async fn scan_needed(&self) -> Result<bool, ClientError> {
        Ok(self.0.get(META, b"scan").await?.is_some())
    }

    /// All cases by number.
    pub async fn cases(&self) -> Result<Vec<CaseState>, ClientError> {
        let rows = self.0.scan(CASES).await?;
        rows.iter().map(|(_, bytes)| read_case(bytes)).collect()
    }

    /// A case by its number.
    pub async fn case(&self, n: u32) -> Result<Option<CaseState>, ClientError> {
        let bytes = self.0.get(CASES, &n.to_be_bytes()).await?;
        bytes.map(|bytes| read_case(&bytes)).transpose()
    }

    /// The last change of a case's holder, until every author knows it.
    pub async fn holder_change(&self, n: u32) -> Result<Option<HolderChange>, ClientError> {
        self.one(HOLDERS, &n.to_be_bytes()).await
    }

    /// The change of a case's holder that was begun and that the registrar may not name yet.
    pub async fn begun_change(&self, n: u32) -> Result<Option<HolderChange>, ClientError> {
        self.one(HEIRS, &n.to_be_bytes()).await
    }

    /// Every change of a holder: those begun, then those to be told.
    pub async fn holder_changes(&self) -> Result<Vec<HolderChange>, ClientError> {
        let mut all: Vec<HolderChange> = self.all(HEIRS).await?;
        all.extend(self.all::<HolderChange>(HOLDERS).await?);
        Ok(all)
    }

    /// The lanes known of a case, by id.
    pub async fn lanes(&self, n: u32) -> Result<Vec<LaneState>, ClientError> {
        self.all(&lanes(n)).await
    }

    /// A lane of a case.
    pub async fn lane(&self, n: u32, lane: &LaneId) -> Result<Option<LaneState>, ClientError> {
        self.one(&lanes(n), &lane.0).await
    }

    /// The root key of a lane, from its letter.
    pub async fn root(&self, n: u32, lane: &LaneId) -> Result<Option<Zeroizing<[u8; 32]>>, ClientError> {
        let Some(bytes) = self.0.get(&roots(n), &lane.0).await? else { return Ok(None) };
        let key: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| damaged())?;
        Ok(Some(Zeroizing::new(*key)))
    }

    /// Entries `first ..` of a lane, as many as are kept, in order.
    pub async fn entries(&self, lane: &LaneId, first: u32) -> Result<Vec<KeptEntry>, ClientError> {
        let (mut out, mut page) = (Vec::new(), first / PAGE);
        loop {
            let kept: Option<Vec<KeptEntry>> = self.one(&entries(lane), &page.to_be_bytes()).await?;
            let Some(kept) = kept else { break };
            let whole = kept.len() == PAGE as usize;
            out.extend(kept);
            if !whole {
                break;
            }
            page += 1;
        }
        out.drain(..out.len().min((first % PAGE) as usize));
        Ok(out)
    }

    /// One entry of a lane.
    pub async fn entry(&self, lane: &LaneId, index: u32) -> Result<Option<KeptEntry>, ClientError> {
        let page: Option<Vec<KeptEntry>> = self.one(&entries(lane), &(index / PAGE).to_be_bytes()).await?;
        Ok(page.and_then(|page| page.into_iter().nth((index % PAGE) as usize)))
    }

    /// The heads known of a lane, by height.
    pub async fn heads(&self, lane: &LaneId) -> Result<Vec<KeptHead>, ClientError> {
        self.all(&heads(lane)).await
    }

    /// What proves the head that a lane had from `height` on.
    pub async fn proof(&self, lane: &LaneId, height: u64) -> Result<Option<KeptProof>, ClientError> {
        self.one(&proofs(lane), &height.to_be_bytes()).await
    }

    /// Every share of a case, by commitment.
    pub async fn shares(&self, n: u32) -> Result<Vec<ShareState>, ClientError> {
        self.all(&shares(n)).await
    }

    /// A share.
    pub async fn share(&self, n: u32, grant: &Commitment) -> Result<Option<ShareState>, ClientError> {
        self.one(&shares(n), &grant.0).await
    }

    /// The transaction of a case whose fate is not known.
    pub async fn pending(&self, n: u32) -> Result<Option<PendingTx>, ClientError> {
        self.one(TXS, &n.to_be_bytes()).await
    }

    /// The claim request of a case that is not taken over yet.
    pub async fn claim(&self, n: u32) -> Result<Option<ClaimRequest>, ClientError> {
        self.one(CLAIMS, &n.to_be_bytes()).await
    }

    async fn one<T: BorshDeserialize>(&self, space: &str, id: &[u8]) -> Result<Option<T>, ClientError> {
        self.0.get(space, id).await?.map(|bytes| decode(&bytes).map_err(|_| damaged())).transpose()
    }

    async fn all<T: BorshDeserialize>(&self, space: &str) -> Result<Vec<T>, ClientError> {
        let rows = self.0.scan(space).await?;
        rows.iter().map(|(_, bytes)| decode(bytes).map_err(|_| damaged())).collect()
    }
}

/// Changes to the records, by their names.
impl Batch {
    /// Says that the phrase's cases have to be looked for, or have been.
    pub fn set_scan_needed(&mut self, needed: bool) -> &mut Self {
        if needed { self.put(META, b"scan", vec![1]) } else { self.delete(META, b"scan") }
    }

    /// Keeps a case.
    pub fn put_case(&mut self, case: &CaseState) -> &mut Self {
        self.put(CASES, &case.n.to_be_bytes(), encode(case))
    }

    /// Keeps a change of holder.
    pub fn put_holder_change(&mut self, change: &HolderChange) -> &mut Self {
        let space = if change.done { HOLDERS } else { HEIRS };
        self.put(space, &change.n.to_be_bytes(), encode(change))
    }

    /// Forgets a change of holder that every author knows.
    pub fn delete_holder_change(&mut self, n: u32) -> &mut Self {
        self.delete(HOLDERS, &n.to_be_bytes())
    }

    /// Forgets a change of holder that was begun.
    pub fn delete_begun_change(&mut self, n: u32) -> &mut Self {
        self.delete(HEIRS, &n.to_be_bytes())
    }

    /// Keeps what was verified of a lane.
    pub fn put_lane(&mut self, n: u32, lane: &LaneState) -> &mut Self {
        self.put(&lanes(n), &lane.header.id().0, encode(lane))
    }

    /// Keeps a lane's root key.
    pub fn put_root(&mut self, n: u32, lane: &LaneId, key: &[u8; 32]) -> &mut Self {
        self.put(&roots(n), &lane.0, key.to_vec())
    }

    /// Keeps one page of entries: those from `PAGE · page` on.
    pub fn put_page(&mut self, lane: &LaneId, page: u32, kept: &[KeptEntry]) -> &mut Self {
        self.put(&entries(lane), &page.to_be_bytes(), encode(&kept.to_vec()))
    }

    /// Keeps a head.
    pub fn put_head(&mut self, lane: &LaneId, head: &KeptHead) -> &mut Self {
        self.put(&heads(lane), &head.height.to_be_bytes(), encode(head))
    }

    /// Keeps a head's proof.
    pub fn put_proof(&mut self, lane: &LaneId, height: u64, proof: &KeptProof) -> &mut Self {
        self.put(&proofs(lane), &height.to_be_bytes(), encode(proof))
    }

    /// Keeps a share.
    pub fn put_share(&mut self, n: u32, share: &ShareState) -> &mut Self {
        self.put(&shares(n), &share.opening.commitment().0, encode(share))
    }

    /// Forgets a share that was not made.
    pub fn delete_share(&mut self, n: u32, grant: &Commitment) -> &mut Self {
        self.delete(&shares(n), &grant.0)
    }

    /// Keeps a transaction until its fate is known.
    pub fn put_pending(&mut self, n: u32, tx: &PendingTx) -> &mut Self {
        self.put(TXS, &n.to_be_bytes(), encode(tx))
    }

    /// Keeps a claim request until its case is taken over.
    pub fn put_claim(&mut self, n: u32, request: &ClaimRequest) -> &mut Self {
        self.put(CLAIMS, &n.to_be_bytes(), encode(request))
    }

    /// Forgets a claim request.
    pub fn delete_claim(&mut self, n: u32) -> &mut Self {
        self.delete(CLAIMS, &n.to_be_bytes())
    }

    /// Forgets a transaction whose fate is known.
    pub fn delete_pending(&mut self, n: u32) -> &mut Self {
        self.delete(TXS, &n.to_be_bytes())
    }
}

fn lanes(n: u32) -> String {
    format!("lane/{n}")
}

fn roots(n: u32) -> String {
    format!("root/{n}")
}

fn shares(n: u32) -> String {
    format!("share/{n}")
}

fn entries(lane: &LaneId) -> String {
    format!("entry/{lane}")
}

fn heads(lane: &LaneId) -> String {
    format!("head/{lane}")
}

fn proofs(lane: &LaneId) -> String {
    format!("proof/{lane}")
}

fn damaged() -> ClientError {
    ClientError::Store { reason: "a record is damaged or of another version".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_of_the_first_format_is_read() {
        let mail = vec![Mailbox { institution: 3, after: 9 }];
        let case =
            CaseState { mail: mail.clone(), ..CaseState::new(4, CaseId([1; 32]), [2; 32], 3, 5, None) };
        let first = encode(&(V1, 4u32, CaseId([1; 32]), [2u8; 32], 3u32, 5u64, None::<CaseOffer>, mail));
        assert_eq!(read_case(&first).unwrap(), case);
        assert_eq!(read_case(&encode(&case)).unwrap(), case);
        assert!(read_case(&first[1..]).is_err());
        assert!(read_case(&[first, vec![0]].concat()).is_err());
    }
}
