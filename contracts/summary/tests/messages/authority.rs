//! Who may send what: each message from every kind of sender who may not.

use casewise_ledger::records::DisputeCode;
use casewise_protocol::summary::ExecuteMsg;
use casewise_testkit::contracts::{addr, anchors, key, rotations, Lane};
use cosmwasm_std::Addr;

use crate::with_lane;

#[test]
fn wrong_senders() {
    let (mut suite, a, patient, mut lane) = with_lane(2);
    let case = patient.case();
    let b = suite.admit("B");
    let other = suite.onboard(&b, "q");
    lane.append(2);
    let next = lane.successor("next");
    let fresh = Lane::content(&case, &a, "fresh");

    let stranger = addr(&key("stranger").address());
    let (authority, ppr, registrar) = (suite.authority.clone(), suite.ppr.clone(), suite.registrar.clone());
    let nobodies = || vec![stranger.clone(), authority.clone(), registrar.clone(), other.addr()];
    let not_author = || [nobodies(), vec![b.addr(), patient.addr(), ppr.clone()]].concat();
    let not_holder = || [nobodies(), vec![a.addr(), b.addr(), ppr.clone()]].concat();
    let not_involved = || [nobodies(), vec![ppr.clone()]].concat();
    let not_ppr = || [nobodies(), vec![a.addr(), b.addr(), patient.addr()]].concat();
    let author = "sender: not an operator of institution 1; send this from one of its operator accounts";
    let holder = "sender: not the holder of this case; send this from the case's own account";
    let involved = crate::words::NOT_INVOLVED;
    let contract = "sender: not the ppr contract, and the relationship is neither suspended nor ended; suspend, decline or end it there";
    let in_force = crate::words::not_in_force(2);
    let item = lane.item(2, 4);
    let unknown = casewise_ledger::AnchorItem { lane: casewise_ledger::LaneId([1; 32]), ..item.clone() };
    let nobody = "sender: operates no institution; have an institution add the account as operator";
    let table: Vec<(ExecuteMsg, Vec<Addr>, &str)> = vec![
        (ExecuteMsg::open(std::slice::from_ref(&fresh.header)), not_author(), author),
        (ExecuteMsg::open(std::slice::from_ref(&lane.header)), not_author(), author),
        (ExecuteMsg::anchor(&anchors(vec![item.clone()])), not_author(), author),
        (ExecuteMsg::close(&anchors(vec![item])), not_author(), author),
        (ExecuteMsg::anchor(&anchors(vec![unknown])), nobodies(), nobody),
        (rotations(vec![lane.clone().rotation(&next)]), not_author(), author),
        (ExecuteMsg::closing(&case, 1), not_ppr(), contract),
        (ExecuteMsg::seen(&case, &[(lane.id(), 1)]), not_holder(), holder),
        (ExecuteMsg::dispute(&lane.id(), 0, DisputeCode::Incorrect), not_holder(), holder),
        (ExecuteMsg::withdraw_dispute(&lane.id(), 0), not_holder(), holder),
        (ExecuteMsg::approve_completion(&case, &[0; 32]), not_holder(), holder),
        (ExecuteMsg::compromised(&lane.id(), 0), not_author(), author),
        (ExecuteMsg::wind_up(&case), not_involved(), involved),
        (ExecuteMsg::propose_completion(&case, &[0; 32]), not_involved(), involved),
        (ExecuteMsg::object_completion(&case, &[0; 32]), not_involved(), involved),
        (ExecuteMsg::wind_up(&case), vec![b.addr()], &in_force),
        (ExecuteMsg::propose_completion(&case, &[0; 32]), vec![b.addr()], &in_force),
        (ExecuteMsg::object_completion(&case, &[0; 32]), vec![b.addr()], &in_force),
    ];
    let before = suite.dump(&suite.summary);
    for (msg, senders, words) in table {
        for sender in senders {
            assert_eq!(suite.summary(&sender, &msg).unwrap_err(), words, "{msg:?} from {sender}");
        }
    }
    assert_eq!(suite.dump(&suite.summary), before);
}
