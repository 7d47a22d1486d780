//! Building an interlock: from configuration, and from what was stored of it.
//!
//! After a restart: [`Interlock::restore`] from the rows that the effects wrote and the latest snapshots, then
//! [`Interlock::remember`] for each journalled uplink after the snapshot, in order, then [`Interlock::resume`].
//! Nothing is decided on this way: what was decided is in the rows.

use super::device::Device;
use super::uplink::of_the_air;
use super::{Effects, Interlock, Limits, REMEMBERED_COMMANDS};
use crate::alarm::Alarm;
use crate::command::{Action, Command, CommandState};
use crate::device::{DeviceConfig, DeviceKind};
use crate::id::{DeviceId, InterlockId, PremisesId, TenantId};
use crate::policy::PolicyTimer;
use crate::quantity::{Quantity, Reading};
use crate::senml::Part;
use crate::time::Timestamp;
use minicbor::{Decoder, Encoder};
use std::collections::{HashMap, VecDeque};

/// Why devices do not make an interlock.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InterlockError {
    /// Twice the same device.
    #[error("{device} is there twice: list each device once")]
    Duplicate {
        /// Which one.
        device: DeviceId,
    },
    /// A link to a device of another interlock: its close would be lost.
    #[error("{device} closes {link}, which is not in the same interlock: put both into one")]
    LinkOutside {
        /// The device whose leak closes.
        device: DeviceId,
        /// What it names.
        link: DeviceId,
    },
    /// A link to something that cannot be closed.
    #[error("{device} closes {link}, which has no valve: link a shut-off valve or a meter")]
    LinkWithoutValve {
        /// The device whose leak closes.
        device: DeviceId,
        /// What it names.
        link: DeviceId,
    },
    /// A gateway that is not there, or is no gateway.
    #[error("{device} names {parent} as its gateway, which is not a gateway of the same interlock")]
    Parent {
        /// The child.
        device: DeviceId,
        /// What it names.
        parent: DeviceId,
    },
    /// Two children of a gateway with one serial: a reading could not be told apart.
    #[error("two children of {parent} have the serial `{serial}`: serials are unique within a gateway")]
    SerialTwice {
        /// The gateway.
        parent: DeviceId,
        /// The serial.
        serial: String,
    },
}

/// What was stored of an interlock.
#[derive(Clone, Debug, Default)]
pub struct StoredInterlock {
    /// Its devices as configured now.
    pub devices: Vec<DeviceConfig>,
    /// Snapshots of their memory, where there is one.
    pub memories: Vec<(DeviceId, DeviceMemory)>,
    /// The latest rule memory of each device, as [`super::Effects::rule_state`] gave it, where it is newer than the snapshot.
    pub rule_state: Vec<(DeviceId, Vec<u8>)>,
    /// Active alarms.
    pub alarms: Vec<Alarm>,
    /// Open commands, and of each device the newest arm and the newest close in whatever state.
    pub commands: Vec<Command>,
    /// Open timers of rules.
    pub timers: Vec<(DeviceId, PolicyTimer)>,
}

/// What a snapshot keeps of a device: everything that is not in the rows of alarms, commands and timers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceMemory {
    /// When it last reported.
    pub last_seen: Option<Timestamp>,
    /// Its latest reading of each quantity and when that arrived.
    pub latest: Vec<(Reading, Timestamp)>,
    /// The rule's memory, as [`super::Effects::rule_state`] gives it.
    pub rule_state: Vec<u8>,
    /// The highest counter of its commands, of its arms, and of its closes that were carried out.
    pub counters: [u64; 3],
}

/// Why bytes are not a snapshot of a device.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// Not the CBOR that was written.
    #[error("damaged snapshot of a device: {0}")]
    Cbor(#[from] minicbor::decode::Error),
    /// Written by another version of the platform.
    #[error("snapshot of a device in form {got}, expected 1: fold the journal from its beginning instead")]
    Form {
        /// What came.
        got: u8,
    },
}

