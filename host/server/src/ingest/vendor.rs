//! Messages in a vendor's own form: read by the driver of the device's model, set aside when it cannot, and read again by a better one.
//!
//! What a driver read goes the way of every reading: the floor judges it in native code. No close waits for a driver: what it cannot write goes
//! out in the platform's own form, and a person is told.

use super::request::Kind;
use super::shard::Shard;
use super::state::{DeviceSlot, ShardState};
use super::work::Payload;
use crate::operate::{Again, OperateError, SetAside};
use crate::rules::drivers::LoadedDriver;
use davy_coap::ExchangeId;
use davy_domain::driven::{DRIVEN, Driven, OCTETS, Said};
use davy_domain::interlock::Input;
use davy_domain::wire::PendingCommand;
use davy_domain::{Action, CommandId, DeviceId, InterlockId, QuarantineId, Timestamp};
use davy_rules::driver::Message;
use davy_store::{JournalRow, RowKind};
use metrics::counter;
use std::collections::{HashMap, HashSet};

/// What a shard remembers of the devices that speak through a driver.
#[derive(Default)]
pub(super) struct Vendors {
    /// Whose last order no driver could write.
    unwritten: HashSet<DeviceId>,
    /// Of them, those of whom nobody has been told yet, with their interlocks.
    untold: Vec<(u32, DeviceId)>,
    /// The order that was written last: a message holds one, so the next one's turn comes after it.
    last: HashMap<DeviceId, CommandId>,
}

/// What becomes of a step, gathered over all steps of a message.
#[derive(Default)]
struct Folded {
    changed: bool,
    rule_state: Option<Vec<u8>>,
}

impl Shard {
    /// An uplink that is no SenML, of a device whose model has this driver.
    pub(super) fn vendor_uplink(
        &mut self,
        state: &mut ShardState,
        driver: &LoadedDriver,
        exchange: ExchangeId,
        slot: DeviceSlot,
        (sequence, raw): (Option<u64>, Vec<u8>),
    ) {
        let now = self.clock.now();
        let result = read(driver, state, slot.device, (now, OCTETS), &raw);
        counter!("davy_messages_driven_total").increment(1);
        self.counters.uplinks.increment(1);
        let (folded, set_aside) = match &result {
            Ok(said) => (self.fold_said(state, slot, sequence, said, now), None),
            Err(reason) => {
                counter!("davy_messages_set_aside_total").increment(1);
                tracing::warn!(device.id = %slot.device, reason, "a driver cannot read a message: it is set aside");
                let set_aside = QuarantineId::from_raw(self.ids.next_raw(now));
                (self.fold_unread(state, slot, sequence, now), Some(set_aside))
            }
        };
        // What nobody could read may be a leak: it is not what can wait.
        let quiet = !folded.changed && result.is_ok();
        if quiet && self.must_shed(slot.tenant) {
            self.turn_away(state, exchange, slot, folded.rule_state, now);
            return;
        }
        self.crowd.count(slot.tenant, true);
        let (digest, settings_version) = (driver.digest, driver.settings_version);
        let message =
            Driven { set_aside, received_at: now, format: OCTETS, raw, driver: digest, settings_version, result };
        let row = row(slot, RowKind::Uplink, sequence, now, &message, folded.rule_state);
        self.journal(slot.interlock_id, row);
        self.wait(state, slot, exchange, sequence, Kind::Report { quiet });
    }

    /// What a driver read: first what became of orders, as of a device that speaks the platform's own form, then the readings.
    fn fold_said(
        &mut self,
        state: &mut ShardState,
        slot: DeviceSlot,
        sequence: Option<u64>,
        said: &Said,
        now: Timestamp,
    ) -> Folded {
        self.counters.readings.increment(said.count() as u64);
        let mut folded = Folded::default();
        for report in &said.reports {
            let command = state.look(slot.interlock).and_then(|interlock| {
                interlock.command_by_counter(slot.device, report.child.as_deref(), report.counter)
            });
            // Of an order that is over: a repeat.
            let Some(command) = command else { continue };
            let (counter, outcome, at) = (report.counter, report.outcome, report.at);
            let input = Input::Outcome { device: slot.device, command, counter, outcome, at };
            self.fold_one(state, slot, input, now, &mut folded);
        }
        let input = Input::Uplink { device: slot.device, sequence, parts: &said.parts };
        self.fold_one(state, slot, input, now, &mut folded);
        if fails(state, slot) && !self.vendors.unwritten.contains(&slot.device) {
            let input = Input::Driver { device: slot.device, fails: false };
            self.fold_one(state, slot, input, now, &mut folded);
        }
        folded
    }

    /// The device was heard, and a person is told that nobody understands it.
    fn fold_unread(
        &mut self,
        state: &mut ShardState,
        slot: DeviceSlot,
        sequence: Option<u64>,
        now: Timestamp,
    ) -> Folded {
        let mut folded = Folded::default();
        let input = Input::Uplink { device: slot.device, sequence, parts: &[] };
        self.fold_one(state, slot, input, now, &mut folded);
        if !fails(state, slot) {
            let input = Input::Driver { device: slot.device, fails: true };
            self.fold_one(state, slot, input, now, &mut folded);
        }
        folded
    }

    fn fold_one(
        &mut self,
        state: &mut ShardState,
        slot: DeviceSlot,
        input: Input<'_>,
        now: Timestamp,
        folded: &mut Folded,
    ) {
        let stepped = self.step(state, slot.interlock, Some(slot.device), input, now);
        folded.changed |= stepped.changed;
        folded.rule_state = stepped.rule_state.or(folded.rule_state.take());
    }

