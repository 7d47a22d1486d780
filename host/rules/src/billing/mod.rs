//! Billing policies: an account's events in, charges and requests out.
//!
//! What comes out has been held against the account: a charge whose sum is not its volume times its price, or a shut-off that an
//! exemption or a missing proof forbids, is a fault of the rule, and then nothing of the outcome counts. Whether a lawful request is
//! carried out is not decided here.

pub mod backtest;
mod batch;

pub use batch::BatchedBilling;

use crate::admission::Description;
use crate::bindings::billing::exports::davy::rules::billing as wit;
use crate::config::EngineConfig;
use crate::limits::{ahead, at_most, known, nonsense, state, timers};
use crate::rule::{Evaluated, Kept, Rule, SettingsBytes};
use crate::text;
use crate::world::Billing;
use davy_domain::Timestamp;
use davy_domain::policy::PolicyFault;
use davy_rules_sdk::billing::{law, tariff};
use davy_rules_sdk::codes;
use davy_rules_sdk::contract::Timer;
use davy_rules_sdk::contract::billing::{AccountContext, Charge, Event, NoticeRequest, Outcome, ShutOffRequest};

/// A billing policy that is ready to run.
pub type BillingRule = Rule<Billing>;

const MAX_USAGE: usize = 1_024;
const MAX_CHARGES: usize = 4_096;
const MAX_NOTICES: usize = 8;
const MAX_NOTICE_DAYS: u32 = 400;
const MAX_SHUT_OFF_DAYS: u32 = 30;
const MAX_AMOUNT_FEN: i64 = 1_000_000_000_000;

impl BillingRule {
    /// Folds one event of an account. The same settings, state and event give the same outcome and fuel on every machine.
    pub fn decide(&self, settings: &[u8], state: &[u8], event: &Event) -> Evaluated<Outcome> {
        if event.usage.len() > MAX_USAGE {
            let what = format!("usage in one event: at most {MAX_USAGE}, got {}", event.usage.len());
            return Evaluated { result: Err(PolicyFault::Limit { what }), fault: None, fuel: 0 };
        }
        let parts = Parts::of(event);
        let called = self.call(|store, instance| {
            instance.davy_rules_billing().call_evaluate(store, settings, state, parts.event(event))
        });
        called.checked(|outcome| checked(outcome, &event.context, self.engine().config(), self.describe()))
    }

    /// As [`BillingRule::decide`], in an instance that is kept.
    fn decide_in(
        &self,
        kept: &mut Kept<'_, Billing>,
        settings: &[u8],
        state: &[u8],
        event: &Event,
    ) -> Evaluated<Outcome> {
        let parts = Parts::of(event);
        let called = self.call_in(kept, |store, instance| {
            instance.davy_rules_billing().call_evaluate(store, settings, state, parts.event(event))
        });
        called.checked(|outcome| checked(outcome, &event.context, self.engine().config(), self.describe()))
    }

    /// This rule with settings bound.
    pub fn bind(&self, settings: SettingsBytes) -> BoundBilling {
        BoundBilling { rule: self.clone(), settings }
    }
}

/// A billing policy with its settings.
#[derive(Clone, Debug)]
pub struct BoundBilling {
    rule: BillingRule,
    settings: SettingsBytes,
}

impl BoundBilling {
    /// Folds one event of an account.
    pub fn decide(&self, state: &[u8], event: &Event) -> Evaluated<Outcome> {
        self.rule.decide(&self.settings, state, event)
    }

    /// The same policy for very many calls of one thread, at a fraction of the price.
    pub fn batched(&self, batch: u32) -> BatchedBilling<'_> {
        BatchedBilling::new(self, batch)
    }
}

/// The parts of an event that the contract's type borrows.
struct Parts<'a> {
    tariff: Vec<wit::TariffStep>,
    required: Vec<wit::NoticeRequirement>,
    notices: Vec<wit::NoticeProof>,
    usage: Vec<wit::Usage>,
    extensions: Vec<(&'a str, &'a str)>,
}

