//! Custodial cases on SQLite.

use async_trait::async_trait;
use casewise_ledger::{CaseId, ClaimRequest, Hash, decode};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::{Failure, SqliteStore, bytes, column, hash, id};
use crate::store::{CustodyRow, CustodyStore, CustodyWrite, Refusal, StoreError};

/// Applies one write.
pub(super) async fn apply(writer: &mut SqliteConnection, write: &CustodyWrite) -> Result<(), Failure> {
    match write {
        CustodyWrite::New(row) => new(writer, row).await,
        CustodyWrite::Claim { case, request } => claim(writer, case, request).await,
        CustodyWrite::Destroyed { case, kem } => destroyed(writer, case, kem).await,
    }
}

async fn new(writer: &mut SqliteConnection, row: &CustodyRow) -> Result<(), Failure> {
    let done = sqlx::query(
        "INSERT INTO custody (case_id, request_key, request, sealed, claim) VALUES (?, ?, ?, ?, ?) \
         ON CONFLICT DO NOTHING",
    )
    .bind(&row.case.0[..])
    .bind(&row.request_key[..])
    .bind(&row.request[..])
    .bind(&row.sealed)
    .bind(row.claim.as_ref().map(bytes::<ClaimRequest>))
    .execute(writer)
    .await?;
    one(done.rows_affected(), Refusal::Exists)
}

async fn claim(writer: &mut SqliteConnection, case: &CaseId, request: &ClaimRequest) -> Result<(), Failure> {
    let done = sqlx::query("UPDATE custody SET claim = ? WHERE case_id = ? AND sealed IS NOT NULL")
        .bind(bytes(request))
        .bind(&case.0[..])
        .execute(writer)
        .await?;
    one(done.rows_affected(), Refusal::Missing)
}

async fn destroyed(writer: &mut SqliteConnection, case: &CaseId, kem: &Hash) -> Result<(), Failure> {
    let done = sqlx::query("UPDATE custody SET sealed = NULL WHERE case_id = ? AND sealed IS NOT NULL")
        .bind(&case.0[..])
        .execute(&mut *writer)
        .await?;
    one(done.rows_affected(), Refusal::Missing)?;
    sqlx::query("DELETE FROM letters WHERE case_id = ? AND recipient = ?")
        .bind(&case.0[..])
        .bind(&kem[..])
        .execute(writer)
        .await?;
    Ok(())
}

fn one(affected: u64, otherwise: Refusal) -> Result<(), Failure> {
    if affected == 1 { Ok(()) } else { Err(otherwise.into()) }
}

fn custody_row(row: &SqliteRow) -> Result<CustodyRow, StoreError> {
    let claim: Option<&[u8]> = column(row, "claim")?;
    Ok(CustodyRow {
        case: id(row, "case_id")?,
        request_key: hash(row, "request_key")?,
        request: hash(row, "request")?,
        sealed: column(row, "sealed")?,
        claim: claim.map(decode).transpose().map_err(|_| StoreError::Damaged { table: "custody" })?,
    })
}

#[async_trait]
impl CustodyStore for SqliteStore {
    async fn custody(&self, case: &CaseId) -> Result<Option<CustodyRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM custody WHERE case_id = ?")
            .bind(&case.0[..])
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(custody_row).transpose()
    }

    async fn custody_of_request(&self, key: &Hash) -> Result<Option<CustodyRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM custody WHERE request_key = ?")
            .bind(&key[..])
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(custody_row).transpose()
    }

    async fn custodies(&self, after: Option<&CaseId>, limit: u32) -> Result<Vec<CaseId>, StoreError> {
        let after = after.map_or(&[][..], |case| &case.0[..]);
        let rows = sqlx::query(
            "SELECT case_id FROM custody WHERE sealed IS NOT NULL AND case_id > ? ORDER BY case_id LIMIT ?",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| id(row, "case_id")).collect()
    }
}
