//! Rules that need nothing but bytes: account keys, content, openings, anchors, ids.

use casewise_ledger::{
    Address, AnchorBatch, AnchorItem, CaseId, Class, Data, EntryRef, Kind, LaneHeader, LaneId, LedgerError,
    Opening, OpeningItem, Party, RotateBatch, RotateItem, V1,
    account::{AccountKey, PublicKey},
    anchor::{MAX_BATCH, MAX_CONSISTENCY},
    data::{MAX_MEDIA_TYPE, check_media_type, join},
    decode, encode,
    grant::DAY_MS,
    sha256,
};

fn key(n: u8) -> AccountKey {
    AccountKey::from_bytes(&[n; 32]).unwrap()
}

#[test]
fn address_is_that_of_cosmos() {
    // The generator point as a compressed key; its hash is the best known of all addresses.
    let mut one = [0; 32];
    one[31] = 1;
    let address = AccountKey::from_bytes(&one).unwrap().address();
    assert_eq!(address.to_hex(), "751e76e8199196d454941c45d1b3a323f1433bd6");
}

#[test]
fn signatures_verify_and_high_s_is_refused() {
    let (signer, digest) = (key(1), sha256(&[b"message"]));
    let signature = signer.sign(&digest);
    signer.public().verify(&digest, &signature).unwrap();
    signer.public().verify_message(b"message", &signature).unwrap();
    assert_eq!(signer.public().verify(&sha256(&[b"other"]), &signature), Err(LedgerError::Signature));
    assert_eq!(key(2).public().verify(&digest, &signature), Err(LedgerError::Signature));
    // n − s is the same signature to a careless verifier.
    let parsed = k256::ecdsa::Signature::from_slice(&signature).unwrap();
    let high =
        k256::ecdsa::Signature::from_scalars(parsed.r().to_bytes(), (-*parsed.s()).to_bytes()).unwrap();
    let high: [u8; 64] = high.to_bytes().into();
    assert_eq!(signer.public().verify(&digest, &high), Err(LedgerError::Signature));
    assert_eq!(signer.public().verify(&digest, &[0; 64]), Err(LedgerError::Signature));
    assert_eq!(PublicKey([5; 33]).verify(&digest, &signature), Err(LedgerError::Key));
}

#[test]
fn keys_are_refused_and_never_shown() {
    assert!(AccountKey::from_bytes(&[0; 32]).is_err());
    assert!(AccountKey::from_bytes(&[0xff; 32]).is_err());
    let shown = format!("{:?}", key(7));
    assert!(!shown.contains("0707"), "{shown}");
}

#[test]
fn ids_take_lower_case_hexadecimal_of_their_length_only() {
    let text = "ab".repeat(32);
    assert_eq!(text.parse::<CaseId>().unwrap().to_hex(), text);
    for bad in ["AB".repeat(32), "ab".repeat(31), "ab".repeat(33), "zz".repeat(32), String::new()] {
        assert_eq!(bad.parse::<CaseId>(), Err(LedgerError::Hex { expected: 32 }), "{bad}");
    }
    assert!(serde_json::from_str::<CaseId>(&format!("\"{text}\"")).is_ok());
}

#[test]
fn content_of_every_kind_reads_back() {
    let place = EntryRef { lane: LaneId([1; 32]), index: 3 };
    let cases = [
        (Kind::Record, Data::Content { media_type: "application/fhir+json".into(), content: b"{}".to_vec() }),
        (Kind::Amendment, Data::Content { media_type: "text/plain".into(), content: Vec::new() }),
        (Kind::Beat, Data::Beat),
        (Kind::Erasure, Data::Erasure(vec![place])),
        (Kind::Close, Data::Close(Some(LaneId([2; 32])))),
        (Kind::Close, Data::Close(None)),
    ];
    for (kind, data) in cases {
        let bytes = data.encode().unwrap();
        assert_eq!(Data::decode(kind, &bytes).unwrap(), data);
        if kind != Kind::Record && kind != Kind::Amendment {
            let mut trailing = bytes.clone();
            trailing.push(0);
            assert!(Data::decode(kind, &trailing).is_err(), "{kind:?} takes a trailing byte");
        }
    }
    assert_eq!(Data::decode(Kind::Record, &[]), Err(LedgerError::Malformed));
    assert_eq!(Data::decode(Kind::Record, &[9, b'a']), Err(LedgerError::MediaType), "longer than the data");
    assert_eq!(Data::decode(Kind::Beat, b"\x03a/b"), Err(LedgerError::MediaType), "a beat has no media type");
}

