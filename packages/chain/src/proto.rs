//! Protobuf of the SDK's modules group and circuit, as far as it is used.
//!
//! Responsible for field numbers, taken from the SDK's 0.53 `proto/cosmos/group/v1` and
//! `x/circuit` 0.1. Must never hold a message of another module: those come with cosmrs.

use cosmrs::proto::{Any, Timestamp, tendermint::google::protobuf::Duration};
use prost::{Message, Name};

use crate::{ChainError, wasmd::WasmdClient};

pub use cosmrs::proto::cosmos::base::query::v1beta1::{PageRequest, PageResponse};

/// Items asked for in one page of a module's list.
const PAGE: u64 = 100;
/// Most items read of one list.
pub const MAX_LISTED: usize = 10_000;

/// Names a message within its package.
macro_rules! name {
    ($package:literal, $($message:ident),+) => {
        $(impl Name for $message {
            const NAME: &'static str = stringify!($message);
            const PACKAGE: &'static str = $package;
        })+
    };
}

/// A member to be.
#[derive(Clone, PartialEq, Message)]
pub struct MemberRequest {
    #[prost(string, tag = "1")]
    pub address: String,
    #[prost(string, tag = "2")]
    pub weight: String,
    #[prost(string, tag = "3")]
    pub metadata: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct ThresholdDecisionPolicy {
    #[prost(string, tag = "1")]
    pub threshold: String,
    #[prost(message, optional, tag = "2")]
    pub windows: Option<DecisionPolicyWindows>,
}

#[derive(Clone, PartialEq, Message)]
pub struct DecisionPolicyWindows {
    #[prost(message, optional, tag = "1")]
    pub voting_period: Option<Duration>,
    #[prost(message, optional, tag = "2")]
    pub min_execution_period: Option<Duration>,
}

#[derive(Clone, PartialEq, Message)]
pub struct MsgCreateGroupWithPolicy {
    #[prost(string, tag = "1")]
    pub admin: String,
    #[prost(message, repeated, tag = "2")]
    pub members: Vec<MemberRequest>,
    #[prost(string, tag = "3")]
    pub group_metadata: String,
    #[prost(string, tag = "4")]
    pub group_policy_metadata: String,
    #[prost(bool, tag = "5")]
    pub group_policy_as_admin: bool,
    #[prost(message, optional, tag = "6")]
    pub decision_policy: Option<Any>,
}

#[derive(Clone, PartialEq, Message)]
pub struct MsgSubmitProposal {
    #[prost(string, tag = "1")]
    pub group_policy_address: String,
    #[prost(string, repeated, tag = "2")]
    pub proposers: Vec<String>,
    #[prost(string, tag = "3")]
    pub metadata: String,
    #[prost(message, repeated, tag = "4")]
    pub messages: Vec<Any>,
    #[prost(int32, tag = "5")]
    pub exec: i32,
    #[prost(string, tag = "6")]
    pub title: String,
    #[prost(string, tag = "7")]
    pub summary: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct MsgVote {
    #[prost(uint64, tag = "1")]
    pub proposal_id: u64,
    #[prost(string, tag = "2")]
    pub voter: String,
    #[prost(int32, tag = "3")]
    pub option: i32,
    #[prost(string, tag = "4")]
    pub metadata: String,
    #[prost(int32, tag = "5")]
    pub exec: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct MsgExec {
    #[prost(uint64, tag = "1")]
    pub proposal_id: u64,
    #[prost(string, tag = "2")]
    pub executor: String,
}

name!(
    "cosmos.group.v1",
    ThresholdDecisionPolicy,
    MsgCreateGroupWithPolicy,
    MsgSubmitProposal,
    MsgVote,
    MsgExec
);

/// `Exec`: try to execute at once.
pub const EXEC_TRY: i32 = 1;

#[derive(Clone, PartialEq, Message)]
pub struct GroupPolicyInfo {
    #[prost(string, tag = "1")]
    pub address: String,
    #[prost(uint64, tag = "2")]
    pub group_id: u64,
    #[prost(message, optional, tag = "6")]
    pub decision_policy: Option<Any>,
}

#[derive(Clone, PartialEq, Message)]
pub struct QueryGroupPolicyInfoRequest {
    #[prost(string, tag = "1")]
    pub address: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct QueryGroupPolicyInfoResponse {
    #[prost(message, optional, tag = "1")]
    pub info: Option<GroupPolicyInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub struct QueryGroupMembersRequest {
    #[prost(uint64, tag = "1")]
    pub group_id: u64,
    #[prost(message, optional, tag = "2")]
    pub pagination: Option<PageRequest>,
}

#[derive(Clone, PartialEq, Message)]
pub struct GroupMember {
    #[prost(uint64, tag = "1")]
    pub group_id: u64,
    /// The SDK's `Member` begins with the same fields.
    #[prost(message, optional, tag = "2")]
    pub member: Option<MemberRequest>,
}

#[derive(Clone, PartialEq, Message)]
pub struct QueryGroupMembersResponse {
    #[prost(message, repeated, tag = "1")]
    pub members: Vec<GroupMember>,
    #[prost(message, optional, tag = "2")]
    pub pagination: Option<PageResponse>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TallyResult {
    #[prost(string, tag = "1")]
    pub yes_count: String,
    #[prost(string, tag = "2")]
    pub abstain_count: String,
    #[prost(string, tag = "3")]
    pub no_count: String,
    #[prost(string, tag = "4")]
    pub no_with_veto_count: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProposalInfo {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(string, tag = "2")]
    pub group_policy_address: String,
    #[prost(string, repeated, tag = "4")]
    pub proposers: Vec<String>,
    #[prost(int32, tag = "8")]
    pub status: i32,
    #[prost(message, optional, tag = "10")]
    pub voting_period_end: Option<Timestamp>,
    #[prost(int32, tag = "11")]
    pub executor_result: i32,
    #[prost(message, repeated, tag = "12")]
    pub messages: Vec<Any>,
    #[prost(string, tag = "13")]
    pub title: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct QueryProposalRequest {
    #[prost(uint64, tag = "1")]
    pub proposal_id: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct QueryProposalResponse {
    #[prost(message, optional, tag = "1")]
    pub proposal: Option<ProposalInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub struct QueryProposalsByGroupPolicyRequest {
    #[prost(string, tag = "1")]
    pub address: String,
    #[prost(message, optional, tag = "2")]
    pub pagination: Option<PageRequest>,
}

#[derive(Clone, PartialEq, Message)]
pub struct QueryProposalsByGroupPolicyResponse {
    #[prost(message, repeated, tag = "1")]
    pub proposals: Vec<ProposalInfo>,
    #[prost(message, optional, tag = "2")]
    pub pagination: Option<PageResponse>,
}

#[derive(Clone, PartialEq, Message)]
pub struct QueryTallyResultResponse {
    #[prost(message, optional, tag = "1")]
    pub tally: Option<TallyResult>,
}

/// `MsgTripCircuitBreaker` closes message types; its response is not read.
#[derive(Clone, PartialEq, Message)]
pub struct MsgTripCircuitBreaker {
    #[prost(string, tag = "1")]
    pub authority: String,
    #[prost(string, repeated, tag = "2")]
    pub msg_type_urls: Vec<String>,
}

/// `MsgResetCircuitBreaker` opens them. Its field 3 is the list, as in the SDK.
#[derive(Clone, PartialEq, Message)]
pub struct MsgResetCircuitBreaker {
    #[prost(string, tag = "1")]
    pub authority: String,
    #[prost(string, repeated, tag = "3")]
    pub msg_type_urls: Vec<String>,
}

name!("cosmos.circuit.v1", MsgTripCircuitBreaker, MsgResetCircuitBreaker);

#[derive(Clone, PartialEq, Message)]
pub struct QueryDisabledListRequest {}

#[derive(Clone, PartialEq, Message)]
pub struct DisabledListResponse {
    #[prost(string, repeated, tag = "1")]
    pub disabled_list: Vec<String>,
}

/// All items of a module's list, page by page.
pub async fn all<Q, R, T>(
    client: &WasmdClient,
    path: &str,
    query: impl Fn(PageRequest) -> Q,
    items: impl Fn(R) -> (Vec<T>, Option<PageResponse>),
) -> Result<Vec<T>, ChainError>
where
    Q: Message,
    R: Message + Default,
{
    let mut all = Vec::new();
    let mut key = Vec::new();
    loop {
        let page = PageRequest { key: std::mem::take(&mut key), limit: PAGE, ..Default::default() };
        let (found, next) = items(client.grpc(path, &query(page), None).await?);
        all.extend(found);
        if all.len() > MAX_LISTED {
            return Err(ChainError::malformed(format!("{path}: more than {MAX_LISTED} items")));
        }
        match next {
            Some(next) if !next.next_key.is_empty() => key = next.next_key,
            _ => return Ok(all),
        }
    }
}
