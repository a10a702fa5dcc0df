//! summary: what happened. Lanes, their anchored heads, and what the holder has seen of them.

use casewise_ledger::{
    AnchorBatch, CaseId, ConflictProof, Hash, LaneHeader, LaneId, RotateBatch, V1, records,
};
use cosmwasm_schema::{QueryResponses, cw_serde};
use cosmwasm_std::{Binary, HexBinary, Uint64};

use crate::{
    ProtocolError,
    convert::{self, CaseStatus, DisputeCode, LaneClass, LaneStatus, PartyInfo},
    rules::{CareStatus, LaneFault},
};

/// Most lanes opened in one message.
pub const MAX_OPEN: usize = 64;
/// Most lanes named in one `CloseOverdue`.
pub const MAX_CLOSE_OVERDUE: usize = 64;
/// Most lanes named in one `Seen`.
pub const MAX_SEEN: usize = 64;
/// Most content lanes of a case that are not closed, of all authors: bounds the work of a wind-up.
pub const MAX_CASE_LANES: u32 = 256;
/// Longest ordinary time between two blocks, ms. A silence counts at most this much for each block
/// that was made during it, so that a network that stood still makes nobody late.
pub const MAX_BLOCK_INTERVAL_MS: u64 = 10_000;

/// What the contract starts with. It has no admin: a new version is a new instance.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct InstantiateMsg {
    /// The registrar's address.
    pub registrar: String,
    /// The ppr contract's address.
    pub ppr: String,
}

/// How far the holder has seen a lane.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct SeenItem {
    /// The lane, 32 bytes.
    pub lane: HexBinary,
    /// Entries seen, at most the anchored size.
    pub size: u32,
}

/// What can be done.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub enum ExecuteMsg {
    /// An operator opens lanes of its institution.
    Open {
        /// Borsh `LaneHeader`s, at most [`MAX_OPEN`].
        headers: Vec<Binary>,
    },
    /// An operator anchors heads of its institution's lanes. Data: [`BatchResponse`].
    Anchor {
        /// Borsh `AnchorBatch`.
        blob: Binary,
    },
    /// An operator closes lanes at a final head and opens the lanes that go on from them. Each is
    /// done whole or not at all. Data: [`BatchResponse`].
    Rotate {
        /// Borsh `RotateBatch`.
        blob: Binary,
    },
    /// An operator closes lanes at a final head. Data: [`BatchResponse`].
    Close {
        /// Borsh `AnchorBatch`.
        blob: Binary,
    },
    /// ppr tells that a relationship is declined, suspended or ended: the institution's content lanes
    /// get a deadline. Once it is suspended or ended anyone may tell it, also to an older summary.
    Closing {
        /// The case, 32 bytes.
        case: HexBinary,
        /// The institution.
        institution: u32,
    },
    /// Anyone closes content lanes whose deadline is over, at their stored size. Data:
    /// [`BatchResponse`].
    CloseOverdue {
        /// The lanes, 32 bytes each, at most [`MAX_CLOSE_OVERDUE`].
        lanes: Vec<HexBinary>,
    },
    /// The holder, or an operator of an institution whose relationship is in force, winds the case
    /// up: no lane is opened or rotated any more, and all open content lanes get a deadline.
    WindUp {
        /// The case, 32 bytes.
        case: HexBinary,
    },
    /// The holder, or an operator of an institution whose relationship is in force, proposes that a
    /// case whose content lanes are all closed is complete.
    ProposeCompletion {
        /// The case, 32 bytes.
        case: HexBinary,
        /// The case's digest, 32 bytes.
        digest: HexBinary,
    },
    /// The holder approves: the case is completed.
    ApproveCompletion {
        /// The case, 32 bytes.
        case: HexBinary,
        /// The digest proposed, 32 bytes.
        digest: HexBinary,
    },
    /// The holder, or an operator of an institution whose relationship is in force, objects: the
    /// case is open again.
    ObjectCompletion {
        /// The case, 32 bytes.
        case: HexBinary,
        /// The digest proposed, 32 bytes.
        digest: HexBinary,
    },
    /// Anyone completes a case whose proposal nobody objected to in time.
    FinishCompletion {
        /// The case, 32 bytes.
        case: HexBinary,
        /// The digest proposed, 32 bytes.
        digest: HexBinary,
    },
    /// The author of a device lane says that from an entry on the device's key was in other hands.
    /// The lane takes no more anchors; it can be rotated or closed at its anchored head. A later
    /// message may name an earlier entry, never a later one.
    Compromised {
        /// The lane, 32 bytes.
        lane: HexBinary,
        /// The first entry in doubt.
        index: u32,
    },
    /// The holder disputes an anchored entry.
    Dispute {
        /// The lane, 32 bytes.
        lane: HexBinary,
        /// The entry.
        index: u32,
        /// What is wrong with it.
        code: DisputeCode,
    },
    /// The holder takes a dispute back.
    WithdrawDispute {
        /// The lane, 32 bytes.
        lane: HexBinary,
        /// The entry.
        index: u32,
    },
    /// Anyone proves that a lane's author gave two histories of it.
    ProveConflict {
        /// Borsh `ConflictProof`.
        proof: Binary,
    },
    /// The holder acknowledges what it has seen.
    Seen {
        /// The case, 32 bytes.
        case: HexBinary,
        /// Lanes and sizes, at most [`MAX_SEEN`].
        items: Vec<SeenItem>,
    },
}

