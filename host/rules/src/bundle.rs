//! Decisions in one file with everything that it takes to make them again, without a server: `davy-bundle/1` and `davy-bundle/2`, JSON.
//!
//! Each component is in it once, under its digest; each decision as the record that [`DecisionRecord`] describes, and in `davy-bundle/2`
//! each decision on whom to tell as a [`NotificationRecord`]. A bundle is
//! opened only when it is whole: every component has the digest that it is named by, and every decision has its component. A
//! decision that was altered is found by making it again.
//!
//! Must never take a component's word for its digest, nor run anything that was not admitted.

use crate::admission::Refusal;
use crate::alarm::AlarmRule;
use crate::config::Tier;
use crate::digest::RuleDigest;
use crate::engine::Engine;
use crate::explain::{DecisionRecord, Difference, Exact, ExplainError, FORMAT as RECORD_FORMAT, Hex};
use crate::notification::record::{FORMAT as TOLD_FORMAT, NotificationRecord};
use crate::rule::Rule;
use crate::world::{Alarm, Notification, World};
use davy_domain::{Condition, DeviceId, Priority, Quantity};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The format of a bundle whose decisions are all of alarm policies.
pub const FORMAT: &str = "davy-bundle/1";
/// The format of a bundle with decisions on whom to tell among them.
pub const FORMAT_TOLD: &str = "davy-bundle/2";

/// Decisions with the components that made them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Bundle {
    /// [`FORMAT`], or [`FORMAT_TOLD`].
    pub format: String,
    /// What the decisions are about, such as the id of an alarm.
    pub about: String,
    /// The components, each once.
    pub components: Vec<BundledComponent>,
    /// The decisions, first to last.
    pub decisions: Vec<BundledDecision>,
    /// The decisions on whom to tell, first to last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notifications: Vec<BundledNotification>,
}

/// A component of a bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BundledComponent {
    /// Its SHA-256.
    pub digest: RuleDigest,
    /// Its bytes.
    pub component: Hex,
}

/// A decision of a bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BundledDecision {
    /// Its number on the server that made it; later decisions about a device have higher ones.
    pub number: i64,
    /// About which device.
    pub device: DeviceId,
    /// When it was made, milliseconds since 1970.
    pub at_ms: i64,
    /// What the statutory floor had found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub floor: Vec<FloorRecord>,
    /// The rule's decision; none when no rule was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<DecisionRecord>,
}

/// A decision on whom to tell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BundledNotification {
    /// Its number on the server that made it, among the decisions of this kind.
    pub number: i64,
    /// When it was made, milliseconds since 1970.
    pub at_ms: i64,
    /// The decision.
    pub record: NotificationRecord,
}

/// What the statutory floor found in a reading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FloorRecord {
    /// Which rule of the floor.
    pub rule: String,
    /// The alarm that it raises.
    pub condition: Condition,
    /// How urgent.
    pub priority: Priority,
    /// Whether it closes every linked valve.
    pub close: bool,
    /// What was measured.
    pub quantity: Quantity,
    /// The value in the quantity's unit.
    pub value: Exact,
    /// When it was measured, milliseconds since 1970.
    pub at_ms: i64,
}

/// Why a bundle is not used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Not JSON of the format's form.
    #[error("not a bundle of the format {FORMAT} or {FORMAT_TOLD}: {0}")]
    Form(#[source] serde_json::Error),
    /// Another format.
    #[error("expected a bundle of the format {FORMAT} or {FORMAT_TOLD}, got {0}")]
    Format(String),
    /// Parts that do not fit together: it was altered after it was written.
    #[error("the bundle was altered or is not whole:\n  {}", .0.join("\n  "))]
    Altered(Vec<String>),
    /// A component is not admitted by this version of the platform.
    #[error("the component {digest} is refused by this version of the platform")]
    Refused {
        /// Which one.
        digest: RuleDigest,
        /// Why.
        #[source]
        refusal: Box<Refusal>,
    },
    /// A decision cannot be made again.
    #[error("decision {number} cannot be made again")]
    Decision {
        /// Which one.
        number: i64,
        /// Why.
        #[source]
        source: ExplainError,
    },
}

