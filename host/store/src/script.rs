//! Several statements as one message to the database, so that a commit costs few round trips however much it changes.
//!
//! SQLite runs them one after the other. PostgreSQL runs them as the parts of one `WITH`: all of them see the state before, so
//! no part may depend on what another one writes. References between tables are checked at the end and may cross parts.

use crate::connection::{EngineKind, On, OnConnection, OnPool};
use crate::engine::{Bulk, Column, to_json};
use crate::error::StoreError;
use crate::segment::SegmentWriter;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, AssertSqlSafe};
use std::fmt::Write as _;

/// Up to so many segments go into the journal as plain values, their bytes as they are. Above, the bulk statement is cheaper.
const MOST_AT_ONCE: usize = 4;

/// Statements with their arguments, in order.
pub(crate) struct Script {
    sql: String,
    parts: usize,
    arguments: Bound,
}

enum Bound {
    Sqlite(SqliteArguments),
    Postgres(PgArguments),
}

impl Script {
    pub(crate) fn new(kind: EngineKind) -> Self {
        let arguments = match kind {
            EngineKind::Sqlite => Bound::Sqlite(SqliteArguments::default()),
            EngineKind::Postgres => Bound::Postgres(PgArguments::default()),
        };
        Self { sql: String::new(), parts: 0, arguments }
    }

