//! How a device judges the commands it is given: the counter and the deadline are checked here too, not only on the platform.
//!
//! Must never let an old permission beat a newer close, and never do the same thing twice for one command.

use davy_domain::{
    Action, CommandId, Span, Timestamp,
    command::DeviceOutcome,
    wire::{OutcomeReport, PendingCommand},
};

/// A close is not refused for a deadline that a clock this far off could have passed by itself.
const CLOCK_TOLERANCE: Span = Span::from_secs(5);
/// How many finished commands are remembered, to answer repeats as before.
const REMEMBERED: usize = 8;

/// What a device knows when a command arrives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Circumstances {
    /// Its clock; none when it does not know the time.
    pub clock: Option<Timestamp>,
    /// Its battery, percent.
    pub battery_percent: f64,
    /// Its temperature, °C.
    pub celsius: f64,
    /// Whether it has a valve.
    pub has_valve: bool,
}

/// What is to be done about a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Close the valve.
    Close,
    /// Let a person open it, until the given time by the device's clock.
    Permit {
        /// By the device's clock; none when it does not know the time.
        until: Option<Timestamp>,
    },
    /// Do nothing and report this.
    Report(DeviceOutcome),
}

/// The memory of commands. It is kept in flash: a reboot changes nothing here.
#[derive(Clone, Debug, Default)]
pub struct Orders {
    highest: u64,
    done: Vec<(CommandId, u64, DeviceOutcome)>,
    permission: Option<Permission>,
}

/// A permission to open.
#[derive(Clone, Copy, Debug)]
struct Permission {
    /// By the device's clock; none when it did not know the time.
    until: Option<Timestamp>,
}

impl Orders {
    /// Judges a command.
    pub fn take(&mut self, command: &PendingCommand, now: &Circumstances) -> Verdict {
        if let Some((_, _, outcome)) =
            self.done.iter().find(|(id, counter, _)| (*id, *counter) == (command.id, command.counter))
        {
            return Verdict::Report(*outcome);
        }
        if command.counter <= self.highest {
            return Verdict::Report(DeviceOutcome::RefusedStale);
        }
        let tolerance = match command.action {
            Action::Close => CLOCK_TOLERANCE,
            Action::Arm => Span::ZERO,
        };
        if now.clock.is_some_and(|clock| clock > command.deadline + tolerance) {
            return Verdict::Report(DeviceOutcome::RefusedExpired);
        }
        if !now.has_valve {
            return Verdict::Report(DeviceOutcome::RefusedUnsupported);
        }
        match command.action {
            // A safety close is tried whatever the weather and with the last charge; only an empty battery cannot.
            Action::Close if now.battery_percent < 1.0 => return Verdict::Report(DeviceOutcome::RefusedBattery),
            Action::Arm if now.battery_percent <= 10.0 => return Verdict::Report(DeviceOutcome::RefusedBattery),
            Action::Arm if !(-25.0..=55.0).contains(&now.celsius) => {
                return Verdict::Report(DeviceOutcome::RefusedTemperature);
            }
            Action::Close | Action::Arm => {}
        }
        self.highest = command.counter;
        match command.action {
            Action::Close => {
                self.permission = None;
                self.remember(command, DeviceOutcome::Accepted);
                Verdict::Close
            }
            Action::Arm => {
                let until = now.clock.map(|_| command.deadline);
                self.permission = Some(Permission { until });
                self.remember(command, DeviceOutcome::Actuated);
                Verdict::Permit { until }
            }
        }
    }

    fn remember(&mut self, command: &PendingCommand, outcome: DeviceOutcome) {
        if self.done.len() >= REMEMBERED {
            self.done.remove(0);
        }
        self.done.push((command.id, command.counter, outcome));
    }

    /// A close has ended: every close still in hand gets this outcome. Says which commands to report.
    pub fn finish_closes(&mut self, outcome: DeviceOutcome) -> Vec<CommandId> {
        let open = self.done.iter_mut().filter(|(_, _, before)| *before == DeviceOutcome::Accepted);
        open.map(|(id, _, before)| {
            *before = outcome;
            *id
        })
        .collect()
    }

