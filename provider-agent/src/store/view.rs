//! Rows of what the chain says, as of the cursor: the projection. The ledger's frozen records, as
//! the contracts store them, with the height of their last change.

use casewise_ledger::{
    Address, CaseId, Commitment, LaneHeader, LaneId,
    records::{
        CaseStatus, GrantRecord, IdentityRecord, InstitutionRecord, LaneRecord, Policy, RelationshipRecord,
    },
};

/// A lane of ours on chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneView {
    /// Its id.
    pub lane: LaneId,
    /// Its header.
    pub header: LaneHeader,
    /// The contract's record: status, anchored head with height and time, seen.
    pub record: LaneRecord,
    /// Height of the last change of any of it.
    pub changed: u64,
}

/// A case's virtual identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityView {
    /// The case.
    pub case: CaseId,
    /// The registrar's record.
    pub record: IdentityRecord,
    /// Height of the last change.
    pub changed: u64,
}

/// A relationship.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationshipView {
    /// The case.
    pub case: CaseId,
    /// The institution.
    pub institution: u32,
    /// ppr's record.
    pub record: RelationshipRecord,
    /// Height of the last change.
    pub changed: u64,
}

/// A grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantView {
    /// Its id.
    pub commitment: Commitment,
    /// ppr's record.
    pub record: GrantRecord,
    /// Height of the last change.
    pub changed: u64,
}

/// A case's counter of revocations, and how far we acknowledged it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RevView {
    /// The counter.
    pub rev: u32,
    /// Height at which it last went up; 0 when it never did.
    pub changed: u64,
    /// The highest we acknowledged on chain.
    pub acked: u32,
}

/// An institution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstitutionView {
    /// Its number.
    pub number: u32,
    /// The registrar's record.
    pub record: InstitutionRecord,
    /// URL of its agent.
    pub endpoint: String,
    /// Height of the last change.
    pub changed: u64,
}

/// One change of the view, in the order of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A case was enrolled, or its holder changed.
    Identity(IdentityView),
    /// A relationship began or changed.
    Relationship(RelationshipView),
    /// A grant was made, revoked or expired.
    Grant(GrantView),
    /// A case's counter went up.
    Rev {
        /// The case.
        case: CaseId,
        /// The counter.
        rev: u32,
        /// Height.
        height: u64,
    },
    /// We acknowledged a counter.
    Acked {
        /// The case.
        case: CaseId,
        /// The counter.
        rev: u32,
    },
    /// A case's policy was set.
    Policy {
        /// The case.
        case: CaseId,
        /// The policy.
        policy: Policy,
    },
    /// Where a case is in its life.
    Case {
        /// The case.
        case: CaseId,
        /// Its status on chain.
        status: CaseStatus,
        /// Height of the last look.
        changed: u64,
    },
    /// An institution was admitted or changed.
    Institution(InstitutionView),
    /// An account became or ceased to be an operator.
    Operator {
        /// The account.
        account: Address,
        /// The institution, or none any more.
        institution: Option<u32>,
    },
    /// A lane of ours was opened, anchored, closed or seen.
    Lane(Box<LaneView>),
}

/// A place in the order of [`CoreStore::view_page`](super::CoreStore::view_page).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewPlace {
    /// Which kind of row.
    pub kind: u8,
    /// The id of the last row given.
    pub id: Vec<u8>,
}

/// A page of the view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewPage {
    /// Its rows; none when there are no more.
    pub rows: Vec<Change>,
    /// Where the next page begins.
    pub next: ViewPlace,
}
