//! A notification policy over the alarms that a company really had: whom it would have told, beside what is in force.
//!
//! Each alarm is folded twice through [`fold`], with what happened to it when it happened and the policies' own timers in
//! between. Without a policy in force the default list stands on that side. Nobody is told by it; nothing here reads a clock.

use super::compare::{self, Pair, Sent, Stands};
use super::fold::{self, Facts, Happened, Memory, NotificationPolicy};
use crate::backtest::{Calls, Tally};
use davy_domain::policy::{Evaluation, PolicyOutcome};
use davy_domain::{AlarmId, Condition, DeviceId, Priority, Span, Timestamp};
use davy_rules_sdk::contract::notification::{Event, Outcome};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The first person may hear of a confirmed leak so much later, and no more.
const LATE_AFTER: Span = Span::from_minutes(1);
/// Timers of one alarm that are followed; an alarm that nobody ever closes would be repeated for ever.
const MOST_TIMERS: u32 = 500;
/// Messages that a row lists.
const MOST_LISTED: usize = 40;
/// Alarms that are listed one by one.
const MOST_ROWS: usize = 1_000;

/// One alarm and what happened to it.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmCourse {
    /// Which.
    pub alarm: AlarmId,
    /// Whose reading it is about.
    pub device: DeviceId,
    /// Its priority at the end.
    pub priority: Priority,
    /// Whether a person has confirmed that it was a leak.
    pub confirmed: bool,
    /// What the platform knows of it.
    pub facts: Facts,
    /// What happened when, in order.
    pub events: Vec<(Timestamp, Happened)>,
}

/// The result of a back-test.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// `notification-policy`.
    pub world: String,
    /// Alarms that were folded.
    pub alarms: u64,
    /// Alarms about which the two differ.
    pub alarms_changed: u64,
    /// Under what is in force now.
    pub active: Side,
    /// Under what is being tried.
    pub candidate: Side,
    /// When the first person heard of an alarm: how the one being tried stands to what is in force.
    pub first: Counts,
    /// The messages, in sum.
    pub messages: Counts,
    /// The messages by role and channel.
    pub groups: Vec<Group>,
    /// The alarms about which they differ, the gravest first.
    pub rows: Vec<Row>,
    /// Alarms that `rows` has no room for.
    pub rows_left_out: u64,
    /// Confirmed leaks that reach nobody, or the first person too late. More than none stands against putting the candidate in force.
    pub blocking: u64,
    /// Alarms whose timers were not followed to the end on either side: nobody ever closed them.
    pub cut_off: u64,
}

/// One policy in sum.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Side {
    /// Messages.
    pub messages: u64,
    /// Alarms of which nobody was told.
    pub nobody: u64,
    /// Messages to everyone because the policy failed, or because there is none.
    pub by_default: u64,
    /// Its calls.
    pub calls: Calls,
}

/// How two sides stand to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counts {
    /// The same on both sides.
    pub same: u64,
    /// Only of the candidate.
    pub added: u64,
    /// No longer.
    pub lost: u64,
    /// Earlier.
    pub earlier: u64,
    /// By how much in sum, milliseconds.
    pub earlier_ms: u64,
    /// Later.
    pub later: u64,
    /// By how much in sum, milliseconds.
    pub later_ms: u64,
}

/// The messages to one role over one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Group {
    /// Role code.
    pub role: u16,
    /// Channel number.
    pub channel: u16,
    /// Under what is in force.
    pub active: u64,
    /// Under the candidate.
    pub candidate: u64,
    /// How they stand.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What is to be said of an alarm, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowKind {
    /// The candidate tells nobody.
    NobodyReached,
    /// The first person hears of it later.
    FirstLater,
    /// Some are told no more, or later.
    Fewer,
    /// The first person hears of it earlier, or somebody does at all.
    FirstEarlier,
    /// Some are told in addition, or earlier.
    More,
}

/// One alarm about which the two differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Row {
    /// What is to be said of it.
    pub kind: RowKind,
    /// Whether it stands against putting the candidate in force.
    pub blocking: bool,
    /// Which alarm.
    pub alarm: AlarmId,
    /// Whose reading it is about.
    pub device: DeviceId,
    /// What it is about.
    pub condition: Condition,
    /// Its priority at the end.
    pub priority: Priority,
    /// When it was raised.
    pub raised_at: Timestamp,
    /// Whether a person has confirmed that it was a leak.
    pub confirmed: bool,
    /// When the first person heard of it under what is in force.
    pub active_at: Option<Timestamp>,
    /// When under the candidate.
    pub candidate_at: Option<Timestamp>,
    /// The messages that differ, at most 40.
    pub messages: Vec<MessageRow>,
    /// How many more there are.
    pub messages_left_out: u64,
}

