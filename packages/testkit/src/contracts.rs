//! The three contracts in one process, with institutions, patients and lanes that have real keys,
//! real signatures and real Merkle proofs.
//!
//! Responsible for: a chain that tests can drive block by block. Must never take a short cut that
//! the contracts would not allow: everything goes through their messages.

use casewise_ledger::{
    Address, AnchorBatch, AnchorItem, CaseCard, CaseId, CaseOffer, Class, Commitment, Hash, Head, LaneHeader,
    LaneId, Opening, OpeningItem, Party, RotateBatch, RotateCard, RotateItem, RotateOffer, V1,
    account::AccountKey,
    case::{KEM_KEY_LEN, kem_hash, net},
    lane::{MINIMUM, root_commitment},
    merkle::{self, NodeId, ProofPlan},
    records::Policy,
    sha256,
};
use casewise_protocol::{
    Event, account,
    convert::{self, InstitutionKind},
    ppr, registrar, summary,
};
use cosmwasm_std::{
    Addr, Binary, BlockInfo, Deps, DepsMut, Empty, Env, MessageInfo, Order, Response, StdError, Storage,
    Timestamp, from_json,
};
use cw_multi_test::{App, AppBuilder, AppResponse, BankKeeper, ContractWrapper, Executor, MockApiBech32};
use serde::{Serialize, de::DeserializeOwned};

/// Bech32 prefix of the chain.
pub const PREFIX: &str = "wasm";
/// Id of the chain.
pub const CHAIN_ID: &str = "casewise-devchain";
/// Time of the first block, Unix ms: 2025-01-01.
pub const GENESIS_MS: u64 = 1_735_689_600_000;
/// Time between blocks, ms.
pub const BLOCK_MS: u64 = 500;
/// Policy of the cases made here.
pub const POLICY: Policy =
    Policy { cadence: 86_400, lateness: 3_600, grace: 600, completion: 3_600, amends: None };

/// A message's events, its data, or the contract's words of refusal.
pub type Outcome = Result<Done, String>;

/// What an accepted message did.
#[derive(Debug)]
pub struct Done {
    /// Events of ours, in order, with the contract that made each.
    pub events: Vec<(Addr, Event)>,
    /// The chain's full answer.
    pub response: AppResponse,
}

impl Done {
    /// The events without their contracts.
    pub fn events(&self) -> Vec<Event> {
        self.events.iter().map(|(_, event)| event.clone()).collect()
    }

    /// Positions and codes of the items that failed alone.
    pub fn failed(&self) -> Vec<summary::Failure> {
        let data = self.response.data.as_ref().expect("the answer to a batch has data");
        from_json::<summary::BatchResponse>(data).expect("a batch's data").failed
    }
}

/// How a contract does what a message says.
pub type Execute<Msg, Error> = fn(DepsMut, Env, MessageInfo, Msg) -> Result<Response, Error>;
/// How a contract answers.
pub type Query<Msg, Error> = fn(Deps, Env, Msg) -> Result<Binary, Error>;
type PprQuery = Query<ppr::QueryMsg, casewise_ppr::ContractError>;

/// The code of the contracts: the real one unless a test puts something around it.
#[derive(Clone, Copy)]
pub struct Code {
    /// registrar's messages.
    pub registrar: Execute<registrar::ExecuteMsg, casewise_registrar::ContractError>,
    /// ppr's messages.
    pub ppr: Execute<ppr::ExecuteMsg, casewise_ppr::ContractError>,
    /// ppr's answers.
    pub ppr_query: Query<ppr::QueryMsg, casewise_ppr::ContractError>,
    /// summary's messages.
    pub summary: Execute<summary::ExecuteMsg, casewise_summary::ContractError>,
    /// summary's answers.
    pub summary_query: Query<summary::QueryMsg, casewise_summary::ContractError>,
}

impl Default for Code {
    fn default() -> Self {
        Self {
            registrar: casewise_registrar::contract::execute,
            ppr: casewise_ppr::contract::execute,
            ppr_query: casewise_ppr::contract::query,
            summary: casewise_summary::contract::execute,
            summary_query: casewise_summary::contract::query,
        }
    }
}

