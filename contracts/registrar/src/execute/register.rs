//! The authority admits an institution.

use casewise_ledger::{
    records::{InstitutionRecord, InstitutionStatus},
    Address, V1,
};
use casewise_protocol::{
    block_ms,
    convert::{self, InstitutionKind},
    record::{self, Be32},
    registrar::{MAX_ENDPOINT, MAX_NAME, MAX_OPERATORS},
    Event,
};
use cosmwasm_std::{DepsMut, Env, HexBinary, MessageInfo, Response, Storage};

use crate::{
    state::{self, Details},
    ContractError,
};

/// The fields of the message.
pub struct Admission {
    pub kind: InstitutionKind,
    pub account: String,
    pub name: String,
    pub endpoint: String,
    pub kem: HexBinary,
    pub operators: Vec<String>,
}

/// The same, checked.
struct Facts {
    institution: InstitutionRecord,
    endpoint: String,
    /// The main account first, each once.
    operators: Vec<Address>,
}

/// Gives the institution the next number. The same facts for the same account change nothing.
pub fn register(
    deps: DepsMut,
    env: Env,
    info: MessageInfo,
    admission: Admission,
) -> Result<Response, ContractError> {
    state::require_authority(deps.as_ref(), &info.sender)?;
    state::require_registrations(deps.storage)?;
    let facts = facts(&deps, admission, block_ms(&env.block))?;
    if let Some(number) = state::operates(deps.storage, &facts.institution.account.0)? {
        return repeated(deps.storage, number, &facts);
    }
    for operator in &facts.operators {
        if let Some(number) = state::operates(deps.storage, &operator.0)? {
            return Err(ContractError::OperatesAnother { number });
        }
        state::require_no_practitioner(deps.storage, operator)?;
    }
    let number = state::count(deps.storage)? + 1;
    save(deps.storage, number, &facts);
    let account = facts.institution.account;
    let further = facts.operators.iter().filter(|operator| **operator != account);
    let further = further.map(|operator| Event::OperatorAdded { institution: number, account: *operator });
    let events = core::iter::once(Event::InstitutionRegistered { number, account }).chain(further);
    Ok(Response::new().add_events(events.map(Event::into_cosmwasm)))
}

fn facts(deps: &DepsMut, admission: Admission, now: u64) -> Result<Facts, ContractError> {
    let account = convert::account(deps.api, "account", &admission.account)?;
    if admission.operators.len() >= MAX_OPERATORS {
        return Err(ContractError::TooManyOperators);
    }
    let mut operators = vec![account];
    for operator in &admission.operators {
        let operator = convert::account(deps.api, "operators", operator)?;
        if !operators.contains(&operator) {
            operators.push(operator);
        }
    }
    check_name(&admission.name)?;
    check_endpoint(&admission.endpoint)?;
    let institution = InstitutionRecord {
        version: V1,
        status: InstitutionStatus::Active,
        kind: admission.kind.into(),
        account,
        kem: convert::fixed("kem", &admission.kem)?,
        kem_epoch: 0,
        since: now,
        name: admission.name,
    };
    Ok(Facts { institution, endpoint: admission.endpoint, operators })
}

/// A registration of an account that operates `number` already.
fn repeated(storage: &dyn Storage, number: u32, facts: &Facts) -> Result<Response, ContractError> {
    let stored = state::institution(storage, number)?;
    let InstitutionRecord { kind, account, kem, name, .. } = &facts.institution;
    let mut same = (&stored.kind, &stored.account, &stored.kem, &stored.name) == (kind, account, kem, name);
    same &= state::DETAILS.load(storage, &number.to_be_bytes())?.endpoint == facts.endpoint;
    for operator in &facts.operators {
        same &= state::operates(storage, &operator.0)? == Some(number);
    }
    if same {
        Ok(Response::new())
    } else {
        Err(ContractError::AlreadyRegistered { number })
    }
}

fn save(storage: &mut dyn Storage, number: u32, facts: &Facts) {
    let id = number.to_be_bytes();
    state::COUNT.save(storage, &[], &Be32(number));
    record::INSTITUTION.save(storage, &id, &facts.institution);
    let details = Details { endpoint: facts.endpoint.clone(), operators: facts.operators.len() as u32 };
    state::DETAILS.save(storage, &id, &details);
    for operator in &facts.operators {
        record::OPERATOR.save(storage, &operator.0, &Be32(number));
    }
}

/// The rule of names.
pub fn check_name(name: &str) -> Result<(), ContractError> {
    let printable = !name.chars().any(char::is_control) && name.trim() == name;
    if (1..=MAX_NAME).contains(&name.len()) && printable {
        Ok(())
    } else {
        Err(ContractError::Name)
    }
}

/// The rule of endpoints.
pub fn check_endpoint(endpoint: &str) -> Result<(), ContractError> {
    let rest = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"));
    let plain = |rest: &str| {
        let host = rest.split('/').next().unwrap_or_default();
        !host.is_empty()
            && rest.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'@' | b'?' | b'#' | b'\\'))
    };
    if endpoint.len() <= MAX_ENDPOINT && rest.is_some_and(plain) {
        Ok(())
    } else {
        Err(ContractError::Endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["A", "Hôpital Saint-Louis", &"x".repeat(MAX_NAME)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", " A", "A ", "A\nB", "\u{7f}", &"x".repeat(MAX_NAME + 1)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn endpoints() {
        let longest = format!("https://{}", "x".repeat(MAX_ENDPOINT - 8));
        for good in ["https://a.example", "http://127.0.0.1:7001", "https://a.example/agent", &longest] {
            assert!(check_endpoint(good).is_ok(), "{good}");
        }
        let too_long = format!("{longest}x");
        for bad in [
            "",
            "a.example",
            "ftp://a.example",
            "https://",
            "https:///path",
            "https://user@a.example",
            "https://a.example?x=1",
            "https://a.example#x",
            "https://a example",
            "https://a.example\n",
            "https://\u{e4}.example",
            &too_long,
        ] {
            assert!(check_endpoint(bad).is_err(), "{bad}");
        }
    }
}
