//! Lanes of a case: what the holder says of them, rotation, closing, a device's key in other
//! hands, two histories.

use anyhow::{Context, Result, ensure};
use casewise_ledger::{
    AnchorItem, ConflictProof, ConflictSide, DeviceSignature, HeadGiven, V1,
    lane::DEVICE_MINIMUM,
    merkle::{self, NodeId, ProofPlan},
};
use casewise_protocol::{
    Event,
    convert::{self, DisputeCode},
    summary::{ExecuteMsg, MarksResponse, QueryMsg},
};
use casewise_testkit::contracts::{Institution, Lane, anchors, rotations};
use ed25519_zebra::{SigningKey, VerificationKeyBytes};

use super::Story;

/// Hashes of the proof that a lane of 3 entries goes on to 4.
const SHORT_PROOF: usize = 3;
/// The entry with two contents.
const DOUBLE: u32 = 2;

pub async fn run(story: &mut Story<'_>) -> Result<()> {
    let first = seen_and_disputed(story).await?;
    rotated(story, first).await?;
    closed(story).await?;
    device(story).await
}

async fn seen_and_disputed(story: &mut Story<'_>) -> Result<Lane> {
    let ada = story.cast.case("ada");
    let one = story.cast.one.clone();
    let mut lane = Lane::content(&ada.id(), &one, "first");
    lane.append(3);
    let item = lane.anchor();
    story.measure_as("1 lane, first head", &one.key, &ExecuteMsg::anchor(&anchors(vec![item]))).await?;
    lane.append(1);
    let item = lane.anchor();
    ensure!(item.proof.len() == SHORT_PROOF, "a proof of {} hashes", item.proof.len());
    let message = ExecuteMsg::anchor(&anchors(vec![item]));
    let included = story.measure_as("1 lane, 3 hashes", &one.key, &message).await?;
    let heads = |event: &Event| matches!(event, Event::Anchored { heads } if heads.len() == 1);
    ensure!(story.events(&included)?.iter().any(heads), "the head was not anchored");

    let seen = ExecuteMsg::seen(&ada.id(), &[(lane.id(), lane.anchored)]);
    story.found.allowance = allowance(story, &seen).await?;
    story.measure(&ada.key, &seen).await?;
    let (id, index) = (convert::hex(&lane.id().0), 1);
    let dispute = ExecuteMsg::Dispute { lane: id.clone(), index, code: DisputeCode::WrongPatient };
    story.measure(&ada.key, &dispute).await?;
    story.measure(&ada.key, &ExecuteMsg::WithdrawDispute { lane: id, index }).await?;
    Ok(lane)
}

/// Gas of a fee that an institution's allowance pays.
async fn allowance(story: &mut Story<'_>, message: &ExecuteMsg) -> Result<u64> {
    let ada = story.cast.case("ada");
    let one = story.cast.one.clone();
    let net = story.net;
    if net.allowance(&one.key.address(), &ada.key.address()).await?.is_none() {
        net.send(&one.key, vec![net.allow(ada.key.address())]).await?;
    }
    net.allowance_gas(&ada.key, story.contracts.summary, message, one.key.address()).await
}

async fn rotated(story: &mut Story<'_>, mut lane: Lane) -> Result<()> {
    let one = story.cast.one.clone();
    let next = lane.successor("goes on");
    lane.append(1);
    let rotation = lane.rotation(&next);
    let included = story.measure(&one.key, &rotations(vec![rotation])).await?;
    let done =
        |event: &Event| matches!(event, Event::LaneRotated { next: opened, .. } if opened.id() == next.id());
    ensure!(story.events(&included)?.iter().any(done), "the lane was not rotated");
    let proof = convert::blob(&two_histories(&lane, &one, story.net.now().await?)?);
    story.measure(&story.cast.delegate.clone(), &ExecuteMsg::ProveConflict { proof }).await?;
    let marks = QueryMsg::Marks { lane: convert::hex(&lane.id().0) };
    let marks: MarksResponse = story.summary(&marks).await?;
    ensure!(marks.conflict.is_some_and(|mark| mark.index == DOUBLE), "no mark of two histories");
    Ok(())
}

/// The anchored history, and another that the author's operator signed.
fn two_histories(lane: &Lane, author: &Institution, time: u64) -> Result<ConflictProof> {
    let mut other = lane.clone();
    *other.leaves.get_mut(DOUBLE as usize).context("a lane without that entry")? = [7; 32];
    let signature = author.key.sign(&other.head(lane.anchored).operator_digest(&lane.id(), time));
    let given = HeadGiven::Account { time, key: author.key.public().0, sig: signature };
    let sides = [side(lane, HeadGiven::Anchored)?, side(&other, given)?];
    let proof = ConflictProof { version: V1, lane: lane.id(), index: DOUBLE, sides };
    proof.check()?;
    Ok(proof)
}

fn side(lane: &Lane, given: HeadGiven) -> Result<ConflictSide> {
    let head = lane.head(lane.anchored);
    let subtree = |NodeId { level, index }: NodeId| {
        let start = (index as usize) << level;
        lane.leaves.get(start..start + (1 << level)).map(merkle::root)
    };
    let path = ProofPlan::inclusion(DOUBLE, head.size)?.assemble(subtree).context("a leaf is missing")?;
    Ok(ConflictSide { size: head.size, root: head.root, leaf: lane.leaves[DOUBLE as usize], path, given })
}

async fn closed(story: &mut Story<'_>) -> Result<()> {
    let ada = story.cast.case("ada");
    let one = story.cast.one.clone();
    let mut lane = Lane::content(&ada.id(), &one, "second");
    lane.append(3);
    let message = ExecuteMsg::close(&anchors(vec![lane.anchor()]));
    let included = story.measure(&one.key, &message).await?;
    let done = |event: &Event| matches!(event, Event::LaneClosed { lane: id, .. } if *id == lane.id());
    ensure!(story.events(&included)?.iter().any(done), "the lane was not closed");
    Ok(())
}

async fn device(story: &mut Story<'_>) -> Result<()> {
    let ada = story.cast.case("ada");
    let one = story.cast.one.clone();
    let device = SigningKey::from([5; 32]);
    let mut lane = Lane::content(&ada.id(), &one, "of a device");
    lane.header.signer = Some(VerificationKeyBytes::from(&device).into());
    lane.header.minimum = DEVICE_MINIMUM;
    story.measure_as("a device lane", &one.key, &ExecuteMsg::open(&[lane.header.clone()])).await?;
    lane.append(3);
    let time = story.net.now().await?;
    let item = lane.anchor();
    let sig = device.sign(&item.head().message(&lane.id(), time)).to_bytes();
    let item = AnchorItem { device: Some(DeviceSignature { time, sig }), ..item };
    let message = ExecuteMsg::anchor(&anchors(vec![item]));
    let included = story.measure_as("1 device lane, first head", &one.key, &message).await?;
    ensure!(!story.events(&included)?.is_empty(), "the device's head was not anchored");
    let lane = convert::hex(&lane.id().0);
    story.measure(&one.key, &ExecuteMsg::Compromised { lane, index: 1 }).await.map(drop)
}
