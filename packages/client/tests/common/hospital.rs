//! A hospital's agent as the client sees it, with the faults a bad one could have.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use casewise_api::body::{
    CaseKem, Countersignature, EntryListing, EntryPage, GrantBody, Head, InclusionProof, Info, LaneListing,
    LetterAccepted, LetterListing, ReceiptAnswer, ReleaseAnswer, ReleaseEntries, ReleaseLane, ReleaseRequest,
    SignedHead, SponsorRequest, Sponsored,
};
use casewise_api::signature::{RequestParts, ResponseParts, check_request, sign_response};
use casewise_api::{Base64, Hex, Packed, Problem, ProblemKind};
use casewise_client::ports::{Http, HttpError};
use casewise_keytree::KeySet;
use casewise_ledger::account::{AccountKey, PublicKey};
use casewise_ledger::entry::{Beacon, SUITE_GCM_SIV};
use casewise_ledger::lane::{MINIMUM, root_commitment};
use casewise_ledger::merkle::{self, NodeId, ProofPlan};
use casewise_ledger::{
    AnchorBatch, AnchorItem, CaseId, CaseOffer, Class, Commitment, Data, EntryHeader, EntryRef, Hash, Kind,
    LaneHeader, LaneId, Opening, Party, Receipt, Release, RotateBatch, RotateItem, RotateOffer, V1, sha256,
};
use casewise_protocol::{convert, ppr, registrar, summary};
use casewise_seal::{KemPublic, KemSecret, LaneKeys, Letter, LetterKind, ListedEntry, Payload, seal};
use casewise_testkit::contracts::{POLICY, addr, key};

use super::chain::DevChain;

/// An answer's body, or a problem.
type Answer = Result<Vec<u8>, Box<Problem>>;

/// What a bad agent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Answers nothing.
    Down,
    /// Signs answers with a key that is nobody's.
    StrangersKey,
    /// Does not sign its answers.
    Unsigned,
    /// Lists an entry with another claimed time than was anchored.
    ChangedEntry,
    /// Lists the second entry in the place of the first.
    MovedEntry,
    /// Does not list the newest entry.
    ShortList,
    /// Serves the body of another entry.
    SwappedBody,
    /// Shows the header of another lane.
    OtherHeader,
    /// Sends a root that is not the lane's.
    WrongRoot,
    /// Serves a key that the registrar does not know.
    OtherKemKey,
    /// Releases in the name of another case.
    OtherCase,
    /// Releases to another reader.
    OtherReader,
    /// Releases that last for an hour.
    LongRelease,
    /// Releases one entry more than was asked for.
    MoreThanAsked,
    /// Releases under a head that was never anchored.
    ForgedHead,
    /// Signs releases with a key that is nobody's.
    StrangersRelease,
    /// Answers the countersignature with another receipt.
    OtherReceipt,
    /// Writes receipts that claim more than was read.
    GreedyReceipt,
    /// Pays nobody's fees.
    NoAllowance,
    /// Writes receipts without the reader's signature.
    UnsignedReceipt,
}

struct Stored {
    entry: ListedEntry,
    body: Vec<u8>,
}

struct Lane {
    header: LaneHeader,
    root: [u8; 32],
    keys: KeySet,
    entries: Vec<Stored>,
    anchored: u32,
    successor: Option<LaneId>,
}

impl Lane {
    fn leaves(&self) -> Vec<Hash> {
        self.entries.iter().map(|stored| stored.entry.leaf()).collect()
    }

    fn head(&self, size: u32) -> casewise_ledger::Head {
        casewise_ledger::Head { size, root: merkle::root(&self.leaves()[..size as usize]) }
    }

    fn assemble(&self, plan: ProofPlan) -> Vec<Hash> {
        let leaves = self.leaves();
        let lookup = |NodeId { level, index }: NodeId| {
            let start = (index as usize) << level;
            leaves.get(start..start + (1 << level)).map(merkle::root)
        };
        plan.assemble(lookup).unwrap()
    }

