//! ppr: who may. Policies of cases, relationships between cases and institutions, grants, and the
//! counter of revocations that authors acknowledge.

use casewise_ledger::{CaseId, Commitment, V1, records};
use cosmwasm_schema::{QueryResponses, cw_serde};
use cosmwasm_std::{HexBinary, Uint64};

use crate::{
    ProtocolError,
    convert::{self, EmergencyReason, GrantStatus, RelationshipStatus, ReviewOutcome},
};

/// Most grants in one message, made or revoked.
pub const MAX_GRANTS: usize = 64;
/// Longest closing grace of a policy, seconds: 30 days.
pub const MAX_GRACE: u32 = 30 * 86_400;
/// Longest completion time-out of a policy, seconds: 90 days.
pub const MAX_COMPLETION: u32 = 90 * 86_400;
/// Most delegates of a case at once.
pub const MAX_DELEGATES: usize = 8;
/// Longest emergency access, ms: 24 hours.
pub const MAX_EMERGENCY_MS: u64 = 86_400_000;
/// How long after its end an emergency access may wait for its review, ms: 72 hours. After that
/// its practitioner opens no other.
pub const REVIEW_MS: u64 = 3 * 86_400_000;
/// Most emergency accesses of a practitioner that wait for their review.
pub const MAX_UNREVIEWED: usize = 16;
/// Blocks an author has to acknowledge a higher `rev`.
pub const ACK_BLOCKS: u64 = 2;

/// What the contract starts with.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct InstantiateMsg {
    /// The registrar's address.
    pub registrar: String,
}

/// What a case asks of its authors.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct PolicyMsg {
    /// Longest time between two entries of an author, seconds; 0 none.
    pub cadence: u32,
    /// Longest time between an entry's claimed time and its anchor, seconds; 0 none.
    pub lateness: u32,
    /// How long a closing lane still takes anchors, seconds.
    pub grace: u32,
    /// How long a proposed completion waits for objections, seconds.
    pub completion: u32,
    /// The case that this one corrects, 32 bytes.
    pub amends: Option<HexBinary>,
}

impl PolicyMsg {
    /// Into the ledger's type.
    pub fn policy(&self) -> Result<records::Policy, ProtocolError> {
        Ok(records::Policy {
            cadence: self.cadence,
            lateness: self.lateness,
            grace: self.grace,
            completion: self.completion,
            amends: self
                .amends
                .as_ref()
                .map(|id| convert::fixed("policy.amends", id).map(CaseId))
                .transpose()?,
        })
    }
}

impl From<&records::Policy> for PolicyMsg {
    fn from(policy: &records::Policy) -> Self {
        Self {
            cadence: policy.cadence,
            lateness: policy.lateness,
            grace: policy.grace,
            completion: policy.completion,
            amends: policy.amends.map(|case| convert::hex(&case.0)),
        }
    }
}

/// What a delegate may do. None of them names delegates, changes the holder or stops a recovery.
#[cw_serde]
#[derive(Copy, Eq, PartialOrd, Ord)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub enum Power {
    /// Invite, accept, decline, suspend, resume and end relationships.
    Relationships,
    /// Make grants.
    Grants,
    /// Revoke grants and end emergency accesses.
    Revocations,
    /// Acknowledge what was seen.
    Acknowledgements,
    /// Wind up; propose, approve and object to completion.
    Completion,
    /// Dispute entries and take disputes back.
    Disputes,
}

/// A grant to be made. What it says is known only to those who hold its opening.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct NewGrant {
    /// Its id: the commitment to its opening, 32 bytes.
    pub commitment: HexBinary,
    /// First UTC day, days since 1970-01-01.
    pub first: u32,
    /// Last UTC day, inclusive.
    pub last: u32,
}

impl NewGrant {
    /// Of an opening's commitment and days.
    pub fn new(commitment: &Commitment, (first, last): (u32, u32)) -> Self {
        Self { commitment: convert::hex(&commitment.0), first, last }
    }
}

/// What a new version of the code is started with.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct MigrateMsg {}

