//! Bodies and query strings of requests and responses.
//!
//! Requests refuse unknown fields, so that a misspelt option is an error and not a default.
//! Responses may grow: clients ignore fields they do not know. Times are Unix ms.

use std::fmt;
use std::str::FromStr;

use casewise_ledger::account::{AccountKey, PublicKey};
use casewise_ledger::{
    Address, CaseId, CaseOffer, Commitment, EntryHeader, EntryRef, Hash, Kind, LaneHeader, LaneId, Opening,
    Party, Receipt, Release, ReleaseItem,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::limits::MAX_IDENTIFIER;
use crate::{ApiError, Base64, Hex, Packed};

/// `GET /v1/info`: who serves here. Not signed; the KEM key is checked against the registrar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Number at the registrar.
    pub institution: u32,
    /// The network.
    pub net: Hex<32>,
    /// The institution's name.
    pub name: String,
    /// Version of the agent.
    pub version: String,
    /// The institution's X-Wing public key, 1,216 bytes.
    pub kem_key: Base64,
    /// Its epoch.
    pub kem_epoch: u32,
}

/// Size and root of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Number of entries.
    pub size: u32,
    /// RFC 6962 root.
    pub root: Hex<32>,
}

impl From<casewise_ledger::Head> for Head {
    fn from(head: casewise_ledger::Head) -> Self {
        Self { size: head.size, root: Hex(head.root) }
    }
}

impl From<Head> for casewise_ledger::Head {
    fn from(head: Head) -> Self {
        Self { size: head.size, root: head.root.0 }
    }
}

/// One element of `GET /v1/cases/{case}/lanes`: a lane of this author in the case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneListing {
    /// The lane; equal to the hash of `header`.
    pub lane: LaneId,
    /// Its header.
    pub header: Packed<LaneHeader>,
    /// Its anchored head.
    pub anchored: Head,
    /// The lane that goes on from it.
    pub successor: Option<LaneId>,
}

/// `GET /v1/cases/{case}/kem`: the holder's current X-Wing key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseKem {
    /// Its epoch.
    pub epoch: u32,
    /// The key, 1,216 bytes.
    pub kem_key: Base64,
}

/// Query of `GET /v1/lanes/{lane}/entries`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntriesQuery {
    /// First index; 0 when absent.
    #[serde(default)]
    pub first: u32,
    /// Most entries in the answer, at most and by default [`crate::limits::MAX_ENTRIES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// `GET /v1/lanes/{lane}/entries`: anchored entries only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryPage {
    /// The anchored head the entries stand under.
    pub head: SignedHead,
    /// Entries in index order.
    pub entries: Vec<EntryListing>,
}

/// A head with an operator's signature over SHA-256 of the head message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHead {
    /// The lane.
    pub lane: LaneId,
    /// Number of entries.
    pub size: u32,
    /// RFC 6962 root.
    pub root: Hex<32>,
    /// When it was signed, Unix ms.
    pub time: u64,
    /// The operator's compressed key.
    pub key: Hex<33>,
    /// The signature.
    pub signature: Hex<64>,
}

impl SignedHead {
    /// Signs a head as an operator.
    pub fn sign(lane: LaneId, head: &casewise_ledger::Head, time: u64, key: &AccountKey) -> Self {
        Self {
            lane,
            size: head.size,
            root: Hex(head.root),
            time,
            key: Hex(key.public().0),
            signature: Hex(key.sign(&head.operator_digest(&lane, time))),
        }
    }

    /// The head.
    pub fn head(&self) -> casewise_ledger::Head {
        casewise_ledger::Head { size: self.size, root: self.root.0 }
    }

    /// Checks the signature and returns the signer's account. That this account is an operator of
    /// the lane's author is for the caller to know.
    pub fn verify(&self) -> Result<Address, ApiError> {
        let key = PublicKey(self.key.0);
        let digest = self.head().operator_digest(&self.lane, self.time);
        key.verify(&digest, &self.signature.0).map_err(|_| ApiError::Signature)?;
        Ok(key.address())
    }
}