    fn item(&self) -> AnchorItem {
        let size = self.entries.len() as u32;
        let proof = self.assemble(ProofPlan::consistency(self.anchored, size).unwrap());
        AnchorItem { lane: self.header.id(), size, root: self.head(size).root, proof, device: None }
    }
}

#[derive(Default)]
struct Inner {
    faults: Vec<Fault>,
    lanes: BTreeMap<LaneId, Lane>,
    mail: Vec<(CaseId, Hash, Vec<u8>)>,
    inbox: Vec<Vec<u8>>,
    openings: BTreeMap<Commitment, Opening>,
    releases: BTreeMap<[u8; 16], (Release, [u8; 64])>,
    patients: BTreeMap<CaseId, KemPublic>,
    epochs: BTreeMap<CaseId, u32>,
    nonces: Vec<(PublicKey, [u8; 16])>,
    requests: Vec<String>,
    counter: u8,
}

/// A hospital.
#[derive(Clone)]
pub struct Hospital {
    pub number: u32,
    pub key: AccountKey,
    pub authority: String,
    chain: Arc<DevChain>,
    kem: Arc<KemSecret>,
    inner: Arc<Mutex<Inner>>,
}

impl Hospital {
    /// Admitted by the consortium.
    pub fn admit(chain: &Arc<DevChain>, name: &str) -> Self {
        let (key, kem) = (key(name), KemSecret::generate().unwrap());
        let authority = format!("{}.example", name.to_lowercase());
        let message = registrar::ExecuteMsg::RegisterInstitution {
            kind: convert::InstitutionKind::Provider,
            account: addr(&key.address()).into_string(),
            name: name.into(),
            endpoint: format!("https://{authority}"),
            kem: convert::hex(&kem.public().hash()),
            operators: Vec::new(),
        };
        let number = chain.with(move |suite| {
            suite.registrar(&suite.authority.clone(), &message).unwrap();
            let config: registrar::ConfigResponse =
                suite.ask_registrar(&registrar::QueryMsg::Config {}).unwrap();
            config.institutions
        });
        let (chain, kem, inner) = (chain.clone(), Arc::new(kem), Arc::default());
        Self { number, key, authority, chain, kem, inner }
    }

    pub fn party(&self) -> Party {
        Party::Institution(self.number)
    }

