//! ppr's messages.

use casewise_ledger::{
    Address, CaseId, Commitment, V1,
    grant::DAY_MS,
    records::{
        DelegateRecord, EmergencyRecord, GrantRecord, GrantStatus, InstitutionKind, PractitionerStatus,
        RelationshipRecord, RelationshipStatus, Review,
    },
};
use casewise_protocol::{
    convert::{EmergencyReason, ReviewOutcome},
    ppr::{
        ExecuteMsg, MAX_COMPLETION, MAX_DELEGATES, MAX_EMERGENCY_MS, MAX_GRACE, MAX_GRANTS, MAX_UNREVIEWED,
        NewGrant, PolicyMsg, Power, REVIEW_MS,
    },
};
use cosmwasm_std::HexBinary;

use super::{At, Model, account_of, case_of, demand, hash_of};

type Done = Result<(), &'static str>;

impl Model {
    pub(super) fn ppr(&mut self, sender: &[u8], msg: &ExecuteMsg, at: At) -> Done {
        match msg {
            ExecuteMsg::SetSummary { summary } => {
                demand(self.state.authority == sender, "not the authority")?;
                demand(*summary == self.network.summary_text, "no contract")
            }
            ExecuteMsg::Propose { case, policy } => self.propose(sender, case_of(case)?, policy.as_ref(), at),
            ExecuteMsg::Accept { case, institution } => {
                let case = case_of(case)?;
                self.acts_freely(&case, sender, Power::Relationships, at.now)?;
                match self.relationship(&case, *institution) {
                    Some(RelationshipStatus::Proposed) => {
                        self.come_into_force(case, *institution, at);
                        Ok(())
                    }
                    status => demand(status == Some(RelationshipStatus::Active), "not proposed"),
                }
            }
            ExecuteMsg::Decline { case, institution } => {
                let case = case_of(case)?;
                self.acts_freely(&case, sender, Power::Relationships, at.now)?;
                match self.relationship(&case, *institution) {
                    Some(RelationshipStatus::Proposed) => {
                        self.leave(case, *institution, RelationshipStatus::Ended, at);
                        Ok(())
                    }
                    status => demand(status == Some(RelationshipStatus::Ended), "not proposed"),
                }
            }
            ExecuteMsg::End { case, institution } => {
                let case = case_of(case)?;
                self.identity(&case)?;
                let holders =
                    self.acts(&case, sender, Power::Relationships, at.now) && !self.recovering(&case, at.now);
                let holder = self.identity(&case)?.holder.0 == sender;
                demand(holders || !holder && self.operates(sender) == Some(*institution), "no party")?;
                match self.relationship(&case, *institution).ok_or("no relationship")? {
                    RelationshipStatus::Ended => {}
                    _ => self.leave(case, *institution, RelationshipStatus::Ended, at),
                }
                Ok(())
            }
            ExecuteMsg::Invite { case, institution } => {
                let case = case_of(case)?;
                self.acts_freely(&case, sender, Power::Relationships, at.now)?;
                demand(self.relationship(&case, *institution).is_none(), "has a relationship")?;
                let epoch = self.identity(&case)?.epoch;
                if self.invitations.get(&(case, *institution)) == Some(&epoch) {
                    return Ok(());
                }
                demand(self.active(*institution), "no active institution")?;
                self.invitations.insert((case, *institution), epoch);
                Ok(())
            }
            ExecuteMsg::WithdrawInvitation { case, institution } => {
                let case = case_of(case)?;
                self.acts_freely(&case, sender, Power::Relationships, at.now)?;
                self.invitations.remove(&(case, *institution));
                Ok(())
            }
            ExecuteMsg::Suspend { case, institution } => {
                let case = case_of(case)?;
                self.acts_freely(&case, sender, Power::Relationships, at.now)?;
                match self.relationship(&case, *institution) {
                    Some(RelationshipStatus::Active) => {
                        self.leave(case, *institution, RelationshipStatus::Suspended, at);
                        Ok(())
                    }
                    status => demand(status == Some(RelationshipStatus::Suspended), "not in force"),
                }
            }
            ExecuteMsg::Resume { case, institution } => {
                let case = case_of(case)?;
                self.acts_freely(&case, sender, Power::Relationships, at.now)?;
                match self.relationship(&case, *institution) {
                    Some(RelationshipStatus::Suspended) => {
                        self.relate(case, *institution, RelationshipStatus::Active, at);
                        Ok(())
                    }
                    status => demand(status == Some(RelationshipStatus::Active), "not suspended"),
                }
            }
            ExecuteMsg::SetDelegate { case, account, powers, until } => {
                let until = until.map(|until| until.u64());
                self.set_delegate(sender, case_of(case)?, account_of(account)?, powers, until, at)
            }
            ExecuteMsg::RemoveDelegate { case, account } => {
                let (case, account) = (case_of(case)?, account_of(account)?);
                let holder = self.identity(&case)?.holder.0 == sender;
                demand(holder || account.0 == sender, "neither holder nor delegate")?;
                self.state.delegates.remove(&(case, account));
                Ok(())
            }
            ExecuteMsg::OpenEmergency { case, reason, until } => {
                self.open_emergency(sender, case_of(case)?, *reason, until.u64(), at)
            }
            ExecuteMsg::EndEmergency { case, number } => {
                self.end_emergency(sender, case_of(case)?, *number, at)
            }
            ExecuteMsg::ReviewEmergency { case, number, outcome } => {
                self.review(sender, case_of(case)?, *number, *outcome, at)
            }
            ExecuteMsg::HolderChanged { case } => {
                demand(self.network.registrar == sender, "not the registrar")?;
                self.raise(case_of(case)?, at);
                Ok(())
            }
            ExecuteMsg::Grant { case, grants } => self.grant(sender, case_of(case)?, grants, at),
            ExecuteMsg::Revoke { case, commitments } => self.revoke(sender, case_of(case)?, commitments, at),
            ExecuteMsg::Expire { commitment } => self.expire(sender, Commitment(hash_of(commitment)?), at),
            ExecuteMsg::Ack { case, rev } => {
                let case = case_of(case)?;
                let number = self.operates(sender).ok_or("no operator")?;
                self.relationship(&case, number).ok_or("no relationship")?;
                demand(*rev <= self.rev(&case), "ahead")?;
                let acked = self.acks.entry((case, number)).or_default();
                *acked = (*acked).max(*rev);
                Ok(())
            }
        }
    }

