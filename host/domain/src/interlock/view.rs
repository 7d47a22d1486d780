//! Reading an interlock: for pages, for the live bus, for what goes out to devices.

use super::device::Device;
use super::{Interlock, Limits};
use crate::alarm::{Alarm, Origin};
use crate::command::{Action, Cause, Command, CommandState};
use crate::device::{Condition, ConditionSet, DeviceConfig, ValveState};
use crate::id::{AlarmId, CommandId, DeviceId};
use crate::policy::PolicyTimer;
use crate::quantity::{Quantity, Reading};
use crate::time::Timestamp;
use crate::wire::PendingCommand;

/// One device, as the interlock knows it.
#[derive(Clone, Copy)]
pub struct DeviceView<'a> {
    device: &'a Device,
}

impl<'a> DeviceView<'a> {
    /// Its configuration.
    pub const fn config(self) -> &'a DeviceConfig {
        &self.device.config
    }

    /// Where its valve is, as far as it is proven; `Unknown` for a device without one.
    pub fn valve(self) -> ValveState {
        self.device.valve()
    }

    /// When it last reported (the platform's clock).
    pub const fn last_seen(self) -> Option<Timestamp> {
        self.device.last_seen
    }

    /// Its latest reading of a quantity.
    pub fn latest(self, quantity: Quantity) -> Option<Reading> {
        self.device.latest(quantity).map(|latest| Reading { quantity, value: latest.value, at: latest.at })
    }

    /// Its latest reading of each quantity that it has reported, in the order of the quantities' codes.
    pub fn readings(self) -> impl Iterator<Item = Reading> + 'a {
        self.device.readings().map(|(reading, _)| reading)
    }

    /// Its active alarms, hidden ones among them, oldest first.
    pub fn alarms(self) -> &'a [Alarm] {
        &self.device.alarms
    }

    /// The conditions of its active alarms.
    pub const fn active(self) -> ConditionSet {
        self.device.active
    }

    /// Its open commands, lowest counter first.
    pub fn commands(self) -> &'a [Command] {
        &self.device.commands
    }

    /// Whether it may hold a permission to open.
    pub const fn armed(self) -> bool {
        self.device.armed()
    }

    /// Whether its valve needs no close at `now`: fresh reports prove it closed, and it cannot hold a permission to open.
    pub fn proven_closed(self, now: Timestamp, limits: &Limits) -> bool {
        self.device.proven_closed(now, limits)
    }

    /// Whether it is known that the driver of its model fails.
    pub fn driver_fails(self) -> bool {
        self.device.asserts(Condition::RuleFault, Origin::Driver)
    }

    /// The open timers of the tenant's rule.
    pub fn timers(self) -> &'a [PolicyTimer] {
        &self.device.rule.timers
    }

    /// The memory of the tenant's rule, without the platform's mark of which rule wrote it.
    pub fn rule_state(self) -> &'a [u8] {
        &self.device.rule.state
    }
}

impl Interlock {
    /// Its devices in the order of their ids.
    pub fn devices(&self) -> impl ExactSizeIterator<Item = DeviceView<'_>> {
        self.devices.iter().map(|device| DeviceView { device })
    }

    /// One of its devices.
    pub fn device(&self, id: DeviceId) -> Option<DeviceView<'_>> {
        self.index(id).map(|d| DeviceView { device: &self.devices[d] })
    }

    /// A child of a gateway, by its serial.
    pub fn child_of(&self, gateway: DeviceId, serial: &str) -> Option<DeviceView<'_>> {
        let d = self.child(self.index(gateway)?, serial)?;
        Some(DeviceView { device: &self.devices[d] })
    }

    /// The open command of a device (a gateway: of a child) that has this counter: a vendor's device knows no other name for it.
    pub fn command_by_counter(&self, device: DeviceId, child: Option<&str>, counter: u64) -> Option<CommandId> {
        let d = self.index(device)?;
        let d = child.map_or(Some(d), |serial| self.child(d, serial))?;
        self.devices[d].commands.iter().find(|command| command.counter == counter).map(|command| command.id)
    }

    /// Its active alarms.
    pub fn alarms(&self) -> impl Iterator<Item = &Alarm> {
        self.devices.iter().flat_map(|device| &device.alarms)
    }

    /// One of its active alarms.
    pub fn alarm(&self, id: AlarmId) -> Option<&Alarm> {
        self.alarms().find(|alarm| alarm.id == id)
    }

    /// The first leak alarm of those that are active: a controller shows it until it is dealt with (GB 16808).
    pub fn first_alarm(&self) -> Option<&Alarm> {
        self.alarms().filter(|alarm| alarm.condition.is_leak()).min_by_key(|alarm| (alarm.raised_at, alarm.id))
    }

    /// Its open commands.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.devices.iter().flat_map(|device| &device.commands)
    }

    /// One of its open commands.
    pub fn command(&self, id: CommandId) -> Option<&Command> {
        self.commands().find(|command| command.id == id)
    }

    /// What must go out to this device (and, for a gateway, to its children): oldest counter first, never one whose
    /// deadline has passed. A command goes out again until the device's own word or a proof is here: a transport's
    /// acknowledgement is not authenticated. After sending, report [`super::Transport::Sent`] for each.
    pub fn pending_for(&self, device: DeviceId, now: Timestamp) -> impl Iterator<Item = &Command> {
        let target = self.index(device);
        let mine = self.devices.iter().enumerate().filter(move |(d, each)| {
            target.is_some_and(|t| (*d == t && each.parent.is_none()) || each.parent == Some(t))
        });
        let mut open: Vec<&Command> = mine
            .flat_map(|(_, each)| &each.commands)
            .filter(|command| command.state.wants_sending() && command.deadline > now)
            .collect();
        // What has not been delivered comes first: one message holds only so many.
        open.sort_by_key(|command| {
            (command.state == CommandState::Acknowledged, command.counter, command.action == Action::Arm, command.id)
        });
        open.into_iter()
    }

    /// Whether a command is pending for a device that has not been delivered to it.
    pub fn has_undelivered(&self, device: DeviceId, now: Timestamp) -> bool {
        self.pending_for(device, now).any(|command| command.state != CommandState::Acknowledged)
    }

    /// Whether what is pending for a device is the closing of a leak's valves and nothing else.
    pub fn only_closes_leaks(&self, device: DeviceId, now: Timestamp) -> bool {
        let mut pending = self.pending_for(device, now).peekable();
        pending.peek().is_some() && pending.all(|command| matches!(command.cause, Cause::Leak { .. }))
    }

    /// The same, ready for [`crate::wire::encode_pending`].
    pub fn pending_messages(&self, device: DeviceId, now: Timestamp) -> Vec<PendingCommand> {
        self.pending_for(device, now)
            .map(|command| {
                let child = (command.device != device)
                    .then(|| self.device(command.device).map(|view| view.config().serial.clone()))
                    .flatten();
                PendingCommand { child, ..PendingCommand::new(command) }
            })
            .collect()
    }
}
