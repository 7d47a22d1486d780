//! `davyctl rule record`: what a device has really measured, as a fixture to try rules on.
//!
//! Nothing in it tells whose device it is or on which day it was: no id, no serial, no address, and a day that all recordings share. The
//! time of day stays: rules look at it.

use crate::client::Client;
use crate::exit::Answer;
use anyhow::{Context, Result, bail};
use clap::Args;
use davy_api::{DeviceDetail, DeviceSummary, Sample, Series};
use davy_domain::{DeviceId, DeviceKind, Quantity};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

/// Events in one fixture: what a person can still read, and a rule be tried on within seconds.
const MOST_STEPS: usize = 20_000;
/// Readings within so many milliseconds of each other came in one event.
const TOGETHER_MS: i64 = 1_000;
/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;
/// 2026-01-01T00:00:00Z: the day to which every recording is moved.
const DAY_OF_ALL_MS: i64 = 1_767_225_600_000;

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
    /// Print JSON for programs instead of text for people
    #[arg(long)]
    json: bool,
}

/// What happened at one moment.
#[derive(Clone, Debug, PartialEq)]
enum Happened {
    Measured(Quantity, f64),
    /// The linked valve reported another position than before.
    Moved(&'static str),
}

type Course = BTreeMap<i64, Vec<Happened>>;

pub(crate) fn record(arguments: &Arguments) -> Result<Answer> {
    let client = Client::resume()?;
    let device: DeviceDetail = client.get(&format!("/api/v1/devices/{}", arguments.device))?;
    let now =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).context("this machine's clock is before 1970")?;
    let to = i64::try_from(now.as_millis()).context("this machine's clock is far off")?;
    let from = to - i64::from(arguments.hours) * 3_600_000;
    let mut course = Course::new();
    for &quantity in Quantity::ALL {
        for sample in samples(&client, arguments.device, quantity, from, to)? {
            course.entry(sample.at.as_millis()).or_default().push(Happened::Measured(quantity, sample.value));
        }
    }
    if course.is_empty() {
        bail!("the device has measured nothing in the last {} hours", arguments.hours);
    }
    let at_home = |other: &&DeviceSummary| {
        other.kind == DeviceKind::Valve && other.address == device.summary.address && other.id != arguments.device
    };
    let valve = match device.linked.iter().find(at_home) {
        Some(valve) => moves(samples(&client, valve.id, Quantity::Valve, from, to)?, &mut course),
        None => None,
    };
    let fixture = fixture(&device, valve, &course, arguments.hours)?;
    let file = &arguments.output;
    std::fs::write(file, serde_json::to_string_pretty(&fixture)? + "\n")
        .with_context(|| format!("cannot write {}", file.display()))?;
    let count = fixture["steps"].as_array().map_or(0, Vec::len);
    if arguments.json {
        println!("{}", json!({"file": file, "events": count}));
    } else {
        println!("{}: {count} events; run them with `davyctl rule test FILE --fixtures FOLDER`", file.display());
    }
    Ok(Answer::Yes)
}

/// Every sample: a range that the server thins is asked for in halves, for a fixture holds what was measured and nothing else.
fn samples(client: &Client, device: DeviceId, quantity: Quantity, from: i64, to: i64) -> Result<Vec<Sample>> {
    let name = serde_json::to_value(quantity).unwrap_or_default();
    let name = name.as_str().unwrap_or_default();
    let path = format!("/api/v1/devices/{device}/series?quantity={name}&from={from}&to={to}&limit=10000");
    let series: Series = client.get(&path)?;
    if !series.thinned {
        return Ok(series.samples);
    }
    let middle = from + (to - from) / 2;
    if middle == from {
        bail!("more {name} readings than can be fetched have one time: {from} ms");
    }
    let mut all = samples(client, device, quantity, from, middle)?;
    // The bounds of a range belong to it: what lies on the middle would come twice.
    let after = all.last().map_or(middle, |last| last.at.as_millis().max(middle)) + 1;
    all.retain(|sample| sample.at.as_millis() < after);
    all.extend(samples(client, device, quantity, after, to)?);
    Ok(all)
}

/// Adds a valve's moves to the course, and returns where it was before the first one.
fn moves(samples: Vec<Sample>, course: &mut Course) -> Option<&'static str> {
    let position = |sample: &Sample| if sample.value >= 0.5 { "closed" } else { "open" };
    let first = samples.first().map(position);
    let mut before = first;
    for sample in &samples {
        let now = position(sample);
        if before != Some(now) {
            course.entry(sample.at.as_millis()).or_default().push(Happened::Moved(now));
        }
        before = Some(now);
    }
    first
}