    pub fn rev(&self, case: &CaseId) -> u32 {
        self.state.rev.get(case).copied().unwrap_or_default()
    }

    fn relate(&mut self, case: CaseId, institution: u32, status: RelationshipStatus, at: At) {
        let record = RelationshipRecord { version: V1, status, since: at.now };
        self.state.relationships.insert((case, institution), record);
    }

    fn come_into_force(&mut self, case: CaseId, institution: u32, at: At) {
        self.relate(case, institution, RelationshipStatus::Active, at);
        let rev = self.rev(&case);
        let acked = self.acks.entry((case, institution)).or_default();
        *acked = (*acked).max(rev);
    }

    fn leave(&mut self, case: CaseId, institution: u32, status: RelationshipStatus, at: At) {
        self.relate(case, institution, status, at);
        self.start_closing(&case, Some(institution), at);
    }

    fn propose(&mut self, sender: &[u8], case: CaseId, policy: Option<&PolicyMsg>, at: At) -> Done {
        let number = self.active_operator(sender)?;
        let identity = self.identity(&case)?;
        let (enrolling, epoch) = (identity.institution == number, identity.epoch);
        let given = policy.map(|policy| policy.policy().map_err(|_| "policy")).transpose()?;
        match (self.state.policies.get(&case), given) {
            (None, Some(given)) if enrolling => {
                demand(given.grace <= MAX_GRACE && given.completion <= MAX_COMPLETION, "limits")?;
                if let Some(amends) = given.amends {
                    demand(amends != case && self.state.identities.contains_key(&amends), "amends")?;
                }
                self.state.policies.insert(case, given);
            }
            (None, _) => return Err("no policy, or not yours"),
            (Some(stored), Some(given)) => demand(enrolling && *stored == given, "another policy")?,
            (Some(_), None) => {}
        }
        match self.relationship(&case, number) {
            Some(RelationshipStatus::Ended) => Err("ended"),
            Some(_) => Ok(()),
            None => {
                let invited =
                    self.invitations.get(&(case, number)) == Some(&epoch) && !self.recovering(&case, at.now);
                // used up, whether it counted or not
                self.invitations.remove(&(case, number));
                if invited {
                    self.come_into_force(case, number, at);
                } else {
                    self.relate(case, number, RelationshipStatus::Proposed, at);
                }
                Ok(())
            }
        }
    }

