//! Step 5: the patient revokes B. A plain client with B's own keys reads until the revocation and
//! is refused from then on, while C still reads.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use casewise_chain::ChainExt;
use casewise_ledger::{
    Commitment, LaneId,
    records::{self, GrantRecord, GrantStatus, ns},
    sha256,
};
use tokio::time::Instant;

use crate::{
    http::{self, Caller},
    steps::{ingest, share},
    world::World,
};

/// How long B may take to be refused, and A to acknowledge.
const WITHIN: Duration = Duration::from_secs(30);

/// A read that was answered with the bytes.
struct Read {
    /// Height of the node just before the last request was sent.
    node: u64,
    /// Height of A's decision.
    decided: u64,
}

/// Runs the step.
pub async fn run(world: &mut World) -> Result<()> {
    refused(world).await?;
    rotated(world).await?;
    goes_on(world).await
}

/// B reads until the revocation and never after it; C goes on reading.
async fn refused(world: &World) -> Result<()> {
    let shared = world.shared.clone().context("step 4 left no grants")?;
    let net = world.network.manifest()?.net();
    let a = world.hospitals[0].public;
    let b = Caller::new(world.hospitals[1].operator_key()?, net, a);
    let c = Caller::new(world.hospitals[2].operator_key()?, net, a);
    let before = read(world, &b, shared.b, shared.lane, shared.index).await?;
    ensure!(before.is_ok(), "B was refused before the revocation: {}", before.err().unwrap_or_default());
    println!("   B's keys, a plain HTTP client, fresh signatures: 200");

    let mut reads = Vec::new();
    let patient = world.patient()?;
    let commitment = shared.b.to_string();
    let words = ["revoke", commitment.as_str()];
    let revoking = patient.says(&words);
    tokio::pin!(revoking);
    let deadline = Instant::now() + WITHIN;
    let mut revoked = false;
    let refusal = loop {
        tokio::select! {
            biased;
            answer = &mut revoking, if !revoked => {
                answer?;
                revoked = true;
            }
            answer = read(world, &b, shared.b, shared.lane, shared.index) => match answer? {
                Ok(read) => reads.push(read),
                Err(refusal) => break refusal,
            }
        }
        if Instant::now() > deadline {
            bail!("B still reads {} s after the revocation was sent", WITHIN.as_secs());
        }
    };
    if !revoked {
        revoking.await?;
    }
    let height = revocation_height(world, shared.b).await?;
    println!("   revoked in block {height}; B is refused: {refusal}");
    for read in &reads {
        ensure!(read.decided < height, "a read of B was decided at {}, not before {height}", read.decided);
        ensure!(read.node <= height + 1, "a read of B was sent at height {}", read.node);
    }
    println!("   {} reads of B before it, each decided below {height}", reads.len());

    let now = world.network.height().await?;
    let again = read(world, &b, shared.b, shared.lane, shared.index).await?;
    ensure!(again.is_err(), "B reads again");
    let other = read(world, &c, shared.c, shared.lane, shared.index).await?;
    let other = other.map_err(|refusal| anyhow::anyhow!("C was refused: {refusal}"))?;
    println!("   at height {now} B is refused and C still gets 200 (decided at {})", other.decided);
    Ok(())
}

/// One read of B or C: the facts of a 200, or the refusal.
async fn read(
    world: &World,
    caller: &Caller,
    grant: Commitment,
    lane: LaneId,
    index: u32,
) -> Result<Result<Read, String>> {
    let node = world.network.height().await?;
    let answer = caller.read_granted(grant, lane, index).await?;
    if answer.status != 200 {
        return Ok(Err(http::problem(&answer)));
    }
    let decided = answer.decided_at.context("a 200 names no decision height")?;
    Ok(Ok(Read { node, decided }))
}

/// The first height at which the grant is revoked.
async fn revocation_height(world: &World, grant: Commitment) -> Result<u64> {
    let client = world.network.client()?;
    let ppr = world.network.manifest()?.contracts.ppr;
    let mut height = world.network.height().await?;
    let revoked = async |at: u64| -> Result<bool> {
        let record: Option<GrantRecord> = client.record(&ppr, ns::GRANT, &grant.0, Some(at)).await?;
        Ok(record.context("the grant is not on chain")?.status == GrantStatus::Revoked)
    };
    ensure!(revoked(height).await?, "the grant is not revoked on chain");
    while revoked(height - 1).await? {
        height -= 1;
    }
    Ok(height)
}

/// A has rotated its open content lanes, given C the new keys, and acknowledged on chain.
async fn rotated(world: &World) -> Result<()> {
    let patient = world.patient()?;
    let deadline = Instant::now() + WITHIN;
    loop {
        let status = patient.says(&["share", "status"]).await?;
        let overdue =
            status["acks"].as_array().into_iter().flatten().any(|ack| ack["acked"] != status["rev"]);
        if !overdue && status["acks"].as_array().is_some_and(|acks| !acks.is_empty()) {
            println!("   A has acknowledged revision {} on chain", status["rev"]);
            break;
        }
        if Instant::now() > deadline {
            bail!("A has not acknowledged: {status}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let id = world.patient()?.case.context("no case")?;
    let client = world.network.client()?;
    let summary = world.network.manifest()?.contracts.summary;
    let shared = world.shared.as_ref().context("step 4 left no grants")?;
    let old: records::LaneRecord =
        client.record(&summary, ns::LANE, &shared.lane.0, None).await?.context("the lane is not on chain")?;
    ensure!(old.case == id && old.status == records::LaneStatus::Closed, "A goes on writing the old lane");
    Ok(())
}

/// What A writes now is in a lane under a fresh root, and C, whose grant follows, has its keys.
async fn goes_on(world: &mut World) -> Result<()> {
    let (a, c) = (&world.hospitals[0], &world.hospitals[2]);
    let case = world.patient()?.case()?;
    let old = world.shared.as_ref().context("step 4 left no grants")?.lane;
    let contents = ["the first record after the revocation", "the second record after the revocation"];
    let mut successor = old;
    for content in contents {
        (successor, _) = ingest::post(a, &case, content).await?;
        ensure!(successor != old, "A goes on writing the old lane");
        ingest::anchored(a, WITHIN).await?;
    }
    println!("   A goes on in a lane under a fresh root");
    let digest = hex::encode(sha256(&[contents[0].as_bytes()]));
    share::doctor_reads(c, &format!("/v1/shared/{case}/entries/{successor}/0"), &digest).await?;
    println!("   a doctor at C reads there: A has given C the new keys");
    world.patient()?.says(&["case", "accept"]).await?;
    world.shared.as_mut().context("step 4 left no grants")?.successor = Some(successor);
    Ok(())
}
