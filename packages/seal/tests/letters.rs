//! Letters: the published answers of X-Wing and of the HPKE key schedule, frozen letters opened
//! without hpke, and every refusal.

mod common;

use casewise_keytree::KeySet;
use casewise_ledger::{
    CaseId, Class, Hash, LaneHeader, LaneId, Opening, OpeningItem, Party, V1, encode, sha256,
};
use casewise_seal::{
    ENC_LEN, KemPublic, KemSecret, LETTER_MINIMUM, LaneKeys, Letter, LetterKind, LetterReason, MAX_LETTER,
    Payload, SealError, Share, padded_length,
};
use common::{array, bytes, lane_header, vectors};
use hkdf::Hkdf;
use sha2::Sha256;

type Change<'a> = &'a dyn Fn(&mut Letter);

const CASE: CaseId = CaseId([1; 32]);

fn secret() -> KemSecret {
    KemSecret::from_bytes(&[0x33; 32])
}

fn lane() -> LaneHeader {
    lane_header(Class::Content, 1024)
}

fn opening() -> Opening {
    Opening {
        version: V1,
        case: CASE,
        grantee: Party::Institution(9),
        practitioner: None,
        author: Party::Institution(7),
        purpose: "TREAT".into(),
        labels: vec!["vital signs".into()],
        items: vec![OpeningItem { lane: lane().id(), first: 5, last: 8, follow: true }],
        not_before: 1_767_225_600_000,
        not_after: 1_767_312_000_000,
        erase_by: 0,
        salt: [8; 32],
    }
}

fn root_payload() -> Payload {
    Payload::of_keys(vec![LaneKeys { lane: lane().id(), nodes: KeySet::root(&common::ROOT) }])
}

fn grant_payload() -> Payload {
    let nodes = KeySet::root(&common::ROOT).restrict(5, 8).unwrap();
    Payload { opening: Some(opening()), ..Payload::of_keys(vec![LaneKeys { lane: lane().id(), nodes }]) }
}

fn share_payload(length: usize) -> Payload {
    Payload { share: Share::new(vec![0xcd; length]), ..Payload::default() }
}

/// Every kind with its subject and a payload that fits.
fn letters() -> [(LetterKind, Hash, Payload); 5] {
    [
        (LetterKind::Root, lane().id().0, root_payload()),
        (LetterKind::Grant, opening().commitment().0, grant_payload()),
        (LetterKind::Claim, CASE.0, share_payload(32)),
        (LetterKind::Emergency, [4; 32], share_payload(33)),
        (LetterKind::Keep, CASE.0, Payload { share: Share::new(vec![7]), ..root_payload() }),
    ]
}

fn grant_letter() -> Letter {
    let (kind, subject, payload) = &letters()[1];
    Letter::seal(*kind, CASE, *subject, &secret().public(), payload).unwrap()
}

/// X-Wing without hpke.
fn decapsulate(secret: &[u8; 32], enc: &[u8]) -> [u8; 32] {
    use x_wing::Decapsulate;
    let enc = x_wing::Ciphertext::try_from(enc).unwrap();
    x_wing::DecapsulationKey::from(*secret).decapsulate(&enc).into()
}

/// RFC 9180 section 5.1 for base mode, without hpke: key, base nonce, exporter secret.
fn key_schedule(suite: &[u8], shared: &[u8; 32], info: &[u8]) -> ([u8; 32], [u8; 12], [u8; 32]) {
    let extract = |salt: &[u8], label: &[u8], ikm: &[u8]| {
        Hkdf::<Sha256>::extract(Some(salt), &[b"HPKE-v1", suite, label, ikm].concat())
    };
    let context =
        [&[0], &extract(b"", b"psk_id_hash", b"").0[..], &extract(b"", b"info_hash", info).0].concat();
    let secret = extract(shared, b"secret", b"").1;
    let expand = |label: &[u8], out: &mut [u8]| {
        let length = (out.len() as u16).to_be_bytes();
        secret.expand(&[&length, &b"HPKE-v1"[..], suite, label, &context].concat(), out).unwrap();
    };
    let (mut key, mut nonce, mut exporter) = ([0; 32], [0; 12], [0; 32]);
    expand(b"key", &mut key);
    expand(b"base_nonce", &mut nonce);
    expand(b"exp", &mut exporter);
    (key, nonce, exporter)
}