    fn set_delegate(
        &mut self,
        sender: &[u8],
        case: CaseId,
        account: Address,
        powers: &[Power],
        until: Option<u64>,
        at: At,
    ) -> Done {
        let identity = self.identity(&case)?.clone();
        demand(identity.holder.0 == sender, "not the holder")?;
        demand(!self.recovering(&case, at.now), "recovering")?;
        demand(account != identity.holder, "is the holder")?;
        demand(!self.state.operators.contains_key(&account), "an operator")?;
        let ascending = powers.windows(2).all(|pair| pair[0] < pair[1]);
        demand(!powers.is_empty() && ascending, "powers")?;
        let bits = powers.iter().fold(0u16, |bits, power| bits | 1 << (*power as u16));
        let wanted =
            DelegateRecord { version: V1, powers: bits, until: until.unwrap_or(0), epoch: identity.epoch };
        if self.state.delegates.get(&(case, account)) == Some(&wanted) {
            return Ok(());
        }
        demand(until.is_none_or(|until| until > at.now), "over")?;
        let live = |record: &DelegateRecord| {
            record.epoch == identity.epoch && (record.until == 0 || at.now < record.until)
        };
        let others = || self.state.delegates.iter().filter(|((of, who), _)| *of == case && *who != account);
        if others().count() >= MAX_DELEGATES {
            let over: Vec<_> = others().filter(|(_, record)| !live(record)).map(|(key, _)| *key).collect();
            demand(!over.is_empty(), "too many")?;
            over.iter().for_each(|key| {
                self.state.delegates.remove(key);
            });
        }
        self.state.delegates.insert((case, account), wanted);
        Ok(())
    }

    /// A practitioner's accesses that wait for their review.
    pub fn unreviewed(&self, practitioner: &Address) -> Vec<(CaseId, u32, u64)> {
        let all = self.state.emergencies.iter();
        all.filter(|(_, access)| access.practitioner == *practitioner && access.review.is_none())
            .map(|((case, number), access)| (*case, *number, access.until + REVIEW_MS))
            .collect()
    }

    fn open_emergency(
        &mut self,
        sender: &[u8],
        case: CaseId,
        reason: EmergencyReason,
        until: u64,
        at: At,
    ) -> Done {
        let account = Address::try_from(sender).map_err(|_| "no practitioner")?;
        let practitioner = self.state.practitioners.get(&account).ok_or("no practitioner")?;
        demand(practitioner.status == PractitionerStatus::Active, "not active")?;
        let institution = practitioner.institution;
        demand(self.active(institution), "suspended")?;
        demand(self.state.institutions[&institution].kind == InstitutionKind::Provider, "no provider")?;
        self.identity(&case)?;
        let of_case = || self.state.emergencies.iter().filter(|((of, _), _)| *of == case);
        let running = of_case().find(|(_, access)| access.practitioner == account && at.now < access.until);
        if let Some((_, running)) = running {
            return demand((running.reason, running.until) == (reason.into(), until), "another runs");
        }
        demand(at.now < until && until <= at.now + MAX_EMERGENCY_MS, "until")?;
        let waiting = self.unreviewed(&account);
        demand(waiting.iter().all(|(_, _, due)| at.now < *due), "a review is overdue")?;
        demand(waiting.len() < MAX_UNREVIEWED, "too many wait")?;
        let number = of_case().count() as u32 + 1;
        let access = EmergencyRecord {
            version: V1,
            practitioner: account,
            institution,
            reason: reason.into(),
            since: at.now,
            until,
            review: None,
        };
        self.state.emergencies.insert((case, number), access);
        Ok(())
    }

