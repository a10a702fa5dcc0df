//! Hospital systems that send records, each again and again until it is acknowledged, and keep a list
//! of their own of what was.

use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use casewise_api::body::{EntryAccepted, SignedHead};
use casewise_ledger::{CaseId, Hash, LaneId, sha256};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use tokio::{task::JoinHandle, time::Instant};

use super::agent::Agent;

/// Systems that send at the same time.
pub const SENDERS: usize = 12;
/// How long one record may take to be acknowledged, through any number of kills.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(240);
/// Pause before a record is sent again.
const AGAIN: Duration = Duration::from_millis(15);
/// Longest silence of a living agent.
const SILENCE: Duration = Duration::from_secs(60);
/// Bytes above which the agent takes a record in through its spool, and a little more.
const SPOOLED: usize = (8 << 20) + 70_000;

/// A record that was acknowledged.
#[derive(Clone, Debug)]
pub struct Acknowledged {
    /// The client's key.
    pub key: String,
    /// The case.
    pub case: CaseId,
    /// Media type sent.
    pub media_type: &'static str,
    /// What was sent, and its hash.
    pub content: Arc<Vec<u8>>,
    /// Hash of the content.
    pub sha256: Hash,
    /// Where it stands.
    pub lane: LaneId,
    /// Where it stands.
    pub index: u32,
    /// Its leaf, as acknowledged.
    pub leaf: Hash,
    /// How often the agent had been started when the request was sent.
    pub sent: u32,
    /// How often the agent had been started when the answer was there.
    pub answered: u32,
}

/// A request the way a client keeps it until it is acknowledged.
#[derive(Clone)]
struct Pending {
    key: String,
    case: CaseId,
    media_type: &'static str,
    content: Arc<Vec<u8>>,
}

struct Shared {
    url: String,
    token: String,
    in_flight: AtomicUsize,
    starts: AtomicU32,
    stop: AtomicBool,
    cut_off: AtomicUsize,
    repeated: AtomicUsize,
    acknowledged: Mutex<Vec<Acknowledged>>,
    heads: Mutex<Vec<SignedHead>>,
    faults: Mutex<Vec<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no sender panicked")
}

/// Senders at work.
pub struct Load {
    shared: Arc<Shared>,
    senders: Vec<JoinHandle<()>>,
}

/// What came of it.
#[derive(Default)]
pub struct Outcome {
    /// Everything acknowledged.
    pub acknowledged: Vec<Acknowledged>,
    /// Every head that came with an acknowledgement or its repetition.
    pub heads: Vec<SignedHead>,
    /// Requests that a kill cut off.
    pub cut_off: usize,
    /// Acknowledgements asked for a second time, and answered alike.
    pub repeated: usize,
}

impl Load {
    /// Starts the senders. `starts`: how often the agent was started so far.
    pub fn start(agent: &Agent, cases: &[CaseId], seed: u64, starts: u32) -> Self {
        let shared = Arc::new(Shared {
            url: agent.url("/v1/entries"),
            token: agent.token.clone(),
            in_flight: AtomicUsize::new(0),
            starts: AtomicU32::new(starts),
            stop: AtomicBool::new(false),
            cut_off: AtomicUsize::new(0),
            repeated: AtomicUsize::new(0),
            acknowledged: Mutex::default(),
            heads: Mutex::default(),
            faults: Mutex::default(),
        });
        let sender = |i: usize| {
            let rng = StdRng::seed_from_u64(seed.wrapping_mul(1000).wrapping_add(i as u64));
            tokio::spawn(send(shared.clone(), cases.to_vec(), i, rng))
        };
        let senders = (0..SENDERS).map(sender).collect();
        Self { shared, senders }
    }

