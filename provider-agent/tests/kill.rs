//! The riskiest promise: an agent that is killed at any moment loses nothing it acknowledged and
//! anchors nothing twice, and one that is started on an older copy of its data never writes an existing
//! lane again, so that no honest restore ever yields two heads that conflict.
//!
//! The real program, a real wasmd, signal 9. `CASEWISE_KILLS` says how often (default 20),
//! `CASEWISE_SEED` repeats a run's choices; `scripts/kill` runs it 200 times.
#![allow(clippy::disallowed_methods)] // tests start tasks and wait

mod harness;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    time::Duration,
};

use casewise_api::body::{EntryRange, RestoreReport};
use casewise_ledger::{
    CaseId, LaneId,
    records::{LaneRecord, LaneStatus},
};
use harness::{
    agent::Agent,
    files,
    load::{Acknowledged, Load, ask_again, send_again},
    network::Net,
    number,
    patient::{Lane, Patient},
    truth::Truth,
    wait_for,
};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use tokio::time::{Instant, sleep};

/// Kills of a run unless it says otherwise.
const KILLS: u64 = 20;
/// Requests in flight at each kill, at least.
const IN_FLIGHT: usize = 8;
/// Patients: most records go to the first.
const PATIENTS: usize = 2;
/// How long everything acknowledged may take to be on chain.
const ANCHORED_WITHIN: Duration = Duration::from_secs(120);
/// How long a restored agent may take to go on: transactions of the lost time have to die first.
const RESTORED_WITHIN: Duration = Duration::from_secs(180);
/// Acknowledgements asked for again after all kills.
const ASKED_AGAIN: usize = 30;

/// A copy of an agent's files, taken while it was dead.
struct Copy {
    data: PathBuf,
    epoch: Vec<u8>,
    /// How often the agent had been started.
    starts: u32,
    /// Entries it holds, by lane.
    held: BTreeMap<LaneId, u32>,
}

/// What becomes of the epoch file when a copy of the data is put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EpochFile {
    /// It stays as it is: newer than the data.
    Stays,
    /// The old bytes in the same place, as an image of the whole machine would have it.
    Image,
    /// A copy of the old file.
    Copied,
    /// It is lost; the operator says so.
    Lost,
}

/// An agent, its patients, and all that is known about them.
struct World {
    net: Net,
    agent: Agent,
    patients: Vec<Patient>,
    truth: Truth,
    rng: StdRng,
    starts: u32,
    copies: Vec<Copy>,
    restores: u32,
}

impl World {
    async fn begin(seed: u64) -> Self {
        let net = Net::open();
        let agent = Agent::found(&net).await;
        let mut patients = Vec::new();
        for _ in 0..PATIENTS {
            let patient = Patient::new(&net, agent.number);
            agent.open(&net, &patient.offer).await;
            patients.push(patient);
        }
        let cases: Vec<CaseId> = patients.iter().map(Patient::case).collect();
        let truth = Truth::new(&agent, &cases);
        let rng = StdRng::seed_from_u64(seed);
        Self { net, agent, patients, truth, rng, starts: 0, copies: Vec::new(), restores: 0 }
    }

    fn load(&mut self) -> Load {
        Load::start(&self.agent, &self.truth.cases, self.rng.random(), self.starts)
    }

    fn launch(&mut self, load: &Load) {
        self.starts += 1;
        load.restarting(self.starts);
        self.agent.launch();
    }

    async fn pause(&mut self, most_ms: u64) {
        sleep(Duration::from_millis(self.rng.random_range(0..most_ms))).await;
    }

    /// Kills the agent at random moments with enough requests in flight, each time starting it again;
    /// copies its files at about half of them. Sometimes it is killed once more while it starts.
    async fn kill_often(&mut self, load: &Load, kills: u64) {
        for kill in 1..=kills {
            let in_flight = self.kill_in_flight(load).await;
            let last = kill == kills && self.copies.is_empty();
            if self.rng.random_bool(0.5) || last {
                self.copy().await;
            }
            let began = Instant::now();
            self.launch(load);
            if self.rng.random_bool(0.2) {
                self.pause(600).await;
                self.agent.kill().await;
                self.launch(load);
            }
            self.agent.wait_ready().await;
            println!(
                "kill {kill} of {kills}: {in_flight} requests in flight, {} acknowledged, ready again after {} ms",
                load.count(),
                began.elapsed().as_millis()
            );
        }
    }

