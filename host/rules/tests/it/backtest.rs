//! A history folded under two policies: what differs is found, what does not differ is not, on however many threads.

use crate::batch::counts_its_calls;
use crate::components::{engine, example, good_rule};
use davy_domain::alarm::AlarmState;
use davy_domain::command::{Action, DeviceOutcome};
use davy_domain::floor::{Floor, LocalFloor};
use davy_domain::history::{Arrival, Said, Subject};
use davy_domain::interlock::{BoundPolicy, Limits, NoticeKind, Transport};
use davy_domain::senml::Part;
use davy_domain::wire::OutcomeReport;
use davy_domain::{
    Condition, DeviceConfig, DeviceId, DeviceKind, IdSource, Input, Interlock, InterlockId, Quantity, Reading, Span,
    TenantId, Timestamp, World,
};
use davy_rules::BoundRule;
use davy_rules::backtest::{
    BackTest, BackTestError, Calls, ConfirmedLeak, Difference, Group, History, HistoryError, Options, Report, RowKind,
};
use rand::{Rng, SeedableRng};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// A history in memory, in pages of a few messages.
#[derive(Default)]
struct Remembered {
    subjects: Vec<Subject>,
    arrivals: Vec<Vec<Arrival>>,
}

impl History for Remembered {
    fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    fn arrivals(&self) -> u64 {
        self.arrivals.iter().map(|arrivals| arrivals.len() as u64).sum()
    }

