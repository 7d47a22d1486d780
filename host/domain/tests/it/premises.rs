//! Two premises behind one interlock, a store that keeps what the effects say, hostile and honest rules, and a device that
//! counts: the surroundings that the tests of the fold share.

use davy_domain::alarm::AlarmEvent;
use davy_domain::command::{Cause, DeviceOutcome};
use davy_domain::floor::{Floor, LocalFloor};
use davy_domain::interlock::{BoundPolicy, DeviceMemory, Limits, StoredInterlock, TimerChange, Transport};
use davy_domain::policy::{
    AlarmPolicy, Evaluation, PolicyEvent, PolicyFault, PolicyOutcome, PolicyTimer, Raise, Trigger, Wake,
};
use davy_domain::senml::Part;
use davy_domain::wire::PendingCommand;
use davy_domain::{
    Action, Alarm, AlarmId, Command, CommandId, Condition, DeviceConfig, DeviceId, DeviceKind, Effects, Input,
    Interlock, InterlockId, PremisesId, Priority, Quantity, Reading, Span, TenantId, Timestamp, UserId, World,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};

pub(crate) const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
pub(crate) const PERSON: UserId = UserId::from_raw(77);
pub(crate) const DETECTOR: DeviceId = DeviceId::from_raw(1);
pub(crate) const VALVE: DeviceId = DeviceId::from_raw(2);
pub(crate) const METER: DeviceId = DeviceId::from_raw(3);
pub(crate) const GATEWAY: DeviceId = DeviceId::from_raw(4);
pub(crate) const CHILD: DeviceId = DeviceId::from_raw(5);
pub(crate) const CHILD_VALVE: DeviceId = DeviceId::from_raw(6);
pub(crate) const WELL: DeviceId = DeviceId::from_raw(7);

pub(crate) fn device(id: DeviceId, kind: DeviceKind, links: &[DeviceId], parent: Option<DeviceId>) -> DeviceConfig {
    DeviceConfig {
        id,
        serial: format!("S{}", id.raw()),
        kind,
        premises: None,
        installed_at: None,
        report_interval: parent.is_none().then_some(Span::from_hours(1)),
        sleepy: kind == DeviceKind::Meter,
        links: links.to_vec(),
        parent,
    }
}

pub(crate) struct Surroundings {
    pub(crate) floor: LocalFloor,
    pub(crate) limits: Limits,
}

impl Default for Surroundings {
    fn default() -> Self {
        // Without grace a restored interlock calls devices silent exactly when the living one does.
        let limits = Limits { silence_grace: Span::ZERO, ..Limits::default() };
        Self { floor: Floor::china_default().for_jurisdiction("CN-310115").unwrap(), limits }
    }
}

impl Surroundings {
    pub(crate) fn devices() -> Vec<DeviceConfig> {
        let at_home = |config| DeviceConfig { premises: Some(PremisesId::from_raw(1)), ..config };
        vec![
            at_home(device(DETECTOR, DeviceKind::Detector, &[VALVE, METER], None)),
            at_home(device(VALVE, DeviceKind::Valve, &[], None)),
            at_home(device(METER, DeviceKind::Meter, &[], None)),
            device(GATEWAY, DeviceKind::Gateway, &[], None),
            device(CHILD, DeviceKind::Detector, &[CHILD_VALVE], Some(GATEWAY)),
            device(CHILD_VALVE, DeviceKind::Valve, &[], Some(GATEWAY)),
            device(WELL, DeviceKind::WellMonitor, &[], None),
        ]
    }

    pub(crate) fn interlock(&self) -> Interlock {
        Interlock::new(InterlockId::from_raw(1), TenantId::from_raw(1), Self::devices(), START, &self.limits).unwrap()
    }

