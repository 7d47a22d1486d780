//! A loaded rule of any world: settings in, calls made, each in an instance of its own.
//!
//! What a world's events and outcomes are is in [`crate::alarm`], [`crate::billing`], [`crate::notification`] and
//! [`crate::driver`]; nothing here may look into them.

use crate::admission::{Admitted, Description};
use crate::bindings::WitFault;
use crate::config::Tier;
use crate::digest::RuleDigest;
use crate::engine::Engine;
use crate::instance::{self, Limits, Phase, Place};
use crate::text::plain;
use crate::world::{Alarm, World};
use davy_domain::policy::PolicyFault;
use davy_rules_sdk::codes;
use davy_rules_sdk::schema::SettingsRefused;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use wasmtime::Store;

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

impl ReportedFault {
    pub(crate) fn of(fault: &WitFault) -> Self {
        Self { code: fault.code, field: plain(&fault.field, 200), message: plain(&fault.message, 500) }
    }
}

/// What one call came to, in the worlds that have no fold in the domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated<T> {
    /// The outcome, or why there is none.
    pub result: Result<T, PolicyFault>,
    /// The rule's own fault, when it reported one instead of deciding.
    pub fault: Option<ReportedFault>,
    /// What it cost.
    pub fuel: u64,
}

/// A rule that is ready to run. Cheap to clone.
pub struct Rule<W: World = Alarm> {
    engine: Engine,
    pre: W::Pre,
    digest: RuleDigest,
    description: Arc<Description>,
    tier: Tier,
}

impl<W: World> Clone for Rule<W> {
    fn clone(&self) -> Self {
        Self {
            engine: self.engine.clone(),
            pre: self.pre.clone(),
            digest: self.digest,
            description: Arc::clone(&self.description),
            tier: self.tier,
        }
    }
}

impl<W: World> fmt::Debug for Rule<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("world", &W::KIND)
            .field("name", &self.description.name)
            .field("version", &self.description.version)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// What came of one call, before the outcome is looked at.
pub(crate) struct Called<T> {
    pub(crate) result: Result<Result<T, WitFault>, PolicyFault>,
    pub(crate) fuel: u64,
}

impl<T> Called<T> {
    /// The outcome once `check` has found it to be of the contract.
    pub(crate) fn checked<U>(self, check: impl FnOnce(T) -> Result<U, PolicyFault>) -> Evaluated<U> {
        let (result, fault) = match self.result {
            Ok(Ok(outcome)) => (check(outcome), None),
            Ok(Err(fault)) => (Err(reported(&fault)), Some(ReportedFault::of(&fault))),
            Err(fault) => (Err(fault), None),
        };
        Evaluated { result, fault, fuel: self.fuel }
    }
}

