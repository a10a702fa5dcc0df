//! The frozen vectors: current, accepted and refused as they say.

mod common;

use casewise_evidence::{TrustAnchor, verify_bytes};
use common::vectors;
use serde_json::Value;

const FROZEN: &str = include_str!("../../../schema/vectors/evidence.json");

#[test]
fn the_frozen_vectors_are_those_of_seed_0() {
    let (made, frozen): (Value, Value) =
        (serde_json::from_str(&vectors::make(0)).unwrap(), serde_json::from_str(FROZEN).unwrap());
    assert!(
        made == frozen,
        "schema/vectors/evidence.json is stale: cargo run -p casewise-evidence --example \
         evidence-vectors -- 0 schema/vectors/evidence.json"
    );
}

#[test]
fn the_frozen_vectors_hold() {
    let frozen: Value = serde_json::from_str(FROZEN).unwrap();
    let anchor = |value: &Value| serde_json::from_value::<TrustAnchor>(value.clone()).unwrap();
    for case in frozen["accepted"].as_array().unwrap() {
        let file = case["file"].as_str().unwrap();
        verify_bytes(file.as_bytes(), &anchor(&case["anchor"]))
            .unwrap_or_else(|refusal| panic!("{}: {refusal}", case["name"]));
    }
    let good = &frozen["accepted"][0];
    let file: Value = serde_json::from_str(good["file"].as_str().unwrap()).unwrap();
    let refused = frozen["refused"].as_array().unwrap();
    assert!(refused.len() > 70);
    for case in refused {
        let file = serde_json::to_vec(&vectors::apply(&file, &case["file"])).unwrap();
        let trusted = anchor(&vectors::apply(&good["anchor"], &case["anchor"]));
        let refusal = verify_bytes(&file, &trusted).expect_err(case["name"].as_str().unwrap());
        assert_eq!(refusal.code.to_string(), case["code"].as_str().unwrap(), "{}", case["name"]);
    }
}
