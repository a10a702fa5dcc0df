//! The life of a relationship: proposed → active ⇄ suspended → ended, the invitation that lets a
//! proposal come into force at once, and the policy that comes with the first proposal.

use casewise_ledger::{
    V1,
    records::{
        IdentityRecord, InstitutionRecord, InstitutionStatus, Policy, RelationshipRecord, RelationshipStatus,
    },
};

use super::{Change, Refusal, active};
use crate::ppr::{MAX_COMPLETION, MAX_GRACE};

fn record(status: RelationshipStatus, since: u64) -> RelationshipRecord {
    RelationshipRecord { version: V1, status, since }
}

/// A proposal at `now` (Unix ms): in force at once if the holder invited it. An ended relationship
/// never comes back.
pub fn propose(
    existing: Option<&RelationshipRecord>,
    invited: bool,
    now: u64,
) -> Result<Change<RelationshipRecord>, Refusal> {
    match existing.map(|relationship| relationship.status) {
        None if invited => Ok(Change::To(record(RelationshipStatus::Active, now))),
        None => Ok(Change::To(record(RelationshipStatus::Proposed, now))),
        Some(RelationshipStatus::Ended) => Err(Refusal::RelationshipEnded),
        Some(_) => Ok(Change::Same),
    }
}

/// Whether an invitation counts: the holder of now made it, and no recovery is running that may
/// find another. `invited`: the identity's epoch at which it was made.
pub fn invitation_counts(invited: Option<u32>, identity: &IdentityRecord, recovering: bool) -> bool {
    invited == Some(identity.epoch) && !recovering
}

