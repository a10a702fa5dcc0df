//! Following the chain: blocks by height, in order, none skipped.
//!
//! Up to [`MAX_BATCH`] consecutive blocks are one database transaction: changes of the view, the fate
//! of our transaction, what became of our lanes, the cursor. Each block is checked against the chain
//! id and the block before. An event of ours that is not understood stops the view visibly; it is
//! never skipped. Events say what changed; where they do not say all, the contract's state at the
//! batch's last height does.
//!
//! Must never apply a block twice or out of order, nor say "dead" of a transaction that a block it
//! has not seen may hold.

use std::collections::{BTreeMap, BTreeSet};

use casewise_chain::{Block, ChainError, ChainExt, ContractAddress, Contracts, Tx};
use casewise_ledger::{
    AnchoredHead, CaseId, Head, LaneHeader, LaneId, V1,
    records::{
        CaseRecord, GrantRecord, GrantStatus, InstitutionStatus, LaneRecord, LaneStatus, RelationshipRecord,
        RelationshipStatus, ns,
    },
};
use casewise_protocol::{
    Event,
    events::{CONTRACT_ATTRIBUTE, TYPE_PREFIX, contract},
    registrar, rules,
};
use futures::{StreamExt, TryStreamExt};

use crate::{
    AgentError, App,
    app::{Applied, Gate},
    closing,
    crash::crash_point,
    custody, holders, lanes, restore,
    restore::Standing,
    scrub,
    store::{
        Action, Batch, CaseState, Change, Cursor, EndReason, GrantView, HolderWrite, IdentityView,
        InstitutionView, LaneView, Owner, RelationshipView, RestoreState, TxRow, TxState, Write,
    },
};

/// Most blocks in one transaction.
pub const MAX_BATCH: u64 = 256;
/// Blocks asked for at once.
const PREFETCH: usize = 8;
/// Pause before looking for the next block, ms.
const POLL_MS: u64 = 100;
/// Pause after a fault, ms.
const RETRY_MS: u64 = 1_000;

/// Follows the chain until the agent halts.
pub async fn run(app: &App) -> Result<(), AgentError> {
    loop {
        match step(app).await {
            Ok(progress) => {
                app.note(|health| health.stalled = None);
                if !progress {
                    app.clock.sleep(POLL_MS).await;
                }
            }
            Err(error) => {
                if let AgentError::Chain(ChainError::WrongChain { .. }) | AgentError::Halted(_) = &error {
                    app.halt(error.to_string());
                    return Err(error);
                }
                let passing = matches!(&error, AgentError::Chain(error) if error.is_retryable());
                if !passing {
                    tracing::error!(%error, "the view of the chain stands still");
                    app.note(|health| health.stalled = Some(error.to_string()));
                }
                app.clock.sleep(RETRY_MS).await;
            }
        }
    }
}

/// One look at the chain. Whether blocks were applied.
pub async fn step(app: &App) -> Result<bool, AgentError> {
    check_owner(app).await?;
    let cursor = app.store.cursor().await?;
    let tip = app.chain.tip().await?.height;
    let first = match cursor {
        Some(cursor) => cursor.height + 1,
        None => app.chain.earliest_height().await?,
    };
    let blocks = fetch(app, first, tip.min(first + MAX_BATCH - 1)).await?;
    let Some(last) = blocks.last() else {
        after(app, cursor, tip).await?;
        return Ok(false);
    };
    let to = Cursor { height: last.height, block: last.hash, time: last.time_ms };
    apply(app, cursor, to, &blocks).await?;
    app.applied.send_replace(Some(Applied { cursor: to, at: app.clock.monotonic() }));
    app.work.notify_one();
    after(app, Some(to), tip).await?;
    Ok(true)
}

/// The database is this institution's on this chain, or new.
async fn check_owner(app: &App) -> Result<(), AgentError> {
    if owned(app).await? {
        return Ok(());
    }
    let (chain_id, net, institution) = (app.chain.chain_id().into(), app.net, app.config.institution);
    let baseline = restore::sequence(app).await?;
    let owner = Owner { chain_id, net, institution, baseline };
    Ok(app.committer.commit(vec![Write::Owner(owner)]).await?)
}

