//! One curve through the platform's own fold, with the rule in it, and everything that the rule did noted down.
//!
//! The fold is the server's: it delivers timers, honours promises of rest, and stands on the floor by itself. What is judged here is only
//! what the rule itself did: what it asserted, cleared, promised and ordered.

use super::curve::{Curve, Position, Step};
use super::{Breach, Weakness};
use davy_domain::alarm::Origin;
use davy_domain::floor::{FloorHit, LocalFloor};
use davy_domain::interlock::{BoundPolicy, Limits};
use davy_domain::policy::{AlarmPolicy, Evaluation, PolicyEvent, PolicyOutcome, Wake};
use davy_domain::senml::Part;
use davy_domain::{
    Condition, ConditionSet, DeviceConfig, DeviceId, DeviceKind, Effects, IdSource, Input, Interlock, InterlockId,
    Quantity, Reading, Span, TenantId, Timestamp, World,
};
use std::cell::RefCell;

const SENSOR: DeviceId = DeviceId::from_raw(1);
const VALVE: DeviceId = DeviceId::from_raw(2);
/// Looks at what is due between two readings; a fold that has more to do than this is not getting anywhere.
const MAX_DUE: u32 = 10_000;

/// What a rule did on one curve.
#[derive(Clone, Debug, Default)]
pub(super) struct Trace {
    /// What would be a weakness, if the rule does at all what it did not do there.
    pub(super) findings: Vec<Finding>,
    /// The quantities that it raised an alarm about.
    pub(super) raised: Vec<Quantity>,
    /// Whether it ordered a close while the curve's quantity was all that there was.
    pub(super) closed: bool,
    /// Calls.
    pub(super) calls: u32,
    /// The dearest call.
    pub(super) most_fuel: u64,
    /// All calls.
    pub(super) fuel: u64,
}

/// A weakness, and what makes it one.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) weakness: Weakness,
    pub(super) counts: Counts,
}

/// When a finding counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counts {
    /// Whatever the rule is for.
    Always,
    /// When the rule raises alarms about the curve's quantity at all, on this kind of device.
    WhenItAlarms,
    /// When the rule orders closes for it at all, on this kind of device.
    WhenItCloses,
}

/// Hands calls on and keeps what came of them.
struct Watched<'a> {
    policy: &'a dyn AlarmPolicy,
    outcomes: RefCell<Vec<Evaluation>>,
}

impl AlarmPolicy for Watched<'_> {
    fn evaluate(&self, state: &[u8], event: &PolicyEvent) -> Evaluation {
        let evaluation = self.policy.evaluate(state, event);
        self.outcomes.borrow_mut().push(evaluation.clone());
        evaluation
    }
}

struct Run<'a> {
    curve: &'a Curve,
    kind: DeviceKind,
    floor: &'a LocalFloor,
    watched: Watched<'a>,
    digest: [u8; 32],
    limits: Limits,
    interlock: Interlock,
    ids: IdSource,
    begun: Timestamp,
    promise: Option<Wake>,
    /// Whether the rule has ordered a close since it last asserted nothing about the quantity.
    ordered: bool,
    alarmed: bool,
    trace: Trace,
    over: bool,
}

/// Folds a curve. `None` when the fold itself cannot be set up, which no curve and no rule can bring about.
pub(super) fn run(
    curve: &Curve,
    kind: DeviceKind,
    floor: &LocalFloor,
    policy: &dyn AlarmPolicy,
    digest: [u8; 32],
    begun: Timestamp,
) -> Option<Trace> {
    let limits = Limits::default();
    let device = |id: DeviceId, kind, links: &[DeviceId]| DeviceConfig {
        id,
        serial: format!("S{}", id.raw()),
        kind,
        premises: None,
        installed_at: Some(begun - Span::from_days(30)),
        report_interval: None,
        sleepy: false,
        links: links.to_vec(),
        parent: None,
    };
    let mut devices = vec![device(SENSOR, kind, if kind.has_valve() { &[] } else { &[VALVE] })];
    if !kind.has_valve() {
        devices.push(device(VALVE, DeviceKind::Valve, &[]));
    }
    let interlock = Interlock::new(InterlockId::from_raw(1), TenantId::from_raw(1), devices, begun, &limits).ok()?;
    let watched = Watched { policy, outcomes: RefCell::default() };
    let mut run = Run {
        curve,
        kind,
        floor,
        watched,
        digest,
        limits,
        interlock,
        ids: IdSource::new(1, 0),
        begun,
        promise: None,
        ordered: false,
        alarmed: false,
        trace: Trace::default(),
        over: false,
    };
    run.all();
    Some(run.trace)
}

