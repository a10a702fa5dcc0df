//! What a patient or a reader does, over the chain and the agents: keys and cases, following and
//! verifying, sharing and revoking, reading, the log of who read what, and evidence.
//!
//! Responsible for: nothing that an agent or a node serves is shown or signed before it passed its
//! checks. Must never send a secret anywhere, rely on an answer that is not signed by the
//! institution asked, or print: what to say is the caller's.

mod accept;
pub mod agent;
pub mod book;
pub mod claim;
mod emergency;
mod error;
pub mod evidence;
pub mod follow;
pub mod heads;
pub mod holder;
#[cfg(feature = "http")]
pub mod http;
mod integrity;
pub mod keys;
pub mod log;
pub mod network;
pub mod offer;
mod patient;
pub mod ports;
mod random;
pub mod reader;
pub mod records;
mod recovery;
pub mod share;
#[cfg(feature = "store")]
pub mod sqlite;
pub mod store;
mod tx;
pub mod vault;

pub use accept::Acceptance;
pub use agent::{Agent, Endpoint, World};
pub use error::{Category, ClientError};
pub use keys::Phrase;
pub use network::Network;
pub use patient::{Patient, Progress};
pub use reader::Reader;
pub use recovery::{Recovery, RecoveryStand};
