//! Adding an entry to a lane: derive, seal, store, commit.
//!
//! The order, and what a crash at each step leaves: (1) the body is sealed and durable under a
//! temporary name (an orphan, removed at start; the index is used again with another header, hence
//! another sealing key); (2) one transaction holds the entry, its leaf, the advanced keys and the
//! idempotency key (the entry exists and is anchored later); (3) the commit's number is in the epoch
//! file; (4) the caller is told; (5) the body gets its final name (repeated at start).
//!
//! Must never use a lane that is not live, nor sign a head that is not committed.

use casewise_api::{Problem, ProblemKind, body::SignedHead};
use casewise_ledger::{
    CaseId, Class, EntryHeader, EntryRef, Hash, Head, Kind, LaneId, V1, entry::SUITE_GCM_SIV,
    merkle::Frontier, records::LaneStatus,
};
use casewise_seal::{ListedEntry, Sealer};

use crate::{
    AgentError, App,
    committer::CommitError,
    holders,
    input::Input,
    store::{EntryRow, IdempotencyRow, LaneRow, LaneState, Refusal, Write},
};

/// How long an entry waits for a lane that is being opened, ms.
pub const WAIT_FOR_LANE_MS: u64 = 10_000;
/// Bytes sealed and written at once.
const PIECE: usize = 1 << 20;

/// What to add.
pub struct Append<'a> {
    /// The case.
    pub case: CaseId,
    /// Which of its lanes.
    pub class: Class,
    /// What it is.
    pub kind: Kind,
    /// The entry amended or continued.
    pub prev: Option<EntryRef>,
    /// What stands in front of the content: [`casewise_ledger::Data`]'s length byte and media type.
    pub prefix: Vec<u8>,
    /// The content.
    pub content: &'a mut Input,
    /// Keyed hashes of the client's key and of its request.
    pub idempotency: Option<(Hash, Hash)>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The entry.
    pub entry: EntryRow,
    /// The lane's head with it.
    pub head: Head,
}

impl Appended {
    /// Where it stands.
    pub fn place(&self) -> EntryRef {
        EntryRef { lane: self.entry.header.lane, index: self.entry.header.index }
    }

    /// Its head, signed now by the operator.
    pub fn signed_head(&self, app: &App) -> SignedHead {
        SignedHead::sign(self.entry.header.lane, &self.head, app.clock.now(), &app.keys.operator)
    }
}

/// Adds an entry and returns once it is durable. [`Refusal::Idempotency`] is for the caller, who
/// knows what the request was; a lane that ends meanwhile is not: the next one is taken.
pub async fn append(app: &App, what: Append<'_>) -> Result<Result<Appended, Refusal>, AgentError> {
    let mut what = what;
    loop {
        app.writing()?;
        let lane = live_lane(app, &what.case, what.class).await?;
        match append_to(app, lane, &mut what, Vec::new()).await? {
            Err(Refusal::Lane) => continue,
            done => return Ok(done),
        }
    }
}

/// Adds an entry to one lane, with other writes in the same transaction.
pub(crate) async fn append_to(
    app: &App,
    lane: LaneId,
    what: &mut Append<'_>,
    also: Vec<Write>,
) -> Result<Result<Appended, Refusal>, AgentError> {
    let _one = app.lock(&lane).await;
    let lease = app.epoch.lease().await;
    let row = app.store.lane(&lane).await?.ok_or_else(|| AgentError::broken("a lane without a row"))?;
    if row.state != LaneState::Live {
        return Ok(Err(Refusal::Lane));
    }
    let Some(stored) = app.store.keys(&lane).await? else { return Ok(Err(Refusal::Lane)) };
    let mut keys = app.epoch.unwrap(&stored)?;
    let (index, key) = keys.advance().map_err(AgentError::broken)?;
    if index != row.head.size {
        return Err(AgentError::broken("a lane's keys are not at its end"));
    }
    let header = EntryHeader {
        version: V1,
        suite: SUITE_GCM_SIV,
        lane,
        index,
        kind: what.kind,
        time: app.stamp(),
        beacon: app.beacon(),
        prev: what.prev,
    };
    let length = what.prefix.len() as u64 + what.content.length();
    let sealer = Sealer::new(&key, &header, row.header.minimum, length).map_err(AgentError::broken)?;
    drop(key);
    let listed = seal_to_blob(app, sealer, what).await?;
    let entry = EntryRow {
        leaf: listed.leaf(),
        header,
        commitment: listed.commitment,
        body_length: listed.body_length,
        body_sha256: listed.body_sha256,
    };
    let (nodes, head) = grow(app, &row, entry.leaf).await?;
    let write = Write::Append {
        entry: entry.clone(),
        head,
        nodes,
        keys: lease.wrap(&*app.random, lane, &keys)?,
        idempotency: what.idempotency.map(|(key, request)| IdempotencyRow { key, request, lane, index }),
    };
    match app.committer.commit([vec![write], also].concat()).await {
        Ok(()) => {}
        Err(CommitError::Refused(refusal)) => {
            app.blobs.discard(&entry.body_sha256).await?;
            return Ok(Err(refusal));
        }
        Err(error) => return Err(error.into()),
    }
    app.work.notify_one();
    if let Err(error) = app.blobs.publish(&entry.body_sha256).await {
        // It is durable under its temporary name, found there by readers, and published at start.
        tracing::warn!(%error, "a body could not be published");
    }
    Ok(Ok(Appended { entry, head }))
}

