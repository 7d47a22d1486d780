//! `cargo xtask bench --peers`: one policy in Davy's sandbox and in other engines, measured by `tests/peers`, which no other build
//! knows of.
//!
//! Must never be part of the other figures' run: it builds two more engines, which takes minutes.

use crate::bins::BUILD_LIMIT;
use crate::process;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::process::Command;

/// Where the section begins in BENCHMARKS.md; everything from here on is replaced.
const HEADING: &str = "\n## Peers\n";

/// Builds and runs the bench, and returns its figures.
pub(super) fn measure(workspace: &Workspace) -> Result<Value> {
    let target = workspace.target.join("peers");
    println!("── peers: building them in release (some minutes when it is the first time)");
    let mut cargo = workspace.cargo();
    cargo.args([
        "build",
        "--release",
        "--locked",
        "--package",
        "davy-peers",
        "--manifest-path",
        "tests/peers/Cargo.toml",
    ]);
    cargo.arg("--target-dir").arg(&target);
    process::run(&mut cargo, &workspace.log("peers-build"), false, BUILD_LIMIT)?;
    println!("── peers: measuring");
    let mut bench = Command::new(target.join("release/davy-peers"));
    bench.current_dir(&workspace.root).arg(target.join("rules"));
    serde_json::from_str(&process::output(&mut bench)?).context("what the peers cost is not JSON")
}

/// The figures as a section of the page, with the machine that they are from.
pub(super) fn section(machine: &Value, figures: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("–").to_owned();
    let mut page = format!(
        "{HEADING}\nOne policy (two levels, persistence, hysteresis) over packs of four readings; settings, state and readings in, state and decision out, the state outside\n\
         of the engine between two calls. What is the same on every side and what is not stands in `tests/peers/src/main.rs`. Written by `cargo xtask bench --peers --write`;\n\
         best and median of interleaved rounds. Machine: {} cores of {}, {}. Load before the run: {}.\n\n\
         | engine | instance | best µs | median µs | of Davy's best |\n| --- | --- | ---: | ---: | ---: |\n",
        machine["cores"],
        text(&machine["cpu"]),
        text(&machine["compiler"]),
        text(&machine["load_before"]),
    );
    let sides = figures.as_array().map(Vec::as_slice).unwrap_or_default();
    let davys = sides.first().and_then(|side| side["best_ns"].as_f64());
    for side in sides {
        let micros =
            |key: &str| side[key].as_f64().map_or_else(|| "–".to_owned(), |nanos| format!("{:.1}", nanos / 1e3));
        let share = side["best_ns"]
            .as_f64()
            .zip(davys)
            .map_or_else(|| "–".to_owned(), |(own, davys)| format!("{:.2}", own / davys));
        let (who, how) = (text(&side["who"]), text(&side["how"]));
        let _ = writeln!(page, "| {who} | {how} | {} | {} | {share} |", micros("best_ns"), micros("median_ns"));
    }
    page
}

/// A page with the section at its end, in place of the one that was there.
pub(super) fn replaced(page: &str, section: &str) -> String {
    let before = page.split_once(HEADING).map_or(page, |(before, _)| before);
    format!("{}\n{section}", before.trim_end_matches('\n'))
}

/// The section of a page, to keep it when the rest is written anew.
pub(super) fn kept(page: &str) -> String {
    page.split_once(HEADING).map(|(_, section)| format!("{HEADING}{section}")).unwrap_or_default()
}

/// The report's part.
pub(super) fn report(machine: &Value, figures: &Value) -> Value {
    json!({"machine": machine, "peers": figures})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_takes_the_place_of_the_one_before_and_leaves_the_rest() {
        let figures = json!([
            {"who": "Davy", "how": "fresh", "best_ns": 5_000.0, "median_ns": 5_500.0},
            {"who": "Other", "how": "reused", "best_ns": 10_000.0, "median_ns": 11_000.0},
        ]);
        let section = section(&json!({"cores": 2}), &figures);
        assert!(section.contains("| Davy | fresh | 5.0 | 5.5 | 1.00 |"), "{section}");
        assert!(section.contains("| Other | reused | 10.0 | 11.0 | 2.00 |"), "{section}");
        let once = replaced("# Benchmarks\n\nrest\n", &section);
        assert_eq!(replaced(&once, &section), once);
        assert!(once.starts_with("# Benchmarks\n\nrest\n\n## Peers\n"));
        assert_eq!(replaced("# Benchmarks\n\nrest\n", &kept(&once)), once);
        assert_eq!(kept("# Benchmarks\n"), "");
    }
}
