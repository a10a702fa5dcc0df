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
pub mod append;
pub mod closing;
pub mod committer;
pub mod config;
pub mod crash;
pub mod custody;
pub mod epoch;
mod error;
pub mod fhir;
pub mod folder;
pub mod gatekeeper;
pub mod holders;
pub mod housekeeping;
pub mod ingest;
pub mod input;
pub mod keyfile;
pub mod keys;
pub mod lanes;
pub mod onboard;
pub mod openings;
pub mod parse;
pub mod peers;
pub mod ports;
pub mod private;
pub mod public;
pub mod restore;
pub mod scrub;
pub mod serve;
pub mod serving;
pub mod shared;
pub mod sponsor;
pub mod status;
pub mod store;
pub mod submitter;
pub mod successors;
pub mod verify;
pub mod watcher;

pub use app::App;
pub use error::AgentError;
