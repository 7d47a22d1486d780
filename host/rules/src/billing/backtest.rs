//! A billing policy over what the company's own meters counted: what it would have charged, beside another version.
//!
//! Each meter is an account. Its index gives the volume of each day of the account's calendar, and each day begins with a day tick; prices
//! are those of the rule's settings. Nothing is paid and no notice is ever proven, because neither is on record: so nothing may be shut off,
//! and what would have been asked for is only counted. Must never charge anybody.

use super::{BatchedBilling, BoundBilling};
use crate::backtest::{BackTestError, Calls, History, Progress, Tally};
use crate::batch::BATCH;
use davy_domain::calendar::PlaceClock;
use davy_domain::history::Said;
use davy_domain::policy::{Evaluation, PolicyFault, PolicyOutcome};
use davy_domain::{DeviceId, DeviceKind, PremisesId, Quantity, Span, Timestamp};
use davy_rules_sdk::codes::{account_class, billing_trigger as trigger, charge, notice, supply};
use davy_rules_sdk::contract::billing::{AccountContext, Event, LocalDate, NoticeProof, Usage};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

/// A charge falls due so long after it was made.
const DUE_AFTER: Span = Span::from_days(30);
/// So long before a tariff period the last index is looked for.
const INDEX_BEFORE: Span = Span::from_days(35);
/// Accounts that are listed, of those whose bill rises most and of those whose falls most.
const MOST_ROWS: usize = 200;
/// Most notices that an account's context names.
const MOST_NOTICES: usize = 64;
/// Most timers of an account that are followed in a day: a rule that sets one for *now* must not keep the back-test busy.
const MOST_TIMERS: usize = 64;
/// Differences up to so many fen are one group; what is beyond the last is one more.
const GROUPS: [i64; 5] = [0, 100, 1_000, 10_000, 100_000];
/// Most litres of a day that are believed: a household's counter that jumps further was exchanged.
const MOST_LITRES: f64 = 1e9;

/// What one meter counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Meter {
    /// Which device.
    pub device: DeviceId,
    /// Where it is.
    pub premises: Option<PremisesId>,
    /// Its index in m³, in order of measurement.
    pub index: Vec<(Timestamp, f64)>,
}

/// The result of a back-test.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// `billing-policy`.
    pub world: String,
    /// Meters that were billed.
    pub accounts: u64,
    /// Meters without an index in the span, which were not.
    pub without_index: u64,
    /// Times that an index fell or jumped beyond belief: that day is not billed.
    pub index_breaks: u64,
    /// Days that were begun, of all accounts.
    pub days: u64,
    /// Litres that were billed.
    pub litres: u64,
    /// Under the version that it is held against; none when there is none.
    pub active: Option<Side>,
    /// Under what is being tried.
    pub candidate: Side,
    /// The candidate's charges beyond the other's, in fen; 0 when there is no other.
    pub difference_fen: i64,
    /// Accounts by how much their bill differs.
    pub groups: Vec<Group>,
    /// The accounts whose bill rises most, then those whose falls most; without another version those with the highest bill.
    pub rows: Vec<Row>,
    /// Accounts with a difference that `rows` has no room for.
    pub rows_left_out: u64,
    /// No account's bill stands against a version: always 0.
    pub blocking: u64,
    /// Answers that were made once more in a fresh instance, and in how many of them the fuel was another one.
    pub sampled: (u64, u64),
}

/// One policy in sum.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Side {
    /// All its charges, in fen.
    pub fen: i64,
    /// Those by kind, in fen: by the names of the contract, such as `volume`.
    pub fen_by_kind: BTreeMap<String, i64>,
    /// Volume charges by step, in litres and fen.
    pub steps: BTreeMap<u16, (u64, i64)>,
    /// Lines of bills.
    pub lines: u64,
    /// Notices that it asks for, by the names of the contract, such as `reminder`.
    pub notices: BTreeMap<String, u64>,
    /// Shut-offs that it asks for.
    pub shut_offs: u64,
    /// Permissions to open that it asks for.
    pub arms: u64,
    /// Its calls.
    pub calls: Calls,
}

/// Accounts whose bill differs by about the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Group {
    /// More than so many fen; negative where the bill falls.
    pub above_fen: Option<i64>,
    /// At most so many; none where there is no end.
    pub up_to_fen: Option<i64>,
    /// How many accounts.
    pub accounts: u64,
    /// By how much in sum, in fen.
    pub fen: i64,
}

