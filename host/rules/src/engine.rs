//! The engine: one configuration of wasmtime, its pool of instances and its clock.

use crate::admission::{self, Admitted, AnyAdmitted, Refusal};
use crate::config::{EngineConfig, Tier};
use crate::instance::{Limits, Places};
use crate::rule::Rule;
use crate::ticker::Ticker;
use crate::world::World;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use wasmtime::component::Linker;

/// Processor time of one interpreted call.
#[cfg(feature = "interpreter")]
const INTERPRETER_BACKSTOP: std::time::Duration = std::time::Duration::from_mins(1);

/// Why an engine could not be made: the machine or the configuration, never a rule.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refused the configuration or could not reserve the pool's address space.
    #[error(
        "the Wasm engine cannot start with pool_size {pool_size} and max_memory {max_memory}: {reason}; lower one of them"
    )]
    Start {
        /// Instances asked for.
        pool_size: u32,
        /// Bytes for each.
        max_memory: usize,
        /// wasmtime's words.
        reason: String,
    },
    /// The thread that looks at running calls could not be started.
    #[error("the engine's clock thread cannot start; raise the process's thread limit")]
    Clock(#[source] std::io::Error),
}

/// Compiles and runs rules. Cheap to clone; the last clone stops the clock.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) config: EngineConfig,
    pub(crate) linker: Linker<Limits>,
    pub(crate) places: Places,
    _ticker: Ticker,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts an engine.
    ///
    /// # Errors
    /// [`EngineError`] when the machine cannot hold the pool or start a thread.
    pub fn new(config: &EngineConfig) -> Result<Self, EngineError> {
        Self::start(config, &config.wasmtime())
    }

    /// Starts an engine that translates to no machine's code but to a portable one, and interprets that (Pulley). It shares the
    /// front end with the other and nothing of what executes: a second witness for what a rule decides, many times slower.
    ///
    /// # Errors
    /// As for [`Engine::new`].
    #[cfg(feature = "interpreter")]
    pub fn interpreter(config: &EngineConfig) -> Result<Self, EngineError> {
        // The backstop is for what fuel does not count, and measured in this processor's time: here everything takes longer.
        let config = &EngineConfig {
            cpu_backstop: config.cpu_backstop.max(INTERPRETER_BACKSTOP),
            large_cpu_backstop: config.large_cpu_backstop.max(INTERPRETER_BACKSTOP),
            ..config.clone()
        };
        let mut wasmtime = config.wasmtime();
        wasmtime.target("pulley64").map_err(|error| EngineError::Start {
            pool_size: config.pool_size,
            max_memory: config.max_memory,
            reason: format!("{error:#}"),
        })?;
        Self::start(config, &wasmtime)
    }

    /// Starts an engine without a pool, for a process that admits one component and ends. What it compiles loads into
    /// an engine of [`Engine::new`] with the same configuration.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn on_demand(config: &EngineConfig) -> Result<Self, EngineError> {
        Self::start(config, &config.on_demand())
    }

    fn start(config: &EngineConfig, machine: &wasmtime::Config) -> Result<Self, EngineError> {
        let start = |error: wasmtime::Error| EngineError::Start {
            pool_size: config.pool_size,
            max_memory: config.max_memory,
            reason: format!("{error:#}"),
        };
        let wasmtime = wasmtime::Engine::new(machine).map_err(start)?;
        let ticker = Ticker::start(&wasmtime, config.epoch_tick).map_err(EngineError::Clock)?;
        // Nothing is ever added to the linker: a rule imports no function.
        let linker = Linker::new(&wasmtime);
        let places = Places::new(config.pool_size);
        Ok(Self { inner: Arc::new(Inner { wasmtime, config: config.clone(), linker, places, _ticker: ticker }) })
    }

    /// The limits.
    pub fn config(&self) -> &EngineConfig {
        &self.inner.config
    }

    /// Checks an alarm policy, compiles it and asks it to describe itself, all in this process and without its trials: for bytes that
    /// are trusted. What comes from outside goes through [`Admission`](crate::Admission).
    ///
    /// # Errors
    /// [`Refusal`] names the stage, the reason, the place and what to do.
    pub fn admit(&self, component: &[u8]) -> Result<Admitted, Refusal> {
        self.admit_as(component)
    }

    /// As [`Engine::admit`], for a component of another world.
    ///
    /// # Errors
    /// As [`Engine::admit`]; a component of yet another world is refused by name.
    pub fn admit_as<W: World>(&self, component: &[u8]) -> Result<Admitted<W>, Refusal> {
        self.admit_in(component, Tier::Standard)
    }

    /// As [`Engine::admit_as`], for a component of another tier than the standard one.
    ///
    /// # Errors
    /// As [`Engine::admit_as`].
    pub fn admit_in<W: World>(&self, component: &[u8], tier: Tier) -> Result<Admitted<W>, Refusal> {
        admission::admit(self, component, tier)
    }

    /// As [`Engine::admit`], for a component of whichever world it turns out to be.
    ///
    /// # Errors
    /// As [`Engine::admit`].
    pub fn admit_any(&self, component: &[u8]) -> Result<AnyAdmitted, Refusal> {
        admission::admit_any(self, component)
    }

    /// What compiled code depends on beside the component: wasmtime's version and configuration, the processor's features.
    pub(crate) fn identity(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.inner.wasmtime.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }

    /// A rule that is ready to run.
    pub fn load<W: World>(&self, admitted: &Admitted<W>) -> Rule<W> {
        Rule::new(self.clone(), admitted)
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }
}
