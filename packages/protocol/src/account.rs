//! Accounts as text, outside the chain. A contract uses its host's `Api` instead (see
//! [`crate::convert::account`]).

use bech32::{Bech32, Hrp};
use casewise_ledger::Address;

use crate::ProtocolError;

/// Lower-case bech32 of an account, with the network's prefix. Refuses a prefix that is not one.
pub fn encode(prefix: &str, account: &Address) -> Result<String, ProtocolError> {
    let hrp = Hrp::parse(prefix).map_err(|_| ProtocolError::Account { field: "prefix" })?;
    bech32::encode_lower::<Bech32>(hrp, &account.0).map_err(|_| ProtocolError::Account { field: "account" })
}

/// The account of a lower-case bech32 text, whatever its prefix. `field` names it in the error.
pub fn decode(field: &'static str, text: &str) -> Result<Address, ProtocolError> {
    let error = ProtocolError::Account { field };
    let parsed = bech32::primitives::decode::CheckedHrpstring::new::<Bech32>(text);
    let (hrp, bytes) = match parsed {
        Ok(parsed) => (parsed.hrp(), parsed.byte_iter().collect::<Vec<u8>>()),
        Err(_) => return Err(error),
    };
    let account = Address::try_from(bytes.as_slice()).map_err(|_| error.clone())?;
    // one spelling only: the mixed and upper-case forms of bech32 are refused
    if bech32::encode_lower::<Bech32>(hrp, &account.0).is_ok_and(|canonical| canonical == text) {
        Ok(account)
    } else {
        Err(error)
    }
}

/// As [`decode`], and the prefix is the network's.
pub fn decode_with_prefix(field: &'static str, prefix: &str, text: &str) -> Result<Address, ProtocolError> {
    let account = decode(field, text)?;
    if encode(prefix, &account)? == text { Ok(account) } else { Err(ProtocolError::Account { field }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let account = Address([7; 20]);
        let text = encode("wasm", &account).unwrap();
        assert!(text.starts_with("wasm1"));
        assert_eq!(decode("holder", &text), Ok(account));
        assert_eq!(decode_with_prefix("holder", "wasm", &text), Ok(account));
    }

    #[test]
    fn other_spellings_are_refused() {
        let text = encode("wasm", &Address([7; 20])).unwrap();
        let error = Err(ProtocolError::Account { field: "holder" });
        assert_eq!(decode("holder", &text.to_uppercase()), error);
        assert_eq!(decode("holder", &text[..text.len() - 1]), error);
        assert_eq!(decode("holder", ""), error);
        assert_eq!(decode_with_prefix("holder", "cosmos", &text), error);
        let contract = bech32::encode_lower::<Bech32>(Hrp::parse("wasm").unwrap(), &[1; 32]).unwrap();
        assert_eq!(decode("holder", &contract), error);
        assert_eq!(encode("", &Address([7; 20])), Err(ProtocolError::Account { field: "prefix" }));
    }
}