    /// Kills the agent at a random moment at which enough requests are in flight. Returns how many.
    async fn kill_in_flight(&mut self, load: &Load) -> usize {
        let before = load.count();
        wait_for("an acknowledgement", Duration::from_secs(90), async || {
            (load.count() > before).then_some(())
        })
        .await;
        if self.rng.random_bool(0.3) {
            // The kill may hit while the key of all keys is replaced.
            let replace = self.agent.request("POST", "/v1/epoch");
            tokio::spawn(async move { replace.send().await.map(|answer| answer.status()) });
        }
        // Mostly at once, sometimes late enough for the largest records and for blocks.
        let most = if self.rng.random_bool(0.25) { 3_000 } else { 400 };
        self.pause(most).await;
        let in_flight = load.wait_in_flight(IN_FLIGHT).await;
        self.agent.kill().await;
        load.check();
        in_flight
    }

    async fn copy(&mut self) {
        let data = self.agent.back_up(&format!("copy-{}", self.starts));
        let epoch = fs::read(self.agent.epoch()).expect("the epoch file");
        let held = self.held().await;
        self.copies.push(Copy { data, epoch, starts: self.starts, held });
    }

    /// Entries that the dead agent's database holds, by lane.
    async fn held(&self) -> BTreeMap<LaneId, u32> {
        let leaves = files::leaves(&self.agent.data(), &self.truth.cases).await;
        leaves.into_iter().map(|(lane, leaves)| (lane, leaves.len() as u32)).collect()
    }

    /// Every lane of the cases, on chain.
    async fn on_chain(&self) -> BTreeMap<LaneId, LaneRecord> {
        let mut lanes = BTreeMap::new();
        for case in &self.truth.cases {
            lanes.extend(self.net.lanes(case).await);
        }
        lanes
    }

    /// Waits until the agent has nothing to post and everything acknowledged is anchored.
    async fn anchored(&self) {
        self.agent.settled(ANCHORED_WITHIN).await;
        let on_chain = self.on_chain().await;
        for record in &self.truth.acknowledged {
            let size = on_chain.get(&record.lane).map_or(0, |lane| lane.size);
            assert!(
                record.index < size,
                "{} at {}:{} is not anchored",
                record.key,
                record.lane,
                record.index
            );
        }
    }

    /// The patients open everything, with their own keys, and compare it with the list of
    /// acknowledgements. Then the agent is killed, its database read, and every head there ever was
    /// checked against the entries there ever were.
    async fn audit(&mut self) -> BTreeMap<LaneId, Lane> {
        let began = Instant::now();
        let mut all = BTreeMap::new();
        for patient in &mut self.patients {
            let lanes = patient.read(&self.net, &self.agent, &self.truth.leaves).await;
            self.truth.compare(&patient.case(), &lanes);
            all.extend(lanes);
        }
        for head in all.values().flat_map(|lane| &lane.heads) {
            self.truth.add_signed(head);
        }
        self.agent.kill().await;
        self.truth.learn(&self.agent.data()).await;
        self.agent.verify().await;
        self.truth.check_leaves();
        let heads = self.truth.check_heads(&self.net).await;
        println!(
            "the patients opened {} entries in {} lanes, {} heads are of one history, in {} ms",
            all.values().map(|lane| lane.entries.len()).sum::<usize>(),
            all.len(),
            heads,
            began.elapsed().as_millis()
        );
        all
    }

    async fn restart(&mut self) {
        self.starts += 1;
        self.agent.start().await;
    }

    /// A few acknowledgements, early ones and late ones, are asked for again.
    async fn ask_again(&mut self) {
        let some: Vec<Acknowledged> =
            self.truth.acknowledged.sample(&mut self.rng, ASKED_AGAIN).cloned().collect();
        for head in ask_again(&self.agent, &some).await {
            self.truth.add_signed(&head);
        }
    }

