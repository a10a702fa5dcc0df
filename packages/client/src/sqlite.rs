//! The wallet's records in one SQLite file, each sealed under a key of the patient's phrase.
//!
//! Responsible for: a commit is whole and durable when it returns, or has no effect; nothing in the
//! file is readable without the phrase, names included.

use std::path::Path;

use aes_gcm_siv::aead::{Aead, KeyInit as _, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use async_trait::async_trait;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use sqlx::Row as _;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use zeroize::Zeroizing;

use crate::store::{Batch, Store};
use crate::{ClientError, Phrase, random};

/// Name of the file in the wallet's directory.
pub const STORE_FILE: &str = "wallet.db";

/// Version of the file's layout.
const LAYOUT: i64 = 1;
const TAG: usize = 16;
const NONCE: usize = 12;

/// [`Store`] in an SQLite file. Several processes may use it at once.
pub struct SqliteStore {
    pool: SqlitePool,
    names: Zeroizing<[u8; 32]>,
    cipher: Aes256GcmSiv,
}

impl SqliteStore {
    /// Opens or makes the file in `home`, which must exist.
    pub async fn open(home: &Path, phrase: &Phrase) -> Result<Self, ClientError> {
        let options = SqliteConnectOptions::new()
            .filename(home.join(STORE_FILE))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(std::time::Duration::from_secs(30))
            .pragma("secure_delete", "on");
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.map_err(failed)?;
        let keys = phrase.local_key(b"store");
        let mut names = Zeroizing::new([0; 32]);
        names.copy_from_slice(&keys[..32]);
        let key: &[u8; 32] = keys[32..].try_into().expect("32 of 64 bytes");
        let store = Self { pool, names, cipher: Aes256GcmSiv::new(key.into()) };
        store.prepare().await?;
        restrict(home)?;
        Ok(store)
    }

    async fn prepare(&self) -> Result<(), ClientError> {
        let version: i64 =
            sqlx::query_scalar("PRAGMA user_version").fetch_one(&self.pool).await.map_err(failed)?;
        match version {
            LAYOUT => return Ok(()),
            0 => {}
            other => {
                let reason = format!("its layout is {other}, this program knows {LAYOUT}");
                return Err(ClientError::Store { reason });
            }
        }
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        for step in [
            "CREATE TABLE IF NOT EXISTS item (space BLOB NOT NULL, id BLOB NOT NULL, sealed BLOB NOT NULL, \
             PRIMARY KEY (space, id)) WITHOUT ROWID",
            "PRAGMA user_version = 1",
        ] {
            sqlx::query(step).execute(&mut *tx).await.map_err(failed)?;
        }
        tx.commit().await.map_err(failed)
    }

    /// Ends all use of the file.
    pub async fn close(self) {
        self.pool.close().await;
    }

    /// What stands in the file instead of a name.
    fn name(&self, domain: u8, parts: [&[u8]; 2]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.names).expect("any length is a key");
        mac.update(&[domain]);
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes()[..16].to_vec()
    }

    fn seal(&self, space: &[u8], place: &[u8], id: &[u8], value: &[u8]) -> Result<Vec<u8>, ClientError> {
        let mut plain = Zeroizing::new(Vec::with_capacity(4 + id.len() + value.len()));
        plain.extend_from_slice(&(id.len() as u32).to_be_bytes());
        plain.extend_from_slice(id);
        plain.extend_from_slice(value);
        let nonce: [u8; NONCE] = random::bytes()?;
        let aad = [space, place].concat();
        let sealed = self
            .cipher
            .encrypt(&Nonce::from(nonce), Payload { msg: &plain, aad: &aad })
            .map_err(|_| ClientError::Store { reason: "a record cannot be sealed".into() })?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// The id and value of a row.
    fn open_row(
        &self,
        space: &[u8],
        place: &[u8],
        row: &[u8],
    ) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), ClientError> {
        let damaged =
            || ClientError::Store { reason: "a record was changed, or belongs to another phrase".into() };
        if row.len() < NONCE + TAG + 4 {
            return Err(damaged());
        }
        let (nonce, sealed) = row.split_at(NONCE);
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| damaged())?;
        let aad = [space, place].concat();
        let plain = self
            .cipher
            .decrypt(&Nonce::from(nonce), Payload { msg: sealed, aad: &aad })
            .map(Zeroizing::new)
            .map_err(|_| damaged())?;
        let (length, rest) = plain.split_first_chunk::<4>().ok_or_else(damaged)?;
        let length = u32::from_be_bytes(*length) as usize;
        if rest.len() < length {
            return Err(damaged());
        }
        let (id, value) = rest.split_at(length);
        Ok((id.to_vec(), Zeroizing::new(value.to_vec())))
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn get(&self, space: &str, id: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, ClientError> {
        let (space, place) = (self.name(0, [space.as_bytes(), b""]), self.name(1, [space.as_bytes(), id]));
        let row: Option<Vec<u8>> = sqlx::query_scalar("SELECT sealed FROM item WHERE space = ? AND id = ?")
            .bind(&space)
            .bind(&place)
            .fetch_optional(&self.pool)
            .await
            .map_err(failed)?;
        row.map(|row| self.open_row(&space, &place, &row).map(|(_, value)| value)).transpose()
    }

    async fn scan(&self, space: &str) -> Result<Vec<(Vec<u8>, Zeroizing<Vec<u8>>)>, ClientError> {
        let space = self.name(0, [space.as_bytes(), b""]);
        let rows = sqlx::query("SELECT id, sealed FROM item WHERE space = ?")
            .bind(&space)
            .fetch_all(&self.pool)
            .await
            .map_err(failed)?;
        let mut out = rows
            .iter()
            .map(|row| self.open_row(&space, row.get(0), row.get(1)))
            .collect::<Result<Vec<_>, _>>()?;
        out.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(out)
    }

    async fn commit(&self, batch: Batch) -> Result<(), ClientError> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        for change in batch.changes() {
            let name = change.space.as_bytes();
            let (space, place) = (self.name(0, [name, b""]), self.name(1, [name, &change.id]));
            let query = match &change.value {
                Some(value) => sqlx::query(
                    "INSERT INTO item (space, id, sealed) VALUES (?, ?, ?) \
                     ON CONFLICT (space, id) DO UPDATE SET sealed = excluded.sealed",
                )
                .bind(space.clone())
                .bind(place.clone())
                .bind(self.seal(&space, &place, &change.id, value)?),
                None => sqlx::query("DELETE FROM item WHERE space = ? AND id = ?").bind(space).bind(place),
            };
            query.execute(&mut *tx).await.map_err(failed)?;
        }
        tx.commit().await.map_err(failed)
    }
}

