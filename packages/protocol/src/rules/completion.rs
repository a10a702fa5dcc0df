//! The end of a case: open → closing → proposed → completed. An objection opens it again; nothing
//! leads out of completed.
//!
//! Must never complete a case whose content lanes are not all closed, or under another digest than
//! the one that was proposed.

use casewise_ledger::{
    Hash,
    records::{CaseRecord, CaseStatus, Policy},
};

use super::{Block, Change, Refusal};

/// How long a proposed completion of a case without a policy waits for objections, seconds: 7 days.
pub const DEFAULT_COMPLETION: u32 = 7 * 86_400;

/// When anyone may finish (Unix ms) what is proposed at `now`.
pub fn completion_deadline(now: u64, policy: Option<&Policy>) -> u64 {
    let seconds = policy.map_or(DEFAULT_COMPLETION, |policy| policy.completion);
    now.saturating_add(u64::from(seconds) * 1_000)
}

fn to(case: &CaseRecord, status: CaseStatus, height: u64) -> Change<CaseRecord> {
    Change::To(CaseRecord { status, height, ..case.clone() })
}

fn same_digest(case: &CaseRecord, digest: &Hash) -> Result<(), Refusal> {
    if case.digest == *digest { Ok(()) } else { Err(Refusal::Digest) }
}

/// Winding up. A case that is further on was wound up before.
pub fn wind_up(case: &CaseRecord, height: u64) -> Change<CaseRecord> {
    match case.status {
        CaseStatus::Open => to(case, CaseStatus::Closing, height),
        CaseStatus::Closing | CaseStatus::Proposed | CaseStatus::Completed => Change::Same,
    }
}

/// Proposing that the case is complete at `digest`.
pub fn propose_completion(
    case: &CaseRecord,
    digest: &Hash,
    height: u64,
) -> Result<Change<CaseRecord>, Refusal> {
    match case.status {
        CaseStatus::Open => Err(Refusal::NotClosing),
        CaseStatus::Closing if case.open > 0 => Err(Refusal::LanesOpen { open: case.open }),
        CaseStatus::Closing => same_digest(case, digest).map(|()| to(case, CaseStatus::Proposed, height)),
        CaseStatus::Proposed | CaseStatus::Completed => same_digest(case, digest).map(|()| Change::Same),
    }
}

/// The holder's approval.
pub fn approve_completion(
    case: &CaseRecord,
    digest: &Hash,
    height: u64,
) -> Result<Change<CaseRecord>, Refusal> {
    match case.status {
        CaseStatus::Open | CaseStatus::Closing => Err(Refusal::NoProposal),
        CaseStatus::Proposed => same_digest(case, digest).map(|()| to(case, CaseStatus::Completed, height)),
        CaseStatus::Completed => same_digest(case, digest).map(|()| Change::Same),
    }
}

/// Anyone's finish, from the deadline `due` (Unix ms) of the proposal on. Without a deadline it is
/// never over.
pub fn finish_completion(
    case: &CaseRecord,
    digest: &Hash,
    due: Option<u64>,
    block: Block,
) -> Result<Change<CaseRecord>, Refusal> {
    let done = approve_completion(case, digest, block.height)?;
    let due = due.unwrap_or(u64::MAX);
    if done != Change::Same && block.time < due { Err(Refusal::ObjectionsOpen { due }) } else { Ok(done) }
}

/// Refuses to finish at `now` (Unix ms) while a holder since `since` has not had the whole time for
/// objections: who was found by a recovery could not object before.
pub fn objections_over(since: u64, policy: Option<&Policy>, now: u64) -> Result<(), Refusal> {
    let due = completion_deadline(since, policy);
    if now < due { Err(Refusal::ObjectionsOpen { due }) } else { Ok(()) }
}