    /// Adds a bulk statement; no columns' rows, no statement.
    pub(crate) fn add(&mut self, bulk: &Bulk, columns: &[Column<'_>]) -> Result<(), StoreError> {
        if columns.first().is_none_or(|column| column.len() == 0) {
            return Ok(());
        }
        let bound = self.bound();
        match &mut self.arguments {
            Bound::Sqlite(arguments) => {
                arguments.add(to_json(columns)).map_err(sqlx::Error::Encode)?;
                self.sql.push_str(if self.parts == 0 { "" } else { "; " });
                renumber(bulk.sqlite, bound, &mut self.sql);
            }
            Bound::Postgres(arguments) => {
                for column in columns {
                    column.bind(arguments).map_err(sqlx::Error::Encode)?;
                }
                let _ = write!(self.sql, "{} s{} AS (", if self.parts == 0 { "WITH" } else { "," }, self.parts);
                renumber(bulk.postgres, bound, &mut self.sql);
                self.sql.push(')');
            }
        }
        self.parts += 1;
        Ok(())
    }

    /// Ends the script with the rows of the journal and runs it; returns the highest number that they got, 0 for no rows.
    pub(crate) async fn run(mut self, on: Runner<'_>, journal: Vec<SegmentWriter>) -> Result<i64, StoreError> {
        if journal.is_empty() && self.parts == 0 {
            return Ok(0);
        }
        if matches!(self.arguments, Bound::Sqlite(_)) && self.parts > 0 && !journal.is_empty() {
            self.sql.push(';');
        }
        self.sql.push(' ');
        if journal.is_empty() {
            if matches!(self.arguments, Bound::Postgres(_)) {
                self.sql.push_str("SELECT CAST(0 AS BIGINT)");
            }
        } else if journal.len() <= MOST_AT_ONCE {
            self.insert_values(journal)?;
        } else {
            self.insert_bulk(journal)?;
        }
        let rows: Vec<(i64,)> = match (self.arguments, on) {
            (Bound::Sqlite(arguments), Runner::Pool(On::Sqlite(on))) => {
                sqlx::query_as_with(AssertSqlSafe(self.sql), arguments).fetch_all(on).await?
            }
            (Bound::Sqlite(arguments), Runner::Connection(On::Sqlite(on))) => {
                sqlx::query_as_with(AssertSqlSafe(self.sql), arguments).fetch_all(on).await?
            }
            (Bound::Postgres(arguments), Runner::Pool(On::Postgres(on))) => {
                sqlx::query_as_with(AssertSqlSafe(self.sql), arguments).fetch_all(on).await?
            }
            (Bound::Postgres(arguments), Runner::Connection(On::Postgres(on))) => {
                sqlx::query_as_with(AssertSqlSafe(self.sql), arguments).fetch_all(on).await?
            }
            (Bound::Sqlite(_) | Bound::Postgres(_), _) => {
                return Err(sqlx::Error::Protocol("a script runs on the engine that it was made for".into()).into());
            }
        };
        Ok(rows.into_iter().map(|(seq,)| seq).max().unwrap_or(0))
    }

    fn insert_values(&mut self, journal: Vec<SegmentWriter>) -> Result<(), StoreError> {
        self.sql.push_str("INSERT INTO journal (tenant_id, last_received_at, uplinks, body) VALUES ");
        for (index, segment) in journal.into_iter().enumerate() {
            let n = self.bound();
            let comma = if index == 0 { "" } else { ", " };
            let _ = write!(self.sql, "{comma}(${}, ${}, ${}, ${})", n + 1, n + 2, n + 3, n + 4);
            let numbers = [segment.tenant.raw(), segment.last_received_at, segment.rows];
            let body = segment.into_body();
            match &mut self.arguments {
                Bound::Sqlite(arguments) => {
                    numbers.into_iter().try_for_each(|number| arguments.add(number)).and_then(|()| arguments.add(body))
                }
                Bound::Postgres(arguments) => {
                    numbers.into_iter().try_for_each(|number| arguments.add(number)).and_then(|()| arguments.add(body))
                }
            }
            .map_err(sqlx::Error::Encode)?;
        }
        self.sql.push_str(" RETURNING seq");
        Ok(())
    }

    fn insert_bulk(&mut self, journal: Vec<SegmentWriter>) -> Result<(), StoreError> {
        let tenants: Vec<i64> = journal.iter().map(|segment| segment.tenant.raw()).collect();
        let times: Vec<i64> = journal.iter().map(|segment| segment.last_received_at).collect();
        let rows: Vec<i64> = journal.iter().map(|segment| segment.rows).collect();
        let bodies: Vec<Vec<u8>> = journal.into_iter().map(SegmentWriter::into_body).collect();
        let columns = [Column::Int(&tenants), Column::Int(&times), Column::Int(&rows), Column::Bytes(&bodies)];
        let bulk = &crate::engine::INSERT_JOURNAL;
        let bound = self.bound();
        match &mut self.arguments {
            Bound::Sqlite(arguments) => {
                arguments.add(to_json(&columns)).map_err(sqlx::Error::Encode)?;
                renumber(bulk.sqlite, bound, &mut self.sql);
            }
            Bound::Postgres(arguments) => {
                for column in &columns {
                    column.bind(arguments).map_err(sqlx::Error::Encode)?;
                }
                if self.parts == 0 {
                    renumber(bulk.postgres, bound, &mut self.sql);
                } else {
                    // The list of parts is open already: this one's rows are one more of them.
                    self.sql.push_str(", journal_rows AS (");
                    renumber(bulk.postgres, bound, &mut self.sql);
                    self.sql.push_str(") SELECT seq FROM journal_rows");
                }
            }
        }
        Ok(())
    }

    fn bound(&self) -> usize {
        match &self.arguments {
            Bound::Sqlite(arguments) => arguments.len(),
            Bound::Postgres(arguments) => arguments.len(),
        }
    }
}

/// Where a script runs: by itself, or within a transaction.
pub(crate) enum Runner<'a> {
    Pool(OnPool<'a>),
    Connection(OnConnection<'a>),
}

/// Appends a statement with its parameters counted on from `bound`.
fn renumber(statement: &str, bound: usize, out: &mut String) {
    let mut pieces = statement.split('$');
    out.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = piece.split_at(digits);
        let _ = write!(out, "${}", number.parse::<usize>().unwrap_or(0) + bound);
        out.push_str(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_counted_on() {
        let mut out = String::new();
        renumber("ROWS($1 :: A, $12 :: B) AS u", 5, &mut out);
        assert_eq!(out, "ROWS($6 :: A, $17 :: B) AS u");
    }
}