/// All state of a chain at one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    block: BlockInfo,
    state: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Snapshot {
    /// Whether two chains have the same state, at whatever block.
    pub fn same_state(&self, other: &Self) -> bool {
        self.state == other.state
    }
}

/// The chain and the contracts on it.
pub struct Suite {
    /// The chain.
    pub app: App<BankKeeper, MockApiBech32>,
    /// The consortium.
    pub authority: Addr,
    /// Address of registrar.
    pub registrar: Addr,
    /// Address of ppr.
    pub ppr: Addr,
    /// Address of summary.
    pub summary: Addr,
}

/// A key made from a name: the same in every run.
pub fn key(name: &str) -> AccountKey {
    AccountKey::from_bytes(&sha256(&[b"testkit key ", name.as_bytes()])).expect("a hash is a valid key")
}

/// A patient's X-Wing public key in form only, made from a name.
fn kem_key(name: &str) -> [u8; KEM_KEY_LEN] {
    let mut kem_key = [0; KEM_KEY_LEN];
    kem_key[..32].copy_from_slice(&sha256(&[b"patient kem ", name.as_bytes()]));
    kem_key
}

/// The card of a case's key `epoch` for the account of the key `name`, signed by that key.
pub fn rotation(case: &CaseId, epoch: u32, name: &str) -> RotateOffer {
    let (key, kem_key) = (key(name), kem_key(name));
    let card = RotateCard { version: V1, case: *case, epoch, holder: key.address(), kem: kem_hash(&kem_key) };
    let signature = key.sign_message(&card.message());
    RotateOffer { version: V1, card, kem_key, key: key.public().0, signature }
}

/// The other signature of the same key over the same digest: s becomes n − s. The chain's host
/// takes it, nothing of ours may.
pub fn high_s(signature: &[u8; 64]) -> [u8; 64] {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba,
        0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
    ];
    let mut high = *signature;
    let mut borrow = 0i16;
    for at in (0..32).rev() {
        let digit = i16::from(ORDER[at]) - i16::from(signature[32 + at]) - borrow;
        borrow = i16::from(digit < 0);
        high[32 + at] = digit.rem_euclid(256) as u8;
    }
    assert_ne!(high, *signature);
    high
}

/// The account of a key, as text.
pub fn addr(account: &Address) -> Addr {
    Addr::unchecked(account::encode(PREFIX, account).expect("the prefix is valid"))
}

/// An institution with its main account's key.
#[derive(Clone, Debug)]
pub struct Institution {
    /// Its number.
    pub number: u32,
    /// Key of its main account.
    pub key: AccountKey,
}

impl Institution {
    /// Its main account.
    pub fn addr(&self) -> Addr {
        addr(&self.key.address())
    }
}

/// A patient's key and offer for one case.
#[derive(Clone, Debug)]
pub struct Patient {
    /// The holder's key.
    pub key: AccountKey,
    /// The signed offer.
    pub offer: CaseOffer,
}

impl Patient {
    /// The holder's account.
    pub fn addr(&self) -> Addr {
        addr(&self.key.address())
    }

    /// The case.
    pub fn case(&self) -> CaseId {
        self.offer.card.id()
    }
}

impl Default for Suite {
    fn default() -> Self {
        Self::new()
    }
}

impl Suite {
    /// A chain with the three contracts, instantiated in order and made known to each other.
    pub fn new() -> Self {
        Self::with_code(Code::default())
    }

    /// The same with other code in place of a contract's: for tests that show that a wrong contract
    /// is noticed.
    pub fn with_code(code: Code) -> Self {
        let mut suite = Self::parts(code);
        suite.set_ppr();
        suite
    }

    /// The same, but registrar does not know ppr yet.
    pub fn without_ppr() -> Self {
        Self::parts(Code::default())
    }

