//! Devices: what is known about each, and, apart from it, the sealed keys that no page ever gets.

use crate::error::StoreError;
use crate::places::DivisionCode;
use davy_domain::device::DeviceConfig;
use davy_domain::{DeviceId, DeviceKind, InterlockId, PremisesId, Span, TenantId, Timestamp};

/// A device as pages and the API may show it. Its keys are not part of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// The company that it belongs to.
    pub tenant: TenantId,
    /// The interlock (联锁组) that it is folded in.
    pub interlock: InterlockId,
    /// Where it is installed; none for a well monitor.
    pub premises: Option<PremisesId>,
    /// Where it is supervised.
    pub division: Option<DivisionCode>,
    /// The gateway that it speaks through.
    pub parent: Option<DeviceId>,
    /// The maker's serial number, unique within the tenant.
    pub serial: String,
    /// What it is.
    pub kind: DeviceKind,
    /// The maker's name for its model.
    pub model: String,
    /// When it was installed: its service life counts from here.
    pub installed_at: Option<Timestamp>,
    /// How often it must be heard of before it counts as silent.
    pub report_interval: Option<Span>,
    /// Whether it listens only just after its own uplinks.
    pub sleepy: bool,
    /// Longitude in degrees, WGS 84.
    pub lon: f64,
    /// Latitude in degrees, WGS 84.
    pub lat: f64,
    /// The valves that its leak closes, by id.
    pub links: Vec<DeviceId>,
}

impl Device {
    /// What the fold must know of it.
    pub fn into_config(self) -> DeviceConfig {
        let Self { id, serial, kind, premises, installed_at, report_interval, sleepy, links, parent, .. } = self;
        DeviceConfig { id, serial, kind, premises, installed_at, report_interval, sleepy, links, parent }
    }
}

/// A device's OSCORE identity with its keys sealed: of use only to who holds the key-encryption key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCredentials {
    /// The OSCORE Sender ID (kid) of the device, 1 to 6 bytes, unique within the tenant.
    pub kid: Vec<u8>,
    /// COSE algorithm number: 1 is A128GCM, 10 is AES-CCM-16-64-128.
    pub algorithm: i64,
    /// Master secret and master salt, sealed with AES-256-GCM.
    pub key_ciphertext: Vec<u8>,
    /// The nonce of that sealing, 12 bytes.
    pub key_nonce: Vec<u8>,
    /// Which key-encryption key sealed it.
    pub key_kek_id: String,
}

#[derive(sqlx::FromRow)]
pub(crate) struct DeviceRow {
    pub(crate) id: i64,
    pub(crate) tenant_id: i64,
    interlock_id: i64,
    premises_id: Option<i64>,
    division_code: Option<i64>,
    parent_id: Option<i64>,
    serial: String,
    kind: i64,
    model: String,
    installed_at: Option<i64>,
    report_interval_ms: Option<i64>,
    sleepy: i64,
    lon: f64,
    lat: f64,
}

impl DeviceRow {
    pub(crate) fn with_links(self, links: Vec<DeviceId>) -> Result<Device, StoreError> {
        Ok(Device {
            id: DeviceId::from_raw(self.id),
            tenant: TenantId::from_raw(self.tenant_id),
            interlock: InterlockId::from_raw(self.interlock_id),
            premises: self.premises_id.map(PremisesId::from_raw),
            division: self.division_code.map(DivisionCode),
            parent: self.parent_id.map(DeviceId::from_raw),
            serial: self.serial,
            kind: crate::codes::device_kind(self.kind)?,
            model: self.model,
            installed_at: self.installed_at.map(Timestamp::from_millis),
            report_interval: self.report_interval_ms.map(Span::from_millis),
            sleepy: self.sleepy != 0,
            lon: self.lon,
            lat: self.lat,
            links,
        })
    }
}
