//! ppr's messages.

use casewise_ledger::{
    Address, CaseId, Commitment,
    grant::DAY_MS,
    records::{GrantStatus, RelationshipStatus},
};
use casewise_protocol::{
    convert::{self, EmergencyReason, ReviewOutcome},
    ppr::{ExecuteMsg as P, MAX_EMERGENCY_MS, NewGrant, PolicyMsg, Power},
};
use rand::RngExt;

use super::{World, text};
use crate::{
    contracts::{POLICY, Suite, commitment},
    model::reference::Model,
};

impl World {
    pub(super) fn ppr(&mut self, kind: &str, suite: &Suite, model: &Model) -> (Option<Vec<u8>>, P) {
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
                let (early, over): (Vec<_>, Vec<_>) =
                    live.partition(|(_, grant)| now < (u64::from(grant.last) + 1) * DAY_MS);
                let from = if self.chance(50) { early } else { over };
                let known = self.pick(&from).map(|(id, _)| *id).filter(|_| self.chance(85));
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

    fn commitment(&mut self) -> Commitment {
        commitment(&format!("{}", self.rng.random_range(0..40)))
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
        // a review comes after the end, and an end before it: now and then the other way round
        let over = (kind == "ppr.review_emergency") == self.chance(80);
        let fitting = waiting.clone().filter(|(_, access)| (access.until <= now) == over);
        let fitting: Vec<_> = fitting.map(|(id, _)| *id).collect();
        let waiting: Vec<_> = waiting.map(|(id, _)| *id).collect();
        let waiting = if fitting.is_empty() { waiting } else { fitting };
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
                let access = state.emergencies.get(&(case, number));
                let right = match self.rng.random_range(0..10) {
                    0..4 => bytes(access.map(|access| access.practitioner)),
                    4 | 5 => bytes(self.operator(model, access.map_or(1, |access| access.institution))),
                    6 => Some(state.authority.clone()),
                    _ => bytes(self.holders_side(model, &case)),
                };
                (right, P::EndEmergency { case: hex, number })
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
}
