//! Step 7: A's agent is killed with signal 9 while records arrive, again and again. Whatever it
//! acknowledged is there, once.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use casewise_ledger::sha256;
use serde_json::Value;

use crate::{steps::ingest, world::World};

/// Senders at work at the same time.
const SENDERS: usize = 12;
/// Requests in flight at the moment of each kill, at least.
const IN_FLIGHT: usize = 8;
/// How long everything acknowledged may take to be anchored.
const ANCHORED_WITHIN: Duration = Duration::from_secs(120);

/// What one acknowledged record was, by its place.
type Acknowledged = BTreeMap<(String, u64), [u8; 32]>;

struct Shared {
    url: String,
    token: String,
    in_flight: AtomicUsize,
    stop: AtomicBool,
    acknowledged: Mutex<Acknowledged>,
    contradictions: Mutex<Vec<String>>,
}

/// Runs the step.
pub async fn run(world: &mut World, kills: u32) -> Result<()> {
    let patient_case = world.patient()?.case()?;
    let a = &mut world.hospitals[0];
    let shared = Arc::new(Shared {
        url: a.private_url(&format!("/v1/entries?case={patient_case}")),
        token: a.token.clone(),
        in_flight: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
        acknowledged: Mutex::default(),
        contradictions: Mutex::default(),
    });
    let senders: Vec<_> = (0..SENDERS).map(|i| tokio::spawn(send(shared.clone(), i))).collect();
    for _ in 0..kills {
        wait_for(|| shared.in_flight.load(Ordering::SeqCst) >= IN_FLIGHT).await;
        // A random moment of the next 300 ms, and again enough requests in flight.
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..300))).await;
        wait_for(|| shared.in_flight.load(Ordering::SeqCst) >= IN_FLIGHT).await;
        a.kill().await?;
        a.start_unready()?;
        a.wait_ready().await?;
    }
    shared.stop.store(true, Ordering::SeqCst);
    for sender in senders {
        sender.await?;
    }
    let acknowledged = std::mem::take(&mut *shared.acknowledged.lock().expect("no sender panicked"));
    let contradictions = shared.contradictions.lock().expect("no sender panicked").join("; ");
    ensure!(contradictions.is_empty(), "two acknowledgements contradict each other: {contradictions}");
    println!(
        "   {kills} kills with at least {IN_FLIGHT} requests in flight; {} records acknowledged",
        acknowledged.len()
    );
    ingest::anchored(&world.hospitals[0], ANCHORED_WITHIN).await?;
    compare(world, &acknowledged).await?;
    world.facts.records += acknowledged.len() as u64;
    count(world).await
}

/// What the chain holds now, for the last table.
async fn count(world: &mut World) -> Result<()> {
    let chain = world.patient()?.says(&["case", "chain"]).await?;
    let mut sizes = BTreeMap::new();
    for head in chain.as_array().into_iter().flatten().filter_map(|block| block["heads"].as_array()).flatten()
    {
        sizes.insert(head["lane"].to_string(), head["size"].as_u64().unwrap_or(0));
    }
    world.facts.anchored = sizes.values().sum();
    (world.facts.transactions, world.facts.gas) = world.network.totals().await?;
    Ok(())
}

async fn wait_for(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Sends one record after another; each again and again until it is acknowledged.
async fn send(shared: Arc<Shared>, sender: usize) {
    let client = reqwest::Client::new();
    let mut number = 0;
    while !shared.stop.load(Ordering::SeqCst) {
        let content = format!("record {number} of sender {sender}: {:032x}", rand::random::<u128>());
        let key = format!("kill-{sender}-{number}-{:016x}", rand::random::<u64>());
        while !deliver(&client, &shared, &key, &content).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        number += 1;
    }
}

/// One attempt. True when the record was acknowledged.
async fn deliver(client: &reqwest::Client, shared: &Shared, key: &str, content: &str) -> bool {
    shared.in_flight.fetch_add(1, Ordering::SeqCst);
    let answer = client
        .post(&shared.url)
        .bearer_auth(&shared.token)
        .header("idempotency-key", key)
        .header("content-type", "text/plain")
        .body(content.to_string())
        .send()
        .await;
    shared.in_flight.fetch_sub(1, Ordering::SeqCst);
    let Ok(answer) = answer else { return false };
    if !answer.status().is_success() {
        return false;
    }
    let Ok(body) = answer.json::<Value>().await else { return false };
    let place = place(&body);
    let digest = sha256(&[content.as_bytes()]);
    let before = shared.acknowledged.lock().expect("no sender panicked").insert(place.clone(), digest);
    if before.is_some_and(|other| other != digest) {
        shared.contradictions.lock().expect("no sender panicked").push(format!("{place:?}"));
    }
    true
}

fn place(entry: &Value) -> (String, u64) {
    (entry["lane"].as_str().unwrap_or_default().to_string(), entry["index"].as_u64().unwrap_or(u64::MAX))
}

/// The senders' own list against what the patient can open.
async fn compare(world: &World, acknowledged: &Acknowledged) -> Result<()> {
    let opened = world.patient()?.says(&["record", "list", "--open"]).await?;
    let mut found: Acknowledged = BTreeMap::new();
    let mut contents: BTreeMap<[u8; 32], u32> = BTreeMap::new();
    for record in opened.as_array().into_iter().flatten() {
        let digest = record["content"]["sha256"].as_str().unwrap_or_default();
        let digest: [u8; 32] = hex::decode(digest)?.try_into().unwrap_or_default();
        let place = place(record);
        ensure!(found.insert(place.clone(), digest).is_none(), "{place:?} was opened twice");
        *contents.entry(digest).or_default() += 1;
    }
    for (place, digest) in acknowledged {
        ensure!(
            found.get(place) == Some(digest),
            "{place:?} was acknowledged and the patient cannot open it"
        );
        ensure!(contents[digest] == 1, "the record at {place:?} is anchored {} times", contents[digest]);
    }
    println!("   the patient opens every one of them; none is missing, none is there twice");
    Ok(())
}
