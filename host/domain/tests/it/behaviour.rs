//! The fold in the field's own scenes.

use crate::premises::*;
use davy_domain::alarm::{AlarmEvent, AlarmState};
use davy_domain::command::{Cause, DeviceOutcome};
use davy_domain::interlock::{
    InterlockError, NoticeKind, RejectReason, ResetBlock, StoredInterlock, TimerChange, Transport,
};
use davy_domain::policy::{AlarmPolicy, Evaluation, PolicyEvent, PolicyOutcome, PolicyTimer};
use davy_domain::{
    Action, Command, CommandId, CommandState, Condition, DeviceConfig, DeviceId, DeviceKind, Effects, IdSource, Input,
    Interlock, InterlockId, Priority, Quantity, Span, TenantId, Timestamp, ValveState,
};

pub(crate) type Rule<'a> = Option<(&'a dyn AlarmPolicy, [u8; 32])>;

/// An interlock, its clock and its ids.
pub(crate) struct Scene {
    pub(crate) surroundings: Surroundings,
    pub(crate) interlock: Interlock,
    ids: IdSource,
    pub(crate) now: Timestamp,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let surroundings = Surroundings::default();
        let interlock = surroundings.interlock();
        Self { surroundings, interlock, ids: IdSource::new(0, 0), now: START }
    }

    pub(crate) fn wait(&mut self, seconds: i64) -> &mut Self {
        self.now = self.now + Span::from_secs(seconds);
        self
    }

    pub(crate) fn with(&mut self, rule: Rule<'_>, input: Input<'_>) -> Effects {
        self.interlock.step(input, self.now, &self.surroundings.world(rule), &mut self.ids)
    }

    pub(crate) fn tell(&mut self, input: Input<'_>) -> Effects {
        self.with(None, input)
    }

    pub(crate) fn says(&mut self, device: DeviceId, values: &[(Quantity, f64)]) -> Effects {
        let parts = [part(None, values, self.now)];
        self.tell(Input::Uplink { device, sequence: None, parts: &parts })
    }

    pub(crate) fn sent(&mut self, device: DeviceId) -> Vec<Command> {
        let pending: Vec<Command> = self.interlock.pending_for(device, self.now).cloned().collect();
        for command in &pending {
            self.tell(Input::Transport { command: command.id, event: Transport::Sent });
        }
        pending
    }

    pub(crate) fn outcome(&mut self, command: &Command, outcome: DeviceOutcome) -> Effects {
        let (device, command, counter, at) = (command.device, command.id, command.counter, self.now);
        self.tell(Input::Outcome { device, command, counter, outcome, at })
    }

    pub(crate) fn arm(&mut self, id: i64) -> Effects {
        let cause = Cause::Operator { by: PERSON };
        self.tell(Input::Request { device: VALVE, command: CommandId::from_raw(id), action: Action::Arm, cause })
    }

    pub(crate) fn person(&mut self, device: DeviceId, condition: Condition, event: AlarmEvent) -> Effects {
        let alarms = self.interlock.device(device).unwrap().alarms();
        let alarm = alarms.iter().find(|alarm| alarm.condition == condition).unwrap().id;
        self.tell(Input::Person { alarm, event })
    }

    pub(crate) fn valve(&self, device: DeviceId) -> ValveState {
        self.interlock.device(device).unwrap().valve()
    }

    pub(crate) fn state(&self, device: DeviceId, condition: Condition) -> Option<AlarmState> {
        let alarms = self.interlock.device(device).unwrap().alarms();
        alarms.iter().find(|alarm| alarm.condition == condition).map(|alarm| alarm.state)
    }
}

pub(crate) const LOW: &[(Quantity, f64)] = &[(Quantity::Gas, 0.5)];
pub(crate) const LEAK: &[(Quantity, f64)] = &[(Quantity::Gas, 30.0)];
pub(crate) const CLOSED: &[(Quantity, f64)] = &[(Quantity::Valve, 1.0)];
pub(crate) const OPEN: &[(Quantity, f64)] = &[(Quantity::Valve, 0.0)];
pub(crate) const RESET: AlarmEvent = AlarmEvent::Reset { by: PERSON, fresh_low_readings: false };
pub(crate) const ACKNOWLEDGE: AlarmEvent = AlarmEvent::Acknowledge { by: PERSON };