    /// Requests sent and not answered.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::SeqCst)
    }

    /// Records acknowledged so far.
    pub fn count(&self) -> usize {
        lock(&self.shared.acknowledged).len()
    }

    /// To be called before the agent is started again, with the number of that start.
    pub fn restarting(&self, starts: u32) {
        self.shared.starts.store(starts, Ordering::SeqCst);
    }

    /// Panics if an answer was no acknowledgement and no passing refusal.
    pub fn check(&self) {
        let faults = lock(&self.shared.faults);
        assert!(faults.is_empty(), "wrong answers: {}", faults.join("\n"));
    }

    /// Waits until at least `count` requests are in flight at once, and returns how many are.
    pub async fn wait_in_flight(&self, count: usize) -> usize {
        let deadline = Instant::now() + SILENCE;
        loop {
            let now = self.in_flight();
            if now >= count {
                return now;
            }
            self.check();
            assert!(Instant::now() < deadline, "never {count} requests in flight");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Lets each sender get its last record acknowledged, and returns the list.
    pub async fn stop(self) -> Outcome {
        self.shared.stop.store(true, Ordering::SeqCst);
        for sender in self.senders {
            sender.await.expect("a sender");
        }
        let faults = std::mem::take(&mut *lock(&self.shared.faults));
        assert!(faults.is_empty(), "wrong answers: {}", faults.join("\n"));
        Outcome {
            acknowledged: std::mem::take(&mut *lock(&self.shared.acknowledged)),
            heads: std::mem::take(&mut *lock(&self.shared.heads)),
            cut_off: self.shared.cut_off.load(Ordering::SeqCst),
            repeated: self.shared.repeated.load(Ordering::SeqCst),
        }
    }
}

/// Sends these records once more under their old keys. Returns what is acknowledged now.
pub async fn send_again(agent: &Agent, records: &[Acknowledged], starts: u32) -> Outcome {
    let load = Load::start(agent, &[], 0, starts);
    let client = reqwest::Client::new();
    for record in records {
        let Acknowledged { key, case, media_type, content, .. } = record.clone();
        let pending = Pending { key, case, media_type, content };
        deliver_in_time(&client, &load.shared, &pending).await;
    }
    load.stop().await
}

/// Asks again for what was acknowledged. Panics unless the answer is the same place and leaf.
pub async fn ask_again(agent: &Agent, records: &[Acknowledged]) -> Vec<SignedHead> {
    let outcome = send_again(agent, records, 0).await;
    for (before, now) in records.iter().zip(&outcome.acknowledged) {
        assert_eq!(
            (now.lane, now.index, now.leaf),
            (before.lane, before.index, before.leaf),
            "{}",
            before.key
        );
    }
    outcome.heads
}

async fn send(shared: Arc<Shared>, cases: Vec<CaseId>, sender: usize, mut rng: StdRng) {
    if cases.is_empty() {
        return;
    }
    let client = reqwest::Client::new();
    let mut number = 0;
    while !shared.stop.load(Ordering::SeqCst) {
        let pending = record(&cases, sender, number, &mut rng);
        if !deliver_in_time(&client, &shared, &pending).await {
            return;
        }
        if rng.random_bool(0.05) {
            shared.repeated.fetch_add(1, Ordering::SeqCst);
            deliver_in_time(&client, &shared, &pending).await;
        }
        number += 1;
    }
}

/// A record of a size that hospitals have: most small, some an image, few above what is held in memory.
fn record(cases: &[CaseId], sender: usize, number: u32, rng: &mut StdRng) -> Pending {
    let (media_type, length) = match rng.random_range(0..1000) {
        0 if rng.random_bool(0.5) => ("application/dicom", SPOOLED),
        0..15 => ("application/dicom", rng.random_range(100_000..300_000)),
        15..200 => ("application/octet-stream", rng.random_range(1_000..10_000)),
        _ => ("text/plain", rng.random_range(1..1_000)),
    };
    let mut content =
        format!("record {number} of sender {sender}: {:032x} ", rng.random::<u128>()).into_bytes();
    let start = content.len();
    content.resize(start + length, b'.');
    rng.fill_bytes(&mut content[start..]);
    let key = format!("{sender}-{number}-{:016x}", rng.random::<u64>());
    // Most of it in the first case: many entries of one lane at the same moment.
    let case = cases[if rng.random_bool(0.8) { 0 } else { rng.random_range(0..cases.len()) }];
    Pending { key, case, media_type, content: Arc::new(content) }
}

/// Sends until acknowledged. False after an answer that must not be, which is noted.
async fn deliver_in_time(client: &reqwest::Client, shared: &Shared, pending: &Pending) -> bool {
    let deadline = Instant::now() + ACKNOWLEDGED_WITHIN;
    loop {
        match deliver(client, shared, pending).await {
            Ok(true) => return true,
            Ok(false) if Instant::now() < deadline => tokio::time::sleep(AGAIN).await,
            Ok(false) => {
                lock(&shared.faults).push(format!("{} was not acknowledged in time", pending.key));
                return false;
            }
            Err(fault) => {
                lock(&shared.faults).push(format!("{}: {fault}", pending.key));
                return false;
            }
        }
    }
}

/// One attempt. `Ok(true)`: acknowledged. `Ok(false)`: nobody there, or not now.
async fn deliver(client: &reqwest::Client, shared: &Shared, pending: &Pending) -> Result<bool, String> {
    let sent = shared.starts.load(Ordering::SeqCst);
    let request = client
        .post(format!("{}?case={}", shared.url, pending.case))
        .bearer_auth(&shared.token)
        .header("idempotency-key", &pending.key)
        .header("content-type", pending.media_type)
        .timeout(SILENCE)
        .body(pending.content.as_ref().clone());
    shared.in_flight.fetch_add(1, Ordering::SeqCst);
    let answer = read(request).await;
    shared.in_flight.fetch_sub(1, Ordering::SeqCst);
    let answered = shared.starts.load(Ordering::SeqCst);
    let (status, body) = match answer {
        Ok(answer) => answer,
        Err(error) => {
            if !error.is_connect() {
                shared.cut_off.fetch_add(1, Ordering::SeqCst);
            }
            return if error.is_timeout() { Err(error.to_string()) } else { Ok(false) };
        }
    };
    match status {
        503 => Ok(false),
        200 | 201 => take(shared, pending, status, &body, (sent, answered)).map(|()| true),
        _ => Err(format!("answered {status}: {}", String::from_utf8_lossy(&body))),
    }
}

async fn read(request: reqwest::RequestBuilder) -> reqwest::Result<(u16, Vec<u8>)> {
    let answer = request.send().await?;
    let status = answer.status().as_u16();
    Ok((status, answer.bytes().await?.to_vec()))
}

/// Notes an acknowledgement; a repeated one must say the same.
fn take(
    shared: &Shared,
    pending: &Pending,
    status: u16,
    body: &[u8],
    (sent, answered): (u32, u32),
) -> Result<(), String> {
    let accepted: EntryAccepted = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let EntryAccepted { case, lane, index, leaf, head, .. } = accepted;
    if case != pending.case || head.lane != lane || head.size <= index {
        return Err(format!("an acknowledgement that does not fit: {}", String::from_utf8_lossy(body)));
    }
    head.verify().map_err(|error| error.to_string())?;
    lock(&shared.heads).push(head);
    let mut list = lock(&shared.acknowledged);
    if let Some(before) = list.iter().rfind(|before| before.key == pending.key) {
        let same = status == 200 && (before.lane, before.index, before.leaf) == (lane, index, leaf.0);
        return if same {
            Ok(())
        } else {
            Err("a repetition is answered otherwise than the first time".into())
        };
    }
    list.push(Acknowledged {
        key: pending.key.clone(),
        case,
        media_type: pending.media_type,
        sha256: sha256(&[&pending.content]),
        content: pending.content.clone(),
        lane,
        index,
        leaf: leaf.0,
        sent,
        answered,
    });
    Ok(())
}
