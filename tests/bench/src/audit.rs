//! The database's own word on what is stored: asked in plain SQL, past the product's code. Only what the journal's rows say is read by
//! the store, because nobody else knows their form: uplinks stand there between outcomes of commands and memories of rules.

use anyhow::{Context, Result};
use davy_domain::Timestamp;
use davy_store::{CompactOptions, RowKind, Store, StoreOptions};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use std::str::FromStr;

/// What is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Uplinks in the journal's tail, counted one by one.
    pub uplinks_in_journal: i64,
    /// Entries in compacted chunks: uplinks and outcomes of devices that speak for themselves.
    pub uplinks_in_chunks: i64,
    /// Both: what is durable.
    pub uplinks: i64,
    /// Readings in compacted chunks.
    pub readings_in_chunks: i64,
    /// Bytes of the chunks' bodies.
    pub bytes_in_chunks: i64,
    /// Leak alarms ever raised (gas or carbon monoxide, low or high).
    pub leak_alarms: i64,
    /// Close commands that ended verified.
    pub closes_verified: i64,
    /// Close commands that a person must look after.
    pub closes_unverified: i64,
}

/// What came of leaks at one premises.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::FromRow)]
pub struct AtPremises {
    /// The premises' id as stored.
    pub premises: i64,
    /// Leak alarms that were active: raised since, or still standing from an earlier leak, which a new one finds latched.
    pub leak_alarms: i64,
    /// Close commands for a leak that ended verified.
    pub closes_verified: i64,
}

/// Leaks and closes by premises: alarms that were active, and commands that were asked for, at or after a time.
const BY_PREMISES: &str = "SELECT d.premises_id AS premises, \
     CAST(COUNT(DISTINCT a.id) AS BIGINT) AS leak_alarms, CAST(COUNT(DISTINCT c.id) AS BIGINT) AS closes_verified \
     FROM devices d \
     LEFT JOIN alarms a ON a.device_id = d.id AND a.condition IN (1, 2, 4, 5) \
     AND (a.changed_at >= $1 OR a.state <> 0) \
     LEFT JOIN commands c ON c.device_id = d.id AND c.action = 1 AND c.state = 7 AND c.requested_at >= $1 \
     WHERE d.premises_id IS NOT NULL GROUP BY d.premises_id \
     HAVING COUNT(a.id) > 0 OR COUNT(c.id) > 0 ORDER BY d.premises_id";

impl AtPremises {
    /// Asks the database at `sqlite:PATH` or `postgres://…`; `since` in milliseconds since 1970.
    pub fn read(url: &str, since: i64) -> Result<Vec<Self>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
        runtime
            .block_on(async {
                if url.starts_with("sqlite:") {
                    let mut connection = sqlite(url).await?;
                    sqlx::query_as(BY_PREMISES).bind(since).fetch_all(&mut connection).await
                } else {
                    let mut connection = PgConnection::connect(url).await?;
                    sqlx::query_as(BY_PREMISES).bind(since).fetch_all(&mut connection).await
                }
            })
            .with_context(|| format!("cannot read what came of leaks in {url}"))
    }
}

async fn sqlite(url: &str) -> Result<SqliteConnection, sqlx::Error> {
    SqliteConnectOptions::from_str(url)?.busy_timeout(std::time::Duration::from_secs(10)).connect().await
}

/// Each figure's query, in the order of [`Stored`]'s fields without the sum. The codes are `Condition`'s, `Action`'s and
/// `CommandState`'s: numbers are what the database holds, and what an auditor with nothing but SQL would see.
const QUERIES: [&str; 6] = [
    "SELECT CAST(COALESCE(SUM(c.uplinks), 0) AS BIGINT) FROM chunks c JOIN devices d ON d.id = c.device_id WHERE d.parent_id IS NULL",
    "SELECT CAST(COALESCE(SUM(readings), 0) AS BIGINT) FROM chunks",
    "SELECT CAST(COALESCE(SUM(LENGTH(body)), 0) AS BIGINT) FROM chunks",
    "SELECT COUNT(*) FROM alarms WHERE condition IN (1, 2, 4, 5)",
    "SELECT COUNT(*) FROM commands WHERE action = 1 AND state = 7",
    "SELECT COUNT(*) FROM commands WHERE action = 1 AND state = 12",
];

impl Stored {
    /// Asks the database at `sqlite:PATH` or `postgres://…`.
    pub fn read(url: &str) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
        let uplinks_in_journal =
            runtime.block_on(journal(url)).with_context(|| format!("cannot read the journal in {url}"))?;
        let figures =
            runtime.block_on(figures(url)).with_context(|| format!("cannot count what is stored in {url}"))?;
        let [uplinks_in_chunks, readings_in_chunks, bytes_in_chunks, leak_alarms, closes_verified, closes_unverified] =
            figures;
        Ok(Self {
            uplinks_in_journal,
            uplinks_in_chunks,
            uplinks: uplinks_in_journal + uplinks_in_chunks,
            readings_in_chunks,
            bytes_in_chunks,
            leak_alarms,
            closes_verified,
            closes_unverified,
        })
    }
}

/// Moves the whole journal at `sqlite:PATH` or `postgres://…` into chunks, as the server does with what is ten minutes old.
pub fn compact(url: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    runtime
        .block_on(async {
            let store = Store::connect(url, &StoreOptions { connections: 2, ..StoreOptions::default() }).await?;
            store.compact(Timestamp::from_millis(i64::MAX), &CompactOptions::default()).await?;
            store.close().await;
            Ok::<_, davy_store::StoreError>(())
        })
        .with_context(|| format!("cannot compact {url}"))
}

async fn journal(url: &str) -> Result<i64> {
    let store = Store::connect(url, &StoreOptions { connections: 2, ..StoreOptions::default() }).await?;
    let mut recovery = store.recover().await?;
    let (mut count, mut after) = (0, None);
    loop {
        let page = recovery.journal(after).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        count += page.iter().filter(|(_, row)| row.kind == RowKind::Uplink).count() as i64;
    }
    drop(recovery);
    store.close().await;
    Ok(count)
}

async fn figures(url: &str) -> Result<[i64; QUERIES.len()]> {
    let mut figures = [0; QUERIES.len()];
    // One transaction: compaction moves uplinks from the one table to the other.
    if url.starts_with("sqlite:") {
        let mut connection = sqlite(url).await?;
        let mut transaction = connection.begin().await?;
        for (figure, sql) in figures.iter_mut().zip(QUERIES) {
            *figure = sqlx::query_scalar(sql).fetch_one(&mut *transaction).await?;
        }
        transaction.rollback().await?;
    } else {
        let mut connection = PgConnection::connect(url).await?;
        let mut transaction = connection.begin().await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut *transaction).await?;
        for (figure, sql) in figures.iter_mut().zip(QUERIES) {
            *figure = sqlx::query_scalar(sql).fetch_one(&mut *transaction).await?;
        }
        transaction.rollback().await?;
    }
    Ok(figures)
}