    /// Whether a person may open the valve now.
    pub fn permits_opening(&self, clock: Option<Timestamp>) -> bool {
        self.permission.is_some_and(|Permission { until }| match (until, clock) {
            (Some(until), Some(clock)) => clock <= until,
            (None, _) | (_, None) => true,
        })
    }

    /// The permission is used up.
    pub const fn use_permission(&mut self) {
        self.permission = None;
    }

    /// What to report of a command.
    pub const fn report(&self, outcome: DeviceOutcome, at: Timestamp) -> OutcomeReport {
        OutcomeReport { counter: self.highest, outcome, at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn command(counter: u64, action: Action) -> PendingCommand {
        PendingCommand {
            id: CommandId::from_raw(1000 + counter as i64),
            action,
            counter,
            deadline: Timestamp::from_millis(1_000_000),
            child: None,
        }
    }

    fn circumstances() -> Circumstances {
        Circumstances {
            clock: Some(Timestamp::from_millis(900_000)),
            battery_percent: 80.0,
            celsius: 20.0,
            has_valve: true,
        }
    }

    #[test]
    fn a_repeat_answers_as_before_and_does_nothing() {
        let mut orders = Orders::default();
        assert_eq!(orders.take(&command(5, Action::Close), &circumstances()), Verdict::Close);
        assert_eq!(orders.take(&command(5, Action::Close), &circumstances()), Verdict::Report(DeviceOutcome::Accepted));
        assert_eq!(orders.finish_closes(DeviceOutcome::Actuated), [CommandId::from_raw(1005)]);
        assert_eq!(orders.take(&command(5, Action::Close), &circumstances()), Verdict::Report(DeviceOutcome::Actuated));
        assert_eq!(orders.finish_closes(DeviceOutcome::Actuated), []);
    }

    #[test]
    fn what_came_too_late_is_refused_unless_the_clock_may_be_at_fault() {
        let late = |ms: i64| Circumstances { clock: Some(Timestamp::from_millis(1_000_000 + ms)), ..circumstances() };
        let mut orders = Orders::default();
        let expired = Verdict::Report(DeviceOutcome::RefusedExpired);
        assert_eq!(orders.take(&command(1, Action::Arm), &late(1)), expired);
        assert_eq!(orders.take(&command(1, Action::Close), &late(5_001)), expired);
        assert_eq!(orders.take(&command(1, Action::Close), &late(4_999)), Verdict::Close);
        let lost = Circumstances { clock: None, ..circumstances() };
        assert_eq!(orders.take(&command(2, Action::Close), &lost), Verdict::Close);
    }

    #[test]
    fn a_weak_battery_refuses_an_arm_but_not_a_close() {
        let weak = Circumstances { battery_percent: 6.0, ..circumstances() };
        let mut orders = Orders::default();
        assert_eq!(orders.take(&command(1, Action::Arm), &weak), Verdict::Report(DeviceOutcome::RefusedBattery));
        assert_eq!(orders.take(&command(2, Action::Close), &weak), Verdict::Close);
    }

    proptest! {
        #[test]
        fn an_old_arm_never_beats_a_newer_close(arrivals in prop::collection::vec((1_u64..20, any::<bool>()), 1..60)) {
            // One counter is one command: its action follows from the counter's first appearance.
            let mut actions = std::collections::HashMap::new();
            let mut orders = Orders::default();
            let mut newest_close = 0;
            let mut newest_arm = 0;
            for (counter, close) in arrivals {
                let action = *actions.entry(counter).or_insert(if close { Action::Close } else { Action::Arm });
                match orders.take(&command(counter, action), &circumstances()) {
                    Verdict::Permit { .. } => prop_assert!(counter > newest_close),
                    Verdict::Close => prop_assert!(counter > newest_close.max(newest_arm)),
                    Verdict::Report(_) => {}
                }
                match action {
                    Action::Close => newest_close = newest_close.max(counter),
                    Action::Arm => newest_arm = newest_arm.max(counter),
                }
                let clock = Some(Timestamp::from_millis(900_001));
                if orders.permits_opening(clock) {
                    prop_assert!(newest_arm > newest_close, "armed by {newest_arm} though {newest_close} closed");
                }
            }
        }
    }
}
