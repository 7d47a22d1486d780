-- How people prove who they are: sessions with what was proven in them, known devices, second factors, ways back in.

-- When a second factor was last proven in the session; none when none was.
ALTER TABLE sessions ADD COLUMN second_factor_at INTEGER;
-- 1 while the password alone was right and the second factor is still to come: such a session may do nothing else.
ALTER TABLE sessions ADD COLUMN waits_for_factor INTEGER NOT NULL DEFAULT 0;
-- What the browser calls itself and where it signed in from, for its owner's list.
ALTER TABLE sessions ADD COLUMN agent TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT '';

-- What the company's staff may not do without a second factor: 'optional', 'rules' or 'commands'.
ALTER TABLE tenants ADD COLUMN second_factor TEXT NOT NULL DEFAULT 'optional';

CREATE INDEX users_by_phone ON users (REPLACE(REPLACE(phone, ' ', ''), '-', ''));

-- Browsers in which a person has signed in before: guesses made elsewhere cost them nothing.
CREATE TABLE known_devices (
    -- SHA-256 of the token in the browser's cookie; several people may share a browser.
    token_hash BLOB NOT NULL,
    user_id INTEGER NOT NULL REFERENCES users (id),
    used_at INTEGER NOT NULL,
    PRIMARY KEY (token_hash, user_id)
);
CREATE INDEX known_devices_by_user ON known_devices (user_id);

-- Ways back in for who has forgotten the password: each is good once.
CREATE TABLE reset_tokens (
    token_hash BLOB PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id),
    expires_at INTEGER NOT NULL
);
CREATE INDEX reset_tokens_by_user ON reset_tokens (user_id);

-- Letters to people that carry a secret: what they say is a sealed secret of its own until a channel has taken it.
CREATE TABLE credential_letters (
    id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id),
    -- 'email' or 'sms'.
    channel TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL,
    sent_at INTEGER
);
CREATE INDEX credential_letters_waiting ON credential_letters (next_attempt_at) WHERE sent_at IS NULL;

-- Time-based one-time passwords (RFC 6238): at most one generator a person; its secret is a sealed one.
CREATE TABLE totp_secrets (
    user_id INTEGER PRIMARY KEY REFERENCES users (id),
    created_at INTEGER NOT NULL,
    -- None until a code has shown that the generator works.
    confirmed_at INTEGER,
    -- The last step of time whose code was taken: none is taken twice.
    last_step INTEGER NOT NULL
);

-- For who has lost the second factor: each is good once.
CREATE TABLE recovery_codes (
    user_id INTEGER NOT NULL REFERENCES users (id),
    code_hash BLOB NOT NULL,
    PRIMARY KEY (user_id, code_hash)
);
