//! The firmware of a device: when it samples, reports, listens, obeys and reboots.
//!
//! It sees the world through [`Senses`] and acts through [`Intent`]s. Must never read a clock, open a socket, or know what is true of a
//! leak: it knows what its sensor shows.

pub mod clock;
pub mod orders;
pub mod report;
pub mod sensor;
pub mod sequence;
pub mod uplinks;

use crate::chance::Chance;
use clock::Clock;
use davy_domain::{
    CommandId, DeviceKind, Quantity, Span, Timestamp,
    command::DeviceOutcome,
    wire::{OutcomeReport, PendingCommand},
};
use orders::{Circumstances, Orders, Verdict};
use report::Sample;
use sensor::Sensor;
use uplinks::Uplinks;

/// How a device is set up. It does not change while the device lives.
#[derive(Clone, Debug, PartialEq)]
pub struct Setup {
    /// Printed on it.
    pub serial: String,
    /// What it is.
    pub kind: DeviceKind,
    /// How often it reports, above 0.
    pub interval: Span,
    /// Whether its radio is off between reports.
    pub sleepy: bool,
}

/// Figures of the firmware that all devices share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Firmware {
    /// How often a gas sensor is read.
    pub sample_every: Span,
    /// How long a sleepy device listens after its uplink was answered.
    pub listens_for: Span,
    /// How often an awake device renews its observation of `/c`.
    pub observe_refresh: Span,
    /// One reboot in this time, on average; none never.
    pub reboots_every: Option<Span>,
    /// From this reading on a detector closes the valve by wire; none leaves it to the platform.
    pub local_close_lel: Option<f64>,
    /// How much faster than life gas spreads, and sensors respond.
    pub pace: f64,
}

impl Default for Firmware {
    fn default() -> Self {
        Self {
            sample_every: Span::from_secs(1),
            listens_for: Span::from_secs(2),
            observe_refresh: Span::from_minutes(2),
            reboots_every: Some(Span::from_days(30)),
            local_close_lel: None,
            pace: 1.0,
        }
    }
}

/// What a device can sense at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Senses {
    /// What a gas sensor would see, %LEL.
    pub gas_lel: f64,
    /// Carbon monoxide, ppm.
    pub co_ppm: f64,
    /// Around the device, °C.
    pub celsius: f64,
    /// Through the meter, m³/h.
    pub flow_m3h: f64,
    /// The meter's index, m³.
    pub index_m3: f64,
    /// Of its own valve, when it has one: whether it is home.
    pub valve_closed: Option<bool>,
}

/// What a device wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Intent {
    /// Send samples.
    Report {
        /// What was measured.
        samples: Vec<Sample>,
        /// Whether it must not wait.
        urgent: bool,
    },
    /// Report the outcome of a command.
    Outcome {
        /// Of which.
        command: CommandId,
        /// What to say.
        report: OutcomeReport,
    },
    /// Close its own valve.
    Close,
    /// A person is at the device and presses the button.
    PressButton,
    /// Close the valves of the premises by wire.
    CloseLocally,
    /// Register, or register again, for notifications of `/c`.
    Observe,
    /// The radio goes on or off.
    Radio(bool),
    /// The power failed and came back: what was in memory is gone.
    Reboot,
}

/// A device.
#[derive(Clone, Debug)]
pub struct Device {
    setup: Setup,
    firmware: Firmware,
    chance: Chance,
    clock: Clock,
    battery: f64,
    orders: Orders,
    /// What is on the way and kept.
    pub uplinks: Uplinks,
    sensor: Option<Sensor>,
    observes: bool,
    next_sample: Option<Timestamp>,
    next_report: Timestamp,
    next_observe: Option<Timestamp>,
    awake_until: Option<Timestamp>,
    reboot_at: Option<Timestamp>,
    booting_until: Option<Timestamp>,
    button_at: Option<Timestamp>,
    /// When the movement of its valve ends: set by whoever moves it.
    pub valve_due: Option<Timestamp>,
}

