//! Accounts and contracts as bech32 text, both ways.
//!
//! Responsible for one spelling of each address: lower case, the network's prefix, the right
//! length. Must never accept an address of another network's prefix.

use std::{fmt, str::FromStr};

use bech32::{Bech32, Hrp, primitives::decode::CheckedHrpstring};
use casewise_ledger::Address;
use casewise_protocol::account;

use crate::ChainError;

/// The prefix of addresses when nothing else is configured.
pub const DEFAULT_PREFIX: &str = "wasm";

/// Longest prefix accepted, characters.
pub const MAX_PREFIX: usize = 16;

/// The human-readable part of a network's addresses: 1 to [`MAX_PREFIX`] lower-case letters and
/// digits, beginning with a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(String);

impl Prefix {
    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn hrp(&self) -> Hrp {
        Hrp::parse(&self.0).expect("lower-case letters and digits")
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self(DEFAULT_PREFIX.to_owned())
    }
}

impl FromStr for Prefix {
    type Err = ChainError;

    fn from_str(text: &str) -> Result<Self, ChainError> {
        let legal = text.len() <= MAX_PREFIX
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if legal {
            return Ok(Self(text.to_owned()));
        }
        Err(ChainError::invalid(
            "prefix",
            format!(
                "{text:?} is not 1 to {MAX_PREFIX} lower-case letters and digits beginning with a letter"
            ),
        ))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A contract's address: 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContractAddress(pub [u8; 32]);

impl ContractAddress {
    /// Bech32 with the network's prefix.
    pub fn to_bech32(&self, prefix: &Prefix) -> String {
        bech32::encode_lower::<Bech32>(prefix.hrp(), &self.0).expect("32 bytes fit into bech32")
    }

    /// From bech32 with the network's prefix, in its one canonical spelling.
    pub fn from_bech32(text: &str, prefix: &Prefix) -> Result<Self, ChainError> {
        let wrong = || {
            let like = Self([0; 32]).to_bech32(prefix);
            ChainError::invalid(
                "contract address",
                format!("{text:?} is not one of this network, such as {like}"),
            )
        };
        let parsed = CheckedHrpstring::new::<Bech32>(text).map_err(|_| wrong())?;
        let bytes: Vec<u8> = parsed.byte_iter().collect();
        let contract = Self(bytes.try_into().map_err(|_| wrong())?);
        // Upper case names the same contract and would break comparisons.
        if contract.to_bech32(prefix) == text { Ok(contract) } else { Err(wrong()) }
    }
}

impl fmt::Display for ContractAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ContractAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An account as bech32 with the network's prefix.
pub fn account_to_bech32(account: &Address, prefix: &Prefix) -> String {
    account::encode(&prefix.0, account).expect("a checked prefix and 20 bytes")
}

/// An account from bech32 with the network's prefix.
pub fn account_from_bech32(text: &str, prefix: &Prefix) -> Result<Address, ChainError> {
    account::decode_with_prefix("account", &prefix.0, text).map_err(|_| {
        let like = account_to_bech32(&Address([0; 20]), prefix);
        ChainError::invalid("account address", format!("{text:?} is not one of this network, such as {like}"))
    })
}

/// The three contracts of one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contracts {
    /// Who takes part.
    pub registrar: ContractAddress,
    /// Who may.
    pub ppr: ContractAddress,
    /// What happened.
    pub summary: ContractAddress,
}

impl Contracts {
    /// Is it one of the three?
    pub fn contains(&self, address: &ContractAddress) -> bool {
        [self.registrar, self.ppr, self.summary].contains(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_and_contracts_go_both_ways() {
        let prefix = Prefix::default();
        let account = Address([7; 20]);
        let contract = ContractAddress([9; 32]);
        let text = account_to_bech32(&account, &prefix);
        assert!(text.starts_with("wasm1"), "{text}");
        assert_eq!(account_from_bech32(&text, &prefix).unwrap(), account);
        let text = contract.to_bech32(&prefix);
        assert_eq!(ContractAddress::from_bech32(&text, &prefix).unwrap(), contract);
    }

    #[test]
    fn only_the_canonical_spelling_of_this_network_is_taken() {
        let prefix = Prefix::default();
        let text = account_to_bech32(&Address([7; 20]), &prefix);
        let other = account_to_bech32(&Address([7; 20]), &"med".parse().unwrap());
        let mut typo = text.clone();
        typo.pop();
        typo.push(if text.ends_with('q') { 'p' } else { 'q' });
        for bad in [text.to_uppercase(), other, typo, String::new(), "wasm".to_owned()] {
            assert!(account_from_bech32(&bad, &prefix).is_err(), "{bad}");
        }
        // A contract's address is not an account's.
        assert!(ContractAddress::from_bech32(&text, &prefix).is_err());
    }

    #[test]
    fn prefixes_have_limits() {
        assert!("a".repeat(MAX_PREFIX).parse::<Prefix>().is_ok());
        for bad in ["", "1a", "Wasm", "wa sm", "wa-sm", &"a".repeat(MAX_PREFIX + 1)] {
            assert!(bad.parse::<Prefix>().is_err(), "{bad}");
        }
    }
}
