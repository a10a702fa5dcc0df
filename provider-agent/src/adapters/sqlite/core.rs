//! The tables of `0001_core.sql`.

use async_trait::async_trait;
use casewise_ledger::{
    Address, CaseId, Commitment, Hash, Head, LaneHeader, LaneId,
    merkle::{NodeId, empty_root},
    records::{LaneStatus, Policy},
    sha256,
};
use sqlx::{SqliteConnection, sqlite::SqliteRow};

use super::{
    Failure, SqliteStore, bytes, column, custody, hash, holders, id, maybe_number, number, object, reading,
    signed,
};
use crate::store::{
    CaseRow, CaseState, Change, CoreStore, Cursor, EndReason, EntryRow, GrantView, IdempotencyRow,
    IdentityView, InstitutionView, LaneRow, LaneState, LaneView, LetterRow, Owner, Refusal, RelationshipView,
    RestoreState, RevView, StoreError, TxCounts, TxRow, TxState, ViewPage, ViewPlace, WrappedKeys, Write,
};

/// The numbers under which enums are stored.
pub(super) trait Code: Copy + PartialEq + 'static {
    const ALL: &'static [Self];

    fn code(self) -> i64 {
        Self::ALL.iter().position(|known| *known == self).map_or(i64::MAX, |at| at as i64)
    }

    fn from_code(code: i64) -> Option<Self> {
        usize::try_from(code).ok().and_then(|at| Self::ALL.get(at)).copied()
    }
}

impl Code for CaseState {
    const ALL: &'static [Self] = &[Self::Offered, Self::Allowed, Self::Enrolled, Self::Refused];
}

impl Code for LaneState {
    const ALL: &'static [Self] = &[Self::Opening, Self::Live, Self::Ended, Self::Closed];
}

impl Code for EndReason {
    const ALL: &'static [Self] = &[Self::Revoked, Self::Restored, Self::Holder, Self::Closing];
}

impl Code for TxState {
    const ALL: &'static [Self] = &[Self::Sent, Self::Included, Self::Failed, Self::Expired];
}

impl Code for LaneStatus {
    const ALL: &'static [Self] = &[Self::Open, Self::Closing, Self::Closed];
}

pub(super) fn coded<T: Code>(row: &SqliteRow, name: &'static str) -> Result<T, StoreError> {
    T::from_code(column(row, name)?).ok_or(StoreError::Damaged { table: name })
}

fn case_row(row: &SqliteRow) -> Result<CaseRow, StoreError> {
    Ok(CaseRow {
        case: id(row, "case_id")?,
        offer: object(row, "offer")?,
        policy: object(row, "policy")?,
        state: coded(row, "state")?,
        error: column(row, "error")?,
    })
}

/// Columns `state`, `reason`, `size`, `root` and so on are the lane's own, also in joins.
pub(super) const LANE: &str =
    "l.lane, l.header, l.state, l.reason, l.size AS held, l.root, l.rev, l.successor";

pub(super) fn lane_row(row: &SqliteRow) -> Result<LaneRow, StoreError> {
    let reason: Option<i64> = column(row, "reason")?;
    let reason = reason.map(|code| EndReason::from_code(code).ok_or(StoreError::Damaged { table: "lanes" }));
    let successor: Option<&[u8]> = column(row, "successor")?;
    let successor = successor.map(LaneId::try_from);
    Ok(LaneRow {
        lane: id(row, "lane")?,
        header: object(row, "header")?,
        state: coded(row, "state")?,
        reason: reason.transpose()?,
        head: Head { size: number(row, "held")?, root: hash(row, "root")? },
        rev: number(row, "rev")?,
        successor: successor.transpose().map_err(|_| StoreError::Damaged { table: "lanes" })?,
    })
}

pub(super) const VIEW: &str = "v.lane AS view_lane, v.header AS view_header, v.record, v.changed";

fn lane_view(row: &SqliteRow) -> Result<LaneView, StoreError> {
    Ok(LaneView {
        lane: id(row, "view_lane")?,
        header: object(row, "view_header")?,
        record: object(row, "record")?,
        changed: number(row, "changed")?,
    })
}

pub(super) fn lane_with_view(row: &SqliteRow) -> Result<(LaneRow, LaneView), StoreError> {
    Ok((lane_row(row)?, lane_view(row)?))
}

fn wrapped(row: &SqliteRow) -> Result<WrappedKeys, StoreError> {
    Ok(WrappedKeys { lane: id(row, "lane")?, epoch: number(row, "epoch")?, wrapped: column(row, "wrapped")? })
}

fn entry_row(row: &SqliteRow) -> Result<EntryRow, StoreError> {
    let (commitment, body_length) = (hash(row, "commitment")?, number(row, "body_length")?);
    let body_sha256 = hash(row, "body_sha256")?;
    let header: casewise_ledger::EntryHeader = object(row, "header")?;
    let leaf = header.leaf(&commitment, body_length, &body_sha256);
    Ok(EntryRow { header, leaf, commitment, body_length, body_sha256 })
}

