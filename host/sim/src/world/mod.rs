//! A city: premises and wells, the devices in them, and time.
//!
//! Deterministic by seed: the same list, the same settings and the same inputs at the same times give the same actions. Everything
//! happens at its own time, however long the steps are in which [`World::step`] is called. Must never read a clock or open a socket.

pub mod action;
pub mod calendar;
pub mod habits;
pub mod home;
pub mod leak;
pub mod nuisance;
mod place;
pub mod room;
pub mod valve;
pub mod well;

pub use action::{Action, DeviceIndex, Fact, Fault, PlaceIndex, Received};

use crate::{
    chance::Chance,
    device::{
        Device, Firmware, Intent, Senses, Setup,
        report::{Part, Report, Sample},
    },
};
use davy_domain::{DeviceKind, Span, Timestamp, command::DeviceOutcome, wire::PendingCommand};
use home::{Home, Life, Moved};
use leak::{FlueFault, Leak, LeakSite};
use place::Place;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};
use valve::{Arrival, Valve};
use well::Well;

/// One device of the list that a world is made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// How it is set up.
    pub setup: Setup,
    /// What says where it is: devices with the same text are in the same premises. A well monitor has a well of its own.
    pub premises: Option<String>,
    /// The gateway that speaks for it, by place in the list; none when it speaks for itself.
    pub speaker: Option<DeviceIndex>,
}

/// Settings of a world.
#[derive(Clone, Debug, PartialEq)]
pub struct WorldConfig {
    /// Of all chance.
    pub seed: u64,
    /// Hours at home per hour of the devices, at least 1.
    pub life_scale: f64,
    /// Share of the meals that rise to a detector, 0 to 1.
    pub nuisance_per_meal: f64,
    /// Share of the closes that jam, 0 to 1.
    pub jam_chance: f64,
    /// How long until a person has mended a leak; none leaves it.
    pub repair_after: Option<Span>,
    /// From here on gas is a leak by law, %LEL.
    pub floor_lel: f64,
    /// From here on carbon monoxide is a danger by law, ppm.
    pub floor_co_ppm: f64,
    /// Figures of the devices' firmware; its pace is also that of the gas.
    pub firmware: Firmware,
}

impl Default for WorldConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            life_scale: 1.0,
            nuisance_per_meal: 0.06,
            jam_chance: 0.0,
            repair_after: None,
            floor_lel: 25.0,
            floor_co_ppm: 300.0,
            firmware: Firmware::default(),
        }
    }
}

const NOT_SCHEDULED: Timestamp = Timestamp::from_millis(i64::MAX);

struct Entry {
    device: Device,
    place: Option<PlaceIndex>,
    /// Its valve, by its place among the premises' valves.
    valve: Option<usize>,
    speaker: Option<DeviceIndex>,
    scheduled: Timestamp,
}

/// The city.
pub struct World {
    config: WorldConfig,
    devices: Vec<Entry>,
    places: Vec<Place>,
    agenda: BinaryHeap<Reverse<(Timestamp, u32)>>,
    repairs: BinaryHeap<Reverse<(Timestamp, PlaceIndex)>>,
    chance: Chance,
    now: Timestamp,
    tickets: u64,
    intents: Vec<Intent>,
    moved: Vec<Moved>,
}

impl World {
    /// A city of these devices, at `now`.
    pub fn new(config: WorldConfig, specs: &[Spec], now: Timestamp) -> Self {
        let mut world = Self {
            devices: Vec::with_capacity(specs.len()),
            places: Vec::new(),
            agenda: BinaryHeap::new(),
            repairs: BinaryHeap::new(),
            chance: Chance::new(config.seed, 0),
            now,
            tickets: 0,
            intents: Vec::new(),
            moved: Vec::new(),
            config,
        };
        let mut premises: HashMap<&str, PlaceIndex> = HashMap::new();
        for (index, spec) in specs.iter().enumerate() {
            let place = match (spec.setup.kind, &spec.premises) {
                (DeviceKind::WellMonitor, _) => Some(world.add_place(now, true)),
                (DeviceKind::Gateway, _) | (_, None) => None,
                (_, Some(name)) => Some(*premises.entry(name).or_insert_with(|| world.add_place(now, false))),
            };
            let children_with_valves = specs
                .iter()
                .any(|other| other.speaker == Some(DeviceIndex(index as u32)) && other.setup.kind.has_valve());
            world.add_device(spec, place, children_with_valves, now);
        }
        world
    }