/// What became of a batch: items not listed took effect, or had done so before.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct BatchResponse {
    /// Items that failed, in ascending position.
    pub failed: Vec<Failure>,
}

/// An item of a batch that failed alone.
#[cw_serde]
#[derive(Copy, Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct Failure {
    /// Position in the batch, from 0.
    pub position: u32,
    /// Why.
    pub code: LaneFault,
}

/// What can be asked.
#[cw_serde]
#[derive(QueryResponses)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub enum QueryMsg {
    /// The contract's settings.
    #[returns(ConfigResponse)]
    Config {},
    /// A lane.
    #[returns(Option<LaneInfo>)]
    Lane {
        /// Its id, 32 bytes.
        lane: HexBinary,
    },
    /// A case's lanes in ascending id, closed ones included.
    #[returns(LanesResponse)]
    Lanes {
        /// The case, 32 bytes.
        case: HexBinary,
        /// Lane after which to start, 32 bytes.
        start_after: Option<HexBinary>,
        /// Items of the page.
        limit: Option<u32>,
    },
    /// A case.
    #[returns(Option<CaseInfo>)]
    Case {
        /// Its id, 32 bytes.
        case: HexBinary,
    },
    /// How long the open content lanes of an author have been silent, against the case's policy.
    #[returns(CadenceResponse)]
    Cadence {
        /// The case, 32 bytes.
        case: HexBinary,
        /// Who writes.
        author: PartyInfo,
    },
    /// A case's disputed entries in ascending lane and index.
    #[returns(DisputesResponse)]
    Disputes {
        /// The case, 32 bytes.
        case: HexBinary,
        /// Entry after which to start.
        start_after: Option<EntryKey>,
        /// Items of the page.
        limit: Option<u32>,
    },
    /// What is said against a lane: its device's key in other hands, two histories.
    #[returns(MarksResponse)]
    Marks {
        /// The lane, 32 bytes.
        lane: HexBinary,
    },
    /// Lanes of which an author itself gave two histories, in ascending lane. Where a device gave one
    /// of them only the lane is marked.
    #[returns(ConflictsResponse)]
    Conflicts {
        /// Who writes.
        author: PartyInfo,
        /// Lane after which to start, 32 bytes.
        start_after: Option<HexBinary>,
        /// Items of the page.
        limit: Option<u32>,
    },
    /// Where an institution stands with a case, in one word, and how far its lanes are seen.
    #[returns(StatusResponse)]
    Status {
        /// The case, 32 bytes.
        case: HexBinary,
        /// The institution.
        institution: u32,
    },
}

/// The contract's settings.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct ConfigResponse {
    /// The registrar's address.
    pub registrar: String,
    /// The ppr contract's address.
    pub ppr: String,
}

