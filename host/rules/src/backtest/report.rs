//! What a back-test found: two courses compared, and the sum over many interlocks, the same in whatever order they are added.

use super::course::{Came, Closed, Raised, Told};
use super::matching::{Pair, Present, pairs};
use super::tally::{Calls, Tally};
use super::{BackTest, ConfirmedLeak, LATE_AFTER};
use davy_domain::history::Subject;
use davy_domain::interlock::NoticeKind;
use davy_domain::{Condition, DeviceId, DeviceKind, InterlockId, Priority, Timestamp};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The result of a back-test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// Interlocks that were folded.
    pub interlocks: u64,
    /// Interlocks in which the two came out differently.
    pub interlocks_changed: u64,
    /// Messages of devices.
    pub arrivals: u64,
    /// Readings in them.
    pub readings: u64,
    /// Under what is in force now.
    pub active: Side,
    /// Under what is being tried.
    pub candidate: Side,
    /// Where they differ, in sum.
    pub difference: Difference,
    /// The same by condition and kind of device.
    pub groups: Vec<Group>,
    /// The differences, the gravest first; of very many those that weigh most.
    pub rows: Vec<Row>,
    /// Differences that `rows` has no room for.
    pub rows_left_out: u64,
    /// Alarms and closes that are lost or late in leaks that a person confirmed. More than none stands against putting the candidate in force.
    pub blocking: u64,
    /// Alarms beyond what is kept of one interlock: counted, and not compared.
    pub not_compared: u64,
    /// Answers that were made once more in a fresh instance, and in how many of them the fuel was another one.
    pub sampled: (u64, u64),
}

/// One policy in sum.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Side {
    /// Alarms raised.
    pub alarms: u64,
    /// Valves ordered to close; the repeated order for the same leak is none.
    pub closes: u64,
    /// Notices to people.
    pub notices: u64,
    /// The rule's calls.
    pub calls: Calls,
}

/// How the candidate differs from what is in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Difference {
    /// Alarms that only the candidate raises.
    pub added: u64,
    /// Alarms that it no longer raises.
    pub lost: u64,
    /// Alarms that it raises earlier.
    pub earlier: u64,
    /// By how much in sum, milliseconds.
    pub earlier_ms: u64,
    /// Alarms that it raises later.
    pub later: u64,
    /// By how much in sum, milliseconds.
    pub later_ms: u64,
    /// Closes that only the candidate orders.
    pub closes_added: u64,
    /// Closes that it no longer orders.
    pub closes_lost: u64,
    /// Closes that it orders more than [`LATE_AFTER`] later.
    #[serde(default)]
    pub closes_later: u64,
    /// By how much in sum, milliseconds.
    #[serde(default)]
    pub closes_later_ms: u64,
    /// Notices that only it sends.
    pub notices_added: u64,
    /// Notices that it no longer sends.
    pub notices_lost: u64,
}

/// Alarms of one condition on one kind of device, with the closes and notices that they bring about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Group {
    /// The condition; none for closes that the rule wants without an alarm.
    pub condition: Option<Condition>,
    /// The kind of device that measured it; for closes without an alarm, that of the valve.
    pub device_kind: DeviceKind,
    /// Alarms under what is in force now.
    pub active: u64,
    /// Alarms under the candidate.
    pub candidate: u64,
    /// Only the candidate's.
    pub added: u64,
    /// No longer raised.
    pub lost: u64,
    /// Raised earlier.
    pub earlier: u64,
    /// By how much in sum, milliseconds.
    pub earlier_ms: u64,
    /// Raised later.
    pub later: u64,
    /// By how much in sum, milliseconds.
    pub later_ms: u64,
    /// Closes for it under what is in force now, and under the candidate.
    #[serde(default)]
    pub closes: [u64; 2],
    /// Closes that only the candidate orders.
    #[serde(default)]
    pub closes_added: u64,
    /// Closes that it no longer orders.
    #[serde(default)]
    pub closes_lost: u64,
    /// Closes that it orders more than [`LATE_AFTER`] later.
    #[serde(default)]
    pub closes_later: u64,
    /// By how much in sum, milliseconds.
    #[serde(default)]
    pub closes_later_ms: u64,
    /// Notices about it under what is in force now, and under the candidate.
    #[serde(default)]
    pub notices: [u64; 2],
    /// Notices that only the candidate sends.
    #[serde(default)]
    pub notices_added: u64,
    /// Notices that it no longer sends.
    #[serde(default)]
    pub notices_lost: u64,
}

