//! Very many tenants, each with a component of its own, in one process: what it takes to load them from the cache, what they keep in
//! memory, and what a call costs when a thousand others have been called since the last one.
//!
//! The components differ by a custom section alone: their code does the same work, but each has a digest, an artifact and machine code
//! of its own, so the processor's caches find nothing of one in another.

use crate::calls::quiet;
use anyhow::{Context, Result};
use davy_rules::{AlarmRule, CompileCache, Engine, EngineConfig, SettingsBytes};
use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// The cache is of this bench alone.
const KEY: [u8; 32] = [7; 32];
/// Instances whose memory an engine keeps for reuse: called once, before memory is measured, so that only the tenants' own is counted.
const WARM_UP: usize = 256;

/// The component with one more custom section that holds a number.
fn numbered(bytes: &[u8], number: usize) -> Vec<u8> {
    const NAME: &[u8] = b"tenant";
    let number = (number as u64).to_le_bytes();
    let size = 1 + NAME.len() + number.len();
    [bytes, &[0, size as u8, NAME.len() as u8], NAME, &number].concat()
}

/// Compiles so many components into a cache, on two threads, and returns how long it took.
///
/// # Errors
/// When one is refused or the folder cannot be made.
pub fn fill(bytes: &[u8], folder: &Path, tenants: usize) -> Result<serde_json::Value> {
    let engine = Engine::on_demand(&EngineConfig::default())?;
    let cache = CompileCache::open(folder, KEY).context("no folder for the cache")?;
    let next = AtomicUsize::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let work = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= tenants {
                    return anyhow::Ok(());
                }
                engine.admit_cached(&numbered(bytes, number), &cache)?;
            }
        };
        let workers = [scope.spawn(work), scope.spawn(work)];
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|_| anyhow::bail!("a worker gave up")))
    })?;
    Ok(serde_json::json!({"compile_s": begun.elapsed().as_secs_f64()}))
}

/// Loads what [`fill`] left in the cache and measures.
///
/// # Errors
/// When a component is refused, or was not in the cache.
pub fn measure(bytes: &[u8], folder: &Path, tenants: usize, rounds: u32) -> Result<serde_json::Value> {
    let files = || -> Result<usize> { Ok(std::fs::read_dir(folder).context("no cache")?.count()) };
    anyhow::ensure!(files()? == tenants, "the cache must hold {tenants} components: fill it first");
    let engine = Engine::new(&EngineConfig::default())?;
    let event = quiet();
    let alone = engine.load(&engine.admit(bytes)?);
    let own = alone.encode_settings("{}")?;
    let state = alone.evaluate(&own, &[], &event).result.context("the rule fails")?.state;
    for _ in 0..WARM_UP {
        black_box(alone.evaluate(&own, &state, &event));
    }
    let cache = CompileCache::open(folder, KEY).context("no folder for the cache")?;
    let components: Vec<Vec<u8>> = (0..tenants).map(|number| numbered(bytes, number)).collect();
    let before = resident_kib()?;
    let begun = Instant::now();
    let rules = components
        .iter()
        .map(|component| {
            let rule = engine.load(&engine.admit_cached(component, &cache)?);
            let settings = rule.encode_settings("{}")?;
            Ok((rule, settings))
        })
        .collect::<Result<Vec<(AlarmRule, SettingsBytes)>>>()?;
    let load_ms = begun.elapsed().as_secs_f64() * 1e3;
    let round_robin = || {
        let begun = Instant::now();
        for (rule, settings) in &rules {
            black_box(rule.evaluate(settings, &state, &event));
        }
        begun.elapsed().as_nanos() as f64 / tenants.max(1) as f64
    };
    let same = || {
        let begun = Instant::now();
        for _ in 0..tenants {
            black_box(alone.evaluate(&own, &state, &event));
        }
        begun.elapsed().as_nanos() as f64 / tenants.max(1) as f64
    };
    // The first round maps the code; it belongs to what a tenant keeps, not to what a call costs.
    let first_ns = round_robin();
    let resident = resident_kib()?.saturating_sub(before);
    let (mut robin_ns, mut same_ns) = (f64::MAX, f64::MAX);
    for _ in 0..rounds.max(1) {
        robin_ns = robin_ns.min(round_robin());
        same_ns = same_ns.min(same());
    }
    anyhow::ensure!(files()? == tenants, "a component was not taken from the cache");
    Ok(serde_json::json!({
        "tenants": tenants, "load_ms": load_ms, "resident_mib": resident as f64 / 1024.0,
        "first_round_ns": first_ns, "round_robin_ns": robin_ns, "same_ns": same_ns,
    }))
}

fn resident_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("this machine does not tell its memory")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no resident memory is told")?;
    line.trim().trim_end_matches(" kB").parse().context("the resident memory is no number")
}
