//! The people of a run: their keys, and the logs that authors keep.
//!
//! Responsible for: the same names giving the same keys in every run. Must never know what a
//! contract allows.

use std::collections::BTreeMap;

use casewise_ledger::{
    Address, AnchorItem, CaseId, DeviceSignature, Hash, LaneId, account::AccountKey, merkle, sha256,
};
use casewise_protocol::account;
use cosmwasm_std::Addr;
use ed25519_zebra::{SigningKey, VerificationKey};

use crate::{
    contracts::{Lane, PREFIX, key},
    messages::Call,
};

/// Keys by account, made from names when first needed.
#[derive(Default)]
pub struct Cast {
    by_name: BTreeMap<String, Address>,
    keys: BTreeMap<Address, AccountKey>,
}

impl Cast {
    /// The account of a name.
    pub fn account(&mut self, name: &str) -> Address {
        if let Some(account) = self.by_name.get(name) {
            return *account;
        }
        let made = key(name);
        let account = made.address();
        self.by_name.insert(name.to_string(), account);
        self.keys.insert(account, made);
        account
    }

    /// The key of an account that a name made.
    pub fn key(&self, account: &Address) -> AccountKey {
        self.keys[account].clone()
    }

    /// Everybody so far.
    pub fn accounts(&self) -> Vec<Address> {
        self.keys.keys().copied().collect()
    }
}

/// An account as text.
pub fn text(account: &Address) -> String {
    account::encode(PREFIX, account).expect("the prefix is valid")
}

/// The same as an address of the chain.
pub fn addr_of(account: &Address) -> Addr {
    Addr::unchecked(text(account))
}

/// A case of the run.
#[derive(Clone)]
pub struct Slot {
    pub case: CaseId,
    pub number: usize,
    /// The message that enrolled it and who sent it: to be repeated.
    pub enrolment: (Address, Call),
}

/// A lane with everything its author wrote.
#[derive(Clone)]
pub struct Log {
    pub lane: Lane,
    /// Seed of the device's key.
    pub device: Option<u8>,
}

impl Log {
    pub fn id(&self) -> LaneId {
        self.lane.id()
    }

    /// The device's signature on an item, if the lane has a device.
    pub fn sign(&self, mut item: AnchorItem, time: u64) -> AnchorItem {
        item.device = self.device.map(|seed| {
            let message = item.head().message(&item.lane, time);
            DeviceSignature { time, sig: device(seed).sign(&message).into() }
        });
        item
    }

    /// Another history that differs from entry `from` on.
    pub fn fork(&self, from: u32) -> Self {
        let mut fork = self.clone();
        for leaf in &mut fork.lane.leaves[from as usize..] {
            *leaf = sha256(&[b"fork", leaf]);
        }
        fork
    }

    /// Root over the first entries; `None` if there are not so many.
    pub fn root(&self, size: u32) -> Option<Hash> {
        self.lane.leaves.get(..size as usize).map(merkle::root)
    }
}

/// A device's key.
pub fn device(seed: u8) -> SigningKey {
    SigningKey::from([seed; 32])
}

/// Its public half.
pub fn device_key(seed: u8) -> [u8; 32] {
    VerificationKey::from(&device(seed)).into()
}
