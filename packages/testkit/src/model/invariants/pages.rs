//! The queries: every walk through pages, and every answer about one thing, against the full scan.

use std::collections::BTreeSet;

use casewise_ledger::{
    Address, CaseId, Class, LaneId, Party, encode,
    records::{InstitutionStatus, LaneStatus, RelationshipStatus},
};
use casewise_protocol::{
    account,
    convert::{self, PartyInfo},
    ppr::{self, REVIEW_MS},
    registrar, summary,
};
use cosmwasm_std::HexBinary;

use super::{Check, Step, ensure};
use crate::model::cast::text;

/// Items of a page in the walks.
const LIMITS: [u32; 3] = [1, 2, 30];

/// All items, page after page.
fn walk<T, K: Clone>(
    limit: u32,
    fetch: impl Fn(Option<K>, Option<u32>) -> Result<Vec<T>, String>,
    key: impl Fn(&T) -> K,
) -> Result<Vec<T>, String> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = fetch(after.clone(), Some(limit))?;
        if page.len() > limit as usize {
            return Err(format!("a page of {} where {limit} were asked", page.len()));
        }
        let Some(last) = page.last() else { return Ok(all) };
        after = Some(key(last));
        all.extend(page);
        if all.len() > 10_000 {
            return Err("a walk without end".to_string());
        }
    }
}

fn same<T: PartialEq + core::fmt::Debug>(what: &str, walked: &[T], stored: &[T]) -> Check {
    ensure(walked == stored, || format!("{what}: walked {walked:?}, stored {stored:?}"))
}

fn address(text: &str) -> Address {
    account::decode("account", text).expect("an answer's account")
}

fn hash(bytes: &HexBinary) -> [u8; 32] {
    convert::fixed("id", bytes).expect("an answer's id")
}