/// A decision that was made again.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Replayed {
    /// Its number.
    pub number: i64,
    /// About which device.
    pub device: DeviceId,
    /// When it was made, milliseconds since 1970.
    pub at_ms: i64,
    /// Which rule; none when the floor had decided alone.
    pub rule: Option<ReplayedRule>,
    /// Where it came out differently, fuel among it; empty when it is the same to the byte and to the unit of fuel.
    pub differences: Vec<Difference>,
}

/// A decision on whom to tell that was made again.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReplayedNotification {
    /// Its number.
    pub number: i64,
    /// When it was made, milliseconds since 1970.
    pub at_ms: i64,
    /// Which rule.
    pub rule: ReplayedRule,
    /// Where it came out differently, fuel among it.
    pub differences: Vec<Difference>,
}

/// The rule of a decision that was made again.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReplayedRule {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Which one, to the byte.
    pub digest: RuleDigest,
    /// What the call cost now.
    pub fuel: u64,
}

impl Bundle {
    /// A bundle that is begun.
    pub fn new(about: impl Into<String>) -> Self {
        Self {
            format: FORMAT.into(),
            about: about.into(),
            components: Vec::new(),
            decisions: Vec::new(),
            notifications: Vec::new(),
        }
    }

    /// Adds a component unless it is there.
    pub fn add_component(&mut self, component: &[u8]) -> RuleDigest {
        let digest = RuleDigest::of(component);
        if self.components.iter().all(|known| known.digest != digest) {
            self.components.push(BundledComponent { digest, component: Hex(component.into()) });
        }
        digest
    }

    /// Adds a decision. A component that the record holds moves to those of the bundle.
    pub fn add(&mut self, mut decision: BundledDecision) {
        if let Some(component) = decision.record.as_mut().and_then(|record| record.component.take()) {
            self.add_component(&component.0);
        }
        self.decisions.push(decision);
    }

    /// Adds a decision on whom to tell; its component is added apart.
    pub fn add_notification(&mut self, decision: BundledNotification) {
        FORMAT_TOLD.clone_into(&mut self.format);
        self.notifications.push(decision);
    }

    /// The file.
    ///
    /// # Errors
    /// Never, but for what `serde_json` may find.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    /// Reads a file, and makes sure that its parts fit together.
    ///
    /// # Errors
    /// [`BundleError`] lists everything that does not fit.
    pub fn open(file: &[u8]) -> Result<Self, BundleError> {
        let bundle: Self = serde_json::from_slice(file).map_err(BundleError::Form)?;
        if bundle.format != FORMAT && bundle.format != FORMAT_TOLD {
            return Err(BundleError::Format(bundle.format.chars().take(60).collect()));
        }
        let mut faults = Vec::new();
        let mut known = BTreeSet::new();
        for BundledComponent { digest, component } in &bundle.components {
            let got = RuleDigest::of(&component.0);
            if got != *digest {
                faults.push(format!("expected a component with the digest {digest}, got one with {got}"));
            }
            if !known.insert(*digest) {
                faults.push(format!("the component {digest} is there twice"));
            }
        }
        let mut used = BTreeSet::new();
        let mut numbers = BTreeSet::new();
        for decision in &bundle.decisions {
            let number = decision.number;
            if !numbers.insert(number) {
                faults.push(format!("decision {number} is there twice"));
            }
            let Some(record) = &decision.record else { continue };
            used.insert(record.rule);
            if record.format != RECORD_FORMAT {
                let format: String = record.format.chars().take(60).collect();
                faults
                    .push(format!("decision {number}: expected a record of the format {RECORD_FORMAT}, got {format}"));
            }
            if !known.contains(&record.rule) {
                faults.push(format!("decision {number} was made by {}, which is not in the bundle", record.rule));
            }
            if record.component.is_some() {
                faults.push(format!("decision {number} holds a component of its own: it belongs among the bundle's"));
            }
            if record.event.now_ms != decision.at_ms {
                let (at, now) = (decision.at_ms, record.event.now_ms);
                faults.push(format!("decision {number} is said to be of {at} ms, and its event is of {now} ms"));
            }
        }
        if bundle.format == FORMAT && !bundle.notifications.is_empty() {
            faults.push(format!("decisions on whom to tell are in a bundle of the format {FORMAT}, which has none"));
        }
        bundle.check_notifications(&known, &mut used, &mut faults);
        for unused in known.difference(&used) {
            faults.push(format!("the component {unused} made none of the decisions"));
        }
        if faults.is_empty() { Ok(bundle) } else { Err(BundleError::Altered(faults)) }
    }

