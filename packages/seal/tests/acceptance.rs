//! Acceptance: every check refuses on its own, in the order of the list, and nothing else is refused.

mod common;

use casewise_keytree::OneTimeKey;
use casewise_ledger::{
    AnchoredHead, Beacon, CaseId, Class, Data, EntryHeader, EntryRef, Kind, LaneHeader, LaneId, Party,
    data::join,
    encode,
    entry::{MAX_INDEX, SUITE_ASCON},
};
use casewise_seal::{ListedEntry, Reason, SealError, accept_entry, open_entry, seal};
use common::{Anchored, anchor, anchor_entry, anchored, entry_header, forge, key, lane_header, pattern};

/// A change that makes an entry unacceptable.
type Change = fn(&mut Anchored);

fn open(case: &Anchored) -> Result<Data, SealError> {
    open_entry(&case.lane, &case.head, case.position, &case.entry, &case.proof, &case.key, &case.body)
}

fn reason<T>(result: Result<T, SealError>) -> Reason {
    match result {
        Err(SealError::Rejected(reason)) => reason,
        Err(other) => panic!("one error outside: {other:?}"),
        Ok(_) => panic!("accepted"),
    }
}

/// The same entry after the author has anchored whatever it is now, so that only the checks that
/// need the body can refuse it.
fn reanchored(case: &Anchored) -> Anchored {
    let mut entry = case.entry.clone();
    entry.body_length = case.body.len() as u64;
    entry.body_sha256 = casewise_ledger::sha256(&[&case.body]);
    anchor_entry(&case.lane, entry, case.body.clone(), 9)
}

#[test]
fn a_good_entry_of_every_length_is_accepted() {
    for length in [0, 1, 16_364, 16_365, 16_366, 32_768, 100_000, 1_000_000] {
        let case = anchored(&pattern(length));
        let expected = Data::Content { media_type: "text/plain".into(), content: pattern(length) };
        assert!(open(&case).unwrap() == expected, "{length}");
    }
}

#[test]
fn every_kind_is_opened_as_what_it_is() {
    let content = |media_type: &str| Data::Content { media_type: media_type.into(), content: vec![1, 2] };
    let reference = EntryRef { lane: LaneId([4; 32]), index: 3 };
    for (kind, class, data) in [
        (Kind::Record, Class::Content, content("application/fhir+json")),
        (Kind::Amendment, Class::Content, content("text/plain")),
        (Kind::DeviceBatch, Class::Content, content("application/octet-stream")),
        (Kind::Beat, Class::Access, Data::Beat),
        (Kind::Erasure, Class::Content, Data::Erasure(vec![reference])),
        (Kind::Close, Class::Access, Data::Close(Some(LaneId([8; 32])))),
        (Kind::Close, Class::Content, Data::Close(None)),
    ] {
        let lane = lane_header(class, 64);
        for suite in [1, 2] {
            let mut header = entry_header(&lane, 2);
            header.suite = suite;
            header.kind = kind;
            header.prev = (kind == Kind::Amendment).then_some(reference);
            let sealed = seal(&key(2), &header, lane.minimum, &data.encode().unwrap()).unwrap();
            assert_eq!(open(&anchor(&lane, sealed, 3)).unwrap(), data, "{kind:?}");
        }
    }
}

#[test]
fn each_check_before_the_body_refuses_with_its_own_reason() {
    let changes: [(Reason, Change); 14] = [
        (Reason::Lane, |case| case.lane.nonce[0] ^= 1),
        (Reason::Lane, |case| case.lane.minimum = 64),
        (Reason::Lane, |case| case.lane.author = Party::Institution(8)),
        (Reason::Lane, |case| case.head.lane = LaneId([9; 32])),
        (Reason::EntryLane, |case| case.entry.header.lane = LaneId([9; 32])),
        (Reason::Position, |case| case.entry.header.index = 6),
        (Reason::Position, |case| case.position = 6),
        (Reason::Header, |case| case.entry.header.suite = 3),
        (Reason::Header, |case| case.entry.header.prev = None),
        (Reason::Kind, |case| {
            case.entry.header.kind = Kind::Access;
            case.entry.header.prev = None;
        }),
        (Reason::Inclusion, |case| case.head.root[31] ^= 1),
        (Reason::Inclusion, |case| case.proof[0][0] ^= 1),
        (Reason::Inclusion, |case| case.proof.truncate(1)),
        (Reason::Inclusion, |case| case.proof.push([0; 32])),
    ];
    for (number, (expected, change)) in changes.into_iter().enumerate() {
        let mut case = anchored(b"BP 120/80");
        change(&mut case);
        let before = accept_entry(&case.lane, &case.head, case.position, &case.entry, &case.proof);
        assert_eq!(reason(before), expected, "change {number}");
        assert_eq!(reason(open(&case)), expected, "change {number}");
    }
}

