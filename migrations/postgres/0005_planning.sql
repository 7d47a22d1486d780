-- What the planner should know about tables that have grown: here it counts for itself, early enough that the partial indexes
-- over the few active rows of a long history are found to be short.

ALTER TABLE alarms SET (autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE commands SET (autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE outbox SET (autovacuum_analyze_scale_factor = 0.02);

-- The waiting notices of a tenant.
CREATE INDEX outbox_waiting_by_tenant ON outbox (tenant_id, id) WHERE sent_at IS NULL;

-- The children of a gateway.
CREATE INDEX devices_by_parent ON devices (parent_id) WHERE parent_id IS NOT NULL;
