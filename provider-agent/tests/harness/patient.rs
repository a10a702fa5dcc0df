//! A patient: keys of a phrase, a case, and a reading of everything an agent serves of it that trusts
//! nobody but the chain.

use std::collections::BTreeMap;

use casewise_api::body::{LaneListing, SignedHead};
use casewise_client::{
    Endpoint, Phrase, World,
    agent::Agent as Remote,
    http::{ReqwestHttp, SystemClock},
    ports::SystemRandom,
};
use casewise_keytree::KeySet;
use casewise_ledger::{
    AnchoredHead, CaseCard, CaseId, CaseOffer, Class, Data, Hash, Kind, LaneHeader, LaneId, Party, V1,
    account::AccountKey,
    case::kem_hash,
    lane::root_commitment,
    merkle::{self, Frontier, NodeId, ProofPlan},
    records::{LaneRecord, LaneStatus},
    sha256,
};
use casewise_seal::{KemSecret, Letter, LetterKind, ListedEntry, accept_entry};

use futures::StreamExt;

use super::{agent::Agent, network::Net, now_ms};

/// How long an offer is good, ms.
const OFFER_LIFE: u64 = 3_600_000;

/// Bodies fetched at the same time.
const AT_ONCE: usize = 8;

/// A patient with one case.
pub struct Patient {
    /// The holder's account.
    pub key: AccountKey,
    /// The case's decapsulation key.
    pub kem: KemSecret,
    /// What was shown to the institution.
    pub offer: CaseOffer,
    /// Root keys that arrived by letter; kept, as a patient keeps them.
    roots: BTreeMap<LaneId, Hash>,
}

/// An entry that was fetched, accepted and opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its leaf.
    pub leaf: Hash,
    /// What it is.
    pub kind: Kind,
    /// Media type and hash of the content, of a record.
    pub content: Option<(String, Hash)>,
}

/// A lane as the patient finds it.
#[derive(Debug)]
pub struct Lane {
    /// Its header.
    pub header: LaneHeader,
    /// The chain's record when the reading began.
    pub record: LaneRecord,
    /// The lane that goes on from it, as the agent says.
    pub successor: Option<LaneId>,
    /// Every entry that the agent serves, from 0.
    pub entries: Vec<Opened>,
    /// The heads that came with them.
    pub heads: Vec<SignedHead>,
}

impl Patient {
    /// A new phrase, and an offer of its first case to an institution.
    pub fn new(net: &Net, institution: u32) -> Self {
        let phrase = Phrase::generate().expect("a phrase");
        let (key, kem) = (phrase.account(0).expect("a key"), phrase.kem_secret(0).expect("a secret"));
        let public = kem.public();
        let card = CaseCard {
            version: V1,
            net: net.manifest.net(),
            holder: key.address(),
            kem: kem_hash(public.as_bytes()),
            salt: rand::random(),
        };
        let offer = CaseOffer {
            version: V1,
            card,
            kem_key: *public.as_bytes(),
            recovery: None,
            institution,
            expires: now_ms() + OFFER_LIFE,
            key: key.public().0,
            signature: [0; 64],
        };
        let mut patient = Self { key, kem, offer, roots: BTreeMap::new() };
        patient.sign();
        patient
    }

    /// Signs the offer as it is now.
    pub fn sign(&mut self) {
        self.offer.signature = self.key.sign_message(&self.offer.message());
    }

    /// The case.
    pub fn case(&self) -> CaseId {
        self.offer.card.id()
    }

