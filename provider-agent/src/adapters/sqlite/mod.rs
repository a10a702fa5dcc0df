//! The store on SQLite: WAL, every commit synced, deleted content overwritten.
//!
//! One connection writes, in `BEGIN IMMEDIATE` transactions, one batch in one savepoint; a pool
//! reads. Must never be opened by two processes: a lock file beside the database sees to that.

mod core;
mod custody;
mod holders;
mod reading;

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use casewise_ledger::{Hash, decode, encode};
use sqlx::{
    Connection, Row, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};
use tokio::sync::Mutex;

use crate::store::{Batch, Committed, Refusal, Store, StoreError};

const FILE: &str = "agent.sqlite";
const LOCK: &str = "agent.lock";
const READERS: u32 = 8;
const BUSY: Duration = Duration::from_secs(10);
/// How long overwriting the log waits for reads that are going on.
const SCRUB_BUSY: Duration = Duration::from_millis(500);

/// The store of one agent.
pub struct SqliteStore {
    writer: Mutex<SqliteConnection>,
    readers: SqlitePool,
    /// Held as long as the store lives.
    _lock: File,
}

impl SqliteStore {
    /// The database file of a directory.
    pub fn path(directory: &Path) -> PathBuf {
        directory.join(FILE)
    }

    /// Opens or makes the database of a directory and brings its tables up to date.
    pub async fn open(directory: &Path) -> Result<Self, StoreError> {
        let lock = lock(directory)?;
        let options = SqliteConnectOptions::new()
            .filename(directory.join(FILE))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY)
            .pragma("secure_delete", "ON");
        let mut writer = SqliteConnection::connect_with(&options).await?;
        sqlx::migrate!("./migrations").run_direct(None, &mut writer, false).await.map_err(|error| {
            StoreError::Foreign(format!("{error}; this program is older than the database or was altered"))
        })?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await?;
        Ok(Self { writer: Mutex::new(writer), readers, _lock: lock })
    }
}

fn lock(directory: &Path) -> Result<File, StoreError> {
    let failed = |error: std::io::Error| StoreError::Engine(format!("{}: {error}", directory.display()));
    std::fs::create_dir_all(directory).map_err(failed)?;
    let file = File::options().create(true).append(true).open(directory.join(LOCK)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(StoreError::Foreign(format!("another agent runs on {}; stop it first", directory.display())))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, batches: &[Batch]) -> Result<Committed, StoreError> {
        let mut writer = self.writer.lock().await;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *writer).await?;
        let result = apply_all(&mut writer, batches).await;
        match result {
            Ok(committed) => {
                sqlx::query("COMMIT").execute(&mut *writer).await?;
                Ok(committed)
            }
            Err(error) => {
                // Whatever this says, the first error is the one that counts.
                let _ = sqlx::query("ROLLBACK").execute(&mut *writer).await;
                Err(error)
            }
        }
    }

    /// Free pages are overwritten as they become free; what is left is the write-ahead log.
    async fn scrub(&self) -> Result<bool, StoreError> {
        let mut writer = self.writer.lock().await;
        // writers wait meanwhile: it is tried again later rather than long
        patience(&mut writer, SCRUB_BUSY).await?;
        let answer = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *writer).await;
        patience(&mut writer, BUSY).await?;
        Ok(column::<i64>(&answer?, "busy")? == 0)
    }
}

/// How long a connection waits for others.
async fn patience(writer: &mut SqliteConnection, time: Duration) -> Result<(), StoreError> {
    let sql = format!("PRAGMA busy_timeout = {}", time.as_millis());
    sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(writer).await?;
    Ok(())
}

async fn apply_all(writer: &mut SqliteConnection, batches: &[Batch]) -> Result<Committed, StoreError> {
    let mut refused = Vec::with_capacity(batches.len());
    for batch in batches {
        sqlx::query("SAVEPOINT batch").execute(&mut *writer).await?;
        let refusal = apply_batch(writer, batch).await?;
        if refusal.is_some() {
            sqlx::query("ROLLBACK TO batch").execute(&mut *writer).await?;
        }
        sqlx::query("RELEASE batch").execute(&mut *writer).await?;
        refused.push(refusal);
    }
    let row = sqlx::query("UPDATE meta SET commit_number = commit_number + 1 RETURNING commit_number")
        .fetch_one(&mut *writer)
        .await?;
    Ok(Committed { number: number(&row, "commit_number")?, refused })
}

async fn apply_batch(writer: &mut SqliteConnection, batch: &Batch) -> Result<Option<Refusal>, StoreError> {
    for write in batch {
        match core::apply(writer, write).await {
            Ok(()) => {}
            Err(Failure::Refused(refusal)) => return Ok(Some(refusal)),
            Err(Failure::Broken(error)) => return Err(error),
        }
    }
    Ok(None)
}

/// Why a write was not applied.
pub(super) enum Failure {
    /// Its batch is undone; the others go on.
    Refused(Refusal),
    /// The transaction is undone.
    Broken(StoreError),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Broken(error)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Broken(error.into())
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Engine(error.to_string())
    }
}

/// A column of a type that SQLite has.
pub(super) fn column<'r, T>(row: &'r SqliteRow, name: &'static str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(name).map_err(|_| StoreError::Damaged { table: name })
}

/// A non-negative number.
pub(super) fn number<T: TryFrom<i64>>(row: &SqliteRow, name: &'static str) -> Result<T, StoreError> {
    let value: i64 = column(row, name)?;
    T::try_from(value).map_err(|_| StoreError::Damaged { table: name })
}

/// A non-negative number or NULL.
pub(super) fn maybe_number<T: TryFrom<i64>>(
    row: &SqliteRow,
    name: &'static str,
) -> Result<Option<T>, StoreError> {
    let value: Option<i64> = column(row, name)?;
    value.map(|value| T::try_from(value).map_err(|_| StoreError::Damaged { table: name })).transpose()
}

/// An id or hash.
pub(super) fn id<T: for<'a> TryFrom<&'a [u8]>>(row: &SqliteRow, name: &'static str) -> Result<T, StoreError> {
    let bytes: &[u8] = column(row, name)?;
    T::try_from(bytes).map_err(|_| StoreError::Damaged { table: name })
}

/// A hash.
pub(super) fn hash(row: &SqliteRow, name: &'static str) -> Result<Hash, StoreError> {
    let bytes: &[u8] = column(row, name)?;
    bytes.try_into().map_err(|_| StoreError::Damaged { table: name })
}

/// A Borsh object.
pub(super) fn object<T: borsh::BorshDeserialize>(
    row: &SqliteRow,
    name: &'static str,
) -> Result<T, StoreError> {
    let bytes: &[u8] = column(row, name)?;
    decode(bytes).map_err(|_| StoreError::Damaged { table: name })
}

/// A number for SQLite, which has signed ones only.
pub(super) fn signed(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::Engine("a number above 2^63".into()))
}

/// Borsh bytes.
pub(super) fn bytes<T: borsh::BorshSerialize>(value: &T) -> Vec<u8> {
    encode(value)
}
