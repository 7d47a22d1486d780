//! Devices that were provisioned while the server runs: read from the database, prepared beside the shards, taken in by them.
//!
//! Must never hold a shard up for longer than some hundreds of devices take, and never touch what is known of a device that is there.

use super::IngestError;
use super::recover::derive;
use super::route::{ContextKey, ShardIndex, home_of};
use super::shard::Shard;
use super::state::{DevicePlace, DeviceSlot, ShardState};
use crate::keys::KeyRing;
use crate::rules::running::{Registry, TenantWorld};
use crossbeam_channel::Sender;
use davy_coap::oscore::SecurityContext;
use davy_coap::{ContextId, Timing};
use davy_domain::interlock::Interlock;
use davy_domain::{DeviceConfig, DeviceId, InterlockId, TenantId};
use davy_store::{DeviceCredentials, KeyedDevice, Store};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Interlocks that a shard takes in at once.
const AT_ONCE: usize = 256;

/// Where datagrams of new contexts belong.
pub type NewRoutes = Vec<(ContextKey, ShardIndex)>;

/// What learning takes.
pub struct Learning {
    /// Where the devices are.
    pub store: Store,
    /// Opens their keys.
    pub keys: KeyRing,
    /// The number of this start.
    pub boot: u64,
    /// The companies' worlds.
    pub registry: Arc<Registry>,
    /// To the thread that routes.
    pub routes: Sender<NewRoutes>,
}

/// New devices of one shard.
pub struct Newcomers {
    /// Which shard.
    pub shard: ShardIndex,
    groups: Vec<Group>,
}

impl Newcomers {
    /// Their ids.
    pub fn devices(&self) -> Vec<DeviceId> {
        self.groups.iter().flat_map(|group| group.devices.iter().map(|device| device.id)).collect()
    }
}

/// New devices of one interlock, which may be there already.
struct Group {
    interlock: InterlockId,
    tenant: TenantId,
    world: Arc<TenantWorld>,
    devices: Vec<DeviceConfig>,
    places: Vec<(DeviceId, DevicePlace)>,
    /// With whether the device sleeps.
    contexts: Vec<(DeviceId, SecurityContext, bool)>,
}

impl Learning {
    /// The devices with higher ids that are not known.
    pub async fn gather(
        &self,
        mut after: Option<DeviceId>,
        is_known: impl Fn(DeviceId) -> bool,
    ) -> Result<Vec<KeyedDevice>, IngestError> {
        let mut recovery = self.store.recover().await?;
        let mut new = Vec::new();
        loop {
            let page = recovery.devices(after).await?;
            let Some(last) = page.last() else { return Ok(new) };
            after = Some(last.device.id);
            new.extend(page.into_iter().filter(|keyed| !is_known(keyed.device.id)));
        }
    }

    /// Opens the keys and derives the contexts, on a thread where that holds up nothing.
    pub async fn prepare(
        &self,
        devices: Vec<KeyedDevice>,
        shards: usize,
    ) -> Result<Vec<(Newcomers, NewRoutes)>, IngestError> {
        if devices.is_empty() {
            return Ok(Vec::new());
        }
        let tenants = self.store.tenants().await?;
        let context_ids = tenants.into_iter().map(|tenant| (tenant.id, tenant.context_id)).collect();
        let (keys, boot, registry) = (self.keys.clone(), self.boot, Arc::clone(&self.registry));
        let work = move || prepared(devices, &context_ids, (&keys, boot), &registry, shards);
        let joined = tokio::task::spawn_blocking(work).await;
        joined.map_err(|error| IngestError::System { what: "a thread", source: std::io::Error::other(error) })?
    }
}

fn prepared(
    devices: Vec<KeyedDevice>,
    context_ids: &HashMap<TenantId, Vec<u8>>,
    of: (&KeyRing, u64),
    registry: &Registry,
    shards: usize,
) -> Result<Vec<(Newcomers, NewRoutes)>, IngestError> {
    let mut groups: BTreeMap<(ShardIndex, InterlockId), (Group, NewRoutes)> = BTreeMap::new();
    for KeyedDevice { device, credentials } in devices {
        let tenant = device.tenant;
        // A company that came after the start has no rules and no floor in memory: it waits for the next one.
        let Some(world) = registry.worlds().get(&tenant) else { continue };
        let shard = home_of(device.interlock, shards);
        let (group, routes) = groups.entry((shard, device.interlock)).or_insert_with(|| {
            let (devices, places, contexts) = (Vec::new(), Vec::new(), Vec::new());
            let world = Arc::clone(world);
            (Group { interlock: device.interlock, tenant, world, devices, places, contexts }, Vec::new())
        });
        let id_context = context_ids.get(&tenant).map(Vec::as_slice).unwrap_or_default();
        if let Some(credentials) = credentials {
            let context = derive(of, tenant, device.id, id_context, &credentials, None)?;
            group.contexts.push((device.id, context, device.sleepy));
            routes.extend(ContextKey::new(id_context, &credentials.kid).map(|key| (key, shard)));
        }
        let place =
            DevicePlace { division: device.division, premises: device.premises, model: device.model.as_str().into() };
        group.places.push((device.id, place));
        group.devices.push(device.into_config());
    }
    let mut all: Vec<(Newcomers, NewRoutes)> = Vec::new();
    for ((shard, _), (group, routes)) in groups {
        match all.last_mut() {
            Some((last, known)) if last.shard == shard && last.groups.len() < AT_ONCE => {
                last.groups.push(group);
                known.extend(routes);
            }
            _ => all.push((Newcomers { shard, groups: vec![group] }, routes)),
        }
    }
    Ok(all)
}