/// One account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Row {
    /// Its meter.
    pub device: DeviceId,
    /// Where it is.
    pub premises: Option<PremisesId>,
    /// Litres that were billed.
    pub litres: u64,
    /// Its charges under the other version, in fen.
    pub active_fen: Option<i64>,
    /// Its charges under the candidate, in fen.
    pub candidate_fen: i64,
    /// How much more, in fen.
    pub difference_fen: i64,
}

/// A back-test.
#[derive(Clone, Copy, Debug)]
pub struct BackTest<'a> {
    /// The version that it is held against, if there is one.
    pub active: Option<&'a BoundBilling>,
    /// What is being tried.
    pub candidate: &'a BoundBilling,
    /// The first moment that is billed.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
    /// The place's clock.
    pub clock: PlaceClock,
    /// Calls to an instance; 1 for a fresh one each time.
    pub batch: u32,
}

impl<'a> BackTest<'a> {
    /// Of a version beside another, from one moment to another, in China.
    pub const fn new(
        active: Option<&'a BoundBilling>,
        candidate: &'a BoundBilling,
        (from, to): (Timestamp, Timestamp),
    ) -> Self {
        Self { active, candidate, from, to, clock: PlaceClock::CHINA, batch: BATCH }
    }

    /// From when on the index is needed: what was used before in the tariff period counts for the steps, and its first use begins at the
    /// index before it.
    pub fn needed_from(&self) -> Timestamp {
        period_start(self.clock, self.from) - INDEX_BEFORE
    }

    /// Bills every meter of the history, which begins at [`BackTest::needed_from`].
    ///
    /// # Errors
    /// [`BackTestError`] says why there is no result.
    pub fn run(
        &self,
        history: &dyn History,
        progress: &(dyn Fn(Progress) + Sync),
        cancel: &AtomicBool,
    ) -> Result<Report, BackTestError> {
        let mut billed = Billed::new(self);
        let mut done = 0;
        for (place, subject) in history.subjects().iter().enumerate() {
            let meters = subject.devices.iter().filter(|device| device.kind == DeviceKind::Meter);
            let mut meters: Vec<Meter> = meters
                .map(|device| Meter { device: device.id, premises: device.premises, index: Vec::new() })
                .collect();
            let serials: BTreeMap<&str, DeviceId> =
                subject.devices.iter().map(|device| (device.serial.as_str(), device.id)).collect();
            let read = history.read(place, &mut |page| {
                for arrival in page {
                    let Said::Uplink(parts) = &arrival.said else { continue };
                    for part in parts {
                        let of =
                            part.child.as_deref().map_or(Some(arrival.device), |child| serials.get(child).copied());
                        let Some(meter) = meters.iter_mut().find(|meter| Some(meter.device) == of) else { continue };
                        let index = part.readings.iter().filter(|reading| reading.quantity == Quantity::Volume);
                        meter.index.extend(index.map(|reading| (reading.at, reading.value)));
                    }
                }
                done += page.len() as u64;
                progress(Progress { done, total: history.arrivals().max(done) });
                if cancel.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            read.map_err(|source| BackTestError::History { interlock: subject.interlock, source })?;
            if cancel.load(Ordering::Relaxed) {
                return Err(BackTestError::Cancelled);
            }
            for mut meter in meters {
                meter.index.sort_by_key(|(at, _)| *at);
                billed.add(&meter)?;
            }
            billed.release();
        }
        Ok(billed.finish())
    }

    /// Bills these meters.
    ///
    /// # Errors
    /// [`BackTestError::KeepsState`] for a rule that remembers what it did not return.
    pub fn of(&self, meters: &[Meter]) -> Result<Report, BackTestError> {
        let mut billed = Billed::new(self);
        for meter in meters {
            billed.add(meter)?;
        }
        Ok(billed.finish())
    }
}

/// The first moment of the calendar year in which `at` lies.
fn period_start(clock: PlaceClock, at: Timestamp) -> Timestamp {
    let year = clock.day(at).year;
    let mut start = clock.midnight(at);
    loop {
        let before = start - Span::from_millis(1);
        if clock.day(before).year != year {
            return start;
        }
        start = clock.midnight(before);
    }
}

/// Everything billed so far.
struct Billed<'a> {
    test: &'a BackTest<'a>,
    asked: [Option<Asked<'a>>; 2],
    report: Report,
    rows: Vec<Row>,
}

/// A policy that is asked, and what came of it.
struct Asked<'a> {
    policy: BatchedBilling<'a>,
    tally: Tally,
    side: Side,
}

impl<'a> Asked<'a> {
    fn new(policy: &'a BoundBilling, batch: u32) -> Self {
        Self { policy: policy.batched(batch), tally: Tally::default(), side: Side::default() }
    }

