//! A database of a test's own, on either engine.

use anyhow::{Context, Result};
use sqlx::Connection;
use sqlx::postgres::PgConnection;
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

/// Makes a database and returns its URL; none for PostgreSQL when no server was given.
///
/// # Errors
/// When the server was given and does not make a database.
pub fn create(engine: Engine, folder: &Path) -> Result<Option<String>> {
    match engine {
        Engine::Sqlite => Ok(Some(format!("sqlite:{}", folder.join("davy.db").display()))),
        Engine::Postgres => {
            let Ok(server) = std::env::var("DAVY_TEST_POSTGRES_URL") else { return Ok(None) };
            let name = format!("davy_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime
                .block_on(async {
                    let mut connection = PgConnection::connect(&server).await?;
                    // The name is made of digits and letters above.
                    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await
                })
                .with_context(|| format!("cannot make a database on {server}"))?;
            let (server, _) = server.rsplit_once('/').context("DAVY_TEST_POSTGRES_URL names no database")?;
            Ok(Some(format!("{server}/{name}")))
        }
    }
}
