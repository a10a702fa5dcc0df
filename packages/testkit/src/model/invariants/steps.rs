//! The checks of lanes, cases, grants, delegates and recoveries.

use casewise_ledger::{
    Address, AnchorBatch, CaseId, Class, Head, LaneId, Party, RotateCard,
    account::PublicKey,
    records::{CaseStatus, GrantStatus, InstitutionStatus, LaneRecord, LaneStatus, RecoveryRecord},
};
use casewise_ledger::{decode, records::RelationshipStatus};
use casewise_protocol::{
    convert,
    ppr::{self, Power, RelationshipInfo},
    registrar::{self, MAX_EPOCHS_AHEAD},
    summary,
};
use cosmwasm_std::HexBinary;

use super::{Check, Memory, Step, ensure};
use crate::{contracts::POLICY, messages::Call};

impl Step<'_> {
    pub(super) fn lane_grows(&self) -> Check {
        for (id, before) in &self.before.lanes {
            let after = self.after.lanes.get(id).ok_or_else(|| format!("lane {id} is gone"))?;
            let falls = after.size < before.size || after.seen < before.seen || after.seen > after.size;
            ensure(!falls, || format!("lane {id} falls from {before:?} to {after:?}"))?;
            let back = (after.status as u8) < before.status as u8;
            ensure(!back, || format!("lane {id} goes back from {before:?} to {after:?}"))?;
            if after.head() == before.head() {
                continue;
            }
            let log = self.world.logs.get(id).ok_or_else(|| format!("nobody writes lane {id}"))?;
            let prefix = log.root(after.size) == Some(after.root);
            ensure(prefix, || format!("lane {id}: {after:?} is no prefix of what was written"))?;
        }
        Ok(())
    }

    pub(super) fn index_once(&self, memory: &mut Memory) -> Check {
        for (id, lane) in &self.after.lanes {
            let Head { size, root } = lane.head();
            let known = *memory.heads.entry((*id, size)).or_insert(root);
            ensure(known == root, || format!("lane {id}: entries below {size} are anchored twice"))?;
            let Some(before) = self.before.lanes.get(id).filter(|before| before.root != root) else {
                continue;
            };
            // every other history of the lane keeps something and differs from some index on
            let forks = |from: u32| self.world.logs.get(id).and_then(|log| log.fork(from).root(size));
            let twice = (0..before.size).find(|from| forks(*from) == Some(root));
            ensure(twice.is_none(), || format!("lane {id}: index {twice:?} has two contents"))?;
        }
        Ok(())
    }

    pub(super) fn completed_stays(&self) -> Check {
        for (case, before) in &self.before.cases {
            if before.status != CaseStatus::Completed {
                continue;
            }
            let after = self.after.cases.get(case);
            ensure(after == Some(before), || format!("completed case {case} becomes {after:?}"))?;
            let content = |lanes: &std::collections::BTreeMap<LaneId, LaneRecord>| -> Vec<_> {
                let own = lanes.iter().filter(|(_, lane)| lane.case == *case && lane.class == Class::Content);
                own.map(|(id, lane)| (*id, lane.head(), lane.status)).collect()
            };
            let (was, is) = (content(&self.before.lanes), content(&self.after.lanes));
            ensure(was == is, || format!("completed case {case}: content {was:?} becomes {is:?}"))?;
        }
        Ok(())
    }

    /// Whether a closing content lane takes heads now, by the records alone.
    fn in_grace(&self, id: &LaneId, lane: &LaneRecord) -> bool {
        let due = self.before.due.get(&id.0).is_some_and(|due| self.at.now < *due);
        let author = match lane.author {
            Party::Institution(number) => {
                let institution = &self.before.institutions[&number];
                institution.status == InstitutionStatus::Active
                    || self.at.now < institution.since + u64::from(POLICY.grace) * 1000
            }
            Party::Account(account) => self.before.identities[&lane.case].holder == account,
        };
        let content = lane.class == Class::Content && lane.status == LaneStatus::Closing;
        content && due && author && !self.before.compromised.contains_key(id)
    }

    pub(super) fn grace_anchors(&self) -> Check {
        let Call::Summary(summary::ExecuteMsg::Anchor { blob }) = &self.sent.call else { return Ok(()) };
        if !self.sent.honest {
            return Ok(());
        }
        let Ok(batch) = decode::<AnchorBatch>(blob.as_slice()) else { return Ok(()) };
        for item in &batch.items {
            let Some(lane) = self.before.lanes.get(&item.lane) else { continue };
            if !self.in_grace(&item.lane, lane) {
                continue;
            }
            let size = self.after.lanes[&item.lane].size;
            ensure(size == item.size, || {
                format!(
                    "lane {}: head of size {} in the grace, anchored {size}: {:?}",
                    item.lane, item.size, self.outcome
                )
            })?;
        }
        Ok(())
    }

    pub(super) fn force_needs_active(&self) -> Check {
        for ((case, number), record) in &self.after.relationships {
            let found: Option<RelationshipInfo> =
                self.suite.ask_ppr(&ppr::QueryMsg::relationship(case, *number))?;
            let effective = found.is_some_and(|found| found.effective);
            let active = self.after.institutions[number].status == InstitutionStatus::Active;
            let expected = record.status == RelationshipStatus::Active && active;
            ensure(effective == expected, || {
                format!(
                    "relationship of {number} with {case}: effective {effective}, institution active {active}"
                )
            })?;
        }
        let Call::Summary(summary::ExecuteMsg::Open { .. } | summary::ExecuteMsg::Rotate { .. }) =
            &self.sent.call
        else {
            return Ok(());
        };
        let new = self.after.lanes.iter().filter(|(id, _)| !self.before.lanes.contains_key(*id));
        for (id, lane) in new {
            if let Party::Institution(number) = lane.author {
                let active = self.before.institutions[&number].status == InstitutionStatus::Active;
                ensure(active, || format!("lane {id} of suspended institution {number}"))?;
            }
        }
        Ok(())
    }

    pub(super) fn revoked_stays(&self, memory: &mut Memory) -> Check {
        for (id, grant) in &self.after.grants {
            let live = grant.status == GrantStatus::Live;
            ensure(!live || !memory.over.contains(id), || format!("grant {id} is live again"))?;
            if !live {
                memory.over.insert(*id);
            }
        }
        let gone = memory.over.iter().find(|id| !self.after.grants.contains_key(*id));
        ensure(gone.is_none(), || format!("grant {gone:?} is forgotten and could be made again"))
    }

    pub(super) fn rev_rises(&self) -> Check {
        for (case, before) in &self.before.rev {
            let after = self.after.rev.get(case).copied().unwrap_or_default();
            ensure(after >= *before, || format!("rev of {case} falls from {before} to {after}"))?;
            ensure(after <= before + 1, || format!("rev of {case} leaps from {before} to {after}"))?;
        }
        self.ended_by_its_provider()
    }

    /// Who opens accesses to a case and ends them again makes no author of it rotate.
    fn ended_by_its_provider(&self) -> Check {
        let Call::Ppr(ppr::ExecuteMsg::EndEmergency { case, number }) = &self.sent.call else {
            return Ok(());
        };
        let case = convert::case_id(case).map_err(|error| error.to_string())?;
        let Some(access) = self.before.emergencies.get(&(case, *number)) else { return Ok(()) };
        let Ok(sender) = Address::try_from(self.sent.canonical.as_slice()) else { return Ok(()) };
        let holder = self.before.identities.get(&case).is_some_and(|identity| identity.holder == sender);
        let named = self.before.delegates.contains_key(&(case, sender));
        let provider =
            access.practitioner == sender || self.before.operators.get(&sender) == Some(&access.institution);
        if !provider || holder || named || self.before.authority == sender.0 {
            return Ok(());
        }
        let (before, after) = (self.before.rev.get(&case), self.after.rev.get(&case));
        ensure(before == after, || format!("rev of {case} goes up as its provider ends an access"))
    }

    /// The case that a message is about and the power with which a delegate may send it; `None`: the
    /// holder alone.
    fn asked(&self) -> Option<(CaseId, Option<Power>)> {
        use ppr::ExecuteMsg as P;
        use summary::ExecuteMsg as S;
        let of = |case: &HexBinary, power| convert::case_id(case).ok().map(|case| (case, power));
        let of_lane = |lane: &HexBinary, power| {
            let lane = convert::lane_id(lane).ok()?;
            Some((self.before.lanes.get(&lane)?.case, power))
        };
        match &self.sent.call {
            Call::Ppr(msg) => match msg {
                P::Accept { case, .. }
                | P::Decline { case, .. }
                | P::Invite { case, .. }
                | P::WithdrawInvitation { case, .. }
                | P::Suspend { case, .. }
                | P::Resume { case, .. }
                | P::End { case, .. } => of(case, Some(Power::Relationships)),
                P::Grant { case, .. } => of(case, Some(Power::Grants)),
                P::Revoke { case, .. } | P::EndEmergency { case, .. } => of(case, Some(Power::Revocations)),
                P::Expire { commitment } => {
                    let id = convert::commitment(commitment).ok()?;
                    Some((self.before.grants.get(&id)?.case, None))
                }
                P::SetDelegate { case, .. } => of(case, None),
                _ => None,
            },
            Call::Summary(msg) => match msg {
                S::WindUp { case }
                | S::ProposeCompletion { case, .. }
                | S::ApproveCompletion { case, .. }
                | S::ObjectCompletion { case, .. } => of(case, Some(Power::Completion)),
                S::Dispute { lane, .. } | S::WithdrawDispute { lane, .. } => {
                    of_lane(lane, Some(Power::Disputes))
                }
                S::Seen { case, .. } => of(case, Some(Power::Acknowledgements)),
                _ => None,
            },
            Call::Registrar(msg) => match msg {
                registrar::ExecuteMsg::VetoRecovery { case }
                | registrar::ExecuteMsg::OfferClaim { case, .. }
                | registrar::ExecuteMsg::WithdrawClaim { case } => of(case, None),
                _ => None,
            },
        }
    }

    pub(super) fn delegate_bound(&self) -> Check {
        let Some((case, power)) = self.asked().filter(|_| self.accepted()) else { return Ok(()) };
        let Ok(sender) = Address::try_from(self.sent.canonical.as_slice()) else { return Ok(()) };
        let Some(identity) = self.before.identities.get(&case) else { return Ok(()) };
        let own_right = self.before.operators.contains_key(&sender)
            || self.before.practitioners.contains_key(&sender) && matches!(power, Some(Power::Revocations))
            || matches!(self.sent.call, Call::Ppr(ppr::ExecuteMsg::EndEmergency { .. }))
                && self.before.authority == sender.0;
        if identity.holder == sender || own_right {
            return Ok(());
        }
        let name = self.sent.call.name();
        let power = power.ok_or_else(|| format!("{name} is the holder's alone, yet {sender} sends it"))?;
        let live = self.before.delegates.get(&(case, sender)).filter(|delegate| {
            let lasts = delegate.until == 0 || self.at.now < delegate.until;
            lasts && delegate.epoch == identity.epoch && delegate.powers & power.bit() != 0
        });
        ensure(live.is_some(), || format!("{name} from {sender}, who has no power for it"))?;
        let frees = matches!(power, Power::Revocations);
        let recovering = self.before.recovering.get(&case).is_some_and(|found| self.at.now < found.lapses);
        ensure(frees || !recovering, || format!("{name} from a delegate while a recovery runs"))
    }

    pub(super) fn recovery_wins(&self, memory: &mut Memory) -> Check {
        use registrar::ExecuteMsg as R;
        for (case, account) in &self.before.recovery {
            let claim = matches!(self.sent.call, Call::Registrar(R::AcceptClaim { .. }));
            let same = self.after.recovery.get(case) == Some(account);
            ensure(same || claim, || format!("recovery account of {case} changed"))?;
        }
        for (case, running) in &self.before.recovering {
            if self.at.now < running.lapses {
                self.running_recovery(memory, *case, running)?;
            }
        }
        self.recovery_starts()?;
        if let (Call::Registrar(R::VetoRecovery { case }), true) = (&self.sent.call, self.changed()) {
            memory.vetoed.insert(convert::case_id(case).map_err(|error| error.to_string())?);
        }
        for (case, after) in &self.after.identities {
            let before = self.before.identities.get(case);
            let by_recovery =
                matches!(self.sent.call, Call::Registrar(R::FinishRecovery { .. } | R::AcceptClaim { .. }));
            if by_recovery && before.is_some_and(|before| before.epoch != after.epoch) {
                memory.vetoed.remove(case);
            }
        }
        Ok(())
    }

    /// Whatever the holder has done before, the recovery account can start.
    fn recovery_starts(&self) -> Check {
        let Call::Registrar(registrar::ExecuteMsg::StartRecovery { card, key, signature }) = &self.sent.call
        else {
            return Ok(());
        };
        let Ok(card) = decode::<RotateCard>(card.as_slice()) else { return Ok(()) };
        let Some(identity) = self.before.identities.get(&card.case) else { return Ok(()) };
        let account = self.before.recovery.get(&card.case);
        let by_account = account.is_some_and(|account| account.0 == self.sent.canonical.as_slice());
        let ahead = card.epoch > identity.epoch && card.epoch <= identity.epoch + 1 + MAX_EPOCHS_AHEAD;
        let free = !self.before.holders.contains_key(&registrar::holder_hash(&card.holder));
        let idle = self.before.recovering.get(&card.case).is_none_or(|known| known.lapses <= self.at.now);
        let signed = match (convert::fixed("key", key), convert::fixed("signature", signature)) {
            (Ok(key), Ok(signature)) => {
                let own = Address::of_key(&key) == card.holder && Some(&card.holder) != account;
                own && PublicKey(key).verify_message(&card.message(), &signature).is_ok()
            }
            _ => false,
        };
        let may = by_account && ahead && free && idle && signed;
        let runs = self.after.recovering.get(&card.case).is_some_and(|after| after.holder == card.holder);
        ensure(!may || runs, || format!("a recovery of {} does not start: {:?}", card.case, self.outcome))
    }

    fn running_recovery(&self, memory: &Memory, case: CaseId, running: &RecoveryRecord) -> Check {
        use registrar::ExecuteMsg as R;
        let of = |asked: &HexBinary| convert::case_id(asked).is_ok_and(|asked| asked == case);
        let account = self.before.recovery.get(&case);
        let by_account = account.is_some_and(|account| account.0 == self.sent.canonical.as_slice());
        let holder = self.before.identities[&case].holder;
        let kept = self.after.recovering.get(&case).is_some_and(|after| {
            let attested = running.attested.is_none() || after.attested == running.attested;
            (after.holder, after.kem, after.ready) == (running.holder, running.kem, running.ready) && attested
        });
        let finishes = match &self.sent.call {
            Call::Registrar(R::FinishRecovery { case }) => of(case),
            _ => false,
        };
        if !kept && !finishes {
            let cancelled =
                matches!(&self.sent.call, Call::Registrar(R::CancelRecovery { case }) if of(case));
            let vetoed = matches!(&self.sent.call, Call::Registrar(R::VetoRecovery { case }) if of(case));
            let vetoed = vetoed && running.attested.is_none() && !memory.vetoed.contains(&case);
            ensure(cancelled && by_account || vetoed, || {
                format!("recovery of {case} stopped by {}", self.sent.call.name())
            })?;
        }
        if !finishes {
            let same = self.after.identities[&case].holder == holder;
            return ensure(same, || format!("holder of {case} changed while a recovery runs"));
        }
        let free = !self.before.holders.contains_key(&registrar::holder_hash(&running.holder));
        let in_time = running.ready <= self.at.now;
        let may = by_account && free && in_time;
        ensure(!may || self.after.identities[&case].holder == running.holder, || {
            format!("the recovery account could not finish the recovery of {case}: {:?}", self.outcome)
        })
    }

    pub(super) fn events_are_state(&self, memory: &mut Memory) -> Check {
        if let Ok(done) = self.outcome {
            for (_, event) in &done.events {
                memory.folded.take(event, self.at.now);
            }
        }
        match memory.folded.difference(self.after) {
            None => Ok(()),
            Some(difference) => Err(difference),
        }
    }
}
