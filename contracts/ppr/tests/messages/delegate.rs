//! SetDelegate and RemoveDelegate, and what delegates may do.

use casewise_ledger::{
    encode,
    records::{delegate_id, ns, record_key, DelegateRecord},
    V1,
};
use casewise_protocol::{
    convert,
    ppr::{DelegateInfo, ExecuteMsg, Power, MAX_DELEGATES},
    registrar, Event,
};
use casewise_testkit::contracts::{commitment, key, Institution, Patient, Suite, BLOCK_MS};
use cosmwasm_std::{Addr, Uint64};

use crate::{delegates, emergencies, grants, person, relationship};

fn case_of_a() -> (Suite, Institution, Patient) {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.onboard(&a, "p");
    (suite, a, patient)
}

fn info(account: &Addr, powers: &[Power], until: Option<u64>, live: bool) -> DelegateInfo {
    let until = until.map(Uint64::new);
    DelegateInfo { account: account.to_string(), powers: powers.to_vec(), until, live }
}

#[test]
fn named_changed_and_removed() {
    let (mut suite, _, patient) = case_of_a();
    let case = patient.case();
    let (mother, account) = (person("mother"), key("mother").address());
    let until = suite.now() + 100_000;
    let set =
        ExecuteMsg::set_delegate(&case, mother.as_str(), &[Power::Grants, Power::Revocations], Some(until));
    let done = suite.ppr(&patient.addr(), &set).unwrap();
    assert_eq!(done.events(), [Event::DelegateChanged { case, account, powers: 0b110, until }]);
    let raw = suite.raw(&suite.ppr, record_key(ns::DELEGATE, &delegate_id(&case, &account)));
    assert_eq!(raw, Some(encode(&DelegateRecord { version: V1, powers: 0b110, until, epoch: 0 })));
    let powers = [Power::Grants, Power::Revocations];
    assert_eq!(delegates(&suite, &case), [info(&mother, &powers, Some(until), true)]);
    let before = suite.dump(&suite.ppr);
    assert_eq!(suite.ppr(&patient.addr(), &set).unwrap().events(), []);
    assert_eq!(suite.dump(&suite.ppr), before);

    let other = ExecuteMsg::set_delegate(&case, mother.as_str(), &[Power::Disputes], None);
    let done = suite.ppr(&patient.addr(), &other).unwrap();
    assert_eq!(done.events(), [Event::DelegateChanged { case, account, powers: 0b10_0000, until: 0 }]);
    assert_eq!(delegates(&suite, &case), [info(&mother, &[Power::Disputes], None, true)]);

    let remove = ExecuteMsg::remove_delegate(&case, mother.as_str());
    let done = suite.ppr(&patient.addr(), &remove).unwrap();
    assert_eq!(done.events(), [Event::DelegateChanged { case, account, powers: 0, until: 0 }]);
    assert_eq!(delegates(&suite, &case), []);
    assert_eq!(suite.ppr(&patient.addr(), &remove).unwrap().events(), []);
    // a delegate may leave by itself, and again
    suite.ppr(&patient.addr(), &other).unwrap();
    assert_eq!(suite.ppr(&mother, &remove).unwrap().events().len(), 1);
    assert_eq!(suite.ppr(&mother, &remove).unwrap().events(), []);
    assert_eq!(delegates(&suite, &case), []);
}

#[test]
fn only_the_holder_names_and_only_it_or_the_delegate_removes() {
    let (mut suite, a, patient) = case_of_a();
    let case = patient.case();
    let (mother, father) = (person("mother"), person("father"));
    let set = |account: &Addr| ExecuteMsg::set_delegate(&case, account.as_str(), &Power::ALL, None);
    for account in [&mother, &father] {
        suite.ppr(&patient.addr(), &set(account)).unwrap();
    }
    let before = suite.dump(&suite.ppr);
    for sender in
        [&mother, &a.addr(), &person("stranger"), &suite.authority.clone(), &suite.registrar.clone()]
    {
        assert_eq!(
            suite.ppr(sender, &set(&person("friend"))).unwrap_err(),
            "sender: not the holder of this case; send this from the case's own account"
        );
        assert_eq!(
            suite.ppr(sender, &ExecuteMsg::remove_delegate(&case, father.as_str())).unwrap_err(),
            "sender: neither the holder nor this delegate itself; send this from one of them"
        );
    }
    assert_eq!(suite.dump(&suite.ppr), before);
}

