-- The tenants' rules, and the statutory floor that none of them can weaken.

CREATE TABLE rules (
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    -- SHA-256 of the component.
    digest BLOB NOT NULL,
    name TEXT NOT NULL,
    component BLOB NOT NULL,
    uploaded_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, digest)
);

-- Settings are never changed, only followed by a newer version.
CREATE TABLE rule_settings (
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    version INTEGER NOT NULL,
    settings TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, version)
);

-- The one rule that is in force for a tenant.
CREATE TABLE rule_activation (
    tenant_id INTEGER PRIMARY KEY REFERENCES tenants (id),
    digest BLOB NOT NULL,
    settings_version INTEGER NOT NULL,
    activated_at INTEGER NOT NULL,
    FOREIGN KEY (tenant_id, digest) REFERENCES rules (tenant_id, digest),
    FOREIGN KEY (tenant_id, settings_version) REFERENCES rule_settings (tenant_id, version)
);

-- One row per rule of the floor, in force from a date in a jurisdiction.
CREATE TABLE statutory_floor (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    jurisdiction TEXT NOT NULL,
    effective_from INTEGER NOT NULL,
    -- The rule with its source, as JSON.
    body TEXT NOT NULL
);
