//! Overwriting what was replaced or deleted.
//!
//! Responsible for: what the database's log holds of destroyed keys is overwritten, at the latest as
//! soon as no read prevents it, and once after each start. Must never be taken for done while the
//! database says that it is not.

use std::sync::atomic::Ordering;

use crate::{AgentError, App};

/// Overwrites, after something was destroyed. What a read prevents is done by [`due`] later.
pub async fn now(app: &App) -> Result<(), AgentError> {
    app.unscrubbed.store(true, Ordering::SeqCst);
    due(app).await
}

/// After each look at the chain: overwrites unless it is done.
pub async fn due(app: &App) -> Result<(), AgentError> {
    // cleared before: what is destroyed while this runs asks again
    if !app.unscrubbed.swap(false, Ordering::SeqCst) {
        return Ok(());
    }
    let done = app.store.scrub().await;
    if !matches!(done, Ok(true)) {
        app.unscrubbed.store(true, Ordering::SeqCst);
        tracing::warn!("a read prevents that destroyed keys are overwritten; it is tried again");
    }
    done.map(|_| ()).map_err(AgentError::from)
}