    fn check_notifications(
        &self,
        known: &BTreeSet<RuleDigest>,
        used: &mut BTreeSet<RuleDigest>,
        faults: &mut Vec<String>,
    ) {
        let mut numbers = BTreeSet::new();
        for BundledNotification { number, at_ms, record } in &self.notifications {
            let what = format!("decision {number} on whom to tell");
            if !numbers.insert(number) {
                faults.push(format!("{what} is there twice"));
            }
            used.insert(record.rule);
            if record.format != TOLD_FORMAT {
                let format: String = record.format.chars().take(60).collect();
                faults.push(format!("{what}: expected a record of the format {TOLD_FORMAT}, got {format}"));
            }
            if !known.contains(&record.rule) {
                faults.push(format!("{what} was made by {}, which is not in the bundle", record.rule));
            }
            if record.event.now_ms != *at_ms {
                let now = record.event.now_ms;
                faults.push(format!("{what} is said to be of {at_ms} ms, and its event is of {now} ms"));
            }
        }
    }

    /// The components of a world, each loaded in the tier in which it was admitted when it decided.
    fn loaded<W: World>(
        &self,
        engine: &Engine,
        tiers: &BTreeMap<RuleDigest, Tier>,
    ) -> Result<BTreeMap<RuleDigest, Rule<W>>, BundleError> {
        let mut rules = BTreeMap::new();
        for BundledComponent { digest, component } in &self.components {
            let Some(tier) = tiers.get(digest) else { continue };
            let admitted = engine.admit_in::<W>(&component.0, *tier);
            let admitted =
                admitted.map_err(|refusal| BundleError::Refused { digest: *digest, refusal: Box::new(refusal) })?;
            rules.insert(*digest, engine.load(&admitted));
        }
        Ok(rules)
    }

    /// Makes every decision again.
    ///
    /// # Errors
    /// [`BundleError`] when that cannot be tried; a decision that differs is no error.
    pub fn replay(&self, engine: &Engine) -> Result<Vec<Replayed>, BundleError> {
        let records = self.decisions.iter().filter_map(|decision| decision.record.as_ref());
        let tiers = records.map(|record| (record.rule, record.tier)).collect();
        let rules = self.loaded::<Alarm>(engine, &tiers)?;
        self.decisions.iter().map(|decision| replay(decision, &rules)).collect()
    }

    /// Makes every decision on whom to tell again.
    ///
    /// # Errors
    /// [`BundleError`] when that cannot be tried; a decision that differs is no error.
    pub fn replay_notifications(&self, engine: &Engine) -> Result<Vec<ReplayedNotification>, BundleError> {
        let tiers = self.notifications.iter().map(|decision| (decision.record.rule, decision.record.tier)).collect();
        let rules = self.loaded::<Notification>(engine, &tiers)?;
        let again = self.notifications.iter().map(|BundledNotification { number, at_ms, record }| {
            let missing = || BundleError::Decision { number: *number, source: ExplainError::NoComponent(record.rule) };
            let rule = rules.get(&record.rule).ok_or_else(missing)?;
            let again = record.replay_with(rule.clone());
            let rule = ReplayedRule::of(rule, again.evaluated.fuel);
            Ok(ReplayedNotification { number: *number, at_ms: *at_ms, rule, differences: again.differences })
        });
        again.collect()
    }
}

impl ReplayedRule {
    fn of<W: World>(rule: &Rule<W>, fuel: u64) -> Self {
        let about = rule.describe();
        Self { name: about.name.clone(), version: about.version.clone(), digest: rule.digest(), fuel }
    }
}

fn replay(decision: &BundledDecision, rules: &BTreeMap<RuleDigest, AlarmRule>) -> Result<Replayed, BundleError> {
    let mut replayed = Replayed {
        number: decision.number,
        device: decision.device,
        at_ms: decision.at_ms,
        rule: None,
        differences: Vec::new(),
    };
    let Some(record) = &decision.record else { return Ok(replayed) };
    let failed = |source| BundleError::Decision { number: decision.number, source };
    let rule = rules.get(&record.rule).ok_or(ExplainError::NoComponent(record.rule)).map_err(failed)?;
    let again = record.replay_with(rule).map_err(failed)?;
    replayed.differences = again.differences;
    replayed.rule = Some(ReplayedRule::of(rule, again.evaluation.fuel));
    Ok(replayed)
}