/// What can be done.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub enum ExecuteMsg {
    /// The registrar's authority names the summary contract that is told of closings.
    SetSummary {
        /// Its address.
        summary: String,
    },
    /// An operator proposes its institution's relationship with a case. The first proposal, by the
    /// institution that enrolled the case, carries the policy; no other does.
    Propose {
        /// The case, 32 bytes.
        case: HexBinary,
        /// The case's policy.
        policy: Option<PolicyMsg>,
    },
    /// The holder accepts a proposed relationship.
    Accept {
        /// The case, 32 bytes.
        case: HexBinary,
        /// The institution.
        institution: u32,
    },
    /// The holder declines a proposed relationship.
    Decline {
        /// The case, 32 bytes.
        case: HexBinary,
        /// The institution.
        institution: u32,
    },
    /// The holder invites an institution: its proposal is accepted as it comes.
    Invite {
        /// The case, 32 bytes.
        case: HexBinary,
        /// The institution.
        institution: u32,
    },
    /// The holder takes an invitation back that was not followed.
    WithdrawInvitation {
        /// The case, 32 bytes.
        case: HexBinary,
        /// The institution.
        institution: u32,
    },
    /// The holder suspends a relationship that is in force. The institution's content lanes close.
    Suspend {
        /// The case, 32 bytes.
        case: HexBinary,
        /// The institution.
        institution: u32,
    },
    /// The holder resumes a suspended relationship.
    Resume {
        /// The case, 32 bytes.
        case: HexBinary,
        /// The institution.
        institution: u32,
    },
    /// The holder names a delegate, or gives one other powers. A new holder's delegates are its own.
    SetDelegate {
        /// The case, 32 bytes.
        case: HexBinary,
        /// The delegate's account.
        account: String,
        /// What it may do, strictly ascending in the order of [`Power`].
        powers: Vec<Power>,
        /// End, Unix ms, exclusive; none: until it is removed.
        until: Option<Uint64>,
    },
    /// The holder, or the delegate itself, ends a delegation.
    RemoveDelegate {
        /// The case, 32 bytes.
        case: HexBinary,
        /// The delegate's account.
        account: String,
    },
    /// A practitioner opens a case in an emergency, without a grant.
    OpenEmergency {
        /// The case, 32 bytes.
        case: HexBinary,
        /// Why.
        reason: EmergencyReason,
        /// End, Unix ms, exclusive, at most [`MAX_EMERGENCY_MS`] ahead.
        until: Uint64,
    },
    /// The holder, a delegate with [`Power::Revocations`], the practitioner, an operator of the
    /// institution that the access names, or the authority ends an emergency access before its time,
    /// whoever of them is suspended. If it was running, `rev` goes up by one when the holder's side or
    /// the authority ends it, and stays when the practitioner or its institution does: who opens
    /// accesses does not make every author of the case rotate.
    EndEmergency {
        /// The case, 32 bytes.
        case: HexBinary,
        /// Its number in the case.
        number: u32,
    },
    /// An operator of the practitioner's institution, or of an oversight institution, says what a
    /// review of an emergency access found. Refused while the access is running.
    ReviewEmergency {
        /// The case, 32 bytes.
        case: HexBinary,
        /// Its number in the case.
        number: u32,
        /// What it found.
        outcome: ReviewOutcome,
    },
    /// registrar tells that a case has another holder. `rev` goes up by one.
    HolderChanged {
        /// The case, 32 bytes.
        case: HexBinary,
    },
    /// The holder or an operator of the institution ends the relationship, for good.
    End {
        /// The case, 32 bytes.
        case: HexBinary,
        /// The institution.
        institution: u32,
    },
    /// The holder makes grants: a share is several at once.
    Grant {
        /// The case, 32 bytes.
        case: HexBinary,
        /// The grants, at most [`MAX_GRANTS`].
        grants: Vec<NewGrant>,
    },
    /// The holder takes grants back, for good. `rev` goes up by one if any was live.
    Revoke {
        /// The case, 32 bytes.
        case: HexBinary,
        /// The grants, 32 bytes each, at most [`MAX_GRANTS`].
        commitments: Vec<HexBinary>,
    },
    /// The holder or an institution with a relationship makes known that a grant's last day is
    /// over. `rev` goes up by one.
    Expire {
        /// The grant, 32 bytes.
        commitment: HexBinary,
    },
    /// An operator acknowledges that its institution acts on a `rev`.
    Ack {
        /// The case, 32 bytes.
        case: HexBinary,
        /// The `rev`.
        rev: u32,
    },
}

