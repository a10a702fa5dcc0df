//! What a message of a proposal says, for people who vote on it.
//!
//! Responsible for showing all of a message, or saying that it is unknown and giving its bytes. Must
//! never leave out a field: a member could hide in it what the others would not agree to.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cosmrs::proto::{
    Any,
    cosmos::{
        authz::v1beta1::MsgExec as AuthzExec,
        bank::v1beta1::MsgSend,
        base::v1beta1::Coin,
        crypto::ed25519::PubKey,
        staking::v1beta1::{CommissionRates, Description, MsgCreateValidator, MsgDelegate, MsgUndelegate},
    },
    cosmwasm::wasm::v1::{MsgExecuteContract, MsgMigrateContract, MsgUpdateAdmin},
    prost::{Message, Name},
};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value, json};

use crate::proto as pb;

/// How many messages that carry others are taken apart, one within the other.
pub const MAX_NESTED: usize = 4;

/// Parts of one in the chain's decimal numbers.
const DECIMAL: u128 = 10_u128.pow(DECIMAL_PLACES as u32);
const DECIMAL_PLACES: usize = 18;

/// A message: its type and what it says.
pub fn describe(message: &Any) -> Value {
    nested(message, MAX_NESTED)
}

fn nested(message: &Any, depth: usize) -> Value {
    call(message)
        .or_else(|| staking(message))
        .or_else(|| other(message))
        .or_else(|| carrier(message, depth))
        .unwrap_or_else(|| unknown(message))
}

/// Nobody votes on what he cannot read without knowing that.
fn unknown(message: &Any) -> Value {
    json!({"type": message.type_url, "content": bytes(&message.value)})
}

fn bytes(bytes: &[u8]) -> Value {
    json!({"unknown": STANDARD.encode(bytes)})
}

/// What a message of the type `M` says; `None` when it is of another type, or its bytes say more than
/// the decoded message.
fn known<M: Message + Name + Default>(message: &Any, show: impl FnOnce(M) -> Value) -> Option<Value> {
    if message.type_url.strip_prefix('/') != Some(M::full_name().as_str()) {
        return None;
    }
    let decoded = M::decode(message.value.as_slice()).ok()?;
    // Decoding forgets fields it does not know and all but the last of a field that comes twice.
    if decoded.encode_to_vec() != message.value {
        return None;
    }
    Some(json!({"type": M::NAME, "content": show(decoded)}))
}

// Below, each message is taken apart without `..`: a field that is new to it does not compile
// until it is shown.

fn call(message: &Any) -> Option<Value> {
    known(message, |m: MsgExecuteContract| {
        let MsgExecuteContract { sender, contract, msg, funds } = m;
        json!({"sender": sender, "contract": contract, "msg": exact(&msg), "funds": coins(&funds)})
    })
    .or_else(|| {
        known(message, |m: MsgMigrateContract| {
            let MsgMigrateContract { sender, contract, code_id, msg } = m;
            json!({"sender": sender, "contract": contract, "code": code_id, "msg": exact(&msg)})
        })
    })
    .or_else(|| {
        known(message, |m: MsgUpdateAdmin| {
            let MsgUpdateAdmin { sender, new_admin, contract } = m;
            json!({"sender": sender, "new_admin": new_admin, "contract": contract})
        })
    })
}

fn staking(message: &Any) -> Option<Value> {
    known(message, |m: MsgDelegate| {
        let MsgDelegate { delegator_address, validator_address, amount } = m;
        json!({"delegator": delegator_address, "validator": validator_address,
            "amount": amount.as_ref().map(coin)})
    })
    .or_else(|| {
        known(message, |m: MsgUndelegate| {
            let MsgUndelegate { delegator_address, validator_address, amount } = m;
            json!({"delegator": delegator_address, "validator": validator_address,
                "amount": amount.as_ref().map(coin)})
        })
    })
    .or_else(|| known(message, validator))
}

fn other(message: &Any) -> Option<Value> {
    known(message, |m: MsgSend| {
        let MsgSend { from_address, to_address, amount } = m;
        json!({"from": from_address, "to": to_address, "amount": coins(&amount)})
    })
    .or_else(|| {
        known(message, |m: pb::MsgResetCircuitBreaker| {
            let pb::MsgResetCircuitBreaker { authority, msg_type_urls } = m;
            json!({"authority": authority, "allow": msg_type_urls})
        })
    })
    .or_else(|| {
        known(message, |m: pb::MsgTripCircuitBreaker| {
            let pb::MsgTripCircuitBreaker { authority, msg_type_urls } = m;
            json!({"authority": authority, "forbid": msg_type_urls})
        })
    })
}