/// Whether the database says whose it is. Another institution's or network's is an error.
pub async fn owned(app: &App) -> Result<bool, AgentError> {
    let Some(owner) = app.store.owner().await? else { return Ok(false) };
    let (chain_id, net, institution) = (app.chain.chain_id(), app.net, app.config.institution);
    if (owner.chain_id.as_str(), owner.net, owner.institution) == (chain_id, net, institution) {
        return Ok(true);
    }
    Err(AgentError::Halted(format!(
        "the database belongs to institution {} on chain {:?} (network {}), the configuration is for institution \
         {institution} on chain {chain_id:?} (network {}); correct data_dir, institution or manifest",
        owner.institution,
        owner.chain_id,
        hex::encode(owner.net),
        hex::encode(net),
    )))
}

/// Consecutive blocks from `first` to `last`, fewer when one is not there yet.
async fn fetch(app: &App, first: u64, last: u64) -> Result<Vec<Block>, AgentError> {
    let blocks = futures::stream::iter(first..=last).map(|height| app.chain.block(height)).buffered(PREFETCH);
    let mut blocks = std::pin::pin!(blocks);
    let mut found = Vec::new();
    while let Some(Some(block)) = blocks.try_next().await? {
        found.push(block);
    }
    Ok(found)
}

/// What follows from the view after each look.
async fn after(app: &App, cursor: Option<Cursor>, tip: u64) -> Result<(), AgentError> {
    let Some(cursor) = cursor else { return Ok(()) };
    if app.applied.borrow().is_none() {
        app.applied.send_replace(Some(Applied { cursor, at: app.clock.monotonic() }));
    }
    let gate = app.gate.borrow().clone();
    match gate {
        Gate::Starting if cursor.height >= tip => restore::caught_up(app, tip).await,
        Gate::Restoring => restore::go_on(app, cursor.height).await,
        Gate::Open => {
            // before any lane is made: what is sealed to a custodial key is handed over with it
            custody::finish(app).await?;
            scrub::due(app).await?;
            closing::close_due(app).await?;
            lanes::rotate_due(app).await?;
            holders::drop_stale(app).await?;
            lanes::succeed_restored(app).await?;
            holders::revive_due(app).await
        }
        Gate::Starting | Gate::Halted(_) => Ok(()),
    }
}

async fn apply(app: &App, from: Option<Cursor>, to: Cursor, blocks: &[Block]) -> Result<(), AgentError> {
    check_chain(app, from, blocks)?;
    // Read after the blocks were fetched: a transaction is stored before it is sent, so whichever
    // block holds it, it is known here.
    let in_flight = app.store.tx_in_flight().await?;
    let mut fold = Fold::new(app, to.height);
    for block in blocks {
        fold.block(block).await?;
    }
    let settled = fold.settle(in_flight, blocks, to.height);
    let (batch, older) = fold.finish(from, to).await?;
    if settled {
        crash_point("after-inclusion");
    }
    let was_open = *app.gate.borrow() == Gate::Open;
    app.committer.commit(batch).await?;
    if let Some(reason) = older {
        tracing::warn!(%reason, "the chain knows more of our lanes than this database");
        if was_open {
            app.halt(format!(
                "{reason}: another process writes for this institution, or the database was replaced while the \
                 agent ran; stop the other process and restart this one"
            ));
        }
    }
    Ok(())
}

fn check_chain(app: &App, from: Option<Cursor>, blocks: &[Block]) -> Result<(), AgentError> {
    let mut before = from.map(|cursor| cursor.block);
    for block in blocks {
        if block.chain_id != app.chain.chain_id() {
            let (expected, found) = (app.chain.chain_id().to_owned(), block.chain_id.clone());
            return Err(ChainError::WrongChain { expected, found }.into());
        }
        if before.is_some_and(|hash| hash != block.last_block_hash) {
            return Err(AgentError::Halted(format!(
                "block {} does not follow the one this agent has applied; the node follows another history, \
                 or the chain was reset: correct the manifest, or start with a new data_dir",
                block.height
            )));
        }
        before = Some(block.hash);
    }
    Ok(())
}

