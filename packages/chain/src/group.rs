//! The consortium's group account: making it, proposing, voting.
//!
//! Responsible for what a group (the SDK's x/group) decides and does: messages whose sender is the
//! group's account, carried out as soon as enough members agree. Must never send a proposal that
//! would fail when it is carried out, nor propose a second time what waits for votes.

use casewise_ledger::account::AccountKey;
use cosmrs::proto::{
    Any,
    cosmos::{
        bank::v1beta1::{MsgSend, QueryBalanceRequest, QueryBalanceResponse},
        base::v1beta1::Coin,
    },
    prost::{Message, Name},
    tendermint::google::protobuf::Duration,
};
use serde::Serialize;
use serde_json::Value;

use crate::{
    ChainError, ChainParams, ContractAddress, Event, Included, Msg, Prefix, SubmitOptions, TxDraft,
    WasmdClient, account_of, address::account_to_bech32, allowance::any, describe::describe, proto as pb,
    submit_and_wait,
};

/// Most members of a group made here.
pub const MAX_MEMBERS: usize = 100;

/// How long a proposal made here can be voted on, seconds; the group can change it.
pub const DECISION_WINDOW: u64 = 7 * 86_400;

/// Longest title of a proposal, bytes; the chain's limit.
pub const MAX_TITLE: usize = 255;

/// Events of the module.
const SUBMITTED: &str = "cosmos.group.v1.EventSubmitProposal";
const EXECUTED: &str = "cosmos.group.v1.EventExec";
const CREATED: &str = "cosmos.group.v1.EventCreateGroupPolicy";

/// What the module says of a proposal that was carried out, and of one that failed.
const SUCCESS: &str = "PROPOSAL_EXECUTOR_RESULT_SUCCESS";
const FAILURE: &str = "PROPOSAL_EXECUTOR_RESULT_FAILURE";

/// The account of a group: 32 bytes, as a contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupAddress(pub [u8; 32]);

impl GroupAddress {
    /// From bech32 with the network's prefix, in its one canonical spelling.
    pub fn from_bech32(text: &str, prefix: &Prefix) -> Result<Self, ChainError> {
        ContractAddress::from_bech32(text, prefix).map(|address| Self(address.0)).map_err(|_| {
            let reason = format!("{text:?} is not the account of a group of this network");
            ChainError::invalid("group", reason)
        })
    }

    /// Bech32 with the network's prefix.
    pub fn to_bech32(&self, prefix: &Prefix) -> String {
        ContractAddress(self.0).to_bech32(prefix)
    }
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Its account, bech32.
    pub account: String,
    /// How much its vote counts.
    pub weight: String,
}

/// A group and how it decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Its account, bech32.
    pub account: String,
    /// Its members.
    pub members: Vec<Member>,
    /// Weight of yes votes from which on a proposal is accepted; `None`: it decides otherwise.
    pub threshold: Option<String>,
    /// How long a proposal can be voted on, seconds.
    pub voting_s: u64,
}

/// A group to be made.
#[derive(Clone, Debug)]
pub struct CreateGroup {
    /// Accounts of its members, bech32; each has one vote.
    pub members: Vec<String>,
    /// Votes that decide.
    pub threshold: u32,
    /// How long a proposal can be voted on, seconds.
    pub voting_s: u64,
}

/// Where a proposal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProposalState {
    /// It waits for votes.
    Open,
    /// It is accepted and not carried out yet.
    Accepted,
    /// It is accepted, and failed when it was carried out; that can be tried again.
    Failed,
    /// It is rejected.
    Rejected,
    /// It is withdrawn, or the group changed meanwhile.
    Void,
}

/// A proposal that is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proposal {
    /// Its number.
    pub id: u64,
    /// What it is about.
    pub title: String,
    /// Who made it, bech32.
    pub proposers: Vec<String>,
    /// Where it stands.
    pub state: ProposalState,
    /// Weight of the votes for it so far.
    pub yes: String,
    /// Weight of the votes against it so far.
    pub no: String,
    /// End of voting, Unix ms.
    pub voting_ends_ms: u64,
    /// What it does, message by message.
    pub messages: Vec<Value>,
    #[serde(skip)]
    group: String,
    #[serde(skip)]
    raw: Vec<Any>,
}

