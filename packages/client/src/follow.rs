//! Following a case: what the chain says, what the authors serve, and whether the two fit.
//!
//! Responsible for: an entry is kept only when the tree it makes has exactly the root that is
//! anchored, and a root key only when the lane's header commits to it. Must never hide what does not
//! fit: it is kept as the lane's trouble until it fits again.

use casewise_chain::ChainError;
use casewise_keytree::KeySet;
use casewise_ledger::lane::root_commitment;
use casewise_ledger::merkle::Frontier;
use casewise_ledger::records::{IdentityRecord, LaneRecord, LaneStatus, RelationshipStatus};
use casewise_ledger::{CaseId, Class, Kind, LaneHeader, LaneId, Party};
use casewise_protocol::rules::CareStatus;
use casewise_protocol::{ppr, summary};
use casewise_seal::{LaneKeys, Letter, LetterKind, ListedEntry};

use crate::agent::Agent;
use crate::book::{CaseState, HolderChange, KeptEntry, LaneState, Mailbox, PAGE};
use crate::holder::KeyRing;
use crate::patient::ledger;
use crate::reader::listed_entry;
use crate::store::Batch;
use crate::{Category, ClientError, Patient};

/// How often an agent is asked again for entries that are anchored and that it does not show yet.
const BEHIND_RETRIES: u32 = 40;
/// Pause between two such questions, ms.
const BEHIND_PAUSE_MS: u64 = 250;

/// A case as it stands.
#[derive(Clone, Debug)]
pub struct Followed {
    /// The case as it is kept.
    pub case: CaseState,
    /// Its virtual identity; `None` while the institution has not enrolled it.
    pub identity: Option<IdentityRecord>,
    /// The institutions that have to do with it.
    pub institutions: Vec<InstitutionView>,
    /// Its lanes.
    pub lanes: Vec<LaneView>,
    /// Entries verified for the first time now.
    pub new_entries: u64,
    /// The last change of its holder, while an author does not know it.
    pub change: Option<HolderChange>,
}

impl Followed {
    /// The institutions that do not know the case's new holder yet.
    pub fn untold(&self) -> Vec<u32> {
        let Some(change) = &self.change else { return Vec::new() };
        let numbers = self.institutions.iter().map(|institution| institution.number);
        numbers.filter(|number| !change.told.contains(number)).collect()
    }

    /// The first thing that does not fit, or an agent that did not answer.
    pub fn trouble(&self) -> Option<&str> {
        let lanes = self.lanes.iter().filter_map(|lane| lane.trouble.as_deref());
        lanes.chain(self.institutions.iter().filter_map(|i| i.trouble.as_deref())).next()
    }
}

/// An institution in a case.
#[derive(Clone, Debug)]
pub struct InstitutionView {
    /// Its number.
    pub number: u32,
    /// Its public name.
    pub name: String,
    /// Where the relationship is.
    pub relationship: RelationshipStatus,
    /// New, update pending, accepted, or another word.
    pub status: CareStatus,
    /// Why its agent could not be asked, or its answer not be used.
    pub trouble: Option<String>,
    /// Whether that was a failed check.
    pub forged: bool,
}

/// A lane in a case.
#[derive(Clone, Debug)]
pub struct LaneView {
    /// The lane.
    pub lane: LaneId,
    /// summary's record.
    pub record: LaneRecord,
    /// Its header, once its author has shown it.
    pub header: Option<LaneHeader>,
    /// Entries verified.
    pub verified: u32,
    /// Whether its root key is here.
    pub readable: bool,
    /// What does not fit.
    pub trouble: Option<String>,
    /// Closed by somebody else than its author: its last entry is not a close entry, and no lane goes
    /// on from it.
    pub cut: bool,
    /// Whether the lane has to be looked at again though nothing new is anchored.
    unsettled: bool,
}