impl Step<'_> {
    pub(super) fn pages_are_state(&self) -> Check {
        for limit in LIMITS {
            self.registrar_pages(limit)?;
            for case in self.after.identities.keys() {
                self.ppr_pages(case, limit)?;
                self.summary_pages(case, limit)?;
            }
            self.conflict_pages(limit)?;
        }
        self.registrar_answers()?;
        self.ppr_answers()?;
        self.summary_answers()
    }

    fn registrar_pages(&self, limit: u32) -> Check {
        let ask = |start_after, limit| {
            let msg = registrar::QueryMsg::Institutions { start_after, limit };
            self.suite
                .ask_registrar::<registrar::InstitutionsResponse>(&msg)
                .map(|answer| answer.institutions)
        };
        let walked = walk(limit, ask, |found| found.number)?;
        let records: Result<Vec<_>, _> =
            walked.iter().map(|found| found.record().map(|record| (found.number, record))).collect();
        let stored: Vec<_> =
            self.after.institutions.iter().map(|(number, record)| (*number, record.clone())).collect();
        same("institutions", &records.map_err(|error| error.to_string())?, &stored)?;
        for number in self.after.institutions.keys() {
            self.practitioner_pages(*number, limit)?;
        }
        let prefixes: BTreeSet<u8> = self.after.holders.keys().map(|hash| hash[0]).collect();
        for prefix in prefixes {
            let ask = |start_after, limit| {
                let msg = registrar::QueryMsg::Bucket { prefix, start_after, limit };
                self.suite.ask_registrar::<registrar::BucketResponse>(&msg).map(|answer| answer.cases)
            };
            let walked = walk(limit, ask, |found| found.holder.clone())?;
            let walked: Vec<_> =
                walked.iter().map(|item| (hash(&item.holder), CaseId(hash(&item.case)))).collect();
            let stored = self.after.holders.iter().filter(|(hash, _)| hash[0] == prefix);
            same("bucket", &walked, &stored.map(|(hash, case)| (*hash, *case)).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    fn practitioner_pages(&self, institution: u32, limit: u32) -> Check {
        let ask = |start_after, limit| {
            let msg = registrar::QueryMsg::Practitioners { institution, start_after, limit };
            self.suite
                .ask_registrar::<registrar::PractitionersResponse>(&msg)
                .map(|answer| answer.practitioners)
        };
        let walked = walk(limit, ask, |found| found.account.clone())?;
        let walked: Vec<_> =
            walked.iter().map(|found| (address(&found.account), found.since.u64())).collect();
        let own = self.after.practitioners.iter().filter(|(_, record)| record.institution == institution);
        same(
            "practitioners",
            &walked,
            &own.map(|(account, record)| (*account, record.since)).collect::<Vec<_>>(),
        )
    }

    fn ppr_pages(&self, case: &CaseId, limit: u32) -> Check {
        let hex = convert::hex(&case.0);
        let ask = |start_after, limit| {
            let msg = ppr::QueryMsg::relationships(case, start_after, limit);
            self.suite.ask_ppr::<ppr::RelationshipsResponse>(&msg).map(|answer| answer.relationships)
        };
        let walked = walk(limit, ask, |found| found.institution)?;
        let walked: Vec<_> = walked.iter().map(|found| (found.institution, found.record())).collect();
        let own = self.after.relationships.iter().filter(|((of, _), _)| of == case);
        let own: Vec<_> = own.map(|((_, number), record)| (*number, record.clone())).collect();
        same("relationships", &walked, &own)?;

        let ask = |start_after, limit| {
            let msg = ppr::QueryMsg::acks(case, start_after, limit);
            self.suite.ask_ppr::<ppr::AcksResponse>(&msg).map(|answer| answer.acks)
        };
        let walked = walk(limit, ask, |found| found.institution)?;
        let walked: Vec<_> = walked.iter().map(|found| found.institution).collect();
        same("acks", &walked, &own.iter().map(|(number, _)| *number).collect::<Vec<_>>())?;

        let ask = |start_after, limit| {
            let msg = ppr::QueryMsg::Delegates { case: hex.clone(), start_after, limit };
            self.suite.ask_ppr::<ppr::DelegatesResponse>(&msg).map(|answer| answer.delegates)
        };
        let walked = walk(limit, ask, |found| found.account.clone())?;
        let bits = |found: &ppr::DelegateInfo| ppr::Power::bits(&found.powers);
        let until = |found: &ppr::DelegateInfo| found.until.map_or(0, |until| until.u64());
        let walked: Vec<_> = walked
            .iter()
            .map(|found| (address(&found.account), bits(found), until(found), found.live))
            .collect();
        let epoch = self.after.identities[case].epoch;
        let own = self.after.delegates.iter().filter(|((of, _), _)| of == case);
        let own = own.map(|((_, account), record)| {
            let live = record.epoch == epoch && (record.until == 0 || self.at.now < record.until);
            (*account, record.powers, record.until, live)
        });
        same("delegates", &walked, &own.collect::<Vec<_>>())?;

        let ask = |start_after, limit| {
            let msg = ppr::QueryMsg::Emergencies { case: hex.clone(), start_after, limit };
            self.suite.ask_ppr::<ppr::EmergenciesResponse>(&msg).map(|answer| answer.emergencies)
        };
        let walked = walk(limit, ask, |found| found.number)?;
        let walked: Vec<_> =
            walked.iter().map(|found| (found.number, found.until.u64(), found.overdue)).collect();
        let own = self.after.emergencies.iter().filter(|((of, _), _)| of == case);
        let own = own.map(|((_, number), record)| {
            let overdue = record.review.is_none() && record.until + REVIEW_MS <= self.at.now;
            (*number, record.until, overdue)
        });
        same("emergencies", &walked, &own.collect::<Vec<_>>())
    }

    fn summary_pages(&self, case: &CaseId, limit: u32) -> Check {
        let ask = |start_after: Option<LaneId>, limit| {
            let msg = summary::QueryMsg::lanes(case, start_after.as_ref(), limit);
            self.suite.ask_summary::<summary::LanesResponse>(&msg).map(|answer| answer.lanes)
        };
        let walked = walk(limit, ask, |found| LaneId(hash(&found.lane)))?;
        let records: Result<Vec<_>, _> = walked
            .iter()
            .map(|found| found.record().map(|(id, record)| (id, record, found.due.map(|due| due.u64()))))
            .collect();
        let own = self.after.lanes.iter().filter(|(_, lane)| lane.case == *case);
        let own = own.map(|(id, lane)| (*id, lane.clone(), self.after.due.get(&id.0).copied()));
        same("lanes", &records.map_err(|error| error.to_string())?, &own.collect::<Vec<_>>())?;

        let hex = convert::hex(&case.0);
        let ask = |start_after, limit| {
            let msg = summary::QueryMsg::Disputes { case: hex.clone(), start_after, limit };
            self.suite.ask_summary::<summary::DisputesResponse>(&msg).map(|answer| answer.disputes)
        };
        let key =
            |found: &summary::DisputeInfo| summary::EntryKey { lane: found.lane.clone(), index: found.index };
        let walked = walk(limit, ask, key)?;
        let walked: Vec<_> =
            walked.iter().map(|found| (hash(&found.lane), found.index, found.since.u64())).collect();
        let own = self.after.disputes.iter().filter(|((of, ..), _)| of == case);
        let own = own.map(|((_, lane, index), record)| (lane.0, *index, record.since));
        same("disputes", &walked, &own.collect::<Vec<_>>())
    }

    fn authors(&self) -> BTreeSet<(bool, Vec<u8>)> {
        let key = |author: &Party| match author {
            Party::Institution(number) => (false, number.to_be_bytes().to_vec()),
            Party::Account(account) => (true, account.0.to_vec()),
        };
        self.after.lanes.values().map(|lane| key(&lane.author)).collect()
    }

    fn conflict_pages(&self, limit: u32) -> Check {
        for (account, bytes) in self.authors() {
            let author = if account {
                Party::Account(Address::try_from(bytes.as_slice()).expect("20 bytes"))
            } else {
                Party::Institution(u32::from_be_bytes(bytes.as_slice().try_into().expect("4 bytes")))
            };
            let info = party(&author);
            let ask = |start_after, limit| {
                let msg = summary::QueryMsg::Conflicts { author: info.clone(), start_after, limit };
                self.suite.ask_summary::<summary::ConflictsResponse>(&msg).map(|answer| answer.lanes)
            };
            let walked: Vec<_> = walk(limit, ask, HexBinary::clone)?.iter().map(hash).collect();
            let author = encode(&author);
            let own = self.after.blamed.keys().filter(|(blamed, _)| *blamed == author);
            same("conflicts", &walked, &own.map(|(_, id)| id.0).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    fn registrar_answers(&self) -> Check {
        let config: registrar::ConfigResponse = self.suite.ask_registrar(&registrar::QueryMsg::Config {})?;
        let proposed = config.proposed.as_deref().map(|account| address(account).0.to_vec());
        let settings = (address(&config.authority).0.to_vec(), config.paused, proposed, config.institutions);
        let count = self.after.institutions.len() as u32;
        let expected = (self.after.authority.clone(), self.model.paused, self.model.proposed.clone(), count);
        ensure(settings == expected, || format!("config: {settings:?} against {expected:?}"))?;
        for number in self.after.institutions.keys() {
            self.institution_answer(*number)?;
        }
        for (case, identity) in &self.after.identities {
            let hex = convert::hex(&case.0);
            let found: Option<registrar::IdentityInfo> =
                self.suite.ask_registrar(&registrar::QueryMsg::identity(case))?;
            let found = found.ok_or_else(|| format!("identity of {case} is not told"))?;
            let record = found.record().map_err(|error| error.to_string())?.1;
            let recovery = found.recovery.as_deref().map(address);
            let same = record == *identity && recovery == self.after.recovery.get(case).copied();
            ensure(same, || format!("identity of {case}: {found:?}"))?;
            let found: Option<registrar::RecoveryInfo> =
                self.suite.ask_registrar(&registrar::QueryMsg::Recovery { case: hex.clone() })?;
            let vetoed = self.model.vetoed.contains(case);
            ensure(found.as_ref().is_none_or(|found| found.vetoed == vetoed), || {
                format!("recovery of {case}: {found:?}, vetoed {vetoed}")
            })?;
            let found = found.map(|found| (address(&found.holder), found.ready.u64(), found.attested));
            let stored = self.after.recovering.get(case).filter(|record| self.at.now < record.lapses);
            let stored = stored.map(|record| (record.holder, record.ready, record.attested));
            ensure(found == stored, || format!("recovery of {case}: {found:?} against {stored:?}"))?;
            let found: Option<registrar::ClaimInfo> =
                self.suite.ask_registrar(&registrar::QueryMsg::Claim { case: hex })?;
            let found = found.map(|found| (address(&found.holder), found.until.u64()));
            let stored = self.after.claims.get(case).filter(|record| self.at.now < record.until);
            let stored = stored.map(|record| (record.holder, record.until));
            ensure(found == stored, || format!("claim of {case}: {found:?} against {stored:?}"))?;
        }
        Ok(())
    }

    fn institution_answer(&self, number: u32) -> Check {
        let found: Option<registrar::InstitutionInfo> =
            self.suite.ask_registrar(&registrar::QueryMsg::Institution { number })?;
        let found = found.ok_or_else(|| format!("institution {number} is not told"))?;
        let operators = self.after.operators.values().filter(|of| **of == number).count() as u32;
        let record = found.record().map_err(|error| error.to_string())?;
        let same = record == self.after.institutions[&number]
            && found.operators == operators
            && self.model.endpoints.get(&number) == Some(&found.endpoint);
        ensure(same, || format!("institution {number}: {found:?}, {operators} operators"))
    }

    fn ppr_answers(&self) -> Check {
        for (case, identity) in &self.after.identities {
            for number in self.after.institutions.keys() {
                let invited: bool = self
                    .suite
                    .ask_ppr(&ppr::QueryMsg::Invited { case: convert::hex(&case.0), institution: *number })?;
                let made = self.model.invitations.get(&(*case, *number)) == Some(&identity.epoch);
                let counts = made && !self.model.recovering(case, self.at.now);
                ensure(invited == counts, || format!("invitation of {number} to {case}: {invited}"))?;
            }
            let acks: ppr::AcksResponse = self.suite.ask_ppr(&ppr::QueryMsg::acks(case, None, Some(30)))?;
            for ack in acks.acks {
                let acked = self.model.acks.get(&(*case, ack.institution)).copied().unwrap_or_default();
                ensure(ack.acked == acked, || {
                    format!("ack of {}: {ack:?} against {acked}", ack.institution)
                })?;
            }
        }
        for account in self.after.practitioners.keys() {
            let msg = ppr::QueryMsg::Unreviewed { practitioner: text(account) };
            let found: ppr::UnreviewedResponse = self.suite.ask_ppr(&msg)?;
            let mut walked: Vec<_> = found
                .accesses
                .iter()
                .map(|item| (CaseId(hash(&item.case)), item.number, item.due.u64()))
                .collect();
            walked.sort();
            let waiting = self
                .after
                .emergencies
                .iter()
                .filter(|(_, access)| access.practitioner == *account && access.review.is_none());
            let waiting: Vec<_> =
                waiting.map(|((case, number), access)| (*case, *number, access.until + REVIEW_MS)).collect();
            same("unreviewed", &walked, &waiting)?;
            let blocked = waiting.iter().any(|(_, _, due)| *due <= self.at.now);
            ensure(found.blocked == blocked, || format!("{account} blocked {}", found.blocked))?;
        }
        Ok(())
    }

    fn summary_answers(&self) -> Check {
        for (case, record) in &self.after.cases {
            let found: Option<summary::CaseInfo> = self.suite.ask_summary(&summary::QueryMsg::case(case))?;
            let stored = summary::CaseInfo::new(record, self.after.due.get(&case.0).copied());
            ensure(found == Some(stored), || format!("case {case}: {found:?}"))?;
        }
        for id in self.after.lanes.keys() {
            let msg = summary::QueryMsg::Marks { lane: convert::hex(&id.0) };
            let found: summary::MarksResponse = self.suite.ask_summary(&msg)?;
            let mark = |info: &Option<summary::MarkInfo>| {
                info.as_ref().map(|info| (info.index, info.height.u64(), info.time.u64()))
            };
            let stored = self.after.compromised.get(id).map(|mark| (mark.index, mark.height, mark.time));
            ensure(mark(&found.compromised) == stored, || format!("marks of {id}: {found:?}"))?;
            let stored = self.after.conflicts.get(id).map(|mark| (mark.index, mark.height, mark.time));
            ensure(mark(&found.conflict) == stored, || format!("marks of {id}: {found:?}"))?;
        }
        for (case, number) in self.after.relationships.keys() {
            self.status_answer(case, *number)?;
            self.cadence_answer(case, *number)?;
        }
        Ok(())
    }

    fn status_answer(&self, case: &CaseId, number: u32) -> Check {
        use casewise_protocol::rules::CareStatus;
        let found: summary::StatusResponse =
            self.suite.ask_summary(&summary::QueryMsg::status(case, number))?;
        let own = || {
            let of = move |lane: &casewise_ledger::records::LaneRecord| {
                lane.case == *case
                    && lane.author == Party::Institution(number)
                    && lane.class == Class::Content
            };
            self.after.lanes.iter().filter(move |(_, lane)| of(lane))
        };
        let closed = |lane: &casewise_ledger::records::LaneRecord| lane.status == LaneStatus::Closed;
        let mut open: Vec<_> =
            found.lanes.iter().map(|lane| (hash(&lane.lane), lane.size, lane.seen)).collect();
        open.sort();
        let stored: Vec<_> =
            own().filter(|(_, lane)| !closed(lane)).map(|(id, lane)| (id.0, lane.size, lane.seen)).collect();
        same("status", &open, &stored)?;
        let unseen = own().filter(|(_, lane)| closed(lane) && lane.seen < lane.size).count() as u32;
        ensure(found.closed_unseen == unseen, || format!("{found:?}: {unseen} closed and unseen"))?;
        let active = self.after.institutions[&number].status == InstitutionStatus::Active;
        let pending = own().any(|(_, lane)| lane.seen < lane.size);
        let word = match self.after.relationships[&(*case, number)].status {
            RelationshipStatus::Proposed => CareStatus::New,
            RelationshipStatus::Ended => CareStatus::Ended,
            RelationshipStatus::Suspended => CareStatus::Suspended,
            RelationshipStatus::Active if !active => CareStatus::Suspended,
            RelationshipStatus::Active if pending => CareStatus::UpdatePending,
            RelationshipStatus::Active => CareStatus::Accepted,
        };
        ensure(found.status == word, || format!("status of {number}: {:?} against {word:?}", found.status))
    }

    fn cadence_answer(&self, case: &CaseId, number: u32) -> Check {
        let author = PartyInfo::Institution(number);
        let msg = summary::QueryMsg::Cadence { case: convert::hex(&case.0), author };
        let found: summary::CadenceResponse = self.suite.ask_summary(&msg)?;
        let mut walked: Vec<_> =
            found.lanes.iter().map(|lane| (hash(&lane.lane), lane.silence.u64(), lane.late)).collect();
        walked.sort();
        let cadence = self.after.policies.get(case).map_or(0, |policy| policy.cadence);
        let stored = self.after.lanes.iter().filter(|(_, lane)| {
            let own = lane.case == *case && lane.author == Party::Institution(number);
            own && lane.class == Class::Content && lane.status != LaneStatus::Closed
        });
        let stored = stored.map(|(id, lane)| {
            let blocks = self.at.height - lane.height;
            let silence = (self.at.now - lane.time).min(blocks * summary::MAX_BLOCK_INTERVAL_MS);
            (id.0, silence, cadence > 0 && silence > u64::from(cadence) * 1000)
        });
        same("cadence", &walked, &stored.collect::<Vec<_>>())
    }
}

fn party(author: &Party) -> PartyInfo {
    match author {
        Party::Institution(number) => PartyInfo::Institution(*number),
        Party::Account(account) => PartyInfo::Account(text(account)),
    }
}