/// A row of `letters`.
pub(super) fn letter_row(row: &SqliteRow) -> Result<LetterRow, StoreError> {
    Ok(LetterRow {
        seq: number(row, "seq")?,
        case: id(row, "case_id")?,
        kind: number(row, "kind")?,
        subject: hash(row, "subject")?,
        to: hash(row, "recipient")?,
        bytes: column(row, "bytes")?,
    })
}

fn tx_row(row: &SqliteRow) -> Result<TxRow, StoreError> {
    Ok(TxRow {
        hash: hash(row, "hash")?,
        sequence: number(row, "sequence")?,
        bytes: column(row, "bytes")?,
        timeout_height: number(row, "timeout_height")?,
        state: coded(row, "state")?,
        height: maybe_number(row, "height")?,
        error: column(row, "error")?,
        actions: object(row, "actions")?,
    })
}

fn rev_view(row: &SqliteRow) -> Result<RevView, StoreError> {
    Ok(RevView { rev: number(row, "rev")?, changed: number(row, "changed")?, acked: number(row, "acked")? })
}

fn identity_view(row: &SqliteRow) -> Result<IdentityView, StoreError> {
    Ok(IdentityView {
        case: id(row, "case_id")?,
        record: object(row, "record")?,
        changed: number(row, "changed")?,
    })
}

fn relationship_view(row: &SqliteRow) -> Result<RelationshipView, StoreError> {
    Ok(RelationshipView {
        case: id(row, "case_id")?,
        institution: number(row, "institution")?,
        record: object(row, "record")?,
        changed: number(row, "changed")?,
    })
}

fn grant_view(row: &SqliteRow) -> Result<GrantView, StoreError> {
    Ok(GrantView {
        commitment: id(row, "commitment")?,
        record: object(row, "record")?,
        changed: number(row, "changed")?,
    })
}

fn institution_view(row: &SqliteRow) -> Result<InstitutionView, StoreError> {
    Ok(InstitutionView {
        number: number(row, "number")?,
        record: object(row, "record")?,
        endpoint: column(row, "endpoint")?,
        changed: number(row, "changed")?,
    })
}

type ReadView = fn(&SqliteRow) -> Result<Change, StoreError>;

/// Every table of the view: a page of it after an id, and its rows. Composite and numeric ids are
/// made comparable as bytes.
const VIEWS: [(&str, ReadView); 9] = [
    (
        "SELECT CAST(printf('%010d', number) AS BLOB) AS id, * \
         FROM view_institution WHERE CAST(printf('%010d', number) AS BLOB) > ? ORDER BY number LIMIT ?",
        |row| institution_view(row).map(Change::Institution),
    ),
    ("SELECT account AS id, * FROM view_operator WHERE account > ? ORDER BY account LIMIT ?", |row| {
        Ok(Change::Operator { account: id(row, "account")?, institution: Some(number(row, "institution")?) })
    }),
    ("SELECT case_id AS id, * FROM view_identity WHERE case_id > ? ORDER BY case_id LIMIT ?", |row| {
        identity_view(row).map(Change::Identity)
    }),
    ("SELECT case_id AS id, * FROM view_policy WHERE case_id > ? ORDER BY case_id LIMIT ?", |row| {
        Ok(Change::Policy { case: id(row, "case_id")?, policy: object(row, "policy")? })
    }),
    ("SELECT case_id AS id, * FROM view_case WHERE case_id > ? ORDER BY case_id LIMIT ?", |row| {
        Ok(Change::Case {
            case: id(row, "case_id")?,
            status: coded(row, "status")?,
            changed: number(row, "changed")?,
        })
    }),
    (
        "SELECT CAST(hex(case_id) || printf('%010d', institution) AS BLOB) AS id, * FROM view_relationship \
         WHERE CAST(hex(case_id) || printf('%010d', institution) AS BLOB) > ? ORDER BY 1 LIMIT ?",
        |row| relationship_view(row).map(Change::Relationship),
    ),
    ("SELECT commitment AS id, * FROM view_grant WHERE commitment > ? ORDER BY commitment LIMIT ?", |row| {
        grant_view(row).map(Change::Grant)
    }),
    ("SELECT case_id AS id, * FROM view_rev WHERE rev > 0 AND case_id > ? ORDER BY case_id LIMIT ?", |row| {
        Ok(Change::Rev {
            case: id(row, "case_id")?,
            rev: number(row, "rev")?,
            height: number(row, "changed")?,
        })
    }),
    (
        "SELECT lane AS id, lane AS view_lane, header AS view_header, record, changed FROM view_lane \
         WHERE lane > ? ORDER BY lane LIMIT ?",
        |row| lane_view(row).map(Box::new).map(Change::Lane),
    ),
];

