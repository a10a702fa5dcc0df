//! The tables of `0003_holders.sql`.

use async_trait::async_trait;
use casewise_ledger::{Address, CaseId, Hash, LaneId, RotateOffer, records::CaseStatus};
use sqlx::{SqliteConnection, sqlite::SqliteRow};

use super::core::{Code, LANE, VIEW, coded, lane_row, lane_with_view, letter_row};
use super::{Failure, SqliteStore, bytes, column, id, number, object, signed};
use crate::store::{HolderStore, HolderWrite, LaneRow, LaneView, LetterRow, Refusal, SponsorRow, StoreError};

impl Code for CaseStatus {
    const ALL: &'static [Self] = &[Self::Open, Self::Closing, Self::Proposed, Self::Completed];
}

fn sponsor_row(row: &SqliteRow) -> Result<SponsorRow, StoreError> {
    Ok(SponsorRow {
        account: id(row, "account")?,
        case: id(row, "case_id")?,
        time: number(row, "time")?,
        given: column::<i64>(row, "state")? == 1,
    })
}

#[async_trait]
impl HolderStore for SqliteStore {
    async fn holder_offer(&self, case: &CaseId, epoch: u32) -> Result<Option<RotateOffer>, StoreError> {
        let query = sqlx::query("SELECT offer FROM holders WHERE case_id = ? AND epoch = ?");
        self.one(query.bind(&case.0[..]).bind(epoch), |row| object(row, "offer")).await
    }

    async fn holder_letters(
        &self,
        case: &CaseId,
        to: &Hash,
        after: u64,
        limit: u32,
    ) -> Result<Vec<LetterRow>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM letters WHERE case_id = ? AND (kind IN (0, 2) OR recipient = ?) AND seq > ? \
             ORDER BY seq LIMIT ?",
        );
        self.all(query.bind(&case.0[..]).bind(&to[..]).bind(signed(after)?).bind(limit), letter_row).await
    }

    async fn sponsored(&self, account: &Address) -> Result<Option<SponsorRow>, StoreError> {
        let query = sqlx::query("SELECT * FROM sponsored WHERE account = ?").bind(&account.0[..]);
        self.one(query, sponsor_row).await
    }

    async fn to_sponsor(&self, limit: u32) -> Result<Vec<SponsorRow>, StoreError> {
        let query = sqlx::query("SELECT * FROM sponsored WHERE state = 0 ORDER BY time, account LIMIT ?");
        self.all(query.bind(limit), sponsor_row).await
    }

    async fn revived(&self, after: Option<&CaseId>, limit: u32) -> Result<Vec<CaseId>, StoreError> {
        let query = sqlx::query("SELECT case_id FROM revived WHERE case_id > ? ORDER BY case_id LIMIT ?");
        let after = after.map_or(&[][..], |case| &case.0[..]);
        self.all(query.bind(after).bind(limit), |row| id(row, "case_id")).await
    }

    async fn unopened(&self, limit: u32) -> Result<Vec<LaneRow>, StoreError> {
        let query = sqlx::query(sqlx::AssertSqlSafe(
            [
                "SELECT ",
                LANE,
                " FROM lanes l JOIN cases c ON c.case_id = l.case_id WHERE l.state = 0 AND c.state = 2 \
                 AND NOT EXISTS (SELECT 1 FROM lanes p WHERE p.successor = l.lane) ORDER BY l.lane LIMIT ?",
            ]
            .concat(),
        ));
        self.all(query.bind(limit), lane_row).await
    }

    async fn waiting_lanes(
        &self,
        after: Option<&LaneId>,
        limit: u32,
    ) -> Result<Vec<(LaneRow, Option<LaneId>)>, StoreError> {
        let query = sqlx::query(sqlx::AssertSqlSafe(
            [
                "SELECT ",
                LANE,
                ", (SELECT p.lane FROM lanes p WHERE p.successor = l.lane) AS before \
                 FROM lanes l JOIN cases c ON c.case_id = l.case_id \
                 WHERE l.state = 0 AND c.state = 2 AND l.lane > ? ORDER BY l.lane LIMIT ?",
            ]
            .concat(),
        ));
        let read = |row: &SqliteRow| {
            let before: Option<&[u8]> = column(row, "before")?;
            let before = before.map(LaneId::try_from).transpose();
            Ok((lane_row(row)?, before.map_err(|_| StoreError::Damaged { table: "lanes" })?))
        };
        self.all(query.bind(after.map_or(&[][..], |lane| &lane.0[..])).bind(limit), read).await
    }

    async fn closing(
        &self,
        after: Option<&LaneId>,
        limit: u32,
    ) -> Result<Vec<(LaneRow, LaneView)>, StoreError> {
        let query = sqlx::query(sqlx::AssertSqlSafe(
            [
                "SELECT ",
                LANE,
                ", ",
                VIEW,
                " FROM lanes l JOIN view_lane v ON v.lane = l.lane WHERE v.status = 1 AND l.lane > ? \
                 ORDER BY l.lane LIMIT ?",
            ]
            .concat(),
        ));
        self.all(query.bind(after.map_or(&[][..], |lane| &lane.0[..])).bind(limit), lane_with_view).await
    }

    async fn case_status(&self, case: &CaseId) -> Result<Option<CaseStatus>, StoreError> {
        let query = sqlx::query("SELECT status FROM view_case WHERE case_id = ?").bind(&case.0[..]);
        self.one(query, |row| coded(row, "status")).await
    }
}