/// A lane.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct LaneInfo {
    /// Its id, 32 bytes.
    pub lane: HexBinary,
    /// Life.
    pub status: LaneStatus,
    /// Content or access.
    pub class: LaneClass,
    /// The case, 32 bytes.
    pub case: HexBinary,
    /// Who writes.
    pub author: PartyInfo,
    /// Ed25519 key of a device lane, 32 bytes.
    pub signer: Option<HexBinary>,
    /// Entries anchored.
    pub size: u32,
    /// Root over them, 32 bytes.
    pub root: HexBinary,
    /// Height of the last head that changed size, or of open.
    pub height: Uint64,
    /// Time of that block, Unix ms.
    pub time: Uint64,
    /// Entries the holder has seen.
    pub seen: u32,
    /// Deadline of a closing lane, Unix ms.
    pub due: Option<Uint64>,
}

impl LaneInfo {
    /// The id and the frozen record.
    pub fn record(&self) -> Result<(LaneId, records::LaneRecord), ProtocolError> {
        let record = records::LaneRecord {
            version: V1,
            status: self.status.into(),
            class: self.class.into(),
            case: convert::case_id(&self.case)?,
            author: self.author.party()?,
            signer: self.signer.as_ref().map(|key| convert::fixed("signer", key)).transpose()?,
            size: self.size,
            root: convert::fixed("root", &self.root)?,
            height: self.height.u64(),
            time: self.time.u64(),
            seen: self.seen,
        };
        Ok((convert::lane_id(&self.lane)?, record))
    }
}

/// A page of lanes.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct LanesResponse {
    /// In ascending id.
    pub lanes: Vec<LaneInfo>,
}

/// A case.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct CaseInfo {
    /// Life.
    pub status: CaseStatus,
    /// Content lanes that are not closed.
    pub open: u32,
    /// Digest of the content lanes closed so far, 32 bytes.
    pub digest: HexBinary,
    /// Height of the last change.
    pub height: Uint64,
    /// Deadline of closing or of a proposed completion, Unix ms.
    pub due: Option<Uint64>,
}

impl CaseInfo {
    /// Of a frozen record and its deadline, Unix ms.
    pub fn new(record: &records::CaseRecord, due: Option<u64>) -> Self {
        Self {
            status: record.status.into(),
            open: record.open,
            digest: convert::hex(&record.digest),
            height: record.height.into(),
            due: due.map(Uint64::from),
        }
    }

    /// The frozen record.
    pub fn record(&self) -> Result<records::CaseRecord, ProtocolError> {
        Ok(records::CaseRecord {
            version: V1,
            status: self.status.into(),
            open: self.open,
            digest: convert::fixed("digest", &self.digest)?,
            height: self.height.u64(),
        })
    }
}

/// An entry's place.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct EntryKey {
    /// The lane, 32 bytes.
    pub lane: HexBinary,
    /// Its position.
    pub index: u32,
}

impl EntryKey {
    /// Of a lane and a position.
    pub fn new(lane: &LaneId, index: u32) -> Self {
        Self { lane: convert::hex(&lane.0), index }
    }
}

/// How an author keeps to the case's policy.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct CadenceResponse {
    /// The policy's longest silence, seconds; 0 none.
    pub cadence: u32,
    /// The policy's longest time between an entry's claimed time and its anchor, seconds; 0 none.
    /// Claimed times are in the entries: who reads them compares.
    pub lateness: u32,
    /// The author's content lanes that are not closed.
    pub lanes: Vec<LaneCadence>,
}

/// How long a lane has been silent.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct LaneCadence {
    /// The lane, 32 bytes.
    pub lane: HexBinary,
    /// Time since the last head that changed its size, or since it was opened, ms; at most
    /// [`MAX_BLOCK_INTERVAL_MS`] for each block made since.
    pub silence: Uint64,
    /// Longer than the policy allows.
    pub late: bool,
}

/// A page of disputed entries.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct DisputesResponse {
    /// In ascending lane and index.
    pub disputes: Vec<DisputeInfo>,
}

/// A disputed entry.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct DisputeInfo {
    /// The lane, 32 bytes.
    pub lane: HexBinary,
    /// Its position.
    pub index: u32,
    /// What is wrong with it.
    pub code: DisputeCode,
    /// Since when, Unix ms.
    pub since: Uint64,
}

