mod document;

use super::*;
use casewise_ledger::{Class, Party, V1};
use proptest::prelude::*;

fn header() -> LaneHeader {
    LaneHeader {
        version: V1,
        case: CaseId([1; 32]),
        author: Party::Institution(7),
        class: Class::Content,
        minimum: 1024,
        epoch: 3,
        root: [4; 32],
        signer: Some([5; 32]),
        predecessor: Some(LaneId([6; 32])),
        nonce: [8; 16],
    }
}

/// One event of every kind.
fn all() -> Vec<Event> {
    let (case, commitment, lane) = (CaseId([1; 32]), Commitment([2; 32]), LaneId([3; 32]));
    let account = Address([9; 20]);
    let anchored = AnchoredHead { lane, size: 5, root: [6; 32] };
    vec![
        Event::InstitutionRegistered { number: 1, account },
        Event::InstitutionUpdated { number: 2 },
        Event::InstitutionStatus { number: 3, status: records::InstitutionStatus::Suspended },
        Event::OperatorAdded { institution: 4, account },
        Event::OperatorRemoved { institution: 5, account },
        Event::IdentityEnrolled { case, institution: 6 },
        Event::RelationshipChanged { case, institution: 7, status: records::RelationshipStatus::Active },
        Event::GrantMade { case, commitment, first: 8, last: 9 },
        Event::GrantEnded { case, commitment, status: records::GrantStatus::Revoked, rev: 10 },
        Event::Acked { case, institution: 11, rev: u32::MAX },
        Event::LaneOpened { header: header() },
        Event::Anchored { heads: vec![anchored, AnchoredHead { lane: LaneId([4; 32]), ..anchored }] },
        Event::LaneRotated { last: anchored, next: header() },
        Event::LaneClosing { lane, deadline: u64::MAX },
        Event::LaneClosed { lane, case, head: Head { size: 5, root: [6; 32] } },
        Event::Seen { case, lane, size: 12 },
        Event::AuthorityProposed,
        Event::AuthorityChanged,
        Event::RegistrationsPaused { paused: true },
        Event::PractitionerChanged { account, institution: 13, status: records::PractitionerStatus::Barred },
        Event::ClaimOffered { case, until: 14 },
        Event::ClaimWithdrawn { case },
        Event::IdentityRotated { case, epoch: 15, cause: RotationCause::Claim },
        Event::RecoveryStarted { case, ready: 16 },
        Event::RecoveryAttested { case, institution: 17 },
        Event::RecoveryStopped { case, vetoed: false },
        Event::InvitationChanged { case, institution: 18, invited: true },
        Event::DelegateChanged { case, account, powers: u16::MAX, until: 19 },
        Event::EmergencyOpened {
            case,
            number: 20,
            practitioner: account,
            institution: 21,
            reason: records::EmergencyReason::BreakTheGlass,
            until: 22,
        },
        Event::EmergencyEnded { case, number: 23, rev: 24 },
        Event::EmergencyReviewed { case, number: 25, outcome: records::ReviewOutcome::Unjustified },
        Event::RevRaised { case, rev: 26 },
        Event::CaseClosing { case, deadline: 27 },
        Event::CompletionProposed { case, digest: [28; 32], deadline: 29 },
        Event::CaseCompleted { case, digest: [30; 32] },
        Event::CaseReopened { case, digest: [31; 32] },
        Event::LaneCompromised { lane, index: 32 },
        Event::EntryDisputed { case, lane, index: 33, code: records::DisputeCode::WrongPatient },
        Event::DisputeWithdrawn { case, lane, index: 34 },
        Event::ConflictProven { lane, index: 35 },
    ]
}

/// The event as a node returns it, with the attributes the chain adds.
fn on_chain(event: &Event) -> (String, Vec<(String, String)>) {
    let event = event.clone().into_cosmwasm();
    let mut attributes = vec![(CONTRACT_ATTRIBUTE.to_string(), "wasm1abc".to_string())];
    attributes.extend(event.attributes.into_iter().map(|attribute| (attribute.key, attribute.value)));
    attributes.push((MESSAGE_ATTRIBUTE.to_string(), "0".to_string()));
    (format!("{TYPE_PREFIX}{}", event.ty), attributes)
}