impl DeviceMemory {
    const FORM: u8 = 1;

    /// The bytes to store.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::with_capacity(64 + self.latest.len() * 30 + self.rule_state.len()));
        let written = (|| {
            encoder.array(5)?.u8(Self::FORM)?;
            match self.last_seen {
                Some(at) => encoder.i64(at.as_millis())?,
                None => encoder.null()?,
            };
            encoder.array(self.latest.len() as u64)?;
            for (reading, received) in &self.latest {
                encoder.array(4)?.u16(reading.quantity.code())?.f64(reading.value)?;
                encoder.i64(reading.at.as_millis())?.i64(received.as_millis())?;
            }
            encoder.bytes(&self.rule_state)?.array(3)?;
            for counter in self.counters {
                encoder.u64(counter)?;
            }
            Ok::<_, minicbor::encode::Error<core::convert::Infallible>>(())
        })();
        debug_assert!(written.is_ok(), "writing to memory cannot fail");
        encoder.into_writer()
    }

    /// Reads what [`DeviceMemory::to_bytes`] wrote. Quantities that this version does not know are left out.
    ///
    /// # Errors
    /// [`MemoryError`] when the bytes are damaged or of another form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MemoryError> {
        let mut decoder = Decoder::new(bytes);
        decoder.array()?;
        let form = decoder.u8()?;
        if form != Self::FORM {
            return Err(MemoryError::Form { got: form });
        }
        let last_seen = if decoder.datatype()? == minicbor::data::Type::Null {
            decoder.null()?;
            None
        } else {
            Some(Timestamp::from_millis(decoder.i64()?))
        };
        let mut latest = Vec::new();
        for _ in 0..decoder.array()?.unwrap_or(0) {
            decoder.array()?;
            let (code, value) = (decoder.u16()?, decoder.f64()?);
            let at = Timestamp::from_millis(decoder.i64()?);
            let received = Timestamp::from_millis(decoder.i64()?);
            if let Some(quantity) = Quantity::from_code(code) {
                latest.push((Reading { quantity, value, at }, received));
            }
        }
        let rule_state = decoder.bytes()?.to_vec();
        decoder.array()?;
        let counters = [decoder.u64()?, decoder.u64()?, decoder.u64()?];
        Ok(Self { last_seen, latest, rule_state, counters })
    }
}

impl Interlock {
    /// A new interlock, of which nothing is stored yet.
    ///
    /// # Errors
    /// [`InterlockError`] when the devices do not fit together.
    pub fn new(
        id: InterlockId,
        tenant: TenantId,
        devices: Vec<DeviceConfig>,
        now: Timestamp,
        limits: &Limits,
    ) -> Result<Self, InterlockError> {
        let mut new = Self::restore(id, tenant, StoredInterlock { devices, ..StoredInterlock::default() })?;
        new.resume(now, None, limits);
        Ok(new)
    }

    /// From what was stored. Call [`Interlock::remember`] for the journal's tail, then [`Interlock::resume`].
    ///
    /// # Errors
    /// [`InterlockError`] when the devices do not fit together. Rows of devices that are no longer there are left out.
    pub fn restore(id: InterlockId, tenant: TenantId, stored: StoredInterlock) -> Result<Self, InterlockError> {
        let devices = stored.devices.into_iter().map(Device::new).collect();
        let clock = Timestamp::default();
        let mut new = Self { id, tenant, devices, clock, due: None, finished: VecDeque::new() };
        new.connect()?;
        for (device, memory) in stored.memories {
            let Some(d) = new.index(device) else { continue };
            let device = &mut new.devices[d];
            device.last_seen = memory.last_seen;
            for (reading, received) in memory.latest {
                device.set_latest(reading, received);
            }
            device.rule.read_blob(&memory.rule_state);
            [device.counter, device.arm_counter, device.closed_counter] = memory.counters;
        }
        for (device, state) in stored.rule_state {
            new.remember_rule(device, &state);
        }
        new.take_rows(StoredInterlock {
            alarms: stored.alarms,
            commands: stored.commands,
            timers: stored.timers,
            ..StoredInterlock::default()
        });
        Ok(new)
    }