    pub(crate) fn world<'a>(&'a self, policy: Option<(&'a dyn AlarmPolicy, [u8; 32])>) -> World<'a> {
        World {
            floor: &self.floor,
            policy: policy.map(|(policy, digest)| BoundPolicy { policy, digest, settings_version: 1 }),
            limits: &self.limits,
        }
    }
}

/// Readings of one device; of a gateway's child when `serial` is its serial.
pub(crate) fn part(serial: Option<&str>, readings: &[(Quantity, f64)], at: Timestamp) -> Part {
    let readings = readings.iter().map(|&(quantity, value)| Reading::new(quantity, value, at).unwrap()).collect();
    Part { child: serial.map(str::to_owned), readings }
}

/// Keeps what the effects say, as a database does, and a journal of uplinks.
#[derive(Default)]
pub(crate) struct Database {
    pub(crate) alarms: BTreeMap<AlarmId, Alarm>,
    pub(crate) commands: BTreeMap<CommandId, Command>,
    pub(crate) timers: BTreeMap<(DeviceId, u32), PolicyTimer>,
    pub(crate) rule_state: HashMap<DeviceId, Vec<u8>>,
    pub(crate) memories: Vec<(DeviceId, Vec<u8>)>,
    pub(crate) journal: Vec<(DeviceId, Vec<Part>, Timestamp)>,
}

impl Database {
    pub(crate) fn store(&mut self, effects: &Effects) {
        for change in &effects.alarms {
            self.alarms.insert(change.alarm.id, change.alarm.clone());
        }
        for change in &effects.commands {
            self.commands.insert(change.command.id, change.command.clone());
        }
        for change in &effects.timers {
            match *change {
                TimerChange::Set { device, timer } => self.timers.insert((device, timer.id), timer),
                TimerChange::Gone { device, id } => self.timers.remove(&(device, id)),
            };
        }
        self.rule_state.extend(effects.rule_state.iter().cloned());
    }

    pub(crate) fn snapshot(&mut self, interlock: &Interlock) {
        let ids = interlock.devices().map(|view| view.config().id);
        self.memories = ids.map(|id| (id, interlock.memory(id).unwrap().to_bytes())).collect();
        self.journal.clear();
    }

