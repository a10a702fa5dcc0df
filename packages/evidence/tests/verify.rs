//! Evidence that must be accepted, what the verdict says, and every link broken one at a time.

mod common;

use casewise_evidence::*;
use casewise_ledger::{Beacon, Data, EntryHeader, Kind, encode, merkle};
use common::network::{Signers, Spec, Validators};
use common::{ANCHOR, BEACON, CHANGE, CONTENT, STATE, Story, mutants};
use proptest::prelude::*;

#[test]
fn a_true_file_is_accepted_and_says_what_it_shows() {
    let story = Story::new(1);
    let verdict = verify_bytes(&story.evidence().to_json(), &story.anchor()).unwrap();
    assert_eq!((verdict.lane, verdict.case), (story.lane.id(), story.lane.case));
    assert_eq!((verdict.size, verdict.seen, verdict.height, verdict.links), (5, 1, STATE, 1));
    assert_eq!((verdict.signed_power, verdict.total_power), (45, 45));
    assert_eq!(verdict.anchored_time, story.record.time);
    assert_eq!(verdict.header_time, (common::network::START + STATE + 1) * 1000 + 123);
    assert!(matches!(&verdict.author, Author::Institution { number: 7, name, .. } if name == "Hospital A"));
    let [disclosed, listed] = verdict.entries.as_slice() else { panic!("two entries") };
    assert_eq!(
        (disclosed.index, disclosed.body, disclosed.beacon),
        (2, BodyState::Opened, BeaconState::None)
    );
    assert_eq!(disclosed.media_type.as_deref(), Some("text/plain"));
    let content = Some(Data::Content { media_type: "text/plain".into(), content: CONTENT.into() });
    assert_eq!(disclosed.content, content);
    let time = (common::network::START + BEACON) * 1000 + 123;
    assert_eq!((listed.index, listed.body), (3, BodyState::Absent));
    assert_eq!(listed.beacon, BeaconState::Proven { height: BEACON, time });
    assert!(verdict.not_checked.iter().any(|line| line.starts_with("entry 3: the file holds no body")));
    assert!(verdict.assumptions.iter().any(|line| line.contains("did not leak")));
}

#[test]
fn neither_debug_nor_json_of_a_verdict_shows_content_or_key() {
    let story = Story::new(1);
    let file = story.evidence();
    let verdict = verify(&file, &story.anchor()).unwrap();
    let key = hex::encode(story.one_time_key(2).expose_secret());
    for text in [format!("{verdict:?}"), format!("{file:?}"), serde_json::to_string(&verdict).unwrap()] {
        assert!(!text.contains("BP 120/80") && !text.contains(&key), "{text}");
        assert!(!text.contains(&format!("{:?}", CONTENT)), "{text}");
    }
}

#[test]
fn each_false_link_has_its_reason() {
    let story = Story::new(1);
    let mutants = mutants::all(&story);
    for mutant in &mutants {
        let refusal = verify(&mutant.file, &mutant.anchor).expect_err(mutant.name);
        assert_eq!(refusal.code.to_string(), mutant.code, "{}: {refusal}", mutant.name);
    }
    for code in ReasonCode::CHAIN.iter().map(ToString::to_string) {
        let elsewhere = ["too_large", "format"].contains(&code.as_str());
        assert!(elsewhere || mutants.iter().any(|mutant| mutant.code == code), "no test refuses for {code}");
    }
}

#[test]
fn what_may_be_left_out_is_not_missed() {
    let story = Story::new(2);
    let states = [(true, true, BodyState::Opened), (true, false, BodyState::KeyOnly)];
    let states =
        states.into_iter().chain([(false, true, BodyState::Sealed), (false, false, BodyState::Absent)]);
    for (key, body, expected) in states {
        let mut file = story.evidence();
        file.beacon_header = None;
        file.entries[0].one_time_key = file.entries[0].one_time_key.take().filter(|_| key);
        file.entries[0].body = file.entries[0].body.take().filter(|_| body);
        let verdict = verify_bytes(&file.to_json(), &story.anchor()).unwrap();
        assert_eq!(verdict.entries[0].body, expected);
        assert_eq!(verdict.entries[0].content.is_some(), expected == BodyState::Opened);
        assert_eq!(verdict.entries[1].beacon, BeaconState::Claimed { height: BEACON });
    }
}

