//! The life of a grant: live → revoked or expired, never back; and the counter of revocations that
//! authors acknowledge.

use casewise_ledger::{
    CaseId,
    grant::DAY_MS,
    records::{GrantRecord, GrantStatus},
};

use super::{Change, Refusal};
use crate::ppr::ACK_BLOCKS;

/// First moment of a grant's first day, Unix ms.
pub fn first_ms(grant: &GrantRecord) -> u64 {
    u64::from(grant.first) * DAY_MS
}

/// First moment after a grant's last day, Unix ms.
pub fn last_ms(grant: &GrantRecord) -> u64 {
    (u64::from(grant.last) + 1) * DAY_MS
}

/// Whether the last day is over at `now` (block time, Unix ms).
pub fn grant_over(grant: &GrantRecord, now: u64) -> bool {
    now >= last_ms(grant)
}

/// Whether the chain lets the grant be used at `now` (block time, Unix ms). The opening's own
/// times, known to author and reader, are narrower and are checked besides.
pub fn grant_live(grant: &GrantRecord, now: u64) -> bool {
    grant.status == GrantStatus::Live && first_ms(grant) <= now && !grant_over(grant, now)
}

/// Making a grant at `now` (Unix ms).
pub fn grant(
    existing: Option<&GrantRecord>,
    wanted: GrantRecord,
    now: u64,
) -> Result<Change<GrantRecord>, Refusal> {
    match existing {
        Some(existing) if existing.case != wanted.case => Err(Refusal::GrantConflict),
        Some(existing) if existing.status != GrantStatus::Live => Err(Refusal::GrantOver),
        Some(existing) if *existing == wanted => Ok(Change::Same),
        Some(_) => Err(Refusal::GrantConflict),
        None if wanted.last < wanted.first => Err(Refusal::DaysReversed),
        None if grant_over(&wanted, now) => Err(Refusal::DaysOver),
        None => Ok(Change::To(wanted)),
    }
}

/// Taking a grant of `case` back.
pub fn revoke(existing: Option<&GrantRecord>, case: &CaseId) -> Result<Change<GrantRecord>, Refusal> {
    let existing = existing.filter(|grant| grant.case == *case).ok_or(Refusal::NoGrant)?;
    Ok(leave(existing, GrantStatus::Revoked))
}

/// Making known, at `now` (Unix ms), that a grant's last day is over.
pub fn expire(existing: &GrantRecord, now: u64) -> Result<Change<GrantRecord>, Refusal> {
    if existing.status == GrantStatus::Live && !grant_over(existing, now) {
        return Err(Refusal::NotYetOver);
    }
    Ok(leave(existing, GrantStatus::Expired))
}

fn leave(existing: &GrantRecord, status: GrantStatus) -> Change<GrantRecord> {
    match existing.status {
        GrantStatus::Live => Change::To(GrantRecord { status, ..existing.clone() }),
        GrantStatus::Revoked | GrantStatus::Expired => Change::Same,
    }
}

/// An acknowledgement of `wanted` by an author that stands at `acked`, in a case at `rev`. It
/// never falls.
pub fn ack(acked: u32, wanted: u32, rev: u32) -> Result<Change<u32>, Refusal> {
    if wanted > rev {
        return Err(Refusal::RevAhead { rev });
    }
    Ok(if wanted > acked { Change::To(wanted) } else { Change::Same })
}