    pub(crate) fn restore(&self, surroundings: &Surroundings, now: Timestamp) -> Interlock {
        let memories = self.memories.iter().map(|(id, bytes)| (*id, DeviceMemory::from_bytes(bytes).unwrap()));
        let stored = StoredInterlock {
            devices: Surroundings::devices(),
            memories: memories.collect(),
            rule_state: self.rule_state.clone().into_iter().collect(),
            alarms: self.alarms.values().filter(|alarm| alarm.state.is_active()).cloned().collect(),
            commands: self.commands.values().cloned().collect(),
            timers: self.timers.iter().map(|((device, _), timer)| (*device, *timer)).collect(),
        };
        let mut interlock = Interlock::restore(InterlockId::from_raw(1), TenantId::from_raw(1), stored).unwrap();
        for (device, parts, at) in &self.journal {
            interlock.remember(*device, parts, *at);
        }
        interlock.resume(now, Some(now), &surroundings.limits);
        interlock
    }
}

/// What a valve controller does with orders (see `davy_domain::wire`).
#[derive(Default)]
pub(crate) struct DeviceModel {
    accepted: u64,
    pub(crate) closed: bool,
    pub(crate) may_open: bool,
}

impl DeviceModel {
    pub(crate) fn receive(&mut self, message: &PendingCommand) -> DeviceOutcome {
        if message.counter < self.accepted {
            return DeviceOutcome::RefusedStale;
        }
        self.accepted = message.counter;
        match message.action {
            Action::Close => {
                self.closed = true;
                self.may_open = false;
            }
            Action::Arm => self.may_open = true,
        }
        DeviceOutcome::Actuated
    }
}

fn answer(outcome: PolicyOutcome) -> Evaluation {
    Evaluation { result: Ok(outcome), fuel: 1 }
}

fn ours() -> impl Iterator<Item = Condition> {
    Condition::ALL.iter().copied().filter(|condition| condition.for_rules())
}

pub(crate) struct Trapping;
impl AlarmPolicy for Trapping {
    fn evaluate(&self, _: &[u8], _: &PolicyEvent) -> Evaluation {
        Evaluation { result: Err(PolicyFault::Trap { reason: "unreachable".to_owned() }), fuel: 1 }
    }
}

pub(crate) struct Mute;
impl AlarmPolicy for Mute {
    fn evaluate(&self, _: &[u8], _: &PolicyEvent) -> Evaluation {
        answer(PolicyOutcome::default())
    }
}

pub(crate) struct ClearsEverything;
impl AlarmPolicy for ClearsEverything {
    fn evaluate(&self, _: &[u8], _: &PolicyEvent) -> Evaluation {
        answer(PolicyOutcome { clear: ours().collect(), ..PolicyOutcome::default() })
    }
}

pub(crate) struct RaisesEverything;
impl AlarmPolicy for RaisesEverything {
    fn evaluate(&self, state: &[u8], _: &PolicyEvent) -> Evaluation {
        let raise = ours().map(|condition| Raise { condition, priority: Priority::Urgent }).collect();
        let state = [state, &[1]].concat();
        answer(PolicyOutcome { raise, state: state[..state.len().min(9)].to_vec(), ..PolicyOutcome::default() })
    }
}

pub(crate) struct ClosesAlways;
impl AlarmPolicy for ClosesAlways {
    fn evaluate(&self, _: &[u8], event: &PolicyEvent) -> Evaluation {
        let timers = (0..16).map(|id| PolicyTimer { id, at: event.now }).collect();
        answer(PolicyOutcome { close_valve: true, timers, ..PolicyOutcome::default() })
    }
}

/// Each answer breaks the contract in another way.
pub(crate) struct TalksNonsense;
impl AlarmPolicy for TalksNonsense {
    fn evaluate(&self, _: &[u8], event: &PolicyEvent) -> Evaluation {
        let mut outcome = PolicyOutcome { clear: ours().collect(), ..PolicyOutcome::default() };
        match event.now.as_millis() % 5 {
            0 => outcome.state = vec![0; 4_097],
            1 => {
                outcome.clear.push(Condition::Silent);
                outcome.raise.push(Raise { condition: Condition::CloseUnverified, priority: Priority::Low });
            }
            2 => outcome.raise.push(Raise { condition: Condition::GasHigh, priority: Priority::Low }),
            3 => outcome.timers.push(PolicyTimer { id: 1, at: event.now - Span::from_secs(1) }),
            _ => outcome.timers = (0..40).map(|id| PolicyTimer { id, at: event.now }).collect(),
        }
        answer(outcome)
    }
}

/// Promises that nothing will ever matter.
pub(crate) struct SleepsForever;
impl AlarmPolicy for SleepsForever {
    fn evaluate(&self, _: &[u8], _: &PolicyEvent) -> Evaluation {
        let wake = Wake {
            not_before: Timestamp::from_millis(i64::MAX),
            unless: Vec::new(),
            unless_below: Vec::new(),
            on_valve: false,
        };
        answer(PolicyOutcome { wake: Some(wake), ..PolicyOutcome::default() })
    }
}

/// Low at 10 %LEL with hysteresis and a close at 20, and a promise while all is well that it keeps.
pub(crate) struct Honest {
    pub(crate) promises: bool,
}
impl AlarmPolicy for Honest {
    fn evaluate(&self, state: &[u8], event: &PolicyEvent) -> Evaluation {
        let mut outcome = PolicyOutcome { state: state.to_vec(), ..PolicyOutcome::default() };
        if event.trigger == Trigger::Readings {
            for reading in event.readings.iter().filter(|reading| reading.quantity == Quantity::Gas) {
                if reading.value >= 10.0 {
                    outcome.state = vec![1];
                    outcome.clear.clear();
                    outcome.raise = vec![Raise { condition: Condition::GasLow, priority: Priority::High }];
                    outcome.close_valve |= reading.value >= 20.0;
                } else if reading.value < 8.0 && outcome.state == [1] {
                    outcome.state = Vec::new();
                    outcome.raise.clear();
                    outcome.clear = vec![Condition::GasLow];
                }
            }
        }
        if self.promises && outcome.state.is_empty() {
            let not_before = event.now + Span::from_minutes(10);
            outcome.wake = Some(Wake {
                not_before,
                unless: vec![(Quantity::Gas, 10.0)],
                unless_below: Vec::new(),
                on_valve: false,
            });
        }
        answer(outcome)
    }
}

/// Something that happens after some time.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    passes_ms: i64,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Concentration { who: u8, quantity: Quantity, values: Vec<(f64, i64)> },
    Valve { who: u8, closed: bool, flow: f64, age_ms: i64, battery: f64 },
    Stranger,
    Outcome { pick: u8, outcome: u8, age_ms: i64, sender: u8, counter: u8 },
    Request { who: u8, arm: bool, id: u8 },
    Person { pick: u8, deed: u8, claim: bool },
    Transport { pick: u8, event: u8 },
    Time,
    OtherRule(u8),
}

