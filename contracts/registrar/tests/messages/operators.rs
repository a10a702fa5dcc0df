//! AddOperator and RemoveOperator.

use casewise_protocol::{
    registrar::{ExecuteMsg, QueryMsg, MAX_OPERATORS},
    Event,
};
use casewise_testkit::contracts::{addr, key, Suite};

use crate::institution;

fn account(name: &str) -> String {
    addr(&key(name).address()).into_string()
}

fn add(institution: u32, name: &str) -> ExecuteMsg {
    ExecuteMsg::AddOperator { institution, account: account(name) }
}

fn remove(institution: u32, name: &str) -> ExecuteMsg {
    ExecuteMsg::RemoveOperator { institution, account: account(name) }
}

fn operates(suite: &Suite, name: &str) -> Option<u32> {
    suite.ask_registrar(&QueryMsg::Operator { account: account(name) }).unwrap()
}

#[test]
fn operators_come_and_go() {
    let mut suite = Suite::new();
    let (a, authority) = (suite.admit("A").addr(), suite.authority.clone());
    let one = key("one").address();
    let done = suite.registrar(&a, &add(1, "one")).unwrap();
    assert_eq!(done.events(), [Event::OperatorAdded { institution: 1, account: one }]);
    assert_eq!(operates(&suite, "one"), Some(1));
    // again: no change; an operator may add another, and the authority may as well
    assert_eq!(suite.registrar(&a, &add(1, "one")).unwrap().events(), []);
    suite.registrar(&addr(&one), &add(1, "two")).unwrap();
    suite.registrar(&authority, &add(1, "three")).unwrap();
    assert_eq!(institution(&suite, 1).operators, 4);

    let done = suite.registrar(&authority, &remove(1, "one")).unwrap();
    assert_eq!(done.events(), [Event::OperatorRemoved { institution: 1, account: one }]);
    assert_eq!((operates(&suite, "one"), institution(&suite, 1).operators), (None, 3));
    assert_eq!(suite.registrar(&authority, &remove(1, "one")).unwrap().events(), []);
    assert_eq!(institution(&suite, 1).operators, 3);
    // who was removed can do nothing any more
    suite.registrar(&addr(&one), &add(1, "one")).unwrap_err();
}

#[test]
fn an_account_operates_one_institution_and_the_main_one_stays() {
    let mut suite = Suite::new();
    let (a, b) = (suite.admit("A").addr(), suite.admit("B").addr());
    suite.registrar(&a, &add(1, "one")).unwrap();
    assert_eq!(
        suite.registrar(&b, &add(2, "one")).unwrap_err(),
        "operators: an account operates institution 1; an account operates one institution only"
    );
    assert_eq!(
        suite.registrar(&b, &remove(2, "one")).unwrap_err(),
        "account: not an operator of this institution; nothing to remove"
    );
    assert_eq!(
        suite.registrar(&a, &remove(1, "A")).unwrap_err(),
        "account: the main account of an institution stays its operator; name another"
    );
    // free again after removal
    suite.registrar(&a, &remove(1, "one")).unwrap();
    suite.registrar(&b, &add(2, "one")).unwrap();
    assert_eq!(operates(&suite, "one"), Some(2));
}

#[test]
fn at_most_sixty_four() {
    let mut suite = Suite::new();
    let a = suite.admit("A").addr();
    for n in 1..MAX_OPERATORS {
        suite.registrar(&a, &add(1, &format!("operator {n}"))).unwrap();
    }
    let error = suite.registrar(&a, &add(1, "one more")).unwrap_err();
    assert_eq!(error, "operators: an institution has at most 64; remove one first");
    suite.registrar(&a, &remove(1, "operator 1")).unwrap();
    suite.registrar(&a, &add(1, "one more")).unwrap();
}
