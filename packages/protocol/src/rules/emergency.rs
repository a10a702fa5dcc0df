//! Emergency access: opened by a practitioner without a grant, over after hours, and reviewed; who
//! leaves a review waiting too long opens no other.

use borsh::{BorshDeserialize, BorshSerialize};
use casewise_ledger::{
    CaseId,
    records::{
        EmergencyRecord, InstitutionKind, InstitutionRecord, PractitionerRecord, PractitionerStatus, Review,
    },
};

use super::{Change, Refusal, active};
use crate::ppr::{MAX_EMERGENCY_MS, MAX_UNREVIEWED, REVIEW_MS};

/// An access that waits for its review.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Waiting {
    /// The case.
    pub case: CaseId,
    /// Its number in the case.
    pub number: u32,
    /// Its end, Unix ms, exclusive.
    pub until: u64,
}

/// A practitioner's accesses that wait for their review, in the order in which they were opened, at
/// most [`MAX_UNREVIEWED`].
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Unreviewed(pub Vec<Waiting>);

impl Unreviewed {
    /// Whether the review of one of them is overdue at `now` (Unix ms).
    pub fn blocked(&self, now: u64) -> bool {
        self.0.iter().any(|waiting| review_overdue(waiting.until, now))
    }

    /// Takes up an access.
    pub fn add(&mut self, case: CaseId, number: u32, until: u64) {
        self.0.push(Waiting { case, number, until });
    }

    /// Sets the end of an access, if it still waits.
    pub fn end(&mut self, case: &CaseId, number: u32, until: u64) {
        for waiting in self.0.iter_mut().filter(|waiting| waiting.case == *case && waiting.number == number) {
            waiting.until = until;
        }
    }

    /// Lets go of an access that was reviewed.
    pub fn remove(&mut self, case: &CaseId, number: u32) {
        self.0.retain(|waiting| waiting.case != *case || waiting.number != number);
    }
}

/// When the review of an access that ends at `until` is overdue, Unix ms.
pub fn review_due(until: u64) -> u64 {
    until.saturating_add(REVIEW_MS)
}

/// Whether the review of an access that ended at `until`, and has none, is overdue at `now`.
pub fn review_overdue(until: u64, now: u64) -> bool {
    now >= review_due(until)
}

/// Whether an access is running at `now` (Unix ms).
pub fn emergency_running(access: &EmergencyRecord, now: u64) -> bool {
    now < access.until
}

/// The sender as a practitioner who may open cases in an emergency. `institution`: where it works.
pub fn emergency_practitioner<'a>(
    practitioner: Option<&'a PractitionerRecord>,
    institution: Option<&InstitutionRecord>,
) -> Result<&'a PractitionerRecord, Refusal> {
    let practitioner = practitioner.ok_or(Refusal::NotPractitioner)?;
    match practitioner.status {
        PractitionerStatus::Active => {}
        PractitionerStatus::Suspended => return Err(Refusal::PractitionerSuspended),
        PractitionerStatus::Barred => return Err(Refusal::PractitionerBarred),
    }
    let institution = institution.ok_or(Refusal::NotPractitioner)?;
    active(practitioner.institution, institution)?;
    match institution.kind {
        InstitutionKind::Provider => Ok(practitioner),
        InstitutionKind::Research | InstitutionKind::Oversight => {
            Err(Refusal::NotProvider { institution: practitioner.institution })
        }
    }
}

/// Opening a case at `wanted.since` (Unix ms). `latest`: the practitioner's last access to this
/// case; `unreviewed`: its accesses to any case that wait for their review.
pub fn open_emergency(
    latest: Option<&EmergencyRecord>,
    unreviewed: &Unreviewed,
    wanted: EmergencyRecord,
) -> Result<Change<EmergencyRecord>, Refusal> {
    let now = wanted.since;
    if let Some(running) = latest.filter(|latest| emergency_running(latest, now)) {
        let same = (running.reason, running.until) == (wanted.reason, wanted.until);
        return if same { Ok(Change::Same) } else { Err(Refusal::EmergencyRunning) };
    }
    if wanted.until <= now {
        return Err(Refusal::UntilOver);
    }
    if wanted.until - now > MAX_EMERGENCY_MS {
        return Err(Refusal::EmergencyTooLong);
    }
    if unreviewed.blocked(now) {
        return Err(Refusal::ReviewOverdue);
    }
    if unreviewed.0.len() >= MAX_UNREVIEWED {
        return Err(Refusal::TooManyUnreviewed);
    }
    Ok(Change::To(wanted))
}