impl Run<'_> {
    fn all(&mut self) {
        let mut now = self.begun;
        for step in &self.curve.steps {
            match step {
                Step::WaitS(seconds) => now = now + Span::from_secs(i64::from(*seconds)),
                Step::Valve(position) => self.valve(*position, now),
                Step::Batch(readings) => {
                    let readings: Vec<_> = readings.iter().map(|(ago, value)| (*value, now - seconds(*ago))).collect();
                    self.readings(&readings, now);
                }
                Step::Ramp(ramp) => {
                    for value in ramp.values() {
                        self.readings(&[(value, now - seconds(ramp.late_s))], now);
                        now = now + seconds(ramp.every_s);
                    }
                }
            }
            if self.over {
                return;
            }
        }
        if let Some(by) = self.curve.alarm_by_s {
            self.time_passes(now.max(self.begun + seconds(by)));
            if !self.alarmed && !self.over {
                let what = format!("no alarm about {} within {by} s", self.curve.quantity.senml_name());
                self.find(Breach::Late, Counts::WhenItAlarms, self.begun + seconds(by), what);
            }
        }
    }

    fn valve(&mut self, position: Position, now: Timestamp) {
        let value = f64::from(u8::from(position == Position::Closed));
        let device = if self.kind.has_valve() { SENSOR } else { VALVE };
        let Ok(reading) = Reading::new(Quantity::Valve, value, now) else { return };
        self.uplink(device, vec![reading], now);
    }

    fn readings(&mut self, values: &[(f64, Timestamp)], now: Timestamp) {
        let quantity = self.curve.quantity;
        let readings = values.iter().filter_map(|(value, at)| Reading::new(quantity, *value, *at).ok());
        self.uplink(SENSOR, readings.collect(), now);
    }

    fn uplink(&mut self, device: DeviceId, readings: Vec<Reading>, now: Timestamp) {
        self.time_passes(now);
        if self.over {
            return;
        }
        let hits = match device {
            SENSOR => self.floor.judge(self.kind, &readings, now).unwrap_or_default(),
            _ => Vec::new(),
        };
        // What the rule holds already it need not be woken for.
        let held = self.asserted();
        let news = hits.iter().any(|hit| !held.contains(hit.condition));
        if news && self.promise.as_ref().is_some_and(|promise| sleeps(promise, &readings, now)) {
            let what = "its promise of rest covers this reading: a wake threshold lies above the floor or is missing";
            self.find(Breach::Sleeps, Counts::WhenItAlarms, now, what.into());
        }
        let parts = [Part { child: None, readings }];
        let effects = self.step(Input::Uplink { device, sequence: None, parts: &parts }, now);
        self.look(&effects, &hits, now);
    }

    /// Delivers what is due up to a time.
    fn time_passes(&mut self, now: Timestamp) {
        for _ in 0..MAX_DUE {
            let Some(due) = self.interlock.next_due().filter(|due| *due <= now && !self.over) else { return };
            let effects = self.step(Input::Due, due);
            self.look(&effects, &[], due);
            if self.interlock.next_due() == Some(due) {
                return;
            }
        }
    }

    fn step(&mut self, input: Input<'_>, now: Timestamp) -> Effects {
        let policy = BoundPolicy { policy: &self.watched, digest: self.digest, settings_version: 1 };
        let world = World { floor: self.floor, policy: Some(policy), limits: &self.limits };
        self.interlock.step(input, now, &world, &mut self.ids)
    }

    /// What the rule did in a step.
    fn look(&mut self, effects: &Effects, hits: &[FloorHit], now: Timestamp) {
        for evaluation in self.watched.outcomes.take() {
            self.trace.calls += 1;
            self.trace.fuel = self.trace.fuel.saturating_add(evaluation.fuel);
            self.trace.most_fuel = self.trace.most_fuel.max(evaluation.fuel);
            match evaluation.result {
                Ok(outcome) => self.outcome(outcome, hits, now),
                Err(fault) => {
                    self.find(Breach::Faults, Counts::Always, now, fault.to_string());
                    self.over = true;
                    return;
                }
            }
        }
        // What the fold refused of an answer that the sandbox let through: too many timers, for one.
        let mut refused =
            effects.decisions.iter().filter_map(|decision| decision.evaluation.as_ref()?.result.as_ref().err());
        if let Some(fault) = refused.next() {
            self.find(Breach::Faults, Counts::Always, now, fault.to_string());
            self.over = true;
            return;
        }
        let quantity = self.curve.quantity;
        let asserted = self.asserted();
        let mut about = Condition::ALL.iter().filter(|condition| condition.quantity() == Some(quantity));
        let any = about.any(|condition| asserted.contains(*condition));
        let within = self.curve.alarm_by_s.is_none_or(|by| now <= self.begun + seconds(by));
        self.alarmed |= any && within;
        for hit in hits {
            if !asserted.contains(hit.condition) {
                let what = format!(
                    "{} {} raises `{}` by law ({}), and the rule does not",
                    hit.reading.value,
                    hit.reading.quantity.unit(),
                    hit.condition,
                    hit.rule
                );
                self.find(Breach::Silent, Counts::WhenItAlarms, now, what);
            }
            if hit.close && !self.ordered {
                let what = format!(
                    "{} {} closes by law, and the rule orders no close",
                    hit.reading.value,
                    hit.reading.quantity.unit()
                );
                self.find(Breach::StaysOpen, Counts::WhenItCloses, now, what);
            }
        }
        self.ordered &= any;
    }

    /// The conditions that the rule holds to be there.
    fn asserted(&self) -> ConditionSet {
        let mut asserted = ConditionSet::EMPTY;
        if let Some(sensor) = self.interlock.device(SENSOR) {
            let by_rule = sensor.alarms().iter().filter(|alarm| alarm.asserted.contains(Origin::Rule));
            by_rule.for_each(|alarm| asserted.insert(alarm.condition));
        }
        asserted
    }

    fn outcome(&mut self, outcome: PolicyOutcome, hits: &[FloorHit], now: Timestamp) {
        for raise in &outcome.raise {
            if let Some(quantity) = raise.condition.quantity()
                && !self.trace.raised.contains(&quantity)
            {
                self.trace.raised.push(quantity);
            }
        }
        let quantity = self.curve.quantity;
        for condition in outcome.clear.iter().filter(|condition| condition.quantity() == Some(quantity)) {
            let latest = self.interlock.device(SENSOR).and_then(|sensor| sensor.latest(quantity));
            let level = self.floor.for_kind(self.kind, now).filter(|rule| rule.condition == *condition);
            let level = level.map(|rule| rule.at_or_above).min_by(f64::total_cmp);
            let high = level.zip(latest).is_some_and(|(level, latest)| latest.value >= level);
            if high || hits.iter().any(|hit| hit.condition == *condition) {
                let value = latest.map_or(f64::NAN, |latest| latest.value);
                let what = format!("it clears `{condition}` while the latest reading is {value} {}", quantity.unit());
                self.find(Breach::Clears, Counts::Always, now, what);
            }
        }
        if outcome.close_valve {
            self.ordered = true;
            self.trace.closed = true;
        }
        self.promise = outcome.wake;
    }

    /// Notes a weakness; of each way in which a rule is weak on a curve, the first is enough.
    fn find(&mut self, breach: Breach, counts: Counts, now: Timestamp, what: String) {
        if self.trace.findings.iter().any(|finding| finding.weakness.breach == breach) {
            return;
        }
        let weakness = Weakness {
            curve: self.curve.name.clone(),
            kind: self.kind,
            at_s: now.since(self.begun).as_millis().div_euclid(1_000),
            breach,
            what,
        };
        self.trace.findings.push(Finding { weakness, counts });
    }
}

fn seconds(seconds: u32) -> Span {
    Span::from_secs(i64::from(seconds))
}

/// Whether a promise says that these readings need no call.
fn sleeps(promise: &Wake, readings: &[Reading], now: Timestamp) -> bool {
    let wakes = |reading: &Reading| {
        let of = |quantity: Quantity| reading.quantity == quantity;
        promise.unless.iter().any(|&(quantity, least)| of(quantity) && reading.value >= least)
            || promise.unless_below.iter().any(|&(quantity, most)| of(quantity) && reading.value <= most)
    };
    now < promise.not_before && !readings.iter().any(wakes)
}