#[test]
fn wrong_fields_are_refused() {
    let (mut suite, a, patient) = case_of_a();
    let case = patient.case();
    let mother = person("mother");
    let before = suite.dump(&suite.ppr);
    let set = |account: &Addr, powers: &[Power], until| ExecuteMsg::SetDelegate {
        case: convert::hex(&case.0),
        account: account.to_string(),
        powers: powers.to_vec(),
        until,
    };
    let ascending = "powers: not strictly ascending; name each once, in the order relationships, grants, \
        revocations, acknowledgements, completion, disputes";
    let grants = [Power::Grants];
    let summary = suite.summary.clone();
    for (msg, words) in [
        (
            set(&patient.addr(), &grants, None),
            "account: is the holder's own, which may do everything; name another",
        ),
        (
            set(&a.addr(), &grants, None),
            "account: operates an institution; name another, which belongs to a person only",
        ),
        (
            set(&summary, &grants, None),
            "account: not an account of this network; send it in lower-case bech32 with 20 bytes",
        ),
        (
            set(&Addr::unchecked("x"), &grants, None),
            "account: not an account of this network; send it in lower-case bech32 with 20 bytes",
        ),
        (set(&mother, &[], None), "powers: no items; send at least one"),
        (set(&mother, &[Power::Grants; 7], None), ascending),
        (set(&mother, &[Power::Grants; 2], None), ascending),
        (set(&mother, &[Power::Disputes, Power::Grants], None), ascending),
        (set(&mother, &grants, Some(Uint64::zero())), "until: that time is over; choose a later one"),
    ] {
        assert_eq!(suite.ppr(&patient.addr(), &msg).unwrap_err(), words);
    }
    // the end is exclusive: at the block's own time it is over
    let next = suite.now() + BLOCK_MS;
    let over = suite.ppr(&patient.addr(), &set(&mother, &grants, Some(next.into()))).unwrap_err();
    assert_eq!(over, "until: that time is over; choose a later one");
    assert_eq!(suite.dump(&suite.ppr), before);
    let next = suite.now() + BLOCK_MS;
    suite.ppr(&patient.addr(), &set(&mother, &grants, Some((next + 1).into()))).unwrap();
}

#[test]
fn eight_at_once_and_those_that_are_over_make_room() {
    let (mut suite, _, patient) = case_of_a();
    let case = patient.case();
    let end = suite.now() + 100_000;
    let name = |n: usize| format!("delegate {n}");
    let set = |n: usize| {
        let until = (n < 2).then_some(end);
        ExecuteMsg::set_delegate(&case, person(&name(n)), &[Power::Grants], until)
    };
    for n in 0..MAX_DELEGATES {
        suite.ppr(&patient.addr(), &set(n)).unwrap();
    }
    let full = "account: the case has 8 delegates already; remove one first";
    let before = suite.dump(&suite.ppr);
    assert_eq!(suite.ppr(&patient.addr(), &set(MAX_DELEGATES)).unwrap_err(), full);
    assert_eq!(suite.dump(&suite.ppr), before);
    // one that is there can be changed
    let change = ExecuteMsg::set_delegate(&case, person(&name(5)), &[Power::Disputes], None);
    suite.ppr(&patient.addr(), &change).unwrap();
    suite.advance(100_000);
    let mut done = suite.ppr(&patient.addr(), &set(MAX_DELEGATES)).unwrap().events();
    assert_eq!(done.len(), 3);
    let last = done.pop();
    let account = key(&name(MAX_DELEGATES)).address();
    assert_eq!(last, Some(Event::DelegateChanged { case, account, powers: 0b10, until: 0 }));
    for n in 0..2 {
        let account = key(&name(n)).address();
        assert!(done.contains(&Event::DelegateChanged { case, account, powers: 0, until: 0 }));
    }
    assert_eq!(delegates(&suite, &case).len(), MAX_DELEGATES - 1);
    suite.ppr(&patient.addr(), &set(9)).unwrap();
    assert_eq!(suite.ppr(&patient.addr(), &set(10)).unwrap_err(), full);
}

#[test]
fn another_holders_delegates_are_its_own() {
    let (mut suite, _, patient) = case_of_a();
    let case = patient.case();
    let set = |n: usize| ExecuteMsg::set_delegate(&case, person(&format!("d{n}")), &Power::ALL, None);
    for n in 0..MAX_DELEGATES {
        suite.ppr(&patient.addr(), &set(n)).unwrap();
    }
    let next = crate::addr(&suite.rotate(&case, "p2").address());
    assert!(delegates(&suite, &case).iter().all(|delegate| !delegate.live));
    let share = grants(&suite, &case, &["x"], 1);
    assert_eq!(
        suite.ppr(&person("d1"), &share).unwrap_err(),
        "sender: not the holder of this case; send this from the case's own account"
    );
    // the same delegate, named anew, and another, for whom the former holder's leave
    assert_eq!(suite.ppr(&next, &set(1)).unwrap().events().len(), 1);
    suite.ppr(&person("d1"), &share).unwrap();
    assert_eq!(suite.ppr(&next, &set(8)).unwrap().events().len(), MAX_DELEGATES);
    assert_eq!(delegates(&suite, &case).len(), 2);
}

