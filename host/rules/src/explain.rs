//! A decision as it is kept: complete enough to be made again years later, in a form that a person can read.
//!
//! Bytes are hexadecimal. Floats are their exact bits with the decimal beside them (`4024000000000000:10`): a decimal alone
//! would depend on whoever parses it.

use crate::admission::Refusal;
use crate::alarm::{AlarmRule, Remarks};
use crate::config::Tier;
use crate::digest::RuleDigest;
use crate::engine::Engine;
use davy_domain::policy::{Evaluation, PolicyEvent, PolicyFault, PolicyOutcome, PolicyTimer, Raise, Trigger, Wake};
use davy_domain::{Condition, ConditionSet, DeviceKind, Quantity, Reading, Timestamp, ValveState};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// The format that this version writes and reads.
pub const FORMAT: &str = "davy-decision/1";

/// One decision with everything that it was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DecisionRecord {
    /// [`FORMAT`].
    pub format: String,
    /// Which rule, to the byte.
    pub rule: RuleDigest,
    /// In which tier it was admitted: it says what the call could cost.
    #[serde(default, skip_serializing_if = "Tier::is_standard")]
    pub tier: Tier,
    /// Which version of the tenant's settings.
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
    /// The component itself, when the record is to stand alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Hex>,
}

/// A [`PolicyEvent`] for the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "field for field the documented `PolicyEvent`")]
pub struct EventRecord {
    pub trigger: Trigger,
    pub now_ms: i64,
    pub device_kind: DeviceKind,
    pub valve: ValveState,
    pub active: Vec<Condition>,
    pub installed_at_ms: Option<i64>,
    pub readings: Vec<ReadingRecord>,
    #[serde(default)]
    pub extensions: Vec<(String, String)>,
}

/// A [`Reading`] for the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "field for field the documented `Reading`")]
pub struct ReadingRecord {
    pub quantity: Quantity,
    pub value: Exact,
    pub at_ms: i64,
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

/// A [`PolicyOutcome`] for the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "field for field the documented `PolicyOutcome`")]
pub struct OutcomeRecord {
    pub state: Hex,
    pub raise: Vec<Raise>,
    pub clear: Vec<Condition>,
    pub close_valve: bool,
    pub timers: Vec<PolicyTimer>,
    pub wake: Option<WakeRecord>,
}

/// A [`Wake`] for the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "field for field the documented `Wake`")]
pub struct WakeRecord {
    pub not_before_ms: i64,
    pub unless: Vec<(Quantity, Exact)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unless_below: Vec<(Quantity, Exact)>,
    pub on_valve: bool,
}

/// Why a record cannot be executed again.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// Another format.
    #[error("expected a record of the format {FORMAT}, got {0}")]
    Format(String),
    /// The component is neither in the record nor given.
    #[error("the record holds no component: give the component with the digest {0}")]
    NoComponent(RuleDigest),
    /// Another component than the one that decided.
    #[error("expected the component with the digest {expected}, got {got}")]
    OtherComponent {
        /// The record's.
        expected: RuleDigest,
        /// The one given.
        got: RuleDigest,
    },
    /// The event in the record is not one that can happen.
    #[error("the record's event is unusable: {0}")]
    Event(String),
    /// The component is not admitted by this version of the platform.
    #[error("the component of the record is refused by this version of the platform")]
    Refused(#[source] Refusal),
}

/// One part in which two executions differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which part.
    pub part: &'static str,
    /// What the record says.
    pub stored: String,
    /// What came now.
    pub now: String,
}

/// What came of executing a record again.
#[derive(Clone, Debug)]
pub struct Replay {
    /// The rule.
    pub rule: AlarmRule,
    /// What came now.
    pub evaluation: Evaluation,
    /// What the rule said beside it.
    pub remarks: Remarks,
    /// Where it differs from the record; empty when it is the same to the byte and to the unit of fuel.
    pub differences: Vec<Difference>,
    /// Settings for people to read; `None` when they do not fit the rule.
    pub settings: Option<serde_json::Value>,
}

impl DecisionRecord {
    /// The record of a decision just made.
    pub fn new(
        rule: RuleDigest,
        settings_version: u32,
        settings: &[u8],
        state_before: &[u8],
        event: &PolicyEvent,
        evaluation: &Evaluation,
    ) -> Self {
        Self {
            format: FORMAT.into(),
            rule,
            tier: Tier::Standard,
            settings_version,
            settings: Hex(settings.into()),
            state_before: Hex(state_before.into()),
            event: event.into(),
            result: (&evaluation.result).into(),
            fuel: evaluation.fuel,
            component: None,
        }
    }