/// An entry without its body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryListing {
    /// Position in the lane.
    pub index: u32,
    /// Its header.
    pub header: Packed<EntryHeader>,
    /// Commitment to its sealing key.
    pub commitment: Hex<32>,
    /// Length of the sealed body, bytes.
    pub body_length: u64,
    /// SHA-256 of the sealed body.
    pub body_sha256: Hex<32>,
}

impl EntryListing {
    /// The leaf these fields give.
    pub fn leaf(&self) -> Hash {
        self.header.0.leaf(&self.commitment.0, self.body_length, &self.body_sha256.0)
    }
}

/// Query of `GET /v1/lanes/{lane}/proofs/inclusion`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InclusionQuery {
    /// The entry.
    pub index: u32,
    /// Size of the tree, at most the anchored size.
    pub size: u32,
}

/// Query of `GET /v1/releases/{nonce}/proofs/inclusion`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseInclusionQuery {
    /// The lane.
    pub lane: LaneId,
    /// The entry.
    pub index: u32,
    /// Size of the tree, at most the anchored size.
    pub size: u32,
}

/// An inclusion proof (RFC 6962 2.1.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InclusionProof {
    /// Size of the tree.
    pub size: u32,
    /// Hashes from the leaf up.
    pub path: Vec<Hex<32>>,
}

/// Query of `GET /v1/lanes/{lane}/proofs/consistency`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyQuery {
    /// The older size.
    pub from: u32,
    /// The newer size, at most the anchored size.
    pub to: u32,
}

/// A consistency proof (RFC 6962 2.1.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsistencyProof {
    /// The older size.
    pub from: u32,
    /// The newer size.
    pub to: u32,
    /// The hashes.
    pub path: Vec<Hex<32>>,
}

/// Plain hashes of a path of the interface.
pub fn path_hashes(path: &[Hex<32>]) -> Vec<Hash> {
    path.iter().map(|hash| hash.0).collect()
}

/// A path of the interface from plain hashes.
pub fn hex_path(path: &[Hash]) -> Vec<Hex<32>> {
    path.iter().copied().map(Hex).collect()
}

/// Query of `GET /v1/cases/{case}/letters`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LettersQuery {
    /// Only letters with a greater sequence number; 0 when absent.
    #[serde(default)]
    pub after: u64,
    /// Most letters in the answer, at most and by default [`crate::limits::MAX_LETTERS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// One letter of `GET /v1/cases/{case}/letters`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterListing {
    /// Its place in this mailbox, from 1.
    pub seq: u64,
    /// The letter's bytes.
    pub letter: Base64,
}

/// `POST /v1/letters`, 202.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterAccepted {
    /// Its place in this mailbox, from 1.
    pub seq: u64,
}

/// `PUT /v1/grants/{commitment}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantBody {
    /// What the commitment commits to.
    pub opening: Packed<Opening>,
}

/// `POST /v1/releases`: a third party asks to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRequest {
    /// The grant.
    pub grant: Commitment,
    /// The person who reads, when the grant names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub practitioner: Option<Address>,
    /// What is to be read; ranges are inclusive.
    pub items: Vec<ReleaseItem>,
}

/// The server's half of a countersigned read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseAnswer {
    /// What will be handed over, and on which decision.
    pub release: Packed<Release>,
    /// The server's key.
    pub server_key: Hex<33>,
    /// Its signature over SHA-256 of the release message.
    pub server_sig: Hex<64>,
    /// The lanes of the items, each once.
    pub lanes: Vec<ReleaseLane>,
    /// For each item of the release, in its order, the entries.
    pub items: Vec<ReleaseEntries>,
}

/// A lane of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseLane {
    /// The lane; equal to the hash of `header`.
    pub lane: LaneId,
    /// Its header.
    pub header: Packed<LaneHeader>,
    /// Its anchored head.
    pub anchored: Head,
}

