//! The two native pools behind one [`Store`], and the macros through which one SQL text reaches either.
//!
//! SQLite has one writing connection and a pool of readers; PostgreSQL has one pool, and a small one for the group commit. Nothing outside of this module and
//! `engine.rs` knows which engine it speaks to.

use crate::engine;
use crate::error::StoreError;
use davy_domain::TenantId;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Connection, PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// How many numbers of decisions are fetched beyond those that are needed.
const SPARE_NUMBERS: usize = 256;

/// Which engine a store speaks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// The embedded default: one file.
    Sqlite,
    /// For production and for clusters.
    Postgres,
}

impl EngineKind {
    /// Its name as people write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// How to open a database.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Connections for reading on SQLite; all connections on PostgreSQL. At least 2.
    pub connections: u32,
    /// How long to wait for a connection, and on SQLite for another process's lock.
    pub patience: Duration,
    /// After how long PostgreSQL itself breaks off a statement of the group commit. Shorter than anybody waits for it, so that what was
    /// given up is not stored after all, behind what was decided later; SQLite's commits end with `patience`.
    pub commit_limit: Duration,
    /// SQLite's page cache per connection, in KiB.
    pub cache_kib: u32,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            connections: 8,
            patience: Duration::from_secs(10),
            commit_limit: Duration::from_secs(20),
            cache_kib: 32 * 1024,
        }
    }
}

/// Journal, chunks and aggregates. Cheap to clone: clones share the pools.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) pools: Arc<Pools>,
    /// Numbers of decisions that PostgreSQL's sequence has given out and nobody has used yet.
    spare_numbers: Arc<Mutex<Vec<i64>>>,
    /// Where the ledger's chains ended when this process last looked.
    pub(crate) heads: Arc<crate::ledger::Heads>,
}

#[derive(Debug)]
pub(crate) enum Pools {
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
        checkpointer: SqlitePool,
        /// About how many bytes the log has grown by since it was last copied into the database file.
        log: AtomicU64,
    },
    Postgres {
        pool: PgPool,
        /// For the group commit: its statements are broken off by the server.
        commits: PgPool,
    },
}

/// One thing that runs SQL, for either engine: a pool's reference or a transaction's connection.
pub(crate) enum On<S, P> {
    Sqlite(S),
    Postgres(P),
}

pub(crate) type OnPool<'a> = On<&'a SqlitePool, &'a PgPool>;
pub(crate) type OnConnection<'a> = On<&'a mut SqliteConnection, &'a mut PgConnection>;

/// A transaction; dropped without [`Tx::commit`] it leaves nothing behind.
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    pub(crate) fn on(&mut self) -> OnConnection<'_> {
        match self {
            Self::Sqlite(tx) => On::Sqlite(&mut *tx),
            Self::Postgres(tx) => On::Postgres(&mut *tx),
        }
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

/// Every row of a query as `$row`, on either engine.
macro_rules! fetch_all {
    ($on:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $on {
            $crate::connection::On::Sqlite(on) => sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_all(on).await,
            $crate::connection::On::Postgres(on) => sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_all(on).await,
        }
        .map_err($crate::error::StoreError::from)
    };
}

/// The first row of a query as `$row`, if there is one, on either engine.
macro_rules! fetch_optional {
    ($on:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $on {
            $crate::connection::On::Sqlite(on) => sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_optional(on).await,
            $crate::connection::On::Postgres(on) => sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_optional(on).await,
        }
        .map_err($crate::error::StoreError::from)
    };
}

/// The one row of a query as `$row`, on either engine.
macro_rules! fetch_one {
    ($on:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $on {
            $crate::connection::On::Sqlite(on) => sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_one(on).await,
            $crate::connection::On::Postgres(on) => sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_one(on).await,
        }
        .map_err($crate::error::StoreError::from)
    };
}

