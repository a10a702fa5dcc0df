//! The raw values that the contracts store and evidence quotes. Kept by every migration.

use alloc::{string::String, vec::Vec};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Address, CaseId, Class, Hash, Head, LaneId, Party, V1, sha256};

/// Namespaces of the frozen records.
pub mod ns {
    /// summary: lane id → [`super::LaneRecord`].
    pub const LANE: &str = "lane";
    /// summary: case id → [`super::CaseRecord`].
    pub const CASE: &str = "case";
    /// summary: lane or case id → u64be ms, a deadline.
    pub const DUE: &str = "due";
    /// registrar: u32be number → [`super::InstitutionRecord`].
    pub const INSTITUTION: &str = "inst";
    /// registrar: account → u32be institution.
    pub const OPERATOR: &str = "op";
    /// registrar: case id → [`super::IdentityRecord`].
    pub const IDENTITY: &str = "id";
    /// registrar: H(holder) → case id.
    pub const HOLDER: &str = "holder";
    /// ppr: case id ‖ u32be institution → [`super::RelationshipRecord`].
    pub const RELATIONSHIP: &str = "rel";
    /// ppr: commitment → [`super::GrantRecord`].
    pub const GRANT: &str = "grant";
    /// ppr: case id → u32be.
    pub const REV: &str = "rev";
    /// ppr: case id → [`super::Policy`].
    pub const POLICY: &str = "policy";
    /// registrar: account → [`super::PractitionerRecord`].
    pub const PRACTITIONER: &str = "prac";
    /// registrar: case id → the account that may recover the case.
    pub const RECOVERY: &str = "recovery";
    /// registrar: case id → [`super::RecoveryRecord`].
    pub const RECOVERING: &str = "recovering";
    /// registrar: case id → [`super::ClaimRecord`].
    pub const CLAIM: &str = "claim";
    /// ppr: case id ‖ account → [`super::DelegateRecord`].
    pub const DELEGATE: &str = "delegate";
    /// ppr: case id ‖ u32be number → [`super::EmergencyRecord`].
    pub const EMERGENCY: &str = "emergency";
    /// summary: case id ‖ lane id ‖ u32be index → [`super::DisputeRecord`].
    pub const DISPUTE: &str = "dispute";
    /// summary: lane id → [`super::CompromiseRecord`].
    pub const COMPROMISE: &str = "compromise";
    /// summary: lane id → [`super::ConflictRecord`].
    pub const CONFLICT: &str = "conflict";
}

/// Key of a contract's record in the store `wasm`:
/// `0x03 ‖ contract address ‖ u16be len(ns) ‖ ns ‖ id`.
pub fn store_key(contract: &[u8; 32], namespace: &str, id: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(35 + namespace.len() + id.len());
    key.push(3);
    key.extend_from_slice(contract);
    key.extend_from_slice(&record_key(namespace, id));
    key
}

/// The same key as seen inside the contract: `u16be len(ns) ‖ ns ‖ id`.
pub fn record_key(namespace: &str, id: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + namespace.len() + id.len());
    key.extend_from_slice(&(namespace.len() as u16).to_be_bytes());
    key.extend_from_slice(namespace.as_bytes());
    key.extend_from_slice(id);
    key
}

/// `case id ‖ u32be institution`, the id of a relationship.
pub fn relationship_id(case: &CaseId, institution: u32) -> [u8; 36] {
    let mut id = [0; 36];
    id[..32].copy_from_slice(&case.0);
    id[32..].copy_from_slice(&institution.to_be_bytes());
    id
}

/// Where a lane is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum LaneStatus {
    /// Takes anchors.
    Open,
    /// Takes anchors until its deadline.
    Closing,
    /// Takes nothing.
    Closed,
}

/// summary's record of a lane: what evidence proves.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LaneRecord {
    /// Format version.
    pub version: V1,
    /// Life.
    pub status: LaneStatus,
    /// Content or access.
    pub class: Class,
    /// The case.
    pub case: CaseId,
    /// Who writes.
    pub author: Party,
    /// Ed25519 key of a device lane.
    pub signer: Option<[u8; 32]>,
    /// Entries anchored.
    pub size: u32,
    /// Root over them.
    pub root: Hash,
    /// Height of the block of the last head that changed size, or of open.
    pub height: u64,
    /// Time of that block, Unix ms.
    pub time: u64,
    /// How many of them the holder has acknowledged.
    pub seen: u32,
}