#[test]
fn every_event_comes_back() {
    let events = all();
    assert_eq!(events.len(), name::ALL.len());
    for (event, name) in events.iter().zip(name::ALL) {
        let (event_type, attributes) = on_chain(event);
        assert_eq!(event_type, format!("wasm-{name}"));
        assert_eq!(Event::parse(&event_type, &attributes), Ok(Some(event.clone())));
        assert_eq!(contract(&attributes), Some("wasm1abc"));
    }
}

#[test]
fn names_keys_and_values_pass_the_chain() {
    // x/wasm trims values, refuses empty ones, types shorter than 3 and keys that begin with `_`
    for event in all() {
        let event = event.into_cosmwasm();
        let word = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(event.ty.len() >= 3 && word(&event.ty));
        for attribute in event.attributes {
            assert!(word(&attribute.key) && !attribute.key.starts_with('_') && !attribute.key.is_empty());
            assert!(!attribute.value.is_empty() && attribute.value.trim() == attribute.value);
        }
    }
}

#[test]
fn foreign_events_are_none() {
    let (_, attributes) = on_chain(&all()[0]);
    for foreign in ["wasm", "transfer", "wasm-", "wasm-transfer", "seen", "wasm-wasm-seen", "wasm-seen2"] {
        assert_eq!(Event::parse(foreign, &attributes), Ok(None), "{foreign}");
    }
}

#[test]
fn another_version_stops_the_reader() {
    for (event, name) in all().iter().zip(name::ALL) {
        let (event_type, mut attributes) = on_chain(event);
        let version = attributes.iter_mut().find(|(key, _)| key == "v").unwrap();
        version.1 = "2".to_string();
        assert_eq!(Event::parse(&event_type, &attributes), Err(EventError::Version { event: name }));
        attributes.retain(|(key, _)| key != "v");
        assert_eq!(
            Event::parse(&event_type, &attributes),
            Err(EventError::Missing { event: name, key: "v" })
        );
    }
}

#[test]
fn every_attribute_is_required_checked_and_single() {
    for (event, name) in all().iter().zip(name::ALL) {
        let (event_type, attributes) = on_chain(event);
        for position in 2..attributes.len() - 1 {
            let mut missing = attributes.clone();
            let key = missing.remove(position).0;
            match Event::parse(&event_type, &missing) {
                Err(EventError::Missing { event, key: named }) => {
                    assert_eq!((event, named), (name, key.as_str()))
                }
                other => panic!("{name} without {key}: {other:?}"),
            }
            let mut twice = attributes.clone();
            twice.push(attributes[position].clone());
            assert_eq!(Event::parse(&event_type, &twice), Err(EventError::Unexpected { event: name }));
            for wrong in ["", "x", "00", "-1", "+1", "AA", "ab ", "4294967296000000000000"] {
                let mut invalid = attributes.clone();
                invalid[position].1 = wrong.to_string();
                match Event::parse(&event_type, &invalid) {
                    Err(EventError::Invalid { event, key: named }) => {
                        assert_eq!((event, named), (name, key.as_str()));
                    }
                    other => panic!("{name} with {key}={wrong}: {other:?}"),
                }
            }
        }
        let mut more = attributes;
        more.push(("note".to_string(), "x".to_string()));
        assert_eq!(Event::parse(&event_type, &more), Err(EventError::Unexpected { event: name }));
    }
}

proptest! {
    #[test]
    fn numbers_and_heads_come_back(
        size: u32,
        deadline: u64,
        ids in proptest::collection::vec((any::<[u8; 32]>(), any::<u32>(), any::<[u8; 32]>()), 0..50),
    ) {
        let heads = ids.iter().map(|(lane, size, root)| AnchoredHead { lane: LaneId(*lane), size: *size, root: *root });
        for event in [
            Event::Anchored { heads: heads.collect() },
            Event::LaneClosing { lane: LaneId([1; 32]), deadline },
            Event::Seen { case: CaseId([1; 32]), lane: LaneId([2; 32]), size },
        ] {
            let (event_type, attributes) = on_chain(&event);
            prop_assert_eq!(Event::parse(&event_type, &attributes), Ok(Some(event)));
        }
    }

    #[test]
    fn no_attributes_make_the_parser_panic(
        which in 0usize..name::ALL.len(),
        attributes in proptest::collection::vec(("[a-z_]{0,12}", ".{0,80}"), 0..6),
    ) {
        let _ = Event::parse(&format!("wasm-{}", name::ALL[which]), &attributes);
    }
}