    fn read(&self, subject: usize, visit: &mut dyn FnMut(&[Arrival]) -> ControlFlow<()>) -> Result<(), HistoryError> {
        for page in self.arrivals[subject].chunks(37) {
            if visit(page).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// A household's detector and valve.
const fn household(number: i64) -> (DeviceId, DeviceId) {
    (DeviceId::from_raw(number * 10 + 1), DeviceId::from_raw(number * 10 + 2))
}

fn subject(number: i64) -> Subject {
    let (detector, valve) = household(number);
    let device = |id: DeviceId, kind, links: &[DeviceId]| DeviceConfig {
        id,
        serial: format!("S{}", id.raw()),
        kind,
        premises: None,
        installed_at: Some(START - Span::from_days(100)),
        report_interval: Some(Span::from_minutes(15)),
        sleepy: false,
        links: links.to_vec(),
        parent: None,
    };
    Subject {
        interlock: InterlockId::from_raw(number),
        tenant: TenantId::from_raw(1),
        devices: vec![device(detector, DeviceKind::Detector, &[valve]), device(valve, DeviceKind::Valve, &[])],
    }
}

fn said(device: DeviceId, at: Timestamp, values: &[(Quantity, f64)]) -> Arrival {
    let readings = values.iter().map(|(quantity, value)| Reading::new(*quantity, *value, at).unwrap()).collect();
    Arrival { at, device, said: Said::Uplink(vec![Part { child: None, readings }]) }
}

/// The detector reports every minute: gas as told, everything else quiet; the valve every ten, open.
fn course(number: i64, gas: impl IntoIterator<Item = f64>) -> Vec<Arrival> {
    let (detector, valve) = household(number);
    let mut arrivals = Vec::new();
    for (minute, gas) in gas.into_iter().enumerate() {
        let at = START + Span::from_minutes(minute as i64);
        let quiet = [(Quantity::Co, 1.0), (Quantity::Temperature, 21.0), (Quantity::Battery, 90.0)];
        arrivals.push(said(detector, at, &[&[(Quantity::Gas, gas)][..], &quiet].concat()));
        if minute % 10 == 5 {
            arrivals.push(said(valve, at + Span::from_secs(7), &[(Quantity::Valve, 0.0)]));
        }
    }
    arrivals
}

fn remembered(courses: Vec<Vec<f64>>) -> Remembered {
    let mut history = Remembered::default();
    for (number, gas) in (1..).zip(courses) {
        history.subjects.push(subject(number));
        history.arrivals.push(course(number, gas));
    }
    history
}

fn floor() -> LocalFloor {
    Floor::china_default().for_jurisdiction("CN-310115").unwrap()
}

/// A leak that a person has confirmed, by the minutes of a course.
fn leak_of(device: DeviceId, from: i64, to: i64) -> ConfirmedLeak {
    let minute = |minute| START + Span::from_minutes(minute);
    ConfirmedLeak { device, condition: Condition::GasLow, from: minute(from), to: minute(to) }
}

struct Tried {
    confirmed: Vec<ConfirmedLeak>,
    options: Options,
}

impl Default for Tried {
    fn default() -> Self {
        Self { confirmed: Vec::new(), options: Options { threads: 2, ..Options::default() } }
    }
}

impl Tried {
    fn run(
        &self,
        history: &Remembered,
        active: Option<&BoundRule>,
        candidate: Option<&BoundRule>,
    ) -> Result<Report, BackTestError> {
        let (floor, limits) = (floor(), Limits::default());
        let to = START + Span::from_days(400);
        let Self { confirmed, options } = self;
        let test = BackTest { active, candidate, floor: &floor, limits: &limits, to, confirmed, options: *options };
        test.run(history, &|_| {}, &AtomicBool::new(false))
    }
}

fn bound(settings: &str) -> BoundRule {
    let rule = good_rule(&engine());
    rule.bind(rule.encode_settings(settings).unwrap())
}

/// Households with leaks of every kind, from a seed.
fn eventful(households: usize, minutes: usize) -> Remembered {
    let mut random = rand::rngs::StdRng::seed_from_u64(42);
    let courses = (0..households).map(|number| {
        let mut gas: f64 = 0.4;
        let mut drift = 0.0;
        let peak = if number % 2 == 0 { 14.0 } else { 55.0 };
        (0..minutes)
            .map(|_| {
                if random.random_bool(0.01) {
                    drift = random.random_range(-3.0..3.0);
                }
                gas = (gas + drift + random.random_range(-0.3..0.3)).clamp(0.0, 80.0);
                if gas > peak {
                    drift = -2.0;
                }
                (gas * 10.0_f64).round() / 10.0
            })
            .collect()
    });
    remembered(courses.collect())
}

#[test]
fn a_policy_differs_in_nothing_from_itself() {
    let history = eventful(6, 700);
    let rule = bound("{}");
    let report = Tried::default().run(&history, Some(&rule), Some(&rule)).unwrap();
    assert!(report.active.alarms >= 10 && report.active.closes >= 4 && report.active.notices > 20, "{report:#?}");
    assert_eq!(report.active, report.candidate);
    assert_eq!(report.difference, Difference::default());
    assert_eq!((report.rows.len(), report.interlocks_changed, report.blocking), (0, 0, 0));
    assert_eq!((report.interlocks, report.arrivals), (6, history.arrivals()));
    assert_eq!(report.readings, 6 * (700 * 4 + 70));
    assert_eq!(report.active.calls.faults.len(), 0);
    // At rest it is not asked.
    assert!(report.active.calls.calls < 6 * 700, "{:?}", report.active.calls);
}

#[test]
fn neither_threads_nor_batches_change_the_report() {
    let history = eventful(7, 400);
    let (active, candidate) =
        (bound("{}"), bound(r#"{"gas-low-level": 17, "gas-low-persistence-s": 30, "close-at-low": false}"#));
    let run = |threads, batch, rows| {
        let options = Options { threads, batch, rows, ..Options::default() };
        let mut report = Tried { options, ..Tried::default() }.run(&history, Some(&active), Some(&candidate)).unwrap();
        // What was compared depends on where a batch began.
        assert_eq!(report.sampled.1, 0);
        report.sampled = (0, 0);
        report
    };
    let one = run(1, 64, 1_000);
    assert!(
        one.difference.lost > 0 && one.difference.later > 0 && one.difference.closes_lost > 0,
        "{:#?}",
        one.difference
    );
    assert_eq!(one.rows_left_out, 0);
    for threads in [2, 3, 5] {
        assert_eq!(run(threads, 64, 1_000), one, "{threads} threads");
    }
    assert_eq!(run(2, 1, 1_000), one, "each call in an instance of its own");
    // Of the rows, the gravest are kept, whoever found them.
    let few = run(3, 64, 4);
    assert_eq!(few.rows, one.rows[..4]);
    assert_eq!(few.rows_left_out, one.rows.len() as u64 - 4);
    assert_eq!(few.difference, one.difference);
}

#[test]
fn an_alarm_that_is_lost_is_listed_and_blocks_where_a_person_confirmed_the_leak() {
    // 13 %LEL for an hour: above the low level of one, below that of the other and below the floor.
    let leak = [vec![0.4; 120], vec![13.0; 60], vec![0.4; 120]].concat();
    let history = remembered(vec![leak, vec![0.4; 300]]);
    let (detector, valve) = household(1);
    let (strict, lax) = (bound("{}"), bound(r#"{"gas-low-level": 20}"#));
    let report = Tried::default().run(&history, Some(&strict), Some(&lax)).unwrap();
    let lost =
        report.rows.iter().find(|row| row.kind == RowKind::AlarmLost && row.condition == Some(Condition::GasLow));
    let lost = lost.unwrap();
    assert_eq!((lost.device, lost.interlock, lost.blocking), (detector, InterlockId::from_raw(1), false));
    let present = lost.active.unwrap();
    assert!(
        present.raised_at >= START + Span::from_minutes(120) && present.raised_at < START + Span::from_minutes(122)
    );
    assert!(present.cleared_at.unwrap() > START + Span::from_minutes(180));
    assert!(report.rows.iter().any(|row| row.kind == RowKind::CloseLost && row.device == valve));
    assert_eq!((report.blocking, report.interlocks_changed), (0, 1));
    let group = report.groups.iter().find(|group| group.condition == Some(Condition::GasLow)).unwrap();
    assert_eq!((group.device_kind, group.active, group.candidate, group.lost), (DeviceKind::Detector, 1, 0, 1));
    // The close and the notices that came of it are counted with it, and listed: the close with whose reading it was for.
    assert_eq!((group.closes, group.closes_lost, group.closes_added), ([1, 0], 1, 0));
    assert!(group.notices[0] > 0 && group.notices[1] == 0 && group.notices_lost == group.notices[0], "{group:?}");
    let close = report.rows.iter().find(|row| row.kind == RowKind::CloseLost).unwrap();
    assert_eq!((close.condition, close.measured_by), (Some(Condition::GasLow), Some(detector)));
    assert_eq!(close.serial, format!("S{}", valve.raw()));
    let told = report.rows.iter().filter(|row| row.kind == RowKind::NoticeLost && row.condition == group.condition);
    let told: Vec<_> = told.filter_map(|row| row.notice).collect();
    assert!(told.contains(&(NoticeKind::AlarmRaised, 1)), "{told:?}");
    assert_eq!(told.iter().map(|(_, count)| count).sum::<u64>(), group.notices_lost);
    let sum = |count: fn(&Group) -> u64| report.groups.iter().map(count).sum::<u64>();
    assert_eq!(sum(|group| group.closes[0]), report.active.closes);
    assert_eq!(sum(|group| group.notices[0]), report.active.notices);
    assert_eq!(sum(|group| group.notices_lost), report.difference.notices_lost);

    let confirmed = vec![leak_of(detector, 130, 140)];
    let report = Tried { confirmed, ..Tried::default() }.run(&history, Some(&strict), Some(&lax)).unwrap();
    assert!(report.blocking > 0 && report.rows[0].blocking, "{:#?}", report.rows);
    let confirmed = vec![leak_of(detector, 0, 100), leak_of(valve, 130, 140)];
    let report = Tried { confirmed, ..Tried::default() }.run(&history, Some(&strict), Some(&lax)).unwrap();
    let lost = report.rows.iter().filter(|row| row.kind == RowKind::AlarmLost);
    assert!(
        lost.clone().count() > 0 && lost.clone().all(|row| !row.blocking),
        "not in another leak: {:#?}",
        report.rows
    );
    // The other way round it is new.
    let report = Tried::default().run(&history, Some(&lax), Some(&strict)).unwrap();
    assert!(report.difference.added > 0 && report.difference.lost == 0 && report.difference.closes_added == 1);
}

#[test]
fn a_confirmed_leak_blocks_when_its_alarm_is_late_and_when_nobody_raises_it() {
    // From minute 10 on 13 %LEL, from minute 100 on 22: below the floor all the time.
    let history = remembered(vec![[vec![0.4; 10], vec![13.0; 90], vec![22.0; 60], vec![0.4; 60]].concat()]);
    let (detector, _) = household(1);
    let quiet = r#""rise-per-minute": 10, "rise-from": 10"#;
    let early = bound(&format!(r#"{{"gas-low-level": 10, "gas-low-persistence-s": 0, {quiet}}}"#));
    let late = bound(&format!(r#"{{"gas-low-level": 20, "gas-low-persistence-s": 0, {quiet}}}"#));
    let run = |confirmed: Vec<ConfirmedLeak>, active, candidate| {
        Tried { confirmed, ..Tried::default() }.run(&history, Some(active), Some(candidate)).unwrap()
    };
    let one = |report: &Report, kind| {
        let row =
            report.rows.iter().find(|row| row.blocking && row.kind == kind).unwrap_or_else(|| panic!("{report:#?}"));
        (report.blocking, row.device, row.by_ms)
    };
    // The same alarm, an hour and a half later.
    let report = run(vec![leak_of(detector, 10, 160)], &early, &late);
    assert_eq!(one(&report, RowKind::AlarmLater), (1, detector, 90 * 60_000));
    // What is in force is late as well: that is no excuse.
    let report = run(vec![leak_of(detector, 10, 160)], &late, &late);
    assert_eq!(one(&report, RowKind::LeakMissed), (1, detector, 90 * 60_000));
    // Neither raises anything in it.
    let report = run(vec![leak_of(detector, 12, 14)], &late, &late);
    assert_eq!(one(&report, RowKind::LeakMissed), (1, detector, 0));
    // In time, by up to a minute, is in time; what is older than the history is not judged.
    assert_eq!(run(vec![leak_of(detector, 10, 160)], &late, &early).blocking, 0);
    assert_eq!(run(vec![leak_of(detector, 9, 160)], &early, &early).blocking, 0);
    assert_eq!(run(vec![leak_of(detector, -30, -20)], &early, &early).blocking, 0);
}

#[test]
fn a_confirmed_leak_that_was_over_at_once_still_gives_a_minute_and_no_more() {
    // From minute 10 on 13 %LEL, after 50 s 17, from minute 15 on 22: below the floor all the time.
    let (detector, _) = household(1);
    let mut history =
        remembered(vec![[vec![0.4; 10], vec![13.0], vec![17.0; 4], vec![22.0; 15], vec![0.4; 60]].concat()]);
    let (minute, after) = (START + Span::from_minutes(10), Span::from_secs(50));
    history.arrivals[0].push(said(detector, minute + after, &[(Quantity::Gas, 17.0)]));
    history.arrivals[0].sort_by_key(|arrival| arrival.at);
    let at = |level: u32| {
        let quiet = r#""rise-per-minute": 10, "rise-from": 10"#;
        bound(&format!(r#"{{"gas-low-level": {level}, "gas-low-persistence-s": 0, {quiet}}}"#))
    };
    let (early, in_time, late) = (at(10), at(16), at(20));
    let run = |active, candidate| {
        let confirmed = vec![ConfirmedLeak { to: minute + Span::from_secs(5), ..leak_of(detector, 10, 10) }];
        let report = Tried { confirmed, ..Tried::default() }.run(&history, Some(active), Some(candidate)).unwrap();
        let kinds: Vec<_> = report.rows.iter().filter(|row| row.blocking).map(|row| row.kind).collect();
        assert_eq!(report.blocking, kinds.len() as u64);
        kinds
    };
    // 50 s late is in time, though the leak was over by then.
    assert_eq!(run(&early, &in_time), []);
    assert_eq!(run(&in_time, &in_time), []);
    // Five minutes late is not, whatever is in force does; and it is said once.
    assert_eq!(run(&early, &late), [RowKind::AlarmLater]);
    assert_eq!(run(&in_time, &late), [RowKind::AlarmLater]);
    assert_eq!(run(&late, &late), [RowKind::LeakMissed]);
}

#[test]
fn a_close_that_is_lost_or_late_in_a_confirmed_leak_blocks() {
    // From minute 10 on 13 %LEL, from minute 15 on 22: below the floor all the time.
    let history = remembered(vec![[vec![0.4; 10], vec![13.0; 5], vec![22.0; 30], vec![0.4; 60]].concat()]);
    let (detector, valve) = household(1);
    let of = |closes: bool, high: u32| {
        let quiet = r#""rise-per-minute": 10, "rise-from": 10"#;
        bound(&format!(
            r#"{{"gas-low-level": 10, "gas-low-persistence-s": 0, "close-at-low": {closes}, "gas-high-level": {high}, {quiet}}}"#
        ))
    };
    let (prompt, late, never) = (of(true, 24), of(false, 20), of(false, 24));
    let run = |confirmed: &[ConfirmedLeak], candidate| {
        Tried { confirmed: confirmed.to_vec(), ..Tried::default() }
            .run(&history, Some(&prompt), Some(candidate))
            .unwrap()
    };
    let close = |report: &Report| {
        assert_eq!(report.blocking, report.rows.iter().filter(|row| row.blocking).count() as u64);
        let mut closes = report.rows.iter().filter(|row| row.device == valve && row.kind != RowKind::LeakMissed);
        let row = closes.next().unwrap_or_else(|| panic!("{report:#?}"));
        assert!(closes.next().is_none(), "{report:#?}");
        (row.kind, row.by_ms, row.blocking)
    };
    let five_minutes = 5 * 60_000;
    let report = run(&[], &late);
    assert_eq!(close(&report), (RowKind::CloseLater, five_minutes, false));
    let Difference { lost, later, closes_lost, closes_later, closes_later_ms, .. } = report.difference;
    assert_eq!((lost, later, closes_lost, closes_later, closes_later_ms), (0, 0, 0, 1, 300_000));
    let group = report.groups.iter().find(|group| group.condition == Some(Condition::GasLow)).unwrap();
    assert_eq!((group.closes_later, group.closes_later_ms), (1, 300_000));
    let leak = leak_of(detector, 10, 40);
    assert_eq!(close(&run(&[leak], &late)), (RowKind::CloseLater, five_minutes, true));
    assert_eq!(close(&run(&[leak], &never)), (RowKind::CloseLost, 0, true));
    assert_eq!(close(&run(&[], &never)), (RowKind::CloseLost, 0, false));
    let elsewhere = [leak_of(valve, 10, 40), leak_of(detector, 12, 40)];
    assert_eq!(close(&run(&elsewhere[..1], &never)), (RowKind::CloseLost, 0, false), "another device's leak");
    assert!(!close(&run(&elsewhere[..1], &late)).2);
    let report = run(&elsewhere[1..], &never);
    assert!(report.rows.iter().all(|row| row.device != valve || !row.blocking), "before the leak: {report:#?}");
}

#[test]
fn a_valve_that_is_closed_already_is_no_lost_close() {
    // Half an hour of 13 %LEL before 22.
    let history = remembered(vec![[vec![0.4; 10], vec![13.0; 30], vec![22.0; 30], vec![0.4; 60]].concat()]);
    let (detector, valve) = household(1);
    let at = |level: u32| {
        let quiet = r#""rise-per-minute": 10, "rise-from": 10"#;
        bound(&format!(r#"{{"gas-low-level": {level}, "gas-low-persistence-s": 0, "gas-high-level": 24, {quiet}}}"#))
    };
    let confirmed = vec![leak_of(detector, 40, 60)];
    let report = Tried { confirmed, ..Tried::default() }.run(&history, Some(&at(20)), Some(&at(10))).unwrap();
    let closes: Vec<_> =
        report.rows.iter().filter(|row| row.device == valve).map(|row| (row.kind, row.blocking)).collect();
    assert_eq!(closes, [(RowKind::CloseLost, false), (RowKind::CloseAdded, false)]);
    assert_eq!(report.blocking, 0, "{:#?}", report.rows);
}

#[test]
fn an_alarm_that_comes_earlier_or_later_says_by_how_much() {
    let rising: Vec<f64> = (0..60).map(|minute| f64::from(minute) * 0.2).chain((0..60).map(|_| 0.2)).collect();
    let history = remembered(vec![rising]);
    let quiet = r#""rise-per-minute": 10"#;
    let early = bound(&format!(r#"{{"gas-low-level": 6, "gas-low-persistence-s": 0, {quiet}}}"#));
    let late = bound(&format!(r#"{{"gas-low-level": 8, "gas-low-persistence-s": 0, {quiet}}}"#));
    let report = Tried::default().run(&history, Some(&early), Some(&late)).unwrap();
    // 6 %LEL at minute 30, 8 at minute 40.
    assert_eq!((report.difference.later, report.difference.later_ms), (1, 600_000), "{:#?}", report.rows);
    let later: Vec<_> = report.rows.iter().take(2).map(|row| (row.kind, row.by_ms)).collect();
    assert_eq!(later, [(RowKind::CloseLater, 600_000), (RowKind::AlarmLater, 600_000)], "the gravest first");
    let report = Tried::default().run(&history, Some(&late), Some(&early)).unwrap();
    assert_eq!((report.difference.earlier, report.difference.earlier_ms), (1, 600_000));
    assert_eq!((report.rows[0].kind, report.rows[0].by_ms), (RowKind::AlarmEarlier, -600_000));
}

#[test]
fn without_a_policy_the_floor_stands_alone() {
    let leak = [vec![0.4; 20], vec![60.0; 10], vec![0.4; 100]].concat();
    let history = remembered(vec![leak]);
    let report = Tried::default().run(&history, None, Some(&bound("{}"))).unwrap();
    assert_eq!(report.active.calls, Calls::default());
    assert!(report.active.alarms > 0 && report.active.closes == 1 && report.candidate.closes == 1, "{report:#?}");
    assert_eq!((report.difference.lost, report.difference.closes_lost), (0, 0));
}

#[test]
fn a_leak_that_comes_again_after_its_reset_is_a_second_alarm() {
    let leak = || [vec![60.0; 10], vec![0.4; 100]].concat();
    let report = Tried::default().run(&remembered(vec![[leak(), leak(), leak()].concat()]), None, None).unwrap();
    let high = report.groups.iter().find(|group| group.condition == Some(Condition::GasHigh)).unwrap();
    assert_eq!(high.active, 3);
    assert_eq!(report.active.closes, 3, "and closes the valve again, which a person has opened");
}

#[test]
fn a_fault_is_counted_by_its_kind_and_raised_as_an_alarm() {
    let engine = engine();
    let rule = engine.load(&engine.admit(&crate::components::hostile("", "unreachable")).unwrap());
    // Bytes that the rule does not look at: trying them would trap.
    let traps = rule.bind(davy_rules::SettingsBytes::from_stored(&[0xa0]));
    let report = Tried::default().run(&remembered(vec![vec![0.4; 30]]), None, Some(&traps)).unwrap();
    let calls = &report.candidate.calls;
    assert_eq!(
        calls.faults.iter().map(|(kind, count)| (format!("{kind:?}"), *count)).collect::<Vec<_>>(),
        [("Trap".to_owned(), calls.calls)]
    );
    assert!(calls.calls >= 30);
    assert!(
        report.rows.iter().any(|row| row.kind == RowKind::AlarmAdded && row.condition == Some(Condition::RuleFault))
    );
}

#[test]
fn a_rule_that_keeps_state_between_calls_ends_the_back_test() {
    let engine = engine();
    let rule = engine.load(&engine.admit(&counts_its_calls(12)).unwrap());
    let counts = rule.bind(rule.encode_settings("{}").unwrap());
    let history = remembered(vec![vec![0.4; 5_000]]);
    match Tried::default().run(&history, None, Some(&counts)) {
        Err(error @ BackTestError::KeepsState { .. }) => {
            let words = error.to_string();
            assert!(words.contains("the rule being tried") && words.contains("keeps state"), "{words}");
        }
        other => panic!("expected that it is found out, got {other:?}"),
    }
    // As it would run live, it can be tested all the same.
    let options = Options { batch: 1, ..Options::default() };
    Tried { options, ..Tried::default() }.run(&remembered(vec![vec![0.4; 50]]), None, Some(&counts)).unwrap();
}

#[test]
fn progress_comes_to_the_whole_and_a_cancelled_back_test_has_no_result() {
    let history = eventful(3, 300);
    let (floor, limits) = (floor(), Limits::default());
    let rule = bound("{}");
    let test = BackTest {
        active: None,
        candidate: Some(&rule),
        floor: &floor,
        limits: &limits,
        to: START + Span::from_days(1),
        confirmed: &[],
        options: Options { threads: 2, ..Options::default() },
    };
    let (most, pages) = (AtomicU64::new(0), AtomicU64::new(0));
    let count = |progress: davy_rules::backtest::Progress| {
        assert_eq!(progress.total, history.arrivals());
        most.fetch_max(progress.done, Ordering::Relaxed);
        pages.fetch_add(1, Ordering::Relaxed);
    };
    test.run(&history, &count, &AtomicBool::new(false)).unwrap();
    assert_eq!(most.load(Ordering::Relaxed), history.arrivals());
    let all = pages.swap(0, Ordering::Relaxed);
    let cancel = AtomicBool::new(false);
    let cancels = |_| {
        pages.fetch_add(1, Ordering::Relaxed);
        cancel.store(true, Ordering::Relaxed);
    };
    assert!(matches!(test.run(&history, &cancels, &cancel), Err(BackTestError::Cancelled)));
    assert!(pages.load(Ordering::Relaxed) <= 2 && all > 20, "it stops with the page that each thread is at");
}

/// A life as the platform leads it: valves answer, and what they report is the history.
fn lived(rule: &BoundRule, gas: &[f64]) -> (Vec<Arrival>, Vec<(Condition, Timestamp)>, usize) {
    let (floor, limits) = (floor(), Limits::default());
    let policy = BoundPolicy { policy: rule, digest: *rule.rule().digest().as_bytes(), settings_version: 1 };
    let world = World { floor: &floor, policy: Some(policy), limits: &limits };
    let (_, valve) = household(1);
    let Subject { interlock, tenant, devices } = subject(1);
    let mut interlock = Interlock::new(interlock, tenant, devices, START, &limits).unwrap();
    let mut ids = IdSource::new(3, 0);
    let (mut history, mut raised, mut closed_for) = (Vec::new(), Vec::new(), HashSet::new());
    let mut shut = false;
    for arrival in course(1, gas.iter().copied()) {
        let mut stepped = Vec::new();
        while let Some(due) = interlock.next_due().filter(|due| *due < arrival.at) {
            stepped.push((due, interlock.step(Input::Due, due, &world, &mut ids)));
        }
        let Said::Uplink(mut parts) = arrival.said else { panic!() };
        if arrival.device == valve {
            parts[0].readings[0].value = f64::from(u8::from(shut));
            // Somebody opens it again by hand later on.
            shut = false;
        }
        let mut answers = Vec::new();
        let mut answer = |interlock: &mut Interlock,
                          ids: &mut IdSource,
                          effects: &davy_domain::Effects,
                          now: Timestamp| {
            raised.extend(raises(effects));
            for order in effects.commands.iter().filter(|change| change.before.is_none()) {
                let (id, at) = (order.command.id, now + Span::from_millis(900));
                assert_eq!(order.command.action, Action::Close);
                closed_for.insert(order.command.cause);
                interlock.step(Input::Transport { command: id, event: Transport::Sent }, now, &world, ids);
                let report = OutcomeReport { counter: order.command.counter, outcome: DeviceOutcome::Actuated, at };
                let OutcomeReport { counter, outcome, .. } = report;
                interlock.step(Input::Outcome { device: valve, command: id, counter, outcome, at }, at, &world, ids);
                answers.push(Arrival { at, device: valve, said: Said::Outcome(report) });
                let proof = said(valve, at + Span::from_millis(50), &[(Quantity::Valve, 1.0)]);
                let Said::Uplink(parts) = &proof.said else { panic!() };
                let input = Input::Uplink { device: valve, sequence: None, parts };
                raised.extend(raises(&interlock.step(input, proof.at, &world, ids)));
                answers.push(proof);
                shut = true;
            }
        };
        for (now, effects) in stepped {
            answer(&mut interlock, &mut ids, &effects, now);
        }
        let input = Input::Uplink { device: arrival.device, sequence: None, parts: &parts };
        let effects = interlock.step(input, arrival.at, &world, &mut ids);
        answer(&mut interlock, &mut ids, &effects, arrival.at);
        history.push(Arrival { said: Said::Uplink(parts), ..arrival });
        history.extend(answers);
        history.sort_by_key(|arrival| arrival.at);
    }
    assert!(interlock.commands().next().is_none(), "every order was proven");
    (history, raised, closed_for.len())
}

fn raises(effects: &davy_domain::Effects) -> impl Iterator<Item = (Condition, Timestamp)> {
    effects
        .alarms
        .iter()
        .filter(|change| change.before == AlarmState::Normal && change.alarm.condition.for_rules())
        .map(|change| (change.alarm.condition, change.alarm.raised_at))
}

#[test]
fn under_the_policy_of_then_everything_comes_about_as_it_did() {
    let gas = [vec![0.4; 30], vec![4.0, 7.0, 11.0, 12.0, 30.0, 45.0], vec![12.0; 3], vec![0.4; 150]].concat();
    let rule = bound("{}");
    let (arrivals, raised, closes) = lived(&rule, &gas);
    assert!(raised.len() >= 3 && closes >= 1, "{raised:?} {closes}");
    let history = Remembered { subjects: vec![subject(1)], arrivals: vec![arrivals] };
    // Against the floor alone, every alarm of the rule is a row, or was the floor's too.
    let against_nothing = bound(r#"{"gas-low-level": 25, "gas-high-level": 50, "rise-per-minute": 10}"#);
    let report = Tried::default().run(&history, Some(&rule), Some(&against_nothing)).unwrap();
    assert_eq!(
        (report.active.alarms, report.active.closes),
        (raised.len() as u64, closes as u64),
        "{raised:?} {report:#?}"
    );
    for row in &report.rows {
        if let (Some(condition), Some(present)) = (row.condition, row.active) {
            assert!(raised.contains(&(condition, present.raised_at)), "{row:?} in {raised:?}");
        }
    }
}

#[test]
fn a_meters_and_a_wells_policies_fold_their_own_histories() {
    for (name, kind, quantity, value) in [
        ("meter-micro-flow", DeviceKind::Meter, Quantity::Flow, 0.02),
        ("well-methane", DeviceKind::WellMonitor, Quantity::Gas, 3.0),
    ] {
        let engine = engine();
        let rule = engine.load(&engine.admit(&example(name)).unwrap());
        let rule = rule.bind(rule.encode_settings("{}").unwrap());
        let mut history = remembered(vec![Vec::new()]);
        history.subjects[0].devices = vec![DeviceConfig { kind, links: Vec::new(), ..subject(1).devices[0].clone() }];
        history.arrivals[0] =
            (0..600).map(|n| said(household(1).0, START + Span::from_minutes(n), &[(quantity, value)])).collect();
        let report = Tried::default().run(&history, Some(&rule), Some(&rule)).unwrap();
        assert_eq!(report.difference, Difference::default(), "{name}");
        assert!(report.active.calls.calls >= 600 && report.active.calls.fuel.p50 > 100, "{name}: {:?}", report.active);
        assert!(report.active.calls.fuel.max >= report.active.calls.fuel.p99, "{name}");
        assert_eq!(report.active.calls.faults.len(), 0, "{name}");
    }
}
