//! Random lives of an interlock under hostile rules: what must hold after every step, whatever happens.

use crate::premises::*;
use davy_domain::alarm::{AlarmEvent, AlarmState, Origin};
use davy_domain::command::{Cause, CommandEffect, DeviceOutcome};
use davy_domain::floor::Floor;
use davy_domain::interlock::RejectReason;
use davy_domain::policy::AlarmPolicy;
use davy_domain::{
    Action, CommandState, Condition, DeviceId, Effects, IdSource, Input, Interlock, Priority, Quantity, Timestamp,
    ValveState,
};
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};

/// What this test remembers by itself, to judge the fold by.
#[derive(Default)]
struct Witness {
    database: Database,
    /// What each valve last said of itself, and when.
    said_closed: HashMap<DeviceId, (bool, Timestamp)>,
    concentrations: HashMap<(DeviceId, Quantity), (f64, Timestamp)>,
    /// The newest flow that the meter measured, and when.
    flow: Option<(f64, Timestamp)>,
    reset_with_proof: HashSet<davy_domain::AlarmId>,
    counters: HashMap<DeviceId, u64>,
    /// Valves that have ever said that they are closed.
    ever_closed: HashSet<DeviceId>,
}

impl Witness {
    fn check(&mut self, interlock: &Interlock, effects: &Effects, now: Timestamp) {
        for (device, reading) in &effects.readings {
            // The newest by its own time counts, and no time is believed to be in the future.
            let at = reading.at.min(now);
            if reading.quantity == Quantity::Valve {
                if reading.value >= 0.5 {
                    self.ever_closed.insert(*device);
                }
                let newest = self.said_closed.get(device).is_none_or(|&(_, known)| known <= at);
                if newest {
                    self.said_closed.insert(*device, (reading.value >= 0.5, at));
                }
            } else if *device == METER && reading.quantity == Quantity::Flow {
                if self.flow.is_none_or(|(_, known)| known <= at) {
                    self.flow = Some((reading.value, at));
                }
            } else if matches!(reading.quantity, Quantity::Gas | Quantity::Co) {
                let key = (*device, reading.quantity);
                let newest = self.concentrations.get(&key).is_none_or(|&(_, known)| known <= at);
                if newest {
                    self.concentrations.insert(key, (reading.value, at));
                }
            }
        }
        self.database.store(effects);
        self.the_floor_holds(interlock, effects, now);
        self.alarms_are_right(interlock, effects);
        self.commands_are_right(interlock, effects, now);
        self.what_lets_gas_through_is_not_shown_as_closed(interlock, effects);
        for (gateway, serial) in &effects.unknown_children {
            let active = interlock.device(*gateway).unwrap().active();
            assert!(active.contains(Condition::GasHigh), "`{serial}` reports a leak and nobody hears of it");
        }
    }

    fn what_lets_gas_through_is_not_shown_as_closed(&self, interlock: &Interlock, effects: &Effects) {
        let (Some((flow, measured)), Some(&(true, said))) = (self.flow, self.said_closed.get(&VALVE)) else { return };
        if flow > 0.003 && measured.since(said).as_millis() >= 10_000 {
            let valve = interlock.device(VALVE).unwrap();
            assert_ne!(valve.valve(), ValveState::Closed, "its meter measured {flow} m³/h after it had said closed");
            let verified = |change: &davy_domain::interlock::CommandChange| {
                change.command.device == VALVE && change.command.state == CommandState::Verified
            };
            assert!(!effects.commands.iter().any(verified), "a close was proven against its meter");
        }
    }

