//! What the fold does when something around it has failed: a valve that refuses, a clock that was wrong, a database that said no.

use crate::behaviour::*;
use crate::premises::*;
use davy_domain::alarm::AlarmState;
use davy_domain::command::{Cause, DeviceOutcome};
use davy_domain::interlock::{MOST_LEAD, StoredInterlock, TimerChange};
use davy_domain::{
    Action, AlarmId, CommandId, CommandState, Condition, Effects, Input, Interlock, InterlockId, Quantity, Span,
    TenantId, ValveState,
};

/// Waits for what is due next and lets the valve refuse what it is sent; returns after how long its close came.
fn refused_again(scene: &mut Scene, outcome: DeviceOutcome) -> Span {
    let since = scene.now;
    for _ in 0..100 {
        if let Some(close) = scene.sent(VALVE).pop() {
            scene.outcome(&close, outcome);
            return scene.now.since(since);
        }
        scene.now = scene.interlock.next_due().unwrap();
        scene.tell(Input::Due);
    }
    panic!("whatever was due, the close was not tried again");
}

#[test]
fn a_close_that_the_valve_refuses_is_tried_again_without_a_reading_and_ever_more_rarely() {
    for outcome in [DeviceOutcome::FailedJammed, DeviceOutcome::RefusedBattery, DeviceOutcome::RefusedTemperature] {
        let mut scene = Scene::new();
        scene.says(DETECTOR, LEAK);
        let waits: Vec<_> = (0..8).map(|_| refused_again(&mut scene, outcome).as_millis() / 1000).collect();
        assert_eq!(
            waits,
            [0, 30, 60, 120, 240, 480, 900, 900],
            "seconds between the tries of a valve that says {outcome}"
        );
        scene.now = scene.interlock.next_due().unwrap();
        scene.tell(Input::Due);
        let close = scene.sent(VALVE).remove(0);
        scene.wait(1).outcome(&close, DeviceOutcome::Actuated);
        scene.wait(1).says(VALVE, CLOSED);
        assert!(scene.sent(VALVE).is_empty());
        assert_eq!(scene.state(VALVE, Condition::CloseUnverified), Some(AlarmState::LatchedUnacknowledged));
    }
}

#[test]
fn a_persons_close_that_the_valve_refused_is_tried_again_once_a_low_leak_alarm_stands() {
    let mut scene = Scene::new();
    scene.says(VALVE, OPEN);
    let (command, cause) = (CommandId::from_raw(7), Cause::Operator { by: PERSON });
    scene.tell(Input::Request { device: VALVE, command, action: Action::Close, cause });
    let close = scene.sent(VALVE).remove(0);
    scene.wait(1).outcome(&close, DeviceOutcome::FailedJammed);
    scene.wait(120).tell(Input::Due);
    assert!(scene.sent(VALVE).is_empty(), "nothing leaks: that a person is called is enough");
    // A low alarm, for which by itself neither the floor nor the rule orders a close.
    let rule = Some((&Honest { promises: false } as &dyn davy_domain::policy::AlarmPolicy, [1; 32]));
    scene.wait(1);
    let parts = [part(None, &[(Quantity::Gas, 15.0)], scene.now)];
    scene.with(rule, Input::Uplink { device: DETECTOR, sequence: None, parts: &parts });
    assert!(scene.state(DETECTOR, Condition::GasLow).is_some());
    assert_eq!(scene.state(DETECTOR, Condition::GasHigh), None);
    assert_eq!(scene.sent(METER), [], "nobody wanted the meter closed");
    assert_eq!(scene.sent(VALVE).len(), 1, "somebody wanted this one closed, and now gas is there");
}

#[test]
fn a_refused_close_is_not_tried_again_once_the_leak_is_over() {
    let mut scene = Scene::new();
    scene.says(DETECTOR, LEAK);
    refused_again(&mut scene, DeviceOutcome::FailedJammed);
    scene.wait(1).says(DETECTOR, LOW);
    scene.person(DETECTOR, Condition::GasHigh, RESET);
    scene.person(DETECTOR, Condition::GasHigh, ACKNOWLEDGE);
    assert_eq!(scene.state(DETECTOR, Condition::GasHigh), None);
    scene.wait(60).tell(Input::Due);
    assert!(scene.sent(VALVE).is_empty());
}