/// A message that carries others.
fn carrier(message: &Any, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    known(message, |m: AuthzExec| {
        let AuthzExec { grantee, msgs } = m;
        let msgs: Vec<Value> = msgs.iter().map(|inner| nested(inner, depth)).collect();
        json!({"grantee": grantee, "msgs": msgs})
    })
}

#[expect(deprecated, reason = "a field that the chain takes can be used to hide something")]
fn validator(message: MsgCreateValidator) -> Value {
    let MsgCreateValidator {
        description,
        commission,
        min_self_delegation,
        delegator_address,
        validator_address,
        pubkey,
        value,
    } = message;
    json!({
        "description": description.map(about),
        "commission": commission.map(rates),
        "min_self_delegation": min_self_delegation,
        "delegator": delegator_address,
        "validator": validator_address,
        "key": pubkey.as_ref().map(key),
        "value": value.as_ref().map(coin),
    })
}

fn about(description: Description) -> Value {
    let Description { moniker, identity, website, security_contact, details } = description;
    json!({"name": moniker, "identity": identity, "website": website, "contact": security_contact,
        "details": details})
}

fn rates(commission: CommissionRates) -> Value {
    let CommissionRates { rate, max_rate, max_change_rate } = commission;
    json!({"rate": decimal(&rate), "max_rate": decimal(&max_rate),
        "max_change_rate": decimal(&max_change_rate)})
}

/// A decimal number of the chain, which is written in parts of one, as people write it.
fn decimal(text: &str) -> Value {
    match text.parse::<u128>() {
        Ok(parts) if parts.to_string() == text => {
            let fraction = format!("{:0DECIMAL_PLACES$}", parts % DECIMAL);
            let number = format!("{}.{fraction}", parts / DECIMAL);
            json!(number.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => json!({"unknown": text}),
    }
}

fn key(key: &Any) -> Value {
    known(key, |key: PubKey| {
        let PubKey { key } = key;
        json!({"key": STANDARD.encode(key)})
    })
    .unwrap_or_else(|| unknown(key))
}

fn coin(coin: &Coin) -> Value {
    let Coin { denom, amount } = coin;
    json!({"amount": amount, "denom": denom})
}

fn coins(coins: &[Coin]) -> Vec<Value> {
    coins.iter().map(coin).collect()
}

/// A contract's message, when JSON says all of it.
fn exact(text: &[u8]) -> Value {
    serde_json::from_slice(text).map_or_else(|_| bytes(text), |Exact(value)| value)
}

/// JSON of which nothing is lost: no name twice in an object, no number that would be rounded.
struct Exact(Value);

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ExactVisitor)
    }
}

struct ExactVisitor;

