//! UpdateInstitution.

use casewise_protocol::{registrar::ExecuteMsg, Event};
use casewise_testkit::contracts::Suite;

use crate::institution;

fn update(name: Option<&str>, endpoint: Option<&str>) -> ExecuteMsg {
    ExecuteMsg::UpdateInstitution {
        institution: 1,
        name: name.map(str::to_string),
        endpoint: endpoint.map(str::to_string),
    }
}

#[test]
fn the_authority_changes_both_an_operator_the_endpoint() {
    let mut suite = Suite::new();
    let (a, authority) = (suite.admit("A"), suite.authority.clone());
    let changed = [Event::InstitutionUpdated { number: 1 }];
    let done = suite.registrar(&authority, &update(Some("Alpha"), Some("https://alpha.example"))).unwrap();
    assert_eq!(done.events(), changed);
    assert_eq!(institution(&suite, 1).name, "Alpha");
    let done = suite.registrar(&a.addr(), &update(None, Some("https://new.example"))).unwrap();
    assert_eq!(done.events(), changed);
    assert_eq!(institution(&suite, 1).endpoint, "https://new.example");
    for msg in [update(Some("Mine"), None), update(Some("Mine"), Some("https://x.example"))] {
        let error = suite.registrar(&a.addr(), &msg).unwrap_err();
        assert_eq!(error, "sender: not the consortium's authority; send this from its account");
    }
    assert_eq!(institution(&suite, 1).name, "Alpha");
}

#[test]
fn the_same_again_changes_nothing_and_wrong_values_are_refused() {
    let mut suite = Suite::new();
    suite.admit("A");
    let authority = suite.authority.clone();
    let before = suite.dump(&suite.registrar);
    let same = update(Some("A"), Some("https://a.example"));
    assert_eq!(suite.registrar(&authority, &same).unwrap().events(), []);
    for (msg, words) in [
        (update(None, None), "name, endpoint: both are missing; give at least one"),
        (
            update(Some(""), None),
            "name: must have 1 to 64 bytes, no control characters, no space at either end",
        ),
        (
            update(None, Some("https://u@a.example")),
            "endpoint: must be an http or https URL of at most 256 bytes without user, query or fragment",
        ),
    ] {
        assert_eq!(suite.registrar(&authority, &msg).unwrap_err(), words);
    }
    assert_eq!(suite.dump(&suite.registrar), before);
}