#[test]
fn the_holder_of_the_case_can_be_the_author() {
    let story = Story::of_holder(3);
    let mut file = story.evidence();
    file.beacon_header = None;
    let verdict = verify(&file, &story.anchor()).unwrap();
    assert_eq!(verdict.author, Author::Holder { account: casewise_ledger::Address([9; 20]) });
    let mut other = story.clone();
    other.author_value[1] ^= 1;
    let mut file = other.evidence();
    file.beacon_header = None;
    assert_eq!(verify(&file, &story.anchor()).unwrap_err().code, ReasonCode::AuthorKey);
}

#[test]
fn the_anchor_can_be_any_height_up_to_the_header() {
    let story = Story::new(1);
    let mut file = story.evidence();
    file.beacon_header = None;
    let at = |height: u64, spec: Spec, validators: &Validators| TrustAnchor {
        height,
        header_hash: spec.hash(),
        validators_hash: validators.hash(),
        ..story.anchor()
    };
    verify(&file, &at(CHANGE, story.change(), &story.first)).unwrap();
    let mut direct = file.clone();
    direct.links.clear();
    let after = Spec { height: CHANGE + 1, ..story.beacon() };
    verify(&direct, &at(CHANGE + 1, after, &story.second)).unwrap();
    verify(&direct, &at(STATE + 1, story.header(), &story.second)).unwrap();
    let past = at(STATE + 2, story.header(), &story.second);
    assert_eq!(verify(&direct, &past).unwrap_err().code, ReasonCode::Anchor);
}

#[test]
fn just_more_than_two_thirds_is_enough() {
    let mut story = Story::new(1);
    story.second = Validators::new(1, "second", &[21, 10, 10, 5]);
    let mut file = story.evidence();
    file.entries.pop();
    file.inclusion.pop();
    file.beacon_header = None;
    let header = |signers| story.header().signed(&story.second, signers);
    file.header = header(Signers::First(2));
    let verdict = verify(&file, &story.anchor()).unwrap();
    assert_eq!((verdict.signed_power, verdict.total_power), (31, 46));
    file.header = header(Signers::First(1));
    assert_eq!(verify(&file, &story.anchor()).unwrap_err().code, ReasonCode::Power);
}

#[test]
fn a_vote_for_no_block_is_packed_as_absent() {
    let story = Story::new(1);
    let mut file = story.evidence();
    file.header = story.header().signed(&story.second, Signers::Nil(3));
    let verdict = verify(&file, &story.anchor()).unwrap();
    assert_eq!((verdict.signed_power, verdict.total_power), (40, 45));
}

#[test]
fn facts_of_a_header_lead_to_the_links() {
    let story = Story::new(1);
    let facts = header_facts(&story.change().raw(&story.first, Signers::All)).unwrap();
    assert_eq!((facts.height, facts.chain_id.as_str()), (CHANGE, common::CHAIN_ID));
    assert_eq!(facts.hash, story.change().hash());
    assert_eq!(facts.time_ms, (common::network::START + CHANGE) * 1000 + 123);
    assert_eq!(
        (facts.validators_hash, facts.next_validators_hash),
        (story.first.hash(), story.second.hash())
    );
    assert!(header_facts(b"no header").is_err());
}

#[test]
fn stripped_headers_are_refused_for_their_power() {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD;
    let story = Story::new(1);
    let mut file = story.evidence();
    file.header = base64.decode(strip_signatures(&base64.encode(&file.header)).unwrap()).unwrap();
    assert_eq!(verify(&file, &story.anchor()).unwrap_err().code, ReasonCode::Power);
    assert!(strip_signatures("?").is_err());
}

/// Every byte of the file counts.
#[test]
fn one_changed_byte_anywhere_is_refused() {
    let story = Story::new(1);
    let (good, anchor) = (story.evidence().to_json(), story.anchor());
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 1;
        assert!(verify_bytes(&changed, &anchor).is_err(), "byte {at} of {}", good.len());
    }
}

