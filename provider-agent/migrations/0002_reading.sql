-- What serving others needs. Ids and hashes are raw bytes; objects of the ledger are Borsh.

CREATE TABLE nonces (
    key   BLOB NOT NULL,
    nonce BLOB NOT NULL,
    -- Unix ms
    until INTEGER NOT NULL,
    PRIMARY KEY (key, nonce)
) STRICT, WITHOUT ROWID;
CREATE INDEX nonces_by_until ON nonces (until);

CREATE TABLE openings (
    commitment BLOB PRIMARY KEY,
    case_id    BLOB NOT NULL,
    -- nonce, ciphertext, tag, under a key of the key file
    sealed     BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX openings_by_case ON openings (case_id);

CREATE TABLE releases (
    nonce        BLOB PRIMARY KEY,
    bytes        BLOB NOT NULL,
    server_key   BLOB NOT NULL,
    server_sig   BLOB NOT NULL,
    -- Unix ms
    expires      INTEGER NOT NULL,
    -- the reader's half: all four or none
    reader_key   BLOB,
    reader_sig   BLOB,
    access_lane  BLOB,
    access_index INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX releases_by_expires ON releases (expires);

CREATE TABLE deliveries (
    id     BLOB PRIMARY KEY,
    letter BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX letters_by_subject ON letters (subject, recipient, seq);

CREATE TABLE kem_keys (
    hash  BLOB PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE waiting_letters (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    lane       BLOB NOT NULL,
    commitment BLOB NOT NULL,
    case_id    BLOB NOT NULL,
    reader     INTEGER NOT NULL,
    epoch      INTEGER NOT NULL,
    wrapped    BLOB NOT NULL,
    UNIQUE (lane, commitment)
) STRICT;

CREATE TABLE shared_reads (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Unix ms
    time         INTEGER NOT NULL,
    case_id      BLOB NOT NULL,
    commitment   BLOB NOT NULL,
    -- the entry, or NULL for the list
    lane         BLOB,
    idx          INTEGER,
    practitioner TEXT NOT NULL,
    purpose      TEXT NOT NULL
) STRICT;
CREATE INDEX shared_reads_by_case ON shared_reads (case_id, number);
