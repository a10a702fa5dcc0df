//! AcceptClaim.

use casewise_ledger::{records::ns, records::record_key, CaseId};
use casewise_protocol::{
    events::RotationCause,
    registrar::{holder_hash, ClaimInfo, ExecuteMsg, QueryMsg},
    Event,
};
use casewise_testkit::contracts::{key, rotation, Patient, Suite, PREFIX};

use crate::{account, advance_to, nothing, refused, wrong_cards, NOT_HOLDER, NO_PPR};

const NO_CLAIM: &str = "sender: the case is not offered to this account; have the custodian offer it";

/// A custodial case that is offered to the account of the key `p` for a minute.
fn offered(suite: &mut Suite) -> Patient {
    let a = suite.admit("A");
    let patient = suite.enrol_custodial(&a, "c");
    offer(suite, &patient);
    patient
}

fn offer(suite: &mut Suite, patient: &Patient) {
    let until = suite.now() + 60_000;
    let msg = ExecuteMsg::offer_claim(PREFIX, &patient.case(), &key("p").address(), until).unwrap();
    suite.registrar(&patient.addr(), &msg).unwrap();
}

fn accept(suite: &Suite, case: &CaseId, recovery: Option<&str>) -> ExecuteMsg {
    let recovery = recovery.map(|name| key(name).address());
    ExecuteMsg::accept_claim(PREFIX, &suite.rotation(case, "p"), recovery.as_ref()).unwrap()
}

#[test]
fn the_patient_takes_the_case_over() {
    let mut suite = Suite::new();
    let patient = offered(&mut suite);
    let case = patient.case();
    let msg = accept(&suite, &case, Some("recovery"));
    let done = suite.registrar(&account("p"), &msg).unwrap();
    let rotated = Event::IdentityRotated { case, epoch: 1, cause: RotationCause::Claim };
    let raised = Event::RevRaised { case, rev: 1 };
    assert_eq!(done.events, [(suite.registrar.clone(), rotated), (suite.ppr.clone(), raised)]);
    let info = suite.identity(&case);
    assert!(!info.custodial);
    assert_eq!((info.holder.as_str(), info.epoch), (account("p").as_str(), 1));
    assert_eq!((info.since.u64(), info.institution), (suite.now(), 1));
    assert_eq!(info.recovery.as_deref(), Some(account("recovery").as_str()));
    let claim: Option<ClaimInfo> = suite.ask_registrar(&QueryMsg::claim(&case)).unwrap();
    assert_eq!(claim, None);
    let former = record_key(ns::HOLDER, &holder_hash(&patient.key.address()));
    assert_eq!(suite.raw(&suite.registrar, former), None);

    nothing(&mut suite, &account("p"), &msg);
    // it serves once: another recovery account needs another claim
    let other = ExecuteMsg::accept_claim(PREFIX, &rotation(&case, 1, "p"), Some(&key("other").address()));
    refused(&mut suite, &account("p"), &other.unwrap(), NO_CLAIM);
    // the custodian has lost the case
    let until = suite.now() + 60_000;
    let again = ExecuteMsg::offer_claim(PREFIX, &case, &key("x").address(), until).unwrap();
    refused(&mut suite, &patient.addr(), &again, NOT_HOLDER);
    let words = "case: is not custodial, there is nothing to claim; use rotate";
    refused(&mut suite, &account("p"), &again, words);
}

#[test]
fn every_part_of_the_card_is_checked() {
    let mut suite = Suite::new();
    let patient = offered(&mut suite);
    let good = suite.rotation(&patient.case(), "p");
    let msg = |offer: &_| ExecuteMsg::accept_claim(PREFIX, offer, None).unwrap();
    for (msg, words) in wrong_cards(&good, "p", &msg) {
        refused(&mut suite, &account("p"), &msg, words);
    }
    for epoch in [0, 2, u32::MAX] {
        let words = "card.epoch: must be one more than the case's 0; make the card anew";
        refused(&mut suite, &account("p"), &msg(&rotation(&patient.case(), epoch, "p")), words);
    }
    let words = "card.holder: not the account that the case is offered to; make the card for that account";
    let other = msg(&suite.rotation(&patient.case(), "q"));
    refused(&mut suite, &account("p"), &other, words);
    suite.registrar(&account("p"), &msg(&good)).unwrap();
}

#[test]
fn only_by_the_account_it_is_offered_to() {
    let mut suite = Suite::new();
    let patient = offered(&mut suite);
    let msg = accept(&suite, &patient.case(), None);
    let authority = suite.authority.clone();
    for sender in [patient.addr(), account("A"), authority, account("stranger")] {
        refused(&mut suite, &sender, &msg, NO_CLAIM);
    }
    suite.registrar(&patient.addr(), &ExecuteMsg::withdraw_claim(&patient.case())).unwrap();
    refused(&mut suite, &account("p"), &msg, NO_CLAIM);
}

#[test]
fn before_the_offer_s_end() {
    for (early, accepted) in [(1, true), (0, false)] {
        let mut suite = Suite::new();
        let patient = offered(&mut suite);
        let claim: Option<ClaimInfo> = suite.ask_registrar(&QueryMsg::claim(&patient.case())).unwrap();
        advance_to(&mut suite, claim.unwrap().until.u64() - early);
        let msg = accept(&suite, &patient.case(), None);
        if accepted {
            suite.registrar(&account("p"), &msg).unwrap();
        } else {
            let words = "case: the offer of the claim is over; have the custodian offer it anew";
            refused(&mut suite, &account("p"), &msg, words);
        }
    }
}

#[test]
fn the_recovery_account_is_another_one_of_this_network() {
    let mut suite = Suite::new();
    let patient = offered(&mut suite);
    let msg = accept(&suite, &patient.case(), Some("p"));
    let words = "recovery: is the holder's own account; take one of another phrase";
    refused(&mut suite, &account("p"), &msg, words);
    for wrong in ["", "recovery", suite.ppr.clone().as_str()] {
        let mut msg = accept(&suite, &patient.case(), None);
        if let ExecuteMsg::AcceptClaim { recovery, .. } = &mut msg {
            *recovery = Some(wrong.to_string());
        }
        let words = "recovery: not an account of this network; send it in lower-case bech32 with 20 bytes";
        refused(&mut suite, &account("p"), &msg, words);
    }
}

#[test]
fn an_account_that_came_to_hold_a_case_takes_no_second_one() {
    let mut suite = Suite::new();
    let patient = offered(&mut suite);
    let own = suite.offer("p", 1, None);
    suite.registrar(&account("A"), &ExecuteMsg::enrol(PREFIX, &own.offer).unwrap()).unwrap();
    let msg = accept(&suite, &patient.case(), None);
    let words = "card.holder: this account holds another case; derive a fresh account for each case";
    refused(&mut suite, &account("p"), &msg, words);
}

#[test]
fn nothing_is_claimed_that_ppr_does_not_learn_of() {
    let mut suite = Suite::without_ppr();
    let patient = offered(&mut suite);
    let msg = accept(&suite, &patient.case(), None);
    refused(&mut suite, &account("p"), &msg, NO_PPR);
}
