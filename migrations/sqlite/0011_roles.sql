-- Who may do what: scopes and roles of people, residential communities, tokens of machines, households, and acts that take two people.

-- A residential community (小区): one company supplies it, so it lies within that company.
CREATE TABLE communities (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    division_code INTEGER REFERENCES divisions (code),
    name TEXT NOT NULL
);
CREATE UNIQUE INDEX communities_by_name ON communities (tenant_id, COALESCE(division_code, 0), name);

ALTER TABLE premises ADD COLUMN community_id INTEGER REFERENCES communities (id);
CREATE INDEX premises_by_community ON premises (community_id);

INSERT INTO communities (id, tenant_id, division_code, name)
SELECT MIN(id), tenant_id, division_code, community FROM premises WHERE community <> '' GROUP BY tenant_id, division_code, community;
UPDATE premises SET community_id = (
    SELECT c.id FROM communities c
    WHERE c.tenant_id = premises.tenant_id AND COALESCE(c.division_code, 0) = COALESCE(premises.division_code, 0) AND c.name = premises.community
);

-- So many premises one person may have closed at once; more take a second one.
ALTER TABLE tenants ADD COLUMN close_alone INTEGER NOT NULL DEFAULT 10;

-- A check cannot be altered here, so the table is made anew; what refers to it is checked when all of this is in place.
PRAGMA defer_foreign_keys = ON;
CREATE TEMPORARY TABLE users_before AS SELECT * FROM users;
DROP TABLE users;
CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    -- Lower case.
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    phone TEXT,
    password_hash TEXT NOT NULL,
    locale TEXT NOT NULL,
    tenant_id INTEGER REFERENCES tenants (id),
    division_code INTEGER REFERENCES divisions (code),
    premises_id INTEGER REFERENCES premises (id),
    -- 'platform', 'jurisdiction', 'tenant', 'community' or 'premises'; each has exactly its own columns.
    scope TEXT NOT NULL,
    -- Names of roles with a space between them, in the order of their codes.
    roles TEXT NOT NULL,
    community_id INTEGER REFERENCES communities (id),
    -- When all access ended; the person stays, because what they did stays.
    ended_at INTEGER,
    CHECK (
        (scope = 'platform' AND tenant_id IS NULL AND division_code IS NULL AND community_id IS NULL AND premises_id IS NULL)
        OR (scope = 'jurisdiction' AND division_code IS NOT NULL AND tenant_id IS NULL AND community_id IS NULL AND premises_id IS NULL)
        OR (scope = 'tenant' AND tenant_id IS NOT NULL AND division_code IS NULL AND community_id IS NULL AND premises_id IS NULL)
        OR (scope = 'community' AND tenant_id IS NOT NULL AND community_id IS NOT NULL AND division_code IS NULL AND premises_id IS NULL)
        OR (scope = 'premises' AND tenant_id IS NOT NULL AND premises_id IS NOT NULL AND division_code IS NULL AND community_id IS NULL)
    )
);
-- Who could do everything within a company still can; the company's administrator may now take from it.
INSERT INTO users (id, email, name, phone, password_hash, locale, tenant_id, division_code, premises_id, scope, roles)
SELECT id, email, name, phone, password_hash, locale, tenant_id, division_code, premises_id,
    CASE role WHEN 'regulator' THEN 'jurisdiction' WHEN 'operator' THEN 'tenant' ELSE 'premises' END,
    CASE role WHEN 'operator' THEN 'administrator safety-officer dispatcher rule-engineer' ELSE role END
FROM users_before;
DROP TABLE users_before;
CREATE INDEX users_by_tenant ON users (tenant_id);
CREATE INDEX users_by_premises ON users (premises_id);

-- What a machine proves itself with. It may never do more than the person who made it.
CREATE TABLE api_tokens (
    id INTEGER PRIMARY KEY,
    -- Of its maker; none for a token of the platform's or of a regulator.
    tenant_id INTEGER REFERENCES tenants (id),
    user_id INTEGER NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    -- A hash: who reads the table cannot use the token.
    token_hash BLOB NOT NULL UNIQUE,
    -- Codes of permissions with a space between them.
    deeds TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at INTEGER
);
CREATE INDEX api_tokens_by_user ON api_tokens (user_id);
CREATE INDEX api_tokens_by_tenant ON api_tokens (tenant_id);

-- The way into a household: a code that is good once, until it expires or the household ends.
CREATE TABLE invitations (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    premises_id INTEGER NOT NULL REFERENCES premises (id),
    code_hash BLOB NOT NULL UNIQUE,
    invited_by INTEGER NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    accepted_at INTEGER,
    accepted_by INTEGER REFERENCES users (id),
    withdrawn_at INTEGER
);
CREATE INDEX invitations_by_premises ON invitations (premises_id);

-- Dangerous acts: asked for by one person, decided by another, carried out once.
CREATE TABLE approvals (
    id INTEGER PRIMARY KEY,
    -- Of the company that it is about.
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    -- Which act, such as 'close-many'.
    act TEXT NOT NULL,
    -- What exactly, as JSON: chosen when it was asked for, never widened after.
    subject TEXT NOT NULL,
    -- 1 when a second person must approve.
    second INTEGER NOT NULL,
    -- 1 waiting, 2 approved and being carried out, 3 carried out, 4 declined, 5 withdrawn.
    stage INTEGER NOT NULL,
    asked_by INTEGER NOT NULL REFERENCES users (id),
    asked_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    decided_by INTEGER REFERENCES users (id),
    decided_at INTEGER,
    -- How far it has been carried out, as JSON.
    outcome TEXT NOT NULL
);
CREATE INDEX approvals_by_tenant ON approvals (tenant_id, id);
CREATE INDEX approvals_by_stage ON approvals (stage);
