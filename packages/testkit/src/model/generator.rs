//! Random messages that are often enough accepted to go deep, and often enough wrong.
//!
//! Responsible for: one message of every kind, from a seed. Must never look at the contracts' state
//! but through the reference, so that a run is the same again from its seed.

mod ppr;
mod registrar;
mod summary;

use std::collections::BTreeMap;

use casewise_ledger::{Address, CaseId, LaneId, grant::DAY_MS, records::RelationshipStatus, sha256};
use casewise_protocol::{convert::InstitutionKind, ppr::REVIEW_MS};
use cosmwasm_std::Addr;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    cast::{Cast, Log, Slot, addr_of, text},
    reference::Model,
};
use crate::{
    contracts::{POLICY, Suite},
    messages::{self, Call},
};

/// A message and who sends it.
#[derive(Clone, Debug)]
pub struct Sent {
    pub sender: Addr,
    /// The sender's canonical bytes.
    pub canonical: Vec<u8>,
    pub call: Call,
    /// A batch in which every item goes on from the anchored head and is rightly signed.
    pub honest: bool,
}

/// What a run knows besides the contracts' state.
pub struct World {
    pub rng: StdRng,
    pub cast: Cast,
    pub slots: Vec<Slot>,
    pub logs: BTreeMap<LaneId, Log>,
    /// Lanes and slots of messages that are not yet known to be accepted.
    pending: Vec<Log>,
    pending_slot: Option<Slot>,
    honest: bool,
    count: u64,
    kinds: Vec<&'static str>,
    script: Vec<&'static str>,
}

const CASES: usize = 4;
const INSTITUTIONS: [(&str, InstitutionKind); 4] = [
    ("A", InstitutionKind::Provider),
    ("B", InstitutionKind::Provider),
    ("R", InstitutionKind::Research),
    ("O", InstitutionKind::Oversight),
];
/// What every run begins with, the first to come last.
const SCRIPT: [&str; 14] = [
    "summary.open",
    "summary.open",
    "registrar.register_practitioner",
    "ppr.accept",
    "ppr.accept",
    "ppr.propose",
    "ppr.propose",
    "registrar.enrol",
    "registrar.enrol_custodial",
    "registrar.enrol",
    "registrar.register_institution",
    "registrar.register_institution",
    "registrar.register_institution",
    "registrar.register_institution",
];

