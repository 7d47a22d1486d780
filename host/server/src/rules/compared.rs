//! Two versions side by side on live data: what both did, what one alone did, and which came first.
//!
//! The same words as in the back-test: an alarm or a close that has no counterpart within ten minutes is *added* (the version that is
//! being tried) or *lost* (what is in force). Must never decide anything, and holds a bounded number of rows.

use davy_api::RuleCompared;
use davy_domain::alarm::{AlarmState, Origin};
use davy_domain::command::{Action, Cause};
use davy_domain::interlock::{AlarmChange, Effects, Interlock, NoticeKind};
use davy_domain::{AlarmId, Condition, DeviceId, Span, Timestamp};
use davy_store::{Difference, DifferenceKind};
use std::collections::{BTreeSet, HashMap};

/// Two alarms about the same thing within this time are the same alarm, raised earlier or later.
const SAME_WITHIN: Span = Span::from_minutes(10);
/// Rows of differences that wait to be stored; beyond that only counted.
const MOST_ROWS: usize = 1_000;
/// Closes of an interlock that are remembered with their alarms before those that are over are forgotten.
const MOST_ORDERED: usize = 64;

/// What can have a counterpart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum What {
    Alarm(Condition),
    Close,
    Notice(Condition, u16),
}

/// Something that a fold did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    device: DeviceId,
    what: What,
    /// What a close is for.
    cause: Option<(Condition, DeviceId)>,
}

/// The closes that a fold has ordered: the repeated order for the same leak is no further close.
#[derive(Debug, Default)]
pub struct Ordered(BTreeSet<(DeviceId, AlarmId)>);

impl Ordered {
    /// What a step did that can be compared.
    pub fn seen(&mut self, effects: &Effects, interlock: &Interlock) -> Vec<Seen> {
        let alarm = |(device, condition, _)| Seen { device, what: What::Alarm(condition), cause: None };
        let mut seen: Vec<Seen> = raises(&effects.alarms).map(alarm).collect();
        for change in effects.commands.iter().filter(|change| change.before.is_none()) {
            let command = &change.command;
            let cause = match command.cause {
                Cause::Leak { alarm } if self.0.insert((command.device, alarm)) => {
                    interlock.alarm(alarm).map(|alarm| (alarm.condition, alarm.device))
                }
                Cause::Rule => None,
                // The same leak once more, or a person's own order.
                Cause::Leak { .. } | Cause::Operator { .. } | Cause::Resident { .. } => continue,
            };
            if command.action == Action::Close {
                seen.push(Seen { device: command.device, what: What::Close, cause });
            }
        }
        if self.0.len() > MOST_ORDERED {
            self.0.retain(|(_, alarm)| interlock.alarm(*alarm).is_some());
        }
        for notice in &effects.notices {
            let told =
                matches!(notice.kind, NoticeKind::AlarmRaised | NoticeKind::AlarmReturned | NoticeKind::AlarmEnded);
            if let Some(condition) = notice.condition.filter(|condition| told && condition.for_rules()) {
                let what = What::Notice(condition, notice.kind.code());
                seen.push(Seen { device: notice.device, what, cause: None });
            }
        }
        seen
    }
}

/// New alarms that a rule could have raised.
pub fn raises(changes: &[AlarmChange]) -> impl Iterator<Item = (DeviceId, Condition, Origin)> + '_ {
    changes
        .iter()
        .filter(|change| change.before == AlarmState::Normal && change.alarm.condition.for_rules())
        .map(|change| (change.alarm.device, change.alarm.condition, change.alarm.origin))
}

/// Done by one of the two, and the other may follow.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    active: Option<Timestamp>,
    version: Option<Timestamp>,
    cause: Option<(Condition, DeviceId)>,
}

/// The comparison of one version with what is in force.
#[derive(Debug, Default)]
pub struct Comparison {
    counts: RuleCompared,
    open: HashMap<(DeviceId, What), Open>,
    rows: Vec<Difference>,
}

impl Comparison {
    /// Goes on from these counts.
    pub fn from_counts(counts: RuleCompared) -> Self {
        Self { counts, ..Self::default() }
    }

    /// Takes in what both did in one step.
    pub fn take(&mut self, active: &[Seen], version: &[Seen], now: Timestamp) {
        self.settle(now);
        for seen in active {
            self.meet(seen, Some(now), None);
        }
        for seen in version {
            self.meet(seen, None, Some(now));
        }
    }

    /// The counts; what the other has not followed in time is a difference by now.
    pub fn counts(&mut self, now: Timestamp) -> RuleCompared {
        self.settle(now);
        self.counts
    }

    /// Takes in what was compared elsewhere.
    pub fn add(&mut self, found: &RuleCompared, rows: Vec<Difference>) {
        let counts = &mut self.counts;
        counts.same += found.same;
        counts.earlier += found.earlier;
        counts.later += found.later;
        counts.added += found.added;
        counts.lost += found.lost;
        counts.notices_same += found.notices_same;
        counts.notices_added += found.notices_added;
        counts.notices_lost += found.notices_lost;
        self.rows.extend(rows);
        self.rows.truncate(MOST_ROWS);
    }

    /// The differences that have become certain since they were last taken.
    pub fn take_rows(&mut self) -> Vec<Difference> {
        std::mem::take(&mut self.rows)
    }