impl Device {
    /// A device that has been running for a while. `observes`: it listens on `/c` whenever it is awake.
    pub fn new(setup: Setup, firmware: Firmware, observes: bool, now: Timestamp, mut chance: Chance) -> Self {
        let senses_gas = matches!(setup.kind, DeviceKind::Detector | DeviceKind::Controller | DeviceKind::WellMonitor);
        let co = senses_gas && setup.kind != DeviceKind::WellMonitor && chance.happens(0.3);
        let sensor = senses_gas.then(|| Sensor::new(co, &mut chance));
        // Spread over the interval, or all would report in the same second; the first reports come within half a minute.
        let spread = setup.interval.as_millis().min(30_000);
        let next_report = now + Span::from_millis(chance.whole(200, spread.max(201)));
        let next_sample = senses_gas.then(|| now + Span::from_millis(chance.whole(0, 999)));
        let on_battery = setup.sleepy || setup.kind == DeviceKind::WellMonitor;
        let mut device = Self {
            clock: Clock::new(now, &mut chance),
            battery: if on_battery { chance.between(35.0, 100.0) } else { 100.0 },
            orders: Orders::default(),
            uplinks: Uplinks::default(),
            sensor,
            observes: observes && !setup.sleepy,
            next_sample,
            next_report,
            next_observe: (observes && !setup.sleepy).then(|| now + Span::from_millis(chance.whole(0, 3_000))),
            awake_until: None,
            reboot_at: None,
            booting_until: None,
            button_at: None,
            valve_due: None,
            setup,
            firmware,
            chance,
        };
        device.reboot_at = device.draw_reboot(now);
        device
    }

    /// How it is set up.
    pub const fn setup(&self) -> &Setup {
        &self.setup
    }

    /// When it next wants [`wake`](Self::wake).
    pub fn due(&self) -> Timestamp {
        if let Some(until) = self.booting_until {
            return until;
        }
        let others = [
            self.next_sample,
            self.next_observe,
            self.awake_until,
            self.reboot_at,
            self.button_at,
            self.valve_due,
            self.uplinks.retry_at(),
        ];
        others.into_iter().flatten().min().map_or(self.next_report, |at| at.min(self.next_report))
    }

    /// Whether it is on, and not just starting.
    pub const fn is_up(&self) -> bool {
        self.booting_until.is_none()
    }

    /// Does what is due.
    pub fn wake(&mut self, now: Timestamp, senses: &Senses, out: &mut Vec<Intent>) {
        if let Some(until) = self.booting_until {
            if now < until {
                return;
            }
            self.boot(now, out);
        }
        if self.reboot_at.is_some_and(|at| at <= now) {
            self.reboot(now, out);
            return;
        }
        if self.next_sample.is_some_and(|at| at <= now) {
            self.sample(now, senses, out);
        }
        if self.next_report <= now {
            self.next_report = now + Span::from_millis(self.jitter(self.setup.interval));
            self.report(now, senses, false, out);
        } else if self.uplinks.retry_at().is_some_and(|at| at <= now) {
            self.report(now, senses, true, out);
        }
        if self.next_observe.is_some_and(|at| at <= now) {
            self.next_observe = Some(now + Span::from_millis(self.jitter(self.firmware.observe_refresh)));
            out.push(Intent::Observe);
        }
        if self.button_at.is_some_and(|at| at <= now) {
            self.button_at = self.orders.permits_opening(self.clock.read(now)).then(|| now + Span::from_minutes(1));
            if self.button_at.is_some() {
                out.push(Intent::PressButton);
            }
        }
        if self.awake_until.is_some_and(|at| at <= now) {
            let busy = !self.uplinks.is_idle() || self.valve_due.is_some();
            self.awake_until = busy.then(|| now + Span::from_millis(500));
            if !busy {
                out.push(Intent::Radio(false));
            }
        }
        if now.since(self.clock.set_at()).as_millis() > Span::from_hours(12).as_millis() {
            self.clock.set_by_network(now, &mut self.chance);
        }
    }