/// A message that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MessageRow {
    /// How it stands to what is in force.
    pub stands: Stands,
    /// Role code.
    pub role: u16,
    /// Which of several.
    pub rank: u16,
    /// Channel number.
    pub channel: u16,
    /// When under what is in force.
    pub active_at: Option<Timestamp>,
    /// When under the candidate.
    pub candidate_at: Option<Timestamp>,
}

/// A back-test under way.
pub struct BackTest<'a> {
    active: Option<Counted<'a>>,
    candidate: Counted<'a>,
    to: Timestamp,
    report: Report,
    groups: BTreeMap<(u16, u16), Group>,
}

/// A policy whose calls are counted.
struct Counted<'a> {
    policy: &'a dyn NotificationPolicy,
    tally: RefCell<Tally>,
}

impl NotificationPolicy for Counted<'_> {
    fn digest(&self) -> crate::RuleDigest {
        self.policy.digest()
    }
    fn decide(&self, state: &[u8], event: &Event) -> crate::Evaluated<Outcome> {
        let evaluated = self.policy.decide(state, event);
        let result = evaluated.result.as_ref().map(|_| PolicyOutcome::default()).map_err(Clone::clone);
        self.tally.borrow_mut().count(&Evaluation { result, fuel: evaluated.fuel });
        evaluated
    }
}

impl<'a> Counted<'a> {
    fn new(policy: &'a dyn NotificationPolicy) -> Self {
        Self { policy, tally: RefCell::default() }
    }
}

/// What came of one alarm on one side.
#[derive(Default)]
struct Came {
    sent: Vec<Sent>,
    by_default: u64,
    cut_off: bool,
}

impl<'a> BackTest<'a> {
    /// Of a version beside what is in force (none: the default list); nothing is folded beyond `to`.
    pub fn new(
        active: Option<&'a dyn NotificationPolicy>,
        candidate: &'a dyn NotificationPolicy,
        to: Timestamp,
    ) -> Self {
        Self {
            active: active.map(Counted::new),
            candidate: Counted::new(candidate),
            to,
            report: Report { world: "notification-policy".into(), ..Report::default() },
            groups: BTreeMap::new(),
        }
    }

    /// Folds one alarm under both.
    pub fn fold(&mut self, course: &AlarmCourse) {
        let active = came(self.active.as_ref().map(|policy| policy as &dyn NotificationPolicy), course, self.to);
        let candidate = came(Some(&self.candidate), course, self.to);
        let report = &mut self.report;
        report.alarms += 1;
        report.cut_off += u64::from(active.cut_off || candidate.cut_off);
        for (side, came) in [(&mut report.active, &active), (&mut report.candidate, &candidate)] {
            side.messages += came.sent.len() as u64;
            side.by_default += came.by_default;
            side.nobody += u64::from(came.sent.is_empty());
        }
        let (first_active, first_candidate) = (compare::first(&active.sent), compare::first(&candidate.sent));
        if first_active.is_some() || first_candidate.is_some() {
            report.first.count(first_active, first_candidate);
        }
        let mut messages = Vec::new();
        for pair in compare::pairs(&active.sent, &candidate.sent) {
            let Pair { role, rank, channel, active, candidate } = pair;
            let group = self.groups.entry((role, channel)).or_insert(Group { role, channel, ..Group::default() });
            group.active += u64::from(active.is_some());
            group.candidate += u64::from(candidate.is_some());
            group.counts.count(active, candidate);
            report.messages.count(active, candidate);
            let stands = compare::stands(active, candidate);
            if stands != Stands::Same {
                messages.push(MessageRow { stands, role, rank, channel, active_at: active, candidate_at: candidate });
            }
        }
        if let Some(row) = row(course, first_active, first_candidate, messages) {
            report.alarms_changed += u64::from(!row.messages.is_empty());
            report.blocking += u64::from(row.blocking);
            report.rows.push(row);
            if report.rows.len() > 4 * MOST_ROWS {
                keep_gravest(report);
            }
        }
    }

    /// The report over everything that was folded.
    pub fn finish(self) -> Report {
        let mut report = self.report;
        keep_gravest(&mut report);
        report.groups = self.groups.into_values().collect();
        report.candidate.calls = self.candidate.tally.into_inner().figures();
        if let Some(active) = self.active {
            report.active.calls = active.tally.into_inner().figures();
        }
        report
    }
}

impl Counts {
    fn count(&mut self, active: Option<Timestamp>, candidate: Option<Timestamp>) {
        let apart = match (active, candidate) {
            (Some(active), Some(candidate)) => candidate.since(active).as_millis().unsigned_abs(),
            _ => 0,
        };
        match compare::stands(active, candidate) {
            Stands::Same => self.same += 1,
            Stands::Added => self.added += 1,
            Stands::Lost => self.lost += 1,
            Stands::Earlier => {
                self.earlier += 1;
                self.earlier_ms += apart;
            }
            Stands::Later => {
                self.later += 1;
                self.later_ms += apart;
            }
        }
    }
}

