//! What a rule may use, and the wasmtime configuration that follows from it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Limits of an engine. The defaults are the published ones of `wit/`; wider is allowed, narrower breaks rules that others
/// wrote to the published limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineConfig {
    /// Fuel of one evaluation in the standard tier: about one unit per Wasm instruction, the same on every machine. This is the
    /// budget.
    pub fuel: u64,
    /// Fuel of one evaluation in the large tier: an interpreter executes dozens of instructions for each of its script's.
    pub large_fuel: u64,
    /// Fuel of the one `describe` call at admission, in the standard tier.
    pub describe_fuel: u64,
    /// The same in the large tier.
    pub large_describe_fuel: u64,
    /// How often a running call is looked at.
    pub epoch_tick: Duration,
    /// Processor time of one call from the first look on. A backstop for what fuel does not count. It is the thread's own time
    /// and not the wall clock's: a call that the machine did not let run must not fail for it.
    pub cpu_backstop: Duration,
    /// The same in the large tier.
    pub large_cpu_backstop: Duration,
    /// Linear memory of one instance, bytes.
    pub max_memory: usize,
    /// Elements of one table.
    pub max_table_elements: usize,
    /// Stack of one call, bytes.
    pub max_wasm_stack: usize,
    /// State that a rule may return, bytes.
    pub max_state: usize,
    /// Data that one call may hand over to the host, bytes as the host holds them.
    pub max_hostcall_fuel: usize,
    /// Readings in one event.
    pub max_readings: usize,
    /// Instances that may live at once; a call beyond that waits for its turn.
    pub pool_size: u32,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            fuel: 2_000_000,
            large_fuel: 50_000_000,
            describe_fuel: 10_000_000,
            large_describe_fuel: 100_000_000,
            epoch_tick: Duration::from_millis(5),
            cpu_backstop: Duration::from_millis(50),
            large_cpu_backstop: Duration::from_millis(250),
            max_memory: 16 << 20,
            max_table_elements: 20_000,
            max_wasm_stack: 512 << 10,
            max_state: davy_domain::policy::MAX_STATE_BYTES,
            max_hostcall_fuel: 1 << 20,
            max_readings: 4_096,
            pool_size: 64,
        }
    }
}

/// Core modules that one component may hold: the rule's own and the few shims of the component encoder.
pub(crate) const MAX_CORE_INSTANCES: u32 = 8;
/// Tables of one component.
pub(crate) const MAX_TABLES: u32 = 8;
/// Memories of one component.
pub(crate) const MAX_MEMORIES: u32 = 1;

impl EngineConfig {
    /// Processor time of one call of a rule of a tier.
    pub(crate) const fn cpu_backstop_of(&self, tier: Tier) -> Duration {
        match tier {
            Tier::Standard => self.cpu_backstop,
            Tier::Large => self.large_cpu_backstop,
        }
    }

    /// Fuel of the `describe` call of a rule of a tier.
    pub(crate) const fn describe_fuel_of(&self, tier: Tier) -> u64 {
        match tier {
            Tier::Standard => self.describe_fuel,
            Tier::Large => self.large_describe_fuel,
        }
    }

    /// Fuel of one evaluation of a rule of a tier.
    pub const fn fuel_of(&self, tier: Tier) -> u64 {
        match tier {
            Tier::Standard => self.fuel,
            Tier::Large => self.large_fuel,
        }
    }

    /// The configuration with a pool of instances: for a process that runs rules.
    pub fn wasmtime(&self) -> Config {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(self.pool_size)
            .total_core_instances(self.pool_size.saturating_mul(MAX_CORE_INSTANCES))
            .total_memories(self.pool_size.saturating_mul(MAX_MEMORIES))
            .total_tables(self.pool_size.saturating_mul(MAX_TABLES))
            .max_core_instances_per_component(MAX_CORE_INSTANCES)
            .max_memories_per_component(MAX_MEMORIES)
            .max_tables_per_component(MAX_TABLES)
            .max_memories_per_module(MAX_MEMORIES)
            .max_tables_per_module(MAX_TABLES)
            .max_memory_size(self.max_memory)
            .table_elements(self.max_table_elements)
            .linear_memory_keep_resident(2 << 20)
            .table_keep_resident(256 << 10)
            // Asking the kernel which pages a call has touched takes the lock of the whole address space: with several threads that
            // costs more than writing the few pages of a rule anew.
            .pagemap_scan(Enabled::No);
        let mut config = self.on_demand();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        config
    }