/// Applies one write.
pub(super) async fn apply(writer: &mut SqliteConnection, write: &HolderWrite) -> Result<(), Failure> {
    match write {
        HolderWrite::Offer(offer) => holder(writer, offer).await,
        HolderWrite::Sponsor { row, after, most, ever } => sponsor(writer, row, *after, *most, *ever).await,
        HolderWrite::Sponsored(account) => {
            let query = sqlx::query("UPDATE sponsored SET state = 1 WHERE account = ?");
            query.bind(&account.0[..]).execute(writer).await?;
            Ok(())
        }
        HolderWrite::Revive(case) => {
            let query = sqlx::query("INSERT INTO revived (case_id) VALUES (?) ON CONFLICT DO NOTHING");
            query.bind(&case.0[..]).execute(writer).await?;
            Ok(())
        }
        HolderWrite::ReviveAll => {
            let all = "INSERT INTO revived (case_id) SELECT case_id FROM cases WHERE state = 2 \
                       ON CONFLICT DO NOTHING";
            sqlx::query(all).execute(writer).await?;
            Ok(())
        }
        HolderWrite::Revived(case) => {
            let query = sqlx::query("DELETE FROM revived WHERE case_id = ?");
            query.bind(&case.0[..]).execute(writer).await?;
            Ok(())
        }
        HolderWrite::DropLane(lane) => drop_lane(writer, lane).await,
    }
}

/// One row, or the refusal.
fn one(affected: u64, otherwise: Refusal) -> Result<(), Failure> {
    if affected == 1 { Ok(()) } else { Err(otherwise.into()) }
}

async fn holder(writer: &mut SqliteConnection, offer: &RotateOffer) -> Result<(), Failure> {
    let done = sqlx::query(
        "INSERT INTO holders (case_id, epoch, offer) VALUES (?, ?, ?) \
         ON CONFLICT (case_id, epoch) DO UPDATE SET offer = excluded.offer WHERE offer = excluded.offer",
    )
    .bind(&offer.card.case.0[..])
    .bind(offer.card.epoch)
    .bind(bytes(offer))
    .execute(writer)
    .await?;
    one(done.rows_affected(), Refusal::Exists)
}

async fn sponsor(
    writer: &mut SqliteConnection,
    row: &SponsorRow,
    after: u64,
    most: u32,
    ever: u32,
) -> Result<(), Failure> {
    let counted = sqlx::query(
        "SELECT COUNT(*) AS ever, COUNT(CASE WHEN time > ? THEN 1 END) AS count \
         FROM sponsored WHERE case_id = ?",
    )
    .bind(signed(after)?)
    .bind(&row.case.0[..])
    .fetch_one(&mut *writer)
    .await?;
    if number::<u32>(&counted, "ever")? >= ever {
        return Err(Refusal::Spent.into());
    }
    if number::<u32>(&counted, "count")? >= most {
        return Err(Refusal::Limit.into());
    }
    let done = sqlx::query(
        "INSERT INTO sponsored (account, case_id, time, state) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(&row.account.0[..])
    .bind(&row.case.0[..])
    .bind(signed(row.time)?)
    .bind(i64::from(row.given))
    .execute(writer)
    .await?;
    one(done.rows_affected(), Refusal::Exists)
}

async fn drop_lane(writer: &mut SqliteConnection, lane: &LaneId) -> Result<(), Failure> {
    let waits = sqlx::query("SELECT 1 FROM lanes WHERE lane = ? AND state = 0");
    if waits.bind(&lane.0[..]).fetch_optional(&mut *writer).await?.is_none() {
        return Err(Refusal::Lane.into());
    }
    for sql in [
        "UPDATE lanes SET successor = NULL WHERE successor = ?",
        "DELETE FROM lane_keys WHERE lane = ?",
        "DELETE FROM waiting_letters WHERE lane = ?",
        "DELETE FROM lanes WHERE lane = ?",
    ] {
        sqlx::query(sql).bind(&lane.0[..]).execute(&mut *writer).await?;
    }
    Ok(())
}