#[test]
fn a_leak_becomes_a_verified_close() {
    let mut scene = Scene::new();
    scene.says(VALVE, OPEN);
    let effects = scene.wait(5).says(DETECTOR, LEAK);
    assert_eq!(effects.deliver, [VALVE, METER]);
    assert_eq!(effects.alarms[0].alarm.condition, Condition::GasHigh);
    assert_eq!(effects.decisions.len(), 1);
    assert_eq!(effects.decisions[0].floor[0].rule, "cn-household-gas");
    let sent = scene.sent(VALVE);
    assert_eq!(sent.len(), 1);
    scene.wait(1).outcome(&sent[0], DeviceOutcome::Accepted);
    assert_eq!(scene.valve(VALVE), ValveState::Closing);
    scene.wait(4).outcome(&sent[0], DeviceOutcome::Actuated);
    assert_eq!(scene.valve(VALVE), ValveState::Closing, "moved is not proven");
    let effects = scene.wait(1).says(VALVE, CLOSED);
    assert_eq!(effects.commands[0].command.state, CommandState::Verified);
    assert!(effects.notices.iter().any(|notice| notice.kind == NoticeKind::ValveClosed));
    assert_eq!(scene.valve(VALVE), ValveState::Closed);
    // The leak goes on: nothing more to do for this valve.
    assert!(scene.wait(5).says(DETECTOR, LEAK).is_empty());
}

#[test]
fn a_report_from_before_the_close_proves_nothing() {
    let mut scene = Scene::new();
    scene.says(DETECTOR, LEAK);
    let taken_before = [part(None, CLOSED, scene.now - Span::from_secs(1))];
    scene.wait(2).sent(VALVE);
    let effects = scene.wait(1).tell(Input::Uplink { device: VALVE, sequence: None, parts: &taken_before });
    assert!(effects.commands.is_empty());
    let effects = scene.wait(1).says(VALVE, CLOSED);
    assert_eq!(effects.commands[0].command.state, CommandState::Verified);
}

#[test]
fn a_meter_proves_its_close_by_position_and_flow() {
    let mut scene = Scene::new();
    scene.says(DETECTOR, LEAK);
    scene.wait(1).sent(METER);
    let flowing = [(Quantity::Valve, 1.0), (Quantity::Flow, 0.8)];
    assert!(scene.wait(1).says(METER, &flowing).commands.is_empty());
    let effects = scene.wait(1).says(METER, &[(Quantity::Valve, 1.0), (Quantity::Flow, 0.0)]);
    assert_eq!(effects.commands[0].command.state, CommandState::Verified);
    scene.wait(60).says(METER, &flowing);
    assert_eq!(scene.state(METER, Condition::FlowAfterClose), Some(AlarmState::Unacknowledged));
    assert_eq!(scene.valve(METER), ValveState::Unverified, "what lets gas through is not shown as closed");
}

#[test]
fn the_meter_of_the_premises_contradicts_a_shut_off_valve_that_says_closed() {
    let mut scene = Scene::new();
    let (flowing, still) = ([(Quantity::Flow, 0.8)], [(Quantity::Flow, 0.0)]);
    scene.says(METER, &flowing);
    scene.says(DETECTOR, LEAK);
    scene.wait(1).sent(VALVE);
    let effects = scene.wait(2).says(VALVE, CLOSED);
    assert_eq!(effects.commands[0].command.state, CommandState::Verified, "what was measured before says nothing");
    scene.wait(5).says(METER, &flowing);
    assert_eq!(scene.valve(VALVE), ValveState::Closed, "too soon to be sure");
    scene.wait(60).says(METER, &flowing);
    assert_eq!(scene.state(VALVE, Condition::FlowAfterClose), Some(AlarmState::Unacknowledged));
    assert_eq!(scene.valve(VALVE), ValveState::Unverified);
    let again = scene.wait(5).says(DETECTOR, LEAK);
    assert!(again.commands.iter().any(|change| change.command.device == VALVE && change.before.is_none()));
    scene.wait(1).sent(VALVE);
    let effects = scene.wait(1).says(VALVE, CLOSED);
    assert_eq!(effects.commands[0].command.state, CommandState::Verified, "a new proof until the meter speaks again");
    assert_eq!(scene.valve(VALVE), ValveState::Unverified, "and not shown as closed before that");
    scene.wait(60).says(METER, &still);
    assert_eq!(scene.valve(VALVE), ValveState::Closed);
}

