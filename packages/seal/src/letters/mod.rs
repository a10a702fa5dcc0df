//! Letters: keys, openings and shares, sealed to one recipient's X-Wing key.
//!
//! Responsible for: the bytes of a letter and its payload, HPKE with one fixed suite, and the rules a
//! payload obeys by itself. Must never trust a sender: HPKE base mode authenticates nobody, so a root
//! is checked against its lane header ([`LaneKeys::check_root`]), an opening against the chain, and
//! every other key node against one anchored entry under it
//! ([`ListedEntry::check_key`](crate::ListedEntry::check_key)).

mod kem;
mod letter;
mod payload;

pub use kem::{KemPublic, KemSecret};
pub use letter::{ENC_LEN, LETTER_MINIMUM, Letter, LetterKind, MAX_LETTER};
pub use payload::{LaneKeys, Payload, Share};
