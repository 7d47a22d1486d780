//! One interlock's history under one policy, through the same fold as live: what would have been raised, closed and told.
//!
//! Two things are not in the history and are assumed, for every policy alike. *The crew*: an alarm whose condition has gone is
//! acknowledged at once and reset as soon as readings allow it. *The valves*: an order reaches a device that is awake at once and one
//! that sleeps with its next message; one that the history has no answer to was carried out just before its deadline, and the
//! valve stays closed until the history reports it again.

use super::matching::Present;
use super::tally::Tally;
use super::{BackTest, BackTestError};
use crate::alarm::BoundRule;
use crate::batch::{Batched, KeepsState};
use davy_domain::alarm::{AlarmEvent, AlarmState};
use davy_domain::command::{Action, Cause, DeviceOutcome};
use davy_domain::history::{Arrival, Said, Subject};
use davy_domain::interlock::{BoundPolicy, Notice, NoticeKind, Transport};
use davy_domain::policy::{AlarmPolicy, Evaluation, PolicyEvent, PolicyFault};
use davy_domain::senml::Part;
use davy_domain::wire::OutcomeReport;
use davy_domain::{
    AlarmId, CommandId, Condition, DeviceId, DeviceKind, Effects, IdSource, Input, Interlock, Priority, Quantity,
    Reading, Span, Timestamp, UserId, World,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Alarms of one interlock that are kept to be compared. A rule that flaps with every reading must not take all memory.
const MOST_ALARMS: usize = 10_000;
/// How long after the last message time goes on: timers end, deadlines pass.
const AFTERWARDS: Span = Span::from_hours(1);
/// An order that the history has no answer to is carried out so long before its deadline.
const BEFORE_DEADLINE: Span = Span::from_millis(1);
/// Stands for whoever acknowledges and resets.
const CREW: UserId = UserId::from_raw(0);

/// A policy that counts what it is asked.
pub(super) struct Asked<'a> {
    policy: Batched<'a>,
    digest: [u8; 32],
    tally: RefCell<Tally>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(rule: &'a BoundRule, batch: u32) -> Self {
        Self { policy: rule.batched(batch), digest: *rule.rule().digest().as_bytes(), tally: RefCell::default() }
    }

    pub(super) fn release(&self) {
        self.policy.release();
    }

    pub(super) fn difference(&self) -> Option<KeepsState> {
        self.policy.difference()
    }

    pub(super) fn sampled(&self) -> (u64, u64) {
        self.policy.sampled()
    }

    pub(super) fn into_tally(self) -> Tally {
        self.tally.into_inner()
    }
}

impl AlarmPolicy for Asked<'_> {
    fn evaluate(&self, state: &[u8], event: &PolicyEvent) -> Evaluation {
        let mut evaluation = self.policy.evaluate(state, event);
        // As the fold does: it is counted as what it will be taken for.
        if let Ok(outcome) = &evaluation.result
            && let Err(what) = outcome.check(event.now)
        {
            evaluation.result = Err(PolicyFault::Nonsense { what });
        }
        self.tally.borrow_mut().count(&evaluation);
        evaluation
    }
}

/// An alarm that was there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Raised {
    pub(super) device: DeviceId,
    pub(super) condition: Condition,
    pub(super) priority: Priority,
    pub(super) present: Present,
}

/// A valve that was ordered to close.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Closed {
    pub(super) valve: DeviceId,
    /// What it is for, and whose reading that is; none when the rule wants it without an alarm.
    pub(super) cause: Option<(Condition, DeviceId)>,
    pub(super) at: Timestamp,
}

/// Which notices are counted together: the device, the condition's code, the kind's code.
pub(super) type Told = (DeviceId, u16, u16);

/// What came of a course.
#[derive(Clone, Debug, Default)]
pub(super) struct Came {
    pub(super) alarms: Vec<Raised>,
    pub(super) closes: Vec<Closed>,
    pub(super) notices: BTreeMap<Told, u64>,
    /// Alarms beyond those that are kept.
    pub(super) beyond: u64,
}

/// An order whose answer is waited for.
struct Awaited {
    until: Timestamp,
    command: CommandId,
}

/// A course under way.
pub(super) struct Course<'a, 'p> {
    test: &'a BackTest<'a>,
    interlock: Interlock,
    kinds: HashMap<DeviceId, DeviceKind>,
    asked: Option<&'a Asked<'p>>,
    ids: IdSource,
    effects: Effects,
    came: Came,
    /// Places in `came.alarms` of those that are there now.
    there: HashMap<(DeviceId, Condition), usize>,
    /// Alarms that wait for the crew.
    waiting: BTreeSet<AlarmId>,
    awaited: Vec<Awaited>,
    /// Valves with the alarms that they were ordered to close for.
    ordered: BTreeSet<(DeviceId, AlarmId)>,
    /// Devices that sleep and have an order to fetch.
    asleep: BTreeSet<DeviceId>,
    last: Timestamp,
}

