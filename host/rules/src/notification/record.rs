//! Decisions of notification policies for the record, complete enough to be made again years later.
//!
//! The same idea as [`crate::explain`] for alarm policies: what was asked and what came, to the byte. Must never look at anything but the
//! record and the component.

use super::NotificationRule;
use super::fold::Asked;
use crate::config::Tier;
use crate::digest::RuleDigest;
use crate::engine::Engine;
use crate::explain::{Difference, ExplainError, Hex};
use crate::rule::Evaluated;
use crate::world::Notification;
use davy_domain::policy::PolicyFault;
use davy_rules_sdk::contract::Timer;
use davy_rules_sdk::contract::notification::{AlarmContext, Event, Outcome, Recipient, Send};
use serde::{Deserialize, Serialize};

/// The format of a record.
pub const FORMAT: &str = "davy-notification/1";

/// One decision of a notification policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NotificationRecord {
    /// [`FORMAT`].
    pub format: String,
    /// The component.
    pub rule: RuleDigest,
    /// The tier that it was admitted in.
    pub tier: Tier,
    /// The version of the company's settings.
    pub settings_version: u32,
    /// The settings as the rule got them: deterministic CBOR.
    pub settings: Hex,
    /// The rule's state before the event.
    pub state_before: Hex,
    /// The event.
    pub event: EventRecord,
    /// What came of it.
    pub result: ResultRecord,
    /// What it cost.
    pub fuel: u64,
}

/// An [`Event`] for the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "field for field the documented event of the contract")]
pub struct EventRecord {
    pub trigger: u16,
    pub timer_id: u32,
    pub send_id: u32,
    pub failure: u16,
    pub now_ms: i64,
    pub raised_at_ms: i64,
    pub acknowledged_at_ms: Option<i64>,
    pub condition: u16,
    pub priority: u16,
    pub holds: bool,
    pub device_kind: u16,
    pub valve_state: u16,
    pub premises_class: u16,
    pub local_minute: u16,
    pub quiet_hours: bool,
    /// Role, rank, channels, whether on duty.
    pub recipients: Vec<(u16, u16, u32, bool)>,
    #[serde(default)]
    pub extensions: Vec<(String, String)>,
}

/// The outcome or the fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResultRecord {
    /// It decided.
    Decided(OutcomeRecord),
    /// It failed.
    Failed(PolicyFault),
}

/// An [`Outcome`] for the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "field for field the documented outcome of the contract")]
pub struct OutcomeRecord {
    pub state: Hex,
    pub sends: Vec<SendRecord>,
    /// Id and time, milliseconds.
    pub timers: Vec<(u32, i64)>,
    pub cancels: Vec<u32>,
    pub notes: Vec<String>,
}

/// A [`Send`] for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "field for field the documented send of the contract")]
pub struct SendRecord {
    pub id: u32,
    pub role: u16,
    pub rank: u16,
    pub channel: u16,
    pub text: u16,
    pub break_quiet: bool,
    pub attempt: u16,
}

/// What came of making a decision again.
#[derive(Clone, Debug)]
pub struct Replay {
    /// The rule.
    pub rule: NotificationRule,
    /// What came now.
    pub evaluated: Evaluated<Outcome>,
    /// Where it differs from the record; empty when it is the same to the byte.
    pub differences: Vec<Difference>,
    /// Settings for people to read; `None` when they do not fit the rule.
    pub settings: Option<serde_json::Value>,
}

impl NotificationRecord {
    /// Makes the decision again.
    ///
    /// # Errors
    /// [`ExplainError`] when that cannot be tried; a decision that differs is no error.
    pub fn replay(&self, engine: &Engine, component: &[u8]) -> Result<Replay, ExplainError> {
        if self.format != FORMAT {
            return Err(ExplainError::Format(self.format.chars().take(60).collect()));
        }
        let got = RuleDigest::of(component);
        if got != self.rule {
            return Err(ExplainError::OtherComponent { expected: self.rule, got });
        }
        let admitted = engine.admit_in::<Notification>(component, self.tier).map_err(ExplainError::Refused)?;
        Ok(self.replay_with(engine.load(&admitted)))
    }