/// What kind of difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowKind {
    /// A leak that a person confirmed, in which neither raises an alarm in time.
    LeakMissed,
    /// An alarm is no longer raised.
    AlarmLost,
    /// A valve is no longer ordered to close.
    CloseLost,
    /// An alarm comes later.
    AlarmLater,
    /// A valve is ordered to close more than [`LATE_AFTER`] later.
    CloseLater,
    /// A valve is ordered to close that was not before.
    CloseAdded,
    /// An alarm is new.
    AlarmAdded,
    /// An alarm comes earlier.
    AlarmEarlier,
    /// People are told less often.
    NoticeLost,
    /// People are told more often.
    NoticeAdded,
}

impl RowKind {
    const fn is_notice(self) -> bool {
        matches!(self, Self::NoticeLost | Self::NoticeAdded)
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Row {
    /// Of which kind.
    pub kind: RowKind,
    /// Whether it stands against the candidate: an alarm or a close that is lost or late in a leak that a person confirmed.
    pub blocking: bool,
    /// In which interlock.
    pub interlock: InterlockId,
    /// The device that the alarm is about, or the valve.
    pub device: DeviceId,
    /// Its serial.
    #[serde(default)]
    pub serial: String,
    /// What the device is.
    pub device_kind: DeviceKind,
    /// The alarm's condition, or that of the alarm which a close or a notice is about.
    pub condition: Option<Condition>,
    /// Whose reading a close is for.
    #[serde(default)]
    pub measured_by: Option<DeviceId>,
    /// What kind of notice, and how many more or fewer.
    #[serde(default)]
    pub notice: Option<(NoticeKind, u64)>,
    /// The alarm's priority, the higher of the two; none for a close.
    pub priority: Option<Priority>,
    /// When it was there under what is in force now.
    pub active: Option<Present>,
    /// When it was there under the candidate.
    pub candidate: Option<Present>,
    /// By how much the candidate's comes later; negative when it comes earlier. Milliseconds.
    pub by_ms: i64,
}

impl Row {
    /// The gravest first, and no two rows alike.
    fn order(&self) -> impl Ord + use<> {
        let at = self.active.or(self.candidate).map(|present| present.raised_at);
        let condition = self.condition.map(Condition::code);
        // A close is as urgent as what it is for.
        let priority = if self.kind.is_notice() { 0 } else { self.priority.unwrap_or(Priority::Urgent).code() };
        let notice = self.notice.map(|(kind, _)| kind.code());
        let weight = (Reverse(self.blocking), Reverse(priority), self.kind, Reverse(self.by_ms.unsigned_abs()));
        (weight, self.interlock, self.device, condition, at, notice)
    }
}

/// The sum of some interlocks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sum {
    interlocks: u64,
    changed: u64,
    pub(super) arrivals: u64,
    pub(super) readings: u64,
    alarms: [u64; 2],
    closes: [u64; 2],
    notices: [u64; 2],
    pub(super) tallies: [Tally; 2],
    pub(super) sampled: (u64, u64),
    difference: Difference,
    groups: BTreeMap<(u16, u16), Group>,
    rows: Vec<Row>,
    rows_found: u64,
    blocking: u64,
    beyond: u64,
}

impl Sum {
    /// Takes in one interlock, whose history began then; none when there is none.
    pub(super) fn compare(
        &mut self,
        test: &BackTest<'_>,
        subject: &Subject,
        begun: Option<Timestamp>,
        came: [Came; 2],
    ) {
        self.interlocks += 1;
        let rows = self.rows_found;
        for (side, came) in came.iter().enumerate() {
            self.alarms[side] += came.alarms.len() as u64 + came.beyond;
            self.closes[side] += came.closes.len() as u64;
            self.notices[side] += came.notices.values().sum::<u64>();
            self.beyond += came.beyond;
        }
        let devices: HashMap<DeviceId, (DeviceKind, &str)> =
            subject.devices.iter().map(|device| (device.id, (device.kind, device.serial.as_str()))).collect();
        let row = |device: DeviceId, kind: RowKind| Row {
            kind,
            blocking: false,
            interlock: subject.interlock,
            device,
            serial: devices.get(&device).map_or_else(String::new, |(_, serial)| (*serial).to_owned()),
            device_kind: devices.get(&device).map_or(DeviceKind::Detector, |(kind, _)| *kind),
            condition: None,
            measured_by: None,
            notice: None,
            priority: None,
            active: None,
            candidate: None,
            by_ms: 0,
        };
        self.compare_alarms(test, &came, &row);
        if let Some(begun) = begun {
            self.confirmed_leaks(test, subject, begun, &came, &row);
        }
        self.compare_closes(test, subject, &came, &row);
        self.compare_notices(&came, &row);
        self.changed += u64::from(self.rows_found > rows);
        self.cut(test.options.rows);
    }

