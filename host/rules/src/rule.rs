//! A loaded rule: settings in, events folded, each call in an instance of its own.

use crate::admission::{Admitted, Description};
use crate::bindings::{AlarmPolicyPre, DeviceContext, WitEvent, WitFault, WitOutcome};
use crate::convert::{self, EventParts};
use crate::engine::Engine;
use crate::instance::{self, Limits, Phase};
use davy_domain::policy::{AlarmPolicy, Evaluation, PolicyEvent, PolicyFault};
use davy_domain::{Condition, DeviceKind, ValveState};
use davy_rules_sdk::codes;
use davy_rules_sdk::schema::SettingsRefused;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// SHA-256 of a component: which rule it is, to the byte.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RuleDigest([u8; 32]);

impl RuleDigest {
    /// The digest of a component's bytes.
    pub fn of(component: &[u8]) -> Self {
        Self(Sha256::digest(component).into())
    }

    /// From its 32 bytes, as stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for RuleDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RuleDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a rule digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `sha256:` and 64 hexadecimal digits, got `{0}`")]
pub struct DigestError(String);

impl FromStr for RuleDigest {
    type Err = DigestError;
    fn from_str(text: &str) -> Result<Self, DigestError> {
        let error = || DigestError(text.chars().take(80).collect());
        let bytes = text.strip_prefix("sha256:").and_then(crate::explain::from_hex).ok_or_else(error)?;
        bytes.try_into().map(Self).map_err(|_| error())
    }
}

impl From<RuleDigest> for String {
    fn from(digest: RuleDigest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for RuleDigest {
    type Error = DigestError;
    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

/// Settings in the form that a rule gets and the platform stores: deterministic CBOR (RFC 8949 §4.2.1), defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SettingsBytes(Arc<[u8]>);

impl SettingsBytes {
    /// Settings that were encoded before, as stored.
    pub fn from_stored(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl AsRef<[u8]> for SettingsBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl std::ops::Deref for SettingsBytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Why settings cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A property does not fit the rule's schema.
    #[error("setting `{field}`: expected {expected}, got {got}")]
    Field {
        /// The property, with the groups it lies in: `alarm.low-level`; empty for the whole.
        field: String,
        /// What was expected, with unit and range.
        expected: String,
        /// What came.
        got: String,
    },
    /// Each property fits, but the rule itself does not take them together.
    #[error("setting `{field}`: {message}")]
    Contradiction {
        /// The property that the rule names.
        field: String,
        /// The rule's words.
        message: String,
    },
    /// The rule failed when the settings were tried on it.
    #[error("the rule fails with these settings: {0}")]
    Tried(#[source] PolicyFault),
}

impl From<SettingsRefused> for SettingsError {
    fn from(refused: SettingsRefused) -> Self {
        Self::Field { field: refused.field, expected: refused.expected, got: refused.got }
    }
}

/// What a rule says beside its decision: for the record, with no effect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remarks {
    /// Notes, at most 8 of 200 characters.
    pub notes: Vec<String>,
    /// The condition that the valve is closed for.
    pub close_reason: Option<Condition>,
    /// The text code of each raise, in the order of the raises; 0 for none.
    pub texts: Vec<u16>,
    /// The rule's own fault, when it reported one instead of deciding.
    pub fault: Option<ReportedFault>,
}

/// A fault in the rule's own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedFault {
    /// Kind code: 1 settings, 2 state, 3 event, 4 other.
    pub code: u16,
    /// For kind 1 the settings property.
    pub field: String,
    /// What was expected and what came, cut to 500 characters.
    pub message: String,
}

/// One decision with its remarks.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The outcome or the fault, and what it cost.
    pub evaluation: Evaluation,
    /// What the rule said beside it.
    pub remarks: Remarks,
}

/// A rule that is ready to run. Cheap to clone.
#[derive(Clone)]
pub struct AlarmRule {
    engine: Engine,
    pre: AlarmPolicyPre<Limits>,
    digest: RuleDigest,
    description: Arc<Description>,
}

impl fmt::Debug for AlarmRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlarmRule")
            .field("name", &self.description.name)
            .field("version", &self.description.version)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// What came of one call, before the outcome is looked at.
struct Called {
    result: Result<Result<WitOutcome, WitFault>, PolicyFault>,
    fuel: u64,
}

impl AlarmRule {
    pub(crate) fn new(engine: Engine, admitted: &Admitted) -> Self {
        Self {
            engine,
            pre: admitted.pre.clone(),
            digest: admitted.digest,
            description: Arc::clone(&admitted.description),
        }
    }

    /// SHA-256 of the component.
    pub fn digest(&self) -> RuleDigest {
        self.digest
    }

    /// What the rule says of itself.
    pub fn describe(&self) -> &Description {
        &self.description
    }

    /// Checks settings that a person entered (JSON text) against the rule's schema, encodes them, and tries them on the rule.
    ///
    /// # Errors
    /// [`SettingsError`] names the property, what was expected and what came.
    pub fn encode_settings(&self, json: &str) -> Result<SettingsBytes, SettingsError> {
        let bytes = self.description.schema.encode(json)?;
        let event = WitEvent {
            context: DeviceContext {
                // Any fixed time does: the trial must not depend on when it is made.
                now_ms: 1_767_225_600_000,
                installed_at_ms: None,
                last_maintained_at_ms: None,
                active_conditions: 0,
                device_kind: DeviceKind::Detector.code(),
                valve_state: ValveState::Unknown.code(),
            },
            trigger: convert::START,
            timer_id: 0,
            readings: &[],
            extensions: &[],
        };
        match self.call(&bytes, &[], event).result {
            Ok(Ok(_)) => Ok(SettingsBytes(bytes.into())),
            Ok(Err(fault)) if fault.code == codes::fault::SETTINGS => Err(SettingsError::Contradiction {
                field: convert::plain(&fault.field, 200),
                message: convert::plain(&fault.message, 500),
            }),
            Ok(Err(fault)) => Err(SettingsError::Tried(reported(&fault))),
            Err(fault) => Err(SettingsError::Tried(fault)),
        }
    }

    /// Folds one event. The same settings, state and event give the same evaluation, fuel included, on every machine.
    pub fn evaluate(&self, settings: &[u8], state: &[u8], event: &PolicyEvent) -> Evaluation {
        self.decide(settings, state, event).evaluation
    }

    /// Folds one event and keeps what the rule said beside its decision.
    pub fn decide(&self, settings: &[u8], state: &[u8], event: &PolicyEvent) -> Decision {
        let config = self.engine.config();
        let failed =
            |fault, fuel| Decision { evaluation: Evaluation { result: Err(fault), fuel }, remarks: Remarks::default() };
        if event.readings.len() > config.max_readings {
            let what = format!("readings in one event: at most {}, got {}", config.max_readings, event.readings.len());
            return failed(PolicyFault::Limit { what }, 0);
        }
        let parts = EventParts::of(event);
        let called = self.call(settings, state, parts.event(event));
        match called.result {
            Ok(Ok(outcome)) => convert::decision(outcome, event.now, called.fuel, config, &self.description),
            Ok(Err(fault)) => {
                let mut decision = failed(reported(&fault), called.fuel);
                decision.remarks.fault = Some(ReportedFault {
                    code: fault.code,
                    field: convert::plain(&fault.field, 200),
                    message: convert::plain(&fault.message, 500),
                });
                decision
            }
            Err(fault) => failed(fault, called.fuel),
        }
    }

    /// This rule with settings bound: what the fold knows as a policy.
    pub fn bind(&self, settings: SettingsBytes) -> BoundRule {
        BoundRule { rule: self.clone(), settings }
    }

    fn call(&self, settings: &[u8], state: &[u8], event: WitEvent<'_>) -> Called {
        let inner = self.engine.inner();
        let fuel = inner.config.fuel;
        // Declared before the store, so that the place is given back after the store has left the pool.
        let _place = inner.places.take();
        let mut store = match instance::store(&inner.wasmtime, &inner.config, fuel) {
            Ok(store) => store,
            Err(error) => {
                let what = format!("no sandbox: {error:#}");
                return Called { result: Err(PolicyFault::Limit { what }), fuel: 0 };
            }
        };
        let result = match self.pre.instantiate(&mut store) {
            Ok(policy) => policy
                .davy_rules_alarm()
                .call_evaluate(&mut store, settings, state, event)
                .map_err(|error| instance::fault(&store, &error, fuel, Phase::Call)),
            Err(error) => Err(instance::fault(&store, &error, fuel, Phase::Start)),
        };
        let left = store.get_fuel().unwrap_or(0);
        Called { result, fuel: fuel - left.min(fuel) }
    }
}

/// The rule's own fault in one sentence.
fn reported(fault: &WitFault) -> PolicyFault {
    let kind = codes::fault::name(fault.code).unwrap_or("unknown kind");
    let field = if fault.field.is_empty() { String::new() } else { format!(" `{}`", fault.field) };
    PolicyFault::Reported { message: convert::plain(&format!("{kind}{field}: {}", fault.message), 500) }
}

/// A rule with its settings.
#[derive(Clone, Debug)]
pub struct BoundRule {
    rule: AlarmRule,
    settings: SettingsBytes,
}

impl BoundRule {
    /// The rule.
    pub fn rule(&self) -> &AlarmRule {
        &self.rule
    }

    /// Its settings.
    pub fn settings(&self) -> &SettingsBytes {
        &self.settings
    }
}

impl AlarmPolicy for BoundRule {
    fn evaluate(&self, state: &[u8], event: &PolicyEvent) -> Evaluation {
        self.rule.evaluate(&self.settings, state, event)
    }
}
