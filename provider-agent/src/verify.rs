//! Compares what the database says with what the chain and the disk say.
//!
//! Responsible for: each row of the view against the contract's raw state at the cursor's height; each
//! lane's leaves against its root; each entry's body against its length and hash. Changes nothing.

use casewise_chain::ContractAddress;
use casewise_ledger::{
    CaseId, LaneId, decode, encode,
    merkle::Frontier,
    records::{CaseRecord, ns, record_key, relationship_id},
};

use crate::{
    AgentError, App,
    ports::BlobError,
    store::{Change, EntryRow, LaneRow},
};

/// Rows compared at once.
const PAGE: u32 = 256;

/// What was compared and what differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Height of the comparison with the chain.
    pub height: u64,
    /// Rows of the view compared with the chain.
    pub records: u64,
    /// Lanes whose leaves were put together again.
    pub lanes: u64,
    /// Entries whose bodies were hashed again.
    pub bodies: u64,
    /// What differs, in words.
    pub faults: Vec<String>,
}

/// Compares everything. `bodies`: hash every body, not only look for it.
pub async fn verify(app: &App, bodies: bool) -> Result<Findings, AgentError> {
    let mut findings = Findings::default();
    if let Some(cursor) = app.store.cursor().await? {
        findings.height = cursor.height;
        view(app, &mut findings).await?;
    }
    let mut after: Option<LaneId> = None;
    loop {
        let lanes = app.store.all_lanes(after.as_ref(), PAGE).await?;
        let Some(last) = lanes.last() else { return Ok(findings) };
        after = Some(last.lane);
        for row in &lanes {
            lane(app, row, bodies, &mut findings).await?;
        }
    }
}

async fn view(app: &App, findings: &mut Findings) -> Result<(), AgentError> {
    let mut after = None;
    loop {
        let page = app.store.view_page(after, PAGE).await?;
        if page.rows.is_empty() {
            return Ok(());
        }
        for change in &page.rows {
            let Some((contract, key, ours)) = record(app, change) else { continue };
            let found = app.chain.raw(&contract, &key, Some(findings.height)).await?;
            findings.records += 1;
            if !same(change, found.as_deref(), &ours) {
                findings
                    .faults
                    .push(format!("{change:?} differs from the chain at height {}", findings.height));
            }
        }
        after = Some(page.next);
    }
}

/// Whether a contract's bytes are the expected ones. Of a case only its status is in the view: its
/// digest and count change with the lanes of every author.
fn same(change: &Change, found: Option<&[u8]>, ours: &[u8]) -> bool {
    match change {
        Change::Case { status, .. } => {
            let record = found.and_then(|bytes| decode::<CaseRecord>(bytes).ok());
            record.is_some_and(|record| record.status == *status)
        }
        _ => found == Some(ours),
    }
}

/// Contract, key and expected bytes of a row of the view.
fn record(app: &App, change: &Change) -> Option<(ContractAddress, Vec<u8>, Vec<u8>)> {
    let contracts = &app.contracts;
    let of_case = |namespace, case: &CaseId| record_key(namespace, &case.0);
    Some(match change {
        Change::Lane(view) => (contracts.summary, record_key(ns::LANE, &view.lane.0), encode(&view.record)),
        Change::Identity(view) => {
            (contracts.registrar, of_case(ns::IDENTITY, &view.case), encode(&view.record))
        }
        Change::Relationship(view) => {
            let id = relationship_id(&view.case, view.institution);
            (contracts.ppr, record_key(ns::RELATIONSHIP, &id), encode(&view.record))
        }
        Change::Grant(view) => {
            (contracts.ppr, record_key(ns::GRANT, &view.commitment.0), encode(&view.record))
        }
        Change::Rev { case, rev, .. } => (contracts.ppr, of_case(ns::REV, case), rev.to_be_bytes().to_vec()),
        Change::Policy { case, policy } => (contracts.ppr, of_case(ns::POLICY, case), encode(policy)),
        Change::Institution(view) => {
            let key = record_key(ns::INSTITUTION, &view.number.to_be_bytes());
            (contracts.registrar, key, encode(&view.record))
        }
        Change::Operator { account, institution } => {
            let key = record_key(ns::OPERATOR, &account.0);
            (contracts.registrar, key, institution.as_ref()?.to_be_bytes().to_vec())
        }
        Change::Case { case, .. } => (contracts.summary, of_case(ns::CASE, case), Vec::new()),
        Change::Acked { .. } => return None,
    })
}

async fn lane(app: &App, row: &LaneRow, bodies: bool, findings: &mut Findings) -> Result<(), AgentError> {
    let mut frontier = Frontier::default();
    loop {
        let entries = app.store.entries(&row.lane, frontier.size(), PAGE).await?;
        if entries.is_empty() {
            break;
        }
        for entry in &entries {
            if entry.header.index != frontier.size() {
                findings.faults.push(format!("lane {}: entry {} is missing", row.lane, frontier.size()));
                return Ok(());
            }
            frontier.push(entry.leaf).map_err(AgentError::broken)?;
            if let Some(fault) = body(app, entry, bodies).await? {
                findings.faults.push(format!("lane {} entry {}: {fault}", row.lane, entry.header.index));
            }
            findings.bodies += 1;
        }
    }
    findings.lanes += 1;
    if (frontier.size(), frontier.root()) != (row.head.size, row.head.root) {
        findings.faults.push(format!("lane {}: its entries do not give its head", row.lane));
    }
    Ok(())
}

async fn body(app: &App, entry: &EntryRow, whole: bool) -> Result<Option<String>, AgentError> {
    let name = &entry.body_sha256;
    let length = match app.blobs.length(name).await {
        Ok(length) => length,
        Err(error @ BlobError::Missing(_)) => return Ok(Some(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    if length != entry.body_length {
        return Ok(Some(format!("its body has {length} bytes instead of {}", entry.body_length)));
    }
    if !whole {
        return Ok(None);
    }
    let same = app.blobs.sha256(name).await? == *name;
    Ok((!same).then(|| "its body is not the one that was sealed".into()))
}