impl Proposal {
    /// The account of the group that decides, bech32.
    pub fn group(&self) -> &str {
        &self.group
    }
}

/// A member's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote {
    /// For it.
    Yes,
    /// Against it.
    No,
    /// Neither.
    Abstain,
}

impl Vote {
    fn number(self) -> i32 {
        match self {
            Self::Yes => 1,
            Self::Abstain => 2,
            Self::No => 3,
        }
    }
}

/// What became of a proposal by a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It was carried out in this transaction.
    Done {
        /// Its number.
        proposal: u64,
        /// The transaction.
        included: Included,
    },
    /// It waits for more votes.
    Waiting {
        /// Its number.
        proposal: u64,
    },
}

/// Makes a group that administers itself; its account.
pub async fn create_group(
    client: &WasmdClient,
    key: &AccountKey,
    new: &CreateGroup,
    params: &ChainParams,
    options: &SubmitOptions<'_>,
) -> Result<GroupAddress, ChainError> {
    let sender = account_to_bech32(&key.address(), &params.prefix);
    let message = Msg::raw(&new.message(sender)?);
    let included = submit_and_wait(client, key, vec![message], params, options).await?;
    let address = attribute(&included.tx.events, CREATED, "address")
        .ok_or_else(|| ChainError::malformed("a new group without an account"))?;
    GroupAddress::from_bech32(&address, &params.prefix)
}

impl CreateGroup {
    fn message(&self, sender: String) -> Result<pb::MsgCreateGroupWithPolicy, ChainError> {
        let count = self.members.len();
        if count == 0 || count > MAX_MEMBERS {
            return Err(ChainError::invalid("members", format!("give 1 to {MAX_MEMBERS} accounts")));
        }
        if self.threshold == 0 || self.threshold as usize > count {
            return Err(ChainError::invalid(
                "threshold",
                format!("give 1 to {count}, the number of members"),
            ));
        }
        let mut sorted = self.members.clone();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(ChainError::invalid("members", "an account is named twice"));
        }
        let seconds = i64::try_from(self.voting_s).ok().filter(|seconds| *seconds > 0);
        let seconds =
            seconds.ok_or_else(|| ChainError::invalid("voting time", "give at least one second"))?;
        let windows = pb::DecisionPolicyWindows {
            voting_period: Some(Duration { seconds, nanos: 0 }),
            min_execution_period: Some(Duration::default()),
        };
        let policy =
            pb::ThresholdDecisionPolicy { threshold: self.threshold.to_string(), windows: Some(windows) };
        let member = |account: &String| pb::MemberRequest {
            address: account.clone(),
            weight: "1".to_owned(),
            metadata: String::new(),
        };
        Ok(pb::MsgCreateGroupWithPolicy {
            admin: sender,
            members: self.members.iter().map(member).collect(),
            group_policy_as_admin: true,
            decision_policy: Some(any(&policy)),
            ..Default::default()
        })
    }
}

/// The group of an account; `None` = the account is not a group's.
pub async fn find_group(client: &WasmdClient, account: &str) -> Result<Option<Group>, ChainError> {
    let query = pb::QueryGroupPolicyInfoRequest { address: account.to_owned() };
    let path = "/cosmos.group.v1.Query/GroupPolicyInfo";
    let answer: Option<pb::QueryGroupPolicyInfoResponse> = client.lookup(path, &query).await?;
    let Some(answer) = answer else { return Ok(None) };
    let info = answer.info.ok_or_else(|| ChainError::malformed("a group without content"))?;
    let members = pb::all(
        client,
        "/cosmos.group.v1.Query/GroupMembers",
        |page| pb::QueryGroupMembersRequest { group_id: info.group_id, pagination: Some(page) },
        |answer: pb::QueryGroupMembersResponse| (answer.members, answer.pagination),
    );
    let members = members.await?.into_iter().filter_map(|member| member.member);
    let policy = info.decision_policy.unwrap_or_default();
    let policy = (policy.type_url == format!("/{}", pb::ThresholdDecisionPolicy::full_name()))
        .then(|| pb::ThresholdDecisionPolicy::decode(policy.value.as_slice()))
        .transpose()
        .map_err(ChainError::malformed)?;
    let voting = policy.as_ref().and_then(|policy| policy.windows.as_ref()?.voting_period);
    Ok(Some(Group {
        account: info.address,
        members: members.map(|m| Member { account: m.address, weight: m.weight }).collect(),
        voting_s: voting.and_then(|period| u64::try_from(period.seconds).ok()).unwrap_or_default(),
        threshold: policy.map(|policy| policy.threshold),
    }))
}