/// The changes of some blocks, put together.
struct Fold<'a> {
    app: &'a App,
    contracts: Contracts,
    institution: u32,
    /// Height whose state is read.
    to: u64,
    changes: Vec<Change>,
    writes: Batch,
    lanes: BTreeMap<LaneId, LaneView>,
    cases: BTreeSet<CaseId>,
    institutions: BTreeSet<u32>,
    /// A lane of ours that we did not make.
    lost: Option<LaneId>,
}

impl<'a> Fold<'a> {
    fn new(app: &'a App, to: u64) -> Self {
        Self {
            app,
            contracts: app.contracts,
            institution: app.config.institution,
            to,
            changes: Vec::new(),
            writes: Batch::new(),
            lanes: BTreeMap::new(),
            cases: BTreeSet::new(),
            institutions: BTreeSet::new(),
            lost: None,
        }
    }

    async fn block(&mut self, block: &Block) -> Result<(), AgentError> {
        let of_txs = block.txs.iter().filter(|tx| tx.is_ok()).flat_map(|tx| &tx.events);
        let at = rules::Block { height: block.height, time: block.time_ms };
        for event in of_txs.chain(&block.events) {
            if let Some(event) = self.read(event, block.height)? {
                self.event(event, at).await?;
            }
        }
        Ok(())
    }

    /// An event of one of our contracts; others are left unread.
    fn read(&self, event: &casewise_chain::Event, height: u64) -> Result<Option<Event>, AgentError> {
        if !event.kind.starts_with(TYPE_PREFIX) {
            return Ok(None);
        }
        let Some(text) = contract(&event.attributes) else { return Ok(None) };
        let ours = ContractAddress::from_bech32(text, &self.app.params.prefix)
            .is_ok_and(|address| self.contracts.contains(&address));
        if !ours {
            return Ok(None);
        }
        match Event::parse(&event.kind, &event.attributes) {
            Ok(Some(event)) => Ok(Some(event)),
            Ok(None) => Err(AgentError::broken(format!(
                "block {height}: event {:?} of {CONTRACT_ATTRIBUTE} {text} is not known; update this agent",
                event.kind
            ))),
            Err(error) => Err(AgentError::broken(format!("block {height}: {error}"))),
        }
    }

