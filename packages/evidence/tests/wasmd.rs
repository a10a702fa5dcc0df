//! What a real node gives fits: headers, validators and proofs recorded from wasmd.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casewise_evidence::*;
use common::Story;
use serde_json::Value;

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn array(value: &Value) -> [u8; 32] {
    hex::decode(value.as_str().unwrap()).unwrap().try_into().unwrap()
}

fn recorded() -> Value {
    serde_json::from_str(include_str!("data/wasmd.json")).unwrap()
}

fn anchor(recorded: &Value) -> TrustAnchor {
    let trust = &recorded["trust"];
    let registrar = array(&recorded["registrar"]);
    TrustAnchor {
        chain_id: recorded["chain_id"].as_str().unwrap().into(),
        height: trust["height"].as_u64().unwrap(),
        header_hash: array(&trust["header_hash"]),
        validators_hash: array(&trust["validators_hash"]),
        registrar,
        summary: vec![Summary { address: registrar, code_checksum: [0; 32] }],
    }
}

/// A file whose state is the recorded one. Chain and store are real; the record is no lane's, so
/// the first check that fails is the one of the record's key.
fn file(recorded: &Value, recording: &Value) -> Evidence {
    let state = &recording["state"];
    let state = StateProof {
        height: state["height"].as_u64().unwrap(),
        iavl: pack_proof(&bytes(&state["iavl"])).unwrap(),
        key: bytes(&state["key"]),
        store: pack_proof(&bytes(&state["store"])).unwrap(),
        value: bytes(&state["value"]),
    };
    Evidence {
        author: state.clone(),
        beacon_header: None,
        chain_id: recorded["chain_id"].as_str().unwrap().into(),
        code_checksum: [0; 32],
        contract: array(&recorded["registrar"]),
        header: pack_header(&bytes(&recording["header"])).unwrap(),
        links: Vec::new(),
        state,
        validators: pack_validators(&bytes(&recording["validators"])).unwrap(),
        ..Story::new(1).evidence()
    }
}

#[test]
fn the_trusted_header_is_the_one_of_the_manifest() {
    let recorded = recorded();
    let facts = header_facts(&bytes(&recorded["trusted_header"])).unwrap();
    let anchor = anchor(&recorded);
    assert_eq!((facts.height, facts.hash), (anchor.height, anchor.header_hash));
    assert_eq!((facts.chain_id, facts.validators_hash), (anchor.chain_id, anchor.validators_hash));
}

#[test]
fn real_headers_and_proofs_pass_every_check_up_to_the_record() {
    let recorded = recorded();
    let anchor = anchor(&recorded);
    for recording in recorded["recordings"].as_array().unwrap() {
        let good = file(&recorded, recording);
        let read = Evidence::from_json(&good.to_json()).unwrap();
        assert_eq!(verify(&read, &anchor).unwrap_err().code, ReasonCode::StateKey);
        let code = |change: fn(&mut Evidence)| {
            let mut file = good.clone();
            change(&mut file);
            verify(&file, &anchor).unwrap_err().code
        };
        assert_eq!(code(|file| file.state.value[3] ^= 1), ReasonCode::Store);
        assert_eq!(code(|file| file.state.height -= 1), ReasonCode::Height);
        assert_eq!(code(|file| *file.header.last_mut().unwrap() ^= 1), ReasonCode::Signature);
    }
}

#[test]
fn a_real_header_with_any_byte_changed_is_refused_before_the_record() {
    let recorded = recorded();
    let anchor = anchor(&recorded);
    let good = file(&recorded, &recorded["recordings"][1]);
    for at in 0..good.header.len() {
        let mut changed = good.clone();
        changed.header[at] ^= 1;
        assert_ne!(verify(&changed, &anchor).unwrap_err().code, ReasonCode::StateKey, "byte {at}");
    }
}