    /// The same record of a rule of another tier than the standard one.
    #[must_use]
    pub const fn in_tier(mut self, tier: Tier) -> Self {
        self.tier = tier;
        self
    }

    /// The same record with the component in it, so that it stands alone.
    #[must_use]
    pub fn with_component(mut self, component: &[u8]) -> Self {
        self.component = Some(Hex(component.into()));
        self
    }

    /// Makes the decision again, with the component given or the one in the record.
    ///
    /// # Errors
    /// [`ExplainError`] when that cannot be tried; a decision that differs is no error.
    pub fn replay(&self, engine: &Engine, component: Option<&[u8]>) -> Result<Replay, ExplainError> {
        if self.format != FORMAT {
            return Err(ExplainError::Format(self.format.chars().take(60).collect()));
        }
        let component = component
            .or(self.component.as_ref().map(|component| &component.0[..]))
            .ok_or(ExplainError::NoComponent(self.rule))?;
        let got = RuleDigest::of(component);
        if got != self.rule {
            return Err(ExplainError::OtherComponent { expected: self.rule, got });
        }
        let admitted = engine.admit_in(component, self.tier).map_err(ExplainError::Refused)?;
        self.replay_with(&engine.load(&admitted))
    }

    /// Makes the decision again with the rule, loaded before.
    ///
    /// # Errors
    /// As for [`DecisionRecord::replay`].
    pub fn replay_with(&self, rule: &AlarmRule) -> Result<Replay, ExplainError> {
        if self.format != FORMAT {
            return Err(ExplainError::Format(self.format.chars().take(60).collect()));
        }
        if rule.digest() != self.rule {
            return Err(ExplainError::OtherComponent { expected: self.rule, got: rule.digest() });
        }
        let event = PolicyEvent::try_from(&self.event).map_err(ExplainError::Event)?;
        let mut decision = rule.decide(&self.settings.0, &self.state_before.0, &event);
        // The platform turned an answer that breaks the contract into a fault before it was stored.
        if let Ok(outcome) = &decision.evaluation.result
            && let Err(what) = outcome.check(event.now)
        {
            decision.evaluation.result = Err(PolicyFault::Nonsense { what });
        }
        let Evaluation { result, fuel } = &decision.evaluation;
        let differences = differences((&self.result, self.fuel), (&result.into(), *fuel));
        let settings = rule.describe().schema.decode(&self.settings.0);
        Ok(Replay {
            rule: rule.clone(),
            evaluation: decision.evaluation,
            remarks: decision.remarks,
            differences,
            settings,
        })
    }
}

fn differences((stored, stored_fuel): (&ResultRecord, u64), (now, fuel): (&ResultRecord, u64)) -> Vec<Difference> {
    // What the machine's load decided, and not the rule, cannot come about again.
    if matches!(stored, ResultRecord::Failed(PolicyFault::Suspended | PolicyFault::Deadline)) {
        return Vec::new();
    }
    let mut out = Vec::new();
    let mut part = |part, same: bool, stored: String, now: String| {
        if !same {
            out.push(Difference { part, stored, now });
        }
    };
    if let (ResultRecord::Decided(stored), ResultRecord::Decided(now)) = (stored, now) {
        part("state", stored.state == now.state, stored.state.to_string(), now.state.to_string());
        part("raise", stored.raise == now.raise, format!("{:?}", stored.raise), format!("{:?}", now.raise));
        part("clear", stored.clear == now.clear, format!("{:?}", stored.clear), format!("{:?}", now.clear));
        part(
            "close-valve",
            stored.close_valve == now.close_valve,
            stored.close_valve.to_string(),
            now.close_valve.to_string(),
        );
        part("timers", stored.timers == now.timers, format!("{:?}", stored.timers), format!("{:?}", now.timers));
        part("wake", stored.wake == now.wake, format!("{:?}", stored.wake), format!("{:?}", now.wake));
    } else {
        part("result", stored == now, stored.to_string(), now.to_string());
    }
    part("fuel", stored_fuel == fuel, stored_fuel.to_string(), fuel.to_string());
    out
}

