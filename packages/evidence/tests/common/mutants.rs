//! Files that are well formed and have one link false, each with the reason for which it must be
//! refused.

use casewise_evidence::{Evidence, Inclusion, Link, Summary, TrustAnchor, pack_validators};
use casewise_ledger::records::{LaneRecord, ns, store_key};
use casewise_ledger::{CaseId, Class, Party, encode, merkle};
use tendermint::validator::Set;
use tendermint_proto::Protobuf;
use tendermint_proto::v0_38::types as pb;

use super::network::{Signers, Spec, Validators, with_votes};
use super::{ANCHOR, BEACON, CHANGE, STATE, Story, lane_header, lane_record};

/// A file to be refused.
pub struct Mutant {
    pub name: &'static str,
    pub code: &'static str,
    pub file: Evidence,
    pub anchor: TrustAnchor,
}

type Change<'a> = Box<dyn Fn(&mut Evidence, &mut TrustAnchor) + 'a>;

/// All of them, from one story.
pub fn all(story: &Story) -> Vec<Mutant> {
    let groups = [
        chain(story),
        signatures(story),
        state(story),
        author(story),
        entries(story),
        content(story),
        beacons(story),
        encodings(story),
    ];
    let mutants = groups.into_iter().flatten().map(|(name, code, change)| {
        let (mut file, mut anchor) = (story.evidence(), story.anchor());
        change(&mut file, &mut anchor);
        Mutant { name, code, file, anchor }
    });
    mutants.collect()
}

/// A change of the story itself: the file stays consistent.
fn told<'a>(story: &Story, change: impl FnOnce(&mut Story)) -> Change<'a> {
    let mut story = story.clone();
    change(&mut story);
    let file = story.evidence();
    Box::new(move |old, _| *old = file.clone())
}

fn set<'a>(change: impl Fn(&mut Evidence) + 'a) -> Change<'a> {
    Box::new(move |file, _| change(file))
}

fn trusting<'a>(change: impl Fn(&mut TrustAnchor) + 'a) -> Change<'a> {
    Box::new(move |_, anchor| change(anchor))
}

type List<'a> = Vec<(&'static str, &'static str, Change<'a>)>;

fn chain(story: &Story) -> List<'_> {
    let foreign = Story::new(story.seed.wrapping_add(100)).evidence();
    let third = Validators::new(story.seed, "third", &[1, 1, 1]);
    let unchanged = Spec { height: CHANGE - 1, next_validators_hash: story.first.hash(), ..story.change() };
    let same =
        Link { header: unchanged.signed(&story.first, Signers::All), validators: story.first.packed() };
    let elsewhere = Spec { next_validators_hash: third.hash(), ..story.change() };
    let leads_elsewhere = elsewhere.signed(&story.first, Signers::All);
    vec![
        ("version", "version", set(|file| file.v = 2)),
        ("another chain id in the file", "chain_id", set(|file| file.chain_id.push('x'))),
        ("another chain id in the header", "chain_id", {
            let spec = Spec { chain_id: "casewise-vectors-2".into(), ..story.header() };
            let header = spec.signed(&story.second, Signers::All);
            set(move |file| file.header = header.clone())
        }),
        (
            "a whole file of another network with the same chain id",
            "anchor",
            set(move |file| *file = foreign.clone()),
        ),
        ("an anchor of other validators", "anchor", trusting(|anchor| anchor.validators_hash = [1; 32])),
        ("an anchor after the file", "anchor", trusting(|anchor| anchor.height = STATE + 2)),
        ("another header at the height of the anchor", "anchor", trusting(|anchor| anchor.height = CHANGE)),
        ("the link left out", "anchor", set(|file| file.links.clear())),
        ("the link twice", "link", set(|file| file.links.push(file.links[0].clone()))),
        ("a link that changes nothing", "link", set(move |file| file.links.insert(0, same.clone()))),
        (
            "a link to other validators",
            "link",
            set(move |file| file.links[0].header = leads_elsewhere.clone()),
        ),
        ("a link after the header", "link", {
            let late = Spec { height: STATE + 1, ..story.change() };
            let header = late.signed(&story.first, Signers::All);
            set(move |file| file.links[0].header = header.clone())
        }),
    ]
}