pub(crate) fn event() -> impl Strategy<Value = Event> {
    // Around the levels of the floor: where it raises, and below which a reading counts as low.
    let gas = prop_oneof![Just(0.0), Just(4.9), Just(5.0), Just(12.0), Just(24.9), Just(25.0), Just(60.0)];
    let co = prop_oneof![Just(0.0), Just(29.9), Just(30.0), Just(120.0), Just(299.9), Just(300.0), Just(900.0)];
    let age = prop_oneof![3 => Just(0_i64), 1 => 0..120_000_i64, 1 => -120_000..0_i64];
    let what = prop_oneof![
        6 => (0_u8..3, prop::collection::vec((gas, age.clone()), 1..3))
            .prop_map(|(who, values)| What::Concentration { who, quantity: Quantity::Gas, values }),
        4 => (0_u8..3, prop::collection::vec((co, age.clone()), 1..3))
            .prop_map(|(who, values)| What::Concentration { who, quantity: Quantity::Co, values }),
        6 => (0_u8..3, any::<bool>(), prop_oneof![3 => Just(0.0), 1 => Just(0.5)], age.clone(), prop_oneof![9 => Just(80.0), 1 => Just(5.0)])
            .prop_map(|(who, closed, flow, age_ms, battery)| What::Valve { who, closed, flow, age_ms, battery }),
        1 => Just(What::Stranger),
        6 => (any::<u8>(), 0_u8..10, age, 0_u8..8, any::<u8>())
            .prop_map(|(pick, outcome, age_ms, sender, counter)| What::Outcome { pick, outcome, age_ms, sender, counter }),
        3 => (0_u8..7, any::<bool>(), 0_u8..6).prop_map(|(who, arm, id)| What::Request { who, arm, id }),
        4 => (any::<u8>(), 0_u8..10, any::<bool>()).prop_map(|(pick, deed, claim)| What::Person { pick, deed, claim }),
        5 => (any::<u8>(), 0_u8..3).prop_map(|(pick, event)| What::Transport { pick, event }),
        2 => Just(What::Time),
        2 => any::<u8>().prop_map(What::OtherRule),
    ];
    let passes = prop_oneof![4 => 0_i64..2_000, 3 => 2_000_i64..40_000, 1 => 40_000_i64..20_000_000];
    (passes, what).prop_map(|(passes_ms, what)| Event { passes_ms, what })
}

pub(crate) enum Prepared {
    Uplink(DeviceId, Vec<Part>),
    Other(Input<'static>),
}

impl Event {
    pub(crate) fn passes(&self) -> Span {
        Span::from_millis(self.passes_ms)
    }

