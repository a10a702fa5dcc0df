//! What follows from the events alone.
//!
//! Responsible for: a follower that never asks the chain knows what the events promise to say.
//! Must never read state.

use std::collections::BTreeMap;

use casewise_ledger::{
    Address, CaseId, Commitment, Hash, Head, LaneHeader, LaneId,
    records::{
        CaseStatus, DisputeCode, EmergencyReason, EmergencyRecord, GrantStatus, InstitutionStatus,
        LaneStatus, PractitionerStatus, RelationshipStatus, ReviewOutcome, close_digest,
    },
};
use casewise_protocol::Event;

use super::state::State;

/// A lane as its events tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldedLane {
    case: CaseId,
    content: bool,
    closed: bool,
    closing: bool,
    head: Head,
    seen: u32,
}

/// An emergency access as its events tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldedAccess {
    practitioner: Address,
    institution: u32,
    reason: EmergencyReason,
    until: u64,
    review: Option<ReviewOutcome>,
}

/// The part of the state that events tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    institutions: BTreeMap<u32, InstitutionStatus>,
    operators: BTreeMap<Address, u32>,
    practitioners: BTreeMap<Address, (u32, PractitionerStatus)>,
    /// Institution and epoch.
    identities: BTreeMap<CaseId, (u32, u32)>,
    claims: BTreeMap<CaseId, u64>,
    /// When it is ready, and who attests it.
    recovering: BTreeMap<CaseId, (u64, Option<u32>)>,
    relationships: BTreeMap<(CaseId, u32), RelationshipStatus>,
    /// Powers and end.
    delegates: BTreeMap<(CaseId, Address), (u16, u64)>,
    emergencies: BTreeMap<(CaseId, u32), FoldedAccess>,
    grants: BTreeMap<Commitment, (CaseId, GrantStatus, u32, u32)>,
    rev: BTreeMap<CaseId, u32>,
    lanes: BTreeMap<LaneId, FoldedLane>,
    /// Deadlines of lanes and cases.
    due: BTreeMap<Hash, u64>,
    cases: BTreeMap<CaseId, (CaseStatus, Hash)>,
    disputes: BTreeMap<(CaseId, LaneId, u32), DisputeCode>,
    compromised: BTreeMap<LaneId, u32>,
    conflicts: BTreeMap<LaneId, u32>,
}

impl Folded {
    /// The same of a state.
    pub fn of(state: &State) -> Self {
        let lane = |lane: &casewise_ledger::records::LaneRecord| FoldedLane {
            case: lane.case,
            content: lane.class == casewise_ledger::Class::Content,
            closed: lane.status == LaneStatus::Closed,
            closing: lane.status == LaneStatus::Closing,
            head: lane.head(),
            seen: lane.seen,
        };
        let access = |access: &EmergencyRecord| FoldedAccess {
            practitioner: access.practitioner,
            institution: access.institution,
            reason: access.reason,
            until: access.until,
            review: access.review.as_ref().map(|review| review.outcome),
        };
        Self {
            institutions: map(&state.institutions, |record| record.status),
            operators: state.operators.clone(),
            practitioners: map(&state.practitioners, |record| (record.institution, record.status)),
            identities: map(&state.identities, |record| (record.institution, record.epoch)),
            claims: map(&state.claims, |record| record.until),
            recovering: map(&state.recovering, |record| (record.ready, record.attested)),
            relationships: map(&state.relationships, |record| record.status),
            delegates: map(&state.delegates, |record| (record.powers, record.until)),
            emergencies: map(&state.emergencies, access),
            grants: map(&state.grants, |record| (record.case, record.status, record.first, record.last)),
            rev: state.rev.clone(),
            lanes: map(&state.lanes, lane),
            due: state.due.clone(),
            cases: map(&state.cases, |record| (record.status, record.digest)),
            disputes: map(&state.disputes, |record| record.code),
            compromised: map(&state.compromised, |record| record.index),
            conflicts: map(&state.conflicts, |record| record.index),
        }
    }

