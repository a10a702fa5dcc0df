//! Posting: one task owns the operator's key, and has one transaction on its way at a time.
//!
//! What is to be posted is read from the database each time: lanes that hold more than is anchored,
//! lanes to be succeeded, cases to be enrolled, counters to be acknowledged. A transaction is stored
//! with its signed bytes before it is first sent; until its last height only the same bytes are sent
//! again; what became of it is told by the watcher alone. So a crash at any point, a lost answer and
//! a restored database never lead to two transactions where one was meant.
//!
//! Must never sign while another transaction can still get into a block.

use std::collections::BTreeMap;

use casewise_chain::{Broadcast, ChainError, Gas, Msg, PeriodicLimit, SignedTx, TxDraft, code};
use casewise_ledger::{
    AnchorBatch, AnchorItem, Hash, Head, LaneId, RotateBatch, RotateItem, V1, merkle::ProofPlan,
    records::LaneStatus,
};
use casewise_protocol::{ppr, registrar, summary};

use crate::{
    AgentError, App,
    app::Gate,
    closing,
    committer::CommitError,
    crash::crash_point,
    lanes,
    restore::{self, Sequence, Standing},
    store::{Action, CaseRow, CaseState, HolderWrite, LaneRow, LaneState, LaneView, TxRow, TxState, Write},
};

/// For how many blocks after the tip a transaction is valid.
pub const TX_TIMEOUT_BLOCKS: u64 = 30;
/// Most lanes anchored in one transaction.
pub const MAX_ANCHORS: u32 = 500;
/// Most lanes succeeded in one transaction.
pub const MAX_ROTATIONS: u32 = 64;
/// Most lanes closed in one transaction.
pub const MAX_CLOSES: usize = 64;
/// Most lanes of enrolled cases opened in one transaction.
pub const MAX_OPENINGS: u32 = 16;
/// Most cases enrolled in one transaction.
pub const MAX_ENROLMENTS: u32 = 32;
/// Most fee allowances in one transaction.
pub const MAX_ALLOWANCES: u32 = 100;
/// Most counters acknowledged in one transaction.
pub const MAX_ACKS: u32 = 64;
/// Blocks without the transaction after which the same bytes are sent again.
pub const REBROADCAST_BLOCKS: u64 = 3;
/// Blocks for which what the chain refused is left alone.
pub const BENCH_BLOCKS: u64 = 20;
/// How often the rest after a failed transaction doubles: 2^6 blocks at most.
const MAX_REST_DOUBLINGS: u32 = 6;
/// Gas limit in percent of the simulated use.
const GAS_PERCENT: u32 = 130;
/// The same after a transaction ran out of gas.
const MORE_GAS_PERCENT: u32 = 200;
/// Gas added to every limit.
const GAS_FLOOR: u64 = 20_000;
/// Period of a holder's fee allowance, seconds.
pub const ALLOWANCE_PERIOD_S: u64 = 24 * 60 * 60;
/// Gas a holder may spend in a period.
pub const ALLOWANCE_GAS: u64 = 100_000_000;
/// Longest wait for something to do, ms.
const IDLE_MS: u64 = 1_000;

/// Something that is posted whole or not at all.
#[derive(Clone, Debug)]
struct Unit {
    /// What it is about, for the status and for leaving it alone.
    name: String,
    actions: Vec<Action>,
    msgs: Vec<Msg>,
}

/// The submitter's memory; losing it costs a repetition, never a wrong transaction.
#[derive(Debug, Default)]
pub struct Submitter {
    /// Height at which the transaction on its way was last sent by this process.
    sent_at: Option<(Hash, u64)>,
    /// Units the chain refused: left alone until a height.
    benched: BTreeMap<String, u64>,
    /// Lanes whose head did not get anchored although the transaction did: left alone.
    benched_lanes: BTreeMap<LaneId, u64>,
    /// Allowances and contract messages take turns.
    allowances_next: bool,
    more_gas: bool,
    /// Transactions that failed in their block, one after the other.
    failures: u32,
    /// Nothing is posted before this height.
    rest_until: u64,
    /// The newest transaction whose effect was looked at.
    looked_at: Option<Hash>,
}

