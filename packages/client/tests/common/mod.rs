//! A small world in one process: a chain, hospitals, a patient's wallet. Each test uses a part of it.
#![allow(dead_code)]

pub mod chain;
pub mod hospital;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use casewise_client::book::{Book, CaseState};
use casewise_client::ports::{Clock, SystemRandom};
use casewise_client::sqlite::SqliteStore;
use casewise_client::{ClientError, Network, Patient, Phrase, World};

use self::chain::DevChain;
use self::hospital::{Hospital, Web};

/// A clock that goes on only when somebody waits.
pub struct TestClock(pub AtomicU64);

#[async_trait]
impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    async fn sleep_ms(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

/// The world.
pub struct Scene {
    pub chain: Arc<DevChain>,
    pub web: Web,
    pub a: Hospital,
    pub b: Hospital,
    pub clock: TestClock,
    pub phrase: Phrase,
    home: tempfile::TempDir,
    store: Option<SqliteStore>,
}

impl Scene {
    /// Two hospitals and a patient with a fresh phrase.
    pub async fn new() -> Self {
        let chain = Arc::new(DevChain::new());
        let (a, b) = (Hospital::admit(&chain, "Alpha"), Hospital::admit(&chain, "Beta"));
        let now = chain.with(|suite| suite.now());
        let web = Web { hospitals: vec![a.clone(), b.clone()], now: AtomicU64::new(now) };
        let (phrase, home) = (Phrase::generate().unwrap(), tempfile::tempdir().unwrap());
        let store = Some(SqliteStore::open(home.path(), &phrase).await.unwrap());
        Self { chain, web, a, b, clock: TestClock(AtomicU64::new(now)), phrase, home, store }
    }

    /// Does something as the patient.
    pub async fn patient<T>(
        &self,
        work: impl AsyncFnOnce(Patient<'_>) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let network = Network::new(&*self.chain, self.chain.manifest());
        let world = self.world(&network);
        let book = Book::new(self.store.as_ref().unwrap());
        let progress = |_: u64, _: Option<u64>, _: &str| {};
        work(Patient { phrase: &self.phrase, book, network: &network, world, progress: &progress }).await
    }

    /// Does something with another wallet, whose phrase may be another.
    pub async fn with<T>(
        &self,
        phrase: &Phrase,
        store: &SqliteStore,
        work: impl AsyncFnOnce(Patient<'_>) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let network = Network::new(&*self.chain, self.chain.manifest());
        let (world, book) = (self.world(&network), Book::new(store));
        let progress = |_: u64, _: Option<u64>, _: &str| {};
        work(Patient { phrase, book, network: &network, world, progress: &progress }).await
    }

    /// HTTP, time and randomness of this world.
    pub fn world<'a>(&'a self, network: &'a Network<'a>) -> World<'a> {
        self.web.now.store(self.clock.now_ms(), Ordering::SeqCst);
        World {
            http: &self.web,
            clock: &self.clock,
            random: &SystemRandom,
            directory: network,
            net: network.net(),
        }
    }

    /// Ends the program without warning and starts it again.
    pub async fn restart(&mut self) {
        drop(self.store.take());
        self.store = Some(SqliteStore::open(self.home.path(), &self.phrase).await.unwrap());
    }

    /// A new wallet on another machine, from the same phrase.
    pub async fn new_machine(&mut self) {
        self.home = tempfile::tempdir().unwrap();
        self.restart().await;
    }

    /// A case at hospital A with these records, anchored one by one; followed and accepted.
    pub async fn case_with(&self, texts: &[&str]) -> CaseState {
        let case =
            self.patient(async |patient| patient.offer(self.a.number, 3600, None).await).await.unwrap();
        let id = self.a.take_in(case.offer.as_ref().unwrap());
        for text in texts {
            self.a.record(id, self.clock.now_ms(), text);
            self.a.anchor();
        }
        self.accept(case.n).await;
        case
    }

    /// Follows and accepts everything.
    pub async fn accept(&self, n: u32) {
        self.patient(async |patient| {
            let followed = patient.follow(n).await?;
            assert_eq!(followed.trouble(), None);
            let acceptance = casewise_client::Acceptance::of(&followed, None);
            patient.accept(&followed, &acceptance).await
        })
        .await
        .unwrap();
    }
}

/// Ends what is being done in the middle, as a kill would. Whether it was still going on.
pub async fn killed<T>(work: impl Future<Output = T>) -> bool {
    tokio::time::timeout(std::time::Duration::from_millis(300), work).await.is_err()
}