/// Runs a statement on either engine and returns how many rows it touched.
macro_rules! execute {
    ($on:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $on {
            $crate::connection::On::Sqlite(on) => {
                sqlx::query($sql)$(.bind($bind))*.execute(on).await.map(|done| done.rows_affected())
            }
            $crate::connection::On::Postgres(on) => {
                sqlx::query($sql)$(.bind($bind))*.execute(on).await.map(|done| done.rows_affected())
            }
        }
        .map_err($crate::error::StoreError::from)
    };
}

pub(crate) use {execute, fetch_all, fetch_one, fetch_optional};

impl Store {
    /// Opens `sqlite://PATH` (created when absent) or `postgres://…`, without touching the tables.
    ///
    /// # Errors
    /// [`StoreError::UnknownEngine`] for any other URL, [`StoreError::Connect`] when it cannot be opened.
    pub async fn connect(url: &str, options: &StoreOptions) -> Result<Self, StoreError> {
        let pools = match url.split(':').next().unwrap_or_default() {
            "sqlite" => Self::open_sqlite(url, options)
                .await
                .map_err(|source| StoreError::Connect { engine: EngineKind::Sqlite.name(), source })?,
            "postgres" | "postgresql" => Self::open_postgres(url, options)
                .await
                .map_err(|source| StoreError::Connect { engine: EngineKind::Postgres.name(), source })?,
            other => return Err(StoreError::UnknownEngine { got: other.chars().take(20).collect() }),
        };
        let pools = Arc::new(pools);
        if matches!(*pools, Pools::Sqlite { .. }) {
            tokio::spawn(engine::checkpoint(Arc::downgrade(&pools)));
        }
        Ok(Self { pools, spare_numbers: Arc::default(), heads: Arc::default() })
    }