/// `SELECT` of joined lanes: the text is put together from the constants here, never from input.
macro_rules! lanes_sql {
    ($($part:expr),+) => {
        sqlx::AssertSqlSafe([$($part),+].concat())
    };
}

impl SqliteStore {
    pub(super) async fn one<T>(
        &self,
        query: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
        read: impl FnOnce(&SqliteRow) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        query.fetch_optional(&self.readers).await?.as_ref().map(read).transpose()
    }

    pub(super) async fn all<T>(
        &self,
        query: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
        read: impl Fn(&SqliteRow) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        query.fetch_all(&self.readers).await?.iter().map(read).collect()
    }
}

#[async_trait]
impl CoreStore for SqliteStore {
    async fn commit_number(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT commit_number FROM meta").fetch_one(&self.readers).await?;
        number(&row, "commit_number")
    }

    async fn life(&self) -> Result<Option<[u8; 16]>, StoreError> {
        let row = sqlx::query("SELECT life FROM meta").fetch_one(&self.readers).await?;
        let life: Option<&[u8]> = column(&row, "life")?;
        life.map(|life| life.try_into().map_err(|_| StoreError::Damaged { table: "meta" })).transpose()
    }

    async fn owner(&self) -> Result<Option<Owner>, StoreError> {
        let query = sqlx::query("SELECT * FROM meta WHERE chain_id IS NOT NULL");
        let read = |row: &SqliteRow| {
            Ok(Owner {
                chain_id: column(row, "chain_id")?,
                net: hash(row, "net")?,
                institution: number(row, "institution")?,
                baseline: number(row, "baseline")?,
            })
        };
        self.one(query, read).await
    }

    async fn restore_state(&self) -> Result<RestoreState, StoreError> {
        let row =
            sqlx::query("SELECT restore_state, restore_until FROM meta").fetch_one(&self.readers).await?;
        match column::<i64>(&row, "restore_state")? {
            0 => Ok(RestoreState::None),
            1 => Ok(RestoreState::Pending),
            2 => Ok(RestoreState::Until(number(&row, "restore_until")?)),
            _ => Err(StoreError::Damaged { table: "meta" }),
        }
    }

    async fn cursor(&self) -> Result<Option<Cursor>, StoreError> {
        let read = |row: &SqliteRow| {
            Ok(Cursor {
                height: number(row, "height")?,
                block: hash(row, "block")?,
                time: number(row, "time")?,
            })
        };
        self.one(sqlx::query("SELECT * FROM cursor"), read).await
    }

    async fn case(&self, case: &CaseId) -> Result<Option<CaseRow>, StoreError> {
        let query = sqlx::query("SELECT * FROM cases WHERE case_id = ?").bind(&case.0[..]);
        self.one(query, case_row).await
    }

    async fn cases_in(&self, state: CaseState, limit: u32) -> Result<Vec<CaseRow>, StoreError> {
        let query = sqlx::query("SELECT * FROM cases WHERE state = ? ORDER BY case_id LIMIT ?");
        self.all(query.bind(state.code()).bind(limit), case_row).await
    }

    async fn linked(&self, identifier: &Hash) -> Result<Option<CaseId>, StoreError> {
        let query = sqlx::query("SELECT case_id FROM links WHERE identifier = ?").bind(&identifier[..]);
        self.one(query, |row| id(row, "case_id")).await
    }

    async fn lane(&self, lane: &LaneId) -> Result<Option<LaneRow>, StoreError> {
        let query = sqlx::query(lanes_sql!("SELECT ", LANE, " FROM lanes l WHERE lane = ?"));
        self.one(query.bind(&lane.0[..]), lane_row).await
    }

    async fn lanes_of(&self, case: &CaseId) -> Result<Vec<LaneRow>, StoreError> {
        let query = sqlx::query(lanes_sql!("SELECT ", LANE, " FROM lanes l WHERE case_id = ? ORDER BY lane"));
        self.all(query.bind(&case.0[..]), lane_row).await
    }

    async fn dirty(&self, limit: u32) -> Result<Vec<(LaneRow, LaneView)>, StoreError> {
        let query = sqlx::query(lanes_sql!(
            "SELECT ",
            LANE,
            ", ",
            VIEW,
            " FROM lanes l JOIN view_lane v ON v.lane = l.lane \
             LEFT JOIN lanes s ON s.lane = l.successor \
             WHERE l.state IN (1, 2) AND l.size > v.size AND v.status IN (0, 1) \
             AND (v.status <> 0 OR s.state IS NULL OR s.state <> 0) ORDER BY l.lane LIMIT ?"
        ));
        self.all(query.bind(limit), lane_with_view).await
    }

