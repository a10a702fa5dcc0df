//! What was granted to this institution, for a doctor here: listed and opened.
//!
//! Responsible for: a person and a purpose with every read, the purpose the grant's own; keys from
//! the letters in the mailbox, in memory for one request only; every entry accepted before it is
//! shown; and a line in the log and the store for every read. Must never keep what it opened, or
//! log who the person is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use axum::response::Response;
use axum::routing::get;
use casewise_api::body::SharedEntry;
use casewise_api::header::{PRACTITIONER, PURPOSE, Practitioner, check_purpose};
use casewise_api::limits::MAX_LETTER;
use casewise_api::route::private;
use casewise_api::{Problem, ProblemKind};
use casewise_client::reader::{HeldLetter, has_key, open_letter, split};
use casewise_client::{ClientError, ports::Directory};
use casewise_ledger::entry::MAX_INDEX;
use casewise_ledger::{
    Address, CaseId, Commitment, Data, EntryRef, LaneId, Opening, OpeningItem, Party, ReleaseItem,
};
use casewise_seal::{LaneKeys, Letter, LetterKind};

use crate::AgentError;
use crate::peers::Peers;
use crate::public::answer::Reply;
use crate::serving::Serving;
use crate::store::{LetterRow, ReadingWrite, SharedReadRow, Write};

/// Most entries of a case in one list.
pub const MAX_SHARED_ENTRIES: usize = 16_384;
/// Letters read from the mailbox at once.
const LETTERS_PAGE: u32 = 256;

/// Serves doctors of this institution.
pub struct Shared {
    serving: Arc<Serving>,
    peers: Arc<Peers>,
    /// Last letter seen in each author's mailbox, by institution and case.
    polled: Mutex<BTreeMap<(u32, CaseId), u64>>,
}

impl Shared {
    /// Reads at others through `peers`.
    pub fn new(serving: Arc<Serving>, peers: Arc<Peers>) -> Self {
        Self { serving, peers, polled: Mutex::default() }
    }
}

/// The routes, for the private listener; the caller checks the token.
pub fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route(private::SHARED, get(list))
        .route(private::SHARED_ENTRY, get(entry))
        .with_state(shared)
}

/// Who reads, and why.
struct Visit {
    practitioner: Practitioner,
    purpose: String,
}

impl Visit {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let practitioner = required(headers, PRACTITIONER)?
            .parse()
            .map_err(|error| malformed(PRACTITIONER, &format!("{error}.")))?;
        let purpose = required(headers, PURPOSE)?;
        check_purpose(purpose).map_err(|error| malformed(PURPOSE, &format!("{error}.")))?;
        Ok(Self { practitioner, purpose: purpose.into() })
    }

    /// The account that a release names.
    fn account(&self) -> Option<Address> {
        match &self.practitioner {
            Practitioner::Account(account) => Some(*account),
            Practitioner::Local(_) => None,
        }
    }

    /// Whether a grant is for this purpose and person.
    fn fits(&self, opening: &Opening) -> bool {
        opening.purpose == self.purpose
            && opening.practitioner.is_none_or(|named| self.account() == Some(named))
    }
}

fn malformed(field: &'static str, happened: &str) -> Problem {
    Problem::new(ProblemKind::Malformed, happened).field(field)
}

fn required<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next().map(HeaderValue::to_str), values.next()) {
        (Some(Ok(text)), None) => Ok(text),
        _ => Err(malformed(name, &format!("The header {name} is needed, once, as text."))),
    }
}

/// `GET /v1/shared/{case}/entries`
async fn list(State(shared): State<Arc<Shared>>, Path(case): Path<String>, headers: HeaderMap) -> Response {
    let outcome = async {
        let (visit, case) = (Visit::of(&headers)?, parse("case", &case)?);
        let entries = shared.list(&visit, &case).await?;
        Reply::json(&entries)
    };
    respond(&shared, outcome.await)
}

