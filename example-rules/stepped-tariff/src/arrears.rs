//! From the due date to the shut-off: reminder, demand, written notice, announcement, request; and back when it is paid.
//!
//! Each step waits for the *proof* of the one before, never for its sending. It must never ask for a shut-off that
//! [`law::obstacle`] forbids: exemptions and missing proofs stop it, and are noted.

use crate::settings::SteppedTariff;
use davy_rules_sdk::billing::prelude::*;

const DAY_MS: i64 = 86_400_000;
/// A shut-off that was refused is asked for again after so many more days in arrears: whoever refused it had a reason.
const AGAIN_AFTER_DAYS: u32 = 7;

/// What has been asked for about the present arrears.
#[derive(State, Clone, Debug, Default, PartialEq)]
pub(crate) struct Asked {
    reminder: bool,
    demand: bool,
    written: bool,
    shut_off: bool,
    /// The platform has the request and has not decided.
    awaited: bool,
    /// From so many days in arrears on it may be asked for again.
    again_from: u32,
    restored: bool,
}

impl Asked {
    /// A day has begun, or something about the account has changed.
    pub(crate) fn look(&mut self, settings: &SteppedTariff, event: &Event, decision: &mut Decision) {
        let account = &event.context;
        if account.arrears_fen <= 0 {
            return self.paid(event, decision);
        }
        self.restored = false;
        let arrears = &settings.arrears;
        let mut ask = |asked: &mut bool, kind: u16, text: u16| {
            // Also one that was sent before this rule began to work.
            if !core::mem::replace(asked, true) && !account.was_sent(kind) {
                decision.request_notice(NoticeRequest {
                    kind,
                    text,
                    amount_fen: account.arrears_fen,
                    not_before_ms: event.now_ms(),
                });
            }
        };
        if account.days_overdue >= arrears.reminder_days && account.days_overdue < arrears.demand_days {
            ask(&mut self.reminder, notice::REMINDER, 1);
        }
        if account.days_overdue >= arrears.demand_days {
            ask(&mut self.demand, notice::DEMAND, 2);
        }
        if account
            .days_proven(notice::DEMAND)
            .is_some_and(|days| days >= wait(account, notice::DEMAND, arrears.wait_days))
        {
            ask(&mut self.written, notice::WRITTEN, 3);
        }
        self.shut_off(settings, event, decision);
    }

    /// What became of the request: one that was being decided, and the gas is open still, was refused.
    fn answered(&mut self, account: &AccountContext) {
        let decided = core::mem::replace(&mut self.awaited, account.supply == supply::REQUESTED);
        if decided && account.supply == supply::OPEN {
            self.shut_off = false;
            self.again_from = account.days_overdue.saturating_add(AGAIN_AFTER_DAYS);
        }
    }

    fn shut_off(&mut self, settings: &SteppedTariff, event: &Event, decision: &mut Decision) {
        let (account, arrears) = (&event.context, &settings.arrears);
        let waited = account
            .days_proven(notice::WRITTEN)
            .is_some_and(|days| days >= wait(account, notice::WRITTEN, arrears.written_days));
        self.answered(account);
        if self.shut_off
            || account.days_overdue < self.again_from
            || !waited
            || !arrears.shut_off
            || account.arrears_fen < arrears.least_fen
        {
            return;
        }
        if let Some(obstacle) = law::obstacle(account) {
            decision.note(format!("no shut-off: {obstacle}"));
            return;
        }
        self.shut_off = true;
        // The announcement goes out a whole day before the valve closes.
        decision
            .request_notice(NoticeRequest {
                kind: notice::EVE,
                text: 4,
                amount_fen: account.arrears_fen,
                not_before_ms: event.now_ms(),
            })
            .request_shut_off(ShutOffRequest {
                not_before_ms: event.now_ms() + DAY_MS,
                arrears_fen: account.arrears_fen,
                text: 5,
            });
    }

    /// Nothing is owed: what was asked for is forgotten, and gas that was closed for it may flow again.
    fn paid(&mut self, event: &Event, decision: &mut Decision) {
        let restored = self.restored;
        *self = Self::default();
        if event.context.supply != supply::CLOSED_FOR_ARREARS {
            return;
        }
        self.restored = true;
        if restored {
            return;
        }
        decision.request_arm().request_notice(NoticeRequest {
            kind: notice::RESTORATION,
            text: 6,
            amount_fen: 0,
            not_before_ms: event.now_ms(),
        });
    }
}

/// The longer of what the law and the company ask for, in days since the proof.
fn wait(account: &AccountContext, kind: u16, days: u32) -> u32 {
    let law = account.required.iter().filter(|required| required.kind == kind).map(|required| required.days).max();
    days.max(law.unwrap_or(0))
}
