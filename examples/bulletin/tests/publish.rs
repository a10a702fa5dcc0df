//! The contract beside the real registrar, in one process.

use casewise_example_bulletin::{execute, instantiate, query, ExecuteMsg, InstantiateMsg, Notice, QueryMsg};
use casewise_protocol::registrar;
use casewise_testkit::contracts::{addr, key, Suite};
use cosmwasm_std::Addr;
use cw_multi_test::{ContractWrapper, Executor};

/// The three contracts of Casewise, and this one beside them.
fn start() -> (Suite, Addr) {
    let mut suite = Suite::new();
    let code = suite.app.store_code(Box::new(ContractWrapper::new(execute, instantiate, query)));
    let msg = InstantiateMsg { registrar: suite.registrar.to_string() };
    let sender = suite.authority.clone();
    let bulletin = suite.app.instantiate_contract(code, sender, &msg, &[], "bulletin", None).unwrap();
    (suite, bulletin)
}

fn publish(byte: u8) -> ExecuteMsg {
    ExecuteMsg::Publish { hash: [byte; 32].into() }
}

fn notices(suite: &Suite, bulletin: &Addr, after: Option<u8>) -> Vec<(u8, u32)> {
    let ask = QueryMsg::Notices { start_after: after.map(|byte| [byte; 32].into()), limit: Some(2) };
    let page: Vec<Notice> = suite.app.wrap().query_wasm_smart(bulletin, &ask).unwrap();
    page.iter().map(|notice| (notice.hash.as_slice()[0], notice.institution)).collect()
}

#[test]
fn institutions_publish_and_anyone_reads() {
    let (mut suite, bulletin) = start();
    let (a, b) = (suite.admit("A"), suite.admit("B"));
    for (institution, byte) in [(&a, 1), (&b, 2), (&a, 3), (&a, 3)] {
        suite.send(&institution.addr(), &bulletin, &publish(byte)).unwrap();
    }
    assert_eq!(notices(&suite, &bulletin, None), [(1, a.number), (2, b.number)]);
    assert_eq!(notices(&suite, &bulletin, Some(2)), [(3, a.number)]);
    let again = suite.send(&b.addr(), &bulletin, &publish(3)).unwrap_err();
    assert_eq!(again, "hash: published by institution 1; nothing to add");
}

#[test]
fn strangers_and_suspended_institutions_do_not() {
    let (mut suite, bulletin) = start();
    let a = suite.admit("A");
    let stranger = addr(&key("stranger").address());
    let refused = suite.send(&stranger, &bulletin, &publish(1)).unwrap_err();
    assert_eq!(refused, "sender: operates no institution; have an institution add the account as operator");
    let suspend = registrar::ExecuteMsg::SuspendInstitution { institution: a.number };
    suite.registrar(&suite.authority.clone(), &suspend).unwrap();
    let refused = suite.send(&a.addr(), &bulletin, &publish(1)).unwrap_err();
    assert_eq!(refused, "sender: institution 1 is suspended; ask the consortium to resume it");
    assert_eq!(notices(&suite, &bulletin, None), []);
}

#[test]
fn a_hash_has_32_bytes() {
    let (mut suite, bulletin) = start();
    let a = suite.admit("A");
    for length in [31, 33] {
        let msg = ExecuteMsg::Publish { hash: vec![0; length].into() };
        let refused = suite.send(&a.addr(), &bulletin, &msg).unwrap_err();
        assert_eq!(
            refused,
            format!("hash: expected 32 bytes, got {length}; send the whole value in hexadecimal")
        );
    }
}