impl LaneRecord {
    /// The anchored head.
    pub fn head(&self) -> Head {
        Head { size: self.size, root: self.root }
    }
}

/// Where a case is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum CaseStatus {
    /// Lanes may be opened.
    Open,
    /// Winding up.
    Closing,
    /// Completion proposed.
    Proposed,
    /// Nothing is added any more.
    Completed,
}

/// summary's record of a case.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CaseRecord {
    /// Format version.
    pub version: V1,
    /// Life.
    pub status: CaseStatus,
    /// Content lanes that are not closed.
    pub open: u32,
    /// Zeros, then [`close_digest`] at each close of a content lane.
    pub digest: Hash,
    /// Height of the last change.
    pub height: u64,
}

/// The case's digest after a content lane closed at `head`.
pub fn close_digest(before: &Hash, lane: &LaneId, head: &Head) -> Hash {
    sha256(&[b"casewise/close/v1", before, &lane.0, &head.size.to_be_bytes(), &head.root])
}

/// Whether an institution may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum InstitutionStatus {
    /// May act.
    Active,
    /// May only anchor, until `since` + grace.
    Suspended,
}

/// What an institution is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum InstitutionKind {
    /// Gives care.
    Provider,
    /// Does research.
    Research,
    /// Watches over the others.
    Oversight,
}

/// registrar's record of an institution: names the author in evidence.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct InstitutionRecord {
    /// Format version.
    pub version: V1,
    /// May it act.
    pub status: InstitutionStatus,
    /// What it is.
    pub kind: InstitutionKind,
    /// Its main account.
    pub account: Address,
    /// Hash of its X-Wing public key.
    pub kem: Hash,
    /// Epoch of that key.
    pub kem_epoch: u32,
    /// When the status began, Unix ms.
    pub since: u64,
    /// Its public name.
    pub name: String,
}

/// registrar's record of a virtual identity.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct IdentityRecord {
    /// Format version.
    pub version: V1,
    /// The holder's account.
    pub holder: Address,
    /// Hash of the holder's X-Wing public key.
    pub kem: Hash,
    /// Epoch of that key; 0 at enrolment.
    pub epoch: u32,
    /// Who enrolled it.
    pub institution: u32,
    /// The key is the institution's, until the patient claims the case.
    pub custodial: bool,
    /// When the holder became holder, Unix ms.
    pub since: u64,
}

/// Where a relationship is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum RelationshipStatus {
    /// Waits for the holder.
    Proposed,
    /// In force while the institution is active.
    Active,
    /// Paused.
    Suspended,
    /// Over.
    Ended,
}

/// ppr's record of a relationship.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RelationshipRecord {
    /// Format version.
    pub version: V1,
    /// Life.
    pub status: RelationshipStatus,
    /// When the status began, Unix ms.
    pub since: u64,
}

/// Where a grant is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum GrantStatus {
    /// In force on its days.
    Live,
    /// Taken back.
    Revoked,
    /// Its last day is over and that was made known.
    Expired,
}

/// ppr's record of a grant.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct GrantRecord {
    /// Format version.
    pub version: V1,
    /// The case.
    pub case: CaseId,
    /// Life.
    pub status: GrantStatus,
    /// First UTC day.
    pub first: u32,
    /// Last UTC day, inclusive.
    pub last: u32,
}

/// What a case asks of its authors, seconds.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Policy {
    /// Longest time between two entries of an author; 0 none.
    pub cadence: u32,
    /// Longest time between an entry's claimed time and its anchor; 0 none.
    pub lateness: u32,
    /// How long a closing lane still takes anchors.
    pub grace: u32,
    /// How long a proposed completion waits for objections.
    pub completion: u32,
    /// The case that this one corrects.
    pub amends: Option<CaseId>,
}

/// Whether a practitioner may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum PractitionerStatus {
    /// May act.
    Active,
    /// Not now: its institution says so.
    Suspended,
    /// Not now: the consortium says so, and only it can lift that.
    Barred,
}

/// What a practitioner is. A closed list: the chain carries no free text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum PractitionerRole {
    /// Physician.
    Doctor,
    /// Nurse.
    Nurse,
    /// Midwife.
    Midwife,
    /// Dentist.
    Dentist,
    /// Pharmacist.
    Pharmacist,
    /// Ambulance and emergency staff.
    Paramedic,
    /// Physiotherapist, psychologist and other therapists.
    Therapist,
    /// Researcher.
    Researcher,
    /// Looks after privacy and reviews emergency access.
    Auditor,
}