    /// Puts a copy back in the place of a dead agent's files, and starts it. With `kills`, it is killed
    /// that often while it finds its way.
    async fn restore(&mut self, copy: usize, epoch: EpochFile, load: &Load, kills: u32) -> Restored {
        self.truth.learn(&self.agent.data()).await;
        self.restores += 1;
        let Copy { data, epoch: bytes, starts, held } = &self.copies[copy];
        self.agent.put_back(data, &format!("lost-{}", self.restores));
        match epoch {
            EpochFile::Stays => {}
            EpochFile::Image => fs::write(self.agent.epoch(), bytes).expect("the epoch file's bytes"),
            EpochFile::Copied => {
                fs::remove_file(self.agent.epoch()).expect("removed");
                let mut options = fs::File::options();
                let mut file =
                    options.write(true).create_new(true).mode(0o600).open(self.agent.epoch()).expect("new");
                std::io::Write::write_all(&mut file, bytes).expect("written");
            }
            EpochFile::Lost => {
                fs::remove_file(self.agent.epoch()).expect("removed");
                self.agent.init(&["--restored"]).await;
            }
        }
        let (copied, held) = (*starts, held.clone());
        let before = self.on_chain().await;
        let began = Instant::now();
        self.launch(load);
        for kill in 0..kills {
            self.pause(2_000).await;
            self.agent.kill().await;
            if kill == 1 {
                self.agent.put_back(&self.copies[copy].data, &format!("lost-{}-again", self.restores));
            }
            self.launch(load);
        }
        let report = wait_for("the restored lanes' successors", RESTORED_WITHIN, async || {
            assert_eq!(self.agent.ended(), None, "{}", self.agent.tail());
            let report = self.agent.status().await?.restore;
            let after = self.on_chain().await;
            let closed = before.keys().all(|lane| after[lane].status == LaneStatus::Closed);
            (report.restored && closed).then_some(report)
        })
        .await;
        println!(
            "restored to the copy of start {copied} ({epoch:?}, {kills} kills on the way) after {} ms",
            began.elapsed().as_millis()
        );
        Restored { before, copied, held, at: self.starts, first_report: report }
    }
}

/// A restore that is through.
struct Restored {
    /// The lanes on chain when the copy was put back.
    before: BTreeMap<LaneId, LaneRecord>,
    /// How often the agent had been started when the copy was taken.
    copied: u32,
    /// Entries the copy holds, by lane.
    held: BTreeMap<LaneId, u32>,
    /// Number of the start on the copy.
    at: u32,
    first_report: RestoreReport,
}

impl Restored {
    /// Sorts the acknowledgements: kept, missing (anchored, and gone), lost (never anchored).
    fn sort(
        &self,
        world: &World,
        on_chain: &BTreeMap<LaneId, LaneRecord>,
    ) -> (Vec<Acknowledged>, [Vec<Acknowledged>; 2]) {
        let (mut kept, mut missing, mut lost) = (Vec::new(), Vec::new(), Vec::new());
        for record in &world.truth.acknowledged {
            let old = self.before.contains_key(&record.lane);
            let held = record.index < self.held.get(&record.lane).copied().unwrap_or(0);
            if record.answered <= self.copied {
                assert!(held, "{} was acknowledged before the copy and is not in it", record.key);
            }
            if record.sent >= self.at {
                assert!(
                    !old || held,
                    "{} was written to lane {}, which was given up",
                    record.key,
                    record.lane
                );
            }
            let list = match old && !held {
                false => &mut kept,
                true if record.index < on_chain[&record.lane].size => &mut missing,
                true => &mut lost,
            };
            list.push(record.clone());
        }
        (kept, [missing, lost])
    }

    /// The lanes that were given up are as the copy and the chain together allow.
    fn check_old_lanes(&self, world: &World, on_chain: &BTreeMap<LaneId, LaneRecord>) {
        for (lane, before) in &self.before {
            let (now, held) = (&on_chain[lane], self.held.get(lane).copied().unwrap_or(0));
            assert_eq!(now.status, LaneStatus::Closed, "lane {lane} is still open");
            assert!(now.size >= before.size.max(held), "lane {lane} was closed at {} entries", now.size);
            let known = world.truth.leaves.get(lane).map_or(0, Vec::len);
            assert!(now.size as usize <= known, "lane {lane} was written after the restore");
            if before.status == LaneStatus::Closed {
                assert_eq!(now.size, before.size, "a closed lane grew");
            }
        }
    }

    /// The agent names what it gave up, what goes on from it, and exactly what it misses.
    fn check_report(
        &self,
        report: &RestoreReport,
        lanes: &BTreeMap<LaneId, Lane>,
        held: &BTreeMap<LaneId, u32>,
    ) {
        assert!(report.restored);
        let named: BTreeMap<LaneId, Option<LaneId>> =
            report.closed.iter().map(|closed| (closed.lane, closed.successor)).collect();
        assert_eq!(named.len(), report.closed.len(), "a lane is named twice");
        for (id, lane) in lanes.iter().filter(|(id, _)| self.before.contains_key(id)) {
            let next =
                lanes.iter().find(|(_, next)| next.header.predecessor == Some(*id)).map(|(next, _)| *next);
            assert!(next.is_some(), "lane {id} has no successor on chain");
            assert_eq!(lane.successor, next, "the patient is told another successor of lane {id}");
            assert_eq!(named.get(id), Some(&next), "the report on lane {id}");
        }
        let expected: BTreeSet<(LaneId, u32, u32)> = lanes
            .iter()
            .map(|(id, lane)| (*id, held.get(id).copied().unwrap_or(0), lane.record.size))
            .filter(|(_, held, size)| held < size)
            .map(|(id, held, size)| (id, held, size - 1))
            .collect();
        let said: BTreeSet<_> =
            report.missing.iter().map(|EntryRange { lane, first, last }| (*lane, *first, *last)).collect();
        assert_eq!(said, expected, "the report of missing entries");
    }
}

