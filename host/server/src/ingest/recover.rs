//! Rebuilding the shards from what was committed: devices with their keys, alarms, commands, timers, and the journal's tail.
//!
//! Nothing is decided here: what was decided before is in the rows, and the replay windows are those of what is stored.

use super::IngestError;
use super::reserve::range_of;
use super::route::{ContextKey, ShardIndex, home_of};
use super::state::{DevicePlace, DeviceSlot, ShardState};
use crate::keys::KeyRing;
use crate::rules::running::TenantWorld;
use davy_coap::oscore::{Algorithm, NonceUse, Params, ReplayState, ReplayWindow, SecurityContext};
use davy_coap::{ContextId, Endpoint, Timing};
use davy_domain::interlock::{Interlock, StoredInterlock};
use davy_domain::{DeviceId, InterlockId, TenantId, Timestamp};
use davy_store::{DeviceCredentials, KeyedDevice, Recovery, RowKind, SequenceWindow, Tenant};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// The server's own Sender ID: one byte that no device has, because theirs are numbers of two bytes and more.
pub const SERVER_ID: &[u8] = b"s";

/// A shard's state, rebuilt.
pub struct RecoveredShard {
    /// Its interlocks and readings.
    pub state: ShardState,
    /// The contexts that were added to its endpoint.
    pub contexts: Vec<(ContextId, DeviceSlot)>,
    /// The protocol state.
    pub endpoint: Endpoint,
}

/// What recovery gathers before it builds.
struct Gathered {
    tenant: TenantId,
    stored: StoredInterlock,
    places: Vec<(DeviceId, DevicePlace)>,
    /// With whether the device sleeps.
    keyed: Vec<(DeviceId, DeviceCredentials, bool)>,
}

/// What recovery needs beside the database.
pub struct Surroundings<'a> {
    /// All tenants.
    pub tenants: &'a [Tenant],
    /// What each brings.
    pub worlds: &'a HashMap<TenantId, Arc<TenantWorld>>,
    /// Opens the device keys.
    pub keys: &'a KeyRing,
    /// The number of this start.
    pub boot: u64,
    /// Now.
    pub now: Timestamp,
}

/// Rebuilds everything into the given endpoints, one for each shard, and the routes to them.
///
/// # Errors
/// When the database does not answer or holds what cannot be: a missing key, devices that do not fit together.
pub async fn rebuild(
    recovery: &mut Recovery,
    surroundings: &Surroundings<'_>,
    endpoints: Vec<Endpoint>,
) -> Result<(Vec<RecoveredShard>, HashMap<ContextKey, ShardIndex>), IngestError> {
    let mut gathered = gather(recovery).await?;
    let memories = recovery.memories().await?;
    let down_since = memories.values().filter_map(|memory| memory.last_received_at).max();
    let windows: HashMap<DeviceId, SequenceWindow> =
        memories.iter().filter_map(|(&device, memory)| Some((device, memory.window?))).collect();
    for (device, memory) in memories {
        if let Some(interlock) = gathered.of_device.get(&device)
            && let Some(each) = gathered.interlocks.get_mut(interlock)
        {
            each.stored.memories.push((device, memory.into_memory()));
        }
    }

    let context_ids: HashMap<TenantId, &[u8]> =
        surroundings.tenants.iter().map(|tenant| (tenant.id, tenant.context_id.as_slice())).collect();
    let count = endpoints.len().max(1);
    let mut shards: Vec<RecoveredShard> = endpoints
        .into_iter()
        .map(|endpoint| RecoveredShard { state: ShardState::default(), contexts: Vec::new(), endpoint })
        .collect();
    let mut routes = HashMap::new();
    for (id, each) in gathered.interlocks {
        let shard = usize::from(home_of(id, count));
        let world = surroundings.worlds.get(&each.tenant).ok_or(IngestError::NoTenant { tenant: each.tenant })?;
        let mut interlock = Interlock::restore(id, each.tenant, each.stored)
            .map_err(|source| IngestError::Interlock { interlock: id, source })?;
        interlock.resume(surroundings.now, down_since, world.limits());
        let RecoveredShard { state, contexts, endpoint } = &mut shards[shard];
        let index = state.add(interlock, Arc::clone(world), each.places);
        let id_context = context_ids.get(&each.tenant).copied().unwrap_or_default();
        for (device, credentials, sleepy) in each.keyed {
            let of = (surroundings.keys, surroundings.boot);
            let context = derive(of, each.tenant, device, id_context, &credentials, windows.get(&device))?;
            if let Some(key) = ContextKey::new(id_context, &credentials.kid) {
                routes.insert(key, shard as ShardIndex);
            }
            let slot = DeviceSlot { device, tenant: each.tenant, interlock: index, interlock_id: id };
            let context = endpoint.add_context(context);
            if sleepy {
                // Behind NB-IoT an answer takes seconds: sent again sooner, it would only be in the way of itself.
                endpoint
                    .set_context_timing(context, Timing::NB_IOT)
                    .map_err(|source| IngestError::Endpoint { device, source })?;
            }
            contexts.push((context, slot));
        }
    }
    recall_readings(recovery, &mut shards).await?;
    Ok((shards, routes))
}