/// What can be asked.
#[cw_serde]
#[derive(QueryResponses)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub enum QueryMsg {
    /// The contract's settings.
    #[returns(ConfigResponse)]
    Config {},
    /// A case's policy.
    #[returns(Option<PolicyMsg>)]
    Policy {
        /// The case, 32 bytes.
        case: HexBinary,
    },
    /// A relationship.
    #[returns(Option<RelationshipInfo>)]
    Relationship {
        /// The case, 32 bytes.
        case: HexBinary,
        /// The institution.
        institution: u32,
    },
    /// A case's relationships in ascending institution.
    #[returns(RelationshipsResponse)]
    Relationships {
        /// The case, 32 bytes.
        case: HexBinary,
        /// Institution after which to start.
        start_after: Option<u32>,
        /// Items of the page.
        limit: Option<u32>,
    },
    /// Whether an institution is invited.
    #[returns(bool)]
    Invited {
        /// The case, 32 bytes.
        case: HexBinary,
        /// The institution.
        institution: u32,
    },
    /// A case's delegates in ascending account, those that are over included.
    #[returns(DelegatesResponse)]
    Delegates {
        /// The case, 32 bytes.
        case: HexBinary,
        /// Account after which to start.
        start_after: Option<String>,
        /// Items of the page.
        limit: Option<u32>,
    },
    /// A case's emergency accesses in ascending number, from 1.
    #[returns(EmergenciesResponse)]
    Emergencies {
        /// The case, 32 bytes.
        case: HexBinary,
        /// Number after which to start.
        start_after: Option<u32>,
        /// Items of the page.
        limit: Option<u32>,
    },
    /// The emergency accesses of a practitioner that wait for their review.
    #[returns(UnreviewedResponse)]
    Unreviewed {
        /// The practitioner's account.
        practitioner: String,
    },
    /// A grant.
    #[returns(Option<GrantInfo>)]
    Grant {
        /// Its id, 32 bytes.
        commitment: HexBinary,
    },
    /// A case's counter of revocations.
    #[returns(RevResponse)]
    Rev {
        /// The case, 32 bytes.
        case: HexBinary,
    },
    /// How far each institution of a case has acknowledged, in ascending institution.
    #[returns(AcksResponse)]
    Acks {
        /// The case, 32 bytes.
        case: HexBinary,
        /// Institution after which to start.
        start_after: Option<u32>,
        /// Items of the page.
        limit: Option<u32>,
    },
}

/// The contract's settings.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct ConfigResponse {
    /// The registrar's address.
    pub registrar: String,
    /// The summary contract's address, once set.
    pub summary: Option<String>,
}

/// A relationship.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct RelationshipInfo {
    /// The institution.
    pub institution: u32,
    /// Life. In force only while the institution is active as well.
    pub status: RelationshipStatus,
    /// In force: its status is active, and its institution's is.
    pub effective: bool,
    /// When the status began, Unix ms.
    pub since: Uint64,
}

impl RelationshipInfo {
    /// Of a frozen record. `effective`: see [`crate::rules::in_force`].
    pub fn new(institution: u32, record: &records::RelationshipRecord, effective: bool) -> Self {
        Self { institution, status: record.status.into(), effective, since: record.since.into() }
    }

    /// The frozen record.
    pub fn record(&self) -> records::RelationshipRecord {
        records::RelationshipRecord { version: V1, status: self.status.into(), since: self.since.u64() }
    }
}

/// A page of delegates.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct DelegatesResponse {
    /// In ascending account.
    pub delegates: Vec<DelegateInfo>,
}

/// A delegate.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct DelegateInfo {
    /// Its account.
    pub account: String,
    /// What it may do.
    pub powers: Vec<Power>,
    /// End, Unix ms, exclusive.
    pub until: Option<Uint64>,
    /// It may act now: its end is not reached and the holder who named it is still the holder.
    pub live: bool,
}

/// A page of emergency accesses.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct EmergenciesResponse {
    /// In ascending number.
    pub emergencies: Vec<EmergencyInfo>,
}

/// An emergency access.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct EmergencyInfo {
    /// Its number in the case, from 1.
    pub number: u32,
    /// Who opened the case.
    pub practitioner: String,
    /// Where the practitioner works.
    pub institution: u32,
    /// Why.
    pub reason: EmergencyReason,
    /// Start, Unix ms.
    pub since: Uint64,
    /// End, Unix ms, exclusive.
    pub until: Uint64,
    /// What a review found.
    pub review: Option<ReviewInfo>,
    /// The review is overdue.
    pub overdue: bool,
}

impl EmergencyInfo {
    /// The number and the frozen record.
    pub fn record(&self) -> Result<(u32, records::EmergencyRecord), ProtocolError> {
        let record = records::EmergencyRecord {
            version: V1,
            practitioner: crate::account::decode("practitioner", &self.practitioner)?,
            institution: self.institution,
            reason: self.reason.into(),
            since: self.since.u64(),
            until: self.until.u64(),
            review: self.review.as_ref().map(ReviewInfo::record),
        };
        Ok((self.number, record))
    }
}

