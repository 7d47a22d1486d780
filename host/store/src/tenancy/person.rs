//! One person: everything that is held of them, by the inventory ([`INVENTORY`]), and the columns that the inventory must account for, by
//! what the database itself says. Must never give out what proves who somebody is.

use super::catalog::{Catalog, Kind};
use crate::connection::{On, Store, fetch_optional};
use crate::error::StoreError;
use crate::personal::held::{Held, INVENTORY, Whose};
use davy_domain::UserId;
use sqlx::AssertSqlSafe;

/// Values of one column that an export holds at most.
const MOST_VALUES: usize = 10_000;

/// A column of the database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredColumn {
    /// Its table.
    pub table: String,
    /// Its name.
    pub column: String,
    /// Whether it holds text, or a place on earth: what somebody may be known by.
    pub tells: bool,
}

/// What is held of a person in one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldValues {
    /// The row of the inventory.
    pub held: &'static Held,
    /// The values; none of what must not leave the platform even to the person.
    pub values: Vec<String>,
}

impl Store {
    /// Every column of every table, as the database has them.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn stored_columns(&self) -> Result<Vec<StoredColumn>, StoreError> {
        let mut tx = self.snapshot().await?;
        let catalog = Catalog::read(&mut tx).await?;
        let mut all = Vec::new();
        for table in catalog.tables {
            for column in table.columns {
                let tells = matches!(column.kind, Kind::Text | Kind::Real);
                all.push(StoredColumn { table: table.name.clone(), column: column.name, tells });
            }
        }
        all.sort();
        Ok(all)
    }

    /// Everything of the inventory that is held of a person, and of the premises that they belong to.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn held_of(&self, person: UserId) -> Result<Vec<HeldValues>, StoreError> {
        let mut tx = self.snapshot().await?;
        let premises =
            fetch_optional!(tx.on(), (Option<i64>,), "SELECT premises_id FROM users WHERE id = $1", person.raw())?
                .and_then(|(premises,)| premises);
        let mut all = Vec::new();
        for held in INVENTORY {
            let (key, column) = match held.whose {
                Whose::Person(column) => (Some(person.raw()), column),
                Whose::Premises(column) => (premises, column),
                // Given out in a form of their own, or not even to the person.
                Whose::Elsewhere | Whose::Proof => (None, ""),
            };
            let mut values = Vec::new();
            if let Some(key) = key {
                let sql = format!(
                    "SELECT CAST({} AS TEXT) FROM {} WHERE {column} = $1 AND {} IS NOT NULL LIMIT {MOST_VALUES}",
                    held.column, held.table, held.column
                );
                let rows: Vec<(String,)> = match tx.on() {
                    On::Sqlite(on) => sqlx::query_as(AssertSqlSafe(sql)).bind(key).fetch_all(on).await?,
                    On::Postgres(on) => sqlx::query_as(AssertSqlSafe(sql)).bind(key).fetch_all(on).await?,
                };
                values.extend(rows.into_iter().map(|(value,)| value));
            }
            all.push(HeldValues { held, values });
        }
        Ok(all)
    }
}