    fn parts(code: Code) -> Self {
        let mut app = AppBuilder::default().with_api(MockApiBech32::new(PREFIX)).build(|_, _, _| {});
        app.set_block(BlockInfo {
            height: 1,
            time: Timestamp::from_nanos(GENESIS_MS * 1_000_000),
            chain_id: CHAIN_ID.to_string(),
        });
        let authority = addr(&key("authority").address());
        let registrar = {
            let code = ContractWrapper::new(
                code.registrar,
                casewise_registrar::contract::instantiate,
                casewise_registrar::contract::query,
            )
            .with_migrate(casewise_registrar::contract::migrate);
            let msg = registrar::InstantiateMsg { authority: authority.to_string(), recovery_delay: None };
            instantiate(&mut app, Box::new(code), &authority, &msg, "registrar", Some(&authority))
        };
        let ppr = start_ppr(&mut app, &authority, &registrar, (code.ppr, code.ppr_query));
        let summary = {
            let code = ContractWrapper::new(
                code.summary,
                casewise_summary::contract::instantiate,
                code.summary_query,
            );
            let msg = summary::InstantiateMsg { registrar: registrar.to_string(), ppr: ppr.to_string() };
            instantiate(&mut app, Box::new(code), &authority, &msg, "summary", None)
        };
        let mut suite = Self { app, authority: authority.clone(), registrar, ppr, summary };
        let msg = ppr::ExecuteMsg::SetSummary { summary: suite.summary.to_string() };
        suite.ppr(&authority, &msg).expect("the authority sets the summary");
        suite
    }

    /// Makes ppr known to registrar.
    fn set_ppr(&mut self) {
        let msg = registrar::ExecuteMsg::SetPpr { ppr: self.ppr.to_string() };
        self.registrar(&self.authority.clone(), &msg).expect("the authority sets ppr");
    }

    /// Puts a new ppr, which knows no summary, in place of the old one.
    pub fn replace_ppr(&mut self) {
        let code = Code::default();
        self.ppr = start_ppr(&mut self.app, &self.authority, &self.registrar, (code.ppr, code.ppr_query));
        self.set_ppr();
    }

    /// Migrates ppr, as its admin, to the code of now.
    pub fn migrate_ppr(&mut self) -> Result<(), String> {
        let code = self.app.contract_data(&self.ppr).expect("ppr is there").code_id;
        let (admin, ppr) = (self.authority.clone(), self.ppr.clone());
        self.app.migrate_contract(admin, ppr, &ppr::MigrateMsg {}, code).map(|_| ()).map_err(words)
    }

    /// Sends a message in a new block.
    pub fn send<M: Serialize + core::fmt::Debug>(
        &mut self,
        sender: &Addr,
        contract: &Addr,
        msg: &M,
    ) -> Outcome {
        self.advance(BLOCK_MS);
        self.send_now(sender, contract, msg)
    }

    /// Sends a message in the present block.
    pub fn send_now<M: Serialize + core::fmt::Debug>(
        &mut self,
        sender: &Addr,
        contract: &Addr,
        msg: &M,
    ) -> Outcome {
        let sent = self.app.execute_contract(sender.clone(), contract.clone(), msg, &[]);
        sent.map(done).map_err(words)
    }

    /// Sends a message to registrar.
    pub fn registrar(&mut self, sender: &Addr, msg: &registrar::ExecuteMsg) -> Outcome {
        self.send(sender, &self.registrar.clone(), msg)
    }

    /// Sends a message to ppr.
    pub fn ppr(&mut self, sender: &Addr, msg: &ppr::ExecuteMsg) -> Outcome {
        self.send(sender, &self.ppr.clone(), msg)
    }

    /// Sends a message to summary.
    pub fn summary(&mut self, sender: &Addr, msg: &summary::ExecuteMsg) -> Outcome {
        self.send(sender, &self.summary.clone(), msg)
    }

    /// Asks registrar.
    pub fn ask_registrar<T: DeserializeOwned>(&self, msg: &registrar::QueryMsg) -> Result<T, String> {
        self.app.wrap().query_wasm_smart(&self.registrar, msg).map_err(words)
    }

