//! The folded state of a shard's interlocks, and the readings that are not in chunks yet.
//!
//! Shared behind a lock so that pages can look at it between two batches; only the shard's own thread changes it.

use super::shard::CBOR;
use super::work::Payload;
use crate::live::{Change, Committed};
use crate::operate::DeviceView;
use crate::rules::drivers::LoadedDriver;
use crate::rules::running::TenantWorld;
use crate::rules::shadow::Beside;
use davy_domain::interlock::{Effects, Input, Interlock, InterlockError, StoredInterlock};
use davy_domain::{
    DeviceConfig, DeviceId, DeviceKind, IdSource, InterlockId, PremisesId, Quantity, Reading, Span, TenantId,
    Timestamp, ValveState, wire,
};
use davy_store::DivisionCode;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

/// Where a device stands: whose it is and in which interlock of its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceSlot {
    /// The device.
    pub device: DeviceId,
    /// Whose.
    pub tenant: TenantId,
    /// The interlock's place in the shard.
    pub interlock: u32,
    /// The interlock.
    pub interlock_id: InterlockId,
}

/// What the live bus must know of a device to tell who may hear of it.
#[derive(Clone, Debug)]
pub struct DevicePlace {
    /// Code of its division.
    pub division: Option<DivisionCode>,
    /// Its premises.
    pub premises: Option<PremisesId>,
    /// The maker's name for its model: which driver reads its messages.
    pub model: Arc<str>,
}

/// How long what time alone brings waits after the database has refused something of the same interlock.
const REST: Span = Span::from_secs(5);

/// What is stored of an interlock whose step the database refused.
pub struct Stored {
    /// Its alarms, commands and timers.
    pub rows: StoredInterlock,
    /// The memories of rules, as they were before they decided what was refused.
    pub memories: Vec<(DeviceId, Vec<u8>)>,
}

struct Group {
    interlock: Interlock,
    world: Arc<TenantWorld>,
    /// The same under other versions than the one that decides.
    beside: Beside,
    /// When it stands in the queue of what is due.
    scheduled: Option<Timestamp>,
    /// Nothing is done before this, however long it has been due: the database has just refused what was done last.
    rests_until: Timestamp,
}

impl Group {
    /// When the interlock, or a fold beside it, has something to do.
    fn next_due(&self) -> Option<Timestamp> {
        let due = self.interlock.next_due().into_iter().chain(self.beside.next_due()).min();
        due.map(|due| due.max(self.rests_until))
    }
}

struct Kept {
    interlock: u32,
    place: DevicePlace,
    /// The position that was announced last.
    valve: ValveState,
    last_seen: Option<Timestamp>,
    readings: VecDeque<KeptReading>,
}

#[derive(Clone, Copy)]
struct KeptReading {
    received_at: Timestamp,
    reading: Reading,
}

/// The state of one shard.
#[derive(Default)]
pub struct ShardState {
    groups: Vec<Group>,
    by_id: HashMap<InterlockId, u32>,
    devices: HashMap<DeviceId, Kept>,
    due: BinaryHeap<Reverse<(Timestamp, u32)>>,
}

impl ShardState {
    /// Adds a recovered interlock and returns its place.
    pub fn add(
        &mut self,
        interlock: Interlock,
        world: Arc<TenantWorld>,
        places: impl IntoIterator<Item = (DeviceId, DevicePlace)>,
    ) -> u32 {
        let index = self.groups.len() as u32;
        self.by_id.insert(interlock.id(), index);
        self.keep(&interlock, index, places);
        let (beside, rests_until) = (Beside::default(), Timestamp::default());
        self.groups.push(Group { interlock, world, beside, scheduled: None, rests_until });
        self.schedule(index);
        index
    }

    fn keep(&mut self, interlock: &Interlock, index: u32, places: impl IntoIterator<Item = (DeviceId, DevicePlace)>) {
        for (device, place) in places {
            let view = interlock.device(device);
            let kept = Kept {
                interlock: index,
                place,
                valve: view.map_or(ValveState::Unknown, davy_domain::interlock::DeviceView::valve),
                last_seen: view.and_then(davy_domain::interlock::DeviceView::last_seen),
                readings: VecDeque::new(),
            };
            self.devices.insert(device, kept);
        }
    }

