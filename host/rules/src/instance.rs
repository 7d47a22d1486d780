//! One fresh instance with its limits: the only place where guest code is entered.

use crate::config::{EngineConfig, Tier};
use davy_domain::policy::PolicyFault;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;
use wasmtime::{ResourceLimiter, Store, StoreContextMut, Trap, UpdateDeadline};

/// What a store carries: the limiter, and what it had to deny.
#[derive(Debug)]
pub struct Limits {
    max_memory: usize,
    max_table_elements: usize,
    denied: Option<Denied>,
    cpu_backstop: Duration,
    /// The thread's processor time at the first look at this call.
    first_look: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
enum Denied {
    Memory(usize),
    Table(usize),
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired <= self.max_memory;
        if !allowed {
            self.denied = Some(Denied::Memory(desired));
        }
        Ok(allowed)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired <= self.max_table_elements;
        if !allowed {
            self.denied = Some(Denied::Table(desired));
        }
        Ok(allowed)
    }
}

/// A store with every limit set, before anything is instantiated in it.
pub(crate) fn store(
    engine: &wasmtime::Engine,
    config: &EngineConfig,
    tier: Tier,
    fuel: u64,
) -> wasmtime::Result<Store<Limits>> {
    let limits = Limits {
        max_memory: config.max_memory,
        max_table_elements: config.max_table_elements,
        denied: None,
        cpu_backstop: config.cpu_backstop_of(tier),
        first_look: None,
    };
    let mut store = Store::new(engine, limits);
    store.limiter(|limits| limits);
    store.set_fuel(fuel)?;
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|store| Ok(look(store)));
    store.set_hostcall_fuel(config.max_hostcall_fuel);
    Ok(store)
}

/// Gives a store that has served a call the limits of a new one.
pub(crate) fn renew(store: &mut Store<Limits>, config: &EngineConfig, fuel: u64) -> wasmtime::Result<()> {
    store.data_mut().denied = None;
    store.data_mut().first_look = None;
    store.set_fuel(fuel)?;
    store.set_epoch_deadline(1);
    store.set_hostcall_fuel(config.max_hostcall_fuel);
    Ok(())
}

/// Looks at a call that is still running at a tick: it may go on while its own processor time is within the backstop.
fn look(mut store: StoreContextMut<'_, Limits>) -> UpdateDeadline {
    let now = thread_time();
    let limits = store.data_mut();
    let begun = *limits.first_look.get_or_insert(now);
    if now.saturating_sub(begun) < limits.cpu_backstop {
        UpdateDeadline::Continue(1)
    } else {
        UpdateDeadline::Interrupt
    }
}

/// Processor time that this thread has used.
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Making the instance, the module's start function included.
    Start,
    /// The call.
    Call,
}

/// The typed fault of a failed instantiation or call.
pub(crate) fn fault(store: &Store<Limits>, error: &wasmtime::Error, fuel: u64, phase: Phase) -> PolicyFault {
    let limits = store.data();
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => return PolicyFault::OutOfFuel { limit: fuel },
        Some(Trap::Interrupt) => return PolicyFault::Deadline,
        _ => {}
    }
    match limits.denied {
        // A guest whose growth was denied usually traps right after: the denial is the cause to name.
        Some(Denied::Memory(desired)) => {
            PolicyFault::Limit { what: format!("memory: at most {} bytes, asked for {desired}", limits.max_memory) }
        }
        Some(Denied::Table(desired)) => PolicyFault::Limit {
            what: format!("table: at most {} elements, asked for {desired}", limits.max_table_elements),
        },
        None => match error.downcast_ref::<Trap>() {
            Some(trap) => PolicyFault::Trap { reason: trap.to_string() },
            None if phase == Phase::Start => PolicyFault::Limit { what: format!("no sandbox: {error:#}") },
            None => unlisted(error),
        },
    }
}

/// Not a trap of the guest's code: the host could not make sense of what the guest handed over.
fn unlisted(error: &wasmtime::Error) -> PolicyFault {
    let text: String = error.root_cause().to_string().chars().take(300).collect();
    // The engine has no type for this one; a test holds this text to the engine's version.
    if text.contains("too much data") {
        PolicyFault::Limit { what: "data handed over to the host in one call".into() }
    } else {
        PolicyFault::Nonsense { what: format!("a value that is not of the contract's type: {text}") }
    }
}

/// Counts free places of the instance pool; a call beyond them waits instead of failing.
#[derive(Debug)]
pub(crate) struct Places {
    free: Mutex<u32>,
    freed: Condvar,
}

impl Places {
    pub(crate) fn new(count: u32) -> Self {
        Self { free: Mutex::new(count.max(1)), freed: Condvar::new() }
    }

    pub(crate) fn take(&self) -> Place<'_> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Place(self)
    }
}

/// One taken place; given back when dropped. Must outlive the store that uses it.
#[derive(Debug)]
pub(crate) struct Place<'a>(&'a Places);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}
