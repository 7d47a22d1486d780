//! Appending for the ceiling: the same two drivers as the product's, one row for a group, one transaction for a row.

use crate::lean::Append;
use anyhow::{Context, Result};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use std::str::FromStr;
use tokio::runtime::Runtime;

enum Open {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// One connection with a runtime of its own.
pub struct Ledger {
    runtime: Runtime,
    open: Open,
}

impl Ledger {
    /// Connects to `sqlite:PATH` or `postgres://…` and makes the table.
    pub fn connect(url: &str) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
        let open = runtime.block_on(async {
            Ok::<_, anyhow::Error>(if url.starts_with("sqlite:") {
                let options = SqliteConnectOptions::from_str(url)?
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .busy_timeout(std::time::Duration::from_secs(10));
                let mut connection = options.connect().await?;
                sqlx::query("CREATE TABLE IF NOT EXISTS ceiling (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)")
                    .execute(&mut connection)
                    .await?;
                Open::Sqlite(connection)
            } else {
                let mut connection = PgConnection::connect(url).await?;
                sqlx::query(
                    "CREATE TABLE IF NOT EXISTS ceiling (seq BIGINT GENERATED ALWAYS AS IDENTITY, body BYTEA NOT NULL)",
                )
                .execute(&mut connection)
                .await?;
                Open::Postgres(connection)
            })
        });
        Ok(Self { open: open.with_context(|| format!("cannot open the ceiling's table in {url}"))?, runtime })
    }
}

impl Append for Ledger {
    fn append(&mut self, body: &[u8]) -> Result<()> {
        const SQL: &str = "INSERT INTO ceiling (body) VALUES ($1)";
        self.runtime
            .block_on(async {
                match &mut self.open {
                    Open::Sqlite(connection) => {
                        sqlx::query(SQL).bind(body).execute(connection).await.map(|done| done.rows_affected())
                    }
                    Open::Postgres(connection) => {
                        sqlx::query(SQL).bind(body).execute(connection).await.map(|done| done.rows_affected())
                    }
                }
            })
            .context("cannot append")?;
        Ok(())
    }
}