    /// Asks ppr.
    pub fn ask_ppr<T: DeserializeOwned>(&self, msg: &ppr::QueryMsg) -> Result<T, String> {
        self.app.wrap().query_wasm_smart(&self.ppr, msg).map_err(words)
    }

    /// Asks summary.
    pub fn ask_summary<T: DeserializeOwned>(&self, msg: &summary::QueryMsg) -> Result<T, String> {
        self.app.wrap().query_wasm_smart(&self.summary, msg).map_err(words)
    }

    /// A raw value of a contract's state.
    pub fn raw(&self, contract: &Addr, key: Vec<u8>) -> Option<Vec<u8>> {
        self.app.wrap().query_wasm_raw(contract, key).expect("a raw query of a contract answers")
    }

    /// All raw keys and values of a contract's state.
    pub fn dump(&self, contract: &Addr) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.app.dump_wasm_raw(contract)
    }

    /// All state of the chain.
    pub fn snapshot(&self) -> Snapshot {
        let state = self.app.storage().range(None, None, Order::Ascending).collect();
        Snapshot { block: self.app.block_info(), state }
    }

    /// Goes back to a snapshot of this chain.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        self.app.set_block(snapshot.block.clone());
        let storage = self.app.storage_mut();
        let keys: Vec<_> = storage.range(None, None, Order::Ascending).map(|(key, _)| key).collect();
        keys.iter().for_each(|key| storage.remove(key));
        snapshot.state.iter().for_each(|(key, value)| storage.set(key, value));
    }

    /// A new block, `ms` later.
    pub fn advance(&mut self, ms: u64) {
        self.app.update_block(|block| {
            block.height += 1;
            block.time = block.time.plus_nanos(ms * 1_000_000);
        });
    }

    /// Time of the current block, Unix ms.
    pub fn now(&self) -> u64 {
        casewise_protocol::block_ms(&self.app.block_info())
    }

    /// Height of the current block.
    pub fn height(&self) -> u64 {
        self.app.block_info().height
    }

    /// The id of this network.
    pub fn net(&self) -> Hash {
        let config: registrar::ConfigResponse =
            self.ask_registrar(&registrar::QueryMsg::Config {}).expect("registrar has settings");
        convert::fixed("net", &config.net).expect("a net has 32 bytes")
    }

    /// The id of this network, computed apart from the contract.
    pub fn net_apart(&self) -> Hash {
        let address = canonical(&self.registrar);
        net(CHAIN_ID, &address)
    }

    /// The message that admits an institution with a key made from its name.
    pub fn admission(name: &str) -> registrar::ExecuteMsg {
        registrar::ExecuteMsg::RegisterInstitution {
            kind: InstitutionKind::Provider,
            account: addr(&key(name).address()).into_string(),
            name: name.to_string(),
            endpoint: format!("https://{}.example", name.to_lowercase().replace(' ', "-")),
            kem: convert::hex(&sha256(&[b"kem ", name.as_bytes()])),
            operators: Vec::new(),
        }
    }

    /// Admits an institution.
    pub fn admit(&mut self, name: &str) -> Institution {
        let done =
            self.registrar(&self.authority.clone(), &Self::admission(name)).expect("the authority admits");
        match done.events().as_slice() {
            [Event::InstitutionRegistered { number, .. }] => Institution { number: *number, key: key(name) },
            other => panic!("admission gave {other:?}"),
        }
    }

    /// A patient's signed offer to an institution, valid for a day.
    pub fn offer(&self, name: &str, institution: u32, recovery: Option<Address>) -> Patient {
        let key = key(name);
        let kem_key = kem_key(name);
        let card = CaseCard {
            version: V1,
            net: self.net(),
            holder: key.address(),
            kem: kem_hash(&kem_key),
            salt: sha256(&[b"salt ", name.as_bytes()]),
        };
        let expires = self.now() + 86_400_000;
        let signature = key.sign_message(&card.open_message(recovery, institution, expires));
        let offer = CaseOffer {
            version: V1,
            card,
            kem_key,
            recovery,
            institution,
            expires,
            key: key.public().0,
            signature,
        };
        Patient { key, offer }
    }

    /// Enrols a patient's case at an institution.
    pub fn enrol(&mut self, institution: &Institution, name: &str) -> Patient {
        let patient = self.offer(name, institution.number, None);
        let msg = registrar::ExecuteMsg::enrol(PREFIX, &patient.offer).expect("the prefix is valid");
        self.registrar(&institution.addr(), &msg).expect("the institution enrols");
        patient
    }

    /// Enrols a case whose key the institution made.
    pub fn enrol_custodial(&mut self, institution: &Institution, name: &str) -> Patient {
        let patient = self.offer(name, institution.number, None);
        let msg = registrar::ExecuteMsg::enrol_custodial(&patient.offer);
        self.registrar(&institution.addr(), &msg).expect("the institution enrols");
        patient
    }

    /// Enrols a case that the account of the key `recovery` may recover.
    pub fn enrol_recoverable(&mut self, institution: &Institution, name: &str, recovery: &str) -> Patient {
        let patient = self.offer(name, institution.number, Some(key(recovery).address()));
        let msg = registrar::ExecuteMsg::enrol(PREFIX, &patient.offer).expect("the prefix is valid");
        self.registrar(&institution.addr(), &msg).expect("the institution enrols");
        patient
    }

    /// A case's identity as registrar has it.
    pub fn identity(&self, case: &CaseId) -> registrar::IdentityInfo {
        let found: Option<registrar::IdentityInfo> =
            self.ask_registrar(&registrar::QueryMsg::identity(case)).expect("registrar answers");
        found.expect("the case is enrolled")
    }

    /// The signed card that makes the account of the key `name` the case's next holder.
    pub fn rotation(&self, case: &CaseId, name: &str) -> RotateOffer {
        rotation(case, self.identity(case).epoch + 1, name)
    }

    /// Puts the account of the key `name` in the holder's place; returns its key.
    pub fn rotate(&mut self, case: &CaseId, name: &str) -> AccountKey {
        let holder = Addr::unchecked(self.identity(case).holder);
        let msg = registrar::ExecuteMsg::rotate(&self.rotation(case, name));
        self.registrar(&holder, &msg).expect("the holder rotates");
        key(name)
    }

    /// Registers the account of the key `name` as a doctor of the institution.
    pub fn practitioner(&mut self, institution: &Institution, name: &str) -> Addr {
        let account = addr(&key(name).address());
        let msg = registrar::ExecuteMsg::RegisterPractitioner {
            account: account.to_string(),
            role: convert::PractitionerRole::Doctor,
        };
        self.registrar(&institution.addr(), &msg).expect("the institution registers a practitioner");
        account
    }

    /// Enrols a case and proposes the institution to it, with [`POLICY`].
    pub fn propose(&mut self, institution: &Institution, name: &str) -> Patient {
        let patient = self.enrol(institution, name);
        let msg = ppr::ExecuteMsg::propose(&patient.case(), Some(&POLICY));
        self.ppr(&institution.addr(), &msg).expect("the institution proposes");
        patient
    }

    /// A case whose relationship with the institution is in force.
    pub fn onboard(&mut self, institution: &Institution, name: &str) -> Patient {
        let patient = self.propose(institution, name);
        let msg = ppr::ExecuteMsg::accept(&patient.case(), institution.number);
        self.ppr(&patient.addr(), &msg).expect("the holder accepts");
        patient
    }

    /// Opens a lane.
    pub fn open(&mut self, institution: &Institution, lane: &Lane) {
        let msg = summary::ExecuteMsg::open(std::slice::from_ref(&lane.header));
        self.summary(&institution.addr(), &msg).expect("the institution opens a lane");
    }

    /// Anchors all entries of lanes.
    pub fn anchor(&mut self, institution: &Institution, lanes: &mut [&mut Lane]) -> Outcome {
        let mut items: Vec<AnchorItem> = lanes.iter_mut().map(|lane| lane.anchor()).collect();
        items.sort_by_key(|item| item.lane);
        self.summary(&institution.addr(), &summary::ExecuteMsg::anchor(&AnchorBatch { version: V1, items }))
    }

    /// A lane as summary has it.
    pub fn lane(&self, lane: &LaneId) -> summary::LaneInfo {
        let found: Option<summary::LaneInfo> =
            self.ask_summary(&summary::QueryMsg::lane(lane)).expect("summary answers");
        found.expect("the lane exists")
    }

    /// A case as summary has it.
    pub fn case(&self, case: &CaseId) -> summary::CaseInfo {
        let found: Option<summary::CaseInfo> =
            self.ask_summary(&summary::QueryMsg::case(case)).expect("summary answers");
        found.expect("the case has had a lane")
    }
}

