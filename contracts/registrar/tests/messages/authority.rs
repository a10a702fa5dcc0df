//! Who may send what: each message from every kind of sender who may not.

use casewise_protocol::registrar::ExecuteMsg;
use casewise_testkit::contracts::{addr, key, Suite, PREFIX};
use cosmwasm_std::{Addr, HexBinary};

#[test]
fn wrong_senders() {
    let mut suite = Suite::new();
    let (a, b) = (suite.admit("A"), suite.admit("B"));
    let patient = suite.enrol(&a, "p");
    let other = suite.offer("q", a.number, None);
    let stranger = addr(&key("stranger").address());
    let authority = suite.authority.clone();
    let registrar = suite.registrar.clone();

    let account = || addr(&key("new").address()).into_string();
    let endpoint = || Some("https://x.example".to_string());
    let outsiders = || vec![a.addr(), b.addr(), patient.addr(), stranger.clone(), registrar.clone()];
    let not_of_a = || vec![b.addr(), patient.addr(), stranger.clone(), registrar.clone()];
    let no_operator = || vec![authority.clone(), patient.addr(), stranger.clone(), registrar.clone()];
    let authority_words = "sender: not the consortium's authority; send this from its account";
    let operator_words =
        "sender: not an operator of institution 1; send this from one of its operator accounts";
    let none_words = "sender: operates no institution; have an institution add the account as operator";
    let table: Vec<(ExecuteMsg, Vec<Addr>, &str)> = vec![
        (Suite::admission("C"), outsiders(), authority_words),
        (ExecuteMsg::SuspendInstitution { institution: 1 }, outsiders(), authority_words),
        (ExecuteMsg::ResumeInstitution { institution: 1 }, outsiders(), authority_words),
        (ExecuteMsg::ProposeAuthority { account: Some(account()) }, outsiders(), authority_words),
        (ExecuteMsg::ProposeAuthority { account: None }, outsiders(), authority_words),
        (ExecuteMsg::SetPpr { ppr: suite.summary.to_string() }, outsiders(), authority_words),
        (ExecuteMsg::PauseRegistrations { paused: true }, outsiders(), authority_words),
        (
            ExecuteMsg::UpdateInstitution { institution: 1, name: Some("X".to_string()), endpoint: None },
            vec![a.addr()],
            authority_words,
        ),
        (
            ExecuteMsg::UpdateInstitution { institution: 1, name: None, endpoint: endpoint() },
            not_of_a(),
            operator_words,
        ),
        (ExecuteMsg::AddOperator { institution: 1, account: account() }, not_of_a(), operator_words),
        (ExecuteMsg::RemoveOperator { institution: 1, account: account() }, not_of_a(), operator_words),
        (ExecuteMsg::RotateKem { kem: HexBinary::from([1; 32]) }, no_operator(), none_words),
        (ExecuteMsg::enrol(PREFIX, &other.offer).unwrap(), no_operator(), none_words),
    ];
    let before = suite.dump(&suite.registrar);
    for (msg, senders, words) in table {
        for sender in senders {
            assert_eq!(suite.registrar(&sender, &msg).unwrap_err(), words, "{msg:?} from {sender}");
        }
    }
    // a suspended institution enrols nobody
    suite.registrar(&authority, &ExecuteMsg::SuspendInstitution { institution: 1 }).unwrap();
    let error = suite.registrar(&a.addr(), &ExecuteMsg::enrol(PREFIX, &other.offer).unwrap()).unwrap_err();
    assert_eq!(error, "sender: institution 1 is suspended; ask the consortium to resume it");
    suite.registrar(&authority, &ExecuteMsg::ResumeInstitution { institution: 1 }).unwrap();
    let strip = |state: Vec<(Vec<u8>, Vec<u8>)>| -> Vec<_> {
        // `since` of the institution moved with the suspension; everything else is as before
        state.into_iter().filter(|(key, _)| !key.ends_with(b"inst\0\0\0\x01")).collect()
    };
    assert_eq!(strip(suite.dump(&suite.registrar)), strip(before));
}