impl<'a> Parts<'a> {
    fn of(event: &'a Event) -> Self {
        let context = &event.context;
        let tariff = context.tariff.iter();
        let required = context.required.iter();
        let notices = context.notices.iter().map(|notice| wit::NoticeProof {
            kind: notice.kind,
            sent_at_ms: notice.sent_at_ms,
            proven_at_ms: notice.proven_at_ms,
            days_since_sent: notice.days_since_sent,
            days_since_proven: notice.days_since_proven,
            named_fen: notice.named_fen,
        });
        let usage = event.usage.iter().map(|usage| wit::Usage {
            from_ms: usage.from_ms,
            to_ms: usage.to_ms,
            litres: usage.litres,
            source: usage.source,
            credit: usage.credit,
        });
        Self {
            tariff: tariff.map(|step| wit::TariffStep { from_litres: step.from_litres, price: step.price }).collect(),
            required: required.map(|row| wit::NoticeRequirement { kind: row.kind, days: row.days }).collect(),
            notices: notices.collect(),
            usage: usage.collect(),
            extensions: event.extensions.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        }
    }

    fn event(&'a self, event: &Event) -> wit::Event<'a> {
        let AccountContext { today, .. } = event.context;
        let context = &event.context;
        wit::Event {
            context: wit::AccountContext {
                now_ms: context.now_ms,
                today: wit::LocalDate { year: today.year, month: today.month, day: today.day },
                class: context.class,
                persons: context.persons,
                balance_fen: context.balance_fen,
                arrears_fen: context.arrears_fen,
                days_overdue: context.days_overdue,
                period_start_ms: context.period_start_ms,
                period_litres: context.period_litres,
                tariff: &self.tariff,
                exemptions: context.exemptions,
                required: &self.required,
                notices: &self.notices,
                supply: context.supply,
            },
            trigger: event.trigger,
            timer_id: event.timer_id,
            usage: &self.usage,
            payment_fen: event.payment_fen,
            notice_kind: event.notice_kind,
            extensions: &self.extensions,
        }
    }
}

/// The event with which settings are tried.
pub(crate) const fn trial() -> wit::Event<'static> {
    wit::Event {
        context: wit::AccountContext {
            now_ms: text::TRIAL_MS,
            today: wit::LocalDate { year: 2026, month: 1, day: 1 },
            class: codes::account_class::HOUSEHOLD,
            persons: 0,
            balance_fen: 0,
            arrears_fen: 0,
            days_overdue: 0,
            period_start_ms: text::TRIAL_MS,
            period_litres: 0,
            tariff: &[],
            exemptions: 0,
            required: &[],
            notices: &[],
            supply: codes::supply::OPEN,
        },
        trigger: codes::billing_trigger::START,
        timer_id: 0,
        usage: &[],
        payment_fen: 0,
        notice_kind: 0,
        extensions: &[],
    }
}

