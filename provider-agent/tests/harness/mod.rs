//! A real network, real agents as processes, patients with keys of their own, and a truth to compare
//! everything with.
//!
//! Responsible for: what the whole-system tests share. Knows the agent only from outside: its command
//! line, its listeners, the chain; of its files, only the list of entries, to know what a lost database
//! held. Must never use the agent's own code to check the agent.
#![allow(dead_code)] // each test uses a part
#![allow(clippy::disallowed_methods)] // tests start tasks and wait

pub mod agent;
pub mod files;
pub mod http;
pub mod load;
pub mod network;
pub mod patient;
pub mod truth;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Between two looks at a condition.
pub const GLANCE: Duration = Duration::from_millis(20);

/// Unix ms.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    since.as_millis() as u64
}

/// Looks until the condition gives something. Panics with `what` after the deadline.
pub async fn wait_for<T>(what: &str, within: Duration, look: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(value) = look().await {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {} s for {what}", within.as_secs());
        tokio::time::sleep(GLANCE).await;
    }
}

/// A number from the environment; `None` when the variable is not set.
pub fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}