/// Entries of one item of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseEntries {
    /// The lane.
    pub lane: LaneId,
    /// Entries in index order.
    pub entries: Vec<EntryListing>,
}

/// `POST /v1/releases/{nonce}`: the reader countersigns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Countersignature {
    /// The reader's key.
    pub reader_key: Hex<33>,
    /// Its signature over SHA-256 of the release message.
    pub reader_sig: Hex<64>,
}

/// The receipt, once it and its access entry are durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptAnswer {
    /// The release signed by both.
    pub receipt: Packed<Receipt>,
    /// Where the access entry was written.
    pub access: EntryRef,
}

/// `POST /v1/cases` (private).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewCase {
    /// What the patient showed.
    pub offer: Packed<CaseOffer>,
    /// What the case asks of its authors.
    pub policy: PolicyBody,
}

/// A case's policy; seconds, 0 for no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyBody {
    /// Longest time between two entries of an author.
    pub cadence: u32,
    /// Longest time between an entry's claimed time and its anchor.
    pub lateness: u32,
    /// How long a closing lane still takes anchors.
    pub grace: u32,
    /// How long a proposed completion waits for objections.
    pub completion: u32,
}

impl From<PolicyBody> for casewise_ledger::records::Policy {
    fn from(body: PolicyBody) -> Self {
        let PolicyBody { cadence, lateness, grace, completion } = body;
        Self { cadence, lateness, grace, completion, amends: None }
    }
}

/// Answer of `POST /v1/cases`: 201, or 200 when the case was there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseOpened {
    /// The case.
    pub case: CaseId,
    /// Bech32 account that pays the holder's fees.
    pub fee_granter: String,
    /// The lanes opened for it.
    pub lanes: Vec<LaneId>,
}

/// `POST /v1/cases/{case}/sponsor`: an account of this case that cannot pay its own fees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SponsorRequest {
    /// The account: the holder to be, the recovery account, or a delegate's.
    pub account: Address,
}

/// Answer to `POST /v1/cases/{case}/sponsor`: the allowance will be in a block soon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sponsored {
    /// The account.
    pub account: Address,
    /// Bech32 account that pays its fees.
    pub fee_granter: String,
}

/// `PUT /v1/links` (private): an identifier of this institution names a case.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Who gives out the identifier, such as a URI of the institution's record numbers.
    pub system: String,
    /// The identifier.
    pub value: String,
    /// The case.
    pub case: CaseId,
}

impl Link {
    /// The identifier. Refuses empty parts, a `|` in the system, and more than
    /// [`MAX_IDENTIFIER`] bytes.
    pub fn identifier(&self) -> Result<Identifier, ApiError> {
        Identifier::new(&self.system, &self.value)
    }
}

/// Shows no identifier: it is a person's.
impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.case)
    }
}

/// `system|value`, as in a FHIR token. Shown nowhere but in a request: it is a person's.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identifier {
    text: String,
    bar: usize,
}

impl Identifier {
    /// From its two parts.
    pub fn new(system: &str, value: &str) -> Result<Self, ApiError> {
        if system.contains('|') {
            return Err(ApiError::Identifier);
        }
        format!("{system}|{value}").parse()
    }

    /// Who gives it out.
    pub fn system(&self) -> &str {
        &self.text[..self.bar]
    }

    /// The identifier itself.
    pub fn value(&self) -> &str {
        &self.text[self.bar + 1..]
    }

    /// `system|value`.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Identifier {
    type Err = ApiError;
    fn from_str(text: &str) -> Result<Self, ApiError> {
        let bar = text.find('|').ok_or(ApiError::Identifier)?;
        let fits = bar > 0 && bar + 1 < text.len() && text.len() <= MAX_IDENTIFIER;
        if !fits || text.chars().any(char::is_control) {
            return Err(ApiError::Identifier);
        }
        Ok(Self { text: text.into(), bar })
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identifier(..)")
    }
}

