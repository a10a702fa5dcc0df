//! Who validates, as the consortium decides it.
//!
//! Responsible for messages after which the set of validators is what the group wants: power comes
//! from the group's own stake, and the message types that could change it are open only inside the
//! proposal that uses them. Must never leave one of them open. Why so: ADR 4.

use casewise_ledger::sha256;
use cosmrs::proto::{
    Any, Timestamp,
    cosmos::{
        authz::v1beta1::{
            GenericAuthorization, Grant, MsgExec, MsgGrant, QueryGrantsRequest, QueryGrantsResponse,
        },
        base::v1beta1::Coin,
        crypto::ed25519::PubKey,
        staking::v1beta1::{
            BondStatus, CommissionRates, Description, MsgCreateValidator, MsgDelegate, MsgUndelegate,
            QueryDelegationRequest, QueryDelegationResponse, QueryParamsRequest, QueryParamsResponse,
            QueryValidatorsRequest, QueryValidatorsResponse, Validator as RawValidator,
        },
    },
    prost::Message,
};
use serde::Serialize;
use tendermint::block::{CommitSig, signed_header::SignedHeader};
use tendermint_proto::{Protobuf, v0_38::types as pb};

use crate::{
    Chain, ChainError, Msg, Prefix, WasmdClient,
    address::{account_from_bech32, account_to_bech32},
    allowance::any,
    group::GroupAddress,
    proto,
};

/// Coins of one unit of voting power; the SDK's own constant.
pub const POWER_REDUCTION: u128 = 1_000_000;

/// Longest name of a validator, bytes; the chain's limit.
pub const MAX_MONIKER: usize = 70;

/// What an operator stakes itself. The chain wants more than nothing; it is no power.
const OWN_STAKE: u128 = 1;

/// The message types that could give somebody power; a network keeps them closed.
pub const STAKING_MESSAGES: [&str; 4] = [
    "/cosmos.staking.v1beta1.MsgCreateValidator",
    "/cosmos.staking.v1beta1.MsgDelegate",
    "/cosmos.staking.v1beta1.MsgBeginRedelegate",
    "/cosmos.staking.v1beta1.MsgCancelUnbondingDelegation",
];

/// Whether a validator takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ValidatorStatus {
    /// It has power.
    Active,
    /// It has none, and its stake is not free yet.
    Leaving,
    /// It has none.
    Inactive,
}

/// A validator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Validator {
    /// Its operator's account, bech32.
    pub account: String,
    /// The same as the chain names validators.
    pub address: String,
    /// Its name.
    pub name: String,
    /// Hash of its consensus key, hexadecimal, as blocks name it.
    pub consensus: String,
    /// Whether it takes part.
    pub status: ValidatorStatus,
    /// Put out for signing twice or for long silence.
    pub jailed: bool,
    /// Its power.
    pub power: u64,
    /// Coins its operator staked.
    pub own: u128,
    /// Coins the group staked on it.
    pub consortium: u128,
    /// It is among the signers of the block.
    pub signed: bool,
}

/// The validators as of a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StakingState {
    /// The block whose signatures were looked at.
    pub height: u64,
    /// Those that are or were, by power.
    pub validators: Vec<Validator>,
    /// Message types nobody can send now.
    pub closed: Vec<String>,
    /// The coin that is staked.
    pub denom: String,
    /// How long stake that is withdrawn stays bound, seconds.
    pub unbonding_s: u64,
}

impl StakingState {
    /// The validator with this operator.
    pub fn of(&self, account: &str) -> Option<&Validator> {
        self.validators.iter().find(|validator| validator.account == account)
    }

    /// Can nobody give himself power?
    pub fn is_closed(&self) -> bool {
        STAKING_MESSAGES.iter().all(|url| self.closed.iter().any(|closed| closed == url))
    }
}

/// An ed25519 key by which a node signs blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsensusKey(pub [u8; 32]);

impl ConsensusKey {
    fn any(&self) -> Any {
        any(&PubKey { key: self.0.to_vec() })
    }
}