#[test]
fn a_close_is_not_proven_while_the_meter_says_that_gas_flows() {
    let mut scene = Scene::new();
    scene.says(VALVE, CLOSED);
    scene.wait(60).says(METER, &[(Quantity::Flow, 0.8)]);
    assert_eq!(scene.valve(VALVE), ValveState::Unverified, "it said closed, by whomever, and gas flows");
    scene.says(DETECTOR, LEAK);
    scene.wait(1).sent(VALVE);
    // A report whose time lies before what the meter measured.
    let parts = [part(None, CLOSED, scene.now - Span::from_secs(30))];
    scene.wait(1).tell(Input::Uplink { device: VALVE, sequence: None, parts: &parts });
    assert!(scene.interlock.device(VALVE).unwrap().commands().iter().any(|close| close.state.is_open()));
}

#[test]
fn as_long_as_one_valve_of_the_premises_is_open_its_flow_accuses_no_other() {
    const OTHER: DeviceId = DeviceId::from_raw(8);
    let mut scene = Scene::new();
    let mut devices = Surroundings::devices();
    let premises = devices[1].premises;
    devices.push(DeviceConfig { premises, ..device(OTHER, DeviceKind::Valve, &[], None) });
    scene.interlock.reconfigure(devices, scene.now, &scene.surroundings.limits).unwrap();
    scene.says(VALVE, CLOSED);
    scene.says(OTHER, OPEN);
    scene.wait(60).says(METER, &[(Quantity::Flow, 0.8)]);
    assert_eq!(scene.valve(VALVE), ValveState::Closed);
    scene.wait(5).says(OTHER, CLOSED);
    scene.wait(60).says(METER, &[(Quantity::Flow, 0.8)]);
    assert_eq!((scene.valve(VALVE), scene.valve(OTHER)), (ValveState::Unverified, ValveState::Unverified));
    scene.wait(5).says(OTHER, OPEN);
    scene.wait(60).says(METER, &[(Quantity::Flow, 0.8)]);
    assert_eq!(scene.valve(VALVE), ValveState::Closed);
}

#[test]
fn a_device_with_a_slow_clock_can_prove_its_close_by_its_own_times() {
    let mut scene = Scene::new();
    scene.says(DETECTOR, LEAK);
    let close = scene.wait(1).sent(VALVE).remove(0);
    let slow = Span::from_minutes(7);
    let at = scene.now + Span::from_secs(3) - slow;
    scene.wait(3).tell(Input::Outcome {
        device: VALVE,
        command: close.id,
        counter: close.counter,
        outcome: DeviceOutcome::Actuated,
        at,
    });
    let stale = [part(None, CLOSED, at - Span::from_secs(5))];
    let effects = scene.wait(1).tell(Input::Uplink { device: VALVE, sequence: None, parts: &stale });
    assert!(effects.commands.is_empty());
    let fresh = [part(None, CLOSED, at + Span::from_secs(2))];
    let effects = scene.wait(1).tell(Input::Uplink { device: VALVE, sequence: None, parts: &fresh });
    assert_eq!(effects.commands[0].command.state, CommandState::Verified);
}

#[test]
fn a_close_that_is_not_proven_calls_a_person_and_is_tried_again() {
    let mut scene = Scene::new();
    scene.says(DETECTOR, LEAK);
    scene.sent(VALVE);
    assert_eq!(scene.interlock.next_due(), Some(START + Span::from_secs(30)));
    let effects = scene.wait(30).tell(Input::Due);
    assert_eq!(effects.commands[0].command.state, CommandState::Unverified);
    assert!(effects.notices.iter().any(|notice| notice.kind == NoticeKind::CloseUnverified));
    assert_eq!(scene.valve(VALVE), ValveState::Unverified);
    let again = &effects.commands[1].command;
    assert_eq!((again.device, again.state), (VALVE, CommandState::Queued));
    assert!(again.counter > effects.commands[0].command.counter);
    assert_eq!(again.deadline, scene.now + Span::from_secs(60), "each attempt gets twice the time");
    // It closes in the end: the alarm latches until a person has looked.
    scene.wait(10).sent(VALVE);
    scene.wait(1).says(VALVE, CLOSED);
    assert_eq!(scene.state(VALVE, Condition::CloseUnverified), Some(AlarmState::LatchedUnacknowledged));
    scene.person(VALVE, Condition::CloseUnverified, RESET);
    scene.person(VALVE, Condition::CloseUnverified, ACKNOWLEDGE);
    assert_eq!(scene.state(VALVE, Condition::CloseUnverified), None);
}