    fn the_floor_holds(&self, interlock: &Interlock, effects: &Effects, now: Timestamp) {
        let rules = Floor::china_default().rules;
        for (device, reading) in &effects.readings {
            let view = interlock.device(*device).unwrap();
            let hit: Vec<_> = rules
                .iter()
                .filter(|rule| rule.device_kinds.contains(&view.config().kind))
                .filter(|rule| reading.quantity == rule.quantity && reading.value >= rule.at_or_above)
                .collect();
            for rule in &hit {
                let active = view.alarms().iter().any(|alarm| alarm.condition == rule.condition);
                assert!(active, "{reading:?} at {device} has no alarm by {}", rule.id);
            }
            if !hit.iter().any(|rule| rule.close) {
                continue;
            }
            for link in &view.config().links {
                let valve = interlock.device(*link).unwrap();
                let closing = valve.commands().iter().any(|command| command.action == Action::Close);
                let (closed, at) = self.said_closed.get(link).copied().unwrap_or_default();
                let proven = closed && !valve.armed() && now.since(at).as_millis() <= 7_200_000;
                assert!(
                    closing || (proven && valve.valve() == ValveState::Closed),
                    "{link} is neither closing nor closed"
                );
            }
        }
    }

    fn alarms_are_right(&mut self, interlock: &Interlock, effects: &Effects) {
        let mut seen = HashSet::new();
        for alarm in self.database.alarms.values().filter(|alarm| alarm.state.is_active()) {
            assert!(seen.insert((alarm.device, alarm.condition)), "two active alarms: {alarm:?}");
            assert_eq!(interlock.alarm(alarm.id), Some(alarm), "the store and the fold disagree");
        }
        assert_eq!(interlock.alarms().count(), seen.len());
        for change in &effects.alarms {
            if let AlarmEvent::Reset { fresh_low_readings, .. } = change.event {
                assert!(fresh_low_readings);
                let judged = match change.alarm.condition {
                    Condition::GasHigh => Some(Quantity::Gas),
                    Condition::CoHigh => Some(Quantity::Co),
                    _ => None,
                };
                if let Some(quantity) = judged {
                    let rules = Floor::china_default().rules.into_iter().filter(|rule| rule.quantity == quantity);
                    let low = rules.map(|rule| rule.clear_below).min_by(f64::total_cmp).unwrap();
                    let (latest, _) = self.concentrations[&(change.alarm.device, quantity)];
                    assert!(latest < low, "{} was reset at {latest}, which is not below {low}", change.alarm.condition);
                }
                self.reset_with_proof.insert(change.alarm.id);
            }
            if change.alarm.condition.latches() && change.alarm.state == AlarmState::Normal {
                assert!(change.event.by().is_some(), "a latching alarm ended by itself: {change:?}");
                assert!(self.reset_with_proof.contains(&change.alarm.id), "ended without a reset: {change:?}");
            }
            assert!(
                change.alarm.condition.for_rules() || !change.alarm.asserted.contains(Origin::Rule),
                "a rule speaks for the platform: {change:?}"
            );
            if change.alarm.state.is_hidden() {
                assert!(!change.alarm.condition.latches() && !change.alarm.condition.is_leak());
                assert!(change.alarm.priority < Priority::High);
            }
            // A rule takes back its own word only.
            if let AlarmEvent::Clear { origin: Origin::Rule } = change.event
                && change.alarm.asserted.contains(Origin::Floor)
            {
                assert_eq!(change.before, change.alarm.state, "a rule cleared what the floor holds");
            }
        }
    }