/// Seals prefix and content piece by piece into a staged blob.
async fn seal_to_blob(
    app: &App,
    mut sealer: Sealer,
    what: &mut Append<'_>,
) -> Result<ListedEntry, AgentError> {
    let mut blob = app.blobs.stage().await?;
    let mut out = Vec::new();
    sealer.write(&what.prefix, &mut out).map_err(AgentError::broken)?;
    let mut offset = 0;
    while offset < what.content.length() {
        let piece = what.content.read(offset, PIECE).await?;
        offset += piece.len() as u64;
        sealer.write(&piece, &mut out).map_err(AgentError::broken)?;
        if out.len() >= PIECE {
            blob.write(&out).await?;
            out.clear();
        }
    }
    let listed = sealer.finish(&mut out).map_err(AgentError::broken)?;
    blob.write(&out).await?;
    blob.finish(&listed.body_sha256).await?;
    Ok(listed)
}

/// The lane one leaf longer: every subtree the leaf completes, and the head.
async fn grow(
    app: &App,
    row: &LaneRow,
    leaf: Hash,
) -> Result<(Vec<(casewise_ledger::merkle::NodeId, Hash)>, Head), AgentError> {
    let ids = Frontier::peak_ids(row.head.size);
    let peaks = app.store.nodes(&row.lane, &ids).await?.into_iter().collect::<Option<Vec<Hash>>>();
    let peaks = peaks.ok_or_else(|| AgentError::broken("a lane misses a subtree hash"))?;
    let mut frontier = Frontier::from_peaks(row.head.size, peaks).map_err(AgentError::broken)?;
    if frontier.root() != row.head.root {
        return Err(AgentError::broken("a lane's subtrees do not give its root"));
    }
    let nodes = frontier.push(leaf).map_err(AgentError::broken)?;
    Ok((nodes, Head { size: frontier.size(), root: frontier.root() }))
}

/// The live lane of a class, waiting for one that is being opened.
pub async fn live_lane(app: &App, case: &CaseId, class: Class) -> Result<LaneId, AgentError> {
    let mut applied = app.applied.subscribe();
    let mut timeout = app.clock.sleep(WAIT_FOR_LANE_MS);
    loop {
        applied.mark_unchanged();
        app.writing()?;
        match find_lane(app, case, class).await? {
            Found::Live(lane) => return Ok(lane),
            Found::Closed => return Err(Problem::from(ProblemKind::CaseClosed).into()),
            Found::Soon => {}
        }
        let changed = Box::pin(applied.changed());
        match futures::future::select(changed, timeout).await {
            futures::future::Either::Left((Ok(()), rest)) => timeout = rest,
            _ => {
                let why = "The case's lane is not open on the chain yet.";
                return Err(Problem::new(ProblemKind::NotReady, why).into());
            }
        }
    }
}

enum Found {
    Live(LaneId),
    /// One is being opened, or the present one is about to be succeeded.
    Soon,
    /// The case takes nothing from us any more.
    Closed,
}

async fn find_lane(app: &App, case: &CaseId, class: Class) -> Result<Found, AgentError> {
    let rev = app.store.rev(case).await?.rev;
    // as long as the key of a new holder is not known, no lane can follow: care goes on in the old one
    let follows = holders::key_known(app, case).await?;
    let mut soon = false;
    for lane in app.store.lanes_of(case).await? {
        if lane.header.class != class || lane.header.signer.is_some() {
            continue;
        }
        let status = app.store.lane_view(&lane.lane).await?.map(|view| view.record.status);
        match (lane.state, status) {
            // The revocation is in a block: nothing more goes where the reader has keys.
            (LaneState::Live, Some(LaneStatus::Open))
                if class == Class::Content && lane.rev < rev && follows =>
            {
                soon = true
            }
            (LaneState::Live, Some(LaneStatus::Open)) => return Ok(Found::Live(lane.lane)),
            (LaneState::Ended, Some(LaneStatus::Open)) => soon = true,
            (LaneState::Opening, _) => soon |= may_open(app, lane.header.predecessor.as_ref()).await?,
            _ => {}
        }
    }
    Ok(if soon { Found::Soon } else { Found::Closed })
}

/// Whether a lane with this predecessor can still be opened: a closing lane gets no successor.
async fn may_open(app: &App, predecessor: Option<&LaneId>) -> Result<bool, AgentError> {
    let Some(lane) = predecessor else { return Ok(true) };
    let view = app.store.lane_view(lane).await?;
    Ok(view.is_none_or(|view| view.record.status == LaneStatus::Open))
}
