//! Who may do what when, as pure functions on the ledger's records. The contracts enforce them;
//! the agent's projection and the in-process chain apply the same code.
//!
//! Must never read storage, a clock or a sender by themselves: all of it is given.

mod cadence;
mod case;
mod completion;
mod delegate;
mod emergency;
mod grant;
mod holder;
mod identity;
mod lane;
mod mark;
mod practitioner;
mod relationship;

pub use cadence::{late, silence};
pub use case::{CareStatus, OpenLanes, care_status, close_in_case};
pub use completion::{
    DEFAULT_COMPLETION, approve_completion, completion_deadline, finish_completion, object_completion,
    objections_over, propose_completion, wind_up,
};
pub use delegate::{make_room, set_delegate};
pub use emergency::{
    EndedBy, Unreviewed, Waiting, emergency_ender, emergency_practitioner, emergency_running, end_emergency,
    open_emergency, review_due, review_emergency, review_overdue,
};
pub use grant::{ack, expire, first_ms, grant, grant_live, grant_over, last_ms, overdue, revoke};
pub use holder::{acts_for_holder, delegate_live, not_recovering, recovering};
pub use identity::{
    Identity, accept_claim, attest_recovery, cancel_recovery, finish_recovery, offer_claim, rotate,
    start_recovery, veto_recovery, withdraw_claim,
};
pub use lane::{
    Block, DEFAULT_GRACE, LaneFault, MAX_OPEN_LANES, Terms, anchor, anchors_until, close, close_overdue,
    deadline, header, holds_until, may_open, may_open_own, new_lane, rotation_case, seen, start_closing,
    successor, writing_is_over,
};
pub use mark::{compromised, conflict, device_speaks, dispute};
pub use practitioner::{Superior, register_practitioner, resume_practitioner, suspend_practitioner};
pub use relationship::{
    accept, decline, end, in_force, invitation_counts, invite, policy, policy_limits, propose,
    require_in_force, resume, suspend,
};

use crate::ppr::Power;
use casewise_ledger::{
    Address,
    records::{IdentityRecord, InstitutionRecord, InstitutionStatus},
};

/// What a message does to a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<T> {
    /// Nothing: it took effect before.
    Same,
    /// The record becomes this.
    To(T),
}

impl<T> Change<T> {
    /// The new record, if there is one.
    pub fn changed(self) -> Option<T> {
        match self {
            Self::Same => None,
            Self::To(value) => Some(value),
        }
    }
}

