//! The provider agent: takes records in, seals and stores them, anchors them on chain, and serves
//! them to those the chain allows.
//!
//! Data flows one way: *ingest → seal → store → append → anchor → observe*, and
//! *request → authenticate → decide → read → receipt*. The logic sees the world only through the
//! traits of [`ports`] and [`store`]; tasks are started in `main.rs`.
//!
//! Must never acknowledge what is not durable, write to a lane after a restore, sign two heads of a
//! lane that disagree, or keep a key it has used.

pub mod adapters;
pub mod app;
pub mod config;
pub mod crash;
mod error;
pub mod keys;
pub mod ports;
pub mod store;

pub use app::App;
pub use error::AgentError;
