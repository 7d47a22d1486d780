//! The statutory floor (法定底线): the alarm behaviour that no tenant's rule can weaken. As data, never as code.
//!
//! Each rule names its jurisdiction, the days it is in force, its source, and whether somebody has checked the figure
//! against that source. A later version of a rule (same `id`, same jurisdiction) takes the place of the earlier one on its
//! day. Rules of a parent jurisdiction hold in all its parts; a part can only add.

use crate::device::{Condition, DeviceKind, Priority};
use crate::quantity::{Quantity, Reading};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// One statutory rule in one version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FloorRule {
    /// A stable name; a later version of the same rule has the same one.
    pub id: String,
    /// Where it is in force: a country (`CN`) or one of its divisions (`CN-310115`), which inherit their parents' rules.
    pub jurisdiction: String,
    /// From when.
    pub effective_from: Timestamp,
    /// Until when (exclusive), if an end is known.
    pub effective_until: Option<Timestamp>,
    /// The standard or law and its clause.
    pub source: String,
    /// Whether a person has compared the figures with the source.
    pub verified: bool,
    /// For which kinds of device.
    pub device_kinds: Vec<DeviceKind>,
    /// Which quantity is judged.
    pub quantity: Quantity,
    /// The lowest value, in the quantity's unit, that raises the alarm.
    pub at_or_above: f64,
    /// Below this the floor lets go again, and a reading counts as low for a reset. Not above `at_or_above`.
    pub clear_below: f64,
    /// The alarm to raise.
    pub condition: Condition,
    /// How urgent it is.
    pub priority: Priority,
    /// Whether every linked valve must be closed.
    pub close: bool,
}

/// The table of statutory rules of all jurisdictions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Floor {
    /// The rules, in any order.
    pub rules: Vec<FloorRule>,
}

/// Why a table is not a floor to stand on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FloorError {
    /// A jurisdiction without any rule: running it would mean running without a floor.
    #[error("no statutory rule for jurisdiction `{jurisdiction}`: add one to the table, with its source")]
    NoRules {
        /// The jurisdiction that was asked for.
        jurisdiction: String,
    },
    /// There are rules, and none that judges gas today.
    #[error(
        "no statutory rule on gas for detectors is in force in jurisdiction `{jurisdiction}`{next}: correct `effective_from` and \
         `effective_until` of the rule in the table, or add the version that is in force now, with its source"
    )]
    NotInForce {
        /// The jurisdiction that was asked for.
        jurisdiction: String,
        /// When the next one begins, if one does.
        next: Next,
    },
    /// A figure that cannot work.
    #[error(
        "statutory rule `{id}`: `clear_below` must be finite and at most `at_or_above` ({at_or_above}), got {clear_below}"
    )]
    Levels {
        /// The rule.
        id: String,
        /// Its level.
        at_or_above: f64,
        /// What came.
        clear_below: f64,
    },
    /// A period that ends before it begins.
    #[error("statutory rule `{id}`: `effective_until` must be after `effective_from`")]
    Period {
        /// The rule.
        id: String,
    },
    /// A condition that belongs to the platform.
    #[error("statutory rule `{id}`: `{condition}` is raised by the platform itself and cannot be a rule's condition")]
    Condition {
        /// The rule.
        id: String,
        /// What came.
        condition: Condition,
    },
}

/// When the next rule on gas comes into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next(pub Option<Timestamp>);

impl core::fmt::Display for Next {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            Some(at) => write!(f, " (the next one begins {} ms after 1970)", at.as_millis()),
            None => write!(f, " (all have ended)"),
        }
    }
}

/// What the floor found in a reading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FloorHit {
    /// The rule's `id`.
    pub rule: String,
    /// The alarm to raise.
    pub condition: Condition,
    /// How urgent it is.
    pub priority: Priority,
    /// Whether every linked valve must be closed.
    pub close: bool,
    /// The reading that did it.
    pub reading: Reading,
}

#[derive(Clone, Debug, PartialEq)]
struct Windowed {
    rule: FloorRule,
    /// When a later version takes its place or it ends.
    until: Timestamp,
    /// Bit `n` stands for the device kind with code `n`.
    kinds: u32,
}

