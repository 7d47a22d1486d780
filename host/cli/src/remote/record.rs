//! `davyctl rule record`: what a device has really measured, as a fixture to try rules on.
//!
//! Nothing in it tells whose device it is or when it was: no id, no serial, no address, and times from the fixture's own start.

use crate::client::Client;
use crate::exit::Answer;
use anyhow::{Context, Result, bail};
use clap::Args;
use davy_api::{DeviceDetail, Series};
use davy_domain::{DeviceId, Quantity};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

/// Events in one fixture.
const MOST_STEPS: usize = 5_000;
/// Readings within so many milliseconds of each other came in one event.
const TOGETHER_MS: i64 = 1_000;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The device (dev_…)
    device: DeviceId,
    /// How many hours back
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=2400))]
    hours: u32,
    /// The fixture to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(crate) fn record(arguments: &Arguments) -> Result<Answer> {
    let client = Client::resume()?;
    let device: DeviceDetail = client.get(&format!("/api/v1/devices/{}", arguments.device))?;
    let now =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).context("this machine's clock is before 1970")?;
    let to = i64::try_from(now.as_millis()).context("this machine's clock is far off")?;
    let from = to - i64::from(arguments.hours) * 3_600_000;
    let mut measured: BTreeMap<i64, Vec<(Quantity, f64)>> = BTreeMap::new();
    for &quantity in Quantity::ALL {
        let name = serde_json::to_value(quantity).unwrap_or_default();
        let name = name.as_str().unwrap_or_default();
        let path =
            format!("/api/v1/devices/{}/series?quantity={name}&from={from}&to={to}&limit=10000", arguments.device);
        let series: Series = client.get(&path)?;
        for sample in series.samples {
            measured.entry(sample.at.as_millis()).or_default().push((quantity, sample.value));
        }
    }
    let Some((&start, _)) = measured.first_key_value() else {
        bail!("the device has measured nothing in the last {} hours", arguments.hours);
    };
    let kind = serde_json::to_value(device.summary.kind).unwrap_or_default();
    let steps = steps(&measured, start);
    let count = steps.len();
    let fixture = json!({
        "about": format!("What a {} measured in {} hours; add `expect` where the outcome matters", kind.as_str().unwrap_or("device"), arguments.hours),
        "device": {"kind": kind},
        "steps": steps,
    });
    let file = &arguments.output;
    std::fs::write(file, serde_json::to_string_pretty(&fixture)? + "\n")
        .with_context(|| format!("cannot write {}", file.display()))?;
    println!("{}: {count} events; run them with `davyctl rule test FILE --fixtures FOLDER`", file.display());
    Ok(Answer::Yes)
}

/// The readings as events, in the order of time.
fn steps(measured: &BTreeMap<i64, Vec<(Quantity, f64)>>, start: i64) -> Vec<Value> {
    let mut steps: Vec<(i64, Vec<Value>)> = Vec::new();
    for (&at, readings) in measured {
        let readings = readings.iter().map(|(quantity, value)| {
            let name = serde_json::to_value(quantity).unwrap_or_default();
            json!({name.as_str().unwrap_or_default(): value})
        });
        let full = steps.len() >= MOST_STEPS;
        match steps.last_mut() {
            Some((begun, step)) if at - *begun < TOGETHER_MS => step.extend(readings),
            _ if full => break,
            _ => steps.push((at, readings.collect())),
        }
    }
    let step = |(at, readings): (i64, Vec<Value>)| json!({"at-s": (at - start) as f64 / 1_000.0, "readings": readings});
    steps.into_iter().map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_of_one_moment_are_one_event_and_times_begin_at_nought() {
        let mut measured = BTreeMap::new();
        measured.insert(5_000, vec![(Quantity::ALL[0], 1.0), (Quantity::ALL[1], 2.0)]);
        measured.insert(5_400, vec![(Quantity::ALL[0], 1.5)]);
        measured.insert(65_000, vec![(Quantity::ALL[0], 3.0)]);
        let steps = steps(&measured, 5_000);
        assert_eq!(steps.len(), 2);
        assert_eq!((&steps[0]["at-s"], steps[0]["readings"].as_array().unwrap().len()), (&json!(0.0), 3));
        assert_eq!(steps[1]["at-s"], json!(60.0));
    }
}
