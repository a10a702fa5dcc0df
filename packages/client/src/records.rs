//! Reading a case: entries opened, in order of time.
//!
//! Responsible for: nothing is opened that is not in a tree whose root is anchored. Must never keep
//! what it opened.

use casewise_keytree::KeySet;
use casewise_ledger::account::AccountKey;
use casewise_ledger::merkle::{NodeId, ProofPlan, node};
use casewise_ledger::{AnchoredHead, Class, Data, Hash, Kind, LaneId, Party};
use casewise_seal::{AcceptedEntry, ListedEntry, accept_entry};

use futures::StreamExt as _;

use crate::agent::Agent;
use crate::book::{CaseState, KeptHead, LaneState};
use crate::heads::covering;
use crate::patient::ledger;
use crate::{ClientError, Patient, integrity};

/// Bodies fetched at the same time.
const AT_ONCE: usize = 8;

/// An entry of the timeline.
#[derive(Clone, Debug)]
pub struct TimelineItem {
    /// Its lane.
    pub lane: LaneId,
    /// Its index.
    pub index: u32,
    /// Content or access.
    pub class: Class,
    /// Who wrote it.
    pub author: Party,
    /// What it is.
    pub kind: Kind,
    /// Claimed time, Unix ms.
    pub time: u64,
    /// Height and time (Unix ms) of the first block that covers it; `None` when that head is not
    /// known here.
    pub anchored: Option<(u64, u64)>,
    /// Bytes of its sealed body.
    pub body_length: u64,
}

/// Every verified entry of a lane as a tree, from which any inclusion proof can be made.
pub(crate) struct LaneTree {
    state: LaneState,
    lane: LaneId,
    entries: Vec<ListedEntry>,
    levels: Vec<Vec<Hash>>,
    head: AnchoredHead,
}

impl LaneTree {
    fn new(state: LaneState, entries: Vec<ListedEntry>) -> Result<Self, ClientError> {
        let lane = state.header.id();
        let what = "the wallet's record of a lane";
        let root = state.frontier().map_err(ledger(what))?.root();
        if entries.len() as u64 != u64::from(state.size) {
            return Err(ClientError::Store { reason: "entries of a lane are missing".into() });
        }
        let mut levels = vec![entries.iter().map(ListedEntry::leaf).collect::<Vec<Hash>>()];
        while levels[levels.len() - 1].len() > 1 {
            let below = &levels[levels.len() - 1];
            let above = below.chunks_exact(2).map(|pair| node(&pair[0], &pair[1])).collect();
            levels.push(above);
        }
        let head = AnchoredHead { lane, size: state.size, root };
        Ok(Self { state, lane, entries, levels, head })
    }

    /// The entries, by index.
    pub(crate) fn entries(&self) -> &[ListedEntry] {
        &self.entries
    }

    /// The inclusion proof of an entry in the tree of its first `size` entries.
    pub(crate) fn proof(&self, index: u32, size: u32) -> Result<Vec<Hash>, ClientError> {
        let plan = ProofPlan::inclusion(index, size).map_err(ledger("an entry's place"))?;
        let lookup = |id: NodeId| self.levels.get(usize::from(id.level))?.get(id.index as usize).copied();
        let proof = plan.assemble(lookup);
        proof.ok_or_else(|| ClientError::Store { reason: "entries of a lane are missing".into() })
    }

    /// An entry, accepted under the verified head.
    pub(crate) fn accept(&self, index: u32) -> Result<AcceptedEntry, ClientError> {
        let what = format!("entry {index} of lane {}", self.lane);
        let entry = self.entries.get(index as usize);
        let entry = entry
            .ok_or_else(|| ClientError::not_found(format!("{what} (the lane has {})", self.state.size)))?;
        let proof = self.proof(index, self.state.size)?;
        accept_entry(&self.state.header, &self.head, index, entry, &proof)
            .map_err(|error| integrity::seal(&what, error))
    }
}

