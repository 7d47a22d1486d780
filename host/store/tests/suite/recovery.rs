//! A start finds exactly what was committed, whether it is still in the journal or compacted already.

use crate::fixture::*;
use davy_domain::alarm::{Alarm, AlarmState};
use davy_domain::command::{Action, Command, CommandState};
use davy_domain::interlock::{CommandChange, Effects, TimerChange};
use davy_domain::policy::PolicyTimer;
use davy_domain::senml::Part;
use davy_domain::*;
use davy_store::*;

both_engines!(
    recovery_returns_exactly_what_was_committed,
    memories_are_the_same_before_and_after_compaction,
    recovery_sees_one_moment,
    an_interlock_alone_comes_back_as_recovery_would_bring_it,
    each_start_has_a_higher_number,
    devices_come_back_with_their_sealed_keys_and_links,
);

async fn recovery_returns_exactly_what_was_committed(fixture: Fixture) {
    let store = &fixture.store;
    let (open_alarm, over) = (alarm(1, DETECTOR, Condition::GasHigh), alarm(2, DETECTOR, Condition::Tamper));
    let shelved =
        Alarm { state: AlarmState::Shelved, shelved_until: Some(at(500)), ..alarm(3, DETECTOR, Condition::BatteryLow) };
    let mut commands = [
        command(10, VALVE, Action::Arm, CommandState::Verified, 1),
        command(11, VALVE, Action::Arm, CommandState::Cancelled, 2),
        command(12, VALVE, Action::Close, CommandState::Verified, 3),
        command(13, VALVE, Action::Close, CommandState::Sent, 4),
        command(14, METER, Action::Close, CommandState::Failed, 1),
        command(15, METER, Action::Close, CommandState::Unverified, 2),
    ];
    commands[3].sent_at = Some(at(14));
    commands[2].actuated_at = Some(at(13));
    let all = Effects {
        alarms: vec![raised(&open_alarm), raised(&over), ended(&over), raised(&shelved)],
        commands: commands.iter().map(given).collect(),
        ..Effects::default()
    };
    store.commit(&effects(all)).await.unwrap();
    let moved = Command { state: CommandState::Acknowledged, changed_at: at(77), ..commands[3].clone() };
    let change = CommandChange { before: Some(CommandState::Sent), command: moved.clone(), effect: None };
    store.commit(&effects(Effects { commands: vec![change], ..Effects::default() })).await.unwrap();

    let mut recovery = store.recover().await.unwrap();
    let tenants: Vec<_> = recovery.tenants().await.unwrap().into_iter().map(|tenant| tenant.name).collect();
    assert_eq!(tenants, vec!["Green Gas", "Blue Gas"]);
    let alarms: Vec<_> = recovery.alarms().await.unwrap().into_iter().map(|stored| stored.alarm).collect();
    assert_eq!(alarms, vec![open_alarm, shelved]);
    // Open ones, and of each valve the newest arm and the newest close.
    let stored: Vec<_> = recovery.commands().await.unwrap().into_iter().map(|stored| stored.command).collect();
    assert_eq!(stored, vec![commands[1].clone(), moved, commands[5].clone()]);
    assert!(store.highest_id().await.unwrap() >= 15);
}

async fn an_interlock_alone_comes_back_as_recovery_would_bring_it(fixture: Fixture) {
    let store = &fixture.store;
    let over = alarm(2, DETECTOR, Condition::Tamper);
    let commands = [
        command(10, VALVE, Action::Arm, CommandState::Cancelled, 1),
        command(11, VALVE, Action::Close, CommandState::Verified, 2),
        command(12, VALVE, Action::Close, CommandState::Failed, 3),
        command(13, METER, Action::Close, CommandState::Sent, 1),
    ];
    let timer = PolicyTimer { id: 7, at: at(99) };
    let all = Effects {
        alarms: vec![raised(&alarm(1, DETECTOR, Condition::GasHigh)), raised(&over), ended(&over)],
        commands: commands.iter().map(given).collect(),
        timers: vec![TimerChange::Set { device: DETECTOR, timer }],
        ..Effects::default()
    };
    store.commit(&effects(all)).await.unwrap();
    let alone = store.decided(INTERLOCK).await.unwrap();
    let mut recovery = store.recover().await.unwrap();
    let alarms: Vec<_> = recovery.alarms().await.unwrap().into_iter().map(|stored| stored.alarm).collect();
    let commands: Vec<_> = recovery.commands().await.unwrap().into_iter().map(|stored| stored.command).collect();
    assert_eq!((alarms.len(), commands.len()), (1, 3));
    assert_eq!((alone.alarms, alone.commands, alone.timers), (alarms, commands, vec![(DETECTOR, timer)]));
    let elsewhere = store.decided(InterlockId::from_raw(4711)).await.unwrap();
    assert!(elsewhere.alarms.is_empty() && elsewhere.commands.is_empty() && elsewhere.timers.is_empty());
}