    fn add_place(&mut self, now: Timestamp, well: bool) -> PlaceIndex {
        let index = PlaceIndex(self.places.len() as u32);
        let mut chance = Chance::new(self.config.seed, 1_000_000 + u64::from(index.0));
        let pace = self.config.firmware.pace;
        self.places.push(if well {
            Place::of_well(Well::new(now, pace, &mut chance))
        } else {
            let life = Life { began: now, scale: self.config.life_scale.max(1.0) };
            Place::of_home(Home::new(now, life, pace, self.config.nuisance_per_meal, chance))
        });
        index
    }

    fn add_device(&mut self, spec: &Spec, place: Option<PlaceIndex>, children_with_valves: bool, now: Timestamp) {
        let index = self.devices.len() as u32;
        let mut chance = Chance::new(self.config.seed, 1 + u64::from(index));
        let jam = self.config.jam_chance;
        let home = place.and_then(|place| self.places.get_mut(place.0 as usize)).and_then(Place::home_mut);
        let valve = home.filter(|_| spec.setup.kind.has_valve()).map(|home| {
            home.valves.push(Valve::new(jam, &mut chance));
            home.valves.len() - 1
        });
        let observes = spec.speaker.is_none() && (spec.setup.kind.has_valve() || children_with_valves);
        let device = Device::new(spec.setup.clone(), self.config.firmware, observes, now, chance);
        let scheduled = device.due();
        if let (Some(place), true) = (place, valve.is_some()) {
            self.places[place.0 as usize].valve_devices.push(DeviceIndex(index));
        }
        if let Some(place) = place {
            self.places[place.0 as usize].devices.push(DeviceIndex(index));
        }
        self.agenda.push(Reverse((scheduled, index)));
        self.devices.push(Entry { device, place, valve, speaker: spec.speaker, scheduled });
    }

    /// How many devices there are.
    pub fn len(&self) -> usize {
        self.devices.len()
    }

    /// Whether there is no device.
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// A device.
    pub fn device(&self, index: DeviceIndex) -> Option<&Device> {
        self.devices.get(index.0 as usize).map(|entry| &entry.device)
    }

    /// Where a device is.
    pub fn place_of(&self, index: DeviceIndex) -> Option<PlaceIndex> {
        self.devices.get(index.0 as usize)?.place
    }

    /// The devices of a place that have a valve.
    pub fn valves_of(&self, place: PlaceIndex) -> &[DeviceIndex] {
        self.places.get(place.0 as usize).map_or(&[], |place| &place.valve_devices)
    }

    /// All devices of a place.
    pub fn devices_of(&self, place: PlaceIndex) -> &[DeviceIndex] {
        self.places.get(place.0 as usize).map_or(&[], |place| &place.devices)
    }

    /// A premises as it is at the time of the last step; none for a well.
    pub fn home(&self, place: PlaceIndex) -> Option<&Home> {
        self.places.get(place.0 as usize).and_then(Place::home)
    }

    /// The premises where a leak can be felt and stopped: a detector that works, every valve open, nothing wrong yet.
    pub fn leakable(&self) -> Vec<PlaceIndex> {
        let indices = (0..self.places.len() as u32).map(PlaceIndex);
        indices
            .filter(|index| {
                let place = &self.places[index.0 as usize];
                let detects = place.devices.iter().any(|device| {
                    let device = &self.devices[device.0 as usize].device;
                    matches!(device.setup().kind, DeviceKind::Detector | DeviceKind::Controller) && device.is_up()
                });
                let home = place.home().filter(|home| home.is_open() && !home.is_hazardous() && home.gas_lel() < 1.0);
                detects && !place.valve_devices.is_empty() && home.is_some() && !place.was_hazardous
            })
            .collect()
    }

    /// When something happens next.
    pub fn next_due(&self) -> Option<Timestamp> {
        let device = self.agenda.peek().map(|Reverse((at, _))| *at);
        let repair = self.repairs.peek().map(|Reverse((at, _))| *at);
        [device, repair].into_iter().flatten().min()
    }

