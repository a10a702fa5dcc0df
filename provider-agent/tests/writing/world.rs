//! An agent on the contracts in process: its files are real, its chain moves when the test says so.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use casewise_agent::{
    AgentError, App,
    adapters::SystemRandom,
    app::Gate,
    committer,
    config::{Config, Settings},
    ingest,
    keys::{EpochKem, Keys},
    onboard,
    ports::Clock,
    serve::{self, Opened, Outside},
    submitter::Submitter,
    watcher,
};
use casewise_api::{
    Packed, Problem,
    body::{EntryAccepted, IngestQuery, NewCase, PolicyBody},
};
use casewise_chain::{ChainParams, Code, Codes, Manifest, Prefix, Trust};
use casewise_keytree::KeySet;
use casewise_ledger::{
    Address, AnchoredHead, CaseCard, CaseId, CaseOffer, Data, LaneId, V1, account::AccountKey,
    case::kem_hash, merkle, sha256,
};
use casewise_protocol::{convert::InstitutionKind, ppr, registrar};
use casewise_seal::{KemSecret, Letter, ListedEntry, accept_entry};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use crate::devchain::DevChain;

/// The chain's clock; waiting takes a moment only.
pub struct ChainClock(Arc<DevChain>);

#[async_trait]
impl Clock for ChainClock {
    fn now(&self) -> u64 {
        self.0.now()
    }

    fn monotonic(&self) -> u64 {
        self.0.now()
    }

    async fn sleep(&self, _: u64) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A patient's case, with the keys that open it.
pub struct Patient {
    pub key: AccountKey,
    kem: KemSecret,
    pub offer: CaseOffer,
}

impl Patient {
    pub fn new(chain: &DevChain, institution: u32, name: &str) -> Self {
        Self::make(chain, institution, name, None)
    }

    /// With an account that may recover the case.
    pub fn recoverable(chain: &DevChain, institution: u32, name: &str, recovery: Address) -> Self {
        Self::make(chain, institution, name, Some(recovery))
    }

    fn make(chain: &DevChain, institution: u32, name: &str, recovery: Option<Address>) -> Self {
        let key = casewise_testkit::contracts::key(name);
        let kem = KemSecret::from_bytes(&sha256(&[b"kem ", name.as_bytes()]));
        let kem_key = *kem.public().as_bytes();
        let salt = sha256(&[b"salt ", name.as_bytes()]);
        let card =
            CaseCard { version: V1, net: chain.net(), holder: key.address(), kem: kem_hash(&kem_key), salt };
        let expires = chain.now() + 86_400_000;
        let signature = key.sign_message(&card.open_message(recovery, institution, expires));
        let public = key.public().0;
        let offer =
            CaseOffer { version: V1, card, kem_key, recovery, institution, expires, key: public, signature };
        Self { key, kem, offer }
    }

    pub fn case(&self) -> CaseId {
        self.offer.card.id()
    }

