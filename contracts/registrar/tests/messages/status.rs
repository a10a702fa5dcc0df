//! SuspendInstitution and ResumeInstitution.

use casewise_ledger::records::InstitutionStatus;
use casewise_protocol::{convert, registrar::ExecuteMsg, Event};
use casewise_testkit::contracts::Suite;
use cosmwasm_std::HexBinary;

use crate::institution;

#[test]
fn suspended_and_resumed() {
    let mut suite = Suite::new();
    let (a, authority) = (suite.admit("A").addr(), suite.authority.clone());
    let suspend = ExecuteMsg::SuspendInstitution { institution: 1 };
    let resume = ExecuteMsg::ResumeInstitution { institution: 1 };
    let admitted = institution(&suite, 1).since;
    assert_eq!(suite.registrar(&authority, &resume).unwrap().events(), []);
    assert_eq!(institution(&suite, 1).since, admitted);

    let done = suite.registrar(&authority, &suspend).unwrap();
    assert_eq!(done.events(), [Event::InstitutionStatus { number: 1, status: InstitutionStatus::Suspended }]);
    let since = suite.now();
    // again: the grace goes on from the first time
    assert_eq!(suite.registrar(&authority, &suspend).unwrap().events(), []);
    let now = institution(&suite, 1);
    assert_eq!((now.status, now.since.u64()), (convert::InstitutionStatus::Suspended, since));

    let rotate = ExecuteMsg::RotateKem { kem: HexBinary::from([1; 32]) };
    let words = "sender: institution 1 is suspended; ask the consortium to resume it";
    assert_eq!(suite.registrar(&a, &rotate).unwrap_err(), words);
    let update = ExecuteMsg::UpdateInstitution {
        institution: 1,
        name: None,
        endpoint: Some("https://elsewhere.example".to_string()),
    };
    assert_eq!(suite.registrar(&a, &update).unwrap_err(), words);
    let add = ExecuteMsg::AddOperator { institution: 1, account: authority.to_string() };
    assert_eq!(suite.registrar(&a, &add).unwrap_err(), words);

    let done = suite.registrar(&authority, &resume).unwrap();
    assert_eq!(done.events(), [Event::InstitutionStatus { number: 1, status: InstitutionStatus::Active }]);
    assert_eq!(institution(&suite, 1).since.u64(), suite.now());
    suite.registrar(&a, &rotate).unwrap();
    let unknown = ExecuteMsg::SuspendInstitution { institution: 2 };
    assert_eq!(
        suite.registrar(&authority, &unknown).unwrap_err(),
        "institution: no institution has number 2; ask for the list"
    );
}