#[test]
fn a_jammed_valve_calls_a_person_at_once() {
    let mut scene = Scene::new();
    scene.says(DETECTOR, LEAK);
    let close = scene.sent(VALVE).remove(0);
    let effects = scene.wait(2).outcome(&close, DeviceOutcome::FailedJammed);
    assert_eq!(effects.commands.len(), 1, "no tight circle of attempts");
    assert_eq!(scene.valve(VALVE), ValveState::Unverified);
    let effects = scene.wait(5).says(DETECTOR, LEAK);
    assert_eq!(effects.commands.len(), 1, "the next reading tries again");
}

#[test]
fn a_counter_that_has_fallen_behind_is_mended_by_the_device_s_word() {
    let mut scene = Scene::new();
    scene.says(DETECTOR, LEAK);
    let close = scene.sent(VALVE).remove(0);
    let (device, command, at) = (VALVE, close.id, scene.now);
    let ahead = close.counter + 1_000_000;
    let outcome = DeviceOutcome::RefusedStale;
    let effects = scene.tell(Input::Outcome { device, command, counter: ahead, outcome, at });
    assert_eq!(effects.commands[0].command.state, CommandState::Rejected);
    assert!(effects.commands[1].command.counter > ahead);
    assert_eq!(effects.commands[1].command.deadline, close.deadline, "the call for a person is not put off");
}

#[test]
fn a_sleepy_meter_has_until_after_its_next_uplinks() {
    let mut scene = Scene::new();
    scene.says(METER, &[(Quantity::Valve, 0.0), (Quantity::Flow, 0.2)]);
    let effects = scene.wait(60).says(DETECTOR, LEAK);
    let of = |id| effects.commands.iter().find(|change| change.command.device == id).unwrap().command.deadline;
    assert_eq!(of(VALVE), scene.now + Span::from_secs(30));
    assert_eq!(of(METER), START + Span::from_hours(2) + Span::from_secs(60));
}

#[test]
fn an_active_leak_blocks_arm_until_a_person_resets_it_with_a_fresh_low_reading() {
    let mut scene = Scene::new();
    scene.says(VALVE, CLOSED);
    scene.says(METER, &[(Quantity::Valve, 1.0), (Quantity::Flow, 0.0)]);
    scene.wait(1).says(DETECTOR, LEAK);
    assert!(matches!(scene.arm(1).rejected, Some(RejectReason::ArmBlocked { condition: Condition::GasHigh, .. })));
    scene.person(DETECTOR, Condition::GasHigh, ACKNOWLEDGE);
    let refused = scene.person(DETECTOR, Condition::GasHigh, RESET).rejected;
    let Some(RejectReason::Reset { block: ResetBlock::ReadingsHigh { value: 30.0, below, .. } }) = refused else {
        panic!("{refused:?}")
    };
    assert!(below <= 30.0);
    scene.wait(60).says(DETECTOR, LOW);
    assert_eq!(scene.state(DETECTOR, Condition::GasHigh), Some(AlarmState::LatchedAcknowledged));
    assert!(matches!(scene.arm(2).rejected, Some(RejectReason::ArmBlocked { .. })));
    scene.wait(3 * 3_600);
    let refused = scene.person(DETECTOR, Condition::GasHigh, RESET).rejected.unwrap();
    assert_eq!(refused.code(), "reading-too-old", "{refused}");
    scene.says(DETECTOR, LOW);
    scene.person(DETECTOR, Condition::GasHigh, RESET);
    assert_eq!(scene.state(DETECTOR, Condition::GasHigh), None);
    assert_eq!(scene.arm(3).rejected, None);
}

#[test]
fn a_leak_cancels_an_arm_and_does_not_trust_a_closed_valve_that_may_be_opened() {
    let mut scene = Scene::new();
    scene.says(VALVE, CLOSED);
    assert_eq!(scene.arm(1).rejected, None);
    let arm = scene.sent(VALVE).remove(0);
    scene.wait(1).outcome(&arm, DeviceOutcome::Actuated);
    scene.wait(1).says(VALVE, CLOSED);
    let effects = scene.wait(1).says(DETECTOR, LEAK);
    assert!(effects.commands.iter().any(|change| change.command.device == VALVE && change.before.is_none()));
    // Still closed because nobody has pressed the button: no proof that the permission is gone.
    let close = scene.sent(VALVE).remove(0);
    assert!(scene.wait(1).says(VALVE, CLOSED).commands.is_empty());
    scene.wait(1).outcome(&close, DeviceOutcome::Actuated);
    let effects = scene.wait(1).says(VALVE, CLOSED);
    assert_eq!(effects.commands[0].command.state, CommandState::Verified);
}