fn signatures(story: &Story) -> List<'_> {
    let (first, second) = (&story.first, &story.second);
    let header = |signers| story.header().signed(second, signers);
    let replace = |header: Vec<u8>| set(move |file| file.header = header.clone());
    let swapped = with_votes(&header(Signers::All), |votes| votes.swap(1, 2));
    let short = with_votes(&header(Signers::All), |votes| {
        votes.pop();
    });
    let other = Spec { proposer: 9, ..story.header() };
    let link = |signers| story.change().signed(first, signers);
    let link_of_half = link(Signers::First(2));
    vec![
        // 20 + 10 of 45 is exactly two thirds.
        ("a header signed by two thirds of the power", "power", replace(header(Signers::First(2)))),
        ("a header signed by less than half", "power", replace(header(Signers::First(1)))),
        ("a header that nobody signed", "power", replace(header(Signers::First(0)))),
        (
            "a link signed by half the power",
            "power",
            set(move |file| file.links[0].header = link_of_half.clone()),
        ),
        ("a false signature among those needed", "signature", replace(header(Signers::Forged(0)))),
        ("a false signature beyond those needed", "signature", replace(header(Signers::Forged(3)))),
        ("votes at each other's places", "commit", replace(swapped)),
        ("a vote too few", "commit", replace(short)),
        ("a commit for another header", "commit", replace(story.header().committed_as(other.hash(), second))),
        (
            "a header signed by other validators",
            "commit",
            replace(story.header().signed(first, Signers::All)),
        ),
        ("other validators beside the header", "validators", {
            let packed = first.packed();
            set(move |file| file.validators = packed.clone())
        }),
        ("validators with more power", "validators", {
            let packed = Validators::new(story.seed, "second", &[21, 10, 10, 5]).packed();
            set(move |file| file.validators = packed.clone())
        }),
    ]
}

fn state(story: &Story) -> List<'_> {
    let mut two = story.clone();
    let other = lane_header(story.seed, "another lane", Party::Institution(7)).0;
    let other_key = store_key(&story.summary, ns::LANE, &other.id().0);
    two.others.push((other_key.clone(), encode(&lane_record(&other, 1, [5; 32]))));
    let mut other_lane = two.evidence();
    other_lane.state = two.state(&other_key);
    let mut elsewhere = story.clone();
    elsewhere.others.push((store_key(&[8; 32], ns::LANE, &story.lane.id().0), encode(&story.record)));
    let mut copied = elsewhere.evidence();
    copied.state = elsewhere.state(&elsewhere.others[0].0);
    copied.contract = [8; 32];
    let tampered = Story { record: LaneRecord { size: 9, ..story.record.clone() }, ..story.clone() };
    let (state, store) = (tampered.evidence().state, tampered.store().prove_store());
    let record = |change: fn(&mut LaneRecord)| told(story, |story| change(&mut story.record));
    let old_lane =
        Story { record: lane_record(&story.lane, 2, merkle::root(&story.leaves()[..2])), ..story.clone() };
    vec![
        ("a record of another height", "height", set(|file| file.state.height -= 1)),
        ("an author's record of another height", "height", set(|file| file.author.height -= 1)),
        ("the largest height", "height", set(|file| file.state.height = u64::MAX)),
        ("a record of another store", "app_hash", set(move |file| file.state = state.clone())),
        ("another store", "app_hash", set(move |file| file.state.store = store.clone())),
        ("another value", "store", set(|file| file.state.value[1] ^= 1)),
        ("another key", "store", set(|file| file.state.key[40] ^= 1)),
        ("the proof of another record", "store", set(|file| file.state.iavl = file.author.iavl.clone())),
        ("a valid proof of another lane", "state_key", set(move |file| *file = other_lane.clone())),
        ("a valid proof of the author's record", "state_key", set(|file| file.state = file.author.clone())),
        ("the lane header of another lane", "state_key", set(move |file| file.lane_header = encode(&other))),
        ("a contract that is not trusted", "contract", trusting(|anchor| anchor.summary.clear())),
        ("a copy of the record in another contract", "contract", set(move |file| *file = copied.clone())),
        (
            "another trusted contract",
            "state_key",
            Box::new(|file, anchor| {
                file.contract = [8; 32];
                anchor.summary.push(Summary { address: [8; 32], code_checksum: file.code_checksum });
            }),
        ),
        ("other code", "code_checksum", set(|file| file.code_checksum[0] ^= 1)),
        ("a value that is no lane record", "state_value", {
            let key = story.lane_key();
            let mut odd = story.clone();
            odd.record.version = casewise_ledger::V1;
            let mut file = odd.evidence();
            let records =
                odd.records().into_iter().map(|(k, v)| if k == key { (k, vec![2; 9]) } else { (k, v) });
            let store = super::merkle::Store::new(records.collect());
            let spec = Spec { app_hash: store.app_hash().to_vec(), ..story.header() };
            file.header = spec.signed(&story.second, Signers::All);
            file.state.value = vec![2; 9];
            file.state.iavl = store.prove(&key);
            file.state.store = store.prove_store();
            set(move |old| *old = file.clone())
        }),
        ("a record of another case", "case", record(|record| record.case = CaseId([1; 32]))),
        ("a record of another author", "author", record(|record| record.author = Party::Institution(8))),
        ("a record of another class", "lane", record(|record| record.class = Class::Access)),
        ("a record with a device signer", "lane", record(|record| record.signer = Some([1; 32]))),
        ("an older head", "head", {
            let file = old_lane.evidence();
            set(move |old| *old = file.clone())
        }),
        ("an inclusion in an older head", "head", {
            let older = super::inclusion(&story.leaves()[..4], 3);
            set(move |file| file.inclusion[1] = older.clone())
        }),
    ]
}

