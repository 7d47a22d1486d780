-- What the platform decided: alarms, commands, timers, notices and the decisions behind them. All of it is written in the
-- transaction that appends the uplinks it follows from.

CREATE TABLE alarms (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    interlock_id INTEGER NOT NULL,
    device_id INTEGER NOT NULL REFERENCES devices (id),
    condition INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    origin INTEGER NOT NULL,
    -- 0 is normal: the occurrence is over.
    state INTEGER NOT NULL,
    -- Bits: who holds now that the condition is there.
    asserted INTEGER NOT NULL,
    shelved_until INTEGER,
    raised_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
);
-- The invariant: one active alarm per device and condition.
CREATE UNIQUE INDEX alarms_one_active ON alarms (device_id, condition) WHERE state <> 0;
CREATE INDEX alarms_active ON alarms (tenant_id, id) WHERE state <> 0;
CREATE INDEX alarms_by_tenant ON alarms (tenant_id, id);
CREATE INDEX alarms_by_device ON alarms (device_id, id);

-- Every transition of every alarm; rows are only ever appended.
CREATE TABLE alarm_log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id INTEGER NOT NULL,
    alarm_id INTEGER NOT NULL REFERENCES alarms (id),
    at INTEGER NOT NULL,
    state_before INTEGER NOT NULL,
    state_after INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    -- What happened, as JSON, with the person when there is one.
    event TEXT NOT NULL
);
CREATE INDEX alarm_log_by_alarm ON alarm_log (alarm_id, seq);

CREATE TABLE commands (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    interlock_id INTEGER NOT NULL,
    device_id INTEGER NOT NULL REFERENCES devices (id),
    action INTEGER NOT NULL,
    -- Why, as JSON: the alarm or the person.
    cause TEXT NOT NULL,
    -- 1 to 6 are on the way, 7 and above are ends.
    state INTEGER NOT NULL,
    counter INTEGER NOT NULL,
    requested_at INTEGER NOT NULL,
    sent_at INTEGER,
    actuated_at INTEGER,
    changed_at INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    UNIQUE (device_id, counter)
);
CREATE INDEX commands_open ON commands (tenant_id, id) WHERE state <= 6;
CREATE INDEX commands_by_device ON commands (device_id, id);

-- Every transition of every command; rows are only ever appended.
CREATE TABLE command_log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id INTEGER NOT NULL,
    command_id INTEGER NOT NULL REFERENCES commands (id),
    at INTEGER NOT NULL,
    -- None when the command was born.
    state_before INTEGER,
    state_after INTEGER NOT NULL
);
CREATE INDEX command_log_by_command ON command_log (command_id, seq);

-- Timers of the tenants' rules: they survive a restart.
CREATE TABLE timers (
    device_id INTEGER NOT NULL REFERENCES devices (id),
    -- The rule's own number for it.
    name INTEGER NOT NULL,
    tenant_id INTEGER NOT NULL,
    interlock_id INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    PRIMARY KEY (device_id, name)
);

-- Notices that wait to be sent.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    device_id INTEGER NOT NULL,
    alarm_id INTEGER,
    command_id INTEGER,
    -- The notice as the fold wrote it, as JSON.
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL,
    -- None while it waits.
    sent_at INTEGER
);
CREATE INDEX outbox_waiting ON outbox (next_attempt_at, id) WHERE sent_at IS NULL;
CREATE INDEX outbox_by_tenant ON outbox (tenant_id, id);
CREATE INDEX outbox_by_device ON outbox (device_id, id);

-- Why something happened: what the rule was asked, its memory before, what it answered and what the floor found. Enough to
-- execute it again; rows are only ever appended.
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    device_id INTEGER NOT NULL,
    at INTEGER NOT NULL,
    -- None when the statutory floor alone decided.
    rule_digest BLOB,
    settings_version INTEGER,
    -- The event, as JSON.
    input TEXT NOT NULL,
    state_before BLOB NOT NULL,
    -- The rule's outcome or fault and its fuel, the floor's findings, and the commands that changed, as JSON.
    result TEXT NOT NULL
);
CREATE INDEX decisions_by_device ON decisions (device_id, id);

-- Which decisions moved which alarm.
CREATE TABLE decision_alarms (
    alarm_id INTEGER NOT NULL REFERENCES alarms (id),
    decision_id INTEGER NOT NULL REFERENCES decisions (id),
    tenant_id INTEGER NOT NULL,
    PRIMARY KEY (alarm_id, decision_id)
);