impl DisputeInfo {
    /// Of an entry's place and the frozen record.
    pub fn new(lane: &LaneId, index: u32, record: &records::DisputeRecord) -> Self {
        Self { lane: convert::hex(&lane.0), index, code: record.code.into(), since: record.since.into() }
    }

    /// The entry's place and the frozen record.
    pub fn record(&self) -> Result<((LaneId, u32), records::DisputeRecord), ProtocolError> {
        let record = records::DisputeRecord { version: V1, code: self.code.into(), since: self.since.u64() };
        Ok(((convert::lane_id(&self.lane)?, self.index), record))
    }
}

/// What is said against a lane.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct MarksResponse {
    /// Its device's key was in other hands.
    pub compromised: Option<MarkInfo>,
    /// Its author gave two histories.
    pub conflict: Option<MarkInfo>,
}

/// A mark on a lane.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct MarkInfo {
    /// The first entry in doubt, or the one with two contents.
    pub index: u32,
    /// Height at which it was first said.
    pub height: Uint64,
    /// Time of that block, Unix ms.
    pub time: Uint64,
}

impl From<&records::CompromiseRecord> for MarkInfo {
    fn from(record: &records::CompromiseRecord) -> Self {
        Self { index: record.index, height: record.height.into(), time: record.time.into() }
    }
}

impl From<&records::ConflictRecord> for MarkInfo {
    fn from(record: &records::ConflictRecord) -> Self {
        Self { index: record.index, height: record.height.into(), time: record.time.into() }
    }
}

impl MarkInfo {
    /// The frozen record of a lane whose device's key was in other hands.
    pub fn compromise(&self) -> records::CompromiseRecord {
        let (height, time) = (self.height.u64(), self.time.u64());
        records::CompromiseRecord { version: V1, index: self.index, height, time }
    }

    /// The frozen record of a lane with two histories.
    pub fn conflict(&self) -> records::ConflictRecord {
        let (height, time) = (self.height.u64(), self.time.u64());
        records::ConflictRecord { version: V1, index: self.index, height, time }
    }
}

/// A page of lanes with two histories.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct ConflictsResponse {
    /// In ascending lane, 32 bytes each.
    pub lanes: Vec<HexBinary>,
}

/// Where an institution stands with a case.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct StatusResponse {
    /// In one word.
    pub status: CareStatus,
    /// Its content lanes that are not closed.
    pub lanes: Vec<LaneSeen>,
    /// Its closed content lanes of which the holder has not seen everything.
    pub closed_unseen: u32,
}

/// How far a lane is seen.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct LaneSeen {
    /// The lane, 32 bytes.
    pub lane: HexBinary,
    /// Entries anchored.
    pub size: u32,
    /// Entries the holder has seen.
    pub seen: u32,
}

impl LaneSeen {
    /// The lane's id.
    pub fn lane_id(&self) -> Result<LaneId, ProtocolError> {
        convert::lane_id(&self.lane)
    }
}

impl ExecuteMsg {
    /// Opens lanes.
    pub fn open(headers: &[LaneHeader]) -> Self {
        Self::Open { headers: headers.iter().map(convert::blob).collect() }
    }

    /// Anchors heads.
    pub fn anchor(batch: &AnchorBatch) -> Self {
        Self::Anchor { blob: convert::blob(batch) }
    }

    /// Closes lanes and opens their successors.
    pub fn rotate(batch: &RotateBatch) -> Self {
        Self::Rotate { blob: convert::blob(batch) }
    }

    /// Closes lanes.
    pub fn close(batch: &AnchorBatch) -> Self {
        Self::Close { blob: convert::blob(batch) }
    }

    /// Tells that a relationship is over.
    pub fn closing(case: &CaseId, institution: u32) -> Self {
        Self::Closing { case: convert::hex(&case.0), institution }
    }

    /// Closes lanes whose deadline is over.
    pub fn close_overdue(lanes: &[LaneId]) -> Self {
        Self::CloseOverdue { lanes: lanes.iter().map(|lane| convert::hex(&lane.0)).collect() }
    }