struct All {
    interlocks: BTreeMap<InterlockId, Gathered>,
    of_device: HashMap<DeviceId, InterlockId>,
}

async fn gather(recovery: &mut Recovery) -> Result<All, IngestError> {
    let mut interlocks: BTreeMap<InterlockId, Gathered> = BTreeMap::new();
    let mut of_device = HashMap::new();
    let mut models: HashSet<Arc<str>> = HashSet::new();
    let mut after = None;
    loop {
        let page = recovery.devices(after).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.device.id);
        for KeyedDevice { device, credentials } in page {
            of_device.insert(device.id, device.interlock);
            let each = interlocks.entry(device.interlock).or_insert_with(|| Gathered {
                tenant: device.tenant,
                stored: StoredInterlock::default(),
                places: Vec::new(),
                keyed: Vec::new(),
            });
            let model = models.get(device.model.as_str()).cloned().unwrap_or_else(|| {
                let model: Arc<str> = device.model.as_str().into();
                models.insert(Arc::clone(&model));
                model
            });
            let place = DevicePlace { division: device.division, premises: device.premises, model };
            each.places.push((device.id, place));
            each.keyed.extend(credentials.map(|credentials| (device.id, credentials, device.sleepy)));
            each.stored.devices.push(device.into_config());
        }
    }
    for stored in recovery.alarms().await? {
        if let Some(each) = interlocks.get_mut(&stored.interlock) {
            each.stored.alarms.push(stored.alarm);
        }
    }
    for stored in recovery.commands().await? {
        if let Some(each) = interlocks.get_mut(&stored.interlock) {
            each.stored.commands.push(stored.command);
        }
    }
    for stored in recovery.timers().await? {
        if let Some(each) = interlocks.get_mut(&stored.interlock) {
            each.stored.timers.push((stored.device, stored.timer));
        }
    }
    Ok(All { interlocks, of_device })
}

/// A device's context, with the replay window of what is stored of it. Its own numbers are those of the start `boot`.
pub(super) fn derive(
    (keys, boot): (&KeyRing, u64),
    tenant: TenantId,
    device: DeviceId,
    id_context: &[u8],
    credentials: &DeviceCredentials,
    window: Option<&SequenceWindow>,
) -> Result<SecurityContext, IngestError> {
    let algorithm = [Algorithm::A128Gcm, Algorithm::AesCcm16_64_128]
        .into_iter()
        .find(|algorithm| i64::from(algorithm.cose_id()) == credentials.algorithm)
        .ok_or(IngestError::Algorithm { device, got: credentials.algorithm })?;
    let secret = keys.unseal(tenant, device, credentials)?;
    let replay = match window {
        // Nothing of the device was ever stored: there is nothing to replay.
        None => ReplayState::Restored(ReplayWindow::default()),
        Some(window) => {
            let older = (1..64).filter(|n| window.seen & (1 << n) != 0).filter_map(|n| window.highest.checked_sub(n));
            ReplayState::Restored(ReplayWindow::from_accepted(window.highest, older))
        }
    };
    let mut context = SecurityContext::derive(Params {
        master_secret: &secret.master_secret,
        master_salt: &secret.master_salt,
        id_context: Some(id_context),
        sender_id: SERVER_ID,
        recipient_id: &credentials.kid,
        algorithm,
        replay,
    })
    .map_err(|source| IngestError::Context { device, source })?;
    context.set_sender_range(range_of(boot));
    // The window is rebuilt from the journal. A reply to what is in the journal may therefore go under the request's nonce, after a
    // restart too: should the request come again, it is a replay. Every other reply costs a number of ours.
    context.set_nonce_use(NonceUse::Recorded);
    Ok(context)
}

/// Readings of the journal's tail back into memory, for pages.
async fn recall_readings(recovery: &mut Recovery, shards: &mut [RecoveredShard]) -> Result<(), IngestError> {
    let mut after = None;
    loop {
        let page = recovery.journal(after).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = Some(*last);
        for (_, row) in &page {
            let Some(uplink) = row.readings() else { continue };
            let Some(shard) = shards.iter_mut().find(|shard| shard.state.interlock_of(row.device).is_some()) else {
                continue;
            };
            for part in uplink.parts {
                let device = match &part.child {
                    None => Some(row.device),
                    Some(serial) => shard.state.child_of(row.device, serial),
                };
                if let Some(device) = device {
                    shard.state.remember(device, part.readings.into_iter(), row.received_at, row.kind != RowKind::Late);
                }
            }
        }
    }
}