fn keep_gravest(report: &mut Report) {
    report.rows.sort_by_key(|row| (!row.blocking, row.kind, Reverse(row.priority), Reverse(row.raised_at), row.alarm));
    report.rows_left_out += report.rows.len().saturating_sub(MOST_ROWS) as u64;
    report.rows.truncate(MOST_ROWS);
}

/// One alarm under one policy.
fn came(policy: Option<&dyn NotificationPolicy>, course: &AlarmCourse, to: Timestamp) -> Came {
    let mut memory = Memory::default();
    let mut came = Came::default();
    let mut timers = 0;
    let mut events = course.events.iter().filter(|(at, _)| *at < to).peekable();
    loop {
        let due = memory.next_due().filter(|(_, at)| *at < to);
        // Of the same moment, what happened goes first: the platform hears of it before it looks for timers.
        let (now, happened) = match (events.peek(), due) {
            (Some((at, _)), Some((timer, due))) if due < *at => (due, Happened::Due { timer }),
            (Some(_), _) => match events.next() {
                Some((at, happened)) => (*at, *happened),
                None => break,
            },
            (None, Some((timer, due))) => (due, Happened::Due { timer }),
            (None, None) => break,
        };
        if matches!(happened, Happened::Due { .. }) {
            timers += 1;
            if timers > MOST_TIMERS {
                came.cut_off = true;
                memory.timers.clear();
                continue;
            }
        }
        let told = fold::step(policy, &mut memory, &course.facts, happened, now);
        for message in &told.messages {
            let send = message.send;
            came.sent.push(Sent { at: now, role: send.role, rank: send.rank, channel: send.channel });
            came.by_default += u64::from(message.by == fold::By::DefaultList);
        }
    }
    came
}