fn failed(error: sqlx::Error) -> ClientError {
    ClientError::Store { reason: error.to_string() }
}

/// The file and its journals are for their owner only.
fn restrict(home: &Path) -> Result<(), ClientError> {
    #[cfg(unix)]
    for name in [STORE_FILE.to_owned(), format!("{STORE_FILE}-wal"), format!("{STORE_FILE}-shm")] {
        use std::os::unix::fs::PermissionsExt as _;
        let path = home.join(name);
        match std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(ClientError::File { path, reason: error.to_string() });
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn store(home: &Path, phrase: &Phrase) -> SqliteStore {
        SqliteStore::open(home, phrase).await.unwrap()
    }

    #[tokio::test]
    async fn records_come_back_after_reopening() {
        let (dir, phrase) = (tempfile::tempdir().unwrap(), Phrase::generate().unwrap());
        let first = store(dir.path(), &phrase).await;
        let mut batch = Batch::new();
        batch.put("a", b"2", vec![2; 70_000]).put("a", b"10", vec![]).put("b", b"2", vec![9]);
        first.commit(batch).await.unwrap();
        first.close().await;

        let again = store(dir.path(), &phrase).await;
        assert_eq!(**again.get("a", b"2").await.unwrap().unwrap(), [2; 70_000]);
        assert_eq!(**again.get("b", b"2").await.unwrap().unwrap(), [9]);
        assert!(again.get("b", b"10").await.unwrap().is_none());
        let ids: Vec<_> = again.scan("a").await.unwrap().into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, [b"10".to_vec(), b"2".to_vec()]);

        let mut batch = Batch::new();
        batch.delete("a", b"10").put("a", b"2", vec![3]);
        again.commit(batch).await.unwrap();
        assert_eq!(again.scan("a").await.unwrap(), [(b"2".to_vec(), Zeroizing::new(vec![3]))]);
    }

    #[tokio::test]
    async fn a_commit_that_was_not_finished_has_no_effect() {
        let (dir, phrase) = (tempfile::tempdir().unwrap(), Phrase::generate().unwrap());
        let store = store(dir.path(), &phrase).await;
        let mut tx = store.pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
        sqlx::query("INSERT INTO item (space, id, sealed) VALUES (x'00', x'00', x'00')")
            .execute(&mut *tx)
            .await
            .unwrap();
        drop(tx);
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM item").fetch_one(&store.pool).await.unwrap();
        assert_eq!(count, 0);
    }

    #[tokio::test]
    async fn nothing_is_readable_in_the_files() {
        let (dir, phrase) = (tempfile::tempdir().unwrap(), Phrase::generate().unwrap());
        let first = store(dir.path(), &phrase).await;
        let needles = ["SPACE-CANARY", "ID-CANARY", "VALUE-CANARY"];
        let mut batch = Batch::new();
        batch.put(needles[0], needles[1].as_bytes(), needles[2].into());
        first.commit(batch).await.unwrap();
        let mut searched = 0;
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            searched += bytes.len();
            for needle in needles {
                assert!(!bytes.windows(needle.len()).any(|window| window == needle.as_bytes()));
            }
        }
        assert!(searched > 4096);
    }

    #[tokio::test]
    async fn another_phrase_and_a_moved_record_are_refused() {
        let (dir, phrase) = (tempfile::tempdir().unwrap(), Phrase::generate().unwrap());
        let first = store(dir.path(), &phrase).await;
        let mut batch = Batch::new();
        batch.put("a", b"1", vec![1]).put("a", b"2", vec![2]);
        first.commit(batch).await.unwrap();
        let other = SqliteStore::open(dir.path(), &Phrase::generate().unwrap()).await.unwrap();
        assert!(other.get("a", b"1").await.unwrap().is_none(), "another phrase finds nothing");

        let (from, to) = (first.name(1, [b"a", b"1"]), first.name(1, [b"a", b"2"]));
        sqlx::query("UPDATE item SET sealed = (SELECT sealed FROM item WHERE id = ?) WHERE id = ?")
            .bind(from)
            .bind(to)
            .execute(&first.pool)
            .await
            .unwrap();
        assert!(first.get("a", b"1").await.is_ok());
        assert!(matches!(first.get("a", b"2").await, Err(ClientError::Store { .. })));
        assert!(matches!(first.scan("a").await, Err(ClientError::Store { .. })));
    }

    #[tokio::test]
    async fn another_layout_is_refused() {
        let (dir, phrase) = (tempfile::tempdir().unwrap(), Phrase::generate().unwrap());
        let first = store(dir.path(), &phrase).await;
        sqlx::query("PRAGMA user_version = 2").execute(&first.pool).await.unwrap();
        first.close().await;
        let error = SqliteStore::open(dir.path(), &phrase).await.err().unwrap();
        assert!(error.to_string().contains("layout is 2"), "{error}");
    }
}