fn uplinks() -> Vec<JournalRow> {
    let child =
        |value: f64, ms| Part { child: Some("SN-203".to_owned()), readings: vec![reading(Quantity::Gas, value, ms)] };
    let mut rows = vec![
        uplink(BLUE, GATEWAY, 1, 5, &[child(1.0, 5)]),
        // Out of order, with a gap, and one that is far ahead.
        gas(DETECTOR, 10, 10, 1.0),
        gas(DETECTOR, 12, 20, 2.0),
        gas(DETECTOR, 11, 30, 3.0),
        uplink(
            GREEN,
            DETECTOR,
            13,
            40,
            &own(vec![reading(Quantity::Gas, 9.0, 15), reading(Quantity::Temperature, 21.5, 15)]),
        ),
        gas(DETECTOR, 90, 50, 4.0),
        uplink(GREEN, DETECTOR, 91, 55, &own(vec![reading(Quantity::Gas, 5.0, 3_600_000)])),
        gas(DETECTOR, 92, 60, 6.0),
        uplink(BLUE, GATEWAY, 2, 70, &[child(2.0, 65)]),
    ];
    rows[3].rule_state = Some(vec![1, 1]);
    rows[4].rule_state = Some(vec![2, 2]);
    rows
}

async fn memories_are_the_same_before_and_after_compaction(fixture: Fixture) {
    let store = &fixture.store;
    for row in uplinks() {
        store.commit(&rows(vec![row])).await.unwrap();
    }
    let timer_only = Effects { rule_state: vec![(DETECTOR, vec![3, 3])], ..Effects::default() };
    store.commit(&effects(timer_only)).await.unwrap();
    let fresh = store.recover().await.unwrap().memories().await.unwrap();

    let detector = &fresh[&DETECTOR];
    assert_eq!(detector.rule_state.as_deref(), Some(&[3, 3][..]));
    assert_eq!(detector.last_received_at, Some(at(60)));
    assert_eq!(detector.window, Some(SequenceWindow { highest: 92, seen: 0b111 }));
    // The reading from a clock that is ahead by an hour does not outlive the next one.
    assert_eq!(detector.latest, vec![reading(Quantity::Gas, 6.0, 60), reading(Quantity::Temperature, 21.5, 15)]);
    assert_eq!(detector.clone().into_memory().latest[1].1, at(40));
    assert_eq!(fresh[&CHILD].latest, vec![reading(Quantity::Gas, 2.0, 65)]);
    assert_eq!((fresh[&CHILD].window, fresh[&CHILD].last_received_at), (None, Some(at(70))));
    assert_eq!(fresh[&GATEWAY].window, Some(SequenceWindow { highest: 2, seen: 0b11 }));

    for before in [0, 15, 35, 52, 65, 10_000] {
        let options = CompactOptions { slice: 2, fan_in: 2, ..CompactOptions::default() };
        store.compact(at(before), &options).await.unwrap();
        let after = store.recover().await.unwrap().memories().await.unwrap();
        assert_eq!(after, fresh, "compacted before {before}");
    }
    assert_eq!(store.stored_size().await.unwrap().journal_rows, 0);
}

async fn recovery_sees_one_moment(fixture: Fixture) {
    let store = &fixture.store;
    store.commit(&rows(vec![gas(DETECTOR, 1, 1, 1.0)])).await.unwrap();
    let mut recovery = store.recover().await.unwrap();
    assert_eq!(recovery.tenants().await.unwrap().len(), 2);
    store.commit(&rows(vec![gas(DETECTOR, 2, 2, 2.0)])).await.unwrap();
    store.compact(at(100), &CompactOptions::default()).await.unwrap();
    let seen: Vec<_> = recovery.journal(None).await.unwrap().into_iter().map(|(_, row)| row.sequence).collect();
    assert_eq!(seen, vec![Some(1)]);
}

async fn each_start_has_a_higher_number(fixture: Fixture) {
    let mut last = 0;
    for _ in 0..3 {
        let boot = fixture.store.next_boot(at(0)).await.unwrap();
        assert!(boot > last);
        last = boot;
    }
}

async fn devices_come_back_with_their_sealed_keys_and_links(fixture: Fixture) {
    let mut recovery = fixture.store.recover().await.unwrap();
    let devices = recovery.devices(None).await.unwrap();
    let ids: Vec<_> = devices.iter().map(|keyed| keyed.device.id).collect();
    assert_eq!(ids, vec![DETECTOR, VALVE, METER, WELL, OTHER, GATEWAY, CHILD]);
    let detector = &devices[0];
    assert_eq!(detector.device.links, vec![VALVE]);
    // The premises' division stands in where the device has none of its own.
    assert_eq!(detector.device.division, Some(WEST));
    assert_eq!(detector.credentials, device(DETECTOR, GREEN, DeviceKind::Detector).credentials);
    assert_eq!(devices[6].credentials, None);
    assert!(recovery.devices(Some(CHILD)).await.unwrap().is_empty());
}
