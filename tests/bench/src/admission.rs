//! How long a component takes from its upload to its admission: the whole examination in a process of its own, as the server does it,
//! with the component's own cases and the statutory suite.

use anyhow::Result;
use davy_rules::{Admission, Engine, EngineConfig, Tier};
use std::path::PathBuf;
use std::time::Instant;

/// Examines the component so often by `davyctl` (the program that the server's own child equals in all but its name) and returns the
/// figures.
///
/// # Errors
/// When it is refused, or the program cannot be started.
pub fn measure(bytes: &[u8], davyctl: PathBuf, tier: Tier, rounds: u32) -> Result<serde_json::Value> {
    let engine = Engine::new(&EngineConfig::default())?;
    let admission = Admission::by(davyctl, &["rule", "admit"]);
    let mut took = Vec::new();
    let (mut cases, mut curves) = (0, 0);
    for _ in 0..rounds.max(1) {
        let begun = Instant::now();
        let examined = admission.examine(&engine, bytes, tier, None)?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
        cases = examined.report.cases.len();
        curves = examined.report.conformance.map_or(0, |report| report.runs);
    }
    took.sort_by(f64::total_cmp);
    Ok(serde_json::json!({
        "component_bytes": bytes.len(), "tier": tier.name(), "cases": cases, "curves": curves,
        "median_ms": took[took.len() / 2], "slowest_ms": took.last(),
    }))
}
