//! Random messages that are often enough accepted to go deep, and often enough wrong.
//!
//! Responsible for: one message of every kind, from a seed. Must never look at the contracts' state
//! but through the reference, so that a run is the same again from its seed.

use std::collections::BTreeMap;

use casewise_ledger::{
    Address, AnchorItem, CaseId, Class, ConflictProof, ConflictSide, HeadGiven, LaneId, Party, RotateCard,
    RotateItem, V1,
    grant::DAY_MS,
    lane::DEVICE_MINIMUM,
    merkle::{self, NodeId, ProofPlan},
    records::{CaseStatus, GrantStatus, LaneStatus, RelationshipStatus},
    sha256,
};
use casewise_protocol::{
    convert::{self, DisputeCode, EmergencyReason, InstitutionKind, PractitionerRole, ReviewOutcome},
    ppr::{ExecuteMsg as P, MAX_EMERGENCY_MS, NewGrant, PolicyMsg, Power, REVIEW_MS},
    registrar::{ExecuteMsg as R, MAX_CLAIM_MS},
    summary::ExecuteMsg as S,
};
use cosmwasm_std::{Addr, Binary, HexBinary};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    cast::{Cast, Log, Slot, addr_of, device_key, text},
    reference::Model,
};
use crate::{
    contracts::{Lane, POLICY, PREFIX, Suite, anchors, rotations},
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
        "summary.rotate" | "summary.seen" | "ppr.open_emergency" | "registrar.start_recovery" => 3,
        "summary.propose_completion" | "summary.finish_completion" | "registrar.finish_recovery" => 3,
        "registrar.attest_recovery" | "registrar.accept_claim" | "ppr.expire" => 3,
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

    fn candidate(&mut self, case: &CaseId) -> Address {
        let slot = self.slot_of(case);
        let name = match self.rng.random_range(0..20) {
            0 => format!("rec{slot}"),
            1 => format!("h{}.0", (slot + 1) % CASES),
            n => format!("h{slot}.{}", n % 6),
        };
        self.cast.account(&name)
    }

    /// Card, key and signature that bring a new holder.
    fn turn(&mut self, model: &Model, case: CaseId, to: Option<Address>) -> (Binary, HexBinary, HexBinary) {
        let to = to.unwrap_or_else(|| self.candidate(&case));
        let epoch = model.state.identities.get(&case).map_or(0, |identity| identity.epoch);
        let epoch = epoch + if self.chance(94) { 1 } else { self.rng.random_range(0..3) };
        let kem = sha256(&[b"kem", &to.0]);
        let card = RotateCard { version: V1, case, epoch, holder: to, kem };
        let signer = if self.chance(97) { to } else { self.cast.account("stranger") };
        let key = self.cast.key(&signer);
        let signature = key.sign_message(&card.message());
        let key = self.cast.key(&to);
        (convert::blob(&card), convert::hex(&key.public().0), convert::hex(&signature))
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

    fn registrar(&mut self, kind: &str, suite: &Suite, model: &Model) -> (Option<Vec<u8>>, R) {
        let state = &model.state;
        let authority = Some(state.authority.clone());
        let bytes = |account: Option<Address>| account.map(|account| account.0.to_vec());
        match kind {
            "registrar.register_institution" => (authority, self.admission(model)),
            "registrar.update_institution" => {
                let (number, operator) = self.any_operator(model);
                let name =
                    self.chance(50).then(|| if self.chance(95) { self.fresh() } else { String::new() });
                let endpoint = self.chance(60).then(|| format!("https://{}.example", self.fresh()));
                let right = if name.is_some() || self.chance(30) { authority } else { bytes(operator) };
                (right, R::UpdateInstitution { institution: number, name, endpoint })
            }
            "registrar.rotate_kem" => {
                let (_, operator) = self.any_operator(model);
                (bytes(operator), R::RotateKem { kem: HexBinary::from([self.rng.random_range(0..9); 32]) })
            }
            "registrar.add_operator" | "registrar.remove_operator" => {
                let (institution, operator) = self.any_operator(model);
                let name = format!("op{}", self.rng.random_range(0..5));
                let account = if self.chance(90) { self.cast.account(&name) } else { self.cast.account("A") };
                let account = text(&account);
                let right = if self.chance(30) { authority } else { bytes(operator) };
                let msg = if kind == "registrar.add_operator" {
                    R::AddOperator { institution, account }
                } else {
                    R::RemoveOperator { institution, account }
                };
                (right, msg)
            }
            "registrar.suspend_institution" => {
                (authority, R::SuspendInstitution { institution: self.institution(model) })
            }
            "registrar.resume_institution" => {
                let suspended: Vec<u32> =
                    state.institutions.keys().copied().filter(|number| !model.active(*number)).collect();
                let institution = self.pick(&suspended).unwrap_or_else(|| self.institution(model));
                (authority, R::ResumeInstitution { institution })
            }
            "registrar.propose_authority" => {
                let name = if self.chance(50) { "authority" } else { "next authority" };
                let account = self.chance(90).then(|| text(&self.cast.account(name)));
                (authority, R::ProposeAuthority { account })
            }
            "registrar.accept_authority" => (model.proposed.clone(), R::AcceptAuthority {}),
            "registrar.set_ppr" => {
                let ppr = if self.chance(90) {
                    suite.ppr.to_string()
                } else {
                    text(&self.cast.account("stranger"))
                };
                (authority, R::SetPpr { ppr })
            }
            "registrar.pause_registrations" => {
                (authority, R::PauseRegistrations { paused: !model.paused && self.chance(60) })
            }
            "registrar.register_practitioner" => {
                let number = if self.chance(70) { 1 } else { self.institution(model) };
                let operator = self.operator(model, number);
                let account = text(&self.practitioner());
                let role = self.pick(&PractitionerRole::ALL[..2]).expect("two roles");
                (bytes(operator), R::RegisterPractitioner { account, role })
            }
            "registrar.suspend_practitioner" | "registrar.resume_practitioner" => {
                let account = self.practitioner();
                let number = state.practitioners.get(&account).map_or(1, |known| known.institution);
                let operator = self.operator(model, number);
                let resume = kind == "registrar.resume_practitioner";
                let right =
                    if self.chance(if resume { 60 } else { 20 }) { authority } else { bytes(operator) };
                let account = text(&account);
                let msg = if resume {
                    R::ResumePractitioner { account }
                } else {
                    R::SuspendPractitioner { account }
                };
                (right, msg)
            }
            "registrar.enrol" | "registrar.enrol_custodial" => {
                self.enrolment(suite, model, kind == "registrar.enrol_custodial")
            }
            _ => self.identity_message(kind, suite.now(), model),
        }
    }

    fn practitioner(&mut self) -> Address {
        let name = match self.rng.random_range(0..20) {
            0 => "A".to_string(),
            n => format!("prac{}", n % 3),
        };
        self.cast.account(&name)
    }

    fn admission(&mut self, model: &Model) -> R {
        let count = model.state.institutions.len();
        let (name, kind) = match INSTITUTIONS.get(count) {
            Some((name, kind)) if self.chance(90) => (name.to_string(), *kind),
            _ if count < 6 && self.chance(30) => (self.fresh(), InstitutionKind::Provider),
            _ => ("A".to_string(), InstitutionKind::Provider),
        };
        self.cast.account(&name);
        let R::RegisterInstitution { account, name, endpoint, kem, .. } = Suite::admission(&name) else {
            unreachable!("an admission registers an institution");
        };
        let operators = if self.chance(20) { vec![text(&self.cast.account("op0"))] } else { Vec::new() };
        R::RegisterInstitution { kind, account, name, endpoint, kem, operators }
    }

    fn enrolment(&mut self, suite: &Suite, model: &Model, custodial: bool) -> (Option<Vec<u8>>, R) {
        let repeated = self.pick(&self.slots.clone());
        if let Some(slot) = repeated.filter(|_| self.slots.len() >= CASES || self.chance(20)) {
            let (sender, call) = slot.enrolment;
            if let Call::Registrar(msg) = call {
                let same = matches!(msg, R::EnrolCustodial { .. }) == custodial;
                if same {
                    return (Some(sender.0.to_vec()), msg);
                }
            }
        }
        let number = if self.script.is_empty() { self.institution(model) } else { 1 };
        let operator = self.operator(model, number).unwrap_or_else(|| self.cast.account("stranger"));
        let slot = self.slots.len().min(CASES - 1);
        let recovery = (!custodial && self.chance(80)).then(|| self.cast.account(&format!("rec{slot}")));
        let name = if self.slots.len() < CASES { format!("h{slot}.0") } else { format!("h{slot}.5") };
        self.cast.account(&name);
        let patient = suite.offer(&name, number, recovery);
        let msg = if custodial {
            R::EnrolCustodial {
                card: convert::blob(&patient.offer.card),
                key: convert::hex(&patient.offer.key),
                expires: patient.offer.expires.into(),
                signature: convert::hex(&patient.offer.signature),
            }
        } else {
            R::enrol(PREFIX, &patient.offer).expect("the prefix is valid")
        };
        if self.slots.len() < CASES {
            let enrolment = (operator, msg.clone().into());
            self.pending_slot = Some(Slot { case: patient.case(), number: slot, enrolment });
        }
        (Some(operator.0.to_vec()), msg)
    }

    fn identity_message(&mut self, kind: &str, now: u64, model: &Model) -> (Option<Vec<u8>>, R) {
        let state = &model.state;
        let bytes = |account: Option<Address>| account.map(|account| account.0.to_vec());
        let custodial: Vec<_> = state
            .identities
            .iter()
            .filter(|(_, identity)| identity.custodial)
            .map(|(case, _)| *case)
            .collect();
        let running = state.recovering.iter().filter(|(_, recovery)| now < recovery.lapses);
        let running: Vec<_> = running.map(|(case, _)| *case).collect();
        let ready = state.recovering.iter().filter(|(_, recovery)| recovery.ready <= now);
        let ready: Vec<_> = ready.map(|(case, _)| *case).collect();
        let any = self.case();
        let hex = |case: &CaseId| convert::hex(&case.0);
        match kind {
            "registrar.offer_claim" => {
                let case = self.pick(&custodial).unwrap_or(any);
                let holder = text(&self.candidate(&case));
                let ahead = self.pick(&[0, 1, 3_600_000, DAY_MS, MAX_CLAIM_MS, MAX_CLAIM_MS + 1]);
                let until = (now + ahead.expect("there are some")).into();
                (bytes(self.holder(model, &case)), R::OfferClaim { case: hex(&case), holder, until })
            }
            "registrar.withdraw_claim" => {
                let case = self.pick(&custodial).unwrap_or(any);
                (bytes(self.holder(model, &case)), R::WithdrawClaim { case: hex(&case) })
            }
            "registrar.accept_claim" => {
                let offered: Vec<_> = state.claims.keys().copied().collect();
                let case = self.pick(&offered).unwrap_or(any);
                let to = state.claims.get(&case).map(|claim| claim.holder);
                let recovery =
                    self.chance(70).then(|| text(&self.cast.account(&format!("rec{}", self.slot_of(&case)))));
                let (card, key, signature) = self.turn(model, case, to);
                (bytes(to), R::AcceptClaim { card, recovery, key, signature })
            }
            "registrar.rotate" => {
                let right = self.holder(model, &any);
                let (card, key, signature) = self.turn(model, any, None);
                (bytes(right), R::Rotate { card, key, signature })
            }
            "registrar.start_recovery" => {
                let to = state.recovering.get(&any).map(|recovery| recovery.holder);
                let to = to.filter(|_| self.chance(50));
                let (card, key, signature) = self.turn(model, any, to);
                (bytes(state.recovery.get(&any).copied()), R::StartRecovery { card, key, signature })
            }
            "registrar.attest_recovery" => {
                let case = self.pick(&running).unwrap_or(any);
                let numbers = state.relationships.iter().filter(|((of, number), found)| {
                    *of == case && found.status == RelationshipStatus::Active && model.active(*number)
                });
                let numbers: Vec<u32> = numbers.map(|((_, number), _)| *number).collect();
                let number = self.pick(&numbers).unwrap_or_else(|| self.institution(model));
                (bytes(self.operator(model, number)), R::AttestRecovery { case: hex(&case) })
            }
            "registrar.veto_recovery" => {
                let case = self.pick(&running).unwrap_or(any);
                (bytes(self.holder(model, &case)), R::VetoRecovery { case: hex(&case) })
            }
            "registrar.cancel_recovery" => {
                // seldom: others are to end as well
                let case = self.pick(&running).filter(|_| self.chance(15)).unwrap_or(any);
                (bytes(state.recovery.get(&case).copied()), R::CancelRecovery { case: hex(&case) })
            }
            "registrar.finish_recovery" => {
                let case = self.pick(&ready).or_else(|| self.pick(&running)).unwrap_or(any);
                let heir = state.recovering.get(&case).map(|recovery| recovery.holder);
                let right = if self.chance(50) { heir } else { state.recovery.get(&case).copied() };
                (bytes(right), R::FinishRecovery { case: hex(&case) })
            }
            other => panic!("{other} is not generated"),
        }
    }

    fn ppr(&mut self, kind: &str, suite: &Suite, model: &Model) -> (Option<Vec<u8>>, P) {
        use RelationshipStatus::{Active, Proposed, Suspended};
        let now = suite.now();
        let bytes = |account: Option<Address>| account.map(|account| account.0.to_vec());
        let hex = |case: &CaseId| convert::hex(&case.0);
        match kind {
            "ppr.set_summary" => {
                let summary = if self.chance(90) {
                    suite.summary.to_string()
                } else {
                    text(&self.cast.account("stranger"))
                };
                (Some(model.state.authority.clone()), P::SetSummary { summary })
            }
            "ppr.propose" => self.proposal(model),
            "ppr.accept" | "ppr.decline" | "ppr.suspend" | "ppr.resume" | "ppr.end" => {
                let wanted = match kind {
                    "ppr.accept" | "ppr.decline" => Proposed,
                    "ppr.resume" => Suspended,
                    _ => Active,
                };
                let (id, institution) = self.relationship(model, wanted);
                let case = hex(&id);
                let right = if kind == "ppr.end" && self.chance(40) {
                    self.operator(model, institution)
                } else {
                    self.holders_side(model, &id)
                };
                let msg = match kind {
                    "ppr.accept" => P::Accept { case, institution },
                    "ppr.decline" => P::Decline { case, institution },
                    "ppr.suspend" => P::Suspend { case, institution },
                    "ppr.resume" => P::Resume { case, institution },
                    _ => P::End { case, institution },
                };
                (bytes(right), msg)
            }
            "ppr.invite" | "ppr.withdraw_invitation" => {
                let (id, institution) = (self.case(), self.institution(model));
                let case = hex(&id);
                let msg = if kind == "ppr.invite" {
                    P::Invite { case, institution }
                } else {
                    P::WithdrawInvitation { case, institution }
                };
                (bytes(self.holders_side(model, &id)), msg)
            }
            "ppr.set_delegate" => {
                let case = self.case();
                let name = format!("del{}", self.rng.random_range(0..10));
                let account = if self.chance(95) { self.cast.account(&name) } else { self.cast.account("A") };
                let mask = self.rng.random_range(0..64u16);
                let mut powers = Power::of_bits(mask);
                if self.chance(5) {
                    powers.reverse();
                }
                let ahead = self.pick(&[None, Some(0), Some(1), Some(DAY_MS)]).expect("there are some");
                let until = ahead.map(|ahead| (now + ahead).into());
                let msg = P::SetDelegate { case: hex(&case), account: text(&account), powers, until };
                (bytes(self.holder(model, &case)), msg)
            }
            "ppr.remove_delegate" => {
                let named: Vec<_> = model.state.delegates.keys().copied().collect();
                let (case, account) =
                    self.pick(&named).unwrap_or_else(|| (self.case(), self.cast.account("del0")));
                let right = if self.chance(30) { Some(account) } else { self.holder(model, &case) };
                (bytes(right), P::RemoveDelegate { case: hex(&case), account: text(&account) })
            }
            "ppr.holder_changed" => {
                (Some(model.network.registrar.clone()), P::HolderChanged { case: hex(&self.case()) })
            }
            "ppr.grant" => {
                let id = self.case();
                let day = (now / DAY_MS) as u32;
                let grants = (0..self.rng.random_range(1..4)).map(|_| {
                    let first = day - 1 + self.rng.random_range(0..3);
                    NewGrant::new(
                        &self.commitment(),
                        (first, first + self.rng.random_range(0..3) - u32::from(self.chance(3))),
                    )
                });
                let grants = grants.collect();
                (bytes(self.holders_side(model, &id)), P::Grant { case: hex(&id), grants })
            }
            "ppr.revoke" => {
                let id = self.case();
                let own = model.state.grants.iter();
                let own: Vec<_> =
                    own.filter(|(_, grant)| grant.case == id).map(|(found, _)| *found).collect();
                let wanted = (0..self.rng.random_range(1..3)).map(|_| {
                    self.pick(&own).filter(|_| self.chance(95)).unwrap_or_else(|| self.commitment())
                });
                let wanted: Vec<_> = wanted.collect();
                (bytes(self.holders_side(model, &id)), P::revoke(&id, &wanted))
            }
            "ppr.expire" => {
                let live = model.state.grants.iter().filter(|(_, grant)| grant.status == GrantStatus::Live);
                let live: Vec<_> = live.map(|(id, _)| *id).collect();
                let known = self.pick(&live).filter(|_| self.chance(75));
                let commitment = known.unwrap_or_else(|| self.commitment());
                let case = model.state.grants.get(&commitment).map(|grant| grant.case);
                let case = case.unwrap_or_else(|| self.case());
                let right = if self.chance(50) {
                    self.any_operator(model).1
                } else {
                    self.holders_side(model, &case)
                };
                (bytes(right), P::expire(&commitment))
            }
            "ppr.ack" => {
                let (case, number) = self.relationship(model, Active);
                let rev = self.rng.random_range(0..model.rev(&case) + 2);
                (bytes(self.operator(model, number)), P::ack(&case, rev))
            }
            _ => self.emergency(kind, now, model),
        }
    }

    fn commitment(&mut self) -> casewise_ledger::Commitment {
        crate::contracts::commitment(&format!("{}", self.rng.random_range(0..40)))
    }

    fn proposal(&mut self, model: &Model) -> (Option<Vec<u8>>, P) {
        let case = self.case();
        let enrolling = model.state.identities.get(&case).map(|identity| identity.institution);
        let number = match enrolling {
            Some(number) if self.chance(50) || !model.state.policies.contains_key(&case) => number,
            _ => self.institution(model),
        };
        let mut policy = PolicyMsg::from(&POLICY);
        if self.chance(5) {
            policy.amends = Some(convert::hex(&self.case().0));
        }
        let carries = Some(number) == enrolling && self.chance(80) || self.chance(5);
        let msg = P::Propose { case: convert::hex(&case.0), policy: carries.then_some(policy) };
        (self.operator(model, number).map(|account| account.0.to_vec()), msg)
    }

    fn emergency(&mut self, kind: &str, now: u64, model: &Model) -> (Option<Vec<u8>>, P) {
        let state = &model.state;
        let bytes = |account: Option<Address>| account.map(|account| account.0.to_vec());
        let all: Vec<_> = state.emergencies.keys().copied().collect();
        let waiting = state.emergencies.iter().filter(|(_, access)| access.review.is_none());
        let waiting: Vec<_> = waiting.map(|(id, _)| *id).collect();
        let from = if self.chance(75) && !waiting.is_empty() { &waiting } else { &all };
        let known = self.pick(from).filter(|_| self.chance(95));
        let (case, number) = known.unwrap_or_else(|| (self.case(), 1));
        let hex = convert::hex(&case.0);
        match kind {
            "ppr.open_emergency" => {
                let case = self.case();
                let reason = self.pick(EmergencyReason::ALL).expect("there are some");
                let ahead = [0, 1, 3_600_000, 7_200_000, MAX_EMERGENCY_MS, MAX_EMERGENCY_MS + 1];
                let until = now + self.pick(&ahead).expect("there are some");
                let msg = P::OpenEmergency { case: convert::hex(&case.0), reason, until: until.into() };
                (Some(self.practitioner().0.to_vec()), msg)
            }
            "ppr.end_emergency" => {
                let practitioner = state.emergencies.get(&(case, number)).map(|access| access.practitioner);
                let right = if self.chance(50) { practitioner } else { self.holders_side(model, &case) };
                (bytes(right), P::EndEmergency { case: hex, number })
            }
            "ppr.review_emergency" => {
                let at = state.emergencies.get(&(case, number)).map_or(1, |access| access.institution);
                let reviewer = if self.chance(60) { at } else { self.institution(model) };
                let outcome = self.pick(ReviewOutcome::ALL).expect("there are some");
                (bytes(self.operator(model, reviewer)), P::ReviewEmergency { case: hex, number, outcome })
            }
            other => panic!("{other} is not generated"),
        }
    }

    fn summary(&mut self, kind: &str, model: &Model, now: u64) -> (Option<Vec<u8>>, S) {
        let state = &model.state;
        let bytes = |account: Option<Address>| account.map(|account| account.0.to_vec());
        match kind {
            "summary.open" => self.opening(model),
            "summary.anchor" => {
                let (right, items) = self.batch(model, now);
                (right, S::anchor(&anchors(items)))
            }
            "summary.close" => {
                let (right, items) = self.batch(model, now);
                (right, S::close(&anchors(items)))
            }
            "summary.rotate" => self.rotation(model, now),
            "summary.closing" => {
                let (case, institution) = self.relationship(model, RelationshipStatus::Active);
                (Some(model.network.ppr.clone()), S::closing(&case, institution))
            }
            "summary.close_overdue" => {
                let closing = state.lanes.iter().filter(|(_, lane)| lane.status == LaneStatus::Closing);
                let closing: Vec<LaneId> = closing.map(|(id, _)| *id).collect();
                let all: Vec<LaneId> = state.lanes.keys().copied().collect();
                let mut lanes = Vec::new();
                for _ in 0..self.rng.random_range(1..4) {
                    let from = if self.chance(80) && !closing.is_empty() { &closing } else { &all };
                    lanes.extend(self.pick(from));
                }
                if self.chance(4) {
                    lanes.clear();
                }
                (None, S::close_overdue(&lanes))
            }
            "summary.compromised" => {
                let devices = state.lanes.iter().filter(|(_, lane)| lane.signer.is_some());
                let devices: Vec<LaneId> = devices.map(|(id, _)| *id).collect();
                let lane = self.pick(&devices).filter(|_| self.chance(85)).or_else(|| self.lane(model));
                let lane = lane.unwrap_or(LaneId([9; 32]));
                let (size, author) = match state.lanes.get(&lane) {
                    Some(found) => (found.size, Some(found.author)),
                    None => (0, None),
                };
                let right = author.and_then(|author| self.author_account(model, &author));
                let index = size.saturating_sub(self.rng.random_range(0..3)) + u32::from(self.chance(5));
                (bytes(right), S::Compromised { lane: convert::hex(&lane.0), index })
            }
            "summary.dispute" | "summary.withdraw_dispute" => self.dispute(kind, model),
            "summary.prove_conflict" => (None, self.conflict(model, now)),
            "summary.seen" => {
                let case = self.case();
                let own: Vec<_> = state.lanes.iter().filter(|(_, lane)| lane.case == case).collect();
                let own: Vec<_> = own.into_iter().map(|(id, lane)| (*id, lane.size)).collect();
                let mut items = Vec::new();
                for _ in 0..self.rng.random_range(1..3) {
                    let Some((id, size)) = self.pick(&own) else { break };
                    items.push((id, self.rng.random_range(0..=size) + u32::from(self.chance(3))));
                }
                (bytes(self.holders_side(model, &case)), S::seen(&case, &items))
            }
            _ => self.case_message(kind, model),
        }
    }

    fn case_message(&mut self, kind: &str, model: &Model) -> (Option<Vec<u8>>, S) {
        let wanted = match kind {
            "summary.wind_up" => CaseStatus::Open,
            "summary.propose_completion" => CaseStatus::Closing,
            _ => CaseStatus::Proposed,
        };
        let ready = model.state.cases.iter().filter(|(_, case)| case.status == wanted);
        let ready: Vec<_> = ready.map(|(id, _)| *id).collect();
        let id = self.pick(&ready).filter(|_| self.chance(90)).unwrap_or_else(|| self.case());
        let case = convert::hex(&id.0);
        let digest = model.state.cases.get(&id).map_or([0; 32], |found| found.digest);
        let digest = if self.chance(96) { convert::hex(&digest) } else { HexBinary::from([3; 32]) };
        let in_force = model.state.relationships.iter();
        let in_force =
            in_force.filter(|((of, _), found)| *of == id && found.status == RelationshipStatus::Active);
        let numbers: Vec<u32> = in_force.map(|((_, number), _)| *number).collect();
        let right = match self.pick(&numbers).filter(|_| self.chance(40)) {
            Some(number) if kind != "summary.approve_completion" => self.operator(model, number),
            _ => self.holders_side(model, &id),
        };
        let msg = match kind {
            // not every case is to end soon
            "summary.wind_up" => S::WindUp { case },
            "summary.propose_completion" => S::ProposeCompletion { case, digest },
            "summary.approve_completion" => S::ApproveCompletion { case, digest },
            "summary.object_completion" => S::ObjectCompletion { case, digest },
            "summary.finish_completion" => S::FinishCompletion { case, digest },
            other => panic!("{other} is not generated"),
        };
        (right.map(|account| account.0.to_vec()), msg)
    }

    fn lane(&mut self, model: &Model) -> Option<LaneId> {
        let all: Vec<LaneId> = model.state.lanes.keys().copied().collect();
        self.pick(&all)
    }

    fn author_account(&mut self, model: &Model, author: &Party) -> Option<Address> {
        match author {
            Party::Institution(number) => self.operator(model, *number),
            Party::Account(account) => Some(*account),
        }
    }

    fn opening(&mut self, model: &Model) -> (Option<Vec<u8>>, S) {
        let (mut case, mut number) = self.relationship(model, RelationshipStatus::Active);
        if self.chance(15) {
            (case, number) = self.relationship(model, RelationshipStatus::Proposed);
        }
        let own = self.chance(20).then(|| self.holder(model, &case)).flatten();
        let author = own.map_or(Party::Institution(number), Party::Account);
        let mut headers = Vec::new();
        for _ in 0..self.rng.random_range(1..3) {
            let log = self.new_log(model, case, author);
            headers.push(log.lane.header.clone());
            self.pending.push(log);
        }
        let right = self.author_account(model, &author);
        (right.map(|account| account.0.to_vec()), S::open(&headers))
    }

    fn new_log(&mut self, model: &Model, case: CaseId, author: Party) -> Log {
        let name = self.fresh();
        let place = crate::contracts::Institution { number: 1, key: crate::contracts::key("A") };
        let mut lane = if self.chance(75) {
            Lane::content(&case, &place, &name)
        } else {
            Lane::access(&case, &place, &name)
        };
        let epoch = model.state.identities.get(&case).map_or(0, |identity| identity.epoch);
        lane.header.epoch = epoch + u32::from(self.chance(3));
        lane.header.author = author;
        let device =
            (lane.header.class == Class::Content && self.chance(30)).then(|| self.rng.random_range(1..4));
        if let Some(seed) = device {
            lane.header.signer = Some(device_key(seed));
            lane.header.minimum = DEVICE_MINIMUM;
        }
        Log { lane, device }
    }

    /// Some lanes of one author, and an account that may write them.
    fn lanes_of_one(&mut self, model: &Model) -> (Option<Vec<u8>>, Vec<LaneId>) {
        let live = model.state.lanes.iter().filter(|(_, lane)| lane.status != LaneStatus::Closed);
        let live: Vec<LaneId> = live.map(|(id, _)| *id).collect();
        let closing = model.state.lanes.iter().filter(|(_, lane)| lane.status == LaneStatus::Closing);
        let closing: Vec<LaneId> = closing.map(|(id, _)| *id).collect();
        let closing = self.pick(&closing).filter(|_| self.chance(30));
        let live = self.pick(&live).filter(|_| self.chance(85));
        let first = closing.or(live).or_else(|| self.lane(model));
        let Some(first) = first else { return (None, vec![LaneId([1; 32])]) };
        let author = model.state.lanes[&first].author;
        let theirs = model.state.lanes.iter().filter(|(id, lane)| lane.author == author && **id != first);
        let theirs: Vec<LaneId> = theirs.map(|(id, _)| *id).collect();
        let mut lanes = vec![first];
        for _ in 0..self.rng.random_range(0..3) {
            lanes.extend(self.pick(&theirs));
        }
        lanes.sort();
        lanes.dedup();
        if self.chance(2) {
            lanes.extend(self.lane(model));
        }
        let right = self.author_account(model, &author);
        (right.map(|account| account.0.to_vec()), lanes)
    }

    fn batch(&mut self, model: &Model, now: u64) -> (Option<Vec<u8>>, Vec<AnchorItem>) {
        let (right, lanes) = self.lanes_of_one(model);
        self.honest = lanes.windows(2).all(|pair| pair[0] < pair[1]);
        let items = lanes.iter().filter_map(|lane| self.item(model, lane, now)).collect();
        (right, items)
    }

    /// A head that goes on from the anchored one, or something wrong.
    fn item(&mut self, model: &Model, id: &LaneId, now: u64) -> Option<AnchorItem> {
        let size = model.state.lanes.get(id)?.size;
        let more = self.rng.random_range(0..4);
        let log = self.logs.get_mut(id)?;
        if log.lane.leaves.len() < 60 {
            log.lane.append(more);
        }
        let log = log.clone();
        let end = log.lane.leaves.len() as u32;
        if !self.chance(12) {
            let to = if self.chance(70) { end } else { self.rng.random_range(size..=end) };
            return Some(log.sign(log.lane.item(size, to), now));
        }
        self.honest = false;
        Some(match self.rng.random_range(0..4) {
            0 if size > 0 => {
                let to = self.rng.random_range(0..size);
                log.sign(log.lane.item(to, to), now)
            }
            1 if size > 0 => {
                let fork = log.fork(self.rng.random_range(0..size));
                fork.sign(fork.lane.item(size, end), now)
            }
            2 => {
                let mut item = log.sign(log.lane.item(size, end), now);
                item.proof.push([7; 32]);
                item
            }
            _ => {
                let mut item = log.sign(log.lane.item(size, end), now);
                item.device = match item.device {
                    Some(mut device) => {
                        device.sig[5] ^= 1;
                        self.chance(50).then_some(device)
                    }
                    None => Some(casewise_ledger::DeviceSignature { time: now, sig: [1; 64] }),
                };
                item
            }
        })
    }

    fn rotation(&mut self, model: &Model, now: u64) -> (Option<Vec<u8>>, S) {
        let (right, lanes) = self.lanes_of_one(model);
        let mut items = Vec::new();
        for id in lanes {
            let Some(last) = self.item(model, &id, now) else { continue };
            let log = self.logs[&id].clone();
            let mut lane = log.lane.successor(&self.fresh());
            let epoch = model.state.identities.get(&lane.header.case).map_or(0, |identity| identity.epoch);
            lane.header.epoch = epoch + u32::from(self.chance(4));
            if self.chance(2) {
                lane.header.case = CaseId([8; 32]);
            }
            items.push(RotateItem { last, next: lane.header.clone() });
            self.pending.push(Log { lane, device: log.device });
        }
        (right, rotations(items))
    }

    fn dispute(&mut self, kind: &str, model: &Model) -> (Option<Vec<u8>>, S) {
        let disputed: Vec<_> = model.state.disputes.keys().copied().collect();
        let withdraw = kind == "summary.withdraw_dispute";
        let known = self.pick(&disputed).filter(|_| withdraw);
        let sized: Vec<_> =
            model.state.lanes.iter().filter(|(_, lane)| lane.size > 0).map(|(id, _)| *id).collect();
        let (lane, index) = match known {
            Some((_, lane, index)) => (lane, index),
            None => {
                let lane = self.pick(&sized).or_else(|| self.lane(model)).unwrap_or(LaneId([9; 32]));
                let size = model.state.lanes.get(&lane).map_or(0, |found| found.size);
                let past = u32::from(self.chance(10));
                (lane, self.rng.random_range(0..=size.saturating_sub(1) + past))
            }
        };
        let case = model.state.lanes.get(&lane).map_or(CaseId([0; 32]), |found| found.case);
        let right = self.holders_side(model, &case).map(|account| account.0.to_vec());
        let lane = convert::hex(&lane.0);
        if withdraw {
            return (right, S::WithdrawDispute { lane, index });
        }
        let code = self.pick(&DisputeCode::ALL[..2]).expect("two codes");
        (right, S::Dispute { lane, index, code })
    }

    /// Two histories of a lane, or a proof that is none.
    fn conflict(&mut self, model: &Model, now: u64) -> S {
        let sized = model.state.lanes.iter().filter(|(_, lane)| lane.size > 0);
        let sized: Vec<_> = sized.map(|(id, lane)| (*id, lane.clone())).collect();
        let Some((id, lane)) = self.pick(&sized) else {
            return S::ProveConflict { proof: Binary::from([1, 2]) };
        };
        let log = self.logs[&id].clone();
        let index = self.rng.random_range(0..lane.size);
        let from = if self.chance(90) { index } else { (index + 1).min(lane.size - 1) };
        let fork = log.fork(from);
        let head = fork.lane.head(lane.size);
        let given = match log.device {
            Some(_) if self.chance(70) => {
                let sig = fork.sign(fork.lane.item(lane.size, lane.size), now).device.expect("a device").sig;
                HeadGiven::Device { time: now, sig }
            }
            _ => {
                let account = self.author_account(model, &lane.author);
                let account =
                    account.filter(|_| self.chance(90)).unwrap_or_else(|| self.cast.account("stranger"));
                let key = self.cast.key(&account);
                let sig = key.sign(&head.operator_digest(&id, now));
                HeadGiven::Account { time: now, key: key.public().0, sig }
            }
        };
        let sides = [side(&log, index, lane.size, HeadGiven::Anchored), side(&fork, index, lane.size, given)];
        S::ProveConflict { proof: convert::blob(&ConflictProof { version: V1, lane: id, index, sides }) }
    }
}

fn side(log: &Log, index: u32, size: u32, given: HeadGiven) -> ConflictSide {
    let leaves = &log.lane.leaves[..size as usize];
    let plan = ProofPlan::inclusion(index, size).expect("the index is below the size");
    let subtree = |NodeId { level, index }: NodeId| {
        let start = (index as usize) << level;
        leaves.get(start..start + (1 << level)).map(merkle::root)
    };
    let path = plan.assemble(subtree).expect("all leaves are at hand");
    ConflictSide { size, root: merkle::root(leaves), leaf: leaves[index as usize], path, given }
}

fn contract(suite: &Suite, model: &Model, canonical: &[u8]) -> Addr {
    if canonical == model.network.registrar { suite.registrar.clone() } else { suite.ppr.clone() }
}