/// A validator to be.
#[derive(Clone, Debug)]
pub struct NewValidator {
    /// Its operator's account, bech32.
    pub account: String,
    /// Its node's key.
    pub key: ConsensusKey,
    /// Its name.
    pub name: String,
}

/// The validators, as of the last block whose signatures are complete.
pub async fn staking_state(
    client: &WasmdClient,
    group: Option<&GroupAddress>,
    prefix: &Prefix,
) -> Result<StakingState, ChainError> {
    let params: QueryParamsResponse =
        client.grpc("/cosmos.staking.v1beta1.Query/Params", &QueryParamsRequest {}, None).await?;
    let params = params.params.ok_or_else(|| ChainError::malformed("no staking parameters"))?;
    let closed: proto::DisabledListResponse = client
        .grpc("/cosmos.circuit.v1.Query/DisabledList", &proto::QueryDisabledListRequest {}, None)
        .await?;
    let height = client.tip().await?.height.saturating_sub(1).max(1);
    let signers = signers(client, height).await?;
    let found = proto::all(
        client,
        "/cosmos.staking.v1beta1.Query/Validators",
        |page| QueryValidatorsRequest { status: String::new(), pagination: Some(page) },
        |answer: QueryValidatorsResponse| (answer.validators, answer.pagination),
    );
    let mut validators = Vec::new();
    for raw in found.await? {
        validators.push(validator(client, raw, group, &signers, prefix).await?);
    }
    validators.sort_by(|a, b| b.power.cmp(&a.power).then_with(|| a.account.cmp(&b.account)));
    Ok(StakingState {
        height,
        validators,
        closed: closed.disabled_list,
        denom: params.bond_denom,
        unbonding_s: params.unbonding_time.and_then(|t| u64::try_from(t.seconds).ok()).unwrap_or_default(),
    })
}

async fn validator(
    client: &WasmdClient,
    raw: RawValidator,
    group: Option<&GroupAddress>,
    signers: &[[u8; 20]],
    prefix: &Prefix,
) -> Result<Validator, ChainError> {
    let account = operator_account(&raw.operator_address, prefix)?;
    let key = raw.consensus_pubkey.unwrap_or_default();
    let key = PubKey::decode(key.value.as_slice()).map_err(ChainError::malformed)?;
    let consensus = consensus_address(&key.key);
    let tokens: u128 = number(&raw.tokens)?;
    let active = raw.status == BondStatus::Bonded as i32;
    let status = match () {
        () if active => ValidatorStatus::Active,
        () if raw.status == BondStatus::Unbonding as i32 => ValidatorStatus::Leaving,
        () => ValidatorStatus::Inactive,
    };
    let consortium = match group {
        Some(group) => staked(client, &group.to_bech32(prefix), &raw.operator_address).await?,
        None => 0,
    };
    Ok(Validator {
        own: staked(client, &account, &raw.operator_address).await?,
        consortium,
        account,
        address: raw.operator_address,
        name: raw.description.unwrap_or_default().moniker,
        consensus: hex::encode(consensus),
        status,
        jailed: raw.jailed,
        power: if active { u64::try_from(tokens / POWER_REDUCTION).unwrap_or(u64::MAX) } else { 0 },
        signed: signers.contains(&consensus),
    })
}

/// Coins an account has staked on a validator.
async fn staked(client: &WasmdClient, account: &str, validator: &str) -> Result<u128, ChainError> {
    let query =
        QueryDelegationRequest { delegator_addr: account.to_owned(), validator_addr: validator.to_owned() };
    let answer: Option<QueryDelegationResponse> =
        client.lookup("/cosmos.staking.v1beta1.Query/Delegation", &query).await?;
    let balance = answer.and_then(|answer| answer.delegation_response?.balance);
    balance.map_or(Ok(0), |coin| number(&coin.amount))
}

