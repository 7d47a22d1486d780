//! An account on the bench. Its days are those of UTC+8.

use super::{Bench, Evaluator, Failure, Subject};
use crate::billing::Billing;
use crate::codes::{account_class, billing_trigger, supply, usage_source};
use crate::contract::billing::{AccountContext, Event, LocalDate, NoticeProof, Outcome, Usage};

const DAY_MS: i64 = 86_400_000;
const OFFSET_MS: i64 = 8 * 3_600_000;

impl Subject for Billing {
    type Context = AccountContext;

    fn ordinary() -> AccountContext {
        AccountContext {
            now_ms: 0,
            today: date(0),
            class: account_class::HOUSEHOLD,
            persons: 0,
            balance_fen: 0,
            arrears_fen: 0,
            days_overdue: 0,
            period_start_ms: 0,
            period_litres: 0,
            tariff: Vec::new(),
            exemptions: 0,
            required: Vec::new(),
            notices: Vec::new(),
            supply: supply::OPEN,
        }
    }

    fn state(outcome: &Outcome) -> &[u8] {
        &outcome.state
    }

    /// Charges lower the balance and add to the period's volume, credits the other way; a request for a shut-off is under way.
    fn settle(context: &mut AccountContext, outcome: &Outcome) {
        for line in &outcome.charges {
            context.balance_fen -= line.amount_fen;
            context.period_litres = if line.amount_fen < 0 {
                context.period_litres.saturating_sub(line.litres)
            } else {
                context.period_litres + line.litres
            };
        }
        if outcome.shut_off.is_some() {
            context.supply = supply::REQUESTED;
        }
    }
}

impl<E: Evaluator<World = Billing>> Bench<E, Billing> {
    /// Metered volume: (begin, end, litres).
    ///
    /// # Errors
    /// [`Failure`] when there was no decision; state and account are then as before.
    pub fn usage(&mut self, now_ms: i64, spans: &[(i64, i64, u64)]) -> Result<Outcome, Failure> {
        let usage = spans.iter().map(|(from_ms, to_ms, litres)| Usage {
            from_ms: *from_ms,
            to_ms: *to_ms,
            litres: *litres,
            source: usage_source::METERED,
            credit: false,
        });
        let usage = usage.collect();
        self.event(now_ms, |event| (event.trigger, event.usage) = (billing_trigger::USAGE, usage))
    }

    /// A day begins.
    ///
    /// # Errors
    /// As [`Bench::usage`].
    pub fn day(&mut self, now_ms: i64) -> Result<Outcome, Failure> {
        self.event(now_ms, |event| event.trigger = billing_trigger::DAY)
    }

    /// A payment comes in: it raises the balance and settles arrears first.
    ///
    /// # Errors
    /// As [`Bench::usage`].
    pub fn payment(&mut self, now_ms: i64, fen: i64) -> Result<Outcome, Failure> {
        self.context.balance_fen += fen;
        self.context.arrears_fen = (self.context.arrears_fen - fen).max(0);
        if self.context.arrears_fen == 0 {
            self.context.days_overdue = 0;
        }
        self.event(now_ms, |event| (event.trigger, event.payment_fen) = (billing_trigger::PAYMENT, fen))
    }

    /// A notice was sent or, with `proven`, its receipt was proven.
    ///
    /// # Errors
    /// As [`Bench::usage`].
    pub fn notice(&mut self, now_ms: i64, kind: u16, proven: bool) -> Result<Outcome, Failure> {
        let notices = &mut self.context.notices;
        let at = notices.iter().rposition(|notice| notice.kind == kind && proven).unwrap_or_else(|| {
            notices.push(NoticeProof {
                kind,
                sent_at_ms: now_ms,
                proven_at_ms: None,
                days_since_sent: 0,
                days_since_proven: 0,
                named_fen: self.context.arrears_fen,
            });
            notices.len() - 1
        });
        if proven {
            notices[at].proven_at_ms = Some(now_ms);
        }
        self.event(now_ms, |event| (event.trigger, event.notice_kind) = (billing_trigger::NOTICE, kind))
    }

    /// Any event: `fill` changes one that says nothing yet.
    ///
    /// # Errors
    /// As [`Bench::usage`].
    pub fn event(&mut self, now_ms: i64, fill: impl FnOnce(&mut Event)) -> Result<Outcome, Failure> {
        let context = &mut self.context;
        context.now_ms = now_ms;
        context.today = date(now_ms);
        for notice in &mut context.notices {
            notice.days_since_sent = days_between(notice.sent_at_ms, now_ms);
            notice.days_since_proven = notice.proven_at_ms.map_or(0, |proven| days_between(proven, now_ms));
        }
        let mut event = Event {
            context: context.clone(),
            trigger: 0,
            timer_id: 0,
            usage: Vec::new(),
            payment_fen: 0,
            notice_kind: 0,
            extensions: Vec::new(),
        };
        fill(&mut event);
        self.call(&event)
    }
}

/// Whole days of the calendar from one time to another.
fn days_between(from_ms: i64, to_ms: i64) -> u32 {
    let day = |at: i64| (at + OFFSET_MS).div_euclid(DAY_MS);
    u32::try_from(day(to_ms) - day(from_ms)).unwrap_or(0)
}

/// The day of a time (the proleptic Gregorian calendar by eras of 400 years, counted from a first of March).
fn date(now_ms: i64) -> LocalDate {
    let days = (now_ms + OFFSET_MS).div_euclid(DAY_MS) + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let of_era_year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * of_era_year + of_era_year / 4 - of_era_year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = of_era_year + era * 400 + i64::from(month <= 2);
    LocalDate { year: year as u16, month: month as u16, day: day as u16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar_at_utc_plus_8() {
        let shown = |at: i64| {
            let LocalDate { year, month, day } = date(at);
            (year, month, day)
        };
        assert_eq!(shown(0), (1970, 1, 1));
        assert_eq!(shown(1_709_136_000_000), (2024, 2, 29), "00:00 of the leap day in Shanghai is 16:00 UTC before");
        assert_eq!(shown(1_709_222_399_999), (2024, 2, 29));
        assert_eq!(shown(1_709_222_400_000), (2024, 3, 1));
        assert_eq!(days_between(1_709_222_399_999, 1_709_222_400_000), 1);
        assert_eq!(days_between(5, 1), 0);
    }
}