    fn into_side(self) -> Side {
        Side { calls: self.tally.figures(), ..self.side }
    }
}

/// One day of an account: what was used in it, if anything was measured.
struct Day {
    /// When the next one begins.
    end: Timestamp,
    usage: Option<Usage>,
}

impl<'a> Billed<'a> {
    fn new(test: &'a BackTest<'a>) -> Self {
        Self {
            test,
            asked: [test.active, Some(test.candidate)]
                .map(|policy| policy.map(|policy| Asked::new(policy, test.batch))),
            report: Report { world: "billing-policy".into(), ..Report::default() },
            rows: Vec::new(),
        }
    }

    fn release(&self) {
        self.asked.iter().flatten().for_each(|asked| asked.policy.release());
    }

    fn add(&mut self, meter: &Meter) -> Result<(), BackTestError> {
        let (seed, days, breaks) = days(self.test, meter);
        self.report.index_breaks += breaks;
        if days.iter().all(|day| day.usage.is_none()) {
            self.report.without_index += 1;
            return Ok(());
        }
        let litres: u64 = days.iter().filter_map(|day| day.usage.as_ref()).map(|usage| usage.litres).sum();
        self.report.accounts += 1;
        self.report.days += days.len() as u64;
        self.report.litres += litres;
        let clock = self.test.clock;
        let names = ["the version beside it", "the version being tried"];
        let mut fen = [None, None];
        for ((asked, fen), which) in self.asked.iter_mut().zip(&mut fen).zip(names) {
            let Some(asked) = asked else { continue };
            *fen = Some(Account::new(clock, seed).bill(asked, &days));
            // One after the other, and each gives back its instance: a thread never holds one and waits for a second.
            asked.policy.release();
            if let Some(found) = asked.policy.difference() {
                return Err(BackTestError::KeepsState { which, found });
            }
        }
        let candidate_fen = fen[1].unwrap_or_default();
        let difference_fen = fen[0].map_or(0, |active| candidate_fen - active);
        let row = Row {
            device: meter.device,
            premises: meter.premises,
            litres,
            active_fen: fen[0],
            candidate_fen,
            difference_fen,
        };
        self.report.difference_fen += difference_fen;
        self.rows.push(row);
        Ok(())
    }