impl<'de> Visitor<'de> for ExactVisitor {
    type Value = Exact;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON with whole numbers and each name once")
    }

    fn visit_unit<E>(self) -> Result<Exact, E> {
        Ok(Exact(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Exact, E> {
        Ok(Exact(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Exact, E> {
        Ok(Exact(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Exact, E> {
        Ok(Exact(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Exact, E> {
        Ok(Exact(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Exact, A::Error> {
        let mut all = Vec::new();
        while let Some(Exact(value)) = seq.next_element()? {
            all.push(value);
        }
        Ok(Exact(Value::Array(all)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Exact, A::Error> {
        let mut all = Map::new();
        while let Some((name, Exact(value))) = map.next_entry::<String, Exact>()? {
            if all.insert(name, value).is_some() {
                return Err(de::Error::custom("a name twice"));
            }
        }
        Ok(Exact(Value::Object(all)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ConsensusKey, GroupAddress, NewValidator, POWER_REDUCTION, Prefix, STAKING_MESSAGES, StakingState,
        account_to_bech32, add_validator, allowance::any,
    };

    fn coin(amount: &str) -> Coin {
        Coin { denom: "stake".to_owned(), amount: amount.to_owned() }
    }

    fn execute(msg: &[u8]) -> MsgExecuteContract {
        MsgExecuteContract {
            sender: "wasm1group".to_owned(),
            contract: "wasm1contract".to_owned(),
            msg: msg.to_vec(),
            funds: Vec::new(),
        }
    }

    fn raw(message: &Any) -> Value {
        json!({"type": message.type_url, "content": {"unknown": STANDARD.encode(&message.value)}})
    }

    #[expect(deprecated, reason = "a field that the chain takes can be used to hide something")]
    fn validator() -> MsgCreateValidator {
        MsgCreateValidator {
            description: Some(Description {
                moniker: "node".to_owned(),
                identity: "identity".to_owned(),
                website: "website".to_owned(),
                security_contact: "contact".to_owned(),
                details: "details".to_owned(),
            }),
            commission: Some(CommissionRates {
                rate: "100000000000000000".to_owned(),
                max_rate: "200000000000000000".to_owned(),
                max_change_rate: "10000000000000000".to_owned(),
            }),
            min_self_delegation: "41".to_owned(),
            delegator_address: "wasm1delegator".to_owned(),
            validator_address: "wasmvaloper1a".to_owned(),
            pubkey: Some(any(&PubKey { key: vec![7; 32] })),
            value: Some(coin("42")),
        }
    }

    #[test]
    fn nothing_of_a_new_validator_is_hidden() {
        let shown = describe(&any(&validator()));
        assert_eq!(
            shown,
            json!({"type": "MsgCreateValidator", "content": {
                "description": {"name": "node", "identity": "identity", "website": "website",
                    "contact": "contact", "details": "details"},
                "commission": {"rate": "0.1", "max_rate": "0.2", "max_change_rate": "0.01"},
                "min_self_delegation": "41",
                "delegator": "wasm1delegator",
                "validator": "wasmvaloper1a",
                "key": {"type": "PubKey", "content": {"key": STANDARD.encode([7; 32])}},
                "value": {"amount": "42", "denom": "stake"},
            }})
        );
        let own = MsgCreateValidator { pubkey: Some(Any::default()), ..validator() };
        assert_eq!(describe(&any(&own))["content"]["key"], raw(&Any::default()));
    }

    #[test]
    fn coins_and_sender_of_a_call_are_shown() {
        let call = MsgExecuteContract {
            funds: vec![coin("5"), coin("6")],
            ..execute(br#"{"accept_authority":{}}"#)
        };
        assert_eq!(
            describe(&any(&call)),
            json!({"type": "MsgExecuteContract", "content": {
                "sender": "wasm1group",
                "contract": "wasm1contract",
                "msg": {"accept_authority": {}},
                "funds": [{"amount": "5", "denom": "stake"}, {"amount": "6", "denom": "stake"}],
            }})
        );
    }

    #[test]
    fn what_another_lets_the_group_do_is_shown_down_to_the_limit() {
        let call = any(&execute(b"{}"));
        let wrap = |inner: &Any| {
            any(&AuthzExec { grantee: "wasm1g".to_owned(), msgs: vec![inner.clone(), any(&validator())] })
        };
        let (mut message, mut depth) = (call.clone(), 0);
        while depth < MAX_NESTED {
            message = wrap(&message);
            depth += 1;
        }
        let mut shown = describe(&message);
        for _ in 0..MAX_NESTED {
            assert_eq!(shown["content"]["grantee"], "wasm1g");
            assert_eq!(shown["content"]["msgs"][1], describe(&any(&validator())));
            shown = shown["content"]["msgs"][0].clone();
        }
        assert_eq!(shown, describe(&call));
        let mut shown = describe(&wrap(&message));
        for _ in 0..MAX_NESTED {
            shown = shown["content"]["msgs"][0].clone();
        }
        assert_eq!(shown, raw(&wrap(&call)), "one level more is not taken apart");
    }

    #[test]
    fn a_message_with_a_field_that_is_not_shown_is_unknown() {
        for mut message in [
            any(&validator()),
            any(&execute(b"{}")),
            any(&MsgMigrateContract::default()),
            any(&MsgUpdateAdmin::default()),
            any(&MsgSend::default()),
            any(&MsgDelegate::default()),
            any(&MsgUndelegate::default()),
            any(&AuthzExec::default()),
            any(&pb::MsgResetCircuitBreaker::default()),
            any(&pb::MsgTripCircuitBreaker::default()),
        ] {
            assert!(describe(&message)["content"].get("unknown").is_none(), "{message:?}");
            // Field 15, one byte long.
            message.value.extend([15 << 3 | 2, 1, 9]);
            assert_eq!(describe(&message), raw(&message));
        }
        // The same field twice: the first one would be lost.
        let mut twice = any(&MsgDelegate { validator_address: "a".to_owned(), ..Default::default() });
        twice.value.extend(twice.value.clone());
        assert_eq!(describe(&twice), raw(&twice));
        // Within a message that carries others, only the one concerned.
        let outer = any(&AuthzExec { grantee: String::new(), msgs: vec![twice.clone()] });
        assert_eq!(describe(&outer)["content"]["msgs"][0], raw(&twice));
        // Within a coin, and within the node's key.
        let mut coin = coin("1").encode_to_vec();
        coin.extend([15 << 3 | 2, 1, 9]);
        let mut value = vec![3 << 3 | 2, coin.len() as u8];
        value.extend(coin);
        let hidden = Any { value, ..any(&MsgDelegate::default()) };
        assert_eq!(describe(&hidden), raw(&hidden));
        let mut key = any(&PubKey { key: vec![7; 32] });
        key.value.extend([15 << 3 | 2, 1, 9]);
        let other = any(&MsgCreateValidator { pubkey: Some(key.clone()), ..validator() });
        assert_eq!(describe(&other)["content"]["key"], raw(&key));
    }

    #[test]
    fn a_type_that_only_ends_like_a_known_one_is_unknown() {
        for type_url in ["/some.module.MsgDelegate", "cosmos.staking.v1beta1.MsgDelegate", ""] {
            let strange = Any { type_url: type_url.to_owned(), value: vec![1, 2] };
            assert_eq!(describe(&strange), raw(&strange));
        }
    }

    #[test]
    fn a_calls_json_is_shown_only_when_nothing_is_lost() {
        let shown = |msg: &[u8]| describe(&any(&execute(msg)))["content"]["msg"].clone();
        for good in [r#"{"a":{"b":[1,-2,"x",null,true,{}]}}"#, r#""word""#, "[]", "18446744073709551615"] {
            assert_eq!(shown(good.as_bytes()), serde_json::from_str::<Value>(good).unwrap(), "{good}");
        }
        for bad in [
            r#"{"a":1,"a":2}"#,
            r#"[{"a":{"b":1,"\u0062":2}}]"#,
            "0.1000000000000000055511151231257827",
            "18446744073709551616",
            "1e2",
            "{} {}",
            "{",
            "",
        ] {
            assert_eq!(shown(bad.as_bytes()), json!({"unknown": STANDARD.encode(bad)}), "{bad}");
        }
        assert_eq!(shown(b"\"\xff\""), json!({"unknown": STANDARD.encode(b"\"\xff\"")}));
    }

    #[test]
    fn what_the_group_does_itself_is_readable() {
        let admin = MsgUpdateAdmin {
            sender: "wasm1group".to_owned(),
            new_admin: "wasm1new".to_owned(),
            contract: "wasm1contract".to_owned(),
        };
        assert_eq!(
            describe(&any(&admin))["content"],
            json!({"sender": "wasm1group", "new_admin": "wasm1new", "contract": "wasm1contract"})
        );
        let send = MsgSend {
            from_address: "wasm1group".to_owned(),
            to_address: "wasm1to".to_owned(),
            amount: vec![coin("3")],
        };
        assert_eq!(
            describe(&any(&send))["content"],
            json!({"from": "wasm1group", "to": "wasm1to", "amount": [{"amount": "3", "denom": "stake"}]})
        );
    }

    #[test]
    fn shares_are_shown_as_people_write_them_or_as_they_stand() {
        for (text, shown) in [
            ("0", "0"),
            ("1", "0.000000000000000001"),
            ("50000000000000000", "0.05"),
            ("1000000000000000000", "1"),
            ("12500000000000000000", "12.5"),
        ] {
            assert_eq!(decimal(text), shown, "{text}");
        }
        for odd in ["", "0.1", "-1", "+1", "01", "340282366920938463463374607431768211456"] {
            assert_eq!(decimal(odd), json!({"unknown": odd}));
        }
    }

    #[test]
    fn the_proposal_of_a_new_validator_is_readable_throughout() {
        let (prefix, group) = (Prefix::default(), GroupAddress([7; 32]));
        let account = account_to_bech32(&casewise_ledger::Address([8; 20]), &prefix);
        let new = NewValidator { account, key: ConsensusKey([9; 32]), name: "node".to_owned() };
        let closed = STAKING_MESSAGES.iter().map(|kind| (*kind).to_owned()).collect();
        let state = StakingState {
            height: 1,
            validators: Vec::new(),
            closed,
            denom: "stake".to_owned(),
            unbonding_s: 1,
        };
        let msgs = add_validator(&new, &group, POWER_REDUCTION, &state, &prefix).unwrap();
        let account = group.to_bech32(&prefix);
        let shown: Vec<Value> =
            msgs.iter().map(|msg| describe(&msg.to_any(&account, &prefix).unwrap())).collect();
        let types: Vec<_> = shown.iter().map(|message| message["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["MsgResetCircuitBreaker", "MsgExec", "MsgDelegate", "MsgTripCircuitBreaker"]);
        assert!(!json!(shown).to_string().contains("unknown"), "{shown:?}");
    }
}