fn instantiate<M: Serialize>(
    app: &mut App<BankKeeper, MockApiBech32>,
    code: Box<dyn cw_multi_test::Contract<Empty>>,
    authority: &Addr,
    msg: &M,
    label: &str,
    admin: Option<&Addr>,
) -> Addr {
    let code_id = app.store_code(code);
    app.instantiate_contract(code_id, authority.clone(), msg, &[], label, admin.map(Addr::to_string))
        .expect("the contract starts")
}

fn start_ppr(
    app: &mut App<BankKeeper, MockApiBech32>,
    authority: &Addr,
    registrar: &Addr,
    (execute, query): (Execute<ppr::ExecuteMsg, casewise_ppr::ContractError>, PprQuery),
) -> Addr {
    let code = ContractWrapper::new(execute, casewise_ppr::contract::instantiate, query)
        .with_migrate(casewise_ppr::contract::migrate);
    let msg = ppr::InstantiateMsg { registrar: registrar.to_string() };
    instantiate(app, Box::new(code), authority, &msg, "ppr", Some(authority))
}

fn canonical(contract: &Addr) -> [u8; 32] {
    use cosmwasm_std::Api;
    let bytes =
        MockApiBech32::new(PREFIX).addr_canonicalize(contract.as_str()).expect("a contract's address");
    bytes.as_slice().try_into().expect("a contract's address has 32 bytes")
}