/// "HPKE" ‖ X-Wing ‖ HKDF-SHA256 ‖ AES-256-GCM.
const SUITE: &[u8] = b"HPKE\x64\x7a\x00\x01\x00\x02";

fn info(letter: &Letter) -> Vec<u8> {
    let domain = b"casewise/letter/v1";
    [domain, &[letter.kind as u8][..], &letter.case.0, &letter.subject, &letter.to].concat()
}

fn cipher(secret: &[u8; 32], letter: &Letter) -> (aes_gcm::Aes256Gcm, [u8; 12]) {
    let shared = decapsulate(secret, &letter.enc);
    let (key, nonce, _) = key_schedule(SUITE, &shared, &info(letter));
    (aes_gcm::KeyInit::new(&key.into()), nonce)
}

/// The padded plaintext of a letter, without hpke.
fn open_by_hand(secret: &[u8; 32], letter: &Letter) -> Vec<u8> {
    use aes_gcm::AeadInOut;
    let (cipher, nonce) = cipher(secret, letter);
    let (data, tag) = letter.ct.split_last_chunk::<16>().unwrap();
    let mut data = data.to_vec();
    cipher.decrypt_inout_detached(&nonce.into(), b"", data.as_mut_slice().into(), tag.into()).unwrap();
    data
}

/// A letter with any plaintext, without hpke: what a careless or hostile sender could make.
fn forge(kind: LetterKind, subject: Hash, plaintext: &[u8]) -> Letter {
    use aes_gcm::AeadInOut;
    let mut letter = grant_letter();
    (letter.kind, letter.subject) = (kind, subject);
    let (cipher, nonce) = cipher(secret().expose_secret(), &letter);
    letter.ct = plaintext.to_vec();
    let tag = cipher.encrypt_inout_detached(&nonce.into(), b"", letter.ct.as_mut_slice().into()).unwrap();
    letter.ct.extend_from_slice(&tag);
    letter
}

fn padded(data: &[u8]) -> Vec<u8> {
    let total = padded_length(data.len() as u64, LETTER_MINIMUM).unwrap() as usize;
    let mut out = (data.len() as u64).to_be_bytes().to_vec();
    out.extend_from_slice(data);
    out.resize(total, 0);
    out
}