impl World {
    /// Everything that a restore promises, once the load that ran over it has ended.
    async fn after_restore(&mut self, restored: Restored) {
        self.agent.settled(ANCHORED_WITHIN).await;
        let on_chain = self.on_chain().await;
        restored.check_old_lanes(self, &on_chain);
        let (kept, [missing, lost]) = restored.sort(self, &on_chain);
        println!(
            "acknowledged: {} kept, {} anchored and missing here, {} lost",
            kept.len(),
            missing.len(),
            lost.len()
        );
        self.check_named(&restored.first_report, &missing);
        self.truth.acknowledged = kept;
        self.truth.missing.extend(missing);
        // What the client lost it still has, and sends again under the old keys.
        let again = send_again(&self.agent, &lost, self.starts).await;
        assert_eq!(again.acknowledged.len(), lost.len());
        assert!(again.acknowledged.iter().all(|record| !restored.before.contains_key(&record.lane)));
        self.truth.add(again);
        self.anchored().await;
        let report = self.agent.status_now().await.restore;
        let lanes = self.audit().await;
        let held = self.held().await;
        self.check_named(&report, &self.truth.missing.clone());
        restored.check_report(&report, &lanes, &held);
        assert!(
            self.truth.acknowledged.iter().all(|record| record.index < on_chain_size(&lanes, &record.lane))
        );
        self.restart().await;
        self.ask_again().await;
    }

    /// Each of these is in a range that the report names.
    fn check_named(&self, report: &RestoreReport, missing: &[Acknowledged]) {
        for record in missing {
            let named = report
                .missing
                .iter()
                .any(|range| range.lane == record.lane && (range.first..=range.last).contains(&record.index));
            assert!(named, "{} at {}:{} is missing and not named", record.key, record.lane, record.index);
        }
    }
}

fn on_chain_size(lanes: &BTreeMap<LaneId, Lane>, lane: &LaneId) -> u32 {
    lanes.get(lane).map_or(0, |lane| lane.record.size)
}