    fn commands_are_right(&mut self, interlock: &Interlock, effects: &Effects, now: Timestamp) {
        for change in &effects.commands {
            let command = &change.command;
            if change.before.is_none() {
                let last = self.counters.insert(command.device, command.counter).unwrap_or(0);
                assert!(command.counter > last, "a counter did not rise");
            }
            if change.effect == Some(CommandEffect::Escalate) {
                let device = interlock.device(command.device).unwrap();
                // The only way not to find it active is a proof within the same step, which a failed close cannot have.
                assert!(device.active().contains(Condition::CloseUnverified), "nobody was called for {command:?}");
            }
            if command.action == Action::Close && !command.state.is_open() {
                let good = matches!(
                    command.state,
                    CommandState::Verified | CommandState::Unverified | CommandState::Failed | CommandState::Rejected
                );
                assert!(good, "a close ended quietly: {command:?}");
            }
        }
        let open: HashSet<_> = interlock.commands().map(|command| command.id).collect();
        for command in self.database.commands.values() {
            assert_eq!(
                command.state.is_open(),
                open.contains(&command.id),
                "the store and the fold disagree: {command:?}"
            );
            assert!(
                !command.state.is_open() || command.deadline > now,
                "past its deadline and still open: {command:?}"
            );
        }
        for valve in interlock.devices().filter(|view| view.config().kind.has_valve()) {
            let id = valve.config().id;
            let closes = valve.commands().iter().filter(|command| command.action == Action::Close).count();
            let arms = valve.commands().iter().filter(|command| command.action == Action::Arm).count();
            assert!(closes <= 1 && arms <= 1);
            let doubtful = valve.alarms().iter().any(|alarm| {
                alarm.condition == Condition::CloseUnverified && alarm.asserted.contains(Origin::Platform)
            });
            assert!(!doubtful || valve.valve() == ValveState::Unverified, "shown as closed though not proven");
            let blocked = interlock.devices().any(|other| {
                (other.config().id == id || other.config().links.contains(&id))
                    && other.alarms().iter().any(|alarm| alarm.condition.blocks_arm())
            });
            assert!(arms == 0 || (closes == 0 && !blocked), "an arm stands beside a close or an alarm");
            for pending in interlock.pending_for(id, now) {
                assert!(pending.deadline > now);
            }
        }
        assert!(interlock.next_due().is_none_or(|due| due > now), "something due was not done");
        self.refused_closes_are_tried_again(interlock, now);
    }

    /// Without a new reading too: time alone brings the next try, as long as the leak's alarm stands and the valve never said *closed*.
    fn refused_closes_are_tried_again(&self, interlock: &Interlock, now: Timestamp) {
        for valve in interlock.devices().filter(|view| view.config().kind.has_valve()) {
            let id = valve.config().id;
            let closes = self.database.commands.values().filter(|it| it.device == id && it.action == Action::Close);
            let Some(newest) = closes.max_by_key(|command| command.counter) else { continue };
            let refused = matches!(newest.state, CommandState::Failed | CommandState::Rejected);
            let leaks = interlock
                .devices()
                .filter(|other| other.config().id == id || other.config().links.contains(&id))
                .flat_map(davy_domain::interlock::DeviceView::alarms)
                .any(|alarm| alarm.condition.is_leak() && alarm.raised_at < newest.deadline);
            let forgotten = refused && leaks && newest.deadline <= now && !self.ever_closed.contains(&id);
            assert!(!forgotten, "a refused close was not tried again: {newest:?}");
        }
    }
}

