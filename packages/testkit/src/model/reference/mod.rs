//! What the contracts must do, said a second time: plain maps and plain conditions.
//!
//! Responsible for: the verdict on every message and the state after it. Must never call a contract
//! or a rule of `protocol`; of the ledger it uses ids, record types, hashes and signatures.

mod ppr;
mod registrar;
mod summary;

use std::collections::{BTreeMap, BTreeSet};

use casewise_ledger::{
    Address, CaseId, Hash, decode,
    records::{IdentityRecord, InstitutionStatus, RelationshipStatus},
};
use casewise_protocol::{account, ppr::Power, rules::LaneFault};
use cosmwasm_std::{Binary, HexBinary};

use super::state::State;
use crate::messages::Call;

/// Items that fail alone, or why the message is refused.
pub type Verdict = Result<Vec<(u32, LaneFault)>, &'static str>;

/// Where and when a message is executed.
#[derive(Clone, Copy, Debug)]
pub struct At {
    /// Height.
    pub height: u64,
    /// Time, Unix ms.
    pub now: u64,
}

/// The contracts' canonical addresses and the network's id.
#[derive(Clone, Debug)]
pub struct Network {
    pub net: Hash,
    pub registrar: Vec<u8>,
    pub ppr: Vec<u8>,
    pub ppr_text: String,
    pub summary_text: String,
}

/// The reference.
#[derive(Clone, Debug)]
pub struct Model {
    pub network: Network,
    /// What must be in the contracts' records.
    pub state: State,
    /// The account that may take over.
    pub proposed: Option<Vec<u8>>,
    pub paused: bool,
    pub endpoints: BTreeMap<u32, String>,
    /// Cases whose holder has used its veto.
    pub vetoed: BTreeSet<CaseId>,
    /// Invitations with the epoch of the holder who made them.
    pub invitations: BTreeMap<(CaseId, u32), u32>,
    pub acks: BTreeMap<(CaseId, u32), u32>,
    /// Height at which a case reached a `rev`.
    pub rev_height: BTreeMap<(CaseId, u32), u64>,
}

impl Model {
    pub fn new(network: Network, state: State) -> Self {
        Self {
            network,
            state,
            proposed: None,
            paused: false,
            endpoints: BTreeMap::new(),
            vetoed: BTreeSet::new(),
            invitations: BTreeMap::new(),
            acks: BTreeMap::new(),
            rev_height: BTreeMap::new(),
        }
    }

    /// Does a message of an account or contract, or refuses it and stays as it was.
    pub fn apply(&mut self, sender: &[u8], call: &Call, at: At) -> Verdict {
        let mut next = self.clone();
        let verdict = match call {
            Call::Registrar(msg) => next.registrar(sender, msg, at).map(|()| Vec::new()),
            Call::Ppr(msg) => next.ppr(sender, msg, at).map(|()| Vec::new()),
            Call::Summary(msg) => next.summary(sender, msg, at),
        };
        if verdict.is_ok() {
            *self = next;
        }
        verdict
    }

    /// The institution whose operator an account is.
    pub fn operates(&self, sender: &[u8]) -> Option<u32> {
        Address::try_from(sender).ok().and_then(|account| self.state.operators.get(&account).copied())
    }

    pub fn active(&self, number: u32) -> bool {
        self.state.institutions.get(&number).is_some_and(|found| found.status == InstitutionStatus::Active)
    }

    /// The sender's institution, which must be active.
    fn active_operator(&self, sender: &[u8]) -> Result<u32, &'static str> {
        let number = self.operates(sender).ok_or("no operator")?;
        demand(self.active(number), "suspended")?;
        Ok(number)
    }

    fn identity(&self, case: &CaseId) -> Result<&IdentityRecord, &'static str> {
        self.state.identities.get(case).ok_or("no identity")
    }

    pub fn recovering(&self, case: &CaseId, now: u64) -> bool {
        self.state.recovering.get(case).is_some_and(|recovery| now < recovery.lapses)
    }

    /// The holder, or a live delegate of it with the power.
    pub fn acts(&self, case: &CaseId, sender: &[u8], power: Power, now: u64) -> bool {
        let Some(identity) = self.state.identities.get(case) else { return false };
        if identity.holder.0 == sender {
            return true;
        }
        let Ok(account) = Address::try_from(sender) else { return false };
        self.state.delegates.get(&(*case, account)).is_some_and(|delegate| {
            let lasts = delegate.until == 0 || now < delegate.until;
            delegate.epoch == identity.epoch && lasts && delegate.powers >> (power as u16) & 1 == 1
        })
    }

    /// The same while no recovery runs.
    fn acts_freely(&self, case: &CaseId, sender: &[u8], power: Power, now: u64) -> Result<(), &'static str> {
        self.identity(case)?;
        demand(self.acts(case, sender, power, now), "not the holder's side")?;
        demand(!self.recovering(case, now), "recovering")
    }

    fn relationship(&self, case: &CaseId, institution: u32) -> Option<RelationshipStatus> {
        self.state.relationships.get(&(*case, institution)).map(|found| found.status)
    }

    fn raise(&mut self, case: CaseId, at: At) {
        let rev = self.state.rev.entry(case).or_default();
        *rev += 1;
        self.rev_height.insert((case, *rev), at.height);
    }
}

fn demand(met: bool, refusal: &'static str) -> Result<(), &'static str> {
    if met { Ok(()) } else { Err(refusal) }
}

fn account_of(text: &str) -> Result<Address, &'static str> {
    account::decode("account", text).map_err(|_| "account")
}

fn hash_of(bytes: &HexBinary) -> Result<Hash, &'static str> {
    bytes.as_slice().try_into().map_err(|_| "length")
}

fn case_of(bytes: &HexBinary) -> Result<CaseId, &'static str> {
    hash_of(bytes).map(CaseId)
}

fn object<T: borsh::BorshDeserialize>(bytes: &Binary) -> Result<T, &'static str> {
    decode(bytes.as_slice()).map_err(|_| "malformed")
}
