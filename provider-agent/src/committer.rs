//! The one place that writes to the database: group commit.
//!
//! Whoever writes hands over a batch and waits. All batches waiting are applied in one transaction;
//! then the commit's number goes into the epoch file; only then are the waiting told. So what was
//! acknowledged is durable in both, and a database behind the file is an older copy.
//!
//! Must never answer before both are synced, nor go on after a failed sync: what the disk holds then
//! is not known, and only a restart reads it again.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::{
    AgentError,
    crash::crash_point,
    epoch::Epoch,
    ports::Blobs,
    store::{Batch, Refusal, Store, Write},
};

/// Most batches in one transaction.
pub const MAX_GROUP: usize = 256;
/// Most batches waiting.
const QUEUE: usize = 4 * MAX_GROUP;

/// Why a batch was not committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// It met a state it did not expect.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The committer has stopped; whether this batch is committed is not known.
    #[error("the agent stops: it cannot write any more")]
    Stopped,
}

impl From<CommitError> for AgentError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Refused(refusal) => Self::broken(refusal),
            CommitError::Stopped => Self::Halted(error.to_string()),
        }
    }
}

struct Job {
    batch: Batch,
    reply: oneshot::Sender<Result<(), CommitError>>,
}

/// Hands batches to the committer.
#[derive(Clone)]
pub struct Committer(mpsc::Sender<Job>);

/// The committer's end of the queue.
pub struct Queue(mpsc::Receiver<Job>);

/// A new queue.
pub fn queue() -> (Committer, Queue) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Committer(sender), Queue(receiver))
}

impl Committer {
    /// Commits a batch, whole or not at all. Durable when it returns.
    pub async fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Job { batch, reply }).await.map_err(|_| CommitError::Stopped)?;
        answer.await.map_err(|_| CommitError::Stopped)?
    }

    /// Returns once every commit that can be read now is noted in the epoch file. Whoever signs or
    /// answers from what it read, and did not commit itself, waits for this first: what is read can be
    /// a commit whose number is not noted yet.
    pub async fn settled(&self) -> Result<(), CommitError> {
        self.commit(Batch::new()).await
    }
}

/// Commits until the last [`Committer`] is gone, or a write fails.
pub async fn run(
    mut queue: Queue,
    store: Arc<dyn Store>,
    blobs: Arc<dyn Blobs>,
    epoch: Arc<Epoch>,
) -> Result<(), AgentError> {
    while let Some(first) = queue.0.recv().await {
        let mut jobs = vec![first];
        while jobs.len() < MAX_GROUP {
            let Ok(job) = queue.0.try_recv() else { break };
            jobs.push(job);
        }
        commit(jobs, &*store, &*blobs, &epoch).await?;
    }
    Ok(())
}

async fn commit(
    jobs: Vec<Job>,
    store: &dyn Store,
    blobs: &dyn Blobs,
    epoch: &Epoch,
) -> Result<(), AgentError> {
    let (batches, replies): (Vec<Batch>, Vec<_>) = jobs.into_iter().map(|job| (job.batch, job.reply)).unzip();
    if batches.iter().all(Vec::is_empty) {
        // the commit before is noted: its own turn has ended
        for reply in replies {
            let _ = reply.send(Ok(()));
        }
        return Ok(());
    }
    let has_entry = batches.iter().flatten().any(|write| matches!(write, Write::Append { .. }));
    if has_entry {
        blobs.sync().await?;
        crash_point("after-blob");
    }
    let committed = store.commit(&batches).await?;
    if has_entry {
        crash_point("after-commit");
    }
    epoch.count(committed.number).await?;
    if has_entry {
        crash_point("after-counter");
    }
    for (reply, refused) in replies.into_iter().zip(committed.refused) {
        // Whoever asked may have gone; the batch is committed all the same.
        let _ = reply.send(refused.map_or(Ok(()), |refusal| Err(refusal.into())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::{SystemRandom, blobs::FileBlobs, epoch::DiskEpochFile, sqlite::SqliteStore},
        epoch::first_record,
        ports::{EpochError, EpochFile, EpochRecord},
    };
    use tokio::sync::Semaphore;

    /// An epoch file that is written only when the test allows it.
    struct Held {
        file: DiskEpochFile,
        allowed: Arc<Semaphore>,
    }

    #[async_trait::async_trait]
    impl EpochFile for Held {
        async fn read(&self) -> Result<EpochRecord, EpochError> {
            self.file.read().await
        }

        async fn moved(&self) -> Result<bool, EpochError> {
            self.file.moved().await
        }

        async fn write(&self, record: &EpochRecord) -> Result<(), EpochError> {
            self.allowed.acquire().await.map_err(std::io::Error::other)?.forget();
            self.file.write(record).await
        }

        async fn settle(&self, record: &EpochRecord) -> Result<(), EpochError> {
            self.file.settle(record).await
        }
    }

    #[tokio::test]
    #[allow(clippy::disallowed_methods)] // the test runs beside the committer
    async fn what_was_read_is_answered_only_after_its_commit_is_noted() {
        let dir = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(dir.path()).await.unwrap());
        let blobs: Arc<dyn Blobs> = Arc::new(FileBlobs::open(&dir.path().join("bodies")).unwrap());
        let record = first_record(&SystemRandom, [1; 16], 0).unwrap();
        let file = DiskEpochFile::create(&dir.path().join("epoch"), &record).unwrap();
        let allowed = Arc::new(Semaphore::new(0));
        let held = Held { file: file.clone(), allowed: allowed.clone() };
        let epoch = Arc::new(Epoch::open(Arc::new(held)).await.unwrap());
        let (committer, queue) = queue();
        let running = tokio::spawn(run(queue, store.clone(), blobs, epoch));

        committer.settled().await.unwrap();
        assert_eq!(store.commit_number().await.unwrap(), 0, "waiting costs no commit");
        let link = vec![Write::Link { identifier: [7; 32], case: casewise_ledger::CaseId([8; 32]) }];
        let writing = committer.commit(link);
        let mut writing = std::pin::pin!(writing);
        assert!(futures::poll!(&mut writing).is_pending());
        while store.linked(&[7; 32]).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        // The commit can be read. The process could end now, and its number be noted nowhere.
        let mut settled = std::pin::pin!(committer.settled());
        for _ in 0..100 {
            assert!(futures::poll!(&mut settled).is_pending());
            tokio::task::yield_now().await;
        }
        assert_eq!(file.read().await.unwrap().counter, 0);
        allowed.add_permits(1);
        settled.await.unwrap();
        assert_eq!(file.read().await.unwrap().counter, 1);
        writing.await.unwrap();
        assert!(!running.is_finished());
    }
}
