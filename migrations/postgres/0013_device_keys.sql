-- The life of keys: secrets that are no device's key, imports of devices, keys that were revoked.

-- Sealed under a key of its own for each purpose; the associated data are company (0 for the platform's own) and owner.
CREATE TABLE sealed_secrets (
    purpose TEXT NOT NULL,
    owner_id BIGINT NOT NULL,
    tenant_id BIGINT REFERENCES tenants (id),
    ciphertext BYTEA NOT NULL,
    nonce BYTEA NOT NULL,
    kek_id TEXT NOT NULL,
    PRIMARY KEY (purpose, owner_id)
);
CREATE INDEX sealed_secrets_by_kek ON sealed_secrets (purpose, kek_id, owner_id);
CREATE INDEX sealed_secrets_by_tenant ON sealed_secrets (tenant_id);
CREATE INDEX devices_by_kek ON devices (key_kek_id, id);

-- Devices that a company adds by a file, all or none. The report is JSON: why not, line by line.
CREATE TABLE device_imports (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    started_by BIGINT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    lines BIGINT NOT NULL,
    devices BIGINT NOT NULL,
    report TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE INDEX device_imports_by_tenant ON device_imports (tenant_id, id);

-- When a device's key was last revoked or replaced; one without a key and with this cannot speak.
ALTER TABLE devices ADD COLUMN key_changed_at BIGINT;