    fn finish(self) -> Report {
        let mut report = self.report;
        let [active, candidate] = self.asked;
        for asked in [&active, &candidate].into_iter().flatten() {
            let (sampled, other) = asked.policy.sampled();
            report.sampled = (report.sampled.0 + sampled, report.sampled.1 + other);
        }
        let compares = active.is_some();
        report.active = active.map(Asked::into_side);
        report.candidate = candidate.map(Asked::into_side).unwrap_or_default();
        let mut rows = self.rows;
        if compares {
            report.groups = groups(&rows);
            rows.retain(|row| row.difference_fen != 0);
            rows.sort_by_key(|row| (Reverse(row.difference_fen), row.device));
        } else {
            rows.sort_by_key(|row| (Reverse(row.candidate_fen), row.device));
        }
        report.rows_left_out = rows.len().saturating_sub(2 * MOST_ROWS) as u64;
        if rows.len() > 2 * MOST_ROWS {
            let end = if compares { rows.len() - MOST_ROWS } else { rows.len() };
            let begin = if compares { MOST_ROWS } else { 2 * MOST_ROWS };
            rows.drain(begin..end);
        }
        report.rows = rows;
        report
    }
}

fn groups(rows: &[Row]) -> Vec<Group> {
    // From the greatest fall over none to the greatest rise.
    let rises = GROUPS.iter().enumerate().map(|(at, above)| (Some(*above), GROUPS.get(at + 1).copied()));
    let falls =
        rises.clone().map(|(above, up_to): (Option<i64>, Option<i64>)| (up_to.map(|fen| -fen), above.map(|fen| -fen)));
    let mut groups: Vec<Group> = falls.rev().chain([(Some(0), Some(0))]).chain(rises).map(group).collect();
    for row in rows {
        let fen = row.difference_fen;
        let fits = |group: &&mut Group| match (group.above_fen, group.up_to_fen) {
            (Some(0), Some(0)) => fen == 0,
            (above, Some(up_to)) if up_to <= 0 => fen < up_to && above.is_none_or(|above| fen >= above),
            (above, up_to) => above.is_some_and(|above| fen > above) && up_to.is_none_or(|up_to| fen <= up_to),
        };
        if let Some(group) = groups.iter_mut().find(fits) {
            group.accounts += 1;
            group.fen += fen;
        }
    }
    groups.retain(|group| group.accounts > 0);
    groups
}

fn group((above_fen, up_to_fen): (Option<i64>, Option<i64>)) -> Group {
    Group { above_fen, up_to_fen, accounts: 0, fen: 0 }
}

/// The days of a meter that are billed, what it counted in the tariff period before, and how often its index broke.
fn days(test: &BackTest<'_>, meter: &Meter) -> (u64, Vec<Day>, u64) {
    let clock = test.clock;
    let mut breaks = 0;
    let mut litres = |(_, before): (Timestamp, f64), (_, after): (Timestamp, f64)| {
        let used = ((after - before) * 1_000.0).round();
        if (0.0..=MOST_LITRES).contains(&used) {
            Some(used as u64)
        } else {
            breaks += 1;
            None
        }
    };
    let period = period_start(clock, test.from);
    let mut readings = meter.index.iter().copied().filter(|(at, _)| *at < test.to).peekable();
    let mut last: Option<(Timestamp, f64)> = None;
    let mut seed = 0;
    while let Some(reading) = readings.next_if(|(at, _)| *at < test.from) {
        if reading.0 >= period {
            seed += last.and_then(|before| litres(before, reading)).unwrap_or(0);
        }
        last = Some(reading);
    }
    let mut days = Vec::new();
    let mut end = clock.next_midnight(test.from);
    while end <= test.to {
        let mut newest = None;
        let mut used = 0;
        let begun = last;
        while let Some(reading) = readings.next_if(|(at, _)| *at < end) {
            used += last.and_then(|before| litres(before, reading)).unwrap_or(0);
            last = Some(reading);
            newest = Some(reading);
        }
        let from = begun.or(newest).map(|(at, _)| at);
        let usage = newest.zip(from).filter(|((to, _), from)| to > from).map(|((to, _), from)| Usage {
            from_ms: from.as_millis(),
            to_ms: to.as_millis(),
            litres: used,
            source: METERED,
            credit: false,
        });
        days.push(Day { end, usage });
        end = clock.next_midnight(end);
    }
    (seed, days, breaks)
}

/// The contract's code for a volume that was metered.
const METERED: u16 = 1;

/// One account under one policy.
struct Account {
    clock: PlaceClock,
    state: Vec<u8>,
    timers: BTreeMap<u32, i64>,
    balance: i64,
    /// What is owed, by when it falls due.
    due: VecDeque<(Timestamp, i64)>,
    arrears: i64,
    overdue_since: Option<Timestamp>,
    period: Timestamp,
    period_litres: u64,
    notices: Vec<NoticeProof>,
}

impl Account {
    fn new(clock: PlaceClock, period_litres: u64) -> Self {
        Self {
            clock,
            state: Vec::new(),
            timers: BTreeMap::new(),
            balance: 0,
            due: VecDeque::new(),
            arrears: 0,
            overdue_since: None,
            period: Timestamp::from_millis(i64::MIN),
            period_litres,
            notices: Vec::new(),
        }
    }

    /// Day by day; gives what was charged in all, in fen.
    fn bill(mut self, asked: &mut Asked<'_>, days: &[Day]) -> i64 {
        let mut charged = 0;
        for day in days {
            let now = day.end;
            // What was used in a year is billed in it, though the night that ends it is over.
            let billed_at = now - Span::from_millis(1);
            let period = period_start(self.clock, billed_at);
            if period > self.period {
                if self.period != Timestamp::from_millis(i64::MIN) {
                    self.period_litres = 0;
                }
                self.period = period;
            }
            if let Some(usage) = &day.usage {
                charged += self.event(asked, billed_at, trigger::USAGE, 0, vec![*usage]);
                self.period_litres = self.period_litres.saturating_add(usage.litres);
            }
            for _ in 0..MOST_TIMERS {
                let due = self.timers.iter().min_by_key(|(id, at)| (**at, **id)).map(|(id, at)| (*id, *at));
                let Some((id, at)) = due.filter(|(_, at)| *at <= billed_at.as_millis()) else { break };
                self.timers.remove(&id);
                charged += self.event(asked, billed_at.max(Timestamp::from_millis(at)), trigger::TIMER, id, Vec::new());
            }
            self.fall_due(now);
            charged += self.event(asked, now, trigger::DAY, 0, Vec::new());
        }
        charged
    }

