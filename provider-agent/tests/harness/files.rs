//! Directories as a backup and a restore move them, and a database as text.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use casewise_ledger::{CaseId, EntryHeader, Hash, LaneId, decode, sha256};
use sqlx::{
    Connection, Row, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteRow},
};

/// The database's name in the data directory.
const DATABASE: &str = "agent.sqlite";

/// Directory of the agent's bodies. They never change, so a link to one is a copy of it.
const BODIES: &str = "bodies";

/// Copies a directory with everything in it; the target must not exist.
pub fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a new directory");
    for file in fs::read_dir(from).expect("a directory") {
        let file = file.expect("a file of it");
        let target = to.join(file.file_name());
        if file.file_type().expect("its type").is_dir() {
            copy_dir(&file.path(), &target);
        } else if from.components().any(|part| part.as_os_str() == BODIES) {
            fs::hard_link(file.path(), target).expect("a link");
        } else {
            fs::copy(file.path(), target).expect("a copy");
        }
    }
}

/// Every file under a directory with length and hash, by path; the database's own files apart.
pub fn listing(dir: &Path) -> BTreeMap<PathBuf, (u64, Hash)> {
    let mut files = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(at) = open.pop() {
        for file in fs::read_dir(&at).expect("a directory") {
            let path = file.expect("a file of it").path();
            if path.is_dir() {
                open.push(path);
            } else if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("agent.")) {
                let bytes = fs::read(&path).expect("a file");
                files.insert(path, (bytes.len() as u64, sha256(&[&bytes])));
            }
        }
    }
    files
}

/// Opens the database of a data directory for reading, beside a running agent if need be.
async fn open(data: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(data.join(DATABASE)).read_only(true);
    SqliteConnection::connect_with(&options).await.expect("the agent's database")
}

/// Tables that say what the chain says, how far it was read, which requests came, or how the tables are
/// made: they change by themselves, with every request, or never.
fn is_about_something_else(table: &str) -> bool {
    table.starts_with("view_")
        || table.starts_with("sqlite_")
        || ["cursor", "meta", "nonces", "_sqlx_migrations"].contains(&table)
}

/// Every row of every table that only the agent's own work changes, as SQL literals.
pub async fn dump(data: &Path) -> BTreeMap<String, Vec<String>> {
    let mut database = open(data).await;
    let names = sqlx::query("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name");
    let names = names.fetch_all(&mut database).await.expect("the tables");
    let names: Vec<String> = names.iter().map(|row| row.get(0)).collect();
    let mut tables = BTreeMap::new();
    for name in names.into_iter().filter(|name| !is_about_something_else(name)) {
        let columns = sqlx::query("SELECT name FROM pragma_table_info(?)").bind(&name);
        let columns = columns.fetch_all(&mut database).await.expect("its columns");
        let quoted: Vec<String> =
            columns.iter().map(|row| format!("quote(\"{}\")", row.get::<String, _>(0))).collect();
        let sql = format!("SELECT {} FROM \"{name}\" ORDER BY 1", quoted.join(" || ',' || "));
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut database).await.expect("its rows");
        tables.insert(name, rows.iter().map(|row| row.get(0)).collect());
    }
    database.close().await.expect("closed");
    tables
}

/// What a database holds of the lanes of some cases: the leaves of each, in order. Works on a copy, so
/// that the database stays as a crash left it.
pub async fn leaves(data: &Path, cases: &[CaseId]) -> BTreeMap<LaneId, Vec<Hash>> {
    let copy = tempfile::tempdir().expect("a directory");
    for suffix in ["", "-wal"] {
        let name = format!("{DATABASE}{suffix}");
        if data.join(&name).exists() {
            fs::copy(data.join(&name), copy.path().join(&name)).expect("a copy of the database");
        }
    }
    let options = SqliteConnectOptions::new().filename(copy.path().join(DATABASE));
    let mut database = SqliteConnection::connect_with(&options).await.expect("a copy of the database");
    let lanes = sqlx::query("SELECT lane, case_id FROM lanes").fetch_all(&mut database).await.expect("lanes");
    let mut found = BTreeMap::new();
    for row in &lanes {
        if cases.contains(&CaseId(hash(row, "case_id"))) {
            found.insert(LaneId(hash(row, "lane")), Vec::new());
        }
    }
    let entries = sqlx::query("SELECT * FROM entries ORDER BY lane, idx");
    for row in entries.fetch_all(&mut database).await.expect("entries") {
        let Some(leaves) = found.get_mut(&LaneId(hash(&row, "lane"))) else { continue };
        assert_eq!(row.get::<i64, _>("idx"), leaves.len() as i64, "indexes without a gap");
        leaves.push(leaf(&row));
    }
    database.close().await.expect("closed");
    found
}

fn leaf(row: &SqliteRow) -> Hash {
    let header: EntryHeader = decode(row.get("header")).expect("an entry's header");
    let length = row.get::<i64, _>("body_length") as u64;
    header.leaf(&hash(row, "commitment"), length, &hash(row, "body_sha256"))
}

fn hash(row: &SqliteRow, column: &str) -> Hash {
    row.get::<Vec<u8>, _>(column).try_into().expect("32 bytes")
}
