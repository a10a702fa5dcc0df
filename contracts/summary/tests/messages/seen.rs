//! Seen.

use casewise_protocol::{
    ppr::{self, Power},
    summary::{ExecuteMsg, SeenItem, MAX_SEEN},
    Event,
};
use casewise_testkit::contracts::Lane;
use cosmwasm_std::HexBinary;

use crate::{
    delegate, idle, recoverable, refused, start_recovery, with_lane,
    words::{self, NOT_HOLDER},
};

#[test]
fn it_goes_up_to_the_size_and_never_falls() {
    let (mut suite, a, patient, mut lane) = with_lane(5);
    let case = patient.case();
    let mut seen = |size| {
        suite
            .summary(&patient.addr(), &ExecuteMsg::seen(&case, &[(lane.id(), size)]))
            .map(|done| done.events())
    };
    let event = |size| Event::Seen { case, lane: lane.id(), size };
    assert_eq!(seen(0), Ok(vec![]));
    assert_eq!(seen(3), Ok(vec![event(3)]));
    assert_eq!(seen(3), Ok(vec![]));
    assert_eq!(seen(2), Ok(vec![]));
    let ahead = "items.size: more than the 5 entries anchored; acknowledge what is anchored";
    assert_eq!(seen(6), Err(ahead.to_string()));
    assert_eq!(seen(5), Ok(vec![event(5)]));
    let before = suite.lane(&lane.id());
    lane.append(1);
    suite.anchor(&a, &mut [&mut lane]).unwrap();
    let after = suite.lane(&lane.id());
    assert_eq!((before.seen, after.seen, after.size), (5, 5, 6));
}

#[test]
fn it_leaves_head_height_and_time_alone() {
    let (mut suite, _, patient, lane) = with_lane(5);
    let before = suite.lane(&lane.id());
    suite.summary(&patient.addr(), &ExecuteMsg::seen(&patient.case(), &[(lane.id(), 5)])).unwrap();
    let after = suite.lane(&lane.id());
    assert_eq!(after, casewise_protocol::summary::LaneInfo { seen: 5, ..before });
}

#[test]
fn several_lanes_all_or_none_and_only_of_the_case() {
    let (mut suite, a, patient, lane) = with_lane(2);
    let case = patient.case();
    let mut access = Lane::access(&case, &a, "a");
    suite.open(&a, &access);
    access.append(1);
    suite.anchor(&a, &mut [&mut access]).unwrap();
    let other = suite.onboard(&a, "q");
    let foreign = Lane::content(&other.case(), &a, "x");
    suite.open(&a, &foreign);
    let not_here = "items.lane: not a lane of this case; check the id";
    let before = suite.dump(&suite.summary);
    for wrong in [foreign.id(), casewise_ledger::LaneId([1; 32])] {
        let msg = ExecuteMsg::seen(&case, &[(lane.id(), 1), (wrong, 0)]);
        assert_eq!(suite.summary(&patient.addr(), &msg).unwrap_err(), not_here);
    }
    assert_eq!(suite.dump(&suite.summary), before);
    let done = suite.summary(&patient.addr(), &ExecuteMsg::seen(&case, &[(lane.id(), 1), (access.id(), 1)]));
    assert_eq!(done.unwrap().events().len(), 2);
}

#[test]
fn limits_hold_at_the_limit_and_one_past_it() {
    let (mut suite, _, patient, lane) = with_lane(2);
    let case = patient.case();
    let send = |count: usize| ExecuteMsg::seen(&case, &vec![(lane.id(), 1); count]);
    assert_eq!(
        suite.summary(&patient.addr(), &send(MAX_SEEN + 1)).unwrap_err(),
        "items: 65 items, at most 64 are allowed; split the message"
    );
    assert_eq!(suite.summary(&patient.addr(), &send(0)).unwrap_err(), "items: no items; send at least one");
    assert_eq!(suite.summary(&patient.addr(), &send(MAX_SEEN)).unwrap().events().len(), 1);
    let item = SeenItem { lane: HexBinary::from([1; 33]), size: 1 };
    let msg = ExecuteMsg::Seen { case: casewise_protocol::convert::hex(&case.0), items: vec![item] };
    assert_eq!(
        suite.summary(&patient.addr(), &msg).unwrap_err(),
        "lane: expected 32 bytes, got 33; send the whole value in hexadecimal"
    );
}

#[test]
fn a_delegate_acknowledges_with_the_power_and_while_it_lasts() {
    let (mut suite, a, patient) = recoverable();
    let case = patient.case();
    let mut lane = Lane::content(&case, &a, "c");
    suite.open(&a, &lane);
    lane.append(4);
    suite.anchor(&a, &mut [&mut lane]).unwrap();
    let seen = |size| ExecuteMsg::seen(&case, &[(lane.id(), size)]);
    let proxy = delegate(&mut suite, &patient, "proxy", &[Power::Acknowledgements]);
    let weak = delegate(&mut suite, &patient, "weak", &[Power::Relationships, Power::Disputes]);
    refused(&mut suite, &weak, &seen(1), &words::power("acknowledgements"));
    assert_eq!(suite.summary(&proxy, &seen(1)).unwrap().events().len(), 1);
    idle(&mut suite, &proxy, &seen(1));

    // its end, exclusive
    let until = suite.now() + 5_000;
    let name = ppr::ExecuteMsg::set_delegate(&case, proxy.as_str(), &[Power::Acknowledgements], Some(until));
    suite.ppr(&patient.addr(), &name).unwrap();
    crate::until(&mut suite, until - 1);
    suite.summary(&proxy, &seen(2)).unwrap();
    refused(&mut suite, &proxy, &seen(3), NOT_HOLDER);

    start_recovery(&mut suite, &case);
    refused(&mut suite, &patient.addr(), &seen(3), words::RECOVERING);
    let veto = casewise_protocol::registrar::ExecuteMsg::veto_recovery(&case);
    suite.registrar(&patient.addr(), &veto).unwrap();
    suite.summary(&patient.addr(), &seen(3)).unwrap();

    // taken back, and gone with the holder that named it
    let again = delegate(&mut suite, &patient, "again", &[Power::Acknowledgements]);
    suite.summary(&again, &seen(4)).unwrap();
    suite.rotate(&case, "p2");
    for sender in [again, patient.addr()] {
        refused(&mut suite, &sender, &seen(4), NOT_HOLDER);
    }
}