/// On whose part an access is ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// The holder, or a delegate with [`Power::Revocations`](crate::ppr::Power::Revocations).
    HolderSide,
    /// The consortium.
    Authority,
    /// The practitioner, or an operator of the institution that the access names.
    Provider,
}

impl EndedBy {
    /// Whether it counts as a revocation. Who opens an access does not make every author of the case
    /// rotate by ending it again.
    pub fn raises_rev(self) -> bool {
        match self {
            Self::HolderSide | Self::Authority => true,
            Self::Provider => false,
        }
    }
}

/// On whose part a sender ends an access: the strongest of its rights. It only takes away, so no
/// suspension counts. `holder_side`: what [`acts_for_holder`](super::acts_for_holder) says of the
/// sender; `operates`: the sender's institution.
pub fn emergency_ender(
    access: &EmergencyRecord,
    sender: &[u8],
    holder_side: Result<(), Refusal>,
    authority: &[u8],
    operates: Option<u32>,
) -> Result<EndedBy, Refusal> {
    let refusal = match holder_side {
        Ok(()) => return Ok(EndedBy::HolderSide),
        Err(Refusal::NotHolder) => Refusal::NotConcerned { institution: access.institution },
        Err(other) => other,
    };
    if authority == sender {
        return Ok(EndedBy::Authority);
    }
    if access.practitioner.0 == sender || operates == Some(access.institution) {
        return Ok(EndedBy::Provider);
    }
    Err(refusal)
}

/// Ending an access at `now` (Unix ms), before its time.
pub fn end_emergency(access: &EmergencyRecord, now: u64) -> Change<EmergencyRecord> {
    if emergency_running(access, now) {
        Change::To(EmergencyRecord { until: now, ..access.clone() })
    } else {
        Change::Same
    }
}

