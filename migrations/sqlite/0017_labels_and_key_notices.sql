-- Which devices an import has added, for their labels: a company has one import under way at a time, so they are its devices from the first to the last.
ALTER TABLE device_imports ADD COLUMN first_device INTEGER;
ALTER TABLE device_imports ADD COLUMN last_device INTEGER;

-- What was noticed about a device's key, such as that something still speaks with a revoked one's identity: when first and last, how often,
-- and when the ledger last heard of it.
CREATE TABLE device_key_notices (
    device_id INTEGER NOT NULL REFERENCES devices (id),
    kind TEXT NOT NULL,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    entered_at INTEGER NOT NULL,
    times INTEGER NOT NULL,
    PRIMARY KEY (device_id, kind)
);
CREATE INDEX device_key_notices_by_tenant ON device_key_notices (tenant_id);
