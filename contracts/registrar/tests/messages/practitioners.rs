//! RegisterPractitioner, SuspendPractitioner and ResumePractitioner.

use casewise_ledger::{
    decode,
    records::{self, ns, record_key, PractitionerStatus},
};
use casewise_protocol::{
    convert::{self, PractitionerRole},
    registrar::{ExecuteMsg, PractitionerInfo, QueryMsg},
    Event,
};
use casewise_testkit::contracts::{key, Suite};

use crate::{account, nothing, refused, NO_OPERATOR, SUSPENDED};

fn register(name: &str, role: PractitionerRole) -> ExecuteMsg {
    ExecuteMsg::RegisterPractitioner { account: account(name).into_string(), role }
}

fn suspend(name: &str) -> ExecuteMsg {
    ExecuteMsg::SuspendPractitioner { account: account(name).into_string() }
}

fn resume(name: &str) -> ExecuteMsg {
    ExecuteMsg::ResumePractitioner { account: account(name).into_string() }
}

fn practitioner(suite: &Suite, name: &str) -> PractitionerInfo {
    let msg = QueryMsg::Practitioner { account: account(name).into_string() };
    suite.ask_registrar::<Option<PractitionerInfo>>(&msg).unwrap().expect("is registered")
}

fn changed(name: &str, status: PractitionerStatus) -> [Event; 1] {
    [Event::PractitionerChanged { account: key(name).address(), institution: 1, status }]
}

#[test]
fn an_institution_registers_its_practitioners() {
    let mut suite = Suite::new();
    let (a, b) = (suite.admit("A").addr(), suite.admit("B").addr());
    let done = suite.registrar(&a, &register("doctor", PractitionerRole::Doctor)).unwrap();
    assert_eq!(done.events(), changed("doctor", PractitionerStatus::Active));
    let info = practitioner(&suite, "doctor");
    assert_eq!((info.institution, info.role, info.since.u64()), (1, PractitionerRole::Doctor, suite.now()));
    let id = key("doctor").address();
    let raw = suite.raw(&suite.registrar, record_key(ns::PRACTITIONER, &id.0)).unwrap();
    assert_eq!(info.record().unwrap(), (id, decode::<records::PractitionerRecord>(&raw).unwrap()));

    nothing(&mut suite, &a, &register("doctor", PractitionerRole::Doctor));
    let conflict = "account: a practitioner of institution 1, with this role or another; use another account";
    refused(&mut suite, &a, &register("doctor", PractitionerRole::Nurse), conflict);
    refused(&mut suite, &b, &register("doctor", PractitionerRole::Doctor), conflict);
    for (n, role) in PractitionerRole::ALL.iter().enumerate() {
        suite.registrar(&b, &register(&format!("role {n}"), *role)).unwrap();
        assert_eq!(practitioner(&suite, &format!("role {n}")).role, *role);
    }
}

#[test]
fn who_registers_whom() {
    let mut suite = Suite::new();
    let (a, authority) = (suite.admit("A"), suite.authority.clone());
    suite.admit("B");
    let doctor = suite.practitioner(&a, "doctor");
    let msg = register("nurse", PractitionerRole::Nurse);
    for sender in [&authority, &doctor, &account("stranger"), &account("nurse")] {
        refused(&mut suite, sender, &msg, NO_OPERATOR);
    }
    // an operator is no practitioner, and a practitioner no operator
    for (name, number) in [("A", 1), ("B", 2)] {
        let words =
            format!("account: operates institution {number}; a practitioner has an account of its own");
        refused(&mut suite, &a.addr(), &register(name, PractitionerRole::Nurse), &words);
    }
    let words =
        "operators: an account is a practitioner's of institution 1; an operator has an account of its own";
    let add = ExecuteMsg::AddOperator { institution: 1, account: doctor.to_string() };
    refused(&mut suite, &a.addr(), &add, words);
    let mut admission = Suite::admission("C");
    if let ExecuteMsg::RegisterInstitution { operators, .. } = &mut admission {
        operators.push(doctor.to_string());
    }
    refused(&mut suite, &authority, &admission, words);
    refused(&mut suite, &authority, &Suite::admission("doctor"), words);
    for wrong in ["", "nurse", suite.ppr.clone().as_str(), &doctor.as_str().to_uppercase()] {
        let msg =
            ExecuteMsg::RegisterPractitioner { account: wrong.to_string(), role: PractitionerRole::Nurse };
        let words = "account: not an account of this network; send it in lower-case bech32 with 20 bytes";
        refused(&mut suite, &a.addr(), &msg, words);
    }
    suite.registrar(&authority, &ExecuteMsg::SuspendInstitution { institution: 1 }).unwrap();
    refused(&mut suite, &a.addr(), &msg, SUSPENDED);
}

