//! The one place where the engines' SQL differs: settings of a connection, kinds of transactions, and bulk statements.
//!
//! Everything that SQLite says with `json_each` and PostgreSQL with `UNNEST` is declared here, once per statement, by
//! [`bulk!`]; every other SQL text of this crate is accepted by both.

use crate::connection::{On, OnConnection, Pools, StoreOptions};
use crate::error::StoreError;
use sqlx::error::BoxDynError;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous};
use sqlx::{Arguments, FromRow};
use std::fmt::Write as _;
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub(crate) static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/sqlite");
pub(crate) static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/postgres");

/// Taking the write lock at once: a transaction that reads first and then writes could otherwise fail half-way as busy.
pub(crate) const SQLITE_BEGIN_WRITE: &str = "BEGIN IMMEDIATE";
pub(crate) const POSTGRES_BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

pub(crate) fn sqlite_options(connect: SqliteConnectOptions, options: &StoreOptions) -> SqliteConnectOptions {
    connect
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // In WAL mode only FULL makes a commit wait for the disk.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(options.patience)
        .statement_cache_capacity(256)
        .pragma("cache_size", format!("-{}", options.cache_kib))
        .pragma("mmap_size", "268435456")
        .pragma("temp_store", "memory")
        // At 64 MiB a commit itself copies what is left of the log and lets it begin anew: a file of constant size is
        // overwritten, which the disk confirms faster than growth. Most of it the checkpointer has copied before.
        .pragma("wal_autocheckpoint", "16384")
        .pragma("journal_size_limit", "67108864")
}

/// How often it is looked whether the log has grown enough to be copied into the database file.
const LOOK_AT_LOG: Duration = Duration::from_millis(200);
/// So much growth is copied at once. A copy keeps the disk busy for some milliseconds, and commits wait for it: rarely is better
/// than often, as long as it stays below what makes a commit copy by itself.
const COPY_LOG_AT: u64 = 4 << 20;
/// However little the log has grown, it is copied after so many looks: what is left for the next start to read stays short.
const COPY_LOG_AFTER: u32 = 300;

/// Copies SQLite's log into the database file, beside the commits instead of within them, until the pools are gone.
pub(crate) async fn checkpoint(pools: Weak<Pools>) {
    let mut looks = 0;
    loop {
        tokio::time::sleep(LOOK_AT_LOG).await;
        looks += 1;
        let checkpointer = match pools.upgrade().as_deref() {
            Some(Pools::Sqlite { checkpointer, .. }) if checkpointer.is_closed() => return,
            Some(Pools::Sqlite { checkpointer, log, .. }) => {
                let grown = log.load(Ordering::Relaxed);
                if grown < COPY_LOG_AT && (grown == 0 || looks < COPY_LOG_AFTER) {
                    continue;
                }
                log.store(0, Ordering::Relaxed);
                checkpointer.clone()
            }
            Some(Pools::Postgres { .. }) | None => return,
        };
        looks = 0;
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&checkpointer).await {
            tracing::warn!(%error, "could not copy the log into the database file; trying again");
        }
    }
}

/// Every table's columns: table, column, type, place in the primary key, whether it must be there, whether the database numbers it.
pub(crate) const SQLITE_COLUMNS: &str = "SELECT m.name, c.name, UPPER(c.type), c.pk, c.\"notnull\", 0 FROM sqlite_schema m \
     JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, c.cid";
pub(crate) const POSTGRES_COLUMNS: &str = "SELECT c.relname::TEXT, a.attname::TEXT, UPPER(format_type(a.atttypid, NULL))::TEXT, \
     COALESCE(array_position(k.conkey, a.attnum), 0)::BIGINT, a.attnotnull::INT::BIGINT, (a.attidentity <> '')::INT::BIGINT \
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
     LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p' \
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = current_schema()::regnamespace ORDER BY 1, a.attnum";
/// What refers to what: table, column, the other table.
pub(crate) const SQLITE_REFERENCES: &str = "SELECT m.name, f.\"from\", f.\"table\" FROM sqlite_schema m \
     JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'";