    async fn rotating(&self, limit: u32) -> Result<Vec<(LaneRow, LaneView)>, StoreError> {
        let query = sqlx::query(lanes_sql!(
            "SELECT ",
            LANE,
            ", ",
            VIEW,
            " FROM lanes l JOIN view_lane v ON v.lane = l.lane JOIN lanes s ON s.lane = l.successor \
             WHERE l.state = 2 AND v.status = 0 AND s.state = 0 ORDER BY l.lane LIMIT ?"
        ));
        self.all(query.bind(limit), lane_with_view).await
    }

    async fn heirless(&self, after: Option<&LaneId>, limit: u32) -> Result<Vec<LaneRow>, StoreError> {
        let query = sqlx::query(lanes_sql!(
            "SELECT ",
            LANE,
            " FROM lanes l JOIN view_lane v ON v.lane = l.lane JOIN cases c ON c.case_id = l.case_id \
             WHERE l.state = 2 AND l.successor IS NULL AND v.status = 0 AND l.lane > ? \
             ORDER BY l.lane LIMIT ?"
        ));
        let after = after.map_or(&[][..], |lane| &lane.0[..]);
        self.all(query.bind(after).bind(limit), lane_row).await
    }

    async fn restored(&self) -> Result<Vec<(LaneRow, Option<LaneView>)>, StoreError> {
        let query = sqlx::query(lanes_sql!(
            "SELECT ",
            LANE,
            ", ",
            VIEW,
            " FROM lanes l LEFT JOIN view_lane v ON v.lane = l.lane WHERE l.reason = 1 ORDER BY l.lane"
        ));
        let read = |row: &SqliteRow| {
            let known: Option<&[u8]> = column(row, "view_lane")?;
            let view = known.is_some().then(|| lane_view(row)).transpose()?;
            Ok((lane_row(row)?, view))
        };
        self.all(query, read).await
    }

    async fn keys(&self, lane: &LaneId) -> Result<Option<WrappedKeys>, StoreError> {
        let query = sqlx::query("SELECT * FROM lane_keys WHERE lane = ?").bind(&lane.0[..]);
        self.one(query, wrapped).await
    }

    async fn keys_not_under(&self, epoch: u32, limit: u32) -> Result<Vec<WrappedKeys>, StoreError> {
        let query = sqlx::query("SELECT * FROM lane_keys WHERE epoch <> ? ORDER BY lane LIMIT ?");
        self.all(query.bind(epoch).bind(limit), wrapped).await
    }

    async fn entries(&self, lane: &LaneId, first: u32, limit: u32) -> Result<Vec<EntryRow>, StoreError> {
        let query = sqlx::query("SELECT * FROM entries WHERE lane = ? AND idx >= ? ORDER BY idx LIMIT ?");
        self.all(query.bind(&lane.0[..]).bind(first).bind(limit), entry_row).await
    }

    async fn nodes(&self, lane: &LaneId, ids: &[NodeId]) -> Result<Vec<Option<Hash>>, StoreError> {
        let mut reader = self.readers.acquire().await?;
        let mut found = Vec::with_capacity(ids.len());
        for node in ids {
            let query = sqlx::query("SELECT hash FROM nodes WHERE lane = ? AND level = ? AND idx = ?")
                .bind(&lane.0[..])
                .bind(node.level)
                .bind(node.index);
            let row = query.fetch_optional(&mut *reader).await?;
            found.push(row.map(|row| hash(&row, "hash")).transpose()?);
        }
        Ok(found)
    }

    async fn idempotency(&self, key: &Hash) -> Result<Option<IdempotencyRow>, StoreError> {
        let read = |row: &SqliteRow| {
            Ok(IdempotencyRow {
                key: hash(row, "key")?,
                request: hash(row, "request")?,
                lane: id(row, "lane")?,
                index: number(row, "idx")?,
            })
        };
        self.one(sqlx::query("SELECT * FROM idempotency WHERE key = ?").bind(&key[..]), read).await
    }

    async fn blob_used(&self, name: &Hash) -> Result<bool, StoreError> {
        let query = sqlx::query("SELECT 1 FROM entries WHERE body_sha256 = ? LIMIT 1").bind(&name[..]);
        Ok(query.fetch_optional(&self.readers).await?.is_some())
    }

