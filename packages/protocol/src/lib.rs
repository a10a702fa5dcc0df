//! What the contracts and everybody who talks to them agree on: messages, queries, answers, typed
//! events with their parser, the keys of the records read across contracts, and the pure rules of
//! who may do what when.
//!
//! Responsible for: being the only place where a message, an event or such a rule is written down;
//! the contracts, the tests and the agent's projection use the same code. Must never do I/O, read
//! a clock, or hold a key or a patient's data.

pub mod account;
pub mod convert;
mod error;
pub mod events;
pub mod page;
pub mod ppr;
pub mod record;
pub mod registrar;
pub mod remote;
pub mod rules;
pub mod signature;
pub mod summary;

pub use error::ProtocolError;
pub use events::{Event, EventError};
pub use record::Record;

/// Nanoseconds of a millisecond.
const NANOS_PER_MS: u64 = 1_000_000;

/// Block time in Unix milliseconds, floored: the only clock of the contracts.
pub fn block_ms(block: &cosmwasm_std::BlockInfo) -> u64 {
    block.time.nanos() / NANOS_PER_MS
}

/// Refuses coins: no message of the contracts takes any.
pub fn nonpayable(info: &cosmwasm_std::MessageInfo) -> Result<(), ProtocolError> {
    if info.funds.is_empty() { Ok(()) } else { Err(ProtocolError::Funds) }
}

/// Whether a contract of version `stored` may become `new`: both `major.minor.patch`, not falling.
pub fn may_migrate(stored: &str, new: &str) -> bool {
    let parse = |text: &str| {
        let mut parts = text.split('.').map(|part| part.parse::<u32>().ok());
        let version = (parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(version)
    };
    matches!((parse(stored), parse(new)), (Some(stored), Some(new)) if stored <= new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cosmwasm_std::{
        BlockInfo, Timestamp, coins,
        testing::{MockApi, message_info},
    };

    #[test]
    fn block_time_is_floored() {
        let mut block =
            BlockInfo { height: 1, time: Timestamp::from_nanos(1_999_999), chain_id: "c".to_string() };
        assert_eq!(block_ms(&block), 1);
        block.time = Timestamp::from_nanos(2_000_000);
        assert_eq!(block_ms(&block), 2);
    }

    #[test]
    fn coins_are_refused() {
        let sender = MockApi::default().addr_make("anyone");
        assert_eq!(nonpayable(&message_info(&sender, &[])), Ok(()));
        assert_eq!(nonpayable(&message_info(&sender, &coins(1, "stake"))), Err(ProtocolError::Funds));
    }

    #[test]
    fn versions_do_not_fall() {
        for (stored, new, may) in [
            ("0.1.0", "0.1.0", true),
            ("0.1.0", "0.1.1", true),
            ("0.9.9", "0.10.0", true),
            ("0.10.0", "0.9.9", false),
            ("1.0.0", "0.9.9", false),
            ("0.1", "0.1.0", false),
            ("0.1.0-rc", "0.1.0", false),
            ("0.1.0.0", "0.1.1", false),
        ] {
            assert_eq!(may_migrate(stored, new), may, "{stored} to {new}");
        }
    }
}
