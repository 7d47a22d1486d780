//! The state machines as tables that a person can read: every state, every event, what follows.
//!
//! `UPDATE_GOLDEN=1 cargo test -p davy-domain --test it` writes them anew; otherwise they are compared.

use davy_domain::alarm::{self, Alarm, AlarmEvent, AlarmState, Asserted, Origin};
use davy_domain::command::{self, Action, Cause, Command, CommandEvent, CommandState, DeviceOutcome};
use davy_domain::release::{self, Act, Actor, Release, Stage};
use davy_domain::{AlarmId, CommandId, Condition, DeviceId, Priority, ReleaseId, Timestamp, UserId};
use std::fmt::Write as _;
use std::path::PathBuf;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const BY: UserId = UserId::from_raw(9);

fn compare(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(stored, text, "{} differs: look at the change, then run with UPDATE_GOLDEN=1", path.display());
}

fn alarm_in(state: AlarmState, condition: Condition) -> Alarm {
    let mut alarm =
        Alarm::raised(AlarmId::from_raw(1), DeviceId::from_raw(2), condition, Priority::Medium, Origin::Rule, NOW);
    alarm.state = state;
    alarm.asserted = match state {
        AlarmState::Normal
        | AlarmState::ReturnedUnacknowledged
        | AlarmState::LatchedUnacknowledged
        | AlarmState::LatchedAcknowledged => Asserted::NOBODY,
        AlarmState::Unacknowledged
        | AlarmState::Acknowledged
        | AlarmState::Shelved
        | AlarmState::SuppressedByDesign
        | AlarmState::OutOfService => Asserted::by(Origin::Rule),
    };
    alarm.shelved_until = (state == AlarmState::Shelved).then(|| Timestamp::from_millis(1_800_000_060_000));
    alarm
}

fn alarm_events() -> Vec<(&'static str, AlarmEvent)> {
    let until = Timestamp::from_millis(1_800_003_600_000);
    let (origin, other) = (Origin::Rule, Origin::Floor);
    vec![
        ("raise, same priority", AlarmEvent::Raise { priority: Priority::Medium, origin }),
        ("raise, more urgent", AlarmEvent::Raise { priority: Priority::Urgent, origin }),
        ("raise by another party", AlarmEvent::Raise { priority: Priority::Medium, origin: other }),
        ("clear by the last party", AlarmEvent::Clear { origin }),
        ("clear by a party that does not assert it", AlarmEvent::Clear { origin: other }),
        ("acknowledge", AlarmEvent::Acknowledge { by: BY }),
        ("reset, fresh low readings", AlarmEvent::Reset { by: BY, fresh_low_readings: true }),
        ("reset, none", AlarmEvent::Reset { by: BY, fresh_low_readings: false }),
        ("shelve for an hour", AlarmEvent::Shelve { by: BY, until }),
        ("unshelve", AlarmEvent::Unshelve { by: BY }),
        ("shelf ended", AlarmEvent::ShelfEnded),
        ("suppress", AlarmEvent::Suppress { by: BY }),
        ("unsuppress", AlarmEvent::Unsuppress { by: BY }),
        ("take out of service", AlarmEvent::TakeOutOfService { by: BY }),
        ("return to service", AlarmEvent::ReturnToService { by: BY }),
    ]
}

#[test]
fn the_alarm_table_is_as_written() {
    let mut text = String::from(
        "# Alarm transitions (ISA-18.2 / IEC 62682)\n\nState × event → state, *effect*. `·` nothing happens, `✗` refused. \
         The alarm is asserted by the tenant's rule alone, its priority is medium.\n\n\
         A raise without an active alarm begins a new occurrence: unacknowledged, *annunciate*. `normal` below is an \
         occurrence that has ended; nothing brings it back.\n",
    );
    let classes = [
        ("An alarm that does not latch (battery-low)", Condition::BatteryLow),
        ("A leak alarm that does not latch (gas-low)", Condition::GasLow),
        ("A leak alarm that latches (gas-high)", Condition::GasHigh),
    ];
    for (title, condition) in classes {
        writeln!(text, "\n## {title}").unwrap();
        for &state in AlarmState::ALL {
            let latched = matches!(state, AlarmState::LatchedUnacknowledged | AlarmState::LatchedAcknowledged);
            if latched && !condition.latches()
                || state == AlarmState::ReturnedUnacknowledged && state.is_hidden()
                || state.is_hidden() && !alarm_in(state, condition).may_be_hidden()
            {
                continue;
            }
            writeln!(text, "\n### {state}\n\n| event | next state | effect |\n| --- | --- | --- |").unwrap();
            for (name, event) in alarm_events() {
                let row = match alarm::step(&alarm_in(state, condition), event, NOW) {
                    Ok(None) => "· | ·".to_owned(),
                    Ok(Some(next)) => format!("{} | *{}*", next.alarm.state, next.effect),
                    Err(refusal) => format!("✗ | {refusal}"),
                };
                writeln!(text, "| {name} | {row} |").unwrap();
            }
        }
    }
    compare("alarm-transitions.md", &text);
}

