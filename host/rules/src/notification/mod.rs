//! Notification policies: an alarm's events in, messages to roles out.
//!
//! A message goes only to whom the event named as reachable, and over a channel that reaches them; who that is, a rule never learns.
//! How one alarm is folded, with the platform's own duties, is in [`fold`]; what is kept of a decision, in [`record`].

pub use davy_rules_sdk::codes;
pub use davy_rules_sdk::contract::notification as contract;

pub mod backtest;
pub mod compare;
pub mod fold;
pub mod record;

use crate::admission::Description;
use crate::bindings::notification::exports::davy::rules::notification as wit;
use crate::config::EngineConfig;
use crate::limits::{at_most, known, nonsense, state, timers};
use crate::rule::{Evaluated, Rule, SettingsBytes};
use crate::text;
use crate::world::Notification;
use davy_domain::Timestamp;
use davy_domain::policy::PolicyFault;
use davy_rules_sdk::contract::Timer;
use davy_rules_sdk::contract::notification::{AlarmContext, Event, Outcome, Send};

/// A notification policy that is ready to run.
pub type NotificationRule = Rule<Notification>;

const MAX_RECIPIENTS: usize = 64;
const MAX_SENDS: usize = 32;
const MAX_CANCELS: usize = 16;

impl NotificationRule {
    /// Folds one event of an alarm. The same settings, state and event give the same outcome and fuel on every machine.
    pub fn decide(&self, settings: &[u8], state: &[u8], event: &Event) -> Evaluated<Outcome> {
        let context = &event.context;
        if context.recipients.len() > MAX_RECIPIENTS {
            let what = format!("recipients: at most {MAX_RECIPIENTS}, got {}", context.recipients.len());
            return Evaluated { result: Err(PolicyFault::Limit { what }), fault: None, fuel: 0 };
        }
        let recipients: Vec<_> = context
            .recipients
            .iter()
            .map(|recipient| wit::Recipient {
                role: recipient.role,
                rank: recipient.rank,
                channels: recipient.channels,
                on_duty: recipient.on_duty,
            })
            .collect();
        let extensions: Vec<_> = event.extensions.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let called = self.call(|store, instance| {
            let event = wit::Event {
                context: wit::AlarmContext {
                    now_ms: context.now_ms,
                    raised_at_ms: context.raised_at_ms,
                    acknowledged_at_ms: context.acknowledged_at_ms,
                    condition: context.condition,
                    priority: context.priority,
                    holds: context.holds,
                    device_kind: context.device_kind,
                    valve_state: context.valve_state,
                    premises_class: context.premises_class,
                    local_minute: context.local_minute,
                    quiet_hours: context.quiet_hours,
                    recipients: &recipients,
                },
                trigger: event.trigger,
                timer_id: event.timer_id,
                send_id: event.send_id,
                failure: event.failure,
                extensions: &extensions,
            };
            instance.davy_rules_notification().call_evaluate(store, settings, state, event)
        });
        called.checked(|outcome| checked(outcome, context, self.engine().config(), self.describe()))
    }
}

/// The event with which settings are tried.
pub(crate) const fn trial() -> wit::Event<'static> {
    wit::Event {
        context: wit::AlarmContext {
            now_ms: text::TRIAL_MS,
            raised_at_ms: text::TRIAL_MS,
            acknowledged_at_ms: None,
            condition: codes::condition::GAS_HIGH,
            priority: codes::priority::URGENT,
            holds: true,
            device_kind: codes::device_kind::DETECTOR,
            valve_state: codes::valve_state::UNKNOWN,
            premises_class: codes::account_class::HOUSEHOLD,
            local_minute: 0,
            quiet_hours: false,
            recipients: &[],
        },
        trigger: codes::notification_trigger::START,
        timer_id: 0,
        send_id: 0,
        failure: 0,
        extensions: &[],
    }
}