/// An objection. A case that is open at this digest was objected to before.
pub fn object_completion(
    case: &CaseRecord,
    digest: &Hash,
    height: u64,
) -> Result<Change<CaseRecord>, Refusal> {
    match case.status {
        CaseStatus::Open if case.digest == *digest => Ok(Change::Same),
        CaseStatus::Open | CaseStatus::Closing => Err(Refusal::NoProposal),
        CaseStatus::Proposed => same_digest(case, digest).map(|()| to(case, CaseStatus::Open, height)),
        CaseStatus::Completed => Err(Refusal::Completed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use casewise_ledger::V1;
    use proptest::prelude::*;

    const DIGEST: Hash = [5; 32];
    const OTHER: Hash = [6; 32];

    fn case(status: CaseStatus, open: u32) -> CaseRecord {
        CaseRecord { version: V1, status, open, digest: DIGEST, height: 1 }
    }

    const ALL: [CaseStatus; 4] =
        [CaseStatus::Open, CaseStatus::Closing, CaseStatus::Proposed, CaseStatus::Completed];

    type Answer = Result<Option<CaseStatus>, Refusal>;

    type Rule = fn(&CaseRecord, &Hash, Block) -> Answer;

    fn status(change: Result<Change<CaseRecord>, Refusal>) -> Answer {
        change.map(|change| {
            change.changed().map(|case| {
                assert_eq!((case.digest, case.height), (DIGEST, 9));
                case.status
            })
        })
    }

    #[test]
    fn the_whole_table() {
        use CaseStatus::{Closing, Completed, Open, Proposed};
        let late = Block { height: 9, time: 50 };
        // with the case's digest, and with another
        let rules: [(&str, Rule, [Answer; 4], [Answer; 4]); 5] = [
            (
                "wind up",
                |case, _, block| status(Ok(wind_up(case, block.height))),
                [Ok(Some(Closing)), Ok(None), Ok(None), Ok(None)],
                [Ok(Some(Closing)), Ok(None), Ok(None), Ok(None)],
            ),
            (
                "propose",
                |case, digest, block| status(propose_completion(case, digest, block.height)),
                [Err(Refusal::NotClosing), Ok(Some(Proposed)), Ok(None), Ok(None)],
                [Err(Refusal::NotClosing), Err(Refusal::Digest), Err(Refusal::Digest), Err(Refusal::Digest)],
            ),
            (
                "approve",
                |case, digest, block| status(approve_completion(case, digest, block.height)),
                [Err(Refusal::NoProposal), Err(Refusal::NoProposal), Ok(Some(Completed)), Ok(None)],
                [
                    Err(Refusal::NoProposal),
                    Err(Refusal::NoProposal),
                    Err(Refusal::Digest),
                    Err(Refusal::Digest),
                ],
            ),
            (
                "finish",
                |case, digest, block| status(finish_completion(case, digest, Some(50), block)),
                [Err(Refusal::NoProposal), Err(Refusal::NoProposal), Ok(Some(Completed)), Ok(None)],
                [
                    Err(Refusal::NoProposal),
                    Err(Refusal::NoProposal),
                    Err(Refusal::Digest),
                    Err(Refusal::Digest),
                ],
            ),
            (
                "object",
                |case, digest, block| status(object_completion(case, digest, block.height)),
                [Ok(None), Err(Refusal::NoProposal), Ok(Some(Open)), Err(Refusal::Completed)],
                [
                    Err(Refusal::NoProposal),
                    Err(Refusal::NoProposal),
                    Err(Refusal::Digest),
                    Err(Refusal::Completed),
                ],
            ),
        ];
        for (name, rule, with_digest, with_other) in rules {
            for (at, before) in ALL.into_iter().enumerate() {
                assert_eq!(rule(&case(before, 0), &DIGEST, late), with_digest[at], "{name} from {before:?}");
                assert_eq!(rule(&case(before, 0), &OTHER, late), with_other[at], "{name} from {before:?}");
            }
        }
    }

    #[test]
    fn not_before_the_last_content_lane_is_closed() {
        let propose = |open| status(propose_completion(&case(CaseStatus::Closing, open), &DIGEST, 9));
        assert_eq!(propose(1), Err(Refusal::LanesOpen { open: 1 }));
        assert_eq!(propose(0), Ok(Some(CaseStatus::Proposed)));
    }

    #[test]
    fn anyone_finishes_from_the_deadline_on() {
        let finish = |due, time| {
            status(finish_completion(&case(CaseStatus::Proposed, 0), &DIGEST, due, Block { height: 9, time }))
        };
        assert_eq!(finish(Some(50), 49), Err(Refusal::ObjectionsOpen { due: 50 }));
        assert_eq!(finish(Some(50), 50), Ok(Some(CaseStatus::Completed)));
        assert_eq!(finish(None, u64::MAX - 1), Err(Refusal::ObjectionsOpen { due: u64::MAX }));
        let done = case(CaseStatus::Completed, 0);
        let again = finish_completion(&done, &DIGEST, None, Block { height: 9, time: 0 });
        assert_eq!(again, Ok(Change::Same), "the deadline went with the proposal");
    }

    #[test]
    fn the_policy_gives_the_deadline() {
        let policy = |completion| Policy { cadence: 0, lateness: 0, grace: 0, completion, amends: None };
        assert_eq!(completion_deadline(7, Some(&policy(0))), 7);
        assert_eq!(completion_deadline(7, Some(&policy(u32::MAX))), 7 + u64::from(u32::MAX) * 1_000);
        assert_eq!(completion_deadline(7, None), 7 + 604_800_000);
        assert_eq!(completion_deadline(u64::MAX, None), u64::MAX);
    }

    proptest! {
        /// Whatever is tried, completed is for good, and it is reached only with the digest, with
        /// every content lane closed, and by approval or from the deadline on.
        #[test]
        fn completed_is_for_good(
            steps in proptest::collection::vec((0u8..6, any::<bool>(), 0u64..30, 0u32..2), 0..60),
        ) {
            let (mut now, mut due) = (0u64, None::<u64>);
            let mut case = case(CaseStatus::Open, 1);
            for (step, good, wait, open) in steps {
                now += wait;
                let digest = if good { DIGEST } else { OTHER };
                let before = case.clone();
                let change = match step {
                    0 => Ok(wind_up(&case, now)),
                    1 => propose_completion(&case, &digest, now),
                    2 => approve_completion(&case, &digest, now),
                    3 => finish_completion(&case, &digest, due, Block { height: now, time: now }),
                    4 => object_completion(&case, &digest, now),
                    _ => {
                        // lanes come only to an open case and go from a closing one too
                        let lanes = match case.status {
                            CaseStatus::Open => open,
                            CaseStatus::Closing => 0,
                            _ => case.open,
                        };
                        Ok(Change::To(CaseRecord { open: lanes, ..case.clone() }))
                    }
                };
                if let Some(next) = change.ok().and_then(Change::changed) {
                    case = next;
                }
                if before.status != case.status {
                    due = (case.status == CaseStatus::Proposed).then_some(now + 20);
                    prop_assert!(good || step == 0);
                    let allowed = matches!(
                        (before.status, case.status),
                        (CaseStatus::Open, CaseStatus::Closing)
                            | (CaseStatus::Closing, CaseStatus::Proposed)
                            | (CaseStatus::Proposed, CaseStatus::Completed | CaseStatus::Open)
                    );
                    prop_assert!(allowed, "{:?} to {:?}", before.status, case.status);
                }
                if matches!(case.status, CaseStatus::Proposed | CaseStatus::Completed) {
                    prop_assert_eq!(case.open, 0);
                }
                if before.status == CaseStatus::Completed {
                    prop_assert_eq!(&case, &before);
                }
            }
        }
    }
}