/// The group of an account of which `key` is a member, or why not.
pub async fn member_of(
    client: &WasmdClient,
    key: &AccountKey,
    group: &GroupAddress,
    prefix: &Prefix,
) -> Result<Group, ChainError> {
    let (account, own) = (group.to_bech32(prefix), account_to_bech32(&key.address(), prefix));
    let found = find_group(client, &account).await?.ok_or_else(|| {
        ChainError::invalid("group", format!("there is no group with the account {account}"))
    })?;
    if !found.members.iter().any(|member| member.account == own) {
        let reason = format!("{own} is not a member of {account}; use a member's phrase");
        return Err(ChainError::invalid("group", reason));
    }
    Ok(found)
}

/// Sends coins from an account to another, which can be a group's; both bech32.
pub fn send_coins(from: &str, to: &str, amount: u128, denom: &str) -> Msg {
    Msg::raw(&MsgSend {
        from_address: from.to_owned(),
        to_address: to.to_owned(),
        amount: vec![Coin { denom: denom.to_owned(), amount: amount.to_string() }],
    })
}

/// How much of a coin an account has, which can be a group's; bech32.
pub async fn balance_of(client: &WasmdClient, account: &str, denom: &str) -> Result<u128, ChainError> {
    let query = QueryBalanceRequest { address: account.to_owned(), denom: denom.to_owned() };
    let answer: QueryBalanceResponse =
        client.grpc("/cosmos.bank.v1beta1.Query/Balance", &query, None).await?;
    let Some(coin) = answer.balance else { return Ok(0) };
    coin.amount.parse().map_err(|_| ChainError::malformed("a balance that is no number"))
}

/// Lets the group send `msgs`: makes a proposal with the proposer's own yes, and carries it out when
/// that is enough. What waits for votes already is not proposed again: the vote is added to it.
pub async fn propose(
    client: &WasmdClient,
    key: &AccountKey,
    group: &GroupAddress,
    msgs: &[Msg],
    title: &str,
    params: &ChainParams,
    options: &SubmitOptions<'_>,
) -> Result<Decision, ChainError> {
    if title.is_empty() || title.len() > MAX_TITLE {
        return Err(ChainError::invalid("title", format!("give 1 to {MAX_TITLE} bytes")));
    }
    let account = group.to_bech32(&params.prefix);
    let messages: Vec<Any> =
        msgs.iter().map(|msg| msg.to_any(&account, &params.prefix)).collect::<Result<_, _>>()?;
    let open = proposals(client, group, &params.prefix).await?;
    if let Some(same) = open.iter().find(|p| p.state == ProposalState::Open && p.raw == messages) {
        let own = account_to_bech32(&key.address(), &params.prefix);
        if same.proposers.contains(&own) {
            return Ok(Decision::Waiting { proposal: same.id });
        }
        return vote(client, key, same.id, Vote::Yes, params, options).await;
    }
    let message = pb::MsgSubmitProposal {
        group_policy_address: account,
        proposers: vec![account_to_bech32(&key.address(), &params.prefix)],
        metadata: String::new(),
        messages,
        exec: pb::EXEC_TRY,
        title: title.to_owned(),
        // The chain wants one.
        summary: title.to_owned(),
    };
    decide(client, key, Msg::raw(&message), params, options).await
}