impl<W: World> Rule<W> {
    pub(crate) fn new(engine: Engine, admitted: &Admitted<W>) -> Self {
        Self {
            engine,
            pre: admitted.pre.clone(),
            digest: admitted.digest,
            description: Arc::clone(&admitted.description),
            tier: admitted.tier,
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

    /// The tier that it was admitted in.
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// What a call may cost.
    pub fn fuel_budget(&self) -> u64 {
        self.engine.config().fuel_of(self.tier)
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Checks settings that a person entered (JSON text) against the rule's schema, encodes them, and tries them on the rule.
    ///
    /// # Errors
    /// [`SettingsError`] names the property, what was expected and what came.
    pub fn encode_settings(&self, json: &str) -> Result<SettingsBytes, SettingsError> {
        let bytes = self.description.schema.encode(json)?;
        match self.call(|store, instance| W::try_settings(instance, store, &bytes)).result {
            Ok(Ok(())) => Ok(SettingsBytes(bytes.into())),
            Ok(Err(fault)) if fault.code == codes::fault::SETTINGS => Err(SettingsError::Contradiction {
                field: plain(&fault.field, 200),
                message: plain(&fault.message, 500),
            }),
            Ok(Err(fault)) => Err(SettingsError::Tried(reported(&fault))),
            Err(fault) => Err(SettingsError::Tried(fault)),
        }
    }

    /// One call in a fresh instance with the whole budget.
    pub(crate) fn call<T>(
        &self,
        enter: impl FnOnce(&mut Store<Limits>, &W::Instance) -> wasmtime::Result<Result<T, WitFault>>,
    ) -> Called<T> {
        let inner = self.engine.inner();
        let fuel = self.fuel_budget();
        // Declared before the store, so that the place is given back after the store has left the pool.
        let _place = inner.places.take();
        let mut store = match instance::store(&inner.wasmtime, &inner.config, self.tier, fuel) {
            Ok(store) => store,
            Err(error) => {
                let what = format!("no sandbox: {error:#}");
                return Called { result: Err(PolicyFault::Limit { what }), fuel: 0 };
            }
        };
        let result = match W::instantiate(&self.pre, &mut store) {
            Ok(instance) => {
                enter(&mut store, &instance).map_err(|error| instance::fault(&store, &error, fuel, Phase::Call))
            }
            Err(error) => Err(instance::fault(&store, &error, fuel, Phase::Start)),
        };
        let left = store.get_fuel().unwrap_or(0);
        Called { result, fuel: fuel - left.min(fuel) }
    }
}

/// An instance that lives for several calls, which a decision never does: only for calls whose results are held against fresh
/// instances.
pub(crate) struct Kept<'a, W: World> {
    // In this order: the place is given back after the store has left the pool.
    store: Store<Limits>,
    instance: W::Instance,
    /// What it cost to make the instance.
    start: u64,
    /// What only the first call of an instance costs.
    first: i64,
    calls: u32,
    _place: Place<'a>,
}

impl<W: World> Kept<'_, W> {
    /// How many calls were made in it.
    pub(crate) fn calls(&self) -> u32 {
        self.calls
    }

    /// The first call once more came to `again` instead of `first` units of fuel: the difference is charged to every later
    /// call, each of which would have been the first one of its own instance.
    pub(crate) fn charge_first(&mut self, first: u64, again: u64) {
        self.first = first as i64 - again as i64;
    }
}

impl<W: World> Rule<W> {
    /// An instance to keep; `None` when it cannot be made, which a call in a fresh one will say in words.
    pub(crate) fn keep(&self) -> Option<Kept<'_, W>> {
        let inner = self.engine.inner();
        let place = inner.places.take();
        let fuel = self.fuel_budget();
        let mut store = instance::store(&inner.wasmtime, &inner.config, self.tier, fuel).ok()?;
        let instance = W::instantiate(&self.pre, &mut store).ok()?;
        let start = fuel - store.get_fuel().ok()?.min(fuel);
        Some(Kept { store, instance, start, first: 0, calls: 0, _place: place })
    }

    /// One call in an instance that is kept, with the budget and at the price that it would have in a fresh one.
    pub(crate) fn call_in<T>(
        &self,
        kept: &mut Kept<'_, W>,
        enter: impl FnOnce(&mut Store<Limits>, &W::Instance) -> wasmtime::Result<Result<T, WitFault>>,
    ) -> Called<T> {
        let config = &self.engine.inner().config;
        let fuel = self.fuel_budget();
        let spent = kept.start.saturating_add_signed(kept.first);
        let budget = fuel.saturating_sub(spent);
        kept.calls += 1;
        let result = match instance::renew(&mut kept.store, config, budget) {
            Ok(()) => enter(&mut kept.store, &kept.instance),
            Err(error) => Err(error),
        };
        let result = result.map_err(|error| instance::fault(&kept.store, &error, fuel, Phase::Call));
        let left = kept.store.get_fuel().unwrap_or(0);
        Called { result, fuel: spent + (budget - left.min(budget)) }
    }
}

/// The rule's own fault in one sentence.
pub(crate) fn reported(fault: &WitFault) -> PolicyFault {
    let kind = codes::fault::name(fault.code).unwrap_or("unknown kind");
    let field = if fault.field.is_empty() { String::new() } else { format!(" `{}`", fault.field) };
    PolicyFault::Reported { message: plain(&format!("{kind}{field}: {}", fault.message), 500) }
}