    /// Takes over the rows of alarms, commands and timers.
    pub(super) fn take_rows(&mut self, stored: StoredInterlock) {
        let mut alarms = stored.alarms;
        alarms.sort_by_key(|alarm| alarm.id);
        for alarm in alarms.into_iter().filter(|alarm| alarm.state.is_active()) {
            let Some(d) = self.index(alarm.device) else { continue };
            self.clock = self.clock.max(alarm.changed_at);
            self.devices[d].active.insert(alarm.condition);
            self.devices[d].alarms.push(alarm);
        }
        let mut finished = Vec::new();
        let mut commands = stored.commands;
        commands.sort_by_key(|command| (command.device, command.counter));
        for command in commands {
            let Some(d) = self.index(command.device) else { continue };
            self.clock = self.clock.max(command.changed_at);
            self.devices[d].note_counters(&command);
            if command.action == Action::Close {
                // The newest one comes last.
                let refused = matches!(command.state, CommandState::Rejected | CommandState::Failed);
                self.devices[d].refused_close = refused.then(|| command.clone());
            }
            if command.state.is_open() {
                self.devices[d].commands.push(command);
            } else {
                finished.push((command.changed_at, command.id));
            }
        }
        finished.sort_unstable();
        let oldest = finished.len().saturating_sub(REMEMBERED_COMMANDS);
        self.finished.extend(finished[oldest..].iter().map(|&(_, id)| id));
        for (device, timer) in stored.timers {
            let Some(d) = self.index(device) else { continue };
            self.devices[d].rule.timers.push(timer);
        }
    }

    /// Folds a journalled uplink into the memory. Nothing is decided.
    pub fn remember(&mut self, device: DeviceId, parts: &[Part], received_at: Timestamp) {
        let Some(d) = self.index(device) else { return };
        let at = received_at.max(self.devices[d].last_seen.unwrap_or_default());
        self.clock = self.clock.max(at);
        self.devices[d].hear(at);
        for part in parts {
            let (target, readings) = match &part.child {
                None => (d, &part.readings),
                Some(serial) => match self.child(d, serial) {
                    Some(child) => (child, &part.readings),
                    None => (d, &of_the_air(&part.readings)),
                },
            };
            self.devices[target].hear(at);
            for reading in readings {
                self.devices[target].absorb(reading, at);
            }
        }
    }

    /// Takes over a rule's memory, as [`super::Effects::rule_state`] gave it.
    pub fn remember_rule(&mut self, device: DeviceId, state: &[u8]) {
        if let Some(d) = self.index(device) {
            self.devices[d].rule.read_blob(state);
        }
    }

    /// Begins to work at `now`. `down_since` is when the platform was last known to work: nobody is silent for not
    /// having been heard while there was nobody to hear, and nobody within [`Limits::silence_grace`].
    pub fn resume(&mut self, now: Timestamp, down_since: Option<Timestamp>, limits: &Limits) {
        let seen = self.devices.iter().filter_map(|device| device.last_seen).max();
        self.clock = self.clock.max(seen.unwrap_or_default());
        // What this ends is stored still; it is found, and ended, again after the next start.
        self.follow_clock(now, &mut Effects::default());
        for device in &mut self.devices {
            let from = match (device.last_seen, down_since) {
                (Some(seen), Some(down)) => seen + now.since(down.max(seen).min(now)),
                (Some(_) | None, _) => now,
            };
            let window = device.silence_window(limits).unwrap_or_default();
            device.watch_from = from.max(now + limits.silence_grace.min(window) - window);
            device.announced = device.valve();
        }
        self.due = self.earliest(limits);
    }

