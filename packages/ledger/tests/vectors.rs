//! Known answers of `schema/vectors/ledger.json` and `structs.json`, made by an independent
//! implementation.

use casewise_ledger::{
    Address, AnchoredHead, Beacon, CaseCard, CaseId, Class, Commitment, EntryHeader, EntryRef, Hash, Head,
    Kind, LaneHeader, LaneId, LedgerError, Opening, OpeningItem, Party, Release, ReleaseItem, RotateCard, V1,
    case, decode, encode, lane,
    merkle::{Frontier, NodeId, ProofPlan, root, verify_consistency, verify_inclusion},
    records::{LaneRecord, LaneStatus, close_digest},
    sha256,
};
use serde_json::Value;
use std::{collections::HashMap, path::PathBuf};

fn load(name: &str) -> Value {
    let path = format!("{}/../../schema/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

fn int(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

fn hashes(value: &Value) -> Vec<Hash> {
    value.as_array().unwrap().iter().map(array).collect()
}

fn party(value: &Value) -> Party {
    match value.get("institution") {
        Some(number) => Party::Institution(int(number) as u32),
        None => Party::Account(Address(array(&value["account"]))),
    }
}

fn option<T>(value: &Value, read: impl Fn(&Value) -> T) -> Option<T> {
    (!value.is_null()).then(|| read(value))
}

#[test]
fn roots_and_proofs() {
    let vectors = load("ledger");
    let leaves = hashes(&vectors["leaves"]);
    for (size, expected) in vectors["roots"].as_object().unwrap() {
        assert_eq!(root(&leaves[..size.parse::<usize>().unwrap()]), array::<32>(expected));
    }
    let mut frontier = Frontier::default();
    let mut nodes: HashMap<NodeId, Hash> = HashMap::new();
    for leaf in &leaves {
        nodes.extend(frontier.push(*leaf).unwrap());
    }
    for case in vectors["inclusion"].as_array().unwrap() {
        let (index, size) = (int(&case["index"]) as u32, int(&case["size"]) as u32);
        let proof = hashes(&case["proof"]);
        verify_inclusion(&leaves[index as usize], index, size, &proof, &root(&leaves[..size as usize]))
            .unwrap();
        let made = ProofPlan::inclusion(index, size).unwrap().assemble(|id| nodes.get(&id).copied()).unwrap();
        assert_eq!(made, proof);
    }
    for case in vectors["consistency"].as_array().unwrap() {
        let (from, to) = (int(&case["from"]) as u32, int(&case["to"]) as u32);
        let proof = hashes(&case["proof"]);
        let (old, new) = (root(&leaves[..from as usize]), root(&leaves[..to as usize]));
        verify_consistency(from, &old, to, &new, &proof).unwrap();
        let made = ProofPlan::consistency(from, to).unwrap().assemble(|id| nodes.get(&id).copied()).unwrap();
        assert_eq!(made, proof);
    }
}

#[test]
fn every_small_tree() {
    let leaves: Vec<Hash> = (0..40u8).map(|i| sha256(&[&[0, i]])).collect();
    let mut frontier = Frontier::default();
    let mut nodes = HashMap::new();
    for size in 1..=leaves.len() as u32 {
        nodes.extend(frontier.push(leaves[size as usize - 1]).unwrap());
        let current = root(&leaves[..size as usize]);
        assert_eq!(frontier.root(), current);
        let peaks = Frontier::peak_ids(size).iter().map(|id| nodes[id]).collect();
        assert_eq!(Frontier::from_peaks(size, peaks).unwrap(), frontier);
        for index in 0..size {
            let plan = ProofPlan::inclusion(index, size).unwrap();
            let proof = plan.assemble(|id| nodes.get(&id).copied()).unwrap();
            verify_inclusion(&leaves[index as usize], index, size, &proof, &current).unwrap();
            refuse_mutants(&proof, |p| {
                verify_inclusion(&leaves[index as usize], index, size, p, &current).is_err()
            });
            if index + 1 < size {
                assert!(
                    verify_inclusion(&leaves[index as usize], index + 1, size, &proof, &current).is_err(),
                    "an index that is not the position"
                );
            }
        }
        for from in 0..=size {
            let old = root(&leaves[..from as usize]);
            let plan = ProofPlan::consistency(from, size).unwrap();
            let proof = plan.assemble(|id| nodes.get(&id).copied()).unwrap();
            verify_consistency(from, &old, size, &current, &proof).unwrap();
            refuse_mutants(&proof, |p| verify_consistency(from, &old, size, &current, p).is_err());
            if from > 0 {
                let forged = sha256(&[b"forged"]);
                assert!(verify_consistency(from, &forged, size, &current, &proof).is_err());
                assert!(verify_consistency(from, &old, size, &forged, &proof).is_err());
            }
        }
    }
    assert_eq!(verify_consistency(2, &[0; 32], 1, &[0; 32], &[]), Err(LedgerError::Shrinks));
    assert_eq!(ProofPlan::inclusion(3, 3), Err(LedgerError::Index));
}

/// A proof with a hash flipped, removed, added or swapped must be refused.
fn refuse_mutants(proof: &[Hash], refused: impl Fn(&[Hash]) -> bool) {
    let mut longer = proof.to_vec();
    longer.push([7; 32]);
    assert!(refused(&longer));
    for at in 0..proof.len() {
        let mut flipped = proof.to_vec();
        flipped[at][31] ^= 1;
        assert!(refused(&flipped));
        let mut shorter = proof.to_vec();
        shorter.remove(at);
        assert!(refused(&shorter));
    }
}

#[test]
fn network_case_and_cards() {
    let vectors = load("structs");
    let net =
        case::net(vectors["network"]["chain_id"].as_str().unwrap(), &array(&vectors["network"]["registrar"]));
    assert_eq!(net, array(&vectors["network"]["net"]));
    let v = &vectors["case"];
    let card = CaseCard {
        version: V1,
        net,
        holder: Address(array(&v["holder"])),
        kem: array(&v["kem"]),
        salt: array(&v["salt"]),
    };
    assert_eq!(encode(&card), bytes(&v["card"]));
    assert_eq!(card.id(), CaseId(array(&v["case"])));
    let open = &v["open"];
    let recovery = Some(Address(array(&open["recovery"])));
    let (institution, expires) = (int(&open["institution"]) as u32, int(&open["expires"]));
    let digest = |recovery| sha256(&[&card.open_message(recovery, institution, expires)]);
    assert_eq!(digest(recovery), array(&open["digest"]));
    assert_eq!(digest(None), array(&open["digest_without_recovery"]));
    let rotate = RotateCard {
        version: V1,
        case: card.id(),
        epoch: int(&v["rotate"]["epoch"]) as u32,
        holder: Address(array(&v["rotate"]["holder"])),
        kem: array(&v["rotate"]["kem"]),
    };
    assert_eq!(sha256(&[&rotate.message()]), array(&v["rotate"]["digest"]));
}

#[test]
fn lanes() {
    let vectors = load("structs");
    for v in vectors["lanes"].as_array().unwrap() {
        let header = LaneHeader {
            version: V1,
            case: CaseId(array(&vectors["case"]["case"])),
            author: party(&v["author"]),
            class: if int(&v["class"]) == 0 { Class::Content } else { Class::Access },
            minimum: int(&v["minimum"]) as u32,
            epoch: int(&v["epoch"]) as u32,
            root: lane::root_commitment(&array(&v["root_key"])),
            signer: option(&v["signer"], array),
            predecessor: option(&v["predecessor"], |l| LaneId(array(l))),
            nonce: array(&v["nonce"]),
        };
        assert_eq!(encode(&header), bytes(&v["header"]), "{}", v["name"]);
        assert_eq!(header.id(), LaneId(array(&v["lane"])), "{}", v["name"]);
        assert_eq!(decode::<LaneHeader>(&bytes(&v["header"])).unwrap(), header);
    }
}

#[test]
fn entries_and_head() {
    let vectors = load("structs");
    let lane = LaneId(array(&vectors["lanes"][0]["lane"]));
    for v in vectors["entries"].as_array().unwrap() {
        let header = EntryHeader {
            version: V1,
            suite: 1,
            lane,
            index: int(&v["index"]) as u32,
            kind: match int(&v["kind"]) {
                0 => Kind::Record,
                1 => Kind::Access,
                2 => Kind::Beat,
                3 => Kind::Amendment,
                4 => Kind::Erasure,
                5 => Kind::DeviceBatch,
                _ => Kind::Close,
            },
            time: int(&v["time"]),
            beacon: Beacon { height: int(&v["beacon"]["height"]), hash: array(&v["beacon"]["hash"]) },
            prev: option(&v["prev"], |p| EntryRef {
                lane: LaneId(array(&p["lane"])),
                index: int(&p["index"]) as u32,
            }),
        };
        assert_eq!(encode(&header), bytes(&v["header"]));
        assert_eq!(decode::<EntryHeader>(&bytes(&v["header"])).unwrap(), header);
        let leaf = header.leaf(&array(&v["commitment"]), int(&v["body_length"]), &array(&v["body_sha256"]));
        assert_eq!(leaf, array(&v["leaf"]));
    }
    let v = &vectors["head"];
    let head = Head { size: int(&v["size"]) as u32, root: array(&v["root"]) };
    assert_eq!(head.message(&lane, int(&v["time"])), bytes(&v["message"]));
    assert_eq!(head.operator_digest(&lane, int(&v["time"])), array(&v["operator_digest"]));
    let r = &vectors["lane_record"];
    let record = LaneRecord {
        version: V1,
        status: LaneStatus::Open,
        class: Class::Content,
        case: CaseId(array(&vectors["case"]["case"])),
        author: party(&vectors["lanes"][0]["author"]),
        signer: None,
        size: int(&r["size"]) as u32,
        root: head.root,
        height: int(&r["height"]),
        time: int(&r["time"]),
        seen: int(&r["seen"]) as u32,
    };
    assert_eq!(encode(&record), bytes(&r["value"]));
    let c = &vectors["close"];
    assert_eq!(close_digest(&array(&c["from"]), &lane, &head), array::<32>(&c["digest"]));
}

#[test]
fn grant_and_release() {
    let vectors = load("structs");
    let v = &vectors["grant"];
    let opening = Opening {
        version: V1,
        case: CaseId(array(&vectors["case"]["case"])),
        grantee: party(&v["grantee"]),
        practitioner: option(&v["practitioner"], |p| Address(array(p))),
        author: party(&v["author"]),
        purpose: v["purpose"].as_str().unwrap().into(),
        labels: v["labels"].as_array().unwrap().iter().map(|l| l.as_str().unwrap().into()).collect(),
        items: v["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| OpeningItem {
                lane: LaneId(array(&i["lane"])),
                first: int(&i["first"]) as u32,
                last: int(&i["last"]) as u32,
                follow: i["follow"].as_bool().unwrap(),
            })
            .collect(),
        not_before: int(&v["not_before"]),
        not_after: int(&v["not_after"]),
        erase_by: int(&v["erase_by"]),
        salt: array(&v["salt"]),
    };
    assert_eq!(encode(&opening), bytes(&v["opening"]));
    assert_eq!(opening.commitment(), Commitment(array(&v["commitment"])));
    opening.check().unwrap();
    let r = &vectors["release"];
    let release = Release {
        version: V1,
        case: opening.case,
        grant: opening.commitment(),
        server: party(&r["server"]),
        reader: party(&r["reader"]),
        practitioner: option(&r["practitioner"], |p| Address(array(p))),
        rev: int(&r["rev"]) as u32,
        height: int(&r["height"]),
        items: r["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| ReleaseItem {
                lane: LaneId(array(&i["lane"])),
                first: int(&i["first"]) as u32,
                last: int(&i["last"]) as u32,
            })
            .collect(),
        leaves: {
            let entries = vectors["entries"].as_array().unwrap();
            let granted: Vec<u8> = entries[1..=3].iter().flat_map(|e| bytes(&e["leaf"])).collect();
            sha256(&[&granted])
        },
        nonce: array(&r["nonce"]),
        expires: int(&r["expires"]),
    };
    assert_eq!(encode(&release), bytes(&r["release"]));
    assert_eq!(sha256(&[&release.message()]), array(&r["digest"]));
}

#[test]
fn decoders_refuse_what_is_not_canonical() {
    let vectors = load("structs");
    let good = bytes(&vectors["lanes"][0]["header"]);
    let mut trailing = good.clone();
    trailing.push(0);
    assert_eq!(decode::<LaneHeader>(&trailing), Err(LedgerError::Malformed));
    assert_eq!(decode::<LaneHeader>(&good[..good.len() - 1]), Err(LedgerError::Malformed));
    let mut version = good.clone();
    version[0] = 2;
    assert_eq!(decode::<LaneHeader>(&version), Err(LedgerError::Malformed));
    let mut tag = good;
    tag[33] = 2;
    assert_eq!(decode::<LaneHeader>(&tag), Err(LedgerError::Malformed), "unknown party");
    let entry = bytes(&vectors["entries"][0]["header"]);
    for (at, value, what) in
        [(1, 0, "suite"), (1, 3, "suite"), (38, 7, "kind"), (38, 3, "amendment without prev")]
    {
        let mut bad = entry.clone();
        bad[at] = value;
        assert_eq!(decode::<EntryHeader>(&bad), Err(LedgerError::Malformed), "{what}");
    }
    let mut last = entry.clone();
    last[34..38].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(decode::<EntryHeader>(&last).is_err(), "index 2^32 - 1 is not used");
    last[34..38].copy_from_slice(&(u32::MAX - 1).to_le_bytes());
    assert!(decode::<EntryHeader>(&last).is_ok());
}

/// The RFC 6962 vectors of transparency-dev/merkle, when they are beside the checkout.
#[test]
fn transparency_dev_vectors() {
    let base = format!("{}/../../../shared/data/kat/merkle-rfc6962", env!("CARGO_MANIFEST_DIR"));
    let Ok(_) = std::fs::metadata(&base) else {
        println!("merkle-rfc6962 vectors are not here: skipped");
        return;
    };
    let mut seen = 0;
    for kind in ["inclusion", "consistency"] {
        for file in files_below(format!("{base}/{kind}").into()) {
            let v: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
            let refused = if kind == "inclusion" { inclusion_refused(&v) } else { consistency_refused(&v) };
            assert_eq!(refused, v["wantErr"].as_bool().unwrap(), "{}", file.display());
            seen += 1;
        }
    }
    assert!(seen >= 90, "only {seen} vectors were found");
}

fn files_below(folder: PathBuf) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(path));
        } else {
            files.push(path);
        }
    }
    files
}

