//! Agents in one process: real store, blobs, sealing and committer; a chain, a clock and a network
//! that the test directs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use casewise_agent::adapters::{SystemRandom, blobs::FileBlobs, epoch::DiskEpochFile, sqlite::SqliteStore};
use casewise_agent::app::{App, Applied, Gate, Parts};
use casewise_agent::append::{Append, append};
use casewise_agent::config::Config;
use casewise_agent::epoch::{Epoch, first_record};
use casewise_agent::input::Input;
use casewise_agent::keys::{EpochKem, Keys};
use casewise_agent::peers::Peers;
use casewise_agent::ports::Clock;
use casewise_agent::serving::Serving;
use casewise_agent::shared::{self, Shared};
use casewise_agent::store::{
    CaseRow, CaseState, Change, Cursor, GrantView, IdentityView, InstitutionView, LaneView, RelationshipView,
    Write,
};
use casewise_agent::{committer, lanes, public};
use casewise_api::signature::{RequestParts, ResponseParts, check_response, sign_request};
use casewise_api::{Problem, ProblemKind, Target};
use casewise_chain::{Chain, ChainError, ContractAddress, Manifest, Prefix, Tip};
use casewise_client::ports::{Http, HttpError};
use casewise_ledger::account::AccountKey;
use casewise_ledger::records::{
    GrantRecord, GrantStatus, IdentityRecord, InstitutionKind, InstitutionRecord, InstitutionStatus,
    LaneRecord, LaneStatus, Policy, RelationshipRecord, RelationshipStatus, ns, record_key,
};
use casewise_ledger::{
    Address, CaseCard, CaseId, CaseOffer, Class, Commitment, EntryRef, Kind, LaneId, Opening, OpeningItem,
    Party, V1, data, encode, sha256,
};
use casewise_seal::{KemSecret, LaneKeys, Letter, LetterKind, Payload};
use http::{HeaderMap, Method, Request, Response};
use serde::de::DeserializeOwned;
use tower::ServiceExt;
use zeroize::Zeroizing;

pub const DAY: u32 = 20_000;
pub const START: u64 = DAY as u64 * 86_400_000 + 3_600_000;

/// A clock that moves when the test says so.
#[derive(Default)]
pub struct TestClock {
    wall: AtomicU64,
    monotonic: AtomicU64,
}

