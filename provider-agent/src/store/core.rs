//! Reads and writes of everything that writes lanes: cases, lanes, entries, transactions, the view.

use async_trait::async_trait;
use casewise_ledger::{
    Address, CaseId, Commitment, Hash, Head, LaneHeader, LaneId, merkle::NodeId, records::Policy,
};

use super::{
    CaseRow, CaseState, Change, Cursor, CustodyWrite, EndReason, EntryRow, GrantView, HolderWrite,
    IdempotencyRow, IdentityView, InstitutionView, LaneRow, LaneView, LetterRow, Owner, ReadingWrite,
    RelationshipView, RestoreState, RevView, StoreError, TxCounts, TxRow, TxState, ViewPage, ViewPlace,
    WrappedKeys,
};

/// Reads. Each answer is of committed state; two answers may be of two states.
#[async_trait]
pub trait CoreStore: Send + Sync {
    /// Number of the last commit, 0 in a new database.
    async fn commit_number(&self) -> Result<u64, StoreError>;
    /// The life of this database; `None` in a new one. The epoch file names the same.
    async fn life(&self) -> Result<Option<[u8; 16]>, StoreError>;
    /// Who the database belongs to.
    async fn owner(&self) -> Result<Option<Owner>, StoreError>;
    /// Whether the database is known to be an older copy.
    async fn restore_state(&self) -> Result<RestoreState, StoreError>;
    /// How far the view is.
    async fn cursor(&self) -> Result<Option<Cursor>, StoreError>;

    /// A case.
    async fn case(&self, case: &CaseId) -> Result<Option<CaseRow>, StoreError>;
    /// Cases in a state, ascending by id.
    async fn cases_in(&self, state: CaseState, limit: u32) -> Result<Vec<CaseRow>, StoreError>;
    /// The case linked to an identifier, by its keyed hash.
    async fn linked(&self, identifier: &Hash) -> Result<Option<CaseId>, StoreError>;

    /// A lane of ours.
    async fn lane(&self, lane: &LaneId) -> Result<Option<LaneRow>, StoreError>;
    /// Our lanes in a case, ascending by id.
    async fn lanes_of(&self, case: &CaseId) -> Result<Vec<LaneRow>, StoreError>;
    /// Lanes that hold more than is anchored and are open or closing on chain, ascending by id. Not
    /// open ones whose successor waits to be opened: their last head goes with it.
    async fn dirty(&self, limit: u32) -> Result<Vec<(LaneRow, LaneView)>, StoreError>;
    /// Ended lanes that are open on chain and whose successor waits to be opened, ascending by id.
    async fn rotating(&self, limit: u32) -> Result<Vec<(LaneRow, LaneView)>, StoreError>;
    /// Ended lanes that are open on chain, have no successor, and whose case is known here, ascending
    /// by id after `after`.
    async fn heirless(&self, after: Option<&LaneId>, limit: u32) -> Result<Vec<LaneRow>, StoreError>;
    /// Lanes given up after a restore, each with its anchored view, ascending by id.
    async fn restored(&self) -> Result<Vec<(LaneRow, Option<LaneView>)>, StoreError>;
    /// A lane's wrapped keys.
    async fn keys(&self, lane: &LaneId) -> Result<Option<WrappedKeys>, StoreError>;
    /// Wrapped keys not under epoch `epoch`.
    async fn keys_not_under(&self, epoch: u32, limit: u32) -> Result<Vec<WrappedKeys>, StoreError>;
    /// Entries of a lane from `first` on, in order.
    async fn entries(&self, lane: &LaneId, first: u32, limit: u32) -> Result<Vec<EntryRow>, StoreError>;
    /// Subtree hashes of a lane, in the order asked; `None` where one is not held.
    async fn nodes(&self, lane: &LaneId, ids: &[NodeId]) -> Result<Vec<Option<Hash>>, StoreError>;
    /// The entry that a request made.
    async fn idempotency(&self, key: &Hash) -> Result<Option<IdempotencyRow>, StoreError>;
    /// Whether an entry names this blob.
    async fn blob_used(&self, name: &Hash) -> Result<bool, StoreError>;

    /// Letters of a case to one recipient, after `after`, in order.
    async fn letters(
        &self,
        case: &CaseId,
        to: &Hash,
        after: u64,
        limit: u32,
    ) -> Result<Vec<LetterRow>, StoreError>;

    /// The transaction whose fate is open. There is at most one.
    async fn tx_in_flight(&self) -> Result<Option<TxRow>, StoreError>;
    /// The newest transaction.
    async fn last_tx(&self) -> Result<Option<TxRow>, StoreError>;
    /// Transactions by state.
    async fn tx_counts(&self) -> Result<TxCounts, StoreError>;

