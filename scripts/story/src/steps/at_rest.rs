//! Step 8: what is left at rest. Nothing that was in a record lies anywhere in the clear, none of
//! the used one-time keys or their ancestors lies anywhere at all, and a seized agent opens no
//! entry of its own lanes.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use casewise_testkit::canary::{Searcher, plants};

use crate::{steps::ingest::CANARY, world::World};

/// Needles taken from each record besides the canary.
const NEEDLES_PER_RECORD: usize = 64;
/// Bytes of such a needle.
const NEEDLE: usize = 36;

/// Runs the step.
pub async fn run(world: &mut World) -> Result<()> {
    for hospital in &mut world.hospitals {
        hospital.stop().await;
    }
    world.network.down().await?;
    let mut places = vec![world.network.dir.clone()];
    for hospital in &world.hospitals {
        places.extend(hospital.at_rest());
    }
    no_content(world, &places)?;
    no_keys(world, &places).await?;
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

/// No used one-time key and no ancestor of one, derived from the patient's phrase, lies anywhere.
async fn no_keys(world: &World, places: &[PathBuf]) -> Result<()> {
    let used = used_keys(world).await?;
    let named: Vec<(String, &[u8])> =
        used.iter().map(|(name, key)| (name.clone(), key.as_slice())).collect();
    let searcher = Searcher::new(named.iter().map(|(name, key)| (name.as_str(), *key)));
    let plant = tempfile::NamedTempFile::new()?;
    std::fs::write(plant.path(), used[0].1)?;
    let (found, _) = searcher.search_files(&[plant.path()])?;
    ensure!(!found.is_empty(), "the searcher did not find a planted key");
    let (found, _) = searcher.search_files(places)?;
    ensure!(found.is_empty(), "one-time keys at rest: {:?}", &found[..found.len().min(3)]);
    println!("   {} used one-time keys and their ancestors: none of them is anywhere", used.len());
    seized(world, places)
}