/// Votes on a proposal and carries it out when that decides it.
pub async fn vote(
    client: &WasmdClient,
    key: &AccountKey,
    proposal: u64,
    vote: Vote,
    params: &ChainParams,
    options: &SubmitOptions<'_>,
) -> Result<Decision, ChainError> {
    let message = pb::MsgVote {
        proposal_id: proposal,
        voter: account_to_bech32(&key.address(), &params.prefix),
        option: vote.number(),
        metadata: String::new(),
        exec: pb::EXEC_TRY,
    };
    decide(client, key, Msg::raw(&message), params, options).await
}

/// Carries out a proposal that is accepted.
pub async fn execute_proposal(
    client: &WasmdClient,
    key: &AccountKey,
    proposal: u64,
    params: &ChainParams,
    options: &SubmitOptions<'_>,
) -> Result<Decision, ChainError> {
    let executor = account_to_bech32(&key.address(), &params.prefix);
    let message = pb::MsgExec { proposal_id: proposal, executor };
    decide(client, key, Msg::raw(&message), params, options).await
}

/// The proposals of a group that are not carried out, in ascending number.
pub async fn proposals(
    client: &WasmdClient,
    group: &GroupAddress,
    prefix: &Prefix,
) -> Result<Vec<Proposal>, ChainError> {
    let address = group.to_bech32(prefix);
    let found = pb::all(
        client,
        "/cosmos.group.v1.Query/ProposalsByGroupPolicy",
        |page| pb::QueryProposalsByGroupPolicyRequest { address: address.clone(), pagination: Some(page) },
        |answer: pb::QueryProposalsByGroupPolicyResponse| (answer.proposals, answer.pagination),
    );
    let mut all = Vec::new();
    for info in found.await? {
        all.push(with_tally(client, info).await?);
    }
    all.sort_by_key(|proposal| proposal.id);
    Ok(all)
}

/// A proposal; `None` when it was carried out or never made.
pub async fn find_proposal(client: &WasmdClient, id: u64) -> Result<Option<Proposal>, ChainError> {
    let query = pb::QueryProposalRequest { proposal_id: id };
    let answer: Option<pb::QueryProposalResponse> =
        client.lookup("/cosmos.group.v1.Query/Proposal", &query).await?;
    match answer.and_then(|answer| answer.proposal) {
        Some(info) => with_tally(client, info).await.map(Some),
        None => Ok(None),
    }
}

async fn with_tally(client: &WasmdClient, info: pb::ProposalInfo) -> Result<Proposal, ChainError> {
    let query = pb::QueryProposalRequest { proposal_id: info.id };
    let answer: Option<pb::QueryTallyResultResponse> =
        client.lookup("/cosmos.group.v1.Query/TallyResult", &query).await?;
    let tally = answer.and_then(|answer| answer.tally).unwrap_or_default();
    let ends = info.voting_period_end.unwrap_or_default();
    Ok(Proposal {
        id: info.id,
        title: info.title,
        proposers: info.proposers,
        state: state(info.status, info.executor_result),
        yes: tally.yes_count,
        no: tally.no_count,
        voting_ends_ms: u64::try_from(ends.seconds).unwrap_or_default().saturating_mul(1000),
        messages: info.messages.iter().map(describe).collect(),
        group: info.group_policy_address,
        raw: info.messages,
    })
}

fn state(status: i32, result: i32) -> ProposalState {
    match (status, result) {
        (1, _) => ProposalState::Open,
        (2, 3) => ProposalState::Failed,
        (2, _) => ProposalState::Accepted,
        (3, _) => ProposalState::Rejected,
        _ => ProposalState::Void,
    }
}

/// Sends a message that may carry out a proposal, unless it would fail then: a proposal that is
/// accepted and failed could be carried out by any member for days.
async fn decide(
    client: &WasmdClient,
    key: &AccountKey,
    message: Msg,
    params: &ChainParams,
    options: &SubmitOptions<'_>,
) -> Result<Decision, ChainError> {
    let account = account_of(client, &key.address()).await?;
    let draft = TxDraft::new(vec![message.clone()], u64::from(u32::MAX));
    let simulated = draft.unsigned(&key.public(), account, params)?;
    refuse_failure(&client.simulated_events(&simulated).await?)?;
    let included = submit_and_wait(client, key, vec![message], params, options).await?;
    refuse_failure(&included.tx.events)?;
    let events = &included.tx.events;
    let proposal = attribute(events, EXECUTED, "proposal_id")
        .or_else(|| attribute(events, SUBMITTED, "proposal_id"))
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| ChainError::malformed("a proposal without number"))?;
    Ok(match attribute(events, EXECUTED, "result") {
        Some(result) if result == SUCCESS => Decision::Done { proposal, included },
        _ => Decision::Waiting { proposal },
    })
}

