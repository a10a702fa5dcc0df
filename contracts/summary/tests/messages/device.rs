//! Lanes with a device signer: Open, Anchor and Close with Ed25519 signatures.

use casewise_ledger::AnchorItem;
use casewise_protocol::{rules::LaneFault, summary::ExecuteMsg};
use casewise_testkit::contracts::{Institution, Lane, Suite};
use ed25519_zebra::{SigningKey, VerificationKey};

use crate::{device, failure, onboarded, send_anchor, send_close, sign};

/// A device lane with `entries` entries, none anchored.
fn device_lane(entries: u32) -> (Suite, Institution, Lane, SigningKey) {
    let (mut suite, a, patient) = onboarded();
    let key = device(7);
    let mut lane = Lane::content(&patient.case(), &a, "device");
    lane.header.signer = Some(VerificationKey::from(&key).into());
    lane.header.minimum = casewise_ledger::lane::DEVICE_MINIMUM;
    suite.open(&a, &lane);
    lane.append(entries);
    (suite, a, lane, key)
}

#[test]
fn the_device_signs_each_head() {
    let (mut suite, a, lane, key) = device_lane(5);
    assert_eq!(suite.lane(&lane.id()).signer.unwrap().as_slice(), lane.header.signer.unwrap());
    let good = sign(lane.item(0, 3), &key, 1_000);
    let mut time = good.clone();
    time.device.as_mut().unwrap().time += 1;
    let mut flipped = good.clone();
    flipped.device.as_mut().unwrap().sig[3] ^= 1;
    let mut zeros = good.clone();
    zeros.device.as_mut().unwrap().sig = [0; 64];
    let other_head = AnchorItem { device: sign(lane.item(0, 2), &key, 1_000).device, ..good.clone() };
    let other_key = sign(lane.item(0, 3), &device(8), 1_000);
    for wrong in [lane.item(0, 3), time, flipped, zeros, other_head, other_key] {
        let done = send_anchor(&mut suite, &a, vec![wrong]).unwrap();
        assert_eq!(done.failed(), [failure(0, LaneFault::Device)]);
    }
    assert_eq!(suite.lane(&lane.id()).size, 0);
    assert_eq!(send_anchor(&mut suite, &a, vec![good]).unwrap().failed(), []);
    assert_eq!(suite.lane(&lane.id()).size, 3);
}

#[test]
fn the_author_closes_without_the_device_only_at_the_anchored_head() {
    let (mut suite, a, lane, key) = device_lane(5);
    send_anchor(&mut suite, &a, vec![sign(lane.item(0, 3), &key, 1_000)]).unwrap();
    let done = send_close(&mut suite, &a, vec![lane.item(3, 5)]).unwrap();
    assert_eq!(done.failed(), [failure(0, LaneFault::Device)]);
    let done = send_close(&mut suite, &a, vec![lane.item(3, 3)]).unwrap();
    assert_eq!((done.failed(), suite.lane(&lane.id()).size), (vec![], 3));
}

#[test]
fn a_signature_on_an_ordinary_lane_is_refused() {
    let (mut suite, a, patient) = onboarded();
    let mut lane = Lane::content(&patient.case(), &a, "c");
    suite.open(&a, &lane);
    lane.append(1);
    let done = send_anchor(&mut suite, &a, vec![sign(lane.item(0, 1), &device(7), 1)]).unwrap();
    assert_eq!(done.failed(), [failure(0, LaneFault::Device)]);
}

#[test]
fn a_signer_that_is_no_key_verifies_nothing() {
    let (mut suite, a, patient) = onboarded();
    let mut lane = Lane::content(&patient.case(), &a, "device");
    lane.header.signer = Some([2; 32]);
    lane.header.minimum = casewise_ledger::lane::DEVICE_MINIMUM;
    suite.summary(&a.addr(), &ExecuteMsg::open(std::slice::from_ref(&lane.header))).unwrap();
    lane.append(1);
    let done = send_anchor(&mut suite, &a, vec![sign(lane.item(0, 1), &device(7), 1)]).unwrap();
    assert_eq!(done.failed(), [failure(0, LaneFault::Device)]);
}

#[test]
fn a_device_lane_rotates_to_a_fresh_pairing() {
    let (mut suite, a, mut lane, key) = device_lane(2);
    let mut next = lane.successor("next");
    next.header.signer = Some(VerificationKey::from(&device(8)).into());
    let mut rotation = lane.rotation(&next);
    rotation.last = sign(rotation.last, &key, 5);
    let msg = casewise_testkit::contracts::rotations(vec![rotation]);
    assert_eq!(suite.summary(&a.addr(), &msg).unwrap().failed(), []);
    next.append(1);
    let stale_key = sign(next.item(0, 1), &key, 6);
    assert_eq!(
        send_anchor(&mut suite, &a, vec![stale_key]).unwrap().failed(),
        [failure(0, LaneFault::Device)]
    );
    let fresh = sign(next.item(0, 1), &device(8), 6);
    assert_eq!(send_anchor(&mut suite, &a, vec![fresh]).unwrap().failed(), []);
}