    async fn letters(
        &self,
        case: &CaseId,
        to: &Hash,
        after: u64,
        limit: u32,
    ) -> Result<Vec<LetterRow>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM letters WHERE case_id = ? AND recipient = ? AND seq > ? ORDER BY seq LIMIT ?",
        );
        let query = query.bind(&case.0[..]).bind(&to[..]).bind(signed(after)?).bind(limit);
        self.all(query, letter_row).await
    }

    async fn tx_in_flight(&self) -> Result<Option<TxRow>, StoreError> {
        self.one(sqlx::query("SELECT * FROM txs WHERE state = 0"), tx_row).await
    }

    async fn last_tx(&self) -> Result<Option<TxRow>, StoreError> {
        self.one(sqlx::query("SELECT * FROM txs ORDER BY number DESC LIMIT 1"), tx_row).await
    }

    async fn tx_counts(&self) -> Result<TxCounts, StoreError> {
        let query = sqlx::query("SELECT state, COUNT(*) AS count FROM txs GROUP BY state");
        let mut counts = TxCounts::default();
        for row in query.fetch_all(&self.readers).await? {
            let count = number(&row, "count")?;
            match coded(&row, "state")? {
                TxState::Sent => counts.sent = count,
                TxState::Included => counts.included = count,
                TxState::Failed => counts.failed = count,
                TxState::Expired => counts.expired = count,
            }
        }
        Ok(counts)
    }

    async fn lane_view(&self, lane: &LaneId) -> Result<Option<LaneView>, StoreError> {
        let query = sqlx::query(lanes_sql!("SELECT ", VIEW, " FROM view_lane v WHERE lane = ?"));
        self.one(query.bind(&lane.0[..]), lane_view).await
    }

    async fn lane_views(&self, case: &CaseId) -> Result<Vec<LaneView>, StoreError> {
        let query =
            sqlx::query(lanes_sql!("SELECT ", VIEW, " FROM view_lane v WHERE case_id = ? ORDER BY lane"));
        self.all(query.bind(&case.0[..]), lane_view).await
    }

    async fn all_lanes(&self, after: Option<&LaneId>, limit: u32) -> Result<Vec<LaneRow>, StoreError> {
        let query =
            sqlx::query(lanes_sql!("SELECT ", LANE, " FROM lanes l WHERE lane > ? ORDER BY lane LIMIT ?"));
        let after = after.map_or(&[][..], |lane| &lane.0[..]);
        self.all(query.bind(after).bind(limit), lane_row).await
    }

    async fn view_page(&self, after: Option<ViewPlace>, limit: u32) -> Result<ViewPage, StoreError> {
        let mut place = after.unwrap_or(ViewPlace { kind: 0, id: Vec::new() });
        while let Some((sql, read)) = VIEWS.get(usize::from(place.kind)) {
            let found = sqlx::query(*sql).bind(&place.id).bind(limit).fetch_all(&self.readers).await?;
            if let Some(last) = found.last() {
                place.id = column(last, "id")?;
                let rows = found.iter().map(read).collect::<Result<_, _>>()?;
                return Ok(ViewPage { rows, next: place });
            }
            place = ViewPlace { kind: place.kind + 1, id: Vec::new() };
        }
        Ok(ViewPage { rows: Vec::new(), next: place })
    }

    async fn identity(&self, case: &CaseId) -> Result<Option<IdentityView>, StoreError> {
        self.one(
            sqlx::query("SELECT * FROM view_identity WHERE case_id = ?").bind(&case.0[..]),
            identity_view,
        )
        .await
    }

    async fn case_of_holder(&self, holder: &Address) -> Result<Option<CaseId>, StoreError> {
        let query = sqlx::query("SELECT case_id FROM view_identity WHERE holder = ?").bind(&holder.0[..]);
        self.one(query, |row| id(row, "case_id")).await
    }

    async fn relationship(
        &self,
        case: &CaseId,
        institution: u32,
    ) -> Result<Option<RelationshipView>, StoreError> {
        let query = sqlx::query("SELECT * FROM view_relationship WHERE case_id = ? AND institution = ?");
        self.one(query.bind(&case.0[..]).bind(institution), relationship_view).await
    }

    async fn grant(&self, commitment: &Commitment) -> Result<Option<GrantView>, StoreError> {
        let query = sqlx::query("SELECT * FROM view_grant WHERE commitment = ?");
        self.one(query.bind(&commitment.0[..]), grant_view).await
    }

    async fn rev(&self, case: &CaseId) -> Result<RevView, StoreError> {
        let query = sqlx::query("SELECT * FROM view_rev WHERE case_id = ?").bind(&case.0[..]);
        Ok(self.one(query, rev_view).await?.unwrap_or_default())
    }

    async fn unacked(
        &self,
        institution: u32,
        after: Option<&CaseId>,
        limit: u32,
    ) -> Result<Vec<(CaseId, RevView)>, StoreError> {
        let query = sqlx::query(
            "SELECT v.* FROM view_rev v JOIN view_relationship r \
             ON r.case_id = v.case_id AND r.institution = ? \
             WHERE v.rev > v.acked AND v.case_id > ? ORDER BY v.case_id LIMIT ?",
        );
        let read = |row: &SqliteRow| Ok((id(row, "case_id")?, rev_view(row)?));
        let after = after.map_or(&[][..], |case| &case.0[..]);
        self.all(query.bind(institution).bind(after).bind(limit), read).await
    }

    async fn policy(&self, case: &CaseId) -> Result<Option<Policy>, StoreError> {
        let query = sqlx::query("SELECT policy FROM view_policy WHERE case_id = ?").bind(&case.0[..]);
        self.one(query, |row| object(row, "policy")).await
    }

    async fn institution(&self, institution: u32) -> Result<Option<InstitutionView>, StoreError> {
        self.one(
            sqlx::query("SELECT * FROM view_institution WHERE number = ?").bind(institution),
            institution_view,
        )
        .await
    }

    async fn operator(&self, account: &Address) -> Result<Option<u32>, StoreError> {
        let query = sqlx::query("SELECT institution FROM view_operator WHERE account = ?");
        self.one(query.bind(&account.0[..]), |row| number(row, "institution")).await
    }
}

