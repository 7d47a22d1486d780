//! One commit or nothing, and the invariants that the database keeps by itself.

use crate::fixture::*;
use davy_domain::alarm::AlarmState;
use davy_domain::command::{Action, CommandState};
use davy_domain::floor::FloorHit;
use davy_domain::interlock::{Decision, Effects, RuleRef, TimerChange};
use davy_domain::policy::{
    Evaluation, PolicyEvent, PolicyFault, PolicyOutcome, PolicyTimer, Raise, Text, Trigger, Wake, Words,
};
use davy_domain::*;
use davy_store::*;
use sqlx::Executor;
use std::time::Duration;

both_engines!(
    a_leak_and_its_close_are_stored_with_the_uplink_that_caused_them,
    a_batch_that_fails_half_way_leaves_nothing_behind,
    a_second_active_alarm_of_a_condition_is_refused,
    an_alarm_may_end_and_begin_again_in_one_batch,
    a_decision_reads_back_as_it_was_made,
    decisions_are_read_in_the_order_in_which_they_were_made,
    what_a_rule_says_is_kept_with_the_alarms_that_it_moves_and_the_last_word_is_shown,
    the_last_word_on_a_timer_counts,
    a_thousand_tenants_in_one_batch_keep_their_rows_apart,
    a_repeated_commit_sends_no_notice_twice,
    numbers_of_journal_rows_are_never_used_twice,
);

async fn journal(store: &Store) -> Vec<JournalRow> {
    let mut recovery = store.recover().await.unwrap();
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = recovery.journal(after).await.unwrap();
        let Some((last, _)) = page.last() else { return all };
        after = Some(*last);
        all.extend(page.into_iter().map(|(_, row)| row));
    }
}

async fn a_leak_and_its_close_are_stored_with_the_uplink_that_caused_them(fixture: Fixture) {
    let store = &fixture.store;
    let leak = alarm(1, DETECTOR, Condition::GasHigh);
    let close = command(2, VALVE, Action::Close, CommandState::Queued, 1);
    let row = gas(DETECTOR, 5, 0, 40.0);
    let batch = Batch {
        uplinks: vec![row.clone()],
        effects: vec![(
            GREEN,
            INTERLOCK,
            Effects {
                alarms: vec![raised(&leak)],
                commands: vec![given(&close)],
                notices: vec![notice(3, &leak)],
                rule_state: vec![(DETECTOR, vec![1, 2, 3])],
                ..Effects::default()
            },
        )],
    };
    let receipt = store.commit(&batch).await.unwrap();
    assert!(receipt.last_seq > 0);

    let stored = journal(store).await;
    assert_eq!(stored[0], row);
    assert_eq!((stored[1].kind, &stored[1].payload[..]), (RowKind::RuleState, &[1, 2, 3][..]));
    let green = store.tenant(GREEN);
    let active = green.active_alarms(10).await.unwrap();
    assert_eq!(active, vec![StoredAlarm { tenant: GREEN, interlock: INTERLOCK, alarm: leak.clone() }]);
    assert_eq!(green.alarm_transitions(leak.id).await.unwrap()[0].after, AlarmState::Unacknowledged);
    assert_eq!(green.commands(VALVE, None, 10).await.unwrap()[0].command, close);
    assert_eq!(green.command_transitions(close.id).await.unwrap()[0].before, None);
    assert_eq!(
        store.tenant(GREEN).due_notices(at(3), 10).await.unwrap()[0].notice.as_ref().unwrap(),
        &notice(3, &leak)
    );
    assert!(store.tenant(GREEN).due_notices(at(2), 10).await.unwrap().is_empty());
}

async fn a_batch_that_fails_half_way_leaves_nothing_behind(fixture: Fixture) {
    let store = &fixture.store;
    let leak = alarm(1, DETECTOR, Condition::GasHigh);
    // The command goes to a device that does not exist: the journal row and the alarm before it were written already.
    let close = command(2, DeviceId::from_raw(999), Action::Close, CommandState::Queued, 1);
    let effects = Effects { alarms: vec![raised(&leak)], commands: vec![given(&close)], ..Effects::default() };
    let batch = Batch { uplinks: vec![gas(DETECTOR, 5, 0, 40.0)], effects: vec![(GREEN, INTERLOCK, effects)] };
    let error = store.commit(&batch).await.unwrap_err();
    assert!(matches!(error, StoreError::MissingReference { .. }), "{error}");
    assert!(!error.is_transient());
    assert!(journal(store).await.is_empty());
    assert!(store.tenant(GREEN).alarm_history(None, None, 10).await.unwrap().is_empty());
    // And the store goes on as if nothing had happened.
    store.commit(&rows(vec![gas(DETECTOR, 6, 1, 1.0)])).await.unwrap();
    assert_eq!(journal(store).await.len(), 1);
}