/// Posts until the agent stops.
pub async fn run(app: &App) -> Result<(), AgentError> {
    let mut submitter = Submitter::default();
    loop {
        let wake = app.work.notified();
        match submitter.step(app).await {
            Ok(()) => app.note(|health| {
                health.refused.remove(SUBMITTER);
            }),
            Err(AgentError::Halted(reason)) => {
                app.halt(reason.clone());
                return Err(AgentError::Halted(reason));
            }
            Err(error) => {
                tracing::warn!(%error, "posting is delayed");
                app.note(|health| {
                    health.refused.insert(SUBMITTER.into(), error.to_string());
                });
                app.clock.sleep(IDLE_MS).await;
            }
        }
        futures::future::select(Box::pin(wake), app.clock.sleep(IDLE_MS)).await;
    }
}

/// Name under which a fault of posting itself stands in the status.
const SUBMITTER: &str = "posting";

impl Submitter {
    /// One look: sends again what is on its way, or signs and sends what is to be posted.
    pub async fn step(&mut self, app: &App) -> Result<(), AgentError> {
        if *app.gate.borrow() != Gate::Open {
            return Ok(());
        }
        let Some(height) = app.applied.borrow().map(|applied| applied.cursor.height) else { return Ok(()) };
        if let Some(tx) = app.store.tx_in_flight().await? {
            return self.send_again(app, &tx, height).await;
        }
        self.look_at_last(app, height).await?;
        if height < self.rest_until {
            return Ok(());
        }
        self.benched.retain(|_, until| *until > height);
        self.benched_lanes.retain(|_, until| *until > height);
        let units = self.plan(app).await?;
        if units.is_empty() {
            return Ok(());
        }
        self.post(app, units, height).await
    }

    /// The same bytes, at first sight by this process and then every few blocks.
    async fn send_again(&mut self, app: &App, tx: &TxRow, height: u64) -> Result<(), AgentError> {
        let fresh =
            self.sent_at.is_some_and(|(hash, at)| hash == tx.hash && height < at + REBROADCAST_BLOCKS);
        if fresh {
            return Ok(());
        }
        self.sent_at = Some((tx.hash, height));
        broadcast(app, &tx.bytes, tx.hash).await
    }

    /// What the last transaction taught: lanes that failed alone, a limit that was too low.
    async fn look_at_last(&mut self, app: &App, height: u64) -> Result<(), AgentError> {
        let Some(tx) = app.store.last_tx().await? else { return Ok(()) };
        if self.looked_at == Some(tx.hash) {
            return Ok(());
        }
        self.looked_at = Some(tx.hash);
        let error = tx.error.as_deref().unwrap_or_default();
        self.more_gas = tx.state == TxState::Failed && error.contains("out of gas");
        self.failures = if tx.state == TxState::Failed { self.failures + 1 } else { 0 };
        // each costs its fee: what fails again and again is tried less and less often
        self.rest_until = height + (1 << self.failures.min(MAX_REST_DOUBLINGS)) - 1;
        if tx.state != TxState::Included {
            return Ok(());
        }
        for action in &tx.actions {
            let (lane, size) = match action {
                Action::Anchor { lane, size, .. }
                | Action::Rotate { lane, size, .. }
                | Action::Close { lane, size } => (lane, *size),
                _ => continue,
            };
            let view = app.store.lane_view(lane).await?;
            let anchored = view.as_ref().map_or(0, |view| view.record.size);
            let closed = view.is_some_and(|view| view.record.status == LaneStatus::Closed);
            if anchored < size || (matches!(action, Action::Close { .. }) && !closed) {
                tracing::warn!(%lane, size, anchored, "the chain did not take a head");
                app.note(|health| {
                    let why = format!("the chain did not take the head of size {size}; it is tried again");
                    health.refused.insert(format!("lane {lane}"), why);
                });
                self.benched_lanes.insert(*lane, height + BENCH_BLOCKS);
            } else {
                app.note(|health| {
                    health.refused.remove(&format!("lane {lane}"));
                });
            }
        }
        Ok(())
    }

    async fn plan(&mut self, app: &App) -> Result<Vec<Unit>, AgentError> {
        let mut allowances = self.allowances(app).await?;
        let mut contracts = self.contract_units(app).await?;
        allowances.retain(|unit| !self.benched.contains_key(&unit.name));
        contracts.retain(|unit| !self.benched.contains_key(&unit.name));
        let take_allowances = !allowances.is_empty() && (self.allowances_next || contracts.is_empty());
        self.allowances_next = !take_allowances;
        Ok(if take_allowances { allowances } else { contracts })
    }

