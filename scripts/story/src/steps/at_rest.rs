//! Step 8: what is left at rest. Nothing that was in a record lies anywhere in the clear, none of
//! the used one-time keys or their ancestors lies anywhere at all, and a seized agent opens no
//! entry of its own lanes.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result, bail, ensure};
use casewise_agent::config::{Config, Settings};
use casewise_api::{
    body::{LaneListing, LetterListing, LettersQuery},
    route,
};
use casewise_client::Phrase;
use casewise_keytree::{DEPTH, KeySet};
use casewise_ledger::LaneId;
use casewise_seal::Letter;
use casewise_testkit::canary::{Searcher, plants};

use crate::{http::Caller, steps::ingest::CANARY, world::World};

/// The number of the patient's first case.
const FIRST_CASE: u32 = 0;
/// Needles taken from each record besides the canary.
const NEEDLES_PER_RECORD: usize = 64;
/// Bytes of such a needle.
const NEEDLE: usize = 36;

/// Runs the step.
pub async fn run(world: &mut World) -> Result<()> {
    let lanes = lanes_of_a(world).await?;
    let dump = world.dir.join("chain-dump");
    world.network.dump_transactions(&dump).await?;
    for hospital in &mut world.hospitals {
        hospital.stop().await;
    }
    world.network.down().await?;
    world.network.dump_state(&dump).await?;
    // The node's own files are compressed: state and transactions are searched as dumped, too.
    let mut places = vec![world.network.dir.clone(), dump];
    for hospital in &world.hospitals {
        places.extend(hospital.at_rest());
    }
    no_content(world, &places)?;
    no_keys(&lanes, &places)?;
    seized(world, &lanes).await?;
    Ok(())
}

/// No piece of a record, in any spelling. The searcher first has to find planted ones.
fn no_content(world: &World, places: &[PathBuf]) -> Result<()> {
    let mut needles: Vec<(String, Vec<u8>)> = vec![("canary".into(), CANARY.as_bytes().to_vec())];
    for (i, record) in world.records.iter().enumerate() {
        for needle in telling_pieces(record) {
            needles.push((format!("record {i}"), needle));
        }
    }
    let searcher = Searcher::new(needles.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
    finds_planted(&searcher)?;
    let (found, read) = searcher.search_files(places)?;
    ensure!(found.is_empty(), "content in the clear: {:?}", &found[..found.len().min(3)]);
    println!(
        "   {} pieces of records, in five spellings: none in {} MB of chain data, databases, bodies and logs",
        needles.len(),
        read / 1_000_000
    );
    Ok(())
}

/// Identifiers of the record, spread over it: pieces that nothing else contains.
fn telling_pieces(record: &[u8]) -> Vec<Vec<u8>> {
    let marker = b"urn:uuid:";
    let mut pieces: Vec<Vec<u8>> = memchr_positions(record, marker)
        .filter_map(|at| record.get(at + marker.len()..at + marker.len() + NEEDLE))
        .map(<[u8]>::to_vec)
        .collect();
    pieces.sort();
    pieces.dedup();
    let step = (pieces.len() / NEEDLES_PER_RECORD).max(1);
    pieces.into_iter().step_by(step).collect()
}

fn memchr_positions<'a>(hay: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    hay.windows(needle.len()).enumerate().filter(move |(_, window)| *window == needle).map(|(at, _)| at)
}

fn finds_planted(searcher: &Searcher) -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (i, (form, bytes)) in plants(CANARY.as_bytes()).into_iter().enumerate() {
        let file = folder.path().join(i.to_string());
        std::fs::write(&file, [b"something before ".as_slice(), &bytes, b" and after"].concat())?;
        let (found, _) = searcher.search_files(&[&file])?;
        ensure!(!found.is_empty(), "the searcher did not find what was planted as {form}");
    }
    Ok(())
}

/// A lane of A as the patient knows it.
struct Lane {
    id: LaneId,
    size: u32,
    keys: KeySet,
}

