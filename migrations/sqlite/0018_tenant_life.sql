-- The life of a company on the platform: it may be suspended, and deleted after a waiting time that two administrators began.

-- Since when its people and their machines are locked out; none while they are not. Its devices stay protected.
ALTER TABLE tenants ADD COLUMN suspended_at INTEGER;

-- No reference to the company, nor to who decided: the row outlives the one, and no person of the company may ask.
CREATE TABLE tenant_deletions (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    -- As of a request for approval; 2 waits for its time, 3 is deleted, 5 was taken back.
    stage INTEGER NOT NULL,
    asked_by INTEGER NOT NULL,
    asked_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    decided_by INTEGER,
    decided_at INTEGER,
    -- From when it may be carried out; none until it is approved.
    due_at INTEGER,
    -- 1 within the transaction that carries it out: then alone may entries of the company's ledger go.
    under_way INTEGER NOT NULL DEFAULT 0,
    done_at INTEGER,
    -- What was deleted, in numbers and digests, as JSON; empty until then.
    proof TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX tenant_deletions_standing ON tenant_deletions (tenant_id) WHERE stage = 2;

-- Entries are only ever appended, but for a whole chain that goes with its company.
DROP TRIGGER ledger_no_delete;
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger
WHEN NOT EXISTS (SELECT 1 FROM tenant_deletions d WHERE d.tenant_id = OLD.tenant_id AND d.stage = 2 AND d.under_way = 1)
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;