/// `GET /v1/shared/{case}/entries/{lane}/{index}`
async fn entry(
    State(shared): State<Arc<Shared>>,
    Path((case, lane, index)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let outcome = async {
        let visit = Visit::of(&headers)?;
        let (case, lane) = (parse("case", &case)?, parse("lane", &lane)?);
        let index = parse("index", &index)?;
        show(shared.open(&visit, &case, &EntryRef { lane, index }).await?)
    };
    respond(&shared, outcome.await)
}

fn parse<T: std::str::FromStr>(field: &'static str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| malformed(field, "A parameter of the path is not of its form."))
}

fn respond(shared: &Shared, outcome: Result<Reply, AgentError>) -> Response {
    let reply = outcome.unwrap_or_else(|error| {
        let problem = error.problem();
        if problem.problem_kind() == Some(ProblemKind::Internal) {
            tracing::error!(%error, "a shared read failed");
        }
        Reply::problem(&problem)
    });
    reply.into_response(&shared.serving.app, None)
}

/// Opened content with its media type; entries that hold none, as JSON or without a body.
fn show(data: Data) -> Result<Reply, AgentError> {
    match data {
        Data::Content { media_type, content } => {
            let media_type = HeaderValue::from_str(&media_type).map_err(AgentError::broken)?;
            let reply = Reply::bytes(StatusCode::OK, casewise_api::header::OCTET_STREAM, content);
            Ok(reply.header(CONTENT_TYPE, media_type))
        }
        Data::Beat => Ok(Reply::empty()),
        Data::Erasure(entries) => Reply::json(&entries),
        Data::Close(successor) => Reply::json(&successor),
        Data::Access(_) => Err(AgentError::broken("a content lane holds an access entry")),
    }
}

/// A grant to this institution with all keys that came for it.
struct Held {
    commitment: Commitment,
    opening: Opening,
    keys: Vec<LaneKeys>,
}

impl Held {
    /// Whether the grant names this entry, or keys of a lane it follows came for it.
    fn reaches(&self, entry: &EntryRef) -> bool {
        let named = |item: &OpeningItem| {
            item.lane == entry.lane && item.first <= entry.index && entry.index <= item.last
        };
        let followed = !self.opening.items.iter().any(|item| item.lane == entry.lane)
            && self.opening.items.iter().any(|item| item.follow);
        has_key(&self.keys, &entry.lane, entry.index) && (self.opening.items.iter().any(named) || followed)
    }

    /// Ranges to ask for: those named, and all of each lane that keys came for besides.
    fn ranges(&self) -> Vec<ReleaseItem> {
        let named = self.opening.items.iter();
        let mut ranges: Vec<ReleaseItem> = named
            .map(|item| ReleaseItem { lane: item.lane, first: item.first, last: item.last.min(MAX_INDEX) })
            .collect();
        for keys in &self.keys {
            if self.opening.items.iter().all(|item| item.lane != keys.lane) {
                ranges.push(ReleaseItem { lane: keys.lane, first: 0, last: MAX_INDEX });
            }
        }
        ranges.sort_by_key(|item| (item.lane, item.first));
        ranges
    }
}

impl Shared {
    /// Everything that may be read of a case for this visit. Entries granted twice are listed once;
    /// a grant that its author refuses is left out, unless all are.
    async fn list(&self, visit: &Visit, case: &CaseId) -> Result<Vec<SharedEntry>, AgentError> {
        let mut out: BTreeMap<EntryRef, SharedEntry> = BTreeMap::new();
        let mut refusal = None;
        for held in &self.held(visit, case).await? {
            self.note(visit, case, &held.commitment, None).await?;
            match self.list_grant(visit, held, &mut out).await {
                Err(error) if is_absent(&error) => refusal = Some(error),
                other => other?,
            }
        }
        match refusal {
            Some(error) if out.is_empty() => Err(error),
            _ => Ok(out.into_values().collect()),
        }
    }

    async fn list_grant(
        &self,
        visit: &Visit,
        held: &Held,
        out: &mut BTreeMap<EntryRef, SharedEntry>,
    ) -> Result<(), AgentError> {
        let reader = self.peers.reader();
        let author = reader.author(&held.opening).await.map_err(refused)?;
        for part in split(&self.anchored(held.ranges()).await?) {
            let offered = reader.request(&author, &held.opening, visit.account(), &part).await;
            for entry in offered.map_err(refused)?.entries() {
                let at = EntryRef { lane: entry.header.lane, index: entry.header.index };
                out.entry(at).or_insert(SharedEntry {
                    lane: at.lane,
                    index: at.index,
                    author: held.opening.author,
                    kind: entry.header.kind,
                    time: entry.header.time,
                    body_length: entry.body_length,
                    grant: held.commitment,
                });
            }
            check_count(out.len())?;
        }
        Ok(())
    }

    /// Opens one entry: release, countersignature, fetch, acceptance. Of several grants, the first
    /// that its author does not refuse.
    async fn open(&self, visit: &Visit, case: &CaseId, at: &EntryRef) -> Result<Data, AgentError> {
        let mut refusal = AgentError::from(absent());
        for held in self.held(visit, case).await?.iter().filter(|held| held.reaches(at)) {
            self.note(visit, case, &held.commitment, Some(*at)).await?;
            let item = ReleaseItem { lane: at.lane, first: at.index, last: at.index };
            let read = self.peers.reader().read(&held.opening, visit.account(), &[item], &held.keys).await;
            match read.map_err(refused) {
                Ok((_, mut opened)) => match opened.pop() {
                    Some(entry) if opened.is_empty() => return Ok(entry.data),
                    _ => return Err(AgentError::broken("a release of one entry holds another number")),
                },
                Err(error) if is_absent(&error) => refusal = error,
                Err(error) => return Err(error),
            }
        }
        Err(refusal)
    }

    /// Ranges as far as they are anchored now.
    async fn anchored(&self, ranges: Vec<ReleaseItem>) -> Result<Vec<ReleaseItem>, AgentError> {
        let mut sizes: BTreeMap<LaneId, u32> = BTreeMap::new();
        let mut out = Vec::with_capacity(ranges.len());
        for item in ranges {
            let size = match sizes.get(&item.lane) {
                Some(size) => *size,
                None => {
                    let record = self.peers.lane(&item.lane, None).await.map_err(refused)?;
                    let size = record.map_or(0, |record| record.size);
                    sizes.insert(item.lane, size);
                    size
                }
            };
            let Some(last) = size.checked_sub(1).map(|last| last.min(item.last)) else { continue };
            if item.first <= last {
                out.push(ReleaseItem { last, ..item });
            }
        }
        Ok(out)
    }

    /// The grants of a case that fit this visit, with every key that came for them.
    async fn held(&self, visit: &Visit, case: &CaseId) -> Result<Vec<Held>, AgentError> {
        let mut grants = self.grants(case).await?;
        grants.retain(|held| visit.fits(&held.opening));
        if grants.is_empty() {
            return Err(absent().into());
        }
        for number in authors(&grants) {
            self.fetch_letters(number, case).await;
        }
        let mut grants = self.grants(case).await?;
        grants.retain(|held| visit.fits(&held.opening));
        Ok(grants)
    }

    /// All grants of a case to this institution, from the letters in the mailbox.
    async fn grants(&self, case: &CaseId) -> Result<Vec<Held>, AgentError> {
        let mut held: BTreeMap<Commitment, (Option<Opening>, Vec<LaneKeys>)> = BTreeMap::new();
        for letter in self.letters(case).await? {
            let slot = held.entry(letter.commitment).or_default();
            slot.0 = slot.0.take().or(letter.opening);
            slot.1.extend(letter.keys);
        }
        let us = self.serving.app.party();
        let grants = held.into_iter().filter_map(|(commitment, (opening, keys))| {
            let opening = opening.filter(|opening| opening.grantee == us)?;
            Some(Held { commitment, opening, keys })
        });
        Ok(grants.collect())
    }

    /// Letters of a case to any key of this institution, opened.
    async fn letters(&self, case: &CaseId) -> Result<Vec<HeldLetter>, AgentError> {
        let store = &self.serving.app.store;
        let mut out = Vec::new();
        for (to, secret) in self.serving.kem_keys() {
            let mut after = 0;
            loop {
                let rows = store.letters(case, &to, after, LETTERS_PAGE).await?;
                let Some(last) = rows.last() else { break };
                after = last.seq;
                for row in &rows {
                    match open_letter(&row.bytes, secret) {
                        Ok(letter) => out.push(letter),
                        Err(error) => tracing::warn!(seq = row.seq, %error, "a letter here does not open"),
                    }
                }
            }
        }
        Ok(out)
    }

    /// Takes letters about successor lanes from the author's mailbox into ours. If that fails, what
    /// is here is still read.
    async fn fetch_letters(&self, author: u32, case: &CaseId) {
        if let Err(error) = self.try_fetch_letters(author, case).await {
            tracing::warn!(author, %error, "letters could not be fetched from the author");
        }
    }

    async fn try_fetch_letters(&self, author: u32, case: &CaseId) -> Result<(), AgentError> {
        let agent = self.peers.agent(author).await.map_err(refused)?;
        loop {
            let after = self.polled().get(&(author, *case)).copied().unwrap_or(0);
            let letters = agent.letters(case, after).await.map_err(refused)?;
            let Some(last) = letters.iter().map(|letter| letter.seq).max().filter(|seq| *seq > after) else {
                return Ok(());
            };
            let rows: Vec<Write> = letters
                .into_iter()
                .filter_map(|letter| self.row(case, letter.letter.0))
                .map(Write::Letter)
                .collect();
            if !rows.is_empty() {
                self.serving.write(rows).await?;
            }
            self.polled().insert((author, *case), last);
        }
    }

    fn polled(&self) -> std::sync::MutexGuard<'_, BTreeMap<(u32, CaseId), u64>> {
        self.polled.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A fetched letter as it is kept, if it is one of this case to us.
    fn row(&self, case: &CaseId, bytes: Vec<u8>) -> Option<LetterRow> {
        let letter = Letter::decode(&bytes).ok().filter(|_| bytes.len() <= MAX_LETTER)?;
        let ours = self.serving.kem_secret(&letter.to).is_some();
        (ours && letter.case == *case && letter.kind == LetterKind::Grant).then_some(LetterRow {
            seq: 0,
            case: *case,
            kind: letter.kind as u8,
            subject: letter.subject,
            to: letter.to,
            bytes,
        })
    }

    /// Notes a read before it happens: in the store with the person, in the log without.
    async fn note(
        &self,
        visit: &Visit,
        case: &CaseId,
        grant: &Commitment,
        entry: Option<EntryRef>,
    ) -> Result<(), AgentError> {
        let (lane, index) = (entry.map(|at| at.lane), entry.map(|at| at.index));
        tracing::info!(%case, %grant, ?lane, index, purpose = visit.purpose, "a shared read");
        let row = SharedReadRow {
            time: self.serving.app.clock.now(),
            case: *case,
            grant: *grant,
            entry,
            practitioner: visit.practitioner.to_string(),
            purpose: visit.purpose.clone(),
        };
        self.serving.write(vec![Write::Reading(ReadingWrite::SharedRead(row))]).await
    }
}

fn check_count(entries: usize) -> Result<(), Problem> {
    if entries <= MAX_SHARED_ENTRIES {
        return Ok(());
    }
    let happened = format!("More than {MAX_SHARED_ENTRIES} entries are granted here.");
    Err(Problem::new(ProblemKind::TooLarge, &happened))
}

fn authors(grants: &[Held]) -> Vec<u32> {
    let mut numbers: Vec<u32> = grants
        .iter()
        .filter(|held| held.opening.items.iter().any(|item| item.follow))
        .filter_map(|held| match held.opening.author {
            Party::Institution(number) => Some(number),
            Party::Account(_) => None,
        })
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

fn is_absent(error: &AgentError) -> bool {
    error.problem().problem_kind() == Some(ProblemKind::Absent)
}

fn absent() -> Problem {
    Problem::new(
        ProblemKind::Absent,
        "No grant of this case to this institution is known for this purpose, practitioner and entry.",
    )
}

/// What a failed read at another agent is to whoever asked here.
fn refused(error: ClientError) -> AgentError {
    let problem = match &error {
        ClientError::AgentRefused { problem, .. } => match problem.problem_kind() {
            Some(ProblemKind::Absent) => {
                Problem::new(ProblemKind::Absent, "The author refuses: the grant is not in force there.")
            }
            Some(kind @ (ProblemKind::StaleView | ProblemKind::NotReady | ProblemKind::RateLimited)) => {
                Problem::new(kind, "The author's agent asks for a moment.")
            }
            _ => Problem::new(ProblemKind::Internal, "The author's agent refuses the request."),
        },
        ClientError::NotFound { .. } => absent(),
        ClientError::AgentUnreachable { .. } => {
            Problem::new(ProblemKind::NotReady, "The author's agent cannot be reached.")
        }
        ClientError::Chain(_) => ProblemKind::StaleView.into(),
        ClientError::Integrity { .. } => {
            Problem::new(ProblemKind::Internal, "What the author served does not pass its checks.")
        }
        _ => Problem::from(ProblemKind::Internal),
    };
    tracing::warn!(%error, "a read at another agent failed");
    problem.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_at_the_limit_and_one_past() {
        assert_eq!(check_count(MAX_SHARED_ENTRIES), Ok(()));
        let problem = check_count(MAX_SHARED_ENTRIES + 1).unwrap_err();
        assert_eq!(problem.problem_kind(), Some(ProblemKind::TooLarge));
    }
}
