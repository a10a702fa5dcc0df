-- What this agent knows by itself, and (view_*) what the chain says as of the cursor.
-- Ids and hashes are raw bytes; objects of the ledger are Borsh.

CREATE TABLE meta (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    commit_number INTEGER NOT NULL,
    -- the epoch file names the same one
    life          BLOB,
    chain_id      TEXT,
    net           BLOB,
    institution   INTEGER,
    baseline      INTEGER NOT NULL DEFAULT 0,
    -- 0 none, 1 pending, 2 until restore_until
    restore_state INTEGER NOT NULL DEFAULT 0,
    restore_until INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO meta (id, commit_number) VALUES (1, 0);

CREATE TABLE cursor (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    height INTEGER NOT NULL,
    block  BLOB NOT NULL,
    time   INTEGER NOT NULL
) STRICT;

CREATE TABLE cases (
    case_id BLOB PRIMARY KEY,
    offer   BLOB NOT NULL,
    policy  BLOB NOT NULL,
    -- 0 offered, 1 allowed, 2 enrolled, 3 refused
    state   INTEGER NOT NULL,
    error   TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX cases_by_state ON cases (state);

CREATE TABLE links (
    identifier BLOB PRIMARY KEY,
    case_id    BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE lanes (
    lane      BLOB PRIMARY KEY,
    case_id   BLOB NOT NULL,
    header    BLOB NOT NULL,
    -- 0 opening, 1 live, 2 ended, 3 closed
    state     INTEGER NOT NULL,
    -- 0 revoked, 1 restored
    reason    INTEGER,
    size      INTEGER NOT NULL,
    root      BLOB NOT NULL,
    rev       INTEGER NOT NULL,
    successor BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX lanes_by_case ON lanes (case_id);
CREATE INDEX lanes_by_state ON lanes (state);

CREATE TABLE lane_keys (
    lane    BLOB PRIMARY KEY REFERENCES lanes (lane),
    epoch   INTEGER NOT NULL,
    wrapped BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX lane_keys_by_epoch ON lane_keys (epoch);

CREATE TABLE entries (
    lane        BLOB NOT NULL REFERENCES lanes (lane),
    idx         INTEGER NOT NULL,
    header      BLOB NOT NULL,
    commitment  BLOB NOT NULL,
    body_length INTEGER NOT NULL,
    body_sha256 BLOB NOT NULL,
    PRIMARY KEY (lane, idx)
) STRICT, WITHOUT ROWID;
CREATE INDEX entries_by_body ON entries (body_sha256);

-- Complete subtrees of a lane: level 0 is a leaf.
CREATE TABLE nodes (
    lane  BLOB NOT NULL REFERENCES lanes (lane),
    level INTEGER NOT NULL,
    idx   INTEGER NOT NULL,
    hash  BLOB NOT NULL,
    PRIMARY KEY (lane, level, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    key     BLOB PRIMARY KEY,
    request BLOB NOT NULL,
    lane    BLOB NOT NULL,
    idx     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE letters (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    digest    BLOB NOT NULL UNIQUE,
    case_id   BLOB NOT NULL,
    kind      INTEGER NOT NULL,
    subject   BLOB NOT NULL,
    recipient BLOB NOT NULL,
    bytes     BLOB NOT NULL
) STRICT;
CREATE INDEX letters_by_recipient ON letters (case_id, recipient, seq);

CREATE TABLE txs (
    number         INTEGER PRIMARY KEY AUTOINCREMENT,
    hash           BLOB NOT NULL UNIQUE,
    sequence       INTEGER NOT NULL,
    bytes          BLOB NOT NULL,
    timeout_height INTEGER NOT NULL,
    -- 0 sent, 1 included, 2 failed, 3 expired
    state          INTEGER NOT NULL,
    height         INTEGER,
    error          TEXT,
    actions        BLOB NOT NULL
) STRICT;
-- At most one transaction of the account is undecided.
CREATE UNIQUE INDEX one_tx_in_flight ON txs (state) WHERE state = 0;
CREATE INDEX txs_by_state ON txs (state);

CREATE TABLE view_lane (
    lane    BLOB PRIMARY KEY,
    case_id BLOB NOT NULL,
    header  BLOB NOT NULL,
    record  BLOB NOT NULL,
    -- of the record, for queries
    status  INTEGER NOT NULL,
    size    INTEGER NOT NULL,
    changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX view_lane_by_case ON view_lane (case_id);

CREATE TABLE view_identity (
    case_id BLOB PRIMARY KEY,
    holder  BLOB NOT NULL,
    record  BLOB NOT NULL,
    changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX view_identity_by_holder ON view_identity (holder);

CREATE TABLE view_relationship (
    case_id     BLOB NOT NULL,
    institution INTEGER NOT NULL,
    record      BLOB NOT NULL,
    changed     INTEGER NOT NULL,
    PRIMARY KEY (case_id, institution)
) STRICT, WITHOUT ROWID;

CREATE TABLE view_grant (
    commitment BLOB PRIMARY KEY,
    case_id    BLOB NOT NULL,
    record     BLOB NOT NULL,
    changed    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE view_rev (
    case_id BLOB PRIMARY KEY,
    rev     INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    acked   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX view_rev_behind ON view_rev (case_id) WHERE rev > acked;

CREATE TABLE view_policy (
    case_id BLOB PRIMARY KEY,
    policy  BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE view_institution (
    number   INTEGER PRIMARY KEY,
    record   BLOB NOT NULL,
    endpoint TEXT NOT NULL,
    changed  INTEGER NOT NULL
) STRICT;

CREATE TABLE view_operator (
    account     BLOB PRIMARY KEY,
    institution INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