    pub fn kem(&self) -> &KemSecret {
        &self.kem
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Lets the agent be bad in one way.
    pub fn set_fault(&self, fault: Fault) {
        self.lock().faults = vec![fault];
    }

    /// Lets the agent be good again.
    pub fn heal(&self) {
        self.lock().faults.clear();
    }

    /// Letters that arrived for this hospital.
    pub fn inbox(&self) -> Vec<Vec<u8>> {
        self.lock().inbox.clone()
    }

    /// Grants whose openings arrived.
    pub fn openings(&self) -> Vec<Commitment> {
        self.lock().openings.keys().copied().collect()
    }

    /// Methods and paths asked for since the last time.
    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().requests)
    }

    /// Takes an offer in: enrols, proposes, opens a content and an access lane, writes root letters.
    pub fn take_in(&self, offer: &CaseOffer) -> CaseId {
        self.take_in_by(offer, registrar::ExecuteMsg::enrol("wasm", offer).unwrap())
    }

    /// Takes an offer in whose holder's key is the hospital's own.
    pub fn take_in_custodial(&self, offer: &CaseOffer) -> CaseId {
        self.take_in_by(offer, registrar::ExecuteMsg::enrol_custodial(offer))
    }

    /// Puts the letter with the roots of all lanes of a case into the mailbox of who claims it.
    pub fn hand_over(&self, case: CaseId, to: &KemPublic) {
        let mut inner = self.lock();
        let lanes = inner.lanes.iter().filter(|(_, lane)| lane.header.case == case);
        let keys = lanes.map(|(id, lane)| LaneKeys { lane: *id, nodes: KeySet::root(&lane.root) });
        let payload = Payload::of_keys(keys.collect());
        let letter = Letter::seal(LetterKind::Claim, case, case.0, to, &payload).unwrap();
        inner.mail.push((case, to.hash(), letter.encode()));
    }

    fn take_in_by(&self, offer: &CaseOffer, enrol: registrar::ExecuteMsg) -> CaseId {
        let (case, sender) = (offer.card.id(), addr(&self.key.address()));
        self.chain.with(move |suite| {
            suite.registrar(&sender, &enrol).unwrap();
            suite.ppr(&sender, &ppr::ExecuteMsg::propose(&case, Some(&POLICY))).unwrap();
        });
        self.lock().patients.insert(case, KemPublic::from_bytes(&offer.kem_key).unwrap());
        self.chain.allow(self.key.address(), offer.card.holder);
        self.open(case, Class::Content);
        self.open(case, Class::Access);
        case
    }

    /// Takes over a case that another institution enrolled.
    pub fn join(&self, offer: &CaseOffer) {
        let (case, sender) = (offer.card.id(), addr(&self.key.address()));
        self.chain.with(move |suite| suite.ppr(&sender, &ppr::ExecuteMsg::propose(&case, None)).unwrap());
        self.lock().patients.insert(case, KemPublic::from_bytes(&offer.kem_key).unwrap());
    }

    /// Opens a lane and writes its root letter.
    pub fn open(&self, case: CaseId, class: Class) -> LaneId {
        let lane = self.new_lane(case, class, None);
        let header = self.lock().lanes[&lane].header.clone();
        let sender = addr(&self.key.address());
        self.chain.with(move |suite| suite.summary(&sender, &summary::ExecuteMsg::open(&[header])).unwrap());
        lane
    }

    fn new_lane(&self, case: CaseId, class: Class, predecessor: Option<LaneId>) -> LaneId {
        let mut inner = self.lock();
        inner.counter += 1;
        let root = sha256(&[b"root", &self.number.to_be_bytes(), &[inner.counter]]);
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&root[..16]);
        let header = LaneHeader {
            version: V1,
            case,
            author: self.party(),
            class,
            minimum: MINIMUM,
            epoch: inner.epochs.get(&case).copied().unwrap_or(0),
            root: root_commitment(&root),
            signer: None,
            predecessor,
            nonce,
        };
        let lane = header.id();
        let wrong = inner.faults.contains(&Fault::WrongRoot);
        let nodes = KeySet::root(if wrong { &[9; 32] } else { &root });
        let to = inner.patients[&case].clone();
        let payload = Payload::of_keys(vec![LaneKeys { lane, nodes }]);
        let letter = Letter::seal(LetterKind::Root, case, lane.0, &to, &payload).unwrap();
        inner.mail.push((case, to.hash(), letter.encode()));
        let keys = KeySet::root(&root);
        let made = Lane { header, root, keys, entries: Vec::new(), anchored: 0, successor: None };
        inner.lanes.insert(lane, made);
        lane
    }

    /// The lane of a class that is not succeeded.
    pub fn lane(&self, case: CaseId, class: Class) -> LaneId {
        let inner = self.lock();
        let fits =
            |lane: &&Lane| lane.header.case == case && lane.header.class == class && lane.successor.is_none();
        inner.lanes.values().find(fits).unwrap().header.id()
    }

    /// Seals an entry at the end of a lane.
    pub fn write(&self, lane: LaneId, kind: Kind, time: u64, data: &Data) -> EntryRef {
        let mut inner = self.lock();
        let lane = inner.lanes.get_mut(&lane).unwrap();
        let (index, key) = lane.keys.advance().unwrap();
        let header = EntryHeader {
            version: V1,
            suite: SUITE_GCM_SIV,
            lane: lane.header.id(),
            index,
            kind,
            time,
            beacon: Beacon::default(),
            prev: None,
        };
        let sealed = seal(&key, &header, lane.header.minimum, &data.encode().unwrap()).unwrap();
        lane.entries.push(Stored { entry: sealed.entry, body: sealed.body });
        EntryRef { lane: lane.header.id(), index }
    }

    /// Seals a text.
    pub fn record(&self, case: CaseId, time: u64, text: &str) -> EntryRef {
        let data = Data::Content { media_type: "text/plain".into(), content: text.into() };
        self.write(self.lane(case, Class::Content), Kind::Record, time, &data)
    }

    /// Anchors every lane that has grown, in one block.
    pub fn anchor(&self) {
        let sender = addr(&self.key.address());
        let items: Vec<AnchorItem> = {
            let inner = self.lock();
            let grown = inner.lanes.values().filter(|lane| lane.entries.len() as u32 > lane.anchored);
            grown.map(Lane::item).collect()
        };
        let sizes: Vec<(LaneId, u32)> = items.iter().map(|item| (item.lane, item.size)).collect();
        if items.is_empty() {
            return;
        }
        let batch = AnchorBatch { version: V1, items };
        self.chain.with(move |suite| suite.summary(&sender, &summary::ExecuteMsg::anchor(&batch)).unwrap());
        for (lane, size) in sizes {
            self.lock().lanes.get_mut(&lane).unwrap().anchored = size;
        }
    }

    /// Goes on in a new content lane.
    pub fn rotate(&self, case: CaseId) -> (LaneId, LaneId) {
        self.rotate_class(case, Class::Content)
    }

    /// Takes the key of a new holder and goes on in new lanes.
    fn new_holder(&self, body: &[u8]) -> Answer {
        let offer: RotateOffer = casewise_ledger::decode(body).unwrap();
        let (case, kem) = (offer.card.case, KemPublic::from_bytes(&offer.kem_key).unwrap());
        let known = self.chain.with(move |suite| suite.identity(&case));
        if known.epoch != offer.card.epoch || known.kem != convert::hex(&kem.hash()) {
            return Err(problem(ProblemKind::HolderRefused));
        }
        let before = self.lock().epochs.insert(case, offer.card.epoch);
        self.lock().patients.insert(case, kem);
        if before != Some(offer.card.epoch) {
            self.rotate_class(case, Class::Content);
            self.rotate_class(case, Class::Access);
        }
        Ok(Vec::new())
    }

    /// Pays the fees of another account.
    fn sponsor(&self, body: &[u8]) -> Answer {
        if self.lock().faults.contains(&Fault::NoAllowance) {
            return Err(problem(ProblemKind::SponsorLimit));
        }
        let SponsorRequest { account } = serde_json::from_slice(body).unwrap();
        self.chain.allow(self.key.address(), account);
        let fee_granter = addr(&self.key.address()).into_string();
        Ok(json(&Sponsored { account, fee_granter }))
    }

    fn rotate_class(&self, case: CaseId, class: Class) -> (LaneId, LaneId) {
        let old = self.lane(case, class);
        let new = self.new_lane(case, class, Some(old));
        let sender = addr(&self.key.address());
        let item = {
            let mut inner = self.lock();
            let next = inner.lanes[&new].header.clone();
            let lane = inner.lanes.get_mut(&old).unwrap();
            let last = lane.item();
            (lane.anchored, lane.successor) = (last.size, Some(new));
            RotateItem { last, next }
        };
        let batch = RotateBatch { version: V1, items: vec![item] };
        self.chain.with(move |suite| suite.summary(&sender, &summary::ExecuteMsg::rotate(&batch)).unwrap());
        (old, new)
    }

    /// The whole key tree of a lane, for a letter about a successor.
    pub fn root(&self, lane: LaneId) -> KeySet {
        KeySet::root(&self.lock().lanes[&lane].root)
    }

    /// Acknowledges a revocation.
    pub fn ack(&self, case: CaseId, rev: u32) {
        let sender = addr(&self.key.address());
        self.chain.with(move |suite| suite.ppr(&sender, &ppr::ExecuteMsg::ack(&case, rev)).unwrap());
    }

    fn answer(&self, request: &http::Request<Vec<u8>>, now: u64) -> Answer {
        let path = request.uri().path();
        let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
        if path == "/v1/info" {
            return Ok(json(&self.info()));
        }
        let net = self.chain.manifest().net();
        let authentic = check_request(
            &RequestParts {
                method: request.method().as_str(),
                authority: &self.authority,
                path,
                query: request.uri().query(),
                body: request.body(),
            },
            request.headers(),
            &[&self.authority],
            &net,
            now,
        )
        .map_err(|error| Box::new(Problem::from(error)))?;
        let nonce = (authentic.key, authentic.nonce);
        if self.lock().nonces.contains(&nonce) {
            return Err(problem(ProblemKind::ReplayedNonce));
        }
        self.lock().nonces.push(nonce);
        let query: BTreeMap<&str, &str> =
            request.uri().query().unwrap_or("").split('&').filter_map(|pair| pair.split_once('=')).collect();
        let number = |name: &str| query.get(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let body = request.body();
        match (request.method().as_str(), parts.as_slice()) {
            ("GET", ["cases", case, "lanes"]) => Ok(json(&self.list_lanes(case.parse().unwrap()))),
            ("GET", ["cases", case, "letters"]) => {
                Ok(json(&self.letters(case.parse().unwrap(), number("after"))))
            }
            ("GET", ["cases", ..]) => Ok(json(&CaseKem { epoch: 0, kem_key: Base64(Vec::new()) })),
            ("GET", ["lanes", lane, "entries"]) => {
                Ok(json(&self.entries(lane.parse().unwrap(), number("first") as u32, now)))
            }
            ("GET", ["lanes", lane, "entries", index, "body"]) => {
                Ok(self.body(lane.parse().unwrap(), index.parse().unwrap()))
            }
            ("PUT", ["cases", _, "holder"]) => self.new_holder(body),
            ("POST", ["cases", _, "sponsor"]) => self.sponsor(body),
            ("POST", ["letters"]) => {
                self.lock().inbox.push(body.clone());
                Ok(json(&LetterAccepted { seq: 1 }))
            }
            ("PUT", ["grants", grant]) => self.put_opening(grant.parse().unwrap(), body),
            ("POST", ["releases"]) => self.release(body, now),
            ("POST", ["releases", _]) => self.countersigned(body, now),
            ("GET", ["releases", _, "entries", lane, index, "body"]) => {
                Ok(self.body(lane.parse().unwrap(), index.parse().unwrap()))
            }
            ("GET", ["releases", _, "proofs", "inclusion"]) => {
                let (index, size) = (number("index") as u32, number("size") as u32);
                let inner = self.lock();
                let lane = &inner.lanes[&query["lane"].parse().unwrap()];
                let path = lane.assemble(ProofPlan::inclusion(index, size).unwrap());
                Ok(json(&InclusionProof { size, path: path.into_iter().map(Hex).collect() }))
            }
            _ => Err(problem(ProblemKind::NoRoute)),
        }
    }

    fn info(&self) -> Info {
        let other = self.lock().faults.contains(&Fault::OtherKemKey);
        let kem = if other { KemSecret::generate().unwrap().public() } else { self.kem.public() };
        Info {
            institution: self.number,
            net: Hex(self.chain.manifest().net()),
            name: "a hospital".into(),
            version: "test".into(),
            kem_key: Base64(kem.as_bytes().to_vec()),
            kem_epoch: 0,
        }
    }

    fn list_lanes(&self, case: CaseId) -> Vec<LaneListing> {
        let inner = self.lock();
        let other = inner.faults.contains(&Fault::OtherHeader);
        let own = inner.lanes.values().filter(|lane| lane.header.case == case);
        own.map(|lane| {
            let mut header = lane.header.clone();
            header.nonce[0] ^= u8::from(other);
            LaneListing {
                lane: lane.header.id(),
                header: Packed(header),
                anchored: lane.head(lane.anchored).into(),
                successor: lane.successor,
            }
        })
        .collect()
    }

    fn letters(&self, case: CaseId, after: u64) -> Vec<LetterListing> {
        let inner = self.lock();
        let mail = inner.mail.iter().enumerate().filter(|(_, (of, ..))| *of == case);
        mail.map(|(place, (.., letter))| LetterListing {
            seq: place as u64 + 1,
            letter: Base64(letter.clone()),
        })
        .filter(|letter| letter.seq > after)
        .take(2)
        .collect()
    }

    fn entries(&self, lane: LaneId, first: u32, now: u64) -> EntryPage {
        let inner = self.lock();
        let faults = &inner.faults;
        let lane = &inner.lanes[&lane];
        let last = if faults.contains(&Fault::ShortList) { lane.anchored - 1 } else { lane.anchored };
        let mut listed: Vec<EntryListing> =
            (first..last).take(3).map(|index| listing(&lane.entries[index as usize].entry)).collect();
        if faults.contains(&Fault::ChangedEntry)
            && let Some(entry) = listed.first_mut()
        {
            entry.header.0.time += 1;
        }
        if faults.contains(&Fault::MovedEntry) && listed.len() > 1 {
            listed[0] = listed[1].clone();
        }
        let head = lane.head(lane.anchored);
        EntryPage { head: SignedHead::sign(lane.header.id(), &head, now, &self.key), entries: listed }
    }

    fn body(&self, lane: LaneId, index: u32) -> Vec<u8> {
        let inner = self.lock();
        let lane = &inner.lanes[&lane];
        let swapped = inner.faults.contains(&Fault::SwappedBody);
        let index = if swapped { (index as usize + 1) % lane.entries.len() } else { index as usize };
        lane.entries[index].body.clone()
    }

    fn put_opening(&self, grant: Commitment, body: &[u8]) -> Answer {
        let GrantBody { opening: Packed(opening) } = serde_json::from_slice(body).unwrap();
        if opening.commitment() != grant {
            return Err(problem(ProblemKind::GrantRefused));
        }
        self.lock().openings.insert(grant, opening);
        Ok(json(&serde_json::json!({})))
    }

    fn release(&self, body: &[u8], now: u64) -> Answer {
        let request: ReleaseRequest = serde_json::from_slice(body).unwrap();
        let mut inner = self.lock();
        let opening =
            inner.openings.get(&request.grant).cloned().ok_or_else(|| problem(ProblemKind::Absent))?;
        let faults = inner.faults.clone();
        let bad = |fault| faults.contains(&fault);
        let mut items = request.items.clone();
        if bad(Fault::MoreThanAsked) {
            items[0].last += 1;
        }
        let mut release = Release {
            version: V1,
            case: if bad(Fault::OtherCase) { CaseId([9; 32]) } else { opening.case },
            grant: request.grant,
            server: self.party(),
            reader: if bad(Fault::OtherReader) { Party::Institution(99) } else { opening.grantee },
            practitioner: request.practitioner,
            rev: 0,
            height: self.chain.with(move |suite| suite.height()),
            items,
            leaves: [0; 32],
            nonce: sha256(&[body])[..16].try_into().unwrap(),
            expires: now + if bad(Fault::LongRelease) { 3_600_000 } else { 60_000 },
        };
        let (mut lanes, mut listed, mut leaves) = (Vec::new(), Vec::new(), Vec::new());
        for item in &release.items {
            let lane = &inner.lanes[&item.lane];
            let mut anchored = Head::from(lane.head(lane.anchored));
            if bad(Fault::ForgedHead) {
                anchored.root = Hex([7; 32]);
            }
            lanes.push(ReleaseLane { lane: item.lane, header: Packed(lane.header.clone()), anchored });
            let entries: Vec<EntryListing> =
                (item.first..=item.last).map(|index| listing(&lane.entries[index as usize].entry)).collect();
            leaves.extend(entries.iter().flat_map(EntryListing::leaf));
            listed.push(ReleaseEntries { lane: item.lane, entries });
        }
        release.leaves = sha256(&[&leaves]);
        let signer = if bad(Fault::StrangersRelease) { key("nobody") } else { self.key.clone() };
        let server_sig = signer.sign_message(&release.message());
        inner.releases.insert(release.nonce, (release.clone(), server_sig));
        Ok(json(&ReleaseAnswer {
            release: Packed(release),
            server_key: Hex(signer.public().0),
            server_sig: Hex(server_sig),
            lanes,
            items: listed,
        }))
    }

    fn countersigned(&self, body: &[u8], now: u64) -> Answer {
        let signature: Countersignature = serde_json::from_slice(body).unwrap();
        let faults = self.lock().faults.clone();
        let mut found = self.lock().releases.values().next_back().cloned().unwrap();
        let (case, good) = (found.0.case, found.clone());
        if faults.contains(&Fault::GreedyReceipt) {
            found.0.items[0].first = 0;
            found.1 = self.key.sign_message(&found.0.message());
        }
        let mut receipt = Receipt {
            release: found.0,
            server_key: self.key.public().0,
            server_sig: found.1,
            reader_key: signature.reader_key.0,
            reader_sig: signature.reader_sig.0,
        };
        if faults.contains(&Fault::UnsignedReceipt) {
            receipt.reader_sig = receipt.server_sig;
        }
        let access = self.lane(case, Class::Access);
        let access = self.write(access, Kind::Access, now, &Data::Access(Box::new(receipt.clone())));
        if !faults.contains(&Fault::OtherReceipt) {
            (receipt.release, receipt.server_sig) = good;
            receipt.reader_sig = signature.reader_sig.0;
        } else {
            receipt.release.rev += 1;
        }
        Ok(json(&ReceiptAnswer { receipt: Packed(receipt), access }))
    }
}