impl ResultRecord {
    /// The fault, if it is one.
    pub const fn fault(&self) -> Option<&PolicyFault> {
        match self {
            Self::Decided(_) => None,
            Self::Failed(fault) => Some(fault),
        }
    }
}

impl fmt::Display for ResultRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decided(_) => f.write_str("a decision"),
            Self::Failed(fault) => write!(f, "a fault: {fault}"),
        }
    }
}

impl From<&PolicyEvent> for EventRecord {
    fn from(event: &PolicyEvent) -> Self {
        let readings = event.readings.iter().map(|reading| ReadingRecord {
            quantity: reading.quantity,
            value: Exact(reading.value),
            at_ms: reading.at.as_millis(),
        });
        Self {
            trigger: event.trigger,
            now_ms: event.now.as_millis(),
            device_kind: event.device_kind,
            valve: event.valve,
            active: Condition::ALL.iter().copied().filter(|condition| event.active.contains(*condition)).collect(),
            installed_at_ms: event.installed_at.map(Timestamp::as_millis),
            readings: readings.collect(),
            extensions: event.extensions.clone(),
        }
    }
}

impl TryFrom<&EventRecord> for PolicyEvent {
    type Error = String;
    fn try_from(record: &EventRecord) -> Result<Self, String> {
        let mut active = ConditionSet::EMPTY;
        record.active.iter().for_each(|condition| active.insert(*condition));
        let readings = record.readings.iter().map(|reading| {
            Reading::new(reading.quantity, reading.value.0, Timestamp::from_millis(reading.at_ms))
                .map_err(|error| error.to_string())
        });
        Ok(Self {
            trigger: record.trigger,
            now: Timestamp::from_millis(record.now_ms),
            device_kind: record.device_kind,
            valve: record.valve,
            active,
            installed_at: record.installed_at_ms.map(Timestamp::from_millis),
            readings: readings.collect::<Result<_, _>>()?,
            extensions: record.extensions.clone(),
        })
    }
}

impl From<&Result<PolicyOutcome, PolicyFault>> for ResultRecord {
    fn from(result: &Result<PolicyOutcome, PolicyFault>) -> Self {
        match result {
            Ok(outcome) => Self::Decided(OutcomeRecord {
                state: Hex(outcome.state.clone()),
                raise: outcome.raise.clone(),
                clear: outcome.clear.clone(),
                close_valve: outcome.close_valve,
                timers: outcome.timers.clone(),
                wake: outcome.wake.as_ref().map(WakeRecord::from),
            }),
            Err(fault) => Self::Failed(fault.clone()),
        }
    }
}

impl From<&Wake> for WakeRecord {
    fn from(wake: &Wake) -> Self {
        Self {
            not_before_ms: wake.not_before.as_millis(),
            unless: exact(&wake.unless),
            unless_below: exact(&wake.unless_below),
            on_valve: wake.on_valve,
        }
    }
}

fn exact(thresholds: &[(Quantity, f64)]) -> Vec<(Quantity, Exact)> {
    thresholds.iter().map(|(quantity, value)| (*quantity, Exact(*value))).collect()
}

/// A float by its bits: equal only when they are.
#[derive(Clone, Copy)]
pub struct Exact(pub f64);

impl PartialEq for Exact {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl fmt::Debug for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}:{}", self.0.to_bits(), self.0)
    }
}

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{self:?}"))
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (bits, decimal) = text.split_once(':').unwrap_or((&text, ""));
        let expected =
            || de::Error::custom(format!("expected 16 hexadecimal digits, `:` and the decimal, got `{text}`"));
        if bits.len() != 16 {
            return Err(expected());
        }
        let value = f64::from_bits(u64::from_str_radix(bits, 16).map_err(|_| expected())?);
        // The decimal is what people read: a record in which it says something else was tampered with.
        if decimal.is_empty() || decimal.parse::<f64>().is_ok_and(|shown| Self(shown) == Self(value)) {
            Ok(Self(value))
        } else {
            Err(de::Error::custom(format!("the decimal beside the bits must be {value}, got `{decimal}`")))
        }
    }
}

/// Bytes, written as hexadecimal.
#[derive(Clone, PartialEq, Eq)]
pub struct Hex(pub Vec<u8>);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        from_hex(&text).map(Self).ok_or_else(|| de::Error::custom("expected an even number of hexadecimal digits"))
    }
}

pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}
