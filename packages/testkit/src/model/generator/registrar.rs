//! The registrar's messages.

use casewise_ledger::{Address, CaseId, RotateCard, V1, grant::DAY_MS, records::RelationshipStatus, sha256};
use casewise_protocol::{
    convert::{self, InstitutionKind, PractitionerRole},
    registrar::{ExecuteMsg as R, MAX_CLAIM_MS, MAX_EPOCHS_AHEAD},
};
use cosmwasm_std::{Binary, HexBinary};
use rand::RngExt;

use super::{CASES, INSTITUTIONS, Slot, World, text};
use crate::{
    contracts::{PREFIX, Suite},
    messages::Call,
    model::reference::Model,
};

impl World {
    fn candidate(&mut self, case: &CaseId) -> Address {
        let slot = self.slot_of(case);
        let name = match self.rng.random_range(0..20) {
            0 => format!("rec{slot}"),
            1 => format!("h{}.0", (slot + 1) % CASES),
            n => format!("h{slot}.{}", n % 6),
        };
        self.cast.account(&name)
    }

    /// Card, key and signature that bring a new holder; mostly for the epoch that follows.
    fn turn(&mut self, model: &Model, case: CaseId, to: Option<Address>) -> (Binary, HexBinary, HexBinary) {
        let ahead = if self.chance(94) { 1 } else { self.rng.random_range(0..3) };
        self.turn_ahead(model, case, to, ahead)
    }

    fn turn_ahead(
        &mut self,
        model: &Model,
        case: CaseId,
        to: Option<Address>,
        ahead: u32,
    ) -> (Binary, HexBinary, HexBinary) {
        let to = to.unwrap_or_else(|| self.candidate(&case));
        let epoch = model.state.identities.get(&case).map_or(0, |identity| identity.epoch) + ahead;
        let kem = sha256(&[b"kem", &to.0]);
        let card = RotateCard { version: V1, case, epoch, holder: to, kem };
        let signer = if self.chance(97) { to } else { self.cast.account("stranger") };
        let key = self.cast.key(&signer);
        let signature = key.sign_message(&card.message());
        let key = self.cast.key(&to);
        (convert::blob(&card), convert::hex(&key.public().0), convert::hex(&signature))
    }

    pub(super) fn registrar(&mut self, kind: &str, suite: &Suite, model: &Model) -> (Option<Vec<u8>>, R) {
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

    pub(super) fn practitioner(&mut self) -> Address {
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
                let ahead = self.pick(&[0, 3_600_000, DAY_MS, DAY_MS, MAX_CLAIM_MS, MAX_CLAIM_MS + 1]);
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
                // as who has the holder's key would, to stop a recovery
                let case = self.pick(&running).filter(|_| self.chance(50)).unwrap_or(any);
                let right = self.holder(model, &case);
                let (card, key, signature) = self.turn(model, case, None);
                (bytes(right), R::Rotate { card, key, signature })
            }
            "registrar.start_recovery" => {
                let to = state.recovering.get(&any).map(|recovery| recovery.holder);
                let to = to.filter(|_| self.chance(50));
                let ahead = [1, 1, 1, 2, 1 + MAX_EPOCHS_AHEAD, 2 + MAX_EPOCHS_AHEAD, 0];
                let ahead = self.pick(&ahead).expect("there are some");
                let (card, key, signature) = self.turn_ahead(model, any, to, ahead);
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
}