#[test]
fn an_arm_needs_charge_a_safety_close_does_not() {
    let mut scene = Scene::new();
    scene.says(VALVE, &[(Quantity::Valve, 0.0), (Quantity::Battery, 8.0)]);
    assert_eq!(scene.arm(1).rejected, Some(RejectReason::BatteryLow { percent: 8.0, needed: 10.0 }));
    assert_eq!(scene.says(DETECTOR, LEAK).commands.len(), 2);
}

#[test]
fn a_well_monitor_raises_without_closing() {
    let mut scene = Scene::new();
    let effects = scene.says(WELL, LEAK);
    assert_eq!((effects.alarms.len(), effects.commands.len()), (1, 0));
    assert_eq!(effects.alarms[0].alarm.priority, Priority::High);
}

#[test]
fn a_gateway_speaks_for_its_children_and_carries_their_commands() {
    let mut scene = Scene::new();
    let parts = [part(Some("S5"), LEAK, scene.now), part(None, &[(Quantity::Temperature, 30.0)], scene.now)];
    let effects = scene.tell(Input::Uplink { device: GATEWAY, sequence: Some(4), parts: &parts });
    assert!(effects.unknown_children.is_empty());
    assert_eq!(effects.deliver, [GATEWAY]);
    assert_eq!(effects.alarms[0].alarm.device, CHILD);
    let messages = scene.interlock.pending_messages(GATEWAY, scene.now);
    assert_eq!(messages[0].child.as_deref(), Some("S6"));
    assert!(scene.interlock.pending_messages(CHILD_VALVE, scene.now).is_empty());
    let close = scene.sent(GATEWAY).remove(0);
    let (command, counter, at) = (close.id, close.counter, scene.now);
    let outcome = DeviceOutcome::Actuated;
    let foreign = scene.tell(Input::Outcome { device: METER, command, counter, outcome, at });
    assert_eq!(foreign.rejected, Some(RejectReason::UnknownCommand { command }));
    scene.tell(Input::Outcome { device: GATEWAY, command, counter, outcome, at });
    let parts = [part(Some("S6"), CLOSED, scene.now)];
    let effects = scene.wait(1).tell(Input::Uplink { device: GATEWAY, sequence: Some(5), parts: &parts });
    assert_eq!(effects.commands[0].command.state, CommandState::Verified);
}

#[test]
fn a_leak_at_a_device_that_nobody_provisioned_is_its_gateway_s_alarm() {
    let mut scene = Scene::new();
    let says = |values: &[(Quantity, f64)], at| [part(Some("nobody"), values, at)];
    let parts = says(&[(Quantity::Gas, 60.0), (Quantity::Battery, 3.0)], scene.now);
    let effects = scene.tell(Input::Uplink { device: GATEWAY, sequence: Some(1), parts: &parts });
    assert_eq!(effects.unknown_children, [(GATEWAY, "nobody".to_owned())]);
    let alarm = &effects.alarms[0].alarm;
    assert_eq!((alarm.device, alarm.condition, alarm.priority), (GATEWAY, Condition::GasHigh, Priority::Urgent));
    let gateway = scene.interlock.device(GATEWAY).unwrap();
    assert_eq!(gateway.latest(Quantity::Battery), None, "nothing but what it says of the air is believed");
    let parts = says(&[(Quantity::Gas, 0.0)], scene.now);
    scene.wait(60).tell(Input::Uplink { device: GATEWAY, sequence: Some(2), parts: &parts });
    scene.person(GATEWAY, Condition::GasHigh, RESET);
    scene.person(GATEWAY, Condition::GasHigh, ACKNOWLEDGE);
    assert_eq!(scene.state(GATEWAY, Condition::GasHigh), None, "a person ends it as any other");
}