    /// Reads every lane of the case at its author: headers that hash to the lanes on chain, root keys
    /// that the headers commit to, entries whose tree has the root on chain, bodies that open.
    ///
    /// `known` are leaves that somebody else remembers: of a lane that was given up after a restore the
    /// agent cannot serve the last entries, and the anchored root is then checked with those.
    /// Panics with what does not fit.
    pub async fn read(
        &mut self,
        net: &Net,
        agent: &Agent,
        known: &BTreeMap<LaneId, Vec<Hash>>,
    ) -> BTreeMap<LaneId, Lane> {
        let (http, facts, key) = (ReqwestHttp::new().expect("HTTP"), net.facts(), self.key.clone());
        let world = World {
            http: &http,
            clock: &SystemClock,
            random: &SystemRandom,
            directory: &facts,
            net: net.manifest.net(),
        };
        let on_chain = net.lanes(&self.case()).await;
        let remote = Remote::find(world, agent.number, &key).await.expect("the institution is listed");
        assert_eq!(remote.endpoint(), &Endpoint::parse(&format!("http://{}", agent.authority())).unwrap());
        let listed = remote.lanes(&self.case()).await.expect("lanes");
        self.take_letters(&remote, &listed).await;
        let mut lanes = BTreeMap::new();
        for (lane, record) in on_chain {
            let listing = listed.iter().find(|listing| listing.lane == lane);
            let listing = listing.unwrap_or_else(|| panic!("lane {lane} is on chain and not at its author"));
            let known = known.get(&lane).map_or(&[][..], Vec::as_slice);
            lanes.insert(lane, self.read_lane(&remote, agent, listing, record, known).await);
        }
        lanes
    }

    async fn take_letters(&mut self, remote: &Remote<'_>, listed: &[LaneListing]) {
        let mut after = 0;
        loop {
            let letters = remote.letters(&self.case(), after).await.expect("letters");
            let Some(last) = letters.last() else { return };
            after = last.seq;
            for letter in letters {
                let letter = Letter::decode(&letter.letter.0).expect("a letter");
                assert_eq!((letter.kind, letter.case), (LetterKind::Root, self.case()));
                let payload = letter.open(&self.kem).expect("a letter to this patient");
                let [keys] = payload.keys.as_slice() else { panic!("a root letter holds one lane's keys") };
                let Some(listing) = listed.iter().find(|listing| listing.lane == keys.lane) else { continue };
                keys.check_root(&listing.header.0).expect("the root its header commits to");
                self.roots.insert(keys.lane, *keys.nodes.expose_root().expect("a root"));
            }
        }
    }

    async fn read_lane(
        &self,
        remote: &Remote<'_>,
        agent: &Agent,
        listing: &LaneListing,
        record: LaneRecord,
        known: &[Hash],
    ) -> Lane {
        let (lane, header) = (listing.lane, listing.header.0.clone());
        assert_eq!(header.id(), lane, "a header that is not the lane's");
        assert_eq!((header.case, header.author), (self.case(), Party::Institution(agent.number)));
        assert_eq!((record.case, record.author, record.class), (header.case, header.author, header.class));
        let (entries, heads) = list(remote, agent, &lane, &record).await;
        let mut leaves: Vec<Hash> = entries.iter().map(ListedEntry::leaf).collect();
        if leaves.len() < record.size as usize {
            assert_eq!(record.status, LaneStatus::Closed, "lane {lane} is open and its agent misses entries");
            assert!(known.len() >= record.size as usize, "lane {lane}: nobody knows its last entries");
            assert_eq!(
                leaves[..],
                known[..leaves.len()],
                "lane {lane}: other entries than were acknowledged"
            );
            leaves.extend(&known[leaves.len()..record.size as usize]);
        }
        let tree = Tree::new(&leaves);
        assert_eq!(tree.root, record.root, "lane {lane}: the entries served are not those anchored");
        let head = AnchoredHead { lane, size: record.size, root: record.root };
        let bodies = (0..).zip(&entries).map(async |(index, entry): (u32, &ListedEntry)| {
            let body = remote.body(&lane, index, entry.body_length).await;
            let body = body.unwrap_or_else(|error| panic!("body {index} of lane {lane}: {error}"));
            self.open(&header, &head, index, entry, &tree, &body)
        });
        let opened = futures::stream::iter(bodies).buffered(AT_ONCE).collect().await;
        self.spot_check(remote, &lane, &record, &tree, entries.len()).await;
        Lane { header, record, successor: listing.successor, entries: opened, heads }
    }

