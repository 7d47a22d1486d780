-- The ledger: what was done, in one chain for each gas company and one for the platform, and the signatures that vouch for them.

CREATE TABLE ledger (
    -- Whose chain; 0 is the platform's.
    tenant_id INTEGER NOT NULL,
    -- From 1 without a gap: the key keeps two writers from going on with the same entry.
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    -- What these four say is in the body too, and is compared with it when the chain is verified.
    kind INTEGER NOT NULL,
    by_user INTEGER,
    object INTEGER,
    device_id INTEGER,
    -- CBOR [actor, act].
    body BLOB NOT NULL,
    previous BLOB NOT NULL,
    hash BLOB NOT NULL,
    CONSTRAINT ledger_place PRIMARY KEY (tenant_id, seq)
) WITHOUT ROWID;
CREATE INDEX ledger_by_time ON ledger (tenant_id, at, seq);
CREATE INDEX ledger_by_object ON ledger (tenant_id, object, seq);

-- How chains stood when somebody signed for them.
CREATE TABLE ledger_checkpoints (
    tenant_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    hash BLOB NOT NULL,
    -- Ed25519.
    public_key BLOB NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (tenant_id, seq, public_key)
);

-- Keys that sign checkpoints; the newest signs. Their secrets are among the sealed ones.
CREATE TABLE ledger_keys (
    public_key BLOB NOT NULL PRIMARY KEY,
    created_at INTEGER NOT NULL
);

-- The entry that tells of the row; none for what was there before the ledger, and for the steps of a command between its birth and its end.
ALTER TABLE alarm_log ADD COLUMN ledger_seq INTEGER;
ALTER TABLE command_log ADD COLUMN ledger_seq INTEGER;
ALTER TABLE rule_acts ADD COLUMN ledger_seq INTEGER;

-- Entries are only ever appended: the database itself refuses anything else.
CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;
CREATE TRIGGER ledger_checkpoints_no_update BEFORE UPDATE ON ledger_checkpoints
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;
CREATE TRIGGER ledger_checkpoints_no_delete BEFORE DELETE ON ledger_checkpoints
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;
-- A row that takes another one's place would be a deletion that nobody is asked about.
CREATE TRIGGER ledger_no_replace BEFORE INSERT ON ledger
WHEN EXISTS (SELECT 1 FROM ledger WHERE tenant_id = NEW.tenant_id AND seq = NEW.seq)
BEGIN
    SELECT RAISE(ABORT, 'ledger_place is taken');
END;

-- What the planner should believe, as for the other tables that grow.
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('ledger', 'ledger', '1000000 200000 1'),
    ('ledger', 'ledger_by_time', '1000000 200000 2 1'),
    ('ledger', 'ledger_by_object', '1000000 200000 4 1');