    pub fn request(&self) -> NewCase {
        let policy = PolicyBody { cadence: 86_400, lateness: 3_600, grace: 600, completion: 3_600 };
        NewCase { offer: Packed(self.offer.clone()), policy }
    }
}

/// An agent that can be stopped and started again on its files.
pub struct Agent {
    pub chain: Arc<DevChain>,
    pub number: u32,
    pub operator: AccountKey,
    dir: TempDir,
    running: Option<Running>,
}

struct Running {
    app: Arc<App>,
    submitter: Submitter,
    committer: JoinHandle<Result<(), AgentError>>,
}

impl Agent {
    /// Admits an institution and starts its agent.
    pub async fn new(chain: Arc<DevChain>, number: u32) -> Self {
        let operator = casewise_testkit::contracts::key(&format!("operator {number}"));
        chain.fund(operator.address(), 5);
        let prefix: Prefix = "wasm".parse().unwrap();
        let admit = registrar::ExecuteMsg::RegisterInstitution {
            kind: InstitutionKind::Provider,
            account: casewise_chain::account_to_bech32(&operator.address(), &prefix),
            name: format!("Hospital {number}"),
            endpoint: "https://a.example".into(),
            kem: vec![7; 32].into(),
            operators: vec![],
        };
        chain.govern(chain.contracts().registrar, &admit);
        chain.block();
        let dir = tempfile::tempdir().unwrap();
        let mut agent = Self { chain, number, operator, dir, running: None };
        serve::init(&agent.config(), false).await.unwrap();
        agent.start().await;
        agent.follow().await;
        agent
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn epoch_file(&self) -> PathBuf {
        self.dir.path().join("epoch")
    }

    pub fn config(&self) -> Config {
        let file = |name: &str| Some(self.dir.path().join(name));
        Config::check(Settings {
            institution: Some(self.number),
            manifest: file("manifest"),
            data_dir: Some(self.data()),
            epoch_file: Some(self.epoch_file()),
            key_file: file("keys"),
            passphrase_file: file("passphrase"),
            listen_public: Some("127.0.0.1:1".parse().unwrap()),
            listen_private: Some("127.0.0.1:2".parse().unwrap()),
            public_name: Some("a.example".into()),
            token_file: file("token"),
        })
        .unwrap()
    }

    fn outside(&self) -> Outside {
        let code = Code { id: 1, checksum: [1; 32] };
        let manifest = Manifest {
            params: ChainParams {
                chain_id: casewise_chain::Chain::chain_id(&*self.chain).into(),
                prefix: "wasm".parse().unwrap(),
                gas_price: "0.001stake".parse().unwrap(),
            },
            endpoints: vec!["http://127.0.0.1:1".into()],
            codes: Codes { registrar: code, ppr: code, summary: code },
            contracts: self.chain.contracts(),
            trust: Trust { height: 1, header_hash: [0; 32], validators_hash: [0; 32] },
        };
        let kem = vec![EpochKem { epoch: 0, secret: KemSecret::from_bytes(&[3; 32]) }];
        let keys = Keys::new(self.operator.clone(), kem, Zeroizing::new([4; 32]));
        let clock = Arc::new(ChainClock(self.chain.clone()));
        Outside { manifest, keys, chain: self.chain.clone(), clock, random: Arc::new(SystemRandom) }
    }

    /// A second agent of the same institution, on a copy of its files.
    pub async fn twin(of: &Agent, copied: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut twin = Self {
            chain: of.chain.clone(),
            number: of.number,
            operator: of.operator.clone(),
            dir,
            running: None,
        };
        serve::init(&twin.config(), false).await.unwrap();
        put_back(&copied.join("data"), &twin.data());
        twin.start().await;
        twin
    }

    /// Starts the agent without looking at the chain.
    pub async fn start(&mut self) {
        self.try_start().await.unwrap();
    }

    pub async fn try_start(&mut self) -> anyhow::Result<()> {
        let Opened { app, queue } = serve::assemble(self.config(), self.outside(), true).await?;
        let (store, blobs, epoch) = (app.store.clone(), app.blobs.clone(), app.epoch.clone());
        let committer = tokio::spawn(committer::run(queue, store, blobs, epoch));
        self.running = Some(Running { app, submitter: Submitter::default(), committer });
        Ok(())
    }

    /// Ends it as a kill would: nothing is finished, nothing is flushed.
    pub async fn kill(&mut self) {
        let Running { app, committer, submitter: _ } = self.running.take().unwrap();
        committer.abort();
        let _ = committer.await;
        let store = Arc::downgrade(&app);
        drop(app);
        assert_eq!(store.strong_count(), 0, "somebody still holds the agent");
    }

    pub async fn restart(&mut self) {
        self.kill().await;
        self.start().await;
        self.follow().await;
    }

    pub fn app(&self) -> &Arc<App> {
        &self.running.as_ref().unwrap().app
    }

    pub fn gate(&self) -> Gate {
        self.app().gate.borrow().clone()
    }

    /// Looks at the chain until there is nothing new.
    pub async fn follow(&self) {
        self.try_follow().await.unwrap();
    }

    pub async fn try_follow(&self) -> Result<(), AgentError> {
        while watcher::step(self.app()).await? {}
        Ok(())
    }

    /// Posts what is to be posted, without a block.
    pub async fn post(&mut self) -> Result<(), AgentError> {
        let Running { app, submitter, .. } = self.running.as_mut().unwrap();
        submitter.step(app).await
    }

    /// A block, and the agent looks at it.
    pub async fn block(&self) {
        self.chain.block();
        self.follow().await;
    }

    /// Posts and makes blocks until nothing is left to do.
    pub async fn settle(&mut self) {
        let mut quiet = 0;
        for _ in 0..200 {
            self.post().await.unwrap();
            self.block().await;
            let app = self.app();
            let busy = app.store.tx_in_flight().await.unwrap().is_some()
                || casewise_agent::status::status(app).await.unwrap().outbox.queued > 0
                || !app.store.unacked(self.number, None, 1).await.unwrap().is_empty();
            quiet = if busy { 0 } else { quiet + 1 };
            if quiet == 2 {
                return;
            }
        }
        panic!("there is no end of posting");
    }

    /// A case, registered and open on chain.
    pub async fn onboard(&mut self, name: &str) -> Patient {
        let patient = Patient::new(&self.chain, self.number, name);
        onboard::register(self.app(), &patient.request()).await.unwrap();
        self.settle().await;
        patient
    }

    /// The holder accepts the relationship.
    pub async fn accept(&self, patient: &Patient) {
        let msg = ppr::ExecuteMsg::accept(&patient.case(), self.number);
        self.chain.act(&patient.key.address(), self.chain.contracts().ppr, &msg);
        self.block().await;
    }

    pub async fn try_ingest(
        &self,
        case: &CaseId,
        content: &str,
        key: Option<&str>,
    ) -> Result<(bool, EntryAccepted), Problem> {
        let query = IngestQuery { case: Some(*case), identifier: None, kind: Default::default(), prev: None };
        let result = async {
            let mut reception = ingest::receive(self.app(), &query, Some("text/plain"), key).await?;
            reception.push(content.as_bytes()).await?;
            reception.finish().await
        };
        result.await.map_err(|error: AgentError| error.problem())
    }

    pub async fn ingest(&self, case: &CaseId, content: &str) -> EntryAccepted {
        self.try_ingest(case, content, None).await.unwrap().1
    }

    /// Everything the patient can open: place → content, each entry checked against the head that is
    /// anchored on chain.
    pub async fn open(&self, patient: &Patient) -> BTreeMap<(LaneId, u32), String> {
        let app = self.app();
        let mut roots = BTreeMap::new();
        let letters = app.store.letters(&patient.case(), &patient.offer.card.kem, 0, 1000).await.unwrap();
        for row in letters {
            let payload = Letter::decode(&row.bytes).unwrap().open(&patient.kem).unwrap();
            for keys in payload.keys {
                roots.insert(keys.lane, keys.nodes);
            }
        }
        self.open_with(&patient.case(), &roots).await
    }

    /// Everything in a case that these roots open.
    pub async fn open_with(
        &self,
        case: &CaseId,
        roots: &BTreeMap<LaneId, KeySet>,
    ) -> BTreeMap<(LaneId, u32), String> {
        let app = self.app();
        let mut opened = BTreeMap::new();
        for view in app.store.lane_views(case).await.unwrap() {
            let entries = app.store.entries(&view.lane, 0, view.record.size).await.unwrap();
            let leaves: Vec<_> = entries.iter().map(|entry| entry.leaf).collect();
            let anchored = AnchoredHead { lane: view.lane, size: view.record.size, root: view.record.root };
            let whole = leaves.len() == anchored.size as usize;
            if whole {
                assert_eq!(merkle::root(&leaves), anchored.root, "lane {}", view.lane);
            }
            for (index, row) in entries.iter().enumerate().filter(|_| whole) {
                let entry = ListedEntry {
                    header: row.header.clone(),
                    commitment: row.commitment,
                    body_length: row.body_length,
                    body_sha256: row.body_sha256,
                };
                let plan = merkle::ProofPlan::inclusion(index as u32, anchored.size).unwrap();
                let ids: Vec<_> = plan.nodes().collect();
                let hashes = app.store.nodes(&view.lane, &ids).await.unwrap();
                let found: BTreeMap<_, _> = ids.into_iter().zip(hashes).collect();
                let proof = plan.assemble(|id| found[&id]).unwrap();
                let accepted = accept_entry(&view.header, &anchored, index as u32, &entry, &proof).unwrap();
                let body = self.body(&row.body_sha256);
                let key = roots[&view.lane].derive(index as u32).unwrap();
                let Data::Content { content, .. } = accepted.open(&key, &body).unwrap() else { continue };
                opened.insert((view.lane, index as u32), String::from_utf8(content).unwrap());
            }
        }
        opened
    }

    /// A sealed body, as it lies on disk.
    fn body(&self, name: &[u8; 32]) -> Vec<u8> {
        let (root, name) = (self.data().join("bodies"), hex::encode(name));
        let published = root.join("bodies").join(&name[..2]).join(&name);
        std::fs::read(published).or_else(|_| std::fs::read(root.join("staged").join(&name))).unwrap()
    }

    /// What the patient can open, without the places.
    pub async fn contents(&self, patient: &Patient) -> Vec<String> {
        let mut contents: Vec<_> = self.open(patient).await.into_values().collect();
        contents.sort();
        contents
    }

    /// View, leaves and bodies are what chain and disk say.
    pub async fn verify(&self) {
        let findings = casewise_agent::verify::verify(self.app(), true).await.unwrap();
        assert_eq!(findings.faults, Vec::<String>::new());
        assert!(findings.records > 0);
    }
}

/// Times a copy is begun anew.
const COPY_ATTEMPTS: usize = 100;

/// A copy of a directory. The connections of a database close some time after its agent is gone and
/// take files away: a copy that meets this is half of two states, and begun anew.
pub fn copy(from: &Path, to: &Path) {
    for _ in 0..COPY_ATTEMPTS {
        match try_copy(from, to) {
            Ok(()) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => std::fs::remove_dir_all(to).unwrap(),
            Err(error) => panic!("{}: {error}", from.display()),
        }
    }
    panic!("{}: changes all the time", from.display());
}

fn try_copy(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            try_copy(&path, &target)?;
        } else {
            std::fs::copy(&path, &target)?;
        }
    }
    Ok(())
}

/// Puts a copy of a directory in its place.
pub fn put_back(copied: &Path, place: &Path) {
    std::fs::remove_dir_all(place).unwrap();
    copy(copied, place);
}

/// A chain and one agent.
pub async fn world() -> Agent {
    Agent::new(Arc::new(DevChain::new()), 1).await
}
