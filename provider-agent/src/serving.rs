//! What serving a read needs: a fresh view, the facts of one height, the decision, the bytes.
//!
//! Responsible for: bringing clocks, the node's tip and the projection to the gatekeeper, and
//! reading sealed bytes with the permit it gives. Must never mix facts of two heights, answer a
//! third party on a view that is not fresh, or read a byte that no permit covers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use casewise_api::{Problem, ProblemKind};
use casewise_ledger::{
    Address, CaseId, Class, Commitment, Data, EntryRef, Hash, Kind, LaneId, Receipt, ReleaseItem,
};
use casewise_seal::{KemPublic, KemSecret};

use crate::app::App;
use crate::append::{Append, append};
use crate::committer::CommitError;
use crate::gatekeeper::{self, Ask, Facts, Fresh, LaneFacts, Now, Permit, Refusal, Stale, Tip, View};
use crate::input::Input;
use crate::keys::Use;
use crate::openings::Openings;
use crate::public::limit::{GRANT_RATE, Limiter, STRANGER_RATE};
use crate::store::{self, Batch, Cursor, EntryRow, LaneView};
use crate::{AgentError, ports::BlobError};

/// How long an answer of the node about its tip may be used, ms: no longer than a block takes.
pub const TIP_INTERVAL_MS: u64 = 400;
/// How long the node may take to say what its tip is, ms.
pub const TIP_TIMEOUT_MS: u64 = 2_000;
/// How long a request waits for the view to show what its sender saw in a newer block, ms.
pub const CATCH_UP_MS: u64 = 3_000;
/// How often facts are read again when a block was applied meanwhile.
const FACTS_ATTEMPTS: usize = 8;

/// Everything the serving handlers share.
pub struct Serving {
    /// The agent.
    pub app: Arc<App>,
    /// Openings, sealed in the store.
    pub openings: Openings,
    /// Our X-Wing keys, as in the key file.
    kem: Vec<KemPublic>,
    tip: tokio::sync::Mutex<Option<Tip>>,
    grants: Mutex<Limiter<Commitment>>,
    strangers: Mutex<Limiter<()>>,
    /// Readers whose present key should be kept before it is needed.
    readers: Mutex<BTreeSet<u32>>,
}

/// What a decision is about.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The case.
    pub case: &'a CaseId,
    /// Who signed.
    pub signer: &'a Address,
    /// The grant, for a third party.
    pub grant: Option<&'a Commitment>,
}

impl Serving {
    /// Serves what this agent holds.
    pub fn new(app: Arc<App>) -> Self {
        let openings = Openings::new(&app.keys);
        let kem = app.keys.kem.iter().map(|kem| kem.secret.public()).collect();
        Self {
            app,
            openings,
            kem,
            tip: tokio::sync::Mutex::new(None),
            grants: Mutex::new(Limiter::new(GRANT_RATE)),
            strangers: Mutex::new(Limiter::new(STRANGER_RATE)),
            readers: Mutex::default(),
        }
    }

    /// Our X-Wing keys: hash and secret.
    pub fn kem_keys(&self) -> impl Iterator<Item = (Hash, &KemSecret)> {
        self.kem.iter().map(KemPublic::hash).zip(self.app.keys.kem.iter().map(|kem| &kem.secret))
    }

    /// The secret of the key with this hash, if it is ours.
    pub fn kem_secret(&self, hash: &Hash) -> Option<&KemSecret> {
        self.kem_keys().find(|(known, _)| known == hash).map(|(_, secret)| secret)
    }

    /// The public key with this hash, if it is ours.
    pub fn kem_public(&self, hash: &Hash) -> Option<&KemPublic> {
        self.kem.iter().find(|key| key.hash() == *hash)
    }

    /// Applies a batch, durably, or says why it was refused.
    pub async fn try_write(&self, batch: Batch) -> Result<Result<(), store::Refusal>, AgentError> {
        match self.app.committer.commit(batch).await {
            Ok(()) => Ok(Ok(())),
            Err(CommitError::Refused(refusal)) => Ok(Err(refusal)),
            Err(error) => Err(error.into()),
        }
    }

    /// Applies writes that nothing can refuse.
    pub async fn write(&self, batch: Batch) -> Result<(), AgentError> {
        Ok(self.app.committer.commit(batch).await?)
    }

