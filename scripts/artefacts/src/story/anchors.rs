//! Anchoring 1, 10, 50 and 200 lanes at once, each with a proof of ten hashes.

use anyhow::{Result, ensure};
use casewise_ledger::records::{ns, record_key};
use casewise_protocol::{
    Event, ppr, registrar,
    rules::MAX_OPEN_LANES,
    summary::{ExecuteMsg, MAX_OPEN},
};
use casewise_testkit::contracts::{Lane, anchors};

use super::Story;
use crate::people::{Case, POLICY};

/// Hashes of each proof.
const LONG_PROOF: usize = 10;
/// Sizes from each of which a proof of [`LONG_PROOF`] hashes leads to the next.
const SIZES: [u32; 4] = [3, 257, 511, 512];
/// Lanes of the largest batch.
const LANES: usize = 200;

pub async fn run(story: &mut Story<'_>) -> Result<()> {
    let mut lanes = open(story).await?;
    grow(story, None, &mut lanes, SIZES[0]).await?;
    grow(story, Some("200 lanes, 10 hashes each"), &mut lanes, SIZES[1]).await?;
    grow(story, Some("50 lanes, 10 hashes each"), &mut lanes[..50], SIZES[2]).await?;
    grow(story, Some("10 lanes, 10 hashes each"), &mut lanes[..10], SIZES[3]).await?;
    grow(story, Some("1 lane, 10 hashes"), &mut lanes[50..51], SIZES[2]).await?;
    stored(story, &lanes).await
}

/// Every lane is in what was read as the contract's whole state.
async fn stored(story: &Story<'_>, lanes: &[Lane]) -> Result<()> {
    let state = story.net.state(&story.contracts.summary, story.height).await?;
    let there = |lane: &&Lane| state.contains_key(&record_key(ns::LANE, &lane.id().0));
    ensure!(lanes.iter().filter(there).count() == LANES, "lanes are missing in the state");
    Ok(())
}

/// As many lanes as a full ward has: several cases, for a case has [`MAX_OPEN_LANES`] of an author.
async fn open(story: &mut Story<'_>) -> Result<Vec<Lane>> {
    let one = story.cast.one.clone();
    let now = story.net.now().await?;
    let cases: Vec<Case> =
        (0..LANES.div_ceil(MAX_OPEN_LANES)).map(|i| story.cast.case(&format!("ward {i}"))).collect();
    let enrol: Vec<registrar::ExecuteMsg> =
        cases.iter().map(|case| case.enrol(one.number, None, now)).collect();
    story.send(&one.key, &enrol).await?;
    // The offer that the holder signed lets the institution write before the relationship is accepted.
    let propose: Vec<ppr::ExecuteMsg> = cases.iter().map(|case| case.propose(&POLICY)).collect();
    story.send(&one.key, &propose).await?;
    let lane = |i: usize| Lane::content(&cases[i / MAX_OPEN_LANES].id(), &one, &format!("ward lane {i}"));
    let lanes: Vec<Lane> = (0..LANES).map(lane).collect();
    let open =
        |lanes: &[Lane]| ExecuteMsg::open(&lanes.iter().map(|lane| lane.header.clone()).collect::<Vec<_>>());
    let open: Vec<ExecuteMsg> = lanes.chunks(MAX_OPEN).map(open).collect();
    story.send(&one.key, &open).await?;
    Ok(lanes)
}

/// Anchors all of them at `size`, measured if it has a name.
async fn grow(story: &mut Story<'_>, name: Option<&str>, lanes: &mut [Lane], size: u32) -> Result<()> {
    let key = story.cast.one.key.clone();
    let mut items = Vec::with_capacity(lanes.len());
    for lane in lanes.iter_mut() {
        lane.append(size - lane.leaves.len() as u32);
        items.push(lane.anchor());
    }
    let message = ExecuteMsg::anchor(&anchors(items.clone()));
    let included = match name {
        None => story.send(&key, &[message]).await?,
        Some(name) => {
            ensure!(items.iter().all(|item| item.proof.len() == LONG_PROOF), "proofs of another length");
            story.measure_as(name, &key, &message).await?
        }
    };
    let all = |event: &Event| matches!(event, Event::Anchored { heads } if heads.len() == lanes.len());
    ensure!(story.events(&included)?.iter().any(all), "not all heads were anchored");
    Ok(())
}