    /// Which of the rules is bound from now on, if this is about that.
    pub(crate) fn other_rule(&self) -> Option<u8> {
        match self.what {
            What::OtherRule(which) => Some(which),
            _ => None,
        }
    }

    /// The input that it makes, now that things stand as they do.
    pub(crate) fn input(&self, database: &Database, now: Timestamp) -> Option<Prepared> {
        let command = |pick: u8| {
            // Mostly one of the newest, now and then any.
            let count = database.commands.len();
            let back =
                if pick < 200 { usize::from(pick) % count.clamp(1, 4) } else { usize::from(pick) % count.max(1) };
            database.commands.values().nth_back(back)
        };
        Some(match &self.what {
            What::OtherRule(_) => return None,
            What::Time => Prepared::Other(Input::Due),
            What::Stranger => Prepared::Uplink(GATEWAY, vec![part(Some("nobody"), &[(Quantity::Gas, 90.0)], now)]),
            What::Concentration { who, quantity, values } => {
                let (sender, serial) = [(DETECTOR, None), (GATEWAY, Some("S5")), (WELL, None)][usize::from(*who)];
                let mut folded = part(serial, &[], now);
                for &(value, age) in values {
                    folded.readings.push(Reading::new(*quantity, value, now - Span::from_millis(age)).unwrap());
                }
                Prepared::Uplink(sender, vec![folded])
            }
            &What::Valve { who, closed, flow, age_ms, battery } => {
                let (sender, serial) = [(VALVE, None), (METER, None), (GATEWAY, Some("S6"))][usize::from(who)];
                let at = now - Span::from_millis(age_ms);
                let mut values = vec![(Quantity::Valve, f64::from(u8::from(closed))), (Quantity::Battery, battery)];
                if sender == METER {
                    values.push((Quantity::Flow, flow));
                }
                Prepared::Uplink(sender, vec![part(serial, &values, at)])
            }
            &What::Outcome { pick, outcome, age_ms, sender, counter } => {
                let command = command(pick)?;
                let outcome = DeviceOutcome::ALL[usize::from(outcome).saturating_sub(2) % DeviceOutcome::ALL.len()];
                let outcome = if sender > 4 { DeviceOutcome::Actuated } else { outcome };
                let through = if [CHILD, CHILD_VALVE].contains(&command.device) { GATEWAY } else { command.device };
                Prepared::Other(Input::Outcome {
                    device: if sender == 0 { WELL } else { through },
                    command: command.id,
                    counter: command.counter + u64::from(counter) * 1_000,
                    outcome,
                    at: now - Span::from_millis(age_ms),
                })
            }
            &What::Request { who, arm, id } => Prepared::Other(Input::Request {
                device: DeviceId::from_raw(i64::from(who) + 1),
                command: CommandId::from_raw(100 + i64::from(id) * 10 + i64::from(who)),
                action: if arm { Action::Arm } else { Action::Close },
                cause: Cause::Resident { by: PERSON },
            }),
            &What::Person { pick, deed, claim } => {
                let active: Vec<&Alarm> = database.alarms.values().filter(|alarm| alarm.state.is_active()).collect();
                let alarm = active.get(usize::from(pick) % active.len().max(1))?.id;
                let by = PERSON;
                let event = match deed {
                    0..=2 => AlarmEvent::Acknowledge { by },
                    3..=5 => AlarmEvent::Reset { by, fresh_low_readings: claim },
                    6 => AlarmEvent::Shelve { by, until: now + Span::from_minutes(20) },
                    7 => AlarmEvent::Suppress { by },
                    8 => AlarmEvent::Unshelve { by },
                    _ => AlarmEvent::ReturnToService { by },
                };
                Prepared::Other(Input::Person { alarm, event })
            }
            &What::Transport { pick, event } => Prepared::Other(Input::Transport {
                command: command(pick)?.id,
                event: [Transport::Sent, Transport::Delivered, Transport::TimedOut][usize::from(event)],
            }),
        })
    }
}