fn done(response: AppResponse) -> Done {
    let mut events = Vec::new();
    for event in &response.events {
        let attributes: Vec<_> = event
            .attributes
            .iter()
            .map(|attribute| (attribute.key.clone(), attribute.value.clone()))
            .collect();
        if let Some(parsed) = Event::parse(&event.ty, &attributes).expect("events of the contracts parse") {
            let contract =
                casewise_protocol::events::contract(&attributes).expect("an event names its contract");
            events.push((Addr::unchecked(contract), parsed));
        }
    }
    Done { events, response }
}

/// The contract's own words, without what the chain puts around them.
fn words(error: StdError) -> String {
    let text = error.to_string();
    text.rsplit_once("error: ").map_or(text.as_str(), |(_, words)| words).trim().to_string()
}

/// A lane with its entries' leaves, as its author has it.
#[derive(Clone, Debug)]
pub struct Lane {
    /// The header.
    pub header: LaneHeader,
    /// Leaves of the entries, in order.
    pub leaves: Vec<Hash>,
    /// How many of them were anchored.
    pub anchored: u32,
}

impl Lane {
    /// A content lane of an institution. `name` makes root and nonce.
    pub fn content(case: &CaseId, institution: &Institution, name: &str) -> Self {
        Self::new(case, institution, Class::Content, name)
    }

    /// An access lane of an institution.
    pub fn access(case: &CaseId, institution: &Institution, name: &str) -> Self {
        Self::new(case, institution, Class::Access, name)
    }