impl Learning {
    /// The context of a key that a device has just been given, and where its datagrams belong.
    pub async fn context_of(
        &self,
        tenant: TenantId,
        device: DeviceId,
        credentials: DeviceCredentials,
        shard: ShardIndex,
    ) -> Result<(SecurityContext, NewRoutes), IngestError> {
        let tenants = self.store.tenants().await?;
        let found = tenants.into_iter().find(|each| each.id == tenant).ok_or(IngestError::NoTenant { tenant })?;
        let context = derive((&self.keys, self.boot), tenant, device, &found.context_id, &credentials, None)?;
        let key = ContextKey::new(&found.context_id, &credentials.kid);
        Ok((context, key.map(|key| (key, shard)).into_iter().collect()))
    }
}

impl Learning {
    /// What a device calls itself, with or without a key.
    pub async fn identity_of(&self, tenant: TenantId, device: DeviceId) -> Result<Option<ContextKey>, IngestError> {
        let tenants = self.store.tenants().await?;
        let found = tenants.into_iter().find(|each| each.id == tenant).ok_or(IngestError::NoTenant { tenant })?;
        let key = self.store.tenant(tenant).key_of(device).await?;
        Ok(key.and_then(|key| ContextKey::new(&found.context_id, &key.kid)))
    }
}

impl Shard {
    /// Ends a device's context, and with it whatever waits under it, and begins another if there is one.
    pub(super) fn rekey(
        &mut self,
        device: DeviceId,
        context: Option<(Box<SecurityContext>, bool)>,
        state: &ShardState,
    ) -> Result<(), IngestError> {
        self.observers.remove(&device);
        for at in 0..self.contexts.len() {
            if self.contexts[at].is_some_and(|slot| slot.device == device) {
                self.contexts[at] = None;
                self.endpoint.remove_context(ContextId(at as u32));
            }
        }
        let Some((context, is_sleepy)) = context else { return Ok(()) };
        let Some(index) = state.interlock_of(device) else { return Ok(()) };
        let Some((tenant, interlock_id)) = state.name_of(index) else { return Ok(()) };
        self.speak(DeviceSlot { device, tenant, interlock: index, interlock_id }, *context, is_sleepy)
    }

    fn speak(&mut self, slot: DeviceSlot, context: SecurityContext, is_sleepy: bool) -> Result<(), IngestError> {
        let context = self.endpoint.add_context(context);
        if is_sleepy {
            self.endpoint
                .set_context_timing(context, Timing::NB_IOT)
                .map_err(|source| IngestError::Endpoint { device: slot.device, source })?;
        }
        let at = context.0 as usize;
        if self.contexts.len() <= at {
            self.contexts.resize(at + 1, None);
        }
        self.contexts[at] = Some(slot);
        Ok(())
    }

    pub(super) fn learn(&mut self, newcomers: Newcomers, state: &mut ShardState) -> Result<(), IngestError> {
        let now = self.clock.now();
        for group in newcomers.groups {
            let id = group.interlock;
            let refused = |source| IngestError::Interlock { interlock: id, source };
            let index = if let Some(index) = state.interlock(id) {
                state.grow(index, group.devices, group.places, now).map_err(refused)?;
                index
            } else {
                let limits = group.world.limits();
                let interlock = Interlock::new(id, group.tenant, group.devices, now, limits).map_err(refused)?;
                state.add(interlock, group.world, group.places)
            };
            for (device, context, is_sleepy) in group.contexts {
                let slot = DeviceSlot { device, tenant: group.tenant, interlock: index, interlock_id: id };
                self.speak(slot, context, is_sleepy)?;
            }
        }
        Ok(())
    }
}