    fn fall_due(&mut self, now: Timestamp) {
        while let Some((at, fen)) = self.due.front().copied().filter(|(at, _)| *at <= now) {
            self.due.pop_front();
            self.arrears = (self.arrears + fen).max(0);
            if self.arrears > 0 {
                self.overdue_since.get_or_insert(at);
            } else {
                self.overdue_since = None;
            }
        }
    }

    fn event(&mut self, asked: &mut Asked<'_>, now: Timestamp, trigger: u16, timer_id: u32, usage: Vec<Usage>) -> i64 {
        let event = Event {
            context: self.context(now),
            trigger,
            timer_id,
            usage,
            payment_fen: 0,
            notice_kind: 0,
            extensions: Vec::new(),
        };
        let evaluated = asked.policy.decide(&self.state, &event);
        let result: Result<_, PolicyFault> = evaluated.result;
        asked.tally.count(&Evaluation {
            result: result.as_ref().map(|_| PolicyOutcome::default()).map_err(Clone::clone),
            fuel: evaluated.fuel,
        });
        // When a rule fails, billing holds: nothing is charged and nothing is shut off.
        let Ok(outcome) = result else { return 0 };
        self.state = outcome.state;
        self.timers.extend(outcome.timers.iter().map(|timer| (timer.id, timer.at_ms)));
        let side = &mut asked.side;
        let mut fen = 0;
        for line in &outcome.charges {
            let kind = charge::name(line.kind).unwrap_or("other").to_owned();
            *side.fen_by_kind.entry(kind).or_default() += line.amount_fen;
            if line.step > 0 {
                let (litres, sum) = side.steps.entry(line.step).or_default();
                *litres += line.litres;
                *sum += line.amount_fen;
            }
            fen += line.amount_fen;
        }
        side.lines += outcome.charges.len() as u64;
        side.fen += fen;
        for request in &outcome.notices {
            *side.notices.entry(notice::name(request.kind).unwrap_or("other").to_owned()).or_default() += 1;
            if self.notices.len() < MOST_NOTICES {
                self.notices.push(NoticeProof {
                    kind: request.kind,
                    sent_at_ms: request.not_before_ms,
                    proven_at_ms: None,
                    days_since_sent: 0,
                    days_since_proven: 0,
                    named_fen: request.amount_fen,
                });
            }
        }
        side.shut_offs += u64::from(outcome.shut_off.is_some());
        side.arms += u64::from(outcome.arm);
        if fen != 0 {
            self.balance -= fen;
            self.due.push_back((now + DUE_AFTER, fen));
        }
        fen
    }

    fn context(&self, now: Timestamp) -> AccountContext {
        let day = self.clock.day(now);
        let days_since = |at: i64| whole_days(now.since(Timestamp::from_millis(at)));
        let sent = self.notices.iter().filter(|notice| notice.sent_at_ms <= now.as_millis());
        AccountContext {
            now_ms: now.as_millis(),
            today: LocalDate { year: day.year as u16, month: day.month.into(), day: day.day.into() },
            class: account_class::HOUSEHOLD,
            persons: 0,
            balance_fen: self.balance,
            arrears_fen: self.arrears,
            days_overdue: self.overdue_since.map_or(0, |since| whole_days(now.since(since))),
            period_start_ms: self.period.as_millis(),
            period_litres: self.period_litres,
            tariff: Vec::new(),
            exemptions: 0,
            required: Vec::new(),
            notices: sent
                .map(|notice| NoticeProof { days_since_sent: days_since(notice.sent_at_ms), ..*notice })
                .collect(),
            supply: supply::OPEN,
        }
    }
}

fn whole_days(span: Span) -> u32 {
    u32::try_from(span.as_millis() / Span::from_days(1).as_millis()).unwrap_or(0)
}
