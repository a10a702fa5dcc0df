-- Cases whose holder's key this institution made, until and after their patients claim them.

CREATE TABLE custody (
    case_id     BLOB PRIMARY KEY,
    -- keyed hashes of the idempotency key of the request that made it, and of what it said
    request_key BLOB NOT NULL UNIQUE,
    request     BLOB NOT NULL,
    -- nonce, ciphertext, tag of the holder's keys, under a key of the key file; NULL once destroyed
    sealed      BLOB,
    -- the claim request last taken, Borsh
    claim       BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX custody_held ON custody (case_id) WHERE sealed IS NOT NULL;
