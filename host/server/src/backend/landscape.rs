//! What stands where: companies, divisions, premises and devices, held in memory for the map, the figures and live events.
//!
//! Only facts that change when somebody provisions; how things stand is asked of the shards and the store.

use crate::backend::reach::Reach;
use davy_domain::floor::LocalFloor;
use davy_domain::{CommunityId, DeviceId, DeviceKind, InterlockId, PremisesId, Span, TenantId};
use davy_store::{DeviceFilter, Division, DivisionCode, Store, StoreError};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Rows of one read.
const PAGE: u32 = 10_000;

/// What decides who may see a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The gas company.
    pub tenant: TenantId,
    /// The division that supervises it.
    pub division: Option<DivisionCode>,
    /// The premises that it is in.
    pub premises: Option<PremisesId>,
}

/// A device's facts.
#[derive(Clone, Debug)]
pub struct Card {
    /// Its id.
    pub id: DeviceId,
    /// Who may see it.
    pub place: Place,
    /// The interlock that it is folded in.
    pub interlock: InterlockId,
    /// The maker's serial number.
    pub serial: String,
    /// What it is.
    pub kind: DeviceKind,
    /// The gas company's name.
    pub tenant_name: Arc<str>,
    /// The premises' address; of a device without premises the division's name.
    pub address: Arc<str>,
    /// Degrees east.
    pub lon: f64,
    /// Degrees north.
    pub lat: f64,
    /// The valves that its leak closes.
    pub links: Vec<DeviceId>,
    /// How often it must report.
    pub report_interval: Option<Span>,
}

impl Card {
    /// The valves that a close of this device means: its own, or the linked ones.
    pub fn valves(&self) -> Vec<DeviceId> {
        if self.kind.has_valve() { vec![self.id] } else { self.links.clone() }
    }
}

/// What a point of the map is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteKind {
    /// A premises with its devices.
    Premises(PremisesId),
    /// A device that stands by itself.
    Device(DeviceId, DeviceKind),
}

/// A point of the map.
#[derive(Clone, Debug)]
pub struct Site {
    /// What it is.
    pub kind: SiteKind,
    /// Who may see it.
    pub place: Place,
    /// Address or serial.
    pub name: Arc<str>,
    /// Degrees east.
    pub lon: f64,
    /// Degrees north.
    pub lat: f64,
    /// Web Mercator, 0 in the west to 1 in the east.
    pub x: f64,
    /// Web Mercator, 0 in the north to 1 in the south.
    pub y: f64,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Landscape {
    tenants: HashMap<TenantId, Arc<str>>,
    floors: HashMap<TenantId, LocalFloor>,
    divisions: BTreeMap<DivisionCode, Division>,
    communities: HashMap<CommunityId, (Arc<str>, Arc<HashSet<PremisesId>>)>,
    cards: HashMap<DeviceId, Arc<Card>>,
    sites: Vec<Site>,
    site_of: HashMap<DeviceId, usize>,
}

fn mercator(lon: f64, lat: f64) -> (f64, f64) {
    let lat = lat.clamp(-85.051_128, 85.051_128).to_radians();
    let x = (lon + 180.0) / 360.0;
    let y = (1.0 - (lat.tan() + 1.0 / lat.cos()).ln() / std::f64::consts::PI) / 2.0;
    (x.clamp(0.0, 1.0 - f64::EPSILON), y.clamp(0.0, 1.0 - f64::EPSILON))
}

/// The jurisdiction of a company as the statutory table names it.
fn jurisdiction(division: Option<DivisionCode>) -> String {
    division.map_or_else(|| "CN".to_owned(), |division| format!("CN-{}", division.0))
}

impl Landscape {
    /// Reads it all, company by company.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load(store: &Store) -> Result<Self, StoreError> {
        let mut this = Self::default();
        for division in store.divisions().await? {
            this.divisions.insert(division.code, division);
        }
        let floor = store.statutory_floor().await?;
        for tenant in store.tenants().await? {
            let name: Arc<str> = tenant.name.into();
            this.tenants.insert(tenant.id, Arc::clone(&name));
            // Without a floor nothing is judged, and ingest does not start; here there are no levels to show then.
            if let Ok(local) = floor.for_jurisdiction(&jurisdiction(tenant.jurisdiction)) {
                this.floors.insert(tenant.id, local);
            }
            this.load_tenant(store, tenant.id, &name).await?;
        }
        Ok(this)
    }