    /// Adds devices to an interlock that runs. What is known of those that are there stays; folds beside it begin anew.
    ///
    /// # Errors
    /// When the devices do not fit together; nothing has changed then.
    pub fn grow(
        &mut self,
        index: u32,
        new: Vec<DeviceConfig>,
        places: impl IntoIterator<Item = (DeviceId, DevicePlace)>,
        now: Timestamp,
    ) -> Result<(), InterlockError> {
        let Some(group) = self.groups.get_mut(index as usize) else { return Ok(()) };
        let all = group.interlock.devices().map(|view| view.config().clone()).chain(new).collect();
        group.interlock.reconfigure(all, now, group.world.limits())?;
        group.beside = Beside::default();
        let grown = group.interlock.clone();
        self.keep(&grown, index, places);
        self.schedule(index);
        Ok(())
    }

    /// Folds one input.
    pub fn step(
        &mut self,
        interlock: u32,
        input: Input<'_>,
        now: Timestamp,
        ids: &mut IdSource,
        effects: &mut Effects,
    ) {
        let Some(group) = self.groups.get_mut(interlock as usize) else { return };
        let rules = group.world.rules();
        let rule = rules.of(group.interlock.id());
        group.beside.step(input, now, &group.world, &rules, &group.interlock);
        group.interlock.step_into(input, now, &group.world.world(rule), ids, effects);
        if !effects.alarms.is_empty()
            && let Some(rule) = rule
        {
            rule.health.raised(&effects.alarms);
        }
        group.beside.compare(effects, &group.interlock, now, &rules);
        self.schedule(interlock);
    }

    fn schedule(&mut self, interlock: u32) {
        let Some(group) = self.groups.get_mut(interlock as usize) else { return };
        let Some(due) = group.next_due() else { return };
        if group.scheduled.is_none_or(|scheduled| due < scheduled) {
            group.scheduled = Some(due);
            self.due.push(Reverse((due, interlock)));
        }
    }

    /// When something is due next.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    /// An interlock in which something is due by `now`.
    pub fn pop_due(&mut self, now: Timestamp) -> Option<u32> {
        loop {
            let Reverse((at, interlock)) = *self.due.peek()?;
            if at > now {
                return None;
            }
            self.due.pop();
            let group = self.groups.get_mut(interlock as usize)?;
            if group.scheduled != Some(at) {
                // An earlier date took its place.
                continue;
            }
            group.scheduled = None;
            match group.next_due() {
                Some(due) if due > now => self.schedule(interlock),
                Some(_) => return Some(interlock),
                None => {}
            }
        }
    }

    /// The ids of its devices.
    pub fn devices(&self) -> impl Iterator<Item = DeviceId> {
        self.devices.keys().copied()
    }

    /// The interlock with this id.
    pub fn interlock(&self, id: InterlockId) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    /// The interlock that a device belongs to.
    pub fn interlock_of(&self, device: DeviceId) -> Option<u32> {
        self.devices.get(&device).map(|kept| kept.interlock)
    }

    /// A gateway's child.
    pub fn child_of(&self, gateway: DeviceId, serial: &str) -> Option<DeviceId> {
        let interlock = self.look(self.interlock_of(gateway)?)?;
        interlock.child_of(gateway, serial).map(|view| view.config().id)
    }

    /// The fold of an interlock, to look at.
    pub fn look(&self, interlock: u32) -> Option<&Interlock> {
        self.groups.get(interlock as usize).map(|group| &group.interlock)
    }

    /// Whether a device's valve is proven closed, by the measure that counts for a leak.
    pub fn proven_closed(&self, interlock: u32, device: DeviceId, now: Timestamp) -> Option<bool> {
        let group = self.groups.get(interlock as usize)?;
        Some(group.interlock.device(device)?.proven_closed(now, group.world.limits()))
    }

    /// Whose an interlock is, and its id.
    pub fn name_of(&self, interlock: u32) -> Option<(TenantId, InterlockId)> {
        self.look(interlock).map(|interlock| (interlock.tenant(), interlock.id()))
    }

    /// The devices of an interlock.
    pub fn devices_of(&self, interlock: u32) -> Vec<DeviceId> {
        self.look(interlock)
            .map(|interlock| interlock.devices().map(|view| view.config().id).collect())
            .unwrap_or_default()
    }

    /// The commands that a device (a gateway: its children too) has not obeyed yet, as they travel.
    pub fn pending(&self, interlock: u32, device: DeviceId, now: Timestamp) -> Payload {
        let pending = self.look(interlock).map(|interlock| interlock.pending_messages(device, now)).unwrap_or_default();
        // As many as one message holds; the next one brings the rest.
        let commands = pending.iter().take(wire::MAX_PENDING).map(|command| command.id).collect();
        Payload { bytes: wire::encode_pending(&pending), format: CBOR, commands }
    }

