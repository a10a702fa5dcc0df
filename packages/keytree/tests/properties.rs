//! Invariants of the key tree over random sets and ranges, and every refusal and limit.

use borsh::BorshDeserialize;
use casewise_keytree::{KeySet, KeyTreeError, MAX_INDEX, MAX_NODES};
use proptest::prelude::*;

const ROOT: [u8; 32] = [0x5a; 32];
const LAST: u32 = u32::MAX;

fn root() -> KeySet {
    KeySet::root(&ROOT)
}

/// Indices around the edges of the tree and of subtrees, and any other.
fn index() -> impl Strategy<Value = u32> {
    prop_oneof![
        0..40u32,
        MAX_INDEX - 40..=MAX_INDEX,
        (0..32u32, -3..=3i64)
            .prop_map(|(bit, off)| ((1i64 << bit) + off).clamp(0, i64::from(MAX_INDEX)) as u32),
        0..=MAX_INDEX,
    ]
}

fn range() -> impl Strategy<Value = (u32, u32)> {
    (index(), prop_oneof![index(), Just(LAST)]).prop_map(|(a, b)| (a.min(b), a.max(b)))
}

#[derive(Clone, Debug)]
enum Step {
    Advance(u8),
    Restrict(u32, u32),
    Puncture(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..20u8).prop_map(Step::Advance),
        range().prop_map(|(first, last)| Step::Restrict(first, last)),
        index().prop_map(Step::Puncture),
    ]
}

/// A set after random steps, and the list of ranges it must cover.
fn walked(steps: &[Step]) -> (KeySet, Vec<(u32, u32)>) {
    let mut set = root();
    let mut model = vec![(0, LAST)];
    for step in steps {
        match *step {
            Step::Advance(times) => {
                for _ in 0..times {
                    let expected = model.first().map(|range| range.0).filter(|first| *first <= MAX_INDEX);
                    match set.advance() {
                        Ok((index, key)) => {
                            assert_eq!(Some(index), expected);
                            assert_eq!(key, root().derive(index).unwrap());
                            model = without(&model, index);
                        }
                        Err(error) => assert_eq!((error, expected), (KeyTreeError::Exhausted, None)),
                    }
                }
            }
            Step::Restrict(first, last) => {
                set = set.restrict(first, last).unwrap();
                model = model
                    .iter()
                    .map(|range| (range.0.max(first), range.1.min(last)))
                    .filter(|range| range.0 <= range.1)
                    .collect();
            }
            Step::Puncture(index) => match set.puncture(index) {
                Ok(key) => {
                    assert_eq!(key, root().derive(index).unwrap());
                    assert!(inside(&model, index));
                    model = without(&model, index);
                }
                Err(error) => {
                    assert_eq!(error, KeyTreeError::NotCovered { index });
                    assert!(!inside(&model, index));
                }
            },
        }
    }
    (set, model)
}

fn inside(model: &[(u32, u32)], index: u32) -> bool {
    model.iter().any(|range| range.0 <= index && index <= range.1)
}

fn without(model: &[(u32, u32)], index: u32) -> Vec<(u32, u32)> {
    let mut out = Vec::new();
    for &(first, last) in model {
        if index < first || last < index {
            out.push((first, last));
            continue;
        }
        if first < index {
            out.push((first, index - 1));
        }
        if index < last {
            out.push((index + 1, last));
        }
    }
    out
}