    /// Takes up an event of a block at `now` (Unix ms).
    pub fn take(&mut self, event: &Event, now: u64) {
        match event {
            Event::InstitutionRegistered { number, account } => {
                self.institutions.insert(*number, InstitutionStatus::Active);
                self.operators.insert(*account, *number);
            }
            Event::InstitutionStatus { number, status } => {
                self.institutions.insert(*number, *status);
            }
            Event::OperatorAdded { institution, account } => {
                self.operators.insert(*account, *institution);
            }
            Event::OperatorRemoved { account, .. } => {
                self.operators.remove(account);
            }
            Event::PractitionerChanged { account, institution, status } => {
                self.practitioners.insert(*account, (*institution, *status));
            }
            Event::IdentityEnrolled { case, institution } => {
                self.identities.insert(*case, (*institution, 0));
            }
            Event::ClaimOffered { case, until } => {
                self.claims.insert(*case, *until);
            }
            Event::ClaimWithdrawn { case } => {
                self.claims.remove(case);
            }
            Event::IdentityRotated { case, epoch, .. } => {
                self.identities.entry(*case).or_default().1 = *epoch;
                self.claims.remove(case);
                self.recovering.remove(case);
            }
            Event::RecoveryStarted { case, ready } => {
                self.recovering.insert(*case, (*ready, None));
            }
            Event::RecoveryAttested { case, institution } => {
                self.recovering.entry(*case).or_default().1 = Some(*institution);
            }
            Event::RecoveryStopped { case, .. } => {
                self.recovering.remove(case);
            }
            Event::InstitutionUpdated { .. }
            | Event::AuthorityProposed
            | Event::AuthorityChanged
            | Event::RegistrationsPaused { .. }
            | Event::InvitationChanged { .. }
            | Event::Acked { .. } => {}
            _ => self.take_of_case(event, now),
        }
    }

    fn take_of_case(&mut self, event: &Event, now: u64) {
        match event {
            Event::RelationshipChanged { case, institution, status } => {
                self.relationships.insert((*case, *institution), *status);
            }
            Event::GrantMade { case, commitment, first, last } => {
                self.grants.insert(*commitment, (*case, GrantStatus::Live, *first, *last));
            }
            Event::GrantEnded { case, commitment, status, rev } => {
                if let Some(grant) = self.grants.get_mut(commitment) {
                    grant.1 = *status;
                }
                self.rev.insert(*case, *rev);
            }
            Event::DelegateChanged { case, account, powers: 0, .. } => {
                self.delegates.remove(&(*case, *account));
            }
            Event::DelegateChanged { case, account, powers, until } => {
                self.delegates.insert((*case, *account), (*powers, *until));
            }
            Event::EmergencyOpened { case, number, practitioner, institution, reason, until } => {
                let access = FoldedAccess {
                    practitioner: *practitioner,
                    institution: *institution,
                    reason: *reason,
                    until: *until,
                    review: None,
                };
                self.emergencies.insert((*case, *number), access);
            }
            Event::EmergencyEnded { case, number, rev } => {
                self.emergencies.entry((*case, *number)).and_modify(|access| access.until = now);
                // a counter that never went up is not stored
                if *rev > 0 {
                    self.rev.insert(*case, *rev);
                }
            }
            Event::EmergencyReviewed { case, number, outcome } => {
                self.emergencies.entry((*case, *number)).and_modify(|access| access.review = Some(*outcome));
            }
            Event::RevRaised { case, rev } => {
                self.rev.insert(*case, *rev);
            }
            Event::CaseClosing { case, deadline } => {
                self.set_case(case, CaseStatus::Closing, Some(*deadline))
            }
            Event::CompletionProposed { case, deadline, .. } => {
                self.set_case(case, CaseStatus::Proposed, Some(*deadline));
            }
            Event::CaseCompleted { case, .. } => self.set_case(case, CaseStatus::Completed, None),
            Event::CaseReopened { case, .. } => self.set_case(case, CaseStatus::Open, None),
            Event::EntryDisputed { case, lane, index, code } => {
                self.disputes.insert((*case, *lane, *index), *code);
            }
            Event::DisputeWithdrawn { case, lane, index } => {
                self.disputes.remove(&(*case, *lane, *index));
            }
            Event::LaneCompromised { lane, index } => {
                self.compromised.insert(*lane, *index);
            }
            Event::ConflictProven { lane, index } => {
                let known = self.conflicts.entry(*lane).or_insert(*index);
                *known = (*known).min(*index);
            }
            _ => self.take_of_lane(event),
        }
    }

