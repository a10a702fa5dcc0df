//! The published known answers: `keytree.json` and the key sets of `structs.json`.

use casewise_keytree::{KeySet, MAX_INDEX, OneTimeKey};
use serde_json::Value;

fn vectors(file: &str) -> Value {
    let path = format!("{}/../../schema/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn key(value: &Value) -> [u8; 32] {
    bytes(value).try_into().unwrap()
}

fn index(value: &Value) -> u32 {
    value.as_u64().unwrap().try_into().unwrap()
}

#[test]
fn leaves() {
    let file = vectors("keytree.json");
    let set = KeySet::root(&key(&file["root"]));
    let leaves = file["leaves"].as_array().unwrap();
    assert!(leaves.len() >= 7);
    for leaf in leaves {
        // as a node, because the answers include the last leaf, which is never used as a key
        let at = index(&leaf["index"]);
        let node = set.restrict(at, at).unwrap();
        assert_eq!(node.nodes()[0].expose_secret(), &key(&leaf["key"]), "{at}");
        if at <= MAX_INDEX {
            assert_eq!(set.derive(at).unwrap().expose_secret(), &key(&leaf["key"]), "{at}");
        }
    }
}

#[test]
fn restrictions() {
    let file = vectors("keytree.json");
    let set = KeySet::root(&key(&file["root"]));
    let cases = file["restrict"].as_array().unwrap();
    assert!(cases.len() >= 4);
    for case in cases {
        let cut = set.restrict(index(&case["first"]), index(&case["last"])).unwrap();
        let nodes = case["nodes"].as_array().unwrap();
        assert_eq!(cut.len(), nodes.len());
        for (got, want) in cut.nodes().iter().zip(nodes) {
            assert_eq!(got.start(), index(&want["start"]));
            assert_eq!(u32::from(got.depth()), index(&want["depth"]));
            assert_eq!(got.expose_secret(), &key(&want["key"]));
        }
    }
}

#[test]
fn key_sets() {
    let file = &vectors("structs.json")["keyset"];
    let root = key(&file["root"]);

    let mut author = KeySet::root(&root);
    assert_eq!(author.advance().unwrap(), (0, OneTimeKey::from_bytes(&key(&file["first_key"]))));
    assert_eq!(*author.encode(), bytes(&file["after_advance_1"]));
    assert_eq!(author.advance().unwrap(), (1, OneTimeKey::from_bytes(&key(&file["second_key"]))));
    assert_eq!(*author.encode(), bytes(&file["after_advance_2"]));

    let mut punctured = KeySet::root(&root);
    punctured.puncture(5).unwrap();
    assert_eq!(*punctured.encode(), bytes(&file["punctured_at_5"]));

    for name in ["after_advance_1", "after_advance_2", "punctured_at_5"] {
        let encoded = bytes(&file[name]);
        assert_eq!(*KeySet::decode(&encoded).unwrap().encode(), encoded, "{name}");
    }
}