async fn a_second_active_alarm_of_a_condition_is_refused(fixture: Fixture) {
    let store = &fixture.store;
    let first = alarm(1, DETECTOR, Condition::GasHigh);
    store.commit(&effects(Effects { alarms: vec![raised(&first)], ..Effects::default() })).await.unwrap();
    let second = alarm(2, DETECTOR, Condition::GasHigh);
    let mut batch = effects(Effects { alarms: vec![raised(&second)], ..Effects::default() });
    batch.uplinks.push(gas(DETECTOR, 5, 0, 40.0));
    let error = store.commit(&batch).await.unwrap_err();
    assert!(matches!(error, StoreError::AlarmAlreadyActive), "{error:?}");
    assert!(journal(store).await.is_empty());
    // Another condition, or another device, is another alarm.
    let (low, elsewhere) = (alarm(3, DETECTOR, Condition::GasLow), alarm(4, WELL, Condition::GasHigh));
    let both = Effects { alarms: vec![raised(&low), raised(&elsewhere)], ..Effects::default() };
    store.commit(&effects(both)).await.unwrap();
    assert_eq!(store.tenant(GREEN).active_alarms(10).await.unwrap().len(), 3);
}

async fn an_alarm_may_end_and_begin_again_in_one_batch(fixture: Fixture) {
    let store = &fixture.store;
    let (first, second) = (alarm(1, DETECTOR, Condition::GasLow), alarm(2, DETECTOR, Condition::GasLow));
    let all = Effects { alarms: vec![raised(&first), ended(&first), raised(&second)], ..Effects::default() };
    store.commit(&effects(all)).await.unwrap();
    let green = store.tenant(GREEN);
    let active = green.active_alarms(10).await.unwrap();
    assert_eq!(active.iter().map(|stored| stored.alarm.id).collect::<Vec<_>>(), vec![second.id]);
    let states: Vec<_> =
        green.alarm_transitions(first.id).await.unwrap().iter().map(|change| (change.before, change.after)).collect();
    assert_eq!(
        states,
        vec![(AlarmState::Normal, AlarmState::Unacknowledged), (AlarmState::Unacknowledged, AlarmState::Normal)]
    );
}

fn decision(alarms: Vec<AlarmId>, result: Result<PolicyOutcome, PolicyFault>) -> Decision {
    Decision {
        device: DETECTOR,
        at: at(7),
        rule: Some(RuleRef { digest: [42; 32], settings_version: 3 }),
        input: PolicyEvent {
            trigger: Trigger::Readings,
            now: at(7),
            device_kind: DeviceKind::Detector,
            valve: ValveState::Open,
            active: ConditionSet::EMPTY,
            installed_at: None,
            // Values whose last bit a careless text form loses.
            readings: vec![reading(Quantity::Gas, 0.1 + 0.2, 1), reading(Quantity::Gas, 12.345_678_901_234_567, 2)],
            extensions: vec![("k".to_owned(), "v".to_owned())],
        },
        state_before: vec![0, 255, 7],
        evaluation: Some(Evaluation { result, fuel: u64::from(u32::MAX) + 9 }),
        floor: vec![FloorHit {
            rule: "cn-household-gas".to_owned(),
            condition: Condition::GasHigh,
            priority: Priority::Urgent,
            close: true,
            reading: reading(Quantity::Gas, 33.3, 2),
        }],
        alarms,
        commands: vec![CommandId::from_raw(8)],
    }
}