fn row(
    course: &AlarmCourse,
    active: Option<Timestamp>,
    candidate: Option<Timestamp>,
    mut messages: Vec<MessageRow>,
) -> Option<Row> {
    let late = match (active, candidate) {
        (Some(active), Some(candidate)) => candidate.since(active) > LATE_AFTER,
        _ => false,
    };
    let blocking = course.confirmed && (candidate.is_none() || late);
    let fewer = messages.iter().any(|message| matches!(message.stands, Stands::Lost | Stands::Later));
    let kind = match compare::stands(active, candidate) {
        _ if candidate.is_none() && (active.is_some() || blocking) => RowKind::NobodyReached,
        Stands::Later => RowKind::FirstLater,
        _ if fewer => RowKind::Fewer,
        Stands::Earlier | Stands::Added => RowKind::FirstEarlier,
        _ if !messages.is_empty() => RowKind::More,
        _ => return None,
    };
    messages.sort_by_key(|message| (message.stands, message.candidate_at.or(message.active_at)));
    let messages_left_out = messages.len().saturating_sub(MOST_LISTED) as u64;
    messages.truncate(MOST_LISTED);
    Some(Row {
        kind,
        blocking,
        alarm: course.alarm,
        device: course.device,
        condition: course.facts.condition,
        priority: course.priority,
        raised_at: course.facts.raised_at,
        confirmed: course.confirmed,
        active_at: active,
        candidate_at: candidate,
        messages,
        messages_left_out,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Evaluated, RuleDigest};
    use davy_domain::calendar::PlaceClock;
    use davy_rules_sdk::codes::{channel, notification_trigger as trigger, role};
    use davy_rules_sdk::contract::Timer;
    use davy_rules_sdk::contract::notification::{Recipient, Send};

    /// Tells a role once, so many minutes after the alarm was raised; 0 is at once.
    struct After(u16, i64);

    impl NotificationPolicy for After {
        fn digest(&self) -> RuleDigest {
            RuleDigest::of(&[self.0 as u8, self.1 as u8])
        }
        fn decide(&self, _: &[u8], event: &Event) -> Evaluated<Outcome> {
            let now = event.context.now_ms;
            let waits = event.trigger == trigger::RAISED && self.1 > 0;
            let tells = event.trigger == trigger::TIMER || event.trigger == trigger::RAISED && self.1 == 0;
            let send =
                Send { id: 1, role: self.0, rank: 0, channel: channel::SMS, text: 0, break_quiet: true, attempt: 1 };
            let outcome = Outcome {
                state: vec![1],
                sends: if tells { vec![send] } else { Vec::new() },
                timers: if waits { vec![Timer { id: 1, at_ms: now + self.1 * 60_000 }] } else { Vec::new() },
                cancels: Vec::new(),
                notes: Vec::new(),
            };
            Evaluated { result: Ok(outcome), fault: None, fuel: 10 }
        }
    }

    /// Never tells anybody.
    const NOBODY: After = After(99, i64::MAX / 120_000);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000) + Span::from_secs(seconds)
    }

    fn course(confirmed: bool, closed_after: i64) -> AlarmCourse {
        let recipient = |role| Recipient { role, rank: 0, channels: 1 << channel::SMS, on_duty: true };
        let facts = Facts {
            raised_at: at(0),
            condition: Condition::GasLow,
            device_kind: 1,
            valve_state: 1,
            premises_class: 1,
            clock: PlaceClock::CHINA,
            recipients: vec![recipient(role::OWNER), recipient(role::CONTROL_ROOM)],
        };
        AlarmCourse {
            alarm: AlarmId::from_raw(1),
            device: DeviceId::from_raw(2),
            priority: Priority::High,
            confirmed,
            facts,
            events: vec![
                (at(0), Happened::Annunciated { priority: Priority::High }),
                (at(closed_after), Happened::Closed),
            ],
        }
    }

    fn tested(
        active: Option<&dyn NotificationPolicy>,
        candidate: &dyn NotificationPolicy,
        course: &AlarmCourse,
    ) -> Report {
        let mut test = BackTest::new(active, candidate, at(1_000_000));
        test.fold(course);
        test.finish()
    }

    #[test]
    fn a_confirmed_leak_that_reaches_nobody_or_too_late_stands_against_the_version() {
        let at_once = After(role::OWNER, 0);
        let blocking =
            |candidate: &After, confirmed| tested(Some(&at_once), candidate, &course(confirmed, 3_600)).blocking;
        assert_eq!([blocking(&NOBODY, true), blocking(&After(role::OWNER, 2), true)], [1, 1]);
        assert_eq!(blocking(&After(role::OWNER, 1), true), 0, "a minute is within what is allowed");
        assert_eq!(blocking(&After(role::CONTROL_ROOM, 0), true), 0, "somebody else hears of it at once");
        assert_eq!([blocking(&NOBODY, false), blocking(&After(role::OWNER, 2), false)], [0, 0]);
        let both = tested(Some(&NOBODY), &NOBODY, &course(true, 3_600));
        assert_eq!((both.blocking, both.rows[0].kind), (1, RowKind::NobodyReached), "as bad as before is not good");
    }

    #[test]
    fn what_is_lost_added_earlier_and_later_is_counted_by_role_and_channel() {
        let report = tested(Some(&After(role::OWNER, 5)), &After(role::OWNER, 2), &course(false, 3_600));
        assert_eq!((report.first.earlier, report.first.earlier_ms), (1, 180_000));
        assert_eq!((report.groups.len(), report.groups[0].counts.earlier), (1, 1));
        assert_eq!(report.rows[0].kind, RowKind::FirstEarlier);
        let report = tested(Some(&After(role::OWNER, 0)), &After(role::CONTROL_ROOM, 0), &course(false, 3_600));
        assert_eq!((report.messages.added, report.messages.lost, report.first.same), (1, 1, 1));
        assert_eq!(report.rows[0].kind, RowKind::Fewer);
        assert_eq!(report.candidate.calls.calls, 2, "raised and closed");
    }

    #[test]
    fn timers_end_with_the_alarm() {
        let report = tested(Some(&After(role::OWNER, 5)), &After(role::OWNER, 2), &course(false, 180));
        assert_eq!(
            (report.active.nobody, report.candidate.nobody),
            (1, 0),
            "it was over before the one in force spoke"
        );
    }

    #[test]
    fn without_a_policy_in_force_the_default_list_stands_beside() {
        let report = tested(None, &NOBODY, &course(false, 3_600));
        assert_eq!(
            (report.active.messages, report.active.by_default),
            (4, 4),
            "two people, when it is raised and when it is over"
        );
        assert_eq!(report.rows[0].kind, RowKind::NobodyReached);
        assert_eq!(report.active.calls.calls, 0);
    }

    #[test]
    fn an_alarm_that_nobody_closes_is_cut_off_and_said_to_be() {
        struct Again;
        impl NotificationPolicy for Again {
            fn digest(&self) -> RuleDigest {
                RuleDigest::of(b"again")
            }
            fn decide(&self, _: &[u8], event: &Event) -> Evaluated<Outcome> {
                let timers = vec![Timer { id: 1, at_ms: event.context.now_ms }];
                let outcome = Outcome { state: vec![], sends: vec![], timers, cancels: vec![], notes: vec![] };
                Evaluated { result: Ok(outcome), fault: None, fuel: 1 }
            }
        }
        let report = tested(None, &Again, &course(false, 900_000));
        assert_eq!((report.cut_off, report.candidate.calls.calls), (1, u64::from(MOST_TIMERS) + 2));
    }
}