/// The rules of one jurisdiction with its parents', ready to judge readings at any time.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalFloor {
    rules: Vec<Windowed>,
    /// Bit `n` stands for the quantity with code `n`: most readings are of a quantity that no rule judges.
    quantities: u32,
}

impl Floor {
    /// The defaults for mainland China. The figures are from general knowledge and marked `verified: false` until a
    /// person has compared them with the standards.
    pub fn china_default() -> Self {
        // 2020-11-01, when GB 15322-2019 came into force.
        let from = Timestamp::from_millis(1_604_188_800_000);
        let rule =
            |id: &str, source: &str, kinds: &[DeviceKind], quantity, levels: (f64, f64), condition, priority, close| {
                FloorRule {
                    id: id.to_owned(),
                    jurisdiction: "CN".to_owned(),
                    effective_from: from,
                    effective_until: None,
                    source: source.to_owned(),
                    verified: false,
                    device_kinds: kinds.to_vec(),
                    quantity,
                    at_or_above: levels.0,
                    clear_below: levels.1,
                    condition,
                    priority,
                    close,
                }
            };
        let household =
            [DeviceKind::Detector, DeviceKind::Controller, DeviceKind::Valve, DeviceKind::Meter, DeviceKind::Gateway];
        let sensors = [DeviceKind::Detector, DeviceKind::Controller, DeviceKind::WellMonitor];
        Self {
            rules: vec![
                rule(
                    "cn-household-gas",
                    "GB 15322.2-2019: household detectors alarm between 5 and 25 %LEL",
                    &household,
                    Quantity::Gas,
                    (25.0, 5.0),
                    Condition::GasHigh,
                    Priority::Urgent,
                    true,
                ),
                rule(
                    "cn-well-gas",
                    "GB 15322.1-2019 (proxy for wells of the pipe network)",
                    &[DeviceKind::WellMonitor],
                    Quantity::Gas,
                    (25.0, 5.0),
                    Condition::GasHigh,
                    Priority::High,
                    false,
                ),
                rule(
                    "cn-co",
                    "EN 50291-1: alarm within 3 minutes at 300 ppm; taken as instantaneous",
                    &household,
                    Quantity::Co,
                    (300.0, 30.0),
                    Condition::CoHigh,
                    Priority::Urgent,
                    true,
                ),
                rule(
                    "cn-sensor-end-of-life",
                    "GB 15322.2-2019: end-of-life indication",
                    &sensors,
                    Quantity::EndOfLife,
                    (1.0, 0.5),
                    Condition::SensorEndOfLife,
                    Priority::Low,
                    false,
                ),
            ],
        }
    }

    /// The rules that hold in `jurisdiction`, its own and those of its parents (`CN` for `CN-310115`), to run with from `now` on: a table whose rules have all ended, or begin one day, would judge nothing and say nothing.
    ///
    /// # Errors
    /// [`FloorError`], also when no rule on gas is in force.
    pub fn in_force_at(&self, jurisdiction: &str, now: Timestamp) -> Result<LocalFloor, FloorError> {
        let local = self.for_jurisdiction(jurisdiction)?;
        if local.judges_gas(now) {
            return Ok(local);
        }
        let begins = local.rules.iter().filter(|each| each.judges_gas() && each.rule.effective_from > now);
        let next = Next(begins.map(|each| each.rule.effective_from).min());
        Err(FloorError::NotInForce { jurisdiction: jurisdiction.to_owned(), next })
    }

