//! Signatures of accounts, as a contract checks them.
//!
//! Must never take a high-S signature: the host does, and then a signature has two forms.

use casewise_ledger::Hash;
use cosmwasm_std::Api;

/// Half the order of secp256k1, big-endian: the largest low s.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d,
    0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

/// Whether `s` of a signature `r ‖ s` is low.
fn low_s(signature: &[u8; 64]) -> bool {
    signature[32..] <= HALF_ORDER[..]
}

/// Whether a key's signature over a digest is good and has a low s. A malformed key or signature is
/// not.
pub fn secp256k1(api: &dyn Api, digest: &Hash, key: &[u8; 33], signature: &[u8; 64]) -> bool {
    low_s(signature) && api.secp256k1_verify(digest, signature, key).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cosmwasm_std::testing::MockApi;

    #[test]
    fn low_up_to_half_the_order() {
        let mut signature = [0; 64];
        signature[32..].copy_from_slice(&HALF_ORDER);
        assert!(low_s(&signature));
        signature[63] += 1;
        assert!(!low_s(&signature));
        assert!(low_s(&[0; 64]));
        assert!(!low_s(&[0xff; 64]));
    }

    #[test]
    fn what_is_no_key_or_signature_does_not_verify() {
        let api = MockApi::default();
        assert!(!secp256k1(&api, &[1; 32], &[0; 33], &[0; 64]));
        assert!(!secp256k1(&api, &[1; 32], &[2; 33], &[1; 64]));
    }
}