/// Runs a statement and refuses the batch unless it changed exactly one row.
macro_rules! one_row {
    ($writer:expr, $refusal:expr, $sql:literal $(, $bind:expr)*) => {
        if sqlx::query($sql)$(.bind($bind))*.execute(&mut *$writer).await?.rows_affected() != 1 {
            return Err($refusal.into());
        }
    };
}

/// Runs a statement.
macro_rules! run {
    ($writer:expr, $sql:literal $(, $bind:expr)*) => {
        sqlx::query($sql)$(.bind($bind))*.execute(&mut *$writer).await?
    };
}

/// Applies one write inside the caller's savepoint.
pub(super) async fn apply(w: &mut SqliteConnection, write: &Write) -> Result<(), Failure> {
    match write {
        Write::Owner(owner) => {
            one_row!(
                w,
                Refusal::Exists,
                "UPDATE meta SET chain_id = ?, net = ?, institution = ?, baseline = ? WHERE chain_id IS NULL",
                &owner.chain_id,
                &owner.net[..],
                owner.institution,
                signed(owner.baseline)?
            );
        }
        Write::Baseline(sequence) => {
            one_row!(w, Refusal::Missing, "UPDATE meta SET baseline = ?", signed(*sequence)?);
        }
        Write::Life(life) => {
            run!(w, "UPDATE meta SET life = ?", &life[..]);
        }
        Write::Restore(state) => restore(w, state).await?,
        Write::NewCase(row) => {
            one_row!(
                w,
                Refusal::Exists,
                "INSERT INTO cases (case_id, offer, policy, state, error) VALUES (?, ?, ?, ?, ?) \
                 ON CONFLICT DO NOTHING",
                &row.case.0[..],
                bytes(&row.offer),
                bytes(&row.policy),
                row.state.code(),
                &row.error
            );
        }
        Write::Reoffer(row) => {
            one_row!(
                w,
                Refusal::Missing,
                "UPDATE cases SET offer = ?, state = ?, error = NULL WHERE case_id = ? AND state = 3",
                bytes(&row.offer),
                row.state.code(),
                &row.case.0[..]
            );
        }
        Write::CaseAllowed(case) => {
            run!(w, "UPDATE cases SET state = 1 WHERE case_id = ? AND state = 0", &case.0[..]);
        }
        Write::CaseState { case, state, error } => {
            one_row!(
                w,
                Refusal::Missing,
                "UPDATE cases SET state = ?, error = ? WHERE case_id = ?",
                state.code(),
                error,
                &case.0[..]
            );
        }
        Write::NewLane { row, keys } => {
            new_lane(w, row).await?;
            put_keys(w, keys).await?;
        }
        Write::LostLane { lane, header } => {
            let row = LaneRow {
                lane: *lane,
                header: header.clone(),
                state: LaneState::Ended,
                reason: Some(EndReason::Restored),
                head: Head { size: 0, root: empty_root() },
                rev: 0,
                successor: None,
            };
            new_lane(w, &row).await?;
        }
        Write::Append { entry, head, nodes, keys, idempotency } => {
            append(w, entry, head, nodes, keys, idempotency.as_ref()).await?;
        }
        Write::LaneOpened(lane) => {
            run!(w, "UPDATE lanes SET state = 1 WHERE lane = ? AND state = 0", &lane.0[..]);
        }
        Write::LaneClosed { lane, successor } => {
            let successor = successor.as_ref().map(|lane| &lane.0[..]);
            run!(
                w,
                "UPDATE lanes SET state = 3, successor = COALESCE(?, successor) WHERE lane = ?",
                successor,
                &lane.0[..]
            );
            run!(w, "DELETE FROM lane_keys WHERE lane = ?", &lane.0[..]);
        }
        Write::EndLane { lane, reason, successor } => end_lane(w, lane, *reason, successor.as_ref()).await?,
        Write::EndAllLanes => {
            let (ended, restored) = (LaneState::Ended.code(), EndReason::Restored.code());
            run!(
                w,
                "UPDATE lanes SET state = ?, reason = ?, successor = NULL WHERE state <> 3",
                ended,
                restored
            );
            run!(w, "DELETE FROM lane_keys");
            restore(w, &RestoreState::Pending).await?;
        }
        Write::Rewrap { before, after } => {
            one_row!(
                w,
                Refusal::Missing,
                "UPDATE lane_keys SET epoch = ?, wrapped = ? WHERE lane = ? AND wrapped = ?",
                after.epoch,
                &after.wrapped,
                &after.lane.0[..],
                before
            );
        }
        Write::Link { identifier, case } => {
            run!(
                w,
                "INSERT INTO links (identifier, case_id) VALUES (?, ?) \
                 ON CONFLICT (identifier) DO UPDATE SET case_id = excluded.case_id",
                &identifier[..],
                &case.0[..]
            );
        }
        Write::Letter(row) => {
            let digest = sha256(&[&row.bytes]);
            run!(
                w,
                "INSERT INTO letters (digest, case_id, kind, subject, recipient, bytes) \
                 VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                &digest[..],
                &row.case.0[..],
                row.kind,
                &row.subject[..],
                &row.to[..],
                &row.bytes
            );
        }
        Write::NewTx(row) => {
            one_row!(
                w,
                Refusal::Exists,
                "INSERT INTO txs (hash, sequence, bytes, timeout_height, state, height, error, actions) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                &row.hash[..],
                signed(row.sequence)?,
                &row.bytes,
                signed(row.timeout_height)?,
                row.state.code(),
                row.height.map(signed).transpose()?,
                &row.error,
                bytes(&row.actions)
            );
        }
        Write::SettleTx { hash, state, height, error } => {
            one_row!(
                w,
                Refusal::Missing,
                "UPDATE txs SET state = ?, height = ?, error = ? WHERE hash = ? AND state = 0",
                state.code(),
                height.map(signed).transpose()?,
                error,
                &hash[..]
            );
        }
        Write::Blocks { from, to, changes } => {
            move_cursor(w, from.as_ref(), to).await?;
            for change in changes {
                project(w, change).await?;
            }
        }
        Write::Reading(write) => reading::apply(w, write).await?,
        Write::Custody(write) => custody::apply(w, write).await?,
        Write::Holder(write) => holders::apply(w, write).await?,
    }
    Ok(())
}