impl Serialize for Identifier {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Identifier {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

/// `lane:index` in a query string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryName(pub EntryRef);

impl FromStr for EntryName {
    type Err = ApiError;
    fn from_str(text: &str) -> Result<Self, ApiError> {
        let (lane, index) = text.split_once(':').ok_or(ApiError::EntryName)?;
        let lane = lane.parse().map_err(|_| ApiError::EntryName)?;
        let canonical =
            index == "0" || (!index.starts_with('0') && index.bytes().all(|b| b.is_ascii_digit()));
        if !canonical {
            return Err(ApiError::EntryName);
        }
        let index = index.parse().map_err(|_| ApiError::EntryName)?;
        Ok(Self(EntryRef { lane, index }))
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0.lane, self.0.index)
    }
}

impl Serialize for EntryName {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EntryName {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

/// What may be taken in from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IngestKind {
    /// A record.
    #[default]
    Record,
    /// Corrects the entry named by `prev`.
    Amendment,
    /// "Nothing to report"; the body is empty.
    Beat,
}

impl From<IngestKind> for Kind {
    fn from(kind: IngestKind) -> Self {
        match kind {
            IngestKind::Record => Self::Record,
            IngestKind::Amendment => Self::Amendment,
            IngestKind::Beat => Self::Beat,
        }
    }
}

/// Query of `POST /v1/entries` (private): exactly one of `case` and `identifier`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IngestQuery {
    /// The case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<CaseId>,
    /// A linked identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<Identifier>,
    /// What it is.
    #[serde(default)]
    pub kind: IngestKind,
    /// The entry amended (required for an amendment) or continued (records only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<EntryName>,
}

/// Answer of `POST /v1/entries`: 201, or 200 for a repeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryAccepted {
    /// The case.
    pub case: CaseId,
    /// The lane it was written to.
    pub lane: LaneId,
    /// Its index.
    pub index: u32,
    /// Its leaf.
    pub leaf: Hex<32>,
    /// Length of the sealed body, bytes.
    pub body_length: u64,
    /// A head that covers it, not yet anchored.
    pub head: SignedHead,
}

/// One element of `GET /v1/shared/{case}/entries` (private): what was granted here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedEntry {
    /// The lane.
    pub lane: LaneId,
    /// The index.
    pub index: u32,
    /// Who wrote it.
    pub author: Party,
    /// What it is.
    pub kind: Kind,
    /// Claimed time, Unix ms.
    pub time: u64,
    /// Length of the sealed body, bytes.
    pub body_length: u64,
    /// The grant it is read under.
    pub grant: Commitment,
}

/// `GET /v1/status` (private).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Last block applied.
    pub cursor: u64,
    /// The node's newest block, `None` when it does not answer.
    pub tip: Option<u64>,
    /// Blocks behind the tip, `None` when it is not known.
    pub lag: Option<u64>,
    /// Why no further block is applied, when one could not be decoded.
    pub stalled: Option<String>,
    /// Work for the chain.
    pub outbox: OutboxCounts,
    /// What a restore found.
    pub restore: RestoreReport,
}

/// Rows of the outbox by state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OutboxCounts {
    /// Not yet in a transaction.
    pub queued: u64,
    /// In a transaction of which no block is known.
    pub sent: u64,
    /// In a block, accepted.
    pub settled: u64,
    /// In a block, refused.
    pub failed: u64,
}

/// What the agent found when it started with a database older than its lanes.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RestoreReport {
    /// Whether that happened.
    pub restored: bool,
    /// The lanes it will never write again.
    pub closed: Vec<ClosedLane>,
    /// Anchored entries it does not hold.
    pub missing: Vec<EntryRange>,
}

/// A lane given up after a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedLane {
    /// The lane.
    pub lane: LaneId,
    /// The lane that goes on from it, once it is open.
    pub successor: Option<LaneId>,
}

/// Entries `first..=last` of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRange {
    /// The lane.
    pub lane: LaneId,
    /// First index.
    pub first: u32,
    /// Last index, inclusive.
    pub last: u32,
}