    /// Acknowledges what the holder has seen.
    pub fn seen(case: &CaseId, items: &[(LaneId, u32)]) -> Self {
        let items = items.iter().map(|(lane, size)| SeenItem { lane: convert::hex(&lane.0), size: *size });
        Self::Seen { case: convert::hex(&case.0), items: items.collect() }
    }

    /// Winds a case up.
    pub fn wind_up(case: &CaseId) -> Self {
        Self::WindUp { case: convert::hex(&case.0) }
    }

    /// Proposes that a case is complete at a digest.
    pub fn propose_completion(case: &CaseId, digest: &Hash) -> Self {
        Self::ProposeCompletion { case: convert::hex(&case.0), digest: convert::hex(digest) }
    }

    /// Approves a completion.
    pub fn approve_completion(case: &CaseId, digest: &Hash) -> Self {
        Self::ApproveCompletion { case: convert::hex(&case.0), digest: convert::hex(digest) }
    }

    /// Objects to a completion.
    pub fn object_completion(case: &CaseId, digest: &Hash) -> Self {
        Self::ObjectCompletion { case: convert::hex(&case.0), digest: convert::hex(digest) }
    }

    /// Finishes a completion to which nobody objected.
    pub fn finish_completion(case: &CaseId, digest: &Hash) -> Self {
        Self::FinishCompletion { case: convert::hex(&case.0), digest: convert::hex(digest) }
    }

    /// Says that from an entry on a device's key was in other hands.
    pub fn compromised(lane: &LaneId, index: u32) -> Self {
        Self::Compromised { lane: convert::hex(&lane.0), index }
    }

    /// Disputes an entry.
    pub fn dispute(lane: &LaneId, index: u32, code: records::DisputeCode) -> Self {
        Self::Dispute { lane: convert::hex(&lane.0), index, code: code.into() }
    }

    /// Takes a dispute back.
    pub fn withdraw_dispute(lane: &LaneId, index: u32) -> Self {
        Self::WithdrawDispute { lane: convert::hex(&lane.0), index }
    }

    /// Proves two histories of a lane.
    pub fn prove_conflict(proof: &ConflictProof) -> Self {
        Self::ProveConflict { proof: convert::blob(proof) }
    }
}

impl QueryMsg {
    /// Asks for a lane.
    pub fn lane(lane: &LaneId) -> Self {
        Self::Lane { lane: convert::hex(&lane.0) }
    }

    /// Asks for a page of a case's lanes.
    pub fn lanes(case: &CaseId, start_after: Option<&LaneId>, limit: Option<u32>) -> Self {
        let start_after = start_after.map(|lane| convert::hex(&lane.0));
        Self::Lanes { case: convert::hex(&case.0), start_after, limit }
    }

    /// Asks for a case.
    pub fn case(case: &CaseId) -> Self {
        Self::Case { case: convert::hex(&case.0) }
    }

    /// Asks where an institution stands with a case.
    pub fn status(case: &CaseId, institution: u32) -> Self {
        Self::Status { case: convert::hex(&case.0), institution }
    }

    /// Asks how long an author's lanes have been silent.
    pub fn cadence(case: &CaseId, author: PartyInfo) -> Self {
        Self::Cadence { case: convert::hex(&case.0), author }
    }

    /// Asks for a page of a case's disputed entries.
    pub fn disputes(case: &CaseId, start_after: Option<(&LaneId, u32)>, limit: Option<u32>) -> Self {
        let start_after = start_after.map(|(lane, index)| EntryKey::new(lane, index));
        Self::Disputes { case: convert::hex(&case.0), start_after, limit }
    }

    /// Asks what is said against a lane.
    pub fn marks(lane: &LaneId) -> Self {
        Self::Marks { lane: convert::hex(&lane.0) }
    }

    /// Asks for a page of an author's lanes with two histories.
    pub fn conflicts(author: PartyInfo, start_after: Option<&LaneId>, limit: Option<u32>) -> Self {
        let start_after = start_after.map(|lane| convert::hex(&lane.0));
        Self::Conflicts { author, start_after, limit }
    }
}