fn author(story: &Story) -> List<'_> {
    let mut another = story.clone();
    another.author_key = store_key(&story.registrar, ns::INSTITUTION, &8u32.to_be_bytes());
    let mut of_ppr = story.clone();
    of_ppr.author_key = store_key(&[8; 32], ns::INSTITUTION, &7u32.to_be_bytes());
    let mut renamed = story.clone();
    renamed.author_value = story.author_value.iter().map(|b| if *b == b'A' { b'B' } else { *b }).collect();
    let renamed = renamed.evidence().author;
    vec![
        (
            "an author's record that is not in the state",
            "author_proof",
            set(move |file| file.author = renamed.clone()),
        ),
        (
            "an author's value that is not the one proven",
            "author_proof",
            set(|file| {
                let last = file.author.value.len() - 1;
                file.author.value[last] ^= 1;
            }),
        ),
        ("the record of another author", "author_key", {
            let file = another.evidence();
            set(move |old| *old = file.clone())
        }),
        ("the author's record of another contract", "author_key", {
            let file = of_ppr.evidence();
            set(move |old| *old = file.clone())
        }),
        ("the lane's record as the author's", "author_key", set(|file| file.author = file.state.clone())),
        ("another registrar", "author_key", trusting(|anchor| anchor.registrar = [3; 32])),
        (
            "an author's value that is no record",
            "author_value",
            told(story, |story| story.author_value.push(0)),
        ),
    ]
}

fn entries(story: &Story) -> List<'_> {
    let other_lane = {
        let mut other = Story::new(story.seed.wrapping_add(1));
        other.lane = story.lane.clone();
        other.entry(3, false)
    };
    let wrong_place = Inclusion { index: 3, ..story.inclusion(2) };
    vec![
        (
            "no entries",
            "entries",
            set(|file| {
                file.entries.clear();
                file.inclusion.clear();
            }),
        ),
        (
            "an inclusion proof too few",
            "entries",
            set(|file| {
                file.inclusion.pop();
            }),
        ),
        (
            "entries out of order",
            "entries",
            set(|file| {
                file.entries.swap(0, 1);
                file.inclusion.swap(0, 1);
            }),
        ),
        (
            "the same entry twice",
            "entries",
            set(|file| {
                file.entries[1] = file.entries[0].clone();
                file.inclusion[1] = file.inclusion[0].clone();
            }),
        ),
        (
            "an entry of another lane",
            "entry_entry_lane",
            set(move |file| file.entries[1] = other_lane.clone()),
        ),
        (
            "an index that is not the position",
            "entry_position",
            set(move |file| file.inclusion[1] = Inclusion { index: 4, ..wrong_place.clone() }),
        ),
        ("another entry of the lane at this position", "entry_position", set(|file| file.entries.swap(0, 1))),
        ("another time in the header", "entry_inclusion", set(|file| file.entries[1].header[43] ^= 1)),
        ("another commitment", "entry_inclusion", set(|file| file.entries[1].commitment[0] ^= 1)),
        ("another body length", "entry_inclusion", set(|file| file.entries[1].body_length += 1)),
        ("another body hash", "entry_inclusion", set(|file| file.entries[1].body_sha256[0] ^= 1)),
        ("another hash in the path", "entry_inclusion", set(|file| file.inclusion[1].path[0] ^= 1)),
        (
            "a path with a hash too many",
            "entry_inclusion",
            set(|file| file.inclusion[1].path.extend([0; 32])),
        ),
        ("a path with half a hash", "encoding", set(|file| file.inclusion[1].path.truncate(80))),
        ("a kind not allowed in the lane", "entry_kind", set(|file| file.entries[1].header[38] = 1)),
    ]
}

