//! How fast a history is folded under two policies, beside the ceiling: reading it back and the native fold alone.
//!
//! The history is what quiet households send: a detector that reports four readings each minute and a valve that reports each
//! quarter of an hour, as SenML packs in memory, decoded while they are folded.

use anyhow::{Context, Result};
use davy_domain::floor::Floor;
use davy_domain::history::{Arrival, Said, Subject};
use davy_domain::interlock::Limits;
use davy_domain::senml::{self, Part};
use davy_domain::{DeviceConfig, DeviceId, DeviceKind, InterlockId, Quantity, Reading, Span, TenantId, Timestamp};
use davy_rules::backtest::{BackTest, History, HistoryError, Options};
use davy_rules::{BoundRule, Engine, EngineConfig};
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// Messages to a page.
const PAGE: usize = 8_192;

/// Packs of one household, over and over for every household.
struct Quiet {
    subjects: Vec<Subject>,
    packs: Vec<(Timestamp, bool, Vec<u8>)>,
}

impl Quiet {
    fn new(households: usize, days: i64) -> Self {
        let mut packs = Vec::new();
        let mut noise = 0x2545_F491_4F6C_DD1D_u64;
        let mut random = move || {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            (noise >> 11) as f64 / (1_u64 << 53) as f64
        };
        let tenth = |value: f64| (value * 10.0).round() / 10.0;
        for minute in 0..days * 24 * 60 {
            let at = START + Span::from_minutes(minute);
            let of = |values: &[(Quantity, f64)]| {
                let readings =
                    values.iter().map(|(quantity, value)| Reading { quantity: *quantity, value: *value, at });
                senml::encode(&[Part { child: None, readings: readings.collect() }])
            };
            let day = f64::from((minute % 1_440) as i32) / 229.0;
            packs.push((
                at,
                true,
                of(&[
                    (Quantity::Gas, tenth(random() * 0.6)),
                    (Quantity::Co, tenth(random() * 3.0)),
                    (Quantity::Temperature, tenth(20.0 + day.sin() * 4.0)),
                    (Quantity::Battery, 90.0),
                ]),
            ));
            if minute % 15 == 7 {
                let at = at + Span::from_secs(11);
                packs.push((at, false, of(&[(Quantity::Valve, 0.0), (Quantity::Battery, 88.0)])));
            }
        }
        Self { subjects: (1..=households as i64).map(household).collect(), packs }
    }
}

fn household(number: i64) -> Subject {
    let (detector, valve) = (DeviceId::from_raw(number * 10 + 1), DeviceId::from_raw(number * 10 + 2));
    let device = |id: DeviceId, kind, links| DeviceConfig {
        id,
        serial: format!("S{}", id.raw()),
        kind,
        premises: None,
        installed_at: Some(START - Span::from_days(100)),
        report_interval: Some(Span::from_minutes(15)),
        sleepy: false,
        links,
        parent: None,
    };
    let devices =
        vec![device(detector, DeviceKind::Detector, vec![valve]), device(valve, DeviceKind::Valve, Vec::new())];
    Subject { interlock: InterlockId::from_raw(number), tenant: TenantId::from_raw(1), devices }
}

impl History for Quiet {
    fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    fn arrivals(&self) -> u64 {
        (self.packs.len() * self.subjects.len()) as u64
    }

    fn read(&self, subject: usize, visit: &mut dyn FnMut(&[Arrival]) -> ControlFlow<()>) -> Result<(), HistoryError> {
        let devices = &self.subjects[subject].devices;
        let mut page = Vec::with_capacity(PAGE);
        for packs in self.packs.chunks(PAGE) {
            page.clear();
            for (at, detector, pack) in packs {
                let device = devices[usize::from(!*detector)].id;
                page.push(Arrival { at: *at, device, said: Said::Uplink(senml::decode(pack, *at)?.parts) });
            }
            if visit(&page).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// Measures the alarm policy in `bytes` against itself, and returns the figures.
///
/// # Errors
/// When the component is none, or does not take its own defaults.
pub fn measure(bytes: &[u8], households: usize, days: i64, threads: usize) -> Result<serde_json::Value> {
    let engine = Engine::new(&EngineConfig::default())?;
    let rule = engine.load(&engine.admit(bytes).context("the component is refused")?);
    let bound = rule.bind(rule.encode_settings("{}")?);
    let floor = Floor::china_default().for_jurisdiction("CN")?;
    let limits = Limits::default();
    let history = Quiet::new(households, days);
    let run = |rule: Option<&BoundRule>, batch: u32| -> Result<serde_json::Value> {
        let options = Options { threads, batch, ..Options::default() };
        let to = START + Span::from_days(days + 1);
        let test =
            BackTest { active: rule, candidate: rule, floor: &floor, limits: &limits, to, confirmed: &[], options };
        let begun = Instant::now();
        let report = test.run(&history, &|_| {}, &AtomicBool::new(false))?;
        let seconds = begun.elapsed().as_secs_f64();
        Ok(serde_json::json!({
            "readings_per_second": report.readings as f64 / seconds,
            "seconds": seconds,
            "readings": report.readings,
            "calls": report.active.calls.calls + report.candidate.calls.calls,
            "fuel_p50": report.candidate.calls.fuel.p50,
            "alarms": report.active.alarms,
        }))
    };
    Ok(serde_json::json!({
        "rule": rule.describe().name,
        "threads": threads,
        "households": households,
        "days": days,
        "ceiling": run(None, 1)?,
        "batched": run(Some(&bound), davy_rules::batch::BATCH)?,
        "one_by_one": run(Some(&bound), 1)?,
    }))
}