#[test]
fn an_access_lane_takes_no_record() {
    let lane = lane_header(Class::Access, 1024);
    for (kind, allowed) in [(Kind::Record, false), (Kind::DeviceBatch, false), (Kind::Beat, true)] {
        let mut header = entry_header(&lane, 0);
        (header.kind, header.prev) = (kind, None);
        let data = if allowed { Data::Beat.encode().unwrap() } else { join("text/plain", b"x").unwrap() };
        let case = anchor(&lane, seal(&key(0), &header, lane.minimum, &data).unwrap(), 1);
        match open(&case) {
            Ok(data) => assert!(allowed && data == Data::Beat),
            refused => assert!(!allowed && reason(refused) == Reason::Kind),
        }
    }
}

#[test]
fn the_last_index_is_not_an_entry() {
    let lane = lane_header(Class::Content, 1024);
    let mut case = anchored(b"x");
    case.entry.header.index = MAX_INDEX + 1;
    case.position = MAX_INDEX + 1;
    case.lane = lane;
    assert_eq!(reason(open(&case)), Reason::Header);
}

/// Every field of the header, the commitment, length and hash stand in the leaf.
#[test]
fn nothing_of_a_listed_entry_can_be_changed_in_the_list() {
    let fields: [fn(&mut ListedEntry); 11] = [
        |entry| entry.header.suite = SUITE_ASCON,
        |entry| entry.header.kind = Kind::Record,
        |entry| entry.header.time += 1,
        |entry| entry.header.beacon = Beacon::default(),
        |entry| entry.header.beacon.height += 1,
        |entry| entry.header.beacon.hash[0] ^= 1,
        |entry| entry.header.prev.as_mut().unwrap().index += 1,
        |entry| entry.header.prev.as_mut().unwrap().lane.0[0] ^= 1,
        |entry| entry.commitment[0] ^= 1,
        |entry| entry.body_length += 1,
        |entry| entry.body_sha256[31] ^= 1,
    ];
    for (number, change) in fields.into_iter().enumerate() {
        let mut case = anchored(b"BP 120/80");
        change(&mut case.entry);
        assert_eq!(reason(open(&case)), Reason::Inclusion, "field {number}");
    }
}

/// An author who anchors another header over the same body gains nothing: the key differs.
#[test]
fn an_anchored_header_that_was_not_sealed_is_refused() {
    let fields: [Change; 9] = [
        |case| case.entry.header.suite = SUITE_ASCON,
        |case| case.entry.header.kind = Kind::Record,
        |case| case.entry.header.time += 1,
        |case| case.entry.header.beacon = Beacon::default(),
        |case| case.entry.header.beacon.hash[0] ^= 1,
        |case| case.entry.header.prev.as_mut().unwrap().index += 1,
        |case| case.entry.commitment[0] ^= 1,
        |case| case.entry.commitment[31] ^= 0x80,
        |case| {
            // moved into another lane of the same root key
            case.lane.case = CaseId([2; 32]);
            case.entry.header.lane = case.lane.id();
        },
    ];
    for (number, change) in fields.into_iter().enumerate() {
        let mut case = anchored(b"BP 120/80");
        change(&mut case);
        assert_eq!(reason(open(&reanchored(&case))), Reason::Commitment, "field {number}");
    }
    // moved to another position, and offered with that position's key or its own
    let mut case = anchored(b"BP 120/80");
    case.entry.header.index = 6;
    let moved = reanchored(&case);
    assert_eq!(moved.position, 6);
    for other in [key(5), key(6)] {
        let result = open_entry(&moved.lane, &moved.head, 6, &moved.entry, &moved.proof, &other, &moved.body);
        assert_eq!(reason(result), Reason::Commitment);
    }
}

#[test]
fn another_key_is_refused_before_any_chunk() {
    let mut case = anchored(b"BP 120/80");
    case.body[0] ^= 1; // would fail as a chunk too
    let case = reanchored(&case);
    let accepted = accept_entry(&case.lane, &case.head, case.position, &case.entry, &case.proof).unwrap();
    assert_eq!(reason(accepted.open(&key(6), &case.body)), Reason::Commitment);
    assert_eq!(reason(accepted.opener(&key(6)).map(|_| ())), Reason::Commitment);
    assert_eq!(reason(case.entry.check_key(&key(6))), Reason::Commitment);
    case.entry.check_key(&key(5)).unwrap();
    assert_eq!(reason(accepted.open(&case.key, &case.body)), Reason::Chunk);
}

