//! Migration, from the state that 0.1.0 left behind, byte by byte.

use std::collections::BTreeMap;

use casewise_ledger::{sha256, Address, CaseId};
use casewise_protocol::{
    block_ms,
    registrar::{
        BucketResponse, ConfigResponse, ExecuteMsg, IdentityInfo, InstitutionInfo, MigrateMsg, QueryMsg,
        RecoveryInfo, DEFAULT_RECOVERY_DELAY, MAX_RECOVERY_DELAY, MIN_RECOVERY_DELAY,
    },
    Event,
};
use casewise_registrar::{contract, ContractError};
use casewise_testkit::contracts::{key, rotation};
use cosmwasm_std::{
    from_json,
    testing::{message_info, mock_dependencies, mock_env, MockApi, MockQuerier, MockStorage},
    Addr, Api, MigrateInfo, Order, OwnedDeps, Response, Storage,
};
use serde::de::DeserializeOwned;

type Deps = OwnedDeps<MockStorage, MockApi, MockQuerier>;

const CASE: CaseId = CaseId([8; 32]);
const AUTHORITY: Address = Address([6; 20]);

fn record(namespace: &str, id: &[u8]) -> Vec<u8> {
    [&(namespace.len() as u16).to_be_bytes()[..], namespace.as_bytes(), id].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

/// What the code of 0.1.0 stored for an institution with two operators that has enrolled a case.
fn state_of_0_1_0() -> BTreeMap<Vec<u8>, Vec<u8>> {
    let (institution, operator) = (key("A").address(), key("one").address());
    let holder = key("p").address();
    let number = 1u32.to_be_bytes();
    let version = br#"{"contract":"casewise-registrar","version":"0.1.0"}"#;
    let kem_epoch = 2u32.to_le_bytes();
    let since = 1_735_689_600_500u64.to_le_bytes();
    let inst = [&[1, 0, 0][..], &institution.0, &[3; 32], &kem_epoch, &since, &text("Hospital A")];
    let id = [&[1][..], &holder.0, &[4; 32], &0u32.to_le_bytes(), &1u32.to_le_bytes(), &[0], &since];
    let details = [&text("https://a.example")[..], &2u32.to_le_bytes()];
    let authority = [&20u32.to_le_bytes()[..], &AUTHORITY.0];
    BTreeMap::from([
        (b"contract_info".to_vec(), version.to_vec()),
        (record("authority", &[]), authority.concat()),
        (record("count", &[]), number.to_vec()),
        (record("inst", &number), inst.concat()),
        (record("details", &number), details.concat()),
        (record("op", &institution.0), number.to_vec()),
        (record("op", &operator.0), number.to_vec()),
        (record("id", &CASE.0), id.concat()),
        (record("holder", &sha256(&[&holder.0])), CASE.0.to_vec()),
        (record("recovery", &CASE.0), key("recovery").address().0.to_vec()),
    ])
}

fn deps_of_0_1_0() -> Deps {
    let mut deps = mock_dependencies();
    for (key, value) in state_of_0_1_0() {
        deps.storage.set(&key, &value);
    }
    deps
}

fn dump(deps: &Deps) -> BTreeMap<Vec<u8>, Vec<u8>> {
    deps.storage.range(None, None, Order::Ascending).collect()
}

fn migrate(deps: &mut Deps, recovery_delay: Option<u32>) -> Result<Response, ContractError> {
    let info = MigrateInfo { sender: Addr::unchecked("consortium"), old_migrate_version: None };
    contract::migrate(deps.as_mut(), mock_env(), MigrateMsg { recovery_delay }, info)
}

fn ask<T: DeserializeOwned>(deps: &Deps, msg: QueryMsg) -> T {
    from_json(contract::query(deps.as_ref(), mock_env(), msg).unwrap()).unwrap()
}

fn addr(deps: &Deps, account: &Address) -> Addr {
    deps.api.addr_humanize(&account.0.as_slice().into()).unwrap()
}

fn send(deps: &mut Deps, sender: &Address, msg: ExecuteMsg) -> Result<Response, ContractError> {
    let info = message_info(&addr(deps, sender), &[]);
    contract::execute(deps.as_mut(), mock_env(), info, msg)
}

#[test]
fn every_record_of_0_1_0_stays_as_it_is() {
    let mut deps = deps_of_0_1_0();
    migrate(&mut deps, None).unwrap();
    let mut after = dump(&deps);
    let version = format!(r#"{{"contract":"casewise-registrar","version":"{}"}}"#, env!("CARGO_PKG_VERSION"));
    let mut expected = state_of_0_1_0();
    expected.insert(b"contract_info".to_vec(), version.into_bytes());
    assert!(after.remove(&record("settings", &[])).is_some());
    assert_eq!(after, expected);

    let config: ConfigResponse = ask(&deps, QueryMsg::Config {});
    assert_eq!(config.authority, addr(&deps, &AUTHORITY).as_str());
    assert_eq!((config.institutions, config.recovery_delay), (1, DEFAULT_RECOVERY_DELAY));
    assert_eq!((config.proposed, config.ppr, config.paused), (None, None, false));
    let institution: Option<InstitutionInfo> = ask(&deps, QueryMsg::Institution { number: 1 });
    let institution = institution.unwrap();
    assert_eq!(
        (institution.name.as_str(), institution.endpoint.as_str()),
        ("Hospital A", "https://a.example")
    );
    assert_eq!((institution.kem_epoch, institution.operators), (2, 2));
    let identity: Option<IdentityInfo> = ask(&deps, QueryMsg::identity(&CASE));
    let identity = identity.unwrap();
    assert_eq!(identity.holder, addr(&deps, &key("p").address()).as_str());
    assert_eq!(identity.recovery, Some(addr(&deps, &key("recovery").address()).into_string()));
    assert_eq!((identity.epoch, identity.custodial, identity.institution), (0, false, 1));
    let prefix = sha256(&[&key("p").address().0])[0];
    let bucket: BucketResponse = ask(&deps, QueryMsg::bucket(prefix, None, None));
    assert_eq!(bucket.cases.len(), 1);
}

#[test]
fn what_is_new_works_on_what_is_old() {
    let mut deps = deps_of_0_1_0();
    migrate(&mut deps, Some(60)).unwrap();
    let card = rotation(&CASE, 1, "p2");
    send(&mut deps, &key("recovery").address(), ExecuteMsg::start_recovery(&card)).unwrap();
    let running: Option<RecoveryInfo> = ask(&deps, QueryMsg::recovery(&CASE));
    assert_eq!(running.unwrap().ready.u64(), block_ms(&mock_env().block) + 60_000);
    send(&mut deps, &key("p").address(), ExecuteMsg::veto_recovery(&CASE)).unwrap();
    // until the authority names ppr, the holder stays
    let error = send(&mut deps, &key("p").address(), ExecuteMsg::rotate(&card)).unwrap_err();
    assert_eq!(error.to_string(), crate::NO_PPR);
    let ppr = deps.api.addr_make("ppr").into_string();
    send(&mut deps, &AUTHORITY, ExecuteMsg::SetPpr { ppr }).unwrap();
    let done = send(&mut deps, &key("p").address(), ExecuteMsg::rotate(&card)).unwrap();
    assert_eq!(done.messages.len(), 1);
    let account = addr(&deps, &key("doctor").address()).into_string();
    let role = casewise_protocol::convert::PractitionerRole::Doctor;
    let msg = ExecuteMsg::RegisterPractitioner { account, role };
    let done = send(&mut deps, &key("one").address(), msg).unwrap();
    let status = casewise_ledger::records::PractitionerStatus::Active;
    let changed = Event::PractitionerChanged { account: key("doctor").address(), institution: 1, status };
    assert_eq!(done.events, [changed.into_cosmwasm()]);
}

#[test]
fn the_delay_is_set_kept_and_limited() {
    let delay = |deps: &Deps| ask::<ConfigResponse>(deps, QueryMsg::Config {}).recovery_delay;
    for wanted in [MIN_RECOVERY_DELAY, MAX_RECOVERY_DELAY] {
        let mut deps = deps_of_0_1_0();
        migrate(&mut deps, Some(wanted)).unwrap();
        assert_eq!(delay(&deps), wanted);
        // the same version again: the delay stays, or is another, and the other settings stay
        let ppr = deps.api.addr_make("ppr").into_string();
        send(&mut deps, &AUTHORITY, ExecuteMsg::SetPpr { ppr: ppr.clone() }).unwrap();
        migrate(&mut deps, None).unwrap();
        assert_eq!(delay(&deps), wanted);
        migrate(&mut deps, Some(7)).unwrap();
        assert_eq!(delay(&deps), 7);
        assert_eq!(ask::<ConfigResponse>(&deps, QueryMsg::Config {}).ppr, Some(ppr));
    }
    for wrong in [MIN_RECOVERY_DELAY - 1, MAX_RECOVERY_DELAY + 1] {
        let mut deps = deps_of_0_1_0();
        let error = migrate(&mut deps, Some(wrong)).unwrap_err();
        assert_eq!(error.to_string(), "recovery_delay: must be 1 to 2592000 seconds; choose another");
        assert_eq!(dump(&deps), state_of_0_1_0());
    }
}

#[test]
fn it_keeps_to_this_contract_and_does_not_fall() {
    for (name, version) in
        [("casewise-ppr", "0.1.0"), ("casewise-registrar", "99.0.0"), ("casewise-registrar", "0.2"), ("", "")]
    {
        let mut deps = deps_of_0_1_0();
        cw2::set_contract_version(&mut deps.storage, name, version).unwrap();
        let before = dump(&deps);
        let error = migrate(&mut deps, None).unwrap_err();
        let words =
            "migrate: the stored contract is another one or newer; migrate with a later version of this contract";
        assert_eq!(error.to_string(), words);
        assert_eq!(dump(&deps), before);
    }
    // a contract that does not say what it is
    let mut deps = mock_dependencies();
    assert!(matches!(migrate(&mut deps, None), Err(ContractError::Migration)));
    assert!(dump(&deps).is_empty());
}