    fn compare_alarms(
        &mut self,
        test: &BackTest<'_>,
        [active, candidate]: &[Came; 2],
        row: &impl Fn(DeviceId, RowKind) -> Row,
    ) {
        for ((device, _), [active, candidate]) in by_key(&active.alarms, &candidate.alarms) {
            let present = |alarms: &[Raised]| alarms.iter().map(|alarm| alarm.present).collect::<Vec<_>>();
            let Some(condition) = active.iter().chain(&candidate).map(|alarm| alarm.condition).next() else { continue };
            let group = group(&mut self.groups, Some(condition), row(device, RowKind::AlarmLost).device_kind);
            group.active += active.len() as u64;
            group.candidate += candidate.len() as u64;
            let sum = &mut self.difference;
            for pair in pairs(&present(&active), &present(&candidate), test.options.window) {
                let (before, after) = match pair {
                    Pair::Both(before, after) => (Some(active[before]), Some(candidate[after])),
                    Pair::First(before) => (Some(active[before]), None),
                    Pair::Second(after) => (None, Some(candidate[after])),
                };
                let mut by_ms = 0;
                let mut blocking = false;
                let kind = match (before, after) {
                    (Some(before), Some(after)) => {
                        by_ms = after.present.raised_at.since(before.present.raised_at).as_millis();
                        match by_ms {
                            0 => continue,
                            ..0 => {
                                sum.earlier += 1;
                                sum.earlier_ms += by_ms.unsigned_abs();
                                group.earlier += 1;
                                group.earlier_ms += by_ms.unsigned_abs();
                                RowKind::AlarmEarlier
                            }
                            1.. => {
                                sum.later += 1;
                                sum.later_ms += by_ms.unsigned_abs();
                                group.later += 1;
                                group.later_ms += by_ms.unsigned_abs();
                                blocking = by_ms > LATE_AFTER.as_millis() && is_confirmed(test.confirmed, &before);
                                RowKind::AlarmLater
                            }
                        }
                    }
                    (Some(before), None) => {
                        sum.lost += 1;
                        group.lost += 1;
                        blocking = is_confirmed(test.confirmed, &before);
                        RowKind::AlarmLost
                    }
                    (None, _) => {
                        sum.added += 1;
                        group.added += 1;
                        RowKind::AlarmAdded
                    }
                };
                self.blocking += u64::from(blocking);
                self.rows_found += 1;
                self.rows.push(Row {
                    blocking,
                    condition: Some(condition),
                    priority: before.map(|alarm| alarm.priority).max(after.map(|alarm| alarm.priority)),
                    active: before.map(|alarm| alarm.present),
                    candidate: after.map(|alarm| alarm.present),
                    by_ms,
                    ..row(device, kind)
                });
            }
        }
    }