/// What can happen to a body of three chunks.
fn body_changes() -> Vec<(&'static str, Vec<u8>, Reason)> {
    const CHUNK: usize = 16_400;
    let body = anchored(&pattern(40_000)).body;
    assert_eq!(body.len().div_ceil(CHUNK), 3);
    let mut changes = Vec::new();
    for (name, at) in [
        ("first byte", 0),
        ("last byte of chunk 0", CHUNK - 17),
        ("first byte of tag 0", CHUNK - 16),
        ("last byte of tag 0", CHUNK - 1),
        ("first byte of chunk 1", CHUNK),
        ("last byte of tag 1", 2 * CHUNK - 1),
        ("first byte of chunk 2", 2 * CHUNK),
        ("first byte of the last tag", body.len() - 16),
        ("last byte", body.len() - 1),
    ] {
        let mut changed = body.clone();
        changed[at] ^= 1;
        changes.push((name, changed, Reason::Chunk));
    }
    let (zero, rest) = body.split_at(CHUNK);
    let (one, two) = rest.split_at(CHUNK);
    let mut two_cut = two.to_vec();
    two_cut.remove(0);
    changes.extend([
        ("chunks 0 and 1 swapped", [one, zero, two].concat(), Reason::Chunk),
        ("chunk 1 replaced by chunk 0", [zero, zero, two].concat(), Reason::Chunk),
        ("chunk 0 replaced by chunk 1", [one, one, two].concat(), Reason::Chunk),
        ("chunk 1 twice", [zero, one, one, two].concat(), Reason::Total),
        ("last chunk twice", [zero, one, two, two].concat(), Reason::BodyLength),
        ("last chunk gone", [zero, one].concat(), Reason::DataLength),
        ("first chunk gone", [one, two].concat(), Reason::Chunk),
        ("only the last chunk", two.to_vec(), Reason::Chunk),
        ("one byte of the last chunk gone", [zero, one, &two_cut].concat(), Reason::Total),
        ("one byte more", [&body[..], &[0]].concat(), Reason::Total),
        ("17 bytes more", [&body[..], &[0; 17]].concat(), Reason::Total),
        ("nothing", Vec::new(), Reason::BodyLength),
        ("less than a tag", body[..15].to_vec(), Reason::BodyLength),
        ("a tag and seven bytes", body[..23].to_vec(), Reason::BodyLength),
        ("a tag and eight bytes", body[..24].to_vec(), Reason::Chunk),
    ]);
    changes
}

#[test]
fn a_changed_body_is_refused_by_its_hash() {
    for (name, body, _) in body_changes() {
        let mut case = anchored(&pattern(40_000));
        let same_length = body.len() == case.body.len();
        case.body = body;
        let expected = if same_length { Reason::BodyHash } else { Reason::BodyLength };
        assert_eq!(reason(open(&case)), expected, "{name}");
    }
}

#[test]
fn a_changed_body_is_refused_even_when_the_author_anchors_it() {
    for (name, body, expected) in body_changes() {
        let mut case = anchored(&pattern(40_000));
        case.body = body;
        assert_eq!(reason(open(&reanchored(&case))), expected, "{name}");
    }
}

/// Padded plaintexts that no honest author makes, correctly sealed.
#[test]
fn padding_is_exact() {
    let lane = lane_header(Class::Content, 1024);
    let header = entry_header(&lane, 5);
    let padded = |length: u64, total: usize| {
        let data = join("text/plain", &pattern(5000)).unwrap();
        let mut out = length.to_be_bytes().to_vec();
        out.extend_from_slice(&data[..(length as usize).min(data.len()).min(total - 8)]);
        out.resize(total, 0);
        out
    };
    let with = |mut padded: Vec<u8>, at: usize| {
        padded[at] = 1;
        padded
    };
    for (name, plain, expected) in [
        ("good", padded(500, 1024), None),
        ("full", padded(1016, 1024), None),
        ("first byte of padding", with(padded(500, 1024), 508), Some(Reason::Padding)),
        ("last byte of padding", with(padded(500, 1024), 1023), Some(Reason::Padding)),
        ("longer than minimum", padded(500, 1056), Some(Reason::Total)),
        ("shorter than minimum", padded(500, 992), Some(Reason::Total)),
        ("not rounded", padded(3000, 3008), Some(Reason::Total)),
        ("rounded", padded(3000, 3072), None),
        ("rounded too far", padded(3000, 3200), Some(Reason::Total)),
        ("a chunk too far", padded(3000, 3072 + 16_384), Some(Reason::Total)),
        ("length one past the body", padded(1017, 1024), Some(Reason::DataLength)),
        ("length 2^40 + 1", padded((1 << 40) + 1, 1024), Some(Reason::DataLength)),
        ("length 2^64 − 1", padded(u64::MAX, 1024), Some(Reason::DataLength)),
    ] {
        let (entry, body) = forge(&key(5), &header, &plain);
        let result = open(&anchor_entry(&lane, entry, body, 9));
        match expected {
            None => drop(result.unwrap_or_else(|error| panic!("{name}: {:?}", error.reason()))),
            Some(expected) => assert_eq!(reason(result), expected, "{name}"),
        }
    }
}

