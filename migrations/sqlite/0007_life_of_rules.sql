-- The life of rules' versions: who wanted what when, the back-tests, what a version costs in service, and what it would have done.

-- What is known of a component beside its bytes.
ALTER TABLE rules ADD COLUMN version TEXT NOT NULL DEFAULT '';
-- The limits that it was admitted with: 'standard' or 'large'.
ALTER TABLE rules ADD COLUMN tier TEXT NOT NULL DEFAULT 'standard';
-- What it says of itself, as JSON; empty until its checks have passed.
ALTER TABLE rules ADD COLUMN about TEXT NOT NULL DEFAULT '';
-- The Ed25519 key that has signed its digest, and the signature.
ALTER TABLE rules ADD COLUMN signer BLOB;
ALTER TABLE rules ADD COLUMN signature BLOB;

-- Whose signatures a company accepts; with at least one row it takes no component without.
CREATE TABLE rule_signers (
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    -- Ed25519, 32 bytes.
    public_key BLOB NOT NULL,
    name TEXT NOT NULL,
    added_by INTEGER NOT NULL REFERENCES users (id),
    added_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, public_key)
);

-- A version: a component with settings, and how far it has come.
CREATE TABLE rule_releases (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    digest BLOB NOT NULL,
    settings_version INTEGER NOT NULL,
    -- The contract that it fulfils, such as 'alarm-policy'.
    world TEXT NOT NULL,
    stage INTEGER NOT NULL,
    -- For which share of the devices it decides, of a thousand.
    permille INTEGER NOT NULL,
    proposed_by INTEGER REFERENCES users (id),
    -- Confirmed leaks that its last back-test missed; none before the first.
    missed INTEGER,
    -- What admission said, as JSON; empty until then.
    checks TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    activated_at INTEGER,
    FOREIGN KEY (tenant_id, digest) REFERENCES rules (tenant_id, digest),
    FOREIGN KEY (tenant_id, settings_version) REFERENCES rule_settings (tenant_id, version)
);
-- One version of a company and a contract in shadow, one in a cohort, one in force.
CREATE UNIQUE INDEX rule_releases_live ON rule_releases (tenant_id, world, stage) WHERE stage IN (4, 5, 6);
CREATE INDEX rule_releases_by_tenant ON rule_releases (tenant_id, id);

-- Every act on every version; rows are only ever appended.
CREATE TABLE rule_acts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id INTEGER NOT NULL,
    release_id INTEGER NOT NULL REFERENCES rule_releases (id),
    at INTEGER NOT NULL,
    -- None when it was the platform.
    by_user INTEGER REFERENCES users (id),
    -- As JSON.
    act TEXT NOT NULL,
    stage_before INTEGER,
    stage_after INTEGER NOT NULL
);
CREATE INDEX rule_acts_by_release ON rule_acts (release_id, seq);

CREATE TABLE back_tests (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    release_id INTEGER NOT NULL REFERENCES rule_releases (id),
    -- What it was held against; none is the statutory floor alone.
    against_id INTEGER REFERENCES rule_releases (id),
    -- 'waiting', 'running', 'done', 'cancelled' or 'failed'.
    state TEXT NOT NULL,
    from_at INTEGER NOT NULL,
    to_at INTEGER NOT NULL,
    permille INTEGER NOT NULL,
    started_by INTEGER NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    -- As JSON when done; the reason when failed.
    report TEXT NOT NULL
);
CREATE INDEX back_tests_by_release ON back_tests (release_id, id);
CREATE INDEX back_tests_unfinished ON back_tests (id) WHERE finished_at IS NULL;

-- What a version has cost and how it has failed, in service; as JSON.
CREATE TABLE rule_health (
    release_id INTEGER PRIMARY KEY REFERENCES rule_releases (id),
    tenant_id INTEGER NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL
);

-- What a version in shadow would have done otherwise than what is in force.
CREATE TABLE rule_differences (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id INTEGER NOT NULL,
    release_id INTEGER NOT NULL REFERENCES rule_releases (id),
    device_id INTEGER NOT NULL REFERENCES devices (id),
    condition INTEGER NOT NULL,
    -- When what is in force raised the alarm, and when the version would have; none where one did not.
    active_at INTEGER,
    shadow_at INTEGER
);
CREATE INDEX rule_differences_by_release ON rule_differences (release_id, seq);

-- A person's word on what an alarm really was: 'leak', 'false-alarm' or 'test'.
CREATE TABLE alarm_findings (
    alarm_id INTEGER PRIMARY KEY REFERENCES alarms (id),
    tenant_id INTEGER NOT NULL,
    finding TEXT NOT NULL,
    by_user INTEGER NOT NULL REFERENCES users (id),
    at INTEGER NOT NULL
);
CREATE INDEX alarm_findings_by_tenant ON alarm_findings (tenant_id, finding);

-- What was in force stays in force: the first version of its company, under the company's own number.
INSERT INTO rule_releases
    (id, tenant_id, digest, settings_version, world, stage, permille, checks, created_at, changed_at, activated_at)
    SELECT tenant_id, tenant_id, digest, settings_version, 'alarm-policy', 6, 1000, '', activated_at, activated_at, activated_at FROM rule_activation;
DROP TABLE rule_activation;