    /// Leaks that a person confirmed and in which the candidate raises nothing in time, whatever is in force does.
    fn confirmed_leaks(
        &mut self,
        test: &BackTest<'_>,
        subject: &Subject,
        begun: Timestamp,
        [_, candidate]: &[Came; 2],
        row: &impl Fn(DeviceId, RowKind) -> Row,
    ) {
        // What is older than the history cannot be folded again, under any policy.
        let mine =
            |leak: &&ConfirmedLeak| begun <= leak.from && subject.devices.iter().any(|device| device.id == leak.device);
        for leak in test.confirmed.iter().filter(mine).filter(|leak| is_about_gas(leak.condition)) {
            let own = candidate.alarms.iter().filter(|alarm| is_in(leak, alarm));
            let first = own.min_by_key(|alarm| alarm.present.raised_at);
            if first.is_some_and(|first| first.present.raised_at <= leak.from + LATE_AFTER) {
                continue;
            }
            // It is said once: by the alarm that what is in force would have raised, if there is one.
            if self.rows.iter().any(|row| tells_of(row, leak)) {
                continue;
            }
            self.blocking += 1;
            self.rows_found += 1;
            self.rows.push(Row {
                blocking: true,
                condition: Some(leak.condition),
                priority: first.map(|alarm| alarm.priority),
                candidate: first.map(|alarm| alarm.present),
                by_ms: first.map_or(0, |alarm| alarm.present.raised_at.since(leak.from).as_millis()),
                ..row(leak.device, RowKind::LeakMissed)
            });
        }
    }

    fn compare_closes(
        &mut self,
        test: &BackTest<'_>,
        subject: &Subject,
        [active, candidate]: &[Came; 2],
        row: &impl Fn(DeviceId, RowKind) -> Row,
    ) {
        let moment = |at: Timestamp| Present { raised_at: at, cleared_at: Some(at) };
        let of = |closes: &[Closed], valve: DeviceId| {
            closes.iter().filter(|close| close.valve == valve).copied().collect::<Vec<_>>()
        };
        let moments = |closes: &[Closed]| closes.iter().map(|close| moment(close.at)).collect::<Vec<_>>();
        let mut valves: Vec<DeviceId> =
            active.closes.iter().chain(&candidate.closes).map(|close| close.valve).collect();
        valves.sort_unstable();
        valves.dedup();
        for valve in valves {
            let (before, after) = (of(&active.closes, valve), of(&candidate.closes, valve));
            let kind_of =
                |close: &Closed| row(close.cause.map_or(valve, |(_, device)| device), RowKind::CloseLost).device_kind;
            let of = |close: &Closed, row: Row| Row {
                condition: close.cause.map(|(condition, _)| condition),
                measured_by: close.cause.map(|(_, device)| device),
                ..row
            };
            for (side, closes) in [&before, &after].into_iter().enumerate() {
                for close in closes {
                    group(&mut self.groups, close.cause.map(|(condition, _)| condition), kind_of(close)).closes
                        [side] += 1;
                }
            }
            let blocks = |rows: &[Row], close: &Closed| {
                let mut leaks = test.confirmed.iter().filter(|leak| is_closed_for(leak, close, subject));
                !is_closed_already(candidate, close) && leaks.any(|leak| !rows.iter().any(|row| tells_of(row, leak)))
            };
            for pair in pairs(&moments(&before), &moments(&after), test.options.window) {
                let row = match pair {
                    Pair::Both(early, late) => {
                        let (close, late) = (&before[early], &after[late]);
                        let by_ms = late.at.since(close.at).as_millis();
                        if by_ms <= LATE_AFTER.as_millis() {
                            continue;
                        }
                        self.difference.closes_later += 1;
                        self.difference.closes_later_ms += by_ms.unsigned_abs();
                        let group =
                            group(&mut self.groups, close.cause.map(|(condition, _)| condition), kind_of(close));
                        group.closes_later += 1;
                        group.closes_later_ms += by_ms.unsigned_abs();
                        Row {
                            blocking: blocks(&self.rows, close),
                            active: Some(moment(close.at)),
                            candidate: Some(moment(late.at)),
                            by_ms,
                            ..of(close, row(valve, RowKind::CloseLater))
                        }
                    }
                    Pair::First(at) => {
                        let close = &before[at];
                        self.difference.closes_lost += 1;
                        group(&mut self.groups, close.cause.map(|(condition, _)| condition), kind_of(close))
                            .closes_lost += 1;
                        let blocking = blocks(&self.rows, close);
                        Row { blocking, active: Some(moment(close.at)), ..of(close, row(valve, RowKind::CloseLost)) }
                    }
                    Pair::Second(at) => {
                        let close = &after[at];
                        self.difference.closes_added += 1;
                        group(&mut self.groups, close.cause.map(|(condition, _)| condition), kind_of(close))
                            .closes_added += 1;
                        Row { candidate: Some(moment(close.at)), ..of(close, row(valve, RowKind::CloseAdded)) }
                    }
                };
                self.blocking += u64::from(row.blocking);
                self.rows_found += 1;
                self.rows.push(row);
            }
        }
    }

