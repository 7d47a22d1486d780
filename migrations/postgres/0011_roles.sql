-- Who may do what: scopes and roles of people, residential communities, tokens of machines, households, and acts that take two people.

-- A residential community (小区): one company supplies it, so it lies within that company.
CREATE TABLE communities (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    division_code BIGINT REFERENCES divisions (code),
    name TEXT NOT NULL
);
CREATE UNIQUE INDEX communities_by_name ON communities (tenant_id, COALESCE(division_code, 0), name);

ALTER TABLE premises ADD COLUMN community_id BIGINT REFERENCES communities (id);
CREATE INDEX premises_by_community ON premises (community_id);

INSERT INTO communities (id, tenant_id, division_code, name)
SELECT MIN(id), tenant_id, division_code, community FROM premises WHERE community <> '' GROUP BY tenant_id, division_code, community;
UPDATE premises SET community_id = (
    SELECT c.id FROM communities c
    WHERE c.tenant_id = premises.tenant_id AND COALESCE(c.division_code, 0) = COALESCE(premises.division_code, 0) AND c.name = premises.community
);

-- So many premises one person may have closed at once; more take a second one.
ALTER TABLE tenants ADD COLUMN close_alone BIGINT NOT NULL DEFAULT 10;

ALTER TABLE users DROP CONSTRAINT users_check;
-- 'platform', 'jurisdiction', 'tenant', 'community' or 'premises'; each has exactly its own columns.
ALTER TABLE users ADD COLUMN scope TEXT;
-- Names of roles with a space between them, in the order of their codes.
ALTER TABLE users ADD COLUMN roles TEXT;
ALTER TABLE users ADD COLUMN community_id BIGINT REFERENCES communities (id);
-- When all access ended; the person stays, because what they did stays.
ALTER TABLE users ADD COLUMN ended_at BIGINT;
-- Who could do everything within a company still can; the company's administrator may now take from it.
UPDATE users SET scope = CASE role WHEN 'regulator' THEN 'jurisdiction' WHEN 'operator' THEN 'tenant' ELSE 'premises' END,
    roles = CASE role WHEN 'operator' THEN 'administrator safety-officer dispatcher rule-engineer' ELSE role END;
ALTER TABLE users ALTER COLUMN scope SET NOT NULL;
ALTER TABLE users ALTER COLUMN roles SET NOT NULL;
ALTER TABLE users DROP COLUMN role;
ALTER TABLE users ADD CONSTRAINT users_check CHECK (
        (scope = 'platform' AND tenant_id IS NULL AND division_code IS NULL AND community_id IS NULL AND premises_id IS NULL)
        OR (scope = 'jurisdiction' AND division_code IS NOT NULL AND tenant_id IS NULL AND community_id IS NULL AND premises_id IS NULL)
        OR (scope = 'tenant' AND tenant_id IS NOT NULL AND division_code IS NULL AND community_id IS NULL AND premises_id IS NULL)
        OR (scope = 'community' AND tenant_id IS NOT NULL AND community_id IS NOT NULL AND division_code IS NULL AND premises_id IS NULL)
        OR (scope = 'premises' AND tenant_id IS NOT NULL AND premises_id IS NOT NULL AND division_code IS NULL AND community_id IS NULL)
    );
CREATE INDEX users_by_tenant ON users (tenant_id);
CREATE INDEX users_by_premises ON users (premises_id);

-- What a machine proves itself with. It may never do more than the person who made it.
CREATE TABLE api_tokens (
    id BIGINT PRIMARY KEY,
    -- Of its maker; none for a token of the platform's or of a regulator.
    tenant_id BIGINT REFERENCES tenants (id),
    user_id BIGINT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    -- A hash: who reads the table cannot use the token.
    token_hash BYTEA NOT NULL UNIQUE,
    -- Codes of permissions with a space between them.
    deeds TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_tokens_by_user ON api_tokens (user_id);
CREATE INDEX api_tokens_by_tenant ON api_tokens (tenant_id);

-- The way into a household: a code that is good once, until it expires or the household ends.
CREATE TABLE invitations (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    premises_id BIGINT NOT NULL REFERENCES premises (id),
    code_hash BYTEA NOT NULL UNIQUE,
    invited_by BIGINT NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    accepted_at BIGINT,
    accepted_by BIGINT REFERENCES users (id),
    withdrawn_at BIGINT
);
CREATE INDEX invitations_by_premises ON invitations (premises_id);

-- Dangerous acts: asked for by one person, decided by another, carried out once.
CREATE TABLE approvals (
    id BIGINT PRIMARY KEY,
    -- Of the company that it is about.
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    -- Which act, such as 'close-many'.
    act TEXT NOT NULL,
    -- What exactly, as JSON: chosen when it was asked for, never widened after.
    subject TEXT NOT NULL,
    -- 1 when a second person must approve.
    second BIGINT NOT NULL,
    -- 1 waiting, 2 approved and being carried out, 3 carried out, 4 declined, 5 withdrawn.
    stage BIGINT NOT NULL,
    asked_by BIGINT NOT NULL REFERENCES users (id),
    asked_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    decided_by BIGINT REFERENCES users (id),
    decided_at BIGINT,
    -- How far it has been carried out, as JSON.
    outcome TEXT NOT NULL
);
CREATE INDEX approvals_by_tenant ON approvals (tenant_id, id);
CREATE INDEX approvals_by_stage ON approvals (stage);