/// The course as a fixture: another day, the same time of day, no name of anybody.
fn fixture(device: &DeviceDetail, valve: Option<&'static str>, course: &Course, hours: u32) -> Result<Value> {
    let Some((&start, _)) = course.first_key_value() else { bail!("nothing has happened") };
    let kind = serde_json::to_value(device.summary.kind).unwrap_or_default();
    let mut about = json!({"kind": kind});
    if let Some(valve) = valve {
        about["valve"] = json!(valve);
    }
    if let Some(installed) = device.installed_at {
        about["installed-days-ago"] = json!((start - installed.as_millis()).max(0) / DAY_MS);
    }
    Ok(json!({
        "about": format!("What a {} measured in {hours} hours; add `expect` where the outcome matters", kind.as_str().unwrap_or("device")),
        "start-ms": DAY_OF_ALL_MS + start.rem_euclid(DAY_MS),
        "device": about,
        "steps": steps(course, start)?,
    }))
}

/// What happened as events, in the order of time.
fn steps(course: &Course, start: i64) -> Result<Vec<Value>> {
    let mut steps: Vec<(i64, Value)> = Vec::new();
    for (&at, all) in course {
        for happened in all {
            match happened {
                Happened::Moved(to) => steps.push((at, json!({"valve": to}))),
                Happened::Measured(quantity, value) => {
                    let name = serde_json::to_value(quantity).unwrap_or_default();
                    let reading = json!({name.as_str().unwrap_or_default(): value, "at-s": seconds(at, start)});
                    let readings = steps.last_mut().filter(|(begun, _)| at - *begun < TOGETHER_MS);
                    match readings.and_then(|(_, step)| step["readings"].as_array_mut()) {
                        Some(readings) => readings.push(reading),
                        None => steps.push((at, json!({"readings": [reading]}))),
                    }
                }
            }
        }
    }
    if steps.len() > MOST_STEPS {
        bail!("{} events are too many for a fixture, at most {MOST_STEPS}: ask for fewer `--hours`", steps.len());
    }
    let timed = |(at, mut step): (i64, Value)| {
        step["at-s"] = seconds(at, start);
        step
    };
    Ok(steps.into_iter().map(timed).collect())
}

fn seconds(at: i64, start: i64) -> Value {
    json!((at - start) as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use davy_domain::Timestamp;

    #[test]
    fn readings_of_one_moment_are_one_event_and_times_begin_at_nought() {
        let measured = |quantity, value| Happened::Measured(quantity, value);
        let mut course = Course::new();
        course.insert(5_000, vec![measured(Quantity::Gas, 1.0), measured(Quantity::Co, 2.0)]);
        course.insert(5_400, vec![measured(Quantity::Gas, 1.5)]);
        course.insert(65_000, vec![measured(Quantity::Gas, 3.0), Happened::Moved("closed")]);
        let steps = steps(&course, 5_000).unwrap();
        assert_eq!(steps.len(), 3);
        assert_eq!((&steps[0]["at-s"], steps[0]["readings"].as_array().unwrap().len()), (&json!(0.0), 3));
        assert_eq!(steps[0]["readings"][2]["at-s"], json!(0.4));
        assert_eq!((&steps[1]["at-s"], &steps[2]["valve"]), (&json!(60.0), &json!("closed")));
    }

    #[test]
    fn a_valve_moves_when_its_position_is_another_one() {
        let sample = |at, value| Sample { at: Timestamp::from_millis(at), value };
        let mut course = Course::new();
        let first =
            moves(vec![sample(1, 0.0), sample(2, 0.0), sample(3, 1.0), sample(4, 1.0), sample(5, 0.0)], &mut course);
        assert_eq!(first, Some("open"));
        let expected = [(3, vec![Happened::Moved("closed")]), (5, vec![Happened::Moved("open")])];
        assert_eq!(course, Course::from(expected));
    }

    #[test]
    fn what_is_too_long_for_a_fixture_is_refused_and_not_cut() {
        let course: Course =
            (0..=MOST_STEPS as i64).map(|n| (n * 2_000, vec![Happened::Measured(Quantity::Gas, 1.0)])).collect();
        assert!(steps(&course, 0).unwrap_err().to_string().contains("--hours"));
    }
}