/// The outcome, or which part of it the contract does not allow.
fn checked(
    outcome: wit::Outcome,
    alarm: &AlarmContext,
    config: &EngineConfig,
    description: &Description,
) -> Result<Outcome, PolicyFault> {
    state(&outcome.state, config)?;
    timers(&outcome.timers, Timestamp::from_millis(alarm.now_ms))?;
    at_most("sends", MAX_SENDS, outcome.sends.len())?;
    at_most("cancels", MAX_CANCELS, outcome.cancels.len())?;
    let mut sends: Vec<Send> = Vec::with_capacity(outcome.sends.len());
    for send in &outcome.sends {
        known("sends: channel", send.channel, codes::channel::name)?;
        let role = codes::role::name(send.role).unwrap_or("unknown");
        match alarm.recipient(send.role, send.rank) {
            None => return Err(nonsense("sends", "a recipient of the event", format_args!("{role} {}", send.rank))),
            Some(recipient) if !recipient.has(send.channel) => {
                let channel = codes::channel::name(send.channel).unwrap_or("unknown");
                let expected = format!("a channel that reaches {role} {}", send.rank);
                return Err(nonsense("sends: channel", &expected, channel));
            }
            Some(_) => {}
        }
        if send.id == 0 || sends.iter().any(|other| other.id == send.id) {
            return Err(nonsense("sends: id", "1 or higher, each once", send.id));
        }
        if send.attempt == 0 {
            return Err(nonsense("sends: attempt", "1 or higher", send.attempt));
        }
        if send.text != 0 && !description.texts.iter().any(|(code, _)| *code == send.text) {
            return Err(nonsense("sends: text", "0 or a code of the rule's own texts", send.text));
        }
        sends.push(Send {
            id: send.id,
            role: send.role,
            rank: send.rank,
            channel: send.channel,
            text: send.text,
            break_quiet: send.break_quiet,
            attempt: send.attempt,
        });
    }
    if let Some(both) = outcome.cancels.iter().find(|id| outcome.timers.iter().any(|timer| timer.id == **id)) {
        return Err(nonsense("cancels", "no timer that is set as well", both));
    }
    Ok(Outcome {
        state: outcome.state,
        sends,
        timers: outcome.timers.iter().map(|timer| Timer { id: timer.id, at_ms: timer.at_ms }).collect(),
        cancels: outcome.cancels,
        notes: text::notes(&outcome.notes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use davy_rules_sdk::contract::notification::Recipient;

    fn alarm() -> AlarmContext {
        AlarmContext {
            now_ms: 1_000,
            raised_at_ms: 0,
            acknowledged_at_ms: None,
            condition: codes::condition::GAS_HIGH,
            priority: codes::priority::URGENT,
            holds: true,
            device_kind: codes::device_kind::DETECTOR,
            valve_state: codes::valve_state::CLOSED,
            premises_class: codes::account_class::HOUSEHOLD,
            local_minute: 0,
            quiet_hours: false,
            recipients: vec![Recipient {
                role: codes::role::OWNER,
                rank: 0,
                channels: 1 << codes::channel::SMS,
                on_duty: true,
            }],
        }
    }

    const SEND: wit::Send = wit::Send {
        id: 1,
        role: codes::role::OWNER,
        rank: 0,
        channel: codes::channel::SMS,
        text: 0,
        break_quiet: true,
        attempt: 1,
    };

    fn judged(sends: Vec<wit::Send>, timers: &[u32], cancels: &[u32]) -> Result<Outcome, String> {
        let timer = |id: &u32| crate::bindings::WitTimer { id: *id, at_ms: 2_000 };
        let outcome = wit::Outcome {
            state: Vec::new(),
            sends,
            timers: timers.iter().map(timer).collect(),
            cancels: cancels.to_vec(),
            notes: vec!["a\nnote".into(); 20],
        };
        let description = Description::default();
        checked(outcome, &alarm(), &EngineConfig::default(), &description).map_err(|fault| fault.to_string())
    }

    #[track_caller]
    fn refused(result: Result<Outcome, String>, words: &str) {
        let fault = result.unwrap_err();
        assert!(fault.contains(words), "expected {words:?} in {fault:?}");
    }

    #[test]
    fn a_message_goes_only_to_whom_the_event_named_and_over_what_reaches_them() {
        assert_eq!(judged(vec![SEND], &[], &[]).unwrap().sends.len(), 1);
        refused(judged(vec![wit::Send { rank: 1, ..SEND }], &[], &[]), "a recipient of the event, got owner 1");
        refused(judged(vec![wit::Send { role: 77, ..SEND }], &[], &[]), "a recipient of the event, got unknown 0");
        let voice = wit::Send { channel: codes::channel::VOICE, ..SEND };
        refused(judged(vec![voice], &[], &[]), "a channel that reaches owner 0, got voice");
        refused(judged(vec![wit::Send { channel: 40, ..SEND }], &[], &[]), "a known code, got 40");
    }

    #[test]
    fn messages_are_numbered_and_few() {
        refused(judged(vec![SEND, SEND], &[], &[]), "1 or higher, each once");
        refused(judged(vec![wit::Send { id: 0, ..SEND }], &[], &[]), "1 or higher");
        refused(judged(vec![wit::Send { attempt: 0, ..SEND }], &[], &[]), "sends: attempt");
        let many = (1..=33).map(|id| wit::Send { id, ..SEND }).collect();
        refused(judged(many, &[], &[]), "at most 32, got 33");
    }

    #[test]
    fn a_timer_is_set_or_taken_back() {
        refused(judged(Vec::new(), &[7], &[7]), "no timer that is set as well, got 7");
        let outcome = judged(Vec::new(), &[7], &[8]).unwrap();
        assert_eq!((outcome.timers[0].id, &outcome.cancels[..]), (7, &[8][..]));
        assert_eq!(outcome.notes, vec!["a note"; 8], "the log is cut and cleaned, and costs no decision");
    }
}
