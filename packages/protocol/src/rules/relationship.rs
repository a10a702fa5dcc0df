//! The life of a relationship: proposed → active ⇄ suspended → ended, and the policy that comes
//! with the first proposal.

use casewise_ledger::{
    V1,
    records::{InstitutionRecord, Policy, RelationshipRecord, RelationshipStatus},
};

use super::{Change, Refusal, active};
use crate::ppr::{MAX_COMPLETION, MAX_GRACE};

fn record(status: RelationshipStatus, since: u64) -> RelationshipRecord {
    RelationshipRecord { version: V1, status, since }
}

/// Refuses institution `number` unless it is active and its relationship with the case is too.
pub fn in_force(
    number: u32,
    institution: &InstitutionRecord,
    relationship: Option<&RelationshipRecord>,
) -> Result<(), Refusal> {
    active(number, institution)?;
    match relationship.map(|relationship| relationship.status) {
        Some(RelationshipStatus::Active) => Ok(()),
        _ => Err(Refusal::NotInForce { institution: number }),
    }
}

/// A proposal at `now` (Unix ms). An ended relationship never comes back.
pub fn propose(
    existing: Option<&RelationshipRecord>,
    now: u64,
) -> Result<Change<RelationshipRecord>, Refusal> {
    match existing.map(|relationship| relationship.status) {
        None => Ok(Change::To(record(RelationshipStatus::Proposed, now))),
        Some(RelationshipStatus::Ended) => Err(Refusal::RelationshipEnded),
        Some(_) => Ok(Change::Same),
    }
}

/// The holder's acceptance at `now` (Unix ms).
pub fn accept(
    existing: Option<&RelationshipRecord>,
    now: u64,
) -> Result<Change<RelationshipRecord>, Refusal> {
    match existing.ok_or(Refusal::NoRelationship)?.status {
        RelationshipStatus::Proposed => Ok(Change::To(record(RelationshipStatus::Active, now))),
        RelationshipStatus::Active => Ok(Change::Same),
        RelationshipStatus::Suspended => Err(Refusal::RelationshipSuspended),
        RelationshipStatus::Ended => Err(Refusal::RelationshipEnded),
    }
}

/// The holder's refusal at `now` (Unix ms).
pub fn decline(
    existing: Option<&RelationshipRecord>,
    now: u64,
) -> Result<Change<RelationshipRecord>, Refusal> {
    match existing.ok_or(Refusal::NoRelationship)?.status {
        RelationshipStatus::Proposed => Ok(Change::To(record(RelationshipStatus::Ended, now))),
        RelationshipStatus::Ended => Ok(Change::Same),
        RelationshipStatus::Active | RelationshipStatus::Suspended => Err(Refusal::NotProposed),
    }
}

/// The end at `now` (Unix ms), from any status.
pub fn end(existing: Option<&RelationshipRecord>, now: u64) -> Result<Change<RelationshipRecord>, Refusal> {
    match existing.ok_or(Refusal::NoRelationship)?.status {
        RelationshipStatus::Ended => Ok(Change::Same),
        _ => Ok(Change::To(record(RelationshipStatus::Ended, now))),
    }
}

/// The limits of a policy by itself.
pub fn policy_limits(policy: &Policy) -> Result<(), Refusal> {
    if policy.grace > MAX_GRACE {
        return Err(Refusal::GraceTooLong);
    }
    if policy.completion > MAX_COMPLETION {
        return Err(Refusal::CompletionTooLong);
    }
    Ok(())
}

