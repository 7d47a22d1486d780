-- The ledger: what was done, in one chain for each gas company and one for the platform, and the signatures that vouch for them.

CREATE TABLE ledger (
    -- Whose chain; 0 is the platform's.
    tenant_id BIGINT NOT NULL,
    -- From 1 without a gap: the key keeps two writers from going on with the same entry.
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    -- What these four say is in the body too, and is compared with it when the chain is verified.
    kind BIGINT NOT NULL,
    by_user BIGINT,
    object BIGINT,
    device_id BIGINT,
    -- CBOR [actor, act].
    body BYTEA NOT NULL,
    previous BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    CONSTRAINT ledger_place PRIMARY KEY (tenant_id, seq)
);
CREATE INDEX ledger_by_time ON ledger (tenant_id, at, seq);
CREATE INDEX ledger_by_object ON ledger (tenant_id, object, seq);

-- How chains stood when somebody signed for them.
CREATE TABLE ledger_checkpoints (
    tenant_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    -- Ed25519.
    public_key BYTEA NOT NULL,
    signature BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, seq, public_key)
);

-- Keys that sign checkpoints; the newest signs. Their secrets are among the sealed ones.
CREATE TABLE ledger_keys (
    public_key BYTEA NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL
);

-- The entry that tells of the row; none for what was there before the ledger, and for the steps of a command between its birth and its end.
ALTER TABLE alarm_log ADD COLUMN ledger_seq BIGINT;
ALTER TABLE command_log ADD COLUMN ledger_seq BIGINT;
ALTER TABLE rule_acts ADD COLUMN ledger_seq BIGINT;

-- Entries are only ever appended: the database itself refuses anything else.
CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only';
END $$;
CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_no_truncate BEFORE TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_checkpoints_no_update BEFORE UPDATE ON ledger_checkpoints
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_checkpoints_no_delete BEFORE DELETE ON ledger_checkpoints
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_checkpoints_no_truncate BEFORE TRUNCATE ON ledger_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