fn seed(test: &str) -> (u64, u64) {
    let seed = number("CASEWISE_SEED").unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let kills = number("CASEWISE_KILLS").unwrap_or(KILLS);
    println!(
        "to repeat: CASEWISE_SEED={seed} CASEWISE_KILLS={kills} cargo test -p casewise-agent --test kill {test}"
    );
    (seed, kills)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_and_no_restore_conflicts() {
    let (seed, kills) = seed("nothing_acknowledged_is_lost_and_no_restore_conflicts");
    let mut world = World::begin(seed).await;

    // Killed again and again while records arrive.
    let load = world.load();
    world.kill_often(&load, kills).await;
    let outcome = load.stop().await;
    println!(
        "{} acknowledged, {} requests cut off, {} asked twice",
        outcome.acknowledged.len(),
        outcome.cut_off,
        outcome.repeated
    );
    assert!(outcome.cut_off >= kills as usize, "the kills hit nobody");
    world.truth.add(outcome);
    world.anchored().await;
    let status = world.agent.status_now().await;
    assert_eq!(status.outbox.failed, 0, "the chain refused a transaction: {status:?}");
    assert!(!status.restore.restored, "a kill is no restore: {status:?}");
    world.audit().await;
    world.restart().await;
    world.ask_again().await;
    let first_copies = world.copies.len();

    // 1. The data put back to an older copy; the epoch file is where it was.
    let load = world.load();
    world.kill_in_flight(&load).await;
    let copy = world.rng.random_range(0..first_copies);
    let restored = world.restore(copy, EpochFile::Stays, &load, 0).await;
    world.finish_round(load, restored).await;

    // 2. The same at the moment when a signed transaction is on its way, so that it may still get into
    //    a block. Killed while it finds its way, and the copy put back once more.
    let load = world.load();
    world.kill_often(&load, 2).await;
    if world.copies.len() == first_copies {
        world.kill_in_flight(&load).await;
        world.copy().await;
        world.launch(&load);
        world.agent.wait_ready().await;
    }
    let grown = load.count() + 20;
    wait_for("records after the copy", Duration::from_secs(60), async || {
        (load.count() >= grown).then_some(())
    })
    .await;
    wait_for("a transaction on its way", Duration::from_secs(60), async || {
        world.agent.status().await.filter(|status| status.outbox.sent > 0).map(|_| ())
    })
    .await;
    world.agent.kill().await;
    let copy = world.copies.len() - 1;
    let restored = world.restore(copy, EpochFile::Stays, &load, 3).await;
    world.finish_round(load, restored).await;

    // 3. An image of the whole machine, data and epoch file of one moment in their places: only the
    //    chain can tell. Both copied back. The data copied back and the epoch file lost.
    for epoch in [EpochFile::Image, EpochFile::Copied, EpochFile::Lost] {
        world.agent.kill().await;
        world.copy().await;
        world.restart().await;
        let load = world.load();
        let grown = load.count() + 20;
        wait_for("records after the copy", Duration::from_secs(60), async || {
            (load.count() >= grown).then_some(())
        })
        .await;
        world.truth.add(load.stop().await);
        world.anchored().await;
        world.agent.kill().await;
        let load = world.load();
        let copy = world.copies.len() - 1;
        let restored = world.restore(copy, epoch, &load, 0).await;
        world.finish_round(load, restored).await;
    }

    // 4. The first copy once more: older than lanes that were opened since.
    let load = world.load();
    world.kill_in_flight(&load).await;
    let restored = world.restore(0, EpochFile::Stays, &load, 0).await;
    world.finish_round(load, restored).await;
    println!(
        "{} acknowledged in the end, {} missing here",
        world.truth.acknowledged.len(),
        world.truth.missing.len()
    );
}

impl World {
    /// Lets records arrive on the restored agent, and checks everything.
    async fn finish_round(&mut self, load: Load, restored: Restored) {
        let grown = load.count() + 20;
        wait_for("records after the restore", Duration::from_secs(120), async || {
            load.check();
            (load.count() >= grown).then_some(())
        })
        .await;
        let outcome = load.stop().await;
        self.truth.add(outcome);
        self.after_restore(restored).await;
    }
}

/// A process that dies at one named place, each time it passes there.
#[cfg(feature = "crash-points")]
mod points {
    use super::*;

    /// Records that arrive around each death.
    const RECORDS: usize = 40;
    /// Deaths at each place.
    const DEATHS: u32 = 3;
    const VARIABLE: &str = "CASEWISE_CRASH_AT";

    async fn dies_at(point: &str) {
        let (seed, _) = seed(&format!("points::{}", point.replace('-', "_")));
        let mut world = World::begin(seed).await;
        let load = world.load();
        for death in 1..=DEATHS {
            let enough = load.count() + RECORDS;
            let waiting =
                wait_for("records", Duration::from_secs(90), async || (load.count() >= enough).then_some(()));
            waiting.await;
            world.agent.kill().await;
            world.agent.set(VARIABLE, point);
            world.launch(&load);
            world.agent.wait_ended(Duration::from_secs(60)).await;
            println!("death {death} {point}, {} acknowledged", load.count());
            world.agent.set(VARIABLE, "");
            world.launch(&load);
            world.agent.wait_ready().await;
        }
        let outcome = load.stop().await;
        assert!(outcome.acknowledged.len() > RECORDS * DEATHS as usize);
        world.truth.add(outcome);
        world.anchored().await;
        let status = world.agent.status_now().await;
        assert!(!status.restore.restored, "a crash is no restore: {status:?}");
        assert_eq!(status.outbox.failed, 0, "the chain refused a transaction: {status:?}");
        world.audit().await;
        world.restart().await;
        world.ask_again().await;
    }

    macro_rules! points {
        ($($name:ident: $point:literal,)*) => {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    dies_at($point).await;
                }
            )*

            #[test]
            fn every_place_has_its_test() {
                assert_eq!(casewise_agent::crash::POINTS, [$($point),*]);
                assert_eq!(casewise_agent::crash::ENV, VARIABLE);
            }
        };
    }

    points! {
        after_blob: "after-blob",
        after_commit: "after-commit",
        after_counter: "after-counter",
        before_broadcast: "before-broadcast",
        after_broadcast: "after-broadcast",
        after_inclusion: "after-inclusion",
    }
}