fn reason(letter: &Letter) -> LetterReason {
    match letter.open(&secret()) {
        Err(SealError::Letter(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn x_wing_known_answers() {
    let file = vectors("letters-kat.json");
    let all = file["xwing"]["vectors"].as_array().unwrap();
    assert_eq!(all.len(), 2);
    for vector in all {
        let secret = KemSecret::from_bytes(&array(&vector["sk"]));
        assert_eq!(secret.public().as_bytes()[..], bytes(&vector["pk"]));
        // what a letter encapsulates with the vector's randomness is the vector's ciphertext
        let (kind, subject, payload) = &letters()[0];
        let entropy = array(&vector["eseed"]);
        let letter = Letter::seal_with(*kind, CASE, *subject, &secret.public(), payload, &entropy).unwrap();
        assert_eq!(letter.enc[..], bytes(&vector["ct"]));
        assert_eq!(decapsulate(secret.expose_secret(), &letter.enc), array(&vector["ss"]));
        assert_eq!(letter.open(&secret).unwrap(), *payload);
    }
}

#[test]
fn hpke_key_schedule_known_answer() {
    let file = vectors("letters-kat.json");
    let vector = &file["key_schedule"];
    let shared = decapsulate(&array(&vector["sk"]), &bytes(&vector["enc"]));
    assert_eq!(shared, array(&vector["shared_secret"]));
    let schedule = key_schedule(&bytes(&vector["suite_id"]), &shared, &bytes(&vector["info"]));
    let expected = (array(&vector["key"]), array(&vector["base_nonce"]), array(&vector["exporter_secret"]));
    assert_eq!(schedule, expected);
}

/// Our own letters, frozen: made with fixed randomness, and opened once through the crate and once
/// through X-Wing, the key schedule above and AES-256-GCM alone.
#[test]
fn frozen_letters() {
    let file = vectors("letters-kat.json");
    let all = file["letters"].as_array().unwrap();
    assert_eq!(all.len(), letters().len());
    for (vector, (kind, subject, payload)) in all.iter().zip(letters()) {
        let secret = KemSecret::from_bytes(&array(&vector["secret"]));
        let entropy = array(&vector["entropy"]);
        let letter = Letter::seal_with(kind, CASE, subject, &secret.public(), &payload, &entropy).unwrap();
        assert_eq!(encode(&payload), bytes(&vector["payload"]), "{kind:?}");
        assert_eq!(letter.encode(), bytes(&vector["letter"]), "{kind:?}");

        let letter = Letter::decode(&bytes(&vector["letter"])).unwrap();
        assert_eq!((letter.kind, letter.case, letter.subject), (kind, CASE, subject));
        assert_eq!(letter.to, sha256(&[secret.public().as_bytes()]));
        assert_eq!(letter.open(&secret).unwrap(), payload);
        assert_eq!(open_by_hand(secret.expose_secret(), &letter), padded(&bytes(&vector["payload"])));
    }
}

#[test]
fn every_kind_travels_and_no_two_letters_are_alike() {
    for (kind, subject, payload) in letters() {
        let to = secret().public();
        let one = Letter::seal(kind, CASE, subject, &to, &payload).unwrap();
        let two = Letter::seal(kind, CASE, subject, &to, &payload).unwrap();
        assert_ne!(one.enc, two.enc);
        assert_ne!(one.ct, two.ct);
        for letter in [one, two] {
            let letter = Letter::decode(&letter.encode()).unwrap();
            assert_eq!(letter.open(&secret()).unwrap(), payload);
        }
    }
}

#[test]
fn a_letter_for_another_key_is_refused() {
    let letter = grant_letter();
    let other = KemSecret::generate().unwrap();
    assert_eq!(letter.open(&other), Err(SealError::Letter(LetterReason::Recipient)));
    let mut readdressed = letter;
    readdressed.to = other.public().hash();
    assert_eq!(readdressed.open(&other), Err(SealError::Letter(LetterReason::Cipher)));
}

#[test]
fn nothing_of_a_letter_can_be_changed() {
    let good = grant_letter();
    let last = good.ct.len() - 1;
    let changes: [(LetterReason, Change<'_>); 14] = [
        (LetterReason::Cipher, &|letter| letter.kind = LetterKind::Emergency),
        (LetterReason::Cipher, &|letter| letter.case.0[0] ^= 1),
        (LetterReason::Cipher, &|letter| letter.subject[31] ^= 1),
        (LetterReason::Recipient, &|letter| letter.to[0] ^= 1),
        (LetterReason::Cipher, &|letter| letter.enc[0] ^= 1),
        (LetterReason::Cipher, &|letter| letter.enc[1087] ^= 1),
        (LetterReason::Cipher, &|letter| letter.enc[1088] ^= 1),
        (LetterReason::Cipher, &|letter| letter.enc[ENC_LEN - 1] ^= 1),
        (LetterReason::Cipher, &|letter| letter.ct[0] ^= 1),
        (LetterReason::Cipher, &|letter| letter.ct[last] ^= 1),
        (LetterReason::Cipher, &|letter| letter.ct.truncate(last)),
        (LetterReason::Cipher, &|letter| letter.ct.push(0)),
        (LetterReason::Cipher, &|letter| letter.ct.clear()),
        (LetterReason::Length, &|letter| letter.ct.resize(MAX_LETTER + 1, 0)),
    ];
    for (number, (expected, change)) in changes.into_iter().enumerate() {
        let mut letter = good.clone();
        change(&mut letter);
        assert_eq!(reason(&letter), expected, "change {number}");
    }
}

#[test]
fn the_encoding_of_a_letter_is_strict() {
    let good = grant_letter().encode();
    assert!(Letter::decode(&good).is_ok());
    let change = |at: usize, to: u8| {
        let mut letter = good.clone();
        letter[at] = to;
        letter
    };
    for (name, letter) in [
        ("version 0", change(0, 0)),
        ("version 2", change(0, 2)),
        ("kind 5", change(1, 5)),
        ("one byte more", [&good[..], &[0]].concat()),
        ("one byte less", good[..good.len() - 1].to_vec()),
        ("no ciphertext", good[..good.len() - 1100].to_vec()),
        ("nothing", Vec::new()),
    ] {
        assert!(Letter::decode(&letter).is_err(), "{name}");
    }
}

#[test]
fn a_letter_has_a_longest_length() {
    // the padded payload may have 4 MiB: its length field, two empty fields and the share's length
    let longest = MAX_LETTER - 16 - 8 - (4 + 1 + 4);
    let to = secret().public();
    let send = |length| Letter::seal(LetterKind::Claim, CASE, CASE.0, &to, &share_payload(length));
    let letter = send(longest).unwrap();
    assert_eq!(letter.ct.len(), MAX_LETTER);
    assert_eq!(Letter::decode(&letter.encode()).unwrap().open(&secret()), Ok(share_payload(longest)));
    assert_eq!(send(longest + 1), Err(SealError::Payload(LetterReason::Length)));

    let mut longer = letter;
    longer.ct.push(0);
    assert!(Letter::decode(&longer.encode()).is_err());
}

#[test]
fn padding_is_exact() {
    let payload = encode(&share_payload(200));
    let good = padded(&payload);
    assert!(forge(LetterKind::Claim, CASE.0, &good).open(&secret()).is_ok());
    let change = |at: usize| {
        let mut plain = good.clone();
        plain[at] ^= 1;
        plain
    };
    for (name, plain) in [
        ("first byte of padding", change(8 + payload.len())),
        ("last byte of padding", change(1023)),
        ("length longer than the letter", change(2)),
        ("longer total", [&good[..], &[0; 32]].concat()),
        ("shorter total", good[..992].to_vec()),
        ("no length", good[..7].to_vec()),
    ] {
        assert_eq!(reason(&forge(LetterKind::Claim, CASE.0, &plain)), LetterReason::Padding, "{name}");
    }
}

#[test]
fn a_payload_must_be_canonical() {
    let lanes = |ids: &[u8]| {
        let keys: Vec<LaneKeys> = ids
            .iter()
            .map(|id| LaneKeys { lane: LaneId([*id; 32]), nodes: KeySet::root(&[*id; 32]) })
            .collect();
        Payload { keys, ..Payload::default() }
    };
    let mut overlap = encode(&lanes(&[1]));
    overlap[4 + 32] = 2; // two nodes, the second inside the first
    let second = [&[7, 0, 0, 0, 32][..], &[5; 32]].concat();
    overlap.splice(4 + 32 + 4 + 37..4 + 32 + 4 + 37, second);
    let mut bad_opening = grant_payload();
    bad_opening.opening.as_mut().unwrap().items.clear();
    for (name, payload) in [
        ("lanes out of order", encode(&lanes(&[2, 1]))),
        ("a lane twice", encode(&lanes(&[1, 1]))),
        ("overlapping nodes", overlap),
        ("an opening without items", encode(&bad_opening)),
        ("trailing byte", [encode(&lanes(&[1])), vec![0]].concat()),
        ("truncated", encode(&lanes(&[1]))[..50].to_vec()),
        ("empty", Vec::new()),
    ] {
        let letter = forge(LetterKind::Keep, CASE.0, &padded(&payload));
        assert_eq!(reason(&letter), LetterReason::Payload, "{name}");
    }
    assert!(forge(LetterKind::Keep, CASE.0, &padded(&encode(&lanes(&[1, 2])))).open(&secret()).is_ok());

    let to = secret().public();
    for payload in [lanes(&[2, 1]), lanes(&[1, 1]), bad_opening] {
        let result = Letter::seal(LetterKind::Keep, CASE, CASE.0, &to, &payload);
        assert_eq!(result, Err(SealError::Payload(LetterReason::Payload)));
    }
    let sorted = Payload::of_keys(lanes(&[3, 1, 2]).keys);
    assert_eq!(sorted, lanes(&[1, 2, 3]));
    assert!(sorted.keys_of(&LaneId([2; 32])).is_some() && sorted.keys_of(&LaneId([4; 32])).is_none());
}

/// What a letter says must be what kind and subject announce, on both sides.
#[test]
fn a_payload_must_fit_kind_and_subject() {
    let lane_id = lane().id();
    let of = |nodes| Payload::of_keys(vec![LaneKeys { lane: lane_id, nodes }]);
    let root = || KeySet::root(&common::ROOT);
    let two_lanes = Payload::of_keys(vec![
        LaneKeys { lane: lane_id, nodes: root() },
        LaneKeys { lane: LaneId([9; 32]), nodes: root() },
    ]);
    let mut advanced = root();
    advanced.advance().unwrap();
    let mut other_case = opening();
    other_case.case = CaseId([9; 32]);
    let other_subject = other_case.commitment().0;
    for (name, kind, subject, payload) in [
        ("root of another lane", LetterKind::Root, [9; 32], root_payload()),
        ("root without keys", LetterKind::Root, lane_id.0, Payload::default()),
        ("root with two lanes", LetterKind::Root, lane_id.0, two_lanes),
        ("part of a tree", LetterKind::Root, lane_id.0, of(root().restrict(0, 7).unwrap())),
        ("advanced tree", LetterKind::Root, lane_id.0, of(advanced)),
        (
            "root with opening",
            LetterKind::Root,
            lane_id.0,
            Payload { opening: Some(opening()), ..root_payload() },
        ),
        (
            "root with share",
            LetterKind::Root,
            lane_id.0,
            Payload { share: Share::new(vec![1]), ..root_payload() },
        ),
        ("opening of another grant", LetterKind::Grant, [9; 32], grant_payload()),
        (
            "opening of another case",
            LetterKind::Grant,
            other_subject,
            Payload { opening: Some(other_case), ..grant_payload() },
        ),
        (
            "grant with share",
            LetterKind::Grant,
            opening().commitment().0,
            Payload { share: Share::new(vec![1]), ..grant_payload() },
        ),
    ] {
        let sealed = Letter::seal(kind, CASE, subject, &secret().public(), &payload);
        assert_eq!(sealed, Err(SealError::Payload(LetterReason::Subject)), "{name}");
        let forged = forge(kind, subject, &padded(&encode(&payload)));
        assert_eq!(reason(&forged), LetterReason::Subject, "{name}");
    }
    // a successor lane's letter has no opening
    let successor = Payload { opening: None, ..grant_payload() };
    assert!(Letter::seal(LetterKind::Grant, CASE, [9; 32], &secret().public(), &successor).is_ok());
}

#[test]
fn a_root_is_checked_against_the_lane_header() {
    let keys = |lane, key| LaneKeys { lane, nodes: KeySet::root(key) };
    let header = lane();
    keys(header.id(), &common::ROOT).check_root(&header).unwrap();
    let part = LaneKeys { lane: header.id(), nodes: KeySet::root(&common::ROOT).restrict(0, 9).unwrap() };
    for wrong in [keys(header.id(), &[9; 32]), keys(LaneId([9; 32]), &common::ROOT), part] {
        assert_eq!(wrong.check_root(&header), Err(SealError::Letter(LetterReason::Subject)));
    }
}

#[test]
fn a_public_key_must_be_one() {
    let good = *secret().public().as_bytes();
    assert_eq!(KemPublic::from_bytes(&good).unwrap(), secret().public());
    let mut bad = good;
    bad[..3].fill(0xff); // a coefficient not below 3329
    assert_eq!(KemPublic::from_bytes(&bad), Err(SealError::KemKey));
}

#[test]
fn no_secret_is_shown() {
    let (secret, payload) = (KemSecret::from_bytes(&[0xab; 32]), grant_payload());
    let mut shown = format!("{secret:?} {:?} {payload:?} {:?}", secret.public(), share_payload(40));
    shown.push_str(&format!(
        "{:?} {}",
        grant_letter().open(&secret),
        SealError::Payload(LetterReason::Subject)
    ));
    for node in payload.keys[0].nodes.nodes() {
        assert!(!shown.contains(&hex::encode(node.expose_secret())));
        assert!(!shown.contains(&format!("{:?}", node.expose_secret())));
    }
    for hidden in ["abab", "171, 171", "205, 205", "cdcd"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
    let outside: std::collections::BTreeSet<String> =
        LetterReason::ALL.iter().map(|reason| SealError::Letter(*reason).to_string()).collect();
    assert_eq!(outside.len(), 1);
}

#[test]
fn generated_keys_differ() {
    let (one, two) = (KemSecret::generate().unwrap(), KemSecret::generate().unwrap());
    assert!(one != two);
    assert!(one == KemSecret::from_bytes(one.expose_secret()));
    assert_ne!(one.public().hash(), two.public().hash());
}