fn refuse_failure(events: &[Event]) -> Result<(), ChainError> {
    if attribute(events, EXECUTED, "result").is_some_and(|result| result == FAILURE) {
        let log = attribute(events, EXECUTED, "logs").unwrap_or_default();
        return Err(ChainError::refused(0, "group", &log));
    }
    Ok(())
}

/// A value of the module's typed events, which are written as JSON.
fn attribute(events: &[Event], kind: &str, key: &str) -> Option<String> {
    let text = events.iter().find(|event| event.kind == kind)?.attribute(key)?;
    Some(serde_json::from_str(text).unwrap_or_else(|_| text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(members: usize, threshold: u32) -> CreateGroup {
        CreateGroup {
            members: (0..members).map(|i| format!("wasm1{i}")).collect(),
            threshold,
            voting_s: DECISION_WINDOW,
        }
    }

    fn refused(new: &CreateGroup) -> Option<&'static str> {
        match new.message("wasm1sender".to_owned()) {
            Err(ChainError::Invalid { field, .. }) => Some(field),
            Err(other) => panic!("{other}"),
            Ok(_) => None,
        }
    }

    #[test]
    fn a_group_within_its_limits() {
        for (members, threshold, field) in [
            (1, 1, None),
            (3, 2, None),
            (MAX_MEMBERS, MAX_MEMBERS as u32, None),
            (0, 1, Some("members")),
            (MAX_MEMBERS + 1, 1, Some("members")),
            (3, 0, Some("threshold")),
            (3, 4, Some("threshold")),
        ] {
            assert_eq!(refused(&new(members, threshold)), field, "{threshold} of {members}");
        }
        assert_eq!(refused(&CreateGroup { voting_s: 0, ..new(1, 1) }), Some("voting time"));
        let twice = CreateGroup { members: vec!["wasm1a".to_owned(); 2], ..new(0, 1) };
        assert_eq!(refused(&twice), Some("members"));
        let message = new(3, 2).message("wasm1sender".to_owned()).unwrap();
        assert!(message.group_policy_as_admin, "nobody else may change the group");
    }

    fn event(kind: &str, pairs: &[(&str, &str)]) -> Event {
        let attributes = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Event { kind: kind.to_owned(), attributes }
    }

    #[test]
    fn a_proposal_that_fails_is_told_with_the_contracts_words() {
        let failed = event(
            EXECUTED,
            &[("logs", "\"out of \\\"luck\\\"\""), ("result", "\"PROPOSAL_EXECUTOR_RESULT_FAILURE\"")],
        );
        let error = refuse_failure(&[event("tx", &[]), failed]).unwrap_err();
        assert!(matches!(&error, ChainError::Refused { log, .. } if log == "out of \"luck\""), "{error}");
        for result in ["\"PROPOSAL_EXECUTOR_RESULT_SUCCESS\"", "\"PROPOSAL_EXECUTOR_RESULT_NOT_RUN\""] {
            refuse_failure(&[event(EXECUTED, &[("result", result)])]).unwrap();
        }
        refuse_failure(&[]).unwrap();
    }

    #[test]
    fn a_groups_account_is_no_persons() {
        let prefix = Prefix::default();
        let group = GroupAddress([7; 32]);
        assert_eq!(GroupAddress::from_bech32(&group.to_bech32(&prefix), &prefix), Ok(group));
        let person = account_to_bech32(&casewise_ledger::Address([7; 20]), &prefix);
        assert!(matches!(
            GroupAddress::from_bech32(&person, &prefix),
            Err(ChainError::Invalid { field: "group", .. })
        ));
    }
}