/// A review of an access, once and after its end: what it was used for is not known before. `reviewer`: the institution that `review` names, `sender`: whose
/// operator account sends it.
pub fn review_emergency(
    access: &EmergencyRecord,
    reviewer: &InstitutionRecord,
    sender: &[u8],
    review: Review,
) -> Result<Change<EmergencyRecord>, Refusal> {
    if review.institution != access.institution && reviewer.kind != InstitutionKind::Oversight {
        return Err(Refusal::NotReviewer { institution: access.institution });
    }
    active(review.institution, reviewer)?;
    if access.practitioner.0 == sender {
        return Err(Refusal::OwnReview);
    }
    match &access.review {
        None if emergency_running(access, review.time) => Err(Refusal::NotOver),
        None => Ok(Change::To(EmergencyRecord { review: Some(review), ..access.clone() })),
        Some(first) if (first.outcome, first.institution) == (review.outcome, review.institution) => {
            Ok(Change::Same)
        }
        Some(_) => Err(Refusal::Reviewed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use casewise_ledger::{
        Address, V1,
        records::{EmergencyReason, InstitutionStatus, PractitionerRole, ReviewOutcome},
    };
    use proptest::prelude::*;

    const ME: Address = Address([1; 20]);
    const OPERATOR: Address = Address([2; 20]);
    const CASE: CaseId = CaseId([9; 32]);

    fn access(since: u64, until: u64) -> EmergencyRecord {
        EmergencyRecord {
            version: V1,
            practitioner: ME,
            institution: 1,
            reason: EmergencyReason::Treatment,
            since,
            until,
            review: None,
        }
    }

    fn institution(kind: InstitutionKind, status: InstitutionStatus) -> InstitutionRecord {
        InstitutionRecord {
            version: V1,
            status,
            kind,
            account: OPERATOR,
            kem: [0; 32],
            kem_epoch: 0,
            since: 0,
            name: String::new(),
        }
    }

    fn unreviewed(ends: &[u64]) -> Unreviewed {
        let mut list = Unreviewed::default();
        for (number, until) in (1..).zip(ends) {
            list.add(CASE, number, *until);
        }
        list
    }

    #[test]
    fn active_practitioners_of_active_providers() {
        use InstitutionKind::{Oversight, Provider, Research};
        let practitioner = |status| PractitionerRecord {
            version: V1,
            status,
            role: PractitionerRole::Doctor,
            institution: 4,
            since: 0,
        };
        let may = |status, kind, of| {
            let (practitioner, institution) = (practitioner(status), institution(kind, of));
            emergency_practitioner(Some(&practitioner), Some(&institution)).map(|found| found.institution)
        };
        let (on, off) = (InstitutionStatus::Active, InstitutionStatus::Suspended);
        assert_eq!(may(PractitionerStatus::Active, Provider, on), Ok(4));
        assert_eq!(may(PractitionerStatus::Suspended, Provider, on), Err(Refusal::PractitionerSuspended));
        assert_eq!(may(PractitionerStatus::Barred, Provider, on), Err(Refusal::PractitionerBarred));
        assert_eq!(
            may(PractitionerStatus::Active, Provider, off),
            Err(Refusal::Suspended { institution: 4 })
        );
        for kind in [Research, Oversight] {
            let refused = Err(Refusal::NotProvider { institution: 4 });
            assert_eq!(may(PractitionerStatus::Active, kind, on), refused);
        }
        let someone = practitioner(PractitionerStatus::Active);
        assert_eq!(emergency_practitioner(None, None), Err(Refusal::NotPractitioner));
        assert_eq!(emergency_practitioner(Some(&someone), None), Err(Refusal::NotPractitioner));
    }

    #[test]
    fn at_most_a_day_ahead() {
        let open = |until| open_emergency(None, &Unreviewed::default(), access(100, until));
        let most = 100 + MAX_EMERGENCY_MS;
        for over in [0, 99, 100] {
            assert_eq!(open(over), Err(Refusal::UntilOver));
        }
        for until in [101, most] {
            assert_eq!(open(until), Ok(Change::To(access(100, until))));
        }
        for late in [most + 1, u64::MAX] {
            assert_eq!(open(late), Err(Refusal::EmergencyTooLong));
        }
        assert!(Refusal::EmergencyTooLong.to_string().contains("24 hours"));
        assert_eq!(MAX_EMERGENCY_MS, 24 * 3_600_000);
    }

    #[test]
    fn one_at_a_time_in_a_case() {
        let running = access(100, 200);
        let open = |wanted| open_emergency(Some(&running), &unreviewed(&[200]), wanted);
        assert_eq!(open(access(199, 200)), Ok(Change::Same));
        assert_eq!(open(access(199, 201)), Err(Refusal::EmergencyRunning));
        let other = EmergencyRecord { reason: EmergencyReason::Disaster, ..access(199, 200) };
        assert_eq!(open(other), Err(Refusal::EmergencyRunning));
        assert_eq!(open(access(200, 201)), Ok(Change::To(access(200, 201))));
        // repeated when a review is overdue elsewhere: it took effect before
        let late = unreviewed(&[0]);
        let repeated =
            open_emergency(Some(&access(REVIEW_MS, REVIEW_MS + 9)), &late, access(REVIEW_MS, REVIEW_MS + 9));
        assert_eq!(repeated, Ok(Change::Same));
    }

    #[test]
    fn reviews_that_wait_stop_the_next_access() {
        let open = |ends: &[u64], now| open_emergency(None, &unreviewed(ends), access(now, now + 1));
        let due = 10 + REVIEW_MS;
        assert_eq!(review_due(10), due);
        assert!(open(&[due, 10], due - 1).is_ok());
        assert_eq!(open(&[due, 10], due), Err(Refusal::ReviewOverdue));
        assert!(open(&[10; MAX_UNREVIEWED - 1], 20).is_ok());
        assert_eq!(open(&[10; MAX_UNREVIEWED], 20), Err(Refusal::TooManyUnreviewed));
        assert!(Refusal::TooManyUnreviewed.to_string().contains(&MAX_UNREVIEWED.to_string()));
        assert!(!review_overdue(u64::MAX, u64::MAX - 1));
    }

    #[test]
    fn the_list_of_those_that_wait() {
        let mut list = unreviewed(&[10, 20]);
        list.add(CaseId([8; 32]), 1, 30);
        list.end(&CASE, 1, 5);
        list.end(&CASE, 3, 5);
        assert_eq!(list.0.iter().map(|waiting| waiting.until).collect::<Vec<_>>(), [5, 20, 30]);
        list.remove(&CASE, 1);
        list.remove(&CASE, 7);
        assert_eq!(list.0.iter().map(|waiting| waiting.until).collect::<Vec<_>>(), [20, 30]);
    }

    #[test]
    fn ended_before_its_time() {
        assert_eq!(end_emergency(&access(100, 200), 199), Change::To(access(100, 199)));
        assert_eq!(end_emergency(&access(100, 200), 100), Change::To(access(100, 100)));
        assert_eq!(end_emergency(&access(100, 200), 200), Change::Same);
    }

    #[test]
    fn ended_by_who_may_and_counted_for_whom() {
        let authority = [7; 32];
        let no = || Err(Refusal::NotHolder);
        let ender = |sender: &[u8], holder_side, operates| {
            emergency_ender(&access(100, 200), sender, holder_side, &authority, operates)
        };
        assert_eq!(ender(&[5; 20], Ok(()), None), Ok(EndedBy::HolderSide));
        assert_eq!(ender(&authority, no(), None), Ok(EndedBy::Authority));
        assert_eq!(ender(&ME.0, no(), None), Ok(EndedBy::Provider));
        assert_eq!(ender(&OPERATOR.0, no(), Some(1)), Ok(EndedBy::Provider));
        for operates in [None, Some(2)] {
            let refused = ender(&[5; 20], no(), operates);
            assert_eq!(refused, Err(Refusal::NotConcerned { institution: 1 }));
        }
        // a delegate without the power is told so, and loses no right of its own
        let weak = || Err(Refusal::PowerMissing { power: crate::ppr::Power::Revocations });
        assert_eq!(ender(&[5; 20], weak(), None).map(|_| ()), weak());
        assert_eq!(ender(&ME.0, weak(), None), Ok(EndedBy::Provider));
        // the strongest right counts
        assert_eq!(ender(&ME.0, Ok(()), None), Ok(EndedBy::HolderSide));
        assert_eq!(ender(&authority, no(), Some(1)), Ok(EndedBy::Authority));
        let counted = [EndedBy::HolderSide, EndedBy::Authority, EndedBy::Provider].map(EndedBy::raises_rev);
        assert_eq!(counted, [true, true, false]);
    }

    #[test]
    fn reviewed_once_by_who_may() {
        use InstitutionKind::{Oversight, Provider};
        let (on, off) = (InstitutionStatus::Active, InstitutionStatus::Suspended);
        let by = |institution, outcome, time| Review { outcome, institution, time };
        let review = |access: &EmergencyRecord, kind, status, given| {
            review_emergency(access, &institution(kind, status), &OPERATOR.0, given)
        };
        let first = by(1, ReviewOutcome::Justified, 300);
        let done = EmergencyRecord { review: Some(first.clone()), ..access(100, 200) };
        assert_eq!(review(&access(100, 200), Provider, on, first.clone()), Ok(Change::To(done.clone())));
        // from its end on
        let end = by(1, ReviewOutcome::Justified, 200);
        assert!(review(&access(100, 200), Provider, on, end.clone()).is_ok());
        for (kind, institution) in [(Provider, 1), (Oversight, 2)] {
            let early = by(institution, ReviewOutcome::Justified, 199);
            assert_eq!(review(&access(100, 200), kind, on, early), Err(Refusal::NotOver));
        }
        assert!(review(&access(100, 199), Provider, on, by(1, ReviewOutcome::Justified, 199)).is_ok());
        // who may not review it learns only that
        let foreign = review(&access(100, 400), Provider, on, by(2, ReviewOutcome::Justified, 300));
        assert_eq!(foreign, Err(Refusal::NotReviewer { institution: 1 }));
        // the same again, later
        assert_eq!(review(&done, Provider, on, by(1, ReviewOutcome::Justified, 400)), Ok(Change::Same));
        for other in [by(1, ReviewOutcome::Unjustified, 400), by(2, ReviewOutcome::Justified, 400)] {
            assert_eq!(review(&done, Oversight, on, other), Err(Refusal::Reviewed));
        }
        let fresh = access(100, 200);
        assert!(review(&fresh, Oversight, on, by(2, ReviewOutcome::Unjustified, 300)).is_ok());
        let foreign = review(&fresh, Provider, on, by(2, ReviewOutcome::Justified, 300));
        assert_eq!(foreign, Err(Refusal::NotReviewer { institution: 1 }));
        assert_eq!(review(&fresh, Provider, off, first.clone()), Err(Refusal::Suspended { institution: 1 }));
        let second = by(2, ReviewOutcome::Justified, 300);
        assert_eq!(review(&fresh, Oversight, off, second), Err(Refusal::Suspended { institution: 2 }));
        let own = review_emergency(&fresh, &institution(Provider, on), &ME.0, first);
        assert_eq!(own, Err(Refusal::OwnReview));
        assert_eq!(
            Refusal::OwnReview.to_string(),
            "sender: opened this access itself; another operator must review it"
        );
    }

    #[derive(Clone, Debug)]
    enum Step {
        Open(u8, u64),
        End(usize),
        Review(usize),
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0u8..3, 0..=MAX_EMERGENCY_MS + 1).prop_map(|(case, ahead)| Step::Open(case, ahead)),
            1 => (0usize..20).prop_map(Step::End),
            2 => (0usize..20).prop_map(Step::Review),
            3 => (0..REVIEW_MS / 2).prop_map(Step::Wait),
        ]
    }

    proptest! {
        #[test]
        fn short_one_at_a_time_and_none_while_a_review_is_overdue(
            steps in proptest::collection::vec(step(), 0..80),
        ) {
            let (mut now, mut waiting) = (1_000u64, Unreviewed::default());
            let mut all: Vec<(CaseId, EmergencyRecord)> = Vec::new();
            for step in steps {
                match step {
                    Step::Wait(ms) => now += ms,
                    Step::Open(case, ahead) => {
                        let case = CaseId([case; 32]);
                        let latest = all.iter().rev().find(|(of, _)| *of == case).map(|(_, record)| record);
                        let opened = open_emergency(latest, &waiting, access(now, now + ahead));
                        if let Ok(Change::To(record)) = opened {
                            prop_assert!(!all.iter().any(|(of, other)| *of == case && emergency_running(other, now)));
                            prop_assert!(!all.iter().any(|(_, other)| other.review.is_none() && now >= other.until + REVIEW_MS));
                            prop_assert!(record.until > now && record.until - now <= MAX_EMERGENCY_MS);
                            waiting.add(case, all.len() as u32, record.until);
                            all.push((case, record));
                        }
                    }
                    Step::End(at) => if let Some((case, record)) = all.get_mut(at) {
                        if let Change::To(ended) = end_emergency(record, now) {
                            waiting.end(case, at as u32, ended.until);
                            *record = ended;
                        }
                        prop_assert!(!emergency_running(record, now));
                    },
                    Step::Review(at) => if let Some((case, record)) = all.get_mut(at) {
                        let review = Review { outcome: ReviewOutcome::Justified, institution: 1, time: now };
                        let by = institution(InstitutionKind::Provider, InstitutionStatus::Active);
                        if let Ok(Change::To(reviewed)) = review_emergency(record, &by, &OPERATOR.0, review) {
                            prop_assert!(!emergency_running(record, now));
                            waiting.remove(case, at as u32);
                            *record = reviewed;
                        }
                    },
                }
                let expected: Vec<Waiting> = all
                    .iter()
                    .zip(0u32..)
                    .filter(|((_, record), _)| record.review.is_none())
                    .map(|((case, record), number)| Waiting { case: *case, number, until: record.until })
                    .collect();
                prop_assert!(expected.len() <= MAX_UNREVIEWED);
                prop_assert_eq!(&waiting.0, &expected);
            }
        }
    }
}