/// The holder's invitation, which takes the place of an older one. `existing`: the relationship
/// with the institution.
pub fn invite(
    existing: Option<&RelationshipRecord>,
    invited: Option<u32>,
    identity: &IdentityRecord,
) -> Result<Change<u32>, Refusal> {
    match existing.map(|relationship| relationship.status) {
        Some(RelationshipStatus::Proposed) => Err(Refusal::OnlyProposed),
        Some(RelationshipStatus::Active) => Err(Refusal::InForce),
        Some(RelationshipStatus::Suspended) => Err(Refusal::RelationshipSuspended),
        Some(RelationshipStatus::Ended) => Err(Refusal::RelationshipEnded),
        None if invited == Some(identity.epoch) => Ok(Change::Same),
        None => Ok(Change::To(identity.epoch)),
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

/// The holder's suspension at `now` (Unix ms).
pub fn suspend(
    existing: Option<&RelationshipRecord>,
    now: u64,
) -> Result<Change<RelationshipRecord>, Refusal> {
    match existing.ok_or(Refusal::NoRelationship)?.status {
        RelationshipStatus::Proposed => Err(Refusal::OnlyProposed),
        RelationshipStatus::Active => Ok(Change::To(record(RelationshipStatus::Suspended, now))),
        RelationshipStatus::Suspended => Ok(Change::Same),
        RelationshipStatus::Ended => Err(Refusal::RelationshipEnded),
    }
}

/// The end of the holder's suspension at `now` (Unix ms).
pub fn resume(
    existing: Option<&RelationshipRecord>,
    now: u64,
) -> Result<Change<RelationshipRecord>, Refusal> {
    match existing.ok_or(Refusal::NoRelationship)?.status {
        RelationshipStatus::Proposed => Err(Refusal::OnlyProposed),
        RelationshipStatus::Active => Ok(Change::Same),
        RelationshipStatus::Suspended => Ok(Change::To(record(RelationshipStatus::Active, now))),
        RelationshipStatus::Ended => Err(Refusal::RelationshipEnded),
    }
}

/// Whether a relationship is in force: its own status and its institution's.
pub fn in_force(relationship: &RelationshipRecord, institution: Option<&InstitutionRecord>) -> bool {
    relationship.status == RelationshipStatus::Active
        && institution.is_some_and(|institution| institution.status == InstitutionStatus::Active)
}

/// Refuses institution `number` unless its relationship with the case is in force.
pub fn require_in_force(
    number: u32,
    institution: &InstitutionRecord,
    relationship: Option<&RelationshipRecord>,
) -> Result<(), Refusal> {
    active(number, institution)?;
    let refused = Refusal::NotInForce { institution: number };
    relationship.filter(|relationship| in_force(relationship, Some(institution))).map(|_| ()).ok_or(refused)
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
    use casewise_ledger::{Address, records::InstitutionKind};
    use proptest::prelude::*;

    type Answer = Result<Change<RelationshipRecord>, Refusal>;
    type Rule = fn(Option<&RelationshipRecord>, u64) -> Answer;

    #[test]
    fn the_whole_table_of_transitions() {
        let to = |status| Ok(Change::To(record(status, 9)));
        let same = || Ok(Change::Same);
        let ended = || Err(Refusal::RelationshipEnded);
        let none = || Err(Refusal::NoRelationship);
        let only = || Err(Refusal::OnlyProposed);
        let uninvited: Rule = |existing, now| propose(existing, false, now);
        let invited: Rule = |existing, now| propose(existing, true, now);
        let rules: [(Rule, [Answer; 5]); 7] = [
            (uninvited, [to(Proposed), same(), same(), same(), ended()]),
            (invited, [to(Active), same(), same(), same(), ended()]),
            (suspend, [none(), only(), to(Suspended), same(), ended()]),
            (resume, [none(), only(), same(), to(Active), ended()]),
            (accept, [none(), to(Active), same(), Err(Refusal::RelationshipSuspended), ended()]),
            (decline, [none(), to(Ended), Err(Refusal::NotProposed), Err(Refusal::NotProposed), same()]),
            (end, [none(), to(Ended), to(Ended), to(Ended), same()]),
        ];
        let before = [None, Some(Proposed), Some(Active), Some(Suspended), Some(Ended)];
        for (rule, expected) in rules {
            for (status, expected) in before.iter().zip(expected) {
                assert_eq!(rule(status.map(|status| record(status, 5)).as_ref(), 9), expected, "{status:?}");
            }
        }
    }

    fn identity(epoch: u32) -> IdentityRecord {
        IdentityRecord {
            version: V1,
            holder: Address([1; 20]),
            kem: [0; 32],
            epoch,
            institution: 1,
            custodial: false,
            since: 0,
        }
    }

    #[test]
    fn an_invitation_counts_for_the_holder_who_made_it_and_not_during_a_recovery() {
        for (invited, epoch, recovering, counts) in [
            (None, 0, false, false),
            (Some(0), 0, false, true),
            (Some(0), 0, true, false),
            (Some(0), 1, false, false),
            (Some(1), 0, false, false),
        ] {
            assert_eq!(invitation_counts(invited, &identity(epoch), recovering), counts);
        }
    }

    #[test]
    fn inviting_whom_there_is_no_relationship_with() {
        let invite = |status: Option<RelationshipStatus>, invited| {
            invite(status.map(|status| record(status, 5)).as_ref(), invited, &identity(2))
        };
        assert_eq!(invite(None, None), Ok(Change::To(2)));
        assert_eq!(invite(None, Some(1)), Ok(Change::To(2)));
        assert_eq!(invite(None, Some(2)), Ok(Change::Same));
        for (status, refusal) in [
            (Proposed, Refusal::OnlyProposed),
            (Active, Refusal::InForce),
            (Suspended, Refusal::RelationshipSuspended),
            (Ended, Refusal::RelationshipEnded),
        ] {
            for invited in [None, Some(1), Some(2)] {
                assert_eq!(invite(Some(status), invited), Err(refusal));
            }
        }
    }

    #[test]
    fn in_force_only_while_the_institution_is_active() {
        let institution = |status| InstitutionRecord {
            version: V1,
            status,
            kind: InstitutionKind::Provider,
            account: Address([3; 20]),
            kem: [0; 32],
            kem_epoch: 0,
            since: 0,
            name: String::new(),
        };
        let (active, suspended) =
            (institution(InstitutionStatus::Active), institution(InstitutionStatus::Suspended));
        for status in [Proposed, Active, Suspended, Ended] {
            let relationship = record(status, 5);
            assert_eq!(in_force(&relationship, Some(&active)), status == Active);
            assert!(!in_force(&relationship, Some(&suspended)));
            assert!(!in_force(&relationship, None));
        }
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Propose,
        Invite,
        Withdraw,
        Accept,
        Decline,
        Suspend,
        Resume,
        End,
        Rotate,
    }

    fn step() -> impl Strategy<Value = Step> {
        use Step::*;
        proptest::sample::select(vec![
            Propose, Invite, Withdraw, Accept, Decline, Suspend, Resume, End, Rotate,
        ])
    }

    proptest! {
        #[test]
        fn in_force_only_by_the_holder_and_never_again_once_ended(steps in proptest::collection::vec(step(), 0..40)) {
            let (mut stored, mut invited, mut epoch) = (None::<RelationshipRecord>, None, 0);
            let mut ended = false;
            for step in steps {
                let before = stored.as_ref().map(|stored| stored.status);
                let counts = invitation_counts(invited, &identity(epoch), false);
                let answer = match step {
                    Step::Propose => propose(stored.as_ref(), counts, 9),
                    Step::Accept => accept(stored.as_ref(), 9),
                    Step::Decline => decline(stored.as_ref(), 9),
                    Step::Suspend => suspend(stored.as_ref(), 9),
                    Step::Resume => resume(stored.as_ref(), 9),
                    Step::End => end(stored.as_ref(), 9),
                    Step::Invite => {
                        if let Ok(Change::To(at)) = invite(stored.as_ref(), invited, &identity(epoch)) {
                            invited = Some(at);
                        }
                        Ok(Change::Same)
                    }
                    Step::Withdraw => { invited = None; Ok(Change::Same) }
                    Step::Rotate => { epoch += 1; Ok(Change::Same) }
                };
                stored = answer.ok().and_then(Change::changed).or(stored);
                let after = stored.as_ref().map(|stored| stored.status);
                if after == Some(Active) && before != Some(Active) {
                    let by_holder = matches!(step, Step::Accept | Step::Resume);
                    prop_assert!(by_holder || (matches!(step, Step::Propose) && invited == Some(epoch)));
                }
                prop_assert!(!ended || after == Some(Ended));
                ended |= after == Some(Ended);
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
    fn required_in_force_with_the_reason() {
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
            require_in_force(7, institution, status.map(|status| record(status, 0)).as_ref())
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
