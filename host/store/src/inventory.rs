//! Scoped reads of devices, premises and map points.

use crate::connection::{fetch_all, fetch_one, fetch_optional};
use crate::devices::{Device, DeviceRow};
use crate::engine::{Column, LINKS_OF};
use crate::error::StoreError;
use crate::places::{Premises, PremisesRow};
use crate::scope::{ScopedStore, scoped, scoped_premises, scoped_rows};
use davy_domain::{DeviceId, DeviceKind, InterlockId, PremisesId, Priority, TenantId};
use std::collections::HashMap;

/// Which devices a list shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceFilter {
    /// Only devices of this kind.
    pub kind: Option<DeviceKind>,
    /// Only devices of this place.
    pub premises: Option<PremisesId>,
    /// Only devices that have an active alarm.
    pub alarmed: bool,
    /// Only devices whose serial number, address or community contains this text, in whatever case.
    pub text: Option<String>,
}

/// A device in a list: with its place and how it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceSummary {
    /// The device.
    pub device: Device,
    /// The postal address of its premises.
    pub address: Option<String>,
    /// The residential community of its premises.
    pub community: Option<String>,
    /// How many alarms are active.
    pub active_alarms: u32,
    /// The priority of the most urgent one.
    pub worst: Option<Priority>,
}

/// A point of the map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapPoint {
    /// The device.
    pub device: DeviceId,
    /// Its company.
    pub tenant: TenantId,
    /// What it is.
    pub kind: DeviceKind,
    /// Longitude in degrees, WGS 84.
    pub lon: f64,
    /// Latitude in degrees, WGS 84.
    pub lat: f64,
    /// The priority of its most urgent active alarm.
    pub worst: Option<Priority>,
}

/// A box of the map, in degrees, WGS 84; edges included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Western edge.
    pub west: f64,
    /// Southern edge.
    pub south: f64,
    /// Eastern edge.
    pub east: f64,
    /// Northern edge.
    pub north: f64,
}

impl Bounds {
    /// The whole world.
    pub const WORLD: Self = Self { west: -180.0, south: -90.0, east: 180.0, north: 90.0 };
}

/// How many there are, for the head of an overview.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Devices in the scope.
    pub devices: u64,
    /// Premises in the scope.
    pub premises: u64,
    /// Active alarms in the scope.
    pub active_alarms: u64,
}

#[derive(sqlx::FromRow)]
struct SummaryRow {
    #[sqlx(flatten)]
    device: DeviceRow,
    address: Option<String>,
    community: Option<String>,
    active_alarms: i64,
    worst: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct PointRow {
    id: i64,
    tenant_id: i64,
    kind: i64,
    lon: f64,
    lat: f64,
    worst: Option<i64>,
}

/// The one text that reads devices with their place and how they stand, up to the condition that says which.
macro_rules! summaries {
    ($scope:expr, $tail:literal $(,)?) => {
        scoped!(
            $scope,
            "SELECT d.id, d.tenant_id, d.interlock_id, d.premises_id, d.division_code, d.parent_id, d.serial, d.kind, d.model, \
             d.installed_at, d.report_interval_ms, d.sleepy, d.lon, d.lat, p.address, p.community, \
             (SELECT COUNT(*) FROM alarms a WHERE a.device_id = d.id AND a.state <> 0) AS active_alarms, \
             (SELECT MAX(a.priority) FROM alarms a WHERE a.device_id = d.id AND a.state <> 0) AS worst \
             FROM devices d LEFT JOIN premises p ON p.id = d.premises_id WHERE ",
            $tail
        )
    };
}

/// The same for premises.
macro_rules! premises {
    ($scope:expr, $tail:literal $(,)?) => {
        scoped_premises!(
            $scope,
            "SELECT p.id, p.tenant_id, p.division_code, p.address, p.community, p.building, p.lon, p.lat FROM premises p WHERE ",
            $tail
        )
    };
}

/// A text as a `LIKE` pattern that finds it anywhere, with `!` as escape.
fn contains_pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

impl ScopedStore {
    /// Devices by id, at most `limit`, after `after`: the next page starts after the last device of this one.
    pub async fn devices(
        &self,
        filter: &DeviceFilter,
        after: Option<DeviceId>,
        limit: u32,
    ) -> Result<Vec<DeviceSummary>, StoreError> {
        let sql = summaries!(
            self.scope,
            " AND d.id > $2 AND ($3 = 0 OR d.kind = $3) AND ($4 = 0 OR d.premises_id = $4) \
             AND ($5 = 0 OR d.id IN (SELECT a.device_id FROM alarms a WHERE a.state <> 0)) \
             AND ($6 = '' OR lower(d.serial) LIKE $6 ESCAPE '!' OR lower(p.address) LIKE $6 ESCAPE '!' \
             OR lower(p.community) LIKE $6 ESCAPE '!') ORDER BY d.id LIMIT $7"
        );
        let rows = fetch_all!(
            self.read().await?.on(),
            SummaryRow,
            sql,
            self.scope.key(),
            after.map_or(i64::MIN, DeviceId::raw),
            filter.kind.map_or(0, |kind| i64::from(kind.code())),
            filter.premises.map_or(0, PremisesId::raw),
            i64::from(filter.alarmed),
            filter.text.as_deref().filter(|text| !text.is_empty()).map_or_else(String::new, contains_pattern),
            i64::from(limit),
        )?;
        self.summaries(rows).await
    }