/// Whether an author has been behind for more than [`ACK_BLOCKS`] blocks at `height`.
/// `behind_since`: height at which `rev` first passed what it acknowledged; `None` when it has not.
pub fn overdue(behind_since: Option<u64>, height: u64) -> bool {
    behind_since.is_some_and(|since| height.saturating_sub(since) > ACK_BLOCKS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use casewise_ledger::V1;
    use proptest::prelude::*;

    fn record(status: GrantStatus, first: u32, last: u32) -> GrantRecord {
        GrantRecord { version: V1, case: CaseId([1; 32]), status, first, last }
    }

    #[test]
    fn days_include_both_ends() {
        let grant = record(GrantStatus::Live, 10, 11);
        assert!(!grant_live(&grant, 10 * DAY_MS - 1));
        assert!(grant_live(&grant, 10 * DAY_MS));
        assert!(grant_live(&grant, 12 * DAY_MS - 1));
        assert!(!grant_live(&grant, 12 * DAY_MS));
        assert_eq!(last_ms(&record(GrantStatus::Live, 0, u32::MAX)), (u64::from(u32::MAX) + 1) * DAY_MS);
    }

    #[test]
    fn making_a_grant() {
        let live = record(GrantStatus::Live, 10, 11);
        let now = 11 * DAY_MS;
        assert_eq!(grant(None, live.clone(), now), Ok(Change::To(live.clone())));
        assert_eq!(grant(Some(&live), live.clone(), now), Ok(Change::Same));
        // repeated after its days: it took effect before
        assert_eq!(grant(Some(&live), live.clone(), 99 * DAY_MS), Ok(Change::Same));
        assert_eq!(grant(Some(&live), record(GrantStatus::Live, 10, 12), now), Err(Refusal::GrantConflict));
        let foreign = GrantRecord { case: CaseId([2; 32]), ..live.clone() };
        assert_eq!(grant(Some(&foreign), live.clone(), now), Err(Refusal::GrantConflict));
        for status in [GrantStatus::Revoked, GrantStatus::Expired] {
            assert_eq!(grant(Some(&record(status, 10, 11)), live.clone(), now), Err(Refusal::GrantOver));
        }
        assert_eq!(grant(None, record(GrantStatus::Live, 12, 11), now), Err(Refusal::DaysReversed));
        assert_eq!(grant(None, live.clone(), 12 * DAY_MS - 1), Ok(Change::To(live.clone())));
        assert_eq!(grant(None, live, 12 * DAY_MS), Err(Refusal::DaysOver));
    }

    #[test]
    fn ending_a_grant() {
        let live = record(GrantStatus::Live, 10, 11);
        let revoked = record(GrantStatus::Revoked, 10, 11);
        let expired = record(GrantStatus::Expired, 10, 11);
        let case = CaseId([1; 32]);
        assert_eq!(revoke(None, &case), Err(Refusal::NoGrant));
        assert_eq!(revoke(Some(&live), &CaseId([2; 32])), Err(Refusal::NoGrant));
        assert_eq!(revoke(Some(&live), &case), Ok(Change::To(revoked.clone())));
        assert_eq!(revoke(Some(&revoked), &case), Ok(Change::Same));
        assert_eq!(revoke(Some(&expired), &case), Ok(Change::Same));
        assert_eq!(expire(&live, 12 * DAY_MS - 1), Err(Refusal::NotYetOver));
        assert_eq!(expire(&live, 12 * DAY_MS), Ok(Change::To(expired.clone())));
        assert_eq!(expire(&revoked, 0), Ok(Change::Same));
        assert_eq!(expire(&expired, 0), Ok(Change::Same));
    }

    #[test]
    fn acknowledging() {
        assert_eq!(ack(0, 0, 0), Ok(Change::Same));
        assert_eq!(ack(0, 3, 3), Ok(Change::To(3)));
        assert_eq!(ack(3, 2, 3), Ok(Change::Same));
        assert_eq!(ack(3, 4, 3), Err(Refusal::RevAhead { rev: 3 }));
        assert!(!overdue(None, u64::MAX));
        assert!(!overdue(Some(10), 12));
        assert!(overdue(Some(10), 13));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Grant(u32, u32),
        Revoke,
        Expire,
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0u32..6, 0u32..6).prop_map(|(first, last)| Step::Grant(first, last)),
            Just(Step::Revoke),
            Just(Step::Expire),
            (0..2 * DAY_MS).prop_map(Step::Wait),
        ]
    }

    proptest! {
        #[test]
        fn a_grant_that_is_over_never_lives_again(steps in proptest::collection::vec(step(), 0..40)) {
            let case = CaseId([1; 32]);
            let (mut now, mut stored, mut over) = (0u64, None::<GrantRecord>, false);
            for step in steps {
                let changed = match step {
                    Step::Wait(ms) => { now += ms; None }
                    Step::Grant(first, last) => grant(stored.as_ref(), record(GrantStatus::Live, first, last), now)
                        .ok().and_then(Change::changed),
                    Step::Revoke => revoke(stored.as_ref(), &case).ok().and_then(Change::changed),
                    Step::Expire => stored.as_ref().and_then(|grant| expire(grant, now).ok()).and_then(Change::changed),
                };
                stored = changed.or(stored);
                let live = stored.as_ref().is_some_and(|grant| grant_live(grant, now));
                prop_assert!(!(over && live));
                over |= stored.as_ref().is_some_and(|grant| grant.status != GrantStatus::Live || grant_over(grant, now));
            }
        }

        #[test]
        fn acknowledgements_never_fall_and_never_run_ahead(wanted in proptest::collection::vec(0u32..9, 0..30), rev in 0u32..9) {
            let mut acked = 0;
            for wanted in wanted {
                let before = acked;
                if let Ok(Change::To(next)) = ack(acked, wanted, rev) {
                    acked = next;
                }
                prop_assert!(before <= acked && acked <= rev);
            }
        }
    }
}