    /// Writes the receipt into our access lane of its case; durable with its body when it returns.
    /// The same release again gives the entry that was written first.
    pub async fn append_access(&self, receipt: &Receipt) -> Result<EntryRef, AgentError> {
        let app = &self.app;
        // no client's idempotency key has a zero byte in it
        let key = app.keys.hash(Use::IdempotencyKey, &[b"\0release\0", &receipt.release.nonce[..]].concat());
        let request = app.keys.hash(Use::Request, &receipt.release.message());
        let data = Data::Access(Box::new(receipt.clone())).encode().map_err(AgentError::broken)?;
        let (prefix, content) = data.split_at(1);
        let what = Append {
            case: receipt.release.case,
            class: Class::Access,
            kind: Kind::Access,
            prev: None,
            prefix: prefix.to_vec(),
            content: &mut Input::memory(content.to_vec()),
            idempotency: Some((key, request)),
        };
        if let Ok(appended) = append(app, what).await? {
            return Ok(appended.place());
        }
        let known = app.store.idempotency(&key).await?.filter(|known| known.request == request);
        let known = known.ok_or_else(|| AgentError::broken("a release's access entry is not found again"))?;
        Ok(EntryRef { lane: known.lane, index: known.index })
    }

    /// A reader follows into lanes to come: its key will be needed.
    pub fn expect_reader(&self, institution: u32) {
        lock(&self.readers).insert(institution);
    }

    /// The readers named since the last call.
    pub fn take_readers(&self) -> BTreeSet<u32> {
        std::mem::take(&mut *lock(&self.readers))
    }

    /// Judges the view now, asking the node for its tip when the last answer is too old.
    pub async fn fresh(&self) -> Result<Fresh, Stale> {
        let tip = self.tip().await;
        let view = *self.app.applied.borrow();
        let view = view.map(|applied| View {
            height: applied.cursor.height,
            time: applied.cursor.time,
            applied: applied.at,
        });
        let now = Now { wall: self.app.clock.now(), monotonic: self.app.clock.monotonic() };
        gatekeeper::freshness(view.as_ref(), tip.as_ref(), &now, TIP_INTERVAL_MS)
    }

    /// The node's tip; whoever comes while it is being asked waits for the same answer.
    async fn tip(&self) -> Option<Tip> {
        let mut known = self.tip.lock().await;
        let asked = self.app.clock.monotonic();
        if let Some(tip) = *known
            && asked.saturating_sub(tip.asked) <= TIP_INTERVAL_MS / 2
        {
            return Some(tip);
        }
        let timeout = self.app.clock.sleep(TIP_TIMEOUT_MS);
        let answer = futures::future::select(self.app.chain.tip(), timeout).await;
        *known = match answer {
            futures::future::Either::Left((Ok(tip), _)) => Some(Tip { height: tip.height, asked }),
            futures::future::Either::Left((Err(error), _)) => {
                tracing::warn!(%error, "the node does not say what its newest block is");
                None
            }
            futures::future::Either::Right(_) => {
                tracing::warn!("the node does not say in time what its newest block is");
                None
            }
        };
        *known
    }

    /// Waits until the view shows what `seen` looks for, at most [`CATCH_UP_MS`]: a client acts on
    /// blocks that this agent may be about to apply. The last facts, whatever they say.
    pub async fn facts_when(
        &self,
        about: &About<'_>,
        seen: impl Fn(&Facts) -> bool,
    ) -> Result<Facts, AgentError> {
        let mut applied = self.app.applied.subscribe();
        let mut timeout = self.app.clock.sleep(CATCH_UP_MS);
        loop {
            applied.mark_unchanged();
            let facts = self.facts(about).await?;
            if seen(&facts) {
                return Ok(facts);
            }
            let changed = Box::pin(applied.changed());
            match futures::future::select(changed, timeout).await {
                futures::future::Either::Left((Ok(()), rest)) => timeout = rest,
                _ => return Ok(facts),
            }
        }
    }

    /// The facts of one height. Reads are repeated when a block was applied in between.
    pub async fn facts(&self, about: &About<'_>) -> Result<Facts, AgentError> {
        for _ in 0..FACTS_ATTEMPTS {
            let Some(before) = self.app.store.cursor().await? else { break };
            let facts = self.facts_at(&before, about).await?;
            if self.app.store.cursor().await? == Some(before) {
                return Ok(facts);
            }
        }
        Err(Problem::from(ProblemKind::StaleView).into())
    }