    /// Accepts an entry under its anchored head, and opens it.
    fn open(
        &self,
        header: &LaneHeader,
        head: &AnchoredHead,
        index: u32,
        entry: &ListedEntry,
        tree: &Tree,
        body: &[u8],
    ) -> Opened {
        let lane = head.lane;
        let root = self.roots.get(&lane).unwrap_or_else(|| panic!("no root key of lane {lane} arrived"));
        assert_eq!(root_commitment(root), header.root);
        let accepted =
            accept_entry(header, head, index, entry, &tree.proof(index)).expect("an entry to accept");
        let data = accepted.open(&KeySet::root(root).derive(index).expect("a key"), body);
        let content = match data.unwrap_or_else(|error| panic!("entry {index} of lane {lane}: {error}")) {
            Data::Content { media_type, content } => Some((media_type, sha256(&[&content]))),
            _ => None,
        };
        Opened { leaf: accepted.leaf(), kind: entry.header.kind, content }
    }

    /// The agent's own proofs, of the first and the last entry it holds.
    async fn spot_check(
        &self,
        remote: &Remote<'_>,
        lane: &LaneId,
        record: &LaneRecord,
        tree: &Tree,
        held: usize,
    ) {
        if held < record.size as usize || held == 0 {
            return;
        }
        for index in [0, record.size - 1] {
            let proof = remote.inclusion(lane, index, record.size).await.expect("a proof");
            let path: Vec<Hash> = proof.path.iter().map(|hash| hash.0).collect();
            assert_eq!(
                (proof.size, path),
                (record.size, tree.proof(index)),
                "proof of {index} in lane {lane}"
            );
        }
    }
}

/// Every entry of a lane that its agent serves, and the heads that came with the pages.
async fn list(
    remote: &Remote<'_>,
    agent: &Agent,
    lane: &LaneId,
    record: &LaneRecord,
) -> (Vec<ListedEntry>, Vec<SignedHead>) {
    let (mut entries, mut heads): (Vec<ListedEntry>, Vec<SignedHead>) = (Vec::new(), Vec::new());
    loop {
        let page = remote.entries(lane, entries.len() as u32).await.expect("entries");
        assert_eq!((page.head.lane, page.head.verify()), (*lane, Ok(agent.account)), "a head of another");
        assert!(page.head.size >= record.size, "the agent shows less than is anchored");
        heads.push(page.head);
        for listing in &page.entries {
            assert_eq!((listing.index, listing.header.index), (entries.len() as u32, entries.len() as u32));
            entries.push(ListedEntry {
                header: listing.header.0.clone(),
                commitment: listing.commitment.0,
                body_length: listing.body_length,
                body_sha256: listing.body_sha256.0,
            });
        }
        if page.entries.is_empty() || entries.len() >= record.size as usize {
            entries.truncate(record.size as usize);
            return (entries, heads);
        }
    }
}

/// A whole tree in memory.
pub struct Tree {
    nodes: BTreeMap<NodeId, Hash>,
    size: u32,
    /// Its root.
    pub root: Hash,
}

impl Tree {
    /// Over these leaves.
    pub fn new(leaves: &[Hash]) -> Self {
        let mut frontier = Frontier::default();
        let mut nodes = BTreeMap::new();
        for leaf in leaves {
            nodes.extend(frontier.push(*leaf).expect("room"));
        }
        let root = frontier.root();
        assert_eq!(root, merkle::root(leaves));
        Self { nodes, size: frontier.size(), root }
    }

    /// Inclusion proof of an entry.
    pub fn proof(&self, index: u32) -> Vec<Hash> {
        let plan = ProofPlan::inclusion(index, self.size).expect("an index in the tree");
        plan.assemble(|id| self.nodes.get(&id).copied()).expect("every subtree")
    }
}

/// Whether a lane is one of the content lanes.
pub fn is_content(lane: &Lane) -> bool {
    lane.header.class == Class::Content
}