/// Addresses of those whose signatures a block's commit has.
async fn signers(client: &WasmdClient, height: u64) -> Result<Vec<[u8; 20]>, ChainError> {
    let bytes = client.signed_header(height).await?;
    let signed =
        <SignedHeader as Protobuf<pb::SignedHeader>>::decode_vec(&bytes).map_err(ChainError::malformed)?;
    let address = |signature: &CommitSig| match signature {
        CommitSig::BlockIdFlagCommit { validator_address, .. } => {
            validator_address.as_bytes().try_into().ok()
        }
        _ => None,
    };
    Ok(signed.commit.signatures.iter().filter_map(address).collect())
}

fn consensus_address(key: &[u8]) -> [u8; 20] {
    let hash = sha256(&[key]);
    std::array::from_fn(|i| hash[i])
}

fn number(text: &str) -> Result<u128, ChainError> {
    text.parse().map_err(|_| ChainError::malformed(format!("{text:?} is no amount of coins")))
}

fn validator_prefix(prefix: &Prefix) -> Result<Prefix, ChainError> {
    format!("{prefix}valoper").parse()
}

fn operator_account(validator: &str, prefix: &Prefix) -> Result<String, ChainError> {
    let account = account_from_bech32(validator, &validator_prefix(prefix)?)?;
    Ok(account_to_bech32(&account, prefix))
}

/// The name of an operator's account among validators.
fn validator_address(account: &str, prefix: &Prefix) -> Result<String, ChainError> {
    let account = account_from_bech32(account, prefix)?;
    Ok(account_to_bech32(&account, &validator_prefix(prefix)?))
}

/// The message by which an operator lets the group make its node a validator, until then.
pub fn offer_validator(account: &str, group: &GroupAddress, until_ms: u64, prefix: &Prefix) -> Msg {
    let authorization = any(&GenericAuthorization { msg: STAKING_MESSAGES[0].to_owned() });
    let expiration = Timestamp { seconds: (until_ms / 1000) as i64, nanos: 0 };
    Msg::raw(&MsgGrant {
        granter: account.to_owned(),
        grantee: group.to_bech32(prefix),
        grant: Some(Grant { authorization: Some(authorization), expiration: Some(expiration) }),
    })
}

/// Has the operator let the group do that?
pub async fn has_offered(
    client: &WasmdClient,
    account: &str,
    group: &GroupAddress,
    prefix: &Prefix,
) -> Result<bool, ChainError> {
    let query = QueryGrantsRequest {
        granter: account.to_owned(),
        grantee: group.to_bech32(prefix),
        msg_type_url: STAKING_MESSAGES[0].to_owned(),
        pagination: None,
    };
    let answer: Option<QueryGrantsResponse> =
        client.lookup("/cosmos.authz.v1beta1.Query/Grants", &query).await?;
    Ok(answer.is_some_and(|answer| !answer.grants.is_empty()))
}

/// What the group does to make a node a validator with `stake` coins of its own behind it: all in
/// one proposal, so that nobody else can use the moment in which it is allowed.
pub fn add_validator(
    new: &NewValidator,
    group: &GroupAddress,
    stake: u128,
    state: &StakingState,
    prefix: &Prefix,
) -> Result<Vec<Msg>, ChainError> {
    if new.name.is_empty() || new.name.len() > MAX_MONIKER {
        return Err(ChainError::invalid("name", format!("give 1 to {MAX_MONIKER} bytes")));
    }
    let coin = |amount: u128| Some(Coin { denom: state.denom.clone(), amount: amount.to_string() });
    let validator = validator_address(&new.account, prefix)?;
    // A validator of a consortium earns nothing: fees go to the stake, which is the consortium's.
    let commission = CommissionRates {
        rate: "0".to_owned(),
        max_rate: "1000000000000000000".to_owned(),
        max_change_rate: "10000000000000000".to_owned(),
    };
    let create = MsgCreateValidator {
        description: Some(Description { moniker: new.name.clone(), ..Default::default() }),
        commission: Some(commission),
        min_self_delegation: OWN_STAKE.to_string(),
        validator_address: validator.clone(),
        pubkey: Some(new.key.any()),
        value: coin(OWN_STAKE),
        ..Default::default()
    };
    let create = Msg::raw(&MsgExec { grantee: group.to_bech32(prefix), msgs: vec![any(&create)] });
    let msgs = vec![create, delegate(&validator, group, stake, state, prefix)];
    Ok(opened(msgs, &STAKING_MESSAGES[..2], group, state, prefix))
}