#[test]
fn a_refused_close_is_tried_again_after_a_restart_too() {
    let mut scene = Scene::new();
    let mut database = Database::default();
    database.store(&scene.says(DETECTOR, LEAK));
    let close = scene.sent(VALVE).remove(0);
    database.store(&scene.wait(2).outcome(&close, DeviceOutcome::FailedJammed));
    scene.wait(3);
    scene.interlock = database.restore(&scene.surroundings, scene.now);
    scene.wait(24).tell(Input::Due);
    assert!(scene.sent(VALVE).is_empty(), "not before its time");
    scene.wait(1).tell(Input::Due);
    assert_eq!(scene.sent(VALVE).len(), 1);
}

/// The clock is ahead by a year for a moment, and then right again.
fn with_a_clock_that_was_ahead(scene: &mut Scene, meanwhile: impl FnOnce(&mut Scene)) {
    scene.now = scene.now + Span::from_days(365);
    meanwhile(scene);
    scene.now = scene.now - Span::from_days(365) + Span::from_secs(1);
}

#[test]
fn a_close_that_was_ordered_by_a_clock_far_ahead_is_still_called_unproven_in_time() {
    let mut scene = Scene::new();
    scene.says(VALVE, OPEN);
    with_a_clock_that_was_ahead(&mut scene, |scene| {
        scene.says(DETECTOR, LEAK);
        assert_eq!(scene.sent(VALVE).len(), 1);
    });
    scene.tell(Input::Due);
    let soon = scene.now + Span::from_secs(30);
    assert!(scene.interlock.next_due().is_some_and(|due| due <= soon), "due within the close's 30 s");
    scene.now = soon;
    let effects = scene.tell(Input::Due);
    let unproven = |it: &&davy_domain::interlock::CommandChange| {
        it.command.device == VALVE && it.command.state == CommandState::Unverified
    };
    assert_eq!(effects.commands.iter().filter(unproven).count(), 1);
    assert_eq!(scene.valve(VALVE), ValveState::Unverified);
}

#[test]
fn a_close_that_was_ordered_by_a_clock_far_ahead_can_be_proven_by_the_right_one() {
    let mut scene = Scene::new();
    scene.says(VALVE, OPEN);
    with_a_clock_that_was_ahead(&mut scene, |scene| {
        scene.says(DETECTOR, LEAK);
        scene.sent(VALVE);
    });
    scene.wait(2).says(VALVE, CLOSED);
    assert_eq!(scene.valve(VALVE), ValveState::Closed);
    assert!(scene.sent(VALVE).is_empty());
}

#[test]
fn a_device_that_was_heard_by_a_clock_far_ahead_is_silent_in_time_and_its_new_readings_count() {
    let mut scene = Scene::new();
    with_a_clock_that_was_ahead(&mut scene, |scene| {
        scene.says(DETECTOR, &[(Quantity::Temperature, 10.0)]);
    });
    scene.says(DETECTOR, &[(Quantity::Temperature, 20.0)]);
    let latest: Vec<_> = scene.interlock.device(DETECTOR).unwrap().readings().map(|reading| reading.value).collect();
    assert_eq!(latest, [20.0]);
    scene.wait(2 * 3600 + 31).tell(Input::Due);
    assert!(scene.state(DETECTOR, Condition::Silent).is_some());
}

#[test]
fn a_rule_that_was_asked_by_a_clock_far_ahead_begins_anew_and_the_floor_stands_throughout() {
    let mut scene = Scene::new();
    let rule = Some((&Honest { promises: false } as &dyn davy_domain::policy::AlarmPolicy, [1; 32]));
    let leak = [part(None, LEAK, scene.now)];
    scene.now = scene.now + Span::from_days(365);
    scene.with(rule, Input::Uplink { device: DETECTOR, sequence: None, parts: &leak });
    scene.now = scene.now - Span::from_days(365);
    let effects = scene.with(rule, Input::Due);
    assert!(effects.timers.iter().all(|change| matches!(change, TimerChange::Gone { .. })), "{:?}", effects.timers);
    assert!(scene.state(DETECTOR, Condition::GasHigh).is_some());
    let memory = scene.interlock.memory(DETECTOR).unwrap();
    assert_eq!(memory.rule_state.len(), 8, "the name of the rule, and nothing that it remembers");
}