    /// The rules that hold in `jurisdiction`, its own and those of its parents, at whatever time.
    ///
    /// # Errors
    /// [`FloorError`] when there is none, or when a rule's figures cannot work: nothing runs without a floor.
    pub fn for_jurisdiction(&self, jurisdiction: &str) -> Result<LocalFloor, FloorError> {
        let holds = |rule: &&FloorRule| {
            jurisdiction
                .strip_prefix(rule.jurisdiction.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        let chosen: Vec<&FloorRule> = self.rules.iter().filter(holds).collect();
        if chosen.is_empty() {
            return Err(FloorError::NoRules { jurisdiction: jurisdiction.to_owned() });
        }
        let mut rules = Vec::with_capacity(chosen.len());
        for rule in &chosen {
            check(rule)?;
            let successor = chosen
                .iter()
                .filter(|other| {
                    other.id == rule.id
                        && other.jurisdiction == rule.jurisdiction
                        && other.effective_from > rule.effective_from
                })
                .map(|other| other.effective_from)
                .min();
            let end = Timestamp::from_millis(i64::MAX);
            let until = rule.effective_until.unwrap_or(end).min(successor.unwrap_or(end));
            let kinds = rule.device_kinds.iter().fold(0, |bits, kind| bits | 1 << kind.code());
            rules.push(Windowed { rule: (*rule).clone(), until, kinds });
        }
        let quantities = rules.iter().fold(0, |bits, each| bits | 1 << each.rule.quantity.code());
        Ok(LocalFloor { rules, quantities })
    }
}

fn check(rule: &FloorRule) -> Result<(), FloorError> {
    let id = || rule.id.clone();
    let (at_or_above, clear_below) = (rule.at_or_above, rule.clear_below);
    if !at_or_above.is_finite() || !clear_below.is_finite() || clear_below > at_or_above {
        return Err(FloorError::Levels { id: id(), at_or_above, clear_below });
    }
    if rule.effective_until.is_some_and(|until| until <= rule.effective_from) {
        return Err(FloorError::Period { id: id() });
    }
    if !rule.condition.for_rules() {
        return Err(FloorError::Condition { id: id(), condition: rule.condition });
    }
    Ok(())
}

impl Windowed {
    /// Whether it judges the gas that a household's detector measures.
    fn judges_gas(&self) -> bool {
        self.rule.quantity == Quantity::Gas && self.kinds & (1 << DeviceKind::Detector.code()) != 0
    }
}

impl LocalFloor {
    /// Whether a rule on the gas that detectors measure is in force at `now`.
    pub fn judges_gas(&self, now: Timestamp) -> bool {
        self.rules.iter().any(|each| each.judges_gas() && each.rule.effective_from <= now && now < each.until)
    }

    /// The rules in force at `now`.
    pub fn in_force(&self, now: Timestamp) -> impl Iterator<Item = &FloorRule> {
        self.rules.iter().filter(move |each| each.rule.effective_from <= now && now < each.until).map(|each| &each.rule)
    }

    /// The rules in force at `now` for devices of `kind`.
    pub fn for_kind(&self, kind: DeviceKind, now: Timestamp) -> impl Iterator<Item = &FloorRule> {
        let bit = 1 << kind.code();
        self.rules
            .iter()
            .filter(move |each| each.kinds & bit != 0 && each.rule.effective_from <= now && now < each.until)
            .map(|each| &each.rule)
    }

    /// What the floor finds in these readings of a device of `kind`, at most one hit a rule: its highest reading.
    /// `None` when it finds nothing, which allocates nothing.
    pub fn judge(&self, kind: DeviceKind, readings: &[Reading], now: Timestamp) -> Option<Vec<FloorHit>> {
        if !readings.iter().any(|reading| self.quantities & (1 << reading.quantity.code()) != 0) {
            return None;
        }
        let mut hits: Option<Vec<FloorHit>> = None;
        for rule in self.for_kind(kind, now) {
            let worst = readings
                .iter()
                .filter(|reading| reading.quantity == rule.quantity && reading.value >= rule.at_or_above)
                .max_by(|a, b| a.value.total_cmp(&b.value));
            if let Some(&reading) = worst {
                hits.get_or_insert_default().push(FloorHit {
                    rule: rule.id.clone(),
                    condition: rule.condition,
                    priority: rule.priority,
                    close: rule.close,
                    reading,
                });
            }
        }
        hits
    }

    /// Below which value a reading of `quantity` counts as low: the lowest `clear_below` of the rules in force that judge
    /// it. `None` when none does.
    pub fn low_level(&self, quantity: Quantity, now: Timestamp) -> Option<f64> {
        self.in_force(now).filter(|rule| rule.quantity == quantity).map(|rule| rule.clear_below).min_by(f64::total_cmp)
    }
}