impl<'a, 'p> Course<'a, 'p> {
    fn new(
        test: &'a BackTest<'a>,
        subject: &Subject,
        begin: Timestamp,
        asked: Option<&'a Asked<'p>>,
    ) -> Result<Self, BackTestError> {
        let devices = subject.devices.clone();
        let kinds = devices.iter().map(|device| (device.id, device.kind)).collect();
        let interlock = Interlock::new(subject.interlock, subject.tenant, devices, begin, test.limits)
            .map_err(|source| BackTestError::Interlock { interlock: subject.interlock, source })?;
        Ok(Self {
            test,
            interlock,
            kinds,
            asked,
            ids: IdSource::new(0, 0),
            effects: Effects::default(),
            came: Came::default(),
            there: HashMap::new(),
            waiting: BTreeSet::new(),
            awaited: Vec::new(),
            ordered: BTreeSet::new(),
            asleep: BTreeSet::new(),
            last: begin,
        })
    }

    /// The two courses of one interlock.
    pub(super) fn pair(
        test: &'a BackTest<'a>,
        subject: &Subject,
        begin: Timestamp,
        [active, candidate]: &'a [Option<Asked<'p>>; 2],
    ) -> Result<[Self; 2], BackTestError> {
        Ok([Self::new(test, subject, begin, active.as_ref())?, Self::new(test, subject, begin, candidate.as_ref())?])
    }

    /// Folds the next messages.
    pub(super) fn feed(&mut self, arrivals: &[Arrival]) {
        for arrival in arrivals {
            self.elapse(arrival.at);
            self.last = self.last.max(arrival.at);
            match &arrival.said {
                Said::Uplink(parts) => {
                    self.step(Input::Uplink { device: arrival.device, sequence: None, parts }, arrival.at);
                }
                Said::Late(parts) => self.step(Input::Late { device: arrival.device, parts }, arrival.at),
                Said::Outcome(report) => self.outcome(arrival.device, report, arrival.at),
            }
            if !matches!(arrival.said, Said::Late(_)) && self.asleep.remove(&arrival.device) {
                self.send(arrival.device, arrival.at);
            }
            if !self.waiting.is_empty() {
                self.crew(arrival.at);
            }
        }
    }

    /// Lets time go on to the end.
    pub(super) fn finish(mut self) -> Came {
        self.elapse(self.test.to.min(self.last + AFTERWARDS));
        self.came
    }

    /// Everything that is due before `until`, each at its own time.
    fn elapse(&mut self, until: Timestamp) {
        let mut before = None;
        loop {
            let answer = self.awaited.iter().map(|awaited| awaited.until).min();
            let due = self.interlock.next_due();
            let next = match (due, answer) {
                (Some(due), Some(answer)) => due.min(answer),
                (Some(one), None) | (None, Some(one)) => one,
                (None, None) => return,
            };
            // What is due may be told too early: time goes on all the same.
            let next = before.map_or(next, |before: Timestamp| next.max(before + Span::from_millis(1)));
            if next >= until {
                return;
            }
            before = Some(next);
            if answer.is_some_and(|answer| answer <= next) {
                self.obey(next);
            }
            self.step(Input::Due, next);
        }
    }

    fn step(&mut self, input: Input<'_>, now: Timestamp) {
        let policy = self.asked.map(|asked| BoundPolicy { policy: asked, digest: asked.digest, settings_version: 0 });
        let world = World { floor: self.test.floor, policy, limits: self.test.limits };
        self.interlock.step_into(input, now, &world, &mut self.ids, &mut self.effects);
        let effects = &self.effects;
        if effects.alarms.is_empty() && effects.commands.is_empty() && effects.deliver.is_empty() {
            return;
        }
        self.take_note(now);
        for device in std::mem::take(&mut self.effects.deliver) {
            if self.interlock.device(device).is_some_and(|view| view.config().sleepy) {
                self.asleep.insert(device);
            } else {
                self.send(device, now);
            }
        }
    }

    fn take_note(&mut self, now: Timestamp) {
        let Effects { alarms, commands, notices, .. } = &self.effects;
        for change in alarms {
            let alarm = &change.alarm;
            let asserted = !alarm.asserted.is_empty();
            if alarm.state.is_active() && !asserted {
                self.waiting.insert(alarm.id);
            } else {
                self.waiting.remove(&alarm.id);
            }
            if !is_compared(alarm.condition) {
                continue;
            }
            let key = (alarm.device, alarm.condition);
            match self.there.get(&key) {
                None if asserted && alarm.state.is_active() => {
                    if self.came.alarms.len() >= MOST_ALARMS {
                        // Once for each raise: whoever asserts anew comes from nobody.
                        self.came.beyond += u64::from(change.before == AlarmState::Normal);
                        continue;
                    }
                    self.there.insert(key, self.came.alarms.len());
                    self.came.alarms.push(Raised {
                        device: alarm.device,
                        condition: alarm.condition,
                        priority: alarm.priority,
                        present: Present { raised_at: now, cleared_at: None },
                    });
                }
                Some(&place) if asserted && alarm.state.is_active() => {
                    let raised = &mut self.came.alarms[place];
                    raised.priority = raised.priority.max(alarm.priority);
                }
                Some(&place) => {
                    self.came.alarms[place].present.cleared_at = Some(now);
                    self.there.remove(&key);
                }
                None => {}
            }
        }
        for change in commands {
            let command = &change.command;
            if change.before.is_some() || command.action != Action::Close {
                continue;
            }
            self.awaited.push(Awaited { until: command.deadline - BEFORE_DEADLINE, command: command.id });
            // The same leak's order to the same valve again is no further close.
            let leak = match command.cause {
                Cause::Leak { alarm } => Some(alarm),
                Cause::Rule | Cause::Operator { .. } | Cause::Resident { .. } => None,
            };
            if leak.is_none_or(|leak| self.ordered.insert((command.device, leak)))
                && self.came.closes.len() < MOST_ALARMS
            {
                let cause = leak.and_then(|leak| self.interlock.alarm(leak));
                let cause = cause.map(|alarm| (alarm.condition, alarm.device));
                self.came.closes.push(Closed { valve: command.device, cause, at: now });
            }
        }
        for notice in notices {
            if let Some(key) = told(notice) {
                *self.came.notices.entry(key).or_default() += 1;
            }
        }
    }

    /// What is pending for a device goes out.
    fn send(&mut self, device: DeviceId, now: Timestamp) {
        let pending: Vec<CommandId> = self.interlock.pending_for(device, now).map(|command| command.id).collect();
        for command in pending {
            self.step(Input::Transport { command, event: Transport::Sent }, now);
        }
    }

    /// An answer of the history is one to the order with its counter; under another policy to the oldest that is open.
    fn outcome(&mut self, device: DeviceId, report: &OutcomeReport, now: Timestamp) {
        let mine = |valve: DeviceId| {
            valve == device || self.interlock.device(valve).is_some_and(|view| view.config().parent == Some(device))
        };
        let open = || self.interlock.commands().filter(|command| mine(command.device));
        let exact = open().find(|command| command.counter == report.counter);
        let oldest = || open().min_by_key(|command| (command.requested_at, command.id));
        let Some(command) = exact.or_else(oldest).map(|command| command.id) else { return };
        let OutcomeReport { counter, outcome, at } = *report;
        self.step(Input::Outcome { device, command, counter, outcome, at }, now);
    }

    /// Orders that the history has not answered by now are carried out.
    fn obey(&mut self, now: Timestamp) {
        let due = self.awaited.extract_if(.., |awaited| awaited.until <= now);
        let due: Vec<CommandId> = due.map(|awaited| awaited.command).collect();
        for id in due {
            let Some(command) = self.interlock.command(id) else { continue };
            // One that sleeps and has not fetched it knows of nothing.
            if command.sent_at.is_none() {
                continue;
            }
            let (valve, counter) = (command.device, command.counter);
            let Some(view) = self.interlock.device(valve) else { continue };
            let (parent, serial) = (view.config().parent, view.config().serial.clone());
            let device = parent.unwrap_or(valve);
            let outcome = DeviceOutcome::Actuated;
            self.step(Input::Outcome { device, command: id, counter, outcome, at: now }, now);
            let mut readings = vec![Reading { quantity: Quantity::Valve, value: 1.0, at: now }];
            if self.kinds.get(&valve) == Some(&DeviceKind::Meter) {
                readings.push(Reading { quantity: Quantity::Flow, value: 0.0, at: now });
            }
            let parts = [Part { child: parent.map(|_| serial), readings }];
            self.step(Input::Uplink { device, sequence: None, parts: &parts }, now);
        }
    }

    /// Acknowledges and resets what has gone.
    fn crew(&mut self, now: Timestamp) {
        let waiting: Vec<AlarmId> = self.waiting.iter().copied().collect();
        for alarm in waiting {
            self.step(Input::Person { alarm, event: AlarmEvent::Acknowledge { by: CREW } }, now);
            if self.interlock.alarm(alarm).is_some() {
                let event = AlarmEvent::Reset { by: CREW, fresh_low_readings: false };
                self.step(Input::Person { alarm, event }, now);
            } else {
                self.waiting.remove(&alarm);
            }
        }
    }
}

/// Whether a condition says something about the policy. The others follow from the devices' messages and answers alone.
pub(super) const fn is_compared(condition: Condition) -> bool {
    condition.for_rules() || matches!(condition, Condition::RuleFault)
}

/// What a notice is counted under; none for those that follow from the valves' assumed answers.
fn told(notice: &Notice) -> Option<Told> {
    let condition = notice.condition.filter(|condition| is_compared(*condition))?;
    match notice.kind {
        NoticeKind::AlarmRaised | NoticeKind::AlarmReturned | NoticeKind::AlarmEnded => {
            Some((notice.device, condition.code(), notice.kind.code()))
        }
        // The crew of a back-test acknowledges under both alike.
        NoticeKind::AlarmAcknowledged
        | NoticeKind::ValveClosed
        | NoticeKind::CloseUnverified
        | NoticeKind::ValveArmed => None,
    }
}