    /// Fee allowances for holders of offered cases. Those that exist already are noted.
    async fn allowances(&self, app: &App) -> Result<Vec<Unit>, AgentError> {
        let (mut units, mut there) = (Vec::new(), Vec::new());
        let granter = app.keys.operator.address();
        let limit = PeriodicLimit {
            period_s: ALLOWANCE_PERIOD_S,
            limit: app.params.gas_price.fee(ALLOWANCE_GAS).max(1),
            expires_ms: None,
        };
        for row in app.store.cases_in(CaseState::Offered, MAX_ALLOWANCES).await? {
            let grantee = row.offer.card.holder;
            if app.chain.allowance(&granter, &grantee).await?.is_some() {
                there.push(vec![Write::CaseAllowed(row.case)]);
                continue;
            }
            let denom = app.params.gas_price.denom().to_owned();
            units.push(Unit {
                name: format!("allowance for case {}", row.case),
                actions: vec![Action::Allow { case: row.case }],
                msgs: vec![Msg::GrantAllowance { grantee, limit, denom }],
            });
        }
        for row in app.store.to_sponsor(MAX_ALLOWANCES.saturating_sub(units.len() as u32)).await? {
            let grantee = row.account;
            if app.chain.allowance(&granter, &grantee).await?.is_some() {
                there.push(vec![Write::Holder(HolderWrite::Sponsored(grantee))]);
                continue;
            }
            let denom = app.params.gas_price.denom().to_owned();
            units.push(Unit {
                name: format!("allowance for an account of case {}", row.case),
                actions: vec![Action::Sponsor { account: grantee }],
                msgs: vec![Msg::GrantAllowance { grantee, limit, denom }],
            });
        }
        if !there.is_empty() {
            app.committer.commit(there.concat()).await?;
            app.work.notify_one();
        }
        Ok(units)
    }

    async fn contract_units(&self, app: &App) -> Result<Vec<Unit>, AgentError> {
        let mut units = Vec::new();
        units.extend(self.closes(app).await?);
        units.extend(self.rotations(app).await?);
        for row in app.store.cases_in(CaseState::Allowed, MAX_ENROLMENTS).await? {
            units.extend(enrolment(app, &row).await?);
        }
        units.extend(openings(app).await?);
        units.extend(self.anchors(app).await?);
        units.extend(self.acks(app).await?);
        Ok(units)
    }

    /// Counters that may be acknowledged, at most [`MAX_ACKS`]. Cases that wait for a key or a device,
    /// and those the chain refused lately, are passed over, however many they are.
    async fn acks(&self, app: &App) -> Result<Vec<Unit>, AgentError> {
        let (mut units, mut after) = (Vec::new(), None);
        loop {
            let page = app.store.unacked(app.config.institution, after.as_ref(), MAX_ACKS).await?;
            let Some((last, _)) = page.last() else { return Ok(units) };
            after = Some(*last);
            for (case, rev) in page {
                let name = format!("acknowledgement of case {case}");
                if self.benched.contains_key(&name) || !lanes::may_ack(app, &case, &rev).await? {
                    continue;
                }
                let actions = vec![Action::Ack { case, rev: rev.rev }];
                let msgs = vec![Msg::execute(app.contracts.ppr, &ppr::ExecuteMsg::ack(&case, rev.rev))?];
                units.push(Unit { name, actions, msgs });
                if units.len() == MAX_ACKS as usize {
                    return Ok(units);
                }
            }
        }
    }

    /// Lanes that are closing and have their last entry, or whose deadline is over.
    async fn closes(&self, app: &App) -> Result<Vec<Unit>, AgentError> {
        let (mut items, mut actions, mut units) = (Vec::new(), Vec::new(), Vec::new());
        let found = closing::to_close(app, MAX_CLOSES).await?;
        for (row, view) in found.lanes.iter().filter(|(row, _)| !self.benched_lanes.contains_key(&row.lane)) {
            let item = item(app, row, view).await?;
            actions.push(Action::Close { lane: item.lane, size: item.size });
            items.push(item);
        }
        if !items.is_empty() {
            let batch = AnchorBatch { version: V1, items };
            batch.check().map_err(AgentError::broken)?;
            let msgs = vec![Msg::execute(app.contracts.summary, &summary::ExecuteMsg::close(&batch))?];
            units.push(Unit { name: "close".into(), actions, msgs });
        }
        let overdue = found.overdue.into_iter().filter(|lane| !self.benched_lanes.contains_key(lane));
        let overdue: Vec<LaneId> = overdue.collect();
        if !overdue.is_empty() {
            let mut actions = Vec::new();
            for lane in &overdue {
                let size = app.store.lane_view(lane).await?.map_or(0, |view| view.record.size);
                actions.push(Action::Close { lane: *lane, size });
            }
            let message = summary::ExecuteMsg::close_overdue(&overdue);
            let msgs = vec![Msg::execute(app.contracts.summary, &message)?];
            units.push(Unit { name: "close of overdue lanes".into(), actions, msgs });
        }
        Ok(units)
    }

