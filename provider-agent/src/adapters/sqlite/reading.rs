//! The serving half on SQLite.

use async_trait::async_trait;
use casewise_ledger::case::KEM_KEY_LEN;
use casewise_ledger::{CaseId, Commitment, EntryRef, Hash, sha256};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::core::letter_row;
use super::{Failure, SqliteStore, bytes, column, hash, id, maybe_number, number, object, signed};
use crate::store::{
    DeliveryRow, LetterRow, NonceRow, OpeningRow, ReaderHalf, ReadingStore, ReadingWrite, Refusal,
    ReleaseRow, SharedReadRow, StoreError, WaitingLetterRow,
};

/// Applies one write.
pub(super) async fn apply(writer: &mut SqliteConnection, write: &ReadingWrite) -> Result<(), Failure> {
    match write {
        ReadingWrite::Nonce(row) => nonce(writer, row).await,
        ReadingWrite::Sweep(now) => sweep(writer, *now).await,
        ReadingWrite::Opening(row) => opening(writer, row).await,
        ReadingWrite::Release(row) => release(writer, row).await,
        ReadingWrite::Countersigned { nonce, half } => countersigned(writer, nonce, half).await,
        ReadingWrite::Delivery(row) => delivery(writer, row).await,
        ReadingWrite::KemKey(key) => kem_key(writer, key).await,
        ReadingWrite::WaitingLetter(row) => waiting_letter(writer, row).await,
        ReadingWrite::LetterDone { lane, grant } => {
            sqlx::query("DELETE FROM waiting_letters WHERE lane = ? AND commitment = ?")
                .bind(&lane.0[..])
                .bind(&grant.0[..])
                .execute(writer)
                .await?;
            Ok(())
        }
        ReadingWrite::SharedRead(row) => shared_read(writer, row).await,
    }
}

/// One row, or the refusal: the row was there (or was not).
fn one(affected: u64, otherwise: Refusal) -> Result<(), Failure> {
    if affected == 1 { Ok(()) } else { Err(otherwise.into()) }
}

async fn nonce(writer: &mut SqliteConnection, row: &NonceRow) -> Result<(), Failure> {
    let done = sqlx::query("INSERT INTO nonces (key, nonce, until) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
        .bind(&row.key[..])
        .bind(&row.nonce[..])
        .bind(signed(row.until)?)
        .execute(writer)
        .await?;
    one(done.rows_affected(), Refusal::Exists)
}

async fn sweep(writer: &mut SqliteConnection, now: u64) -> Result<(), Failure> {
    sqlx::query("DELETE FROM nonces WHERE until < ?").bind(signed(now)?).execute(&mut *writer).await?;
    sqlx::query("DELETE FROM releases WHERE expires <= ?").bind(signed(now)?).execute(writer).await?;
    Ok(())
}

async fn opening(writer: &mut SqliteConnection, row: &OpeningRow) -> Result<(), Failure> {
    sqlx::query("INSERT INTO openings (commitment, case_id, sealed) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
        .bind(&row.commitment.0[..])
        .bind(&row.case.0[..])
        .bind(&row.sealed)
        .execute(writer)
        .await?;
    Ok(())
}

async fn release(writer: &mut SqliteConnection, row: &ReleaseRow) -> Result<(), Failure> {
    let done = sqlx::query(
        "INSERT INTO releases (nonce, bytes, server_key, server_sig, expires, reader_key, reader_sig, \
         access_lane, access_index) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(&row.release.nonce[..])
    .bind(bytes(&row.release))
    .bind(&row.server_key[..])
    .bind(&row.server_sig[..])
    .bind(signed(row.release.expires)?)
    .bind(row.reader.as_ref().map(|half| half.key.to_vec()))
    .bind(row.reader.as_ref().map(|half| half.sig.to_vec()))
    .bind(row.reader.as_ref().map(|half| half.access.lane.0.to_vec()))
    .bind(row.reader.as_ref().map(|half| i64::from(half.access.index)))
    .execute(writer)
    .await?;
    one(done.rows_affected(), Refusal::Exists)
}

async fn countersigned(
    writer: &mut SqliteConnection,
    nonce: &[u8; 16],
    half: &ReaderHalf,
) -> Result<(), Failure> {
    let done = sqlx::query(
        "UPDATE releases SET reader_key = ?, reader_sig = ?, access_lane = ?, access_index = ? \
         WHERE nonce = ? AND reader_key IS NULL",
    )
    .bind(&half.key[..])
    .bind(&half.sig[..])
    .bind(&half.access.lane.0[..])
    .bind(i64::from(half.access.index))
    .bind(&nonce[..])
    .execute(writer)
    .await?;
    one(done.rows_affected(), Refusal::Missing)
}

async fn delivery(writer: &mut SqliteConnection, row: &DeliveryRow) -> Result<(), Failure> {
    let done = sqlx::query("INSERT INTO deliveries (id, letter) VALUES (?, ?) ON CONFLICT DO NOTHING")
        .bind(&row.id[..])
        .bind(&row.letter[..])
        .execute(writer)
        .await?;
    one(done.rows_affected(), Refusal::Exists)
}

async fn kem_key(writer: &mut SqliteConnection, key: &[u8; KEM_KEY_LEN]) -> Result<(), Failure> {
    sqlx::query("INSERT INTO kem_keys (hash, bytes) VALUES (?, ?) ON CONFLICT DO NOTHING")
        .bind(&sha256(&[key])[..])
        .bind(&key[..])
        .execute(writer)
        .await?;
    Ok(())
}

async fn waiting_letter(writer: &mut SqliteConnection, row: &WaitingLetterRow) -> Result<(), Failure> {
    let done = sqlx::query(
        "INSERT INTO waiting_letters (lane, commitment, case_id, reader, epoch, wrapped) \
         VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(&row.lane.0[..])
    .bind(&row.grant.0[..])
    .bind(&row.case.0[..])
    .bind(i64::from(row.reader))
    .bind(i64::from(row.epoch))
    .bind(&row.wrapped)
    .execute(writer)
    .await?;
    one(done.rows_affected(), Refusal::Exists)
}

async fn shared_read(writer: &mut SqliteConnection, row: &SharedReadRow) -> Result<(), Failure> {
    sqlx::query(
        "INSERT INTO shared_reads (time, case_id, commitment, lane, idx, practitioner, purpose) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(signed(row.time)?)
    .bind(&row.case.0[..])
    .bind(&row.grant.0[..])
    .bind(row.entry.as_ref().map(|entry| entry.lane.0.to_vec()))
    .bind(row.entry.as_ref().map(|entry| i64::from(entry.index)))
    .bind(&row.practitioner)
    .bind(&row.purpose)
    .execute(writer)
    .await?;
    Ok(())
}

#[async_trait]
impl ReadingStore for SqliteStore {
    async fn opening(&self, commitment: &Commitment) -> Result<Option<OpeningRow>, StoreError> {
        let row = sqlx::query("SELECT commitment, case_id, sealed FROM openings WHERE commitment = ?")
            .bind(&commitment.0[..])
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(opening_row).transpose()
    }

    async fn openings_of(&self, case: &CaseId) -> Result<Vec<OpeningRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT commitment, case_id, sealed FROM openings WHERE case_id = ? ORDER BY commitment",
        )
        .bind(&case.0[..])
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(opening_row).collect()
    }

    async fn release(&self, nonce: &[u8; 16]) -> Result<Option<ReleaseRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM releases WHERE nonce = ?")
            .bind(&nonce[..])
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(release_row).transpose()
    }

    async fn delivery(&self, id: &Hash) -> Result<Option<DeliveryRow>, StoreError> {
        let row = sqlx::query("SELECT letter FROM deliveries WHERE id = ?")
            .bind(&id[..])
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| Ok(DeliveryRow { id: *id, letter: hash(&row, "letter")? })).transpose()
    }

    async fn letters_about(&self, subject: &Hash, to: &Hash) -> Result<Vec<LetterRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT seq, case_id, kind, subject, recipient, bytes FROM letters \
             WHERE subject = ? AND recipient = ? ORDER BY seq",
        )
        .bind(&subject[..])
        .bind(&to[..])
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(letter_row).collect()
    }

    async fn kem_key(&self, hash: &Hash) -> Result<Option<Box<[u8; KEM_KEY_LEN]>>, StoreError> {
        let row = sqlx::query("SELECT bytes FROM kem_keys WHERE hash = ?")
            .bind(&hash[..])
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| fixed(&row, "bytes").map(Box::new)).transpose()
    }

    async fn waiting_letters(&self, limit: u32) -> Result<Vec<WaitingLetterRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM waiting_letters ORDER BY number LIMIT ?")
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(waiting_row).collect()
    }

    async fn shared_reads(&self, case: &CaseId, limit: u32) -> Result<Vec<SharedReadRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM shared_reads WHERE case_id = ? ORDER BY number DESC LIMIT ?")
            .bind(&case.0[..])
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(shared_read_row).collect()
    }
}

