//! What can go wrong with the store, in words for the person who has to mend it.

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL names no engine that the store speaks.
    #[error(
        "expected a database URL such as `sqlite://data/davy.db` or `postgres://user@host/davy`, got one that starts with `{got}`"
    )]
    UnknownEngine {
        /// The scheme of what came; never the whole URL, which may hold a password.
        got: String,
    },
    /// The database took a statement and did not answer.
    #[error("the database has not answered for {seconds} s; look at its load, its disk and the network")]
    NoAnswer {
        /// How long it was waited for.
        seconds: u64,
    },
    /// The database could not be opened.
    #[error(
        "could not open the {engine} database: {source}; check that it runs, that the path or address is right and that this user may use it"
    )]
    Connect {
        /// Which engine was asked for.
        engine: &'static str,
        /// The engine's word for it.
        source: sqlx::Error,
    },
    /// A migration failed or the database belongs to a newer version.
    #[error("could not bring the database to this version's tables: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A second active alarm for the same device and condition was to be written.
    #[error(
        "expected at most one active alarm per device and condition, got a second one; nothing of the batch was stored"
    )]
    AlarmAlreadyActive,
    /// Something with the same unique key is there already.
    #[error("there is one already: {what}; nothing was stored")]
    Duplicate {
        /// The table and columns, or the name of the key.
        what: String,
    },
    /// A row refers to something that does not exist.
    #[error("a row refers to something that does not exist: {what}; nothing was stored")]
    MissingReference {
        /// The engine's word for it.
        what: String,
    },
    /// Stored bytes or codes that this version cannot read.
    #[error("stored {what} cannot be read: {why}; the database was written by a newer version or is damaged")]
    Corrupt {
        /// Which kind of stored thing, with its key.
        what: String,
        /// What was expected and what came.
        why: String,
    },
    /// A value cannot be stored as asked.
    #[error("{what}: expected {expected}, got {got}")]
    Invalid {
        /// The field.
        what: &'static str,
        /// What it may hold.
        expected: &'static str,
        /// What came.
        got: String,
    },
    /// Somebody else has changed it since it was read.
    #[error("{what} has changed since it was looked at; nothing was stored: look again")]
    Changed {
        /// Its id.
        what: String,
    },
    /// Another process is doing the same maintenance.
    #[error("another process compacts the same journal rows; this run stored nothing and can be repeated")]
    Contended,
    /// Anything else that the database refused or that broke on the way.
    #[error("the database failed: {0}")]
    Database(#[source] sqlx::Error),
}

impl StoreError {
    pub(crate) fn corrupt(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into(), why: why.into() }
    }

    /// Whether the same call may succeed when it is repeated a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Contended | Self::NoAnswer { .. } => true,
            Self::Database(error) | Self::Connect { source: error, .. } => match error {
                sqlx::Error::Io(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
                | sqlx::Error::Tls(_) => true,
                // SQLite: busy and locked, disk full. PostgreSQL: connection, resources, operator, serialization, deadlock.
                sqlx::Error::Database(database) => database.code().is_some_and(|code| {
                    matches!(code.as_ref(), "5" | "6" | "13" | "261" | "517" | "40001" | "40P01")
                        || ["08", "53", "57"].iter().any(|class| code.len() == 5 && code.starts_with(class))
                }),
                _ => false,
            },
            _ => false,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Database(database) = &error {
            if database.is_unique_violation() {
                let what = database.constraint().unwrap_or_else(|| database.message()).to_owned();
                return if what == "alarms_one_active" || what.ends_with("alarms.device_id, alarms.condition") {
                    Self::AlarmAlreadyActive
                } else {
                    Self::Duplicate { what }
                };
            }
            if database.is_foreign_key_violation() {
                return Self::MissingReference { what: database.message().to_owned() };
            }
        }
        Self::Database(error)
    }
}