impl TestClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { wall: START.into(), monotonic: AtomicU64::new(1_000_000) })
    }

    pub fn pass(&self, ms: u64) {
        self.wall.fetch_add(ms, Ordering::SeqCst);
        self.monotonic.fetch_add(ms, Ordering::SeqCst);
    }

    /// Moves the clock of day only.
    pub fn set(&self, wall: u64) {
        self.wall.store(wall, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> u64 {
        self.wall.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> u64 {
        self.monotonic.load(Ordering::SeqCst)
    }

    /// Real time, much shorter: the store works in threads of its own, which yielding does not wait for.
    async fn sleep(&self, ms: u64) {
        tokio::time::sleep(std::time::Duration::from_millis((ms / 5).min(600))).await;
    }
}

/// A node: its tip, and raw records.
pub struct TestChain {
    prefix: Prefix,
    pub tip: Mutex<Option<u64>>,
    pub raw: Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>,
}

impl TestChain {
    pub fn new() -> Arc<Self> {
        let prefix = "wasm".parse().unwrap();
        Arc::new(Self { prefix, tip: Mutex::new(Some(0)), raw: Arc::default() })
    }

    /// Another node: the same records, a tip of its own.
    pub fn twin(&self) -> Arc<Self> {
        Arc::new(Self { prefix: self.prefix.clone(), tip: Mutex::new(Some(0)), raw: self.raw.clone() })
    }

    /// The registrar knows a patient's case.
    pub fn register(&self, patient: &Patient) {
        let key = record_key(ns::IDENTITY, &patient.case().0);
        self.raw.lock().unwrap().insert(key, encode(&patient.identity().record));
    }

    fn silent() -> ChainError {
        ChainError::Unreachable { endpoint: "test".into(), reason: "cut off".into() }
    }
}

#[async_trait]
impl Chain for TestChain {
    fn chain_id(&self) -> &str {
        "test-1"
    }
    fn prefix(&self) -> &Prefix {
        &self.prefix
    }
    async fn tip(&self) -> Result<Tip, ChainError> {
        let height = (*self.tip.lock().unwrap()).ok_or_else(Self::silent)?;
        Ok(Tip { height, time_ms: 0, hash: [0; 32] })
    }
    async fn raw(
        &self,
        _contract: &ContractAddress,
        key: &[u8],
        _height: Option<u64>,
    ) -> Result<Option<Vec<u8>>, ChainError> {
        Ok(self.raw.lock().unwrap().get(key).cloned())
    }
    async fn earliest_height(&self) -> Result<u64, ChainError> {
        Err(Self::silent())
    }
    async fn block(&self, _: u64) -> Result<Option<casewise_chain::Block>, ChainError> {
        Err(Self::silent())
    }
    async fn smart(&self, _: &ContractAddress, _: &[u8], _: Option<u64>) -> Result<Vec<u8>, ChainError> {
        Err(Self::silent())
    }
    async fn account(&self, _: &Address) -> Result<Option<casewise_chain::Account>, ChainError> {
        Err(Self::silent())
    }
    async fn allowance(
        &self,
        _: &Address,
        _: &Address,
    ) -> Result<Option<casewise_chain::Allowance>, ChainError> {
        Err(Self::silent())
    }
    async fn balance(&self, _: &Address, _: &str) -> Result<u128, ChainError> {
        Err(Self::silent())
    }
    async fn simulate(&self, _: &[u8]) -> Result<u64, ChainError> {
        Err(Self::silent())
    }
    async fn broadcast(&self, _: &[u8]) -> Result<casewise_chain::Broadcast, ChainError> {
        Err(Self::silent())
    }
    async fn tx(&self, _: &[u8; 32]) -> Result<Option<casewise_chain::TxStatus>, ChainError> {
        Err(Self::silent())
    }
    async fn proof(
        &self,
        _: &ContractAddress,
        _: &[u8],
        _: u64,
    ) -> Result<casewise_chain::StateProof, ChainError> {
        Err(Self::silent())
    }
    async fn signed_header(&self, _: u64) -> Result<Vec<u8>, ChainError> {
        Err(Self::silent())
    }
    async fn validators(&self, _: u64) -> Result<Vec<u8>, ChainError> {
        Err(Self::silent())
    }
    async fn code(&self, _: u64) -> Result<Option<casewise_chain::CodeInfo>, ChainError> {
        Err(Self::silent())
    }
    async fn contract(
        &self,
        _: &ContractAddress,
    ) -> Result<Option<casewise_chain::ContractInfo>, ChainError> {
        Err(Self::silent())
    }
}

/// Public listeners by authority.
#[derive(Default)]
pub struct Network(Mutex<BTreeMap<String, Router>>);

impl Network {
    pub fn attach(&self, name: &str, router: Router) {
        self.0.lock().unwrap().insert(name.into(), router);
    }

    pub fn detach(&self, name: &str) {
        self.0.lock().unwrap().remove(name);
    }
}

#[async_trait]
impl Http for Network {
    async fn exchange(&self, request: Request<Vec<u8>>, _limit: u64) -> Result<Response<Vec<u8>>, HttpError> {
        let name = request.uri().authority().unwrap().to_string();
        let router = self.0.lock().unwrap().get(&name).cloned();
        let router = router.ok_or_else(|| HttpError(format!("{name} is not attached")))?;
        Ok(send(router, &name, request).await)
    }
}

/// Sends a request as it would come over the wire: the target in the request line, the host in its
/// header.
pub async fn send(router: Router, name: &str, request: Request<Vec<u8>>) -> Response<Vec<u8>> {
    let (mut parts, body) = request.into_parts();
    parts.uri = parts.uri.path_and_query().unwrap().as_str().parse().unwrap();
    parts.headers.entry(http::header::HOST).or_insert(name.parse().unwrap());
    let response = router.oneshot(Request::from_parts(parts, Body::from(body))).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    Response::from_parts(parts, bytes.to_vec())
}

/// What the test knows of an institution.
pub struct Site {
    pub number: u32,
    pub name: String,
    pub operator: AccountKey,
    pub kem: [u8; 32],
}

impl Site {
    pub fn new(number: u32) -> Self {
        let seed = |what: &str| sha256(&[what.as_bytes(), &number.to_be_bytes()]);
        Self {
            number,
            name: format!("127.0.0.1:{}", 9000 + number),
            operator: AccountKey::from_bytes(&seed("operator")).unwrap(),
            kem: seed("kem"),
        }
    }

    pub fn kem(&self) -> KemSecret {
        KemSecret::from_bytes(&self.kem)
    }

    pub fn record(&self) -> InstitutionRecord {
        InstitutionRecord {
            version: V1,
            status: InstitutionStatus::Active,
            kind: InstitutionKind::Provider,
            account: self.operator.address(),
            kem: self.kem().public().hash(),
            kem_epoch: 0,
            since: 0,
            name: format!("Hospital {}", self.number),
        }
    }

    pub fn view(&self) -> InstitutionView {
        let endpoint = format!("http://{}", self.name);
        InstitutionView { number: self.number, record: self.record(), endpoint, changed: 1 }
    }
}

/// A patient with one case.
pub struct Patient {
    pub key: AccountKey,
    pub kem: KemSecret,
    pub offer: CaseOffer,
}

impl Patient {
    pub fn new(seed: u8, net: [u8; 32], institution: u32) -> Self {
        let key = AccountKey::from_bytes(&[seed; 32]).unwrap();
        let kem = KemSecret::from_bytes(&[seed; 32]);
        let card =
            CaseCard { version: V1, net, holder: key.address(), kem: kem.public().hash(), salt: [seed; 32] };
        let expires = START + 1_000_000;
        let signature = key.sign_message(&card.open_message(None, institution, expires));
        let offer = CaseOffer {
            version: V1,
            card,
            kem_key: *kem.public().as_bytes(),
            recovery: None,
            institution,
            expires,
            key: key.public().0,
            signature,
        };
        Self { key, kem, offer }
    }

    pub fn case(&self) -> CaseId {
        self.offer.card.id()
    }

    pub fn identity(&self) -> IdentityView {
        let record = IdentityRecord {
            version: V1,
            holder: self.key.address(),
            kem: self.kem.public().hash(),
            epoch: 0,
            institution: self.offer.institution,
            custodial: false,
            since: 0,
        };
        IdentityView { case: self.case(), record, changed: 1 }
    }
}

/// One agent.
pub struct Agent {
    pub site: Site,
    pub app: Arc<App>,
    pub serving: Arc<Serving>,
    pub peers: Arc<Peers>,
    pub clock: Arc<TestClock>,
    pub chain: Arc<TestChain>,
    pub router: Router,
    pub private: Router,
    committer: tokio::task::JoinHandle<()>,
}

pub fn manifest() -> Manifest {
    let contract = |byte: u8| ContractAddress([byte; 32]).to_bech32(&"wasm".parse().unwrap());
    let net = casewise_ledger::case::net("test-1", &[1; 32]);
    let code = |id: u64| serde_json::json!({"id": id, "checksum": hex::encode([0; 32])});
    serde_json::from_value(serde_json::json!({
        "chain_id": "test-1",
        "net": hex::encode(net),
        "endpoints": ["http://127.0.0.1:1"],
        "prefix": "wasm",
        "denom": "stake",
        "gas_price": "0.001stake",
        "codes": {"registrar": code(1), "ppr": code(2), "summary": code(3)},
        "contracts": {"registrar": contract(1), "ppr": contract(2), "summary": contract(3)},
        "trust": {
            "height": 1,
            "header_hash": hex::encode([0; 32]),
            "validators_hash": hex::encode([0; 32]),
        },
    }))
    .unwrap()
}

impl Agent {
    /// Starts the agent of a site on a directory, made if it is new.
    pub async fn start(
        site: Site,
        directory: &Path,
        chain: &Arc<TestChain>,
        clock: &Arc<TestClock>,
        net: &Arc<Network>,
    ) -> Self {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        let epoch_path = directory.join("epoch");
        let file = if epoch_path.exists() {
            DiskEpochFile::open(&epoch_path).unwrap()
        } else {
            DiskEpochFile::create(&epoch_path, &first_record(&SystemRandom, [1; 16], START).unwrap()).unwrap()
        };
        let epoch = Arc::new(Epoch::open(Arc::new(file)).await.unwrap());
        let store = Arc::new(SqliteStore::open(&directory.join("data")).await.unwrap());
        let blobs = Arc::new(FileBlobs::open(&directory.join("data/blobs")).unwrap());
        let (committer, queue) = committer::queue();
        let running = committer::run(queue, store.clone(), blobs.clone(), epoch.clone());
        let running = tokio::spawn(async move { running.await.unwrap() });
        let app = Arc::new(App::new(Parts {
            config: config(&site, directory),
            manifest: manifest(),
            keys: Keys::new(
                site.operator.clone(),
                vec![EpochKem { epoch: 0, secret: site.kem() }],
                Zeroizing::new([site.number as u8; 32]),
            ),
            store,
            blobs,
            chain: chain.clone(),
            clock: clock.clone(),
            random: Arc::new(SystemRandom),
            epoch,
            committer,
        }));
        app.gate.send_replace(Gate::Open);
        let serving = Arc::new(Serving::new(app.clone()));
        let peers = Arc::new(Peers::new(app.clone(), net.clone()));
        let router = public::router(serving.clone());
        let private = shared::router(Arc::new(Shared::new(serving.clone(), peers.clone())));
        net.attach(&site.name, router.clone());
        let (chain, clock) = (chain.clone(), clock.clone());
        Self { site, app, serving, peers, clock, chain, router, private, committer: running }
    }

    /// Ends the agent as a crash would: nothing is told to anybody.
    pub async fn kill(self) -> Site {
        self.committer.abort();
        let _ = self.committer.await;
        self.site
    }

    /// Applies one block with these changes; time passes for everybody.
    pub async fn block(&self, changes: Vec<Change>) {
        let from = self.app.store.cursor().await.unwrap();
        let height = from.map_or(1, |cursor| cursor.height + 1);
        let to = Cursor { height, block: [height as u8; 32], time: self.clock.now() };
        self.app.committer.commit(vec![Write::Blocks { from, to, changes }]).await.unwrap();
        self.app.applied.send_replace(Some(Applied { cursor: to, at: self.clock.monotonic() }));
        *self.chain.tip.lock().unwrap() = Some(height);
    }

    /// What the registrar says of these institutions.
    pub fn institutions(sites: &[&Site]) -> Vec<Change> {
        let mut changes = Vec::new();
        for site in sites {
            changes.push(Change::Institution(site.view()));
            let (account, institution) = (site.operator.address(), Some(site.number));
            changes.push(Change::Operator { account, institution });
        }
        changes
    }

    /// Registers a case and opens its first lanes on chain: content and access.
    pub async fn case(&self, patient: &Patient) -> (LaneId, LaneId) {
        let policy = Policy { cadence: 0, lateness: 0, grace: 60, completion: 60, amends: None };
        let state = CaseState::Enrolled;
        let row = CaseRow { case: patient.case(), offer: patient.offer.clone(), policy, state, error: None };
        let lease = self.app.epoch.lease().await;
        let (ids, mut writes) = lanes::first_lanes(&self.app, &lease, &row).await.unwrap();
        writes.insert(0, Write::NewCase(row));
        self.app.committer.commit(writes).await.unwrap();
        drop(lease);
        let record = RelationshipRecord { version: V1, status: RelationshipStatus::Active, since: 0 };
        let mut changes = vec![
            Change::Identity(patient.identity()),
            Change::Relationship(RelationshipView {
                case: patient.case(),
                institution: self.site.number,
                record,
                changed: 1,
            }),
        ];
        for lane in &ids {
            changes.push(self.lane_change(lane).await);
        }
        self.block(changes).await;
        self.app.committer.commit(ids.iter().map(|lane| Write::LaneOpened(*lane)).collect()).await.unwrap();
        (ids[0], ids[1])
    }

    /// A lane on chain as long as it is here; in the node's state too.
    async fn lane_change(&self, lane: &LaneId) -> Change {
        let row = self.app.store.lane(lane).await.unwrap().unwrap();
        let record = LaneRecord {
            version: V1,
            status: LaneStatus::Open,
            class: row.header.class,
            case: row.header.case,
            author: row.header.author,
            signer: None,
            size: row.head.size,
            root: row.head.root,
            height: 1,
            time: 0,
            seen: 0,
        };
        self.chain.raw.lock().unwrap().insert(record_key(ns::LANE, &lane.0), encode(&record));
        Change::Lane(Box::new(LaneView { lane: *lane, header: row.header, record, changed: 1 }))
    }

    /// Writes records into a case; they are anchored by [`Agent::anchor`].
    pub async fn records(&self, case: &CaseId, contents: &[&str]) -> Vec<EntryRef> {
        let mut places = Vec::new();
        for content in contents {
            let whole = data::join("text/plain", content.as_bytes()).unwrap();
            let (prefix, rest) = whole.split_at(whole.len() - content.len());
            let what = Append {
                case: *case,
                class: Class::Content,
                kind: Kind::Record,
                prev: None,
                prefix: prefix.to_vec(),
                content: &mut Input::memory(rest.to_vec()),
                idempotency: None,
            };
            places.push(append(&self.app, what).await.unwrap().unwrap().place());
        }
        places
    }

    /// Anchors everything that is here of these lanes.
    pub async fn anchor(&self, lanes: &[LaneId]) {
        let mut changes = Vec::new();
        for lane in lanes {
            changes.push(self.lane_change(lane).await);
        }
        self.block(changes).await;
    }

    /// A request signed as a client would.
    pub fn request(
        &self,
        key: &AccountKey,
        method: Method,
        target: &Target,
        body: &[u8],
    ) -> Request<Vec<u8>> {
        let parts = RequestParts {
            method: method.as_str(),
            authority: &self.site.name,
            path: &target.path,
            query: target.query.as_deref(),
            body,
        };
        let mut nonce = [0; 16];
        self.app.random.fill(&mut nonce).unwrap();
        let signed = sign_request(&parts, &self.app.net, key, self.clock.now(), nonce).unwrap();
        let mut request =
            Request::builder().method(method).uri(target.to_string()).body(body.to_vec()).unwrap();
        signed.insert_into(request.headers_mut());
        request
    }

    pub async fn send(&self, request: Request<Vec<u8>>) -> Response<Vec<u8>> {
        send(self.router.clone(), &self.site.name, request).await
    }

    /// Sends a signed request and checks that the answer is signed by this agent over its bytes.
    pub async fn call(
        &self,
        key: &AccountKey,
        method: Method,
        target: &Target,
        media_type: &str,
        body: &[u8],
    ) -> Response<Vec<u8>> {
        let mut request = self.request(key, method, target, body);
        if !media_type.is_empty() {
            request.headers_mut().insert(http::header::CONTENT_TYPE, media_type.parse().unwrap());
        }
        let fields = casewise_api::SignedHeaders::from_map(request.headers()).unwrap();
        let answer = self.send(request).await;
        let parts = ResponseParts {
            status: answer.status().as_u16(),
            body_sha256: sha256(&[answer.body()]),
            request_signature: &fields.signature_bytes().unwrap(),
        };
        let signer = check_response(&parts, answer.headers(), &self.app.net, self.clock.now())
            .expect("a signed answer");
        assert_eq!(signer.account, self.site.operator.address());
        answer
    }

    pub async fn get(&self, key: &AccountKey, target: &Target) -> Response<Vec<u8>> {
        self.call(key, Method::GET, target, "", b"").await
    }

    pub async fn get_json<T: DeserializeOwned>(&self, key: &AccountKey, target: &Target) -> T {
        json(self.get(key, target).await)
    }

    pub async fn post<T: serde::Serialize>(
        &self,
        key: &AccountKey,
        target: &Target,
        body: &T,
    ) -> Response<Vec<u8>> {
        self.call(key, Method::POST, target, "application/json", &serde_json::to_vec(body).unwrap()).await
    }

    pub async fn put<T: serde::Serialize>(
        &self,
        key: &AccountKey,
        target: &Target,
        body: &T,
    ) -> Response<Vec<u8>> {
        self.call(key, Method::PUT, target, "application/json", &serde_json::to_vec(body).unwrap()).await
    }

    /// A request to the private listener.
    pub async fn ask_private(&self, target: &Target, headers: &[(&str, &str)]) -> Response<Vec<u8>> {
        let mut request = Request::builder().uri(target.to_string()).body(Vec::new()).unwrap();
        for (name, value) in headers {
            request
                .headers_mut()
                .insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        send(self.private.clone(), "127.0.0.1", request).await
    }
}

fn config(site: &Site, directory: &Path) -> Config {
    Config {
        institution: site.number,
        manifest: directory.join("manifest"),
        data_dir: directory.join("data"),
        epoch_file: directory.join("epoch"),
        key_file: directory.join("keys"),
        passphrase_file: directory.join("passphrase"),
        listen_public: "127.0.0.1:1".parse().unwrap(),
        listen_private: "127.0.0.1:2".parse().unwrap(),
        public_name: site.name.clone(),
        token_file: directory.join("token"),
    }
}

/// The body of a success.
pub fn json<T: DeserializeOwned>(answer: Response<Vec<u8>>) -> T {
    assert!(answer.status().is_success(), "{}", String::from_utf8_lossy(answer.body()));
    serde_json::from_slice(answer.body()).unwrap()
}

/// The problem of a refusal; its status is the answer's.
pub fn problem(answer: &Response<Vec<u8>>) -> Problem {
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let problem: Problem = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(problem.status, answer.status().as_u16());
    problem
}

pub fn kind(answer: &Response<Vec<u8>>) -> ProblemKind {
    problem(answer).problem_kind().unwrap()
}

pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

/// A grant of ranges of one lane to an institution.
pub fn opening(case: &CaseId, author: u32, reader: u32, items: Vec<OpeningItem>) -> Opening {
    Opening {
        version: V1,
        case: *case,
        grantee: Party::Institution(reader),
        practitioner: None,
        author: Party::Institution(author),
        purpose: "TREAT".into(),
        labels: vec!["words only for people".into()],
        items,
        not_before: START - 1000,
        not_after: START + 3_600_000,
        erase_by: 0,
        salt: [reader as u8; 32],
    }
}

pub fn item(lane: LaneId, first: u32, last: u32, follow: bool) -> OpeningItem {
    OpeningItem { lane, first, last, follow }
}

/// The grant of an opening on chain.
pub fn grant(opening: &Opening, status: GrantStatus) -> Change {
    let (first, last) = opening.days();
    let record = GrantRecord { version: V1, case: opening.case, status, first, last };
    Change::Grant(GrantView { commitment: opening.commitment(), record, changed: 1 })
}

/// The patient's letter about a grant: keys of exactly its ranges.
pub fn grant_letter(patient: &Patient, opening: &Opening, roots: &[LaneKeys], to: &Site) -> Letter {
    let mut keys: BTreeMap<LaneId, casewise_keytree::KeySet> = BTreeMap::new();
    for item in &opening.items {
        let root = &roots.iter().find(|root| root.lane == item.lane).unwrap().nodes;
        keys.insert(item.lane, root.restrict(item.first, item.last).unwrap());
    }
    let keys = keys.into_iter().map(|(lane, nodes)| LaneKeys { lane, nodes }).collect();
    let payload = Payload { opening: Some(opening.clone()), ..Payload::of_keys(keys) };
    let commitment: Commitment = opening.commitment();
    Letter::seal(LetterKind::Grant, patient.case(), commitment.0, &to.kem().public(), &payload).unwrap()
}

/// The roots of a case's lanes, from the letters to the patient.
pub async fn roots(agent: &Agent, patient: &Patient) -> Vec<LaneKeys> {
    let target = casewise_api::route::letters(
        &patient.case(),
        casewise_api::body::LettersQuery { after: 0, limit: None },
    );
    let letters: Vec<casewise_api::body::LetterListing> = agent.get_json(&patient.key, &target).await;
    letters
        .iter()
        .flat_map(|letter| Letter::decode(&letter.letter.0).unwrap().open(&patient.kem).unwrap().keys)
        .collect()
}
