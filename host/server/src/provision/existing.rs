//! What is there already when devices are added to a company that runs.
//!
//! Only one company's own: what another company has is unknown here, so that nothing can be joined to it.

use davy_domain::{DeviceId, DeviceKind, InterlockId, PremisesId, TenantId};
use davy_store::{DeviceFilter, Store, StoreError};
use std::collections::{HashMap, HashSet};

/// Rows of one read.
const PAGE: u32 = 10_000;

/// What is there already, under the keys by which a manifest may name it.
#[derive(Default)]
pub struct Existing {
    /// Companies with their OSCORE ID Contexts.
    pub(super) tenants: HashMap<String, (TenantId, Vec<u8>)>,
    /// Premises by their ids as texts.
    pub(super) premises: HashMap<String, Home>,
    /// Devices by company and serial.
    pub(super) devices: HashMap<(String, String), Known>,
    /// OSCORE Sender IDs that are taken.
    pub(super) kids: HashSet<(String, Vec<u8>)>,
}

/// Where devices may be.
#[derive(Clone, PartialEq)]
pub(super) struct Home {
    pub(super) id: PremisesId,
    pub(super) tenant: String,
    pub(super) division: Option<i64>,
    pub(super) lon: f64,
    pub(super) lat: f64,
    /// The interlock of the devices that are there.
    pub(super) interlock: Option<InterlockId>,
}

/// A device that others may name.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) id: DeviceId,
    pub(super) kind: DeviceKind,
    /// Its place in the manifest; none when it is there already.
    pub(super) at: Option<usize>,
    /// The interlock that it runs in, when it is there already.
    pub(super) interlock: Option<InterlockId>,
}

impl Existing {
    /// A company's own, under the key `""`.
    ///
    /// # Errors
    /// [`StoreError`]; one without such a company has nothing.
    pub async fn of(store: &Store, tenant: TenantId) -> Result<Self, StoreError> {
        let mut this = Self::default();
        let company = store.tenants().await?.into_iter().find(|each| each.id == tenant);
        let Some(company) = company else { return Ok(this) };
        let key = String::new;
        this.tenants.insert(key(), (tenant, company.context_id));
        let rows = store.tenant(tenant);
        let mut after = None;
        loop {
            let page = rows.premises(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            this.premises.extend(page.into_iter().map(|it| {
                let division = it.division.map(|code| code.0);
                let home = Home { id: it.id, tenant: key(), division, lon: it.lon, lat: it.lat, interlock: None };
                (it.id.to_string(), home)
            }));
        }
        let mut after = None;
        loop {
            let page = rows.devices(&DeviceFilter::default(), after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.device.id);
            for device in page.into_iter().map(|summary| summary.device) {
                let home = device.premises.and_then(|premises| this.premises.get_mut(&premises.to_string()));
                if let Some(home) = home {
                    home.interlock.get_or_insert(device.interlock);
                }
                let known = Known { id: device.id, kind: device.kind, at: None, interlock: Some(device.interlock) };
                this.devices.insert((key(), device.serial), known);
            }
        }
        this.kids = rows.kids().await?.into_iter().map(|kid| (key(), kid)).collect();
        Ok(this)
    }
}
