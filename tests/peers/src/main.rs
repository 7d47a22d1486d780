//! `davy-peers`: one alarm policy, called through Davy's sandbox and through three other engines that programs embed.
//!
//! The work is the same on every side. A policy of two levels, each with persistence and hysteresis, judges a pack of four readings (one
//! of them gas). Settings, state and readings go in, a new state and a decision come out, and between two calls the state is bytes of
//! the caller's. The same fifty packs go through a leak and its end; every side must decide the same on each, or nothing is measured.
//!
//! | side        | what goes in and out                                             | what lasts between calls, "reused" | "fresh" |
//! | ----------- | ---------------------------------------------------------------- | ---------------------------------- | ------- |
//! | Davy        | the contract's records; CBOR settings, state of the SDK's encoding | –                                  | a pooled instance for each call, with fuel, memory and time limits; the outcome is checked part by part |
//! | QuickJS     | one JSON text each way, parsed and written by the script          | the context, with the function     | a context for each call, with the script evaluated in it |
//! | Rhai        | one JSON text each way, parsed and written by the host            | engine and syntax tree             | – (a call has a scope of its own anyway) |
//! | Extism      | one JSON text each way, parsed and written by the plugin          | the plugin's instance              | an instance for each call of a plugin compiled before |
//!
//! Davy's limits are on; the others run without any. Rounds are interleaved, so that a busy machine disturbs all alike; the best and
//! the median round of each are printed as JSON. Must never leave a side out that was measured, whatever came of it.

mod davy;
mod packs;
mod plugin;
mod quickjs;
mod script;

use anyhow::{Context, Result, ensure};
use packs::{Decided, Pack};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Rounds of each side.
const ROUNDS: usize = 31;
/// How often a round goes through the packs.
const TIMES: usize = 20;

/// One way to ask an engine.
trait Side {
    /// Judges a pack, and replaces the state.
    fn decide(&mut self, state: &mut Vec<u8>, pack: &Pack) -> Result<Decided>;
}

fn main() -> Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::args_os().nth(1).map(PathBuf::from).context("expected the folder for what is built")?;
    let packs = packs::packs();
    let plugin = plugin::build(&here.join("plugin"), &target)?;
    let mut sides: Vec<(&str, &str, Box<dyn Side>)> = vec![
        ("Davy", "fresh", Box::new(davy::Davy::new(&here.join("rule"), &target)?)),
        ("QuickJS (rquickjs)", "reused", Box::new(quickjs::Reused::new()?)),
        ("QuickJS (rquickjs)", "fresh", Box::new(quickjs::Fresh::new()?)),
        ("Rhai", "reused", Box::new(script::Rhai::new()?)),
        ("Extism", "reused", Box::new(plugin::Reused::new(&plugin)?)),
        ("Extism", "fresh", Box::new(plugin::Fresh::new(&plugin)?)),
    ];
    let expected = packs::expected(&packs);
    for (name, how, side) in &mut sides {
        let mut state = Vec::new();
        for (number, (pack, expected)) in packs.iter().zip(&expected).enumerate() {
            let decided = side.decide(&mut state, pack)?;
            ensure!(decided == *expected, "{name}, {how}, pack {number}: expected {expected:?}, got {decided:?}");
        }
    }
    let mut nanos: Vec<Vec<f64>> = vec![Vec::new(); sides.len()];
    for _ in 0..ROUNDS {
        for ((_, _, side), nanos) in sides.iter_mut().zip(&mut nanos) {
            let begun = Instant::now();
            for _ in 0..TIMES {
                let mut state = Vec::new();
                for pack in &packs {
                    side.decide(&mut state, pack)?;
                }
            }
            nanos.push(begun.elapsed().as_nanos() as f64 / (TIMES * packs.len()) as f64);
        }
    }
    let figures = sides.iter().zip(&mut nanos).map(|((name, how, _), nanos)| {
        nanos.sort_by(f64::total_cmp);
        serde_json::json!({"who": name, "how": how, "best_ns": nanos[0], "median_ns": nanos[nanos.len() / 2]})
    });
    println!("{:#}", serde_json::Value::from_iter(figures));
    Ok(())
}
