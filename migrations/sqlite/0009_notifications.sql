-- Who is told of an alarm: what the company's notification policy remembers of it, why it decided as it did, and the messages.

-- One row per alarm that is not over. It changes only together with the notice or the timer that it follows from.
CREATE TABLE notification_folds (
    alarm_id INTEGER PRIMARY KEY REFERENCES alarms (id),
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    -- The policy's state, its timers and what the platform knows of the alarm's course, as JSON.
    memory TEXT NOT NULL,
    -- When its first timer is due; none without one.
    next_due INTEGER,
    -- How often it was changed: whoever read an older one must not write.
    changes INTEGER NOT NULL
);
CREATE INDEX notification_folds_due ON notification_folds (next_due) WHERE next_due IS NOT NULL;

-- What a policy was asked and what it answered; enough to ask it again. Rows are only ever appended.
CREATE TABLE notification_decisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    alarm_id INTEGER NOT NULL REFERENCES alarms (id),
    at INTEGER NOT NULL,
    release_id INTEGER NOT NULL REFERENCES rule_releases (id),
    rule_digest BLOB NOT NULL,
    settings_version INTEGER NOT NULL,
    -- The event, as JSON.
    input TEXT NOT NULL,
    state_before BLOB NOT NULL,
    -- The outcome or the fault, and the fuel, as JSON.
    result TEXT NOT NULL
);
CREATE INDEX notification_decisions_by_alarm ON notification_decisions (alarm_id, id);

-- What somebody is to be told, over one channel. A channel takes it from here.
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    device_id INTEGER NOT NULL REFERENCES devices (id),
    -- None when it is about a valve that no alarm closed.
    alarm_id INTEGER REFERENCES alarms (id),
    -- What it is about: 'raised', 'escalated', 'acknowledged', 'gone', 'closed', 'again', 'valve-closed' or 'valve-armed'.
    about TEXT NOT NULL,
    -- Who wants it: 'policy', 'default-list' or 'duty'.
    wanted_by TEXT NOT NULL,
    -- The policy's own number for it; 0 when it is the platform's.
    send_id INTEGER NOT NULL,
    role INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    user_id INTEGER NOT NULL REFERENCES users (id),
    channel INTEGER NOT NULL,
    -- The policy's text to add to the platform's wording; none when it gave none.
    text_zh TEXT,
    text_en TEXT,
    break_quiet INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    -- 'waiting', 'sent' or 'failed'.
    state TEXT NOT NULL,
    -- How often delivering it has failed, and when to try again.
    failures INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL,
    done_at INTEGER
);
CREATE INDEX messages_waiting ON messages (next_attempt_at, id) WHERE state = 'waiting';
CREATE INDEX messages_by_alarm ON messages (alarm_id, id);
CREATE INDEX messages_by_device ON messages (device_id, id);

-- A difference between notification policies says which alarm, and whom over what. Kind 3 is a message, 4 the first person reached.
ALTER TABLE rule_differences ADD COLUMN alarm_id INTEGER;
ALTER TABLE rule_differences ADD COLUMN role INTEGER;
ALTER TABLE rule_differences ADD COLUMN channel INTEGER;

-- The notices of a company that wait, in their order.
CREATE INDEX outbox_to_tell ON outbox (tenant_id, id) WHERE sent_at IS NULL;
-- Nobody is told today what was over long ago.
UPDATE outbox SET sent_at = created_at
    WHERE sent_at IS NULL AND NOT EXISTS (SELECT 1 FROM alarms a WHERE a.id = outbox.alarm_id AND a.state <> 0);