    fn jitter(&mut self, span: Span) -> i64 {
        ((span.as_millis() as f64 * self.chance.between(0.98, 1.02)) as i64).max(1)
    }

    fn sample(&mut self, now: Timestamp, senses: &Senses, out: &mut Vec<Intent>) {
        let every = self.firmware.sample_every;
        self.next_sample = Some(now + every);
        let Some(sensor) = &mut self.sensor else { return };
        sensor.read(now, senses, self.firmware.pace, &mut self.chance);
        let wants_close = self.firmware.local_close_lel.is_some_and(|level| sensor.gas_lel() >= level);
        let urgent = sensor.wants_report(now);
        if wants_close {
            out.push(Intent::CloseLocally);
        }
        if urgent {
            self.report(now, senses, true, out);
        }
    }

    /// Reports now, or as soon as what is on the way has ended.
    pub fn report(&mut self, now: Timestamp, senses: &Senses, urgent: bool, out: &mut Vec<Intent>) {
        if !self.uplinks.may_send(urgent) {
            self.uplinks.send_again();
            return;
        }
        if self.setup.sleepy && self.awake_until.is_none() {
            out.push(Intent::Radio(true));
            self.awake_until = Some(now + Span::from_secs(30));
        }
        if self.setup.sleepy {
            self.battery = (self.battery - 0.0006).max(0.0);
        }
        let samples = self.samples(now, senses);
        out.push(Intent::Report { samples, urgent });
    }

    fn samples(&mut self, now: Timestamp, senses: &Senses) -> Vec<Sample> {
        use Quantity as Q;
        let mut samples = Vec::with_capacity(6);
        let mut put = |quantity, value: f64| samples.push(Sample { quantity, value, at: now });
        if let Some(sensor) = &mut self.sensor {
            sensor.reported(now);
            put(Q::Gas, sensor.gas_lel());
            if let Some(co) = sensor.co_ppm() {
                put(Q::Co, co);
            }
        }
        match self.setup.kind {
            DeviceKind::Detector | DeviceKind::Controller => {
                put(Q::Battery, self.battery.round());
                put(Q::Temperature, (senses.celsius * 10.0).round() / 10.0);
                put(Q::EndOfLife, f64::from(u8::from(self.sensor.as_ref().is_some_and(Sensor::is_worn))));
            }
            DeviceKind::WellMonitor => {
                put(Q::Temperature, (senses.celsius * 10.0).round() / 10.0);
                put(Q::Battery, self.battery.round());
            }
            DeviceKind::Meter => {
                put(Q::Volume, (senses.index_m3 * 1000.0).floor() / 1000.0);
                put(Q::Flow, (senses.flow_m3h * 1000.0).round() / 1000.0);
            }
            DeviceKind::Valve => {}
            DeviceKind::Gateway => put(Q::Rssi, self.chance.normal(-71.0, 2.0).round()),
        }
        if let Some(closed) = senses.valve_closed {
            put(Q::Valve, f64::from(u8::from(closed)));
            put(Q::Battery, self.battery.round());
        }
        samples
    }

    /// A report of its own was acknowledged.
    pub fn acknowledged(&mut self, ticket: u64, now: Timestamp, senses: &Senses, out: &mut Vec<Intent>) {
        let again = self.uplinks.acknowledged(ticket);
        if self.clock.read(now).is_none() {
            // The network that carried the answer also told the time.
            self.clock.set_by_network(now, &mut self.chance);
        }
        if self.setup.sleepy {
            self.awake_until = Some(now + self.firmware.listens_for);
        }
        if again {
            self.report(now, senses, false, out);
        }
    }