async fn a_decision_reads_back_as_it_was_made(fixture: Fixture) {
    let store = &fixture.store;
    let leak = alarm(1, DETECTOR, Condition::GasHigh);
    let outcome = PolicyOutcome {
        state: vec![9; 30],
        raise: vec![Raise { condition: Condition::GasHigh, priority: Priority::Urgent }],
        clear: vec![Condition::GasRising],
        close_valve: true,
        timers: vec![PolicyTimer { id: 4, at: at(99) }],
        wake: Some(Wake {
            not_before: at(50),
            unless: vec![(Quantity::Gas, 4.5)],
            unless_below: Vec::new(),
            on_valve: true,
        }),
        words: Words { texts: vec![(Condition::GasHigh, text("泄漏", "leak"))], notes: vec!["61.7 %LEL".to_owned()] },
    };
    let made = decision(vec![leak.id], Ok(outcome));
    let fault = decision(vec![leak.id], Err(PolicyFault::Trap { reason: "unreachable".to_owned() }));
    let unrelated = Decision { rule: None, evaluation: None, alarms: Vec::new(), ..made.clone() };
    let all = Effects {
        alarms: vec![raised(&leak)],
        decisions: vec![made.clone(), fault.clone(), unrelated.clone()],
        ..Effects::default()
    };
    store.commit(&effects(all)).await.unwrap();
    let green = store.tenant(GREEN);
    let stored: Vec<_> =
        green.decisions_of_alarm(leak.id).await.unwrap().into_iter().map(|stored| stored.decision).collect();
    assert_eq!(stored, vec![made, fault]);
    assert_eq!(green.decisions(DETECTOR, None, 1).await.unwrap()[0].decision, unrelated);
    assert!(store.tenant(BLUE).decisions_of_alarm(leak.id).await.unwrap().is_empty());
}

async fn decisions_are_read_in_the_order_in_which_they_were_made(fixture: Fixture) {
    let store = &fixture.store;
    let leak = alarm(1, DETECTOR, Condition::GasHigh);
    // More than are numbered in advance, some at a time.
    let mut made = Vec::new();
    for n in 0..130_i64 {
        let one = |ms| Decision { at: at(ms), ..decision(vec![leak.id], Ok(PolicyOutcome::default())) };
        let decisions = vec![one(3 * n), one(3 * n + 1), one(3 * n + 2)];
        made.extend(decisions.iter().map(|decision| decision.at));
        let alarms = if n == 0 { vec![raised(&leak)] } else { Vec::new() };
        store.commit(&effects(Effects { alarms, decisions, ..Effects::default() })).await.unwrap();
    }
    let green = store.tenant(GREEN);
    let read: Vec<_> = green.decisions_of_alarm(leak.id).await.unwrap().iter().map(|it| it.decision.at).collect();
    assert_eq!(read, made);
    assert_eq!(green.decisions(DETECTOR, None, 1).await.unwrap()[0].decision.at, made[389]);
}

fn text(zh: &str, en: &str) -> Text {
    Text { zh: zh.to_owned(), en: en.to_owned() }
}

async fn what_a_rule_says_is_kept_with_the_alarms_that_it_moves_and_the_last_word_is_shown(fixture: Fixture) {
    let store = &fixture.store;
    let (leak, low) = (alarm(1, DETECTOR, Condition::GasHigh), alarm(2, DETECTOR, Condition::GasLow));
    let saying = |alarms, texts: &[(Condition, Text)], notes: &[&str]| {
        let notes = notes.iter().map(|&note| note.to_owned()).collect();
        let words = Words { texts: texts.to_vec(), notes };
        decision(alarms, Ok(PolicyOutcome { words, ..PolicyOutcome::default() }))
    };
    let high = |words| vec![(Condition::GasHigh, words)];
    let first = saying(vec![leak.id, low.id], &high(text("高", "high")), &["\"quoted\"", "two"]);
    let silent = saying(vec![leak.id], &[], &[]);
    store
        .commit(&effects(Effects {
            alarms: vec![raised(&leak), raised(&low)],
            decisions: vec![first, silent],
            ..Effects::default()
        }))
        .await
        .unwrap();
    let green = store.tenant(GREEN);
    let alarms = green.active_alarms(10).await.unwrap();
    let words = green.words_of(&alarms).await.unwrap();
    let notes = vec!["\"quoted\"".to_owned(), "two".to_owned()];
    assert_eq!(words[&leak.id], AlarmWords { text: Some(text("高", "high")), notes: notes.clone() });
    assert_eq!(words[&low.id], AlarmWords { text: None, notes: notes.clone() }, "the text is the other alarm's");
    let later = saying(vec![leak.id], &high(text("更高", "higher")), &[]);
    let moved = Effects { alarms: vec![raised(&leak)], decisions: vec![later], ..Effects::default() };
    store.commit(&effects(moved)).await.unwrap();
    let words = green.words_of(&alarms).await.unwrap();
    assert_eq!(words[&leak.id], AlarmWords { text: Some(text("更高", "higher")), notes });
    assert!(green.words_of(&[]).await.unwrap().is_empty());
}