fn content(story: &Story) -> List<'_> {
    let wrong = story.entry(3, true).one_time_key;
    let wrong_too = wrong.clone();
    vec![
        ("another body", "entry_body_hash", set(|file| file.entries[0].body.as_mut().unwrap()[500] ^= 1)),
        (
            "a body cut off",
            "entry_body_length",
            set(|file| {
                file.entries[0].body.as_mut().unwrap().pop();
            }),
        ),
        (
            "a body that is not the one anchored, without its key",
            "entry_body_hash",
            set(|file| {
                file.entries[0].one_time_key = None;
                file.entries[0].body.as_mut().unwrap()[0] ^= 1;
            }),
        ),
        (
            "the key of another entry",
            "entry_commitment",
            set(move |file| file.entries[0].one_time_key = wrong.clone()),
        ),
        (
            "the key of another entry, without a body",
            "entry_commitment",
            set(move |file| {
                file.entries[0].one_time_key = wrong_too.clone();
                file.entries[0].body = None;
            }),
        ),
    ]
}

fn beacons(story: &Story) -> List<'_> {
    let at = |height| Spec { height, ..story.beacon() };
    let signed = |spec: Spec, validators: &Validators| {
        let header = spec.signed(validators, Signers::All);
        set(move |file| file.beacon_header = Some(header.clone()))
    };
    let early = Spec {
        height: ANCHOR - 1,
        validators_hash: story.first.hash(),
        next_validators_hash: story.first.hash(),
        ..story.beacon()
    };
    vec![
        ("a beacon of another block", "beacon", signed(at(BEACON + 1), &story.second)),
        (
            "another block at the beacon's height",
            "beacon",
            signed(Spec { proposer: 5, ..at(BEACON) }, &story.second),
        ),
        (
            "a beacon signed by earlier validators",
            "beacon",
            signed(Spec { validators_hash: story.first.hash(), ..at(BEACON) }, &story.first),
        ),
        ("a beacon before the anchor", "beacon", signed(early, &story.first)),
        ("a beacon after the header", "beacon", signed(at(STATE + 2), &story.second)),
        ("a beacon signed by half the power", "beacon", {
            let header = story.beacon().signed(&story.second, Signers::First(2));
            set(move |file| file.beacon_header = Some(header.clone()))
        }),
        (
            "a beacon of no entry",
            "beacon",
            set(|file| {
                file.entries.pop();
                file.inclusion.pop();
            }),
        ),
    ]
}

fn encodings(story: &Story) -> List<'_> {
    let nil = story.header().raw(&story.second, Signers::Nil(3));
    let mut priorities = story.second.set.clone();
    priorities.validators[0].proposer_priority = 5.into();
    let mut proposer = story.second.set.clone();
    proposer.proposer = proposer.validators.first().cloned();
    let raw = |set: Set| Protobuf::<pb::ValidatorSet>::encode_vec(set);
    let (priorities, proposer) = (raw(priorities), raw(proposer));
    let unsorted = {
        let mut set: pb::ValidatorSet = story.second.set.clone().into();
        set.validators.reverse();
        prost::Message::encode_to_vec(&set)
    };
    assert_eq!(pack_validators(&unsorted).unwrap(), story.second.packed());
    vec![
        ("a header that is none", "encoding", set(|file| file.header.truncate(100))),
        ("a header with an unknown field", "encoding", set(|file| file.header.extend([0x78, 1]))),
        ("a vote for no block", "encoding", set(move |file| file.header = nil.clone())),
        ("validators with a priority", "encoding", set(move |file| file.validators = priorities.clone())),
        ("validators with a proposer", "encoding", set(move |file| file.validators = proposer.clone())),
        ("validators in another order", "encoding", set(move |file| file.validators = unsorted.clone())),
        ("a proof that is none", "encoding", set(|file| file.state.iavl = vec![1, 2, 3])),
        ("a proof with an unknown field", "encoding", set(|file| file.state.store.extend([0x78, 1]))),
        ("an empty proof", "encoding", set(|file| file.state.store.clear())),
        ("a lane header with a trailing byte", "encoding", set(|file| file.lane_header.push(0))),
        (
            "an entry header cut off",
            "encoding",
            set(|file| {
                file.entries[0].header.pop();
            }),
        ),
    ]
}