    fn take_of_lane(&mut self, event: &Event) {
        match event {
            Event::LaneOpened { header } => self.open(header),
            Event::Anchored { heads } => {
                for anchored in heads {
                    let head = Head { size: anchored.size, root: anchored.root };
                    self.lanes.entry(anchored.lane).and_modify(|lane| lane.head = head);
                }
            }
            Event::LaneRotated { last, next } => {
                self.close(&last.lane, Head { size: last.size, root: last.root });
                self.open(next);
            }
            Event::LaneClosing { lane, deadline } => {
                self.lanes.entry(*lane).and_modify(|lane| lane.closing = true);
                self.due.insert(lane.0, *deadline);
            }
            Event::LaneClosed { lane, head, .. } => self.close(lane, *head),
            Event::Seen { lane, size, .. } => {
                self.lanes.entry(*lane).and_modify(|lane| lane.seen = *size);
            }
            other => panic!("nothing is done with {other:?}"),
        }
    }

    fn set_case(&mut self, case: &CaseId, status: CaseStatus, due: Option<u64>) {
        self.cases.entry(*case).and_modify(|case| case.0 = status);
        match due {
            Some(due) => self.due.insert(case.0, due),
            None => self.due.remove(&case.0),
        };
    }

    fn open(&mut self, header: &LaneHeader) {
        let content = header.class == casewise_ledger::Class::Content;
        let lane = FoldedLane {
            case: header.case,
            content,
            closed: false,
            closing: false,
            head: Head::empty(),
            seen: 0,
        };
        self.cases.entry(header.case).or_insert((CaseStatus::Open, [0; 32]));
        self.lanes.insert(header.id(), lane);
    }

    fn close(&mut self, id: &LaneId, head: Head) {
        let Some(lane) = self.lanes.get_mut(id) else { return };
        (lane.head, lane.closed, lane.closing) = (head, true, false);
        if lane.content {
            let case = self.cases.entry(lane.case).or_insert((CaseStatus::Open, [0; 32]));
            case.1 = close_digest(&case.1, id, &head);
        }
        self.due.remove(&id.0);
    }

    /// The first difference from what the state says.
    pub fn difference(&self, state: &State) -> Option<String> {
        let stored = Self::of(state);
        macro_rules! compare {
            ($($field:ident),+) => {$(
                if self.$field != stored.$field {
                    let told: Vec<_> = self.$field.iter().filter(|(key, value)| stored.$field.get(*key) != Some(*value)).collect();
                    let kept: Vec<_> = stored.$field.iter().filter(|(key, value)| self.$field.get(*key) != Some(*value)).collect();
                    return Some(format!("{}: events {told:?}, state {kept:?}", stringify!($field)));
                }
            )+};
        }
        compare!(
            institutions,
            operators,
            practitioners,
            identities,
            claims,
            recovering,
            relationships,
            delegates,
            emergencies,
            grants,
            rev,
            lanes,
            due,
            cases,
            disputes,
            compromised,
            conflicts
        );
        None
    }
}

fn map<K: Ord + Copy, V, T>(from: &BTreeMap<K, V>, of: impl Fn(&V) -> T) -> BTreeMap<K, T> {
    from.iter().map(|(key, value)| (*key, of(value))).collect()
}