    async fn rotations(&self, app: &App) -> Result<Option<Unit>, AgentError> {
        let (mut items, mut actions) = (Vec::new(), Vec::new());
        for (row, view) in app.store.rotating(MAX_ROTATIONS).await? {
            if self.benched_lanes.contains_key(&row.lane) {
                continue;
            }
            let Some(next) = row.successor else { continue };
            let next = app
                .store
                .lane(&next)
                .await?
                .ok_or_else(|| AgentError::broken("a successor without a row"))?;
            let last = item(app, &row, &view).await?;
            let (lane, size, root) = (last.lane, last.size, last.root);
            actions.push(Action::Rotate { lane, size, root, next: next.lane });
            items.push(RotateItem { last, next: next.header });
        }
        if items.is_empty() {
            return Ok(None);
        }
        let batch = RotateBatch { version: V1, items };
        batch.check().map_err(AgentError::broken)?;
        let msgs = vec![Msg::execute(app.contracts.summary, &summary::ExecuteMsg::rotate(&batch))?];
        Ok(Some(Unit { name: "rotation".into(), actions, msgs }))
    }

    async fn anchors(&self, app: &App) -> Result<Option<Unit>, AgentError> {
        let (mut items, mut actions) = (Vec::new(), Vec::new());
        for (row, view) in app.store.dirty(MAX_ANCHORS).await? {
            if self.benched_lanes.contains_key(&row.lane) {
                continue;
            }
            // what is ended and closing is anchored with its close
            if row.state == LaneState::Ended && view.record.status == LaneStatus::Closing {
                continue;
            }
            let item = item(app, &row, &view).await?;
            if item.size > view.record.size {
                actions.push(Action::Anchor { lane: item.lane, size: item.size, root: item.root });
                items.push(item);
            }
        }
        if items.is_empty() {
            return Ok(None);
        }
        let batch = AnchorBatch { version: V1, items };
        batch.check().map_err(AgentError::broken)?;
        let msgs = vec![Msg::execute(app.contracts.summary, &summary::ExecuteMsg::anchor(&batch))?];
        Ok(Some(Unit { name: "anchor".into(), actions, msgs }))
    }

    /// Signs and sends one transaction with all units that the chain would take.
    async fn post(&mut self, app: &App, units: Vec<Unit>, height: u64) -> Result<(), AgentError> {
        let operator = app.keys.operator.address();
        let account = casewise_chain::account_of(&*app.chain, &operator).await?;
        if !own_sequence(app, account.sequence).await? {
            return Ok(());
        }
        let timeout_height = app.chain.tip().await?.height + TX_TIMEOUT_BLOCKS;
        let percent = if self.more_gas { MORE_GAS_PERCENT } else { GAS_PERCENT };
        let sieve = Sieve { app, account, timeout_height, percent };
        let (units, gas) = match sieve.sift(units, self, height).await? {
            Some(found) => found,
            None => return Ok(()),
        };
        let gas = Gas { limit: gas.limit + GAS_FLOOR, fee: app.params.gas_price.fee(gas.limit + GAS_FLOOR) };
        let msgs = units.iter().flat_map(|unit| unit.msgs.clone()).collect();
        let signed =
            TxDraft::new(msgs, timeout_height).sign(&app.keys.operator, account, gas, &app.params)?;
        let actions = units.into_iter().flat_map(|unit| unit.actions).collect();
        store(app, &signed, actions).await?;
        crash_point("before-broadcast");
        self.sent_at = Some((signed.hash(), height));
        broadcast(app, signed.bytes(), signed.hash()).await?;
        crash_point("after-broadcast");
        Ok(())
    }
}