    fn compare_notices(&mut self, [active, candidate]: &[Came; 2], row: &impl Fn(DeviceId, RowKind) -> Row) {
        let keys: BTreeSet<Told> = active.notices.keys().chain(candidate.notices.keys()).copied().collect();
        for key in keys {
            let (device, condition, kind) = key;
            let [before, after] = [active, candidate].map(|came| came.notices.get(&key).copied().unwrap_or(0));
            let condition = Condition::from_code(condition);
            let group = group(&mut self.groups, condition, row(device, RowKind::NoticeLost).device_kind);
            group.notices[0] += before;
            group.notices[1] += after;
            let (lost, added) = (before.saturating_sub(after), after.saturating_sub(before));
            group.notices_lost += lost;
            group.notices_added += added;
            self.difference.notices_lost += lost;
            self.difference.notices_added += added;
            if before == after {
                continue;
            }
            let row_kind = if lost > 0 { RowKind::NoticeLost } else { RowKind::NoticeAdded };
            let notice = NoticeKind::from_code(kind).map(|kind| (kind, lost.max(added)));
            self.rows_found += 1;
            self.rows.push(Row { condition, notice, ..row(device, row_kind) });
        }
    }

    /// Keeps the gravest rows only.
    fn cut(&mut self, most: usize) {
        if self.rows.len() > most.saturating_mul(2) {
            self.rows.sort_by_cached_key(Row::order);
            self.rows.truncate(most);
        }
    }

    /// Adds another sum.
    pub(super) fn add(&mut self, other: Self, rows: usize) {
        self.interlocks += other.interlocks;
        self.changed += other.changed;
        self.arrivals += other.arrivals;
        self.readings += other.readings;
        for side in 0..2 {
            self.alarms[side] += other.alarms[side];
            self.closes[side] += other.closes[side];
            self.notices[side] += other.notices[side];
            self.tallies[side].add(&other.tallies[side]);
        }
        self.sampled.0 += other.sampled.0;
        self.sampled.1 += other.sampled.1;
        let (sum, more) = (&mut self.difference, other.difference);
        sum.added += more.added;
        sum.lost += more.lost;
        sum.earlier += more.earlier;
        sum.earlier_ms += more.earlier_ms;
        sum.later += more.later;
        sum.later_ms += more.later_ms;
        sum.closes_added += more.closes_added;
        sum.closes_lost += more.closes_lost;
        sum.closes_later += more.closes_later;
        sum.closes_later_ms += more.closes_later_ms;
        sum.notices_added += more.notices_added;
        sum.notices_lost += more.notices_lost;
        for (key, more) in other.groups {
            let Some(group) = self.groups.get_mut(&key) else {
                self.groups.insert(key, more);
                continue;
            };
            group.active += more.active;
            group.candidate += more.candidate;
            group.added += more.added;
            group.lost += more.lost;
            group.earlier += more.earlier;
            group.earlier_ms += more.earlier_ms;
            group.later += more.later;
            group.later_ms += more.later_ms;
            for side in 0..2 {
                group.closes[side] += more.closes[side];
                group.notices[side] += more.notices[side];
            }
            group.closes_added += more.closes_added;
            group.closes_lost += more.closes_lost;
            group.closes_later += more.closes_later;
            group.closes_later_ms += more.closes_later_ms;
            group.notices_added += more.notices_added;
            group.notices_lost += more.notices_lost;
        }
        self.rows.extend(other.rows);
        self.rows_found += other.rows_found;
        self.blocking += other.blocking;
        self.beyond += other.beyond;
        self.cut(rows);
    }