    async fn load_tenant(&mut self, store: &Store, tenant: TenantId, name: &Arc<str>) -> Result<(), StoreError> {
        let rows = store.tenant(tenant);
        let mut members: HashMap<CommunityId, HashSet<PremisesId>> = HashMap::new();
        for (community, premises) in rows.premises_of_communities().await? {
            members.entry(community).or_default().insert(premises);
        }
        for community in rows.communities().await? {
            let premises = members.remove(&community.id).unwrap_or_default();
            self.communities.insert(community.id, (community.name.into(), Arc::new(premises)));
        }
        let mut site_of_premises = HashMap::new();
        let mut after = None;
        loop {
            let page = rows.premises(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for premises in page {
                let place = Place { tenant, division: premises.division, premises: Some(premises.id) };
                site_of_premises.insert(premises.id, self.sites.len());
                let kind = SiteKind::Premises(premises.id);
                self.sites.push(Site::new(kind, place, premises.address.into(), premises.lon, premises.lat));
            }
        }
        let mut after = None;
        loop {
            let page = rows.devices(&DeviceFilter::default(), after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.device.id);
            for device in page.into_iter().map(|summary| summary.device) {
                let home = device.premises.and_then(|premises| site_of_premises.get(&premises).copied());
                let division = home.map_or(device.division, |at| self.sites[at].place.division.or(device.division));
                let place = Place { tenant, division, premises: device.premises };
                let at = home.unwrap_or_else(|| {
                    let kind = SiteKind::Device(device.id, device.kind);
                    self.sites.push(Site::new(kind, place, device.serial.as_str().into(), device.lon, device.lat));
                    self.sites.len() - 1
                });
                let address = match home {
                    Some(at) => Arc::clone(&self.sites[at].name),
                    None => {
                        division.and_then(|code| self.divisions.get(&code)).map_or("", |it| it.name_zh.as_str()).into()
                    }
                };
                self.site_of.insert(device.id, at);
                self.cards.insert(
                    device.id,
                    Arc::new(Card {
                        id: device.id,
                        place,
                        interlock: device.interlock,
                        serial: device.serial,
                        kind: device.kind,
                        tenant_name: Arc::clone(name),
                        address,
                        lon: device.lon,
                        lat: device.lat,
                        links: device.links,
                        report_interval: device.report_interval,
                    }),
                );
            }
        }
        Ok(())
    }

    /// A device's facts.
    pub fn card(&self, device: DeviceId) -> Option<&Arc<Card>> {
        self.cards.get(&device)
    }

    /// Every device's facts, in no order.
    pub fn cards(&self) -> impl Iterator<Item = &Arc<Card>> {
        self.cards.values()
    }

    /// How many devices there are.
    pub fn device_count(&self) -> usize {
        self.cards.len()
    }

    /// Every point of the map.
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// The point of the map that a device belongs to, as its index in [`Landscape::sites`].
    pub fn site_of(&self, device: DeviceId) -> Option<usize> {
        self.site_of.get(&device).copied()
    }

    /// A gas company's name; empty when there is none.
    pub fn tenant_name(&self, tenant: TenantId) -> Arc<str> {
        self.tenants.get(&tenant).cloned().unwrap_or_default()
    }

    /// The statutory floor of a gas company's jurisdiction, as stored when the landscape was loaded.
    pub fn floor(&self, tenant: TenantId) -> Option<&LocalFloor> {
        self.floors.get(&tenant)
    }

    /// A division.
    pub fn division(&self, code: DivisionCode) -> Option<&Division> {
        self.divisions.get(&code)
    }

    /// A community's name; empty when there is none.
    pub fn community_name(&self, community: CommunityId) -> Arc<str> {
        self.communities.get(&community).map(|(name, _)| Arc::clone(name)).unwrap_or_default()
    }

    /// The premises of a community.
    pub fn community(&self, id: CommunityId) -> Reach {
        let premises = self.communities.get(&id).map(|(_, premises)| Arc::clone(premises)).unwrap_or_default();
        Reach::Community { id, premises }
    }

    /// A division with everything below it.
    pub fn divisions_below(&self, top: DivisionCode) -> Reach {
        let mut all = BTreeSet::from([top]);
        loop {
            let more: Vec<_> = self
                .divisions
                .values()
                .filter(|it| it.parent.is_some_and(|parent| all.contains(&parent)) && !all.contains(&it.code))
                .map(|it| it.code)
                .collect();
            if more.is_empty() {
                return Reach::Divisions { top, all: Arc::new(all) };
            }
            all.extend(more);
        }
    }
}

impl Site {
    fn new(kind: SiteKind, place: Place, name: Arc<str>, lon: f64, lat: f64) -> Self {
        let (x, y) = mercator(lon, lat);
        Self { kind, place, name, lon, lat, x, y }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_projection_puts_known_places_where_they_are() {
        assert_eq!(mercator(0.0, 0.0), (0.5, 0.5));
        let (x, y) = mercator(120.155, 30.274);
        // The tile of the usual scheme that holds the middle of Hangzhou.
        assert_eq!(((x * 8192.0) as u32, (y * 8192.0) as u32), (6830, 3372));
        assert!(mercator(180.0, -90.0).0 < 1.0 && mercator(180.0, -90.0).1 < 1.0);
    }
}
