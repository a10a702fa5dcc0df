//! PauseRegistrations.

use casewise_protocol::{
    convert::PractitionerRole,
    registrar::{ConfigResponse, ExecuteMsg, QueryMsg},
    Event,
};
use casewise_testkit::contracts::{Suite, PREFIX};

use crate::{account, nothing, recoverable, refused, start_recovery, DELAY_MS};

fn pause(paused: bool) -> ExecuteMsg {
    ExecuteMsg::PauseRegistrations { paused }
}

#[test]
fn new_registrations_stop_and_go_on_again() {
    let mut suite = Suite::new();
    let (a, authority) = (suite.admit("A"), suite.authority.clone());
    let enrolled = suite.enrol(&a, "p");
    let fresh = suite.offer("q", a.number, None);
    nothing(&mut suite, &authority, &pause(false));
    let done = suite.registrar(&authority, &pause(true)).unwrap();
    assert_eq!(done.events(), [Event::RegistrationsPaused { paused: true }]);
    nothing(&mut suite, &authority, &pause(true));
    assert!(suite.ask_registrar::<ConfigResponse>(&QueryMsg::Config {}).unwrap().paused);

    let practitioner = ExecuteMsg::RegisterPractitioner {
        account: account("doctor").into_string(),
        role: PractitionerRole::Doctor,
    };
    let messages = [
        (&authority, Suite::admission("B")),
        (&a.addr(), practitioner),
        (&a.addr(), ExecuteMsg::enrol(PREFIX, &fresh.offer).unwrap()),
        (&a.addr(), ExecuteMsg::enrol_custodial(&suite.offer("r", a.number, None).offer)),
    ];
    let words = "registrations: the consortium has paused them; try again when it allows them";
    for (sender, msg) in &messages {
        refused(&mut suite, sender, msg, words);
    }
    // also what took effect before
    refused(&mut suite, &authority, &Suite::admission("A"), words);
    refused(&mut suite, &a.addr(), &ExecuteMsg::enrol(PREFIX, &enrolled.offer).unwrap(), words);

    let done = suite.registrar(&authority, &pause(false)).unwrap();
    assert_eq!(done.events(), [Event::RegistrationsPaused { paused: false }]);
    for (sender, msg) in &messages {
        suite.registrar(sender, msg).unwrap();
    }
}

#[test]
fn what_is_registered_goes_on() {
    let mut suite = Suite::new();
    let authority = suite.authority.clone();
    let (a, patient) = recoverable(&mut suite);
    let custodial = suite.enrol_custodial(&a, "c");
    suite.practitioner(&a, "doctor");
    suite.registrar(&authority, &pause(true)).unwrap();

    suite.rotate(&patient.case(), "p2");
    start_recovery(&mut suite, &patient.case(), "p3");
    suite.advance(DELAY_MS);
    let finish = ExecuteMsg::finish_recovery(&patient.case());
    suite.registrar(&account("p3"), &finish).unwrap();
    let until = suite.now() + 60_000;
    let to = casewise_testkit::contracts::key("c2").address();
    let offer = ExecuteMsg::offer_claim(PREFIX, &custodial.case(), &to, until).unwrap();
    suite.registrar(&custodial.addr(), &offer).unwrap();
    let accept = ExecuteMsg::accept_claim(PREFIX, &suite.rotation(&custodial.case(), "c2"), None).unwrap();
    suite.registrar(&account("c2"), &accept).unwrap();
    let suspend = ExecuteMsg::SuspendPractitioner { account: account("doctor").into_string() };
    suite.registrar(&a.addr(), &suspend).unwrap();
    suite.registrar(&authority, &ExecuteMsg::SuspendInstitution { institution: 1 }).unwrap();
}