pub(crate) const POSTGRES_REFERENCES: &str = "SELECT c.relname::TEXT, a.attname::TEXT, f.relname::TEXT FROM pg_constraint k \
     JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class f ON f.oid = k.confrelid \
     JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey) \
     WHERE k.contype = 'f' AND k.connamespace = current_schema()::regnamespace";

/// Lets PostgreSQL number on from what is in the table; never back, since numbers of rows that are gone must not come again.
pub(crate) fn number_on(table: &str, column: &str) -> String {
    let sequence = format!("pg_get_serial_sequence('{table}', '{column}')");
    format!(
        "SELECT setval({sequence}, GREATEST((SELECT MAX({column}) FROM {table}), pg_sequence_last_value({sequence}::regclass), 1))"
    )
}

/// Whether SQLite writes over what is deleted. PostgreSQL gives the space of rows back with the next VACUUM.
pub(crate) async fn overwrite_deleted(
    on: On<&sqlx::SqlitePool, &sqlx::PgPool>,
    whether: bool,
) -> Result<(), StoreError> {
    if let On::Sqlite(writer) = on {
        let sql = if whether { "PRAGMA secure_delete = ON" } else { "PRAGMA secure_delete = OFF" };
        sqlx::query(sql).fetch_all(writer).await?;
        if !whether {
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_all(writer).await?;
        }
    }
    Ok(())
}

pub(crate) fn postgres_options(connect: PgConnectOptions) -> PgConnectOptions {
    connect.application_name("davy").statement_cache_capacity(256).options([("synchronous_commit", "on")])
}