/// What the group does to put `stake` coins of its own behind a validator that exists.
pub fn back_validator(
    validator: &Validator,
    group: &GroupAddress,
    stake: u128,
    state: &StakingState,
    prefix: &Prefix,
) -> Vec<Msg> {
    let msgs = vec![delegate(&validator.address, group, stake, state, prefix)];
    opened(msgs, &STAKING_MESSAGES[1..2], group, state, prefix)
}

/// What the group does to take its stake from a validator.
pub fn release_validator(
    validator: &Validator,
    group: &GroupAddress,
    state: &StakingState,
    prefix: &Prefix,
) -> Msg {
    undelegate(&group.to_bech32(prefix), &validator.address, validator.consortium, state)
}

/// The message by which an operator takes back its own stake, all but what the chain wants to stay.
/// `None`: it has no more than that.
pub fn leave_validators(validator: &Validator, state: &StakingState) -> Option<Msg> {
    let amount = validator.own.checked_sub(OWN_STAKE).filter(|amount| *amount > 0)?;
    Some(undelegate(&validator.account, &validator.address, amount, state))
}

fn delegate(
    validator: &str,
    group: &GroupAddress,
    amount: u128,
    state: &StakingState,
    prefix: &Prefix,
) -> Msg {
    Msg::raw(&MsgDelegate {
        delegator_address: group.to_bech32(prefix),
        validator_address: validator.to_owned(),
        amount: Some(Coin { denom: state.denom.clone(), amount: amount.to_string() }),
    })
}

fn undelegate(account: &str, validator: &str, amount: u128, state: &StakingState) -> Msg {
    Msg::raw(&MsgUndelegate {
        delegator_address: account.to_owned(),
        validator_address: validator.to_owned(),
        amount: Some(Coin { denom: state.denom.clone(), amount: amount.to_string() }),
    })
}

/// `msgs` between the opening and the closing of those of `urls` that are closed now.
fn opened(
    mut msgs: Vec<Msg>,
    urls: &[&str],
    group: &GroupAddress,
    state: &StakingState,
    prefix: &Prefix,
) -> Vec<Msg> {
    let closed = |url: &&&str| state.closed.iter().any(|closed| closed == **url);
    let urls: Vec<String> = urls.iter().filter(closed).map(|url| (*url).to_owned()).collect();
    if !urls.is_empty() {
        let authority = group.to_bech32(prefix);
        let open =
            proto::MsgResetCircuitBreaker { authority: authority.clone(), msg_type_urls: urls.clone() };
        msgs.insert(0, Msg::raw(&open));
        msgs.push(Msg::raw(&proto::MsgTripCircuitBreaker { authority, msg_type_urls: urls }));
    }
    msgs
}

#[cfg(test)]
mod tests {
    use super::*;
    use casewise_ledger::Address;
    use cosmrs::proto::{
        cosmos::staking::v1beta1::{MsgBeginRedelegate, MsgCancelUnbondingDelegation},
        prost::Name,
    };

    const GROUP: GroupAddress = GroupAddress([3; 32]);

    fn state(closed: &[&str]) -> StakingState {
        StakingState {
            height: 1,
            validators: Vec::new(),
            closed: closed.iter().map(|url| (*url).to_owned()).collect(),
            denom: "stake".to_owned(),
            unbonding_s: 1,
        }
    }

    fn validator(own: u128) -> Validator {
        let account = account_to_bech32(&Address([7; 20]), &Prefix::default());
        Validator {
            address: validator_address(&account, &Prefix::default()).unwrap(),
            account,
            name: "n".to_owned(),
            consensus: String::new(),
            status: ValidatorStatus::Active,
            jailed: false,
            power: 1,
            own,
            consortium: 5,
            signed: true,
        }
    }