#[test]
fn a_truncated_or_reformatted_file_is_refused() {
    let story = Story::new(1);
    let (good, anchor) = (story.evidence().to_json(), story.anchor());
    let refused = |file: &[u8]| assert_eq!(verify_bytes(file, &anchor).unwrap_err().code, ReasonCode::Format);
    for end in (0..good.len()).step_by(7) {
        refused(&good[..end]);
    }
    let text = String::from_utf8(good.clone()).unwrap();
    refused(format!("{text}\n").as_bytes());
    refused(format!(" {text}").as_bytes());
    refused(text.replace("\"v\":1", "\"v\":1.0").as_bytes());
    refused(text.replace("\"v\":1", "\"v\":01").as_bytes());
    refused(text.replace("\"v\":1", "\"v\":1,\"v\":1").as_bytes());
    refused(text.replace("\"v\":1", "\"v\":1,\"x\":null").as_bytes());
    refused(text.replace("\"v\":1,", "").as_bytes());
    refused(text.replace("\"height\":\"40\"", "\"height\":40").as_bytes());
    refused(text.replace("\"height\":\"40\"", "\"height\":\"040\"").as_bytes());
    refused(text.replace("casewise-vectors", "\\u0063asewise-vectors").as_bytes());
    refused(&serde_json::to_vec_pretty(&story.evidence()).unwrap());
    let checksum = hex::encode(story.checksum);
    refused(text.replace(&checksum, &checksum.to_uppercase()).as_bytes());
    let value: serde_json::Value = serde_json::from_slice(&good).unwrap();
    assert_eq!(serde_json::to_vec(&value).unwrap(), good, "fields are in alphabetical order");
}

#[test]
fn a_file_at_the_limit_is_read_and_one_past_it_is_not() {
    let story = Story::new(1);
    let mut file = story.evidence().to_json();
    file.resize(MAX_FILE, b' ');
    assert_eq!(Evidence::from_json(&file).unwrap_err().code, ReasonCode::Format);
    file.push(b' ');
    assert_eq!(Evidence::from_json(&file).unwrap_err().code, ReasonCode::TooLarge);
}

#[test]
fn entries_at_the_limit_are_checked_and_one_more_is_not() {
    let mut story = Story::new(1);
    let mut keys = casewise_keytree::KeySet::root(&common::bytes(1, "lane"));
    story.entries = (0..=MAX_ENTRIES as u32)
        .map(|index| {
            let (_, key) = keys.advance().unwrap();
            let header = EntryHeader {
                index,
                kind: Kind::Beat,
                beacon: Beacon::default(),
                ..story.entries[0].entry.header.clone()
            };
            casewise_seal::seal(&key, &header, story.lane.minimum, &Data::Beat.encode().unwrap()).unwrap()
        })
        .collect();
    story.record.size = story.entries.len() as u32;
    story.record.root = merkle::root(&story.leaves());
    let file = |count: u32| {
        let mut file = Story { record: story.record.clone(), ..story.clone() }.evidence();
        file.beacon_header = None;
        file.entries = (0..count).map(|index| story.entry(index, index % 2 == 0)).collect();
        file.inclusion = (0..count).map(|index| story.inclusion(index)).collect();
        file
    };
    let verdict = verify(&file(MAX_ENTRIES as u32), &story.anchor()).unwrap();
    assert_eq!(verdict.entries[2].content, Some(Data::Beat));
    let refusal = verify(&file(MAX_ENTRIES as u32 + 1), &story.anchor()).unwrap_err();
    assert_eq!(refusal.code, ReasonCode::TooLarge);
}

#[test]
fn links_at_the_limit_are_followed_and_one_more_is_not() {
    let sets: Vec<Validators> = (0..2).map(|number| Validators::new(number, "in turn", &[1])).collect();
    let mut story = Story::new(1);
    story.first = sets[0].clone();
    let height = |link: usize| ANCHOR + 1 + link as u64;
    let chained = |count: usize| {
        let links: Vec<Link> = (0..count)
            .map(|link| {
                let (now, next) = (&sets[link % 2], &sets[(link + 1) % 2]);
                let spec = Spec {
                    height: height(link),
                    validators_hash: now.hash(),
                    next_validators_hash: next.hash(),
                    ..story.change()
                };
                Link { header: spec.signed(now, Signers::All), validators: now.packed() }
            })
            .collect();
        let last = &sets[count % 2];
        let mut file = story.evidence();
        let spec = Spec {
            height: height(count),
            validators_hash: last.hash(),
            next_validators_hash: last.hash(),
            ..story.header()
        };
        file.beacon_header = None;
        file.header = spec.signed(last, Signers::All);
        file.validators = last.packed();
        file.links = links;
        file.state.height = height(count) - 1;
        file.author.height = file.state.height;
        file
    };
    assert_eq!(verify(&chained(MAX_LINKS), &story.anchor()).unwrap().links, MAX_LINKS);
    assert_eq!(verify(&chained(MAX_LINKS + 1), &story.anchor()).unwrap_err().code, ReasonCode::TooLarge);
    let mut gap = chained(3);
    gap.links.remove(1);
    assert_eq!(verify(&gap, &story.anchor()).unwrap_err().code, ReasonCode::Link);
}