async fn the_last_word_on_a_timer_counts(fixture: Fixture) {
    let store = &fixture.store;
    let set = |id, ms| TimerChange::Set { device: DETECTOR, timer: PolicyTimer { id, at: at(ms) } };
    let gone = |id| TimerChange::Gone { device: DETECTOR, id };
    let timers = vec![set(1, 10), set(2, 20), set(1, 30), set(3, 40), gone(3)];
    store.commit(&effects(Effects { timers, ..Effects::default() })).await.unwrap();
    store.commit(&effects(Effects { timers: vec![gone(2), set(4, 50)], ..Effects::default() })).await.unwrap();
    let left = store.recover().await.unwrap().timers().await.unwrap();
    let left: Vec<_> = left.iter().map(|stored| (stored.timer.id, stored.timer.at)).collect();
    assert_eq!(left, vec![(1, at(30)), (4, at(50))]);
}

async fn a_thousand_tenants_in_one_batch_keep_their_rows_apart(fixture: Fixture) {
    let store = &fixture.store;
    let uplinks: Vec<_> = (0..3_000_u64)
        .map(|n| JournalRow {
            tenant: TenantId::from_raw(5_000 + (n % 1_000) as i64),
            ..gas(DETECTOR, n, n as i64, 1.0)
        })
        .collect();
    store.commit(&rows(uplinks.clone())).await.unwrap();
    let mut stored = journal(store).await;
    stored.sort_by_key(|row| row.sequence);
    assert_eq!(stored, uplinks);
}

async fn a_repeated_commit_sends_no_notice_twice(fixture: Fixture) {
    let store = &fixture.store;
    let leak = alarm(1, DETECTOR, Condition::GasHigh);
    let all = Effects { alarms: vec![raised(&leak)], notices: vec![notice(3, &leak)], ..Effects::default() };
    // As after a connection that broke while the answer to COMMIT was on its way.
    store.commit(&effects(all.clone())).await.unwrap();
    store.commit(&effects(all)).await.unwrap();
    let waiting = store.tenant(GREEN).due_notices(at(99), 10).await.unwrap();
    assert_eq!(waiting.len(), 1);
    store.tenant(GREEN).notice_failed(waiting[0].id, at(200)).await.unwrap();
    assert!(store.tenant(GREEN).due_notices(at(99), 10).await.unwrap().is_empty());
    assert_eq!(store.tenant(GREEN).due_notices(at(200), 10).await.unwrap()[0].attempts, 1);
    let handled = Telling {
        by: ToldBy::Notice(waiting[0].id),
        at: at(201),
        device: DETECTOR,
        alarm: None,
        fold: None,
        decision: None,
        messages: Vec::new(),
    };
    assert!(store.tenant(GREEN).tell(&handled).await.unwrap());
    assert!(store.tenant(GREEN).due_notices(at(999), 10).await.unwrap().is_empty());
    assert_eq!(store.tenant(GREEN).notices(None, 10).await.unwrap()[0].sent_at, Some(at(201)));
}

async fn numbers_of_journal_rows_are_never_used_twice(fixture: Fixture) {
    let store = &fixture.store;
    let mut last = 0;
    for n in 0..4_u64 {
        let receipt = store.commit(&rows(vec![gas(DETECTOR, n, n as i64, 1.0)])).await.unwrap();
        assert!(receipt.last_seq > last, "{} after {last}", receipt.last_seq);
        last = receipt.last_seq;
        // The journal is empty after this.
        store.compact(at(1_000), &CompactOptions::default()).await.unwrap();
    }
}

#[tokio::test]
async fn a_commit_that_postgresql_was_too_slow_for_is_not_stored_after_all() {
    let Some(mut fixture) = postgres("a_commit_that_postgresql_was_too_slow_for_is_not_stored_after_all").await else {
        return;
    };
    fixture.reconnect(&StoreOptions { commit_limit: Duration::from_millis(300), ..StoreOptions::default() }).await;
    let store = &fixture.store;
    let mut other = fixture.beside().await;
    other.execute("BEGIN; LOCK TABLE journal IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let given_up = store.commit(&rows(vec![gas(DETECTOR, 5, 0, 40.0)])).await.unwrap_err();
    assert!(given_up.is_transient(), "{given_up}");
    other.execute("ROLLBACK").await.unwrap();
    assert!(journal(store).await.is_empty(), "what was given up does not come later");
    store.commit(&rows(vec![gas(DETECTOR, 5, 0, 40.0)])).await.unwrap();
    assert_eq!(journal(store).await.len(), 1);
    drop_schema(fixture.schema.clone()).await;
}
