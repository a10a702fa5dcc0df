//! What the agent says of itself.

use casewise_api::body::{OutboxCounts, Status};

use crate::{AgentError, App, app::Gate, restore, store::CaseState};

/// How far the counts of waiting work go.
const MOST: u32 = 100_000;

/// `GET /v1/status`.
pub async fn status(app: &App) -> Result<Status, AgentError> {
    let cursor = app.store.cursor().await?.map_or(0, |cursor| cursor.height);
    let tip = app.chain.tip().await.ok().map(|tip| tip.height);
    let counts = app.store.tx_counts().await?;
    let health = app.health();
    let halted = match &*app.gate.borrow() {
        Gate::Halted(reason) => Some(reason.clone()),
        _ => None,
    };
    let refused = (!health.refused.is_empty()).then(|| {
        let lines: Vec<String> = health.refused.iter().map(|(what, why)| format!("{what}: {why}")).collect();
        lines.join("; ")
    });
    Ok(Status {
        cursor,
        tip,
        lag: tip.map(|tip| tip.saturating_sub(cursor)),
        stalled: halted.or(health.stalled).or(refused),
        outbox: OutboxCounts {
            queued: queued(app).await?,
            sent: counts.sent,
            settled: counts.included,
            failed: counts.failed + counts.expired,
        },
        restore: restore::report(app).await?,
    })
}

/// Lanes to be anchored, succeeded, opened or closed, cases to be enrolled, allowances to be given.
async fn queued(app: &App) -> Result<u64, AgentError> {
    let store = &app.store;
    let lanes = store.dirty(MOST).await?.len() + store.rotating(MOST).await?.len();
    let offered = store.cases_in(CaseState::Offered, MOST).await?.len();
    let allowed = store.cases_in(CaseState::Allowed, MOST).await?.len();
    let lanes = lanes + store.unopened(MOST).await?.len() + closes(app).await?;
    let sponsored = store.to_sponsor(MOST).await?.len();
    Ok((lanes + offered + allowed + sponsored) as u64)
}

/// Content lanes that wait for their close, those of devices apart.
async fn closes(app: &App) -> Result<usize, AgentError> {
    let lanes = app.store.closing(None, MOST).await?;
    Ok(lanes.iter().filter(|(row, _)| row.header.signer.is_none()).count())
}

/// Whether the agent serves: it writes, and its view of the chain moves.
pub fn ready(app: &App) -> bool {
    *app.gate.borrow() == Gate::Open && app.health().stalled.is_none()
}