fn command_in(state: CommandState, action: Action) -> Command {
    Command {
        id: CommandId::from_raw(1),
        device: DeviceId::from_raw(2),
        action,
        cause: Cause::Operator { by: BY },
        state,
        counter: 7,
        requested_at: NOW,
        sent_at: None,
        actuated_at: None,
        changed_at: NOW,
        deadline: NOW,
    }
}

#[test]
fn the_command_table_is_as_written() {
    let mut events = vec![
        ("authorise".to_owned(), CommandEvent::Authorise),
        ("refuse".to_owned(), CommandEvent::Refuse),
        ("enqueue".to_owned(), CommandEvent::Enqueue),
        ("sent".to_owned(), CommandEvent::Sent),
        ("delivered (transport)".to_owned(), CommandEvent::Delivered),
        ("timed out (transport)".to_owned(), CommandEvent::TimedOut),
    ];
    for &outcome in DeviceOutcome::ALL {
        events.push((format!("device: {outcome}"), CommandEvent::Outcome { outcome, at: NOW }));
    }
    events.push(("proven".to_owned(), CommandEvent::Proven));
    events.push(("deadline passed".to_owned(), CommandEvent::DeadlinePassed));
    events.push(("superseded by a close".to_owned(), CommandEvent::Supersede));

    let mut text = String::from(
        "# Command transitions\n\nEvent × state → state, *effect*. `·` nothing happens. A command that has ended \
         (verified, rejected, expired, cancelled, failed, unverified) never changes again.\n",
    );
    let open: Vec<CommandState> = CommandState::ALL.iter().copied().filter(|state| state.is_open()).collect();
    for &action in Action::ALL {
        write!(text, "\n## {action}\n\n| event |").unwrap();
        for state in &open {
            write!(text, " {state} |").unwrap();
        }
        writeln!(text, "\n| --- |{}", " --- |".repeat(open.len())).unwrap();
        for (name, event) in &events {
            write!(text, "| {name} |").unwrap();
            for &state in &open {
                match command::step(&command_in(state, action), *event, NOW) {
                    None => write!(text, " · |").unwrap(),
                    Some(next) => write!(text, " {}, *{}* |", next.command.state, next.effect).unwrap(),
                }
            }
            writeln!(text).unwrap();
        }
    }
    compare("command-transitions.md", &text);

    for &action in Action::ALL {
        for &state in CommandState::ALL.iter().filter(|state| !state.is_open()) {
            for (name, event) in &events {
                assert_eq!(command::step(&command_in(state, action), *event, NOW), None, "{action} {state} {name}");
            }
        }
    }
}

#[test]
fn whatever_happens_twice_happens_once() {
    for &state in AlarmState::ALL {
        for condition in [Condition::BatteryLow, Condition::GasLow, Condition::GasHigh] {
            for (name, event) in alarm_events() {
                if let Ok(Some(once)) = alarm::step(&alarm_in(state, condition), event, NOW) {
                    let again = alarm::step(&once.alarm, event, NOW);
                    assert!(!matches!(again, Ok(Some(_))), "{state} {condition} {name}: {again:?}");
                }
            }
        }
    }
}

#[test]
fn an_order_to_open_has_no_code_and_no_name() {
    let known: Vec<Action> = (0..=u16::MAX).filter_map(Action::from_code).collect();
    assert_eq!(known, [Action::Close, Action::Arm]);
    assert!(known.iter().all(|action| !action.name().contains("open")));
}

