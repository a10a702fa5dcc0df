-- Who holds a case after its first holder, who is given fee allowances, and where cases stand.

-- The offer of each holder after the first, by the epoch of its key.
CREATE TABLE holders (
    case_id BLOB NOT NULL,
    epoch   INTEGER NOT NULL,
    offer   BLOB NOT NULL,
    PRIMARY KEY (case_id, epoch)
) STRICT, WITHOUT ROWID;

-- Accounts that get a fee allowance besides the first holders.
CREATE TABLE sponsored (
    account BLOB PRIMARY KEY,
    case_id BLOB NOT NULL,
    -- Unix ms
    time    INTEGER NOT NULL,
    -- 0 asked for, 1 given
    state   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sponsored_by_case ON sponsored (case_id, time);
CREATE INDEX sponsored_by_state ON sponsored (state, time);

-- Cases that this institution may write again, and may need a lane for.
CREATE TABLE revived (
    case_id BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE view_case (
    case_id BLOB PRIMARY KEY,
    -- 0 open, 1 closing, 2 proposed, 3 completed
    status  INTEGER NOT NULL,
    changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
