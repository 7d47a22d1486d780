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

mod alarm;
mod billing;
mod driver;
mod notification;

use crate::alarm::Alarm;
use crate::billing::Billing;
use crate::contract::Fault;
use crate::driver::{Answer, Call, DeviceDriver, Driver};
use crate::notification::Notification;
use crate::policy::{self, Rule, World};
use crate::schema::{Schema, SchemaError, SettingsRefused};
use crate::settings::Settings;
use std::fmt;
use std::marker::PhantomData;

/// Something that evaluates a rule: the native function, or the host's sandbox.
pub trait Evaluator {
    /// Which world's rule.
    type World: World;

    /// The rule's settings schema as text.
    fn schema(&self) -> String;

    /// One call.
    ///
    /// # Errors
    /// [`Failure`] when there was no decision.
    fn evaluate(
        &mut self,
        settings: &[u8],
        state: &[u8],
        event: &<Self::World as World>::Event,
    ) -> Result<<Self::World as World>::Outcome, Failure>;

    /// What the last call cost, where that is measured.
    fn fuel(&self) -> Option<u64> {
        None
    }
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

/// A folding rule as a native function.
#[derive(Debug, Default)]
pub struct Native<R>(PhantomData<R>);

impl<R> Native<R> {
    /// The rule as a native function.
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<R: Rule> Evaluator for Native<R> {
    type World = R::World;

    fn schema(&self) -> String {
        policy::describe::<R>().settings_schema
    }

    fn evaluate(
        &mut self,
        settings: &[u8],
        state: &[u8],
        event: &<R::World as World>::Event,
    ) -> Result<<R::World as World>::Outcome, Failure> {
        policy::run::<R>(settings, state, event).map_err(Failure::Rule)
    }
}

/// A driver as native functions.
#[derive(Debug, Default)]
pub struct NativeDriver<D>(PhantomData<D>);

impl<D> NativeDriver<D> {
    /// The driver as native functions.
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<D: Driver> Evaluator for NativeDriver<D> {
    type World = DeviceDriver;

    fn schema(&self) -> String {
        let mut schema = String::new();
        D::Settings::schema(&mut schema);
        schema
    }

    fn evaluate(&mut self, settings: &[u8], _: &[u8], call: &Call) -> Result<Answer, Failure> {
        match call {
            Call::Decode(uplink) => crate::driver::decode::<D>(settings, uplink).map(Answer::Decoded),
            Call::Encode(order) => crate::driver::encode::<D>(settings, order).map(Answer::Encoded),
        }
        .map_err(Failure::Rule)
    }
}

/// A world as a bench keeps it: what is known of the subject, and what an outcome does to it.
pub trait Subject: World {
    /// What is known of the device, the account, the alarm.
    type Context: Clone + fmt::Debug;

    /// What is known of an ordinary one.
    fn ordinary() -> Self::Context;

    /// The rule's state after an outcome; empty in a world without.
    fn state(outcome: &Self::Outcome) -> &[u8];

    /// What an outcome changes in the context of the next event, as the platform would.
    fn settle(context: &mut Self::Context, outcome: &Self::Outcome);
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

/// One device, account or alarm with a rule, the rule's state, and what the platform would keep beside it.
#[derive(Debug)]
pub struct Bench<E, W: Subject = Alarm> {
    evaluator: E,
    settings: Vec<u8>,
    state: Vec<u8>,
    /// What the next event says of the subject; times and what follows from outcomes are kept by the bench.
    pub context: W::Context,
}

impl Bench<()> {
    /// A bench over an alarm policy's native function, with settings as JSON text (defaults are filled in).
    ///
    /// # Errors
    /// [`BenchError`] when schema or settings are unusable.
    pub fn native<R: Rule<World = Alarm>>(settings: &str) -> Result<Bench<Native<R>>, BenchError> {
        Bench::over(Native::new(), settings)
    }

    /// As [`Bench::native`], over a billing policy.
    ///
    /// # Errors
    /// As [`Bench::native`].
    pub fn billing<R: Rule<World = Billing>>(settings: &str) -> Result<Bench<Native<R>, Billing>, BenchError> {
        Bench::over(Native::new(), settings)
    }

    /// As [`Bench::native`], over a notification policy.
    ///
    /// # Errors
    /// As [`Bench::native`].
    pub fn notification<R: Rule<World = Notification>>(
        settings: &str,
    ) -> Result<Bench<Native<R>, Notification>, BenchError> {
        Bench::over(Native::new(), settings)
    }

    /// As [`Bench::native`], over a driver.
    ///
    /// # Errors
    /// As [`Bench::native`].
    pub fn driver<D: Driver>(settings: &str) -> Result<Bench<NativeDriver<D>, DeviceDriver>, BenchError> {
        Bench::over(NativeDriver::new(), settings)
    }
}

impl<E: Evaluator<World = W>, W: Subject> Bench<E, W> {
    /// A bench over any evaluator.
    ///
    /// # Errors
    /// [`BenchError`] when schema or settings are unusable.
    pub fn over(evaluator: E, settings: &str) -> Result<Self, BenchError> {
        let schema = Schema::parse(&evaluator.schema()).map_err(BenchError::Schema)?;
        let settings = schema.encode(settings).map_err(BenchError::Settings)?;
        Ok(Self { evaluator, settings, state: Vec::new(), context: W::ordinary() })
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

    /// One call, with the event as it is; the outcome's state and effects are kept for the next.
    ///
    /// # Errors
    /// [`Failure`] when there was no decision; state and context are then as before.
    pub fn call(&mut self, event: &W::Event) -> Result<W::Outcome, Failure> {
        let outcome = self.evaluator.evaluate(&self.settings, &self.state, event)?;
        W::state(&outcome).clone_into(&mut self.state);
        W::settle(&mut self.context, &outcome);
        Ok(outcome)
    }
}