#[test]
fn the_table_of_a_versions_life_is_as_written() {
    let person = |by: i64| Actor::Person { by: UserId::from_raw(by) };
    // What was missed was missed in a history that begins at 100.
    let tested = |missed, from, decisive| Act::BackTest { missed, from: Timestamp::from_millis(from), decisive };
    let acts = [
        ("check passed", Act::Check { passed: true }, Actor::Platform),
        ("check failed", Act::Check { passed: false }, Actor::Platform),
        ("back-test, nothing missed", tested(0, 100, true), Actor::Platform),
        ("back-test that begins later, nothing missed", tested(0, 101, true), Actor::Platform),
        ("back-test of a part, nothing missed", tested(0, 100, false), Actor::Platform),
        ("back-test, a confirmed leak missed", tested(1, 100, true), Actor::Platform),
        ("back-test of a part, a confirmed leak missed", tested(1, 101, false), Actor::Platform),
        ("start shadow", Act::StartShadow, person(1)),
        ("start cohort, 5 %", Act::StartCohort { permille: 50 }, person(1)),
        ("start cohort, 50 %", Act::StartCohort { permille: 500 }, person(1)),
        ("start cohort, 50.1 %", Act::StartCohort { permille: 501 }, person(1)),
        ("start cohort, 0 %", Act::StartCohort { permille: 0 }, person(1)),
        ("propose", Act::Propose, person(1)),
        ("approve, by the proposer", Act::Approve, person(1)),
        ("approve, by another", Act::Approve, person(2)),
        ("decline", Act::Decline, person(2)),
        ("withdraw", Act::Withdraw, person(1)),
        ("roll back", Act::RollBack, person(1)),
        ("supersede", Act::Supersede, Actor::Platform),
        ("restore", Act::Restore, Actor::Platform),
        ("break off", Act::BreakOff { reason: "faults".into(), breach: None }, Actor::Platform),
        ("start shadow, by the platform", Act::StartShadow, Actor::Platform),
        ("break off, by a person", Act::BreakOff { reason: String::new(), breach: None }, person(1)),
    ];
    let blank = Release::uploaded(ReleaseId::from_raw(1), NOW);
    let of = |stage, proposed: bool, missed| Release {
        stage,
        permille: if stage == Stage::Cohort { 50 } else { 0 },
        proposed_by: proposed.then_some(UserId::from_raw(1)),
        missed,
        missed_from: missed.filter(|missed| *missed > 0).map(|_| Timestamp::from_millis(100)),
        ..blank.clone()
    };
    let mut from: Vec<(String, Release)> =
        Stage::ALL.iter().map(|&stage| (stage.to_string(), of(stage, false, Some(0)))).collect();
    from.push(("checked, back-test missed a confirmed leak".into(), of(Stage::Checked, false, Some(1))));
    from.push(("checked, not back-tested".into(), of(Stage::Checked, false, None)));
    from.push(("cohort, proposed by 1".into(), of(Stage::Cohort, true, Some(0))));
    from.push(("cohort, proposed by 1, a later back-test missed a leak".into(), of(Stage::Cohort, true, Some(1))));
    let mut text = String::from(
        "# The life of a rule's version\n\nStage × act → stage. `✗` refused, with the reason. Nothing else exists: no stage is skipped, and one \
         person alone puts nothing in force.\n",
    );
    for (title, release) in from {
        writeln!(text, "\n## {title}\n\n| act | next stage |\n| --- | --- |").unwrap();
        for (name, act, actor) in &acts {
            let next = match release::step(&release, act, *actor, NOW) {
                Ok(next) => {
                    let share = if next.permille > 0 { format!(", {} ‰", next.permille) } else { String::new() };
                    let proposed = next.proposed_by.map_or(String::new(), |by| format!(", proposed by {}", by.raw()));
                    let missed = match next.missed {
                        Some(missed) if missed > 0 => format!(", {missed} missed"),
                        _ => String::new(),
                    };
                    format!("{}{share}{proposed}{missed}", next.stage)
                }
                Err(refused) => format!("✗ {refused}"),
            };
            writeln!(text, "| {name} | {next} |").unwrap();
        }
    }
    compare("release-transitions.md", &text);
}
