-- Who is there: administrative divisions, gas companies, places where gas is used, devices and people.
-- Ids and times (milliseconds since 1970, UTC) are INTEGER (64 bits); nothing here reads the database's clock.

-- Small facts about the database itself.
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- One row per start of the server: the epoch of everything that must not repeat across restarts.
CREATE TABLE boots (
    epoch INTEGER PRIMARY KEY AUTOINCREMENT,
    started_at INTEGER NOT NULL
);

-- Administrative divisions (省/市/区县/街道): a tree.
CREATE TABLE divisions (
    code INTEGER PRIMARY KEY,
    parent_code INTEGER REFERENCES divisions (code),
    level INTEGER NOT NULL,
    name_zh TEXT NOT NULL,
    name_en TEXT NOT NULL
);
CREATE INDEX divisions_by_parent ON divisions (parent_code);

CREATE TABLE tenants (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    -- The OSCORE ID Context of the tenant's devices (RFC 8613 §5.1), at most 8 bytes.
    context_id BLOB NOT NULL UNIQUE,
    jurisdiction INTEGER REFERENCES divisions (code)
);

CREATE TABLE premises (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    division_code INTEGER REFERENCES divisions (code),
    address TEXT NOT NULL,
    community TEXT NOT NULL,
    building TEXT NOT NULL,
    -- WGS 84 degrees.
    lon REAL NOT NULL,
    lat REAL NOT NULL
);
CREATE INDEX premises_by_tenant ON premises (tenant_id, id);
CREATE INDEX premises_by_division ON premises (division_code);

CREATE TABLE devices (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    interlock_id INTEGER NOT NULL,
    premises_id INTEGER REFERENCES premises (id),
    -- Where a device without premises is supervised; otherwise the premises' own.
    division_code INTEGER REFERENCES divisions (code),
    -- The gateway that it speaks through.
    parent_id INTEGER REFERENCES devices (id),
    serial TEXT NOT NULL,
    kind INTEGER NOT NULL,
    model TEXT NOT NULL,
    installed_at INTEGER,
    report_interval_ms INTEGER,
    sleepy INTEGER NOT NULL,
    lon REAL NOT NULL,
    lat REAL NOT NULL,
    -- The OSCORE Sender ID, none for a device that speaks through a gateway.
    kid BLOB,
    -- COSE algorithm number: 1 is A128GCM, 10 is AES-CCM-16-64-128.
    algorithm INTEGER NOT NULL,
    -- Master secret and salt, sealed under the key-encryption key of that id.
    key_ciphertext BLOB,
    key_nonce BLOB,
    key_kek_id TEXT,
    UNIQUE (tenant_id, serial),
    UNIQUE (tenant_id, kid)
);
CREATE INDEX devices_by_tenant ON devices (tenant_id, id);
CREATE INDEX devices_by_interlock ON devices (interlock_id);
CREATE INDEX devices_by_premises ON devices (premises_id);
CREATE INDEX devices_by_division ON devices (division_code);

-- A leak at the source closes the valve.
CREATE TABLE device_links (
    source_id INTEGER NOT NULL REFERENCES devices (id),
    valve_id INTEGER NOT NULL REFERENCES devices (id),
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    PRIMARY KEY (source_id, valve_id)
);

CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    -- Lower case.
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    phone TEXT,
    password_hash TEXT NOT NULL,
    locale TEXT NOT NULL,
    -- 'regulator', 'operator' or 'resident'; each has exactly its own scope below.
    role TEXT NOT NULL,
    tenant_id INTEGER REFERENCES tenants (id),
    division_code INTEGER REFERENCES divisions (code),
    premises_id INTEGER REFERENCES premises (id),
    CHECK (
        (role = 'regulator' AND division_code IS NOT NULL AND tenant_id IS NULL AND premises_id IS NULL)
        OR (role = 'operator' AND tenant_id IS NOT NULL AND division_code IS NULL AND premises_id IS NULL)
        OR (role = 'resident' AND tenant_id IS NOT NULL AND premises_id IS NOT NULL AND division_code IS NULL)
    )
);

CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    -- A hash: who reads the table cannot sign in with it.
    token_hash BLOB NOT NULL UNIQUE,
    user_id INTEGER NOT NULL REFERENCES users (id),
    csrf_secret BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