    /// A device, if it is in the scope.
    pub async fn device(&self, id: DeviceId) -> Result<Option<DeviceSummary>, StoreError> {
        let sql = summaries!(self.scope, " AND d.id = $2");
        let row = fetch_optional!(self.read().await?.on(), SummaryRow, sql, self.scope.key(), id.raw())?;
        Ok(self.summaries(row.into_iter().collect()).await?.pop())
    }

    /// Whether a device is in the scope.
    pub async fn has_device(&self, id: DeviceId) -> Result<bool, StoreError> {
        let sql = scoped!(self.scope, "SELECT d.id FROM devices d WHERE ", " AND d.id = $2");
        let row = fetch_optional!(self.read().await?.on(), (i64,), sql, self.scope.key(), id.raw())?;
        Ok(row.is_some())
    }

    /// Whether a premises is in the scope.
    pub async fn has_premises(&self, id: PremisesId) -> Result<bool, StoreError> {
        let sql = scoped_premises!(self.scope, "SELECT p.id FROM premises p WHERE ", " AND p.id = $2");
        let row = fetch_optional!(self.read().await?.on(), (i64,), sql, self.scope.key(), id.raw())?;
        Ok(row.is_some())
    }

    /// The other devices of an interlock, as far as they are in the scope.
    pub async fn interlock_devices(&self, interlock: InterlockId) -> Result<Vec<DeviceSummary>, StoreError> {
        let sql = summaries!(self.scope, " AND d.interlock_id = $2 ORDER BY d.id");
        let rows = fetch_all!(self.read().await?.on(), SummaryRow, sql, self.scope.key(), interlock.raw())?;
        self.summaries(rows).await
    }

    async fn summaries(&self, rows: Vec<SummaryRow>) -> Result<Vec<DeviceSummary>, StoreError> {
        let ids: Vec<i64> = rows.iter().map(|row| row.device.id).collect();
        let tenants: Vec<i64> = rows.iter().map(|row| row.device.tenant_id).collect();
        let mut links = self.links_of(&ids, &tenants).await?;
        rows.into_iter()
            .map(|row| {
                let links = links.remove(&row.device.id).unwrap_or_default();
                Ok(DeviceSummary {
                    device: row.device.with_links(links)?,
                    address: row.address,
                    community: row.community,
                    active_alarms: row.active_alarms as u32,
                    worst: row.worst.map(crate::codes::priority).transpose()?,
                })
            })
            .collect()
    }