impl Patient<'_> {
    /// Reads the case's state, fetches and verifies what is new, delivers what waits for delivery.
    /// An agent that does not answer is named in the answer and does not stop the rest.
    /// Errors: those of the chain, and of the wallet.
    pub async fn follow(&self, n: u32) -> Result<Followed, ClientError> {
        let mut case = self.book.case(n).await?.ok_or_else(|| ClientError::not_found(format!("case {n}")))?;
        let identity = self.network.identity(&case.case).await?;
        let Some(identity) = identity else {
            let (institutions, lanes) = (Vec::new(), Vec::new());
            return Ok(Followed { case, identity: None, institutions, lanes, new_entries: 0, change: None });
        };
        self.settle(&case).await?;
        self.settle_holder(&mut case, &identity).await?;
        self.check_identity(&case, &identity)?;
        self.note_identity(&mut case, &identity).await?;
        let mut lanes = self.lane_views(&case).await?;
        let mut institutions = self.institution_views(&case).await?;
        let mut new_entries = 0;
        for institution in &mut institutions {
            let author = Party::Institution(institution.number);
            let own = lanes.iter_mut().filter(|lane| lane.record.author == author).collect();
            match self.follow_author(&mut case, institution.number, own).await {
                Ok(count) => new_entries += count,
                Err(error @ (ClientError::Store { .. } | ClientError::Chain(_))) => return Err(error),
                Err(error) => {
                    institution.forged = error.category() == Category::Integrity;
                    institution.trouble = Some(error.to_string());
                }
            }
        }
        self.find_cut(&mut lanes).await?;
        let change = self.tell_authors(&case).await?;
        self.deliver(&case).await?;
        Ok(Followed { case, identity: Some(identity), institutions, lanes, new_entries, change })
    }

    /// The case must be this phrase's; a rotated or recovered case has other keys.
    pub(crate) fn check_identity(
        &self,
        case: &CaseState,
        identity: &IdentityRecord,
    ) -> Result<(), ClientError> {
        let own = self.key(case)?.address();
        let kem = self.phrase.kem_secret(case.key)?.public().hash();
        if identity.holder == own && identity.kem == kem {
            return Ok(());
        }
        if identity.custodial && identity.holder != own {
            return Err(ClientError::Refused {
                what: format!(
                    "case {} is still held by institution {}; take it over with `casewise case claim accept`",
                    case.n, identity.institution
                ),
            });
        }
        Err(ClientError::Refused {
            what: format!(
                "case {} has another holder or key on chain than this phrase gives (its key's epoch is {}): \
                 it was rotated elsewhere, or recovered; if that was you, use the wallet it was done with",
                case.n, identity.epoch
            ),
        })
    }

    async fn lane_views(&self, case: &CaseState) -> Result<Vec<LaneView>, ClientError> {
        let mut views = Vec::new();
        for (lane, record) in self.network.lanes(&case.case).await? {
            let state = self.book.lane(case.n, &lane).await?;
            views.push(LaneView {
                lane,
                record,
                verified: state.as_ref().map_or(0, |state| state.size),
                unsettled: state.as_ref().is_none_or(|s| s.trouble.is_some() || s.checked < s.size),
                trouble: state.as_ref().and_then(LaneState::trouble),
                cut: false,
                header: state.map(|state| state.header),
                readable: self.book.root(case.n, &lane).await?.is_some(),
            });
        }
        Ok(views)
    }

    /// Marks the closed lanes that end without a word of their author.
    async fn find_cut(&self, lanes: &mut [LaneView]) -> Result<(), ClientError> {
        let continued: Vec<LaneId> =
            lanes.iter().filter_map(|lane| lane.header.as_ref()?.predecessor).collect();
        for lane in lanes.iter_mut().filter(|lane| lane.record.status == LaneStatus::Closed) {
            if continued.contains(&lane.lane) || lane.verified < lane.record.size {
                continue;
            }
            let last = match lane.verified.checked_sub(1) {
                Some(last) => self.book.entry(&lane.lane, last).await?,
                None => None,
            };
            lane.cut = last.is_none_or(|last| last.header.kind != Kind::Close);
        }
        Ok(())
    }

    async fn institution_views(&self, case: &CaseState) -> Result<Vec<InstitutionView>, ClientError> {
        let mut views = Vec::new();
        for ppr::RelationshipInfo { institution: number, status, .. } in
            self.network.relationships(&case.case).await?
        {
            let summary::StatusResponse { status: word, .. } =
                self.network.status(&case.case, number).await?;
            let listed = self.world.directory.institution(number).await?;
            let name = listed.map_or_else(|| "?".into(), |listed| listed.name);
            let relationship = status.into();
            views.push(InstitutionView {
                number,
                name,
                relationship,
                status: word,
                trouble: None,
                forged: false,
            });
        }
        Ok(views)
    }

    /// Everything that is new at one author. Asks its agent only when something is.
    async fn follow_author(
        &self,
        case: &mut CaseState,
        institution: u32,
        mut lanes: Vec<&mut LaneView>,
    ) -> Result<u64, ClientError> {
        let news = |lane: &LaneView| {
            lane.header.is_none() || !lane.readable || lane.verified < lane.record.size || lane.unsettled
        };
        if !lanes.iter().any(|lane| news(lane)) {
            for lane in lanes {
                self.note_head(lane).await?;
            }
            return Ok(0);
        }
        let key = self.key(case)?;
        let agent = self.agent(institution, &key).await?;
        if lanes.iter().any(|lane| lane.header.is_none()) {
            self.take_headers(&agent, case, &mut lanes).await?;
        }
        if lanes.iter().any(|lane| !lane.readable) {
            self.take_letters(&agent, case, &mut lanes).await?;
        }
        let mut count = 0;
        for lane in lanes {
            match self.verify_lane(&agent, case.n, lane).await {
                Ok(new) => count += new,
                Err(ClientError::Integrity { what, why }) => {
                    let trouble = format!("{what} does not pass its check: {why}");
                    self.set_trouble(case.n, lane, Some(trouble)).await?;
                }
                Err(error) => return Err(error),
            }
            self.note_head(lane).await?;
        }
        Ok(count)
    }

    /// Keeps the newest head and its proof. A node that cannot prove it now ends nothing: the proof
    /// is asked for again, of whichever node there is, when it is exported.
    async fn note_head(&self, lane: &LaneView) -> Result<(), ClientError> {
        self.walk_heads(&lane.lane, &lane.record, false).await?;
        match self.keep_proof(&lane.lane, &lane.record).await {
            Err(ClientError::Waited { .. }) => Ok(()),
            Err(ClientError::Chain(ChainError::Pruned { .. } | ChainError::NotYet { .. })) => Ok(()),
            other => other,
        }
    }

    /// Takes the headers of lanes that are on chain. A header is what hashes to its lane.
    async fn take_headers(
        &self,
        agent: &Agent<'_>,
        case: &CaseState,
        lanes: &mut [&mut LaneView],
    ) -> Result<(), ClientError> {
        let listed = agent.lanes(&case.case).await?;
        let mut batch = Batch::new();
        for lane in lanes.iter_mut().filter(|lane| lane.header.is_none()) {
            let found =
                listed.iter().map(|listing| &listing.header.0).find(|header| header.id() == lane.lane);
            let Some(header) = found else { continue };
            check_header(header, &case.case, &lane.record)?;
            batch.put_lane(case.n, &LaneState::new(header.clone()));
            lane.header = Some(header.clone());
        }
        self.book.commit(batch).await
    }

    /// Reads new letters and keeps the root keys that fit.
    async fn take_letters(
        &self,
        agent: &Agent<'_>,
        case: &mut CaseState,
        lanes: &mut [&mut LaneView],
    ) -> Result<(), ClientError> {
        let institution = agent.institution().number;
        let mut ring = self.key_ring(case)?;
        loop {
            let after = case.mail.iter().find(|mail| mail.institution == institution).map_or(0, |m| m.after);
            let letters = agent.letters(&case.case, after).await?;
            let Some(last) = letters.last().map(|letter| letter.seq) else { return Ok(()) };
            if last <= after {
                return Err(ClientError::integrity("the mailbox", "it does not go on"));
            }
            let mut batch = Batch::new();
            for letter in &letters {
                self.take_letter(case, &letter.letter.0, &mut ring, lanes, &mut batch).await?;
            }
            case.mail.retain(|mail| mail.institution != institution);
            case.mail.push(Mailbox { institution, after: last });
            batch.put_case(case);
            self.book.commit(batch).await?;
        }
    }

    /// Keeps the roots of a letter, if it holds any. Anybody can write a letter, so one that does not fit
    /// replaces nothing.
    async fn take_letter(
        &self,
        case: &CaseState,
        bytes: &[u8],
        ring: &mut KeyRing<'_>,
        lanes: &mut [&mut LaneView],
        batch: &mut Batch,
    ) -> Result<(), ClientError> {
        let Ok(letter) = Letter::decode(bytes) else { return Ok(()) };
        if !matches!(letter.kind, LetterKind::Root | LetterKind::Claim) || letter.case != case.case {
            return Ok(());
        }
        let Some(secret) = ring.secret(&letter.to)? else { return Ok(()) };
        let Ok(payload) = letter.open(secret) else { return Ok(()) };
        for keys in &payload.keys {
            self.take_root(case, keys, lanes, batch).await?;
        }
        Ok(())
    }

    /// Keeps one root of a letter, if it is one and fits.
    async fn take_root(
        &self,
        case: &CaseState,
        keys: &LaneKeys,
        lanes: &mut [&mut LaneView],
        batch: &mut Batch,
    ) -> Result<(), ClientError> {
        let Some(root) = keys.nodes.expose_root() else { return Ok(()) };
        let view = lanes.iter_mut().find(|lane| lane.lane == keys.lane);
        let header = view.as_ref().and_then(|lane| lane.header.as_ref());
        let keep = match header {
            Some(header) => keys.check_root(header).is_ok(),
            // the lane may be opened in a later block; the key is checked again before it is used
            None => self.book.root(case.n, &keys.lane).await?.is_none(),
        };
        if keep {
            batch.put_root(case.n, &keys.lane, root);
            if let Some(lane) = view {
                lane.readable = true;
            }
        }
        Ok(())
    }

    /// Fetches and verifies the entries between what is kept and what is anchored.
    async fn verify_lane(&self, agent: &Agent<'_>, n: u32, lane: &mut LaneView) -> Result<u64, ClientError> {
        let Some(header) = lane.header.clone() else {
            let why = "its author does not show its header";
            return Err(ClientError::integrity(format!("lane {}", lane.lane), why));
        };
        let state = self.book.lane(n, &lane.lane).await?.unwrap_or_else(|| LaneState::new(header.clone()));
        if lane.record.size < state.size {
            return self.older_record(lane).await.map(|()| 0);
        }
        let mut check = EntryCheck::new(header, &state)?;
        let fetched = self.fetch_entries(agent, lane, &mut check).await?;
        if check.frontier.root() != lane.record.root {
            let why = "the entries its author serves are not those that are anchored";
            return Err(ClientError::integrity(format!("lane {}", lane.lane), why));
        }
        self.keep_entries(n, state, check, fetched, lane).await
    }

    /// A node may lag. A record smaller than what is kept must at least be one that was seen before.
    async fn older_record(&self, lane: &LaneView) -> Result<(), ClientError> {
        let heads = self.book.heads(&lane.lane).await?;
        if lane.record.size == 0 || heads.iter().any(|head| head.head() == lane.record.head()) {
            return Ok(());
        }
        Err(ClientError::integrity(
            format!("lane {}", lane.lane),
            "the chain shows an older head that was never there",
        ))
    }

    async fn fetch_entries(
        &self,
        agent: &Agent<'_>,
        lane: &LaneView,
        check: &mut EntryCheck,
    ) -> Result<Vec<KeptEntry>, ClientError> {
        let (size, mut fetched, mut behind) = (lane.record.size, Vec::new(), 0);
        while check.frontier.size() < size {
            let first = check.frontier.size();
            self.tell(u64::from(first), Some(u64::from(size)), "verifying entries");
            let page = agent.entries(&lane.lane, first).await?;
            if page.entries.is_empty() {
                behind += 1;
                if behind > BEHIND_RETRIES {
                    return Err(ClientError::AgentUnreachable {
                        endpoint: agent.endpoint().to_string(),
                        reason: format!("it does not show entry {first}, which it anchored"),
                    });
                }
                self.world.clock.sleep_ms(BEHIND_PAUSE_MS).await;
                continue;
            }
            for listing in page.entries.iter().take((size - first) as usize) {
                let entry = listed_entry(listing);
                check.take(&entry)?;
                fetched.push(KeptEntry::from(&entry));
            }
        }
        Ok(fetched)
    }

    async fn keep_entries(
        &self,
        n: u32,
        mut state: LaneState,
        check: EntryCheck,
        fetched: Vec<KeptEntry>,
        lane: &mut LaneView,
    ) -> Result<u64, ClientError> {
        let (count, first_page) = (fetched.len() as u64, state.size / PAGE);
        self.check_keys(n, &mut state, &fetched).await?;
        let mut kept = self.book.entries(&lane.lane, first_page * PAGE).await?;
        kept.extend(fetched);
        let mut batch = Batch::new();
        for (page, entries) in (first_page..).zip(kept.chunks(PAGE as usize)) {
            batch.put_page(&lane.lane, page, entries);
        }
        state.size = check.frontier.size();
        state.peaks = check.frontier.peaks().to_vec();
        state.trouble = None;
        batch.put_lane(n, &state);
        self.book.commit(batch).await?;
        lane.verified = state.size;
        lane.trouble = state.trouble();
        Ok(count)
    }

    /// Checks the entries that are kept or were fetched, and not checked yet, against their keys.
    /// An entry whose key does not fit is part of the lane all the same.
    async fn check_keys(
        &self,
        n: u32,
        state: &mut LaneState,
        fetched: &[KeptEntry],
    ) -> Result<(), ClientError> {
        let Some(keys) = self.key_set(n, &state.header).await? else { return Ok(()) };
        let kept = self.book.entries(&state.header.id(), state.checked).await?;
        for entry in kept.iter().chain(fetched) {
            let index = entry.header.index;
            let fits = keys.derive(index).is_ok_and(|key| ListedEntry::from(entry).check_key(&key).is_ok());
            if !fits {
                state.unreadable.get_or_insert(index);
            }
            state.checked = index + 1;
        }
        Ok(())
    }

    async fn set_trouble(
        &self,
        n: u32,
        lane: &mut LaneView,
        trouble: Option<String>,
    ) -> Result<(), ClientError> {
        lane.trouble = trouble.clone();
        if let Some(mut state) = self.book.lane(n, &lane.lane).await? {
            state.trouble = trouble;
            let mut batch = Batch::new();
            batch.put_lane(n, &state);
            self.book.commit(batch).await?;
        }
        Ok(())
    }

    /// The keys of a lane; `None` while its root letter has not come.
    pub(crate) async fn key_set(&self, n: u32, header: &LaneHeader) -> Result<Option<KeySet>, ClientError> {
        let lane = header.id();
        let Some(root) = self.book.root(n, &lane).await? else { return Ok(None) };
        if root_commitment(&root) != header.root {
            let why = "the root key in its letter is not the one its header commits to";
            return Err(ClientError::integrity(format!("lane {lane}"), why));
        }
        Ok(Some(KeySet::root(&root)))
    }
}