/// Why a message is refused. Each text names the field and the remedy; the texts are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The sender is not the consortium's account.
    #[error("sender: not the consortium's authority; send this from its account")]
    NotAuthority,
    /// The sender operates no institution.
    #[error("sender: operates no institution; have an institution add the account as operator")]
    NoOperator,
    /// The sender does not operate this institution.
    #[error(
        "sender: not an operator of institution {institution}; send this from one of its operator accounts"
    )]
    NotOperator {
        /// The institution.
        institution: u32,
    },
    /// The institution is suspended.
    #[error("sender: institution {institution} is suspended; ask the consortium to resume it")]
    Suspended {
        /// The institution.
        institution: u32,
    },
    /// The sender is not the case's holder.
    #[error("sender: not the holder of this case; send this from the case's own account")]
    NotHolder,
    /// The sender is a delegate without this power.
    #[error("sender: a delegate without the power {}; send this as the holder, or have the holder give it", .power.as_str())]
    PowerMissing {
        /// The power.
        power: Power,
    },
    /// A recovery of the case is running.
    #[error("case: a recovery is running, until it ends only revocations are taken; veto it, or wait")]
    Recovering,
    /// The practitioner works elsewhere or is something else.
    #[error(
        "account: a practitioner of institution {institution}, with this role or another; use another account"
    )]
    PractitionerConflict {
        /// Where it is registered.
        institution: u32,
    },
    /// The consortium barred the practitioner.
    #[error("account: barred by the consortium; ask it to lift that")]
    Barred,
    /// The card is not for the next epoch.
    #[error("card.epoch: must be one more than the case's {epoch}; make the card anew")]
    CardEpoch {
        /// The identity's epoch.
        epoch: u32,
    },
    /// The card of a recovery is for an epoch that is over or too far ahead.
    #[error("card.epoch: must be 1 to 1025 more than the case's {epoch}; make the card anew")]
    RecoveryEpoch {
        /// The identity's epoch.
        epoch: u32,
    },
    /// The card's holder is the present one.
    #[error("card.holder: is the case's holder already; derive a fresh account")]
    SameHolder,
    /// The card's holder is the recovery account.
    #[error("card.holder: is the case's recovery account; derive a fresh account")]
    HolderRecovers,
    /// The card's holder has a case.
    #[error("card.holder: this account holds another case; derive a fresh account for each case")]
    HolderUsed,
    /// The case's key is the patient's.
    #[error("case: is not custodial, there is nothing to claim; use rotate")]
    NotCustodial,
    /// The account that is offered a case has one.
    #[error("holder: this account holds a case; offer the claim to a fresh account of the patient")]
    ClaimantUsed,
    /// A claim's end is past or too far.
    #[error("until: must be later than now and at most 30 days ahead; choose another end")]
    ClaimEnd,
    /// No claim is offered to the sender.
    #[error("sender: the case is not offered to this account; have the custodian offer it")]
    NoClaim,
    /// The offer of a claim is over.
    #[error("case: the offer of the claim is over; have the custodian offer it anew")]
    ClaimOver,
    /// The card is for another account than the claim.
    #[error("card.holder: not the account that the case is offered to; make the card for that account")]
    ClaimCard,
    /// The sender is not the recovery account.
    #[error("sender: not the recovery account of this case; send this from that account")]
    NotRecovery,
    /// The sender can not finish the recovery.
    #[error("sender: neither the recovery account nor the holder to be; send this from one of them")]
    NotFinisher,
    /// A recovery to another holder is running.
    #[error("card: another recovery of this case is running; cancel it first")]
    RecoveryConflict,
    /// No recovery is running.
    #[error("case: no recovery is running; start one first")]
    NoRecovery,
    /// An attested recovery cannot be vetoed.
    #[error(
        "case: institution {institution} attests the recovery, it cannot be vetoed; turn to that institution"
    )]
    RecoveryAttested {
        /// Who attests it.
        institution: u32,
    },
    /// The holder's one veto is used.
    #[error("case: the holder's one veto is used; only the recovery account stops this recovery")]
    VetoUsed,
    /// The delay is not over.
    #[error("case: the recovery can be finished from {ready} on, Unix ms; wait until then")]
    RecoveryNotReady {
        /// When it can be.
        ready: u64,
    },
    /// The recovery was not finished in time.
    #[error("case: the recovery has lapsed; start it anew")]
    RecoveryLapsed,
    /// The sender is neither the holder nor an operator of the institution.
    #[error(
        "sender: neither the holder nor an operator of institution {institution}; send this from one of them"
    )]
    NotParty {
        /// The institution.
        institution: u32,
    },
    /// There is no such case.
    #[error("case: no identity is enrolled for it; enrol the case at the registrar first")]
    NoIdentity,
    /// There is no such relationship.
    #[error("institution: has no relationship with this case; it must propose one first")]
    NoRelationship,
    /// The relationship is over.
    #[error("institution: the relationship with this case has ended for good; open a new case")]
    RelationshipEnded,
    /// The relationship is not proposed any more.
    #[error("institution: the relationship is in force; use end instead of decline")]
    NotProposed,
    /// The relationship is suspended.
    #[error("institution: the relationship is suspended; resume it first")]
    RelationshipSuspended,
    /// The relationship waits for the holder.
    #[error("institution: the relationship is only proposed; accept or decline it instead")]
    OnlyProposed,
    /// The relationship needs no invitation.
    #[error("institution: the relationship is in force already; there is nothing to invite it to")]
    InForce,
    /// There is no such institution.
    #[error("institution: {institution} is no institution of this network; check the number")]
    NoInstitution {
        /// Its number.
        institution: u32,
    },
    /// The institution named is suspended.
    #[error("institution: {institution} is suspended; wait until the consortium resumes it")]
    InstitutionSuspended {
        /// Its number.
        institution: u32,
    },
    /// Powers out of order or twice.
    #[error(
        "powers: not strictly ascending; name each once, in the order relationships, grants, revocations, acknowledgements, completion, disputes"
    )]
    PowersOrder,
    /// An end that is not ahead.
    #[error("until: that time is over; choose a later one")]
    UntilOver,
    /// The holder as its own delegate.
    #[error("account: is the holder's own, which may do everything; name another")]
    DelegateIsHolder,
    /// An institution's account as delegate.
    #[error("account: operates an institution; name another, which belongs to a person only")]
    DelegateIsOperator,
    /// Too many delegates.
    #[error("account: the case has 8 delegates already; remove one first")]
    TooManyDelegates,
    /// The sender may not end this delegation.
    #[error("sender: neither the holder nor this delegate itself; send this from one of them")]
    NotDelegate,
    /// The sender is no practitioner.
    #[error("sender: not a practitioner; have an institution register the account")]
    NotPractitioner,
    /// The practitioner is suspended by its institution.
    #[error("sender: this practitioner is suspended; ask its institution to resume it")]
    PractitionerSuspended,
    /// The practitioner is barred by the consortium.
    #[error("sender: this practitioner is barred; ask the consortium to resume it")]
    PractitionerBarred,
    /// The practitioner's institution gives no care.
    #[error(
        "sender: institution {institution} is not a provider; only practitioners of providers open cases in an emergency"
    )]
    NotProvider {
        /// The institution.
        institution: u32,
    },
    /// An access to the case is running.
    #[error("case: another emergency access of this practitioner is running; end it first")]
    EmergencyRunning,
    /// An emergency access that would last too long.
    #[error("until: more than 24 hours ahead; choose an earlier time")]
    EmergencyTooLong,
    /// A review of the practitioner is overdue.
    #[error(
        "sender: the review of an emergency access of this practitioner is overdue; have it reviewed first"
    )]
    ReviewOverdue,
    /// Too many reviews wait.
    #[error(
        "sender: 16 emergency accesses of this practitioner wait for their review; have one reviewed first"
    )]
    TooManyUnreviewed,
    /// There is no such emergency access.
    #[error("number: no such emergency access in this case; check the number")]
    NoEmergency,
    /// The sender may not end this access.
    #[error(
        "sender: neither the holder's side, the practitioner, an operator of institution {institution} nor the consortium; send this from one of them"
    )]
    NotConcerned {
        /// Where the practitioner works.
        institution: u32,
    },
    /// A review of an access that is not over.
    #[error("number: this emergency access is still running; wait for its end, or have it ended first")]
    NotOver,
    /// The sender may not review this access.
    #[error(
        "sender: operates neither institution {institution} nor an oversight institution; send this from an operator of one of them"
    )]
    NotReviewer {
        /// Where the practitioner works.
        institution: u32,
    },
    /// The practitioner as its own reviewer.
    #[error("sender: opened this access itself; another operator must review it")]
    OwnReview,
    /// The access was reviewed.
    #[error(
        "outcome: this access was reviewed by another institution or otherwise, for good; nothing is to be done"
    )]
    Reviewed,
    /// The relationship is not in force.
    #[error(
        "case: the relationship with institution {institution} is not in force; the holder must accept it first"
    )]
    NotInForce {
        /// The institution.
        institution: u32,
    },
    /// The first proposal carries no policy.
    #[error("policy: missing; the first proposal, by the institution that enrolled the case, carries it")]
    PolicyMissing,
    /// A later proposal carries a policy.
    #[error("policy: only the institution that enrolled the case sets it; leave it out")]
    PolicyNotYours,
    /// The policy differs from the stored one.
    #[error("policy: differs from the one this case has; repeat that one or leave it out")]
    PolicyConflict,
    /// The case has no policy yet.
    #[error("case: has no policy yet; the institution that enrolled it proposes first")]
    NoPolicy,
    /// The grace is too long.
    #[error("policy.grace: longer than 2592000 seconds; choose a shorter one")]
    GraceTooLong,
    /// The completion time-out is too long.
    #[error("policy.completion: longer than 7776000 seconds; choose a shorter one")]
    CompletionTooLong,
    /// A grant's last day is before its first.
    #[error("grants.last: before the first day; swap them")]
    DaysReversed,
    /// A grant's days are over.
    #[error("grants.last: that day is over; choose a later one")]
    DaysOver,
    /// The commitment is in use.
    #[error(
        "grants.commitment: in use with another case or other days; make a new opening with a fresh salt"
    )]
    GrantConflict,
    /// A grant that is over cannot live again.
    #[error("grants.commitment: was revoked or has expired, for good; make a new opening with a fresh salt")]
    GrantOver,
    /// There is no such grant in this case.
    #[error("commitment: no such grant in this case; check the id")]
    NoGrant,
    /// A grant's last day is not over.
    #[error("commitment: its last day is not over; the holder can revoke it instead")]
    NotYetOver,
    /// More acknowledged than happened.
    #[error("rev: higher than the case's {rev}; acknowledge what the case has")]
    RevAhead {
        /// The case's counter.
        rev: u32,
    },
    /// The sender is not the account that is the author.
    #[error("sender: not the account that writes this lane; send this from that account")]
    NotAuthor,
    /// A header by another author.
    #[error("headers.author: differs from the other headers of the message; send one message per author")]
    AuthorsDiffer,
    /// A header with the wrong minimum.
    #[error("headers.minimum: must be 1024, or 64 with a signer")]
    Minimum,
    /// A header of another epoch.
    #[error("headers.epoch: the case's key has epoch {epoch}; make the header for that key")]
    Epoch {
        /// The identity's epoch.
        epoch: u32,
    },
    /// A new lane that names a predecessor.
    #[error("headers.predecessor: a lane that goes on from another is opened by rotate; leave it out")]
    Predecessor,
    /// A successor that is not of the same case, author and class.
    #[error("items.next: case, author and class must be those of the lane it goes on from")]
    NotSuccessor,
    /// The case takes no new lanes.
    #[error(
        "case: is closing or completed and takes no new lanes; corrections go to a new case that amends it"
    )]
    CaseClosed,
    /// The case has too many open content lanes.
    #[error("headers: at most 256 content lanes of a case are open at once; close one first")]
    CaseFull,
    /// Too many content lanes.
    #[error("headers: at most 16 content lanes of an author in a case are open at once; close one first")]
    TooManyLanes,
    /// A second access lane.
    #[error("headers: the author has an open access lane in this case; rotate it instead")]
    SecondAccessLane,
    /// A lane of another case.
    #[error("items.lane: not a lane of this case; check the id")]
    NotInCase,
    /// The sender has nothing to do with the case.
    #[error(
        "sender: neither the holder nor an operator of an institution whose relationship with this case is in force; send this from one of them"
    )]
    NotInvolved,
    /// The case never had a lane.
    #[error("case: has no lanes; open one first")]
    NoLanes,
    /// The case is not closing.
    #[error("case: is not closing; wind it up first")]
    NotClosing,
    /// The case has content lanes that are not closed.
    #[error("case: {open} of its content lanes are not closed; close them first")]
    LanesOpen {
        /// How many.
        open: u32,
    },
    /// The digest is not the case's.
    #[error("digest: not the one this case has; ask for the case and name its present digest")]
    Digest,
    /// No completion is proposed.
    #[error("case: no completion is proposed; propose it first")]
    NoProposal,
    /// The time for objections is not over.
    #[error("case: objections are taken until {due}; finish it then, or have the holder approve it")]
    ObjectionsOpen {
        /// Unix ms.
        due: u64,
    },
    /// The case is completed.
    #[error("case: is completed; corrections go to a new case that amends it")]
    Completed,
    /// There is no such lane.
    #[error("lane: no such lane; check the id")]
    NoLane,
    /// The lane is not a device's.
    #[error("lane: has no device that signs; name a device lane")]
    NoSigner,
    /// The first entry in doubt is past the end.
    #[error("index: past the {size} entries anchored; name one of them, or {size} if none is in doubt")]
    DoubtAhead {
        /// The lane's size.
        size: u32,
    },
    /// The lane is in doubt from an earlier entry on.
    #[error("index: the lane is in doubt from entry {index} on; only an earlier one can be named")]
    NotEarlier {
        /// That entry.
        index: u32,
    },
    /// The entry is not anchored.
    #[error("index: the lane has {size} anchored entries; dispute one of them, from 0")]
    DisputeAhead {
        /// The lane's size.
        size: u32,
    },
    /// The entry is disputed with another code.
    #[error("code: the entry is disputed with another code; withdraw that dispute first")]
    DisputeConflict,
    /// A head that is said to be the anchored one.
    #[error("proof.sides: a head is not the one that is anchored now; give the author's signature over it")]
    HeadNotAnchored,
    /// A key that is not the author's.
    #[error(
        "proof.sides.key: neither of a present operator of the author nor the author's own; give a head that one of them signed"
    )]
    HeadKey,
    /// A device's signature where its key was in other hands.
    #[error(
        "proof.sides: the device's key was in other hands from entry {index} on; give heads that the author itself gave"
    )]
    DeviceInDoubt {
        /// The first entry in doubt.
        index: u32,
    },
    /// A signature that is not the author's.
    #[error(
        "proof.sides.sig: does not verify over this head, or has a high s; give the signature of the lane's author, 64 bytes with low s"
    )]
    HeadSignature,
    /// More seen than anchored.
    #[error("items.size: more than the {size} entries anchored; acknowledge what is anchored")]
    SeenAhead {
        /// The lane's size.
        size: u32,
    },
}

