//! Signatures of holders, over messages of the ledger. Must never take a second form of one.

use casewise_ledger::{sha256, Address, RotateCard};
use casewise_protocol::{convert, signature};
use cosmwasm_std::{Api, Binary, HexBinary};

use crate::ContractError;

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

/// Whether a signature over SHA-256 of the message verifies, with a low s.
pub fn verify(
    api: &dyn Api,
    message: &[u8],
    key: &HexBinary,
    signature: &HexBinary,
) -> Result<bool, ContractError> {
    let bytes: [u8; 64] = convert::fixed("signature", signature)?;
    let key: [u8; 33] = convert::fixed("key", key)?;
    Ok(signature::secp256k1(api, &sha256(&[message]), &key, &bytes))
}
