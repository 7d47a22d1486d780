//! Feeding events to a rule and looking at what it decides, natively or in the sandbox.
//!
//! ```
//! # use davy_rules_sdk::prelude::*;
//! # #[derive(Settings)] pub struct Limits { #[setting(default = 10.0)] level: f64 }
//! # #[derive(State, Default)] pub struct Memory { over: Hysteresis }
//! # #[alarm_policy(name = "plain", version = "1.0.0")]
//! # pub fn decide(settings: &Limits, memory: &mut Memory, event: &Event) -> Decision {
//! #     let mut decision = Decision::new();
//! #     for reading in event.readings_of(quantity::GAS) {
//! #         if memory.over.update(reading.value, settings.level, settings.level - 2.0) == Edge::Rose {
//! #             decision.raise(condition::GAS_LOW, priority::HIGH);
//! #         }
//! #     }
//! #     decision
//! # }
//! use davy_rules_sdk::harness::Bench;
//!
//! let mut bench = Bench::native::<Policy>(r#"{"level": 12}"#).unwrap();
//! let outcome = bench.readings(1_000, &[(quantity::GAS, 13.0)]).unwrap();
//! assert_eq!(outcome.raises[0].condition, condition::GAS_LOW);
//! ```

use crate::codes::{device_kind, trigger, valve_state};
use crate::contract::{DeviceContext, Event, Fault, Outcome, Reading};
use crate::policy::{self, AlarmPolicy};
use crate::schema::{Schema, SchemaError, SettingsRefused};
use std::fmt;
use std::marker::PhantomData;

/// Something that evaluates a rule: the native function, or the host's sandbox.
pub trait Evaluator {
    /// The rule's settings schema as text.
    fn schema(&self) -> String;

    /// One call.
    ///
    /// # Errors
    /// [`Failure`] when there was no decision.
    fn evaluate(&mut self, settings: &[u8], state: &[u8], event: &Event) -> Result<Outcome, Failure>;
}

/// Why there was no decision.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// The rule said so itself.
    Rule(Fault),
    /// The host stopped it or refused its outcome; in the host's words.
    Host(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(fault) => {
                let kind = crate::codes::fault::name(fault.code).unwrap_or("unknown");
                let at = if fault.field.is_empty() { String::new() } else { format!(" `{}`", fault.field) };
                write!(f, "the rule's fault ({kind}{at}): {}", fault.message)
            }
            Self::Host(message) => f.write_str(message),
        }
    }
}

/// The rule as a native function.
#[derive(Debug, Default)]
pub struct Native<P>(PhantomData<P>);

impl<P> Native<P> {
    /// The rule as a native function.
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<P: AlarmPolicy> Evaluator for Native<P> {
    fn schema(&self) -> String {
        policy::describe::<P>().settings_schema
    }

    fn evaluate(&mut self, settings: &[u8], state: &[u8], event: &Event) -> Result<Outcome, Failure> {
        policy::run::<P>(settings, state, event).map_err(Failure::Rule)
    }
}

/// Why a bench could not be set up.
#[derive(Clone, Debug, PartialEq)]
pub enum BenchError {
    /// The rule's schema is not one that the host understands.
    Schema(SchemaError),
    /// The settings do not fit the schema.
    Settings(SettingsRefused),
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema(error) => write!(f, "the rule's settings schema is unusable: {error}"),
            Self::Settings(error) => write!(f, "the settings do not fit the rule's schema: {error}"),
        }
    }
}

impl std::error::Error for BenchError {}

/// One device with a rule, its state, and its active alarms as the host would keep them.
#[derive(Debug)]
pub struct Bench<E> {
    evaluator: E,
    settings: Vec<u8>,
    state: Vec<u8>,
    /// What the next event says of the device; `now_ms` and `active_conditions` are kept by the bench.
    pub context: DeviceContext,
}

impl<P: AlarmPolicy> Bench<Native<P>> {
    fn of_policy(settings: &str) -> Result<Self, BenchError> {
        Self::over(Native::new(), settings)
    }
}

impl Bench<()> {
    /// A bench over the native function, with settings as JSON text (defaults are filled in).
    ///
    /// # Errors
    /// [`BenchError`] when schema or settings are unusable.
    pub fn native<P: AlarmPolicy>(settings: &str) -> Result<Bench<Native<P>>, BenchError> {
        Bench::<Native<P>>::of_policy(settings)
    }
}

impl<E: Evaluator> Bench<E> {
    /// A bench over any evaluator.
    ///
    /// # Errors
    /// [`BenchError`] when schema or settings are unusable.
    pub fn over(evaluator: E, settings: &str) -> Result<Self, BenchError> {
        let schema = Schema::parse(&evaluator.schema()).map_err(BenchError::Schema)?;
        let settings = schema.encode(settings).map_err(BenchError::Settings)?;
        let context = DeviceContext {
            now_ms: 0,
            installed_at_ms: None,
            last_maintained_at_ms: None,
            active_conditions: 0,
            device_kind: device_kind::DETECTOR,
            valve_state: valve_state::OPEN,
        };
        Ok(Self { evaluator, settings, state: Vec::new(), context })
    }

    /// The encoded settings.
    pub fn settings(&self) -> &[u8] {
        &self.settings
    }

    /// The rule's state after the last event.
    pub fn state(&self) -> &[u8] {
        &self.state
    }

    /// The evaluator.
    pub fn evaluator(&self) -> &E {
        &self.evaluator
    }

    /// New readings, all measured at `now_ms`: (quantity code, value).
    ///
    /// # Errors
    /// [`Failure`] when there was no decision; state and alarms are then as before.
    pub fn readings(&mut self, now_ms: i64, readings: &[(u16, f64)]) -> Result<Outcome, Failure> {
        let readings = readings.iter().map(|(quantity, value)| Reading {
            at_ms: now_ms,
            value: *value,
            quantity: *quantity,
            channel: 0,
        });
        self.event(now_ms, trigger::READINGS, 0, readings.collect())
    }

    /// A timer of the rule is due.
    ///
    /// # Errors
    /// As [`Bench::readings`].
    pub fn timer(&mut self, now_ms: i64, id: u32) -> Result<Outcome, Failure> {
        self.event(now_ms, trigger::TIMER, id, Vec::new())
    }

    /// The linked valve moved to a state code.
    ///
    /// # Errors
    /// As [`Bench::readings`].
    pub fn valve(&mut self, now_ms: i64, state: u16) -> Result<Outcome, Failure> {
        self.context.valve_state = state;
        self.event(now_ms, trigger::VALVE_MOVED, 0, Vec::new())
    }

    /// Any event.
    ///
    /// # Errors
    /// As [`Bench::readings`].
    pub fn event(
        &mut self,
        now_ms: i64,
        trigger: u16,
        timer_id: u32,
        readings: Vec<Reading>,
    ) -> Result<Outcome, Failure> {
        self.context.now_ms = now_ms;
        let event = Event { context: self.context, trigger, timer_id, readings, extensions: Vec::new() };
        let outcome = self.evaluator.evaluate(&self.settings, &self.state, &event)?;
        self.state.clone_from(&outcome.state);
        for raise in outcome.raises.iter().filter(|raise| raise.condition < 64) {
            self.context.active_conditions |= 1 << raise.condition;
        }
        for condition in outcome.clears.iter().filter(|condition| **condition < 64) {
            self.context.active_conditions &= !(1 << condition);
        }
        Ok(outcome)
    }
}