/// A review of an emergency access.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct ReviewInfo {
    /// What it found.
    pub outcome: ReviewOutcome,
    /// Whose operator reviewed.
    pub institution: u32,
    /// When, Unix ms.
    pub time: Uint64,
}

impl ReviewInfo {
    /// Of a frozen record.
    pub fn new(review: &records::Review) -> Self {
        Self { outcome: review.outcome.into(), institution: review.institution, time: review.time.into() }
    }

    /// The frozen record.
    pub fn record(&self) -> records::Review {
        records::Review { outcome: self.outcome.into(), institution: self.institution, time: self.time.u64() }
    }
}

/// Emergency accesses that wait for their review, at most [`MAX_UNREVIEWED`].
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct UnreviewedResponse {
    /// In the order in which they were opened.
    pub accesses: Vec<UnreviewedInfo>,
    /// One of them is overdue: the practitioner opens no other until it is reviewed.
    pub blocked: bool,
}

/// An emergency access that waits for its review.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct UnreviewedInfo {
    /// The case, 32 bytes.
    pub case: HexBinary,
    /// Its number in the case.
    pub number: u32,
    /// When the review is overdue, Unix ms.
    pub due: Uint64,
}

/// A page of relationships.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct RelationshipsResponse {
    /// In ascending institution.
    pub relationships: Vec<RelationshipInfo>,
}

/// A grant.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct GrantInfo {
    /// Its id, 32 bytes.
    pub commitment: HexBinary,
    /// The case, 32 bytes.
    pub case: HexBinary,
    /// Life.
    pub status: GrantStatus,
    /// First UTC day.
    pub first: u32,
    /// Last UTC day, inclusive.
    pub last: u32,
}

impl GrantInfo {
    /// Of a frozen record.
    pub fn new(commitment: &Commitment, record: &records::GrantRecord) -> Self {
        Self {
            commitment: convert::hex(&commitment.0),
            case: convert::hex(&record.case.0),
            status: record.status.into(),
            first: record.first,
            last: record.last,
        }
    }

    /// The id and the frozen record.
    pub fn record(&self) -> Result<(Commitment, records::GrantRecord), ProtocolError> {
        let record = records::GrantRecord {
            version: V1,
            case: convert::case_id(&self.case)?,
            status: self.status.into(),
            first: self.first,
            last: self.last,
        };
        Ok((convert::commitment(&self.commitment)?, record))
    }
}

/// A case's counter of revocations.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct RevResponse {
    /// Counts messages that ended live grants, those of the holder's side and of the authority that
    /// ended a running emergency access, and new holders.
    pub rev: u32,
}

/// A page of acknowledgements.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct AcksResponse {
    /// The case's counter.
    pub rev: u32,
    /// In ascending institution.
    pub acks: Vec<AckInfo>,
}

/// How far an institution has acknowledged.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct AckInfo {
    /// The institution.
    pub institution: u32,
    /// The highest `rev` it acknowledged.
    pub acked: u32,
    /// It has been behind for more than [`ACK_BLOCKS`] blocks.
    pub overdue: bool,
}

impl ExecuteMsg {
    /// Proposes the sender's institution to a case.
    pub fn propose(case: &CaseId, policy: Option<&records::Policy>) -> Self {
        Self::Propose { case: convert::hex(&case.0), policy: policy.map(PolicyMsg::from) }
    }

    /// Accepts an institution.
    pub fn accept(case: &CaseId, institution: u32) -> Self {
        Self::Accept { case: convert::hex(&case.0), institution }
    }

    /// Declines an institution.
    pub fn decline(case: &CaseId, institution: u32) -> Self {
        Self::Decline { case: convert::hex(&case.0), institution }
    }

    /// Ends a relationship.
    pub fn end(case: &CaseId, institution: u32) -> Self {
        Self::End { case: convert::hex(&case.0), institution }
    }

    /// Makes grants.
    pub fn grant(case: &CaseId, grants: Vec<NewGrant>) -> Self {
        Self::Grant { case: convert::hex(&case.0), grants }
    }

    /// Takes grants back.
    pub fn revoke(case: &CaseId, commitments: &[Commitment]) -> Self {
        let commitments = commitments.iter().map(|commitment| convert::hex(&commitment.0)).collect();
        Self::Revoke { case: convert::hex(&case.0), commitments }
    }

    /// Makes an expiry known.
    pub fn expire(commitment: &Commitment) -> Self {
        Self::Expire { commitment: convert::hex(&commitment.0) }
    }