/// Runs one life, checking after each step. Returns what each step did.
fn live(events: &[Event], policies: &[(&dyn AlarmPolicy, [u8; 32])]) {
    let surroundings = Surroundings::default();
    let mut interlock = surroundings.interlock();
    let mut ids = IdSource::new(3, 0);
    let mut witness = Witness::default();
    let mut now = START;
    let mut current = 0;
    for event in events {
        if let Some(which) = event.other_rule() {
            current = usize::from(which) % (policies.len() + 1);
            continue;
        }
        now = now + event.passes();
        let policy = policies.get(current).copied();
        let world = surroundings.world(policy);
        let parts;
        let input = match event.input(&witness.database, now) {
            Some(Prepared::Uplink(device, folded)) => {
                parts = folded;
                Input::Uplink { device, sequence: None, parts: &parts }
            }
            Some(Prepared::Other(input)) => input,
            None => continue,
        };
        let effects = interlock.step(input, now, &world, &mut ids);
        witness.check(&interlock, &effects, now);
        // What a person did to an alarm may be overtaken within the step: a rule that is told of a valve raises it anew.
        let last = |id| effects.alarms.iter().rfind(|change| change.alarm.id == id);
        let overtaken =
            matches!(input, Input::Person { alarm, .. } if last(alarm).is_some_and(|it| it.event.by().is_none()));
        // Said again at the same moment, an outcome or a request changes nothing.
        if matches!(
            input,
            Input::Outcome { .. } | Input::Request { .. } | Input::Person { .. } | Input::Transport { .. }
        ) && !overtaken
        {
            let again = interlock.step(input, now, &world, &mut ids);
            let untouched = Effects { rejected: None, ..again.clone() };
            assert!(untouched.is_empty(), "a repeat of {input:?} did {again:?}");
            if effects.rejected.is_none() && matches!(input, Input::Request { .. } | Input::Outcome { .. }) {
                assert_eq!(again.rejected, None);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_rule_and_no_order_of_events_breaks_the_invariants(events in prop::collection::vec(event(), 1..120)) {
        let policies: Vec<(&dyn AlarmPolicy, [u8; 32])> = vec![
            (&Trapping, [1; 32]),
            (&Mute, [2; 32]),
            (&ClearsEverything, [3; 32]),
            (&RaisesEverything, [4; 32]),
            (&ClosesAlways, [5; 32]),
            (&TalksNonsense, [6; 32]),
            (&SleepsForever, [7; 32]),
            (&Honest { promises: true }, [8; 32]),
        ];
        live(&events, &policies);
    }

    #[test]
    fn a_promise_that_is_kept_changes_no_effect(events in prop::collection::vec(event(), 1..120)) {
        let surroundings = Surroundings::default();
        let (mut resting, mut called) = (surroundings.interlock(), surroundings.interlock());
        let (mut ids, mut same_ids) = (IdSource::new(3, 0), IdSource::new(3, 0));
        let mut database = Database::default();
        let mut now = START;
        for event in &events {
            now = now + event.passes();
            let parts;
            let input = match event.input(&database, now) {
                Some(Prepared::Uplink(device, folded)) => {
                    parts = folded;
                    Input::Uplink { device, sequence: None, parts: &parts }
                }
                Some(Prepared::Other(input)) => input,
                None => continue,
            };
            let promised = Honest { promises: true };
            let plain = Honest { promises: false };
            let mut effects = resting.step(input, now, &surroundings.world(Some((&promised, [8; 32]))), &mut ids);
            let mut other = called.step(input, now, &surroundings.world(Some((&plain, [8; 32]))), &mut same_ids);
            database.store(&effects);
            // The promise itself is part of the answer that is recorded; all else must be equal.
            for decision in effects.decisions.iter_mut().chain(&mut other.decisions) {
                if let Some(Ok(outcome)) = decision.evaluation.as_mut().map(|evaluation| evaluation.result.as_mut()) {
                    outcome.wake = None;
                }
            }
            prop_assert_eq!(effects, other);
        }
    }

    #[test]
    fn what_is_restored_behaves_like_what_lived(
        events in prop::collection::vec(event(), 1..80),
        after in prop::collection::vec(event(), 1..40),
        with_rule: bool,
        snapshot_at in 0_usize..80,
    ) {
        let surroundings = Surroundings::default();
        let honest = Honest { promises: true };
        let bind = |version: u8| -> Option<(&dyn AlarmPolicy, [u8; 32])> {
            with_rule.then_some((&honest, [8 + version % 2; 32]))
        };
        let mut world = surroundings.world(bind(0));
        let mut interlock = surroundings.interlock();
        let mut ids = IdSource::new(3, 0);
        let mut database = Database::default();
        let mut now = START;
        for device in [DETECTOR, VALVE, METER, GATEWAY, WELL] {
            let parts = vec![part(None, &[(Quantity::Temperature, 20.0)], now)];
            let input = Input::Uplink { device, sequence: None, parts: &parts };
            database.store(&interlock.step(input, now, &world, &mut ids));
            database.journal.push((device, parts, now));
        }
        for (at, event) in events.iter().enumerate() {
            now = now + event.passes();
            if let Some(version) = event.other_rule() {
                world = surroundings.world(bind(version));
            }
            if at == snapshot_at {
                database.snapshot(&interlock);
            }
            let parts;
            let input = match event.input(&database, now) {
                Some(Prepared::Uplink(device, folded)) => {
                    parts = folded;
                    Input::Uplink { device, sequence: None, parts: &parts }
                }
                Some(Prepared::Other(input)) => input,
                None => continue,
            };
            let effects = interlock.step(input, now, &world, &mut ids);
            database.store(&effects);
            match input {
                Input::Uplink { device, parts, .. } => database.journal.push((device, parts.to_vec(), now)),
                // The counter that a device names when it refuses an order stands in no row: only a snapshot knows it.
                Input::Outcome { outcome: DeviceOutcome::RefusedStale, .. } => database.snapshot(&interlock),
                _ => {}
            }
        }
        let mut restored = database.restore(&surroundings, now);
        for (live, back) in interlock.devices().zip(restored.devices()) {
            prop_assert_eq!(live.config(), back.config());
            prop_assert_eq!(live.readings().collect::<Vec<_>>(), back.readings().collect::<Vec<_>>());
            prop_assert_eq!(live.last_seen(), back.last_seen());
            prop_assert_eq!(live.valve(), back.valve());
            prop_assert_eq!(live.alarms(), back.alarms());
            prop_assert_eq!(live.commands(), back.commands());
            prop_assert_eq!(live.rule_state(), back.rule_state());
            prop_assert_eq!(live.armed(), back.armed());
        }
        let mut same_ids = ids.clone();
        for event in &after {
            now = now + event.passes();
            if let Some(version) = event.other_rule() {
                world = surroundings.world(bind(version));
            }
            let parts;
            let input = match event.input(&database, now) {
                Some(Prepared::Uplink(device, folded)) => {
                    parts = folded;
                    Input::Uplink { device, sequence: None, parts: &parts }
                }
                Some(Prepared::Other(input)) => input,
                None => continue,
            };
            let effects = interlock.step(input, now, &world, &mut ids);
            database.store(&effects);
            prop_assert_eq!(effects, restored.step(input, now, &world, &mut same_ids));
        }
    }

    #[test]
    fn a_close_beats_an_arm_in_every_order_of_arrival(
        wishes in prop::collection::vec((any::<bool>(), any::<bool>()), 1..12),
        shuffle in prop::collection::vec(any::<u32>(), 64),
    ) {
        let surroundings = Surroundings::default();
        let world = surroundings.world(None);
        let mut interlock = surroundings.interlock();
        let mut ids = IdSource::new(3, 0);
        let mut now = START;
        let mut on_the_air = Vec::new();
        for (number, (arm, leak)) in wishes.iter().enumerate() {
            now = now + davy_domain::Span::from_secs(11);
            let action = if *arm { Action::Arm } else { Action::Close };
            let command = davy_domain::CommandId::from_raw(1_000 + number as i64);
            let cause = Cause::Operator { by: PERSON };
            interlock.step(Input::Request { device: VALVE, command, action, cause }, now, &world, &mut ids);
            on_the_air.extend(interlock.pending_messages(VALVE, now));
            if *leak {
                let parts = [part(None, &[(Quantity::Gas, 40.0)], now)];
                interlock.step(Input::Uplink { device: DETECTOR, sequence: None, parts: &parts }, now, &world, &mut ids);
                on_the_air.extend(interlock.pending_messages(VALVE, now));
            }
        }
        let newest = on_the_air.iter().max_by_key(|message| message.counter).cloned();
        let mut keys = shuffle.iter().cycle();
        on_the_air.sort_by_cached_key(|_| keys.next().copied());
        let mut device = DeviceModel::default();
        for message in &on_the_air {
            device.receive(message);
        }
        if let Some(newest) = newest {
            prop_assert_eq!(device.may_open, newest.action == Action::Arm);
            if newest.action == Action::Close {
                prop_assert!(device.closed);
            }
        }
    }
}

#[test]
fn a_person_may_not_pretend_to_be_a_leak_or_a_rule() {
    let surroundings = Surroundings::default();
    let mut interlock = surroundings.interlock();
    let cause = Cause::Rule;
    let command = davy_domain::CommandId::from_raw(5);
    let input = Input::Request { device: VALVE, command, action: Action::Close, cause };
    let effects = interlock.step(input, START, &surroundings.world(None), &mut IdSource::new(0, 0));
    assert_eq!(effects.rejected, Some(RejectReason::NotAPersonsCause));
}
