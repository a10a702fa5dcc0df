//! Time bounds: nothing takes effect a millisecond before or after it may.

use casewise_ledger::{
    CaseId, Class,
    grant::DAY_MS,
    records::{CaseStatus, GrantStatus, InstitutionStatus, LaneStatus},
};
use casewise_protocol::{
    convert,
    ppr::{self, MAX_EMERGENCY_MS, REVIEW_MS},
    registrar::{self, DEFAULT_RECOVERY_DELAY, MAX_CLAIM_MS, RECOVERY_WINDOW_MS},
    summary,
};

use super::{Check, Step, ensure};
use crate::messages::Call;

impl Step<'_> {
    pub(super) fn time_bounds(&self) -> Check {
        if !self.changed() {
            return Ok(());
        }
        self.grants_in_time()?;
        self.identities_in_time()?;
        self.accesses_in_time()?;
        self.lanes_in_time()?;
        self.cases_in_time()
    }

    fn grants_in_time(&self) -> Check {
        for (id, after) in &self.after.grants {
            let over = (u64::from(after.last) + 1) * DAY_MS;
            let now = self.at.now;
            match self.before.grants.get(id).map(|before| before.status) {
                None => ensure(now < over, || format!("grant {id} made after its last day"))?,
                Some(GrantStatus::Live) if after.status == GrantStatus::Expired => {
                    ensure(over <= now, || format!("grant {id} expired {} ms early", over - now))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn identities_in_time(&self) -> Check {
        let now = self.at.now;
        for (case, after) in &self.after.recovering {
            if self.before.recovering.get(case).is_none_or(|before| before.ready != after.ready) {
                let ready = now + u64::from(DEFAULT_RECOVERY_DELAY) * 1000;
                let exact = (after.ready, after.lapses) == (ready, ready + RECOVERY_WINDOW_MS);
                ensure(exact, || format!("recovery of {case} at {now}: {after:?}"))?;
            }
        }
        for (case, after) in &self.after.claims {
            if self.before.claims.get(case) != Some(after) {
                let ahead = now < after.until && after.until <= now + MAX_CLAIM_MS;
                ensure(ahead, || format!("claim of {case} at {now}: {after:?}"))?;
            }
        }
        match &self.sent.call {
            Call::Registrar(registrar::ExecuteMsg::AcceptClaim { .. }) => {
                let taken = |case: &&CaseId| !self.after.claims.contains_key(*case);
                for case in self.before.claims.keys().filter(taken) {
                    let until = self.before.claims[case].until;
                    ensure(now < until, || format!("claim of {case} accepted {} ms late", now - until))?;
                }
            }
            Call::Registrar(registrar::ExecuteMsg::FinishRecovery { case }) => {
                let case = convert::case_id(case).map_err(|error| error.to_string())?;
                let recovery = &self.before.recovering[&case];
                let in_window = recovery.ready <= now && now < recovery.lapses;
                ensure(in_window, || format!("recovery of {case} finished at {now}: {recovery:?}"))?;
            }
            Call::Registrar(
                registrar::ExecuteMsg::AttestRecovery { case } | registrar::ExecuteMsg::VetoRecovery { case },
            ) => {
                let case = convert::case_id(case).map_err(|error| error.to_string())?;
                let lapses = self.before.recovering[&case].lapses;
                ensure(now < lapses, || format!("lapsed recovery of {case} counts at {now}"))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn accesses_in_time(&self) -> Check {
        let now = self.at.now;
        for ((case, account), after) in &self.after.delegates {
            if self.before.delegates.get(&(*case, *account)) != Some(after) {
                let ahead = after.until == 0 || now < after.until;
                ensure(ahead, || format!("delegate {account} named at {now} until {}", after.until))?;
            }
        }
        for ((case, number), after) in &self.after.emergencies {
            if self.before.emergencies.contains_key(&(*case, *number)) {
                continue;
            }
            let hours = now < after.until && after.until <= now + MAX_EMERGENCY_MS;
            ensure(after.since == now && hours, || format!("access {number} to {case} at {now}: {after:?}"))?;
            let overdue = self.before.emergencies.values().any(|access| {
                let own = access.practitioner == after.practitioner && access.review.is_none();
                own && access.until + REVIEW_MS <= now
            });
            ensure(!overdue, || format!("access {number} to {case} although a review is overdue"))?;
        }
        if let Call::Ppr(ppr::ExecuteMsg::EndEmergency { case, number }) = &self.sent.call {
            let id = (convert::case_id(case).map_err(|error| error.to_string())?, *number);
            let (was, is) = (self.before.emergencies[&id].until, self.after.emergencies[&id].until);
            ensure(is == now.min(was), || format!("access ended at {now}: {was} becomes {is}"))?;
        }
        for (id, before) in &self.before.emergencies {
            let reviewed = before.review.is_none() && self.after.emergencies[id].review.is_some();
            ensure(!reviewed || before.until <= now, || format!("reviewed at {now}, running: {before:?}"))?;
        }
        Ok(())
    }

    fn lanes_in_time(&self) -> Check {
        let now = self.at.now;
        for (id, after) in &self.after.lanes {
            let Some(before) = self.before.lanes.get(id) else { continue };
            let due = self.before.due.get(&id.0).copied();
            let grows = after.size > before.size;
            let past = before.status == LaneStatus::Closing && due.is_some_and(|due| due <= now);
            ensure(!(grows && past), || format!("lane {id} grows at {now}, its deadline was {due:?}"))?;
            let suspended = self.suspended_out(before);
            ensure(!(grows && suspended), || format!("lane {id} grows after its institution's grace"))?;
            let starts = before.status == LaneStatus::Open && after.status == LaneStatus::Closing;
            if starts {
                let set = self.after.due.get(&id.0).copied();
                let exact = now + u64::from(self.grace(&after.case)) * 1000;
                ensure(set == Some(exact), || format!("lane {id} closes at {now} with {set:?}"))?;
            }
            let overdue = matches!(self.sent.call, Call::Summary(summary::ExecuteMsg::CloseOverdue { .. }));
            let closes = before.status != LaneStatus::Closed && after.status == LaneStatus::Closed;
            if overdue && closes {
                let former = self.former_author(before);
                ensure(past || suspended || former, || format!("lane {id} closed at {now}, due {due:?}"))?;
                ensure(before.class == Class::Content, || format!("access lane {id} closed by anyone"))?;
            }
        }
        self.overdue_lanes_close()
    }

    /// A content lane past its deadline is closed by whoever asks.
    fn overdue_lanes_close(&self) -> Check {
        let Call::Summary(summary::ExecuteMsg::CloseOverdue { lanes }) = &self.sent.call else {
            return Ok(());
        };
        for lane in lanes {
            let id = convert::lane_id(lane).map_err(|error| error.to_string())?;
            let past = self.before.due.get(&id.0).is_some_and(|due| *due <= self.at.now);
            let closed = self.after.lanes.get(&id).is_none_or(|lane| lane.status == LaneStatus::Closed);
            ensure(!past || closed, || format!("lane {id} past its deadline stays open"))?;
        }
        Ok(())
    }

    fn grace(&self, case: &CaseId) -> u32 {
        self.before.policies.get(case).map_or(86_400, |policy| policy.grace)
    }

    fn suspended_out(&self, lane: &casewise_ledger::records::LaneRecord) -> bool {
        let casewise_ledger::Party::Institution(number) = lane.author else { return false };
        let institution = &self.before.institutions[&number];
        let until = institution.since + u64::from(self.grace(&lane.case)) * 1000;
        institution.status == InstitutionStatus::Suspended && until <= self.at.now
    }

    fn former_author(&self, lane: &casewise_ledger::records::LaneRecord) -> bool {
        match lane.author {
            casewise_ledger::Party::Account(account) => self.before.identities[&lane.case].holder != account,
            casewise_ledger::Party::Institution(_) => false,
        }
    }

    fn cases_in_time(&self) -> Check {
        let now = self.at.now;
        for (case, after) in &self.after.cases {
            let Some(before) = self.before.cases.get(case).filter(|before| before.status != after.status)
            else {
                continue;
            };
            let due = self.after.due.get(&case.0).copied();
            let policy = self.before.policies.get(case);
            let completion = policy.map_or(7 * 86_400, |policy| policy.completion);
            let expected = match after.status {
                CaseStatus::Closing => Some(now + u64::from(self.grace(case)) * 1000),
                CaseStatus::Proposed => Some(now + u64::from(completion) * 1000),
                CaseStatus::Open | CaseStatus::Completed => None,
            };
            ensure(due == expected, || format!("case {case} {:?} at {now} with {due:?}", after.status))?;
            let finished =
                matches!(self.sent.call, Call::Summary(summary::ExecuteMsg::FinishCompletion { .. }));
            let was_due = self.before.due.get(&case.0).copied();
            let early = finished && was_due.is_none_or(|due| now < due);
            ensure(!early, || format!("case {case} finished at {now}, {before:?} until {was_due:?}"))?;
        }
        Ok(())
    }
}