fn listing(entry: &ListedEntry) -> EntryListing {
    EntryListing {
        index: entry.header.index,
        header: Packed(entry.header.clone()),
        commitment: Hex(entry.commitment),
        body_length: entry.body_length,
        body_sha256: Hex(entry.body_sha256),
    }
}

fn problem(kind: ProblemKind) -> Box<Problem> {
    Box::new(kind.into())
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

/// Every hospital's agent, by its host.
#[derive(Default)]
pub struct Web {
    pub hospitals: Vec<Hospital>,
    pub now: std::sync::atomic::AtomicU64,
}

#[async_trait]
impl Http for Web {
    async fn exchange(
        &self,
        request: http::Request<Vec<u8>>,
        limit: u64,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        let now = self.now.load(std::sync::atomic::Ordering::SeqCst);
        let host = request.uri().authority().unwrap().as_str();
        let hospital = self.hospitals.iter().find(|hospital| hospital.authority == host);
        let hospital = hospital.ok_or_else(|| HttpError("no such host".into()))?;
        let faults = hospital.lock().faults.clone();
        if faults.contains(&Fault::Down) {
            return Err(HttpError("down".into()));
        }
        hospital.lock().requests.push(format!("{} {}", request.method(), request.uri().path()));
        let answer = hospital.answer(&request, now);
        let (status, body) = match answer {
            Ok(body) => (200, body),
            Err(problem) => (problem.status, serde_json::to_vec(&problem).unwrap()),
        };
        assert!(body.len() as u64 <= limit);
        let mut response = http::Response::new(body);
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        if request.headers().contains_key("signature") && !faults.contains(&Fault::Unsigned) {
            let signed = casewise_api::signature::SignedHeaders::from_map(request.headers()).unwrap();
            let parts = ResponseParts {
                status,
                body_sha256: sha256(&[response.body()]),
                request_signature: &signed.signature_bytes().unwrap(),
            };
            let stranger = faults.contains(&Fault::StrangersKey);
            let signer = if stranger { key("nobody") } else { hospital.key.clone() };
            let net = hospital.chain.manifest().net();
            sign_response(&parts, &net, &signer, now).unwrap().insert_into(response.headers_mut());
        }
        Ok(response)
    }
}