    fn new(name: &str) -> NewValidator {
        NewValidator { account: validator(0).account, key: ConsensusKey([9; 32]), name: name.to_owned() }
    }

    fn urls(msgs: &[Msg]) -> Vec<&str> {
        msgs.iter()
            .map(|msg| match msg {
                Msg::Raw { type_url, .. } => type_url.as_str(),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn what_is_opened_is_closed_again_in_the_same_proposal() {
        let prefix = Prefix::default();
        let (open, close) =
            ("/cosmos.circuit.v1.MsgResetCircuitBreaker", "/cosmos.circuit.v1.MsgTripCircuitBreaker");
        let (create, delegate) = ("/cosmos.authz.v1beta1.MsgExec", STAKING_MESSAGES[1]);
        let msgs = add_validator(&new("a"), &GROUP, 5, &state(&STAKING_MESSAGES), &prefix).unwrap();
        assert_eq!(urls(&msgs), [open, create, delegate, close]);
        let (Msg::Raw { value: first, .. }, Msg::Raw { value: last, .. }) = (&msgs[0], &msgs[3]) else {
            panic!("{msgs:?}")
        };
        let first = proto::MsgResetCircuitBreaker::decode(first.as_slice()).unwrap();
        let last = proto::MsgTripCircuitBreaker::decode(last.as_slice()).unwrap();
        assert_eq!(first.msg_type_urls, STAKING_MESSAGES[..2]);
        assert_eq!((&first.msg_type_urls, &first.authority), (&last.msg_type_urls, &last.authority));

        // What is open already is not touched: the chain would refuse.
        let msgs = add_validator(&new("a"), &GROUP, 5, &state(&STAKING_MESSAGES[..1]), &prefix).unwrap();
        let Msg::Raw { value, .. } = &msgs[0] else { panic!("{msgs:?}") };
        let first = proto::MsgResetCircuitBreaker::decode(value.as_slice()).unwrap();
        assert_eq!(first.msg_type_urls, STAKING_MESSAGES[..1]);
        let msgs = back_validator(&validator(1), &GROUP, 5, &state(&[]), &prefix);
        assert_eq!(urls(&msgs), [delegate]);
        let msgs = back_validator(&validator(1), &GROUP, 5, &state(&STAKING_MESSAGES), &prefix);
        assert_eq!(urls(&msgs), [open, delegate, close]);
    }

    #[test]
    fn a_name_within_its_limits() {
        for (name, good) in [
            ("", false),
            ("x", true),
            (&"x".repeat(MAX_MONIKER), true),
            (&"x".repeat(MAX_MONIKER + 1), false),
        ] {
            let made = add_validator(&new(name), &GROUP, 5, &state(&[]), &Prefix::default());
            assert_eq!(made.is_ok(), good, "{} bytes", name.len());
        }
    }

    #[test]
    fn an_operator_leaves_what_the_chain_wants_to_stay() {
        let amount = |own| match leave_validators(&validator(own), &state(&[]))? {
            Msg::Raw { value, .. } => MsgUndelegate::decode(value.as_slice()).ok()?.amount.map(|c| c.amount),
            other => panic!("{other:?}"),
        };
        assert_eq!(amount(0), None);
        assert_eq!(amount(OWN_STAKE), None);
        assert_eq!(amount(OWN_STAKE + 1).as_deref(), Some("1"));
        assert_eq!(amount(100_000_000).as_deref(), Some("99999999"));
    }

    #[test]
    fn a_network_is_closed_only_when_every_way_to_power_is() {
        assert!(state(&STAKING_MESSAGES).is_closed());
        for (at, left) in STAKING_MESSAGES.iter().enumerate() {
            let mut some = STAKING_MESSAGES.to_vec();
            some.remove(at);
            assert!(!state(&some).is_closed(), "{left}");
        }
        let names = [
            MsgCreateValidator::full_name(),
            MsgDelegate::full_name(),
            MsgBeginRedelegate::full_name(),
            MsgCancelUnbondingDelegation::full_name(),
        ];
        assert_eq!(names.map(|name| format!("/{name}")), STAKING_MESSAGES);
    }
}