/// The canonical rules, written again from the encoded bytes.
fn assert_canonical(encoded: &[u8]) {
    let count = u32::from_le_bytes(encoded[..4].try_into().unwrap()) as usize;
    assert!(count <= MAX_NODES);
    assert_eq!(encoded.len(), 4 + 37 * count);
    let mut free = 0u64;
    for node in encoded[4..].chunks(37) {
        let start = u64::from(u32::from_le_bytes(node[..4].try_into().unwrap()));
        assert!(node[4] <= 32);
        let width = 1u64 << (32 - node[4]);
        assert_eq!(start % width, 0);
        assert!(start >= free);
        free = start + width;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn restrict_then_derive_is_derive((first, last) in range(), probe in index()) {
        let cut = root().restrict(first, last).unwrap();
        for index in [first, last.min(MAX_INDEX), first + (last - first) / 2, probe] {
            let inside = first <= index && index <= last;
            prop_assert_eq!(cut.covers(index), inside);
            match cut.derive(index) {
                Ok(key) => prop_assert!(inside && key == root().derive(index).unwrap()),
                Err(error) => prop_assert_eq!((inside, error), (false, KeyTreeError::NotCovered { index })),
            }
        }
        // no set of nodes is smaller: two siblings of the result are never both whole
        prop_assert!(cut.len() <= 62);
        for pair in cut.nodes().windows(2) {
            let siblings = pair[0].depth() == pair[1].depth()
                && u64::from(pair[0].start()) % (2 * (u64::from(pair[0].last() - pair[0].start()) + 1)) == 0
                && pair[0].last() + 1 == pair[1].start();
            prop_assert!(!siblings);
        }
        prop_assert_eq!(cut.first_index(), Some(first).filter(|first| *first <= MAX_INDEX));
    }

    #[test]
    fn advanced_keys_are_gone(times in 1..200u32, later in 0..1000u32) {
        let mut set = root();
        for index in 0..times {
            let (got, key) = set.advance().unwrap();
            prop_assert_eq!(got, index);
            prop_assert_eq!(key, root().derive(index).unwrap());
        }
        for index in 0..times {
            prop_assert_eq!(set.derive(index), Err(KeyTreeError::NotCovered { index }));
        }
        prop_assert_eq!(set.first_index(), Some(times));
        prop_assert!(set.len() <= 32);
        prop_assert_eq!(set.derive(times + later).unwrap(), root().derive(times + later).unwrap());
    }

    #[test]
    fn any_walk_covers_what_the_model_says(
        steps in prop::collection::vec(step(), 0..8),
        probes in prop::collection::vec(index(), 20),
    ) {
        let (set, model) = walked(&steps);
        let edges = model.iter().flat_map(|range| {
            [range.0.saturating_sub(1), range.0, range.1, range.1.saturating_add(1)]
        });
        for index in probes.into_iter().chain(edges).filter(|index| *index <= MAX_INDEX) {
            prop_assert_eq!(set.covers(index), inside(&model, index), "{}", index);
            prop_assert_eq!(set.derive(index).is_ok(), inside(&model, index));
        }
        prop_assert_eq!(set.covers(LAST), false);
        prop_assert_eq!(set.is_empty(), model.is_empty());
        assert_canonical(&set.encode());
    }

    #[test]
    fn encoding_round_trips(steps in prop::collection::vec(step(), 0..8)) {
        let (set, _) = walked(&steps);
        let encoded = set.encode();
        prop_assert_eq!(&KeySet::decode(&encoded).unwrap(), &set);
        prop_assert_eq!(&KeySet::try_from_slice(&encoded).unwrap(), &set);
        prop_assert_eq!(borsh::to_vec(&set).unwrap(), encoded.to_vec());
    }

    #[test]
    fn a_changed_encoding_is_another_set_or_refused(at in any::<prop::sample::Index>(), flip in 1..=255u8) {
        let set = root().restrict(100, 10_099).unwrap();
        let mut encoded = set.encode().to_vec();
        let at = at.index(encoded.len());
        encoded[at] ^= flip;
        if let Ok(other) = KeySet::decode(&encoded) {
            prop_assert_ne!(&other, &set);
            prop_assert_eq!(other.encode().to_vec(), encoded);
        }
    }
}

/// Encodes nodes without any rule.
fn raw(nodes: &[(u32, u8)]) -> Vec<u8> {
    let mut out = (nodes.len() as u32).to_le_bytes().to_vec();
    for (start, depth) in nodes {
        out.extend_from_slice(&start.to_le_bytes());
        out.push(*depth);
        out.extend_from_slice(&[9; 32]);
    }
    out
}

fn refused(nodes: &[(u32, u8)]) -> KeyTreeError {
    let encoded = raw(nodes);
    assert!(KeySet::try_from_slice(&encoded).is_err(), "borsh must refuse what decode refuses");
    KeySet::decode(&encoded).unwrap_err()
}

#[test]
fn every_canonical_rule_is_enforced() {
    assert_eq!(refused(&[(0, 33)]), KeyTreeError::Depth { node: 0 });
    assert_eq!(refused(&[(0, 32), (1, 255)]), KeyTreeError::Depth { node: 1 });
    assert_eq!(refused(&[(1, 0)]), KeyTreeError::Alignment { node: 0 });
    assert_eq!(refused(&[(1, 31)]), KeyTreeError::Alignment { node: 0 });
    assert_eq!(refused(&[(1 << 31, 0)]), KeyTreeError::Alignment { node: 0 });
    assert_eq!(refused(&[(4, 32), (3, 32)]), KeyTreeError::Order { node: 1 });
    assert_eq!(refused(&[(4, 32), (4, 32)]), KeyTreeError::Order { node: 1 });
    assert_eq!(refused(&[(4, 32), (4, 30)]), KeyTreeError::Order { node: 1 });
    assert_eq!(refused(&[(4, 30), (7, 32)]), KeyTreeError::Overlap { node: 1 });
    assert_eq!(refused(&[(0, 0), (LAST, 32)]), KeyTreeError::Overlap { node: 1 });
    // the last node ends at 2^32 exactly, siblings stay apart: both canonical
    for nodes in [&[(0, 1), (1 << 31, 1)][..], &[(LAST, 32)], &[(6, 32), (7, 32)], &[]] {
        KeySet::decode(&raw(nodes)).unwrap();
    }
}

#[test]
fn truncated_or_longer_bytes_are_refused() {
    let encoded = root().restrict(5, 8).unwrap().encode();
    for length in 0..encoded.len() {
        assert_eq!(KeySet::decode(&encoded[..length]), Err(KeyTreeError::Malformed));
        assert!(KeySet::try_from_slice(&encoded[..length]).is_err());
    }
    let longer = [&encoded[..], &[0]].concat();
    assert_eq!(KeySet::decode(&longer), Err(KeyTreeError::Malformed));
    assert!(KeySet::try_from_slice(&longer).is_err());
}

#[test]
fn the_limit_of_nodes_holds_everywhere() {
    let leaves: Vec<_> = (0..=MAX_NODES as u32).map(|i| (2 * i, 32)).collect();
    let full = KeySet::decode(&raw(&leaves[..MAX_NODES])).unwrap();
    assert_eq!(full.len(), MAX_NODES);
    assert_eq!(refused(&leaves), KeyTreeError::TooManyNodes { count: MAX_NODES + 1 });
    // a count without the nodes is refused before room is made for them
    assert_eq!(KeySet::decode(&[0xff; 4]), Err(KeyTreeError::TooManyNodes { count: LAST as usize }));

    // 1,022 leaves and a node of four: taking its second key leaves two nodes more, 1,024
    let mut nodes: Vec<_> = (1..MAX_NODES as u32 - 1).map(|i| (2 * i + 10, 32)).collect();
    nodes.insert(0, (0, 30));
    let mut set = KeySet::decode(&raw(&nodes)).unwrap();
    set.puncture(1).unwrap();
    assert_eq!(set.len(), MAX_NODES);

    // one node more at the start: refused, and the set is as it was
    nodes.insert(1, (4, 32));
    let mut set = KeySet::decode(&raw(&nodes)).unwrap();
    let before = set.duplicate();
    assert_eq!(set.puncture(1), Err(KeyTreeError::TooManyNodes { count: MAX_NODES + 1 }));
    assert_eq!(set.advance(), Err(KeyTreeError::TooManyNodes { count: MAX_NODES + 1 }));
    assert_eq!(set, before);
    assert_eq!(set.restrict(1, LAST), Err(KeyTreeError::TooManyNodes { count: MAX_NODES + 1 }));
    assert_eq!(set.restrict(0, LAST).unwrap(), before);
}

#[test]
fn the_last_leaf_is_never_used() {
    assert!(root().derive(MAX_INDEX).is_ok());
    assert!(root().covers(MAX_INDEX));
    assert_eq!(root().derive(LAST), Err(KeyTreeError::Index { index: LAST }));
    assert_eq!(root().puncture(LAST), Err(KeyTreeError::Index { index: LAST }));
    assert!(!root().covers(LAST));

    let mut tail = root().restrict(MAX_INDEX, LAST).unwrap();
    assert_eq!(tail.advance().unwrap().0, MAX_INDEX);
    assert_eq!(tail.first_index(), None);
    assert_eq!(tail.advance(), Err(KeyTreeError::Exhausted));
    assert_eq!(tail.len(), 1);
}

#[test]
fn a_range_that_ends_before_it_starts_is_refused() {
    assert_eq!(root().restrict(3, 2), Err(KeyTreeError::Range { first: 3, last: 2 }));
    assert_eq!(root().restrict(3, 3).unwrap().len(), 1);
}

#[test]
fn only_the_whole_tree_shows_a_root() {
    assert_eq!(root().expose_root(), Some(&ROOT));
    assert_eq!(root().restrict(0, LAST).unwrap().expose_root(), Some(&ROOT));
    assert_eq!(root().restrict(0, MAX_INDEX).unwrap().expose_root(), None);
    let mut set = root();
    set.advance().unwrap();
    assert_eq!(set.expose_root(), None);
    assert_eq!(root().restrict(0, u32::MAX / 2).unwrap().expose_root(), None);
}

#[test]
fn debug_and_errors_show_no_key() {
    let set = root().restrict(5, 8).unwrap();
    let key = set.derive(5).unwrap();
    let shown = format!("{set:?} {key:?} {:?} {}", set.derive(4), set.derive(4).unwrap_err());
    for secret in set.nodes().iter().map(|node| node.expose_secret()).chain([key.expose_secret()]) {
        assert!(!shown.contains(&hex::encode(secret)));
        assert!(!shown.contains(&format!("{secret:?}")));
    }
    assert!(shown.contains("start: 5"), "{shown}");
}