async fn store(app: &App, signed: &SignedTx, actions: Vec<Action>) -> Result<(), AgentError> {
    let row = TxRow {
        hash: signed.hash(),
        sequence: signed.sequence(),
        bytes: signed.bytes().to_vec(),
        timeout_height: signed.timeout_height(),
        state: TxState::Sent,
        height: None,
        error: None,
        actions,
    };
    match app.committer.commit(vec![Write::NewTx(row)]).await {
        Ok(()) => Ok(()),
        Err(CommitError::Refused(_)) => Err(AgentError::broken("a transaction is on its way already")),
        Err(error) => Err(error.into()),
    }
}

/// Hands the bytes to a node. Whatever it says, only a block tells what becomes of them.
async fn broadcast(app: &App, bytes: &[u8], hash: Hash) -> Result<(), AgentError> {
    let tx = hex::encode(hash);
    match app.chain.broadcast(bytes).await {
        Ok(Broadcast::Accepted | Broadcast::AlreadyKnown) => Ok(()),
        Ok(Broadcast::Rejected { code, codespace, log }) => {
            tracing::warn!(%tx, code, %codespace, %log, "a node does not take the transaction now");
            Ok(())
        }
        Err(error @ ChainError::Unreachable { .. }) => {
            tracing::warn!(%tx, %error, "it is not known whether a node has the transaction");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether the account's sequence is the one this database expects. A sequence it cannot explain
/// stops the agent: somebody else signs with this key.
async fn own_sequence(app: &App, actual: u64) -> Result<bool, AgentError> {
    let baseline = app.store.owner().await?.map_or(0, |owner| owner.baseline);
    let last = app.store.last_tx().await?;
    match restore::explain(baseline, last.as_ref(), actual) {
        Sequence::Explained => Ok(true),
        Sequence::Behind => Ok(false),
        Sequence::Unknown => Err(AgentError::Halted(
            "another process signs with this operator key, or the database was replaced while the agent ran; \
             stop the other process and restart this one"
                .into(),
        )),
    }
}

/// The head to be anchored or closed at: ours where it goes on from the anchored one, else the
/// anchored one (after a restore).
async fn item(app: &App, row: &LaneRow, view: &LaneView) -> Result<AnchorItem, AgentError> {
    let anchored = view.record.head();
    let ours = restore::standing(app, row, &anchored).await? == Standing::Whole;
    let Head { size, root } = if ours { row.head } else { anchored };
    let plan = ProofPlan::consistency(anchored.size, size).map_err(AgentError::broken)?;
    let ids: Vec<_> = plan.nodes().collect();
    let hashes = app.store.nodes(&row.lane, &ids).await?;
    let found: BTreeMap<_, _> = ids.into_iter().zip(hashes).collect();
    let proof = plan.assemble(|id| found.get(&id).copied().flatten());
    let proof = proof.ok_or_else(|| AgentError::broken("a lane misses a subtree hash"))?;
    Ok(AnchorItem { lane: row.lane, size, root, proof, device: None })
}

/// Lanes that go on from no other, of cases that are enrolled: one message for each, so that one that
/// the chain refuses holds up no other.
async fn openings(app: &App) -> Result<Vec<Unit>, AgentError> {
    let mut units = Vec::new();
    for row in app.store.unopened(MAX_OPENINGS).await? {
        if row.header.predecessor.is_some() {
            continue;
        }
        let message = summary::ExecuteMsg::open(std::slice::from_ref(&row.header));
        units.push(Unit {
            name: format!("opening of lane {}", row.lane),
            actions: vec![Action::Open { lane: row.lane }],
            msgs: vec![Msg::execute(app.contracts.summary, &message)?],
        });
    }
    Ok(units)
}

/// Enrol, propose with the policy, open the first lanes: one after the other in one transaction. A
/// case whose lanes were lost in a restore before it was enrolled gets new ones first.
async fn enrolment(app: &App, row: &CaseRow) -> Result<Option<Unit>, AgentError> {
    let lanes = app.store.lanes_of(&row.case).await?;
    let opening: Vec<_> = lanes.into_iter().filter(|lane| lane.state == LaneState::Opening).collect();
    if opening.is_empty() {
        let lease = app.epoch.lease().await;
        let (_, writes) = lanes::first_lanes(app, &lease, row).await?;
        app.committer.commit(writes).await?;
        app.work.notify_one();
        return Ok(None);
    }
    let headers: Vec<_> = opening.iter().map(|lane| lane.header.clone()).collect();
    let contracts = &app.contracts;
    let enrol = match app.store.custody(&row.case).await? {
        Some(_) => registrar::ExecuteMsg::enrol_custodial(&row.offer),
        None => registrar::ExecuteMsg::enrol(app.params.prefix.as_str(), &row.offer)
            .map_err(AgentError::broken)?,
    };
    let propose = ppr::ExecuteMsg::propose(&row.case, Some(&row.policy));
    Ok(Some(Unit {
        name: format!("enrolment of case {}", row.case),
        actions: vec![Action::Enrol {
            case: row.case,
            lanes: opening.iter().map(|lane| lane.lane).collect(),
        }],
        msgs: vec![
            Msg::execute(contracts.registrar, &enrol)?,
            Msg::execute(contracts.ppr, &propose)?,
            Msg::execute(contracts.summary, &summary::ExecuteMsg::open(&headers))?,
        ],
    }))
}

/// Finds by simulation which units the chain would take now.
struct Sieve<'a> {
    app: &'a App,
    account: casewise_chain::Account,
    timeout_height: u64,
    percent: u32,
}

impl Sieve<'_> {
    /// The units that pass together and the gas they need; those that fail alone are put aside.
    async fn sift(
        &self,
        units: Vec<Unit>,
        submitter: &mut Submitter,
        height: u64,
    ) -> Result<Option<(Vec<Unit>, Gas)>, AgentError> {
        // depth-first halves, so that order is kept
        let mut waiting = vec![units];
        let mut good: Vec<Unit> = Vec::new();
        let mut whole = None;
        while let Some(group) = waiting.pop() {
            match self.estimate(&group).await? {
                Ok(gas) => {
                    whole = (good.is_empty() && waiting.is_empty()).then_some(gas);
                    good.extend(group);
                }
                Err(why) if group.len() == 1 => {
                    put_aside(self.app, &group[0], &why, submitter, height).await?
                }
                Err(_) => {
                    let mut first = group;
                    let second = first.split_off(first.len() / 2);
                    waiting.push(second);
                    waiting.push(first);
                }
            }
        }
        if good.is_empty() {
            return Ok(None);
        }
        let gas = match whole {
            Some(gas) => gas,
            None => match self.estimate(&good).await? {
                Ok(gas) => gas,
                Err(why) => {
                    return Err(AgentError::broken(format!("messages that pass alone fail together: {why}")));
                }
            },
        };
        Ok(Some((good, gas)))
    }

    /// Simulates. The inner error is the chain's word on these messages; the outer one is about
    /// something else, such as the node or the sequence.
    async fn estimate(&self, units: &[Unit]) -> Result<Result<Gas, String>, AgentError> {
        let msgs = units.iter().flat_map(|unit| unit.msgs.clone()).collect();
        let draft = TxDraft::new(msgs, self.timeout_height);
        let public = self.app.keys.operator.public();
        let chain = &*self.app.chain;
        match draft.estimate(chain, &public, self.account, &self.app.params, self.percent).await {
            Ok(gas) => Ok(Ok(gas)),
            Err(ChainError::Refused { code, codespace, log }) if is_of_messages(code, &codespace) => {
                Ok(Err(log))
            }
            // too many bytes for one transaction: halves fit
            Err(ChainError::Invalid { field: "transaction", reason }) => Ok(Err(reason)),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether a refusal is about the messages and not about account, fee or node.
fn is_of_messages(code: u32, codespace: &str) -> bool {
    let about_the_rest = [
        code::INSUFFICIENT_FEE,
        code::MEMPOOL_FULL,
        code::TX_TOO_LARGE,
        code::TIMEOUT_HEIGHT,
        code::WRONG_SEQUENCE,
    ];
    codespace != code::SDK || !about_the_rest.contains(&code)
}

/// A unit that the chain refuses alone: an enrolment is refused for good, the rest is tried again
/// later. The status says so.
async fn put_aside(
    app: &App,
    unit: &Unit,
    why: &str,
    submitter: &mut Submitter,
    height: u64,
) -> Result<(), AgentError> {
    tracing::warn!(what = %unit.name, %why, "the chain refuses");
    submitter.benched.insert(unit.name.clone(), height + BENCH_BLOCKS);
    app.note(|health| {
        health.refused.insert(unit.name.clone(), why.to_owned());
    });
    if let [Action::Enrol { case, .. }] = unit.actions.as_slice() {
        let write = Write::CaseState { case: *case, state: CaseState::Refused, error: Some(why.to_owned()) };
        app.committer.commit(vec![write]).await?;
    }
    Ok(())
}