/// registrar's record of a practitioner.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PractitionerRecord {
    /// Format version.
    pub version: V1,
    /// May it act.
    pub status: PractitionerStatus,
    /// What it is.
    pub role: PractitionerRole,
    /// Where it works.
    pub institution: u32,
    /// When the status began, Unix ms.
    pub since: u64,
}

/// registrar's record of a recovery that is running.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RecoveryRecord {
    /// Format version.
    pub version: V1,
    /// The holder to be.
    pub holder: Address,
    /// Hash of its X-Wing public key.
    pub kem: Hash,
    /// When it can be finished, Unix ms.
    pub ready: u64,
    /// From when on it counts no more, Unix ms.
    pub lapses: u64,
    /// The institution that attests it: it cannot be vetoed then.
    pub attested: Option<u32>,
}

/// registrar's record of a claim that is offered by the custodian.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ClaimRecord {
    /// Format version.
    pub version: V1,
    /// The account that may accept it.
    pub holder: Address,
    /// End of the offer, Unix ms, exclusive.
    pub until: u64,
}

/// ppr's record of an account that acts for the holder.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DelegateRecord {
    /// Format version.
    pub version: V1,
    /// One bit for each power.
    pub powers: u16,
    /// End, Unix ms, exclusive; 0 none.
    pub until: u64,
    /// Epoch of the identity whose holder named it: another holder did not.
    pub epoch: u32,
}

/// Why a case is opened in an emergency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum EmergencyReason {
    /// HL7 ETREAT: emergency treatment.
    Treatment,
    /// HL7 BTG: break the glass.
    BreakTheGlass,
    /// HL7 DISASTER: mass casualty.
    Disaster,
}

/// What a review of an emergency access found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum ReviewOutcome {
    /// It was needed.
    Justified,
    /// It was not.
    Unjustified,
}

/// A review of an emergency access.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Review {
    /// What it found.
    pub outcome: ReviewOutcome,
    /// Whose operator reviewed.
    pub institution: u32,
    /// When, Unix ms.
    pub time: u64,
}

/// ppr's record of an emergency access.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct EmergencyRecord {
    /// Format version.
    pub version: V1,
    /// Who opened the case.
    pub practitioner: Address,
    /// Where the practitioner works.
    pub institution: u32,
    /// Why.
    pub reason: EmergencyReason,
    /// Start, Unix ms.
    pub since: u64,
    /// End, Unix ms, exclusive.
    pub until: u64,
    /// What became of it.
    pub review: Option<Review>,
}

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum DisputeCode {
    /// Its key or body does not open it.
    Unreadable,
    /// It belongs to somebody else.
    WrongPatient,
    /// Its content is false.
    Incorrect,
    /// It leaves out what belongs to it.
    Incomplete,
    /// Its claimed time is not the true one.
    Untimely,
    /// An access that no grant covers.
    Unauthorised,
}

/// summary's record of a disputed entry.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DisputeRecord {
    /// Format version.
    pub version: V1,
    /// What is wrong.
    pub code: DisputeCode,
    /// Since when, Unix ms.
    pub since: u64,
}

/// summary's record of a device lane whose key got into other hands.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CompromiseRecord {
    /// Format version.
    pub version: V1,
    /// The first entry that is in doubt.
    pub index: u32,
    /// Height at which that was first said.
    pub height: u64,
    /// Time of that block, Unix ms.
    pub time: u64,
}

/// summary's record of an author that signed two histories of one lane.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ConflictRecord {
    /// Format version.
    pub version: V1,
    /// The position with two contents.
    pub index: u32,
    /// Height of the proof.
    pub height: u64,
    /// Time of that block, Unix ms.
    pub time: u64,
}

/// `case id ‖ account`, the id of a delegate.
pub fn delegate_id(case: &CaseId, account: &Address) -> [u8; 52] {
    let mut id = [0; 52];
    id[..32].copy_from_slice(&case.0);
    id[32..].copy_from_slice(&account.0);
    id
}

/// `case id ‖ lane id ‖ u32be index`, the id of a dispute.
pub fn dispute_id(case: &CaseId, lane: &LaneId, index: u32) -> [u8; 68] {
    let mut id = [0; 68];
    id[..32].copy_from_slice(&case.0);
    id[32..64].copy_from_slice(&lane.0);
    id[64..].copy_from_slice(&index.to_be_bytes());
    id
}
