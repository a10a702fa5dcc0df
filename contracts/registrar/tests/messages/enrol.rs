//! Enrol.

use casewise_ledger::{
    account::AccountKey,
    encode,
    records::{ns, record_key, IdentityRecord},
    CaseOffer, V1,
};
use casewise_protocol::{
    convert,
    registrar::{holder_hash, ExecuteMsg, IdentityInfo, QueryMsg},
    Event,
};
use casewise_testkit::contracts::{addr, high_s, key, Patient, Suite, PREFIX};
use cosmwasm_std::{Binary, HexBinary};
use proptest::prelude::*;

fn enrol(offer: &CaseOffer) -> ExecuteMsg {
    ExecuteMsg::enrol(PREFIX, offer).unwrap()
}

fn sign(key: &AccountKey, offer: &mut CaseOffer) {
    offer.signature = key.sign_message(&offer.message());
}

const SIGNATURE: &str =
    "signature: not the holder's over this card, recovery, institution and expiry with low s; sign anew";

#[test]
fn an_identity_is_enrolled_with_the_frozen_records() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let recovery = key("recovery").address();
    let patient = suite.offer("p", a.number, Some(recovery));
    let done = suite.registrar(&a.addr(), &enrol(&patient.offer)).unwrap();
    let case = patient.case();
    assert_eq!(done.events(), [Event::IdentityEnrolled { case, institution: 1 }]);

    let expected = IdentityRecord {
        version: V1,
        holder: patient.key.address(),
        kem: patient.offer.card.kem,
        epoch: 0,
        institution: 1,
        custodial: false,
        since: suite.now(),
    };
    let raw = |ns, id: &[u8]| suite.raw(&suite.registrar, record_key(ns, id));
    assert_eq!(raw(ns::IDENTITY, &case.0), Some(encode(&expected)));
    assert_eq!(raw(ns::HOLDER, &holder_hash(&patient.key.address())), Some(case.0.to_vec()));
    let info: Option<IdentityInfo> = suite.ask_registrar(&QueryMsg::identity(&case)).unwrap();
    let info = info.unwrap();
    assert_eq!(info.record().unwrap(), (case, expected));
    assert_eq!(info.recovery, Some(addr(&recovery).into_string()));
}

#[test]
fn the_same_again_changes_nothing_even_when_the_offer_is_over() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.enrol(&a, "p");
    let before = suite.dump(&suite.registrar);
    suite.advance(2 * 86_400_000);
    assert_eq!(suite.registrar(&a.addr(), &enrol(&patient.offer)).unwrap().events(), []);
    assert_eq!(suite.dump(&suite.registrar), before);
}

#[test]
fn an_enrolled_case_cannot_be_enrolled_otherwise() {
    let mut suite = Suite::new();
    let (a, b) = (suite.admit("A"), suite.admit("B"));
    let Patient { key: holder, mut offer } = suite.enrol(&a, "p");
    let before = suite.dump(&suite.registrar);
    let words = "card: this case is enrolled by another institution or with another recovery account; make a new case";
    offer.recovery = Some(key("recovery").address());
    sign(&holder, &mut offer);
    assert_eq!(suite.registrar(&a.addr(), &enrol(&offer)).unwrap_err(), words);
    offer.recovery = None;
    offer.institution = b.number;
    sign(&holder, &mut offer);
    assert_eq!(suite.registrar(&b.addr(), &enrol(&offer)).unwrap_err(), words);
    // another card of the same holder
    offer.card.salt = [9; 32];
    sign(&holder, &mut offer);
    assert_eq!(
        suite.registrar(&b.addr(), &enrol(&offer)).unwrap_err(),
        "card.holder: this account holds another case; derive a fresh account for each case"
    );
    assert_eq!(suite.dump(&suite.registrar), before);
}

#[test]
fn the_offer_names_who_may_enrol() {
    let mut suite = Suite::new();
    let (a, b) = (suite.admit("A"), suite.admit("B"));
    let patient = suite.offer("p", a.number, None);
    assert_eq!(suite.registrar(&b.addr(), &enrol(&patient.offer)).unwrap_err(), SIGNATURE);
    suite.registrar(&a.addr(), &enrol(&patient.offer)).unwrap();
}

#[test]
fn an_offer_ends_at_its_moment() {
    for (early, accepted) in [(1, true), (0, false)] {
        let mut suite = Suite::new();
        let a = suite.admit("A");
        let Patient { key, mut offer } = suite.offer("p", a.number, None);
        suite.advance(86_400_000);
        offer.expires = suite.now() + casewise_testkit::contracts::BLOCK_MS + early;
        sign(&key, &mut offer);
        let sent = suite.registrar(&a.addr(), &enrol(&offer));
        match accepted {
            true => assert!(sent.is_ok()),
            false => assert_eq!(sent.unwrap_err(), "expires: the offer is over; make the case offer anew"),
        }
    }
}