async fn restore(w: &mut SqliteConnection, state: &RestoreState) -> Result<(), Failure> {
    let (code, until) = match state {
        RestoreState::None => (0, 0),
        RestoreState::Pending => (1, 0),
        RestoreState::Until(height) => (2, signed(*height)?),
    };
    run!(w, "UPDATE meta SET restore_state = ?, restore_until = ?", code, until);
    Ok(())
}

async fn new_lane(w: &mut SqliteConnection, row: &LaneRow) -> Result<(), Failure> {
    one_row!(
        w,
        Refusal::Exists,
        "INSERT INTO lanes (lane, case_id, header, state, reason, size, root, rev, successor) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        &row.lane.0[..],
        &row.header.case.0[..],
        bytes::<LaneHeader>(&row.header),
        row.state.code(),
        row.reason.map(Code::code),
        row.head.size,
        &row.head.root[..],
        row.rev,
        row.successor.as_ref().map(|lane| &lane.0[..])
    );
    Ok(())
}

async fn put_keys(w: &mut SqliteConnection, keys: &WrappedKeys) -> Result<(), Failure> {
    run!(
        w,
        "INSERT INTO lane_keys (lane, epoch, wrapped) VALUES (?, ?, ?) \
         ON CONFLICT (lane) DO UPDATE SET epoch = excluded.epoch, wrapped = excluded.wrapped",
        &keys.lane.0[..],
        keys.epoch,
        &keys.wrapped
    );
    Ok(())
}

async fn append(
    w: &mut SqliteConnection,
    entry: &EntryRow,
    head: &Head,
    nodes: &[(NodeId, Hash)],
    keys: &WrappedKeys,
    idempotency: Option<&IdempotencyRow>,
) -> Result<(), Failure> {
    let (lane, index) = (entry.header.lane, entry.header.index);
    one_row!(
        w,
        Refusal::Lane,
        "UPDATE lanes SET size = ?, root = ? WHERE lane = ? AND state = 1 AND size = ?",
        head.size,
        &head.root[..],
        &lane.0[..],
        index
    );
    if let Some(row) = idempotency {
        one_row!(
            w,
            Refusal::Idempotency,
            "INSERT INTO idempotency (key, request, lane, idx) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            &row.key[..],
            &row.request[..],
            &row.lane.0[..],
            row.index
        );
    }
    run!(
        w,
        "INSERT INTO entries (lane, idx, header, commitment, body_length, body_sha256) \
         VALUES (?, ?, ?, ?, ?, ?)",
        &lane.0[..],
        index,
        bytes(&entry.header),
        &entry.commitment[..],
        signed(entry.body_length)?,
        &entry.body_sha256[..]
    );
    for (node, hash) in nodes {
        run!(
            w,
            "INSERT INTO nodes (lane, level, idx, hash) VALUES (?, ?, ?, ?)",
            &lane.0[..],
            node.level,
            node.index,
            &hash[..]
        );
    }
    put_keys(w, keys).await
}