    /// Lets everything happen that is due by `now`, each at its own time.
    pub fn step(&mut self, now: Timestamp, out: &mut Vec<Action>) {
        while let Some(at) = self.next_due().filter(|at| *at <= now) {
            self.now = self.now.max(at);
            if let Some(Reverse((_, place))) = self.repairs.peek().filter(|Reverse((due, _))| *due <= at) {
                let place = *place;
                self.repairs.pop();
                self.repair(place, out);
                continue;
            }
            let Some(Reverse((at, index))) = self.agenda.pop() else { break };
            // An entry that was overtaken by a later decision is void.
            if self.devices[index as usize].scheduled == at {
                self.devices[index as usize].scheduled = NOT_SCHEDULED;
                self.wake(DeviceIndex(index), out);
            }
        }
        self.now = self.now.max(now);
    }

    fn wake(&mut self, index: DeviceIndex, out: &mut Vec<Action>) {
        let senses = self.sense(index, out);
        let mut intents = core::mem::take(&mut self.intents);
        let now = self.now;
        self.devices[index.0 as usize].device.wake(now, &senses, &mut intents);
        self.carry_out(index, &mut intents, out);
        self.intents = intents;
        self.schedule(index);
    }

    fn schedule(&mut self, index: DeviceIndex) {
        let now = self.now;
        let entry = &mut self.devices[index.0 as usize];
        // What is due in the past is due now; a tick later, so that time always moves on.
        let due = entry.device.due().max(now + Span::from_millis(1));
        // One valid entry a device: what is in the agenda already is not put there again.
        if due != entry.scheduled {
            entry.scheduled = due;
            self.agenda.push(Reverse((due, index.0)));
        }
    }

    /// Brings a device's place up to date and says what it can sense there. Valves that arrive on the way speak up.
    fn sense(&mut self, index: DeviceIndex, out: &mut Vec<Action>) -> Senses {
        let now = self.now;
        let Entry { place, valve, .. } = self.devices[index.0 as usize];
        let Some(place_index) = place else { return Senses { celsius: 15.0, ..Senses::default() } };
        let mut moved = core::mem::take(&mut self.moved);
        let place = &mut self.places[place_index.0 as usize];
        place.advance(now, &mut moved);
        let senses = place.senses(valve);
        if place.passes_floor(self.config.floor_lel, self.config.floor_co_ppm) {
            out.push(Action::Fact(Fact::FloorReached { place: place_index, at: now }));
        }
        for each in moved.drain(..) {
            self.valve_moved(place_index, each, out);
        }
        self.moved = moved;
        senses
    }

    fn valve_moved(&mut self, place: PlaceIndex, moved: Moved, out: &mut Vec<Action>) {
        let place = &self.places[place.0 as usize];
        let Some(&index) = place.valve_devices.get(moved.valve) else { return };
        let senses = place.senses(Some(moved.valve));
        out.push(Action::Fact(Fact::Moved { device: index, arrival: moved.arrival, at: moved.at }));
        let entry = &mut self.devices[index.0 as usize];
        entry.device.valve_due = None;
        if !entry.device.is_up() {
            return;
        }
        let outcome = match moved.arrival {
            Arrival::Jammed => DeviceOutcome::FailedJammed,
            Arrival::Closed | Arrival::Opened => DeviceOutcome::Actuated,
        };
        let mut intents = Vec::new();
        entry.device.valve_moved(outcome, self.now, &senses, &mut intents);
        self.carry_out(index, &mut intents, out);
        self.schedule(index);
    }

    fn carry_out(&mut self, index: DeviceIndex, intents: &mut Vec<Intent>, out: &mut Vec<Action>) {
        let mut closed_already = false;
        for intent in intents.drain(..) {
            match intent {
                Intent::Report { samples, urgent } => self.report(index, samples, urgent, out),
                Intent::Outcome { command, report } => {
                    let device = self.devices[index.0 as usize].speaker.unwrap_or(index);
                    out.push(Action::Outcome { device, command, report });
                }
                Intent::Close => closed_already = !self.close(index),
                Intent::PressButton => self.press_button(index),
                Intent::CloseLocally => {
                    let place = self.devices[index.0 as usize].place;
                    let valves = place.map(|place| self.valves_of(place).to_vec()).unwrap_or_default();
                    for valve in valves {
                        self.close(valve);
                        self.schedule(valve);
                    }
                }
                Intent::Observe => out.push(Action::Observe { device: index }),
                Intent::Radio(on) => out.push(Action::Radio { device: index, on }),
                Intent::Reboot => out.push(Action::Reboot { device: index }),
            }
        }
        let Entry { place: Some(place), valve: Some(valve), .. } = self.devices[index.0 as usize] else { return };
        if closed_already {
            // There is nothing to wait for: that the valve is home is said at once.
            let senses = self.places[place.0 as usize].senses(Some(valve));
            let now = self.now;
            self.devices[index.0 as usize].device.valve_moved(DeviceOutcome::Actuated, now, &senses, intents);
            self.carry_out(index, intents, out);
        }
    }