    /// The configuration without a pool: for a process that admits one component and ends. What it compiles is what the other one loads:
    /// both make the same machine code, and reserve the same for a memory. Everything that could differ between two machines is
    /// off or fixed: relaxed SIMD, NaN bit patterns, and threads, which this build of wasmtime does not contain.
    pub fn on_demand(&self) -> Config {
        let mut config = Config::new();
        config
            .wasm_component_model(true)
            .shared_memory(false)
            .wasm_relaxed_simd(false)
            .wasm_multi_memory(false)
            .wasm_memory64(false)
            .wasm_tail_call(false)
            .concurrency_support(false)
            .consume_fuel(true)
            .epoch_interruption(true)
            .cranelift_nan_canonicalization(true)
            .max_wasm_stack(self.max_wasm_stack)
            .memory_init_cow(true)
            .memory_reservation(self.max_memory as u64)
            .wasm_backtrace_max_frames(None);
        config
    }
}

/// How large and intricate a component may be, and what a call of it may cost. Whoever uploads a rule chooses its tier; the component
/// has no say in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// For rules that are compiled to WebAssembly: the published limits.
    #[default]
    Standard,
    /// For rules that bring an interpreter with them, such as JavaScript's.
    Large,
}

impl Tier {
    /// Every one.
    pub const ALL: &'static [Self] = &[Self::Standard, Self::Large];

    /// Whether it is the one that holds unless another is named.
    pub const fn is_standard(&self) -> bool {
        matches!(self, Self::Standard)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Large => "large",
        }
    }

    /// What a component of it is held to.
    pub const fn caps(self) -> Caps {
        match self {
            Self::Standard => Caps {
                component_size: 2 << 20,
                functions: 10_000,
                body: 128 << 10,
                code: 512 << 10,
                locals: 1_000,
                block_depth: 200,
                loop_depth: 24,
                joins: 1_000_000,
                types: 10_000,
                items: 10_000,
                nesting: 4,
                custom_sections: 64,
                custom_bytes: 1 << 20,
            },
            // What a component of componentize-js needs, and about half as much again.
            Self::Large => Caps {
                component_size: 20 << 20,
                functions: 20_000,
                body: 256 << 10,
                code: 14 << 20,
                locals: 2_000,
                block_depth: 700,
                loop_depth: 24,
                joins: 40_000_000,
                types: 10_000,
                items: 10_000,
                nesting: 4,
                custom_sections: 64,
                custom_bytes: 2 << 20,
            },
        }
    }
}

/// A word that is no tier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `standard` or `large`, got `{0}`")]
pub struct TierError(String);

impl FromStr for Tier {
    type Err = TierError;
    fn from_str(name: &str) -> Result<Self, TierError> {
        let found = Self::ALL.iter().copied().find(|tier| tier.name() == name);
        found.ok_or_else(|| TierError(name.chars().take(40).collect()))
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is counted in a component, and the most of each, before it is validated and compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Bytes of the whole.
    pub component_size: usize,
    /// Functions of all core modules together.
    pub functions: u32,
    /// Bytes of one function's body.
    pub body: u64,
    /// Bytes of all functions' bodies together.
    pub code: u64,
    /// Locals of one function, its parameters included.
    pub locals: u64,
    /// Nested blocks of one function: the compiler recurses over them.
    pub block_depth: usize,
    /// Nested loops of one function: every local that a loop changes costs the compiler at every level.
    pub loop_depth: usize,
    /// Locals times branches, over all functions. The compiler joins every local at every branch, so time and memory grow with
    /// the product: 94 KB of code with 14 million of it took half a minute and 582 MiB to compile.
    pub joins: u64,
    /// Entries of all type sections together.
    pub types: u32,
    /// Nested components, instances, aliases and the like together.
    pub items: u32,
    /// How deep components may lie in each other.
    pub nesting: usize,
    /// Custom sections.
    pub custom_sections: u32,
    /// Bytes of all custom sections together.
    pub custom_bytes: u64,
}