    /// A report of its own did not arrive, or was turned away for `wait`.
    pub fn failed(&mut self, ticket: u64, now: Timestamp, wait: Option<Span>) {
        if self.uplinks.failed(ticket, now, wait, &mut self.chance) && self.observes {
            // The platform may have restarted, and forgotten who listens.
            let soon = now + Span::from_millis(self.chance.whole(500, 3_000));
            self.next_observe = Some(self.next_observe.map_or(soon, |at| at.min(soon)));
        }
    }

    /// The observation ended, or could not be registered.
    pub fn observation_ended(&mut self, now: Timestamp) {
        if self.observes {
            self.next_observe = Some(now + Span::from_millis(self.chance.whole(2_000, 8_000)));
        }
    }

    /// Commands arrived.
    pub fn commanded(&mut self, commands: &[PendingCommand], now: Timestamp, senses: &Senses, out: &mut Vec<Intent>) {
        let now_here = Circumstances {
            clock: self.clock.read(now),
            battery_percent: self.battery,
            celsius: senses.celsius,
            has_valve: senses.valve_closed.is_some(),
        };
        for command in commands {
            let outcome = match self.orders.take(command, &now_here) {
                Verdict::Close => {
                    self.battery = if self.setup.sleepy { (self.battery - 0.02).max(0.0) } else { self.battery };
                    self.button_at = None;
                    out.push(Intent::Close);
                    DeviceOutcome::Accepted
                }
                Verdict::Permit { .. } => {
                    self.button_at = Some(now + Span::from_secs(self.chance.whole(15, 60)));
                    DeviceOutcome::Actuated
                }
                Verdict::Report(outcome) => outcome,
            };
            self.outcome(command.id, outcome, now, out);
        }
    }

    fn outcome(&mut self, command: CommandId, outcome: DeviceOutcome, now: Timestamp, out: &mut Vec<Intent>) {
        let report = self.orders.report(outcome, self.clock.read(now).unwrap_or(now));
        out.push(Intent::Outcome { command, report });
    }

    /// Its valve has moved, or has not: the outcome of the closes in hand, then how things stand.
    pub fn valve_moved(&mut self, outcome: DeviceOutcome, now: Timestamp, senses: &Senses, out: &mut Vec<Intent>) {
        for command in self.orders.finish_closes(outcome) {
            self.outcome(command, outcome, now, out);
        }
        self.report(now, senses, true, out);
    }

    /// The button was pressed and the valve let go.
    pub const fn button_used(&mut self) {
        self.orders.use_permission();
        self.button_at = None;
    }

    /// Cuts the power.
    pub fn reboot(&mut self, now: Timestamp, out: &mut Vec<Intent>) {
        self.uplinks.reboot();
        self.clock.reboot();
        self.awake_until = None;
        self.next_observe = None;
        if let Some(sensor) = &mut self.sensor {
            sensor.forget();
        }
        self.booting_until = Some(now + Span::from_millis(self.chance.whole(2_000, 9_000)));
        out.push(Intent::Reboot);
    }

    fn boot(&mut self, now: Timestamp, out: &mut Vec<Intent>) {
        self.booting_until = None;
        self.reboot_at = self.draw_reboot(now);
        self.next_sample = self.sensor.is_some().then_some(now);
        self.next_report = now;
        self.next_observe = self.observes.then_some(now);
        out.push(Intent::Radio(!self.setup.sleepy));
    }

    fn draw_reboot(&mut self, now: Timestamp) -> Option<Timestamp> {
        let mean = self.firmware.reboots_every?.as_millis() as f64;
        Some(now + Span::from_millis(self.chance.wait(mean) as i64 + 1_000))
    }

    /// What it believes the time to be.
    pub fn clock(&self, now: Timestamp) -> Option<Timestamp> {
        self.clock.read(now)
    }

    /// Whether its own gas sensor shows at least this, %LEL.
    pub fn shows_gas(&self, lel: f64) -> bool {
        self.sensor.as_ref().is_some_and(|sensor| sensor.gas_lel() >= lel)
    }
}