    async fn facts_at(&self, cursor: &Cursor, about: &About<'_>) -> Result<Facts, AgentError> {
        let store = &self.app.store;
        let server = self.app.config.institution;
        let reader = match store.operator(about.signer).await? {
            Some(number) => store.institution(number).await?.map(|known| (number, known.record.status)),
            None => None,
        };
        let grant = match about.grant {
            Some(commitment) => store.grant(commitment).await?.map(|grant| grant.record),
            None => None,
        };
        Ok(Facts {
            height: cursor.height,
            time: cursor.time,
            server,
            server_status: store.institution(server).await?.map(|known| known.record.status),
            relationship: store.relationship(about.case, server).await?.map(|known| known.record.status),
            identity: store.identity(about.case).await?.map(|known| known.record),
            rev: store.rev(about.case).await?.rev,
            grant,
            reader,
            lanes: lane_facts(&store.lane_views(about.case).await?),
        })
    }

    /// A third party's read, decided now on a fresh view, with the facts it was decided on. A
    /// refusal is logged and answered as if there were nothing.
    pub async fn decide(&self, about: &About<'_>, ask: &Ask<'_>) -> Result<(Permit, Facts), AgentError> {
        let fresh = self.fresh().await.map_err(|stale| self.stale(stale))?;
        let facts = self.facts(about).await?;
        let permit = gatekeeper::decide(&fresh, &facts, ask).map_err(|refusal| self.refused(refusal))?;
        Ok((permit, facts))
    }

    /// The holder's own read of part of a lane.
    pub async fn decide_holder(
        &self,
        case: &CaseId,
        signer: &Address,
        item: ReleaseItem,
    ) -> Result<Permit, AgentError> {
        let facts = self.facts(&About { case, signer, grant: None }).await?;
        gatekeeper::decide_holder(&facts, case, signer, &[item])
            .map_err(|refusal| self.refused(refusal).into())
    }

    /// The answer to whoever asks while the view is not fresh.
    pub fn stale(&self, stale: Stale) -> Problem {
        tracing::warn!(reason = %stale, "no decision: the view of the chain is not fresh");
        ProblemKind::StaleView.into()
    }

    /// The one answer to whatever is not there or not allowed.
    pub fn refused(&self, refusal: Refusal) -> Problem {
        tracing::info!(reason = %refusal, "a read was refused");
        ProblemKind::Absent.into()
    }

    /// Takes a token of a grant.
    pub fn limit_grant(&self, grant: &Commitment) -> Result<(), Problem> {
        self.limited(&self.grants, *grant)
    }

    /// Takes a token of all strangers.
    pub fn limit_strangers(&self) -> Result<(), Problem> {
        self.limited(&self.strangers, ())
    }

    fn limited<K: Ord + Copy>(&self, limiter: &Mutex<Limiter<K>>, key: K) -> Result<(), Problem> {
        let now = self.app.clock.monotonic();
        if lock(limiter).take(key, now) { Ok(()) } else { Err(ProblemKind::RateLimited.into()) }
    }

    /// Bytes of a sealed body under a permit.
    pub async fn read(
        &self,
        permit: &Permit,
        entry: &EntryRow,
        offset: u64,
        length: usize,
    ) -> Result<Vec<u8>, AgentError> {
        let part = permit.part(entry, offset, length).map_err(|refusal| self.refused(refusal))?;
        match self.app.blobs.read(&part).await {
            Ok(bytes) => Ok(bytes),
            Err(BlobError::Range) => Err(Problem::from(ProblemKind::Range).into()),
            Err(error) => Err(error.into()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The lanes of a case with the lanes each goes on from.
fn lane_facts(views: &[LaneView]) -> BTreeMap<LaneId, LaneFacts> {
    let before: BTreeMap<LaneId, Option<LaneId>> =
        views.iter().map(|view| (view.lane, view.header.predecessor)).collect();
    views
        .iter()
        .map(|view| {
            let facts = LaneFacts {
                header: view.header.clone(),
                head: view.record.head(),
                ancestors: ancestors(&before, view.header.predecessor),
            };
            (view.lane, facts)
        })
        .collect()
}

/// Nearest first. A header is hashed with its predecessor's id in it, so there is no way back.
pub(crate) fn ancestors(before: &BTreeMap<LaneId, Option<LaneId>>, nearest: Option<LaneId>) -> Vec<LaneId> {
    std::iter::successors(nearest, |lane| before.get(lane).copied().flatten()).collect()
}
