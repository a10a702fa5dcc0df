//! Fresh known answers of every format from a seed, in the shapes of `schema/vectors`.
//! `schema/verify/verify.py` checks them without any code of this project.

use std::{path::PathBuf, process::ExitCode};

use casewise_keytree::{KeySet, Node};
use casewise_ledger::{
    Address, Beacon, CaseCard, CaseId, Class, ConflictProof, ConflictSide, Data, EntryHeader, EntryRef, Hash,
    Head, HeadGiven, Kind, LaneHeader, LaneId, Opening, OpeningItem, Party, Release, ReleaseItem, RotateCard,
    V1, case, encode, lane,
    merkle::{Frontier, NodeId, ProofPlan, root},
    records::{LaneRecord, LaneStatus, close_digest},
    sha256,
};
use casewise_seal::vectors::seal_bytes;
use clap::Parser;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Map, Value, json};

/// Writes fresh vectors of every format.
#[derive(Parser)]
struct Args {
    /// The same seed gives the same files.
    #[arg(long)]
    seed: u64,
    /// Folder for keytree.json, ledger.json, seal.json and structs.json.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut rng = StdRng::seed_from_u64(args.seed);
    let tree = Tree::new(&mut rng);
    let (seal, leaves) = seals(&mut rng, &tree);
    let files = [
        ("keytree.json", keytree(&mut rng, &tree)),
        ("seal.json", seal),
        ("ledger.json", ledger(&mut rng, leaves)),
        ("structs.json", structs(&mut rng)),
    ];
    let written = std::fs::create_dir_all(&args.out).and_then(|()| {
        files.iter().try_for_each(|(name, value)| {
            let text = serde_json::to_string_pretty(value).expect("a value is JSON");
            std::fs::write(args.out.join(name), text + "\n")
        })
    });
    match written {
        Ok(()) => {
            println!("vectors of seed {} written to {}", args.seed, args.out.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cannot write to {}: {error}", args.out.display());
            ExitCode::FAILURE
        }
    }
}

struct Tree {
    root: Hash,
    keys: KeySet,
}

impl Tree {
    fn new(rng: &mut StdRng) -> Self {
        let root = rng.random();
        Self { keys: KeySet::root(&root), root }
    }

