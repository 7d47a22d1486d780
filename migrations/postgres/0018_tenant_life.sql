-- The life of a company on the platform: it may be suspended, and deleted after a waiting time that two administrators began.

-- Since when its people and their machines are locked out; none while they are not. Its devices stay protected.
ALTER TABLE tenants ADD COLUMN suspended_at BIGINT;

-- No reference to the company, nor to who decided: the row outlives the one, and no person of the company may ask.
CREATE TABLE tenant_deletions (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    -- As of a request for approval; 2 waits for its time, 3 is deleted, 5 was taken back.
    stage BIGINT NOT NULL,
    asked_by BIGINT NOT NULL,
    asked_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    decided_by BIGINT,
    decided_at BIGINT,
    -- From when it may be carried out; none until it is approved.
    due_at BIGINT,
    -- 1 within the transaction that carries it out: then alone may entries of the company's ledger go.
    under_way BIGINT NOT NULL DEFAULT 0,
    done_at BIGINT,
    -- What was deleted, in numbers and digests, as JSON; empty until then.
    proof TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX tenant_deletions_standing ON tenant_deletions (tenant_id) WHERE stage = 2;

CALL davy_guard('tenant_deletions', 'SELECT', NULL, NULL, NULL);
GRANT SELECT (suspended_at) ON tenants TO davy_company;

-- Entries are only ever appended, but for a whole chain that goes with its company.
CREATE FUNCTION ledger_refuse_deletion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM tenant_deletions d WHERE d.tenant_id = OLD.tenant_id AND d.stage = 2 AND d.under_way = 1) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the ledger is append-only';
END $$;
DROP TRIGGER ledger_no_delete ON ledger;
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_deletion();