async fn end_lane(
    w: &mut SqliteConnection,
    lane: &LaneId,
    reason: EndReason,
    successor: Option<&LaneId>,
) -> Result<(), Failure> {
    one_row!(
        w,
        Refusal::Lane,
        "UPDATE lanes SET state = 2, reason = COALESCE(reason, ?), successor = ? \
         WHERE lane = ? AND state <> 3 AND successor IS NULL",
        reason.code(),
        successor.map(|lane| &lane.0[..]),
        &lane.0[..]
    );
    run!(w, "DELETE FROM lane_keys WHERE lane = ?", &lane.0[..]);
    Ok(())
}

async fn move_cursor(w: &mut SqliteConnection, from: Option<&Cursor>, to: &Cursor) -> Result<(), Failure> {
    let (height, time) = (signed(to.height)?, signed(to.time)?);
    match from {
        None => one_row!(
            w,
            Refusal::Cursor,
            "INSERT INTO cursor (id, height, block, time) VALUES (1, ?, ?, ?) ON CONFLICT DO NOTHING",
            height,
            &to.block[..],
            time
        ),
        Some(from) => one_row!(
            w,
            Refusal::Cursor,
            "UPDATE cursor SET height = ?, block = ?, time = ? WHERE height = ? AND block = ?",
            height,
            &to.block[..],
            time,
            signed(from.height)?,
            &from.block[..]
        ),
    }
    Ok(())
}

async fn project(w: &mut SqliteConnection, change: &Change) -> Result<(), Failure> {
    match change {
        Change::Lane(view) => {
            run!(
                w,
                "INSERT INTO view_lane (lane, case_id, header, record, status, size, changed) \
                 VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (lane) DO UPDATE SET record = excluded.record, \
                 status = excluded.status, size = excluded.size, changed = excluded.changed",
                &view.lane.0[..],
                &view.record.case.0[..],
                bytes(&view.header),
                bytes(&view.record),
                view.record.status.code(),
                view.record.size,
                signed(view.changed)?
            );
        }
        Change::Identity(view) => {
            run!(
                w,
                "INSERT OR REPLACE INTO view_identity (case_id, holder, record, changed) VALUES (?, ?, ?, ?)",
                &view.case.0[..],
                &view.record.holder.0[..],
                bytes(&view.record),
                signed(view.changed)?
            );
        }
        Change::Relationship(view) => {
            run!(
                w,
                "INSERT OR REPLACE INTO view_relationship (case_id, institution, record, changed) \
                 VALUES (?, ?, ?, ?)",
                &view.case.0[..],
                view.institution,
                bytes(&view.record),
                signed(view.changed)?
            );
        }
        Change::Grant(view) => {
            run!(
                w,
                "INSERT OR REPLACE INTO view_grant (commitment, case_id, record, changed) VALUES (?, ?, ?, ?)",
                &view.commitment.0[..],
                &view.record.case.0[..],
                bytes(&view.record),
                signed(view.changed)?
            );
        }
        Change::Rev { case, rev, height } => {
            run!(
                w,
                "INSERT INTO view_rev (case_id, rev, changed, acked) VALUES (?, ?, ?, 0) \
                 ON CONFLICT (case_id) DO UPDATE SET rev = excluded.rev, changed = excluded.changed \
                 WHERE excluded.rev > view_rev.rev",
                &case.0[..],
                rev,
                signed(*height)?
            );
        }
        Change::Acked { case, rev } => {
            run!(
                w,
                "INSERT INTO view_rev (case_id, rev, changed, acked) VALUES (?, 0, 0, ?) \
                 ON CONFLICT (case_id) DO UPDATE SET acked = excluded.acked",
                &case.0[..],
                rev
            );
        }
        Change::Policy { case, policy } => {
            run!(
                w,
                "INSERT OR REPLACE INTO view_policy (case_id, policy) VALUES (?, ?)",
                &case.0[..],
                bytes(policy)
            );
        }
        Change::Case { case, status, changed } => {
            run!(
                w,
                "INSERT OR REPLACE INTO view_case (case_id, status, changed) VALUES (?, ?, ?)",
                &case.0[..],
                status.code(),
                signed(*changed)?
            );
        }
        Change::Institution(view) => {
            run!(
                w,
                "INSERT OR REPLACE INTO view_institution (number, record, endpoint, changed) VALUES (?, ?, ?, ?)",
                view.number,
                bytes(&view.record),
                &view.endpoint,
                signed(view.changed)?
            );
        }
        Change::Operator { account, institution: Some(number) } => {
            run!(
                w,
                "INSERT OR REPLACE INTO view_operator (account, institution) VALUES (?, ?)",
                &account.0[..],
                number
            );
        }
        Change::Operator { account, institution: None } => {
            run!(w, "DELETE FROM view_operator WHERE account = ?", &account.0[..]);
        }
    }
    Ok(())
}
