//! What a patient or a reader does, over the chain and the agents: keys and cases, following and
//! verifying, sharing and revoking, reading, the log of who read what, and evidence.
//!
//! Responsible for: nothing that an agent or a node serves is shown or signed before it passed its
//! checks. Must never send a secret anywhere, rely on an answer that is not signed by the
//! institution asked, or print: what to say is the caller's.

pub mod agent;
mod error;
#[cfg(feature = "http")]
pub mod http;
mod integrity;
pub mod keys;
pub mod ports;
mod random;
pub mod reader;
pub mod store;
pub mod vault;

pub use agent::{Agent, Endpoint, World};
pub use error::{Category, ClientError};
pub use keys::Phrase;
pub use reader::Reader;