    /// What the chain says of a lane of ours.
    async fn lane_view(&self, lane: &LaneId) -> Result<Option<LaneView>, StoreError>;
    /// What the chain says of our lanes in a case, ascending by id.
    async fn lane_views(&self, case: &CaseId) -> Result<Vec<LaneView>, StoreError>;
    /// All our lanes, ascending by id after `after`.
    async fn all_lanes(&self, after: Option<&LaneId>, limit: u32) -> Result<Vec<LaneRow>, StoreError>;
    /// A page of everything the chain says, each row as the change that would make it, in a fixed
    /// order, for comparing it with the chain.
    async fn view_page(&self, after: Option<ViewPlace>, limit: u32) -> Result<ViewPage, StoreError>;
    /// A case's identity.
    async fn identity(&self, case: &CaseId) -> Result<Option<IdentityView>, StoreError>;
    /// The case of a holder.
    async fn case_of_holder(&self, holder: &Address) -> Result<Option<CaseId>, StoreError>;
    /// A relationship.
    async fn relationship(
        &self,
        case: &CaseId,
        institution: u32,
    ) -> Result<Option<RelationshipView>, StoreError>;
    /// A grant.
    async fn grant(&self, commitment: &Commitment) -> Result<Option<GrantView>, StoreError>;
    /// A case's counter of revocations; zeros when there was none.
    async fn rev(&self, case: &CaseId) -> Result<RevView, StoreError>;
    /// Cases related to this institution whose counter it has not acknowledged, ascending by id after
    /// `after`.
    async fn unacked(
        &self,
        institution: u32,
        after: Option<&CaseId>,
        limit: u32,
    ) -> Result<Vec<(CaseId, RevView)>, StoreError>;
    /// A case's policy.
    async fn policy(&self, case: &CaseId) -> Result<Option<Policy>, StoreError>;
    /// An institution.
    async fn institution(&self, number: u32) -> Result<Option<InstitutionView>, StoreError>;
    /// The institution that an account operates.
    async fn operator(&self, account: &Address) -> Result<Option<u32>, StoreError>;
}

/// One write. Where a variant names a state it expects, any other refuses the whole batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Says whom the database belongs to; refused when it is said.
    Owner(Owner),
    /// A new case; refused when it is there.
    NewCase(CaseRow),
    /// Takes a refused case up again with a new offer of the same card; refused in any other state.
    Reoffer(CaseRow),
    /// The holder of an offered case has a fee allowance; in any other state nothing changes.
    CaseAllowed(CaseId),
    /// Moves a case on.
    CaseState {
        /// The case.
        case: CaseId,
        /// Its new state.
        state: CaseState,
        /// Why the chain refused it.
        error: Option<String>,
    },
    /// A new lane with its whole key tree; refused when it is there.
    NewLane {
        /// The lane.
        row: LaneRow,
        /// Its keys.
        keys: WrappedKeys,
    },
    /// A lane of ours that the chain knows and we had lost.
    LostLane {
        /// The lane.
        lane: LaneId,
        /// Its header.
        header: LaneHeader,
    },
    /// An entry at the end of a live lane: refused unless the lane is live and as long as the
    /// entry's index, or when the idempotency key is used.
    Append {
        /// The entry.
        entry: EntryRow,
        /// The lane's head with it.
        head: Head,
        /// Every subtree it completes, the leaf first.
        nodes: Vec<(NodeId, Hash)>,
        /// The advanced keys.
        keys: WrappedKeys,
        /// The request that made it.
        idempotency: Option<IdempotencyRow>,
    },
    /// A lane is open on chain: `Opening` becomes `Live`, any other state stays.
    LaneOpened(LaneId),
    /// A lane is closed on chain; its keys are dropped.
    LaneClosed {
        /// The lane.
        lane: LaneId,
        /// The lane that goes on from it, as the chain says.
        successor: Option<LaneId>,
    },
    /// A lane is never written again; its keys are dropped. A lane already ended keeps its reason.
    EndLane {
        /// The lane.
        lane: LaneId,
        /// Why.
        reason: EndReason,
        /// The lane that goes on from it.
        successor: Option<LaneId>,
    },
    /// The database is an older copy: every lane that is not closed is ended and has no successor
    /// any more, every key set is dropped, the restore is pending.
    EndAllLanes,
    /// Begins a new life; the epoch file is told afterwards.
    Life([u8; 16]),
    /// Moves a restore on.
    Restore(RestoreState),
    /// What the account's sequence is found to be after a restore.
    Baseline(u64),
    /// Replaces a lane's keys by the same keys under another epoch key; refused when the stored
    /// bytes are no longer `before`.
    Rewrap {
        /// The bytes that were re-wrapped.
        before: Vec<u8>,
        /// The same keys.
        after: WrappedKeys,
    },
    /// Links an identifier, by its keyed hash, to a case; replaces a link.
    Link {
        /// Keyed hash.
        identifier: Hash,
        /// The case.
        case: CaseId,
    },
    /// A letter. The same bytes are stored once.
    Letter(LetterRow),
    /// A signed transaction, before it is first sent; refused while another is in flight.
    NewTx(TxRow),
    /// The fate of a transaction in flight.
    SettleTx {
        /// The transaction.
        hash: Hash,
        /// Its fate.
        state: TxState,
        /// Block it is in.
        height: Option<u64>,
        /// Why it failed.
        error: Option<String>,
    },
    /// Changes of the view by the blocks from the cursor to `to`; refused unless the cursor is at
    /// `from`.
    Blocks {
        /// Where the cursor must be.
        from: Option<Cursor>,
        /// Where it is afterwards.
        to: Cursor,
        /// The changes, in order.
        changes: Vec<Change>,
    },
    /// Writes of the reading half.
    Reading(ReadingWrite),
    /// Writes of custodial cases.
    Custody(CustodyWrite),
    /// Writes about holders.
    Holder(HolderWrite),
}