/// A's lanes with their roots, from the letters that the patient's phrase opens.
async fn lanes_of_a(world: &World) -> Result<Vec<Lane>> {
    let patient = world.patient()?;
    let case = patient.case.context("there is no case")?;
    let phrase = Phrase::parse(&patient.phrase)?;
    let net = world.network.manifest()?.net();
    let holder = Caller::new(phrase.account(FIRST_CASE)?, net, world.hospitals[0].public);
    let secret = phrase.kem_secret(FIRST_CASE)?;
    let listed = holder.send("GET", &route::lanes(&case), Vec::new()).await?;
    ensure!(listed.status == 200, "A answers the holder {}", listed.status);
    let listed: Vec<LaneListing> = serde_json::from_slice(&listed.body)?;
    let mut roots = BTreeMap::new();
    let mut after = 0;
    loop {
        let query = LettersQuery { after, limit: None };
        let answer = holder.send("GET", &route::letters(&case, query), Vec::new()).await?;
        ensure!(answer.status == 200, "A answers the holder {}", answer.status);
        let letters: Vec<LetterListing> = serde_json::from_slice(&answer.body)?;
        let Some(last) = letters.last() else { break };
        after = last.seq;
        for letter in letters {
            let payload = Letter::decode(&letter.letter.0)?.open(&secret)?;
            roots.extend(payload.keys.into_iter().map(|keys| (keys.lane, keys.nodes)));
        }
    }
    listed
        .into_iter()
        .map(|listing| {
            let keys = roots.remove(&listing.lane).context("a lane without a letter")?;
            Ok(Lane { id: listing.lane, size: listing.anchored.size, keys })
        })
        .collect()
}

/// Every used one-time key and every node above one that covers used indices only, by name.
fn used_keys(lane: &Lane) -> Result<Vec<(String, [u8; 32])>> {
    let mut found = Vec::new();
    for depth in 0..=DEPTH {
        let width = 1u64 << (DEPTH - depth);
        let mut start = 0u64;
        // The nodes of this depth on the way to a used leaf: the last may reach past the used ones.
        while start < u64::from(lane.size) {
            let last = (start + width - 1).min(u64::from(u32::MAX));
            let set = node(&lane.keys, start as u32, last as u32, depth)?;
            found.push((format!("lane {} node {start}/{depth}", lane.id), set));
            start += width;
        }
    }
    Ok(found)
}

/// The key of one node of a whole tree.
fn node(tree: &KeySet, start: u32, last: u32, depth: u8) -> Result<[u8; 32]> {
    if depth == 0 {
        return tree.expose_root().copied().context("a lane whose letter has no root");
    }
    let set = tree.restrict(start, last)?;
    match set.nodes() {
        [node] => Ok(*node.expose_secret()),
        nodes => bail!("{} nodes cover {start}..={last}", nodes.len()),
    }
}

/// No used one-time key and no ancestor of one lies anywhere.
fn no_keys(lanes: &[Lane], places: &[PathBuf]) -> Result<()> {
    let mut used = Vec::new();
    for lane in lanes {
        used.extend(used_keys(lane)?);
    }
    ensure!(!used.is_empty(), "no key was ever used");
    let searcher = Searcher::new(used.iter().map(|(name, key)| (name.as_str(), key.as_slice())));
    for (form, bytes) in plants(&used[0].1) {
        // Keys are no text: the JSON spelling does not apply.
        if form == "json" {
            continue;
        }
        let plant = tempfile::NamedTempFile::new()?;
        std::fs::write(plant.path(), bytes)?;
        let (found, _) = searcher.search_files(&[plant.path()])?;
        ensure!(!found.is_empty(), "the searcher did not find a key planted as {form}");
    }
    let (found, _) = searcher.search_files(places)?;
    ensure!(found.is_empty(), "one-time keys at rest: {:?}", &found[..found.len().min(3)]);
    println!("   {} used one-time keys and nodes above them: none of them is anywhere", used.len());
    Ok(())
}

/// Somebody takes A's disk, its epoch file, its key file and the passphrase: what A still holds of
/// its lanes' keys begins after the last entry written.
async fn seized(world: &World, lanes: &[Lane]) -> Result<()> {
    let a = &world.hospitals[0];
    let config = Config::load(Some(&a.config_file()), Vec::new(), Settings::default())?;
    let agent = casewise_agent::serve::open(config, false).await?.app;
    let mut held = 0;
    for lane in lanes {
        let Some(wrapped) = agent.store.keys(&lane.id).await? else { continue };
        let keys = agent.epoch.unwrap(&wrapped)?;
        ensure!((0..lane.size).all(|index| !keys.covers(index)), "A can open entries of lane {}", lane.id);
        held += 1;
    }
    ensure!(held > 0, "A holds no keys at all, so nothing was tested");
    println!("   A, seized with its key file, opens none of the entries of its {} lanes", lanes.len());
    Ok(())
}
