//! A company's rows, all of one moment, in an order in which they can be entered again.

use super::RowSink;
use super::catalog::{Belongs, Catalog, Column, Kind, Secrecy, Table};
use super::row::{Cell, write_hexadecimal, written};
use crate::connection::{On, Store, Tx, fetch_all};
use crate::error::StoreError;
use davy_domain::TenantId;
use davy_domain::ledger::{Chain, Head};
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::AssertSqlSafe;
use std::collections::BTreeSet;

/// The name under which people of elsewhere who took part are exported: a regulator who judged an alarm, as a number.
pub const ELSEWHERE: &str = "people-elsewhere";
/// Divisions are nobody's; the company's rows refer to them.
pub(super) const DIVISIONS: &str = "divisions";

/// What was exported of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpedTable {
    /// The table.
    pub table: String,
    /// How many rows.
    pub rows: u64,
    /// SHA-256 of the rows' JSON texts, a line feed behind each, in hexadecimal.
    pub sha256: String,
    /// Columns that were left out because they are secret.
    pub withheld: Vec<String>,
}

/// What was exported of a company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpedCompany {
    /// Table by table, in their order.
    pub tables: Vec<DumpedTable>,
    /// Tables that hold nothing but what proves who somebody is, or what is sealed: left out whole.
    pub withheld: Vec<String>,
    /// Where the company's chain of the ledger ended.
    pub head: Head,
}

/// What is summed up of a table's rows.
pub(super) struct Sum {
    table: String,
    rows: u64,
    hash: Sha256,
}

impl Sum {
    pub(super) fn of(table: &str) -> Self {
        Self { table: table.to_owned(), rows: 0, hash: Sha256::new() }
    }

    pub(super) fn add(&mut self, row: &str) {
        self.rows += 1;
        self.hash.update(row.as_bytes());
        self.hash.update(b"\n");
    }

    pub(super) fn done(self, withheld: Vec<String>) -> DumpedTable {
        let mut sha256 = String::new();
        write_hexadecimal(&self.hash.finalize(), &mut sha256);
        DumpedTable { table: self.table, rows: self.rows, sha256, withheld }
    }
}

impl Store {
    /// Puts every row of a company into the sink. `sealed` takes along what is sealed under a key-encryption key, as it is: of use only to
    /// whoever has that key. What proves who somebody is never goes along.
    ///
    /// # Errors
    /// [`StoreError`]; of a sink that fails, [`StoreError::Archive`].
    pub async fn dump_company(
        &self,
        tenant: TenantId,
        sealed: bool,
        sink: &mut RowSink<'_>,
    ) -> Result<DumpedCompany, StoreError> {
        let mut tx = self.snapshot().await?;
        let catalog = Catalog::read(&mut tx).await?;
        let mut tables = Vec::new();
        for table in &catalog.tables {
            if table.name == "tenants" {
                // Both before everything that refers to them.
                tables.push(elsewhere(&mut tx, &catalog, tenant, sink).await?);
            }
            if table.name == DIVISIONS {
                let sql =
                    format!("SELECT {} FROM divisions WHERE $1 <> 0 ORDER BY level, code", selected(&table.columns));
                tables.push(dumped(&mut tx, table, sql, tenant, sealed, sink).await?);
            } else if table.is_exported(sealed) {
                tables.push(company_rows(&mut tx, table, tenant, sealed, sink).await?);
            }
        }
        let hidden =
            |table: &&Table| table.belongs != Belongs::Nobody && table.is_erased() && !table.is_exported(sealed);
        let withheld = catalog.tables.iter().filter(hidden).map(|table| table.name.clone()).collect();
        let head = crate::ledger::head_on(tx.on(), Chain::Tenant(tenant)).await?;
        Ok(DumpedCompany { tables, withheld, head })
    }
}

/// The columns as they are selected: whole numbers of every width as one type.
fn selected(columns: &[Column]) -> String {
    let each = |column: &Column| match column.kind {
        Kind::Int => format!("CAST({} AS BIGINT)", column.name),
        Kind::Real | Kind::Text | Kind::Bytes => column.name.clone(),
    };
    columns.iter().map(each).collect::<Vec<_>>().join(", ")
}

/// The company's rows of a table.
pub(super) async fn company_rows(
    tx: &mut Tx,
    table: &Table,
    tenant: TenantId,
    sealed: bool,
    sink: &mut RowSink<'_>,
) -> Result<DumpedTable, StoreError> {
    let (columns, condition, order) = (selected(&table.columns), table.of_company(), table.order());
    let sql = format!("SELECT {columns} FROM {} WHERE {condition} ORDER BY {order}", table.name);
    dumped(tx, table, sql, tenant, sealed, sink).await
}

async fn dumped(
    tx: &mut Tx,
    table: &Table,
    sql: String,
    tenant: TenantId,
    sealed: bool,
    sink: &mut RowSink<'_>,
) -> Result<DumpedTable, StoreError> {
    let shown = |column: &Column| match column.secrecy {
        Secrecy::Open => true,
        Secrecy::Sealed => sealed,
        Secrecy::Proof => false,
    };
    let mut sum = Sum::of(&table.name);
    let mut put = |cells: &[Cell]| {
        let row = written(table.columns.iter().zip(cells).filter(|(column, _)| shown(column)));
        sum.add(&row);
        sink(&table.name, &row).map_err(StoreError::Archive)
    };
    macro_rules! each_row {
        ($on:expr) => {{
            let mut rows = sqlx::query(AssertSqlSafe(sql)).bind(tenant.raw()).fetch($on);
            while let Some(row) = rows.try_next().await? {
                let cells = table.columns.iter().enumerate().map(|(at, column)| Cell::read(&row, at, column.kind));
                put(&cells.collect::<Result<Vec<_>, _>>()?)?;
            }
        }};
    }
    match tx.on() {
        On::Sqlite(on) => each_row!(on),
        On::Postgres(on) => each_row!(on),
    }
    let withheld = table.columns.iter().filter(|column| !shown(column)).map(|column| column.name.clone()).collect();
    Ok(sum.done(withheld))
}

/// People who are not the company's and whom its rows name: as numbers with their scope, so that the rows can be entered again.
async fn elsewhere(
    tx: &mut Tx,
    catalog: &Catalog,
    tenant: TenantId,
    sink: &mut RowSink<'_>,
) -> Result<DumpedTable, StoreError> {
    let mut named = BTreeSet::new();
    for table in catalog.tables.iter().filter(|table| table.is_exported(true)) {
        for (column, _) in table.refers.iter().filter(|(_, to)| to == "users") {
            let sql = format!(
                "SELECT DISTINCT u.id, COALESCE(u.division_code, 0) FROM users u JOIN {} t ON t.{column} = u.id \
                 WHERE t.tenant_id = $1 AND COALESCE(u.tenant_id, 0) <> $1 ORDER BY u.id",
                table.name
            );
            let rows = fetch_all!(tx.on(), (i64, i64), AssertSqlSafe(sql.clone()), tenant.raw())?;
            named.extend(rows);
        }
    }
    let mut sum = Sum::of(ELSEWHERE);
    for (id, division) in named {
        let row = format!("{{\"division_code\":{division},\"id\":{id}}}");
        sum.add(&row);
        sink(ELSEWHERE, &row).map_err(StoreError::Archive)?;
    }
    Ok(sum.done(Vec::new()))
}
