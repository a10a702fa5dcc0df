//! Rows of what this agent knows by itself. What the chain says is in `view`.

use casewise_ledger::{
    Address, CaseId, CaseOffer, EntryHeader, Hash, Head, LaneHeader, LaneId, records::Policy,
};

/// Who this database belongs to. Written once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The chain.
    pub chain_id: String,
    /// The network.
    pub net: Hash,
    /// Number at the registrar.
    pub institution: u32,
    /// The operator account's sequence when the database was made or last restored: what the stored
    /// transactions do not explain below it is none of theirs.
    pub baseline: u64,
}

/// Whether this database is known to be an older copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RestoreState {
    /// It is not, or what follows from it is done.
    #[default]
    None,
    /// It is. Every lane is ended; transactions of the time that was lost may still be on their way.
    Pending,
    /// It is. After this height none of those can get into a block any more.
    Until(u64),
}

/// The block up to which the view of the chain is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Height.
    pub height: u64,
    /// Hash of the header.
    pub block: Hash,
    /// Block time, Unix ms.
    pub time: u64,
}

/// Where the registration of a case stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaseState {
    /// Taken in; the holder's fee allowance is not in a block.
    Offered,
    /// The allowance is there; enrolment is not in a block.
    Allowed,
    /// Enrolled on chain.
    Enrolled,
    /// The chain refused it for good.
    Refused,
}

/// A case this institution registered, or was shown again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseRow {
    /// Its id.
    pub case: CaseId,
    /// What the patient showed.
    pub offer: CaseOffer,
    /// What it asks of its authors.
    pub policy: Policy,
    /// Where its registration stands.
    pub state: CaseState,
    /// Why the chain refused it.
    pub error: Option<String>,
}

/// Life of a lane of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneState {
    /// Its keys and letters are durable; it is not open on chain.
    Opening,
    /// Open on chain, and written to.
    Live,
    /// Never written again; its keys are gone. Open on chain until its successor is.
    Ended,
    /// Closed on chain.
    Closed,
}

/// Why a lane was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The case's `rev` went up.
    Revoked,
    /// The database is older than the lane.
    Restored,
    /// The case has another holder.
    Holder,
    /// The lane is closing on chain: its close entry is written.
    Closing,
}

/// A lane of ours: what we hold of it. What is anchored is in its [`LaneView`](super::LaneView).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneRow {
    /// Its id.
    pub lane: LaneId,
    /// Its header.
    pub header: LaneHeader,
    /// Life.
    pub state: LaneState,
    /// Why it ended.
    pub reason: Option<EndReason>,
    /// Entries held and their root.
    pub head: Head,
    /// The case's `rev` when the lane was made.
    pub rev: u32,
    /// The lane that goes on from it.
    pub successor: Option<LaneId>,
}

/// A lane's key set, sealed under an epoch key. Holds only what is still ahead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKeys {
    /// The lane.
    pub lane: LaneId,
    /// Which epoch key.
    pub epoch: u32,
    /// nonce ‖ ciphertext ‖ tag.
    pub wrapped: Vec<u8>,
}

/// An entry without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryRow {
    /// Its header: names lane, index, kind, claimed time.
    pub header: EntryHeader,
    /// Its leaf.
    pub leaf: Hash,
    /// Commitment to its sealing key.
    pub commitment: Hash,
    /// Length of the sealed body, bytes.
    pub body_length: u64,
    /// SHA-256 of the sealed body: the name of its blob.
    pub body_sha256: Hash,
}

/// A request that must not be carried out twice. Both hashes are keyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdempotencyRow {
    /// Hash of the client's key.
    pub key: Hash,
    /// Hash of everything the request said.
    pub request: Hash,
    /// The entry it made.
    pub lane: LaneId,
    /// The entry it made.
    pub index: u32,
}

/// A sealed letter waiting for its reader. `seq` is given by the store, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterRow {
    /// Order of arrival; 0 in a row not yet stored.
    pub seq: u64,
    /// The case.
    pub case: CaseId,
    /// Kind byte of the letter.
    pub kind: u8,
    /// What it is about: a lane or a commitment.
    pub subject: Hash,
    /// H(recipient's X-Wing key).
    pub to: Hash,
    /// The whole letter, Borsh.
    pub bytes: Vec<u8>,
}

/// What a transaction does, so that its fate can be told to what waits for it.
#[derive(Clone, Debug, PartialEq, Eq, borsh::BorshSerialize, borsh::BorshDeserialize)]
pub enum Action {
    /// A fee allowance for the holder of a case.
    Allow {
        /// The case.
        case: CaseId,
    },
    /// Enrols a case, proposes the relationship, opens its first lanes.
    Enrol {
        /// The case.
        case: CaseId,
        /// The lanes.
        lanes: Vec<LaneId>,
    },
    /// Opens a lane.
    Open {
        /// The lane.
        lane: LaneId,
    },
    /// Anchors a head.
    Anchor {
        /// The lane.
        lane: LaneId,
        /// The size.
        size: u32,
        /// The root.
        root: Hash,
    },
    /// Closes a lane at a head and opens the next.
    Rotate {
        /// The old lane.
        lane: LaneId,
        /// Its final size.
        size: u32,
        /// Its final root.
        root: Hash,
        /// The new lane.
        next: LaneId,
    },
    /// Acknowledges a `rev`.
    Ack {
        /// The case.
        case: CaseId,
        /// The `rev`.
        rev: u32,
    },
    /// A fee allowance for another account of a case.
    Sponsor {
        /// The account.
        account: Address,
    },
    /// Closes a lane at its final head.
    Close {
        /// The lane.
        lane: LaneId,
        /// The size.
        size: u32,
    },
}

/// Life of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxState {
    /// Signed and stored; may or may not have been sent.
    Sent,
    /// In a block.
    Included,
    /// In a block, and failed there.
    Failed,
    /// Its last height passed and it is in no block.
    Expired,
}

/// A signed transaction. The bytes are stored before they are first sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxRow {
    /// Its hash.
    pub hash: Hash,
    /// The account's sequence in it.
    pub sequence: u64,
    /// The signed bytes.
    pub bytes: Vec<u8>,
    /// Last height it is valid for.
    pub timeout_height: u64,
    /// Life.
    pub state: TxState,
    /// Block it is in.
    pub height: Option<u64>,
    /// Why it failed.
    pub error: Option<String>,
    /// What it does.
    pub actions: Vec<Action>,
}

/// How many things wait for the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TxCounts {
    /// Sent and undecided.
    pub sent: u64,
    /// In a block.
    pub included: u64,
    /// In a block, and failed.
    pub failed: u64,
    /// Never in a block.
    pub expired: u64,
}
