//! ProposeAuthority and AcceptAuthority.

use casewise_protocol::{
    registrar::{ConfigResponse, ExecuteMsg, QueryMsg},
    Event,
};
use casewise_testkit::contracts::Suite;

use crate::{account, nothing, refused};

const NOT_PROPOSED: &str = "sender: not the account proposed as authority; have the authority propose it";

fn propose(account: Option<&str>) -> ExecuteMsg {
    ExecuteMsg::ProposeAuthority { account: account.map(str::to_string) }
}

fn config(suite: &Suite) -> (String, Option<String>) {
    let config: ConfigResponse = suite.ask_registrar(&QueryMsg::Config {}).unwrap();
    (config.authority, config.proposed)
}

#[test]
fn two_steps() {
    let mut suite = Suite::new();
    let (old, new) = (suite.authority.clone(), account("new"));
    let done = suite.registrar(&old, &propose(Some(new.as_str()))).unwrap();
    assert_eq!(done.events(), [Event::AuthorityProposed]);
    assert_eq!(config(&suite), (old.to_string(), Some(new.to_string())));
    nothing(&mut suite, &old, &propose(Some(new.as_str())));
    // until it is accepted the old one decides, and nobody else accepts
    suite.admit("A");
    for sender in [&old, &account("A"), &account("stranger")] {
        refused(&mut suite, sender, &ExecuteMsg::AcceptAuthority {}, NOT_PROPOSED);
    }
    let done = suite.registrar(&new, &ExecuteMsg::AcceptAuthority {}).unwrap();
    assert_eq!(done.events(), [Event::AuthorityChanged]);
    assert_eq!(config(&suite), (new.to_string(), None));
    nothing(&mut suite, &new, &ExecuteMsg::AcceptAuthority {});
    let words = "sender: not the consortium's authority; send this from its account";
    refused(&mut suite, &old, &Suite::admission("B"), words);
    refused(&mut suite, &old, &propose(Some(old.as_str())), words);
    refused(&mut suite, &old, &ExecuteMsg::AcceptAuthority {}, NOT_PROPOSED);
    suite.registrar(&new, &Suite::admission("B")).unwrap();
    // ppr asks registrar who the authority is
    let set = casewise_protocol::ppr::ExecuteMsg::SetSummary { summary: suite.summary.to_string() };
    suite.ppr(&old, &set).unwrap_err();
    suite.ppr(&new, &set).unwrap();
}

#[test]
fn a_proposal_can_be_changed_and_taken_back() {
    let mut suite = Suite::new();
    let authority = suite.authority.clone();
    nothing(&mut suite, &authority, &propose(None));
    suite.registrar(&authority, &propose(Some(account("one").as_str()))).unwrap();
    suite.registrar(&authority, &propose(Some(account("two").as_str()))).unwrap();
    refused(&mut suite, &account("one"), &ExecuteMsg::AcceptAuthority {}, NOT_PROPOSED);
    let done = suite.registrar(&authority, &propose(None)).unwrap();
    assert_eq!(done.events(), [Event::AuthorityProposed]);
    assert_eq!(config(&suite), (authority.to_string(), None));
    refused(&mut suite, &account("two"), &ExecuteMsg::AcceptAuthority {}, NOT_PROPOSED);
}

#[test]
fn what_cannot_be_proposed() {
    let mut suite = Suite::new();
    let authority = suite.authority.clone();
    let words =
        "account: is the consortium's authority already; propose another, or none to take a proposal back";
    refused(&mut suite, &authority, &propose(Some(authority.as_str())), words);
    for wrong in ["", "consortium", &authority.as_str().to_uppercase()] {
        let words = "account: not an account of this network; send it in lower-case bech32 with 20 bytes";
        refused(&mut suite, &authority, &propose(Some(wrong)), words);
    }
    // a group's account has 32 bytes
    let group = suite.summary.to_string();
    suite.registrar(&authority, &propose(Some(&group))).unwrap();
    assert_eq!(config(&suite).1, Some(group));
}