    /// The driver that reads and writes a device's messages, when its model has one in force.
    pub fn driver_of(&self, device: DeviceId) -> Option<Arc<LoadedDriver>> {
        let kept = self.devices.get(&device)?;
        self.groups.get(kept.interlock as usize)?.world.driver(&kept.place.model)
    }

    /// What a device is.
    pub fn kind_of(&self, device: DeviceId) -> Option<DeviceKind> {
        self.config_of(device).map(|config| config.kind)
    }

    /// A device's serial number; empty for one that is not here.
    pub fn serial_of(&self, device: DeviceId) -> &str {
        self.config_of(device).map_or("", |config| config.serial.as_str())
    }

    fn config_of(&self, device: DeviceId) -> Option<&DeviceConfig> {
        Some(self.look(self.interlock_of(device)?)?.device(device)?.config())
    }

    /// Keeps readings until they are in chunks; `heard` when the device has spoken just then.
    pub fn remember(
        &mut self,
        device: DeviceId,
        readings: impl Iterator<Item = Reading>,
        received_at: Timestamp,
        heard: bool,
    ) {
        if let Some(kept) = self.devices.get_mut(&device) {
            if heard {
                kept.last_seen = Some(received_at);
            }
            kept.readings.extend(readings.map(|reading| KeptReading { received_at, reading }));
        }
    }

    /// Forgets readings that arrived before `before`: they are in chunks.
    pub fn forget_readings(&mut self, before: Timestamp) {
        for kept in self.devices.values_mut() {
            while kept.readings.front().is_some_and(|first| first.received_at < before) {
                kept.readings.pop_front();
            }
            if kept.readings.capacity() > 64 && kept.readings.len() < kept.readings.capacity() / 4 {
                kept.readings.shrink_to(kept.readings.len() * 2);
            }
        }
    }

    /// The valve's position if it is another than when last asked.
    pub fn valve_moved(&mut self, device: DeviceId) -> Option<ValveState> {
        let kept = self.devices.get_mut(&device)?;
        let group = self.groups.get(kept.interlock as usize)?;
        let valve = group.interlock.device(device)?.valve();
        (std::mem::replace(&mut kept.valve, valve) != valve).then_some(valve)
    }

    /// A change with what tells who may hear of it, and the interlock that it is a change of.
    pub fn committed(&self, device: DeviceId, change: Change) -> Option<(InterlockId, Committed)> {
        let kept = self.devices.get(&device)?;
        let (tenant, interlock) = self.name_of(kept.interlock)?;
        let DevicePlace { division, premises, .. } = kept.place;
        Some((interlock, Committed { tenant, division, premises, device, change }))
    }

    /// Lets an interlock stand where the database has it: what came after was refused.
    pub fn revert(&mut self, interlock: InterlockId, to: Stored, now: Timestamp) {
        let Some(index) = self.interlock(interlock) else { return };
        let Some(group) = self.groups.get_mut(index as usize) else { return };
        group.interlock.revert(to.rows, to.memories, group.world.limits());
        group.rests_until = now + REST;
        self.schedule(index);
    }

    /// The clock was ahead and has stepped back: every interlock is due, so that it moves back what was set for that time. Returns their
    /// places.
    pub fn step_back(&mut self) -> std::ops::Range<u32> {
        for group in &mut self.groups {
            group.rests_until = Timestamp::default();
        }
        0..self.groups.len() as u32
    }

    /// A device as it is now.
    pub fn view(&self, device: DeviceId) -> Option<DeviceView> {
        let kept = self.devices.get(&device)?;
        let view = self.look(kept.interlock)?.device(device)?;
        Some(DeviceView {
            valve: view.valve(),
            last_seen: kept.last_seen,
            latest: view.readings().collect(),
            active: view.active(),
        })
    }

    /// Readings that are kept here, with `from <= at < to`, in order of arrival.
    pub fn recent(&self, device: DeviceId, quantity: Quantity, from: Timestamp, to: Timestamp) -> Vec<Reading> {
        let kept = self.devices.get(&device).into_iter().flat_map(|kept| &kept.readings).map(|kept| kept.reading);
        kept.filter(|reading| reading.quantity == quantity && from <= reading.at && reading.at < to).collect()
    }
}