#[test]
fn padding_is_zero_in_every_chunk() {
    let lane = lane_header(Class::Content, 40_000);
    let header = entry_header(&lane, 5);
    let mut plain = vec![0; 40_000];
    plain[7] = 12;
    plain[8..20].copy_from_slice(b"\x0atext/plainx");
    for (at, good) in [(19, true), (20, false), (16_383, false), (16_384, false), (39_999, false)] {
        let mut plain = plain.clone();
        plain[at] |= 1;
        let (entry, body) = forge(&key(5), &header, &plain);
        let result = open(&anchor_entry(&lane, entry, body, 9));
        if good {
            result.unwrap();
        } else {
            assert_eq!(reason(result), Reason::Padding, "{at}");
        }
    }
}

#[test]
fn the_media_type_and_content_must_fit_the_kind() {
    let erasure = encode(&vec![EntryRef { lane: LaneId([4; 32]), index: 3 }]);
    let lane = lane_header(Class::Content, 64);
    for (kind, data, expected) in [
        (Kind::Record, &b""[..], Reason::MediaType),
        (Kind::Record, b"\x00content", Reason::MediaType),
        (Kind::Record, b"\x0aText/plaincontent", Reason::MediaType),
        (Kind::Record, b"\x04textcontent", Reason::MediaType),
        (Kind::Record, b"\x40text/plain", Reason::MediaType),
        (Kind::Record, b"\x0atext/plai\xff", Reason::MediaType),
        (Kind::Beat, b"", Reason::MediaType),
        (Kind::Beat, b"\x0atext/plain", Reason::MediaType),
        (Kind::Beat, b"\x00x", Reason::Content),
        (Kind::Close, b"\x00", Reason::Content),
        (Kind::Close, b"\x00\x02", Reason::Content),
        (Kind::Erasure, &[&[0], &erasure[..], &[0]].concat(), Reason::Content),
        (Kind::Erasure, &[&[0], &erasure[..erasure.len() - 1]].concat(), Reason::Content),
    ] {
        let mut header = entry_header(&lane, 5);
        (header.kind, header.prev) = (kind, None);
        let case = anchor(&lane, seal(&key(5), &header, lane.minimum, data).unwrap(), 9);
        assert_eq!(reason(open(&case)), expected, "{kind:?} {data:?}");
    }
}

#[test]
fn a_body_can_be_checked_without_the_key() {
    let mut case = anchored(&pattern(20_000));
    let accepted = accept_entry(&case.lane, &case.head, case.position, &case.entry, &case.proof).unwrap();
    accepted.check_body(&case.body).unwrap();
    assert_eq!(reason(accepted.check_body(&case.body[1..])), Reason::BodyLength);
    case.body[100] ^= 1;
    assert_eq!(reason(accepted.check_body(&case.body)), Reason::BodyHash);
    assert_eq!((accepted.header(), accepted.entry()), (&case.entry.header, &case.entry));
}

#[test]
fn outside_every_refusal_looks_alike_and_inside_each_has_its_code() {
    let shown: std::collections::BTreeSet<String> =
        Reason::ALL.iter().map(|reason| SealError::Rejected(*reason).to_string()).collect();
    assert_eq!(shown.len(), 1);
    let codes: std::collections::BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes.len(), Reason::ALL.len());
    assert_eq!(SealError::Rejected(Reason::Commitment).reason(), Some("commitment"));
    assert_eq!(SealError::TooLong { length: 1 }.reason(), None);
}

#[test]
fn a_header_that_breaks_its_rules_is_not_sealed() {
    let lane = lane_header(Class::Content, 64);
    let changes: [fn(&mut EntryHeader); 3] = [|h| h.suite = 0, |h| h.suite = 3, |h| h.prev = None];
    for change in changes {
        let mut header = entry_header(&lane, 5);
        change(&mut header);
        assert!(matches!(seal(&key(5), &header, 64, b""), Err(SealError::Header(_))));
    }
}

/// Types that hold a head are told apart: a head of another lane is not enough.
#[test]
fn a_head_of_another_lane_is_refused() {
    let case = anchored(b"x");
    let other = LaneHeader { nonce: [9; 16], ..case.lane.clone() };
    let head = AnchoredHead { lane: other.id(), ..case.head };
    let result = accept_entry(&case.lane, &head, case.position, &case.entry, &case.proof);
    assert_eq!(reason(result), Reason::Lane);
    let result = accept_entry(&other, &head, case.position, &case.entry, &case.proof);
    assert_eq!(reason(result), Reason::EntryLane);
}

#[test]
fn a_key_from_elsewhere_can_be_used() {
    let case = anchored(b"x");
    let exported = OneTimeKey::from_bytes(case.key.expose_secret());
    assert!(open(&Anchored { key: exported, ..case }).is_ok());
}
