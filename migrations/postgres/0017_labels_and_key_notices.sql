-- Which devices an import has added, for their labels: a company has one import under way at a time, so they are its devices from the first to the last.
ALTER TABLE device_imports ADD COLUMN first_device BIGINT;
ALTER TABLE device_imports ADD COLUMN last_device BIGINT;

-- What was noticed about a device's key, such as that something still speaks with a revoked one's identity: when first and last, how often,
-- and when the ledger last heard of it.
CREATE TABLE device_key_notices (
    device_id BIGINT NOT NULL REFERENCES devices (id),
    kind TEXT NOT NULL,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    entered_at BIGINT NOT NULL,
    times BIGINT NOT NULL,
    PRIMARY KEY (device_id, kind)
);
CREATE INDEX device_key_notices_by_tenant ON device_key_notices (tenant_id);
CALL davy_guard('device_key_notices', 'SELECT, INSERT, UPDATE, DELETE', NULL, NULL, NULL);