impl Patient<'_> {
    /// Every verified entry of a case, by claimed time.
    pub async fn timeline(
        &self,
        case: &CaseState,
        class: Option<Class>,
    ) -> Result<Vec<TimelineItem>, ClientError> {
        let mut items = Vec::new();
        for state in self.book.lanes(case.n).await? {
            if class.is_some_and(|class| class != state.header.class) {
                continue;
            }
            let lane = state.header.id();
            let heads = self.book.heads(&lane).await?;
            for entry in self.book.entries(&lane, 0).await? {
                items.push(item(&state, lane, &ListedEntry::from(&entry), &heads));
            }
        }
        items.sort_by_key(|item| (item.time, item.lane, item.index));
        Ok(items)
    }

    /// The verified entries of a lane.
    pub(crate) async fn lane_tree(&self, case: &CaseState, lane: &LaneId) -> Result<LaneTree, ClientError> {
        let state = self.book.lane(case.n, lane).await?;
        let state = state.ok_or_else(|| ClientError::not_found(format!("lane {lane} in case {}", case.n)))?;
        let entries = self.book.entries(lane, 0).await?;
        LaneTree::new(state, entries.iter().map(ListedEntry::from).collect())
    }

    /// Fetches, accepts and opens one entry.
    pub async fn open(
        &self,
        case: &CaseState,
        lane: &LaneId,
        index: u32,
    ) -> Result<(ListedEntry, Data), ClientError> {
        let mut opened = None;
        self.open_entries(case, lane, &[index], &mut |_, entry| opened = Some(entry)).await?;
        opened.unwrap_or_else(|| Err(ClientError::not_found(format!("entry {index} of lane {lane}"))))
    }

    /// Fetches, accepts and opens entries of one lane, several at a time, and hands each to `take` in
    /// the order asked for: opened, or why not.
    /// Errors: what concerns them all, such as an author that is not listed.
    pub async fn open_entries(
        &self,
        case: &CaseState,
        lane: &LaneId,
        indices: &[u32],
        take: &mut (dyn FnMut(u32, Result<(ListedEntry, Data), ClientError>) + Send),
    ) -> Result<(), ClientError> {
        let tree = self.lane_tree(case, lane).await?;
        let keys = self.key_set(case.n, &tree.state.header).await?;
        let keys = keys.ok_or_else(|| ClientError::not_found(format!("the root letter of lane {lane}")))?;
        let key = self.key(case)?;
        let agent = self.author(&tree, &key).await?;
        let (tree, keys, agent) = (&tree, &keys, &agent);
        let opening = futures::stream::iter(indices.iter().copied())
            .map(|index| async move { (index, open_one(agent, tree, keys, index).await) });
        let mut opened = std::pin::pin!(opening.buffered(AT_ONCE));
        let mut done = 0;
        while let Some((index, entry)) = opened.next().await {
            done += 1;
            self.tell(done, Some(indices.len() as u64), "opening entries");
            take(index, entry);
        }
        Ok(())
    }

    /// The agent of a lane's author.
    pub(crate) async fn author<'b>(
        &self,
        tree: &LaneTree,
        key: &'b AccountKey,
    ) -> Result<Agent<'b>, ClientError>
    where
        Self: 'b,
    {
        match tree.state.header.author {
            Party::Institution(number) => self.agent(number, key).await,
            Party::Account(_) => {
                Err(ClientError::Refused { what: format!("lane {} is not an institution's", tree.lane) })
            }
        }
    }
}

async fn open_one(
    agent: &Agent<'_>,
    tree: &LaneTree,
    keys: &KeySet,
    index: u32,
) -> Result<(ListedEntry, Data), ClientError> {
    let what = format!("entry {index} of lane {}", tree.lane);
    let accepted = tree.accept(index)?;
    let key = keys.derive(index).map_err(|error| ClientError::integrity(&what, error))?;
    let body = agent.body(&tree.lane, index, accepted.entry().body_length).await?;
    let data = accepted.open(&key, &body).map_err(|error| integrity::seal(&what, error))?;
    Ok((accepted.entry().clone(), data))
}

impl LaneTree {
    /// What is kept of the lane.
    pub(crate) fn state(&self) -> &LaneState {
        &self.state
    }
}

fn item(state: &LaneState, lane: LaneId, entry: &ListedEntry, heads: &[KeptHead]) -> TimelineItem {
    let anchored = covering(heads, entry.header.index).map(|head| (head.height, head.time));
    TimelineItem {
        lane,
        index: entry.header.index,
        class: state.header.class,
        author: state.header.author,
        kind: entry.header.kind,
        time: entry.header.time,
        anchored,
        body_length: entry.body_length,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use casewise_ledger::entry::{Beacon, SUITE_GCM_SIV};
    use casewise_ledger::merkle::{Frontier, verify_inclusion};
    use casewise_ledger::{CaseId, EntryHeader, LaneHeader, V1};

    fn tree(size: u32) -> LaneTree {
        let header = LaneHeader {
            version: V1,
            case: CaseId([1; 32]),
            author: Party::Institution(1),
            class: Class::Content,
            minimum: 1024,
            epoch: 0,
            root: [2; 32],
            signer: None,
            predecessor: None,
            nonce: [3; 16],
        };
        let lane = header.id();
        let entries: Vec<ListedEntry> = (0..size)
            .map(|index| ListedEntry {
                header: EntryHeader {
                    version: V1,
                    suite: SUITE_GCM_SIV,
                    lane,
                    index,
                    kind: Kind::Record,
                    time: 1,
                    beacon: Beacon::default(),
                    prev: None,
                },
                commitment: [index as u8; 32],
                body_length: 1040,
                body_sha256: [9; 32],
            })
            .collect();
        let mut frontier = Frontier::default();
        for entry in &entries {
            frontier.push(entry.leaf()).unwrap();
        }
        let mut state = LaneState::new(header);
        (state.size, state.peaks) = (size, frontier.peaks().to_vec());
        LaneTree::new(state, entries).unwrap()
    }

    #[test]
    fn proofs_of_every_entry_in_every_tree() {
        let whole = tree(21);
        for size in 1..=21 {
            let root = tree(size).head.root;
            for index in 0..size {
                let proof = whole.proof(index, size).unwrap();
                verify_inclusion(&whole.entries[index as usize].leaf(), index, size, &proof, &root).unwrap();
            }
        }
        assert!(whole.proof(21, 21).is_err());
        assert!(whole.proof(0, 22).is_err() || whole.proof(21, 22).is_err());
    }

    #[test]
    fn an_entry_past_the_end_is_not_found() {
        assert!(tree(3).accept(2).is_ok());
        assert!(matches!(tree(3).accept(3), Err(ClientError::NotFound { .. })));
        assert!(matches!(tree(0).accept(0), Err(ClientError::NotFound { .. })));
    }

    #[test]
    fn a_wallet_with_missing_entries_is_refused() {
        let whole = tree(3);
        let entries = whole.entries[..2].to_vec();
        assert!(matches!(LaneTree::new(whole.state, entries), Err(ClientError::Store { .. })));
    }
}