    fn end_emergency(&mut self, sender: &[u8], case: CaseId, number: u32, at: At) -> Done {
        let holders = self.acts(&case, sender, Power::Revocations, at.now);
        let counts = holders || self.state.authority == sender;
        let operates = self.operates(sender);
        let access = self.state.emergencies.get_mut(&(case, number)).ok_or("no access")?;
        let provider = access.practitioner.0 == sender || operates == Some(access.institution);
        demand(counts || provider, "no party")?;
        if at.now < access.until {
            access.until = at.now;
            if counts {
                self.raise(case, at);
            }
        }
        Ok(())
    }

    fn review(&mut self, sender: &[u8], case: CaseId, number: u32, outcome: ReviewOutcome, at: At) -> Done {
        let institution = self.active_operator(sender)?;
        let kind = self.state.institutions[&institution].kind;
        let access = self.state.emergencies.get_mut(&(case, number)).ok_or("no access")?;
        demand(access.institution == institution || kind == InstitutionKind::Oversight, "no reviewer")?;
        demand(access.practitioner.0 != sender, "its own")?;
        if let Some(review) = &access.review {
            let same = (review.outcome, review.institution) == (outcome.into(), institution);
            return demand(same, "reviewed otherwise");
        }
        demand(access.until <= at.now, "still running")?;
        access.review = Some(Review { outcome: outcome.into(), institution, time: at.now });
        Ok(())
    }

    fn grant(&mut self, sender: &[u8], case: CaseId, grants: &[NewGrant], at: At) -> Done {
        self.acts_freely(&case, sender, Power::Grants, at.now)?;
        demand(!grants.is_empty() && grants.len() <= MAX_GRANTS, "count")?;
        for grant in grants {
            let id = Commitment(hash_of(&grant.commitment)?);
            let (first, last) = (grant.first, grant.last);
            let wanted = GrantRecord { version: V1, case, status: GrantStatus::Live, first, last };
            match self.state.grants.get(&id) {
                Some(stored) => demand(*stored == wanted, "in use or over")?,
                None => {
                    demand(first <= last && at.now < (u64::from(last) + 1) * DAY_MS, "days")?;
                    self.state.grants.insert(id, wanted);
                }
            }
        }
        Ok(())
    }

    fn revoke(&mut self, sender: &[u8], case: CaseId, commitments: &[HexBinary], at: At) -> Done {
        self.identity(&case)?;
        demand(self.acts(&case, sender, Power::Revocations, at.now), "not the holder's side")?;
        demand(!commitments.is_empty() && commitments.len() <= MAX_GRANTS, "count")?;
        let mut any = false;
        for commitment in commitments {
            let id = Commitment(hash_of(commitment)?);
            let grant = self.state.grants.get_mut(&id).filter(|grant| grant.case == case).ok_or("none")?;
            if grant.status == GrantStatus::Live {
                grant.status = GrantStatus::Revoked;
                any = true;
            }
        }
        if any {
            self.raise(case, at);
        }
        Ok(())
    }

    fn expire(&mut self, sender: &[u8], id: Commitment, at: At) -> Done {
        let grant = self.state.grants.get(&id).ok_or("none")?.clone();
        let holder = self.identity(&grant.case)?.holder.0 == sender;
        let author =
            self.operates(sender).is_some_and(|number| self.relationship(&grant.case, number).is_some());
        demand(holder || author, "no party")?;
        if grant.status == GrantStatus::Live {
            demand(at.now >= (u64::from(grant.last) + 1) * DAY_MS, "not over")?;
            self.state.grants.get_mut(&id).expect("found above").status = GrantStatus::Expired;
            self.raise(grant.case, at);
        }
        Ok(())
    }
}
