//! The published known answers of bodies: `seal.json`, `seal-ascon.json`, the entries of `structs.json`.

mod common;

use casewise_keytree::OneTimeKey;
use casewise_ledger::{AnchoredHead, Data, EntryHeader, LaneHeader, decode, encode, merkle, sha256};
use casewise_seal::{accept_entry, seal, vectors::seal_bytes};
use common::{array, bytes, vectors};
use serde_json::Value;

/// The data of a vector; long data is described in the file's note.
fn data(vector: &Value, note: &str) -> Vec<u8> {
    if vector["data"].is_string() {
        return bytes(&vector["data"]);
    }
    let length = vector["data_len"].as_u64().unwrap() as usize;
    let name = vector["name"].as_str().unwrap();
    let sevens = note.split(" is 0x07 repeated").next().filter(|names| note != *names);
    if sevens.is_some_and(|names| names.contains(&format!("'{name}'"))) {
        vec![7; length]
    } else {
        (0..length).map(|i| (i * 7) as u8).collect()
    }
}

fn bodies(file: &str, expected: usize) {
    let file = vectors(file);
    let note = file["note"].as_str().unwrap();
    let all = file["vectors"].as_array().unwrap();
    assert_eq!(all.len(), expected);
    for vector in all {
        let name = &vector["name"];
        let data = data(vector, note);
        assert_eq!(sha256(&[&data]), array(&vector["data_sha256"]), "{name}");
        let key = OneTimeKey::from_bytes(&array(&vector["otk"]));
        let header = bytes(&vector["header"]);
        let suite = vector["suite"].as_u64().unwrap() as u8;
        let minimum = vector["minimum"].as_u64().unwrap() as u32;
        let sealed = seal_bytes(&key, suite, &header, minimum, &data).unwrap();
        assert_eq!(sealed.commitment, array(&vector["commitment"]), "{name}");
        assert_eq!(sealed.body.len() as u64, vector["body_len"].as_u64().unwrap(), "{name}");
        assert_eq!(sealed.body_sha256, array(&vector["body_sha256"]), "{name}");
        assert_eq!(sealed.body_sha256, sha256(&[&sealed.body]), "{name}");
        if vector["body"].is_string() {
            assert_eq!(sealed.body, bytes(&vector["body"]), "{name}");
        }
        let leaf = casewise_ledger::entry::leaf(
            &header,
            &sealed.commitment,
            sealed.body.len() as u64,
            &sealed.body_sha256,
        );
        assert_eq!(leaf, array(&vector["leaf"]), "{name}");
    }
}

#[test]
fn bodies_of_suite_1() {
    bodies("seal.json", 6);
}

#[test]
fn bodies_of_suite_2() {
    bodies("seal-ascon.json", 4);
}

/// Every entry of the example lane: sealed to the same bytes, accepted in the lane, opened.
#[test]
fn entries() {
    let file = vectors("structs.json");
    let lane: LaneHeader = decode(&bytes(&file["lanes"][0]["header"])).unwrap();
    let entries = file["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 4);
    let leaves: Vec<[u8; 32]> = entries.iter().map(|entry| array(&entry["leaf"])).collect();
    for (position, entry) in entries.iter().enumerate() {
        let header: EntryHeader = decode(&bytes(&entry["header"])).unwrap();
        assert_eq!(encode(&header), bytes(&entry["header"]));
        let media_type = entry["media_type"].as_str().unwrap();
        let content = bytes(&entry["content"]);
        let raw = [&[media_type.len() as u8], media_type.as_bytes(), &content].concat();
        let data = Data::decode(header.kind, &raw).unwrap();
        assert_eq!(data.encode().unwrap(), raw);

        let key = OneTimeKey::from_bytes(&array(&entry["one_time_key"]));
        let sealed = seal(&key, &header, lane.minimum, &raw).unwrap();
        assert_eq!(sealed.entry.commitment, array(&entry["commitment"]));
        assert_eq!(sealed.entry.body_length, entry["body_length"].as_u64().unwrap());
        assert_eq!(sealed.entry.body_sha256, array(&entry["body_sha256"]));
        assert_eq!(sealed.entry.leaf(), array(&entry["leaf"]));

        let (head, proof) = common::tree(&lane, &leaves, position as u32);
        assert_eq!(head.root, array(&file["head"]["root"]));
        let head = AnchoredHead { root: merkle::root(&leaves), ..head };
        let accepted = accept_entry(&lane, &head, position as u32, &sealed.entry, &proof).unwrap();
        assert_eq!(accepted.leaf(), leaves[position]);
        assert_eq!(accepted.open(&key, &sealed.body).unwrap(), data);
    }
}