    /// Premises by id, at most `limit`, after `after`.
    pub async fn premises(&self, after: Option<PremisesId>, limit: u32) -> Result<Vec<Premises>, StoreError> {
        let sql = premises!(self.scope, " AND p.id > $2 ORDER BY p.id LIMIT $3");
        let after = after.map_or(i64::MIN, PremisesId::raw);
        let rows = fetch_all!(self.read().await?.on(), PremisesRow, sql, self.scope.key(), after, i64::from(limit))?;
        Ok(rows.into_iter().map(Premises::from).collect())
    }

    /// One place, if it is in the scope.
    pub async fn premises_by_id(&self, id: PremisesId) -> Result<Option<Premises>, StoreError> {
        let sql = premises!(self.scope, " AND p.id = $2");
        let row = fetch_optional!(self.read().await?.on(), PremisesRow, sql, self.scope.key(), id.raw())?;
        Ok(row.map(Premises::from))
    }

    /// The points of the map within a box, by device id.
    pub async fn map_points(&self, bounds: Bounds) -> Result<Vec<MapPoint>, StoreError> {
        let sql = scoped!(
            self.scope,
            "SELECT d.id, d.tenant_id, d.kind, d.lon, d.lat, w.worst FROM devices d LEFT JOIN \
             (SELECT device_id, MAX(priority) AS worst FROM alarms WHERE state <> 0 GROUP BY device_id) w ON w.device_id = d.id \
             WHERE ",
            " AND d.lon >= $2 AND d.lat >= $3 AND d.lon <= $4 AND d.lat <= $5 ORDER BY d.id"
        );
        let rows = fetch_all!(
            self.read().await?.on(),
            PointRow,
            sql,
            self.scope.key(),
            bounds.west,
            bounds.south,
            bounds.east,
            bounds.north,
        )?;
        rows.into_iter()
            .map(|row| {
                Ok(MapPoint {
                    device: DeviceId::from_raw(row.id),
                    tenant: TenantId::from_raw(row.tenant_id),
                    kind: crate::codes::device_kind(row.kind)?,
                    lon: row.lon,
                    lat: row.lat,
                    worst: row.worst.map(crate::codes::priority).transpose()?,
                })
            })
            .collect()
    }

    /// How many devices, premises and active alarms there are.
    pub async fn totals(&self) -> Result<Totals, StoreError> {
        let key = self.scope.key();
        let mut read = self.snapshot().await?;
        let sql = scoped!(self.scope, "SELECT COUNT(*) FROM devices d WHERE ", "");
        let (devices,) = fetch_one!(read.on(), (i64,), sql, key)?;
        let sql = scoped_premises!(self.scope, "SELECT COUNT(*) FROM premises p WHERE ", "");
        let (premises,) = fetch_one!(read.on(), (i64,), sql, key)?;
        let sql = scoped_rows!(self.scope, "COUNT(*)", "alarms", "a", " AND a.state <> 0");
        let (active_alarms,) = fetch_one!(read.on(), (i64,), sql, key)?;
        Ok(Totals { devices: devices as u64, premises: premises as u64, active_alarms: active_alarms as u64 })
    }
}

impl ScopedStore {
    /// The linked valves of each of these devices, which belong to these companies.
    async fn links_of(&self, devices: &[i64], tenants: &[i64]) -> Result<HashMap<i64, Vec<DeviceId>>, StoreError> {
        let mut links: HashMap<i64, Vec<DeviceId>> = HashMap::new();
        if devices.is_empty() {
            return Ok(links);
        }
        let columns = [Column::Int(devices), Column::Int(tenants)];
        let rows: Vec<(i64, i64)> = LINKS_OF.fetch(self.read().await?.on(), &columns).await?;
        for (source, valve) in rows {
            links.entry(source).or_default().push(DeviceId::from_raw(valve));
        }
        Ok(links)
    }
}