/// Refuses everybody but the holder.
pub fn holder(identity: &IdentityRecord, sender: &[u8]) -> Result<(), Refusal> {
    if identity.holder.0 == sender { Ok(()) } else { Err(Refusal::NotHolder) }
}

/// Refuses everybody but the consortium.
pub fn authority(authority: &[u8], sender: &[u8]) -> Result<(), Refusal> {
    if authority == sender { Ok(()) } else { Err(Refusal::NotAuthority) }
}

/// Refuses a suspended institution.
pub fn active(number: u32, institution: &InstitutionRecord) -> Result<(), Refusal> {
    match institution.status {
        InstitutionStatus::Active => Ok(()),
        InstitutionStatus::Suspended => Err(Refusal::Suspended { institution: number }),
    }
}

/// Whether an account may be a case's recovery account: not the holder's own.
pub fn recovery(holder: &Address, recovery: &Address) -> bool {
    holder != recovery
}

/// Refuses to name an institution that is unknown or suspended.
pub fn nameable(number: u32, institution: Option<&InstitutionRecord>) -> Result<(), Refusal> {
    match institution.map(|institution| institution.status) {
        None => Err(Refusal::NoInstitution { institution: number }),
        Some(InstitutionStatus::Suspended) => Err(Refusal::InstitutionSuspended { institution: number }),
        Some(InstitutionStatus::Active) => Ok(()),
    }
}