    /// Invites an institution.
    pub fn invite(case: &CaseId, institution: u32) -> Self {
        Self::Invite { case: convert::hex(&case.0), institution }
    }

    /// Takes an invitation back.
    pub fn withdraw_invitation(case: &CaseId, institution: u32) -> Self {
        Self::WithdrawInvitation { case: convert::hex(&case.0), institution }
    }

    /// Suspends a relationship.
    pub fn suspend(case: &CaseId, institution: u32) -> Self {
        Self::Suspend { case: convert::hex(&case.0), institution }
    }

    /// Resumes a relationship.
    pub fn resume(case: &CaseId, institution: u32) -> Self {
        Self::Resume { case: convert::hex(&case.0), institution }
    }

    /// Names a delegate with powers, which are put in order. `until`: Unix ms, exclusive.
    pub fn set_delegate(
        case: &CaseId,
        account: impl Into<String>,
        powers: &[Power],
        until: Option<u64>,
    ) -> Self {
        let powers = Power::of_bits(Power::bits(powers));
        let until = until.map(Uint64::new);
        Self::SetDelegate { case: convert::hex(&case.0), account: account.into(), powers, until }
    }

    /// Ends a delegation.
    pub fn remove_delegate(case: &CaseId, account: impl Into<String>) -> Self {
        Self::RemoveDelegate { case: convert::hex(&case.0), account: account.into() }
    }

    /// Opens a case in an emergency. `until`: Unix ms, exclusive.
    pub fn open_emergency(case: &CaseId, reason: EmergencyReason, until: u64) -> Self {
        Self::OpenEmergency { case: convert::hex(&case.0), reason, until: until.into() }
    }

    /// Ends an emergency access.
    pub fn end_emergency(case: &CaseId, number: u32) -> Self {
        Self::EndEmergency { case: convert::hex(&case.0), number }
    }

    /// Reviews an emergency access.
    pub fn review_emergency(case: &CaseId, number: u32, outcome: ReviewOutcome) -> Self {
        Self::ReviewEmergency { case: convert::hex(&case.0), number, outcome }
    }

    /// Tells that a case has another holder.
    pub fn holder_changed(case: &CaseId) -> Self {
        Self::HolderChanged { case: convert::hex(&case.0) }
    }

    /// Acknowledges a `rev`.
    pub fn ack(case: &CaseId, rev: u32) -> Self {
        Self::Ack { case: convert::hex(&case.0), rev }
    }
}

impl QueryMsg {
    /// Asks for a case's policy.
    pub fn policy(case: &CaseId) -> Self {
        Self::Policy { case: convert::hex(&case.0) }
    }

    /// Asks for a relationship.
    pub fn relationship(case: &CaseId, institution: u32) -> Self {
        Self::Relationship { case: convert::hex(&case.0), institution }
    }

    /// Asks for a page of a case's relationships.
    pub fn relationships(case: &CaseId, start_after: Option<u32>, limit: Option<u32>) -> Self {
        Self::Relationships { case: convert::hex(&case.0), start_after, limit }
    }

    /// Asks whether an institution is invited.
    pub fn invited(case: &CaseId, institution: u32) -> Self {
        Self::Invited { case: convert::hex(&case.0), institution }
    }

    /// Asks for a page of a case's delegates.
    pub fn delegates(case: &CaseId, start_after: Option<String>, limit: Option<u32>) -> Self {
        Self::Delegates { case: convert::hex(&case.0), start_after, limit }
    }

    /// Asks for a page of a case's emergency accesses.
    pub fn emergencies(case: &CaseId, start_after: Option<u32>, limit: Option<u32>) -> Self {
        Self::Emergencies { case: convert::hex(&case.0), start_after, limit }
    }

    /// Asks for a practitioner's emergency accesses that wait for their review.
    pub fn unreviewed(practitioner: impl Into<String>) -> Self {
        Self::Unreviewed { practitioner: practitioner.into() }
    }

    /// Asks for a grant.
    pub fn grant(commitment: &Commitment) -> Self {
        Self::Grant { commitment: convert::hex(&commitment.0) }
    }

    /// Asks for a case's counter.
    pub fn rev(case: &CaseId) -> Self {
        Self::Rev { case: convert::hex(&case.0) }
    }

    /// Asks for a page of a case's acknowledgements.
    pub fn acks(case: &CaseId, start_after: Option<u32>, limit: Option<u32>) -> Self {
        Self::Acks { case: convert::hex(&case.0), start_after, limit }
    }
}