/// One column of a bulk statement: as many values as there are rows.
pub(crate) enum Column<'a> {
    Int(&'a [i64]),
    MaybeInt(&'a [Option<i64>]),
    Real(&'a [f64]),
    Text(&'a [String]),
    MaybeText(&'a [Option<String>]),
    Bytes(&'a [Vec<u8>]),
    MaybeBytes(&'a [Option<Vec<u8>>]),
}

impl Column<'_> {
    /// Its values as one array.
    pub(crate) fn bind(&self, arguments: &mut PgArguments) -> Result<(), BoxDynError> {
        match self {
            Self::Int(values) => arguments.add(*values),
            Self::MaybeInt(values) => arguments.add(*values),
            Self::Real(values) => arguments.add(*values),
            Self::Text(values) => arguments.add(*values),
            Self::MaybeText(values) => arguments.add(*values),
            Self::Bytes(values) => arguments.add(*values),
            Self::MaybeBytes(values) => arguments.add(*values),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Int(values) => values.len(),
            Self::MaybeInt(values) => values.len(),
            Self::Real(values) => values.len(),
            Self::Text(values) => values.len(),
            Self::MaybeText(values) => values.len(),
            Self::Bytes(values) => values.len(),
            Self::MaybeBytes(values) => values.len(),
        }
    }

    fn write_json(&self, row: usize, out: &mut String) {
        match self {
            Self::Int(values) => write_int(values[row], out),
            Self::MaybeInt(values) => match values[row] {
                Some(value) => write_int(value, out),
                None => out.push_str("null"),
            },
            // The shortest text that reads back to the same bits; a JSON number has no infinity.
            Self::Real(values) => {
                let _ = write!(out, "{:?}", values[row]);
            }
            Self::Text(values) => write_text(&values[row], out),
            Self::MaybeText(values) => match &values[row] {
                Some(value) => write_text(value, out),
                None => out.push_str("null"),
            },
            Self::Bytes(values) => write_hex(&values[row], out),
            Self::MaybeBytes(values) => match &values[row] {
                Some(value) => write_hex(value, out),
                None => out.push_str("null"),
            },
        }
    }
}

fn write_int(value: i64, out: &mut String) {
    let _ = write!(out, "{value}");
}

fn write_text(value: &str, out: &mut String) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn write_hex(value: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(value.len() * 2 + 2);
    out.push('"');
    for byte in value {
        out.push(DIGITS[usize::from(byte >> 4)] as char);
        out.push(DIGITS[usize::from(byte & 15)] as char);
    }
    out.push('"');
}

fn arguments(columns: &[Column<'_>]) -> Result<PgArguments, StoreError> {
    let mut arguments = PgArguments::default();
    for column in columns {
        column.bind(&mut arguments).map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// The rows as one JSON array of arrays.
pub(crate) fn to_json(columns: &[Column<'_>]) -> String {
    let rows = columns.first().map_or(0, Column::len);
    let mut out = String::with_capacity(rows * columns.len() * 12 + 2);
    out.push('[');
    for row in 0..rows {
        out.push(if row == 0 { '[' } else { ',' });
        if row > 0 {
            out.push('[');
        }
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            column.write_json(row, &mut out);
        }
        out.push(']');
    }
    out.push(']');
    out
}

/// One statement over many rows: the same meaning for both engines. The rows are visible to it as `batch`.
pub(crate) struct Bulk {
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

/// Declares a [`Bulk`]: columns of `batch` with their place and type, and the statement that uses them.
macro_rules! bulk {
    ($name:ident, ($($column:ident $place:tt $kind:ident),+ $(,)?), $statement:literal) => {
        pub(crate) const $name: Bulk = Bulk {
            sqlite: concat!(
                "WITH batch AS (SELECT ", bulk!(@list $(bulk!(@sqlite $kind $place $column)),+), " FROM json_each($1)) ", $statement
            ),
            postgres: concat!(
                "WITH batch AS (SELECT * FROM UNNEST(", bulk!(@list $(bulk!(@postgres $kind $place)),+),
                ") AS u (", bulk!(@list $(stringify!($column)),+), ")) ", $statement
            ),
        };
    };
    (@list $first:expr $(, $rest:expr)*) => { concat!($first $(, ", ", $rest)*) };
    (@sqlite bytes $place:tt $column:ident) => { concat!("unhex(value ->> ", $place, ") AS ", stringify!($column)) };
    (@sqlite $kind:ident $place:tt $column:ident) => { concat!("value ->> ", $place, " AS ", stringify!($column)) };
    (@postgres int $place:tt) => { concat!("$", bulk!(@next $place), "::BIGINT[]") };
    (@postgres real $place:tt) => { concat!("$", bulk!(@next $place), "::DOUBLE PRECISION[]") };
    (@postgres text $place:tt) => { concat!("$", bulk!(@next $place), "::TEXT[]") };
    (@postgres bytes $place:tt) => { concat!("$", bulk!(@next $place), "::BYTEA[]") };
    (@next 0) => { 1 }; (@next 1) => { 2 }; (@next 2) => { 3 }; (@next 3) => { 4 }; (@next 4) => { 5 };
    (@next 5) => { 6 }; (@next 6) => { 7 }; (@next 7) => { 8 }; (@next 8) => { 9 }; (@next 9) => { 10 };
    (@next 10) => { 11 }; (@next 11) => { 12 }; (@next 12) => { 13 }; (@next 13) => { 14 }; (@next 14) => { 15 };
    (@next 15) => { 16 }; (@next 16) => { 17 }; (@next 17) => { 18 }; (@next 18) => { 19 }; (@next 19) => { 20 };
}

bulk!(
    INSERT_JOURNAL,
    (tenant_id 0 int, last_received_at 1 int, uplinks 2 int, body 3 bytes),
    "INSERT INTO journal (tenant_id, last_received_at, uplinks, body) \
     SELECT tenant_id, last_received_at, uplinks, body FROM batch RETURNING seq"
);

bulk!(
    INSERT_PREMISES,
    (id 0 int, tenant_id 1 int, division_code 2 int, address 3 text, community 4 text, building 5 text, lon 6 real, lat 7 real),
    "INSERT INTO premises (id, tenant_id, division_code, address, community, building, lon, lat) \
     SELECT id, tenant_id, division_code, address, community, building, lon, lat FROM batch"
);

bulk!(
    INSERT_DEVICES,
    (
        id 0 int, tenant_id 1 int, interlock_id 2 int, premises_id 3 int, division_code 4 int, parent_id 5 int, serial 6 text,
        kind 7 int, model 8 text, installed_at 9 int, report_interval_ms 10 int, sleepy 11 int, lon 12 real, lat 13 real,
        kid 14 bytes, algorithm 15 int, key_ciphertext 16 bytes, key_nonce 17 bytes, key_kek_id 18 text,
    ),
    "INSERT INTO devices (id, tenant_id, interlock_id, premises_id, division_code, parent_id, serial, kind, model, installed_at, \
     report_interval_ms, sleepy, lon, lat, kid, algorithm, key_ciphertext, key_nonce, key_kek_id) \
     SELECT b.id, b.tenant_id, b.interlock_id, b.premises_id, COALESCE(b.division_code, p.division_code), b.parent_id, b.serial, \
     b.kind, b.model, b.installed_at, b.report_interval_ms, b.sleepy, b.lon, b.lat, b.kid, b.algorithm, b.key_ciphertext, \
     b.key_nonce, b.key_kek_id FROM batch b LEFT JOIN premises p ON p.id = b.premises_id"
);

bulk!(
    INSERT_DEVICE_LINKS,
    (source_id 0 int, valve_id 1 int, tenant_id 2 int),
    "INSERT INTO device_links (source_id, valve_id, tenant_id) SELECT source_id, valve_id, tenant_id FROM batch"
);

bulk!(
    INSERT_USERS,
    (
        id 0 int, email 1 text, name 2 text, phone 3 text, password_hash 4 text, locale 5 text, scope 6 text, roles 7 text,
        tenant_id 8 int, division_code 9 int, community_id 10 int, premises_id 11 int,
    ),
    "INSERT INTO users (id, email, name, phone, password_hash, locale, scope, roles, tenant_id, division_code, community_id, premises_id) \
     SELECT id, email, name, phone, password_hash, locale, scope, roles, tenant_id, division_code, community_id, premises_id FROM batch"
);

bulk!(
    LINKS_OF,
    (id 0 int, tenant_id 1 int),
    "SELECT l.source_id, l.valve_id FROM batch b JOIN device_links l ON l.source_id = b.id AND l.tenant_id = b.tenant_id \
     ORDER BY l.source_id, l.valve_id"
);

bulk!(
    LABELS_OF_SERIALS,
    (serial 0 text, tenant_id 1 int),
    "SELECT d.id, d.serial, d.model FROM batch b JOIN devices d ON d.tenant_id = b.tenant_id AND d.serial = b.serial \
     GROUP BY d.id, d.serial, d.model ORDER BY d.id"
);

bulk!(
    UPSERT_ALARMS,
    (
        id 0 int, tenant_id 1 int, interlock_id 2 int, device_id 3 int, condition 4 int, priority 5 int, origin 6 int, state 7 int,
        asserted 8 int, shelved_until 9 int, raised_at 10 int, changed_at 11 int,
    ),
    "INSERT INTO alarms (id, tenant_id, interlock_id, device_id, condition, priority, origin, state, asserted, shelved_until, \
     raised_at, changed_at) SELECT id, tenant_id, interlock_id, device_id, condition, priority, origin, state, asserted, \
     shelved_until, raised_at, changed_at FROM batch WHERE true ON CONFLICT (id) DO UPDATE SET priority = excluded.priority, \
     state = excluded.state, asserted = excluded.asserted, shelved_until = excluded.shelved_until, \
     changed_at = excluded.changed_at"
);

bulk!(
    INSERT_ALARM_LOG,
    (
        tenant_id 0 int, alarm_id 1 int, at 2 int, state_before 3 int, state_after 4 int, priority 5 int, event 6 text,
        ledger_seq 7 int,
    ),
    "INSERT INTO alarm_log (tenant_id, alarm_id, at, state_before, state_after, priority, event, ledger_seq) \
     SELECT tenant_id, alarm_id, at, state_before, state_after, priority, event, ledger_seq FROM batch"
);

bulk!(
    INSERT_LEDGER,
    (
        tenant_id 0 int, seq 1 int, at 2 int, kind 3 int, by_user 4 int, object 5 int, device_id 6 int, body 7 bytes,
        previous 8 bytes, hash 9 bytes,
    ),
    "INSERT INTO ledger (tenant_id, seq, at, kind, by_user, object, device_id, body, previous, hash) \
     SELECT tenant_id, seq, at, kind, by_user, object, device_id, body, previous, hash FROM batch"
);

bulk!(
    UPSERT_COMMANDS,
    (
        id 0 int, tenant_id 1 int, interlock_id 2 int, device_id 3 int, action 4 int, cause 5 text, state 6 int, counter 7 int,
        requested_at 8 int, sent_at 9 int, actuated_at 10 int, changed_at 11 int, deadline 12 int,
    ),
    "INSERT INTO commands (id, tenant_id, interlock_id, device_id, action, cause, state, counter, requested_at, sent_at, \
     actuated_at, changed_at, deadline) SELECT id, tenant_id, interlock_id, device_id, action, cause, state, counter, \
     requested_at, sent_at, actuated_at, changed_at, deadline FROM batch WHERE true ON CONFLICT (id) DO UPDATE SET \
     state = excluded.state, counter = excluded.counter, sent_at = excluded.sent_at, actuated_at = excluded.actuated_at, \
     changed_at = excluded.changed_at, deadline = excluded.deadline"
);

bulk!(
    INSERT_COMMAND_LOG,
    (tenant_id 0 int, command_id 1 int, at 2 int, state_before 3 int, state_after 4 int, ledger_seq 5 int),
    "INSERT INTO command_log (tenant_id, command_id, at, state_before, state_after, ledger_seq) \
     SELECT tenant_id, command_id, at, state_before, state_after, ledger_seq FROM batch"
);

bulk!(
    UPSERT_TIMERS,
    (device_id 0 int, name 1 int, tenant_id 2 int, interlock_id 3 int, due_at 4 int),
    "INSERT INTO timers (device_id, name, tenant_id, interlock_id, due_at) \
     SELECT device_id, name, tenant_id, interlock_id, due_at FROM batch WHERE true \
     ON CONFLICT (device_id, name) DO UPDATE SET due_at = excluded.due_at"
);

bulk!(
    DELETE_TIMERS,
    (device_id 0 int, name 1 int),
    "DELETE FROM timers WHERE (device_id, name) IN (SELECT device_id, name FROM batch)"
);

bulk!(
    INSERT_QUARANTINE,
    (
        id 0 int, tenant_id 1 int, device_id 2 int, received_at 3 int, format 4 int, payload 5 bytes, driver 6 bytes,
        settings_version 7 int, reason 8 text,
    ),
    "INSERT INTO quarantine (id, tenant_id, device_id, received_at, format, payload, driver, settings_version, reason, tries) \
     SELECT id, tenant_id, device_id, received_at, format, payload, driver, settings_version, reason, 1 FROM batch"
);

bulk!(
    READ_QUARANTINE,
    (id 0 int, decoded_at 1 int),
    "UPDATE quarantine SET decoded_at = (SELECT b.decoded_at FROM batch b WHERE b.id = quarantine.id) \
     WHERE decoded_at IS NULL AND id IN (SELECT id FROM batch)"
);

bulk!(
    INSERT_OUTBOX,
    (
        id 0 int, tenant_id 1 int, device_id 2 int, alarm_id 3 int, command_id 4 int, body 5 text, created_at 6 int,
    ),
    "INSERT INTO outbox (id, tenant_id, device_id, alarm_id, command_id, body, created_at, attempts, next_attempt_at) \
     SELECT id, tenant_id, device_id, alarm_id, command_id, body, created_at, 0, created_at FROM batch WHERE true ON CONFLICT (id) DO NOTHING"
);

bulk!(
    INSERT_DECISIONS,
    (
        id 0 int, tenant_id 1 int, device_id 2 int, at 3 int, rule_digest 4 bytes, settings_version 5 int, input 6 text,
        state_before 7 bytes, result 8 text,
    ),
    "INSERT INTO decisions (id, tenant_id, device_id, at, rule_digest, settings_version, input, state_before, result) \
     SELECT id, tenant_id, device_id, at, rule_digest, settings_version, input, state_before, result FROM batch"
);

bulk!(
    INSERT_DECISION_ALARMS,
    (alarm_id 0 int, decision_id 1 int, tenant_id 2 int),
    "INSERT INTO decision_alarms (alarm_id, decision_id, tenant_id) SELECT alarm_id, decision_id, tenant_id FROM batch WHERE true \
     ON CONFLICT (alarm_id, decision_id) DO NOTHING"
);

bulk!(
    INSERT_ALARM_WORDS,
    (alarm_id 0 int, decision_id 1 int, tenant_id 2 int, text_zh 3 text, text_en 4 text, notes 5 text),
    "INSERT INTO alarm_words (alarm_id, decision_id, tenant_id, text_zh, text_en, notes) \
     SELECT alarm_id, decision_id, tenant_id, text_zh, text_en, notes FROM batch WHERE true \
     ON CONFLICT (alarm_id, decision_id) DO NOTHING"
);

bulk!(
    WORDS_OF,
    (id 0 int, tenant_id 1 int),
    "SELECT w.alarm_id, w.text_zh, w.text_en, w.notes FROM batch b \
     JOIN alarm_words w ON w.alarm_id = b.id AND w.tenant_id = b.tenant_id \
     ORDER BY w.alarm_id, w.decision_id"
);

bulk!(
    INSERT_CHUNKS,
    (
        tenant_id 0 int, device_id 1 int, level 2 int, first_seq 3 int, last_seq 4 int, from_at 5 int, to_at 6 int, uplinks 7 int,
        readings 8 int, body 9 bytes,
    ),
    "INSERT INTO chunks (tenant_id, device_id, level, first_seq, last_seq, from_at, to_at, uplinks, readings, body) \
     SELECT tenant_id, device_id, level, first_seq, last_seq, from_at, to_at, uplinks, readings, body FROM batch"
);

bulk!(DELETE_CHUNKS, (id 0 int), "DELETE FROM chunks WHERE id IN (SELECT id FROM batch)");

bulk!(PROMOTE_CHUNKS, (id 0 int), "UPDATE chunks SET level = level + 1 WHERE id IN (SELECT id FROM batch)");

bulk!(
    CHUNKS_OF_LEVEL,
    (device_id 0 int, level 1 int),
    "SELECT c.id, c.tenant_id, c.device_id, c.first_seq, c.last_seq, c.from_at, c.to_at, c.uplinks, c.readings, c.body \
     FROM batch b JOIN chunks c ON c.device_id = b.device_id AND c.level = b.level ORDER BY c.device_id, c.first_seq"
);

bulk!(
    CHUNK_EXTENT,
    (device_id 0 int, tenant_id 1 int, since 2 int, until 3 int),
    "SELECT COALESCE(MIN(c.from_at), 0), COALESCE(MAX(c.to_at), 0), CAST(COALESCE(SUM(c.uplinks), 0) AS BIGINT) \
     FROM batch b JOIN chunks c ON c.device_id = b.device_id AND c.tenant_id = b.tenant_id \
     AND c.to_at >= b.since AND c.from_at < b.until"
);

bulk!(
    CHUNKS_WITHIN,
    (device_id 0 int, tenant_id 1 int, since 2 int, until 3 int),
    "SELECT c.id, c.device_id FROM batch b JOIN chunks c ON c.device_id = b.device_id AND c.tenant_id = b.tenant_id \
     AND c.to_at >= b.since AND c.from_at < b.until ORDER BY c.device_id, c.first_seq"
);

bulk!(
    CHUNK_BODIES,
    (id 0 int, tenant_id 1 int),
    "SELECT c.id, c.body FROM batch b JOIN chunks c ON c.id = b.id AND c.tenant_id = b.tenant_id"
);

bulk!(DELETE_JOURNAL, (seq 0 int), "DELETE FROM journal WHERE seq IN (SELECT seq FROM batch)");

bulk!(
    SNAPSHOTS_OF,
    (device_id 0 int),
    "SELECT s.device_id, s.tenant_id, s.body FROM batch b JOIN device_snapshots s ON s.device_id = b.device_id"
);

bulk!(
    UPSERT_SNAPSHOTS,
    (device_id 0 int, tenant_id 1 int, last_seq 2 int, body 3 bytes),
    "INSERT INTO device_snapshots (device_id, tenant_id, last_seq, body) \
     SELECT device_id, tenant_id, last_seq, body FROM batch WHERE true \
     ON CONFLICT (device_id) DO UPDATE SET last_seq = excluded.last_seq, body = excluded.body"
);

/// Numbers for `count` new decisions, within a transaction that writes: on SQLite it holds the only write lock, so counting
/// on from the highest is safe; on PostgreSQL the sequence gives each committer its own.
pub(crate) async fn next_decisions(on: OnConnection<'_>, count: usize) -> Result<Vec<i64>, StoreError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    Ok(match on {
        On::Sqlite(on) => {
            let sql = "SELECT COALESCE(MAX(id), 0) FROM decisions";
            let (last,) = sqlx::query_as::<_, (i64,)>(sql).fetch_one(on).await?;
            (1..=count as i64).map(|n| last + n).collect()
        }
        On::Postgres(on) => {
            let sql = "SELECT nextval(pg_get_serial_sequence('decisions', 'id')) FROM generate_series(1, $1)";
            let rows = sqlx::query_as::<_, (i64,)>(sql).bind(count as i64).fetch_all(on).await?;
            rows.into_iter().map(|(id,)| id).collect()
        }
    })
}

impl Bulk {
    /// Runs the statement for its effect; no columns' rows, no call.
    pub(crate) async fn execute(&self, on: OnConnection<'_>, columns: &[Column<'_>]) -> Result<u64, StoreError> {
        if columns.first().is_none_or(|column| column.len() == 0) {
            return Ok(0);
        }
        debug_assert!(columns.windows(2).all(|pair| pair[0].len() == pair[1].len()), "columns of one length");
        Ok(match on {
            On::Sqlite(on) => sqlx::query(self.sqlite).bind(to_json(columns)).execute(on).await?.rows_affected(),
            On::Postgres(on) => sqlx::query_with(self.postgres, arguments(columns)?).execute(on).await?.rows_affected(),
        })
    }

    /// Runs the statement and returns its rows.
    pub(crate) async fn fetch<R>(&self, on: OnConnection<'_>, columns: &[Column<'_>]) -> Result<Vec<R>, StoreError>
    where
        R: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        if columns.first().is_none_or(|column| column.len() == 0) {
            return Ok(Vec::new());
        }
        Ok(match on {
            On::Sqlite(on) => sqlx::query_as::<_, R>(self.sqlite).bind(to_json(columns)).fetch_all(on).await?,
            On::Postgres(on) => {
                sqlx::query_as_with::<_, R, _>(self.postgres, arguments(columns)?).fetch_all(on).await?
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::StoreOptions;
    use crate::connection::{Store, execute, fetch_one};
    use crate::error::StoreError;

    async fn fill(store: &Store) -> Result<(), StoreError> {
        let mut tx = store.begin().await?;
        execute!(tx.on(), "INSERT INTO ballast (content) VALUES (zeroblob(1000000))")?;
        tx.commit().await
    }

    #[tokio::test]
    async fn once_a_full_disk_has_room_again_writing_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/davy.db", folder.path().display());
        let store = Store::connect(&url, &StoreOptions::default()).await.unwrap();
        execute!(store.writer(), "CREATE TABLE ballast (content BLOB)").unwrap();
        // What SQLite answers when it may not grow is what it answers when the disk has no room.
        execute!(store.writer(), "PRAGMA max_page_count = 100").unwrap();
        let error = fill(&store).await.unwrap_err();
        assert!(error.to_string().contains("full") || format!("{error:?}").contains("full"), "{error:?}");
        for _ in 0..3 {
            fill(&store).await.unwrap();
        }
        let kept = fetch_one!(store.reader(), (i64,), "SELECT COUNT(*) FROM ballast").unwrap();
        assert_eq!(kept.0, 3);
    }
}
