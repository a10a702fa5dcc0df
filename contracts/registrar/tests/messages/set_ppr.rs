//! SetPpr.

use casewise_protocol::registrar::{ConfigResponse, ExecuteMsg, QueryMsg};
use casewise_testkit::contracts::Suite;

use crate::{account, nothing, refused};

fn set(ppr: impl ToString) -> ExecuteMsg {
    ExecuteMsg::SetPpr { ppr: ppr.to_string() }
}

fn stored(suite: &Suite) -> Option<String> {
    suite.ask_registrar::<ConfigResponse>(&QueryMsg::Config {}).unwrap().ppr
}

#[test]
fn the_authority_names_ppr_and_may_name_another() {
    let mut suite = Suite::new();
    let (authority, ppr, other) = (suite.authority.clone(), suite.ppr.clone(), suite.summary.clone());
    assert_eq!(stored(&suite), Some(ppr.to_string()));
    nothing(&mut suite, &authority, &set(&ppr));
    assert_eq!(suite.registrar(&authority, &set(&other)).unwrap().events(), []);
    assert_eq!(stored(&suite), Some(other.into_string()));
}

#[test]
fn only_a_contract_of_this_network() {
    let mut suite = Suite::new();
    let authority = suite.authority.clone();
    let upper = suite.ppr.as_str().to_uppercase();
    for wrong in ["", "ppr", account("p").as_str(), &upper] {
        let words = "ppr: not a contract of this network; send its lower-case bech32 address";
        refused(&mut suite, &authority, &set(wrong), words);
    }
}
