//! Divisions, gas companies and the places where gas is used.

use crate::connection::{Store, execute, fetch_all, fetch_optional};
use crate::error::StoreError;
use davy_domain::{PremisesId, TenantId};
use serde::{Deserialize, Serialize};

/// The number of an administrative division (行政区划代码, GB/T 2260), such as 330106 for a district.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DivisionCode(pub i64);

/// An administrative division (省/市/区县/街道): a node of the tree of jurisdictions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Division {
    /// Its number.
    pub code: DivisionCode,
    /// The division that it is a part of; none for a root.
    pub parent: Option<DivisionCode>,
    /// 1 province, 2 city, 3 district or county, 4 street.
    pub level: u8,
    /// Its name in Chinese.
    pub name_zh: String,
    /// Its name in English.
    pub name_en: String,
}

/// A gas company (燃气企业).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name.
    pub name: String,
    /// The OSCORE ID Context of its devices (RFC 8613 §5.1): 1 to 8 bytes, unique.
    pub context_id: Vec<u8>,
    /// The division whose regulator supervises it.
    pub jurisdiction: Option<DivisionCode>,
}

/// A place where gas is used (用气场所).
#[derive(Clone, Debug, PartialEq)]
pub struct Premises {
    /// Its id.
    pub id: PremisesId,
    /// The company that supplies it.
    pub tenant: TenantId,
    /// Where it is supervised.
    pub division: Option<DivisionCode>,
    /// Its postal address.
    pub address: String,
    /// The residential community (小区).
    pub community: String,
    /// Building, unit and room.
    pub building: String,
    /// Longitude in degrees, WGS 84.
    pub lon: f64,
    /// Latitude in degrees, WGS 84.
    pub lat: f64,
}

#[derive(sqlx::FromRow)]
pub(crate) struct TenantRow {
    id: i64,
    name: String,
    context_id: Vec<u8>,
    jurisdiction: Option<i64>,
}

impl From<TenantRow> for Tenant {
    fn from(row: TenantRow) -> Self {
        Self {
            id: TenantId::from_raw(row.id),
            name: row.name,
            context_id: row.context_id,
            jurisdiction: row.jurisdiction.map(DivisionCode),
        }
    }
}

#[derive(sqlx::FromRow)]
struct DivisionRow {
    code: i64,
    parent_code: Option<i64>,
    level: i64,
    name_zh: String,
    name_en: String,
}

impl From<DivisionRow> for Division {
    fn from(row: DivisionRow) -> Self {
        Self {
            code: DivisionCode(row.code),
            parent: row.parent_code.map(DivisionCode),
            level: row.level as u8,
            name_zh: row.name_zh,
            name_en: row.name_en,
        }
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct PremisesRow {
    id: i64,
    tenant_id: i64,
    division_code: Option<i64>,
    address: String,
    community: String,
    building: String,
    lon: f64,
    lat: f64,
}

impl From<PremisesRow> for Premises {
    fn from(row: PremisesRow) -> Self {
        Self {
            id: PremisesId::from_raw(row.id),
            tenant: TenantId::from_raw(row.tenant_id),
            division: row.division_code.map(DivisionCode),
            address: row.address,
            community: row.community,
            building: row.building,
            lon: row.lon,
            lat: row.lat,
        }
    }
}

impl Store {
    /// Every gas company, by id.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        let rows =
            fetch_all!(self.reader(), TenantRow, "SELECT id, name, context_id, jurisdiction FROM tenants ORDER BY id")?;
        Ok(rows.into_iter().map(Tenant::from).collect())
    }

    /// Every administrative division, parents before their children.
    pub async fn divisions(&self) -> Result<Vec<Division>, StoreError> {
        let rows = fetch_all!(
            self.reader(),
            DivisionRow,
            "SELECT code, parent_code, level, name_zh, name_en FROM divisions ORDER BY level, code"
        )?;
        Ok(rows.into_iter().map(Division::from).collect())
    }

    /// A fact about the database itself, such as which demo city it holds.
    pub async fn meta(&self, name: &str) -> Result<Option<String>, StoreError> {
        let row = fetch_optional!(self.reader(), (String,), "SELECT value FROM meta WHERE name = $1", name)?;
        Ok(row.map(|(value,)| value))
    }

    /// Notes a fact about the database itself, replacing the one of that name.
    pub async fn set_meta(&self, name: &str, value: &str) -> Result<(), StoreError> {
        execute!(
            self.writer(),
            "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            name,
            value,
        )?;
        Ok(())
    }
}