#[test]
fn each_power_and_no_other() {
    let (mut suite, a, patient) = case_of_a();
    let (b, c) = (suite.admit("B"), suite.admit("C"));
    let case = patient.case();
    let doctor = suite.practitioner(&a, "doctor");
    let mother = person("mother");
    suite.ppr(&b.addr(), &ExecuteMsg::propose(&case, None)).unwrap();
    suite.ppr(&c.addr(), &ExecuteMsg::propose(&case, None)).unwrap();
    let seed = grants(&suite, &case, &["seed"], 1);
    suite.ppr(&patient.addr(), &seed).unwrap();
    let until = suite.now() + 60_000;
    let open = ExecuteMsg::open_emergency(&case, convert::EmergencyReason::Treatment, until);
    suite.ppr(&doctor, &open).unwrap();
    let d = suite.admit("D").number;
    let table = [
        (Power::Relationships, ExecuteMsg::accept(&case, 2)),
        (Power::Relationships, ExecuteMsg::decline(&case, 3)),
        (Power::Relationships, ExecuteMsg::suspend(&case, 2)),
        (Power::Relationships, ExecuteMsg::resume(&case, 2)),
        (Power::Relationships, ExecuteMsg::end(&case, 2)),
        (Power::Relationships, ExecuteMsg::invite(&case, d)),
        (Power::Relationships, ExecuteMsg::withdraw_invitation(&case, d)),
        (Power::Grants, grants(&suite, &case, &["x"], 1)),
        (Power::Revocations, ExecuteMsg::revoke(&case, &[commitment("seed")])),
        (Power::Revocations, ExecuteMsg::end_emergency(&case, 1)),
    ];
    for (power, msg) in table {
        let others: Vec<Power> = Power::ALL.into_iter().filter(|other| *other != power).collect();
        let without = ExecuteMsg::set_delegate(&case, mother.as_str(), &others, None);
        suite.ppr(&patient.addr(), &without).unwrap();
        let before = suite.dump(&suite.ppr);
        assert_eq!(
            suite.ppr(&mother, &msg).unwrap_err(),
            format!(
                "sender: a delegate without the power {}; send this as the holder, or have the holder give it",
                power.as_str()
            )
        );
        assert_eq!(suite.dump(&suite.ppr), before);
        let with = ExecuteMsg::set_delegate(&case, mother.as_str(), &[power], None);
        suite.ppr(&patient.addr(), &with).unwrap();
        assert!(!suite.ppr(&mother, &msg).unwrap().events().is_empty(), "{msg:?}");
    }
    assert_eq!(relationship(&suite, &case, 2), Some(convert::RelationshipStatus::Ended));
    assert!(emergencies(&suite, &case)[0].until.u64() <= suite.now());
}

#[test]
fn until_its_end_and_of_one_case_only() {
    let (mut suite, a, patient) = case_of_a();
    let (case, other) = (patient.case(), suite.onboard(&a, "q").case());
    let mother = person("mother");
    let until = suite.now() + 10 * BLOCK_MS;
    let set = ExecuteMsg::set_delegate(&case, mother.as_str(), &[Power::Grants], Some(until));
    suite.ppr(&patient.addr(), &set).unwrap();
    let not_holder = "sender: not the holder of this case; send this from the case's own account";
    let (mine, theirs) = (grants(&suite, &case, &["x"], 1), grants(&suite, &other, &["y"], 1));
    assert_eq!(suite.ppr(&mother, &theirs).unwrap_err(), not_holder);
    suite.advance(until - 1 - BLOCK_MS - suite.now());
    suite.ppr(&mother, &mine).unwrap();
    assert_eq!(suite.now(), until - 1);
    suite.advance(1);
    assert!(!delegates(&suite, &case)[0].live);
    assert_eq!(suite.ppr(&mother, &mine).unwrap_err(), not_holder);
    // set again as it was: no change, and it stays over
    assert_eq!(suite.ppr(&patient.addr(), &set).unwrap().events(), []);
    assert!(!delegates(&suite, &case)[0].live);
}

#[test]
fn who_comes_to_operate_the_institution_speaks_for_it() {
    let (mut suite, a, patient) = case_of_a();
    let case = patient.case();
    let mother = person("mother");
    let set = ExecuteMsg::set_delegate(&case, mother.as_str(), &[Power::Grants], None);
    suite.ppr(&patient.addr(), &set).unwrap();
    let missing =
        "sender: a delegate without the power relationships; send this as the holder, or have the holder give it";
    let end = ExecuteMsg::end(&case, 1);
    assert_eq!(suite.ppr(&mother, &end).unwrap_err(), missing);
    let add = registrar::ExecuteMsg::AddOperator { institution: 1, account: mother.to_string() };
    suite.registrar(&a.addr(), &add).unwrap();
    // as it stands a repetition changes nothing, but it gets no other powers
    assert_eq!(suite.ppr(&patient.addr(), &set).unwrap().events(), []);
    let more = ExecuteMsg::set_delegate(&case, mother.as_str(), &Power::ALL, None);
    assert_eq!(
        suite.ppr(&patient.addr(), &more).unwrap_err(),
        "account: operates an institution; name another, which belongs to a person only"
    );
    suite.ppr(&mother, &end).unwrap();
    assert_eq!(relationship(&suite, &case, 1), Some(convert::RelationshipStatus::Ended));
}
