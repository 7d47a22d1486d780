-- What the planner should believe about tables that have grown: fixed figures of a large city. Without them it reads every
-- alarm there ever was to list the few that are active. Nobody runs ANALYZE afterwards: plans do not change under load.

ANALYZE sqlite_schema;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('devices', 'devices_by_tenant', '100000 20000 1'),
    ('devices', 'devices_by_interlock', '100000 4'),
    ('devices', 'devices_by_premises', '100000 4'),
    ('devices', 'devices_by_division', '100000 2000'),
    ('devices', 'devices_by_parent', '50000 200'),
    ('premises', 'premises_by_tenant', '30000 6000 1'),
    ('premises', 'premises_by_division', '30000 600'),
    ('alarms', 'alarms_one_active', '200 2 1'),
    ('alarms', 'alarms_active', '200 40 1'),
    ('alarms', 'alarms_by_tenant', '1000000 200000 1'),
    ('alarms', 'alarms_by_device', '1000000 10 1'),
    ('commands', 'commands_open', '200 40 1'),
    ('commands', 'commands_by_device', '1000000 10 1'),
    ('outbox', 'outbox_waiting', '200 2 1'),
    ('outbox', 'outbox_by_tenant', '1000000 200000 1'),
    ('outbox', 'outbox_by_device', '1000000 10 1');

-- The waiting notices of a tenant; creating it also makes open connections read the figures above.
CREATE INDEX outbox_waiting_by_tenant ON outbox (tenant_id, id) WHERE sent_at IS NULL;

-- The children of a gateway.
CREATE INDEX devices_by_parent ON devices (parent_id) WHERE parent_id IS NOT NULL;