    async fn event(&mut self, event: Event, at: rules::Block) -> Result<(), AgentError> {
        match event {
            Event::InstitutionRegistered { number, account } => {
                self.institutions.insert(number);
                self.changes.push(Change::Operator { account, institution: Some(number) });
            }
            Event::InstitutionUpdated { number } => {
                self.institutions.insert(number);
            }
            Event::InstitutionStatus { number, status } => {
                self.institutions.insert(number);
                // while it was suspended, anybody may have closed its lanes
                if number == self.institution && status == InstitutionStatus::Active {
                    self.writes.push(Write::Holder(HolderWrite::ReviveAll));
                }
            }
            Event::OperatorAdded { institution, account } => {
                self.changes.push(Change::Operator { account, institution: Some(institution) });
            }
            Event::OperatorRemoved { account, .. } => {
                self.changes.push(Change::Operator { account, institution: None });
            }
            Event::IdentityEnrolled { case, institution } => {
                if institution == self.institution {
                    self.cases.insert(case);
                }
            }
            Event::RelationshipChanged { case, institution, status } => {
                let record = RelationshipRecord { version: V1, status, since: at.time };
                let view = RelationshipView { case, institution, record, changed: at.height };
                self.changes.push(Change::Relationship(view));
                if institution == self.institution {
                    self.cases.insert(case);
                    if status == RelationshipStatus::Active {
                        self.writes.push(Write::Holder(HolderWrite::Revive(case)));
                    }
                }
            }
            Event::GrantMade { case, commitment, first, last } => {
                let record = GrantRecord { version: V1, case, status: GrantStatus::Live, first, last };
                self.changes.push(Change::Grant(GrantView { commitment, record, changed: at.height }));
            }
            Event::GrantEnded { case, commitment, status, rev } => {
                let before = self.grant(&commitment).await?;
                let record = GrantRecord { status, ..before };
                self.changes.push(Change::Grant(GrantView { commitment, record, changed: at.height }));
                self.changes.push(Change::Rev { case, rev, height: at.height });
            }
            // ended by its provider, an access leaves the counter as it is: the view keeps its height
            Event::RevRaised { case, rev } | Event::EmergencyEnded { case, rev, .. } => {
                self.changes.push(Change::Rev { case, rev, height: at.height });
            }
            Event::Acked { case, institution, rev } => {
                if institution == self.institution {
                    self.changes.push(Change::Acked { case, rev });
                }
            }
            // holder, key and status are read from the contracts' state
            Event::IdentityRotated { case, .. }
            | Event::CaseClosing { case, .. }
            | Event::CompletionProposed { case, .. }
            | Event::CaseCompleted { case, .. } => self.touch(case).await?,
            Event::CaseReopened { case, .. } => {
                self.touch(case).await?;
                self.revive(case).await?;
            }
            Event::ConflictProven { lane, index } => self.conflict(&lane, index).await?,
            // whoever decides by one of these reads it from the contracts' state when it does: none
            // changes what is served or written here
            Event::AuthorityProposed
            | Event::AuthorityChanged
            | Event::RegistrationsPaused { .. }
            | Event::PractitionerChanged { .. }
            | Event::InvitationChanged { .. }
            | Event::DelegateChanged { .. }
            | Event::EmergencyOpened { .. }
            | Event::EmergencyReviewed { .. } => {}
            // an offer or a recovery that runs changes no holder; its end is an event of its own
            Event::ClaimOffered { .. }
            | Event::ClaimWithdrawn { .. }
            | Event::RecoveryStarted { .. }
            | Event::RecoveryAttested { .. }
            | Event::RecoveryStopped { .. } => {}
            // said about entries, beside the lane's record: shown to those who ask the chain
            Event::LaneCompromised { .. } | Event::EntryDisputed { .. } | Event::DisputeWithdrawn { .. } => {}
            Event::LaneOpened { header } => self.opened(header, at).await?,
            Event::Anchored { heads } => {
                for head in heads {
                    self.change_lane(&head.lane, at, |record| anchored(record, &head, at)).await?;
                }
            }
            Event::LaneRotated { last, next } => {
                let head = Head { size: last.size, root: last.root };
                self.close(&last.lane, head, Some(next.id()), at).await?;
                self.opened(next, at).await?;
            }
            Event::LaneClosing { lane, .. } => {
                let closing = |record: LaneRecord| LaneRecord { status: LaneStatus::Closing, ..record };
                self.change_lane(&lane, at, closing).await?;
            }
            Event::LaneClosed { lane, head, .. } => self.close(&lane, head, None, at).await?,
            Event::Seen { lane, size, .. } => {
                self.change_lane(&lane, at, |record| LaneRecord { seen: size, ..record }).await?;
            }
        }
        Ok(())
    }

    /// Whether a case has to do with this institution.
    async fn concerns(&self, case: &CaseId) -> Result<bool, AgentError> {
        Ok(self.cases.contains(case) || self.app.store.identity(case).await?.is_some())
    }

    /// Reads the case's state again, if it has to do with this institution.
    async fn touch(&mut self, case: CaseId) -> Result<(), AgentError> {
        if self.concerns(&case).await? {
            self.cases.insert(case);
        }
        Ok(())
    }

    /// A case of ours may be written again.
    async fn revive(&mut self, case: CaseId) -> Result<(), AgentError> {
        if self.concerns(&case).await? {
            self.writes.push(Write::Holder(HolderWrite::Revive(case)));
        }
        Ok(())
    }

