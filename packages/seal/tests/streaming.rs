//! Bodies in pieces: the same bytes as whole bodies, whatever the pieces, and the same refusals.

mod common;

use casewise_ledger::{Class, data::join};
use casewise_seal::{
    AcceptedEntry, MAX_LENGTH, Reason, SealError, Sealer, accept_entry, body_length, seal, seal_into,
};
use common::{Anchored, anchored, entry_header, key, lane_header, pattern};
use proptest::prelude::*;

/// Cuts `bytes` into pieces of the given sizes, over and over.
fn pieces<'a>(bytes: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = bytes;
    let mut sizes = sizes.iter().cycle();
    std::iter::from_fn(move || {
        let (now, later) = rest.split_at(rest.len().min(*sizes.next()?));
        rest = later;
        (!now.is_empty() || !rest.is_empty()).then_some(now)
    })
}

fn accepted(case: &Anchored) -> AcceptedEntry {
    accept_entry(&case.lane, &case.head, case.position, &case.entry, &case.proof).unwrap()
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    let size = prop_oneof![1..40usize, 16_370..16_410usize, 1..100_000usize];
    prop::collection::vec(size, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_pieces_give_the_same_body(
        length in prop_oneof![0..40usize, 16_340..16_400usize, 0..120_000usize],
        (sealing, opening) in (sizes(), sizes()),
        suite in 1..=2u8,
        minimum in prop_oneof![Just(64), Just(1024), Just(50_000)],
    ) {
        let lane = lane_header(Class::Content, minimum);
        let mut header = entry_header(&lane, 5);
        header.suite = suite;
        let data = join("text/plain", &pattern(length)).unwrap();
        let whole = seal(&key(5), &header, minimum, &data).unwrap();

        let mut sealer = Sealer::new(&key(5), &header, minimum, data.len() as u64).unwrap();
        prop_assert_eq!(sealer.body_length(), whole.body.len() as u64);
        let mut body = Vec::new();
        for piece in pieces(&data, &sealing) {
            sealer.write(piece, &mut body).unwrap();
        }
        let entry = sealer.finish(&mut body).unwrap();
        prop_assert!(body == whole.body);
        prop_assert_eq!(&entry, &whole.entry);

        let case = common::anchor(&lane, whole, 9);
        let mut opener = accepted(&case).opener(&case.key).unwrap();
        let mut content = Vec::new();
        for piece in pieces(&body, &opening) {
            opener.write(piece, &mut content).unwrap();
        }
        prop_assert_eq!(opener.finish().unwrap(), "text/plain");
        prop_assert!(content == pattern(length));
    }
}

#[test]
fn a_sealer_takes_exactly_what_was_declared() {
    let lane = lane_header(Class::Content, 64);
    let header = entry_header(&lane, 5);
    let mut out = Vec::new();
    let mut sealer = Sealer::new(&key(5), &header, 64, 100).unwrap();
    sealer.write(&[1; 60], &mut out).unwrap();
    assert_eq!(sealer.write(&[1; 41], &mut out), Err(SealError::Length { declared: 100, given: 101 }));
    sealer.write(&[1; 40], &mut out).unwrap(); // the piece that was too much left no trace
    let entry = sealer.finish(&mut out).unwrap();
    assert_eq!(entry, seal(&key(5), &header, 64, &[1; 100]).unwrap().entry);

    let mut sealer = Sealer::new(&key(5), &header, 64, 100).unwrap();
    sealer.write(&[1; 99], &mut out).unwrap();
    assert_eq!(sealer.finish(&mut out), Err(SealError::Length { declared: 100, given: 99 }));
}

#[test]
fn the_longest_data_can_be_declared_and_one_byte_more_cannot() {
    let header = entry_header(&lane_header(Class::Content, 64), 5);
    let sealer = Sealer::new(&key(5), &header, 64, MAX_LENGTH).unwrap();
    assert_eq!(sealer.body_length(), body_length(MAX_LENGTH, 64).unwrap());
    let length = MAX_LENGTH + 1;
    assert_eq!(Sealer::new(&key(5), &header, 64, length).err(), Some(SealError::TooLong { length }));
}

#[test]
fn a_buffer_must_fit_exactly() {
    let header = entry_header(&lane_header(Class::Content, 64), 5);
    let data = pattern(20_000);
    let whole = seal(&key(5), &header, 64, &data).unwrap();
    let mut buffer = vec![0xaa; whole.body.len()];
    assert_eq!(seal_into(&key(5), &header, 64, &data, &mut buffer).unwrap(), whole.entry);
    assert!(buffer == whole.body);
    for length in [0, whole.body.len() - 1, whole.body.len() + 1] {
        let result = seal_into(&key(5), &header, 64, &data, &mut vec![0; length]);
        assert_eq!(result, Err(SealError::Buffer { needed: whole.body.len() as u64 }));
    }
}

/// In a stream the hash comes last: a body that opens but is not the listed one is still refused.
#[test]
fn a_stream_is_whole_only_once_finished() {
    let case = anchored(&pattern(40_000));
    let mut content = Vec::new();

    let mut cut = accepted(&case).opener(&case.key).unwrap();
    cut.write(&case.body[..case.body.len() - 1], &mut content).unwrap();
    assert_eq!(cut.finish(), Err(SealError::Rejected(Reason::BodyLength)));

    let mut long = accepted(&case).opener(&case.key).unwrap();
    long.write(&case.body, &mut content).unwrap();
    assert_eq!(long.write(&[0], &mut content), Err(SealError::Rejected(Reason::BodyLength)));
    assert_eq!(long.finish(), Err(SealError::Rejected(Reason::BodyLength)));

    let mut flipped = case.body.clone();
    flipped[20_000] ^= 1;
    let mut opener = accepted(&case).opener(&case.key).unwrap();
    assert_eq!(opener.write(&flipped, &mut content), Err(SealError::Rejected(Reason::Chunk)));
    assert_eq!(opener.write(&case.body, &mut content), Err(SealError::Rejected(Reason::Chunk)));
    assert_eq!(opener.finish(), Err(SealError::Rejected(Reason::Chunk)));

    // the list names the hash of another body of the same length under the same key
    let other = anchored(&pattern(39_999));
    let mut entry = case.entry.clone();
    entry.body_sha256 = other.entry.body_sha256;
    let case = common::anchor_entry(&case.lane, entry, case.body, 9);
    let mut opener = accepted(&case).opener(&case.key).unwrap();
    opener.write(&case.body, &mut content).unwrap();
    assert_eq!(opener.finish(), Err(SealError::Rejected(Reason::BodyHash)));
}
