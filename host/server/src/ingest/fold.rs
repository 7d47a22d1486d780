//! The shard's side of the fold: steps an interlock and sorts what comes of it into what is stored, announced and delivered.

use super::shard::Shard;
use super::state::ShardState;
use super::work::Delivery;
use crate::live::Change;
use davy_domain::interlock::{Effects, Input, RejectReason};
use davy_domain::{DeviceId, InterlockId, Quantity, Timestamp};
use davy_store::{JournalRow, RowKind};

/// What became of a step, for whoever caused it.
#[derive(Debug, Default)]
pub(super) struct Stepped {
    /// Whether anything but readings and the rule's memory changed.
    pub changed: bool,
    /// The rule's new memory for the device that spoke, to be journalled with what it said.
    pub rule_state: Option<Vec<u8>>,
    /// Why nothing was done.
    pub rejected: Option<RejectReason>,
}

impl Shard {
    /// Folds one input, which `speaker` sent (none when a person or time did).
    pub(super) fn step(
        &mut self,
        state: &mut ShardState,
        interlock: u32,
        speaker: Option<DeviceId>,
        input: Input<'_>,
        now: Timestamp,
    ) -> Stepped {
        state.step(interlock, input, now, &mut self.ids, &mut self.effects);
        self.take_readings(state, now, !matches!(input, Input::Late { .. }));
        if self.effects.is_empty() {
            return Stepped::default();
        }
        let rejected = self.effects.rejected.take();
        let spoken = self.effects.rule_state.iter().position(|(device, _)| Some(*device) == speaker);
        let rule_state = spoken.map(|at| self.effects.rule_state.swap_remove(at).1);
        // A memory without an uplink to carry it is a row of its own, in the order in which it came about.
        let memories = std::mem::take(&mut self.effects.rule_state);
        if let Some((tenant, id)) = state.name_of(interlock) {
            for (device, memory) in memories {
                self.journal(id, JournalRow::memory(tenant, device, now, memory));
            }
        }
        for (gateway, serial) in self.effects.unknown_children.drain(..) {
            metrics::counter!("davy_unknown_children_total").increment(1);
            tracing::warn!(device.id = %gateway, serial, "a gateway reports for a device that is not provisioned behind it");
        }
        for device in std::mem::take(&mut self.effects.deliver) {
            if self.observers.contains_key(&device) {
                let delivery = Delivery { device, payload: self.pending(state, interlock, device, now) };
                let closes = state.look(interlock).is_some_and(|interlock| interlock.only_closes_leaks(device, now));
                let waiting = if closes { &mut self.closes } else { &mut self.work.release.notifications };
                waiting.push(delivery);
            }
        }
        if self.effects.is_empty() {
            return Stepped { changed: false, rule_state, rejected };
        }
        self.announce(state, interlock);
        if let Some((tenant, id)) = state.name_of(interlock) {
            self.work.effects.push((tenant, id, std::mem::take(&mut self.effects)));
        }
        Stepped { changed: true, rule_state, rejected }
    }

    /// Puts a row among those to be stored.
    pub(super) fn journal(&mut self, interlock: InterlockId, row: JournalRow) {
        if row.kind == RowKind::RuleState || row.rule_state.is_some() {
            self.memories.remove(&row.device);
        }
        self.work.push(interlock, row);
    }

    /// Keeps the readings for pages and tells whoever watches the device.
    fn take_readings(&mut self, state: &mut ShardState, now: Timestamp, heard: bool) {
        let mut from = 0;
        while let Some(&(device, _)) = self.effects.readings.get(from) {
            let count = self.effects.readings[from..].iter().take_while(|(each, _)| *each == device).count();
            let readings = &self.effects.readings[from..from + count];
            state.remember(device, readings.iter().map(|(_, reading)| *reading), now, heard);
            if self.live.watches(device) {
                let readings = readings.iter().map(|(_, reading)| *reading).collect();
                self.work.announcements.extend(state.committed(device, Change::Readings(readings)));
            }
            if readings.iter().any(|(_, reading)| reading.quantity == Quantity::Valve) {
                self.announce_valve(state, device);
            }
            from += count;
        }
        self.effects.readings.clear();
    }

    /// Puts the changed alarms and commands among what is published after the commit.
    fn announce(&mut self, state: &mut ShardState, interlock: u32) {
        let Effects { alarms, commands, .. } = &self.effects;
        let alarms = alarms.iter().map(|change| (change.alarm.device, Change::Alarm(change.alarm.clone())));
        let commands = commands.iter().map(|change| (change.command.device, Change::Command(change.command.clone())));
        self.work
            .announcements
            .extend(alarms.chain(commands).filter_map(|(device, change)| state.committed(device, change)));
        if !self.effects.commands.is_empty() {
            for device in state.devices_of(interlock) {
                self.announce_valve(state, device);
            }
        }
    }

    fn announce_valve(&mut self, state: &mut ShardState, device: DeviceId) {
        if let Some(valve) = state.valve_moved(device) {
            self.work.announcements.extend(state.committed(device, Change::Valve(valve)));
        }
    }
}