    /// A proof that an author gave two histories of a lane. If the lane is ours, somebody must look.
    async fn conflict(&self, lane: &LaneId, index: u32) -> Result<(), AgentError> {
        if self.app.store.lane(lane).await?.is_some() {
            tracing::error!(%lane, index, "it is proven on chain that this institution gave two histories of a lane");
            self.app.note(|health| {
                let why = format!(
                    "two contents of entry {index} are proven on chain; find out who else holds its keys"
                );
                health.refused.insert(format!("conflict in lane {lane}"), why);
            });
        }
        Ok(())
    }

    /// A grant as it stands after the changes so far.
    async fn grant(&self, commitment: &casewise_ledger::Commitment) -> Result<GrantRecord, AgentError> {
        let here = self.changes.iter().rev().find_map(|change| match change {
            Change::Grant(view) if view.commitment == *commitment => Some(view.record.clone()),
            _ => None,
        });
        if let Some(record) = here {
            return Ok(record);
        }
        let stored = self.app.store.grant(commitment).await?;
        stored.map(|view| view.record).ok_or_else(|| AgentError::broken("a grant ends that was never made"))
    }

    async fn opened(&mut self, header: LaneHeader, at: rules::Block) -> Result<(), AgentError> {
        if header.author != self.app.party() {
            return Ok(());
        }
        let lane = header.id();
        if self.app.store.lane(&lane).await?.is_some() {
            self.writes.push(Write::LaneOpened(lane));
        } else {
            self.lost.get_or_insert(lane);
            self.writes.push(Write::LostLane { lane, header: header.clone() });
        }
        let (record, _) = rules::new_lane(&header, None, at);
        self.lanes.insert(lane, LaneView { lane, header, record, changed: at.height });
        Ok(())
    }

    async fn close(
        &mut self,
        lane: &LaneId,
        head: Head,
        successor: Option<LaneId>,
        at: rules::Block,
    ) -> Result<(), AgentError> {
        let last = AnchoredHead { lane: *lane, size: head.size, root: head.root };
        let close = |record| LaneRecord { status: LaneStatus::Closed, ..anchored(record, &last, at) };
        if self.change_lane(lane, at, close).await? {
            self.writes.push(Write::LaneClosed { lane: *lane, successor });
        }
        Ok(())
    }

    /// Changes the view of a lane of ours. Lanes of others are not in the view.
    async fn change_lane(
        &mut self,
        lane: &LaneId,
        at: rules::Block,
        change: impl FnOnce(LaneRecord) -> LaneRecord,
    ) -> Result<bool, AgentError> {
        let before = match self.lanes.remove(lane) {
            Some(view) => Some(view),
            None => self.app.store.lane_view(lane).await?,
        };
        let Some(view) = before else { return Ok(false) };
        let record = change(view.record);
        self.lanes.insert(*lane, LaneView { record, changed: at.height, ..view });
        Ok(true)
    }

    /// The fate of our transaction. Whether it is decided.
    fn settle(&mut self, in_flight: Option<TxRow>, blocks: &[Block], to: u64) -> bool {
        let Some(row) = in_flight else { return false };
        let found = blocks.iter().find_map(|block| {
            let tx = block.txs.iter().find(|tx| tx.hash == row.hash)?;
            Some((block.height, tx))
        });
        match found {
            Some((height, tx)) => self.included(&row, height, tx),
            None if to >= row.timeout_height => {
                tracing::warn!(tx = %hex::encode(row.hash), "a transaction is in no block up to its last height");
                let state = TxState::Expired;
                self.writes.push(Write::SettleTx { hash: row.hash, state, height: None, error: None });
            }
            None => return false,
        }
        true
    }

    fn included(&mut self, row: &TxRow, height: u64, tx: &Tx) {
        let (state, error) = if tx.is_ok() {
            (TxState::Included, None)
        } else {
            let error = format!("code {} of {}: {}", tx.code, tx.codespace, tx.log);
            tracing::warn!(tx = %hex::encode(row.hash), %error, "a transaction failed in its block");
            (TxState::Failed, Some(error))
        };
        self.writes.push(Write::SettleTx { hash: row.hash, state, height: Some(height), error });
        for action in row.actions.iter().filter(|_| tx.is_ok()) {
            match action {
                Action::Allow { case } => self.writes.push(Write::CaseAllowed(*case)),
                Action::Sponsor { account } => {
                    self.writes.push(Write::Holder(HolderWrite::Sponsored(*account)));
                }
                _ => {}
            }
        }
    }

