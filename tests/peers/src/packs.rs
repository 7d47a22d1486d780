//! What is judged, in the forms that the sides take, and what must come of it.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The settings, as JSON for the sides that take it.
pub(crate) const SETTINGS: &str = r#"{"low":10.0,"high":20.0,"hysteresis":2.0,"low_s":10,"high_s":0,"recovery_s":10}"#;
/// The same by Davy's names.
pub(crate) const DAVYS: &str = r#"{"low":10.0,"high":20.0,"hysteresis":2.0,"low-s":10,"high-s":0,"recovery-s":10}"#;

const START_MS: i64 = 1_800_000_000_000;
const GAS: u16 = 1;

/// One measured value.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Reading {
    pub(crate) at_ms: i64,
    pub(crate) value: f64,
    pub(crate) quantity: u16,
}

/// Four readings at one time.
pub(crate) type Pack = [Reading; 4];

/// What was decided: conditions raised and gone, and whether the valve closes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Decided {
    pub(crate) raises: Vec<u16>,
    pub(crate) clears: Vec<u16>,
    pub(crate) close: bool,
}

/// Fifty packs, ten seconds apart: quiet, as most are, with a leak in the middle.
pub(crate) fn packs() -> Vec<Pack> {
    (0..50_i64)
        .map(|number| {
            let gas = match number {
                20 | 21 => 12.5,
                22..=24 => 31.0,
                25 => 17.0,
                _ => 0.6,
            };
            let reading = |quantity, value| Reading { at_ms: START_MS + number * 10_000, value, quantity };
            [reading(GAS, gas), reading(2, 2.0), reading(6, 21.5), reading(5, 88.0)]
        })
        .collect()
}

/// What the policy says of each: low after ten seconds, high at once, each gone ten seconds after the gas.
pub(crate) fn expected(packs: &[Pack]) -> Vec<Decided> {
    (0..packs.len())
        .map(|number| match number {
            21 => Decided { raises: vec![1], ..Decided::default() },
            22 => Decided { raises: vec![2], close: true, ..Decided::default() },
            26 => Decided { clears: vec![2], ..Decided::default() },
            27 => Decided { clears: vec![1], ..Decided::default() },
            _ => Decided::default(),
        })
        .collect()
}

/// The one text that goes into the sides that take JSON.
pub(crate) fn text(state: &[u8], pack: &Pack) -> Result<String> {
    #[derive(Serialize)]
    struct Input<'a> {
        settings: &'a RawValue,
        state: Option<&'a RawValue>,
        readings: &'a Pack,
    }
    let settings = serde_json::from_str(SETTINGS)?;
    let state = if state.is_empty() { None } else { Some(serde_json::from_slice(state)?) };
    Ok(serde_json::to_string(&Input { settings, state, readings: pack })?)
}

/// The one text that comes out of them.
pub(crate) fn read(text: &str, state: &mut Vec<u8>) -> Result<Decided> {
    #[derive(Deserialize)]
    struct Raise {
        condition: u16,
        #[serde(rename = "priority")]
        _priority: u16,
    }
    #[derive(Deserialize)]
    struct Output<'a> {
        #[serde(borrow)]
        state: &'a RawValue,
        raises: Vec<Raise>,
        clears: Vec<u16>,
        close: bool,
    }
    let output: Output<'_> = serde_json::from_str(text)?;
    state.clear();
    state.extend_from_slice(output.state.get().as_bytes());
    let raises = output.raises.iter().map(|raise| raise.condition).collect();
    Ok(Decided { raises, clears: output.clears, close: output.close })
}
