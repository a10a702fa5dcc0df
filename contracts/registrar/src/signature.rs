//! Signatures of holders, over messages of the ledger. Must never take a second form of one.

use casewise_ledger::{sha256, Address, RotateCard};
use casewise_protocol::convert;
use cosmwasm_std::{Api, Binary, HexBinary};

use crate::ContractError;

/// Half the order of secp256k1, big-endian: the largest low s.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d,
    0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

/// A card with the new holder's key and signature, as messages carry it.
pub struct SignedCard {
    pub card: Binary,
    pub key: HexBinary,
    pub signature: HexBinary,
}

impl SignedCard {
    /// The card, once key and signature are its holder's. It names its case, so it counts for no
    /// other case and no other network.
    pub fn check(&self, api: &dyn Api) -> Result<RotateCard, ContractError> {
        let card: RotateCard = convert::object("card", &self.card)?;
        check_key(&card.holder, &self.key)?;
        if verify(api, &card.message(), &self.key, &self.signature)? {
            Ok(card)
        } else {
            Err(ContractError::CardSignature)
        }
    }
}

/// The key is the holder's.
pub fn check_key(holder: &Address, key: &HexBinary) -> Result<(), ContractError> {
    if Address::of_key(&convert::fixed("key", key)?) == *holder {
        Ok(())
    } else {
        Err(ContractError::HolderKey)
    }
}

/// Whether a signature over SHA-256 of the message verifies. The host takes high-S signatures; we
/// do not, so that a signature has one form.
pub fn verify(
    api: &dyn Api,
    message: &[u8],
    key: &HexBinary,
    signature: &HexBinary,
) -> Result<bool, ContractError> {
    let signature: [u8; 64] = convert::fixed("signature", signature)?;
    let low = signature[32..] <= HALF_ORDER[..];
    let verified = api.secp256k1_verify(&sha256(&[message]), &signature, key.as_slice());
    Ok(low && verified.unwrap_or(false))
}