    pub(super) fn into_report(mut self, most: usize) -> Report {
        self.rows.sort_by_cached_key(Row::order);
        self.rows.truncate(most);
        let [active, candidate] = [0, 1].map(|side| Side {
            alarms: self.alarms[side],
            closes: self.closes[side],
            notices: self.notices[side],
            calls: self.tallies[side].figures(),
        });
        Report {
            interlocks: self.interlocks,
            interlocks_changed: self.changed,
            arrivals: self.arrivals,
            readings: self.readings,
            active,
            candidate,
            difference: self.difference,
            groups: self.groups.into_values().collect(),
            rows_left_out: self.rows_found - self.rows.len() as u64,
            rows: self.rows,
            blocking: self.blocking,
            not_compared: self.beyond,
            sampled: self.sampled,
        }
    }
}

fn group(
    groups: &mut BTreeMap<(u16, u16), Group>,
    condition: Option<Condition>,
    device_kind: DeviceKind,
) -> &mut Group {
    groups.entry((condition.map_or(0, Condition::code), device_kind.code())).or_insert_with(|| Group {
        condition,
        device_kind,
        active: 0,
        candidate: 0,
        added: 0,
        lost: 0,
        earlier: 0,
        earlier_ms: 0,
        later: 0,
        later_ms: 0,
        closes: [0; 2],
        closes_added: 0,
        closes_lost: 0,
        closes_later: 0,
        closes_later_ms: 0,
        notices: [0; 2],
        notices_added: 0,
        notices_lost: 0,
    })
}

/// The alarms of both sides by device and condition, each in the order in which they were raised.
fn by_key(active: &[Raised], candidate: &[Raised]) -> BTreeMap<(DeviceId, u16), [Vec<Raised>; 2]> {
    let mut found: BTreeMap<(DeviceId, u16), [Vec<Raised>; 2]> = BTreeMap::new();
    for (side, alarms) in [active, candidate].into_iter().enumerate() {
        for alarm in alarms {
            found.entry((alarm.device, alarm.condition.code())).or_default()[side].push(*alarm);
        }
    }
    found
}

/// Whether an alarm about gas in the air or in a pipe falls into a leak that a person confirmed on its device.
fn is_confirmed(confirmed: &[ConfirmedLeak], alarm: &Raised) -> bool {
    confirmed.iter().any(|leak| is_in(leak, alarm))
}

fn is_in(leak: &ConfirmedLeak, alarm: &Raised) -> bool {
    is_about_gas(alarm.condition) && leak.device == alarm.device && leak.holds(&alarm.present)
}

/// Whether an alarm in the leak, lost or late, is told of already: what follows from it is said once.
fn tells_of(row: &Row, leak: &ConfirmedLeak) -> bool {
    row.blocking && row.device == leak.device && row.active.is_some_and(|present| leak.holds(&present))
}

/// Whether a valve was ordered to close because of the leak. What a rule wants without an alarm says not for which device: for any of
/// the interlock's.
fn is_closed_for(leak: &ConfirmedLeak, close: &Closed, subject: &Subject) -> bool {
    let about = match close.cause {
        Some((condition, device)) => is_about_gas(condition) && device == leak.device,
        None => is_about_gas(leak.condition) && subject.devices.iter().any(|device| device.id == leak.device),
    };
    about && leak.holds(&Present { raised_at: close.at, cleared_at: Some(close.at) })
}

/// Whether the candidate has ordered the valve to close in time, for an alarm that was still there by then: for that alarm no second
/// order is counted.
fn is_closed_already(candidate: &Came, close: &Closed) -> bool {
    let until = close.at + LATE_AFTER;
    candidate.closes.iter().filter(|own| own.valve == close.valve && own.at <= until).any(|own| {
        let stands = |alarm: &Raised| {
            own.cause == Some((alarm.condition, alarm.device)) && alarm.present.overlaps(close.at.max(own.at), until)
        };
        candidate.alarms.iter().any(stands)
    })
}

const fn is_about_gas(condition: Condition) -> bool {
    condition.is_leak() || matches!(condition, Condition::GasRising | Condition::MicroFlow)
}
