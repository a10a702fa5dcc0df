//! Bodies, headers, routes and problems: their JSON shapes, their limits and what they refuse.

use casewise_api::body::*;
use casewise_api::header::*;
use casewise_api::limits::*;
use casewise_api::route::{self, public};
use casewise_api::{ApiError, Base64, Hex, Packed, Problem, ProblemKind};
use casewise_ledger::account::AccountKey;
use casewise_ledger::{CaseId, Class, EntryHeader, EntryRef, Kind, LaneHeader, LaneId, Party, V1, encode};
use proptest::prelude::*;
use serde_json::{Value, json};

fn lane_header() -> LaneHeader {
    LaneHeader {
        version: V1,
        case: CaseId([1; 32]),
        author: Party::Institution(7),
        class: Class::Content,
        minimum: 1024,
        epoch: 0,
        root: [2; 32],
        signer: None,
        predecessor: None,
        nonce: [3; 16],
    }
}

fn entry_header() -> EntryHeader {
    EntryHeader {
        version: V1,
        suite: 1,
        lane: LaneId([4; 32]),
        index: 5,
        kind: Kind::Record,
        time: 6,
        beacon: Default::default(),
        prev: None,
    }
}

#[test]
fn packed_objects_are_base64_of_borsh() {
    let text = serde_json::to_value(Packed(lane_header())).unwrap();
    assert!(text.as_str().unwrap().starts_with("AQEBAQ"));
    let back: Packed<LaneHeader> = serde_json::from_value(text).unwrap();
    assert_eq!(back.0, lane_header());
}