    fn new(case: &CaseId, institution: &Institution, class: Class, name: &str) -> Self {
        let root_key = sha256(&[b"lane ", name.as_bytes()]);
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&root_key[..16]);
        let header = LaneHeader {
            version: V1,
            case: *case,
            author: Party::Institution(institution.number),
            class,
            minimum: MINIMUM,
            epoch: 0,
            root: root_commitment(&root_key),
            signer: None,
            predecessor: None,
            nonce,
        };
        Self { header, leaves: Vec::new(), anchored: 0 }
    }

    /// The lane's id.
    pub fn id(&self) -> LaneId {
        self.header.id()
    }

    /// Adds entries.
    pub fn append(&mut self, count: u32) {
        for _ in 0..count {
            let index = (self.leaves.len() as u32).to_be_bytes();
            self.leaves.push(sha256(&[&self.id().0, &index]));
        }
    }

    /// The head over the first `size` entries.
    pub fn head(&self, size: u32) -> Head {
        Head { size, root: merkle::root(&self.leaves[..size as usize]) }
    }

    /// What the author posts to go from size `from` to size `to`.
    pub fn item(&self, from: u32, to: u32) -> AnchorItem {
        let plan = ProofPlan::consistency(from, to).expect("sizes do not fall");
        let subtree = |NodeId { level, index }: NodeId| {
            let start = (index as usize) << level;
            self.leaves.get(start..start + (1 << level)).map(merkle::root)
        };
        let proof = plan.assemble(subtree).expect("all leaves are at hand");
        AnchorItem { lane: self.id(), size: to, root: self.head(to).root, proof, device: None }
    }

    /// What the author posts to anchor all entries, taken as anchored from now on.
    pub fn anchor(&mut self) -> AnchorItem {
        let size = self.leaves.len() as u32;
        let item = self.item(self.anchored, size);
        self.anchored = size;
        item
    }

    /// A lane that goes on from this one.
    pub fn successor(&self, name: &str) -> Self {
        let root_key = sha256(&[b"lane ", name.as_bytes()]);
        let mut header = self.header.clone();
        header.root = root_commitment(&root_key);
        header.nonce.copy_from_slice(&root_key[..16]);
        header.predecessor = Some(self.id());
        Self { header, leaves: Vec::new(), anchored: 0 }
    }

    /// The rotation of this lane, at all its entries, to `next`.
    pub fn rotation(&mut self, next: &Lane) -> RotateItem {
        RotateItem { last: self.anchor(), next: next.header.clone() }
    }
}

/// A batch of rotations in the order the contract wants.
pub fn rotations(mut items: Vec<RotateItem>) -> summary::ExecuteMsg {
    items.sort_by_key(|item| item.last.lane);
    summary::ExecuteMsg::rotate(&RotateBatch { version: V1, items })
}

/// A batch of anchors in the order the contract wants.
pub fn anchors(mut items: Vec<AnchorItem>) -> AnchorBatch {
    items.sort_by_key(|item| item.lane);
    AnchorBatch { version: V1, items }
}

/// A grant of a lane's entries `first..=last` to an institution, in force for `days` from `now`.
pub fn opening(lane: &Lane, reader: &Institution, (first, last): (u32, u32), now: u64, days: u64) -> Opening {
    let id = lane.id();
    Opening {
        version: V1,
        case: lane.header.case,
        grantee: Party::Institution(reader.number),
        practitioner: None,
        author: lane.header.author,
        purpose: "TREAT".to_string(),
        labels: Vec::new(),
        items: vec![OpeningItem { lane: id, first, last, follow: false }],
        not_before: now,
        not_after: now + days * casewise_ledger::grant::DAY_MS,
        erase_by: 0,
        salt: sha256(&[b"grant ", &id.0, &first.to_be_bytes(), &last.to_be_bytes(), &now.to_be_bytes()]),
    }
}

/// The message that makes grants of openings of one case.
pub fn share(openings: &[Opening]) -> ppr::ExecuteMsg {
    let case = openings.first().expect("at least one opening").case;
    let grants = openings.iter().map(|opening| ppr::NewGrant::new(&opening.commitment(), opening.days()));
    ppr::ExecuteMsg::grant(&case, grants.collect())
}

/// A commitment made from a name, for tests that need no opening.
pub fn commitment(name: &str) -> Commitment {
    Commitment(sha256(&[b"commitment ", name.as_bytes()]))
}