    /// Puts back differences that could not be stored.
    pub fn give_back(&mut self, mut rows: Vec<Difference>) {
        rows.append(&mut self.rows);
        rows.truncate(MOST_ROWS);
        self.rows = rows;
    }

    fn meet(&mut self, seen: &Seen, active: Option<Timestamp>, version: Option<Timestamp>) {
        let key = (seen.device, seen.what);
        let open = self.open.entry(key).or_default();
        open.active = open.active.or(active);
        open.version = open.version.or(version);
        open.cause = open.cause.or(seen.cause);
        let (Some(active_at), Some(version_at)) = (open.active, open.version) else { return };
        let open = *open;
        self.open.remove(&key);
        let counts = &mut self.counts;
        match seen.what {
            What::Alarm(_) if active_at == version_at => counts.same += 1,
            What::Alarm(_) => {
                if version_at < active_at {
                    counts.earlier += 1;
                } else {
                    counts.later += 1;
                }
                self.row(key, open);
            }
            What::Close => counts.closes_same += 1,
            What::Notice(..) => counts.notices_same += 1,
        }
    }

    fn settle(&mut self, now: Timestamp) {
        let over = |at: Option<Timestamp>| at.is_some_and(|at| now.since(at) > SAME_WITHIN);
        let settled: Vec<_> = self.open.extract_if(|_, open| over(open.active) || over(open.version)).collect();
        for (key, open) in settled {
            let counts = &mut self.counts;
            let count = match (key.1, open.active.is_some()) {
                (What::Alarm(_), true) => &mut counts.lost,
                (What::Alarm(_), false) => &mut counts.added,
                (What::Close, true) => &mut counts.closes_lost,
                (What::Close, false) => &mut counts.closes_added,
                (What::Notice(..), true) => &mut counts.notices_lost,
                (What::Notice(..), false) => &mut counts.notices_added,
            };
            *count += 1;
            self.row(key, open);
        }
    }

    fn row(&mut self, (device, what): (DeviceId, What), open: Open) {
        let (kind, condition) = match what {
            What::Alarm(condition) => (DifferenceKind::Alarm, Some(condition)),
            What::Close => (DifferenceKind::Close, open.cause.map(|(condition, _)| condition)),
            // Each follows from an alarm, which has a row of its own.
            What::Notice(..) => return,
        };
        if self.rows.len() < MOST_ROWS {
            self.rows.push(Difference {
                kind,
                device,
                condition,
                measured_by: open.cause.map(|(_, device)| device),
                active_at: open.active,
                version_at: open.version,
                alarm: None,
                to: None,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
    }

    fn seen(device: i64, what: What) -> Vec<Seen> {
        vec![Seen { device: DeviceId::from_raw(device), what, cause: None }]
    }

    fn alarm(device: i64) -> Vec<Seen> {
        seen(device, What::Alarm(Condition::GasLow))
    }

    #[test]
    fn differences_are_earlier_later_added_or_lost() {
        let mut comparison = Comparison::default();
        comparison.take(&alarm(1), &alarm(1), at(0));
        comparison.take(&[], &alarm(2), at(10));
        comparison.take(&alarm(2), &[], at(15));
        comparison.take(&alarm(3), &[], at(20));
        comparison.take(&[], &alarm(3), at(29));
        comparison.take(&[], &alarm(4), at(30));
        comparison.take(&alarm(5), &[], at(40));
        let soon = RuleCompared { same: 1, earlier: 1, later: 1, ..RuleCompared::default() };
        assert_eq!(comparison.counts(at(60)), soon);
        assert_eq!(comparison.counts(at(60 * 60)), RuleCompared { added: 1, lost: 1, ..soon });
        let rows = comparison.take_rows();
        assert_eq!(rows.len(), 4);
        assert!(comparison.take_rows().is_empty());
        comparison.take(&alarm(6), &[], at(7_000));
        comparison.counts(at(9_000));
        comparison.give_back(rows.clone());
        let again = comparison.take_rows();
        assert_eq!(
            (&again[..4], again.len()),
            (&rows[..], 5),
            "what could not be stored is not lost, nor is what came since"
        );
    }

    #[test]
    fn closes_and_notices_are_compared_too_and_a_close_says_what_it_was_for() {
        let mut comparison = Comparison::default();
        let (valve, detector) = (DeviceId::from_raw(9), DeviceId::from_raw(8));
        let cause = Some((Condition::GasHigh, detector));
        let close = [Seen { device: valve, what: What::Close, cause }];
        comparison.take(&close, &close, at(0));
        comparison.take(&[], &close, at(5_000));
        let notice = seen(8, What::Notice(Condition::GasHigh, NoticeKind::AlarmRaised.code()));
        comparison.take(&notice, &notice, at(6_000));
        comparison.take(&notice, &[], at(7_000));
        let counts = RuleCompared {
            closes_same: 1,
            closes_added: 1,
            notices_same: 1,
            notices_lost: 1,
            ..RuleCompared::default()
        };
        assert_eq!(comparison.counts(at(9_000)), counts);
        let rows = comparison.take_rows();
        let [row] = rows[..] else { panic!("{rows:?}") };
        assert_eq!((row.kind, row.device, row.condition), (DifferenceKind::Close, valve, Some(Condition::GasHigh)));
        assert_eq!((row.measured_by, row.active_at, row.version_at), (Some(detector), None, Some(at(5_000))));
    }
}