    /// Sends samples, through the gateway where there is one; the gateway adds what it has to say of itself.
    fn report(&mut self, index: DeviceIndex, samples: Vec<Sample>, urgent: bool, out: &mut Vec<Action>) {
        let entry = &self.devices[index.0 as usize];
        let speaker = entry.speaker.unwrap_or(index);
        let child = entry.speaker.map(|_| entry.device.setup().serial.clone());
        self.tickets += 1;
        let (ticket, now) = (self.tickets, self.now);
        let parts = vec![Part { child, samples }];
        // A gateway keeps what its children say as it keeps its own.
        let device = &mut self.devices[speaker.0 as usize].device;
        if !device.is_up() {
            device.uplinks.keep(parts);
            return;
        }
        let parts = device.uplinks.send(ticket, parts, urgent);
        let report = Report { clock: device.clock(now), sent: now, parts };
        out.push(Action::Uplink { device: speaker, ticket, report });
    }

    /// Sets a valve in motion, or leaves it in motion; false when it is closed already.
    fn close(&mut self, index: DeviceIndex) -> bool {
        let now = self.now;
        let Entry { place, valve, .. } = self.devices[index.0 as usize];
        let home = place.and_then(|place| self.places[place.0 as usize].home_mut());
        let Some(valve) = home.zip(valve).and_then(|(home, valve)| home.valves.get_mut(valve)) else { return true };
        valve.close(now, &mut self.chance);
        self.devices[index.0 as usize].device.valve_due = valve.moving_until();
        valve.moving_until().is_some()
    }

    fn press_button(&mut self, index: DeviceIndex) {
        let now = self.now;
        let Entry { place, valve, .. } = self.devices[index.0 as usize];
        let home = place.and_then(|place| self.places[place.0 as usize].home_mut());
        let Some(home) = home.filter(|home| !home.is_hazardous()) else { return };
        let Some(valve) = valve.and_then(|valve| home.valves.get_mut(valve)) else { return };
        if valve.open_by_hand(now) {
            let device = &mut self.devices[index.0 as usize].device;
            device.button_used();
            device.valve_due = valve.moving_until();
        }
    }

    /// The network tells a device something at `now`, which is not before the last step.
    pub fn receive(&mut self, index: DeviceIndex, received: Received, now: Timestamp, out: &mut Vec<Action>) {
        self.now = self.now.max(now);
        let now = self.now;
        if !self.devices.get(index.0 as usize).is_some_and(|entry| entry.device.is_up()) {
            return;
        }
        let senses = self.sense(index, out);
        let mut intents = core::mem::take(&mut self.intents);
        let device = &mut self.devices[index.0 as usize].device;
        let mut commands = Vec::new();
        match received {
            Received::Acknowledged { ticket, commands: with_it } => {
                commands = with_it;
                device.acknowledged(ticket, now, &senses, &mut intents);
            }
            Received::TurnedAway { ticket, wait } => device.failed(ticket, now, wait),
            Received::Lost { ticket } => device.failed(ticket, now, None),
            Received::Refused { ticket } => device.uplinks.refused(ticket),
            Received::Commands(notified) => commands = notified,
            Received::ObservationEnded => device.observation_ended(now),
        }
        self.carry_out(index, &mut intents, out);
        self.intents = intents;
        self.schedule(index);
        self.command(index, &commands, out);
    }

