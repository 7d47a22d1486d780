-- What the devices said: the append-only journal, the compressed chunks it is compacted into, and the memory after the chunks.

-- One row is one tenant's share of one group commit: its uplinks, packed in order of arrival. Rows are only ever appended,
-- and deleted when compaction has carried all of their content into chunks and snapshots in the same transaction.
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id INTEGER NOT NULL,
    last_received_at INTEGER NOT NULL,
    uplinks INTEGER NOT NULL,
    body BLOB NOT NULL
);

-- A device's uplinks in order of arrival, column by column. Levels grow as small chunks are merged into larger ones.
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id INTEGER NOT NULL,
    device_id INTEGER NOT NULL,
    level INTEGER NOT NULL,
    -- The journal rows it came from, first and last.
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    -- Earliest and latest time of measurement; of arrival when there is no reading.
    from_at INTEGER NOT NULL,
    to_at INTEGER NOT NULL,
    uplinks INTEGER NOT NULL,
    readings INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX chunks_by_device ON chunks (device_id, first_seq);
CREATE INDEX chunks_by_level ON chunks (level, device_id);

-- What a device's uplinks amount to, up to and including the last compacted journal row.
CREATE TABLE device_snapshots (
    device_id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    body BLOB NOT NULL
);
