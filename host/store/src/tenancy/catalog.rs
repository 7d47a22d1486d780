//! What tables there are, which rows of them are a company's, and what of them never leaves the platform.

use crate::connection::{On, Tx};
use crate::engine;
use crate::error::StoreError;
use std::collections::BTreeMap;

/// Tables that stand for a company's deletion itself: neither exported nor deleted with it.
const OF_THE_DELETION: &str = "tenant_deletions";
/// Signed ends of the company's chain: exported, and kept when it is deleted.
const KEPT: &str = "ledger_checkpoints";

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Real,
    Text,
    Bytes,
}

/// What may become of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secrecy {
    Open,
    /// Sealed under a key-encryption key: taken along only for somebody who has that key.
    Sealed,
    /// Proves who somebody is.
    Proof,
}

#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) required: bool,
    /// Its place in the primary key, from 1; 0 outside.
    key: i64,
    /// The database numbers its rows.
    pub(super) numbered: bool,
    pub(super) secrecy: Secrecy,
}

/// Which rows of a table are a company's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Belongs {
    /// The company itself.
    Company,
    /// Those that name it.
    Named,
    /// Those of its people.
    OfPeople(String),
    /// None: the platform's.
    Nobody,
}

#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    /// By name, so that both engines write a row the same.
    pub(super) columns: Vec<Column>,
    /// Column and the table that it refers to.
    pub(super) refers: Vec<(String, String)>,
    pub(super) belongs: Belongs,
}

/// The tables in an order in which rows can be entered; backwards they can be deleted.
#[derive(Clone, Debug)]
pub(super) struct Catalog {
    pub(super) tables: Vec<Table>,
}

fn secrecy(column: &str) -> Secrecy {
    if ["ciphertext", "nonce", "kek_id"].iter().any(|end| column.ends_with(end)) {
        Secrecy::Sealed
    } else if column.ends_with("_hash") || column.contains("secret") || column.contains("password") {
        Secrecy::Proof
    } else {
        Secrecy::Open
    }
}

fn kind(table: &str, column: &str, kind: &str) -> Result<Kind, StoreError> {
    match kind {
        "INTEGER" | "BIGINT" => Ok(Kind::Int),
        "REAL" | "DOUBLE PRECISION" => Ok(Kind::Real),
        "TEXT" => Ok(Kind::Text),
        "BLOB" | "BYTEA" => Ok(Kind::Bytes),
        other => Err(StoreError::corrupt(
            format!("table {table}"),
            format!("column {column} is `{other}`, which no row has"),
        )),
    }
}

impl Table {
    /// Whether its rows are the company's own history and can be entered elsewhere.
    pub(super) fn is_exported(&self, sealed: bool) -> bool {
        let hidden = |column: &Column| column.required && column.secrecy == Secrecy::Sealed && !sealed;
        matches!(self.belongs, Belongs::Company | Belongs::Named)
            && self.name != OF_THE_DELETION
            && !self.columns.iter().any(hidden)
    }

    /// Whether its rows go with the company.
    pub(super) fn is_erased(&self) -> bool {
        self.belongs != Belongs::Nobody && self.name != OF_THE_DELETION && self.name != KEPT
    }

    /// The condition of the company's rows; its id is `$1`.
    pub(super) fn of_company(&self) -> String {
        match &self.belongs {
            Belongs::Company => "id = $1".to_owned(),
            Belongs::Named => "tenant_id = $1".to_owned(),
            Belongs::OfPeople(column) => format!("{column} IN (SELECT id FROM users WHERE tenant_id = $1)"),
            Belongs::Nobody => "$1 < 0 AND 1 = 0".to_owned(),
        }
    }

    /// An order that is the same on both engines, with what others of the table refer to first.
    pub(super) fn order(&self) -> String {
        let own = self.refers.iter().filter(|(_, to)| *to == self.name);
        let mut keys: Vec<&Column> = self.columns.iter().filter(|column| column.key > 0).collect();
        keys.sort_by_key(|column| column.key);
        let first = own.map(|(column, _)| format!("CASE WHEN {column} IS NULL THEN 0 ELSE 1 END"));
        let order: Vec<String> = first.chain(keys.into_iter().map(|column| column.name.clone())).collect();
        if order.is_empty() { "1".to_owned() } else { order.join(", ") }
    }
}

type ColumnRow = (String, String, String, i64, i64, i64);

impl Catalog {
    pub(super) async fn read(tx: &mut Tx) -> Result<Self, StoreError> {
        let (columns, refers): (Vec<ColumnRow>, Vec<(String, String, String)>) = match tx.on() {
            On::Sqlite(on) => (
                sqlx::query_as(engine::SQLITE_COLUMNS).fetch_all(&mut *on).await?,
                sqlx::query_as(engine::SQLITE_REFERENCES).fetch_all(&mut *on).await?,
            ),
            On::Postgres(on) => (
                sqlx::query_as(engine::POSTGRES_COLUMNS).fetch_all(&mut *on).await?,
                sqlx::query_as(engine::POSTGRES_REFERENCES).fetch_all(&mut *on).await?,
            ),
        };
        let mut tables: BTreeMap<String, Table> = BTreeMap::new();
        for (table, column, declared, key, required, numbered) in columns {
            if table.starts_with("_sqlx") {
                continue;
            }
            let kind = kind(&table, &column, &declared)?;
            let entry = tables.entry(table.clone()).or_insert_with(|| Table {
                name: table,
                columns: Vec::new(),
                refers: Vec::new(),
                belongs: Belongs::Nobody,
            });
            let secrecy = secrecy(&column);
            entry.columns.push(Column {
                name: column,
                kind,
                required: required != 0,
                key,
                numbered: numbered != 0,
                secrecy,
            });
        }
        for (table, column, to) in refers {
            if let Some(table) = tables.get_mut(&table) {
                table.refers.push((column, to));
            }
        }
        for table in tables.values_mut() {
            table.columns.sort_by(|a, b| a.name.cmp(&b.name));
            if table.columns.iter().any(|column| column.name == "tenant_id") {
                // The journal and others that are written often name it without the database's looking after it.
                table.refers.push(("tenant_id".to_owned(), "tenants".to_owned()));
            }
            table.refers.sort();
            table.refers.dedup();
            let person = table.refers.iter().find(|(_, to)| to == "users");
            table.belongs = match (table.name.as_str(), person) {
                ("tenants", _) => Belongs::Company,
                _ if table.columns.iter().any(|column| column.name == "tenant_id") => Belongs::Named,
                (_, Some((column, _))) => Belongs::OfPeople(column.clone()),
                _ => Belongs::Nobody,
            };
        }
        Ok(Self { tables: in_order(tables) })
    }
}

/// What is referred to comes first. Of tables that refer to each other neither could; there are none.
fn in_order(mut left: BTreeMap<String, Table>) -> Vec<Table> {
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let free =
            left.values().find(|table| table.refers.iter().all(|(_, to)| *to == table.name || !left.contains_key(to)));
        let Some(name) = free.or_else(|| left.values().next()).map(|table| table.name.clone()) else { break };
        ordered.extend(left.remove(&name));
    }
    ordered
}