fn fixed<const N: usize>(row: &SqliteRow, name: &'static str) -> Result<[u8; N], StoreError> {
    let bytes: &[u8] = column(row, name)?;
    bytes.try_into().map_err(|_| StoreError::Damaged { table: name })
}

fn opening_row(row: &SqliteRow) -> Result<OpeningRow, StoreError> {
    Ok(OpeningRow {
        commitment: id(row, "commitment")?,
        case: id(row, "case_id")?,
        sealed: column(row, "sealed")?,
    })
}

fn release_row(row: &SqliteRow) -> Result<ReleaseRow, StoreError> {
    let index: Option<u32> = maybe_number(row, "access_index")?;
    let reader = match index {
        None => None,
        Some(index) => Some(ReaderHalf {
            key: fixed(row, "reader_key")?,
            sig: fixed(row, "reader_sig")?,
            access: EntryRef { lane: id(row, "access_lane")?, index },
        }),
    };
    Ok(ReleaseRow {
        release: object(row, "bytes")?,
        server_key: fixed(row, "server_key")?,
        server_sig: fixed(row, "server_sig")?,
        reader,
    })
}

fn waiting_row(row: &SqliteRow) -> Result<WaitingLetterRow, StoreError> {
    Ok(WaitingLetterRow {
        lane: id(row, "lane")?,
        case: id(row, "case_id")?,
        grant: id(row, "commitment")?,
        reader: number(row, "reader")?,
        epoch: number(row, "epoch")?,
        wrapped: column(row, "wrapped")?,
    })
}

fn shared_read_row(row: &SqliteRow) -> Result<SharedReadRow, StoreError> {
    let index: Option<u32> = maybe_number(row, "idx")?;
    let entry = match index {
        None => None,
        Some(index) => Some(EntryRef { lane: id(row, "lane")?, index }),
    };
    Ok(SharedReadRow {
        time: number(row, "time")?,
        case: id(row, "case_id")?,
        grant: id(row, "commitment")?,
        entry,
        practitioner: column(row, "practitioner")?,
        purpose: column(row, "purpose")?,
    })
}