    /// The batch to commit, and what shows that the database is an older copy.
    async fn finish(
        mut self,
        from: Option<Cursor>,
        to: Cursor,
    ) -> Result<(Batch, Option<String>), AgentError> {
        self.read_cases().await?;
        self.read_institutions().await?;
        let known = self.app.store.restore_state().await? != RestoreState::None;
        let older = if known { None } else { self.older().await? };
        let Self { mut changes, writes, lanes, .. } = self;
        changes.extend(lanes.into_values().map(Box::new).map(Change::Lane));
        let mut batch = vec![Write::Blocks { from, to, changes }];
        batch.extend(writes);
        if older.is_some() {
            batch.push(Write::EndAllLanes);
        }
        Ok((batch, older))
    }

    /// Whether the chain knows something of our lanes that we do not.
    async fn older(&self) -> Result<Option<String>, AgentError> {
        if let Some(lane) = self.lost {
            return Ok(Some(format!("lane {lane} is open on chain and not known here")));
        }
        for view in self.lanes.values() {
            let Some(row) = self.app.store.lane(&view.lane).await? else { continue };
            // what a restore gave up stays behind for ever
            if row.reason == Some(EndReason::Restored) {
                continue;
            }
            let what = match restore::standing(self.app, &row, &view.record.head()).await? {
                Standing::Whole => continue,
                Standing::Behind => "is anchored further than this database holds it",
                Standing::Differs => "is anchored with another root than this database gives",
            };
            return Ok(Some(format!("lane {} {what}", view.lane)));
        }
        Ok(None)
    }

    /// Identities and policies of cases that concern us, from the contracts' state.
    async fn read_cases(&mut self) -> Result<(), AgentError> {
        for case in std::mem::take(&mut self.cases) {
            let (chain, at) = (&*self.app.chain, Some(self.to));
            let Contracts { registrar, ppr, summary } = &self.contracts;
            let identity = chain.record(registrar, ns::IDENTITY, &case.0, at).await?;
            let Some(record) = identity else { continue };
            self.changes.push(Change::Identity(IdentityView { case, record, changed: self.to }));
            if let Some(policy) = chain.record(ppr, ns::POLICY, &case.0, at).await? {
                self.changes.push(Change::Policy { case, policy });
            }
            let known: Option<CaseRecord> = chain.record(summary, ns::CASE, &case.0, at).await?;
            if let Some(CaseRecord { status, .. }) = known {
                self.changes.push(Change::Case { case, status, changed: self.to });
            }
            let open = |state| matches!(state, CaseState::Offered | CaseState::Allowed | CaseState::Refused);
            if self.app.store.case(&case).await?.is_some_and(|row| open(row.state)) {
                self.writes.push(Write::CaseState { case, state: CaseState::Enrolled, error: None });
            }
        }
        Ok(())
    }

    async fn read_institutions(&mut self) -> Result<(), AgentError> {
        for number in std::mem::take(&mut self.institutions) {
            let query = registrar::QueryMsg::Institution { number };
            let info: Option<registrar::InstitutionInfo> =
                self.app.chain.query(&self.contracts.registrar, &query, Some(self.to)).await?;
            let info =
                info.ok_or_else(|| AgentError::broken(format!("institution {number} is not on chain")))?;
            let endpoint = info.endpoint.clone();
            let record = info.record().map_err(AgentError::broken)?;
            let view = InstitutionView { number, record, endpoint, changed: self.to };
            self.changes.push(Change::Institution(view));
        }
        Ok(())
    }
}

/// A lane at an anchored head: height and time change with the size only.
fn anchored(record: LaneRecord, head: &AnchoredHead, at: rules::Block) -> LaneRecord {
    if head.size == record.size {
        return record;
    }
    LaneRecord { size: head.size, root: head.root, height: at.height, time: at.time, ..record }
}
