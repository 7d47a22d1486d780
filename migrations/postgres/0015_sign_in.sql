-- How people prove who they are: sessions with what was proven in them, known devices, second factors, ways back in.

-- When a second factor was last proven in the session; none when none was.
ALTER TABLE sessions ADD COLUMN second_factor_at BIGINT;
-- 1 while the password alone was right and the second factor is still to come: such a session may do nothing else.
ALTER TABLE sessions ADD COLUMN waits_for_factor BIGINT NOT NULL DEFAULT 0;
-- What the browser calls itself and where it signed in from, for its owner's list.
ALTER TABLE sessions ADD COLUMN agent TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT '';

-- What the company's staff may not do without a second factor: 'optional', 'rules' or 'commands'.
ALTER TABLE tenants ADD COLUMN second_factor TEXT NOT NULL DEFAULT 'optional';

CREATE INDEX users_by_phone ON users (REPLACE(REPLACE(phone, ' ', ''), '-', ''));

-- Browsers in which a person has signed in before: guesses made elsewhere cost them nothing.
CREATE TABLE known_devices (
    -- SHA-256 of the token in the browser's cookie; several people may share a browser.
    token_hash BYTEA NOT NULL,
    user_id BIGINT NOT NULL REFERENCES users (id),
    used_at BIGINT NOT NULL,
    PRIMARY KEY (token_hash, user_id)
);
CREATE INDEX known_devices_by_user ON known_devices (user_id);

-- Ways back in for who has forgotten the password: each is good once.
CREATE TABLE reset_tokens (
    token_hash BYTEA PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id),
    expires_at BIGINT NOT NULL
);
CREATE INDEX reset_tokens_by_user ON reset_tokens (user_id);

-- Letters to people that carry a secret: what they say is a sealed secret of its own until a channel has taken it.
CREATE TABLE credential_letters (
    id BIGINT PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id),
    -- 'email' or 'sms'.
    channel TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    sent_at BIGINT
);
CREATE INDEX credential_letters_waiting ON credential_letters (next_attempt_at) WHERE sent_at IS NULL;

-- Time-based one-time passwords (RFC 6238): at most one generator a person; its secret is a sealed one.
CREATE TABLE totp_secrets (
    user_id BIGINT PRIMARY KEY REFERENCES users (id),
    created_at BIGINT NOT NULL,
    -- None until a code has shown that the generator works.
    confirmed_at BIGINT,
    -- The last step of time whose code was taken: none is taken twice.
    last_step BIGINT NOT NULL
);

-- For who has lost the second factor: each is good once.
CREATE TABLE recovery_codes (
    user_id BIGINT NOT NULL REFERENCES users (id),
    code_hash BYTEA NOT NULL,
    PRIMARY KEY (user_id, code_hash)
);

-- A company sees and sets what it demands of its staff; what a person proves themself with is no company's to see.
GRANT SELECT (second_factor), UPDATE (second_factor) ON tenants TO davy_company;