#[test]
fn two_missed_reports_are_silence_and_the_next_report_ends_it() {
    let mut scene = Scene::new();
    scene.says(DETECTOR, LOW);
    assert!(scene.wait(7_200).tell(Input::Due).alarms.iter().all(|change| change.alarm.device != DETECTOR));
    let effects = scene.wait(31).tell(Input::Due);
    assert!(effects.alarms.iter().any(|change| change.alarm.device == DETECTOR));
    assert_eq!(scene.state(DETECTOR, Condition::Silent), Some(AlarmState::Unacknowledged));
    scene.wait(5).says(DETECTOR, LOW);
    assert_eq!(scene.state(DETECTOR, Condition::Silent), Some(AlarmState::ReturnedUnacknowledged));
}

#[test]
fn a_leak_that_is_read_late_closes_the_valve_and_ends_nobodys_silence() {
    let mut scene = Scene::new();
    scene.says(DETECTOR, LOW);
    scene.wait(7_231).tell(Input::Due);
    assert_eq!(scene.state(DETECTOR, Condition::Silent), Some(AlarmState::Unacknowledged));
    // Measured an hour ago, and understood only now.
    let parts = [part(None, &[(Quantity::Gas, 60.0)], scene.now - Span::from_hours(1))];
    let effects = scene.wait(5).tell(Input::Late { device: DETECTOR, parts: &parts });
    assert!(effects.commands.iter().any(|change| change.command.action == Action::Close), "{effects:?}");
    assert!(scene.state(DETECTOR, Condition::GasHigh).is_some());
    assert_eq!(scene.state(DETECTOR, Condition::Silent), Some(AlarmState::Unacknowledged), "nobody has spoken");
}

#[test]
fn a_driver_that_fails_is_told_of_once_and_until_it_works_again() {
    let mut scene = Scene::new();
    let fails = |fails| Input::Driver { device: DETECTOR, fails };
    assert_eq!(scene.tell(fails(true)).alarms.len(), 1);
    assert!(scene.wait(5).tell(fails(true)).alarms.is_empty(), "once");
    // A reading that can be judged says nothing about the driver.
    scene.wait(5).says(DETECTOR, LOW);
    assert_eq!(scene.state(DETECTOR, Condition::RuleFault), Some(AlarmState::Unacknowledged));
    scene.wait(5).tell(fails(false));
    assert_eq!(scene.state(DETECTOR, Condition::RuleFault), Some(AlarmState::ReturnedUnacknowledged));
}

#[test]
fn a_platform_that_was_down_calls_nobody_silent_for_that() {
    let mut scene = Scene::new();
    for device in [DETECTOR, VALVE, METER, GATEWAY, WELL] {
        scene.says(device, &[(Quantity::Temperature, 20.0)]);
    }
    let memories = scene.interlock.devices().map(|view| view.config().id).collect::<Vec<_>>();
    let memories: Vec<_> = memories.into_iter().map(|id| (id, scene.interlock.memory(id).unwrap())).collect();
    let stored = StoredInterlock { devices: Surroundings::devices(), memories, ..StoredInterlock::default() };
    scene.interlock = Interlock::restore(InterlockId::from_raw(1), TenantId::from_raw(1), stored).unwrap();
    // The platform worked for an hour after the last reports, then was down for three days.
    let down = scene.now + Span::from_hours(1);
    scene.now = down + Span::from_days(3);
    scene.interlock.resume(scene.now, Some(down), &scene.surroundings.limits);
    assert!(scene.tell(Input::Due).alarms.is_empty());
    assert!(scene.wait(3_600).tell(Input::Due).alarms.is_empty());
    assert_eq!(scene.wait(31).tell(Input::Due).alarms.len(), 5, "the hour before counts, the three days do not");
}

#[test]
fn one_silent_gateway_is_one_alarm_not_five_hundred() {
    let mut scene = Scene::new();
    let mut devices = Surroundings::devices();
    for config in &mut devices {
        config.report_interval = Some(Span::from_hours(1));
    }
    scene.interlock.reconfigure(devices, scene.now, &scene.surroundings.limits).unwrap();
    let effects = scene.wait(7_231).tell(Input::Due);
    let silent: Vec<_> = effects.alarms.iter().map(|change| change.alarm.device).collect();
    assert!(silent.contains(&GATEWAY) && !silent.contains(&CHILD) && !silent.contains(&CHILD_VALVE));
}

