//! What accepted evidence shows, what it does not, and what it assumes.

use std::fmt;

use casewise_ledger::records::{InstitutionStatus, LaneStatus};
use casewise_ledger::{Address, CaseId, Class, Data, Kind, LaneId};
use casewise_seal::ListedEntry;
use serde::Serialize;

/// What every acceptance assumes.
pub const ASSUMPTIONS: &[&str] = &[
    "The trust anchor is right: it did not come from whoever gave the file.",
    "The keys of validators from the trust anchor on did not leak, then or later, and no two thirds of \
     their power signed a second history.",
    "SHA-256 has no collisions, and Ed25519 signatures cannot be forged.",
];

/// What accepted evidence shows. Times are Unix ms.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// The chain.
    pub chain_id: String,
    /// The case.
    pub case: CaseId,
    /// The lane.
    pub lane: LaneId,
    /// What the lane holds.
    pub class: Class,
    /// Where the lane was in its life.
    pub lane_status: LaneStatus,
    /// Who wrote it.
    pub author: Author,
    /// How many entries it had.
    pub size: u32,
    /// How many of them the holder had acknowledged.
    pub seen: u32,
    /// Height of the block that anchored this size.
    pub anchored_height: u64,
    /// Time of that block: every entry in the file existed before it.
    pub anchored_time: u64,
    /// Height of the state the record is of.
    pub height: u64,
    /// Time of the header that commits to it.
    pub header_time: u64,
    /// Hash of that header, hex.
    pub header_hash: String,
    /// Voting power that signed it.
    pub signed_power: u64,
    /// All voting power.
    pub total_power: u64,
    /// Height of the trust anchor.
    pub anchor_height: u64,
    /// How often the validators changed since.
    pub links: usize,
    /// The entries.
    pub entries: Vec<EntryVerdict>,
    /// What was not checked, in words.
    pub not_checked: Vec<String>,
    /// What is assumed, in words.
    pub assumptions: &'static [&'static str],
}

/// Who wrote the lane, by the registrar's record at the same height.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// An institution.
    Institution {
        /// Its number.
        number: u32,
        /// Its name.
        name: String,
        /// Whether it could act.
        status: InstitutionStatus,
    },
    /// The holder of the case.
    Holder {
        /// The account.
        account: Address,
    },
}

/// What was checked of an entry's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyState {
    /// The file holds neither body nor key.
    Absent,
    /// The body is the one anchored; without the key it stays closed.
    Sealed,
    /// The key is the one of this entry; without the body there is nothing to open.
    KeyOnly,
    /// The body is the one anchored, and it opened.
    Opened,
}

/// The recent block an entry names: the entry was not made before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BeaconState {
    /// It names none.
    None,
    /// It names one that the file does not prove.
    Claimed {
        /// Its height.
        height: u64,
    },
    /// It names a block of this chain.
    Proven {
        /// Its height.
        height: u64,
        /// Its time: the entry was not made before it.
        time: u64,
    },
}

/// An entry that stands in the lane.
#[derive(Clone, Serialize)]
pub struct EntryVerdict {
    /// Its index.
    pub index: u32,
    /// What it is.
    pub kind: Kind,
    /// The time its author claims.
    pub time: u64,
    /// Length of the sealed body, bytes.
    pub body_length: u64,
    /// What was checked of the content.
    pub body: BodyState,
    /// Media type of opened content.
    pub media_type: Option<String>,
    /// Length of opened content, bytes.
    pub content_length: Option<u64>,
    /// Not made before.
    pub beacon: BeaconState,
    /// The opened content. Not shown by `Debug` and not written as JSON.
    #[serde(skip)]
    pub content: Option<Data>,
}

impl EntryVerdict {
    pub(crate) fn new(
        entry: &ListedEntry,
        body: BodyState,
        content: Option<Data>,
        beacon: BeaconState,
    ) -> Self {
        let (media_type, content_length) = match &content {
            Some(Data::Content { media_type, content }) => {
                (Some(media_type.clone()), Some(content.len() as u64))
            }
            _ => (None, None),
        };
        Self {
            index: entry.header.index,
            kind: entry.header.kind,
            time: entry.header.time,
            body_length: entry.body_length,
            body,
            media_type,
            content_length,
            beacon,
            content,
        }
    }

    /// What was not checked of this entry, in words.
    fn not_checked(&self) -> impl Iterator<Item = String> {
        let index = self.index;
        let body = match self.body {
            BodyState::Absent => {
                Some(format!("entry {index}: the file holds no body, so its content is not shown"))
            }
            BodyState::Sealed => {
                Some(format!("entry {index}: the file holds no key, so the body stays closed"))
            }
            BodyState::KeyOnly => Some(format!("entry {index}: the file holds no body for the key to open")),
            BodyState::Opened => None,
        };
        let beacon = match self.beacon {
            BeaconState::None => Some(format!("entry {index}: it names no block that it was made after")),
            BeaconState::Claimed { height } => {
                Some(format!("entry {index}: the file does not prove block {height} that it was made after"))
            }
            BeaconState::Proven { .. } => None,
        };
        body.into_iter().chain(beacon)
    }
}

impl fmt::Debug for EntryVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntryVerdict")
            .field("index", &self.index)
            .field("kind", &self.kind)
            .field("body", &self.body)
            .field("beacon", &self.beacon)
            .finish_non_exhaustive()
    }
}

/// What no evidence file shows.
pub(crate) fn not_checked(entries: &[EntryVerdict]) -> Vec<String> {
    let mut out: Vec<String> = entries.iter().flat_map(EntryVerdict::not_checked).collect();
    out.push("whether the claimed times are true: only that the entries existed before anchored_time".into());
    out.push("whether the lane has later entries: only those up to its size at this height".into());
    out
}
