//! A company's rows entered from an export: all of them or none, and of no other company.

use super::RowSource;
use super::catalog::{Belongs, Catalog, Table};
use super::dump::{DIVISIONS, DumpedTable, ELSEWHERE, Sum};
use super::row::{Cell, WITHHELD, parsed};
use crate::connection::{On, Store, Tx, execute};
use crate::engine;
use crate::error::StoreError;
use davy_domain::ledger::{Act, Actor, Chain, Hash, Head};
use davy_domain::{TenantId, Timestamp};
use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;

/// What was entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredCompany {
    /// The company.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
    /// Table by table, with the digests of what was read.
    pub tables: Vec<DumpedTable>,
    /// Where its chain of the ledger ends.
    pub head: Head,
}

/// The statement that enters a row of a table.
fn statement(table: &Table) -> String {
    let columns: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let places: Vec<String> = (1..=columns.len()).map(|at| format!("${at}")).collect();
    // Divisions are shared: one that is there already keeps its names.
    let shared = if table.name == DIVISIONS { " ON CONFLICT (code) DO NOTHING" } else { "" };
    format!("INSERT INTO {} ({}) VALUES ({}){shared}", table.name, columns.join(", "), places.join(", "))
}

fn refused(what: &str, why: impl Into<String>) -> StoreError {
    StoreError::corrupt(format!("{what} in the archive"), why)
}

impl Store {
    /// Enters a company from an export. `check` is asked about what was read before anything of it counts.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for rows that are not a company's, [`StoreError::Duplicate`] when it, or an address of its people, is here
    /// already; nothing is stored then.
    pub async fn restore_company(
        &self,
        source: &mut RowSource<'_>,
        check: &(dyn Fn(&[DumpedTable]) -> Result<(), String> + Send + Sync),
        at: Timestamp,
        digest: Hash,
    ) -> Result<RestoredCompany, StoreError> {
        let mut tx = self.begin().await?;
        let catalog = Catalog::read(&mut tx).await?;
        let known: BTreeMap<&str, &Table> = catalog
            .tables
            .iter()
            .filter(|table| table.name == DIVISIONS || table.is_exported(true))
            .map(|table| (table.name.as_str(), table))
            .collect();
        let mut company: Option<(TenantId, String)> = None;
        let mut sums: Vec<(String, Sum)> = Vec::new();
        while let Some((name, row)) = source().map_err(StoreError::Archive)? {
            if sums.last().is_none_or(|(last, _)| *last != name) {
                if sums.iter().any(|(before, _)| *before == name) {
                    return Err(refused(&name, "its rows do not stand together"));
                }
                sums.push((name.clone(), Sum::of(&name)));
            }
            if let Some((_, sum)) = sums.last_mut() {
                sum.add(&row);
            }
            if name == ELSEWHERE {
                enter_elsewhere(&mut tx, &row).await?;
                continue;
            }
            let Some(table) = known.get(name.as_str()) else {
                return Err(refused(&name, "there is no such table of a company"));
            };
            let cells = parsed(table, &row)?;
            belongs(table, &cells, &mut company)?;
            insert(&mut tx, statement(table), cells).await?;
        }
        let (tenant, company_name) = company.ok_or_else(|| refused("company", "expected one, got none"))?;
        let tables: Vec<DumpedTable> = sums.into_iter().map(|(_, sum)| sum.done(Vec::new())).collect();
        check(&tables).map_err(|why| refused("contents", why))?;
        if let On::Postgres(on) = tx.on() {
            for table in catalog.tables.iter().filter(|table| table.belongs == Belongs::Named) {
                for column in table.columns.iter().filter(|column| column.numbered) {
                    let sql = engine::number_on(&table.name, &column.name);
                    sqlx::query(AssertSqlSafe(sql)).execute(&mut *on).await?;
                }
            }
        }
        let head = crate::ledger::head_on(tx.on(), Chain::Tenant(tenant)).await?;
        let act = Act::CompanyImported { company: tenant, archive: digest };
        crate::ledger::enter_in(&mut tx, Chain::Platform, at, Actor::CommandLine, &act).await?;
        tx.commit().await?;
        self.heads.forget();
        Ok(RestoredCompany { tenant, name: company_name, tables, head })
    }
}

/// Refuses a row that is not of the one company of the archive.
fn belongs(table: &Table, cells: &[Cell], company: &mut Option<(TenantId, String)>) -> Result<(), StoreError> {
    let cell = |name: &str| table.columns.iter().position(|column| column.name == name).and_then(|at| cells.get(at));
    let number = |name: &str| match cell(name) {
        Some(Cell::Int(Some(number))) => Some(*number),
        _ => None,
    };
    match (&table.belongs, &company) {
        (Belongs::Company, None) => {
            let id = number("id").filter(|id| *id > 0).ok_or_else(|| refused("company", "expected its id"))?;
            let name = match cell("name") {
                Some(Cell::Text(Some(name))) => name.clone(),
                _ => String::new(),
            };
            *company = Some((TenantId::from_raw(id), name));
            Ok(())
        }
        (Belongs::Company, Some(_)) => Err(refused("company", "expected one, got two")),
        (Belongs::Named, Some((tenant, _))) if number("tenant_id") == Some(tenant.raw()) => Ok(()),
        (Belongs::Nobody, _) if table.name == DIVISIONS => Ok(()),
        _ => Err(refused(&table.name, "a row is not the company's")),
    }
}

/// Somebody of elsewhere whom rows name: a number without a name, who cannot sign in.
async fn enter_elsewhere(tx: &mut Tx, row: &str) -> Result<(), StoreError> {
    let row: BTreeMap<String, i64> =
        serde_json::from_str(row).map_err(|error| refused(ELSEWHERE, error.to_string()))?;
    let (Some(&id), division) = (row.get("id"), row.get("division_code").copied().filter(|code| *code != 0)) else {
        return Err(refused(ELSEWHERE, "expected an id"));
    };
    let (scope, roles) =
        if division.is_some() { ("jurisdiction", "regulator") } else { ("platform", "platform-administrator") };
    execute!(
        tx.on(),
        "INSERT INTO users (id, email, name, password_hash, locale, scope, roles, division_code, ended_at) \
         VALUES ($1, $2, $3, $4, 'zh-CN', $5, $6, $7, 0) ON CONFLICT (id) DO NOTHING",
        id,
        format!("{id}@elsewhere.invalid"),
        format!("#{id}"),
        WITHHELD,
        scope,
        roles,
        division,
    )?;
    Ok(())
}

async fn insert(tx: &mut Tx, sql: String, cells: Vec<Cell>) -> Result<(), StoreError> {
    macro_rules! bound {
        ($on:expr) => {{
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for cell in cells {
                query = match cell {
                    Cell::Int(value) => query.bind(value),
                    Cell::Real(value) => query.bind(value),
                    Cell::Text(value) => query.bind(value),
                    Cell::Bytes(value) => query.bind(value),
                };
            }
            query.execute($on).await?;
        }};
    }
    match tx.on() {
        On::Sqlite(on) => bound!(on),
        On::Postgres(on) => bound!(on),
    }
    Ok(())
}