fn base64_hash(value: &Value) -> Option<Hash> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    // Some vectors carry words for hashes ("don't care"): any hash of them will do.
    let bytes = STANDARD.decode(value.as_str()?).ok()?;
    if bytes.is_empty() {
        return None;
    }
    Some(bytes.as_slice().try_into().unwrap_or_else(|_| sha256(&[&bytes])))
}

fn base64_proof(value: &Value) -> Option<Vec<Hash>> {
    match value.as_array() {
        None => Some(Vec::new()),
        Some(list) => list.iter().map(base64_hash).collect(),
    }
}

fn inclusion_refused(v: &Value) -> bool {
    let parts = (base64_hash(&v["leafHash"]), base64_proof(&v["proof"]), base64_hash(&v["root"]));
    let (Some(leaf), Some(proof), Some(root)) = parts else { return true };
    let (Some(index), Some(size)) = (v["leafIdx"].as_u64(), v["treeSize"].as_u64()) else { return true };
    verify_inclusion(&leaf, index as u32, size as u32, &proof, &root).is_err()
}

fn consistency_refused(v: &Value) -> bool {
    let parts = (base64_hash(&v["root1"]), base64_hash(&v["root2"]), base64_proof(&v["proof"]));
    let (Some(old), Some(new), Some(proof)) = parts else { return true };
    let (Some(from), Some(to)) = (v["size1"].as_u64(), v["size2"].as_u64()) else { return true };
    if from == 0 {
        // Those vectors refuse every proof from an empty tree; here it is accepted unchecked.
        return true;
    }
    verify_consistency(from as u32, &old, to as u32, &new, &proof).is_err()
}

#[test]
fn anchored_heads_are_packed() {
    let heads = vec![AnchoredHead { lane: LaneId([1; 32]), size: 2, root: [3; 32] }];
    assert_eq!(encode(&heads).len(), 4 + 68);
}
