//! Fee allowances: periodic, for contract messages only.

use cosmrs::{
    Any,
    proto::{
        Timestamp,
        cosmos::{
            base::v1beta1::Coin,
            feegrant::v1beta1::{AllowedMsgAllowance, BasicAllowance, PeriodicAllowance},
        },
        prost::{Message, Name},
        tendermint::google::protobuf::Duration,
    },
};

use crate::{Allowance, ChainError};

/// The only message type an allowance made here pays for.
pub const EXECUTE_CONTRACT: &str = "/cosmwasm.wasm.v1.MsgExecuteContract";

/// How much an account may spend on fees: `limit` of the fee coin in each period, for contract
/// messages only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeriodicLimit {
    /// Length of a period, seconds.
    pub period_s: u64,
    /// Most fees in a period.
    pub limit: u128,
    /// When it ends, Unix ms; `None` = when it is revoked.
    pub expires_ms: Option<u64>,
}

pub(crate) fn encode(limit: &PeriodicLimit, denom: &str) -> Result<Any, ChainError> {
    let seconds = i64::try_from(limit.period_s).ok().filter(|s| *s > 0);
    let seconds =
        seconds.ok_or_else(|| ChainError::invalid("allowance period", "give at least one second"))?;
    if limit.limit == 0 {
        return Err(ChainError::invalid("allowance limit", "0 pays for nothing"));
    }
    let coins = vec![Coin { denom: denom.to_owned(), amount: limit.limit.to_string() }];
    let periodic = PeriodicAllowance {
        basic: Some(BasicAllowance { spend_limit: Vec::new(), expiration: limit.expires_ms.map(timestamp) }),
        period: Some(Duration { seconds, nanos: 0 }),
        period_spend_limit: coins.clone(),
        period_can_spend: coins,
        // The chain sets the first reset from its own time when it takes the grant.
        period_reset: Some(Timestamp::default()),
    };
    let allowed = AllowedMsgAllowance {
        allowance: Some(any(&periodic)),
        allowed_messages: vec![EXECUTE_CONTRACT.to_owned()],
    };
    Ok(any(&allowed))
}

pub(crate) fn decode(allowance: Any) -> Result<Allowance, ChainError> {
    let (inner, messages) = match unpack::<AllowedMsgAllowance>(&allowance)? {
        Some(allowed) => {
            let inner = allowed.allowance.ok_or_else(|| ChainError::malformed("an empty allowance"))?;
            (inner, allowed.allowed_messages)
        }
        None => (allowance, Vec::new()),
    };
    if let Some(periodic) = unpack::<PeriodicAllowance>(&inner)? {
        let basic = periodic.basic.unwrap_or_default();
        return result(messages, &periodic.period_can_spend, basic.expiration);
    }
    match unpack::<BasicAllowance>(&inner)? {
        Some(basic) => result(messages, &basic.spend_limit, basic.expiration),
        None => Err(ChainError::malformed(format!("a fee allowance of type {}", inner.type_url))),
    }
}

fn result(
    messages: Vec<String>,
    coins: &[Coin],
    expires: Option<Timestamp>,
) -> Result<Allowance, ChainError> {
    let left = match coins {
        [] => None,
        [coin, ..] => {
            Some(coin.amount.parse().map_err(|_| ChainError::malformed("an allowance that is no number"))?)
        }
    };
    let expires_ms = expires.map(|t| {
        u64::try_from(t.seconds).unwrap_or(0).saturating_mul(1000)
            + u64::try_from(t.nanos).unwrap_or(0) / 1_000_000
    });
    Ok(Allowance { messages, left, expires_ms })
}

fn timestamp(ms: u64) -> Timestamp {
    Timestamp { seconds: (ms / 1000) as i64, nanos: ((ms % 1000) * 1_000_000) as i32 }
}

pub(crate) fn any<M: Message + Name>(message: &M) -> Any {
    Any { type_url: format!("/{}", M::full_name()), value: message.encode_to_vec() }
}

fn unpack<M: Message + Name + Default>(any: &Any) -> Result<Option<M>, ChainError> {
    if any.type_url != format!("/{}", M::full_name()) {
        return Ok(None);
    }
    M::decode(any.value.as_slice()).map(Some).map_err(ChainError::malformed)
}
