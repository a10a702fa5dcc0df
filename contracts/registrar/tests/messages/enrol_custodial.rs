//! EnrolCustodial.

use casewise_ledger::CaseOffer;
use casewise_protocol::{registrar::ExecuteMsg, Event};
use casewise_testkit::contracts::{high_s, key, Patient, Suite, BLOCK_MS, PREFIX};
use cosmwasm_std::{Binary, HexBinary};

use crate::{account, nothing, refused, NO_OPERATOR, SUSPENDED};

const SIGNATURE: &str =
    "signature: not the holder's over this card, recovery, institution and expiry with low s; sign anew";

fn enrol(offer: &CaseOffer) -> ExecuteMsg {
    ExecuteMsg::enrol_custodial(offer)
}

#[test]
fn a_case_whose_key_the_institution_made() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.offer("c", a.number, None);
    let done = suite.registrar(&a.addr(), &enrol(&patient.offer)).unwrap();
    assert_eq!(done.events(), [Event::IdentityEnrolled { case: patient.case(), institution: 1 }]);
    let info = suite.identity(&patient.case());
    assert!(info.custodial && info.recovery.is_none());
    assert_eq!((info.holder, info.since.u64()), (patient.addr().into_string(), suite.now()));
    suite.advance(2 * 86_400_000);
    nothing(&mut suite, &a.addr(), &enrol(&patient.offer));
}

#[test]
fn a_case_is_enrolled_one_way() {
    let mut suite = Suite::new();
    let (a, b) = (suite.admit("A"), suite.admit("B"));
    let custodial = suite.enrol_custodial(&a, "c");
    let own = suite.enrol(&a, "p");
    let words =
        "card: this case is enrolled the other way, as custodial or by the patient's own offer; make a new case";
    let msg = ExecuteMsg::enrol(PREFIX, &custodial.offer).unwrap();
    refused(&mut suite, &a.addr(), &msg, words);
    // nobody makes a patient's own case custodial
    refused(&mut suite, &a.addr(), &enrol(&own.offer), words);
    let Patient { key: holder, mut offer } = custodial;
    offer.institution = b.number;
    offer.signature = holder.sign_message(&offer.message());
    let words = "card: this case is enrolled by another institution or with another recovery account; make a new case";
    refused(&mut suite, &b.addr(), &enrol(&offer), words);
    offer.card.salt = [9; 32];
    offer.signature = holder.sign_message(&offer.message());
    let words = "card.holder: this account holds another case; derive a fresh account for each case";
    refused(&mut suite, &b.addr(), &enrol(&offer), words);
}

#[test]
fn it_is_checked_as_a_patient_s_offer() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let Patient { key: holder, offer } = suite.offer("c", a.number, None);
    let with = |change: &dyn Fn(&mut CaseOffer)| {
        let mut offer = offer.clone();
        change(&mut offer);
        enrol(&offer)
    };
    let signed = |change: &dyn Fn(&mut CaseOffer)| {
        let mut offer = offer.clone();
        change(&mut offer);
        offer.signature = holder.sign_message(&offer.message());
        enrol(&offer)
    };
    let raw = |change: &dyn Fn(&mut Binary, &mut HexBinary, &mut HexBinary)| {
        let mut msg = enrol(&offer);
        if let ExecuteMsg::EnrolCustodial { card, key, signature, .. } = &mut msg {
            change(card, key, signature);
        }
        msg
    };
    for (msg, words) in [
        (
            signed(&|o| o.card.net[0] ^= 1),
            "card.net: made for another network; make the case offer anew with this network's id",
        ),
        (
            with(&|o| o.key = key("other").public().0),
            "key: its account is not the card's holder; send the holder's compressed key",
        ),
        (with(&|o| o.card.kem[0] ^= 1), SIGNATURE),
        (with(&|o| o.expires += 1), SIGNATURE),
        (with(&|o| o.signature = high_s(&o.signature)), SIGNATURE),
        (signed(&|o| o.institution = 2), SIGNATURE),
        // it has no recovery account, so an offer with one is another offer
        (signed(&|o| o.recovery = Some(key("recovery").address())), SIGNATURE),
        (
            raw(&|card, _, _| *card = card[1..].to_vec().into()),
            "card: not the canonical borsh encoding; send the bytes exactly as FORMAT.md gives them",
        ),
        (
            raw(&|_, key, _| *key = HexBinary::default()),
            "key: expected 33 bytes, got 0; send the whole value in hexadecimal",
        ),
        (
            raw(&|_, _, signature| *signature = HexBinary::default()),
            "signature: expected 64 bytes, got 0; send the whole value in hexadecimal",
        ),
    ] {
        refused(&mut suite, &a.addr(), &msg, words);
    }
    let at = |time: u64| signed(&|o| o.expires = time);
    let next = suite.now() + BLOCK_MS;
    refused(&mut suite, &a.addr(), &at(next), "expires: the offer is over; make the case offer anew");
    let next = suite.now() + BLOCK_MS;
    suite.registrar(&a.addr(), &at(next + 1)).unwrap();
}

#[test]
fn operators_of_active_institutions_only() {
    let mut suite = Suite::new();
    let (a, authority) = (suite.admit("A"), suite.authority.clone());
    let patient = suite.offer("c", a.number, None);
    for sender in [&authority, &patient.addr(), &account("stranger")] {
        refused(&mut suite, sender, &enrol(&patient.offer), NO_OPERATOR);
    }
    suite.registrar(&authority, &ExecuteMsg::SuspendInstitution { institution: 1 }).unwrap();
    refused(&mut suite, &a.addr(), &enrol(&patient.offer), SUSPENDED);
}