#[test]
fn media_types() {
    let longest = format!("a/{}", "b".repeat(MAX_MEDIA_TYPE - 2));
    for good in ["a/b", "application/fhir+json", "text/plain; charset=utf-8", longest.as_str()] {
        check_media_type(good).unwrap();
    }
    let too_long = format!("a/{}", "b".repeat(MAX_MEDIA_TYPE - 1));
    for bad in
        ["", "text", "Text/plain", "/x", "x/", "a/b/c", "a b/c", "a/\u{e9}", "a/b\n", too_long.as_str()]
    {
        assert_eq!(check_media_type(bad), Err(LedgerError::MediaType), "{bad:?}");
        assert!(join(bad, b"x").is_err());
    }
}

#[test]
fn kinds_by_class() {
    use Kind::*;
    for kind in [Record, Access, Beat, Amendment, Erasure, DeviceBatch, Close] {
        assert_eq!(kind.allowed_in(Class::Content), kind != Access);
        assert_eq!(kind.allowed_in(Class::Access), matches!(kind, Access | Beat | Erasure | Close));
    }
}

fn opening(items: Vec<OpeningItem>) -> Opening {
    Opening {
        version: V1,
        case: CaseId([1; 32]),
        grantee: Party::Institution(2),
        practitioner: None,
        author: Party::Institution(1),
        purpose: "TREAT".into(),
        labels: Vec::new(),
        items,
        not_before: DAY_MS + 1,
        not_after: 2 * DAY_MS,
        erase_by: 0,
        salt: [9; 32],
    }
}

fn item(lane: u8, first: u32, last: u32) -> OpeningItem {
    OpeningItem { lane: LaneId([lane; 32]), first, last, follow: false }
}

#[test]
fn openings() {
    let good = opening(vec![item(1, 0, 3), item(1, 4, 4), item(2, 0, 0)]);
    good.check().unwrap();
    assert_eq!(good.days(), (1, 1), "the last day is the one that ends at not_after");
    assert!(!good.in_force(DAY_MS) && good.in_force(DAY_MS + 1));
    assert!(good.in_force(2 * DAY_MS - 1) && !good.in_force(2 * DAY_MS), "ends are exclusive");
    assert!(good.covers(&LaneId([1; 32]), 4) && !good.covers(&LaneId([1; 32]), 5));
    for items in [
        vec![],
        vec![item(1, 3, 2)],
        vec![item(2, 0, 0), item(1, 0, 0)],
        vec![item(1, 0, 3), item(1, 3, 4)],
        vec![item(1, 0, 3), item(1, 0, 3)],
    ] {
        assert_eq!(opening(items.clone()).check(), Err(LedgerError::Malformed), "{items:?}");
    }
    let mut never = opening(vec![item(1, 0, 0)]);
    never.not_after = never.not_before;
    assert!(never.check().is_err());
    let mut other = good.clone();
    other.salt[0] ^= 1;
    assert_ne!(other.commitment(), good.commitment());
}

fn anchor(lane: u32) -> AnchorItem {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&lane.to_be_bytes());
    AnchorItem { lane: LaneId(id), size: 1, root: [0; 32], proof: Vec::new(), device: None }
}

#[test]
fn batches_are_ordered_and_bounded() {
    let batch =
        |lanes: &[u32]| AnchorBatch { version: V1, items: lanes.iter().map(|l| anchor(*l)).collect() };
    batch(&[1, 2, 3]).check().unwrap();
    for lanes in [&[][..], &[2, 1], &[1, 1]] {
        assert_eq!(batch(lanes).check(), Err(LedgerError::Malformed), "{lanes:?}");
    }
    let many: Vec<u32> = (0..MAX_BATCH as u32).collect();
    batch(&many).check().unwrap();
    let too_many: Vec<u32> = (0..=MAX_BATCH as u32).collect();
    assert!(batch(&too_many).check().is_err());
    let mut proof = batch(&[1]);
    proof.items[0].proof = vec![[0; 32]; MAX_CONSISTENCY];
    proof.check().unwrap();
    proof.items[0].proof.push([0; 32]);
    assert_eq!(proof.check(), Err(LedgerError::ProofLength));
}

#[test]
fn rotations_name_their_predecessor() {
    let mut next = LaneHeader {
        version: V1,
        case: CaseId([1; 32]),
        author: Party::Account(Address([2; 20])),
        class: Class::Content,
        minimum: 1024,
        epoch: 0,
        root: [3; 32],
        signer: None,
        predecessor: Some(anchor(1).lane),
        nonce: [4; 16],
    };
    let batch = |next: &LaneHeader| RotateBatch {
        version: V1,
        items: vec![RotateItem { last: anchor(1), next: next.clone() }],
    };
    batch(&next).check().unwrap();
    let bytes = encode(&batch(&next));
    assert_eq!(decode::<RotateBatch>(&bytes).unwrap(), batch(&next));
    next.predecessor = None;
    assert_eq!(batch(&next).check(), Err(LedgerError::Malformed));
}