/// The outcome, or which part of it the contract, the arithmetic or the law does not allow.
fn checked(
    outcome: wit::Outcome,
    account: &AccountContext,
    config: &EngineConfig,
    description: &Description,
) -> Result<Outcome, PolicyFault> {
    let now = Timestamp::from_millis(account.now_ms);
    let text_known = |field: &str, code: u16| match code {
        0 => Ok(()),
        code if description.texts.iter().any(|(known, _)| *known == code) => Ok(()),
        code => Err(nonsense(field, "0 or a code of the rule's own texts", code)),
    };
    state(&outcome.state, config)?;
    timers(&outcome.timers, now)?;
    at_most("charges", MAX_CHARGES, outcome.charges.len())?;
    at_most("notices", MAX_NOTICES, outcome.notices.len())?;

    let mut charges = Vec::with_capacity(outcome.charges.len());
    for line in &outcome.charges {
        known("charges: kind", line.kind, codes::charge::name)?;
        text_known("charges: text", line.text)?;
        if line.to_ms < line.from_ms {
            return Err(nonsense("charges: to-ms", "an end not before the begin", line.to_ms));
        }
        let amount = line.amount_fen;
        if !(-MAX_AMOUNT_FEN..=MAX_AMOUNT_FEN).contains(&amount) {
            return Err(nonsense("charges: amount-fen", "an amount within 1e12", amount));
        }
        if line.litres > 0 {
            let exact = tariff::amount_fen(line.litres, line.price);
            let wanted = if line.kind == codes::charge::CREDIT { -exact } else { exact };
            if amount != wanted {
                return Err(nonsense("charges: amount-fen", &format!("litres × price, {wanted}"), amount));
            }
        }
        charges.push(Charge {
            kind: line.kind,
            step: line.step,
            text: line.text,
            from_ms: line.from_ms,
            to_ms: line.to_ms,
            litres: line.litres,
            price: line.price,
            amount_fen: amount,
        });
    }

    let mut notices: Vec<NoticeRequest> = Vec::with_capacity(outcome.notices.len());
    for request in &outcome.notices {
        known("notices: kind", request.kind, codes::notice::name)?;
        text_known("notices: text", request.text)?;
        ahead("notices: not-before-ms", request.not_before_ms, now, MAX_NOTICE_DAYS)?;
        if request.amount_fen < 0 {
            return Err(nonsense("notices: amount-fen", "0 or more", request.amount_fen));
        }
        if notices.iter().any(|other| other.kind == request.kind) {
            return Err(nonsense("notices: kind", "each kind once", request.kind));
        }
        notices.push(NoticeRequest {
            kind: request.kind,
            text: request.text,
            amount_fen: request.amount_fen,
            not_before_ms: request.not_before_ms,
        });
    }

    let shut_off = match outcome.shut_off {
        None => None,
        Some(request) => {
            if let Some(obstacle) = law::obstacle(account) {
                return Err(nonsense("shut-off", "a lawful request", format_args!("one though {obstacle}")));
            }
            ahead("shut-off: not-before-ms", request.not_before_ms, now, MAX_SHUT_OFF_DAYS)?;
            text_known("shut-off: text", request.text)?;
            if request.arrears_fen <= 0 || request.arrears_fen > account.arrears_fen {
                let most = format!("1 to the account's {}", account.arrears_fen);
                return Err(nonsense("shut-off: arrears-fen", &most, request.arrears_fen));
            }
            Some(ShutOffRequest {
                not_before_ms: request.not_before_ms,
                arrears_fen: request.arrears_fen,
                text: request.text,
            })
        }
    };
    if outcome.arm && account.supply != codes::supply::CLOSED_FOR_ARREARS {
        let supply = codes::supply::name(account.supply).unwrap_or("unknown");
        return Err(nonsense("arm", "a supply that is closed for arrears", supply));
    }
    Ok(Outcome {
        state: outcome.state,
        charges,
        notices,
        shut_off,
        arm: outcome.arm,
        timers: outcome.timers.iter().map(|timer| Timer { id: timer.id, at_ms: timer.at_ms }).collect(),
        notes: text::notes(&outcome.notes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use davy_rules_sdk::contract::billing::{LocalDate, NoticeProof, NoticeRequirement};

    const NOW: i64 = 1_800_000_000_000;

    /// An account that may be shut off.
    fn account() -> AccountContext {
        AccountContext {
            now_ms: NOW,
            today: LocalDate { year: 2027, month: 1, day: 15 },
            class: codes::account_class::HOUSEHOLD,
            persons: 3,
            balance_fen: -9_000,
            arrears_fen: 9_000,
            days_overdue: 60,
            period_start_ms: 0,
            period_litres: 0,
            tariff: Vec::new(),
            exemptions: 0,
            required: vec![NoticeRequirement { kind: codes::notice::DEMAND, days: 30 }],
            notices: vec![NoticeProof {
                kind: codes::notice::DEMAND,
                sent_at_ms: 0,
                proven_at_ms: Some(0),
                days_since_sent: 40,
                days_since_proven: 40,
                named_fen: 9_000,
            }],
            supply: codes::supply::OPEN,
        }
    }

    fn nothing() -> wit::Outcome {
        wit::Outcome {
            state: Vec::new(),
            charges: Vec::new(),
            notices: Vec::new(),
            shut_off: None,
            arm: false,
            timers: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn judged(outcome: wit::Outcome, account: &AccountContext) -> Result<Outcome, String> {
        let description = Description::default();
        checked(outcome, account, &EngineConfig::default(), &description).map_err(|fault| fault.to_string())
    }

    #[track_caller]
    fn refused(outcome: wit::Outcome, account: &AccountContext, words: &str) {
        let fault = judged(outcome, account).unwrap_err();
        assert!(fault.contains(words), "expected {words:?} in {fault:?}");
    }

    fn shut_off() -> wit::Outcome {
        let request = wit::ShutOffRequest { not_before_ms: NOW, arrears_fen: 9_000, text: 0 };
        wit::Outcome { shut_off: Some(request), ..nothing() }
    }

    #[test]
    fn a_shut_off_passes_only_when_the_law_has_no_objection() {
        assert!(judged(shut_off(), &account()).unwrap().shut_off.is_some());
        let unlawful = |change: fn(&mut AccountContext), words: &str| {
            let mut account = account();
            change(&mut account);
            refused(shut_off(), &account, words);
        };
        unlawful(|a| a.exemptions = 1 << codes::exemption::VULNERABLE, "exempt: vulnerable");
        unlawful(|a| a.notices[0].proven_at_ms = None, "the demand notice is not proven");
        unlawful(|a| a.notices[0].days_since_proven = 29, "proven 29 days ago, the law asks for 30");
        unlawful(|a| a.required.clear(), "no statutory table");
        unlawful(|a| a.supply = codes::supply::CLOSED_FOR_SAFETY, "closed-for-safety");
        unlawful(|a| a.class = codes::account_class::PUBLIC, "never shut off");
        unlawful(|a| a.arrears_fen = 8_999, "1 to the account's 8999, got 9000");
    }

    #[test]
    fn a_charge_must_be_its_volume_times_its_price() {
        let line = |kind, amount_fen| wit::Charge {
            kind,
            step: 1,
            text: 0,
            from_ms: 0,
            to_ms: NOW,
            litres: 12_345,
            price: 300_000,
            amount_fen,
        };
        let of = |line| wit::Outcome { charges: vec![line], ..nothing() };
        use codes::charge::{CREDIT, VOLUME};
        assert!(judged(of(line(VOLUME, 3_704)), &account()).is_ok());
        assert!(judged(of(line(CREDIT, -3_704)), &account()).is_ok());
        refused(of(line(VOLUME, 3_703)), &account(), "litres × price, 3704, got 3703");
        refused(of(line(CREDIT, 3_704)), &account(), "litres × price, -3704");
        refused(of(line(99, 3_704)), &account(), "a known code, got 99");
        refused(of(wit::Charge { to_ms: -1, ..line(VOLUME, 3_704) }), &account(), "an end not before the begin");
        refused(of(wit::Charge { text: 7, ..line(VOLUME, 3_704) }), &account(), "the rule's own texts, got 7");
    }

    #[test]
    fn the_gas_comes_back_only_where_arrears_took_it() {
        let arm = || wit::Outcome { arm: true, ..nothing() };
        refused(arm(), &account(), "closed for arrears, got open");
        let closed = |supply| AccountContext { supply, ..account() };
        refused(arm(), &closed(codes::supply::CLOSED_FOR_SAFETY), "closed-for-safety");
        assert!(judged(arm(), &closed(codes::supply::CLOSED_FOR_ARREARS)).unwrap().arm);
    }

    #[test]
    fn a_notice_is_asked_for_once_and_not_in_the_past() {
        let request =
            |not_before_ms| wit::NoticeRequest { kind: codes::notice::DEMAND, text: 0, amount_fen: 1, not_before_ms };
        let of = |notices| wit::Outcome { notices, ..nothing() };
        assert!(judged(of(vec![request(NOW)]), &account()).is_ok());
        refused(of(vec![request(NOW), request(NOW)]), &account(), "each kind once");
        refused(of(vec![request(NOW - 1)]), &account(), "from now to 400 days ahead");
        refused(of(vec![wit::NoticeRequest { amount_fen: -1, ..request(NOW) }]), &account(), "0 or more, got -1");
    }

    #[test]
    fn too_much_state_is_a_limit() {
        refused(wit::Outcome { state: vec![0; 4_097], ..nothing() }, &account(), "at most 4096 bytes, got 4097");
    }
}
