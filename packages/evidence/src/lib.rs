//! Evidence: one file that shows, to somebody who trusts neither author nor node, that an entry
//! stood in a lane of a case at a height of the chain, and who wrote it.
//!
//! Responsible for: the file's one and only spelling, and the whole list of checks in a fixed
//! order, each failure with its own stable reason. Must never read a clock, open a file or a
//! socket, or take the trust anchor from the file it checks.
//!
//! The links, in the order they are checked: trust anchor → validators, where they changed →
//! header of height H + 1, signed by more than 2/3 of their power → app hash → store of the
//! contracts → the lane's record at H, and the author's → size and root → inclusion of each entry
//! → key and body of each entry, where the file holds them.
//!
//! ```no_run
//! # let (file, anchor) = (Vec::new(), String::new());
//! let anchor: casewise_evidence::TrustAnchor = serde_json::from_str(&anchor).unwrap();
//! match casewise_evidence::verify_bytes(&file, &anchor) {
//!     Ok(verdict) => println!("lane {} had {} entries", verdict.lane, verdict.size),
//!     Err(refusal) => println!("{}: {refusal}", refusal.code),
//! }
//! ```

mod blocks;
mod canonical;
mod entries;
mod limits;
mod model;
mod reason;
mod records;
mod verdict;
mod verify;

pub use canonical::{HeaderFacts, header_facts, pack_header, pack_proof, pack_validators, strip_signatures};
pub use limits::{MAX_ENTRIES, MAX_FILE, MAX_HEADER, MAX_LINKS, MAX_PROOF, MAX_VALIDATORS};
pub use model::{DisclosedKey, Entry, Evidence, Inclusion, Link, StateProof, Summary, TrustAnchor};
pub use reason::{ReasonCode, Refusal};
pub use verdict::{ASSUMPTIONS, Author, BeaconState, BodyState, EntryVerdict, Verdict};
pub use verify::{verify, verify_bytes};