    fn key(&self, index: u32) -> String {
        hex::encode(self.keys.derive(index).expect("an index of the tree").expose_secret())
    }
}

fn nodes(set: &KeySet) -> Vec<Value> {
    let node =
        |n: &Node| json!({ "start": n.start(), "depth": n.depth(), "key": hex::encode(n.expose_secret()) });
    set.nodes().iter().map(node).collect()
}

fn keytree(rng: &mut StdRng, tree: &Tree) -> Value {
    let mut indices = vec![0, 1, 2, 255, 65_536, 1 << 31, u32::MAX - 1];
    indices.extend((0..8).map(|_| rng.random_range(0..u32::MAX - 1)));
    let leaves: Vec<Value> = indices.iter().map(|i| json!({ "index": i, "key": tree.key(*i) })).collect();
    let mut ranges = vec![(0, 0), (5, 8), (100, 10_099), (u32::MAX - 2, u32::MAX - 1)];
    ranges.extend((0..4).map(|_| {
        let first = rng.random_range(0..u32::MAX / 2);
        (first, first + rng.random_range(0..100_000))
    }));
    let restrict: Vec<Value> = ranges
        .into_iter()
        .map(|(first, last)| {
            let set = tree.keys.restrict(first, last).expect("a range of the tree");
            json!({ "first": first, "last": last, "nodes": nodes(&set) })
        })
        .collect();
    json!({
        "format": "casewise/keytree/v1",
        "root": hex::encode(tree.root),
        "leaves": leaves,
        "restrict": restrict,
    })
}

/// Bodies of both suites, and their leaves for the Merkle trees.
fn seals(rng: &mut StdRng, tree: &Tree) -> (Value, Vec<Hash>) {
    let header: [u8; 10] = rng.random();
    let random = |rng: &mut StdRng, length: usize| {
        let mut bytes = vec![0; length];
        rng.fill_bytes(&mut bytes);
        bytes
    };
    let inputs = [
        ("empty", 1024, Vec::new()),
        ("short", 1024, random(rng, 16)),
        ("device", 64, random(rng, 14)),
        ("one chunk exactly", 1024, vec![7; 16_376]),
        ("two chunks", 1024, vec![7; 20_000]),
        ("100 kB", 1024, (0..100_000u32).map(|i| (i * 7) as u8).collect()),
    ];
    let mut leaves = Vec::new();
    let mut vectors = Vec::new();
    for suite in [1, 2] {
        for (name, minimum, data) in &inputs {
            let index = vectors.len() as u32;
            let key = tree.keys.derive(index).expect("an index of the tree");
            let sealed = seal_bytes(&key, suite, &header, *minimum, data).expect("sealable data");
            let length = sealed.body.len() as u64;
            let leaf = casewise_ledger::entry::leaf(&header, &sealed.commitment, length, &sealed.body_sha256);
            leaves.push(leaf);
            let small = data.len() < 1000;
            vectors.push(json!({
                "name": name,
                "otk_index": index,
                "otk": hex::encode(key.expose_secret()),
                "suite": suite,
                "header": hex::encode(header),
                "minimum": minimum,
                "data_len": data.len(),
                "data_sha256": hex::encode(sha256(&[data])),
                "data": small.then(|| hex::encode(data)),
                "commitment": hex::encode(sealed.commitment),
                "body_len": length,
                "body_sha256": hex::encode(sealed.body_sha256),
                "body": (length < 200).then(|| hex::encode(&sealed.body)),
                "leaf": hex::encode(leaf),
            }));
        }
    }
    let note = "data of 'one chunk exactly' and 'two chunks' is 0x07 repeated; '100 kB' is (i*7) mod 256";
    (json!({ "format": "casewise/seal/v1", "note": note, "vectors": vectors }), leaves)
}

fn ledger(rng: &mut StdRng, mut leaves: Vec<Hash>) -> Value {
    leaves.extend((0..rng.random_range(20..60)).map(|_| rng.random::<Hash>()));
    let mut frontier = Frontier::default();
    let mut stored = std::collections::HashMap::new();
    for leaf in &leaves {
        stored.extend(frontier.push(*leaf).expect("a small tree"));
    }
    let all = leaves.len() as u32;
    let lookup = |plan: ProofPlan| {
        let proof = plan.assemble(|id| stored.get(&id).copied()).expect("every subtree is stored");
        proof.iter().map(hex::encode).collect::<Vec<_>>()
    };
    let mut sizes = vec![0, 1, 2, 3, 7, 8, all];
    sizes.extend((0..4).map(|_| rng.random_range(0..=all)));
    let roots: Map<String, Value> = sizes
        .iter()
        .map(|size| (size.to_string(), json!(hex::encode(root(&leaves[..*size as usize])))))
        .collect();
    let inclusion: Vec<Value> = (0..12)
        .map(|_| {
            let size = rng.random_range(1..=all);
            let index = rng.random_range(0..size);
            let plan = ProofPlan::inclusion(index, size).expect("an index of the tree");
            json!({ "index": index, "size": size, "proof": lookup(plan) })
        })
        .collect();
    let consistency: Vec<Value> = (0..12)
        .map(|_| {
            let to = rng.random_range(1..=all);
            let from = rng.random_range(1..=to);
            let plan = ProofPlan::consistency(from, to).expect("growing sizes");
            json!({ "from": from, "to": to, "proof": lookup(plan) })
        })
        .collect();
    json!({
        "format": "RFC 6962 over casewise leaves",
        "leaves": leaves.iter().map(hex::encode).collect::<Vec<_>>(),
        "roots": roots,
        "inclusion": inclusion,
        "consistency": consistency,
    })
}

fn party(party: Party) -> Value {
    match party {
        Party::Institution(number) => json!({ "institution": number }),
        Party::Account(account) => json!({ "account": account.to_hex() }),
    }
}

fn text(number: u64) -> Value {
    json!(number.to_string())
}

fn structs(rng: &mut StdRng) -> Value {
    let chain_id = format!("casewise-vectors-{}", rng.random_range(2..1000));
    let registrar: [u8; 32] = rng.random();
    let net = case::net(&chain_id, &registrar);
    let card =
        CaseCard { version: V1, net, holder: Address(rng.random()), kem: rng.random(), salt: rng.random() };
    let roots: [Hash; 3] = rng.random();
    let lanes = lanes(rng, card.id(), &roots);
    let (entries, leaves) = entries(rng, lanes[0].id(), &roots[0]);
    let head = Head { size: leaves.len() as u32, root: root(&leaves) };
    let mut out = json!({
        "format": "FORMATS.md structs",
        "note": "bytes hex; 64-bit integers as decimal strings; Party: {institution: n} or {account: hex}",
        "network": { "chain_id": chain_id, "registrar": hex::encode(registrar), "net": hex::encode(net) },
        "case": case_vector(rng, &card),
        "lanes": lanes.iter().zip(roots).map(|(header, root)| lane_vector(header, &root)).collect::<Vec<_>>(),
        "entries": entries,
        "keyset": keyset(&roots[0]),
    });
    let lane = lanes[0].id();
    out["head"] = head_vector(rng, &lane, &head);
    out["lane_record"] = lane_record(rng, &lanes[0], &head);
    let from: Hash = rng.random();
    out["close"] = json!({
        "from": hex::encode(from),
        "digest": hex::encode(close_digest(&from, &lane, &head)),
    });
    let opening = opening(rng, card.id(), &lanes[0]);
    out["grant"] = grant_vector(&opening);
    out["release"] = release_vector(rng, &opening, &leaves);
    out["conflict"] = conflict_vector(rng, &lanes[1].id(), leaves);
    out
}

/// Two heads of a lane that part at an index, as a device and an account would have signed them.
/// The signatures are random bytes: this is the encoding and the paths.
fn conflict_vector(rng: &mut StdRng, lane: &LaneId, leaves: Vec<Hash>) -> Value {
    let index = rng.random_range(0..leaves.len() as u32);
    let mut forked = leaves.clone();
    forked[index as usize] = rng.random();
    forked.push(rng.random());
    let givens = [
        HeadGiven::Device { time: rng.random_range(0..1 << 42), sig: random64(rng) },
        HeadGiven::Account { time: rng.random_range(0..1 << 42), key: [2; 33], sig: random64(rng) },
    ];
    let mut logs = [leaves, forked].into_iter();
    let sides = givens.map(|given| conflict_side(&logs.next().expect("two histories"), index, given));
    let proof = ConflictProof { version: V1, lane: *lane, index, sides };
    proof.check().expect("the two leaves differ");
    json!({
        "lane": lane.to_hex(),
        "index": index,
        "sides": proof.sides.iter().map(side_vector).collect::<Vec<_>>(),
        "proof": hex::encode(encode(&proof)),
    })
}

fn random64(rng: &mut StdRng) -> [u8; 64] {
    core::array::from_fn(|_| rng.random())
}

fn conflict_side(leaves: &[Hash], index: u32, given: HeadGiven) -> ConflictSide {
    let plan = ProofPlan::inclusion(index, leaves.len() as u32).expect("the index is in the tree");
    let subtree = |id: NodeId| {
        let start = (id.index as usize) << id.level;
        leaves.get(start..start + (1 << id.level)).map(root)
    };
    let path = plan.assemble(subtree).expect("all leaves are at hand");
    let (size, leaf) = (leaves.len() as u32, leaves[index as usize]);
    ConflictSide { size, root: root(leaves), leaf, path, given }
}

fn side_vector(side: &ConflictSide) -> Value {
    let given = match &side.given {
        HeadGiven::Anchored => json!({ "anchored": {} }),
        HeadGiven::Account { time, key, sig } => {
            json!({ "account": { "time": text(*time), "key": hex::encode(key), "sig": hex::encode(sig) } })
        }
        HeadGiven::Device { time, sig } => {
            json!({ "device": { "time": text(*time), "sig": hex::encode(sig) } })
        }
    };
    json!({
        "size": side.size,
        "root": hex::encode(side.root),
        "leaf": hex::encode(side.leaf),
        "path": side.path.iter().map(hex::encode).collect::<Vec<_>>(),
        "given": given,
    })
}

fn case_vector(rng: &mut StdRng, card: &CaseCard) -> Value {
    let recovery = Address(rng.random());
    let institution = rng.random();
    let expires = rng.random_range(0..1 << 48);
    let rotate = RotateCard {
        version: V1,
        case: card.id(),
        epoch: 1,
        holder: Address(rng.random()),
        kem: rng.random(),
    };
    let digest = |recovery| hex::encode(sha256(&[&card.open_message(recovery, institution, expires)]));
    json!({
        "holder": card.holder.to_hex(),
        "kem": hex::encode(card.kem),
        "salt": hex::encode(card.salt),
        "card": hex::encode(encode(card)),
        "case": card.id().to_hex(),
        "open": {
            "recovery": recovery.to_hex(),
            "institution": institution,
            "expires": text(expires),
            "digest": digest(Some(recovery)),
            "digest_without_recovery": digest(None),
        },
        "rotate": {
            "epoch": rotate.epoch,
            "holder": rotate.holder.to_hex(),
            "kem": hex::encode(rotate.kem),
            "digest": hex::encode(sha256(&[&rotate.message()])),
        },
    })
}

fn lanes(rng: &mut StdRng, case: CaseId, roots: &[Hash; 3]) -> Vec<LaneHeader> {
    let institution = Party::Institution(rng.random());
    let mut header = |author, class, minimum, root: &Hash, signer, predecessor| LaneHeader {
        version: V1,
        case,
        author,
        class,
        minimum,
        epoch: rng.random_range(0..10),
        root: lane::root_commitment(root),
        signer,
        predecessor,
        nonce: rng.random(),
    };
    let content = header(institution, Class::Content, 1024, &roots[0], None, None);
    let signer = sha256(&[&roots[1], b"signer"]);
    let device = header(institution, Class::Content, 64, &roots[1], Some(signer), Some(content.id()));
    let account = Party::Account(Address(sha256(&[&roots[2]])[..20].try_into().expect("20 bytes")));
    let access = header(account, Class::Access, 1024, &roots[2], None, None);
    vec![content, device, access]
}

fn lane_vector(header: &LaneHeader, root_key: &Hash) -> Value {
    json!({
        "name": format!("{} {:?}", header.author, header.class).to_lowercase(),
        "author": party(header.author),
        "class": u8::from(header.class == Class::Access),
        "minimum": header.minimum,
        "epoch": header.epoch,
        "root_key": hex::encode(root_key),
        "signer": header.signer.map(hex::encode),
        "predecessor": header.predecessor.map(|l| l.to_hex()),
        "nonce": hex::encode(header.nonce),
        "header": hex::encode(encode(header)),
        "lane": header.id().to_hex(),
    })
}

fn entries(rng: &mut StdRng, lane: LaneId, root_key: &Hash) -> (Vec<Value>, Vec<Hash>) {
    let mut keys = KeySet::root(root_key);
    let content =
        |media_type: &str, bytes: Vec<u8>| Data::Content { media_type: media_type.into(), content: bytes };
    let mut note = vec![0; rng.random_range(1..300)];
    rng.fill_bytes(&mut note);
    let amended = Some(EntryRef { lane, index: 1 });
    let kinds = [
        (
            Kind::Record,
            content("application/fhir+json", b"{\"resourceType\":\"Observation\"}".to_vec()),
            None,
        ),
        (Kind::Record, content("text/plain", note.clone()), None),
        (Kind::Amendment, content("text/plain", note), amended),
        (Kind::Beat, Data::Beat, None),
    ];
    let mut time = rng.random_range(0..1 << 42);
    let mut vectors = Vec::new();
    let mut leaves = Vec::new();
    for (kind, data, prev) in kinds {
        time += rng.random_range(0..5000);
        let (index, key) = keys.advance().expect("a fresh tree");
        let beacon = Beacon { height: rng.random_range(1..1 << 40), hash: rng.random() };
        let header = EntryHeader { version: V1, suite: 1, lane, index, kind, time, beacon, prev };
        let bytes = data.encode().expect("well-formed data");
        let sealed = casewise_seal::seal(&key, &header, 1024, &bytes).expect("sealable data");
        let length = sealed.body.len() as u64;
        let digest = sha256(&[&sealed.body]);
        let leaf = header.leaf(&sealed.entry.commitment, length, &digest);
        let (media_type, content) = match &data {
            Data::Content { media_type, content } => (media_type.as_str(), content.as_slice()),
            _ => ("", &[][..]),
        };
        leaves.push(leaf);
        vectors.push(json!({
            "index": index,
            "kind": encode(&kind)[0],
            "time": text(time),
            "beacon": { "height": text(beacon.height), "hash": hex::encode(beacon.hash) },
            "prev": prev.map(|p| json!({ "lane": p.lane.to_hex(), "index": p.index })),
            "media_type": media_type,
            "content": hex::encode(content),
            "header": hex::encode(encode(&header)),
            "one_time_key": hex::encode(key.expose_secret()),
            "commitment": hex::encode(sealed.entry.commitment),
            "body_length": length,
            "body_sha256": hex::encode(digest),
            "leaf": hex::encode(leaf),
        }));
    }
    (vectors, leaves)
}

fn keyset(root_key: &Hash) -> Value {
    let mut keys = KeySet::root(root_key);
    let (_, first) = keys.advance().expect("a fresh tree");
    let after_1 = hex::encode(keys.encode().as_slice());
    let (_, second) = keys.advance().expect("a fresh tree");
    let after_2 = hex::encode(keys.encode().as_slice());
    let mut punctured = KeySet::root(root_key);
    punctured.puncture(5).expect("a fresh tree");
    json!({
        "root": hex::encode(root_key),
        "after_advance_1": after_1,
        "after_advance_2": after_2,
        "punctured_at_5": hex::encode(punctured.encode().as_slice()),
        "first_key": hex::encode(first.expose_secret()),
        "second_key": hex::encode(second.expose_secret()),
    })
}

fn head_vector(rng: &mut StdRng, lane: &LaneId, head: &Head) -> Value {
    let time = rng.random_range(0..1 << 42);
    json!({
        "size": head.size,
        "root": hex::encode(head.root),
        "time": text(time),
        "message": hex::encode(head.message(lane, time)),
        "operator_digest": hex::encode(head.operator_digest(lane, time)),
    })
}

fn lane_record(rng: &mut StdRng, header: &LaneHeader, head: &Head) -> Value {
    let record = LaneRecord {
        version: V1,
        status: LaneStatus::Open,
        class: header.class,
        case: header.case,
        author: header.author,
        signer: header.signer,
        size: head.size,
        root: head.root,
        height: rng.random_range(0..1 << 40),
        time: rng.random_range(0..1 << 42),
        seen: rng.random_range(0..=head.size),
    };
    json!({
        "status": 0,
        "class": u8::from(record.class == Class::Access),
        "size": record.size,
        "height": text(record.height),
        "time": text(record.time),
        "seen": record.seen,
        "value": hex::encode(encode(&record)),
    })
}

fn opening(rng: &mut StdRng, case: CaseId, header: &LaneHeader) -> Opening {
    let not_before = rng.random_range(0..1 << 42);
    Opening {
        version: V1,
        case,
        grantee: Party::Institution(rng.random()),
        practitioner: rng.random::<bool>().then(|| Address(rng.random())),
        author: header.author,
        purpose: "TREAT".into(),
        labels: vec!["vital signs".into(), "Größe".into()],
        items: vec![OpeningItem { lane: header.id(), first: 1, last: 3, follow: rng.random() }],
        not_before,
        not_after: not_before + rng.random_range(1..1 << 36),
        erase_by: 0,
        salt: rng.random(),
    }
}

fn grant_vector(opening: &Opening) -> Value {
    let item = |i: &OpeningItem| json!({ "lane": i.lane.to_hex(), "first": i.first, "last": i.last, "follow": i.follow });
    json!({
        "grantee": party(opening.grantee),
        "practitioner": opening.practitioner.map(|p| p.to_hex()),
        "author": party(opening.author),
        "purpose": opening.purpose,
        "labels": opening.labels,
        "items": opening.items.iter().map(item).collect::<Vec<_>>(),
        "not_before": text(opening.not_before),
        "not_after": text(opening.not_after),
        "erase_by": text(opening.erase_by),
        "salt": hex::encode(opening.salt),
        "opening": hex::encode(encode(opening)),
        "commitment": opening.commitment().to_hex(),
    })
}

fn release_vector(rng: &mut StdRng, opening: &Opening, leaves: &[Hash]) -> Value {
    let granted: Vec<u8> = leaves[1..=3].concat();
    let release = Release {
        version: V1,
        case: opening.case,
        grant: opening.commitment(),
        server: opening.author,
        reader: opening.grantee,
        practitioner: opening.practitioner,
        rev: rng.random(),
        height: rng.random_range(0..1 << 40),
        items: vec![ReleaseItem { lane: opening.items[0].lane, first: 1, last: 3 }],
        leaves: sha256(&[&granted]),
        nonce: rng.random(),
        expires: rng.random_range(0..1 << 42),
    };
    let item = |i: &ReleaseItem| json!({ "lane": i.lane.to_hex(), "first": i.first, "last": i.last });
    json!({
        "server": party(release.server),
        "reader": party(release.reader),
        "practitioner": release.practitioner.map(|p| p.to_hex()),
        "rev": release.rev,
        "height": text(release.height),
        "items": release.items.iter().map(item).collect::<Vec<_>>(),
        "nonce": hex::encode(release.nonce),
        "expires": text(release.expires),
        "release": hex::encode(encode(&release)),
        "digest": hex::encode(sha256(&[&release.message()])),
    })
}