/// How often a kind comes.
fn weight(kind: &str) -> usize {
    match kind {
        "summary.anchor" => 10,
        "summary.open" | "ppr.propose" => 6,
        "ppr.grant" => 6,
        "ppr.accept" | "summary.close" | "summary.close_overdue" | "ppr.review_emergency" => 4,
        "registrar.start_recovery" | "registrar.attest_recovery" => 5,
        "summary.rotate" | "summary.seen" | "ppr.open_emergency" => 3,
        "summary.propose_completion" | "summary.finish_completion" | "registrar.finish_recovery" => 3,
        "registrar.accept_claim" | "ppr.expire" => 3,
        "registrar.suspend_institution" | "ppr.end" | "ppr.decline" | "registrar.accept_authority" => 1,
        "registrar.pause_registrations" | "ppr.holder_changed" | "summary.closing" => 1,
        _ => 2,
    }
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut kinds = Vec::new();
        for kind in messages::all() {
            kinds.extend(std::iter::repeat_n(kind, weight(kind)));
        }
        let mut cast = Cast::default();
        for name in ["stranger", "authority", "next authority", "A", "B", "R", "O"] {
            cast.account(name);
        }
        Self {
            rng: StdRng::seed_from_u64(seed),
            cast,
            slots: Vec::new(),
            logs: BTreeMap::new(),
            pending: Vec::new(),
            pending_slot: None,
            honest: false,
            count: 0,
            kinds,
            script: SCRIPT.to_vec(),
        }
    }

    /// True about `percent` times in 100.
    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> Option<T> {
        if items.is_empty() { None } else { Some(items[self.rng.random_range(0..items.len())].clone()) }
    }

    fn fresh(&mut self) -> String {
        self.count += 1;
        format!("n{}", self.count)
    }

    /// How far the clock goes before the next message, ms; `None`: it comes in the same block.
    pub fn wait(&mut self, model: &Model, now: u64) -> Option<u64> {
        if !self.script.is_empty() {
            return Some(500);
        }
        match self.rng.random_range(0..1000) {
            0..100 => None,
            100..880 => Some(500),
            880..960 => Some(self.until_bound(model, now)),
            960..980 => Some(self.rng.random_range(1_000..900_000)),
            980..994 => Some(self.rng.random_range(0..DAY_MS)),
            994..998 => Some(3 * DAY_MS),
            _ => Some(31 * DAY_MS),
        }
    }

    /// How long until something begins or ends, or 1 ms beside that.
    fn until_bound(&mut self, model: &Model, now: u64) -> u64 {
        let state = &model.state;
        let mut bounds: Vec<u64> = state.due.values().copied().collect();
        for recovery in state.recovering.values() {
            bounds.extend([recovery.ready; 6]);
            bounds.push(recovery.lapses);
        }
        bounds.extend(state.claims.values().map(|claim| claim.until));
        bounds.extend(state.delegates.values().map(|delegate| delegate.until));
        for access in state.emergencies.values().filter(|access| access.review.is_none()) {
            bounds.extend([access.until, access.until + REVIEW_MS]);
        }
        bounds.extend(state.grants.values().map(|grant| (u64::from(grant.last) + 1) * DAY_MS));
        let grace = u64::from(POLICY.grace) * 1000;
        bounds.extend(state.institutions.values().map(|institution| institution.since + grace));
        // far ones seldom: everything else would be over
        let days = if self.chance(92) { 4 } else { 40 };
        bounds.retain(|bound| *bound > now + 1 && *bound < now + days * DAY_MS);
        let bound = self.pick(&bounds).unwrap_or(now + 501);
        bound - now + self.rng.random_range(0..3) - 1
    }

    /// The next message.
    pub fn next(&mut self, suite: &Suite, model: &Model) -> Sent {
        let kind = match self.script.pop() {
            Some(kind) => kind,
            None => self.kinds[self.rng.random_range(0..self.kinds.len())],
        };
        (self.honest, self.pending, self.pending_slot) = (false, Vec::new(), None);
        let (right, call) = self.make(kind, suite, model);
        assert_eq!(call.name(), kind, "the generator made another message");
        let canonical = self.sender(right, model);
        let sender = match Address::try_from(canonical.as_slice()) {
            Ok(account) => addr_of(&account),
            Err(_) => contract(suite, model, &canonical),
        };
        Sent { sender, canonical, call, honest: self.honest }
    }

    /// The lanes and the case of a message exist from now on.
    pub fn accepted(&mut self, model: &Model) {
        for log in std::mem::take(&mut self.pending) {
            if model.state.lanes.contains_key(&log.id()) {
                self.logs.entry(log.id()).or_insert(log);
            }
        }
        self.slots.extend(self.pending_slot.take());
    }

    fn sender(&mut self, right: Option<Vec<u8>>, model: &Model) -> Vec<u8> {
        let scripted = !self.script.is_empty();
        match right {
            Some(right) if scripted || !self.chance(12) => right,
            _ => {
                self.honest = false;
                let contracts = [model.network.registrar.clone(), model.network.ppr.clone()];
                let accounts = self.cast.accounts();
                if self.chance(5) {
                    return self.pick(&contracts).expect("two of them");
                }
                // nobody special is a sender often enough as it is
                self.pick(&accounts).expect("there are accounts").0.to_vec()
            }
        }
    }

    fn case(&mut self) -> CaseId {
        match self.pick(&self.slots.clone()) {
            Some(slot) if !self.chance(2) => slot.case,
            _ => CaseId(sha256(&[b"no case", &[self.rng.random_range(0..4u8)]])),
        }
    }

    fn slot_of(&self, case: &CaseId) -> usize {
        self.slots.iter().find(|slot| slot.case == *case).map_or(0, |slot| slot.number)
    }

    fn institution(&mut self, model: &Model) -> u32 {
        self.rng.random_range(
            1..=model.state.institutions.len().max(1) as u32 + u32::from(self.count.is_multiple_of(50)),
        )
    }

    fn operator(&mut self, model: &Model, number: u32) -> Option<Address> {
        let all: Vec<_> = model
            .state
            .operators
            .iter()
            .filter(|(_, of)| **of == number)
            .map(|(account, _)| *account)
            .collect();
        self.pick(&all)
    }

    fn any_operator(&mut self, model: &Model) -> (u32, Option<Address>) {
        let number = self.institution(model);
        (number, self.operator(model, number))
    }

    fn holder(&self, model: &Model, case: &CaseId) -> Option<Address> {
        model.state.identities.get(case).map(|identity| identity.holder)
    }

    /// The holder, or one of its delegates, dead or alive.
    fn holders_side(&mut self, model: &Model, case: &CaseId) -> Option<Address> {
        let delegates: Vec<_> =
            model.state.delegates.keys().filter(|(of, _)| of == case).map(|(_, account)| *account).collect();
        let delegate = self.pick(&delegates).filter(|_| self.chance(30));
        delegate.or_else(|| self.holder(model, case))
    }

    fn relationship(&mut self, model: &Model, status: RelationshipStatus) -> (CaseId, u32) {
        let all = model.state.relationships.iter();
        let all: Vec<_> = all.filter(|(_, found)| found.status == status).map(|(id, _)| *id).collect();
        let found = self.pick(&all).filter(|_| self.chance(85));
        found.unwrap_or_else(|| (self.case(), self.institution(model)))
    }

    fn make(&mut self, kind: &'static str, suite: &Suite, model: &Model) -> (Option<Vec<u8>>, Call) {
        if kind.starts_with("registrar") {
            let (right, msg) = self.registrar(kind, suite, model);
            (right, msg.into())
        } else if kind.starts_with("ppr") {
            let (right, msg) = self.ppr(kind, suite, model);
            (right, msg.into())
        } else {
            let (right, msg) = self.summary(kind, model, suite.now());
            (right, msg.into())
        }
    }
}

fn contract(suite: &Suite, model: &Model, canonical: &[u8]) -> Addr {
    if canonical == model.network.registrar { suite.registrar.clone() } else { suite.ppr.clone() }
}
