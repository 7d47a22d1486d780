//! A database of a test's own, on either engine.

use anyhow::{Context, Result, bail};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, Row};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file in the test's folder.
    Sqlite,
    /// A new database on the server of `DAVY_TEST_POSTGRES_URL`.
    Postgres,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Makes a database and returns its URL; none for PostgreSQL when no server was given, which is said on standard error.
///
/// # Errors
/// When the server was given and does not make a database, or when `DAVY_TEST_REQUIRE_POSTGRES` is set and none was given.
pub fn create(engine: Engine, folder: &Path) -> Result<Option<String>> {
    match engine {
        Engine::Sqlite => Ok(Some(format!("sqlite:{}", folder.join("davy.db").display()))),
        Engine::Postgres => {
            let Ok(server) = std::env::var("DAVY_TEST_POSTGRES_URL") else {
                if std::env::var_os("DAVY_TEST_REQUIRE_POSTGRES").is_some() {
                    bail!("DAVY_TEST_REQUIRE_POSTGRES asks for PostgreSQL: set DAVY_TEST_POSTGRES_URL too");
                }
                eprintln!("SKIPPED on PostgreSQL: DAVY_TEST_POSTGRES_URL is not set");
                return Ok(None);
            };
            let name = format!("davy_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime
                .block_on(async {
                    let mut connection = PgConnection::connect(&server).await?;
                    // The name is made of digits and letters above.
                    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await
                })
                .with_context(|| format!("cannot make a database on {server}"))?;
            let (server, _) = server.rsplit_once('/').context("DAVY_TEST_POSTGRES_URL names no database")?;
            Ok(Some(format!("{server}/{name}")))
        }
    }
}

/// The database's own word, past the product's code: every column of every row must be a `BIGINT` that is not null.
///
/// # Errors
/// When the database does not answer.
pub fn numbers(url: &str, sql: &str) -> Result<Vec<Vec<i64>>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let read = async {
        // A test's own text, written out where it is used.
        let sql = AssertSqlSafe(sql.to_owned());
        if url.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(url).await?;
            let rows = sqlx::query(sql).fetch_all(&mut connection).await?;
            rows.iter()
                .map(|row| (0..row.len()).map(|at| row.try_get(at)).collect())
                .collect::<Result<_, sqlx::Error>>()
        } else {
            let mut connection = PgConnection::connect(url).await?;
            let rows = sqlx::query(sql).fetch_all(&mut connection).await?;
            rows.iter().map(|row| (0..row.len()).map(|at| row.try_get(at)).collect()).collect()
        }
    };
    runtime.block_on(read).map_err(|error: sqlx::Error| anyhow::anyhow!("{error}: {sql}"))
}