    /// What a snapshot keeps of a device; `None` when it is not in this interlock.
    pub fn memory(&self, device: DeviceId) -> Option<DeviceMemory> {
        let device = &self.devices[self.index(device)?];
        Some(DeviceMemory {
            last_seen: device.last_seen,
            latest: device.readings().collect(),
            rule_state: device.rule.to_blob(),
            counters: [device.counter, device.arm_counter, device.closed_counter],
        })
    }

    /// Takes over a changed configuration. Devices that stay keep all that is known of them; those that go are forgotten.
    ///
    /// # Errors
    /// [`InterlockError`] when the devices do not fit together; nothing has changed then.
    pub fn reconfigure(
        &mut self,
        devices: Vec<DeviceConfig>,
        now: Timestamp,
        limits: &Limits,
    ) -> Result<(), InterlockError> {
        let devices = devices
            .into_iter()
            .map(|config| {
                let Some(d) = self.index(config.id) else {
                    let mut new = Device::new(config);
                    new.watch_from = now;
                    return new;
                };
                let mut known = self.devices[d].clone();
                known.config = config;
                known
            })
            .collect();
        let mut next = Self { devices, finished: self.finished.clone(), ..*self };
        next.connect()?;
        next.due = next.earliest(limits);
        *self = next;
        Ok(())
    }

    /// Turns ids into places, and refuses what would be lost.
    fn connect(&mut self) -> Result<(), InterlockError> {
        self.devices.sort_by_key(|device| device.config.id);
        if let Some(pair) = self.devices.windows(2).find(|pair| pair[0].config.id == pair[1].config.id) {
            return Err(InterlockError::Duplicate { device: pair[0].config.id });
        }
        for device in &mut self.devices {
            device.valves.clear();
            device.linked_from.clear();
            device.line.clear();
            device.meters.clear();
            device.children = HashMap::new();
            device.parent = None;
        }
        self.join_premises();
        for d in 0..self.devices.len() {
            let config = self.devices[d].config.clone();
            let device = config.id;
            let mut valves = Vec::with_capacity(config.links.len() + 1);
            if config.kind.has_valve() {
                valves.push(d);
            }
            for link in config.links {
                let v = self.index(link).ok_or(InterlockError::LinkOutside { device, link })?;
                if !self.devices[v].config.kind.has_valve() {
                    return Err(InterlockError::LinkWithoutValve { device, link });
                }
                if !valves.contains(&v) {
                    valves.push(v);
                }
            }
            for &v in &valves {
                self.devices[v].linked_from.push(d);
            }
            self.devices[d].valves = valves;
            if let Some(parent) = config.parent {
                let at = self.index(parent).filter(|&p| self.devices[p].config.kind == DeviceKind::Gateway);
                let at = at.filter(|&p| p != d).ok_or(InterlockError::Parent { device, parent })?;
                self.devices[d].parent = Some(at);
                if self.devices[at].children.insert(config.serial.clone(), d).is_some() {
                    return Err(InterlockError::SerialTwice { parent, serial: config.serial });
                }
            }
        }
        Ok(())
    }

    /// Meters and shut-off valves of one premises know each other: what flows through the meter passes the valves.
    fn join_premises(&mut self) {
        let mut joined: HashMap<PremisesId, (Vec<usize>, Vec<usize>)> = HashMap::new();
        for (d, device) in self.devices.iter().enumerate() {
            let Some(premises) = device.config.premises else { continue };
            let (valves, meters) = joined.entry(premises).or_default();
            match device.config.kind {
                DeviceKind::Valve => valves.push(d),
                DeviceKind::Meter => meters.push(d),
                DeviceKind::Detector | DeviceKind::Controller | DeviceKind::WellMonitor | DeviceKind::Gateway => {}
            }
        }
        for (valves, meters) in joined.into_values() {
            for &v in &valves {
                self.devices[v].meters.clone_from(&meters);
            }
            for &d in valves.iter().chain(&meters) {
                self.devices[d].line.clone_from(&valves);
            }
        }
    }
}