    /// Reads what was set aside with the driver that is in force now; the readings count from here on, late. What became of orders is
    /// left alone: those orders are over.
    pub(super) fn read_again(
        &mut self,
        state: &mut ShardState,
        interlock_id: InterlockId,
        message: SetAside,
    ) -> Result<Again, OperateError> {
        let SetAside { id, device, received_at, format, raw } = message;
        let unknown = || OperateError::Unknown { what: device.to_string() };
        let interlock = state.interlock_of(device).ok_or_else(unknown)?;
        let (tenant, _) = state.name_of(interlock).ok_or_else(unknown)?;
        let Some(driver) = state.driver_of(device) else { return Ok(Again::NoDriver) };
        let (digest, settings_version) = (driver.digest, driver.settings_version);
        let said = match read(&driver, state, device, (received_at, format), &raw) {
            Ok(said) => said,
            Err(reason) => return Ok(Again::Unread { driver: digest, settings_version, reason }),
        };
        let slot = DeviceSlot { device, tenant, interlock, interlock_id };
        let now = self.clock.now();
        let mut folded = Folded::default();
        self.counters.readings.increment(said.count() as u64);
        self.fold_one(state, slot, Input::Late { device, parts: &said.parts }, now, &mut folded);
        let readings = said.count();
        let result = Ok(said);
        let message =
            Driven { set_aside: Some(id), received_at, format, raw, driver: digest, settings_version, result };
        let row = row(slot, RowKind::Late, None, now, &message, folded.rule_state);
        self.journal(interlock_id, row);
        counter!("davy_messages_read_late_total").increment(1);
        Ok(Again::Read { readings })
    }

    /// The commands for a device as they travel: one in the vendor's form where its model has a driver, all of them in the platform's
    /// own otherwise, and when the driver fails.
    pub(super) fn pending(&mut self, state: &ShardState, interlock: u32, device: DeviceId, now: Timestamp) -> Payload {
        let own = state.pending(interlock, device, now);
        if own.commands.is_empty() {
            return own;
        }
        let Some(driver) = state.driver_of(device) else { return own };
        let pending = state.look(interlock).map(|interlock| interlock.pending_messages(device, now));
        let pending = pending.unwrap_or_default();
        let Some(command) = self.vendors.next(device, &pending) else { return own };
        match driver.write(command, state.serial_of(device), now) {
            Ok((bytes, format)) => {
                self.vendors.unwritten.remove(&device);
                self.vendors.last.insert(device, command.id);
                Payload { bytes, format, commands: vec![command.id] }
            }
            Err(reason) => {
                counter!("davy_orders_unwritten_total").increment(1);
                tracing::error!(device.id = %device, command.id = %command.id, reason, "a driver cannot write an order: it goes out in the platform's own form");
                if self.vendors.unwritten.insert(device) {
                    self.vendors.untold.push((interlock, device));
                }
                own
            }
        }
    }

    /// Tells people of the orders that no driver could write, in the commit of whatever led to them.
    pub(super) fn tell_unwritten(&mut self, state: &mut ShardState) {
        while let Some((interlock, device)) = self.vendors.untold.pop() {
            let now = self.clock.now();
            self.step(state, interlock, None, Input::Driver { device, fails: true }, now);
        }
    }
}

impl Vendors {
    /// Whose turn it is: closes before everything else, and among equals the one after the one that went last.
    fn next<'p>(&self, device: DeviceId, pending: &'p [PendingCommand]) -> Option<&'p PendingCommand> {
        let closes: Vec<_> = pending.iter().filter(|command| command.action == Action::Close).collect();
        let eligible = if closes.is_empty() { pending.iter().collect() } else { closes };
        let last = self.last.get(&device);
        let place = eligible.iter().position(|command| Some(&command.id) == last).map_or(0, |place| place + 1);
        eligible.get(place).or(eligible.first()).copied()
    }
}

fn read(
    driver: &LoadedDriver,
    state: &ShardState,
    device: DeviceId,
    (received_at, format): (Timestamp, u16),
    payload: &[u8],
) -> Result<Said, String> {
    let kind = state.kind_of(device).ok_or_else(|| format!("{device} is not known here"))?;
    driver.read(&Message { kind, serial: state.serial_of(device), received_at, format, payload })
}

fn fails(state: &ShardState, slot: DeviceSlot) -> bool {
    let device = state.look(slot.interlock).and_then(|interlock| interlock.device(slot.device));
    device.is_some_and(davy_domain::interlock::DeviceView::driver_fails)
}

fn row(
    slot: DeviceSlot,
    kind: RowKind,
    sequence: Option<u64>,
    now: Timestamp,
    message: &Driven,
    rule_state: Option<Vec<u8>>,
) -> JournalRow {
    JournalRow {
        tenant: slot.tenant,
        device: slot.device,
        sequence,
        received_at: now,
        payload: message.encode(),
        format: DRIVEN,
        rule_state,
        kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(id: i64, action: Action) -> PendingCommand {
        let (deadline, counter) = (Timestamp::default(), id.unsigned_abs());
        PendingCommand { id: CommandId::from_raw(id), action, counter, deadline, child: None }
    }

    #[test]
    fn each_order_has_its_turn_and_a_close_has_it_first() {
        let device = DeviceId::from_raw(1);
        let mut vendors = Vendors::default();
        let pending = [command(1, Action::Arm), command(2, Action::Close), command(3, Action::Close)];
        let mut turns = Vec::new();
        for _ in 0..4 {
            let next = vendors.next(device, &pending).unwrap().id;
            vendors.last.insert(device, next);
            turns.push(next.raw());
        }
        assert_eq!(turns, [2, 3, 2, 3]);
        assert_eq!(vendors.next(device, &pending[..1]).unwrap().id.raw(), 1, "when no close waits any longer");
        assert!(vendors.next(device, &[]).is_none());
    }
}