#[test]
fn the_institution_suspends_and_resumes() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    suite.practitioner(&a, "doctor");
    let registered = practitioner(&suite, "doctor").since;
    nothing(&mut suite, &a.addr(), &resume("doctor"));
    assert_eq!(practitioner(&suite, "doctor").since, registered);
    let done = suite.registrar(&a.addr(), &suspend("doctor")).unwrap();
    assert_eq!(done.events(), changed("doctor", PractitionerStatus::Suspended));
    let info = practitioner(&suite, "doctor");
    assert_eq!((info.status, info.since.u64()), (convert::PractitionerStatus::Suspended, suite.now()));
    nothing(&mut suite, &a.addr(), &suspend("doctor"));
    // registering again does not resume
    nothing(&mut suite, &a.addr(), &register("doctor", PractitionerRole::Doctor));
    let done = suite.registrar(&a.addr(), &resume("doctor")).unwrap();
    assert_eq!(done.events(), changed("doctor", PractitionerStatus::Active));
    assert_eq!(practitioner(&suite, "doctor").since.u64(), suite.now());
}

#[test]
fn what_the_authority_bars_only_it_lifts() {
    let mut suite = Suite::new();
    let (a, authority) = (suite.admit("A"), suite.authority.clone());
    suite.practitioner(&a, "doctor");
    suite.registrar(&a.addr(), &suspend("doctor")).unwrap();
    let done = suite.registrar(&authority, &suspend("doctor")).unwrap();
    assert_eq!(done.events(), changed("doctor", PractitionerStatus::Barred));
    nothing(&mut suite, &authority, &suspend("doctor"));
    nothing(&mut suite, &a.addr(), &suspend("doctor"));
    refused(
        &mut suite,
        &a.addr(),
        &resume("doctor"),
        "account: barred by the consortium; ask it to lift that",
    );
    let done = suite.registrar(&authority, &resume("doctor")).unwrap();
    assert_eq!(done.events(), changed("doctor", PractitionerStatus::Active));
    // from active at once; and the authority lifts an institution's suspension too
    suite.registrar(&authority, &suspend("doctor")).unwrap();
    assert_eq!(practitioner(&suite, "doctor").status, convert::PractitionerStatus::Barred);
    suite.registrar(&authority, &resume("doctor")).unwrap();
    suite.registrar(&a.addr(), &suspend("doctor")).unwrap();
    suite.registrar(&authority, &resume("doctor")).unwrap();
    assert_eq!(practitioner(&suite, "doctor").status, convert::PractitionerStatus::Active);
}

#[test]
fn who_suspends_and_resumes() {
    let mut suite = Suite::new();
    let (a, authority) = (suite.admit("A"), suite.authority.clone());
    let b = suite.admit("B").addr();
    let doctor = suite.practitioner(&a, "doctor");
    for msg in [suspend("doctor"), resume("doctor")] {
        let words = "sender: not an operator of institution 1; send this from one of its operator accounts";
        for sender in [&b, &doctor, &account("stranger")] {
            refused(&mut suite, sender, &msg, words);
        }
    }
    for msg in [suspend("nobody"), resume("nobody")] {
        let words = "account: no practitioner is registered with it; register it first";
        refused(&mut suite, &a.addr(), &msg, words);
        refused(&mut suite, &authority, &msg, words);
    }
    suite.registrar(&authority, &ExecuteMsg::SuspendInstitution { institution: 1 }).unwrap();
    refused(&mut suite, &a.addr(), &suspend("doctor"), SUSPENDED);
    refused(&mut suite, &a.addr(), &resume("doctor"), SUSPENDED);
    suite.registrar(&authority, &suspend("doctor")).unwrap();
}