/// A header must say what the chain says of its lane.
fn check_header(header: &LaneHeader, case: &CaseId, record: &LaneRecord) -> Result<(), ClientError> {
    let same = header.case == *case
        && header.author == record.author
        && header.class == record.class
        && header.signer == record.signer;
    if same {
        return Ok(());
    }
    let what = format!("the header of lane {}", header.id());
    Err(ClientError::integrity(what, "it says something else than the chain"))
}

/// Entries taken one after the other into the tree of a lane.
struct EntryCheck {
    header: LaneHeader,
    lane: LaneId,
    frontier: Frontier,
}

impl EntryCheck {
    fn new(header: LaneHeader, state: &LaneState) -> Result<Self, ClientError> {
        let frontier = state.frontier().map_err(ledger("the wallet's record of a lane"))?;
        Ok(Self { lane: header.id(), header, frontier })
    }

    /// The next entry.
    fn take(&mut self, entry: &ListedEntry) -> Result<(), ClientError> {
        let index = self.frontier.size();
        let what = format!("entry {index} of lane {}", self.lane);
        let header = &entry.header;
        if header.lane != self.lane || header.index != index {
            return Err(ClientError::integrity(what, "it names another lane or position"));
        }
        header.check().map_err(ledger(&what))?;
        if !header.kind.allowed_in(self.header.class) {
            return Err(ClientError::integrity(what, "its kind is not allowed in this lane"));
        }
        self.frontier.push(entry.leaf()).map_err(ledger(&what))?;
        Ok(())
    }
}

/// Whether the holder still has to say that it has seen a lane's entries.
pub fn unseen(lane: &LaneView) -> bool {
    lane.record.class == Class::Content && lane.record.seen < lane.verified.min(lane.record.size)
}

/// Whether a lane still grows.
pub fn grows(lane: &LaneView) -> bool {
    lane.record.status != LaneStatus::Closed
}