    /// Makes the decision again with the rule that it names, which is loaded.
    pub(crate) fn replay_with(&self, rule: NotificationRule) -> Replay {
        let evaluated = rule.decide(&self.settings.0, &self.state_before.0, &Event::from(&self.event));
        let differences =
            differences(&self.result, &ResultRecord::from(&evaluated.result), (self.fuel, evaluated.fuel));
        let settings = rule.describe().schema.decode(&self.settings.0);
        Replay { rule, evaluated, differences, settings }
    }
}

fn differences(stored: &ResultRecord, now: &ResultRecord, fuel: (u64, u64)) -> Vec<Difference> {
    // What the machine's load decided, and not the rule, cannot come about again.
    if matches!(stored, ResultRecord::Failed(PolicyFault::Suspended | PolicyFault::Deadline)) {
        return Vec::new();
    }
    let mut out = Vec::new();
    let mut part = |part, stored: String, now: String| {
        if stored != now {
            out.push(Difference { part, stored, now });
        }
    };
    match (stored, now) {
        (ResultRecord::Decided(stored), ResultRecord::Decided(now)) => {
            part("state", stored.state.to_string(), now.state.to_string());
            part("sends", format!("{:?}", stored.sends), format!("{:?}", now.sends));
            part("timers", format!("{:?}", stored.timers), format!("{:?}", now.timers));
            part("cancels", format!("{:?}", stored.cancels), format!("{:?}", now.cancels));
            part("notes", format!("{:?}", stored.notes), format!("{:?}", now.notes));
        }
        (stored, now) => part("result", format!("{stored:?}"), format!("{now:?}")),
    }
    part("fuel", fuel.0.to_string(), fuel.1.to_string());
    out
}

impl From<&Event> for EventRecord {
    fn from(event: &Event) -> Self {
        let context = &event.context;
        let recipients = context.recipients.iter();
        Self {
            trigger: event.trigger,
            timer_id: event.timer_id,
            send_id: event.send_id,
            failure: event.failure,
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
            recipients: recipients.map(|to| (to.role, to.rank, to.channels, to.on_duty)).collect(),
            extensions: event.extensions.clone(),
        }
    }
}

impl From<&EventRecord> for Event {
    fn from(record: &EventRecord) -> Self {
        let recipient = |&(role, rank, channels, on_duty): &_| Recipient { role, rank, channels, on_duty };
        Self {
            context: AlarmContext {
                now_ms: record.now_ms,
                raised_at_ms: record.raised_at_ms,
                acknowledged_at_ms: record.acknowledged_at_ms,
                condition: record.condition,
                priority: record.priority,
                holds: record.holds,
                device_kind: record.device_kind,
                valve_state: record.valve_state,
                premises_class: record.premises_class,
                local_minute: record.local_minute,
                quiet_hours: record.quiet_hours,
                recipients: record.recipients.iter().map(recipient).collect(),
            },
            trigger: record.trigger,
            timer_id: record.timer_id,
            send_id: record.send_id,
            failure: record.failure,
            extensions: record.extensions.clone(),
        }
    }
}

impl From<&Result<Outcome, PolicyFault>> for ResultRecord {
    fn from(result: &Result<Outcome, PolicyFault>) -> Self {
        match result {
            Err(fault) => Self::Failed(fault.clone()),
            Ok(outcome) => Self::Decided(OutcomeRecord {
                state: Hex(outcome.state.clone()),
                sends: outcome.sends.iter().map(SendRecord::from).collect(),
                timers: outcome.timers.iter().map(|timer: &Timer| (timer.id, timer.at_ms)).collect(),
                cancels: outcome.cancels.clone(),
                notes: outcome.notes.clone(),
            }),
        }
    }
}

impl From<&Send> for SendRecord {
    fn from(send: &Send) -> Self {
        let Send { id, role, rank, channel, text, break_quiet, attempt } = *send;
        Self { id, role, rank, channel, text, break_quiet, attempt }
    }
}

/// What a server keeps of a decision: the record's parts that are not in its own columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StoredAnswer {
    /// The outcome or the fault.
    pub result: ResultRecord,
    /// What it cost.
    pub fuel: u64,
}

impl StoredAnswer {
    /// Of a decision just made.
    pub fn of(asked: &Asked) -> Self {
        Self { result: (&asked.evaluated.result).into(), fuel: asked.evaluated.fuel }
    }
}