#[test]
fn packed_refuses_all_but_one_spelling() {
    let good = Packed(entry_header()).to_string();
    let parse = |text: &str| text.parse::<Packed<EntryHeader>>().map(|_| ());
    assert_eq!(parse(&good), Ok(()));
    assert_eq!(parse(&good.replace('=', "")), Err(ApiError::Base64), "padding missing");
    assert_eq!(parse(&format!("{good}=")), Err(ApiError::Base64), "padding too long");
    assert_eq!(parse(&format!(" {good}")), Err(ApiError::Base64), "space");
    assert_eq!(parse(&format!("{good}\n")), Err(ApiError::Base64), "line break");
    assert_eq!(parse("-_"), Err(ApiError::Base64), "url alphabet");
    assert_eq!(parse(""), Err(ApiError::Packed), "nothing");
    let packed = |bytes: &[u8]| serde_json::from_value::<Packed<EntryHeader>>(json!(Base64(bytes.to_vec())));
    let bytes = encode(&entry_header());
    assert!(packed(&bytes).is_ok());
    for end in 0..bytes.len() {
        assert!(packed(&bytes[..end]).is_err(), "shortened to {end}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(packed(&longer).is_err(), "trailing byte");
    let mut version = bytes;
    version[0] = 2;
    assert!(packed(&version).is_err(), "another version");
    assert!(serde_json::from_value::<Packed<EntryHeader>>(json!(5)).is_err(), "not text");
}

#[test]
fn stray_bits_of_base64_are_refused() {
    assert!(serde_json::from_value::<Base64>(json!("AA==")).is_ok());
    assert!(serde_json::from_value::<Base64>(json!("AB==")).is_err());
}

#[test]
fn hex_is_lower_case_and_of_its_length() {
    let parse = |text: &str| text.parse::<Hex<2>>();
    assert_eq!(parse("0aff"), Ok(Hex([10, 255])));
    for bad in ["0AFF", "0af", "0aff0", "0aff00", "", "0x0a", "zzzz", " 0af"] {
        assert_eq!(parse(bad), Err(ApiError::Hex(2)), "{bad}");
    }
    assert_eq!(ApiError::Hex(32).to_string(), "expected 32 bytes as 64 digits of lower-case hexadecimal");
}

#[test]
fn an_array_of_another_length_is_refused() {
    assert_eq!(Base64(vec![0; 1216]).to_array::<1216>(), Ok([0; 1216]));
    assert_eq!(Base64(vec![0; 1215]).to_array::<1216>(), Err(ApiError::Base64));
}

#[test]
fn entry_page_has_its_documented_shape() {
    let lane = LaneId([4; 32]);
    let key = AccountKey::from_bytes(&[1; 32]).unwrap();
    let head = SignedHead::sign(lane, &casewise_ledger::Head { size: 6, root: [8; 32] }, 9, &key);
    let listing = EntryListing {
        index: 5,
        header: Packed(entry_header()),
        commitment: Hex([1; 32]),
        body_length: 1040,
        body_sha256: Hex([2; 32]),
    };
    assert_eq!(listing.leaf(), entry_header().leaf(&[1; 32], 1040, &[2; 32]));
    let page = EntryPage { head, entries: vec![listing] };
    let value = serde_json::to_value(&page).unwrap();
    assert_eq!(value["head"]["lane"], json!("04".repeat(32)));
    assert_eq!(value["head"]["time"], json!(9));
    assert_eq!(value["entries"][0]["body_length"], json!(1040));
    assert_eq!(value["entries"][0]["commitment"], json!("01".repeat(32)));
    assert_eq!(serde_json::from_value::<EntryPage>(value).unwrap(), page);
}

#[test]
fn a_signed_head_verifies_and_a_changed_one_does_not() {
    let key = AccountKey::from_bytes(&[1; 32]).unwrap();
    let head = SignedHead::sign(LaneId([4; 32]), &casewise_ledger::Head { size: 6, root: [8; 32] }, 9, &key);
    assert_eq!(head.verify(), Ok(key.address()));
    for changed in [
        SignedHead { lane: LaneId([5; 32]), ..head.clone() },
        SignedHead { size: 7, ..head.clone() },
        SignedHead { root: Hex([9; 32]), ..head.clone() },
        SignedHead { time: 10, ..head.clone() },
        SignedHead { key: Hex([2; 33]), ..head.clone() },
    ] {
        assert_eq!(changed.verify(), Err(ApiError::Signature));
    }
}

#[test]
fn requests_refuse_fields_they_do_not_know() {
    let good = json!({"system": "urn:mrn", "value": "1", "case": "01".repeat(32)});
    assert!(serde_json::from_value::<Link>(good.clone()).is_ok());
    let mut more = good;
    more["cases"] = json!("x");
    let error = serde_json::from_value::<Link>(more).unwrap_err();
    assert!(error.to_string().contains("cases"), "{error}");
    let policy = json!({"cadence": 0, "lateness": 0, "grace": 0});
    let error = serde_json::from_value::<PolicyBody>(policy).unwrap_err();
    assert!(error.to_string().contains("completion"), "{error}");
    let item = json!({"grant": "01".repeat(32), "items": [], "practioner": null});
    assert!(serde_json::from_value::<ReleaseRequest>(item).is_err());
    assert!(serde_json::from_value::<Countersignature>(json!({"reader_key": "00"})).is_err());
}

#[test]
fn answers_may_grow() {
    let value = json!({"seq": 4, "later": true});
    assert_eq!(serde_json::from_value::<LetterAccepted>(value).unwrap(), LetterAccepted { seq: 4 });
}

#[test]
fn parties_and_kinds_are_words() {
    let entry = SharedEntry {
        lane: LaneId([4; 32]),
        index: 0,
        author: Party::Institution(7),
        kind: Kind::Amendment,
        time: 1,
        body_length: 2,
        grant: casewise_ledger::Commitment([5; 32]),
    };
    let value = serde_json::to_value(entry).unwrap();
    assert_eq!(value["author"], json!({"institution": 7}));
    assert_eq!(value["kind"], json!("amendment"));
}

#[test]
fn an_identifier_has_two_parts_and_a_limit() {
    let identifier: Identifier = "urn:mrn|a|b".parse().unwrap();
    assert_eq!((identifier.system(), identifier.value()), ("urn:mrn", "a|b"));
    assert_eq!(format!("{identifier:?}"), "Identifier(..)");
    for bad in ["", "|", "a|", "|b", "ab", "a|b\n"] {
        assert_eq!(bad.parse::<Identifier>(), Err(ApiError::Identifier), "{bad:?}");
    }
    assert_eq!(Identifier::new("a|b", "c"), Err(ApiError::Identifier));
    let of_length = |n: usize| format!("s|{}", "v".repeat(n - 2)).parse::<Identifier>();
    assert!(of_length(MAX_IDENTIFIER).is_ok());
    assert_eq!(of_length(MAX_IDENTIFIER + 1), Err(ApiError::Identifier));
    let link = Link { system: "s".into(), value: "secret".into(), case: CaseId([1; 32]) };
    assert!(!format!("{link:?}").contains("secret"));
    assert_eq!(link.identifier().unwrap().as_str(), "s|secret");
}

#[test]
fn entry_names_have_one_spelling() {
    let lane = "04".repeat(32);
    let name: EntryName = format!("{lane}:10").parse().unwrap();
    assert_eq!(name.0, EntryRef { lane: LaneId([4; 32]), index: 10 });
    assert!(format!("{lane}:0").parse::<EntryName>().is_ok());
    for bad in ["", ":", ":1"] {
        assert_eq!(bad.parse::<EntryName>(), Err(ApiError::EntryName));
    }
    for bad in ["", "01", "+1", "-1", "4294967296", "1:2", " 1"] {
        assert_eq!(format!("{lane}:{bad}").parse::<EntryName>(), Err(ApiError::EntryName), "{bad}");
    }
}

#[test]
fn idempotency_keys_and_practitioners_have_limits() {
    let key = |n: usize| check_idempotency_key(&"k".repeat(n));
    assert_eq!(key(0), Err(ApiError::IdempotencyKey));
    assert_eq!(key(1), Ok(()));
    assert_eq!(key(MAX_IDEMPOTENCY_KEY), Ok(()));
    assert_eq!(key(MAX_IDEMPOTENCY_KEY + 1), Err(ApiError::IdempotencyKey));
    assert_eq!(check_idempotency_key("a b"), Err(ApiError::IdempotencyKey));
    assert_eq!(check_idempotency_key("é"), Err(ApiError::IdempotencyKey));

    let practitioner = |text: &str| text.parse::<Practitioner>();
    assert!(matches!(practitioner(&"0a".repeat(20)), Ok(Practitioner::Account(_))));
    assert!(matches!(practitioner(&"0A".repeat(20)), Ok(Practitioner::Local(_))));
    assert!(practitioner(&"p".repeat(MAX_PRACTITIONER)).is_ok());
    assert_eq!(practitioner(&"p".repeat(MAX_PRACTITIONER + 1)), Err(ApiError::Practitioner));
    assert_eq!(practitioner(""), Err(ApiError::Practitioner));
    assert_eq!(practitioner("dr\n"), Err(ApiError::Practitioner));
}

#[test]
fn purposes_are_a_sorted_list_of_codes() {
    assert!(PURPOSES.windows(2).all(|pair| pair[0] < pair[1]));
    for code in PURPOSES {
        assert_eq!(check_purpose(code), Ok(()));
    }
    for bad in ["", "treat", "TREATX", "OTHER"] {
        assert_eq!(check_purpose(bad), Err(ApiError::Purpose));
    }
}

#[test]
fn a_bearer_token_must_be_there_and_equal() {
    assert!(bearer_matches(b"Bearer abc", "abc"));
    for bad in ["Bearer abd", "Bearer ab", "Bearer abcd", "bearer abc", "abc", "", "Bearer "] {
        assert!(!bearer_matches(bad.as_bytes(), "abc"), "{bad}");
    }
    assert!(!bearer_matches(b"Bearer ", ""), "an empty token opens nothing");
}

#[test]
fn ranges_are_single_and_inside() {
    let range = |text: &str| text.parse::<ByteRange>();
    assert_eq!(range("bytes=0-9").unwrap().of(100), Some((0, 9)));
    assert_eq!(range("bytes=90-").unwrap().of(100), Some((90, 99)));
    assert_eq!(range("bytes=90-200").unwrap().of(100), Some((90, 99)));
    assert_eq!(range("bytes=99-99").unwrap().of(100), Some((99, 99)));
    assert_eq!(range("bytes=100-").unwrap().of(100), None);
    assert_eq!(range("bytes=0-").unwrap().of(0), None);
    for bad in
        ["", "bytes=", "bytes=-5", "bytes=5-4", "bytes=0-1,2-3", "bytes=+1-2", "items=0-1", "bytes=a-b"]
    {
        assert_eq!(range(bad), Err(ApiError::Range), "{bad}");
    }
    assert_eq!(range("bytes=18446744073709551616-"), Err(ApiError::Range));
    assert_eq!(range("bytes=1-2").unwrap().to_string(), "bytes=1-2");
    assert_eq!(range("bytes=1-").unwrap().to_string(), "bytes=1-");
}

/// A target fits its template: same number of parts, and equal where the template has no braces.
fn fits(template: &str, target: &str) -> bool {
    let (template, target): (Vec<_>, Vec<_>) = (template.split('/').collect(), target.split('/').collect());
    template.len() == target.len()
        && template.iter().zip(&target).all(|(a, b)| a == b || (a.starts_with('{') && !b.is_empty()))
}

#[test]
fn targets_fit_their_templates() {
    let (case, lane, nonce) = (CaseId([1; 32]), LaneId([2; 32]), [3; 16]);
    let proof = InclusionQuery { index: 1, size: 2 };
    let pairs = [
        (public::LANES, route::lanes(&case)),
        (public::KEM, route::kem(&case)),
        (public::LETTERS_OF_CASE, route::letters(&case, LettersQuery { after: 4, limit: None })),
        (public::ENTRIES, route::entries(&lane, EntriesQuery { first: 0, limit: Some(10) })),
        (public::BODY, route::body(&lane, 3)),
        (public::INCLUSION, route::inclusion(&lane, proof)),
        (public::CONSISTENCY, route::consistency(&lane, ConsistencyQuery { from: 1, to: 2 })),
        (public::GRANT, route::grant(&casewise_ledger::Commitment([9; 32]))),
        (public::RELEASE, route::release(&nonce)),
        (public::RELEASE_BODY, route::release_body(&nonce, &lane, 3)),
        (
            public::RELEASE_INCLUSION,
            route::release_inclusion(&nonce, ReleaseInclusionQuery { lane, index: 1, size: 2 }),
        ),
        (route::private::CLAIM, route::claim(&case)),
        (route::private::SHARED, route::shared(&case)),
        (route::private::SHARED_ENTRY, route::shared_entry(&case, &lane, 3)),
        (public::RELEASES, public::RELEASES.into()),
    ];
    for (template, target) in pairs {
        assert!(fits(template, &target.path), "{template} {target}");
    }
    let target = route::entries(&lane, EntriesQuery { first: 0, limit: Some(10) });
    assert_eq!(target.query.as_deref(), Some("first=0&limit=10"));
}

#[test]
fn ingest_targets_escape_their_identifier() {
    let query = IngestQuery {
        case: None,
        identifier: Some("urn:mrn|1 &=é".parse().unwrap()),
        kind: IngestKind::Amendment,
        prev: Some(EntryName(EntryRef { lane: LaneId([4; 32]), index: 2 })),
    };
    let target = route::ingest(&query);
    let expected =
        format!("identifier=urn%3Amrn%7C1%20%26%3D%C3%A9&kind=amendment&prev={}%3A2", "04".repeat(32));
    assert_eq!(target.query.as_deref(), Some(expected.as_str()));
    assert_eq!(Kind::from(query.kind), Kind::Amendment);
    let plain = IngestQuery { identifier: None, kind: IngestKind::Record, prev: None, ..query };
    assert_eq!(route::ingest(&plain).to_string(), "/v1/entries");
}

#[test]
fn problems_are_stable_distinct_and_say_what_to_do() {
    let mut slugs: Vec<&str> = ProblemKind::ALL.iter().map(|kind| kind.slug()).collect();
    let count = slugs.len();
    slugs.sort_unstable();
    slugs.dedup();
    assert_eq!(slugs.len(), count);
    for kind in ProblemKind::ALL {
        assert!(kind.status().is_client_error() || kind.status().is_server_error(), "{kind:?}");
        assert!(kind.remedy().ends_with('.') && kind.remedy().len() > 10, "{kind:?}");
        assert_eq!(kind.retry_after().is_some(), matches!(kind.status().as_u16(), 429 | 503), "{kind:?}");
        let problem = Problem::from(*kind);
        let back: Problem = serde_json::from_str(&serde_json::to_string(&problem).unwrap()).unwrap();
        assert_eq!(back.problem_kind(), Some(*kind));
    }
}

#[test]
fn a_problem_has_its_documented_shape() {
    let problem = Problem::new(ProblemKind::UnknownCase, "No case 01ab is served here.")
        .field("case")
        .instance("req-1");
    let value = serde_json::to_value(&problem).unwrap();
    assert_eq!(
        value,
        json!({
            "type": "urn:casewise:problem:unknown-case",
            "title": "This case is not known here",
            "status": 404,
            "detail": "No case 01ab is served here. Register it first with POST /v1/cases and the \
                       patient's case offer; nothing was stored.",
            "instance": "req-1",
            "field": "case",
        })
    );
    let bare = serde_json::to_value(Problem::from(ProblemKind::Absent)).unwrap();
    assert_eq!(bare["instance"], Value::Null);
    assert!(bare.get("field").is_none());
    let newer = json!({"type": "urn:casewise:problem:x", "title": "", "status": 400, "detail": ""});
    assert_eq!(serde_json::from_value::<Problem>(newer).unwrap().problem_kind(), None);
}

proptest! {
    #[test]
    fn parsers_never_panic(text in "\\PC*") {
        let _ = text.parse::<Packed<LaneHeader>>();
        let _ = text.parse::<Hex<16>>();
        let _ = text.parse::<EntryName>();
        let _ = text.parse::<ByteRange>();
        let _ = text.parse::<Practitioner>();
        if let Ok(identifier) = text.parse::<Identifier>() {
            prop_assert_eq!(format!("{}|{}", identifier.system(), identifier.value()), text);
        }
    }
}
