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
    /// Somebody else has gone on with a chain of the ledger in the meantime.
    #[error("somebody else has appended to the same chain of the ledger; nothing was stored, and it can be repeated")]
    LedgerTaken,
    /// Another process is doing the same maintenance.
    #[error("another process compacts the same journal rows; this run stored nothing and can be repeated")]
    Contended,
    /// The file that a company's rows go into, or come from, broke.
    #[error("the archive could not be read or written: {0}; nothing was stored")]
    Archive(#[source] std::io::Error),
    /// Anything else that the database refused or that broke on the way.
    #[error("the database failed: {0}")]
    Database(#[source] sqlx::Error),
}

/// The key of the ledger's entries.
const LEDGER_PLACE: &str = "ledger_place";

impl StoreError {
    pub(crate) fn corrupt(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into(), why: why.into() }
    }

    /// Whether the same call may succeed when it is repeated later, when the database, its disk or the way to it is well again.
    ///
    /// Only what the database says of the values themselves is final. Whatever is not known to be that counts as a fault of the
    /// database: to repeat a call in vain costs time, to drop what it was to store would cost the record of a leak.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Contended | Self::LedgerTaken | Self::NoAnswer { .. } | Self::Connect { .. } => true,
            Self::Database(error) => !is_about_the_values(error),
            Self::UnknownEngine { .. }
            | Self::Migrate(_)
            | Self::AlarmAlreadyActive
            | Self::Duplicate { .. }
            | Self::MissingReference { .. }
            | Self::Corrupt { .. }
            | Self::Invalid { .. }
            | Self::Archive(_)
            | Self::Changed { .. } => false,
        }
    }
}

/// Whether the values or the statement were refused, and not merely not stored.
fn is_about_the_values(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(database) => database.code().is_some_and(|code| is_final_code(&code)),
        sqlx::Error::Encode(_)
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::TypeNotFound { .. }
        | sqlx::Error::RowNotFound
        | sqlx::Error::InvalidArgument(_) => true,
        _ => false,
    }
}

/// PostgreSQL's codes have five characters, SQLite's are numbers with the primary code in the low byte.
fn is_final_code(code: &str) -> bool {
    // A right that was taken away can be given back; the rest of its class is about the statement.
    const INSUFFICIENT_PRIVILEGE: &str = "42501";
    if code.len() == 5 {
        // Cardinality, data, integrity, what the statement says, a check option, too large for a row or an index, raised by a trigger.
        let classes = ["21", "22", "23", "42", "44", "54", "P0"];
        return code != INSUFFICIENT_PRIVILEGE && classes.iter().any(|class| code.starts_with(class));
    }
    // ERROR (what the statement says), TOOBIG, CONSTRAINT (RAISE of a trigger too), MISMATCH, RANGE.
    code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 1 | 18 | 19 | 20 | 25))
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Database(database) = &error {
            // SQLite's trigger says it with the name that PostgreSQL's key has.
            if database.constraint() == Some(LEDGER_PLACE) || database.message().starts_with(LEDGER_PLACE) {
                return Self::LedgerTaken;
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_said_of_the_values_is_final() {
        let refused = [
            "23505", "23514", "22003", "22P02", "42703", "21000", "54000", "P0001", "1", "18", "19", "275", "1811",
            "20", "25",
        ];
        let repeated = [
            // PostgreSQL: read-only after a failover, I/O, internal, resources, shutting down, deadlock, a right taken away.
            "25006", "58030", "XX000", "53100", "53300", "57P01", "57014", "40001", "40P01", "08006", "0A000", "42501",
            // SQLite: busy, locked, no memory, read-only, I/O in all forms, corrupt, full, cannot open, not a database.
            "5", "517", "6", "7", "8", "1032", "10", "266", "778", "1034", "6922", "11", "13", "14", "26",
        ];
        for code in refused {
            assert!(is_final_code(code), "{code}");
        }
        for code in repeated {
            assert!(!is_final_code(code), "{code}");
        }
        let transient = [sqlx::Error::Protocol("cut off".into()), sqlx::Error::PoolClosed, sqlx::Error::WorkerCrashed];
        assert!(transient.into_iter().all(|error| StoreError::from(error).is_transient()));
        assert!(!StoreError::AlarmAlreadyActive.is_transient());
    }
}