#[test]
fn validators_at_the_limit_are_read_and_one_more_is_not() {
    let with = |count: usize| {
        let mut story = Story::new(1);
        story.first = Validators::new(1, "many", &vec![1; count]);
        let spec = Spec { validators_hash: story.first.hash(), ..story.change() };
        (story.first.raw(), spec.raw(&story.first, Signers::All))
    };
    let (set, header) = with(MAX_VALIDATORS);
    pack_validators(&set).unwrap();
    assert!(pack_header(&header).unwrap().len() <= MAX_HEADER);
    let (set, header) = with(MAX_VALIDATORS + 1);
    assert_eq!(pack_validators(&set).unwrap_err().code, ReasonCode::TooLarge);
    assert_eq!(pack_header(&header).unwrap_err().code, ReasonCode::TooLarge);
}

#[test]
fn long_objects_are_not_read() {
    let code = |result: Result<Vec<u8>, Refusal>| result.unwrap_err().code;
    assert_eq!(code(pack_header(&vec![0; MAX_HEADER])), ReasonCode::Encoding);
    assert_eq!(code(pack_header(&vec![0; MAX_HEADER + 1])), ReasonCode::TooLarge);
    assert_eq!(code(pack_validators(&vec![0; MAX_HEADER])), ReasonCode::Encoding);
    assert_eq!(code(pack_validators(&vec![0; MAX_HEADER + 1])), ReasonCode::TooLarge);
    assert_eq!(code(pack_proof(&vec![0; MAX_PROOF])), ReasonCode::Encoding);
    assert_eq!(code(pack_proof(&vec![0; MAX_PROOF + 1])), ReasonCode::TooLarge);
}

#[test]
fn a_trust_anchor_refuses_fields_it_does_not_know() {
    let anchor = Story::new(1).anchor();
    let good = serde_json::to_value(&anchor).unwrap();
    assert_eq!(serde_json::from_value::<TrustAnchor>(good.clone()).unwrap(), anchor);
    assert_eq!(good["height"], "10");
    let mut more = good;
    more["contracts"] = serde_json::json!({});
    assert!(serde_json::from_value::<TrustAnchor>(more).is_err());
}

/// A lane of a million entries, four validators, one entry without its body.
#[test]
fn evidence_is_small() {
    let mut story = Story::new(1);
    story.second = story.first.clone();
    let size = 1_000_000;
    let path: Vec<[u8; 32]> = (0..20).map(|n| common::bytes(n, "sibling")).collect();
    assert_eq!(path.len(), merkle::inclusion_length(2, size));
    let leaf = story.entries[2].entry.leaf();
    let root = path.iter().enumerate().fold(leaf, |hash, (level, sibling)| {
        if (2 >> level) & 1 == 1 { merkle::node(sibling, &hash) } else { merkle::node(&hash, sibling) }
    });
    story.record.size = size;
    story.record.root = root;
    let mut file = story.evidence();
    file.links.clear();
    file.beacon_header = None;
    file.entries = vec![story.entry(2, false)];
    file.inclusion = vec![Inclusion { index: 2, path: path.concat(), size }];
    let bytes = file.to_json();
    assert_eq!(verify_bytes(&bytes, &story.anchor()).unwrap().size, size);
    assert!(bytes.len() <= 9_000, "{} bytes", bytes.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_change_is_refused(at in 0usize..20_000, cut in 0usize..40, with in "[ -~]{0,40}") {
        let story = Story::new(1);
        let good = story.evidence().to_json();
        let start = at % good.len();
        let end = (start + cut).min(good.len());
        let changed = [&good[..start], with.as_bytes(), &good[end..]].concat();
        prop_assume!(changed != good);
        prop_assert!(verify_bytes(&changed, &story.anchor()).is_err());
    }

    #[test]
    fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Evidence::from_json(&bytes);
        let _ = (pack_header(&bytes), pack_validators(&bytes), pack_proof(&bytes), header_facts(&bytes));
    }
}

#[test]
fn encoded_lane_headers_are_what_files_hold() {
    let story = Story::new(1);
    assert_eq!(story.evidence().lane_header, encode(&story.lane));
}
