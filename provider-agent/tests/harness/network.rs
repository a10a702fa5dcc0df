//! A wasmd network with the contracts deployed: the one that `CASEWISE_LOCALNET` names, or one of our
//! own that goes when the last test of this process is done with it.

use std::{
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use casewise_chain::{
    ChainExt, Included, Manifest, Msg, NewInstitution, SubmitOptions, WasmdClient, account_to_bech32,
    institutions, key_from_mnemonic, submit_and_wait,
};
use casewise_client::Network;
use casewise_ledger::{
    Address, CaseId, Hash, Head, LaneId,
    account::AccountKey,
    records::{LaneRecord, ns},
};
use casewise_protocol::convert::InstitutionKind;
use rand::RngExt;

use super::GLANCE;

/// Coins of a new institution, for fees.
const FUNDS: u128 = 2_000_000_000;
/// Ports are chosen here: below those that the system gives to outgoing connections, for an agent
/// must find its own port free when it starts again.
const PORTS: std::ops::Range<u16> = 20_000..31_000;
/// Ports of one validator, and room.
const PORTS_OF_NETWORK: u16 = 10;

static OWN: Mutex<Weak<Running>> = Mutex::new(Weak::new());

/// A network that runs.
struct Running {
    dir: PathBuf,
    own: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.own {
            let _ = script().arg("reset").arg("--dir").arg(&self.dir).stdout(Stdio::null()).status();
        }
    }
}

fn script() -> Command {
    Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/localnet"))
}

fn start() -> Arc<Running> {
    if let Some(dir) = std::env::var_os("CASEWISE_LOCALNET") {
        return Arc::new(Running { dir: dir.into(), own: false });
    }
    let dir = std::env::temp_dir().join(format!("casewise-test-net-{:08x}", rand::random::<u32>()));
    let port = free_port(PORTS_OF_NETWORK);
    let running = Running { dir: dir.clone(), own: true };
    let out = script()
        .args(["up", "--base-port", &port.to_string(), "--dir"])
        .arg(&dir)
        .stdin(Stdio::null())
        .output()
        .expect("scripts/localnet starts");
    let said = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "scripts/localnet up: {said}");
    Arc::new(running)
}

/// The first of `count` ports that are free together.
pub fn free_port(count: u16) -> u16 {
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    (0..1000)
        .map(|_| rand::rng().random_range(PORTS.start..PORTS.end - count))
        .find(|first| (*first..first + count).all(free))
        .expect("free ports")
}

/// A network as one test sees it. The client is the test's own: its connections live in the test's
/// runtime.
pub struct Net {
    /// The network.
    pub manifest: Manifest,
    /// A client of its node.
    pub client: WasmdClient,
    operator: AccountKey,
    running: Arc<Running>,
}

impl Net {
    /// Joins the network, or starts it.
    pub fn open() -> Self {
        // Only one can be installed; the first test of the process does it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let running = {
            let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
            own.upgrade().unwrap_or_else(|| {
                let running = start();
                *own = Arc::downgrade(&running);
                running
            })
        };
        let manifest = Manifest::load(&running.dir.join("manifest.json")).expect("the manifest");
        let phrase = std::fs::read_to_string(running.dir.join("operator.mnemonic")).expect("the phrase");
        let operator = key_from_mnemonic(&phrase, 0).expect("the operator's phrase");
        let client = manifest.client().expect("a client");
        Self { manifest, client, operator, running }
    }

    /// The manifest's file.
    pub fn manifest_file(&self) -> PathBuf {
        self.running.dir.join("manifest.json")
    }

    /// The facts on chain, as the patient's client asks them.
    pub fn facts(&self) -> Network<'_> {
        Network::new(&self.client, &self.manifest)
    }

    /// Sends messages of the consortium's key, which other processes may use at the same time.
    async fn send(&self, msgs: Vec<Msg>) -> Included {
        let lock = Lock::take(&self.running.dir.join("operator.lock")).await;
        let (params, options) = (&self.manifest.params, SubmitOptions::default());
        let included = submit_and_wait(&self.client, &self.operator, msgs, params, &options).await;
        let included = included.expect("a transaction of the consortium");
        drop(lock);
        included
    }

    /// Admits an institution and gives it coins. Returns its number.
    pub async fn admit(&self, name: &str, account: Address, kem: Hash, endpoint: &str) -> u32 {
        let params = &self.manifest.params;
        let new = NewInstitution {
            kind: InstitutionKind::Provider,
            account,
            name: name.into(),
            endpoint: endpoint.into(),
            kem,
            operators: Vec::new(),
        };
        let registrar = self.manifest.contracts.registrar;
        let register = new.register(registrar, &params.prefix).expect("a message");
        let coins = Msg::BankSend { to: account, amount: FUNDS, denom: params.gas_price.denom().to_owned() };
        self.send(vec![register, coins]).await;
        let listed = institutions(&self.client, &registrar, None).await.expect("the registrar's list");
        let own = account_to_bech32(&account, &params.prefix);
        listed.iter().find(|listed| listed.account == own).expect("the institution is listed").number
    }

    /// Every lane of a case, from the contract's list, and equal to the raw record that evidence would
    /// prove.
    pub async fn lanes(&self, case: &CaseId) -> Vec<(LaneId, LaneRecord)> {
        let mut lanes = Vec::new();
        for (lane, listed) in self.facts().lanes(case).await.expect("the contract's lanes") {
            let raw = self.lane(&lane, None).await.expect("a listed lane has a record");
            assert!(raw.size >= listed.size, "lane {lane} became shorter");
            lanes.push((lane, raw));
        }
        lanes
    }

    /// A lane's raw record.
    pub async fn lane(&self, lane: &LaneId, height: Option<u64>) -> Option<LaneRecord> {
        let summary = &self.manifest.contracts.summary;
        self.client.record(summary, ns::LANE, &lane.0, height).await.expect("the lane's record")
    }

    /// Every head a lane ever had on chain, newest first: each record names its height, and the head
    /// before it is the record one block earlier.
    pub async fn anchored_heads(&self, lane: &LaneId) -> Vec<Head> {
        let mut heads = Vec::new();
        let mut record = self.lane(lane, None).await;
        while let Some(now) = record.filter(|record| record.size > 0) {
            heads.push(now.head());
            record = self.lane(lane, Some(now.height - 1)).await;
        }
        heads
    }
}

/// A file that one process at a time holds.
struct Lock {
    _file: File,
}

impl Lock {
    async fn take(path: &Path) -> Self {
        let file = File::options().create(true).append(true).open(path).expect("the lock file");
        while file.try_lock().is_err() {
            tokio::time::sleep(GLANCE).await;
        }
        Self { _file: file }
    }
}