    fn command(&mut self, heard_by: DeviceIndex, commands: &[PendingCommand], out: &mut Vec<Action>) {
        for command in commands {
            let meant = match &command.child {
                None => Some(heard_by),
                Some(serial) => (0..self.devices.len() as u32).map(DeviceIndex).find(|index| {
                    let entry = &self.devices[index.0 as usize];
                    entry.speaker == Some(heard_by) && entry.device.setup().serial == *serial
                }),
            };
            let Some(index) = meant.filter(|index| self.devices[index.0 as usize].device.is_up()) else { continue };
            out.push(Action::Fact(Fact::Ordered { device: index, order: command.action, at: self.now }));
            let senses = self.sense(index, out);
            let mut intents = Vec::new();
            let now = self.now;
            let device = &mut self.devices[index.0 as usize].device;
            device.commanded(core::slice::from_ref(command), now, &senses, &mut intents);
            self.carry_out(index, &mut intents, out);
            self.schedule(index);
        }
    }

    /// Does something to the world at `now`. False when it does not apply: no such place, nothing to jam.
    pub fn inflict(&mut self, fault: Fault, now: Timestamp, out: &mut Vec<Action>) -> bool {
        self.now = self.now.max(now);
        let now = self.now;
        match fault {
            Fault::Leak(index, kind, site) => {
                let Some(place) = self.places.get_mut(index.0 as usize) else { return false };
                place.advance(now, &mut self.moved);
                let leak = Leak::draw(kind, site, place.room(), now, &mut self.chance);
                place.set_leak(Some(leak));
                out.push(Action::Fact(Fact::HazardBegan { place: index, leak: Some((kind, site)), at: now }));
                self.plan_repair(index);
            }
            Fault::CarbonMonoxide(index) => {
                let fault = FlueFault::draw(now, &mut self.chance);
                let Some(home) = self.places.get_mut(index.0 as usize).and_then(Place::home_mut) else { return false };
                home.advance(now, &mut self.moved);
                home.set_flue_fault(Some(fault));
                self.places[index.0 as usize].was_hazardous = true;
                out.push(Action::Fact(Fact::HazardBegan { place: index, leak: None, at: now }));
                self.plan_repair(index);
            }
            Fault::Jam(index) => {
                let Some(&Entry { place: Some(place), valve: Some(valve), .. }) = self.devices.get(index.0 as usize)
                else {
                    return false;
                };
                let Some(home) = self.places[place.0 as usize].home_mut() else { return false };
                home.valves[valve].spoil();
            }
            Fault::Reboot(index) => {
                let Some(entry) = self.devices.get_mut(index.0 as usize) else { return false };
                let mut intents = Vec::new();
                entry.device.reboot(now, &mut intents);
                self.carry_out(index, &mut intents, out);
                self.schedule(index);
            }
            Fault::Repair(index) => {
                if self.places.get(index.0 as usize).is_none() {
                    return false;
                }
                self.repair(index, out);
            }
        }
        self.settle_moved(out);
        true
    }

    fn settle_moved(&mut self, out: &mut Vec<Action>) {
        let places: Vec<PlaceIndex> = (0..self.places.len() as u32).map(PlaceIndex).collect();
        let moved = core::mem::take(&mut self.moved);
        // Only one place was advanced; its valves are found by the device that is still waiting for them.
        for each in moved {
            let waiting = places.iter().find(|place| {
                let device = self.places[place.0 as usize].valve_devices.get(each.valve);
                device.is_some_and(|device| self.devices[device.0 as usize].device.valve_due == Some(each.at))
            });
            if let Some(&place) = waiting {
                self.valve_moved(place, each, out);
            }
        }
    }

    fn plan_repair(&mut self, place: PlaceIndex) {
        if let Some(after) = self.config.repair_after {
            self.repairs.push(Reverse((self.now + after, place)));
        }
    }

    fn repair(&mut self, index: PlaceIndex, out: &mut Vec<Action>) {
        let jam = self.config.jam_chance;
        let place = &mut self.places[index.0 as usize];
        place.set_leak(None);
        place.was_hazardous = false;
        if let Some(home) = place.home_mut() {
            home.set_flue_fault(None);
            for valve in &mut home.valves {
                valve.free(jam);
            }
        }
        out.push(Action::Fact(Fact::Repaired { place: index, at: self.now }));
    }

    /// Whether a leak can be stopped by the valves: it is behind them.
    pub fn leak_site(&self, place: PlaceIndex) -> Option<LeakSite> {
        self.home(place)?.leak().map(|leak| leak.site)
    }
}