#[test]
fn every_part_of_the_offer_is_checked() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let Patient { key: holder, offer } = suite.offer("p", a.number, None);
    let other = key("other");
    let before = suite.dump(&suite.registrar);

    let with = |change: &dyn Fn(&mut CaseOffer)| {
        let mut offer = offer.clone();
        change(&mut offer);
        enrol(&offer)
    };
    let signed = |change: &dyn Fn(&mut CaseOffer)| {
        let mut offer = offer.clone();
        change(&mut offer);
        sign(&holder, &mut offer);
        enrol(&offer)
    };
    let raw = |card: Vec<u8>| match enrol(&offer) {
        ExecuteMsg::Enrol { recovery, key, expires, signature, .. } => {
            ExecuteMsg::Enrol { card: Binary::from(card), recovery, key, expires, signature }
        }
        _ => unreachable!(),
    };
    let bytes = |key_bytes: HexBinary, signature: HexBinary| match enrol(&offer) {
        ExecuteMsg::Enrol { card, recovery, expires, .. } => {
            ExecuteMsg::Enrol { card, recovery, key: key_bytes, expires, signature }
        }
        _ => unreachable!(),
    };
    let net = "card.net: made for another network; make the case offer anew with this network's id";
    let key_words = "key: its account is not the card's holder; send the holder's compressed key";
    let malformed = "card: not the canonical borsh encoding; send the bytes exactly as FORMAT.md gives them";
    let card = encode(&offer.card);
    let (good_key, good_signature) = (convert::hex(&offer.key), convert::hex(&offer.signature));
    let mut point = [0; 33];
    point[0] = 5;
    for (msg, words) in [
        (signed(&|o| o.card.net[0] ^= 1), net),
        (signed(&|o| o.card.holder = other.address()), key_words),
        (with(&|o| o.key = other.public().0), key_words),
        (with(&|o| o.signature[5] ^= 1), SIGNATURE),
        (with(&|o| o.signature[40] ^= 1), SIGNATURE),
        (with(&|o| o.signature = [0; 64]), SIGNATURE),
        (with(&|o| o.signature = high_s(&o.signature)), SIGNATURE),
        (with(&|o| o.expires += 1), SIGNATURE),
        (with(&|o| o.recovery = Some(other.address())), SIGNATURE),
        (with(&|o| o.card.kem[0] ^= 1), SIGNATURE),
        (with(&|o| o.card.salt[0] ^= 1), SIGNATURE),
        (
            signed(&|o| o.recovery = Some(o.card.holder)),
            "recovery: is the holder's own account; take one of another phrase",
        ),
        (raw([card.as_slice(), &[0]].concat()), malformed),
        (raw(card[..card.len() - 1].to_vec()), malformed),
        (raw([&[2], &card[1..]].concat()), malformed),
        (raw(Vec::new()), malformed),
        (
            bytes(HexBinary::from(&offer.key[..32]), good_signature.clone()),
            "key: expected 33 bytes, got 32; send the whole value in hexadecimal",
        ),
        (
            bytes(good_key, HexBinary::from([&offer.signature[..], &[0]].concat())),
            "signature: expected 64 bytes, got 65; send the whole value in hexadecimal",
        ),
        (bytes(HexBinary::from(point), good_signature), key_words),
    ] {
        assert_eq!(suite.registrar(&a.addr(), &msg).unwrap_err(), words);
    }
    assert_eq!(suite.dump(&suite.registrar), before, "a refused enrolment leaves no trace");
    suite.registrar(&a.addr(), &enrol(&offer)).unwrap();
}

#[test]
fn a_key_that_is_no_point_does_not_verify() {
    // its account is the holder, so only the curve can refuse it
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let Patient { mut offer, .. } = suite.offer("p", a.number, None);
    offer.key = [5; 33];
    offer.card.holder = casewise_ledger::Address::of_key(&offer.key);
    assert_eq!(suite.registrar(&a.addr(), &enrol(&offer)).unwrap_err(), SIGNATURE);
}

#[test]
fn a_recovery_account_is_an_account_of_this_network() {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let Patient { offer, .. } = suite.offer("p", a.number, None);
    for wrong in ["", "cosmos1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqnrql8a", suite.ppr.clone().as_str()] {
        let mut msg = enrol(&offer);
        if let ExecuteMsg::Enrol { recovery, .. } = &mut msg {
            *recovery = Some(wrong.to_string());
        }
        assert_eq!(
            suite.registrar(&a.addr(), &msg).unwrap_err(),
            "recovery: not an account of this network; send it in lower-case bech32 with 20 bytes"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_bytes_in_place_of_the_card_enrol_anything(card in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut suite = Suite::new();
        let a = suite.admit("A");
        let Patient { offer, .. } = suite.offer("p", a.number, None);
        let mut msg = enrol(&offer);
        if let ExecuteMsg::Enrol { card: field, .. } = &mut msg {
            *field = Binary::from(card);
        }
        prop_assert!(suite.registrar(&a.addr(), &msg).is_err());
    }
}
