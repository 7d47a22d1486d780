-- Device drivers in service: several at once in one company, each for its own models, and the messages that none could read yet.

-- Of a driver, its name: drivers of different names are in force beside each other. Empty for every other contract.
ALTER TABLE rule_releases ADD COLUMN scope TEXT NOT NULL DEFAULT '';
UPDATE rule_releases SET scope = (SELECT r.name FROM rules r WHERE r.tenant_id = rule_releases.tenant_id AND r.digest = rule_releases.digest)
    WHERE world = 'device-driver';
DROP INDEX rule_releases_live;
-- One version of a company, a contract and a scope in shadow, one in a cohort, one in force.
CREATE UNIQUE INDEX rule_releases_live ON rule_releases (tenant_id, world, scope, stage) WHERE stage IN (4, 5, 6);

CREATE TABLE quarantine (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    device_id BIGINT NOT NULL REFERENCES devices (id),
    received_at BIGINT NOT NULL,
    -- The CoAP content-format that it came with.
    format BIGINT NOT NULL,
    payload BYTEA NOT NULL,
    -- Who was asked last: SHA-256 of the component, and the version of its settings.
    driver BYTEA NOT NULL,
    settings_version BIGINT NOT NULL,
    -- Why it could not read it.
    reason TEXT NOT NULL,
    tries BIGINT NOT NULL,
    -- When a driver read it at last; none while it waits.
    decoded_at BIGINT
);
CREATE INDEX quarantine_waiting ON quarantine (tenant_id, id) WHERE decoded_at IS NULL;