    async fn open_sqlite(url: &str, options: &StoreOptions) -> Result<Pools, sqlx::Error> {
        let connect = engine::sqlite_options(SqliteConnectOptions::from_str(url)?, options);
        let pool = SqlitePoolOptions::new()
            .acquire_timeout(options.patience)
            .idle_timeout(None)
            .max_lifetime(None)
            // When the disk is full SQLite rolls a transaction back by itself; the ROLLBACK that follows fails, and the connection
            // believes for ever that it is within one. Such a connection is given up, so that writing goes on once there is room.
            .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }));
        // The writer comes first: it creates the file and switches it to the write-ahead log.
        let writer = pool.clone().max_connections(1).min_connections(1).connect_with(connect.clone()).await?;
        let checkpointer = pool.clone().max_connections(1).connect_with(connect.clone()).await?;
        let readers = pool.max_connections(options.connections.max(2)).connect_with(connect.read_only(true)).await?;
        Ok(Pools::Sqlite { writer, readers, checkpointer, log: AtomicU64::new(0) })
    }

    async fn open_postgres(url: &str, options: &StoreOptions) -> Result<Pools, sqlx::Error> {
        let connect = engine::postgres_options(PgConnectOptions::from_str(url)?);
        let limit = options.commit_limit.as_millis().to_string();
        // A dead connection shows itself at the first statement; asking before each one would double the round trips.
        let pool = || PgPoolOptions::new().acquire_timeout(options.patience).test_before_acquire(false);
        let commits =
            pool().max_connections(2).connect_lazy_with(connect.clone().options([("statement_timeout", limit)]));
        let pool = pool().max_connections(options.connections.max(2)).connect_with(connect).await?;
        Ok(Pools::Postgres { pool, commits })
    }

    /// Brings the tables to this version. Safe to call at every start.
    ///
    /// # Errors
    /// [`StoreError::Migrate`] when a migration fails or the database was written by a newer version.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        match &*self.pools {
            Pools::Sqlite { writer, .. } => engine::SQLITE_MIGRATIONS.run(writer).await?,
            Pools::Postgres { pool, .. } => engine::POSTGRES_MIGRATIONS.run(pool).await?,
        }
        self.begin_ledger().await
    }

    /// Which engine this is.
    pub fn kind(&self) -> EngineKind {
        match &*self.pools {
            Pools::Sqlite { .. } => EngineKind::Sqlite,
            Pools::Postgres { .. } => EngineKind::Postgres,
        }
    }

    /// Asks the database for an answer: for readiness checks.
    pub async fn ping(&self) -> Result<(), StoreError> {
        fetch_one!(self.writer(), (i64,), "SELECT CAST(1 AS BIGINT)")?;
        Ok(())
    }

    /// Waits for running statements and closes every connection.
    pub async fn close(&self) {
        match &*self.pools {
            Pools::Sqlite { writer, readers, checkpointer, .. } => {
                checkpointer.close().await;
                readers.close().await;
                writer.close().await;
            }
            Pools::Postgres { pool, commits } => {
                commits.close().await;
                pool.close().await;
            }
        }
    }

    /// The rows of one tenant, and of no other.
    pub fn tenant(&self, tenant: TenantId) -> crate::TenantStore {
        crate::TenantStore::new(self.clone(), tenant)
    }

    /// What a regulator may see: every tenant's devices within a division and below.
    pub fn regulator(&self, division: crate::DivisionCode) -> crate::RegulatorStore {
        crate::RegulatorStore::new(self.clone(), division)
    }

    pub(crate) fn reader(&self) -> OnPool<'_> {
        match &*self.pools {
            Pools::Sqlite { readers, .. } => On::Sqlite(readers),
            Pools::Postgres { pool, .. } => On::Postgres(pool),
        }
    }

    pub(crate) fn writer(&self) -> OnPool<'_> {
        match &*self.pools {
            Pools::Sqlite { writer, .. } => On::Sqlite(writer),
            Pools::Postgres { pool, .. } => On::Postgres(pool),
        }
    }

    /// Where the group commit runs.
    pub(crate) fn committing(&self) -> OnPool<'_> {
        match &*self.pools {
            Pools::Sqlite { writer, .. } => On::Sqlite(writer),
            Pools::Postgres { commits, .. } => On::Postgres(commits),
        }
    }

    /// Tells the checkpointer of SQLite what has been written, about.
    pub(crate) fn log_grew(&self, bytes: usize) {
        if let Pools::Sqlite { log, .. } = &*self.pools {
            log.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// A writing transaction.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(match &*self.pools {
            Pools::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with(engine::SQLITE_BEGIN_WRITE).await?),
            Pools::Postgres { pool, .. } => Tx::Postgres(pool.begin().await?),
        })
    }

    /// The transaction of a group commit.
    pub(crate) async fn begin_commit(&self) -> Result<Tx, StoreError> {
        Ok(match self.committing() {
            On::Sqlite(writer) => Tx::Sqlite(writer.begin_with(engine::SQLITE_BEGIN_WRITE).await?),
            On::Postgres(commits) => Tx::Postgres(commits.begin().await?),
        })
    }

    /// Numbers for new decisions, of PostgreSQL's sequence: it is asked for many at once, so that a commit need not wait for it.
    pub(crate) async fn decision_numbers(&self, count: usize) -> Result<Vec<i64>, StoreError> {
        let mut spare = self.spare_numbers.lock().await;
        if spare.len() < count {
            let mut tx = self.begin().await?;
            let fresh = engine::next_decisions(tx.on(), count + SPARE_NUMBERS).await?;
            tx.commit().await?;
            spare.extend(fresh);
        }
        // The lowest first: a later decision about a device has a higher number, and is read after it.
        Ok(spare.drain(..count).collect())
    }

    /// A reading transaction in which every statement sees the same state.
    pub(crate) async fn snapshot(&self) -> Result<Tx, StoreError> {
        Ok(match &*self.pools {
            Pools::Sqlite { readers, .. } => Tx::Sqlite(readers.begin().await?),
            Pools::Postgres { pool, .. } => Tx::Postgres(pool.begin_with(engine::POSTGRES_BEGIN_SNAPSHOT).await?),
        })
    }
}