#[test]
fn a_small_step_back_moves_nothing() {
    let mut scene = Scene::new();
    scene.says(DETECTOR, LEAK);
    let due = scene.interlock.next_due();
    scene.now = scene.now - MOST_LEAD;
    scene.tell(Input::Due);
    assert_eq!(scene.interlock.next_due(), due);
}

#[test]
fn what_a_start_finds_from_a_clock_that_was_ahead_does_not_wait_for_that_time() {
    let mut scene = Scene::new();
    let mut database = Database::default();
    scene.now = scene.now + Span::from_days(365);
    database.store(&scene.says(DETECTOR, LEAK));
    scene.now = scene.now - Span::from_days(365);
    scene.interlock = database.restore(&scene.surroundings, scene.now);
    scene.tell(Input::Due);
    scene.wait(30);
    let effects = scene.tell(Input::Due);
    assert!(effects.commands.iter().any(|change| change.command.state == CommandState::Unverified));
}

fn ids(effects: &Effects) -> (Vec<AlarmId>, Vec<CommandId>) {
    let alarms = effects.alarms.iter().map(|change| change.alarm.id).collect();
    (alarms, effects.commands.iter().map(|change| change.command.id).collect())
}

#[test]
fn a_leak_that_the_database_refused_is_raised_and_closed_anew_by_its_next_reading() {
    let mut scene = Scene::new();
    let refused = scene.says(DETECTOR, LEAK);
    let sent = scene.sent(VALVE).remove(0);
    scene.interlock.revert(StoredInterlock::default(), Vec::new(), &scene.surroundings.limits);
    assert_eq!(scene.interlock.alarms().count() + scene.interlock.commands().count(), 0);

    let again = scene.wait(5).says(DETECTOR, LEAK);
    let ((alarms, closes), (new_alarms, new_closes)) = (ids(&refused), ids(&again));
    assert_eq!((new_alarms.len(), new_closes.len()), (alarms.len(), closes.len()));
    assert!(new_alarms.iter().all(|id| !alarms.contains(id)) && new_closes.iter().all(|id| !closes.contains(id)));
    let second = scene.sent(VALVE).remove(0);
    assert!(second.counter > sent.counter, "a valve that has obeyed the first obeys the second too");
}

#[test]
fn a_fold_that_goes_back_stands_where_a_restart_would_stand() {
    let mut scene = Scene::new();
    let mut database = Database::default();
    for effects in [scene.says(VALVE, OPEN), scene.wait(1).says(DETECTOR, LEAK)] {
        database.store(&effects);
    }
    let (alarms, commands) = (database.alarms.clone(), database.commands.clone());
    let sent = scene.sent(VALVE).remove(0);
    // None of this is stored.
    scene.wait(1).outcome(&sent, DeviceOutcome::Actuated);
    scene.wait(1).says(VALVE, CLOSED);
    scene.wait(1).says(DETECTOR, LOW);
    scene.person(DETECTOR, Condition::GasHigh, ACKNOWLEDGE);

    let stored = StoredInterlock {
        alarms: alarms.values().cloned().collect(),
        commands: commands.values().cloned().collect(),
        ..StoredInterlock::default()
    };
    scene.interlock.revert(stored.clone(), Vec::new(), &scene.surroundings.limits);
    let restarted = StoredInterlock { devices: Surroundings::devices(), ..stored };
    let restarted = Interlock::restore(InterlockId::from_raw(1), TenantId::from_raw(1), restarted).unwrap();
    assert!(scene.interlock.alarms().eq(restarted.alarms()));
    assert!(scene.interlock.commands().eq(restarted.commands()));
    // The device says once more what was not acknowledged.
    scene.wait(1).outcome(&sent, DeviceOutcome::Actuated);
    let effects = scene.wait(1).says(VALVE, CLOSED);
    let verified = |it: &davy_domain::interlock::CommandChange| it.command.state == CommandState::Verified;
    assert!(effects.commands.iter().any(verified), "{:?}", effects.commands);
    assert!(scene.interlock.commands().all(|it| it.action == Action::Close && it.device == METER));
}