#[test]
fn a_fault_of_the_rule_is_an_alarm_until_the_rule_works_again() {
    let mut scene = Scene::new();
    let parts = [part(None, LOW, scene.now)];
    let uplink = Input::Uplink { device: DETECTOR, sequence: None, parts: &parts };
    let effects = scene.with(Some((&Trapping, [1; 32])), uplink);
    assert_eq!(effects.alarms[0].alarm.condition, Condition::RuleFault);
    assert!(effects.decisions[0].evaluation.as_ref().unwrap().result.is_err());
    assert!(scene.with(Some((&Trapping, [1; 32])), uplink).is_empty(), "one alarm, one record");
    scene.with(Some((&Mute, [1; 32])), uplink);
    assert_eq!(scene.state(DETECTOR, Condition::RuleFault), Some(AlarmState::ReturnedUnacknowledged));
}

/// Remembers, and sets a timer.
struct Remembers;
impl AlarmPolicy for Remembers {
    fn evaluate(&self, state: &[u8], event: &PolicyEvent) -> Evaluation {
        let timers = vec![PolicyTimer { id: 7, at: event.now + Span::from_minutes(5) }];
        let outcome = PolicyOutcome { state: [state, &[9]].concat(), timers, ..PolicyOutcome::default() };
        Evaluation { result: Ok(outcome), fuel: 3 }
    }
}

#[test]
fn another_rule_begins_with_an_empty_memory_and_without_the_other_s_timers() {
    let mut scene = Scene::new();
    let parts = [part(None, LOW, scene.now)];
    let uplink = Input::Uplink { device: DETECTOR, sequence: None, parts: &parts };
    scene.with(Some((&Remembers, [1; 32])), uplink);
    let effects = scene.with(Some((&Remembers, [1; 32])), uplink);
    assert_eq!(effects.rule_state, [(DETECTOR, vec![1, 1, 1, 1, 1, 1, 1, 1, 9, 9])]);
    let effects = scene.with(Some((&Mute, [2; 32])), uplink);
    assert_eq!(effects.timers, [TimerChange::Gone { device: DETECTOR, id: 7 }]);
    assert_eq!(scene.interlock.device(DETECTOR).unwrap().rule_state(), [0_u8; 0]);
}

#[test]
fn a_timer_comes_when_it_is_due() {
    let mut scene = Scene::new();
    let rule: Rule<'_> = Some((&Remembers, [1; 32]));
    let parts = [part(None, LOW, scene.now)];
    scene.with(rule, Input::Uplink { device: DETECTOR, sequence: None, parts: &parts });
    assert_eq!(scene.interlock.next_due(), Some(START + Span::from_minutes(5)));
    let effects = scene.wait(301).with(rule, Input::Due);
    assert_eq!(effects.timers[0], TimerChange::Gone { device: DETECTOR, id: 7 });
    assert!(matches!(effects.timers[1], TimerChange::Set { device: DETECTOR, .. }));
}

#[test]
fn the_first_alarm_stays_first() {
    let mut scene = Scene::new();
    scene.says(WELL, LEAK);
    scene.wait(1).says(DETECTOR, LEAK);
    assert_eq!(scene.interlock.first_alarm().unwrap().device, WELL);
}

#[test]
fn devices_that_do_not_fit_together_are_refused() {
    let build = |devices| {
        let limits = davy_domain::interlock::Limits::default();
        Interlock::new(InterlockId::from_raw(1), TenantId::from_raw(1), devices, START, &limits).map(|_| ())
    };
    let detector = |links: &[DeviceId], parent| device(DETECTOR, DeviceKind::Detector, links, parent);
    let valve = device(VALVE, DeviceKind::Valve, &[], None);
    let lost = build(vec![detector(&[VALVE], None)]);
    assert_eq!(lost, Err(InterlockError::LinkOutside { device: DETECTOR, link: VALVE }));
    let well = device(WELL, DeviceKind::WellMonitor, &[], None);
    let open_ended = build(vec![detector(&[WELL], None), well]);
    assert_eq!(open_ended, Err(InterlockError::LinkWithoutValve { device: DETECTOR, link: WELL }));
    let orphan = build(vec![detector(&[], Some(VALVE)), valve.clone()]);
    assert_eq!(orphan, Err(InterlockError::Parent { device: DETECTOR, parent: VALVE }));
    assert_eq!(build(vec![valve.clone(), valve]), Err(InterlockError::Duplicate { device: VALVE }));
}