/// What a proposal does to the case's policy. `enrolling`: the proposer enrolled the case.
pub fn policy(
    enrolling: bool,
    stored: Option<&Policy>,
    given: Option<&Policy>,
) -> Result<Change<Policy>, Refusal> {
    match (enrolling, stored, given) {
        (true, None, Some(given)) => policy_limits(given).map(|()| Change::To(given.clone())),
        (true, None, None) => Err(Refusal::PolicyMissing),
        (true, Some(stored), Some(given)) if stored != given => Err(Refusal::PolicyConflict),
        (true, Some(_), _) | (false, Some(_), None) => Ok(Change::Same),
        (false, _, Some(_)) => Err(Refusal::PolicyNotYours),
        (false, None, None) => Err(Refusal::NoPolicy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RelationshipStatus::{Active, Ended, Proposed, Suspended};

    type Answer = Result<Change<RelationshipRecord>, Refusal>;
    type Rule = fn(Option<&RelationshipRecord>, u64) -> Answer;

    #[test]
    fn the_whole_table_of_transitions() {
        let to = |status| Ok(Change::To(record(status, 9)));
        let same = || Ok(Change::Same);
        let rules: [(Rule, [Answer; 5]); 4] = [
            (propose, [to(Proposed), same(), same(), same(), Err(Refusal::RelationshipEnded)]),
            (
                accept,
                [
                    Err(Refusal::NoRelationship),
                    to(Active),
                    same(),
                    Err(Refusal::RelationshipSuspended),
                    Err(Refusal::RelationshipEnded),
                ],
            ),
            (
                decline,
                [
                    Err(Refusal::NoRelationship),
                    to(Ended),
                    Err(Refusal::NotProposed),
                    Err(Refusal::NotProposed),
                    same(),
                ],
            ),
            (end, [Err(Refusal::NoRelationship), to(Ended), to(Ended), to(Ended), same()]),
        ];
        let before = [None, Some(Proposed), Some(Active), Some(Suspended), Some(Ended)];
        for (rule, expected) in rules {
            for (status, expected) in before.iter().zip(expected) {
                assert_eq!(rule(status.map(|status| record(status, 5)).as_ref(), 9), expected, "{status:?}");
            }
        }
    }

    fn some_policy(grace: u32, completion: u32) -> Policy {
        Policy { cadence: 1, lateness: 2, grace, completion, amends: None }
    }

    #[test]
    fn the_policy_comes_once_from_the_enrolling_institution() {
        let (one, other) = (some_policy(3, 4), some_policy(5, 6));
        assert_eq!(policy(true, None, Some(&one)), Ok(Change::To(one.clone())));
        assert_eq!(policy(true, None, None), Err(Refusal::PolicyMissing));
        assert_eq!(policy(true, Some(&one), Some(&one)), Ok(Change::Same));
        assert_eq!(policy(true, Some(&one), None), Ok(Change::Same));
        assert_eq!(policy(true, Some(&one), Some(&other)), Err(Refusal::PolicyConflict));
        assert_eq!(policy(false, Some(&one), None), Ok(Change::Same));
        assert_eq!(policy(false, Some(&one), Some(&one)), Err(Refusal::PolicyNotYours));
        assert_eq!(policy(false, None, Some(&one)), Err(Refusal::PolicyNotYours));
        assert_eq!(policy(false, None, None), Err(Refusal::NoPolicy));
    }

    #[test]
    fn in_force_while_both_are_active() {
        use casewise_ledger::records::{InstitutionKind, InstitutionStatus};
        let institution = |status| InstitutionRecord {
            version: V1,
            status,
            kind: InstitutionKind::Provider,
            account: casewise_ledger::Address([7; 20]),
            kem: [0; 32],
            kem_epoch: 0,
            since: 0,
            name: "A".to_string(),
        };
        let go = |institution: &InstitutionRecord, status: Option<RelationshipStatus>| {
            in_force(7, institution, status.map(|status| record(status, 0)).as_ref())
        };
        let (on, off) = (institution(InstitutionStatus::Active), institution(InstitutionStatus::Suspended));
        assert_eq!(go(&on, Some(Active)), Ok(()));
        for status in [None, Some(Proposed), Some(Suspended), Some(Ended)] {
            assert_eq!(go(&on, status), Err(Refusal::NotInForce { institution: 7 }));
        }
        assert_eq!(go(&off, Some(Active)), Err(Refusal::Suspended { institution: 7 }));
    }

    #[test]
    fn policy_limits_at_the_limit_and_one_past_it() {
        assert_eq!(policy_limits(&some_policy(MAX_GRACE, MAX_COMPLETION)), Ok(()));
        assert_eq!(policy_limits(&some_policy(MAX_GRACE + 1, 0)), Err(Refusal::GraceTooLong));
        assert_eq!(policy_limits(&some_policy(0, MAX_COMPLETION + 1)), Err(Refusal::CompletionTooLong));
        assert!(Refusal::GraceTooLong.to_string().contains(&MAX_GRACE.to_string()));
        assert!(Refusal::CompletionTooLong.to_string().contains(&MAX_COMPLETION.to_string()));
    }
}
